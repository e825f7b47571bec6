//! The whole engine but its threads, on a virtual clock and in-memory sockets, against the simulated venue, with
//! faults drawn from one seed: lost, late, doubled and reordered reports, unknown answers, resets, refused connects,
//! dead links, frozen streams, gaps in the book.
//!
//! The claims: when the faults are over, positions, balances and open orders are the venue's own; no order was ever
//! sent twice; every decision comes out the same from the journaled events; and the same seed makes the same run. A
//! failure names its seed, and `TOLLGATE_SEED=n` runs that one alone; `TOLLGATE_SEEDS=n` runs n of them.

mod memory;
mod world;

use tollgate::core::effect::AlarmKind;
use world::World;

/// Virtual seconds under faults, and seeds in a usual run.
const SECONDS: u32 = 40;
const SEEDS: u64 = 6;

fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("TOLLGATE_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("TOLLGATE_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

#[test]
fn whatever_goes_wrong_the_engine_ends_up_with_what_the_venue_has() {
    for seed in seeds() {
        // Every second world has two connections to the market streams.
        let mut world = World::with_connections(seed, 1 + (seed % 2) as usize);
        world.trade_under_faults(SECONDS);
        world.heal_and_settle();
        world.assert_market_data_counts_once();
        world.assert_equal_to_the_venue();
        world.assert_nothing_was_sent_twice();
        world.assert_replay_decides_alike();
    }
}

#[test]
fn without_faults_nothing_is_unknown_and_nothing_alarms() {
    let mut world = World::new(99);
    world.trade(20);
    world.heal_and_settle();
    world.assert_equal_to_the_venue();
    let counters = world.core.core().counters();
    assert!(counters.fills > 10, "{counters:?}");
    assert_eq!((counters.unknown, counters.rejected), (0, 0), "{counters:?}");
    assert_eq!(world.alarms(), Vec::<String>::new());
}

/// Stops and targets so near that they are met all the time, while everything breaks.
#[test]
fn exits_of_protected_entries_are_sent_once_whatever_goes_wrong() {
    let (mut runs, mut triggered) = (0, 0);
    for seed in seeds() {
        let mut world = World::new(seed);
        world.guard(300, 300);
        let mut protected = 0;
        for _ in 0..SECONDS / 4 {
            world.trade_under_faults(4);
            protected += world.assert_no_more_is_protected_than_held();
        }
        let met = world.told(AlarmKind::ProtectionTriggered);
        assert!(protected > 0 && met > 0, "seed {seed}: nothing is proved");
        (runs, triggered) = (runs + 1, triggered + met);
        world.heal_and_settle();
        world.assert_no_more_is_protected_than_held();
        world.assert_equal_to_the_venue();
        world.assert_nothing_was_sent_twice();
        world.assert_replay_decides_alike();
    }
    assert!(triggered > 5 * runs, "{triggered} levels met in {runs} runs prove too little");
}

/// A day made fast: each link is replaced every 15 s, by one that is open before the old one goes.
#[test]
fn over_renewals_of_every_link_no_update_and_no_fill_is_missed_or_doubled() {
    for connections in [1, 2] {
        let mut world = World::with_connections(7, connections);
        world.trade(50);
        assert_eq!(world.breaks(), 0, "the book had a gap with {connections} connections");
        world.heal_and_settle();
        world.assert_market_data_counts_once();
        world.assert_equal_to_the_venue();
        world.assert_nothing_was_sent_twice();
        assert!(world.count("feed_binance_renewals_total") >= 2 * connections as u64);
        assert!(world.count("gateway_binance_renewals_total") >= 2);
        let never = ["feed_binance_reconnects", "feed_binance_resyncs", "gateway_binance_reconnects"];
        assert_eq!(never.map(|name| world.count(&format!("{name}_total"))), [0; 3]);
        assert_eq!(world.core.core().counters().unknown, 0);
    }
}

#[test]
fn the_same_seed_makes_the_same_run() {
    let run = |seed| {
        let mut world = World::new(seed);
        world.trade_under_faults(5);
        (world.core.core().seq(), world.core.core().state_hash())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).1, run(4).1);
}
