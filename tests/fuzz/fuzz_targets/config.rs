//! The configuration file: any text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_sensor::config::Config;

fuzz_target!(|text: &str| {
    if let Err(problems) = Config::parse(text) {
        let lines = text.lines().count().max(1);
        assert!(!problems.is_empty() && problems.iter().all(|problem| (1..=lines + 1).contains(&problem.line)));
    }
});
