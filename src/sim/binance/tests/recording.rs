//! Recordings played through the venue: the venue's own book against `expected_books.json`, the frames against what
//! was recorded, and our orders against a recorded market.

use crate::sim::binance::testing::*;
use crate::sim::market::{MarketSource, Side, Speed};
use crate::sim::{SimError, decimal};
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;

fn recorded(names: &[&str]) -> Option<Vec<PathBuf>> {
    names.iter().map(|name| fixture_path(&format!("binance/recorded/{name}"))).collect()
}

fn play(files: &[PathBuf], speed: Speed) -> Rig {
    Rig::new(config(MarketSource::Recording { files: files.to_vec(), speed }))
}

#[test]
fn the_books_of_all_recordings_equal_the_expected_ones() {
    let Some(expected) = fixture("binance/recorded/expected_books.json") else { return };
    let mut compared = 0;
    for (name, want) in expected.as_object().unwrap() {
        let Some(files) = recorded(&[name]) else { continue };
        let mut rig = play(&files, Speed::Max);
        let stream = rig.sim.hub.streams.name(0).to_owned();
        let _listener = rig.ws(&format!("/ws/{stream}"));
        while !rig.sim.finished() {
            // Nobody asks for the books: the player gives up waiting at each snapshot after ten seconds.
            rig.clock.set(rig.clock.now() + 1_000_000_000);
            rig.turn();
        }
        let venue = &rig.sim.desk.venue;
        for (symbol, want) in want["final_books"].as_object().unwrap() {
            let book = venue.symbols[venue.symbol(symbol).unwrap()].public_book();
            let top5 = |side: Side| -> Value {
                let levels = book.levels(side).take(5).map(|(px, qty)| [px, qty].map(|n| decimal::text(n.into())));
                levels.map(|l| Value::from(l.to_vec())).collect()
            };
            assert_eq!(book.last_id, want["lastUpdateId"].as_u64().unwrap(), "{name} {symbol}");
            assert_eq!(top5(Side::Buy), want["bids_top5"], "{name} {symbol}");
            assert_eq!(top5(Side::Sell), want["asks_top5"], "{name} {symbol}");
            assert_eq!(book.len(Side::Buy) as u64, want["bid_levels"].as_u64().unwrap(), "{name} {symbol}");
            assert_eq!(book.len(Side::Sell) as u64, want["ask_levels"].as_u64().unwrap(), "{name} {symbol}");
            compared += 1;
        }
    }
    assert!(compared >= 31, "{compared} books");
}

/// The text frames of both gzip recordings, merged as the player merges them.
fn frames_of(files: &[PathBuf]) -> Vec<String> {
    let mut lines: Vec<(i64, String)> = Vec::new();
    for file in files {
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
        for line in text.lines() {
            let (time, frame) = line.split_once(' ').unwrap();
            if frame.starts_with("{\"stream\"") {
                lines.push((time.parse().unwrap(), frame.to_owned()));
            }
        }
    }
    lines.sort_by_key(|(time, _)| *time);
    lines.into_iter().map(|(_, frame)| frame).collect()
}

#[test]
fn at_full_speed_a_slow_reader_gets_every_frame_verbatim_and_the_recorders_snapshot() {
    let Some(files) = recorded(&["hft_2024-08-08_btcusdt.gz", "hft_2024-08-08_ethusdt.gz"]) else { return };
    let want = frames_of(&files);
    assert_eq!(want.len(), 28_040 + 3_451 + 9_757 + 24_077 + 3_434 + 6_106);
    let mut rig = play(&files, Speed::Max);
    rig.run_ms(10);
    // A socket that holds 100 kB: the player has to wait for its reader again and again.
    let mut client = Client::over(rig.net.dial(100_000));
    let kinds = ["depth@100ms", "bookTicker", "trade"];
    let names: Vec<String> =
        ["btcusdt", "ethusdt"].iter().flat_map(|s| kinds.iter().map(move |k| format!("{s}@{k}"))).collect();
    rig.handshake(&mut client, &format!("/stream?streams={}", names.join("/")));
    let mut got: Vec<String> = Vec::new();
    let mut snapshots = 0;
    while !rig.sim.finished() || rig.turn() > 0 {
        rig.run_ms(1);
        got.extend(client.raw_frames().into_iter().map(|(_, text)| String::from_utf8(text).unwrap()));
        // The player waits at each snapshot until somebody asks for it.
        if snapshots == 0 && got.len() >= 7 {
            for (symbol, id) in [("ETHUSDT", 35_346_513_512u64), ("BTCUSDT", 50_093_239_218)] {
                let (_, _, body) = rig.rest("GET", &format!("/api/v3/depth?symbol={symbol}&limit=5000"), None, "");
                assert_eq!(body["lastUpdateId"], id);
                snapshots += 1;
            }
        }
    }
    got.extend(client.raw_frames().into_iter().map(|(_, text)| String::from_utf8(text).unwrap()));
    assert_eq!(got.len(), want.len());
    assert!(got == want, "a frame was changed or moved");
    let sent = rig.sim.frames_sent();
    assert_eq!((sent["bookTicker"], sent["depth@100ms"], sent["trade"]), (52_117, 6_885, 15_863));
    assert_eq!(rig.sim.client_counts().slow_clients, 0);
}

#[test]
fn the_original_speed_is_kept_and_a_multiple_of_it() {
    let Some(files) = recorded(&["cryptofeed_2021-10-12.jsonl"]) else { return };
    for (speed, seconds) in [(Speed::Times(1.0), 30), (Speed::Times(10.0), 3)] {
        let mut rig = play(&files, speed);
        rig.run_ms(5_000);
        let _deaf = rig.ws("/ws/0");
        rig.run_ms(30_000);
        assert!(!rig.sim.finished(), "nothing is played before somebody listens");
        let mut client = rig.ws("/ws/nknusdt@depth@100ms");
        rig.run_ms(seconds * 900);
        assert!(!rig.sim.finished());
        rig.run_ms(seconds * 200);
        assert!(rig.sim.finished());
        let frames = client.frames();
        assert!(!frames.is_empty() && frames.iter().all(|f| f["e"] == "depthUpdate" && f["s"] == "NKNUSDT"));
    }
}

#[test]
fn recorded_symbols_are_listed_with_their_own_steps() {
    let Some(files) = recorded(&["hft_2024-08-08_btcusdt.gz", "bdp_2025-03-04_trxusdt_us.jsonl"]) else { return };
    let mut rig = play(&files, Speed::Max);
    let (_, _, info) = rig.rest("GET", "/api/v3/exchangeInfo", None, "");
    let filter = |symbol: usize, name: &str, key: &str| {
        let filters = info["symbols"][symbol]["filters"].as_array().unwrap();
        filters.iter().find(|f| f["filterType"] == name).unwrap()[key].as_str().unwrap().to_owned()
    };
    // A few old orders deep in the BTCUSDT book are finer than the lot of 2024: all recorded numbers must be legal.
    for (index, symbol, tick, lot) in
        [(0, "BTCUSDT", "0.01000000", "0.00000100"), (1, "TRXUSDT", "0.00010000", "0.10000000")]
    {
        assert_eq!(info["symbols"][index]["symbol"], symbol);
        assert_eq!(filter(index, "PRICE_FILTER", "tickSize"), tick, "{symbol}");
        assert_eq!(filter(index, "LOT_SIZE", "stepSize"), lot, "{symbol}");
    }
    assert_eq!(rig.sim.ready()["symbols"], serde_json::json!(["BTCUSDT", "TRXUSDT"]));
}

#[test]
fn our_orders_meet_the_recorded_market() {
    let Some(files) = recorded(&["hft_2024-08-08_btcusdt.gz"]) else { return };
    let mut rig = play(&files, Speed::Times(1.0));
    let mut user = rig.user_stream();
    let mut client = rig.ws("/stream?streams=btcusdt@trade/btcusdt@bookTicker");
    rig.run_ms(2_000);
    // A bid at the touch waits for its turn; the market of these minutes trades there.
    let (_, _, ticker) = rig.rest("GET", "/api/v3/depth?symbol=BTCUSDT&limit=1", None, "");
    let bid = ticker["bids"][0][0].as_str().unwrap().to_owned();
    let text = format!("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={bid}");
    assert_eq!(rig.signed("POST", "/api/v3/order", &text).0, 200);
    let (_, sold) = rig.signed("POST", "/api/v3/order", "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.5");
    assert_eq!(sold["status"], "FILLED");
    rig.run_ms(60_000);
    let ledger = rig.sim.ledger(KEY).unwrap();
    assert!(ledger.trades.iter().any(|t| t.2), "the bid was filled: {:?}", ledger.trades);
    let ids: Vec<u64> = ledger.trades.iter().map(|t| t.1).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    // The recorded streams show the recorded market only.
    let recorded_ids: Vec<u64> = client.frames().iter().filter_map(|f| f["data"]["t"].as_u64()).collect();
    assert!(!recorded_ids.is_empty() && recorded_ids.iter().all(|id| !ids.contains(id)));
    assert!(recorded_ids.windows(2).all(|w| w[1] == w[0] + 1));
    assert!(user.events().iter().any(|e| e["m"] == true && e["x"] == "TRADE"));
}

#[test]
fn a_missing_recording_is_named() {
    let files = vec![PathBuf::from("/nowhere/at/all.gz")];
    let (net, clock) = (MemNet::default(), crate::telemetry::Clock::virtual_at(START));
    let config = config(MarketSource::Recording { files, speed: Speed::Max });
    let error = crate::sim::binance::BinanceSim::new(config, Box::new(net), clock).err().unwrap();
    assert!(matches!(&error, SimError::Recording(_)) && error.to_string().contains("/nowhere/at/all.gz"), "{error}");
}
