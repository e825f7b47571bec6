//! The state file: a venue that was killed at any moment comes back with the same ledger.

use crate::sim::binance::testing::*;
use crate::sim::binance::{Ledger, SimConfig};
use crate::sim::{MarketSource, SimError, SyntheticConfig};
use std::path::Path;

const SYMBOL: &str = "symbol=BTCUSDT";

fn with_state(path: &Path, market: MarketSource) -> SimConfig {
    SimConfig { state_file: Some(path.to_path_buf()), ..config(market) }
}

/// Trades a while; gives the ledgers of both accounts with the file's length at that time.
fn live(path: &Path) -> Vec<(u64, Ledger, Ledger)> {
    let mut rig = Rig::new(with_state(path, still_market()));
    let mut seen = Vec::new();
    let mut look = |rig: &Rig| {
        let length = std::fs::metadata(path).unwrap().len();
        seen.push((length, rig.sim.ledger(KEY).unwrap(), rig.sim.ledger(OTHER_KEY).unwrap()));
    };
    look(&rig);
    for round in 0..12 {
        let (me, other) = if round % 2 == 0 { (KEY, OTHER_KEY) } else { (OTHER_KEY, KEY) };
        for (key, method, path, text) in [
            (me, "POST", "/api/v3/order", "side=SELL&type=LIMIT&timeInForce=GTC&quantity=0.02&price=90000"),
            (other, "POST", "/api/v3/order", "side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.03&price=200000"),
            (me, "POST", "/api/v3/order", "side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=60000"),
            (me, "POST", "/api/v3/order", "side=BUY&type=MARKET&quoteOrderQty=123.45"),
            (me, "POST", "/api/v3/order", "side=SELL&type=STOP_LOSS&quantity=0.01&stopPrice=50000&trailingDelta=50"),
            (me, "POST", "/api/v3/order", "side=BUY&type=STOP_LOSS&quantity=0.01&stopPrice=190000"),
            (
                other,
                "POST",
                "/api/v3/order",
                "side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.02&price=70000&icebergQty=0.01\
                 &selfTradePreventionMode=DECREMENT",
            ),
            (other, "POST", "/api/v3/order", "side=SELL&type=MARKET&quantity=100"),
            (me, "DELETE", if round % 3 == 0 { "/api/v3/openOrders" } else { "/api/v3/nothing" }, ""),
        ] {
            rig.signed_by(key, method, path, format!("{SYMBOL}&{text}").trim_end_matches('&'));
            look(&rig);
        }
    }
    seen
}

fn reopened(bytes: &[u8]) -> (Ledger, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    std::fs::write(&path, bytes).unwrap();
    let rig = Rig::new(with_state(&path, still_market()));
    (rig.sim.ledger(KEY).unwrap(), rig.sim.ledger(OTHER_KEY).unwrap())
}

#[test]
fn a_kill_at_any_byte_leaves_the_ledger_of_the_last_whole_command() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let seen = live(&path);
    let bytes = std::fs::read(&path).unwrap();
    let changed = seen.windows(2).filter(|w| w[0].0 != w[1].0).count();
    assert!(changed > 50, "{changed} commands changed the ledger");
    assert!(seen.last().unwrap().1.trades.len() > 10);
    // At every record boundary, and torn at several places within every record.
    let mut rng = fastrand::Rng::with_seed(7);
    for (at, (length, mine, theirs)) in seen.iter().enumerate() {
        let next = seen[at + 1..].iter().map(|s| s.0).find(|l| l > length).unwrap_or(*length);
        for cut in [
            *length,
            length + 1,
            next.saturating_sub(1).max(*length),
            rng.u64(*length..=next.saturating_sub(1).max(*length)),
        ] {
            if cut > bytes.len() as u64 || (cut != *length && cut >= next) {
                continue;
            }
            let (got_mine, got_theirs) = reopened(&bytes[..cut as usize]);
            // Resting orders may be met by the market of the new start; the accounts are compared where none was.
            assert_eq!((&got_mine, &got_theirs), (mine, theirs), "cut at {cut} of {}", bytes.len());
        }
    }
    // A changed byte ends the log before it.
    let mut broken = bytes.clone();
    let middle = seen[seen.len() / 2].0 as usize;
    broken[middle + 20] ^= 1;
    let (got, _) = reopened(&broken);
    assert_eq!(got, seen.iter().rev().find(|s| s.0 == middle as u64).unwrap().1);
}

#[test]
fn a_restarted_venue_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let market = || MarketSource::Synthetic(SyntheticConfig { volatility: 20.0, ..SyntheticConfig::default() });
    let mut rig = Rig::new(with_state(&path, market()));
    rig.run_ms(30_000);
    let (_, sold) = rig.signed("POST", "/api/v3/order", "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.2");
    let (_, open) = rig.signed(
        "POST",
        "/api/v3/order",
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=30000&newClientOrderId=keep",
    );
    let price = |rig: &mut Rig| {
        let (_, _, body) = rig.rest("GET", "/api/v3/ticker/price?symbol=BTCUSDT", None, "");
        body["price"].as_str().unwrap().parse::<f64>().unwrap()
    };
    let before = price(&mut rig);
    let (_, _, book) = rig.rest("GET", "/api/v3/depth?symbol=BTCUSDT&limit=1", None, "");
    let ledger = rig.sim.ledger(KEY).unwrap();
    let clock = rig.clock.now();
    drop(rig);
    let mut rig = Rig::at(with_state(&path, market()), clock + 1_000_000_000);
    assert_eq!(rig.sim.ledger(KEY).unwrap(), ledger);
    assert!((price(&mut rig) / before - 1.0).abs() < 0.003, "{before} became {}", price(&mut rig));
    let (_, found) = rig.signed("GET", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=keep");
    assert_eq!((&found["orderId"], &found["status"]), (&open["orderId"], &"NEW".into()));
    let (_, trades) = rig.signed("GET", "/api/v3/myTrades", "symbol=BTCUSDT");
    assert_eq!(trades.as_array().unwrap().len(), sold["fills"].as_array().unwrap().len());
    let (_, next) = rig.signed("POST", "/api/v3/order", "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.2");
    assert!(next["orderId"].as_u64() > open["orderId"].as_u64());
    assert!(next["fills"][0]["tradeId"].as_u64() > sold["fills"][0]["tradeId"].as_u64());
    let (_, canceled) = rig.signed("DELETE", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=keep");
    assert_eq!(canceled["status"], "CANCELED");
    let (_, _, after) = rig.rest("GET", "/api/v3/depth?symbol=BTCUSDT&limit=1", None, "");
    assert!(after["lastUpdateId"].as_u64() > book["lastUpdateId"].as_u64());
}

#[test]
fn a_stop_that_waited_through_a_restart_triggers_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let mut rig = Rig::new(with_state(&path, still_market()));
    let last = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01";
    rig.signed("POST", "/api/v3/order", last);
    let (_, _, book) = rig.rest("GET", "/api/v3/depth?symbol=BTCUSDT&limit=5", None, "");
    let third = book["asks"][2][0].as_str().unwrap();
    let stop = format!("symbol=BTCUSDT&side=BUY&type=STOP_LOSS&quantity=0.02&stopPrice={third}&newClientOrderId=stop");
    assert_eq!(rig.signed("POST", "/api/v3/order", &stop).0, 200);
    let iceberg = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=0.05&price=97450&icebergQty=0.01";
    assert_eq!(rig.signed("POST", "/api/v3/order", iceberg).0, 200);
    let (ledger, clock) = (rig.sim.ledger(KEY).unwrap(), rig.clock.now());
    drop(rig);
    let mut rig = Rig::at(with_state(&path, still_market()), clock + 1_000_000_000);
    assert_eq!(rig.sim.ledger(KEY).unwrap(), ledger);
    assert_eq!(ledger.open_orders.iter().filter(|o| !o.working).count(), 1);
    // Somebody buys through the book up to the trigger.
    let (_, swept) = rig.signed_by(
        OTHER_KEY,
        "POST",
        "/api/v3/order",
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&quantity=9&price=99000",
    );
    assert!(swept["fills"].as_array().unwrap().len() > 1, "{swept}");
    let (_, stop) = rig.signed("GET", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=stop");
    assert_eq!((&stop["status"], &stop["isWorking"]), (&"FILLED".into(), &true.into()), "{stop}");
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    std::fs::write(&path, "something else\n").unwrap();
    let clock = crate::telemetry::Clock::virtual_at(START);
    let refused =
        crate::sim::binance::BinanceSim::new(with_state(&path, still_market()), Box::new(MemNet::default()), clock);
    assert!(matches!(refused.err(), Some(SimError::StateVersion { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"something else\n", "and is left alone");
}
