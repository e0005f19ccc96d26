//! Frames of any link type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_capture::Source;
use ot_fuzz::{Frames, flow_config};
use ot_link::Decoder;

fuzz_target!(|bytes: &[u8]| {
    let (mut frames, bits) = Frames::new(bytes);
    let mut decoder = Decoder::new(flow_config(bits).link);
    while let Ok(Some(packet)) = frames.next() {
        let _ = decoder.decode(&packet);
    }
});
