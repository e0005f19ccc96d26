//! The header of a rule: protocol, addresses, ports, direction; and the variables that stand in it.

use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Values of variables.
#[derive(Clone, Debug)]
pub struct Variables {
    values: BTreeMap<String, String>,
}

/// Deepest nesting of variables in variables and lists in lists.
const DEPTH: u8 = 8;
/// Entries of one list.
const MOST_ENTRIES: usize = 512;

impl Default for Variables {
    /// The ports that both programs know.
    fn default() -> Self {
        let known = [("MODBUS_PORTS", "502"), ("DNP3_PORTS", "20000"), ("ENIP_PORTS", "44818"), ("S7_PORTS", "102")];
        Self { values: known.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }
}

impl Variables {
    /// Takes `NAME=VALUE`.
    ///
    /// # Errors
    /// In words.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        let wrong = || format!("{text:?}: write NAME=VALUE, for example MODBUS_SERVER=10.0.0.0/24");
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let (name, value) = (name.trim().trim_start_matches('$'), value.trim());
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || value.is_empty() || !name.chars().all(fits) {
            return Err(wrong());
        }
        self.values.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Takes all lines that set a variable: `NAME=VALUE`, `var NAME VALUE` (also ipvar, portvar), `NAME: "VALUE"`.
    pub fn read(&mut self, text: &str) {
        for line in text.lines() {
            let line = line.split_once('#').map_or(line, |(line, _)| line).trim();
            let words: Vec<&str> = line.split_whitespace().collect();
            let set = match words.as_slice() {
                ["var" | "ipvar" | "portvar", name, value @ ..] if !value.is_empty() => {
                    Some(format!("{name}={}", value.concat()))
                }
                _ if line.contains('=') => Some(line.to_owned()),
                _ => line
                    .split_once(':')
                    .map(|(name, value)| format!("{}={}", name.trim(), value.trim().trim_matches(['"', '\'']))),
            };
            // What is no variable is some other line of the file.
            let _ = set.map(|set| self.set(&set));
        }
    }

    fn get(&self, name: &str) -> Result<&str, String> {
        self.values
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| format!("variable ${name} has no value; give it with --var {name}=VALUE (or =any)"))
    }
}

/// A list with exclusions, as TOML texts. Empty: any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    pub any: Vec<String>,
    pub none: Vec<String>,
}

impl List {
    /// As TOML texts, exclusions behind a `!`.
    pub fn texts(&self) -> Vec<String> {
        self.any.iter().cloned().chain(self.none.iter().map(|text| format!("!{text}"))).collect()
    }
}

/// What stands before the options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub protocol: String,
    pub source: List,
    pub source_port: List,
    pub destination: List,
    pub destination_port: List,
    pub both_ways: bool,
}

impl Header {
    /// Reads it, variables in place.
    pub fn parse(text: &str, variables: &Variables) -> Result<Self, String> {
        // Lists may hold blanks.
        let mut words = vec![String::new()];
        let mut depth = 0u32;
        for c in text.chars() {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                c if c.is_whitespace() && depth == 0 => {
                    words.push(String::new());
                    continue;
                }
                _ => {}
            }
            if let Some(word) = words.last_mut()
                && !c.is_whitespace()
            {
                word.push(c);
            }
        }
        words.retain(|word| !word.is_empty());
        let [_, protocol, source, source_port, direction, destination, destination_port] = words.as_slice() else {
            return Err(format!(
                "the header has {} words; action, protocol, address, port, ->, address, port are needed",
                words.len()
            ));
        };
        let both_ways = match direction.as_str() {
            "->" => false,
            "<>" => true,
            other => return Err(format!("direction {other:?} is neither -> nor <>")),
        };
        let list = |text: &str, one: fn(&str) -> Result<String, String>| {
            let mut list = List::default();
            gather(text, variables, one, false, &mut list, 0)?;
            Ok::<List, String>(list)
        };
        Ok(Self {
            protocol: protocol.to_ascii_lowercase(),
            source: list(source, address)?,
            source_port: list(source_port, port)?,
            destination: list(destination, address)?,
            destination_port: list(destination_port, port)?,
            both_ways,
        })
    }

    /// The same, seen from the other end.
    pub fn turned(&self) -> Self {
        Self {
            protocol: self.protocol.clone(),
            source: self.destination.clone(),
            source_port: self.destination_port.clone(),
            destination: self.source.clone(),
            destination_port: self.source_port.clone(),
            both_ways: self.both_ways,
        }
    }
}

fn gather(
    text: &str,
    variables: &Variables,
    one: fn(&str) -> Result<String, String>,
    not: bool,
    list: &mut List,
    depth: u8,
) -> Result<(), String> {
    if depth > DEPTH {
        return Err(format!("more than {DEPTH} lists or variables in each other"));
    }
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('!') {
        if not {
            return Err("an exclusion within an exclusion".to_owned());
        }
        return gather(rest, variables, one, true, list, depth + 1);
    }
    if let Some(name) = text.strip_prefix('$') {
        return gather(variables.get(name)?, variables, one, not, list, depth + 1);
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let mut level = 0u32;
        let mut start = 0;
        for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
            match c {
                '[' => level += 1,
                ']' => level = level.saturating_sub(1),
                ',' if level == 0 => {
                    gather(inner.get(start..at).unwrap_or_default(), variables, one, not, list, depth + 1)?;
                    start = at + 1;
                }
                _ => {}
            }
        }
        return Ok(());
    }
    if text == "any" {
        return if not { Err("!any leaves nobody".to_owned()) } else { Ok(()) };
    }
    let into = if not { &mut list.none } else { &mut list.any };
    if into.len() >= MOST_ENTRIES {
        return Err(format!("a list has more than {MOST_ENTRIES} entries"));
    }
    let entry = one(text)?;
    if !into.contains(&entry) {
        into.push(entry);
    }
    Ok(())
}

fn address(text: &str) -> Result<String, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(ip.to_string());
    }
    text.parse::<IpNet>().map(|network| network.to_string()).map_err(|_| format!("{text:?} is no address"))
}

/// `502`, `1024:2048`, `:1024`, `1024:` as a range of ours.
fn port(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is no port");
    let one = |text: &str, open: u16| match text.trim() {
        "" => Ok(open),
        text => text.parse::<u16>().map_err(|_| wrong()),
    };
    match text.split_once(':') {
        Some((from, to)) => {
            let (from, to) = (one(from, 0)?, one(to, u16::MAX)?);
            if from <= to { Ok(format!("{from}..{to}")) } else { Err(wrong()) }
        }
        None if text.is_empty() => Err(wrong()),
        None => one(text, 0).map(|port| port.to_string()),
    }
}
