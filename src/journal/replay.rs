//! Replay: every event through a fresh core, every decision compared, every checkpoint verified.

use super::error::ReadError;
use super::format::RECORD_BYTES_MAX;
use super::reader::{Effects, Entry, Reader, RecordView};
use super::recover::Recovered;
use crate::core::effect::{Outbox, RecordedEffect};
use crate::core::event::Event;
use crate::domain::Nanos;
use crate::domain::wire::{Wire, Writer};
use std::path::Path;
use std::time::{Duration, Instant};

/// What is replayed: the core, seen from here.
pub trait Replayed {
    /// Applies one event and leaves its effects in `out`, which is empty.
    fn apply(&mut self, event: &Event, out: &mut Outbox);
    /// A number that differs where anything differs that a later decision could depend on.
    fn state_hash(&self) -> u64;
}

/// How far a replay has come. Given every `PROGRESS_EVERY` events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub events: u64,
    pub seq: u64,
    pub ts_ns: Nanos,
}

const PROGRESS_EVERY: u64 = 65_536;

/// A replay that came to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplaySummary {
    pub epoch: u32,
    pub events: u64,
    pub effects: u64,
    pub checkpoints: u64,
    /// 0, as all below, where the journal has no event.
    pub first_seq: u64,
    pub last_seq: u64,
    pub first_ts_ns: Nanos,
    pub last_ts_ns: Nanos,
    /// The core's state after the last event.
    pub state_hash: u64,
    pub elapsed: Duration,
}

impl ReplaySummary {
    pub fn events_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.events as f64 / seconds } else { 0.0 }
    }
}

/// Why a replay did not come to its end, or not to the same.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The journal cannot be read: nothing is said about the decisions.
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("event {seq}, effect {index}: the journal has {journaled}, replay gives {replayed}")]
    Decision {
        seq: u64,
        /// Place in the event's effects, from 0.
        index: usize,
        journaled: String,
        replayed: String,
    },
    #[error("after event {seq} the state hash is {replayed:016x}, the journal's checkpoint has {journaled:016x}")]
    State { seq: u64, journaled: u64, replayed: u64 },
    #[error("the journal was opened up to event {expected}, and replay ends at event {found}")]
    Short { expected: u64, found: u64 },
}

impl ReplayError {
    /// Whether the journal could be read and says something else than the core.
    pub fn is_difference(&self) -> bool {
        matches!(self, ReplayError::Decision { .. } | ReplayError::State { .. })
    }
}

/// Feeds every event of the journal in `dir` to `core`, which is fresh, and stops at the first difference.
pub fn replay(
    dir: &Path,
    core: &mut impl Replayed,
    mut progress: impl FnMut(Progress),
) -> Result<ReplaySummary, ReplayError> {
    let begun = Instant::now();
    let mut reader = Reader::open(dir, 1)?;
    let mut summary = ReplaySummary {
        epoch: reader.epoch(),
        events: 0,
        effects: 0,
        checkpoints: 0,
        first_seq: 0,
        last_seq: 0,
        first_ts_ns: 0,
        last_ts_ns: 0,
        state_hash: 0,
        elapsed: Duration::ZERO,
    };
    let mut compare = Compare { out: Outbox::new(), bytes: vec![0; RECORD_BYTES_MAX] };
    while let Some(entry) = reader.next_entry()? {
        match entry {
            Entry::Event(record) => {
                compare.apply(core, &record)?;
                let event = &record.event;
                if summary.events == 0 {
                    (summary.first_seq, summary.first_ts_ns) = (event.seq, event.ts_ns);
                }
                summary.events += 1;
                summary.effects += compare.out.effects().len() as u64;
                (summary.last_seq, summary.last_ts_ns) = (event.seq, event.ts_ns);
                if summary.events.is_multiple_of(PROGRESS_EVERY) {
                    progress(Progress { events: summary.events, seq: event.seq, ts_ns: event.ts_ns });
                }
            }
            Entry::Checkpoint { seq, state_hash: journaled } => {
                let replayed = core.state_hash();
                if replayed != journaled {
                    return Err(ReplayError::State { seq, journaled, replayed });
                }
                summary.checkpoints += 1;
            }
        }
    }
    summary.state_hash = core.state_hash();
    summary.elapsed = begun.elapsed();
    Ok(summary)
}

/// Brings `core`, which is fresh, to where the journal just opened ended. The same walk as `replay`: a core that
/// would decide otherwise than it did is not let loose on the orders that it has open.
pub fn restore(
    dir: &Path,
    recovered: &Recovered,
    core: &mut impl Replayed,
    progress: impl FnMut(Progress),
) -> Result<ReplaySummary, ReplayError> {
    let summary = replay(dir, core, progress)?;
    if summary.last_seq != recovered.last_seq {
        return Err(ReplayError::Short { expected: recovered.last_seq, found: summary.last_seq });
    }
    Ok(summary)
}

struct Compare {
    out: Outbox,
    bytes: Vec<u8>,
}

impl Compare {
    fn apply(&mut self, core: &mut impl Replayed, record: &RecordView) -> Result<(), ReplayError> {
        self.out.clear();
        core.apply(&record.event, &mut self.out);
        let mut w = Writer::new(&mut self.bytes);
        for effect in self.out.effects() {
            effect.recorded().put(&mut w);
        }
        // Effects that do not fit were not journaled either: then the bytes differ, and so do the effects.
        let len = w.finish().unwrap_or(0);
        if self.bytes[..len] == *record.effect_bytes {
            return Ok(());
        }
        let mut replayed = Effects::new(&self.bytes[..len], self.out.effects().len() as u16);
        let mut journaled = record.effects();
        let mut index = 0;
        loop {
            let (was, is) = (journaled.next(), replayed.next());
            if was != is || was.is_none() {
                let (journaled, replayed) = (words(was), words(is));
                return Err(ReplayError::Decision { seq: record.event.seq, index, journaled, replayed });
            }
            index += 1;
        }
    }
}

fn words(effect: Option<RecordedEffect>) -> String {
    effect.map_or_else(|| "nothing more".to_owned(), |effect| format!("{effect:?}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::support::{self, Toy};
    use super::super::{Journal, JournalError, tamper};
    use super::*;

    fn toy_journal(dir: &Path, events: u64) -> u64 {
        let (mut journal, _flusher, _) = Journal::open(dir, support::small()).unwrap();
        let (mut toy, mut out) = (Toy::default(), Outbox::new());
        for seq in 1..=events {
            let event = support::quote(seq);
            out.clear();
            toy.apply(&event, &mut out);
            journal.append(&event, event.ts_ns + 5, out.effects()).unwrap();
            if seq % 10 == 0 {
                journal.checkpoint(toy.state_hash()).unwrap();
            }
        }
        journal.checkpoint(toy.state_hash()).unwrap();
        toy.state_hash()
    }

    #[test]
    fn replay_comes_to_the_same_and_counts() {
        let dir = tempfile::tempdir().unwrap();
        let hash = toy_journal(dir.path(), 105);
        let summary = replay(dir.path(), &mut Toy::default(), |_| {}).unwrap();
        assert_eq!((summary.events, summary.checkpoints, summary.state_hash), (105, 11, hash));
        assert_eq!((summary.first_seq, summary.last_seq), (1, 105));
        assert_eq!((summary.first_ts_ns, summary.last_ts_ns), (support::quote(1).ts_ns, support::quote(105).ts_ns));
        assert_eq!(summary.effects, (1..=105).filter(|seq| seq % 3 == 0).count() as u64 * 2);
    }

    #[test]
    fn restoring_comes_back_to_the_end_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let hash = toy_journal(dir.path(), 50);
        let (mut journal, _flusher, recovered) = Journal::open(dir.path(), support::small()).unwrap();
        let mut toy = Toy::default();
        let restored = restore(dir.path(), &recovered, &mut toy, |_| {}).unwrap();
        assert_eq!((restored.last_seq, toy.state_hash()), (50, hash));
        assert_eq!(restored.last_ts_ns, support::quote(50).ts_ns);
        journal.append(&support::quote(51), 0, &[]).unwrap();

        let empty = tempfile::tempdir().unwrap();
        let (_journal, _flusher, recovered) = Journal::open(empty.path(), support::small()).unwrap();
        assert_eq!(restore(empty.path(), &recovered, &mut Toy::default(), |_| {}).unwrap().events, 0);
    }

    #[test]
    fn a_core_that_decides_otherwise_is_told_where_and_what() {
        let dir = tempfile::tempdir().unwrap();
        toy_journal(dir.path(), 40);
        let mut other = Toy { wrong_at: Some(27), ..Toy::default() };
        let e = replay(dir.path(), &mut other, |_| {}).unwrap_err();
        let ReplayError::Decision { seq: 27, index: 1, journaled, replayed } = &e else { panic!("{e}") };
        assert!(journaled.contains("Alarm") && replayed == "nothing more", "{e}");
        assert!(e.is_difference());
    }

    #[test]
    fn a_core_in_another_state_fails_at_the_first_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        toy_journal(dir.path(), 40);
        let mut other = Toy { hidden: 1, ..Toy::default() };
        let e = replay(dir.path(), &mut other, |_| {}).unwrap_err();
        assert!(matches!(e, ReplayError::State { seq: 10, .. }), "{e}");
    }

    #[test]
    fn a_decision_changed_under_a_right_checksum_is_found_by_the_comparison() {
        let dir = tempfile::tempdir().unwrap();
        toy_journal(dir.path(), 40);
        let altered = tamper::alter_decision(dir.path(), 20).unwrap();
        assert_eq!(altered.seq, 21, "the first at or after 20 that decided anything");
        let e = replay(dir.path(), &mut Toy::default(), |_| {}).unwrap_err();
        assert!(matches!(e, ReplayError::Decision { seq: 21, .. }), "{e}");

        // The same byte without the checksum never gets as far as the comparison.
        let dir = tempfile::tempdir().unwrap();
        toy_journal(dir.path(), 40);
        let path = dir.path().join("00000000000000000001.tgj");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[altered.offset] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let e = replay(dir.path(), &mut Toy::default(), |_| {}).unwrap_err();
        assert!(matches!(e, ReplayError::Read(JournalError::Corrupt { .. })) && !e.is_difference(), "{e}");
    }

    #[test]
    fn a_directory_without_a_journal_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let e = replay(dir.path(), &mut Toy::default(), |_| {}).unwrap_err();
        assert!(matches!(e, ReplayError::Read(JournalError::NoJournal { .. })), "{e}");
    }
}
