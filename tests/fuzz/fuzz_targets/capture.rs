//! Capture files: any bytes as a file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_capture::{CaptureSet, Source};
use std::path::PathBuf;
use std::sync::LazyLock;

static PATH: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("fuzz-capture-{}", std::process::id())));

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = std::fs::write(&*PATH, bytes) {
        panic!("{}: {error}", PATH.display());
    }
    if let Ok(mut set) = CaptureSet::open(std::slice::from_ref(&*PATH)) {
        let (mut packets, mut frame) = (0_u64, 0_u64);
        while let Ok(Some(packet)) = set.next() {
            packets += 1;
            assert_eq!(packet.info.number, packets);
            assert!(packet.info.frame.number() > frame, "frame numbers do not grow");
            frame = packet.info.frame.number();
        }
        // Frames that cannot be used are counted, as other tools do, and not delivered.
        assert!(set.packets().iter().sum::<u64>() >= frame);
        let _ = set.warnings();
    }
});
