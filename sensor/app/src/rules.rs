//! Files of rules: found, read, checked, and read anew while a sensor runs.

use crate::config::read_text;
use crate::exit::Failure;
use crate::protocols::PROTOCOLS;
use ot_engine::attack;
use ot_protocol::{MessageWatch, WatchCell};
use ot_rules::{Problem, RuleSet, Vocabulary};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Problems printed of one load.
const SHOWN_PROBLEMS: usize = 50;

/// Fields whose values stand behind their addresses in a message.
const ADDRESSED: &[ot_rules::vocabulary::Addressed] = &[
    ("modbus.write.value", &["modbus.write.address"]),
    ("modbus.regval_", &["modbus.regnum16"]),
    ("modbus.bitval", &["modbus.bitnum"]),
    ("dnp3.al.", &["dnp3.al.point_index", "dnp3.al.index"]),
    ("dnp3.ctl.op", &["dnp3.al.point_index", "dnp3.al.index"]),
    ("dnp3.ctl.trip", &["dnp3.al.point_index", "dnp3.al.index"]),
];

/// The names that rules may use.
pub fn vocabulary() -> Vocabulary {
    let fields: Vec<_> = PROTOCOLS.iter().map(|protocol| (protocol.id(), protocol.fields())).collect();
    let techniques = attack::techniques().iter().map(|technique| technique.id).collect();
    let violations = PROTOCOLS.iter().flat_map(|protocol| protocol.rules()).copied().collect();
    Vocabulary::new(&fields, techniques, violations).with_addresses(ADDRESSED)
}

/// Reads files of rules.
///
/// # Errors
/// Where a file cannot be read: wrong use. Otherwise all problems of all files.
pub fn read(files: &[PathBuf]) -> Result<Result<RuleSet, Vec<Problem>>, Failure> {
    let texts = files
        .iter()
        .map(|path| {
            let most = u64::try_from(ot_rules::parse::MOST_BYTES).unwrap_or(u64::MAX) + 1;
            let text = read_text(path, most).map_err(|error| {
                Failure::usage(format!("rules {}: {error}; give a readable TOML file", path.display()))
            })?;
            Ok((path.display().to_string(), text))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    Ok(RuleSet::parse(&texts, &vocabulary()))
}

/// Reads files of rules for use; problems are printed, one a line.
///
/// # Errors
/// Where anything is wrong with them.
pub fn load(files: &[PathBuf]) -> Result<Arc<RuleSet>, Failure> {
    match read(files)? {
        Ok(rules) => Ok(Arc::new(rules)),
        Err(problems) => {
            for problem in problems.iter().take(SHOWN_PROBLEMS) {
                eprintln!("{}", crate::output::clean(&problem.to_string()));
            }
            Err(Failure::usage(format!(
                "{} in the rules; `ot-sensor rules check` tells all",
                if problems.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", problems.len()) }
            )))
        }
    }
}

/// Shows the messages of a run to rules.
pub fn watch(cell: &WatchCell, rules: &Arc<RuleSet>) {
    let watch = (!rules.rules().is_empty()).then(|| Arc::clone(rules) as Arc<dyn MessageWatch>);
    cell.set(watch);
}

/// Files of rules that are looked at again while a sensor runs.
pub struct Reloader {
    files: Vec<PathBuf>,
    cell: WatchCell,
    seen: Vec<Stamp>,
    /// Whether the run may change its rules: a replay of files keeps those it began with, so that it gives the same
    /// result each time.
    live: bool,
}

/// When a file was changed, and its size; `None` where it is not there.
type Stamp = Option<(SystemTime, u64)>;

fn stamp(path: &Path) -> Stamp {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

impl Reloader {
    /// Files of a run, and where the run takes its rules from.
    pub fn new(files: Vec<PathBuf>, cell: WatchCell, live: bool) -> Self {
        let seen = files.iter().map(|path| stamp(path)).collect();
        Self { files, cell, seen, live }
    }

    /// Whether there are neither files nor rules of files that were named before.
    pub fn is_idle(&self, in_use: &RuleSet) -> bool {
        self.files.is_empty() && in_use.rules().is_empty()
    }

    /// Other files from the next time on.
    pub fn set_files(&mut self, files: Vec<PathBuf>) {
        self.files = files;
    }

    /// Whether a file has changed since it was last read.
    pub fn changed(&self) -> bool {
        self.live && self.files.iter().zip(&self.seen).any(|(path, seen)| stamp(path) != *seen)
    }

    /// Reads the files anew. `None`: they hold what is in use already.
    ///
    /// # Errors
    /// In one line: the rules in use stay.
    pub fn reload(&mut self, in_use: &RuleSet) -> Result<Option<Arc<RuleSet>>, String> {
        if !self.live {
            return Err(
                "a replay of capture files keeps the rules that it began with; replay again to use others".to_owned()
            );
        }
        if self.is_idle(in_use) {
            return Err("the sensor runs without rules; name files under [rules] in its configuration".to_owned());
        }
        self.seen = self.files.iter().map(|path| stamp(path)).collect();
        match read(&self.files).map_err(|failure| failure.message)? {
            Ok(rules) if rules.digest() == in_use.digest() => Ok(None),
            Ok(rules) => {
                let rules = Arc::new(rules);
                watch(&self.cell, &rules);
                Ok(Some(rules))
            }
            Err(problems) => {
                let first = problems.first().map(Problem::to_string).unwrap_or_default();
                let more = match problems.len() {
                    0 | 1 => String::new(),
                    many => format!(" (and {} more; `ot-sensor rules check` tells all)", many - 1),
                };
                Err(format!("{first}{more}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_field_of_decode_is_known_or_left_out_on_purpose() {
        // Of the list of captures, not of the message.
        const LEFT_OUT: [&str; 1] = ["file"];
        let vocabulary = vocabulary();
        for (name, ..) in crate::decode::COMMON {
            assert_eq!(vocabulary.field(name).is_ok(), !LEFT_OUT.contains(name), "{name}");
        }
    }

    #[test]
    fn bad_files_leave_the_old_rules_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rules.toml");
        let rule = |limit: u32| format!("[[rule]]\nid = 'limit'\nwhen = 'modbus.regval_uint16 > {limit}'\n");
        std::fs::write(&path, rule(1)).unwrap();
        let files = vec![path.clone()];
        let first = load(&files).unwrap();
        let cell = WatchCell::default();
        watch(&cell, &first);
        let mut reloader = Reloader::new(files.clone(), cell.clone(), true);
        assert!(!reloader.changed());
        assert_eq!(reloader.reload(&first), Ok(None));

        std::fs::write(&path, "[[rule]]\nid = 'limit'\nwhen = 'modbus.regval > 1'\n").unwrap();
        assert!(reloader.changed());
        let problem = reloader.reload(&first).unwrap_err();
        assert!(problem.contains("line 3") && problem.contains("did you mean"), "{problem}");
        assert!(!reloader.changed());

        std::fs::write(&path, rule(22)).unwrap();
        assert!(reloader.changed());
        let second = reloader.reload(&first).unwrap().unwrap();
        assert_ne!(first.digest(), second.digest());
        assert!(cell.get().is_some_and(|watch| watch.wants("modbus")));

        // The files are no longer named.
        reloader.set_files(Vec::new());
        assert!(!reloader.changed() && !reloader.is_idle(&second));
        let none = reloader.reload(&second).unwrap().unwrap();
        assert!(none.rules().is_empty() && cell.get().is_none() && reloader.is_idle(&none));

        let mut replay = Reloader::new(files, cell, false);
        std::fs::write(&path, rule(333)).unwrap();
        assert!(!replay.changed());
        assert!(replay.reload(&second).unwrap_err().contains("keeps the rules"));
    }

    /// The facts of a capture, as text but for hits of rules, and how many of those there are.
    fn facts(capture: &Path, rules: Option<&Arc<RuleSet>>, workers: usize) -> (Vec<String>, Vec<String>) {
        let flow = ot_flow::FlowConfig { workers, ..ot_flow::FlowConfig::default() };
        if let Some(rules) = rules {
            watch(&flow.watch, rules);
        }
        let mut captures = ot_capture::CaptureSet::open(&[capture.to_path_buf()]).unwrap();
        let (mut facts, mut hits) = (Vec::new(), Vec::new());
        ot_flow::run(&mut captures, PROTOCOLS, &flow, &mut |chunk, _| {
            for (_, fact) in chunk {
                match fact {
                    ot_protocol::Fact::Rule(hit) => hits.push(format!("{hit:?}")),
                    fact => facts.push(format!("{fact:?}")),
                }
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        (facts, hits)
    }

    #[test]
    fn every_message_is_shown_with_its_bytes_and_nothing_else_changes() {
        let vocabulary = vocabulary();
        let text = "[[rule]]\nid = 'all'\nprotocol = ['modbus', 'dnp3', 's7comm', 's7comm-plus']\n\
                    source = '0.0.0.0/0'\npayload = { more = 1 }\n\
                    [[rule]]\nid = 'payload'\nprotocol = ['tcp', 'udp']\ndestination_port = [502, 102, 20000]\n\
                    payload = { more = 1 }\n";
        let rules = Arc::new(RuleSet::parse(&[("all".to_owned(), text.to_owned())], &vocabulary).unwrap());
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        for name in ["value-outside-range", "dnp3-restart-commands", "s7-stop", "s7plus-stop"] {
            let capture = fixtures.join(name).join("capture.pcap.zst");
            let (without, none) = facts(&capture, None, 0);
            let (with, hits) = facts(&capture, Some(&rules), 0);
            assert!(none.is_empty());
            assert!(without == with, "{name}: rules changed what is told else");
            let mut decoded = 0;
            let mut captures = ot_capture::CaptureSet::open(std::slice::from_ref(&capture)).unwrap();
            ot_flow::decode(&mut captures, PROTOCOLS, &ot_flow::FlowConfig::default(), &mut |message| {
                decoded += usize::from(rules.wants(message.protocol));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
            let messages = hits.iter().filter(|hit| hit.contains("rule: \"all\"")).count();
            assert_eq!(messages, decoded, "{name}");
            assert!(hits.len() > messages, "{name}: payload is shown, too");
            assert_eq!(hits, facts(&capture, Some(&rules), 3).1, "{name}: the same for any number of workers");
        }
    }

    #[test]
    fn rules_are_exchanged_while_packets_flow() {
        let text = "[[rule]]\nid = 'all'\nprotocol = 'modbus'\nsource = '0.0.0.0/0'\n";
        let rules = Arc::new(RuleSet::parse(&[("all".to_owned(), text.to_owned())], &vocabulary()).unwrap());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/value-outside-range/capture.pcap.zst");
        let flow = ot_flow::FlowConfig { workers: 0, batch_packets: 1, ..ot_flow::FlowConfig::default() };
        let mut captures = ot_capture::CaptureSet::open(&[path]).unwrap();
        let mut hits = Vec::new();
        ot_flow::run(&mut captures, PROTOCOLS, &flow, &mut |facts, progress| {
            match progress.packets {
                400 => watch(&flow.watch, &rules),
                800 => watch(&flow.watch, &Arc::default()),
                _ => {}
            }
            for (order, fact) in facts {
                if matches!(fact, ot_protocol::Fact::Rule(_)) {
                    hits.push(order.packet);
                }
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        let (first, last) = (hits.first().copied().unwrap(), hits.last().copied().unwrap());
        // With the end of the second in which they are exchanged, at most 40 packets later here.
        assert!((401..=500).contains(&first) && (801..=900).contains(&last), "{first} {last}");
    }

    #[test]
    fn the_examples_of_the_readme_are_right() {
        let text = include_str!("../../../engine/rules/README.md");
        let examples: Vec<String> =
            text.split("```toml").skip(1).filter_map(|part| part.split("```").next()).map(str::to_owned).collect();
        assert!(examples.len() >= 5);
        let all = examples.join("\n");
        let set = RuleSet::parse(&[("README.md".to_owned(), all)], &vocabulary())
            .map_err(|problems| problems.iter().map(Problem::to_string).collect::<Vec<_>>());
        assert_eq!(set.unwrap().rules().len(), 7);
    }
}
