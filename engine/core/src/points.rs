//! Process memory: what was seen of each register and coil.

use crate::config::Limits;
use crate::model::{DeviceId, Point};
use crate::table::Dirty;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ot_protocol::{Extremes, Target, Timestamp, Values};

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
#[derive(Debug, Default)]
pub struct Points {
    points: Vec<Point>,
    spaces: HashMap<Space, HashMap<u32, u32, FixedState>, FixedState>,
    dirty: Dirty,
    /// Points not kept because the table was full.
    pub refused: u64,
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

/// Where the point of an address is. Points of a range are mostly made one after the other: the one behind the point
/// of the address `before` is looked at first.
fn place(
    points: &[Point],
    addresses: &HashMap<u32, u32, FixedState>,
    space: &Space,
    address: u32,
    before: Option<u32>,
) -> Option<u32> {
    if let Some(next) = before.and_then(|at| at.checked_add(1))
        && let Some(point) = points.get(next as usize)
        && point.address == address
        && point.device == space.device
        && point.number == space.number
        && same(point.space, space.space)
        && same(point.protocol, space.protocol)
    {
        return Some(next);
    }
    addresses.get(&address).copied()
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
            let Some(at) = place(&self.points, addresses, &space, address, before) else { continue };
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
        let addresses = self.spaces.entry(space).or_default();
        let mut before = None;
        for (offset, range) in (0_u32..).zip(ranges) {
            let address = target.address(offset);
            let at = match place(&self.points, addresses, &space, address, before) {
                Some(at) => at,
                None if self.points.len() >= limits.points => {
                    self.refused += 1;
                    continue;
                }
                None => {
                    let at = u32::try_from(self.points.len()).unwrap_or(u32::MAX);
                    addresses.insert(address, at);
                    self.points.push(Point {
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
                    });
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

    /// Number of points held.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Changed points, each once.
    pub fn take_changes(&mut self) -> Vec<Point> {
        self.dirty.take().into_iter().filter_map(|at| self.points.get(at as usize).cloned()).collect()
    }
}
