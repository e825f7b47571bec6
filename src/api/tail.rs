//! Follows the journal into the view, and writes the latency log as time passes.

use super::view::View;
use crate::domain::Nanos;
use crate::telemetry::HlogWriter;
use std::fs::File;
use std::io::BufWriter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Records taken before others get their turn: about a millisecond of work.
const BATCH: usize = 4_096;

/// Where records come from: the journal's reader, or a test.
pub trait Records: Send {
    /// Hands the next record to the view; false where none is written yet. An error is a sentence, and for good.
    fn next(&mut self, view: &mut View) -> Result<bool, String>;
}

/// The view that all who show something share.
#[derive(Clone, Default)]
pub struct SharedView(Arc<Mutex<View>>);

impl SharedView {
    /// Waits for at most a batch of records.
    pub fn lock(&self) -> MutexGuard<'_, View> {
        // A panic while it was held ends the process by the supervisor's rule; until then a last look is better.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The latency log and when it is next due.
pub struct Hlog {
    pub writer: HlogWriter<BufWriter<File>>,
    pub interval_ns: Nanos,
    pub due_ns: Nanos,
}

pub struct Tail<R> {
    records: R,
    view: SharedView,
    hlog: Option<Hlog>,
    failed: bool,
    /// It has once seen all there was: what comes now is of this run.
    level: bool,
}

/// How far the tail is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// More is waiting.
    Behind,
    /// All that is written has been seen; `moved` where some of it was new.
    Level { moved: bool },
    /// The journal cannot be read on: nothing new will be seen. Told once.
    Failed(String),
}

impl<R: Records> Tail<R> {
    pub fn new(records: R, view: SharedView, hlog: Option<Hlog>) -> Tail<R> {
        Tail { records, view, hlog, failed: false, level: false }
    }

    /// Takes what is there, at most a batch.
    pub fn turn(&mut self, now: Nanos) -> Turn {
        let mut view = self.view.lock();
        if self.level {
            write_hlog(&mut self.hlog, &mut view, now);
        }
        for taken in 0..BATCH {
            match if self.failed { Ok(false) } else { self.records.next(&mut view) } {
                Ok(true) => {}
                Ok(false) => {
                    self.level = true;
                    return Turn::Level { moved: taken > 0 };
                }
                Err(error) => {
                    self.failed = true;
                    return Turn::Failed(error);
                }
            }
        }
        Turn::Behind
    }

    /// Takes all there is, and ends the latency log with its last interval.
    pub fn finish(mut self, now: Nanos) {
        while self.turn(now) == Turn::Behind {}
        if let Some(hlog) = &mut self.hlog {
            hlog.due_ns = now;
        }
        write_hlog(&mut self.hlog, &mut self.view.lock(), now);
    }
}

fn write_hlog(hlog: &mut Option<Hlog>, view: &mut View, now: Nanos) {
    let Some(due) = hlog.as_mut().filter(|hlog| now >= hlog.due_ns) else { return };
    due.due_ns = now.saturating_add(due.interval_ns);
    if let Err(error) = due.writer.write_interval(view.stages_mut(), now) {
        tracing::error!(%error, "the latency log cannot be written, and is given up");
        *hlog = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::{Body, Event};

    /// `left` records, then nothing, then a fault.
    struct Script {
        seq: u64,
        left: u64,
        fault: bool,
    }

    impl Records for Script {
        fn next(&mut self, view: &mut View) -> Result<bool, String> {
            if self.left == 0 {
                return if self.fault { Err("torn".to_owned()) } else { Ok(false) };
            }
            self.left -= 1;
            self.seq += 1;
            let event = Event { seq: self.seq, ts_ns: 1, recv_ns: 0, decoded_ns: 0, body: Body::Tick };
            view.apply(&event, 1, std::iter::empty());
            Ok(true)
        }
    }

    #[test]
    fn a_batch_at_a_time_until_level() {
        let view = SharedView::default();
        let left = BATCH as u64 + 10;
        let mut tail = Tail::new(Script { seq: 0, left, fault: false }, view.clone(), None);
        assert_eq!(tail.turn(1), Turn::Behind);
        assert_eq!(tail.turn(1), Turn::Level { moved: true });
        assert_eq!(tail.turn(1), Turn::Level { moved: false });
        assert_eq!(view.lock().core().seq(), left);
    }

    #[test]
    fn a_fault_is_told_once_and_what_was_seen_stays() {
        let view = SharedView::default();
        let mut tail = Tail::new(Script { seq: 0, left: 3, fault: true }, view.clone(), None);
        assert_eq!(tail.turn(1), Turn::Failed("torn".to_owned()));
        assert_eq!(tail.turn(1), Turn::Level { moved: false });
        assert_eq!(view.lock().core().seq(), 3);
    }

    #[test]
    fn the_latency_log_is_written_when_due_and_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("l.hlog");
        let view = SharedView::default();
        let writer = HlogWriter::create(&path, 100).unwrap();
        let hlog = Hlog { writer, interval_ns: 1_000, due_ns: 1_100 };
        let mut tail = Tail::new(Script { seq: 0, left: 0, fault: false }, view.clone(), Some(hlog));
        tail.turn(100);
        let stage = crate::telemetry::Stage::WrittenToAcked;
        let intervals = || std::fs::read_to_string(&path).unwrap().matches("Tag=written_to_acked").count();
        for (now, want) in [(100, 0), (1_099, 0), (1_100, 1), (1_200, 1), (2_100, 2)] {
            view.lock().stages_mut().record(stage, 1, 2);
            tail.turn(now);
            assert_eq!(intervals(), want, "at {now}");
        }
        view.lock().stages_mut().record(stage, 1, 2);
        tail.finish(2_200);
        assert_eq!(intervals(), 3);
    }
}
