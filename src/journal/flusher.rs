//! The agent ahead of and behind the writer: pages touched before they are written, the next segment prepared, names
//! given, disk synced, old segments compressed and removed.

use super::compress::Compressor;
use super::config::JournalConfig;
use super::error::JournalError;
use super::files::{Lock, SegmentFile, next_path, raw_path, sync_dir};
use super::segment::{PAGE, Segment};
use super::writer::Shared;
use crate::agent::Agent;
use crate::domain::Nanos;
use crossbeam::channel::Sender;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// After a failure (a full disk, most often) the same is tried again this much later.
const RETRY_NS: Nanos = 500_000_000;
/// Pages just before the writer are made ready again on every turn: the kernel write-protects a page once it has
/// written it back, so one touched long before its use would cost the writer a fault after all.
const NEAR_BYTES: usize = 64 * 1024;

/// What it does in a turn. One that fails does not hold up the others.
#[derive(Clone, Copy)]
enum Duty {
    Touch,
    Prepare,
    Sync,
    Compress,
    Retain,
}

/// How one duty fares.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// The failure was said; the next success ends it.
    failing: bool,
    retry_at: Nanos,
}

/// Turn it often (every few milliseconds) on a thread that may wait for the disk.
pub struct JournalFlusher {
    dir: PathBuf,
    config: JournalConfig,
    shared: Arc<Shared>,
    /// Holds at most one segment, for the writer to take.
    slot: Sender<Arc<Segment>>,
    swaps: u64,
    current: Arc<Segment>,
    next: Option<Arc<Segment>>,
    /// The sealed predecessor, while the current segment is still called `next.tgj`: it gets its name once this one is
    /// on the disk.
    unnamed: Option<Arc<Segment>>,
    touched: usize,
    /// Committed position when the near pages were last touched.
    near: usize,
    synced: usize,
    sync_at: Nanos,
    /// Oldest first.
    sealed: VecDeque<SegmentFile>,
    compressor: Option<Compressor>,
    duties: [Standing; 5],
    _lock: Arc<Lock>,
}

impl JournalFlusher {
    #[allow(clippy::too_many_arguments)] // called once, by `Journal::open`
    pub(super) fn new(
        dir: &Path,
        config: JournalConfig,
        shared: Arc<Shared>,
        slot: Sender<Arc<Segment>>,
        current: Arc<Segment>,
        at: usize,
        sealed: Vec<SegmentFile>,
        lock: Arc<Lock>,
    ) -> JournalFlusher {
        JournalFlusher {
            dir: dir.to_path_buf(),
            config,
            shared,
            slot,
            swaps: 0,
            current,
            next: None,
            unnamed: None,
            touched: at,
            near: 0,
            synced: at / PAGE * PAGE,
            sync_at: 0,
            sealed: sealed.into(),
            compressor: None,
            duties: [Standing::default(); 5],
            _lock: lock,
        }
    }

    /// The work without which the writer would stop. Part of every turn.
    pub(super) fn keep_ahead(&mut self, now: Nanos) -> usize {
        let followed = self.follow();
        followed + self.turn(Duty::Touch, now, Self::touch_ahead) + self.turn(Duty::Prepare, now, Self::prepare)
    }

    /// Does a duty unless it failed a moment ago; says a failure once, and when it is over.
    fn turn(
        &mut self,
        duty: Duty,
        now: Nanos,
        work: fn(&mut JournalFlusher, Nanos) -> Result<usize, JournalError>,
    ) -> usize {
        if now < self.duties[duty as usize].retry_at {
            return 0;
        }
        let done = work(self, now);
        let standing = &mut self.duties[duty as usize];
        match done {
            Ok(work) => {
                if standing.failing && work > 0 {
                    tracing::info!(dir = %self.dir.display(), "the journal works again");
                    standing.failing = false;
                }
                work
            }
            Err(e) => {
                if !standing.failing {
                    let cause = std::error::Error::source(&e).map(ToString::to_string).unwrap_or_default();
                    tracing::error!(cause, "{e}; trying again");
                    standing.failing = true;
                }
                standing.retry_at = now + RETRY_NS;
                0
            }
        }
    }

    /// Sees that the writer has moved on.
    fn follow(&mut self) -> usize {
        if self.shared.swaps.load(Ordering::Acquire) == self.swaps {
            return 0;
        }
        // One segment is prepared at a time, so the writer is never more than one ahead.
        self.swaps += 1;
        if let Some(next) = self.next.take() {
            let old = std::mem::replace(&mut self.current, next);
            self.unnamed = Some(old);
            (self.touched, self.near, self.synced) = (self.config.touch_ahead_bytes as usize, 0, 0);
        }
        1
    }

    fn committed(&self) -> usize {
        self.current.committed().unwrap_or(0)
    }

    fn touch_ahead(&mut self, _now: Nanos) -> Result<usize, JournalError> {
        let at = self.committed();
        let mut work = 0;
        if at / PAGE != self.near / PAGE || self.near == 0 {
            self.touch(at, at + NEAR_BYTES)?;
            self.near = at;
            work += 1;
        }
        let ahead = (at + self.config.touch_ahead_bytes as usize).min(self.current.len());
        // In steps of a quarter, so that a slow market is not a system call a turn.
        let due = (ahead.saturating_sub(self.touched)) * 4 >= self.config.touch_ahead_bytes as usize;
        if ahead > self.touched && (due || ahead == self.current.len()) {
            self.touch(self.touched.max(at), ahead)?;
            self.touched = ahead;
            work += 1;
        }
        Ok(work)
    }

    fn touch(&self, from: usize, to: usize) -> Result<bool, JournalError> {
        self.current.touch(from, to).map_err(JournalError::io("make pages ready of the segment in", &self.dir))
    }

    /// Gives the current segment its name, once the one before it is on the disk.
    fn name_current(&mut self) -> Result<usize, JournalError> {
        let Some(old) = &self.unnamed else { return Ok(0) };
        let next = next_path(&self.dir);
        let first_seq = self.current.header(&next)?.first_seq;
        let path = raw_path(&self.dir, first_seq);
        let syncs = self.config.flush_interval_ns > 0;
        if syncs {
            old.sync(0, old.committed().unwrap_or(old.len())).map_err(JournalError::io("sync", &path))?;
            self.current.sync(0, PAGE).map_err(JournalError::io("sync", &next))?;
        }
        fs::rename(&next, &path).map_err(JournalError::io("name", &next))?;
        if syncs {
            sync_dir(&self.dir).map_err(JournalError::io("sync", &self.dir))?;
        }
        let first_seq = old.header(&path)?.first_seq;
        let path = raw_path(&self.dir, first_seq);
        self.sealed.push_back(SegmentFile { first_seq, path, compressed: false, bytes: old.len() as u64 });
        self.unnamed = None;
        Ok(1)
    }

    fn prepare(&mut self, _now: Nanos) -> Result<usize, JournalError> {
        let named = self.name_current()?;
        if self.next.is_some() {
            return Ok(named);
        }
        let path = next_path(&self.dir);
        let made = Segment::create(&path, self.config.segment_bytes).and_then(|segment| {
            segment.touch(0, self.config.touch_ahead_bytes as usize)?;
            Ok(segment)
        });
        match made {
            Ok(segment) => {
                let segment = Arc::new(segment);
                self.next = Some(segment.clone());
                // The slot has room: the writer took the one before.
                let _ = self.slot.try_send(segment);
                Ok(1)
            }
            Err(e) => {
                // What was begun is given back to the disk, which needs it.
                let _ = fs::remove_file(&path);
                Err(JournalError::io("prepare", &path)(e))
            }
        }
    }

    /// Syncs whole pages behind the writer. The page it writes in is left to it, or its next store could wait for the
    /// disk; but where not even a page was filled since the last time, the market is slow enough for that.
    fn sync_behind(&mut self, now: Nanos) -> Result<usize, JournalError> {
        if self.config.flush_interval_ns == 0 || now < self.sync_at {
            return Ok(0);
        }
        self.sync_at = now + self.config.flush_interval_ns;
        let at = self.committed();
        let (from, to) = (self.synced / PAGE * PAGE, at / PAGE * PAGE);
        if to > from {
            self.current.sync(from, to).map_err(JournalError::io("sync the segment in", &self.dir))?;
            self.synced = to;
        } else if at > self.synced {
            self.sync()?;
        } else {
            return Ok(0);
        }
        Ok(1)
    }

    /// Waits until everything appended so far is on the disk.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        let failed = JournalError::io("sync the segment in", &self.dir);
        let at = self.committed();
        let old = self.unnamed.as_ref().map_or(Ok(()), |old| old.sync(0, old.len()));
        old.and_then(|()| self.current.sync(0, PAGE))
            .and_then(|()| self.current.sync(self.synced / PAGE * PAGE, at))
            .map_err(failed)?;
        self.synced = at;
        Ok(())
    }

    fn compress(&mut self, _now: Nanos) -> Result<usize, JournalError> {
        let compressor = match self.compressor.take() {
            Some(compressor) => compressor,
            None => {
                let raw = self.sealed.iter().filter(|file| !file.compressed).count();
                let oldest = self.sealed.iter().find(|file| !file.compressed);
                match oldest {
                    Some(file) if self.config.compress && raw > self.config.raw_segments => {
                        Compressor::begin(&self.dir, file.clone())?
                    }
                    _ => return Ok(0),
                }
            }
        };
        match compressor.step(&self.dir)? {
            Err(unfinished) => self.compressor = Some(unfinished),
            Ok(done) => {
                if let Some(file) = self.sealed.iter_mut().find(|file| file.first_seq == done.first_seq) {
                    *file = done;
                }
            }
        }
        Ok(1)
    }

    fn retain(&mut self, _now: Nanos) -> Result<usize, JournalError> {
        let mut removed = 0;
        while let Some(oldest) = self.sealed.front()
            && self.compressor.is_none()
            && self.over_retention()
        {
            fs::remove_file(&oldest.path).map_err(JournalError::io("remove", &oldest.path))?;
            self.sealed.pop_front();
            removed += 1;
        }
        Ok(removed)
    }

    fn over_retention(&self) -> bool {
        let (count, bytes) = (self.config.segments_max, self.config.bytes_max);
        (count > 0 && self.sealed.len() > count)
            || (bytes > 0 && self.sealed.iter().map(|file| file.bytes).sum::<u64>() > bytes)
    }
}

impl Agent for JournalFlusher {
    fn name(&self) -> &str {
        "journal"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.keep_ahead(now)
            + self.turn(Duty::Sync, now, Self::sync_behind)
            + self.turn(Duty::Compress, now, Self::compress)
            + self.turn(Duty::Retain, now, Self::retain)
    }
}

impl Drop for JournalFlusher {
    /// An orderly stop leaves everything on the disk, unless that is left to the kernel.
    fn drop(&mut self) {
        self.follow();
        let named = self.name_current();
        let done = named.and_then(|_| if self.config.flush_interval_ns > 0 { self.sync() } else { Ok(()) });
        if let Err(e) = done {
            tracing::error!("{e}");
        }
    }
}
