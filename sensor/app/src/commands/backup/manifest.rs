//! What a backup says of itself.

use serde::{Deserialize, Serialize};

/// The file in the archive. It is the last one: nothing can be told of what is not written yet.
pub const NAME: &str = "manifest.json";
/// What [`Manifest::kind`] says.
pub const KIND: &str = "ot-sensor backup";
/// The layout of the archive that this version writes, and the newest that it reads.
pub const LAYOUT: u32 = 1;
/// The folder of the archive in which the packets of alerts lie.
pub const EVIDENCE: &str = "evidence/";

/// Files of a store by their names in the archive, with what stands behind the path of the store. The first is the store
/// itself and always there.
pub const PARTS: [(&str, &str); 4] =
    [("store.db", ""), ("access.db", ".access"), ("tls.crt", ".tls.crt"), ("tls.key", ".tls.key")];

/// What was backed up, and the hash of each file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`KIND`].
    pub kind: String,
    /// [`LAYOUT`].
    pub layout: u32,
    /// When it was made: wall time, RFC 3339.
    pub made: String,
    /// Version of ot-sensor that made it.
    pub version: String,
    /// Format of the store.
    pub store_format: i32,
    /// Id of the sensor of the newest run; empty without one.
    pub sensor: String,
    /// Its site; empty without.
    pub site: String,
    /// Newest packet time.
    pub newest_packet: Option<String>,
    /// Alerts in the store.
    pub alerts: u64,
    /// Devices in it.
    pub devices: u64,
    /// Events in it.
    pub events: u64,
    /// The files, in the order of the archive.
    pub files: Vec<Entry>,
    /// Packets of alerts that the store tells of and that could not be had.
    pub missing: Vec<Missing>,
}

/// A file of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, hexadecimal digits.
    pub sha256: String,
}

/// A file that is not in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Why not.
    pub why: String,
}
