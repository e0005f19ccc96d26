//! `run`: the sensor on its interfaces, for as long as it is let.
//!
//! Two processes, unless somebody says otherwise ([`ot_capture::split`]): the one that was started captures, and starts this
//! program again, which does all else in a sandbox.
//!
//! The caller's thread applies facts to the engine and writes what changed: soon where there is news, seldom where only
//! counts grow. Nothing it does holds up the capture: what it leaves behind is bounded and told (`ot_flow::Load`).

#[cfg(feature = "forward")]
pub mod forward;
mod health;
pub mod manager;
mod reload;
mod room;
mod sandbox;
mod sound;
mod writer;

use crate::acts::{apply_all, apply_pending, reload_rules};
use crate::cli::RunArgs;
use crate::config::Config;
use crate::evidence::{self, Keeper};
use crate::exit::{Exit, Failure};
use crate::log;
use crate::protocols::PROTOCOLS;
use crate::rules::{self, Reloader};
use anyhow::{Context as _, Result};
#[cfg(feature = "forward")]
pub use forward::tell;
use health::Health;
use manager::Manager;
use ot_capture::split::{self, Hands, SplitError};
use ot_capture::{InterfaceError, InterfaceSettings, Live, Stop};
use ot_engine::Engine;
use ot_engine::config::Learning;
use ot_engine::words;
use ot_flow::{Facts, FlowConfig, FlowError, LiveConfig, Load, Summary};
use ot_protocol::time::SECOND;
use ot_protocol::{Nanos, Timestamp};
use ot_store::{RunInput, RunKind, RunSpec, Store, wall_clock};
use reload::ConfigFile;
use room::Room;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use writer::Writer;

/// How long a fresh store learns unless somebody says otherwise.
const LEARN: Nanos = 7 * 86_400 * SECOND;
/// Between two commits where there is news, and where only counts have grown.
const NEWS: Duration = Duration::from_millis(300);
const QUIET: Duration = Duration::from_secs(5);
/// Where a commit takes long, so many times as long is worked until the next one; but no longer than this.
const WORK_PER_COMMIT: u32 = 4;
const AT_LATEST: Duration = Duration::from_millis(1_200);
/// Between two looks for what people ask for.
const PEOPLE: Duration = Duration::from_millis(300);
/// Facts between one that is applied and one that is announced to the engine.
const AHEAD: usize = 8;
/// How long the last commit is tried where the store cannot be written.
const LAST_TRY: Duration = Duration::from_secs(4);

/// Runs `run`.
///
/// # Errors
/// Bad configuration, interface or store; each says what, where and what to do.
pub fn run(args: &RunArgs) -> Result<Exit> {
    // Before anything else opens files.
    let hands = args.captured_through.as_deref().map(Hands::take).transpose().map_err(apart)?;
    let mut config = Config::of(&args.store)?;
    log::begin(args.log.format.unwrap_or(config.log));
    let mut interfaces = interfaces(&args.interfaces, args.filter.as_deref(), &config);
    interfaces.iter_mut().for_each(|interface| interface.wait |= args.wait);
    let signals = Signals::register()?;
    if hands.is_none() && config.capture.split && !args.no_split {
        return capture(&interfaces, &signals);
    }
    let file = ConfigFile::new(args, &config);
    config.engine.continuous = true;
    match &args.sensor_id {
        Some(id) => config.engine.sensor_id.clone_from(id),
        None if !config.named => config.engine.sensor_id = host_name(),
        None => {}
    }
    let rule_files: Vec<_> = config.rules.iter().chain(&args.rules).cloned().collect();
    config.engine.rules = rules::load(&rule_files)?;

    let path = config.store_path(&args.store);
    let mut store = Store::open(&path)?;
    let _lock = store.lock_engine()?;
    let soundness = sound::look(&store)?;
    apply_pending(&mut store, &config)?;
    let folder = evidence::folder(&config, &path);
    evidence::sweep(&store, &folder)?;
    let indicators = crate::indicators::load(&store, &config)?;
    let indicator_change = store.indicator_change()?;

    // Interfaces are opened before the run begins, so that a wrong name leaves no trace in the store.
    let first_file = store.next_file()?;
    let ring = config.evidence.enabled.then(|| ot_capture::Ring::new(config.evidence.ring_bytes));
    let mut flow = FlowConfig::default();
    if let Some(workers) = args.workers {
        flow.workers = usize::from(workers);
    }
    let (mut live, sandbox) = match hands {
        None => {
            let live = Live::open(&interfaces, first_file, ring.clone(), signals.stop.clone()).map_err(unusable)?;
            (live, None)
        }
        Some(hands) => {
            let confined = sandbox::enter(args, &config, &path, folder.path())?;
            let live = Live::attach(hands, &interfaces, first_file, ring.clone(), signals.stop.clone());
            (live.map_err(apart)?, Some(confined))
        }
    };
    let inputs: Vec<RunInput> = interfaces
        .iter()
        .map(|interface| RunInput { path: interface.name.clone(), sha256: String::new(), bytes: 0 })
        .collect();
    let start = store.begin_run(&RunSpec {
        kind: RunKind::Live,
        sensor: &config.engine.sensor_id,
        site: config.engine.site.as_deref().unwrap_or_default(),
        options: env!("CARGO_PKG_VERSION"),
        inputs: &inputs,
        now: wall_clock(),
    })?;
    anyhow::ensure!(start.first_file == first_file, "internal error: another process took numbers of inputs");
    config.engine.learning = learning(args, config.engine.learning, &start.snapshot.state);

    rules::watch(&flow.watch, &config.engine.rules);
    let origin = ot_evidence::Origin {
        sensor: config.engine.sensor_id.clone(),
        run: start.run,
        first_file,
        paths: inputs.into_iter().map(|input| input.path).collect(),
    };
    let load = Load::new(config.capture.backlog);
    let alerts_before = start.snapshot.state.last_alert;
    let mut sensor = Sensor {
        room: Room::new(path.clone(), folder.clone()),
        keeper: Keeper::live(&config, folder, origin, ring),
        health: Health::new(&live, load.clone(), &path, args.quiet),
        rules: Reloader::new(rule_files, flow.watch.clone(), true),
        engine: Engine::new(config.engine.clone(), start.snapshot),
        writer: Writer::new(store, start.run),
        indicator_change,
        indicators: indicators.fingerprint(),
        file,
        confined: sandbox.is_some(),
        config: config.clone(),
        signals: &signals,
        position: 0,
        began: Instant::now(),
        length: args.length.map(|span| Duration::from_nanos(span.unsigned_abs())),
        last_commit: Instant::now(),
        last_look: Instant::now(),
        pause: NEWS,
        manager: Manager::default(),
    };
    sensor.engine.set_indicators(indicators);
    if let Some(run) = start.aborted {
        let sound = soundness.unwrap_or_default();
        let text = format!("run {run} did not end in order: what it had committed is kept; {sound}");
        sensor.health.warn(&mut sensor.engine, text);
    }
    if let Some(confined) = sandbox {
        sensor.tell_confined(&confined);
    }
    #[cfg(feature = "forward")]
    let forwarder = if args.no_forward { None } else { forward::start(&config, &path, args.quiet)? };
    sensor.health.say(&format!("capturing into {}; Ctrl-C or SIGTERM ends it", path.display()));
    sensor.manager.ready(&format!("capturing into {}", path.display()));

    let live_config = LiveConfig { load, processors: config.capture.processors.clone() };
    let mut failed = None;
    let result = ot_flow::run_live(&mut live, PROTOCOLS, &flow, &live_config, &mut |facts, progress| match sensor
        .chunk(facts, progress)
    {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let summary = match result {
        Ok(summary) => summary,
        Err(FlowError::Capture(error)) => return Err(Failure::input(error.to_string()).into()),
        Err(error) => return Err(error).context("internal error"),
    };
    let ended_by_itself = !signals.stop.is_set();
    sensor.manager.stopping();
    sensor.finish(&summary)?;
    if !args.quiet {
        sensor.tell(&summary, alerts_before, &path)?;
    }
    if live.was_left() && ended_by_itself {
        return Err(left().into());
    }
    anyhow::ensure!(!ended_by_itself, "internal error: no interface is read any more; please report this");
    #[cfg(feature = "forward")]
    forward::end(forwarder);
    let Sensor { engine, writer, .. } = sensor;
    std::mem::forget(engine);
    drop(writer);
    Ok(Exit::Done)
}

/// Captures for the process that does all else, until that has ended; ends as it did.
fn capture(interfaces: &[InterfaceSettings], signals: &Signals) -> Result<Exit> {
    let status = split::parent(interfaces, "--captured-through", &signals.stop, &signals.reload).map_err(apart)?;
    match status.code() {
        // It has said why.
        Some(code) => Ok(Exit::ALL.into_iter().find(|exit| i32::from(exit.code()) == code).unwrap_or(Exit::Internal)),
        None => Err(Failure {
            exit: Exit::Internal,
            message: format!(
                "the process that parses has ended ({status}): what it had committed is kept, and the next start goes on; \
                 where memory was short the kernel may have ended it (dmesg)"
            ),
        }
        .into()),
    }
}

/// What a person is told where two processes do not come together.
fn apart(error: SplitError) -> Failure {
    match error {
        SplitError::Interface(error) => unusable(error),
        // Told by the one that knows why.
        SplitError::NotOpened => Failure::input(""),
        error => Failure { exit: Exit::Internal, message: error.to_string() },
    }
}

/// What a person is told where the process that captures has gone.
fn left() -> Failure {
    let message = "the process that captures has ended without being told to (was it killed?): all that it handed over is \
                   committed; start the sensor again";
    Failure { exit: Exit::Internal, message: message.to_owned() }
}

/// What signals ask for.
struct Signals {
    stop: Stop,
    reload: Arc<AtomicBool>,
}

impl Signals {
    fn register() -> Result<Self> {
        let signals = Self { stop: Stop::default(), reload: Arc::default() };
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register(signal, signals.stop.flag()).context("internal error")?;
        }
        signal_hook::flag::register(SIGHUP, Arc::clone(&signals.reload)).context("internal error")?;
        Ok(signals)
    }
}

/// The interfaces that the command line names, with what the configuration says of them; else those of the configuration.
pub fn interfaces(names: &[String], filter: Option<&str>, config: &Config) -> Vec<InterfaceSettings> {
    let known = &config.capture.interfaces;
    let mut interfaces = match names {
        [] => known.clone(),
        names => names
            .iter()
            .map(|name| match known.iter().find(|known| known.name == *name) {
                Some(known) => known.clone(),
                None => InterfaceSettings { name: name.clone(), ..config.capture.defaults.clone() },
            })
            .collect(),
    };
    if let Some(filter) = filter {
        interfaces.iter_mut().for_each(|interface| interface.filter = Some(filter.to_owned()));
    }
    interfaces
}

/// What a person is told where an interface cannot be captured.
pub fn unusable(error: InterfaceError) -> Failure {
    match error {
        InterfaceError::None { .. } | InterfaceError::Twice { .. } | InterfaceError::Filter { .. } => {
            Failure::usage(error.to_string())
        }
        _ => Failure::input(error.to_string()),
    }
}

/// How this run learns: as the command line says; else as the store and the configuration say, where learning that began
/// in an earlier run goes on or is over, and does not begin anew with each start.
fn learning(args: &RunArgs, configured: Learning, state: &ot_engine::State) -> Learning {
    match (args.learn_for, args.learn_until, args.operational) {
        (Some(span), _, _) => Learning::For(span),
        (_, Some(end), _) => Learning::Until(end),
        (_, _, true) => Learning::Operational,
        _ => match configured {
            Learning::For(_) if state.learning_since.is_some() => Learning::AsStored,
            Learning::AsStored if state.now.is_none() => Learning::For(LEARN),
            other => other,
        },
    }
}

/// The name of this machine as a sensor id.
pub fn host_name() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(64).collect();
    if name.is_empty() { "sensor".to_owned() } else { name }
}

struct Sensor<'a> {
    engine: Engine,
    writer: Writer,
    keeper: Keeper,
    health: Health,
    room: Room,
    rules: Reloader,
    /// Which state of the indicator lists of the store the engine has, and what all its lists are.
    indicator_change: u64,
    indicators: String,
    file: ConfigFile,
    /// It is in the sandbox.
    confined: bool,
    config: Config,
    signals: &'a Signals,
    /// All facts up to this packet were applied.
    position: u64,
    began: Instant,
    /// How long to run; `None`: until told to stop.
    length: Option<Duration>,
    last_commit: Instant,
    last_look: Instant,
    /// How long after a commit the next one may come.
    pause: Duration,
    manager: Manager,
}

impl Sensor<'_> {
    /// Applies facts, and does what is due. Called several times a second, also without facts.
    fn chunk(&mut self, facts: Facts, progress: &ot_flow::Progress) -> Result<()> {
        let mut facts = facts.into_iter();
        while let Some((_, fact)) = facts.next() {
            if let Some(later) = facts.peek(AHEAD) {
                self.engine.expect(later);
            }
            self.engine.apply(fact);
        }
        self.position = progress.packets;
        if self.length.is_some_and(|length| self.began.elapsed() >= length) {
            self.signals.stop.set();
        }
        self.health.look(&mut self.engine);
        let since = self.last_commit.elapsed();
        if (since >= self.pause && self.engine.has_news()) || since >= QUIET || self.engine.is_laden() {
            self.commit(progress.time)?;
        }
        if self.last_look.elapsed() >= PEOPLE {
            self.last_look = Instant::now();
            match self.people() {
                Err(error) if writer::passes_by(&error) => {
                    self.health.problem(&mut self.engine, format!("what people ask for waits: {error}"));
                }
                done => done?,
            }
        }
        self.manager.alive();
        Ok(())
    }

    fn commit(&mut self, now: Timestamp) -> Result<()> {
        let began = Instant::now();
        self.health.count(&mut self.engine);
        self.look_at_room()?;
        let changes = self.engine.take_changes();
        self.keeper.note(&changes);
        if !self.writer.is_stuck() {
            let kept = self.keeper.tick(self.writer.store(), now);
            self.health.evidence(&mut self.engine, kept, self.keeper.problems());
        }
        self.writer.commit(changes, self.position)?;
        self.health.store(&mut self.engine, self.writer.state());
        self.last_commit = Instant::now();
        self.pause = (self.last_commit.duration_since(began) * WORK_PER_COMMIT).clamp(NEWS, AT_LATEST);
        Ok(())
    }

    /// Has what is oldest forgotten where the store is too large.
    fn look_at_room(&mut self) -> Result<()> {
        if self.writer.is_stuck() {
            return Ok(());
        }
        let Self { engine, room, writer, health, config, .. } = self;
        let settings = config.room;
        match room.look(engine, writer.store(), health, settings.store_size, settings.disk_free) {
            Err(error) if writer::may_pass(&error) => Ok(()),
            done => Ok(done?),
        }
    }

    /// What people ask for: commands in the store, other indicators, other rules.
    fn people(&mut self) -> Result<()> {
        if self.writer.is_stuck() {
            return Ok(());
        }
        let pending = self.writer.store().pending_commands()?;
        let change = self.writer.store().indicator_change()?;
        if change != self.indicator_change {
            self.indicator_change = change;
            let indicators = crate::indicators::load(self.writer.store(), &self.config)?;
            self.indicators = indicators.fingerprint();
            self.engine.set_indicators(indicators);
        }
        let at = Some((self.writer.run(), self.position));
        let Self { engine, writer, rules, .. } = self;
        apply_all(engine, writer, pending, at, &mut |engine| reload_rules(engine, rules))?;
        let asked = self.signals.reload.swap(false, Ordering::Relaxed);
        if asked {
            self.reconfigure();
        }
        let idle = self.rules.is_idle(&self.engine.core().config.rules);
        if (asked && !idle) || self.rules.changed() {
            match reload_rules(&mut self.engine, &mut self.rules) {
                Ok(told) if asked => self.health.say(&format!("SIGHUP: rules: {told}")),
                Ok(_) => {}
                Err(problem) => {
                    let hint = self.hint(&problem);
                    self.health.caution(&format!("rules stay as they were: {problem}{hint}"));
                }
            }
        }
        Ok(())
    }

    /// The last commit, once all that was captured has been applied.
    fn finish(&mut self, summary: &Summary) -> Result<()> {
        self.engine.finish();
        self.health.look(&mut self.engine);
        self.health.count_all(&mut self.engine, summary);
        let changes = self.engine.take_changes();
        self.keeper.note(&changes);
        if !self.writer.is_stuck() {
            let kept = self.keeper.finish(self.writer.store());
            self.health.evidence(&mut self.engine, kept, self.keeper.problems());
        }
        let packets: Vec<u64> = self.health.packets();
        self.writer.finish(changes, summary.progress.packets, &packets, LAST_TRY)?;
        let pending = self.writer.store().pending_commands()?;
        let Self { engine, writer, rules, .. } = self;
        apply_all(engine, writer, pending, None, &mut |engine| reload_rules(engine, rules))
    }

    fn tell(&self, summary: &Summary, alerts_before: u32, path: &Path) -> Result<()> {
        let opened = self.engine.alerts_opened() - alerts_before;
        let span = words::span(i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX));
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "{} packets in {span}; {} devices, {} baseline entries, {opened} new alert{}{}",
            summary.progress.packets,
            self.engine.core().inventory.len(),
            self.engine.core().baseline.len(),
            if opened == 1 { "" } else { "s" },
            if self.engine.learning() { "; still learning" } else { "" }
        )?;
        writeln!(out, "store: {}", path.display())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    pub(super) fn args(more: &[&str]) -> RunArgs {
        let cli = crate::cli::Cli::try_parse_from(["ot-sensor", "run"].iter().chain(more)).unwrap();
        match cli.command {
            crate::cli::Command::Run(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn learning_goes_on_over_restarts_and_begins_only_on_a_fresh_store() {
        let fresh = ot_engine::State::default();
        let used = ot_engine::State { now: Some(Timestamp(1)), ..fresh.clone() };
        let learned = ot_engine::State { learning_since: Some(Timestamp(1)), ..used.clone() };
        let none = args(&[]);
        assert_eq!(learning(&none, Learning::AsStored, &fresh), Learning::For(LEARN));
        assert_eq!(learning(&none, Learning::AsStored, &used), Learning::AsStored);
        assert_eq!(learning(&none, Learning::For(5), &used), Learning::For(5));
        assert_eq!(learning(&none, Learning::For(5), &learned), Learning::AsStored);
        assert_eq!(learning(&none, Learning::Operational, &fresh), Learning::Operational);
        assert_eq!(learning(&args(&["--operational"]), Learning::For(5), &fresh), Learning::Operational);
        assert_eq!(learning(&args(&["--learn-for", "10m"]), Learning::AsStored, &learned), Learning::For(600 * SECOND));
    }

    #[test]
    fn interfaces_of_the_command_line_keep_what_the_configuration_says_of_them() {
        let config = Config::parse(
            "[capture]\nring = '32 MiB'\n[[interface]]\nname = 'eth1'\nfilter = 'tcp'\n[[interface]]\nname = 'eth2'\nwait = true\n",
        )
        .unwrap();
        let all = interfaces(&[], None, &config);
        assert_eq!(
            all.iter().map(|one| (one.name.as_str(), one.ring, one.wait)).collect::<Vec<_>>(),
            [("eth1", 32 << 20, false), ("eth2", 32 << 20, true)]
        );
        let names = args(&["--interface", "eth1", "-i", "eth9"]).interfaces;
        let shown = |filter| {
            let named = interfaces(&names, filter, &config);
            named.into_iter().map(|one| (one.name, one.filter)).collect::<Vec<_>>()
        };
        let text = |text: &str| text.to_owned();
        assert_eq!(shown(None), [(text("eth1"), Some(text("tcp"))), (text("eth9"), None)]);
        assert_eq!(shown(Some("udp")), [(text("eth1"), Some(text("udp"))), (text("eth9"), Some(text("udp")))]);
        assert!(matches!(Live::open(&[], 0, None, Stop::default()), Err(InterfaceError::None { .. })));
    }

    #[test]
    fn the_id_of_a_sensor_without_one_can_be_used() {
        assert!(crate::config::check_id(&host_name()).is_ok());
    }
}
