//! What a power cut does to a store: writes that were under way are torn. Which ones may be is read from the write-ahead log
//! (SQLite file format, section 4): what a commit has synced stays, what comes behind it may be anything; and a page that is
//! in the log may be torn in the database, for the log is emptied only when the database was synced.

use crate::frames::Random;
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};

const HEADER: usize = 32;
const FRAME: usize = 24;

/// What was torn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Torn {
    /// What was not committed at the end of the log.
    Tail,
    /// A page of the database that the log holds.
    Page,
    /// There was nothing to tear.
    Nothing,
}

/// The log of a store.
pub fn log_of(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn word(bytes: &[u8], at: usize, little: bool) -> Option<u32> {
    let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
}

fn checksum(sum: &mut [u32; 2], bytes: &[u8], little: bool) -> Option<()> {
    for at in (0..bytes.len()).step_by(8) {
        sum[0] = sum[0].wrapping_add(word(bytes, at, little)?).wrapping_add(sum[1]);
        sum[1] = sum[1].wrapping_add(word(bytes, at + 4, little)?).wrapping_add(sum[0]);
    }
    Some(())
}

/// The length of the log up to its last commit, and the pages it holds up to there with the size of a page.
fn committed(log: &[u8]) -> Option<(usize, Vec<u32>, usize)> {
    let little = word(log, 0, false)? & 1 == 0;
    let size = usize::try_from(word(log, 8, false)?).ok()?;
    let mut sum = [0; 2];
    checksum(&mut sum, log.get(..24)?, little)?;
    let (mut pages, mut since, mut end) = (Vec::new(), Vec::new(), HEADER);
    let mut at = HEADER;
    while let Some(frame) = log.get(at..at + FRAME + size) {
        if frame.get(8..16) != log.get(16..24) {
            break;
        }
        checksum(&mut sum, frame.get(..8)?, little)?;
        checksum(&mut sum, frame.get(FRAME..)?, little)?;
        if word(frame, 16, false)? != sum[0] || word(frame, 20, false)? != sum[1] {
            break;
        }
        at += FRAME + size;
        since.push(word(frame, 0, false)?);
        if word(frame, 4, false)? > 0 {
            pages.append(&mut since);
            end = at;
        }
    }
    Some((end, pages, size))
}

/// Tears what the power cut could have torn: a page of the database, or the end of the log.
///
/// # Errors
/// Where the files cannot be read or written.
pub fn tear(store: &Path, wanted: Torn, random: &mut Random) -> Result<Torn> {
    let path = log_of(store);
    let mut log = std::fs::read(&path).unwrap_or_default();
    let Some((end, mut pages, size)) = committed(&log) else { return Ok(Torn::Nothing) };
    match wanted {
        Torn::Nothing => return Ok(Torn::Nothing),
        Torn::Tail => {
            // A frame begun, with the salt of this log and half a page; or whatever a kill left, cut somewhere.
            if log.len() == end || random.below(2) == 0 {
                let salt = log.get(16..24).context("no salt")?.to_vec();
                log.truncate(end);
                log.extend(1_u32.to_be_bytes());
                log.extend(9_u32.to_be_bytes());
                log.extend(salt);
                log.extend(vec![0x5a; 8]);
                let half = usize::try_from(random.below(u64::try_from(size)?))?;
                log.extend(vec![0xa5; half]);
            } else {
                let rest = u64::try_from(log.len() - end)?;
                let cut = end + usize::try_from(random.below(rest))?;
                log.truncate(cut);
            }
            std::fs::write(&path, &log)?;
        }
        Torn::Page => {
            let mut bytes = std::fs::read(store)?;
            let known = u32::try_from(bytes.len() / size)?;
            pages.retain(|page| *page <= known && *page > 1);
            pages.sort_unstable();
            // The last one that the log holds.
            let Some(last) = pages.last() else { return Ok(Torn::Nothing) };
            let start = usize::try_from(last - 1)? * size;
            let page = bytes.get_mut(start..start + size).context("no such page")?;
            let (_, half) = page.split_at_mut(size / 2);
            half.fill(0xa5);
            std::fs::write(store, &bytes)?;
        }
    }
    Ok(wanted)
}

/// Tears the last page of the database, whatever the log holds: as a disk does that says *synced* and is not.
///
/// # Errors
/// Where the file cannot be read or written.
pub fn tear_last_page(store: &Path) -> Result<()> {
    let mut bytes = std::fs::read(store)?;
    let length = bytes.len();
    ensure!(length >= 8_192, "the store is too small");
    bytes.get_mut(length - 2_048..).context("too small")?.fill(0);
    Ok(std::fs::write(store, &bytes)?)
}
