//! Tollgate: the gate that every order of an automated trader passes.
//!
//! ```text
//!                     market data                                             orders
//!  venues ──────────▶ feed ──┐                                        ┌──▶ gateway ──────────▶ venues
//!         (mio, WebSocket)   │ crossbeam                    crossbeam │    (an agent a venue)
//!  gateway ── exec reports ──┼──────────▶  sequencer ─▶ core ─────────┘
//!  control ── commands ──────┤              stamps      on_event(&Event, &mut Outbox)
//!  timer ──── ticks ─────────┘              seq, time   one thread, no I/O, no clock, no allocation
//!                                              │            │
//!                                              ▼            ▼
//!                                     journal: one append-only, memory-mapped log of events AND decisions
//!                                              │  (single writer, any number of tailing readers)
//!                                   ┌──────────┴──────────┐
//!                                   ▼                     ▼
//!                          control API, trade store,    replay
//!                          latency log, summary
//! ```
//!
//! Five sentences carry it. The core decides, the edges do. The journal is the bus: what was shown is what was kept.
//! There is one gate, and only `core::risk` can approve an order. Protocol knows no I/O. Simulated is a mode of the
//! product: the default start trades over the real protocol against the venue in `sim`.
//!
//! Read the folders in the order of a quote's way to an order: `feed`, `runtime::sequencer`, `core`, `journal`,
//! `gateway`, `venues`. Each `mod.rs` says what its folder owns and must not know; `tests/layers.rs` holds it to that.
//!
//! Where the house differs from its first plan, and why:
//! - `net/` was added: feed, gateway and sim all need sockets, and a test must be able to replace them all at once.
//!   `agent.rs` stands beside it for the same reason.
//! - Prices and quantities of a Binance instrument have eight decimals, the venue's own precision, and not the scale
//!   of its tick and lot: a commission taken in the base asset is finer than the lot, and a tick that changes must not
//!   change the meaning of a number that is kept.
//! - A position is the sum of its fills less the commissions taken in the base asset, so that it equals what the
//!   account has more than before.
//! - The readers of the journal see the engine through a replica of the core that applies the same events
//!   (`api::View`): no snapshot is taken on the hot path, and there is no second truth.
//! - Configuration enters the core as events, so that the journal alone replays a day.

pub mod agent;
pub mod analytics;
pub mod api;
pub mod cli;
pub mod config;
pub mod core;
pub mod credentials;
pub mod domain;
pub mod feed;
pub mod gateway;
pub mod journal;
pub mod net;
pub mod runtime;
pub mod sim;
pub mod store;
pub mod telemetry;
pub mod transition;
pub mod venues;
pub mod webhooks;
