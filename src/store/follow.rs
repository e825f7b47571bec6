//! From the journal into the store, batch by batch.

use super::error::StoreError;
use super::write::Store;
use crate::analytics::{Recorder, Row};
use crate::journal::Reader;
use std::path::Path;

/// Records in one transaction: some ten milliseconds of work.
const BATCH: usize = 8_192;

/// How far a follower is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// More is waiting; the last event taken.
    Behind { seq: u64 },
    /// All that is written has been taken.
    Level { seq: u64 },
}

/// Follows one journal into one store. Begins with the journal's first event, so that it knows open trades; rows that
/// the store has already are passed over.
pub struct Follower {
    store: Store,
    reader: Reader,
    recorder: Recorder,
    stored: u64,
    seq: u64,
    rows: Vec<Row>,
    /// Rows that are not written yet.
    pending: Vec<(u16, Row)>,
}

impl Follower {
    pub fn open(journal: &Path, file: &Path) -> Result<Follower, StoreError> {
        Follower::from(Reader::open(journal, 1)?, Store::open(file)?)
    }

    /// Empties the store first, once there is a journal to fill it from.
    pub fn rebuild(journal: &Path, file: &Path) -> Result<Follower, StoreError> {
        let (reader, mut store) = (Reader::open(journal, 1)?, Store::open(file)?);
        store.clear()?;
        Follower::from(reader, store)
    }

    fn from(reader: Reader, store: Store) -> Result<Follower, StoreError> {
        let stored = match store.position()? {
            Some((found, _)) if found != reader.epoch() => {
                let (path, wanted) = (store.path().to_path_buf(), reader.epoch());
                return Err(StoreError::OtherJournal { path, found, wanted });
            }
            Some((_, seq)) => seq,
            None => 0,
        };
        Ok(Follower { store, reader, recorder: Recorder::new(), stored, seq: 0, rows: Vec::new(), pending: Vec::new() })
    }

    /// Takes what is there, at most a batch. After an error that passes the rows are kept, and the next turn writes
    /// them first.
    pub fn turn(&mut self) -> Result<Turn, StoreError> {
        self.flush()?;
        for _ in 0..BATCH {
            let Some(record) = self.reader.next()? else {
                if self.seq < self.stored {
                    let (path, stored) = (self.store.path().to_path_buf(), self.stored);
                    return Err(StoreError::Ahead { path, stored, last: self.seq });
                }
                self.flush()?;
                return Ok(Turn::Level { seq: self.seq });
            };
            self.seq = record.event.seq;
            self.recorder.apply(&record.event, record.effects(), &mut self.rows);
            for (n, row) in self.rows.drain(..).enumerate() {
                self.store.learn(&row);
                if self.seq > self.stored {
                    self.pending.push((n as u16, row));
                }
            }
        }
        self.flush()?;
        Ok(Turn::Behind { seq: self.seq })
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.seq > self.stored && !self.pending.is_empty() {
            self.store.write(&self.pending, self.reader.epoch(), self.seq)?;
            self.pending.clear();
            self.stored = self.seq;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn store(&self) -> &Store {
        &self.store
    }
}
