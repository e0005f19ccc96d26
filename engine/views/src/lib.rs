//! The investigation questions as typed read models: alert list, alert, device, related alerts, baseline, timeline,
//! health, catalogue.
//!
//! Each view is a struct that serialises to a documented JSON object (README.md of this folder) and that a command, a
//! REST answer or a page shows. Views know no SQL and nothing of how a row came to be.

pub mod alert;
pub mod baseline;
pub mod catalogue;
pub mod csv;
pub mod device;
pub mod evidence;
pub mod export;
pub mod health;
pub mod import;
pub mod journal;
pub mod learning;
pub mod maintenance;
pub mod map;
pub mod metrics;
pub mod mining;
pub mod names;
pub mod navigator;
pub mod outbox;
pub mod overview;
pub mod preview;
pub mod program;
pub mod recommend;
pub mod related;
pub mod stats;
pub mod status;
pub mod timeline;
pub mod when;

pub use alert::{AlertLine, AlertStory, alert, alerts, find_alert, find_alerts};
pub use device::{DeviceLine, DeviceStory, PointLine, devices, find_devices, points};
pub use health::{HealthView, Surroundings, health};
pub use journal::{WorkLine, journal};
pub use learning::{LearningStatus, learning};
pub use maintenance::{WindowLine, WindowReport};
pub use map::{MapQuery, MapView, map};
pub use names::{Names, PeerView};
pub use outbox::{
    AgainView, AlertMessage, DestinationLine, OutboxView, StatusMessage, destinations, messages, status_message,
};
pub use program::{ProgramDiff, ProgramLine, ProgramStory, program, program_diff, programs};
pub use stats::{Stats, stats};
pub use timeline::{EventLine, events};

use ot_protocol::Timestamp;
use ot_store::StoreError;

/// Version of the JSON objects. It grows when a key changes its meaning or goes away; a new key does not change it.
pub const SCHEMA: u32 = 1;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No alert has this id.
    #[error("no alert has an id that starts with {0}; `ot-sensor alerts list` shows the ids")]
    NoAlert(String),
    /// Several alerts have an id that starts so.
    #[error("{given} is not one alert but several ({found}); write more digits of the id")]
    SeveralAlerts {
        /// What was given.
        given: String,
        /// Ids that start so.
        found: String,
    },
    /// What was given cannot be an id.
    #[error("{0:?} is no alert id; write at least 4 of its hexadecimal digits, as `ot-sensor alerts list` shows them")]
    BadAlertId(String),
    /// No device is named so.
    #[error(
        "no device is known as {0:?}; name it by number, address, MAC or name, as `ot-sensor devices list` shows it"
    )]
    NoDevice(String),
    /// No version of a program block has this number.
    #[error("there is no version {0}; `ot-sensor programs list` shows the versions")]
    NoVersion(u32),
    /// A version is the first one known of its block.
    #[error("no other version of the block was seen before version {0}; name the two that are to be compared")]
    NoVersionBefore(u32),
    /// A line of an exported baseline cannot be read.
    #[error("{file}, line {line}: {problem}; give a file made by `ot-sensor baseline export`")]
    BaselineFile {
        /// Which file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

/// RFC 3339, UTC, nine digits of the second.
pub(crate) fn time(time: Timestamp) -> String {
    time.to_string()
}
