//! Exported baselines: any text. What was read is written and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ot_views::baseline::{HEADER, diff, parse};

fuzz_target!(|text: &str| {
    let Ok(lines) = parse("file", text) else { return };
    assert!(diff(&lines, &lines).is_empty(), "differs from itself");
    let mut again = HEADER.to_owned();
    for line in &lines {
        again.push('\n');
        again.push_str(&line.text());
    }
    match parse("again", &again) {
        Ok(read) => assert!(diff(&lines, &read).is_empty() && read == lines, "written and read again as another"),
        Err(problem) => panic!("written but not readable: {problem}"),
    }
});
