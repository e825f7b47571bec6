//! What one event costs the core.
//!
//! - `quote`: a quote for an instrument with a position, no strategy wants anything.
//! - `quote_to_order`: the same quote, on which a strategy sends an order through every rule.
//! - `approved` / `denied`: a command to place, through every rule, and one that the last growth rule but two denies.
//! - `depth_10_10`: a depth update of two chunks into a book of 1,000 levels a side.
//!
//! Left out: journal, channels, stamps. One timed call each, between two reads of the time stamp counter (9 ns each,
//! included); orders are taken off the table again outside the timed part.

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;
use tollgate::core::Core;
use tollgate::core::command::{Action, Command, PlaceOrder};
use tollgate::core::config::{Limits, StrategyConfig, StrategyKind};
use tollgate::core::effect::{EffectOf, Outbox};
use tollgate::core::event::{Body, Event};
use tollgate::domain::*;

const E8: i64 = 100_000_000;
const BTC: InstrumentId = InstrumentId(0);

struct Bench {
    core: Core,
    out: Outbox,
    now: Nanos,
    px: i64,
}

impl Bench {
    fn new() -> Bench {
        let mut bench = Bench { core: Core::new(), out: Outbox::new(), now: 1_700_000_000_000_000_000, px: 60_000 };
        bench.step(Body::Start { epoch: 1, run: 1 });
        bench.step(Body::Limits(Limits {
            order_notional_max: Usd::dollars(5_000),
            position_notional_max: Usd::dollars(10_000),
            leverage_max_ppm: 3_000_000,
            account_balance_min: Usd::dollars(1_000),
            daily_loss_max: Usd::dollars(1_000_000),
            quote_age_max_ns: 1_500_000_000,
            market_order_margin_ppm: 10_000,
            open_orders_max: 64,
            ack_timeout_ns: i64::MAX,
            not_found_after_ns: i64::MAX,
            query_interval_ns: i64::MAX,
            day_offset_ns: 0,
        }));
        let venue = VenueId(0);
        bench.step(Body::Venue { venue, name: Text::new("binance") });
        for id in 0..64 {
            bench.step(Body::Instrument(Instrument {
                id: InstrumentId(id),
                symbol: Text::new("BTCUSDT"),
                base: AssetId(id + 1),
                quote: AssetId(0),
                base_name: Text::new("BTC"),
                quote_name: Text::new("USDT"),
                status: InstrumentStatus::Trading,
                px_scale: 8,
                qty_scale: 8,
                quote_is_usd: true,
                tick: Price(E8 / 100),
                lot: Qty(1_000),
                qty_min: Qty(1_000),
                qty_max: Qty(9_000 * E8),
                notional_min: Usd::dollars(5),
                notional_max: Usd::dollars(9_000_000),
                notional_min_applies_to_market: true,
                ..Instrument::default()
            }));
            bench.step(Body::Balance(Balance { venue, asset: AssetId(id + 1), free: E8, locked: 0, ts_event_ns: 0 }));
        }
        bench.step(Body::Balance(Balance {
            venue,
            asset: AssetId(0),
            free: 1_000_000 * E8,
            locked: 0,
            ts_event_ns: 0,
        }));
        bench.step(Body::VenueState { venue, state: VenueState::Ready });
        bench.quote();
        // A position, so that every quote has something to value.
        bench.place(E8 / 100);
        let order = bench.placed();
        bench.step(Body::Exec(ExecReport {
            order,
            exec: ExecType::Trade,
            last_qty: Qty(E8 / 100),
            last_px: Price(60_000 * E8),
            exec_id: ExecId::from_u64(1),
            ..ExecReport::default()
        }));
        bench
    }

    fn event(&mut self, body: Body) -> Event {
        self.now += 1_000;
        Event { seq: self.core.seq() + 1, ts_ns: self.now, recv_ns: 0, decoded_ns: 0, body }
    }

    fn step(&mut self, body: Body) {
        let event = self.event(body);
        self.out.clear();
        self.core.on_event(&event, &mut self.out);
    }

    fn quote_body(&mut self) -> Body {
        // The price moves a cent each time, so that nothing is valued twice at the same price.
        self.px = 6_000_000 + (self.px + 1) % 1_000;
        Body::Quote(Quote {
            instrument: BTC,
            bid_px: Price(self.px * E8 / 100),
            bid_qty: Qty(E8),
            ask_px: Price((self.px + 1) * E8 / 100),
            ask_qty: Qty(E8),
            update_id: 1,
            ts_event_ns: 0,
        })
    }

    fn quote(&mut self) {
        let body = self.quote_body();
        self.step(body);
    }

    fn place_body(qty: i64) -> Body {
        Body::Command(Command {
            request: RequestId(1),
            who: Text::new("bench"),
            why: Text::default(),
            action: Action::Place(PlaceOrder { instrument: BTC, qty: Qty(qty), ..PlaceOrder::default() }),
        })
    }

    fn place(&mut self, qty: i64) {
        self.step(Bench::place_body(qty));
    }

    fn placed(&self) -> OrderId {
        match self.out.effects().first() {
            Some(EffectOf::Place(order)) => order.get().order,
            other => panic!("an order was wanted, not {other:?}"),
        }
    }

    fn reject(&mut self, order: OrderId) {
        self.step(Body::Exec(ExecReport { order, exec: ExecType::Rejected, ..ExecReport::default() }));
    }

    /// Times `body` alone, `after` runs untimed.
    fn timed(&mut self, n: u64, body: impl Fn(&mut Bench) -> Body, after: impl Fn(&mut Bench)) -> Duration {
        let clock = quanta::Clock::new();
        let mut total = 0;
        for _ in 0..n {
            let body = body(self);
            let event = self.event(body);
            self.out.clear();
            let start = clock.raw();
            self.core.on_event(&event, &mut self.out);
            total += clock.delta_as_nanos(start, clock.raw());
            after(self);
        }
        Duration::from_nanos(total)
    }
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("core_on_event");
    let mut bench = Bench::new();
    group.bench_function("quote", |b| b.iter_custom(|n| bench.timed(n, Bench::quote_body, |_| {})));

    let mut bench = Bench::new();
    group.bench_function("approved", |b| {
        b.iter_custom(|n| {
            bench.quote();
            bench.timed(
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
    group.bench_function("denied", |b| {
        b.iter_custom(|n| {
            bench.quote();
            // 0.08 more would be 5,400 of position and above no limit but the order's own, a cent beyond it.
            bench.timed(n, |_| Bench::place_body(E8 / 100 * 9), Bench::quote)
        })
    });

    let mut bench = Bench::new();
    let kind = StrategyKind::Probe { every: 1, qty: Qty(E8 / 1_000) };
    bench.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: BTC, kind }));
    group.bench_function("quote_to_order", |b| {
        b.iter_custom(|n| {
            bench.timed(n, Bench::quote_body, |bench| {
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
criterion_main!(core_on_event);
