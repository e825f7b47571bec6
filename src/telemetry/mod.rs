//! Histograms, counters, logs, and the process's clock.
//!
//! Must not know: anything of the crate but `domain`.

pub mod clock;

pub use clock::Clock;
