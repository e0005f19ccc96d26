//! CRC-16 of DNP3 (IEEE 1815-2012, clause 9.2.4.3): polynomial 3D65, least significant bit first, start 0, complemented.
//!
//! Every byte of every frame goes through here, so eight are taken at a time.

/// Polynomial, bits reversed.
const POLYNOMIAL: u16 = 0xA6BC;

/// `TABLES[n]` gives what a byte contributes that is followed by `n` more.
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    let mut value: u16 = 0;
    while byte < 256 {
        let mut crc = value;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
        value += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// The CRC over `bytes`.
#[inline]
pub(crate) fn crc(bytes: &[u8]) -> u16 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let mut crc = 0_u16;
    for [a, b, c, d, e, f, g, h] in eights {
        let [low, high] = crc.to_le_bytes();
        let table = |n: usize, byte: u8| TABLES[n][usize::from(byte)];
        crc = table(7, a ^ low)
            ^ table(6, b ^ high)
            ^ table(5, *c)
            ^ table(4, *d)
            ^ table(3, *e)
            ^ table(2, *f)
            ^ table(1, *g)
            ^ table(0, *h);
    }
    for byte in rest {
        let [low, high] = crc.to_le_bytes();
        crc = u16::from(high) ^ TABLES[0][usize::from(low ^ byte)];
    }
    !crc
}

/// Whether the last two bytes, low byte first, are the CRC of those before.
#[inline]
pub(crate) fn fits(block: &[u8]) -> bool {
    block.split_last_chunk::<2>().is_some_and(|(data, sent)| crc(data) == u16::from_le_bytes(*sent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bit by bit, as the clause has it.
    fn slow(bytes: &[u8]) -> u16 {
        !bytes.iter().fold(0_u16, |crc, byte| {
            (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 })
        })
    }

    #[test]
    fn the_example_of_the_standard() {
        // A reset of link from 1 to 0: 05 64 05 C0 01 00 00 04, CRC E9 21 on the wire.
        assert_eq!(crc(&[0x05, 0x64, 0x05, 0xC0, 0x01, 0x00, 0x00, 0x04]).to_le_bytes(), [0xE9, 0x21]);
        assert!(fits(&[0x05, 0x64, 0x05, 0xC0, 0x01, 0x00, 0x00, 0x04, 0xE9, 0x21]));
        assert!(!fits(&[0x05, 0x64, 0x05, 0xC0, 0x01, 0x00, 0x00, 0x05, 0xE9, 0x21]));
        assert!(!fits(&[7]));
    }

    proptest! {
        #[test]
        fn eight_at_a_time_is_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(crc(&bytes), slow(&bytes));
        }
    }
}
