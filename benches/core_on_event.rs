//! What one event costs the core.
//!
//! - `quote`: a quote for an instrument with a position, no strategy wants anything.
//! - `quote_to_order`: the same quote, on which a strategy sends an order through every rule.
//! - `gate`: an order held against every rule and let through, nothing made of it (`validate-order`).
//! - `approved` / `denied`: a command to place, through every rule, and one that the last growth rule but two denies.
//! - `depth_10_10`: a depth update of two chunks into a book of 1,000 levels a side.
//!
//! Before those, the percentiles of single calls with every rule on, in-cache, on 64 instruments that are sampled for
//! correlation: with one order open, and with a thousand. The cost of the two readings of the clock (their median,
//! named in the first line) is taken off each.
//!
//! Left out: journal, channels, stamps. One timed call each, between two reads of the time stamp counter (9 ns each,
//! included); orders are taken off the table again outside the timed part.

mod common;

use common::{BTC, Bench, E8};
use criterion::{Criterion, criterion_group};
use hdrhistogram::Histogram;
use std::time::Duration;
use tollgate::core::command::{Action, Command, PlaceOrder};
use tollgate::core::config::{StrategyConfig, StrategyKind};
use tollgate::core::event::{Body, Event};
use tollgate::domain::*;

/// Times `body` alone, `after` runs untimed.
fn timed(bench: &mut Bench, n: u64, body: impl Fn(&mut Bench) -> Body, after: impl Fn(&mut Bench)) -> Duration {
    let clock = quanta::Clock::new();
    let mut total = 0;
    for _ in 0..n {
        let body = body(bench);
        let event = bench.event(body);
        bench.out.clear();
        let start = clock.raw();
        bench.core.on_event(&event, &mut bench.out);
        total += clock.delta_as_nanos(start, clock.raw());
        after(bench);
    }
    Duration::from_nanos(total)
}

fn validate_body(qty: i64) -> Body {
    let order = PlaceOrder { instrument: BTC, qty: Qty(qty), ..PlaceOrder::default() };
    Body::Command(Command {
        request: RequestId(1),
        who: Text::new("bench"),
        from: Text::default(),
        why: Text::default(),
        action: Action::Validate(order),
    })
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("core_on_event");
    let mut bench = Bench::new();
    group.bench_function("quote", |b| b.iter_custom(|n| timed(&mut bench, n, Bench::quote_body, |_| {})));

    let mut bench = Bench::new();
    group.bench_function("approved", |b| {
        b.iter_custom(|n| {
            bench.quote();
            timed(
                &mut bench,
                n,
                |_| Bench::place_body(E8 / 100),
                |bench| {
                    let order = bench.placed();
                    bench.reject(order);
                    bench.quote();
                },
            )
        })
    });

    let mut bench = Bench::new();
    group.bench_function("gate", |b| {
        b.iter_custom(|n| {
            bench.quote();
            timed(&mut bench, n, |_| validate_body(E8 / 100), Bench::quote)
        })
    });

    let mut bench = Bench::new();
    group.bench_function("denied", |b| {
        b.iter_custom(|n| {
            bench.quote();
            // 0.08 more would be 5,400 of position and above no limit but the order's own, a cent beyond it.
            timed(&mut bench, n, |_| Bench::place_body(E8 / 100 * 9), Bench::quote)
        })
    });

    let mut bench = Bench::new();
    let kind = StrategyKind::Probe { every: 1, qty: Qty(E8 / 1_000) };
    bench.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: BTC, kind }));
    group.bench_function("quote_to_order", |b| {
        b.iter_custom(|n| {
            timed(&mut bench, n, Bench::quote_body, |bench| {
                let order = bench.placed();
                bench.reject(order);
            })
        })
    });

    let mut bench = Bench::new();
    fill_book(&mut bench);
    group.bench_function("depth_10_10", |b| {
        b.iter_custom(|n| {
            let clock = quanta::Clock::new();
            let mut total = 0;
            for i in 0..n as i64 {
                let chunks = depth_update(i);
                let events = chunks.map(|chunk| {
                    let body = Body::Depth(chunk);
                    bench.event(body)
                });
                let start = clock.raw();
                for (at, event) in events.iter().enumerate() {
                    let event = Event { seq: event.seq + at as u64, ..*event };
                    bench.core.on_event(&event, &mut bench.out);
                }
                total += clock.delta_as_nanos(start, clock.raw());
            }
            Duration::from_nanos(total)
        })
    });
    group.finish();
}

fn level(px: i64, qty: i64) -> Level {
    Level { px: Price(px * E8 / 100), qty: Qty(qty) }
}

fn fill_book(bench: &mut Bench) {
    for start in (0..1_000).step_by(6) {
        let mut chunk = DepthChunk {
            instrument: BTC,
            kind: DepthKind::Snapshot,
            first: start == 0,
            last: start + 6 >= 1_000,
            bids: 6,
            asks: 6,
            update_id: 1,
            ..DepthChunk::default()
        };
        for i in 0..6 {
            chunk.levels[i as usize] = level(6_000_000 - 2 * (start + i), E8);
            chunk.levels[6 + i as usize] = level(6_000_001 + 2 * (start + i), E8);
        }
        bench.step(Body::Depth(chunk));
    }
}

/// Ten levels a side within the first fifty: changes, a removal, and what was removed before.
fn depth_update(i: i64) -> [DepthChunk; 2] {
    let mut chunks = [DepthChunk { instrument: BTC, kind: DepthKind::Delta, ..DepthChunk::default() }; 2];
    for (at, chunk) in chunks.iter_mut().enumerate() {
        chunk.first = at == 0;
        chunk.last = at == 1;
        chunk.update_id = i as u64 + 2;
        chunk.bids = if at == 0 { 10 } else { 0 };
        chunk.asks = if at == 0 { 0 } else { 10 };
        for (n, slot) in chunk.levels[..10].iter_mut().enumerate() {
            let step = (n as i64 * 7 + i) % 50;
            let qty = if n % 5 == 0 { (i & 1) * E8 } else { E8 + i };
            *slot = if at == 0 { level(6_000_000 - 2 * step, qty) } else { level(6_000_001 + 2 * step, qty) };
        }
    }
    chunks
}

criterion_group!(core_on_event, benches);
/// Single calls measured for one line of percentiles.
const CALLS: u64 = 1_000_000;

fn measure(name: &str, bench: &mut Bench, floor: u64, body: impl Fn(&mut Bench) -> Body, after: impl Fn(&mut Bench)) {
    let clock = quanta::Clock::new();
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 1_000_000_000, 3).unwrap();
    for n in 0..CALLS + CALLS / 10 {
        let body = body(bench);
        let event = bench.event(body);
        bench.out.clear();
        let start = clock.raw();
        bench.core.on_event(&event, &mut bench.out);
        let took = clock.delta_as_nanos(start, clock.raw());
        // The first tenth warms up.
        if n >= CALLS / 10 {
            histogram.saturating_record(took.saturating_sub(floor).max(1));
        }
        after(bench);
    }
    let at = |quantile| histogram.value_at_quantile(quantile);
    println!("{name:<44} p50 {:>5} ns  p99 {:>5} ns  p99.9 {:>5} ns", at(0.5), at(0.99), at(0.999));
}

/// See the module.
fn percentiles() {
    let clock = quanta::Clock::new();
    let mut empty = Histogram::<u64>::new_with_bounds(1, 1_000_000_000, 3).unwrap();
    for _ in 0..CALLS {
        let start = clock.raw();
        empty.saturating_record(clock.delta_as_nanos(start, clock.raw()).max(1));
    }
    let floor = empty.value_at_quantile(0.5);
    println!("single calls, less the clock's own {floor} ns (p99.9 of it {} ns)", empty.value_at_quantile(0.999));
    for open in [1, 1_000] {
        let mut bench = Bench::strict(open);
        let name = |what: &str| format!("{what}, {open} open");
        measure(&name("gate passes (validate)"), &mut bench, floor, |_| validate_body(E8 / 100), Bench::quote);
        let denied = |_: &mut Bench| Bench::place_body(E8 / 100 * 9);
        measure(&name("gate denies (place, by order notional)"), &mut bench, floor, denied, Bench::quote);
        let last = |_: &mut Bench| Bench::place_body(E8 / 100 * 8);
        bench.tighten();
        measure(&name("gate denies (place, by the last growth rule)"), &mut bench, floor, last, Bench::quote);
        measure(&name("portfolio update (quote)"), &mut bench, floor, Bench::quote_body, |_| {});
    }
}

fn main() {
    // As a test, or asked for one bench by name, only that is run.
    if std::env::args().skip(1).all(|arg| arg == "--bench") {
        percentiles();
    }
    core_on_event();
    Criterion::default().configure_from_args().final_summary();
}
