//! Alpaca: US equities and crypto, Trading API v2 and market data v2.
//!
//! Owns: bytes of REST bodies, trade updates and market-data frames (JSON, and MessagePack for market data) into domain
//! values; orders and questions into requests; refusals into what they mean for an order; what the venue takes of an
//! instrument's orders; its rate limit.
//! Must not know: sockets, clocks, `core`, `api`, `journal`. It is handed bytes and times and hands back values.
//!
//! `§` in this folder is a section of the reference that the folder was written from, and so of the venue's own
//! documentation by subject: errors (§4), account (§5), orders (§7 to §10), positions (§11), assets (§12), clock and
//! calendar (§13), activities (§15), trade updates (§16), market data (§17).

pub mod account;
pub mod assets;
pub mod decode;
pub mod errors;
pub mod json;
pub mod limits;
pub mod market;
pub mod msgpack;
pub mod names;
pub mod orders;
pub mod request;
#[cfg(test)]
mod request_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod updates;
pub mod value;

pub use decode::DecodeError;
pub use names::{Names, Wanted};

/// Decimal places of every price of this venue. Orders of equities have two or four and those of crypto up to nine;
/// executions may have more than an order may.
pub const PX_SCALE: u8 = 9;
/// Decimal places of every quantity: fractions of a share and of a coin go down to the ninth.
pub const QTY_SCALE: u8 = 9;
/// Decimal places of money, as everywhere in the engine.
pub const MONEY_SCALE: u8 = 8;
