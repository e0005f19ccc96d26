//! `catalogue`: the alert types, and what of ATT&CK for ICS they can tell of.

use crate::cli::{CatalogueCommand, OutputArgs, unknown};
use crate::exit::{Exit, Failure};
use crate::output::{Output, Style, Text};
use ot_engine::{attack, catalogue};
use ot_views::catalogue::{TypeView, coverage, types};
use std::path::Path;

pub fn run(output: &mut Output, command: Option<CatalogueCommand>) -> anyhow::Result<Exit> {
    match command.unwrap_or(CatalogueCommand::List(OutputArgs::default())) {
        CatalogueCommand::List(args) => list(output, args),
        CatalogueCommand::Show(args) => show(output, &args.id, args.output),
        CatalogueCommand::Attack(args) => attack_coverage(output, args.all, args.output),
        CatalogueCommand::Navigator(args) => navigator(output, args.output.as_deref()),
    }
}

/// The layer of ATT&CK Navigator, into a file or to standard output.
pub fn navigator(output: &mut Output, file: Option<&Path>) -> anyhow::Result<Exit> {
    let layer = ot_views::navigator::layer();
    let text = serde_json::to_string_pretty(&layer)?;
    match file {
        Some(path) if path.as_os_str() != "-" => {
            std::fs::write(path, text + "\n").map_err(|error| {
                Failure::usage(format!(
                    "cannot write {}: {error}; name a file in a folder that is there",
                    path.display()
                ))
            })?;
            output.line(&format!("layer of ATT&CK Navigator: {}", path.display()))?;
        }
        _ => output.line(&text)?,
    }
    Ok(Exit::Done)
}

fn list(output: &mut Output, args: OutputArgs) -> anyhow::Result<Exit> {
    let types = types();
    if args.json {
        for kind in &types {
            output.json(kind)?;
        }
        return Ok(Exit::Done);
    }
    let rows = types
        .iter()
        .map(|kind| {
            vec![
                kind.id.into(),
                kind.title.into(),
                kind.engine.into(),
                Text::styled(kind.severity, Style::of_severity(kind.severity)),
                crate::output::yes(kind.learnable).into(),
                techniques(kind).into(),
            ]
        })
        .collect();
    output.table(&["ID", "TITLE", "ENGINE", "SEVERITY", "LEARNABLE", "ATT&CK"], rows, 0)?;
    Ok(Exit::Done)
}

fn techniques(kind: &TypeView) -> String {
    if kind.techniques_by_operation { "by operation".to_owned() } else { kind.techniques.join(" ") }
}

fn show(output: &mut Output, id: &str, args: OutputArgs) -> anyhow::Result<Exit> {
    let kind = catalogue::by_id(id).map(TypeView::from).ok_or_else(|| {
        let problem = unknown(id, catalogue::all().iter().map(|kind| kind.id));
        Failure::not_found(format!("alert type {problem}"))
    })?;
    if args.json {
        output.json(&kind)?;
        return Ok(Exit::Done);
    }
    let severity = output.paint(&kind.severity.to_uppercase(), Style::of_severity(kind.severity));
    let title = output.paint(kind.title, Style::Bold);
    output.line(&format!("{title}   {severity}"))?;
    output.line(&format!("{} · {} · {}", kind.id, kind.engine, kind.category))?;
    output.line("")?;
    const LEFT: usize = 14;
    output.paragraph("Sees", LEFT, kind.sees)?;
    let protocols = if kind.protocols.is_empty() { "any".to_owned() } else { kind.protocols.join(", ") };
    output.paragraph("Protocols", LEFT, &protocols)?;
    output.paragraph("Folds by", LEFT, &kind.aggregate_by.join(", "))?;
    match (kind.threshold_count, kind.threshold_seconds) {
        (Some(0), Some(seconds)) => output.paragraph("Threshold", LEFT, &format!("silence for {seconds} s"))?,
        (Some(count), Some(0)) => output.paragraph("Threshold", LEFT, &count.to_string())?,
        (Some(count), Some(seconds)) => {
            output.paragraph("Threshold", LEFT, &format!("{count} within {seconds} s"))?;
        }
        _ => {}
    }
    output.paragraph("Learnable", LEFT, if kind.learnable { "yes" } else { "no" })?;
    if kind.needs_baseline {
        output.paragraph("Learning", LEFT, "silent while learning")?;
    }
    if !kind.default_on {
        output.paragraph("Default", LEFT, "off; the configuration turns it on")?;
    }
    if kind.techniques_by_operation {
        output.paragraph("ATT&CK", LEFT, "by the operation that caused it")?;
    }
    if kind.techniques_by_rule {
        output.paragraph("ATT&CK", LEFT, "as the rule says")?;
    }
    let mut first = "ATT&CK";
    for id in &kind.techniques {
        let technique = ot_views::alert::technique(id);
        output.paragraph(first, LEFT, &format!("{} {}  {}", technique.id, technique.name, technique.url))?;
        first = "";
    }
    for (heading, text) in [
        ("Why it matters", kind.why_it_matters),
        ("Evidence", kind.evidence),
        ("Usual false alarms", kind.false_alarms),
    ] {
        output.heading(heading)?;
        output.paragraph("", 2, text)?;
    }
    output.heading("What to do")?;
    for (number, step) in (1..).zip(&kind.remediation) {
        output.paragraph(&format!("  {number}."), 5, step)?;
    }
    Ok(Exit::Done)
}

fn attack_coverage(output: &mut Output, all: bool, args: OutputArgs) -> anyhow::Result<Exit> {
    let rows = coverage();
    let shown = rows.iter().filter(|row| all || row.covered());
    if args.json {
        for row in shown {
            output.json(row)?;
        }
        return Ok(Exit::Done);
    }
    let ids = |covered: bool| -> Vec<&str> {
        let mut ids: Vec<_> = rows.iter().filter(|row| row.covered() == covered).map(|row| row.technique).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let (covered, others) = (ids(true), ids(false));
    output.line(&format!(
        "MITRE ATT&CK for ICS {}: {} of {} techniques can be told",
        attack::VERSION,
        covered.len(),
        attack::techniques().len()
    ))?;
    output.paragraph("Told", 10, &covered.join(" "))?;
    output.paragraph("Not told", 10, &format!("{} (--all says why)", others.join(" ")))?;
    output.line("")?;
    let table = shown
        .map(|row| {
            let by = match (row.types.as_slice(), row.operations.as_slice()) {
                ([], []) => {
                    Text::styled(format!("not told: {}", row.why_not.unwrap_or("nothing here names it")), Style::Faint)
                }
                (types, []) => types.join(", ").into(),
                ([], operations) => format!("operations {}", operations.join(", ")).into(),
                (types, operations) => format!("{}; operations {}", types.join(", "), operations.join(", ")).into(),
            };
            vec![row.tactic.name.as_str().into(), row.technique.into(), row.name.into(), by]
        })
        .collect();
    output.table(&["TACTIC", "TECHNIQUE", "NAME", "TOLD BY"], table, 0)?;
    output.line("")?;
    output.paragraph("", 0, attack::NOTICE)?;
    Ok(Exit::Done)
}
