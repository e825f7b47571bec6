//! `tollgate rebuild-store DIR`: the trade store anew from a journal.

use super::UNUSABLE;
use super::progress::Progress;
use crate::store::{Follower, StoreError, Turn};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

#[derive(clap::Args)]
pub(super) struct RebuildArguments {
    /// The journal's folder, such as data/journal.
    dir: PathBuf,
    /// The trade store; by default `trades.db` beside the journal's folder.
    #[arg(long)]
    file: Option<PathBuf>,
    /// What was done as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn rebuild(arguments: &RebuildArguments) -> ExitCode {
    let beside = arguments.dir.parent().unwrap_or(Path::new("")).join("trades.db");
    let file = arguments.file.as_ref().unwrap_or(&beside);
    match run(&arguments.dir, file) {
        Ok(done) => {
            if arguments.json {
                let (file, events) = (file.display().to_string(), done.events);
                println!("{:#}", json!({ "file": file, "events": events, "seconds": done.seconds }));
            } else {
                println!("{}", done.line(file));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}

struct Rebuilt {
    events: u64,
    seconds: f64,
}

impl Rebuilt {
    fn line(&self, file: &Path) -> String {
        let Rebuilt { events, seconds } = self;
        let rate = *events as f64 / seconds.max(1e-9);
        format!("{}: rebuilt from {events} events in {seconds:.2} s, {rate:.0} events/s", file.display())
    }
}

fn run(journal: &Path, file: &Path) -> Result<Rebuilt, StoreError> {
    let started = Instant::now();
    let mut follower = Follower::rebuild(journal, file)?;
    let bar = Progress::new(journal);
    let events = loop {
        match follower.turn()? {
            Turn::Behind { seq } => bar.at(seq),
            Turn::Level { seq } => break seq,
        }
    };
    drop(bar);
    Ok(Rebuilt { events, seconds: started.elapsed().as_secs_f64() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Reader;

    #[test]
    fn it_rebuilds_and_says_what_is_not_a_journal() {
        let dir = tempfile::tempdir().unwrap();
        let (log, file) = (dir.path().join("journal"), dir.path().join("trades.db"));
        let (_journal, _flusher, _) = crate::analytics::testing::journal(&log, 20, 1);
        let total = Reader::last_seq(&log).unwrap();
        let done = run(&log, &file).unwrap();
        assert!(done.line(&file).contains(&format!("trades.db: rebuilt from {total} events")), "{}", done.line(&file));
        let error = run(dir.path(), &file).map(|done| done.events).unwrap_err().to_string();
        assert!(error.contains("holds no journal"), "{error}");
    }
}
