//! Devices, and what people said of them.

use super::{Conditions, PART, Reader, like, marks, page_sql, said_of};
use crate::StoreError;
use crate::load::said;
use crate::value::{device, frame, mac, parsed, parsed_option, sub};
use ot_engine::context::{Context, Field, Importance, Said};
use ot_engine::model::{Device, DeviceAddress, DeviceId, IdentityValue, ProtocolUse, Role, RoleReason};
use ot_protocol::Timestamp;
use rusqlite::Row;
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What a person said of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidRow {
    /// Wall time.
    pub time: Timestamp,
    /// Who.
    pub who: String,
    /// Why, in the person's words.
    pub why: String,
    /// Field.
    pub field: String,
    /// What held before.
    pub before: Option<String>,
    /// What holds since.
    pub after: Option<String>,
}

/// Which devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceQuery {
    /// These; empty: all.
    pub devices: Vec<DeviceId>,
    /// One of these roles.
    pub roles: Vec<Role>,
    /// Speaks one of these protocols.
    pub protocols: Vec<String>,
    /// In this zone.
    pub zone: Option<String>,
    /// One of these importances.
    pub importances: Vec<Importance>,
    /// Of each of these fields one of these values is said.
    pub said: Vec<(Field, Vec<String>)>,
    /// Whether it speaks an OT protocol.
    pub ot: Option<bool>,
    /// Whether the baseline holds it.
    pub learned: Option<bool>,
    /// Occurs in name, vendor, address, MAC or an identity.
    pub text: Option<String>,
    /// Tells one of these properties of itself, for example `firmware`.
    pub properties: Vec<String>,
    /// Last seen at or after.
    pub since: Option<Timestamp>,
    /// Not seen at or after.
    pub quiet_since: Option<Timestamp>,
    /// First seen at or after.
    pub new_since: Option<Timestamp>,
    /// At most so many.
    pub limit: Option<u32>,
    /// So many of the first ones are left out.
    pub skip: u32,
}

impl Reader {
    /// What people said of a device, oldest first.
    pub fn device_history(&self, id: DeviceId) -> Result<Vec<SaidRow>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(id.0);
        self.rows(
            "SELECT wall_time, who, why, field, value_before, value_after FROM device_history WHERE device = ?
             ORDER BY id",
            &conditions,
            |row| {
                Ok(SaidRow {
                    time: Timestamp(row.get(0)?),
                    who: row.get(1)?,
                    why: row.get(2)?,
                    field: row.get(3)?,
                    before: row.get(4)?,
                    after: row.get(5)?,
                })
            },
        )
    }

    /// Devices, by number.
    pub fn devices(&self, query: &DeviceQuery) -> Result<Vec<Device>, StoreError> {
        let mut conditions = Conditions::default();
        if query.devices.len() > PART {
            let mut found = Vec::new();
            for part in query.devices.chunks(PART) {
                found.extend(self.devices(&DeviceQuery { devices: part.to_vec(), ..query.clone() })?);
            }
            found.sort_by_key(|device| device.id);
            return Ok(found);
        }
        conditions.one_of("d.id", query.devices.iter().map(|id| id.0));
        conditions.one_of("d.role", query.roles.iter().map(|role| role.as_str().to_owned()));
        if !query.protocols.is_empty() {
            conditions.and(&format!(
                "EXISTS (SELECT 1 FROM device_protocol p WHERE p.device = d.id AND p.protocol IN ({}))",
                marks(query.protocols.len())
            ));
            conditions.values.extend(query.protocols.iter().cloned().map(Value::from));
        }
        if let Some(zone) = &query.zone {
            conditions.and("d.zone = ?").value(zone.clone());
        }
        for (field, values) in said_of(&query.said, &query.importances) {
            conditions.and(&format!(
                "EXISTS (SELECT 1 FROM device_context c WHERE c.device = d.id AND c.field = ? AND c.value IN ({}))",
                marks(values.len())
            ));
            conditions.value(field.as_str().to_owned());
            conditions.values.extend(values.into_iter().map(Value::from));
        }
        if let Some(ot) = query.ot {
            conditions.and("d.ot = ?").value(ot);
        }
        if let Some(learned) = query.learned {
            conditions.and("d.learned = ?").value(learned);
        }
        if !query.properties.is_empty() {
            conditions.and(&format!(
                "EXISTS (SELECT 1 FROM device_identity x WHERE x.device = d.id AND x.property IN ({}))",
                marks(query.properties.len())
            ));
            conditions.values.extend(query.properties.iter().cloned().map(Value::from));
        }
        if let Some(since) = query.since {
            conditions.and("d.last_seen >= ?").value(since.0);
        }
        if let Some(since) = query.quiet_since {
            conditions.and("d.last_seen < ?").value(since.0);
        }
        if let Some(since) = query.new_since {
            conditions.and("d.first_seen >= ?").value(since.0);
        }
        if let Some(text) = &query.text {
            conditions.and(
                "(d.name LIKE ? ESCAPE '\\' OR d.vendor LIKE ? ESCAPE '\\' OR d.mac LIKE ? ESCAPE '\\'
                 OR EXISTS (SELECT 1 FROM device_address x WHERE x.device = d.id AND x.ip LIKE ? ESCAPE '\\')
                 OR EXISTS (SELECT 1 FROM device_identity x WHERE x.device = d.id AND x.value LIKE ? ESCAPE '\\'))",
            );
            for _ in 0..5 {
                conditions.value(like(text));
            }
        }
        let sql = format!(
            "SELECT d.id, d.name, d.mac, d.sub, d.parent, d.vendor, d.role, d.purdue, d.ot, d.learned, d.zone,
                 d.first_seen, d.last_seen
             FROM device d{} ORDER BY d.id{}",
            conditions.sql,
            page_sql(query.limit, query.skip)
        );
        let mut devices = self.rows(&sql, &conditions, |row| {
            Ok(Device {
                id: DeviceId(row.get(0)?),
                name: row.get(1)?,
                mac: parsed_option(row, 2, mac)?,
                sub: parsed(row, 3, sub)?,
                parent: device(row, 4)?,
                vendor: row.get(5)?,
                role: parsed(row, 6, Role::parse)?,
                purdue: row.get(7)?,
                ot: row.get(8)?,
                learned: row.get(9)?,
                zone: row.get(10)?,
                first_seen: Timestamp(row.get(11)?),
                last_seen: Timestamp(row.get(12)?),
                addresses: Vec::new(),
                role_reasons: Vec::new(),
                protocols: Vec::new(),
                identities: Vec::new(),
                context: Context::default(),
            })
        })?;
        self.fill_devices(&mut devices).map_err(|error| self.fail(error))?;
        Ok(devices)
    }

    /// What hangs on devices, a list at a time.
    fn fill_devices(&self, devices: &mut [Device]) -> rusqlite::Result<()> {
        // They come in order of their numbers.
        let owner = |devices: &mut [Device], row: &Row<'_>| -> rusqlite::Result<Option<usize>> {
            let id = DeviceId(row.get(0)?);
            Ok(devices.binary_search_by_key(&id, |device| device.id).ok())
        };
        for devices in devices.chunks_mut(PART) {
            let ids: Vec<u32> = devices.iter().map(|device| device.id.0).collect();
            let columns = "ip, vlan, first_seen, last_seen";
            self.hanging("device_address", "device", columns, "place", &ids, |row| {
                let address = DeviceAddress {
                    ip: parsed(row, 1, |text| text.parse().ok())?,
                    vlan: row.get(2)?,
                    first_seen: Timestamp(row.get(3)?),
                    last_seen: Timestamp(row.get(4)?),
                };
                if let Some(device) = owner(devices, row)?.and_then(|at| devices.get_mut(at)) {
                    device.addresses.push(address);
                }
                Ok(())
            })?;
            let columns = "protocol, as_client, as_server, first_seen, last_seen";
            self.hanging("device_protocol", "device", columns, "place", &ids, |row| {
                let protocol = ProtocolUse {
                    protocol: row.get(1)?,
                    as_client: row.get(2)?,
                    as_server: row.get(3)?,
                    first_seen: Timestamp(row.get(4)?),
                    last_seen: Timestamp(row.get(5)?),
                };
                if let Some(device) = owner(devices, row)?.and_then(|at| devices.get_mut(at)) {
                    device.protocols.push(protocol);
                }
                Ok(())
            })?;
            let columns = "property, value, source, first_seen, last_seen, file, frame";
            self.hanging("device_identity", "device", columns, "place", &ids, |row| {
                let identity = IdentityValue {
                    property: row.get(1)?,
                    value: row.get(2)?,
                    source: row.get(3)?,
                    first_seen: Timestamp(row.get(4)?),
                    last_seen: Timestamp(row.get(5)?),
                    frame: frame(row, 6)?,
                };
                if let Some(device) = owner(devices, row)?.and_then(|at| devices.get_mut(at)) {
                    device.identities.push(identity);
                }
                Ok(())
            })?;
            let columns = "role, reason, time, file, frame";
            self.hanging("device_role_reason", "device", columns, "place", &ids, |row| {
                let reason = RoleReason {
                    role: parsed(row, 1, Role::parse)?,
                    reason: row.get(2)?,
                    time: Timestamp(row.get(3)?),
                    frame: frame(row, 4)?,
                };
                if let Some(device) = owner(devices, row)?.and_then(|at| devices.get_mut(at)) {
                    device.role_reasons.push(reason);
                }
                Ok(())
            })?;
            let mut told: BTreeMap<usize, Vec<Said>> = BTreeMap::new();
            self.hanging("device_context", "device", "field, value, source, who", "field, value", &ids, |row| {
                if row.get_ref(3)?.as_str()? != "traffic"
                    && let Some(at) = owner(devices, row)?
                {
                    told.entry(at).or_default().push(said(row, 1)?);
                }
                Ok(())
            })?;
            for (at, said) in told {
                if let Some(device) = devices.get_mut(at) {
                    device.context = Context::new(said);
                }
            }
        }
        Ok(())
    }

    /// The units and link addresses reached through a device.
    pub fn children(&self, parent: DeviceId) -> Result<Vec<DeviceId>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(parent.0);
        self.rows("SELECT id FROM device WHERE parent = ? ORDER BY id", &conditions, |row| Ok(DeviceId(row.get(0)?)))
    }

    /// Devices with this address, the one at the address itself before those behind it.
    pub fn devices_by_ip(&self, ip: IpAddr) -> Result<Vec<DeviceId>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(ip.to_string());
        self.rows(
            "SELECT d.id FROM device d JOIN device_address a ON a.device = d.id WHERE a.ip = ?
             GROUP BY d.id ORDER BY d.sub <> '', d.id",
            &conditions,
            |row| Ok(DeviceId(row.get(0)?)),
        )
    }

    /// Devices with this MAC address (lower case, colons).
    pub fn devices_by_mac(&self, mac: &str) -> Result<Vec<DeviceId>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(mac.to_owned());
        self.rows("SELECT id FROM device WHERE mac = ? ORDER BY sub <> '', id", &conditions, |row| {
            Ok(DeviceId(row.get(0)?))
        })
    }

    /// Devices of this name: as given by a person, or the name or product that they tell. Case is ignored.
    pub fn devices_by_name(&self, name: &str) -> Result<Vec<DeviceId>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.value(name.to_owned()).value(name.to_owned());
        self.rows(
            "SELECT id FROM device WHERE name = ? COLLATE NOCASE
             UNION SELECT device FROM device_identity WHERE value = ? COLLATE NOCASE AND property IN ('name', 'product')
             ORDER BY 1",
            &conditions,
            |row| Ok(DeviceId(row.get(0)?)),
        )
    }
}
