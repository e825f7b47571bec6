//! Orders out, and everything the venue says about them in: one agent a venue.
//!
//! Owns: the order link, the private stream, the correlation of answers, time-outs, waits that the venue asks for, and
//! reconciliation. The protocol's bytes are `venues`'.
//! Must not know: feed, api; of the core more than its events and effects. It sends nothing that the gate has not
//! approved, and decides nothing about an order but whether it could be written.
//!
//! What holds, at every venue:
//! - Every `Place` is answered by `Sent` or `NotSent`, and every sent one by a report: ack, reject, or unknown.
//! - A request is written once. What a lost link or a time-out leaves open is `Unknown`, and the core asks.
//! - No order is written unless the private stream is up and the venue is reconciled.
//! - The core hears `Down` before it hears of anything that the loss of the link left unknown.
//!
//! A folder a venue, with an agent of its own, and beside them what all of them need (`backoff`, `known`, `reports`).
//! No trait stands between: one venue answers on the socket that it was asked on and calls its fills by counted ids,
//! the other takes orders by HTTP, answers on another socket, and pages its fills by text. What they share is the promise above,
//! which tests hold each of them to; a common protocol would be the sum of both, with a branch in each method on
//! the hot path of the faster.

pub mod alpaca;
mod backoff;
pub mod binance;
mod known;
pub mod live;
mod rekey;
mod reports;

pub use self::binance::{Gateway, GatewayConfig, GatewayCounters, GatewayError};
pub use self::live::LiveGateway;
pub use self::rekey::{KeyTicket, NewKey, Proof};

use crate::domain::{Nanos, PaperHosts, VenueId};
use crate::transition::LivePermit;

/// The environment that a permit for money names.
const LIVE: &str = "live";

/// What a session is opened on. There is no other way to a connection: with money it takes a permit, without one it
/// takes proof that the addresses trade none.
pub enum Leave {
    Paper(PaperHosts),
    Live(LivePermit),
}

impl Leave {
    /// Whether a connection may be made, or go on, now.
    fn holds(&self, now: Nanos, venue: VenueId) -> bool {
        match self {
            Leave::Paper(_) => true,
            Leave::Live(permit) => permit.holds(now, venue, LIVE),
        }
    }
}
