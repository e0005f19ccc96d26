//! From frames to alerts: the whole way, with the engine, which takes its changes now and then as for a store.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_engine::Engine;
use ot_engine::config::{EngineConfig, Learning, Limits};
use ot_fuzz::{CHOICE, Frames, OTHER_WAY, PROTOCOLS, SMALL, flow_config};
use std::ops::ControlFlow;

fuzz_target!(|bytes: &[u8]| {
    let (mut frames, bits) = Frames::new(bytes);
    let mut config = EngineConfig::default();
    if bits & OTHER_WAY != 0 {
        config.learning = Learning::For(2_000_000_000);
    }
    if bits & SMALL != 0 {
        config.limits = Limits {
            devices: 4,
            entries: 8,
            observed: 4,
            points: 4,
            program_versions: 2,
            program_bytes: 64,
            journal: 4,
            alerts: 8,
            alerts_of_a_type: 2,
            sessions: 2,
            window_keys: 4,
        };
    }
    let often = bits & CHOICE != 0;
    let mut engine = Engine::new(config, Default::default());
    let summary = ot_flow::run(&mut frames, PROTOCOLS, &flow_config(bits), &mut |facts, _| {
        for (_, fact) in facts {
            engine.apply(fact);
        }
        if often {
            let _ = engine.take_changes();
        }
        ControlFlow::Continue(())
    });
    engine.finish();
    if let Ok(summary) = summary {
        engine.add_counters(summary.link.iter());
        engine.add_counters(summary.flow.iter());
    }
    let _ = engine.take_changes();
    if bits & SMALL != 0 {
        assert!(engine.core().inventory.len() <= 4, "more devices than the limit");
        assert!(engine.core().baseline.len() <= 8, "more entries than the limit");
    }
});
