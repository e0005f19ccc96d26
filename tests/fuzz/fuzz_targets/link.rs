//! Frames of any link type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_capture::Source;
use ot_fuzz::Frames;
use ot_link::{Decoder, LinkConfig};

fuzz_target!(|bytes: &[u8]| {
    let mut frames = Frames::new(bytes);
    let mut decoder = Decoder::new(LinkConfig::default());
    while let Ok(Some(packet)) = frames.next() {
        let _ = decoder.decode(&packet);
    }
});
