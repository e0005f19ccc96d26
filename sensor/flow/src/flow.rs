//! A conversation, and the tables that hold them.

use crate::fold::FoldCache;
use crate::head::{Head, Key};
use crate::identify::Probing;
use crate::stream::Half;
use ot_protocol::{Direction, Endpoint, FrameRef, Identity, Mac, Session, SessionId, SubAddress, Transport};
use std::num::NonZeroU16;

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

/// What is known of the bytes of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ident {
    /// Nothing yet.
    #[default]
    Unknown,
    /// A session decodes them.
    Session,
    /// No protocol of the registry.
    NotOt,
    /// The session failed.
    Quarantined,
}

/// Sequence numbers of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seq {
    /// The next byte that the stream waits for.
    pub next: u32,
    /// Acknowledged so far by this side.
    pub ack: u32,
    /// Offset in the stream of `next`.
    pub offset: u64,
    /// Signatures of the last two segments, and when they came (microseconds, wrapping).
    pub recent: [(u64, u32); 2],
    pub started: bool,
    pub has_ack: bool,
    pub fin: bool,
    /// Packets that came twice, and packets cut by a snap length, up to 255.
    pub doubles: u8,
    pub cuts: u8,
}

/// A conversation. What only few have is in `ext`.
pub(crate) struct Flow {
    pub live: bool,
    pub closed: bool,
    pub syn: Option<Direction>,
    pub attempted: bool,
    pub opened: bool,
    pub refused: bool,
    pub one_sided: bool,
    pub has_data: bool,
    /// End A is the higher end of the key.
    pub a_high: bool,
    pub ident: Ident,
    /// Index in the registry of the confirmed protocol.
    pub service: Option<u8>,
    /// The client as the session tells.
    pub protocol_client: Option<Direction>,
    pub seen: [bool; 2],
    pub spoke: [bool; 2],
    /// How often a session was begun.
    pub sessions: u8,
    /// Packets so far, up to 255.
    pub first_packets: u8,
    /// Whether it was told how whole it is seen.
    pub judged: bool,
    /// Interface of its first packet.
    pub interface: u16,
    pub key: Key,
    pub hash: u64,
    pub id: SessionId,
    pub macs: [Option<Mac>; 2],
    pub vlans: [Option<NonZeroU16>; 2],
    pub packets: [u32; 2],
    pub bytes: [u64; 2],
    pub last_second: u32,
    pub update_second: u32,
    pub closed_second: u32,
    /// SYNs not told yet.
    pub syns: u32,
    /// Place among the streams that are searched for signatures.
    pub scan: u16,
    pub last_packet: u64,
    pub last_frame: FrameRef,
    pub seq: [Seq; 2],
    pub wheel: Links,
    pub ext: Option<Box<Ext>>,
}

/// Place in the timer wheel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    pub previous: u32,
    pub next: u32,
    pub bucket: u32,
}

/// What a conversation with an OT protocol, or one not identified yet, has beside its counters.
#[derive(Default)]
pub(crate) struct Ext {
    pub session: Option<Box<dyn Session>>,
    pub probing: Probing,
    pub fold: FoldCache,
    pub halves: [Half; 2],
    pub identities: Vec<Identity>,
    /// Hashes of the names told.
    pub names: Vec<u64>,
    /// Bytes passed over since the last that was decoded.
    pub skipped_run: u64,
    /// Bytes of ring that this conversation was granted.
    pub ring: usize,
    /// Bytes of the lane's buffers it accounts for, without folds.
    pub bytes: usize,
}

impl Flow {
    pub fn new(head: &Head) -> Self {
        Self {
            live: true,
            closed: false,
            syn: None,
            attempted: false,
            opened: false,
            refused: false,
            one_sided: false,
            has_data: false,
            a_high: head.from_high,
            ident: Ident::Unknown,
            service: None,
            protocol_client: None,
            seen: [false; 2],
            spoke: [false; 2],
            sessions: 0,
            first_packets: 0,
            judged: false,
            interface: head.interface,
            key: head.key,
            hash: head.hash,
            id: SessionId(head.info.number),
            macs: [unicast(head.src_mac), unicast(head.dst_mac)],
            vlans: [head.vlan, head.vlan],
            packets: [0; 2],
            bytes: [0; 2],
            last_second: 0,
            update_second: 0,
            closed_second: 0,
            syns: 0,
            scan: crate::signatures::UNSEARCHED,
            last_packet: head.info.number,
            last_frame: head.info.frame,
            seq: [Seq::default(); 2],
            wheel: Links { previous: NONE, next: NONE, bucket: NONE },
            ext: None,
        }
    }

    /// Direction of a packet of this conversation.
    pub fn direction(&self, head: &Head) -> Direction {
        if head.from_high == self.a_high { Direction::AtoB } else { Direction::BtoA }
    }

    pub fn transport(&self) -> Transport {
        self.key.transport()
    }

    /// One end, as the packets show it.
    pub fn end(&self, direction: Direction) -> Endpoint {
        let high = (direction == Direction::AtoB) == self.a_high;
        let [a, b] = self.macs;
        let [va, vb] = self.vlans.map(|vlan| vlan.map(NonZeroU16::get));
        let (mac, vlan) = if direction == Direction::AtoB { (a, va) } else { (b, vb) };
        Endpoint { mac, vlan, ip: self.key.ip(high), port: self.key.port(high), sub: SubAddress::None }
    }

    /// Direction of the client, and whether that is certain. `standard` tells whether a port is that of a protocol.
    pub fn client(&self, standard: impl Fn(u16) -> bool) -> (Direction, bool) {
        if let Some(client) = self.syn.or(self.protocol_client) {
            return (client, true);
        }
        // A group of devices is asked and never asks, whatever the ports.
        if matches!(self.macs, [Some(_), None]) {
            return (Direction::AtoB, false);
        }
        let (a, b) = (self.end(Direction::AtoB).port, self.end(Direction::BtoA).port);
        let client = match (standard(a), standard(b)) {
            (true, false) => Direction::BtoA,
            (false, true) => Direction::AtoB,
            // Both in the range of ephemeral ports tell nothing.
            _ if a < b && a < 32_768 => Direction::BtoA,
            _ => Direction::AtoB,
        };
        (client, false)
    }
}

/// A MAC that can be that of a device.
pub(crate) fn unicast(mac: Option<Mac>) -> Option<Mac> {
    mac.filter(|mac| !mac.is_group() && *mac != Mac::default())
}

/// Timer wheel: a bucket a second, lists through the flows. A flow stands in one bucket, at or before the second in which
/// something is due for it.
pub(crate) struct Wheel {
    heads: Vec<u32>,
}

/// Buckets of the wheel: 4096 s, a bit more than the longest jump that does not re-arm timers.
const BUCKETS: u32 = 4096;

impl Wheel {
    pub fn new() -> Self {
        Self { heads: vec![NONE; BUCKETS as usize] }
    }

    /// Puts a flow where it is looked at in `due`, a second after `now`.
    pub fn set(&mut self, flows: &mut [Flow], slot: u32, now: u32, due: u32) {
        self.remove(flows, slot);
        let ahead = due.saturating_sub(now).clamp(1, BUCKETS - 1);
        let bucket = now.wrapping_add(ahead) % BUCKETS;
        let Some(head) = self.heads.get_mut(bucket as usize) else { return };
        let next = *head;
        *head = slot;
        if let Some(flow) = flows.get_mut(slot as usize) {
            flow.wheel = Links { previous: NONE, next, bucket };
        }
        if let Some(flow) = flows.get_mut(next as usize) {
            flow.wheel.previous = slot;
        }
    }

    /// Takes a flow out.
    pub fn remove(&mut self, flows: &mut [Flow], slot: u32) {
        let Some(flow) = flows.get_mut(slot as usize) else { return };
        let Links { previous, next, bucket } = flow.wheel;
        if bucket == NONE {
            return;
        }
        flow.wheel = Links { previous: NONE, next: NONE, bucket: NONE };
        match flows.get_mut(previous as usize) {
            Some(flow) => flow.wheel.next = next,
            None => {
                if let Some(head) = self.heads.get_mut(bucket as usize) {
                    *head = next;
                }
            }
        }
        if let Some(flow) = flows.get_mut(next as usize) {
            flow.wheel.previous = previous;
        }
    }

    /// All flows of the bucket of a second; they stay in it until they are set anew or removed.
    pub fn due(&self, flows: &[Flow], second: u32, into: &mut Vec<u32>) {
        let mut at = self.heads.get((second % BUCKETS) as usize).copied().unwrap_or(NONE);
        while let Some(flow) = flows.get(at as usize) {
            into.push(at);
            at = flow.wheel.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_conversation_costs_stays_small() {
        assert!(size_of::<Flow>() <= 288, "{} bytes a conversation", size_of::<Flow>());
        assert!(size_of::<Ext>() <= 512, "{} bytes a session", size_of::<Ext>());
        assert!(size_of::<Head>() <= 120, "{} bytes a packet", size_of::<Head>());
    }
}
