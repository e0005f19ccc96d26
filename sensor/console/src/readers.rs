//! A small pool of readers of the store.

use crate::problem::Problem;
use ot_store::StoreError;
use ot_store::read::Reader;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Readers that are kept open.
const KEPT: usize = 8;

/// Readers of one store. Each answer is of one moment.
#[derive(Debug)]
pub struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
}

impl Readers {
    /// Of a store that must be there; brings an older one up to date.
    ///
    /// # Errors
    /// As the store's.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let first = Reader::open(path)?;
        Ok(Self { path: path.to_owned(), idle: Mutex::new(vec![first]) })
    }

    /// Where the store is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks something of one moment. Blocks: not for asynchronous code.
    ///
    /// # Errors
    /// As what is asked, and as the store's.
    pub fn read<T>(&self, ask: impl FnOnce(&Reader) -> Result<T, Problem>) -> Result<T, Problem> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match idle {
            Some(reader) => reader,
            None => Reader::open(&self.path)?,
        };
        reader.begin()?;
        // A reader whose question panics is dropped with it.
        let answer = ask(&reader);
        if reader.end().is_ok() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < KEPT {
                idle.push(reader);
            }
        }
        answer
    }
}
