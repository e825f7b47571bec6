//! A minimal HTTP/1.1 client over any `Network`, polled: what agents use on sockets in memory, under a virtual clock.
//!
//! One request at a time, each on a connection of its own. It serves simulations and tools on loopback; the real
//! world's redirects, proxies and pools are `UreqRest`'s.

use super::{BODY_MAX, REQUESTS_MAX, parse_url, too_many};
use crate::domain::Nanos;
use crate::net::{ByteStream, Endpoint, Network, Rest, RestRequest, RestResponse};
use crate::telemetry::clock::Clock;
use std::collections::VecDeque;
use std::io::ErrorKind;

/// Longest head, and most headers, of a response.
const HEAD_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;

pub struct StreamRest {
    network: Box<dyn Network>,
    clock: Clock,
    timeout_ns: Nanos,
    waiting: VecDeque<(u64, RestRequest)>,
    current: Option<Exchange>,
    /// Failures that were clear at once.
    failed: VecDeque<(u64, String)>,
}

/// A request on its way.
struct Exchange {
    id: u64,
    /// `GET http://host/path`, for errors; without the query, which may hold a signature.
    what: String,
    stream: Box<dyn ByteStream>,
    out: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
    head_only: bool,
    deadline: Nanos,
}

impl StreamRest {
    /// `timeout_ns` is for each request as a whole, from when it is begun.
    pub fn new(network: Box<dyn Network>, clock: &Clock, timeout_ns: Nanos) -> StreamRest {
        StreamRest {
            network,
            clock: clock.clone(),
            timeout_ns,
            waiting: VecDeque::new(),
            current: None,
            failed: VecDeque::new(),
        }
    }

    fn begin(&mut self, id: u64, request: &RestRequest) -> Result<Exchange, String> {
        let path = request.url.split('?').next().unwrap_or_default();
        let what = format!("{} {path}", request.method);
        let Some(url) = parse_url(&request.url) else { return Err(format!("{what}: not a URL that can be asked")) };
        let endpoint = Endpoint { host: url.host.to_owned(), port: url.port, tls: url.tls };
        let stream = self.network.connect(&endpoint).map_err(|e| format!("{what}: {e}"))?;
        let (method, target, host, port) = (request.method, url.target, url.host, url.port);
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n");
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !request.body.is_empty() || matches!(method, "POST" | "PUT") {
            head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
        }
        head.push_str("\r\n");
        let mut out = head.into_bytes();
        out.extend_from_slice(&request.body);
        let deadline = self.clock.now() + self.timeout_ns;
        let head_only = method == "HEAD";
        Ok(Exchange { id, what, stream, out, sent: 0, received: Vec::new(), head_only, deadline })
    }
}

impl Rest for StreamRest {
    fn submit(&mut self, id: u64, request: RestRequest) {
        if self.waiting.len() + self.failed.len() >= REQUESTS_MAX {
            self.failed.push_back((id, too_many()));
        } else {
            self.waiting.push_back((id, request));
        }
    }

    fn poll(&mut self) -> Option<(u64, Result<RestResponse, String>)> {
        if let Some((id, error)) = self.failed.pop_front() {
            return Some((id, Err(error)));
        }
        if self.current.is_none() {
            let (id, request) = self.waiting.pop_front()?;
            match self.begin(id, &request) {
                Ok(exchange) => self.current = Some(exchange),
                Err(error) => return Some((id, Err(error))),
            }
        }
        let exchange = self.current.as_mut()?;
        let outcome = match exchange.advance() {
            Ok(Some(response)) => Ok(response),
            Ok(None) if self.clock.now() >= exchange.deadline => {
                Err(format!("no answer within {} ms", self.timeout_ns / 1_000_000))
            }
            Ok(None) => return None,
            Err(error) => Err(error),
        };
        let mut exchange = self.current.take()?;
        exchange.stream.close();
        Some((exchange.id, outcome.map_err(|error| format!("{}: {error}", exchange.what))))
    }
}

impl Exchange {
    fn advance(&mut self) -> Result<Option<RestResponse>, String> {
        while self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e.to_string()),
            }
        }
        let mut ended = false;
        let mut chunk = [0u8; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => ended = true,
                Ok(n) => {
                    self.received.extend_from_slice(&chunk[..n]);
                    if self.received.len() > HEAD_MAX + BODY_MAX {
                        return Err(format!("its answer is longer than {BODY_MAX} bytes"));
                    }
                    continue;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e.to_string()),
            }
            return match parse_response(&self.received, ended, self.head_only)? {
                None if ended => Err("the connection ended before its answer was whole".to_owned()),
                parsed => Ok(parsed),
            };
        }
    }
}

/// Reads a response; `None` where it has not all come. `ended` where nothing more will.
pub fn parse_response(bytes: &[u8], ended: bool, head_only: bool) -> Result<Option<RestResponse>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) if bytes.len() > HEAD_MAX => return Err("its head is too long".to_owned()),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("its answer is not HTTP/1.1: {error}")),
    };
    let status = response.code.unwrap_or(0);
    let headers: Vec<(String, String)> = response
        .headers
        .iter()
        .map(|h| (h.name.to_ascii_lowercase(), String::from_utf8_lossy(h.value).into_owned()))
        .collect();
    let find = |name: &str| headers.iter().find(|h| h.0 == name).map(|h| h.1.trim());
    let rest = &bytes[head..];
    let body = if head_only || matches!(status, 204 | 304) {
        Some(Vec::new())
    } else if find("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        dechunk(rest)?
    } else if let Some(length) = find("content-length") {
        let length = length.parse::<usize>().map_err(|_| "its Content-Length is no number".to_owned())?;
        if length > BODY_MAX {
            return Err(format!("its answer of {length} bytes is longer than {BODY_MAX}"));
        }
        rest.get(..length).map(<[u8]>::to_vec)
    } else {
        ended.then(|| rest.to_vec())
    };
    Ok(body.map(|body| RestResponse { status, headers, body }))
}

/// The body of a chunked answer, `None` where its last chunk has not come.
fn dechunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("its chunked body is malformed".to_owned()),
            Ok(httparse::Status::Complete((at, size))) => {
                let size = usize::try_from(size).ok().filter(|size| *size <= BODY_MAX);
                let Some(size) = size else { return Err(format!("its answer is longer than {BODY_MAX} bytes")) };
                if size == 0 {
                    return Ok(Some(body));
                }
                let Some(chunk) = rest.get(at..at + size) else { return Ok(None) };
                body.extend_from_slice(chunk);
                match rest.get(at + size..at + size + 2) {
                    None => return Ok(None),
                    Some(b"\r\n") => rest = &rest[at + size + 2..],
                    Some(_) => return Err("its chunked body is malformed".to_owned()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Listener;
    use crate::net::mem::{LinkPlan, MemHub};

    const STEP: Nanos = 100;

    struct Rig {
        clock: Clock,
        hub: MemHub,
        listener: Box<dyn Listener>,
        rest: StreamRest,
    }

    fn rig(plan: LinkPlan) -> Rig {
        let clock = Clock::virtual_at(1);
        let hub = MemHub::new(&clock, 9);
        hub.set_default_plan(plan);
        let listener = hub.network().listen("venue:80").unwrap();
        let rest = StreamRest::new(Box::new(hub.network()), &clock, 1000 * STEP);
        Rig { clock, hub, listener, rest }
    }

    fn get(url: &str) -> RestRequest {
        RestRequest { method: "GET", url: url.to_owned(), headers: vec![("X-Key", "k".to_owned())], body: Vec::new() }
    }

    impl Rig {
        /// Answers the next connection with `bytes` and then ends it; the request it got.
        fn serve(&mut self, bytes: &[u8]) -> (String, u64, Result<RestResponse, String>) {
            let (mut stream, mut asked, mut rest, mut out): (Option<Box<dyn ByteStream>>, _, _, _) =
                (None, Vec::new(), bytes, None);
            while out.is_none() {
                self.clock.set(self.clock.now() + STEP);
                out = self.rest.poll();
                if stream.is_none() {
                    stream = self.listener.accept().unwrap();
                }
                let Some(stream) = stream.as_mut() else { continue };
                let mut buf = [0u8; 64];
                if let Ok(n) = stream.read(&mut buf) {
                    asked.extend_from_slice(&buf[..n]);
                }
                if asked.ends_with(b"\r\n\r\n") && !rest.is_empty() {
                    let n = stream.write(rest).unwrap_or(0);
                    rest = &rest[n..];
                    if rest.is_empty() {
                        stream.close();
                    }
                }
            }
            let (id, outcome) = out.unwrap();
            (String::from_utf8(asked).unwrap(), id, outcome)
        }
    }

    #[test]
    fn answers_of_every_framing_come_whole_through_a_ragged_pipe() {
        let plan = LinkPlan { latency_ns: 2 * STEP, jitter_ns: 5 * STEP, chunk_max: 7, ..LinkPlan::default() };
        let mut rig = rig(plan);
        let cases: [(&str, u16, &str); 5] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello", 200, "hello"),
            ("HTTP/1.1 429 Slow\r\nRetry-After: 3\r\n\r\nwait", 429, "wait"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n6\r\npedia \r\n0\r\n\r\n",
                200,
                "wikipedia ",
            ),
            ("HTTP/1.1 204 No\r\n\r\n", 204, ""),
            ("HTTP/1.0 200 OK\r\n\r\n", 200, ""),
        ];
        for (i, _) in cases.iter().enumerate() {
            rig.rest.submit(i as u64, get(&format!("http://venue/x?n={i}")));
        }
        for (i, (bytes, status, body)) in cases.into_iter().enumerate() {
            let (asked, id, outcome) = rig.serve(bytes.as_bytes());
            assert!(asked.starts_with(&format!("GET /x?n={i} HTTP/1.1\r\nHost: venue:80\r\n")), "{asked}");
            assert!(asked.contains("X-Key: k\r\n"));
            let response = outcome.unwrap();
            assert_eq!((id, response.status, &response.body[..]), (i as u64, status, body.as_bytes()));
            if i == 0 {
                assert!(response.headers.contains(&("x-a".to_owned(), "b".to_owned())));
            }
        }
        assert_eq!(rig.hub.connections("venue:80"), 0);
    }

    #[test]
    fn failures_are_sentences_without_the_query() {
        let mut rig = rig(LinkPlan::default());
        let secret = "http://venue/x?signature=abc";
        for (bytes, want) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"[..], "before its answer was whole"),
            (b"SSH-2.0\r\n\r\n", "not HTTP/1.1"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "malformed"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "longer"),
        ] {
            rig.rest.submit(1, get(secret));
            let error = rig.serve(bytes).2.unwrap_err();
            assert!(error.starts_with("GET http://venue/x: ") && error.contains(want), "{error}");
            assert!(!error.contains("abc"), "{error}");
        }
        rig.rest.submit(1, get(secret));
        assert!(rig.serve(b"").2.unwrap_err().contains("no answer within"));
        rig.rest.submit(2, get("http://elsewhere/"));
        assert!(rig.rest.poll().unwrap().1.unwrap_err().contains("refused"));
        rig.rest.submit(2, get("nonsense"));
        assert!(rig.rest.poll().unwrap().1.is_err());
        for id in 0..=REQUESTS_MAX as u64 {
            rig.rest.submit(id, get(secret));
        }
        assert_eq!(rig.rest.poll(), Some((REQUESTS_MAX as u64, Err(too_many()))));
    }
}
