//! A new key beside the old one, and the way of both through a rotation.

use super::support::{CHEAP, credential, id, key};
use crate::credentials::*;

const NOW: i64 = 1_700_000_000;

fn testnet() -> CredentialId {
    id("binance", Environment::Testnet)
}

fn standing(store: &Store) -> Vec<(Stage, u32, i64, Option<i64>)> {
    store.list().unwrap().iter().map(|info| (info.stage, info.version, info.since_s, info.verified_s)).collect()
}

fn with_old() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::create(&dir.path().join("store"), &key(1), CHEAP).unwrap();
    store.put(&testnet(), &credential("old"), NOW).unwrap();
    (dir, store)
}

#[test]
fn a_rotation_retires_the_old_key_and_what_was_retired_before_is_gone() {
    let (_dir, mut store) = with_old();
    let id = testnet();
    assert_eq!(store.put_as(&id, Stage::Next, &credential("new"), NOW + 1).unwrap(), 2);
    assert_eq!(store.get(&id).unwrap().unwrap(), (credential("old"), 1), "the old one is in use until then");
    store.promote(&id, None, NOW + 2).unwrap();
    assert_eq!(store.get(&id).unwrap().unwrap(), (credential("new"), 2));
    assert_eq!(store.get_as(&id, Stage::Retired).unwrap().unwrap(), (credential("old"), 1));
    let want = [(Stage::InUse, 2, NOW + 2, Some(NOW + 2)), (Stage::Retired, 1, NOW + 2, None)];
    assert_eq!(standing(&store), want);
    store.put_as(&id, Stage::Next, &credential("newer"), NOW + 3).unwrap();
    store.promote(&id, None, NOW + 4).unwrap();
    assert_eq!(store.get_as(&id, Stage::Retired).unwrap().unwrap(), (credential("new"), 2));
    assert!(store.discard(&id, Stage::Retired).unwrap() && !store.discard(&id, Stage::Retired).unwrap());
    assert_eq!(standing(&store), [(Stage::InUse, 3, NOW + 4, Some(NOW + 4))]);
}

#[test]
fn a_rotation_that_fails_leaves_the_old_key_as_it_was() {
    let (_dir, mut store) = with_old();
    let id = testnet();
    store.put_as(&id, Stage::Next, &credential("wrong"), NOW + 1).unwrap();
    store.discard(&id, Stage::Next).unwrap();
    assert_eq!(standing(&store), [(Stage::InUse, 1, NOW, None)]);
    assert!(matches!(store.promote(&id, None, NOW), Err(CredentialError::NotFound(_))));
}

#[test]
fn a_spare_key_waits_and_a_master_key_moves_all_of_them() {
    let (_dir, mut store) = with_old();
    let id = testnet();
    store.put_as(&id, Stage::Spare, &credential("spare"), NOW + 1).unwrap();
    store.set_verified(&id, NOW + 2).unwrap();
    store.rewrap(&key(2), CHEAP).unwrap();
    store.take_spare(&id, None, NOW + 3).unwrap();
    let want = [(Stage::InUse, 1, NOW, Some(NOW + 2)), (Stage::Next, 2, NOW + 3, None)];
    assert_eq!(standing(&store), want);
    let path = store.path().to_owned();
    drop(store);
    let mut store = Store::open(&path, &key(2), Access::Write).unwrap();
    store.promote(&id, None, NOW + 4).unwrap();
    assert_eq!(store.get(&id).unwrap().unwrap(), (credential("spare"), 2));
    // Stored by hand, it takes the place of the one in use alone.
    assert_eq!(store.put(&id, &credential("by hand"), NOW + 5).unwrap(), 3);
    assert!(store.get_as(&id, Stage::Retired).unwrap().is_some());
    store.remove(&id).unwrap();
    assert_eq!(standing(&store), []);
}
