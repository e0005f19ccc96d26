//! Capture files: any bytes as a file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_capture::{CaptureSet, Source};

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("fuzz-capture-{}", std::process::id()));
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    if let Ok(mut set) = CaptureSet::open(std::slice::from_ref(&path)) {
        let mut packets = 0_u64;
        while let Ok(Some(packet)) = set.next() {
            packets += 1;
            assert_eq!(packet.info.number, packets);
        }
        let _ = set.warnings();
    }
});
