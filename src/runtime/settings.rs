//! What sections of the configuration are to the parts that they set.

use crate::config::Config;
use crate::journal::JournalConfig;

pub(super) fn journal_config(config: &Config) -> JournalConfig {
    JournalConfig {
        segment_bytes: config.journal.segment_bytes,
        flush_interval_ns: config.journal.flush_interval_ns,
        checkpoint_every: config.journal.checkpoint_events,
        compress: config.journal.compress,
        segments_max: config.journal.segments_max,
        ..JournalConfig::default()
    }
}
