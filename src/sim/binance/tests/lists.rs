//! Order lists as clients meet them.

use super::shapes::compare;
use crate::sim::binance::SimConfig;
use crate::sim::binance::testing::*;
use crate::sim::binance::venue::PublicTrade;
use crate::sim::decimal::ONE;
use serde_json::Value;

fn print(px: i64, buyer_is_maker: bool) -> PublicTrade {
    PublicTrade { symbol: 0, id: 1, px: px * ONE, qty: 1_000, time_us: START / 1_000, buyer_is_maker, command: 0 }
}

/// Somebody else trades at this price: it is the last price, and nobody's order is met.
fn trade_at(rig: &mut Rig, px: i64) {
    let (venue, now_us) = (&mut rig.sim.desk.venue, rig.clock.now() / 1_000);
    venue.note_trade(print(px, true));
    rig.sim.hub.settle(venue, now_us);
    rig.turn();
}

/// The market trades through every order of ours on one side up to this price.
fn trade_through(rig: &mut Rig, px: i64, buyer_is_maker: bool) {
    let (venue, now_us) = (&mut rig.sim.desk.venue, rig.clock.now() / 1_000);
    venue.market_printed(print(px, buyer_is_maker));
    rig.sim.hub.settle(venue, now_us);
    rig.turn();
}

fn rig() -> (Rig, Client) {
    let mut rig = Rig::still();
    trade_at(&mut rig, 97_400);
    let user = rig.user_stream();
    (rig, user)
}

const OCO: &str = "symbol=BTCUSDT&side=SELL&quantity=0.5&aboveType=LIMIT_MAKER&abovePrice=100000&aboveClientOrderId=up\
                   &belowType=STOP_LOSS_LIMIT&belowStopPrice=95000&belowPrice=90000&belowTimeInForce=GTC&belowIcebergQty=0.1\
                   &belowClientOrderId=down&listClientOrderId=both";
const OTO: &str = "symbol=BTCUSDT&workingType=LIMIT&workingSide=BUY&workingPrice=90000&workingQuantity=0.5\
                   &workingTimeInForce=GTC&workingClientOrderId=first&pendingType=MARKET&pendingSide=SELL\
                   &pendingQuantity=0.4&pendingClientOrderId=then";
const OTOCO: &str = "symbol=BTCUSDT&workingType=LIMIT&workingSide=BUY&workingPrice=90000&workingQuantity=0.5\
                     &workingTimeInForce=GTC&pendingSide=SELL&pendingQuantity=0.4\
                     &pendingAboveType=LIMIT_MAKER&pendingAbovePrice=110000\
                     &pendingBelowType=STOP_LOSS_LIMIT&pendingBelowStopPrice=80000&pendingBelowPrice=79000&pendingBelowTimeInForce=IOC";

/// What each event says, for the order of the lists' tests.
fn told(user: &mut Client) -> Vec<String> {
    let text = |e: &Value, key: &str| e[key].as_str().unwrap_or_default().to_owned();
    let mut out = Vec::new();
    for e in user.events() {
        match e["e"].as_str().unwrap() {
            "listStatus" => out.push(format!("list {} {}", text(&e, "l"), text(&e, "L"))),
            "executionReport" => {
                out.push(format!("{} {} {} {}", text(&e, "o"), text(&e, "x"), text(&e, "X"), text(&e, "eR")))
            }
            _ => {}
        }
    }
    out.iter().map(|line| line.trim_end().to_owned()).collect()
}

fn locked(rig: &Rig, asset: &str) -> i128 {
    rig.sim.ledger(KEY).unwrap().balances[asset].locked
}

#[test]
fn lists_are_answered_queried_and_cancelled_in_the_documented_shape() {
    let (mut rig, mut user) = rig();
    for (path, text, file, count) in [
        ("orderList/oco", OCO, "orderList_oco.json", "2"),
        ("orderList/oto", OTO, "orderList_oto.json", "4"),
        ("orderList/otoco", OTOCO, "orderList_otoco.json", "7"),
        (
            "order/oco",
            "symbol=BTCUSDT&side=BUY&quantity=0.1&price=90000&stopPrice=99000",
            "orderList_oco_legacy.json",
            "9",
        ),
    ] {
        let query = format!("{text}&timestamp={}", rig.now_ms());
        let target = format!("/api/v3/{path}?{query}&signature={}", sign(&query));
        let (status, head, list) = rig.rest("POST", &target, Some(KEY), "");
        assert_eq!(status, 200, "{path}: {list}");
        compare(path, &list, file, &[]);
        assert!(head.contains(&format!("x-mbx-order-count-10s: {count}\r\n")), "{path}: {head}");
    }
    if let Some(want) = fixture("binance/listStatus.json") {
        super::shapes::same_shape("listStatus", &user.events()[0], &want["event"], &[]);
    }
    let (_, open) = rig.signed("GET", "/api/v3/openOrderList", "");
    compare("open", &open, "openOrderList.json", &[]);
    assert_eq!(open.as_array().unwrap().len(), 4);
    let (_, one) = rig.signed("GET", "/api/v3/orderList", "origClientOrderId=both");
    compare("one", &one, "orderList_query.json", &[]);
    assert_eq!(rig.signed("GET", "/api/v3/orderList", "orderListId=99").1["code"], -2013);
    let (_, canceled) = rig.signed("DELETE", "/api/v3/orderList", "symbol=BTCUSDT&listClientOrderId=both");
    compare("cancel", &canceled, "orderList_cancel.json", &[".orderReports[].icebergQty"]);
    assert_eq!(canceled["listOrderStatus"], "ALL_DONE");
    // A leg's cancel ends its list, and all at once ends the rest.
    let (_, by_leg) = rig.signed("DELETE", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=then");
    assert_eq!((&by_leg["contingencyType"], by_leg["orderReports"].as_array().unwrap().len()), (&"OTO".into(), 2));
    let (_, rest) = rig.signed("DELETE", "/api/v3/openOrders", "symbol=BTCUSDT");
    assert_eq!(rest.as_array().unwrap().len(), 2);
    assert!(rest[0]["contingencyType"].is_string());
    let (_, all) = rig.signed("GET", "/api/v3/allOrderList", "");
    compare("all", &all, "allOrderList.json", &[]);
    assert!(all.as_array().unwrap().iter().all(|list| list["listOrderStatus"] == "ALL_DONE"));
    assert_eq!((locked(&rig, "BTC"), locked(&rig, "USDT")), (0, 0));
    let mut api = rig.ws("/ws-api/v3");
    let pairs: Vec<(&str, &str)> = OCO.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
    let answer = rig.api(&mut api, "orderList.place.oco", &pairs);
    assert_eq!((&answer["status"], &answer["result"]["contingencyType"]), (&200.into(), &"OCO".into()), "{answer}");
    let id = answer["result"]["orderListId"].to_string();
    for (method, params) in [
        ("orderList.status", vec![("orderListId", id.as_str())]),
        ("openOrderLists.status", vec![]),
        ("allOrderLists", vec![]),
        ("orderList.cancel", vec![("symbol", "BTCUSDT"), ("orderListId", id.as_str())]),
    ] {
        let answer = rig.api(&mut api, method, &params);
        assert_eq!(answer["status"], 200, "{method}: {answer}");
    }
}

#[test]
fn of_a_pair_one_leg_trades_and_the_balance_is_set_aside_once() {
    let (mut rig, mut user) = rig();
    rig.signed("POST", "/api/v3/orderList/oco", OCO);
    assert_eq!(locked(&rig, "BTC"), i128::from(ONE / 2));
    let placed = ["list EXEC_STARTED EXECUTING", "STOP_LOSS_LIMIT NEW NEW", "LIMIT_MAKER NEW NEW"];
    assert_eq!(told(&mut user), placed);
    // The stop is reached: the limit makes room.
    trade_at(&mut rig, 95_000);
    let events = told(&mut user);
    assert_eq!(events[..2], ["LIMIT_MAKER EXPIRED EXPIRED OCO_TRIGGER", "STOP_LOSS_LIMIT NEW NEW"]);
    assert!(events.contains(&"STOP_LOSS_LIMIT TRADE FILLED".to_owned()), "{events:?}");
    assert_eq!(events.last().unwrap(), "list ALL_DONE ALL_DONE");
    assert_eq!(locked(&rig, "BTC"), 0);
    // The limit fills: the stop is over.
    trade_at(&mut rig, 97_400);
    rig.signed("POST", "/api/v3/orderList/oco", OCO);
    told(&mut user);
    trade_through(&mut rig, 100_001, false);
    let want = ["LIMIT_MAKER TRADE FILLED", "STOP_LOSS_LIMIT EXPIRED EXPIRED OCO_TRIGGER", "list ALL_DONE ALL_DONE"];
    assert_eq!(told(&mut user), want);
    assert_eq!(locked(&rig, "BTC"), 0);
}

#[test]
fn a_buy_pair_sets_aside_what_its_dearer_leg_needs() {
    let (mut rig, _) = rig();
    let text = "symbol=BTCUSDT&side=BUY&quantity=0.5&belowType=LIMIT_MAKER&belowPrice=90000\
                &aboveType=STOP_LOSS_LIMIT&aboveStopPrice=99000&abovePrice=99500&aboveTimeInForce=GTC";
    assert_eq!(rig.signed("POST", "/api/v3/orderList/oco", text).0, 200);
    assert_eq!(locked(&rig, "USDT"), i128::from(99_500 * ONE / 2));
}

#[test]
fn pending_orders_wait_for_the_whole_working_order() {
    let (mut rig, mut user) = rig();
    let (_, list) = rig.signed("POST", "/api/v3/orderList/oto", OTO);
    assert_eq!(list["orderReports"][1]["status"], "PENDING_NEW");
    assert_eq!(locked(&rig, "BTC"), 0, "a pending order sets nothing aside");
    let placed = ["list EXEC_STARTED EXECUTING", "LIMIT NEW NEW", "MARKET NEW PENDING_NEW"];
    assert_eq!(told(&mut user), placed);
    trade_through(&mut rig, 89_999, true);
    let events = told(&mut user);
    assert_eq!(events[..3], ["LIMIT TRADE FILLED", "MARKET NEW NEW", "MARKET TRADE FILLED"]);
    assert_eq!(events.last().unwrap(), "list ALL_DONE ALL_DONE");
    // A pair that waits is placed as a pair.
    rig.signed("POST", "/api/v3/orderList/otoco", OTOCO);
    told(&mut user);
    trade_through(&mut rig, 89_999, true);
    assert_eq!(told(&mut user), ["LIMIT TRADE FILLED", "STOP_LOSS_LIMIT NEW NEW", "LIMIT_MAKER NEW NEW"]);
    assert_eq!(locked(&rig, "BTC"), i128::from(ONE * 4 / 10));
    trade_through(&mut rig, 110_001, false);
    let want = ["LIMIT_MAKER TRADE FILLED", "STOP_LOSS_LIMIT EXPIRED EXPIRED OCO_TRIGGER", "list ALL_DONE ALL_DONE"];
    assert_eq!(told(&mut user), want);
    // What cannot be placed when its time has come is told so.
    rig.signed("POST", "/api/v3/orderList/oto", &OTO.replace("pendingQuantity=0.4", "pendingQuantity=80"));
    told(&mut user);
    trade_through(&mut rig, 89_999, true);
    assert_eq!(told(&mut user), ["LIMIT TRADE FILLED", "MARKET EXPIRED EXPIRED REJECTED", "list ALL_DONE ALL_DONE"]);
    // A working order that expires ends all.
    let ioc = OTOCO.replace("workingTimeInForce=GTC", "workingTimeInForce=IOC");
    rig.signed("POST", "/api/v3/orderList/otoco", &ioc);
    let events = told(&mut user);
    assert_eq!(events.iter().filter(|e| e.ends_with("OTO_PHASE_ONE_EXPIRED")).count(), 2, "{events:?}");
}

/// OPO and OPOCO: what waits sells what was bought, less the commission, in whole lots.
#[test]
fn what_a_working_order_pays_for_has_its_quantity_when_it_is_bought() {
    let (mut rig, mut user) = rig();
    let without = |text: &str| text.replace("&pendingQuantity=0.4", "");
    let opo = without(OTO).replace("pendingType=MARKET", "pendingType=LIMIT_MAKER&pendingPrice=110000");
    let opoco =
        without(OTOCO).replace("workingPrice=90000&workingQuantity=0.5", "workingPrice=90000&workingQuantity=0.00777");
    for (path, text, file) in [("opo", &opo, "orderList_opo.json"), ("opoco", &opoco, "orderList_opoco.json")] {
        let (status, list) = rig.signed("POST", &format!("/api/v3/orderList/{path}"), text);
        assert_eq!((status, &list["contingencyType"]), (200, &"OTO".into()), "{path}: {list}");
        compare(path, &list, file, &[".orderReports[].stopPrice"]);
        for pending in &list["orderReports"].as_array().unwrap()[1..] {
            assert!(pending["origQty"].is_null(), "{list}");
        }
    }
    assert_eq!(locked(&rig, "BTC"), 0, "a pending order sets nothing aside");
    told(&mut user);
    trade_through(&mut rig, 89_999, true);
    let events = told(&mut user);
    assert!(events.contains(&"STOP_LOSS_LIMIT NEW NEW".to_owned()), "{events:?}");
    let (_, open) = rig.signed("GET", "/api/v3/openOrders", "symbol=BTCUSDT");
    let mut sizes: Vec<&str> = open.as_array().unwrap().iter().map(|o| o["origQty"].as_str().unwrap()).collect();
    sizes.sort();
    // 0.00777 less a tenth of a percent is 0.00776223.
    assert_eq!(sizes, ["0.00776000", "0.00776000", "0.49950000"]);
    assert_eq!(locked(&rig, "BTC"), i128::from(49_950_000 + 776_000), "a pair sets it aside once");
    for (path, text, code) in [
        ("opo", opo.replace("workingSide=BUY", "workingSide=SELL"), -1222),
        ("opo", opo.replace("pendingSide=SELL", "pendingSide=BUY"), -1223),
        ("opo", OTO.to_owned(), -1225),
        ("opoco", OTOCO.to_owned(), -1225),
        ("opoco", opoco.replace("pendingAboveType=LIMIT_MAKER", "pendingAboveType=STOP_LOSS"), -1106),
    ] {
        let (status, answer) = rig.signed("POST", &format!("/api/v3/orderList/{path}"), &text);
        assert_eq!((status, answer["code"].as_i64()), (400, Some(code)), "{text}: {answer}");
    }
    // What was bought is too little to sell: it is told so, and the list is over.
    let mut rig = Rig::still();
    trade_at(&mut rig, 97_400);
    let mut user = rig.user_stream();
    let small = opo
        .replace("workingQuantity=0.5", "workingQuantity=0.00006")
        .replace("pendingPrice=110000", "pendingPrice=98000");
    assert_eq!(rig.signed("POST", "/api/v3/orderList/opo", &small).0, 200);
    told(&mut user);
    trade_through(&mut rig, 89_999, true);
    let want = ["LIMIT TRADE FILLED", "LIMIT_MAKER EXPIRED EXPIRED REJECTED", "list ALL_DONE ALL_DONE"];
    assert_eq!(told(&mut user), want);
    let routed = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.5&price=90000";
    assert_eq!(rig.signed("POST", "/api/v3/sor/order", routed).1["code"], -1020, "no symbol here is routed");
}

#[test]
fn lists_that_make_no_sense_get_the_venues_code() {
    let oco = |change: &[(&str, &str)]| {
        change.iter().fold(OCO.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        })
    };
    let stop_above = ("aboveType=LIMIT_MAKER&abovePrice=100000", "aboveType=STOP_LOSS&aboveStopPrice=100000");
    let maker_below = (
        "belowType=STOP_LOSS_LIMIT&belowStopPrice=95000&belowPrice=90000&belowTimeInForce=GTC&belowIcebergQty=0.1",
        "belowType=LIMIT_MAKER&belowPrice=90000",
    );
    let profit_below = ("belowType=STOP_LOSS_LIMIT", "belowType=TAKE_PROFIT_LIMIT");
    let buy = ("side=SELL", "side=BUY");
    for (text, code) in [
        (oco(&[("aboveType=LIMIT_MAKER", "aboveType=LIMIT&aboveTimeInForce=GTC")]), -1158),
        (oco(&[maker_below]), -1168),
        (oco(&[buy]), -1165),
        (oco(&[stop_above, maker_below]), -1166),
        (oco(&[stop_above, buy]), -1196),
        (oco(&[stop_above]), -1197),
        (oco(&[("aboveType=LIMIT_MAKER&abovePrice", "aboveType=TAKE_PROFIT&aboveStopPrice"), buy, maker_below]), -1198),
        (oco(&[profit_below]), -1199),
        (oco(&[("belowTimeInForce=GTC", "belowTimeInForce=IOC")]), -1160),
        (oco(&[("abovePrice=100000", "abovePrice=97000")]), -2010),
        (oco(&[("belowStopPrice=95000", "belowStopPrice=98000")]), -2010),
        (oco(&[("quantity=0.5", "quantity=50"), ("IcebergQty=0.1", "IcebergQty=1")]), -2010),
        (oco(&[("&quantity=0.5", "")]), -1102),
        (oco(&[("ClientOrderId=down", "ClientOrderId=up")]), -2010),
        (oco(&[("belowType=STOP_LOSS_LIMIT&", "")]), -1102),
        (format!("{OCO}&foo=1"), -1104),
    ] {
        let (mut rig, _) = rig();
        let (status, answer) = rig.signed("POST", "/api/v3/orderList/oco", &text);
        assert_eq!((status, answer["code"].as_i64()), (400, Some(code)), "{text}: {answer}");
        assert!(rig.sim.ledger(KEY).unwrap().open_orders.is_empty(), "{text} left something behind");
    }
    let (mut rig, _) = rig();
    let market = OTO.replace("workingType=LIMIT", "workingType=MARKET");
    assert!(rig.signed("POST", "/api/v3/orderList/oto", &market).0 == 400);
    rig.sim.desk.venue.symbols[0].instrument.order_lists_max = 1;
    assert_eq!(rig.signed("POST", "/api/v3/orderList/oto", OTO).0, 200);
    let (_, second) = rig.signed("POST", "/api/v3/orderList/otoco", OTOCO);
    assert_eq!(second["msg"], "Filter failure: MAX_NUM_ORDER_LISTS");
    rig.sim.desk.venue.symbols[0].instrument.order_lists_max = 0;
    rig.sim.desk.venue.exchange.order_lists_max = 1;
    let (_, second) = rig.signed("POST", "/api/v3/orderList/otoco", OTOCO);
    assert_eq!(second["msg"], "Filter failure: EXCHANGE_MAX_NUM_ORDER_LISTS");
    rig.sim.desk.venue.exchange.orders_max = 4;
    let (_, second) = rig.signed("POST", "/api/v3/orderList/otoco", OTOCO);
    assert_eq!(second["msg"], "Filter failure: EXCHANGE_MAX_NUM_ORDERS");
    let (_, info) = rig.signed("GET", "/api/v3/exchangeInfo", "");
    assert_eq!(info["exchangeFilters"].as_array().map(Vec::len), Some(2), "{info}");
}

#[test]
fn lists_go_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let with_state = || SimConfig { state_file: Some(dir.path().join("state")), ..config(still_market()) };
    let mut rig = Rig::new(with_state());
    trade_at(&mut rig, 97_400);
    rig.signed("POST", "/api/v3/orderList/oco", OCO);
    rig.signed("POST", "/api/v3/orderList/otoco", OTOCO);
    let (_, before) = rig.signed("GET", "/api/v3/openOrderList", "");
    let (ledger, clock) = (rig.sim.ledger(KEY).unwrap(), rig.clock.now());
    drop(rig);
    let mut rig = Rig::at(with_state(), clock + 1_000_000_000);
    assert_eq!(rig.sim.ledger(KEY).unwrap(), ledger);
    assert_eq!(rig.signed("GET", "/api/v3/openOrderList", "").1, before);
    let mut user = rig.user_stream();
    trade_at(&mut rig, 95_000);
    assert_eq!(told(&mut user)[0], "LIMIT_MAKER EXPIRED EXPIRED OCO_TRIGGER");
    trade_through(&mut rig, 89_999, true);
    assert!(told(&mut user).contains(&"STOP_LOSS_LIMIT NEW NEW".to_owned()));
    let (_, open) = rig.signed("GET", "/api/v3/openOrderList", "");
    assert_eq!(open.as_array().unwrap().len(), 1);
    let (_, next) = rig.signed("POST", "/api/v3/orderList/oto", OTO);
    assert_eq!(next["orderListId"], 3, "{next}");
    rig.signed("DELETE", "/api/v3/openOrders", "symbol=BTCUSDT");
    assert_eq!((locked(&rig, "BTC"), locked(&rig, "USDT")), (0, 0));
}
