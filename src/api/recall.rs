//! What the gate found of an order that is no longer remembered: the journal is run through a fresh core as far as the
//! order's event, beside everything else, on a thread of its own. Bounded in records and in time, and one at a time: what
//! cannot be had is said.

use super::app::App;
use super::events::{History, OpenHistory};
use crate::core::Core;
use crate::core::effect::Outbox;
use crate::core::risk::Weighed;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Most records that are run through: minutes of the processor at most, and those are not asked for lightly.
const RECORDS_MAX: u64 = 50_000_000;
/// Longest that a replay goes on, and that an answer waits for it.
const TIME_MAX: Duration = Duration::from_secs(120);
const WAIT_MAX: Duration = Duration::from_secs(20);
/// Events whose orders are remembered once they were recalled.
const KNOWN_MAX: usize = 64;
/// Records between two looks at the clock.
const BATCH: u64 = 1_024;

/// The orders of an event, as the gate weighed them; or a sentence.
pub(super) type Recalled = Result<Arc<[Weighed]>, String>;

/// What was recalled, and whether somebody is at it.
#[derive(Default)]
struct State {
    known: VecDeque<(u64, Arc<[Weighed]>)>,
    running: Option<u64>,
}

/// See the module.
#[derive(Clone, Default)]
pub struct Recall(Arc<Mutex<State>>);

impl Recall {
    /// What is behind it is changed in one step, so a panic of another holder did no harm.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The orders of the event `seq`, replayed from the journal's beginning.
    pub async fn recall(&self, app: &App, seq: u64) -> Recalled {
        let Some(open) = app.open_history() else { return Err("there is no journal to replay".to_owned()) };
        let answer = match self.begin(open, seq, TIME_MAX)? {
            Begun::Known(known) => return Ok(known),
            Begun::Replaying(answer) => answer,
        };
        match tokio::time::timeout(WAIT_MAX, answer).await {
            Ok(Ok(recalled)) => recalled,
            Ok(Err(_)) => Err("the replay for it ended in a fault: the log says why".to_owned()),
            Err(_) => Err(format!("the journal is being replayed as far as event {seq}: ask again in a minute")),
        }
    }

    fn begin(&self, open: OpenHistory, seq: u64, time_max: Duration) -> Result<Begun, String> {
        let mut state = self.lock();
        if let Some((_, known)) = state.known.iter().find(|(at, _)| *at == seq) {
            return Ok(Begun::Known(known.clone()));
        }
        if let Some(at) = state.running {
            return Err(format!(
                "the journal is being replayed as far as event {at}, one decision at a time: ask again in a minute"
            ));
        }
        if seq > RECORDS_MAX {
            return Err(format!(
                "the decision stands {seq} events behind the journal's beginning, and at most {RECORDS_MAX} are replayed \
                 for it"
            ));
        }
        let (tell, answer) = oneshot::channel();
        let recall = self.clone();
        let body = move || {
            // Also where the replay panics: nothing waits for it then.
            let running = Running(&recall);
            let recalled = open(1).and_then(|mut journal| replayed(&mut *journal, seq, time_max));
            if let Ok(found) = &recalled {
                let mut state = recall.lock();
                if state.known.len() >= KNOWN_MAX {
                    state.known.pop_front();
                }
                state.known.push_back((seq, found.clone()));
            }
            drop(running);
            // Who asked may have gone.
            let _ = tell.send(recalled);
        };
        state.running = Some(seq);
        drop(state);
        if let Err(cause) = std::thread::Builder::new().name("recall".to_owned()).spawn(body) {
            self.lock().running = None;
            return Err(format!("no thread can be started to replay the journal: {cause}"));
        }
        Ok(Begun::Replaying(answer))
    }
}

enum Begun {
    Known(Arc<[Weighed]>),
    Replaying(oneshot::Receiver<Recalled>),
}

struct Running<'a>(&'a Recall);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.lock().running = None;
    }
}

fn replayed(journal: &mut dyn History, seq: u64, time_max: Duration) -> Recalled {
    let begun = Instant::now();
    let (mut core, mut out) = (Core::new(), Outbox::new());
    core.watch();
    while let Some(record) = journal.next()? {
        let at = record.event.seq;
        out.clear();
        core.on_event(&record.event, &mut out);
        let weighed = core.take_weighed();
        if at >= seq {
            return Ok(weighed.into());
        }
        if at.is_multiple_of(BATCH) && begun.elapsed() >= time_max {
            let seconds = time_max.as_secs();
            return Err(format!(
                "in {seconds} s the journal was replayed as far as event {at}, and the decision is event {seq}"
            ));
        }
    }
    Err(format!("the journal ends before event {seq}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Past;
    use crate::core::event::{Body, Event};

    /// A journal of ticks.
    struct Ticks(u64, u64);

    impl History for Ticks {
        fn next(&mut self) -> Result<Option<Past>, String> {
            self.0 += 1;
            let event = Event { seq: self.0, ts_ns: 0, recv_ns: 0, decoded_ns: 0, body: Body::Tick };
            Ok((self.0 <= self.1).then(|| Past { event, decided_ns: 0, effects: Vec::new() }))
        }
    }

    fn ticks(last: u64) -> OpenHistory {
        Arc::new(move |from| Ok(Box::new(Ticks(from - 1, last))))
    }

    fn recalled(recall: &Recall, open: OpenHistory, seq: u64, time_max: Duration) -> Recalled {
        match recall.begin(open, seq, time_max)? {
            Begun::Known(known) => Ok(known),
            Begun::Replaying(answer) => answer.blocking_recv().unwrap(),
        }
    }

    #[test]
    fn what_cannot_be_recalled_is_said() {
        let long = Duration::from_secs(60);
        for (open, seq, time_max, words) in [
            (ticks(10), 11, long, "the journal ends before event 11"),
            (ticks(10_000), 9_000, Duration::ZERO, "in 0 s the journal was replayed as far as event 1024"),
            (ticks(10), RECORDS_MAX + 1, long, "at most 50000000 are replayed"),
            (Arc::new(|_| Err("the segment is gone".to_owned())) as OpenHistory, 5, long, "the segment is gone"),
        ] {
            let told = recalled(&Recall::default(), open, seq, time_max).unwrap_err();
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn one_at_a_time_is_replayed_and_what_was_is_known() {
        let recall = Recall::default();
        assert_eq!(recalled(&recall, ticks(10), 7, Duration::from_secs(60)).unwrap().len(), 0);
        let gone: OpenHistory = Arc::new(|_| Err("it is not read again".to_owned()));
        assert!(recalled(&recall, gone.clone(), 7, Duration::ZERO).is_ok());
        // One that waits for its journal.
        let (go, wait) = crossbeam::channel::bounded::<()>(0);
        let slow: OpenHistory = Arc::new(move |_| {
            let _ = wait.recv();
            Err("gone".to_owned())
        });
        let Ok(Begun::Replaying(answer)) = recall.begin(slow, 8, Duration::ZERO) else { panic!("it is begun") };
        let told = recalled(&recall, gone, 9, Duration::ZERO).unwrap_err();
        assert!(told.contains("replayed as far as event 8, one decision at a time"), "{told}");
        drop(go);
        assert_eq!(answer.blocking_recv().unwrap().unwrap_err(), "gone");
        for n in 10..10 + KNOWN_MAX as u64 {
            assert!(recalled(&recall, ticks(1_000), n, Duration::from_secs(60)).is_ok());
        }
        assert_eq!(recall.lock().known.len(), KNOWN_MAX);
    }
}
