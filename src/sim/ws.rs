//! WebSocket as a server speaks it (RFC 6455): masked frames in, unmasked frames out, fragments joined, sizes bounded.
//!
//! Written apart from the client's side in `net`, so that neither hides the other's faults.

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Longest message a client may send: a SUBSCRIBE of 1024 long names is below 64 KiB.
pub const MESSAGE_MAX: usize = 128 * 1024;
const CONTROL_MAX: usize = 125;

/// A whole message or control frame from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

/// Why a connection is closed by this side; each has its close code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WsFault {
    #[error("a client's frame was not masked")]
    Unmasked,
    #[error("reserved bits or an unknown opcode in a frame")]
    Reserved,
    #[error("a control frame was fragmented or longer than {CONTROL_MAX} bytes")]
    BadControl,
    #[error("a fragment out of place")]
    BadFragment,
    #[error("a message above {MESSAGE_MAX} bytes")]
    TooLarge,
    #[error("a text message that is not UTF-8")]
    NotUtf8,
}

impl WsFault {
    pub fn close_code(self) -> u16 {
        match self {
            WsFault::TooLarge => 1009,
            WsFault::NotUtf8 => 1007,
            _ => 1002,
        }
    }
}

/// Joins fragments of one connection.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Opcode and payload of a message whose last fragment has not come.
    partial: Option<(u8, Vec<u8>)>,
}

impl Decoder {
    /// Takes one message from the front of `buf`: the message and how many bytes were used. `(None, n)` with `n > 0`
    /// means that a fragment was kept and the next may follow at once; `(None, 0)` that more bytes are needed.
    pub fn next(&mut self, buf: &[u8]) -> Result<(Option<Incoming>, usize), WsFault> {
        let Some((fin, opcode, mut payload, used)) = frame(buf)? else { return Ok((None, 0)) };
        let message = match opcode {
            CLOSE | PING | PONG => {
                if !fin || payload.len() > CONTROL_MAX {
                    return Err(WsFault::BadControl);
                }
                match opcode {
                    PING => Incoming::Ping(payload),
                    PONG => Incoming::Pong(payload),
                    _ => Incoming::Close(payload.get(..2).map(|c| u16::from_be_bytes([c[0], c[1]]))),
                }
            }
            0 => {
                let Some((kind, mut joined)) = self.partial.take() else { return Err(WsFault::BadFragment) };
                if joined.len() + payload.len() > MESSAGE_MAX {
                    return Err(WsFault::TooLarge);
                }
                joined.append(&mut payload);
                if !fin {
                    self.partial = Some((kind, joined));
                    return Ok((None, used));
                }
                whole(kind, joined)?
            }
            TEXT | BINARY => {
                if self.partial.is_some() {
                    return Err(WsFault::BadFragment);
                }
                if !fin {
                    self.partial = Some((opcode, payload));
                    return Ok((None, used));
                }
                whole(opcode, payload)?
            }
            _ => return Err(WsFault::Reserved),
        };
        Ok((Some(message), used))
    }
}

fn whole(opcode: u8, payload: Vec<u8>) -> Result<Incoming, WsFault> {
    if opcode == BINARY {
        return Ok(Incoming::Binary(payload));
    }
    String::from_utf8(payload).map(Incoming::Text).map_err(|_| WsFault::NotUtf8)
}

/// `(last fragment, opcode, unmasked payload, bytes used)` of the frame at the front of `buf`, once it is whole.
type Frame = (bool, u8, Vec<u8>, usize);

fn frame(buf: &[u8]) -> Result<Option<Frame>, WsFault> {
    let [first, second, ..] = *buf else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(WsFault::Reserved);
    }
    if second & 0x80 == 0 {
        return Err(WsFault::Unmasked);
    }
    let (len, at) = match second & 0x7f {
        126 => match buf.get(2..4) {
            Some(b) => (usize::from(u16::from_be_bytes([b[0], b[1]])), 4),
            None => return Ok(None),
        },
        127 => match buf.get(2..10).and_then(|b| <[u8; 8]>::try_from(b).ok()) {
            Some(b) => (usize::try_from(u64::from_be_bytes(b)).map_err(|_| WsFault::TooLarge)?, 10),
            None => return Ok(None),
        },
        short => (usize::from(short), 2),
    };
    if len > MESSAGE_MAX {
        return Err(WsFault::TooLarge);
    }
    let (Some(mask), Some(payload)) = (buf.get(at..at + 4), buf.get(at + 4..at + 4 + len)) else { return Ok(None) };
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Ok(Some((first & 0x80 != 0, first & 0x0f, payload, at + 4 + len)))
}

/// Appends one unmasked frame whose payload is the given parts in a row.
pub fn push_frame(out: &mut Vec<u8>, opcode: u8, parts: &[&[u8]]) {
    let len: usize = parts.iter().map(|p| p.len()).sum();
    out.push(0x80 | opcode);
    match len {
        0..=125 => out.push(len as u8),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Appends a close frame with a reason, cut to what a control frame holds.
pub fn push_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let mut end = reason.len().min(CONTROL_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    push_frame(out, CLOSE, &[&code.to_be_bytes(), &reason.as_bytes()[..end]]);
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A client's frame, masked.
    pub fn masked(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![if fin { 0x80 | opcode } else { opcode }];
        match payload.len() {
            len @ 0..=125 => out.push(0x80 | len as u8),
            len @ 126..=0xffff => {
                out.push(0x80 | 126);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                out.push(0x80 | 127);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        let mask = [0x11, 0xa2, 0x3c, 0x04];
        out.extend_from_slice(&mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        out
    }

    #[test]
    fn fragments_are_joined_around_a_ping() {
        let mut bytes = masked(false, TEXT, b"hel");
        bytes.extend(masked(true, PING, b"p"));
        bytes.extend(masked(true, 0, b"lo"));
        let mut decoder = Decoder::default();
        let mut got = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let (message, used) = decoder.next(&bytes[at..]).unwrap();
            got.extend(message);
            at += used;
        }
        assert_eq!(got, [Incoming::Ping(b"p".to_vec()), Incoming::Text("hello".into())]);
    }

    #[test]
    fn broken_frames_are_named() {
        let unmasked = [0x81, 0x01, b'x'];
        let huge = [0x81, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0];
        for (bytes, want) in [
            (unmasked.to_vec(), WsFault::Unmasked),
            (huge.to_vec(), WsFault::TooLarge),
            (vec![0xc1, 0x80, 0, 0, 0, 0], WsFault::Reserved),
            (masked(true, 3, b""), WsFault::Reserved),
            (masked(true, 0, b"x"), WsFault::BadFragment),
            (masked(false, PING, b""), WsFault::BadControl),
            (masked(true, PING, &[0; 126]), WsFault::BadControl),
            (masked(true, TEXT, b"\xff\xfe"), WsFault::NotUtf8),
        ] {
            assert_eq!(Decoder::default().next(&bytes), Err(want));
        }
    }

    #[test]
    fn written_frames_are_read_by_tungstenites_header() {
        for len in [0usize, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            let mut out = Vec::new();
            push_frame(&mut out, TEXT, &[&payload[..len / 2], &payload[len / 2..]]);
            let mut cursor = std::io::Cursor::new(&out);
            let (header, got) = tungstenite::protocol::frame::FrameHeader::parse(&mut cursor).unwrap().unwrap();
            assert_eq!((got as usize, header.is_final, header.mask), (len, true, None));
            assert_eq!(out.len() - cursor.position() as usize, len);
        }
    }

    proptest! {
        #[test]
        fn any_payload_survives_any_cut(payload in "\\PC{0,300}", cut in 0usize..400) {
            let bytes = masked(true, TEXT, payload.as_bytes());
            let mut decoder = Decoder::default();
            if cut < bytes.len() {
                prop_assert_eq!(decoder.next(&bytes[..cut]), Ok((None, 0)));
            }
            prop_assert_eq!(decoder.next(&bytes), Ok((Some(Incoming::Text(payload)), bytes.len())));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Decoder::default().next(&bytes);
        }
    }
}
