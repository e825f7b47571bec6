//! Histograms, counters, logs, readiness and watchdog, and the process's clock.
//!
//! Owns: the latency of each stage of an order's way (`stages`), its interval log (`hlog`), counters that one thread
//! writes and any reads (`counters`), the log's set-up (`log`), systemd's protocol (`sd`), and the clock.
//! Must not know: anything of the crate but `domain`.

pub mod clock;
pub mod counters;
pub mod hlog;
pub mod log;
pub mod sd;
pub mod stages;

pub use clock::Clock;
pub use counters::{Counter, Counters};
pub use hlog::HlogWriter;
pub use stages::{Stage, StageRow, Stages};
