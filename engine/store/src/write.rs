//! Writing what the engine found.

use crate::maintenance;
use crate::value::{entries_text, hexadecimal, ids_text, integer, key_text, outcome_columns, severity_rank};
use ot_engine::Changes;
use ot_engine::State;
use ot_engine::catalogue::Severity;
use ot_engine::context::{Field, Importance, Said, Source};
use ot_engine::model::{
    Alert, AlertViolation, BaselineEntry, Device, DeviceAddress, DeviceId, EntryId, Event, Grant, IdentityValue,
    Origin, Peer, Point, ProgramVersion, ProtocolUse, RoleReason, SensorAct, Status, Work,
};
use ot_engine::points::PointKey;
use ot_protocol::{FrameRef, Timestamp};
use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// What is known of rows written before, so that the same is not written again.
#[derive(Debug, Default)]
pub(crate) struct Written {
    keys: RandomState,
    state: Option<State>,
    /// Lists of a device: they change seldom, the device itself with each packet.
    devices: HashMap<DeviceId, Lists>,
    /// What hangs on an alert changes seldom as well, but for its last frame.
    alerts: HashMap<u32, Hung>,
    /// Whether all alerts that are kept no longer are gone.
    old_gone: bool,
}

/// Alerts that one commit of a live run deletes at most: where a store was not opened for months there are many, and packets
/// come meanwhile. The rest goes with the commits after it.
const DELETED: i64 = 2_000;

/// Devices and alerts whose lists are remembered.
const REMEMBERED: usize = 16_384;

/// What was written beside the row of a device.
#[derive(Debug)]
struct Lists {
    reasons: Vec<RoleReason>,
    identities: Vec<IdentityValue>,
    context: Vec<Said>,
    /// How many addresses, and how many protocols.
    addresses: usize,
    protocols: usize,
}

/// What was written beside the row of an alert.
#[derive(Debug)]
struct Hung {
    /// Digest of key, opening, peers, techniques and entries.
    digest: u64,
    frames: Vec<FrameRef>,
}

/// A digest of what hangs on an alert, without its frames. It lives no longer than the process.
fn digest(alert: &Alert, keys: &RandomState) -> u64 {
    let Alert { key, opening, sources, destinations, techniques, entries, .. } = alert;
    keys.hash_one((key, opening, sources, destinations, techniques, entries))
}

pub(crate) fn changes(
    transaction: &Transaction<'_>,
    changes: &Changes,
    run: Option<u32>,
    written: &mut Written,
) -> rusqlite::Result<()> {
    devices(transaction, &changes.devices, written)?;
    entries(transaction, &changes.entries)?;
    points(transaction, &changes.points, &changes.removed_points)?;
    programs(transaction, &changes.programs, &changes.removed_programs)?;
    journal(transaction, &changes.journal)?;
    maintenance::write(transaction, &changes.maintenance)?;
    alerts(transaction, &changes.alerts, run, written)?;
    violations(transaction, &changes.violations)?;
    events(transaction, &changes.events)?;
    removed_entries(transaction, &changes.removed_entries)?;
    grants(transaction, &changes.grants, &changes.removed_grants)?;
    acts(transaction, &changes.acts)?;
    kept(transaction, &changes.state, run, written)?;
    removed_devices(transaction, &changes.removed_devices, written)?;
    state(transaction, &changes.state, written)
}

/// The statements of a list that hangs on a row: `upsert` writes one place, `cut` takes away what is beyond the end.
struct Places<'a> {
    upsert: CachedStatement<'a>,
    cut: CachedStatement<'a>,
}

impl<'a> Places<'a> {
    fn new(transaction: &'a Transaction<'_>, table: &str, owner: &str, columns: &[&str]) -> rusqlite::Result<Self> {
        let names = columns.join(", ");
        let values: String = (0..columns.len()).map(|n| format!(", ?{}", n + 3)).collect();
        let set: Vec<String> = columns.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        let differs: Vec<String> = columns.iter().map(|name| format!("{name} IS NOT excluded.{name}")).collect();
        Ok(Self {
            upsert: transaction.prepare_cached(&format!(
                "INSERT INTO {table} ({owner}, place, {names}) VALUES (?1, ?2{values})
                 ON CONFLICT DO UPDATE SET {} WHERE {}",
                set.join(", "),
                differs.join(" OR ")
            ))?,
            cut: transaction.prepare_cached(&format!("DELETE FROM {table} WHERE {owner} = ?1 AND place >= ?2"))?,
        })
    }
}

pub(crate) fn devices(
    transaction: &Transaction<'_>,
    devices: &[Device],
    written: &mut Written,
) -> rusqlite::Result<()> {
    if devices.is_empty() {
        return Ok(());
    }
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO device (id, name, mac, sub, parent, vendor, role, purdue, ot, learned, zone, first_seen, last_seen)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT DO UPDATE SET name = excluded.name, mac = excluded.mac, sub = excluded.sub,
             parent = excluded.parent, vendor = excluded.vendor, role = excluded.role, purdue = excluded.purdue,
             ot = excluded.ot, learned = excluded.learned, zone = excluded.zone, first_seen = excluded.first_seen,
             last_seen = excluded.last_seen",
    )?;
    let mut addresses =
        Places::new(transaction, "device_address", "device", &["ip", "vlan", "first_seen", "last_seen"])?;
    let mut protocols = Places::new(
        transaction,
        "device_protocol",
        "device",
        &["protocol", "as_client", "as_server", "first_seen", "last_seen"],
    )?;
    let mut identities = Places::new(
        transaction,
        "device_identity",
        "device",
        &["property", "value", "source", "first_seen", "last_seen", "file", "frame"],
    )?;
    let mut reasons =
        Places::new(transaction, "device_role_reason", "device", &["role", "reason", "time", "file", "frame"])?;
    let mut forget = transaction.prepare_cached("DELETE FROM device_context WHERE device = ?1")?;
    let mut context = transaction.prepare_cached(
        "INSERT OR REPLACE INTO device_context (device, field, value, source, who) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for device in devices {
        let id = device.id.0;
        upsert.execute(params![
            id,
            device.name,
            device.mac.map(|mac| mac.to_string()),
            device.sub.to_string(),
            device.parent.map(|parent| parent.0),
            device.vendor,
            device.role.as_str(),
            device.purdue,
            device.ot,
            device.learned,
            device.zone,
            device.first_seen.0,
            device.last_seen.0,
        ])?;
        for (place, DeviceAddress { ip, vlan, first_seen, last_seen }) in (0_i64..).zip(&device.addresses) {
            addresses.upsert.execute(params![id, place, ip.to_string(), vlan, first_seen.0, last_seen.0])?;
        }
        let said = said(device);
        // A deletion costs much even where there is nothing to delete.
        let known = written.devices.get_mut(&device.id);
        if known.as_ref().is_none_or(|known| known.addresses > device.addresses.len()) {
            addresses.cut.execute(params![id, length(&device.addresses)])?;
        }
        for (place, ProtocolUse { protocol, as_client, as_server, first_seen, last_seen }) in
            (0_i64..).zip(&device.protocols)
        {
            protocols.upsert.execute(params![id, place, protocol, as_client, as_server, first_seen.0, last_seen.0])?;
        }
        if known.as_ref().is_none_or(|known| known.protocols > device.protocols.len()) {
            protocols.cut.execute(params![id, length(&device.protocols)])?;
        }
        let remembered = known.is_some();
        if let Some(known) = known {
            (known.addresses, known.protocols) = (device.addresses.len(), device.protocols.len());
            if known.context == said && known.reasons == device.role_reasons && known.identities == device.identities {
                continue;
            }
        }
        forget.execute([id])?;
        for Said { field, value, source, who } in &said {
            context.execute(params![id, field.as_str(), value, source.as_str(), who])?;
        }
        for (place, RoleReason { role, reason, time, frame }) in (0_i64..).zip(&device.role_reasons) {
            let (file, number) = frame_columns(*frame);
            reasons.upsert.execute(params![id, place, role.as_str(), reason, time.0, file, number])?;
        }
        reasons.cut.execute(params![id, length(&device.role_reasons)])?;
        for (place, IdentityValue { property, value, source, first_seen, last_seen, frame }) in
            (0_i64..).zip(&device.identities)
        {
            let (file, number) = frame_columns(*frame);
            identities.upsert.execute(params![
                id,
                place,
                property,
                value,
                source,
                first_seen.0,
                last_seen.0,
                file,
                number
            ])?;
        }
        identities.cut.execute(params![id, length(&device.identities)])?;
        if written.devices.len() < REMEMBERED || remembered {
            let lists = Lists {
                reasons: device.role_reasons.clone(),
                identities: device.identities.clone(),
                context: said,
                addresses: device.addresses.len(),
                protocols: device.protocols.len(),
            };
            written.devices.insert(device.id, lists);
        }
    }
    Ok(())
}

/// What holds for a device: what was said, and the importance that follows from its role where nobody said one.
fn said(device: &Device) -> Vec<Said> {
    let mut said: Vec<Said> = device.context.iter().cloned().collect();
    if device.context.get(Field::Importance).is_none() {
        let value = Importance::of(device.role).as_str().to_owned();
        said.push(Said { field: Field::Importance, value, source: Source::Traffic, who: String::new() });
    }
    said
}

fn removed_devices(transaction: &Transaction<'_>, devices: &[DeviceId], written: &mut Written) -> rusqlite::Result<()> {
    for device in devices {
        transaction.prepare_cached("DELETE FROM device WHERE id = ?1")?.execute([device.0])?;
        transaction.prepare_cached("DELETE FROM point WHERE device = ?1")?.execute([device.0])?;
        written.devices.remove(device);
    }
    Ok(())
}

fn entries(transaction: &Transaction<'_>, entries: &[BaselineEntry]) -> rusqlite::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    // The key of an entry belongs to its number for good, except for its end: a range may grow.
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO baseline (id, kind, client, server, protocol, port, function, subfunction, space, number,
             start_address, end_address, text, allowed, origin, origin_by, count, learned_count, first_seen, last_seen,
             file, frame, allowed_at, expires, min_value, max_value, interval_count, interval_sum, interval_min,
             interval_max, label, scope, network)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
             ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33)
         ON CONFLICT DO UPDATE SET protocol = excluded.protocol, port = excluded.port, function = excluded.function,
             subfunction = excluded.subfunction, space = excluded.space, number = excluded.number,
             start_address = excluded.start_address, end_address = excluded.end_address, text = excluded.text,
             allowed = excluded.allowed, origin = excluded.origin, origin_by = excluded.origin_by,
             count = excluded.count, learned_count = excluded.learned_count, first_seen = excluded.first_seen,
             last_seen = excluded.last_seen, file = excluded.file, frame = excluded.frame,
             allowed_at = excluded.allowed_at, expires = excluded.expires, min_value = excluded.min_value,
             max_value = excluded.max_value, interval_count = excluded.interval_count,
             interval_sum = excluded.interval_sum, interval_min = excluded.interval_min,
             interval_max = excluded.interval_max, label = excluded.label",
    )?;
    // A merge of two devices moves their entries to the one that stays.
    let mut moved = transaction.prepare_cached(
        "UPDATE baseline SET kind = ?2, client = ?3, server = ?4
         WHERE id = ?1 AND (kind <> ?2 OR client IS NOT ?3 OR server IS NOT ?4)",
    )?;
    let newest: u32 = transaction.query_row("SELECT coalesce(max(id), 0) FROM baseline", [], |row| row.get(0))?;
    for entry in entries {
        let key = &entry.key;
        let (origin, by) = match &entry.origin {
            Origin::Traffic => ("traffic", None),
            Origin::Observed => ("observed", None),
            Origin::Person(who) => ("person", Some(who)),
            Origin::Import(file) => ("import", Some(file)),
        };
        let (file, frame) = frame_columns(entry.first_frame);
        let (client, server) = (key.client.map(|id| id.0), key.server.map(|id| id.0));
        upsert.execute(params![
            entry.id.0,
            key.kind.as_str(),
            client,
            server,
            key.protocol,
            key.port,
            key.function,
            key.subfunction,
            key.space,
            key.number,
            key.start,
            key.end,
            key.text,
            entry.allowed,
            origin,
            by,
            integer(entry.count),
            integer(entry.learned_count),
            entry.first_seen.0,
            entry.last_seen.0,
            file,
            frame,
            entry.allowed_at.map(|time| time.0),
            entry.expires.map(|time| time.0),
            entry.min,
            entry.max,
            entry.intervals.count,
            entry.intervals.sum,
            entry.intervals.min,
            entry.intervals.max,
            entry.label,
            key.scope.as_str(),
            key.network.map(|network| network.to_string()),
        ])?;
        if entry.id.0 <= newest {
            moved.execute(params![entry.id.0, key.kind.as_str(), client, server])?;
        }
    }
    Ok(())
}

fn removed_entries(transaction: &Transaction<'_>, entries: &[EntryId]) -> rusqlite::Result<()> {
    for entry in entries {
        transaction.prepare_cached("DELETE FROM baseline WHERE id = ?1")?.execute([entry.0])?;
    }
    Ok(())
}

fn grants(transaction: &Transaction<'_>, grants: &[Grant], removed: &[(EntryId, u64)]) -> rusqlite::Result<()> {
    for (entry, act) in removed {
        transaction
            .prepare_cached("DELETE FROM baseline_grant WHERE entry = ?1 AND act = ?2")?
            .execute(params![entry.0, integer(*act)])?;
    }
    let mut insert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO baseline_grant (entry, act, alert, type, origin, by, time, until, effect)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for grant in grants {
        let (origin, by) = match &grant.origin {
            Origin::Import(file) => ("import", file.as_str()),
            Origin::Person(who) => ("person", who.as_str()),
            Origin::Traffic | Origin::Observed => ("person", ""),
        };
        insert.execute(params![
            grant.entry.0,
            integer(grant.act),
            grant.alert,
            grant.kind,
            origin,
            by,
            grant.time.0,
            grant.until.map(|time| time.0),
            grant.effect.as_str(),
        ])?;
    }
    Ok(())
}

/// What the sensor did to alerts becomes lines of their history.
fn acts(transaction: &Transaction<'_>, acts: &[SensorAct]) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO alert_history (alert, time, who, action, why, detail)
         SELECT number, ?2, 'sensor', ?3, ?4, '' FROM alert WHERE number = ?1",
    )?;
    for act in acts {
        insert.execute(params![act.alert, act.time.0, act.action, act.why])?;
    }
    Ok(())
}

/// Deletes what is kept no longer.
fn kept(transaction: &Transaction<'_>, state: &State, run: Option<u32>, written: &mut Written) -> rusqlite::Result<()> {
    let before = written.state.as_ref();
    if before.is_none_or(|before| before.closed_before != state.closed_before) {
        written.old_gone = false;
    }
    if let Some(time) = state.closed_before
        && !written.old_gone
    {
        let live = transaction
            .prepare_cached("SELECT 1 FROM run WHERE id = ?1 AND kind = 'live'")?
            .query_row([run], |_| Ok(()))
            .optional()?
            .is_some();
        let most = if live { DELETED } else { -1 };
        let gone = transaction
            .prepare_cached(
                "DELETE FROM alert WHERE number IN (SELECT number FROM alert WHERE closed < ?1 AND status = 'closed'
                     AND NOT learned AND NOT muted ORDER BY closed LIMIT ?2)",
            )?
            .execute(params![time.0, most])?;
        written.old_gone = !live || i64::try_from(gone).unwrap_or(i64::MAX) < DELETED;
        no_combinations(transaction)?;
    }
    if state.first_event > 0 && before.is_none_or(|before| before.first_event != state.first_event) {
        transaction.prepare_cached("DELETE FROM event WHERE number < ?1")?.execute([integer(state.first_event)])?;
    }
    Ok(())
}

fn points(transaction: &Transaction<'_>, points: &[Point], removed: &[PointKey]) -> rusqlite::Result<()> {
    for PointKey { device, protocol, space, number, address } in removed {
        transaction
            .prepare_cached(
                "DELETE FROM point WHERE device = ?1 AND protocol = ?2 AND space = ?3 AND number = ?4 AND address = ?5",
            )?
            .execute(params![device.0, protocol, space, number.map_or(-1, i64::from), address])?;
    }
    if points.is_empty() {
        return Ok(());
    }
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO point (device, protocol, space, number, address, first_seen, last_seen, min_value, max_value,
             readers, writers, poll_interval)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT DO UPDATE SET first_seen = excluded.first_seen, last_seen = excluded.last_seen,
             min_value = excluded.min_value, max_value = excluded.max_value, readers = excluded.readers,
             writers = excluded.writers, poll_interval = excluded.poll_interval",
    )?;
    let (mut readers, mut writers) = (String::new(), String::new());
    for point in points {
        ids_text(&point.readers, &mut readers);
        ids_text(&point.writers, &mut writers);
        upsert.execute(params![
            point.device.0,
            point.protocol,
            point.space,
            point.number.map_or(-1, i64::from),
            point.address,
            point.first_seen.0,
            point.last_seen.0,
            point.min,
            point.max,
            readers,
            writers,
            point.poll_interval,
        ])?;
    }
    Ok(())
}

fn programs(transaction: &Transaction<'_>, versions: &[ProgramVersion], removed: &[u32]) -> rusqlite::Result<()> {
    for number in removed {
        transaction.prepare_cached("DELETE FROM program_version WHERE number = ?1")?.execute([number])?;
    }
    if versions.is_empty() {
        return Ok(());
    }
    // What a version is belongs to its number for good; what was seen of it grows.
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO program_version (number, device, protocol, kind, name, sha256, length, complete, accepted,
             first_seen, last_seen, file, frame, last_file, last_frame, read, written, readers, writers)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
         ON CONFLICT DO UPDATE SET device = excluded.device, accepted = excluded.accepted,
             last_seen = excluded.last_seen, last_file = excluded.last_file, last_frame = excluded.last_frame,
             read = excluded.read, written = excluded.written, readers = excluded.readers, writers = excluded.writers",
    )?;
    let mut attribute = transaction.prepare_cached(
        "INSERT OR IGNORE INTO program_attribute (version, place, name, value) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut bytes =
        transaction.prepare_cached("INSERT OR IGNORE INTO program_bytes (version, bytes) VALUES (?1, ?2)")?;
    let mut no_bytes = transaction.prepare_cached("DELETE FROM program_bytes WHERE version = ?1")?;
    let (mut readers, mut writers) = (String::new(), String::new());
    for version in versions {
        ids_text(&version.readers, &mut readers);
        ids_text(&version.writers, &mut writers);
        let (file, frame) = frame_columns(version.first_frame);
        let (last_file, last_frame) = frame_columns(version.last_frame);
        upsert.execute(params![
            version.number,
            version.device.0,
            version.protocol,
            version.kind,
            version.name,
            hexadecimal(&version.sha256),
            integer(version.length),
            version.complete,
            version.accepted,
            version.first_seen.0,
            version.last_seen.0,
            file,
            frame,
            last_file,
            last_frame,
            integer(version.read),
            integer(version.written),
            readers,
            writers,
        ])?;
        for (place, (name, value)) in (0_i64..).zip(&version.attributes) {
            attribute.execute(params![version.number, place, name, value])?;
        }
        match &version.bytes {
            Some(kept) => bytes.execute(params![version.number, &**kept])?,
            None => no_bytes.execute([version.number])?,
        };
    }
    Ok(())
}

fn alerts(
    transaction: &Transaction<'_>,
    alerts: &[Alert],
    run: Option<u32>,
    written: &mut Written,
) -> rusqlite::Result<()> {
    if alerts.is_empty() {
        return Ok(());
    }
    // On a new row nothing hangs yet that were to be cut.
    let newest: u32 = transaction.query_row("SELECT coalesce(max(number), 0) FROM alert", [], |row| row.get(0))?;
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO alert (number, id, run, type, engine, category, key, opening, severity, status, learned, muted,
             first_detection, last_detection, count, protocol, outcome, outcome_code, outcome_name, source_count,
             destination_count, description, why, violation_count, learned_act, learned_until, closed, expected_count,
             expected, combination)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
             ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)
         ON CONFLICT (number) DO UPDATE SET severity = excluded.severity, status = excluded.status,
             learned = excluded.learned, muted = excluded.muted, first_detection = excluded.first_detection,
             last_detection = excluded.last_detection, count = excluded.count, protocol = excluded.protocol,
             outcome = excluded.outcome, outcome_code = excluded.outcome_code, outcome_name = excluded.outcome_name,
             source_count = excluded.source_count, destination_count = excluded.destination_count,
             description = excluded.description, why = excluded.why, violation_count = excluded.violation_count,
             learned_act = excluded.learned_act, learned_until = excluded.learned_until, closed = excluded.closed,
             expected_count = excluded.expected_count, expected = excluded.expected, combination = excluded.combination",
    )?;
    // A merge of two devices changes the keys that named the one that goes.
    let mut moved = transaction
        .prepare_cached("UPDATE alert SET key = ?2, opening = ?3 WHERE number = ?1 AND (key <> ?2 OR opening <> ?3)")?;
    let mut opening = transaction.prepare_cached(
        "INSERT INTO opening (key, count) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET count = excluded.count WHERE count < excluded.count",
    )?;
    let mut peer = transaction.prepare_cached(
        "INSERT INTO alert_peer (alert, role, place, device, ip, mac, sub, first_detection, last_detection, open, count,
             combination)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT DO UPDATE SET device = excluded.device, ip = excluded.ip, mac = excluded.mac, sub = excluded.sub
         WHERE device IS NOT excluded.device OR ip IS NOT excluded.ip OR mac IS NOT excluded.mac
            OR sub <> excluded.sub",
    )?;
    let mut peer_cut =
        transaction.prepare_cached("DELETE FROM alert_peer WHERE alert = ?1 AND role = ?2 AND place >= ?3")?;
    let mut combinations = Combinations::new(transaction)?;
    let mut techniques = Places::new(transaction, "alert_technique", "alert", &["technique"])?;
    let mut entries = Places::new(transaction, "alert_entry", "alert", &["entry"])?;
    let mut frames = Places::new(transaction, "alert_frame", "alert", &["file", "frame"])?;
    // They are never cut: an alert keeps what it was marked with.
    let mut shares = Places::new(transaction, "alert_maintenance", "alert", &["maintenance", "count"])?;
    for alert in alerts {
        let number = alert.number;
        let key = key_text(&alert.key);
        let (outcome, code, name) = outcome_columns(alert.outcome);
        let combination = combinations.of(alert)?;
        upsert.execute(params![
            number,
            alert.id,
            run,
            alert.kind.id,
            alert.kind.engine.as_str(),
            alert.kind.category,
            key,
            alert.opening,
            severity_rank(alert.severity),
            alert.status.as_str(),
            alert.learned,
            alert.muted,
            alert.first_detection.0,
            alert.last_detection.0,
            integer(alert.count),
            alert.protocol,
            outcome,
            code,
            name,
            alert.source_count,
            alert.destination_count,
            alert.description,
            alert.why,
            alert.violation_count,
            integer(alert.learned_act),
            alert.learned_until.map(|time| time.0),
            alert.closed.map(|time| time.0),
            integer(alert.expected),
            alert.is_expected(),
            combination,
        ])?;
        for (place, share) in (0_i64..).zip(&alert.shares) {
            shares.upsert.execute(params![number, place, share.window, integer(share.count)])?;
        }
        let new = number > newest;
        let now = digest(alert, &written.keys);
        let room = written.alerts.len() < REMEMBERED;
        let known = written.alerts.get_mut(&number);
        let same = known.as_ref().is_some_and(|known| known.digest == now);
        let told = known.as_ref().map_or(&[][..], |known| &known.frames);
        for (place, frame) in (0_i64..).zip(&alert.frames) {
            if usize::try_from(place).ok().and_then(|place| told.get(place)) != Some(frame) {
                let (file, frame) = frame_columns(*frame);
                frames.upsert.execute(params![number, place, file, frame])?;
            }
        }
        if !new && (known.is_none() || told.len() > alert.frames.len()) {
            frames.cut.execute(params![number, length(&alert.frames)])?;
        }
        match known {
            Some(known) => {
                known.digest = now;
                known.frames.clone_from(&alert.frames);
            }
            None if room => {
                written.alerts.insert(number, Hung { digest: now, frames: alert.frames.clone() });
            }
            None => {}
        }
        if same {
            continue;
        }
        if !new {
            moved.execute(params![number, key, alert.opening])?;
        }
        opening.execute(params![key, alert.opening])?;
        for (role, peers) in [("source", &alert.sources), ("destination", &alert.destinations)] {
            for (place, Peer { device, ip, mac, sub }) in (0_i64..).zip(peers) {
                peer.execute(params![
                    number,
                    role,
                    place,
                    device.map(|id| id.0),
                    ip.map(|ip| ip.to_string()),
                    mac.map(|mac| mac.to_string()),
                    sub.to_string(),
                    alert.first_detection.0,
                    alert.last_detection.0,
                    alert.status != Status::Closed,
                    integer(alert.count),
                    combination,
                ])?;
            }
            if !new {
                peer_cut.execute(params![number, role, length(peers)])?;
            }
        }
        for (place, technique) in (0_i64..).zip(&alert.techniques) {
            techniques.upsert.execute(params![number, place, technique])?;
        }
        for (place, entry) in (0_i64..).zip(&alert.entries) {
            entries.upsert.execute(params![number, place, entry.0])?;
        }
        if !new {
            techniques.cut.execute(params![number, length(&alert.techniques)])?;
            entries.cut.execute(params![number, length(&alert.entries)])?;
        }
    }
    no_combinations(transaction)
}

/// Numbers of the combinations of what a list of alerts filters by and that has few values.
pub(crate) struct Combinations<'a> {
    find: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    techniques: String,
}

impl<'a> Combinations<'a> {
    pub fn new(transaction: &'a Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            find: transaction.prepare_cached(
                "SELECT combination FROM alert_group
                 WHERE type = ?1 AND status = ?2 AND severity = ?3 AND engine = ?4 AND protocol = ?5 AND expected = ?6
                     AND techniques = ?7",
            )?,
            insert: transaction.prepare_cached(
                "INSERT INTO alert_group (type, status, severity, engine, protocol, expected, techniques, combination, count)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, COALESCE(MAX(combination), 0) + 1, 0 FROM alert_group
                 RETURNING combination",
            )?,
            techniques: String::new(),
        })
    }

    /// That of an alert. One that is new counts no alert yet: the rows of alerts count themselves.
    fn of(&mut self, alert: &Alert) -> rusqlite::Result<i64> {
        self.techniques.clear();
        for technique in &alert.techniques {
            if !self.techniques.is_empty() {
                self.techniques.push(',');
            }
            self.techniques.push_str(technique);
        }
        let techniques = std::mem::take(&mut self.techniques);
        let number = self.number(
            alert.kind.id,
            alert.status,
            alert.severity,
            alert.kind.engine.as_str(),
            alert.protocol.unwrap_or_default(),
            alert.is_expected(),
            &techniques,
        );
        self.techniques = techniques;
        number
    }

    /// That of these values; `techniques` with commas between.
    pub fn number(
        &mut self,
        kind: &str,
        status: Status,
        severity: Severity,
        engine: &str,
        protocol: &str,
        expected: bool,
        techniques: &str,
    ) -> rusqlite::Result<i64> {
        let values = params![kind, status.as_str(), severity_rank(severity), engine, protocol, expected, techniques];
        match self.find.query_row(values, |row| row.get(0)).optional()? {
            Some(known) => Ok(known),
            None => self.insert.query_row(values, |row| row.get(0)),
        }
    }
}

/// Forgets the combinations that no alert has any longer.
pub(crate) fn no_combinations(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM alert_group WHERE count <= 0")?.execute([])?;
    Ok(())
}

fn violations(transaction: &Transaction<'_>, violations: &[AlertViolation]) -> rusqlite::Result<()> {
    if violations.is_empty() {
        return Ok(());
    }
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO violation (alert, number, first_seen, last_seen, count, file, frame, function, object, value,
             outcome, outcome_code, outcome_name, detail, entries, expected_count)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
         ON CONFLICT DO UPDATE SET first_seen = excluded.first_seen, last_seen = excluded.last_seen,
             count = excluded.count, file = excluded.file, frame = excluded.frame, function = excluded.function,
             object = excluded.object, value = excluded.value, outcome = excluded.outcome,
             outcome_code = excluded.outcome_code, outcome_name = excluded.outcome_name, detail = excluded.detail,
             entries = excluded.entries, expected_count = excluded.expected_count",
    )?;
    for violation in violations {
        let (file, frame) = frame_columns(violation.frame);
        let (outcome, code, name) = outcome_columns(violation.outcome);
        upsert.execute(params![
            violation.alert,
            violation.number,
            violation.first_seen.0,
            violation.last_seen.0,
            integer(violation.count),
            file,
            frame,
            violation.function,
            violation.object,
            violation.value,
            outcome,
            code,
            name,
            violation.detail,
            entries_text(&violation.entries),
            integer(violation.expected),
        ])?;
    }
    Ok(())
}

/// Rows of the journal that are kept; the oldest go.
const JOURNAL_ROWS: u64 = 500_000;

fn journal(transaction: &Transaction<'_>, rows: &[Work]) -> rusqlite::Result<()> {
    let Some(newest) = rows.iter().map(|work| work.number).max() else { return Ok(()) };
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO journal (number, device, actor, protocol, operation, function, object, value, outcome,
             outcome_code, outcome_name, first_seen, last_seen, count, file, frame, last_file, last_frame, alert,
             maintenance)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
         ON CONFLICT DO UPDATE SET device = excluded.device, actor = excluded.actor, value = excluded.value,
             last_seen = excluded.last_seen, count = excluded.count, last_file = excluded.last_file,
             last_frame = excluded.last_frame, alert = excluded.alert",
    )?;
    for work in rows {
        let (outcome, code, name) = outcome_columns(work.outcome);
        let ((file, frame), (last_file, last_frame)) =
            (frame_columns(work.first_frame), frame_columns(work.last_frame));
        upsert.execute(params![
            integer(work.number),
            work.device.0,
            work.actor.map(|id| id.0),
            work.protocol,
            work.operation,
            work.function,
            work.object,
            work.value,
            outcome,
            code,
            name,
            work.first_seen.0,
            work.last_seen.0,
            integer(work.count),
            file,
            frame,
            last_file,
            last_frame,
            work.alert,
            work.window,
        ])?;
    }
    if let Some(gone) = newest.checked_sub(JOURNAL_ROWS) {
        transaction.prepare_cached("DELETE FROM journal WHERE number <= ?1")?.execute([integer(gone)])?;
    }
    Ok(())
}

fn events(transaction: &Transaction<'_>, events: &[Event]) -> rusqlite::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut upsert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO event (number, time, kind, source, destination, protocol, text, file, frame, alert)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for event in events {
        let (file, frame) = frame_columns(event.frame);
        upsert.execute(params![
            integer(event.number),
            event.time.0,
            event.kind,
            event.source.map(|id| id.0),
            event.destination.map(|id| id.0),
            event.protocol,
            event.text,
            file,
            frame,
            event.alert,
        ])?;
    }
    Ok(())
}

fn state(transaction: &Transaction<'_>, state: &State, written: &mut Written) -> rusqlite::Result<()> {
    if written.state.as_ref() == Some(state) {
        return Ok(());
    }
    let mut set = transaction.prepare_cached("INSERT OR REPLACE INTO state (key, value) VALUES (?1, ?2)")?;
    let mut unset = transaction.prepare_cached("DELETE FROM state WHERE key = ?1")?;
    for (key, value) in [
        ("last_alert", Some(i64::from(state.last_alert))),
        ("last_event", Some(integer(state.last_event))),
        ("last_device", Some(i64::from(state.last_device))),
        ("last_entry", Some(i64::from(state.last_entry))),
        ("last_program", Some(i64::from(state.last_program))),
        ("last_work", Some(integer(state.last_work))),
        ("last_window", (state.last_window > 0).then(|| i64::from(state.last_window))),
        ("first_event", (state.first_event > 0).then(|| integer(state.first_event))),
        ("closed_before", state.closed_before.map(|time| time.0)),
        ("now", state.now.map(|time| time.0)),
        ("watched_since", state.watched_since.map(|time| time.0)),
        ("learning_until", state.learning_until.map(|time| time.0)),
        ("learning", Some(i64::from(state.learning))),
        ("learning_since", state.learning_since.map(|time| time.0)),
    ] {
        match value {
            Some(value) => set.execute(params![key, value])?,
            None => unset.execute([key])?,
        };
    }
    let before = written.state.as_ref();
    if before.is_none_or(|before| before.counters != state.counters) {
        transaction.prepare_cached("DELETE FROM counter")?.execute([])?;
        let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO counter (id, value) VALUES (?1, ?2)")?;
        for (id, value) in &state.counters {
            insert.execute(params![id, integer(*value)])?;
        }
    }
    if before.is_none_or(|before| before.device_learning != state.device_learning) {
        transaction.prepare_cached("DELETE FROM device_learning")?.execute([])?;
        let mut insert =
            transaction.prepare_cached("INSERT INTO device_learning (device, until, whole) VALUES (?1, ?2, ?3)")?;
        for (device, learning) in &state.device_learning {
            insert.execute(params![device.0, learning.until.0, learning.whole])?;
        }
    }
    if before.is_none_or(|before| before.ot_subnets != state.ot_subnets) {
        transaction.prepare_cached("DELETE FROM ot_subnet")?.execute([])?;
        let mut insert =
            transaction.prepare_cached("INSERT INTO ot_subnet (place, address, prefix) VALUES (?1, ?2, ?3)")?;
        for (place, (address, prefix)) in (0_i64..).zip(&state.ot_subnets) {
            insert.execute(params![place, address.to_string(), prefix])?;
        }
    }
    written.state = Some(state.clone());
    Ok(())
}

fn frame_columns(frame: FrameRef) -> (u32, i64) {
    (frame.file(), integer(frame.number()))
}

fn length<T>(list: &[T]) -> i64 {
    i64::try_from(list.len()).unwrap_or(i64::MAX)
}

impl crate::Store {
    /// Bytes that the rows of the store take: its file without what is free in it. The file itself does not shrink; what is free
    /// is written to again.
    pub fn used_bytes(&self) -> Result<u64, crate::StoreError> {
        let pragma = |name: &str| self.connection.pragma_query_value(None, name, |row| crate::value::count(row, 0));
        let used = || -> rusqlite::Result<u64> {
            let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
            Ok(pages.saturating_mul(pragma("page_size")?))
        };
        used().map_err(|error| crate::StoreError::from_sqlite(&self.path, error))
    }

    /// The closed alerts that may go and were closed first, at most so many and those closed at the same moment: how many they
    /// are, and when the last of them was closed.
    pub fn oldest_closed(&self, most: u32) -> Result<(u64, Option<Timestamp>), crate::StoreError> {
        const MAY_GO: &str = "FROM alert WHERE status = 'closed' AND NOT learned AND NOT muted AND closed IS NOT NULL";
        let find = || -> rusqlite::Result<(u64, Option<Timestamp>)> {
            let border: Option<i64> = self.connection.query_row(
                &format!("SELECT MAX(closed) FROM (SELECT closed {MAY_GO} ORDER BY closed LIMIT ?1)"),
                [most],
                |row| row.get(0),
            )?;
            let Some(border) = border else { return Ok((0, None)) };
            let sql = format!("SELECT COUNT(*) {MAY_GO} AND closed <= ?1");
            let count = self.connection.query_row(&sql, [border], |row| crate::value::count(row, 0))?;
            Ok((count, Some(Timestamp(border))))
        };
        find().map_err(|error| crate::StoreError::from_sqlite(&self.path, error))
    }
}
