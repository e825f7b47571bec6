//! One story a fault of the simulated venue's control port: an engine trades, the fault comes, goes, and afterwards the
//! engine holds what the venue holds, and no order went out twice. Engine and venue are processes, and what lies
//! between them are sockets.

use super::kill9::{engine_balances, engine_positions, open_ids, pointed_at, venue_balances};
use super::sim::Sim;
use super::support::{Daemon, config_edit, free_port, http, wait_for, wait_until};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a fault lasts: many orders of the load below.
const LASTING: Duration = Duration::from_millis(2_500);
/// Orders at the venue before the fault comes.
const BEFORE: u64 = 5;

/// What each account begins with.
const OPENING: [(&str, u32); 3] = [("USDT", 100_000), ("BTC", 1), ("ETH", 10)];

/// What an engine went through.
struct Story {
    name: &'static str,
    /// Sent to the control port, one after another: path and body.
    fault: &'static [(&'static str, &'static str)],
    /// A sign that the fault was felt: a counter of the engine's status that must not be 0.
    felt_by: &'static [&'static str],
}

const fn story(
    name: &'static str,
    fault: &'static [(&'static str, &'static str)],
    felt_by: &'static [&'static str],
) -> Story {
    Story { name, fault, felt_by }
}

const UNKNOWN: &[&str] = &["orders_unknown"];
const RECONNECTED: &[&str] = &["gateway_binance_reconnects_total"];
/// Felt by nothing but the clock: that orders went out meanwhile is asked of every story of this kind.
const TRADED: &[&str] = &[];
const BOTH: &[&str] = &["gateway_binance_reconnects_total", "feed_binance_reconnects_total"];

const ANSWERS: &[Story] = &[
    story("everything is late and unsteady", &[("/faults", r#"{"delay_ms":300,"jitter_ms":500}"#)], UNKNOWN),
    story(
        "-1007 to an order that had no effect",
        &[("/faults", r#"{"answer_unknown_before":0.3,"answer_unknown_code":-1007}"#)],
        UNKNOWN,
    ),
    story(
        "-1006 to an order that had no effect",
        &[("/faults", r#"{"answer_unknown_before":0.3,"answer_unknown_code":-1006}"#)],
        UNKNOWN,
    ),
    story(
        "-1007 to an order that took effect",
        &[("/faults", r#"{"answer_unknown_after":0.3,"answer_unknown_code":-1007}"#)],
        UNKNOWN,
    ),
    story(
        "-1006 to an order that took effect",
        &[("/faults", r#"{"answer_unknown_after":0.3,"answer_unknown_code":-1006}"#)],
        UNKNOWN,
    ),
    story("a 5xx to an order that had no effect", &[("/faults", r#"{"answer_5xx_before":0.3}"#)], UNKNOWN),
    story("a 5xx to an order that took effect", &[("/faults", r#"{"answer_5xx_after":0.3}"#)], UNKNOWN),
    story("a reset before the request took effect", &[("/faults", r#"{"request_reset":0.1}"#)], RECONNECTED),
    story("a reset in place of the answer", &[("/faults", r#"{"answer_reset":0.1}"#)], RECONNECTED),
    story("an answer cut in the middle", &[("/faults", r#"{"answer_cut":0.1,"answer_cut_bytes":60}"#)], RECONNECTED),
];

const REPORTS: &[Story] = &[
    story("every second report is lost", &[("/faults", r#"{"report_drop":0.5}"#)], TRADED),
    story("every report is lost", &[("/faults", r#"{"report_drop":1}"#)], TRADED),
    story("reports come twice", &[("/faults", r#"{"report_double":0.5}"#)], &["fills_doubled"]),
    story("reports are late", &[("/faults", r#"{"report_delay":0.7,"report_delay_ms":[50,900]}"#)], TRADED),
    story("reports overtake each other", &[("/faults", r#"{"report_reorder":0.5}"#)], TRADED),
];

const CONNECTIONS: &[Story] = &[
    story("every connection is reset", &[("/disconnect", "")], BOTH),
    story("the order link is reset", &[("/disconnect", r#"{"only":"api"}"#)], RECONNECTED),
    story(
        "the streams are reset",
        &[("/disconnect", r#"{"only":"streams"}"#)],
        &["feed_binance_reconnects_total", "feed_binance_snapshots_total"],
    ),
    story("connections are cut at a byte", &[("/drop_after_bytes", r#"{"n":1000}"#)], BOTH),
    story(
        "the server announces that it goes down",
        &[("/server_shutdown", r#"{"seconds":4}"#)],
        &["gateway_binance_renewals_total", "feed_binance_renewals_total"],
    ),
    story("the market streams freeze", &[("/faults", r#"{"market_frozen":true}"#)], &["feed_binance_timeouts_total"]),
    story("the book has gaps", &[("/faults", r#"{"depth_skip":0.3}"#)], &["feed_binance_resyncs_total"]),
];

const LIMITS: &[Story] = &[
    story("the venue's clock runs ahead", &[("/clock", r#"{"offset_ms":4000}"#)], &["orders_rejected"]),
    story("the venue's clock runs behind", &[("/clock", r#"{"offset_ms":-4000}"#)], &["orders_rejected"]),
    story("too many requests", &[("/rate_limit", r#"{"seconds":2}"#)], &["gateway_binance_not_sent_total"]),
    story("a ban", &[("/ban", r#"{"seconds":2}"#)], RECONNECTED),
];

#[test]
fn answers_that_are_late_unclear_or_cut_leave_the_engine_with_the_venues_ledger() {
    tell(ANSWERS);
}

#[test]
fn reports_that_are_lost_doubled_late_or_reordered_leave_the_engine_with_the_venues_ledger() {
    tell(REPORTS);
}

#[test]
fn connections_that_break_leave_the_engine_with_the_venues_ledger() {
    tell(CONNECTIONS);
}

#[test]
fn clocks_and_limits_leave_the_engine_with_the_venues_ledger() {
    tell(LIMITS);
}

/// What the control port can do, and what only says how much or how long: with those left out, each has a story above.
#[test]
fn every_switch_of_the_control_port_has_a_story() {
    let dir = tempfile::tempdir().unwrap();
    let sim = Sim::start(dir.path(), &["--control", "127.0.0.1:0"]);
    let port = sim.text("control_url").rsplit(':').next().unwrap().parse().unwrap();
    let (status, body) = http(port, "GET", "/faults", &[], "").expect("the control port answers");
    assert_eq!(status, 200, "{body}");
    let shown: Value = serde_json::from_str(&body).unwrap();
    let told: Vec<&(&str, &str)> =
        [ANSWERS, REPORTS, CONNECTIONS, LIMITS].iter().copied().flatten().flat_map(|s| s.fault).collect();
    for switch in shown.as_object().unwrap().keys() {
        let measure = ["report_delay_ms", "reorder_wait_ms"].contains(&switch.as_str());
        let name = format!("\"{switch}\"");
        assert!(measure || told.iter().any(|(_, body)| body.contains(&name)), "{switch} has no story");
    }
    for path in ["/disconnect", "/server_shutdown", "/clock", "/ban", "/rate_limit", "/drop_after_bytes"] {
        assert!(told.iter().any(|(of, _)| *of == path), "{path} has no story");
    }
}

/// Tells the stories at the same time, each with an engine and a venue of its own.
fn tell(stories: &[Story]) {
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let told: Vec<_> = stories
            .iter()
            .map(|story| {
                std::thread::Builder::new()
                    .name(story.name.to_owned())
                    .spawn_scoped(scope, || Scene::open().play(story))
            })
            .collect();
        let ends = stories.iter().zip(told);
        ends.filter_map(|(story, thread)| thread.unwrap().join().is_err().then_some(story.name)).collect()
    });
    assert!(failed.is_empty(), "these ended differently: {failed:?}");
}

/// An engine and a venue, trading.
struct Scene {
    sim: Sim,
    engine: Daemon,
    _dir: tempfile::TempDir,
}

impl Scene {
    fn open() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let balances = OPENING.map(|(asset, amount)| format!("{asset}={amount}"));
        let mut arguments = vec!["--control", "127.0.0.1:0"];
        arguments.extend(balances.iter().flat_map(|balance| ["--balance", balance]));
        let sim = Sim::start(dir.path(), &arguments);
        let port = free_port();
        let path = pointed_at(&sim, dir.path(), port, true);
        // An engine that finds out soon what is wrong.
        config_edit(
            &path,
            &[
                ("recv_window_ms = 5_000", "recv_window_ms = 1_500"),
                ("read_timeout_ms = 10_000", "read_timeout_ms = 1_500"),
                ("reconnect_max_ms = 30_000", "reconnect_max_ms = 500"),
                ("ack_timeout_ms = 2_000", "ack_timeout_ms = 500"),
                ("not_found_after_ms = 15_000", "not_found_after_ms = 2_500"),
                ("query_interval_ms = 1_000", "query_interval_ms = 250"),
                ("reconcile_interval_ms = 60_000", "reconcile_interval_ms = 10_000"),
            ],
        );
        let (key, secret) = sim.key();
        let mut engine = Daemon::start(&path, port, &[("KILL9_KEY", &key), ("KILL9_SECRET", &secret)]);
        engine.ready();
        let scene = Scene { sim, engine, _dir: dir };
        wait_for("the first orders", || (scene.count("orders_placed") > BEFORE).then_some(()));
        scene
    }

    fn play(mut self, story: &Story) {
        let placed = self.count("orders_placed");
        for (path, body) in story.fault {
            self.control(path, body);
        }
        std::thread::sleep(LASTING);
        self.control("/clear", "");
        for counter in story.felt_by {
            wait_until(|| if self.count(counter) > 0 { Ok(()) } else { Err(format!("{counter} in {:?}", story.name)) });
        }
        if story.felt_by.is_empty() {
            assert!(self.count("orders_placed") > placed, "nothing was ordered while {}", story.name);
        }
        // It trades again.
        self.engine.ready();
        let placed = self.count("orders_placed");
        wait_for("orders after the fault", || (self.count("orders_placed") > placed).then_some(()));
        self.rest();
        self.holds_what_the_venue_holds(story.name);
        self.ordered_each_thing_once(story.name);
    }

    fn control(&self, path: &str, body: &str) {
        let port = self.sim.text("control_url").rsplit(':').next().unwrap().parse().unwrap();
        let (status, answer) = http(port, "POST", path, &[], body).expect("the control port answers");
        assert_eq!(status, 200, "{path} {body}: {answer}");
    }

    /// A number of the engine's status.
    fn count(&self, name: &str) -> u64 {
        let Some(status) = self.engine.get("status") else { return 0 };
        let of = |part: &str| status[part][name].as_u64();
        of("run_counts").or(of("counters")).unwrap_or_else(|| panic!("no {name} in {status}"))
    }

    /// Nothing new goes out, and what is open is cancelled.
    fn rest(&self) {
        let halt = r#"{"action":"set-trading-state","state":"halted","who":"test","why":"the story is over"}"#;
        wait_for("the halt", || (self.engine.post(halt).0 == 200).then_some(()));
        wait_for("no open orders", || {
            self.engine.post(r#"{"action":"cancel-all-orders"}"#);
            let orders = self.engine.get("orders")?;
            let open = orders["orders"].as_array()?.len() + open_ids(&self.sim.signed("/api/v3/openOrders")).len();
            (open == 0).then_some(())
        });
    }

    fn holds_what_the_venue_holds(&self, story: &str) {
        wait_until(|| {
            let orders = self.engine.get("orders").ok_or("the engine to answer")?;
            let venue = (venue_balances(&self.sim), open_ids(&self.sim.signed("/api/v3/openOrders")));
            let engine = (engine_balances(&self.engine), open_ids(&orders["orders"]));
            let fills = (self.count("fills"), self.fills_at_the_venue());
            let positions = engine_positions(&self.engine);
            let bought = [OPENING[1], OPENING[2]].map(|(asset, was)| {
                let now = venue.0.get(asset).copied().unwrap_or_default();
                (now - Decimal::from(was), positions.get(&format!("{asset}USDT")).copied().unwrap_or_default())
            });
            if venue == engine && fills.0 == fills.1 && bought.iter().all(|(more, held)| more == held) {
                return Ok(());
            }
            Err(format!(
                "agreement after {story}\nvenue {venue:?}\nengine {engine:?}\nbought {bought:?}\nfills {fills:?}"
            ))
        });
    }

    fn each_symbol(&self, path: &str) -> Vec<Value> {
        let of = |symbol| self.sim.signed_with(path, &format!("symbol={symbol}&limit=1000&"));
        ["BTCUSDT", "ETHUSDT"].iter().flat_map(|symbol| of(symbol).as_array().unwrap().clone()).collect()
    }

    fn fills_at_the_venue(&self) -> u64 {
        self.each_symbol("/api/v3/myTrades").len() as u64
    }

    /// The venue has every client order id once, and not more orders than the engine made.
    fn ordered_each_thing_once(&self, story: &str) {
        let orders = self.each_symbol("/api/v3/allOrders");
        let mut ids = BTreeSet::new();
        for order in &orders {
            let id = order["clientOrderId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} went out twice in {story}");
        }
        let placed = self.count("orders_placed");
        assert!(orders.len() as u64 <= placed, "{} orders of {placed} are at the venue in {story}", orders.len());
    }
}
