//! Cancel-replace in both modes, and amendments.

use super::shapes::compare;
use crate::sim::binance::testing::*;
use crate::sim::binance::{LimitsConfig, SimConfig};
use serde_json::Value;

const OLD: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.5&price=50000&newClientOrderId=old";
const NEW: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.4&price=51000";
/// A new order that the engine refuses.
const BAD: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER&quantity=0.4&price=200000";

fn replace(rig: &mut Rig, text: &str, mode: &str, cancel: &str) -> (u16, Value) {
    let text = format!("{text}&cancelReplaceMode={mode}&cancelOrigClientOrderId={cancel}");
    rig.signed("POST", "/api/v3/order/cancelReplace", &text)
}

#[test]
fn every_outcome_has_its_status_and_code() {
    for (mode, new, cancel, want, file) in [
        ("STOP_ON_FAILURE", NEW, "old", (200, 0, "SUCCESS", "SUCCESS"), "cancelReplace_success.json"),
        ("ALLOW_FAILURE", NEW, "old", (200, 0, "SUCCESS", "SUCCESS"), "cancelReplace_success.json"),
        (
            "STOP_ON_FAILURE",
            NEW,
            "none",
            (400, -2022, "FAILURE", "NOT_ATTEMPTED"),
            "cancelReplace_stopOnFailure_cancelFailed.json",
        ),
        ("STOP_ON_FAILURE", BAD, "old", (409, -2021, "SUCCESS", "FAILURE"), "cancelReplace_cancelOk_newFailed.json"),
        ("ALLOW_FAILURE", BAD, "old", (409, -2021, "SUCCESS", "FAILURE"), "cancelReplace_cancelOk_newFailed.json"),
        ("ALLOW_FAILURE", NEW, "none", (409, -2021, "FAILURE", "SUCCESS"), ""),
        ("ALLOW_FAILURE", BAD, "none", (400, -2022, "FAILURE", "FAILURE"), "cancelReplace_bothFailed.json"),
    ] {
        let mut rig = Rig::still();
        rig.signed("POST", "/api/v3/order", OLD);
        let (status, answer) = replace(&mut rig, new, mode, cancel);
        let data = if status == 200 { &answer } else { &answer["data"] };
        let text = |key: &str| data[key].as_str().unwrap_or_default();
        let got = (status, answer["code"].as_i64().unwrap_or(0), text("cancelResult"), text("newOrderResult"));
        assert_eq!(got, want, "{mode}: {answer}");
        if !file.is_empty() {
            compare(mode, &answer, file, &[]);
        }
        let open = rig.sim.ledger(KEY).unwrap().open_orders;
        assert_eq!(open.iter().any(|o| o.client_id == "old"), want.2 != "SUCCESS", "{mode}");
        assert_eq!(open.iter().any(|o| o.qty == 40_000_000), want.3 == "SUCCESS", "{mode}");
    }
}

#[test]
fn an_exceeded_order_count_does_nothing_or_cancels_only() {
    let limits = LimitsConfig { orders_per_10s: 1, ..LimitsConfig::default() };
    let config = SimConfig { limits, ..config(still_market()) };
    for (mode, exceeded, cancel, want) in [
        ("STOP_ON_FAILURE", "", "old", (429, -1015)),
        ("STOP_ON_FAILURE", "&orderRateLimitExceededMode=CANCEL_ONLY", "old", (429, -2021)),
        ("STOP_ON_FAILURE", "&orderRateLimitExceededMode=CANCEL_ONLY", "none", (429, -2022)),
        ("ALLOW_FAILURE", "&orderRateLimitExceededMode=CANCEL_ONLY", "old", (409, -2021)),
        ("ALLOW_FAILURE", "&orderRateLimitExceededMode=CANCEL_ONLY", "none", (400, -2022)),
    ] {
        let mut rig = Rig::new(config.clone());
        rig.signed("POST", "/api/v3/order", OLD);
        let (status, answer) = replace(&mut rig, &format!("{NEW}{exceeded}"), mode, cancel);
        assert_eq!((status, answer["code"].as_i64().unwrap()), want, "{mode}{exceeded}: {answer}");
        if want == (409, -2021) {
            compare(mode, &answer, "cancelReplace_orderLimit_cancelOnly.json", &[]);
        }
        let left = rig.sim.ledger(KEY).unwrap().open_orders.len();
        assert_eq!(left, usize::from(exceeded.is_empty() || cancel == "none"), "{mode}{exceeded}");
    }
}

#[test]
fn what_is_wrong_is_refused_before_anything_happens() {
    let mut rig = Rig::still();
    rig.signed("POST", "/api/v3/order", OLD);
    for (text, code) in [
        (format!("{NEW}&cancelReplaceMode=NOPE&cancelOrigClientOrderId=old"), -1130),
        (format!("{NEW}&cancelOrigClientOrderId=old"), -1102),
        (format!("{NEW}&cancelReplaceMode=ALLOW_FAILURE"), -1102),
        (format!("{NEW}.001&cancelReplaceMode=ALLOW_FAILURE&cancelOrigClientOrderId=old"), -1013),
        (format!("{NEW}&cancelReplaceMode=ALLOW_FAILURE&cancelOrigClientOrderId=old&cancelRestrictions=X"), -1145),
    ] {
        let (_, answer) = rig.signed("POST", "/api/v3/order/cancelReplace", &text);
        assert_eq!(answer["code"], code, "{text}: {answer}");
    }
    let only = format!("{NEW}&cancelRestrictions=ONLY_PARTIALLY_FILLED");
    let (_, answer) = replace(&mut rig, &only, "STOP_ON_FAILURE", "old");
    assert_eq!(answer["data"]["cancelResponse"]["msg"], "Order was not canceled due to cancel restrictions.");
    assert_eq!(rig.sim.ledger(KEY).unwrap().open_orders.len(), 1);
    let mut api = rig.ws("/ws-api/v3");
    let mut params: Vec<(&str, &str)> = BAD.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
    params.extend([("cancelReplaceMode", "STOP_ON_FAILURE"), ("cancelOrigClientOrderId", "old")]);
    let answer = rig.api(&mut api, "order.cancelReplace", &params);
    compare("WebSocket API", &answer, "wsapi_cancelReplace_409_a.json", &[]);
    assert_eq!(answer["status"], 409);
}

#[test]
fn an_amended_order_keeps_its_place_and_is_told_as_replaced() {
    let mut rig = Rig::still();
    let mut user = rig.user_stream();
    let at = |id: &str| {
        format!("symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=0.5&price=97500&newClientOrderId={id}")
    };
    for id in ["first", "second"] {
        rig.signed("POST", "/api/v3/order", &at(id));
    }
    user.events();
    let path = "/api/v3/order/amend/keepPriority";
    let amend = |rig: &mut Rig, text: &str| rig.signed("PUT", path, &format!("symbol=BTCUSDT&{text}"));
    let (status, answer) = amend(&mut rig, "origClientOrderId=first&newQty=0.2&newClientOrderId=smaller");
    assert_eq!(status, 200, "{answer}");
    compare("amend", &answer, "order_amend_single.json", &[]);
    let events = user.events();
    let told = (&events[0]["x"], &events[0]["c"], &events[0]["C"], &events[0]["q"]);
    assert_eq!(told, (&"REPLACED".into(), &"smaller".into(), &"first".into(), &"0.20000000".into()));
    assert_eq!(events[0]["I"], answer["executionId"]);
    assert_eq!(rig.sim.ledger(KEY).unwrap().balances["BTC"].locked, 70_000_000);
    for (text, msg) in [
        ("origClientOrderId=smaller&newQty=0.2", "The requested action would change no state; rejecting"),
        ("origClientOrderId=smaller&newQty=0.3", "Order amend (quantity increase) is not supported."),
        ("origClientOrderId=first&newQty=0.1", "Unknown order sent."),
        ("origClientOrderId=smaller&newQty=0.1&newClientOrderId=second", "Duplicate order sent."),
    ] {
        let (status, answer) = amend(&mut rig, text);
        assert_eq!((status, &answer["code"], &answer["msg"]), (400, &(-2038).into(), &msg.into()), "{text}");
    }
    let (_, unnamed) = amend(&mut rig, "origClientOrderId=smaller&newQty=0.1");
    assert_ne!(unnamed["amendedOrder"]["clientOrderId"], "smaller", "without a new id a random one is given");
    let by_id = format!("symbol=BTCUSDT&orderId={}", unnamed["amendedOrder"]["orderId"]);
    let (_, all) = rig.signed("GET", "/api/v3/order/amendments", &by_id);
    compare("amendments", &all, "order_amendments.json", &[]);
    assert_eq!(all.as_array().unwrap().len(), 2);
    // The amended order is still first in its queue.
    let venue = &rig.sim.desk.venue;
    let order = venue.orders.values().find(|o| o.id == unnamed["amendedOrder"]["orderId"].as_u64().unwrap()).unwrap();
    let (_, first) = venue.symbols[0].own_best(order.side).unwrap();
    assert_eq!(first, order.id);
    rig.sim.desk.venue.symbols[0].instrument.amends_max = 2;
    let (_, answer) = rig.signed("PUT", path, &format!("{by_id}&newQty=0.05"));
    assert_eq!(answer["msg"], "Filter failure: MAX_NUM_ORDER_AMENDS");
}

#[test]
fn amending_a_leg_amends_its_pair() {
    let mut rig = Rig::still();
    let mut user = rig.user_stream();
    let oco = "symbol=BTCUSDT&side=SELL&quantity=0.5&aboveType=LIMIT_MAKER&abovePrice=100000&aboveClientOrderId=up\
               &belowType=STOP_LOSS&belowStopPrice=95000";
    rig.signed("POST", "/api/v3/orderList/oco", oco);
    user.events();
    let (status, answer) =
        rig.signed("PUT", "/api/v3/order/amend/keepPriority", "symbol=BTCUSDT&origClientOrderId=up&newQty=0.3");
    assert_eq!(status, 200, "{answer}");
    compare("amend in a list", &answer, "order_amend_inList.json", &[".amendedOrder.workingTime"]);
    let ledger = rig.sim.ledger(KEY).unwrap();
    assert!(ledger.open_orders.iter().all(|o| o.qty == 30_000_000), "{:?}", ledger.open_orders);
    assert_eq!(ledger.balances["BTC"].locked, 30_000_000);
    let events = user.events();
    assert_eq!(events.iter().filter(|e| e["x"] == "REPLACED").count(), 2);
    assert!(events.iter().any(|e| e["l"] == "UPDATED" && e["L"] == "EXECUTING"));
}

/// The venue knows no replacing of one leg: the cancel takes the whole list with it, as any cancel of a leg does.
#[test]
fn replacing_a_leg_cancels_its_list_and_places_an_order_of_its_own() {
    let mut rig = Rig::still();
    let oco = "symbol=BTCUSDT&side=SELL&quantity=0.5&aboveType=LIMIT_MAKER&abovePrice=100000&aboveClientOrderId=up\
               &belowType=STOP_LOSS&belowStopPrice=95000";
    let (_, placed) = rig.signed("POST", "/api/v3/orderList/oco", oco);
    let (status, answer) = replace(&mut rig, NEW, "STOP_ON_FAILURE", "up");
    assert_eq!(status, 200, "{answer}");
    let canceled = &answer["cancelResponse"];
    assert_eq!(
        (&canceled["orderListId"], &canceled["listOrderStatus"], canceled["orderReports"].as_array().map(Vec::len)),
        (&placed["orderListId"], &"ALL_DONE".into(), Some(2)),
        "{answer}"
    );
    assert_eq!(answer["newOrderResponse"]["orderListId"], -1);
    let ledger = rig.sim.ledger(KEY).unwrap();
    assert_eq!(ledger.open_orders.iter().map(|o| o.qty).collect::<Vec<_>>(), [40_000_000]);
    assert_eq!(ledger.balances["BTC"].locked, 0);
}

#[test]
fn a_leg_that_waits_to_be_paid_for_cannot_be_amended() {
    let mut rig = Rig::still();
    let opo = "symbol=BTCUSDT&workingType=LIMIT&workingTimeInForce=GTC&workingSide=BUY&workingPrice=50000\
               &workingQuantity=0.5&pendingSide=SELL&pendingType=LIMIT_MAKER&pendingPrice=110000\
               &pendingClientOrderId=waits";
    let (status, placed) = rig.signed("POST", "/api/v3/orderList/opo", opo);
    assert_eq!(status, 200, "{placed}");
    let (_, answer) =
        rig.signed("PUT", "/api/v3/order/amend/keepPriority", "symbol=BTCUSDT&origClientOrderId=waits&newQty=0.3");
    assert_eq!(
        (&answer["code"], &answer["msg"]),
        (&(-2038).into(), &"Order amend (pending OPO order) is not supported.".into())
    );
}
