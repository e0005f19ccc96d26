//! `doctor`: looks at interfaces for a time, or at a capture, and tells the person at the switch what is wrong and what to do.
//!
//! It needs no store and sends nothing. Packets go the way that they go in `run` and `replay`; beside it a [`tap::Tap`] counts
//! what that way does not tell. What was measured is judged by [`checks`].

mod checks;
mod machine;
mod measures;
mod report;
mod tap;

use crate::cli::DoctorArgs;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::protocols::PROTOCOLS;
use crate::replay::warn;
use crate::run;
use anyhow::{Context as _, Result};
use checks::Level;
use measures::{Controller, InterfaceMeasures, LiveMeasures, Measures};
use ot_capture::{CaptureSet, InterfaceCounters, InterfaceFacts, InterfaceSettings, Live, NoticeKind, Stop};
use ot_engine::config::{EngineConfig, Learning};
use ot_engine::{Engine, companions, model};
use ot_flow::{Facts, FlowConfig, FlowError, LiveConfig, Load, Summary};
use ot_protocol::time::SECOND;
use ot_protocol::{ClaimKind, Domain, Fact, FlowKind, InterfaceSight, Nanos, SubAddress};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tap::Tap;

pub use machine::look as machine;

/// How long interfaces are looked at unless somebody says otherwise.
const LENGTH: Duration = Duration::from_secs(60);
/// What is found meanwhile is learned and not told: nobody would read the alerts.
const LEARN: Nanos = 365 * 86_400 * SECOND;

/// Runs `doctor`.
///
/// # Errors
/// Bad configuration, interface or capture; each says what, where and what to do.
pub fn run(output: &mut Output, args: &DoctorArgs) -> Result<Exit> {
    let config = Config::of(&args.store)?;
    let measures =
        if args.read.is_empty() { look_at_interfaces(args, &config)? } else { look_at_captures(args, &config)? };
    let findings = checks::judge(&measures);
    if args.output.json {
        report::print_json(output, &measures, &findings)?;
    } else {
        report::print(output, &measures, &findings)?;
    }
    Ok(if report::level(&findings) == Level::Problem { Exit::NotFound } else { Exit::Done })
}

fn look_at_captures(args: &DoctorArgs, config: &Config) -> Result<Measures> {
    let mut captures = CaptureSet::open(&args.read).map_err(|error| Failure::input(error.to_string()))?;
    let mut names = captures.files().iter().map(|file| file.path.display().to_string());
    let name = match (names.next(), names.next()) {
        (Some(only), None) => only,
        _ => "captures".to_owned(),
    };
    let mut tap = Tap::new(&mut captures, Vec::new(), false);
    let mut patient = Patient::new(&config.engine);
    let summary = ot_flow::run(&mut tap, PROTOCOLS, &FlowConfig::default(), &mut |facts, _| {
        patient.take(facts);
        ControlFlow::Continue(())
    });
    let summary = done(summary)?;
    warn(&summary.warnings);
    let mut interfaces = tap.finish();
    if interfaces.is_empty() {
        interfaces.insert(0, InterfaceMeasures::default());
    }
    let several = interfaces.len() > 1;
    for (number, interface) in &mut interfaces {
        if interface.name.is_empty() {
            interface.name = if several { format!("{name}, interface {number}") } else { name.clone() };
        }
        interface.dropped = patient.dropped.get(number).copied().unwrap_or_default();
    }
    let span = summary.first.zip(summary.last).map_or(0, |(first, last)| last.since(first));
    Ok(patient.measures(interfaces, &summary, span))
}

fn look_at_interfaces(args: &DoctorArgs, config: &Config) -> Result<Measures> {
    let mut wanted = run::interfaces(&args.interfaces, args.filter.as_deref(), config);
    // Whoever looks wants to know at once that there is nothing to look at.
    wanted.iter_mut().for_each(|interface| interface.wait = false);
    let stop = Stop::default();
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, stop.flag()).context("internal error")?;
    }
    let before: Vec<Option<InterfaceFacts>> =
        wanted.iter().map(|interface| InterfaceFacts::of(&interface.name)).collect();
    let mut live = Live::open(&wanted, 0, None, stop.clone()).map_err(run::unusable)?;
    let length = args.length.map_or(LENGTH, |span| Duration::from_nanos(span.unsigned_abs()));
    let names: Vec<&str> = wanted.iter().map(|interface| interface.name.as_str()).collect();
    eprintln!(
        "looking at {} for {}; Ctrl-C ends it earlier",
        names.join(" and "),
        ot_engine::words::span(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX))
    );
    let (notices, gauges) = (live.notices(), live.gauges());
    let load = Load::new(config.capture.backlog);
    let live_config = LiveConfig { load: load.clone(), processors: config.capture.processors.clone() };
    let limits = before.iter().map(|facts| {
        let mtu = facts.as_ref().and_then(|facts| facts.mtu);
        mtu.map_or(tap::LONGEST, |mtu| mtu.saturating_add(tap::AROUND))
    });
    let mut tap = Tap::new(&mut live, limits.collect(), true);
    let mut patient = Patient::new(&config.engine);
    let began = Instant::now();
    let mut took = length;
    let summary = ot_flow::run_live(&mut tap, PROTOCOLS, &FlowConfig::default(), &live_config, &mut |facts, _| {
        patient.take(facts);
        if !stop.is_set() {
            took = began.elapsed();
            if took >= length {
                stop.set();
            }
        }
        ControlFlow::Continue(())
    });
    let summary = done(summary)?;
    let mut seen = tap.finish();
    let mut interfaces = BTreeMap::new();
    for (((number, settings), facts), state) in (0_u16..).zip(&wanted).zip(before).zip(gauges.now()) {
        let mut interface = seen.remove(&number).unwrap_or_default();
        interface.name.clone_from(&settings.name);
        (interface.dropped, interface.missed) = (state.dropped, state.missed);
        interface.live = facts.map(|facts| of_live(settings, facts, state.up));
        interfaces.insert(number, interface);
    }
    while let Ok(notice) = notices.try_recv() {
        let Some(live) = interfaces.get_mut(&notice.interface).and_then(|interface| interface.live.as_mut()) else {
            continue;
        };
        match notice.kind {
            NoticeKind::Opened { opened, .. } => live.opened = Some(opened),
            NoticeKind::Down | NoticeKind::Gone { .. } => live.lost += 1,
            _ => {}
        }
    }
    let mut measures = patient.measures(interfaces, &summary, i64::try_from(took.as_nanos()).unwrap_or(i64::MAX));
    measures.live = true;
    measures.shed = load.shed();
    let quota = if config.evidence.enabled { config.evidence.quota } else { 0 };
    measures.machine = Some(machine::look(&config.store_path(&args.store), quota, config.engine.keep.events));
    Ok(measures)
}

fn of_live(settings: &InterfaceSettings, facts: InterfaceFacts, up: bool) -> LiveMeasures {
    let (before, now) = (facts.counters, InterfaceCounters::of(&settings.name));
    let grown = InterfaceCounters {
        received: now.received.saturating_sub(before.received),
        received_bytes: now.received_bytes.saturating_sub(before.received_bytes),
        missed: now.missed.saturating_sub(before.missed),
        errors: now.errors.saturating_sub(before.errors),
        dropped: now.dropped.saturating_sub(before.dropped),
        sent: now.sent.saturating_sub(before.sent),
    };
    LiveMeasures {
        facts,
        grown,
        opened: None,
        wanted: settings.time_source,
        filter: settings.filter.clone(),
        snap_length: u32::try_from(settings.snap_length).unwrap_or(u32::MAX),
        up,
        lost: 0,
    }
}

fn done(summary: Result<Summary, FlowError>) -> Result<Summary> {
    match summary {
        Ok(summary) => Ok(summary),
        Err(FlowError::Capture(error)) => Err(Failure::input(error.to_string()).into()),
        Err(error) => Err(error).context("internal error"),
    }
}

/// What is gathered from facts.
struct Patient {
    engine: Engine,
    sights: BTreeMap<u16, InterfaceSight>,
    dropped: BTreeMap<u16, u64>,
    vlans: BTreeMap<Option<u16>, u64>,
    wrong_ports: BTreeMap<String, u64>,
}

impl Patient {
    fn new(config: &EngineConfig) -> Self {
        let config =
            EngineConfig { learning: Learning::For(LEARN), maintenance: None, novelty: None, ..config.clone() };
        Self {
            engine: Engine::new(config, ot_engine::Snapshot::default()),
            sights: BTreeMap::new(),
            dropped: BTreeMap::new(),
            vlans: BTreeMap::new(),
            wrong_ports: BTreeMap::new(),
        }
    }

    fn take(&mut self, facts: Facts) {
        for (_, fact) in facts {
            self.look(&fact);
            self.engine.apply(fact);
        }
        if self.engine.is_laden() {
            // Nobody writes them down.
            drop(self.engine.take_changes());
        }
    }

    fn look(&mut self, fact: &Fact) {
        match fact {
            Fact::Flow(event) => {
                let packets: u64 = event.packets.iter().sum();
                if packets > 0 {
                    *self.vlans.entry(event.client.vlan.or(event.server.vlan)).or_default() += packets;
                }
                if let FlowKind::WrongProtocol(id) = event.kind {
                    *self.wrong_ports.entry(id.to_owned()).or_default() += 1;
                }
            }
            // Those of IP packets are counted with their conversations.
            Fact::Claim(claim) if claim.kind != ClaimKind::IpSource => {
                *self.vlans.entry(claim.vlan).or_default() += u64::from(claim.count);
            }
            Fact::Sight(sight) => {
                let sum = self.sights.entry(sight.interface).or_default();
                sum.sessions = sum.sessions.saturating_add(sight.sessions);
                sum.one_sided = sum.one_sided.saturating_add(sight.one_sided);
                sum.doubled = sum.doubled.saturating_add(sight.doubled);
                sum.cut = sum.cut.saturating_add(sight.cut);
            }
            Fact::Interface(traffic) => {
                if let Some(lost) = traffic.dropped {
                    *self.dropped.entry(traffic.interface).or_default() += lost;
                }
            }
            _ => {}
        }
    }

    fn measures(self, interfaces: BTreeMap<u16, InterfaceMeasures>, summary: &Summary, span: Nanos) -> Measures {
        let (mut protocols, mut also) = (Vec::new(), Vec::new());
        for (id, count) in summary.flow.messages.iter() {
            if companions::is_companion(id) { &mut also } else { &mut protocols }.push((id.to_owned(), count));
        }
        let inventory = &self.engine.core().inventory;
        let interfaces = interfaces.into_iter().map(|(number, mut interface)| {
            interface.sight = self.sights.get(&number).copied().unwrap_or_default();
            interface
        });
        Measures {
            span,
            interfaces: interfaces.collect(),
            link: summary.link,
            flow: summary.flow.clone(),
            vlans: self.vlans,
            protocols,
            companions: also,
            wrong_ports: self.wrong_ports,
            devices: u64::try_from(inventory.len()).unwrap_or(u64::MAX),
            controllers: inventory
                .iter()
                .filter(|device| device.role.is_field())
                .map(|device| controller(device, device.parent.and_then(|parent| inventory.get(parent))))
                .collect(),
            ..Measures::default()
        }
    }
}

fn controller(device: &model::Device, parent: Option<&model::Device>) -> Controller {
    let address = device.addresses.first().or_else(|| parent?.addresses.first());
    let mut address = match (address, device.mac) {
        (Some(address), _) => address.ip.to_string(),
        (None, Some(mac)) => mac.to_string(),
        (None, None) => format!("device {}", device.id.0),
    };
    if device.sub != SubAddress::None {
        address = format!("{address} {}", device.sub);
    }
    let told = |property: &str| {
        device.identities.iter().rev().find(|told| told.property == property).map(|told| told.value.clone())
    };
    let is_ot = |id: &str| PROTOCOLS.iter().any(|known| known.id() == id && known.domain() == Domain::Ot);
    let answers = device.protocols.iter().filter(|used| used.as_server && is_ot(&used.protocol));
    Controller {
        address,
        role: device.role.as_str().to_owned(),
        vendor: device.vendor.clone(),
        model: told("product").or_else(|| told("model")),
        protocols: answers.map(|used| used.protocol.clone()).collect(),
    }
}
