//! Folds over fills, marks and equity: what trading came to, and how sure one can be of it.
//!
//! Owns: the fold from journal records to rows (`Recorder`), round trips (`trades`), the statistics of trades
//! (`TradeStats`) and of an equity curve (`CurveStats`), correlation.
//! Must not know: feed, gateway, venues. It reads, it never steers; nothing here reads a clock, a file or a socket.
//!
//! Money is fixed point (`Usd`, sums in `Decimal`); ratios are `f64`. What has no value is `None`, never NaN: a Sharpe
//! ratio of one day, a success rate of no trade, a drawdown of no equity. Each formula stands at its function, and
//! `tests/analytics` holds them to numpy, empyrical and quantstats within 1e-9.
//!
//! Invariants:
//! - The net results of the round trips of a flat book sum to its cash flow less its fees, to the last unit of the scales
//!   (before each trade is rounded down to a hundred-millionth of a dollar).
//! - Rows follow from the journal alone: the same records give the same rows.

mod curve;
mod prices;
mod record;
pub mod stats;
mod summary;
#[cfg(test)]
pub(crate) mod testing;
mod trades;

pub use curve::{CurveStats, DAY_NS, Day, Drawdown, Sample, daily, drawdown, returns};
pub use prices::{PRICE_INTERVAL_NS, PRICES_MAX, Prices};
pub use record::{CommandRow, DenialRow, FillRow, MovedRow, OrderRow, Recorder, Row, SAMPLE_NS};
pub use summary::{TradeStats, by};
pub use trades::{Book, ClosedTrade, LOTS_MAX, Part};
