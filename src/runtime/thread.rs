//! Threads that turn agents: named, pinned, watched.

use super::wait::{Ladder, Wait, wait};
use crate::agent::Agent;
use crate::net::tcp::Reactor;
use crate::telemetry::clock::Clock;
use crossbeam::channel::Sender;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

/// Longest name of a thread that the system keeps and `top -H` shows.
pub const NAME_MAX: usize = 15;

/// A thread to be: its agents are turned one after the other, in this order.
pub struct ThreadPlan {
    /// 1 to 15 bytes.
    pub name: String,
    pub agents: Vec<Box<dyn Agent>>,
    /// The core it is pinned to; `None` leaves it to the system.
    pub core: Option<usize>,
    pub wait: Wait,
}

#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    #[error("thread name {0:?} is not 1 to 15 bytes long")]
    Name(String),
    #[error("thread {name} cannot be pinned to core {core}: this machine lets us use the cores {available:?}")]
    NoSuchCore { name: String, core: usize, available: Vec<usize> },
    #[error("thread {name} cannot be pinned to core {core}: the system refuses")]
    PinRefused { name: String, core: usize },
    #[error("thread {name} cannot be started")]
    Spawn {
        name: String,
        #[source]
        source: std::io::Error,
    },
}

/// How a thread ended: what its supervisor hears, once a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThreadEnd {
    /// Its stop flag was set.
    Stopped { name: String },
    /// An agent panicked: trading must not go on, open orders are to be cancelled.
    Panicked { name: String, message: String },
    /// The thread's poll failed.
    Failed { name: String, message: String },
}

/// A running thread.
pub struct Thread {
    pub name: String,
    beats: Arc<AtomicU64>,
    join: JoinHandle<()>,
}

impl Thread {
    /// Turns so far: a number that stands still is a thread that hangs, which a watchdog must not pass over. A parked
    /// thread turns at least once in its longest sleep.
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    pub fn is_finished(&self) -> bool {
        self.join.is_finished()
    }

    /// Waits for its end; what it was has been sent to the supervisor.
    pub fn join(self) {
        // The thread's body catches panics itself.
        let _ = self.join.join();
    }
}

/// The cores that the process may use: asked once, before `keep_off` takes some from a thread.
fn available() -> &'static [usize] {
    static CORES: OnceLock<Vec<usize>> = OnceLock::new();
    CORES.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect())
}

/// Keeps the calling thread, and every thread that it starts from then on, off the cores that others are pinned to: the
/// API, the log and the journal then take no time from the chain from quote to order. False where that would leave no
/// core at all: then nothing changes. A thread that is pinned goes to its core all the same.
pub fn keep_off(pinned: &[usize]) -> std::io::Result<bool> {
    let mut left = CpuSet::new();
    let spare = available().iter().filter(|core| !pinned.contains(core) && **core < CpuSet::MAX_CPU);
    spare.for_each(|core| left.set(*core));
    if left.count() == 0 {
        return Ok(false);
    }
    // `None` is the calling thread.
    sched_setaffinity(None, &left)?;
    Ok(true)
}

/// Starts a thread. `reactor` is the one its agents' networks were made from. It ends after a turn that finds `stop`
/// set; a parked one notices within its longest sleep, or at once when woken. The supervisor's channel must have room
/// for one value a thread.
pub fn spawn(
    plan: ThreadPlan,
    reactor: Reactor,
    clock: Clock,
    stop: Arc<AtomicBool>,
    supervisor: Sender<ThreadEnd>,
) -> Result<Thread, ThreadError> {
    let name = plan.name.clone();
    if name.is_empty() || name.len() > NAME_MAX || name.contains('\0') {
        return Err(ThreadError::Name(name));
    }
    if let Some(core) = plan.core {
        let available = available();
        if !available.contains(&core) {
            return Err(ThreadError::NoSuchCore { name, core, available: available.to_vec() });
        }
    }
    let beats = Arc::new(AtomicU64::new(0));
    let (pinned_tx, pinned_rx) = crossbeam::channel::bounded(1);
    let (core, own_beats) = (plan.core, beats.clone());
    let body = move || {
        let pinned = plan.core.is_none_or(|id| core_affinity::set_for_current(core_affinity::CoreId { id }));
        // The one receiver waits for exactly this.
        let _ = pinned_tx.send(pinned);
        if !pinned {
            return;
        }
        let ThreadPlan { name, mut agents, wait, .. } = plan;
        let mut reactor = reactor;
        let run = AssertUnwindSafe(|| turn_until(&mut agents, wait, &mut reactor, &clock, &stop, &own_beats));
        let end = match catch_unwind(run) {
            Ok(Ok(())) => ThreadEnd::Stopped { name },
            Ok(Err(error)) => ThreadEnd::Failed { name, message: format!("the poll failed: {error}") },
            Err(panic) => ThreadEnd::Panicked { name, message: panic_message(&*panic) },
        };
        // Told before the agents are dropped: their sockets close only after the supervisor can act.
        let _ = supervisor.send(end);
    };
    let spawned = std::thread::Builder::new().name(name.clone()).spawn(body);
    let join = spawned.map_err(|source| ThreadError::Spawn { name: name.clone(), source })?;
    match (pinned_rx.recv(), core) {
        (Ok(true), _) | (_, None) => Ok(Thread { name, beats, join }),
        (_, Some(core)) => Err(ThreadError::PinRefused { name, core }),
    }
}

fn turn_until(
    agents: &mut [Box<dyn Agent>],
    strategy: Wait,
    reactor: &mut Reactor,
    clock: &Clock,
    stop: &AtomicBool,
    beats: &AtomicU64,
) -> std::io::Result<()> {
    let mut ladder = Ladder::new(strategy);
    let mut turns = 0u64;
    let mut turn = || {
        turns += 1;
        beats.store(turns, Ordering::Relaxed);
        agents.iter_mut().map(|agent| agent.do_work(clock.now())).sum::<usize>()
    };
    while !stop.load(Ordering::Relaxed) {
        if turn() > 0 {
            ladder.busy();
            continue;
        }
        let idle = ladder.idle();
        if wait(idle, reactor, &mut turn)? {
            ladder.busy();
        }
    }
    Ok(())
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Nanos;
    use crate::net::link::{Rx, Tx, Wake, link};
    use std::time::Duration;

    /// Passes on what it is sent; panics at 13.
    struct Echo {
        rx: Rx<u32>,
        tx: Tx<(u32, String)>,
    }

    impl Agent for Echo {
        fn name(&self) -> &str {
            "echo"
        }
        fn do_work(&mut self, _: Nanos) -> usize {
            let Some(value) = self.rx.try_recv() else { return 0 };
            assert!(value != 13, "thirteen");
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            self.tx.try_send((value, name)).unwrap();
            1
        }
    }

    struct Rig {
        tx: Tx<u32>,
        rx: Rx<(u32, String)>,
        wake: Wake,
        stop: Arc<AtomicBool>,
        ends: crossbeam::channel::Receiver<ThreadEnd>,
        thread: Result<Thread, ThreadError>,
    }

    fn rig(name: &str, core: Option<usize>, wait: Wait) -> Rig {
        let wake = Wake::default();
        let (tx, rx) = link(4, &wake);
        let (out, back) = link(4, &Wake::default());
        let (supervisor, ends) = crossbeam::channel::bounded(1);
        let stop = Arc::new(AtomicBool::new(false));
        let plan = ThreadPlan { name: name.to_owned(), agents: vec![Box::new(Echo { rx, tx: out })], core, wait };
        let reactor = Reactor::new(&wake).unwrap();
        let thread = spawn(plan, reactor, Clock::real(), stop.clone(), supervisor);
        Rig { tx, rx: back, wake, stop, ends, thread }
    }

    /// Blocks the test until the thread answers: a thread that is not woken makes it hang, and the runner ends it.
    fn answer(rig: &Rig) -> (u32, String) {
        loop {
            if let Some(answer) = rig.rx.try_recv() {
                return answer;
            }
            std::thread::yield_now();
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_parked_thread_is_woken_by_a_send_and_stops_when_told() {
        for wait in [Wait::Park { max: HOUR }, Wait::Yield, Wait::Spin] {
            let rig = rig("echo-test", None, wait);
            for value in 0..5 {
                if wait == (Wait::Park { max: HOUR }) {
                    // Until it sleeps: its turns stand still only then.
                    let thread = rig.thread.as_ref().unwrap();
                    let mut beats = (thread.beats(), 0);
                    while beats.1 < 20 {
                        std::thread::sleep(Duration::from_millis(2));
                        beats = if thread.beats() == beats.0 { (beats.0, beats.1 + 1) } else { (thread.beats(), 0) };
                    }
                }
                rig.tx.try_send(value).unwrap();
                assert_eq!(answer(&rig), (value, "echo-test".to_owned()));
            }
            rig.stop.store(true, Ordering::Relaxed);
            rig.wake.wake();
            let end = loop {
                // The thread may have been about to sleep when it was woken for its stop.
                match rig.ends.recv_timeout(Duration::from_millis(10)) {
                    Ok(end) => break end,
                    Err(_) => rig.wake.wake(),
                }
            };
            assert_eq!(end, ThreadEnd::Stopped { name: "echo-test".to_owned() });
            rig.thread.unwrap().join();
        }
    }

    #[test]
    fn a_panic_is_reported_with_the_threads_name_and_its_message() {
        let rig = rig("unlucky", None, Wait::Park { max: HOUR });
        rig.tx.try_send(13).unwrap();
        let end = rig.ends.recv().unwrap();
        assert_eq!(end, ThreadEnd::Panicked { name: "unlucky".to_owned(), message: "thirteen".to_owned() });
        rig.thread.unwrap().join();
    }

    #[test]
    fn who_is_not_pinned_keeps_off_the_cores_of_those_who_are() {
        let cores = available();
        let allowed = || core_affinity::get_core_ids().unwrap().iter().map(|core| core.id).collect::<Vec<_>>();
        let Some((first, rest)) = cores.split_first().filter(|(_, rest)| !rest.is_empty()) else { return };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert!(keep_off(&[*first]).unwrap());
                assert_eq!(allowed(), rest);
                // What it starts keeps off too, and who is pinned there gets there.
                assert_eq!(std::thread::spawn(allowed).join().unwrap(), rest);
                let pinned = rig("pinned", Some(*first), Wait::Yield);
                pinned.tx.try_send(1).unwrap();
                assert_eq!(answer(&pinned).0, 1);
                pinned.stop.store(true, Ordering::Relaxed);
                pinned.thread.unwrap().join();
                // Where nothing would be left, nothing changes.
                assert!(!keep_off(cores).unwrap());
                assert_eq!(allowed(), rest);
            });
        });
    }

    #[test]
    fn a_core_or_a_name_that_cannot_be_is_said() {
        match rig("nowhere", Some(4096), Wait::Yield).thread {
            Err(error @ ThreadError::NoSuchCore { .. }) => {
                let text = error.to_string();
                assert!(text.contains("nowhere") && text.contains("4096"), "{text}");
            }
            _ => panic!("core 4096"),
        }
        for name in ["", "sixteen-bytes-16"] {
            assert!(matches!(rig(name, None, Wait::Yield).thread, Err(ThreadError::Name(_))), "{name:?}");
        }
        let core = core_affinity::get_core_ids().unwrap()[0].id;
        let pinned = rig("pinned", Some(core), Wait::Yield);
        pinned.tx.try_send(1).unwrap();
        assert_eq!(answer(&pinned).0, 1);
        pinned.stop.store(true, Ordering::Relaxed);
        pinned.thread.unwrap().join();
    }
}
