//! A file of rules: TOML, read so that every problem is told with its line.

use crate::condition::{Condition, Number, Order};
use crate::expression;
use crate::names::nearest;
use crate::payload::{Place, Read, Step, What, content};
use crate::peers::{Named, Peers};
use crate::rule::{By, Count, Level, Ports, Rule, Side, Subject};
use crate::schedule::{Schedule, Shift};
use crate::template::Template;
use crate::vocabulary::{Field, Vocabulary};
use ot_protocol::Nanos;
use ot_protocol::time::SECOND;
use std::fmt;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Bytes of a file.
pub const MOST_BYTES: usize = 4 << 20;
/// Problems told of one file.
const MOST_PROBLEMS: usize = 200;
/// Steps of a pattern, shifts, peers, references of one rule.
const MOST_ITEMS: usize = 1024;

/// What is wrong with a file of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// The rule it is in.
    pub rule: Option<String>,
    /// What is wrong, and what to write.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}: ", self.file, self.line)?;
        if let Some(rule) = &self.rule {
            write!(f, "rule {rule:?}: ")?;
        }
        f.write_str(&self.text)
    }
}

struct Reader<'a> {
    file: Arc<str>,
    text: &'a str,
    vocabulary: &'a Vocabulary,
    /// Byte at which each line begins.
    lines: Vec<usize>,
    problems: Vec<Problem>,
    more: usize,
    rule: Option<String>,
}

type Value<'a> = Spanned<DeValue<'a>>;

/// Reads a file: the rules that are right, and what is wrong with the others.
pub fn file(name: &str, text: &str, vocabulary: &Vocabulary) -> (Vec<Rule>, Vec<Problem>) {
    let lines =
        std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1));
    let mut reader = Reader {
        file: name.into(),
        text,
        vocabulary,
        lines: if text.len() > MOST_BYTES { vec![0] } else { lines.collect() },
        problems: Vec::new(),
        more: 0,
        rule: None,
    };
    let rules = if text.len() > MOST_BYTES {
        reader.problem(0, format!("the file is larger than {} MiB; split it", MOST_BYTES >> 20));
        Vec::new()
    } else {
        reader.file()
    };
    let Reader { file, mut problems, more, .. } = reader;
    problems.sort_by_key(|problem| problem.line);
    if more > 0 {
        problems.push(Problem { file, line: 1, rule: None, text: format!("and {more} problems more") });
    }
    (rules, problems)
}

/// A span of packet time: `90s`, `10m`, `2h`, `7d`.
fn span(text: &str) -> Option<Nanos> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.trim().split_at_checked(digits)?;
    let factor = match unit {
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" | "min" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        _ => return None,
    };
    number.parse::<Nanos>().ok()?.checked_mul(factor).filter(|span| (1..=31 * 86_400 * SECOND).contains(span))
}

/// The keys of a table, taken one by one; what is left is unknown.
struct Keys<'t, 'a> {
    table: &'t DeTable<'a>,
    at: usize,
    asked: Vec<&'static str>,
}

impl<'t, 'a> Keys<'t, 'a> {
    fn new(table: &'t DeTable<'a>, at: usize) -> Self {
        Self { table, at, asked: Vec::new() }
    }

    fn take(&mut self, key: &'static str) -> Option<&'t Value<'a>> {
        self.asked.push(key);
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).max(1)
    }

    fn problem(&mut self, at: usize, text: impl Into<String>) {
        if self.problems.len() >= MOST_PROBLEMS {
            self.more += 1;
            return;
        }
        let problem =
            Problem { file: Arc::clone(&self.file), line: self.line(at), rule: self.rule.clone(), text: text.into() };
        self.problems.push(problem);
    }

    fn file(&mut self) -> Vec<Rule> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            self.problem(at, format!("not TOML: {}", error.message().trim()));
        }
        // What the parser made of broken text is nothing to complain about as well.
        if !errors.is_empty() {
            return Vec::new();
        }
        let mut keys = Keys::new(document.get_ref(), 0);
        let mut rules = Vec::new();
        match keys.take("rule").map(|value| (value.span().start, value.get_ref())) {
            None => self.problem(0, "the file holds no rule; a rule begins with [[rule]]"),
            Some((_, DeValue::Array(list))) => {
                for value in list.iter() {
                    self.rule = None;
                    match value.get_ref() {
                        DeValue::Table(table) => rules.extend(self.rule(table, value.span().start)),
                        _ => self.problem(value.span().start, "a rule is a table; write [[rule]]"),
                    }
                }
            }
            Some((at, _)) => self.problem(at, "write [[rule]] with two brackets, once for each rule"),
        }
        self.rule = None;
        self.end(keys, "at the top of the file");
        rules
    }

    fn end(&mut self, keys: Keys<'_, '_>, place: &str) {
        let Keys { table, asked, .. } = keys;
        for name in table.keys().filter(|name| !asked.iter().any(|asked| name.get_ref() == asked)) {
            let given = name.get_ref();
            let near = nearest(given, asked.iter().copied())
                .map_or_else(|| format!("known are {}", asked.join(", ")), |near| format!("did you mean {near:?}?"));
            self.problem(name.span().start, format!("key {given:?} is not known {place}; {near}"));
        }
    }

    fn wrong(&mut self, value: &Value<'_>, key: &str, wanted: &str) {
        self.problem(value.span().start, format!("{key}: {wanted} is needed, this is {}", value.get_ref().type_str()));
    }

    fn text<'t>(&mut self, keys: &mut Keys<'t, '_>, key: &'static str) -> Option<(usize, &'t str)> {
        let value = keys.take(key)?;
        match value.get_ref() {
            DeValue::String(text) if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') => {
                self.problem(value.span().start, format!("{key}: holds a control character"));
                None
            }
            DeValue::String(text) => Some((value.span().start, text.as_ref())),
            _ => {
                self.wrong(value, key, "a text in quotes");
                None
            }
        }
    }

    /// A text, or a list of texts.
    fn texts<'t>(&mut self, keys: &mut Keys<'t, '_>, key: &'static str) -> Vec<(usize, &'t str)> {
        let Some(value) = keys.take(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::String(text) => vec![(value.span().start, text.as_ref())],
            DeValue::Array(list) if list.len() <= MOST_ITEMS => {
                let mut texts = Vec::new();
                for item in list.iter() {
                    match item.get_ref() {
                        DeValue::String(text) => texts.push((item.span().start, text.as_ref())),
                        _ => self.wrong(item, key, "a list of texts in quotes"),
                    }
                }
                if list.is_empty() {
                    self.problem(value.span().start, format!("{key}: the list is empty; leave it out"));
                }
                texts
            }
            DeValue::Array(_) => {
                self.problem(value.span().start, format!("{key}: more than {MOST_ITEMS} entries"));
                Vec::new()
            }
            _ => {
                self.wrong(value, key, "a text in quotes, or a list of them,");
                Vec::new()
            }
        }
    }

    fn whole(&mut self, keys: &mut Keys<'_, '_>, key: &'static str, from: i64, to: i64) -> Option<i64> {
        let value = keys.take(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => {
                self.wrong(value, key, "a whole number");
                return None;
            }
        };
        match number.filter(|number| (from..=to).contains(number)) {
            Some(number) => Some(number),
            None => {
                self.problem(value.span().start, format!("{key}: a number from {from} to {to} is needed"));
                None
            }
        }
    }

    fn truth(&mut self, keys: &mut Keys<'_, '_>, key: &'static str) -> Option<bool> {
        let value = keys.take(key)?;
        match value.get_ref() {
            DeValue::Boolean(truth) => Some(*truth),
            _ => {
                self.wrong(value, key, "true or false");
                None
            }
        }
    }

    /// One of some words.
    fn choice<T: Copy>(&mut self, keys: &mut Keys<'_, '_>, key: &'static str, known: &[(&str, T)]) -> Option<T> {
        let (at, text) = self.text(keys, key)?;
        let found = known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.problem(at, format!("{key}: {text:?} is not known; write {}", names.join(", ")));
        }
        found
    }

    fn rule(&mut self, table: &DeTable<'_>, at: usize) -> Option<Rule> {
        let before = self.problems.len() + self.more;
        let mut keys = Keys::new(table, at);
        let keys = &mut keys;
        let id = self.id(keys);
        self.rule = id.as_deref().map(str::to_owned);
        let title = self.text(keys, "title").map(|(_, text)| text.to_owned());
        let enabled = self.truth(keys, "enabled").unwrap_or(true);
        let levels = Level::ALL.map(|level| (level.as_str(), level));
        let level = self.choice(keys, "severity", &levels).unwrap_or(Level::Major);
        let named = self.texts(keys, "protocol");
        let from = self.choice(keys, "from", &[("client", Side::Client), ("server", Side::Server)]);
        let source = self.peers(keys, "source");
        let destination = self.peers(keys, "destination");
        let source_port = self.ports(keys, "source_port");
        let destination_port = self.ports(keys, "destination_port");
        let when = self.text(keys, "when");
        let when_at = when.map(|(at, _)| at);
        let when = when.and_then(|(at, text)| match expression::parse(text, self.vocabulary) {
            Ok(condition) => Some(condition),
            Err(problem) => {
                self.problem(at, format!("when: {problem}"));
                None
            }
        });
        let payload = self.payload(keys);
        let schedule = Schedule { during: self.shifts(keys, "during"), outside: self.shifts(keys, "outside") };
        let count = self.count(keys);
        let message = self.text(keys, "message");
        let message_at = message.map(|(at, _)| at);
        let message = message.map(|(at, text)| match Template::parse(text, self.vocabulary) {
            Ok(template) => template,
            Err(problem) => {
                self.problem(at, format!("message: {problem}"));
                Template::default()
            }
        });
        let mut techniques = Vec::new();
        for (at, text) in self.texts(keys, "techniques") {
            match self.vocabulary.technique(text) {
                Ok(id) if techniques.contains(&id) => {}
                Ok(id) => techniques.push(id),
                Err(problem) => self.problem(at, format!("techniques: {problem}")),
            }
        }
        let event = self.choice(keys, "as", &[("alert", false), ("event", true)]).unwrap_or(false);
        let references = self.texts(keys, "references").into_iter().map(|(_, text)| text.to_owned()).collect();
        let start = keys.at;
        // Of what could not be read nothing follows.
        let told = when_at.is_some() && when.is_none() && named.is_empty();
        let subject = match told {
            true => None,
            false => self.subject(start, &named, when.as_ref().zip(when_at), !payload.is_empty()),
        };
        let empty = when_at.is_none()
            && payload.is_empty()
            && from.is_none()
            && source.is_anyone()
            && destination.is_anyone()
            && source_port.is_any()
            && destination_port.is_any();
        if empty {
            self.problem(
                start,
                "it has no condition and would match every message; write `when`, `payload`, `source` or `destination`",
            );
        }
        let keys = std::mem::replace(keys, Keys::new(table, at));
        self.end(keys, "in a rule");
        let mut shown = Vec::new();
        if let Some(condition) = &when {
            condition.fields(&mut shown);
        }
        if let Some(message) = &message {
            let mut fields = Vec::new();
            message.fields(&mut fields);
            self.message_fields(message_at.unwrap_or(start), &fields, subject.as_ref());
            shown.extend(fields.into_iter().filter(|field| !shown.contains(field)).collect::<Vec<_>>());
        }
        let right = self.problems.len() + self.more == before;
        let (id, subject) = (id?, subject?);
        (right && enabled).then(|| Rule {
            title: title.unwrap_or_else(|| id.to_string()),
            file: Arc::clone(&self.file),
            line: self.line(start),
            id,
            level,
            subject,
            from,
            source,
            destination,
            source_port,
            destination_port,
            when,
            payload,
            schedule,
            count,
            message: message.unwrap_or_default(),
            techniques,
            event,
            references,
            shown,
        })
    }

    fn id(&mut self, keys: &mut Keys<'_, '_>) -> Option<Arc<str>> {
        let at = keys.at;
        if !keys.table.keys().any(|key| key.get_ref() == "id") {
            keys.asked.push("id");
            self.problem(at, "id: is missing; write id = \"set-point-limit\"");
            return None;
        }
        let (at, text) = self.text(keys, "id")?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
            self.problem(at, format!("id: {text:?} is none; write 1 to 64 letters, digits, '-', '_' or '.'"));
            return None;
        }
        Some(text.into())
    }

    /// What the rule looks at: as written, else what its fields belong to.
    fn subject(
        &mut self,
        start: usize,
        named: &[(usize, &str)],
        when: Option<(&Condition, usize)>,
        has_payload: bool,
    ) -> Option<Subject> {
        let mut fields = Vec::new();
        if let Some((condition, _)) = when {
            condition.fields(&mut fields);
        }
        let (mut tcp, mut udp) = (false, false);
        let mut protocols: Vec<&'static str> = Vec::new();
        for &(at, name) in named {
            match name {
                "tcp" => tcp = true,
                "udp" => udp = true,
                _ => match self.vocabulary.protocol(name) {
                    Ok(id) if protocols.contains(&id) => {}
                    Ok(id) => protocols.push(id),
                    Err(problem) => {
                        self.problem(at, format!("protocol: {problem}"));
                        return None;
                    }
                },
            }
        }
        if tcp || udp {
            let problem = if !protocols.is_empty() {
                Some("tcp and udp stand for payload and cannot be named together with a protocol; make two rules")
            } else if when.is_some() {
                Some(
                    "`when` needs decoded fields, which payload does not have; name a protocol instead of tcp or udp, or use `payload`",
                )
            } else if !has_payload {
                Some("protocol tcp or udp needs `payload`: what to look for")
            } else {
                None
            };
            if let Some(problem) = problem {
                self.problem(named.first().map_or(start, |(at, _)| *at), format!("protocol: {problem}"));
                return None;
            }
            return Some(Subject::Payload { tcp, udp });
        }
        for &field in &fields {
            let of = self.vocabulary.protocols_of(field);
            let at = when.map_or(start, |(_, at)| at);
            if named.is_empty() {
                protocols.extend(of.iter().filter(|id| !protocols.contains(id)).copied().collect::<Vec<_>>());
            } else if !of.is_empty() && !of.iter().any(|id| protocols.contains(id)) {
                let problem = format!(
                    "when: {} is a field of {}, and the rule is for {}",
                    field.name(),
                    of.join(" and "),
                    protocols.join(" and ")
                );
                self.problem(at, problem);
            }
        }
        if protocols.is_empty() {
            let known = self.vocabulary.protocols().join(", ");
            self.problem(
                start,
                format!("protocol: is missing; write one or several of {known}, or tcp or udp for payload"),
            );
            return None;
        }
        Some(Subject::Messages(protocols))
    }

    fn message_fields(&mut self, at: usize, fields: &[Field], subject: Option<&Subject>) {
        for field in fields {
            let of = self.vocabulary.protocols_of(*field);
            let problem = match subject {
                Some(Subject::Payload { .. }) => {
                    "the rule looks at payload, which has no fields; use {source}, {destination} or {payload}"
                        .to_owned()
                }
                Some(Subject::Messages(protocols)) if !of.is_empty() && !of.iter().any(|id| protocols.contains(id)) => {
                    format!(
                        "{} is a field of {}, and the rule is for {}",
                        field.name(),
                        of.join(" and "),
                        protocols.join(" and ")
                    )
                }
                _ => continue,
            };
            self.problem(at, format!("message: {problem}"));
        }
    }

    fn peers(&mut self, keys: &mut Keys<'_, '_>, key: &'static str) -> Peers {
        let mut peers = Peers::default();
        for (at, text) in self.texts(keys, key) {
            let (list, name) = match text.strip_prefix('!') {
                Some(name) => (&mut peers.none, name),
                None => (&mut peers.any, text),
            };
            match Named::parse(name.trim()) {
                Ok(named) => list.push(named),
                Err(problem) => self.problem(at, format!("{key}: {problem}")),
            }
        }
        peers
    }

    fn ports(&mut self, keys: &mut Keys<'_, '_>, key: &'static str) -> Ports {
        let mut ports = Ports::default();
        let Some(value) = keys.take(key) else { return ports };
        let one = std::slice::from_ref(value);
        let list: Vec<&Value<'_>> = match value.get_ref() {
            DeValue::Array(list) => list.iter().collect(),
            _ => one.iter().collect(),
        };
        for item in list.into_iter().take(MOST_ITEMS) {
            let range = match item.get_ref() {
                DeValue::Integer(number) => {
                    u16::from_str_radix(number.as_str(), number.radix()).ok().map(|port| (false, port, port))
                }
                DeValue::String(text) => {
                    let (not, range) = text.strip_prefix('!').map_or((false, text.as_ref()), |rest| (true, rest));
                    let (from, to) = range.split_once("..").unwrap_or((range, range));
                    let port = |text: &str| text.trim().parse::<u16>().ok();
                    port(from).zip(port(to)).filter(|(from, to)| from <= to).map(|(from, to)| (not, from, to))
                }
                _ => None,
            };
            match range {
                Some((true, from, to)) => ports.none.push((from, to)),
                Some((false, from, to)) => ports.any.push((from, to)),
                None => self.problem(
                    item.span().start,
                    format!("{key}: a port is needed: 502, \"1024..2048\" or \"!502\", or a list of them"),
                ),
            }
        }
        ports
    }

    fn shifts(&mut self, keys: &mut Keys<'_, '_>, key: &'static str) -> Vec<Shift> {
        let mut shifts = Vec::new();
        for (at, text) in self.texts(keys, key) {
            match Shift::parse(text) {
                Ok(shift) => shifts.push(shift),
                Err(problem) => self.problem(at, format!("{key}: {problem}")),
            }
        }
        shifts
    }

    fn count(&mut self, keys: &mut Keys<'_, '_>) -> Option<Count> {
        let value = keys.take("count")?;
        let start = value.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong(value, "count", "{ at_least = 5, within = \"60s\" }");
            return None;
        };
        let mut keys = Keys::new(table, start);
        let at_least = self.whole(&mut keys, "at_least", 2, 10_000);
        if at_least.is_none() && !table.keys().any(|key| key.get_ref() == "at_least") {
            self.problem(start, "count: at_least is missing: how often");
        }
        let within = self.text(&mut keys, "within");
        if within.is_none() && !table.keys().any(|key| key.get_ref() == "within") {
            self.problem(start, "count: within is missing: in which span, for example \"60s\"");
        }
        let within = within.and_then(|(at, text)| {
            let span = span(text);
            if span.is_none() {
                self.problem(at, format!("count: within: {text:?} is no span up to 31 days; write 60s, 10m, 2h or 1d"));
            }
            span
        });
        let ways = [("source", By::Source), ("destination", By::Destination), ("pair", By::Pair), ("rule", By::Rule)];
        let by = self.choice(&mut keys, "by", &ways).unwrap_or(By::Pair);
        self.end(keys, "in count");
        Some(Count { at_least: u32::try_from(at_least?).ok()?, within: within?, by })
    }

    fn payload(&mut self, keys: &mut Keys<'_, '_>) -> Vec<Step> {
        let Some(value) = keys.take("payload") else { return Vec::new() };
        let one = std::slice::from_ref(value);
        let list: Vec<&Value<'_>> = match value.get_ref() {
            DeValue::Array(list) => list.iter().collect(),
            _ => one.iter().collect(),
        };
        if list.len() > MOST_ITEMS || list.is_empty() {
            self.problem(value.span().start, format!("payload: 1 to {MOST_ITEMS} steps are needed"));
            return Vec::new();
        }
        list.into_iter().filter_map(|item| self.step(item)).collect()
    }

    fn step(&mut self, item: &Value<'_>) -> Option<Step> {
        const KINDS: [&str; 6] = ["content", "one_of", "number", "jump", "more", "size"];
        let start = item.span().start;
        // A text alone is a content.
        if let DeValue::String(text) = item.get_ref() {
            return match content(text) {
                Ok(bytes) => Some(Step {
                    what: What::Content { bytes, nocase: false, place: Place::default() },
                    not: false,
                    text: text.to_string(),
                }),
                Err(problem) => {
                    self.problem(start, format!("payload: {problem}"));
                    None
                }
            };
        }
        let DeValue::Table(table) = item.get_ref() else {
            self.wrong(item, "payload", "{ content = \"|00 00|\", offset = 2 } or a list of such steps");
            return None;
        };
        let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| table.keys().any(|key| key.get_ref() == kind)).collect();
        let &[kind] = kinds.as_slice() else {
            self.problem(start, format!("payload: a step has exactly one of {}", KINDS.join(", ")));
            return None;
        };
        let mut keys = Keys::new(table, start);
        let not = self.truth(&mut keys, "not").unwrap_or(false);
        let what = match kind {
            "content" | "one_of" => {
                let (at, text) = self.text(&mut keys, if kind == "content" { "content" } else { "one_of" })?;
                let bytes = match content(text) {
                    Ok(bytes) => bytes,
                    Err(problem) => {
                        self.problem(at, format!("payload: {kind}: {problem}"));
                        return None;
                    }
                };
                let place = self.place(&mut keys, start)?;
                if kind == "one_of" {
                    What::OneOf { bytes, place }
                } else {
                    let nocase = self.truth(&mut keys, "nocase").unwrap_or(false);
                    What::Content { bytes: if nocase { bytes.to_ascii_lowercase() } else { bytes }, nocase, place }
                }
            }
            "number" => {
                let read = self.read(&mut keys, "number")?;
                let mask = self.whole(&mut keys, "mask", 0, i64::MAX);
                let Some((at, text)) = self.text(&mut keys, "is") else {
                    self.problem(start, "payload: number: `is` is missing: how it compares, for example \">= 0x80\"");
                    return None;
                };
                let (order, value) = self.comparison(at, "number", text)?;
                let mask = mask.and_then(|mask| u64::try_from(mask).ok()).unwrap_or(u64::MAX);
                What::Number { read, mask, order, value }
            }
            "jump" => {
                let read = self.read(&mut keys, "jump")?;
                let times = self.whole(&mut keys, "times", 1, 65_535).unwrap_or(1);
                let plus = self.whole(&mut keys, "plus", -65_535, 65_535).unwrap_or(0);
                What::Jump { read, times: u32::try_from(times).ok()?, plus: i32::try_from(plus).ok()? }
            }
            "more" => {
                let bytes = self.whole(&mut keys, "more", 0, 65_535)?;
                let relative = self.truth(&mut keys, "relative").unwrap_or(false);
                What::More { bytes: u32::try_from(bytes).ok()?, relative }
            }
            _ => {
                let (at, text) = self.text(&mut keys, "size")?;
                let (order, size) = self.comparison(at, "size", text)?;
                What::Size(order, u32::try_from(size).unwrap_or(u32::MAX))
            }
        };
        self.end(keys, &format!("in a payload step with {kind}"));
        let key = match kind {
            "number" => "is",
            kind => kind,
        };
        let text = table.iter().find(|(name, _)| name.get_ref() == key).and_then(|(_, value)| value.get_ref().as_str());
        Some(Step { what, not, text: text.unwrap_or_default().to_owned() })
    }

    fn place(&mut self, keys: &mut Keys<'_, '_>, start: usize) -> Option<Place> {
        let offset = self.whole(keys, "offset", 0, 65_535);
        let depth = self.whole(keys, "depth", 1, 65_535);
        let distance = self.whole(keys, "distance", -65_535, 65_535);
        let within = self.whole(keys, "within", 1, 65_535);
        let relative = distance.is_some() || within.is_some();
        if relative && (offset.is_some() || depth.is_some()) {
            self.problem(
                start,
                "payload: offset and depth count from the start, distance and within from the content before; use one pair",
            );
            return None;
        }
        let from = i32::try_from(distance.or(offset).unwrap_or(0)).ok()?;
        Some(Place { from, length: within.or(depth).and_then(|length| u32::try_from(length).ok()), relative })
    }

    fn read(&mut self, keys: &mut Keys<'_, '_>, key: &'static str) -> Option<Read> {
        let width = self.whole(keys, key, 1, 8)?;
        let offset = self.whole(keys, "offset", 0, 65_535);
        let distance = self.whole(keys, "distance", -65_535, 65_535);
        let little = self.truth(keys, "little").unwrap_or(false);
        Some(Read {
            width: u8::try_from(width).ok()?,
            little,
            place: i32::try_from(distance.or(offset).unwrap_or(0)).ok()?,
            relative: distance.is_some(),
        })
    }

    /// `>= 0x80`
    fn comparison(&mut self, at: usize, key: &str, text: &str) -> Option<(Order, u64)> {
        let signs = [
            ("==", Order::Equal),
            (">=", Order::AtLeast),
            ("<=", Order::AtMost),
            (">", Order::Greater),
            ("<", Order::Less),
        ];
        let found = signs.iter().find_map(|(sign, order)| Some((*order, text.trim().strip_prefix(sign)?)));
        let value = found.and_then(|(order, number)| match Number::parse(number.trim())? {
            Number::Whole(number) => Some((order, u64::try_from(number).ok()?)),
            Number::Real(_) => None,
        });
        if value.is_none() {
            self.problem(
                at,
                format!("payload: {key}: {text:?} compares nothing; write \">= 0x80\" (==, <, <=, >, >=)"),
            );
        }
        value
    }
}
