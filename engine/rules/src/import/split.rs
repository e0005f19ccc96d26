//! Text to rules, rules to header and options.

/// Rules of a text with the line on which each begins; lines that end in a backslash go on.
pub(super) fn rules(text: &str, commented: bool) -> Vec<(usize, String)> {
    let mut list = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let mut line = line.trim();
        if open.is_none() {
            if line.starts_with('#') {
                let rest = line.trim_start_matches('#').trim_start();
                if !commented || !begins(rest) {
                    continue;
                }
                line = rest;
            }
            if line.is_empty() {
                continue;
            }
        }
        let (more, part) = line.strip_suffix('\\').map_or((false, line), |part| (true, part));
        let (start, mut rule) = open.take().unwrap_or((number, String::new()));
        rule.push_str(part);
        match more {
            true => {
                rule.push(' ');
                open = Some((start, rule));
            }
            false => list.push((start, rule)),
        }
    }
    list.extend(open);
    list
}

const ACTIONS: [&str; 10] =
    ["alert", "log", "pass", "drop", "reject", "sdrop", "block", "rejectsrc", "rejectdst", "rejectboth"];

fn begins(text: &str) -> bool {
    text.split_whitespace().next().is_some_and(|word| ACTIONS.contains(&word)) && text.contains('(')
}

/// Header and options of a rule.
pub(super) fn parts(rule: &str) -> Result<(String, String), String> {
    let (head, rest) = rule.split_once('(').ok_or("it is no rule: the options in parentheses are missing")?;
    let options = rest.trim_end().strip_suffix(')').ok_or("it is no rule: the closing parenthesis is missing")?;
    match head.split_whitespace().next() {
        Some("pass") => {
            Err("pass rules say what is not to be told; exclude it in the rule that tells it (source = \"!…\")"
                .to_owned())
        }
        Some(action) if ACTIONS.contains(&action) => Ok((head.trim().to_owned(), options.to_owned())),
        action => Err(format!("it is no rule: {:?} is no action", action.unwrap_or_default())),
    }
}

/// Splits at a character outside of quotes and not behind a backslash.
pub(super) fn split(text: &str, at: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        } else if c == at && !quoted {
            parts.push(String::new());
            continue;
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

/// A text without its quotes and without backslashes that protect.
pub(super) fn unquote(text: &str) -> String {
    let text = text.trim();
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let mut plain = String::new();
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => plain.extend(characters.next()),
            c => plain.push(c),
        }
    }
    plain
}
