//! Simulated venues: servers that speak a venue's own protocol on loopback, with faults on demand.
//!
//! Owns: matching, the account ledger, the market models, the player of recordings, the protocol servers, the faults.
//! Must not know: `core`, `gateway`, `feed`, and the codecs in `venues/` and `net::ws`: a mirror that shares the code
//! cannot show its faults. Numbers, JSON and WebSocket framing are its own for the same reason.
//!
//! A venue is an agent: single-threaded, never blocking, its time from the turn, its randomness from a seed. So it
//! runs in the daemon, alone as `tollgate sim`, and on a virtual clock with sockets in memory.

pub mod alpaca;
pub mod binance;
mod conn;
mod control;
pub mod decimal;
pub mod faults;
mod http;
mod json;
pub mod local_ca;
pub mod market;
mod ws;

pub use faults::Faults;
pub use market::{MarketSource, SimInstrument, Speed, SyntheticConfig};

use std::path::PathBuf;

/// Why a simulated venue cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    #[error("cannot listen on {addr}")]
    Listen {
        addr: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Recording(#[from] market::recording::RecordingError),
    #[error("failed to use the state file {path}")]
    State {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the state file {path} is not one of this version, line 1: {found:?}")]
    StateVersion { path: PathBuf, found: String },
    #[error("account {api_key:?}: {fault}")]
    Account { api_key: String, fault: String },
    #[error("smart order routing cannot be offered: {0}")]
    Routing(String),
    #[error("the market lists no instruments")]
    NoInstruments,
    #[error("a live market needs a source of its frames")]
    NoLiveSource,
}
