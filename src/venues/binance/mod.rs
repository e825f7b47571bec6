//! Binance Spot: its JSON, its signatures, its filters and its errors.
//!
//! Owns: bytes of market streams, user events, WebSocket API answers and REST bodies into domain values; orders and
//! questions into signed request bytes; the venue's error codes into what they mean for an order.
//! Must not know: sockets, clocks, `core`, `api`, `journal`. It is handed bytes and times and hands back values.
//!
//! Two readers stand side by side for what is hot: a hand scanner for the form the venue really sends, and simd-json
//! with kept buffers for anything else (other key order, blanks, escapes). The first may only ever accept a frame that
//! the second accepts with the same values; tests hold it to that on every recorded frame and on mutated ones.

pub mod account;
pub mod compound;
pub mod decode;
mod digits;
pub mod errors;
pub mod exchange_info;
#[cfg(test)]
mod fixture_tests;
mod json;
pub mod key;
pub mod limits;
mod mac;
pub mod market;
pub mod orders;
pub mod reference;
pub mod request;
pub mod response;
pub mod sbe;
mod scan;
pub mod sign;
pub mod snapshot;
pub mod symbols;
#[cfg(test)]
pub(crate) mod testing;
pub mod user;

pub use decode::DecodeError;
pub use market::{Market, MarketDecoder};
pub use sbe::SbeDecoder;
pub use symbols::SymbolTable;

/// Decimal places of every price and quantity of this venue, in every instrument.
///
/// The venue's own precision: tick, lot and commission never go below 10^-8, and its largest bounds (`maxQty`
/// 46116860414, half of 2^63 × 10^-8) show that it counts in the same units. Scales taken from the tick would have to
/// change under a live book when the venue changes a tick; this one cannot.
pub const SCALE: u8 = 8;
