//! The thread that writes.

use super::collapse::Collapse;
use super::form::Form;
use super::line::Line;
use jiff::Timestamp;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel};
use std::time::Duration;

/// Between two looks at what is held back.
const LOOK: Duration = Duration::from_millis(500);
/// How long an ending process waits for its last lines: standard error may be a pipe that nobody reads.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the thread is told.
pub enum Message {
    Line(Line),
    /// Write what there is, and say so.
    Finish(std::sync::mpsc::Sender<()>),
}

pub struct Writer(SyncSender<Message>);

impl Writer {
    pub fn start(
        lines: SyncSender<Message>,
        waiting: Receiver<Message>,
        lost: Arc<AtomicU64>,
        collapse: Collapse,
        form: Form,
        out: Box<dyn Write + Send>,
    ) -> std::io::Result<Writer> {
        let mut desk = Desk { collapse, form, lost, out };
        std::thread::Builder::new().name("log".to_owned()).spawn(move || desk.run(&waiting))?;
        Ok(Writer(lines))
    }

    /// Waits until everything is written that was logged before.
    pub fn finish(&self) {
        let (done, finished) = channel();
        if self.0.send(Message::Finish(done)).is_ok() {
            // What hangs is left behind.
            let _ = finished.recv_timeout(PATIENCE);
        }
    }
}

struct Desk {
    collapse: Collapse,
    form: Form,
    lost: Arc<AtomicU64>,
    out: Box<dyn Write + Send>,
}

impl Desk {
    /// Until nobody logs any more.
    fn run(&mut self, waiting: &Receiver<Message>) {
        loop {
            let held = match waiting.recv_timeout(LOOK) {
                Ok(Message::Line(line)) => {
                    let written = self.collapse.take(line);
                    written.iter().flatten().for_each(|line| self.put(line));
                    self.say_lost();
                    continue;
                }
                Ok(Message::Finish(done)) => {
                    let rest = self.collapse.rest(Timestamp::now());
                    rest.iter().for_each(|line| self.put(line));
                    self.say_lost();
                    let _ = self.out.flush();
                    // Who asked may have lost patience.
                    let _ = done.send(());
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => self.collapse.due(Timestamp::now()),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            held.iter().for_each(|line| self.put(line));
        }
    }

    fn put(&mut self, line: &Line) {
        // There is nobody left to tell that the log itself cannot be written.
        let _ = self.out.write_all(self.form.write(line).as_bytes());
    }

    fn say_lost(&mut self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text = format!("{lost} lines of the log were dropped: they came faster than they could be written");
            let line = match self.form.json {
                true => serde_json::json!({ "level": "warn", "message": text, "lost": lost }).to_string(),
                false => text,
            };
            let _ = writeln!(self.out, "{line}");
        }
    }
}
