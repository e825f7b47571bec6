//! Who gets in: each rule of access, and an attempt to break it from outside the process.

use super::support::{API, Daemon, config, free_port, http, tollgate, wait_for};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn token(config: &Path, arguments: &[&str]) -> Output {
    tollgate().arg("token").args(arguments).arg("--config").arg(config).output().unwrap()
}

/// Makes a token, and returns its text.
pub fn create(config: &Path, name: &str, role: &str) -> String {
    let made = token(config, &["create", "--name", name, "--role", role]);
    let words = format!("{}{}", String::from_utf8_lossy(&made.stdout), String::from_utf8_lossy(&made.stderr));
    assert_eq!(made.status.code(), Some(0), "{words}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The status and the code of the failure, if it is one.
fn ask(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let (status, body) = http(port, method, path, headers, body).expect("the API answers");
    let reply: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{status} {body}: {e}"));
    (status, reply["error"]["code"].as_str().unwrap_or_default().to_owned())
}

fn bearer(token: &str) -> (&'static str, String) {
    ("Authorization", format!("Bearer {token}"))
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn a_token_decides_who_may_do_what_and_revoking_it_ends_that_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = config(dir.path(), port, &[]);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let look = &format!("{API}?action=status");
    // Before the first token, on paper and on this machine, nobody has to say who they are.
    assert_eq!(ask(port, "GET", look, &[], ""), is(200, ""));
    let tokens = ["viewer", "trader", "admin"].map(|role| create(&path, role, role));
    // The first one closes the door, of the engine that runs.
    assert_eq!(ask(port, "GET", look, &[], ""), is(401, "TOKEN_MISSING"));
    assert_eq!(ask(port, "GET", "/nowhere", &[], ""), is(401, "TOKEN_MISSING"), "strangers learn of no path");
    let order = r#"{"action":"validate-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"market"}"#;
    let limit = |max: u32| format!(r#"{{"action":"update-risk-config","maxOrderSize":{max},"why":"a test"}}"#);
    let (tighter, looser) = (limit(4_000), limit(4_500));
    let state = |to: &str| format!(r#"{{"action":"set-trading-state","state":"{to}","why":"a test"}}"#);
    let (halt, reduce) = (state("halted"), state("reducing"));
    let resume = r#"{"action":"resume","why":"a test"}"#;
    let (yes, no) = (is(200, ""), is(403, "ROLE_NOT_ENOUGH"));
    // Each action, and whether viewer, trader and admin may.
    let table: [(&str, [bool; 3]); 14] = [
        (order, [false, true, true]),
        (r#"{"action":"cancel-all-orders"}"#, [false, true, true]),
        (r#"{"action":"close-position","symbol":"ETHUSDT"}"#, [false, true, true]),
        (r#"{"action":"close-all-positions"}"#, [false, true, true]),
        (&halt, [false, true, true]),
        (&reduce, [false, false, true]),
        (resume, [false, false, true]),
        (r#"{"action":"emergency-stop"}"#, [false, true, true]),
        (resume, [false, false, true]),
        (&tighter, [false, true, true]),
        (&looser, [false, false, true]),
        (
            r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"market"}"#,
            [false, true, true],
        ),
        (r#"{"action":"cancel-order","order_id":"x"}"#, [false, true, true]),
        (order, [false, true, true]),
    ];
    for (body, may) in table {
        for ((token, may), role) in tokens.iter().zip(may).zip(["viewer", "trader", "admin"]) {
            let (name, value) = bearer(token);
            let (status, code) = ask(port, "POST", API, &[JSON, (name, &value)], body);
            assert_eq!((status, &code) == (403, &no.1), !may, "{role} asks {body}: {status} {code}");
            assert!(may || (status, code) == no, "{role} asks {body}");
        }
    }
    for token in &tokens {
        let (name, value) = bearer(token);
        assert_eq!(ask(port, "GET", look, &[(name, &value)], ""), yes);
    }
    // A name that is not the token's is refused, and the token's own is what is kept.
    let (name, value) = bearer(&tokens[2]);
    let other = r#"{"action":"resume","who":"mallory","why":"a test"}"#;
    assert_eq!(ask(port, "POST", API, &[JSON, (name, &value)], other), is(400, "INVALID_FIELD"));

    // What is nearly a token.
    let wrong = [
        tokens[0][..tokens[0].len() - 1].to_owned(),
        format!("{}x", tokens[0]),
        format!("{}{}", &tokens[0][..18], &tokens[1][18..]),
        tokens[0].to_uppercase(),
        String::new(),
    ];
    for wrong in wrong {
        let (name, value) = bearer(&wrong);
        assert_eq!(ask(port, "GET", look, &[(name, &value)], ""), is(401, "TOKEN_UNKNOWN"), "{wrong}");
    }
    let basic = ("Authorization", "Basic dG9sbGdhdGU6dG9sbGdhdGU=");
    assert_eq!(ask(port, "GET", look, &[basic], ""), is(401, "TOKEN_UNKNOWN"));

    // Revoked, and what the list says of it.
    assert!(words(&token_of(&path, &["revoke", "viewer"])).contains("lets nobody in any more"));
    let (name, value) = bearer(&tokens[0]);
    assert_eq!(ask(port, "GET", look, &[(name, &value)], ""), is(401, "TOKEN_REVOKED"));
    let listed = words(&token_of(&path, &["list"]));
    assert!(listed.contains("revoked") && listed.contains("good until"), "{listed}");
    // Expired: the file says that it was until yesterday.
    let file = dir.path().join("data/tokens");
    let text = std::fs::read_to_string(&file).unwrap();
    let past = text.lines().map(|line| match line.trim().strip_prefix("\"expires_s\":") {
        Some(_) => "\"expires_s\": 1700000000,\n".to_owned(),
        None => format!("{line}\n"),
    });
    std::fs::write(&file, past.collect::<String>()).unwrap();
    let (name, value) = bearer(&tokens[2]);
    assert_eq!(ask(port, "GET", look, &[(name, &value)], ""), is(401, "TOKEN_EXPIRED"));
    // A file that is gone or spoilt lets nobody in.
    std::fs::write(&file, "{").unwrap();
    assert_eq!(ask(port, "GET", look, &[(name, &value)], ""), is(503, "TOKENS_UNREADABLE"));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(ask(port, "GET", look, &[], ""), is(401, "TOKEN_MISSING"));
    // The command line's changes of the file are told by the engine that runs: each once.
    wait_for("the tokens' end to be told", || {
        (daemon.process.log().matches("token-remove").count() == 2).then_some(())
    });

    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
    // The journal's projection says who asked, and from where; no token is in any file.
    let db = rusqlite::Connection::open(dir.path().join("data/trades.db")).unwrap();
    let by = |who: &str| -> i64 {
        let asked = "SELECT count(*) FROM commands WHERE who = ?1 AND came_from = '127.0.0.1'";
        db.query_row(asked, [who], |row| row.get(0)).unwrap()
    };
    assert!(by("trader") >= 5 && by("admin") >= 8, "{} and {}", by("trader"), by("admin"));
    // What was refused is there too, with its reason, and done is nothing of it.
    let refused = |who: &str, about: &str| -> i64 {
        let asked = "SELECT count(*) FROM commands WHERE who = ?1 AND about = ?2 AND done = 0";
        db.query_row(asked, [who, about], |row| row.get(0)).unwrap()
    };
    assert!(refused("viewer", "ROLE_NOT_ENOUGH") >= 5 && refused("viewer", "ROLE_NOT_ENOUGH") == by("viewer"));
    assert!(refused("", "TOKEN_UNKNOWN") >= 3 && refused("admin", "INVALID_FIELD") >= 1);
    let told = "SELECT action, about FROM commands WHERE who = 'api' AND came_from = 'the file of tokens' ORDER BY seq";
    let mut told = db.prepare(told).unwrap();
    let told = told.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let told: Vec<(String, String)> = told.unwrap().map(Result::unwrap).collect();
    // A token's id is what it shows of itself.
    let line = |what: &str, n: usize| {
        let role = ["viewer", "trader", "admin"][n];
        (what.to_owned(), format!("{role} {role} {}", &tokens[n][9..17]))
    };
    let made = [0, 1, 2].map(|n| line("token-create", n)).to_vec();
    let changed = [0, 1, 2].map(|n| line("token-change", n)).to_vec();
    let gone = [1, 2].map(|n| line("token-remove", n)).to_vec();
    assert_eq!(told, [made, vec![line("token-revoke", 0)], changed, gone].concat());
    for token in &tokens {
        assert!(!daemon.process.log().contains(&token[18..]));
        assert!(told.iter().all(|(_, about)| !about.contains(&token[18..])));
    }
}

fn token_of(config: &Path, arguments: &[&str]) -> Output {
    let output = token(config, arguments);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    output
}

#[test]
fn an_address_that_others_reach_needs_tls_and_a_token_to_start() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let everywhere = format!("listen = \"0.0.0.0:{port}\"");
    let here = format!("listen = \"127.0.0.1:{port}\"");
    let path = config(dir.path(), port, &[(&*here, &*everywhere)]);
    let run = |path: &Path| tollgate().args(["run", "--config"]).arg(path).output().unwrap();
    let refused = run(&path);
    assert_eq!(refused.status.code(), Some(2));
    assert!(words(&refused).contains("needs tls_certificate_file and tls_key_file"), "{}", words(&refused));
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/net/testdata");
    let with_tls = format!(
        "{everywhere}\ntls_certificate_file = {:?}\ntls_key_file = {:?}",
        testdata.join("server.pem"),
        testdata.join("server.key")
    );
    let path = config(dir.path(), port, &[(&*here, &*with_tls)]);
    let refused = run(&path);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        words(&refused).contains("`tollgate token create --name NAME --role admin` makes one"),
        "{}",
        words(&refused)
    );
    // A token that has ended is none.
    create(&path, "gone", "admin");
    token_of(&path, &["revoke", "gone"]);
    assert_eq!(run(&path).status.code(), Some(2));
    let text = create(&path, "alice", "admin");
    let mut daemon = Daemon::start(&path, port, &[]);
    // Over TLS, verified against the test's own authority; plain HTTP is not spoken.
    let agent = believing(&std::fs::read(testdata.join("ca.pem")).unwrap());
    let url = format!("https://localhost:{port}{API}?action=status");
    let status = wait_for("the API over TLS", || {
        if let Some(status) = daemon.process.child.try_wait().unwrap() {
            panic!("the engine ended with {status}:\n{}", daemon.process.log());
        }
        let answer = agent.get(&url).header("Authorization", format!("Bearer {text}")).call().ok()?;
        Some(answer.status().as_u16())
    });
    assert_eq!(status, 200);
    assert_eq!(agent.get(&url).call().unwrap().status().as_u16(), 401);
    assert_eq!(http(port, "GET", &format!("{API}?action=status"), &[], ""), None);
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
}

/// A client of its own, with no connection and no session kept, that believes one authority.
fn believing(ca_pem: &[u8]) -> ureq::Agent {
    let ca = ureq::tls::Certificate::from_pem(ca_pem).unwrap();
    ureq::Agent::config_builder()
        .tls_config(ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::new_with_certs(&[ca])).build())
        .http_status_as_error(false)
        .build()
        .into()
}

/// An authority of its own, and what it gave to loopback, all in PEM.
struct Issued {
    ca: String,
    certificate: String,
    key: String,
}

fn issue() -> Issued {
    let mut ca = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &rcgen::Issuer::new(ca, ca_key)).unwrap();
    Issued { ca: ca_pem, certificate: leaf.pem(), key: key.serialize_pem() }
}

#[test]
fn a_certificate_exchanged_on_disk_is_served_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let (chain, key) = (dir.path().join("chain.pem"), dir.path().join("key.pem"));
    // As those who renew certificates do it: the new file takes the old one's place.
    let put = |path: &Path, text: &str| {
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::rename(&new, path).unwrap();
    };
    let (old, new) = (issue(), issue());
    put(&chain, &old.certificate);
    put(&key, &old.key);
    let listen = format!("listen = \"127.0.0.1:{port}\"");
    let with_tls = format!("{listen}\ntls_certificate_file = {chain:?}\ntls_key_file = {key:?}");
    let path = config(dir.path(), port, &[(&*listen, &*with_tls)]);
    let mut daemon = Daemon::start(&path, port, &[]);
    let url = format!("https://localhost:{port}{API}?action=status");
    let believed = |by: &Issued| believing(by.ca.as_bytes()).get(&url).call().map(|answer| answer.status().as_u16());
    wait_for("the API over TLS", || {
        if let Some(status) = daemon.process.child.try_wait().unwrap() {
            panic!("the engine ended with {status}:\n{}", daemon.process.log());
        }
        believed(&old).ok().filter(|status| *status == 200)
    });
    assert!(believed(&new).is_err(), "nobody vouches for the new one yet");
    // Half of the exchange, and what is no certificate: the old one is served on.
    put(&key, &new.key);
    assert_eq!(believed(&old).ok(), Some(200));
    put(&chain, "not a certificate");
    assert_eq!(believed(&old).ok(), Some(200));
    assert!(daemon.process.log().contains("the API keeps its certificate"), "{}", daemon.process.log());
    // The other half.
    put(&chain, &new.certificate);
    assert_eq!(believed(&new).ok(), Some(200));
    assert!(believed(&old).is_err(), "the old one is served to nobody");
    assert_eq!(daemon.process.child.try_wait().unwrap(), None, "it is the same process");
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
}
