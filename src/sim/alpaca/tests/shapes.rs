//! What is sent has the members of what the venue publishes.

use crate::sim::alpaca::testing::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn members(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Members of the day-trade rule are gone since July 2026; the schema never had the beginning-of-day one.
const GONE: [&str; 4] = ["daytrade_count", "daytrading_buying_power", "pattern_day_trader", "bod_dtbp"];

#[test]
fn objects_have_every_member_of_the_published_ones() {
    let mut rig = Rig::open();
    let order = rig.place(limit("AAPL", "buy", "2", "100"));
    rig.placed(market("AAPL", "buy", "1"));
    let cases = [
        ("alpaca/account.json", rig.get("/v2/account")),
        ("alpaca/order_new.json", order.clone()),
        ("alpaca/position.json", rig.get("/v2/positions/AAPL")),
        ("alpaca/asset.json", rig.get("/v2/assets/AAPL")),
        ("alpaca/asset_crypto.json", rig.get("/v2/assets/BTC%2FUSD")),
        ("alpaca/clock.json", rig.get("/v2/clock")),
        ("alpaca/calendar_day.json", rig.get("/v2/calendar?start=2026-11-27&end=2026-11-27")[0].clone()),
        ("alpaca/activity_fill.json", rig.get("/v2/account/activities/FILL")[0].clone()),
        ("alpaca/account_configurations_without_pdt.json", rig.get("/v2/account/configurations")),
        ("alpaca/constructed/order_bracket.json", {
            let body = json!({"symbol": "SPY", "side": "buy", "qty": "10", "type": "market", "time_in_force": "gtc", "order_class": "bracket",
                "take_profit": {"limit_price": "700"}, "stop_loss": {"stop_price": "500"}});
            rig.place(body)
        }),
    ];
    for (name, got) in cases {
        let Some(want) = fixture(name) else { return };
        let missing: Vec<&str> =
            members(&want).difference(&members(&got)).copied().filter(|m| !GONE.contains(m)).collect();
        assert!(missing.is_empty(), "{name}: {missing:?} are missing in {got}");
        for (member, value) in want.as_object().unwrap() {
            let same = got[member].is_null()
                || value.is_null()
                || std::mem::discriminant(&got[member]) == std::mem::discriminant(value);
            assert!(
                same || GONE.contains(&member.as_str()),
                "{name}: {member} is {}, published as {value}",
                got[member]
            );
        }
    }
}

#[test]
fn trade_updates_have_every_member_of_the_published_ones() {
    let mut rig = Rig::open();
    let mut stream = rig.updates();
    rig.placed(market("AAPL", "buy", "10"));
    let frames = frames(&mut stream);
    for (name, at) in [
        ("alpaca/trade_update_new.json", 1),
        ("alpaca/trade_update_fill.json", 2),
        ("alpaca/constructed/trade_update_pending_new.json", 0),
        ("alpaca/constructed/trade_update_new.json", 1),
        ("alpaca/constructed/trade_update_fill_after_partial.json", 2),
    ] {
        let Some(want) = fixture(name) else { return };
        for place in ["/data", "/data/order"] {
            let (want, got) = (want.pointer(place).unwrap(), frames[at].pointer(place).unwrap());
            let missing: Vec<&str> = members(want).difference(&members(got)).copied().collect();
            assert!(missing.is_empty(), "{name}{place}: {missing:?} are missing in {got}");
        }
    }
}

#[test]
fn refusals_are_those_that_were_seen() {
    let mut rig = Rig::open();
    let case = |name: &str, (status, got): (u16, Value)| {
        let Some(want) = fixture(name) else { return };
        let (want_status, want) = match want.get("http_status") {
            Some(status) => (status.as_u64().unwrap() as u16, want["body"].clone()),
            None => (status, want),
        };
        assert_eq!((status, &got["code"]), (want_status, &want["code"]), "{name}: {got}");
        assert_eq!(members(&got), members(&want), "{name}: {got}");
    };
    let missing = "/v2/orders/00000000-0000-4000-8000-000000000009";
    case("alpaca/error_400_decode.json", rig.ask("POST", "/v2/orders", Value::Null));
    case("alpaca/constructed/error_404_order_not_found.json", rig.ask("DELETE", missing, Value::Null));
    case("alpaca/constructed/error_404_position.json", rig.ask("GET", "/v2/positions/AAPL", Value::Null));
    case(
        "alpaca/error_422_both_qty_and_notional.json",
        rig.ask("POST", "/v2/orders", with(market("AAPL", "buy", "1"), json!({"notional": 1}))),
    );
    case("alpaca/error_422_subpenny_limit.json", rig.ask("POST", "/v2/orders", limit("AAPL", "buy", "1", "290.123")));
    case(
        "alpaca/constructed/error_403_insufficient_buying_power.json",
        rig.ask("POST", "/v2/orders", limit("SPY", "buy", "1000", "600")),
    );
    case(
        "alpaca/error_403_insufficient_balance_crypto.json",
        rig.ask("POST", "/v2/orders", limit("BTC/USD", "sell", "1", "60000")),
    );
    case(
        "alpaca/constructed/error_403_short_not_allowed.json",
        rig.by(OTHER_KEY, "POST", "/v2/orders", market("AAPL", "sell", "1")),
    );
    rig.placed(market("AAPL", "buy", "10"));
    let sell = rig.placed(limit("AAPL", "sell", "10", "160"));
    case(
        "alpaca/constructed/error_403_insufficient_qty.json",
        rig.ask("POST", "/v2/orders", limit("AAPL", "sell", "10", "170")),
    );
    case("alpaca/error_403_wash_trade.json", rig.ask("POST", "/v2/orders", market("AAPL", "buy", "1")));
    let target = format!("/v2/orders/{}", sell["id"].as_str().unwrap());
    case("alpaca/error_422_qty_must_be_integer.json", rig.ask("PATCH", &target, json!({"qty": "1.5"})));
    rig.market(json!({"symbol": "AAPL", "bid": "161", "ask": "162"}));
    case("alpaca/constructed/error_422_already_filled.json", rig.ask("DELETE", &target, Value::Null));
}

#[test]
fn bulk_answers_are_read_item_by_item() {
    let mut rig = Rig::open();
    let first = rig.placed(limit("AAPL", "buy", "1", "100"));
    rig.placed(limit("SPY", "buy", "1", "100"));
    assert_eq!(rig.ask("DELETE", &format!("/v2/orders/{}", first["id"].as_str().unwrap()), Value::Null).0, 204);
    let (status, all) = rig.ask("DELETE", "/v2/orders", Value::Null);
    assert_eq!((status, &all[0]["status"], &all[1]["status"]), (207, &json!(422), &json!(200)));
    assert_eq!(all[0]["body"]["message"], "order pending cancel");
    rig.run_ms(3);
    assert_eq!(rig.ask("DELETE", "/v2/orders", Value::Null), (207, json!([])));
}
