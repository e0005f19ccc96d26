//! Conditions on the fields of a message: `modbus.func_code == 6 && !(ip.src == 10.0.0.5)`.
//!
//! A condition on a field that stands several times in a message holds where one of its values meets it, as in
//! Wireshark. A field alone asks whether it is there.

use ot_rules::names::nearest;
use serde_json::{Map, Value};

/// Deepest nesting of parentheses and negations.
const DEPTH: usize = 32;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Either holds.
    Or(Box<Filter>, Box<Filter>),
    /// Both hold.
    And(Box<Filter>, Box<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// The field is there.
    There(String),
    /// The field compares.
    Compare(String, Comparison, Literal),
}

/// How to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `contains`: part of a text.
    Contains,
}

/// What to compare with.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A number, decimal or hexadecimal (0x).
    Number(f64),
    /// A text, in quotes or not.
    Text(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(&'static str),
}

struct Parser<'a> {
    tokens: Vec<(usize, Token)>,
    next: usize,
    known: &'a [&'a str],
    end: usize,
    depth: usize,
}

impl Filter {
    /// Reads a condition whose fields must be among `known`.
    ///
    /// # Errors
    /// In words: where, and what was expected.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?, next: 0, known, end: text.len() + 1, depth: 0 };
        let filter = parser.either()?;
        match parser.tokens.get(parser.next) {
            None => Ok(filter),
            Some((at, token)) => Err(format!("column {at}: expected && or || or the end, found {}", show(token))),
        }
    }

    /// Whether a message meets it.
    pub fn matches(&self, message: &Map<String, Value>) -> bool {
        match self {
            Self::Or(a, b) => a.matches(message) || b.matches(message),
            Self::And(a, b) => a.matches(message) && b.matches(message),
            Self::Not(a) => !a.matches(message),
            Self::There(field) => match message.get(field) {
                None | Some(Value::Null) => false,
                Some(Value::Array(list)) => !list.is_empty(),
                Some(_) => true,
            },
            Self::Compare(field, comparison, literal) => match message.get(field) {
                Some(Value::Array(list)) => list.iter().any(|value| compare(value, *comparison, literal)),
                Some(value) => compare(value, *comparison, literal),
                None => false,
            },
        }
    }
}

fn compare(value: &Value, comparison: Comparison, literal: &Literal) -> bool {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if comparison == Comparison::Contains {
        let part = match literal {
            Literal::Text(part) => part.clone(),
            Literal::Number(number) => number.to_string(),
        };
        return text.to_lowercase().contains(&part.to_lowercase());
    }
    let order = match (literal, value) {
        (Literal::Number(number), Value::Bool(flag)) => f64::from(u8::from(*flag)).partial_cmp(number),
        (Literal::Number(number), value) => {
            let found = value.as_f64().or_else(|| text.parse().ok());
            found.and_then(|found| found.partial_cmp(number))
        }
        (Literal::Text(wanted), _) => Some(text.as_str().cmp(wanted.as_str())),
    };
    match (comparison, order) {
        (Comparison::NotEqual, order) => order.is_none_or(std::cmp::Ordering::is_ne),
        (_, None) => false,
        (Comparison::Equal, Some(order)) => order.is_eq(),
        (Comparison::Less, Some(order)) => order.is_lt(),
        (Comparison::AtMost, Some(order)) => order.is_le(),
        (Comparison::Greater, Some(order)) => order.is_gt(),
        (Comparison::AtLeast, Some(order)) => order.is_ge(),
        (Comparison::Contains, Some(_)) => false,
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    const SIGNS: [&str; 11] = ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")"];
    let mut list = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or(' ');
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            list.push((at + 1, Token::Sign(sign)));
            at += sign.len();
        } else if first == '"' || first == '\'' {
            let inner = rest.get(1..).unwrap_or_default();
            let length = inner.find(first).ok_or_else(|| format!("column {}: the quote is not closed", at + 1))?;
            list.push((at + 1, Token::Quoted(inner.get(..length).unwrap_or_default().to_owned())));
            at += length + 2;
        } else {
            let is_word = |c: char| c.is_alphanumeric() || "._:-/+".contains(c);
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            if length == 0 {
                return Err(format!("column {}: {first:?} does not belong in a condition", at + 1));
            }
            list.push((at + 1, Token::Word(rest.get(..length).unwrap_or_default().to_owned())));
            at += length;
        }
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
    fn sign(&mut self, sign: &str, word: &str) -> bool {
        let found = match self.tokens.get(self.next) {
            Some((_, Token::Sign(found))) => *found == sign,
            Some((_, Token::Word(found))) => !word.is_empty() && found == word,
            _ => false,
        };
        self.next += usize::from(found);
        found
    }

    fn either(&mut self) -> Result<Filter, String> {
        let mut left = self.both()?;
        while self.sign("||", "or") {
            left = Filter::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Filter, String> {
        let mut left = self.one()?;
        while self.sign("&&", "and") {
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Filter, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("more than {DEPTH} parentheses and negations in each other"));
        }
        let filter = if self.sign("!", "not") {
            Filter::Not(Box::new(self.one()?))
        } else if self.sign("(", "") {
            let inner = self.either()?;
            if !self.sign(")", "") {
                return Err(format!("column {}: a closing parenthesis is missing", self.column()));
            }
            inner
        } else {
            self.condition()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn condition(&mut self) -> Result<Filter, String> {
        let column = self.column();
        let Some((_, Token::Word(field))) = self.tokens.get(self.next).cloned() else {
            return Err(format!("column {column}: a field name is expected, such as modbus.func_code"));
        };
        if !self.known.contains(&field.as_str()) {
            let near = nearest(&field, self.known.iter().copied());
            return Err(format!(
                "column {column}: no field {field:?}{}; `ot-sensor decode --fields` lists them",
                near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
            ));
        }
        self.next += 1;
        let comparison = match self.tokens.get(self.next) {
            Some((_, Token::Sign("=="))) => Comparison::Equal,
            Some((_, Token::Sign("!="))) => Comparison::NotEqual,
            Some((_, Token::Sign("<"))) => Comparison::Less,
            Some((_, Token::Sign("<="))) => Comparison::AtMost,
            Some((_, Token::Sign(">"))) => Comparison::Greater,
            Some((_, Token::Sign(">="))) => Comparison::AtLeast,
            Some((_, Token::Word(word))) if word == "contains" => Comparison::Contains,
            _ => return Ok(Filter::There(field)),
        };
        self.next += 1;
        let column = self.column();
        let literal = match self.tokens.get(self.next) {
            Some((_, Token::Word(word))) => number(word).map_or_else(|| Literal::Text(word.clone()), Literal::Number),
            Some((_, Token::Quoted(text))) => Literal::Text(text.clone()),
            Some((_, token)) => return Err(format!("column {column}: a value is expected, found {}", show(token))),
            None => return Err(format!("column {column}: a value is expected after {field}")),
        };
        self.next += 1;
        Ok(Filter::Compare(field, comparison, literal))
    }
}

fn number(word: &str) -> Option<f64> {
    if let Some(hex) = word.strip_prefix("0x") {
        let value = u32::from_str_radix(hex, 16).ok()?;
        return Some(f64::from(value));
    }
    word.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KNOWN: &[&str] = &["modbus.func_code", "ip.src", "modbus.regval_uint16", "violations", "operation"];

    fn meets(text: &str, message: &Value) -> bool {
        Filter::parse(text, KNOWN).unwrap().matches(message.as_object().unwrap())
    }

    #[test]
    fn conditions_hold() {
        let message = json!({"modbus.func_code": 6, "ip.src": "10.0.0.5", "modbus.regval_uint16": [1, 500],
            "violations": [], "operation": "write"});
        assert!(meets("modbus.func_code == 6", &message));
        assert!(meets("modbus.func_code == 0x06 && ip.src == 10.0.0.5", &message));
        assert!(meets("modbus.regval_uint16 > 400 and not violations", &message));
        assert!(meets("!(modbus.func_code < 6) && operation contains 'rit'", &message));
        assert!(!meets("modbus.func_code != 6 || violations", &message));
        assert!(!meets("modbus.regval_uint16 >= 501", &message));
    }

    #[test]
    fn faults_name_the_place() {
        for (text, words) in [
            ("", "column 1: a field name is expected"),
            ("modbus.func_cod == 6", "did you mean modbus.func_code?"),
            ("modbus.func_code ==", "column 20: a value is expected"),
            ("modbus.func_code == 6 ip.src", "column 23: expected && or ||"),
            ("(modbus.func_code", "a closing parenthesis is missing"),
            ("ip.src == \"10", "column 11: the quote is not closed"),
            ("ip.src = 10", "does not belong"),
        ] {
            let said = Filter::parse(text, KNOWN).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
        assert!(Filter::parse(&"!".repeat(1000), KNOWN).unwrap_err().contains("more than 32"));
    }
}
