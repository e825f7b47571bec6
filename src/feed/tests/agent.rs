//! The ordinary life of the agent.

use super::*;

#[test]
fn one_connection_subscribes_to_everything_by_its_url() {
    let mut rig = Rig::new(config(&["BTCUSDT", "这是测试币456"]), 64);
    rig.turn(1);
    let want = "/stream?streams=btcusdt@bookTicker/btcusdt@trade/btcusdt@depth@100ms/\
                %E8%BF%99%E6%98%AF%E6%B5%8B%E8%AF%95%E5%B8%81456@bookTicker/\
                %E8%BF%99%E6%98%AF%E6%B5%8B%E8%AF%95%E5%B8%81456@trade/\
                %E8%BF%99%E6%98%AF%E6%B5%8B%E8%AF%95%E5%B8%81456@depth@100ms";
    assert_eq!(rig.server.as_ref().unwrap().target(), want);
    let quotes_only = FeedConfig { trades: false, depth: false, stream_path: "/x".to_owned(), ..config(&["AB"]) };
    let mut rig = Rig::new(quotes_only, 64);
    rig.turn(1);
    assert_eq!(rig.server.as_ref().unwrap().target(), "/x/stream?streams=ab@bookTicker");
    assert_eq!(rig.events(), ["0 live"], "without depth there is no book to wait for");
}

#[test]
fn symbols_that_cannot_be_told_apart_are_refused() {
    let clock = Clock::virtual_at(START);
    let hub = MemHub::new(&clock, 1);
    let (tx, _rx) = link(4, &Wake::default());
    let rest = Box::new(FakeRest::default());
    let counters = Counters::default();
    let made = Feed::new(config(&["A", "A"]), Box::new(hub.network()), rest, clock, tx, &counters, 1);
    assert!(matches!(made.err(), Some(FeedError::Symbols { source: SymbolError::Twice(_), .. })));
}

#[test]
fn frames_become_events_with_their_stamps() {
    let mut rig = Rig::open(&["BTCUSDT", "ETHUSDT"]);
    rig.send(&[&quote("BTCUSDT", 5), &trade("ETHUSDT", 6), &quote("ETHUSDT", 7)]);
    let inputs: Vec<Input> = std::iter::from_fn(|| rig.rx.try_recv()).collect();
    let seen: Vec<String> = inputs.iter().map(|input| short(&input.body)).collect();
    assert_eq!(seen, ["0 quote 5", "1 trade 6", "1 quote 7"]);
    assert!(inputs.iter().all(|input| input.recv_ns == rig.clock.now() && input.decoded_ns == rig.clock.now()));
    let counts = rig.counts();
    assert_eq!((counts.frames, counts.quotes, counts.trades), (3, 2, 1));
    assert_eq!(rig.counters.counter("feed_test_quotes_total").get(), 2);
    assert_eq!(rig.counters.counter("feed_test_bytes_total").get(), counts.bytes);
}

#[test]
fn a_book_is_begun_with_a_snapshot_and_the_diffs_that_waited_for_it() {
    let mut rig = Rig::open(&["BTCUSDT"]);
    rig.send(&[
        &diff("BTCUSDT", 100, 102, &[("9", "1")], &[]),
        &diff("BTCUSDT", 103, 105, &[("9", "2")], &[("12", "0")]),
    ]);
    rig.turn(1);
    assert_eq!(rig.rest.waiting(), ["http://rest.test/api/v3/depth?symbol=BTCUSDT&limit=1000"]);
    rig.rest.answer(200, &[], &snapshot(103, &[("10", "1"), ("9", "5")], &[("11", "1")]));
    rig.turn(1);
    assert_eq!(rig.events(), ["0 snapshot 103 2+1", "0 diff 105 1+1", "0 live"]);
    rig.send(&[&diff("BTCUSDT", 106, 106, &[], &[("11", "3")]), &diff("BTCUSDT", 104, 105, &[], &[])]);
    assert_eq!(rig.events(), ["0 diff 106 0+1"]);
    let counts = rig.counts();
    assert_eq!((counts.depth_held, counts.held_stale, counts.depth_applied, counts.depth_stale), (2, 1, 1, 1));
    assert_eq!((counts.snapshots, counts.resyncs, counts.depth_gaps), (1, 0, 0));
}

#[test]
fn a_quiet_book_asks_for_its_snapshot_after_a_while() {
    let mut rig = Rig::open(&["BTCUSDT"]);
    rig.turn(900);
    assert!(rig.rest.waiting().is_empty());
    rig.turn(200);
    assert_eq!(rig.rest.waiting().len(), 1);
    rig.rest.answer(200, &[], &snapshot(50, &[("10", "1")], &[]));
    rig.turn(1);
    assert_eq!(rig.events(), ["0 snapshot 50 1+0", "0 live"]);
}

#[test]
fn books_get_their_snapshots_one_after_another() {
    let symbols = ["BTCUSDT", "ETHUSDT", "BNBUSDT"];
    let mut rig = Rig::open(&symbols);
    let frames: Vec<String> = symbols.iter().map(|s| diff(s, 1, 1, &[], &[])).collect();
    rig.send(&frames.iter().map(String::as_str).collect::<Vec<_>>());
    for symbol in symbols {
        rig.turn(1);
        let waiting = rig.rest.waiting();
        assert_eq!(waiting, [format!("http://rest.test/api/v3/depth?symbol={symbol}&limit=1000")]);
        rig.rest.answer(200, &[], &snapshot(0, &[], &[]));
    }
    rig.turn(1);
    let live: Vec<String> = rig.events().into_iter().filter(|event| event.ends_with("live")).collect();
    assert_eq!(live, ["0 live", "1 live", "2 live"]);
}

#[test]
fn a_slow_core_gets_the_newest_quotes_and_a_book_that_is_whole() {
    let mut rig = Rig::new(config(&["BTCUSDT"]), 4);
    rig.turn(1);
    assert_eq!(rig.events(), ["0 gap"]);
    // The snapshot needs more room than the channel has: it goes through piece by piece.
    let bids: Vec<(String, String)> = (1..=100).map(|i| (i.to_string(), "1".to_owned())).collect();
    let bids: Vec<(&str, &str)> = bids.iter().map(|(px, qty)| (px.as_str(), qty.as_str())).collect();
    rig.send(&[&diff("BTCUSDT", 101, 101, &[], &[])]);
    rig.turn(1);
    rig.rest.answer(200, &[], &snapshot(100, &bids, &[]));
    let mut events = Vec::new();
    for _ in 0..10 {
        rig.turn(1);
        events.extend(rig.events());
    }
    assert_eq!(events.len(), 9 + 1 + 1, "{events:?}");
    assert_eq!(events.last().unwrap(), "0 live");
    // A burst of quotes: the first four fit, of the rest the newest waits.
    let quotes: Vec<String> = (1..=10).map(|id| quote("BTCUSDT", id)).collect();
    rig.send(&quotes.iter().map(String::as_str).collect::<Vec<_>>());
    rig.send(&[&trade("BTCUSDT", 1)]);
    assert_eq!(rig.events(), ["0 quote 1", "0 quote 2", "0 quote 3", "0 quote 4"]);
    rig.turn(1);
    assert_eq!(rig.events(), ["0 quote 10"]);
    let counts = rig.counts();
    assert_eq!((counts.conflated, counts.trades, counts.trades_dropped), (5, 1, 1));
    // A diff that does not fit: the book is not to be read, and is begun again.
    let wide: Vec<(&str, &str)> = bids[..60].to_vec();
    rig.send(&[&diff("BTCUSDT", 102, 102, &wide, &[])]);
    let mut events = rig.events();
    rig.turn(1);
    events.extend(rig.events());
    let tail = ["0 diff 102 12+0", "0 diff 102 12+0", "0 diff 102 12+0", "0 diff 102 12+0", "0 gap"];
    assert_eq!(events, tail);
    rig.turn(1_500);
    assert_eq!(rig.rest.waiting().len(), 1, "a new snapshot is asked for");
    assert_eq!((rig.counts().resyncs, rig.counts().depth_gaps), (1, 1));
}

#[test]
fn a_full_buffer_of_held_diffs_stops_the_reading_and_loses_nothing() {
    let mut rig = Rig::open(&["BTCUSDT"]);
    let total = super::super::book_sync::HELD_UPDATES_MAX as u64 + 100;
    let frames: Vec<String> = (1..=total).map(|id| diff("BTCUSDT", id, id, &[("1", "1")], &[])).collect();
    rig.send(&frames.iter().map(String::as_str).collect::<Vec<_>>());
    rig.turn(50);
    assert_eq!(rig.counts().depth_held, super::super::book_sync::HELD_UPDATES_MAX as u64);
    // Far longer than the read time-out: we hold the venue back, so its silence means nothing.
    rig.turn(6_000);
    assert_eq!((rig.counts().timeouts, rig.counts().frames), (0, super::super::book_sync::HELD_UPDATES_MAX as u64));
    rig.rest.answer(200, &[], &snapshot(0, &[], &[]));
    rig.turn(50);
    let events = rig.events();
    let ids: Vec<String> = (1..=total).map(|id| format!("0 diff {id} 1+0")).collect();
    let diffs: Vec<&String> = events.iter().filter(|event| event.contains("diff")).collect();
    assert_eq!(diffs, ids.iter().collect::<Vec<_>>());
    let counts = rig.counts();
    assert_eq!((counts.frames, counts.depth_applied, counts.depth_gaps), (total, 100, 0));
}
