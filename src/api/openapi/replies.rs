//! What is answered: the data of each action.

use super::schema::*;
use super::things::{SIDES, id_or_null, placed, scoped, strategy, trading};
use crate::core::risk::{PARTS, RULES};
use crate::domain::Mode;
use serde_json::Value;

fn replaced() -> Value {
    let more = [("how", one_word(["amend", "cancel_replace"])), ("replaced", named("Order"))];
    let more = more.map(|(name, schema)| (name.to_owned(), schema));
    object_of(placed().into_iter().chain(more).collect())
}

fn closed() -> Value {
    object([
        ("request_id", text()),
        ("cancels", count()),
        ("flattens", count()),
        ("complete", flag()),
        ("trading_state", trading()),
        ("orders", list(named("Order"))),
        ("orders_not_listed", count()),
        ("denial", or_null(named("Denial"))),
        ("working_orders", list(named("Order"))),
        ("positions", list(named("Position"))),
        ("emergency_stop?", named("Stop")),
    ])
}

/// What the venue says of an order that was to be validated there too.
fn venue_verdict() -> Value {
    object([
        ("exchange", id_or_null()),
        ("verdict", one_word(["accepted", "refused", "no_answer", "not_asked"])),
        ("code", or_null(whole())),
        ("message", text()),
    ])
}

/// A command that the core has not answered in time.
pub fn pending() -> Value {
    object([("request_id?", text()), ("status?", exactly("pending")), ("settled", exactly(false)), ("message", text())])
}

/// The data of a `POST` action that is answered with 200.
pub fn acted(action: &str) -> Value {
    match action {
        "place-order" | "cancel-order" => named("Placed"),
        "replace-order" => replaced(),
        "validate-order" => object([
            ("request_id", text()),
            ("would_pass", flag()),
            ("notional_usd?", decimal()),
            ("denial?", named("Denial")),
            ("denials?", list(named("Denial"))),
            ("sizing", or_null(named("Sizing"))),
            ("venue_verdict", or_null(venue_verdict())),
        ]),
        "cancel-all-orders" | "close-position" | "close-all-positions" | "emergency-stop" => closed(),
        "set-trading-state" | "resume" => object([("trading_state", trading()), ("restrained", list(scoped()))]),
        "update-risk-config" => object([
            ("request_id", text()),
            ("changed", map(object([("old", anything()), ("new", anything())]))),
            ("loosened", list(text())),
            ("holds", text()),
        ]),
        "initiate-transition" | "approve-transition" | "reject-transition" => {
            object([("request_id", text()), ("state", named("Standing"))])
        }
        "revert-to-paper" => standing(),
        "store-credentials" => object([
            ("credential", text()),
            ("version", count()),
            ("stage", text()),
            ("key_ends_in", text()),
            ("takes_effect", text()),
        ]),
        "heartbeat" => object([
            ("request_id", text()),
            ("expected", flag()),
            ("next_before", or_null(time())),
            ("emergency_stop", or_null(named("Stop"))),
        ]),
        "rotate-credentials" => object([("credential", text()), ("rotated", exactly(true))]),
        "acknowledge-alert" => named("Alert"),
        "test-connections" => connections(),
        _ => anything(),
    }
}

/// What of it may also come with 202: the same, as far as it is known.
pub fn may_be_pending(action: &str) -> bool {
    !matches!(action, "revert-to-paper" | "acknowledge-alert" | "test-connections")
}

/// The data of a `GET` action.
pub fn shown(action: &str) -> Value {
    let page = |name: &str, of: Value| object([(name, list(of)), ("next_cursor", id_or_null())]);
    match action {
        "status" => status(),
        "portfolio" => portfolio(),
        "positions" => object([("positions", list(named("Position")))]),
        "trades" => page("trades", named("Trade")),
        "performance" => any([performance(), performance_of_mode()]),
        "orders" => page("orders", named("Order")),
        "order" => named("Order"),
        "latency" => object([("stages", list(named("Latency")))]),
        "events" => page("events", event()),
        "transition-status" => standing(),
        "equity" => object([("samples", list(object([("time", time()), ("equity_usd", decimal())])))]),
        "candles" => {
            let px = decimal;
            let candle = [("time", time()), ("open", px()), ("high", px()), ("low", px()), ("close", px())];
            object([("symbol", text()), ("exchange", text()), ("candles", list(object(candle)))])
        }
        "credentials-status" => credentials(),
        "explain" => explained(),
        "config" => config(),
        "health" => object([
            ("live", flag()),
            ("ready", flag()),
            ("because", list(text())),
            ("trading_state", trading()),
            ("venues", list(venue_health())),
            ("market_data", list(object([("symbol", text()), ("exchange", text()), ("state", text())]))),
        ]),
        "alerts" => object([
            ("alerts", list(named("Alert"))),
            ("standing", count()),
            ("dropped", count()),
            ("next_cursor", id_or_null()),
        ]),
        "risk-metrics" => risk_metrics(),
        _ => anything(),
    }
}

/// What was asked of each venue, and how the engine's own session stands.
fn connections() -> Value {
    let check = [
        ("exchange", text()),
        ("check", text()),
        ("ok", or_null(flag())),
        ("round_trip_ms", anything()),
        ("clock_offset_ms?", anything()),
        ("message", text()),
    ];
    let venue = object([("exchange", text()), ("ok", flag()), ("tested_at", text()), ("took_ms", anything())]);
    object([("ok", flag()), ("venues", list(venue)), ("checks", list(object(check)))])
}

fn venue_health() -> Value {
    let health = || one_word(["connecting", "syncing", "healthy", "degraded", "down"]);
    object([
        ("exchange", text()),
        ("state", venue_state()),
        ("health", health()),
        ("since", or_null(time())),
        ("reason", text()),
        ("connected_times", count()),
        ("lost_times", count()),
        ("degraded_times", count()),
        ("connections", map(map(count()))),
        ("history", list(object([("time", time()), ("health", health()), ("reason", text())]))),
    ])
}

fn venue_state() -> Value {
    one_word(["down", "syncing", "ready"])
}

/// One event, as the streams tell it too.
pub fn event() -> Value {
    let kinds = crate::api::events::KINDS.map(|(word, _)| word);
    object([
        ("id", pattern("[0-9]+-[0-9]+")),
        ("seq", count()),
        ("type", one_word(kinds)),
        ("time", time()),
        ("data", map(anything())),
    ])
}

fn status() -> Value {
    let dec = decimal;
    let maybe = || or_null(decimal());
    let denial = object([
        ("denial_id", text()),
        ("seq", count()),
        ("time", time()),
        ("symbol", text()),
        ("side", one_word(SIDES)),
        ("quantity", dec()),
        ("strategy", strategy()),
        ("code", one_word(RULES)),
        ("value", text()),
        ("limit", text()),
        ("message", text()),
        ("clear", text()),
    ]);
    let alarm = object([
        ("seq", count()),
        ("time", time()),
        ("kind", text()),
        ("symbol", id_or_null()),
        ("order_id", id_or_null()),
    ]);
    object([
        ("name", text()),
        ("version", text()),
        ("mode", one_word(Mode::ALL.map(Mode::as_str))),
        ("configured_mode", text()),
        ("transition", text()),
        ("stage", count()),
        ("takes_commands", flag()),
        ("takes_none_because", id_or_null()),
        ("trading_state", trading()),
        ("restrained", list(scoped())),
        ("shutting_down", flag()),
        ("emergency_stop", or_null(named("Stop"))),
        ("looks", list(text())),
        ("run", count()),
        ("started_at", or_null(time())),
        ("journal", object([("seq", count()), ("last_event_at", time())])),
        ("venues", list(object([("name", text()), ("state", venue_state())]))),
        (
            "instruments",
            list(object([
                ("symbol", text()),
                ("exchange", text()),
                ("feed", text()),
                ("bid", maybe()),
                ("ask", maybe()),
                ("quote_age_ms", or_null(count())),
            ])),
        ),
        (
            "run_counts",
            object([
                ("quotes", count()),
                ("trades", count()),
                ("depth_updates", count()),
                ("orders_placed", count()),
                ("orders_rejected", count()),
                ("orders_unknown", count()),
                ("fills", count()),
                ("fills_doubled", count()),
                ("denied", map(count())),
                ("alarms", count()),
            ]),
        ),
        ("open_orders", count()),
        ("equity_usd", dec()),
        ("run_pnl_usd", dec()),
        ("day_pnl_usd", dec()),
        ("recent_denials", list(denial)),
        ("recent_alarms", list(alarm)),
        ("latency", list(named("Latency"))),
        ("webhooks", list(webhook())),
        ("counters", map(count())),
    ])
}

fn webhook() -> Value {
    object([
        ("name", text()),
        ("kind", text()),
        ("failing", flag()),
        ("last_error", id_or_null()),
        ("last_delivered_at", or_null(time())),
        ("waiting", count()),
        ("delivered", count()),
        ("retries", count()),
        ("refused", count()),
        ("given_up", count()),
        ("left_out", count()),
    ])
}

fn portfolio() -> Value {
    let dec = decimal;
    let balance = object([
        ("exchange", text()),
        ("asset", text()),
        ("total", dec()),
        ("available", dec()),
        ("held_by_orders", dec()),
        ("held_by_others", dec()),
    ]);
    let venue = object([
        ("exchange", text()),
        ("exposure_usd", dec()),
        ("unrealised_usd", dec()),
        ("realised_usd", dec()),
        ("fees_usd", dec()),
        ("pnl_usd", dec()),
    ]);
    let asset = object([
        ("asset", text()),
        ("mode", one_word(Mode::ALL.map(Mode::as_str))),
        ("total", dec()),
        ("value_usd", or_null(dec())),
        ("exposure_usd", dec()),
    ]);
    object([
        ("equity_usd", dec()),
        ("exposure_usd", dec()),
        ("leverage", or_null(dec())),
        ("unrealised_usd", dec()),
        ("realised_usd", dec()),
        ("fees_usd", dec()),
        ("pnl_usd", dec()),
        ("day_pnl_usd", dec()),
        ("venues", list(venue)),
        ("assets", list(asset)),
        ("balances", list(balance)),
        ("positions", list(named("Position"))),
    ])
}

fn performance() -> Value {
    let dec = decimal;
    let maybe = || or_null(decimal());
    object([
        ("mode", text()),
        ("realised_usd", dec()),
        ("unrealised_usd", dec()),
        ("fees_usd", dec()),
        ("pnl_usd", dec()),
        ("run_pnl_usd", dec()),
        ("day_pnl_usd", dec()),
        ("fills", count()),
        ("volume_usd", dec()),
        ("closing_fills", object([("wins", count()), ("losses", count())])),
        ("win_rate_pct", maybe()),
        ("gross_profit_usd", dec()),
        ("gross_loss_usd", dec()),
        ("profit_factor", maybe()),
        ("equity_usd", dec()),
        ("run_equity_start_usd", maybe()),
        ("run_equity_high_usd", maybe()),
        ("run_drawdown_max_usd", dec()),
    ])
}

/// A statistic; what is no number is told as text.
fn statistic() -> Value {
    serde_json::json!({ "type": ["number", "string"] })
}

fn statistic_or_null() -> Value {
    serde_json::json!({ "type": ["number", "string", "null"] })
}

fn performance_of_mode() -> Value {
    let trades = object([
        ("trades", count()),
        ("wins", count()),
        ("losses", count()),
        ("success_rate", statistic_or_null()),
        ("profit_factor", statistic_or_null()),
        ("expectancy_usd", id_or_null()),
        ("average_win_usd", id_or_null()),
        ("average_loss_usd", id_or_null()),
        ("net_usd", text()),
        ("fees_usd", text()),
        ("slippage_usd", text()),
    ]);
    let fall = object([("high_at", time()), ("low_at", time()), ("recovered_at", or_null(time()))]);
    object([
        ("mode", one_word(Mode::ALL.map(Mode::as_str))),
        ("summary", trades.clone()),
        (
            "curve",
            object([
                ("equity_start_usd", or_null(decimal())),
                ("equity_usd", or_null(decimal())),
                ("sharpe", statistic_or_null()),
                ("sortino", statistic_or_null()),
                ("calmar", statistic_or_null()),
                ("volatility", statistic_or_null()),
                ("max_drawdown_dates", or_null(fall)),
                ("exposure_time", statistic_or_null()),
                ("turnover_usd", or_null(decimal())),
                ("daily_returns", anything()),
                ("max_drawdown", statistic()),
                ("days", statistic()),
                ("impossible_records", count()),
            ]),
        ),
        ("by_symbol", map(trades.clone())),
        ("by_exchange", map(trades.clone())),
        ("by_strategy", map(trades.clone())),
        ("by_hour_utc", map(trades)),
        (
            "correlation",
            object([
                ("symbols", list(text())),
                ("interval_seconds", count()),
                ("matrix", list(list(statistic_or_null()))),
            ]),
        ),
    ])
}

fn standing() -> Value {
    let milestone = object([
        ("name", text()),
        ("value", statistic_or_null()),
        ("need", statistic()),
        ("interval_95", or_null(list(statistic()))),
        ("met", flag()),
        ("met_since", or_null(time())),
        ("missing", anything()),
    ]);
    let stage = object([
        ("stage", count()),
        ("capital_usd", decimal()),
        ("order_notional_max_usd", decimal()),
        ("position_notional_max_usd", decimal()),
        ("orders_per_day_max", count()),
        ("open_orders_max", count()),
        ("days_min", count()),
        ("trades_min", count()),
    ]);
    let change = object([
        ("at", time()),
        ("from", named("Standing")),
        ("to", named("Standing")),
        ("change", text()),
        ("cause", id_or_null()),
        ("who", text()),
        ("why", text()),
        ("evidence", or_null(map(anything()))),
    ]);
    object([
        ("state", text()),
        ("stage", count()),
        ("since", or_null(time())),
        ("approvals", list(text())),
        ("approvals_needed", count()),
        ("live_configured", flag()),
        ("live_venues", list(object([("exchange", id_or_null()), ("paper", id_or_null()), ("session", id_or_null())]))),
        ("eligible", flag()),
        ("reasons", list(text())),
        ("evidence_of", text()),
        ("milestones", list(milestone)),
        (
            "paper_evidence",
            object([
                ("since", time()),
                ("began_anew_for", anything()),
                ("because", anything()),
                ("days", text()),
                ("day_seconds", count()),
            ]),
        ),
        ("capital_usd", decimal()),
        ("stages", list(stage)),
        (
            "live_against_paper",
            object([
                ("live_trades", count()),
                ("paper_trades", count()),
                ("live_fills", count()),
                ("paper_fills", count()),
                ("mean_difference_usd", statistic_or_null()),
                ("at_best_usd", statistic_or_null()),
                ("live_slippage_pct", or_null(decimal())),
                ("paper_slippage_pct", or_null(decimal())),
            ]),
        ),
        ("history", list(change)),
    ])
}

fn credentials() -> Value {
    let key = object([
        ("credential", text()),
        ("exchange", text()),
        ("environment", text()),
        ("name", text()),
        ("version", anything()),
        ("stage", text()),
        ("source", text()),
        ("key_ends_in", text()),
        ("stored_at?", anything()),
        ("age_days?", count()),
        ("verified_at?", anything()),
        ("expires_at?", anything()),
        ("overdue?", flag()),
        ("used_by", list(text())),
    ]);
    object([("credentials", list(key)), ("vault_reachable", flag())])
}

fn explained() -> Value {
    let rule = object([
        ("rank", count()),
        ("code", one_word(RULES)),
        ("passed", or_null(flag())),
        ("value", id_or_null()),
        ("limit", id_or_null()),
        ("message", id_or_null()),
    ]);
    let refused = object([
        ("order_id", null()),
        ("symbol", text()),
        ("exchange", text()),
        ("side", one_word(SIDES)),
        ("type", id_or_null()),
        ("quantity", decimal()),
        ("price", or_null(decimal())),
        ("strategy", strategy()),
        ("status", exactly("denied")),
    ]);
    let stages = ["received", "decoded", "taken", "decided", "encoded", "written", "acknowledged", "filled"];
    object([
        ("outcome", one_word(["placed", "would_pass", "would_be_denied", "denied", "no_order"])),
        ("request_id", id_or_null()),
        ("seq", count()),
        ("asked_by", or_null(object([("who", text()), ("why", text())]))),
        ("order", any([named("Order"), refused, null()])),
        ("rules", list(rule)),
        ("rules_from", one_word(["memory", "replay", "not_known"])),
        ("rules_message", id_or_null()),
        (
            "route",
            or_null(object([
                ("exchange", text()),
                ("symbol", text()),
                ("not_sent_because", id_or_null()),
                ("chosen", or_null(named("Route"))),
            ])),
        ),
        ("sizing", or_null(named("Sizing"))),
        (
            "stages",
            list(object([
                ("stage", one_word(stages)),
                ("at", or_null(time())),
                ("after_ns", serde_json::json!({ "type": ["integer", "null"] })),
            ])),
        ),
        ("cut_off", flag()),
    ])
}

fn config() -> Value {
    let hours = ["start", "end", "extended_start", "extended_end", "zone"];
    let hours = hours.map(|name| (name.to_owned(), text())).into_iter().collect();
    object([
        ("name", text()),
        ("mode", text()),
        ("limits", map(anything())),
        ("trading_hours", object_of(hours)),
        (
            "strategies",
            list(object([
                ("strategy", count()),
                ("kind", text()),
                ("symbol", text()),
                ("exchange", text()),
                ("position", decimal()),
                ("settings", map(anything())),
            ])),
        ),
        ("api", object([("answer_timeout_ms", count()), ("body_max_bytes", count()), ("tls", flag())])),
    ])
}

fn risk_metrics() -> Value {
    let used = || named("Used");
    let part = object([("part", one_word(PARTS.map(|(name, _)| name))), ("weight", count()), ("used_pct", decimal())]);
    let instrument = object([
        ("symbol", text()),
        ("exchange", text()),
        ("exposure_usd", decimal()),
        ("group", or_null(count())),
        ("moves_a_day_pct", or_null(decimal())),
        ("moving_with_it", used()),
    ]);
    object([
        ("score", object([("value", count()), ("limit", count()), ("parts", list(part))])),
        (
            "value_at_risk",
            object([
                ("undiversified", used()),
                ("diversified_usd", decimal()),
                ("confidence_pct", count()),
                ("horizon", text()),
            ]),
        ),
        ("gross_exposure", used()),
        ("net_exposure", object([("long", used()), ("short", used())])),
        ("day_loss", used()),
        ("stage", count()),
        ("venues", list(object([("exchange", text()), ("exposure", used())]))),
        ("assets", list(object([("asset", text()), ("exposure", used())]))),
        ("instruments", list(instrument)),
        ("correlations", list(object([("symbols", list(text())), ("correlation", decimal()), ("samples", count())]))),
    ])
}
