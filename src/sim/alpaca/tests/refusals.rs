//! What is refused, with the venue's own codes, texts and members.

use crate::sim::alpaca::testing::*;
use serde_json::{Value, json};

#[test]
fn each_rule_refuses_with_its_code_and_text() {
    let mut rig = Rig::open();
    let buy = || limit("AAPL", "buy", "1", "100");
    #[rustfmt::skip]
    let cases = [
        (json!({"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day"}), 422, 40_010_001, "qty or notional is required"),
        (with(market("AAPL", "buy", "1"), json!({"notional": 5})), 422, 40_010_001, "only one of qty or notional is accepted"),
        (market("AAPL", "buy", "0"), 422, 40_010_001, "qty must be > 0"),
        (json!({"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "notional": 0.5}), 422, 40_010_001, "notional must be >= 1.00"),
        (with(buy(), json!({"symbol": null})), 422, 40_010_001, "symbol is required"),
        (with(buy(), json!({"side": "hold"})), 422, 40_010_001, "invalid side"),
        (with(buy(), json!({"symbol": "NOPE"})), 422, 40_010_001, "asset \"NOPE\" not found"),
        (with(buy(), json!({"symbol": "GONE"})), 422, 40_010_001, "asset GONE is not active"),
        (with(buy(), json!({"symbol": "NOTR"})), 422, 40_010_001, "asset NOTR is not tradable"),
        (with(buy(), json!({"limit_price": null})), 422, 40_010_001, "limit orders require limit_price"),
        (with(buy(), json!({"limit_price": "290.123"})), 422, 42_210_000, "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria"),
        (with(limit("PENY", "buy", "10", "0.42001"), json!({})), 422, 42_210_000, "invalid limit_price 0.42001. sub-penny increment does not fulfill minimum pricing criteria"),
        (with(market("AAPL", "buy", "1.5"), json!({"time_in_force": "gtc"})), 422, 42_210_000, "fractional orders must be DAY orders"),
        (market("BRK.A", "buy", "0.5"), 403, 40_310_000, "asset \"BRK.A\" is not fractionable"),
        (market("AAPL", "sell", "0.5"), 422, 42_210_000, "fractional orders cannot be sold short"),
        (market("AAPL", "buy", "0.001"), 403, 40_310_000, "cost basis must be >= minimal amount of order 1"),
        (market("HTBX", "sell", "1"), 422, 42_210_000, "asset \"HTBX\" cannot be sold short"),
        (with(market("AAPL", "buy", "1"), json!({"extended_hours": true})), 422, 42_210_000, "extended hours order must be DAY or GTC limit orders"),
        (with(buy(), json!({"time_in_force": "opg"})), 422, 42_210_000, "opg orders are not accepted at this time"),
        (with(buy(), json!({"order_class": "bracket"})), 422, 40_010_001, "bracket orders require take_profit.limit_price"),
        (with(buy(), json!({"order_class": "bracket", "take_profit": {"limit_price": 120}})), 422, 40_010_001, "bracket orders require stop_loss.stop_price"),
        (with(buy(), json!({"order_class": "bracket", "take_profit": {"limit_price": 90}, "stop_loss": {"stop_price": 95}})), 422, 42_210_000, "take_profit.limit_price must be > stop_loss.stop_price"),
        (with(buy(), json!({"order_class": "oto"})), 422, 40_010_001, "oto orders require one of take_profit or stop_loss"),
        (with(limit("BTC/USD", "buy", "1", "100"), json!({"time_in_force": "day"})), 422, 42_210_000, "invalid crypto time_in_force"),
        (json!({"symbol": "BTC/USD", "side": "buy", "qty": 1, "type": "stop", "stop_price": 60000, "time_in_force": "gtc"}), 422, 40_010_001, "invalid order type for crypto order"),
        (with(limit("BTCUSD", "buy", "0.001", "50000"), json!({"order_class": "bracket", "take_profit": {"limit_price": 60000}, "stop_loss": {"stop_price": 40000}})), 422, 42_210_000, "crypto orders not allowed for advanced order_class: otoco"),
        (market("BTC/USD", "buy", "0.0001"), 403, 40_310_000, "cost basis must be >= minimal amount of order 10"),
        (json!({"symbol": "AAPL", "side": "sell", "qty": 1, "type": "trailing_stop", "time_in_force": "day"}), 422, 40_010_001, "trailing stop orders must specify one of trail_price or trail_percent"),
    ];
    for (order, status, code, text) in cases {
        assert_eq!(rig.refused(order.clone()), (status, code, text.to_owned()), "{order}");
    }
    assert_eq!(rig.get("/v2/orders?status=all"), json!([]), "a refused order does not exist");
}

#[test]
fn the_family_code_is_told_apart_by_its_members() {
    let mut rig = Rig::open();
    let (_, body) = rig.ask("POST", "/v2/orders", limit("SPY", "buy", "1000", "600"));
    assert_eq!(
        body,
        json!({"code": 40310000, "message": "insufficient buying power", "buying_power": "200000", "cost_basis": "600000"})
    );

    rig.placed(market("AAPL", "buy", "10"));
    let (_, body) = rig.ask("POST", "/v2/orders", market("AAPL", "sell", "11"));
    assert_eq!(
        (&body["available"], &body["existing_qty"], &body["held_for_orders"]),
        (&json!("10"), &json!("10"), &json!("0"))
    );
    let sell = rig.placed(limit("AAPL", "sell", "10", "160"));
    let (_, body) = rig.ask("POST", "/v2/orders", limit("AAPL", "sell", "10", "170"));
    assert_eq!(body["message"], "insufficient qty available for order (requested: 10, available: 0)");
    assert_eq!(
        (&body["held_for_orders"], &body["related_orders"][0], &body["symbol"]),
        (&json!("10"), &sell["id"], &json!("AAPL"))
    );

    let (_, body) = rig.ask("POST", "/v2/orders", market("AAPL", "buy", "1"));
    assert_eq!(
        (&body["existing_order_id"], &body["reject_reason"]),
        (&sell["id"], &json!("opposite side limit order exists"))
    );
    assert_eq!(
        rig.ask("POST", "/v2/orders", limit("AAPL", "buy", "1", "150")).0,
        200,
        "it could not trade with the sell"
    );

    let (_, body) = rig.ask("POST", "/v2/orders", limit("BTC/USD", "sell", "1", "60000"));
    assert_eq!((&body["symbol"], &body["balance"], &body["available"]), (&json!("BTC"), &json!("0"), &json!("0")));
    let (_, body) = rig.ask("POST", "/v2/orders", limit("BTC/USD", "buy", "3", "50000"));
    assert_eq!(
        (&body["symbol"], &body["message"]),
        (&json!("USD"), &json!("insufficient balance for USD (requested: 150000, available: 98349.9)"))
    );
}

#[test]
fn an_id_is_used_once_and_a_cash_account_does_not_short() {
    let mut rig = Rig::open();
    let order = with(limit("AAPL", "buy", "1", "100"), json!({"client_order_id": "once"}));
    rig.placed(order.clone());
    assert_eq!(rig.refused(order.clone()), (422, 40_010_001, "client_order_id must be unique".into()));
    let id = rig.get("/v2/orders:by_client_order_id?client_order_id=once")["id"].clone();
    rig.ask("DELETE", &format!("/v2/orders/{}", id.as_str().unwrap()), Value::Null);
    rig.run_ms(3);
    assert_eq!(rig.refused(order).0, 422, "nor after it was cancelled");
    let (status, body) = rig.by(OTHER_KEY, "POST", "/v2/orders", market("AAPL", "sell", "1"));
    assert_eq!((status, body["message"].as_str()), (403, Some("account is not allowed to short")));
    let (status, body) = rig.by(OTHER_KEY, "GET", "/v2/orders:by_client_order_id?client_order_id=once", Value::Null);
    assert_eq!((status, body["code"].as_i64()), (404, Some(40_410_000)), "another account's order");
}

#[test]
fn settings_are_a_switch_that_orders_obey() {
    let mut rig = Rig::open();
    let (status, body) = rig.ask("PATCH", "/v2/account/configurations", json!({"suspend_trade": true}));
    assert_eq!((status, &body["suspend_trade"], &body["trade_confirm_email"]), (200, &json!(true), &json!("all")));
    assert_eq!(rig.refused(market("AAPL", "buy", "1")).2, "new orders are rejected by user request");
    assert_eq!(rig.get("/v2/account")["trade_suspended_by_user"], true);
    rig.ask(
        "PATCH",
        "/v2/account/configurations",
        json!({"suspend_trade": false, "no_shorting": true, "max_margin_multiplier": "1"}),
    );
    assert_eq!(rig.refused(market("AAPL", "sell", "1")).2, "account is not allowed to short");
    assert_eq!(rig.get("/v2/account")["buying_power"], "100000");
    assert_eq!(rig.ask("PATCH", "/v2/account/configurations", json!({"max_margin_multiplier": "3"})).0, 422);
}

#[test]
fn who_asks_without_a_key_is_told_so_and_who_asks_too_often_waits() {
    let mut rig = Rig::new(crate::sim::alpaca::AlpacaConfig { requests_per_minute: 3, ..config(TUESDAY) });
    let (status, head, body) = rig.raw("GET", "/v2/account", "", "");
    assert_eq!((status, body["code"].as_i64()), (401, Some(40_110_000)));
    assert!(head.contains("WWW-Authenticate: Bearer, Basic"), "{head}");
    for left in [2, 1, 0] {
        let (status, head, _) =
            rig.raw("GET", "/v2/clock", &format!("apca-api-key-id: {KEY}\r\nAPCA-API-SECRET-KEY: {SECRET}\r\n"), "");
        assert_eq!(status, 200);
        assert!(head.contains(&format!("X-RateLimit-Remaining: {left}")), "{head}");
    }
    let (status, body) = rig.ask("GET", "/v2/clock", Value::Null);
    assert_eq!((status, body), (429, json!({"code": 42910000, "message": "rate limit exceeded"})));
    rig.run_ms(60_000);
    assert_eq!(rig.ask("GET", "/v2/clock", Value::Null).0, 200);
}

#[test]
fn routes_that_do_not_exist_are_told_apart_from_methods_that_do_not() {
    let mut rig = Rig::open();
    assert_eq!(rig.ask("GET", "/v2/nothing", Value::Null).0, 404);
    assert_eq!(rig.ask("PUT", "/v2/orders", Value::Null).0, 405);
    assert_eq!(rig.ask("POST", "/v2/orders", Value::Null).0, 400);
    assert_eq!(rig.ask("GET", "/v2/orders/no-uuid", Value::Null).1["code"], 40_410_000);
    assert_eq!(rig.ask("GET", "/v2/assets/NOPE", Value::Null).1["message"], "asset not found for NOPE");
    assert_eq!(rig.ask("GET", "/v2/positions/AAPL", Value::Null).1["message"], "position does not exist");
}
