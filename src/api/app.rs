//! What every request has at hand: the view, the way to the core, and how to wait for an answer.

use super::answer::Failure;
use super::auth::{Access, Caller};
use super::events::{History, Kind, OpenHistory, passing};
use super::guard::Home;
use super::keys::KeyDesk;
use super::metrics::Gauges;
use super::once::{self, Keys, Once};
use super::recall::Recall;
use super::tail::SharedView;
use super::test_connections::TestDesk;
use super::transition::SharedJudge;
use super::view::View;
use crate::core::alarm::AlarmKind;
use crate::core::command::{Action, Command, Scope};
use crate::core::event::{Body, Input};
use crate::credentials::TokenChange;
use crate::domain::{Nanos, RequestId, Text};
use crate::net::link::Tx;
use crate::telemetry::{Clock, Counters};
use crate::webhooks::Board;
use axum::http::StatusCode;
use serde_json::json;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What the engine is, as `status` says it.
#[derive(Debug, Clone)]
pub struct Info {
    pub name: String,
    pub mode: &'static str,
    /// The run of the journal that this process is; commands are taken once it has begun.
    pub run: u32,
    pub answer_timeout: Duration,
    pub body_max_bytes: usize,
    /// A body that takes longer to arrive belongs to a client that is gone or means no good.
    pub read_timeout: Duration,
    /// Whether the API is served over TLS.
    pub tls: bool,
}

pub struct App {
    pub info: Info,
    pub view: SharedView,
    pub counters: Counters,
    pub clock: Clock,
    pub access: Access,
    pub home: Home,
    pub keys: KeyDesk,
    pub tests: TestDesk,
    /// Held by one who changes limits, from reading the old ones to hearing that the new ones hold.
    pub limits_turn: tokio::sync::Mutex<()>,
    /// Who judges what is between paper and live; none in an engine without.
    pub judge: Option<SharedJudge>,
    /// How the webhooks do.
    pub webhooks: Board,
    /// Queues and the journal's end, for metrics.
    pub gauges: Gauges,
    commands: Tx<Input>,
    requests: AtomicU64,
    answers: AtomicU64,
    /// Changes when the view has.
    moved: watch::Sender<()>,
    /// The view has seen the journal to its end once.
    level: AtomicBool,
    /// Why the journal cannot be followed any more.
    failed: OnceLock<String>,
    /// Those who hear the events.
    pub listeners: Listeners,
    /// Changes when there are events to hear.
    events_moved: watch::Sender<()>,
    pulse: Mutex<Pulse>,
    history: Option<OpenHistory>,
    keys_sent: Mutex<Keys>,
    /// What the gate found of orders that are no longer remembered.
    pub recall: Recall,
}

/// How many listen.
#[derive(Debug, Default)]
pub struct Listeners(AtomicUsize);

impl Listeners {
    /// One more; how many they are then.
    pub fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
    pub fn remove(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was told last, and when.
#[derive(Debug, Default)]
struct Pulse {
    end: u64,
    told_ns: Nanos,
    pnl_ns: Nanos,
    performance_ns: Nanos,
}

/// Who is let in, and by which names the API may be asked.
pub struct Entrance {
    pub access: Access,
    pub home: Home,
}

/// Listeners are woken together and no more often: a thousand of them are one thread's work.
const EVENTS_GAP_NS: Nanos = 20_000_000;
/// How often profit and loss, and performance, are told while somebody listens.
const PNL_GAP_NS: Nanos = 1_000_000_000;
const PERFORMANCE_GAP_NS: Nanos = 10_000_000_000;

impl App {
    pub fn new(
        info: Info,
        entrance: Entrance,
        keys: KeyDesk,
        view: SharedView,
        commands: Tx<Input>,
        counters: Counters,
        clock: Clock,
    ) -> App {
        App {
            info,
            view,
            counters,
            clock,
            access: entrance.access,
            home: entrance.home,
            keys,
            tests: None,
            limits_turn: tokio::sync::Mutex::new(()),
            judge: None,
            webhooks: Board::default(),
            gauges: Gauges::default(),
            commands,
            requests: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            moved: watch::Sender::new(()),
            level: AtomicBool::new(false),
            failed: OnceLock::new(),
            listeners: Listeners::default(),
            events_moved: watch::Sender::new(()),
            pulse: Mutex::default(),
            history: None,
            keys_sent: Mutex::default(),
            recall: Recall::default(),
        }
    }

    /// How events are found that are no longer in memory.
    pub fn set_history(&mut self, open: OpenHistory) {
        self.history = Some(open);
    }

    /// The journal from a sequence on.
    pub fn history(&self, seq: u64) -> Result<Box<dyn History>, String> {
        match &self.history {
            Some(open) => open(seq),
            None => Err("there is no journal to read old events from".to_owned()),
        }
    }

    pub fn open_history(&self) -> Option<OpenHistory> {
        self.history.clone()
    }

    pub fn events_moved(&self) -> watch::Receiver<()> {
        self.events_moved.subscribe()
    }

    /// Wakes the listeners where there is something new, and tells them how things stand.
    pub fn pulse(&self, now: Nanos) {
        // One thread calls this; a panic in it has ended the process by then.
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        if now - pulse.told_ns < EVENTS_GAP_NS {
            return;
        }
        pulse.told_ns = now;
        self.tell_refusals(now);
        self.tell_tokens();
        let mut view = self.view.lock();
        if self.listeners.count() > 0 && self.ready_with(&view).is_ok() {
            if now - pulse.pnl_ns >= PNL_GAP_NS {
                pulse.pnl_ns = now;
                let data = super::show::pnl(&view);
                view.push_event(passing(Kind::Pnl, now, data));
            }
            if now - pulse.performance_ns >= PERFORMANCE_GAP_NS {
                pulse.performance_ns = now;
                let data = super::show::performance(self, &view);
                view.push_event(passing(Kind::Performance, now, data));
            }
        }
        let end = view.events().end();
        if end != std::mem::replace(&mut pulse.end, end) {
            self.events_moved.send_replace(());
        }
    }

    pub fn with_tests(self, tests: TestDesk) -> App {
        App { tests, ..self }
    }

    pub fn with_judge(self, judge: SharedJudge) -> App {
        App { judge: Some(judge), ..self }
    }

    pub fn with_webhooks(self, webhooks: Board) -> App {
        App { webhooks, ..self }
    }

    pub fn with_gauges(self, gauges: Gauges) -> App {
        App { gauges, ..self }
    }

    /// The tail has seen all there is.
    pub fn on_level(&self, moved: bool) {
        self.level.store(true, Ordering::Relaxed);
        if moved {
            self.moved.send_replace(());
        }
    }

    pub fn on_failed(&self, why: String) {
        // The first cause is the one that counts.
        let _ = self.failed.set(why);
        self.moved.send_replace(());
    }

    pub fn failed(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Whether someone waits for the view to move.
    pub fn is_awaited(&self) -> bool {
        self.moved.receiver_count() > 0
    }

    /// Whether commands are taken, and if not, why.
    pub fn ready(&self) -> Result<(), Failure> {
        self.ready_with(&self.view.lock())
    }

    /// The same, for one who holds the view.
    pub fn ready_with(&self, view: &View) -> Result<(), Failure> {
        let refuse = |code, message: String| Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, code, message));
        if let Some(why) = self.failed() {
            return refuse("JOURNAL_FAILED", format!("the journal cannot be followed, so no command is taken: {why}"));
        }
        if !self.level.load(Ordering::Relaxed) || view.run() != self.info.run {
            return refuse("STARTING", "the engine is starting: the journal is being read".to_owned());
        }
        Ok(())
    }

    /// An id for an answer, unique over all runs of the journal: `7-42` is the 42nd request of run 7.
    pub fn request_id(&self) -> String {
        format!("{}-{}", self.info.run, self.answers.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Sends a command to the core. Its id is unique over all runs of the journal.
    pub fn command(&self, who: Text<24>, from: Text<40>, action: Action, why: &str) -> Result<RequestId, Failure> {
        let request = self.next_request();
        self.command_as(request, who, from, action, why)?;
        Ok(request)
    }

    /// Keeps in the journal what was asked for in vain, and what was done besides commands: who, from where, what, and
    /// whether it was done. A few a second of each address; what is more is counted, so that nobody fills the journal.
    pub fn note(&self, who: Text<24>, from: IpAddr, what: &str, about: &str, done: bool) {
        let action = Action::Note { what: Text::new(what), about: Text::new(about), done };
        let from_text = Text::new(&from.to_string());
        let command = Command { request: RequestId(0), who, from: from_text, why: Text::default(), action };
        let noted = self.ready().is_ok()
            && self.access.may_note(from, self.clock.now())
            && self.commands.try_send(Input::new(Body::Command(command))).is_ok();
        if !noted {
            self.counters.counter("control_not_noted_total").add(1);
        }
    }

    /// To the core, that wrong tokens come again and again, or that they have stopped.
    fn tell_refusals(&self, now: Nanos) {
        if let Some(is_so) = self.access.refusals_changed(now) {
            let body = Body::Condition { kind: AlarmKind::LoginsRefused, scope: Scope::Account, is_so };
            if self.commands.try_send(Input::new(body)).is_err() {
                self.access.tell_again();
            }
        }
    }

    /// Tokens that were made or ended, by whatever command: in the journal and the log, by name and role. What the core
    /// does not take yet is told another time.
    fn tell_tokens(&self) {
        while let Some(TokenChange { what, token }) = self.access.token_change() {
            let about = format!("{} {} {}", token.name, token.role, token.id);
            let action = Action::Note { what: Text::new(what), about: Text::new(&about), done: true };
            let from = Text::new("the file of tokens");
            let command = Command { request: RequestId(0), who: Text::new("api"), from, why: Text::default(), action };
            if self.ready().is_err() || self.commands.try_send(Input::new(Body::Command(command))).is_err() {
                return;
            }
            tracing::info!(record = "security", name = token.name, role = %token.role, id = token.id, "{what}");
            self.access.token_change_told();
        }
    }

    /// An id that no command of this journal has.
    pub fn next_request(&self) -> RequestId {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        RequestId(u64::from(self.info.run) << 32 | number)
    }

    /// Sends a command under an id that was taken for it.
    pub fn command_as(
        &self,
        request: RequestId,
        who: Text<24>,
        from: Text<40>,
        action: Action,
        why: &str,
    ) -> Result<(), Failure> {
        self.ready()?;
        let command = Command { request, who, from, why: Text::new(why), action };
        self.commands.try_send(Input::new(Body::Command(command))).map_err(|_| {
            let message = "the queue of commands is full or the engine is going down: nothing was sent, try again";
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, "QUEUE_FULL", message)
        })
    }

    /// The keys of this process's requests, also those that the journal does not show yet.
    pub fn keys_sent(&self) -> MutexGuard<'_, Keys> {
        // What is behind it is changed in one step, so a panic of another holder did no harm.
        self.keys_sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When a request that begins now must be answered.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.info.answer_timeout
    }

    /// What `look` finds, looking again whenever the view has moved. `None` when the time is over.
    pub async fn until<T>(&self, deadline: Instant, mut look: impl FnMut(&View) -> Option<T>) -> Option<T> {
        let mut moved = self.moved.subscribe();
        loop {
            if let Some(found) = look(&self.view.lock()) {
                return Some(found);
            }
            // The sender lives as long as `self`, so a change that does not come is the time's end.
            if tokio::time::timeout_at(deadline, moved.changed()).await.is_err() {
                return look(&self.view.lock());
            }
        }
    }
}

/// The app as one caller has it: what is sent is sent in the caller's name.
pub struct Call<'a> {
    app: &'a App,
    pub caller: &'a Caller,
    /// The request's key, where it has one.
    pub once: Option<Once>,
    /// The action that was asked for, once it is known to be one.
    pub asked: OnceLock<&'static str>,
}

impl<'a> Call<'a> {
    pub fn new(app: &'a App, caller: &'a Caller) -> Call<'a> {
        Call { app, caller, once: None, asked: OnceLock::new() }
    }

    /// Keeps in the journal that it was refused before the core heard of it. What the core refuses it tells itself.
    pub fn note_refusal(&self, failure: &Failure) {
        use axum::http::StatusCode as S;
        let here = [S::BAD_REQUEST, S::FORBIDDEN, S::PAYLOAD_TOO_LARGE, S::UNSUPPORTED_MEDIA_TYPE, S::REQUEST_TIMEOUT];
        let action = self.asked.get().copied().unwrap_or("request");
        if here.contains(&failure.status) && action != "validate-order" {
            // A caller's address is text of one.
            let from = self.caller.from.as_str().parse().unwrap_or(IpAddr::from([0, 0, 0, 0]));
            self.note(self.caller.who, from, action, failure.code, false);
        }
    }

    /// The request's key, where it has one that means something to its action.
    pub fn once(&self) -> Option<&Once> {
        self.once.as_ref().filter(|_| self.asked.get().is_some_and(|action| once::heeds(action)))
    }

    /// The request that this one repeats: it was sent before with the same key, and is not sent again.
    pub fn repeated(&self) -> Result<Option<RequestId>, Failure> {
        once::repeated(self)
    }

    /// Sends a command, once a key.
    pub fn send(&self, action: Action, why: &str) -> Result<RequestId, Failure> {
        once::send(self, self.caller.who, action, why)
    }

    /// The same in the name of a person who gave it.
    pub fn send_as(&self, who: &str, action: Action, why: &str) -> Result<RequestId, Failure> {
        once::send(self, Text::new(who), action, why)
    }
}

impl Deref for Call<'_> {
    type Target = App;

    fn deref(&self) -> &App {
        self.app
    }
}

/// 202's words for a command that the core has not answered in time: it may still act.
pub fn unanswered(request: RequestId) -> serde_json::Value {
    json!({
        "request_id": request.to_string(),
        "status": "pending",
        "settled": false,
        "message": "the command is on its way to the core and may still act: ask for status and orders before repeating it",
    })
}
