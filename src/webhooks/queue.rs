//! What waits to be sent to one hook: bounded, and the gravest stays.

use super::notice::{Mark, Notice};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between the follower and one sender.
pub struct Queue {
    state: Mutex<State>,
    moved: Condvar,
    max: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Notice>,
    /// Those that had to go since one was last taken.
    left_out: u64,
    /// How far the journal has been looked through.
    seen: Mark,
    stop: bool,
}

/// What a sender finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// The oldest, and how many before it had to go.
    Notice(Notice, u64),
    /// Nothing waits, and the journal has been looked through this far.
    Idle(Mark),
    Stop,
}

impl Queue {
    pub fn new(max: usize) -> Queue {
        Queue { state: Mutex::default(), moved: Condvar::new(), max: max.max(1) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole before the lock is given back.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one at the end. Where there is no room the least grave goes, of equal ones the oldest; true where one did.
    pub fn push(&self, notice: Notice) -> bool {
        let mut state = self.lock();
        let full = state.waiting.len() >= self.max;
        if full {
            state.left_out += 1;
            let least = state.waiting.iter().enumerate().min_by_key(|(_, waiting)| waiting.severity);
            match least.map(|(at, waiting)| (at, waiting.severity)) {
                Some((at, severity)) if severity <= notice.severity => drop(state.waiting.remove(at)),
                _ => return true,
            }
        }
        state.waiting.push_back(notice);
        self.moved.notify_one();
        full
    }

    /// The journal has been looked through up to here, and what is for this hook has been pushed.
    pub fn saw(&self, mark: Mark) {
        self.lock().seen = mark;
    }

    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits at most `patience` for one. A queue that stops gives out nothing more: the rest is for the next start.
    pub fn take(&self, patience: Duration) -> Taken {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            if state.stop {
                return Taken::Stop;
            }
            if let Some(notice) = state.waiting.pop_front() {
                return Taken::Notice(notice, std::mem::take(&mut state.left_out));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Taken::Idle(state.seen);
            }
            state = self.moved.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits; false where the queue stops before.
    pub fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.lock();
        while !state.stop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.moved.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    pub fn stop(&self) {
        self.lock().stop = true;
        self.moved.notify_all();
    }
}
