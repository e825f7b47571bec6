//! The control port's requests, and what they do to clients.

use crate::sim::binance::testing::*;
use crate::sim::{control, http};

/// As the control port would answer: status and body.
fn ask(rig: &mut Rig, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
    let text = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (request, _) = http::parse(text.as_bytes()).unwrap().unwrap();
    let now = rig.clock.now();
    match control::parse(&request, rig.sim.faults()) {
        Ok(order) => (200, rig.sim.obey(order, now)),
        Err((status, msg)) => (status, msg.into()),
    }
}

#[test]
fn every_switch_is_shown_and_set_by_its_name() {
    let mut rig = Rig::still();
    let (_, shown) = ask(&mut rig, "GET", "/faults", "");
    for (name, value) in shown.as_object().unwrap() {
        let other = match name.as_str() {
            "market_frozen" => serde_json::json!(true),
            "report_delay_ms" => serde_json::json!([3, 4]),
            "reorder_wait_ms" | "delay_ms" | "jitter_ms" | "answer_cut_bytes" => serde_json::json!(7),
            "answer_unknown_code" => serde_json::json!(-1006),
            _ => serde_json::json!(0.25),
        };
        assert_ne!(*value, other, "{name}");
        let (status, now) = ask(&mut rig, "POST", "/faults", &format!("{{{name:?}:{other}}}"));
        assert_eq!((status, &now[name]), (200, &other), "{name}");
    }
    let (_, cleared) = ask(&mut rig, "POST", "/clear", "");
    assert_eq!(cleared, shown);
}

#[test]
fn what_is_wrong_changes_nothing_and_is_named() {
    let mut rig = Rig::still();
    let before = rig.sim.faults().clone();
    for (method, path, body, status, named) in [
        ("POST", "/faults", r#"{"report_drop":0.5,"nope":1}"#, 400, "nope"),
        ("POST", "/faults", r#"{"report_drop":1.5}"#, 400, "report_drop"),
        ("POST", "/faults", r#"{"market_frozen":1}"#, 400, "market_frozen"),
        ("POST", "/faults", r#"{"report_delay_ms":[9,1]}"#, 400, "report_delay_ms"),
        ("POST", "/faults", "[]", 400, "JSON object"),
        ("POST", "/clock", r#"{"offset_ms":"1"}"#, 400, "offset_ms"),
        ("POST", "/clock", r#"{"offset_ms":99999999999999}"#, 400, "year"),
        ("POST", "/ban", r#"{"seconds":-1}"#, 400, "seconds"),
        ("POST", "/ban", r#"{"seconds":1,"x":2}"#, 400, "x"),
        ("POST", "/faults", r#"{"answer_unknown_code":-1008}"#, 400, "-1007"),
        ("POST", "/faults", r#"{"delay_ms":-1}"#, 400, "delay_ms"),
        ("POST", "/disconnect", r#"{"only":"some"}"#, 400, "streams"),
        ("POST", "/rate_limit", r#"{"refusals":1}"#, 400, "seconds"),
        ("POST", "/price", r#"{"symbol":"BTCUSDT"}"#, 400, "price"),
        ("POST", "/price", r#"{"symbol":"BTCUSDT","price":-1}"#, 400, "price"),
        ("POST", "/price", r#"{"symbol":"BTCUSDT","price":1,"still":1}"#, 400, "still"),
        ("POST", "/report", r#"{"event":1}"#, 400, "event"),
        ("POST", "/ledger", r#"{"asset":"USDT"}"#, 400, "change"),
        ("POST", "/ledger", r#"{"asset":"USDT","change":0}"#, 400, "change"),
        ("POST", "/ledger", r#"{"asset":"USDT","change":"--1"}"#, 400, "change"),
        ("POST", "/hang", r#"{"ms":60001}"#, 400, "minute"),
        ("GET", "/ban", "", 405, "/ban"),
        ("GET", "/", "", 404, "/faults"),
    ] {
        let (got, answer) = ask(&mut rig, method, path, body);
        assert_eq!(got, status, "{path} {body}: {answer}");
        assert!(answer.as_str().unwrap().contains(named), "{path} {body}: {answer}");
    }
    assert_eq!(*rig.sim.faults(), before);
}

#[test]
fn clock_ban_cut_and_disconnect_are_felt_by_clients() {
    let mut rig = Rig::still();
    ask(&mut rig, "POST", "/clock", r#"{"offset_ms":7000}"#);
    let (_, _, time) = rig.rest("GET", "/api/v3/time", None, "");
    assert_eq!(time["serverTime"], rig.now_ms() + 7_000);
    assert_eq!(rig.signed("GET", "/api/v3/account", "").1["code"], -1021);
    ask(&mut rig, "POST", "/clock", r#"{"offset_ms":0}"#);
    assert_eq!(rig.signed("GET", "/api/v3/account", "").0, 200);

    ask(&mut rig, "POST", "/ban", r#"{"seconds":3}"#);
    let (status, head, _) = rig.rest("GET", "/api/v3/time", None, "");
    assert_eq!((status, head.contains("Retry-After: 3")), (418, true), "{head}");
    rig.run_ms(3_000);
    assert_eq!(rig.rest("GET", "/api/v3/time", None, "").0, 200);

    let mut cut = rig.ws("/ws-api/v3");
    ask(&mut rig, "POST", "/drop_after_bytes", r#"{"n":10}"#);
    cut.send_text(r#"{"id":1,"method":"ping"}"#);
    rig.turn();
    assert_eq!(cut.read_some(1_000), 10, "ten bytes of the answer, then nothing");
    rig.turn();
    let mut cut_off = rig.ws("/ws-api/v3");
    assert!(!cut_off.closed());
    ask(&mut rig, "POST", "/disconnect", "");
    rig.turn();
    assert!(cut_off.closed());
}

#[test]
fn a_ledger_that_is_changed_tells_nobody() {
    let mut rig = Rig::still();
    let mut stream = rig.user_stream();
    let free = |rig: &mut Rig| {
        let (_, account) = rig.signed("GET", "/api/v3/account", "");
        let rows = account["balances"].as_array().unwrap().iter();
        rows.clone().find(|row| row["asset"] == "BTC").unwrap()["free"].as_str().unwrap().parse::<f64>().unwrap()
    };
    let before = free(&mut rig);
    for (change, want) in [("0.5", before + 0.5), ("-2", before - 1.5), ("-1000000", before - 1.5)] {
        ask(&mut rig, "POST", "/ledger", &format!(r#"{{"asset":"BTC","change":{change}}}"#));
        rig.run_ms(5);
        assert_eq!(free(&mut rig), want, "{change}");
    }
    assert!(stream.frames().is_empty());
}

#[test]
fn a_venue_that_hangs_turns_on_afterwards() {
    let mut rig = Rig::still();
    ask(&mut rig, "POST", "/hang", r#"{"ms":1}"#);
    assert_eq!(rig.rest("GET", "/api/v3/time", None, "").0, 200);
}

const ORDER: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000";

fn open_orders(rig: &Rig) -> usize {
    rig.sim.ledger(KEY).unwrap().open_orders.len()
}

#[test]
fn a_late_venue_answers_late_and_in_order() {
    let mut rig = Rig::still();
    let mut api = rig.user_stream();
    ask(&mut rig, "POST", "/faults", r#"{"delay_ms":20,"jitter_ms":10}"#);
    for id in 1..=20 {
        api.send_text(&format!(r#"{{"id":{id},"method":"ping"}}"#));
        rig.run_ms(1);
    }
    assert!(api.frames().len() <= 1, "what was sent 20 ms ago, at most");
    rig.run_ms(30);
    let ids: Vec<u64> = api.frames().iter().map(|f| f["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted() && ids.last() == Some(&20), "{ids:?}");
    ask(&mut rig, "POST", "/clear", "");
    assert_eq!(rig.rest("GET", "/api/v3/ping", None, "").0, 200);
}

#[test]
fn a_plain_5xx_is_a_page_over_rest_and_says_nothing_of_the_effect() {
    let mut rig = Rig::still();
    ask(&mut rig, "POST", "/faults", r#"{"answer_5xx_before":1}"#);
    let (status, body) = rig.signed("POST", "/api/v3/order", ORDER);
    assert_eq!((status, body, open_orders(&rig)), (502, serde_json::Value::Null, 0));
    ask(&mut rig, "POST", "/faults", r#"{"answer_5xx_before":0,"answer_5xx_after":1}"#);
    assert_eq!((rig.signed("POST", "/api/v3/order", ORDER).0, open_orders(&rig)), (502, 1));
    ask(&mut rig, "POST", "/clear", "");
    ask(&mut rig, "POST", "/faults", r#"{"answer_unknown_after":1,"answer_unknown_code":-1006}"#);
    let (status, body) = rig.signed("POST", "/api/v3/order", ORDER);
    assert_eq!((status, body["code"].as_i64(), open_orders(&rig)), (500, Some(-1006), 2));
}

#[test]
fn an_answer_is_cut_at_its_byte_though_the_order_took_effect() {
    let mut rig = Rig::still();
    ask(&mut rig, "POST", "/faults", r#"{"answer_cut":1,"answer_cut_bytes":17}"#);
    let mut api = rig.ws("/ws-api/v3");
    let params = [("symbol", "BTCUSDT"), ("side", "BUY"), ("type", "LIMIT"), ("timeInForce", "GTC")];
    let params: Vec<_> = params.into_iter().chain([("quantity", "0.001"), ("price", "50000")]).collect();
    let request = rig.signed_request(KEY, "order.place", &params);
    api.send_text(&request);
    rig.turn();
    assert_eq!((api.read_some(1_000), open_orders(&rig)), (17, 1));
    rig.turn();
    assert!(api.closed());
}

#[test]
fn a_used_up_limit_is_429_then_418_with_the_time_to_wait() {
    let mut rig = Rig::still();
    ask(&mut rig, "POST", "/rate_limit", r#"{"seconds":30,"refusals":2,"ban_seconds":90}"#);
    for _ in 0..2 {
        let (status, head, body) = rig.rest("GET", "/api/v3/time", None, "");
        assert_eq!(
            (status, body["code"].as_i64(), head.contains("Retry-After: 30")),
            (429, Some(-1003), true),
            "{head}"
        );
    }
    let (status, head, _) = rig.rest("GET", "/api/v3/time", None, "");
    assert_eq!((status, head.contains("Retry-After: 90")), (418, true), "{head}");
    rig.run_ms(1_000);
    let mut api = rig.client();
    api.send(b"GET /ws-api/v3 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    rig.turn();
    assert_eq!(api.response().unwrap().0, 418, "no new connection for who is banned");
    ask(&mut rig, "POST", "/clear", "");
    assert_eq!(rig.rest("GET", "/api/v3/time", None, "").0, 200);
}

#[test]
fn one_kind_of_connection_is_reset_and_a_shutdown_is_announced() {
    let mut rig = Rig::still();
    let (mut api, mut raw, mut both) = (rig.user_stream(), rig.ws("/ws/btcusdt@trade"), rig.ws("/stream"));
    ask(&mut rig, "POST", "/disconnect", r#"{"only":"api"}"#);
    rig.turn();
    assert!(api.closed() && !raw.closed());
    let mut api = rig.user_stream();
    ask(&mut rig, "POST", "/server_shutdown", r#"{"seconds":2}"#);
    rig.turn();
    let at = rig.now_ms();
    let bare = serde_json::json!({"e": "serverShutdown", "E": at});
    assert_eq!(raw.frames(), std::slice::from_ref(&bare));
    assert_eq!(both.frames(), [serde_json::json!({"stream": "!serverShutdown", "data": bare})]);
    assert_eq!(api.frames(), [serde_json::json!({"event": bare})]);
    rig.run_ms(1_990);
    assert!(!raw.closed());
    rig.run_ms(20);
    rig.turn();
    assert!(raw.closed() && both.closed() && api.closed());
    assert!(!rig.ws("/ws").closed(), "a new connection stays");
}
