//! What going live takes, and what takes it back.

use super::reader::Section;
use super::strategies::USD_MAX;
use crate::domain::{Nanos, Usd};

/// Most stages; what the core keeps.
const STAGES_MAX: usize = 8;
/// A day, unless a demonstration makes it shorter.
const DAY_SECONDS: u64 = 86_400;
const SECOND_NS: Nanos = 1_000_000_000;

/// A step of capital. Percentages are in parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    pub capital_ppm: u32,
    pub order_notional_max: Usd,
    pub position_notional_max: Usd,
    pub orders_per_day_max: u32,
    pub open_orders_max: u32,
    /// Least running time and closed trades in it before the next.
    pub days_min: u32,
    pub trades_min: u64,
}

impl Stage {
    fn read(s: Section) -> Stage {
        let usd = |key| Usd(s.decimal_above_zero(key, Usd::SCALE, USD_MAX));
        let stage = Stage {
            capital_ppm: s.percent_above_zero("capital_pct", 100),
            order_notional_max: usd("order_notional_max_usd"),
            position_notional_max: usd("position_notional_max_usd"),
            orders_per_day_max: s.whole("orders_per_day_max", 1..=1_000_000_000) as u32,
            open_orders_max: s.whole("open_orders_max", 1..=1_000) as u32,
            days_min: s.whole("days_min", 0..=3_650) as u32,
            trades_min: s.whole("trades_min", 0..=1_000_000),
        };
        if stage.order_notional_max > stage.position_notional_max
            && s.sound(&["order_notional_max_usd", "position_notional_max_usd"])
        {
            s.fault("order_notional_max_usd", "is above position_notional_max_usd");
        }
        s.finish();
        stage
    }
}

/// What takes live trading back by itself. Parts per million of the stage's capital.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revert {
    pub drawdown_ppm: u32,
    pub daily_loss_ppm: u32,
    pub loss_streak: u32,
    pub on_difference: bool,
    /// Live trades or fills before live is compared with paper.
    pub compare_min: u64,
    /// Live slippage above so many hundredths of that of paper, and above `slippage_ppm` of the notional.
    pub slippage_times_percent: u32,
    pub slippage_ppm: u32,
    /// A loss goes one stage down instead of to paper.
    pub one_stage: bool,
    /// Positions are closed at the market instead of kept with what protects them.
    pub flatten: bool,
}

impl Revert {
    fn read(s: Section) -> Revert {
        let revert = Revert {
            drawdown_ppm: s.percent_above_zero("drawdown_pct", 100),
            daily_loss_ppm: s.percent_above_zero("daily_loss_pct", 100),
            loss_streak: s.whole("loss_streak", 1..=1_000_000) as u32,
            on_difference: s.flag("on_difference"),
            compare_min: s.whole("compare_min", 2..=1_000_000),
            slippage_times_percent: s.decimal_above_zero("slippage_times", 2, 1_000) as u32,
            slippage_ppm: s.percent("slippage_pct", 100),
            one_stage: s.word("losses_go_to", &[("paper", false), ("stage_below", true)]).unwrap_or(false),
            flatten: s.word("positions", &[("flatten", true), ("keep", false)]).unwrap_or(true),
        };
        s.finish();
        revert
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub success_rate_min_ppm: u32,
    pub profit_factor_min_ppm: i64,
    pub sharpe_min_ppm: i64,
    pub trades_min: u64,
    pub drawdown_max_ppm: u32,
    pub evaluation_days: u32,
    /// The lower end of the 95 % interval has to reach what is asked of the success rate and the Sharpe ratio.
    pub lower_bound: bool,
    pub day_ns: Nanos,
    pub approvals: u8,
    pub request_expires_ns: Nanos,
    pub capital: Usd,
    /// A stage with at most this much capital needs no approval; zero: every stage needs one.
    pub automatic_capital: Usd,
    /// At least one.
    pub stages: Vec<Stage>,
    pub revert: Revert,
}

impl Transition {
    pub(super) fn read(s: Section) -> Transition {
        let transition = Transition {
            success_rate_min_ppm: s.percent("min_success_rate_pct", 100),
            profit_factor_min_ppm: s.decimal("min_profit_factor", 6, 1_000),
            sharpe_min_ppm: s.decimal_signed("min_sharpe_ratio", 6, 1_000),
            trades_min: s.whole("min_trade_count", 1..=1_000_000),
            drawdown_max_ppm: s.percent_above_zero("max_drawdown_pct", 100),
            evaluation_days: s.whole("evaluation_period_days", 1..=3_650) as u32,
            lower_bound: s.flag("lower_bound"),
            day_ns: s.whole_opt("day_seconds", 1..=DAY_SECONDS).unwrap_or(DAY_SECONDS) as Nanos * SECOND_NS,
            approvals: s.whole("approvals", 1..=4) as u8,
            request_expires_ns: s.whole("request_expires_hours", 1..=8_760) as Nanos * 3_600 * SECOND_NS,
            capital: Usd(s.decimal_above_zero("capital_usd", Usd::SCALE, USD_MAX)),
            automatic_capital: Usd(s.decimal("automatic_capital_usd", Usd::SCALE, USD_MAX)),
            stages: s.sections("stages").into_iter().map(Stage::read).collect(),
            revert: Revert::read(s.section("revert")),
        };
        if transition.stages.is_empty() || transition.stages.len() > STAGES_MAX {
            s.fault("stages", format!("1 to {STAGES_MAX} stages are needed"));
        }
        if !transition.stages.is_sorted_by_key(|stage| stage.capital_ppm) {
            s.fault("stages", "capital_pct must grow from stage to stage");
        }
        s.finish();
        transition
    }

    pub fn has_real_days(&self) -> bool {
        self.day_ns == DAY_SECONDS as Nanos * SECOND_NS
    }
}
