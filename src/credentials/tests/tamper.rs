//! Somebody had the file: every change is found, named, and the file stays as it was found.

use super::support::{CHEAP, credential, id, key, sample};
use crate::credentials::format::{Entry, Header, Unverified, encode};
use crate::credentials::*;
use std::path::Path;

/// The error of a file with these bytes; opening it must not change it.
fn refused(path: &Path, bytes: &[u8], key: &Material) -> String {
    std::fs::write(path, bytes).unwrap();
    let Err(error) = Store::open(path, key, Access::Write) else { panic!("{} bytes are believed", bytes.len()) };
    assert_eq!(std::fs::read(path).unwrap(), bytes, "a refused file was changed");
    error.to_string()
}

/// Whether the sentence names one of the things that can be wrong with a file.
fn names_the_fault(error: &str) -> bool {
    [
        "does not begin as one",
        "has format",
        "bytes and ought to have",
        "another one's, or",
        "was altered",
        "was made with",
    ]
    .iter()
    .any(|part| error.contains(part))
}

#[test]
fn each_single_byte_that_is_altered_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = sample(folder.path());
    drop(store);
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        for flip in [1, 1 << (at % 8), 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            let error = refused(&path, &bytes, &key(1));
            assert!(names_the_fault(&error), "byte {at} ^ {flip}: {error}");
        }
    }
    std::fs::write(&path, &good).unwrap();
    assert!(Store::open(&path, &key(1), Access::Read).is_ok());
}

#[test]
fn an_altered_header_of_a_passphrase_store_is_found_before_it_costs_much() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut store) = sample(folder.path());
    let passphrase = Material::parse(&Secret::copy(b"correct horse battery"), "test").unwrap();
    store.rewrap(&passphrase, CHEAP).unwrap();
    drop(store);
    let good = std::fs::read(&path).unwrap();
    // The header's 61 bytes; flips that ask for a bearable cost are paid for, others are refused.
    for at in 0..61 {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let error = refused(&path, &bytes, &passphrase);
        assert!(names_the_fault(&error), "byte {at}: {error}");
    }
    let mut bytes = good;
    bytes[23..27].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(refused(&path, &bytes, &passphrase).contains("its header makes no sense"));
}

#[test]
fn a_file_cut_at_any_length_or_added_to_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = sample(folder.path());
    drop(store);
    let good = std::fs::read(&path).unwrap();
    for len in 0..good.len() {
        let error = refused(&path, &good[..len], &key(1));
        let named = if len < 8 { "does not begin as one" } else { "it was cut or added to" };
        assert!(error.contains(named), "{len} bytes: {error}");
    }
    let longer = [&good[..], b"x"].concat();
    assert!(refused(&path, &longer, &key(1)).contains("it was cut or added to"));
}

#[test]
fn foreign_files_and_other_keys_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = sample(folder.path());
    drop(store);
    let good = std::fs::read(&path).unwrap();
    let passphrase = Material::parse(&Secret::copy(b"correct horse battery"), "test").unwrap();
    assert!(refused(&path, &good, &key(2)).contains("another one's"));
    assert!(refused(&path, &good, &passphrase).contains("was made with 32 bytes"));
    assert!(refused(&path, b"{\"api_key\":\"x\"}", &key(1)).contains("does not begin as one"));
    let mut newer = good.clone();
    newer[8] = 2;
    assert!(refused(&path, &newer, &key(1)).contains("has format 2, this version reads 1"));
    let folder_instead = folder.path().join("folder");
    std::fs::create_dir(&folder_instead).unwrap();
    let error = Store::open(&folder_instead, &key(1), Access::Read).err().unwrap().to_string();
    assert!(error.ends_with("is not a file"), "{error}");
    let absent = Store::open(&folder.path().join("absent"), &key(1), Access::Read).err().unwrap().to_string();
    assert!(absent.contains("`tollgate credentials init` makes one"), "{absent}");
}

/// The file's parts, as the holder of the key reads them.
fn parts(path: &Path) -> (Header, Vec<Entry>) {
    let bytes = std::fs::read(path).unwrap();
    let unverified = Unverified::read(path, &bytes).unwrap();
    let header = unverified.header.clone();
    let entries = unverified.verify(&crypto_key(1)).unwrap();
    (header, entries)
}

fn crypto_key(byte: u8) -> crate::credentials::crypto::Key {
    crate::credentials::crypto::Key::new(&[byte; 32])
}

/// Seals the file anew, as somebody could who has the seal key and not the wrap key: the entries stand for themselves.
fn forged(path: &Path, change: impl FnOnce(&mut Vec<Entry>)) -> Store {
    let (header, mut entries) = parts(path);
    change(&mut entries);
    std::fs::write(path, encode(&header, &entries, &crypto_key(1)).unwrap()).unwrap();
    Store::open(path, &key(1), Access::Read).unwrap()
}

#[test]
fn an_entry_under_another_label_does_not_open() {
    let testnet = id("binance", Environment::Testnet);
    type Change = fn(&mut Vec<Entry>);
    let changes: [(&str, Change); 6] = [
        ("contents swapped", |entries| {
            let (a, b) = entries.split_at_mut(1);
            std::mem::swap(&mut a[0].sealed, &mut b[0].sealed);
            std::mem::swap(&mut a[0].wrapped, &mut b[0].wrapped);
        }),
        ("data keys swapped", |entries| {
            let (a, b) = entries.split_at_mut(1);
            std::mem::swap(&mut a[0].wrapped, &mut b[0].wrapped);
        }),
        ("environments swapped", |entries| {
            entries[1].id = id("binance", Environment::Testnet);
            entries[0].id = id("binance", Environment::Live);
            entries.swap(0, 1);
        }),
        ("version raised", |entries| entries[0].standing.version += 1),
        ("date changed", |entries| entries[0].standing.stored_s += 1),
        ("said to be verified", |entries| entries[0].standing.verified_s = 1_700_000_000),
    ];
    for (what, change) in changes {
        let folder = tempfile::tempdir().unwrap();
        let (path, store) = sample(folder.path());
        drop(store);
        let error = forged(&path, change).get(&testnet).err().unwrap_or_else(|| panic!("{what} is believed"));
        assert!(error.to_string().contains("binance/testnet/main does not open as what it says it is"), "{error}");
    }
}

#[test]
fn an_older_version_of_an_entry_cannot_be_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut store) = sample(folder.path());
    let old = std::fs::read(&path).unwrap();
    let (_, old_entries) = parts(&path);
    let testnet = id("binance", Environment::Testnet);
    assert_eq!(store.put(&testnet, &credential("fresh"), 1_700_000_000).unwrap(), 2);
    drop(store);
    let new = std::fs::read(&path).unwrap();
    assert_eq!(old.len(), new.len(), "the same length, so that the splice below is one");
    // Without the key: the old entry's bytes in the new file break the seal.
    let entries_at = 61;
    let spliced = [&new[..entries_at], &old[entries_at..old.len() - 28], &new[new.len() - 28..]].concat();
    assert!(refused(&path, &spliced, &key(1)).contains("its seal does not hold"));
    // With the seal key: it does not open as the new version.
    std::fs::write(&path, &new).unwrap();
    let store = forged(&path, |entries| {
        entries[0].sealed = old_entries[0].sealed.clone();
        entries[0].wrapped = old_entries[0].wrapped.clone();
    });
    assert!(store.get(&testnet).is_err());
}
