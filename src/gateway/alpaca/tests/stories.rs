//! One story a fault: the engine trades, the fault comes, is felt, goes, and afterwards positions, cash, buying power,
//! open orders and fills are the venue's own, and nothing was sent twice.
//!
//! The rows are orders to the venue's control port. What takes processes and sockets is told in `tests/daemon`.

use super::*;
use crate::core::orders::Order;
use std::collections::BTreeMap;

/// How long a fault lasts, and how often something is asked for meanwhile.
const LASTING_MS: usize = 6_000;
const EVERY_MS: usize = 150;

struct Story {
    name: &'static str,
    /// To the control port, one after another: path and body.
    fault: &'static [(&'static str, &'static str)],
    /// A count that must not be 0 afterwards: the sign that the fault was felt.
    felt_by: &'static str,
}

const fn story(name: &'static str, fault: &'static [(&'static str, &'static str)], felt_by: &'static str) -> Story {
    Story { name, fault, felt_by }
}

const ANSWERS: &[Story] = &[
    story("a request is lost before it took effect", &[("/faults", r#"{"request_reset":0.4}"#)], "orders_unknown"),
    story("a request took effect and its answer is lost", &[("/faults", r#"{"answer_reset":0.4}"#)], "orders_unknown"),
    story(
        "an answer is cut in the middle",
        &[("/faults", r#"{"answer_cut":0.4,"answer_cut_bytes":60}"#)],
        "orders_unknown",
    ),
    story("everything is slow", &[("/faults", r#"{"delay_ms":2200,"jitter_ms":600}"#)], "orders_unknown"),
    story("500 to what had no effect", &[("/faults", r#"{"answer_unknown_before":0.4}"#)], "orders_unknown"),
    story("500 to what took effect", &[("/faults", r#"{"answer_unknown_after":0.4}"#)], "orders_unknown"),
    story("a proxy's 502 to what had no effect", &[("/faults", r#"{"answer_5xx_before":0.4}"#)], "orders_unknown"),
    story("a proxy's 502 to what took effect", &[("/faults", r#"{"answer_5xx_after":0.4}"#)], "orders_unknown"),
    story(
        "a second copy is refused because the first took effect",
        &[(
            "/refuse",
            r#"{"next":6,"status":422,"code":40010001,"message":"client_order_id must be unique","after":true}"#,
        )],
        "orders_unknown",
    ),
    story("429 with the time at which the window renews", &[("/rate_limit", r#"{"seconds":4}"#)], "not_sent"),
    story("the key is not known for a while", &[("/revoke_key", r#"{"api_key":"key"}"#)], "orders_rejected"),
];

const REPORTS: &[Story] = &[
    story("every second event is lost", &[("/faults", r#"{"report_drop":0.5}"#)], "reports_acted"),
    story("every event is lost", &[("/faults", r#"{"report_drop":1}"#)], "reports_acted"),
    story("events come twice", &[("/faults", r#"{"report_double":0.6}"#)], "fills_doubled"),
    story("events are late", &[("/faults", r#"{"report_delay":0.7,"report_delay_ms":[50,1500]}"#)], "reports_acted"),
    story("events overtake each other", &[("/faults", r#"{"report_reorder":0.6}"#)], "reports_acted"),
    story("an event nobody can read", &[("/report", r#"{"event":{"event":"fill"}}"#)], "undecodable"),
    story("the exchange rejects what was accepted", &[("/reject", r#"{"next":6}"#)], "orders_rejected"),
];

const CONNECTIONS: &[Story] = &[
    story("every connection is reset", &[("/disconnect", "")], "reconnects"),
    story("the private stream alone is reset", &[("/disconnect", r#"{"only":"api"}"#)], "reconnects"),
    story("connections are cut at a byte", &[("/drop_after_bytes", r#"{"n":900}"#)], "reconnects"),
    story("the server goes down and comes back", &[("/server_shutdown", r#"{"seconds":1}"#)], "reconnects"),
    story("the venue's clock runs ahead", &[("/clock", r#"{"offset_ms":4000}"#)], "reports_acted"),
    story("the venue's clock runs behind", &[("/clock", r#"{"offset_ms":-4000}"#)], "reports_acted"),
];

/// What no story here is about, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("answer_unknown_code", "refused: it is Binance's"),
    ("depth_skip", "refused: it is Binance's"),
    ("market_frozen", "market data does not come by the gateway: tests/daemon/fallback.rs"),
    ("reorder_wait_ms", "a measure"),
];

/// A market that stands still at the price the engine is told of, so that what the account is worth does.
pub(super) fn still(seed: u64) -> Rig {
    let mut rig = rig_at(seed, "secret", paper(), |mut sim| {
        for asset in &mut sim.assets {
            (asset.market.quotes_per_second, asset.market.trades_per_second) = (1e-9, 0.0);
        }
        sim
    });
    rig.turn();
    for (symbol, bid, ask, trade) in [("AAPL", "229.99", "230.01", "230"), ("BTC/USD", "64990", "65010", "65000")] {
        let body = serde_json::json!({"symbol": symbol, "bid": bid, "ask": ask, "trade": trade});
        rig.sim.order_market(&body).unwrap();
    }
    rig.ready();
    rig
}

impl Rig {
    pub(super) fn control(&mut self, path: &str, body: &str) {
        self.sim.control(path, body).unwrap_or_else(|why| panic!("{path} {body}: {why}"));
    }

    /// The next thing that somebody wants: what fills, what rests, ways out, cancels, replacements, coins.
    fn want(&mut self, n: usize) {
        let resting =
            |order: &&Order| order.px < Price(200 * E9) && order.instrument == AAPL && order.status == OrdStatus::New;
        let rests = self.core.orders().live().find(resting).map(|order| order.id);
        let order = match n % 7 {
            0 | 3 => self.order(AAPL, Side::Buy, OrderType::Limit, 3 * E9, 231 * E9),
            1 | 4 => self.order(AAPL, Side::Buy, OrderType::Limit, E9, (100 + n as i64 % 50) * E9),
            2 if self.position(AAPL) >= 3 * E9 => self.order(AAPL, Side::Sell, OrderType::Limit, 2 * E9, 229 * E9),
            5 => match rests {
                Some(order) if n.is_multiple_of(2) => {
                    self.command(Action::Cancel(order));
                    return;
                }
                Some(order) => {
                    let new = self.order(AAPL, Side::Buy, OrderType::Limit, 2 * E9, (100 + n as i64 % 50) * E9);
                    self.command(Action::Replace { order, mode: ReplaceMode::StopOnFailure, new });
                    return;
                }
                None => return,
            },
            6 if n.is_multiple_of(4) => self.order(BTC, Side::Buy, OrderType::Market, E9 / 100, 0),
            _ => return,
        };
        self.try_place(order);
    }

    fn trade_for(&mut self, ms: usize) {
        for step in 0..ms {
            if step % EVERY_MS == 0 && self.state() == VenueState::Ready {
                self.want(step / EVERY_MS);
            }
            self.turn();
        }
    }

    fn close_all(&mut self, story: &str) {
        for order in self.core.orders().live().map(|order| order.id).collect::<Vec<_>>() {
            self.command(Action::Cancel(order));
        }
        self.until(&format!("{story}: closed"), |rig| rig.core.orders().live_count() == 0);
    }

    fn felt(&self, name: &str) -> u64 {
        let counters = self.core.counters();
        match name {
            "orders_unknown" => counters.unknown,
            "orders_rejected" => counters.rejected,
            "fills_doubled" => counters.fills_doubled,
            // Orders were made meanwhile; that they came to their end is what the ledger says.
            "reports_acted" => counters.placed,
            other => self.count(other),
        }
    }

    /// Everything of the account that both sides know, by its name.
    fn engine_says(&self) -> BTreeMap<&'static str, String> {
        let powers = self.core.account().powers(VENUE);
        let mut open: Vec<(OrderId, i64)> = self.core.orders().live().map(|o| (o.id, o.cum.0)).collect();
        open.sort();
        BTreeMap::from([
            ("AAPL", self.position(AAPL).to_string()),
            ("BTC", (self.core.account().get(VENUE, AssetId(2)).total).to_string()),
            ("cash", self.core.account().get(VENUE, USD).total.to_string()),
            ("buying power", powers.buying_power().to_string()),
            ("cash power", powers.cash_power().to_string()),
            ("open orders", format!("{open:?}")),
            ("fills", self.core.counters().fills.to_string()),
        ])
    }

    fn venue_says(&self) -> BTreeMap<&'static str, String> {
        let ledger = self.ledger();
        let held = |symbol: &str| ledger.positions.get(symbol).copied().unwrap_or(0);
        let named = |client: &str| crate::venues::alpaca::names::from_client_text(client, 7).unwrap().0;
        let mut open: Vec<(OrderId, i64)> = ledger.open_orders.iter().map(|(id, _, cum)| (named(id), *cum)).collect();
        open.sort();
        // The engine keeps money to the eighth decimal, cut off downwards.
        let money = |value: i128| value.div_euclid(10_000_000_000).to_string();
        // The venue tells powers in cents.
        let cents = |value: i128| money(value / 10_000_000_000_000_000 * 10_000_000_000_000_000);
        BTreeMap::from([
            ("AAPL", held("AAPL").to_string()),
            ("BTC", held("BTC/USD").div_euclid(10).to_string()),
            ("cash", money(ledger.cash)),
            ("buying power", cents(ledger.buying_power)),
            ("cash power", cents(ledger.cash_power)),
            ("open orders", format!("{open:?}")),
            ("fills", ledger.fills.to_string()),
        ])
    }

    /// Until both say the same; at most two minutes, in which the engine asks on its schedule.
    pub(super) fn agree(&mut self, story: &str) {
        for _ in 0..1_200 {
            if self.engine_says() == self.venue_says() {
                return;
            }
            self.pass(100 * MS);
        }
        assert_eq!(self.engine_says(), self.venue_says(), "engine, venue: {story}");
    }

    fn assert_nothing_was_sent_twice(&self, story: &str) {
        let mut sent = BTreeMap::<OrderId, usize>::new();
        for body in &self.told {
            if let Body::Sent { order, .. } = body {
                *sent.entry(*order).or_default() += 1;
            }
        }
        let twice: Vec<_> = sent.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty() && !sent.is_empty(), "{story}: {twice:?} of {}", sent.len());
        let there = self.ledger();
        assert_eq!(there.repeated, 0, "{story}: an id was used again");
        assert!(there.client_ids.len() <= sent.len(), "{story}: {} of {}", there.client_ids.len(), sent.len());
    }
}

fn play(story: &Story, seed: u64) {
    let mut rig = still(seed);
    rig.trade_for(1_500);
    assert!(rig.core.counters().fills > 0, "{}: nothing was filled before", story.name);
    for (path, body) in story.fault {
        rig.control(path, body);
    }
    let before = rig.felt(story.felt_by);
    rig.trade_for(LASTING_MS);
    rig.control("/clear", "");
    rig.control("/key", r#"{"api_key":"key","secret":"secret"}"#);
    assert!(rig.felt(story.felt_by) > before, "{}: {} was not felt", story.name, story.felt_by);
    let rests = |s: OrdStatus| matches!(s, OrdStatus::New | OrdStatus::PartiallyFilled);
    rig.until(&format!("{}: settled", story.name), |rig| {
        rig.state() == VenueState::Ready && rig.core.orders().live().all(|order| rests(order.status))
    });
    rig.agree(story.name);
    // It trades again.
    let fills = rig.core.counters().fills;
    rig.until(&format!("{}: takes orders", story.name), |rig| {
        rig.core.venues().all(|(_, _, s)| s == VenueState::Ready)
    });
    rig.close_all(story.name);
    rig.trade_for(1_500);
    assert!(rig.core.counters().fills > fills, "{}: nothing fills any more", story.name);
    rig.close_all(story.name);
    rig.agree(story.name);
    rig.assert_nothing_was_sent_twice(story.name);
}

#[test]
fn answers_that_are_late_lost_unclear_or_refusals_leave_the_engine_with_the_venues_ledger() {
    ANSWERS.iter().zip(100..).for_each(|(story, seed)| play(story, seed));
}

#[test]
fn events_that_are_lost_doubled_late_untrue_or_bad_news_leave_the_engine_with_the_venues_ledger() {
    REPORTS.iter().zip(200..).for_each(|(story, seed)| play(story, seed));
}

#[test]
fn connections_that_break_and_clocks_that_are_off_leave_the_engine_with_the_venues_ledger() {
    CONNECTIONS.iter().zip(300..).for_each(|(story, seed)| play(story, seed));
}

#[test]
fn every_switch_of_the_control_port_has_a_story() {
    let told: Vec<_> = [ANSWERS, REPORTS, CONNECTIONS].into_iter().flatten().flat_map(|story| story.fault).collect();
    let shown = still(1).sim.faults().show();
    for switch in shown.as_object().unwrap().keys() {
        let told = told.iter().any(|(_, body)| body.contains(&format!("{switch:?}")));
        let elsewhere = ELSEWHERE.iter().any(|(name, _)| name == switch);
        assert!(told != elsewhere, "{switch}: {}", if told { "is told after all" } else { "has no story" });
    }
}

/// The stream says nothing while it is away, and nothing afterwards of what it missed.
#[test]
fn a_fill_missed_during_a_disconnect_is_back_filled_by_the_activities() {
    let mut rig = still(400);
    let order = rig.resting();
    rig.until_status(order, OrdStatus::New);
    rig.hub.set_default_plan(LinkPlan { refuse_ppm: 1_000_000, latency_ns: 2 * MS, ..LinkPlan::default() });
    rig.gateway.ws.abort();
    rig.until("down", |rig| rig.state() == VenueState::Down);
    let body = serde_json::json!({"symbol": "AAPL", "bid": "98.99", "ask": "99", "trade": "99"});
    rig.sim.order_market(&body).unwrap();
    rig.pass(SECOND);
    let fills = rig.ledger().fills;
    assert!(fills > 0 && rig.position(AAPL) == 0, "filled at the venue, and nobody knows");
    rig.told.clear();
    rig.hub.set_default_plan(LinkPlan { latency_ns: 2 * MS, ..LinkPlan::default() });
    rig.until("ready again", |rig| rig.state() == VenueState::Ready);
    let trades =
        |bodies: &[Body]| bodies.iter().filter(|b| matches!(b, Body::Exec(r) if r.exec == ExecType::Trade)).count();
    let reconciled = rig.told.iter().position(|body| matches!(body, Body::Reconciled { .. })).unwrap();
    assert_eq!(trades(&rig.told[..reconciled]), fills, "told before the venue is ready, each once");
    assert_eq!(rig.status(order), Some(OrdStatus::Filled));
    rig.agree("back-filled");
}

/// Cash and shares that moved by somebody else's doing: the engine shows what the venue has, and says that it differs.
#[test]
fn a_ledger_that_somebody_else_changed_is_shown_and_told() {
    let mut rig = still(401);
    rig.trade_for(1_500);
    rig.close_all("before");
    rig.agree("before");
    rig.control("/ledger", r#"{"asset":"USD","change":-1000}"#);
    rig.command(Action::Reconcile(VENUE));
    rig.agree("after");
    let told = |rig: &Rig| rig.core.alerts().all().any(|a| a.kind == AlarmKind::ReconcileDifference && a.stands());
    assert!(told(&rig), "money went, and nobody is told");
}

/// 403 and 422 by their code and members: nothing was made, what was held is free again, and it is not tried twice.
#[test]
fn a_refusal_is_a_rejection_with_the_venues_words_whatever_its_members() {
    for (refusal, reason) in [
        (
            r#""status":403,"code":40310000,"message":"insufficient buying power","members":{"buying_power":"1","cost_basis":"2"}"#,
            RejectReason::Funds,
        ),
        (
            r#""status":403,"code":40310000,"message":"m","members":{"available":"0","existing_qty":"3","held_for_orders":"3"}"#,
            RejectReason::Funds,
        ),
        (
            r#""status":403,"code":40310000,"message":"m","members":{"existing_order_id":"x","reject_reason":"y"}"#,
            RejectReason::OrderInvalid,
        ),
        (r#""status":403,"code":40310000,"message":"account is not allowed to short""#, RejectReason::Funds),
        (r#""status":403,"code":40310000,"message":"new orders are rejected by user request""#, RejectReason::Access),
        (r#""status":403,"code":40310000,"message":"account is blocked from trading""#, RejectReason::Access),
        (
            r#""status":403,"code":40310100,"message":"trade denied due to pattern day trading protection""#,
            RejectReason::Other,
        ),
        (
            r#""status":422,"code":42210000,"message":"invalid limit_price 290.123. sub-penny increment""#,
            RejectReason::OrderInvalid,
        ),
        (r#""status":422,"code":40010001,"message":"asset AAPL is not tradable""#, RejectReason::NotTradable),
        (r#""status":429,"code":42910000,"message":"rate limit exceeded""#, RejectReason::RateLimited),
    ] {
        let mut rig = still(402);
        rig.control("/refuse", &format!("{{\"next\":1,{refusal}}}"));
        let before = rig.engine_says();
        let order = rig.resting();
        rig.until_status(order, OrdStatus::Rejected);
        let said = rig.told.iter().find_map(|body| match body {
            Body::Exec(report) if report.exec == ExecType::Rejected => Some(*report),
            _ => None,
        });
        let said = said.unwrap();
        assert_eq!(said.reject, reason, "{refusal}");
        assert!(!said.text.as_str().is_empty() && said.code != 0, "{refusal}: {said:?}");
        rig.pass(25 * SECOND);
        assert_eq!(rig.engine_says(), before, "{refusal}");
        rig.agree(refusal);
        assert!(rig.ledger().client_ids.is_empty(), "{refusal}: sent again");
    }
}
