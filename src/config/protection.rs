//! Where the stop loss and take profit of entries are kept.

use super::reader::Section;
use crate::domain::Nanos;

/// The section is one that may be left out: then the engine keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// At the venue, where it takes them; otherwise by the engine alone.
    pub at_venue: bool,
    /// A level that the price has passed for so long without a fill at the venue is closed by the engine.
    pub overdue_ns: Nanos,
    /// Least time between the end of a protection's orders at the venue and their next.
    pub again_ns: Nanos,
}

impl Default for Protection {
    fn default() -> Protection {
        Protection { at_venue: false, overdue_ns: 1_000_000_000, again_ns: 5_000_000_000 }
    }
}

impl Protection {
    pub(super) fn read(s: Section) -> Protection {
        let protection = Protection {
            at_venue: s.word("place", &[("venue", true), ("core", false)]).unwrap_or(false),
            overdue_ns: s.millis("overdue_ms", 1..=60_000),
            again_ns: s.millis("again_ms", 1..=3_600_000),
        };
        s.finish();
        protection
    }
}
