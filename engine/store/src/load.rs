//! Loading what an engine starts from. `prefix` chooses between the state now and the copy from before a run.

use crate::maintenance;
use crate::value::{self, count, device, frame, intern, key, mac, outcome, parsed, parsed_option, severity, sub, time};
use ipnet::IpNet;
use ot_engine::catalogue;
use ot_engine::context::{Context, Field, Said, Source};
use ot_engine::learning::DeviceLearning;
use ot_engine::maintenance::Share;
use ot_engine::model::{
    Alert, BaselineEntry, Device, DeviceAddress, DeviceId, Effect, EntryId, EntryKey, EntryKind, Grant, IdentityValue,
    Origin, Peer, Point, ProgramVersion, ProtocolUse, Role, RoleReason, Scope, Status, Work,
};
use ot_engine::{Snapshot, State};
use ot_protocol::{FrameRef, Intervals, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, ToSql};
use std::collections::HashMap;

/// Alerts that an engine keeps in mind.
const LIVE: &str = "status <> 'closed' OR learned OR muted";

pub(crate) fn snapshot(
    connection: &Connection,
    prefix: &str,
    warnings: &mut Vec<String>,
) -> rusqlite::Result<Snapshot> {
    let alerts = alerts(connection, prefix, LIVE, &[], warnings)?;
    let openings = rows(
        connection,
        &format!(
            "SELECT key, count FROM {prefix}opening
             WHERE key NOT IN (SELECT key FROM {prefix}alert WHERE {LIVE}) ORDER BY key"
        ),
        &[],
        |row| Ok((parsed(row, 0, key)?, row.get(1)?)),
    )?;
    Ok(Snapshot {
        devices: devices(connection, prefix, "", &[])?,
        entries: entries(connection, prefix)?,
        grants: grants(connection, prefix, "", &[])?,
        points: points(connection, prefix)?,
        programs: programs(connection, prefix, "", &[], true)?,
        journal: journal(connection, prefix)?,
        maintenance: maintenance::windows(connection, prefix, "WHERE removed IS NULL", &[])?,
        alerts,
        openings,
        state: state(connection, prefix)?,
    })
}

pub(crate) fn alert(
    connection: &Connection,
    prefix: &str,
    id: &str,
    warnings: &mut Vec<String>,
) -> rusqlite::Result<Option<Alert>> {
    Ok(alerts(connection, prefix, "id = ?1", &[&id], warnings)?.into_iter().next())
}

pub(crate) fn rows<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn ToSql],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map(parameters, read)?.collect()
}

/// The lists of all owners, by owner; the owner's number is the first column.
fn lists<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn ToSql],
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<HashMap<u32, Vec<T>>> {
    let mut lists: HashMap<u32, Vec<T>> = HashMap::new();
    let mut statement = connection.prepare(sql)?;
    let mut found = statement.query(parameters)?;
    while let Some(row) = found.next()? {
        lists.entry(row.get(0)?).or_default().push(read(row)?);
    }
    Ok(lists)
}

/// Devices; `condition` with `WHERE`.
pub(crate) fn devices(
    connection: &Connection,
    prefix: &str,
    condition: &str,
    parameters: &[&dyn ToSql],
) -> rusqlite::Result<Vec<Device>> {
    let chosen = format!("device IN (SELECT id FROM {prefix}device {condition})");
    let mut addresses = lists(
        connection,
        &format!(
            "SELECT device, ip, vlan, first_seen, last_seen FROM {prefix}device_address WHERE {chosen} ORDER BY device, place"
        ),
        parameters,
        |row| {
            Ok(DeviceAddress {
                ip: parsed(row, 1, |ip| ip.parse().ok())?,
                vlan: row.get(2)?,
                first_seen: Timestamp(row.get(3)?),
                last_seen: Timestamp(row.get(4)?),
            })
        },
    )?;
    let mut protocols = lists(
        connection,
        &format!(
            "SELECT device, protocol, as_client, as_server, first_seen, last_seen FROM {prefix}device_protocol
             WHERE {chosen} ORDER BY device, place"
        ),
        parameters,
        |row| {
            Ok(ProtocolUse {
                protocol: row.get(1)?,
                as_client: row.get(2)?,
                as_server: row.get(3)?,
                first_seen: Timestamp(row.get(4)?),
                last_seen: Timestamp(row.get(5)?),
            })
        },
    )?;
    let mut reasons = lists(
        connection,
        &format!(
            "SELECT device, role, reason, time, file, frame FROM {prefix}device_role_reason WHERE {chosen}
             ORDER BY device, place"
        ),
        parameters,
        |row| {
            Ok(RoleReason {
                role: parsed(row, 1, Role::parse)?,
                reason: row.get(2)?,
                time: Timestamp(row.get(3)?),
                frame: frame(row, 4)?,
            })
        },
    )?;
    let mut identities = lists(
        connection,
        &format!(
            "SELECT device, property, value, source, first_seen, last_seen, file, frame FROM {prefix}device_identity
             WHERE {chosen} ORDER BY device, place"
        ),
        parameters,
        |row| {
            Ok(IdentityValue {
                property: row.get(1)?,
                value: row.get(2)?,
                source: row.get(3)?,
                first_seen: Timestamp(row.get(4)?),
                last_seen: Timestamp(row.get(5)?),
                frame: frame(row, 6)?,
            })
        },
    )?;
    let mut context = lists(
        connection,
        &format!(
            "SELECT device, field, value, source, who FROM {prefix}device_context WHERE source <> 'traffic'
             AND {chosen} ORDER BY device, field, value"
        ),
        parameters,
        |row| said(row, 1),
    )?;
    rows(
        connection,
        &format!(
            "SELECT id, name, mac, sub, parent, vendor, role, purdue, ot, learned, zone, first_seen, last_seen
             FROM {prefix}device {condition} ORDER BY id"
        ),
        parameters,
        |row| {
            let id: u32 = row.get(0)?;
            Ok(Device {
                id: DeviceId(id),
                name: row.get(1)?,
                mac: parsed_option(row, 2, mac)?,
                sub: parsed(row, 3, sub)?,
                parent: device(row, 4)?,
                addresses: addresses.remove(&id).unwrap_or_default(),
                vendor: row.get(5)?,
                role: parsed(row, 6, Role::parse)?,
                role_reasons: reasons.remove(&id).unwrap_or_default(),
                purdue: row.get(7)?,
                ot: row.get(8)?,
                learned: row.get(9)?,
                zone: row.get(10)?,
                context: Context::new(context.remove(&id).unwrap_or_default()),
                protocols: protocols.remove(&id).unwrap_or_default(),
                identities: identities.remove(&id).unwrap_or_default(),
                first_seen: Timestamp(row.get(11)?),
                last_seen: Timestamp(row.get(12)?),
            })
        },
    )
}

/// What is said of a device, in four columns from `index` on.
pub(crate) fn said(row: &Row<'_>, index: usize) -> rusqlite::Result<Said> {
    Ok(Said {
        field: parsed(row, index, Field::parse)?,
        value: row.get(index + 1)?,
        source: parsed(row, index + 2, Source::parse)?,
        who: row.get(index + 3)?,
    })
}

/// A key in twelve columns from `index` on.
pub(crate) fn entry_key(row: &Row<'_>, index: usize) -> rusqlite::Result<EntryKey> {
    Ok(EntryKey {
        kind: parsed(row, index, EntryKind::parse)?,
        client: device(row, index + 1)?,
        server: device(row, index + 2)?,
        protocol: parsed(row, index + 3, |text| Some(intern(text)))?,
        port: row.get(index + 4)?,
        function: row.get(index + 5)?,
        subfunction: row.get(index + 6)?,
        space: parsed(row, index + 7, |text| Some(intern(text)))?,
        number: row.get(index + 8)?,
        start: row.get(index + 9)?,
        end: row.get(index + 10)?,
        text: parsed_option(row, index + 11, |text| Some(text.into()))?,
        scope: Scope::Exact,
        network: None,
    })
}

/// Scope and network in two columns from `index` on.
pub(crate) fn scope(row: &Row<'_>, index: usize) -> rusqlite::Result<(Scope, Option<IpNet>)> {
    Ok((parsed(row, index, Scope::parse)?, parsed_option(row, index + 1, |text| text.parse().ok())?))
}

/// What people allow; `condition` with `WHERE`.
pub(crate) fn grants(
    connection: &Connection,
    prefix: &str,
    condition: &str,
    parameters: &[&dyn ToSql],
) -> rusqlite::Result<Vec<Grant>> {
    rows(
        connection,
        &format!(
            "SELECT entry, act, alert, type, origin, by, time, until, effect FROM {prefix}baseline_grant {condition}
             ORDER BY entry, act"
        ),
        parameters,
        |row| {
            let by: String = row.get(5)?;
            Ok(Grant {
                entry: EntryId(row.get(0)?),
                act: count(row, 1)?,
                alert: row.get(2)?,
                kind: parsed(row, 3, |id| Some(catalogue::by_id(id).map_or_else(|| intern(id), |kind| kind.id)))?,
                origin: parsed(row, 4, |origin| match origin {
                    "person" => Some(Origin::Person(by.clone())),
                    "import" => Some(Origin::Import(by.clone())),
                    _ => None,
                })?,
                time: Timestamp(row.get(6)?),
                until: time(row, 7)?,
                effect: parsed(row, 8, Effect::parse)?,
            })
        },
    )
}

fn entries(connection: &Connection, prefix: &str) -> rusqlite::Result<Vec<BaselineEntry>> {
    rows(connection, &format!("SELECT {BASELINE} FROM {prefix}baseline ORDER BY id"), &[], entry)
}

/// The columns of the baseline, in the order in which [`entry`] reads them.
pub(crate) const BASELINE: &str = "id, kind, client, server, protocol, port, function, subfunction, space, number,
    start_address, end_address, text, allowed, origin, origin_by, count, learned_count, first_seen, last_seen, file, frame,
    allowed_at, expires, min_value, max_value, interval_count, interval_sum, interval_min, interval_max, label, scope,
    network";

/// A baseline entry.
pub(crate) fn entry(row: &Row<'_>) -> rusqlite::Result<BaselineEntry> {
    let by = row.get::<_, Option<String>>(15)?.unwrap_or_default();
    let (scope, network) = scope(row, 31)?;
    Ok(BaselineEntry {
        id: EntryId(row.get(0)?),
        key: EntryKey { scope, network, ..entry_key(row, 1)? },
        allowed: row.get(13)?,
        origin: parsed(row, 14, |origin| match origin {
            "traffic" => Some(Origin::Traffic),
            "observed" => Some(Origin::Observed),
            "person" => Some(Origin::Person(by.clone())),
            "import" => Some(Origin::Import(by.clone())),
            _ => None,
        })?,
        count: count(row, 16)?,
        learned_count: count(row, 17)?,
        first_seen: Timestamp(row.get(18)?),
        last_seen: Timestamp(row.get(19)?),
        first_frame: frame(row, 20)?,
        allowed_at: time(row, 22)?,
        expires: time(row, 23)?,
        min: row.get(24)?,
        max: row.get(25)?,
        intervals: Intervals { count: row.get(26)?, sum: row.get(27)?, min: row.get(28)?, max: row.get(29)? },
        label: parsed(row, 30, |text| Some(intern(text)))?,
    })
}

fn points(connection: &Connection, prefix: &str) -> rusqlite::Result<Vec<Point>> {
    rows(
        connection,
        &format!(
            "SELECT device, protocol, space, number, address, first_seen, last_seen, min_value, max_value, readers,
                 writers, poll_interval
             FROM {prefix}point ORDER BY device, space, number, address, protocol"
        ),
        &[],
        |row| {
            let number: i64 = row.get(3)?;
            Ok(Point {
                device: DeviceId(row.get(0)?),
                protocol: parsed(row, 1, |text| Some(intern(text)))?,
                space: parsed(row, 2, |text| Some(intern(text)))?,
                number: if number < 0 { None } else { Some(row.get(3)?) },
                address: row.get(4)?,
                first_seen: Timestamp(row.get(5)?),
                last_seen: Timestamp(row.get(6)?),
                min: row.get(7)?,
                max: row.get(8)?,
                readers: parsed(row, 9, value::ids)?,
                writers: parsed(row, 10, value::ids)?,
                poll_interval: row.get(11)?,
            })
        },
    )
}

/// Versions of program blocks that meet a condition on the columns of their table, `WHERE` included, in order of number;
/// their bytes where these are asked for.
pub(crate) fn programs(
    connection: &Connection,
    prefix: &str,
    condition: &str,
    parameters: &[&dyn ToSql],
    bytes: bool,
) -> rusqlite::Result<Vec<ProgramVersion>> {
    let chosen = format!("version IN (SELECT number FROM {prefix}program_version {condition})");
    let mut attributes = lists(
        connection,
        &format!("SELECT version, name, value FROM {prefix}program_attribute WHERE {chosen} ORDER BY version, place"),
        parameters,
        |row| Ok((row.get(1)?, row.get(2)?)),
    )?;
    let mut kept: HashMap<u32, Vec<Vec<u8>>> = HashMap::new();
    if bytes {
        let sql = format!("SELECT version, bytes FROM {prefix}program_bytes WHERE {chosen}");
        kept = lists(connection, &sql, parameters, |row| row.get(1))?;
    }
    rows(
        connection,
        &format!(
            "SELECT number, device, protocol, kind, name, sha256, length, complete, accepted, first_seen, last_seen,
                 file, frame, last_file, last_frame, read, written, readers, writers
             FROM {prefix}program_version {condition} ORDER BY number"
        ),
        parameters,
        |row| {
            let number: u32 = row.get(0)?;
            Ok(ProgramVersion {
                number,
                device: DeviceId(row.get(1)?),
                protocol: parsed(row, 2, |text| Some(intern(text)))?,
                kind: parsed(row, 3, |text| Some(intern(text)))?,
                name: row.get(4)?,
                sha256: parsed(row, 5, value::digest)?,
                length: count(row, 6)?,
                complete: row.get(7)?,
                accepted: row.get(8)?,
                first_seen: Timestamp(row.get(9)?),
                last_seen: Timestamp(row.get(10)?),
                first_frame: frame(row, 11)?,
                last_frame: frame(row, 13)?,
                read: count(row, 15)?,
                written: count(row, 16)?,
                readers: parsed(row, 17, value::ids)?,
                writers: parsed(row, 18, value::ids)?,
                attributes: attributes.remove(&number).unwrap_or_default(),
                bytes: kept.remove(&number).and_then(|list| list.into_iter().next()).map(Into::into),
            })
        },
    )
}

/// Rows of the journal to which work may still be added.
fn journal(connection: &Connection, prefix: &str) -> rusqlite::Result<Vec<Work>> {
    rows(
        connection,
        &format!(
            "SELECT {JOURNAL} FROM {prefix}journal
             WHERE last_seen >= COALESCE((SELECT value FROM {prefix}state WHERE key = 'now') - ?1, last_seen)
             ORDER BY number"
        ),
        &[&ot_engine::journal::PAUSE],
        work,
    )
}

/// The columns of the journal, in the order in which [`work`] reads them.
pub(crate) const JOURNAL: &str = "number, device, actor, protocol, operation, function, object, value, outcome,
    outcome_code, outcome_name, first_seen, last_seen, count, file, frame, last_file, last_frame, alert, maintenance";

/// A row of the journal.
pub(crate) fn work(row: &Row<'_>) -> rusqlite::Result<Work> {
    Ok(Work {
        number: count(row, 0)?,
        device: DeviceId(row.get(1)?),
        actor: device(row, 2)?,
        protocol: parsed(row, 3, |text| Some(intern(text)))?,
        operation: parsed(row, 4, |text| Some(intern(text)))?,
        function: row.get(5)?,
        object: row.get(6)?,
        value: row.get(7)?,
        outcome: outcome(row, 8)?,
        first_seen: Timestamp(row.get(11)?),
        last_seen: Timestamp(row.get(12)?),
        count: count(row, 13)?,
        first_frame: frame(row, 14)?,
        last_frame: frame(row, 16)?,
        alert: row.get(18)?,
        window: row.get(19)?,
    })
}

fn alerts(
    connection: &Connection,
    prefix: &str,
    condition: &str,
    parameters: &[&dyn ToSql],
    warnings: &mut Vec<String>,
) -> rusqlite::Result<Vec<Alert>> {
    let chosen = format!("alert IN (SELECT number FROM {prefix}alert WHERE {condition})");
    let peers = |role: &str| {
        lists(
            connection,
            &format!(
                "SELECT alert, device, ip, mac, sub FROM {prefix}alert_peer WHERE {chosen} AND role = '{role}'
                 ORDER BY alert, place"
            ),
            parameters,
            |row| {
                Ok(Peer {
                    device: device(row, 1)?,
                    ip: parsed_option(row, 2, |ip| ip.parse().ok())?,
                    mac: parsed_option(row, 3, mac)?,
                    sub: parsed(row, 4, sub)?,
                })
            },
        )
    };
    let mut sources = peers("source")?;
    let mut destinations = peers("destination")?;
    let list = |columns: &str, table: &str| {
        format!("SELECT alert, {columns} FROM {prefix}{table} WHERE {chosen} ORDER BY alert, place")
    };
    let mut techniques: HashMap<u32, Vec<&'static str>> =
        lists(connection, &list("technique", "alert_technique"), parameters, |row| {
            parsed(row, 1, |text| Some(intern(text)))
        })?;
    let mut entries: HashMap<u32, Vec<EntryId>> =
        lists(connection, &list("entry", "alert_entry"), parameters, |row| Ok(EntryId(row.get(1)?)))?;
    let mut frames: HashMap<u32, Vec<FrameRef>> =
        lists(connection, &list("file, frame", "alert_frame"), parameters, |row| frame(row, 1))?;
    let mut shares: HashMap<u32, Vec<Share>> =
        lists(connection, &list("maintenance, count", "alert_maintenance"), parameters, |row| {
            Ok(Share { window: row.get(1)?, count: count(row, 2)? })
        })?;
    let found = rows(
        connection,
        &format!(
            "SELECT number, id, type, key, opening, severity, status, learned, muted, first_detection, last_detection,
                 count, protocol, outcome, outcome_code, outcome_name, source_count, destination_count, description,
                 why, violation_count, learned_act, learned_until, closed, expected_count
             FROM {prefix}alert WHERE {condition} ORDER BY number"
        ),
        parameters,
        |row| {
            let number: u32 = row.get(0)?;
            let id: String = row.get(1)?;
            let kind: String = row.get(2)?;
            let Some(kind) = catalogue::by_id(&kind) else {
                warnings.push(format!("alert {id} is left as it is: this version has no alert type {kind}"));
                return Ok(None);
            };
            Ok(Some(Alert {
                number,
                id,
                kind,
                key: parsed(row, 3, key)?,
                opening: row.get(4)?,
                severity: severity(row, 5)?,
                status: parsed(row, 6, Status::parse)?,
                learned: row.get(7)?,
                learned_act: count(row, 21)?,
                learned_until: time(row, 22)?,
                muted: row.get(8)?,
                closed: time(row, 23)?,
                first_detection: Timestamp(row.get(9)?),
                last_detection: Timestamp(row.get(10)?),
                count: count(row, 11)?,
                expected: count(row, 24)?,
                shares: shares.remove(&number).unwrap_or_default(),
                protocol: parsed_option(row, 12, |text| Some(intern(text)))?,
                outcome: outcome(row, 13)?,
                sources: sources.remove(&number).unwrap_or_default(),
                source_count: row.get(16)?,
                destinations: destinations.remove(&number).unwrap_or_default(),
                destination_count: row.get(17)?,
                techniques: techniques.remove(&number).unwrap_or_default(),
                description: row.get(18)?,
                why: row.get(19)?,
                entries: entries.remove(&number).unwrap_or_default(),
                frames: frames.remove(&number).unwrap_or_default(),
                violation_count: row.get(20)?,
            }))
        },
    )?;
    Ok(found.into_iter().flatten().collect())
}

/// Devices that have a learning time of their own, by number.
pub(crate) fn device_learning(
    connection: &Connection,
    prefix: &str,
) -> rusqlite::Result<Vec<(DeviceId, DeviceLearning)>> {
    rows(connection, &format!("SELECT device, until, whole FROM {prefix}device_learning ORDER BY device"), &[], |row| {
        let learning = DeviceLearning { until: Timestamp(row.get(1)?), whole: row.get(2)? };
        Ok((DeviceId(row.get(0)?), learning))
    })
}

pub(crate) fn state(connection: &Connection, prefix: &str) -> rusqlite::Result<State> {
    let value = |key: &str| {
        connection
            .query_row(&format!("SELECT value FROM {prefix}state WHERE key = ?1"), [key], |row| row.get::<_, i64>(0))
            .optional()
    };
    let number = |key: &str| -> rusqlite::Result<u64> {
        let found = value(key)?.unwrap_or_default();
        u64::try_from(found).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, found))
    };
    let small = |key: &str| -> rusqlite::Result<u32> {
        let found = value(key)?.unwrap_or_default();
        u32::try_from(found).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, found))
    };
    Ok(State {
        last_alert: small("last_alert")?,
        last_event: number("last_event")?,
        last_device: small("last_device")?,
        last_entry: small("last_entry")?,
        last_program: small("last_program")?,
        last_work: number("last_work")?,
        last_window: small("last_window")?,
        first_event: number("first_event")?,
        closed_before: value("closed_before")?.map(Timestamp),
        now: value("now")?.map(Timestamp),
        watched_since: value("watched_since")?.map(Timestamp),
        learning_until: value("learning_until")?.map(Timestamp),
        learning: value("learning")? == Some(1),
        learning_since: value("learning_since")?.map(Timestamp),
        device_learning: device_learning(connection, prefix)?,
        ot_subnets: rows(
            connection,
            &format!("SELECT address, prefix FROM {prefix}ot_subnet ORDER BY place"),
            &[],
            |row| Ok((parsed(row, 0, |ip| ip.parse().ok())?, row.get(1)?)),
        )?,
        counters: rows(connection, &format!("SELECT id, value FROM {prefix}counter ORDER BY id"), &[], |row| {
            Ok((row.get(0)?, count(row, 1)?))
        })?,
    })
}
