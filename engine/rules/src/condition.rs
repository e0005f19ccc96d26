//! Conditions on the fields of a message, parsed and checked: see the README for the language.

use crate::vocabulary::{Common, Field};
use ipnet::IpNet;
use ot_protocol::{FieldValue, Mac, Message, Operation, Timestamp};
use std::cmp::Ordering;
use std::net::IpAddr;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All hold.
    All(Vec<Condition>),
    /// One holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A test of a field holds.
    Test(Box<Test>),
}

/// A test of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// The field.
    pub field: Field,
    /// Only the values at this address: those behind one of the fields that hold addresses, where it is this number.
    pub at: Option<(u64, &'static [&'static str])>,
    /// Whether every value must meet it; otherwise one is enough. Where the field is not there, it is not met.
    pub every: bool,
    /// Whether a value must not meet the check: `!=`, `not in`.
    pub differs: bool,
    /// What of it.
    pub check: Check,
    /// The test without the field, as written: `> 4000`.
    pub text: String,
}

/// How numbers and times compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `==`
    Equal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Order {
    /// Whether a value stands so to what it is compared with.
    pub fn holds(self, found: Ordering) -> bool {
        match self {
            Self::Equal => found.is_eq(),
            Self::Less => found.is_lt(),
            Self::AtMost => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::AtLeast => found.is_ge(),
        }
    }
}

/// A number of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Whole.
    Whole(i128),
    /// With a fraction.
    Real(f64),
}

impl Number {
    /// The number that a text stands for: decimal, hexadecimal (0x), or with a fraction.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            return u64::from_str_radix(hex, 16).ok().map(|number| Self::Whole(sign * i128::from(number)));
        }
        if let Ok(number) = digits.parse::<u64>() {
            return Some(Self::Whole(sign * i128::from(number)));
        }
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
        text.parse().ok().filter(|number: &f64| plain && number.is_finite()).map(Self::Real)
    }

    #[allow(clippy::cast_precision_loss, reason = "compared with a number that is no whole one anyway")]
    fn real(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Real(number) => number,
        }
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            _ => self.real().partial_cmp(&other.real()),
        }
    }
}

/// What of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// It is there.
    There,
    /// It compares.
    Number(Order, Number),
    /// It is one of these ranges (both ends included).
    Numbers(Vec<(Number, Number)>),
    /// Of its bits under a mask: one is set, or they make this number.
    Bits(u64, Option<u64>),
    /// It is one of these texts.
    Texts(Vec<String>),
    /// It holds this text; case does not matter.
    Contains(String),
    /// It begins with this text; case does not matter.
    StartsWith(String),
    /// It ends with this text; case does not matter.
    EndsWith(String),
    /// It is of this pattern: `*` any text, `?` one character; case does not matter.
    Matches(String),
    /// It lies in one of these networks.
    Networks(Vec<IpNet>),
    /// It is one of these MAC addresses.
    Macs(Vec<Mac>),
    /// It is true, or false.
    Truth(bool),
    /// It is these bytes.
    Bytes(Vec<u8>),
    /// These bytes are in it.
    HoldsBytes(Vec<u8>),
    /// It begins with these bytes.
    BeginsWithBytes(Vec<u8>),
    /// It compares as a time.
    Time(Order, Timestamp),
}

/// A value of a message, as it is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View<'a> {
    Number(Number),
    Text(&'a str),
    Bytes(&'a [u8]),
    Bool(bool),
    Time(Timestamp),
    Address(IpAddr),
    Mac(Mac),
}

impl View<'_> {
    /// As `decode` prints it.
    fn show(self) -> String {
        match self {
            Self::Number(Number::Whole(number)) => number.to_string(),
            Self::Number(Number::Real(number)) => number.to_string(),
            Self::Text(text) => text.to_owned(),
            Self::Bytes(bytes) => FieldValue::Bytes(bytes.to_vec()).to_string(),
            Self::Bool(flag) => flag.to_string(),
            Self::Time(time) => time.to_string(),
            Self::Address(ip) => ip.to_string(),
            Self::Mac(mac) => mac.to_string(),
        }
    }
}

impl<'a> View<'a> {
    fn of(value: &'a FieldValue) -> Self {
        match value {
            FieldValue::Unsigned(number) => Self::Number(Number::Whole(i128::from(*number))),
            FieldValue::Signed(number) => Self::Number(Number::Whole(i128::from(*number))),
            FieldValue::Float(number) => Self::Number(Number::Real(*number)),
            FieldValue::Bool(flag) => Self::Bool(*flag),
            FieldValue::Text(text) => Self::Text(text),
            FieldValue::Bytes(bytes) => Self::Bytes(bytes),
            FieldValue::Time(time) => Self::Time(*time),
        }
    }
}

/// Shows each value of a field until `look` says that it has seen enough.
fn each<'a>(
    message: &'a Message,
    field: Field,
    at: Option<(u64, &'static [&'static str])>,
    mut look: impl FnMut(View<'a>) -> bool,
) {
    let mut one = |view: Option<View<'a>>| {
        if let Some(view) = view {
            look(view);
        }
    };
    match field {
        Field::Named(name) => {
            let mut here = at.is_none();
            for (found, value) in &message.fields {
                if let Some((wanted, addresses)) = at
                    && addresses.contains(found)
                {
                    here = *value == FieldValue::Unsigned(wanted);
                } else if here && *found == name && look(View::of(value)) {
                    return;
                }
            }
        }
        Field::Common(Common::Violations, _) => {
            for violation in &message.violations {
                if look(View::Text(violation.rule)) {
                    return;
                }
            }
        }
        Field::Common(common, _) => one(match common {
            Common::Protocol => Some(View::Text(message.protocol)),
            Common::EthSrc => message.source.mac.map(View::Mac),
            Common::EthDst => message.destination.mac.map(View::Mac),
            Common::Vlan => message.source.vlan.map(whole),
            Common::IpSrc => message.source.ip.map(View::Address),
            Common::IpDst => message.destination.ip.map(View::Address),
            Common::SrcPort => Some(whole(message.source.port)),
            Common::DstPort => Some(whole(message.destination.port)),
            Common::Operation => message.operation.map(Operation::as_str).map(View::Text),
            Common::Outcome => message.outcome.map(|outcome| View::Text(outcome.as_str())),
            #[allow(clippy::cast_precision_loss, reason = "a latency is far below 2^52 ns")]
            Common::Latency => message.latency.map(|nanos| View::Number(Number::Real(nanos as f64 / 1e9))),
            Common::Frame => Some(View::Number(Number::Whole(message.frame.number().into()))),
            Common::RequestFrame => message.request.map(|frame| View::Number(Number::Whole(frame.number().into()))),
            Common::Time => Some(View::Time(message.time)),
            Common::Violations => None,
        }),
    }
}

fn whole<'a>(number: u16) -> View<'a> {
    View::Number(Number::Whole(i128::from(number)))
}

/// The values of a field in a message, as `decode` prints them; of more than ten the first ten.
pub(crate) fn show(message: &Message, field: Field) -> Option<String> {
    let mut text = String::new();
    let mut count = 0;
    each(message, field, None, |view| {
        count += 1;
        match count {
            1 => text = view.show(),
            2..=10 => {
                text.push_str(", ");
                text.push_str(&view.show());
            }
            _ => text.push_str(" …"),
        }
        count > 10
    });
    (count > 0).then_some(text)
}

impl Condition {
    /// Whether a message meets it.
    pub fn holds(&self, message: &Message) -> bool {
        match self {
            Self::All(list) => list.iter().all(|condition| condition.holds(message)),
            Self::Any(list) => list.iter().any(|condition| condition.holds(message)),
            Self::Not(condition) => !condition.holds(message),
            Self::Test(test) => test.holds(message),
        }
    }

    /// Tells the tests that hold, with the values found: at most four.
    pub(crate) fn explain(&self, message: &Message, told: &mut Vec<String>) {
        if told.len() >= 4 {
            return;
        }
        match self {
            Self::All(list) | Self::Any(list) => {
                for condition in list.iter().filter(|condition| condition.holds(message)) {
                    condition.explain(message, told);
                }
            }
            Self::Not(condition) => {
                if let Self::Test(test) = &**condition {
                    let found = show(message, test.field).unwrap_or_else(|| "absent".to_owned());
                    told.push(format!("{} {found}, not {}", test.name(), test.text));
                }
            }
            Self::Test(test) => {
                if let Some(found) = test.found(message) {
                    told.push(format!("{} {found} {}", test.name(), test.text).trim_end().to_owned());
                }
            }
        }
    }

    /// Every field it names.
    pub(crate) fn fields(&self, into: &mut Vec<Field>) {
        match self {
            Self::All(list) | Self::Any(list) => list.iter().for_each(|condition| condition.fields(into)),
            Self::Not(condition) => condition.fields(into),
            Self::Test(test) => {
                if !into.contains(&test.field) {
                    into.push(test.field);
                }
            }
        }
    }
}

impl Test {
    /// The field as written, with its address.
    fn name(&self) -> String {
        match self.at {
            Some((at, _)) => format!("{}[{at}]", self.field.name()),
            None => self.field.name().to_owned(),
        }
    }

    fn holds(&self, message: &Message) -> bool {
        let (mut any, mut all) = (false, true);
        each(message, self.field, self.at, |view| {
            let met = self.check.holds(view) != self.differs;
            any |= met;
            all &= met;
            if self.every { !met } else { met }
        });
        any && (all || !self.every)
    }

    /// The first value that meets it.
    fn found(&self, message: &Message) -> Option<String> {
        let mut found = None;
        each(message, self.field, self.at, |view| {
            let met = self.check.holds(view) != self.differs;
            if met {
                found = Some(view.show());
            }
            met
        });
        found
    }
}

impl Check {
    fn holds(&self, view: View<'_>) -> bool {
        match (self, view) {
            (Self::There, _) => true,
            (Self::Number(order, wanted), View::Number(found)) => {
                found.compare(*wanted).is_some_and(|found| order.holds(found))
            }
            (Self::Numbers(ranges), View::Number(found)) => ranges.iter().any(|(from, to)| {
                found.compare(*from).is_some_and(Ordering::is_ge) && found.compare(*to).is_some_and(Ordering::is_le)
            }),
            (Self::Number(order, wanted), View::Bool(found)) => {
                let found = Number::Whole(i128::from(found));
                found.compare(*wanted).is_some_and(|found| order.holds(found))
            }
            (Self::Bits(mask, wanted), View::Number(Number::Whole(found))) => {
                // The low 64 bits, also of a negative number.
                let bits = u64::try_from(found & i128::from(u64::MAX)).unwrap_or(0) & mask;
                wanted.map_or(bits != 0, |wanted| bits == wanted)
            }
            (Self::Texts(texts), View::Text(found)) => texts.iter().any(|text| text == found),
            (Self::Contains(part), View::Text(found)) => lower(found).contains(part.as_str()),
            (Self::StartsWith(part), View::Text(found)) => lower(found).starts_with(part.as_str()),
            (Self::EndsWith(part), View::Text(found)) => lower(found).ends_with(part.as_str()),
            (Self::Matches(pattern), View::Text(found)) => matches(pattern, &lower(found)),
            (Self::Networks(networks), View::Address(found)) => networks.iter().any(|network| network.contains(&found)),
            (Self::Macs(macs), View::Mac(found)) => macs.contains(&found),
            (Self::Truth(wanted), View::Bool(found)) => found == *wanted,
            (Self::Truth(wanted), View::Number(Number::Whole(found))) => (found != 0) == *wanted,
            (Self::Bytes(wanted), View::Bytes(found)) => found == wanted.as_slice(),
            (Self::HoldsBytes(wanted), View::Bytes(found)) => {
                wanted.is_empty() || found.windows(wanted.len()).any(|part| part == wanted.as_slice())
            }
            (Self::BeginsWithBytes(wanted), View::Bytes(found)) => found.starts_with(wanted),
            (Self::Time(order, wanted), View::Time(found)) => order.holds(found.cmp(wanted)),
            _ => false,
        }
    }
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

/// Whether a text is of a pattern with `*` and `?`. Both in lower case. Takes time in the product of both lengths at most.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&c) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == c => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, t) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match() {
        for (pattern, text, wanted) in [
            ("cpu*", "cpu 315", true),
            ("*315*", "cpu 315-2", true),
            ("cpu ?15", "cpu 315", true),
            ("cpu", "cpu 315", false),
            ("", "", true),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn numbers_are_read() {
        assert_eq!(Number::parse("0x29"), Some(Number::Whole(0x29)));
        assert_eq!(Number::parse("-5"), Some(Number::Whole(-5)));
        assert_eq!(Number::parse("2.5"), Some(Number::Real(2.5)));
        assert_eq!(Number::parse("18446744073709551615"), Some(Number::Whole(u64::MAX.into())));
        for wrong in ["", "x", "nan", "inf", "1..2", "0x", "--1", "1e999"] {
            assert_eq!(Number::parse(wrong), None, "{wrong}");
        }
    }
}
