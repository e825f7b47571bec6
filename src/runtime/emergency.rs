//! What makes the supervisor stop the engine in an emergency: the stop file, and threads that do not turn.

use crate::config::Config;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a look brought to light.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// The core is to stop everything, in this name and for this reason.
    Stop { who: &'static str, why: String },
    /// The core itself does not turn: nothing can be asked of it.
    CoreHangs(String),
}

/// The stop file: while it is there the engine is stopped, whoever resumes it. Its removal alone resumes nothing.
pub(super) struct StopFile {
    path: Option<PathBuf>,
    /// Looks until it is asked for again, where the core has not stopped yet.
    wait: u32,
    there: bool,
}

/// Looks that the core is given to stop before it is asked again.
const WAIT_LOOKS: u32 = 4;

impl StopFile {
    pub fn new(config: &Config) -> StopFile {
        let path = config.emergency.signal_file.as_ref().map(|file| config.engine.data_dir.join(file));
        StopFile { path, wait: 0, there: false }
    }

    /// `stopped`: as the core has it.
    pub fn look(&mut self, stopped: bool) -> Option<Found> {
        let path = self.path.as_deref()?;
        let why = match is_there(path) {
            Ok(true) => "the stop file is there".to_owned(),
            Ok(false) => {
                if std::mem::take(&mut self.there) {
                    tracing::warn!(
                        "the stop file {} is gone: the stop stays set until a person resumes",
                        path.display()
                    );
                }
                return None;
            }
            // What cannot be looked at may be there.
            Err(kind) => format!("the stop file cannot be looked for: {kind}"),
        };
        if !std::mem::replace(&mut self.there, true) {
            tracing::error!("{why} ({}): everything is stopped; remove it and resume to trade again", path.display());
        }
        if stopped || self.wait > 0 {
            self.wait = self.wait.saturating_sub(1);
            return None;
        }
        self.wait = WAIT_LOOKS;
        Some(Found::Stop { who: "stop-file", why })
    }
}

fn is_there(path: &Path) -> Result<bool, ErrorKind> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error.kind()),
    }
}

/// Whether every thread still turns. Counted in looks and not in time: a process that was itself suspended has missed
/// none.
pub(super) struct Watchdog {
    /// 0: not watched.
    looks_max: u32,
    core: String,
    /// Each thread's turns at its last look, and the looks since they moved.
    seen: Vec<(u64, u32)>,
}

impl Watchdog {
    pub fn new(config: &Config, look_ns: i64) -> Watchdog {
        let looks = config.emergency.watchdog_max_ns.div_euclid(look_ns);
        let core = config.threads.iter().find(|thread| thread.agents.iter().any(|agent| agent == "core"));
        Watchdog {
            looks_max: u32::try_from(looks).unwrap_or(u32::MAX),
            core: core.map(|thread| thread.name.clone()).unwrap_or_default(),
            seen: Vec::new(),
        }
    }

    /// Each thread's name and turns, always in the same order. A thread that hangs is told once, until it turns again.
    pub fn look<'a>(&mut self, threads: impl Iterator<Item = (&'a str, u64)>) -> Option<Found> {
        if self.looks_max == 0 {
            return None;
        }
        let mut found = None;
        for (n, (name, beats)) in threads.enumerate() {
            if self.seen.len() <= n {
                self.seen.push((beats, 0));
                continue;
            }
            let (before, missed) = &mut self.seen[n];
            if *before != beats {
                (*before, *missed) = (beats, 0);
                continue;
            }
            *missed = missed.saturating_add(1);
            if *missed != self.looks_max {
                continue;
            }
            if name == self.core {
                return Some(Found::CoreHangs(format!("the core's thread {name} does not turn any more")));
            }
            found = Some(Found::Stop { who: "watchdog", why: format!("thread {name} does not turn any more") });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(who: &'static str, why: &str) -> Option<Found> {
        Some(Found::Stop { who, why: why.to_owned() })
    }

    #[test]
    fn a_thread_that_misses_its_beat_stops_everything_once_and_the_core_cannot_be_asked() {
        let mut dog = Watchdog { looks_max: 3, core: "core".to_owned(), seen: Vec::new() };
        let mut look = |beats: [u64; 2]| dog.look(["core", "feed"].into_iter().zip(beats));
        for n in 0..5 {
            assert_eq!(look([n, n]), None);
        }
        assert_eq!(look([5, 4]), None);
        assert_eq!(look([6, 4]), None);
        assert_eq!(look([7, 4]), stop("watchdog", "thread feed does not turn any more"));
        assert_eq!(look([8, 4]), None, "told once");
        assert_eq!(look([9, 5]), None, "and again only after it has turned");
        assert_eq!((look([10, 5]), look([11, 5])), (None, None));
        assert_eq!(look([12, 5]), stop("watchdog", "thread feed does not turn any more"));
        assert_eq!((look([12, 6]), look([12, 7])), (None, None));
        assert_eq!(look([12, 8]), Some(Found::CoreHangs("the core's thread core does not turn any more".to_owned())));
        let mut off = Watchdog { looks_max: 0, core: String::new(), seen: Vec::new() };
        assert!((0..9).all(|_| off.look([("feed", 1)].into_iter()).is_none()));
    }

    #[test]
    fn the_file_stops_as_long_as_it_is_there_and_its_removal_resumes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("STOP");
        let mut file = StopFile { path: Some(path.clone()), wait: 0, there: false };
        assert_eq!(file.look(false), None);
        std::fs::write(&path, "").unwrap();
        let found = stop("stop-file", "the stop file is there");
        assert_eq!(file.look(false), found);
        assert_eq!(file.look(false), None, "the core is given time");
        assert_eq!(file.look(true), None);
        // A person resumes while it is still there.
        let again: Vec<_> = (0..WAIT_LOOKS).filter_map(|_| file.look(false)).collect();
        assert_eq!(again, found.clone().into_iter().collect::<Vec<_>>());
        std::fs::remove_file(&path).unwrap();
        assert!((0..9).all(|_| file.look(true).is_none() && file.look(false).is_none()));
        // A link to nowhere is there, and so is a folder; below a file nothing is.
        #[cfg(unix)]
        std::os::unix::fs::symlink(dir.path().join("nowhere"), &path).unwrap();
        file.wait = 0;
        assert_eq!(file.look(false), found);
        let below = dir.path().join("plain").join("STOP");
        std::fs::write(dir.path().join("plain"), "").unwrap();
        assert_eq!(is_there(&below), Ok(false));
    }
}
