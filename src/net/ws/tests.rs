//! tungstenite is the other end: an independent reader and writer of the same protocol.

use super::*;
use crate::net::Listener;
use crate::net::mem::{LinkPlan, MemHub};
use crate::telemetry::clock::Clock;
use proptest::prelude::*;
use std::io::{Read, Write};
use tungstenite::Message as TgMessage;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame as TgFrame, FrameHeader};
use tungstenite::protocol::{Role as TgRole, WebSocket as TgSocket, WebSocketConfig};

/// tungstenite's idea of a stream.
struct Std(Box<dyn ByteStream>);

impl Read for Std {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Std {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const STEP: Nanos = 1_000;
const SEND_BUFFER: usize = 16_000;

struct Rig {
    clock: Clock,
    hub: MemHub,
    listener: Box<dyn Listener>,
}

fn to() -> Endpoint {
    Endpoint { host: "venue".to_owned(), port: 1, tls: false }
}

fn rig(seed: u64, plan: LinkPlan) -> Rig {
    let clock = Clock::virtual_at(1);
    let hub = MemHub::new(&clock, seed);
    hub.set_default_plan(plan);
    let listener = hub.network().listen("venue:1").unwrap();
    Rig { clock, hub, listener }
}

fn ragged() -> LinkPlan {
    LinkPlan { latency_ns: 2 * STEP, jitter_ns: 3 * STEP, chunk_max: 700, ..LinkPlan::default() }
}

impl Rig {
    fn step(&self) -> Nanos {
        let now = self.clock.now() + STEP;
        self.clock.set(now);
        now
    }

    fn connect(&self, config: WsConfig) -> WebSocket {
        let mut ws = WebSocket::new(config, 7);
        ws.connect(&mut self.hub.network(), &to(), "/ws?a=1", &[], self.clock.now()).unwrap();
        ws
    }

    fn accepted(&mut self) -> Box<dyn ByteStream> {
        for _ in 0..1000 {
            self.step();
            if let Some(stream) = self.listener.accept().unwrap() {
                return stream;
            }
        }
        panic!("nobody connected");
    }

    /// Our client, open, and tungstenite as its server.
    fn client_and_oracle(&mut self, config: WsConfig) -> (WebSocket, TgSocket<Std>) {
        let mut ws = self.connect(config);
        let mut stream = self.accepted();
        let mut head = Vec::new();
        let key = loop {
            assert!(ws.poll(self.step()).unwrap().is_none());
            let mut buf = [0u8; 4096];
            if let Ok(n) = stream.read(&mut buf) {
                head.extend_from_slice(&buf[..n]);
            }
            if let Verdict::Agreed { request: Some(request), .. } = handshake::judge(&head, Role::Server, "") {
                assert_eq!(request.target, "/ws?a=1");
                break request.key;
            }
        };
        let mut answer = handshake::response(&key);
        while !answer.is_empty() {
            self.step();
            if let Ok(n) = stream.write(&answer) {
                answer.drain(..n);
            }
        }
        while !ws.is_open() {
            assert!(ws.poll(self.step()).unwrap().is_none());
        }
        (ws, TgSocket::from_raw_socket(Std(stream), TgRole::Server, None))
    }

    /// Both ends of our own.
    fn pair(&mut self, config: WsConfig) -> (WebSocket, WebSocket) {
        let mut client = self.connect(config);
        let stream = self.accepted();
        let mut server = WebSocket::new(config, 8);
        server.accept(stream, "client", self.clock.now());
        while !(client.is_open() && server.is_open()) {
            let now = self.step();
            assert!(client.poll(now).unwrap().is_none() && server.poll(now).unwrap().is_none());
        }
        assert_eq!(server.target(), "/ws?a=1");
        (client, server)
    }
}

fn would_block(error: &tungstenite::Error) -> bool {
    matches!(error, tungstenite::Error::Io(e) if e.kind() == io::ErrorKind::WouldBlock)
}

/// Sends through tungstenite whatever the pipe's room.
fn oracle_send(rig: &Rig, oracle: &mut TgSocket<Std>, message: TgMessage) {
    let mut result = oracle.send(message);
    while let Err(error) = result {
        assert!(would_block(&error), "{error}");
        rig.step();
        result = oracle.flush();
    }
}

fn payload(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31).wrapping_add(salt) & 0x7f).collect()
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    let len = prop_oneof![0usize..200, Just(125), Just(126), Just(127), Just(65_535), Just(65_536), 0usize..90_000];
    proptest::collection::vec(len, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tungstenite_reads_what_we_send(lengths in lengths(), seed: u64) {
        let mut rig = rig(seed, ragged());
        let (mut ws, mut oracle) = rig.client_and_oracle(WsConfig { send_buffer: 1 << 20, ..WsConfig::default() });
        for (i, len) in lengths.iter().enumerate() {
            let bytes = payload(*len, i as u8);
            if i % 2 == 0 {
                // The encoder may be given more room than it takes.
                ws.send_text_with(len + 100, |out| { out.extend_from_slice(&bytes); true }).unwrap();
                ws.send_text_with(100, |out| { out.extend_from_slice(b"thought better of it"); false }).unwrap();
            } else {
                ws.send_binary(&bytes).unwrap();
            }
        }
        let mut got = Vec::new();
        while got.len() < lengths.len() {
            prop_assert!(ws.poll(rig.step()).unwrap().is_none());
            match oracle.read() {
                Ok(message) => got.push(message),
                Err(error) => prop_assert!(would_block(&error), "{error}"),
            }
        }
        for (i, (len, message)) in lengths.iter().zip(&got).enumerate() {
            prop_assert_eq!(message.is_text(), i % 2 == 0);
            prop_assert_eq!(&message.clone().into_data()[..], &payload(*len, i as u8)[..]);
        }
    }

    #[test]
    fn we_read_what_tungstenite_sends_in_fragments_with_pings_between(lengths in lengths(), cut in 1usize..40_000, seed: u64) {
        let mut rig = rig(seed, ragged());
        let (mut ws, mut oracle) = rig.client_and_oracle(WsConfig { recv_buffer: 8192, ..WsConfig::default() });
        let mut pings = 0;
        for (i, len) in lengths.iter().enumerate() {
            let bytes = payload(*len, i as u8);
            let kind = if i % 2 == 0 { Data::Text } else { Data::Binary };
            let parts: Vec<&[u8]> = if bytes.is_empty() { vec![&[]] } else { bytes.chunks(cut).collect() };
            for (j, part) in parts.iter().enumerate() {
                let opcode = OpCode::Data(if j == 0 { kind } else { Data::Continue });
                let header = FrameHeader { is_final: j + 1 == parts.len(), opcode, ..FrameHeader::default() };
                let frame = TgFrame::from_payload(header, part.to_vec().into());
                oracle_send(&rig, &mut oracle, TgMessage::Frame(frame));
                if j % 3 == 0 {
                    pings += 1;
                    oracle_send(&rig, &mut oracle, TgMessage::Ping(vec![i as u8, j as u8].into()));
                }
            }
        }
        let mut got = Vec::new();
        let mut pongs = 0;
        while got.len() < lengths.len() || pongs < pings {
            let now = rig.step();
            while let Some(message) = ws.poll(now).unwrap() {
                got.push((message.binary, message.payload.to_vec()));
            }
            match oracle.read() {
                Ok(TgMessage::Pong(payload)) => {
                    prop_assert_eq!(payload.len(), 2);
                    pongs += 1;
                }
                Ok(other) => prop_assert!(false, "{other:?}"),
                Err(error) => prop_assert!(would_block(&error), "{error}"),
            }
        }
        let want: Vec<_> = lengths.iter().enumerate().map(|(i, len)| (i % 2 == 1, payload(*len, i as u8))).collect();
        prop_assert_eq!(got, want);
        prop_assert_eq!(ws.counters().pings, pings);
        prop_assert_eq!(ws.counters().messages, lengths.len() as u64);
    }

    #[test]
    fn any_bytes_after_the_handshake_end_in_messages_or_an_error(bytes: Vec<u8>, seed: u64) {
        let mut rig = rig(seed, LinkPlan { chunk_max: 5, ..LinkPlan::default() });
        let (mut ws, oracle) = rig.client_and_oracle(WsConfig { message_max: 1000, ..WsConfig::default() });
        let mut stream = oracle;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let n = stream.get_mut().0.write(rest).unwrap();
            rest = &rest[n..];
        }
        for _ in 0..2 * bytes.len() + 10 {
            match ws.poll(rig.step()) {
                Ok(Some(message)) => prop_assert!(message.payload.len() <= 1000),
                Ok(None) => {}
                Err(_) => prop_assert_eq!(ws.state(), WsState::Closed),
            }
        }
    }
}

#[test]
fn our_client_and_our_server_agree_and_answers_are_unmasked_in_place() {
    let mut rig = rig(3, ragged());
    let (mut client, mut server) = rig.pair(WsConfig::default());
    client.send_text(b"hello").unwrap();
    server.send_binary(b"there").unwrap();
    let (mut a, mut b) = (None, None);
    while a.is_none() || b.is_none() {
        let now = rig.step();
        if let Some(message) = server.poll(now).unwrap() {
            a = Some((message.binary, message.payload.to_vec()));
        }
        if let Some(message) = client.poll(now).unwrap() {
            b = Some((message.binary, message.payload.to_vec()));
        }
    }
    assert_eq!((a, b), (Some((false, b"hello".to_vec())), Some((true, b"there".to_vec()))));
}

#[test]
fn bytes_that_come_with_the_handshake_are_the_first_frames() {
    let mut rig = rig(3, LinkPlan::default());
    let mut ws = rig.connect(WsConfig::default());
    let mut stream = rig.accepted();
    assert!(ws.poll(rig.step()).unwrap().is_none());
    let mut buf = [0u8; 4096];
    let n = stream.read(&mut buf).unwrap();
    let Verdict::Agreed { request: Some(request), .. } = handshake::judge(&buf[..n], Role::Server, "") else {
        panic!("no request");
    };
    let mut answer = handshake::response(&request.key);
    answer.extend_from_slice(b"\x81\x02hi\x81\x03");
    stream.write(&answer).unwrap();
    assert_eq!(ws.poll(rig.step()).unwrap().unwrap().payload, b"hi");
    stream.write(b"you").unwrap();
    assert_eq!(ws.poll(rig.step()).unwrap().unwrap().payload, b"you");

    let mut server = WebSocket::new(WsConfig::default(), 1);
    let mut client = rig.hub.network().connect(&to()).unwrap();
    let stream = rig.accepted();
    server.upgrade(stream, "c", &request.key, b"\x81\x82\0\0\0\0ok", rig.clock.now());
    assert_eq!(server.poll(rig.step()).unwrap().unwrap().payload, b"ok");
    let n = client.read(&mut buf).unwrap();
    assert!(matches!(handshake::judge(&buf[..n], Role::Client, &request.key), Verdict::Agreed { .. }));
}

#[test]
fn either_end_may_close_and_the_reason_is_told() {
    let mut rig = rig(3, LinkPlan::default());
    let (mut ws, mut oracle) = rig.client_and_oracle(WsConfig::default());
    oracle.close(Some(CloseFrame { code: 1008.into(), reason: "Too many requests".into() })).unwrap();
    match ws.poll(rig.step()) {
        Err(WsError::ClosedByPeer { code: 1008, reason, .. }) => assert_eq!(reason, "Too many requests"),
        other => panic!("{other:?}"),
    }
    assert_eq!(ws.state(), WsState::Closed);
    assert!(matches!(oracle.read(), Ok(TgMessage::Close(Some(frame))) if u16::from(frame.code) == 1008));

    let (mut ws, mut oracle) = rig.client_and_oracle(WsConfig::default());
    ws.close(1000, rig.clock.now());
    assert_eq!(ws.state(), WsState::Closing);
    assert!(matches!(ws.send_text(b"x"), Err(SendError::NotOpen)));
    assert!(matches!(oracle.read(), Ok(TgMessage::Close(Some(_)))));
    let _ = oracle.flush();
    assert!(ws.poll(rig.step()).unwrap().is_none());
    assert_eq!(ws.state(), WsState::Closed);

    let (mut ws, oracle) = rig.client_and_oracle(WsConfig::default());
    drop(oracle);
    assert!(matches!(ws.poll(rig.step()), Err(WsError::Ended { .. })));
    assert!(ws.poll(rig.step()).unwrap().is_none(), "an end is told once");
}

#[test]
fn a_peer_that_never_answers_runs_into_its_time_limit() {
    let config = WsConfig {
        connect_timeout_ns: 10 * STEP,
        handshake_timeout_ns: 20 * STEP,
        close_timeout_ns: 5 * STEP,
        ..WsConfig::default()
    };
    // The client's end is up only after the connect's time limit.
    let rig1 = rig(3, LinkPlan { latency_ns: 50 * STEP, ..LinkPlan::default() });
    let mut ws = rig1.connect(config);
    let error = (0..11).find_map(|_| ws.poll(rig1.step()).err()).unwrap();
    assert!(matches!(error, WsError::ConnectTimeout { .. }), "{error}");

    let mut rig2 = rig(3, LinkPlan::default());
    let mut ws = rig2.connect(config);
    let mut stream = rig2.accepted();
    let error = (0..22).find_map(|_| ws.poll(rig2.step()).err()).unwrap();
    assert!(matches!(error, WsError::HandshakeTimeout { .. }), "{error}");
    assert!(stream.read(&mut [0u8; 4096]).is_ok());

    let (mut ws, _oracle) = rig2.client_and_oracle(config);
    ws.close(1000, rig2.clock.now());
    for _ in 0..6 {
        assert!(ws.poll(rig2.step()).unwrap().is_none());
    }
    assert_eq!(ws.state(), WsState::Closed);
}

#[test]
fn a_refusal_and_a_reset_are_errors_with_their_cause() {
    let mut rig = rig(3, LinkPlan::default());
    let mut ws = rig.connect(WsConfig::default());
    let mut stream = rig.accepted();
    stream.write(b"HTTP/1.1 418 I'm a teapot\r\nretry-after: 120\r\n\r\nbanned").unwrap();
    match ws.poll(rig.step()) {
        Err(WsError::Refused { status: 418, retry_after_s: Some(120), detail, .. }) => assert_eq!(detail, "banned"),
        other => panic!("{other:?}"),
    }
    let (mut ws, _oracle) = rig.client_and_oracle(WsConfig::default());
    rig.hub.reset("venue:1");
    assert!(matches!(ws.send_text(b"x"), Err(SendError::Io(_))));
    assert_eq!(ws.state(), WsState::Closed);
    assert!(matches!(ws.send_text(b"x"), Err(SendError::NotOpen)));
}

#[test]
fn each_broken_rule_ends_the_connection_and_is_counted_by_kind() {
    let cases: [(&[u8], Fault); 8] = [
        (b"\x83\x00", Fault::InvalidOpcode),
        (b"\xc1\x00", Fault::ReservedBits),
        (b"\x81\x81\0\0\0\0x", Fault::Masking),
        (b"\x80\x00", Fault::NothingToContinue),
        (b"\x01\x00\x81\x00", Fault::UnfinishedMessage),
        (b"\x82\x7e\x04\x01", Fault::TooLarge),
        (b"\x88\x01x", Fault::BadClose),
        (b"\x88\x02\x03\xed", Fault::BadClose),
    ];
    let mut rig = rig(3, LinkPlan::default());
    for (bytes, fault) in cases {
        let (mut ws, mut oracle) = rig.client_and_oracle(WsConfig { message_max: 1024, ..WsConfig::default() });
        oracle.get_mut().0.write(bytes).unwrap();
        match ws.poll(rig.step()) {
            Err(WsError::Protocol { fault: got, .. }) => assert_eq!(got, fault),
            other => panic!("{bytes:x?}: {other:?}"),
        }
        let counted: Vec<_> = ws.counters().faults().filter(|f| f.1 > 0).collect();
        assert_eq!(counted, [(fault, 1)]);
        let code = match oracle.read() {
            Ok(TgMessage::Close(Some(frame))) => u16::from(frame.code),
            other => panic!("{other:?}"),
        };
        assert_eq!(code, fault.close_code());
    }
    // Each part is within the limit, the whole is not.
    let (mut ws, mut oracle) = rig.client_and_oracle(WsConfig { message_max: 1024, ..WsConfig::default() });
    let mut bytes = b"\x01\x7e\x04\x00".to_vec();
    bytes.extend([b'x'; 1024]);
    bytes.extend(b"\x80\x01x");
    oracle.get_mut().0.write(&bytes).unwrap();
    assert!(matches!(ws.poll(rig.step()), Err(WsError::Protocol { fault: Fault::TooLarge, .. })));
}

#[test]
fn a_full_send_buffer_refuses_whole_frames_and_loses_none_it_took() {
    let mut rig = rig(3, LinkPlan { buffer: 1000, ..LinkPlan::default() });
    let config = WsConfig { send_buffer: SEND_BUFFER, ..WsConfig::default() };
    let (mut ws, oracle) = rig.client_and_oracle(config);
    let mut oracle = TgSocket::from_raw_socket(
        Std(oracle.into_inner().0),
        TgRole::Server,
        Some(WebSocketConfig::default().read_buffer_size(512)),
    );
    let mut next = 0u32;
    let (mut refused, mut seen) = (0, 0u32);
    for round in 0..2_000u32 {
        for _ in 0..7 {
            let mut text = next.to_be_bytes().to_vec();
            text.resize(4 + (round as usize * 13) % 300, 0);
            match ws.send_binary(&text) {
                Ok(()) => next += 1,
                Err(SendError::Full { pending }) => {
                    assert!(pending > SEND_BUFFER - 400);
                    refused += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(ws.poll(rig.step()).unwrap().is_none());
        if let Ok(message) = oracle.read() {
            assert_eq!(message.into_data()[..4], seen.to_be_bytes());
            seen += 1;
        }
    }
    assert!(refused > 0 && seen > 100);
    while seen < next {
        assert!(ws.poll(rig.step()).unwrap().is_none());
        if let Ok(message) = oracle.read() {
            assert_eq!(message.into_data()[..4], seen.to_be_bytes());
            seen += 1;
        }
    }
    assert!(matches!(oracle.read(), Err(error) if would_block(&error)));
}

#[test]
fn liveness_is_told_by_bytes_and_pongs() {
    let mut rig = rig(3, LinkPlan::default());
    let (mut ws, mut oracle) = rig.client_and_oracle(WsConfig::default());
    ws.send_ping().unwrap();
    assert!(matches!(oracle.read(), Ok(TgMessage::Ping(payload)) if payload.is_empty()));
    let _ = oracle.flush();
    let now = rig.step();
    assert!(ws.poll(now).unwrap().is_none());
    assert_eq!((ws.last_pong(), ws.last_recv()), (now, now));
    let quiet = rig.step();
    assert!(ws.poll(quiet).unwrap().is_none());
    assert_eq!(ws.last_recv(), now);
}

/// A socket whose first read brings two messages, and whose clock runs on between any two calls.
struct Burst {
    clock: Clock,
    chunks: std::collections::VecDeque<Vec<u8>>,
}

impl ByteStream for Burst {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.clock.set(self.clock.now() + STEP);
        let chunk = self.chunks.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        buf[..chunk.len()].copy_from_slice(&chunk);
        Ok(chunk.len())
    }
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }
    fn close(&mut self) {}
}

#[test]
fn a_message_has_the_stamp_of_the_read_that_completed_it() {
    let clock = Clock::virtual_at(0);
    // Two whole messages and the beginning of a third; then its rest; then one in two fragments, a read apart.
    let frame = |first: u8, text: &[u8]| [&[first, 0x80 | text.len() as u8, 0, 0, 0, 0][..], text].concat();
    let chunks = [
        [frame(0x81, b"a"), frame(0x81, b"b"), frame(0x81, b"cc")[..7].to_vec()].concat(),
        frame(0x81, b"cc")[7..].to_vec(),
        frame(0x01, b"d"),
        frame(0x80, b"e"),
    ];
    let stream = Burst { clock: clock.clone(), chunks: chunks.into() };
    let mut ws = WebSocket::new(WsConfig::default(), 1).stamped_by(&clock);
    ws.upgrade(Box::new(stream), "client", "dGhlIHNhbXBsZSBub25jZQ==", &[], 0);
    let mut seen = Vec::new();
    while let Some(message) = ws.poll(0).unwrap() {
        seen.push((String::from_utf8_lossy(message.payload).into_owned(), message.recv_ns / STEP));
        // Decoding takes a while.
        clock.set(clock.now() + 100 * STEP);
    }
    let want = [("a", 1), ("b", 1), ("cc", 202), ("de", 304)];
    assert_eq!(seen, want.map(|(text, at)| (text.to_owned(), at)));
}
