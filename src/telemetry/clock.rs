//! The process's one clock: UTC nanoseconds that never go back, from the time stamp counter.

use crate::domain::Nanos;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Cheap to clone. The real clock is anchored to the system's time once, at the start, and then runs on the
/// monotonic counter: a step of the system's clock cannot make it jump. The virtual one says what a test told it.
#[derive(Clone)]
pub enum Clock {
    Real(RealClock),
    Virtual(Arc<AtomicI64>),
}

#[derive(Clone)]
pub struct RealClock {
    counter: quanta::Clock,
    start: u64,
    anchor_ns: Nanos,
}

impl Clock {
    pub fn real() -> Clock {
        let counter = quanta::Clock::new();
        let anchor = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64);
        let start = counter.raw();
        Clock::Real(RealClock { counter, start, anchor_ns: anchor })
    }

    /// A clock that stands at `now` until `set` moves it.
    pub fn virtual_at(now: Nanos) -> Clock {
        Clock::Virtual(Arc::new(AtomicI64::new(now)))
    }

    #[inline]
    pub fn now(&self) -> Nanos {
        match self {
            Clock::Real(real) => real.anchor_ns + real.counter.delta_as_nanos(real.start, real.counter.raw()) as i64,
            Clock::Virtual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// Moves a virtual clock forward to `now`; a real clock ignores it.
    pub fn set(&self, now: Nanos) {
        if let Clock::Virtual(clock) = self {
            clock.fetch_max(now, Ordering::Relaxed);
        }
    }
}
