//! Options about the payload: contents with their places, byte_test, byte_jump, isdataat, dsize.

use super::split::split;
use super::{notation, number};
use crate::payload::content;

/// A step, as it will be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A content, or one of some bytes.
    Content(Content),
    /// Any other step, whole.
    Other(String),
}

/// A content with what the options behind it say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub bytes: Vec<u8>,
    pub one_of: bool,
    pub not: bool,
    pub nocase: bool,
    pub offset: Option<i64>,
    pub depth: Option<i64>,
    pub distance: Option<i64>,
    pub within: Option<i64>,
    /// Counts from here: where a buffer of the protocol begins in the message.
    pub base: i64,
    /// It must lie before this byte, where the buffer is not whole in the message.
    pub limit: Option<i64>,
}

/// All steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Payload {
    pub items: Vec<Item>,
    /// Where the buffer begins that contents now count from, and where it ends.
    pub base: i64,
    pub limit: Option<i64>,
}

const MOST_ITEMS: usize = 256;

impl Payload {
    /// Adds a step.
    pub fn push(&mut self, item: Item) -> Result<(), String> {
        if self.items.len() >= MOST_ITEMS {
            return Err(format!("more than {MOST_ITEMS} options about the payload"));
        }
        self.items.push(item);
        Ok(())
    }

    /// Whether a content that must be there stands already.
    pub fn has_cursor(&self) -> bool {
        self.items.iter().any(|item| match item {
            Item::Content(content) => !content.not,
            Item::Other(text) => text.contains("jump"),
        })
    }

    /// Takes an option.
    pub fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "content" | "uricontent" if key == "content" => self.content(value),
            "offset" | "depth" | "distance" | "within" => {
                let n = value.trim().parse::<i64>().map_err(|_| format!("{key}:{value} is no number here"))?;
                self.place(key, n)
            }
            "nocase" => {
                self.last("nocase")?.nocase = true;
                Ok(())
            }
            "startswith" => {
                let content = self.last("startswith")?;
                content.offset = Some(0);
                content.depth = i64::try_from(content.bytes.len()).ok();
                Ok(())
            }
            "dsize" => self.size(value),
            "isdataat" => self.data_at(value),
            "byte_test" => self.byte_test(value),
            "byte_jump" => self.byte_jump(value),
            _ => Err(format!("option {key} is not converted")),
        }
    }

    fn last(&mut self, key: &str) -> Result<&mut Content, String> {
        match self.items.last_mut() {
            Some(Item::Content(content)) => Ok(content),
            _ => Err(format!("{key} stands behind no content")),
        }
    }

    fn content(&mut self, value: &str) -> Result<(), String> {
        // Newer rules of Snort have the places behind the content, with commas.
        let mut parts = split(value, ',').into_iter();
        let first = parts.next().unwrap_or_default();
        let first = first.trim();
        let (not, first) = first.strip_prefix('!').map_or((false, first), |rest| (true, rest));
        let inner = first.trim().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let inner = inner.ok_or_else(|| format!("content:{value} is not in quotes"))?;
        let bytes = content(&unescape(inner)).map_err(|problem| format!("content {inner:?}: {problem}"))?;
        let (base, limit) = (self.base, self.limit);
        self.push(Item::Content(Content { bytes, not, base, limit, ..Content::default() }))?;
        for part in parts {
            let (key, value) = part.trim().split_once(char::is_whitespace).unwrap_or((part.trim(), ""));
            match key {
                "offset" | "depth" | "distance" | "within" | "nocase" | "startswith" => self.take(key, value)?,
                "fast_pattern" | "fast_pattern_offset" | "fast_pattern_length" => {}
                _ => return Err(format!("content with {key} is not converted")),
            }
        }
        Ok(())
    }

    fn place(&mut self, key: &str, n: i64) -> Result<(), String> {
        if !(-65_535..=65_535).contains(&n) {
            return Err(format!("{key}:{n} is outside of any packet"));
        }
        let content = self.last(key)?;
        match key {
            "offset" => content.offset = Some(n),
            "depth" => content.depth = Some(n),
            "distance" => content.distance = Some(n),
            _ => content.within = Some(n),
        }
        Ok(())
    }

    fn size(&mut self, value: &str) -> Result<(), String> {
        let wrong = || format!("dsize:{value} is not understood");
        let value = value.trim();
        if let Some((from, to)) = value.split_once("<>") {
            let (from, to) = (number(from).ok_or_else(wrong)?, number(to).ok_or_else(wrong)?);
            self.push(Item::Other(format!("size = \">= {from}\"")))?;
            return self.push(Item::Other(format!("size = \"<= {to}\"")));
        }
        let (sign, rest) = match value.chars().next() {
            Some('>') => (">", value.get(1..)),
            Some('<') => ("<", value.get(1..)),
            _ => ("==", Some(value)),
        };
        let (sign, rest) = match rest.unwrap_or_default().strip_prefix('=') {
            Some(rest) if sign != "==" => (if sign == ">" { ">=" } else { "<=" }, rest),
            _ => (sign, rest.unwrap_or_default()),
        };
        let n = number(rest).ok_or_else(wrong)?;
        self.push(Item::Other(format!("size = \"{sign} {n}\"")))
    }

    fn data_at(&mut self, value: &str) -> Result<(), String> {
        let mut parts = value.split(',').map(str::trim);
        let first = parts.next().unwrap_or_default();
        let (not, first) = first.strip_prefix('!').map_or((false, first), |rest| (true, rest));
        // A byte at place N means N + 1 bytes.
        let bytes =
            number(first).filter(|n| *n < 65_535).ok_or_else(|| format!("isdataat:{value} is not understood"))? + 1;
        let mut text = format!("more = {bytes}");
        for part in parts {
            match part {
                "relative" => text.push_str(", relative = true"),
                "rawbytes" => {}
                other => return Err(format!("isdataat with {other} is not converted")),
            }
        }
        if not {
            text.push_str(", not = true");
        }
        self.push(Item::Other(text))
    }

    fn byte_test(&mut self, value: &str) -> Result<(), String> {
        let parts: Vec<&str> = value.split(',').map(str::trim).collect();
        let [width, sign, wanted, offset, modifiers @ ..] = parts.as_slice() else {
            return Err(format!("byte_test:{value} is not understood"));
        };
        let width = number(width).filter(|n| (1..=8).contains(n));
        let width = width.ok_or_else(|| format!("byte_test:{value}: 1 to 8 bytes can be read"))?;
        let (not, sign) = sign.strip_prefix('!').map_or((false, *sign), |rest| (true, rest.trim()));
        let wanted = number(wanted).filter(|n| i64::try_from(*n).is_ok());
        let wanted = wanted
            .ok_or_else(|| format!("byte_test:{value}: the value is no number; what byte_extract took is not known"))?;
        let place = self.read_place(offset, modifiers, "byte_test")?;
        let mut text = format!("number = {width}{place}");
        let (sign, not) = match (sign, not) {
            ("" | "=" | "==", _) => ("==", not),
            ("<" | ">" | "<=" | ">=", _) => (sign, not),
            ("&", _) => {
                text.push_str(&format!(", mask = {wanted}, is = \"> 0\""));
                if not {
                    text.push_str(", not = true");
                }
                return self.push(Item::Other(text));
            }
            (other, _) => return Err(format!("byte_test with {other:?} is not converted")),
        };
        text.push_str(&format!(", is = \"{sign} {wanted}\""));
        if not {
            text.push_str(", not = true");
        }
        self.push(Item::Other(text))
    }

    fn byte_jump(&mut self, value: &str) -> Result<(), String> {
        let parts: Vec<&str> = value.split(',').map(str::trim).collect();
        let [width, offset, modifiers @ ..] = parts.as_slice() else {
            return Err(format!("byte_jump:{value} is not understood"));
        };
        let width = number(width).filter(|n| (1..=8).contains(n));
        let width = width.ok_or_else(|| format!("byte_jump:{value}: 1 to 8 bytes can be read"))?;
        let (mut plain, mut more) = (Vec::new(), String::new());
        for modifier in modifiers {
            match modifier.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["multiplier", n] => {
                    let n = number(n).filter(|n| (1..=65_535).contains(n));
                    more.push_str(&format!(", times = {}", n.ok_or("byte_jump: the multiplier is not understood")?));
                }
                ["post_offset", n] => {
                    let n = n.parse::<i64>().ok().filter(|n| (-65_535..=65_535).contains(n));
                    more.push_str(&format!(", plus = {}", n.ok_or("byte_jump: post_offset is not understood")?));
                }
                _ => plain.push(*modifier),
            }
        }
        let place = self.read_place(offset, &plain, "byte_jump")?;
        self.push(Item::Other(format!("jump = {width}{place}{more}")))
    }

    fn read_place(&self, offset: &str, modifiers: &[&str], key: &str) -> Result<String, String> {
        let offset = offset.parse::<i64>().ok().filter(|n| (-65_535..=65_535).contains(n));
        let offset =
            offset.ok_or_else(|| format!("{key}: the offset is no number; what byte_extract took is not known"))?;
        let (mut relative, mut little) = (false, false);
        for modifier in modifiers {
            match *modifier {
                "relative" => relative = true,
                "little" => little = true,
                "big" | "" => {}
                other => return Err(format!("{key} with {other} is not converted")),
            }
        }
        let mut text = if relative && self.has_cursor() {
            format!(", distance = {offset}")
        } else {
            let offset = offset + self.base;
            if offset < 0 {
                return Err(format!("{key}: the place lies before the payload"));
            }
            format!(", offset = {offset}")
        };
        if little {
            text.push_str(", little = true");
        }
        Ok(text)
    }

    /// The steps as they are written, in the order of the rule.
    pub fn written(&self) -> Result<Vec<String>, String> {
        let mut steps = Vec::new();
        let mut cursor = false;
        for item in &self.items {
            match item {
                Item::Other(text) => {
                    cursor |= text.contains("jump");
                    steps.push(format!("{{ {text} }}"));
                }
                Item::Content(content) => {
                    steps.push(format!("{{ {} }}", content.written(cursor)?));
                    cursor |= !content.not;
                }
            }
        }
        Ok(steps)
    }
}

impl Content {
    fn written(&self, cursor: bool) -> Result<String, String> {
        let key = if self.one_of { "one_of" } else { "content" };
        let mut text = format!("{key} = {}", quoted(&notation(&self.bytes)));
        // What counts from a content that is not there counts from the start.
        let relative = (self.distance.is_some() || self.within.is_some()) && cursor;
        if relative {
            if self.offset.is_some() || self.depth.is_some() {
                return Err("a content has both offset or depth and distance or within".to_owned());
            }
            text.push_str(&format!(", distance = {}", self.distance.unwrap_or(0)));
            if let Some(within) = self.within {
                text.push_str(&format!(", within = {within}"));
            }
            if self.limit.is_some() {
                return Err(CHECKSUMS.to_owned());
            }
        } else {
            let offset = self.offset.or(self.distance).unwrap_or(0) + self.base;
            let depth = self.depth.or(self.within);
            if offset < 0 || depth.is_some_and(|depth| depth < 1) {
                return Err("a content lies before the payload".to_owned());
            }
            if let Some(limit) = self.limit
                && depth.is_none_or(|depth| offset + depth > limit)
            {
                return Err(CHECKSUMS.to_owned());
            }
            if offset > 0 || depth.is_some() {
                text.push_str(&format!(", offset = {offset}"));
            }
            if let Some(depth) = depth {
                text.push_str(&format!(", depth = {depth}"));
            }
        }
        if self.nocase {
            text.push_str(", nocase = true");
        }
        if self.not {
            text.push_str(", not = true");
        }
        Ok(text)
    }
}

const CHECKSUMS: &str = "dnp3_data looks into the whole application data; on the wire a checksum stands behind each 16 \
    bytes, so only contents with a fixed place within the first 15 bytes can be looked for; use a condition on the decoded \
    fields instead";

/// As a text of TOML.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Backslashes of contents protect ; " : and themselves; between bars there are none.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                // A bar would begin digits.
                Some('|') => plain.push_str("|7c|"),
                Some(c) => plain.push(c),
                None => {}
            },
            c => plain.push(c),
        }
    }
    plain
}
