//! Every limit that an order can break, one after another: changed at run time to just below what the order comes to.

use super::super::desk::{Desk, LOOSE, Setup, Told};
use super::super::places::with_instrument;
use super::crypto;
use crate::core::alarm::AlarmKind;
use serde_json::{Map, Value, json};

pub(super) fn setup() -> Setup {
    crypto(format!("[alerts]\nrisk_score_high = 30\n{}", with_instrument("trading_hours = false\nrestricted = true")))
}

/// Held and resting while the rules are asked: 1,000 of BTC and 400 of ETH long, at prices that stand still.
const BTC: f64 = 100_000.0;
const ETH: f64 = 4_000.0;

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    desk.price("BTCUSDT", BTC)?;
    desk.price("ETHUSDT", ETH)?;
    desk.buy("BTCUSDT", "0.01")?;
    desk.buy("ETHUSDT", "0.1")?;
    for n in 0..6 {
        let id = format!("drill-{n}");
        let order = limit("buy", "0.001", &(99_000 - n).to_string());
        desk.place(&with(&order, json!({ "client_order_id": id })))?;
    }
    as_it_is_written(desk);
    as_limited(desk)?;
    verdict(desk)?;
    paused(desk)?;
    alerted(desk)
}

/// What is wrong with the order itself.
fn as_it_is_written(desk: &mut Desk) {
    let buy = market("buy", "0.001");
    desk.deny("UNKNOWN_INSTRUMENT", &with(&buy, json!({ "symbol": "NOSUCH" })));
    desk.deny("INSTRUMENT_RESTRICTED", &with(&market("buy", "1"), json!({ "symbol": "SOLUSDT" })));
    desk.deny("NOT_REDUCING", &with(&buy, json!({ "reduce_only": true })));
    desk.deny("ORDER_TYPE_UNSUPPORTED", &with(&limit("buy", "0.001", "99000"), json!({ "extended_hours": true })));
    desk.deny("TERMS_INVALID", &with(&buy, json!({ "type": "stop" })));
    desk.deny("LOT_SIZE", &market("buy", "0.000001"));
    desk.deny("PRICE_FILTER", &limit("buy", "0.001", "99000.001"));
    desk.deny("VENUE_NOTIONAL", &limit("buy", "0.00001", "99000"));
    let trailing = json!({ "type": "trailing_stop", "trailing_percent": 50 });
    desk.deny("VENUE_FILTER", &with(&market("sell", "0.001"), trailing));
    let taken = with(&limit("buy", "0.001", "98000"), json!({ "client_order_id": "drill-0" }));
    desk.deny("CLIENT_ORDER_ID_REUSED", &taken);
    desk.deny("BALANCE_TOO_LOW", &market("sell", "5"));
    desk.deny("SELF_MATCH", &limit("sell", "0.001", "98500"));
}

/// A limit, the order that is above it, and how it is said.
fn as_limited(desk: &mut Desk) -> Told<()> {
    let buy = market("buy", "0.002");
    let gross = json!({ "exposure_gross_max_usd": 1_500, "exposure_net_max_usd": 1_500, "exposure_venue_max_usd": 1_500,
        "exposure_asset_max_usd": 1_500 });
    let position = json!({ "maxOrderSize": 500, "maxPositionSize": 1_100 });
    let together = json!({ "maxOrderSize": 500, "maxPositionSize": 2_000, "maxCorrelatedPositions": 2_000 });
    let score = json!({ "value_at_risk_max_usd": 10, "risk_score_max": 30 });
    for (code, limits, order) in [
        ("ORDER_NOTIONAL_ABOVE_MAX", json!({ "maxOrderSize": 100 }), buy.clone()),
        ("PRICE_COLLAR", json!({ "price_collar_pct": 1 }), limit("buy", "0.001", "97000")),
        ("ORDERS_PER_DAY_ABOVE_MAX", json!({ "orders_per_day_max": 1 }), buy.clone()),
        ("ORDER_TO_TRADE_ABOVE_MAX", json!({ "order_to_trade_max": 1, "order_to_trade_orders_min": 1 }), buy.clone()),
        ("OPEN_ORDERS_ABOVE_MAX", json!({ "open_orders_max": 1 }), buy.clone()),
        ("ACCOUNT_BELOW_MIN", json!({ "minAccountBalance": 100_000_000 }), buy.clone()),
        ("POSITION_NOTIONAL_ABOVE_MAX", position, buy.clone()),
        ("LEVERAGE_ABOVE_MAX", json!({ "maxLeverage": 0.001 }), buy.clone()),
        ("GROSS_EXPOSURE_ABOVE_MAX", gross, buy.clone()),
        ("NET_EXPOSURE_ABOVE_MAX", json!({ "exposure_net_max_usd": 1_500 }), buy.clone()),
        ("GROSS_EXPOSURE_ABOVE_MAX", json!({ "exposure_venue_max_usd": 1_500 }), buy.clone()),
        ("ASSET_EXPOSURE_ABOVE_MAX", json!({ "exposure_asset_max_usd": 1_100 }), buy.clone()),
        ("CORRELATED_EXPOSURE_ABOVE_MAX", together, buy.clone()),
        ("RISK_SCORE_ABOVE_MAX", score, buy.clone()),
    ] {
        desk.limits(&limits)?;
        desk.deny_as(code, &said(&order, &limits), &order);
        loosen(desk, &limits)?;
    }
    // What needs a first one that passes.
    let limits = json!({ "duplicate_window_ms": 60_000 });
    desk.limits(&limits)?;
    desk.place(&limit("buy", "0.001", "98800"))?;
    desk.deny_as("DUPLICATE_ORDER", "the same order again", &limit("buy", "0.001", "98800"));
    loosen(desk, &limits)?;
    let limits = json!({ "orders_per_second_max": 1 });
    desk.limits(&limits)?;
    desk.deny_soon(
        "ORDER_RATE_ABOVE_MAX",
        "orders one after another at one in a second",
        &limit("buy", "0.001", "98700"),
    );
    loosen(desk, &limits)
}

/// `validate-order`: every rule that an order breaks, and nothing of it sent.
fn verdict(desk: &mut Desk) -> Told<()> {
    let limits = json!({ "maxOrderSize": 100, "open_orders_max": 1, "orders_per_day_max": 1, "price_collar_pct": 1 });
    desk.limits(&limits)?;
    let order = with(&limit("buy", "0.002", "97000"), json!({ "action": "validate-order" }));
    let placed = |desk: &Desk| desk.get("status").map(|status| status["run_counts"]["orders_placed"].clone());
    let before = placed(desk);
    let told = desk.must(&order)?;
    let codes: Vec<&str> =
        told["denials"].as_array().into_iter().flatten().filter_map(|denial| denial["code"].as_str()).collect();
    let wanted = ["PRICE_COLLAR", "ORDER_NOTIONAL_ABOVE_MAX", "ORDERS_PER_DAY_ABOVE_MAX", "OPEN_ORDERS_ABOVE_MAX"];
    let whole = told["would_pass"] == false && wanted.iter().all(|code| codes.contains(code));
    let found = match whole && placed(desk) == before {
        true => Ok(format!("nothing sent; it breaks {}", codes.join(", "))),
        false => Err(told.to_string()),
    };
    desk.note("VALIDATE_TELLS_ALL", "validate-order of a buy that breaks four limits", found);
    loosen(desk, &limits)
}

/// Trading states, of each part of the account.
fn paused(desk: &mut Desk) -> Told<()> {
    let buy = market("buy", "0.001");
    for (scope, said) in [
        (json!({}), "the account halted"),
        (json!({ "scope": "venue", "exchange": "binance" }), "the venue halted"),
        (json!({ "scope": "instrument", "symbol": "BTCUSDT" }), "the instrument halted"),
    ] {
        desk.trading("halted", &scope)?;
        desk.deny_as("TRADING_NOT_ACTIVE", &format!("{}: {said}", "buy 0.001 BTCUSDT market"), &buy);
        desk.trading("active", &scope)?;
    }
    desk.trading("reducing", &json!({}))?;
    desk.deny_as("TRADING_NOT_ACTIVE", "buy 0.001 BTCUSDT market: the account reducing", &buy);
    let exit = market("sell", "0.001");
    let placed = desk.place(&exit).and_then(|placed| desk.filled(&placed).map(|()| placed));
    let found = placed.map(|placed| format!("an exit passes: order {}", placed["order_id"]));
    desk.note("EXITS_PASS", "sell 0.001 of what is held while reducing", found);
    desk.trading("active", &json!({}))
}

/// Alerts about how much of the limits is used.
fn alerted(desk: &mut Desk) -> Told<()> {
    for (kind, limits, said) in [
        (AlarmKind::BalanceLow, json!({ "minAccountBalance": 100_000_000 }), "equity below minAccountBalance"),
        (
            AlarmKind::RiskScoreHigh,
            json!({ "value_at_risk_max_usd": 10 }),
            "a value at risk many times value_at_risk_max_usd 10, risk_score_high 30",
        ),
        (AlarmKind::ExposureHigh, json!({ "exposure_net_max_usd": 1_500 }), "net exposure at 80 % of its limit"),
        (
            AlarmKind::CorrelationExceeded,
            json!({ "maxOrderSize": 500, "maxPositionSize": 1_000, "maxCorrelatedPositions": 1_000 }),
            "1,400 held together, with maxCorrelatedPositions 1000",
        ),
    ] {
        desk.limits(&limits)?;
        desk.alert(kind, said);
        loosen(desk, &limits)?;
    }
    let cleared = desk.wait("the alert to clear", || {
        desk.alert_of(AlarmKind::BalanceLow)?["cleared_at"].as_str().map(|at| format!("cleared at {at}"))
    });
    desk.note("ALERT_CLEARS", "the limit of BALANCE_LOW set back", cleared);
    Ok(())
}

/// Sets back what was tightened, to what the configuration says.
fn loosen(desk: &Desk, tightened: &Value) -> Told<()> {
    let names = [
        ("maxOrderSize", "order_notional_max_usd"),
        ("maxPositionSize", "position_notional_max_usd"),
        ("maxCorrelatedPositions", "correlated_exposure_max_usd"),
        ("maxLeverage", "leverage_max"),
        ("minAccountBalance", "account_balance_min_usd"),
    ];
    let loose: toml::Table = LOOSE.parse().map_err(|error| format!("{error}"))?;
    let shipped: toml::Table =
        include_str!("../../../../config/tollgate.toml").parse().map_err(|error| format!("{error}"))?;
    let mut back = Map::new();
    for name in tightened.as_object().into_iter().flat_map(Map::keys) {
        let key = names.iter().find(|(short, _)| short == name).map_or(name.as_str(), |(_, key)| key);
        let of = |table: &toml::Table| table.get("risk")?.get(key).cloned();
        let value = of(&loose).or_else(|| of(&shipped)).ok_or_else(|| format!("{key} is no limit"))?;
        back.insert(name.clone(), serde_json::to_value(value).map_err(|error| error.to_string())?);
    }
    desk.limits(&Value::Object(back))
}

fn market(side: &str, quantity: &str) -> Value {
    json!({ "symbol": "BTCUSDT", "side": side, "type": "market", "quantity": quantity })
}

fn limit(side: &str, quantity: &str, price: &str) -> Value {
    json!({ "symbol": "BTCUSDT", "side": side, "type": "limit", "quantity": quantity, "price": price })
}

fn with(order: &Value, more: Value) -> Value {
    let mut order = order.clone();
    if let (Some(order), Value::Object(more)) = (order.as_object_mut(), more) {
        order.extend(more);
    }
    order
}

/// The order and the limits that it meets.
fn said(order: &Value, limits: &Value) -> String {
    let limits: Vec<String> =
        limits.as_object().into_iter().flatten().map(|(key, value)| format!("{key} {value}")).collect();
    let text = |key: &str| order[key].as_str().unwrap_or_default();
    format!("{} {} {}, {}", text("side"), text("quantity"), text("symbol"), limits.join(", "))
}
