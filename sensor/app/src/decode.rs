//! `decode`: one JSON line a message.

use crate::cli::DecodeArgs;
use crate::exit::{Exit, Failure};
use crate::protocols::PROTOCOLS;
use crate::replay::warn;
use crate::rules::vocabulary;
use anyhow::{Context as _, Result};
use ot_capture::CaptureSet;
use ot_flow::{FlowConfig, FlowError};
use ot_protocol::{FieldKind, FieldValue, Message, Operation};
use serde_json::{Map, Number, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;

/// Fields that every message has, beside those of its protocol.
pub const COMMON: &[(&str, &str, &str)] = &[
    ("frame.number", "number", "Number of the frame that completes the message, from 1 within its file"),
    ("frame.time", "time", "Packet time of that frame (RFC 3339, UTC, nanoseconds)"),
    ("file", "text", "The capture, where several are decoded"),
    ("protocol", "text", "Protocol id, for example modbus"),
    ("eth.src", "text", "Source MAC address"),
    ("eth.dst", "text", "Destination MAC address, as far as the other end's is known"),
    ("vlan.id", "number", "VLAN id"),
    ("ip.src", "text", "Source address, IPv4 or IPv6"),
    ("ip.dst", "text", "Destination address, IPv4 or IPv6"),
    ("srcport", "number", "Source port, TCP or UDP"),
    ("dstport", "number", "Destination port, TCP or UDP"),
    ("operation", "text", "Class of the operation: read, write, control, program-write …"),
    ("outcome", "text", "On a response: ok or rejected"),
    ("latency", "number", "On a response: seconds since its request"),
    ("request.frame", "number", "On a response: frame of its request"),
    (
        "violations",
        "list",
        "Departures from the specification: rule, layer, offset, needed, found, reason; empty when clean",
    ),
];

/// Runs `decode`.
///
/// # Errors
/// Bad filter or input.
pub fn run(args: &DecodeArgs) -> Result<Exit> {
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    if args.fields {
        fields(args, &mut out)?;
        out.flush()?;
        return Ok(Exit::Done);
    }
    if let Some(wanted) = &args.protocol
        && !PROTOCOLS.iter().any(|protocol| protocol.id() == wanted)
    {
        let known: Vec<&str> = PROTOCOLS.iter().map(|protocol| protocol.id()).collect();
        return Err(Failure::usage(format!("no protocol {wanted:?}; known: {}", known.join(", "))).into());
    }
    let filter = args.filter.as_deref().map(|text| ot_rules::expression::parse(text, &vocabulary())).transpose();
    let filter = filter.map_err(|problem| Failure::usage(format!("filter: {problem}")))?;
    let mut captures = CaptureSet::open(&args.captures).map_err(|error| Failure::input(error.to_string()))?;
    let names: Vec<String> = captures.files().iter().map(|file| file.path.display().to_string()).collect();
    let several = names.len() > 1;
    let mut failed = None;
    let summary = ot_flow::decode(&mut captures, PROTOCOLS, &FlowConfig::default(), &mut |message| {
        // Companions are shown where they are asked for.
        let shown = match args.protocol.as_deref() {
            Some(wanted) => wanted == message.protocol,
            None => !ot_engine::companions::is_companion(message.protocol),
        };
        if !shown || filter.as_ref().is_some_and(|filter| !filter.holds(&message)) {
            return ControlFlow::Continue(());
        }
        let mut object = object(&message);
        if several {
            let file = usize::try_from(message.frame.file()).ok().and_then(|file| names.get(file));
            object.insert("file".to_owned(), json!(file));
        }
        let written = crate::output::write_json(&mut out, &object).map_err(anyhow::Error::from);
        match written.and_then(|()| out.write_all(b"\n").map_err(anyhow::Error::from)) {
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
    out.flush()?;
    match summary {
        Ok(summary) => warn(&summary.warnings),
        Err(FlowError::Capture(error)) => return Err(Failure::input(error.to_string()).into()),
        Err(error) => return Err(error).context("internal error"),
    }
    Ok(Exit::Done)
}

fn kind_name(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Number => "number",
        FieldKind::Bool => "bool",
        FieldKind::Text => "text",
        FieldKind::Bytes => "bytes",
        FieldKind::Time => "time",
    }
}

fn fields(args: &DecodeArgs, out: &mut dyn Write) -> Result<()> {
    let own = PROTOCOLS.iter().flat_map(|protocol| {
        protocol.fields().iter().map(|field| (protocol.id(), field.name, kind_name(field.kind), field.meaning))
    });
    let all = COMMON.iter().map(|(name, kind, meaning)| ("any", *name, *kind, *meaning)).chain(own);
    let chosen = all.filter(|(protocol, ..)| args.protocol.as_deref().is_none_or(|wanted| wanted == *protocol));
    if args.json {
        for (protocol, name, kind, meaning) in chosen {
            writeln!(out, "{}", json!({"protocol": protocol, "field": name, "kind": kind, "meaning": meaning}))?;
        }
        return Ok(());
    }
    let mut table = crate::table::new(["Field", "Kind", "Meaning"]);
    for (_, name, kind, meaning) in chosen {
        table.add_row([name, kind, meaning]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}

/// A message as a JSON object: a field that comes several times is a list.
pub(crate) fn object(message: &Message) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("frame.number".to_owned(), json!(message.frame.number()));
    object.insert("frame.time".to_owned(), json!(message.time.to_string()));
    object.insert("protocol".to_owned(), json!(message.protocol));
    let mut some = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    };
    some("eth.src", message.source.mac.map(|mac| json!(mac.to_string())));
    some("eth.dst", message.destination.mac.map(|mac| json!(mac.to_string())));
    some("vlan.id", message.source.vlan.map(|vlan| json!(vlan)));
    some("ip.src", message.source.ip.map(|ip| json!(ip.to_string())));
    some("ip.dst", message.destination.ip.map(|ip| json!(ip.to_string())));
    some("srcport", Some(json!(message.source.port)));
    some("dstport", Some(json!(message.destination.port)));
    some("operation", message.operation.map(Operation::as_str).map(|class| json!(class)));
    some("outcome", message.outcome.map(|outcome| json!(outcome.as_str())));
    #[allow(clippy::cast_precision_loss, reason = "a latency is far below 2^52 ns")]
    some("latency", message.latency.map(|nanos| json!(nanos as f64 / 1e9)));
    some("request.frame", message.request.map(|frame| json!(frame.number())));
    let mut several: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _) in &message.fields {
        *several.entry(name).or_default() += 1;
    }
    for (name, value) in &message.fields {
        let value = json_value(value);
        if several.get(name).copied().unwrap_or(0) > 1 {
            match object.get_mut(*name) {
                Some(Value::Array(list)) => list.push(value),
                _ => {
                    object.insert((*name).to_owned(), Value::Array(vec![value]));
                }
            }
        } else {
            object.insert((*name).to_owned(), value);
        }
    }
    let violations: Vec<Value> = message
        .violations
        .iter()
        .map(|violation| {
            json!({
                "rule": violation.rule,
                "layer": violation.layer,
                "offset": violation.offset,
                "needed": violation.needed,
                "found": violation.found,
                "reason": violation.reason,
            })
        })
        .collect();
    object.insert("violations".to_owned(), Value::Array(violations));
    object
}

fn json_value(value: &FieldValue) -> Value {
    match value {
        FieldValue::Unsigned(number) => json!(number),
        FieldValue::Signed(number) => json!(number),
        FieldValue::Float(number) => Number::from_f64(*number).map_or_else(|| json!(number.to_string()), Value::Number),
        FieldValue::Bool(flag) => json!(flag),
        FieldValue::Text(text) => json!(text),
        FieldValue::Bytes(bytes) => {
            let mut text = String::with_capacity(bytes.len() * 3);
            for (at, byte) in bytes.iter().enumerate() {
                let _ = write!(text, "{}{byte:02x}", if at == 0 { "" } else { ":" });
            }
            json!(text)
        }
        FieldValue::Time(time) => json!(time.to_string()),
    }
}
