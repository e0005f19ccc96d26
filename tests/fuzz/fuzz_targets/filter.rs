//! Conditions of `decode --filter`: any text, held against messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_sensor::filter::Filter;
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// Few, because an unknown field is compared with each.
const KNOWN: &[&str] =
    &["frame.number", "ip.src", "latency", "modbus.bitval", "modbus.func_code", "modbus.regval_uint16", "violations"];

static MESSAGES: LazyLock<Vec<Map<String, Value>>> = LazyLock::new(|| {
    let texts = [
        "{}",
        r#"{"frame.number":7,"ip.src":"10.0.0.5","ip.dst":"fd20::11","srcport":502,"modbus.func_code":3,
            "modbus.regval_uint16":[1,0,65535],"outcome":"ok","latency":0.0012,"violations":[]}"#,
        r#"{"frame.number":null,"ip.src":"ÄÖ","modbus.func_code":"6","modbus.bitval":[true,false],"latency":1e300,
            "violations":[{"rule":"illegal-length","offset":-1}]}"#,
    ];
    texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect()
});

fuzz_target!(|text: &str| {
    match Filter::parse(text, KNOWN) {
        Ok(filter) => {
            let reverse = Filter::Not(Box::new(filter.clone()));
            for message in MESSAGES.iter() {
                assert_ne!(filter.matches(message), reverse.matches(message), "neither holds nor does not hold");
            }
        }
        Err(problem) => assert!(!problem.is_empty()),
    }
});
