//! `devices list`, `devices show` and `points list`.

use super::{moment, reader};
use crate::cli::{DevicesJournalArgs, DevicesListArgs, DevicesShowArgs, PointsListArgs, flat};
use crate::exit::{Exit, Failure};
use crate::output::{Output, Style, Text, short_time, yes};
use ot_engine::context::Field;
use ot_engine::words::codes;
use ot_store::read::{DeviceQuery, JournalQuery, PointQuery};
use ot_views::alert::short_id;
use ot_views::device::{DeviceStory, FunctionView, NeighbourView, RangeView, device, find_device};
use ot_views::{
    DeviceLine, Names, PeerView, devices as devices_view, find_devices, journal as journal_view, points as points_view,
};

pub fn list(output: &mut Output, args: &DevicesListArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let names = Names::new(&reader);
    let mut said = args.said.fields();
    if let Some(authorised) = &args.authorised {
        said.push((Field::Authorised, vec![Field::Authorised.check(authorised).map_err(Failure::usage)?]));
    }
    let found = devices_view(
        &names,
        &DeviceQuery {
            skip: 0,
            devices: Vec::new(),
            roles: flat(&args.role),
            protocols: args.protocol.clone(),
            zone: args.zone.clone(),
            importances: flat(&args.importance),
            said,
            ot: args.ot.then_some(true),
            learned: args.not_learned.then_some(false),
            text: args.text.clone(),
            since: moment(&reader, args.since)?,
            limit: args.limit,
            ..DeviceQuery::default()
        },
    )?;
    if found.is_empty() {
        return Err(Failure::not_found(format!(
            "nothing found: no device in {} meets these conditions",
            reader.path().display()
        ))
        .into());
    }
    if args.output.json {
        for device in &found {
            output.json(device)?;
        }
        return Ok(Exit::Done);
    }
    const HEADER: [&str; 14] = [
        "DEVICE",
        "NAME",
        "ADDRESS",
        "MAC",
        "VENDOR",
        "ROLE",
        "LEVEL",
        "ZONE",
        "IMPORTANCE",
        "TAGS",
        "PROTOCOLS",
        "LEARNED",
        "ALERTS",
        "LAST SEEN",
    ];
    // What `show` tells anyway gives way first.
    let narrow = output.is_narrow(140);
    let kept = |title: &str| !narrow || !["MAC", "LEVEL", "ZONE", "TAGS"].contains(&title);
    let header: Vec<&str> = HEADER.into_iter().filter(|title| kept(title)).collect();
    let rows = found
        .iter()
        .map(|device| {
            HEADER.into_iter().zip(row(device)).filter(|(title, _)| kept(title)).map(|(_, cell)| cell).collect()
        })
        .collect();
    output.table(&header, rows, 0)?;
    Ok(Exit::Done)
}

fn row(device: &DeviceLine) -> Vec<Text> {
    let style = if device.open_alerts > 0 { Style::Yellow } else { Style::Plain };
    vec![
        device.device_id.into(),
        device.name.as_str().into(),
        addresses(device).into(),
        device.mac.as_deref().unwrap_or_default().into(),
        device.vendor.as_deref().unwrap_or_default().into(),
        device.role.as_str().into(),
        device.purdue.map_or_else(String::new, |level| level.to_string()).into(),
        device.zone.as_deref().unwrap_or_default().into(),
        device.importance.as_str().into(),
        device.tags.join(" ").into(),
        protocols(device).into(),
        yes(device.learned).into(),
        Text::styled(device.open_alerts.to_string(), style),
        short_time(&device.last_seen).into(),
    ]
}

fn addresses(device: &DeviceLine) -> String {
    let ips = device.ips.join(" ");
    match &device.sub_address {
        Some(sub) if ips.is_empty() => sub.clone(),
        Some(sub) => format!("{ips} {sub}"),
        None => ips,
    }
}

fn protocols(device: &DeviceLine) -> String {
    let mut all: Vec<String> = device.server_of.iter().map(|protocol| format!("{protocol} server")).collect();
    all.extend(device.client_of.iter().map(|protocol| format!("{protocol} client")));
    all.join(", ")
}

pub fn show(output: &mut Output, args: &DevicesShowArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let names = Names::new(&reader);
    let story = device(&names, find_device(&reader, &args.device)?)?;
    if args.output.json {
        output.json(&story)?;
        return Ok(Exit::Done);
    }
    let line = &story.line;
    const LEFT: usize = 14;
    let title = output.paint(&line.name, Style::Bold);
    output.line(&format!("{title}   device {}   {}", line.device_id, line.role))?;
    output.line("")?;
    output.paragraph("Address", LEFT, &addresses(line))?;
    if let Some(mac) = &line.mac {
        output.paragraph("MAC", LEFT, mac)?;
    }
    if let Some(vendor) = &line.vendor {
        output.paragraph("Vendor", LEFT, vendor)?;
    }
    let mut place = Vec::new();
    place.extend(line.site.as_ref().map(|site| format!("site {site}")));
    place.extend(line.location.clone());
    place.extend(line.zone.as_ref().map(|zone| format!("zone {zone}")));
    place.extend(line.purdue.map(|level| format!("Purdue level {level}")));
    place.extend(line.vlans.iter().map(|vlan| format!("VLAN {vlan}")));
    place.push(format!("importance {}", line.importance));
    output.paragraph("Place", LEFT, &place.join(", "))?;
    output.paragraph("Seen", LEFT, &format!("{} to {}", line.first_seen, line.last_seen))?;
    let learned = if line.learned { "yes" } else { "no: it is not in the baseline" };
    output.paragraph("Learned", LEFT, learned)?;
    if let Some(owner) = &line.owner {
        output.paragraph("Owner", LEFT, owner)?;
    }
    let may: Vec<&str> = [
        (line.authorised.as_deref() == Some("yes"), "be on the network"),
        (line.programming_device, "program controllers"),
        (line.scanner, "scan the network"),
    ]
    .into_iter()
    .filter_map(|(may, what)| may.then_some(what))
    .collect();
    if !may.is_empty() {
        output.paragraph("May", LEFT, &may.join(", "))?;
    }
    if line.authorised.as_deref() == Some("no") {
        output.paragraph("May not", LEFT, "be on the network: it is not authorised")?;
    }
    if let Some(notes) = &line.notes {
        output.paragraph("Notes", LEFT, notes)?;
    }
    if let Some(parent) = &story.parent {
        output.paragraph("Behind", LEFT, &peer(parent))?;
    }
    about(output, &story)?;
    advice(output, &story)?;
    traffic(output, &story)?;
    if !story.programs.is_empty() {
        output.heading("Program versions")?;
        super::programs::table(output, &story.programs, false, 2)?;
    }
    if !story.alerts.is_empty() {
        output.heading(&format!("Alerts ({} not closed)", line.open_alerts))?;
        let mut rows = Vec::new();
        for alert in &story.alerts {
            rows.push(vec![
                short_id(&reader, &alert.id)?.into(),
                short_time(&alert.last_detection).into(),
                Text::styled(alert.severity.as_str(), Style::of_severity(&alert.severity)),
                alert.status.as_str().into(),
                alert.count.into(),
                alert.title.as_str().into(),
            ]);
        }
        output.table(&["ID", "LAST", "SEVERITY", "STATUS", "COUNT", "TITLE"], rows, 2)?;
    }
    if !story.events.is_empty() {
        output.heading("Last events")?;
        let rows = story
            .events
            .iter()
            .map(|event| vec![short_time(&event.time).into(), event.kind.as_str().into(), event.text.as_str().into()])
            .collect();
        output.table(&["TIME", "KIND", "WHAT"], rows, 2)?;
    }
    Ok(Exit::Done)
}

fn about(output: &mut Output, story: &DeviceStory) -> anyhow::Result<()> {
    if !story.said.is_empty() {
        output.heading("What is said of it")?;
        let rows = story
            .said
            .iter()
            .map(|said| {
                let source = match &said.who {
                    Some(who) => format!("{who} ({})", said.source),
                    None => said.source.clone(),
                };
                vec![said.field.replace('_', " ").into(), said.value.as_str().into(), source.into()]
            })
            .collect();
        output.table(&["WHAT", "VALUE", "BY"], rows, 2)?;
    }
    if !story.history.is_empty() {
        output.heading("Changes by people")?;
        let rows = story
            .history
            .iter()
            .map(|change| {
                vec![
                    short_time(&change.time).into(),
                    change.who.as_str().into(),
                    change.field.replace('_', " ").into(),
                    change.before.as_deref().unwrap_or("-").into(),
                    change.after.as_deref().unwrap_or("-").into(),
                    change.why.as_str().into(),
                ]
            })
            .collect();
        output.table(&["TIME", "WHO", "WHAT", "BEFORE", "AFTER", "WHY"], rows, 2)?;
    }
    if !story.role_reasons.is_empty() {
        output.heading("Why this role")?;
        for reason in &story.role_reasons {
            let frame = reason.frame.as_ref().map_or_else(String::new, |frame| format!(", frame {}", frame.number));
            output.paragraph(
                "",
                2,
                &format!("{}: {} ({}{frame})", reason.role, reason.reason, short_time(&reason.time)),
            )?;
        }
    }
    if !story.identities.is_empty() {
        output.heading("What it tells of itself")?;
        let rows = story
            .identities
            .iter()
            .map(|identity| {
                vec![
                    identity.property.as_str().into(),
                    identity.value.as_str().into(),
                    identity.source.as_str().into(),
                    short_time(&identity.first_seen).into(),
                    short_time(&identity.last_seen).into(),
                ]
            })
            .collect();
        output.table(&["PROPERTY", "VALUE", "SOURCE", "FIRST", "LAST"], rows, 2)?;
    }
    if !story.units.is_empty() {
        output.heading("Behind it")?;
        for unit in &story.units {
            output.paragraph("", 2, &peer(unit))?;
        }
    }
    Ok(())
}

fn advice(output: &mut Output, story: &DeviceStory) -> anyhow::Result<()> {
    if story.recommendations.is_empty() {
        return Ok(());
    }
    output.heading("Recommendations")?;
    for advice in &story.recommendations {
        output.paragraph("", 2, &format!("{} ({} urgency)", advice.title, advice.urgency))?;
        for fact in &advice.facts {
            output.paragraph("    because", 14, &format!("{} ({})", fact.text, short_time(&fact.last_seen)))?;
        }
        if advice.more_facts > 0 {
            output.paragraph("", 14, &format!("and {} more", advice.more_facts))?;
        }
        for step in &advice.steps {
            output.paragraph("    do", 14, step)?;
        }
    }
    Ok(())
}

fn traffic(output: &mut Output, story: &DeviceStory) -> anyhow::Result<()> {
    if !story.neighbours.is_empty() {
        output.heading("Talks with")?;
        let rows = story.neighbours.iter().map(neighbour_row).collect();
        output.table(&["DEVICE", "IT IS", "PROTOCOLS", "FUNCTIONS", "ALLOWED", "LAST"], rows, 2)?;
    }
    if !story.ranges.is_empty() {
        output.heading("Addresses in use")?;
        let rows = story.ranges.iter().map(range_row).collect();
        output.table(&["SPACE", "RANGE", "FUNCTION", "WITH", "IT IS", "COUNT", "ALLOWED"], rows, 2)?;
    }
    Ok(())
}

fn peer(peer: &PeerView) -> String {
    let id = peer.device_id.map_or_else(String::new, |id| format!(", device {id}"));
    let role = peer.role.as_deref().filter(|role| *role != "unknown").map(|role| format!(", {role}"));
    format!("{}{}{id}", peer.label(), role.unwrap_or_default())
}

fn neighbour_row(neighbour: &NeighbourView) -> Vec<Text> {
    let functions: Vec<String> = neighbour.functions.iter().map(function).collect();
    vec![
        neighbour.peer.label().into(),
        neighbour.peer_is.into(),
        neighbour.protocols.join(", ").into(),
        functions.join(", ").into(),
        allowed(neighbour.allowed),
        short_time(&neighbour.last_seen).into(),
    ]
}

fn function(function: &FunctionView) -> String {
    let code = function.code.map(|code| codes(&function.protocol, code, function.subfunction)).unwrap_or_default();
    let code = code.trim_start_matches("function ");
    if function.name.is_empty() { code.to_owned() } else { format!("{} ({code})", function.name) }
}

fn range_row(range: &RangeView) -> Vec<Text> {
    let space = match range.number {
        Some(number) => format!("{} {number}", range.space),
        None => range.space.clone(),
    };
    let ends = match (range.start, range.end) {
        _ if let Some(place) = &range.place => place.clone(),
        (Some(start), Some(end)) if start != end => format!("{start}-{end}"),
        (Some(start), _) => start.to_string(),
        _ => String::new(),
    };
    let function = match range.function {
        Some(code) if range.label.is_empty() => code.to_string(),
        Some(code) => format!("{} ({code})", range.label),
        None => range.label.clone(),
    };
    vec![
        space.into(),
        ends.into(),
        function.into(),
        range.peer.as_str().into(),
        range.peer_is.into(),
        range.count.into(),
        allowed(range.allowed),
    ]
}

fn allowed(allowed: bool) -> Text {
    if allowed { "yes".into() } else { Text::styled("no", Style::Yellow) }
}

pub fn journal(output: &mut Output, args: &DevicesJournalArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let names = Names::new(&reader);
    let by = args.by.as_ref().map(|by| find_devices(&reader, by)).transpose()?;
    let found = journal_view(
        &names,
        &JournalQuery {
            devices: find_devices(&reader, &args.device)?,
            actors: by.unwrap_or_default(),
            since: moment(&reader, args.since)?,
            until: moment(&reader, args.until)?,
            limit: args.limit,
            ..JournalQuery::default()
        },
    )?;
    if found.is_empty() {
        return Err(Failure::not_found(format!("nothing found: no work on {} was seen", args.device)).into());
    }
    if args.output.json {
        for work in &found {
            output.json(work)?;
        }
        return Ok(Exit::Done);
    }
    let mut rows = Vec::with_capacity(found.len());
    for work in &found {
        let what = match (work.object.as_str(), work.value.as_str()) {
            (object, "") => object.to_owned(),
            ("", value) => value.to_owned(),
            (object, value) => format!("{object}: {value}"),
        };
        let outcome = work.outcome_detail.as_deref().or(work.outcome.as_deref()).unwrap_or("told by the device");
        rows.push(vec![
            short_time(&work.first_seen).into(),
            short_time(&work.last_seen).into(),
            work.count.into(),
            work.actor.as_ref().map_or_else(|| "-".to_owned(), PeerView::label).into(),
            work.operation.as_str().into(),
            work.function.as_str().into(),
            what.into(),
            outcome.into(),
            work.first_frame.as_ref().map_or_else(String::new, |frame| frame.number.to_string()).into(),
            match &work.alert {
                Some(id) => short_id(&reader, id)?.into(),
                None => "".into(),
            },
        ]);
    }
    output.table(&["FIRST", "LAST", "COUNT", "WHO", "DID", "FUNCTION", "ON", "OUTCOME", "FRAME", "ALERT"], rows, 0)?;
    Ok(Exit::Done)
}

pub fn points(output: &mut Output, args: &PointsListArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let names = Names::new(&reader);
    let query = PointQuery {
        skip: 0,
        devices: find_devices(&reader, &args.device)?,
        spaces: args.space.clone(),
        written: args.written,
        changed: args.changed,
        limit: args.limit,
    };
    let found = points_view(&names, &query)?;
    if found.is_empty() {
        let such = if args.space.is_empty() && !args.written && !args.changed { "" } else { "such " };
        return Err(Failure::not_found(format!("nothing found: no {such}point of {} was seen", args.device)).into());
    }
    if args.output.json {
        for point in &found {
            output.json(point)?;
        }
        return Ok(Exit::Done);
    }
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let who = |list: &[PeerView]| list.iter().map(PeerView::label).collect::<Vec<_>>().join(", ");
    let rows = found
        .iter()
        .map(|point| {
            let space = match point.number {
                Some(number) => format!("{} {number}", point.space),
                None => point.space.clone(),
            };
            vec![
                point.device.as_str().into(),
                space.into(),
                point.place.as_deref().map_or_else(|| point.address.into(), Text::from),
                number(point.min).into(),
                number(point.max).into(),
                point.poll_interval_seconds.map_or_else(String::new, |seconds| format!("{seconds} s")).into(),
                who(&point.readers).into(),
                who(&point.writers).into(),
                short_time(&point.first_seen).into(),
                short_time(&point.last_seen).into(),
            ]
        })
        .collect();
    output.table(
        &["DEVICE", "SPACE", "ADDRESS", "MIN", "MAX", "POLLED", "READERS", "WRITERS", "FIRST", "LAST NEWS"],
        rows,
        0,
    )?;
    Ok(Exit::Done)
}
