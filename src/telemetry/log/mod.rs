//! The log: lines for people or JSON for machines, on standard error.
//!
//! Whoever logs only makes the line and puts it into a bounded queue; a thread of its own collapses what repeats and
//! writes. A terminal that stands still, or a storm of lines, thus holds nobody up: what finds no room is dropped, and
//! how many those were is written as soon as there is room again.
//!
//! ```text
//!  tracing ──▶ Layer (makes a Line) ──▶ queue ──▶ Collapse ──▶ Form ──▶ standard error
//! ```

mod collapse;
mod form;
mod layer;
mod line;
#[cfg(test)]
mod tests;
mod writer;

pub use form::Form;
pub use line::Record;

use collapse::Collapse;
use layer::QueueLayer;
use std::io::IsTerminal;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, registry};
use writer::Writer;

/// Set, it takes the place of the configured filter: for one run, without editing a file.
pub const FILTER_VARIABLE: &str = "TOLLGATE_LOG";

/// Lines that wait to be written.
const QUEUE_MAX: usize = 8_192;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("log filter {filter:?} cannot be read: {reason}")]
    Filter { filter: String, reason: String },
    #[error("the log's thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    #[error("the log is set up already")]
    Twice,
}

/// How lines are written.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// In the language of `tracing`: `info`, `info,tollgate::feed=debug`.
    pub filter: String,
    pub json: bool,
    /// `None` where standard error is a terminal.
    pub colour: Option<bool>,
    /// Whether the record types are marked.
    pub marks: bool,
    /// Time within which what repeats is counted and not written; zero writes everything.
    pub repeat_window: Duration,
    /// Lines of one place in the program within that time; errors and alerts pass.
    pub burst_max: u32,
}

impl LogSettings {
    /// For commands that run without a configuration.
    pub fn plain(filter: &str) -> LogSettings {
        LogSettings {
            filter: filter.to_owned(),
            json: false,
            colour: None,
            marks: false,
            repeat_window: Duration::from_secs(10),
            burst_max: 100,
        }
    }
}

/// Writes what waits when it is dropped: the last lines of a process.
#[must_use = "the log ends with it"]
pub struct LogGuard(Writer);

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Writes lines from now on, until the guard is dropped.
pub fn init(settings: &LogSettings) -> Result<LogGuard, LogError> {
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| settings.filter.clone());
    let parsed = EnvFilter::try_new(&filter)
        .map_err(|error| LogError::Filter { filter: filter.clone(), reason: error.to_string() })?;
    let colour = settings.colour.unwrap_or_else(|| std::io::stderr().is_terminal());
    let form = Form { json: settings.json, colour: colour && !settings.json, marks: settings.marks };
    let (lines, waiting) = sync_channel(QUEUE_MAX);
    let (layer, lost) = QueueLayer::new(lines.clone());
    registry().with(layer.with_filter(parsed)).try_init().map_err(|_| LogError::Twice)?;
    let collapse = Collapse::new(settings.repeat_window, settings.burst_max);
    Ok(LogGuard(Writer::start(lines, waiting, lost, collapse, form, Box::new(std::io::stderr()))?))
}
