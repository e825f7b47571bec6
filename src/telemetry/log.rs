//! Sets up the log: lines for people, on standard error. Nothing on the trading path logs but faults.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Set, it takes the place of the configured filter: for one run, without editing a file.
pub const FILTER_VARIABLE: &str = "TOLLGATE_LOG";

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("log filter {filter:?} cannot be read: {reason}")]
    Filter { filter: String, reason: String },
    #[error("the log is set up already")]
    Twice,
}

/// Writes lines from now on. `filter` is in the language of `tracing` (`info`, `info,tollgate::feed=debug`);
/// `colour` of `None` means where standard error is a terminal.
pub fn init(filter: &str, colour: Option<bool>) -> Result<(), LogError> {
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| filter.to_owned());
    let parsed = EnvFilter::try_new(&filter)
        .map_err(|error| LogError::Filter { filter: filter.clone(), reason: error.to_string() })?;
    tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_ansi(colour.unwrap_or_else(|| std::io::stderr().is_terminal()))
        .with_writer(std::io::stderr)
        .with_target(true)
        .try_init()
        .map_err(|_| LogError::Twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        let error = init("=,=", Some(false)).unwrap_err();
        assert!(error.to_string().starts_with("log filter \"=,=\" cannot be read: "), "{error}");
    }

    #[test]
    fn the_log_is_set_up_once() {
        init("info", Some(false)).unwrap();
        assert!(matches!(init("info", Some(false)), Err(LogError::Twice)));
    }
}
