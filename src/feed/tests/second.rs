//! Two connections to the same streams: whichever brings an update first counts, and one that dies leaves no gap.

use super::*;
use crate::net::ws::WsConfig;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A feed of two connections, and the server's end of each.
struct Pair {
    rig: Rig,
    ends: [Option<WebSocket>; 2],
    /// Ends that came while both were there: renewals.
    next: Vec<WebSocket>,
    /// Connections that were made since the test looked.
    fresh: [bool; 2],
}

impl Pair {
    fn new(config: FeedConfig) -> Pair {
        let rig = Rig::new(FeedConfig { connections: 2, ..config }, 1 << 16);
        Pair { rig, ends: [None, None], next: Vec::new(), fresh: [false; 2] }
    }

    fn open() -> Pair {
        let mut pair = Pair::new(FeedConfig { read_timeout_ns: 600_000 * MS, ..config(&["BTCUSDT"]) });
        pair.turn(2);
        assert!(pair.ends.iter().flatten().all(WebSocket::is_open));
        assert_eq!(pair.rig.events(), ["0 gap"]);
        pair
    }

    /// As `open`, with a book up to update 100.
    fn live() -> Pair {
        let mut pair = Pair::open();
        pair.send(0, &diff("BTCUSDT", 101, 101, &[], &[]));
        pair.turn(1);
        pair.rig.rest.answer(200, &[], &snapshot(101, &[("10", "1")], &[("11", "1")]));
        pair.turn(1);
        assert_eq!(pair.rig.events().last().map(String::as_str), Some("0 live"));
        pair.fresh = [false; 2];
        pair
    }

    fn turn(&mut self, ms: i64) {
        for _ in 0..ms {
            self.rig.clock.set(self.rig.clock.now() + MS);
            for _ in 0..4 {
                let now = self.rig.clock.now();
                self.rig.feed.do_work(now);
                while let Some(stream) = self.rig.listener.accept().unwrap() {
                    let mut server = WebSocket::new(WsConfig::default(), 3);
                    server.accept(stream, "feed", now);
                    self.next.push(server);
                }
                for (end, fresh) in self.ends.iter_mut().zip(&mut self.fresh) {
                    if end.is_none() && !self.next.is_empty() {
                        (*end, *fresh) = (Some(self.next.remove(0)), true);
                    }
                }
                for next in &mut self.next {
                    next.poll(now).unwrap();
                }
                for end in &mut self.ends {
                    if end.as_mut().is_some_and(|end| end.poll(now).is_err()) {
                        *end = None;
                    }
                }
            }
        }
    }

    fn send(&mut self, line: usize, frame: &str) {
        self.ends[line].as_mut().expect("an open connection").send_text(frame.as_bytes()).unwrap();
        self.turn(1);
    }

    fn events(&mut self) -> Vec<String> {
        self.rig.events()
    }

    /// Brings updates of the property's venue up to the one of this number, and notes them.
    fn bring(&mut self, line: usize, at: &mut [usize; 2], to: usize, brought: &mut BTreeSet<usize>) {
        while at[line] < to && !self.fresh[line] && self.ends[line].as_ref().is_some_and(WebSocket::is_open) {
            self.send(line, &made(at[line]));
            brought.insert(at[line]);
            at[line] += 1;
        }
    }

    fn kill(&mut self, line: usize) {
        self.ends[line].take().unwrap().abort();
    }
}

#[test]
fn whichever_connection_is_first_counts() {
    let mut pair = Pair::live();
    for (line, frame) in [
        (0, quote("BTCUSDT", 5)),
        (1, quote("BTCUSDT", 5)),
        (1, quote("BTCUSDT", 6)),
        (1, trade("BTCUSDT", 8)),
        (0, trade("BTCUSDT", 8)),
        (0, quote("BTCUSDT", 6)),
        (1, diff("BTCUSDT", 102, 103, &[("9", "1")], &[])),
        (0, diff("BTCUSDT", 102, 103, &[("9", "1")], &[])),
        // The venue may cut its diffs differently for each connection.
        (0, diff("BTCUSDT", 104, 105, &[("9", "2")], &[])),
        (1, diff("BTCUSDT", 104, 107, &[("9", "3")], &[])),
        (0, diff("BTCUSDT", 106, 109, &[("9", "4")], &[])),
    ] {
        pair.send(line, &frame);
    }
    let want =
        ["0 quote 5", "0 quote 6", "0 trade 8", "0 diff 103 1+0", "0 diff 105 1+0", "0 diff 107 1+0", "0 diff 109 1+0"];
    assert_eq!(pair.events(), want);
    let counts = pair.rig.counts();
    assert_eq!((counts.doubled, counts.depth_stale, counts.second_first), (3, 1, 4));
    assert_eq!((counts.depth_gaps, counts.depth_ahead), (0, 0));
}

#[test]
fn a_connection_that_dies_leaves_no_gap() {
    let mut pair = Pair::live();
    pair.send(0, &diff("BTCUSDT", 102, 103, &[], &[]));
    pair.send(0, &quote("BTCUSDT", 7));
    pair.kill(0);
    pair.turn(5);
    for frame in [diff("BTCUSDT", 102, 103, &[], &[]), quote("BTCUSDT", 7), diff("BTCUSDT", 104, 104, &[], &[])] {
        pair.send(1, &frame);
    }
    pair.turn(200);
    assert!(pair.ends[0].is_some(), "it is opened again");
    // The new one is faster than the one that stayed.
    pair.send(0, &diff("BTCUSDT", 106, 106, &[], &[]));
    pair.send(1, &diff("BTCUSDT", 105, 105, &[], &[]));
    pair.send(1, &diff("BTCUSDT", 106, 106, &[], &[]));
    pair.send(0, &quote("BTCUSDT", 8));
    let want = ["0 diff 103 0+0", "0 quote 7", "0 diff 104 0+0", "0 diff 105 0+0", "0 diff 106 0+0", "0 quote 8"];
    assert_eq!(pair.events(), want);
    let counts = pair.rig.counts();
    assert_eq!((counts.reconnects, counts.depth_ahead, counts.depth_gaps, counts.resyncs), (1, 1, 0, 0));
    // Only with the last one the data is gone.
    pair.kill(0);
    pair.turn(2);
    assert_eq!(pair.events(), [""; 0]);
    pair.kill(1);
    pair.turn(2);
    assert_eq!(pair.events(), ["0 disconnected"]);
}

#[test]
fn what_one_connection_skips_is_awaited_from_the_other_for_a_while() {
    // The other brings it.
    let mut pair = Pair::live();
    pair.send(0, &diff("BTCUSDT", 104, 104, &[], &[]));
    assert_eq!(pair.events(), [""; 0]);
    pair.send(1, &diff("BTCUSDT", 102, 103, &[], &[]));
    pair.send(1, &diff("BTCUSDT", 104, 104, &[], &[]));
    pair.turn(1_000);
    assert_eq!(pair.events(), ["0 diff 103 0+0", "0 diff 104 0+0"]);
    // It skips it too.
    pair.send(0, &diff("BTCUSDT", 106, 106, &[], &[]));
    pair.send(1, &diff("BTCUSDT", 106, 106, &[], &[]));
    assert_eq!(pair.events(), ["0 gap"]);
    // It is silent.
    let mut pair = Pair::live();
    pair.send(0, &diff("BTCUSDT", 104, 104, &[], &[]));
    pair.turn(450);
    assert_eq!(pair.events(), [""; 0]);
    pair.turn(100);
    assert_eq!(pair.events(), ["0 gap"]);
    // It is gone.
    let mut pair = Pair::live();
    pair.kill(1);
    pair.turn(2);
    pair.send(0, &diff("BTCUSDT", 104, 104, &[], &[]));
    assert_eq!(pair.events(), ["0 gap"]);
}

#[test]
fn a_diff_that_cannot_be_read_is_awaited_from_the_other() {
    let mut pair = Pair::live();
    pair.send(0, &diff("BTCUSDT", 102, 102, &[("x", "1")], &[]));
    pair.send(1, &diff("BTCUSDT", 102, 102, &[("9", "1")], &[]));
    pair.turn(1_000);
    assert_eq!(pair.events(), ["0 diff 102 1+0"]);
    pair.send(0, &diff("BTCUSDT", 103, 103, &[("x", "1")], &[]));
    pair.turn(600);
    assert_eq!(pair.events(), ["0 gap"], "nobody brought it");
}

#[test]
fn a_connection_whose_ids_go_back_is_given_up() {
    for back in [quote("BTCUSDT", 4), trade("BTCUSDT", 4), diff("BTCUSDT", 90, 90, &[], &[])] {
        let mut pair = Pair::live();
        for frame in [quote("BTCUSDT", 7), trade("BTCUSDT", 7)] {
            pair.send(0, &frame);
        }
        pair.events();
        pair.send(0, &back);
        pair.turn(2);
        assert!(pair.ends[0].is_none() && pair.ends[1].is_some(), "{back}");
        assert_eq!(pair.events(), [""; 0]);
    }
}

#[test]
fn two_connections_are_not_renewed_together() {
    let mut pair = Pair::new(FeedConfig { renew_after_ns: 10_000 * MS, ..config(&["BTCUSDT"]) });
    let mut renewed = Vec::new();
    for ms in 0..25_000 {
        if ms % 100 == 0 {
            for end in pair.ends.iter_mut().flatten().chain(&mut pair.next).filter(|end| end.is_open()) {
                end.send_text(quote("BTCUSDT", ms).as_bytes()).unwrap();
            }
        }
        let before = pair.rig.counts().renewals;
        pair.turn(1);
        if pair.rig.counts().renewals > before {
            renewed.push(ms / 1_000);
        }
    }
    assert_eq!(renewed, [7, 12, 17, 22]);
    assert_eq!((pair.rig.counts().reconnects, pair.rig.counts().timeouts), (0, 0));
}

/// The property's updates: a quote, a trade, a diff, and so on.
fn made(n: usize) -> String {
    match n % 3 {
        0 => quote("BTCUSDT", 1_000 + n as u64),
        1 => trade("BTCUSDT", 1_000 + n as u64),
        _ => diff("BTCUSDT", 102 + n as u64 / 3, 102 + n as u64 / 3, &[], &[]),
    }
}

fn told(n: usize) -> String {
    match n % 3 {
        0 => format!("0 quote {}", 1_000 + n),
        1 => format!("0 trade {}", 1_000 + n),
        _ => format!("0 diff {} 0+0", 102 + n / 3),
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// The venue makes so many updates.
    Make(u8),
    /// A connection brings so many of those that wait in it.
    Bring(bool, u8),
    /// A connection dies.
    Kill(bool),
    Wait(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1u8..4).prop_map(Step::Make),
        6 => (any::<bool>(), 1u8..8).prop_map(|(line, n)| Step::Bring(line, n)),
        1 => any::<bool>().prop_map(Step::Kill),
        1 => (1u8..250).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Every diff and trade reaches the core once, and of the quotes the newest, however the connections lag, and whichever of them dies, as
    /// long as what one loses is still to come by the other.
    #[test]
    fn each_update_counts_once_and_none_is_missed(steps in steps()) {
        let mut pair = Pair::live();
        // Updates made, as far as each connection has brought them, and the first that each carries.
        let (mut until, mut at, mut from) = (0usize, [0usize; 2], [0usize; 2]);
        let mut brought = BTreeSet::new();
        let mut steps = steps;
        // In the end everything that waits is brought.
        steps.extend([Step::Bring(false, 255), Step::Bring(true, 255)]);
        for step in steps {
            match step {
                Step::Make(n) => until += usize::from(n),
                Step::Bring(line, n) => {
                    let (line, other) = (usize::from(line), usize::from(!line));
                    let ahead = from[line] > at[other];
                    let to = until.min(at[line] + usize::from(n));
                    pair.bring(line, &mut at, to, &mut brought);
                    // What it skipped, as it was not there yet, is brought by the other before patience ends.
                    if ahead {
                        pair.bring(other, &mut at, until, &mut brought);
                    }
                }
                Step::Kill(line) => {
                    let (line, other) = (usize::from(line), usize::from(!line));
                    let open = |end: &Option<WebSocket>| end.as_ref().is_some_and(WebSocket::is_open);
                    if pair.ends.iter().all(open) && (0..from[other]).all(|n| brought.contains(&n)) {
                        pair.kill(line);
                        pair.turn(2);
                    }
                }
                Step::Wait(ms) => pair.turn(i64::from(ms)),
            }
            for line in 0..2 {
                if std::mem::take(&mut pair.fresh[line]) {
                    (at[line], from[line]) = (until, until);
                }
            }
        }
        let got = pair.events();
        let of = |kind: &str, events: &[String]| -> Vec<String> {
            events.iter().filter(|event| event.split(' ').nth(1) == Some(kind)).cloned().collect()
        };
        let want: Vec<String> = (0..until).map(told).collect();
        prop_assert_eq!(of("diff", &got), of("diff", &want));
        // A trade may come late by the slower connection.
        let mut trades = of("trade", &got);
        trades.sort();
        prop_assert_eq!(trades, of("trade", &want));
        // A quote that a newer one overtook is of no use; the newest is there.
        let (quotes, all) = (of("quote", &got), of("quote", &want));
        prop_assert!(quotes.is_sorted_by(|a, b| a < b), "{:?}", quotes);
        prop_assert_eq!(quotes.last(), all.last());
        prop_assert_eq!(got.len(), quotes.len() + of("diff", &got).len() + of("trade", &got).len());
        prop_assert_eq!(pair.rig.counts().resyncs, 0);
    }
}
