//! The emergency stop: what makes it by itself, and what it does.

use super::reader::Section;
use crate::domain::Nanos;
use std::path::PathBuf;

/// The section is one that may be left out: then it is as the shipped one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emergency {
    /// Positions are closed too, where whoever stops does not say.
    pub flatten: bool,
    pub cancel_foreign: bool,
    /// Relative to `engine.data_dir`. `None`: no file is looked for.
    pub signal_file: Option<PathBuf>,
    /// 0: no heartbeat is expected.
    pub heartbeat_max_ns: Nanos,
    /// 0: the threads are not watched.
    pub watchdog_max_ns: Nanos,
}

impl Default for Emergency {
    fn default() -> Emergency {
        Emergency {
            flatten: false,
            cancel_foreign: true,
            signal_file: Some(PathBuf::from("STOP")),
            heartbeat_max_ns: 0,
            watchdog_max_ns: 10_000_000_000,
        }
    }
}

impl Emergency {
    pub(super) fn read(s: Section) -> Emergency {
        let file = s.text("signal_file");
        let emergency = Emergency {
            flatten: s.flag("flatten"),
            cancel_foreign: s.flag("cancel_foreign"),
            signal_file: (!file.is_empty()).then(|| PathBuf::from(file)),
            heartbeat_max_ns: s.millis("heartbeat_max_ms", 0..=86_400_000),
            watchdog_max_ns: s.millis("watchdog_max_ms", 0..=600_000),
        };
        if (1..1_000_000_000).contains(&emergency.heartbeat_max_ns) {
            s.fault("heartbeat_max_ms", "must be 0 or at least 1000: a heartbeat is a request, and may be late");
        }
        if (1..1_000_000_000).contains(&emergency.watchdog_max_ns) {
            s.fault("watchdog_max_ms", "must be 0 or at least 1000: a busy machine is not one that hangs");
        }
        s.finish();
        emergency
    }
}
