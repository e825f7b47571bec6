//! Binary market data through the whole agent, against the same day in text.

use super::*;

fn sbe_config() -> FeedConfig {
    FeedConfig { market_data: MarketData::Sbe { keys: SharedPair::new("thekey", "") }, ..config(&["BTCUSDT"]) }
}

/// Header, root block and what follows it, as the schema lays them out (§18.4).
fn frame(template: u16, root: &[u8], rest: &[u8]) -> Vec<u8> {
    let header = [root.len() as u16, template, 1, 0].map(u16::to_le_bytes).concat();
    [&header, root, rest, b"\x07BTCUSDT"].concat()
}

/// Numbers of the day, in 10^-2 of a price and 10^-3 of a quantity.
#[derive(Clone)]
enum Update {
    Quote { id: i64, numbers: [i64; 4] },
    Trades { ids: Vec<i64>, px: i64, qty: i64, buyer_is_maker: bool },
    Diff { ids: [i64; 2], bids: Vec<[i64; 2]>, asks: Vec<[i64; 2]> },
}

const TIME_US: i64 = 1_723_161_255_342_000;

fn text(value: i64, places: usize) -> String {
    let unit = 10i64.pow(places as u32);
    format!("{}.{:0places$}", value / unit, value % unit)
}

impl Update {
    fn binary(&self) -> Vec<u8> {
        let time = TIME_US.to_le_bytes();
        let exponents = [(-2i8).cast_unsigned(), (-3i8).cast_unsigned()];
        match self {
            Update::Quote { id, numbers } => {
                let numbers = numbers.map(i64::to_le_bytes).concat();
                frame(10_001, &[&time[..], &id.to_le_bytes(), &exponents, &numbers].concat(), &[])
            }
            Update::Trades { ids, px, qty, buyer_is_maker } => {
                let mut group = [&25u16.to_le_bytes()[..], &(ids.len() as u32).to_le_bytes()].concat();
                for id in ids {
                    group.extend([id, px, qty].map(|number| number.to_le_bytes()).concat());
                    group.push(u8::from(*buyer_is_maker));
                }
                frame(10_000, &[&time[..], &time, &exponents].concat(), &group)
            }
            Update::Diff { ids, bids, asks } => {
                let side = |levels: &[[i64; 2]]| {
                    let head = [16, levels.len() as u16].map(u16::to_le_bytes).concat();
                    let levels: Vec<u8> = levels.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
                    [head, levels].concat()
                };
                let root = [&time[..], &ids.map(i64::to_le_bytes).concat(), &exponents].concat();
                frame(10_003, &root, &[side(bids), side(asks)].concat())
            }
        }
    }

    fn texts(&self) -> Vec<String> {
        match self {
            Update::Quote { id, numbers: [bid, bid_qty, ask, ask_qty] } => vec![format!(
                "{{\"stream\":\"btcusdt@bookTicker\",\"data\":{{\"u\":{id},\"s\":\"BTCUSDT\",\"b\":\"{}\",\"B\":\"{}\",\"a\":\"{}\",\"A\":\"{}\"}}}}",
                text(*bid, 2), text(*bid_qty, 3), text(*ask, 2), text(*ask_qty, 3)
            )],
            Update::Trades { ids, px, qty, buyer_is_maker } => ids.iter().map(|id| format!(
                "{{\"stream\":\"btcusdt@trade\",\"data\":{{\"e\":\"trade\",\"E\":{0},\"s\":\"BTCUSDT\",\"t\":{id},\"p\":\"{1}\",\"q\":\"{2}\",\"T\":{0},\"m\":{buyer_is_maker},\"M\":true}}}}",
                TIME_US / 1_000, text(*px, 2), text(*qty, 3)
            )).collect(),
            Update::Diff { ids: [first, last], bids, asks } => {
                let side = |levels: &[[i64; 2]]| {
                    let levels: Vec<String> = levels.iter().map(|[px, qty]| format!("[\"{}\",\"{}\"]", text(*px, 2), text(*qty, 3))).collect();
                    levels.join(",")
                };
                vec![format!(
                    "{{\"stream\":\"btcusdt@depth@100ms\",\"data\":{{\"e\":\"depthUpdate\",\"E\":{},\"s\":\"BTCUSDT\",\"U\":{first},\"u\":{last},\"b\":[{}],\"a\":[{}]}}}}",
                    TIME_US / 1_000, side(bids), side(asks)
                )]
            }
        }
    }
}

/// A day with a gap in its book: held diffs, a snapshot, applied diffs, a lost one, another snapshot.
fn day() -> Vec<Update> {
    let diff = |first, last, bids: &[[i64; 2]], asks: &[[i64; 2]]| Update::Diff {
        ids: [first, last],
        bids: bids.to_vec(),
        asks: asks.to_vec(),
    };
    vec![
        Update::Quote { id: 99, numbers: [1_000, 5_000, 1_001, 7] },
        diff(99, 102, &[[999, 1_500]], &[]),
        Update::Trades { ids: vec![7, 8, 9], px: 1_001, qty: 3, buyer_is_maker: true },
        diff(103, 103, &[], &[[1_002, 0], [1_003, 12]]),
        Update::Quote { id: 103, numbers: [999, 1, 1_003, 12] },
        Update::Trades { ids: vec![10], px: 999, qty: 1, buyer_is_maker: false },
        diff(106, 109, &[[998, 3]], &[]),
        diff(110, 110, &[[998, 0]], &[[1_004, 1]]),
    ]
}

/// Plays the day into a feed; what reaches the core.
fn play(config: FeedConfig, send: impl Fn(&mut Rig, &Update)) -> (Vec<Body>, FeedCounts) {
    let mut rig = Rig::new(config, 1 << 16);
    rig.turn(1);
    for (at, update) in day().iter().enumerate() {
        send(&mut rig, update);
        rig.turn(1);
        if !rig.rest.waiting().is_empty() {
            rig.rest.answer(200, &[], &snapshot(100 + at as u64, &[("10", "1")], &[("11", "1")]));
        }
        rig.turn(1);
    }
    rig.turn(1_000);
    rig.rest.answer(200, &[], &snapshot(108, &[("9", "1")], &[("12", "1")]));
    rig.turn(10);
    let bodies = std::iter::from_fn(|| rig.rx.try_recv()).map(|input| input.body).collect();
    (bodies, rig.counts())
}

#[test]
fn a_day_in_binary_is_the_same_day_in_text() {
    let (binary, counted) = play(sbe_config(), |rig, update| {
        rig.server.as_mut().unwrap().send_binary(&update.binary()).unwrap();
    });
    let (text, _) = play(config(&["BTCUSDT"]), |rig, update| {
        for frame in update.texts() {
            rig.server.as_mut().unwrap().send_text(frame.as_bytes()).unwrap();
        }
    });
    // The text of a quote has no time of the venue.
    let timeless: Vec<Body> = binary
        .iter()
        .map(|body| match body {
            Body::Quote(quote) => {
                assert_eq!(quote.ts_event_ns, TIME_US * 1_000);
                Body::Quote(crate::domain::Quote { ts_event_ns: 0, ..*quote })
            }
            other => *other,
        })
        .collect();
    assert_eq!(timeless, text);
    let live = text.iter().filter(|body| matches!(body, Body::Feed { state: FeedState::Live, .. })).count();
    let gaps = text.iter().filter(|body| matches!(body, Body::Feed { state: FeedState::Gap, .. })).count();
    assert_eq!((live, gaps, text.iter().filter(|body| matches!(body, Body::Trade(_))).count()), (2, 2, 4));
    assert_eq!((counted.trades, counted.trades_more, counted.binary), (2, 2, 0));
}

#[test]
fn binary_streams_are_asked_for_with_the_key() {
    let mut rig = Rig::new(sbe_config(), 64);
    rig.feed.do_work(rig.clock.now());
    let mut stream = rig.listener.accept().unwrap().unwrap();
    rig.clock.set(rig.clock.now() + MS);
    rig.feed.do_work(rig.clock.now());
    let mut bytes = [0; 4096];
    let n = stream.read(&mut bytes).unwrap();
    let request = String::from_utf8_lossy(&bytes[..n]).into_owned();
    let want = "GET /stream?streams=btcusdt@bestBidAsk/btcusdt@trade/btcusdt@depth HTTP/1.1\r\n";
    assert!(request.starts_with(want), "{request}");
    assert!(request.contains("\r\nX-MBX-APIKEY: thekey\r\n"), "{request}");
    assert!(!format!("{:?}", sbe_config()).contains("thekey"), "a key in a log");
}

#[test]
fn bad_binary_frames_doubt_only_what_they_may_have_changed() {
    let mut rig = Rig::new(sbe_config(), 1 << 16);
    rig.turn(1);
    let send = |rig: &mut Rig, bytes: &[u8]| {
        rig.server.as_mut().unwrap().send_binary(bytes).unwrap();
        rig.turn(1);
    };
    let diff = |id| Update::Diff { ids: [id, id], bids: vec![[1, 1]], asks: vec![] }.binary();
    send(&mut rig, &diff(101));
    rig.turn(1);
    rig.rest.answer(200, &[], &snapshot(101, &[], &[]));
    rig.turn(1);
    assert_eq!(rig.events(), ["0 gap", "0 snapshot 101 0+0", "0 live"]);
    // A quote cut short, a snapshot nobody asked for, and a book that is not ours.
    let quote = Update::Quote { id: 1, numbers: [1; 4] }.binary();
    send(&mut rig, &quote[..quote.len() - 9]);
    let mut other = diff(7);
    other.splice(2..4, 10_002u16.to_le_bytes());
    send(&mut rig, &other);
    let mut foreign = diff(7);
    let end = foreign.len();
    foreign[end - 1] = b'C';
    send(&mut rig, &foreign);
    // Control answers and the end's announcement are text here too.
    rig.send(&["{\"result\":null,\"id\":1}"]);
    assert_eq!(rig.events(), [""; 0]);
    // A price below zero in a diff of ours; and one of which nothing is known.
    let mut negative = diff(102);
    let at = 8 + 26 + 4 + 7;
    negative[at] = 0xff;
    send(&mut rig, &negative);
    assert_eq!(rig.events(), ["0 gap"]);
    rig.turn(600);
    rig.rest.answer(200, &[], &snapshot(102, &[], &[]));
    rig.turn(1);
    assert_eq!(rig.events(), ["0 snapshot 102 0+0", "0 live"]);
    send(&mut rig, b"\x01");
    assert_eq!(rig.events(), ["0 gap"]);
    assert_eq!((rig.counts().errors.iter().sum::<u64>(), rig.counts().control), (5, 1));
}
