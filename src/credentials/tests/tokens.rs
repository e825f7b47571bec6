//! Tokens: shown once, kept as hashes, ended when told or when their time is over.

use crate::credentials::{CredentialError, Role, TokenRefused, Tokens, WatchedTokens};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const NOW: i64 = 1_700_000_000;
const DAY: i64 = 86_400;

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    (dir, path)
}

#[test]
fn a_token_lets_in_by_its_text_until_it_ends() {
    let (_dir, path) = place();
    assert!(Tokens::load(&path).unwrap().is_empty());
    let (alice, text) = Tokens::create(&path, "alice", Role::Trader, DAY, NOW).unwrap();
    let (bob, other) = Tokens::create(&path, "bob", Role::Viewer, DAY, NOW).unwrap();
    assert_ne!(text, other);
    let tokens = Tokens::load(&path).unwrap();
    assert_eq!(tokens.list(), [alice.clone(), bob.clone()]);
    let check = |text: &[u8], now_s| tokens.check(text, now_s).map(|token| token.name.clone());
    assert_eq!(check(text.expose(), NOW), Ok("alice".to_owned()));
    assert_eq!(check(text.expose(), NOW + DAY - 1), Ok("alice".to_owned()));
    assert_eq!(check(text.expose(), NOW + DAY), Err(TokenRefused::Expired));
    Tokens::revoke(&path, "alice", NOW + 1).unwrap();
    let after = Tokens::load(&path).unwrap();
    assert_eq!(after.check(text.expose(), NOW + 2), Err(TokenRefused::Revoked));
    assert_eq!(after.check(other.expose(), NOW + 2).map(|token| token.role), Ok(Role::Viewer));
    assert_eq!((after.good(&alice.id, NOW), after.good(&bob.id, NOW)), (None, Some(&bob)));
    assert!(matches!(Tokens::revoke(&path, "alice", NOW), Err(CredentialError::NoToken(_))), "it is revoked already");
}

#[test]
fn only_the_whole_token_lets_in() {
    let (_dir, path) = place();
    let (_, text) = Tokens::create(&path, "alice", Role::Admin, DAY, NOW).unwrap();
    let (_, other) = Tokens::create(&path, "bob", Role::Admin, DAY, NOW).unwrap();
    let tokens = Tokens::load(&path).unwrap();
    let text = text.expose();
    for at in 0..text.len() {
        let mut wrong = text.to_vec();
        wrong[at] ^= 1;
        assert_eq!(tokens.check(&wrong, NOW), Err(TokenRefused::Unknown), "byte {at}");
        assert_eq!(tokens.check(&text[..at], NOW), Err(TokenRefused::Unknown), "cut at {at}");
    }
    // One's id with the other's secret.
    let mixed = [&text[..18], &other.expose()[18..]].concat();
    let longer = [text, b"x"].concat();
    for wrong in [&b""[..], b"tollgate_", &mixed, &longer] {
        assert_eq!(tokens.check(wrong, NOW), Err(TokenRefused::Unknown));
    }
}

#[test]
fn the_file_holds_no_token_and_is_its_owners_alone() {
    let (_dir, path) = place();
    let (_, text) = Tokens::create(&path, "alice", Role::Admin, DAY, NOW).unwrap();
    let kept = std::fs::read_to_string(&path).unwrap();
    // After `tollgate_`, the id and another `_`.
    let secret = &text.expose_text().unwrap()[18..];
    assert_eq!((secret.len() >= 40, kept.contains(secret)), (true, false));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    assert!(matches!(Tokens::load(&path), Err(CredentialError::Mode { .. })));
}

#[test]
fn a_file_that_is_not_wholly_understood_is_refused_and_left_alone() {
    let (_dir, path) = place();
    Tokens::create(&path, "alice", Role::Admin, DAY, NOW).unwrap();
    let good = std::fs::read_to_string(&path).unwrap();
    let cut = &good[..good.len() / 2];
    for (bad, why) in [
        (good.replace("\"format\": 1", "\"format\": 2"), "format"),
        (good.replace("admin", "root"), "role"),
        (good.replace("\"name\"", "\"scope\": \"all\", \"name\""), "unknown"),
        (good.replace("alice", "signal"), "name"),
        (cut.to_owned(), "cut"),
        (String::new(), "empty"),
    ] {
        std::fs::write(&path, &bad).unwrap();
        let error = Tokens::load(&path).map(|_| ()).expect_err(why).to_string();
        assert!(error.contains("was altered"), "{why}: {error}");
        assert!(Tokens::create(&path, "bob", Role::Admin, DAY, NOW).is_err(), "{why}");
        assert!(Tokens::revoke(&path, "alice", NOW).is_err(), "{why}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), bad, "{why}");
    }
}

#[test]
fn names_are_those_that_the_journal_can_keep() {
    let (_dir, path) = place();
    let long = "a".repeat(25);
    for name in ["", "Alice", "a b", "a/b", "signal", "api", "é", &long] {
        let refused = Tokens::create(&path, name, Role::Viewer, DAY, NOW);
        assert!(matches!(refused, Err(CredentialError::TokenName { .. })), "{name:?}");
    }
    for name in ["a", "ops-2.desk_1", &long[1..]] {
        Tokens::create(&path, name, Role::Viewer, DAY, NOW).unwrap();
    }
}

#[test]
fn two_of_one_name_are_revoked_by_their_ids() {
    let (_dir, path) = place();
    let (old, _) = Tokens::create(&path, "alice", Role::Admin, DAY, NOW).unwrap();
    let (new, _) = Tokens::create(&path, "alice", Role::Admin, DAY, NOW).unwrap();
    let refused = Tokens::revoke(&path, "alice", NOW).unwrap_err().to_string();
    assert!(refused.contains(&old.id) && refused.contains(&new.id), "{refused}");
    assert_eq!(Tokens::revoke(&path, &old.id, NOW).unwrap().id, old.id);
    assert_eq!(Tokens::revoke(&path, "alice", NOW).unwrap().id, new.id, "now it is one");
}

#[test]
fn what_ended_long_ago_makes_room_and_a_full_file_says_so() {
    let (_dir, path) = place();
    let (first, _) = Tokens::create(&path, "first", Role::Viewer, DAY, NOW).unwrap();
    for n in 1..256 {
        Tokens::create(&path, &format!("t{n}"), Role::Viewer, 90 * DAY, NOW).unwrap();
    }
    let full = Tokens::create(&path, "more", Role::Viewer, DAY, NOW).unwrap_err();
    assert!(matches!(full, CredentialError::TokensFull { max: 256 }), "{full}");
    assert!(Tokens::create(&path, "more", Role::Viewer, DAY, NOW + 20 * DAY).is_err(), "it is still told of");
    Tokens::create(&path, "more", Role::Viewer, DAY, NOW + 31 * DAY).unwrap();
    assert!(Tokens::load(&path).unwrap().list().iter().all(|token| token.id != first.id));
}

#[test]
fn a_change_of_the_file_is_seen_and_its_loss_lets_nobody_in() {
    let (_dir, path) = place();
    let mut watched = WatchedTokens::open(&path).unwrap();
    assert!(watched.now().unwrap().is_empty() && !watched.needed());
    let (_, text) = Tokens::create(&path, "alice", Role::Admin, DAY, NOW).unwrap();
    assert!(watched.now().unwrap().check(text.expose(), NOW).is_ok() && watched.needed());
    Tokens::revoke(&path, "alice", NOW).unwrap();
    assert_eq!(watched.now().unwrap().check(text.expose(), NOW), Err(TokenRefused::Revoked));
    std::fs::remove_file(&path).unwrap();
    assert!(watched.now().unwrap().is_empty() && watched.needed(), "a token is asked for all the same");
    std::fs::write(&path, "{}").unwrap();
    assert!(watched.now().is_err() && watched.needed());
}

#[test]
fn what_becomes_of_a_token_is_told_once_in_order_and_of_a_spoilt_file_nothing() {
    let (_dir, path) = place();
    Tokens::create(&path, "before", Role::Viewer, DAY, NOW).unwrap();
    let mut watched = WatchedTokens::open(&path).unwrap();
    let told = |watched: &mut WatchedTokens| {
        let mut all = Vec::new();
        while let Some(change) = watched.change() {
            all.push(format!("{} {}", change.what, change.token.name));
            watched.told();
        }
        all
    };
    assert!(told(&mut watched).is_empty(), "what was there at the start is no change");
    for name in ["alice", "bob"] {
        Tokens::create(&path, name, Role::Trader, DAY, NOW).unwrap();
    }
    assert_eq!(watched.change().unwrap().token.name, "alice");
    assert_eq!(told(&mut watched), ["token-create alice", "token-create bob"], "until it was told it is kept");
    Tokens::revoke(&path, "alice", NOW).unwrap();
    Tokens::create(&path, "carol", Role::Admin, DAY, NOW).unwrap();
    assert_eq!(told(&mut watched), ["token-revoke alice", "token-create carol"]);
    assert!(told(&mut watched).is_empty());
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, "{").unwrap();
    assert!(told(&mut watched).is_empty());
    std::fs::write(&path, text.replace("\"admin\"", "\"viewer\"")).unwrap();
    assert_eq!(told(&mut watched), ["token-change carol"]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(told(&mut watched), ["token-remove before", "token-remove bob", "token-remove carol"]);
}
