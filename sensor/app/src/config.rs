//! The configuration file: TOML, all of it optional; unknown keys are refused with the nearest known one.

#[cfg(feature = "fleet")]
mod fleet;
#[cfg(feature = "forward")]
mod forward;
mod keys;

pub use keys::{Problem, Reading, network_of};

use crate::cli::{StoreArgs, unknown};
use crate::evidence::Settings;
use crate::exit::Failure;
use crate::log;
use crate::when::span;
use keys::Keys;
use ot_capture::{InterfaceSettings, TimeSource};
use ot_engine::catalogue::{self, Part, Severity};
use ot_engine::config::{AlertSetting, EngineConfig, Keep, KnownDevice, Learning, Novelty, Parts, Zone};
use ot_engine::context::Field;
use ot_engine::maintenance::{MOST_CONFIGURED, Plan, Selector};
use ot_engine::model::Role;
use ot_flow::Processors;
use ot_protocol::{Nanos, Operation};
use ot_rules::SiteClock;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;

/// Where the store is unless somebody says otherwise.
pub const DEFAULT_STORE: &str = "ot-sensor.db";

/// Where the configuration of an installed sensor is.
pub const INSTALLED: &str = "/etc/ot-sensor/ot-sensor.toml";

/// Bytes of a configuration file.
pub const MOST_BYTES: u64 = 1 << 20;

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
    /// Of the console.
    pub console: ConsoleSettings,
    /// How commands that stay write on standard error.
    pub log: log::Format,
    /// Of the room that the store takes and has.
    pub room: RoomSettings,
    /// Address of the console, for links in what is forwarded.
    pub console_url: Option<String>,
    /// Who is told of alerts.
    #[cfg(feature = "forward")]
    pub forward: Vec<ot_forward::Destination>,
    /// The centre of many sensors.
    #[cfg(feature = "fleet")]
    pub fleet: Option<ot_fleet::Settings>,
}

/// Least that a store may be limited to.
const LEAST_STORE: u64 = 16 << 20;

/// Of the room that the store takes and has, while `run` writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomSettings {
    /// Bytes of the store at most; `None`: as many as retention by age lets it have.
    pub store_size: Option<u64>,
    /// Where less is free on the disk, that is told. Default 1 GiB.
    pub disk_free: u64,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self { store_size: None, disk_free: 1 << 30 }
    }
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

/// Of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleSettings {
    /// Address and port. Default: 127.0.0.1:8443.
    pub listen: SocketAddr,
    /// Certificate chain (PEM); `None`, as the key: one of its own.
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub key: Option<PathBuf>,
}

impl Default for ConsoleSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8443)), certificate: None, key: None }
    }
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
        let (config, reading) = Self::read_file(path)?;
        let problems = reading.problems();
        let Some(first) = problems.first() else { return Ok(config) };
        let more = match problems.len() {
            1 => String::new(),
            many => format!(" (and {} more; `ot-sensor check-config {}` tells all)", many - 1, path.display()),
        };
        Err(Failure::usage(format!("configuration {}: {first}{more}", path.display())))
    }

    /// Reads a file as far as it is right.
    ///
    /// # Errors
    /// Where the file cannot be read; what is wrong with its text is in the reading.
    pub fn read_file(path: &Path) -> Result<(Self, Reading), Failure> {
        let text = read_text(path, MOST_BYTES).map_err(|error| {
            Failure::usage(format!("configuration {}: {error}; give a readable TOML file", path.display()))
        })?;
        let (mut config, reading) = Self::read(&text);
        // Beside the configuration, unless they say otherwise.
        let folder = path.parent().unwrap_or(Path::new(""));
        config.indicators.iter_mut().chain(&mut config.rules).for_each(|file| *file = folder.join(&*file));
        for file in [&mut config.console.certificate, &mut config.console.key].into_iter().flatten() {
            *file = folder.join(&*file);
        }
        #[cfg(feature = "forward")]
        config.forward.iter_mut().for_each(|destination| forward::beside(folder, destination));
        #[cfg(feature = "fleet")]
        config.fleet.iter_mut().for_each(|settings| fleet::beside(folder, settings));
        Ok((config, reading))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Every problem, with its line, its key and what to write there.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let (config, reading) = Self::read(text);
        let problems = reading.problems();
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// Reads the text of a file as far as it is right. What is wrong is in the reading.
    pub fn read(text: &str) -> (Self, Reading) {
        let reading = Reading::new(text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            reading.problem(error.span().map_or(0, |span| span.start), "", error.message().trim());
        }
        // What the parser made of broken text is nothing to complain about as well.
        let config = if errors.is_empty() {
            Self::of_keys(Keys::new(&reading, "", document.get_ref(), 0))
        } else {
            Self::default()
        };
        (config, reading)
    }

    fn of_keys(mut top: Keys<'_>) -> Self {
        let mut config = Self { store: top.text("store").map(PathBuf::from), ..Self::default() };
        if let Some(sensor) = top.table("sensor") {
            config.sensor_of(sensor);
        }
        let engine = &mut config.engine;
        engine.ot_networks = top.networks("ot_subnets").unwrap_or_default();
        engine.zones = top.tables("zone").into_iter().filter_map(zone_of).collect();
        engine.devices = top.tables("device").into_iter().filter_map(device_of).collect();
        engine.maintenance = Some(maintenance_of(top.tables("maintenance")));
        if let Some(alerts) = top.table("alerts") {
            engine.alerts = alert_settings(alerts);
        }
        if let Some(learning) = top.table("learning") {
            learning_of(learning, engine);
        }
        if let Some(mut keep) = top.table("retention") {
            let default = engine.keep;
            engine.keep = Keep {
                close_after: span_or_never(&mut keep, "close_after", default.close_after),
                delete_after: span_or_never(&mut keep, "delete_after", default.delete_after),
                devices: span_or_never(&mut keep, "devices", default.devices),
                events: keep.number("events", u32::MAX).map_or(default.events, u64::from),
            };
            config.room.store_size = keep.size("store_size");
            if config.room.store_size.is_some_and(|bytes| bytes < LEAST_STORE) {
                keep.problem("store_size", "less than 16 MiB, with which no store does; write more, or take it out");
            }
            if let Some(bytes) = keep.size("disk_free") {
                config.room.disk_free = bytes;
            }
            keep.end();
        }
        let mut files = |table: &'static str| {
            let Some(mut keys) = top.table(table) else { return Vec::new() };
            let files = keys.texts("files").into_iter().map(PathBuf::from).collect();
            keys.end();
            files
        };
        config.rules = files("rules");
        config.indicators = files("indicators");
        if let Some(evidence) = top.table("evidence") {
            config.evidence = evidence_of(evidence);
        }
        config.capture = capture_of(&mut top);
        if let Some(console) = top.table("console") {
            config.console_of(console);
        }
        if let Some(mut keys) = top.table("log") {
            config.log = keys.choice("format", &log::Format::ALL, log::Format::as_str).unwrap_or_default();
            keys.end();
        }
        let destinations = top.tables("forward");
        #[cfg(feature = "forward")]
        {
            config.forward = forward::forward_of(destinations);
        }
        #[cfg(not(feature = "forward"))]
        if !destinations.is_empty() {
            top.problem("forward", "this build cannot forward; use one with the feature `forward`");
        }
        let centre = top.table("fleet");
        #[cfg(feature = "fleet")]
        {
            config.fleet = centre.and_then(fleet::fleet_of);
        }
        #[cfg(not(feature = "fleet"))]
        if centre.is_some() {
            top.problem("fleet", "this build cannot be a centre; use one with the feature `fleet`");
        }
        top.end();
        config
    }

    fn sensor_of(&mut self, mut sensor: Keys<'_>) {
        if let Some(id) = sensor.text("id") {
            self.named = true;
            if let Some(id) = sensor.right("id", check_id(&id)) {
                self.engine.sensor_name.clone_from(&id);
                self.engine.sensor_id = id;
            }
        }
        if let Some(name) = sensor.text("name") {
            self.engine.sensor_name = name;
        }
        self.engine.site = sensor.text("site");
        self.engine.continuous = sensor.truth("continuous").unwrap_or_default();
        self.console_url = sensor.text("console_url");
        if let Some(url) = self.console_url.as_deref().filter(|url| !is_address(url)) {
            sensor.problem("console_url", format!("{url:?} is no address; write https://HOST:PORT"));
        }
        if let Some(zone) = sensor.text("time_zone")
            && let Some(clock) = sensor.right("time_zone", SiteClock::parse(&zone))
        {
            self.engine.clock = clock;
        }
        sensor.end();
    }

    fn console_of(&mut self, mut keys: Keys<'_>) {
        let listen = keys.text("listen").and_then(|text| {
            let read = text.parse().map_err(|_| format!("{text:?} is no address and port; write \"0.0.0.0:8443\""));
            keys.right("listen", read)
        });
        let (certificate, key) = (keys.text("certificate"), keys.text("key"));
        if certificate.is_some() != key.is_some() {
            keys.problem("certificate", "and `key` go together; write both or neither");
        }
        keys.end();
        self.console = ConsoleSettings {
            listen: listen.unwrap_or(self.console.listen),
            certificate: certificate.map(PathBuf::from),
            key: key.map(PathBuf::from),
        };
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

fn zone_of(mut keys: Keys<'_>) -> Option<Zone> {
    let name = keys.needed_text("name");
    let networks = keys.needed_networks("subnets");
    let site = keys.text("site");
    let purdue = keys.number("purdue", 5).and_then(|level| u8::try_from(level).ok());
    keys.end();
    Some(Zone { name: name?, networks: networks?, site, purdue })
}

fn device_of(mut keys: Keys<'_>) -> Option<KnownDevice> {
    let ip = keys.needed_text("ip").and_then(|ip| {
        let read = ip.parse::<IpAddr>().map_err(|_| format!("{ip:?} is no IP address"));
        keys.right("ip", read)
    });
    let role = keys.text("role").and_then(|id| {
        let read = Role::parse(&id).ok_or_else(|| unknown(&id, Role::ALL.iter().map(|role| role.as_str())));
        keys.right("role", read)
    });
    let name = keys.text("name");
    let programming = keys.truth("programming_device").unwrap_or_default();
    let scanner = keys.truth("scanner").unwrap_or_default();
    let more = device_more(&mut keys);
    keys.end();
    Some(KnownDevice { ip: ip?, name, role, programming, scanner, more })
}

/// What else can be said of a device: owner, importance, tags and so on.
fn device_more(device: &mut Keys<'_>) -> Vec<(Field, String)> {
    const TEXTS: [(&str, Field); 6] = [
        ("site", Field::Site),
        ("zone", Field::Zone),
        ("importance", Field::Importance),
        ("owner", Field::Owner),
        ("location", Field::Location),
        ("notes", Field::Notes),
    ];
    let mut more = Vec::new();
    for (key, field) in TEXTS {
        if let Some(value) = device.text(key)
            && let Some(value) = device.right(key, field.check(&value))
        {
            more.push((field, value));
        }
    }
    more.extend(device.number("purdue", 5).map(|level| (Field::Purdue, level.to_string())));
    if let Some(authorised) = device.truth("authorised") {
        more.push((Field::Authorised, if authorised { "yes" } else { "no" }.to_owned()));
    }
    let tags = device.texts_as("tags", |tag| Field::Tag.check(tag));
    more.extend(tags.into_iter().map(|tag| (Field::Tag, tag)));
    more
}

/// The maintenance windows that are planned.
fn maintenance_of(windows: Vec<Keys<'_>>) -> Vec<Plan> {
    if let Some(first) = windows.get(MOST_CONFIGURED) {
        first.problem_here(format!(
            "{} windows are more than {MOST_CONFIGURED}; take out those that are over",
            windows.len()
        ));
    }
    let mut plans: Vec<Plan> = Vec::with_capacity(windows.len().min(MOST_CONFIGURED));
    for mut window in windows.into_iter().take(MOST_CONFIGURED) {
        let before = window.problems();
        let ticket = window.needed_text("ticket");
        let devices = window.texts_as("devices", Selector::parse);
        let by = window.texts_as("by", Selector::parse);
        let kinds = window.choices("kinds", &Operation::ALL, Operation::as_str).unwrap_or_default();
        let (start, end) = (window.needed_time("start"), window.needed_time("end"));
        let note = window.text("note").unwrap_or_default();
        window.end();
        // What follows from a mistake in one of its keys is not told as well.
        let sound = window.problems() == before;
        if let (true, Some(ticket), Some(start), Some(end)) = (sound, ticket, start, end) {
            let plan = Plan { ticket, devices, by, kinds, start, end, note };
            if let Err(problem) = plan.check() {
                window.problem_here(problem);
            } else if plans.iter().any(|known| known.overlaps(&plan)) {
                window.problem(
                    "ticket",
                    format!("another window of {} overlaps in time; join them, or part their times", plan.ticket),
                );
            } else {
                plans.push(plan);
            }
        }
    }
    plans
}

/// A sensor id enters the ids of alerts and file names.
pub fn check_id(id: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if id.is_empty() || id.len() > 64 || !id.bytes().all(fits) {
        return Err(format!("{id:?} is no sensor id; write 1 to 64 letters, digits, '-', '_' or '.'"));
    }
    Ok(id.to_owned())
}

fn alert_settings(alerts: Keys<'_>) -> BTreeMap<String, AlertSetting> {
    let known = |id: &str| match catalogue::by_id(id) {
        Some(_) => Ok(()),
        None => Err(unknown(id, catalogue::all().iter().map(|kind| kind.id))),
    };
    let mut settings = BTreeMap::new();
    for (id, mut keys) in alerts.all_tables(known) {
        let setting = AlertSetting {
            enabled: keys.truth("enabled"),
            count: keys.number("count", u32::MAX),
            seconds: keys.number("seconds", u32::MAX),
            severity: keys.choice("severity", &Severity::ALL, Severity::as_str),
            aggregate_by: keys.choices("aggregate_by", &Part::ALL, Part::as_str).map(Parts::from_iter),
        };
        if catalogue::by_id(&id).is_some_and(|kind| kind.threshold.is_none()) {
            for key in ["count", "seconds"].into_iter().filter(|key| keys.has(key)) {
                keys.problem(key, "this alert type has no threshold; take it out");
            }
        }
        keys.end();
        settings.insert(id, setting);
    }
    settings
}

/// The types that are not learned: those that `skip` names, or all that `learn` does not.
fn not_learned(keys: &mut Keys<'_>) -> Vec<String> {
    let known = |id: &str| {
        let mut types = ot_engine::learning::TYPES.iter().map(|kind| kind.id);
        match types.any(|known| known == id) {
            true => Ok(id.to_owned()),
            false => Err(unknown(id, ot_engine::learning::TYPES.iter().map(|kind| kind.id))),
        }
    };
    let (learn, skip) = (keys.texts_as("learn", known), keys.texts_as("skip", known));
    if !keys.has("learn") {
        return skip;
    }
    if keys.has("skip") {
        keys.problem("learn", "and `skip` exclude each other; write one");
    }
    let not_named = |id: &&str| !learn.iter().any(|named| named == id);
    ot_engine::learning::TYPES.iter().map(|kind| kind.id).filter(not_named).map(str::to_owned).collect()
}

/// The longest that learning goes on which ends with novelty.
const LONGEST: Nanos = 3_650 * 86_400 * 1_000_000_000;

fn learning_of(mut keys: Keys<'_>, engine: &mut EngineConfig) {
    let default = Novelty::default();
    let novelty = Novelty {
        entries: keys.number("novelty_entries", u32::MAX).unwrap_or(default.entries),
        span: keys.span("novelty_within").unwrap_or(default.span),
    };
    engine.novelty = (keys.word("ends", &["time", "novelty"]) == Some("novelty")).then_some(novelty);
    engine.not_learned = not_learned(&mut keys);
    engine.new_device = keys.span("new_device");
    let mode = keys.word("mode", &["learning", "operational"]);
    let length = keys.span("for");
    let until = keys.time("until");
    let written = |key: &&str| keys.has(key);
    let ends: Vec<&str> = ["for", "until"].into_iter().filter(written).collect();
    engine.learning = match (mode, length, until) {
        (Some("operational"), None, None) => Learning::Operational,
        (_, Some(length), None) => Learning::For(length),
        (_, None, Some(until)) => Learning::Until(until),
        _ if engine.novelty.is_some() => Learning::For(LONGEST),
        _ => Learning::AsStored,
    };
    if mode == Some("learning") && ends.is_empty() && engine.novelty.is_none() {
        keys.problem("for", "is missing; say how long, for example \"7d\"");
    }
    if ends.len() + usize::from(mode == Some("operational")) > 1 {
        keys.problem(
            ends.last().unwrap_or(&"mode"),
            "`for`, `until` and mode \"operational\" exclude each other; write one",
        );
    }
    keys.end();
}

/// A span, or `never`.
fn span_or_never(keys: &mut Keys<'_>, key: &'static str, default: Option<Nanos>) -> Option<Nanos> {
    match keys.text(key).as_deref() {
        None => default,
        Some("never") => None,
        Some(text) => keys.right(key, span(text).map_err(|problem| format!("{problem}, or \"never\""))),
    }
}

fn capture_of(top: &mut Keys<'_>) -> CaptureSettings {
    let mut capture = CaptureSettings::default();
    if let Some(mut keys) = top.table("capture") {
        interface_of(&mut keys, &mut capture.defaults);
        if let Some(bytes) = bytes_within(&mut keys, "backlog", 1 << 20, 64 << 30) {
            capture.backlog = bytes;
        }
        if let Some(numbers) = keys.numbers("reader_processors", MOST_PROCESSORS) {
            capture.processors.reader = numbers;
        }
        if let Some(numbers) = keys.numbers("worker_processors", MOST_PROCESSORS) {
            capture.processors.workers = numbers;
        }
        if let Some(split) = keys.truth("split") {
            capture.split = split;
        }
        keys.end();
    }
    for mut keys in top.tables("interface") {
        let mut interface = capture.defaults.clone();
        let name = keys.needed_text("name");
        interface_of(&mut keys, &mut interface);
        keys.end();
        if let Some(name) = name {
            interface.name = name;
            capture.interfaces.push(interface);
        }
    }
    capture
}

/// Highest number of a processor.
const MOST_PROCESSORS: u32 = 1023;

/// What is said of an interface, or of all.
fn interface_of(keys: &mut Keys<'_>, interface: &mut InterfaceSettings) {
    if let Some(bytes) = bytes_within(keys, "ring", 1 << 20, 2 << 30) {
        interface.ring = bytes;
    }
    let timeouts = Duration::from_millis(1)..=Duration::from_millis(500);
    if let Some(timeout) = keys.span_within("timeout", timeouts, "1ms to 500ms") {
        interface.timeout = timeout;
    }
    if let Some(bytes) = keys.number("snap_length", 262_144)
        && let Some(bytes) = keys.right("snap_length", within(u64::from(bytes), 64, 262_144))
    {
        interface.snap_length = bytes;
    }
    if let Some(filter) = keys.text("filter") {
        interface.filter = Some(filter);
    }
    if let Some(promiscuous) = keys.truth("promiscuous") {
        interface.promiscuous = promiscuous;
    }
    if let Some(source) = keys.choice("time_source", &TimeSource::ALL, TimeSource::as_str) {
        interface.time_source = source;
    }
    if let Some(numbers) = keys.numbers("processors", MOST_PROCESSORS) {
        interface.processors = numbers;
    }
    if let Some(wait) = keys.truth("wait") {
        interface.wait = wait;
    }
}

fn bytes_within(keys: &mut Keys<'_>, key: &'static str, least: u64, most: u64) -> Option<usize> {
    let bytes = keys.size(key)?;
    keys.right(key, within(bytes, least, most))
}

fn within(bytes: u64, least: u64, most: u64) -> Result<usize, String> {
    if !(least..=most).contains(&bytes) {
        let (least, most) = (crate::evidence::size(least), crate::evidence::size(most));
        return Err(format!("{bytes} bytes are not within {least} to {most}"));
    }
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}

fn evidence_of(mut keys: Keys<'_>) -> Settings {
    let mut settings = Settings::default();
    if let Some(enabled) = keys.truth("enabled") {
        settings.enabled = enabled;
    }
    settings.folder = keys.text("folder").map(PathBuf::from);
    if let Some(quota) = keys.size("quota") {
        settings.quota = quota;
    }
    if let Some(bytes) = keys.size("alert_size") {
        settings.limits.alert_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    if let Some(bytes) = keys.size("memory") {
        settings.ring_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    for (key, place) in [("before", &mut settings.limits.before), ("after", &mut settings.limits.after)] {
        if let Some(span) = keys.span(key) {
            *place = span;
        }
    }
    for (key, place) in [
        ("packets_before", &mut settings.limits.before_packets),
        ("packets_after", &mut settings.limits.after_packets),
        ("alerts_of_a_run", &mut settings.run_alerts),
    ] {
        if let Some(number) = keys.number(key, u32::MAX) {
            *place = usize::try_from(number).unwrap_or(usize::MAX);
        }
    }
    keys.end();
    settings
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

    /// The example that is installed.
    const INSTALLED_EXAMPLE: &str = include_str!("../../../deploy/ot-sensor.toml");

    /// The example with every key in use, and once more for each line that stands there instead of others.
    #[cfg(all(feature = "console", feature = "forward"))]
    fn variants() -> Vec<String> {
        let in_use =
            |line: &'static str| line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' '));
        let lines: Vec<&str> = INSTALLED_EXAMPLE.lines().map(|line| in_use(line).unwrap_or(line)).collect();
        let mut variants = vec![lines.join("\n")];
        for (at, line) in lines.iter().enumerate() {
            let Some(instead) = line.strip_prefix("# instead of ") else { continue };
            let (keys, assignment) = instead.split_once(": ").unwrap();
            let is_header = |at: &usize| lines[*at].starts_with('[');
            let begin = (0..at).rev().find(is_header).unwrap();
            let end = (at..lines.len()).find(is_header).unwrap_or(lines.len());
            let mut variant = lines.clone();
            variant[at] = assignment;
            for key in keys.split(", ") {
                let replaced = (begin..end).find(|at| lines[*at].starts_with(&format!("{key} = ")));
                variant[replaced.unwrap_or_else(|| panic!("{line}: no {key}"))] = "";
            }
            variants.push(variant.join("\n"));
        }
        variants
    }

    #[test]
    fn the_installed_example_says_nothing_until_a_key_is_taken_into_use() {
        let mut config = Config::parse(INSTALLED_EXAMPLE).unwrap();
        assert_eq!(config.engine.maintenance.take(), Some(Vec::new()));
        assert_eq!(config, Config::default());
    }

    #[test]
    #[cfg(all(feature = "console", feature = "forward"))]
    fn the_installed_example_holds_every_key_with_its_meaning() {
        // Tables of a list are one.
        let table = |key: &str| key.chars().filter(|letter| !letter.is_ascii_digit()).collect::<String>();
        let mut keys: BTreeMap<String, bool> = BTreeMap::new();
        let variants = variants();
        assert!(variants.len() > 7);
        for variant in &variants {
            let (_, reading) = Config::read(variant);
            assert_eq!(reading.problems(), [], "{variant}");
            for (key, there) in reading.asked() {
                *keys.entry(table(&key)).or_default() |= there;
            }
        }
        let missing: Vec<&String> = keys.iter().filter(|(_, there)| !**there).map(|(key, _)| key).collect();
        assert!(missing.is_empty(), "not in deploy/ot-sensor.toml: {missing:?}");
        assert!(keys.len() > 100, "{keys:?}");
        let config = Config::parse(&variants[0]).unwrap();
        for kind in ot_forward::settings::Target::KINDS {
            assert!(config.forward.iter().any(|one| one.target.kind() == kind), "no [[forward]] of kind {kind}");
        }
        // What it calls a default is one.
        let default = Config::default();
        assert_eq!(config.engine.keep, default.engine.keep);
        assert_eq!(config.evidence, Settings { folder: config.evidence.folder.clone(), ..default.evidence });
        assert_eq!(config.console.listen, default.console.listen);
        assert_eq!(config.capture.backlog, default.capture.backlog);
        let InterfaceSettings { filter, processors, .. } = config.capture.defaults.clone();
        assert_eq!(config.capture.defaults, InterfaceSettings { filter, processors, ..default.capture.defaults });
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let text = "store = 1\n\n[sensor]\nid = 'a b'\nnmae = 'x'\n[[zone]]\nname = 'a'\nsubnets = [\n  '10.0.0.0/24',\n  'x',\n]\n\
            [[zone]]\nname = 'b'\n[alerts.port-scam]\n[learning]\nfor = 'long'\nuntil = 'soon'\n[[interface]]\nring = 1\n";
        let problems = Config::parse(text).unwrap_err();
        let places: Vec<(usize, &str)> = problems.iter().map(|problem| (problem.line, problem.key.as_str())).collect();
        let expected = [
            (1, "store"),
            (4, "sensor.id"),
            (5, "sensor"),
            (10, "zone 1: subnets"),
            (12, "zone 2: subnets"),
            (14, "alerts"),
            (16, "learning.for"),
            (17, "learning.until"),
            (17, "learning.until"),
            (18, "interface 1: name"),
            (19, "interface 1: ring"),
        ];
        assert_eq!(places, expected, "{problems:#?}");
        let broken = Config::parse("a = 1\nb = \nc = [\n").unwrap_err();
        assert_eq!(broken.first().map(|problem| problem.line), Some(2), "{broken:?}");
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
            let problems = Config::parse(text).unwrap_err();
            let [problem] = problems.as_slice() else { panic!("{problems:?}") };
            assert!(problem.to_string().contains(message), "{problem}");
        }
    }
}
