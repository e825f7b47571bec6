//! The store thread: the trade store follows the journal. Whatever befalls it is said, counted, and an alert until it is
//! over; trading never waits.

use crate::core::alarm::AlarmKind;
use crate::core::command::Scope;
use crate::core::event::{Body, Input};
use crate::net::link::Tx;
use crate::store::{Follower, Turn};
use crate::telemetry::{Counter, Counters};
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

/// What the operator is told of: by the log, a counter, and an alert of the core.
struct Teller {
    errors: Counter,
    commands: Tx<Input>,
    /// Whether the alert stands, as the core was told last, and as it should be.
    stands: bool,
    is_so: bool,
}

impl Teller {
    fn failed(&mut self, words: &str) {
        self.errors.add(1);
        tracing::error!("{words}; trading is not touched");
        self.is_so = true;
    }

    fn recovered(&mut self) {
        self.is_so = false;
    }

    /// One that finds no room is told the next time.
    fn tell(&mut self) {
        if self.stands == self.is_so {
            return;
        }
        let body = Body::Condition { kind: AlarmKind::StoreBehind, scope: Scope::Account, is_so: self.is_so };
        if self.commands.try_send(Input::new(body)).is_ok() {
            self.stands = self.is_so;
        }
    }
}

impl StoreThread {
    /// `None` where the thread cannot be started: said, and the engine goes on without a store. `stands`: the journal's
    /// last run left its alert standing.
    pub fn start(
        journal: &Path,
        file: &Path,
        counters: &Counters,
        commands: Tx<Input>,
        stands: bool,
    ) -> Option<StoreThread> {
        let (journal, file) = (journal.to_path_buf(), file.to_path_buf());
        let stop = Arc::new(AtomicBool::new(false));
        let errors = counters.counter("store_errors_total");
        let stopped = stop.clone();
        let (ended, done) = channel();
        let mut teller = Teller { errors: errors.clone(), commands: commands.clone(), stands, is_so: stands };
        let body = move || {
            follow(&journal, &file, &stopped, &mut teller);
            // The other end is gone only where nobody waits any more.
            let _ = ended.send(());
        };
        match std::thread::Builder::new().name("store".to_owned()).spawn(body) {
            Ok(_) => Some(StoreThread { stop, done }),
            Err(error) => {
                let mut teller = Teller { errors, commands, stands, is_so: stands };
                teller.failed(&format!("the store thread cannot be started: {error}"));
                teller.tell();
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
fn follow(journal: &Path, file: &Path, stop: &AtomicBool, teller: &mut Teller) {
    let mut follower: Option<Follower> = None;
    let mut told = String::new();
    let mut last_try: Option<Instant> = None;
    loop {
        teller.tell();
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
                    Turn::Level { .. } => {
                        teller.recovered();
                        if stopping {
                            return;
                        }
                        std::thread::sleep(REST);
                    }
                }
            }
            Err(error) => {
                let text = error.to_string();
                if text != told {
                    teller.failed(&text);
                    told = text;
                }
                if !error.is_passing() || stopping {
                    teller.tell();
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
    use crate::net::link::{Rx, Wake, link};

    /// The next thing that the core is told: whether the store is behind.
    fn told(rx: &Rx<Input>) -> bool {
        loop {
            match rx.try_recv().map(|input| input.body) {
                Some(Body::Condition { kind: AlarmKind::StoreBehind, scope: Scope::Account, is_so }) => return is_so,
                Some(other) => panic!("{other:?}"),
                None => std::thread::yield_now(),
            }
        }
    }

    #[test]
    fn the_thread_follows_to_the_end_and_stops() {
        let dir = tempfile::tempdir().unwrap();
        let (log, file) = (dir.path().join("journal"), dir.path().join("trades.db"));
        let (_journal, _flusher, market) = journal(&log, 60, 1_000_000_000);
        let (counters, (tx, rx)) = (Counters::default(), link(8, &Wake::default()));
        StoreThread::start(&log, &file, &counters, tx, false).unwrap().stop();
        let db = rusqlite::Connection::open(&file).unwrap();
        let fills: i64 = db.query_row("SELECT count(*) FROM fills", [], |row| row.get(0)).unwrap();
        assert_eq!(fills as u64, market.core.counters().fills);
        assert_eq!((counters.counter("store_errors_total").get(), rx.len()), (0, 0));
    }

    #[test]
    fn a_locked_file_is_an_alert_until_it_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let (log, file) = (dir.path().join("journal"), dir.path().join("trades.db"));
        let (_journal, _flusher, _) = journal(&log, 60, 1_000_000_000);
        drop(Follower::open(&log, &file).unwrap());
        let other = rusqlite::Connection::open(&file).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (counters, (tx, rx)) = (Counters::default(), link(8, &Wake::default()));
        let thread = StoreThread::start(&log, &file, &counters, tx, false).unwrap();
        assert!(told(&rx));
        other.execute_batch("ROLLBACK").unwrap();
        assert!(!told(&rx));
        thread.stop();
        assert_eq!((counters.counter("store_errors_total").get(), rx.len()), (1, 0));
    }

    #[test]
    fn an_alert_of_the_last_run_is_taken_back_once_the_store_is_level() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("journal");
        let (_journal, _flusher, _) = journal(&log, 5, 1);
        let (tx, rx) = link(8, &Wake::default());
        let thread = StoreThread::start(&log, &dir.path().join("trades.db"), &Counters::default(), tx, true).unwrap();
        assert!(!told(&rx));
        thread.stop();
    }

    #[test]
    fn a_store_that_cannot_be_is_told_once_and_ends_the_thread_not_the_engine() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("journal");
        let (_journal, _flusher, _) = journal(&log, 5, 1);
        let (counters, (tx, rx)) = (Counters::default(), link(8, &Wake::default()));
        let thread = StoreThread::start(&log, &dir.path().join("no/such/folder.db"), &counters, tx, false).unwrap();
        assert!(told(&rx));
        thread.done.recv().unwrap();
        assert_eq!((counters.counter("store_errors_total").get(), rx.len()), (1, 0));
    }
}
