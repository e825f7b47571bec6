//! The conversation with a Vault of our own on loopback, over the daemon's own HTTP, on a clock that the test turns.

mod fake;

use super::settings::check_address;
use super::*;
use crate::credentials::{Access, Environment, KdfCost, KeyWrapper, MasterKeys, Store, sources};
use crate::runtime::vault::UreqVault;
use fake::{Fake, Fault, Version};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Real sockets; the fake's clock, which waiting moves on.
struct TestLink {
    http: UreqVault,
    fake: Fake,
}

impl VaultLink for TestLink {
    fn call(&mut self, request: &VaultRequest) -> Result<VaultResponse, String> {
        self.http.call(request)
    }

    fn now_s(&mut self) -> u64 {
        self.fake.state().now_s
    }

    fn wait(&mut self, time: Duration) {
        assert!(time <= WAIT_MAX * 2, "{time:?}");
        self.fake.state().asked.push("wait".to_owned());
    }
}

fn settings(variables: &[(&str, &str)]) -> Result<Option<VaultSettings>, VaultError> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    VaultSettings::find(|name| variables.get(name).map(|value| (*value).to_owned()))
}

fn vault(fake: &Fake, more: &[(&str, &str)]) -> Vault {
    let base = [("VAULT_ENABLED", "true"), ("VAULT_ENDPOINT", &fake.url), ("VAULT_SECRET_PATH", "secret/tollgate")];
    let settings = settings(&[&base[..], more].concat()).unwrap().unwrap();
    let link = TestLink { http: UreqVault::new(&settings).unwrap(), fake: fake.clone() };
    Vault::new(settings, Box::new(link))
}

const TOKEN: [(&str, &str); 1] = [("VAULT_TOKEN", "root")];
const ROLE: [(&str, &str); 2] = [("VAULT_ROLE_ID", "role-1"), ("VAULT_SECRET_ID", "secret-id-1")];

fn id() -> CredentialId {
    CredentialId::new("binance", Environment::Testnet, "main").unwrap()
}

fn credential(text: &str) -> Credential {
    Credential::new(Secret::copy(text.as_bytes()), Secret::copy(format!("{text}-secret").as_bytes())).unwrap()
}

const PATH: &str = "tollgate/binance/testnet/main";

/// The credential lies in the fake, at its version 1.
fn filled(kv: u8) -> Fake {
    let fake = Fake::start();
    let version =
        Version { data: json!({ "api_key": "k", "secret": "k-secret", "note": "kept" }), ..Version::default() };
    fake.state().kv = kv;
    fake.state().secrets.insert(PATH.to_owned(), vec![version]);
    fake
}

#[test]
fn either_kv_version_is_found_out_by_asking_and_without_an_answer_by_reading() {
    for (kv, version) in [(1, None), (2, Some(1))] {
        for asked in [true, false] {
            for auth in [&TOKEN[..], &ROLE[..]] {
                let fake = filled(kv);
                fake.state().mounts_asked = asked;
                let mut vault = vault(&fake, auth);
                assert_eq!(vault.read(&id()).unwrap(), Some((credential("k"), version)), "kv {kv}, asked {asked}");
                let live = CredentialId::new("binance", Environment::Live, "main").unwrap();
                assert_eq!(vault.read(&live).unwrap(), None, "the other environment has another path");
            }
        }
    }
}

#[test]
fn a_write_knows_the_version_that_it_replaces() {
    let fake = Fake::start();
    let mut ours = vault(&fake, &TOKEN);
    assert_eq!(ours.read(&id()).unwrap(), None);
    assert_eq!(ours.write(&id(), &credential("a")).unwrap(), Some(1));
    assert_eq!(ours.write(&id(), &credential("b")).unwrap(), Some(2));
    assert_eq!(ours.read(&id()).unwrap(), Some((credential("b"), Some(2))));
    // A deleted version is not there, and counts on.
    fake.state().secrets.get_mut(PATH).unwrap()[1].deleted = true;
    assert_eq!(ours.read(&id()).unwrap(), None);
    assert_eq!(ours.write(&id(), &credential("c")).unwrap(), Some(3));
    // The check fails: the fault takes the place of the write's own answer.
    let body = wire::write_body(&credential("d"), Some(2));
    let refused = ours.authorized("POST", "write", &format!("secret/data/{PATH}"), Some(&body)).unwrap();
    assert_eq!((refused.status, errors(&refused.body).contains("check-and-set")), (400, true));

    // Either version, where it is told and where nothing is there yet that could tell it.
    for (kv, version) in [(1, None), (2, Some(1))] {
        for asked in [true, false] {
            let fake = Fake::start();
            (fake.state().kv, fake.state().mounts_asked) = (kv, asked);
            let mut ours = vault(&fake, &TOKEN);
            assert_eq!(ours.write(&id(), &credential("a")).unwrap(), version, "kv {kv}, asked {asked}");
            assert_eq!(ours.read(&id()).unwrap(), Some((credential("a"), version)));
        }
    }
}

#[test]
fn a_sealed_vault_is_named_and_one_that_seals_itself_later_too() {
    let fake = filled(2);
    fake.state().sealed = true;
    let error = vault(&fake, &TOKEN).read(&id()).unwrap_err().to_string();
    assert_eq!(error, format!("Vault at {} is sealed: unseal it, then start again", fake.url));
    assert_eq!(fake.count("GET /v1/auth"), 0, "no token is shown to a sealed server");
    fake.state().sealed = false;
    let mut vault = vault(&fake, &TOKEN);
    vault.read(&id()).unwrap();
    fake.state().sealed = true;
    assert!(matches!(vault.read(&id()), Err(VaultError::Sealed { .. })));
    assert_eq!(fake.count("wait"), ATTEMPTS as usize - 1, "it was asked again, with waits");
}

#[test]
fn what_passes_is_waited_for_and_what_does_not_is_said() {
    for fault in [Fault::Drop, Fault::Status(412), Fault::Status(429), Fault::Status(500), Fault::Status(502)] {
        let fake = filled(2);
        let mut vault = vault(&fake, &TOKEN);
        fake.state().faults.extend([fault; ATTEMPTS as usize - 1]);
        assert!(vault.read(&id()).unwrap().is_some(), "{fault:?}");
        fake.state().faults.extend([fault; ATTEMPTS as usize]);
        assert!(vault.read(&id()).is_err(), "{fault:?}");
        assert!(vault.read(&id()).unwrap().is_some(), "{fault:?}: it goes on when Vault is back");
    }
    let fake = filled(2);
    let mut vault = vault(&fake, &TOKEN);
    vault.read(&id()).unwrap();
    fake.state().faults.push_back(Fault::Status(400));
    let error = vault.read(&id()).unwrap_err().to_string();
    assert!(error.contains("400") && error.contains("a fault"), "{error}");
    assert_eq!(fake.count("wait"), 0, "a refusal is not repeated");
}

#[test]
fn a_write_without_an_answer_is_not_repeated() {
    let fake = filled(2);
    let mut vault = vault(&fake, &TOKEN);
    vault.read(&id()).unwrap();
    let post = |vault: &mut Vault| vault.authorized("POST", "write", &format!("secret/data/{PATH}"), Some(b"{}"));
    for fault in [Fault::Drop, Fault::Status(500)] {
        let before = fake.count("POST");
        fake.state().faults.push_back(fault);
        assert!(post(&mut vault).map_or(true, |answer| answer.status == 500));
        assert_eq!(fake.count("POST"), before + 1, "{fault:?}");
    }
}

#[test]
fn a_token_is_renewed_before_its_end_and_a_login_made_where_it_cannot_be() {
    let fake = filled(2);
    let mut vault = vault(&fake, &ROLE);
    vault.read(&id()).unwrap();
    // Two thirds of 3 600 s.
    fake.state().now_s += 2_399;
    vault.read(&id()).unwrap();
    assert_eq!((fake.count("POST /v1/auth/token/renew-self"), fake.count("POST /v1/auth/approle/login")), (0, 1));
    fake.state().now_s += 1;
    vault.read(&id()).unwrap();
    assert_eq!((fake.count("POST /v1/auth/token/renew-self"), fake.count("POST /v1/auth/approle/login")), (1, 1));
    // Again and again, until the longest life is near: then a new login.
    for _ in 0..40 {
        fake.state().now_s += 2_400;
        assert!(vault.read(&id()).unwrap().is_some());
    }
    assert!(fake.count("POST /v1/auth/token/renew-self") > 20);
    let logins = fake.count("POST /v1/auth/approle/login");
    assert!((2..=5).contains(&logins), "{logins} logins");
    assert_eq!(fake.count("GET /v1/auth/token/lookup-self"), 0, "no request met a token that had ended");
    // It slept through the end: the first 403 leads to a login, not to an error.
    fake.state().now_s += 1_000_000;
    fake.state().tokens.clear();
    assert!(vault.read(&id()).unwrap().is_some());
    vault.close();
    assert_eq!(fake.state().tokens.len(), 0, "our own token is given up");
}

#[test]
fn a_given_token_is_kept_alive_and_never_given_up() {
    let fake = filled(2);
    let mut token = fake.state().tokens["root"].clone();
    token.ends_s = Some(1_900);
    token.ttl_s = 900;
    token.renewable = true;
    fake.state().tokens.insert("mine".to_owned(), token);
    let mut vault = vault(&fake, &[("VAULT_TOKEN", "mine")]);
    for _ in 0..5 {
        vault.read(&id()).unwrap();
        fake.state().now_s += 700;
    }
    vault.close();
    assert!(fake.state().tokens.contains_key("mine"));
    fake.state().now_s += 1_000;
    let error = vault.read(&id()).unwrap_err().to_string();
    assert!(error.contains("the token is not valid"), "{error}");
}

#[test]
fn a_token_without_the_right_and_a_login_with_the_wrong_secret_are_told_apart() {
    let fake = filled(2);
    fake.state().tokens.get_mut("root").unwrap().forbidden = vec!["secret/data/tollgate/binance"];
    let error = vault(&fake, &TOKEN).read(&id()).unwrap_err().to_string();
    assert!(error.contains("does not let this token read secret/data/tollgate/binance/testnet/main"), "{error}");
    let wrong = [("VAULT_ROLE_ID", "role-1"), ("VAULT_SECRET_ID", "used-up")];
    let error = vault(&fake, &wrong).read(&id()).unwrap_err().to_string();
    assert!(error.contains("400 invalid role or secret ID") && !error.contains("used-up"), "{error}");
    assert!(vault(&fake, &[("VAULT_TOKEN", "none")]).read(&id()).is_err());
    // May not ask for the mount's version: the read decides.
    let fake = filled(2);
    fake.state().tokens.get_mut("root").unwrap().forbidden = vec!["sys/internal"];
    assert!(vault(&fake, &TOKEN).read(&id()).unwrap().is_some());
}

#[test]
fn a_standby_leads_to_the_active_node_with_method_body_and_token() {
    let (standby, active) = (Fake::start(), filled(2));
    standby.state().redirect = Some(active.url.clone());
    let mut ours = vault(&standby, &ROLE);
    assert_eq!(ours.read(&id()).unwrap(), Some((credential("k"), Some(1))));
    assert_eq!(ours.write(&id(), &credential("new")).unwrap(), Some(2));
    let circle = standby.url.clone();
    standby.state().redirect = Some(circle);
    assert!(matches!(vault(&standby, &TOKEN).read(&id()), Err(VaultError::Redirect { .. })));
    let before = active.state().asked.len();
    standby.state().redirect = Some("http://vault.example".to_owned());
    assert!(matches!(vault(&standby, &TOKEN).read(&id()), Err(VaultError::Redirect { .. })));
    assert_eq!(active.state().asked.len(), before);
}

#[test]
fn a_namespace_goes_with_every_request() {
    let fake = filled(2);
    fake.state().namespace = Some("team/app".to_owned());
    assert!(vault(&fake, &[TOKEN[0], ("VAULT_NAMESPACE", "team/app")]).read(&id()).unwrap().is_some());
    assert!(vault(&fake, &TOKEN).read(&id()).is_err());
}

fn with_transit(fake: &Fake, key: &str) -> Vault {
    let base = [("VAULT_ENABLED", "true"), ("VAULT_ENDPOINT", &fake.url), ("VAULT_TRANSIT_KEY", key), TOKEN[0]];
    let settings = settings(&base).unwrap().unwrap();
    let link = TestLink { http: UreqVault::new(&settings).unwrap(), fake: fake.clone() };
    Vault::new(settings, Box::new(link))
}

#[test]
fn transit_wraps_the_key_of_the_store_and_nobody_else_opens_it() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::start());
    let (file, path) = (dir.path().join("master.key"), dir.path().join("store"));
    fake.state().transit.insert("tollgate".to_owned(), 1);
    let mut ours = with_transit(&fake, "tollgate");
    assert!(ours.wraps_keys() && !ours.keeps_secrets(), "without a path no credential is looked for");
    let find = || MasterKeys::find(|_| None, Some(&file)).unwrap();
    let mut keys = find();
    keys.create(Some(&mut ours)).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("vault:v1:"), "{text}");
    let mut store = Store::create(&path, keys.need().unwrap(), KdfCost::STANDARD).unwrap();
    store.put(&id(), &credential("k"), 1).unwrap();
    drop(store);

    // Without Vault the file opens nothing, and the sentence says what is missing.
    let closed = find();
    assert!(closed.is_wrapped());
    let error = closed.open(&path, Access::Read).err().unwrap().to_string();
    assert!(error.contains("that Vault has wrapped (set VAULT_TRANSIT_KEY)"), "{error}");
    let open = |vault: &mut Vault| -> Result<Option<(Credential, u32)>, CredentialError> {
        let mut keys = find();
        keys.unwrap(vault)?;
        keys.open(&path, Access::Read)?.0.get(&id())
    };
    assert_eq!(open(&mut ours).unwrap(), Some((credential("k"), 1)));
    // Vault's own key is rotated: what the old one wrapped still opens; the store's key is rotated under the new one.
    fake.state().transit.insert("tollgate".to_owned(), 2);
    assert!(open(&mut ours).is_ok());
    let mut keys = find();
    keys.unwrap(&mut ours).unwrap();
    let (mut store, _) = keys.open(&path, Access::Write).unwrap();
    let next = keys.prepare_next(Some(&mut ours)).unwrap().clone();
    store.rewrap(&next, KdfCost::STANDARD).unwrap();
    drop(store);
    // Killed here: the next key lies beside the old one, wrapped too, and opens the store.
    assert!(open(&mut ours).is_ok());
    keys.promote_next().unwrap();
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("vault:v2:"));
    assert_eq!(open(&mut ours).unwrap(), Some((credential("k"), 1)));

    // A name that is not there is said, and not made; a wrapped text that was altered, a sealed server, a lost right.
    let error = KeyWrapper::make(&mut with_transit(&fake, "tollgat")).err().unwrap().to_string();
    assert!(error.contains("has no key \"tollgat\""), "{error}");
    assert!(!fake.state().transit.contains_key("tollgat"));
    let altered = Secret::copy(b"vault:v2:AAAA");
    let error = ours.unwrap(&altered).err().unwrap().to_string();
    assert!(error.contains("400") && error.contains("invalid ciphertext"), "{error}");
    fake.state().tokens.get_mut("root").unwrap().forbidden = vec!["transit/decrypt"];
    assert!(open(&mut ours).is_err());
    fake.state().tokens.get_mut("root").unwrap().forbidden.clear();
    fake.state().sealed = true;
    assert!(matches!(open(&mut with_transit(&fake, "tollgate")), Err(CredentialError::Vault(_))));
}

#[test]
fn a_store_without_a_key_is_plain_text_by_its_own_word_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let without = || MasterKeys::find(|_| None, None).unwrap();
    assert!(matches!(without().need(), Err(CredentialError::NoMasterKey)));
    let keys = without().or_plaintext();
    let mut store = Store::create(&path, keys.need().unwrap(), KdfCost::STANDARD).unwrap();
    store.put(&id(), &credential("k"), 1).unwrap();
    assert!(store.is_plaintext());
    drop(store);
    assert_eq!(keys.open(&path, Access::Read).unwrap().0.get(&id()).unwrap(), Some((credential("k"), 1)));
    // Not allowed any more: it does not open, and neither does it with a key.
    assert!(matches!(without().open(&path, Access::Read), Err(CredentialError::Locked { .. })));
    let hex = "ab".repeat(32);
    let keyed = MasterKeys::find(|name| (name == "CREDENTIAL_ENCRYPTION_KEY").then(|| hex.clone()), None).unwrap();
    let error = keyed.or_plaintext().open(&path, Access::Read).err().unwrap().to_string();
    assert!(error.contains("in plain text (which credentials.allow_plaintext must allow)"), "{error}");
    // Where there is a place for a key there is no plain text.
    let placed = MasterKeys::find(|_| None, Some(&dir.path().join("master.key"))).unwrap();
    assert!(placed.or_plaintext().current.is_none());
}

#[test]
fn a_secret_without_its_members_is_named() {
    for kv in [1, 2] {
        for data in
            [json!({ "api_key": "k" }), json!({ "api_key": "", "secret": "s" }), json!({ "api_key": 7, "secret": "s" })]
        {
            let fake = filled(kv);
            fake.state().secrets.insert(PATH.to_owned(), vec![Version { data, ..Version::default() }]);
            let error = vault(&fake, &TOKEN).read(&id()).unwrap_err().to_string();
            assert_eq!(error, format!("Vault's secret at {PATH} lacks the members api_key and secret"));
        }
    }
}

#[test]
fn vault_goes_before_the_other_sources_and_one_that_fails_is_not_passed_over() {
    let fake = filled(2);
    let keys = MasterKeys::find(|_| None, None).unwrap();
    let all = |name: &str| Some(name.to_owned());
    let nowhere = Path::new("/nonexistent/store");
    let mut ours = vault(&fake, &TOKEN);
    let found = sources::find(&id(), Some(&mut ours), nowhere, &keys, all).unwrap();
    assert_eq!((found.source, found.credential), (sources::Source::Vault { version: Some(1) }, credential("k")));
    let other = CredentialId::new("alpaca", Environment::Testnet, "main").unwrap();
    let found = sources::find(&other, Some(&mut ours), nowhere, &keys, all).unwrap();
    assert_eq!(found.credential.api_key.expose(), b"ALPACA_API_KEY");
    let error = sources::find(&other, Some(&mut ours), nowhere, &keys, |_| None).err().unwrap().to_string();
    assert!(error.contains("it is not in Vault, not in /nonexistent/store"), "{error}");
    fake.state().sealed = true;
    assert!(sources::find(&other, Some(&mut ours), nowhere, &keys, all).is_err());
}

#[test]
fn the_settings_say_what_is_missing() {
    let enabled = ("VAULT_ENABLED", "true");
    let endpoint = ("VAULT_ENDPOINT", "https://vault:8200/");
    let path = ("VAULT_SECRET_PATH", "/secret/tollgate/");
    let token = ("VAULT_TOKEN", "t0ken");
    let said =
        |variables: &[(&str, &str)]| settings(variables).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(settings(&[endpoint, path, token]).unwrap(), None);
    assert_eq!(settings(&[("VAULT_ENABLED", "false")]).unwrap(), None);
    assert_eq!(said(&[("VAULT_ENABLED", "yes")]), "VAULT_ENABLED is \"yes\": say true or false");
    assert_eq!(said(&[enabled]), "VAULT_ENABLED is true, and VAULT_ENDPOINT is not set");
    assert_eq!(said(&[enabled, endpoint]), "VAULT_ENABLED is true, and VAULT_SECRET_PATH is not set");
    assert!(said(&[enabled, endpoint, path]).contains("neither VAULT_TOKEN nor VAULT_ROLE_ID"));
    assert!(said(&[enabled, endpoint, path, token, ROLE[0]]).contains("both set"));
    assert!(said(&[enabled, endpoint, ("VAULT_SECRET_PATH", "a/../b"), token]).contains("is not a path"));
    let transit = ("VAULT_TRANSIT_KEY", "tollgate");
    assert!(settings(&[enabled, endpoint, transit, token]).unwrap().unwrap().transit.is_some());
    assert!(said(&[enabled, endpoint, ("VAULT_TRANSIT_KEY", "a/b"), token]).contains("is not a key's name"));
    let plain = ("VAULT_ENDPOINT", "http://vault:8200");
    assert!(said(&[enabled, plain, path, token]).contains("plain http to another machine"));
    let whole = settings(&[enabled, endpoint, path, token]).unwrap().unwrap();
    assert_eq!((whole.mount(), &*whole.secret_path(&id()), &*whole.endpoint), ("secret", PATH, "https://vault:8200"));
    assert!(!format!("{whole:?}").contains("t0ken"));
    for (url, fits) in [
        ("https://vault", true),
        ("http://127.0.0.1:8200", true),
        ("http://[::1]:8200", true),
        ("http://localhost", true),
        ("http://127.0.0.1.example:8200", false),
        ("http://localhost@vault", false),
        ("https://", false),
        ("ftp://vault", false),
        ("", false),
    ] {
        assert_eq!(check_address(url).is_ok(), fits, "{url}");
    }
}
