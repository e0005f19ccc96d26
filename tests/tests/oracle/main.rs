//! Decoding equals Wireshark's, value by value, on the fixtures and on the captures beside the project.
//!
//! For each protocol there is a file that names the fields that must be there, and the places where Wireshark is wrong.
//! Beyond those, every field that `decode` and Wireshark both know is compared. All frames of all captures are: the
//! largest takes tshark three seconds, all of them together with `decode` a minute and a half of processor time.

mod dnp3;
mod modbus;
mod s7comm;
mod sides;

use anyhow::{Context as _, Result, ensure};
use ot_tests::sensor::{capture, corpus, fixtures, lines, sensor};
use serde_json::Value;
use sides::{Row, known_to_wireshark, ours, wireshark};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What of a protocol is held against Wireshark.
struct Oracle {
    /// Protocol id, which is also its column in the inventory of the captures beside the project.
    protocol: &'static str,
    /// Fields that `decode` must have.
    fields: &'static [&'static str],
    /// Where the two differ, and why.
    differs: &'static [Differs],
    /// Fields beyond the promised that one side leaves out at places, and why: they are compared where both have them.
    partial: &'static [(&'static str, &'static str)],
}

/// A place where what `decode` says is right although Wireshark says something else.
struct Differs {
    /// End of the capture's path; empty for all captures.
    capture: &'static str,
    /// The fields, where not all of the frames.
    fields: &'static [&'static str],
    /// The frames, where not the whole capture.
    frames: &'static [u64],
    /// For those who read this file.
    #[allow(dead_code)]
    why: &'static str,
}

impl Differs {
    fn holds(&self, capture: &str, frame: u64, field: &str) -> bool {
        capture.ends_with(self.capture)
            && (self.fields.is_empty() || self.fields.contains(&field))
            && (self.frames.is_empty() || self.frames.contains(&frame))
    }
}

static ORACLES: [&Oracle; 3] = [&modbus::ORACLE, &dnp3::ORACLE, &s7comm::ORACLE];

/// A field that is compared: its protocol as an index of [`ORACLES`], its name, its kind for Wireshark.
struct Field {
    oracle: usize,
    name: String,
    kind: String,
}

/// A difference that no list explains.
struct Fault {
    capture: String,
    frame: u64,
    field: String,
    what: String,
}

/// What one capture showed.
#[derive(Default)]
struct Tally {
    /// Values equal, by protocol.
    equal: [u64; ORACLES.len()],
    /// Frames with a protocol's fields where Wireshark saw none of it, by protocol.
    only_here: [u64; ORACLES.len()],
    faults: Vec<Fault>,
    /// Protocol and index of each difference of the lists that was met.
    met: BTreeSet<(usize, usize)>,
}

#[test]
fn every_value_equals_wiresharks() -> Result<()> {
    let fields = compared()?;
    let files = captures()?;
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Tally::default());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match compare(file, &fields) {
                        Ok(tally) => all.lock().unwrap().add(tally),
                        Err(error) => failures.lock().unwrap().push(format!("{}: {error:#}", file.display())),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner()?;
    ensure!(failures.is_empty(), "{failures:#?}");
    let Tally { equal, only_here, mut faults, met } = all.into_inner()?;
    for (number, oracle) in ORACLES.iter().enumerate() {
        let (name, seen) = (oracle.protocol, equal[number]);
        let of = |extra: bool| {
            let own = fields.iter().filter(|field| field.oracle == number);
            own.filter(|field| extra != oracle.fields.contains(&field.name.as_str())).count()
        };
        println!(
            "{name}: {seen} values equal in {} promised and {} further fields; {} frames only here",
            of(false),
            of(true),
            only_here[number]
        );
        ensure!(seen > 10_000, "only {seen} values of {name} compared");
        for (index, differs) in oracle.differs.iter().enumerate() {
            // Without the captures beside the project not every difference can be met.
            if corpus().is_some() && !met.contains(&(number, index)) {
                faults.push(Fault {
                    capture: differs.capture.to_owned(),
                    frame: 0,
                    field: differs.fields.join(", "),
                    what: "no longer differs".to_owned(),
                });
            }
        }
    }
    assert!(faults.is_empty(), "{} differences\n{}", faults.len(), summary(&mut faults));
    Ok(())
}

/// One line for each frame with differences, up to a number of frames of a capture.
fn summary(faults: &mut [Fault]) -> String {
    const FRAMES: usize = 20;
    faults.sort_by(|a, b| (&a.capture, a.frame).cmp(&(&b.capture, b.frame)));
    let mut out = String::new();
    for capture in faults.chunk_by(|a, b| a.capture == b.capture) {
        let frames: Vec<&[Fault]> = capture.chunk_by(|a, b| a.frame == b.frame).collect();
        out += &format!("{}: {} frames\n", capture[0].capture, frames.len());
        for group in frames.iter().take(FRAMES) {
            let Fault { frame, field, what, .. } = &group[0];
            let what: String = what.chars().take(200).collect();
            out += &format!("  frame {frame}: {} fields; {field}: {what}\n", group.len());
        }
    }
    out
}

impl Tally {
    fn fault(&mut self, capture: &str, frame: u64, field: &str, what: String) {
        self.faults.push(Fault { capture: capture.to_owned(), frame, field: field.to_owned(), what });
    }

    /// Whether a difference is in the list of its protocol.
    fn knows(&mut self, capture: &str, frame: u64, field: &str, oracle: usize) -> bool {
        let found = ORACLES[oracle].differs.iter().position(|differs| differs.holds(capture, frame, field));
        self.met.extend(found.map(|index| (oracle, index)));
        found.is_some()
    }

    fn add(&mut self, other: Self) {
        for (mine, more) in self.equal.iter_mut().zip(other.equal) {
            *mine += more;
        }
        for (mine, more) in self.only_here.iter_mut().zip(other.only_here) {
            *mine += more;
        }
        self.faults.extend(other.faults);
        self.met.extend(other.met);
    }
}

/// The fields of each protocol that are promised, and those that `decode` and Wireshark both have.
fn compared() -> Result<Vec<Field>> {
    let theirs = known_to_wireshark()?;
    let mut list = Vec::new();
    for (number, oracle) in ORACLES.iter().enumerate() {
        let table = lines(sensor().args(["decode", "--fields", "--json", "--protocol", oracle.protocol]))?;
        let own: BTreeSet<&str> = table
            .iter()
            .filter(|row| row.get("protocol").and_then(Value::as_str) == Some(oracle.protocol))
            .filter_map(|row| row.get("field").and_then(Value::as_str))
            .collect();
        for field in oracle.fields {
            ensure!(own.contains(field), "decode --fields does not tell of {field}");
            ensure!(theirs.contains_key(*field), "this tshark does not know {field}");
        }
        list.extend(own.into_iter().filter_map(|name| {
            theirs.get(name).map(|kind| Field { oracle: number, name: name.to_owned(), kind: kind.clone() })
        }));
    }
    Ok(list)
}

/// The captures that hold one of the protocols.
fn captures() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for (folder, expected) in fixtures(".")? {
        // Eleven minutes of the same, without anything that the others do not hold.
        if folder.file_name().is_some_and(|name| name != "benign-polling") {
            files.push(capture(&folder, &expected));
        }
    }
    if let Some(corpus) = corpus() {
        let inventory =
            std::fs::read_to_string(corpus.join("INVENTORY.csv")).context("no INVENTORY.csv in the corpus")?;
        let mut rows = inventory.lines();
        let columns = split_csv(rows.next().unwrap_or_default());
        let column = |name: &str| columns.iter().position(|column| column == name);
        let wanted: Option<Vec<usize>> = ORACLES.iter().map(|oracle| column(oracle.protocol)).collect();
        let wanted = wanted.context("a protocol has no column in INVENTORY.csv")?;
        for row in rows {
            let cells = split_csv(row);
            let holds =
                |at: &usize| cells.get(*at).and_then(|cell| cell.parse().ok()).is_some_and(|count: u64| count > 0);
            if wanted.iter().any(holds) {
                files.extend(cells.first().map(|name| corpus.join(name)));
            }
        }
    }
    // The largest first, so that no thread is left with one at the end.
    files.sort_by_key(|file| std::cmp::Reverse(file.metadata().map_or(0, |meta| meta.len())));
    Ok(files)
}

/// Cells of a CSV line with quotes.
fn split_csv(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for character in row.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cells.last_mut().into_iter().for_each(|cell| cell.push(other)),
        }
    }
    cells
}

/// Both sides of one capture.
fn compare(file: &Path, fields: &[Field]) -> Result<Tally> {
    let name = file.display().to_string();
    let (mut theirs, malformed) = wireshark(file, fields)?;
    let (mine, violations) = ours(file, fields)?;
    if !theirs.values().flat_map(|row| row.keys()).any(|at| fields[*at].name.starts_with("s7comm.")) {
        // TPKT and COTP of others alone (RDP, MMS) are not ours to tell.
        for row in theirs.values_mut() {
            row.retain(|at, _| !fields[*at].name.starts_with("tpkt.") && !fields[*at].name.starts_with("cotp."));
        }
    }
    let mut tally = Tally::default();
    let nothing = Row::new();
    let frames: BTreeSet<u64> = theirs.keys().chain(mine.keys()).copied().collect();
    for frame in frames {
        let (a, b) = (theirs.get(&frame).unwrap_or(&nothing), mine.get(&frame).unwrap_or(&nothing));
        for (oracle, Oracle { partial, .. }) in ORACLES.iter().enumerate() {
            let own = |row: &Row| row.keys().any(|at| fields[*at].oracle == oracle);
            if !own(a) {
                tally.only_here[oracle] += u64::from(own(b));
                continue;
            }
            // TLS within COTP is taken for the session layer of OSI there, and that for malformed.
            let other =
                ORACLES[oracle].protocol == "s7comm" && !a.keys().any(|at| fields[*at].name.starts_with("s7comm."));
            if malformed.contains(&frame) && !other {
                if !violations.contains(&frame) && !tally.knows(&name, frame, "_ws.malformed", oracle) {
                    tally.fault(&name, frame, "_ws.malformed", "malformed for Wireshark, no violation here".to_owned());
                }
                continue;
            }
            for (at, field) in fields.iter().enumerate().filter(|(_, field)| field.oracle == oracle) {
                let (a, b) = (a.get(&at), b.get(&at));
                let left_out = || partial.iter().any(|(name, _)| *name == field.name);
                if a == b || (a.is_none() || b.is_none()) && left_out() {
                    tally.equal[oracle] += a.map_or(0, |list| list.len() as u64);
                } else if !tally.knows(&name, frame, &field.name, oracle) {
                    tally.fault(&name, frame, &field.name, format!("Wireshark {a:?}, here {b:?}"));
                }
            }
        }
    }
    Ok(tally)
}
