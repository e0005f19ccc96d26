//! Versions of program blocks.

use super::{Conditions, Reader, like};
use crate::StoreError;
use crate::load::programs;
use ot_engine::model::{DeviceId, ProgramVersion};
use ot_protocol::Timestamp;
use rusqlite::types::ToSql;

/// Which versions of program blocks. An empty list asks for nothing in particular; all that is asked for must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramQuery {
    /// These numbers.
    pub numbers: Vec<u32>,
    /// Of these devices.
    pub devices: Vec<DeviceId>,
    /// Of one of these protocols.
    pub protocols: Vec<String>,
    /// Name of the block or file.
    pub name: Option<String>,
    /// Start of the SHA-256, in hexadecimal digits.
    pub sha256: Option<String>,
    /// Last seen at or after.
    pub since: Option<Timestamp>,
    /// Whether their bytes are wanted.
    pub bytes: bool,
}

impl Reader {
    /// Versions of program blocks, in order of number.
    pub fn programs(&self, query: &ProgramQuery) -> Result<Vec<ProgramVersion>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.one_of("number", query.numbers.iter().copied());
        conditions.one_of("device", query.devices.iter().map(|id| id.0));
        conditions.one_of("protocol", query.protocols.iter().cloned());
        if let Some(name) = &query.name {
            conditions.and("name = ? COLLATE NOCASE").value(name.clone());
        }
        if let Some(start) = &query.sha256 {
            conditions.and("sha256 LIKE ? ESCAPE '\\'").value(like(start).trim_start_matches('%').to_owned());
        }
        if let Some(since) = query.since {
            conditions.and("last_seen >= ?").value(since.0);
        }
        let parameters: Vec<&dyn ToSql> = conditions.parameters().collect();
        programs(&self.connection, "", &conditions.sql, &parameters, query.bytes).map_err(|error| self.fail(error))
    }
}
