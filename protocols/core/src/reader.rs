//! A reader over untrusted bytes: never panics, tells what is missing.

use std::fmt;

/// More bytes were needed than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// Offset at which the value would start.
    pub offset: usize,
    /// Bytes the value needs.
    pub needed: usize,
    /// Bytes that are there.
    pub found: usize,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "needs {} bytes at offset {}, has {}", self.needed, self.offset, self.found)
    }
}

impl std::error::Error for Short {}

/// Reads values in order from a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Bytes read so far.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// All bytes not read yet, without reading them.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Short`] where fewer are left; nothing is read then.
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Short> {
        match self.rest().get(..n) {
            Some(bytes) => {
                self.offset += n;
                Ok(bytes)
            }
            None => Err(Short { offset: self.offset, needed: n, found: self.remaining() }),
        }
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`Short`] where fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let short = Short { offset: self.offset, needed: N, found: self.remaining() };
        let array = self.rest().first_chunk::<N>().copied().ok_or(short)?;
        self.offset += N;
        Ok(array)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Short`] at the end.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Short> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, most significant first.
    ///
    /// # Errors
    /// [`Short`] where fewer are left.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_be_bytes)
    }

    /// Two bytes, least significant first.
    ///
    /// # Errors
    /// [`Short`] where fewer are left.
    #[inline]
    pub fn u16_le(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, most significant first.
    ///
    /// # Errors
    /// [`Short`] where fewer are left.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_be_bytes)
    }

    /// Four bytes, least significant first.
    ///
    /// # Errors
    /// [`Short`] where fewer are left.
    #[inline]
    pub fn u32_le(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_le_bytes)
    }

    /// Six bytes, least significant first.
    ///
    /// # Errors
    /// [`Short`] where fewer are left.
    #[inline]
    pub fn u48_le(&mut self) -> Result<u64, Short> {
        self.array::<6>().map(|[a, b, c, d, e, f]| u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }

    /// Eight bytes, most significant first.
    ///
    /// # Errors
    /// [`Short`] where fewer are left.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Short> {
        self.array().map(u64::from_be_bytes)
    }

    /// Eight bytes, least significant first.
    ///
    /// # Errors
    /// [`Short`] where fewer are left.
    #[inline]
    pub fn u64_le(&mut self) -> Result<u64, Short> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_order_and_tells_what_is_missing() {
        let mut reader = Reader::new(&[1, 2, 3, 4, 5]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(0x0203));
        assert_eq!(reader.u32(), Err(Short { offset: 3, needed: 4, found: 2 }));
        assert_eq!(reader.u16_le(), Ok(0x0504));
        assert_eq!(reader.remaining(), 0);
    }
}
