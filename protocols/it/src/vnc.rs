//! VNC: the handshake of the remote framebuffer protocol (RFC 6143, clause 7.1). What follows is screen contents.

use crate::companion::{Companion, CompanionSession, Dialogue, Moment, Step, Told, begins, function};
use ot_protocol::{Direction, FieldDoc, FieldKind, FieldValue, Outcome, Probe, SignIn};

const PORTS: &[u16] = &[5900, 5901, 5902, 5903];
/// Octets of a version message: `RFB 003.008\n`.
const VERSION: usize = 12;
/// Security types.
const NONE: u8 = 1;
const PASSWORD: u8 = 2;

pub(crate) const VNC: Companion = Companion {
    id: Vnc::ID,
    name: "VNC",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<Vnc>::boxed,
    fields: &[
        FieldDoc { name: "vnc.server_proto_ver", kind: FieldKind::Text, meaning: "Version of the server" },
        FieldDoc { name: "vnc.client_proto_ver", kind: FieldKind::Text, meaning: "Version of the client" },
        FieldDoc {
            name: "vnc.client_security_type",
            kind: FieldKind::Number,
            meaning: "Security type chosen: 1 none, 2 password",
        },
        FieldDoc { name: "vnc.auth_result", kind: FieldKind::Bool, meaning: "Whether the sign-in failed" },
    ],
    rules: &[],
};

fn probe(bytes: [&[u8]; 2], _: bool, datagram: bool) -> Probe {
    match begins(bytes, b"RFB 00") {
        _ if datagram => Probe::No,
        (Some(direction), _) => {
            // The server speaks first; where both have spoken, who began is not told by the bytes.
            let both = bytes.iter().all(|bytes| !bytes.is_empty());
            Probe::Yes { client: (!both).then_some(direction.reversed()) }
        }
        (None, true) => Probe::More,
        _ => Probe::No,
    }
}

/// What the next message of the server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wait {
    #[default]
    Version,
    /// List of security types, or one type by an old server.
    Security,
    Challenge,
    Result,
}

#[derive(Default)]
struct Vnc {
    wait: Wait,
    /// Minor version of the server.
    minor: u8,
    greeted: bool,
    chosen: u8,
    answered: bool,
    asked: Moment,
}

/// The minor version of a version message.
fn minor(bytes: &[u8]) -> Option<u8> {
    let [b'R', b'F', b'B', b' ', b'0', b'0', major, b'.', a, b, c, b'\n'] = *bytes.first_chunk::<VERSION>()? else {
        return None;
    };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    let minor = u16::from(digit(a)?) * 100 + u16::from(digit(b)?) * 10 + u16::from(digit(c)?);
    Some(if major > b'3' { 8 } else { u8::try_from(minor).unwrap_or(8) })
}

impl Vnc {
    fn sign_in(&mut self, told: &mut Told<'_, '_>, client: Direction, outcome: Outcome) -> Step {
        let made = if self.chosen == NONE {
            function(u16::from(NONE), "VNC session without password")
        } else {
            function(u16::from(self.chosen), "VNC sign-in")
        };
        let answered = Some(told.moment());
        told.sign_in(client, made, self.asked, answered, outcome, SignIn::default());
        Step::Done
    }

    fn server(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        let client = direction.reversed();
        match self.wait {
            Wait::Version => {
                if bytes.len() < VERSION {
                    return Step::Need(VERSION);
                }
                let Some(version) = minor(bytes) else { return Step::Done };
                self.minor = version;
                self.wait = Wait::Security;
                told.message(direction, |fields| {
                    let text = crate::text::clean(bytes.get(4..11).unwrap_or_default(), 8);
                    fields.push(("vnc.server_proto_ver", FieldValue::Text(text)));
                });
                let speaker = told.speaker(direction);
                told.identity(speaker, "software", format!("VNC server, RFB 3.{version}"), "VNC version");
                Step::Decoded(VERSION)
            }
            // An old server decides alone.
            Wait::Security if self.minor < 7 => {
                let Some(kind) = bytes.first_chunk::<4>() else { return Step::Need(4) };
                self.chosen = kind[3];
                self.wait = if self.chosen == PASSWORD { Wait::Challenge } else { Wait::Result };
                match self.chosen {
                    NONE => self.sign_in(told, client, Outcome::Ok),
                    PASSWORD => Step::Decoded(4),
                    _ => Step::Done,
                }
            }
            Wait::Security => {
                let count = usize::from(bytes.first().copied().unwrap_or(0));
                if bytes.len() < count + 1 {
                    return Step::Need(count + 1);
                }
                if count == 0 {
                    let refused = Outcome::Rejected(0, "no session");
                    told.remote_session(client, "VNC session", self.asked, refused, None);
                    return Step::Done;
                }
                self.wait = Wait::Challenge;
                Step::Decoded(count + 1)
            }
            Wait::Challenge if self.chosen == NONE => {
                // From version 3.8 on there is a result, too (RFC 6143, clause 7.1.3).
                self.wait = Wait::Result;
                self.server(told, direction, bytes)
            }
            Wait::Challenge if self.chosen == PASSWORD => {
                if bytes.len() < 16 {
                    return Step::Need(16);
                }
                self.wait = Wait::Result;
                Step::Decoded(16)
            }
            Wait::Challenge => Step::Done,
            Wait::Result => {
                let Some(result) = bytes.first_chunk::<4>() else { return Step::Need(4) };
                let outcome = match u32::from_be_bytes(*result) {
                    0 => Outcome::Ok,
                    2 => Outcome::Rejected(2, "too many tries"),
                    _ => Outcome::Rejected(1, "authentication failed"),
                };
                told.message(direction, |fields| {
                    fields.push(("vnc.auth_result", FieldValue::Bool(outcome != Outcome::Ok)));
                });
                self.sign_in(told, client, outcome)
            }
        }
    }

    fn client(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        if !self.greeted {
            if bytes.len() < VERSION {
                return Step::Need(VERSION);
            }
            let Some(version) = minor(bytes) else { return Step::Done };
            self.greeted = true;
            self.minor = self.minor.min(version);
            self.asked = told.moment();
            told.message(direction, |fields| {
                let text = crate::text::clean(bytes.get(4..11).unwrap_or_default(), 8);
                fields.push(("vnc.client_proto_ver", FieldValue::Text(text)));
            });
            let asked = self.asked;
            told.remote_session(direction, "VNC session", asked, Outcome::Ok, None);
            return Step::Decoded(VERSION);
        }
        if self.minor >= 7 && self.chosen == 0 {
            let chosen = bytes.first().copied().unwrap_or(0);
            self.chosen = chosen;
            self.asked = told.moment();
            told.message(direction, |fields| {
                fields.push(("vnc.client_security_type", FieldValue::Unsigned(u64::from(chosen))));
            });
            return match chosen {
                NONE if self.minor < 8 => self.sign_in(told, direction, Outcome::Ok),
                NONE | PASSWORD => Step::Decoded(1),
                // Security of a vendor of its own.
                _ => Step::Done,
            };
        }
        if self.chosen == PASSWORD && !self.answered {
            if bytes.len() < 16 {
                return Step::Need(16);
            }
            self.answered = true;
            self.asked = told.moment();
            return Step::Decoded(16);
        }
        Step::Skipped(bytes.len())
    }
}

impl Dialogue for Vnc {
    const ID: &'static str = "vnc";

    fn step(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        if self.wait == Wait::Version && !self.greeted {
            // The server is the first to speak.
            if !bytes.starts_with(b"RFB ") && bytes.len() >= 4 {
                return Step::Done;
            }
            told.is_client(direction.reversed());
        }
        if told.client(PORTS) == direction {
            self.client(told, direction, bytes)
        } else {
            self.server(told, direction, bytes)
        }
    }
}
