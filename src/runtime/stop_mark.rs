//! The watchdog's mark: a file beside the journal that says the engine must come back stopped.
//!
//! Where the core's own thread hangs, or any thread panics, nothing can be journaled for sure any more. The mark is what
//! outlives the process then, with the reason: the
//! next start finds it, and journals the emergency stop before anything else can happen. It goes once a person has
//! resumed, and not before: a machine that crashes in between comes back stopped again.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// The file's name inside `engine.data_dir`.
const NAME: &str = "watchdog-stop";

#[derive(Debug, Clone)]
pub struct StopMark {
    path: PathBuf,
}

/// A mark on its way to the disk. It is written on a thread of its own: what made the core hang may be the disk.
pub struct Marking(Receiver<io::Result<()>>);

impl StopMark {
    pub fn new(data_dir: &Path) -> StopMark {
        StopMark { path: data_dir.join(NAME) }
    }

    /// Why the engine must be stopped, where the mark is there. What cannot be looked at may be there.
    pub fn found(&self) -> Option<String> {
        match std::fs::read(&self.path) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let why = text.lines().next().map(str::trim).filter(|why| !why.is_empty());
                Some(why.unwrap_or("the watchdog's mark is there").to_owned())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => Some(format!("the watchdog's mark cannot be looked for: {}", error.kind())),
        }
    }

    /// Sets it, durably.
    pub fn set(&self, why: &str) -> Marking {
        let (mark, why) = (self.clone(), why.to_owned());
        let (tx, rx) = channel();
        let write = move || {
            // The other end is gone only where nobody waits any more.
            let _ = tx.send(mark.write(&why));
        };
        // A thread that cannot be started drops its sender, which `Marking` tells.
        let _ = std::thread::Builder::new().name("stop-mark".to_owned()).spawn(write);
        Marking(rx)
    }

    fn write(&self, why: &str) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        writeln!(file, "{why}")?;
        writeln!(file, "The next start is stopped until a person resumes, which removes this file.")?;
        file.sync_all()?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Takes it away: a person has resumed.
    pub fn clear(&self) {
        match std::fs::remove_file(&self.path) {
            Ok(()) => tracing::info!("a person has resumed: the watchdog's mark {} is gone", self.path.display()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tracing::error!(
                "the watchdog's mark {} cannot be removed ({error}): the next start will be stopped by it; remove it",
                self.path.display()
            ),
        }
    }
}

impl Marking {
    /// Whether it is on the disk within `patience`; a failure is a sentence, `None` where it is not known yet.
    pub fn wait(&self, patience: Duration) -> Option<Result<(), String>> {
        use std::sync::mpsc::RecvTimeoutError as E;
        match self.0.recv_timeout(patience) {
            Ok(done) => Some(done.map_err(|error| error.to_string())),
            Err(E::Timeout) => None,
            Err(E::Disconnected) => Some(Err("no thread could be started".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_until_it_is_cleared_and_what_cannot_be_looked_at_may_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let mark = StopMark::new(dir.path());
        assert_eq!(mark.found(), None);
        assert_eq!(mark.set("thread core does not turn").wait(Duration::from_secs(60)), Some(Ok(())));
        assert_eq!(StopMark::new(dir.path()).found().as_deref(), Some("thread core does not turn"));
        assert_eq!(mark.set("again").wait(Duration::from_secs(60)), Some(Ok(())));
        assert_eq!(mark.found().as_deref(), Some("again"));
        mark.clear();
        mark.clear();
        assert_eq!(mark.found(), None);
        // Cut short, it is still a mark.
        std::fs::write(dir.path().join(NAME), "").unwrap();
        assert_eq!(mark.found().as_deref(), Some("the watchdog's mark is there"));
        mark.clear();
        std::fs::create_dir(dir.path().join(NAME)).unwrap();
        assert!(mark.found().unwrap().starts_with("the watchdog's mark cannot be looked for"));
        let failed = mark.set("x").wait(Duration::from_secs(60));
        assert!(matches!(failed, Some(Err(_))), "{failed:?}");
    }
}
