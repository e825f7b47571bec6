//! `tollgate check`: every fault of a configuration at once.

use super::UNUSABLE;
use crate::config::Config;
use std::path::Path;
use std::process::ExitCode;

/// The configuration, or its faults on standard error.
pub(super) fn load(path: &Path) -> Result<Config, ExitCode> {
    Config::load(path).map_err(|error| {
        eprintln!("{error}");
        if !path.exists() {
            eprintln!("start it in the folder that has config/, or name a file: --config FILE");
        }
        ExitCode::from(UNUSABLE)
    })
}

pub(super) fn check(path: &Path) -> ExitCode {
    match load(path) {
        Ok(config) => {
            println!(
                "{} is without fault: {} venues, {} instruments, {} strategies",
                path.display(),
                config.venues.len(),
                config.instruments.len(),
                config.strategies.len()
            );
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}
