//! Picking packets: where the frames that made alerts are, then these and what is around them.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use ot_capture::{LinkType, Packet, Packets, PcapngWriter};
use ot_link::{HostFinder, Hosts};
use ot_protocol::{FrameRef, PacketInfo, Timestamp};
use sha2::{Digest, Sha256};

use crate::triggers::MARK;
use crate::{EvidenceError, Folder, Limits, Origin, Picked, Want};

/// Bytes held for all alerts together before they are written.
const MOST_HELD: usize = 32 << 20;
/// Bytes of packets held that may yet turn out to come before a frame that made an alert.
const MOST_BEFORE: usize = 64 << 20;

/// Where a frame that made alerts is.
#[derive(Clone, Copy, Debug)]
struct Trigger {
    /// Place among all packets.
    number: u64,
    time: Timestamp,
    hosts: Option<Hosts>,
}

/// Goes through the packets and writes what is to be kept of each alert into the folder, under temporary names. Alerts of
/// which no frame is there are left out.
///
/// # Errors
/// Where the packets can no longer be read, or the folder not be written to.
pub fn pick(
    packets: &mut dyn Packets,
    wants: &[Want],
    origin: &Origin,
    limits: &Limits,
    folder: &Folder,
) -> Result<Vec<Picked>, EvidenceError> {
    let triggers = locate(packets, wants)?;
    if triggers.is_empty() {
        return Ok(Vec::new());
    }
    let mut collector = Collector::new(wants, &triggers, origin, limits, folder);
    let mut failed = None;
    packets.each(&mut |packet| match collector.see(packet) {
        Ok(flow) => flow,
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    collector.finish()
}

/// The frames that made alerts, by file and number.
fn locate(packets: &mut dyn Packets, wants: &[Want]) -> Result<BTreeMap<FrameRef, Trigger>, EvidenceError> {
    // The frames of a file come in the order of their numbers: only the next one of each file need be looked for.
    let mut wanted: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for frame in wants.iter().flat_map(|want| &want.frames) {
        wanted.entry(frame.file()).or_default().push(frame.number());
    }
    let mut left = 0;
    for numbers in wanted.values_mut() {
        numbers.sort_unstable();
        numbers.dedup();
        left += numbers.len();
        numbers.reverse();
    }
    let mut found = BTreeMap::new();
    let mut finder = HostFinder::default();
    let (mut file, mut numbers) = (None, Vec::new());
    packets.each(&mut |packet| {
        let frame = packet.info.frame;
        if file != Some(frame.file()) {
            if let Some(file) = file {
                wanted.insert(file, std::mem::take(&mut numbers));
            }
            file = Some(frame.file());
            numbers = wanted.remove(&frame.file()).unwrap_or_default();
        }
        let Some(&next) = numbers.last() else {
            return if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        };
        if frame.number() < next {
            return ControlFlow::Continue(());
        }
        // Those before the first packet at hand are gone.
        while numbers.last().is_some_and(|next| *next < frame.number()) {
            numbers.pop();
            left -= 1;
        }
        if numbers.last() == Some(&frame.number()) {
            numbers.pop();
            left -= 1;
            let PacketInfo { number, time, .. } = packet.info;
            found.insert(frame, Trigger { number, time, hosts: finder.hosts(packet) });
        }
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

/// The first or the last frame of an alert: what is before and after it is kept.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    want: usize,
    trigger: Trigger,
}

/// A packet that may yet turn out to come before an anchor.
#[derive(Debug)]
struct Held {
    info: PacketInfo,
    link: LinkType,
    interface: u16,
    wire_len: u32,
    data: Box<[u8]>,
}

impl Held {
    fn packet(&self) -> Packet<'_> {
        let Self { info, link, interface, wire_len, data } = self;
        Packet { info: *info, link: *link, interface: *interface, wire_len: *wire_len, data }
    }
}

/// What goes on between two hosts.
#[derive(Debug, Default)]
struct Pair {
    /// Anchors to come, the next one last.
    anchors: Vec<Anchor>,
    /// The newest packets.
    held: VecDeque<Held>,
    bytes: usize,
    /// Alerts that take what comes after an anchor: until when, and how many more.
    after: Vec<(usize, Timestamp, usize)>,
}

/// The file of an alert in the making.
struct File<'a> {
    want: &'a Want,
    writer: PcapngWriter,
    /// Not yet written.
    buffer: Vec<u8>,
    hash: Sha256,
    picked: Picked,
    /// Number of the packet, end of its block in the file; what describes it comes before.
    blocks: Vec<(u64, u64)>,
    /// Greatest number of a packet in it.
    newest: u64,
    /// Whether the packets do not stand in order yet: what came before the last frame was taken when it was there.
    mixed: bool,
    /// Frames that made the alert around which packets are kept, and how many of them are still to come.
    anchors: [usize; 2],
}

impl File<'_> {
    fn push(&mut self, packet: &Packet<'_>, origin: &Origin, trigger: bool, most: usize) {
        let number = packet.info.number;
        if number <= self.newest {
            if self.blocks.iter().any(|(there, _)| *there == number) {
                return;
            }
            self.mixed = true;
        }
        // Half is left free for what is around the last frame.
        let [anchors, left] = self.anchors;
        let room = if anchors < 2 || left == 0 { most } else { most / 2 };
        let size = usize::try_from(self.picked.bytes).unwrap_or(usize::MAX).saturating_add(packet.data.len() + 32);
        if !trigger && size > room {
            self.picked.left_out += 1;
            return;
        }
        let frame = packet.info.frame;
        let path = origin.path(frame.file());
        let comment = trigger.then(|| {
            let Want { id, title, .. } = self.want;
            format!("{MARK} {id}: {title}; frame {} of {path}", frame.number())
        });
        let name = || {
            if packet.interface == 0 { path.to_owned() } else { format!("{path} interface {}", packet.interface) }
        };
        let before = self.buffer.len();
        self.writer.packet(&mut self.buffer, packet, name, comment.as_deref());
        let picked = &mut self.picked;
        picked.bytes += u64::try_from(self.buffer.len() - before).unwrap_or(0);
        picked.first = if picked.packets == 0 { packet.info.time } else { picked.first.min(packet.info.time) };
        picked.last = if picked.packets == 0 { packet.info.time } else { picked.last.max(packet.info.time) };
        picked.packets += 1;
        picked.triggers += u32::from(trigger);
        self.blocks.push((number, picked.bytes));
        self.newest = self.newest.max(number);
    }

    /// Writes what is not written yet.
    fn write(&mut self, folder: &Folder) -> Result<(), EvidenceError> {
        self.hash.update(&self.buffer);
        folder.append(&self.picked.file, &self.buffer)?;
        // Some thousand files are in the making at once.
        self.buffer = Vec::new();
        Ok(())
    }

    fn finish(mut self, folder: &Folder) -> Result<Picked, EvidenceError> {
        self.write(folder)?;
        if self.mixed {
            let whole = folder.read(&self.picked.file)?;
            let ordered = self.ordered(&whole);
            self.hash = Sha256::new();
            self.hash.update(&ordered);
            folder.drop_temporary(&self.picked.file)?;
            folder.append(&self.picked.file, &ordered)?;
        }
        Ok(Picked { sha256: self.hash.finalize().into(), ..self.picked })
    }

    /// The blocks in order of the packets; those that hold no packet before them all.
    fn ordered(&self, whole: &[u8]) -> Vec<u8> {
        let mut head = Vec::new();
        let mut packets = Vec::with_capacity(self.blocks.len());
        let mut start = 0;
        for (number, end) in &self.blocks {
            let end = usize::try_from(*end).unwrap_or(usize::MAX);
            // Of the blocks up to there the last one is the packet; its length stands at its end.
            let part = whole.get(start..end).unwrap_or_default();
            let length = part.last_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length) as usize);
            let (others, packet) = part.split_at(part.len().saturating_sub(length));
            head.extend_from_slice(others);
            packets.push((*number, packet));
            start = end;
        }
        packets.sort_by_key(|(number, _)| *number);
        head.extend(packets.into_iter().flat_map(|(_, packet)| packet));
        head
    }
}

struct Collector<'a> {
    origin: &'a Origin,
    limits: &'a Limits,
    folder: &'a Folder,
    files: Vec<File<'a>>,
    pairs: HashMap<Hosts, Pair, FixedState>,
    /// Which packet made which alert, the next one last.
    of_packet: Vec<(u64, usize)>,
    /// Spans of time in which something may be taken, in order, none overlapping.
    spans: Vec<[Timestamp; 2]>,
    /// The span that the last packet was in.
    span: [Timestamp; 2],
    /// The last frame that made an alert, and the latest time at which something after an anchor is taken.
    last: u64,
    until: Timestamp,
    held: usize,
    held_before: usize,
    finder: HostFinder,
}

impl<'a> Collector<'a> {
    fn new(
        wants: &'a [Want],
        triggers: &BTreeMap<FrameRef, Trigger>,
        origin: &'a Origin,
        limits: &'a Limits,
        folder: &'a Folder,
    ) -> Self {
        let mut this = Self {
            origin,
            limits,
            folder,
            files: Vec::new(),
            pairs: HashMap::default(),
            of_packet: Vec::new(),
            spans: Vec::new(),
            span: [Timestamp(i64::MAX), Timestamp(i64::MIN)],
            last: 0,
            until: Timestamp(i64::MIN),
            held: 0,
            held_before: 0,
            finder: HostFinder::default(),
        };
        let application = concat!("ot-sensor ", env!("CARGO_PKG_VERSION"));
        for (place, want) in wants.iter().enumerate() {
            let wanted: HashSet<FrameRef, FixedState> = want.frames.iter().copied().collect();
            let mut found: Vec<Trigger> = wanted.iter().filter_map(|frame| triggers.get(frame)).copied().collect();
            found.sort_unstable_by_key(|trigger| trigger.number);
            let (Some(first), Some(last)) = (found.first().copied(), found.last().copied()) else { continue };
            let file = this.files.len();
            this.of_packet.extend(found.iter().map(|trigger| (trigger.number, file)));
            this.spans.extend(found.iter().map(|trigger| [trigger.time; 2]));
            let anchors = if first.number == last.number { vec![first] } else { vec![first, last] };
            for anchor in &anchors {
                let (from, to) = (anchor.time.plus(-limits.before), anchor.time.plus(limits.after));
                this.spans.push([from, to]);
                this.until = this.until.max(to);
                if let Some(hosts) = anchor.hosts {
                    this.pairs.entry(hosts).or_default().anchors.push(Anchor { want: file, trigger: *anchor });
                }
            }
            this.last = this.last.max(last.number);
            let mut buffer = Vec::new();
            let comment =
                format!("packets of alert {}: {}; sensor {}, run {}", want.id, want.title, origin.sensor, origin.run);
            let writer = PcapngWriter::begin(&mut buffer, &comment, application);
            let picked = Picked {
                want: place,
                packets: 0,
                triggers: 0,
                missing: u32::try_from(wanted.len() - found.len()).unwrap_or(u32::MAX),
                left_out: 0,
                first: Timestamp::default(),
                last: Timestamp::default(),
                bytes: u64::try_from(buffer.len()).unwrap_or(0),
                sha256: [0; 32],
                file: folder.temporary(&want.id, origin.run),
            };
            this.held += buffer.len();
            let anchors = [anchors.len(), anchors.len()];
            let hash = Sha256::new();
            let (blocks, mixed) = (Vec::new(), false);
            this.files.push(File { want, writer, buffer, hash, picked, blocks, newest: 0, mixed, anchors });
        }
        this.of_packet.sort_unstable_by(|a, b| b.cmp(a));
        for pair in this.pairs.values_mut() {
            pair.anchors
                .sort_by_key(|anchor| (std::cmp::Reverse(anchor.trigger.number), std::cmp::Reverse(anchor.want)));
        }
        this.spans.sort_unstable();
        let mut joined: Vec<[Timestamp; 2]> = Vec::new();
        for [from, to] in std::mem::take(&mut this.spans) {
            match joined.last_mut() {
                Some([_, end]) if from <= *end => *end = (*end).max(to),
                _ => joined.push([from, to]),
            }
        }
        this.spans = joined;
        this
    }

    fn see(&mut self, packet: &Packet<'_>) -> Result<ControlFlow<()>, EvidenceError> {
        let PacketInfo { number, time, .. } = packet.info;
        if !(self.span[0] <= time && time <= self.span[1]) {
            if number > self.last && time > self.until {
                return Ok(ControlFlow::Break(()));
            }
            let at = self.spans.partition_point(|[from, _]| *from <= time);
            let Some(span) = at.checked_sub(1).and_then(|at| self.spans.get(at)).filter(|[_, to]| time <= *to) else {
                return Ok(ControlFlow::Continue(()));
            };
            self.span = *span;
        }
        let hosts = self.finder.hosts(packet);
        let Self { origin, limits, files, pairs, of_packet, held, held_before, .. } = self;
        let most = limits.alert_bytes;
        let mut pair = hosts.and_then(|hosts| pairs.get_mut(&hosts));
        // Frames around which packets are kept: this one, where it is one.
        while let Some(pair) = pair.as_mut()
            && let Some(anchor) = pair.anchors.pop_if(|anchor| anchor.trigger.number <= number)
        {
            let Some(file) = files.get_mut(anchor.want).filter(|_| anchor.trigger.number == number) else { continue };
            let [_, left] = &mut file.anchors;
            *left = left.saturating_sub(1);
            let from = time.plus(-limits.before);
            for earlier in pair.held.iter().filter(|earlier| from <= earlier.info.time) {
                grow(file, held, |file| file.push(&earlier.packet(), origin, false, most));
            }
            pair.after.retain(|(want, _, _)| *want != anchor.want);
            // The frame itself does not count.
            pair.after.push((anchor.want, time.plus(limits.after), limits.after_packets + 1));
        }
        while let Some((made, file)) = of_packet.pop_if(|(next, _)| *next <= number) {
            if let Some(file) = files.get_mut(file).filter(|_| made == number) {
                grow(file, held, |file| file.push(packet, origin, true, most));
            }
        }
        let Some(pair) = pair else { return self.spill() };
        pair.after.retain_mut(|(want, until, count)| {
            if time > *until || *count == 0 {
                return false;
            }
            *count -= 1;
            if let Some(file) = files.get_mut(*want) {
                grow(file, held, |file| file.push(packet, origin, false, most));
            }
            true
        });
        match pair.anchors.last() {
            Some(next) if time >= next.trigger.time.plus(-limits.before) => {
                let data: Box<[u8]> = packet.data.into();
                pair.bytes += data.len();
                *held_before += data.len();
                let Packet { info, link, interface, wire_len, .. } = *packet;
                pair.held.push_back(Held { info, link, interface, wire_len, data });
                while pair.held.len() > limits.before_packets
                    || (*held_before > MOST_BEFORE && pair.held.len() > 1)
                    || pair.bytes > most
                {
                    let Some(oldest) = pair.held.pop_front() else { break };
                    pair.bytes -= oldest.data.len();
                    *held_before -= oldest.data.len();
                }
            }
            None if !pair.held.is_empty() => {
                *held_before -= std::mem::take(&mut pair.bytes);
                pair.held = VecDeque::new();
            }
            _ => {}
        }
        self.spill()
    }

    /// Writes what is held, where it is much.
    fn spill(&mut self) -> Result<ControlFlow<()>, EvidenceError> {
        if self.held > MOST_HELD {
            self.files.iter_mut().try_for_each(|file| file.write(self.folder))?;
            self.held = 0;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn finish(self) -> Result<Vec<Picked>, EvidenceError> {
        self.files.into_iter().map(|file| file.finish(self.folder)).collect()
    }
}

/// Does something to a file in the making, and keeps count of what is held.
fn grow<'a>(file: &mut File<'a>, held: &mut usize, work: impl FnOnce(&mut File<'a>)) {
    let before = file.buffer.len();
    work(file);
    *held += file.buffer.len() - before;
}
