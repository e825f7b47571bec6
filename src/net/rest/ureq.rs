//! ureq on a thread of its own: it blocks, so it must not stand on an agent's thread.

use super::addresses::Addresses;
use super::{BODY_MAX, REQUESTS_MAX, too_many};
use crate::net::link::{Rx, Tx, Wake, link};
use crate::net::tls::{TlsError, certificates};
use crate::net::{Rest, RestRequest, RestResponse};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;
use ureq::http;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

/// Time limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UreqTimeouts {
    pub connect: Duration,
    /// The whole of it, from the name's resolution to the last byte.
    pub total: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum UreqError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the REST thread cannot be started")]
    Spawn(#[source] std::io::Error),
}

type Answer = (u64, Result<RestResponse, String>);

/// Requests are worked off by one thread or several, each with a connection of its own that is kept alive; with one,
/// one after the other. The threads end with this value.
pub struct UreqRest {
    requests: Sender<(u64, RestRequest)>,
    answers: Rx<Answer>,
    /// Requests without an answer: the answers' link has room for all of them.
    out: usize,
    failed: VecDeque<Answer>,
}

impl UreqRest {
    /// `thread` is the worker's name; `wake` belongs to the agent that will poll. ureq cannot add to the public
    /// certificate authorities: where `extra_ca` is given, it alone is believed.
    pub fn new(
        thread: &str,
        timeouts: UreqTimeouts,
        extra_ca: Option<&Path>,
        wake: &Wake,
    ) -> Result<UreqRest, UreqError> {
        UreqRest::pool(thread, 1, timeouts, extra_ca, wake)
    }

    /// As `new`, with several threads: a slow answer does not hold up the requests behind it, and they may overtake
    /// each other.
    pub fn pool(
        thread: &str,
        threads: usize,
        timeouts: UreqTimeouts,
        extra_ca: Option<&Path>,
        wake: &Wake,
    ) -> Result<UreqRest, UreqError> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(timeouts.connect))
            .timeout_global(Some(timeouts.total))
            .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls_config(extra_ca)?)
            .build();
        let addresses = Addresses::default();
        let (requests, work) = bounded(REQUESTS_MAX);
        let (answer, answers) = link(REQUESTS_MAX, wake);
        for n in 0..threads.max(1) {
            let name = if threads > 1 { format!("{thread}-{n}") } else { thread.to_owned() };
            let known = addresses.clone();
            let agent = ureq::Agent::with_parts(config.clone(), DefaultConnector::default(), known.clone());
            let (work, answer) = (work.clone(), answer.clone());
            std::thread::Builder::new()
                .name(name)
                .spawn(move || serve(&agent, &known, &work, &answer))
                .map_err(UreqError::Spawn)?;
        }
        Ok(UreqRest { requests, answers, out: 0, failed: VecDeque::new() })
    }
}

/// Believes the public certificate authorities or, where given, those of a PEM file alone.
pub fn tls_config(extra_ca: Option<&Path>) -> Result<TlsConfig, TlsError> {
    let roots = match extra_ca {
        Some(path) => {
            let found = certificates(path)?;
            let owned: Vec<_> = found.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
            RootCerts::new_with_certs(&owned)
        }
        None => RootCerts::WebPki,
    };
    Ok(TlsConfig::builder().root_certs(roots).build())
}

impl Rest for UreqRest {
    fn submit(&mut self, id: u64, request: RestRequest) {
        let sent = self.out < REQUESTS_MAX && self.requests.try_send((id, request)).is_ok();
        if sent {
            self.out += 1;
        } else {
            self.failed.push_back((id, Err(too_many())));
        }
    }

    fn poll(&mut self) -> Option<Answer> {
        if let Some(failed) = self.failed.pop_front() {
            return Some(failed);
        }
        let answer = self.answers.try_recv()?;
        self.out -= 1;
        Some(answer)
    }
}

fn serve(agent: &ureq::Agent, known: &Addresses, work: &Receiver<(u64, RestRequest)>, answers: &Tx<Answer>) {
    while let Ok((id, request)) = work.recv() {
        let path = request.url.split('?').next().unwrap_or_default();
        let what = format!("{} {path}", request.method);
        let answer = perform(agent, request).map_err(|error| format!("{what}: {error}"));
        if answer.is_err() {
            known.forget();
        }
        if answers.try_send((id, answer)).is_err() {
            // There is room for every request that is out, so the asker is gone.
            return;
        }
    }
}

fn perform(agent: &ureq::Agent, request: RestRequest) -> Result<RestResponse, String> {
    let mut builder = http::Request::builder().method(request.method).uri(&request.url);
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    // The parts' own errors may quote the request; what is asked is in front of the text anyway.
    let outcome = if request.body.is_empty() && !matches!(request.method, "POST" | "PUT") {
        agent.run(builder.body(()).map_err(|e| e.to_string())?)
    } else {
        agent.run(builder.body(request.body).map_err(|e| e.to_string())?)
    };
    let mut response = outcome.map_err(|e| e.to_string())?;
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(BODY_MAX as u64).read_to_vec().map_err(|e| e.to_string())?;
    Ok(RestResponse { status, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Answers connections one after the other and hands out what was asked; ends the last without an answer.
    fn server(answers: Vec<&'static str>) -> (u16, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let join = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut text = Vec::new();
                let mut buf = [0u8; 1024];
                while !text.windows(4).any(|w| w == b"\r\n\r\n") {
                    let n = stream.read(&mut buf).unwrap();
                    text.extend_from_slice(&buf[..n]);
                }
                asked.push(String::from_utf8(text).unwrap());
                stream.write_all(answer.as_bytes()).unwrap();
            }
            asked
        });
        (port, join)
    }

    fn wait(rest: &mut UreqRest) -> Answer {
        loop {
            match rest.poll() {
                Some(answer) => return answer,
                None => std::thread::yield_now(),
            }
        }
    }

    fn rest() -> UreqRest {
        let limit = Duration::from_secs(20);
        UreqRest::new("rest-test", UreqTimeouts { connect: limit, total: limit }, None, &Wake::default()).unwrap()
    }

    #[test]
    fn any_status_is_an_answer_and_no_answer_is_a_sentence() {
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        let banned = "HTTP/1.1 418 Banned\r\nRetry-After: 9\r\nContent-Length: 3\r\nConnection: close\r\n\r\nban";
        let (port, join) = server(vec![ok, banned, ""]);
        let mut rest = rest();
        let url = format!("http://127.0.0.1:{port}/api/v3/time?x=1&signature=abc");
        let headers = vec![("X-MBX-APIKEY", "key".to_owned())];
        for id in [7, 8, 9] {
            let (url, headers) = (url.clone(), headers.clone());
            rest.submit(id, RestRequest { method: "GET", url, headers, body: Vec::new() });
        }
        let (id, answer) = wait(&mut rest);
        let answer = answer.unwrap();
        assert_eq!((id, answer.status, &answer.body[..]), (7, 200, &b"{}"[..]));
        let (id, answer) = wait(&mut rest);
        let answer = answer.unwrap();
        assert_eq!((id, answer.status, &answer.body[..]), (8, 418, &b"ban"[..]));
        assert!(answer.headers.contains(&("retry-after".to_owned(), "9".to_owned())));
        let (id, answer) = wait(&mut rest);
        let error = answer.unwrap_err();
        assert_eq!(id, 9);
        assert!(error.starts_with(&format!("GET http://127.0.0.1:{port}/api/v3/time: ")), "{error}");
        assert!(!error.contains("abc"), "{error}");
        let asked = join.join().unwrap();
        assert!(asked[0].starts_with("GET /api/v3/time?x=1&signature=abc HTTP/1.1\r\n"), "{}", asked[0]);
        assert!(asked[0].to_lowercase().contains("x-mbx-apikey: key\r\n"));
    }

    #[test]
    fn a_refused_connect_and_a_bad_url_are_sentences() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut rest = rest();
        for url in [format!("http://127.0.0.1:{port}/x"), "nonsense".to_owned()] {
            rest.submit(1, RestRequest { method: "GET", url: url.clone(), headers: Vec::new(), body: Vec::new() });
            let error = wait(&mut rest).1.unwrap_err();
            assert!(error.starts_with(&format!("GET {url}: ")), "{error}");
        }
    }

    #[test]
    fn one_request_too_many_is_answered_at_once() {
        // Nobody answers: the port is bound and never accepted from.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut rest = rest();
        for id in 0..=REQUESTS_MAX as u64 {
            rest.submit(id, RestRequest { method: "GET", url: url.clone(), headers: Vec::new(), body: Vec::new() });
        }
        assert_eq!(rest.poll(), Some((REQUESTS_MAX as u64, Err(too_many()))));
    }
}
