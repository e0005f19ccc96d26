//! Regular expressions that say no more than bytes at fixed places.

use super::byte;
use super::payload::{Content, Item, Payload};
use super::split::unquote;

enum Element {
    Skip(i64),
    Bytes(Vec<u8>),
    OneOf(Vec<u8>),
    NotFollowedBy(Vec<u8>),
}

const REASON: &str = "pcre can be converted where it is anchored and consists of bytes (\\x00), of skipped bytes \
    ([\\S\\s]{3} or .{3}), of a choice of single bytes and of (?!…)";

/// Takes a pcre as steps.
pub(super) fn take(value: &str, payload: &mut Payload) -> Result<(), String> {
    let value = value.trim();
    if value.starts_with('!') {
        return Err(format!("{REASON}; this one must not match"));
    }
    let text = value.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(value);
    let (expression, flags) = text
        .strip_prefix('/')
        .and_then(|text| text.rsplit_once('/'))
        .ok_or_else(|| format!("pcre:{} is not understood", unquote(value)))?;
    let (mut anchored, mut relative, mut nocase) = (false, false, false);
    for flag in flags.chars() {
        match flag {
            'A' => anchored = true,
            'R' => relative = true,
            'i' => nocase = true,
            's' | 'm' | 'B' | 'G' => {}
            other => return Err(format!("pcre with the flag {other} is not converted")),
        }
    }
    let expression = match expression.strip_prefix('^') {
        Some(rest) => {
            anchored = true;
            rest
        }
        None => expression,
    };
    if !anchored {
        return Err(REASON.to_owned());
    }
    let elements = elements(expression).ok_or(REASON)?;
    let mut relative = relative && payload.has_cursor();
    let mut from = if relative { 0 } else { payload.base };
    for element in elements {
        let (bytes, one_of, not) = match element {
            Element::Skip(more) => {
                from += more;
                continue;
            }
            Element::Bytes(bytes) => (bytes, false, false),
            Element::OneOf(bytes) => (bytes, true, false),
            Element::NotFollowedBy(bytes) => (bytes, false, true),
        };
        if nocase && one_of && bytes.iter().any(u8::is_ascii_alphabetic) {
            return Err(format!("{REASON}; case matters in a choice of bytes"));
        }
        let length = if one_of { 1 } else { i64::try_from(bytes.len()).unwrap_or(i64::MAX) };
        let letters = bytes.iter().any(u8::is_ascii_alphabetic);
        let mut content = Content { bytes, one_of, not, nocase: nocase && letters && !one_of, ..Content::default() };
        if relative {
            (content.distance, content.within) = (Some(from), Some(length));
        } else {
            (content.offset, content.depth) = (Some(from), Some(length));
        }
        if not && from > 0 {
            // What is skipped must be there.
            let tail = if relative { ", relative = true" } else { "" };
            payload.push(Item::Other(format!("more = {from}{tail}")))?;
        }
        payload.push(Item::Content(content))?;
        if !not {
            relative = true;
            from = 0;
        }
    }
    Ok(())
}

/// The elements, where it consists of nothing else.
fn elements(expression: &str) -> Option<Vec<Element>> {
    let mut list = Vec::new();
    let mut rest = expression;
    while !rest.is_empty() {
        if list.len() > 64 {
            return None;
        }
        let skip = ["[\\S\\s]", "[\\s\\S]", "[\\d\\D]", "[\\w\\W]", "."].iter().find_map(|any| rest.strip_prefix(any));
        if let Some(tail) = skip {
            let (count, tail) = match tail.strip_prefix('{') {
                Some(tail) => {
                    let (count, tail) = tail.split_once('}')?;
                    (count.parse::<i64>().ok().filter(|count| (0..=65_535).contains(count))?, tail)
                }
                None => (1, tail),
            };
            list.push(Element::Skip(count));
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("(?!") {
            let (inner, tail) = tail.split_once(')')?;
            list.push(Element::NotFollowedBy(plain(inner)?));
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("(?:").or_else(|| rest.strip_prefix('(')) {
            let (inner, tail) = tail.split_once(')')?;
            let choices = inner.split('|').map(|choice| match plain(choice)?.as_slice() {
                [one] => Some(*one),
                _ => None,
            });
            list.push(Element::OneOf(choices.collect::<Option<_>>()?));
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('[') {
            let (inner, tail) = tail.split_once(']')?;
            list.push(Element::OneOf(plain(inner)?));
            rest = tail;
        } else {
            let (one, tail) = single(rest)?;
            match list.last_mut() {
                Some(Element::Bytes(bytes)) => bytes.push(one),
                _ => list.push(Element::Bytes(vec![one])),
            }
            rest = tail;
        }
        // Repetitions are no fixed places.
        if rest.starts_with(['*', '+', '?', '{']) {
            return None;
        }
    }
    (!list.is_empty()).then_some(list)
}

/// One byte, and what is left.
fn single(text: &str) -> Option<(u8, &str)> {
    if let Some(digits) = text.strip_prefix("\\x") {
        return Some((byte(digits.get(..2)?)?, digits.get(2..)?));
    }
    // Punctuation that is protected stands for itself.
    if let Some(rest) = text.strip_prefix('\\')
        && let Some(sign) = rest.bytes().next().filter(u8::is_ascii_punctuation)
    {
        return Some((sign, rest.get(1..)?));
    }
    let first = text.chars().next()?;
    let fits = first.is_ascii() && !"\\^$.|?*+()[]{}-".contains(first);
    Some((u8::try_from(first).ok().filter(|_| fits)?, text.get(1..)?))
}

/// Bytes without anything else.
fn plain(mut text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !text.is_empty() {
        let (one, rest) = single(text)?;
        bytes.push(one);
        text = rest;
    }
    (!bytes.is_empty() && bytes.len() <= 256).then_some(bytes)
}
