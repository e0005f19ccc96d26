//! The configuration file: TOML, all of it optional; unknown keys are refused with the nearest known one.

#[cfg(feature = "forward")]
mod forward;

use crate::cli::{StoreArgs, unknown};
use crate::evidence::Settings;
use crate::exit::Failure;
use crate::when::span;
use ipnet::IpNet;
use ot_capture::{InterfaceSettings, TimeSource};
use ot_engine::catalogue::{self, Part, Severity};
use ot_engine::config::{AlertSetting, EngineConfig, Keep, KnownDevice, Learning, Novelty, Parts, Zone};
use ot_engine::context::Field;
use ot_engine::maintenance::{MOST_CONFIGURED, Plan, Selector};
use ot_engine::model::Role;
use ot_flow::Processors;
use ot_protocol::{Nanos, Operation, Timestamp};
use ot_rules::SiteClock;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where the store is unless somebody says otherwise.
pub const DEFAULT_STORE: &str = "ot-sensor.db";

/// Bytes of a configuration file.
const MOST_BYTES: u64 = 1 << 20;

/// Reads a text file of at most so many bytes.
pub fn read_text(path: &Path, most: u64) -> std::io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    if file.take(most + 1).read_to_string(&mut text)? as u64 > most {
        return Err(std::io::Error::other(format!("larger than {} KiB", most >> 10)));
    }
    Ok(text)
}

/// What a configuration file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Path of the store.
    pub store: Option<PathBuf>,
    /// Files of rules.
    pub rules: Vec<PathBuf>,
    /// Of the engine.
    pub engine: EngineConfig,
    /// Files of indicators, read when a run begins.
    pub indicators: Vec<PathBuf>,
    /// Of the packets that are kept.
    pub evidence: Settings,
    /// Whether it gives the sensor an id.
    pub named: bool,
    /// Of live capture.
    pub capture: CaptureSettings,
    /// Address of the console, for links in what is forwarded.
    pub console_url: Option<String>,
    /// Who is told of alerts.
    #[cfg(feature = "forward")]
    pub forward: Vec<ot_forward::Destination>,
}

/// Of live capture.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptureSettings {
    /// What holds for an interface of which nothing else is said; its name is empty.
    pub defaults: InterfaceSettings,
    /// The interfaces, in the order of their numbers.
    pub interfaces: Vec<InterfaceSettings>,
    /// Bytes of packets and facts on their way between threads, at most.
    pub backlog: usize,
    /// On which processors the threads run.
    pub processors: Processors,
    /// Whether a process of its own captures, and the one that parses is in a sandbox. Default true.
    pub split: bool,
}

impl Default for CaptureSettings {
    fn default() -> Self {
        Self {
            defaults: InterfaceSettings::new(""),
            interfaces: Vec::new(),
            backlog: 128 << 20,
            processors: Processors::default(),
            split: true,
        }
    }
}

impl Config {
    /// The configuration that a command line names, or the default one.
    pub fn of(args: &StoreArgs) -> Result<Self, Failure> {
        args.config.as_deref().map_or_else(|| Ok(Self::default()), Self::load)
    }

    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let text = read_text(path, MOST_BYTES).map_err(|error| {
            Failure::usage(format!("configuration {}: {error}; give a readable TOML file", path.display()))
        })?;
        let mut config = Self::parse(&text)
            .map_err(|problem| Failure::usage(format!("configuration {}: {problem}", path.display())))?;
        // Beside the configuration, unless they say otherwise.
        let folder = path.parent().unwrap_or(Path::new(""));
        config.indicators.iter_mut().chain(&mut config.rules).for_each(|file| *file = folder.join(&*file));
        #[cfg(feature = "forward")]
        config.forward.iter_mut().for_each(|destination| forward::beside(folder, destination));
        Ok(config)
    }

    /// Reads the text of a file. The error names the key and what to write there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1);
            format!("line {line}: {}", error.message().trim())
        })?;
        let mut config = Self::default();
        let mut top = Keys::new("", table);
        config.store = top.text("store")?.map(PathBuf::from);
        if let Some(mut sensor) = top.table("sensor")? {
            if let Some(id) = sensor.text("id")? {
                config.named = true;
                config.engine.sensor_id = check_id(&id)?;
                config.engine.sensor_name.clone_from(&config.engine.sensor_id);
            }
            if let Some(name) = sensor.text("name")? {
                config.engine.sensor_name = name;
            }
            config.engine.site = sensor.text("site")?;
            config.engine.continuous = sensor.truth("continuous")?.unwrap_or_default();
            config.console_url = sensor.text("console_url")?;
            if let Some(url) = config.console_url.as_deref().filter(|url| !is_address(url)) {
                return Err(format!("sensor.console_url: {url:?} is no address; write https://HOST:PORT"));
            }
            if let Some(zone) = sensor.text("time_zone")? {
                config.engine.clock =
                    SiteClock::parse(&zone).map_err(|problem| format!("sensor.time_zone: {problem}"))?;
            }
            sensor.end()?;
        }
        config.engine.ot_networks = top.networks("ot_subnets")?.unwrap_or_default();
        for mut zone in top.tables("zone")? {
            config.engine.zones.push(Zone {
                name: zone.needed_text("name")?,
                networks: zone.networks("subnets")?.ok_or_else(|| zone.missing("subnets"))?,
                site: zone.text("site")?,
                purdue: zone.number("purdue", 5)?.and_then(|level| u8::try_from(level).ok()),
            });
            zone.end()?;
        }
        for mut device in top.tables("device")? {
            let ip = device.needed_text("ip")?;
            let ip: IpAddr = ip.parse().map_err(|_| format!("{}ip: {ip:?} is no IP address", device.path))?;
            let role = device.text("role")?;
            let role = match role {
                Some(id) => Some(Role::parse(&id).ok_or_else(|| {
                    format!("{}role: {}", device.path, unknown(&id, Role::ALL.iter().map(|role| role.as_str())))
                })?),
                None => None,
            };
            config.engine.devices.push(KnownDevice {
                ip,
                name: device.text("name")?,
                role,
                programming: device.truth("programming_device")?.unwrap_or_default(),
                scanner: device.truth("scanner")?.unwrap_or_default(),
                more: device_more(&mut device)?,
            });
            device.end()?;
        }
        config.engine.maintenance = Some(maintenance_of(top.tables("maintenance")?)?);
        if let Some(mut rules) = top.table("rules")? {
            config.rules = rules.texts("files")?.into_iter().map(PathBuf::from).collect();
            rules.end()?;
        }
        if let Some(alerts) = top.table("alerts")? {
            config.engine.alerts = alert_settings(alerts)?;
        }
        if let Some(mut indicators) = top.table("indicators")? {
            config.indicators = indicators.texts("files")?.into_iter().map(PathBuf::from).collect();
            indicators.end()?;
        }
        if let Some(mut learning) = top.table("learning")? {
            let ends = learning.text("ends")?;
            let novelty = Novelty::default();
            let novelty = Novelty {
                entries: learning.number("novelty_entries", u32::MAX)?.unwrap_or(novelty.entries),
                span: match learning.text("novelty_within")? {
                    Some(text) => span(&text).map_err(|problem| format!("learning.novelty_within: {problem}"))?,
                    None => novelty.span,
                },
            };
            config.engine.novelty = match ends.as_deref() {
                None | Some("time") => None,
                Some("novelty") => Some(novelty),
                Some(other) => {
                    return Err(format!("learning.ends: {}", unknown(other, ["time", "novelty"].into_iter())));
                }
            };
            config.engine.not_learned = not_learned(&mut learning)?;
            config.engine.new_device = learning
                .text("new_device")?
                .map(|text| span(&text).map_err(|problem| format!("learning.new_device: {problem}")))
                .transpose()?;
            config.engine.learning = learning_of(&mut learning, config.engine.novelty.is_some())?;
            learning.end()?;
        }
        if let Some(mut keep) = top.table("retention")? {
            let default = config.engine.keep;
            config.engine.keep = Keep {
                close_after: span_or_never(&mut keep, "close_after", default.close_after)?,
                delete_after: span_or_never(&mut keep, "delete_after", default.delete_after)?,
                events: keep.number("events", u32::MAX)?.map_or(default.events, u64::from),
            };
            keep.end()?;
        }
        if let Some(mut evidence) = top.table("evidence")? {
            config.evidence = evidence_of(&mut evidence)?;
            evidence.end()?;
        }
        config.capture = capture_of(&mut top)?;
        let destinations = top.tables("forward")?;
        #[cfg(feature = "forward")]
        {
            config.forward = forward::forward_of(destinations)?;
        }
        #[cfg(not(feature = "forward"))]
        if !destinations.is_empty() {
            return Err("forward: this build cannot forward; use one with the feature `forward`".to_owned());
        }
        top.end()?;
        Ok(config)
    }

    /// The store that is meant: the command line's, else the configuration's, else the default.
    pub fn store_path(&self, args: &StoreArgs) -> PathBuf {
        args.store.clone().or_else(|| self.store.clone()).unwrap_or_else(|| PathBuf::from(DEFAULT_STORE))
    }
}

/// Whether a text can stand before a path in a link.
fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// What else can be said of a device: owner, importance, tags and so on.
fn device_more(device: &mut Keys) -> Result<Vec<(Field, String)>, String> {
    const TEXTS: [(&str, Field); 6] = [
        ("site", Field::Site),
        ("zone", Field::Zone),
        ("importance", Field::Importance),
        ("owner", Field::Owner),
        ("location", Field::Location),
        ("notes", Field::Notes),
    ];
    let mut more = Vec::new();
    let check = |path: &str, key: &str, field: Field, value: &str| {
        field.check(value).map(|value| (field, value)).map_err(|problem| format!("{path}{key}: {problem}"))
    };
    for (key, field) in TEXTS {
        if let Some(value) = device.text(key)? {
            more.push(check(&device.path, key, field, &value)?);
        }
    }
    more.extend(device.number("purdue", 5)?.map(|level| (Field::Purdue, level.to_string())));
    if let Some(authorised) = device.truth("authorised")? {
        more.push((Field::Authorised, if authorised { "yes" } else { "no" }.to_owned()));
    }
    for tag in device.texts("tags")? {
        more.push(check(&device.path, "tags", Field::Tag, &tag)?);
    }
    Ok(more)
}

/// The maintenance windows that are planned.
fn maintenance_of(windows: Vec<Keys>) -> Result<Vec<Plan>, String> {
    if windows.len() > MOST_CONFIGURED {
        return Err(format!(
            "maintenance: {} windows are more than {MOST_CONFIGURED}; take out those that are over",
            windows.len()
        ));
    }
    let mut plans: Vec<Plan> = Vec::with_capacity(windows.len());
    for mut window in windows {
        let path = window.path.clone();
        let selectors = |texts: Vec<String>, key: &str| -> Result<Vec<Selector>, String> {
            texts
                .iter()
                .map(|text| Selector::parse(text).map_err(|problem| format!("{path}{key}: {problem}")))
                .collect()
        };
        let plan = Plan {
            ticket: window.needed_text("ticket")?,
            devices: selectors(window.texts("devices")?, "devices")?,
            by: selectors(window.texts("by")?, "by")?,
            kinds: window.choices("kinds", &Operation::ALL, Operation::as_str)?.unwrap_or_default(),
            start: window.time("start")?,
            end: window.time("end")?,
            note: window.text("note")?.unwrap_or_default(),
        };
        window.end()?;
        plan.check().map_err(|problem| format!("{path}{problem}"))?;
        if plans.iter().any(|known| known.overlaps(&plan)) {
            return Err(format!(
                "{path}ticket {}: another window of this ticket overlaps in time; join them, or part their times",
                plan.ticket
            ));
        }
        plans.push(plan);
    }
    Ok(plans)
}

/// A sensor id enters the ids of alerts and file names.
pub fn check_id(id: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if id.is_empty() || id.len() > 64 || !id.bytes().all(fits) {
        return Err(format!("{id:?} is no sensor id; write 1 to 64 letters, digits, '-', '_' or '.'"));
    }
    Ok(id.to_owned())
}

fn alert_settings(alerts: Keys) -> Result<BTreeMap<String, AlertSetting>, String> {
    let mut settings = BTreeMap::new();
    for (id, value) in alerts.table {
        let kind = catalogue::by_id(&id)
            .ok_or_else(|| format!("alerts: {}", unknown(&id, catalogue::all().iter().map(|kind| kind.id))))?;
        let Value::Table(table) = value else {
            return Err(format!("alerts.{id}: is no table; write [alerts.{id}]"));
        };
        let mut keys = Keys::new(&format!("alerts.{id}."), table);
        let setting = AlertSetting {
            enabled: keys.truth("enabled")?,
            count: keys.number("count", u32::MAX)?,
            seconds: keys.number("seconds", u32::MAX)?,
            severity: keys.choice("severity", &Severity::ALL, Severity::as_str)?,
            aggregate_by: keys.choices("aggregate_by", &Part::ALL, Part::as_str)?.map(Parts::from_iter),
        };
        if kind.threshold.is_none() && (setting.count.is_some() || setting.seconds.is_some()) {
            return Err(format!("alerts.{id}: this alert type has no threshold; `count` and `seconds` cannot be set"));
        }
        keys.end()?;
        settings.insert(id, setting);
    }
    Ok(settings)
}

/// The types that are not learned: those that `skip` names, or all that `learn` does not.
fn not_learned(keys: &mut Keys) -> Result<Vec<String>, String> {
    let mut types = |key: &'static str| -> Result<Option<Vec<String>>, String> {
        let known = || ot_engine::learning::TYPES.iter().map(|kind| kind.id);
        let list = match keys.take(key) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(keys.wrong(key, "a list of alert types", &other)),
        };
        let mut ids = Vec::new();
        for value in &list {
            let id = value.as_str().unwrap_or_default();
            if !known().any(|known| known == id) {
                return Err(format!("learning.{key}: {}", unknown(id, known().collect::<Vec<_>>().into_iter())));
            }
            ids.push(id.to_owned());
        }
        Ok(Some(ids))
    };
    match (types("learn")?, types("skip")?) {
        (Some(_), Some(_)) => Err("learning: `learn` and `skip` exclude each other; write one".to_owned()),
        (Some(learn), None) => Ok(ot_engine::learning::TYPES
            .iter()
            .filter(|kind| !learn.iter().any(|id| id == kind.id))
            .map(|kind| kind.id.to_owned())
            .collect()),
        (None, skip) => Ok(skip.unwrap_or_default()),
    }
}

/// The longest that learning goes on which ends with novelty.
const LONGEST: Nanos = 3_650 * 86_400 * 1_000_000_000;

fn learning_of(keys: &mut Keys, by_novelty: bool) -> Result<Learning, String> {
    let mode = keys.text("mode")?;
    let length = keys.text("for")?;
    let until = match keys.table.remove("until") {
        Some(Value::String(text)) => Some(text),
        Some(Value::Datetime(time)) => Some(time.to_string()),
        Some(_) => return Err(format!("{}until: write a time, for example 2026-03-01T12:00:00Z", keys.path)),
        None => None,
    };
    match (mode.as_deref(), length, until) {
        (Some("learning") | None, None, None) if by_novelty => Ok(Learning::For(LONGEST)),
        (None, None, None) => Ok(Learning::AsStored),
        (Some("operational"), None, None) => Ok(Learning::Operational),
        (Some("learning") | None, Some(length), None) => {
            span(&length).map(Learning::For).map_err(|problem| format!("{}for: {problem}", keys.path))
        }
        (Some("learning") | None, None, Some(until)) => {
            crate::when::time(&until).map(Learning::Until).map_err(|problem| format!("{}until: {problem}", keys.path))
        }
        (Some(mode), _, _) if !["learning", "operational"].contains(&mode) => {
            Err(format!("{}mode: {}", keys.path, unknown(mode, ["learning", "operational"].into_iter())))
        }
        (Some("learning"), None, None) => {
            Err(format!("{}for: is missing; say how long, for example \"7d\"", keys.path))
        }
        _ => Err("learning: `for`, `until` and mode \"operational\" exclude each other; write one".to_owned()),
    }
}

/// A span, or `never`.
fn span_or_never(keys: &mut Keys, key: &'static str, default: Option<Nanos>) -> Result<Option<Nanos>, String> {
    match keys.text(key)?.as_deref() {
        None => Ok(default),
        Some("never") => Ok(None),
        Some(text) => span(text).map(Some).map_err(|problem| format!("{}{key}: {problem}, or \"never\"", keys.path)),
    }
}

fn capture_of(top: &mut Keys) -> Result<CaptureSettings, String> {
    let mut capture = CaptureSettings::default();
    if let Some(mut keys) = top.table("capture")? {
        interface_of(&mut keys, &mut capture.defaults)?;
        if let Some(bytes) = keys.size("backlog")? {
            capture.backlog = within(&keys, "backlog", bytes, 1 << 20, 64 << 30)?;
        }
        if let Some(numbers) = keys.numbers("reader_processors", MOST_PROCESSORS)? {
            capture.processors.reader = numbers;
        }
        if let Some(numbers) = keys.numbers("worker_processors", MOST_PROCESSORS)? {
            capture.processors.workers = numbers;
        }
        if let Some(split) = keys.truth("split")? {
            capture.split = split;
        }
        keys.end()?;
    }
    for mut keys in top.tables("interface")? {
        let mut interface = capture.defaults.clone();
        interface.name = keys.needed_text("name")?;
        interface_of(&mut keys, &mut interface)?;
        keys.end()?;
        capture.interfaces.push(interface);
    }
    Ok(capture)
}

/// Highest number of a processor.
const MOST_PROCESSORS: u32 = 1023;

/// What is said of an interface, or of all.
fn interface_of(keys: &mut Keys, interface: &mut InterfaceSettings) -> Result<(), String> {
    if let Some(bytes) = keys.size("ring")? {
        interface.ring = within(keys, "ring", bytes, 1 << 20, 2 << 30)?;
    }
    if let Some(text) = keys.text("timeout")? {
        let nanos = span(&text).map_err(|problem| format!("{}timeout: {problem}", keys.path))?;
        let timeout = std::time::Duration::from_nanos(nanos.unsigned_abs());
        if !(1..=500).contains(&timeout.as_millis()) {
            return Err(format!("{}timeout: {text} is not within 1ms to 500ms", keys.path));
        }
        interface.timeout = timeout;
    }
    if let Some(bytes) = keys.number("snap_length", 262_144)? {
        interface.snap_length = within(keys, "snap_length", u64::from(bytes), 64, 262_144)?;
    }
    if let Some(filter) = keys.text("filter")? {
        interface.filter = Some(filter);
    }
    if let Some(promiscuous) = keys.truth("promiscuous")? {
        interface.promiscuous = promiscuous;
    }
    if let Some(source) = keys.choice("time_source", &TimeSource::ALL, TimeSource::as_str)? {
        interface.time_source = source;
    }
    if let Some(numbers) = keys.numbers("processors", MOST_PROCESSORS)? {
        interface.processors = numbers;
    }
    if let Some(wait) = keys.truth("wait")? {
        interface.wait = wait;
    }
    Ok(())
}

fn within(keys: &Keys, key: &str, bytes: u64, least: u64, most: u64) -> Result<usize, String> {
    if !(least..=most).contains(&bytes) {
        let (least, most) = (crate::evidence::size(least), crate::evidence::size(most));
        return Err(format!("{}{key}: {bytes} bytes are not within {least} to {most}", keys.path));
    }
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}

fn evidence_of(keys: &mut Keys) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let most = u32::MAX;
    if let Some(enabled) = keys.truth("enabled")? {
        settings.enabled = enabled;
    }
    settings.folder = keys.text("folder")?.map(PathBuf::from);
    if let Some(quota) = keys.size("quota")? {
        settings.quota = quota;
    }
    if let Some(bytes) = keys.size("alert_size")? {
        settings.limits.alert_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    if let Some(bytes) = keys.size("memory")? {
        settings.ring_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    for (key, place) in [("before", &mut settings.limits.before), ("after", &mut settings.limits.after)] {
        if let Some(text) = keys.text(key)? {
            *place = span(&text).map_err(|problem| format!("{}{key}: {problem}", keys.path))?;
        }
    }
    for (key, place) in [
        ("packets_before", &mut settings.limits.before_packets),
        ("packets_after", &mut settings.limits.after_packets),
        ("alerts_of_a_run", &mut settings.run_alerts),
    ] {
        if let Some(number) = keys.number(key, most)? {
            *place = usize::try_from(number).unwrap_or(usize::MAX);
        }
    }
    Ok(settings)
}

/// `1 GiB`, `500 MB`, `4096`: bytes.
fn bytes_of(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A table whose keys are taken one by one; what is left is unknown.
struct Keys {
    path: String,
    table: Table,
    asked: Vec<&'static str>,
}

impl Keys {
    fn new(path: &str, table: Table) -> Self {
        Self { path: path.to_owned(), table, asked: Vec::new() }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.table.remove(key)
    }

    fn wrong(&self, key: &str, wanted: &str, found: &Value) -> String {
        format!("{}{key}: is {} where {wanted} is needed", self.path, found.type_str())
    }

    fn missing(&self, key: &str) -> String {
        format!("{}{key}: is missing", self.path)
    }

    fn text(&mut self, key: &'static str) -> Result<Option<String>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.chars().any(char::is_control) => Ok(Some(text)),
            Some(Value::String(_)) => Err(format!("{}{key}: holds a control character", self.path)),
            Some(other) => Err(self.wrong(key, "a string", &other)),
        }
    }

    fn needed_text(&mut self, key: &'static str) -> Result<String, String> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    /// One of some ids.
    fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        all: &[T],
        id: fn(T) -> &'static str,
    ) -> Result<Option<T>, String> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        self.one_of(key, &text, all, id).map(Some)
    }

    /// A list of some ids.
    fn choices<T: Copy>(
        &mut self,
        key: &'static str,
        all: &[T],
        id: fn(T) -> &'static str,
    ) -> Result<Option<Vec<T>>, String> {
        let list = match self.take(key) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(self.wrong(key, "a list of strings", &other)),
        };
        list.iter()
            .map(|value| match value {
                Value::String(text) => self.one_of(key, text, all, id),
                other => Err(self.wrong(key, "a list of strings", other)),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn one_of<T: Copy>(&self, key: &str, text: &str, all: &[T], id: fn(T) -> &'static str) -> Result<T, String> {
        all.iter()
            .copied()
            .find(|value| id(*value) == text)
            .ok_or_else(|| format!("{}{key}: {}", self.path, unknown(text, all.iter().map(|value| id(*value)))))
    }

    fn truth(&mut self, key: &'static str) -> Result<Option<bool>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Boolean(truth)) => Ok(Some(truth)),
            Some(other) => Err(self.wrong(key, "true or false", &other)),
        }
    }

    fn number(&mut self, key: &'static str, most: u32) -> Result<Option<u32>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Integer(number)) => match u32::try_from(number) {
                Ok(number) if number <= most => Ok(Some(number)),
                _ => Err(format!("{}{key}: {number} is not within 0 to {most}", self.path)),
            },
            Some(other) => Err(self.wrong(key, "a whole number", &other)),
        }
    }

    /// A time, as a TOML date-time with its offset or as text.
    fn time(&mut self, key: &'static str) -> Result<Timestamp, String> {
        let text = match self.take(key) {
            None => return Err(self.missing(key)),
            Some(Value::String(text)) => text,
            Some(Value::Datetime(time)) => time.to_string(),
            Some(other) => return Err(self.wrong(key, "a time, for example 2026-03-01T12:00:00Z,", &other)),
        };
        crate::when::time(&text).map_err(|problem| format!("{}{key}: {problem}", self.path))
    }

    fn numbers(&mut self, key: &'static str, most: u32) -> Result<Option<Vec<usize>>, String> {
        let list = match self.take(key) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(self.wrong(key, "a list of whole numbers", &other)),
        };
        list.iter()
            .map(|value| {
                let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
                match number.filter(|number| *number <= most).and_then(|number| usize::try_from(number).ok()) {
                    Some(number) => Ok(number),
                    None => Err(format!("{}{key}: {value} is no whole number within 0 to {most}", self.path)),
                }
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn texts(&mut self, key: &'static str) -> Result<Vec<String>, String> {
        let list = match self.take(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(self.wrong(key, "a list of strings", &other)),
        };
        list.into_iter()
            .map(|value| match value {
                Value::String(text) => Ok(text),
                other => Err(self.wrong(key, "a list of strings", &other)),
            })
            .collect()
    }

    fn size(&mut self, key: &'static str) -> Result<Option<u64>, String> {
        let wrong = |path: &str, found: String| {
            format!("{path}{key}: {found} is no size; write \"1 GiB\" or a number of bytes")
        };
        match self.take(key) {
            None => Ok(None),
            Some(Value::Integer(number)) => {
                u64::try_from(number).map(Some).map_err(|_| wrong(&self.path, number.to_string()))
            }
            Some(Value::String(text)) => {
                bytes_of(&text).map(Some).ok_or_else(|| wrong(&self.path, format!("{text:?}")))
            }
            Some(other) => Err(self.wrong(key, "a size", &other)),
        }
    }

    fn networks(&mut self, key: &'static str) -> Result<Option<Vec<IpNet>>, String> {
        let list = match self.take(key) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(self.wrong(key, "a list of networks", &other)),
        };
        let network = |value: &Value| {
            let text = value.as_str()?;
            text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        };
        list.iter()
            .map(|value| {
                network(value)
                    .ok_or_else(|| format!("{}{key}: {value} is no network; write \"10.0.0.0/24\"", self.path))
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn table(&mut self, key: &'static str) -> Result<Option<Self>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(Self::new(&format!("{}{key}.", self.path), table))),
            Some(other) => Err(self.wrong(key, &format!("a table [{key}]"), &other)),
        }
    }

    fn tables(&mut self, key: &'static str) -> Result<Vec<Self>, String> {
        let list = match self.take(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(self.wrong(key, &format!("a list of tables [[{key}]]"), &other)),
        };
        (1..)
            .zip(list)
            .map(|(number, value): (usize, _)| match value {
                Value::Table(table) => Ok(Self::new(&format!("{key} {number}: "), table)),
                other => Err(self.wrong(key, &format!("a list of tables [[{key}]]"), &other)),
            })
            .collect()
    }

    fn end(self) -> Result<(), String> {
        match self.table.keys().next() {
            None => Ok(()),
            Some(key) => {
                let place = self.path.trim_end_matches(['.', ' ', ':']);
                let place = if place.is_empty() { "top level" } else { place };
                Err(format!("{place}: key {}", unknown(key, self.asked.iter().copied())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = r#"
        store = "/var/lib/ot-sensor/plant.db"
        ot_subnets = ["10.0.0.0/24", "fd00::/64"]
        [sensor]
        id = "line-3"
        name = "Line 3, cabinet A"
        site = "Plant North"
        [[zone]]
        name = "Cell 1"
        subnets = ["10.0.0.0/25"]
        purdue = 1
        [[device]]
        ip = "10.0.0.5"
        name = "EWS-1"
        role = "engineering-station"
        programming_device = true
        importance = "high"
        owner = "automation"
        tags = ["line-3", "laptop"]
        [alerts.port-scan]
        count = 20
        seconds = 60
        severity = "minor"
        aggregate_by = ["client", "server"]
        [alerts.new-master]
        enabled = false
        [learning]
        for = "7d"
        ends = "novelty"
        novelty_entries = 3
        novelty_within = "12h"
        skip = ["first-writer"]
        new_device = "24h"
        [retention]
        close_after = "30d"
        delete_after = "never"
        events = 5000
        [evidence]
        quota = "2 GiB"
        before = "30s"
        packets_before = 500
        alert_size = 65536
    "#;

    #[test]
    fn reads_an_example() {
        let config = Config::parse(EXAMPLE).unwrap();
        assert_eq!(config.engine.sensor_id, "line-3");
        assert_eq!(config.engine.zones[0].purdue, Some(1));
        assert_eq!(config.engine.devices[0].role, Some(Role::EngineeringStation));
        assert!(config.engine.devices[0].programming);
        let scan = catalogue::by_id("port-scan").unwrap();
        assert_eq!(
            config.engine.devices[0].more,
            [
                (Field::Importance, "high".to_owned()),
                (Field::Owner, "automation".to_owned()),
                (Field::Tag, "line-3".to_owned()),
                (Field::Tag, "laptop".to_owned()),
            ]
        );
        assert_eq!(config.engine.alerts["port-scan"].count, Some(20));
        assert_eq!(config.engine.severity(scan), Severity::Minor);
        let parts = config.engine.aggregate_by(scan);
        assert!(parts.contains(Part::Client) && parts.contains(Part::Server) && !parts.contains(Part::Table));
        assert!(!EngineConfig::default().aggregate_by(scan).contains(Part::Server));
        assert_eq!(config.engine.learning, Learning::For(7 * 86_400_000_000_000));
        assert_eq!(config.engine.ot_networks.len(), 2);
        let hour = 3_600_000_000_000;
        assert_eq!(config.engine.novelty, Some(Novelty { entries: 3, span: 12 * hour }));
        assert_eq!((config.engine.new_device, config.engine.not_learned.len()), (Some(24 * hour), 1));
        let only = Config::parse("[learning]\nfor = '1d'\nlearn = ['first-writer']").unwrap().engine.not_learned;
        assert!(only.len() > 20 && !only.contains(&"first-writer".to_owned()));
        let keep = config.engine.keep;
        assert_eq!((keep.close_after, keep.delete_after, keep.events), (Some(30 * 86_400_000_000_000), None, 5_000));
        assert_eq!(config.evidence.quota, 2 << 30);
        assert_eq!(config.evidence.limits.before, 30_000_000_000);
        assert_eq!((config.evidence.limits.before_packets, config.evidence.limits.alert_bytes), (500, 65_536));
        assert_eq!(config.evidence.limits.after_packets, 50);
        // A file without windows plans none; without a file those that the store holds stay.
        let mut empty = Config::parse("").unwrap();
        assert_eq!(empty.engine.maintenance.take(), Some(Vec::new()));
        assert_eq!(empty, Config::default());
    }

    #[test]
    fn refuses_with_the_place_and_the_nearest_key() {
        for (text, message) in [
            ("stor = 'x'", "top level: key \"stor\" is not known; did you mean \"store\"?"),
            ("[sensor]\nnmae = 'x'", "sensor: key \"nmae\" is not known; did you mean \"name\"?"),
            ("[alerts.port-scam]", "alerts: \"port-scam\" is not known; did you mean \"port-scan\"?"),
            ("[[zone]]\nname = 'a'", "zone 1: subnets: is missing"),
            ("[[zone]]\nname = 'a'\nsubnets = ['x']", "is no network"),
            ("[[zone]]\nname = 'a'\nsubnets = []\npurdue = 9", "zone 1: purdue: 9 is not within 0 to 5"),
            ("[[device]]\nip = '10.0.0'", "device 1: ip: \"10.0.0\" is no IP address"),
            (
                "[[device]]\nip = '10.0.0.1'\nimportance = 'top'",
                "device 1: importance: importance \"top\" is not known",
            ),
            ("store = 1", "store: is integer where a string is needed"),
            ("[learning]\nfor = '1h'\nmode = 'operational'", "exclude each other"),
            ("[evidence]\nquota = 'much'", "evidence.quota: \"much\" is no size; write \"1 GiB\""),
            ("[evidence]\nquotta = 1", "evidence: key \"quotta\" is not known; did you mean \"quota\"?"),
            ("[learning]\nends = 'soon'", "learning.ends: \"soon\" is not known"),
            ("[learning]\nskip = ['first-writter']", "did you mean \"first-writer\"?"),
            ("[learning]\nskip = []\nlearn = []", "exclude each other"),
            ("[capture]\nring = '4 KiB'", "capture.ring: 4096 bytes are not within 1.0 MiB to 2.0 GiB"),
            ("[capture]\ntimeout = '2s'", "capture.timeout: 2s is not within 1ms to 500ms"),
            ("[capture]\nreader_processors = [-1]", "capture.reader_processors: -1 is no whole number"),
            ("[[interface]]\nfilter = 'tcp'", "interface 1: name: is missing"),
            ("[[interface]]\nname = 'eth1'\ntime_source = 'gps'", "interface 1: time_source: \"gps\" is not known"),
            ("[[interface]]\nname = 'eth1'\nfiltre = 'tcp'", "did you mean \"filter\"?"),
            ("a = \n", "line 1"),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
