//! The words and numbers of the trade.
//!
//! Owns: ids, instruments, fixed-point `Price` `Qty` `Usd`, orders and the order's life, execution
//! reports, market data as values, time as a number, and the byte form (`wire`) in which the journal
//! keeps all of these.
//! Must not know: the rest of the crate; sockets, files, clocks.

pub mod ability;
pub mod account;
pub mod decimal;
pub mod filters;
pub mod hosts;
pub mod ids;
pub mod instrument;
pub mod market;
pub mod num;
pub mod order;
pub mod report;
pub mod tested;
pub mod wire;

pub use ability::{Abilities, Ability, Feature};
pub use account::{Balance, FeedState, Margin, Mode, VenueState};
pub use decimal::Dec;
pub use filters::{FilterName, Filters, OpenCounts};
pub use hosts::PaperHosts;
pub use ids::{
    AssetId, ExecId, InstrumentId, MAX_ASSETS, MAX_INSTRUMENTS, MAX_VENUES, Nanos, OrderId, RequestId, StrategyId,
    Text, VenueId, VenueOrderId,
};
pub use instrument::{Borrow, Funding, Instrument, InstrumentStatus};
pub use market::{DepthChunk, DepthKind, LEVELS_PER_CHUNK, Level, Quote, TradeTick};
pub use num::{POW10, Price, Qty, Round, Usd};
pub use order::{ListKind, NewOrder, OrdStatus, OrderType, ReplaceMode, Side, StpMode, Terms, TimeInForce, Trail};
pub use report::{ExecReport, ExecType, Liquidity, RejectReason};
pub use tested::{TestOutcome, Tested};
