//! Threads, pinning, channels, the sequencer, start and stop order, signals, systemd readiness and watchdog.
//!
//! Owns: the wiring. Nothing is barred to it; it holds no trading decision.

mod connections;
mod control;
mod emergency;
pub mod engine;
mod hours;
mod keeper;
pub mod keys;
mod live_market;
mod log;
pub mod names;
mod narrate;
mod probe;
mod records;
mod rescue;
pub mod sequencer;
mod settings;
pub mod signals;
pub mod simulated;
mod stop_mark;
mod store;
pub mod supervise;
pub mod thread;
pub mod transition;
pub mod vault;
pub mod venue;
pub mod wait;
pub mod webhooks;
