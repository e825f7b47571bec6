//! The gate's answers.

use super::{Capped, NoShort, TermFault};
use crate::core::command::{Scope, TradingState};
use crate::core::standing::State;
use crate::domain::{Ability, Dec, FilterName, OrderId, StrategyId, Text, Usd};
use crate::wire_enum;

/// Why the gate denied an order. Variants stand in the order the rules run: the first to hold is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DenyReason {
    #[error("trading is {state} for {scope}: only what that allows is sent; resume it when the cause is settled")]
    TradingNotActive { state: TradingState, scope: Scope },
    #[error("no such instrument is configured")]
    UnknownInstrument,
    #[error("the instrument is on the restricted list: only what shrinks a position is sent")]
    InstrumentRestricted,
    #[error("the instrument is not on the list of those that strategy {strategy} may trade")]
    InstrumentNotAllowed { strategy: StrategyId },
    #[error("the order would not reduce the position")]
    NotReducing,
    #[error("the engine stands {state}: on a live venue nothing opens until it is live, by transition-status")]
    NotLive { state: State },
    #[error("{}", outside(*venue, *extended, *wait_s))]
    OutsideTradingHours { venue: bool, extended: bool, wait_s: u64 },
    #[error("the venue does not take orders for the instrument now: {why}")]
    InstrumentNotTrading { why: Text<48> },
    #[error("the venue is not ready: its connection, private stream or reconciliation is missing")]
    VenueNotReady,
    #[error("the venue does not take this for the instrument: {what}")]
    OrderTypeUnsupported { what: Ability },
    #[error("{0}")]
    TermsInvalid(TermFault),
    #[error("the client order id is taken by order {order}: each order needs its own")]
    ClientIdReused { order: OrderId },
    #[error("the quote is {age_ms} ms old, at most {age_max_ms} ms is allowed")]
    QuoteStale { age_ms: u64, age_max_ms: u64 },
    #[error("the order would sell what is not held: {why}")]
    ShortSaleNotPermitted { why: NoShort },
    #[error("quantity {qty} breaks the venue's lot filter (min {min}, max {max}, step {step})")]
    LotSize { qty: Dec, min: Dec, max: Dec, step: Dec },
    #[error("price {px} breaks the venue's price filter (min {min}, max {max}, tick {tick})")]
    PriceFilter { px: Dec, min: Dec, max: Dec, tick: Dec },
    #[error("notional {notional} is outside the venue's {min} to {max}")]
    VenueNotional { notional: Usd, min: Usd, max: Usd },
    #[error("the venue's filter {filter} allows {limit}, and this comes to {value}")]
    VenueFilter { filter: FilterName, value: Dec, limit: Dec },
    #[error("order notional {notional} USD is above {max} USD")]
    OrderNotionalAboveMax { notional: Usd, max: Usd },
    #[error("price {px} is more than {max_pct} % away from the market's {reference}: correct the price")]
    PriceCollar { px: Dec, reference: Dec, max_pct: Dec },
    #[error(
        "the price moved by {moved_pct} % within {window_ms} ms, at most {max_pct} % is allowed: wait, or look at the data"
    )]
    PriceJumped { moved_pct: Dec, max_pct: Dec, window_ms: u64 },
    #[error("the same order was sent {age_ms} ms ago: it is taken for a mistake for {window_ms} ms")]
    DuplicateOrder { age_ms: u64, window_ms: u64 },
    #[error("{max} orders in a second are the most for {scope}: wait {wait_ms} ms")]
    OrderRateAboveMax { scope: Scope, max: u32, wait_ms: u64 },
    #[error("{orders} orders were sent since the day boundary, at most {max} are allowed: wait for it")]
    OrdersPerDayAboveMax { orders: u32, max: u32 },
    #[error("{orders} orders for {trades} trades since the day boundary, at most {max} for each are allowed")]
    OrderToTradeAboveMax { orders: u32, trades: u32, max: u32 },
    #[error("{open} orders are open, at most {max} are allowed")]
    OpenOrdersAboveMax { open: u32, max: u32 },
    #[error("equity {equity} USD is below the minimum of {min} USD")]
    AccountBelowMin { equity: Usd, min: Usd },
    #[error("position notional would be {notional} USD, above {max} USD")]
    PositionNotionalAboveMax { notional: Usd, max: Usd },
    #[error("leverage would be {leverage}, above {max}")]
    LeverageAboveMax { leverage: Dec, max: Dec },
    #[error("gross exposure of {scope} would be {exposure} USD, above {max} USD: close or cancel something first")]
    GrossExposureAboveMax { scope: Scope, exposure: Usd, max: Usd },
    #[error("net exposure would be {exposure} USD, above {max} USD: close or cancel something on this side first")]
    NetExposureAboveMax { exposure: Usd, max: Usd },
    #[error("exposure in {asset} over all venues would be {exposure} USD, above {max} USD: close or cancel some first")]
    AssetExposureAboveMax { asset: Text<12>, exposure: Usd, max: Usd },
    #[error("{}", correlated(*exposure, *max, *known))]
    CorrelatedExposureAboveMax { exposure: Usd, max: Usd, known: bool },
    #[error("the risk score would be {score}, above {max} (value at risk {value_at_risk} USD): see risk-metrics")]
    RiskScoreAboveMax { score: u32, max: u32, value_at_risk: Usd },
    #[error("the loss of the day, {loss} USD, has reached {max} USD")]
    DailyLossReached { loss: Usd, max: Usd },
    #[error("stage {stage} between paper and live allows {max} {cap}, with this order it would be {value}")]
    StageCapReached { stage: u8, cap: Capped, value: Dec, max: Dec },
    #[error("the order needs {needed} {asset}, {available} is available")]
    BalanceTooLow { asset: Text<12>, needed: Dec, available: Dec },
    #[error("the order would meet our own working order at {own}: cancel that one first")]
    SelfMatch { own: Dec },
    #[error("cannot be evaluated, so it is denied: {0}")]
    CannotEvaluate(Unevaluable),
}

fn outside(venue: bool, extended: bool, wait_s: u64) -> String {
    let whose = if venue { "the venue's calendar" } else { "risk.trading_hours" };
    let session = if extended { "extended hours are" } else { "the instrument is" };
    match wait_s {
        0 => format!("{session} closed by {whose}, and the next session is not known yet"),
        _ => format!("{session} closed by {whose}: opens in {} h {} min", wait_s / 3600, wait_s % 3600 / 60),
    }
}

fn correlated(exposure: Usd, max: Usd, known: bool) -> String {
    let why = if known { "" } else { " (the instrument has too few samples, so it counts with all others)" };
    format!("exposure in instruments that move together would be {exposure} USD, above {max} USD{why}")
}

/// What a rule lacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unevaluable {
    #[error("a number does not fit")]
    Overflow,
    #[error("there is no usable price")]
    NoPrice,
    #[error("the venue has not stated the account's balances")]
    NoAccount,
    #[error("the quote asset is not valued in dollars")]
    QuoteAssetNotUsd,
    #[error("the order table is full")]
    OrderTableFull,
    #[error("the instrument keeps trading hours, and its next sessions are not known")]
    NoCalendar,
    #[error(
        "the venue's filters hold limits against its average price, and that is not known, or was last told long ago"
    )]
    NoVenuePrice,
    #[error(
        "protection at the venue holds what it sells, and was not released in time: ask again, or look at the venue"
    )]
    NotReleased,
    #[error("what it sells is not free yet, and too many orders wait for such: ask again")]
    TooManyWait,
    #[error("it was cancelled while it waited for what it sells to be free")]
    CancelledWaiting,
    #[error(
        "the venue has counted fills that did not arrive, so it may sell what is sold already; they are being fetched: ask again"
    )]
    FillsMissing,
}
wire_enum!(Unevaluable { 0 => Overflow, 1 => NoPrice, 2 => NoAccount, 3 => QuoteAssetNotUsd, 4 => OrderTableFull, 5 => NoCalendar,
    6 => NoVenuePrice, 7 => NotReleased, 8 => TooManyWait, 9 => CancelledWaiting, 10 => FillsMissing });

wire_enum!(DenyReason {
    0 => TradingNotActive { state, scope },
    1 => UnknownInstrument,
    2 => NotReducing,
    3 => InstrumentNotTrading { why },
    4 => VenueNotReady,
    5 => QuoteStale { age_ms, age_max_ms },
    6 => LotSize { qty, min, max, step },
    7 => PriceFilter { px, min, max, tick },
    8 => VenueNotional { notional, min, max },
    9 => OrderNotionalAboveMax { notional, max },
    10 => OpenOrdersAboveMax { open, max },
    11 => AccountBelowMin { equity, min },
    12 => PositionNotionalAboveMax { notional, max },
    13 => LeverageAboveMax { leverage, max },
    14 => DailyLossReached { loss, max },
    15 => BalanceTooLow { asset, needed, available },
    16 => CannotEvaluate(what),
    17 => PriceCollar { px, reference, max_pct },
    18 => PriceJumped { moved_pct, max_pct, window_ms },
    19 => DuplicateOrder { age_ms, window_ms },
    20 => SelfMatch { own },
    21 => OrderRateAboveMax { scope, max, wait_ms },
    22 => OrdersPerDayAboveMax { orders, max },
    23 => OrderToTradeAboveMax { orders, trades, max },
    24 => GrossExposureAboveMax { scope, exposure, max },
    25 => NetExposureAboveMax { exposure, max },
    26 => StageCapReached { stage, cap, value, max },
    27 => OrderTypeUnsupported { what },
    28 => TermsInvalid(fault),
    29 => InstrumentRestricted,
    30 => InstrumentNotAllowed { strategy },
    31 => OutsideTradingHours { venue, extended, wait_s },
    32 => ShortSaleNotPermitted { why },
    33 => AssetExposureAboveMax { asset, exposure, max },
    34 => CorrelatedExposureAboveMax { exposure, max, known },
    35 => NotLive { state },
    36 => VenueFilter { filter, value, limit },
    37 => ClientIdReused { order },
    38 => RiskScoreAboveMax { score, max, value_at_risk },
});

/// The rules in rank, each with its code, and whom it is asked of: `growth` rules exist to stop growth, and an order that
/// only reduces a position is not asked them.
macro_rules! ranked {
    (@growth growth) => { true };
    (@growth all) => { false };
    ($($name:ident => $code:literal, $of:ident;)*) => {
        #[derive(Clone, Copy)]
        enum Rank { $($name),* }

        /// The codes, by rank: what the API answers, what counters are named after.
        pub const RULES: [&str; [$($code),*].len()] = [$($code),*];

        /// By rank: the rule exists to stop growth.
        const GROWTH: [bool; RULES.len()] = [$(ranked!(@growth $of)),*];

        impl DenyReason {
            /// The rule's rank, an index into `RULES`.
            #[inline]
            pub fn rank(&self) -> usize {
                (match self { $( DenyReason::$name { .. } => Rank::$name ),* }) as usize
            }
        }
    };
}

ranked! {
    TradingNotActive => "TRADING_NOT_ACTIVE", all;
    UnknownInstrument => "UNKNOWN_INSTRUMENT", all;
    InstrumentRestricted => "INSTRUMENT_RESTRICTED", all;
    InstrumentNotAllowed => "INSTRUMENT_NOT_ALLOWED", all;
    NotReducing => "NOT_REDUCING", all;
    NotLive => "NOT_LIVE", growth;
    OutsideTradingHours => "OUTSIDE_TRADING_HOURS", all;
    InstrumentNotTrading => "INSTRUMENT_NOT_TRADING", all;
    VenueNotReady => "VENUE_NOT_READY", all;
    OrderTypeUnsupported => "ORDER_TYPE_UNSUPPORTED", all;
    TermsInvalid => "TERMS_INVALID", all;
    ClientIdReused => "CLIENT_ORDER_ID_REUSED", all;
    QuoteStale => "QUOTE_STALE", all;
    ShortSaleNotPermitted => "SHORT_SALE_NOT_PERMITTED", all;
    LotSize => "LOT_SIZE", all;
    PriceFilter => "PRICE_FILTER", all;
    VenueNotional => "VENUE_NOTIONAL", all;
    VenueFilter => "VENUE_FILTER", all;
    PriceCollar => "PRICE_COLLAR", all;
    OrderNotionalAboveMax => "ORDER_NOTIONAL_ABOVE_MAX", growth;
    PriceJumped => "PRICE_JUMPED", growth;
    DuplicateOrder => "DUPLICATE_ORDER", growth;
    OrderRateAboveMax => "ORDER_RATE_ABOVE_MAX", growth;
    OrdersPerDayAboveMax => "ORDERS_PER_DAY_ABOVE_MAX", growth;
    OrderToTradeAboveMax => "ORDER_TO_TRADE_ABOVE_MAX", growth;
    OpenOrdersAboveMax => "OPEN_ORDERS_ABOVE_MAX", growth;
    AccountBelowMin => "ACCOUNT_BELOW_MIN", growth;
    PositionNotionalAboveMax => "POSITION_NOTIONAL_ABOVE_MAX", growth;
    LeverageAboveMax => "LEVERAGE_ABOVE_MAX", growth;
    GrossExposureAboveMax => "GROSS_EXPOSURE_ABOVE_MAX", growth;
    NetExposureAboveMax => "NET_EXPOSURE_ABOVE_MAX", growth;
    AssetExposureAboveMax => "ASSET_EXPOSURE_ABOVE_MAX", growth;
    CorrelatedExposureAboveMax => "CORRELATED_EXPOSURE_ABOVE_MAX", growth;
    RiskScoreAboveMax => "RISK_SCORE_ABOVE_MAX", growth;
    DailyLossReached => "DAILY_LOSS_REACHED", growth;
    StageCapReached => "STAGE_CAP_REACHED", growth;
    BalanceTooLow => "BALANCE_TOO_LOW", all;
    SelfMatch => "SELF_MATCH", all;
    CannotEvaluate => "CANNOT_EVALUATE", all;
}

/// Whether the rule of this code exists to stop growth: an order that only reduces a position is not asked it.
pub fn stops_growth(code: &str) -> bool {
    RULES.iter().position(|rule| *rule == code).is_some_and(|rank| GROWTH[rank])
}

impl DenyReason {
    pub fn code(&self) -> &'static str {
        RULES[self.rank()]
    }

    /// What lets such an order pass again.
    pub fn how_to_clear(&self) -> &'static str {
        use DenyReason as R;
        match self {
            R::TradingNotActive { .. } => "settle the cause, then resume that part by name and reason",
            R::UnknownInstrument => "correct the symbol, or configure the instrument and start again",
            R::InstrumentRestricted => "take restricted from the instrument in the configuration and start again",
            R::InstrumentNotAllowed { .. } => "add the instrument to the strategy's allow list and start again",
            R::NotReducing => {
                "send less than the position on its other side, without reduce_only, or wait for the close"
            }
            R::NotLive { .. } => "follow transition-status to live",
            R::OutsideTradingHours { .. } => "wait for the session",
            R::InstrumentNotTrading { .. } => "wait until the venue trades it again",
            R::VenueNotReady => "wait until status shows the venue ready; the log says what is missing",
            R::OrderTypeUnsupported { .. } => "ask for it in another way, or at a venue that takes it",
            R::TermsInvalid(_) => "correct the order",
            R::ClientIdReused { .. } => "give the order an id of its own",
            R::QuoteStale { .. } => "wait for a quote; if none comes, look at the feed in status",
            R::ShortSaleNotPermitted { .. } => "sell what is held, or allow short_sale where the venue lends it",
            R::LotSize { .. } => "round the quantity to the step, within the bounds",
            R::PriceFilter { .. } => "round the price to the tick, within the bounds",
            R::VenueNotional { .. } => "change the quantity until the notional is within the bounds",
            R::VenueFilter { .. } => "stay below the venue's limit, or cancel what uses it up",
            R::PriceCollar { .. } => "bring the price nearer to the market",
            R::OrderNotionalAboveMax { .. } => "send less, or raise order_notional_max_usd",
            R::PriceJumped { .. } => "wait until the window has passed, and look at the market",
            R::DuplicateOrder { .. } => "wait until the window has passed, or change the order",
            R::OrderRateAboveMax { .. } => "wait as long as is said, or raise orders_per_second_max",
            R::OrdersPerDayAboveMax { .. } => "wait for the day boundary, or raise orders_per_day_max",
            R::OrderToTradeAboveMax { .. } => {
                "trade more of what is sent, wait for the day boundary, or raise the limit"
            }
            R::OpenOrdersAboveMax { .. } => "cancel an open order, or raise open_orders_max",
            R::AccountBelowMin { .. } => "pay in, or lower account_balance_min_usd",
            R::PositionNotionalAboveMax { .. } => "send less, cancel or close some, or raise position_notional_max_usd",
            R::LeverageAboveMax { .. } => "close or cancel some, pay in, or raise leverage_max",
            R::GrossExposureAboveMax { .. } | R::NetExposureAboveMax { .. } | R::AssetExposureAboveMax { .. } => {
                "close or cancel some, or raise the limit of exposure"
            }
            R::CorrelatedExposureAboveMax { .. } => "close or cancel some of what moves with it, or raise the limit",
            R::RiskScoreAboveMax { .. } => {
                "see the parts by risk-metrics and lessen the largest, or raise risk_score_max"
            }
            R::DailyLossReached { .. } => "wait for the day boundary, or raise daily_loss_max_usd and resume",
            R::StageCapReached { .. } => "send less, or wait for the next stage",
            R::BalanceTooLow { .. } => "send less, cancel what holds the balance, or pay in",
            R::SelfMatch { .. } => "cancel our own order on the other side first",
            R::CannotEvaluate(_) => "mend what is missing; until then nothing of the kind passes",
        }
    }
}
