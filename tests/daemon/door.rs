//! The door of the control API against those who would break it: pages of other sites, clients that are slow, many, or
//! too much; and the dashboard's login.

use super::access::create;
use super::support::{API, Daemon, config, free_port, tollgate, wait_for};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that comes until the server closes; a reset is an end too.
pub fn to_the_end(mut stream: TcpStream) -> String {
    let (mut all, mut bytes) = (Vec::new(), [0; 4_096]);
    loop {
        match stream.read(&mut bytes) {
            Ok(n) if n > 0 => all.extend_from_slice(&bytes[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the connection stays open"),
            _ => return String::from_utf8_lossy(&all).into_owned(),
        }
    }
}

/// An answer: its status, its head in lower case, its body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn is(&self, status: u16, code: &str) {
        assert!(self.status == status && self.body.contains(code), "{status} {code}: {} {}", self.head, self.body);
    }
}

/// One request on a connection of its own; `headers` are whole lines.
fn ask(port: u16, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut stream = connect(port);
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{lines}\r\n{body}");
    // One that is refused before it was read may be cut off in the middle.
    let _ = stream.write_all(request.as_bytes());
    let text = to_the_end(stream);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {request}: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

const HOME: &str = "Host: localhost";
const JSON: &str = "Content-Type: application/json";
const HALT: &str = r#"{"action":"set-trading-state","state":"halted","who":"a page","why":"a test"}"#;

fn status_path() -> String {
    format!("{API}?action=status")
}

fn trading_state(daemon: &Daemon) -> String {
    daemon.get("status").unwrap()["trading_state"].as_str().unwrap().to_owned()
}

#[test]
fn a_page_of_another_site_reaches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &[]), port, &[]);
    daemon.ready();
    let look = status_path();
    let own = format!("Origin: http://localhost:{port}");
    let own_host = format!("Host: localhost:{port}");
    // A name that somebody made point here.
    for host in ["Host: evil.example", "Host: localhost.evil.example:3000", "Host: 192.0.2.1", "Host:", "X: y"] {
        ask(port, "GET", &look, &[host], "").is(403, "HOST_NOT_ALLOWED");
        ask(port, "POST", API, &[host, JSON], HALT).is(403, "HOST_NOT_ALLOWED");
    }
    // A script, or a form, of another page.
    for origin in
        ["Origin: http://evil.example", "Origin: null", "Origin: http://localhost:1", "Sec-Fetch-Site: cross-site"]
    {
        ask(port, "POST", API, &[&own_host, origin, JSON], HALT).is(403, "ORIGIN_NOT_ALLOWED");
        ask(port, "GET", &look, &[&own_host, origin], "").is(403, "ORIGIN_NOT_ALLOWED");
    }
    // What a form can send without asking first.
    for kind in [
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: multipart/form-data; boundary=x",
        "Content-Type: text/plain",
        "X: y",
    ] {
        ask(port, "POST", API, &[HOME, kind], HALT).is(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    // The question that a browser asks first is answered by nothing that lets it go on.
    let asked = ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"];
    let preflight = ask(port, "OPTIONS", API, &[HOME, "Origin: http://evil.example", asked[0], asked[1]], "");
    assert_eq!(preflight.status, 403);
    for method in ["OPTIONS", "PUT", "DELETE", "TRACE"] {
        let answer = ask(port, method, API, &[HOME], "");
        assert_eq!(answer.status, 405, "{method}");
        assert!(!answer.head.contains("access-control"), "{}", answer.head);
    }
    assert_eq!(trading_state(&daemon), "active", "none of it did anything");
    // Every answer binds the browser, and has an id of its own.
    let mut ids = std::collections::BTreeSet::new();
    for answer in [
        ask(port, "GET", &look, &[&own_host, &own], ""),
        ask(port, "GET", "/nowhere", &[HOME], ""),
        ask(port, "GET", &look, &["Host: evil.example"], ""),
        preflight,
    ] {
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("x-frame-options"), Some("deny"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        ids.insert(answer.header("x-request-id").unwrap().to_owned());
    }
    assert_eq!(ids.len(), 4);
    // The page itself runs what is served here and nothing else, and stands in no other page.
    let page = ask(port, "GET", "/", &[HOME], "");
    assert!(page.status == 200 && page.header("content-type").unwrap().starts_with("text/html"), "{}", page.head);
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.split("; ").any(|rule| rule == part), "{policy}");
    }
    for loose in ["unsafe", "*", "http:", "https:"] {
        assert!(!policy.contains(loose), "{policy}");
    }
    assert!(!page.body.contains("<script>") && !page.body.contains(" style=\""), "nothing of it is inline");
}

#[test]
fn a_login_is_a_cookie_that_only_our_page_can_use_and_that_ends() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = config(dir.path(), port, &[]);
    let token = create(&path, "alice", "trader");
    let mut daemon = Daemon::start(&path, port, &[]);
    let look = status_path();
    wait_for("the API", || {
        let bearer = format!("Authorization: Bearer {token}");
        let answer =
            TcpStream::connect(("127.0.0.1", port)).ok().map(|_| ask(port, "GET", &look, &[HOME, &bearer], ""))?;
        answer.body.contains("\"takes_commands\":true").then_some(())
    });
    let login = |token: &str| ask(port, "POST", "/login", &[HOME, JSON], &format!("{{\"token\":\"{token}\"}}"));
    login("tollgate_00000000_x").is(401, "TOKEN_UNKNOWN");
    ask(port, "POST", "/login", &[HOME, "Content-Type: text/plain"], "{}").is(415, "UNSUPPORTED_MEDIA_TYPE");
    ask(port, "POST", "/login", &[HOME, JSON, "Origin: http://evil.example"], "{}").is(403, "ORIGIN_NOT_ALLOWED");
    let answer = login(&token);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let set = answer.header("set-cookie").unwrap();
    for part in ["; httponly", "; samesite=strict", "; path=/"] {
        assert!(set.contains(part), "{set}");
    }
    // The head was put in lower case: the cookie is read from one that was not.
    let (cookie, csrf) = session(port, &token);
    let cookie = format!("Cookie: {cookie}");
    let proof = format!("X-CSRF-Token: {csrf}");
    assert_eq!(ask(port, "GET", &look, &[HOME, &cookie], "").status, 200);
    assert!(ask(port, "GET", "/session", &[HOME, &cookie], "").body.contains(&csrf));
    let cancel = r#"{"action":"cancel-all-orders"}"#;
    ask(port, "POST", API, &[HOME, JSON, &cookie], cancel).is(403, "CSRF_TOKEN_WRONG");
    ask(port, "POST", API, &[HOME, JSON, &cookie, "X-CSRF-Token: x"], cancel).is(403, "CSRF_TOKEN_WRONG");
    // One session's proof is not another's.
    let (_, other) = session(port, &token);
    ask(port, "POST", API, &[HOME, JSON, &cookie, &format!("X-CSRF-Token: {other}")], cancel)
        .is(403, "CSRF_TOKEN_WRONG");
    assert_eq!(ask(port, "POST", API, &[HOME, JSON, &cookie, &proof], cancel).status, 200);
    ask(port, "POST", API, &[HOME, JSON, &cookie, &proof], r#"{"action":"resume","why":"x"}"#)
        .is(403, "ROLE_NOT_ENOUGH");
    ask(port, "POST", "/logout", &[HOME, &cookie], "").is(403, "CSRF_TOKEN_WRONG");
    assert_eq!(ask(port, "POST", "/logout", &[HOME, &cookie, &proof], "").status, 200);
    ask(port, "GET", &look, &[HOME, &cookie], "").is(401, "SESSION_ENDED");
    ask(port, "GET", &look, &[HOME, "Cookie: tollgate_session=x"], "").is(401, "SESSION_ENDED");
    // A session ends with its token.
    let (cookie, _) = session(port, &token);
    let cookie = format!("Cookie: {cookie}");
    assert_eq!(ask(port, "GET", &look, &[HOME, &cookie], "").status, 200);
    let revoked = tollgate().args(["token", "revoke", "alice", "--config"]).arg(&path).status().unwrap();
    assert!(revoked.success());
    ask(port, "GET", &look, &[HOME, &cookie], "").is(401, "SESSION_ENDED");
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
    assert!(!daemon.process.log().contains(&csrf) && !daemon.process.log().contains(&cookie));
}

/// Logs in: the cookie's pair, and the token against forgery.
fn session(port: u16, token: &str) -> (String, String) {
    let mut stream = connect(port);
    let body = format!("{{\"token\":\"{token}\"}}");
    let length = body.len();
    let request = format!(
        "POST /login HTTP/1.1\r\n{HOME}\r\n{JSON}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let text = to_the_end(stream);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let set = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let csrf = body["data"]["csrf_token"].as_str().unwrap().to_owned();
    (set.split(';').next().unwrap().to_owned(), csrf)
}

const HURRIED: [(&str, &str); 2] =
    [("read_timeout_ms = 10_000", "read_timeout_ms = 300"), ("connections_max = 256", "connections_max = 32")];

fn hurried(dir: &Path, edits: &[(&str, &str)]) -> Daemon {
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir, port, &[&HURRIED[..], edits].concat()), port, &[]);
    daemon.ready();
    daemon
}

#[test]
fn slow_and_half_closed_clients_are_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = hurried(dir.path(), &[]);
    let port = daemon.port;
    let head = format!("GET {} HTTP/1.1\r\n{HOME}\r\n", status_path());
    // Nothing at all; half a head; a head that grows by a byte now and then; a request, and then nothing more.
    to_the_end(connect(port));
    let mut half = connect(port);
    half.write_all(head.as_bytes()).unwrap();
    to_the_end(half);
    let mut dripping = connect(port);
    dripping.write_all(head.as_bytes()).unwrap();
    let cut = wait_for("the dripping client to be cut off", || {
        std::thread::sleep(Duration::from_millis(50));
        dripping.write_all(b"x").is_err().then_some(true)
    });
    assert!(cut);
    let mut kept = connect(port);
    kept.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    assert!(to_the_end(kept).starts_with("HTTP/1.1 200"));
    // A body that does not come.
    let mut body = connect(port);
    let request = format!("POST {API} HTTP/1.1\r\n{HOME}\r\n{JSON}\r\nContent-Length: 50\r\n\r\n{{\"action\":");
    body.write_all(request.as_bytes()).unwrap();
    let answer = to_the_end(body);
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("BODY_TIMEOUT"), "{answer}");
    // Closed for writing in the middle of the head, and of the body.
    for part in [head.as_str(), request.as_str()] {
        let mut stream = connect(port);
        stream.write_all(part.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        to_the_end(stream);
    }
    assert!(daemon.get("status").is_some());
}

#[test]
fn what_is_too_large_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = hurried(dir.path(), &[("read_timeout_ms = 300", "read_timeout_ms = 10_000")]);
    let port = daemon.port;
    let long = format!("X: {}", "x".repeat(40 << 10));
    let answer = ask(port, "GET", &status_path(), &[HOME, &long], "");
    assert_eq!(answer.status, 431);
    let many: Vec<String> = (0..500).map(|n| format!("X-{n}: y")).collect();
    let many: Vec<&str> = std::iter::once(HOME).chain(many.iter().map(String::as_str)).collect();
    assert_eq!(ask(port, "GET", &status_path(), &many, "").status, 431);
    let body = format!("{{\"action\":\"{}\"}}", "x".repeat(20 << 10));
    ask(port, "POST", API, &[HOME, JSON], &body).is(413, "BODY_TOO_LARGE");
    // Without a length said.
    let mut chunked = connect(port);
    let head = format!("POST {API} HTTP/1.1\r\n{HOME}\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked.write_all(head.as_bytes()).unwrap();
    for _ in 0..40 {
        // The server may have answered and gone.
        let _ = chunked.write_all(format!("400\r\n{}\r\n", "x".repeat(1_024)).as_bytes());
    }
    let answer = to_the_end(chunked);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(daemon.get("status").is_some());
}

#[test]
fn a_client_that_asks_too_often_is_told_to_wait_and_another_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let edits = [("requests_per_second_max = 1_000", "requests_per_second_max = 10")];
    let path = config(dir.path(), port, &edits);
    let tokens = ["alice", "bob"].map(|name| format!("Authorization: Bearer {}", create(&path, name, "viewer")));
    let mut daemon = Daemon::start(&path, port, &[]);
    wait_for("the API", || TcpStream::connect(("127.0.0.1", port)).ok());
    let limited = wait_for("a refusal", || {
        let answer = ask(port, "GET", &status_path(), &[HOME, &tokens[0]], "");
        (answer.status != 200).then_some(answer)
    });
    limited.is(429, "RATE_LIMITED");
    assert_eq!(limited.header("retry-after"), Some("1"));
    assert_eq!(ask(port, "GET", &status_path(), &[HOME, &tokens[1]], "").status, 200);
    // Wrong tokens wait for their answers, are counted and logged; a good one from the same address does not wait.
    for _ in 0..3 {
        ask(port, "GET", &status_path(), &[HOME, "Authorization: Bearer wrong"], "").is(401, "TOKEN_UNKNOWN");
    }
    assert_ne!(ask(port, "GET", &status_path(), &[HOME, &tokens[1]], "").status, 401);
    // Again and again is an alert, which a look at the engine shows.
    for _ in 0..4 {
        ask(port, "GET", &status_path(), &[HOME, "Authorization: Bearer wrong"], "").is(401, "TOKEN_UNKNOWN");
    }
    wait_for("the alert", || {
        let answer = ask(port, "GET", &format!("{API}?action=alerts"), &[HOME, &tokens[1]], "");
        answer.body.contains("LOGINS_REFUSED").then_some(())
    });
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
    let log = daemon.process.log();
    assert!(log.contains("refused at the door"), "{log}");
    let counted = |name: &str| log.lines().find(|line| line.contains(name)).map(str::to_owned);
    assert!(counted("control_refused_total").is_some_and(|line| line.trim().ends_with('7')), "{log}");
    assert!(counted("control_rate_limited_total").is_some(), "{log}");
}
