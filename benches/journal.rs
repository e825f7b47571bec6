//! What an append costs, against `write()` of the same bytes in the same run.
//!
//! Timed: encoding the event and its effects, the checksum, the stores into the map, the two release stores that
//! publish; now and then the move into the next segment. In bursts of `BURST` with a pause between, not timed, in
//! which the flusher touches ahead on a thread of its own, as in the engine: without it this would time how fast the
//! kernel hands out pages. It does not sync: the disk is not what is compared. `write()` is given bytes that are
//! already encoded, so it is the system call alone.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tollgate::agent::Agent;
use tollgate::core::command::{Scope, TradingState};
use tollgate::core::effect::{Effect, EffectOf, Fill, OrderUpdate};
use tollgate::core::event::{Body, Event};
use tollgate::domain::{ExecReport, InstrumentId, OrderId, Price, Qty, Quote, RequestId, Text};
use tollgate::journal::{Journal, JournalConfig};

/// Appends between two pauses: about 1 MiB at most, a quarter of what is touched ahead.
const BURST: u64 = 2_500;
const PAUSE: Duration = Duration::from_millis(3);

/// Enough effects for the life of an order: accepted, its new state, a fill, the state of trading.
fn effects() -> [Effect; 4] {
    let order = OrderUpdate { order: OrderId(640), text: Text::new("partially filled"), ..OrderUpdate::default() };
    [
        EffectOf::Accepted { request: RequestId(1), order: OrderId(640) },
        EffectOf::Order(order),
        EffectOf::Fill(Fill { order: OrderId(640), ..Fill::default() }),
        EffectOf::Trading { scope: Scope::Account, state: TradingState::Active },
    ]
}

fn event(seq: u64, body: Body) -> Event {
    Event { seq, ts_ns: 1_723_075_200_000_000_000, recv_ns: 1, decoded_ns: 2, body }
}

/// Length of the only record in the journal: its position less the header.
fn record_bytes(dir: &Path) -> usize {
    let bytes = std::fs::read(dir.join("00000000000000000001.tgj")).expect("the first segment");
    let position = u32::from_le_bytes(*bytes[64..].first_chunk().expect("a header"));
    position as usize - 128
}

fn journal(c: &mut Criterion) {
    let quote = Body::Quote(Quote {
        instrument: InstrumentId(1),
        bid_px: Price(6_400_000_000_000),
        bid_qty: Qty(150_000_000),
        ask_px: Price(6_400_001_000_000),
        ask_qty: Qty(250_000_000),
        update_id: 400_900_217,
        ts_event_ns: 0,
    });
    let report = Body::Exec(ExecReport { order: OrderId(640), ..ExecReport::default() });
    let cases: [(&str, Body, &[Effect]); 2] = [("quote", quote, &[]), ("report with 4 effects", report, &effects())];
    let mut group = c.benchmark_group("journal");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for (name, body, effects) in cases {
        let dir = tempfile::tempdir().expect("a directory to bench in");
        let config =
            JournalConfig { flush_interval_ns: 0, compress: false, segments_max: 2, ..JournalConfig::default() };
        let (mut journal, mut flusher, _) = Journal::open(dir.path(), config).expect("a new journal");
        journal.append(&event(1, body), 3, effects).expect("an empty journal has room");
        let size = record_bytes(dir.path());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut now = 0;
            while !stopped.load(Ordering::Relaxed) {
                now += 1_000_000;
                if flusher.do_work(now) == 0 {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        });
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("append/{name} ({size} bytes)"), |b| {
            b.iter_custom(|iterations| {
                let (mut left, mut spent) = (iterations, Duration::ZERO);
                while left > 0 {
                    let burst = left.min(BURST);
                    left -= burst;
                    let begun = Instant::now();
                    for _ in 0..burst {
                        let event = event(journal.last_seq() + 1, body);
                        while journal.append(black_box(&event), 3, black_box(effects)).is_err() {
                            std::thread::yield_now();
                        }
                    }
                    spent += begun.elapsed();
                    std::thread::sleep(PAUSE);
                }
                spent
            });
        });
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("the flusher ends");

        let mut file = File::create(dir.path().join("written")).expect("a file to bench with");
        let bytes = vec![7u8; size];
        let mut written = 0;
        group.bench_function(format!("write()/{name} ({size} bytes)"), |b| {
            b.iter(|| {
                file.write_all(black_box(&bytes)).expect("room on the disk");
                written += size;
                if written > 64 * 1024 * 1024 {
                    // As the journal's segments: the file does not grow without end.
                    written = 0;
                    file = File::create(dir.path().join("written")).expect("a file to bench with");
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
