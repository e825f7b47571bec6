//! Killed while it writes: the file is the old one or the new one.

use super::support::{CHEAP, credential, id, key};
use crate::credentials::*;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const DIR: &str = "TOLLGATE_CREDENTIALS_KILL_DIR";
const KILLS: usize = 20;

fn testnet() -> CredentialId {
    id("binance", Environment::Testnet)
}

/// The store under whichever of the two keys it has.
fn open(path: &Path, access: Access) -> (Store, u8) {
    let opened = [1, 2].into_iter().find_map(|byte| Some((Store::open(path, &key(byte), access).ok()?, byte)));
    opened.unwrap_or_else(|| panic!("{:?}", Store::open(path, &key(1), access).err()))
}

/// What the child does until it is killed: store the next version, move to the other master key, and say so. Run by
/// itself it has no folder to write to, and nothing to do.
#[test]
fn child_of_the_credentials_kill_test() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let (mut store, mut master) = open(&Path::new(&dir).join("store"), Access::Write);
    let mut out = std::io::stdout().lock();
    loop {
        let next = store.get(&testnet()).unwrap().map_or(1, |(_, version)| version + 1);
        store.put(&testnet(), &credential(&next.to_string()), 0).unwrap();
        writeln!(out, "\nstored {next}").unwrap();
        master = 3 - master;
        store.rewrap(&key(master), CHEAP).unwrap();
    }
}

#[test]
fn a_store_killed_while_it_writes_is_the_old_one_or_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    drop(Store::create(&path, &key(1), CHEAP).unwrap());
    let mut survived = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "credentials::tests::kill::child_of_the_credentials_kill_test", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let (first, begun) = std::sync::mpsc::channel();
        let reported = std::thread::spawn(move || {
            let said = BufReader::new(out).lines().map_while(Result::ok);
            let versions = said.filter_map(|line| line.strip_prefix("stored ")?.parse().ok());
            // Nobody waits for the later ones.
            let tell = |_: &u32| {
                let _ = first.send(());
            };
            versions.inspect(tell).max().unwrap_or(0)
        });
        // Every fourth is killed wherever it is; the others once they are writing, however busy the machine.
        if kill % 4 != 0 {
            begun.recv().unwrap();
        }
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..30_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let reported: u32 = reported.join().unwrap();
        let (store, _) = open(&path, Access::Read);
        let Some((found, version)) = store.get(&testnet()).unwrap() else {
            assert_eq!((reported, survived), (0, 0), "kill {kill}");
            continue;
        };
        assert!(version >= reported.max(survived), "kill {kill}: {reported} was reported, {version} is there");
        assert_eq!(found, credential(&version.to_string()), "kill {kill}: key, secret and version belong together");
        survived = version;
    }
    assert!(survived > KILLS as u32, "only {survived} versions in {KILLS} lives: the children were killed too early");
}

#[test]
fn what_a_killed_writer_left_behind_is_not_the_store_and_is_not_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let mut store = Store::create(&path, &key(1), CHEAP).unwrap();
    store.put(&testnet(), &credential("old"), 0).unwrap();
    let old = std::fs::read(&path).unwrap();
    store.put(&testnet(), &credential("new"), 0).unwrap();
    let new = std::fs::read(&path).unwrap();
    drop(store);
    for written in (0..=new.len()).step_by(16) {
        std::fs::write(&path, &old).unwrap();
        std::fs::write(dir.path().join("store.tmp"), &new[..written]).unwrap();
        let mut store = Store::open(&path, &key(1), Access::Write).unwrap();
        assert_eq!(store.get(&testnet()).unwrap().unwrap(), (credential("old"), 1));
        assert_eq!(store.put(&testnet(), &credential("next"), 0).unwrap(), 2);
    }
}
