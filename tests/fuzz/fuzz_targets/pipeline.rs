//! From frames to facts, or to messages: everything the sensor does with a packet before the engine.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_fuzz::{Frames, OTHER_WAY, PROTOCOLS, flow_config};
use std::ops::ControlFlow;

fuzz_target!(|bytes: &[u8]| {
    let (mut frames, bits) = Frames::new(bytes);
    let config = flow_config(bits);
    if bits & OTHER_WAY != 0 {
        let _ = ot_flow::decode(&mut frames, PROTOCOLS, &config, &mut |_| ControlFlow::Continue(()));
        return;
    }
    let mut last = None;
    let _ = ot_flow::run(&mut frames, PROTOCOLS, &config, &mut |facts, _| {
        for (order, _) in facts {
            assert!(last.is_none_or(|last| last < order), "facts out of order");
            last = Some(order);
        }
        ControlFlow::Continue(())
    });
});
