//! The one writer: stores into the mapped segment, then one release store that shows them.

use super::config::JournalConfig;
use super::error::{JournalError, JournalFull};
use super::files::Lock;
use super::flusher::JournalFlusher;
use super::format::{
    HEADER_BYTES, Header, RECORD_BYTES_MAX, SEAL_BYTES, TAIL_RESERVE, encode_checkpoint, encode_event, encode_seal,
};
use super::recover::{Recovered, recover};
use super::segment::Segment;
use crate::core::effect::{Effect, OUTBOX_MAX, RecordedEffect};
use crate::core::event::Event;
use crate::domain::Nanos;
use crossbeam::channel::{Receiver, bounded};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shared by the writer, its flusher and the readers in the process.
#[derive(Default)]
pub(super) struct Shared {
    /// Sequence of the last event shown to readers.
    pub committed_seq: AtomicU64,
    /// How often the writer has moved into a prepared segment.
    pub swaps: AtomicU64,
}

/// How far the journal has come, for readers in the process: one load tells whether to look.
#[derive(Clone)]
pub struct Tail(Arc<Shared>);

impl Tail {
    /// Sequence of the last event that a `Reader` can be given.
    #[inline]
    pub fn committed_seq(&self) -> u64 {
        self.0.committed_seq.load(Ordering::Acquire)
    }
}

/// The writer. One a directory, on the core's thread.
pub struct Journal {
    segment: Arc<Segment>,
    /// Where the next record goes.
    at: usize,
    epoch: u32,
    last_seq: u64,
    checkpoint_every: u64,
    since_checkpoint: u64,
    shared: Arc<Shared>,
    /// The segment prepared by the flusher, at most one.
    prepared: Receiver<Arc<Segment>>,
    _lock: Arc<Lock>,
}

impl Journal {
    /// Opens the journal in `dir` for writing, or makes a new one there; cuts an unfinished end, and says so.
    ///
    /// The flusher is an agent for a thread of its own (it waits for the disk). Without its turns the journal takes
    /// what fits in the segment at hand and then answers `JournalFull`.
    pub fn open(dir: &Path, config: JournalConfig) -> Result<(Journal, JournalFlusher, Recovered), JournalError> {
        config.check()?;
        std::fs::create_dir_all(dir).map_err(JournalError::io("create", dir))?;
        let lock = Arc::new(Lock::take(dir)?);
        let opened = recover(dir, config.segment_bytes)?;
        let shared = Arc::new(Shared::default());
        shared.committed_seq.store(opened.recovered.last_seq, Ordering::Release);
        let (tx, prepared) = bounded(1);
        let segment = Arc::new(opened.segment);
        let journal = Journal {
            segment: segment.clone(),
            at: opened.at,
            epoch: opened.recovered.epoch,
            last_seq: opened.recovered.last_seq,
            checkpoint_every: config.checkpoint_every,
            since_checkpoint: 0,
            shared: shared.clone(),
            prepared,
            _lock: lock.clone(),
        };
        let mut flusher = JournalFlusher::new(dir, config, shared, tx, segment, opened.at, opened.sealed, lock);
        flusher.keep_ahead(0);
        Ok((journal, flusher, opened.recovered))
    }

    /// Random, made with the journal: makes client order ids unique across journals.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Sequence of the last event; the next one carries the one after it.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// How far the journal has come, for other threads.
    pub fn tail(&self) -> Tail {
        Tail(self.shared.clone())
    }

    /// Appends the event, the decisions it caused, and when they stood. Readers see it when this returns.
    ///
    /// No system call and no allocation: 44 ns for a quote where `write()` of its bytes takes 550 (bench `journal`, a busy
    /// two-core virtual machine). The event carries the sequence after `last_seq`; anything else is a defect of the
    /// sequencer and stops the engine.
    #[inline]
    pub fn append(&mut self, event: &Event, decided_ns: Nanos, effects: &[Effect]) -> Result<(), JournalFull> {
        if effects.len() > OUTBOX_MAX {
            return Err(JournalFull::TooManyEffects { effects: effects.len() });
        }
        self.append_recorded(event, decided_ns, effects.iter().map(Effect::recorded))
    }

    /// As `append`, for at most `OUTBOX_MAX` effects as a journal keeps them.
    #[inline]
    pub(super) fn append_recorded(
        &mut self,
        event: &Event,
        decided_ns: Nanos,
        effects: impl Iterator<Item = RecordedEffect> + Clone,
    ) -> Result<(), JournalFull> {
        assert!(event.seq == self.last_seq + 1, "event {} does not follow {}", event.seq, self.last_seq);
        let retry = effects.clone();
        if !self.put(TAIL_RESERVE, |room| encode_event(room, event, decided_ns, effects)) {
            self.rotate()?;
            if !self.put(TAIL_RESERVE, |room| encode_event(room, event, decided_ns, retry)) {
                return Err(JournalFull::NoSegment);
            }
        }
        self.last_seq = event.seq;
        self.since_checkpoint += 1;
        self.shared.committed_seq.store(event.seq, Ordering::Release);
        Ok(())
    }

    /// Whether the core's state should be noted now (`JournalConfig::checkpoint_every`).
    #[inline]
    pub fn checkpoint_due(&self) -> bool {
        self.checkpoint_every > 0 && self.since_checkpoint >= self.checkpoint_every
    }

    /// Notes the core's state after the last event: replay must come to the same. Also the last thing at an orderly stop.
    pub fn checkpoint(&mut self, state_hash: u64) -> Result<(), JournalFull> {
        let seq = self.last_seq;
        if !self.put(SEAL_BYTES, |room| encode_checkpoint(room, seq, state_hash)) {
            self.rotate()?;
            if !self.put(SEAL_BYTES, |room| encode_checkpoint(room, seq, state_hash)) {
                return Err(JournalFull::NoSegment);
            }
        }
        self.since_checkpoint = 0;
        Ok(())
    }

    /// Whether any one record certainly fits, with a checkpoint after it. The engine takes nothing while it does not.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.at + RECORD_BYTES_MAX + TAIL_RESERVE <= self.segment.len() || !self.prepared.is_empty()
    }

    /// Lets `encode` write a record at the end and shows it; false where it did not fit.
    #[inline]
    fn put(&mut self, reserve: usize, encode: impl FnOnce(&mut [u8]) -> Option<usize>) -> bool {
        let end = self.segment.len() - reserve;
        if self.at >= end {
            return false;
        }
        // SAFETY: this is the one writer (it holds the lock and is not cloned), `at` is the committed position, and
        // the slice is gone before the next one is made.
        let room = unsafe { self.segment.room(self.at, end) };
        match encode(room) {
            Some(len) => {
                self.at += len;
                self.segment.publish(self.at);
                true
            }
            None => {
                // What did not fit is shorter than a record, and so is what was soiled.
                // SAFETY: as above.
                unsafe { self.segment.room(self.at, end) }.fill(0);
                false
            }
        }
    }

    /// Seals the segment and moves into the prepared one: a few stores more than an append.
    #[cold]
    fn rotate(&mut self) -> Result<(), JournalFull> {
        let Ok(next) = self.prepared.try_recv() else { return Err(JournalFull::NoSegment) };
        let seq = self.last_seq;
        // `TAIL_RESERVE` keeps the place: it always fits.
        self.put(0, |room| encode_seal(room, seq));
        let header = Header { epoch: self.epoch, first_seq: seq + 1, segment_bytes: next.len() as u64 };
        // SAFETY: this is the one writer, and the segment was just taken out of the slot, new.
        unsafe { next.begin(&header) };
        // The flusher keeps the old one alive until it has seen the swap, so that nothing is unmapped here.
        self.segment = next;
        self.at = HEADER_BYTES;
        self.shared.swaps.fetch_add(1, Ordering::Release);
        Ok(())
    }
}
