//! `[[forward]]`: destinations that are told of alerts.

use super::{Keys, check_id};
use crate::cli::unknown;
use crate::protocols::PROTOCOLS;
use ot_engine::catalogue::{EngineKind, Severity};
use ot_forward::settings::{
    FACILITIES, Framing, LogFile, MOST_DESTINATIONS, Nats, NatsAccess, Secret, Standard, Syslog, Target, Tls,
    Transport, Webhook,
};
use ot_forward::{Destination, Filter, Format};
use ot_store::Change;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Messages a second at most that may be configured.
const MOST_RATE: u32 = 10_000;

/// All destinations, in order.
pub(super) fn forward_of(tables: Vec<Keys<'_>>) -> Vec<Destination> {
    if let Some(first) = tables.get(MOST_DESTINATIONS) {
        first.problem_here(format!("{} destinations are more than {MOST_DESTINATIONS}", tables.len()));
    }
    let mut all: Vec<Destination> = Vec::with_capacity(tables.len().min(MOST_DESTINATIONS));
    for mut keys in tables.into_iter().take(MOST_DESTINATIONS) {
        let name = keys.needed_text("name").and_then(|name| {
            let read = check_id(&name).map_err(|problem| problem.replace("sensor id", "name"));
            keys.right("name", read)
        });
        if let Some(name) = name.as_ref().filter(|name| all.iter().any(|known| known.name == **name)) {
            keys.problem("name", format!("{name} is the name of another destination; give each its own"));
        }
        // What else may stand there follows from these two.
        let target = target_of(&mut keys);
        let known = target.is_some();
        let mut destination = Destination::new(
            name.as_deref().unwrap_or_default(),
            target.unwrap_or_else(|| Target::File(LogFile::new(PathBuf::new()))),
        );
        destination_of(&mut keys, &mut destination);
        if known {
            keys.end();
        }
        if known && name.is_some() {
            all.push(destination);
        }
    }
    all
}

fn target_of(keys: &mut Keys<'_>) -> Option<Target> {
    let kind = keys.needed_text("kind");
    let address = keys.needed_text("address");
    let kind = keys.right("kind", one_of_kinds(&kind?))?;
    let address = address?;
    match kind {
        "syslog" => {
            let syslog = keys.right("address", Syslog::parse(&address))?;
            Some(Target::Syslog(syslog_of(keys, syslog)))
        }
        "webhook" => {
            let webhook = keys.right("address", Webhook::parse(&address))?;
            Some(Target::Webhook(webhook_of(keys, webhook)))
        }
        "nats" => {
            let nats = keys.right("address", Nats::parse(&address))?;
            Some(Target::Nats(nats_of(keys, nats)))
        }
        _ => Some(Target::File(file_of(keys, &address))),
    }
}

fn one_of_kinds(kind: &str) -> Result<&'static str, String> {
    Target::KINDS.into_iter().find(|known| *known == kind).ok_or_else(|| unknown(kind, Target::KINDS.into_iter()))
}

/// What may be said of a destination of any kind.
fn destination_of(keys: &mut Keys<'_>, destination: &mut Destination) {
    if let Some(format) = keys.choice("format", &Format::ALL, Format::as_str) {
        destination.format = format;
    }
    let known = PROTOCOLS.iter().map(|protocol| protocol.id());
    let protocol = |id: &str| match known.clone().any(|known| known == id) {
        true => Ok(id.to_owned()),
        false => Err(unknown(id, known.clone())),
    };
    destination.filter = Filter {
        min_severity: keys.choice("min_severity", &Severity::ALL, Severity::as_str),
        engines: keys.choices("engines", &EngineKind::ALL, EngineKind::as_str).unwrap_or_default(),
        protocols: keys.texts_as("protocols", protocol),
        zones: keys.texts("zones"),
        changes: keys.choices("changes", &Change::ALL, Change::as_str).unwrap_or_default(),
    };
    match keys.number("rate", MOST_RATE) {
        Some(0) => keys.problem("rate", "0 messages a second are none"),
        Some(rate) => destination.rate = rate,
        None => {}
    }
    let limits = Duration::from_secs(1)..=Duration::from_secs(3_600);
    if let Some(longest) = keys.span_within("retry_max", limits, "1s to 1h") {
        destination.retry_most = longest;
    }
    destination.open_alerts = keys.word("start", &["open", "now"]) != Some("now");
}

fn syslog_of(keys: &mut Keys<'_>, mut syslog: Syslog) -> Syslog {
    if let Some(standard) = keys.choice("standard", &Standard::ALL, Standard::as_str) {
        syslog.standard = standard;
    }
    if let Some(name) = keys.text("facility") {
        let code = FACILITIES.iter().position(|known| *known == name).and_then(|code| u8::try_from(code).ok());
        let read = code.ok_or_else(|| unknown(&name, FACILITIES.into_iter()));
        syslog.facility = keys.right("facility", read).unwrap_or_default();
    }
    // What the transport does not have stays unknown, and is refused.
    if syslog.transport != Transport::Udp
        && let Some(framing) = keys.choice("framing", &Framing::ALL, Framing::as_str)
    {
        if syslog.transport == Transport::Tls && framing == Framing::Newline {
            keys.problem("framing", "RFC 5425 knows octet-counting alone; leave it out");
        }
        syslog.framing = framing;
    }
    if syslog.transport == Transport::Tls {
        syslog.tls = tls_of(keys);
    }
    syslog
}

pub(super) fn tls_of(keys: &mut Keys<'_>) -> Tls {
    let tls = Tls {
        ca: keys.text("ca").map(PathBuf::from),
        certificate: keys.text("certificate").map(PathBuf::from),
        key: keys.text("key").map(PathBuf::from),
        server_name: keys.text("server_name"),
    };
    if tls.certificate.is_some() != tls.key.is_some() {
        keys.problem("certificate", "and `key` go together; write both or neither");
    }
    tls
}

fn webhook_of(keys: &mut Keys<'_>, mut webhook: Webhook) -> Webhook {
    webhook.secret = secret_of(keys, "secret_env", "secret_file");
    webhook.authorization = secret_of(keys, "authorization_env", "authorization_file");
    webhook.template = keys.text("template").map(PathBuf::from);
    if webhook.tls.is_some() {
        webhook.tls = Some(tls_of(keys));
    } else if webhook.authorization.is_some() && !webhook.is_local() {
        keys.problem("address", "http:// would show `authorization` to everybody on the way; use https://");
    }
    webhook
}

fn nats_of(keys: &mut Keys<'_>, mut nats: Nats) -> Nats {
    subjects_of(keys, &mut nats);
    if let Some(text) = keys.text("status_every") {
        let read = match text.as_str() {
            "never" => Ok(None),
            text => crate::when::span(text).and_then(|span| {
                let span = Duration::from_nanos(span.unsigned_abs());
                let fits = (Duration::from_secs(1)..=Duration::from_secs(3_600)).contains(&span);
                fits.then_some(Some(span)).ok_or_else(|| format!("{text} is not within 1s to 1h, or \"never\""))
            }),
        };
        if let Some(every) = keys.right("status_every", read) {
            nats.status_every = every;
        }
    }
    access_of(keys, &mut nats);
    nats
}

/// The subjects of sensors.
pub(super) fn subjects_of(keys: &mut Keys<'_>, nats: &mut Nats) {
    if let Some(subject) = keys.text("subject") {
        if !Nats::is_subject(&subject) {
            keys.problem(
                "subject",
                format!(
                    "{subject:?} is none to publish to; write words with dots between, for example plant.{{sensor}}.alerts"
                ),
            );
        }
        nats.subject = subject;
    }
    if let Some(subject) = keys.text("status_subject") {
        if !Nats::is_subject(&subject) {
            keys.problem(
                "status_subject",
                format!("{subject:?} is none to publish to; write for example plant.{{sensor}}.status"),
            );
        }
        nats.status_subject = subject;
    }
}

/// Who we are to a server of NATS, and whom we trust.
pub(super) fn access_of(keys: &mut Keys<'_>, nats: &mut Nats) {
    let user = keys.text("user");
    let password = secret_of(keys, "password_env", "password_file");
    let token = secret_of(keys, "token_env", "token_file");
    nats.access = match (user, password, token) {
        (None, None, None) => NatsAccess::Anybody,
        (None, None, Some(token)) => NatsAccess::Token(token),
        (Some(user), Some(password), None) => NatsAccess::Password(user, password),
        _ => {
            keys.problem("user", "write user with a password, or a token, or neither");
            NatsAccess::Anybody
        }
    };
    if nats.tls.is_some() {
        nats.tls = Some(tls_of(keys));
    } else if nats.access.secret().is_some() && !nats.server.is_local() {
        keys.problem("address", "nats:// would show the secret to everybody on the way; use tls://");
    }
}

pub(super) fn secret_of(keys: &mut Keys<'_>, variable: &'static str, file: &'static str) -> Option<Secret> {
    match (keys.text(variable), keys.text(file)) {
        (Some(_), Some(_)) => {
            keys.problem(variable, format!("and `{file}` exclude each other; write one"));
            None
        }
        (Some(name), None) => Some(Secret::Environment(name)),
        (None, Some(path)) => Some(Secret::File(path.into())),
        (None, None) => None,
    }
}

fn file_of(keys: &mut Keys<'_>, address: &str) -> LogFile {
    let mut file = LogFile::new(PathBuf::from(address.strip_prefix("file://").unwrap_or(address)));
    match keys.size("rotate_size") {
        Some(0..4_096) => keys.problem("rotate_size", "less than 4 KiB hold no message"),
        Some(size) => file.size = size,
        None => {}
    }
    if let Some(older) = keys.number("rotate_files", 1_000) {
        file.older = older;
    }
    file
}

/// Files that a destination names are beside the configuration, unless they say otherwise.
pub(super) fn beside(folder: &Path, destination: &mut Destination) {
    let at = |path: &mut PathBuf| *path = folder.join(&*path);
    let tls = |tls: &mut Tls| beside_tls(folder, tls);
    match &mut destination.target {
        Target::Syslog(syslog) => tls(&mut syslog.tls),
        Target::Webhook(webhook) => {
            webhook.tls.iter_mut().for_each(tls);
            webhook.template.iter_mut().for_each(at);
            for secret in [&mut webhook.secret, &mut webhook.authorization].into_iter().flatten() {
                if let Secret::File(path) = secret {
                    at(path);
                }
            }
        }
        Target::Nats(nats) => beside_nats(folder, nats),
        Target::File(file) => at(&mut file.path),
    }
}

/// The same of a server of NATS.
pub(super) fn beside_nats(folder: &Path, nats: &mut Nats) {
    nats.tls.iter_mut().for_each(|tls| beside_tls(folder, tls));
    if let NatsAccess::Token(Secret::File(path)) | NatsAccess::Password(_, Secret::File(path)) = &mut nats.access {
        *path = folder.join(&*path);
    }
}

/// The same of TLS.
pub(super) fn beside_tls(folder: &Path, tls: &mut Tls) {
    let files = [&mut tls.ca, &mut tls.certificate, &mut tls.key];
    files.into_iter().flatten().for_each(|path| *path = folder.join(&*path));
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use ot_forward::Format;
    use ot_forward::settings::{Framing, NatsAccess, Secret, Target};

    const EXAMPLE: &str = r#"
        [sensor]
        console_url = "https://sensor-3.plant.example:8443"
        [[forward]]
        name = "siem"
        kind = "syslog"
        address = "tls://siem.plant.example:6514"
        ca = "tls/ca.pem"
        certificate = "tls/sensor.pem"
        key = "tls/sensor.key"
        min_severity = "major"
        engines = ["malware", "policy-violation"]
        protocols = ["modbus", "s7comm"]
        zones = ["Cell 1"]
        changes = ["opened", "status"]
        facility = "local4"
        rate = 20
        retry_max = "5m"
        start = "now"
        [[forward]]
        name = "chat"
        kind = "webhook"
        address = "https://chat.example/hooks/1"
        secret_env = "CHAT_SECRET"
        authorization_file = "/etc/ot-sensor/chat.token"
        template = "chat.json"
        [[forward]]
        name = "log"
        kind = "file"
        address = "/var/log/ot-sensor/alerts.jsonl"
        format = "ecs"
        rotate_size = "10 MiB"
        rotate_files = 3
        [[forward]]
        name = "old"
        kind = "syslog"
        address = "tcp://10.0.0.9"
        standard = "rfc3164"
        framing = "octet-counting"
        format = "leef"
        [[forward]]
        name = "central"
        kind = "nats"
        address = "tls://nats.plant.example"
        subject = "plant-north.{sensor}.alerts"
        user = "line-3"
        password_file = "nats.password"
    "#;

    #[test]
    fn reads_an_example() {
        let config = Config::parse(EXAMPLE).unwrap();
        assert_eq!(config.console_url.as_deref(), Some("https://sensor-3.plant.example:8443"));
        let [siem, chat, log, old, central] = config.forward.as_slice() else { panic!("{config:?}") };
        assert_eq!(
            (siem.format, siem.rate, siem.open_alerts, siem.retry_most.as_secs()),
            (Format::Cef, 20, false, 300)
        );
        assert_eq!(siem.filter.engines.len(), 2);
        let Target::Syslog(syslog) = &siem.target else { panic!("{siem:?}") };
        assert_eq!((syslog.facility, syslog.server.port, syslog.framing), (20, 6514, Framing::OctetCounting));
        let Target::Webhook(webhook) = &chat.target else { panic!("{chat:?}") };
        assert_eq!(webhook.secret, Some(Secret::Environment("CHAT_SECRET".into())));
        assert_eq!((chat.format, chat.open_alerts), (Format::Json, true));
        let Target::File(file) = &log.target else { panic!("{log:?}") };
        assert_eq!((log.format, file.size, file.older), (Format::Ecs, 10 << 20, 3));
        let Target::Nats(nats) = &central.target else { panic!("{central:?}") };
        assert_eq!((nats.server.port, nats.tls.is_some(), central.format), (4222, true, Format::Json));
        assert_eq!(nats.access, NatsAccess::Password("line-3".into(), Secret::File("nats.password".into())));
        let Target::Syslog(syslog) = &old.target else { panic!("{old:?}") };
        assert_eq!((syslog.server.port, syslog.framing), (601, Framing::OctetCounting));
    }

    #[test]
    fn the_example_of_the_document_is_one() {
        let text = include_str!("../../../forward/README.md");
        let (_, rest) = text.split_once("```toml\n").unwrap();
        let (example, _) = rest.split_once("```").unwrap();
        assert_eq!(Config::parse(example).unwrap().forward.len(), 3);
    }

    #[test]
    fn files_are_beside_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ot-sensor.toml");
        std::fs::write(&path, EXAMPLE).unwrap();
        let config = Config::load(&path).unwrap();
        let Target::Syslog(syslog) = &config.forward[0].target else { panic!() };
        assert_eq!(syslog.tls.ca, Some(folder.path().join("tls/ca.pem")));
        let Target::Webhook(webhook) = &config.forward[1].target else { panic!() };
        assert_eq!(webhook.authorization, Some(Secret::File("/etc/ot-sensor/chat.token".into())));
        assert_eq!(webhook.template, Some(folder.path().join("chat.json")));
    }

    #[test]
    fn refuses_with_the_place_and_what_to_write() {
        let base =
            |kind: &str, address: &str| format!("[[forward]]\nname = 'a'\nkind = '{kind}'\naddress = '{address}'\n");
        for (text, message) in [
            ("[[forward]]\nkind = 'file'".to_owned(), "forward 1: name: is missing"),
            ("[[forward]]\nname = 'a b'".to_owned(), "forward 1: name: \"a b\" is no name"),
            (base("sylog", "x"), "forward 1: kind: \"sylog\" is not known; did you mean \"syslog\"?"),
            (base("syslog", "siem:514"), "forward 1: address: \"siem:514\" is no address; write udp://HOST"),
            (base("syslog", "udp://siem") + "framing = 'newline'", "key \"framing\" is not known"),
            (base("syslog", "tls://siem") + "framing = 'newline'", "RFC 5425"),
            (base("syslog", "tls://siem") + "key = 'x'", "go together"),
            (base("syslog", "tcp://siem") + "facility = 'local9'", "facility: \"local9\" is not known"),
            (base("syslog", "tcp://siem") + "formt = 'cef'", "key \"formt\" is not known; did you mean \"format\"?"),
            (base("syslog", "tcp://siem") + "format = 'xml'", "forward 1: format: \"xml\" is not known"),
            (base("webhook", "https://u:p@host/"), "would be shown"),
            (base("webhook", "https://h/") + "secret_env = 'A'\nsecret_file = 'b'", "exclude each other"),
            (base("webhook", "http://h/") + "authorization_env = 'A'", "use https://"),
            (base("nats", "nats://h:4222/x"), "has no meaning here"),
            (base("nats", "nats://h") + "subject = 'a.*'", "subject: \"a.*\" is none to publish to"),
            (base("nats", "nats://h") + "user = 'a'", "write user with a password"),
            (base("nats", "nats://h") + "token_env = 'A'", "use tls://"),
            (base("file", "x") + "rate = 0", "forward 1: rate: 0 messages"),
            (base("file", "x") + "retry_max = '1ms'", "is not within 1s to 1h"),
            (base("file", "x") + "protocols = ['modbuss']", "did you mean \"modbus\"?"),
            (base("file", "x") + "start = 'all'", "start: \"all\" is not known"),
            (base("file", "x") + &base("file", "y"), "forward 2: name: a is the name of another destination"),
            ("[sensor]\nconsole_url = 'sensor'".to_owned(), "sensor.console_url: \"sensor\" is no address"),
        ] {
            let problems = Config::parse(&text).unwrap_err();
            assert!(problems.iter().any(|problem| problem.to_string().contains(message)), "{problems:?}");
        }
    }
}
