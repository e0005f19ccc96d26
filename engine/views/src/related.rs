//! Alerts that hang together: those of the same devices around an alert, and the chain that they may be.

use crate::ViewError;
use crate::alert::{TacticView, peers, tactics, title};
use crate::maintenance::tickets;
use crate::names::Names;
use crate::time;
use ot_engine::attack::{self, Tactic};
use ot_engine::catalogue;
use ot_engine::model::Peer;
use ot_protocol::Nanos;
use ot_protocol::time::SECOND;
use ot_store::read::AlertRow;
use serde::Serialize;
use std::cmp::Reverse;
use utoipa::ToSchema;

/// How far around an alert related ones are looked for.
pub const RELATED_WINDOW: Nanos = 3_600 * SECOND;
/// How many related alerts are told: the nearest.
const RELATED_LIMIT: usize = 50;
/// Steps of a chain.
const STEPS: usize = 12;

/// A related alert.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RelatedView {
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its title.
    pub title: String,
    /// Its severity.
    pub severity: String,
    /// Its status.
    pub status: String,
    /// Whether all of its violations lay in maintenance windows that cover them.
    pub expected: bool,
    /// Tickets of windows in which violations lay.
    pub tickets: Vec<String>,
    /// Packet time.
    pub first_detection: String,
    /// Seconds from the first detection of the alert shown to the first of this one; negative: before.
    pub offset_seconds: i64,
    /// Which devices of the alert shown take part, and how: `source is source`, `destination is source` …
    pub shared: Vec<String>,
    /// Technique ids.
    pub techniques: Vec<String>,
    /// Tactic ids.
    pub tactics: Vec<String>,
}

/// A step of the chain that an alert may be a part of: alerts of one type by one source.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ChainStep {
    /// From 1, in order of time.
    pub step: u32,
    /// Id of its first alert.
    pub id: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Title.
    pub title: String,
    /// Severity.
    pub severity: String,
    /// Packet time.
    pub first_detection: String,
    /// Seconds from the first detection of the alert shown; negative: before.
    pub offset_seconds: i64,
    /// How many alerts it stands for.
    pub alerts: u32,
    /// Whether all violations of these lay in maintenance windows that cover them.
    pub expected: bool,
    /// Tickets of windows in which violations lay.
    pub tickets: Vec<String>,
    /// Who.
    pub source: Option<String>,
    /// To whom.
    pub destination: Option<String>,
    /// The technique that carries the step.
    pub technique: Option<String>,
    /// Its tactic: the next one in the matrix that the technique serves.
    pub tactic: Option<TacticView>,
    /// The step before that it hangs on.
    pub after: Option<u32>,
    /// The device that both share.
    pub shared: Option<String>,
    /// Whether it is the alert shown.
    pub this: bool,
}

/// The alerts of the same devices around one, in order of time.
pub(crate) fn around(names: &Names<'_>, row: &AlertRow) -> Result<Vec<AlertRow>, ViewError> {
    let reader = names.reader();
    let from = row.first_detection.plus(-RELATED_WINDOW);
    let to = row.last_detection.plus(RELATED_WINDOW);
    let mut near = Vec::new();
    for (number, first) in
        reader.alerts_around(&peers(row).cloned().collect::<Vec<_>>(), row.first_detection, from, to)?
    {
        if number != row.number {
            near.push((first.since(row.first_detection).abs(), number));
        }
    }
    near.sort_unstable();
    near.truncate(RELATED_LIMIT);
    let mut found = Vec::with_capacity(near.len());
    for (_, number) in near {
        found.extend(reader.alert(number)?);
    }
    found.sort_by_key(|alert| (alert.first_detection, alert.number));
    Ok(found)
}

fn same(a: &Peer, b: &Peer) -> bool {
    match (a.device, b.device) {
        (Some(a), Some(b)) => a == b,
        _ => a.ip.is_some() && a.ip == b.ip && a.sub == b.sub,
    }
}

/// What is told of a related alert.
pub(crate) fn view(names: &Names<'_>, row: &AlertRow, other: AlertRow) -> Result<RelatedView, ViewError> {
    let mut shared = Vec::new();
    for (ours, our_list) in [("source", &row.sources), ("destination", &row.destinations)] {
        for (theirs, their_list) in [("source", &other.sources), ("destination", &other.destinations)] {
            if our_list.iter().any(|a| their_list.iter().any(|b| same(a, b))) {
                shared.push(format!("{ours} is {theirs}"));
            }
        }
    }
    Ok(RelatedView {
        expected: other.expected,
        tickets: tickets(names, windows(&other))?,
        title: title(catalogue::by_id(&other.kind), &other.kind),
        severity: other.severity.as_str().to_owned(),
        status: other.status.as_str().to_owned(),
        first_detection: time(other.first_detection),
        offset_seconds: other.first_detection.since(row.first_detection).div_euclid(SECOND),
        tactics: tactics(&other.techniques).iter().map(|tactic| tactic.id.to_owned()).collect(),
        techniques: other.techniques,
        id: other.id,
        kind: other.kind,
        shared,
    })
}

/// The maintenance windows in which violations of an alert lay.
fn windows(row: &AlertRow) -> impl Iterator<Item = u32> {
    row.shares.iter().map(|share| share.window)
}

/// Alerts of one type by one source.
struct Group<'a> {
    first: &'a AlertRow,
    alerts: u32,
    expected: bool,
    windows: Vec<u32>,
    sources: Vec<&'a Peer>,
    destinations: Vec<&'a Peer>,
    this: bool,
    /// The group before that it hangs on, and the device that both share.
    after: Option<(usize, &'a Peer)>,
}

/// The chain that an alert may be a part of: what came before it and what followed, as far as one device hands over to the
/// next. Each step hangs on the latest one before it in which its source took part, else its destination.
pub(crate) fn chain(names: &Names<'_>, row: &AlertRow, related: &[AlertRow]) -> Result<Vec<ChainStep>, ViewError> {
    let mut all: Vec<&AlertRow> = related.iter().chain([row]).collect();
    all.sort_by_key(|alert| (alert.first_detection, alert.number));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for alert in all {
        let this = alert.number == row.number;
        let by = |group: &&mut Group<'_>| {
            group.first.kind == alert.kind
                && match (group.first.sources.first(), alert.sources.first()) {
                    (Some(a), Some(b)) => same(a, b),
                    (None, None) => {
                        group.first.destinations.iter().any(|a| alert.destinations.iter().any(|b| same(a, b)))
                    }
                    _ => false,
                }
        };
        match groups.iter_mut().find(by) {
            Some(group) => {
                group.alerts += 1;
                group.expected &= alert.expected;
                group.windows.extend(windows(alert));
                group.this |= this;
                group.sources.extend(&alert.sources);
                group.destinations.extend(&alert.destinations);
            }
            None => groups.push(Group {
                first: alert,
                alerts: 1,
                expected: alert.expected,
                windows: windows(alert).collect(),
                sources: alert.sources.iter().collect(),
                destinations: alert.destinations.iter().collect(),
                this,
                after: None,
            }),
        }
    }
    link(&mut groups);
    let kept = connected(&groups);
    steps(names, row, &groups, &kept)
}

fn link(groups: &mut [Group<'_>]) {
    for at in 1..groups.len() {
        let (before, rest) = groups.split_at_mut(at);
        let Some(group) = rest.first_mut() else { continue };
        let source = before.iter().enumerate().rev().find_map(|(place, earlier)| {
            let took_part = earlier.sources.iter().chain(&earlier.destinations);
            let shared = group.first.sources.iter().find(|peer| took_part.clone().any(|other| same(peer, other)))?;
            Some((place, shared))
        });
        group.after = source.or_else(|| {
            before.iter().enumerate().rev().find_map(|(place, earlier)| {
                let met =
                    group.first.destinations.iter().find(|peer| earlier.destinations.iter().any(|b| same(peer, b)))?;
                Some((place, met))
            })
        });
    }
}

/// The groups that lead to the alert shown, and those that follow from it; where these are too many, the most urgent.
fn connected(groups: &[Group<'_>]) -> Vec<usize> {
    let Some(own) = groups.iter().position(|group| group.this) else { return Vec::new() };
    let mut kept = vec![own];
    let mut next = groups.get(own).and_then(|group| group.after);
    while let Some((place, _)) = next {
        kept.push(place);
        next = groups.get(place).and_then(|group| group.after);
    }
    for (place, group) in groups.iter().enumerate() {
        if place > own && group.after.is_some_and(|(before, _)| kept.contains(&before)) {
            kept.push(place);
        }
    }
    kept.sort_by_key(|&place| {
        let group = groups.get(place);
        (place != own, Reverse(group.map(|group| group.first.severity)), place)
    });
    kept.truncate(STEPS);
    kept.sort_unstable();
    kept
}

fn steps(names: &Names<'_>, row: &AlertRow, groups: &[Group<'_>], kept: &[usize]) -> Result<Vec<ChainStep>, ViewError> {
    let mut chain: Vec<ChainStep> = Vec::with_capacity(kept.len());
    let mut reached = 0;
    let label = |list: &[&Peer]| -> Result<Option<String>, ViewError> {
        let mut different: Vec<&Peer> = Vec::new();
        for &peer in list {
            if different.iter().all(|known| !same(known, peer)) {
                different.push(peer);
            }
        }
        let Some(first) = different.first() else { return Ok(None) };
        let shown = names.peer(first)?.label();
        Ok(Some(match different.len() - 1 {
            0 => shown,
            more => format!("{shown} and {more} more"),
        }))
    };
    for (number, group) in (1..).zip(kept.iter().filter_map(|&place| groups.get(place))) {
        let first = group.first;
        let carried = technique(&first.techniques, reached);
        if let Some((_, tactic)) = carried {
            reached = tactic.order.max(reached);
        }
        // What lies between was left out: it hangs on the next one before that is told.
        let mut after = group.after;
        while let Some((before, _)) = after
            && !kept.contains(&before)
        {
            after = groups.get(before).and_then(|group| group.after);
        }
        let shared = after.map(|(_, peer)| names.peer(peer)).transpose()?.map(|peer| peer.label());
        let after = after.and_then(|(before, _)| kept.iter().position(|&place| place == before));
        chain.push(ChainStep {
            step: number,
            id: if group.this { row.id.clone() } else { first.id.clone() },
            kind: first.kind.clone(),
            title: title(catalogue::by_id(&first.kind), &first.kind),
            severity: first.severity.as_str().to_owned(),
            first_detection: time(first.first_detection),
            offset_seconds: first.first_detection.since(row.first_detection).div_euclid(SECOND),
            alerts: group.alerts,
            expected: group.expected,
            tickets: tickets(names, group.windows.iter().copied())?,
            source: label(&group.sources)?,
            destination: label(&group.destinations)?,
            technique: carried.map(|(id, _)| id.to_owned()),
            tactic: carried.map(|(_, tactic)| tactic.into()),
            after: after.and_then(|place| u32::try_from(place + 1).ok()),
            shared,
            this: group.this,
        });
    }
    Ok(chain)
}

/// The technique that leads on: of those listed the one whose tactic comes next in the matrix from `reached` on, else the
/// first one listed with its first tactic.
fn technique(ids: &[String], reached: u8) -> Option<(&str, &'static Tactic)> {
    let all = ids.iter().filter_map(|id| Some((id.as_str(), attack::technique(id)?)));
    let pairs = all.flat_map(|(id, technique)| {
        technique.tactics.iter().filter_map(|tactic| attack::tactic(tactic)).map(move |tactic| (id, tactic))
    });
    let pairs: Vec<_> = pairs.collect();
    let onward = pairs.iter().filter(|(_, tactic)| tactic.order >= reached).min_by_key(|(_, tactic)| tactic.order);
    onward.or(pairs.first()).copied()
}

/// The tactics of a chain in its order, each time one is new in a row.
pub(crate) fn path(chain: &[ChainStep]) -> Vec<TacticView> {
    let mut path: Vec<TacticView> = Vec::new();
    for tactic in chain.iter().filter_map(|step| step.tactic.as_ref()) {
        if path.last().is_none_or(|last| last.id != tactic.id) {
            path.push(tactic.clone());
        }
    }
    path
}
