//! Protocol without I/O: bytes into domain events, domain orders into bytes.
//!
//! Owns: one folder a venue (messages, signing, filters, error codes), and the names that all of them share.
//! Must not know: sockets, `core`, `api`, `journal`; the venues do not know each other.

pub mod alpaca;
pub mod assets;
pub mod binance;
