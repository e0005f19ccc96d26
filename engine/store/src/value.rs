//! How single values stand in columns.

use ot_engine::catalogue::{self, Severity};
use ot_engine::model::{AlertKey, DeviceId, EntryId, Peer};
use ot_protocol::{FrameRef, Mac, Outcome, SubAddress, Timestamp};
use rusqlite::Row;
use rusqlite::types::Type;
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

/// A text that lives as long as the process. The texts come from closed sets (protocols, address spaces, names of
/// functions), so that few are ever kept; beyond 4,096 different ones the answer is `other`.
pub fn intern(text: &str) -> &'static str {
    const LIMIT: usize = 4_096;
    static TEXTS: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    if text.is_empty() {
        return "";
    }
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts.get(text) {
        return known;
    }
    if texts.len() >= LIMIT {
        return "other";
    }
    let kept: &'static str = Box::leak(Box::from(text));
    texts.insert(kept);
    kept
}

/// A count for a column. SQLite's integers end at 2^63 − 1; a greater count keeps that.
pub(crate) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count out of a column.
pub(crate) fn count(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, value))
}

/// An optional device.
pub(crate) fn device(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<DeviceId>> {
    Ok(row.get::<_, Option<u32>>(index)?.map(DeviceId))
}

/// An optional time.
pub(crate) fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp))
}

/// A frame in two columns.
pub(crate) fn frame(row: &Row<'_>, index: usize) -> rusqlite::Result<FrameRef> {
    Ok(FrameRef::new(row.get::<_, u32>(index)?, count(row, index + 1)?))
}

/// A text that is parsed.
pub(crate) fn parsed<T>(row: &Row<'_>, index: usize, parse: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(index)?.as_str().map_err(|_| wrong(row, index, "no text"))?;
    parse(text).ok_or_else(|| wrong(row, index, text))
}

/// A text that is parsed, or nothing.
pub(crate) fn parsed_option<T>(
    row: &Row<'_>,
    index: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    if row.get_ref(index)? == rusqlite::types::ValueRef::Null { Ok(None) } else { parsed(row, index, parse).map(Some) }
}

fn wrong(row: &Row<'_>, index: usize, text: &str) -> rusqlite::Error {
    let column = row.as_ref().column_name(index).unwrap_or("?").to_owned();
    let shown: String = text.chars().take(64).collect();
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, format!("column {column} holds {shown:?}").into())
}

/// A MAC address from its text form.
pub(crate) fn mac(text: &str) -> Option<Mac> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(Mac(bytes))
}

/// Bytes in hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A SHA-256 from its hexadecimal digits.
pub(crate) fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// A sub-address from its text form.
pub(crate) fn sub(text: &str) -> Option<SubAddress> {
    let mut words = text.split(' ');
    let found = match (words.next()?, words.next(), words.next(), words.next()) {
        ("", None, None, None) => SubAddress::None,
        ("unit", Some(unit), None, None) => SubAddress::Unit(unit.parse().ok()?),
        ("link", Some(link), None, None) => SubAddress::Link(link.parse().ok()?),
        ("rack", Some(rack), Some("slot"), Some(slot)) => SubAddress::RackSlot(rack.parse().ok()?, slot.parse().ok()?),
        _ => return None,
    };
    words.next().is_none().then_some(found)
}

/// 1 to 4.
pub(crate) fn severity_rank(severity: Severity) -> u8 {
    match severity {
        Severity::Warning => 1,
        Severity::Minor => 2,
        Severity::Major => 3,
        Severity::Critical => 4,
    }
}

/// Back from [`severity_rank`].
pub(crate) fn severity(row: &Row<'_>, index: usize) -> rusqlite::Result<Severity> {
    let rank: u8 = row.get(index)?;
    Severity::ALL
        .into_iter()
        .find(|&severity| severity_rank(severity) == rank)
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(index, i64::from(rank)))
}

/// The three columns of an outcome.
pub(crate) fn outcome_columns(outcome: Option<Outcome>) -> (Option<&'static str>, Option<u16>, Option<&'static str>) {
    let name = match outcome {
        Some(Outcome::Rejected(_, name)) => Some(name),
        _ => None,
    };
    (outcome.map(Outcome::as_str), outcome.and_then(Outcome::code), name)
}

/// Back from [`outcome_columns`].
pub(crate) fn outcome(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Outcome>> {
    parsed_option(row, index, |text| match text {
        "pending" => Some(Outcome::Pending),
        "ok" => Some(Outcome::Ok),
        "unanswered" => Some(Outcome::Unanswered),
        "rejected" => Some(Outcome::Rejected(0, "")),
        _ => None,
    })?
    .map(|outcome| match outcome {
        Outcome::Rejected(..) => {
            let code = row.get::<_, Option<u16>>(index + 1)?.unwrap_or_default();
            let name = parsed_option(row, index + 2, |text| Some(intern(text)))?.unwrap_or_default();
            Ok(Outcome::Rejected(code, name))
        }
        other => Ok(other),
    })
    .transpose()
}

/// Device ids separated by commas.
pub(crate) fn ids_text(ids: &[DeviceId], text: &mut String) {
    text.clear();
    for (place, id) in ids.iter().enumerate() {
        let _ = write!(text, "{}{}", if place == 0 { "" } else { "," }, id.0);
    }
}

/// Back from [`ids_text`].
pub(crate) fn ids(text: &str) -> Option<Vec<DeviceId>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(',').map(|id| id.parse().ok().map(DeviceId)).collect()
}

/// Entry ids separated by commas.
pub(crate) fn entries_text(entries: &[EntryId]) -> String {
    let mut text = String::new();
    for (place, id) in entries.iter().enumerate() {
        let _ = write!(text, "{}{}", if place == 0 { "" } else { "," }, id.0);
    }
    text
}

/// Back from [`entries_text`].
pub(crate) fn entries(text: &str) -> Option<Vec<EntryId>> {
    ids(text).map(|list| list.into_iter().map(|id| EntryId(id.0)).collect())
}

/// A key in one column: `type;client;server;table;point`. A peer is `device,ip,mac,sub-address`; `-` stands for none.
pub(crate) fn key_text(key: &AlertKey) -> String {
    let mut text = String::from(key.kind);
    for peer in [&key.client, &key.server] {
        match peer {
            None => text.push_str(";-"),
            Some(peer) => {
                let _ = write!(
                    text,
                    ";{},{},{},{}",
                    peer.device.map_or_else(String::new, |id| id.0.to_string()),
                    peer.ip.map_or_else(String::new, |ip| ip.to_string()),
                    peer.mac.map_or_else(String::new, |mac| mac.to_string()),
                    peer.sub
                );
            }
        }
    }
    let _ = write!(text, ";{};", key.table.unwrap_or("-"));
    match key.point {
        None => text.push('-'),
        Some(point) => {
            let _ = write!(text, "{point}");
        }
    }
    text
}

/// Back from [`key_text`].
pub(crate) fn key(text: &str) -> Option<AlertKey> {
    fn optional<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
        if text.is_empty() { Some(None) } else { parse(text).map(Some) }
    }
    fn peer(text: &str) -> Option<Option<Peer>> {
        if text == "-" {
            return Some(None);
        }
        let mut parts = text.split(',');
        let (device, ip, mac_text, sub_text) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let peer = Peer {
            device: optional(device, |id| id.parse().ok().map(DeviceId))?,
            ip: optional(ip, |ip| ip.parse().ok())?,
            mac: optional(mac_text, mac)?,
            sub: sub(sub_text)?,
        };
        parts.next().is_none().then_some(Some(peer))
    }
    let mut parts = text.split(';');
    let (kind, client, server, table, point) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let key = AlertKey {
        kind: catalogue::by_id(kind).map_or_else(|| intern(kind), |alert| alert.id),
        client: peer(client)?,
        server: peer(server)?,
        table: if table == "-" { None } else { Some(intern(table)) },
        point: if point == "-" { None } else { Some(point.parse().ok()?) },
    };
    parts.next().is_none().then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back() {
        let keys = [
            AlertKey { kind: "arp-scan", client: None, server: None, table: None, point: None },
            AlertKey {
                kind: "port-scan",
                client: Some(Peer {
                    device: Some(DeviceId(3)),
                    ip: "fe80::1".parse().ok(),
                    mac: Some(Mac([0, 1, 2, 0xab, 0xcd, 0xef])),
                    sub: SubAddress::RackSlot(0, 2),
                }),
                server: Some(Peer { device: None, ip: None, mac: None, sub: SubAddress::None }),
                table: Some("holding-registers"),
                point: Some(u64::MAX),
            },
        ];
        for original in keys {
            assert_eq!(key(&key_text(&original)), Some(original));
        }
        for broken in ["", "a;b", "a;-;-;-;x", "a;-;-;-;-;-", "a;1,2,3;-;-;-", "a;,,,unit 300;-;-;-"] {
            assert_eq!(key(broken), None, "{broken}");
        }
    }

    #[test]
    fn addresses_come_back() {
        for address in [SubAddress::None, SubAddress::Unit(255), SubAddress::Link(65_519), SubAddress::RackSlot(0, 31)]
        {
            assert_eq!(sub(&address.to_string()), Some(address));
        }
        assert_eq!(sub("unit 1 2"), None);
        assert_eq!(mac("00:1d:9c:c7:b0:70"), Some(Mac([0, 0x1d, 0x9c, 0xc7, 0xb0, 0x70])));
        assert_eq!(mac("00:1d:9c:c7:b0"), None);
        assert_eq!(mac("00:1d:9c:c7:b0:70:00"), None);
    }

    #[test]
    fn the_same_text_is_kept_once() {
        let first = intern("modbus");
        assert!(std::ptr::eq(first, intern(&String::from("modbus"))));
    }
}
