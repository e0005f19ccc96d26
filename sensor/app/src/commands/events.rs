//! `events list`.

use super::{moment, reader};
use crate::cli::EventsListArgs;
use crate::exit::{Exit, Failure};
use crate::output::{Output, short_time};
use ot_store::read::EventQuery;
use ot_views::{EventLine, Names, events, find_devices};

/// What happened; of an alert whether it is expected.
fn what(event: &EventLine) -> String {
    match (event.expected, event.tickets.as_slice()) {
        (_, []) => event.text.clone(),
        (true, tickets) => format!("{} (expected, {})", event.text, tickets.join(" ")),
        (false, tickets) => format!("{} (partly expected, {})", event.text, tickets.join(" ")),
    }
}

pub fn list(output: &mut Output, args: &EventsListArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let names = Names::new(&reader);
    let mut devices = Vec::new();
    for device in &args.device {
        devices.extend(find_devices(&reader, device)?);
    }
    // Of many the newest are wanted, yet read in order of time.
    let mut found = events(
        &names,
        &EventQuery {
            since: moment(&reader, args.since)?,
            until: moment(&reader, args.until)?,
            kinds: args.kind.clone(),
            devices,
            protocols: args.protocol.clone(),
            text: args.text.clone(),
            newest_first: true,
            limit: args.limit,
        },
    )?;
    found.reverse();
    if found.is_empty() {
        return Err(Failure::not_found(format!(
            "nothing found: no event in {} meets these conditions",
            reader.path().display()
        ))
        .into());
    }
    if args.output.json {
        for event in &found {
            output.json(event)?;
        }
        return Ok(Exit::Done);
    }
    let rows = found
        .iter()
        .map(|event| {
            vec![
                short_time(&event.time).into(),
                event.kind.as_str().into(),
                event.source.as_deref().unwrap_or_default().into(),
                event.destination.as_deref().unwrap_or_default().into(),
                what(event).into(),
                event.alert.as_deref().and_then(|id| id.get(..8)).unwrap_or_default().into(),
            ]
        })
        .collect();
    output.table(&["TIME", "KIND", "SOURCE", "DESTINATION", "WHAT", "ALERT"], rows, 0)?;
    Ok(Exit::Done)
}
