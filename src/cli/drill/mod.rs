//! `tollgate drill`: the proof that the gate works. Throw-away engines trade on paper against simulated venues of their
//! own, and every rule, every alert and the emergency stop are made to fire over the HTTP API, by strategies, and by
//! what goes wrong at the venue. One that did not fire is a failure.
//!
//! Owns: the scenes, an engine with limits of its own each, and the table of what fired. Must not know the core: it sees
//! what any program sees over HTTP. The list of what must fire is the code's own (`RULES`, `AlarmKind::ALL`).
//!
//! Engines and venues are processes on loopback, below one temporary folder that goes with the drill. They get nothing of
//! the environment, so that no key and no setting of the user's is read.

mod desk;
mod house;
mod places;
mod rows;
mod scenes;
mod vault;

use super::UNUSABLE;
use crate::runtime::signals::Signals;
use clap::Args;
use house::Home;
use rows::{Row, missing};
use serde_json::json;
use std::process::ExitCode;
use std::time::Instant;

/// Something did not fire.
const FAILED: u8 = 1;
/// Ended by a signal.
const INTERRUPTED: u8 = 130;

#[derive(Args)]
pub(super) struct DrillArguments {
    /// For programs.
    #[arg(long)]
    json: bool,
    /// Only scenes with this in their name; what the others would have fired is then not asked for.
    #[arg(long, value_name = "NAME")]
    scene: Option<String>,
}

pub(super) fn drill(arguments: &DrillArguments) -> ExitCode {
    let began = Instant::now();
    let (signals, home) = match Signals::listen().and_then(|signals| Ok((signals, Home::new()?))) {
        Ok(both) => both,
        Err(error) => {
            eprintln!("the drill does not start: {error}");
            return ExitCode::from(UNUSABLE);
        }
    };
    let wanted = |name: &str| arguments.scene.as_deref().is_none_or(|part| name.contains(part));
    let chosen: Vec<_> = scenes::SCENES.iter().filter(|scene| wanted(scene.name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = scenes::SCENES.iter().map(|scene| scene.name).collect();
        eprintln!("no scene is named so; there are {}", names.join(", "));
        return ExitCode::from(UNUSABLE);
    }
    let mut rows: Vec<Row> = std::thread::scope(|scope| {
        let (home, signals) = (&home, &signals);
        let played: Vec<_> =
            chosen.iter().map(|scene| (scene, scope.spawn(move || scenes::play(scene, home, signals)))).collect();
        let rows = played.into_iter().flat_map(|(scene, thread)| {
            thread.join().unwrap_or_else(|_| vec![Row::broken(scene.name, "the scene panicked")])
        });
        rows.collect()
    });
    drop(home);
    if signals.asked() {
        eprintln!("interrupted; the engines are stopped and their folder is gone");
        return ExitCode::from(INTERRUPTED);
    }
    if arguments.scene.is_none() {
        rows.extend(missing(&rows));
    }
    rows.sort_by_key(Row::place);
    let failed = rows.iter().filter(|row| !row.pass).count();
    let seconds = began.elapsed().as_secs_f64();
    if arguments.json {
        println!("{:#}", json!({ "rows": rows, "failed": failed, "seconds": (seconds * 10.0).round() / 10.0 }));
    } else {
        print!("{}", rows::told(&rows));
        println!("\n{} of {} fired as they must, in {seconds:.0} s", rows.len() - failed, rows.len());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}
