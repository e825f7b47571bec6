//! The webhooks' threads: one that follows the journal, one a hook that sends.

use super::keys;
use super::names::Names;
use crate::config::{self, Config, HookSecret, WebhookAddress, WebhookKind};
use crate::core::alarm::{AlarmKind, Severity};
use crate::credentials::Secret;
use crate::journal::ReadError;
use crate::net::tls::TlsError;
use crate::telemetry::Clock;
use crate::webhooks::{
    Board, Cursor, CursorError, Filter, Follower, HookCell, Names as AlertNames, Out, Pace, Queue, Sender, Shape,
    SigningKey, UreqPost,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender as DoneTx, channel};
use std::time::{Duration, Instant};

/// Rest of a follower that is level.
const REST: Duration = Duration::from_millis(50);
/// How long a stopping engine waits for an attempt that is under way.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why alerts could not be sent as configured: an engine that was asked to tell somebody does not start silent.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("webhook {name:?}: {cause}")]
    Secret { name: String, cause: config::SecretError },
    #[error("webhook {name:?}: {cause}")]
    Kept { name: String, cause: String },
    #[error("webhook {name:?}: its {what} {cause}")]
    Unfit { name: String, what: &'static str, cause: &'static str },
    #[error("webhook {name:?}: {cause}")]
    Tls { name: String, cause: TlsError },
    #[error("webhook {name:?}: {cause}; delete the file, and it begins with the next alert")]
    Cursor { name: String, cause: CursorError },
    #[error("webhooks: the journal cannot be read: {0}")]
    Read(#[from] ReadError),
    #[error("webhooks: {what}: {cause}")]
    System { what: &'static str, cause: std::io::Error },
}

/// The journal that is followed.
pub struct Place<'a> {
    pub dir: &'a Path,
    pub epoch: u32,
    /// The last event before this run.
    pub last_seq: u64,
}

pub struct WebhookThreads {
    board: Board,
    queues: Vec<Arc<Queue>>,
    stop: Arc<AtomicBool>,
    /// One message a thread that has ended.
    done: Receiver<()>,
    threads: usize,
}

/// Everything of one hook but its thread.
struct Hook {
    sender: Sender,
    out: Out,
}

impl WebhookThreads {
    /// `None` where none is configured.
    pub fn start(
        config: &Config,
        place: &Place,
        names: &Names,
        clock: &Clock,
    ) -> Result<Option<WebhookThreads>, WebhookError> {
        if config.webhooks.is_empty() {
            return Ok(None);
        }
        let folder = config.engine.data_dir.join("webhooks");
        std::fs::create_dir_all(&folder)
            .map_err(|cause| WebhookError::System { what: "no folder under engine.data_dir", cause })?;
        let names = Arc::new(AlertNames {
            engine: config.engine.name.clone(),
            mode: config.engine.mode.as_str(),
            venues: config.venues.iter().map(|venue| venue.name.clone()).collect(),
            instruments: names.instruments.iter().map(|inst| (inst.id, inst.symbol.clone())).collect(),
        });
        let (mut senders, mut outs) = (Vec::new(), Vec::new());
        for wanted in &config.webhooks {
            let Hook { sender, out } = hook(config, wanted, &folder, place, &names, clock)?;
            senders.push(sender);
            outs.push(out);
        }
        let board = Board::new(senders.iter().map(|sender| sender.cell.clone()).collect());
        let queues: Vec<Arc<Queue>> = senders.iter().map(|sender| sender.queue.clone()).collect();
        let follower = Follower::open(place.dir, names, outs)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, done) = channel();
        let threads = senders.len() + 1;
        let stopped = stop.clone();
        spawn("webhooks".to_owned(), ended.clone(), move || follow(follower, &stopped))?;
        for (at, sender) in senders.into_iter().enumerate() {
            spawn(format!("webhook-{at}"), ended.clone(), move || sender.run())?;
        }
        Ok(Some(WebhookThreads { board, queues, stop, done, threads }))
    }

    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// Ends them. What is not delivered is sent by the next start; an attempt that hangs is left behind.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.queues.iter().for_each(|queue| queue.stop());
        let until = Instant::now() + PATIENCE;
        for _ in 0..self.threads {
            if self.done.recv_timeout(until.saturating_duration_since(Instant::now())).is_err() {
                tracing::warn!("a webhook is still waiting for its answer; the next start sends that alert again");
                return;
            }
        }
    }
}

fn spawn(name: String, ended: DoneTx<()>, body: impl FnOnce() + Send + 'static) -> Result<(), WebhookError> {
    let body = move || {
        body();
        // The other end is gone only where nobody waits any more.
        let _ = ended.send(());
    };
    let spawned = std::thread::Builder::new().name(name).spawn(body);
    spawned.map(drop).map_err(|cause| WebhookError::System { what: "a thread cannot be started", cause })
}

fn follow(mut follower: Follower, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        match follower.turn() {
            Ok(true) => {}
            Ok(false) => std::thread::sleep(REST),
            Err(error) => {
                tracing::error!("the journal cannot be followed: {error}; no alert is sent any more, trading goes on");
                return;
            }
        }
    }
}

fn hook(
    config: &Config,
    wanted: &config::Webhook,
    folder: &Path,
    place: &Place,
    names: &Arc<AlertNames>,
    clock: &Clock,
) -> Result<Hook, WebhookError> {
    let name = || wanted.name.clone();
    let unfit = |what, cause| WebhookError::Unfit { name: name(), what, cause };
    let read = |source: &HookSecret| match source {
        HookSecret::Given(source) => {
            let text = source.read().map_err(|cause| WebhookError::Secret { name: name(), cause })?;
            Ok(Secret::take(text.into_bytes()))
        }
        HookSecret::Kept(kept) => {
            keys::webhook_secret(config, kept).map_err(|cause| WebhookError::Kept { name: name(), cause })
        }
    };
    let token = wanted.token.as_ref().map(read).transpose()?;
    let key = match &wanted.secret {
        Some(source) => {
            let secret = read(source)?;
            Some(SigningKey::new(secret.expose_text().unwrap_or_default()).map_err(|why| unfit("secret", why))?)
        }
        None => None,
    };
    let address = match &wanted.address {
        WebhookAddress::Plain(url) => Secret::copy(url.as_bytes()),
        WebhookAddress::Secret(source) => read(source)?,
    };
    config::fit(address.expose_text().unwrap_or_default()).map_err(|why| unfit("address", why))?;
    let (url, shape) = form(wanted, address, token.clone());
    let timeout = duration(wanted.timeout_ns);
    let post = UreqPost::new(url, token.into_iter().collect(), timeout, wanted.ca_file.as_deref())
        .map_err(|cause| WebhookError::Tls { name: name(), cause })?;
    let cursor = Cursor::open(&folder.join(format!("{}.json", wanted.name)), place.epoch, place.last_seq)
        .map_err(|cause| WebhookError::Cursor { name: name(), cause })?;
    let queue = Arc::new(Queue::new(wanted.queue_max));
    let cell = Arc::new(HookCell::new(&wanted.name, wanted.kind.as_str(), queue.clone()));
    let out = Out { filter: filter(wanted), queue: queue.clone(), cell: cell.clone(), from: cursor.mark() };
    let pace = Pace {
        retry_min: duration(wanted.retry_min_ns),
        retry_max: duration(wanted.retry_max_ns),
        give_up_after_ns: wanted.give_up_after_ns,
    };
    let (names, clock) = (names.clone(), clock.clone());
    let pauses = Box::new(queue.clone());
    let sender = Sender { names, shape, key, post: Box::new(post), queue, pauses, cell, cursor, pace, clock };
    Ok(Hook { sender, out })
}

/// The address that requests go to, and the shape of their bodies.
fn form(wanted: &config::Webhook, address: Secret, token: Option<Secret>) -> (Secret, Shape) {
    // The configuration has been checked: these two kinds have a token.
    let token = token.unwrap_or_else(|| Secret::copy(b""));
    let below = |path: &[&[u8]]| Secret::take([&[address.expose()], path].concat().concat());
    match wanted.kind {
        WebhookKind::Json => (address, Shape::Json),
        WebhookKind::Slack => (address, Shape::Slack),
        WebhookKind::Discord => (address, Shape::Discord),
        WebhookKind::Telegram => {
            let url = below(&[b"/bot", token.expose(), b"/sendMessage"]);
            (url, Shape::Telegram { chat_id: wanted.chat_id.clone().unwrap_or_default() })
        }
        WebhookKind::PagerDuty => (below(&[b"/v2/enqueue"]), Shape::PagerDuty { routing_key: token }),
    }
}

fn filter(wanted: &config::Webhook) -> Filter {
    let least = match wanted.least {
        config::LeastSeverity::Warning => Severity::Warning,
        config::LeastSeverity::Critical => Severity::Critical,
        config::LeastSeverity::Emergency => Severity::Emergency,
    };
    let kinds = AlarmKind::ALL.into_iter().filter(|kind| wanted.kinds.contains(&kind.code().as_str()));
    Filter { least, kinds: kinds.collect() }
}

fn duration(ns: i64) -> Duration {
    Duration::from_nanos(ns.unsigned_abs())
}
