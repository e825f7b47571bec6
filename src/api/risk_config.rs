//! `update-risk-config`: limits changed at run time, by the names users know or by their keys in the configuration.
//!
//! The change is checked as a whole against the limits that hold, sent as one command in a person's name, and applied
//! between two events. It holds until the next start: there the configuration file wins.

use super::act::{named, outcome};
use super::answer::{Answer, Failure, ok, pending};
use super::app::{Call, unanswered};
use super::fields::Fields;
use crate::core::command::Action;
use crate::core::config::Limits;
use crate::domain::{Dec, Usd};
use serde_json::{Map, Value};

/// A limit: the users' name for it, its key in the configuration, its decimal places, and where it stands.
struct Limit {
    name: Option<&'static str>,
    key: &'static str,
    scale: u8,
    /// Most that it may be, in whole units; as in the configuration.
    max: i64,
    get: fn(&Limits) -> i64,
    /// False where the number does not fit.
    set: fn(&mut Limits, i64) -> bool,
}

macro_rules! limits {
    ($($name:expr, $key:literal, $field:ident $(. $inner:tt)?, $scale:literal, $max:literal;)*) => {
        const LIMITS: &[Limit] = &[$( Limit {
            name: $name,
            key: $key,
            scale: $scale,
            max: $max,
            get: |limits| i64::try_from(limits.$field $(. $inner)?).unwrap_or(i64::MAX),
            set: |limits, value| match value.try_into() {
                Ok(value) => {
                    limits.$field $(. $inner)? = value;
                    true
                }
                Err(_) => false,
            },
        } ),*];
    };
}

// Percentages are kept in parts per million: four places.
limits! {
    Some("maxDailyLoss"), "daily_loss_max_usd", daily_loss_max.0, 8, 1_000_000_000;
    Some("maxPositionSize"), "position_notional_max_usd", position_notional_max.0, 8, 1_000_000_000;
    Some("maxLeverage"), "leverage_max", leverage_max_ppm, 6, 100;
    Some("maxOrderSize"), "order_notional_max_usd", order_notional_max.0, 8, 1_000_000_000;
    Some("minAccountBalance"), "account_balance_min_usd", account_balance_min.0, 8, 1_000_000_000;
    None, "open_orders_max", open_orders_max, 0, 1_000;
    None, "market_order_margin_pct", market_order_margin_ppm, 4, 50;
    None, "price_collar_pct", price_collar_ppm, 4, 100;
    None, "price_move_max_pct", price_move_max_ppm, 4, 100;
    None, "orders_per_second_max", orders_per_second_max, 0, 100_000;
    None, "orders_per_day_max", orders_per_day_max, 0, 1_000_000_000;
    None, "order_to_trade_max", order_to_trade_max, 0, 1_000_000;
    None, "order_to_trade_orders_min", order_to_trade_orders_min, 0, 1_000_000;
    None, "runaway_executions_max", runaway_executions_max, 0, 10_000;
    None, "exposure_gross_max_usd", exposure_gross_max.0, 8, 1_000_000_000;
    None, "exposure_net_max_usd", exposure_net_max.0, 8, 1_000_000_000;
    None, "strategy_exposure_max_usd", strategy_exposure_max.0, 8, 1_000_000_000;
    None, "daily_loss_halt_pct", daily_loss_halt_ppm, 4, 1_000;
    None, "drawdown_reduce_pct", drawdown_reduce_ppm, 4, 100;
    None, "drawdown_halt_pct", drawdown_halt_ppm, 4, 100;
    None, "loss_streak_max", loss_streak_max, 0, 1_000_000;
}

/// Names users know of what this version does not hold.
const NOT_HELD: [&str; 5] =
    ["maxCorrelatedPositions", "stopLossPercentage", "takeProfitPercentage", "riskPerTrade", "tradingHours"];

pub(super) async fn update(app: &Call<'_>, fields: Fields<'_>) -> Answer {
    app.ready()?;
    // One after the other: each is checked against what the one before it left.
    let _turn = app.limits_turn.lock().await;
    let old = *app.view.lock().core().limits();
    let mut new = old;
    let (mut asked, mut changed) = (0, Map::new());
    for limit in LIMITS {
        for field in limit.name.into_iter().chain([limit.key]) {
            let Some(decimal) = fields.decimal_opt(field) else { continue };
            asked += 1;
            match decimal.units(limit.scale) {
                Ok(units) if within(units, limit) && (limit.set)(&mut new, units) => {}
                Ok(_) => fields.fault(field, format!("must be at most {}", limit.max)),
                Err(message) => fields.fault(field, message),
            }
            let shown = |limits: &Limits| Dec { value: (limit.get)(limits), scale: limit.scale }.to_string();
            changed.insert(field.to_owned(), serde_json::json!({ "old": shown(&old), "new": shown(&new) }));
        }
    }
    for field in NOT_HELD {
        if fields.has(field) {
            fields.fault(field, "is not held by this version");
        }
    }
    let (who, why) = named(app, &fields);
    let names = |limit: &'static Limit| limit.name.unwrap_or(limit.key);
    if asked == 0 {
        let known: Vec<&str> = LIMITS.iter().map(names).collect();
        fields.fault("action", format!("no limit is named; there are {}", known.join(", ")));
    }
    whole(&new, &fields);
    fields.finish().map_err(Failure::fields)?;
    let request = app.send_as(&who, Action::SetLimits(new), &why)?;
    match outcome(app, app.deadline(), request, |outcome| outcome.reply.is_some()).await {
        Some(_) => ok(serde_json::json!({
            "request_id": request.to_string(),
            "changed": Value::Object(changed),
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

fn within(units: i64, limit: &Limit) -> bool {
    i128::from(units) <= i128::from(limit.max) * 10i128.pow(limit.scale.into())
}

/// The limits make sense together, as at the start.
fn whole(limits: &Limits, fields: &Fields) {
    let ordered = |low: (&str, Usd), high: (&str, Usd)| {
        if low.1 > high.1 {
            fields.fault(low.0, format!("{} would be above {} = {}", low.1, high.0, high.1));
        }
    };
    let position = ("position_notional_max_usd", limits.position_notional_max);
    ordered(("order_notional_max_usd", limits.order_notional_max), position);
    let gross = ("exposure_gross_max_usd", limits.exposure_gross_max);
    ordered(("exposure_net_max_usd", limits.exposure_net_max), gross);
    if limits.daily_loss_halt_ppm < 1_000_000 {
        fields.fault("daily_loss_halt_pct", "must be at least 100");
    }
    if limits.drawdown_reduce_ppm > limits.drawdown_halt_ppm {
        fields.fault("drawdown_reduce_pct", "would be above drawdown_halt_pct");
    }
}
