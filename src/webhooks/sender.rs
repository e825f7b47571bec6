//! The tries until an alert is there, refused, or too old.

use super::board::HookCell;
use super::cursor::Cursor;
use super::notice::{Mark, Names, Notice};
use super::post::{Outcome, Post, Request};
use super::queue::{Queue, Taken};
use super::shape::Shape;
use super::sign::SigningKey;
use crate::domain::Nanos;
use crate::telemetry::Clock;
use std::sync::Arc;
use std::time::Duration;

/// How long a sender waits for an alert before it notes how far the journal was looked through.
const IDLE: Duration = Duration::from_secs(10);

/// How often it is tried, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub retry_min: Duration,
    pub retry_max: Duration,
    /// Age of an alert at which it is given up.
    pub give_up_after_ns: Nanos,
}

/// What waits between two attempts: the queue, which a stopping engine wakes, or a test.
pub trait Pauses: Send {
    /// False where the engine stops before.
    fn pause(&mut self, time: Duration) -> bool;
}

impl Pauses for Arc<Queue> {
    fn pause(&mut self, time: Duration) -> bool {
        Queue::pause(self, time)
    }
}

/// One hook's thread.
pub struct Sender {
    pub names: Arc<Names>,
    pub shape: Shape,
    pub key: Option<SigningKey>,
    pub post: Box<dyn Post>,
    pub queue: Arc<Queue>,
    pub pauses: Box<dyn Pauses>,
    pub cell: Arc<HookCell>,
    pub cursor: Cursor,
    pub pace: Pace,
    pub clock: Clock,
}

impl Sender {
    /// Sends until the queue stops.
    pub fn run(mut self) {
        loop {
            match self.queue.take(IDLE) {
                Taken::Stop => return,
                Taken::Idle(seen) if seen > self.cursor.mark() => self.keep(seen),
                Taken::Idle(_) => {}
                Taken::Notice(notice, left_out) => {
                    if !self.deliver(&notice, left_out) {
                        return;
                    }
                }
            }
        }
    }

    /// False where the engine stops before the alert is settled: the next start sends it.
    fn deliver(&mut self, notice: &Notice, left_out: u64) -> bool {
        let (id, body) = (notice.id(), self.shape.body(&self.names, notice, left_out));
        let mut pause = self.pace.retry_min;
        let until = notice.ts_ns.saturating_add(self.pace.give_up_after_ns);
        let mut first = true;
        loop {
            let now = self.clock.now();
            if now >= until {
                self.cell.add(&self.cell.given_up);
                tracing::error!(
                    "webhook {}: alert {id} is given up: it could not be delivered in time",
                    self.cell.name()
                );
                break;
            }
            if !std::mem::take(&mut first) {
                self.cell.add(&self.cell.retries);
            }
            match self.post.post(&self.request(&id, now, &body)) {
                Outcome::Delivered => {
                    if self.cell.worked(self.clock.now()) {
                        tracing::info!("webhook {}: delivers again", self.cell.name());
                    }
                    break;
                }
                Outcome::Refused { why } => {
                    self.cell.add(&self.cell.refused);
                    self.cell.failed(&why);
                    tracing::error!(
                        "webhook {}: alert {id} was refused and is not sent again: {why}",
                        self.cell.name()
                    );
                    break;
                }
                Outcome::Again { why, after } => {
                    if self.cell.failed(&why) {
                        tracing::warn!("webhook {}: {why}; it is tried again", self.cell.name());
                    }
                    let left = Duration::from_nanos((until - self.clock.now()).max(0).unsigned_abs());
                    if !self.pauses.pause(after.unwrap_or_else(|| jittered(pause)).min(left)) {
                        return false;
                    }
                    pause = (pause * 2).min(self.pace.retry_max);
                }
            }
        }
        self.keep(notice.at);
        true
    }

    fn request(&self, id: &str, now: Nanos, body: &[u8]) -> Request {
        let seconds = now.div_euclid(1_000_000_000);
        let mut headers = vec![("webhook-id", id.to_owned()), ("webhook-timestamp", seconds.to_string())];
        if let Some(key) = &self.key {
            headers.push(("webhook-signature", key.sign(id, seconds, body)));
        }
        Request { headers, body: body.to_vec() }
    }

    fn keep(&mut self, mark: Mark) {
        if let Err(error) = self.cursor.keep(mark) {
            tracing::error!(
                "webhook {}: what was delivered cannot be noted, and may be sent twice: {error}",
                self.cell.name()
            );
        }
    }
}

/// Between half of it and all: receivers that were gone are not met by everybody at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}
