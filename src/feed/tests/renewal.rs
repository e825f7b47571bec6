//! Connections replaced while the venue goes on: nothing is missed, nothing comes twice.

use super::*;
use crate::net::mem::LinkPlan;

/// One update of the book, one quote and one trade a millisecond, on every connection that is open.
fn tick(rig: &mut Rig, n: u64) {
    let qty = format!("{}.5", n % 9);
    let frames = [
        quote("BTCUSDT", 1_000 + n),
        diff("BTCUSDT", 101 + n, 101 + n, &[("10", qty.as_str())], &[("11", "1")]),
        trade("BTCUSDT", 5_000 + n),
    ];
    for server in rig.server.iter_mut().chain(&mut rig.earlier).filter(|server| server.is_open()) {
        for frame in &frames {
            // A connection that the client has closed meanwhile.
            let _ = server.send_text(frame.as_bytes());
        }
    }
    rig.turn(1);
}

#[test]
fn ten_renewals_leave_no_gap_and_bring_nothing_twice() {
    let mut rig = Rig::new(FeedConfig { renew_after_ns: 4_000 * MS, ..config(&["BTCUSDT"]) }, 1 << 18);
    rig.turn(1);
    rig.make_live();
    let mut events = Vec::new();
    let mut n = 0;
    while rig.counts().renewals < 10 {
        n += 1;
        assert!(n < 100_000, "renewals do not come: {:?}", rig.counts());
        if n % 3_500 == 0 {
            // The next connection is slower, or faster, than the one before it.
            let latency_ns = if n % 7_000 == 0 { 400 * MS } else { MS };
            rig.hub.set_default_plan(LinkPlan { latency_ns, jitter_ns: MS, ..LinkPlan::default() });
        }
        tick(&mut rig, n);
        events.extend(rig.events());
    }
    rig.turn(1_000);
    events.extend(rig.events());
    for (kind, first) in [("quote", 1_001), ("diff", 102), ("trade", 5_001)] {
        let of = |event: &String| {
            let mut words = event.split(' ').skip(1);
            (words.next() == Some(kind)).then(|| words.next().unwrap().parse::<u64>().unwrap())
        };
        let ids: Vec<u64> = events.iter().filter_map(of).collect();
        let want: Vec<u64> = (first..first + n).collect();
        assert_eq!(ids, want, "{kind}");
    }
    assert!(!events.iter().any(|event| event.ends_with("gap") || event.ends_with("disconnected")), "a break");
    let counts = rig.counts();
    assert_eq!((counts.reconnects, counts.resyncs, counts.snapshots, rig.accepted), (0, 0, 1, 11));
    assert!(counts.doubled > 10 * 2 * 1_000, "both were open for two seconds: {}", counts.doubled);
}

#[test]
fn a_connection_that_ends_while_the_next_is_open_is_no_break() {
    let mut rig = Rig::new(FeedConfig { renew_after_ns: 1_000 * MS, ..config(&["BTCUSDT"]) }, 1 << 18);
    rig.turn(1);
    rig.make_live();
    rig.turn(1_010);
    assert_eq!((rig.accepted, rig.earlier.len(), rig.counts().renewals), (2, 1, 0));
    for n in 1..=5 {
        tick(&mut rig, n);
    }
    drop(rig.earlier.pop());
    rig.turn(5);
    tick(&mut rig, 6);
    let events = rig.events();
    assert!(!events.iter().any(|event| event.ends_with("disconnected")), "{events:?}");
    let quotes: Vec<&String> = events.iter().filter(|event| event.contains("quote")).collect();
    assert_eq!(quotes.len(), 6, "{quotes:?}");
    assert_eq!((rig.counts().renewals, rig.counts().reconnects), (1, 0));
}

#[test]
fn a_renewal_that_fails_leaves_the_connection_and_is_tried_again() {
    let mut rig = Rig::new(FeedConfig { renew_after_ns: 1_000 * MS, ..config(&["BTCUSDT"]) }, 1 << 18);
    rig.turn(1);
    rig.make_live();
    rig.hub.refuse(ADDR, true);
    rig.turn(1_500);
    rig.send(&[&quote("BTCUSDT", 7)]);
    assert_eq!(rig.events(), ["0 quote 7"]);
    assert_eq!((rig.accepted, rig.counts().renewals), (1, 0));
    rig.hub.refuse(ADDR, false);
    for _ in 0..40 {
        rig.send(&[&quote("BTCUSDT", 8)]);
        rig.turn(200);
    }
    assert!(rig.counts().renewals >= 1);
    assert!(!rig.events().iter().any(|event| event.ends_with("disconnected")));
}
