//! Remote Desktop: the connection request and its answer (MS-RDPBCGR, clauses 2.2.1.1 and 2.2.1.2). What follows is TLS.

use crate::companion::{Companion, CompanionSession, Dialogue, Moment, Step, Told};
use crate::text::clean;
use ot_protocol::{Direction, FieldDoc, FieldKind, FieldValue, Outcome, Probe};

const PORTS: &[u16] = &[3389];
/// Connection request and connection confirm (ITU-T X.224, clauses 13.3 and 13.4).
const REQUEST: u8 = 0xe0;
const CONFIRM: u8 = 0xd0;
/// Octets of TPKT and X.224 before the cookie.
const HEADER: usize = 11;
/// Longest request.
const MOST: usize = 512;
const COOKIE: &[u8] = b"Cookie: mstshash=";

pub(crate) const RDP: Companion = Companion {
    id: Rdp::ID,
    name: "Remote Desktop (RDP)",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<Rdp>::boxed,
    fields: &[
        FieldDoc {
            name: "rdp.rt_cookie",
            kind: FieldKind::Text,
            meaning: "Cookie of the connection request: the user's name, cut after nine characters by most clients",
        },
        FieldDoc {
            name: "rdp.negReq.requestedProtocols",
            kind: FieldKind::Number,
            meaning: "Security protocols that the client offers: bit 0 TLS, bit 1 CredSSP, 0 neither",
        },
        FieldDoc {
            name: "rdp.negReq.selectedProtocol",
            kind: FieldKind::Number,
            meaning: "Security protocol that the server chose: 0 RDP's own, 1 TLS, 2 CredSSP",
        },
        FieldDoc { name: "rdp.negReq.failureCode", kind: FieldKind::Number, meaning: "Why the server refused" },
    ],
    rules: &[],
};

/// A unit of X.224: its type and what follows its header, with its whole length.
fn unit(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let [3, 0, high, low, _, kind, ..] = *bytes.first_chunk::<HEADER>()? else { return None };
    let length = usize::from(u16::from_be_bytes([high, low]));
    (HEADER..=MOST).contains(&length).then_some(())?;
    Some((kind, bytes.get(HEADER..length)?, length))
}

/// What follows the cookie: a negotiation structure of this type.
fn negotiation(body: &[u8], kind: u8) -> Option<u32> {
    let [found, _, 8, 0, a, b, c, d] = *body.last_chunk::<8>()? else { return None };
    (found == kind).then_some(u32::from_le_bytes([a, b, c, d]))
}

fn probe(bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe {
    if datagram {
        return Probe::No;
    }
    let mut more = false;
    for (bytes, direction) in bytes.into_iter().zip([Direction::AtoB, Direction::BtoA]) {
        match unit(bytes) {
            Some((REQUEST, body, _)) if hint || body.starts_with(COOKIE) || negotiation(body, 1).is_some() => {
                return Probe::Yes { client: Some(direction) };
            }
            Some((CONFIRM, body, _)) if hint || negotiation(body, 2).is_some() || negotiation(body, 3).is_some() => {
                return Probe::Yes { client: Some(direction.reversed()) };
            }
            Some(_) => return Probe::No,
            None => {
                let wanted = usize::from(bytes.get(3).copied().unwrap_or(0));
                more |= !bytes.is_empty()
                    && [3, 0, 0].starts_with(bytes.get(..bytes.len().min(3)).unwrap_or_default())
                    && bytes.len() < wanted.max(HEADER);
            }
        }
    }
    if more { Probe::More } else { Probe::No }
}

#[derive(Default)]
struct Rdp {
    asked: Option<(Moment, Option<String>)>,
}

impl Dialogue for Rdp {
    const ID: &'static str = "rdp";

    fn step(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        let Some((kind, body, length)) = unit(bytes) else {
            let wanted = match bytes {
                [3, 0, high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])).max(HEADER),
                [3, 0, ..] | [3] => HEADER,
                _ => return Step::Done,
            };
            return if wanted <= MOST && wanted > bytes.len() { Step::Need(wanted) } else { Step::Done };
        };
        let text = |value: &str| FieldValue::Text(value.to_owned());
        let number = |value: u32| FieldValue::Unsigned(u64::from(value));
        match kind {
            REQUEST => {
                told.is_client(direction);
                let user = body.strip_prefix(COOKIE).map(|rest| {
                    let end = rest.iter().position(|&byte| byte == b'\r').unwrap_or(rest.len());
                    clean(rest.get(..end).unwrap_or_default(), 64)
                });
                told.message(direction, |fields| {
                    fields.extend(user.as_deref().map(|user| ("rdp.rt_cookie", text(user))));
                    fields.extend(negotiation(body, 1).map(|n| ("rdp.negReq.requestedProtocols", number(n))));
                });
                self.asked = Some((told.moment(), user.filter(|user| !user.is_empty())));
                Step::Decoded(length)
            }
            CONFIRM => {
                told.is_client(direction.reversed());
                let failure = negotiation(body, 3);
                told.message(direction, |fields| {
                    fields.extend(negotiation(body, 2).map(|n| ("rdp.negReq.selectedProtocol", number(n))));
                    fields.extend(failure.map(|n| ("rdp.negReq.failureCode", number(n))));
                });
                let (asked, user) = self.asked.take().unwrap_or((told.moment(), None));
                let outcome = failure.map_or(Outcome::Ok, |code| {
                    Outcome::Rejected(u16::try_from(code).unwrap_or(u16::MAX), "security negotiation failed")
                });
                told.remote_session(direction.reversed(), "Remote Desktop session", asked, outcome, user);
                Step::Done
            }
            _ => Step::Done,
        }
    }
}
