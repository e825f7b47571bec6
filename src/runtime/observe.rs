//! The observer: tails the journal into the view that the API, the narration and the summaries read.

use super::narrate::Narrator;
use crate::api::view::View;
use crate::domain::Nanos;
use crate::journal::{ReadError, Reader};
use crate::telemetry::hlog::HlogWriter;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Records applied before the view's lock is given back, so that a request waits for microseconds, not for a backlog.
const BATCH: usize = 256;

/// The view, shared with the API.
pub type SharedView = Arc<Mutex<View>>;

/// The view under its lock. A reader that panicked has left nothing half done: it only read.
pub fn lock(view: &SharedView) -> MutexGuard<'_, View> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}

pub struct Observer {
    reader: Reader,
    view: SharedView,
    narrator: Narrator,
    /// Records up to here belong to runs before this one: they are applied and not told.
    told_after: u64,
    hlog: Option<Hlog>,
}

struct Hlog {
    writer: HlogWriter<BufWriter<File>>,
    interval: Nanos,
    next: Nanos,
}

impl Observer {
    pub fn new(dir: &Path, view: SharedView, told_after: u64) -> Result<Observer, ReadError> {
        let reader = Reader::open(dir, 1)?;
        Ok(Observer { reader, view, narrator: Narrator::default(), told_after, hlog: None })
    }

    /// Writes the latency of each interval to `path` from now on.
    pub fn write_hlog(&mut self, path: &Path, interval: Nanos, now: Nanos) -> std::io::Result<()> {
        let writer = HlogWriter::create(path, now)?;
        self.hlog = Some(Hlog { writer, interval, next: now + interval });
        Ok(())
    }

    /// Applies what the journal has; returns how many records that were, at most one batch.
    pub fn turn(&mut self) -> Result<usize, ReadError> {
        let mut view = lock(&self.view);
        for n in 0..BATCH {
            let Some(record) = self.reader.next()? else { return Ok(n) };
            let (event, decided_ns) = (record.event, record.decided_ns);
            view.apply(&event, decided_ns, record.effects());
            if event.seq > self.told_after {
                self.narrator.tell(&view, &event, record.effects());
            }
        }
        Ok(BATCH)
    }

    /// Everything there is.
    pub fn catch_up(&mut self) -> Result<(), ReadError> {
        while self.turn()? > 0 {}
        Ok(())
    }

    /// Writes the interval that has passed; `last` also one that has not wholly.
    pub fn interval(&mut self, now: Nanos, last: bool) {
        let Some(hlog) = &mut self.hlog else { return };
        if now < hlog.next && !last {
            return;
        }
        hlog.next = now + hlog.interval;
        if let Err(cause) = hlog.writer.write_interval(lock(&self.view).stages_mut(), now) {
            tracing::warn!("the latency log is given up: {cause}");
            self.hlog = None;
        }
    }
}
