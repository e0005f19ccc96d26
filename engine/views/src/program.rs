//! Versions of program blocks and files that crossed the network: the list, one version, two versions against each other.

use crate::names::{FrameView, Names, PeerView};
use crate::{SCHEMA, ViewError, time};
use ot_engine::model::{DeviceId, ProgramVersion};
use ot_engine::programs::{Difference, difference};
use ot_store::read::ProgramQuery;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Bytes shown of each side from where two versions differ.
const SHOWN: usize = 32;

/// A version as in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProgramLine {
    /// Version of these keys.
    pub schema: u32,
    /// Its number, from 1 in the order of first appearance.
    pub version: u32,
    /// Number of the device that it belongs to.
    pub device_id: u32,
    /// That device, for people.
    pub device: String,
    /// Protocol.
    pub protocol: String,
    /// `block` or `file`.
    pub kind: String,
    /// Name within the device.
    pub name: String,
    /// Length of the whole in bytes.
    pub length: u64,
    /// SHA-256 in hexadecimal digits, over the bytes that were seen.
    pub sha256: String,
    /// Whether all of its bytes were seen.
    pub complete: bool,
    /// Whether it was ever moved without being refused.
    pub accepted: bool,
    /// Whether it is the last one known of its block.
    pub current: bool,
    /// Number of the version that was first seen before it, of the same block.
    pub previous: Option<u32>,
    /// How often it was read out.
    pub read: u64,
    /// How often it was written in.
    pub written: u64,
    /// Who read it.
    pub readers: Vec<PeerView>,
    /// Who wrote it.
    pub writers: Vec<PeerView>,
    /// Packet time.
    pub first_seen: String,
    /// Packet time.
    pub last_seen: String,
    /// Frame that first completed it.
    pub first_frame: Option<FrameView>,
    /// Frame that last completed it.
    pub last_frame: Option<FrameView>,
}

/// A version with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProgramStory {
    /// What the list tells.
    #[serde(flatten)]
    pub line: ProgramLine,
    /// What its header says, in its order.
    pub attributes: Vec<AttributeView>,
    /// How many of its bytes are kept; 0 once they were given up for newer ones.
    pub bytes_kept: u64,
    /// These bytes in hexadecimal digits.
    pub bytes: Option<String>,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AttributeView {
    /// `author`, `version`, `code-modified` …
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Two versions against each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProgramDiff {
    /// Version of these keys.
    pub schema: u32,
    /// The one before.
    pub before: ProgramLine,
    /// The one after.
    pub after: ProgramLine,
    /// Whether their content is the same, by SHA-256.
    pub equal: bool,
    /// What their headers say differently.
    pub attributes: Vec<ChangedAttribute>,
    /// Offset of the first byte that differs; null where they are equal, or where the bytes that differ are not kept.
    pub offset: Option<u64>,
    /// How many bytes differ, counting those that only one of the two has.
    pub bytes: Option<u64>,
    /// Bytes of the one before from `offset` on, 32 at most, in hexadecimal digits.
    pub bytes_before: Option<String>,
    /// Bytes of the one after from `offset` on.
    pub bytes_after: Option<String>,
}

/// What two headers say differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangedAttribute {
    /// `author`, `version`, `code-modified` …
    pub name: String,
    /// Before; null where it was not said.
    pub before: Option<String>,
    /// After.
    pub after: Option<String>,
}

/// The versions that a query lets through, by device, kind and name, oldest first.
pub fn programs(names: &Names<'_>, query: &ProgramQuery) -> Result<Vec<ProgramLine>, ViewError> {
    let found = names.reader().programs(&ProgramQuery { bytes: false, ..query.clone() })?;
    let devices: Vec<DeviceId> = found.iter().map(|version| version.device).collect();
    if found.is_empty() {
        return Ok(Vec::new());
    }
    names.prefetch(found.iter().flat_map(|version| {
        [version.device].into_iter().chain(version.readers.iter().copied()).chain(version.writers.iter().copied())
    }))?;
    let places = places(names, devices)?;
    let mut lines: Vec<ProgramLine> =
        found.iter().map(|version| line(names, version, &places)).collect::<Result<_, _>>()?;
    lines.sort_by(|a, b| {
        (a.device_id, &a.protocol, &a.kind, natural(&a.name), a.version).cmp(&(
            b.device_id,
            &b.protocol,
            &b.kind,
            natural(&b.name),
            b.version,
        ))
    });
    Ok(lines)
}

/// One version by number.
pub fn program(names: &Names<'_>, number: u32) -> Result<ProgramStory, ViewError> {
    let version = find(names, number)?;
    let places = places(names, vec![version.device])?;
    Ok(ProgramStory {
        line: line(names, &version, &places)?,
        attributes: version
            .attributes
            .iter()
            .map(|(name, value)| AttributeView { name: name.clone(), value: value.clone() })
            .collect(),
        bytes_kept: version.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
        bytes: version.bytes.as_deref().map(hexadecimal),
    })
}

/// Two versions against each other; without a second one, a version against the one before it.
pub fn program_diff(names: &Names<'_>, first: u32, second: Option<u32>) -> Result<ProgramDiff, ViewError> {
    let one = find(names, first)?;
    let places_of_one = places(names, vec![one.device])?;
    let (before, after) = match second {
        Some(second) => (one, find(names, second)?),
        None => {
            let previous = places_of_one.get(&first).and_then(|place| place.previous);
            (find(names, previous.ok_or(ViewError::NoVersionBefore(first))?)?, one)
        }
    };
    let places = places(names, vec![before.device, after.device])?;
    let equal = before.sha256 == after.sha256;
    let (old, new) = (before.bytes.as_deref(), after.bytes.as_deref());
    let found = old.zip(new).and_then(|(old, new)| difference(old, new)).filter(|_| !equal);
    let part = |bytes: Option<&[u8]>, Difference { offset, .. }: Difference| {
        let rest = bytes.and_then(|bytes| bytes.get(offset..)).unwrap_or_default();
        hexadecimal(rest.get(..SHOWN).unwrap_or(rest))
    };
    Ok(ProgramDiff {
        schema: SCHEMA,
        before: line(names, &before, &places)?,
        after: line(names, &after, &places)?,
        equal,
        attributes: changed(&before.attributes, &after.attributes),
        offset: found.map(|found| found.offset as u64),
        bytes: found.map(|found| found.bytes as u64),
        bytes_before: found.map(|found| part(old, found)),
        bytes_after: found.map(|found| part(new, found)),
    })
}

/// Attributes that differ, in the order of the one after, then what only the one before has.
fn changed(before: &[(String, String)], after: &[(String, String)]) -> Vec<ChangedAttribute> {
    let of = |list: &[(String, String)], name: &str| {
        list.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
    };
    let only_before = before.iter().filter(|(name, _)| of(after, name).is_none());
    let mut list = Vec::new();
    for (name, _) in after.iter().chain(only_before) {
        let (old, new) = (of(before, name), of(after, name));
        if old != new {
            list.push(ChangedAttribute { name: name.clone(), before: old, after: new });
        }
    }
    list
}

/// Where a version stands among those of its block.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    current: bool,
    previous: Option<u32>,
}

/// The places of all versions of these devices.
fn places(names: &Names<'_>, mut devices: Vec<DeviceId>) -> Result<BTreeMap<u32, Place>, ViewError> {
    devices.sort_unstable();
    devices.dedup();
    // Many devices are asked for at once: a statement takes only so many parameters.
    let query =
        ProgramQuery { devices: if devices.len() > 500 { Vec::new() } else { devices }, ..ProgramQuery::default() };
    let versions = names.reader().programs(&query)?;
    let mut blocks: BTreeMap<_, Vec<&ProgramVersion>> = BTreeMap::new();
    for version in &versions {
        blocks.entry((version.device, version.protocol, version.kind, &version.name)).or_default().push(version);
    }
    let mut places = BTreeMap::new();
    for list in blocks.values() {
        let whole = list.iter().filter(|version| version.complete && version.accepted);
        let current = whole.max_by_key(|version| (version.last_seen, version.number)).map(|version| version.number);
        let mut previous = None;
        for version in list {
            places.insert(version.number, Place { current: current == Some(version.number), previous });
            previous = Some(version.number);
        }
    }
    Ok(places)
}

fn find(names: &Names<'_>, number: u32) -> Result<ProgramVersion, ViewError> {
    let query = ProgramQuery { numbers: vec![number], bytes: true, ..ProgramQuery::default() };
    names.reader().programs(&query)?.into_iter().next().ok_or(ViewError::NoVersion(number))
}

fn line(names: &Names<'_>, version: &ProgramVersion, places: &BTreeMap<u32, Place>) -> Result<ProgramLine, ViewError> {
    let place = places.get(&version.number).copied().unwrap_or_default();
    let peers = |list: &[DeviceId]| list.iter().map(|id| names.device_view(*id)).collect::<Result<Vec<_>, _>>();
    Ok(ProgramLine {
        schema: SCHEMA,
        version: version.number,
        device_id: version.device.0,
        device: names.label(version.device)?,
        protocol: version.protocol.to_owned(),
        kind: version.kind.to_owned(),
        name: version.name.clone(),
        length: version.length,
        sha256: hexadecimal(&version.sha256),
        complete: version.complete,
        accepted: version.accepted,
        current: place.current,
        previous: place.previous,
        read: version.read,
        written: version.written,
        readers: peers(&version.readers)?,
        writers: peers(&version.writers)?,
        first_seen: time(version.first_seen),
        last_seen: time(version.last_seen),
        first_frame: names.frame(version.first_frame)?,
        last_frame: names.frame(version.last_frame)?,
    })
}

/// A key by which `DB 2` stands before `DB 10`.
fn natural(name: &str) -> (String, u64, String) {
    let end = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = name.get(end.len()..).and_then(|digits| digits.parse().ok()).unwrap_or_default();
    (end.to_owned(), number, name.to_owned())
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_numbers() {
        let mut names = ["DB 10", "OB 1", "DB 2", "main.bin", "DB 2a"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["DB 2", "DB 10", "DB 2a", "OB 1", "main.bin"]);
    }

    #[test]
    fn attributes_that_differ_are_told_once() {
        let list = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let before = list(&[("author", "anna"), ("version", "0.1"), ("family", "x")]);
        let after = list(&[("author", "anna"), ("version", "0.2"), ("checksum", "7")]);
        let told: Vec<_> = changed(&before, &after).into_iter().map(|one| (one.name, one.before, one.after)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            told,
            [
                ("version".to_owned(), some("0.1"), some("0.2")),
                ("checksum".to_owned(), None, some("7")),
                ("family".to_owned(), some("x"), None)
            ]
        );
    }
}
