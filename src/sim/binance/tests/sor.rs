//! Smart order routing between two symbols with interchangeable quotes.

use super::shapes::compare;
use crate::sim::binance::SimConfig;
use crate::sim::binance::testing::*;
use crate::sim::market::{MarketSource, SimInstrument, SyntheticConfig};
use serde_json::Value;

/// BTCUSDT at about 97,400 and BTCUSDC `apart` dollars from it, both standing still, routed to each other.
fn routed(apart: i64) -> SimConfig {
    let quiet = |i: SimInstrument| SimInstrument { quotes_per_second: 1e-9, trades_per_second: 0.0, ..i };
    let usdt = quiet(SimInstrument::btcusdt());
    let usdc = SimInstrument { px_start: usdt.px_start + apart * 100_000_000, ..quiet(SimInstrument::btcusdc()) };
    let instruments = vec![usdt, usdc, quiet(SimInstrument::ethusdt())];
    let market = MarketSource::Synthetic(SyntheticConfig { instruments, ..SyntheticConfig::default() });
    let mut config = config(market);
    config.sors = vec![vec!["BTCUSDT".into(), "BTCUSDC".into()]];
    for account in &mut config.accounts {
        account.balances.push(("USDC".into(), "1000000".into()));
    }
    config
}

const LIMIT: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC";

fn amount(value: &Value) -> i64 {
    crate::sim::decimal::parse(value.as_str().unwrap()).unwrap()
}

/// What an account holds of an asset, locked or not.
fn held(rig: &Rig, key: &str, asset: &str) -> i128 {
    rig.sim.ledger(key).unwrap().balances.get(asset).map_or(0, |b| b.free + b.locked)
}

fn best(rig: &mut Rig, symbol: &str, side: &str) -> i64 {
    let (_, _, book) = rig.rest("GET", &format!("/api/v3/depth?symbol={symbol}&limit=5"), None, "");
    amount(&book[side][0][0])
}

#[test]
fn a_routed_order_gets_the_better_books_price_as_an_allocation() {
    let mut rig = Rig::new(routed(-100));
    let mut user = rig.user_stream();
    let cheaper = best(&mut rig, "BTCUSDC", "asks");
    let usdc = held(&rig, KEY, "USDC");
    let usdt = held(&rig, KEY, "USDT");
    let (status, order) = rig.signed("POST", "/api/v3/sor/order", &format!("{LIMIT}&quantity=0.01&price=97500"));
    assert_eq!((status, &order["status"], &order["usedSor"]), (200, &"FILLED".into(), &true.into()), "{order}");
    compare("sor", &order, "order_sor_full.json", &[]);
    let fill = &order["fills"][0];
    assert_eq!((amount(&fill["price"]), &fill["tradeId"], &fill["allocId"]), (cheaper, &(-1).into(), &0.into()));
    // Paid in its own quote asset.
    assert_eq!(held(&rig, KEY, "USDC"), usdc);
    assert_eq!(usdt - held(&rig, KEY, "USDT"), i128::from(amount(&order["cummulativeQuoteQty"])));
    // It was a trade of the other book, and an allocation of this symbol.
    let (_, _, trades) = rig.rest("GET", "/api/v3/trades?symbol=BTCUSDC", None, "");
    assert_eq!(amount(&trades.as_array().unwrap().last().unwrap()["price"]), cheaper);
    let (_, mine) = rig.signed("GET", "/api/v3/myTrades", "symbol=BTCUSDT");
    assert_eq!(mine, serde_json::json!([]));
    let (_, allocations) = rig.signed("GET", "/api/v3/myAllocations", "symbol=BTCUSDT");
    compare("allocations", &allocations, "myAllocations.json", &[]);
    assert_eq!((&allocations[0]["orderId"], &allocations[0]["isBuyer"]), (&order["orderId"], &true.into()));
    let of_order = format!("symbol=BTCUSDT&orderId={}&fromAllocationId=0", order["orderId"]);
    assert_eq!(rig.signed("GET", "/api/v3/myAllocations", &of_order).1, allocations);
    let events = user.events();
    let trade = events.iter().find(|e| e["x"] == "TRADE").unwrap();
    let got = [&trade["t"], &trade["a"], &trade["b"], &trade["k"], &trade["uS"]].map(Value::clone);
    assert_eq!(Value::from(got.to_vec()), serde_json::json!([-1, 0, "ONE_PARTY_TRADE_REPORT", "SOR", true]));
}

#[test]
fn what_no_book_has_rests_on_its_own_and_an_ordinary_order_stays_there() {
    let mut rig = Rig::new(routed(-100));
    // Dearer than the other book's, so it takes from its own alone.
    let (_, plain) = rig.signed("POST", "/api/v3/order", &format!("{LIMIT}&quantity=0.01&price=97500"));
    assert!(plain["fills"][0].get("allocId").is_none() && plain.get("usedSor").is_none(), "{plain}");
    let bid = best(&mut rig, "BTCUSDC", "asks") - 100_000_000;
    let text = format!("{LIMIT}&quantity=0.01&price={}&newOrderRespType=RESULT", bid / 100_000_000);
    let (_, resting) = rig.signed("POST", "/api/v3/sor/order", &text);
    assert_eq!((&resting["status"], &resting["workingFloor"]), (&"NEW".into(), &"SOR".into()), "{resting}");
    let open = rig.sim.ledger(KEY).unwrap().open_orders;
    assert_eq!(open.iter().map(|o| o.symbol.as_str()).collect::<Vec<_>>(), ["BTCUSDT"]);
}

/// A routed order empties the better levels of both books in the order of their prices.
#[test]
fn a_large_routed_order_takes_the_best_of_both_books_in_turn() {
    let mut rig = Rig::new(routed(0));
    let asks = |rig: &mut Rig, symbol: &str| {
        let (_, _, book) = rig.rest("GET", &format!("/api/v3/depth?symbol={symbol}&limit=1000"), None, "");
        let levels = book["asks"].as_array().unwrap().clone();
        levels.into_iter().map(|l| (amount(&l[0]), amount(&l[1]))).collect::<Vec<_>>()
    };
    let mut both = asks(&mut rig, "BTCUSDT");
    both.extend(asks(&mut rig, "BTCUSDC"));
    both.sort_by_key(|(px, _)| *px);
    let (mut left, mut want) = (400_000_000, 0_i128);
    for (px, qty) in both {
        let part = left.min(qty);
        want += i128::from(px) * i128::from(part) / 100_000_000;
        left -= part;
    }
    let (_, order) = rig.signed("POST", "/api/v3/sor/order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=4");
    assert_eq!(order["status"], "FILLED", "{order}");
    let fills = order["fills"].as_array().unwrap();
    assert!(fills.iter().any(|f| f.get("allocId").is_some()) && fills.iter().any(|f| f.get("allocId").is_none()));
    let prices: Vec<i64> = fills.iter().map(|f| amount(&f["price"])).collect();
    assert!(prices.is_sorted(), "{prices:?}");
    // Each level's part is rounded by itself.
    let got = i128::from(amount(&order["cummulativeQuoteQty"]));
    assert!((got - want).abs() <= fills.len() as i128, "{got} and {want}");
    let ids: Vec<u64> = fills.iter().filter_map(|f| f["allocId"].as_u64()).collect();
    assert_eq!(ids, (0..ids.len() as u64).collect::<Vec<_>>());
}

/// An account offers a hundredth of a bitcoin at the other book's best ask, behind what stands there; gives its answer,
/// the price, and a quantity that reaches just through it.
fn offered(rig: &mut Rig, key: &str) -> (Value, String, String) {
    // The market's one step is over after the first turn.
    rig.turn();
    let (_, _, book) = rig.rest("GET", "/api/v3/depth?symbol=BTCUSDC&limit=5", None, "");
    let px = book["asks"][0][0].as_str().unwrap().to_owned();
    let through = crate::sim::decimal::text((amount(&book["asks"][0][1]) + 1_000_000).into());
    let own = format!("symbol=BTCUSDC&side=SELL&type=LIMIT_MAKER&quantity=0.01&price={px}");
    let (status, maker) = rig.signed_by(key, "POST", "/api/v3/order", &own);
    assert_eq!(status, 200, "{maker}");
    (maker, px, through)
}

/// Of every asset, what there is: with the accounts, taken as fees, and with the market or the venue between two books.
fn all_there_is(rig: &Rig) -> Vec<i128> {
    let venue = &rig.sim.desk.venue;
    let with_accounts =
        |at: usize| venue.accounts.iter().map(|a| a.balances[at].free + a.balances[at].locked).sum::<i128>();
    (0..venue.assets.len()).map(|at| with_accounts(at) + venue.fees_taken[at] + venue.market_gained[at]).collect()
}

#[test]
fn between_two_accounts_each_pays_and_gets_in_its_own_quote() {
    let mut rig = Rig::new(routed(-100));
    let (maker, px, qty) = offered(&mut rig, OTHER_KEY);
    let (before, other) = (held(&rig, KEY, "USDT"), held(&rig, OTHER_KEY, "USDC"));
    let all = all_there_is(&rig);
    let (_, taker) = rig.signed("POST", "/api/v3/sor/order", &format!("{LIMIT}&quantity={qty}&price={px}"));
    assert_eq!(taker["status"], "FILLED", "{taker}");
    assert_eq!(before - held(&rig, KEY, "USDT"), i128::from(amount(&taker["cummulativeQuoteQty"])));
    let last = taker["fills"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["price"], &last["qty"]), (&px.into(), &"0.01000000".into()), "{taker}");
    let worth = i128::from(amount(&last["price"])) / 100;
    let got = held(&rig, OTHER_KEY, "USDC") - other;
    assert_eq!(got, worth - worth / 1_000, "what the maker got less its fee");
    assert_eq!(all_there_is(&rig), all, "nothing comes of nothing");
    let (_, trades) = rig.signed_by(OTHER_KEY, "GET", "/api/v3/myTrades", "symbol=BTCUSDC");
    assert_eq!((&trades[0]["orderId"], &trades[0]["isMaker"]), (&maker["orderId"], &true.into()));
}

#[test]
fn an_accounts_own_order_in_the_other_book_is_prevented_by_the_takers_mode() {
    let mut rig = Rig::new(routed(-100));
    let (maker, px, qty) = offered(&mut rig, KEY);
    let text = format!("{LIMIT}&quantity={qty}&price={px}&selfTradePreventionMode=EXPIRE_TAKER");
    let (_, taker) = rig.signed("POST", "/api/v3/sor/order", &text);
    assert_eq!(taker["status"], "EXPIRED_IN_MATCH", "{taker}");
    assert_eq!(amount(&taker["origQty"]) - amount(&taker["executedQty"]), 1_000_000, "{taker}");
    let of = format!("symbol=BTCUSDT&orderId={}", taker["orderId"]);
    let (_, matches) = rig.signed("GET", "/api/v3/myPreventedMatches", &of);
    assert_eq!((&matches[0]["symbol"], &matches[0]["makerSymbol"]), (&"BTCUSDT".into(), &"BTCUSDC".into()));
    assert_eq!(matches[0]["makerOrderId"], maker["orderId"]);
}

#[test]
fn the_websocket_api_answers_with_one_order_in_an_array() {
    let mut rig = Rig::new(routed(-100));
    let mut api = rig.ws("/ws-api/v3");
    let params = [
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "0.01"),
        ("price", "97500"),
    ];
    let test = rig.api(&mut api, "sor.order.test", &params);
    assert_eq!((&test["status"], &test["result"]), (&200.into(), &serde_json::json!({})));
    let placed = rig.api(&mut api, "sor.order.place", &params);
    // Weight and the account's counts are in the list of limits.
    compare("sor", &placed, "wsapi_sor_order_place_response.json", &[]);
    assert_eq!(placed["result"][0]["usedSor"], true);
}

#[test]
fn what_cannot_be_routed_is_refused_and_routing_is_listed_where_it_is() {
    let mut rig = Rig::new(routed(0));
    let info = rig.rest("GET", "/api/v3/exchangeInfo", None, "").2;
    assert_eq!(info["sors"], serde_json::json!([{"baseAsset": "BTC", "symbols": ["BTCUSDT", "BTCUSDC"]}]));
    for (text, code) in [
        ("symbol=ETHUSDT&side=BUY&type=MARKET&quantity=0.1".to_owned(), -1020),
        ("symbol=BTCUSDT&side=BUY&type=MARKET&quoteOrderQty=100".to_owned(), -1106),
        (format!("{LIMIT}&quantity=0.01&pegPriceType=PRIMARY_PEG"), -1106),
        ("symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER&quantity=0.01&price=90000".to_owned(), -1014),
        (format!("{LIMIT}&quantity=0.01&price=97500.001"), -1013),
        (format!("{LIMIT}&quantity=20&price=97500"), -2010),
    ] {
        let (_, answer) = rig.signed("POST", "/api/v3/sor/order", &text);
        assert_eq!(answer["code"], code, "{text}: {answer}");
    }
    let test = format!("{LIMIT}&quantity=0.01&price=97500&computeCommissionRates=true");
    let (_, rates) = rig.signed("POST", "/api/v3/sor/order/test", &test);
    compare("rates", &rates, "orderTest_commissionRates.json", &[]);
    let mut plain = Rig::still();
    assert!(plain.rest("GET", "/api/v3/exchangeInfo", None, "").2.get("sors").is_none());
    let (_, answer) = plain.signed("POST", "/api/v3/sor/order", &format!("{LIMIT}&quantity=0.01&price=97500"));
    assert_eq!((&answer["code"], &answer["msg"]), (&(-1020).into(), &"This operation is not supported.".into()));
}

#[test]
fn allocations_and_their_ids_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = SimConfig { state_file: Some(dir.path().join("state")), ..routed(-100) };
    let mut rig = Rig::new(config.clone());
    let text = format!("{LIMIT}&quantity=0.01&price=97500");
    rig.signed("POST", "/api/v3/sor/order", &text);
    let (_, before) = rig.signed("GET", "/api/v3/myAllocations", "symbol=BTCUSDT");
    let now = rig.clock.now();
    drop(rig);
    let mut rig = Rig::at(config, now);
    assert_eq!(rig.signed("GET", "/api/v3/myAllocations", "symbol=BTCUSDT").1, before);
    let (_, next) = rig.signed("POST", "/api/v3/sor/order", &text);
    assert_eq!(next["fills"][0]["allocId"], before.as_array().unwrap().len());
}
