//! From frames to facts: everything the sensor does with a packet before the engine.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_flow::FlowConfig;
use ot_fuzz::{Frames, PROTOCOLS};
use std::ops::ControlFlow;

fuzz_target!(|bytes: &[u8]| {
    let config = FlowConfig { workers: 0, batch_packets: 16, ..FlowConfig::default() };
    let mut last = None;
    let _ = ot_flow::run(&mut Frames::new(bytes), PROTOCOLS, &config, &mut |facts, _| {
        for (order, _) in &facts {
            assert!(last.is_none_or(|last| last < *order), "facts out of order");
            last = Some(*order);
        }
        ControlFlow::Continue(())
    });
});
