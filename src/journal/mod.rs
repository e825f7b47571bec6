//! The log: one append-only, memory-mapped record of every event and of the decisions it caused.
//!
//! Owns: the format and its version, the single writer, the agent that works ahead of and behind it, the tailing
//! reader, recovery of a torn tail, replay.
//! Must not know: the rest of the crate but `domain` and the core's `Event`, `Effect` and `Outbox` (and `agent`, the
//! seam that every agent stands on). Replay drives the core through the trait `Replayed`, so it never names it.
//!
//! ```text
//!  core thread                         journal thread                    any thread, any process
//!  Journal::append ── stores ──▶ page cache ◀── touch ahead, msync, ──  JournalFlusher
//!        │                           ▲           prepare next, compress
//!        └── committed (Release) ────┴── committed (Acquire) ─────────── Reader::next
//! ```
//!
//! A directory holds
//! - `00000000000000000001.tgj`: segments, named by the sequence of their first event, preallocated to one size;
//! - `00000000000000000001.tgj.gz`: the same, sealed and compressed, without the unused end;
//! - `next.tgj`: the segment prepared ahead; it has a header once the writer has moved into it, and its name soon after;
//! - `lock`: held by the one engine that writes, with its process id.
//!
//! Invariants:
//! - The events of a journal are 1, 2, 3, … without a gap, over all its segments.
//! - What a reader is shown is whole, checked, and never changes.
//! - A record whose `append` has returned survives the death of the process, however it dies. It survives the death of
//!   the machine once the flusher has synced it (`JournalConfig::flush_interval_ns`).
//! - A damaged journal is refused with the file and the offset, and left as it was found. Only an unfinished end is cut.
//!
//! Answers to "no room": a record is at most `RECORD_BYTES_MAX`, which every empty segment holds, so no event is ever too
//! large; where the next segment is not ready (disk full, flusher behind) `append` says `JournalFull`, `has_room` says so
//! beforehand, and both say otherwise as soon as there is one.
//!
//! Not defended against: another program that truncates or rewrites a segment while it is mapped.

mod compress;
mod config;
mod crc;
mod error;
mod files;
mod flusher;
mod format;
mod reader;
mod recover;
mod replay;
mod segment;
pub mod tamper;
mod writer;

#[cfg(test)]
mod tests;

pub use config::{JournalConfig, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
pub use error::{JournalError, JournalFull, ReadError};
pub use flusher::JournalFlusher;
pub use format::{FORMAT_VERSION, RECORD_BYTES_MAX};
pub use reader::{Effects, Entry, Reader, RecordView};
pub use recover::{CutReason, Recovered};
pub use replay::{Progress, ReplayError, ReplaySummary, Replayed, replay, restore};
pub use writer::{Journal, Tail};
