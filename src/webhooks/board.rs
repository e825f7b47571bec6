//! How the hooks do: for `status` and for metrics.

use super::queue::Queue;
use crate::domain::Nanos;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Every hook's numbers. Cheap to clone; clones share them.
#[derive(Clone, Default)]
pub struct Board(Arc<Vec<Arc<HookCell>>>);

/// One hook's numbers, that its threads count.
pub struct HookCell {
    name: String,
    kind: &'static str,
    queue: Arc<Queue>,
    pub delivered: AtomicU64,
    pub retries: AtomicU64,
    pub refused: AtomicU64,
    pub given_up: AtomicU64,
    pub left_out: AtomicU64,
    failing: AtomicBool,
    delivered_ns: AtomicI64,
    last_error: Mutex<Option<String>>,
}

/// One hook as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookReport {
    pub name: String,
    pub kind: &'static str,
    /// In the queue; the one that is being sent is not.
    pub waiting: usize,
    pub delivered: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Alerts that the receiver refused for good.
    pub refused: u64,
    /// Alerts that were not delivered in time.
    pub given_up: u64,
    /// Alerts that had no room.
    pub left_out: u64,
    /// The last attempt did not succeed.
    pub failing: bool,
    /// 0: not yet in this run.
    pub delivered_ns: Nanos,
    pub last_error: Option<String>,
}

impl HookCell {
    pub fn new(name: &str, kind: &'static str, queue: Arc<Queue>) -> HookCell {
        HookCell {
            name: name.to_owned(),
            kind,
            queue,
            delivered: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            delivered_ns: AtomicI64::new(0),
            last_error: Mutex::new(None),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn add(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// True where it worked before.
    pub fn failed(&self, why: &str) -> bool {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
        !self.failing.swap(true, Ordering::Relaxed)
    }

    /// True where it did not work before.
    pub fn worked(&self, now: Nanos) -> bool {
        self.add(&self.delivered);
        self.delivered_ns.store(now, Ordering::Relaxed);
        self.failing.swap(false, Ordering::Relaxed)
    }

    fn report(&self) -> HookReport {
        let n = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HookReport {
            name: self.name.clone(),
            kind: self.kind,
            waiting: self.queue.len(),
            delivered: n(&self.delivered),
            retries: n(&self.retries),
            refused: n(&self.refused),
            given_up: n(&self.given_up),
            left_out: n(&self.left_out),
            failing: self.failing.load(Ordering::Relaxed),
            delivered_ns: self.delivered_ns.load(Ordering::Relaxed),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl Board {
    pub fn new(cells: Vec<Arc<HookCell>>) -> Board {
        Board(Arc::new(cells))
    }

    pub fn reports(&self) -> impl Iterator<Item = HookReport> {
        self.0.iter().map(|cell| cell.report())
    }
}
