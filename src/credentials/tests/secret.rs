//! A secret does not show itself.

use crate::credentials::*;

#[test]
fn a_secret_is_hidden_however_it_is_printed() {
    let secret = Secret::copy(b"topsecret-topsecret");
    let credential = Credential::new(secret.clone(), secret.clone()).unwrap();
    for shown in [format!("{secret}"), format!("{secret:?}"), format!("{credential:?}"), format!("{credential:#?}")] {
        assert!(!shown.contains("topsecret") && shown.contains("hidden"), "{shown}");
    }
}

#[test]
fn secrets_are_equal_where_their_bytes_are() {
    let secret = |text: &str| Secret::take(text.as_bytes().to_vec());
    assert_eq!(secret("abc"), secret("abc"));
    for other in ["abd", "bbc", "ab", "abcd", ""] {
        assert_ne!(secret("abc"), secret(other));
    }
}

#[test]
fn at_most_the_last_four_characters_of_a_key_are_told() {
    for (key, shown) in [("0123456789abcdef", "cdef"), ("0123456789abcde", ""), ("", ""), ("schlüssel-schlüssel", "")]
    {
        assert_eq!(Secret::copy(key.as_bytes()).last_four(), shown, "{key}");
    }
    assert_eq!(Secret::copy(&[0xff; 32]).last_four(), "");
}

#[test]
fn a_credential_is_text_of_a_bearable_length() {
    let of = |key: &[u8], secret: &[u8]| {
        Credential::new(Secret::copy(key), Secret::copy(secret)).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(of(b"k", b"-----BEGIN PRIVATE KEY-----\nAA==\r\n"), Ok(()));
    assert_eq!(of(b"", b"s"), Err("the key has 0 bytes, and must have 1 to 8192".to_owned()));
    assert_eq!(of(b"k", &[b's'; 8193]), Err("the secret has 8193 bytes, and must have 1 to 8192".to_owned()));
    assert_eq!(of(b"k\0", b"s"), Err("the key is not text without control characters".to_owned()));
    assert_eq!(of(b"k", b"\xff"), Err("the secret is not text without control characters".to_owned()));
}

#[test]
fn the_process_dumps_no_core_and_lets_nobody_look() {
    assert_eq!(harden(), Vec::<String>::new());
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    let dumpable = rustix::process::dumpable_behavior().unwrap();
    assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
}
