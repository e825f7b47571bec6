//! WebSocket frames: headers parsed with tungstenite's own parser, masks, and what a receiver must refuse
//! (RFC 6455 §5). Pure: bytes in, a verdict out. This is the entry for a fuzzer.

use std::io::Cursor;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Longest header: 2 bytes, an 8 byte length and a 4 byte mask.
pub const HEADER_MAX: usize = 14;
/// Longest payload of a ping, pong or close (RFC 6455 §5.5).
pub const CONTROL_MAX: usize = 125;

/// Which end of the connection this is: a client masks what it sends, a server must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    pub fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }
}

/// Why a peer's frames were not taken. Any of them ends the connection: after one the bytes mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("a frame with an opcode that does not exist")]
    InvalidOpcode,
    #[error("a frame with reserved bits set, though no extension was agreed")]
    ReservedBits,
    #[error("a masked frame from a server, or an unmasked one from a client")]
    Masking,
    #[error("a ping, pong or close longer than 125 bytes")]
    ControlTooLong,
    #[error("a ping, pong or close in fragments")]
    ControlFragmented,
    #[error("a continuation of no message")]
    NothingToContinue,
    #[error("a new message inside an unfinished one")]
    UnfinishedMessage,
    #[error("a message above the size limit")]
    TooLarge,
    #[error("a close frame with half a code, or a code that may not be sent")]
    BadClose,
}

impl Fault {
    pub const COUNT: usize = 9;
    pub const ALL: [Fault; Fault::COUNT] = [
        Fault::InvalidOpcode,
        Fault::ReservedBits,
        Fault::Masking,
        Fault::ControlTooLong,
        Fault::ControlFragmented,
        Fault::NothingToContinue,
        Fault::UnfinishedMessage,
        Fault::TooLarge,
        Fault::BadClose,
    ];

    /// The close code that tells the peer (RFC 6455 §7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Fault::TooLarge => 1009,
            _ => 1002,
        }
    }
}

/// A frame whose header has arrived; its payload may still be on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub opcode: Opcode,
    pub fin: bool,
    pub mask: Option<[u8; 4]>,
    /// Bytes of the header.
    pub header: usize,
    /// Bytes of the payload, at most the limit given.
    pub payload: usize,
}

impl Frame {
    /// Header and payload.
    #[inline]
    pub fn total(&self) -> usize {
        self.header + self.payload
    }
}

/// Reads the header at the start of `bytes`, sent by the peer of `role`. `None` where it has not all arrived.
/// A length is compared with `payload_max` before anything is allocated for it.
#[inline]
pub fn parse(bytes: &[u8], role: Role, payload_max: usize) -> Result<Option<Frame>, Fault> {
    let mut cursor = Cursor::new(bytes);
    // On bytes in memory the parser has no other error than the opcode.
    let Some((header, payload)) = FrameHeader::parse(&mut cursor).map_err(|_| Fault::InvalidOpcode)? else {
        return Ok(None);
    };
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err(Fault::ReservedBits);
    }
    if header.mask.is_some() != (role == Role::Server) {
        return Err(Fault::Masking);
    }
    let opcode = match header.opcode {
        OpCode::Data(Data::Continue) => Opcode::Continuation,
        OpCode::Data(Data::Text) => Opcode::Text,
        OpCode::Data(Data::Binary) => Opcode::Binary,
        OpCode::Control(Control::Close) => Opcode::Close,
        OpCode::Control(Control::Ping) => Opcode::Ping,
        OpCode::Control(Control::Pong) => Opcode::Pong,
        OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => return Err(Fault::InvalidOpcode),
    };
    if opcode.is_control() {
        if payload > CONTROL_MAX as u64 {
            return Err(Fault::ControlTooLong);
        }
        if !header.is_final {
            return Err(Fault::ControlFragmented);
        }
    }
    match usize::try_from(payload) {
        Ok(payload) if payload <= payload_max => {
            let header_len = cursor.position() as usize;
            Ok(Some(Frame { opcode, fin: header.is_final, mask: header.mask, header: header_len, payload }))
        }
        _ => Err(Fault::TooLarge),
    }
}

/// Masks and unmasks: the same operation (RFC 6455 §5.3).
#[inline]
pub fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let word = u32::from_ne_bytes(mask);
    let wide = u64::from(word) << 32 | u64::from(word);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut bytes = [0u8; 8];
        bytes.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// Writes a final frame's header so that it ends at `room.len()`, and returns where it starts: the payload stands
/// behind `room` already, and its length decides how long the header is. `room` has at least `HEADER_MAX` bytes.
#[inline]
pub fn write_header(room: &mut [u8], opcode: Opcode, payload: usize, mask: Option<[u8; 4]>) -> usize {
    let mut at = room.len();
    let masked = match mask {
        Some(mask) => {
            at -= 4;
            room[at..at + 4].copy_from_slice(&mask);
            0x80
        }
        None => 0,
    };
    let length = match payload {
        0..126 => payload as u8,
        126..=0xffff => {
            at -= 2;
            room[at..at + 2].copy_from_slice(&(payload as u16).to_be_bytes());
            126
        }
        _ => {
            at -= 8;
            room[at..at + 8].copy_from_slice(&(payload as u64).to_be_bytes());
            127
        }
    };
    at -= 2;
    room[at] = 0x80 | opcode.bits();
    room[at + 1] = masked | length;
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_receiver_must_refuse_is_refused_by_name() {
        type Case = (&'static [u8], Role, Result<Option<usize>, Fault>);
        let cases: [Case; 17] = [
            (&[], Role::Client, Ok(None)),
            (&[0x81], Role::Client, Ok(None)),
            (&[0x81, 126, 1], Role::Client, Ok(None)),
            (&[0x81, 0x85, 1, 2, 3], Role::Server, Ok(None)),
            (&[0x81, 5], Role::Client, Ok(Some(5))),
            (&[0x82, 126, 1, 0], Role::Client, Ok(Some(256))),
            (&[0x81, 0x85, 1, 2, 3, 4], Role::Server, Ok(Some(5))),
            (&[0x83, 5], Role::Client, Err(Fault::InvalidOpcode)),
            (&[0x8b, 0], Role::Client, Err(Fault::InvalidOpcode)),
            (&[0xc1, 5], Role::Client, Err(Fault::ReservedBits)),
            (&[0x91, 5], Role::Client, Err(Fault::ReservedBits)),
            (&[0x81, 0x85, 1, 2, 3, 4], Role::Client, Err(Fault::Masking)),
            (&[0x81, 5], Role::Server, Err(Fault::Masking)),
            (&[0x89, 126, 0, 126], Role::Client, Err(Fault::ControlTooLong)),
            (&[0x09, 1], Role::Client, Err(Fault::ControlFragmented)),
            (&[0x82, 126, 4, 1], Role::Client, Err(Fault::TooLarge)),
            (&[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255], Role::Client, Err(Fault::TooLarge)),
        ];
        for (bytes, role, want) in cases {
            assert_eq!(parse(bytes, role, 1024).map(|f| f.map(|f| f.payload)), want, "{bytes:x?} to a {role:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_and_never_a_panic(bytes: Vec<u8>, server: bool, max in 0usize..70_000) {
            let role = if server { Role::Server } else { Role::Client };
            if let Ok(Some(frame)) = parse(&bytes, role, max) {
                prop_assert!(frame.header <= HEADER_MAX && frame.header <= bytes.len() && frame.payload <= max);
            }
        }

        #[test]
        fn a_header_written_is_the_header_read(payload in 0usize..200_000, mask: Option<[u8; 4]>) {
            let mut room = [0u8; HEADER_MAX];
            let at = write_header(&mut room, Opcode::Binary, payload, mask);
            let role = if mask.is_some() { Role::Server } else { Role::Client };
            let want = Frame { opcode: Opcode::Binary, fin: true, mask, header: HEADER_MAX - at, payload };
            prop_assert_eq!(parse(&room[at..], role, usize::MAX), Ok(Some(want)));
        }

        #[test]
        fn masking_equals_the_byte_by_byte_rule_of_the_standard(payload: Vec<u8>, mask: [u8; 4]) {
            let want: Vec<u8> = payload.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]).collect();
            let mut got = payload;
            apply_mask(&mut got, mask);
            prop_assert_eq!(got, want);
        }
    }
}
