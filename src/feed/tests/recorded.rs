//! Recorded days, through decoder and synchronisation, and through the whole agent, against the recordings' oracles.

use super::*;
use crate::feed::book_sync::{BookSync, OnSnapshot, OnUpdate, UpdateHead};
use crate::venues::binance::snapshot::{Snapshot, SnapshotDecoder};
use crate::venues::binance::testing::{CRYPTOFEED, HFT, Recorded, fixture, recording, symbols_of};
use crate::venues::binance::{DecodeError, Market};

/// One instrument's book and the quotes that were seen.
#[derive(Default)]
struct Seen {
    sync: BookSync,
    book: PlainBook,
    whole: bool,
    quotes: BTreeMap<u64, [(i64, i64); 2]>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    quotes: u64,
    trades: u64,
    depth: u64,
    stale: u64,
    gaps: u64,
    applied: u64,
    comparisons: u64,
    other: u64,
}

impl Seen {
    fn apply(&mut self, id: u64, bids: &[Level], asks: &[Level], tally: &mut Tally, shown: &str) {
        self.book.set(Side::Buy, bids);
        self.book.set(Side::Sell, asks);
        self.book.id = id;
        tally.applied += 1;
        if let Some((quote_id, quote)) = self.quotes.range(..=id).next_back() {
            tally.comparisons += 1;
            assert_eq!(self.book.top(), Some(*quote), "{shown}: book at {id}, quote {quote_id}");
        }
    }
}

/// Plays a recording through decoder and synchronisation into the plainest books.
fn play(name: &str, lines: &[Recorded]) -> (Tally, Vec<(String, Seen)>) {
    let symbols = symbols_of(lines);
    let ids = symbols.iter().enumerate().map(|(i, s)| (InstrumentId(i as u16), s.as_str()));
    let mut decoder = MarketDecoder::new(SymbolTable::new(ids).unwrap());
    let mut seen: Vec<Seen> = symbols.iter().map(|_| Seen::default()).collect();
    let mut tally = Tally::default();
    for line in lines {
        if let Some(symbol) = &line.snapshot_of {
            let slot = symbols.iter().position(|known| known == symbol).unwrap();
            let mut snapshot = Snapshot::new();
            SnapshotDecoder::new().decode(&line.text, &mut snapshot).unwrap();
            let seen = &mut seen[slot];
            if let OnSnapshot::Use { stale } = seen.sync.on_snapshot(snapshot.last_id) {
                tally.stale += stale;
                seen.book.clear();
                seen.book.set(Side::Buy, &snapshot.bids);
                seen.book.set(Side::Sell, &snapshot.asks);
                seen.book.id = snapshot.last_id;
                seen.whole = true;
                while let Some((head, bids, asks)) = seen.sync.front() {
                    let (bids, asks) = (bids.to_vec(), asks.to_vec());
                    seen.sync.pop();
                    seen.apply(head.last_id, &bids, &asks, &mut tally, name);
                }
            }
            continue;
        }
        match decoder.decode(&line.text) {
            Ok(Market::Quote(quote)) => {
                tally.quotes += 1;
                let top = [(quote.bid_px.0, quote.bid_qty.0), (quote.ask_px.0, quote.ask_qty.0)];
                seen[quote.instrument.index()].quotes.insert(quote.update_id, top);
            }
            Ok(Market::Trade(_)) => tally.trades += 1,
            Ok(Market::Depth) => {
                tally.depth += 1;
                let update = decoder.depth();
                let seen = &mut seen[update.instrument.index()];
                let head =
                    UpdateHead { first_id: update.first_id, last_id: update.last_id, ts_event_ns: update.ts_event_ns };
                match seen.sync.on_update(head, &update.bids, &update.asks, false) {
                    OnUpdate::Apply => seen.apply(update.last_id, &update.bids, &update.asks, &mut tally, name),
                    OnUpdate::Held => {}
                    OnUpdate::Stale => tally.stale += 1,
                    OnUpdate::Gap | OnUpdate::Overflow | OnUpdate::Ahead => tally.gaps += 1,
                }
            }
            Err(DecodeError::UnknownType) => tally.other += 1,
            other => panic!("{name}: {other:?}"),
        }
    }
    (tally, symbols.into_iter().zip(seen).collect())
}

fn fixed(text: &serde_json::Value) -> i64 {
    crate::domain::decimal::parse(text.as_str().unwrap().as_bytes(), 8).unwrap()
}

/// Compares a book with what `expected_books.json` says of it.
fn check_book(book: &PlainBook, want: &serde_json::Value, shown: &str) {
    assert_eq!(Some(book.id), want["lastUpdateId"].as_u64(), "{shown}");
    let top = |levels: &serde_json::Value| -> Vec<(i64, i64)> {
        levels.as_array().unwrap().iter().map(|level| (fixed(&level[0]), fixed(&level[1]))).collect()
    };
    let bids: Vec<(i64, i64)> = book.bids.iter().rev().take(5).map(|(px, qty)| (*px, *qty)).collect();
    let asks: Vec<(i64, i64)> = book.asks.iter().take(5).map(|(px, qty)| (*px, *qty)).collect();
    assert_eq!(bids, top(&want["bids_top5"]), "{shown}");
    assert_eq!(asks, top(&want["asks_top5"]), "{shown}");
    let sizes = (Some(book.bids.len() as u64), Some(book.asks.len() as u64));
    assert_eq!(sizes, (want["bid_levels"].as_u64(), want["ask_levels"].as_u64()), "{shown}");
}

#[test]
fn recorded_books_equal_the_recorded_quotes_and_end_as_expected() {
    let Some(text) = fixture("recorded/expected_books.json") else { return };
    let expected: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let (mut comparisons, mut applied, mut stale) = (0, 0, 0);
    for name in CRYPTOFEED {
        let lines = recording(name).unwrap();
        let (tally, books) = play(name, &lines);
        let want = &expected[name];
        let count = |kind: &str| want["message_counts"][kind].as_u64().unwrap_or(0);
        assert_eq!(
            (tally.quotes, tally.depth, tally.trades),
            (count("bookTicker"), count("depth@100ms"), count("aggTrade"))
        );
        assert_eq!((tally.applied, tally.stale, tally.gaps), (count("applied"), count("ignored_old"), 0), "{name}");
        let frames = lines.iter().filter(|line| line.snapshot_of.is_none()).count() as u64;
        assert_eq!(frames, tally.quotes + tally.trades + tally.depth + tally.other, "{name}: every frame is counted");
        for (symbol, book) in want["final_books"].as_object().unwrap() {
            let (_, seen) = books.iter().find(|(known, _)| known == symbol).unwrap();
            assert!(seen.whole);
            check_book(&seen.book, book, &format!("{name} {symbol}"));
        }
        comparisons += tally.comparisons;
        applied += tally.applied;
        stale += tally.stale;
    }
    assert_eq!((applied, stale, comparisons), (8_588, 146, 5_882));
}

#[test]
fn the_books_of_the_main_recording_equal_its_quotes_after_every_diff() {
    for ((name, _), (depth, comparisons_min)) in HFT.into_iter().zip([(3_451, 3_400), (3_434, 3_400)]) {
        let Some(lines) = recording(name) else { return };
        let (tally, books) = play(name, &lines);
        assert_eq!((tally.depth, tally.gaps, tally.other), (depth, 0, 0), "{name}");
        assert_eq!(tally.applied + tally.stale, depth, "{name}");
        assert!(tally.comparisons >= comparisons_min, "{name}: {} comparisons", tally.comparisons);
        assert!(books[0].1.sync.is_live());
    }
}

#[test]
fn the_agent_accounts_for_every_recorded_frame_and_makes_the_same_books() {
    for name in ["cryptofeed_2021-04-05_10symbols.jsonl", HFT[0].0] {
        let Some(lines) = recording(name) else { return };
        let (tally, want) = play(name, &lines);
        let symbols = symbols_of(&lines);
        let mut rig = Rig::open(&symbols.iter().map(String::as_str).collect::<Vec<_>>());
        let mut snapshots: BTreeMap<&str, &[u8]> = BTreeMap::new();
        let mut books: Vec<PlainBook> = symbols.iter().map(|_| PlainBook::default()).collect();
        for line in &lines {
            match &line.snapshot_of {
                Some(symbol) => {
                    snapshots.insert(symbol, &line.text);
                }
                None => rig.server.as_mut().unwrap().send_text(&line.text).unwrap(),
            }
            answer(&rig, &snapshots);
            rig.turn(1);
            take(&mut rig, &mut books);
        }
        for _ in 0..100 {
            answer(&rig, &snapshots);
            rig.turn(1);
            take(&mut rig, &mut books);
        }
        let counts = rig.counts();
        assert_eq!((counts.quotes, counts.trades), (tally.quotes, tally.trades));
        assert_eq!(counts.depth_held + counts.depth_applied + counts.depth_stale, tally.depth);
        assert_eq!((counts.depth_gaps, counts.resyncs, counts.conflated, counts.trades_dropped), (0, 0, 0, 0));
        for (book, (symbol, want)) in books.iter().zip(&want) {
            assert_eq!(book.id, want.book.id, "{symbol}");
            assert_eq!((&book.bids, &book.asks), (&want.book.bids, &want.book.asks), "{symbol}");
        }
    }
}

/// Answers the request that waits, as soon as its snapshot has been recorded.
fn answer(rig: &Rig, snapshots: &BTreeMap<&str, &[u8]>) {
    for url in rig.rest.waiting() {
        let symbol = url.split_once("symbol=").unwrap().1.split('&').next().unwrap();
        if let Some(body) = snapshots.get(symbol) {
            rig.rest.answer(200, &[], std::str::from_utf8(body).unwrap());
        }
    }
}

/// Applies what the core would get.
fn take(rig: &mut Rig, books: &mut [PlainBook]) {
    while let Some(input) = rig.rx.try_recv() {
        match input.body {
            Body::Depth(chunk) => {
                let book = &mut books[chunk.instrument.index()];
                if chunk.kind == crate::domain::DepthKind::Snapshot && chunk.first {
                    book.clear();
                }
                book.set(Side::Buy, chunk.bids());
                book.set(Side::Sell, chunk.asks());
                if chunk.last {
                    book.id = chunk.update_id;
                }
            }
            Body::Feed { state, .. } => assert_eq!(state, FeedState::Live),
            Body::Quote(_) | Body::Trade(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
