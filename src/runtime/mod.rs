//! Threads, pinning, channels, the sequencer, start and stop order, signals, systemd readiness and watchdog.
//!
//! Owns: the wiring. Nothing is barred to it; it holds no trading decision.

mod log;
pub mod names;
pub mod sequencer;
pub mod signals;
pub mod simulated;
pub mod thread;
pub mod wait;
