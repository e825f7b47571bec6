use super::*;
use crate::domain::{Price, Qty};
use crate::net::link::{Rx, Wake, link};
use proptest::prelude::*;

fn outlet(capacity: usize) -> (Outlet, Rx<Input>) {
    let (tx, rx) = link(capacity, &Wake::default());
    (Outlet::new(tx, vec![InstrumentId(7), InstrumentId(8)]), rx)
}

fn quote(update_id: u64) -> Quote {
    Quote { update_id, ..Quote::default() }
}

/// What came, in short.
fn taken(rx: &Rx<Input>) -> Vec<String> {
    std::iter::from_fn(|| rx.try_recv())
        .map(|input| match input.body {
            Body::Quote(quote) => format!("quote {}", quote.update_id),
            Body::Trade(trade) => format!("trade {}", trade.trade_id.lo),
            Body::Feed { instrument, state } => format!("{instrument} {}", state.as_str()),
            Body::Depth(chunk) => format!("depth {} {}", chunk.update_id, chunk.bids + chunk.asks),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_full_channel_keeps_the_newest_quote_and_every_state() {
    let (mut outlet, rx) = outlet(1);
    let stamps = Stamps::default();
    assert!(!outlet.quote(0, stamps, quote(1)));
    assert!(!outlet.quote(0, stamps, quote(2)), "kept, nothing replaced");
    assert!(outlet.quote(0, stamps, quote(3)), "2 is replaced");
    assert!(!outlet.quote(1, stamps, quote(100)));
    assert!(!outlet.trade(0, stamps, TradeTick::default()), "no room for a trade");
    assert_eq!(outlet.flush(), 0);
    assert_eq!(taken(&rx), ["quote 1"]);
    assert_eq!(outlet.flush(), 1);
    assert_eq!(taken(&rx), ["quote 3"]);
    assert_eq!(outlet.flush(), 1);
    assert_eq!(taken(&rx), ["quote 100"]);
    assert_eq!(outlet.flush(), 0);
}

#[test]
fn a_broken_link_is_said_before_what_came_after_it() {
    let (mut outlet, rx) = outlet(1);
    let stamps = Stamps::default();
    assert!(!outlet.quote(0, stamps, quote(1)));
    assert!(!outlet.quote(0, stamps, quote(2)));
    assert!(outlet.state(0, FeedState::Disconnected), "the kept quote is gone with its link");
    assert!(!outlet.state(0, FeedState::Gap));
    assert!(!outlet.state(0, FeedState::Live));
    assert!(!outlet.quote(0, stamps, quote(3)));
    let mut seen = taken(&rx);
    while outlet.flush() > 0 {
        seen.extend(taken(&rx));
    }
    assert_eq!(seen, ["quote 1", "7 disconnected", "7 live", "quote 3"]);
}

#[test]
fn order_within_an_instrument_is_kept_around_a_full_channel() {
    let (mut outlet, rx) = outlet(2);
    let stamps = Stamps::default();
    for id in 1..=4 {
        outlet.quote(0, stamps, quote(id));
    }
    let mut seen = taken(&rx);
    // A trade after kept quote 4: the quote leaves first, though nobody flushed.
    assert!(outlet.trade(0, stamps, TradeTick::default()));
    seen.extend(taken(&rx));
    assert_eq!(seen, ["quote 1", "quote 2", "quote 4", "trade 0"]);
}

#[test]
fn an_update_is_resumed_where_the_channel_was_full() {
    let (mut outlet, rx) = outlet(1);
    let bids: Vec<Level> = (0..30).map(|i| Level { px: Price(i), qty: Qty(1) }).collect();
    let update = Update { kind: DepthKind::Snapshot, update_id: 9, ts_event_ns: 0, bids: &bids, asks: &[] };
    let (mut cursor, mut seen) = (0, Vec::new());
    while !outlet.depth(0, Stamps::default(), &update, &mut cursor) {
        seen.extend(taken(&rx));
    }
    seen.extend(taken(&rx));
    assert_eq!(seen, ["depth 9 12", "depth 9 12", "depth 9 6"]);
}

proptest! {
    #[test]
    fn chunks_hold_every_level_once_in_order(bids in 0usize..50, asks in 0usize..50) {
        let levels = |n: usize, from: i64| -> Vec<Level> {
            (0..n).map(|i| Level { px: Price(from + i as i64), qty: Qty(1) }).collect()
        };
        let (bids, asks) = (levels(bids, 1_000), levels(asks, 2_000));
        let update = Update { kind: DepthKind::Delta, update_id: 5, ts_event_ns: 6, bids: &bids, asks: &asks };
        let (mut outlet, rx) = outlet(64);
        let mut cursor = 0;
        let whole = outlet.depth(1, Stamps { recv_ns: 1, decoded_ns: 2 }, &update, &mut cursor);
        prop_assert!(whole);
        let (mut got_bids, mut got_asks, mut chunks) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(input) = rx.try_recv() {
            prop_assert_eq!((input.recv_ns, input.decoded_ns), (1, 2));
            let Body::Depth(chunk) = input.body else { panic!("not depth") };
            prop_assert_eq!((chunk.instrument, chunk.update_id, chunk.ts_event_ns), (InstrumentId(8), 5, 6));
            got_bids.extend_from_slice(chunk.bids());
            got_asks.extend_from_slice(chunk.asks());
            chunks.push((chunk.first, chunk.last));
        }
        prop_assert_eq!(&got_bids, &bids);
        prop_assert_eq!(&got_asks, &asks);
        let last = chunks.len() - 1;
        for (at, (is_first, is_last)) in chunks.iter().enumerate() {
            prop_assert_eq!((*is_first, *is_last), (at == 0, at == last));
        }
        prop_assert!(chunks.len() <= (bids.len() + asks.len()).div_ceil(LEVELS_PER_CHUNK).max(1));
    }
}
