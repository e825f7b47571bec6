//! Protocol without I/O: bytes into domain events, domain orders into bytes.
pub mod binance;
