//! What a command that stays (`run`, `console`, `forward`) writes on standard error: lines of text or of JSON, and of the
//! same kind only so many a minute, with how many more there were.

use crate::output::clean;
use ot_store::wall_clock;
use serde_json::json;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines of a kind within a span; what is beyond is counted.
const MOST: u64 = 10;
const SPAN: Duration = Duration::from_secs(60);
/// Kinds that are counted at once; beyond it the one that began first ends.
const KINDS: usize = 64;
/// Characters that make a kind.
const SHAPE: usize = 60;

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// As text, for people and for the journal, which knows the time.
    #[default]
    Text,
    /// One JSON object a line: `time` (RFC 3339), `level`, `area`, `message`.
    Json,
}

impl Format {
    /// All.
    pub const ALL: [Self; 2] = [Self::Text, Self::Json];

    /// Stable id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Something is not as it should be.
    Warning,
    /// The command ends for it.
    Error,
}

impl Level {
    /// Stable id.
    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

struct Log {
    format: Format,
    limit: Limit,
}

static LOG: Mutex<Log> = Mutex::new(Log { format: Format::Text, limit: Limit { kinds: Vec::new() } });

fn log() -> MutexGuard<'static, Log> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on lines are written so.
pub fn begin(format: Format) {
    log().format = format;
    if format == Format::Json {
        std::panic::set_hook(Box::new(|panic| line(Level::Error, "panic", &panic.to_string())));
    }
}

/// How lines are written.
#[cfg(feature = "console")]
pub fn format() -> Format {
    log().format
}

/// Writes a line. There is nobody to tell if that fails.
pub fn line(level: Level, area: &'static str, text: &str) {
    let mut log = log();
    let now = Instant::now();
    let over = log.limit.over(now);
    over.iter().for_each(|over| write(log.format, over.level, over.area, &over.told()));
    if let Some(over) = log.limit.note(level, area, text, now) {
        write(log.format, over.level, over.area, &over.told());
    }
    if log.limit.lets(level, area, text) {
        write(log.format, level, area, text);
    }
}

/// Tells of the lines that were held back, where their time is over. To be called now and then.
pub fn tick() {
    let mut log = log();
    let over = log.limit.over(Instant::now());
    over.iter().for_each(|over| write(log.format, over.level, over.area, &over.told()));
}

fn write(format: Format, level: Level, area: &str, text: &str) {
    let text = clean(text);
    let line = match (format, level) {
        (Format::Json, _) => {
            json!({"time": wall_clock().to_string(), "level": level.as_str(), "area": area, "message": text})
                .to_string()
        }
        (Format::Text, Level::Info) => text,
        (Format::Text, Level::Warning) => format!("warning: {text}"),
        (Format::Text, Level::Error) => format!("ot-sensor: {text}"),
    };
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Counts lines by their kind.
struct Limit {
    kinds: Vec<Kind>,
}

/// Lines that differ in no more than their numbers.
struct Kind {
    level: Level,
    area: &'static str,
    shape: String,
    began: Instant,
    count: u64,
    /// The newest line.
    newest: String,
}

impl Kind {
    fn told(&self) -> String {
        format!("{} more of this in a minute, the newest: {}", self.count - MOST, self.newest)
    }
}

/// The beginning of a line, without its numbers.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for letter in text.chars().take(SHAPE) {
        let letter = if letter.is_ascii_digit() { '#' } else { letter };
        if letter != '#' || !shape.ends_with('#') {
            shape.push(letter);
        }
    }
    shape
}

impl Limit {
    /// Kinds whose time is over and of which lines were held back.
    fn over(&mut self, now: Instant) -> Vec<Kind> {
        let over = self.kinds.extract_if(.., |kind| now.duration_since(kind.began) >= SPAN);
        over.filter(|kind| kind.count > MOST).collect()
    }

    /// Counts a line. Gives a kind that had to end for it, where it had lines held back.
    fn note(&mut self, level: Level, area: &'static str, text: &str, now: Instant) -> Option<Kind> {
        let shape = shape(text);
        if let Some(kind) = self.kind(level, area, &shape) {
            kind.count += 1;
            text.clone_into(&mut kind.newest);
            return None;
        }
        let gone = (self.kinds.len() >= KINDS).then(|| self.kinds.remove(0));
        self.kinds.push(Kind { level, area, shape, began: now, count: 1, newest: text.to_owned() });
        gone.filter(|kind| kind.count > MOST)
    }

    /// Whether a line that was counted is written.
    fn lets(&mut self, level: Level, area: &'static str, text: &str) -> bool {
        let shape = shape(text);
        self.kind(level, area, &shape).is_none_or(|kind| kind.count <= MOST)
    }

    fn kind(&mut self, level: Level, area: &'static str, shape: &str) -> Option<&mut Kind> {
        self.kinds.iter_mut().find(|kind| kind.level == level && kind.area == area && kind.shape == shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(limit: &mut Limit, text: &str, now: Instant) -> (bool, Vec<String>) {
        let mut told: Vec<String> = limit.over(now).iter().map(Kind::told).collect();
        told.extend(limit.note(Level::Warning, "run", text, now).iter().map(Kind::told));
        (limit.lets(Level::Warning, "run", text), told)
    }

    #[test]
    fn of_a_kind_only_so_many_are_written_and_the_rest_is_told() {
        let mut limit = Limit { kinds: Vec::new() };
        let start = Instant::now();
        let written =
            (0..25).filter(|n| pass(&mut limit, &format!("{n} packets lost at 10:0{}", n % 10), start).0).count();
        assert_eq!(written, 10);
        // Another kind is not held back by it, nor is an error.
        assert!(pass(&mut limit, "the store cannot be written", start).0);
        let later = start + SPAN;
        let (lets, told) = pass(&mut limit, "7 packets lost at 10:01", later);
        assert!(lets);
        assert_eq!(told, ["15 more of this in a minute, the newest: 24 packets lost at 10:04"]);
        assert!(limit.over(later + SPAN).is_empty(), "nothing was held back since");
    }

    #[test]
    fn kinds_are_bounded_and_none_is_forgotten_silently() {
        let mut limit = Limit { kinds: Vec::new() };
        let now = Instant::now();
        for _ in 0..12 {
            pass(&mut limit, "first", now);
        }
        let mut told = Vec::new();
        for n in 0..KINDS {
            let letters: String = n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
            told.extend(pass(&mut limit, &letters, now).1);
        }
        assert_eq!(limit.kinds.len(), KINDS);
        assert_eq!(told, ["2 more of this in a minute, the newest: first"]);
    }
}
