//! `kill -9` at a random moment: everything whose append had returned is there, and nothing half.

use super::support::{accepted, quote, small};
use crate::agent::Agent;
use crate::journal::*;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const DIR: &str = "TOLLGATE_JOURNAL_KILL_DIR";
const KILLS: usize = 20;

/// What the child of the test below does until it is killed: append, then say so on the pipe. Run by itself it has
/// no directory to write to, and nothing to do.
#[test]
fn child_of_the_kill_test() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let (mut journal, mut flusher, recovered) = Journal::open(Path::new(&dir), small()).unwrap();
    std::thread::spawn(move || {
        let mut now = 0;
        loop {
            now += 1_000_000;
            flusher.do_work(now);
        }
    });
    let mut out = std::io::stdout().lock();
    let mut seq = recovered.last_seq;
    loop {
        let effects = [accepted(seq + 1); 8];
        if journal.append(&quote(seq + 1), 0, &effects[..seq as usize % 9]).is_ok() {
            seq += 1;
            writeln!(out, "\nappended {seq}").unwrap();
        }
    }
}

#[test]
fn what_was_appended_survives_a_kill_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut survived = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::tests::kill::child_of_the_kill_test", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let reported = std::thread::spawn(move || {
            let mut last = 0;
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // The last line may be half a line; what it says then is a smaller number, or none.
                if let Some(seq) = line.strip_prefix("appended ").and_then(|seq| seq.parse().ok()) {
                    last = last.max(seq);
                }
            }
            last
        });
        std::thread::sleep(Duration::from_micros(fastrand::u64(5_000..60_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let reported: u64 = reported.join().unwrap();

        let (.., recovered) = Journal::open(dir.path(), small()).unwrap();
        assert!(recovered.last_seq >= reported, "kill {kill}: {reported} was reported, {recovered:?} is there");
        assert!(recovered.last_seq >= survived, "kill {kill}: what survived one kill survives the next");
        survived = recovered.last_seq;
        let mut reader = Reader::open(dir.path(), 1).unwrap();
        for seq in 1..=survived {
            let record = reader.next().unwrap().unwrap();
            assert_eq!(record.event, quote(seq), "kill {kill}");
            assert_eq!(record.effects().count(), (seq as usize - 1) % 9, "kill {kill}");
        }
        assert!(reader.next().unwrap().is_none());
    }
    assert!(survived > 1_000, "only {survived} events in {KILLS} lives: the children were killed before they wrote");
}
