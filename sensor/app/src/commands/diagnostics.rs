//! `diagnostics`: what somebody needs to know who is to find out what is wrong with a sensor, in one archive, and no secret.
//!
//! What goes in is chosen file by file and key by key; nothing is copied whole. Of people's words there are none.

use super::bundle::archive;
use super::{check_store, pcap};
use crate::cli::DiagnosticsArgs;
use crate::config::{Config, MOST_BYTES, read_text};
use crate::disk;
use crate::evidence::{self, size};
use crate::exit::{Exit, one_line};
use crate::output::Output;
use ot_capture::{InterfaceFacts, interface_names};
use ot_store::read::{EventQuery, Reader};
use ot_store::{AccessStore, Depth, wall_clock};
use ot_views::{Names, Surroundings};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Events of the sensor told, the newest ones.
const MOST_EVENTS: u32 = 500;
/// Kinds of events that tell of the sensor and hold nothing that a person wrote.
const KINDS: [&str; 2] = ["sensor", "devices-forgotten"];
/// How such an event begins that may hold a line of the configuration.
const OF_CONFIGURATION: &str = "the configuration stays as it was";
/// Interfaces told of.
const MOST_INTERFACES: usize = 64;
/// How long the store is looked at.
const LONGEST: Duration = Duration::from_secs(30);
/// What stands in the place of a secret.
const MASKED: &str = "(masked)";
/// Parts of the names of keys whose values may be secret.
const SECRET: [&str; 12] = [
    "secret",
    "password",
    "passwd",
    "passphrase",
    "token",
    "authorization",
    "credential",
    "cookie",
    "hmac",
    "private",
    "api_key",
    "apikey",
];

pub fn run(output: &mut Output, args: &DiagnosticsArgs) -> anyhow::Result<Exit> {
    // A configuration that cannot be read is something to find out about.
    let (config, problem) = match Config::of(&args.store) {
        Ok(config) => (config, None),
        Err(failure) => (Config::default(), Some(failure.message)),
    };
    let store = config.store_path(&args.store);
    let mut files = vec![("about.json", about())];
    if let Some(path) = &args.store.config {
        files.push(("configuration.json", configuration(path, problem.is_some())));
    }
    files.push(("interfaces.json", interfaces(&config)));
    files.push(("sizes.json", sizes(&config, &store)));
    files.push(("integrity.json", integrity(&store)));
    match Reader::open(&store).map_err(anyhow::Error::from).and_then(|reader| of_store(&reader, &config)) {
        Ok(more) => files.extend(more),
        Err(error) => files.push(("store.json", json!({"problem": one_line(&error)}))),
    }
    let files: Vec<(&str, Vec<u8>)> = files
        .into_iter()
        .map(|(name, value)| {
            let mut bytes = serde_json::to_vec_pretty(&value)?;
            bytes.push(b'\n');
            Ok((name, bytes))
        })
        .collect::<anyhow::Result<_>>()?;
    let seconds = u64::try_from(wall_clock().epoch()).unwrap_or(0);
    let bytes = archive::write("ot-sensor-diagnostics", &files, seconds)?;
    let path = args.file.clone().unwrap_or_else(|| PathBuf::from("ot-sensor-diagnostics.tar.gz"));
    pcap::write_file(&path, &bytes)?;
    output.line(&format!(
        "{}: {} files, {}; passwords, tokens and keys are not in it, addresses and names of the plant are",
        path.display(),
        files.len() + 1,
        size(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    ))?;
    Ok(Exit::Done)
}

/// The program and the machine.
fn about() -> Value {
    let line = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system =
        system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).map(|name| name.trim_matches('"').to_owned());
    let machine = crate::doctor::machine(Path::new("/"), 0, 0);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "store_format": ot_store::VERSION,
        "features": {"console": cfg!(feature = "console"), "forward": cfg!(feature = "forward")},
        "architecture": std::env::consts::ARCH,
        "made": wall_clock().to_string(),
        "system": system,
        "kernel": line("/proc/sys/kernel/osrelease"),
        "uptime_seconds": line("/proc/uptime").and_then(|text| text.split('.').next().and_then(|part| part.parse::<u64>().ok())),
        "load": line("/proc/loadavg"),
        "processors": machine.cores,
        "memory_bytes": machine.memory,
    })
}

/// The configuration as it is read, without its comments and with secrets masked.
fn configuration(path: &Path, wrong: bool) -> Value {
    let read = read_text(path, MOST_BYTES).map_err(|error| error.to_string());
    let table = read.and_then(|text| text.parse::<toml::Table>().map_err(|_| "is no TOML".to_owned()));
    match table {
        Ok(table) => {
            let values = serde_json::to_value(table).unwrap_or(Value::Null);
            json!({"path": path, "taken": !wrong, "values": masked("", values)})
        }
        Err(problem) => json!({"path": path, "taken": false, "problem": problem}),
    }
}

/// A value of a configuration, with what may be secret in it masked.
fn masked(key: &str, value: Value) -> Value {
    let name = key.to_ascii_lowercase();
    // Which variable or file holds a secret is none.
    let names_a_place = name.ends_with("_env") || name.ends_with("_file");
    if SECRET.iter().any(|part| name.contains(part)) && !names_a_place {
        return Value::String(MASKED.to_owned());
    }
    match value {
        Value::Object(object) => {
            let known = object.get("kind").and_then(Value::as_str).map(str::to_owned);
            let masked_of = |(key, value): (String, Value)| {
                // The path of a webhook is often its secret.
                let value = match (key.as_str(), known.as_deref(), &value) {
                    ("address", Some("webhook"), Value::String(address)) => Value::String(host_of(address)),
                    _ => masked(&key, value),
                };
                (key, value)
            };
            Value::Object(object.into_iter().map(masked_of).collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(|value| masked(key, value)).collect()),
        Value::String(text) => Value::String(without_user(&text)),
        other => other,
    }
}

/// Scheme, host and port of an address.
fn host_of(address: &str) -> String {
    let address = without_user(address);
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let more = if host.len() < rest.len() { format!("/{MASKED}") } else { String::new() };
            format!("{scheme}://{host}{more}")
        }
        None => MASKED.to_owned(),
    }
}

/// An address without the user and password in it, and without its query.
fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, _)) => (rest, format!("?{MASKED}")),
        None => (rest, String::new()),
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let host = match host.rsplit_once('@') {
        Some((_, host)) => format!("{MASKED}@{host}"),
        None => host.to_owned(),
    };
    format!("{scheme}://{host}{path}{query}")
}

/// What the machine tells of its interfaces; those that the configuration names first.
fn interfaces(config: &Config) -> Value {
    let mut names: Vec<String> = config.capture.interfaces.iter().map(|interface| interface.name.clone()).collect();
    for name in interface_names() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let told = names.iter().take(MOST_INTERFACES).map(|name| match InterfaceFacts::of(name) {
        None => json!({"name": name, "problem": "there is none of that name"}),
        Some(facts) => json!({
            "name": facts.name,
            "up": facts.up,
            "running": facts.running,
            "mtu": facts.mtu,
            "mbit_per_second": facts.speed,
            "driver": facts.driver,
            "offloads": facts.offloads.to_string(),
            "hardware_time": facts.hardware_time,
            "received": facts.counters.received,
            "received_bytes": facts.counters.received_bytes,
            "missed": facts.counters.missed,
            "errors": facts.counters.errors,
            "dropped": facts.counters.dropped,
            "sent": facts.counters.sent,
        }),
    });
    Value::Array(told.collect())
}

/// How large what belongs to a store is, and who may read it.
fn sizes(config: &Config, store: &Path) -> Value {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let with = |end: &str| {
        let mut name = store.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let mut paths: Vec<PathBuf> = ["", "-wal", "-shm", ".access", ".lock", ".forward.lock"].map(with).to_vec();
    paths.push(evidence::folder(config, store).path().to_owned());
    let told = paths.iter().filter_map(|path| {
        let data = fs::metadata(path).ok()?;
        let mode = format!("{:04o}", data.permissions().mode() & 0o7777);
        Some(json!({"path": path, "bytes": data.len(), "folder": data.is_dir(), "mode": mode, "user": data.uid(), "group": data.gid()}))
    });
    json!({
        "files": told.collect::<Vec<_>>(),
        "disk_folder": disk::folder_of(store),
        "disk_free_bytes": disk::free(store),
        "engine_runs": ot_store::engine_runs(store),
    })
}

fn integrity(store: &Path) -> Value {
    match ot_store::check(store, Depth::Pages, Some(LONGEST)) {
        Ok(found) => check_store::told(store, &found),
        Err(error) => json!({"store": store, "problem": error.to_string()}),
    }
}

/// What the store tells: all of one moment.
fn of_store(reader: &Reader, config: &Config) -> anyhow::Result<Vec<(&'static str, Value)>> {
    reader.begin()?;
    let around =
        Surroundings { now: wall_clock(), disk_free: disk::free(reader.path()), disk_least: config.room.disk_free };
    let query = EventQuery {
        kinds: KINDS.map(str::to_owned).to_vec(),
        newest_first: true,
        limit: Some(MOST_EVENTS),
        ..EventQuery::default()
    };
    let mut events = ot_views::events(&Names::new(reader), &query)?;
    for event in events.iter_mut().filter(|event| event.text.starts_with(OF_CONFIGURATION)) {
        OF_CONFIGURATION.clone_into(&mut event.text);
    }
    let mut files = vec![
        ("health.json", serde_json::to_value(ot_views::health(reader, &around)?)?),
        ("stats.json", serde_json::to_value(ot_views::stats(reader)?)?),
        ("events.json", serde_json::to_value(events)?),
    ];
    // Of users only how many there are.
    if let Some(users) = AccessStore::roles_of(reader.path())? {
        let users: Map<String, Value> =
            users.into_iter().map(|(role, count)| (role.as_str().to_owned(), Value::from(count))).collect();
        files.push(("users.json", Value::Object(users)));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_masked() {
        let text = r#"
            # a comment: SECRET
            [[forward]]
            name = "chat"
            kind = "webhook"
            address = "https://u:SECRET@chat.example:8443/hooks/SECRET?key=SECRET"
            secret_env = "CHAT_NAME"
            authorization = "Bearer SECRET"
            headers = { "X-Api-Token" = "SECRET" }
            [[forward]]
            name = "central"
            kind = "nats"
            address = "tls://u:SECRET@nats.example:4222"
            password = "SECRET"
            [other]
            tokens = ["SECRET", "SECRET"]
        "#;
        let table: toml::Table = text.parse().unwrap();
        let shown = masked("", serde_json::to_value(table).unwrap()).to_string();
        assert!(!shown.contains("SECRET"), "{shown}");
        for kept in
            ["CHAT_NAME", "https://(masked)@chat.example:8443/(masked)", "tls://(masked)@nats.example:4222", "central"]
        {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
    }

    #[test]
    fn addresses_without_secrets_stay() {
        for address in ["udp://siem:514", "https://sensor-3.plant.example:8443", "/var/log/x.json", "10.0.0.0/24"] {
            assert_eq!(without_user(address), address);
        }
        assert_eq!(host_of("https://chat.example"), "https://chat.example");
    }
}
