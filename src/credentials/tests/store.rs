//! What the store is given it gives back, and only under the name it was given for.

use super::support::{CHEAP, credential, id, key, sample};
use crate::credentials::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_credential_comes_back_in_its_own_environment_and_in_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = sample(folder.path());
    drop(store);
    let store = Store::open(&path, &key(1), Access::Read).unwrap();
    let (found, version) = store.get(&id("binance", Environment::Testnet)).unwrap().unwrap();
    assert_eq!((found, version), (credential("first"), 1));
    let (found, _) = store.get(&id("binance", Environment::Live)).unwrap().unwrap();
    assert_eq!(found, credential("second"));
    for absent in
        [id("alpaca", Environment::Testnet), CredentialId::new("binance", Environment::Testnet, "other").unwrap()]
    {
        assert!(store.get(&absent).unwrap().is_none(), "{absent}");
    }
}

#[test]
fn the_file_is_private_and_holds_nothing_in_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _store) = sample(folder.path());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = std::fs::read(&path).unwrap();
    for secret in ["key-first", "secret-first", "key-second", "secret-second"] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = sample(folder.path());
    drop(store);
    for mode in [0o640, 0o604, 0o660, 0o644, 0o610] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let error = Store::open(&path, &key(1), Access::Read).err().unwrap().to_string();
        assert!(error.contains(&format!("is readable by others (mode {mode:o}): chmod 600")), "{error}");
    }
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    assert!(Store::open(&path, &key(1), Access::Read).is_ok());
}

#[test]
fn one_writer_at_a_time_and_readers_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, writer) = sample(folder.path());
    assert!(matches!(Store::open(&path, &key(1), Access::Write), Err(CredentialError::Busy { .. })));
    let mut reader = Store::open(&path, &key(1), Access::Read).unwrap();
    let refused = reader.remove(&id("binance", Environment::Live));
    assert!(matches!(refused, Err(CredentialError::ReadOnly { .. })));
    drop(writer);
    assert!(Store::open(&path, &key(1), Access::Write).is_ok());
    assert!(matches!(Store::create(&path, &key(1), CHEAP), Err(CredentialError::Exists { .. })));
}

#[test]
fn a_full_store_says_so_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut store = Store::create(&path, &key(1), CHEAP).unwrap();
    let mut outcome = Ok(1);
    let mut stored = 0;
    while outcome.is_ok() {
        let id = CredentialId::new("v", Environment::Testnet, &format!("n{stored}")).unwrap();
        outcome = store.put(&id, &credential("x"), 0);
        stored += 1;
    }
    assert!(matches!(outcome, Err(CredentialError::Full { max: 256 })), "{outcome:?}");
    assert_eq!(Store::open(&path, &key(1), Access::Read).unwrap().list().unwrap().len(), 256);
}

#[test]
fn a_move_to_another_master_key_keeps_everything_and_shuts_the_old_one_out() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut store) = sample(folder.path());
    let passphrase = Material::parse(&Secret::copy(b"correct horse battery"), "test").unwrap();
    for (from, to) in [(key(1), key(2)), (key(2), passphrase.clone()), (passphrase, key(3))] {
        let before = store.list().unwrap();
        store.rewrap(&to, CHEAP).unwrap();
        assert!(Store::open(&path, &from, Access::Read).is_err(), "the old key opens the store");
        let again = Store::open(&path, &to, Access::Read).unwrap();
        assert_eq!(again.list().unwrap(), before);
        let (found, _) = again.get(&id("binance", Environment::Live)).unwrap().unwrap();
        assert_eq!(found, credential("second"));
    }
}

#[test]
fn an_exported_copy_opens_with_its_passphrase_and_is_taken_in_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (_, store) = sample(folder.path());
    let copy = folder.path().join("copy");
    let passphrase = Material::parse(&Secret::copy(b"correct horse battery"), "test").unwrap();
    store.export(&copy, &passphrase, CHEAP).unwrap();
    assert!(matches!(store.export(&copy, &passphrase, CHEAP), Err(CredentialError::Exists { .. })));
    let exported = Store::open(&copy, &passphrase, Access::Read).unwrap();

    let mut other = Store::create(&folder.path().join("other"), &key(9), CHEAP).unwrap();
    other.put(&id("binance", Environment::Live), &credential("older"), 5).unwrap();
    assert_eq!(other.import(&exported, 7).unwrap(), 2);
    let (found, version) = other.get(&id("binance", Environment::Live)).unwrap().unwrap();
    assert_eq!((found, version), (credential("second"), 2), "what was there is replaced as a new version");
    assert_eq!(other.get(&id("binance", Environment::Testnet)).unwrap().unwrap().1, 1);
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, bool, u16),
    Remove(u8, bool),
    Rewrap(u8),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3u8, any::<bool>(), any::<u16>()).prop_map(|(v, live, text)| Step::Put(v, live, text)),
        2 => (0..3u8, any::<bool>()).prop_map(|(v, live)| Step::Remove(v, live)),
        1 => any::<u8>().prop_map(Step::Rewrap),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// The oracle is a map.
    #[test]
    fn any_course_of_changes_leaves_what_a_map_would(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let mut master = 0;
        let mut store = Store::create(&path, &key(master), CHEAP).unwrap();
        let mut oracle: BTreeMap<CredentialId, (u16, u32)> = BTreeMap::new();
        let name = |venue: u8, live| {
            id(&format!("v{venue}"), if live { Environment::Live } else { Environment::Testnet })
        };
        for step in steps {
            match step {
                Step::Put(venue, live, text) => {
                    let entry = oracle.entry(name(venue, live)).or_insert((text, 0));
                    *entry = (text, entry.1 + 1);
                    let version = store.put(&name(venue, live), &credential(&text.to_string()), 0).unwrap();
                    prop_assert_eq!(version, entry.1);
                }
                Step::Remove(venue, live) => {
                    let removed = store.remove(&name(venue, live)).is_ok();
                    prop_assert_eq!(removed, oracle.remove(&name(venue, live)).is_some());
                }
                Step::Rewrap(to) => {
                    store.rewrap(&key(to), CHEAP).unwrap();
                    master = to;
                }
                Step::Reopen => {
                    drop(store);
                    store = Store::open(&path, &key(master), Access::Write).unwrap();
                }
            }
        }
        let read = Store::open(&path, &key(master), Access::Read).unwrap();
        let listed: Vec<CredentialId> = read.list().unwrap().into_iter().map(|info| info.id).collect();
        prop_assert_eq!(listed, oracle.keys().cloned().collect::<Vec<_>>());
        for (id, (text, version)) in oracle {
            prop_assert_eq!(read.get(&id).unwrap().unwrap(), (credential(&text.to_string()), version));
        }
    }
}
