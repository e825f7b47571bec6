//! From the journal to the hooks' queues.

use super::Filter;
use super::board::HookCell;
use super::notice::{Mark, Names, Notice};
use super::queue::Queue;
use crate::journal::{JournalError, ReadError, Reader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Records taken before the hooks are told how far that is.
const BATCH: usize = 8_192;

/// One hook as the follower sees it.
pub struct Out {
    pub filter: Filter,
    pub queue: Arc<Queue>,
    pub cell: Arc<HookCell>,
    /// What is not behind this has been settled before.
    pub from: Mark,
}

/// Reads the journal once for all hooks.
pub struct Follower {
    dir: PathBuf,
    reader: Reader,
    epoch: u32,
    names: Arc<Names>,
    outs: Vec<Out>,
    seq: u64,
}

impl Follower {
    /// Begins with what the hook that is furthest behind has not seen.
    pub fn open(dir: &Path, names: Arc<Names>, outs: Vec<Out>) -> Result<Follower, ReadError> {
        let from = outs.iter().map(|out| out.from.seq).min().unwrap_or(0).max(1);
        let reader = match Reader::open(dir, from) {
            // Segments that no hook has seen are gone: what is left is told.
            Err(JournalError::Removed { wanted, first, .. }) => {
                tell_gap(wanted, first);
                Reader::open(dir, first)?
            }
            other => other?,
        };
        Ok(Follower { dir: dir.to_path_buf(), epoch: reader.epoch(), reader, names, outs, seq: from - 1 })
    }

    /// Takes what is there, at most a batch; true where there may be more.
    pub fn turn(&mut self) -> Result<bool, ReadError> {
        let mut more = true;
        for _ in 0..BATCH {
            let record = match self.reader.next() {
                Ok(Some(record)) => record,
                Ok(None) => {
                    more = false;
                    break;
                }
                Err(JournalError::Missing { expected, found, .. }) => {
                    tell_gap(expected, found);
                    self.reader = Reader::open(&self.dir, found)?;
                    return Ok(true);
                }
                Err(error) => return Err(error),
            };
            let (seq, ts_ns) = (record.event.seq, record.event.ts_ns);
            if seq <= self.seq {
                continue;
            }
            self.seq = seq;
            if record.effect_bytes.is_empty() {
                continue;
            }
            for (place, effect) in record.effects().enumerate() {
                let at = Mark { seq, place: place as u16 };
                let Some(notice) = Notice::of(&self.names, self.epoch, at, ts_ns, &effect) else { continue };
                for out in self.outs.iter().filter(|out| at > out.from && out.filter.takes(&notice)) {
                    if out.queue.push(notice.clone()) {
                        out.cell.add(&out.cell.left_out);
                    }
                }
            }
        }
        for out in &self.outs {
            out.queue.saw(Mark::behind(self.seq).max(out.from));
        }
        Ok(more)
    }
}

fn tell_gap(from: u64, to: u64) {
    tracing::warn!("webhooks: the journal no longer has the events {from} to {}: their alerts are not told", to - 1);
}
