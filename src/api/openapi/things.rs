//! What stands in several answers, each under a name of its own.

use super::schema::*;
use crate::core::alarm::{AlarmKind, Severity};
use crate::core::risk::RULES;
use crate::core::sizing::SizedBy;
use crate::domain::{OrdStatus, OrderType, StpMode, TimeInForce};
use crate::telemetry::Stage;
use serde_json::Value;

const TRADING: [&str; 3] = ["active", "reducing", "halted"];
pub(super) const SIDES: [&str; 2] = ["buy", "sell"];

pub(super) fn id_or_null() -> Value {
    or_null(text())
}

pub(super) fn strategy() -> Value {
    or_null(between(0, 255))
}

pub(super) fn trading() -> Value {
    one_word(TRADING)
}

pub(super) fn scoped() -> Value {
    object([("scope", text()), ("trading_state", trading())])
}

/// What stands under a name of its own.
pub fn things() -> Vec<(&'static str, Value)> {
    let dec = decimal;
    let maybe = || or_null(decimal());
    vec![
        ("Order", object_of(order())),
        ("Placed", object_of(placed())),
        (
            "Sizing",
            object([
                ("equity_usd", dec()),
                ("risk_usd", dec()),
                ("price", dec()),
                ("stop_distance_pct", dec()),
                ("moves_a_day_pct", dec()),
                ("volatility_scale", dec()),
                ("wanted_quantity", dec()),
                ("quantity", dec()),
                ("bounded_by", one_word(SizedBy::ALL.map(SizedBy::as_str))),
            ]),
        ),
        (
            "Route",
            object([
                ("policy", one_word(["primary-then-fallback", "best-price", "lowest-fee", "split"])),
                ("exchange", text()),
                ("moved_from", id_or_null()),
                (
                    "legs",
                    list(object([
                        ("exchange", text()),
                        ("symbol", text()),
                        ("state", text()),
                        ("price", dec()),
                        ("fee_pct", dec()),
                        ("size?", dec()),
                    ])),
                ),
            ]),
        ),
        (
            "Denial",
            object([
                ("code", one_word(RULES)),
                ("value", text()),
                ("limit", text()),
                ("message", text()),
                ("clear", text()),
            ]),
        ),
        (
            "Position",
            object([
                ("symbol", text()),
                ("exchange", text()),
                ("side", one_word(["long", "short", "flat"])),
                ("quantity", dec()),
                ("average_price", maybe()),
                ("mark_price", maybe()),
                ("notional_usd", maybe()),
                ("exposure_usd", dec()),
                ("unrealised_usd", dec()),
                ("realised_usd", dec()),
                ("fees_usd", dec()),
                ("closing", flag()),
                ("unverified", flag()),
                (
                    "protection",
                    list(object([
                        ("order_id", text()),
                        ("quantity", dec()),
                        ("stop_price", maybe()),
                        ("target_price", maybe()),
                        ("trailing_percent", maybe()),
                        ("triggered", or_null(one_word(["stop", "target"]))),
                    ])),
                ),
            ]),
        ),
        (
            "Trade",
            object([
                ("seq", count()),
                ("time", time()),
                ("order_id", text()),
                ("exec_id", text()),
                ("symbol", text()),
                ("exchange", text()),
                ("side", one_word(SIDES)),
                ("quantity", dec()),
                ("price", dec()),
                ("liquidity", or_null(one_word(["maker", "taker"]))),
                ("fee_usd", dec()),
                ("realised_usd", dec()),
                ("position", dec()),
                ("strategy", strategy()),
            ]),
        ),
        (
            "Alert",
            object([
                ("alert_id", text()),
                ("severity", one_word(Severity::ALL.map(Severity::as_str))),
                ("kind", one_word(AlarmKind::ALL.map(AlarmKind::code))),
                ("message", text()),
                ("scope", text()),
                ("symbol", id_or_null()),
                ("order_id", id_or_null()),
                ("count", count()),
                ("raised_at", time()),
                ("last_at", time()),
                ("escalated", flag()),
                ("acknowledged_at", or_null(time())),
                ("acknowledged_by", id_or_null()),
                ("cleared_at", or_null(time())),
            ]),
        ),
        (
            "Latency",
            object([
                ("stage", one_word(Stage::ALL.map(Stage::as_str))),
                ("count", count()),
                ("p50_ns", count()),
                ("p90_ns", count()),
                ("p99_ns", count()),
                ("p999_ns", count()),
                ("max_ns", count()),
            ]),
        ),
        ("Stop", emergency_stop()),
        ("Used", object([("value_usd", dec()), ("limit_usd", dec())])),
        ("Standing", object([("state", text()), ("stage", count()), ("approvals", count())])),
    ]
}

/// What set the stop, and what each venue says is left.
fn emergency_stop() -> Value {
    let left = object([
        ("exchange", text()),
        ("state", one_word(["nothing_left", "left", "unconfirmed"])),
        ("message", text()),
        ("open_orders", count()),
        ("not_ours", count()),
        ("positions", list(object([("symbol", text()), ("quantity", decimal())]))),
        ("answered_at", or_null(time())),
    ]);
    object([
        ("since", time()),
        ("who", text()),
        ("why", text()),
        ("flatten", flag()),
        ("confirmed", flag()),
        ("venues", list(left)),
    ])
}

fn order() -> Fields {
    let maybe = || or_null(decimal());
    let fields = [
        ("order_id", text()),
        ("client_order_id", text()),
        ("venue_client_order_id", text()),
        ("venue_order_id", id_or_null()),
        ("symbol", text()),
        ("exchange", text()),
        ("side", one_word(SIDES)),
        ("type", one_word(OrderType::ALL.map(OrderType::as_str))),
        ("time_in_force", one_word(TimeInForce::ALL.map(TimeInForce::as_str))),
        ("status", one_word(OrdStatus::ALL.map(OrdStatus::as_str))),
        ("quantity", decimal()),
        ("filled_quantity", decimal()),
        ("price", maybe()),
        ("stop_price", maybe()),
        ("trailing_percent", maybe()),
        ("trailing_offset", maybe()),
        ("iceberg_quantity", maybe()),
        ("quote_quantity", maybe()),
        ("self_trade_prevention", or_null(one_word(StpMode::ALL.map(StpMode::as_str)))),
        ("average_price", maybe()),
        ("strategy", strategy()),
        ("decided_at", time()),
        ("venue_says", any([object([("code", whole()), ("message", text())]), null()])),
    ];
    fields.map(|(name, schema)| (name.to_owned(), schema)).into_iter().collect()
}

pub(super) fn placed() -> Fields {
    let more = [
        ("request_id", text()),
        ("settled", flag()),
        ("legs?", list(named("Order"))),
        ("parts?", list(named("Order"))),
        ("sizing?", named("Sizing")),
        ("route?", named("Route")),
    ];
    let more = more.map(|(name, schema)| (name.to_owned(), schema));
    order().into_iter().chain(more).collect()
}
