//! `update-risk-config`: limits changed at run time, by the names users know or by their keys in the configuration.
//!
//! Whoever trades may tighten; loosening needs the role admin, on paper as in live mode.
//! The change is checked as a whole against the limits that hold, sent as one command in a person's name, and applied
//! between two events. It holds until the next start: there the configuration file wins.

use super::act::{named, outcome};
use super::answer::{Answer, Failure, ok, pending};
use super::app::{Call, unanswered};
use super::fields::{FieldFault, Fields};
use super::openapi::schema;
use crate::config::bound;
use crate::core::command::Action;
use crate::core::config::{HoursRule, Limits};
use crate::credentials::Role;
use crate::domain::{Dec, Text, Usd};
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// A limit: the users' name for it, its key in the configuration, its decimal places, and where it stands.
struct Limit {
    name: Option<&'static str>,
    key: &'static str,
    scale: u8,
    looser: Looser,
    get: fn(&Limits) -> i64,
    /// False where the number does not fit.
    set: fn(&mut Limits, i64) -> bool,
}

/// Which way a limit lets more through.
#[derive(Clone, Copy, PartialEq)]
enum Looser {
    Up,
    Down,
    /// What other samples would say is not known.
    Either,
}
use Looser::{Down, Either, Up};

macro_rules! limits {
    ($($looser:ident $name:expr, $key:literal, $field:ident $(. $inner:tt)? $(* $unit:literal)?, $scale:literal;)*) => {
        const LIMITS: &[Limit] = &[$( Limit {
            name: $name,
            key: $key,
            scale: $scale,
            looser: $looser,
            get: |limits| i64::try_from(limits.$field $(. $inner)?).unwrap_or(i64::MAX) $(/ $unit)?,
            set: |limits, value| match (value $(* $unit)?).try_into() {
                Ok(value) => {
                    limits.$field $(. $inner)? = value;
                    true
                }
                Err(_) => false,
            },
        } ),*];
    };
}

// Percentages are kept in parts per million: four places. Times are kept in nanoseconds and written in milliseconds.
limits! {
    Up Some("maxDailyLoss"), "daily_loss_max_usd", daily_loss_max.0, 8;
    Up Some("maxPositionSize"), "position_notional_max_usd", position_notional_max.0, 8;
    Up Some("maxLeverage"), "leverage_max", leverage_max_ppm, 6;
    Up Some("maxCorrelatedPositions"), "correlated_exposure_max_usd", correlated_exposure_max.0, 8;
    Up Some("maxOrderSize"), "order_notional_max_usd", order_notional_max.0, 8;
    Down Some("minAccountBalance"), "account_balance_min_usd", account_balance_min.0, 8;
    Up Some("stopLossPercentage"), "stop_loss_pct", stop_loss_ppm, 4;
    Up Some("takeProfitPercentage"), "take_profit_pct", take_profit_ppm, 4;
    Up Some("riskPerTrade"), "risk_per_trade_pct", risk_per_trade_ppm, 4;
    Up None, "open_orders_max", open_orders_max, 0;
    Down None, "market_order_margin_pct", market_order_margin_ppm, 4;
    Up None, "quote_age_max_ms", quote_age_max_ns * 1_000_000, 0;
    Up None, "price_collar_pct", price_collar_ppm, 4;
    Up None, "price_move_max_pct", price_move_max_ppm, 4;
    Down None, "price_move_window_ms", price_move_window_ns * 1_000_000, 0;
    Down None, "duplicate_window_ms", duplicate_window_ns * 1_000_000, 0;
    Up None, "orders_per_second_max", orders_per_second_max, 0;
    Up None, "orders_per_day_max", orders_per_day_max, 0;
    Up None, "order_to_trade_max", order_to_trade_max, 0;
    Up None, "order_to_trade_orders_min", order_to_trade_orders_min, 0;
    Up None, "runaway_executions_max", runaway_executions_max, 0;
    Down None, "runaway_window_ms", runaway_window_ns * 1_000_000, 0;
    Up None, "exposure_gross_max_usd", exposure_gross_max.0, 8;
    Up None, "exposure_net_max_usd", exposure_net_max.0, 8;
    Up None, "exposure_venue_max_usd", exposure_venue_max.0, 8;
    Up None, "exposure_asset_max_usd", exposure_asset_max.0, 8;
    Up None, "strategy_exposure_max_usd", strategy_exposure_max.0, 8;
    Up None, "correlation_threshold", correlation_threshold_ppm, 6;
    Up None, "sizing_volatility_pct", sizing_volatility_ppm, 4;
    Down None, "volatility_assumed_pct", volatility_assumed_ppm, 4;
    Up None, "value_at_risk_max_usd", value_at_risk_max.0, 8;
    Up None, "risk_score_max", risk_score_max, 0;
    Up None, "daily_loss_halt_pct", daily_loss_halt_ppm, 4;
    Up None, "drawdown_reduce_pct", drawdown_reduce_ppm, 4;
    Up None, "drawdown_halt_pct", drawdown_halt_ppm, 4;
    Up None, "loss_streak_max", loss_streak_max, 0;
    Up None, "ack_timeout_ms", ack_timeout_ns * 1_000_000, 0;
    // Believed sooner, an order that is late counts as none.
    Down None, "not_found_after_ms", not_found_after_ns * 1_000_000, 0;
    Up None, "query_interval_ms", query_interval_ns * 1_000_000, 0;
    Up None, "reconcile_interval_ms", reconcile_interval_ns * 1_000_000, 0;
    Either None, "correlation_sample_ms", correlation_sample_ns * 1_000_000, 0;
    Either None, "correlation_window_samples", correlation_window, 0;
    Down None, "correlation_samples_min", correlation_samples_min, 0;
}

/// What of a change lets more through than before, by key: in live mode that needs the admin role. Empty where the
/// change only tightens. Other trading hours count as looser unless they lie within the old ones, in the same zone.
pub fn loosens(old: &Limits, new: &Limits) -> Vec<&'static str> {
    let looser = LIMITS.iter().filter(|limit| {
        // No stop at all is looser than any.
        let off = matches!(limit.key, "stop_loss_pct" | "take_profit_pct");
        let of = |limits| Some((limit.get)(limits)).filter(|value| !off || *value != 0).unwrap_or(i64::MAX);
        let (old, new) = (of(old), of(new));
        match limit.looser {
            Up => new > old,
            Down => new < old,
            Either => new != old,
        }
    });
    let mut keys: Vec<&'static str> = looser.map(|limit| limit.key).collect();
    // Another boundary may begin the day, and its loss, anew.
    if old.day_offset_ns != new.day_offset_ns {
        keys.push("day_start_utc");
    }
    let (was, is) = (&old.hours, &new.hours);
    let within = was.zone == is.zone
        && is.start_min >= was.start_min
        && is.end_min <= was.end_min
        && is.extended_start_min >= was.extended_start_min
        && is.extended_end_min <= was.extended_end_min;
    if !within {
        keys.push("trading_hours");
    }
    keys
}

const MINUTE_NS: i64 = 60_000_000_000;

/// Minutes since midnight of a time written `HH:MM`.
fn minutes(text: &str) -> Option<u16> {
    let part = |part: &str, below: u16| part.parse::<u16>().ok().filter(|n| part.len() == 2 && *n < below);
    let (hour, minute) = text.split_once(':')?;
    Some(part(hour, 24)? * 60 + part(minute, 60)?)
}

fn not_a_time(text: &str) -> String {
    format!("{text:?} is not a time of day such as \"09:30\"")
}

fn time_of_day(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Reads `tradingHours`, an object of `start`, `end` (`HH:MM`) and `timezone`; what it leaves out stays. Extended hours
/// stay as far as they still cover it.
fn trading_hours(fields: &Fields, old: HoursRule) -> Option<HoursRule> {
    let object = fields.object_opt("tradingHours")?;
    let mut rule = old;
    for (key, slot) in [("start", &mut rule.start_min), ("end", &mut rule.end_min)] {
        let Some(text) = object.text_opt(key) else { continue };
        match minutes(&text) {
            Some(minutes) => *slot = minutes,
            None => object.fault(key, not_a_time(&text)),
        }
    }
    if let Some(zone) = object.text_opt("timezone") {
        match TimeZone::get(&zone) {
            Ok(_) if zone.len() <= 32 => rule.zone = Text::new(&zone),
            _ => object.fault("timezone", format!("{zone:?} is not a time zone such as \"America/New_York\"")),
        }
    }
    rule.extended_start_min = rule.extended_start_min.min(rule.start_min);
    rule.extended_end_min = rule.extended_end_min.max(rule.end_min);
    if (old.extended_start_min, old.extended_end_min) == (old.start_min, old.end_min) {
        (rule.extended_start_min, rule.extended_end_min) = (rule.start_min, rule.end_min);
    }
    for fault in object.finish().err().unwrap_or_default() {
        fields.fault(&format!("tradingHours.{}", fault.field), fault.message);
    }
    Some(rule)
}

fn shown_hours(rule: &HoursRule) -> Value {
    let (start, end, timezone) = (time_of_day(rule.start_min), time_of_day(rule.end_min), rule.zone.as_str());
    serde_json::json!({ "start": start, "end": end, "timezone": timezone })
}

pub(super) async fn update(app: &Call<'_>, fields: Fields<'_>) -> Answer {
    app.ready()?;
    // One after the other: each is checked against what the one before it left.
    let _turn = app.limits_turn.lock().await;
    // One that is asked for again is told of against the limits that it changed.
    let repeated = app.repeated()?;
    let old = {
        let view = app.view.lock();
        let then = repeated.and_then(|request| view.asked().limits_at(view.asked().seq_of(request)?));
        *then.unwrap_or_else(|| view.core().limits())
    };
    let mut new = old;
    let (mut asked, mut changed) = (0, Map::new());
    for limit in LIMITS {
        for field in limit.name.into_iter().chain([limit.key]) {
            if fields.is_null(field) {
                fields.fault(field, "must be a number, is null: leave out what stays");
            }
            let Some(decimal) = fields.decimal_or_zero_opt(field) else { continue };
            asked += 1;
            match decimal.units(limit.scale) {
                Ok(units) => match refused(limit, units) {
                    Some(why) => fields.fault(field, why),
                    // Whatever the bounds hold fits.
                    None => _ = (limit.set)(&mut new, units),
                },
                Err(message) => fields.fault(field, message),
            }
            let shown = |limits: &Limits| Dec { value: (limit.get)(limits), scale: limit.scale }.to_string();
            changed.insert(field.to_owned(), serde_json::json!({ "old": shown(&old), "new": shown(&new) }));
        }
    }
    if let Some(text) = fields.text_opt("day_start_utc") {
        asked += 1;
        match minutes(&text) {
            Some(at) => new.day_offset_ns = i64::from(at) * MINUTE_NS,
            None => fields.fault("day_start_utc", not_a_time(&text)),
        }
        let shown = |limits: &Limits| time_of_day((limits.day_offset_ns / MINUTE_NS) as u16);
        changed.insert("day_start_utc".to_owned(), serde_json::json!({ "old": shown(&old), "new": shown(&new) }));
    }
    if let Some(hours) = trading_hours(&fields, old.hours) {
        asked += 1;
        new.hours = hours;
        let shown = serde_json::json!({ "old": shown_hours(&old.hours), "new": shown_hours(&hours) });
        changed.insert("tradingHours".to_owned(), shown);
    }
    let (who, why) = named(app, &fields);
    let names = |limit: &'static Limit| limit.name.unwrap_or(limit.key);
    if asked == 0 {
        let known: Vec<&str> = LIMITS.iter().map(names).chain(["day_start_utc", "tradingHours"]).collect();
        fields.fault("action", format!("no limit is named; there are {}", known.join(", ")));
    }
    let given: Vec<&str> = LIMITS.iter().map(|limit| limit.key).filter(|key| fields.has(key)).collect();
    fields.finish().map_err(Failure::fields)?;
    whole(&old, &new, &given)?;
    let looser = loosens(&old, &new);
    if !looser.is_empty() {
        app.caller.need(Role::Admin, &format!("loosening {}", looser.join(", ")))?;
    }
    let request = app.send_as(&who, Action::SetLimits(new), &why)?;
    match outcome(app, app.deadline(), request, |outcome| outcome.reply.is_some()).await {
        Some(_) => ok(serde_json::json!({
            "request_id": request.to_string(),
            "changed": Value::Object(changed),
            "loosened": looser,
            "holds": "until the next start: there the configuration file wins",
        })),
        None => pending(unanswered(request)),
    }
}

/// The limits that can be changed at run time, by their keys.
pub(super) fn shown(limits: &Limits) -> Map<String, Value> {
    let each = LIMITS.iter().map(|limit| {
        let value = Dec { value: (limit.get)(limits), scale: limit.scale }.to_string();
        (limit.key.to_owned(), Value::from(value))
    });
    each.collect()
}

/// The limits as a request may name them, for the API's document.
pub(super) fn documented() -> schema::Fields {
    let each = LIMITS.iter().flat_map(|limit| {
        let bound = bound(limit.key);
        let schema = match bound.least_whole() {
            0 | 1 => schema::amount(bound.max, limit.scale.into()),
            // As text it has as many digits as the least of that many has.
            low => {
                let nines = 10i64.pow(low.ilog10() + 1) - 1;
                let text = schema::pattern(&format!("[1-9][0-9]{{{}}}", low.ilog10()));
                let text =
                    if low == 10i64.pow(low.ilog10()) { text } else { schema::pattern(&format!("[{low}-{nines}]")) };
                schema::any([text, schema::between(low, bound.max)])
            }
        };
        limit.name.into_iter().chain([limit.key]).map(move |name| (format!("{name}?"), schema.clone()))
    });
    each.collect()
}

/// Why the file would not have it, in its words.
fn refused(limit: &Limit, units: i64) -> Option<String> {
    let bound = bound(limit.key);
    (!bound.holds(units)).then(|| bound.refusal(&Dec { value: units, scale: limit.scale }.to_string()))
}

/// The limits make sense together, as at the start.
fn whole(old: &Limits, limits: &Limits, given: &[&str]) -> Result<(), Failure> {
    let mut faults = Vec::new();
    let mut ordered = |low: (&str, Usd), high: (&str, Usd)| {
        if low.1 > high.1 {
            faults.push(FieldFault::new(low.0, format!("{} would be above {} = {}", low.1, high.0, high.1)));
        }
    };
    let position = ("position_notional_max_usd", limits.position_notional_max);
    ordered(("order_notional_max_usd", limits.order_notional_max), position);
    let gross = ("exposure_gross_max_usd", limits.exposure_gross_max);
    ordered(("exposure_net_max_usd", limits.exposure_net_max), gross);
    ordered(("exposure_venue_max_usd", limits.exposure_venue_max), gross);
    ordered(("exposure_asset_max_usd", limits.exposure_asset_max), gross);
    ordered(position, ("correlated_exposure_max_usd", limits.correlated_exposure_max));
    // What the file let stand so is not this change's fault.
    let times = given.iter().any(|key| matches!(*key, "ack_timeout_ms" | "not_found_after_ms"));
    if times && limits.ack_timeout_ns > limits.not_found_after_ns {
        faults.push(FieldFault::new("ack_timeout_ms", "would be above not_found_after_ms"));
    }
    // Down to the venues' recv_window_ms an order may still arrive; only the file stands beside those.
    if limits.not_found_after_ns < old.not_found_after_ns {
        let told = "can only be raised while the engine runs: the file holds it against the venues' recv_window_ms";
        faults.push(FieldFault::new("not_found_after_ms", told));
    }
    let samples = given.iter().any(|key| matches!(*key, "correlation_samples_min" | "correlation_window_samples"));
    if samples && limits.correlation_samples_min > limits.correlation_window {
        let told = "would be above correlation_window_samples: nothing would be known";
        faults.push(FieldFault::new("correlation_samples_min", told));
    }
    if limits.drawdown_reduce_ppm > limits.drawdown_halt_ppm {
        faults.push(FieldFault::new("drawdown_reduce_pct", "would be above drawdown_halt_pct"));
    }
    if limits.hours.start_min >= limits.hours.end_min {
        faults.push(FieldFault::new("tradingHours.start", "would not be before tradingHours.end"));
    }
    if faults.is_empty() {
        return Ok(());
    }
    let told = Failure::fields(faults);
    Err(Failure { status: StatusCode::CONFLICT, code: "LIMITS_CONFLICT", ..told })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_more_through_is_named() {
        let middle = Limits {
            order_notional_max: Usd::dollars(100),
            account_balance_min: Usd::dollars(100),
            market_order_margin_ppm: 100,
            hours: HoursRule { start_min: 600, end_min: 900, ..HoursRule::default() },
            ..Limits::default()
        };
        assert_eq!(loosens(&middle, &middle), [""; 0]);
        let mut tighter = middle;
        (tighter.order_notional_max, tighter.account_balance_min) = (Usd::dollars(99), Usd::dollars(101));
        (tighter.hours.start_min, tighter.market_order_margin_ppm) = (610, 101);
        assert_eq!(loosens(&middle, &tighter), [""; 0]);
        let back = loosens(&tighter, &middle);
        assert_eq!(
            back,
            ["order_notional_max_usd", "account_balance_min_usd", "market_order_margin_pct", "trading_hours"]
        );
        let mut moved = middle;
        moved.hours.zone = Text::new("Asia/Tokyo");
        assert_eq!(loosens(&middle, &moved), ["trading_hours"]);
    }

    /// The faults that the file's reader finds at a key, of the shipped configuration with this value there.
    fn of_the_file(key: &str, value: &str) -> Vec<String> {
        let shipped = include_str!("../../config/tollgate.toml");
        let line = shipped.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        let text = shipped.replacen(line, &format!("{key} = {value}"), 1);
        let faults = crate::config::Config::parse(&text).err().map(|faults| faults.0).unwrap_or_default();
        faults.into_iter().filter(|fault| fault.key == format!("risk.{key}")).map(|fault| fault.message).collect()
    }

    #[test]
    fn every_limit_is_refused_where_the_file_refuses_it_and_in_the_same_words() {
        for limit in LIMITS {
            let bound = bound(limit.key);
            assert_eq!((bound.key, bound.scale), (limit.key, limit.scale));
            let most = bound.max * 10i64.pow(limit.scale.into());
            for (units, passes) in [(bound.least - 1, false), (bound.least, true), (most, true), (most + 1, false)] {
                if units < 0 {
                    continue;
                }
                let why = refused(limit, units);
                assert_eq!(why.is_none(), passes, "{} {units}", limit.key);
                let shown = Dec { value: units, scale: limit.scale }.to_string();
                let words = bound.refusal(&shown);
                let found = of_the_file(limit.key, &shown);
                assert_eq!(found.contains(&words), !passes, "{} {units}: {found:?}", limit.key);
                assert!(why.is_none_or(|why| why == words));
            }
        }
    }

    /// Every limit of the file, and nothing of the table that is not one. What a dollar is worth of is no limit: it
    /// says how instruments are valued, and holds from start to start.
    #[test]
    fn every_limit_of_the_configuration_can_be_changed() {
        let shipped = include_str!("../../config/tollgate.toml");
        let risk = &shipped[shipped.find("[risk]\n").unwrap()..shipped.find("[risk.trading_hours]").unwrap()];
        let keys = risk.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
        let mut known = 0;
        for (key, _) in keys.filter(|(key, _)| !matches!(*key, "usd_assets" | "day_start_utc")) {
            assert!(LIMITS.iter().any(|limit| limit.key == key), "{key}");
            known += 1;
        }
        assert_eq!((known, LIMITS.len()), (crate::config::BOUNDS.len(), crate::config::BOUNDS.len()));
    }
}
