//! What a map of the network is drawn from: where devices stand, and who talks to whom.

use super::{Conditions, PART, Reader};
use crate::StoreError;
use crate::value::{count, device, intern, parsed, parsed_option, severity};
use ot_engine::catalogue::Severity;
use ot_engine::model::{DeviceId, Role};
use ot_protocol::Timestamp;
use rusqlite::types::Value;
use std::net::IpAddr;

/// Where a device stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceRow {
    /// The device.
    pub id: DeviceId,
    /// The device through which it is reached.
    pub parent: Option<DeviceId>,
    /// Role.
    pub role: Role,
    /// Purdue level.
    pub purdue: Option<u8>,
    /// Zone.
    pub zone: Option<String>,
    /// Its first address.
    pub ip: Option<IpAddr>,
    /// Packet time.
    pub first_seen: Timestamp,
    /// Packet time.
    pub last_seen: Timestamp,
}

/// A function or connection that a client uses of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseRow {
    /// Who asks.
    pub client: DeviceId,
    /// Who answers.
    pub server: DeviceId,
    /// Protocol id, or transport.
    pub protocol: &'static str,
    /// Port of a connection.
    pub port: Option<u16>,
    /// Name of the function; empty for a connection.
    pub label: &'static str,
    /// Whether the baseline allows it.
    pub allowed: bool,
    /// How often.
    pub count: u64,
    /// Packet time.
    pub first_seen: Timestamp,
    /// Packet time.
    pub last_seen: Timestamp,
}

impl Reader {
    /// Where all devices stand, by number: a row of few columns each.
    ///
    /// # Errors
    /// As the store's.
    pub fn places(&self) -> Result<Vec<PlaceRow>, StoreError> {
        self.rows(
            "SELECT d.id, d.parent, d.role, d.purdue, d.zone, a.ip, d.first_seen, d.last_seen
             FROM device d LEFT JOIN device_address a ON a.device = d.id AND a.place = 0 ORDER BY d.id",
            &Conditions::default(),
            |row| {
                Ok(PlaceRow {
                    id: DeviceId(row.get(0)?),
                    parent: device(row, 1)?,
                    role: parsed(row, 2, Role::parse)?,
                    purdue: row.get(3)?,
                    zone: row.get(4)?,
                    ip: parsed_option(row, 5, |text| text.parse().ok())?,
                    first_seen: Timestamp(row.get(6)?),
                    last_seen: Timestamp(row.get(7)?),
                })
            },
        )
    }

    /// Who uses what of whom, by number of the entry: of these devices on either side, or of all where the list is empty;
    /// last seen at or after one time, first seen at or before another.
    ///
    /// # Errors
    /// As the store's.
    pub fn uses(
        &self,
        devices: &[DeviceId],
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Vec<UseRow>, StoreError> {
        if devices.len() > PART {
            let mut found = Vec::new();
            for part in devices.chunks(PART) {
                found.extend(self.uses(part, since, until)?);
            }
            return Ok(found);
        }
        let mut conditions = Conditions::default();
        conditions.and("kind IN ('connection', 'function') AND client IS NOT NULL AND server IS NOT NULL");
        if !devices.is_empty() {
            let list = super::marks(devices.len());
            conditions.and(&format!("(client IN ({list}) OR server IN ({list}))"));
            for _ in 0..2 {
                conditions.values.extend(devices.iter().map(|id| Value::from(id.0)));
            }
        }
        if let Some(since) = since {
            conditions.and("last_seen >= ?").value(since.0);
        }
        if let Some(until) = until {
            conditions.and("first_seen <= ?").value(until.0);
        }
        let sql = format!(
            "SELECT client, server, protocol, port, CASE kind WHEN 'function' THEN label ELSE '' END, allowed, count,
                 first_seen, last_seen
             FROM baseline{} ORDER BY id",
            conditions.sql
        );
        self.rows(&sql, &conditions, |row| {
            Ok(UseRow {
                client: DeviceId(row.get(0)?),
                server: DeviceId(row.get(1)?),
                protocol: parsed(row, 2, |text| Some(intern(text)))?,
                port: row.get(3)?,
                label: parsed(row, 4, |text| Some(intern(text)))?,
                allowed: row.get(5)?,
                count: count(row, 6)?,
                first_seen: Timestamp(row.get(7)?),
                last_seen: Timestamp(row.get(8)?),
            })
        })
    }

    /// Between which devices alerts are: source, destination and severity, by number of the alert. An alert with one side
    /// only names it twice.
    ///
    /// # Errors
    /// As the store's.
    pub fn alert_sides(&self, numbers: &[u32]) -> Result<Vec<(DeviceId, DeviceId, Severity)>, StoreError> {
        let mut found = Vec::new();
        for part in numbers.chunks(PART) {
            let mut conditions = Conditions::default();
            conditions.one_of("a.number", part.iter().copied());
            let sql = format!(
                "SELECT COALESCE(s.device, d.device), COALESCE(d.device, s.device), a.severity FROM alert a
                 LEFT JOIN alert_peer s ON s.alert = a.number AND s.role = 'source' AND s.device IS NOT NULL
                 LEFT JOIN alert_peer d ON d.alert = a.number AND d.role = 'destination' AND d.device IS NOT NULL
                 {} AND (s.device IS NOT NULL OR d.device IS NOT NULL) ORDER BY a.number, s.place, d.place",
                conditions.sql
            );
            found.extend(self.rows(&sql, &conditions, |row| {
                Ok((DeviceId(row.get(0)?), DeviceId(row.get(1)?), severity(row, 2)?))
            })?);
        }
        Ok(found)
    }
}
