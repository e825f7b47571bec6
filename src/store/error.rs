use crate::journal::ReadError;
use std::path::PathBuf;

/// Why the store does not follow. Nothing of it touches trading.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the trade store {path} cannot be opened: {source}")]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("the trade store {path} is locked by another program: close it, rows wait meanwhile")]
    Locked { path: PathBuf },
    #[error("the disk of the trade store {path} is full: make room, rows wait meanwhile")]
    Full { path: PathBuf },
    #[error("the trade store {path} cannot be written: {source}")]
    Write { path: PathBuf, source: rusqlite::Error },
    #[error("{path} has schema version {found}, this program knows up to {known}: use the newer program, or delete it")]
    TooNew { path: PathBuf, found: i64, known: i64 },
    #[error("{path} follows another journal (epoch {found:08x}, not {wanted:08x}): delete it, and it is rebuilt")]
    OtherJournal { path: PathBuf, found: u32, wanted: u32 },
    #[error(
        "{path} is ahead of the journal (event {stored}, the journal ends with {last}): delete it, and it is rebuilt"
    )]
    Ahead { path: PathBuf, stored: u64, last: u64 },
    #[error("the journal cannot be followed: {0}")]
    Journal(#[from] ReadError),
}

impl StoreError {
    /// Trying again may help: somebody else has to do something first, but the rows are kept.
    pub fn is_passing(&self) -> bool {
        matches!(self, StoreError::Locked { .. } | StoreError::Full { .. } | StoreError::Write { .. })
    }
}
