//! SSH: the identification strings of both sides (RFC 4253, clause 4.2). What follows is encrypted.

use crate::companion::{Companion, CompanionSession, Dialogue, Moment, Step, Told, begins};
use crate::lines::{Line, line};
use crate::text::clean;
use ot_protocol::{Direction, FieldDoc, FieldKind, FieldValue, Outcome, Probe};

const PORTS: &[u16] = &[22];

pub(crate) const SSH: Companion = Companion {
    id: Ssh::ID,
    name: "SSH",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<Ssh>::boxed,
    fields: &[FieldDoc {
        name: "ssh.protocol",
        kind: FieldKind::Text,
        meaning: "Identification string: version of the protocol and name of the software",
    }],
    rules: &[],
};

fn probe(bytes: [&[u8]; 2], _: bool, datagram: bool) -> Probe {
    match begins(bytes, b"SSH-") {
        _ if datagram => Probe::No,
        (Some(_), _) => Probe::Yes { client: None },
        (None, true) => Probe::More,
        _ => Probe::No,
    }
}

#[derive(Default)]
struct Ssh {
    first: Option<Moment>,
    told: [bool; 2],
}

impl Dialogue for Ssh {
    const ID: &'static str = "ssh";

    fn step(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        let Some(said) = self.told.get_mut(direction.index()) else { return Step::Done };
        if *said {
            // Keys of one side, while the other is not seen.
            return Step::Skipped(bytes.len());
        }
        match line(bytes) {
            Line::Whole(text, length) if text.starts_with(b"SSH-") => {
                *said = true;
                let text = clean(text, 255);
                let software = text.splitn(3, '-').nth(2).unwrap_or_default().to_owned();
                told.message(direction, |fields| fields.push(("ssh.protocol", FieldValue::Text(text))));
                let speaker = told.speaker(direction);
                told.identity(speaker, "software", software, "SSH banner");
                match self.first {
                    None => {
                        self.first = Some(told.moment());
                        Step::Decoded(length)
                    }
                    Some(first) => {
                        let client = told.client(PORTS);
                        told.remote_session(client, "SSH session", first, Outcome::Ok, None);
                        Step::Done
                    }
                }
            }
            // A server may send other lines first.
            Line::Whole(_, length) => Step::Skipped(length),
            Line::Part => Step::Need(bytes.len() + 1),
            Line::TooLong => Step::Done,
        }
    }
}
