//! Keys of the configuration file, taken one by one: every problem is told with its line, and what is left is unknown.

use crate::cli::unknown;
use crate::when::span;
use ipnet::IpNet;
use ot_protocol::{Nanos, Timestamp};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Problems told of one file.
const MOST_PROBLEMS: usize = 200;

/// What is wrong with a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// The key, after the table that it is in: `sensor.id`, `zone 2: subnets`. Empty: the file as a whole.
    pub key: String,
    /// What is wrong, and what to write.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.text)
    }
}

/// A file that is read: where its lines begin, what is wrong, and which keys were looked for.
#[derive(Debug)]
pub struct Reading {
    /// Byte at which each line begins.
    lines: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
    /// Every key that was looked for, written as in a problem, with the byte at which its value begins where it is there.
    asked: RefCell<BTreeMap<String, Option<usize>>>,
}

impl Reading {
    /// Of a text.
    pub fn new(text: &str) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self {
            lines: std::iter::once(0).chain(starts).collect(),
            problems: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    /// Tells of a problem at a byte of the text.
    pub fn problem(&self, at: usize, key: impl Into<String>, text: impl Into<String>) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MOST_PROBLEMS {
            problems.push(Problem { line: self.line_at(at), key: key.into(), text: text.into() });
        }
    }

    /// What is wrong, in the order of lines.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.problems.borrow().clone();
        problems.sort_by_key(|problem| problem.line);
        problems
    }

    /// The line of a key that is there, written as in a problem.
    pub fn line_of(&self, key: &str) -> Option<usize> {
        self.asked.borrow().get(key).copied().flatten().map(|at| self.line_at(at))
    }

    /// Every key that was looked for, written as in a problem, and whether it is there.
    #[cfg(test)]
    pub fn asked(&self) -> Vec<(String, bool)> {
        self.asked.borrow().iter().map(|(key, at)| (key.clone(), at.is_some())).collect()
    }

    fn line_at(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).max(1)
    }
}

type Value<'t> = Spanned<DeValue<'t>>;

/// A table whose keys are taken one by one; what is left is unknown. What is wrong is told to the reading, each part of a list
/// by itself, and counts as not written.
pub struct Keys<'t> {
    reading: &'t Reading,
    /// What stands before its keys in a problem.
    pub path: String,
    table: &'t DeTable<'t>,
    /// Byte at which it begins.
    at: usize,
    asked: Vec<&'static str>,
}

impl<'t> Keys<'t> {
    /// Of a table that begins at a byte of the text.
    pub fn new(reading: &'t Reading, path: impl Into<String>, table: &'t DeTable<'t>, at: usize) -> Self {
        Self { reading, path: path.into(), table, at, asked: Vec::new() }
    }

    /// Tells of a problem with a key.
    pub fn problem(&self, key: &str, text: impl Into<String>) {
        let at = self.table.get(key).map_or(self.at, |value| value.span().start);
        self.problem_at(at, key, text);
    }

    fn problem_at(&self, at: usize, key: &str, text: impl Into<String>) {
        self.reading.problem(at, format!("{}{key}", self.path), text);
    }

    /// Tells of a problem with the table.
    pub fn problem_here(&self, text: impl Into<String>) {
        self.reading.problem(self.at, self.place(), text);
    }

    /// How many problems the file has so far.
    pub fn problems(&self) -> usize {
        self.reading.problems.borrow().len()
    }

    /// Gives what was read, or tells what is wrong with it.
    pub fn right<T>(&self, key: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| self.problem(key, problem)).ok()
    }

    fn place(&self) -> &str {
        self.path.trim_end_matches(['.', ' ', ':'])
    }

    fn take(&mut self, key: &'static str) -> Option<&'t Value<'t>> {
        self.asked.push(key);
        let found = self.table.get(key);
        self.reading.asked.borrow_mut().insert(format!("{}{key}", self.path), found.map(|value| value.span().start));
        found
    }

    fn wrong(&self, key: &str, wanted: &str, found: &Value<'_>) {
        let text = format!("is {} where {wanted} is needed", found.get_ref().type_str());
        self.problem_at(found.span().start, key, text);
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::String(text) if !text.chars().any(char::is_control) => return Some(text.to_string()),
            DeValue::String(_) => self.problem(key, "holds a control character"),
            _ => self.wrong(key, "a string", value),
        }
        None
    }

    /// A text that must be there.
    pub fn needed_text(&mut self, key: &'static str) -> Option<String> {
        self.needed(key).then(|| self.text(key))?
    }

    /// Whether a key is there, right or wrong.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// One of some ids.
    pub fn choice<T: Copy>(&mut self, key: &'static str, all: &[T], id: fn(T) -> &'static str) -> Option<T> {
        let text = self.text(key)?;
        self.right(key, one_of(&text, all, id))
    }

    /// One of some words, which are no list of things.
    pub fn word(&mut self, key: &'static str, all: &[&'static str]) -> Option<&'static str> {
        self.choice(key, all, |word| word)
    }

    /// A list of some ids.
    pub fn choices<T: Copy>(&mut self, key: &'static str, all: &[T], id: fn(T) -> &'static str) -> Option<Vec<T>> {
        let texts = self.list(key, "a list of strings", |value| value.as_str().map(str::to_owned))?;
        texts
            .into_iter()
            .map(|(at, text)| one_of(&text, all, id).map_err(|problem| self.problem_at(at, key, problem)).ok())
            .collect::<Vec<_>>()
            .into_iter()
            .collect()
    }

    /// `true` or `false`.
    pub fn truth(&mut self, key: &'static str) -> Option<bool> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Boolean(truth) => Some(*truth),
            _ => {
                self.wrong(key, "true or false", value);
                None
            }
        }
    }

    /// A whole number from 0 to so many.
    pub fn number(&mut self, key: &'static str, most: u32) -> Option<u32> {
        let value = self.take(key)?;
        let DeValue::Integer(_) = value.get_ref() else {
            self.wrong(key, "a whole number", value);
            return None;
        };
        let number = whole(value).and_then(|number| u32::try_from(number).ok()).filter(|number| *number <= most);
        if number.is_none() {
            self.problem(key, format!("{} is not within 0 to {most}", show(value)));
        }
        number
    }

    /// A span: `90s`, `10m`, `7d`.
    pub fn span(&mut self, key: &'static str) -> Option<Nanos> {
        let text = self.text(key)?;
        self.right(key, span(&text))
    }

    /// A span within limits, which `words` name: `1s to 1h`.
    pub fn span_within(
        &mut self,
        key: &'static str,
        limits: RangeInclusive<Duration>,
        words: &str,
    ) -> Option<Duration> {
        let text = self.text(key)?;
        let span = Duration::from_nanos(self.right(key, span(&text))?.unsigned_abs());
        let read = limits.contains(&span).then_some(span).ok_or_else(|| format!("{text} is not within {words}"));
        self.right(key, read)
    }

    /// A time, as a TOML date-time with its offset or as text.
    pub fn time(&mut self, key: &'static str) -> Option<Timestamp> {
        let value = self.take(key)?;
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            _ => {
                self.wrong(key, "a time, for example 2026-03-01T12:00:00Z,", value);
                return None;
            }
        };
        self.right(key, crate::when::time(&text))
    }

    /// A time that must be there.
    pub fn needed_time(&mut self, key: &'static str) -> Option<Timestamp> {
        self.needed(key).then(|| self.time(key))?
    }

    /// A list of whole numbers from 0 to so many.
    pub fn numbers(&mut self, key: &'static str, most: u32) -> Option<Vec<usize>> {
        let value = self.take(key)?;
        let DeValue::Array(list) = value.get_ref() else {
            self.wrong(key, "a list of whole numbers", value);
            return None;
        };
        list.iter()
            .map(|value| {
                let number = whole(value).and_then(|number| u32::try_from(number).ok());
                let number = number.filter(|number| *number <= most).and_then(|number| usize::try_from(number).ok());
                if number.is_none() {
                    let text = format!("{} is no whole number within 0 to {most}", show(value));
                    self.problem_at(value.span().start, key, text);
                }
                number
            })
            .collect::<Vec<_>>()
            .into_iter()
            .collect()
    }

    /// A list of texts; empty where it is not there.
    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        self.texts_with_places(key).into_iter().map(|(_, text)| text).collect()
    }

    /// A list of texts, each read, or told what is wrong with it.
    pub fn texts_as<T>(&mut self, key: &'static str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        self.texts_with_places(key)
            .into_iter()
            .filter_map(|(at, text)| read(&text).map_err(|problem| self.problem_at(at, key, problem)).ok())
            .collect()
    }

    fn texts_with_places(&mut self, key: &'static str) -> Vec<(usize, String)> {
        self.list(key, "a list of strings", |value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// A size in bytes: a number, or a text with a unit.
    pub fn size(&mut self, key: &'static str) -> Option<u64> {
        let value = self.take(key)?;
        let bytes = match value.get_ref() {
            DeValue::Integer(_) => whole(value).and_then(|number| u64::try_from(number).ok()),
            DeValue::String(text) => bytes_of(text),
            _ => {
                self.wrong(key, "a size", value);
                return None;
            }
        };
        if bytes.is_none() {
            self.problem(key, format!("{} is no size; write \"1 GiB\" or a number of bytes", show(value)));
        }
        bytes
    }

    /// A list of networks or addresses.
    pub fn networks(&mut self, key: &'static str) -> Option<Vec<IpNet>> {
        let value = self.take(key)?;
        let DeValue::Array(list) = value.get_ref() else {
            self.wrong(key, "a list of networks", value);
            return None;
        };
        list.iter()
            .map(|value| {
                let network = value.get_ref().as_str().and_then(network_of);
                if network.is_none() {
                    let text = format!("{} is no network; write \"10.0.0.0/24\"", show(value));
                    self.problem_at(value.span().start, key, text);
                }
                network
            })
            .collect::<Vec<_>>()
            .into_iter()
            .collect()
    }

    /// A list of networks that must be there.
    pub fn needed_networks(&mut self, key: &'static str) -> Option<Vec<IpNet>> {
        self.needed(key).then(|| self.networks(key))?
    }

    /// Whether a key is there that must be.
    fn needed(&mut self, key: &'static str) -> bool {
        let there = self.has(key);
        if !there {
            self.take(key);
            self.problem_at(self.at, key, "is missing");
        }
        there
    }

    fn list<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Option<Vec<(usize, T)>> {
        let value = self.take(key)?;
        let DeValue::Array(list) = value.get_ref() else {
            self.wrong(key, wanted, value);
            return None;
        };
        list.iter()
            .map(|value| {
                let item = read(value.get_ref());
                if item.is_none() {
                    self.wrong(key, wanted, value);
                }
                item.map(|item| (value.span().start, item))
            })
            .collect::<Vec<_>>()
            .into_iter()
            .collect()
    }

    /// A table.
    pub fn table(&mut self, key: &'static str) -> Option<Self> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Table(table) => {
                Some(Self::new(self.reading, format!("{}{key}.", self.path), table, value.span().start))
            }
            _ => {
                self.wrong(key, &format!("a table [{key}]"), value);
                None
            }
        }
    }

    /// The tables of a list.
    pub fn tables(&mut self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let wanted = format!("a list of tables [[{key}]]");
        let DeValue::Array(list) = value.get_ref() else {
            self.wrong(key, &wanted, value);
            return Vec::new();
        };
        (1..)
            .zip(list.iter())
            .filter_map(|(number, value): (usize, _)| match value.get_ref() {
                DeValue::Table(table) => {
                    Some(Self::new(self.reading, format!("{key} {number}: "), table, value.span().start))
                }
                _ => {
                    self.wrong(key, &wanted, value);
                    None
                }
            })
            .collect::<Vec<_>>()
            .into_iter()
            .collect()
    }

    /// The tables in this table, whatever their names, with the name of each; they end as tables that were taken.
    pub fn all_tables(self, named: impl Fn(&str) -> Result<(), String>) -> Vec<(String, Self)> {
        let mut tables = Vec::new();
        for (name, value) in self.table.iter() {
            let id = name.get_ref().to_string();
            if let Err(problem) = named(&id) {
                self.reading.problem(name.span().start, self.place(), problem);
                continue;
            }
            match value.get_ref() {
                DeValue::Table(table) => {
                    let path = format!("{}{id}.", self.path);
                    tables.push((id, Self::new(self.reading, path, table, value.span().start)));
                }
                _ => self.problem_at(value.span().start, &id, format!("is no table; write [{}{id}]", self.path)),
            }
        }
        tables
    }

    /// Tells of the keys that were not taken.
    pub fn end(&self) {
        for name in self.table.keys() {
            let key = name.get_ref().as_ref();
            if !self.asked.contains(&key) {
                let place = if self.path.is_empty() { "top level" } else { self.place() };
                self.reading.problem(
                    name.span().start,
                    place,
                    format!("key {}", unknown(key, self.asked.iter().copied())),
                );
            }
        }
    }
}

fn one_of<T: Copy>(text: &str, all: &[T], id: fn(T) -> &'static str) -> Result<T, String> {
    all.iter()
        .copied()
        .find(|value| id(*value) == text)
        .ok_or_else(|| unknown(text, all.iter().map(|value| id(*value))))
}

/// A network, or an address as one.
pub fn network_of(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn whole(value: &Value<'_>) -> Option<i64> {
    match value.get_ref() {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

/// A value as it can be shown in a problem.
fn show(value: &Value<'_>) -> String {
    match value.get_ref() {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        other => other.type_str().to_owned(),
    }
}

/// `1 GiB`, `500 MB`, `4096`: bytes.
fn bytes_of(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
