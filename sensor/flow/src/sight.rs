//! How whole the TCP conversations of each interface are seen: in both directions, once, in full length.

use crate::flow::Flow;
use ot_protocol::{InterfaceSight, Timestamp, Transport};

/// Packets after which a conversation that goes on is judged; and one that ended.
const ENOUGH: u8 = 16;
const ENOUGH_AT_END: u8 = 6;

/// Judged conversations by interface. Interfaces are few.
#[derive(Default)]
pub(crate) struct Sights(Vec<InterfaceSight>);

impl Sights {
    /// Judges a conversation, once, where enough of it was seen.
    pub fn judge(&mut self, flow: &mut Flow, ends: bool) {
        let enough = if ends { ENOUGH_AT_END } else { ENOUGH };
        if flow.judged || !flow.has_data || flow.first_packets < enough || flow.transport() != Transport::Tcp {
            return;
        }
        flow.judged = true;
        let at = self.0.partition_point(|sight| sight.interface < flow.interface);
        if self.0.get(at).is_none_or(|sight| sight.interface != flow.interface) {
            self.0.insert(at, InterfaceSight { interface: flow.interface, ..InterfaceSight::default() });
        }
        let Some(sight) = self.0.get_mut(at) else { return };
        sight.sessions += 1;
        sight.one_sided += u32::from(flow.seen != [true; 2]);
        let [a, b] = &flow.seq;
        let least = u16::from(flow.first_packets);
        sight.doubled += u32::from(u16::from(a.doubles) + u16::from(b.doubles) >= least.div_ceil(2));
        sight.cut += u32::from(u16::from(a.cuts) + u16::from(b.cuts) >= least.div_ceil(4));
    }

    /// What was judged since the last call, by interface.
    pub fn drain(&mut self, time: Timestamp) -> impl Iterator<Item = InterfaceSight> + '_ {
        self.0.drain(..).map(move |sight| InterfaceSight { time, ..sight })
    }
}
