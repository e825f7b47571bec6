//! The hot path does not allocate once it is warm. Counted by thread, so that the test runner's own work is left out.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use tollgate::core::command::{Action, Command};
use tollgate::core::config::{StrategyConfig, StrategyKind};
use tollgate::core::event::Body;
use tollgate::domain::{
    AssetId, DepthChunk, DepthKind, ExecId, ExecReport, ExecType, InstrumentId, Level, NewOrder, OrderId, OrderType,
    Price, Qty, RequestId, Side, StrategyId, Terms, Text, TimeInForce, VenueId, VenueOrderId,
};
use tollgate::venues::assets::AssetTable;
use tollgate::venues::binance::account::{AccountDecoder, Names};
use tollgate::venues::binance::request::{MAX_REQUEST_LEN, OrderRef, RequestBuilder};
use tollgate::venues::binance::response;
use tollgate::venues::binance::sign::Signer;
use tollgate::venues::binance::{MarketDecoder, SymbolTable};

#[path = "../benches/common/mod.rs"]
mod common;
#[path = "../fuzz/src/seeds.rs"]
mod seeds;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed to the system's allocator as it came; counting touches nothing that it uses.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Runs `work` once to warm it, then counts what a hundred more runs allocate.
fn allocations(mut work: impl FnMut()) -> u64 {
    work();
    let before = ALLOCATIONS.get();
    (0..100).for_each(|_| work());
    ALLOCATIONS.get() - before
}

fn symbols() -> SymbolTable {
    SymbolTable::new([(InstrumentId(0), "BTCUSDT"), (InstrumentId(1), "ETHUSDT")]).unwrap()
}

#[test]
fn the_count_sees_an_allocation() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1u64)))), 100);
}

#[test]
fn market_frames_are_decoded_without_allocating_by_hand_and_by_simd_json() {
    let mut decoder = MarketDecoder::new(symbols());
    for frame in seeds::MARKET_SEEDS {
        let spaced = frame.replace(",\"", ", \"");
        for frame in [frame, spaced.as_str()] {
            assert_eq!(
                allocations(|| {
                    black_box(decoder.decode(frame.as_bytes())).ok();
                }),
                0,
                "{frame}"
            );
        }
    }
}

#[test]
fn user_events_and_answers_are_decoded_without_allocating() {
    let assets = AssetTable::new([("BTC", AssetId(0)), ("USDT", AssetId(1))]);
    let mut account = AccountDecoder::new(Names { venue: VenueId(0), epoch: 7, symbols: symbols(), assets });
    for frame in seeds::USER_SEEDS {
        assert_eq!(
            allocations(|| {
                black_box(account.user_event(frame.as_bytes())).ok();
            }),
            0,
            "{frame}"
        );
    }
    let ack = seeds::WS_API_SEEDS[0].as_bytes();
    let count = allocations(|| {
        let Ok(response::Response { answer: response::Answer::Result(result), .. }) = response::decode(ack) else {
            panic!("an ACK is a result");
        };
        assert!(account.order(result).is_ok());
    });
    assert_eq!(count, 0);
}

#[test]
fn orders_and_cancels_are_built_and_signed_without_allocating() {
    let mut builder = RequestBuilder::new("key", &Signer::hmac(b"secret"), 7, 5000).unwrap();
    let mut out = Vec::with_capacity(MAX_REQUEST_LEN);
    let order = NewOrder {
        order: OrderId(64),
        venue: VenueId(0),
        instrument: InstrumentId(0),
        strategy: StrategyId(1),
        side: Side::Sell,
        kind: OrderType::Limit,
        tif: TimeInForce::Ioc,
        qty: Qty(i64::MAX),
        px: Price(i64::MAX),
        terms: Terms::default(),
    };
    let count = allocations(|| {
        out.clear();
        builder.place(&mut out, &order, "BTCUSDT", 1_723_161_255_208).unwrap();
        out.clear();
        let target = OrderRef { order: order.order, venue_order_id: VenueOrderId::NONE };
        builder.cancel(&mut out, target, "BTCUSDT", 1_723_161_255_208);
    });
    assert_eq!(count, 0);
}

/// Quotes, orders through every rule, acks, fills, cancels, denials, ticks and book updates.
#[test]
fn the_core_does_not_allocate() {
    let mut bench = common::Bench::new();
    let kind = StrategyKind::Probe { every: 2, qty: Qty(common::E8 / 1_000) };
    bench.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: common::BTC, kind }));
    let mut chunk =
        DepthChunk { instrument: common::BTC, first: true, last: true, bids: 1, asks: 1, ..DepthChunk::default() };
    chunk.update_id = 1;
    chunk.levels[0] = Level { px: Price(59_999 * common::E8), qty: Qty(1) };
    chunk.levels[1] = Level { px: Price(60_001 * common::E8), qty: Qty(1) };
    bench.step(Body::Depth(chunk));
    chunk.kind = DepthKind::Delta;
    let mut trade = 10;
    let counted = allocations(|| {
        bench.quote();
        bench.quote();
        let order = bench.placed();
        let report = ExecReport { order, instrument: common::BTC, ..ExecReport::default() };
        bench.step(Body::Sent { order, encoded_ns: 1, written_ns: 2 });
        bench.step(Body::Exec(ExecReport { exec: ExecType::New, ..report }));
        trade += 1;
        bench.step(Body::Exec(ExecReport {
            exec: ExecType::Trade,
            last_qty: Qty(common::E8 / 2_000),
            last_px: Price(60_000 * common::E8),
            exec_id: ExecId::from_u64(trade),
            ..report
        }));
        let cancel = Command {
            request: RequestId(1),
            who: Text::new("test"),
            from: Text::default(),
            why: Text::default(),
            action: Action::CancelAll,
        };
        bench.step(Body::Command(cancel));
        bench.step(Body::Exec(ExecReport { exec: ExecType::Canceled, ..report }));
        bench.place(common::E8 * 100);
        bench.place(common::E8 / 1_000);
        let order = bench.placed();
        bench.reject(order);
        chunk.update_id += 1;
        chunk.levels[0].px.0 -= 1;
        bench.step(Body::Depth(chunk));
        bench.step(Body::Tick);
    });
    assert_eq!(counted, 0);
    let counters = bench.core.counters();
    assert!(counters.fills > 100 && counters.denied.iter().sum::<u64>() > 100, "{counters:?}");
}

/// The same with every rule on, a hundred orders open, and a sample of every instrument's correlation each time.
#[test]
fn every_rule_and_the_samples_of_correlation_do_not_allocate() {
    let mut bench = common::Bench::strict(100);
    let count = allocations(|| {
        bench.wait(1_000_000_000);
        (0..70).for_each(|_| bench.wait(1_000));
        bench.quote();
        bench.place(common::E8 / 100);
        let order = bench.placed();
        bench.reject(order);
        bench.place(common::E8);
    });
    assert_eq!(count, 0);
}
