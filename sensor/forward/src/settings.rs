//! What is configured of a destination, and which messages it is told of.

use ot_engine::catalogue::{EngineKind, Severity};
use ot_store::{Change, NewDestination};
use ot_views::AlertMessage;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A receiver of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its name: letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// Where to, and how.
    pub target: Target,
    /// Shape of a message.
    pub format: Format,
    /// Which messages.
    pub filter: Filter,
    /// Messages a second, at most.
    pub rate: u32,
    /// The longest wait between two tries.
    pub retry_most: Duration,
    /// Whether it is told of the alerts that are open when it is new.
    pub open_alerts: bool,
}

/// Messages a second unless somebody says otherwise.
pub const DEFAULT_RATE: u32 = 100;
/// The longest wait between two tries unless somebody says otherwise.
pub const DEFAULT_RETRY: Duration = Duration::from_secs(60);
/// How often a sensor says how it is unless somebody says otherwise.
pub const DEFAULT_STATUS: Duration = Duration::from_secs(10);
/// Destinations at most.
pub const MOST_DESTINATIONS: usize = 32;

impl Destination {
    /// With the defaults of its kind.
    pub fn new(name: &str, target: Target) -> Self {
        let format = match target {
            Target::Syslog(_) => Format::Cef,
            Target::Webhook(_) | Target::Nats(_) | Target::File(_) => Format::Json,
        };
        Self {
            name: name.to_owned(),
            target,
            format,
            filter: Filter::default(),
            rate: DEFAULT_RATE,
            retry_most: DEFAULT_RETRY,
            open_alerts: true,
        }
    }

    /// How often it is told how the sensor is; `None`: never.
    pub fn status_every(&self) -> Option<Duration> {
        match &self.target {
            Target::Nats(nats) => nats.status_every,
            _ => None,
        }
    }

    /// As the store keeps it.
    pub fn row(&self) -> NewDestination {
        NewDestination {
            name: self.name.clone(),
            kind: self.target.kind().to_owned(),
            address: self.target.to_string(),
            open_alerts: self.open_alerts,
        }
    }
}

/// Where to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A syslog receiver.
    Syslog(Syslog),
    /// A web server that takes each message as a POST.
    Webhook(Webhook),
    /// A stream of NATS JetStream.
    Nats(Nats),
    /// A file of lines.
    File(LogFile),
}

impl Target {
    /// Ids of the kinds.
    pub const KINDS: [&str; 4] = ["syslog", "webhook", "nats", "file"];

    /// Its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Syslog(_) => "syslog",
            Self::Webhook(_) => "webhook",
            Self::Nats(_) => "nats",
            Self::File(_) => "file",
        }
    }
}

impl Target {
    /// The secrets that it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let secrets = match self {
            Self::Syslog(_) | Self::File(_) => [None, None],
            Self::Webhook(webhook) => [webhook.secret.as_ref(), webhook.authorization.as_ref()],
            Self::Nats(nats) => [nats.access.secret(), None],
        };
        secrets.into_iter().flatten()
    }
}

/// For people, without secrets: of a webhook not even its path, which often holds one.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syslog(syslog) => write!(f, "{}://{}", syslog.transport.as_str(), syslog.server),
            Self::Webhook(webhook) => {
                let scheme = if webhook.tls.is_some() { "https" } else { "http" };
                write!(f, "{scheme}://{}", webhook.server)
            }
            Self::Nats(nats) => {
                let scheme = if nats.tls.is_some() { "tls" } else { "nats" };
                write!(f, "{scheme}://{} {}", nats.server, nats.subject)
            }
            Self::File(file) => write!(f, "{}", file.path.display()),
        }
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Server {
    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Splits `scheme://host:port/path`. The port may be left out where `ports` names one for the scheme.
///
/// # Errors
/// In words.
fn split(address: &str, ports: &[(&'static str, u16)]) -> Result<(&'static str, Server, String), String> {
    let schemes = || ports.iter().map(|(scheme, _)| format!("{scheme}://HOST")).collect::<Vec<_>>().join(", ");
    let (scheme, rest) =
        address.split_once("://").ok_or_else(|| format!("{address:?} is no address; write {}", schemes()))?;
    let Some(&(scheme, default)) = ports.iter().find(|(known, _)| *known == scheme) else {
        return Err(format!("{scheme}:// is not known here; write {}", schemes()));
    };
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(at).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err("a user or password in an address would be shown; leave it out and use `authorization_env`".into());
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (host, after) = inner.split_once(']').ok_or("the bracket of the address is not closed")?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| format!("{host:?} is no IPv6 address"))?;
            (host, after.strip_prefix(':').or(after.is_empty().then_some("")))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, Some("")),
        },
    };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || host.len() > 253 || !host.bytes().all(known) {
        return Err(format!("{host:?} is no host; write a name or an IP address"));
    }
    let port = match port {
        Some("") => default,
        Some(text) => text.parse().ok().filter(|port| *port > 0).ok_or_else(|| format!("{text:?} is no port"))?,
        None => return Err(format!("{authority:?}: write [ADDRESS]:PORT")),
    };
    let path = path.split('#').next().unwrap_or_default();
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the path holds a character that must be written in its percent form".to_owned());
    }
    Ok((scheme, Server { host: host.to_owned(), port }, path.to_owned()))
}

/// A syslog receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    /// How bytes get there.
    pub transport: Transport,
    /// Where.
    pub server: Server,
    /// Which standard the header follows.
    pub standard: Standard,
    /// How messages are told apart on a stream.
    pub framing: Framing,
    /// Facility code, 0 to 23.
    pub facility: u8,
    /// Of transport TLS.
    pub tls: Tls,
}

impl Syslog {
    /// Reads `udp://host:514`, `tcp://host:601`, `tls://host:6514`.
    ///
    /// # Errors
    /// In words.
    pub fn parse(address: &str) -> Result<Self, String> {
        let (scheme, server, path) = split(address, &[("udp", 514), ("tcp", 601), ("tls", 6514)])?;
        if !path.is_empty() && path != "/" {
            return Err(format!("{path:?} has no meaning here; write {scheme}://HOST:PORT"));
        }
        let transport = Transport::ALL.into_iter().find(|one| one.as_str() == scheme).unwrap_or(Transport::Udp);
        let framing = if transport == Transport::Tcp { Framing::Newline } else { Framing::OctetCounting };
        Ok(Self { transport, server, standard: Standard::Rfc5424, framing, facility: 16, tls: Tls::default() })
    }
}

/// How syslog gets to its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// RFC 5426: no answer, no order, may be lost.
    Udp,
    /// RFC 6587.
    Tcp,
    /// RFC 5425.
    Tls,
}

impl Transport {
    /// All.
    pub const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    /// Its id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// Standard of the header of syslog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// RFC 5424.
    Rfc5424,
    /// RFC 3164, for receivers that know no better. Its time has no year and no zone; it is UTC here.
    Rfc3164,
}

impl Standard {
    /// All.
    pub const ALL: [Self; 2] = [Self::Rfc5424, Self::Rfc3164];

    /// Its id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rfc5424 => "rfc5424",
            Self::Rfc3164 => "rfc3164",
        }
    }
}

/// How messages are told apart on a stream (RFC 6587, section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The length before each.
    OctetCounting,
    /// A line feed after each.
    Newline,
}

impl Framing {
    /// All.
    pub const ALL: [Self; 2] = [Self::OctetCounting, Self::Newline];

    /// Its id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OctetCounting => "octet-counting",
            Self::Newline => "newline",
        }
    }
}

/// Names of facilities, in the order of their codes (RFC 5424, section 6.2.1).
pub const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// Whom to trust, and who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates (PEM) of which one must stand behind the receiver's; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// Our certificate chain (PEM), where the receiver asks for one.
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub key: Option<PathBuf>,
    /// The name that the receiver's certificate must hold, where that is not the host.
    pub server_name: Option<String>,
}

/// A web server that takes each message as a POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where.
    pub server: Server,
    /// Path and query.
    pub path: String,
    /// Of HTTPS; `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// Key of the signature.
    pub secret: Option<Secret>,
    /// Value of the header `Authorization`.
    pub authorization: Option<Secret>,
    /// A text to be sent in place of the payload, with values in double braces.
    pub template: Option<PathBuf>,
}

impl Webhook {
    /// Reads `https://host/path` or `http://host/path`.
    ///
    /// # Errors
    /// In words.
    pub fn parse(address: &str) -> Result<Self, String> {
        let (scheme, server, path) = split(address, &[("https", 443), ("http", 80)])?;
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        let tls = (scheme == "https").then(Tls::default);
        Ok(Self { server, path, tls, secret: None, authorization: None, template: None })
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        self.server.is_local()
    }
}

/// A stream of NATS JetStream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nats {
    /// Where.
    pub server: Server,
    /// Of TLS; `None`: none.
    pub tls: Option<Tls>,
    /// Subject to publish to; `{sensor}` stands for the id of the sensor.
    pub subject: String,
    /// Subject on which the sensor says how it is.
    pub status_subject: String,
    /// How often it does; `None`: never.
    pub status_every: Option<Duration>,
    /// Who we are.
    pub access: NatsAccess,
}

/// Who we are to a NATS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatsAccess {
    /// It does not ask.
    Anybody,
    /// A token.
    Token(Secret),
    /// User and password.
    Password(String, Secret),
}

impl NatsAccess {
    /// What of it is secret.
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Anybody => None,
            Self::Token(secret) | Self::Password(_, secret) => Some(secret),
        }
    }
}

impl Nats {
    /// Reads `nats://host:4222` or `tls://host:4222`.
    ///
    /// # Errors
    /// In words.
    pub fn parse(address: &str) -> Result<Self, String> {
        let (scheme, server, path) = split(address, &[("nats", 4222), ("tls", 4222)])?;
        if !path.is_empty() && path != "/" {
            return Err(format!(
                "{path:?} has no meaning here; write {scheme}://HOST:PORT, and the subject as `subject`"
            ));
        }
        let tls = (scheme == "tls").then(Tls::default);
        Ok(Self {
            server,
            tls,
            subject: "ot-sensor.alerts.{sensor}".to_owned(),
            status_subject: "ot-sensor.status.{sensor}".to_owned(),
            status_every: Some(DEFAULT_STATUS),
            access: NatsAccess::Anybody,
        })
    }

    /// Whether messages can be published to a subject.
    pub fn is_subject(subject: &str) -> bool {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_$".contains(&byte);
        subject.len() <= 256
            && subject.replace("{sensor}", "x").split('.').all(|part| !part.is_empty() && part.bytes().all(fits))
    }
}

/// Where a secret is. It is read when it is needed and shown nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In a variable of the environment.
    Environment(String),
    /// In the first line of a file.
    File(PathBuf),
}

/// Bytes of a file with a secret.
const MOST_SECRET: u64 = 4_096;

impl Secret {
    /// Reads it.
    ///
    /// # Errors
    /// In words, without it.
    pub fn read(&self) -> Result<String, String> {
        let text = match self {
            Self::Environment(name) => std::env::var(name)
                .map_err(|_| format!("the environment holds no {name}; set it where the sensor starts"))?,
            Self::File(path) => read_text(path, MOST_SECRET)?.lines().next().unwrap_or_default().to_owned(),
        };
        let text = text.trim().to_owned();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(format!("{self} holds no secret in one line"));
        }
        Ok(text)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

/// Reads a small text file.
pub(crate) fn read_text(path: &Path, most: u64) -> Result<String, String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_string(&mut text));
    match read {
        Ok(length) if u64::try_from(length).is_ok_and(|length| length <= most) => Ok(text),
        Ok(_) => Err(format!("{}: larger than {most} bytes", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// A file of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Its path; older ones have `.1`, `.2` … behind it.
    pub path: PathBuf,
    /// Bytes from which on the next one is begun.
    pub size: u64,
    /// How many older ones are kept.
    pub older: u32,
}

impl LogFile {
    /// With the default sizes: ten older files of 64 MiB.
    pub fn new(path: PathBuf) -> Self {
        Self { path, size: 64 << 20, older: 10 }
    }
}

/// Shape of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Our own JSON.
    Json,
    /// ArcSight Common Event Format.
    Cef,
    /// QRadar Log Event Extended Format 2.0.
    Leef,
    /// A line for people.
    Text,
    /// Elastic Common Schema.
    Ecs,
    /// Open Cybersecurity Schema Framework, Detection Finding.
    Ocsf,
    /// A STIX 2.1 bundle.
    Stix,
    /// Suricata EVE, event type `alert`.
    Eve,
    /// The fields of Microsoft Sentinel's table SecurityAlert.
    Sentinel,
}

impl Format {
    /// All, in order.
    pub const ALL: [Self; 9] =
        [Self::Json, Self::Cef, Self::Leef, Self::Text, Self::Ecs, Self::Ocsf, Self::Stix, Self::Eve, Self::Sentinel];

    /// Its id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Cef => "cef",
            Self::Leef => "leef",
            Self::Text => "text",
            Self::Ecs => "ecs",
            Self::Ocsf => "ocsf",
            Self::Stix => "stix",
            Self::Eve => "eve",
            Self::Sentinel => "sentinel",
        }
    }

    /// Media type of a body in this shape.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Cef | Self::Leef | Self::Text => "text/plain; charset=utf-8",
            Self::Stix => "application/stix+json;version=2.1",
            _ => "application/json",
        }
    }
}

/// Which messages. An empty list asks for nothing in particular; all that is asked for must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Least severity.
    pub min_severity: Option<Severity>,
    /// Engines.
    pub engines: Vec<EngineKind>,
    /// Protocols.
    pub protocols: Vec<String>,
    /// Zones, of which a device takes part.
    pub zones: Vec<String>,
    /// Kinds of change.
    pub changes: Vec<Change>,
}

impl Filter {
    /// Whether a message passes.
    pub fn passes(&self, message: &AlertMessage) -> bool {
        let alert = &message.alert;
        let one_of = |list: &[String], value: Option<&str>| {
            list.is_empty() || value.is_some_and(|value| list.iter().any(|wanted| wanted == value))
        };
        let zones =
            || alert.all_sources().iter().chain(alert.all_destinations()).filter_map(|peer| peer.zone.as_deref());
        self.min_severity.is_none_or(|least| Severity::parse(&alert.severity).is_some_and(|severity| severity >= least))
            && (self.engines.is_empty() || self.engines.iter().any(|engine| engine.as_str() == alert.engine))
            && one_of(&self.protocols, alert.protocol.as_deref())
            && (self.zones.is_empty() || zones().any(|zone| self.zones.iter().any(|wanted| wanted == zone)))
            && (self.changes.is_empty() || self.changes.iter().any(|change| change.as_str() == message.change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::sample;

    #[test]
    fn addresses_are_read_and_shown_without_secrets() {
        let syslog = Syslog::parse("tls://siem.example").unwrap();
        assert_eq!(
            (syslog.server.port, syslog.transport, syslog.framing),
            (6514, Transport::Tls, Framing::OctetCounting)
        );
        assert_eq!(Syslog::parse("udp://[fd00::1]:5514").unwrap().server.to_string(), "[fd00::1]:5514");
        let webhook = Webhook::parse("https://hooks.example/services/T0/secret?x=1").unwrap();
        assert_eq!((webhook.path.as_str(), webhook.server.port), ("/services/T0/secret?x=1", 443));
        assert_eq!(Target::Webhook(webhook).to_string(), "https://hooks.example:443");
        assert_eq!(Webhook::parse("http://127.0.0.1:8080").unwrap().path, "/");
        for wrong in [
            "siem",
            "ftp://siem",
            "tcp://",
            "tcp://a:0",
            "tcp://a:70000",
            "tcp://a b",
            "tls://a/x",
            "udp://[::1",
            "udp://[::1]5",
        ] {
            assert!(Syslog::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Webhook::parse("https://u:p@host/").unwrap_err().contains("would be shown"));
        assert!(Webhook::parse("https://host/a b").is_err());
    }

    #[test]
    fn a_filter_asks_for_all_that_it_names() {
        let message = sample();
        assert!(Filter::default().passes(&message));
        let by = |filter: Filter| filter.passes(&message);
        assert!(by(Filter { min_severity: Some(Severity::Critical), ..Filter::default() }));
        let mut minor = message.clone();
        minor.alert.severity = "minor".to_owned();
        assert!(!Filter { min_severity: Some(Severity::Major), ..Filter::default() }.passes(&minor));
        assert!(by(Filter { zones: vec!["elsewhere".into(), "cell 1".into()], ..Filter::default() }));
        assert!(!by(Filter { zones: vec!["elsewhere".into()], ..Filter::default() }));
        assert!(by(Filter { protocols: vec!["modbus".into()], ..Filter::default() }));
        assert!(!by(Filter { protocols: vec!["dnp3".into()], ..Filter::default() }));
        assert!(!by(Filter { changes: vec![Change::Status], ..Filter::default() }));
        assert!(by(Filter { engines: EngineKind::ALL.to_vec(), ..Filter::default() }));
    }

    #[test]
    fn a_secret_comes_from_a_file_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "very secret\nmore\n").unwrap();
        let secret = Secret::File(path.clone());
        assert_eq!(secret.read().unwrap(), "very secret");
        assert!(!format!("{secret} {secret:?}").contains("very"));
        std::fs::write(&path, "\n").unwrap();
        assert!(secret.read().unwrap_err().contains("no secret"));
        assert!(Secret::Environment("OT_NO_SUCH_NAME".into()).read().unwrap_err().contains("OT_NO_SUCH_NAME"));
    }
}
