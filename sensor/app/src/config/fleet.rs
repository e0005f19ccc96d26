//! `[fleet]`: the centre of many sensors.

use super::forward::{access_of, beside_nats, beside_tls, secret_of, subjects_of, tls_of};
use super::{Keys, span_or_never};
use ot_fleet::{Database, Settings};
use ot_forward::settings::{Nats, Secret};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the table says; `None` where what must be there is not.
pub(super) fn fleet_of(mut keys: Keys<'_>) -> Option<Settings> {
    let nats = keys.table("nats");
    let database = keys.table("database");
    for (name, there) in [("nats", nats.is_some()), ("database", database.is_some())] {
        if !there {
            keys.problem(name, format!("is missing; write [fleet.{name}] with its address"));
        }
    }
    let stream = nats.and_then(stream_of);
    let database = database.and_then(database_of);
    let store = keys.text("store").map(PathBuf::from);
    let silent = keys.span_within("silent_after", Duration::from_secs(5)..=Duration::from_secs(86_400), "5s to 1d");
    let keep = span_or_never(&mut keys, "keep", i64::try_from(ot_fleet::settings::DEFAULT_KEEP.as_nanos()).ok());
    keys.end();
    let mut settings = stream?;
    settings.database = database?;
    if let Some(store) = store {
        settings.store = store;
    }
    if let Some(silent) = silent {
        settings.silent_after = silent;
    }
    settings.keep = keep.map(|span| Duration::from_nanos(span.unsigned_abs()));
    Some(settings)
}

/// What stands for a database until it is read.
fn no_database() -> Database {
    Database { host: String::new(), port: 0, name: String::new(), user: String::new(), password: None, tls: None }
}

fn stream_of(mut keys: Keys<'_>) -> Option<Settings> {
    let address = keys.needed_text("address");
    let nats = address.and_then(|address| keys.right("address", Nats::parse(&address)));
    let mut nats = nats?;
    subjects_of(&mut keys, &mut nats);
    access_of(&mut keys, &mut nats);
    for (key, subject) in [("subject", &nats.subject), ("status_subject", &nats.status_subject)] {
        if !subject.contains("{sensor}") {
            keys.problem(key, "{sensor} must stand in it, so that no sensor can speak for another one");
        }
    }
    let mut settings = Settings::new(nats, no_database());
    for (key, name) in [("stream", &mut settings.stream), ("consumer", &mut settings.consumer)] {
        if let Some(text) = keys.text(key) {
            if !Settings::is_name(&text) {
                keys.problem(key, format!("{text:?} is no name: letters, digits, - and _, 64 at most"));
            }
            *name = text;
        }
    }
    match keys.number("replicas", 5) {
        Some(0) => keys.problem("replicas", "0 servers hold nothing"),
        Some(replicas) => settings.replicas = replicas,
        None => {}
    }
    if let Some(size) = keys.size("stream_size") {
        if size < 1 << 20 {
            keys.problem("stream_size", "less than 1 MiB hold too few messages");
        }
        settings.stream_size = size;
    }
    keys.end();
    Some(settings)
}

fn database_of(mut keys: Keys<'_>) -> Option<Database> {
    let address = keys.needed_text("address");
    let database = address.and_then(|address| keys.right("address", Database::parse(&address)));
    let mut database = database?;
    database.password = secret_of(&mut keys, "password_env", "password_file");
    // Over a network TLS is what is meant unless somebody says otherwise.
    if keys.truth("tls").unwrap_or(!database.is_local()) {
        database.tls = Some(tls_of(&mut keys));
    }
    keys.end();
    Some(database)
}

/// Files that it names are beside the configuration, unless they say otherwise.
pub(super) fn beside(folder: &Path, settings: &mut Settings) {
    beside_nats(folder, &mut settings.nats);
    settings.database.tls.iter_mut().for_each(|tls| beside_tls(folder, tls));
    if let Some(Secret::File(path)) = &mut settings.database.password {
        *path = folder.join(&*path);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use ot_forward::settings::{NatsAccess, Secret};
    use std::time::Duration;

    #[test]
    fn a_centre_is_read() {
        let text = "[fleet]\nstore = 'fleet.db'\nsilent_after = '30s'\nkeep = 'never'\n\
            [fleet.nats]\naddress = 'tls://nats.example'\nstream = 'PLANTS'\nsubject = 'plant.{sensor}.alerts'\n\
            user = 'centre'\npassword_env = 'NATS'\nca = 'ca.pem'\nreplicas = 3\nstream_size = '10 GiB'\n\
            [fleet.database]\naddress = 'postgres://ot@db.example/fleet'\npassword_file = 'db.password'\n";
        let fleet = Config::parse(text).unwrap().fleet.unwrap();
        assert_eq!((fleet.stream.as_str(), fleet.consumer.as_str(), fleet.replicas), ("PLANTS", "ot-sensor-fleet", 3));
        assert_eq!((fleet.silent_after, fleet.keep, fleet.stream_size), (Duration::from_secs(30), None, 10 << 30));
        assert!(matches!(fleet.nats.access, NatsAccess::Password(ref user, _) if user == "centre"));
        assert_eq!(fleet.database.password, Some(Secret::File("db.password".into())));
        assert!(fleet.database.tls.is_some(), "over a network with TLS");
        let local =
            "[fleet.nats]\naddress = 'nats://127.0.0.1'\n[fleet.database]\naddress = 'postgres://ot@/f?host=/run/x'\n";
        let fleet = Config::parse(local).unwrap().fleet.unwrap();
        assert_eq!((fleet.database.tls, fleet.stream.as_str()), (None, "OT_SENSOR"));
    }

    #[test]
    fn what_is_wrong_with_a_centre_is_told() {
        let nats = "[fleet.nats]\naddress = 'nats://127.0.0.1'\n";
        let database = "[fleet.database]\naddress = 'postgres://ot@127.0.0.1/f'\n";
        for (text, problem) in [
            (format!("[fleet]\n{nats}"), "fleet.database: is missing"),
            (format!("[fleet]\n{database}"), "fleet.nats: is missing"),
            (format!("{nats}strem = 'x'\n{database}"), "did you mean \"stream\"?"),
            (format!("{nats}stream = 'a b'\n{database}"), "fleet.nats.stream: \"a b\" is no name"),
            (format!("{nats}{database}pasword_file = 'x'\n"), "fleet.database: key \"pasword_file\" is not known"),
            (format!("{nats}[fleet.database]\naddress = 'mysql://x'\n"), "is no address of a database"),
            (format!("[fleet]\nsilent_afer = '1s'\n{nats}{database}"), "did you mean \"silent_after\"?"),
        ] {
            let problems = Config::parse(&text).unwrap_err();
            let told = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            assert!(told.contains(problem), "{text}: {told}");
        }
    }
}
