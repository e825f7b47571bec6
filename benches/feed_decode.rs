//! What decoding one market frame costs: bytes of a combined-stream frame to a domain value, buffers warm.
//! Left out: the socket, WebSocket framing, and the hand-over to the core. Beside each stands simd-json with kept
//! buffers into typed fields, and the same number parsing, as the yardstick in the same run.
//!
//! `minute_json` and `minute_sbe` decode one recorded minute (quotes, trades, depth of BTCUSDT, 2024-08-08), as it came
//! in text and as the venue would have sent it in binary: the time is that of the whole minute, per frame in the
//! throughput. The recording stands in `../shared`; without it they are left out.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use std::hint::black_box;
use std::io::Read;
use tollgate::domain::{InstrumentId, Side, decimal};
use tollgate::venues::binance::{Market, MarketDecoder, SbeDecoder, SymbolTable};

const QUOTE: &str = r#"{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}"#;
const TRADE: &str = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}"#;

/// A depth update with `n` levels a side.
fn depth(n: usize) -> String {
    let levels = |from: usize, step: i64| {
        let levels: Vec<String> = (0..n)
            .map(|i| {
                let px = from as i64 + step * i as i64;
                format!("[\"{}.{:02}000000\",\"{}.{:05}000\"]", px / 100, px % 100, i % 3, 54_698 + i)
            })
            .collect();
        levels.join(",")
    };
    format!(
        "{{\"stream\":\"btcusdt@depth@100ms\",\"data\":{{\"e\":\"depthUpdate\",\"E\":1723161255208,\"s\":\"BTCUSDT\",\"U\":50093239189,\"u\":50093239202,\"b\":[{}],\"a\":[{}]}}}}",
        levels(6_183_763, -1),
        levels(6_183_764, 1)
    )
}

/// Header and root block of a binary frame (schema 1, version 0).
fn sbe_frame(template: u16, root: &[u8]) -> Vec<u8> {
    let head = [root.len() as u16, template, 1, 0];
    head.iter().flat_map(|word| word.to_le_bytes()).chain(root.iter().copied()).collect()
}

/// `QUOTE` as `bestBidAsk`: prices with two decimals, quantities with five.
fn sbe_quote() -> Vec<u8> {
    let mut root = Vec::new();
    root.extend(1_723_161_255_343_000i64.to_le_bytes());
    root.extend(50_093_239_212i64.to_le_bytes());
    root.extend([(-2i8).to_le_bytes()[0], (-5i8).to_le_bytes()[0]]);
    root.extend([6_183_763i64, 378_826, 6_183_764, 154_698].iter().flat_map(|number| number.to_le_bytes()));
    let mut frame = sbe_frame(10_001, &root);
    frame.extend(b"\x07BTCUSDT");
    frame
}

/// A diff with `n` levels a side.
fn sbe_depth(n: u16) -> Vec<u8> {
    let mut root = Vec::new();
    root.extend([1_723_161_255_208_000i64, 50_093_239_189, 50_093_239_202].iter().flat_map(|id| id.to_le_bytes()));
    root.extend([(-2i8).to_le_bytes()[0], (-5i8).to_le_bytes()[0]]);
    let mut frame = sbe_frame(10_003, &root);
    for step in [-1, 1] {
        frame.extend(16u16.to_le_bytes());
        frame.extend(n.to_le_bytes());
        for level in 0..i64::from(n) {
            frame.extend((6_183_763 + step * level).to_le_bytes());
            frame.extend((154_698 + level).to_le_bytes());
        }
    }
    frame.extend(b"\x07BTCUSDT");
    frame
}

/// The first minute of a recording: its frames in text.
fn minute() -> Option<Vec<Vec<u8>>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures/binance/recorded/hft_2024-08-08_btcusdt.gz");
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).ok()?).read_to_string(&mut text).ok()?;
    let lines: Vec<(i64, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, frame)| frame.contains("\"stream\""))
        .filter_map(|(at, frame)| Some((at.parse().ok()?, frame)))
        .collect();
    let from = lines.first()?.0;
    let within = lines.iter().take_while(|(at, _)| at - from < 60_000_000_000);
    Some(within.map(|(_, frame)| frame.as_bytes().to_vec()).collect())
}

/// A frame of `minute` in binary, all numbers with eight decimals.
fn in_binary(decoder: &mut MarketDecoder, frame: &[u8]) -> Option<Vec<u8>> {
    const EIGHT: [u8; 2] = [(-8i8).cast_unsigned(); 2];
    let words = |numbers: &[i64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let us = |ns: i64| ns / 1_000;
    let id = |id: u64| id as i64;
    let mut out = match decoder.decode(frame).ok()? {
        Market::Quote(q) => {
            let numbers = words(&[q.bid_px.0, q.bid_qty.0, q.ask_px.0, q.ask_qty.0]);
            sbe_frame(10_001, &[words(&[1_723_161_255_343_000, id(q.update_id)]), EIGHT.to_vec(), numbers].concat())
        }
        Market::Trade(t) => {
            let time = us(t.ts_event_ns);
            let mut out = sbe_frame(10_000, &[words(&[time, time]), EIGHT.to_vec()].concat());
            out.extend(25u16.to_le_bytes());
            out.extend(1u32.to_le_bytes());
            out.extend(words(&[id(t.trade_id.lo), t.px.0, t.qty.0]));
            out.push(u8::from(t.aggressor == Side::Sell));
            out
        }
        Market::Depth => {
            let depth = decoder.depth();
            let root = words(&[us(depth.ts_event_ns), id(depth.first_id), id(depth.last_id)]);
            let mut out = sbe_frame(10_003, &[root, EIGHT.to_vec()].concat());
            for side in [&depth.bids, &depth.asks] {
                out.extend(16u16.to_le_bytes());
                out.extend((side.len() as u16).to_le_bytes());
                side.iter().for_each(|level| out.extend(words(&[level.px.0, level.qty.0])));
            }
            out
        }
        _ => return None,
    };
    out.extend(b"\x07BTCUSDT");
    Some(out)
}

#[derive(Deserialize)]
struct Combined<T> {
    data: T,
}

#[derive(Deserialize)]
struct QuoteJson<'a> {
    u: u64,
    s: &'a str,
    b: &'a str,
    #[serde(rename = "B")]
    bid_qty: &'a str,
    a: &'a str,
    #[serde(rename = "A")]
    ask_qty: &'a str,
}

#[derive(Deserialize)]
struct TradeJson<'a> {
    s: &'a str,
    t: u64,
    p: &'a str,
    q: &'a str,
    #[serde(rename = "T")]
    time: u64,
    m: bool,
}

#[derive(Deserialize)]
struct DepthJson<'a> {
    #[serde(rename = "E")]
    time: u64,
    s: &'a str,
    #[serde(rename = "U")]
    first: u64,
    u: u64,
    #[serde(borrow)]
    b: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    a: Vec<[&'a str; 2]>,
}

fn fixed(text: &str) -> i64 {
    decimal::parse(text.as_bytes(), 8).unwrap_or_default()
}

fn benches(c: &mut Criterion) {
    let symbols = ["ETHUSDT", "BTCUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "TRXUSDT", "DOTUSDT", "ADAUSDT"];
    let table = || SymbolTable::new(symbols.iter().enumerate().map(|(i, s)| (InstrumentId(i as u16), *s))).unwrap();
    let mut group = c.benchmark_group("feed_decode");
    let (depth10, depth20) = (depth(10), depth(20));
    for (name, frame) in [("bookTicker", QUOTE), ("trade", TRADE), ("depth_10_10", &depth10), ("depth_20_20", &depth20)]
    {
        let mut decoder = MarketDecoder::new(table());
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(name, |b| b.iter(|| decoder.decode(black_box(frame.as_bytes()))));
    }
    for (name, frame) in [("sbe_bestBidAsk", sbe_quote()), ("sbe_depth_10_10", sbe_depth(10))] {
        let mut decoder = SbeDecoder::new(table());
        assert!(decoder.decode(&frame).is_ok());
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(name, |b| b.iter(|| decoder.decode(black_box(&frame))));
    }
    if let Some(text) = minute() {
        let (mut json, mut sbe) = (MarketDecoder::new(table()), SbeDecoder::new(table()));
        let binary: Vec<Vec<u8>> = text.iter().filter_map(|frame| in_binary(&mut json, frame)).collect();
        assert_eq!(binary.len(), text.len(), "every frame of the minute is one that is decoded");
        let bytes = |frames: &[Vec<u8>]| frames.iter().map(Vec::len).sum::<usize>();
        eprintln!("the minute: {} frames, {} bytes in text, {} in binary", text.len(), bytes(&text), bytes(&binary));
        group.throughput(Throughput::Elements(text.len() as u64));
        let good = |frames: &[Vec<u8>], decode: &mut dyn FnMut(&[u8]) -> bool| frames.iter().all(|frame| decode(frame));
        assert!(good(&text, &mut |frame| json.decode(frame).is_ok()));
        assert!(good(&binary, &mut |frame| sbe.decode(frame).is_ok()));
        group.bench_function("minute_json", |b| {
            b.iter(|| text.iter().filter(|frame| json.decode(black_box(frame)).is_ok()).count())
        });
        group.bench_function("minute_sbe", |b| {
            b.iter(|| binary.iter().filter(|frame| sbe.decode(black_box(frame)).is_ok()).count())
        });
    } else {
        eprintln!("the recording is absent: the minute is not measured");
    }
    let mut buffers = simd_json::Buffers::new(4096);
    let mut text = Vec::with_capacity(4096);
    group.bench_function("bookTicker_simd_json", |b| {
        b.iter(|| {
            text.clear();
            text.extend_from_slice(black_box(QUOTE.as_bytes()));
            let frame: Combined<QuoteJson> =
                simd_json::serde::from_slice_with_buffers(&mut text, &mut buffers).unwrap();
            let q = frame.data;
            (q.u, q.s.len(), fixed(q.b), fixed(q.bid_qty), fixed(q.a), fixed(q.ask_qty))
        })
    });
    group.bench_function("trade_simd_json", |b| {
        b.iter(|| {
            text.clear();
            text.extend_from_slice(black_box(TRADE.as_bytes()));
            let frame: Combined<TradeJson> =
                simd_json::serde::from_slice_with_buffers(&mut text, &mut buffers).unwrap();
            let t = frame.data;
            (t.s.len(), t.t, fixed(t.p), fixed(t.q), t.time, t.m)
        })
    });
    for (name, frame) in [("depth_10_10_simd_json", &depth10), ("depth_20_20_simd_json", &depth20)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                text.clear();
                text.extend_from_slice(black_box(frame.as_bytes()));
                let frame: Combined<DepthJson> =
                    simd_json::serde::from_slice_with_buffers(&mut text, &mut buffers).unwrap();
                let d = frame.data;
                let sum: i64 = d.b.iter().chain(&d.a).map(|[px, qty]| fixed(px) ^ fixed(qty)).sum();
                (d.time, d.s.len(), d.first, d.u, sum)
            })
        });
    }
    group.finish();
}

criterion_group!(group, benches);
criterion_main!(group);
