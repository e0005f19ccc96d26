//! Telnet: options (RFC 854) and the usual dialogue of a sign-in.
//!
//! Servers have no protocol for it: they ask with a prompt that ends in `login:` or `password:` in some letters, and
//! answer with the prompt of a shell, or ask again.

use crate::companion::{Companion, CompanionSession, Dialogue, Moment, Step, Told, function};
use crate::defaults::{self, Service};
use crate::text::{clean, contains, first_line};
use ot_protocol::{Direction, Outcome, Probe, SignIn};

const PORTS: &[u16] = &[23];
const IAC: u8 = 255;
const SUBNEGOTIATION: u8 = 250;
const END: u8 = 240;
/// Characters kept of what the server said last.
const MOST_SAID: usize = 512;
/// Characters of a name or password.
const MOST_TYPED: usize = 64;
/// Bytes of the server after which no sign-in is expected any more.
const MOST_SERVER: usize = 16 << 10;
/// Characters after a password that only a session has that was let in.
const LET_IN: usize = 400;

pub(crate) const TELNET: Companion = Companion {
    id: Telnet::ID,
    name: "Telnet",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<Telnet>::boxed,
    fields: &[],
    rules: &[],
};

/// Octets of options at the start.
fn options(bytes: &[u8]) -> usize {
    let mut count = 0;
    let mut rest = bytes;
    while let [IAC, 251..=254, 0..=49, after @ ..] = rest {
        count += 3;
        rest = after;
    }
    count
}

fn probe(bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe {
    if datagram {
        return Probe::No;
    }
    let mut more = false;
    for bytes in bytes {
        let enough = if hint { 3 } else { 6 };
        if options(bytes) >= enough || (hint && asks(bytes).is_some()) {
            return Probe::Yes { client: None };
        }
        more |= match bytes {
            [] => false,
            [IAC] | [IAC, 251..=254] => true,
            [IAC, 251..=254, 0..=49, rest @ ..] => {
                rest.len() < 3 && [IAC, 251].starts_with(rest.get(..rest.len().min(1)).unwrap_or_default())
            }
            // A greeting before the prompt.
            _ => {
                hint && bytes.len() < 1024
                    && bytes.iter().all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
            }
        };
    }
    if more { Probe::More } else { Probe::No }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prompt {
    User,
    Password,
}

/// What a text asks for at its end.
fn asks(said: &[u8]) -> Option<Prompt> {
    let end = said.iter().rposition(|byte| !byte.is_ascii_whitespace())?;
    let text = said.get(..=end)?.strip_suffix(b":")?;
    let last = text.rsplit(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    if contains(last, "password") || contains(last, "passwd") {
        Some(Prompt::Password)
    } else if ["login", "username", "user name", "user"].iter().any(|word| {
        last.len() >= word.len()
            && last.get(last.len() - word.len()..).is_some_and(|end| end.eq_ignore_ascii_case(word.as_bytes()))
    }) {
        Some(Prompt::User)
    } else {
        None
    }
}

/// Whether a text refuses.
fn refuses(said: &[u8]) -> bool {
    ["incorrect", "failed", "denied", "invalid", "bad password", "wrong", "not authorized"]
        .iter()
        .any(|word| contains(said, word))
}

/// Whether a text ends as the prompt of a shell does.
fn is_shell(said: &[u8]) -> bool {
    let end = said.trim_ascii_end();
    !end.is_empty() && matches!(end.last(), Some(b'$' | b'#' | b'>' | b'%'))
}

#[derive(Default)]
struct Telnet {
    /// What the server said since the client last spoke.
    said: Vec<u8>,
    expects: Option<Prompt>,
    /// What is being typed. Overwritten once it was looked at.
    typed: Vec<u8>,
    user: String,
    presented: Option<(Moment, Option<&'static str>)>,
    spoke: [Option<Moment>; 2],
    session_told: bool,
    greeted: bool,
    seen: usize,
}

impl Telnet {
    fn forget(&mut self) {
        self.typed.fill(0);
        self.typed.clear();
    }

    /// Octets of an option or command at the start, or how many are needed.
    fn command(bytes: &[u8]) -> Result<usize, usize> {
        match bytes {
            [IAC, SUBNEGOTIATION, rest @ ..] => {
                match rest.windows(2).take(MOST_SAID).position(|pair| pair == [IAC, END]) {
                    Some(at) => Ok(at + 4),
                    None if rest.len() > MOST_SAID => Ok(bytes.len()),
                    None => Err(bytes.len() + 1),
                }
            }
            [IAC, 251..=254, _, ..] => Ok(3),
            [IAC, 251..=254] => Err(3),
            [IAC] => Err(2),
            _ => Ok(2),
        }
    }

    fn settle(&mut self, told: &mut Told<'_, '_>, client: Direction, outcome: Outcome) {
        let Some((asked, factory_default)) = self.presented.take() else { return };
        let user = std::mem::take(&mut self.user);
        let sign_in = SignIn { user: (!user.is_empty()).then_some(user), clear_text: true, factory_default };
        let answered = (outcome != Outcome::Pending).then(|| told.moment());
        told.sign_in(client, function(1, "Telnet sign-in"), asked, answered, outcome, sign_in);
    }

    fn server(&mut self, told: &mut Told<'_, '_>, direction: Direction, text: &[u8]) -> Step {
        self.seen = self.seen.saturating_add(text.len());
        self.said.extend_from_slice(text);
        let over = self.said.len().saturating_sub(MOST_SAID);
        self.said.drain(..over);
        let asked = asks(&self.said);
        if self.presented.is_some() {
            let client = direction.reversed();
            if refuses(&self.said) || asked.is_some() {
                self.settle(told, client, Outcome::Rejected(1, "login incorrect"));
            } else if is_shell(&self.said)
                || ["last login", "welcome", "success"].iter().any(|word| contains(&self.said, word))
                || self.said.len() >= LET_IN
            {
                self.settle(told, client, Outcome::Ok);
                return Step::Done;
            }
        }
        if asked.is_some() {
            if !self.greeted {
                self.greeted = true;
                let line = first_line(&self.said, 128);
                if asks(line.as_bytes()).is_none() {
                    let speaker = told.speaker(direction);
                    told.identity(speaker, "software", line, "Telnet banner");
                }
            }
            self.expects = asked;
        }
        if self.seen > MOST_SERVER { Step::Done } else { Step::Decoded(text.len()) }
    }

    fn client(&mut self, told: &mut Told<'_, '_>, text: &[u8]) {
        for &byte in text {
            match byte {
                b'\r' | b'\n' | 0 => {
                    let ends = byte == b'\r' || (byte == b'\n' && !self.typed.is_empty());
                    let Some(expected) = self.expects.filter(|_| ends) else { continue };
                    match expected {
                        Prompt::User => self.user = clean(&self.typed, MOST_TYPED),
                        Prompt::Password => {
                            let product = defaults::product(Service::Telnet, &self.user, &self.typed);
                            self.presented = Some((told.moment(), product));
                        }
                    }
                    self.expects = None;
                    self.forget();
                    self.said.clear();
                }
                8 | 127 => drop(self.typed.pop()),
                _ if self.expects.is_some() && self.typed.len() < MOST_TYPED => self.typed.push(byte),
                _ => {}
            }
        }
    }
}

impl Dialogue for Telnet {
    const ID: &'static str = "telnet";

    fn step(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        let client = told.client(PORTS);
        let now = told.moment();
        if let Some(spoke) = self.spoke.get_mut(direction.index()) {
            spoke.get_or_insert(now);
        }
        if let ([Some(a), Some(b)], false) = (self.spoke, self.session_told) {
            self.session_told = true;
            let asked = if client == Direction::AtoB { a } else { b };
            told.remote_session(client, "Telnet session", asked, Outcome::Ok, None);
        }
        if bytes.first() == Some(&IAC) {
            return match Self::command(bytes) {
                Ok(length) => Step::Decoded(length),
                Err(need) => Step::Need(need),
            };
        }
        let end = bytes.iter().position(|&byte| byte == IAC).unwrap_or(bytes.len());
        let text = bytes.get(..end).unwrap_or_default();
        if direction == client {
            self.client(told, text);
            Step::Decoded(text.len())
        } else {
            self.server(told, direction, text)
        }
    }

    fn gap(&mut self, _: Direction, _: u64) -> bool {
        self.forget();
        self.expects = None;
        self.presented = None;
        self.said.clear();
        true
    }

    fn finish(&mut self, told: &mut Told<'_, '_>) {
        self.forget();
        let client = told.client(PORTS);
        self.settle(told, client, Outcome::Pending);
    }
}
