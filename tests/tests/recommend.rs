//! What is recommended for a device follows from what was seen of it, and only from that.

use anyhow::{Context as _, Result, ensure};
use ot_store::read::Reader;
use ot_tests::console::replay;
use ot_tests::sensor::{sensor, succeed};
use ot_views::Names;
use ot_views::device::{device, find_device};
use ot_views::recommend::Recommendation;
use std::path::Path;

fn of(store: &Path, name: &str) -> Result<Vec<Recommendation>> {
    let reader = Reader::open(store)?;
    Ok(device(&Names::new(&reader), find_device(&reader, name)?)?.recommendations)
}

fn one<'a>(found: &'a [Recommendation], id: &str) -> Option<&'a Recommendation> {
    found.iter().find(|advice| advice.id == id)
}

fn ids(found: &[Recommendation]) -> Vec<&'static str> {
    found.iter().map(|advice| advice.id).collect()
}

#[test]
fn normal_polling_speaks_for_little() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    replay(&store, &["benign-polling"])?;
    let controller = of(&store, "10.20.0.11 unit 1")?;
    ensure!(ids(&controller) == ["no-authentication"], "{controller:#?}");
    let advice = one(&controller, "no-authentication").context("none")?;
    ensure!(advice.title.contains("Modbus") && advice.urgency == "normal", "{advice:#?}");
    ensure!(advice.facts.iter().any(|fact| fact.text.contains("2 devices ask")), "{advice:#?}");
    ensure!(advice.facts.iter().any(|fact| fact.text.contains("10.20.0.20") && fact.entry_id.is_some()), "{advice:#?}");
    // Who only asks needs no advice.
    let hmi = of(&store, "10.20.0.20")?;
    ensure!(hmi.is_empty(), "{hmi:#?}");
    Ok(())
}

#[test]
fn what_was_done_to_a_device_speaks_for_more() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    replay(&store, &["benign-polling", "unauthorised-write", "maintenance-sign-in", "internet"])?;
    let attacked = of(&store, "10.20.0.11")?;
    let masters = one(&attacked, "several-masters").with_context(|| format!("{attacked:#?}"))?;
    ensure!(
        masters.facts.iter().any(|fact| fact.text.contains("10.20.0.66") && fact.text.contains("not in the baseline")),
        "{masters:#?}"
    );
    let clear = one(&attacked, "clear-text-sign-in").with_context(|| format!("{attacked:#?}"))?;
    ensure!(clear.facts.iter().any(|fact| fact.text.contains("signed in to it by ftp")), "{clear:#?}");
    ensure!(one(&attacked, "obsolete").is_some_and(|advice| advice.facts.iter().any(|fact| fact.text.contains("FTP"))));
    ensure!(one(&attacked, "internet-contact").is_none(), "{attacked:#?}");
    let default = of(&store, "10.20.0.12")?.into_iter().chain(attacked).chain(of(&store, "10.20.0.13")?);
    let default: Vec<_> = default.filter(|advice| advice.id == "default-credentials").collect();
    ensure!(!default.is_empty() && default.iter().all(|advice| advice.urgency == "high"), "{default:#?}");
    ensure!(default.iter().all(|advice| advice.facts.iter().all(|fact| fact.alert.is_some())), "{default:#?}");
    let outside = of(&store, "10.20.0.21")?;
    let internet = one(&outside, "internet-contact").with_context(|| format!("{outside:#?}"))?;
    ensure!(
        internet.urgency == "high" && internet.facts.iter().any(|fact| fact.text.contains("93.184.215.14")),
        "{internet:#?}"
    );
    ensure!(ids(&outside).first() == Some(&"internet-contact"), "{outside:#?}");
    // The command line says the same.
    let shown = succeed(sensor().args(["devices", "show", "10.20.0.21", "--store"]).arg(&store))?;
    ensure!(shown.contains("It talks with the internet (high urgency)") && shown.contains("93.184.215.14"), "{shown}");
    Ok(())
}

#[test]
fn secure_authentication_and_obsolete_functions_are_seen() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store.db");
    replay(&store, &["dnp3-benign-polling", "dnp3-authentication", "dnp3-obsolete"])?;
    let reader = Reader::open(&store)?;
    let names = Names::new(&reader);
    let (mut with, mut without, mut obsolete) = (0, 0, 0);
    for found in ot_views::devices(&names, &ot_store::read::DeviceQuery::default())? {
        if !found.server_of.iter().any(|protocol| protocol == "dnp3") {
            continue;
        }
        let story = device(&names, ot_engine::model::DeviceId(found.device_id))?;
        let authenticates = story
            .neighbours
            .iter()
            .filter(|peer| peer.peer_is == "client")
            .any(|peer| peer.functions.iter().any(|function| matches!(function.code, Some(32 | 33 | 131))));
        let bare = one(&story.recommendations, "no-authentication").is_some();
        ensure!(bare != authenticates, "{}: {:#?}", found.name, story.recommendations);
        with += u32::from(authenticates);
        without += u32::from(bare);
        obsolete += u32::from(one(&story.recommendations, "obsolete").is_some());
    }
    ensure!(with > 0 && without > 0 && obsolete > 0, "{with} authenticate, {without} do not, {obsolete} are obsolete");
    Ok(())
}
