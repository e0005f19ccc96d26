//! Indicator lists as files: text, CSV with a header, STIX 2.1 bundles; and what a run starts with.

use crate::config::{Config, read_text};
use crate::exit::Failure;
use ipnet::IpNet;
use ot_engine::indicators::{Indicator, Indicators, Value};
use ot_protocol::Timestamp;
use ot_store::Store;
use serde_json::Value as Json;
use std::net::IpAddr;
use std::path::Path;

/// Bytes of a file of indicators.
const MOST_BYTES: u64 = 256 << 20;
/// Characters kept of a note.
const MOST_NOTE: usize = 200;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One address, network, domain or URL a line; # begins a comment
    Text,
    /// CSV whose first line names the columns: value (or indicator, address, network, domain, url), note, expires
    Csv,
    /// STIX 2.1 bundle (JSON)
    Stix,
}

impl Format {
    /// `text`, `csv` or `stix`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Csv => "csv",
            Self::Stix => "stix",
        }
    }

    /// By what the text looks like.
    pub fn guess(path: &Path, text: &str) -> Self {
        let ends = |end: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(end));
        if text.trim_start().starts_with('{') {
            Self::Stix
        } else if ends("csv") {
            Self::Csv
        } else {
            Self::Text
        }
    }
}

/// A line, or an object, that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `line 7`, `indicator--…`.
    pub place: String,
    /// Why.
    pub why: String,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// What was taken.
    pub entries: Vec<Indicator>,
    /// What was not.
    pub refused: Vec<Refused>,
}

impl Parsed {
    fn take(&mut self, list: &str, place: &str, text: &str, note: &str, expires: Option<Timestamp>) {
        match value(text) {
            Ok(value) => {
                let note =
                    note.chars().filter(|c| !c.is_control()).take(MOST_NOTE).collect::<String>().trim().to_owned();
                self.entries.push(Indicator { list: list.to_owned(), value, note, expires });
            }
            Err(why) => self.refuse(place, why),
        }
    }

    fn refuse(&mut self, place: &str, why: impl Into<String>) {
        self.refused.push(Refused { place: place.to_owned(), why: why.into() });
    }
}

/// Reads the text of a list. `expires` counts where an entry does not say itself.
pub fn parse(text: &str, format: Format, list: &str, expires: Option<Timestamp>) -> Result<Parsed, String> {
    let mut parsed = match format {
        Format::Text => lines(text, list, expires),
        Format::Csv => csv(text, list, expires)?,
        Format::Stix => stix(text, list, expires)?,
    };
    // Of two lines about the same, the first one counts.
    parsed.entries.sort_by(|a, b| a.value.cmp(&b.value));
    parsed.entries.dedup_by(|a, b| a.value == b.value);
    Ok(parsed)
}

fn lines(text: &str, list: &str, expires: Option<Timestamp>) -> Parsed {
    let mut parsed = Parsed::default();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let (what, note) = line.split_once(['#', ';']).unwrap_or((line, ""));
        if !what.trim().is_empty() {
            parsed.take(list, &format!("line {number}"), what, note, expires);
        }
    }
    parsed
}

/// The cells of a line of CSV (RFC 4180); `None` where a quote is not closed.
fn cells(line: &str) -> Option<Vec<String>> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let cell = cells.last_mut()?;
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                cell.push('"');
                rest.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cell.push(other),
        }
    }
    (!quoted).then_some(cells)
}

fn csv(text: &str, list: &str, expires: Option<Timestamp>) -> Result<Parsed, String> {
    const VALUES: [&str; 10] =
        ["value", "indicator", "address", "ip", "ip_address", "network", "cidr", "domain", "hostname", "url"];
    const NOTES: [&str; 4] = ["note", "description", "comment", "threat"];
    const ENDS: [&str; 4] = ["expires", "valid_until", "expiration", "until"];
    let mut lines = (1..).zip(text.trim_start_matches('\u{feff}').lines()).filter(|(_, line)| !line.trim().is_empty());
    let Some((_, first)) = lines.next() else { return Ok(Parsed::default()) };
    let header: Vec<String> = cells(first).unwrap_or_default().iter().map(|cell| cell.trim().to_lowercase()).collect();
    let columns = |names: &[&str]| -> Vec<usize> {
        (0..).zip(&header).filter(|(_, title)| names.contains(&title.as_str())).map(|(at, _)| at).collect()
    };
    let (values, notes, ends) = (columns(&VALUES), columns(&NOTES), columns(&ENDS));
    if values.is_empty() {
        return Err(format!(
            "line 1 names no column of indicators; it must name one of {} (found: {})",
            VALUES.join(", "),
            header.join(", ")
        ));
    }
    let mut parsed = Parsed::default();
    for (number, line) in lines {
        let place = format!("line {number}");
        let Some(cells) = cells(line) else {
            parsed.refuse(&place, "a quotation mark is not closed");
            continue;
        };
        let cell = |at: &usize| cells.get(*at).map(|cell| cell.trim()).filter(|cell| !cell.is_empty());
        let mut end = expires;
        if let Some(text) = ends.iter().find_map(cell) {
            match crate::when::time(text) {
                Ok(time) => end = Some(time),
                Err(why) => {
                    parsed.refuse(&place, why);
                    continue;
                }
            }
        }
        let note = notes.iter().find_map(cell).unwrap_or_default();
        let found: Vec<&str> = values.iter().filter_map(cell).collect();
        if found.is_empty() {
            parsed.refuse(&place, "no value in its column");
        }
        for text in found {
            parsed.take(list, &place, text, note, end);
        }
    }
    Ok(parsed)
}

fn stix(text: &str, list: &str, expires: Option<Timestamp>) -> Result<Parsed, String> {
    let bundle: Json = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    let Some(objects) = bundle.get("objects").and_then(Json::as_array) else {
        return Err("is no STIX bundle: it has no list \"objects\"".to_owned());
    };
    let mut parsed = Parsed::default();
    let text_of = |object: &Json, key: &str| object.get(key).and_then(Json::as_str).map(str::to_owned);
    for object in objects.iter().filter(|object| object.get("type").and_then(Json::as_str) == Some("indicator")) {
        let id = text_of(object, "id").unwrap_or_else(|| "an indicator without id".to_owned());
        if object.get("revoked").and_then(Json::as_bool) == Some(true) {
            parsed.refuse(&id, "it is revoked");
            continue;
        }
        if text_of(object, "pattern_type").is_some_and(|kind| kind != "stix") {
            parsed.refuse(&id, "its pattern is not written in the language of STIX");
            continue;
        }
        let mut end = expires;
        if let Some(text) = text_of(object, "valid_until") {
            match crate::when::time(&text) {
                Ok(time) => end = Some(time),
                Err(why) => {
                    parsed.refuse(&id, why);
                    continue;
                }
            }
        }
        let note = text_of(object, "name").or_else(|| text_of(object, "description")).unwrap_or_default();
        match pattern(&text_of(object, "pattern").unwrap_or_default()) {
            Ok(values) => values.iter().for_each(|value| parsed.take(list, &id, value, &note, end)),
            Err(why) => parsed.refuse(&id, why),
        }
    }
    Ok(parsed)
}

/// A word of a STIX pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Text(String),
    Name(String),
    Sign(char),
}

fn words(pattern: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' => {
                let mut text = String::new();
                loop {
                    match rest.next() {
                        Some('\\') => text.extend(rest.next()),
                        Some('\'') => break,
                        Some(other) => text.push(other),
                        None => return Err("its pattern ends within a text".to_owned()),
                    }
                }
                words.push(Word::Text(text));
            }
            c if c.is_alphanumeric() || c == '-' || c == '_' => {
                let mut name = String::from(c);
                while let Some(&next) = rest.peek() {
                    if !(next.is_alphanumeric() || matches!(next, '-' | '_' | '.' | ':')) {
                        break;
                    }
                    name.push(next);
                    rest.next();
                }
                words.push(Word::Name(name));
            }
            c if c.is_whitespace() => {}
            other => words.push(Word::Sign(other)),
        }
    }
    Ok(words)
}

/// The values of a pattern any one of which is enough: comparisons of addresses, domains and URLs, joined by OR.
fn pattern(pattern: &str) -> Result<Vec<String>, String> {
    const PATHS: [&str; 4] = ["ipv4-addr:value", "ipv6-addr:value", "domain-name:value", "url:value"];
    let words = words(pattern)?;
    let mut values = Vec::new();
    let mut known = false;
    let mut wanted = false;
    for word in words {
        match word {
            Word::Name(name) => match name.to_uppercase().as_str() {
                "OR" | "IN" | "ISSUBSET" => {}
                "AND" | "FOLLOWEDBY" | "NOT" | "WITHIN" | "REPEATS" | "START" | "STOP" => {
                    return Err(format!("its pattern combines conditions ({name}); one of them alone says nothing"));
                }
                "LIKE" | "MATCHES" | "ISSUPERSET" | "EXISTS" => {
                    return Err(format!("{name} is not supported; only equality, IN and ISSUBSET are"));
                }
                _ if PATHS.contains(&name.as_str()) => (known, wanted) = (true, true),
                _ => return Err(format!("{name} is not looked at; only {} are", PATHS.join(", "))),
            },
            Word::Text(text) if wanted => values.push(text),
            Word::Text(_) => return Err("its pattern holds a text without an object".to_owned()),
            Word::Sign('!' | '<' | '>') => return Err("only equality, IN and ISSUBSET are supported".to_owned()),
            Word::Sign(_) => {}
        }
    }
    if !known || values.is_empty() {
        return Err("its pattern names no address, domain or URL".to_owned());
    }
    Ok(values)
}

/// An address, a network, a domain, or the host of a URL; also where dots are written as `[.]` and `http` as `hxxp`.
pub fn value(text: &str) -> Result<Value, String> {
    let plain = text.trim().trim_matches('"').replace("[.]", ".").replace("(.)", ".").replace("[:]", ":");
    let plain = plain.trim();
    if let Ok(ip) = plain.parse::<IpAddr>() {
        return address(ip);
    }
    if let Ok(net) = plain.parse::<IpNet>() {
        return network(net.trunc());
    }
    let host = match plain.split_once("://") {
        Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
            let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let rest = rest.rsplit('@').next().unwrap_or_default();
            match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                Some((ip, _)) => ip,
                None => rest.split(':').next().unwrap_or_default(),
            }
        }
        _ => plain,
    };
    if let Ok(ip) = host.parse::<IpAddr>() {
        return address(ip);
    }
    domain(host)
}

fn address(ip: IpAddr) -> Result<Value, String> {
    let ip = match ip {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    };
    let broadcast = matches!(ip, IpAddr::V4(four) if four.is_broadcast());
    if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || broadcast {
        return Err(format!("{ip} is no address of a host"));
    }
    Ok(Value::Address(ip))
}

fn network(net: IpNet) -> Result<Value, String> {
    let (least, whole) = if net.network().is_ipv4() { (8, 32) } else { (16, 128) };
    match net.prefix_len() {
        length if length == whole => address(net.network()),
        length if length < least => {
            Err(format!("{net} holds too much to be an indicator; at least /{least} is needed"))
        }
        _ => Ok(Value::Network(net)),
    }
}

fn domain(text: &str) -> Result<Value, String> {
    let name = text.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.').to_lowercase();
    if !name.is_ascii() {
        return Err(format!("{text:?} is not written in ASCII; write international names as xn--…"));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let dotted = name.contains('.') && name.split('.').all(label);
    let top_is_name = name.rsplit('.').next().is_some_and(|top| top.bytes().any(|byte| byte.is_ascii_alphabetic()));
    if !dotted || !top_is_name || name.len() > 253 {
        return Err(format!("{text:?} is no address, network, domain or URL"));
    }
    Ok(Value::Domain(name.into()))
}

/// The name of a list where none is given: the file's, without its ending.
pub fn list_name(path: &Path) -> String {
    path.file_stem().map_or_else(|| "indicators".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Reads a file.
pub fn read(path: &Path) -> Result<String, Failure> {
    read_text(path, MOST_BYTES).map_err(|error| Failure::input(format!("{}: {error}", path.display())))
}

/// All indicators that a run starts with: the lists of the store, and the files that the configuration names.
pub fn load(store: &Store, config: &Config) -> anyhow::Result<Indicators> {
    let mut entries = store.indicators()?;
    for path in &config.indicators {
        let text = read(path)?;
        let name = list_name(path);
        let parsed = parse(&text, Format::guess(path, &text), &name, None)
            .map_err(|why| Failure::input(format!("{}: {why}", path.display())))?;
        for refused in &parsed.refused {
            eprintln!("warning: {}: {}: {}", path.display(), refused.place, refused.why);
        }
        entries.extend(parsed.entries);
    }
    Ok(Indicators::new(entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parsed: &Parsed) -> Vec<String> {
        parsed.entries.iter().map(|entry| format!("{} {}", entry.value.kind(), entry.value)).collect()
    }

    #[test]
    fn text_is_read_line_by_line() {
        let text = "# feed\n198.51.100.7 # c2\n198.51.100.0/24\nevil[.]example\nhxxps://User@Bad.Example:8443/x?y\n\n0.0.0.0/0\n\
            no such thing\n127.0.0.1\n2001:db8::7\n198.51.100.7\n";
        let parsed = parse(text, Format::Text, "feed", None).unwrap();
        assert_eq!(
            shown(&parsed),
            [
                "address 198.51.100.7",
                "address 2001:db8::7",
                "network 198.51.100.0/24",
                "domain bad.example",
                "domain evil.example"
            ]
        );
        assert_eq!(parsed.entries[0].note, "c2");
        let refused: Vec<_> = parsed.refused.iter().map(|refused| refused.place.as_str()).collect();
        assert_eq!(refused, ["line 7", "line 8", "line 9"]);
        assert!(parsed.refused[0].why.contains("holds too much"), "{}", parsed.refused[0].why);
    }

    #[test]
    fn csv_is_read_by_its_header() {
        let text = "Type,Indicator,Description,Expires\nip,198.51.100.7,\"bad, very\",2026-03-01T00:00:00Z\n\
            domain,evil.example,,\nip,,x,\nip,\"198.51.100.8,y\nip,198.51.100.9,z,soon\n";
        let end = Some(Timestamp::new(9, 0));
        let parsed = parse(text, Format::Csv, "feed", end).unwrap();
        assert_eq!(shown(&parsed), ["address 198.51.100.7", "domain evil.example"]);
        assert_eq!(parsed.entries[0].note, "bad, very");
        assert_eq!(parsed.entries[0].expires, Some(Timestamp::new(1_772_323_200, 0)));
        assert_eq!(parsed.entries[1].expires, end);
        let refused: Vec<_> = parsed.refused.iter().map(|refused| refused.place.as_str()).collect();
        assert_eq!(refused, ["line 4", "line 5", "line 6"]);
        assert!(parse("a,b\n1,2\n", Format::Csv, "feed", None).unwrap_err().contains("names no column"));
    }

    #[test]
    fn stix_patterns_of_one_condition_are_taken() {
        let object = |id: &str, pattern: &str, more: &str| {
            format!(
                r#"{{"type":"indicator","id":"{id}","name":"n","pattern_type":"stix","pattern":"{pattern}"{more}}}"#
            )
        };
        let objects = [
            object("i1", "[ipv4-addr:value = '198.51.100.7' OR domain-name:value IN ('a.example', 'b.example')]", ""),
            object("i2", "[url:value = 'http://c.example/x'] OR [ipv4-addr:value ISSUBSET '203.0.113.0/24']", ""),
            object("i3", "[ipv4-addr:value = '1.2.3.4' AND network-traffic:dst_port = 443]", ""),
            object("i4", "[file:hashes.MD5 = 'abc']", ""),
            object("i5", "[ipv6-addr:value = '2001:db8::7']", r#","valid_until":"2026-03-01T00:00:00Z""#),
            object("i6", "[ipv4-addr:value = '1.2.3.5']", r#","revoked":true"#),
            object("i7", "[ipv4-addr:value != '1.2.3.6']", ""),
            r#"{"type":"malware","id":"m1"}"#.to_owned(),
        ];
        let bundle = format!(r#"{{"type":"bundle","id":"bundle--1","objects":[{}]}}"#, objects.join(","));
        let parsed = parse(&bundle, Format::Stix, "feed", None).unwrap();
        assert_eq!(
            shown(&parsed),
            [
                "address 198.51.100.7",
                "address 2001:db8::7",
                "network 203.0.113.0/24",
                "domain a.example",
                "domain b.example",
                "domain c.example"
            ]
        );
        assert!(parsed.entries[1].expires.is_some());
        let refused: Vec<_> = parsed.refused.iter().map(|refused| refused.place.as_str()).collect();
        assert_eq!(refused, ["i3", "i4", "i6", "i7"]);
        assert!(parse("{}", Format::Stix, "feed", None).is_err() && parse("[", Format::Stix, "feed", None).is_err());
    }
}
