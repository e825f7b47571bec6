//! The trade store: SQLite tables that follow the journal, for people and their tools.
//!
//! Owns: the schema and its migrations, writing rows, following the journal.
//! Must not know: the core, sockets. What a record means is `analytics::Recorder`'s business; the store keeps its rows.
//!
//! Invariants:
//! - The journal is the truth, the store a projection: deleting the file and following again gives the same content.
//! - A batch and how far it goes (`meta.last_seq`) are one transaction: a crash loses no row and doubles none.
//! - A row is written by its key, so writing it twice changes nothing.
//! - What cannot be written (disk full, file locked) is an error with a sentence, kept, and tried again; reading stops
//!   meanwhile, so memory is bounded by one batch. Nothing on the trading path waits for the store.
//!
//! Money, prices and quantities are decimals in text, exact; times are UTC nanoseconds.

mod error;
mod follow;
mod schema;
mod write;

#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use follow::{Follower, Turn};
pub use schema::SCHEMA_VERSION;
pub use write::Store;
