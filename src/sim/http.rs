//! HTTP/1.1 as a server reads and writes it: bounded heads and bodies, keep-alive, pipelining.

/// Longest request head: the longest signed query of an official client is below 1 KiB.
pub const HEAD_MAX: usize = 16 * 1024;
/// Longest body: order requests are below 1 KiB, a list of all symbols below 64 KiB.
pub const BODY_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;

/// One request, its text owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As received, still encoded; empty where there is none.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub keep_alive: bool,
}

impl Request {
    /// A header's value by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether a comma separated header holds a token, in any case.
    pub fn header_has(&self, name: &str, token: &str) -> bool {
        self.headers
            .iter()
            .filter(|(n, _)| n == name)
            .any(|(_, v)| v.split(',').any(|t| t.trim().eq_ignore_ascii_case(token)))
    }
}

/// Why bytes were not a request; the connection is answered with the status and closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpFault {
    #[error("not an HTTP request")]
    Malformed,
    #[error("request head above {HEAD_MAX} bytes")]
    HeadTooLarge,
    #[error("request body above {BODY_MAX} bytes")]
    BodyTooLarge,
    #[error("transfer codings are not supported, send Content-Length")]
    Chunked,
}

impl HttpFault {
    pub fn status(self) -> u16 {
        match self {
            HttpFault::Malformed => 400,
            HttpFault::HeadTooLarge => 431,
            HttpFault::BodyTooLarge => 413,
            HttpFault::Chunked => 501,
        }
    }
}

/// Reads one request from the front of `buf`: the request and how many bytes it took, or `None` until it is whole.
pub fn parse(buf: &[u8]) -> Result<Option<(Request, usize)>, HttpFault> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let head_len = match head.parse(buf) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if buf.len() > HEAD_MAX => return Err(HttpFault::HeadTooLarge),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HttpFault::HeadTooLarge),
        Err(_) => return Err(HttpFault::Malformed),
    };
    if head_len > HEAD_MAX {
        return Err(HttpFault::HeadTooLarge);
    }
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return Err(HttpFault::Malformed);
    };
    let mut length = 0usize;
    let mut keep_alive = version == 1;
    let mut owned = Vec::with_capacity(head.headers.len());
    for header in head.headers.iter() {
        let name = header.name.to_ascii_lowercase();
        let value = std::str::from_utf8(header.value).map_err(|_| HttpFault::Malformed)?.trim().to_owned();
        match name.as_str() {
            "content-length" => length = value.parse().map_err(|_| HttpFault::Malformed)?,
            "transfer-encoding" => return Err(HttpFault::Chunked),
            "connection" if value.eq_ignore_ascii_case("close") => keep_alive = false,
            "connection" if value.eq_ignore_ascii_case("keep-alive") => keep_alive = true,
            _ => {}
        }
        owned.push((name, value));
    }
    if length > BODY_MAX {
        return Err(HttpFault::BodyTooLarge);
    }
    let total = head_len + length;
    if buf.len() < total {
        return Ok(None);
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: owned,
        body: buf[head_len..total].to_vec(),
        keep_alive,
    };
    Ok(Some((request, total)))
}

/// Appends a whole response. `Content-Length` and `Connection` are written here, the rest comes in `headers`.
pub fn respond(
    out: &mut Vec<u8>,
    status: u16,
    content_type: &str,
    headers: &[(String, String)],
    body: &[u8],
    keep_alive: bool,
) {
    let mut head = format!("HTTP/1.1 {status} {}\r\nContent-Type: {content_type}\r\n", reason(status));
    for (name, value) in headers {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    head.push_str(if keep_alive { "Connection: keep-alive\r\n\r\n" } else { "Connection: close\r\n\r\n" });
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body);
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        207 => "Multi-Status",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        413 => "Payload Too Large",
        418 => "I'm a teapot",
        422 => "Unprocessable Entity",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

/// Decodes `application/x-www-form-urlencoded` text: `%XX` and `+`. Text that is no UTF-8 or has a torn escape is
/// `None`.
pub fn form_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'+' => out.push(b' '),
            b'%' => {
                let hex = bytes.get(at + 1..at + 3)?;
                let digit = |b: u8| (b as char).to_digit(16);
                out.push((digit(hex[0])? * 16 + digit(hex[1])?) as u8);
                at += 2;
            }
            b => out.push(b),
        }
        at += 1;
    }
    String::from_utf8(out).ok()
}

/// The `name=value` pairs of a query or a form body, decoded, in their order.
pub fn form_pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((form_decode(name)?, form_decode(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POST: &[u8] =
        b"POST /api/v3/order?a=1&b=%20 HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: k\r\nContent-Length: 3\r\n\r\nc=2";

    #[test]
    fn a_request_is_whole_or_waited_for() {
        for cut in 0..POST.len() {
            assert_eq!(parse(&POST[..cut]), Ok(None), "cut at {cut}");
        }
        let (request, len) = parse(POST).unwrap().unwrap();
        assert_eq!(len, POST.len());
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/v3/order"));
        assert_eq!((request.query.as_str(), request.body.as_slice()), ("a=1&b=%20", b"c=2".as_slice()));
        assert_eq!(request.header("x-mbx-apikey"), Some("k"));
        assert!(request.keep_alive);
    }

    #[test]
    fn what_is_no_request_or_too_large_has_its_status() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(HEAD_MAX));
        for (bytes, want) in [
            (b"\x16\x03\x01\x02\x00".as_slice(), HttpFault::Malformed),
            (long.as_bytes(), HttpFault::HeadTooLarge),
            (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", HttpFault::BodyTooLarge),
            (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", HttpFault::Malformed),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", HttpFault::Chunked),
        ] {
            assert_eq!(parse(bytes), Err(want));
        }
    }

    #[test]
    fn form_text_is_decoded() {
        assert_eq!(form_decode("a+b%5B%22%C3%A9"), Some("a b[\"é".to_owned()));
        assert_eq!(form_decode("%4"), None);
        assert_eq!(form_decode("%zz"), None);
        assert_eq!(form_decode("%ff"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
            let _ = form_pairs(&String::from_utf8_lossy(&bytes));
        }
    }
}
