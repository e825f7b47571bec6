//! Alerts told to receivers of our own: each shape, signed, over refusals and restarts, never twice.

use super::credentials::{credentials, said, with_store};
use super::support::{Daemon, config, free_port, http, tollgate, wait_for};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

const SECRET: &str = "plugh-plugh-plugh-plugh";
const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
const STOP: &str = r#"{"action":"emergency-stop","reason":"a drill"}"#;
const COMMON: &str =
    "timeout_ms = 5_000\nretry_min_ms = 10\nretry_max_ms = 50\ngive_up_after_s = 3_600\nqueue_max = 100\n";

/// What one request held.
#[derive(Debug, Clone)]
struct Told {
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Told {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Answers every request with the next status, and with 200 when there is none; keeps what it was told.
struct Receiver {
    port: u16,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Receiver {
    fn start(port: u16, statuses: &[u16]) -> Receiver {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = told.clone();
        let statuses = statuses.to_vec();
        let mut statuses = statuses.into_iter();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read(&mut stream);
                kept.lock().unwrap().push(request);
                let status = statuses.next().unwrap_or(200);
                let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Receiver { port, told }
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// Waits until something that fits was told.
    fn hears(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Told {
        wait_for(what, || self.told().into_iter().find(|told| fits(&told.json())))
    }
}

fn read(stream: &mut TcpStream) -> Told {
    let (mut bytes, mut buf) = (Vec::new(), [0u8; 4_096]);
    loop {
        let n = stream.read(&mut buf).unwrap();
        assert!(n > 0, "the request ends in the middle");
        bytes.extend_from_slice(&buf[..n]);
        let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
        let mut lines = head.lines();
        let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers.iter().find(|(name, _)| name == "content-length").unwrap().1.parse().unwrap();
        if bytes.len() >= at + 4 + length {
            return Told { path, headers, body: String::from_utf8(bytes[at + 4..].to_vec()).unwrap() };
        }
    }
}

fn with_hooks(dir: &Path, port: u16, hooks: &str) -> std::path::PathBuf {
    let path = config(dir, port, &[]);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\n{hooks}")).unwrap();
    path
}

fn hook(name: &str, lines: &str) -> String {
    format!("[[webhooks]]\nname = \"{name}\"\n{lines}{COMMON}")
}

/// Verified by another implementation than the one that signed.
fn is_signed(told: &Told) {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = format!("{}.{}.{}", told.header("webhook-id"), told.header("webhook-timestamp"), told.body);
    let signature = STANDARD.decode(told.header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    ring::hmac::verify(&key, signed.as_bytes(), &signature).expect("the signature is ours");
}

fn is_stop(event: &Value, change: &str) -> bool {
    event["kind"] == "EMERGENCY_STOP" && event["change"] == change
}

#[test]
fn an_emergency_stop_is_told_in_every_shape_and_once_each() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    // The first attempt meets a fault of the receiver.
    let (desk, slack, pager) = (Receiver::start(0, &[500]), Receiver::start(0, &[]), Receiver::start(0, &[]));
    let (discord, telegram) = (Receiver::start(0, &[]), Receiver::start(0, &[429]));
    let only = "min_severity = \"emergency\"\nkinds = [\"EMERGENCY_STOP\"]\n";
    let base = |receiver: &Receiver| format!("url = \"http://127.0.0.1:{}\"\n", receiver.port);
    let hooks = [
        hook("desk", &format!("kind = \"json\"\n{}secret_env = \"HOOK_SECRET\"\n{only}", base(&desk))),
        hook("slack", &format!("kind = \"slack\"\nurl_env = \"SLACK_URL\"\n{only}")),
        hook("discord", &format!("kind = \"discord\"\nurl_env = \"DISCORD_URL\"\n{only}")),
        hook(
            "telegram",
            &format!("kind = \"telegram\"\n{}token_env = \"T\"\nchat_id = \"-1\"\n{only}", base(&telegram)),
        ),
        hook("pager", &format!("kind = \"pagerduty\"\n{}token_env = \"T\"\n{only}", base(&pager))),
    ];
    let config = with_hooks(dir.path(), port, &hooks.concat());
    let slack_url = format!("http://127.0.0.1:{}/services/T0/xyzzy", slack.port);
    let discord_url = format!("http://127.0.0.1:{}/api/webhooks/1/xyzzy", discord.port);
    let envs = [("HOOK_SECRET", SECRET), ("SLACK_URL", &slack_url), ("DISCORD_URL", &discord_url), ("T", TOKEN)];
    let mut daemon = Daemon::start(&config, port, &envs);
    daemon.ready();
    assert_eq!(daemon.post(STOP).0, 200);

    let told = desk.hears("the stop at the desk", |event| is_stop(event, "raised"));
    let event = told.json();
    assert_eq!((&event["severity"], &event["scope"]), (&json!("emergency"), &json!("the account")));
    wait_for("both attempts", || (desk.told().len() >= 2).then_some(()));
    let attempts = desk.told();
    assert_eq!((attempts.len(), attempts[0].header("webhook-id")), (2, attempts[1].header("webhook-id")));
    attempts.iter().for_each(is_signed);
    let paths = [
        (&slack, "/services/T0/xyzzy"),
        (&discord, "/api/webhooks/1/xyzzy"),
        (&telegram, &*format!("/bot{TOKEN}/sendMessage")),
        (&pager, "/v2/enqueue"),
    ];
    for (receiver, path) in paths {
        wait_for(path, || receiver.told().iter().any(|told| told.path == path).then_some(()));
    }
    let trigger = pager.told()[0].json();
    assert_eq!((&trigger["event_action"], &trigger["routing_key"]), (&json!("trigger"), &json!(TOKEN)));

    // Acknowledged, and resolved when a person resumes: under the same key.
    let id = event["alert_id"].as_str().unwrap();
    let acknowledge = format!(r#"{{"action":"acknowledge-alert","alert_id":"{id}","who":"Ada"}}"#);
    assert_eq!(daemon.post(&acknowledge).0, 200);
    assert_eq!(daemon.post(r#"{"action":"resume","who":"Ada","why":"it is over"}"#).0, 200);
    for action in ["acknowledge", "resolve"] {
        let told = pager.hears(action, |event| event["event_action"] == action);
        assert_eq!(told.json()["dedup_key"], trigger["dedup_key"]);
    }
    let hooks = wait_for("every hook to be level", || {
        let hooks = daemon.get("status")?["webhooks"].as_array()?.clone();
        hooks.iter().all(|hook| hook["delivered"] == 3 && hook["waiting"] == 0).then_some(hooks)
    });
    assert!(hooks.iter().all(|hook| hook["failing"] == false), "{hooks:#?}");
    let (_, page) = http(port, "GET", "/metrics", &[], "").unwrap();
    assert!(page.contains("tollgate_webhook_alerts_total{webhook=\"desk\",outcome=\"delivered\"} 3"), "{page}");
    assert!(page.contains("tollgate_webhook_retries_total{webhook=\"telegram\"} 1"), "{page}");

    // A restart tells nothing twice.
    let before: Vec<usize> = [&desk, &slack, &discord, &telegram, &pager].map(|receiver| receiver.told().len()).into();
    daemon.process.signal("TERM");
    daemon.process.wait();
    let said = daemon.process.log();
    assert!(!said.contains("xyzzy") && !said.contains(SECRET) && !said.contains(TOKEN), "{said}");
    let mut daemon = Daemon::start(&config, port, &envs);
    daemon.ready();
    assert_eq!(daemon.post(STOP).0, 200);
    wait_for("the second stop", || (desk.told().len() > before[0]).then_some(()));
    let told = desk.told();
    assert_eq!(told.len(), before[0] + 1);
    // Soon after it was cleared it is the same alert, and else a new one.
    let last = told[before[0]].json();
    assert!(is_stop(&last, "reopened") || is_stop(&last, "raised"), "{last}");
}

#[test]
fn what_a_receiver_that_was_away_has_missed_is_told_after_a_kill_and_a_restart() {
    let (dir, port, away) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let url = format!("url = \"http://127.0.0.1:{away}/alerts\"\nsecret_env = \"HOOK_SECRET\"\n");
    let lines = format!("kind = \"json\"\n{url}min_severity = \"emergency\"\nkinds = [\"EMERGENCY_STOP\"]\n");
    let config = with_hooks(dir.path(), port, &hook("desk", &lines));
    let envs = [("HOOK_SECRET", SECRET)];
    let mut daemon = Daemon::start(&config, port, &envs);
    daemon.ready();
    // A condition is looked at a few times a second: each change is waited for.
    for (body, words) in [
        (STOP, "alert 1 raised"),
        (r#"{"action":"resume","who":"Ada","why":"it is over"}"#, "alert 1 cleared"),
        (STOP, "alert 1 reopened"),
    ] {
        assert_eq!(daemon.post(body).0, 200);
        wait_for(words, || daemon.process.log().contains(words).then_some(()));
    }
    wait_for("the hook to fail", || {
        let status = daemon.get("status")?;
        (status["webhooks"][0]["failing"] == true).then_some(())
    });
    daemon.process.signal("KILL");
    daemon.process.wait();

    let desk = Receiver::start(away, &[]);
    let _daemon = Daemon::start(&config, port, &envs);
    desk.hears("the last change", |event| is_stop(event, "reopened"));
    let told: Vec<Value> = desk.told().iter().map(Told::json).collect();
    let changes: Vec<&str> = told.iter().map(|event| event["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["raised", "cleared", "reopened"], "in order, and each once");
    let mut ids: Vec<&str> = told.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_webhooks_secrets_are_taken_from_the_encrypted_store_and_shown_nowhere() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let (desk, slack) = (Receiver::start(0, &[]), Receiver::start(0, &[]));
    let only = "min_severity = \"emergency\"\nkinds = [\"EMERGENCY_STOP\"]\n";
    let json = format!("kind = \"json\"\nurl = \"http://127.0.0.1:{}\"\n", desk.port);
    let hooks = [
        hook("desk", &format!("{json}secret_credential = \"desk-secret\"\n{only}")),
        hook("slack", &format!("kind = \"slack\"\nurl_credential = \"slack-url\"\n{only}")),
    ];
    let config = with_hooks(dir.path(), port, &hooks.concat());
    with_store(&config, dir.path(), &[]);
    let url = format!("http://127.0.0.1:{}/services/T0/xyzzy", slack.port);
    let keep = |name: &str, text: &str| {
        let store = ["store", "--webhook", "--environment", "testnet", "--name", name];
        said(&credentials(&config, &store, &format!("{text}\n"), &[]), 0, &[text])
    };
    said(&credentials(&config, &["init"], "", &[]), 0, &[]);
    assert!(keep("desk-secret", SECRET).contains("webhook/testnet/desk-secret is kept as version 1"));
    // One is missing: the engine does not start silent, and says how to keep it.
    let mut refused = Daemon::start(&config, port, &[]);
    assert_eq!(refused.process.wait().code(), Some(2));
    let words = refused.process.log();
    let how = "`tollgate credentials store --webhook --environment testnet --name slack-url` keeps it";
    assert!(words.contains("webhook \"slack\": there is no credential webhook/testnet/slack-url"), "{words}");
    assert!(words.contains(how), "{words}");
    keep("slack-url", &url);
    let rotate = ["rotate", "--webhook", "--environment", "testnet", "--name", "slack-url"];
    assert!(said(&credentials(&config, &rotate, "", &[]), 2, &[]).contains("`store` it anew"));
    let listed = said(&credentials(&config, &["list"], "", &[]), 0, &["xyzzy", SECRET]);
    assert!(listed.contains("webhook/testnet/slack-url") && !listed.contains("key ends"), "{listed}");

    let mut daemon = Daemon::start(&config, port, &[]);
    daemon.ready();
    assert_eq!(daemon.post(STOP).0, 200);
    is_signed(&desk.hears("the stop at the desk", |event| is_stop(event, "raised")));
    wait_for("the stop at Slack", || slack.told().iter().any(|told| told.path.ends_with("/xyzzy")).then_some(()));
    daemon.process.signal("TERM");
    daemon.process.wait();
    let log = daemon.process.log();
    assert!(!log.contains("xyzzy") && !log.contains(SECRET), "{log}");
    // Nor in anything that the run has left behind.
    let mut folders = vec![dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let bytes = std::fs::read(&entry).unwrap();
            let holds = |secret: &str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!holds(SECRET) && !holds("/services/T0/xyzzy"), "{}", entry.display());
        }
    }
}

#[test]
fn an_engine_that_cannot_tell_whom_it_should_does_not_start() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let hooks = hook("desk", "kind = \"slack\"\nurl_env = \"NO_SUCH_VARIABLE\"\nmin_severity = \"critical\"\n");
    let config = with_hooks(dir.path(), port, &hooks);
    for (value, want) in [
        (None, "webhook \"desk\": environment variable NO_SUCH_VARIABLE is not set"),
        (Some("http://hooks.example/xyzzy"), "webhook \"desk\": its address must begin with https://"),
    ] {
        let mut command = tollgate();
        command.args(["run", "--config"]).arg(&config).envs(value.map(|value| ("NO_SUCH_VARIABLE", value)));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(want) && !said.contains("xyzzy"), "{said}");
    }
}
