//! `replay`: captures through the sensor and the engine into a store.

use crate::acts::{apply_all, apply_pending, recall, reload_rules};
use crate::cli::ReplayArgs;
use crate::config::Config;
use crate::evidence::{self, Keeper};
use crate::exit::{Exit, Failure};
use crate::output::hexadecimal;
use crate::protocols::PROTOCOLS;
use crate::rules::{self, Reloader};
use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use ot_capture::{CaptureError, CaptureSet, Recorder, Source, Warning};
use ot_engine::Engine;
use ot_engine::config::Learning;
use ot_flow::{Facts, FlowConfig, FlowError, FlowStats, Summary};
use ot_link::LinkStats;
use ot_protocol::Timestamp;
use ot_store::{ReplayedCommand, RunInput, RunKind, RunSpec, Store, wall_clock};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Wall time between two commits, and between two looks for commands of people: at least, and at most.
const COMMIT_EVERY: Duration = Duration::from_millis(500);
const COMMIT_AT_LATEST: Duration = Duration::from_secs(2);
/// Where a commit takes long, so many times as long is worked until the next one.
const WORK_PER_COMMIT: u32 = 10;
/// Facts between one that is applied and one that is announced to the engine.
const AHEAD: usize = 8;

/// Runs `replay`.
///
/// # Errors
/// Bad configuration, input or store; each says what, where and what to do.
pub fn run(args: &ReplayArgs) -> Result<Exit> {
    let mut config = Config::of(&args.store)?;
    if let Some(id) = &args.sensor_id {
        config.engine.sensor_id.clone_from(id);
    }
    config.engine.learning = match (args.learn_for, args.learn_until, args.operational) {
        (Some(span), _, _) => Learning::For(span),
        (_, Some(end), _) => Learning::Until(end),
        (_, _, true) => Learning::Operational,
        _ => config.engine.learning,
    };
    let rule_files: Vec<_> = config.rules.iter().chain(&args.rules).cloned().collect();
    config.engine.rules = rules::load(&rule_files)?;
    let captures = CaptureSet::open(&args.captures).map_err(|error| Failure::input(error.to_string()))?;
    let path = config.store_path(&args.store);
    let mut store = Store::open(&path)?;
    let _lock = store.lock_engine()?;
    apply_pending(&mut store, &config)?;

    let inputs: Vec<RunInput> = captures
        .files()
        .iter()
        .map(|file| RunInput {
            path: file.path.display().to_string(),
            sha256: if file.sha256 == [0; 32] { String::new() } else { hexadecimal(&file.sha256) },
            bytes: file.bytes,
        })
        .collect();
    // With other indicators it is another run: an interrupted one does not go on.
    let indicators = crate::indicators::load(&store, &config)?;
    let indicator_change = store.indicator_change()?;
    let listed = if indicators.is_empty() { String::new() } else { format!(" {}", indicators.fingerprint()) };
    let options = format!("{} {:?}{listed}", env!("CARGO_PKG_VERSION"), config.engine);
    let start = store.begin_run(&RunSpec {
        kind: RunKind::Replay,
        sensor: &config.engine.sensor_id,
        site: config.engine.site.as_deref().unwrap_or_default(),
        options: &options,
        inputs: &inputs,
        now: wall_clock(),
    })?;
    if !args.quiet {
        if start.resumed {
            eprintln!("resuming run {}, interrupted after packet {}", start.run, start.resume_position);
        }
        if let Some(run) = start.aborted {
            eprintln!("run {run} was interrupted and does not go on: its captures or options were others");
        }
    }
    let mut captures = captures.number_files_from(start.first_file);
    let alerts_before = start.snapshot.state.last_alert;
    let mut flow = FlowConfig::default();
    if let Some(workers) = args.workers {
        flow.workers = usize::from(workers);
    }
    if let Some(batch) = args.batch {
        flow.batch_packets = usize::try_from(batch).unwrap_or(flow.batch_packets);
    }
    rules::watch(&flow.watch, &config.engine.rules);
    // What comes from a stream cannot come again: nothing is compared with it.
    let live = inputs.iter().any(|input| input.sha256.is_empty());
    let folder = evidence::folder(&config, &path);
    let origin = ot_evidence::Origin {
        sensor: config.engine.sensor_id.clone(),
        run: start.run,
        first_file: start.first_file,
        paths: inputs.into_iter().map(|input| input.path).collect(),
    };
    let keeper = Keeper::new(&config, folder.clone(), origin, captures.again());
    let ring = keeper.ring();
    let mut run = Run {
        rules: Reloader::new(rule_files, flow.watch.clone(), live),
        engine: Engine::new(config.engine.clone(), start.snapshot),
        store,
        run: start.run,
        indicator_change,
        config: &config,
        replayed: start.replay_commands.into(),
        position: 0,
        committed_alerts: alerts_before,
        last_commit: Instant::now(),
        next_commit: COMMIT_EVERY,
        keeper,
        bar: bar(args.quiet),
        began: Instant::now(),
    };
    run.engine.set_indicators(indicators);
    let mut failed = None;
    let mut recorder;
    let source: &mut dyn Source = match ring {
        Some(ring) => {
            recorder = Recorder::new(&mut captures, ring);
            &mut recorder
        }
        None => &mut captures,
    };
    let result = ot_flow::run(source, PROTOCOLS, &flow, &mut |facts, progress| match run.chunk(facts, progress) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    });
    run.bar.finish_and_clear();
    if let Some(error) = failed {
        return Err(error);
    }
    let summary = match result {
        Ok(summary) => summary,
        Err(FlowError::Capture(error)) => return Err(unreadable(&error)),
        Err(error) => return Err(error).context("internal error"),
    };
    warn(&summary.warnings);
    run.finish(&summary, &captures.packets())?;
    if let Err(error) = evidence::sweep(&run.store, &folder) {
        eprintln!("warning: files of alerts that are gone could not be removed: {error}");
    }
    let known = run.store.warnings().iter().map(String::as_str);
    for warning in known.chain(run.keeper.problems()) {
        eprintln!("warning: {warning}");
    }
    if !args.quiet {
        run.tell(&summary, alerts_before, &path)?;
    }
    // The process ends: the store is closed, the engine's memory need not be given back piece by piece.
    let Run { engine, store, .. } = run;
    std::mem::forget(engine);
    drop(store);
    Ok(Exit::Done)
}

fn unreadable(error: &CaptureError) -> anyhow::Error {
    Failure::input(error.to_string()).into()
}

/// Tells what was odd about the inputs, one line each.
pub fn warn(warnings: &[Warning]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}

struct Run<'a> {
    rules: Reloader,
    engine: Engine,
    store: Store,
    run: u32,
    /// Which state of the indicator lists the engine has.
    indicator_change: u64,
    config: &'a Config,
    replayed: VecDeque<ReplayedCommand>,
    /// All facts up to this packet were applied.
    position: u64,
    committed_alerts: u32,
    last_commit: Instant,
    /// How long after the last commit the next one comes.
    next_commit: Duration,
    keeper: Keeper,
    bar: ProgressBar,
    began: Instant,
}

impl Run<'_> {
    /// Applies facts; commits what was found before them when it is time. What the end of the input brings is thus
    /// never committed before the run is finished.
    fn chunk(&mut self, facts: Facts, progress: &ot_flow::Progress) -> Result<()> {
        let since = self.last_commit.elapsed();
        // A person who asks for something does not wait for a commit that comes late.
        if since >= self.next_commit
            || self.engine.is_laden()
            || (since >= COMMIT_EVERY && !self.store.pending_commands()?.is_empty())
        {
            self.commit(progress.time)?;
            self.show(progress);
        }
        let mut facts = facts.into_iter();
        while let Some((order, fact)) = facts.next() {
            if let Some(later) = facts.peek(AHEAD) {
                self.engine.expect(later);
            }
            while self.replayed.front().is_some_and(|next| next.position < order.packet) {
                if let Some(next) = self.replayed.pop_front() {
                    recall(&mut self.engine, &mut self.store, &next.command)?;
                    // It was answered when it was first applied.
                    let _ = self.engine.command(&next.command);
                }
            }
            self.engine.apply(fact);
        }
        self.position = progress.packets;
        Ok(())
    }

    fn commit(&mut self, now: Timestamp) -> Result<()> {
        let began = Instant::now();
        let changes = self.engine.take_changes();
        self.keeper.note(&changes);
        self.keeper.tick(&mut self.store, now)?;
        self.store.commit(self.run, &changes, self.position)?;
        let pending = self.store.pending_commands()?;
        let change = self.store.indicator_change()?;
        if change != self.indicator_change {
            self.indicator_change = change;
            self.engine.set_indicators(crate::indicators::load(&self.store, self.config)?);
        }
        let at = Some((self.run, self.position));
        let Self { engine, store, rules, .. } = self;
        apply_all(engine, store, pending, at, &mut |engine| reload_rules(engine, rules))?;
        if self.rules.changed()
            && let Err(problem) = reload_rules(&mut self.engine, &mut self.rules)
        {
            eprintln!("warning: rules not loaded, the ones before stay in use: {}", crate::output::clean(&problem));
        }
        self.committed_alerts = self.engine.alerts_opened();
        self.last_commit = Instant::now();
        self.next_commit =
            (self.last_commit.duration_since(began) * WORK_PER_COMMIT).clamp(COMMIT_EVERY, COMMIT_AT_LATEST);
        Ok(())
    }

    fn show(&self, progress: &ot_flow::Progress) {
        if let Some(total) = progress.total {
            self.bar.set_length(total);
        }
        self.bar.set_position(progress.read);
        let rate = progress.packets / u64::try_from(self.began.elapsed().as_millis()).unwrap_or(1).max(1);
        self.bar.set_message(format!(
            "{} packets, {rate} thousand a second, {} alerts",
            progress.packets, self.committed_alerts
        ));
    }

    fn finish(&mut self, summary: &Summary, packets: &[u64]) -> Result<()> {
        while let Some(next) = self.replayed.pop_front() {
            recall(&mut self.engine, &mut self.store, &next.command)?;
            let _ = self.engine.command(&next.command);
        }
        self.engine.finish();
        for (id, count) in counters(&summary.link, &summary.flow) {
            self.engine.add_counters([(id.as_ref(), count)]);
        }
        let changes = self.engine.take_changes();
        self.keeper.note(&changes);
        self.keeper.finish(&mut self.store)?;
        self.store.finish_run(self.run, &changes, summary.progress.packets, packets, wall_clock())?;
        let pending = self.store.pending_commands()?;
        let Self { engine, store, rules, .. } = self;
        apply_all(engine, store, pending, None, &mut |engine| reload_rules(engine, rules))
    }

    fn tell(&self, summary: &Summary, alerts_before: u32, path: &std::path::Path) -> Result<()> {
        let seconds = self.began.elapsed().as_secs_f64();
        let opened = self.engine.alerts_opened() - alerts_before;
        let packets = summary.progress.packets;
        let mut text = format!("{packets} packets in {seconds:.1} s");
        if let (Some(first), Some(last)) = (summary.first, summary.last) {
            let _ = write!(text, " ({} of packet time)", ot_engine::words::span(last.since(first)));
        }
        let _ = write!(
            text,
            "; {} devices, {} baseline entries, {opened} new alert{}",
            self.engine.core().inventory.len(),
            self.engine.core().baseline.len(),
            if opened == 1 { "" } else { "s" }
        );
        if self.engine.learning() {
            text.push_str("; still learning");
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}")?;
        writeln!(out, "store: {}", path.display())?;
        if let Some(kept) = self.keeper.summary() {
            writeln!(out, "kept:  {kept}")?;
        }
        if opened > 0 {
            writeln!(out, "next:  ot-sensor alerts list --store {}", path.display())?;
        }
        Ok(())
    }
}

/// What the stages before the engine have counted, with the ids under which `stats` shows it.
pub fn counters(link: &LinkStats, flow: &FlowStats) -> impl Iterator<Item = (Cow<'static, str>, u64)> {
    let named = [
        ("decoded-bytes", flow.decoded.clone()),
        ("messages", flow.messages.clone()),
        ("skipped-bytes", flow.skipped.clone()),
        ("evicted", flow.evicted.clone()),
    ];
    let named = named.into_iter().flat_map(|(group, counters)| {
        let ids: Vec<_> = counters.iter().map(|(name, count)| (Cow::from(format!("{group}-{name}")), count)).collect();
        ids
    });
    link.iter().chain(flow.iter()).map(|(id, count)| (Cow::from(id), count)).chain(named)
}

fn bar(quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3}% {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar
}
