//! The event stream: what happens, as it happens, to anybody who listens.
//!
//! Owns: what of the journal is an event for people and programs (`item`), the bounded memory of the latest of them
//! (`ring`), and the two ways to listen, server-sent events and WebSocket (`stream`).
//!
//! An event's id is `SEQ-PART`: the journal's sequence of the record that it came from, and its place among the events
//! of that record. Who comes back with the last id he has (`from=` or `Last-Event-ID`) goes on right behind it, out of
//! memory or out of the journal: nothing is missed, nothing comes twice. `pnl` and `performance` are looks at what is
//! now; they are in no journal, have no id, and are not repeated.
//!
//! Nothing is buffered for a listener but what his connection takes: one who falls behind the memory is told from where
//! to where he missed, and cut off.

mod item;
mod ring;
mod stream;

pub use item::{KINDS, Kind};
pub(super) use item::{items, passing};
pub(super) use ring::{Item, Ring};
pub(super) use stream::{listen_sse, listen_ws, read_filter};

use crate::core::effect::RecordedEffect;
use crate::core::event::Event;
use crate::domain::Nanos;

/// Reads records again that are no longer in memory.
pub trait History: Send {
    /// The next record, or `None` at the journal's present end. An error is a sentence.
    fn next(&mut self) -> Result<Option<Past>, String>;
}

/// A record read again.
#[derive(Debug, Clone)]
pub struct Past {
    pub event: Event,
    /// When its decisions stood.
    pub decided_ns: Nanos,
    pub effects: Vec<RecordedEffect>,
}

/// Opens the journal at a sequence.
pub type OpenHistory = std::sync::Arc<dyn Fn(u64) -> Result<Box<dyn History>, String> + Send + Sync>;

/// Where an event stands: the record's sequence, and its place among that record's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    pub seq: u64,
    pub part: u16,
}

impl EventId {
    /// The first that comes after what `text` names: `SEQ-PART` is the last one had, `SEQ` the first one wanted.
    pub fn after(text: &str) -> Option<EventId> {
        match text.split_once('-') {
            Some((seq, part)) => {
                let (seq, part) = (seq.parse::<u64>().ok()?, part.parse::<u16>().ok()?);
                Some(EventId { seq, part: part.checked_add(1)? })
            }
            None => Some(EventId { seq: text.parse().ok()?, part: 0 }),
        }
    }

    /// The id that `text` is.
    pub fn exact(text: &str) -> Option<EventId> {
        let (seq, part) = text.split_once('-')?;
        Some(EventId { seq: seq.parse().ok()?, part: part.parse().ok()? })
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.seq, self.part)
    }
}

/// What a listener wants to hear. Empty lists mean everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub kinds: Vec<Kind>,
    pub symbol: Option<String>,
}

impl Filter {
    pub fn wants(&self, kind: Kind, symbol: &str) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            // What concerns no single instrument concerns everybody.
            && self.symbol.as_ref().is_none_or(|wanted| symbol.is_empty() || symbol == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_goes_on_right_behind_the_last_one_he_has() {
        let id = |seq, part| Some(EventId { seq, part });
        for (text, want) in [
            ("12", id(12, 0)),
            ("12-0", id(12, 1)),
            ("12-7", id(12, 8)),
            ("", None),
            ("x", None),
            ("12-", None),
            ("-3", None),
            ("12-65535", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(EventId::after(text), want, "{text}");
        }
        assert_eq!(EventId { seq: 12, part: 7 }.to_string(), "12-7");
    }

    #[test]
    fn a_filter_lets_through_what_was_asked_for() {
        let filter = Filter { kinds: vec![Kind::OrderFilled, Kind::Connection], symbol: Some("BTCUSDT".to_owned()) };
        assert!(filter.wants(Kind::OrderFilled, "BTCUSDT") && !filter.wants(Kind::OrderFilled, "ETHUSDT"));
        assert!(filter.wants(Kind::Connection, "") && !filter.wants(Kind::Quote, "BTCUSDT"));
        assert!(Filter::default().wants(Kind::Quote, "ETHUSDT"));
    }
}
