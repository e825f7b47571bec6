//! From the bytes of a bookTicker frame to the bytes of a signed order, without sockets.
//!
//! - `approved`: frame bytes decoded, taken by the core, an order through every rule.
//! - `signed`: and the order encoded and signed (HMAC-SHA256), ready to be framed.
//! - `signed_journaled`: and event and decisions in the journal before the order is encoded, as the engine does it.
//! - `across_threads`: `signed`, the frame decoded on one thread, core and encoding on another, joined by the engine's
//!   own links, both spinning: one hop there. The time is taken from before the decode to after the signature, on the
//!   two threads' common counter.
//!
//! Left out: WebSocket framing and masking (51-60 ns with tungstenite, `latency.md`), TLS, sockets. One call at a time
//! between two reads of the counter (9 ns each, included); the order is rejected again outside the timed part.

mod common;

use common::{BTC, Bench, E8};
use criterion::{Criterion, criterion_group, criterion_main};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tollgate::core::config::{StrategyConfig, StrategyKind};
use tollgate::core::effect::EffectOf;
use tollgate::core::event::{Body, Event, Input};
use tollgate::domain::*;
use tollgate::journal::{Journal, JournalConfig};
use tollgate::net::link::{Wake, link};
use tollgate::venues::binance::market::{Market, MarketDecoder};
use tollgate::venues::binance::request::{MAX_REQUEST_LEN, RequestBuilder};
use tollgate::venues::binance::sign::Signer;
use tollgate::venues::binance::symbols::SymbolTable;

const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
const NOW_MS: i64 = 1_723_161_255_208;

/// Sixteen frames whose prices differ.
fn frames() -> Vec<Vec<u8>> {
    (0..16)
        .map(|n| {
            let frame = format!(
                "{{\"stream\":\"btcusdt@bookTicker\",\"data\":{{\"u\":{},\"s\":\"BTCUSDT\",\"b\":\"60000.{:02}000000\",\
                 \"B\":\"3.78826000\",\"a\":\"60000.{:02}000000\",\"A\":\"1.54698000\"}}}}",
                50_093_239_212u64 + n,
                n + 10,
                n + 11,
            );
            frame.into_bytes()
        })
        .collect()
}

struct Line {
    bench: Bench,
    decoder: MarketDecoder,
    builder: RequestBuilder,
    out: Vec<u8>,
    frames: Vec<Vec<u8>>,
    next: usize,
}

impl Line {
    fn new() -> Line {
        let mut bench = Bench::new();
        let kind = StrategyKind::Probe { every: 1, qty: Qty(E8 / 1_000) };
        bench.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: BTC, kind }));
        let symbols = SymbolTable::new([(BTC, "BTCUSDT")]).expect("one symbol fits");
        Line {
            bench,
            decoder: MarketDecoder::new(symbols),
            builder: RequestBuilder::new(KEY, &Signer::hmac(SECRET.as_bytes()), 7, 5_000)
                .expect("the key is well formed"),
            out: Vec::with_capacity(MAX_REQUEST_LEN),
            frames: frames(),
            next: 0,
        }
    }

    #[inline]
    fn decode(&mut self) -> Body {
        self.next = (self.next + 1) % self.frames.len();
        match self.decoder.decode(&self.frames[self.next]) {
            Ok(Market::Quote(quote)) => Body::Quote(quote),
            other => panic!("a quote was wanted, not {other:?}"),
        }
    }

    #[inline]
    fn decide(&mut self, body: Body) -> Event {
        let event = self.bench.event(body);
        self.bench.out.clear();
        self.bench.core.on_event(&event, &mut self.bench.out);
        event
    }

    #[inline]
    fn sign(&mut self) {
        self.out.clear();
        if let Some(EffectOf::Place(order)) = self.bench.out.effects().first() {
            self.builder.place(&mut self.out, order.get(), "BTCUSDT", NOW_MS).expect("the order is well formed");
        }
    }

    fn reject(&mut self) {
        let order = self.bench.placed();
        self.bench.reject(order);
    }

    fn timed(&mut self, n: u64, mut work: impl FnMut(&mut Line)) -> Duration {
        let clock = quanta::Clock::new();
        let mut total = 0;
        for _ in 0..n {
            let start = clock.raw();
            work(self);
            total += clock.delta_as_nanos(start, clock.raw());
            self.reject();
        }
        Duration::from_nanos(total)
    }
}

fn across_threads(n: u64) -> Duration {
    let (wake, back) = (Wake::default(), Wake::default());
    let (quotes, taken) = link::<Input>(64, &wake);
    let (done_tx, done) = link::<u64>(64, &back);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let engine = std::thread::spawn(move || {
        let clock = quanta::Clock::new();
        let mut line = Line::new();
        while !stopped.load(Ordering::Relaxed) {
            let Some(input) = taken.try_recv() else { continue };
            line.decide(input.body);
            line.sign();
            let signed = clock.raw();
            line.reject();
            done_tx.try_send(signed).expect("one is under way at a time");
        }
    });
    let clock = quanta::Clock::new();
    let mut line = Line::new();
    let mut total = 0;
    for _ in 0..n {
        let start = clock.raw();
        let body = line.decode();
        quotes.try_send(Input::new(body)).expect("one is under way at a time");
        let signed = loop {
            if let Some(signed) = done.try_recv() {
                break signed;
            }
        };
        total += clock.delta_as_nanos(start, signed);
    }
    stop.store(true, Ordering::Relaxed);
    engine.join().expect("the engine's thread does not panic");
    Duration::from_nanos(total)
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("quote_to_order");
    let mut line = Line::new();
    group.bench_function("approved", |b| {
        b.iter_custom(|n| {
            line.timed(n, |line| {
                let body = line.decode();
                line.decide(body);
            })
        })
    });
    group.bench_function("signed", |b| {
        b.iter_custom(|n| {
            line.timed(n, |line| {
                let body = line.decode();
                line.decide(body);
                line.sign();
            })
        })
    });
    group.bench_function("signed_journaled", |b| {
        b.iter_custom(|n| {
            // A journal of this run alone, its sequence the core's: a record an order, the rejects left out.
            let dir = tempfile::tempdir().expect("a folder for the journal");
            let config = JournalConfig { segment_bytes: 512 << 20, ..JournalConfig::default() };
            let (mut journal, _flusher, _) = Journal::open(dir.path(), config).expect("a journal");
            let mut seq = 0;
            line.timed(n, |line| {
                let body = line.decode();
                let event = line.decide(body);
                seq += 1;
                let recorded = Event { seq, ..event };
                journal.append(&recorded, event.ts_ns, line.bench.out.effects()).expect("the segment has room");
                line.sign();
            })
        })
    });
    group.bench_function("across_threads", |b| b.iter_custom(across_threads));
    group.finish();
}

criterion_group!(quote_to_order, benches);
criterion_main!(quote_to_order);
