//! `tollgate run`: the engine, from its configuration to its closing summary.

use super::UNUSABLE;
use super::check::load;
use crate::config::{Colour, Config};
use crate::runtime::engine::Engine;
use crate::runtime::signals::Signals;
use crate::runtime::supervise;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn run(path: &Path) -> ExitCode {
    let config = match load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let colour = match config.log.colour {
        Colour::Auto => None,
        Colour::Always => Some(true),
        Colour::Never => Some(false),
    };
    if let Err(error) = crate::telemetry::log::init(&config.log.filter, colour) {
        eprintln!("{error}");
        return ExitCode::from(UNUSABLE);
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
