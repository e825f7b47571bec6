//! A Vault of our own on loopback: envelope, KV 1 and 2, transit, tokens with an end, AppRole, seal, standby, namespaces
//! and faults. It answers as the API's documentation says, and `tests/clients` has the Python client hvac believe it.

mod kv;
mod transit;

use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// What is wrong with the next answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Status(u16),
    /// The connection ends without an answer.
    Drop,
}

#[derive(Debug, Clone, Default)]
pub struct Version {
    pub data: Value,
    pub deleted: bool,
    pub destroyed: bool,
}

#[derive(Debug, Clone)]
pub struct TokenState {
    /// `None` never ends.
    pub ends_s: Option<u64>,
    pub ttl_s: u64,
    pub renewable: bool,
    /// Seconds that it may live in all, counted from its login.
    pub max_ends_s: u64,
    /// Parts of paths that it may not touch.
    pub forbidden: Vec<&'static str>,
}

pub struct State {
    pub now_s: u64,
    pub kv: u8,
    /// Whether the question for the mount's version is answered.
    pub mounts_asked: bool,
    pub secrets: BTreeMap<String, Vec<Version>>,
    /// Keys of the transit engine with their newest versions, and what was wrapped by them.
    pub transit: BTreeMap<String, u32>,
    wrapped: BTreeMap<String, String>,
    pub tokens: BTreeMap<String, TokenState>,
    pub role: (String, String),
    pub login_ttl_s: u64,
    pub login_max_s: u64,
    pub sealed: bool,
    /// A standby that forwards nothing says so of its health.
    pub standby: bool,
    pub redirect: Option<String>,
    pub namespace: Option<String>,
    pub faults: VecDeque<Fault>,
    /// No request is answered.
    pub away: bool,
    /// Method and path of each request, in order.
    pub asked: Vec<String>,
    logins: u32,
}

#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    pub url: String,
}

type Answer = (u16, Value, Option<String>);

fn failure(status: u16, texts: &[&str]) -> Answer {
    (status, json!({ "errors": texts }), None)
}

fn envelope(data: Value, auth: Value) -> Answer {
    let body = json!({ "request_id": "r", "lease_id": "", "renewable": false, "lease_duration": 0, "data": data,
        "wrap_info": null, "warnings": null, "auth": auth, "mount_type": "kv" });
    (200, body, None)
}

impl Fake {
    /// Serves until the process ends.
    pub fn start() -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let root = TokenState { ends_s: None, ttl_s: 0, renewable: false, max_ends_s: u64::MAX, forbidden: Vec::new() };
        let state = Arc::new(Mutex::new(State {
            now_s: 1_000,
            kv: 2,
            mounts_asked: true,
            secrets: BTreeMap::new(),
            transit: BTreeMap::new(),
            wrapped: BTreeMap::new(),
            tokens: BTreeMap::from([("root".to_owned(), root)]),
            role: ("role-1".to_owned(), "secret-id-1".to_owned()),
            login_ttl_s: 3_600,
            login_max_s: 36_000,
            sealed: false,
            standby: false,
            redirect: None,
            namespace: None,
            faults: VecDeque::new(),
            away: false,
            asked: Vec::new(),
            logins: 0,
        }));
        let served = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is its own affair.
                let _ = serve(stream, &served);
            }
        });
        Fake { state, url }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How often a request that begins so was made.
    pub fn count(&self, request: &str) -> usize {
        self.state().asked.iter().filter(|asked| asked.starts_with(request)).count()
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut buf = [0; 4_096];
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut buf)? {
            0 => return Ok(()),
            n => bytes.extend_from_slice(&buf[..n]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut request = lines.next().unwrap().split(' ');
    let (method, path) = (request.next().unwrap().to_owned(), request.next().unwrap().to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + length {
        match stream.read(&mut buf)? {
            0 => return Ok(()),
            n => bytes.extend_from_slice(&buf[..n]),
        }
    }
    let body: Value = serde_json::from_slice(&bytes[head_end..]).unwrap_or(Value::Null);
    let mut state = state.lock().unwrap();
    state.asked.push(format!("{method} {path}"));
    assert_eq!(headers.get("x-vault-request").map(String::as_str), Some("true"));
    if state.away {
        return Ok(());
    }
    let (status, body, location) = match state.faults.pop_front() {
        Some(Fault::Drop) => return Ok(()),
        Some(Fault::Status(status)) => failure(status, &["a fault"]),
        None => state.answer(&method, &path, &headers, &body),
    };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let location = location.map_or(String::new(), |to| format!("Location: {to}\r\n"));
    let shown = if method == "HEAD" { "" } else { &*body };
    write!(
        stream,
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n{location}Connection: close\r\nContent-Length: {}\r\n\r\n{shown}",
        body.len()
    )
}

impl State {
    fn answer(&mut self, method: &str, path: &str, headers: &BTreeMap<String, String>, body: &Value) -> Answer {
        let Some(route) = path.strip_prefix("/v1/") else { return failure(404, &[]) };
        let (route, query) = route.split_once('?').unwrap_or((route, ""));
        if route == "sys/health" {
            let status = match (self.sealed, self.standby) {
                (true, _) => 503,
                (_, true) => 429,
                _ => 200,
            };
            let body = json!({ "initialized": true, "sealed": self.sealed, "standby": self.standby,
                "server_time_utc": self.now_s, "version": "1.15.0" });
            return (status, body, None);
        }
        if route == "sys/init" && method == "GET" {
            return (200, json!({ "initialized": true }), None);
        }
        if route == "sys/leader" {
            return (200, json!({ "ha_enabled": self.standby, "is_self": !self.standby, "leader_address": "" }), None);
        }
        if route == "sys/seal-status" {
            return (
                200,
                json!({ "type": "shamir", "initialized": true, "sealed": self.sealed, "t": 1, "n": 1 }),
                None,
            );
        }
        if self.sealed {
            return failure(503, &["Vault is sealed"]);
        }
        if let Some(to) = &self.redirect {
            return (307, Value::Null, Some(format!("{to}{path}")));
        }
        if headers.get("x-vault-namespace") != self.namespace.as_ref() {
            return failure(403, &["permission denied"]);
        }
        if route == "auth/approle/login" && method == "POST" {
            return self.login(body);
        }
        let token = headers.get("x-vault-token").cloned().unwrap_or_default();
        let now_s = self.now_s;
        let alive = |t: &&mut TokenState| t.ends_s.is_none_or(|ends| now_s < ends);
        let Some(entry) = self.tokens.get_mut(&token).filter(alive) else {
            return failure(403, &["permission denied"]);
        };
        if entry.forbidden.iter().any(|part| route.contains(part)) {
            return failure(403, &["1 error occurred:\n\t* permission denied\n\n"]);
        }
        match (method, route) {
            ("GET", "auth/token/lookup-self") => {
                let ttl = entry.ends_s.map_or(0, |ends| ends - now_s);
                envelope(
                    json!({ "id": token, "ttl": ttl, "renewable": entry.renewable, "type": "service" }),
                    Value::Null,
                )
            }
            ("POST", "auth/token/renew-self") => {
                if !entry.renewable {
                    return failure(400, &["lease is not renewable"]);
                }
                // What is asked for is a wish.
                let wish = body["increment"].as_str().and_then(|text| text.trim_end_matches('s').parse::<u64>().ok());
                let ends = (now_s + wish.unwrap_or(entry.ttl_s).min(entry.ttl_s)).min(entry.max_ends_s);
                entry.ends_s = Some(ends);
                let lease = ends - now_s;
                envelope(Value::Null, json!({ "client_token": token, "lease_duration": lease, "renewable": true }))
            }
            ("POST", "auth/token/revoke-self") => {
                self.tokens.remove(&token);
                (204, Value::Null, None)
            }
            ("GET", "sys/internal/ui/mounts/secret") if self.mounts_asked => {
                let options = if self.kv == 2 { json!({ "version": "2" }) } else { Value::Null };
                envelope(json!({ "path": "secret/", "type": "kv", "options": options }), Value::Null)
            }
            _ => match (route.strip_prefix("secret/"), route.strip_prefix("transit/")) {
                (Some(path), _) if self.kv == 2 => self.kv2(method, path, query, body),
                (Some(path), _) => self.kv1(method, path, body),
                (_, Some(path)) => self.transit(method, path, body),
                _ => failure(404, &["no handler for route"]),
            },
        }
    }

    fn login(&mut self, body: &Value) -> Answer {
        if body["role_id"] != *self.role.0 || body["secret_id"] != *self.role.1 {
            return failure(400, &["invalid role or secret ID"]);
        }
        self.logins += 1;
        let token = format!("hvs.login-{}", self.logins);
        let state = TokenState {
            ends_s: Some(self.now_s + self.login_ttl_s),
            ttl_s: self.login_ttl_s,
            renewable: true,
            max_ends_s: self.now_s + self.login_max_s,
            forbidden: Vec::new(),
        };
        self.tokens.insert(token.clone(), state);
        envelope(
            Value::Null,
            json!({ "client_token": token, "accessor": "a", "lease_duration": self.login_ttl_s, "renewable": true }),
        )
    }
}
