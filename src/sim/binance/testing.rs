//! What the tests of this venue share.

/// A JSON fixture by its path under the shared fixtures, or `None` (and a line that says so) where there are none.
pub fn fixture(path: &str) -> Option<serde_json::Value> {
    let file = fixture_path(path)?;
    let text = std::fs::read(&file).unwrap();
    Some(serde_json::from_slice(&text).unwrap())
}

/// Where a fixture lies, if it is there.
pub fn fixture_path(path: &str) -> Option<std::path::PathBuf> {
    let root =
        std::env::var("TOLLGATE_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    let file = std::path::Path::new(&root).join("fixtures").join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!("fixture {} is absent: not compared with it", file.display());
    None
}

use super::{BinanceSim, SimAccount, SimConfig};
use crate::agent::Agent;
use crate::net::{ByteStream, Endpoint, Listener, Network};
use crate::sim::market::{MarketSource, SimInstrument, SyntheticConfig};
use crate::sim::ws;
use crate::telemetry::Clock;
use hmac::{Hmac, KeyInit, Mac};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

/// 2026-09-18 00:00:00 UTC.
pub const START: i64 = 1_789_689_600_000_000_000;
pub const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
pub const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
pub const OTHER_KEY: &str = "4yNzx3yWC5bS6YTwEkSRaC0nRmSQIIStAUOh1b6kqaBrTLIhjCpI5lJH8q8R8WNO";

/// One direction of a pipe.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closed: bool,
}

/// An end of an in-memory connection. `room` bounds what the other side may leave unread.
#[derive(Clone)]
pub struct End {
    read: Arc<Mutex<Pipe>>,
    write: Arc<Mutex<Pipe>>,
    room: usize,
}

impl ByteStream for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.read.lock().unwrap();
        if pipe.bytes.is_empty() {
            return if pipe.closed { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let n = buf.len().min(pipe.bytes.len());
        for (to, from) in buf.iter_mut().zip(pipe.bytes.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut pipe = self.write.lock().unwrap();
        if pipe.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let n = buf.len().min(self.room - pipe.bytes.len().min(self.room));
        if n == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipe.bytes.extend(&buf[..n]);
        Ok(n)
    }

    fn close(&mut self) {
        self.read.lock().unwrap().closed = true;
        self.write.lock().unwrap().closed = true;
    }
}

/// A network of one listener; clients are the test's own.
#[derive(Clone, Default)]
pub struct MemNet {
    waiting: Arc<Mutex<VecDeque<End>>>,
}

impl MemNet {
    pub fn dial(&self, room: usize) -> End {
        let (a, b) = (Arc::new(Mutex::new(Pipe::default())), Arc::new(Mutex::new(Pipe::default())));
        self.waiting.lock().unwrap().push_back(End { read: a.clone(), write: b.clone(), room });
        End { read: b, write: a, room: usize::MAX }
    }
}

impl Network for MemNet {
    fn connect(&mut self, _: &Endpoint) -> io::Result<Box<dyn ByteStream>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn listen(&mut self, _: &str) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(self.clone()))
    }
}

impl Listener for MemNet {
    fn accept(&mut self) -> io::Result<Option<Box<dyn ByteStream>>> {
        Ok(self.waiting.lock().unwrap().pop_front().map(|end| Box::new(end) as Box<dyn ByteStream>))
    }

    fn local_addr(&self) -> String {
        "127.0.0.1:7001".into()
    }
}

/// A venue on a virtual clock with sockets in memory.
pub struct Rig {
    pub sim: BinanceSim,
    pub net: MemNet,
    pub clock: Clock,
}

/// A market that stands still, so that a test decides what the book is.
pub fn still_market() -> MarketSource {
    let quiet = |i: SimInstrument| SimInstrument { quotes_per_second: 1e-9, trades_per_second: 0.0, ..i };
    let instruments = vec![quiet(SimInstrument::btcusdt()), quiet(SimInstrument::ethusdt())];
    MarketSource::Synthetic(SyntheticConfig { instruments, ..SyntheticConfig::default() })
}

pub fn config(market: MarketSource) -> SimConfig {
    let balances = [("USDT", "1000000"), ("BTC", "10"), ("ETH", "100")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let account = |key: &str| SimAccount::new(key, SECRET, balances.to_vec());
    SimConfig::new("127.0.0.1:0", vec![account(KEY), account(OTHER_KEY)], market)
}

impl Rig {
    pub fn new(config: SimConfig) -> Rig {
        Rig::at(config, START)
    }

    pub fn at(config: SimConfig, now: i64) -> Rig {
        let (net, clock) = (MemNet::default(), Clock::virtual_at(now));
        let sim = BinanceSim::new(config, Box::new(net.clone()), clock.clone()).unwrap();
        Rig { sim, net, clock }
    }

    pub fn still() -> Rig {
        Rig::new(config(still_market()))
    }

    pub fn now_ms(&self) -> i64 {
        self.clock.now() / 1_000_000
    }

    /// One turn without time passing.
    pub fn turn(&mut self) -> usize {
        self.sim.do_work(self.clock.now())
    }

    /// Turns until `ms` have passed, a millisecond each.
    pub fn run_ms(&mut self, ms: i64) {
        for _ in 0..ms {
            self.clock.set(self.clock.now() + 1_000_000);
            self.turn();
        }
    }

    pub fn client(&mut self) -> Client {
        Client { end: self.net.dial(usize::MAX), input: Vec::new() }
    }

    /// One request on a connection of its own: status, head and JSON body.
    pub fn rest(
        &mut self,
        method: &str,
        target: &str,
        key: Option<&str>,
        body: &str,
    ) -> (u16, String, serde_json::Value) {
        let mut client = self.client();
        let key = key.map_or(String::new(), |k| format!("X-MBX-APIKEY: {k}\r\n"));
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{key}Content-Length: {}\r\n\r\n{body}", body.len());
        client.send(head.as_bytes());
        self.turn();
        let (status, head, body) = client.response().unwrap();
        client.end.close();
        (status, head, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// As `rest`, signed by the first account, everything in the query.
    pub fn signed(&mut self, method: &str, path: &str, params: &str) -> (u16, serde_json::Value) {
        self.signed_by(KEY, method, path, params)
    }

    pub fn signed_by(&mut self, key: &str, method: &str, path: &str, params: &str) -> (u16, serde_json::Value) {
        let joint = if params.is_empty() { "" } else { "&" };
        let query = format!("{params}{joint}timestamp={}", self.now_ms());
        let target = format!("{path}?{query}&signature={}", sign(&query));
        let (status, _, body) = self.rest(method, &target, Some(key), "");
        (status, body)
    }

    /// A WebSocket connection to a path.
    pub fn ws(&mut self, target: &str) -> Client {
        let mut client = self.client();
        self.handshake(&mut client, target);
        client
    }

    pub fn handshake(&mut self, client: &mut Client, target: &str) {
        client.send(
            format!(
                "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            .as_bytes(),
        );
        self.turn();
        let (status, head, _) = client.response().unwrap();
        assert_eq!(status, 101, "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    }

    /// A request on a WebSocket connection; the first frame that is no event is its answer.
    pub fn ask(&mut self, client: &mut Client, text: &str) -> serde_json::Value {
        client.send_text(text);
        self.turn();
        let frames = client.frames();
        frames.into_iter().find(|f| f.get("event").is_none()).unwrap_or_default()
    }

    /// A signed request to the WebSocket API by the first account.
    pub fn api(&mut self, client: &mut Client, method: &str, params: &[(&str, &str)]) -> serde_json::Value {
        let request = self.signed_request(KEY, method, params);
        self.ask(client, &request)
    }

    pub fn signed_request(&self, key: &str, method: &str, params: &[(&str, &str)]) -> String {
        let time = self.now_ms().to_string();
        let mut all: Vec<(&str, &str)> = params.to_vec();
        all.extend([("apiKey", key), ("timestamp", time.as_str())]);
        all.sort_unstable();
        let payload = all.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&");
        let signature = sign(&payload);
        all.push(("signature", &signature));
        let members = all.iter().map(|(k, v)| format!("{k:?}:{v:?}")).collect::<Vec<_>>().join(",");
        format!(r#"{{"id":"r1","method":"{method}","params":{{{members}}}}}"#)
    }

    /// A WebSocket API connection that hears the first account's events.
    pub fn user_stream(&mut self) -> Client {
        let mut client = self.ws("/ws-api/v3");
        let answer = self.api(&mut client, "userDataStream.subscribe.signature", &[]);
        assert_eq!(answer["result"]["subscriptionId"], 0, "{answer}");
        client
    }
}

pub fn sign(payload: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(payload.as_bytes());
    mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

/// The test's side of a connection.
pub struct Client {
    pub end: End,
    input: Vec<u8>,
}

impl Client {
    pub fn over(end: End) -> Client {
        Client { end, input: Vec::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // A connection that the venue has closed takes nothing: what was sent is lost, as on a real one.
        let _ = self.end.write(bytes);
    }

    pub fn send_text(&mut self, text: &str) {
        self.send(&ws::tests::masked(true, ws::TEXT, text.as_bytes()));
    }

    /// Reads at most `n` bytes into the client's buffer.
    pub fn read_some(&mut self, n: usize) -> usize {
        let mut buf = vec![0; n];
        let got = self.end.read(&mut buf).unwrap_or(0);
        self.input.extend_from_slice(&buf[..got]);
        got
    }

    fn fill(&mut self) {
        while self.read_some(1 << 16) > 0 {}
    }

    /// Whether the venue has closed the connection and everything was read.
    pub fn closed(&mut self) -> bool {
        self.fill();
        let pipe = self.end.read.lock().unwrap();
        pipe.closed && pipe.bytes.is_empty()
    }

    /// The next HTTP response.
    pub fn response(&mut self) -> Option<(u16, String, Vec<u8>)> {
        self.fill();
        let end = self.input.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.input[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1)?.parse().unwrap();
        let length =
            head.lines().find_map(|l| l.strip_prefix("Content-Length: ")).map_or(0, |l| l.parse::<usize>().unwrap());
        let body = self.input[end..end + length].to_vec();
        self.input.drain(..end + length);
        Some((status, head, body))
    }

    /// Every whole frame so far: `(opcode, payload)`.
    pub fn raw_frames(&mut self) -> Vec<(u8, Vec<u8>)> {
        self.fill();
        let mut frames = Vec::new();
        loop {
            let mut cursor = io::Cursor::new(&self.input);
            let Ok(Some((header, len))) = tungstenite::protocol::frame::FrameHeader::parse(&mut cursor) else { break };
            let from = cursor.position() as usize;
            let Some(payload) = self.input.get(from..from + len as usize) else { break };
            frames.push((u8::from(header.opcode), payload.to_vec()));
            self.input.drain(..from + len as usize);
        }
        frames
    }

    /// The JSON of every text frame so far.
    pub fn frames(&mut self) -> Vec<serde_json::Value> {
        let texts = self.raw_frames().into_iter().filter(|(opcode, _)| *opcode == ws::TEXT);
        texts.map(|(_, payload)| serde_json::from_slice(&payload).unwrap()).collect()
    }

    /// The account events so far.
    pub fn events(&mut self) -> Vec<serde_json::Value> {
        self.frames().into_iter().filter_map(|mut f| f.get_mut("event").map(serde_json::Value::take)).collect()
    }
}
