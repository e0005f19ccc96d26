//! `setup`: the first set-up of an installed sensor. Writes the configuration, by the words of the example, and adds the first
//! administrator of the console.

use super::users;
use crate::cli::{SetupArgs, ZoneArg, network, span_text, zone};
use crate::config::{Config, INSTALLED, check_id};
use crate::evidence::size;
use crate::exit::{Exit, Failure};
use crate::output::{Output, clean};
use crate::run::host_name;
use anyhow::Context as _;
use ipnet::IpNet;
use ot_capture::{InterfaceFacts, interface_names};
use ot_console::secret;
use ot_store::{AccessStore, Store, UserRole, wall_clock};
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use toml::Value;

/// The example of the installation, which the configuration is made from.
const EXAMPLE: &str = include_str!("../../../../deploy/ot-sensor.toml");
/// Where the store of an installed sensor is.
const STORE: &str = "/var/lib/ot-sensor/ot-sensor.db";
/// How long a fresh store learns.
const LEARN: &str = "7d";
/// Where the console of an installed sensor is.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8443);

pub fn run(output: &mut Output, args: &SetupArgs) -> anyhow::Result<Exit> {
    let file = args.config.as_deref().unwrap_or(Path::new(INSTALLED));
    if file.exists() && !args.force {
        let told = format!("{} is there already; edit it, or give --force to write it anew", file.display());
        return Err(Failure::usage(told).into());
    }
    let answers = if args.unattended { Answers::given(args) } else { ask(output, args)? };
    let text = answers.fill(EXAMPLE);
    let config = Config::parse(&text).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        Failure::usage(format!("these answers make no configuration: {first}"))
    })?;
    for name in answers.interfaces.iter().filter(|name| InterfaceFacts::of(name).is_none()) {
        output.line(&clean(&format!("warning: there is no interface {name} yet; the sensor waits for it")))?;
    }
    // What can be refused comes before anything is written.
    let administrator = match &answers.admin {
        Some(name) => {
            let name = ot_console::pages::users::check_name(name).map_err(Failure::usage)?;
            let password = users::password(output, &args.password)?;
            Some((name, secret::hash_password(&password).map_err(Failure::from)?))
        }
        None => None,
    };
    for path in [file, &answers.store] {
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::usage(format!("cannot make the folder {}: {error}", folder.display())))?;
    }
    write(file, &text)
        .map_err(|error| Failure::usage(format!("cannot write {}: {error}; run this as root", file.display())))?;
    output.line(&format!("configuration: {}", file.display()))?;
    drop(Store::open(&answers.store)?);
    output.line(&format!("store: {}", answers.store.display()))?;
    if let Some((name, hash)) = administrator {
        let access = AccessStore::open(&answers.store)?;
        if access.add_user(&name, UserRole::Administrator, &hash, wall_clock())? {
            let told = format!("{name} is {}", UserRole::Administrator.as_str());
            users::done(output, &access, "user-add", &told, &told)?;
        } else {
            output
                .line(&format!("there is a user {name} already; `ot-sensor user passwd {name}` sets the password"))?;
        }
    }
    if file == Path::new(INSTALLED) {
        output.line("start it:  systemctl enable --now ot-sensor ot-sensor-console")?;
    }
    output.line(&format!("console: https://{}", config.console.listen))?;
    Ok(Exit::Done)
}

/// Readable by its owner and group: it tells where everything is.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// What the configuration is made of.
struct Answers {
    interfaces: Vec<String>,
    id: String,
    site: Option<String>,
    ot_subnets: Vec<IpNet>,
    zones: Vec<ZoneArg>,
    learn_for: String,
    listen: SocketAddr,
    store: PathBuf,
    admin: Option<String>,
}

impl Answers {
    /// What the command line gives, else the defaults.
    fn given(args: &SetupArgs) -> Self {
        Self {
            interfaces: args.interfaces.clone(),
            id: args.id.clone().unwrap_or_else(host_name),
            site: args.site.clone(),
            ot_subnets: args.ot_subnets.clone(),
            zones: args.zones.clone(),
            learn_for: args.learn_for.clone().unwrap_or_else(|| LEARN.to_owned()),
            listen: args.listen.unwrap_or(LISTEN),
            store: args.store.clone().unwrap_or_else(|| STORE.into()),
            admin: args.admin.clone(),
        }
    }

    /// The example with these answers in it.
    fn fill(&self, example: &str) -> String {
        let mut form = Form(example.lines().map(str::to_owned).collect());
        let text = |text: &str| Value::String(text.to_owned()).to_string();
        let list = |networks: &[IpNet]| {
            Value::Array(networks.iter().map(|network| Value::String(network.to_string())).collect()).to_string()
        };
        form.set("", "store", &text(&self.store.to_string_lossy()));
        if !self.ot_subnets.is_empty() {
            form.set("", "ot_subnets", &list(&self.ot_subnets));
        }
        form.set("[sensor]", "id", &text(&self.id));
        if let Some(site) = &self.site {
            form.set("[sensor]", "site", &text(site));
        }
        form.set("[learning]", "for", &text(&self.learn_for));
        form.set("[console]", "listen", &text(&self.listen.to_string()));
        // A cable that is not plugged in yet holds up no start.
        let interface = |name: &String| vec![("name", text(name)), ("wait", "true".to_owned())];
        form.repeat("[[interface]]", &self.interfaces.iter().map(interface).collect::<Vec<_>>());
        let zone = |zone: &ZoneArg| vec![("name", text(&zone.name)), ("subnets", list(&zone.networks))];
        form.repeat("[[zone]]", &self.zones.iter().map(zone).collect::<Vec<_>>());
        let mut text = form.0.join("\n");
        text.push('\n');
        text
    }
}

/// Lines of the example.
struct Form(Vec<String>);

impl Form {
    /// Takes a key of a table into use, with a value.
    fn set(&mut self, table: &str, key: &str, value: &str) {
        let begin = if table.is_empty() { Some(0) } else { self.0.iter().position(|line| line == table) };
        let Some(begin) = begin else { return };
        let rest = self.0.iter_mut().skip(begin).skip(usize::from(!table.is_empty()));
        let mut lines = rest.take_while(|line| !line.starts_with('[') && !line.starts_with("#["));
        if let Some(line) = lines.find(|line| is_key(line, key)) {
            *line = format!("{key} = {value}");
        }
    }

    /// Takes a table of a list into use, once for each row of keys and values.
    fn repeat(&mut self, table: &str, rows: &[Vec<(&str, String)>]) {
        let header = format!("#{table}");
        let Some(begin) = self.0.iter().position(|line| *line == header) else { return };
        let end = self.0.iter().skip(begin).position(String::is_empty).map_or(self.0.len(), |length| begin + length);
        let Some((first, more)) = rows.split_first() else { return };
        if let Some(line) = self.0.get_mut(begin) {
            table.clone_into(line);
        }
        for (key, value) in first {
            let mut lines = self.0.iter_mut().take(end).skip(begin);
            if let Some(line) = lines.find(|line| is_key(line, key)) {
                *line = format!("{key} = {value}");
            }
        }
        let mut added = Vec::new();
        for row in more {
            added.extend([String::new(), table.to_owned()]);
            added.extend(row.iter().map(|(key, value)| format!("{key} = {value}")));
        }
        self.0.splice(end..end, added);
    }
}

/// Whether a line is the one of a key, in use or not.
fn is_key(line: &str, key: &str) -> bool {
    let line = line.strip_prefix('#').unwrap_or(line);
    line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = "))
}

/// Asks on the terminal for what the command line does not give.
fn ask(output: &mut Output, args: &SetupArgs) -> anyhow::Result<Answers> {
    if !std::io::stdin().is_terminal() {
        let told = "there is no terminal to ask on; give --unattended with the answers (--help shows them)";
        return Err(Failure::usage(told).into());
    }
    let mut answers = Answers::given(args);
    output.line("What is in brackets is taken where you only press Enter. Ctrl-C ends this and changes nothing.\n")?;
    if args.interfaces.is_empty() {
        answers.interfaces = vec![ask_interface(output)?];
    }
    if args.id.is_none() {
        answers.id = question(output, "Id of this sensor, in the ids of its alerts", &answers.id, check_id)?;
    }
    if args.site.is_none() {
        let site = question(output, "Site that it stands in", "", |text| Ok(text.to_owned()))?;
        answers.site = Some(site).filter(|site| !site.is_empty());
    }
    if args.ot_subnets.is_empty() {
        let networks = |text: &str| -> Result<Vec<IpNet>, String> {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(network).collect()
        };
        let asked = "OT networks, with commas between; empty: the /24 around each device that speaks an OT protocol";
        answers.ot_subnets = question(output, asked, "", networks)?;
    }
    while args.zones.is_empty() {
        let read = |text: &str| if text.is_empty() { Ok(None) } else { zone(text).map(Some) };
        let asked = "A zone and its networks (Cell 1=10.0.0.0/25,10.0.1.0/24); empty: no more";
        match question(output, asked, "", read)? {
            Some(zone) => answers.zones.push(zone),
            None => break,
        }
    }
    if args.learn_for.is_none() {
        answers.learn_for = question(output, "How long to learn what is normal", LEARN, span_text)?;
    }
    if args.listen.is_none() {
        let read = |text: &str| text.parse().map_err(|_| format!("{text:?} is no address and port"));
        answers.listen = question(output, "Address of the console", &LISTEN.to_string(), read)?;
    }
    if args.admin.is_none() {
        let asked = "First administrator of the console";
        answers.admin = Some(question(output, asked, "admin", ot_console::pages::users::check_name)?);
    }
    Ok(answers)
}

fn ask_interface(output: &mut Output) -> anyhow::Result<String> {
    let names = interface_names();
    let rows = names.iter().zip(1..).map(|(name, number): (_, usize)| {
        let Some(facts) = InterfaceFacts::of(name) else { return vec![number.to_string().into(), name.clone().into()] };
        let state = match (facts.up, facts.running) {
            (false, _) => "off",
            (true, false) => "no link",
            (true, true) => "up",
        };
        let speed = facts.speed.map_or_else(String::new, |speed| format!("{speed} Mbit/s"));
        let received = format!("{} received", size(facts.counters.received_bytes));
        [number.to_string(), name.clone(), state.to_owned(), speed, received].map(|cell| cell.as_str().into()).into()
    });
    output.table(&["#", "INTERFACE", "STATE", "SPEED", "TRAFFIC"], rows.collect(), 0)?;
    let read = |text: &str| {
        let by_number = text.parse::<usize>().ok().and_then(|number| names.get(number.checked_sub(1)?));
        let found = by_number.or_else(|| names.iter().find(|name| *name == text));
        found.cloned().ok_or_else(|| format!("there is no interface {text:?}; write its number or its name"))
    };
    let only = match names.as_slice() {
        [] => return Err(Failure::usage("this machine has no network interface; add one, then run this again").into()),
        [only] => only.as_str(),
        _ => "",
    };
    question(output, "Interface at the mirror port", only, read)
}

/// Asks until the answer can be read.
fn question<T>(
    output: &mut Output,
    asked: &str,
    default: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> anyhow::Result<T> {
    loop {
        let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        output.raw(&format!("{asked}{shown}: "))?;
        output.finish()?;
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).context("cannot read the terminal")? == 0 {
            return Err(Failure::usage("the answers ended before all was asked; nothing was changed").into());
        }
        let answer = if line.trim().is_empty() { default } else { line.trim() };
        match read(answer) {
            Ok(value) => return Ok(value),
            Err(problem) => output.line(&clean(&problem))?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        Answers {
            interfaces: vec!["eth1".into(), "eth2".into()],
            id: "line-3".into(),
            site: Some("Plant \"North\" \\ #1".into()),
            ot_subnets: vec![network("10.0.0.0/24").unwrap(), network("10.1.0.7").unwrap()],
            zones: vec![zone("Cell 1=10.0.0.0/25").unwrap(), zone("Cell 2 = fd00::/64").unwrap()],
            learn_for: "36h".into(),
            listen: "127.0.0.1:9443".parse().unwrap(),
            store: "/srv/plant.db".into(),
            admin: None,
        }
    }

    #[test]
    fn the_example_is_filled_with_the_answers_and_keeps_its_words() {
        let answers = answers();
        let text = answers.fill(EXAMPLE);
        let config = Config::parse(&text).unwrap();
        assert_eq!(config.store.as_deref(), Some(Path::new("/srv/plant.db")));
        assert_eq!((config.engine.sensor_id.as_str(), &config.engine.site), ("line-3", &answers.site));
        assert_eq!(config.engine.ot_networks, answers.ot_subnets);
        let zones: Vec<_> = config.engine.zones.iter().map(|zone| (zone.name.as_str(), zone.networks.len())).collect();
        assert_eq!(zones, [("Cell 1", 1), ("Cell 2", 1)]);
        assert!(
            matches!(config.engine.learning, ot_engine::config::Learning::For(span) if span / 1_000_000_000 == 36 * 3_600)
        );
        let interfaces: Vec<_> =
            config.capture.interfaces.iter().map(|interface| (interface.name.as_str(), interface.wait)).collect();
        assert_eq!(interfaces, [("eth1", true), ("eth2", true)]);
        assert_eq!(config.console.listen, answers.listen);
        // All that was not answered stands there as before.
        let lost: Vec<&str> = EXAMPLE
            .lines()
            .filter(|line| line.starts_with("# ") && !text.lines().any(|other| other == *line))
            .collect();
        assert!(lost.is_empty(), "{lost:?}");
        let changed = EXAMPLE.lines().filter(|line| !text.lines().any(|other| other == *line)).count();
        // The site stands there for zones and devices, too.
        assert_eq!(changed, 11, "store, networks, id, learning, console; header, name and wait; header, name, subnets");
    }

    #[test]
    fn zones_are_read_with_their_networks() {
        assert_eq!(zone("Cell 1=10.0.0.0/25, 10.0.0.200").unwrap().networks.len(), 2);
        assert!(zone("=10.0.0.0/25").unwrap_err().contains("write NAME="));
        assert!(zone("Cell 1=10.0.0").unwrap_err().contains("is no network"));
    }
}
