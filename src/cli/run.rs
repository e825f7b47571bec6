//! `tollgate run`: the engine, from its configuration to its closing summary.

use super::UNUSABLE;
use super::check::load;
use crate::config::{Colour, Config, Log};
use crate::runtime::engine::Engine;
use crate::runtime::signals::Signals;
use crate::runtime::supervise;
use crate::runtime::thread::keep_off;
use crate::telemetry::log::LogSettings;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// `json` takes the place of `log.format` for this run.
pub(super) fn run(path: &Path, json: Option<bool>) -> ExitCode {
    let config = match load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    // Before any thread is started: each inherits it.
    let pinned: Vec<usize> = config.threads.iter().filter_map(|thread| thread.core).collect();
    let spared = if pinned.is_empty() { Ok(true) } else { keep_off(&pinned) };
    // Its last lines are written when this ends.
    let _log = match crate::telemetry::log::init(&settings(&config.log, json)) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(UNUSABLE);
        }
    };
    match spared {
        Ok(true) => {}
        Ok(false) => tracing::warn!("threads are pinned to every core of this machine: all others take time from them"),
        Err(error) => {
            tracing::warn!("threads that are not pinned cannot be kept off the cores of those that are: {error}")
        }
    }
    // Before anything trades: a signal during the start stops in order too.
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("signals cannot be listened for: {error}");
            return ExitCode::from(UNUSABLE);
        }
    };
    match Engine::start(&config) {
        Ok(engine) => {
            hello(&config, &engine);
            ExitCode::from(supervise::run(engine, &config, &signals).code())
        }
        Err(error) => {
            eprintln!("tollgate does not start: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn settings(log: &Log, json: Option<bool>) -> LogSettings {
    LogSettings {
        filter: log.filter.clone(),
        json: json.unwrap_or(log.json),
        colour: match log.colour {
            Colour::Auto => None,
            Colour::Always => Some(true),
            Colour::Never => Some(false),
        },
        marks: log.marks,
        repeat_window: Duration::from_nanos(log.repeat_window_ns.unsigned_abs()),
        burst_max: log.burst_max,
    }
}

/// The first lines a newcomer sees.
fn hello(config: &Config, engine: &Engine) {
    let symbols: Vec<&str> = config.instruments.iter().map(|i| i.symbol.as_str()).collect();
    tracing::info!(
        "tollgate {} on paper: {} with {} strategies; Ctrl-C stops it in order",
        env!("CARGO_PKG_VERSION"),
        symbols.join(", "),
        config.strategies.len(),
    );
    tracing::info!("look at it: curl '{}?action=status'", engine.control.url());
}
