//! Values of points as activities tell them: zero-copy where they are packed, else through buffers that the session keeps.

use crate::application::{Header, number};
use crate::objects::{Fixed, Flags, Layout, Number, Space, Status};
use ot_protocol::ValueView;

/// Buffers that a session keeps, so that usual messages need no memory.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    numbers: Vec<f64>,
    bits: Vec<u8>,
    count: usize,
}

/// What the values of a layout are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// None that could be told as numbers.
    None,
    Bits,
    Numbers,
}

/// What the values of a header's objects are.
pub(crate) fn kind(header: &Header<'_>) -> Kind {
    match header.layout() {
        Some(Layout::Bit | Layout::Control) => Kind::Bits,
        Some(Layout::TwoBits | Layout::Time) => Kind::Numbers,
        Some(Layout::Fixed(fixed)) => fixed_kind(fixed),
        _ => Kind::None,
    }
}

fn fixed_kind(fixed: Fixed) -> Kind {
    match (fixed.number, fixed.flags) {
        (Number::None, Flags::BinaryInput | Flags::BinaryOutput) => Kind::Bits,
        (Number::None, Flags::DoubleBitInput) => Kind::Numbers,
        (Number::None, _) => Kind::None,
        _ => Kind::Numbers,
    }
}

/// Bits of a flag octet that say that the point is forced, remotely or locally.
pub(crate) const FORCED: u8 = 0x18;

/// Flags of an object, where it has them.
pub(crate) fn flags(fixed: Fixed, object: &[u8]) -> Option<u8> {
    if fixed.flags == Flags::None { None } else { object.first().copied() }
}

impl Buffers {
    /// Empties them.
    pub(crate) fn clear(&mut self) {
        self.numbers.clear();
        self.bits.clear();
        self.count = 0;
    }

    /// Adds a two-state value.
    #[inline]
    pub(crate) fn push_bit(&mut self, bit: bool) {
        let place = self.count % 8;
        if place == 0 {
            self.bits.push(0);
        }
        if let Some(last) = self.bits.last_mut() {
            *last |= u8::from(bit) << place;
        }
        self.count += 1;
    }

    /// Adds a number.
    #[inline]
    pub(crate) fn push_number(&mut self, value: f64) {
        self.numbers.push(value);
        self.count += 1;
    }

    /// Adds the value of an object of fixed size.
    #[inline]
    pub(crate) fn push_fixed(&mut self, fixed: Fixed, kind: Kind, object: &[u8]) {
        match kind {
            Kind::None => {}
            Kind::Bits => self.push_bit(object.first().is_some_and(|octet| octet & 0x80 != 0)),
            Kind::Numbers if fixed.number == Number::None => {
                self.push_number(f64::from(object.first().copied().unwrap_or_default() >> 6));
            }
            Kind::Numbers => {
                let before = usize::from(fixed.flags != Flags::None)
                    + usize::from(fixed.status == Status::Before)
                    + 2 * usize::from(fixed.association);
                self.push_number(number(fixed.number, object.get(before..).unwrap_or_default()));
            }
        }
    }

    /// What was added.
    pub(crate) fn view(&self, kind: Kind) -> ValueView<'_> {
        match kind {
            _ if self.count == 0 => ValueView::None,
            Kind::None => ValueView::None,
            Kind::Bits => ValueView::Bits(&self.bits, self.count),
            Kind::Numbers => ValueView::Numbers(&self.numbers),
        }
    }

    /// Values of the objects of a header without index prefixes, in order of address, and all their flags.
    pub(crate) fn range<'a>(&'a mut self, header: &Header<'a>) -> (ValueView<'a>, u8) {
        self.clear();
        let kind = kind(header);
        let mut all = 0;
        match header.layout() {
            Some(Layout::Bit) => {
                return (ValueView::Bits(header.data, usize::try_from(header.points).unwrap_or(usize::MAX)), 0);
            }
            Some(Layout::TwoBits) => {
                for point in header.points() {
                    let octet = point.data.first().copied().unwrap_or_default();
                    self.push_number(f64::from(octet >> (2 * point.place) & 3));
                }
            }
            Some(Layout::Fixed(fixed)) if header.stride > 0 => {
                self.numbers.reserve(if kind == Kind::Numbers { header.data.len() / header.stride } else { 0 });
                for object in header.data.chunks_exact(header.stride) {
                    all |= flags(fixed, object).unwrap_or_default();
                    self.push_fixed(fixed, kind, object);
                }
            }
            _ => {}
        }
        (self.view(kind), all)
    }
}

/// Whether the objects of this group are points with values that are told.
pub(crate) fn is_points(space: Space) -> bool {
    matches!(
        space,
        Space::BinaryInputs
            | Space::DoubleBitInputs
            | Space::BinaryOutputs
            | Space::Counters
            | Space::FrozenCounters
            | Space::AnalogInputs
            | Space::FrozenAnalogInputs
            | Space::Deadbands
            | Space::AnalogOutputs
            | Space::OctetStrings
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::Walk;
    use ot_protocol::Values;

    fn values(objects: &[u8]) -> (Values, u8) {
        let header = Walk::new(129, objects, 0).next().expect("a header");
        let mut buffers = Buffers::default();
        let (view, flags) = buffers.range(&header);
        (view.to_values(), flags)
    }

    #[test]
    fn values_of_each_kind() {
        assert_eq!(values(&[1, 1, 0, 0, 2, 0b101]).0, Values::Bits(vec![true, false, true]));
        assert_eq!(values(&[1, 2, 0, 0, 1, 0x81, 0x09]), (Values::Bits(vec![true, false]), 0x89));
        assert_eq!(values(&[3, 1, 0, 0, 1, 0b0110]).0, Values::Numbers(vec![2.0, 1.0]));
        assert_eq!(values(&[3, 2, 0, 0, 0, 0xC1]).0, Values::Numbers(vec![3.0]));
        assert_eq!(values(&[20, 6, 0, 0, 0, 1, 1]).0, Values::Numbers(vec![257.0]));
        assert_eq!(values(&[21, 5, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]).0, Values::Numbers(vec![9.0]));
        assert_eq!(values(&[30, 2, 0, 4, 4, 1, 0xFE, 0xFF]), (Values::Numbers(vec![-2.0]), 1));
        assert_eq!(values(&[40, 2, 0, 4, 4, 1, 7, 0]).0, Values::Numbers(vec![7.0]));
        assert_eq!(values(&[110, 2, 0, 0, 0, b'a', b'b']).0, Values::None);
        assert_eq!(values(&[121, 1, 0, 0, 0, 1, 0, 0, 5, 0, 0, 0]).0, Values::Numbers(vec![5.0]));
    }
}
