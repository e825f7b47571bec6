//! How far a command is that goes through a journal: a bar on standard error, where that is a terminal.

use crate::journal::Reader;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;

pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Of the journal in `dir`; without a length where that cannot be had, which the command itself will say.
    pub fn new(dir: &Path) -> Progress {
        let template = "{wide_bar} {human_pos} of {human_len} events, {per_sec}, {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Progress(ProgressBar::new(Reader::last_seq(dir).unwrap_or(0)).with_style(style))
    }

    /// A journal that grows meanwhile is followed to where it ends then.
    pub fn at(&self, seq: u64) {
        if self.0.length().is_some_and(|length| length < seq) {
            self.0.set_length(seq);
        }
        self.0.set_position(seq);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
