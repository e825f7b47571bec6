//! The HTTP/1.1 upgrade (RFC 6455 §4): texts to send and heads to judge. Pure.

use super::frame::Role;
use tungstenite::handshake::derive_accept_key;

/// Longest head taken before the blank line must have come.
pub const HEAD_MAX: usize = 16 * 1024;
/// Most headers of one head.
pub const HEADERS_MAX: usize = 64;
/// Most bytes of a refusal's body that are kept for the error text.
const DETAIL_MAX: usize = 160;

/// What the peer's head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The blank line has not come.
    Incomplete,
    /// Agreed; the head took this many bytes, what follows are frames.
    Agreed { head: usize, request: Option<Request> },
    /// A plain HTTP answer.
    Refused { status: u16, retry_after_s: Option<u32>, detail: String },
    /// Not a handshake.
    Invalid(&'static str),
}

/// What a client asked a server for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Path and query.
    pub target: String,
    pub key: String,
}

/// The `Sec-WebSocket-Key` of 16 random bytes. Made from the connection's own generator rather than tungstenite's,
/// so that a simulation's bytes come from its seed.
pub fn key(nonce: [u8; 16]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |value: u32| char::from(DIGITS[(value & 63) as usize]);
    let mut text = String::with_capacity(24);
    for chunk in nonce.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        text.push(digit(word >> 18));
        text.push(digit(word >> 12));
        text.push(if chunk.len() > 1 { digit(word >> 6) } else { '=' });
        text.push(if chunk.len() > 2 { digit(word) } else { '=' });
    }
    text
}

/// A client's request. `host` has its port where it is not the scheme's own.
pub fn request(host: &str, target: &str, key: &str, headers: &[(String, String)]) -> Vec<u8> {
    let mut text = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// A server's agreement.
pub fn response(key: &str) -> Vec<u8> {
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

/// Judges the peer's head at the start of `bytes`. `key` is the one a client sent.
pub fn judge(bytes: &[u8], role: Role, key: &str) -> Verdict {
    let verdict = match role {
        Role::Client => judge_response(bytes, key),
        Role::Server => judge_request(bytes),
    };
    match verdict {
        Verdict::Incomplete if bytes.len() > HEAD_MAX => Verdict::Invalid("its head is longer than 16 KiB"),
        verdict => verdict,
    }
}

fn judge_response(bytes: &[u8], key: &str) -> Verdict {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Verdict::Incomplete,
        Err(_) => return Verdict::Invalid("its answer is not HTTP/1.1"),
    };
    let status = response.code.unwrap_or(0);
    if status != 101 {
        let retry_after_s = find(response.headers, "retry-after").and_then(|v| v.trim().parse().ok());
        let body = &bytes[head..bytes.len().min(head + DETAIL_MAX)];
        return Verdict::Refused { status, retry_after_s, detail: String::from_utf8_lossy(body).into_owned() };
    }
    if !has_token(response.headers, "upgrade", "websocket") || !has_token(response.headers, "connection", "upgrade") {
        return Verdict::Invalid("its answer does not upgrade to websocket");
    }
    if find(response.headers, "sec-websocket-extensions").is_some() {
        return Verdict::Invalid("it turned on an extension that was not asked for");
    }
    if find(response.headers, "sec-websocket-accept") != Some(derive_accept_key(key.as_bytes()).as_str()) {
        return Verdict::Invalid("its Sec-WebSocket-Accept does not match the key sent");
    }
    Verdict::Agreed { head, request: None }
}

fn judge_request(bytes: &[u8]) -> Verdict {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Verdict::Incomplete,
        Err(_) => return Verdict::Invalid("its request is not HTTP/1.1"),
    };
    if request.method != Some("GET") {
        return Verdict::Invalid("its request is not a GET");
    }
    if !has_token(request.headers, "upgrade", "websocket") || !has_token(request.headers, "connection", "upgrade") {
        return Verdict::Invalid("its request does not upgrade to websocket");
    }
    if find(request.headers, "sec-websocket-version") != Some("13") {
        return Verdict::Invalid("its WebSocket version is not 13");
    }
    match (request.path, find(request.headers, "sec-websocket-key")) {
        (Some(target), Some(key)) => {
            let request = Request { target: target.to_owned(), key: key.to_owned() };
            Verdict::Agreed { head, request: Some(request) }
        }
        _ => Verdict::Invalid("its request has no Sec-WebSocket-Key"),
    }
}

fn find<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a str> {
    let header = headers.iter().find(|h| h.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(header.value).ok()
}

/// A header may list several tokens (`Connection: keep-alive, Upgrade`) and may occur several times.
fn has_token(headers: &[httparse::Header<'_>], name: &str, token: &str) -> bool {
    headers
        .iter()
        .filter(|h| h.name.eq_ignore_ascii_case(name))
        .filter_map(|h| std::str::from_utf8(h.value).ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 §1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn answer(extra: &str) -> String {
        format!("HTTP/1.1 101 Switching Protocols\r\n{extra}\r\n")
    }

    #[test]
    fn a_nonce_becomes_the_key_of_the_standard() {
        assert_eq!(key(*b"the sample nonce"), KEY);
    }

    #[test]
    fn a_server_is_believed_only_with_the_right_accept_key() {
        let good = answer(&format!(
            "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nsec-websocket-accept: {ACCEPT}\r\n"
        ));
        let n = good.len();
        assert_eq!(judge(good.as_bytes(), Role::Client, KEY), Verdict::Agreed { head: n, request: None });
        let followed = format!("{good}\u{1}\u{2}");
        assert_eq!(judge(followed.as_bytes(), Role::Client, KEY), Verdict::Agreed { head: n, request: None });
        for cut in 0..n {
            assert_eq!(judge(&good.as_bytes()[..cut], Role::Client, KEY), Verdict::Incomplete, "cut at {cut}");
        }
        for bad in [
            good.replace(ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOp="),
            answer(&format!("Connection: Upgrade\r\nsec-websocket-accept: {ACCEPT}\r\n")),
            answer("Upgrade: websocket\r\nConnection: Upgrade\r\n"),
            good.replace("Upgrade: W", "Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: W"),
            "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
        ] {
            assert!(matches!(judge(bad.as_bytes(), Role::Client, KEY), Verdict::Invalid(_)), "{bad}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_status_its_waiting_time_and_its_words() {
        let text = "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\nslow down";
        let want = Verdict::Refused { status: 429, retry_after_s: Some(7), detail: "slow down".to_owned() };
        assert_eq!(judge(text.as_bytes(), Role::Client, KEY), want);
    }

    #[test]
    fn a_client_is_heard_with_its_target_and_key() {
        let text = String::from_utf8(request("h:1", "/ws-api/v3?x=1", KEY, &[("X-A".into(), "b".into())])).unwrap();
        let request = Request { target: "/ws-api/v3?x=1".to_owned(), key: KEY.to_owned() };
        let want = Verdict::Agreed { head: text.len(), request: Some(request) };
        assert_eq!(judge(text.as_bytes(), Role::Server, ""), want);
        assert!(text.contains("Host: h:1\r\n") && text.contains("X-A: b\r\n"));
        for bad in [text.replace("13", "8"), text.replace("GET", "POST"), text.replace("Sec-WebSocket-Key", "X-Key")] {
            assert!(matches!(judge(bad.as_bytes(), Role::Server, ""), Verdict::Invalid(_)), "{bad}");
        }
    }

    #[test]
    fn an_endless_head_is_refused() {
        let text = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(HEAD_MAX));
        assert!(matches!(judge(text.as_bytes(), Role::Client, KEY), Verdict::Invalid(_)));
    }
}
