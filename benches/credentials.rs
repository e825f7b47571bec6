//! What the credential store and the API's door cost: a passphrase, a store, a token.
//!
//! `unlock_passphrase` opens a store of two keys under a passphrase with the cost that a new store is given: Argon2id is
//! nearly all of it, and meant to take 0.3 to 0.5 s. `unlock_raw_key` is the same with a key of 32 bytes. `token_check` is
//! what each request of the API pays to be known: the look whether the file of tokens has changed, the hash of the text,
//! and its comparison in constant time with 16 tokens; `token_check_wrong` is the same for a token that is not there.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use tollgate::credentials::{
    Access, Credential, CredentialId, Environment, KdfCost, Material, Role, Secret, Store, Tokens, WatchedTokens,
};

const NOW_S: i64 = 1_800_000_000;
const TOKENS: usize = 16;

fn unlock(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let text = |text: &str| Secret::copy(text.as_bytes());
    let passphrase = Material::passphrase(&text("correct horse battery"), "the bench").expect("long enough");
    for (name, key) in [("unlock_passphrase", passphrase), ("unlock_raw_key", Material::Raw(Secret::copy(&[7; 32])))] {
        let path = dir.path().join(name);
        let mut store = Store::create(&path, &key, KdfCost::STANDARD).expect("a store");
        for environment in [Environment::Testnet, Environment::Live] {
            let id = CredentialId::new("binance", environment, "main").expect("a name");
            let credential = Credential::new(text("a key of the venue's"), text("its secret")).expect("text");
            store.put(&id, &credential, NOW_S).expect("room");
        }
        drop(store);
        c.bench_function(name, |b| b.iter(|| black_box(Store::open(&path, &key, Access::Read).is_ok())));
    }
}

fn door(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tokens");
    let make = |n: usize| Tokens::create(&path, &format!("person-{n}"), Role::Viewer, 1_000, NOW_S);
    let made: Vec<_> = (0..TOKENS).map(|n| make(n).expect("a token")).collect();
    let last = made.last().expect("made above").1.expose().to_vec();
    let mut wrong = last.clone();
    *wrong.last_mut().expect("not empty") ^= 1;
    let mut watched = WatchedTokens::open(&path).expect("the tokens");
    for (name, text, good) in [("token_check", last, true), ("token_check_wrong", wrong, false)] {
        c.bench_function(name, |b| {
            b.iter(|| {
                let known = watched.now().expect("readable");
                assert_eq!(known.check(black_box(&text), NOW_S).is_ok(), good);
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5));
    targets = unlock, door
}
criterion_main!(benches);
