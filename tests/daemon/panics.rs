//! A panic whose message is made of what holds a secret: what the process then prints shows none of it.

use super::credentials::forms;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::process::Command;
use tollgate::credentials::vault::VaultSettings;
use tollgate::credentials::{Credential, MasterKeys, Material, Role, Secret, Tokens, WatchedTokens};
use tollgate::venues::binance::sign::{RestSigner, Signer};
use tollgate::venues::pair::SharedPair;

const KIND: &str = "TOLLGATE_TEST_PANIC";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SEED: [u8; 32] = *b"seed-of-a-private-key-0123456789";

/// An Ed25519 key as `openssl` writes it (RFC 8410).
fn pem() -> String {
    let head = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let text = STANDARD.encode([&head[..], &SEED].concat());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

fn secret() -> Secret {
    Secret::copy(SECRET.as_bytes())
}

fn vault(variables: &[(&str, &str)]) -> Result<Option<VaultSettings>, impl std::fmt::Debug> {
    let always = [
        ("VAULT_ENABLED", "true"),
        ("VAULT_ENDPOINT", "https://vault.example:8200"),
        ("VAULT_SECRET_PATH", "secret/tollgate"),
    ];
    VaultSettings::find(|name| {
        always.iter().chain(variables).find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
    })
}

/// What a careless line would put into a panic's message, by the kind of what it shows.
fn shown(kind: &str) -> String {
    match kind {
        "in the open" => SECRET.to_owned(),
        "secret" => format!("{} {:?} {:#?}", secret(), secret(), Some(vec![secret()])),
        "credential" => format!("{:#?}", Credential::new(Secret::copy(KEY.as_bytes()), secret()).unwrap()),
        "signer" => {
            let (hmac, private) = (Signer::from_secret(SECRET).unwrap(), Signer::from_secret(&pem()).unwrap());
            let prefixed = (hmac.with_prefix(b"symbol"), private.with_prefix(b"symbol"));
            let rest = RestSigner::new(KEY, hmac.clone());
            format!("{hmac:#?} {private:#?} {prefixed:#?} {rest:#?}")
        }
        "broken key" => {
            let cut = pem().replace("\n-----END", "x\n-----END");
            let broken = Signer::from_secret(&cut).unwrap_err();
            format!("{broken} {broken:#?}")
        }
        "pair" => format!("{:#?}", SharedPair::new(KEY, SECRET)),
        "master key" => {
            let short = &SECRET[..11];
            let refused = Material::parse(&Secret::copy(short.as_bytes()), "here").err().unwrap();
            let found = MasterKeys::find(|name| (name == "CREDENTIAL_ENCRYPTION_KEY").then(|| short.to_owned()), None);
            let found = found.err().unwrap();
            format!("{refused} {refused:#?} {found} {found:#?}")
        }
        "vault" => {
            let token = vault(&[("VAULT_TOKEN", SECRET)]).unwrap().unwrap();
            let role = vault(&[("VAULT_ROLE_ID", "role"), ("VAULT_SECRET_ID", SECRET)]).unwrap().unwrap();
            let both = vault(&[("VAULT_TOKEN", SECRET), ("VAULT_ROLE_ID", "role")]).unwrap_err();
            format!("{token:#?} {role:#?} {both:?}")
        }
        other => panic!("{other}: no such kind"),
    }
}

/// Runs this test again in a process of its own, where it panics with what is shown: all that the process printed.
fn panicked(kind: &str) -> String {
    let test = "panics::a_panic_that_tells_of_what_holds_a_secret_shows_none_of_it";
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).env(KIND, kind).env("RUST_BACKTRACE", "full");
    let output = output.output().unwrap();
    assert!(!output.status.success());
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("panicked at") && text.contains(&format!("shown of {kind}: ")), "{text}");
    text
}

#[test]
fn a_panic_that_tells_of_what_holds_a_secret_shows_none_of_it() {
    if let Ok(kind) = std::env::var(KIND) {
        panic!("shown of {kind}: {}", shown(&kind));
    }
    let pem = pem();
    let body = pem.lines().nth(1).unwrap();
    let mut hidden =
        [SECRET, &SECRET[..11], KEY, body, &body[24..], std::str::from_utf8(&SEED).unwrap()].map(forms).concat();
    // The lists without their brackets, so that a longer one is found too.
    hidden.iter_mut().for_each(|form| *form = form.trim_matches(['[', ']']).to_owned());
    let found = |text: &str| hidden.iter().filter(|form| text.contains(form.as_str())).cloned().collect::<Vec<_>>();
    assert!(!found(&panicked("in the open")).is_empty(), "what is printed is searched");
    for kind in ["secret", "credential", "signer", "broken key", "pair", "master key", "vault"] {
        let text = panicked(kind);
        assert_eq!(found(&text), Vec::<String>::new(), "{kind}:\n{text}");
    }
}

/// The token's text is the one thing that `create` hands out, and what is kept of it is a hash.
#[test]
fn a_token_is_shown_by_none_of_what_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let (info, text) = Tokens::create(&path, "alice", Role::Admin, 86_400, 1_700_000_000).unwrap();
    let plain = text.expose_text().unwrap();
    let mut watched = WatchedTokens::open(&path).unwrap();
    let tokens = watched.now().unwrap();
    let shown = std::panic::catch_unwind(|| panic!("{info:#?} {text} {text:?} {tokens:#?}")).unwrap_err();
    let shown = shown.downcast_ref::<String>().unwrap();
    assert!(shown.contains("alice") && forms(&plain[18..]).iter().all(|form| !shown.contains(form)), "{shown}");
}
