//! A session of a companion protocol, which the first byte chooses, shown any bytes in any pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_fuzz::session;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, rest)) = bytes.split_first() else { return };
    session::play(session::companion(choice), rest);
});
