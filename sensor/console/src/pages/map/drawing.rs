//! Where things stand on a map, in units of the picture: rows of levels, groups within them, devices within groups. The
//! same map gives the same picture.

use super::super::show;
use ot_views::map::{MapEdge, MapGroup, MapNode, MapView};
use std::collections::BTreeMap;

/// Width of the picture.
const WIDTH: f64 = 1400.0;
/// A device or folded group.
const NODE: (f64, f64) = (186.0, 46.0);
/// Between nodes of a row, and between rows of them.
const GAP: (f64, f64) = (14.0, 40.0);
/// Around the nodes of a group, and its title.
const PAD: f64 = 12.0;
const TITLE: f64 = 24.0;
/// Nodes side by side in an open group.
const ACROSS: usize = 6;
/// Between groups, and between rows of groups.
const BETWEEN: (f64, f64) = (22.0, 64.0);
/// Letters of a name, and of the line under it, that fit into a node.
const NAME: usize = 23;
const LINE: usize = 30;
/// Passes that bring nodes near those they talk with.
const PASSES: usize = 4;

/// A picture.
#[derive(Debug)]
pub struct Drawing {
    /// Units.
    pub width: f64,
    /// Units.
    pub height: f64,
    /// In words, for those who do not see it.
    pub label: String,
    /// Levels.
    pub bands: Vec<Band>,
    /// Open groups.
    pub boxes: Vec<GroupBox>,
    /// Conversations.
    pub lines: Vec<Line>,
    /// Devices and folded groups.
    pub nodes: Vec<Node>,
    /// Whether it stands alone: with its own style, without ways to pages.
    pub alone: bool,
}

/// A level.
#[derive(Debug)]
pub struct Band {
    /// Top.
    pub y: f64,
    /// Height.
    pub height: f64,
    /// In words.
    pub title: String,
}

/// An open group.
#[derive(Debug)]
pub struct GroupBox {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Name.
    pub title: String,
    /// The map with this group folded; empty where it cannot be.
    pub href: String,
}

/// A conversation.
#[derive(Debug)]
pub struct Line {
    /// Path of the curve.
    pub path: String,
    /// `critical`, `major`, `minor`, `warning`, `unknown` (not in the baseline) or `usual`.
    pub class: String,
    /// What is done.
    pub title: String,
    /// Its row in the table, from 1.
    pub row: usize,
    /// Numbers of its nodes, from 0.
    pub ends: (usize, usize),
}

/// A device or folded group.
#[derive(Debug)]
pub struct Node {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Name as it fits.
    pub name: String,
    /// What stands under it.
    pub line: String,
    /// All of it.
    pub title: String,
    /// Its class: `folded`, `own`, `field`, `station` or `other`.
    pub class: &'static str,
    /// Severity of its open alerts, or `some`.
    pub severity: String,
    /// Open alerts.
    pub alerts: String,
    /// Where it leads.
    pub href: String,
}

/// Ways to pages.
pub trait Ways {
    /// The map with a group opened.
    fn open(&self, key: &str) -> String;
    /// The map with a group folded; empty where it cannot be.
    fn fold(&self, key: &str) -> String;
}

struct Item<'a> {
    group: &'a MapGroup,
    nodes: Vec<usize>,
}

/// Draws a map.
pub fn draw(map: &MapView, ways: &dyn Ways, alone: bool) -> Drawing {
    let at: BTreeMap<&str, usize> = map.nodes.iter().zip(0..).map(|(node, at)| (node.id.as_str(), at)).collect();
    let ends: Vec<(usize, usize)> =
        map.edges.iter().filter_map(|edge| Some((*at.get(edge.from.as_str())?, *at.get(edge.to.as_str())?))).collect();
    let mut items: Vec<Item<'_>> = map.groups.iter().map(|group| Item { group, nodes: Vec::new() }).collect();
    for (number, node) in map.nodes.iter().enumerate() {
        if let Some(item) = items.iter_mut().find(|item| item.group.key == node.group) {
            item.nodes.push(number);
        }
    }
    items.retain(|item| !item.nodes.is_empty());
    let mut drawing = place(map, &items, ways);
    for _ in 0..PASSES {
        if !nearer(&mut items, &drawing, &ends) {
            break;
        }
        drawing = place(map, &items, ways);
    }
    drawing.lines = map
        .edges
        .iter()
        .zip(1..)
        .filter_map(|(edge, row)| {
            let ends = (*at.get(edge.from.as_str())?, *at.get(edge.to.as_str())?);
            Some(line(edge, drawing.nodes.get(ends.0)?, drawing.nodes.get(ends.1)?, ends, row))
        })
        .collect();
    // Those that matter are drawn last, over the others.
    drawing.lines.reverse();
    drawing.alone = alone;
    drawing
}

/// Orders the nodes of groups that stand in one row by where those they talk with stand. Whether anything moved.
fn nearer(items: &mut [Item<'_>], drawing: &Drawing, ends: &[(usize, usize)]) -> bool {
    let middle = |at: &usize| drawing.nodes.get(*at).map_or(0.0, |node| node.x + node.width / 2.0);
    let mut moved = false;
    for item in items.iter_mut().filter(|item| item.nodes.len() > 1 && item.nodes.len() <= ACROSS) {
        let mut order: Vec<(f64, usize)> = Vec::with_capacity(item.nodes.len());
        for node in &item.nodes {
            let others: Vec<f64> = ends
                .iter()
                .filter_map(|(from, to)| match (from == node, to == node) {
                    (true, false) => Some(middle(to)),
                    (false, true) => Some(middle(from)),
                    _ => None,
                })
                .collect();
            #[allow(clippy::cast_precision_loss)]
            let mean = if others.is_empty() { middle(node) } else { others.iter().sum::<f64>() / others.len() as f64 };
            order.push((mean, *node));
        }
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let sorted: Vec<usize> = order.into_iter().map(|(_, node)| node).collect();
        moved |= sorted != item.nodes;
        item.nodes = sorted;
    }
    moved
}

#[allow(clippy::cast_precision_loss)]
fn place(map: &MapView, items: &[Item<'_>], ways: &dyn Ways) -> Drawing {
    let mut drawing = Drawing {
        width: WIDTH,
        height: 0.0,
        label: label(map),
        bands: Vec::new(),
        boxes: Vec::new(),
        lines: Vec::new(),
        nodes: Vec::new(),
        alone: false,
    };
    let mut placed: Vec<Option<Node>> = map.nodes.iter().map(|_| None).collect();
    let mut y = 8.0;
    let mut rest = items;
    while let Some(first) = rest.first() {
        let band = &first.group.band;
        let (here, after) = rest.split_at(rest.iter().take_while(|item| item.group.band == *band).count());
        rest = after;
        let top = y;
        y += if band.is_empty() { 8.0 } else { 34.0 };
        for row in rows(here) {
            let all: f64 = row.iter().map(|item| size(item).0).sum::<f64>() + BETWEEN.0 * (row.len() - 1) as f64;
            let tallest = row.iter().map(|item| size(item).1).fold(0.0, f64::max);
            let mut x = ((WIDTH - all) / 2.0).max(8.0);
            for item in row {
                let (width, _) = size(item);
                group(map, item, (x, y), ways, &mut drawing, &mut placed);
                x += width + BETWEEN.0;
            }
            y += tallest + BETWEEN.1;
        }
        if !band.is_empty() {
            drawing.bands.push(Band { y: top, height: y - top - BETWEEN.1 / 2.0, title: band.clone() });
        }
    }
    drawing.height = (y - BETWEEN.1 / 2.0).max(80.0);
    drawing.nodes = placed.into_iter().flatten().collect();
    drawing
}

/// Groups side by side, as many as fit.
fn rows<'a, 'b>(items: &'b [Item<'a>]) -> Vec<&'b [Item<'a>]> {
    let mut rows = Vec::new();
    let (mut start, mut width) = (0, 0.0);
    for (at, item) in items.iter().enumerate() {
        let own = size(item).0;
        if at > start && width + BETWEEN.0 + own > WIDTH - 16.0 {
            rows.extend(items.get(start..at));
            (start, width) = (at, 0.0);
        }
        width += own + if at > start { BETWEEN.0 } else { 0.0 };
    }
    rows.extend(items.get(start..).filter(|row| !row.is_empty()));
    rows
}

#[allow(clippy::cast_precision_loss)]
fn size(item: &Item<'_>) -> (f64, f64) {
    if !item.group.open {
        return (NODE.0, NODE.1 + TITLE);
    }
    let across = item.nodes.len().min(ACROSS) as f64;
    let down = item.nodes.len().div_ceil(ACROSS) as f64;
    (across * NODE.0 + (across - 1.0) * GAP.0 + 2.0 * PAD, down * NODE.1 + (down - 1.0) * GAP.1 + TITLE + PAD + 4.0)
}

#[allow(clippy::cast_precision_loss)]
fn group(
    map: &MapView,
    item: &Item<'_>,
    (x, y): (f64, f64),
    ways: &dyn Ways,
    drawing: &mut Drawing,
    placed: &mut [Option<Node>],
) {
    let open = item.group.open;
    if open {
        let (width, height) = size(item);
        let href = if map.all_open { String::new() } else { ways.fold(&item.group.key) };
        let letters = (item.nodes.len().min(ACROSS) * 26).max(24);
        drawing.boxes.push(GroupBox { x, y, width, height, title: cut(&item.group.title, letters), href });
    }
    for (number, at) in item.nodes.iter().enumerate() {
        let (column, row) = ((number % ACROSS) as f64, (number / ACROSS) as f64);
        let (left, top) = if open {
            (x + PAD + column * (NODE.0 + GAP.0), y + TITLE + 4.0 + row * (NODE.1 + GAP.1))
        } else {
            (x, y + TITLE / 2.0)
        };
        if let (Some(node), Some(place)) = (map.nodes.get(*at), placed.get_mut(*at)) {
            *place = Some(draw_node(node, item.group, left, top, ways));
        }
    }
}

fn draw_node(node: &MapNode, group: &MapGroup, x: f64, y: f64, ways: &dyn Ways) -> Node {
    let role = node.role.as_deref().map(show::word).filter(|role| role != "unknown");
    let line = match &role {
        Some(role) if node.address != node.name => format!("{} · {role}", node.address),
        Some(role) => role.clone(),
        None if node.device_id.is_some() && node.address == node.name => "role not known".to_owned(),
        None => node.address.clone(),
    };
    let alerts = if node.open_alerts > 0 { show::plural(&node.open_alerts, "open alert") } else { String::new() };
    let mut title = format!("{} ({line})", node.name);
    if node.device_id.is_none() && group.inside > 0 {
        title.push_str(&format!("; {} within", show::plural(&group.inside, "conversation")));
    }
    if !alerts.is_empty() {
        title.push_str(&format!("; {alerts}"));
    }
    let (href, class) = match node.device_id {
        Some(id) => (format!("/devices/{id}"), class(node)),
        None if group.open => (String::new(), "folded"),
        None if group.can_open => (ways.open(&group.key), "folded"),
        None => (String::new(), "folded"),
    };
    Node {
        x,
        y,
        width: NODE.0,
        height: NODE.1,
        name: cut(&node.name, NAME),
        line: cut(&line, LINE),
        title,
        class,
        severity: node.severity.clone().unwrap_or_else(|| "some".to_owned()),
        alerts: if node.open_alerts > 0 { show::number(&node.open_alerts) } else { String::new() },
        href,
    }
}

fn class(node: &MapNode) -> &'static str {
    match node.role.as_deref() {
        _ if node.own => "own",
        Some("controller" | "outstation" | "gateway") => "field",
        Some("hmi" | "master" | "engineering-station") => "station",
        _ => "other",
    }
}

/// What a conversation is, in one text: for the pointer, and for those who hear it.
pub fn told(edge: &MapEdge) -> String {
    let mut text = format!("{} asks {}", edge.from_name, edge.to_name);
    if edge.pairs > 1 {
        text.push_str(&format!(" ({} pairs of devices)", show::number(&edge.pairs)));
    }
    let mut parts = Vec::new();
    if !edge.protocols.is_empty() {
        parts.push(edge.protocols.iter().take(6).cloned().collect::<Vec<_>>().join(", "));
    }
    for operation in edge.operations.iter().take(6) {
        let not = if operation.allowed { "" } else { ", not in the baseline" };
        parts.push(format!("{} {}×{not}", operation.name, show::number(&operation.count)));
    }
    if edge.alerts > 0 {
        parts.push(show::plural(&edge.alerts, "open alert"));
    } else if !edge.allowed && edge.operations.iter().all(|operation| operation.allowed) {
        parts.push("not in the baseline".to_owned());
    }
    if !parts.is_empty() {
        text.push_str(": ");
        text.push_str(&parts.join("; "));
    }
    text
}

fn line(edge: &MapEdge, from: &Node, to: &Node, ends: (usize, usize), row: usize) -> Line {
    // The two directions do not lie on each other.
    let side = if (from.x, from.y) <= (to.x, to.y) { -7.0 } else { 7.0 };
    let (fx, tx) = (from.x + from.width / 2.0 + side, to.x + to.width / 2.0 + side);
    let path = if (from.y - to.y).abs() < NODE.1 {
        // Side by side: over the nodes between them.
        let rise = 14.0 + ((fx - tx).abs() / 14.0).min(26.0);
        format!("M{fx:.0} {0:.0} C{fx:.0} {1:.0} {tx:.0} {1:.0} {tx:.0} {0:.0}", from.y, from.y - rise)
    } else {
        let (fy, ty) = if from.y < to.y { (from.y + from.height, to.y) } else { (from.y, to.y + to.height) };
        let bend = (ty - fy) * 0.45;
        format!("M{fx:.0} {fy:.0} C{fx:.0} {:.0} {tx:.0} {:.0} {tx:.0} {ty:.0}", fy + bend, ty - bend)
    };
    let class = match &edge.severity {
        Some(severity) => severity.clone(),
        None if !edge.allowed => "unknown".to_owned(),
        None => "usual".to_owned(),
    };
    Line { path, class, title: told(edge), row, ends }
}

fn label(map: &MapView) -> String {
    format!(
        "Map of {} by {}, {} drawn one by one, with {}; the table under it tells the same",
        show::plural(&map.devices, "device"),
        map.by,
        map.drawn,
        show::plural(&u64::try_from(map.edges.len()).unwrap_or(u64::MAX), "conversation")
    )
}

fn cut(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}
