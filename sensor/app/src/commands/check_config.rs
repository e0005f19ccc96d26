//! `check-config`: what is wrong with a configuration file and with what it names, or what holds by it.

use crate::cli::{CheckConfigArgs, StoreArgs};
use crate::config::{Config, INSTALLED, Reading};
use crate::disk;
use crate::evidence::{self, size};
use crate::exit::Exit;
use crate::output::{Output, clean};
use crate::when::show_span;
use crate::{indicators, rules};
use ot_capture::interface_names;
use ot_engine::config::{EngineConfig, Learning};
use ot_engine::words::number_of;
use rustix::fs::{Access, access};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where what holds begins on a line.
const LEFT: usize = 14;

/// What is wrong, or may surprise.
#[derive(Debug, PartialEq, Serialize)]
struct Finding {
    /// The configuration, or a file that it names.
    file: String,
    /// From 1; `None`: no line of it.
    line: Option<usize>,
    /// The key, or the rule; empty: the file as a whole.
    key: String,
    /// What, and what to do.
    problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        let part = if self.key.is_empty() { "" } else { ": " };
        write!(f, "{part}{}: {}", self.key, self.problem)
    }
}

pub fn run(output: &mut Output, args: &CheckConfigArgs) -> anyhow::Result<Exit> {
    let path = args.file.as_deref().unwrap_or(Path::new(INSTALLED));
    let (config, reading) = Config::read_file(path)?;
    let mut check = Check { path, reading: &reading, problems: Vec::new(), warnings: Vec::new() };
    for problem in reading.problems() {
        check.problems.push(Finding {
            file: path.display().to_string(),
            line: Some(problem.line),
            key: problem.key,
            problem: problem.text,
        });
    }
    let holds = check.all(&config);
    let Check { mut problems, warnings, .. } = check;
    // Those of other files stay in their order, behind.
    let own = path.display().to_string();
    problems.sort_by_key(|finding| if finding.file == own { finding.line } else { Some(usize::MAX) });
    let right = problems.is_empty();
    if args.output.json {
        let holds: Map<String, Value> =
            holds.into_iter().filter(|_| right).map(|(what, text)| (key_of(what), text.into())).collect();
        output.json(&json!({"file": own, "problems": problems, "warnings": warnings, "holds": holds}))?;
        return Ok(if right { Exit::Done } else { Exit::Usage });
    }
    for problem in &problems {
        output.line(&clean(&problem.to_string()))?;
    }
    for warning in &warnings {
        output.line(&clean(&format!("warning: {warning}")))?;
    }
    if !right {
        output.line(&number_of(u64::try_from(problems.len()).unwrap_or(u64::MAX), "problem"))?;
        return Ok(Exit::Usage);
    }
    output.line(&format!("{own}: no problem"))?;
    for (what, text) in holds {
        output.paragraph(&format!("  {what}"), LEFT + 2, &text)?;
    }
    Ok(Exit::Done)
}

fn key_of(what: &str) -> String {
    what.to_lowercase().replace(' ', "_")
}

struct Check<'a> {
    path: &'a Path,
    reading: &'a Reading,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Check<'_> {
    fn finding(&self, key: &str, problem: impl Into<String>) -> Finding {
        Finding {
            file: self.path.display().to_string(),
            line: self.reading.line_of(key),
            key: key.to_owned(),
            problem: problem.into(),
        }
    }

    fn problem(&mut self, key: &str, problem: impl Into<String>) {
        let finding = self.finding(key, problem);
        self.problems.push(finding);
    }

    fn warning(&mut self, key: &str, problem: impl Into<String>) {
        let finding = self.finding(key, problem);
        self.warnings.push(finding);
    }

    /// Checks what the configuration names, and tells what holds: of what, in words.
    fn all(&mut self, config: &Config) -> Vec<(&'static str, String)> {
        let engine = &config.engine;
        let mut holds = vec![("Sensor", sensor(config))];
        holds.push(("Store", self.store(config)));
        holds.push(("Interfaces", self.interfaces(config)));
        holds.push(("OT networks", networks(engine)));
        holds.push(("Known", known(engine)));
        holds.push(("Learning", learning(engine)));
        if !engine.alerts.is_empty() {
            holds.push(("Alert types", format!("{} other than in the catalogue", engine.alerts.len())));
        }
        holds.push(("Rules", self.rules(&config.rules)));
        holds.push(("Indicators", self.indicators(&config.indicators)));
        holds.push(("Kept", kept(engine)));
        holds.push(("Packets", self.evidence(config)));
        holds.push(("Console", self.console(config)));
        #[cfg(feature = "forward")]
        holds.push(("Forwarding", self.forward(config)));
        #[cfg(feature = "fleet")]
        holds.extend(config.fleet.as_ref().map(|settings| ("Centre", self.fleet(settings))));
        holds
    }

    fn store(&mut self, config: &Config) -> String {
        let path = config.store_path(&StoreArgs::default());
        if path.is_dir() {
            self.problem("store", format!("{} is a folder; name a file", path.display()));
        } else if path.exists() {
            if access(&path, Access::READ_OK | Access::WRITE_OK).is_err() {
                self.problem("store", format!("{}: this user may not read and write it", path.display()));
            }
        } else {
            self.folder("store", disk::parent_of(&path), false);
        }
        format!("{}{}", path.display(), if path.exists() { "" } else { ", which is made at the first start" })
    }

    /// A folder that must be there, or that can be made.
    fn folder(&mut self, key: &str, folder: &Path, made: bool) {
        let there = match made {
            true => folder.ancestors().find(|part| part.exists() || part.as_os_str().is_empty()),
            false => Some(folder),
        };
        let there = there.filter(|part| !part.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !there.exists() {
            self.problem(key, format!("there is no folder {}; make it, or name another", there.display()));
        } else if !there.is_dir() {
            self.problem(key, format!("{} is no folder; name one", there.display()));
        } else if access(there, Access::WRITE_OK | Access::EXEC_OK).is_err() {
            self.problem(key, format!("this user may not write into the folder {}", there.display()));
        }
    }

    fn interfaces(&mut self, config: &Config) -> String {
        let there = interface_names();
        let interfaces = &config.capture.interfaces;
        if interfaces.is_empty() {
            self.warning(
                "interface",
                format!("none is configured: write [[interface]] with its name, one of {}", there.join(", ")),
            );
            return "none: `run --interface NAME` names one".to_owned();
        }
        for (number, interface) in (1..).zip(interfaces) {
            let name = &interface.name;
            if !there.contains(name) {
                let waits = if interface.wait { "; it is waited for" } else { "" };
                let text = format!("there is no interface {name} on this machine, only {}{waits}", there.join(", "));
                self.warning(&format!("interface {number}: name"), text);
            }
            if let Err(error) = interface.check_filter() {
                let own = format!("interface {number}: filter");
                let key = if self.reading.line_of(&own).is_some() { own } else { "capture.filter".to_owned() };
                self.problem(&key, error.to_string());
            }
        }
        interfaces.iter().map(|interface| interface.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn rules(&mut self, files: &[PathBuf]) -> String {
        const KEY: &str = "rules.files";
        let mut readable = Vec::new();
        for file in files {
            match std::fs::File::open(file).and_then(|file| file.metadata()) {
                Ok(found) if found.is_file() => readable.push(file.clone()),
                Ok(_) => self.problem(KEY, format!("{} is no file", file.display())),
                Err(error) => self.problem(KEY, format!("{}: {error}; give a readable TOML file", file.display())),
            }
        }
        match rules::read(&readable) {
            Ok(Ok(set)) if files.is_empty() => format!("{} of your own", number(set.rules().len(), "rule")),
            Ok(Ok(set)) => {
                format!("{} in {}", number(set.rules().len(), "rule"), number(files.len(), "file"))
            }
            Ok(Err(problems)) => {
                self.problems.extend(problems.into_iter().map(|problem| Finding {
                    file: problem.file.to_string(),
                    line: Some(problem.line),
                    key: problem.rule.map(|rule| format!("rule {rule:?}")).unwrap_or_default(),
                    problem: problem.text,
                }));
                String::new()
            }
            Err(failure) => {
                self.problem(KEY, failure.message);
                String::new()
            }
        }
    }

    fn indicators(&mut self, files: &[PathBuf]) -> String {
        const KEY: &str = "indicators.files";
        let mut entries = 0;
        for file in files {
            let parsed = indicators::read(file).map_err(|failure| failure.message).and_then(|text| {
                let list = indicators::list_name(file);
                indicators::parse(&text, indicators::Format::guess(file, &text), &list, None)
                    .map_err(|why| format!("{}: {why}", file.display()))
            });
            match parsed {
                Ok(parsed) => {
                    entries += parsed.entries.len();
                    if let Some(first) = parsed.refused.first() {
                        let more = match parsed.refused.len() {
                            1 => String::new(),
                            many => format!(" (and {} more)", many - 1),
                        };
                        let text = format!("{}: {}: {}{more}", file.display(), first.place, first.why);
                        self.warning(KEY, text);
                    }
                }
                Err(problem) => self.problem(KEY, problem),
            }
        }
        format!("{} in {}", number(entries, "indicator"), number(files.len(), "file"))
    }

    fn evidence(&mut self, config: &Config) -> String {
        if !config.evidence.enabled {
            return "of alerts are not kept".to_owned();
        }
        let folder = evidence::folder(config, &config.store_path(&StoreArgs::default()));
        if config.evidence.folder.is_some() {
            self.folder("evidence.folder", folder.path(), true);
        }
        format!("of alerts in {}, {} at most", folder.path().display(), size(config.evidence.quota))
    }

    fn console(&mut self, config: &Config) -> String {
        let console = &config.console;
        for (key, file) in [("console.certificate", &console.certificate), ("console.key", &console.key)] {
            if let Some(file) = file
                && let Err(error) = std::fs::read(file)
            {
                self.problem(key, format!("{}: {error}; give a readable PEM file", file.display()));
            }
        }
        let certificate = match &console.certificate {
            Some(file) => file.display().to_string(),
            None => "a certificate of its own".to_owned(),
        };
        format!("on {} with {certificate}", console.listen)
    }

    #[cfg(feature = "fleet")]
    fn fleet(&mut self, settings: &ot_fleet::Settings) -> String {
        use ot_forward::settings::Secret;
        let secrets = settings.nats.access.secret().into_iter().chain(settings.database.password.as_ref());
        let absent = secrets.into_iter().find_map(|secret| match secret {
            Secret::Environment(name) if std::env::var_os(name).is_none() => Some(name),
            _ => None,
        });
        if let Some(name) = absent {
            let text = format!(
                "the environment of this command holds no {name}, so that stream and database are not checked; the service needs \
                 it in its own"
            );
            self.warning("fleet", text);
        } else if let Err(problem) = settings.check() {
            self.problem("fleet", problem.trim_start_matches("fleet: ").to_owned());
        }
        self.folder("fleet", disk::parent_of(&settings.store), false);
        format!(
            "of sensors that tell stream {} of {}, into {}, shown in {}",
            settings.stream,
            settings.nats.server,
            settings.database,
            settings.store.display()
        )
    }

    #[cfg(feature = "forward")]
    fn forward(&mut self, config: &Config) -> String {
        use ot_forward::settings::{Secret, Target};
        for (number, destination) in (1..).zip(&config.forward) {
            // Where one was wrong the numbers of the others are not theirs.
            let whole = self.reading.problems().is_empty();
            let key = if whole { format!("forward {number}: name") } else { format!("forward {}", destination.name) };
            let absent = destination.target.secrets().find_map(|secret| match secret {
                Secret::Environment(name) if std::env::var_os(name).is_none() => Some(name),
                _ => None,
            });
            if let Some(name) = absent {
                let text = format!(
                    "{}: the environment of this command holds no {name}, so that what it sends is not checked; the service \
                     needs it in its own",
                    destination.name
                );
                self.warning(&key, text);
            } else if let Err(problem) = ot_forward::destination::check(destination) {
                self.problem(&key, format!("{}: {problem}", destination.name));
            }
            if let Target::File(file) = &destination.target {
                self.folder(&key, disk::parent_of(&file.path), false);
            }
        }
        let told: Vec<String> = config
            .forward
            .iter()
            .map(|one| format!("{} ({} {}, {})", one.name, one.target.kind(), one.target, one.format.as_str()))
            .collect();
        if told.is_empty() { "nobody is told of alerts".to_owned() } else { told.join(", ") }
    }
}

fn number(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        count => number_of(u64::try_from(count).unwrap_or(u64::MAX), what),
    }
}

fn sensor(config: &Config) -> String {
    let engine = &config.engine;
    let mut text = match config.named {
        true => engine.sensor_id.clone(),
        false => "named as this machine".to_owned(),
    };
    if engine.sensor_name != engine.sensor_id {
        text.push_str(&format!(" ({})", engine.sensor_name));
    }
    if let Some(site) = &engine.site {
        text.push_str(&format!(", site {site}"));
    }
    text
}

fn networks(engine: &EngineConfig) -> String {
    match engine.ot_networks.as_slice() {
        [] => "the /24 (/64) of each device that speaks an OT protocol".to_owned(),
        networks => networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn known(engine: &EngineConfig) -> String {
    let planned = engine.maintenance.as_ref().map_or(0, Vec::len);
    format!(
        "{}, {}, {}",
        number(engine.zones.len(), "zone"),
        number(engine.devices.len(), "device"),
        number(planned, "planned window")
    )
}

fn learning(engine: &EngineConfig) -> String {
    let mut text = match engine.learning {
        Learning::AsStored => "7 days on a fresh store".to_owned(),
        Learning::For(_) if engine.novelty.is_some() => "until little new comes".to_owned(),
        Learning::For(span) => format!("{} on a fresh store", show_span(span)),
        Learning::Until(time) => format!("until {time}"),
        Learning::Operational => "nothing is learned".to_owned(),
    };
    if !engine.not_learned.is_empty() {
        text.push_str(&format!("; {} not learned", number(engine.not_learned.len(), "alert type")));
    }
    if let Some(span) = engine.new_device {
        text.push_str(&format!("; {} for a device found later", show_span(span)));
    }
    text
}

fn kept(engine: &EngineConfig) -> String {
    let span = |span: Option<i64>| span.map_or_else(|| "never".to_owned(), |span| format!("after {}", show_span(span)));
    format!(
        "alerts are closed {}, deleted {}; the newest {} events",
        span(engine.keep.close_after),
        span(engine.keep.delete_after),
        engine.keep.events
    )
}
