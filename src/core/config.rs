//! The part of the configuration that decisions depend on. It enters the core as events.

use crate::domain::{InstrumentId, Nanos, Qty, StrategyId, Text, Usd};
use crate::{wire_enum, wire_struct};

/// The limits of the gate. Every one is written out in the shipped configuration; none has a default here.
/// Percentages are in parts per million (`1 %` is 10 000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Largest notional of one order.
    pub order_notional_max: Usd,
    /// Largest absolute notional of one instrument's position, working orders counted as if filled.
    pub position_notional_max: Usd,
    /// Largest gross exposure over equity, in parts per million (`3` is 3 000 000).
    pub leverage_max_ppm: u64,
    /// Orders are denied below this equity.
    pub account_balance_min: Usd,
    /// Realised plus unrealised plus fees since the day boundary; at the limit trading goes to `reducing`.
    pub daily_loss_max: Usd,
    /// Orders are denied once the quote is older than this.
    pub quote_age_max_ns: Nanos,
    /// A market order is valued this far beyond the touch, parts per million.
    pub market_order_margin_ppm: u32,
    /// Most orders working at once.
    pub open_orders_max: u32,
    /// No answer to an order after this: `Unknown`, and the venue is asked.
    pub ack_timeout_ns: Nanos,
    /// A venue that says "no such order" is believed only this long after the order was sent.
    pub not_found_after_ns: Nanos,
    /// Time between two questions about one unknown order.
    pub query_interval_ns: Nanos,
    /// Open orders, balances and fills are compared with the venue this often.
    pub reconcile_interval_ns: Nanos,
    /// Hour of the day boundary of the daily loss, as an offset from UTC midnight.
    pub day_offset_ns: Nanos,
    /// A limit price further than this from the mid is denied, either way.
    pub price_collar_ppm: u32,
    /// Growth is denied while the mid has moved by more than this within `price_move_window_ns`.
    pub price_move_max_ppm: u32,
    pub price_move_window_ns: Nanos,
    /// The same order from the same source within this is denied. 0: never.
    pub duplicate_window_ns: Nanos,
    /// Orders in a second, to one venue and from one strategy.
    pub orders_per_second_max: u32,
    /// Orders since the day boundary.
    pub orders_per_day_max: u32,
    /// Orders for each trade since the day boundary, once `order_to_trade_orders_min` were sent.
    pub order_to_trade_max: u32,
    pub order_to_trade_orders_min: u32,
    /// A strategy with more orders executed in one direction within `runaway_window_ns` is halted.
    pub runaway_executions_max: u32,
    pub runaway_window_ns: Nanos,
    /// Sum of all instruments' exposure, working orders counted; and its balance of long and short.
    pub exposure_gross_max: Usd,
    pub exposure_net_max: Usd,
    /// Exposure of one strategy's own position and orders.
    pub strategy_exposure_max: Usd,
    /// Of `daily_loss_max`: at this much of it trading is halted.
    pub daily_loss_halt_ppm: u32,
    /// Fall from the high-water mark, of the equity there, at which only reducing orders pass, and at which none do.
    pub drawdown_reduce_ppm: u32,
    pub drawdown_halt_ppm: u32,
    /// After so many losing orders in a row only reducing orders pass.
    pub loss_streak_max: u32,
    /// Sum of the exposure of the instruments at one venue, and of those that trade one asset, over all venues.
    pub exposure_venue_max: Usd,
    pub exposure_asset_max: Usd,
    /// Exposure in instruments that move together: at this correlation or above, either sign, over so many samples.
    pub correlated_exposure_max: Usd,
    pub correlation_threshold_ppm: u32,
    /// At most `correlation::SAMPLES_MAX`; 0: nothing is sampled, and all counts as moving together.
    pub correlation_window: u32,
    /// With fewer samples nothing is said.
    pub correlation_samples_min: u32,
    pub correlation_sample_ns: Nanos,
    pub hours: HoursRule,
    /// Where the stop and the target of an entry stand when it names none; and the part of the equity that a trade
    /// may lose at its stop.
    pub stop_loss_ppm: u32,
    pub take_profit_ppm: u32,
    pub risk_per_trade_ppm: u32,
    /// Quantities that the core works out are made smaller for instruments that move more than this in a day. 0: no.
    pub sizing_volatility_ppm: u32,
    /// What an instrument is taken to move in a day (one standard deviation) until its samples say.
    pub volatility_assumed_ppm: u32,
    /// Value at risk (99 %, a day) that is all of its part of the risk score; and the score above which nothing grows.
    pub value_at_risk_max: Usd,
    /// 100 and above: never.
    pub risk_score_max: u32,
}
wire_struct!(Limits {
    order_notional_max,
    position_notional_max,
    leverage_max_ppm,
    account_balance_min,
    daily_loss_max,
    quote_age_max_ns,
    market_order_margin_ppm,
    open_orders_max,
    ack_timeout_ns,
    not_found_after_ns,
    query_interval_ns,
    reconcile_interval_ns,
    day_offset_ns,
    price_collar_ppm,
    price_move_max_ppm,
    price_move_window_ns,
    duplicate_window_ns,
    orders_per_second_max,
    orders_per_day_max,
    order_to_trade_max,
    order_to_trade_orders_min,
    runaway_executions_max,
    runaway_window_ns,
    exposure_gross_max,
    exposure_net_max,
    strategy_exposure_max,
    daily_loss_halt_ppm,
    drawdown_reduce_ppm,
    drawdown_halt_ppm,
    loss_streak_max,
    exposure_venue_max,
    exposure_asset_max,
    correlated_exposure_max,
    correlation_threshold_ppm,
    correlation_window,
    correlation_samples_min,
    correlation_sample_ns,
    hours,
    stop_loss_ppm,
    take_profit_ppm,
    risk_per_trade_ppm,
    sizing_volatility_ppm,
    volatility_assumed_ppm,
    value_at_risk_max,
    risk_score_max,
});

/// Hours in which instruments that keep them are traded, as configured. The core holds only the sessions that are
/// worked out of them outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HoursRule {
    /// Minutes since midnight in the zone.
    pub start_min: u16,
    pub end_min: u16,
    /// The same where there are no extended hours.
    pub extended_start_min: u16,
    pub extended_end_min: u16,
    /// An IANA zone, such as `America/New_York`.
    pub zone: Text<32>,
}
wire_struct!(HoursRule { start_min, end_min, extended_start_min, extended_end_min, zone });

impl Limits {
    /// Every limit as loose as it goes: what tests and benches begin from, to tighten the ones they are about.
    pub const LOOSEST: Limits = Limits {
        order_notional_max: Usd(i64::MAX),
        position_notional_max: Usd(i64::MAX),
        leverage_max_ppm: u64::MAX,
        account_balance_min: Usd::ZERO,
        daily_loss_max: Usd(i64::MAX),
        quote_age_max_ns: i64::MAX,
        market_order_margin_ppm: 0,
        open_orders_max: u32::MAX,
        ack_timeout_ns: i64::MAX,
        not_found_after_ns: i64::MAX,
        query_interval_ns: i64::MAX,
        reconcile_interval_ns: i64::MAX,
        day_offset_ns: 0,
        price_collar_ppm: u32::MAX,
        price_move_max_ppm: u32::MAX,
        price_move_window_ns: 0,
        duplicate_window_ns: 0,
        orders_per_second_max: 1_000_000_000,
        orders_per_day_max: u32::MAX,
        order_to_trade_max: u32::MAX,
        order_to_trade_orders_min: u32::MAX,
        runaway_executions_max: u32::MAX,
        runaway_window_ns: 0,
        exposure_gross_max: Usd(i64::MAX),
        exposure_net_max: Usd(i64::MAX),
        strategy_exposure_max: Usd(i64::MAX),
        daily_loss_halt_ppm: u32::MAX,
        drawdown_reduce_ppm: u32::MAX,
        drawdown_halt_ppm: u32::MAX,
        loss_streak_max: u32::MAX,
        exposure_venue_max: Usd(i64::MAX),
        exposure_asset_max: Usd(i64::MAX),
        correlated_exposure_max: Usd(i64::MAX),
        correlation_threshold_ppm: 1_000_000,
        correlation_window: 0,
        correlation_samples_min: 0,
        correlation_sample_ns: 0,
        hours: HoursRule {
            start_min: 0,
            end_min: 24 * 60,
            extended_start_min: 0,
            extended_end_min: 24 * 60,
            zone: Text::EMPTY,
        },
        stop_loss_ppm: 1_000_000,
        take_profit_ppm: 1_000_000,
        risk_per_trade_ppm: 1_000_000,
        sizing_volatility_ppm: 0,
        volatility_assumed_ppm: 0,
        value_at_risk_max: Usd(i64::MAX),
        risk_score_max: u32::MAX,
    };
}

/// A strategy instance and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StrategyConfig {
    pub id: StrategyId,
    pub instrument: InstrumentId,
    pub kind: StrategyKind,
}
wire_struct!(StrategyConfig { id, instrument, kind });

/// The reference strategies. Notionals are dollars of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrategyKind {
    /// Long above, flat (or short where the venue lets) below, on two exponential averages of the mid, sampled every `sample_ns`.
    EmaCross { fast: u32, slow: u32, sample_ns: Nanos, order_notional: Usd },
    /// A limit-maker order on each side, `offset_ppm` from the mid, requoted when the mid moves `requote_ppm`.
    Maker { offset_ppm: u32, requote_ppm: u32, order_notional: Usd, inventory_max: Usd },
    /// An IOC of `qty` at the touch on every `every`th quote, buying and selling in turn: the instrument of latency measurement.
    Probe { every: u32, qty: Qty },
}
wire_enum!(StrategyKind {
    0 => EmaCross { fast, slow, sample_ns, order_notional },
    1 => Maker { offset_ppm, requote_ppm, order_notional, inventory_max },
    2 => Probe { every, qty },
});

impl Default for StrategyKind {
    fn default() -> Self {
        StrategyKind::Probe { every: 0, qty: Qty::ZERO }
    }
}
