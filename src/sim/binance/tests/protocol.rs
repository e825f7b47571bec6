//! HTTP, WebSocket and signatures: what is answered, what is refused, what closes a connection.

use crate::sim::binance::testing::*;
use crate::sim::binance::{LimitsConfig, SimConfig};
use crate::sim::ws;

const ORDER: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000";

#[test]
fn public_routes_answer_and_unknown_ones_do_not() {
    let mut rig = Rig::still();
    for (target, status) in [
        ("/api/v3/ping", 200),
        ("/api/v3/time", 200),
        ("/api/v3/exchangeInfo", 200),
        ("/api/v3/exchangeInfo?symbol=BTCUSDT", 200),
        ("/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22%2C%22ETHUSDT%22%5D", 200),
        ("/api/v3/depth?symbol=BTCUSDT&limit=5", 200),
        ("/api/v3/trades?symbol=BTCUSDT", 200),
        ("/api/v3/avgPrice?symbol=BTCUSDT", 200),
        ("/api/v3/ticker/price", 200),
        ("/api/v3/ticker/bookTicker?symbol=BTCUSDT", 200),
        ("/api/v3/userDataStream", 410),
        ("/api/v3/nothing", 404),
        ("/api/v3/depth?symbol=NOPE", 400),
        ("/api/v3/depth", 400),
        ("/api/v3/time?x=1", 200),
    ] {
        let (got, head, _) = rig.rest("GET", target, None, "");
        assert_eq!(got, status, "{target}: {head}");
        if got == 200 {
            assert!(head.contains("Content-Type: application/json"), "{head}");
            assert!(head.to_lowercase().contains("x-mbx-used-weight-1m: "), "{head}");
        }
    }
    assert_eq!(rig.rest("PUT", "/api/v3/order", None, "").0, 405);
    let (_, _, time) = rig.rest("GET", "/api/v3/time", None, "");
    assert_eq!(time["serverTime"], rig.now_ms());
}

#[test]
fn signatures_hold_in_query_body_and_any_order_and_nothing_else_does() {
    let mut rig = Rig::still();
    let time = rig.now_ms();
    let all = format!("timestamp={time}&{ORDER}");
    let signature = sign(&all);
    let (first, second) = all.split_at(all.find("&side").unwrap());
    let second = &second[1..];
    let joined = sign(&format!("{first}{second}"));
    for (name, query, body) in [
        ("query, last", format!("{all}&signature={signature}"), String::new()),
        ("query, first", format!("signature={signature}&{all}"), String::new()),
        ("body", String::new(), format!("{all}&signature={signature}")),
        ("query and body", first.to_owned(), format!("{second}&signature={joined}")),
        ("upper case", format!("{all}&signature={}", signature.to_uppercase()), String::new()),
    ] {
        let (status, _, answer) = rig.rest("POST", &format!("/api/v3/order?{query}"), Some(KEY), &body);
        assert_eq!(status, 200, "{name}: {answer}");
    }
    let order = |rig: &mut Rig, key: Option<&str>, query: String| {
        let (status, _, answer) = rig.rest("POST", &format!("/api/v3/order?{query}"), key, "");
        (status, answer["code"].as_i64().unwrap())
    };
    let at = |ms: i64| {
        let query = format!("{ORDER}&timestamp={ms}");
        format!("{query}&signature={}", sign(&query))
    };
    let with = |extra: &str| {
        let query = format!("{ORDER}&{extra}&timestamp={time}");
        format!("{query}&signature={}", sign(&query))
    };
    for (name, key, query, want) in [
        ("no key", None, at(time), (401, -2014)),
        ("short key", Some("x"), at(time), (401, -2014)),
        ("unknown key", Some("A1b2C3d4".repeat(8)).as_deref(), at(time), (401, -2015)),
        ("no timestamp", Some(KEY), format!("{ORDER}&signature=00"), (400, -1102)),
        ("no signature", Some(KEY), format!("{ORDER}&timestamp={time}"), (400, -1102)),
        ("changed", Some(KEY), at(time).replacen("BUY", "SELL", 1), (400, -1022)),
        ("late", Some(KEY), at(time - 5_001), (400, -1021)),
        ("in time", Some(KEY), at(time - 5_000), (200, 0)),
        ("ahead", Some(KEY), at(time + 1_000), (400, -1021)),
        ("window too long", Some(KEY), with("recvWindow=60001"), (400, -1102)),
        ("unread parameter", Some(KEY), with("foo=1"), (400, -1104)),
    ] {
        if want.0 == 200 {
            let (status, _, answer) = rig.rest("POST", &format!("/api/v3/order?{query}"), key, "");
            assert_eq!(status, 200, "{name}: {answer}");
        } else {
            assert_eq!(order(&mut rig, key, query), want, "{name}");
        }
    }
    let query = format!("{ORDER}&recvWindow=10.5&timestamp={}", (time - 10) * 1_000);
    let target = format!("/api/v3/order?{query}&signature={}", sign(&query));
    assert_eq!(rig.rest("POST", &target, Some(KEY), "").0, 200, "microseconds and a fractional window");
}

#[test]
fn requests_are_pipelined_and_kept_alive() {
    let mut rig = Rig::still();
    let mut client = rig.client();
    client.send(b"GET /api/v3/ping HTTP/1.1\r\n\r\nGET /api/v3/time HTTP/1.1\r\n\r\nGET /api/v3/ping HTTP/1.1\r\nConnection: close\r\n\r\n");
    rig.turn();
    let statuses: Vec<u16> = std::iter::from_fn(|| client.response()).map(|r| r.0).collect();
    assert_eq!(statuses, [200, 200, 200]);
    assert!(client.closed());
}

#[test]
fn bytes_that_are_no_protocol_are_answered_or_closed() {
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00".as_slice(),
        b"GET\r\n\r\n",
        b"POST /api/v3/order HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n",
    ] {
        let mut rig = Rig::still();
        let mut client = rig.client();
        client.send(bytes);
        rig.turn();
        assert!(client.response().unwrap().0 >= 400);
        assert!(client.closed());
        assert_eq!(rig.sim.client_counts().bad_http, 1);
    }
    for frame in [vec![0x81, 0x01, b'x'], vec![0x81, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0], ws::tests::masked(true, 3, b"")]
    {
        let mut rig = Rig::still();
        let mut client = rig.ws("/ws");
        client.send(&frame);
        rig.turn();
        let frames = client.raw_frames();
        assert_eq!(frames.last().map(|f| f.0), Some(ws::CLOSE), "{frames:?}");
        assert!(client.closed());
        assert_eq!(rig.sim.client_counts().bad_frames, 1);
    }
}

#[test]
fn too_much_weight_is_refused_with_retry_after() {
    let limits = LimitsConfig { weight_per_minute: 5, ..LimitsConfig::default() };
    let mut rig = Rig::new(SimConfig { limits, ..config(still_market()) });
    assert_eq!(rig.rest("GET", "/api/v3/depth?symbol=BTCUSDT", None, "").0, 200);
    let (status, head, body) = rig.rest("GET", "/api/v3/ping", None, "");
    assert_eq!((status, body["code"].as_i64()), (429, Some(-1003)));
    assert!(head.contains("Retry-After: 60"), "{head}");
    let mut client = rig.ws_after_refill();
    let answer = rig.ask(&mut client, r#"{"id":1,"method":"depth","params":{"symbol":"BTCUSDT"}}"#);
    assert_eq!(answer["rateLimits"][0]["count"], 7, "{answer}");
    let answer = rig.ask(&mut client, r#"{"id":2,"method":"ping"}"#);
    assert_eq!((answer["status"].as_i64(), answer["error"]["code"].as_i64()), (Some(429), Some(-1003)));
    assert!(answer["error"]["data"]["retryAfter"].as_i64().unwrap() > rig.now_ms());
}

impl Rig {
    /// A WebSocket API connection in the next minute.
    fn ws_after_refill(&mut self) -> Client {
        self.clock.set(self.clock.now() + 60_000_000_000);
        self.ws("/ws-api/v3")
    }
}

#[test]
fn too_many_orders_are_refused() {
    let limits = LimitsConfig { orders_per_10s: 2, ..LimitsConfig::default() };
    let mut rig = Rig::new(SimConfig { limits, ..config(still_market()) });
    for want in [200, 200, 429] {
        assert_eq!(rig.signed("POST", "/api/v3/order", ORDER).0, want);
    }
    rig.clock.set(rig.clock.now() + 10_000_000_000);
    let query = format!("{ORDER}&timestamp={}", rig.now_ms());
    let target = format!("/api/v3/order?{query}&signature={}", sign(&query));
    let (status, head, _) = rig.rest("POST", &target, Some(KEY), "");
    assert_eq!(status, 200);
    assert!(head.contains("x-mbx-order-count-10s: 1") && head.contains("x-mbx-order-count-1d: 3"), "{head}");
}

#[test]
fn the_id_is_echoed_with_its_type() {
    let mut rig = Rig::still();
    let mut client = rig.ws("/ws-api/v3");
    for id in ["0", "-7", "\"922bcc6e-9de8-440d-9e84-7c80933a8d0d\"", "null", "123456789012345678"] {
        client.send_text(&format!(r#"{{"id":{id},"method":"v3/ping"}}"#));
        rig.turn();
        let (_, payload) = client.raw_frames().pop().unwrap();
        let text = String::from_utf8(payload).unwrap();
        assert!(text.starts_with(&format!(r#"{{"id":{id},"status":200,"result":{{}},"rateLimits":["#)), "{text}");
    }
    assert_eq!(rig.ask(&mut client, "{")["error"]["code"], -1135);
    assert_eq!(rig.ask(&mut client, r#"{"id":1,"method":"no.such"}"#)["status"], 400);
    let quiet = rig.ask(&mut client, r#"{"id":1,"method":"ping","params":{"returnRateLimits":false}}"#);
    assert!(quiet.get("rateLimits").is_none());
    let mut silent = rig.ws("/ws-api/v3?returnRateLimits=false");
    assert!(rig.ask(&mut silent, r#"{"id":1,"method":"ping"}"#).get("rateLimits").is_none());
}

#[test]
fn sessions_tell_their_state_and_hmac_keys_cannot_log_on() {
    let mut rig = Rig::still();
    let mut client = rig.user_stream();
    let status = rig.ask(&mut client, r#"{"id":1,"method":"session.status"}"#);
    assert_eq!((&status["result"]["apiKey"], &status["result"]["userDataStream"]), (&().into(), &true.into()));
    assert_eq!(rig.api(&mut client, "session.logon", &[])["error"]["code"], -4056);
    assert_eq!(rig.ask(&mut client, r#"{"id":1,"method":"userDataStream.subscribe"}"#)["status"], 400);
    let again = rig.api(&mut client, "userDataStream.subscribe.signature", &[]);
    assert_eq!(again["error"]["code"], -2035);
    client.send_text(r#"{"id":1,"method":"userDataStream.unsubscribe","params":{"subscriptionId":0}}"#);
    rig.turn();
    let frames = client.frames();
    assert_eq!(frames[0]["result"], serde_json::json!({}));
    assert_eq!(frames[1]["event"]["e"], "eventStreamTerminated");
    assert_eq!(rig.ask(&mut client, r#"{"id":1,"method":"userDataStream.unsubscribe"}"#)["error"]["code"], -2036);
    let next = rig.api(&mut client, "userDataStream.subscribe.signature", &[]);
    assert_eq!(next["result"]["subscriptionId"], 1);
}

#[test]
fn the_server_pings_and_closes_who_does_not_answer() {
    let mut rig = Rig::still();
    let (mut alive, mut dead) = (rig.ws("/ws"), rig.ws("/ws"));
    let mut pings = 0;
    for _ in 0..5 {
        rig.clock.set(rig.clock.now() + 20_000_000_000);
        rig.turn();
        for (opcode, payload) in alive.raw_frames() {
            assert_eq!(opcode, ws::PING);
            pings += 1;
            alive.send(&ws::tests::masked(true, ws::PONG, &payload));
        }
        rig.turn();
    }
    assert_eq!(pings, 5);
    assert!(dead.closed() && !alive.closed());
    assert_eq!(rig.sim.client_counts().silent_clients, 1);
}

#[test]
fn clients_that_talk_too_much_or_are_too_many_or_too_old_are_closed() {
    let limited = SimConfig { connections_max: 2, connection_lifetime_ns: 1_000_000_000, ..config(still_market()) };
    let mut rig = Rig::new(limited);
    let mut loud = rig.ws("/ws");
    for id in 0..6 {
        loud.send_text(&format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":{id}}}"#));
    }
    rig.turn();
    assert_eq!(loud.frames().len(), 5);
    assert!(loud.closed());
    assert_eq!(rig.sim.client_counts().talkative_clients, 1);
    let mut old = rig.ws("/ws-api/v3");
    let _second = rig.ws("/ws");
    let mut third = rig.client();
    rig.turn();
    assert!(third.closed());
    assert_eq!(rig.sim.client_counts().refused_connections, 1);
    rig.clock.set(rig.clock.now() + 1_000_000_000);
    rig.turn();
    assert!(old.closed());
}

#[test]
fn a_client_that_does_not_read_is_closed_and_counted() {
    let mut rig =
        Rig::new(SimConfig { backlog_max: 50_000, ..config(crate::sim::MarketSource::Synthetic(Default::default())) });
    let mut client = Client::over(rig.net.dial(1_000));
    rig.handshake(&mut client, "/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker");
    rig.run_ms(3_000);
    assert_eq!(rig.sim.client_counts().slow_clients, 1);
    assert!(client.closed());
}

#[test]
fn handshakes_of_every_form_work_and_bad_ones_are_answered() {
    let mut rig = Rig::still();
    for target in [
        "/ws",
        "/ws/0",
        "/ws/btcusdt@bookTicker",
        "/stream",
        "/stream?streams=",
        "/stream?streams=btcusdt%40trade%2Fethusdt%40trade&timeUnit=MICROSECOND",
        "/ws-api/v3",
        "/ws-api/v3?timeUnit=microsecond",
    ] {
        rig.ws(target);
    }
    let mut client = rig.client();
    client.send(b"GET /ws-api/v3?timeUnit=DAY HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    rig.turn();
    let (status, _, body) = client.response().unwrap();
    assert_eq!(status, 400);
    assert!(String::from_utf8(body).unwrap().contains("-1194"));
    let mut micro = rig.ws("/ws-api/v3?timeUnit=MICROSECOND");
    let answer = rig.ask(&mut micro, r#"{"id":1,"method":"time"}"#);
    assert_eq!(answer["result"]["serverTime"], rig.now_ms() * 1_000);
}

/// Answers are JSON here: who takes nothing but SBE is told so, who takes both gets JSON.
#[test]
fn answers_in_sbe_are_refused_as_where_they_are_off() {
    let mut rig = Rig::still();
    for (accept, want) in
        [("application/sbe", (406, -1155)), ("application/sbe, application/json", (200, 0)), ("*/*", (200, 0))]
    {
        let mut client = rig.client();
        let head = format!("GET /api/v3/time HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nX-MBX-SBE: 3:5\r\n\r\n");
        client.send(head.as_bytes());
        rig.turn();
        let (status, _, body) = client.response().unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, body["code"].as_i64().unwrap_or(0)), want, "{accept}");
    }
    for (query, code) in [("responseFormat=sbe&sbeSchemaId=3&sbeSchemaVersion=5", -1155), ("responseFormat=x", -1130)] {
        let mut client = rig.client();
        client.send(
            format!(
                "GET /ws-api/v3?{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            .as_bytes(),
        );
        rig.turn();
        let (status, _, body) = client.response().unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &body["code"]), (400, &code.into()), "{query}");
    }
}
