//! What `faults` tells of Binance, told of Alpaca: an engine and its venues are processes, the fault comes by the control
//! port, is felt, goes, and afterwards cash, shares, open orders and fills are Alpaca's own, and no order went out twice.
//! The switches one by one, on a virtual clock, are told beside the gateway.

use super::fallback::decimal;
use super::support::{wait_for, wait_until};
use super::two::Two;
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long a fault lasts: some dozens of orders.
const LASTING: Duration = Duration::from_millis(2_500);
/// Stories told at once, each with three processes.
const AT_ONCE: usize = 3;

struct Story {
    name: &'static str,
    fault: &'static [(&'static str, &'static str)],
    /// A count of the engine's status that grew: the sign that the fault was felt.
    felt_by: &'static str,
}

const fn story(name: &'static str, fault: &'static [(&'static str, &'static str)], felt_by: &'static str) -> Story {
    Story { name, fault, felt_by }
}

const STORIES: &[Story] = &[
    story("requests are lost before their effect", &[("/faults", r#"{"request_reset":0.4}"#)], "orders_unknown"),
    story("answers are lost after the effect", &[("/faults", r#"{"answer_reset":0.4}"#)], "orders_unknown"),
    story("a proxy answers 502 after the effect", &[("/faults", r#"{"answer_5xx_after":0.4}"#)], "orders_unknown"),
    story("every answer is slower than the time-out", &[("/faults", r#"{"delay_ms":1700}"#)], "orders_unknown"),
    story("events are lost and doubled", &[("/faults", r#"{"report_drop":0.4,"report_double":0.4}"#)], "orders_placed"),
    story("every connection is reset", &[("/disconnect", "")], "gateway_alpaca_reconnects_total"),
    story("the data streams are reset", &[("/disconnect", r#"{"only":"streams"}"#)], "feed_alpaca_reconnects_total"),
    story("connections are cut at a byte", &[("/drop_after_bytes", r#"{"n":900}"#)], "gateway_alpaca_reconnects_total"),
    story("the venue hangs", &[("/hang", r#"{"ms":2000}"#)], "gateway_alpaca_reconnects_total"),
];

#[test]
fn whatever_breaks_at_alpaca_the_engine_ends_with_its_ledger() {
    let failed: Vec<&str> = STORIES
        .chunks(AT_ONCE)
        .flat_map(|stories| {
            std::thread::scope(|scope| {
                let told: Vec<_> = stories.iter().map(|story| (story, scope.spawn(|| play(story)))).collect();
                told.into_iter()
                    .filter_map(|(story, end)| end.join().is_err().then_some(story.name))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    assert!(failed.is_empty(), "these ended differently: {failed:?}");
}

fn play(story: &Story) {
    let two = Two::open("primary-then-fallback", &[], &["--alpaca-rate-limit", "100000"]);
    trade_for(&two, LASTING / 4);
    let (before, fills) = (count(&two, story.felt_by), count(&two, "fills"));
    assert!(fills > 0, "{}: nothing was filled before", story.name);
    for (path, body) in story.fault {
        two.alpaca.order(path, body);
    }
    trade_for(&two, LASTING);
    wait_until(|| match count(&two, story.felt_by) > before {
        true => Ok(()),
        false => Err(format!("{} to grow in {:?}", story.felt_by, story.name)),
    });
    two.alpaca.order("/clear", "");
    two.until("alpaca", "ready");
    // It trades again.
    let fills = count(&two, "fills");
    wait_for("fills after the fault", || {
        trade_for(&two, LASTING / 10);
        (count(&two, "fills") > fills).then_some(())
    });
    wait_for("no open orders", || {
        two.engine.post(r#"{"action":"cancel-all-orders"}"#);
        let open = two.engine.get("orders")?["orders"].as_array()?.len();
        (open + open_at_alpaca(&two).len() == 0).then_some(())
    });
    holds_what_alpaca_holds(&two, story.name);
    ordered_each_thing_once(&two, story.name);
}

/// Buys, an order that rests and is taken back, sales: what is denied meanwhile is denied.
fn trade_for(two: &Two, time: Duration) {
    let end = Instant::now() + time;
    let place = |rest: &str| {
        let body = format!(r#"{{"action":"place-order","symbol":"AAPL","exchange":"alpaca","quantity":1,{rest}}}"#);
        two.engine.post(&body).1["data"]["order_id"].clone()
    };
    while Instant::now() < end {
        place(r#""side":"buy","type":"market""#);
        let rests = place(r#""side":"buy","type":"limit","price":210"#);
        if !rests.is_null() {
            two.engine.post(&format!(r#"{{"action":"cancel-order","order_id":{rests}}}"#));
        }
        place(r#""side":"sell","type":"market""#);
    }
}

fn count(two: &Two, name: &str) -> u64 {
    let Some(status) = two.engine.get("status") else { return 0 };
    let of = |part: &str| status[part][name].as_u64();
    of("run_counts").or(of("counters")).unwrap_or_else(|| panic!("no {name} in {status}"))
}

fn all(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn open_at_alpaca(two: &Two) -> Vec<Value> {
    all(&two.alpaca.says("/v2/orders?status=open&limit=500")).to_vec()
}

fn holds_what_alpaca_holds(two: &Two, story: &str) {
    wait_until(|| {
        let portfolio = two.engine.get("portfolio").ok_or("the engine to answer")?;
        let positions = two.engine.get("positions").ok_or("the engine to answer")?;
        let cash = all(&portfolio["balances"]).iter().find(|b| b["asset"] == "USD").map(|b| decimal(&b["total"]));
        let shares = |rows: &Value, key: &str| {
            let row = all(rows).iter().find(|p| p["symbol"] == "AAPL");
            row.map_or(Decimal::ZERO, |p| decimal(&p[key]))
        };
        let engine = (cash, shares(&positions["positions"], "quantity"), count(two, "fills"));
        let account = two.alpaca.says("/v2/account");
        let venue = (Some(decimal(&account["cash"])), shares(&two.alpaca.says("/v2/positions"), "qty"), fills(two));
        if engine == venue {
            Ok(())
        } else {
            Err(format!("agreement after {story}: engine {engine:?}, venue {venue:?}"))
        }
    });
}

/// By the pages of the account's activities.
fn fills(two: &Two) -> u64 {
    let (mut count, mut token) = (0, String::new());
    loop {
        let page = two.alpaca.says(&format!("/v2/account/activities/FILL?page_size=100{token}"));
        count += all(&page).len() as u64;
        match all(&page).last() {
            Some(last) if all(&page).len() == 100 => token = format!("&page_token={}", last["id"].as_str().unwrap()),
            _ => return count,
        }
    }
}

fn ordered_each_thing_once(two: &Two, story: &str) {
    let orders = two.alpaca.says("/v2/orders?status=all&limit=500");
    let mut ids = BTreeSet::new();
    for order in all(&orders) {
        let id = order["client_order_id"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} went out twice in {story}");
    }
    let placed = count(two, "orders_placed");
    assert!(ids.len() as u64 <= placed, "{} orders of {placed} are at the venue in {story}", ids.len());
}
