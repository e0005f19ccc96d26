//! The map of a plant: bounded however large it is, the same each time, and opened group by group.

use anyhow::{Context as _, Result, ensure};
use ot_store::read::Reader;
use ot_tests::store::{Plan, write};
use ot_views::Names;
use ot_views::map::{Grouping, MapQuery, MapView, map};
use std::collections::BTreeSet;
use std::path::Path;

fn of(store: &Path, query: &MapQuery) -> Result<MapView> {
    let reader = Reader::open(store)?;
    Ok(map(&Names::new(&reader), query)?)
}

/// Nothing hangs in the air, and nothing is drawn twice.
fn whole(view: &MapView) -> Result<()> {
    let ids: BTreeSet<&str> = view.nodes.iter().map(|node| node.id.as_str()).collect();
    ensure!(ids.len() == view.nodes.len(), "a node is drawn twice");
    for node in &view.nodes {
        ensure!(view.groups.iter().any(|group| group.key == node.group), "{} stands in no group", node.id);
    }
    for edge in &view.edges {
        ensure!(ids.contains(edge.from.as_str()) && ids.contains(edge.to.as_str()), "{edge:?} ends nowhere");
        ensure!(edge.from != edge.to, "{edge:?} leads to itself");
    }
    let folded: u64 = view.groups.iter().map(|group| group.devices).sum();
    ensure!(folded == view.devices, "{folded} of {} devices stand in groups", view.devices);
    Ok(())
}

#[test]
fn a_large_plant_is_folded_and_opened_by_group() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("plant.db");
    write(&store, Plan { devices: 2_000, alerts: 3_000, ..Plan::default() }, |_| {})?;
    for by in Grouping::ALL {
        let query = MapQuery { by, ..MapQuery::default() };
        let folded = of(&store, &query)?;
        whole(&folded)?;
        ensure!(folded.devices == 2_000 && folded.drawn == 0 && !folded.all_open, "{by:?}: {} drawn", folded.drawn);
        ensure!(folded.nodes.len() <= 70 && folded.edges.len() <= 160, "{by:?}: {} nodes", folded.nodes.len());
        ensure!(folded == of(&store, &query)?, "{by:?}: another map of the same store");
        let key = folded.groups.first().context("no group")?.key.clone();
        let opened = of(&store, &MapQuery { open: vec![key.clone()], ..query.clone() })?;
        whole(&opened)?;
        let group = opened.groups.iter().find(|group| group.key == key).context("the group is gone")?;
        ensure!(group.open && opened.drawn == group.devices.min(120), "{by:?}: {} drawn", opened.drawn);
        let all: Vec<String> = folded.groups.into_iter().map(|group| group.key).collect();
        let opened = of(&store, &MapQuery { open: all, ..query })?;
        whole(&opened)?;
        ensure!(
            opened.drawn <= 300 && opened.nodes.len() <= 370 && opened.edges.len() <= 160,
            "{} drawn",
            opened.drawn
        );
    }
    Ok(())
}

#[test]
fn a_map_is_narrowed_by_what_is_asked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    ot_tests::console::replay(&store, &["benign-polling", "unauthorised-write"])?;
    let all = of(&store, &MapQuery::default())?;
    whole(&all)?;
    ensure!(all.all_open && all.drawn == all.devices && !all.edges.is_empty(), "{all:?}");
    // The attack: a station that the baseline does not know writes to a controller.
    let attack = all.edges.iter().find(|edge| edge.alerts > 0).context("no conversation has an alert")?;
    ensure!(!attack.allowed && attack.severity.is_some(), "{attack:?}");
    ensure!(attack.operations.iter().any(|operation| operation.name.starts_with("Write")), "{attack:?}");
    let alerts = of(&store, &MapQuery { alerts: true, ..MapQuery::default() })?;
    whole(&alerts)?;
    ensure!(alerts.devices < all.devices && alerts.edges.iter().all(|edge| edge.alerts > 0), "{alerts:?}");
    let none = of(&store, &MapQuery { protocols: vec!["dnp3".to_owned()], ..MapQuery::default() })?;
    ensure!(none.nodes.is_empty() && none.edges.is_empty(), "{none:?}");
    let modbus = of(&store, &MapQuery { protocols: vec!["modbus".to_owned()], ..MapQuery::default() })?;
    ensure!(modbus.edges.iter().all(|edge| edge.protocols == ["modbus"]) && !modbus.edges.is_empty(), "{modbus:?}");
    let one = attack.from_device.context("not one device")?;
    let around = of(&store, &MapQuery { devices: vec![ot_engine::model::DeviceId(one)], ..MapQuery::default() })?;
    whole(&around)?;
    ensure!(around.nodes.iter().any(|node| node.own && node.device_id == Some(one)), "{around:?}");
    ensure!(around.edges.iter().all(|edge| edge.from_device == Some(one) || edge.to_device == Some(one)), "{around:?}");
    let late = of(&store, &MapQuery { since: Some(ot_protocol::Timestamp(i64::MAX)), ..MapQuery::default() })?;
    ensure!(late.nodes.is_empty(), "{late:?}");
    Ok(())
}
