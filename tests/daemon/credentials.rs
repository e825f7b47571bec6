//! Keys at rest, as an operator meets them; and a search for the secret in everything that a run leaves behind.

use super::kill9::pointed_at;
use super::sim::Sim;
use super::support::{Daemon, config, config_edit, free_port, http, tollgate, wait_for};
use super::vault::fake::Fake;
use super::vault::{token, write};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

/// The configuration with its store and master key below `dir`, and uncompressed journals, which can be searched.
pub fn with_store(path: &Path, dir: &Path, account: &[(&str, &str)]) {
    let mut text = std::fs::read_to_string(path).unwrap();
    let (store, key) = (format!("{:?}", dir.join("credentials.store")), format!("{:?}", dir.join("master.key")));
    let own = [
        ("\"data/credentials.store\"", &*store),
        ("\"data/master.key\"", &*key),
        ("compress = true", "compress = false"),
        ("segment_mib = 64", "segment_mib = 4"),
    ];
    for (from, to) in own.iter().chain(account) {
        assert!(text.contains(from), "the configuration has no {from:?}");
        text = text.replace(from, to);
    }
    std::fs::write(path, text).unwrap();
}

/// A configuration for the commands that trade nothing.
fn offline(dir: &Path) -> PathBuf {
    let path = config(dir, free_port(), &[]);
    with_store(&path, dir, &[]);
    path
}

/// Runs `tollgate credentials` with standard input and variables of its own.
pub fn credentials(config: &Path, arguments: &[&str], input: &str, envs: &[(&str, &str)]) -> Output {
    let mut command = tollgate();
    for name in ["CREDENTIAL_ENCRYPTION_KEY", "CREDENTIAL_ENCRYPTION_KEY_NEW", "CREDENTIALS_DIRECTORY"] {
        command.env_remove(name);
    }
    command.arg("credentials").args(arguments).arg("--config").arg(config).envs(envs.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that ends before it reads is allowed to.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The words of a command that ends with `code`; none of them is one of the secrets.
pub fn said(output: &Output, code: i32, secrets: &[&str]) -> String {
    let words = words(output);
    assert_eq!(output.status.code(), Some(code), "{words}");
    for secret in secrets {
        assert!(!words.contains(secret), "{secret:?} is printed:\n{words}");
    }
    words
}

const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
const BINANCE: [&str; 4] = ["--venue", "binance", "--environment", "testnet"];

pub fn on_binance(command: &str) -> Vec<&str> {
    [&[command][..], &BINANCE].concat()
}

#[test]
fn a_key_is_kept_listed_moved_and_forgotten_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = offline(dir.path());
    let both = format!("{KEY}\n{SECRET}\n");
    let secrets = [KEY, SECRET, &KEY[..8], &SECRET[..8]];
    let run = |arguments: &[&str], input: &str, envs: &[(&str, &str)], code: i32| {
        said(&credentials(&path, arguments, input, envs), code, &secrets)
    };
    // Without a key nothing is stored, and the sentence says how to get one.
    assert!(run(&on_binance("store"), &both, &[], 2).contains("`tollgate credentials init` makes one"));
    assert!(run(&["init"], "", &[], 0).contains("an empty store is at"));
    assert!(run(&["init"], "", &[], 2).contains("is there already"));
    for file in ["master.key", "credentials.store"] {
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    assert!(run(&["list"], "", &[], 0).contains("no credential is kept"));
    assert!(run(&on_binance("store"), "only-a-key\n", &[], 2).contains("the secret has 0 bytes"));
    assert!(run(&on_binance("store"), &both, &[], 0).contains("binance/testnet/main is kept as version 1"));
    let variables = [("TOLLGATE_API_KEY", KEY), ("TOLLGATE_API_SECRET", SECRET)];
    assert!(run(&on_binance("store"), "", &variables, 0).contains("version 2"));
    assert!(run(&on_binance("store"), "", &variables[..1], 2).contains("TOLLGATE_API_SECRET is not"));
    let listed = run(&["list"], "", &[], 0);
    assert!(listed.contains("binance/testnet/main") && listed.contains("ends in \"Eh8A\""), "{listed}");

    // A copy under a passphrase, taken into another store.
    let copy = dir.path().join("copy");
    let copy = copy.to_str().unwrap();
    assert!(run(&["export", copy], "too short\n", &[], 2).contains("at least 12 characters"));
    assert!(run(&["export", copy], "correct horse battery\n", &[], 0).contains("1 credentials are in"));
    assert!(run(&["rotate-master"], "", &[], 0).contains("the store has a new master key"));
    assert!(run(&on_binance("remove"), "", &[], 0).contains("is forgotten"));
    assert!(run(&on_binance("remove"), "", &[], 2).contains("there is no credential binance/testnet/main"));
    assert!(run(&["import", copy], "another passphrase\n", &[], 2).contains("another one's"));
    let passphrase = [("TOLLGATE_EXPORT_PASSPHRASE", "correct horse battery")];
    assert!(run(&["import", copy], "", &passphrase, 0).contains("1 credentials were taken in"));
    assert!(run(&["list"], "", &[], 0).contains("ends in \"Eh8A\""));

    // A rotation killed after the store was written: the next key is beside the old one, and the next run finishes.
    let (key, next) = (dir.path().join("master.key"), dir.path().join("master.key.next"));
    let old = std::fs::read(&key).unwrap();
    assert!(run(&["rotate-master"], "", &[], 0).contains("new master key"));
    std::fs::rename(&key, &next).unwrap();
    std::fs::write(&key, &old).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(run(&["list"], "", &[], 0).contains("Eh8A"), "the key beside it opens the store until then");
    assert!(run(&["rotate-master"], "", &[], 0).contains("a rotation that was cut short is finished"));
    assert!(!next.exists());

    // From the environment, to the environment: the file's key is not used.
    let hex = "ab".repeat(32);
    let wrong = [("CREDENTIAL_ENCRYPTION_KEY", &*hex)];
    assert!(run(&["list"], "", &wrong, 2).contains("cannot be opened with this master key"));
    assert!(run(&["rotate-master"], "", &wrong, 2).contains("cannot be opened with this master key"));
    let current = String::from_utf8(std::fs::read(&key).unwrap()).unwrap();
    let current = current.trim();
    assert!(run(&["rotate-master"], "", &[("CREDENTIAL_ENCRYPTION_KEY", current)], 2).contains("KEY_NEW"));
    let moved = [("CREDENTIAL_ENCRYPTION_KEY", current), ("CREDENTIAL_ENCRYPTION_KEY_NEW", &*hex)];
    assert!(run(&["rotate-master"], "", &moved, 0).contains("the store has a new master key"));
    assert!(run(&["rotate-master"], "", &moved, 0).contains("had its new master key already"));
    assert!(run(&["list"], "", &wrong, 0).contains("Eh8A"));
}

#[test]
fn a_secret_cannot_be_given_as_an_argument() {
    let dir = tempfile::tempdir().unwrap();
    let path = offline(dir.path());
    for argument in ["--key", "--secret", "--api-key", "--passphrase"] {
        let output = credentials(&path, &[&on_binance("store")[..], &[argument, "x"]].concat(), "", &[]);
        assert_eq!(output.status.code(), Some(2), "{argument} is taken");
    }
}

/// Every file below a folder that holds one of the texts as it is.
fn files_with(folder: &Path, texts: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, texts));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        // The room that a journal's segment has ahead is zeros.
        let bytes = &bytes[..bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)];
        for text in texts {
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(format!("{text:?} is in {}", path.display()));
            }
        }
    }
    found
}

/// The secret as it is, and as it looks when bytes are printed as hex or as a list.
pub fn forms(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{:?}", secret.as_bytes());
    vec![secret.to_owned(), hex, list]
}

/// Trades with a key from somewhere, asks for everything there is, stops, and searches it all for the secret.
fn nothing_shows_the_secret(sim: &Sim, dir: &Path, port: u16, path: &Path, envs: &[(&str, &str)], source: &str) {
    let (key, secret) = sim.key();
    let mut hidden = forms(&secret);
    hidden.extend(forms(&key));
    let verbose = std::fs::read_to_string(path).unwrap().replace("filter = \"info\"", "filter = \"trace\"");
    std::fs::write(path, verbose).unwrap();
    let mut daemon = Daemon::start(path, port, envs);
    daemon.ready();
    let mut answers = Vec::new();
    for body in [
        r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"market"}"#,
        r#"{"action":"place-order","symbol":"BTCUSDT","side":"sell","quantity":0.001,"type":"market"}"#,
        r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"price":100,"type":"limit"}"#,
        r#"{"action":"validate-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"market"}"#,
        r#"{"action":"place-order","symbol":"NOSUCH","side":"buy","quantity":1,"type":"market"}"#,
        r#"{"action":"store-credentials"}"#,
        r#"{"action":"#,
    ] {
        let (status, reply) = daemon.post(body);
        answers.push(format!("{status} {reply}"));
    }
    assert!(answers[0].starts_with("200 "), "{}", answers[0]);
    wait_for("both fills", || (daemon.get("status")?["run_counts"]["fills"].as_u64()? >= 2).then_some(()));
    let api = super::support::API;
    for action in ["status", "portfolio", "positions", "trades", "performance", "orders", "latency", "nosuch"] {
        let (status, body) = http(port, "GET", &format!("{api}?action={action}"), &[], "").unwrap();
        answers.push(format!("{status} {body}"));
    }
    let cmdline = std::fs::read(format!("/proc/{}/cmdline", daemon.process.child.id())).unwrap();
    answers.push(String::from_utf8_lossy(&cmdline).into_owned());
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0), "{}", daemon.process.log());
    let log = daemon.process.log();
    assert!(log.contains(&format!("ending in {:?} from {source}", &key[key.len() - 4..])), "{log}");
    for answer in &answers {
        assert!(!hidden.iter().any(|text| answer.contains(text)), "an answer shows it: {answer}");
    }
    // Log, journal, latency log, store and configuration are all below the folder.
    assert_eq!(files_with(dir, &hidden), Vec::<String>::new());
}

/// The keyed configuration of the other tests, with its key elsewhere.
pub fn stored_account(sim: &Sim, dir: &Path, port: u16, strategies: bool) -> PathBuf {
    let path = pointed_at(sim, dir, port, strategies);
    let account = [
        ("\naccount = \"keys\"", "\naccount = \"store\"\ncredential = \"main\""),
        ("api_key_env = \"KILL9_KEY\"\nsecret_env = \"KILL9_SECRET\"", ""),
    ];
    with_store(&path, dir, &account);
    path
}

#[test]
fn a_run_with_a_key_from_the_store_shows_its_secret_nowhere() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sim = Sim::start(venue.path(), &[]);
    let port = free_port();
    let path = stored_account(&sim, dir.path(), port, false);
    let (key, secret) = sim.key();
    said(&credentials(&path, &["init"], "", &[]), 0, &[]);
    said(&credentials(&path, &on_binance("store"), &format!("{key}\n{secret}\n"), &[]), 0, &[&key, &secret]);
    nothing_shows_the_secret(&sim, dir.path(), port, &path, &[], "the encrypted store, version 1");
    // The search finds what is there: the same bytes in a file of the folder.
    std::fs::write(dir.path().join("leak"), format!("x{secret}x")).unwrap();
    assert_eq!(files_with(dir.path(), &forms(&secret)).len(), 1);
}

#[test]
fn a_run_with_a_key_from_the_environment_shows_its_secret_nowhere() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sim = Sim::start(venue.path(), &[]);
    let port = free_port();
    let path = stored_account(&sim, dir.path(), port, false);
    let (key, secret) = sim.key();
    // The live names are another namespace: on paper they are not looked at.
    let live = [("BINANCE_LIVE_API_KEY", &*key), ("BINANCE_LIVE_SECRET", &*secret)];
    let mut command = tollgate();
    command.args(["run", "--config"]).arg(&path).envs(live);
    let refused = said(&command.output().unwrap(), 2, &[&key, &secret]);
    assert!(refused.contains("there is no credential binance/testnet/main"), "{refused}");
    let testnet = [("BINANCE_TESTNET_API_KEY", &*key), ("BINANCE_TESTNET_SECRET", &*secret)];
    nothing_shows_the_secret(&sim, dir.path(), port, &path, &testnet, "the environment, BINANCE_TESTNET_API_KEY");
}

#[test]
fn a_run_with_a_key_from_vault_shows_its_secret_nowhere() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sim = Sim::start(venue.path(), &[]);
    let port = free_port();
    let path = stored_account(&sim, dir.path(), port, false);
    let (key, secret) = sim.key();
    let fake = Fake::start();
    write(&fake, &(key.clone(), secret.clone()));
    token(&fake, "hvs.token-of-the-test");
    let url = fake.url.clone();
    let mut envs = [
        ("VAULT_ENABLED", "true"),
        ("VAULT_ENDPOINT", &*url),
        ("VAULT_SECRET_PATH", "secret/tollgate"),
        ("VAULT_TOKEN", "wrong"),
    ];
    let mut command = tollgate();
    command.args(["run", "--config"]).arg(&path).envs(envs);
    let refused = said(&command.output().unwrap(), 2, &[&key, &secret]);
    assert!(refused.contains("Vault refuses the login"), "{refused}");
    envs[3].1 = "hvs.token-of-the-test";
    nothing_shows_the_secret(&sim, dir.path(), port, &path, &envs, "Vault, version 1");
    assert_eq!(files_with(dir.path(), &["hvs.token-of-the-test".to_owned()]), Vec::<String>::new());
}

/// One run with a secret of every kind that the engine is given: an HMAC secret from Vault, a private key with its
/// passphrase from the store, Vault's token, a bearer token, a session's cookie, the master key.
#[test]
fn a_run_with_every_kind_of_secret_shows_none_of_them() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let public = venue.path().join("public.pem");
    std::fs::write(&public, include_str!("../../src/venues/binance/testdata/ed25519-other-public.pem")).unwrap();
    let locked = include_str!("../../src/venues/binance/testdata/ed25519-encrypted-other.pem");
    let passphrase = "staple of another";
    let arguments = ["--key", "theNameOfALockedKey0001", "--public-key", public.to_str().unwrap()];
    let sim = Sim::start(venue.path(), &[&arguments[..], &["--alpaca", "127.0.0.1:0"]].concat());
    let port = free_port();
    let path = super::both_rotated::stored(&sim, dir.path(), port);
    config_edit(&path, &[("filter = \"info\"", "filter = \"trace\"")]);
    let alpaca = super::both_rotated::alpaca_key(&sim);
    let fake = Fake::start();
    let body = serde_json::json!({ "api_key": alpaca.0, "secret": alpaca.1 });
    let version = super::vault::fake::Version { data: body, ..Default::default() };
    fake.state().secrets.insert("tollgate/alpaca/testnet/main".to_owned(), vec![version]);
    token(&fake, "hvs.token-of-this-test");
    let master: String = (0..32).map(|_| format!("{:02x}", fastrand::u8(..))).collect();
    let envs = [
        ("CREDENTIAL_ENCRYPTION_KEY", &*master),
        ("VAULT_ENABLED", "true"),
        ("VAULT_ENDPOINT", &*fake.url),
        ("VAULT_SECRET_PATH", "secret/tollgate"),
        ("VAULT_TOKEN", "hvs.token-of-this-test"),
    ];
    said(&credentials(&path, &["init"], "", &envs), 0, &[]);
    let input = format!("theNameOfALockedKey0001\n{locked}");
    said(&credentials(&path, &on_binance("store"), &input, &envs), 0, &[locked]);
    let keep = [&on_binance("store")[..], &["--passphrase"]].concat();
    said(&credentials(&path, &keep, &format!("{passphrase}\n"), &envs), 0, &[passphrase]);
    let bearer = super::access::create(&path, "alice", "admin");
    let open = tollgate::venues::binance::key::unlock(locked, passphrase.as_bytes()).unwrap();
    let line = |pem: &str| pem.lines().nth(1).unwrap().to_owned();
    let mut hidden = vec![line(locked), line(&open), bearer[18..].to_owned(), "theNameOfALockedKey0001".to_owned()];
    hidden.extend([&alpaca.0, &alpaca.1].map(Clone::clone));
    for secret in [alpaca.1.as_str(), passphrase, "hvs.token-of-this-test", &master] {
        hidden.extend(forms(secret));
    }
    let mut daemon = Daemon::start(&path, port, &envs);
    let authorization = format!("Bearer {bearer}");
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
    let api = super::support::API;
    let ask = |method: &str, path: &str, body: &str| http(port, method, path, &headers, body);
    wait_for("both venues", || {
        let (status, body) = ask("GET", &format!("{api}?action=status"), "")?;
        assert_eq!(status, 200, "{body}");
        let status: serde_json::Value = serde_json::from_str(&body).unwrap();
        let venues = status["data"]["venues"].as_array()?;
        let quoted = status["data"]["instruments"].as_array()?.iter().all(|i| i["bid"].is_string());
        (quoted && venues.len() == 2 && venues.iter().all(|v| v["state"] == "ready")).then_some(())
    });
    let mut answers = Vec::new();
    let wrong = format!("{{\"token\":\"{bearer}x\"}}");
    let posts = [
        (
            api,
            r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"market"}"#.to_owned(),
        ),
        (
            api,
            r#"{"action":"place-order","symbol":"AAPL","exchange":"alpaca","side":"buy","quantity":1,"type":"market"}"#
                .to_owned(),
        ),
        (
            api,
            format!(
                r#"{{"action":"rotate-credentials","exchange":"alpaca","environment":"testnet","apiKey":"{}","apiSecret":"{}"}}"#,
                alpaca.0, alpaca.1
            ),
        ),
        (
            api,
            format!(
                r#"{{"action":"rotate-credentials","exchange":"binance","environment":"testnet","apiKey":"x","apiSecret":"{}","passphrase":"{passphrase}"}}"#,
                line(locked)
            ),
        ),
        (
            api,
            format!(
                r#"{{"action":"store-credentials","exchange":"binance","environment":"moon","apiKey":"{}","apiSecret":7}}"#,
                alpaca.1
            ),
        ),
        (api, format!(r#"{{"action":"store-credentials","apiSecret":"{}"#, alpaca.1)),
        ("/login", wrong),
    ];
    for (path, body) in &posts {
        answers.push(ask("POST", path, body).unwrap().1);
    }
    assert!(answers[0].contains("\"success\":true") && answers[1].contains("\"success\":true"), "{answers:?}");
    for action in [
        "status",
        "portfolio",
        "positions",
        "trades",
        "performance",
        "orders",
        "latency",
        "events",
        "equity",
        "alerts",
        "risk-metrics",
        "config",
        "health",
        "transition-status",
        "credentials-status",
        "nosuch",
    ] {
        answers.push(ask("GET", &format!("{api}?action={action}"), "").unwrap().1);
    }
    for path in ["/metrics", "/health/live", "/health/ready", "/session", "/"] {
        answers.push(ask("GET", path, "").unwrap().1);
    }
    let cmdline = std::fs::read(format!("/proc/{}/cmdline", daemon.process.child.id())).unwrap();
    answers.push(String::from_utf8_lossy(&cmdline).into_owned());
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0), "{}", daemon.process.log());
    for answer in answers {
        let shown = hidden.iter().find(|text| answer.contains(*text));
        assert!(shown.is_none(), "an answer shows {shown:?}: {answer}");
    }
    // Log, journal, tables, latency log, store, tokens and configuration.
    assert_eq!(files_with(dir.path(), &hidden), Vec::<String>::new());
}
