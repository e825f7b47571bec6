//! The gate.

use crate::core::command::TradingState;
use crate::domain::{Dec, Usd};
use crate::wire_enum;

/// A value that the gate has passed. Made only here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approved<T>(T);

impl<T> Approved<T> {
    #[inline]
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// Why the gate denied an order. Variants stand in the order the rules run: the first to hold is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DenyReason {
    #[error("trading is {0}")]
    TradingNotActive(TradingState),
    #[error("no such instrument is configured")]
    UnknownInstrument,
    #[error("the venue does not take orders for the instrument now")]
    InstrumentNotTrading,
    #[error("the venue is not ready: connection, private stream or reconciliation is missing")]
    VenueNotReady,
    #[error("the quote is {age_ms} ms old, at most {age_max_ms} ms is allowed")]
    QuoteStale { age_ms: u64, age_max_ms: u64 },
    #[error("quantity {qty} breaks the venue's lot filter (min {min}, max {max}, step {step})")]
    LotSize { qty: Dec, min: Dec, max: Dec, step: Dec },
    #[error("price {px} breaks the venue's price filter (min {min}, max {max}, tick {tick})")]
    PriceFilter { px: Dec, min: Dec, max: Dec, tick: Dec },
    #[error("notional {notional} is outside the venue's {min} to {max}")]
    VenueNotional { notional: Usd, min: Usd, max: Usd },
    #[error("order notional {notional} is above {max}")]
    OrderNotionalAboveMax { notional: Usd, max: Usd },
    #[error("{open} orders are open, at most {max} are allowed")]
    OpenOrdersAboveMax { open: u32, max: u32 },
    #[error("balance {available} is below the {needed} that the order needs")]
    BalanceTooLow { needed: Usd, available: Usd },
    #[error("equity {equity} is below the minimum {min}")]
    AccountBelowMin { equity: Usd, min: Usd },
    #[error("position notional would be {notional}, above {max}")]
    PositionNotionalAboveMax { notional: Usd, max: Usd },
    #[error("leverage would be {leverage_ppm} ppm, above {max_ppm} ppm")]
    LeverageAboveMax { leverage_ppm: u64, max_ppm: u64 },
    #[error("loss of the day {loss} has reached {max}")]
    DailyLossReached { loss: Usd, max: Usd },
    #[error("the order would not reduce a position")]
    NotReducing,
    #[error("{0:?} cannot be evaluated")]
    CannotEvaluate(Unevaluable),
}

/// What a rule lacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unevaluable {
    Overflow,
    NoPrice,
    NoAccount,
    QuoteAssetNotUsd,
    OrderTableFull,
}
wire_enum!(Unevaluable { 0 => Overflow, 1 => NoPrice, 2 => NoAccount, 3 => QuoteAssetNotUsd, 4 => OrderTableFull });

wire_enum!(DenyReason {
    0 => TradingNotActive(state),
    1 => UnknownInstrument,
    2 => InstrumentNotTrading,
    3 => VenueNotReady,
    4 => QuoteStale { age_ms, age_max_ms },
    5 => LotSize { qty, min, max, step },
    6 => PriceFilter { px, min, max, tick },
    7 => VenueNotional { notional, min, max },
    8 => OrderNotionalAboveMax { notional, max },
    9 => OpenOrdersAboveMax { open, max },
    10 => BalanceTooLow { needed, available },
    11 => AccountBelowMin { equity, min },
    12 => PositionNotionalAboveMax { notional, max },
    13 => LeverageAboveMax { leverage_ppm, max_ppm },
    14 => DailyLossReached { loss, max },
    15 => NotReducing,
    16 => CannotEvaluate(what),
});
