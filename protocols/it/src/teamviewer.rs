//! TeamViewer: its packets begin with two octets of its own (as known from public research), on its own port.

use crate::companion::{Companion, CompanionSession, Dialogue, Moment, Step, Told};
use ot_protocol::{Direction, Outcome, Probe};

const PORTS: &[u16] = &[5938];

pub(crate) const TEAMVIEWER: Companion = Companion {
    id: TeamViewer::ID,
    name: "TeamViewer",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<TeamViewer>::boxed,
    fields: &[],
    rules: &[],
};

/// The first octets of a packet.
fn is_packet(bytes: &[u8]) -> bool {
    matches!(bytes, [0x17, 0x24, ..] | [0x11, 0x30, ..])
}

fn probe(bytes: [&[u8]; 2], hint: bool, datagram: bool) -> Probe {
    if datagram || !hint {
        return Probe::No;
    }
    match bytes.into_iter().filter(|bytes| !bytes.is_empty()).map(|bytes| (is_packet(bytes), bytes.len())).max() {
        Some((true, _)) => Probe::Yes { client: None },
        Some((false, 1)) | None => Probe::More,
        _ => Probe::No,
    }
}

#[derive(Default)]
struct TeamViewer {
    first: Option<(Direction, Moment)>,
}

impl Dialogue for TeamViewer {
    const ID: &'static str = "teamviewer";

    fn step(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        match self.first {
            _ if bytes.len() < 2 => Step::Need(2),
            Some((first, _)) if first == direction => Step::Skipped(bytes.len()),
            _ if !is_packet(bytes) => Step::Done,
            None => {
                self.first = Some((direction, told.moment()));
                Step::Decoded(bytes.len())
            }
            Some((_, asked)) => {
                let client = told.client(PORTS);
                told.remote_session(client, "TeamViewer session", asked, Outcome::Ok, None);
                Step::Done
            }
        }
    }
}
