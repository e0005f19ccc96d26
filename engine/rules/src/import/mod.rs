//! Rules of Suricata and Snort, converted.
//!
//! What looks at one packet or one message is converted: contents and their places, byte_test, byte_jump, isdataat,
//! dsize, simple pcre; the keywords for Modbus and DNP3; flow direction; thresholds. What needs more is refused, with the
//! reason.

mod application;
mod header;
mod options;
mod payload;
mod pcre;
mod split;
mod write;

pub use header::Variables;

use crate::expression::hex;
use header::Header;
use options::Options;
use std::collections::BTreeMap;
use std::fmt;

/// Rules converted from one text, at most.
const MOST_RULES: usize = 50_000;

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The converted rules, as a file.
    pub toml: String,
    /// How many rules were converted.
    pub converted: usize,
    /// What to know about those that were.
    pub notes: Vec<String>,
    /// Those that were not.
    pub refused: Vec<Refused>,
}

/// A rule that was not converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file.
    pub file: String,
    /// Line on which it begins.
    pub line: usize,
    /// Its sid, where it has one.
    pub sid: Option<u64>,
    /// Its msg.
    pub msg: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.file, self.line)?;
        if let Some(sid) = self.sid {
            write!(f, " sid {sid}")?;
        }
        if !self.msg.is_empty() {
            write!(f, " {:?}", self.msg)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// A rule of Suricata or Snort, taken apart.
pub(crate) struct Source {
    pub header: Header,
    pub options: Options,
}

/// Converts files: name and text of each. `commented`: also rules that are commented out.
pub fn import(files: &[(String, String)], variables: &Variables, commented: bool) -> Imported {
    let mut imported = Imported::default();
    let mut out = write::Writer::default();
    // The text of each id, to drop what stands twice.
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in files {
        for (line, rule) in split::rules(text, commented) {
            if imported.converted >= MOST_RULES || imported.refused.len() >= MOST_RULES {
                imported.notes.push(format!("{file} line {line}: more than {MOST_RULES} rules; the rest was left out"));
                break;
            }
            let (sid, msg) = options::sid_and_msg(&rule);
            let refuse = |reason: String| Refused { file: file.clone(), line, sid, msg: msg.clone(), reason };
            let result = split::parts(&rule).and_then(|(head, options)| {
                let header = Header::parse(&head, variables)?;
                let options = Options::parse(&options)?;
                let source = Source { header, options };
                let mut notes = Vec::new();
                let bodies = write::bodies(&source, &mut notes)?;
                Ok((bodies, notes))
            });
            let (bodies, notes) = match result {
                Ok(done) => done,
                Err(reason) => {
                    imported.refused.push(refuse(reason));
                    continue;
                }
            };
            let id = sid.map_or_else(|| format!("line-{line}"), |sid| format!("sid-{sid}"));
            let known = ids.entry(id.clone()).or_default();
            // Another revision that looks for the same is the same.
            let what = |body: &String| {
                body.lines().filter(|line| !line.starts_with("references")).collect::<Vec<_>>().join("\n")
            };
            let whole = bodies.iter().map(what).collect::<Vec<_>>().join("\n");
            let place = refuse(String::new()).to_string();
            let place = place.trim_end_matches(": ");
            if known.contains(&whole) {
                imported.notes.push(format!("{place}: stands twice; converted once"));
                continue;
            }
            known.push(whole);
            let id = if known.len() > 1 { format!("{id}-{}", known.len()) } else { id };
            imported.notes.extend(notes.into_iter().map(|note| format!("{place}: {note}")));
            out.rule(file, line, &id, &msg, &bodies);
            imported.converted += 1;
        }
    }
    imported.toml = out.finish();
    imported
}

/// Bytes in the notation of contents.
pub(crate) fn notation(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut digits = false;
    let plain = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b'|';
    for (at, &byte) in bytes.iter().enumerate() {
        // A single letter between other bytes reads better as digits.
        let neighbours = [at.checked_sub(1), at.checked_add(1)].into_iter().flatten();
        let alone = neighbours.filter_map(|at| bytes.get(at)).all(|byte| !plain(*byte));
        if plain(byte) && !alone {
            if std::mem::take(&mut digits) {
                text.push('|');
            }
            text.push(char::from(byte));
        } else {
            text.push(if digits { ' ' } else { '|' });
            digits = true;
            let _ = write!(text, "{byte:02x}");
        }
    }
    if digits {
        text.push('|');
    }
    text
}

/// A number of a rule: decimal or hexadecimal.
pub(crate) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// One byte of two hexadecimal digits.
pub(crate) fn byte(digits: &str) -> Option<u8> {
    hex(digits).and_then(|bytes| bytes.first().copied())
}
