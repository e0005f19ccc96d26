//! Process memory: what was seen of each register, coil, DNP3 point and S7 variable.

use crate::config::Limits;
use crate::model::{DeviceId, Point};
use crate::table::Dirty;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::{Extremes, Target, Timestamp, Values};
use std::collections::BTreeSet;

/// Points that the hand of the clock looks at to find one that makes room.
const STEPS: usize = 128;
/// Points of one message that others make room for; a message may bring thousands.
const MOST_EVICTED: usize = 128;
/// Devices listed as readers or writers of one point.
const LISTED: usize = 10;

/// An address space of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Space {
    device: DeviceId,
    protocol: &'static str,
    space: &'static str,
    number: Option<u32>,
}

/// The table of points.
///
/// Where it is full, one of the points that nobody polls steadily makes room: of these the hand of a clock finds one that was
/// not touched since it last came by. A walk through an address space thus pushes out what it brought itself.
#[derive(Debug, Default)]
pub struct Points {
    points: Vec<Point>,
    /// Whether each was touched again since the hand last came by.
    used: Vec<bool>,
    hand: usize,
    spaces: HashMap<Space, HashMap<u32, u32, FixedState>, FixedState>,
    dirty: Dirty,
    removed: Vec<PointKey>,
    /// Points that made room for others.
    pub evicted: u64,
    /// Points not kept: those that were to make room are all polled, or the message brought too many.
    pub refused: u64,
}

/// What names a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointKey {
    /// The server.
    pub device: DeviceId,
    /// Protocol id.
    pub protocol: &'static str,
    /// Address space.
    pub space: &'static str,
    /// Number of the space.
    pub number: Option<u32>,
    /// Address.
    pub address: u32,
}

/// Who touches points, and when.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// The server.
    pub device: DeviceId,
    /// Protocol id.
    pub protocol: &'static str,
    /// The client.
    pub client: DeviceId,
    /// Whether values are written.
    pub write: bool,
    /// When.
    pub time: Timestamp,
}

/// Whether two ids are equal; mostly they are the very same text.
fn same(a: &'static str, b: &'static str) -> bool {
    std::ptr::eq(a, b) || a == b
}

/// Where the point of an address is, if it is the one behind the point of the address `before`: those of a range are mostly
/// made one after the other.
fn next(points: &[Point], space: &Space, address: u32, before: Option<u32>) -> Option<u32> {
    let next = before?.checked_add(1)?;
    let point = points.get(next as usize)?;
    let is_it = point.address == address
        && point.device == space.device
        && point.number == space.number
        && same(point.space, space.space)
        && same(point.protocol, space.protocol);
    is_it.then_some(next)
}

impl Points {
    /// Starts from stored points.
    pub fn load(points: Vec<Point>) -> Self {
        let mut table = Self::default();
        for point in points {
            let space =
                Space { device: point.device, protocol: point.protocol, space: point.space, number: point.number };
            let at = u32::try_from(table.points.len()).unwrap_or(u32::MAX);
            table.spaces.entry(space).or_default().insert(point.address, at);
            table.points.push(point);
            table.used.push(false);
        }
        table
    }

    /// A point.
    pub fn get(&self, access: &Access, target: &Target, address: u32) -> Option<&Point> {
        let space =
            Space { device: access.device, protocol: access.protocol, space: target.space, number: target.number };
        let at = *self.spaces.get(&space)?.get(&address)?;
        self.points.get(at as usize)
    }

    /// Points of an address space that anybody touched.
    pub fn known_in(&self, access: &Access, target: &Target) -> usize {
        let space =
            Space { device: access.device, protocol: access.protocol, space: target.space, number: target.number };
        self.spaces.get(&space).map_or(0, HashMap::len)
    }

    /// Takes the values of an accepted operation.
    pub fn see(&mut self, access: &Access, target: &Target, values: &Values, limits: &Limits) {
        let count = if values.is_empty() { target.count as usize } else { values.len() };
        let value = |offset| values.get(offset).filter(|value| !value.is_nan()).map(|value| (value, value));
        self.touch(access, target, (0..count.min(65_536)).map(value), limits);
    }

    /// Takes widened minima and maxima of a known operation.
    pub fn widen(&mut self, access: &Access, target: &Target, extremes: &Extremes, limits: &Limits) {
        match extremes {
            Extremes::Bits(bits) => {
                let range = |&(zero, one): &(bool, bool)| match (zero, one) {
                    (true, true) => Some((0.0, 1.0)),
                    (true, false) => Some((0.0, 0.0)),
                    (false, true) => Some((1.0, 1.0)),
                    (false, false) => None,
                };
                self.touch(access, target, bits.iter().map(range), limits);
            }
            Extremes::Words(words) => {
                let range = |&(min, max): &(u16, u16)| Some((f64::from(min), f64::from(max)));
                self.touch(access, target, words.iter().map(range), limits);
            }
            Extremes::Numbers(numbers) => {
                let range = |&(min, max): &(f64, f64)| (!min.is_nan()).then_some((min, max));
                self.touch(access, target, numbers.iter().map(range), limits);
            }
        }
    }

    /// Notes the polling interval of the points of a read.
    pub fn set_interval(&mut self, access: &Access, target: &Target, interval: i64) {
        let space =
            Space { device: access.device, protocol: access.protocol, space: target.space, number: target.number };
        let Some(addresses) = self.spaces.get(&space) else { return };
        let mut before = None;
        for offset in 0..target.count.min(65_536) {
            let address = target.address(offset);
            let at = next(&self.points, &space, address, before).or_else(|| addresses.get(&address).copied());
            let Some(at) = at else { continue };
            before = Some(at);
            if let Some(point) = self.points.get_mut(at as usize)
                && point.poll_interval.is_none_or(|known| (known - interval).abs() > known / 100)
            {
                point.poll_interval = Some(interval);
                self.dirty.mark(at);
            }
        }
    }

    fn touch(
        &mut self,
        access: &Access,
        target: &Target,
        ranges: impl Iterator<Item = Option<(f64, f64)>>,
        limits: &Limits,
    ) {
        let space =
            Space { device: access.device, protocol: access.protocol, space: target.space, number: target.number };
        let mut before = None;
        let mut tries = 0;
        for (offset, range) in (0_u32..).zip(ranges) {
            let address = target.address(offset);
            let at = next(&self.points, &space, address, before)
                .or_else(|| self.spaces.get(&space).and_then(|addresses| addresses.get(&address).copied()));
            let at = match at {
                Some(at) => {
                    if let Some(used) = self.used.get_mut(at as usize) {
                        *used = true;
                    }
                    at
                }
                None => {
                    tries += usize::from(self.points.len() >= limits.points);
                    let room = if tries > MOST_EVICTED { None } else { self.room(limits.points) };
                    let Some(at) = room else {
                        self.refused += 1;
                        continue;
                    };
                    let point = Point {
                        device: access.device,
                        protocol: access.protocol,
                        space: target.space,
                        number: target.number,
                        address,
                        first_seen: access.time,
                        last_seen: access.time,
                        min: None,
                        max: None,
                        readers: Vec::new(),
                        writers: Vec::new(),
                        poll_interval: None,
                    };
                    match (self.points.get_mut(at as usize), self.used.get_mut(at as usize)) {
                        (Some(place), Some(used)) => (*place, *used) = (point, false),
                        _ => {
                            self.points.push(point);
                            self.used.push(false);
                        }
                    }
                    self.spaces.entry(space).or_default().insert(address, at);
                    self.dirty.mark(at);
                    at
                }
            };
            before = Some(at);
            let Some(point) = self.points.get_mut(at as usize) else { continue };
            let mut changed = false;
            if let Some((low, high)) = range {
                let (min, max) = (point.min.unwrap_or(low).min(low), point.max.unwrap_or(high).max(high));
                changed |= point.min != Some(min) || point.max != Some(max);
                point.min = Some(min);
                point.max = Some(max);
            }
            let users = if access.write { &mut point.writers } else { &mut point.readers };
            if users.len() < LISTED && !users.contains(&access.client) {
                users.push(access.client);
                changed = true;
            }
            if changed {
                point.last_seen = point.last_seen.max(access.time);
                self.dirty.mark(at);
            }
        }
    }

    /// Where a new point goes: behind the others, or in the place of one that makes room.
    fn room(&mut self, most: usize) -> Option<u32> {
        if self.points.len() < most {
            return u32::try_from(self.points.len()).ok();
        }
        for _ in 0..STEPS {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.points.len();
            let (point, used) = (self.points.get(at)?, self.used.get_mut(at)?);
            if point.poll_interval.is_some() || std::mem::take(used) {
                continue;
            }
            let &Point { device, protocol, space, number, address, .. } = point;
            let key = Space { device, protocol, space, number };
            if let Some(addresses) = self.spaces.get_mut(&key) {
                addresses.remove(&address);
                if addresses.is_empty() {
                    self.spaces.remove(&key);
                }
            }
            self.removed.push(PointKey { device, protocol, space, number, address });
            self.evicted += 1;
            return u32::try_from(at).ok();
        }
        None
    }

    /// Forgets the points of devices. A store forgets them with the devices.
    pub fn forget(&mut self, devices: &BTreeSet<DeviceId>) {
        if !self.spaces.keys().any(|space| devices.contains(&space.device)) {
            return;
        }
        let changed: BTreeSet<u32> = self.dirty.take().into_iter().collect();
        let (points, used) = (std::mem::take(&mut self.points), std::mem::take(&mut self.used));
        self.spaces.clear();
        for ((before, point), used) in (0_u32..).zip(points).zip(used) {
            if devices.contains(&point.device) {
                continue;
            }
            let at = u32::try_from(self.points.len()).unwrap_or(u32::MAX);
            let &Point { device, protocol, space, number, address, .. } = &point;
            self.spaces.entry(Space { device, protocol, space, number }).or_default().insert(address, at);
            if changed.contains(&before) {
                self.dirty.mark(at);
            }
            self.points.push(point);
            self.used.push(used);
        }
        self.hand = if self.hand < self.points.len() { self.hand } else { 0 };
    }

    /// Number of points held.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// How many points made room since the changes were last taken.
    pub(crate) fn removed(&self) -> usize {
        self.removed.len()
    }

    /// Changed points, each once; and those that made room, which go first: one of them may have come back.
    pub fn take_changes(&mut self) -> (Vec<Point>, Vec<PointKey>) {
        let changed = self.dirty.take().into_iter().filter_map(|at| self.points.get(at as usize).cloned()).collect();
        (changed, std::mem::take(&mut self.removed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(second: i64) -> Access {
        let time = Timestamp::new(second, 0);
        Access { device: DeviceId(1), protocol: "modbus", client: DeviceId(2), write: false, time }
    }

    fn registers(start: u32, count: u32) -> Target {
        Target { space: "holding-registers", number: None, start, count, width: 1, name: None }
    }

    #[test]
    fn what_is_polled_stays_and_a_walk_pushes_out_itself() {
        let limits = Limits { points: 8, ..Limits::default() };
        let mut points = Points::default();
        points.see(&access(1), &registers(0, 4), &Values::Words(vec![1, 2, 3, 4]), &limits);
        points.set_interval(&access(1), &registers(0, 4), 1_000_000_000);
        for start in 100..200 {
            points.see(&access(2), &registers(start, 1), &Values::Words(vec![0]), &limits);
        }
        assert_eq!((points.len(), points.evicted, points.refused), (8, 96, 0));
        let held = |points: &Points, address| points.get(&access(3), &registers(0, 1), address).is_some();
        assert!((0..4).all(|address| held(&points, address)));
        assert!(!held(&points, 100) && held(&points, 199));
        assert_eq!(points.known_in(&access(3), &registers(0, 1)), 8);
        let (changed, removed) = points.take_changes();
        assert_eq!((changed.len(), removed.len()), (8, 96));
        assert!(points.take_changes().0.is_empty());
    }

    #[test]
    fn what_was_touched_again_gets_a_second_chance_and_where_all_are_polled_none_goes() {
        let limits = Limits { points: 2, ..Limits::default() };
        let mut points = Points::default();
        let held = |points: &Points, address| points.get(&access(9), &registers(0, 1), address).is_some();
        points.see(&access(1), &registers(0, 2), &Values::Words(vec![1, 2]), &limits);
        points.see(&access(2), &registers(0, 1), &Values::Words(vec![5]), &limits);
        points.see(&access(3), &registers(9, 1), &Values::Words(vec![5]), &limits);
        assert!(held(&points, 0) && !held(&points, 1) && held(&points, 9));
        points.set_interval(&access(4), &registers(0, 1), 1_000_000_000);
        points.set_interval(&access(4), &registers(9, 1), 1_000_000_000);
        points.see(&access(5), &registers(20, 1), &Values::Words(vec![5]), &limits);
        assert!(!held(&points, 20));
        assert_eq!((points.evicted, points.refused), (1, 1));
    }

    #[test]
    fn one_message_pushes_out_only_so_many() {
        let limits = Limits { points: 1_000, ..Limits::default() };
        let mut points = Points::default();
        points.see(&access(1), &registers(0, 1_000), &Values::Words(vec![0; 1_000]), &limits);
        points.see(&access(2), &registers(5_000, 2_000), &Values::Words(vec![0; 2_000]), &limits);
        assert_eq!((points.len(), points.removed()), (1_000, MOST_EVICTED));
        assert_eq!((points.evicted, points.refused), (128, 2_000 - 128));
    }
}
