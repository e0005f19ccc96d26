//! What the process that parses needs once it runs: all else it gives up before it takes the first packet.

use super::Sensor;
use crate::cli::RunArgs;
use crate::config::Config;
use anyhow::{Context as _, Result};
use ot_capture::split::sandbox::{self, Applied, Network, Plan, folders_of};
use ot_store::wall_clock;
use std::path::{Path, PathBuf};

/// Read by the C library: the time zone, random numbers where the kernel is old.
const ALWAYS: [&str; 5] =
    ["/etc/localtime", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom", "/proc/sys/kernel/hostname"];
/// Read to reach a host by its name, and to trust it. The libraries are those by which the C library looks up names; it
/// loads them when it needs them first.
#[cfg(feature = "forward")]
const TO_FORWARD: [&str; 16] = [
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki",
    "/usr/share/ca-certificates",
    "/etc/ld.so.cache",
    "/lib",
    "/lib64",
    "/usr/lib",
];
/// Names are asked for at this port where the answer is long.
#[cfg(feature = "forward")]
const DNS: u16 = 53;

/// What holds once the sandbox was entered.
pub struct Confined {
    applied: Applied,
    /// Files that are read, and stand in a folder that is written.
    exposed: Vec<PathBuf>,
}

/// Enters the sandbox.
///
/// # Errors
/// As [`sandbox::enter`]; and where the folder of packets cannot be made.
pub fn enter(args: &RunArgs, config: &Config, store: &Path, evidence: &Path) -> Result<Confined> {
    if config.evidence.enabled && config.evidence.folder.is_some() {
        std::fs::create_dir_all(evidence)
            .with_context(|| format!("{}: the folder of packets cannot be made", evidence.display()))?;
    }
    let plan = plan(args, config, store, evidence);
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let written: Vec<PathBuf> = plan.write.iter().map(|folder| real(folder)).collect();
    let within = |file: &&PathBuf| written.iter().any(|folder| real(file).starts_with(folder));
    let exposed = read_anew(args, config).filter(within).cloned().collect();
    Ok(Confined { applied: sandbox::enter(&plan)?, exposed })
}

/// Files that are read again while the sensor runs.
fn read_anew<'a>(args: &'a RunArgs, config: &'a Config) -> impl Iterator<Item = &'a PathBuf> {
    config.rules.iter().chain(&args.rules).chain(&config.indicators).chain(&args.store.config)
}

/// What a run of this configuration needs.
fn plan(args: &RunArgs, config: &Config, store: &Path, evidence: &Path) -> Plan {
    let mut write = folders_of(store);
    let mut read: Vec<PathBuf> = ALWAYS.map(PathBuf::from).into();
    if config.evidence.enabled && config.evidence.folder.is_some() {
        write.push(evidence.to_owned());
    }
    // Editors make a new file in place of the old one: the folder is needed to read it anew.
    read.extend(read_anew(args, config).flat_map(|file| folders_of(file)));
    #[cfg(feature = "forward")]
    let network = if args.no_forward { Network::None } else { forward(config, &mut write, &mut read) };
    #[cfg(not(feature = "forward"))]
    let network = Network::None;
    for list in [&mut write, &mut read] {
        list.sort();
        list.dedup();
    }
    let beside = |end: &str| {
        let mut name = store.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    Plan { write, files: ["", "-wal", "-shm"].map(beside).into(), read, network }
}

/// What the destinations need.
#[cfg(feature = "forward")]
fn forward(config: &Config, write: &mut Vec<PathBuf>, read: &mut Vec<PathBuf>) -> Network {
    use ot_forward::settings::{NatsAccess, Secret, Target};
    let mut ports = Vec::new();
    let mut files: Vec<&PathBuf> = Vec::new();
    for destination in &config.forward {
        let (port, tls, secrets) = match &destination.target {
            Target::File(file) => {
                write.extend(folders_of(&file.path));
                continue;
            }
            Target::Syslog(syslog) => (syslog.server.port, Some(&syslog.tls), [None, None]),
            Target::Webhook(webhook) => {
                files.extend(&webhook.template);
                (webhook.server.port, webhook.tls.as_ref(), [webhook.secret.as_ref(), webhook.authorization.as_ref()])
            }
            Target::Nats(nats) => {
                let secret = match &nats.access {
                    NatsAccess::Anybody => None,
                    NatsAccess::Token(secret) | NatsAccess::Password(_, secret) => Some(secret),
                };
                (nats.server.port, nats.tls.as_ref(), [secret, None])
            }
        };
        ports.push(port);
        files.extend(tls.into_iter().flat_map(|tls| [&tls.ca, &tls.certificate, &tls.key]).flatten());
        files.extend(secrets.into_iter().flatten().filter_map(|secret| match secret {
            Secret::File(path) => Some(path),
            Secret::Environment(_) => None,
        }));
    }
    read.extend(files.into_iter().flat_map(|file| folders_of(file)));
    if ports.is_empty() {
        return Network::None;
    }
    read.extend(TO_FORWARD.map(PathBuf::from));
    ports.push(DNS);
    ports.sort_unstable();
    ports.dedup();
    Network::Outbound(ports)
}

impl Sensor<'_> {
    /// Tells what holds now; and what a person could do so that more does.
    pub fn tell_confined(&mut self, Confined { applied, exposed }: &Confined) {
        let text = applied.to_string();
        if applied.is_whole() {
            self.health.say(&text);
            self.engine.sensor_event(wall_clock(), text);
        } else {
            self.health.warn(&mut self.engine, text);
        }
        for file in exposed {
            self.health.say(&format!(
                "note: {} stands in a folder that the sensor writes to, where the sandbox does not protect it: keep it in another",
                file.display()
            ));
        }
    }

    /// What a person should know where a file could not be read anew.
    pub fn hint(&self, problem: &str) -> &'static str {
        if self.confined && problem.contains("ermission denied") {
            "; a file in a folder that was not named at the start can be read only after a restart"
        } else {
            ""
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::args;
    use super::*;

    fn of(config: &str, more: &[&str]) -> Plan {
        let config = Config::parse(config).unwrap();
        plan(&args(more), &config, Path::new("/var/lib/ot/plant.db"), Path::new("/srv/packets"))
    }

    #[test]
    fn only_the_folders_of_store_and_packets_are_written() {
        let plan = of("", &["--rules", "/etc/ot/rules.toml", "--config", "/etc/ot/sensor.toml"]);
        assert_eq!(plan.write, [PathBuf::from("/var/lib/ot")]);
        assert!(plan.read.contains(&"/etc/ot".into()) && !plan.read.contains(&"/etc".into()), "{plan:?}");
        assert_eq!(plan.network, Network::None);
        let plan = of("[evidence]\nfolder = '/srv/packets'\n", &[]);
        assert_eq!(plan.write, [PathBuf::from("/srv/packets"), "/var/lib/ot".into()]);
    }

    #[cfg(feature = "forward")]
    #[test]
    fn destinations_get_what_they_need_and_no_more() {
        let file = "[[forward]]\nname = 'a'\nkind = 'file'\naddress = '/var/log/ot/alerts.jsonl'\n";
        let plan = of(file, &[]);
        assert_eq!(plan.write, [PathBuf::from("/var/lib/ot"), "/var/log/ot".into()]);
        assert_eq!(plan.network, Network::None);
        let siem = "[[forward]]\nname = 'b'\nkind = 'syslog'\naddress = 'tls://siem:6514'\nca = '/etc/tls/ca.pem'\n\
            [[forward]]\nname = 'c'\nkind = 'webhook'\naddress = 'https://chat/x'\nsecret_file = '/etc/secret/key'\n";
        let plan = of(siem, &[]);
        assert_eq!(plan.network, Network::Outbound(vec![53, 443, 6514]));
        for folder in ["/etc/tls", "/etc/secret", "/etc/resolv.conf"] {
            assert!(plan.read.contains(&folder.into()), "{folder}: {plan:?}");
        }
        assert_eq!(plan.write, [PathBuf::from("/var/lib/ot")]);
        // Where another process forwards, this one needs none of it.
        let plan = of(siem, &["--no-forward"]);
        assert_eq!(plan.network, Network::None);
        assert!(!plan.read.contains(&"/etc/secret".into()), "{plan:?}");
    }
}
