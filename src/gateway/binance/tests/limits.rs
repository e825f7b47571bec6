//! The venue's rate limits: met at our own door, and what is left of them known from the venue's answers.

use super::*;

fn rate(kind: &str, interval: &str, number: u32, limit: u32, count: u32) -> serde_json::Value {
    json!({"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit, "count": count})
}

fn limited_rig(limits: serde_json::Value) -> Rig {
    let mut rig = rig_of(1, &["BTCUSDT"], 1024);
    rig.venue.limits = limits;
    rig.ready();
    // The first second of an interval is over, and the interval is long enough for what follows.
    rig.until("the middle of an interval", |rig| rig.venue.now_ms() % 10_000 == 3_500);
    rig
}

fn not_sent(rig: &Rig, order: OrderId) -> Option<String> {
    rig.told.iter().find_map(|b| match b {
        Body::NotSent { order: o, text } if *o == order => Some(text.to_string()),
        _ => None,
    })
}

fn places(rig: &Rig) -> usize {
    rig.venue.asked.iter().filter(|f| f["method"] == "order.place").count()
}

#[test]
fn an_order_above_the_limit_is_not_sent_and_the_next_interval_takes_it() {
    let mut rig = limited_rig(json!([rate("ORDERS", "SECOND", 10, 3, 0)]));
    let orders: Vec<OrderId> = (0..4).map(|_| rig.limit()).collect();
    rig.until_status(orders[3], OrdStatus::Rejected);
    assert_eq!(not_sent(&rig, orders[3]).as_deref(), Some("VENUE_RATE_LIMIT ORDERS 3/10s wait 7 s"));
    rig.until_status(orders[2], OrdStatus::New);
    assert_eq!(places(&rig), 3);
    rig.command(Action::Cancel(orders[0]));
    rig.until_status(orders[0], OrdStatus::Canceled);
    rig.until("the next interval", |rig| rig.venue.now_ms() % 10_000 == 1);
    let next = rig.limit();
    rig.until_status(next, OrdStatus::New);
}

#[test]
fn what_others_use_of_the_account_is_known_from_the_answers() {
    let mut rig = limited_rig(json!([rate("ORDERS", "SECOND", 10, 50, 0)]));
    rig.venue.counts = json!([rate("ORDERS", "SECOND", 10, 50, 49)]);
    let first = rig.limit();
    rig.until_status(first, OrdStatus::New);
    let (second, third) = (rig.limit(), rig.limit());
    rig.until_status(third, OrdStatus::Rejected);
    rig.until_status(second, OrdStatus::New);
    assert_eq!(not_sent(&rig, third).as_deref(), Some("VENUE_RATE_LIMIT ORDERS 50/10s wait 7 s"));
}

#[test]
fn weight_that_the_headers_show_is_kept_for_cancels() {
    let mut rig = limited_rig(json!([rate("REQUEST_WEIGHT", "MINUTE", 1, 1_000, 0)]));
    rig.until("the middle of a minute", |rig| rig.venue.now_ms() % 60_000 == 20_000);
    let working = rig.limit();
    rig.until_status(working, OrdStatus::New);
    rig.venue.header = "x-mbx-used-weight-1m: 960".to_owned();
    let asked = rig.venue.rested.len();
    rig.command(Action::Reconcile(VENUE));
    rig.until("asked", |rig| rig.venue.rested.len() > asked);
    rig.until("heard", |rig| rig.gateway.calls_out.is_empty());
    let order = rig.limit();
    rig.until_status(order, OrdStatus::Rejected);
    assert!(not_sent(&rig, order).is_some_and(|text| text.starts_with("VENUE_RATE_LIMIT WEIGHT 1000/1m wait ")));
    rig.command(Action::Cancel(working));
    rig.until_status(working, OrdStatus::Canceled);
}

#[test]
fn a_ban_is_kept_to_the_second_by_orders_cancels_and_questions() {
    let mut rig = rig();
    let working = rig.limit();
    rig.until_status(working, OrdStatus::New);
    let until = rig.venue.now_ms() + 30_000;
    let data = json!({"serverTime": 1, "retryAfter": until});
    let banned = json!({"code": -1003, "msg": "Way too much request weight used; IP banned", "data": data});
    rig.venue.answer_once("order.place", json!({"status": 418, "error": banned}));
    let refused = rig.limit();
    rig.until_status(refused, OrdStatus::Rejected);
    let (asked, rested) = (rig.venue.asked.len(), rig.venue.rested.len());
    rig.command(Action::Reconcile(VENUE));
    rig.command(Action::Cancel(working));
    let order = rig.limit();
    rig.until_status(order, OrdStatus::Rejected);
    assert_eq!(not_sent(&rig, order).as_deref(), Some("VENUE_RATE_LIMIT the venue wants a pause, 30 s"));
    rig.until("almost over", |rig| rig.venue.now_ms() >= until - 5);
    assert_eq!((rig.venue.asked.len(), rig.venue.rested.len()), (asked, rested), "not one request");
    rig.until("asked again", |rig| rig.venue.rested.len() > rested);
    assert!(rig.venue.now_ms() - until < 1_000);
}
