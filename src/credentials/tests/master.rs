//! Where a master key comes from, and what is taken for one.

use super::support::{CHEAP, key};
use crate::credentials::*;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const BASE64: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn is_key(material: Option<&Material>, byte: u8) -> bool {
    matches!((material, key(byte)), (Some(Material::Raw(a)), Material::Raw(b)) if *a == b)
}

fn find(variables: &[(&str, &str)], file: Option<&Path>) -> Result<MasterKeys, CredentialError> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    MasterKeys::find(|name| variables.get(name).map(|value| (*value).to_owned()), file)
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn base64_and_hex_of_32_bytes_are_a_key_and_anything_longer_than_eleven_characters_a_passphrase() {
    let parse = |text: &str| Material::parse(&Secret::copy(text.as_bytes()), "the test");
    for text in [BASE64, &"01".repeat(32), &format!("{BASE64}\n"), &format!("{}\r\n", "01".repeat(32))] {
        assert!(is_key(parse(text).ok().as_ref(), 1), "{text:?}");
    }
    for text in ["twelve chars", &"0g".repeat(32), &"01".repeat(33), "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"] {
        assert!(matches!(parse(text), Ok(Material::Passphrase(_))), "{text:?}");
    }
    for text in ["", "eleven char", "\n"] {
        let error = parse(text).err().unwrap().to_string();
        assert_eq!(
            error,
            "the master key in the test is not usable: neither 32 bytes in base64 or hex, nor a passphrase of at \
             least 12 characters"
        );
    }
}

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_systemd() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("master.key");
    private(&file, &"02".repeat(32));
    private(&folder.path().join("credential-encryption-key"), &"03".repeat(32));
    let systemd = ("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap());
    let all = find(&[("CREDENTIAL_ENCRYPTION_KEY", BASE64), systemd], Some(&file)).unwrap();
    assert!(is_key(all.current.as_ref(), 1) && all.origin == "environment variable CREDENTIAL_ENCRYPTION_KEY");
    let two = find(&[("CREDENTIAL_ENCRYPTION_KEY", ""), systemd], Some(&file)).unwrap();
    assert!(is_key(two.current.as_ref(), 2) && two.origin.contains("master.key"));
    let one = find(&[systemd], Some(&folder.path().join("absent"))).unwrap();
    assert!(is_key(one.current.as_ref(), 3) && one.origin.contains("systemd"));
    let none = find(&[], None).unwrap();
    let sentence = none.need().err().unwrap().to_string();
    assert!(sentence.contains("`tollgate credentials init` makes one"), "{sentence}");
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("master.key");
    private(&file, BASE64);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let error = find(&[], Some(&file)).err().unwrap().to_string();
    assert!(error.contains("is readable by others (mode 644)"), "{error}");
}

#[test]
fn a_made_key_is_found_again_and_never_made_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys/master.key");
    let mut keys = find(&[], Some(&file)).unwrap();
    keys.create(None).unwrap();
    assert!(matches!(keys.create(None), Err(CredentialError::Exists { .. })));
    let store = folder.path().join("store");
    drop(Store::create(&store, keys.need().unwrap(), CHEAP).unwrap());
    let again = find(&[], Some(&file)).unwrap();
    assert!(Store::open(&store, again.need().unwrap(), Access::Read).is_ok());
}

#[test]
fn the_next_key_is_on_the_disk_before_anything_is_moved_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let (file, path) = (folder.path().join("master.key"), folder.path().join("store"));
    let mut keys = find(&[], Some(&file)).unwrap();
    keys.create(None).unwrap();
    let mut store = Store::create(&path, keys.need().unwrap(), CHEAP).unwrap();
    let next = keys.prepare_next(None).unwrap().clone();
    // Killed here: the store is under the old key, and both are found.
    let found = find(&[], Some(&file)).unwrap();
    assert_eq!(found.open(&path, Access::Read).unwrap().1, Which::Current);
    assert!(found.next.is_some());
    store.rewrap(&next, CHEAP).unwrap();
    // Killed here: the store is under the new key, which is found as the next one.
    let mut found = find(&[], Some(&file)).unwrap();
    assert!(Store::open(&path, found.need().unwrap(), Access::Read).is_err());
    assert_eq!(found.open(&path, Access::Read).unwrap().1, Which::Next);
    found.promote_next().unwrap();
    let done = find(&[], Some(&file)).unwrap();
    assert!(done.next.is_none());
    assert!(Store::open(&path, done.need().unwrap(), Access::Read).is_ok());
}
