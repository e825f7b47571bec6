//! The daemon as a user meets it: a process, its files, its API, its signals, and the simulated venue beside it.
//!
//! Nothing here is timed: each wait ends when what it waits for has happened, or fails the test when it never does.

mod access;
mod actions;
mod bad_input;
mod both;
mod both_rotated;
mod browser;
mod commands;
mod connections;
mod credentials;
mod died;
mod door;
mod drill;
mod events;
mod explain;
mod fallback;
mod fallback_alpaca;
mod faults;
mod faults_alpaca;
mod hung;
mod keys;
mod kill9;
mod lifecycle;
mod live_market;
mod log;
mod panics;
mod protect;
mod recordings;
mod renewal;
mod repeats;
mod rotation;
mod rotation_kinds;
mod rusty_vault;
mod sbe;
mod schemathesis;
mod sim;
mod stop;
mod store;
mod support;
mod tls;
mod transition;
mod two;
mod vault;
mod webhooks;
