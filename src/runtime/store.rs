//! The store thread: the trade store follows the journal. Whatever befalls it is said and counted; trading never waits.

use crate::store::{Follower, StoreError, Turn};
use crate::telemetry::Counters;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Rest of a follower that is level: what people see of the store is at most this old.
const REST: Duration = Duration::from_millis(100);
/// Rest after a fault that may pass.
const RETRY: Duration = Duration::from_secs(2);
/// How long a stopping engine waits for the last rows. What is missing is written at the next start.
const PATIENCE: Duration = Duration::from_secs(3);

pub struct StoreThread {
    stop: Arc<AtomicBool>,
    done: Receiver<()>,
}

impl StoreThread {
    /// `None` where the thread cannot be started: said, and the engine goes on without a store.
    pub fn start(journal: &Path, file: &Path, counters: &Counters) -> Option<StoreThread> {
        let (journal, file) = (journal.to_path_buf(), file.to_path_buf());
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, errors) = (stop.clone(), counters.counter("store_errors_total"));
        let (ended, done) = channel();
        let body = move || {
            follow(&journal, &file, &stopped, &mut |error| {
                errors.add(1);
                tracing::error!("{error}; trading is not touched");
            });
            // The other end is gone only where nobody waits any more.
            let _ = ended.send(());
        };
        match std::thread::Builder::new().name("store".to_owned()).spawn(body) {
            Ok(_) => Some(StoreThread { stop, done }),
            Err(error) => {
                tracing::error!("the store thread cannot be started: {error}; the engine goes on without it");
                None
            }
        }
    }

    /// Lets it write what the journal holds, and ends it; a thread that hangs on its disk is left behind.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        if self.done.recv_timeout(PATIENCE).is_err() {
            tracing::warn!("the trade store is not level yet; the next start goes on with it");
        }
    }
}

/// Follows until `stop` is set and all is written, or until a fault that does not pass. Each new fault is told once.
fn follow(journal: &Path, file: &Path, stop: &AtomicBool, tell: &mut dyn FnMut(&StoreError)) {
    let mut follower: Option<Follower> = None;
    let mut told = String::new();
    let mut last_try: Option<Instant> = None;
    loop {
        let stopping = stop.load(Ordering::Acquire);
        if !stopping && last_try.is_some_and(|at| at.elapsed() < RETRY) {
            std::thread::sleep(REST);
            continue;
        }
        let turn = match follower.as_mut() {
            Some(open) => open.turn(),
            None => Follower::open(journal, file).and_then(|open| follower.insert(open).turn()),
        };
        match turn {
            Ok(turn) => {
                last_try = None;
                if !told.is_empty() {
                    told.clear();
                    tracing::info!("the trade store is written again");
                }
                match turn {
                    Turn::Behind { .. } => {}
                    Turn::Level { .. } if stopping => return,
                    Turn::Level { .. } => std::thread::sleep(REST),
                }
            }
            Err(error) => {
                let text = error.to_string();
                if text != told {
                    tell(&error);
                    told = text;
                }
                if !error.is_passing() || stopping {
                    return;
                }
                last_try = Some(Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::testing::journal;

    #[test]
    fn the_thread_follows_to_the_end_and_stops() {
        let dir = tempfile::tempdir().unwrap();
        let (log, file) = (dir.path().join("journal"), dir.path().join("trades.db"));
        let (_journal, _flusher, market) = journal(&log, 60, 1_000_000_000);
        let counters = Counters::default();
        StoreThread::start(&log, &file, &counters).unwrap().stop();
        let db = rusqlite::Connection::open(&file).unwrap();
        let fills: i64 = db.query_row("SELECT count(*) FROM fills", [], |row| row.get(0)).unwrap();
        assert_eq!(fills as u64, market.core.counters().fills);
        assert_eq!(counters.counter("store_errors_total").get(), 0);
    }

    #[test]
    fn a_store_that_cannot_be_is_told_once_and_ends_the_thread_not_the_engine() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("journal");
        let (_journal, _flusher, _) = journal(&log, 5, 1);
        let (mut told, stop) = (0, AtomicBool::new(false));
        follow(&log, &dir.path().join("no/such/folder.db"), &stop, &mut |_| told += 1);
        assert_eq!(told, 1);
    }
}
