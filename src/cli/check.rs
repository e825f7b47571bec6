//! `tollgate check`: every fault of a configuration at once.

use super::UNUSABLE;
use crate::config::{Config, ConfigError};
use serde_json::{Value, json};
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

pub(super) fn check(path: &Path, json: bool) -> ExitCode {
    if json {
        return check_for_programs(path);
    }
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

/// Everything on standard output, faults too.
fn check_for_programs(path: &Path) -> ExitCode {
    let (faults, error) = match Config::load(path) {
        Ok(_) => (Vec::new(), None),
        Err(ConfigError::Faulty { faults, .. }) => (faults.0, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let sound = faults.is_empty() && error.is_none();
    let told: Vec<Value> = faults
        .iter()
        .map(|f| json!({ "line": f.line, "column": f.column, "key": f.key, "message": f.message }))
        .collect();
    println!("{:#}", json!({ "file": path.display().to_string(), "sound": sound, "faults": told, "error": error }));
    if sound { ExitCode::SUCCESS } else { ExitCode::from(UNUSABLE) }
}
