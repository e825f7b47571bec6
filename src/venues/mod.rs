//! Protocol without I/O: bytes into domain events, domain orders into bytes.
//!
//! Owns: one folder a venue (messages, signing, filters, error codes), and the names that all of them share.
//! Must not know: sockets, `core`, `api`, `journal`; the venues do not know each other.
//!
//! What each venue takes, what the engine does in its place and what is denied: `CAPABILITIES.md`.
//!
//! # Adding a venue
//!
//! One folder here, one in `gateway` and one file in `feed`, and a row in each of the places named below. Nothing in
//! `core` is touched: what a venue can and cannot do reaches the gate as data in its `Instrument`s. `tests/capabilities.rs` holds
//! this page to the code: everything named in its last columns is there.
//!
//! Pure functions over bytes, in `venues/NAME/`, each tested against payloads that the venue has published:
//!
//! | write | for | as in `alpaca/` |
//! |---|---|---|
//! | symbols and assets to the engine's ids, client order ids to order ids | every decoder | `names::Names::{new, find}`, `names::{client_text, from_client_text}` |
//! | a listing into an `Instrument`: scales, ticks, lots, `Funding`, `Borrow`, and `Abilities`, the table of what it takes | the gate, and the page of capabilities | `assets::{asset, Asset::instrument, abilities}` |
//! | an approved order, a list, a replacement, a cancel, a cancel of everything and each question into a request | the gateway | `request::RequestBuilder::{place, entry, oco, replace, by_client_id}`, `request::{cancel, cancel_all, order, orders}` |
//! | an order and an event of the private stream into an `ExecReport` | the gateway | `orders::VenueOrder::{read, report}`, `updates::{frame, Update::report}` |
//! | balances, positions, past fills with the stream's own execution ids, the venue's clock | reconciliation | `account::{account, positions, activities, clock}` |
//! | the account's standing: whether it may trade at all, and why not | the gate, `test-connections` | `account::Account::can_trade`, `account::configuration` |
//! | the market's days, where it has any | the gate's hours | `account::calendar` |
//! | a refusal into a class that says whether the request certainly had no effect | the gateway: an order that may have had one is unknown and asked for | `errors::{refusal, ErrorClass::is_not_executed}` |
//! | the same class into whose fault it is: the venue's, and another venue may have the order, or the order's | fallback from venue to venue | `errors::ErrorClass::reject_reason` |
//! | what is left of the rate limit, with a reserve for cancels | the gateway | `limits::Limits::{admit, answered, refused, is_near}` |
//! | a market-data frame into quotes, trades, statuses and price bands; what to ask for them | the feed | `market::MarketDecoder::decode`, `request::{data_auth, subscribe}` |
//! | why bytes were not taken | everybody | `decode::DecodeError` |
//!
//! Then the agents and the rows that start them:
//!
//! | write | for | as in the venues that are there |
//! |---|---|---|
//! | the gateway, which keeps the four promises of `gateway`'s header: effects out, answers and events in, reconciliation before it is ready, keys exchanged | orders | `gateway/alpaca`, `AlpacaGateway::{take_effects, read_stream, read_answers, keep_time}`, `reconcile::Reconcile::ask`, `rekey` |
//! | the feed: connections, subscriptions, what a break means | market data | `feed/alpaca.rs`, `AlpacaFeed` |
//! | its word, the keys of the configuration it has no use for, hosts of real money | `tollgate check` | `config/venues.rs`, `VenueKind`, `config/check.rs`, `domain/hosts.rs` |
//! | what is started for it | the engine | `runtime/venue.rs`, `VenueParts::{feed, gateway, probe, target, rescue}` |
//! | the way out without the gateway: cancel all that the journal has for open | a gateway thread that is gone | `runtime/rescue.rs`, `Way`, `Rescue::cancel_all` |
//! | what `test-connections` asks of it: a file with one function | people | `runtime/connections/alpaca.rs`, `test` |
//! | a key tried before it is taken into use | rotation | `runtime/probe.rs`, `Manner` |
//! | its columns and rows | people | `venues/CAPABILITIES.md`, `venues/alpaca/RULES.md` |
//!
//! And the folder's name in `VENUES` of `tests/layers.rs`, which holds everything else to knowing no venue by name but the files of
//! its list; the decoders' fuzz targets in `fuzz/src/lib.rs`; and a simulated venue in `sim/`, which shares no line with any of it.

pub mod alpaca;
pub mod assets;
pub mod binance;
pub mod pair;
