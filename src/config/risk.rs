//! The limits of the gate, as an operator writes them.

use super::bounds::bound;
use super::reader::Section;
use crate::domain::{Nanos, Usd};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// Hours in which instruments that say so are traded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradingHours {
    pub start: Time,
    pub end: Time,
    /// Both `None` where there is no trading in extended hours.
    pub extended: Option<(Time, Time)>,
    pub timezone: TimeZone,
    pub holidays: Holidays,
    /// Half days end then, and their extended hours an hour later.
    pub half_day_end: Time,
}

/// Days without trading, and half days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holidays {
    /// The rules of the New York Stock Exchange, for any year.
    UsEquities,
    /// Only Saturdays and Sundays.
    None,
    Listed {
        closed: Vec<Date>,
        half: Vec<Date>,
    },
}

/// Every limit. Percentages are in parts per million (`1 %` is 10 000).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// Assets held at one dollar each; upper case.
    pub usd_assets: Vec<String>,
    pub order_notional_max: Usd,
    pub position_notional_max: Usd,
    /// `3` is 3 000 000.
    pub leverage_max_ppm: u64,
    pub correlated_exposure_max: Usd,
    pub account_balance_min: Usd,
    pub daily_loss_max: Usd,
    /// The day of the daily loss begins this long after midnight UTC.
    pub day_offset_ns: Nanos,
    pub stop_loss_ppm: u32,
    pub take_profit_ppm: u32,
    pub risk_per_trade_ppm: u32,
    pub trading_hours: TradingHours,
    pub quote_age_max_ns: Nanos,
    pub market_order_margin_ppm: u32,
    pub open_orders_max: u32,
    pub ack_timeout_ns: Nanos,
    pub not_found_after_ns: Nanos,
    pub query_interval_ns: Nanos,
    pub reconcile_interval_ns: Nanos,
    pub price_collar_ppm: u32,
    pub price_move_max_ppm: u32,
    pub price_move_window_ns: Nanos,
    /// 0: the same order may come as often as it likes.
    pub duplicate_window_ns: Nanos,
    pub orders_per_second_max: u32,
    pub orders_per_day_max: u32,
    pub order_to_trade_max: u32,
    pub order_to_trade_orders_min: u32,
    pub runaway_executions_max: u32,
    pub runaway_window_ns: Nanos,
    pub exposure_gross_max: Usd,
    pub exposure_net_max: Usd,
    pub strategy_exposure_max: Usd,
    /// Of `daily_loss_max`; at least all of it.
    pub daily_loss_halt_ppm: u32,
    pub drawdown_reduce_ppm: u32,
    pub drawdown_halt_ppm: u32,
    pub loss_streak_max: u32,
    pub exposure_venue_max: Usd,
    pub exposure_asset_max: Usd,
    pub correlation_threshold_ppm: u32,
    pub correlation_window: u32,
    pub correlation_samples_min: u32,
    pub correlation_sample_ns: Nanos,
    /// 0: quantities do not depend on it.
    pub sizing_volatility_ppm: u32,
    pub volatility_assumed_ppm: u32,
    pub value_at_risk_max: Usd,
    pub risk_score_max: u32,
}

impl Risk {
    pub(super) fn read(s: Section) -> Risk {
        let whole = |key| s.bounded_whole(bound(key)) as u32;
        let millis = |key| s.bounded_whole(bound(key)) * 1_000_000;
        let decimal = |key| s.bounded_decimal(bound(key));
        let ppm = |key| s.bounded_decimal(bound(key)) as u32;
        let usd = |key| Usd(s.bounded_decimal(bound(key)));
        let risk = Risk {
            usd_assets: s.texts("usd_assets"),
            order_notional_max: usd("order_notional_max_usd"),
            position_notional_max: usd("position_notional_max_usd"),
            leverage_max_ppm: decimal("leverage_max") as u64,
            correlated_exposure_max: usd("correlated_exposure_max_usd"),
            account_balance_min: usd("account_balance_min_usd"),
            daily_loss_max: usd("daily_loss_max_usd"),
            day_offset_ns: since_midnight(clock(&s, "day_start_utc")),
            stop_loss_ppm: ppm("stop_loss_pct"),
            take_profit_ppm: ppm("take_profit_pct"),
            risk_per_trade_ppm: ppm("risk_per_trade_pct"),
            trading_hours: TradingHours::read(s.section("trading_hours")),
            quote_age_max_ns: millis("quote_age_max_ms"),
            market_order_margin_ppm: ppm("market_order_margin_pct"),
            open_orders_max: whole("open_orders_max"),
            ack_timeout_ns: millis("ack_timeout_ms"),
            not_found_after_ns: millis("not_found_after_ms"),
            query_interval_ns: millis("query_interval_ms"),
            reconcile_interval_ns: millis("reconcile_interval_ms"),
            price_collar_ppm: ppm("price_collar_pct"),
            price_move_max_ppm: ppm("price_move_max_pct"),
            price_move_window_ns: millis("price_move_window_ms"),
            duplicate_window_ns: millis("duplicate_window_ms"),
            orders_per_second_max: whole("orders_per_second_max"),
            orders_per_day_max: whole("orders_per_day_max"),
            order_to_trade_max: whole("order_to_trade_max"),
            order_to_trade_orders_min: whole("order_to_trade_orders_min"),
            runaway_executions_max: whole("runaway_executions_max"),
            runaway_window_ns: millis("runaway_window_ms"),
            exposure_gross_max: usd("exposure_gross_max_usd"),
            exposure_net_max: usd("exposure_net_max_usd"),
            strategy_exposure_max: usd("strategy_exposure_max_usd"),
            daily_loss_halt_ppm: ppm("daily_loss_halt_pct"),
            drawdown_reduce_ppm: ppm("drawdown_reduce_pct"),
            drawdown_halt_ppm: ppm("drawdown_halt_pct"),
            loss_streak_max: whole("loss_streak_max"),
            exposure_venue_max: usd("exposure_venue_max_usd"),
            exposure_asset_max: usd("exposure_asset_max_usd"),
            correlation_threshold_ppm: decimal("correlation_threshold") as u32,
            correlation_window: whole("correlation_window_samples"),
            correlation_samples_min: whole("correlation_samples_min"),
            correlation_sample_ns: millis("correlation_sample_ms"),
            sizing_volatility_ppm: ppm("sizing_volatility_pct"),
            volatility_assumed_ppm: ppm("volatility_assumed_pct"),
            value_at_risk_max: usd("value_at_risk_max_usd"),
            risk_score_max: whole("risk_score_max"),
        };
        if risk.drawdown_reduce_ppm > risk.drawdown_halt_ppm && s.sound(&["drawdown_reduce_pct", "drawdown_halt_pct"]) {
            s.fault("drawdown_reduce_pct", "is above drawdown_halt_pct: trading would halt before it is reduced");
        }
        if risk.correlation_samples_min > risk.correlation_window
            && s.sound(&["correlation_samples_min", "correlation_window_samples"])
        {
            s.fault("correlation_samples_min", "is above correlation_window_samples: nothing would ever be known");
        }
        if risk.usd_assets.iter().any(|asset| !asset.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())) {
            s.fault("usd_assets", "assets are written as the venue does, in A-Z and 0-9");
        }
        s.finish();
        risk
    }
}

impl TradingHours {
    fn read(s: Section) -> TradingHours {
        let (start, end) = (clock(&s, "start"), clock(&s, "end"));
        if start >= end && s.sound(&["start", "end"]) {
            s.fault("start", "must be before end");
        }
        let name = s.text("timezone");
        let timezone = TimeZone::get(&name);
        if let (Err(error), false) = (&timezone, name.is_empty()) {
            s.fault("timezone", format!("{name:?} is not a time zone such as \"America/New_York\": {error}"));
        }
        if name.len() > 32 {
            s.fault("timezone", format!("{name:?} is longer than 32 bytes"));
        }
        let extended = (s.has("extended_start") || s.has("extended_end"))
            .then(|| (clock(&s, "extended_start"), clock(&s, "extended_end")));
        if let Some((from, to)) = extended
            && (from > start || to < end)
            && s.sound(&["start", "end", "extended_start", "extended_end"])
        {
            s.fault("extended_start", "extended hours must cover start to end");
        }
        let half_day_end = clock(&s, "half_day_end");
        if (half_day_end <= start || half_day_end > end) && s.sound(&["start", "end", "half_day_end"]) {
            s.fault("half_day_end", "must be after start and at most end");
        }
        let holidays = Holidays::read(&s);
        s.finish();
        TradingHours { start, end, extended, timezone: timezone.unwrap_or(TimeZone::UTC), holidays, half_day_end }
    }
}

impl Holidays {
    fn read(s: &Section) -> Holidays {
        if s.is_text("holidays", "us_equities") {
            return Holidays::UsEquities;
        }
        if s.is_text("holidays", "none") {
            return Holidays::None;
        }
        let days = |key| -> Vec<Date> {
            let day = |text: String| {
                let day = text.parse::<Date>();
                if day.is_err() && !text.is_empty() {
                    s.fault(key, format!("{text:?} is not a day such as \"2026-12-25\""));
                }
                day.ok()
            };
            s.texts(key).into_iter().filter_map(day).collect()
        };
        let half = if s.has("half_days") { days("half_days") } else { Vec::new() };
        Holidays::Listed { closed: days("holidays"), half }
    }
}

/// A time of day written `HH:MM`.
fn clock(s: &Section, key: &'static str) -> Time {
    let text = s.text(key);
    let digits = |part: &str| if part.len() == 2 { part.parse::<i8>().ok() } else { None };
    let time = text.split_once(':').and_then(|(hour, minute)| Time::new(digits(hour)?, digits(minute)?, 0, 0).ok());
    if time.is_none() && !text.is_empty() {
        s.fault(key, format!("{text:?} is not a time of day such as \"09:30\""));
    }
    time.unwrap_or_default()
}

fn since_midnight(time: Time) -> Nanos {
    (i64::from(time.hour()) * 60 + i64::from(time.minute())) * 60 * 1_000_000_000
}
