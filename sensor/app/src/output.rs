//! What people and programs read: tables that fit the terminal, paragraphs, JSON lines.
//!
//! Colour only on a terminal and without `NO_COLOR`. Text that came from the network or from a person is cleaned of
//! control characters before a terminal sees it.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// Width of paragraphs where it is no terminal, and at most on one.
const PARAGRAPH: usize = 110;

/// Columns that are never broken: what one copies or compares.
const WHOLE: [&str; 8] = ["ID", "LAST", "FIRST", "SEVERITY", "STATUS", "COUNT", "#", "TIME"];

/// Longer words are broken in a table.
const LONGEST_WORD: usize = 28;

/// Standard output.
pub struct Output {
    writer: BufWriter<Stdout>,
    colour: bool,
    width: Option<u16>,
}

impl Output {
    /// Looks at what standard output is.
    pub fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = if terminal { Table::new().width() } else { None };
        Self { writer: BufWriter::new(io::stdout()), colour: terminal && !set("NO_COLOR") && !dumb, width }
    }

    /// One JSON object on a line.
    pub fn json(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        write_json(&mut self.writer, value)?;
        self.writer.write_all(b"\n")?;
        Ok(())
    }

    /// A row of comma-separated values (RFC 4180).
    pub fn csv<T: AsRef<str>>(&mut self, fields: impl IntoIterator<Item = T>) -> io::Result<()> {
        self.writer.write_all(ot_views::csv::line(fields).as_bytes())
    }

    /// A line as it is.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.writer, "{text}")
    }

    /// Text as it is, for a file.
    pub fn raw(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_all(text.as_bytes())
    }

    /// A heading, after an empty line.
    pub fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = self.paint(text, Style::Bold);
        writeln!(self.writer, "\n{text}")
    }

    /// A paragraph, wrapped, each line after `indent` spaces; `first` stands before the first line, within the indent.
    pub fn paragraph(&mut self, first: &str, indent: usize, text: &str) -> io::Result<()> {
        let width = self.paragraph_width().saturating_sub(indent).max(20);
        let mut start = format!("{first:<indent$}");
        for line in wrap(&clean(text), width) {
            writeln!(self.writer, "{start}{line}")?;
            start = " ".repeat(indent);
        }
        Ok(())
    }

    fn paragraph_width(&self) -> usize {
        self.width.map_or(PARAGRAPH, |width| usize::from(width).min(PARAGRAPH))
    }

    /// A table, fit to the terminal; as wide as it needs where it is none.
    pub fn table(&mut self, header: &[&str], rows: Vec<Vec<Text>>, indent: usize) -> io::Result<()> {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        let least: Vec<usize> = (0..header.len()).map(|column| least_width(header, &rows, column)).collect();
        if let Some(width) = self.width {
            if least.iter().map(|least| least + 2).sum::<usize>() + indent > usize::from(width).max(40) {
                return self.stacked(header, rows, indent, usize::from(width).max(40));
            }
            let indent = u16::try_from(indent).unwrap_or_default();
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.saturating_sub(indent).max(40));
        }
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(header.iter().map(|title| {
            let cell = Cell::new(title);
            if self.colour { cell.add_attribute(Attribute::Bold) } else { cell }
        }));
        for row in rows {
            table.add_row(row.into_iter().map(|text| text.cell(self.colour)));
        }
        // No empty margin before the first column.
        if let Some(column) = table.column_mut(0) {
            column.set_padding((0, 1));
        }
        for (index, title) in header.iter().enumerate() {
            let Some(column) = table.column_mut(index) else { continue };
            if WHOLE.contains(title) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            } else if let Some(least) = least.get(index).filter(|_| self.width.is_some()) {
                let least = u16::try_from(least + if index == 0 { 1 } else { 2 }).unwrap_or(u16::MAX);
                // Words stay whole.
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
            }
        }
        let margin = " ".repeat(indent);
        for line in table.lines() {
            writeln!(self.writer, "{margin}{}", line.trim_end())?;
        }
        Ok(())
    }

    /// A table that is too wide for the terminal: a block a row, each value after its title.
    fn stacked(&mut self, header: &[&str], rows: Vec<Vec<Text>>, indent: usize, width: usize) -> io::Result<()> {
        let margin = " ".repeat(indent);
        for row in rows {
            let (mut line, mut length) = (margin.clone(), indent);
            for (index, (title, cell)) in header.iter().zip(row).enumerate() {
                let value = clean(&cell.text);
                if value.is_empty() {
                    continue;
                }
                let title = if index == 0 { String::new() } else { format!("{} ", title.to_lowercase()) };
                let letters = title.chars().count() + value.chars().count();
                if index > 0 && length + 2 + letters > width {
                    writeln!(self.writer, "{}", line.trim_end())?;
                    (line, length) = (format!("{margin}    "), indent + 4);
                } else if index > 0 {
                    line.push_str("  ");
                    length += 2;
                }
                let room = width.saturating_sub(length + title.chars().count()).max(20);
                line.push_str(&self.paint(&title, Style::Faint));
                let style = if index == 0 { Style::Bold } else { cell.style };
                let pieces = wrap(&value, room);
                let last = pieces.len().saturating_sub(1);
                for (at, piece) in pieces.iter().enumerate() {
                    line.push_str(&self.paint(piece, style));
                    length += piece.chars().count();
                    if at < last {
                        writeln!(self.writer, "{line}")?;
                        (line, length) = (format!("{margin}      "), indent + 6);
                    }
                }
                length += title.chars().count();
            }
            writeln!(self.writer, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// Text in a style, where colour is on.
    pub fn paint(&self, text: &str, style: Style) -> String {
        let text = clean(text);
        if text.is_empty() {
            return text;
        }
        match style.code() {
            Some(code) if self.colour => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text,
        }
    }

    /// Whether it is a terminal narrower than this.
    pub fn is_narrow(&self, columns: u16) -> bool {
        self.width.is_some_and(|width| width < columns)
    }

    /// Everything out.
    pub fn finish(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A style.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    #[default]
    Plain,
    /// Headings.
    Bold,
    /// What matters less.
    Faint,
    /// Critical.
    Red,
    /// Major.
    Yellow,
    /// Minor.
    Cyan,
    /// Allowed, added.
    Green,
}

impl Style {
    /// Of a severity.
    pub fn of_severity(severity: &str) -> Self {
        match severity {
            "critical" => Self::Red,
            "major" => Self::Yellow,
            "minor" => Self::Cyan,
            _ => Self::Plain,
        }
    }

    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Faint => Some("2"),
            Self::Red => Some("31;1"),
            Self::Yellow => Some("33"),
            Self::Cyan => Some("36"),
            Self::Green => Some("32"),
        }
    }
}

/// Text of a cell.
#[derive(Clone, Debug, Default)]
pub struct Text {
    text: String,
    style: Style,
}

impl Text {
    /// In a style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }

    fn cell(self, colour: bool) -> Cell {
        let cell = Cell::new(clean(&self.text));
        if !colour {
            return cell;
        }
        match self.style {
            Style::Plain => cell,
            Style::Bold => cell.add_attribute(Attribute::Bold),
            Style::Faint => cell.add_attribute(Attribute::Dim),
            Style::Red => cell.fg(Color::Red).add_attribute(Attribute::Bold),
            Style::Yellow => cell.fg(Color::Yellow),
            Style::Cyan => cell.fg(Color::Cyan),
            Style::Green => cell.fg(Color::Green),
        }
    }
}

impl<T: ToString> From<T> for Text {
    fn from(text: T) -> Self {
        Self { text: text.to_string(), style: Style::Plain }
    }
}

/// The fewest letters in which a column can stand with its words whole.
fn least_width(header: &[&str], rows: &[Vec<Text>], column: usize) -> usize {
    let title = header.get(column).copied().unwrap_or_default();
    let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.as_str());
    let letters = |text: &str| text.chars().count();
    std::iter::once(title)
        .chain(cells)
        .map(|text| {
            if WHOLE.contains(&title) {
                letters(text)
            } else {
                text.split_whitespace().map(letters).max().unwrap_or(0).min(LONGEST_WORD)
            }
        })
        .max()
        .unwrap_or(0)
}

/// Whether a terminal does something else with it than show it: control characters (also those above 127), and letters
/// that are invisible, break lines or change the direction of writing.
fn is_bad(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Without what a terminal does not show as it is.
pub fn clean(text: &str) -> String {
    text.chars().map(|letter| if is_bad(letter) { '\u{fffd}' } else { letter }).collect()
}

/// JSON in which what a terminal would not show as it is stands as `\uXXXX`: the same value, and safe to look at.
pub fn write_json(writer: impl Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(writer, Escaping))
}

struct Escaping;

impl serde_json::ser::Formatter for Escaping {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(|byte| byte < 0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        for letter in fragment.chars() {
            let mut room = [0; 4];
            if is_bad(letter) {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            } else {
                writer.write_all(letter.encode_utf8(&mut room).as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Lines of at most `width` letters, broken at spaces; longer words (addresses of pages) stay whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_whitespace() {
        let letters = word.chars().count();
        if length > 0 && length + 1 + letters > width {
            lines.push(String::new());
            length = 0;
        }
        if let Some(line) = lines.last_mut() {
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            line.push_str(word);
            length += letters;
        }
    }
    lines
}

/// `2026-03-01 12:00:00` of an RFC 3339 time, for lists; the whole stands in JSON and in `show`.
pub fn short_time(time: &str) -> String {
    time.get(..19).unwrap_or(time).replacen('T', " ", 1)
}

/// Bytes as hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `yes` or nothing.
pub fn yes(truth: bool) -> &'static str {
    if truth { "yes" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_see_no_control_characters() {
        assert_eq!(clean("a\x1b[31mb\u{202e}c\n"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}");
    }

    #[test]
    fn json_keeps_its_value_and_shows_no_control_character() {
        let value = "a\u{9b}31m\u{7f}\u{202e}\u{e0041}\u{1b}\"ü";
        let mut written = Vec::new();
        write_json(&mut written, &value).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert_eq!(written, r#""a\u009b31m\u007f\u202e\udb40\udc41\u001b\"ü""#);
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), value);
    }

    #[test]
    fn wraps_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), [""]);
        assert_eq!(wrap("https://example.org/long x", 5), ["https://example.org/long", "x"]);
    }
}
