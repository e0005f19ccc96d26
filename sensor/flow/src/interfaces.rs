//! What each interface receives: counted at the cost of one comparison a packet.

use ot_capture::Source;
use ot_protocol::{Fact, FrameRef, InterfaceTraffic, Order, PacketInfo, Timestamp};

/// Interfaces told of; packets of further ones are not counted by interface.
const MOST: usize = 1024;

/// Counts packets by interface. Packets of one interface in a row are counted by their numbers.
#[derive(Default)]
pub(crate) struct Interfaces {
    rows: Vec<Row>,
    /// Interface of the packets in a row, with the first of them.
    current: Option<(u16, PacketInfo)>,
    last: PacketInfo,
    told: Vec<(Order, Fact)>,
    /// Packets that this program gave up, by interface.
    lost: Vec<(u16, u64)>,
}

struct Row {
    interface: u16,
    named: bool,
    packets: u64,
    first: PacketInfo,
    last: PacketInfo,
}

impl Interfaces {
    /// Counts a packet.
    #[inline]
    pub fn packet(&mut self, info: PacketInfo, interface: u16) {
        if self.current.is_none_or(|(current, _)| current != interface) {
            self.turn(Some((interface, info)));
        }
        self.last = info;
    }

    /// Packets of one interface in a row end.
    fn turn(&mut self, next: Option<(u16, PacketInfo)>) {
        let Some((interface, first)) = std::mem::replace(&mut self.current, next) else { return };
        let count = self.last.number.saturating_sub(first.number) + 1;
        let Some(row) = self.row(interface, first) else { return };
        if row.packets == 0 {
            row.first = first;
        }
        row.packets += count;
        let last = self.last;
        if let Some(row) = self.row(interface, first) {
            row.last = last;
        }
    }

    fn row(&mut self, interface: u16, first: PacketInfo) -> Option<&mut Row> {
        let at = self.rows.partition_point(|row| row.interface < interface);
        if self.rows.get(at).is_none_or(|row| row.interface != interface) {
            if self.rows.len() >= MOST {
                return None;
            }
            self.rows.insert(at, Row { interface, named: false, packets: 0, first, last: first });
        }
        self.rows.get_mut(at)
    }

    /// A second of packet time ended before `packet`.
    #[cold]
    pub fn second(&mut self, packet: u64) {
        self.turn(None);
        for row in self.rows.iter_mut().filter(|row| row.packets > 0) {
            let traffic = InterfaceTraffic {
                interface: row.interface,
                name: String::new(),
                packets: std::mem::take(&mut row.packets),
                dropped: None,
                times: [row.first.time, row.last.time],
                frames: [row.first.frame, row.last.frame],
            };
            self.told.push((order(packet, row.interface), Fact::Interface(Box::new(traffic))));
        }
    }

    /// Counts a packet that was received and is not looked at.
    #[cold]
    pub fn lose(&mut self, interface: u16) {
        if let Some((_, count)) = self.lost.iter_mut().find(|(known, _)| *known == interface) {
            *count += 1;
        } else if self.lost.len() < MOST {
            self.lost.push((interface, 1));
        }
    }

    /// Hands over what was told, with names and losses; `end`: the packet number and time of the end of the input.
    pub fn take(&mut self, source: &mut dyn Source, end: Option<(u64, Timestamp)>, facts: &mut Vec<(Order, Fact)>) {
        if let Some((packet, _)) = end {
            self.second(packet);
        }
        if self.told.is_empty() && end.is_none() {
            return;
        }
        for (interface, lost) in source.losses().into_iter().chain(self.lost.drain(..)) {
            let fact = self.told.iter_mut().rev().find_map(|(_, fact)| match fact {
                Fact::Interface(traffic) if traffic.interface == interface => Some(traffic),
                _ => None,
            });
            if let Some(traffic) = fact {
                traffic.dropped = Some(traffic.dropped.unwrap_or(0).saturating_add(lost));
                continue;
            }
            let (packet, time) = end.unwrap_or((self.last.number, self.last.time));
            let traffic = InterfaceTraffic {
                interface,
                name: String::new(),
                packets: 0,
                dropped: Some(lost),
                times: [time; 2],
                frames: [FrameRef::default(); 2],
            };
            self.told.push((order(packet, interface), Fact::Interface(Box::new(traffic))));
        }
        for (_, fact) in &mut self.told {
            let Fact::Interface(traffic) = fact else { continue };
            let row = self.rows.iter_mut().find(|row| row.interface == traffic.interface && !row.named);
            if let Some(row) = row {
                row.named = true;
                traffic.name = source.interface_name(traffic.interface).unwrap_or_default().to_owned();
            }
        }
        facts.append(&mut self.told);
    }
}

/// Behind all that sessions tell at the end of a second, before the end itself.
fn order(packet: u64, interface: u16) -> Order {
    Order { packet, place: (1 << 63) - 3 - u64::from(u16::MAX) + u64::from(interface) }
}
