//! The sizes and intervals of a journal.

use super::error::JournalError;
use super::format::{HEADER_BYTES, RECORD_BYTES_MAX, TAIL_RESERVE};
use crate::domain::Nanos;

/// Smallest segment: an empty one takes any record, with room for a checkpoint and the seal.
pub const SEGMENT_BYTES_MIN: u64 = 1024 * 1024;
/// Largest segment: a compressed one is unpacked into memory by a reader.
pub const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

const _: () = assert!(SEGMENT_BYTES_MIN as usize > HEADER_BYTES + RECORD_BYTES_MAX + TAIL_RESERVE);

/// How a journal is kept. The default suits a laptop and a busy day alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalConfig {
    /// Size of one segment, a multiple of 4096. A quote is about 110 bytes: 64 MiB is 600,000 of them.
    pub segment_bytes: u64,
    /// How far before the writer pages are made ready. A first touch costs the writer 3 microseconds a page; 4 MiB is
    /// 40 ms of a million events a second, well above the flusher's turn.
    pub touch_ahead_bytes: u64,
    /// Time between two syncs to the disk: what a dying machine may lose. 0 leaves it to the kernel (about 30 s).
    pub flush_interval_ns: Nanos,
    /// A checkpoint of the core's state is due after so many events; 0 is never.
    pub checkpoint_every: u64,
    /// Compress sealed segments in the background.
    pub compress: bool,
    /// Newest sealed segments that stay uncompressed, so that a reader a little behind does not unpack.
    pub raw_segments: usize,
    /// Most sealed segments kept; 0 is all. An engine restores from event 1, so one whose first segments are gone
    /// does not start again on this journal: give retention only to copies, or to a journal that is done.
    pub segments_max: usize,
    /// Most bytes of sealed segments kept; 0 is all. As above.
    pub bytes_max: u64,
}

impl Default for JournalConfig {
    fn default() -> Self {
        JournalConfig {
            segment_bytes: 64 * 1024 * 1024,
            touch_ahead_bytes: 4 * 1024 * 1024,
            flush_interval_ns: 1_000_000_000,
            checkpoint_every: 10_000,
            compress: true,
            raw_segments: 2,
            segments_max: 0,
            bytes_max: 0,
        }
    }
}

impl JournalConfig {
    pub(super) fn check(&self) -> Result<(), JournalError> {
        let (min, max) = (SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        if !(min..=max).contains(&self.segment_bytes) || !self.segment_bytes.is_multiple_of(4096) {
            return Err(JournalError::SegmentBytes { value: self.segment_bytes, min, max });
        }
        Ok(())
    }
}
