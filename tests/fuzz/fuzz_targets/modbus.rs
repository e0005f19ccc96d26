//! A Modbus session shown any bytes in any pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ot_fuzz::session::play("modbus", bytes));
