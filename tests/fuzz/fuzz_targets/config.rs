//! The configuration file: any text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_sensor::config::Config;

fuzz_target!(|text: &str| {
    if let Err(problem) = Config::parse(text) {
        assert!(!problem.is_empty());
    }
});
