//! Protocol without I/O: bytes into domain events, domain orders into bytes.
//!
//! Owns: one folder a venue (messages, signing, filters, error codes), and the names that all of them share.
//! Must not know: sockets, `core`, `api`, `journal`; the venues do not know each other.
//!
//! # Adding a venue
//!
//! One folder here, one in `gateway` and one file in `feed`, and a row in each of the tables named below. Nothing in
//! `core` is touched: what a venue can and cannot do reaches the gate as data in its `Instrument`s.
//!
//! In `venues/NAME/`, pure functions over bytes, each tested against payloads that the venue has published:
//!
//! | write | for | as in `alpaca/` |
//! |---|---|---|
//! | symbols and assets to the engine's ids, client order ids to order ids | every decoder | `names::Names::{new, find}` |
//! | a listing into an `Instrument`: scales, ticks, lots, `Funding`, `Borrow`, and `Abilities`, the table of what it takes | the gate | `assets::{asset, Asset::instrument}` |
//! | an approved order, a cancel and each question into a request | the gateway | `request::{RequestBuilder::place, cancel, ..}` |
//! | an order and an event of the private stream into an `ExecReport` | the gateway | `orders::VenueOrder::report`, `updates::frame` |
//! | balances, positions, past fills with the stream's own execution ids, the venue's clock | reconciliation | `account::{account, positions, activities, clock}` |
//! | a refusal into a class that says whether the request certainly had no effect | the gateway | `errors::refusal`, `ErrorClass::is_not_executed` |
//! | what is left of the rate limit, with a reserve for cancels | the gateway | `limits::Limits::{admit, answered}` |
//! | a market-data frame into quotes, trades and statuses | the feed | `market::MarketDecoder::decode` |
//!
//! Then the agents: `gateway/NAME/`, which keeps the four promises of `gateway`'s header and reconciles before it is
//! ready, and `feed/NAME.rs`. Then the rows: `config::VenueKind` (its word, the keys it has no use for, and which hosts
//! are of real money), `runtime::venue::VenueParts` (`feed`, `gateway`, `rescue`), `runtime::rescue::Way` (the way out
//! without the gateway), and the folder's name in `VENUES` of `tests/layers.rs`. The decoders' fuzz targets stand in
//! `fuzz/src/lib.rs`. A simulated venue in `sim/` shares no line with any of it.

pub mod alpaca;
pub mod assets;
pub mod binance;
pub mod pair;
