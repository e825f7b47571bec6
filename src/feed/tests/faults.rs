//! What goes wrong, and what the agent makes of it.

use super::*;
use crate::venues::binance::DecodeError;

#[test]
fn a_lost_diff_begins_the_book_again() {
    let mut rig = Rig::open(&["BTCUSDT"]);
    rig.make_live();
    rig.send(&[&diff("BTCUSDT", 103, 104, &[("9", "1")], &[])]);
    assert_eq!(rig.events(), ["0 gap"]);
    rig.turn(600);
    rig.rest.answer(200, &[], &snapshot(102, &[("10", "1")], &[("11", "1")]));
    rig.turn(1);
    assert_eq!(rig.events(), ["0 snapshot 102 1+1", "0 diff 104 1+0", "0 live"]);
    let counts = rig.counts();
    assert_eq!((counts.depth_gaps, counts.resyncs, counts.snapshots), (1, 1, 2));
}

#[test]
fn a_snapshot_that_is_too_old_unreadable_or_refused_is_asked_for_again_ever_later() {
    let mut rig = Rig::open(&["BTCUSDT"]);
    rig.send(&[&diff("BTCUSDT", 100, 100, &[], &[])]);
    rig.turn(1);
    let mut waits = Vec::new();
    for attempt in 0..5 {
        match attempt {
            0 => rig.rest.answer(200, &[], &snapshot(50, &[], &[])),
            1 => rig.rest.answer(200, &[], "<html>"),
            2 => rig.rest.answer(500, &[], "{\"code\":-1000,\"msg\":\"?\"}"),
            3 => rig.rest.fail("rest.test: timed out"),
            _ => rig.rest.answer(200, &[], "{\"lastUpdateId\":100,\"bids\":["),
        }
        let from = rig.clock.now();
        while rig.rest.waiting().is_empty() {
            rig.turn(10);
            rig.send(&[&quote("BTCUSDT", 1)]);
            assert!(rig.clock.now() - from < 40_000 * MS, "attempt {attempt} is never asked for again");
        }
        waits.push((rig.clock.now() - from) / MS);
    }
    for (wait, span) in waits.iter().zip([500, 1_000, 2_000, 4_000, 8_000]) {
        assert!((span / 2..=span + 50).contains(wait), "{waits:?}");
    }
    rig.rest.answer(200, &[], &snapshot(100, &[], &[]));
    rig.turn(1);
    assert_eq!(rig.counts().snapshot_retries, 5);
    assert_eq!(rig.events().last().map(String::as_str), Some("0 live"));
}

#[test]
fn a_rate_limit_stops_all_snapshots_until_its_time() {
    let mut rig = Rig::open(&["BTCUSDT", "ETHUSDT"]);
    rig.send(&[&diff("BTCUSDT", 1, 1, &[], &[]), &diff("ETHUSDT", 1, 1, &[], &[])]);
    rig.turn(1);
    rig.rest.answer(429, &[("Retry-After", "4")], "{\"code\":-1003,\"msg\":\"Too much request weight used\"}");
    let from = rig.clock.now();
    while rig.rest.waiting().is_empty() {
        rig.turn(10);
        rig.send(&[&quote("BTCUSDT", 1)]);
    }
    let waited = (rig.clock.now() - from) / MS;
    assert!((4_000..4_100).contains(&waited), "{waited} ms");
}

#[test]
fn bad_frames_are_counted_by_kind_and_doubt_only_what_they_may_have_changed() {
    let mut rig = Rig::open(&["BTCUSDT"]);
    rig.make_live();
    let bad_quote = quote("BTCUSDT", 1).replace("10.00000000", "1e1");
    let good = quote("BTCUSDT", 2);
    rig.send(&[&bad_quote, &quote("NOPE", 1), "{\"stream\":\"btcusdt@kline_1m\",\"data\":{\"e\":\"kline\"}}", &good]);
    assert_eq!(rig.events(), ["0 quote 2"], "the book is not doubted");
    let errors = rig.counts().errors;
    let count = |error: DecodeError| errors[error.index()];
    assert_eq!(count(DecodeError::BadNumber("b")), 1);
    assert_eq!(count(DecodeError::UnknownSymbol), 1);
    assert_eq!(count(DecodeError::UnknownType), 1);
    let bad_diff = diff("BTCUSDT", 102, 102, &[("x", "1")], &[]);
    rig.send(&[&bad_diff]);
    assert_eq!(rig.events(), ["0 gap"]);
    rig.turn(600);
    rig.rest.answer(200, &[], &snapshot(102, &[], &[]));
    rig.turn(1);
    assert_eq!(rig.events(), ["0 snapshot 102 0+0", "0 live"]);
    // Of this one nothing is known: any book may be wrong.
    rig.send(&["hello"]);
    assert_eq!(rig.events(), ["0 gap"]);
    let server = rig.server.as_mut().unwrap();
    server.send_binary(b"\x00\x01").unwrap();
    rig.send(&["{\"result\":null,\"id\":1}", "{\"code\":2,\"msg\":\"Invalid request\"}"]);
    let counts = rig.counts();
    assert_eq!((counts.binary, counts.control, counts.errors.iter().sum::<u64>()), (1, 2, 5));
    assert_eq!(rig.events(), [""; 0]);
}

#[test]
fn a_lost_connection_is_said_and_tried_again() {
    let mut rig = Rig::open(&["BTCUSDT"]);
    rig.make_live();
    rig.hub.reset(ADDR);
    rig.turn(1);
    assert_eq!(rig.events(), ["0 disconnected"]);
    rig.turn(110);
    assert_eq!(rig.events(), ["0 gap"]);
    rig.send(&[&diff("BTCUSDT", 500, 500, &[], &[])]);
    rig.turn(1);
    rig.rest.answer(200, &[], &snapshot(500, &[("10", "1")], &[]));
    rig.turn(1);
    assert_eq!(rig.events(), ["0 snapshot 500 1+0", "0 live"]);
    assert_eq!(rig.counts().reconnects, 1);
}

#[test]
fn a_server_that_refuses_is_tried_ever_later() {
    let mut rig = Rig::open(&["BTCUSDT"]);
    rig.hub.refuse(ADDR, true);
    rig.hub.reset(ADDR);
    rig.turn(3_500);
    let reconnects = rig.counts().reconnects;
    assert!((4..=8).contains(&reconnects), "{reconnects} in 3.5 s from 100 ms on");
    assert_eq!(rig.events(), ["0 disconnected"], "said once");
    rig.hub.refuse(ADDR, false);
    for _ in 0..100 {
        rig.turn(100);
        let events = rig.events();
        if !events.is_empty() {
            assert_eq!(events, ["0 gap"]);
            return;
        }
    }
    panic!("not connected within the longest wait");
}

#[test]
fn a_frozen_stream_is_given_up_though_pings_still_come() {
    let mut rig = Rig::open(&["BTCUSDT"]);
    rig.send(&[&quote("BTCUSDT", 1)]);
    for _ in 0..49 {
        rig.server.as_mut().unwrap().send_ping().unwrap();
        rig.turn(100);
    }
    assert_eq!(rig.counts().timeouts, 0);
    rig.turn(110);
    assert_eq!(rig.counts().timeouts, 1);
    assert_eq!(rig.events(), ["0 quote 1", "0 disconnected"]);
    rig.turn(200);
    assert_eq!(rig.events(), ["0 gap"], "a new connection");
    rig.hub.freeze(ADDR, true);
    rig.turn(5_100);
    assert_eq!(rig.counts().timeouts, 2);
}

#[test]
fn an_announced_shutdown_is_left_for_a_new_connection_without_a_break() {
    let mut rig = Rig::open(&["BTCUSDT"]);
    rig.send(&["{\"stream\":\"!serverShutdown\",\"data\":{\"e\":\"serverShutdown\",\"E\":1770123456789}}"]);
    assert_eq!(rig.counts().shutdowns, 1);
    rig.turn(2_100);
    rig.send(&[&quote("BTCUSDT", 5)]);
    assert_eq!(rig.events(), ["0 quote 5"]);
    let counts = rig.counts();
    assert_eq!((counts.reconnects, counts.renewals, rig.earlier.len()), (0, 1, 0));
}

#[test]
fn a_message_beyond_the_limit_ends_the_connection() {
    let mut rig = Rig::open(&["BTCUSDT"]);
    let long = format!("{{\"x\":\"{}\"}}", "a".repeat(1 << 20));
    rig.send(&[&quote("BTCUSDT", 1), &long]);
    rig.turn(2);
    assert_eq!(rig.events(), ["0 quote 1", "0 disconnected"]);
    let counts = rig.counts();
    assert_eq!((counts.oversize, counts.frames), (1, 1));
    rig.turn(200);
    assert_eq!(rig.events(), ["0 gap"]);
}

#[test]
fn an_answer_from_before_a_break_is_not_taken() {
    let mut rig = Rig::open(&["BTCUSDT"]);
    rig.send(&[&diff("BTCUSDT", 101, 101, &[], &[])]);
    rig.turn(1);
    assert_eq!(rig.rest.waiting().len(), 1);
    rig.hub.reset(ADDR);
    rig.turn(150);
    rig.rest.answer(200, &[], &snapshot(100, &[], &[]));
    rig.turn(10);
    assert_eq!(rig.events(), ["0 disconnected", "0 gap"]);
    assert_eq!(rig.counts().snapshots, 0);
}
