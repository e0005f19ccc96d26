//! An S7 session (S7comm or S7comm-plus, as its bytes tell) shown any bytes in any pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ot_fuzz::session::play("s7comm", bytes));
