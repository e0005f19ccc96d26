//! Converted rules as a file of ours.

use super::Source;
use super::header::{Header, List};
use super::payload::{Item, Payload, quoted};
use std::fmt::Write as _;

/// The file that comes of it.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
    file: String,
}

/// What follows `[[rule]]`, id and title: one text a direction.
pub(super) fn bodies(source: &Source, notes: &mut Vec<String>) -> Result<Vec<String>, String> {
    let options = &source.options;
    notes.extend(options.notes.iter().cloned());
    notes.extend(options.application.notes.iter().cloned());
    let header = &source.header;
    let protocol = match (header.protocol.as_str(), options.application.protocol) {
        ("tcp" | "udp" | "tcp-pkt" | "tcp-stream" | "modbus" | "dnp3" | "ip" | "pkthdr", Some(protocol)) => protocol,
        ("tcp" | "tcp-pkt" | "tcp-stream", None) => "tcp",
        ("udp", None) => "udp",
        ("modbus", None) => "modbus",
        ("dnp3", None) => "dnp3",
        (other, None) => {
            return Err(format!(
                "it looks at {other}; the payload of TCP and UDP and the messages of Modbus and DNP3 can be looked at"
            ));
        }
        (other, Some(protocol)) => return Err(format!("keywords of {protocol} in a rule for {other}")),
    };
    let steps = options.payload.written()?;
    let is_payload = ["tcp", "udp"].contains(&protocol);
    if is_payload && steps.is_empty() {
        return Err("it has no condition on the payload (content, pcre, byte_test, dsize …)".to_owned());
    }
    if !is_payload && steps.is_empty() && options.application.conditions.is_empty() {
        return Err("it has no condition on the message".to_owned());
    }
    hint(header, &options.payload, notes);
    let one = |header: &Header| body(source, header, protocol, &steps);
    let first = one(header);
    if !header.both_ways {
        return Ok(vec![first]);
    }
    let second = one(&header.turned());
    Ok(if first == second { vec![first] } else { vec![first, second] })
}

/// Tells of contents that cannot be where the rule looks for them.
fn hint(header: &Header, payload: &Payload, notes: &mut Vec<String>) {
    let on = |port: &str| [&header.source_port, &header.destination_port].iter().any(|list| list.any == [port]);
    let first = payload.items.iter().find_map(|item| match item {
        Item::Content(content)
            if content.offset.unwrap_or(0) == 0 && content.depth.is_some() && !content.not && !content.one_of =>
        {
            content.bytes.first()
        }
        _ => None,
    });
    if on("102") && first.is_some_and(|first| *first != 3) {
        notes.push(
            "it looks at the start of the TCP payload for what stands behind the TPKT and COTP headers there (03 00 …); \
             as published it matches no whole message of S7. Write a rule on decoded fields instead, such as \
             s7comm.header.rosctr == 7"
                .to_owned(),
        );
    }
}

fn body(source: &Source, header: &Header, protocol: &str, steps: &[String]) -> String {
    let options = &source.options;
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key} = {value}");
    };
    line("severity", &quoted(options.severity()));
    line("protocol", &quoted(protocol));
    if let Some(from) = options.from.or(options.application.from) {
        line("from", &quoted(from));
    }
    let texts = |list: &List| {
        let all: Vec<String> = list.texts().iter().map(|text| quoted(text)).collect();
        match all.as_slice() {
            [one] => one.clone(),
            _ => format!("[{}]", all.join(", ")),
        }
    };
    let numbers = |list: &List| {
        let plain = |text: &String| text.bytes().all(|byte| byte.is_ascii_digit());
        match (list.any.as_slice(), list.none.as_slice()) {
            ([one], []) if plain(one) => one.clone(),
            _ => texts(list),
        }
    };
    for (key, list) in [("source", &header.source), ("destination", &header.destination)] {
        if *list != List::default() {
            line(key, &texts(list));
        }
    }
    for (key, list) in [("source_port", &header.source_port), ("destination_port", &header.destination_port)] {
        if *list != List::default() {
            line(key, &numbers(list));
        }
    }
    if !options.application.conditions.is_empty() {
        line("when", &quoted(&options.application.conditions.join(" and ")));
    }
    match steps {
        [] => {}
        [one] => line("payload", one),
        several => line("payload", &format!("[\n    {},\n]", several.join(",\n    "))),
    }
    if let Some(threshold) = &options.threshold {
        line(
            "count",
            &format!(
                "{{ at_least = {}, within = \"{}s\", by = \"{}\" }}",
                threshold.count, threshold.seconds, threshold.by
            ),
        );
    }
    let class = options.classtype.as_ref().map(|class| format!("classtype {class}"));
    let mut references = options.references.clone();
    references.extend(class);
    if let Some(sid) = options.sid {
        let rev = options.rev.map(|rev| format!(" rev {rev}")).unwrap_or_default();
        references.insert(0, format!("sid {sid}{rev}"));
    }
    if !references.is_empty() {
        let all: Vec<String> = references.iter().map(|text| quoted(text)).collect();
        line("references", &format!("[{}]", all.join(", ")));
    }
    text
}

impl Writer {
    /// Adds a rule: one item for each direction.
    pub fn rule(&mut self, file: &str, line: usize, id: &str, msg: &str, bodies: &[String]) {
        if self.file != file {
            let name: String = file.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let _ = writeln!(self.text, "{}# From {name}", if self.text.is_empty() { "" } else { "\n" });
            file.clone_into(&mut self.file);
        }
        for (id, body) in [id.to_owned(), format!("{id}-back")].into_iter().zip(bodies) {
            let _ = writeln!(self.text, "\n# line {line}\n[[rule]]\nid = {}", quoted(&id));
            if !msg.is_empty() {
                let _ = writeln!(self.text, "title = {}", quoted(msg));
            }
            self.text.push_str(body);
        }
    }

    /// The file.
    pub fn finish(self) -> String {
        let head = "# Converted by `ot-sensor rules import`. Check it with `ot-sensor rules check`, and try it on captures of \
                    your own\n# with `ot-sensor rules test`.\n";
        format!("{head}{}", self.text)
    }
}
