//! The scenes: each an engine with a configuration of its own, in which a group of rules and alerts can be reached soon.

mod equities;
mod keys;
mod ledger;
mod limits;
mod losses;
mod market;
mod reports;
mod road;
mod sizing;
mod stop;
mod store;
mod strategies;
mod sums;
mod tables;
mod watchdog;

use super::desk::{Desk, KeyIn, Setup, Told};
use super::house::{Base, Home, Venues};
use super::rows::Row;
use crate::runtime::signals::Signals;

pub struct Scene {
    pub name: &'static str,
    setup: fn() -> Setup,
    play: fn(&mut Desk) -> Told<()>,
}

/// They are played at the same time; the longest stands first.
pub const SCENES: &[Scene] = &[
    Scene { name: "tables", setup: tables::setup, play: tables::play },
    Scene { name: "road", setup: road::setup, play: road::play },
    Scene { name: "reports", setup: reports::setup, play: reports::play },
    Scene { name: "losses", setup: losses::setup, play: losses::play },
    Scene { name: "market", setup: market::setup, play: market::play },
    Scene { name: "limits", setup: limits::setup, play: limits::play },
    Scene { name: "stop", setup: stop::setup, play: stop::play },
    Scene { name: "heartbeat", setup: stop::setup_heartbeat, play: stop::play_heartbeat },
    Scene { name: "strategies", setup: strategies::setup, play: strategies::play },
    Scene { name: "equities", setup: equities::setup, play: equities::play },
    Scene { name: "sums", setup: sums::setup, play: sums::play },
    Scene { name: "sizing", setup: sizing::setup, play: sizing::play },
    Scene { name: "watchdog", setup: watchdog::setup, play: watchdog::play },
    Scene { name: "hung-core", setup: watchdog::setup_core, play: watchdog::play_core },
    Scene { name: "ledger", setup: ledger::setup, play: ledger::play },
    Scene { name: "plain-keys", setup: keys::setup_plain, play: keys::play_plain },
    Scene { name: "vault", setup: keys::setup_vault, play: keys::play_vault },
    Scene { name: "store", setup: store::setup, play: store::play },
    Scene { name: "scales", setup: tables::setup_scales, play: tables::play_scales },
];

/// Plays a scene; what fired. One that cannot go on is a row of its own.
pub fn play(scene: &Scene, home: &Home, signals: &Signals) -> Vec<Row> {
    let setup = (scene.setup)();
    let mut desk = match Desk::open(scene.name, &setup, home, signals) {
        Ok(desk) => desk,
        Err(told) => return vec![Row::broken(scene.name, &told)],
    };
    let played = (scene.play)(&mut desk);
    let mut rows = std::mem::take(&mut desk.rows);
    if let Err(told) = played {
        rows.push(Row::broken(scene.name, &told));
    }
    if rows.iter().any(|row| !row.pass) && !signals.asked() {
        eprintln!("-- the last words of the engine of the scene {}\n{}\n", scene.name, desk.last_words());
    }
    rows
}

/// Binance alone, with money enough.
fn crypto(config: impl Into<String>) -> Setup {
    let balances = &["USDT=1000000", "BTC=1", "ETH=10"];
    let venues = Venues { binance: true, alpaca: false, balances, pairs: &[], strict: false };
    Setup { base: Base::Loose, venues, config: config.into(), key: KeyIn::Environment }
}

/// Waits until a stop by `who` (anybody, where it is empty) is set and every venue has confirmed that nothing is left;
/// what it says.
fn confirmed(desk: &Desk, who: &str) -> Told<String> {
    desk.wait("a stop that every venue has confirmed", || {
        let stop = desk.get("status")?["emergency_stop"].clone();
        let by = stop["who"].as_str()?.to_owned();
        let is_so = stop["confirmed"] == true && (who.is_empty() || by == who);
        is_so.then(|| format!("{by}: {}; every venue confirms that nothing is left", stop["why"]))
    })
}
