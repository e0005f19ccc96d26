//! From the text of a condition to a [`Condition`].

use crate::condition::{Check, Condition, Number, Order, Test};
use crate::names::nearest;
use crate::vocabulary::{Common, Field, Kind, Vocabulary};
use ipnet::IpNet;
use ot_protocol::{Mac, Operation, Timestamp};
use std::net::IpAddr;
use std::str::FromStr as _;

/// Deepest nesting of parentheses and negations.
const DEPTH: usize = 32;
/// Words and signs of one condition.
const TOKENS: usize = 4096;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(&'static str),
}

struct Parser<'a> {
    tokens: Vec<(usize, Token)>,
    next: usize,
    vocabulary: &'a Vocabulary,
    end: usize,
    depth: usize,
    text: &'a str,
}

/// Reads a condition.
///
/// # Errors
/// In words: the column, and what was expected.
pub fn parse(text: &str, vocabulary: &Vocabulary) -> Result<Condition, String> {
    let mut parser =
        Parser { tokens: tokens(text)?, next: 0, vocabulary, end: text.chars().count() + 1, depth: 0, text };
    let condition = parser.either()?;
    match parser.tokens.get(parser.next) {
        None => Ok(condition),
        Some((at, token)) => Err(format!("column {at}: `and`, `or` or the end is expected, found {}", show(token))),
    }
}

/// Columns count characters, from 1.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    const SIGNS: [&str; 15] = ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "[", "]", ",", "&"];
    let mut list = Vec::new();
    let mut rest = text;
    let mut column = 1;
    while let Some(first) = rest.chars().next() {
        if list.len() >= TOKENS {
            return Err(format!("column {column}: a condition has at most {TOKENS} words"));
        }
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            list.push((column, Token::Sign(sign)));
            sign.len()
        } else if first == '"' || first == '\'' {
            let inner = rest.get(1..).unwrap_or_default();
            let length = inner.find(first).ok_or_else(|| format!("column {column}: the quote is not closed"))?;
            list.push((column, Token::Quoted(inner.get(..length).unwrap_or_default().to_owned())));
            length + 2
        } else {
            let is_word = |c: char| c.is_alphanumeric() || "._:-/+*?".contains(c);
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            if length == 0 {
                let hint = if first == '=' { "; write == to compare" } else { "" };
                return Err(format!("column {column}: {first:?} does not belong in a condition{hint}"));
            }
            list.push((column, Token::Word(rest.get(..length).unwrap_or_default().to_owned())));
            length
        };
        let (done, left) = rest.split_at(length);
        column += done.chars().count();
        rest = left;
    }
    Ok(list)
}

fn show(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("{word:?}"),
        Token::Quoted(text) => format!("the text {text:?}"),
        Token::Sign(sign) => format!("{sign:?}"),
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        self.next += usize::from(found);
        found
    }

    fn either(&mut self) -> Result<Condition, String> {
        let mut list = vec![self.both()?];
        while self.sign("||") || self.word("or") {
            list.push(self.both()?);
        }
        Ok(one_or(list, Condition::Any))
    }

    fn both(&mut self) -> Result<Condition, String> {
        let mut list = vec![self.one()?];
        while self.sign("&&") || self.word("and") {
            list.push(self.one()?);
        }
        Ok(one_or(list, Condition::All))
    }

    fn one(&mut self) -> Result<Condition, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("column {}: more than {DEPTH} parentheses and negations in each other", self.column()));
        }
        let condition = if self.sign("!") || self.word("not") {
            Condition::Not(Box::new(self.one()?))
        } else if self.sign("(") {
            let inner = self.either()?;
            if !self.sign(")") {
                return Err(format!("column {}: a closing parenthesis is missing", self.column()));
            }
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn test(&mut self) -> Result<Condition, String> {
        let every = self.word("all");
        if !every {
            self.word("any");
        }
        let column = self.column();
        let Some(Token::Word(name)) = self.peek().cloned() else {
            return Err(format!("column {column}: a field name is expected, such as modbus.func_code"));
        };
        let (field, kind) = self.vocabulary.field(&name).map_err(|problem| format!("column {column}: {problem}"))?;
        self.next += 1;
        let at = self.address(field)?;
        let from = self.next;
        let (check, differs) = self.check(field, kind)?;
        let text = self.written(from);
        Ok(Condition::Test(Box::new(Test { field, at, every, differs, check, text })))
    }

    /// `[100]` behind a field: its value at an address.
    fn address(&mut self, field: Field) -> Result<Option<(u64, &'static [&'static str])>, String> {
        let column = self.column();
        if !self.sign("[") {
            return Ok(None);
        }
        let name = field.name();
        let Some(addresses) = self.vocabulary.addresses_of(field) else {
            let with = self.vocabulary.addressed().join(", ");
            return Err(format!("column {column}: {name} has no addresses; those that have: {with}"));
        };
        let (at, text, quoted) = self.value(field)?;
        let Number::Whole(number) = number(name, at, &text, quoted)? else {
            return Err(format!("column {at}: an address is a whole number"));
        };
        let number = u64::try_from(number).map_err(|_| format!("column {at}: an address is not negative"))?;
        if !self.sign("]") {
            return Err(format!("column {}: ] is missing behind the address", self.column()));
        }
        Ok(Some((number, addresses)))
    }

    /// What stands from a token to the one before the next, as written.
    fn written(&self, from: usize) -> String {
        let Some((start, _)) = self.tokens.get(from).filter(|_| from < self.next) else { return String::new() };
        let end = self.column();
        let text: String = self.text.chars().skip(start - 1).take(end.saturating_sub(*start)).collect();
        text.trim().to_owned()
    }

    fn check(&mut self, field: Field, kind: Kind) -> Result<(Check, bool), String> {
        let column = self.column();
        let negated = matches!((self.peek(), self.tokens.get(self.next + 1)), (Some(Token::Word(not)), Some((_, Token::Word(what)))) if not == "not" && what == "in");
        if negated {
            self.next += 1;
        }
        if self.word("in") {
            return Ok((self.list(field, kind)?, negated));
        }
        if self.sign("&") {
            return self.bits(field, kind, column);
        }
        for (sign, order) in [
            ("==", Some(Order::Equal)),
            ("!=", None),
            ("<=", Some(Order::AtMost)),
            (">=", Some(Order::AtLeast)),
            ("<", Some(Order::Less)),
            (">", Some(Order::Greater)),
        ] {
            if self.sign(sign) {
                let check = self.compared(field, kind, order.unwrap_or(Order::Equal), sign, column)?;
                return Ok((check, order.is_none()));
            }
        }
        for word in ["contains", "starts_with", "ends_with", "matches"] {
            if self.word(word) {
                return Ok((self.part(field, kind, word, column)?, false));
            }
        }
        match self.peek() {
            None | Some(Token::Sign(_)) => {}
            Some(Token::Word(word)) if word == "and" || word == "or" => {}
            Some(token) => {
                let column = self.column();
                return Err(format!(
                    "column {column}: a comparison is expected after {} (==, !=, <, <=, >, >=, in, &, contains, \
                     starts_with, ends_with, matches), found {}",
                    field.name(),
                    show(token)
                ));
            }
        }
        Ok((Check::There, false))
    }

    fn value(&mut self, field: Field) -> Result<(usize, String, bool), String> {
        let column = self.column();
        let (text, quoted) = match self.peek() {
            Some(Token::Word(word)) => (word.clone(), false),
            Some(Token::Quoted(text)) => (text.clone(), true),
            Some(token) => return Err(format!("column {column}: a value is expected, found {}", show(token))),
            None => return Err(format!("column {column}: a value is expected after {}", field.name())),
        };
        self.next += 1;
        Ok((column, text, quoted))
    }

    fn compared(&mut self, field: Field, kind: Kind, order: Order, sign: &str, column: usize) -> Result<Check, String> {
        let (at, text, quoted) = self.value(field)?;
        let name = field.name();
        let only_equal = |what: &str| {
            format!("column {column}: {name} is {what}; it can be compared with == and != only, not {sign}")
        };
        match kind {
            Kind::Number => number(name, at, &text, quoted).map(|number| Check::Number(order, number)),
            Kind::Time => time(name, at, &text).map(|time| Check::Time(order, time)),
            _ if order != Order::Equal => Err(only_equal(kind.name())),
            Kind::Bool => truth(name, at, &text).map(Check::Truth),
            Kind::Text => Ok(Check::Texts(vec![known_text(field, at, text, self.vocabulary)?])),
            Kind::Bytes => bytes(name, at, &text, quoted).map(Check::Bytes),
            Kind::Address => network(name, at, &text).map(|network| Check::Networks(vec![network])),
            Kind::Mac => mac(name, at, &text).map(|mac| Check::Macs(vec![mac])),
        }
    }

    fn part(&mut self, field: Field, kind: Kind, word: &str, column: usize) -> Result<Check, String> {
        let (at, text, quoted) = self.value(field)?;
        let name = field.name();
        match (kind, word) {
            (Kind::Text, _) => {
                let part = text.to_lowercase();
                Ok(match word {
                    "contains" => Check::Contains(part),
                    "starts_with" => Check::StartsWith(part),
                    "ends_with" => Check::EndsWith(part),
                    _ => Check::Matches(part),
                })
            }
            (Kind::Bytes, "contains") => bytes(name, at, &text, quoted).map(Check::HoldsBytes),
            (Kind::Bytes, "starts_with") => bytes(name, at, &text, quoted).map(Check::BeginsWithBytes),
            (Kind::Bytes, _) => Err(format!("column {column}: {name} is bytes; use contains, starts_with, == or !=")),
            _ => Err(format!("column {column}: {name} is {}; {word} is for texts and bytes", kind.name())),
        }
    }

    fn bits(&mut self, field: Field, kind: Kind, column: usize) -> Result<(Check, bool), String> {
        let name = field.name();
        if kind != Kind::Number {
            return Err(format!("column {column}: {name} is {}; & is for numbers", kind.name()));
        }
        let mask = self.mask(field)?;
        let (wanted, differs) = match (self.sign("=="), false) {
            (true, _) => (Some(self.mask(field)?), false),
            (false, _) if self.sign("!=") => (Some(self.mask(field)?), true),
            _ => (None, false),
        };
        if let Some(wanted) = wanted
            && wanted & !mask != 0
        {
            return Err(format!(
                "column {column}: {wanted:#x} has bits outside of the mask {mask:#x}; it can never be met"
            ));
        }
        Ok((Check::Bits(mask, wanted), differs))
    }

    fn mask(&mut self, field: Field) -> Result<u64, String> {
        let (at, text, quoted) = self.value(field)?;
        match number(field.name(), at, &text, quoted)? {
            Number::Whole(mask) => {
                u64::try_from(mask).map_err(|_| format!("column {at}: a mask of bits is not negative"))
            }
            Number::Real(_) => Err(format!("column {at}: a mask of bits is a whole number")),
        }
    }

    fn list(&mut self, field: Field, kind: Kind) -> Result<Check, String> {
        let name = field.name();
        let start = self.column();
        if !self.sign("[") {
            return Err(format!("column {start}: a list is expected after `in`: [5, 6] or [1..10]"));
        }
        let mut values = Vec::new();
        while !self.sign("]") {
            values.push(self.value(field)?);
            if !self.sign(",") && !matches!(self.peek(), Some(Token::Sign("]"))) {
                return Err(format!("column {}: the list is not closed: ] is missing", self.column()));
            }
        }
        if values.is_empty() {
            return Err(format!("column {start}: the list is empty; nothing is in it"));
        }
        let values = values.into_iter();
        match kind {
            Kind::Number => values
                .map(|(at, text, quoted)| match text.split_once("..") {
                    Some((from, to)) => {
                        let (from, to) = (number(name, at, from, quoted)?, number(name, at, to, quoted)?);
                        match from.less_than(to) {
                            true => Ok((from, to)),
                            false => Err(format!("column {at}: {text} is empty; write the lower number first")),
                        }
                    }
                    None => number(name, at, &text, quoted).map(|number| (number, number)),
                })
                .collect::<Result<_, _>>()
                .map(Check::Numbers),
            Kind::Text => values
                .map(|(at, text, _)| known_text(field, at, text, self.vocabulary))
                .collect::<Result<_, _>>()
                .map(Check::Texts),
            Kind::Address => {
                values.map(|(at, text, _)| network(name, at, &text)).collect::<Result<_, _>>().map(Check::Networks)
            }
            Kind::Mac => values.map(|(at, text, _)| mac(name, at, &text)).collect::<Result<_, _>>().map(Check::Macs),
            Kind::Bool | Kind::Bytes | Kind::Time => {
                Err(format!("column {start}: {name} is {}; `in` is for numbers, texts and addresses", kind.name()))
            }
        }
    }
}

impl Number {
    fn less_than(self, other: Self) -> bool {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a <= b,
            (Self::Real(a), Self::Real(b)) => a <= b,
            // One with a fraction and one without.
            _ => true,
        }
    }
}

fn one_or(mut list: Vec<Condition>, many: impl FnOnce(Vec<Condition>) -> Condition) -> Condition {
    match list.pop() {
        Some(last) if list.is_empty() => last,
        Some(last) => {
            list.push(last);
            many(list)
        }
        None => many(list),
    }
}

fn number(name: &str, at: usize, text: &str, quoted: bool) -> Result<Number, String> {
    Number::parse(text).filter(|_| !quoted).ok_or_else(|| {
        format!("column {at}: {name} is a number and {text:?} is none; write 6, 0x06, -5 or 2.5, without quotes")
    })
}

fn truth(name: &str, at: usize, text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("column {at}: {name} is true or false; {text:?} is neither")),
    }
}

fn time(name: &str, at: usize, text: &str) -> Result<Timestamp, String> {
    let time = jiff::Timestamp::from_str(text).ok().and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    time.map(Timestamp)
        .ok_or_else(|| format!("column {at}: {name} is a time and {text:?} is none; write \"2026-03-01T12:00:00Z\""))
}

fn bytes(name: &str, at: usize, text: &str, quoted: bool) -> Result<Vec<u8>, String> {
    let wrong = || {
        format!("column {at}: {name} is bytes and {text:?} is none; write hexadecimal digits: 0a:1b:2c or \"0a 1b 2c\"")
    };
    let _ = quoted;
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ' | '-')).collect();
    if digits.is_empty() || !digits.len().is_multiple_of(2) || digits.len() > 2048 {
        return Err(wrong());
    }
    hex(&digits).ok_or_else(wrong)
}

/// Bytes of hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        digits.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn network(name: &str, at: usize, text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        .ok_or_else(|| format!("column {at}: {name} is an address and {text:?} is none; write 10.0.0.5 or 10.0.0.0/24"))
}

/// A MAC address.
pub(crate) fn mac_of(text: &str) -> Option<Mac> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-')).collect();
    (digits.len() == 12).then(|| hex(&digits)).flatten()?.try_into().ok().map(Mac)
}

fn mac(name: &str, at: usize, text: &str) -> Result<Mac, String> {
    mac_of(text)
        .ok_or_else(|| format!("column {at}: {name} is a MAC address and {text:?} is none; write 02:00:00:00:00:01"))
}

/// Some texts come from a known list: what is not in it can never be met.
fn known_text(field: Field, at: usize, text: String, vocabulary: &Vocabulary) -> Result<String, String> {
    let refuse = |what: &str, known: &[&str]| {
        let near = nearest(&text, known.iter().copied());
        let near =
            near.map_or_else(|| format!("; known are {}", known.join(", ")), |near| format!("; did you mean {near}?"));
        format!("column {at}: no {what} {text:?}{near}")
    };
    match field {
        Field::Common(Common::Operation, _) => {
            let known: Vec<&str> = Operation::ALL.iter().map(|operation| operation.as_str()).collect();
            if !known.contains(&text.as_str()) {
                return Err(refuse("operation", &known));
            }
        }
        Field::Common(Common::Outcome, _) if !["ok", "rejected"].contains(&text.as_str()) => {
            return Err(refuse("outcome", &["ok", "rejected"]));
        }
        Field::Common(Common::Protocol, _) => {
            vocabulary.protocol(&text).map_err(|problem| format!("column {at}: {problem}"))?;
        }
        Field::Common(Common::Violations, _) if !vocabulary.is_violation(&text) => {
            return Err(format!(
                "column {at}: no departure from a specification has the id {text:?}; `ot-sensor catalogue list` lists them"
            ));
        }
        _ => {}
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ot_protocol::{Endpoint, FieldDoc, FieldKind, FieldValue, FrameRef, Message};

    const FIELDS: &[FieldDoc] = &[
        FieldDoc { name: "modbus.func_code", kind: FieldKind::Number, meaning: "function code" },
        FieldDoc { name: "modbus.regval_uint16", kind: FieldKind::Number, meaning: "value of a register" },
    ];

    fn vocabulary() -> Vocabulary {
        Vocabulary::new(&[("modbus", FIELDS)], Vec::new(), vec!["illegal-length"])
    }

    fn message() -> Message {
        Message {
            frame: FrameRef::new(0_u16, 7),
            time: Timestamp::new(1, 0),
            protocol: "modbus",
            source: Endpoint { ip: Some([10, 0, 0, 5].into()), port: 40_000, ..Endpoint::default() },
            destination: Endpoint::default(),
            operation: Some(Operation::Write),
            outcome: None,
            latency: None,
            request: None,
            fields: vec![
                ("modbus.func_code", FieldValue::Unsigned(6)),
                ("modbus.regval_uint16", FieldValue::Unsigned(1)),
                ("modbus.regval_uint16", FieldValue::Unsigned(500)),
            ],
            violations: Vec::new(),
        }
    }

    #[test]
    fn conditions_hold() {
        for (text, wanted) in [
            ("modbus.func_code == 6", true),
            ("modbus.func_code == 0x06 && ip.src == 10.0.0.5", true),
            ("modbus.regval_uint16 > 400 and not violations", true),
            ("!(modbus.func_code < 6) && operation contains 'rit'", true),
            ("modbus.func_code != 6 || violations", false),
            ("modbus.regval_uint16 >= 501", false),
            ("frame.number == 7", true),
            ("request.frame", false),
        ] {
            assert_eq!(parse(text, &vocabulary()).unwrap().holds(&message()), wanted, "{text}");
        }
    }

    #[test]
    fn faults_name_the_place() {
        for (text, words) in [
            ("", "column 1: a field name is expected"),
            ("modbus.func_cod == 6", "did you mean modbus.func_code?"),
            ("modbus.func_code ==", "column 20: a value is expected"),
            ("modbus.func_code == 6 ip.src", "column 23: `and`, `or` or the end"),
            ("(modbus.func_code", "a closing parenthesis is missing"),
            ("ip.src == \"10", "column 11: the quote is not closed"),
            ("ip.src = 10", "does not belong"),
        ] {
            let said = parse(text, &vocabulary()).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
        assert!(parse(&"!".repeat(1000), &vocabulary()).unwrap_err().contains("more than 32"));
    }
}
