//! TCP: handshakes, order, holes, doubles and contradictions.

use crate::flow::{Flow, Ident};
use crate::head::{ACK, FIN, Head, Kind, RST, SYN};
use crate::lane::{Lane, Shared};
use crate::session::{self, account, can_hold, deliver, gap, long};
use crate::stream::compare;
use ot_protocol::fact::CloseReason;
use ot_protocol::{Direction, FlowKind, PacketInfo};

/// Furthest distance from the expected sequence number that is believed, in bytes.
const WINDOW: u32 = 16 << 20;
/// Within what time the same segment again is a double made by the mirror, in microseconds.
const DOUBLE_MICROS: u32 = 10_000;

/// How far `a` is after `b`, in sequence numbers (RFC 9293, 3.4).
fn after(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

fn low(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(0)
}

/// Microseconds, wrapping.
fn micros(info: PacketInfo) -> u32 {
    low(info.time.0.div_euclid(1000).cast_unsigned())
}

/// What a segment means for a conversation that has its addresses and ports.
enum Fit {
    /// It belongs to it.
    Same,
    /// A new connection begins.
    New,
    /// Comes after the end; not worth a new conversation.
    Late,
}

impl Lane {
    /// A TCP segment.
    pub(crate) fn tcp(&mut self, head: &Head, payload: &[u8]) {
        self.shared.stats.tcp_segments += 1;
        let mut slot = self.find(head);
        if let Some(at) = slot {
            match self.flows.get(at as usize).map_or(Fit::New, |flow| fit(flow, head, self.shared.now)) {
                Fit::Same => {}
                Fit::New => {
                    self.end(at, CloseReason::Reused, head.info);
                    slot = None;
                }
                Fit::Late => {
                    let Some(flow) = self.flows.get_mut(at as usize) else { return };
                    if doubled(flow, head) {
                        self.shared.stats.duplicates += 1;
                        return;
                    }
                    self.shared.stats.packets += 1;
                    self.shared.stats.bytes += u64::from(head.wire);
                    flow.last_frame = head.info.frame;
                    if !payload.is_empty() {
                        self.shared.stats.tcp_payload += long(payload.len());
                        self.shared.stats.skipped.add("after-close", long(payload.len()));
                    }
                    return;
                }
            }
        }
        let slot = slot.unwrap_or_else(|| self.open(head));

        let doubled = self.flows.get_mut(slot as usize).is_some_and(|flow| doubled(flow, head));
        let direction = if doubled {
            self.shared.stats.duplicates += 1;
            if let Some(flow) = self.flows.get_mut(slot as usize) {
                let seq = &mut flow.seq[flow.direction(head).index()];
                seq.doubles = seq.doubles.saturating_add(1);
            }
            if payload.is_empty() {
                return;
            }
            self.flows.get(slot as usize).map_or(Direction::AtoB, |flow| flow.direction(head))
        } else {
            self.count(slot, head)
        };
        let (at, other) = (direction.index(), direction.reversed().index());
        let info = head.info;

        if !doubled && !self.flags(slot, head, direction) {
            return;
        }
        let Self { flows, shared, .. } = self;
        let Some(flow) = flows.get_mut(slot as usize) else { return };
        if head.flags & ACK != 0 {
            let seq = &mut flow.seq[at];
            if !seq.has_ack || after(head.ack, seq.ack) > 0 {
                seq.ack = head.ack;
                seq.has_ack = true;
                if flow.ext.as_deref().is_some_and(|ext| !ext.halves[other].held.is_empty()) {
                    holes_acknowledged(flow, shared, direction.reversed());
                }
            }
        }
        let start = head.seq.wrapping_add(u32::from(head.flags & SYN != 0));
        if !payload.is_empty() || head.missing > 0 {
            flow.has_data = true;
            if head.missing > 0 && head.kind == Kind::Tcp {
                let cuts = &mut flow.seq[at].cuts;
                *cuts = cuts.saturating_add(1);
            }
            if !doubled {
                shared.stats.tcp_payload += long(payload.len());
            }
            let cut = shared.stats.cut_bytes;
            segment(flow, shared, direction, start, payload, head.missing, info, doubled);
            if head.kind == Kind::TcpShed {
                shared.stats.cut_bytes = cut;
            }
        } else if !flow.seq[at].started {
            flow.seq[at].next = start;
            flow.seq[at].started = true;
        }
        if head.flags & FIN != 0 {
            let length = u32::try_from(payload.len()).unwrap_or(0).wrapping_add(head.missing);
            let end = start.wrapping_add(length);
            if flow.ext.is_some() && after(end, flow.seq[at].next) > 0 {
                if let Some(ext) = flow.ext.as_deref_mut() {
                    ext.halves[at].fin_at = Some(end);
                }
            } else {
                flow.seq[at].fin = true;
            }
        }
        if !flow.one_sided && flow.has_data && flow.first_packets >= 16 && flow.seen != [true; 2] {
            flow.one_sided = true;
            shared.event(flow, FlowKind::OneSided, info.time, info.frame, 1);
        }
        let finished = flow.seq[0].fin && flow.seq[1].fin;
        self.after_session(slot);
        if finished {
            self.close(slot, CloseReason::Finished, info);
        }
    }

    /// SYN, RST and who has spoken. Whether the segment is to be looked at further.
    fn flags(&mut self, slot: u32, head: &Head, direction: Direction) -> bool {
        let (at, other) = (direction.index(), direction.reversed().index());
        let info = head.info;
        let Self { flows, shared, .. } = self;
        let Some(flow) = flows.get_mut(slot as usize) else { return false };
        if head.flags & RST != 0 {
            if flow.syn == Some(direction.reversed()) && !flow.spoke[at] && !flow.has_data {
                if !flow.refused {
                    flow.refused = true;
                    shared.event(flow, FlowKind::Refused, info.time, info.frame, 1);
                }
                return false;
            }
            let seq = flow.seq[at];
            let far = after(head.seq, seq.next);
            if seq.started && !(-65_536..=WINDOW.cast_signed()).contains(&far) {
                shared.stats.resets_ignored += 1;
                return false;
            }
            self.close(slot, CloseReason::Reset, info);
            return false;
        }
        if head.flags & SYN != 0 {
            let next = head.seq.wrapping_add(1);
            let seq = &mut flow.seq[at];
            let known = seq.started && next == seq.next.wrapping_sub(low(seq.offset));
            if !known && seq.offset == 0 {
                seq.next = next;
                seq.started = true;
            }
            if head.flags & ACK == 0 {
                flow.syn = Some(direction);
                if !flow.attempted {
                    flow.attempted = true;
                    shared.event(flow, FlowKind::Attempt, info.time, info.frame, 1);
                } else if !flow.spoke[other] {
                    flow.syns = flow.syns.saturating_add(1);
                    self.syn_repeated(slot);
                }
                return true;
            }
            flow.syn = flow.syn.or(Some(direction.reversed()));
            // The answer to an attempt that was refused before.
            flow.refused = false;
        }
        flow.spoke[at] = true;
        if flow.syn.is_none() && !flow.attempted {
            flow.attempted = true;
            shared.stats.mid_stream += 1;
        }
        if !flow.opened && flow.spoke == [true; 2] {
            flow.opened = true;
            shared.event(flow, FlowKind::Open, info.time, info.frame, 1);
        }
        true
    }

    /// Gives holes up that are too old.
    pub(crate) fn holes_due(&mut self, slot: u32, seconds: u32, info: PacketInfo) {
        let now = self.shared.now;
        let Self { flows, shared, .. } = self;
        let Some(flow) = flows.get_mut(slot as usize).filter(|flow| flow.live) else { return };
        for direction in [Direction::AtoB, Direction::BtoA] {
            let due = flow.ext.as_deref().is_some_and(|ext| {
                let half = &ext.halves[direction.index()];
                !half.held.is_empty() && now.saturating_sub(half.held_since) >= seconds
            });
            if due {
                while skip_hole(flow, shared, direction) {}
            }
        }
        if flow.seq[0].fin && flow.seq[1].fin && !flow.closed {
            self.close(slot, CloseReason::Finished, info);
        }
    }

    /// Delivers all that is held.
    pub(crate) fn flush_all(&mut self, slot: u32) {
        let Self { flows, shared, .. } = self;
        let Some(flow) = flows.get_mut(slot as usize).filter(|flow| flow.live) else { return };
        if flow.ext.is_some() {
            for direction in [Direction::AtoB, Direction::BtoA] {
                while skip_hole(flow, shared, direction) {}
            }
        }
    }
}

/// Whether the same segment was seen a moment ago; notes it.
fn doubled(flow: &mut Flow, head: &Head) -> bool {
    let at = flow.direction(head).index();
    let signature = head.signature();
    let now = micros(head.info);
    let recent = &mut flow.seq[at].recent;
    if recent.iter().any(|(known, time)| *known == signature && now.wrapping_sub(*time) <= DOUBLE_MICROS) {
        return true;
    }
    *recent = [(signature, now), recent[0]];
    false
}

/// Whether a segment belongs to the conversation that holds its ports.
fn fit(flow: &Flow, head: &Head, now: u32) -> Fit {
    let direction = flow.direction(head);
    let (at, other) = (direction.index(), direction.reversed().index());
    let (own, peer) = (flow.seq[at], flow.seq[other]);
    let begin = own.next.wrapping_sub(low(own.offset));
    if head.flags & (SYN | RST) == SYN {
        let next = head.seq.wrapping_add(1);
        if own.started && next == begin {
            // The same SYN again.
            return if flow.closed { Fit::Late } else { Fit::Same };
        }
        if flow.closed {
            return Fit::New;
        }
        if head.flags & ACK == 0 {
            // Attempts without an answer fold into one conversation.
            let attempt = flow.syn == Some(direction) && !flow.spoke[at] && !flow.spoke[other] && !flow.has_data;
            // The answer came before it.
            let late = !own.started && peer.has_ack && peer.ack == next;
            return if attempt || late { Fit::Same } else { Fit::New };
        }
        let answers = peer.started && !own.started && head.ack == peer.next.wrapping_sub(low(peer.offset));
        // One direction only: the answer is all there is to see of a new connection.
        let alone = own.started && !flow.seen[other];
        // What contradicts a connection that is alive is not believed.
        return if alone && !answers { Fit::New } else { Fit::Same };
    }
    if !flow.closed {
        return Fit::Same;
    }
    let length = head.len.wrapping_add(head.missing);
    let beyond = !own.started || after(head.seq.wrapping_add(length), own.next) > 0;
    // A reset that the ends did not believe: they talk on, and so does the sensor.
    if length > 0 && head.flags & RST == 0 && beyond && now.saturating_sub(flow.closed_second) >= 2 {
        return Fit::New;
    }
    Fit::Late
}

/// Payload of a segment. `missing` bytes after it were cut off.
fn segment(
    flow: &mut Flow,
    shared: &mut Shared,
    direction: Direction,
    start: u32,
    payload: &[u8],
    missing: u32,
    info: PacketInfo,
    doubled: bool,
) {
    let at = direction.index();
    let captured = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let length = captured.saturating_add(missing);
    let seq = &mut flow.seq[at];
    if !seq.started {
        seq.started = true;
        seq.next = start;
    }
    let distance = after(start, seq.next);

    if matches!(flow.ident, Ident::NotOt | Ident::Quarantined) {
        let end = start.wrapping_add(length);
        let ahead = after(end, seq.next);
        if ahead > 0 {
            seq.offset += u64::from(ahead.unsigned_abs());
            seq.next = end;
        }
        if !doubled {
            if distance < 0 && ahead <= 0 {
                shared.stats.retransmitted += 1;
            }
            deliver(flow, shared, direction, info, payload);
        }
        return;
    }

    if distance == 0 && flow.ext.as_deref().is_none_or(|ext| ext.halves[at].held.is_empty()) {
        // The usual case.
        advance(flow, shared, direction, info, payload, missing);
        return;
    }
    if distance.unsigned_abs() > WINDOW {
        return out_of_window(flow, shared, direction, start, payload, missing, info);
    }
    if distance < 0 {
        let over = distance.unsigned_abs().min(length);
        let seq = flow.seq[at];
        if length <= 1 && distance == -1 {
            shared.stats.keep_alives += u64::from(!doubled);
            if !doubled {
                shared.stats.retransmitted_bytes += u64::from(captured);
            }
            return;
        }
        let (old, new) = payload.split_at(usize::try_from(over).unwrap_or(usize::MAX).min(payload.len()));
        if !doubled {
            shared.stats.retransmitted += 1;
            shared.stats.retransmitted_bytes += long(old.len());
        }
        let back = usize::try_from(distance.unsigned_abs()).unwrap_or(usize::MAX);
        if let Some(half) = flow.ext.as_deref().map(|ext| &ext.halves[at]) {
            let (unknown, first) = half.ring.last(back, old.len());
            let offset = seq.offset.wrapping_sub(u64::from(distance.unsigned_abs())).wrapping_add(long(unknown));
            match compare(offset, &first, old.get(unknown..).unwrap_or_default()) {
                Some(conflict) => shared.conflict(flow, conflict, info),
                None => shared.stats.overlaps += u64::from(!doubled),
            }
        }
        if over < length {
            let missing = if new.is_empty() { length - over } else { missing };
            return segment(flow, shared, direction, seq.next, new, missing, info, doubled);
        }
        return;
    }
    // Before its turn, or at its turn while others are held.
    if distance > 0 {
        shared.stats.out_of_order += u64::from(!doubled);
    }
    let next = flow.seq[at].next;
    let offset = flow.seq[at].offset;
    let fits = can_hold(shared, payload.len());
    let now = shared.now;
    let half = &mut session::ext(flow, shared).halves[at];
    if half.held.is_empty() {
        half.held_since = now;
    }
    let before = half.held_bytes;
    let (overlapped, conflict) = half.hold(next, offset, start, payload, missing, info);
    let kept = half.held_bytes - before;
    let (segments, bytes) = (half.held.len(), half.held_bytes);
    if !doubled {
        shared.stats.retransmitted_bytes += long(payload.len() - kept);
    }
    account(flow, shared);
    match conflict {
        Some(conflict) => shared.conflict(flow, conflict, info),
        None => shared.stats.overlaps += u64::from(overlapped && !doubled),
    }
    drain(flow, shared, direction, Some(info));
    if !fits || segments > shared.config.held_segments || bytes > shared.config.held_bytes {
        skip_hole(flow, shared, direction);
    }
    holes_acknowledged(flow, shared, direction);
}

/// Delivers what is in order.
fn advance(flow: &mut Flow, shared: &mut Shared, direction: Direction, info: PacketInfo, bytes: &[u8], missing: u32) {
    let seq = &mut flow.seq[direction.index()];
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    seq.next = seq.next.wrapping_add(length).wrapping_add(missing);
    seq.offset += u64::from(length) + u64::from(missing);
    deliver(flow, shared, direction, info, bytes);
    if missing > 0 {
        shared.stats.cut_bytes += u64::from(missing);
        gap(flow, shared, direction, info, missing);
    }
    let next = flow.seq[direction.index()].next;
    if let Some(half) = flow.ext.as_deref_mut().map(|ext| &mut ext.halves[direction.index()])
        && half.fin_at.is_some_and(|end| after(end, next) <= 0)
    {
        half.fin_at = None;
        flow.seq[direction.index()].fin = true;
    }
}

/// Delivers held segments whose turn has come. What they complete belongs to the packet that filled the hole before
/// them, where one did.
fn drain(flow: &mut Flow, shared: &mut Shared, direction: Direction, filler: Option<PacketInfo>) {
    let at = direction.index();
    loop {
        let next = flow.seq[at].next;
        let Some(half) = flow.ext.as_deref_mut().map(|ext| &mut ext.halves[at]) else { return };
        if half.held.first().is_none_or(|held| held.seq != next) {
            break;
        }
        let held = half.held.remove(0);
        half.held_bytes -= held.bytes.len();
        half.held_since = shared.now;
        advance(flow, shared, direction, filler.unwrap_or(held.info), &held.bytes, held.missing);
    }
    account(flow, shared);
}

/// Gives up the hole before the first held segment, and delivers what follows it. Whether there was one.
fn skip_hole(flow: &mut Flow, shared: &mut Shared, direction: Direction) -> bool {
    let at = direction.index();
    let Some((start, info)) =
        flow.ext.as_deref().and_then(|ext| ext.halves[at].held.first()).map(|held| (held.seq, held.info))
    else {
        return false;
    };
    let seq = &mut flow.seq[at];
    let lost = start.wrapping_sub(seq.next);
    seq.next = start;
    seq.offset += u64::from(lost);
    if lost > 0 {
        gap(flow, shared, direction, info, lost);
    }
    drain(flow, shared, direction, None);
    true
}

/// Gives up holes of which the other side has acknowledged the bytes: it has them, the capture has not.
fn holes_acknowledged(flow: &mut Flow, shared: &mut Shared, direction: Direction) {
    let at = direction.index();
    let peer = flow.seq[direction.reversed().index()];
    while peer.has_ack
        && flow
            .ext
            .as_deref()
            .and_then(|ext| ext.halves[at].held.first())
            .is_some_and(|held| after(peer.ack, held.seq) >= 0)
    {
        skip_hole(flow, shared, direction);
    }
}

/// A segment that the receiver would not accept, unless the capture lost much: believed when the next one follows it.
fn out_of_window(
    flow: &mut Flow,
    shared: &mut Shared,
    direction: Direction,
    start: u32,
    payload: &[u8],
    missing: u32,
    info: PacketInfo,
) {
    let at = direction.index();
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).saturating_add(missing);
    shared.stats.out_of_window += 1;
    let half = &mut session::ext(flow, shared).halves[at];
    if half.beyond == Some(start) {
        half.beyond = None;
        let held = std::mem::take(&mut half.held);
        half.held_bytes = 0;
        shared.stats.skipped.add("out-of-window", held.iter().map(|held| long(held.bytes.len())).sum());
        account(flow, shared);
        gap(flow, shared, direction, info, 0);
        flow.seq[at].next = start;
        return advance(flow, shared, direction, info, payload, missing);
    }
    half.beyond = Some(start.wrapping_add(length));
    shared.stats.skipped.add("out-of-window", long(payload.len()));
}
