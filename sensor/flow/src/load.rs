//! How much is on its way between the threads of a live run, what is shed when it is too much, and what was counted.

use crate::head::{Head, Kind};
use crate::stats::FlowStats;
use ot_link::LinkStats;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How far a live run is behind, as what is shed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is shed.
    #[default]
    Whole,
    /// Payload of conversations that are known not to be OT; their headers are still counted. Half of the room is taken.
    Bulk,
    /// Payload of all conversations that are not known to be OT and have no port of an OT protocol. Three quarters.
    Payload,
    /// All packets of these. Seven eighths.
    Others,
    /// All packets: OT conversations last. There is no room left.
    All,
}

/// Declares the counters of what was shed, with their names.
macro_rules! shed {
    ($($(#[$doc:meta])* $name:ident: $label:literal,)*) => {
        /// What was shed since the run began. All counters only grow.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Shed {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Shed {
            /// All counters with their names, in a fixed order.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$(($label, self.$name),)*].into_iter()
            }
        }

        #[derive(Debug, Default)]
        struct ShedCells {
            $($name: AtomicU64,)*
        }

        impl ShedCells {
            fn now(&self) -> Shed {
                Shed { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

shed! {
    /// Packets whose payload was not looked at, of conversations known not to be OT.
    bulk: "overload-dropped-payload-of-known-it",
    /// Packets whose payload was not looked at, of conversations not known to be OT.
    payload: "overload-dropped-payload-of-others",
    /// Payload bytes that were not looked at.
    bytes: "overload-dropped-payload-bytes",
    /// Packets not looked at, not known to be OT.
    others: "overload-dropped-packets-of-others",
    /// Packets not looked at, of OT conversations.
    ot: "overload-dropped-packets-of-ot",
}

/// The state of a live run, shared by its threads. A clone shows the same run.
#[derive(Clone, Debug)]
pub struct Load(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    room: u64,
    taken: AtomicU64,
    most: AtomicU64,
    shed: ShedCells,
    link: Mutex<LinkStats>,
    flow: Mutex<Vec<FlowStats>>,
}

impl Load {
    /// With room for so many bytes of packets and facts on their way.
    pub fn new(room: usize) -> Self {
        Self(Arc::new(Inner {
            room: u64::try_from(room.max(1)).unwrap_or(u64::MAX),
            taken: AtomicU64::new(0),
            most: AtomicU64::new(0),
            shed: ShedCells::default(),
            link: Mutex::default(),
            flow: Mutex::default(),
        }))
    }

    /// What is shed at the moment.
    pub fn level(&self) -> Level {
        let taken = self.0.taken.load(Ordering::Relaxed);
        let room = self.0.room;
        match taken.saturating_mul(8) / room {
            0..4 => Level::Whole,
            4 | 5 => Level::Bulk,
            6 => Level::Payload,
            7 => Level::Others,
            _ => Level::All,
        }
    }

    /// Bytes on their way now.
    pub fn taken(&self) -> u64 {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// The most bytes that were on their way since the last call.
    pub fn take_most(&self) -> u64 {
        self.0.most.swap(self.taken(), Ordering::Relaxed)
    }

    /// What was shed so far.
    pub fn shed(&self) -> Shed {
        self.0.shed.now()
    }

    /// Counters of link and flow stage, as of the last second.
    pub fn totals(&self) -> (LinkStats, FlowStats) {
        let link = *self.0.link.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = FlowStats::default();
        for part in self.0.flow.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            sum.add(part);
        }
        (link, sum)
    }

    pub(crate) fn put(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let now = self.0.taken.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.0.most.fetch_max(now, Ordering::Relaxed);
    }

    pub(crate) fn take(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(0);
        let less = |taken: u64| Some(taken.saturating_sub(bytes));
        let _ = self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(crate) fn tell_link(&self, stats: &LinkStats) {
        *self.0.link.lock().unwrap_or_else(PoisonError::into_inner) = *stats;
    }

    pub(crate) fn tell_flow(&self, worker: usize, stats: FlowStats) {
        let mut all = self.0.flow.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() <= worker {
            all.resize_with(worker + 1, FlowStats::default);
        }
        if let Some(place) = all.get_mut(worker) {
            *place = stats;
        }
    }

    /// Decides what becomes of a packet at a level above [`Level::Whole`], and counts it. `class`: of its conversation;
    /// `standard`: whether it has the port of an OT protocol.
    pub(crate) fn decide(&self, level: Level, head: &Head, class: Class, standard: bool) -> Fate {
        let shed = &self.0.shed;
        let add = |counter: &AtomicU64, count: u64| counter.fetch_add(count, Ordering::Relaxed);
        // What tells of addresses, refusals and contradictions is little and matters.
        let ot = class == Class::Ot
            || matches!(head.kind, Kind::Arp | Kind::Refusal | Kind::Conflict)
            || (class == Class::Unknown && standard);
        let payload = |counter: &AtomicU64| {
            if head.len == 0 {
                return Fate::Whole;
            }
            add(counter, 1);
            add(&shed.bytes, u64::from(head.len));
            Fate::Head
        };
        match level {
            Level::Whole => Fate::Whole,
            Level::All if ot => {
                add(&shed.ot, 1);
                Fate::Gone
            }
            _ if ot => Fate::Whole,
            Level::Others | Level::All => {
                add(&shed.others, 1);
                Fate::Gone
            }
            _ if class == Class::NotOt => payload(&shed.bulk),
            Level::Payload => payload(&shed.payload),
            Level::Bulk => Fate::Whole,
        }
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is looked at.
    Whole,
    /// Its header is counted.
    Head,
    /// Nothing.
    Gone,
}

/// What a conversation is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Not yet, or no more.
    Unknown,
    /// An OT protocol.
    Ot,
    /// Another one.
    NotOt,
}

/// What workers know of conversations, for the reader: by hash, a later one takes the place of an earlier one with the same
/// place, which then counts as unknown. Untouched memory costs nothing.
#[derive(Debug)]
pub(crate) struct Classes(Box<[AtomicU64]>);

impl Classes {
    /// Places: a multiple of the conversations that a busy network has.
    const PLACES: usize = 1 << 18;

    pub fn new() -> Self {
        let places: Vec<u64> = vec![0; Self::PLACES];
        Self(places.into_iter().map(AtomicU64::new).collect())
    }

    fn place(&self, hash: u64) -> Option<&AtomicU64> {
        let places = u64::try_from(self.0.len()).unwrap_or(1).max(1);
        self.0.get(usize::try_from((hash >> 32) % places).unwrap_or(0))
    }

    pub fn set(&self, hash: u64, class: Class) {
        if let Some(place) = self.place(hash) {
            place.store(hash & !3 | class as u64, Ordering::Relaxed);
        }
    }

    pub fn get(&self, hash: u64) -> Class {
        let Some(known) = self.place(hash).map(|place| place.load(Ordering::Relaxed)) else { return Class::Unknown };
        match known & 3 {
            1 if known & !3 == hash & !3 => Class::Ot,
            2 if known & !3 == hash & !3 => Class::NotOt,
            _ => Class::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ot_link::Datagram;
    use ot_protocol::PacketInfo;

    fn head(payload: usize) -> Head {
        let mut bytes = [0_u8; 2048];
        bytes[12] = 0x50;
        let payload = bytes.get(..20 + payload).unwrap_or_default();
        let ip = Datagram {
            src: std::net::IpAddr::from([10, 0, 0, 1]),
            dst: std::net::IpAddr::from([10, 0, 0, 2]),
            src_mac: None,
            dst_mac: None,
            vlan: None,
            protocol: 6,
            id: 0,
            ttl: 64,
            payload,
            payload_len: u32::try_from(payload.len()).unwrap(),
            cut: false,
        };
        Head::of_datagram(PacketInfo::default(), 100, &ip).unwrap().0
    }

    #[test]
    fn levels_follow_from_what_is_on_its_way() {
        let load = Load::new(800);
        let mut seen = Vec::new();
        for _ in 0..9 {
            seen.push(load.level());
            load.put(100);
        }
        use Level::{All, Bulk, Others, Payload, Whole};
        assert_eq!(seen, [Whole, Whole, Whole, Whole, Bulk, Bulk, Payload, Others, All]);
        assert_eq!(load.take_most(), 900);
        load.take(900);
        assert_eq!(load.level(), Whole);
        load.take_most();
        assert_eq!(load.take_most(), 0);
    }

    #[test]
    fn ot_is_shed_last_and_everything_shed_is_counted() {
        let load = Load::new(1);
        let (full, empty) = (head(100), head(0));
        let fate = |level, head: &Head, class, standard| load.decide(level, head, class, standard);
        assert_eq!(fate(Level::Bulk, &full, Class::NotOt, false), Fate::Head);
        assert_eq!(fate(Level::Bulk, &empty, Class::NotOt, false), Fate::Whole);
        assert_eq!(fate(Level::Bulk, &full, Class::Unknown, false), Fate::Whole);
        assert_eq!(fate(Level::Payload, &full, Class::Unknown, false), Fate::Head);
        assert_eq!(fate(Level::Payload, &full, Class::Unknown, true), Fate::Whole);
        assert_eq!(fate(Level::Others, &full, Class::NotOt, true), Fate::Gone);
        assert_eq!(fate(Level::Others, &full, Class::Unknown, true), Fate::Whole);
        assert_eq!(fate(Level::Others, &full, Class::Ot, false), Fate::Whole);
        assert_eq!(fate(Level::All, &full, Class::Ot, false), Fate::Gone);
        assert_eq!(load.shed(), Shed { bulk: 1, payload: 1, bytes: 200, others: 1, ot: 1 });
    }

    #[test]
    fn what_is_known_of_a_conversation_is_not_taken_for_another() {
        let classes = Classes::new();
        let hash = 0x1234_5678_9abc_def0;
        assert_eq!(classes.get(hash), Class::Unknown);
        classes.set(hash, Class::Ot);
        assert_eq!(classes.get(hash), Class::Ot);
        // The same place, another conversation.
        let other = hash ^ 0x10;
        assert_eq!(classes.get(other), Class::Unknown);
        classes.set(other, Class::NotOt);
        assert_eq!((classes.get(other), classes.get(hash)), (Class::NotOt, Class::Unknown));
        classes.set(other, Class::Unknown);
        assert_eq!(classes.get(other), Class::Unknown);
    }
}
