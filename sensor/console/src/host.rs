//! What the console asks of the binary that it runs in: what needs an engine, protocols, or the evidence folder.

use ot_engine::config::EngineConfig;
use ot_store::Store;
use ot_store::read::Reader;
use ot_views::AlertStory;
use serde_json::{Map, Value};

/// The sensor around the console.
pub trait Host: Send + Sync + 'static {
    /// Configuration of the engine.
    fn engine(&self) -> &EngineConfig;

    /// Applies the commands that wait in the store, where no other process does.
    ///
    /// # Errors
    /// What happened, for a person.
    fn apply(&self, store: &mut Store) -> Result<(), String>;

    /// Takes out of an alert the packets that are not in the evidence folder any more.
    fn check_evidence(&self, alert: &mut AlertStory);

    /// The packets of an alert: one pcapng file.
    ///
    /// # Errors
    /// Why there are none, and what to do.
    fn packets(&self, alert: &AlertStory) -> Result<Vec<u8>, String>;

    /// What the packets of an alert say, message by message, as `decode` writes them; at most so many, and whether there
    /// are more.
    ///
    /// # Errors
    /// Why they cannot be had.
    fn messages(&self, alert: &AlertStory, most: usize) -> Result<(Vec<Map<String, Value>>, bool), String>;

    /// Bytes that are free on the disk of the store, where the system tells, and the number under which that is too little.
    fn disk(&self) -> (Option<u64>, u64);

    /// Everything about an alert in one archive.
    ///
    /// # Errors
    /// Why it cannot be made.
    fn bundle(&self, reader: &Reader, id: &str) -> Result<Vec<u8>, String>;
}
