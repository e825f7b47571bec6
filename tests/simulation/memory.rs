//! Memory of engine and venue over many orders: what lives on the heap of a whole world (feed, gateway, core, the API's
//! view, the simulated venue), counted to the byte, so that nothing of the machine is in it. After the first 100,000
//! orders it must not grow:
//!
//! `TOLLGATE_ORDERS=1000000 cargo nextest run --release --test simulation --no-capture memory`
//!
//! Every test run does a short share of it.

use super::world::World;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Orders of the share that every run does, and after how many everything bounded may be full.
const SHARE: u64 = 3_000;
const FILLED: u64 = 100_000;
/// What an order of the share may leave behind while tables still fill: itself here and there, its trade, its answer.
const ORDER_BYTES: i64 = 16 * 1024;
/// What the heap may differ by after `FILLED`: tables whose entries come and go, and the last of what fills slowly, such
/// as the venue's words on the latest 4,096 refusals. A leak of 1.2 bytes an order over the 900,000 that follow is more.
const BREATH_BYTES: i64 = 1 << 20;
/// Each link is replaced every 15 s by one that is open before the old one goes: within so many seconds there is a moment
/// with one of each.
const RENEWAL_SECONDS: u32 = 15;

thread_local! {
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed to the system's allocator as it came; counting touches nothing that it uses.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get() + layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        LIVE.set(LIVE.get() + new_size as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The least that lives while every link is replaced once: without what a replacement has twice for a moment.
fn low_water(world: &mut World) -> i64 {
    let each_second = (0..RENEWAL_SECONDS).map(|_| {
        world.trade(1);
        LIVE.get()
    });
    each_second.min().unwrap_or(0)
}

#[test]
fn memory_is_flat_over_many_orders() {
    let orders = std::env::var("TOLLGATE_ORDERS").ok().and_then(|text| text.parse().ok()).unwrap_or(SHARE);
    let mut world = World::that_shows(1);
    world.trade(2);
    let lap = (orders / 10).clamp(1, FILLED);
    let (mut done, mut after_filled) = (0, None);
    let begun = LIVE.get();
    while done < orders {
        world.place(lap);
        done += lap;
        let live = if done < FILLED { LIVE.get() } else { low_water(&mut world) };
        println!("{done} orders: {} KiB live", live / 1024);
        if done <= FILLED {
            let grown = live - begun;
            assert!(grown <= ORDER_BYTES * done as i64 + BREATH_BYTES, "{done} orders left {grown} bytes behind");
        }
        if done >= FILLED {
            let before = *after_filled.get_or_insert(live);
            assert!(live - before <= BREATH_BYTES, "after {done} orders {} bytes more than before", live - before);
        }
    }
    world.heal_and_settle();
    // The venue lists no more than its last 50,000 trades.
    if orders <= SHARE {
        world.assert_equal_to_the_venue();
    }
}
