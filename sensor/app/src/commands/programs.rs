//! `programs list`, `programs show` and `programs diff`.

use super::{moment, reader};
use crate::cli::{ProgramsDiffArgs, ProgramsListArgs, ProgramsShowArgs};
use crate::exit::{Exit, Failure};
use crate::output::{Output, Style, Text, short_time, yes};
use ot_store::read::ProgramQuery;
use ot_views::program::{ProgramLine, program, program_diff, programs};
use ot_views::{Names, PeerView, find_devices};

/// Bytes a line of a dump.
const WIDTH: usize = 16;
/// Bytes of a version that are shown; `--json` gives all that are kept.
const SHOWN: usize = 256;
const LEFT: usize = 14;

pub fn list(output: &mut Output, args: &ProgramsListArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let names = Names::new(&reader);
    let mut devices = Vec::new();
    for device in &args.device {
        devices.extend(find_devices(&reader, device)?);
    }
    let mut found = programs(
        &names,
        &ProgramQuery {
            numbers: Vec::new(),
            devices,
            protocols: args.protocol.clone(),
            name: args.name.clone(),
            sha256: args.sha256.clone(),
            since: moment(&reader, args.since)?,
            bytes: false,
        },
    )?;
    if args.current {
        found.retain(|version| version.current);
    }
    found.truncate(args.limit.map_or(usize::MAX, |limit| limit as usize));
    if found.is_empty() {
        return Err(Failure::not_found(format!(
            "nothing found: no program block in {} meets these conditions",
            reader.path().display()
        ))
        .into());
    }
    if args.output.json {
        for version in &found {
            output.json(version)?;
        }
        return Ok(Exit::Done);
    }
    table(output, &found, true, 0)?;
    Ok(Exit::Done)
}

/// The versions as a table, with or without the device that they belong to.
pub(super) fn table(output: &mut Output, list: &[ProgramLine], device: bool, indent: usize) -> anyhow::Result<()> {
    const HEADER: [&str; 10] =
        ["VERSION", "DEVICE", "BLOCK", "BYTES", "SHA-256", "CURRENT", "READ", "WRITTEN", "BY", "LAST SEEN"];
    let kept = |title: &str| device || title != "DEVICE";
    let header: Vec<&str> = HEADER.into_iter().filter(|title| kept(title)).collect();
    let rows = list
        .iter()
        .map(|version| {
            HEADER.into_iter().zip(row(version)).filter(|(title, _)| kept(title)).map(|(_, cell)| cell).collect()
        })
        .collect();
    output.table(&header, rows, indent)?;
    Ok(())
}

fn row(version: &ProgramLine) -> Vec<Text> {
    let state = match (version.current, version.complete, version.accepted) {
        (_, false, _) => Text::styled("not whole", Style::Yellow),
        (_, _, false) => Text::styled("refused", Style::Yellow),
        (true, ..) => "yes".into(),
        _ => "no".into(),
    };
    let mut who: Vec<String> = Vec::new();
    for peer in version.writers.iter().chain(&version.readers) {
        let label = peer.label();
        if !who.contains(&label) {
            who.push(label);
        }
    }
    vec![
        version.version.into(),
        version.device.as_str().into(),
        version.name.as_str().into(),
        version.length.into(),
        version.sha256.get(..12).unwrap_or_default().into(),
        state,
        version.read.into(),
        version.written.into(),
        who.join(", ").into(),
        short_time(&version.last_seen).into(),
    ]
}

pub fn show(output: &mut Output, args: &ProgramsShowArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let story = program(&Names::new(&reader), args.number)?;
    if args.output.json {
        output.json(&story)?;
        return Ok(Exit::Done);
    }
    let line = &story.line;
    let title = output.paint(&format!("{} {}", line.kind, line.name), Style::Bold);
    output.line(&format!("{title}   version {}   of {}, device {}", line.version, line.device, line.device_id))?;
    output.line("")?;
    let whole = if line.complete { "" } else { ", not all of them seen" };
    output.paragraph("Length", LEFT, &format!("{} bytes{whole}", line.length))?;
    output.paragraph("SHA-256", LEFT, &line.sha256)?;
    output.paragraph("Protocol", LEFT, &line.protocol)?;
    output.paragraph("Seen", LEFT, &format!("{} to {}", line.first_seen, line.last_seen))?;
    for (label, frame) in [("First frame", &line.first_frame), ("Last frame", &line.last_frame)] {
        if let Some(frame) = frame {
            output.paragraph(label, LEFT, &format!("{} of {}", frame.number, frame.file))?;
        }
    }
    for (label, count, peers) in [("Written", line.written, &line.writers), ("Read", line.read, &line.readers)] {
        if count > 0 {
            let by: Vec<String> = peers.iter().map(PeerView::label).collect();
            let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
            output.paragraph(label, LEFT, &format!("{times}, by {}", by.join(", ")))?;
        }
    }
    output.paragraph("Accepted", LEFT, yes(line.accepted))?;
    output.paragraph("Current", LEFT, if line.current { "yes: the last one known of this block" } else { "no" })?;
    if let Some(previous) = line.previous {
        output.paragraph("Before it", LEFT, &format!("version {previous} (`programs diff {}`)", line.version))?;
    }
    if !story.attributes.is_empty() {
        output.heading("What its header says")?;
        let rows = story
            .attributes
            .iter()
            .map(|attribute| vec![attribute.name.as_str().into(), attribute.value.as_str().into()])
            .collect();
        output.table(&["FIELD", "VALUE"], rows, 2)?;
    }
    match &story.bytes {
        Some(bytes) => {
            output.heading("Bytes")?;
            dump(output, bytes.get(..2 * SHOWN).unwrap_or(bytes), 0)?;
            let more = (story.bytes_kept).saturating_sub(SHOWN as u64);
            if more > 0 {
                output.paragraph("", 2, &format!("and {more} more; --json gives all"))?;
            }
        }
        None => output.paragraph("Bytes", LEFT, "no longer kept")?,
    }
    Ok(Exit::Done)
}

pub fn diff(output: &mut Output, args: &ProgramsDiffArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let diff = program_diff(&Names::new(&reader), args.first, args.second)?;
    let exit = if diff.equal { Exit::Done } else { Exit::NotFound };
    if args.output.json {
        output.json(&diff)?;
        return Ok(exit);
    }
    for (label, line) in [("Before", &diff.before), ("After", &diff.after)] {
        let text = format!(
            "version {} of {} {} in {}, {} bytes, last seen {}",
            line.version, line.kind, line.name, line.device, line.length, line.last_seen
        );
        output.paragraph(label, LEFT, &text)?;
    }
    let result = if diff.equal { "equal: the same SHA-256" } else { "they differ" };
    output.paragraph("Content", LEFT, result)?;
    if !diff.attributes.is_empty() {
        output.heading("Their headers differ")?;
        let cell = |value: &Option<String>| Text::from(value.as_deref().unwrap_or("-"));
        let rows = diff
            .attributes
            .iter()
            .map(|attribute| vec![attribute.name.as_str().into(), cell(&attribute.before), cell(&attribute.after)])
            .collect();
        output.table(&["FIELD", "BEFORE", "AFTER"], rows, 2)?;
    }
    match (diff.bytes, diff.offset) {
        (Some(bytes), Some(offset)) => {
            let count = if bytes == 1 { "1 byte differs".to_owned() } else { format!("{bytes} bytes differ") };
            output.heading(&format!("{count}, the first at offset {offset} ({offset:#x})"))?;
            for (label, bytes) in [("before", &diff.bytes_before), ("after", &diff.bytes_after)] {
                output.paragraph("", 2, label)?;
                dump(output, bytes.as_deref().unwrap_or_default(), offset)?;
            }
        }
        _ if !diff.equal => output.paragraph("Bytes", LEFT, "the bytes that differ are not kept")?,
        _ => {}
    }
    Ok(exit)
}

/// Bytes given in hexadecimal digits, 16 a line, each with the offset of its first.
fn dump(output: &mut Output, digits: &str, from: u64) -> anyhow::Result<()> {
    if digits.is_empty() {
        return Ok(output.line("    (ends here)")?);
    }
    let bytes: Vec<&str> = (0..digits.len()).step_by(2).filter_map(|at| digits.get(at..at + 2)).collect();
    for (line, row) in (0_u64..).zip(bytes.chunks(WIDTH)) {
        output.line(&format!("    {:06x}  {}", from + line * WIDTH as u64, row.join(" ")))?;
    }
    Ok(())
}
