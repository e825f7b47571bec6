//! A day's end made fast: both links of an engine are replaced under way, over real sockets.

use super::kill9::pointed_at;
use super::sim::Sim;
use super::support::{Daemon, config_edit, free_port, wait_for, wait_until};

#[test]
fn a_session_over_renewals_of_both_links_has_no_gap_and_every_fill_once() {
    let dir = tempfile::tempdir().unwrap();
    let sim = Sim::start(dir.path(), &[]);
    let port = free_port();
    let path = pointed_at(&sim, dir.path(), port, true);
    config_edit(
        &path,
        &[("renew_after_ms = 82_800_000", "renew_after_ms = 3_000"), ("connections = 1", "connections = 2")],
    );
    let (key, secret) = sim.key();
    let mut engine = Daemon::start(&path, port, &[("KILL9_KEY", &key), ("KILL9_SECRET", &secret)]);
    engine.ready();
    let count = |name: &str| {
        let status = engine.get("status")?;
        status["run_counts"][name].as_u64().or(status["counters"][name].as_u64())
    };
    wait_for("renewals", || {
        let renewed = |link: &str| count(&format!("{link}_binance_renewals_total"));
        // Each of the two streams, and the order link.
        (renewed("gateway")? >= 1 && renewed("feed")? >= 3).then_some(())
    });
    let halt = r#"{"action":"set-trading-state","state":"halted","who":"test","why":"enough"}"#;
    assert_eq!(engine.post(halt).0, 200);
    wait_until(|| {
        engine.post(r#"{"action":"cancel-all-orders"}"#);
        let at_venue = |symbol| sim.signed_with("/api/v3/myTrades", &format!("symbol={symbol}&limit=1000&"));
        let trades: usize = ["BTCUSDT", "ETHUSDT"].iter().map(|s| at_venue(s).as_array().unwrap().len()).sum();
        let fills = count("fills").ok_or("the engine to answer")?;
        if fills == trades as u64 && fills > 5 {
            Ok(())
        } else {
            Err(format!("the engine's {fills} fills to be the venue's {trades}"))
        }
    });
    for (name, want) in [
        ("feed_binance_resyncs_total", 0),
        ("feed_binance_reconnects_total", 0),
        ("feed_binance_depth_gaps_total", 0),
        ("gateway_binance_reconnects_total", 0),
        ("gateway_binance_unanswered_total", 0),
        ("orders_unknown", 0),
    ] {
        assert_eq!(count(name), Some(want), "{name}");
    }
    assert_eq!(count("feed_binance_snapshots_total"), Some(2), "one a book, and never again");
}
