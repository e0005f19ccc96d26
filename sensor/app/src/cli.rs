//! The command line: one definition from which parsing, help and documentation derive.

mod care;
#[cfg(feature = "console")]
mod console;
mod evidence;
#[cfg(feature = "fleet")]
mod fleet;
#[cfg(feature = "forward")]
mod forward;
mod learning;
mod maintenance;
#[cfg(feature = "console")]
mod setup;
mod triage;

pub use care::{BackupArgs, CheckStoreArgs, DiagnosticsArgs, ExportArgs, ExportFormat, LogArgs, RestoreArgs};
#[cfg(feature = "console")]
pub use console::{ConsoleArgs, PasswordArgs, TokenCommand, UserAddArgs, UserCommand, UserListArgs, UserTokenArgs};
pub use evidence::{AlertsBundleArgs, AlertsPcapArgs, BundleCommand};
#[cfg(feature = "fleet")]
pub use fleet::{FleetArgs, FleetCommand, FleetRunArgs, FleetStatusArgs};
#[cfg(feature = "forward")]
pub use forward::{ForwardArgs, ForwardCommand, ForwardRemoveArgs, ForwardStatusArgs, ForwardTestArgs};
pub use learning::{LearningArgs, LearningCommand, ModeArgs, ModeCommand};
pub use maintenance::{
    MaintenanceAddArgs, MaintenanceCommand, MaintenanceListArgs, MaintenanceRemoveArgs, MaintenanceReportArgs,
};
#[cfg(feature = "console")]
pub use setup::{SetupArgs, ZoneArg, network, span_text, zone};
pub use triage::{
    AlertFilterArgs, AlertsCommentArgs, AlertsLearnArgs, AlertsStatusArgs, BaselineExpireArgs, BaselineImportArgs,
    BaselineRemoveArgs, BaselineUndoArgs, ChosenArgs, TriageArgs, WhoArgs,
};

use crate::cli_rules::RulesCommand;
use crate::when::{When, span, time};
use clap::{Args, Parser, Subcommand, ValueEnum};
use ot_engine::catalogue::{self, EngineKind, Severity};
use ot_engine::context::{Field, Importance};
use ot_engine::model::{EntryKind, Role, Status};
use ot_protocol::{Nanos, Timestamp};
use ot_rules::names::distance;
use ot_store::read::AlertSort;
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the asked-for check failed, or nothing was found
  2  wrong use or wrong configuration
  3  bad input (not a capture, unknown link type, unreadable file)
  4  store trouble (foreign, newer, held by another process, disk full)
  5  internal error

Examples:
  ot-sensor replay --learn-for 10m plant.pcap     learn ten minutes of packet time, then raise alerts
  ot-sensor alerts list --severity major..        what to look at
  ot-sensor alerts show 3f2a91c0                  the whole story of one alert";

const LEARN_EXAMPLES: &str = "\
Scopes:
  exact   what the alert holds, and nothing else
  pair    all of the same kind between the two devices: any function of the protocol, any address, any port; the class of
          a command (program-read, mode-stop) and whether it reads or writes stay
  server  the same by any client of that server
  client  the same by that client on any server
  subnet  the same by any client of the client's network (of one device: by any device of its network)

What counts events in a window (scans, rates, floods) still counts what is allowed here.

Examples:
  ot-sensor alerts learn 3f2a91c0 --why \"new HMI, ticket 4711\"
  ot-sensor alerts learn 3f2a91c0 --scope pair --for 8h --why \"commissioning\" --dry-run";

/// Passive OT network sensor: replays captures, learns what is normal, and tells who did what to which device.
#[derive(Debug, Parser)]
#[command(name = "ot-sensor", version, propagate_version = true, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replay capture files into a store: inventory, baseline, alerts
    #[command(after_help = "Example:\n  ot-sensor replay --learn-for 10m monday.pcap tuesday.pcapng.gz\n  \
        tcpdump -r old.pcap -w - port 502 | ot-sensor replay --operational -")]
    Replay(ReplayArgs),
    /// Capture from network interfaces, for as long as the process lives: the sensor on its mirror port
    #[command(after_help = "Example:\n  ot-sensor run --interface eth1 --store /var/lib/ot-sensor/plant.db\n  \
        ot-sensor run --config /etc/ot-sensor/ot-sensor.toml\n  \
        ot-sensor run -i eth1 -i eth2 --for 10m --operational\n\n\
        SIGTERM or Ctrl-C ends it in order, SIGHUP reads configuration and rules anew. Needs the right to capture: root, or \
        setcap cap_net_raw+ep.")]
    Run(RunArgs),
    /// Look at a mirror port for a minute, or at a recording of it, and tell what is wrong and what to do
    #[command(after_help = "Example:\n  sudo ot-sensor doctor --interface eth1\n  \
        ot-sensor doctor --read span.pcapng\n  \
        ot-sensor doctor -i eth1 --for 5m --json\n\n\
        Needs no store and sends nothing. Exit code 1 where a problem was found.")]
    Doctor(DoctorArgs),
    /// Check a configuration file and what it names: every problem with its line and what to write, or what holds by it
    #[command(after_help = "Example:\n  ot-sensor check-config ot-sensor.toml\n  ot-sensor check-config --json\n\n\
        Exit code 2 where there is a problem.")]
    CheckConfig(CheckConfigArgs),
    /// Decode messages of captures to JSON lines, with Wireshark's field names
    #[command(after_help = "Example:\n  ot-sensor decode plant.pcap --filter 'modbus.func_code == 6'\n  \
        ot-sensor decode --fields")]
    Decode(DecodeArgs),
    /// List, show and triage alerts
    #[command(after_help = "Example:\n  ot-sensor alerts list --status new --severity major..\n  \
        ot-sensor alerts close 3f2a91c0 --why \"planned change\"")]
    Alerts {
        /// What to do.
        #[command(subcommand)]
        command: AlertsCommand,
    },
    /// Check an archive that `alerts bundle` made
    #[command(after_help = "Example:\n  ot-sensor bundle verify case-4711.tar.gz")]
    Bundle {
        /// What to do.
        #[command(subcommand)]
        command: BundleCommand,
    },
    /// List and show devices
    #[command(after_help = "Example:\n  ot-sensor devices list --role controller\n  ot-sensor devices show 10.0.0.10")]
    Devices {
        /// What to do.
        #[command(subcommand)]
        command: DevicesCommand,
    },
    /// Plan work, so that alerts of it are marked as expected, and compare it with the work seen
    #[command(
        after_help = "Example:\n  ot-sensor maintenance add CHG-4711 --device 10.0.0.10 --start 2026-03-01T20:00:00Z --for 4h\n  \
        ot-sensor maintenance report CHG-4711"
    )]
    Maintenance {
        /// What to do.
        #[command(subcommand)]
        command: MaintenanceCommand,
    },
    /// List, export, compare and reset the learned baseline
    #[command(after_help = "Example:\n  ot-sensor baseline export > baseline.txt\n  \
        ot-sensor baseline diff baseline.txt")]
    Baseline {
        /// What to do.
        #[command(subcommand)]
        command: BaselineCommand,
    },
    /// List the event timeline
    #[command(after_help = "Example:\n  ot-sensor events list --device 10.0.0.10 --since -1h")]
    Events {
        /// What to do.
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// List the process memory of a device: points with range, readers and writers
    #[command(after_help = "Example:\n  ot-sensor points list 10.0.0.10 --space holding-registers --written")]
    Points {
        /// What to do.
        #[command(subcommand)]
        command: PointsCommand,
    },
    /// List, show and compare versions of program blocks that were read from or written to controllers
    #[command(after_help = "Example:\n  ot-sensor programs list --device 10.0.0.10\n  ot-sensor programs diff 7")]
    Programs {
        /// What to do.
        #[command(subcommand)]
        command: ProgramsCommand,
    },
    /// Import, list, check and remove lists of addresses, networks and domains that are known to be bad
    #[command(after_help = "Example:\n  ot-sensor indicators import feed.csv --name abuse --expires 30d\n  \
        ot-sensor indicators check 198.51.100.7")]
    Indicators {
        /// What to do.
        #[command(subcommand)]
        command: IndicatorsCommand,
    },
    /// How learning goes on: time left, what was learned, what is still new, devices that learn on their own
    #[command(after_help = "Example:\n  ot-sensor learning\n  ot-sensor learning --config ot-sensor.toml --json\n  \
        ot-sensor learning mode operational --why \"commissioning is over\"")]
    Learning(LearningArgs),
    /// What was seen, decoded, skipped, lost and evicted; runs; learning
    #[command(after_help = "Example:\n  ot-sensor stats --store plant.db")]
    Stats(StatsArgs),
    /// Copy a store with all that belongs to it into one archive, also while a sensor runs on it
    #[command(after_help = "Example:\n  ot-sensor backup plant.tar.zst --store plant.db\n  \
        ot-sensor backup /mnt/backup/ --config /etc/ot-sensor/ot-sensor.toml\n\n\
        The archive holds the store, the packets of alerts, the users of the console and its certificate: keep it as you keep \
        passwords.")]
    Backup(BackupArgs),
    /// Check a backup, and put it into the place of a store
    #[command(after_help = "Example:\n  ot-sensor restore plant.tar.zst --check\n  \
        ot-sensor restore plant.tar.zst --store plant.db --force\n\n\
        End the sensor and the console of that store first.")]
    Restore(RestoreArgs),
    /// Look whether a store is sound, also while a sensor runs on it
    #[command(after_help = "Example:\n  ot-sensor check-store --store plant.db\n\n\
        Exit code 4 where it is damaged.")]
    CheckStore(CheckStoreArgs),
    /// Write everything that a store holds into files of JSON lines
    #[command(after_help = "Example:\n  ot-sensor export /tmp/plant --store plant.db\n  \
        ot-sensor export /tmp/plant --only alerts,events --store plant.db\n\n\
        One file for each list (alerts.jsonl, devices.jsonl ...), with the objects that the list prints with --json, all of one \
        moment.")]
    Export(ExportArgs),
    /// Collect what is needed to find out what is wrong with a sensor, without secrets, in one archive
    #[command(after_help = "Example:\n  ot-sensor diagnostics --config /etc/ot-sensor/ot-sensor.toml\n\n\
        Version, machine, interfaces, configuration with secrets masked, health, counters, what the sensor told of itself, and \
        whether the store is sound.")]
    Diagnostics(DiagnosticsArgs),
    /// Check, list and try rules of your own; convert rules of Suricata and Snort
    #[command(
        after_help = "Example:\n  ot-sensor rules check plant.toml\n  ot-sensor rules test plant.toml monday.pcap"
    )]
    Rules {
        /// What to do.
        #[command(subcommand)]
        command: RulesCommand,
    },
    #[cfg(feature = "forward")]
    /// Tell other systems of alerts, as the configuration says: syslog, webhooks, NATS, files
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Example:\n  ot-sensor forward --store plant.db --config /etc/ot-sensor/ot-sensor.toml\n  \
            ot-sensor forward test siem --config /etc/ot-sensor/ot-sensor.toml\n  ot-sensor forward status --store plant.db\n\n\
            `run` does it by itself where its configuration names destinations; this does it in a process of its own."
    )]
    Forward {
        /// How.
        #[command(flatten)]
        args: ForwardArgs,
        /// What to do; without it: forward.
        #[command(subcommand)]
        command: Option<ForwardCommand>,
    },
    #[cfg(feature = "fleet")]
    /// Be the centre of many sensors: what they tell over NATS JetStream into PostgreSQL, with the same views on top
    #[command(after_help = "Example:\n  ot-sensor fleet run --config /etc/ot-sensor/fleet.toml\n  \
        ot-sensor fleet status --config /etc/ot-sensor/fleet.toml\n  ot-sensor alerts list --store /var/lib/ot-sensor/fleet.db")]
    Fleet {
        /// What to do.
        #[command(subcommand)]
        command: FleetCommand,
    },
    #[cfg(feature = "console")]
    /// Open the console: web pages and REST API over the store
    #[command(after_help = "Example:\n  ot-sensor user add anna --role administrator\n  \
        ot-sensor console --listen 0.0.0.0:8443")]
    Console(ConsoleArgs),
    #[cfg(feature = "console")]
    /// Add, list and remove users of the console and tokens of its API
    #[command(after_help = "Example:\n  ot-sensor user add anna --role analyst\n  ot-sensor user list")]
    User {
        /// What to do.
        #[command(subcommand)]
        command: UserCommand,
    },
    #[cfg(feature = "console")]
    /// First set-up of an installed sensor: asks for interface, site, networks, learning time and first administrator
    #[command(after_help = "Example:\n  sudo ot-sensor setup\n  \
        sudo ot-sensor setup --unattended --interface eth1 --site \"Plant North\" --zone \"Cell 1=10.0.0.0/25\" \
        --admin anna --password-file first-password\n\n\
        Writes the configuration, with every key that could be set, and makes the store.")]
    Setup(SetupArgs),
    /// Alert types with their documents, and the coverage of MITRE ATT&CK for ICS
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Example:\n  ot-sensor catalogue show modbus-illegal-function\n  ot-sensor catalogue attack\n  \
            ot-sensor catalogue --navigator -o layer.json"
    )]
    Catalogue {
        /// Write the coverage as a layer of ATT&CK Navigator (as `catalogue navigator`)
        #[arg(long)]
        navigator: bool,
        /// File for the layer [default: standard output]
        #[arg(long, short, value_name = "FILE", requires = "navigator")]
        output: Option<PathBuf>,
        /// What to do; without it: list.
        #[command(subcommand)]
        command: Option<CatalogueCommand>,
    },
    /// Write the manual pages, one for each command
    #[command(after_help = "Example:\n  ot-sensor man /usr/local/share/man/man1")]
    Man(ManArgs),
    /// Print what a shell needs to complete this command line
    #[command(after_help = "Example:\n  ot-sensor completions bash > /etc/bash_completion.d/ot-sensor")]
    Completions(CompletionsArgs),
}

/// `man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Folder to write into; it is made where it is not there
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// `completions`.
#[derive(Args, Clone, Copy, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Which store.
#[derive(Args, Clone, Debug, Default)]
pub struct StoreArgs {
    /// The store [default: ./ot-sensor.db, or the configuration's]
    #[arg(long, value_name = "PATH")]
    pub store: Option<PathBuf>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How to print.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct OutputArgs {
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Capture files (pcap, pcapng; plain, gzip or zstd), replayed in order of time; - is standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Learn for this span of packet time from the first packet on (90s, 10m, 7d)
    #[arg(long, value_name = "SPAN", value_parser = span, group = "learning")]
    pub learn_for: Option<Nanos>,
    /// Learn until this packet time (RFC 3339 or epoch seconds)
    #[arg(long, value_name = "TIME", value_parser = time, group = "learning")]
    pub learn_until: Option<Timestamp>,
    /// Do not learn: everything that the store's baseline does not hold is new
    #[arg(long, group = "learning")]
    pub operational: bool,
    /// Id of the sensor, which enters the ids of alerts [default: replay, or the configuration's]
    #[arg(long, value_name = "ID", value_parser = crate::config::check_id)]
    pub sensor_id: Option<String>,
    /// File of rules (TOML), beside those of the configuration; may be given several times
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// Worker threads; 0 does everything on one thread [default: one for two cores; the result is the same for any number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=256))]
    pub workers: Option<u16>,
    /// Packets a batch, 1 to 65536 [default: as measured best; the result is the same for any size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: Option<u32>,
    /// No progress bar and no summary
    #[arg(long, short)]
    pub quiet: bool,
}

/// `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Interface to capture from; may be given several times [default: those of the configuration]
    #[arg(long = "interface", short, value_name = "NAME")]
    pub interfaces: Vec<String>,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// End by itself after this time (90s, 10m, 7d) [default: run until SIGTERM or Ctrl-C]
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    pub length: Option<Nanos>,
    /// Wait for interfaces that are not there yet, or down
    #[arg(long)]
    pub wait: bool,
    /// Look only at packets that pass this filter (pcap-filter(7))
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<String>,
    /// Learn for this span from the first packet on (90s, 10m, 7d) [default: the configuration's; 7d on a fresh store]
    #[arg(long, value_name = "SPAN", value_parser = span, group = "run_learning")]
    pub learn_for: Option<Nanos>,
    /// Learn until this time (RFC 3339 or epoch seconds)
    #[arg(long, value_name = "TIME", value_parser = time, group = "run_learning")]
    pub learn_until: Option<Timestamp>,
    /// Do not learn: everything that the store's baseline does not hold is new
    #[arg(long, group = "run_learning")]
    pub operational: bool,
    /// Id of the sensor, which enters the ids of alerts [default: the configuration's, or the name of this machine]
    #[arg(long, value_name = "ID", value_parser = crate::config::check_id)]
    pub sensor_id: Option<String>,
    /// File of rules (TOML), beside those of the configuration; may be given several times
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    #[cfg(feature = "forward")]
    /// Leave it to another process to tell other systems of alerts: `forward`, or `console --forward`
    #[arg(long)]
    pub no_forward: bool,
    /// Worker threads [default: two less than there are cores, at least one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=32))]
    pub workers: Option<u16>,
    /// Capture in the process that parses, without a sandbox: for systems that allow it no other way
    #[arg(long)]
    pub no_split: bool,
    /// Files that the process which captures hands to the one that parses; given by itself alone
    #[arg(long, value_name = "LIST", hide = true)]
    pub captured_through: Option<String>,
    /// Only warnings, no summary
    #[arg(long, short)]
    pub quiet: bool,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// `doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Interface to look at; may be given several times [default: those of the configuration]
    #[arg(long = "interface", short, value_name = "NAME")]
    pub interfaces: Vec<String>,
    /// Look at captures instead (pcap, pcapng; plain, gzip or zstd); - is standard input
    #[arg(long, value_name = "CAPTURE", num_args = 1.., conflicts_with_all = ["interfaces", "length", "filter"])]
    pub read: Vec<PathBuf>,
    /// How long to look (90s, 10m) [default: 60s]
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    pub length: Option<Nanos>,
    /// Look only at packets that pass this filter (pcap-filter(7))
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<String>,
    /// Where the store would be, for the room on its disk; and the configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `check-config`.
#[derive(Args, Clone, Debug)]
pub struct CheckConfigArgs {
    /// Configuration file (TOML) [default: /etc/ot-sensor/ot-sensor.toml]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `decode`.
#[derive(Args, Clone, Debug)]
pub struct DecodeArgs {
    /// Capture files; - is standard input
    #[arg(required_unless_present = "fields", value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// One JSON object a line (the default and only format of messages; with --fields, of fields)
    #[arg(long)]
    pub json: bool,
    /// Print the table of all fields with their meaning
    #[arg(long)]
    pub fields: bool,
    /// Only messages that meet a condition on fields, as in rules: 'modbus.func_code in [6, 16] and ip.src == 10.0.0.0/24'
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<String>,
    /// Only this protocol
    #[arg(long, value_name = "ID")]
    pub protocol: Option<String>,
}

/// `alerts …`.
#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// List alerts, newest first
    #[command(after_help = "Example:\n  ot-sensor alerts list --severity major.. --status new --since -1h\n  \
        ot-sensor alerts list --device 10.0.0.10 --technique T0855 --json")]
    List(AlertsListArgs),
    /// Show the whole story of an alert
    #[command(after_help = "Example:\n  ot-sensor alerts show 3f2a91c0")]
    Show(AlertsShowArgs),
    /// List the violations of an alert: its first 100 rows of different parameters
    #[command(after_help = "Example:\n  ot-sensor alerts violations 3f2a91c0 --csv > violations.csv")]
    Violations(AlertsViolationsArgs),
    /// Set the status of alerts: new, active or closed
    #[command(after_help = "Example:\n  ot-sensor alerts status active 3f2a91c0 --why \"looking at it\"")]
    Status(AlertsStatusArgs),
    /// Close alerts (short for `status closed`)
    #[command(after_help = "Example:\n  ot-sensor alerts close 3f2a91c0 --why \"planned change, ticket 4711\"\n  \
        ot-sensor alerts close --type port-scan --source 10.0.0.66 --yes --why \"pen test, ticket 12\"")]
    Close(TriageArgs),
    /// Learn alerts: close them and allow exactly what they hold, or wider, for good or for a time
    #[command(after_help = LEARN_EXAMPLES)]
    Learn(AlertsLearnArgs),
    /// Take learn back: what the alert holds is no longer allowed
    #[command(after_help = "Example:\n  ot-sensor alerts unlearn 3f2a91c0 --why \"was not planned after all\"")]
    Unlearn(TriageArgs),
    /// Mute alerts: close and silence them without allowing anything
    #[command(after_help = "Example:\n  ot-sensor alerts mute 3f2a91c0 --why \"known fault of the drive\"")]
    Mute(TriageArgs),
    /// Take mute back
    #[command(after_help = "Example:\n  ot-sensor alerts unmute 3f2a91c0")]
    Unmute(TriageArgs),
    /// Write the packets of an alert, with what came before, as a pcapng file
    #[command(after_help = "Example:\n  ot-sensor alerts pcap 3f2a91c0 -o alert.pcapng\n  \
        ot-sensor alerts pcap 3f2a91c0 -o - | tshark -r - -Y frame.comment\n\n\
        The frames that made the alert carry a comment: filter frame.comment in Wireshark.")]
    Pcap(AlertsPcapArgs),
    /// Write all that is known of an alert into one archive: report, devices, timeline, packets, hashes
    #[command(after_help = "Example:\n  ot-sensor alerts bundle 3f2a91c0 -o case-4711.tar.gz\n  \
        ot-sensor bundle verify case-4711.tar.gz")]
    Bundle(AlertsBundleArgs),
    /// Comment on alerts
    #[command(after_help = "Example:\n  ot-sensor alerts comment \"called the shift lead\" 3f2a91c0")]
    Comment(AlertsCommentArgs),
}

/// `alerts list`.
#[derive(Args, Clone, Debug, Default)]
pub struct AlertsListArgs {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Which alerts.
    #[command(flatten)]
    pub filter: AlertFilterArgs,
    /// Order
    #[arg(long, value_enum, default_value_t)]
    pub sort: SortArg,
    /// Turn the order around
    #[arg(long)]
    pub reverse: bool,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N")]
    pub limit: Option<u32>,
    /// Comma-separated values with a header, for a spreadsheet
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

/// `alerts violations`.
#[derive(Args, Clone, Debug)]
pub struct AlertsViolationsArgs {
    /// Id of the alert, or at least its first 4 digits
    #[arg(value_name = "ID")]
    pub id: String,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Comma-separated values with a header, for a spreadsheet
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

/// Order of alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SortArg {
    /// Last detection, newest first
    #[default]
    Last,
    /// First detection, newest first
    First,
    /// Severity, most urgent first
    Severity,
    /// Number of violations, most first
    Count,
    /// Alert type
    Type,
    /// Importance of the most important device that takes part, high first
    Importance,
}

impl From<SortArg> for AlertSort {
    fn from(sort: SortArg) -> Self {
        match sort {
            SortArg::Last => Self::LastDetection,
            SortArg::First => Self::FirstDetection,
            SortArg::Severity => Self::Severity,
            SortArg::Count => Self::Count,
            SortArg::Type => Self::Type,
            SortArg::Importance => Self::Importance,
        }
    }
}

/// `alerts show`.
#[derive(Args, Clone, Debug)]
pub struct AlertsShowArgs {
    /// Id of the alert, or at least its first 4 digits
    #[arg(value_name = "ID")]
    pub id: String,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `devices …`.
#[derive(Debug, Subcommand)]
pub enum DevicesCommand {
    /// List devices
    #[command(after_help = "Example:\n  ot-sensor devices list --role controller,gateway --protocol modbus")]
    List(DevicesListArgs),
    /// Show all that is known of a device
    #[command(after_help = "Example:\n  ot-sensor devices show 10.0.0.10\n  ot-sensor devices show 10.0.0.10/unit-3")]
    Show(DevicesShowArgs),
    /// Say what traffic does not tell of a device: owner, importance, tags, whether it may program …
    #[command(
        after_help = "Example:\n  ot-sensor devices set 10.0.0.10 --name \"PLC press 3\" --importance high --owner \
        \"maintenance\" --tag press --why \"asset list 2026\"\n  \
        ot-sensor devices set 10.0.0.5 --programming-device yes --why \"new engineering laptop\"\n  \
        ot-sensor devices set 10.0.0.10 --unset owner"
    )]
    Set(DevicesSetArgs),
    /// Set what is said of devices from a CSV file; the first line names the columns, ip or mac finds the device
    #[command(
        after_help = "Columns: ip, mac, name, role, site, zone, purdue, importance, owner, location, notes, authorised,\n\
        programming_device, scanner, tags (several separated by spaces). An empty cell changes nothing.\n\n\
        Example:\n  ot-sensor devices import assets.csv --dry-run\n  \
        ot-sensor devices import assets.csv --why \"asset list 2026\""
    )]
    Import(DevicesImportArgs),
    /// Show who wrote, controlled, programmed, stopped or restarted a device, and when
    #[command(after_help = "Repetitions within an hour are one row that counts.\n\nExample:\n  \
        ot-sensor devices journal 10.0.0.10 --since -7d\n  ot-sensor devices journal 10.0.0.10 --by 10.0.0.5 --json")]
    Journal(DevicesJournalArgs),
    /// Print all devices as CSV, as `devices import` reads it
    #[command(after_help = "Example:\n  ot-sensor devices export --csv > assets.csv")]
    Export(DevicesExportArgs),
}

/// `devices set`.
#[derive(Args, Clone, Debug)]
pub struct DevicesSetArgs {
    /// Number, address (10.0.0.5, 10.0.0.5/unit-3), MAC or name
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// Name
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Role: controller, outstation, gateway, hmi, master, engineering-station, server, switch-or-router
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Site
    #[arg(long, value_name = "TEXT")]
    pub site: Option<String>,
    /// Zone
    #[arg(long, value_name = "TEXT")]
    pub zone: Option<String>,
    /// Purdue level, 0 to 5
    #[arg(long, value_name = "LEVEL")]
    pub purdue: Option<String>,
    /// How important it is to the plant: low, normal, high
    #[arg(long, value_name = "IMPORTANCE")]
    pub importance: Option<String>,
    /// Who answers for it
    #[arg(long, value_name = "TEXT")]
    pub owner: Option<String>,
    /// Where it stands: hall, cabinet
    #[arg(long, value_name = "TEXT")]
    pub location: Option<String>,
    /// Anything else
    #[arg(long, value_name = "TEXT")]
    pub notes: Option<String>,
    /// Whether it may be on the network: yes, no, unknown
    #[arg(long, value_name = "YES|NO|UNKNOWN")]
    pub authorised: Option<String>,
    /// Whether it may program controllers: yes, no
    #[arg(long, value_name = "YES|NO")]
    pub programming_device: Option<String>,
    /// Whether it may scan the network: yes, no
    #[arg(long, value_name = "YES|NO")]
    pub scanner: Option<String>,
    /// A word to group and find it by; may be repeated
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub tag: Vec<String>,
    /// A tag that goes; may be repeated
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub untag: Vec<String>,
    /// What is no longer said (owner, importance …): the configuration, else traffic, tells it again
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    pub unset: Vec<String>,
    /// Who and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `devices import`.
#[derive(Args, Clone, Debug)]
pub struct DevicesImportArgs {
    /// CSV file in UTF-8
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only tell what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Who and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `devices journal`.
#[derive(Args, Clone, Debug)]
pub struct DevicesJournalArgs {
    /// Number, address (with the units behind it), MAC or name
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// Only what this device did
    #[arg(long, value_name = "DEVICE")]
    pub by: Option<String>,
    /// Work that lasted at or after this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<When>,
    /// Work that began at or before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<When>,
    /// At most so many rows, the newest ones
    #[arg(long, short = 'n', value_name = "N")]
    pub limit: Option<u32>,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `devices export`.
#[derive(Args, Clone, Debug)]
pub struct DevicesExportArgs {
    /// As CSV, the only format
    #[arg(long)]
    pub csv: bool,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `devices list`.
#[derive(Args, Clone, Debug, Default)]
pub struct DevicesListArgs {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Role: controller, outstation, gateway, hmi, master, engineering-station, server, switch-or-router, unknown
    #[arg(long, value_name = "ROLE", value_parser = roles)]
    pub role: Vec<Several<Role>>,
    /// Protocol it speaks
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub protocol: Vec<String>,
    /// Zone
    #[arg(long, value_name = "NAME")]
    pub zone: Option<String>,
    /// Importance: low, normal, high
    #[arg(long, value_name = "IMPORTANCE", value_parser = importances)]
    pub importance: Vec<Several<Importance>>,
    /// What is said of them.
    #[command(flatten)]
    pub said: SaidArgs,
    /// Whether they may be on the network: yes, no
    #[arg(long, value_name = "YES|NO")]
    pub authorised: Option<String>,
    /// Only devices that speak an OT protocol
    #[arg(long)]
    pub ot: bool,
    /// Only devices that the baseline does not hold
    #[arg(long)]
    pub not_learned: bool,
    /// Text in name, vendor, address or identity
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// Last seen at or after
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<When>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N")]
    pub limit: Option<u32>,
}

/// What is said of devices.
#[derive(Args, Clone, Debug, Default)]
pub struct SaidArgs {
    /// Site
    #[arg(long, value_name = "NAME")]
    pub site: Vec<String>,
    /// Tag
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub tag: Vec<String>,
    /// Owner
    #[arg(long, value_name = "NAME")]
    pub owner: Vec<String>,
}

impl SaidArgs {
    /// The fields asked for, each with its values.
    pub fn fields(&self) -> Vec<(Field, Vec<String>)> {
        [(Field::Site, &self.site), (Field::Tag, &self.tag), (Field::Owner, &self.owner)]
            .into_iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(field, values)| (field, values.clone()))
            .collect()
    }
}

/// `devices show`.
#[derive(Args, Clone, Debug)]
pub struct DevicesShowArgs {
    /// Number, address (10.0.0.5, 10.0.0.5/unit-3), MAC or name
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `baseline …`.
#[derive(Debug, Subcommand)]
pub enum BaselineCommand {
    /// List entries with how and when they were learned
    #[command(after_help = "Example:\n  ot-sensor baseline list --device 10.0.0.10 --kind function")]
    List(BaselineListArgs),
    /// Print the baseline as text: one entry a line, in a stable order, for review and version control
    #[command(after_help = "Example:\n  ot-sensor baseline export > baseline.txt")]
    Export(BaselineExportArgs),
    /// Compare an exported baseline with the store, or two exported ones; exit code 1 if they differ
    #[command(
        after_help = "Example:\n  ot-sensor baseline diff baseline.txt\n  ot-sensor baseline diff old.txt new.txt"
    )]
    Diff(BaselineDiffArgs),
    /// Allow what an exported baseline holds; nothing is taken away
    #[command(after_help = "Example:\n  ot-sensor baseline import baseline.txt --dry-run\n  \
        ot-sensor baseline import baseline.txt --why \"reviewed, ticket 4711\"")]
    Import(BaselineImportArgs),
    /// Take single entries back: what people or traffic allowed of them ends, and the same traffic is told again
    #[command(after_help = "Example:\n  ot-sensor baseline list --device 10.0.0.10 --kind function\n  \
        ot-sensor baseline remove 17 --why \"the old HMI is gone\"")]
    Remove(BaselineRemoveArgs),
    /// Set when single entries stop being allowed, or that they do not
    #[command(after_help = "Example:\n  ot-sensor baseline expire 17 --for 30d --why \"contractor, ticket 4711\"\n  \
        ot-sensor baseline expire 17 --until 2026-12-31T18:00:00Z\n  ot-sensor baseline expire 17 --never")]
    Expire(BaselineExpireArgs),
    /// Take back what an act did: a learning of alerts, an import, entries taken back or given an end; without a number, list
    /// the acts that stand
    #[command(after_help = "Example:\n  ot-sensor baseline undo\n  \
        ot-sensor baseline undo 17 --why \"was too wide\"")]
    Undo(BaselineUndoArgs),
    /// Forget what was learned, of a device or of all
    #[command(after_help = "Example:\n  ot-sensor baseline reset --device 10.0.0.10 --why \"controller replaced\"\n  \
        ot-sensor baseline reset --device 10.0.0.10 --learn-for 24h")]
    Reset(BaselineResetArgs),
}

/// `baseline list`.
#[derive(Args, Clone, Debug, Default)]
pub struct BaselineListArgs {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Kind: device, connection, function, range, exception, group, property, writer, operation, rhythm
    #[arg(long, value_name = "KIND", value_parser = entry_kinds)]
    pub kind: Vec<Several<EntryKind>>,
    /// Client or server
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Protocol
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub protocol: Vec<String>,
    /// Also what was observed and is not allowed
    #[arg(long)]
    pub all: bool,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N")]
    pub limit: Option<u32>,
}

/// `baseline export`.
#[derive(Args, Clone, Debug, Default)]
pub struct BaselineExportArgs {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Also what was observed and is not allowed
    #[arg(long)]
    pub all: bool,
}

/// `baseline diff`.
#[derive(Args, Clone, Debug)]
pub struct BaselineDiffArgs {
    /// Exported baseline: the state before
    #[arg(value_name = "FILE")]
    pub before: PathBuf,
    /// Exported baseline: the state after [default: the store's]
    #[arg(value_name = "FILE")]
    pub after: Option<PathBuf>,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `baseline reset`.
#[derive(Args, Clone, Debug)]
pub struct BaselineResetArgs {
    /// Only what involves this device
    #[arg(long, value_name = "DEVICE", required_unless_present = "all")]
    pub device: Option<String>,
    /// All that was learned
    #[arg(long, conflicts_with = "device")]
    pub all: bool,
    /// Learn it anew for this span of packet time from the newest packet on (24h, 7d)
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub learn_for: Option<Nanos>,
    /// Who and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `events …`.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// List events in order of time
    #[command(after_help = "Example:\n  ot-sensor events list --device 10.0.0.10 --since -1h\n  \
        ot-sensor events list --kind device-new --json")]
    List(EventsListArgs),
}

/// `events list`.
#[derive(Args, Clone, Debug, Default)]
pub struct EventsListArgs {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// At or after
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<When>,
    /// At or before
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<When>,
    /// Device on either side
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<String>,
    /// Kind, for example device-new, operation, mode-changed, program-version, alert-opened, sensor
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub kind: Vec<String>,
    /// Protocol
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub protocol: Vec<String>,
    /// Text
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// At most so many, the newest ones
    #[arg(long, short = 'n', value_name = "N")]
    pub limit: Option<u32>,
}

/// `points …`.
#[derive(Debug, Subcommand)]
pub enum PointsCommand {
    /// List the points of a device
    #[command(after_help = "Example:\n  ot-sensor points list 10.0.0.10/unit-1 --json")]
    List(PointsListArgs),
}

/// `programs …`.
#[derive(Debug, Subcommand)]
pub enum ProgramsCommand {
    /// List versions of program blocks and files, by device and name
    #[command(after_help = "Example:\n  ot-sensor programs list --device 10.0.0.10 --name \"DB 10\"")]
    List(ProgramsListArgs),
    /// Show a version: its header, who moved it, its first bytes
    #[command(after_help = "Example:\n  ot-sensor programs show 7")]
    Show(ProgramsShowArgs),
    /// Compare two versions, or one with the version before it; exit code 1 if they differ
    #[command(after_help = "Example:\n  ot-sensor programs diff 7\n  ot-sensor programs diff 3 7")]
    Diff(ProgramsDiffArgs),
}

/// `programs list`.
#[derive(Args, Clone, Debug, Default)]
pub struct ProgramsListArgs {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Device that the blocks belong to
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<String>,
    /// Protocol
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub protocol: Vec<String>,
    /// Name of the block or file, for example "DB 10"
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Start of the SHA-256
    #[arg(long, value_name = "DIGITS")]
    pub sha256: Option<String>,
    /// Last seen at or after
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<When>,
    /// Only the last one known of each block
    #[arg(long)]
    pub current: bool,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N")]
    pub limit: Option<u32>,
}

/// `programs show`.
#[derive(Args, Clone, Debug)]
pub struct ProgramsShowArgs {
    /// Number of the version
    #[arg(value_name = "VERSION")]
    pub number: u32,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `programs diff`.
#[derive(Args, Clone, Debug)]
pub struct ProgramsDiffArgs {
    /// Number of a version: the one before, where two are given
    #[arg(value_name = "VERSION")]
    pub first: u32,
    /// Number of the version after
    #[arg(value_name = "VERSION")]
    pub second: Option<u32>,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `points list`.
#[derive(Args, Clone, Debug)]
pub struct PointsListArgs {
    /// Number, address (with the units behind it), MAC or name
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Address space, for example holding-registers, analog-inputs, data-block
    #[arg(long, value_name = "SPACE", value_delimiter = ',')]
    pub space: Vec<String>,
    /// Only points that somebody wrote
    #[arg(long)]
    pub written: bool,
    /// Only points that more than one value was seen of
    #[arg(long)]
    pub changed: bool,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N")]
    pub limit: Option<u32>,
}

/// `indicators …`.
#[derive(Debug, Subcommand)]
pub enum IndicatorsCommand {
    /// Import a list; it takes the place of the list of that name. A running engine takes it within seconds
    #[command(after_help = "Example:\n  ot-sensor indicators import feed.txt\n  \
        ot-sensor indicators import bundle.json --format stix --name cert --expires 90d")]
    Import(IndicatorsImportArgs),
    /// List the imported lists
    #[command(after_help = "Example:\n  ot-sensor indicators list")]
    List(IndicatorsListArgs),
    /// Show the entries of a list
    #[command(after_help = "Example:\n  ot-sensor indicators show abuse")]
    Show(IndicatorsNameArgs),
    /// Remove a list
    #[command(after_help = "Example:\n  ot-sensor indicators remove abuse")]
    Remove(IndicatorsNameArgs),
    /// On which lists an address, network, domain or URL stands; exit code 1 if on none
    #[command(after_help = "Example:\n  ot-sensor indicators check 198.51.100.7\n  \
        ot-sensor indicators check www.example.com")]
    Check(IndicatorsCheckArgs),
}

/// `indicators import`.
#[derive(Args, Clone, Debug)]
pub struct IndicatorsImportArgs {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How it is written [default: as it looks]
    #[arg(long, value_enum)]
    pub format: Option<crate::indicators::Format>,
    /// Name of the list [default: the file's, without its ending]
    #[arg(long, value_name = "LIST")]
    pub name: Option<String>,
    /// When entries stop to count that do not say so themselves: a span from now (30d), RFC 3339 or epoch seconds; it is held
    /// against the time of packets
    #[arg(long, value_name = "TIME", value_parser = crate::commands::expires)]
    pub expires: Option<Timestamp>,
    /// Who imports it [default: the user's login name]
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `indicators list`.
#[derive(Args, Clone, Debug, Default)]
pub struct IndicatorsListArgs {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `indicators show` and `indicators remove`.
#[derive(Args, Clone, Debug)]
pub struct IndicatorsNameArgs {
    /// Name of the list
    #[arg(value_name = "LIST")]
    pub name: String,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `indicators check`.
#[derive(Args, Clone, Debug)]
pub struct IndicatorsCheckArgs {
    /// Address, network, domain or URL
    #[arg(value_name = "VALUE")]
    pub value: String,
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `stats`.
#[derive(Args, Clone, Debug, Default)]
pub struct StatsArgs {
    /// Store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `catalogue …`.
#[derive(Debug, Subcommand)]
pub enum CatalogueCommand {
    /// List alert types
    #[command(after_help = "Example:\n  ot-sensor catalogue list")]
    List(OutputArgs),
    /// Show the document of an alert type
    #[command(after_help = "Example:\n  ot-sensor catalogue show modbus-illegal-function")]
    Show(CatalogueShowArgs),
    /// Which ATT&CK for ICS techniques the alert types can tell of
    #[command(after_help = "Example:\n  ot-sensor catalogue attack")]
    Attack(CatalogueAttackArgs),
    /// Write the coverage as a layer of ATT&CK Navigator (layer format 4.5)
    #[command(after_help = "Example:\n  ot-sensor catalogue navigator -o layer.json\n\n\
        Open it in https://mitre-attack.github.io/attack-navigator/ with Open Existing Layer, Upload from local.")]
    Navigator(CatalogueNavigatorArgs),
}

/// `catalogue navigator`.
#[derive(Args, Clone, Debug)]
pub struct CatalogueNavigatorArgs {
    /// File for the layer [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `catalogue show`.
#[derive(Args, Clone, Debug)]
pub struct CatalogueShowArgs {
    /// Id of the alert type
    #[arg(value_name = "ID")]
    pub id: String,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `catalogue attack`.
#[derive(Args, Clone, Copy, Debug)]
pub struct CatalogueAttackArgs {
    /// Also techniques that nothing here can tell of, with the reason
    #[arg(long)]
    pub all: bool,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Values of one flag: `a`, or `a,b`, or a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Several<T>(pub Vec<T>);

/// All values of a flag that may be repeated.
pub fn flat<T: Clone>(flags: &[Several<T>]) -> Vec<T> {
    flags.iter().flat_map(|several| several.0.iter().cloned()).collect()
}

fn list<T>(text: &str, known: &[&str], parse: impl Fn(&str) -> Option<T>) -> Result<Several<T>, String> {
    text.split(',')
        .map(|word| parse(word.trim()).ok_or_else(|| unknown(word.trim(), known.iter().copied())))
        .collect::<Result<_, _>>()
        .map(Several)
}

/// `"magor" is not known; did you mean major? Known are …`.
pub fn unknown<'a>(given: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let near = known.clone().map(|word| (distance(given, word), word)).min();
    match near {
        Some((distance, word)) if distance <= (given.len() / 2).clamp(1, 4) => {
            format!("{given:?} is not known; did you mean {word:?}?")
        }
        _ => format!("{given:?} is not known; known are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

fn severities(text: &str) -> Result<Several<Severity>, String> {
    let known = Severity::ALL.map(Severity::as_str);
    let Some((from, to)) = text.split_once("..") else { return list(text, &known, Severity::parse) };
    let end = |word: &str, open: Severity| {
        if word.is_empty() { Ok(open) } else { Severity::parse(word).ok_or_else(|| unknown(word, known.into_iter())) }
    };
    let (from, to) = (end(from, Severity::Warning)?, end(to, Severity::Critical)?);
    if from > to {
        return Err(format!("{text:?} is empty; write the lower severity first"));
    }
    Ok(Several(Severity::ALL.into_iter().filter(|severity| (from..=to).contains(severity)).collect()))
}

fn engines(text: &str) -> Result<Several<EngineKind>, String> {
    list(text, &EngineKind::ALL.map(EngineKind::as_str), EngineKind::parse)
}

const STATUSES: [&str; 3] = ["new", "active", "closed"];

fn statuses(text: &str) -> Result<Several<Status>, String> {
    list(text, &STATUSES, Status::parse)
}

fn status(text: &str) -> Result<Status, String> {
    Status::parse(text).ok_or_else(|| unknown(text, STATUSES.into_iter()))
}

fn importances(text: &str) -> Result<Several<Importance>, String> {
    list(text, &Importance::ALL.map(Importance::as_str), Importance::parse)
}

fn roles(text: &str) -> Result<Several<Role>, String> {
    list(text, &Role::ALL.map(Role::as_str), Role::parse)
}

fn entry_kinds(text: &str) -> Result<Several<EntryKind>, String> {
    list(text, &EntryKind::ALL.map(EntryKind::as_str), EntryKind::parse)
}

fn techniques(text: &str) -> Result<Several<String>, String> {
    text.split(',')
        .map(|id| {
            let id = id.trim().to_uppercase();
            match ot_engine::attack::technique(&id) {
                Some(_) => Ok(id),
                None => Err(format!(
                    "{id:?} is no technique of ATT&CK for ICS; `ot-sensor catalogue attack --all` lists them"
                )),
            }
        })
        .collect::<Result<_, _>>()
        .map(Several)
}

fn kinds(text: &str) -> Result<Several<String>, String> {
    let known: Vec<&str> = catalogue::all().iter().map(|kind| kind.id).collect();
    list(text, &known, |id| catalogue::by_id(id).map(|kind| kind.id.to_owned()))
}

fn categories(text: &str) -> Result<Several<String>, String> {
    let known = catalogue::categories();
    list(text, &known, |id| known.contains(&id).then(|| id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn severities_are_lists_and_ranges() {
        assert_eq!(severities("major..").unwrap().0, [Severity::Major, Severity::Critical]);
        assert_eq!(severities("..minor").unwrap().0, [Severity::Warning, Severity::Minor]);
        assert_eq!(severities("minor,critical").unwrap().0, [Severity::Minor, Severity::Critical]);
        assert_eq!(severities("magor").unwrap_err(), "\"magor\" is not known; did you mean \"major\"?");
        assert!(severities("major..minor").is_err());
    }

    #[test]
    fn relative_times_are_no_flags() {
        let cli = Cli::try_parse_from(["ot-sensor", "alerts", "list", "--since", "-10m"]).unwrap();
        assert!(
            matches!(cli.command, Command::Alerts { command: AlertsCommand::List(args) } if args.filter.since.is_some())
        );
    }

    /// Every command that does something has a help with an example.
    #[test]
    fn every_command_has_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Example"), "{path}");
            assert!(after.contains("ot-sensor "), "{path}");
            assert!(command.get_about().is_some(), "{path}");
            for sub in command.get_subcommands() {
                check(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        check(&Cli::command(), "ot-sensor");
    }
}
