//! The journal as the sequencer sees it, and the core as replay sees it.

use super::sequencer::EventLog;
use crate::core::Core;
use crate::core::effect::{Effect, Outbox};
use crate::core::event::Event;
use crate::domain::Nanos;
use crate::journal::{Journal, Replayed};

impl EventLog for Journal {
    #[inline]
    fn has_room(&self) -> bool {
        Journal::has_room(self)
    }

    #[inline]
    fn append(&mut self, event: &Event, decided_ns: Nanos, effects: &[Effect]) -> Result<(), String> {
        Journal::append(self, event, decided_ns, effects).map_err(|full| full.to_string())
    }

    #[inline]
    fn checkpoint_due(&self) -> bool {
        Journal::checkpoint_due(self)
    }

    fn checkpoint(&mut self, state_hash: u64) {
        if let Err(full) = Journal::checkpoint(self, state_hash) {
            // A checkpoint is a help to replay, not a part of the record.
            tracing::warn!("a checkpoint was left out: {full}");
        }
    }
}

impl Replayed for Core {
    fn apply(&mut self, event: &Event, out: &mut Outbox) {
        self.on_event(event, out);
    }

    fn state_hash(&self) -> u64 {
        Core::state_hash(self)
    }
}
