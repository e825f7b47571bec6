//! What stands before the decoders on the client's side: the WebSocket's handshake and frames, and HTTP's heads and
//! bodies. A body panics where the reader panics, where what it hands out depends on how the bytes were cut on their
//! way, or where a plain reader of RFC 6455 finds another message.

use super::pipes::{End, Pipes};
use tollgate::net::rest::StreamRest;
use tollgate::net::ws::{WebSocket, WsConfig, handshake};
use tollgate::net::{Endpoint, Rest, RestRequest, RestResponse};
use tollgate::telemetry::Clock;

/// Stands for the right `Sec-WebSocket-Accept` in a seed.
const ACCEPT: &[u8] = b"ACCEPT";
const MESSAGE_MAX: usize = 4 << 10;

/// A server's answer to the handshake, and the frames behind it.
pub const LINK_SEEDS: &[&[u8]] = &[
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n\x81\x05hello\x82\x03\x00\x01\x02\x89\x02hi\x88\x02\x03\xe8",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\nDate: x\r\n\r\n\x01\x03{\"a\x89\x00\x80\x05\":1}\n\x8a\x00\x81\x7e\x00\x80{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":50093239212,\"s\":\"BTCUSDT\",\"b\":\"61837.63\",\"B\":\"3.78826\",\"a\":\"61837.64\",\"A\":\"1.546\"}}  \x81\x00",
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 17\r\nContent-Length: 44\r\n\r\n{\"code\":-1003,\"msg\":\"Too many requests.\"}    ",
    b"HTTP/1.1 101 X\r\nupgrade: WebSocket\r\nconnection: upgrade\r\nsec-websocket-accept: ACCEPT\r\n\r\n\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x04abcd\x88\x00",
];

/// Whole HTTP answers.
pub const HTTP_SEEDS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: 17\r\nX-MBX-USED-WEIGHT-1M: 27\r\n\r\n{\"serverTime\":17}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2;x=y\r\n1}\r\n0\r\n\r\n",
    b"HTTP/1.1 418 I'm a teapot\r\nRetry-After: 120\r\nConnection: close\r\n\r\n{\"code\":-1003,\"msg\":\"IP banned\"}",
    b"HTTP/1.1 204 No Content\r\n\r\n",
];

/// The messages a link has handed out, and whether it ended with an error.
type Heard = (Vec<(bool, Vec<u8>)>, bool);

fn to() -> Endpoint {
    Endpoint { host: "venue".to_owned(), port: 80, tls: false }
}

/// Replaces the first placeholder by the key's own answer.
fn agreed(bytes: &[u8], request: &[u8]) -> Vec<u8> {
    let key = String::from_utf8_lossy(request);
    let key = key.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
    let answer = String::from_utf8(handshake::response(key)).expect("an answer is text");
    let accept = answer.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Accept: ")).expect("it has its key");
    match bytes.windows(ACCEPT.len()).position(|window| window == ACCEPT) {
        Some(at) => [&bytes[..at], accept.as_bytes(), &bytes[at + ACCEPT.len()..]].concat(),
        None => bytes.to_vec(),
    }
}

/// What a client makes of the bytes when they come in pieces of so many; and the bytes, as they were sent.
fn hear(bytes: &[u8], piece: usize) -> (Heard, Vec<u8>) {
    let server = End::default();
    let config = WsConfig { message_max: MESSAGE_MAX, recv_buffer: 256, send_buffer: 64 << 10, ..WsConfig::default() };
    let mut link = WebSocket::new(config, 1);
    link.connect(&mut Pipes::to(&server), &to(), "/ws", &[], 0).expect("a pipe is there at once");
    assert!(matches!(link.poll(0), Ok(None)), "nothing has come yet");
    let bytes = agreed(bytes, &server.take());
    let mut messages = Vec::new();
    let mut pieces = bytes.chunks(piece.max(1));
    loop {
        match pieces.next() {
            Some(piece) => server.put(piece),
            None => server.end(),
        }
        loop {
            match link.poll(0) {
                Ok(Some(message)) => messages.push((message.binary, message.payload.to_vec())),
                Ok(None) => break,
                Err(_) => return ((messages, true), bytes),
            }
        }
        if server.is_closed() {
            return ((messages, false), bytes);
        }
    }
}

/// The messages of a server's frames, until the first thing that is wrong or a close.
fn plain(mut bytes: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let (mut messages, mut open) = (Vec::new(), None::<(bool, Vec<u8>)>);
    loop {
        let [first, second, ..] = bytes else { return messages };
        let (fin, opcode, masked) = (first & 0x80 != 0, first & 0x0f, second & 0x80 != 0);
        let number = |from: usize, len: usize| {
            bytes.get(from..from + len).map(|b| b.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte)))
        };
        let (head, len): (usize, _) = match second & 0x7f {
            126 => (4, number(2, 2)),
            127 => (10, number(2, 8)),
            short => (2, Some(u64::from(short))),
        };
        let Some(len) = len.and_then(|len| usize::try_from(len).ok()) else { return messages };
        if first & 0x70 != 0 || masked {
            return messages;
        }
        let Some(payload) = head.checked_add(len).and_then(|end| bytes.get(head..end)) else { return messages };
        bytes = &bytes[head + len..];
        match (opcode, open.take()) {
            (1 | 2, None) => open = Some((opcode == 2, payload.to_vec())),
            (0, Some((binary, text))) => open = Some((binary, [&text, payload].concat())),
            (9 | 10, kept) if fin => {
                open = kept;
                continue;
            }
            _ => return messages,
        }
        if fin {
            messages.extend(open.take());
        }
    }
}

/// A server's bytes on a client's WebSocket.
pub fn link(bytes: &[u8]) {
    let (whole, sent) = hear(bytes, usize::MAX);
    for piece in [1, 7] {
        assert_eq!(hear(bytes, piece).0, whole, "in pieces of {piece}");
    }
    // The head ends with the first empty line.
    let ends = (0..sent.len()).filter(|at| sent[..*at].ends_with(b"\n\r\n") || sent[..*at].ends_with(b"\n\n"));
    let said: Vec<_> = ends.map(|end| plain(&sent[end..])).collect();
    let told = whole.0;
    assert!(told.is_empty() || said.iter().any(|said| said.starts_with(&told)), "{told:?} is in none of {said:?}");
}

fn answer(bytes: &[u8], piece: usize) -> Result<RestResponse, String> {
    let server = End::default();
    let clock = Clock::virtual_at(0);
    let mut rest = StreamRest::new(Box::new(Pipes::to(&server)), &clock, 1_000_000_000);
    let url = "http://venue/api/v3/time".to_owned();
    rest.submit(1, RestRequest { method: "GET", url, headers: Vec::new(), body: Vec::new() });
    assert!(rest.poll().is_none(), "nothing has come yet");
    let mut pieces = bytes.chunks(piece.max(1));
    loop {
        let ended = pieces.next().map(|piece| server.put(piece)).is_none();
        if ended {
            server.end();
        }
        if let Some((_, answer)) = rest.poll() {
            return answer;
        }
        assert!(!ended, "what has ended is answered");
    }
}

/// A server's bytes as the answer to a request.
pub fn http(bytes: &[u8]) {
    let whole = answer(bytes, usize::MAX);
    for piece in [1, 7] {
        assert_eq!(answer(bytes, piece).ok(), whole.clone().ok(), "in pieces of {piece}");
    }
    if let Ok(whole) = whole {
        assert!(whole.body.len() <= bytes.len() && whole.status < 1_000);
    }
}
