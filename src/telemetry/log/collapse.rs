//! What repeats is counted and not written.
//!
//! Within a window that begins with a place's first line: the same line is written three times, and any lines of that
//! place up to a number; what is beyond is held back. When the window ends, the last one held back is written with how
//! many those were. Errors and alerts are held back only where they are the same.

use super::line::{Line, Record};
use jiff::Timestamp;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tracing::Level;
use tracing::callsite::Identifier;

/// How often the same line is written within a window.
const SAME_MAX: u32 = 3;
/// Different lines of one place that are told apart within a window; beyond it they count as new.
const TEXTS_MAX: usize = 1_024;

/// By the place in the program: there are only so many.
pub struct Collapse {
    window: Duration,
    burst_max: u32,
    places: HashMap<Identifier, Place>,
    hasher: RandomState,
}

struct Place {
    begun: Timestamp,
    written: u32,
    /// Hashes of lines, and how often each came.
    texts: HashMap<u64, u32>,
    held: u64,
    last: Option<Line>,
}

impl Collapse {
    pub fn new(window: Duration, burst_max: u32) -> Collapse {
        Collapse { window, burst_max, places: HashMap::new(), hasher: RandomState::new() }
    }

    /// What is to be written now that this line has come: what its place held back before, and the line itself.
    pub fn take(&mut self, line: Line) -> [Option<Line>; 2] {
        if self.window.is_zero() {
            return [None, Some(line)];
        }
        let text = self
            .hasher
            .hash_one((&line.message, line.fields.iter().map(|(n, v)| (*n, v.to_string())).collect::<Vec<_>>()));
        let place = self.places.entry(line.place.callsite()).or_insert_with(|| Place::new(line.at));
        let before = place.ended(line.at, self.window).then(|| place.end(line.at)).flatten();
        let passes = line.level() == Level::ERROR || line.record == Some(Record::Alert);
        let same = match place.texts.get_mut(&text) {
            Some(times) => {
                *times += 1;
                *times
            }
            None => {
                if place.texts.len() < TEXTS_MAX {
                    place.texts.insert(text, 1);
                }
                1
            }
        };
        if same > SAME_MAX || (place.written >= self.burst_max && !passes) {
            place.held += 1;
            place.last = Some(line);
            return [before, None];
        }
        place.written += 1;
        [before, Some(line)]
    }

    /// What was held back in windows that have ended.
    pub fn due(&mut self, now: Timestamp) -> Vec<Line> {
        let window = self.window;
        let ended = self.places.values_mut().filter(|place| place.held > 0 && place.ended(now, window));
        ended.filter_map(|place| place.end(now)).collect()
    }

    /// All that is held back: the log ends.
    pub fn rest(&mut self, now: Timestamp) -> Vec<Line> {
        self.places.values_mut().filter_map(|place| place.end(now)).collect()
    }
}

impl Place {
    fn new(now: Timestamp) -> Place {
        Place { begun: now, written: 0, texts: HashMap::new(), held: 0, last: None }
    }

    fn ended(&self, now: Timestamp, window: Duration) -> bool {
        // A clock that was set back ends it too.
        let age = now.duration_since(self.begun);
        age.is_negative() || age.unsigned_abs() >= window
    }

    /// Begins anew; the line that stands for what was held back.
    fn end(&mut self, now: Timestamp) -> Option<Line> {
        let ended = std::mem::replace(self, Place::new(now));
        ended.last.map(|line| Line { more: ended.held - 1, ..line })
    }
}
