//! What becomes of orders: filled, cancelled, replaced, held and set free, ended with the day.

use crate::sim::alpaca::testing::*;
use serde_json::{Value, json};

fn position(rig: &mut Rig, symbol: &str) -> String {
    rig.get("/v2/positions")
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["symbol"] == symbol)
        .map_or("0".into(), |p| p["qty"].as_str().unwrap().to_owned())
}

#[test]
fn a_market_order_is_acknowledged_and_filled_at_the_far_side() {
    let mut rig = Rig::open();
    let mut stream = rig.updates();
    let order = rig.place(market("AAPL", "buy", "10"));
    assert_eq!((&order["status"], &order["filled_qty"]), (&json!("pending_new"), &json!("0")));
    rig.run_ms(3);
    let said = frames(&mut stream);
    let names: Vec<&Value> = said.iter().map(|f| &f["data"]["event"]).collect();
    assert_eq!(names, ["pending_new", "new", "fill"]);
    let fill = &said[2]["data"];
    assert_eq!((&fill["price"], &fill["qty"], &fill["position_qty"]), (&json!("150.01"), &json!("10"), &json!("10")));
    assert_eq!((&fill["order"]["status"], &fill["order"]["filled_avg_price"]), (&json!("filled"), &json!("150.01")));
    assert_eq!(rig.get("/v2/account")["cash"], "98499.9");
    let activity = &rig.get("/v2/account/activities/FILL")[0];
    assert_eq!(activity["order_id"], order["id"]);
    assert!(activity["id"].as_str().unwrap().ends_with(fill["execution_id"].as_str().unwrap()));
}

#[test]
fn a_limit_order_rests_and_fills_when_the_quote_comes_to_it() {
    let mut rig = Rig::open();
    let order = rig.placed(limit("AAPL", "buy", "10", "149.50"));
    assert_eq!(order["status"], "new");
    rig.market(json!({"symbol": "AAPL", "bid": "149.40", "ask": "149.45"}));
    let order = rig.order(&order);
    assert_eq!((&order["status"], &order["filled_avg_price"]), (&json!("filled"), &json!("149.45")));
}

#[test]
fn partial_fills_add_up_to_the_order() {
    let mut config = config(TUESDAY);
    config.rules.fill = crate::sim::alpaca::FillModel::Paper { partial_permille: 1_000 };
    let mut rig = Rig::new(config);
    let mut stream = rig.updates();
    let order = rig.placed(market("AAPL", "buy", "10"));
    assert_eq!(order["status"], "partially_filled");
    for i in 0..40 {
        rig.market(json!({"symbol": "AAPL", "bid": "149.99", "ask": if i % 2 == 0 { "150.02" } else { "150.01" }}));
    }
    assert_eq!(rig.order(&order)["status"], "filled");
    let said = frames(&mut stream);
    let (mut sum, mut last) = (0, 0);
    for data in said.iter().map(|f| &f["data"]).filter(|d| d["qty"].is_string()) {
        sum += data["qty"].as_str().unwrap().parse::<i64>().unwrap();
        last = data["order"]["filled_qty"].as_str().unwrap().parse::<i64>().unwrap();
        assert_eq!(sum, last);
    }
    assert_eq!(last, 10);
}

#[test]
fn a_depth_market_fills_what_it_shows_and_no_more() {
    let mut config = config(TUESDAY);
    config.rules.fill = crate::sim::alpaca::FillModel::Depth;
    let mut rig = Rig::new(config);
    rig.market(json!({"symbol": "AAPL", "bid": "149.99", "ask": "150.01", "size": "4"}));
    let order = rig.placed(limit("AAPL", "buy", "10", "150.05"));
    assert_eq!((&order["status"], &order["filled_qty"]), (&json!("partially_filled"), &json!("4")));
    rig.market(json!({"symbol": "AAPL", "bid": "149.99", "ask": "150.03", "size": "20"}));
    let order = rig.order(&order);
    assert_eq!((&order["status"], &order["filled_avg_price"]), (&json!("filled"), &json!("150.022")));
    let fok = rig.placed(with(limit("AAPL", "buy", "100", "150.05"), json!({"time_in_force": "fok"})));
    assert_eq!((&fok["status"], &fok["filled_qty"]), (&json!("canceled"), &json!("0")));
    let ioc = rig.placed(with(limit("AAPL", "buy", "100", "150.05"), json!({"time_in_force": "ioc"})));
    assert_eq!((&ioc["status"], &ioc["filled_qty"]), (&json!("canceled"), &json!("14")));
}

#[test]
fn a_cancel_is_asked_for_and_then_done_unless_a_fill_wins() {
    let mut rig = Rig::open();
    let mut stream = rig.updates();
    let order = rig.placed(limit("AAPL", "buy", "10", "149.50"));
    let target = format!("/v2/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(rig.ask("DELETE", &target, Value::Null).0, 204);
    let (status, body) = rig.ask("DELETE", &target, Value::Null);
    assert_eq!((status, body["message"].as_str()), (422, Some("order pending cancel")));
    rig.run_ms(3);
    assert_eq!(
        events(&mut stream),
        ["pending_new pending_new", "new new", "pending_cancel pending_cancel", "canceled canceled"]
    );
    let (status, body) = rig.ask("DELETE", &target, Value::Null);
    assert_eq!(
        (status, body["code"].as_i64(), body["message"].as_str()),
        (422, Some(42_210_000), Some("order is already in \"canceled\" state"))
    );

    let order = rig.placed(limit("AAPL", "buy", "10", "149.50"));
    assert_eq!(rig.ask("DELETE", &format!("/v2/orders/{}", order["id"].as_str().unwrap()), Value::Null).0, 204);
    rig.market(json!({"symbol": "AAPL", "bid": "149.40", "ask": "149.45"}));
    rig.run_ms(3);
    assert_eq!(rig.order(&order)["status"], "filled");
}

#[test]
fn a_replacement_is_a_new_order_and_both_live_until_it_is_decided() {
    let mut rig = Rig::open();
    let mut stream = rig.updates();
    let old = rig.placed(with(limit("AAPL", "buy", "10", "149.50"), json!({"client_order_id": "first"})));
    let target = format!("/v2/orders/{}", old["id"].as_str().unwrap());
    let (status, new) = rig.ask("PATCH", &target, json!({"limit_price": "149.60", "client_order_id": "second"}));
    assert_eq!((status, &new["replaces"], &new["qty"]), (200, &old["id"], &json!("10")));
    assert_eq!(rig.order(&old)["status"], "pending_replace");
    assert_eq!(rig.ask("DELETE", &target, Value::Null).1["message"], "order pending replace");
    rig.run_ms(3);
    let said = events(&mut stream);
    assert_eq!(
        said[2..],
        ["pending_replace pending_replace", "pending_new pending_new", "replaced replaced", "new new"]
    );
    assert_eq!(rig.order(&old)["replaced_by"], new["id"]);
    assert_eq!(rig.get("/v2/orders").as_array().unwrap().len(), 1);
    let (status, body) = rig.ask("PATCH", &target, json!({"limit_price": "149.70"}));
    assert_eq!((status, body["code"].as_i64()), (422, Some(42_210_000)));
    let (status, body) =
        rig.ask("PATCH", &format!("/v2/orders/{}", new["id"].as_str().unwrap()), json!({"limit_price": "149.6"}));
    assert_eq!((status, body["message"].as_str()), (403, Some("order parameters are not changed")));
}

#[test]
fn a_fill_that_overtakes_a_replacement_rejects_it() {
    let mut rig = Rig::open();
    let mut stream = rig.updates();
    let old = rig.placed(limit("AAPL", "buy", "10", "149.50"));
    let (_, new) = rig.ask("PATCH", &format!("/v2/orders/{}", old["id"].as_str().unwrap()), json!({"qty": 20}));
    rig.market(json!({"symbol": "AAPL", "bid": "149.40", "ask": "149.45"}));
    rig.run_ms(3);
    assert_eq!(rig.order(&old)["status"], "filled");
    assert_eq!(rig.order(&new)["status"], "rejected");
    assert_eq!(events(&mut stream)[4..], ["fill filled", "order_replace_rejected filled", "rejected rejected"]);
    assert_eq!(position(&mut rig, "AAPL"), "10");
}

#[test]
fn what_filled_before_a_replacement_is_not_bought_twice() {
    let mut config = config(TUESDAY);
    config.rules.fill = crate::sim::alpaca::FillModel::Depth;
    let mut rig = Rig::new(config);
    rig.market(json!({"symbol": "AAPL", "bid": "149.99", "ask": "150.01", "size": "4"}));
    let old = rig.placed(limit("AAPL", "buy", "10", "150.05"));
    let (_, new) = rig.ask(
        "PATCH",
        &format!("/v2/orders/{}", old["id"].as_str().unwrap()),
        json!({"qty": "12", "limit_price": "150.10"}),
    );
    assert_eq!(new["qty"], "8");
    // Three more before the exchange has replaced it.
    rig.market(json!({"symbol": "AAPL", "bid": "149.99", "ask": "150.04", "size": "3"}));
    rig.run_ms(3);
    assert_eq!(rig.order(&new)["qty"], "5");
    rig.market(json!({"symbol": "AAPL", "bid": "149.99", "ask": "150.04", "size": "50"}));
    assert_eq!(rig.order(&new)["status"], "filled");
    assert_eq!(position(&mut rig, "AAPL"), "12");
}

fn bracket(kind: Value) -> Value {
    let order = json!({"symbol": "AAPL", "side": "buy", "qty": "10", "time_in_force": "gtc", "order_class": "bracket",
        "take_profit": {"limit_price": "165"}, "stop_loss": {"stop_price": "145"}});
    with(order, kind)
}

#[test]
fn a_brackets_exits_are_held_until_the_whole_entry_is_filled() {
    let mut rig = Rig::open();
    let order = rig.placed(bracket(json!({"type": "limit", "limit_price": "149"})));
    let status = |order: &Value| {
        let legs = order["legs"].as_array().unwrap();
        [&order["status"], &legs[0]["status"], &legs[1]["status"]].map(|s| s.as_str().unwrap().to_owned())
    };
    assert_eq!(status(&order), ["new", "held", "held"]);
    rig.market(json!({"symbol": "AAPL", "bid": "148.90", "ask": "148.95"}));
    let order = rig.order(&order);
    assert_eq!(status(&order), ["filled", "new", "held"]);
    // The exits hold the shares once, not twice.
    let held = rig.get("/v2/positions/AAPL");
    assert_eq!((&held["qty"], &held["qty_available"]), (&json!("10"), &json!("0")));
    rig.market(json!({"symbol": "AAPL", "bid": "165.10", "ask": "165.20"}));
    assert_eq!(status(&rig.order(&order)), ["filled", "filled", "canceled"]);
    assert_eq!(position(&mut rig, "AAPL"), "0");
}

#[test]
fn a_brackets_stop_is_touched_by_a_trade_and_takes_the_profit_order_with_it() {
    let mut rig = Rig::open();
    let order = rig.placed(bracket(json!({"type": "market"})));
    rig.market(json!({"symbol": "AAPL", "bid": "144.00", "ask": "144.02"}));
    assert_eq!(rig.order(&order)["legs"][1]["status"], "held", "quotes do not touch a stop");
    rig.market(json!({"symbol": "AAPL", "trade": "144.01"}));
    let order = rig.order(&order);
    assert_eq!((&order["legs"][0]["status"], &order["legs"][1]["status"]), (&json!("canceled"), &json!("filled")));
    assert_eq!(order["legs"][1]["filled_avg_price"], "144");
}

#[test]
fn one_of_a_group_cancels_all() {
    let mut rig = Rig::open();
    let order = rig.placed(bracket(json!({"type": "limit", "limit_price": "149"})));
    let leg = format!("/v2/orders/{}", order["legs"][1]["id"].as_str().unwrap());
    assert_eq!(rig.ask("DELETE", &leg, Value::Null).0, 204);
    rig.run_ms(3);
    assert_eq!(rig.get("/v2/orders?status=open"), json!([]));
    assert_eq!(rig.get("/v2/orders?status=closed").as_array().unwrap().len(), 3);
}

#[test]
fn an_oco_and_an_oto_are_a_parent_and_a_leg() {
    let mut rig = Rig::open();
    rig.placed(market("AAPL", "buy", "10"));
    let oco = rig.placed(json!({"symbol": "AAPL", "side": "sell", "qty": 10, "type": "limit", "time_in_force": "gtc", "order_class": "oco",
        "take_profit": {"limit_price": 165}, "stop_loss": {"stop_price": 145, "limit_price": 144.5}}));
    assert_eq!((&oco["limit_price"], &oco["status"]), (&json!("165"), &json!("new")));
    assert_eq!((&oco["legs"][0]["status"], &oco["legs"][0]["type"]), (&json!("held"), &json!("stop_limit")));
    assert_eq!(rig.get("/v2/orders?nested=true").as_array().unwrap().len(), 1);
    assert_eq!(rig.get("/v2/orders").as_array().unwrap().len(), 2);
    rig.market(json!({"symbol": "AAPL", "bid": "165.10", "ask": "165.20"}));
    assert_eq!(rig.order(&oco)["legs"][0]["status"], "canceled");

    let oto = rig.placed(
        json!({"symbol": "SPY", "side": "buy", "qty": 2, "type": "market", "time_in_force": "day", "order_class": "oto",
        "stop_loss": {"stop_price": 590}}),
    );
    assert_eq!((&oto["status"], &oto["legs"][0]["status"]), (&json!("filled"), &json!("new")));
    rig.market(json!({"symbol": "SPY", "bid": "589.98", "ask": "590.02", "trade": "590"}));
    assert_eq!(rig.order(&oto)["legs"][0]["status"], "filled");
}

#[test]
fn a_trailing_stop_follows_the_best_trade_and_never_goes_back() {
    let mut rig = Rig::open();
    rig.placed(market("AAPL", "buy", "10"));
    let order = rig.placed(json!({"symbol": "AAPL", "side": "sell", "qty": "10", "type": "trailing_stop", "trail_percent": "1", "time_in_force": "day"}));
    assert_eq!((&order["hwm"], &order["stop_price"]), (&json!("149.99"), &json!("148.49")));
    for (trade, hwm, stop) in [("152", "152", "150.48"), ("151", "152", "150.48"), ("153", "153", "151.47")] {
        rig.market(json!({"symbol": "AAPL", "bid": trade, "ask": format!("{trade}.02"), "trade": trade}));
        let now = rig.order(&order);
        assert_eq!(
            (now["hwm"].as_str(), now["stop_price"].as_str()),
            (Some(hwm), Some(stop)),
            "after a trade at {trade}"
        );
    }
    rig.market(json!({"symbol": "AAPL", "bid": "151.40", "ask": "151.50", "trade": "151.45"}));
    let order = rig.order(&order);
    assert_eq!((&order["status"], &order["filled_avg_price"]), (&json!("filled"), &json!("151.4")));
}

#[test]
fn day_orders_end_with_the_session_and_others_rest_until_the_next() {
    let mut rig = Rig::at("2026-11-27T12:59:00-05:00");
    let day = rig.placed(with(limit("AAPL", "buy", "1", "100"), json!({"time_in_force": "day"})));
    assert_eq!(day["expires_at"], "2026-11-27T18:00:00Z", "a half day");
    let gtc = rig.placed(limit("AAPL", "buy", "1", "101"));
    let late =
        rig.placed(with(limit("AAPL", "buy", "1", "102"), json!({"time_in_force": "day", "extended_hours": true})));
    let coin = rig.placed(limit("BTC/USD", "buy", "0.01", "40000"));
    let mut stream = rig.updates();
    rig.set_time("2026-11-27T13:00:00-05:00");
    assert_eq!(events(&mut stream), ["expired expired", "done_for_day done_for_day"]);
    for (order, status) in [(&day, "expired"), (&gtc, "done_for_day"), (&late, "new"), (&coin, "new")] {
        assert_eq!(rig.order(order)["status"], status);
    }
    assert_eq!(rig.get("/v2/clock")["is_open"], false);
    rig.set_time("2026-11-27T17:00:00-05:00");
    assert_eq!(rig.order(&late)["status"], "expired");
    rig.set_time("2026-11-30T09:30:00-05:00");
    assert_eq!(rig.order(&gtc)["status"], "new");
    rig.set_time("2027-03-01T12:00:00-05:00");
    assert_eq!(rig.order(&gtc)["status"], "expired", "ninety days");
    assert_eq!(rig.order(&coin)["status"], "expired");
}

#[test]
fn orders_wait_for_the_open_and_auctions_fill_at_their_time() {
    let mut rig = Rig::at("2026-11-17T08:00:00-05:00");
    let waits = rig.placed(market("AAPL", "buy", "1"));
    let opens = rig.placed(with(market("SPY", "buy", "1"), json!({"time_in_force": "opg"})));
    let closes = rig.placed(with(market("SPY", "buy", "1"), json!({"time_in_force": "cls"})));
    let missed = rig.placed(with(limit("SPY", "buy", "1", "500"), json!({"time_in_force": "cls"})));
    let early =
        rig.placed(with(limit("AAPL", "buy", "1", "160"), json!({"time_in_force": "day", "extended_hours": true})));
    assert_eq!(
        (&waits["status"], &opens["status"], &early["status"]),
        (&json!("accepted"), &json!("accepted"), &json!("filled"))
    );
    rig.set_time("2026-11-17T09:30:00-05:00");
    assert_eq!((&rig.order(&waits)["status"], &rig.order(&opens)["status"]), (&json!("filled"), &json!("filled")));
    assert_eq!(rig.order(&closes)["status"], "new");
    rig.set_time("2026-11-17T16:00:00-05:00");
    assert_eq!(rig.order(&closes)["status"], "filled");
    assert_eq!(rig.order(&missed)["status"], "canceled");
}

#[test]
fn a_short_is_opened_covered_and_never_crossed_through_zero() {
    let mut rig = Rig::open();
    rig.placed(market("AAPL", "sell", "10"));
    let held = rig.get("/v2/positions/AAPL");
    assert_eq!(
        (&held["qty"], &held["side"], &held["market_value"], &held["cost_basis"]),
        (&json!("-10"), &json!("short"), &json!("-1499.9"), &json!("-1499.9"))
    );
    assert_eq!(rig.refused(market("AAPL", "buy", "11")).1, 40_310_000);
    rig.placed(market("AAPL", "buy", "4"));
    assert_eq!(position(&mut rig, "AAPL"), "-6");
    let (status, order) = rig.ask("DELETE", "/v2/positions/AAPL?percentage=50", Value::Null);
    assert_eq!((status, &order["qty"], &order["side"]), (200, &json!("3"), &json!("buy")));
    rig.run_ms(3);
    let (status, all) = rig.ask("DELETE", "/v2/positions?cancel_orders=True", Value::Null);
    assert_eq!(
        (status, &all[0]["symbol"], &all[0]["status"], &all[0]["body"]["qty"]),
        (207, &json!("AAPL"), &json!(200), &json!("3"))
    );
    rig.run_ms(3);
    assert_eq!(rig.get("/v2/positions"), json!([]));
    assert_eq!(rig.ask("DELETE", "/v2/positions/AAPL", Value::Null).0, 404);
}

#[test]
fn fractions_and_amounts_of_money_buy_parts_of_a_share() {
    let mut rig = Rig::open();
    let order = rig
        .placed(json!({"symbol": "AAPL", "side": "buy", "notional": 100.0, "type": "market", "time_in_force": "day"}));
    assert_eq!((&order["status"], &order["qty"], &order["notional"]), (&json!("filled"), &Value::Null, &json!("100")));
    assert_eq!(order["filled_qty"], "0.666622225");
    let order = rig.placed(with(market("AAPL", "buy", "0.5"), json!({})));
    assert_eq!(order["filled_qty"], "0.5");
    let (_, order) = rig.ask("DELETE", "/v2/positions/AAPL", Value::Null);
    assert_eq!(order["qty"], "1.166622225");
}

#[test]
fn a_coin_is_credited_less_its_fee_and_the_fee_is_booked_at_the_days_end() {
    let mut rig = Rig::open();
    rig.placed(market("BTC/USD", "buy", "0.1"));
    assert_eq!(rig.get("/v2/positions/BTCUSD")["qty"], "0.09975");
    let cash: Value = rig.get("/v2/account")["cash"].clone();
    assert_eq!(cash, "94999.9");
    rig.set_time("2026-11-18T12:00:00Z");
    let fee = &rig.get("/v2/account/activities/CFEE")[0];
    assert_eq!(
        (&fee["qty"], &fee["symbol"], &fee["date"]),
        (&json!("-0.00025"), &json!("BTCUSD"), &json!("2026-11-17"))
    );
}

#[test]
fn a_rejection_by_the_exchange_comes_as_an_event() {
    let mut rig = Rig::open();
    let mut stream = rig.updates();
    rig.sim.venue.reject_next = 1;
    let order = rig.placed(market("AAPL", "buy", "1"));
    assert_eq!(order["status"], "rejected");
    assert!(order["failed_at"].is_string());
    assert_eq!(events(&mut stream), ["pending_new pending_new", "rejected rejected"]);
}
