//! The latest events, in bounded memory, and where each listener stands in them.

use super::{EventId, Filter, Kind};
use crate::domain::{InstrumentId, Nanos};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Events that are kept for those who come back or fall behind: some 20 MB at most.
const ITEMS_MAX: usize = 65_536;

/// Quotes of one instrument are told no faster than this: people and pages look, strategies do not listen here.
const QUOTE_GAP_NS: Nanos = 100_000_000;

/// One event, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// `None` of what is in no journal.
    pub id: Option<EventId>,
    pub kind: Kind,
    /// Empty where it concerns no single instrument.
    pub symbol: String,
    /// JSON.
    pub text: Arc<str>,
}

/// What a listener gets from the ring.
#[derive(Debug, PartialEq, Eq)]
pub enum Got {
    /// Events, and where to go on.
    Items(Vec<Arc<str>>, u64),
    /// He is behind what is kept: events up to this place are gone.
    Missed(u64),
}

/// A place in the ring is a count of events since the start of the process.
#[derive(Debug)]
pub struct Ring {
    items: VecDeque<Item>,
    /// Place of the oldest that is kept.
    first: u64,
    /// All events of records from this sequence on are kept.
    whole_from: u64,
    quoted: BTreeMap<InstrumentId, Nanos>,
    max: usize,
}

impl Ring {
    pub fn new() -> Ring {
        Ring::with_room(ITEMS_MAX)
    }

    fn with_room(max: usize) -> Ring {
        Ring { items: VecDeque::new(), first: 0, whole_from: u64::MAX, quoted: BTreeMap::new(), max }
    }

    /// From this record on everything is kept: what came before is the journal's to tell.
    pub fn begin(&mut self, seq: u64) {
        self.whole_from = seq;
    }

    /// Whether a quote is to be told, or comes too soon after the last.
    pub fn takes_quote(&mut self, instrument: InstrumentId, now: Nanos) -> bool {
        let due = self.quoted.get(&instrument).is_none_or(|last| now - last >= QUOTE_GAP_NS);
        if due {
            self.quoted.insert(instrument, now);
        }
        due
    }

    pub fn push(&mut self, item: Item) {
        if self.items.len() >= self.max
            && let Some(gone) = self.items.pop_front()
        {
            self.first += 1;
            if let Some(id) = gone.id {
                self.whole_from = id.seq + 1;
            }
        }
        self.items.push_back(item);
    }

    /// Where the next event will stand.
    pub fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// The place of the first event that is not before `id`, where all that follow it are kept.
    pub fn place(&self, id: EventId) -> Option<u64> {
        if id.seq < self.whole_from {
            return None;
        }
        // From the end: who comes back has missed little. What has no id stands where the one before it stood.
        let tail = self.items.iter().rev().take_while(|item| item.id.is_none_or(|this| this >= id)).count();
        Some(self.end() - tail as u64)
    }

    /// At most `max` events from `place` on that the filter wants.
    pub fn after(&self, place: u64, filter: &Filter, max: usize) -> Got {
        if place < self.first {
            return Got::Missed(self.first);
        }
        let mut at = place;
        let mut found = Vec::new();
        for item in self.items.iter().skip((place - self.first) as usize) {
            if found.len() >= max {
                break;
            }
            at += 1;
            if filter.wants(item.kind, &item.symbol) {
                found.push(item.text.clone());
            }
        }
        Got::Items(found, at)
    }

    /// Newest first, those before `id` that the filter wants, with their ids.
    pub fn back_from<'a>(
        &'a self,
        before: Option<EventId>,
        filter: &'a Filter,
    ) -> impl Iterator<Item = (EventId, &'a str)> {
        let newest = self.items.iter().rev();
        newest
            .filter_map(|item| Some((item.id?, item)))
            .filter(move |(id, item)| before.is_none_or(|before| *id < before) && filter.wants(item.kind, &item.symbol))
            .map(|(id, item)| (id, item.text.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(seq: u64, part: u16, kind: Kind) -> Item {
        let id = Some(EventId { seq, part });
        Item { id, kind, symbol: "BTCUSDT".to_owned(), text: Arc::from(format!("{seq}-{part}")) }
    }

    fn texts(got: Got) -> Vec<String> {
        match got {
            Got::Items(texts, _) => texts.iter().map(|text| text.to_string()).collect(),
            Got::Missed(place) => panic!("missed up to {place}"),
        }
    }

    #[test]
    fn a_listener_gets_each_event_once_and_in_order() {
        let mut ring = Ring::with_room(100);
        ring.begin(1);
        for seq in 1..=4 {
            ring.push(item(seq, 0, Kind::Order));
            ring.push(item(seq, 1, Kind::Position));
        }
        let all = Filter::default();
        let Got::Items(first, place) = ring.after(0, &all, 3) else { panic!() };
        assert_eq!(first.len(), 3);
        assert_eq!(texts(ring.after(place, &all, 100)), ["2-1", "3-0", "3-1", "4-0", "4-1"]);
        let orders = Filter { kinds: vec![Kind::Order], symbol: None };
        assert_eq!(texts(ring.after(0, &orders, 100)), ["1-0", "2-0", "3-0", "4-0"]);
        assert_eq!(texts(ring.after(ring.end(), &all, 100)), Vec::<String>::new());
    }

    #[test]
    fn who_comes_back_goes_on_behind_the_last_one_he_had() {
        let mut ring = Ring::with_room(100);
        ring.begin(10);
        for (seq, part) in [(10, 0), (10, 1), (12, 0), (15, 0)] {
            ring.push(item(seq, part, Kind::Order));
        }
        let rest = |from: &str| {
            let place = ring.place(EventId::after(from)?)?;
            Some(texts(ring.after(place, &Filter::default(), 100)))
        };
        assert_eq!(rest("10-0"), Some(vec!["10-1".to_owned(), "12-0".to_owned(), "15-0".to_owned()]));
        assert_eq!(rest("10-1"), Some(vec!["12-0".to_owned(), "15-0".to_owned()]));
        assert_eq!(rest("11"), Some(vec!["12-0".to_owned(), "15-0".to_owned()]));
        assert_eq!(rest("15-0"), Some(vec![]));
        assert_eq!(rest("9"), None, "what is older is the journal's to tell");
    }

    #[test]
    fn one_who_fell_behind_is_told() {
        let mut ring = Ring::with_room(3);
        ring.begin(1);
        for seq in 1..=5 {
            ring.push(item(seq, 0, Kind::Order));
        }
        assert_eq!(ring.after(0, &Filter::default(), 10), Got::Missed(2));
        assert_eq!(ring.place(EventId { seq: 2, part: 0 }), None);
        assert_eq!(texts(ring.after(2, &Filter::default(), 10)), ["3-0", "4-0", "5-0"]);
    }

    #[test]
    fn quotes_come_no_faster_than_they_are_looked_at() {
        let mut ring = Ring::with_room(3);
        let (one, other) = (InstrumentId(0), InstrumentId(1));
        assert!(ring.takes_quote(one, 1_000_000_000));
        assert!(!ring.takes_quote(one, 1_099_999_999));
        assert!(ring.takes_quote(other, 1_099_999_999));
        assert!(ring.takes_quote(one, 1_100_000_000));
    }
}
