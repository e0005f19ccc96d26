//! `decode --fields` documents every field that `decode` prints, on the fixtures and on the captures beside the project.

use anyhow::{Context as _, Result};
use ot_tests::sensor::{capture, corpus, fixtures, lines, sensor};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_field_that_is_printed_is_documented() -> Result<()> {
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in lines(sensor().args(["decode", "--fields", "--json"]))? {
        let text = |key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned).context("a row without text");
        assert!(!text("meaning")?.is_empty(), "{row} has no meaning");
        documented.entry(text("protocol")?).or_default().insert(text("field")?);
    }
    let common = documented.remove("any").context("no common fields")?;
    let mut printed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in captures()? {
        print(&mut printed, sensor().args(["decode", "--json"]).arg(&file))?;
    }
    // Companions are decoded where they are asked for.
    let companions: Vec<&String> = documented.keys().filter(|protocol| !printed.contains_key(*protocol)).collect();
    for companion in companions {
        for (folder, expected) in fixtures(".")? {
            let file = capture(&folder, &expected);
            print(&mut printed, sensor().args(["decode", "--json", "--protocol", companion]).arg(&file))?;
        }
        if let (false, Some(corpus)) = (printed.contains_key(companion), corpus()) {
            let mut files = Vec::new();
            find(&corpus, &mut files)?;
            for file in files {
                print(&mut printed, sensor().args(["decode", "--json", "--protocol", companion]).arg(&file))?;
                if printed.contains_key(companion) {
                    break;
                }
            }
        }
    }
    let mut missing = Vec::new();
    for (protocol, fields) in &printed {
        let own = documented.get(protocol).with_context(|| format!("{protocol} has no table of fields"))?;
        let unknown = fields.iter().filter(|name| !own.contains(*name) && !common.contains(*name));
        missing.extend(unknown.map(|name| format!("{protocol}: {name}")));
        println!("{protocol}: {} of {} documented fields printed", fields.intersection(own).count(), own.len());
    }
    assert!(missing.is_empty(), "printed, but not in `decode --fields`: {missing:#?}");
    for protocol in documented.keys() {
        // Without the corpus there is no capture with TLS.
        let needed = protocol != "tls" || corpus().is_some();
        assert!(!needed || printed.contains_key(protocol), "no capture with {protocol}");
    }
    Ok(())
}

/// Takes the names of all fields that a command prints.
fn print(printed: &mut BTreeMap<String, BTreeSet<String>>, command: &mut Command) -> Result<()> {
    for message in lines(command)? {
        let protocol = message.get("protocol").and_then(Value::as_str).context("a message without protocol")?;
        let fields = printed.entry(protocol.to_owned()).or_default();
        for name in message.as_object().into_iter().flat_map(|message| message.keys()) {
            if !fields.contains(name) {
                fields.insert(name.clone());
            }
        }
    }
    Ok(())
}

fn captures() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for below in [".", "formats"] {
        files.extend(fixtures(below)?.iter().map(|(folder, expected)| capture(folder, expected)));
    }
    if let Some(corpus) = corpus() {
        find(&corpus, &mut files)?;
    }
    Ok(files)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains(".pcap")) {
            files.push(path);
        }
    }
    Ok(())
}
