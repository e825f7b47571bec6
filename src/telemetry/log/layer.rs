//! From `tracing` into the queue.

use super::line::Line;
use super::writer::Message;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

pub struct QueueLayer {
    lines: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl QueueLayer {
    /// The layer, and how many lines found no room.
    pub fn new(lines: SyncSender<Message>) -> (QueueLayer, Arc<AtomicU64>) {
        let lost = Arc::new(AtomicU64::new(0));
        (QueueLayer { lines, lost: lost.clone() }, lost)
    }
}

impl<S: Subscriber> Layer<S> for QueueLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = Line::of(event, Timestamp::now());
        if self.lines.try_send(Message::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
