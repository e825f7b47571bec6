//! The control thread: API, view and latency log on the one thread that knows an asynchronous runtime.

use super::records::{JournalHistory, JournalRecords};
use crate::api::{
    Access, AccessError, App, ConnectionLimits, Door, Entrance, Gauges, Hlog, Home, Info, KeyDesk, ListenError,
    ReloadingTls, SharedJudge, SharedView, Tail, TestDesk, serve,
};
use crate::config::Config;
use crate::core::event::Input;
use crate::journal::ReadError;
use crate::net::link::Tx;
use crate::net::tls::TlsError;
use crate::telemetry::{Clock, Counters, HlogWriter};
use crate::webhooks::Board;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Why the control thread did not start.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("{0}; is another engine running?")]
    Listen(#[from] ListenError),
    #[error("the journal cannot be read back: {0}")]
    Read(#[from] ReadError),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("control.tls_certificate_file and tls_key_file cannot be used: {0}")]
    Tls(#[from] TlsError),
    #[error("{what}: {cause}")]
    System { what: &'static str, cause: std::io::Error },
}

pub struct Control {
    view: SharedView,
    url: String,
    stop: Arc<AtomicBool>,
    join: Option<JoinHandle<()>>,
}

/// What the control thread is given.
pub struct ControlParts<'a> {
    pub config: &'a Config,
    /// Fed by the transition thread.
    pub judge: SharedJudge,
    /// How the webhooks do.
    pub webhooks: Board,
    pub gauges: Gauges,
    pub journal_dir: &'a Path,
    pub way_in: WayIn,
    pub keys: KeyDesk,
    pub tests: TestDesk,
    pub clock: &'a Clock,
    pub commands: Tx<Input>,
    pub counters: Counters,
    /// The run that begins, and the last record before it.
    pub run: u32,
    pub last_seq: u64,
}

/// The API's door, found fit before anything else starts.
pub struct WayIn {
    door: Door,
    access: Access,
    tls: bool,
}

impl WayIn {
    /// Takes the port. Whoever may come needs a token, unless it is paper that is traded and this machine alone that
    /// can come.
    pub fn open(config: &Config, counters: &Counters, clock: &Clock) -> Result<WayIn, ControlError> {
        let control = &config.control;
        // First of all: a second engine ends here, with a sentence.
        let listener = crate::api::listen(control.listen)?;
        let why_needed = if config.may_trade_money() {
            Some("the engine may trade money")
        } else if !control.listen.ip().is_loopback() {
            Some("control.listen can be reached from other machines")
        } else {
            None
        };
        let tokens = config.engine.data_dir.join(&control.tokens_file);
        let access = Access::open(&tokens, why_needed, control.requests_per_second_max, counters, clock.now())?;
        let tls = match &control.tls {
            Some(tls) => Some(ReloadingTls::open(&tls.certificate_file, &tls.key_file)?),
            None => None,
        };
        let limits = ConnectionLimits {
            connections_max: control.connections_max,
            header_max_bytes: control.header_max_bytes,
            read_timeout: Duration::from_nanos(control.read_timeout_ns.unsigned_abs()),
        };
        let is_tls = tls.is_some();
        Ok(WayIn { door: Door { listener, tls, limits }, access, tls: is_tls })
    }
}

impl Control {
    pub fn start(parts: ControlParts) -> Result<Control, ControlError> {
        let ControlParts {
            config,
            judge,
            webhooks,
            gauges,
            journal_dir,
            way_in,
            keys,
            tests,
            clock,
            commands,
            counters,
            run,
            last_seq,
        } = parts;
        let WayIn { door, access, tls } = way_in;
        let records = JournalRecords::open(journal_dir, last_seq)?;
        let hlog = match &config.telemetry.hlog_file {
            Some(path) => {
                let now = clock.now();
                let writer = HlogWriter::create(path, now)
                    .map_err(|cause| ControlError::System { what: "the latency log cannot be begun", cause })?;
                let interval_ns = config.telemetry.hlog_interval_ns;
                Some(Hlog { writer, interval_ns, due_ns: now + interval_ns })
            }
            None => None,
        };
        let info = Info {
            name: config.engine.name.clone(),
            mode: config.engine.mode.as_str(),
            run,
            answer_timeout: Duration::from_nanos(config.control.answer_timeout_ns.unsigned_abs()),
            body_max_bytes: config.control.body_max_bytes,
            read_timeout: door.limits.read_timeout,
            tls,
        };
        let addr = door.listener.local_addr().map_or(config.control.listen, |addr| addr);
        let home = Home::new(config.control.listen, config.control.hosts.clone(), tls);
        let view = SharedView::default();
        view.lock().begin_events(last_seq + 1);
        let mut app = App::new(info, Entrance { access, home }, keys, view.clone(), commands, counters, clock.clone())
            .with_judge(judge)
            .with_tests(tests)
            .with_webhooks(webhooks)
            .with_gauges(gauges);
        let dir = journal_dir.to_owned();
        app.set_history(Arc::new(move |seq| Ok(Box::new(JournalHistory::open(&dir, seq)?))));
        let app = Arc::new(app);
        let tail = Tail::new(records, view.clone(), hlog);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let body = move || {
            if let Err(cause) = serve(door, app, tail, &stopped) {
                tracing::error!("the control API has ended: {cause}; trading goes on, signals still work");
            }
        };
        let join = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(body)
            .map_err(|cause| ControlError::System { what: "the control thread cannot be started", cause })?;
        let url = format!("{}://{addr}{}", if tls { "https" } else { "http" }, crate::api::PATH);
        Ok(Control { view, url, stop, join: Some(join) })
    }

    pub fn view(&self) -> SharedView {
        self.view.clone()
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the thread when the view has seen the journal to its end.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(join) = self.join.take()
            && join.join().is_err()
        {
            tracing::error!("the control thread ended in a panic");
        }
    }
}
