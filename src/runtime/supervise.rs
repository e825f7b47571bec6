//! The supervisor: turns the observer, listens for signals, watches the threads, and stops the engine in order.

use super::emergency::{Found, StopFile, Watchdog};
use super::engine::Engine;
use super::hours;
use super::narrate::tell_performance;
use super::signals::Signals;
use super::thread::{Thread, ThreadEnd};
use crate::config::Config;
use crate::core::command::{Action, Command};
use crate::core::event::{Body, Input};
use crate::domain::{Nanos, RequestId, Text};
use crate::telemetry::sd::ServiceManager;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How the run ended; the exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// Stopped in order, nothing left open.
    Clean,
    /// Stopped in order, but the venue did not confirm every cancel.
    OrdersLeft,
    /// A trading thread died; open orders were cancelled over REST.
    Died,
}

impl RunEnd {
    pub fn code(self) -> u8 {
        match self {
            RunEnd::Clean => 0,
            RunEnd::OrdersLeft => 3,
            RunEnd::Died => 70,
        }
    }
}

/// The supervisor's rest between two looks.
const REST: Duration = Duration::from_millis(5);
/// Time between two looks at the threads' turns.
const WATCH_NS: Nanos = 250_000_000;
/// Time between two looks at the trading sessions that the core knows.
const HOURS_NS: Nanos = 1_000_000_000;
/// A journal without room for this long is a disk that is full: open orders are cancelled while that can still be done.
const STALL_MAX: Duration = Duration::from_secs(5);

/// Runs the engine until a signal or a failure ends it, and stops it. Prints the closing summary to standard output.
pub fn run(mut engine: Engine, config: &Config, signals: &Signals) -> RunEnd {
    let mut service = ServiceManager::from_env();
    service.ready(&format!("trading on paper, control at {}", engine.control.url()));
    service.warn_if_hasty(config.emergency.watchdog_max_ns);
    let mut watch = Watch::new(config, engine.marked_seq);
    let mut hours_at = 0;
    let mut performance_at = engine.clock.now() + config.log.performance_ns;
    let end = loop {
        let now = engine.clock.now();
        if let Ok(ThreadEnd::Panicked { name, message } | ThreadEnd::Failed { name, message }) = engine.ends.try_recv()
        {
            // What broke once may break again at once: whoever restarts the engine must not have it trade meanwhile.
            break died(&mut engine, &format!("thread {name} died: {message}"), true);
        }
        if let Some(Fatal { cause, comes_back_stopped }) = watch.look(&engine, &mut service, now) {
            break died(&mut engine, &cause, comes_back_stopped);
        }
        if hours_at <= now {
            hours_at = now + HOURS_NS;
            let due = hours::due(now, engine.view.lock().core(), &config.risk.trading_hours);
            // A channel that is full now takes them the next time.
            for body in due {
                let _ = engine.commands.try_send(Input::new(body));
            }
        }
        if config.log.performance_ns > 0 && performance_at <= now {
            performance_at = now + config.log.performance_ns;
            tell_performance(&engine.view.lock());
        }
        if signals.asked() {
            service.stopping("cancelling open orders");
            break stop(&mut engine, config);
        }
        std::thread::sleep(REST);
    };
    if let Some(keeper) = engine.keeper.take() {
        keeper.stop();
    }
    engine.control.stop();
    if let Some(transition) = &mut engine.transition {
        transition.stop();
    }
    if let Some(store) = engine.store.take() {
        store.stop();
    }
    if let Some(webhooks) = engine.webhooks.take() {
        webhooks.stop();
    }
    let now = engine.clock.now();
    println!("\n{}", engine.view.lock().summary(now));
    let counted: Vec<(String, u64)> = engine.counters.snapshot().into_iter().filter(|(_, n)| *n > 0).collect();
    if !counted.is_empty() {
        println!("\nfeeds and gateways");
        for (name, n) in counted {
            println!("  {name:<40} {n}");
        }
    }
    end
}

/// Why a run cannot go on, and whether the next one must wait for a person.
struct Fatal {
    cause: String,
    comes_back_stopped: bool,
}

/// Whether every thread still turns, the journal takes events, and nobody has left the stop file.
struct Watch {
    next_ns: Nanos,
    beats: Vec<u64>,
    stalled_since: Option<Instant>,
    watchdog: Watchdog,
    stop_file: StopFile,
    /// A stop that the core's queue had no room for yet.
    owed: Option<(&'static str, String)>,
    /// The watchdog's mark is there, and the stop that it stands for is set by this event.
    marked_seq: Option<u64>,
}

impl Watch {
    fn new(config: &Config, marked_seq: Option<u64>) -> Watch {
        Watch {
            next_ns: 0,
            beats: Vec::new(),
            stalled_since: None,
            watchdog: Watchdog::new(config, WATCH_NS),
            stop_file: StopFile::new(config),
            owed: None,
            marked_seq,
        }
    }

    /// A cause to stop, where there is one.
    fn look(&mut self, engine: &Engine, service: &mut ServiceManager, now: Nanos) -> Option<Fatal> {
        if now < self.next_ns {
            return None;
        }
        self.next_ns = now + WATCH_NS;
        if engine.shared.stalled.load(Ordering::Relaxed) {
            let since = *self.stalled_since.get_or_insert_with(|| {
                tracing::error!(
                    record = "alert",
                    "the journal has no room: nothing is sent until it has (is the disk full?)"
                );
                Instant::now()
            });
            if since.elapsed() > STALL_MAX {
                let cause = "the journal has had no room for too long: is the disk full?".to_owned();
                // A disk that has room again is no reason for a person to look.
                return Some(Fatal { cause, comes_back_stopped: false });
            }
        } else {
            self.stalled_since = None;
        }
        // A thread that does not turn is not reported alive: the service manager ends us, and starts us anew.
        let beats: Vec<u64> = engine.trading.threads.iter().map(Thread::beats).collect();
        if self.beats.len() == beats.len() && self.beats.iter().zip(&beats).all(|(before, now)| now > before) {
            service.beat(now);
        }
        self.beats = beats;
        let all = engine.trading.threads.iter().chain(&engine.service.threads);
        match self.watchdog.look(all.map(|thread| (thread.name.as_str(), thread.beats()))) {
            Some(Found::CoreHangs(cause)) => return Some(Fatal { cause, comes_back_stopped: true }),
            Some(Found::Stop { who, why }) => {
                self.stop(engine, who, why);
                // What the gateway on that thread was to send may never leave it.
                rescue(engine);
            }
            None => {}
        }
        let (seq, stopped) = {
            let view = engine.view.lock();
            (view.core().seq(), view.core().stop().is_set())
        };
        if let Some(Found::Stop { who, why }) = self.stop_file.look(stopped) {
            self.stop(engine, who, why);
        }
        if let Some((who, why)) = self.owed.take() {
            self.ask_to_stop(engine, who, why);
        }
        if self.marked_seq.is_some_and(|marked| seq >= marked && !stopped) {
            self.marked_seq = None;
            engine.stop_mark.clear();
        }
        None
    }

    /// Has the core stop everything, with positions closed where the configuration says so.
    fn stop(&mut self, engine: &Engine, who: &'static str, why: String) {
        tracing::error!("emergency stop by the {who}: {why}");
        self.ask_to_stop(engine, who, why);
    }

    /// One that finds no room is asked for again at the next look.
    fn ask_to_stop(&mut self, engine: &Engine, who: &'static str, why: String) {
        let flatten = engine.view.lock().core().stop().rules.flatten;
        let command = Command {
            request: RequestId(0),
            who: Text::new(who),
            from: Text::default(),
            why: Text::new(&why),
            action: Action::EmergencyStop { flatten },
        };
        if engine.commands.try_send(Input::new(Body::Command(command))).is_err() {
            tracing::error!("the core takes no command now; it is asked again");
            self.owed = Some((who, why));
        }
    }
}

/// Cancels over REST what the journal holds for open.
fn rescue(engine: &Engine) {
    for rescue in &engine.rescues {
        for line in rescue.cancel_all(engine.view.lock().core()) {
            tracing::error!("{line}");
        }
    }
}

/// Blocks opens, cancels what works, waits for the answers, notes the core's state, ends the threads.
fn stop(engine: &mut Engine, config: &Config) -> RunEnd {
    tracing::info!("stopping: opens are blocked, {} open orders are being cancelled", engine.open_orders());
    let command = Command {
        request: RequestId(0),
        who: Text::new("signal"),
        from: Text::default(),
        why: Text::new("orderly stop"),
        action: Action::Shutdown,
    };
    let deadline = Instant::now() + Duration::from_nanos(config.engine.stop_timeout_ns.unsigned_abs());
    let mut asked = false;
    while Instant::now() < deadline {
        if !asked {
            asked = engine.commands.try_send(Input::new(Body::Command(command))).is_ok();
        }
        std::thread::sleep(REST);
        let settled = {
            let view = engine.view.lock();
            view.core().is_shutting_down() && view.core().orders_to_end() == 0
        };
        if settled {
            break;
        }
    }
    engine.shared.finish.store(true, Ordering::Release);
    let patience = Instant::now() + Duration::from_secs(2);
    while !engine.shared.finished.load(Ordering::Acquire) && Instant::now() < patience {
        std::thread::sleep(REST);
    }
    if !engine.trading.stop(Duration::from_secs(2)) {
        tracing::error!("a trading thread does not end; it is left behind");
    }
    catch_up(engine);
    // One flush more than the interval: what was journaled last is on the disk when we say goodbye.
    std::thread::sleep(
        Duration::from_nanos(config.journal.flush_interval_ns.unsigned_abs()).min(Duration::from_secs(1)),
    );
    if !engine.service.stop(Duration::from_secs(2)) {
        tracing::error!("a service thread does not end; it is left behind");
    }
    let open = engine.open_orders();
    if open > 0 {
        tracing::error!(
            "{open} orders are not confirmed as cancelled: look at the venue; the next start asks for them"
        );
        return RunEnd::OrdersLeft;
    }
    RunEnd::Clean
}

/// Waits until the view has seen what the journal holds, at most two seconds.
fn catch_up(engine: &Engine) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while engine.view.lock().core().seq() < engine.tail.committed_seq() && Instant::now() < deadline {
        std::thread::sleep(REST);
    }
}

/// Time for the watchdog's mark to reach the disk before the orders are seen to, and after.
const MARK_PATIENCE: Duration = Duration::from_secs(1);

/// A trading thread is gone: the others end, and what the journal holds for open is cancelled over REST. Where the next
/// start must be stopped, it cannot learn that from the journal, which may have lost its writer: a mark says so.
fn died(engine: &mut Engine, cause: &str, comes_back_stopped: bool) -> RunEnd {
    tracing::error!(record = "alert", "{cause}; open orders are cancelled over REST and the engine ends");
    let marking = comes_back_stopped.then(|| engine.stop_mark.set(cause));
    let mut marked = marking.as_ref().and_then(|marking| marking.wait(MARK_PATIENCE));
    engine.trading.stop(Duration::from_millis(500));
    catch_up(engine);
    rescue(engine);
    engine.service.stop(Duration::from_secs(1));
    if let Some(marking) = marking {
        marked = marked.or_else(|| marking.wait(MARK_PATIENCE));
        match marked {
            Some(Ok(())) => tracing::error!("the next start is stopped until a person resumes"),
            Some(Err(why)) => tracing::error!("the next start may trade: the stop could not be marked: {why}"),
            None => tracing::error!("the next start may trade: the disk takes no mark of the stop"),
        }
    }
    RunEnd::Died
}
