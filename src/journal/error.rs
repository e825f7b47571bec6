//! What can go wrong, in sentences that name the file.

use std::io;
use std::path::{Path, PathBuf};

/// Why a journal cannot be opened, written ahead, or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("failed to {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("journal segment size {value} must be a multiple of 4096 in {min}..={max}")]
    SegmentBytes { value: u64, min: u64, max: u64 },
    #[error("journal {} is being written by process {pid}: stop that engine, or give this one a directory of its own", dir.display())]
    Locked { dir: PathBuf, pid: String },
    #[error("{} holds no journal", dir.display())]
    NoJournal { dir: PathBuf },
    #[error("{} is not a journal segment: it begins with {found:02x?}", path.display())]
    Foreign { path: PathBuf, found: Vec<u8> },
    #[error(
        "{} is written in journal format {found}, and this engine reads format {known}: replay it with the version that \
         wrote it, and start this one with a new engine.data_dir",
        path.display()
    )]
    Version { path: PathBuf, found: u32, known: u32 },
    #[error("{} has a damaged header at offset {offset}: {what}; the file was not changed", path.display())]
    BadHeader { path: PathBuf, offset: usize, what: String },
    #[error("{} is damaged at offset {offset}: {what}; the file was not changed", path.display())]
    Corrupt { path: PathBuf, offset: usize, what: String },
    #[error("a segment is missing from {}: event {expected} should come next, and {} begins with event {found}", dir.display(), next.display())]
    Missing { dir: PathBuf, expected: u64, found: u64, next: PathBuf },
    #[error("event {wanted} is no longer in {}: the oldest segment kept begins with event {first}", dir.display())]
    Removed { dir: PathBuf, wanted: u64, first: u64 },
}

/// Why a reader cannot go on.
pub type ReadError = JournalError;

impl JournalError {
    /// For `map_err`: what was tried, on which file.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
        let path = path.to_path_buf();
        move |source| JournalError::Io { action, path, source }
    }

    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, JournalError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// An append that was not taken. Nothing was written; the same event may be offered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JournalFull {
    /// The segment is full and no next one is ready: the disk is full, or the journal's thread is behind or gone.
    /// Passes by itself once there is room.
    #[error("the journal is full: its next segment is not ready (disk full, or the journal thread is behind)")]
    NoSegment,
    /// More effects than an `Outbox` holds. A defect of the caller: offering it again does not help.
    #[error("{effects} effects of one event are more than a record holds")]
    TooManyEffects { effects: usize },
}
