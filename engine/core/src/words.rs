//! Words for people: functions, targets, values, times.

use ot_protocol::{Activity, Nanos, Outcome, Target, Values};
use std::fmt::Write as _;

/// `Write Single Register (function 6)`.
pub fn function(activity: &Activity) -> String {
    match activity.function.sub {
        Some(sub) => format!("{} (function {}, subfunction {sub})", activity.function.name, activity.function.code),
        None => format!("{} (function {})", activity.function.name, activity.function.code),
    }
}

/// `holding-registers 40-49`; empty where nothing is addressed.
pub fn target(target: &Target) -> String {
    let mut text = target.space.replace('-', " ");
    if let Some(number) = target.number {
        let _ = write!(text, " {number}");
    }
    if let Some(name) = &target.name {
        let _ = write!(text, " {name}");
    }
    match target.count {
        0 => {}
        1 => {
            let _ = write!(text, " {}", target.start);
        }
        count => {
            let _ = write!(text, " {}-{}", target.start, target.start.saturating_add(count - 1));
        }
    }
    text.trim().to_owned()
}

/// `17, 18, 19 … (40 values)`; empty where there is none.
pub fn values(values: &Values) -> String {
    const SHOWN: usize = 8;
    let mut text = String::new();
    for index in 0..values.len().min(SHOWN) {
        let Some(value) = values.get(index) else { break };
        if index > 0 {
            text.push_str(", ");
        }
        match values {
            Values::Bits(_) => text.push_str(if value == 0.0 { "off" } else { "on" }),
            _ => {
                let _ = write!(text, "{value}");
            }
        }
    }
    if values.len() > SHOWN {
        let _ = write!(text, " … ({} values)", values.len());
    }
    text
}

/// What became of a command, as the end of a sentence: `the device accepted it`.
pub fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Ok => "the device accepted it".to_owned(),
        Outcome::Rejected(code, name) => format!("the device refused it ({name}, code {code})"),
        Outcome::Unanswered => "the device did not answer".to_owned(),
        Outcome::Pending => "its answer was not seen".to_owned(),
    }
}

/// A span of time: `250 ms`, `5.0 s`, `12 min`.
pub fn span(nanos: Nanos) -> String {
    let millis = nanos / 1_000_000;
    match millis {
        ..1_000 => format!("{millis} ms"),
        1_000..120_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        120_000..7_200_000 => format!("{} min", millis / 60_000),
        _ => format!("{} h", millis / 3_600_000),
    }
}
