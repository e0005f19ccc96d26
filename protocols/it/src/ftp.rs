//! FTP, the control connection: greeting, sign-in (RFC 959, clause 4.1.1).

use crate::companion::{Companion, CompanionSession, Dialogue, Moment, Step, Told, function};
use crate::defaults::{self, Service};
use crate::lines::{Line, line};
use crate::text::{clean, contains};
use ot_protocol::{Direction, FieldDoc, FieldKind, FieldValue, Outcome, Probe, SignIn};

const PORTS: &[u16] = &[21];
/// Replies without a sign-in after which a session is no longer looked at.
const MOST_REPLIES: u32 = 64;

pub(crate) const FTP: Companion = Companion {
    id: Ftp::ID,
    name: "FTP",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<Ftp>::boxed,
    fields: &[
        FieldDoc { name: "ftp.request.command", kind: FieldKind::Text, meaning: "Command of the client" },
        FieldDoc {
            name: "ftp.request.arg",
            kind: FieldKind::Text,
            meaning: "Argument of the command; never that of PASS or ACCT",
        },
        FieldDoc { name: "ftp.response.code", kind: FieldKind::Number, meaning: "Reply code of the server" },
        FieldDoc { name: "ftp.response.arg", kind: FieldKind::Text, meaning: "Text of the reply" },
    ],
    rules: &[],
};

fn probe(bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe {
    if datagram {
        return Probe::No;
    }
    let mut more = false;
    for (bytes, direction) in bytes.into_iter().zip([Direction::AtoB, Direction::BtoA]) {
        let start = bytes.get(..bytes.len().min(256)).unwrap_or_default();
        let greeting = matches!(bytes, [b'2', b'2', b'0', b' ' | b'-', ..]);
        if (greeting && (hint || contains(start, "ftp"))) || (hint && reply(bytes).is_some()) {
            return Probe::Yes { client: Some(direction.reversed()) };
        }
        if hint && [&b"USER "[..], b"PASS ", b"AUTH "].iter().any(|command| bytes.starts_with(command)) {
            return Probe::Yes { client: Some(direction) };
        }
        more |=
            !bytes.is_empty() && bytes.len() < 5 && (hint || b"220 ".starts_with(bytes) || b"220-".starts_with(bytes));
    }
    if more { Probe::More } else { Probe::No }
}

/// Code of a reply, and whether it is the last line of it.
fn reply(line: &[u8]) -> Option<(u16, bool)> {
    let [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = line else { return None };
    let digit = |byte: &u8| u16::from(byte - b'0');
    let code = digit(a) * 100 + digit(b) * 10 + digit(c);
    match rest.first() {
        Some(b'-') => Some((code, false)),
        Some(b' ' | b'\r' | b'\n') | None => Some((code, true)),
        _ => None,
    }
}

#[derive(Default)]
struct Ftp {
    /// Name, and when it was presented.
    user: Option<(String, Moment)>,
    /// A password was presented: when, and whose default it is.
    password: Option<(Moment, Option<&'static str>)>,
    greeted: bool,
    replies: u32,
}

impl Ftp {
    fn client(&mut self, told: &mut Told<'_, '_>, direction: Direction, text: &[u8]) {
        let (command, argument) = match text.iter().position(|&byte| byte == b' ') {
            Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
            None => (text, &[][..]),
        };
        let secret = command.eq_ignore_ascii_case(b"PASS") || command.eq_ignore_ascii_case(b"ACCT");
        told.message(direction, |fields| {
            fields.push(("ftp.request.command", FieldValue::Text(clean(command, 16))));
            if !secret && !argument.is_empty() {
                fields.push(("ftp.request.arg", FieldValue::Text(clean(argument, 256))));
            }
        });
        if command.eq_ignore_ascii_case(b"USER") {
            self.user = Some((clean(argument, 64), told.moment()));
            self.password = None;
        } else if command.eq_ignore_ascii_case(b"PASS") {
            let user = self.user.as_ref().map_or("", |(user, _)| user.as_str());
            self.password = Some((told.moment(), defaults::product(Service::Ftp, user, argument)));
        }
    }

    fn server(&mut self, told: &mut Told<'_, '_>, direction: Direction, text: &[u8]) -> Option<Step> {
        let (code, last) = reply(text)?;
        let said = clean(text.get(4..).unwrap_or_default(), 256);
        told.message(direction, |fields| {
            fields.push(("ftp.response.code", FieldValue::Unsigned(u64::from(code))));
            fields.push(("ftp.response.arg", FieldValue::Text(said.clone())));
        });
        if code == 220 && !self.greeted {
            self.greeted = true;
            let speaker = told.speaker(direction);
            told.identity(speaker, "software", said, "FTP banner");
        }
        if !last {
            return None;
        }
        self.replies += 1;
        let outcome = match code {
            230 | 232 => Outcome::Ok,
            430 => Outcome::Rejected(code, "Invalid username or password"),
            421 => Outcome::Rejected(code, "Service not available"),
            530 | 532 | 500..=504 | 550 => Outcome::Rejected(code, "Not logged in"),
            // The connection goes on in TLS.
            234 => return Some(Step::Done),
            _ if self.replies >= MOST_REPLIES => return Some(Step::Done),
            _ => return None,
        };
        let presented = self.password.take();
        // A user may be let in, or refused, without a password.
        if presented.is_none() && !matches!(code, 230 | 232 | 530) {
            return None;
        }
        let (user, at) = self.user.take()?;
        // Who signs in anonymously gives nothing away.
        let anonymous = ["anonymous", "ftp"].iter().any(|name| user.eq_ignore_ascii_case(name));
        let sign_in = SignIn {
            user: Some(user),
            clear_text: presented.is_some() && !anonymous,
            factory_default: presented.and_then(|(_, product)| product),
        };
        let asked = presented.map_or(at, |(moment, _)| moment);
        let answered = Some(told.moment());
        told.sign_in(direction.reversed(), function(1, "FTP sign-in"), asked, answered, outcome, sign_in);
        (outcome == Outcome::Ok).then_some(Step::Done)
    }
}

impl Dialogue for Ftp {
    const ID: &'static str = "ftp";

    fn step(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        match line(bytes) {
            Line::Whole(text, length) => {
                if told.client(PORTS) == direction {
                    told.is_client(direction);
                    self.client(told, direction, text);
                    return Step::Decoded(length);
                }
                match self.server(told, direction, text) {
                    Some(step) => step,
                    None => Step::Decoded(length),
                }
            }
            Line::Part => Step::Need(bytes.len() + 1),
            Line::TooLong => Step::Done,
        }
    }

    fn gap(&mut self, _: Direction, _: u64) -> bool {
        self.user = None;
        self.password = None;
        true
    }

    fn finish(&mut self, told: &mut Told<'_, '_>) {
        if let (Some((user, _)), Some((asked, product))) = (self.user.take(), self.password.take()) {
            let sign_in = SignIn { user: Some(user), clear_text: true, factory_default: product };
            let client = told.client(PORTS);
            told.sign_in(client, function(1, "FTP sign-in"), asked, None, Outcome::Pending, sign_in);
        }
    }
}
