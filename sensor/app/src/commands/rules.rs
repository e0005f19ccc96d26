//! `rules`: check, list, try on captures, import, load anew.

use super::triage;
use crate::cli_rules::{RulesCheckArgs, RulesImportArgs, RulesListArgs, RulesReloadArgs, RulesTestArgs};
use crate::config::{Config, read_text};
use crate::exit::{Exit, Failure};
use crate::output::{Output, Style, Text};
use crate::protocols::PROTOCOLS;
use crate::{replay, rules};
use anyhow::Context as _;
use ot_capture::CaptureSet;
use ot_engine::config::Learning;
use ot_engine::detectors::RuleMatch;
use ot_engine::{Action, Engine, Snapshot};
use ot_flow::{FlowConfig, FlowError};
use ot_protocol::FrameRef;
use ot_rules::import::{self, Variables};
use ot_rules::{Rule, RuleSet};
use serde_json::json;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// `rules check`.
pub fn check(output: &mut Output, args: &RulesCheckArgs) -> anyhow::Result<Exit> {
    match rules::read(&args.files)? {
        Ok(set) => {
            if args.output.json {
                output.json(&json!({"rules": set.rules().len(), "problems": []}))?;
                return Ok(Exit::Done);
            }
            for note in notes(&set) {
                output.line(&note)?;
            }
            output.line(&format!("{}: no problem", count(set.rules().len(), "rule")))?;
            Ok(Exit::Done)
        }
        Err(problems) => {
            if args.output.json {
                let list: Vec<_> = problems
                    .iter()
                    .map(|p| json!({"file": &*p.file, "line": p.line, "rule": p.rule, "problem": p.text}))
                    .collect();
                output.json(&json!({"problems": list}))?;
            } else {
                for problem in &problems {
                    output.line(&problem.to_string())?;
                }
                output.line(&count(problems.len(), "problem"))?;
            }
            Ok(Exit::NotFound)
        }
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What is right, but may cost or surprise.
fn notes(set: &RuleSet) -> Vec<String> {
    let wide = |rule: &&Rule| rule.looks_at_all_payload();
    set.rules()
        .iter()
        .filter(wide)
        .map(|rule| {
            format!(
                "{} line {}: rule {:?}: note: no port is named, so the payload of every {} conversation is looked at",
                rule.file,
                rule.line,
                rule.id,
                rule.subject_names().join(" and ").to_uppercase()
            )
        })
        .collect()
}

/// `rules list`.
pub fn list(output: &mut Output, args: &RulesListArgs) -> anyhow::Result<Exit> {
    let files = match (&args.config, args.files.is_empty()) {
        (Some(config), true) => Config::load(config)?.rules,
        (None, true) => return Err(Failure::usage("which rules? name files, or --config").into()),
        _ => args.files.clone(),
    };
    let set = rules::load(&files)?;
    if args.output.json {
        for rule in set.rules() {
            output.json(&json!({
                "id": &*rule.id,
                "title": rule.title,
                "severity": rule.level.as_str(),
                "as": if rule.event { "event" } else { "alert" },
                "looks_at": rule.subject_names(),
                "techniques": rule.techniques,
                "references": rule.references,
                "file": &*rule.file,
                "line": rule.line,
            }))?;
        }
        return Ok(if set.rules().is_empty() { Exit::NotFound } else { Exit::Done });
    }
    if set.rules().is_empty() {
        output.line("no rule is loaded; name files under [rules] in the configuration")?;
        return Ok(Exit::NotFound);
    }
    let rows = set
        .rules()
        .iter()
        .map(|rule| {
            let severity = rule.level.as_str();
            vec![
                rule.id.to_string().into(),
                if rule.event { "event".into() } else { Text::styled(severity, Style::of_severity(severity)) },
                rule.subject_names().join(", ").into(),
                rule.title.clone().into(),
                format!("{}:{}", rule.file, rule.line).into(),
            ]
        })
        .collect();
    output.table(&["RULE", "SEVERITY", "LOOKS AT", "TITLE", "FILE"], rows, 0)?;
    Ok(Exit::Done)
}

/// What must come of a test.
#[derive(Clone, Debug, PartialEq)]
struct Expectation {
    /// The rule; `None`: any.
    rule: Option<String>,
    sign: &'static str,
    number: u64,
    text: String,
}

impl Expectation {
    fn parse(text: &str, set: &RuleSet) -> Result<Self, Failure> {
        if text == "none" {
            return Ok(Self { rule: None, sign: "=", number: 0, text: text.to_owned() });
        }
        let wrong =
            || Failure::usage(format!("--expect {text:?}: write RULE=3, RULE>0, RULE>=2, RULE<5, RULE<=5, or none"));
        let at = text.find(['=', '>', '<']).ok_or_else(wrong)?;
        let (rule, rest) = text.split_at(at);
        let sign =
            [">=", "<=", "==", "=", ">", "<"].into_iter().find(|sign| rest.starts_with(sign)).ok_or_else(wrong)?;
        let number = rest.get(sign.len()..).unwrap_or_default().trim().parse().map_err(|_| wrong())?;
        let rule = rule.trim();
        if set.rule(rule).is_none() {
            let known = set.rules().iter().map(|rule| &*rule.id);
            return Err(Failure::usage(format!("--expect {text:?}: rule {}", crate::cli::unknown(rule, known))));
        }
        Ok(Self { rule: Some(rule.to_owned()), sign, number, text: text.to_owned() })
    }

    fn is_met(&self, counts: &BTreeMap<Arc<str>, u64>) -> (bool, u64) {
        let found = match &self.rule {
            Some(rule) => counts.get(rule.as_str()).copied().unwrap_or(0),
            None => counts.values().sum(),
        };
        let met = match self.sign {
            ">=" => found >= self.number,
            "<=" => found <= self.number,
            ">" => found > self.number,
            "<" => found < self.number,
            _ => found == self.number,
        };
        (met, found)
    }
}

/// `rules test`.
pub fn test(output: &mut Output, args: &RulesTestArgs) -> anyhow::Result<Exit> {
    let mut config = args.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
    let set = rules::load(std::slice::from_ref(&args.rules))?;
    let expectations = args.expect.iter().map(|text| Expectation::parse(text, &set)).collect::<Result<Vec<_>, _>>()?;
    let mut captures = CaptureSet::open(&args.captures).map_err(|error| Failure::input(error.to_string()))?;
    let names: Vec<String> = captures.files().iter().map(|file| file.path.display().to_string()).collect();
    config.engine.rules = Arc::clone(&set);
    config.engine.learning = Learning::Operational;
    let flow = FlowConfig::default();
    rules::watch(&flow.watch, &set);
    let mut engine = Engine::new(config.engine, Snapshot::default());
    engine.keep_rule_matches();
    let mut counts: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    let mut failed = None;
    let mut show = |matches: Vec<RuleMatch>, output: &mut Output| -> anyhow::Result<()> {
        for found in matches {
            let count = counts.entry(Arc::clone(&found.rule)).or_default();
            *count += 1;
            if *count <= u64::from(args.show) || args.output.json {
                show_match(output, &found, &names, args.output.json)?;
            } else if *count == u64::from(args.show) + 1 {
                output.line(&format!("{}: more matches are counted and not shown; --show N shows them", found.rule))?;
            }
        }
        Ok(())
    };
    let result = ot_flow::run(&mut captures, PROTOCOLS, &flow, &mut |facts, _| {
        for (_, fact) in facts {
            engine.apply(fact);
        }
        // What would be stored is not.
        let _ = engine.take_changes();
        match show(engine.take_rule_matches(), output) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    match result {
        Ok(summary) => replay::warn(&summary.warnings),
        Err(FlowError::Capture(error)) => return Err(Failure::input(error.to_string()).into()),
        Err(error) => return Err(error).context("internal error"),
    }
    engine.finish();
    show(engine.take_rule_matches(), output)?;
    if !args.output.json {
        summary(output, &set, &counts)?;
    }
    let mut exit = Exit::Done;
    for expectation in &expectations {
        let (met, found) = expectation.is_met(&counts);
        if args.output.json {
            output.json(&json!({"expected": expectation.text, "found": found, "met": met}))?;
        } else {
            let word = if met { "as expected" } else { "NOT as expected" };
            output.line(&format!("{word}: {} (found {found})", expectation.text))?;
        }
        if !met {
            exit = Exit::NotFound;
        }
    }
    Ok(exit)
}

fn place(frame: FrameRef, names: &[String]) -> String {
    let file = usize::try_from(frame.file()).ok().and_then(|file| names.get(file)).filter(|_| names.len() > 1);
    match file {
        Some(file) => format!("{file} frame {}", frame.number()),
        None => format!("frame {}", frame.number()),
    }
}

fn show_match(output: &mut Output, found: &RuleMatch, names: &[String], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output.json(&json!({
            "rule": &*found.rule,
            "time": found.time.to_string(),
            "frame": found.frame.number(),
            "file": usize::try_from(found.frame.file()).ok().and_then(|file| names.get(file)),
            "count": found.count,
            "source": found.source,
            "destination": found.destination,
            "description": found.description,
            "why": found.why,
        }));
    }
    let place = place(found.frame, names);
    let head = format!("{}  {place}  {} -> {}", found.time, found.source, found.destination);
    output.line(&format!("{}  {head}", output.paint(&found.rule, Style::Bold)))?;
    output.paragraph("", 4, &found.description)?;
    output.paragraph("", 4, &found.why)?;
    Ok(())
}

fn summary(output: &mut Output, set: &RuleSet, counts: &BTreeMap<Arc<str>, u64>) -> anyhow::Result<()> {
    if !counts.is_empty() {
        output.line("")?;
    }
    let rows = set
        .rules()
        .iter()
        .map(|rule| {
            let found = counts.get(&rule.id).copied().unwrap_or(0);
            vec![rule.id.to_string().into(), found.to_string().into(), rule.title.clone().into()]
        })
        .collect();
    output.table(&["RULE", "MATCHES", "TITLE"], rows, 0)?;
    Ok(())
}

/// `rules import`.
pub fn import(output: &mut Output, args: &RulesImportArgs) -> anyhow::Result<Exit> {
    let mut variables = Variables::default();
    let read = |path: &Path| {
        let most = u64::try_from(ot_rules::parse::MOST_BYTES).unwrap_or(u64::MAX);
        read_text(path, most).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
    };
    for path in &args.var_file {
        variables.read(&read(path)?);
    }
    for text in &args.var {
        variables.set(text).map_err(|problem| Failure::usage(format!("--var {problem}")))?;
    }
    let texts = args
        .files
        .iter()
        .map(|path| Ok((path.display().to_string(), read(path)?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    let imported = import::import(&texts, &variables, args.commented);
    // What was converted must be what we read.
    if let Err(problems) = RuleSet::parse(&[("converted".to_owned(), imported.toml.clone())], &rules::vocabulary()) {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        anyhow::bail!("internal error: the converted rules are not right: {first}");
    }
    match &args.output {
        Some(path) => std::fs::write(path, &imported.toml)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?,
        None => output.raw(&imported.toml)?,
    }
    output.finish()?;
    for note in &imported.notes {
        eprintln!("{}", crate::output::clean(&format!("note: {note}")));
    }
    for refused in &imported.refused {
        eprintln!("{}", crate::output::clean(&format!("not converted: {refused}")));
    }
    eprintln!(
        "{} converted, {} not{}",
        count(imported.converted, "rule"),
        imported.refused.len(),
        args.output.as_ref().map(|path| format!("; written to {}", path.display())).unwrap_or_default()
    );
    Ok(if imported.converted == 0 { Exit::NotFound } else { Exit::Done })
}

/// `rules reload`.
pub fn reload(output: &mut Output, args: &RulesReloadArgs) -> anyhow::Result<Exit> {
    triage::one(output, &args.store, &args.who, Action::RulesReload, "from their files")
}
