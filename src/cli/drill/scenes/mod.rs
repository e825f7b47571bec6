//! The scenes: each an engine with a configuration of its own, in which a group of rules and alerts can be reached soon.

mod equities;
mod limits;
mod losses;
mod market;
mod reports;
mod road;
mod stop;
mod strategies;
mod sums;

use super::desk::{Desk, Setup, Told};
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
    let venues = Venues { binance: true, alpaca: false, balances, strict: false };
    Setup { base: Base::Loose, venues, config: config.into(), stored_key: false }
}
