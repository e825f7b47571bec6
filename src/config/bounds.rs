//! What each limit of the gate may be. The file's reader and `update-risk-config` hold values against the same rows, and
//! refuse in the same words.

use super::strategies::USD_MAX;

/// A limit: its key, its decimal places (none: a whole number), and where it may stand.
#[derive(Debug)]
pub struct Bound {
    pub key: &'static str,
    pub scale: u8,
    /// In units of `10^-scale`: 0, one unit for what must be above 0, or more.
    pub least: i64,
    /// In whole units.
    pub max: i64,
}

impl Bound {
    pub fn holds(&self, units: i64) -> bool {
        units >= self.least && i128::from(units) <= i128::from(self.max) * 10i128.pow(self.scale.into())
    }

    /// The least in whole units, rounded down: 0 for what must merely be above 0.
    pub fn least_whole(&self) -> i64 {
        self.least / 10i64.pow(self.scale.into())
    }

    /// Why a value, as it was written, is refused.
    pub fn refusal(&self, shown: &str) -> String {
        let max = self.max;
        match (self.scale, self.least) {
            (0, least) => format!("{shown} is outside {least} to {max}"),
            (_, 0) => format!("{shown} is outside 0 to {max}"),
            (_, 1) => format!("{shown} must be above 0 and at most {max}"),
            _ => format!("{shown} is outside {} to {max}", self.least_whole()),
        }
    }
}

const fn limit(key: &'static str, scale: u8, least: i64, max: i64) -> Bound {
    Bound { key, scale, least, max }
}

/// As many samples as the core's sums have room for.
const CORRELATION_WINDOW_MAX: i64 = 512;

/// What a key is held against that has no row: nothing passes. A test holds that every key of the file has one.
static NOTHING: Bound = limit("", 0, 1, 0);

#[rustfmt::skip]
pub static BOUNDS: [Bound; 43] = [
    limit("order_notional_max_usd", 8, 1, USD_MAX),
    limit("position_notional_max_usd", 8, 1, USD_MAX),
    limit("leverage_max", 6, 1, 100),
    limit("correlated_exposure_max_usd", 8, 1, USD_MAX),
    limit("account_balance_min_usd", 8, 0, USD_MAX),
    limit("daily_loss_max_usd", 8, 1, USD_MAX),
    limit("stop_loss_pct", 4, 0, 100),
    limit("take_profit_pct", 4, 0, 1_000),
    limit("risk_per_trade_pct", 4, 1, 100),
    limit("quote_age_max_ms", 0, 1, 600_000),
    limit("market_order_margin_pct", 4, 0, 50),
    limit("open_orders_max", 0, 1, 1_000),
    limit("ack_timeout_ms", 0, 10, 60_000),
    limit("not_found_after_ms", 0, 10, 600_000),
    limit("query_interval_ms", 0, 10, 600_000),
    limit("reconcile_interval_ms", 0, 10_000, 86_400_000),
    limit("price_collar_pct", 4, 1, 100),
    limit("price_move_max_pct", 4, 1, 100),
    limit("price_move_window_ms", 0, 10, 3_600_000),
    limit("duplicate_window_ms", 0, 0, 60_000),
    limit("orders_per_second_max", 0, 1, 100_000),
    limit("orders_per_day_max", 0, 1, 1_000_000_000),
    limit("order_to_trade_max", 0, 1, 1_000_000),
    limit("order_to_trade_orders_min", 0, 1, 1_000_000),
    limit("runaway_executions_max", 0, 1, 10_000),
    limit("runaway_window_ms", 0, 10, 86_400_000),
    limit("exposure_gross_max_usd", 8, 1, USD_MAX),
    limit("exposure_net_max_usd", 8, 1, USD_MAX),
    limit("strategy_exposure_max_usd", 8, 1, USD_MAX),
    // At daily_loss_max_usd itself trading is reduced.
    limit("daily_loss_halt_pct", 4, 1_000_000, 1_000),
    limit("drawdown_reduce_pct", 4, 1, 100),
    limit("drawdown_halt_pct", 4, 1, 100),
    limit("loss_streak_max", 0, 1, 1_000_000),
    limit("exposure_venue_max_usd", 8, 1, USD_MAX),
    limit("exposure_asset_max_usd", 8, 1, USD_MAX),
    limit("correlation_threshold", 6, 1, 1),
    limit("correlation_window_samples", 0, 10, CORRELATION_WINDOW_MAX),
    limit("correlation_samples_min", 0, 5, CORRELATION_WINDOW_MAX),
    limit("correlation_sample_ms", 0, 100, 86_400_000),
    limit("sizing_volatility_pct", 4, 0, 100),
    limit("volatility_assumed_pct", 4, 1, 100),
    limit("value_at_risk_max_usd", 8, 1, USD_MAX),
    limit("risk_score_max", 0, 1, 100),
];

pub fn bound(key: &str) -> &'static Bound {
    BOUNDS.iter().find(|bound| bound.key == key).unwrap_or(&NOTHING)
}
