//! A Vault of the drill's own: as much of its HTTP API as reading one secret takes, on loopback, until it is dropped.

use super::desk::Told;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A request that has not come by then is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// The headers of a request of ours are far shorter.
const REQUEST_MAX: u64 = 16 * 1024;

pub struct Vault {
    address: SocketAddr,
    token: String,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Vault {
    /// One that keeps this key as the secret of every path.
    pub fn start(key: &str, secret: &str) -> Told<Vault> {
        let told = |error: std::io::Error| format!("no Vault can be played: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(told)?;
        let address = listener.local_addr().map_err(told)?;
        let token = format!("drill-{:016x}", fastrand::u64(..));
        let kept = json!({ "data": { "data": { "api_key": key, "secret": secret }, "metadata": { "version": 1 } } });
        let over = Arc::new(AtomicBool::new(false));
        let (ends, wanted) = (over.clone(), token.clone());
        let serve = move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                // One whose client went away wants no answer.
                let _ = stream.and_then(|stream| answer(stream, &wanted, &kept));
            }
        };
        let thread = std::thread::Builder::new().name("drill-vault".to_owned()).spawn(serve).map_err(told)?;
        Ok(Vault { address, token, over, thread: Some(thread) })
    }

    /// What an engine's environment must have to find it.
    pub fn environment(&self) -> [(String, String); 4] {
        let pair = |name: &str, value: String| (name.to_owned(), value);
        [
            pair("VAULT_ENABLED", "true".to_owned()),
            pair("VAULT_ENDPOINT", format!("http://{}", self.address)),
            pair("VAULT_SECRET_PATH", "secret/tollgate".to_owned()),
            pair("VAULT_TOKEN", self.token.clone()),
        ]
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Whoever connects lets it see that it is over.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            // It panics nowhere; the port is free once it has ended.
            let _ = thread.join();
        }
    }
}

fn answer(stream: TcpStream, token: &str, kept: &Value) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.take(REQUEST_MAX));
    let (mut request, mut known) = (String::new(), false);
    reader.read_line(&mut request)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let header = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("x-vault-token"));
        known |= header.is_some_and(|(_, value)| value.trim() == token);
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match path {
        "/v1/sys/seal-status" => ("200 OK", json!({ "sealed": false })),
        _ if !known => ("403 Forbidden", json!({ "errors": ["permission denied"] })),
        "/v1/auth/token/lookup-self" => ("200 OK", json!({ "data": { "ttl": 0, "renewable": false } })),
        "/v1/sys/internal/ui/mounts/secret" => ("200 OK", json!({ "data": { "options": { "version": "2" } } })),
        path if path.starts_with("/v1/secret/data/") => ("200 OK", kept.clone()),
        _ => ("404 Not Found", json!({ "errors": [] })),
    };
    let body = body.to_string();
    let mut stream = reader.into_inner().into_inner();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
