//! Ed25519 keys: signed requests, log-on, and what needs no signature afterwards.

use super::shapes::compare;
use crate::sim::binance::testing::*;
use crate::sim::binance::{SimAccount, SimConfig};
use ring::signature::{Ed25519KeyPair, KeyPair};

const ED_KEY: &str = "CAvIjXy3F44yW6Pou5k8Dy1swsYDWJZLeoK2r8G4cFDnE9nosRppc2eKc1T8TRTQ";

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63] as char;
            out.push(if at <= chunk.len() { digit } else { '=' });
        }
    }
    out
}

/// A venue with one account of a public key besides the usual ones, and its signer.
fn rig() -> (Rig, Ed25519KeyPair) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let der = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00], pair.public_key().as_ref()]
        .concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64(&der));
    let account = SimAccount::new(ED_KEY, &pem, vec![("USDT".into(), "100000".into())]);
    let mut accounts = config(still_market()).accounts;
    accounts.push(account);
    (Rig::new(SimConfig { accounts, ..config(still_market()) }), pair)
}

fn request(rig: &Rig, pair: &Ed25519KeyPair, method: &str) -> String {
    let payload = format!("apiKey={ED_KEY}&timestamp={}", rig.now_ms());
    let signature = base64(pair.sign(payload.as_bytes()).as_ref());
    let time = rig.now_ms();
    format!(
        r#"{{"id":1,"method":"{method}","params":{{"apiKey":"{ED_KEY}","timestamp":{time},"signature":"{signature}"}}}}"#
    )
}

#[test]
fn rest_takes_ed25519_signatures_and_refuses_others() {
    let (mut rig, pair) = rig();
    let query = format!("omitZeroBalances=true&timestamp={}", rig.now_ms());
    let encoded = |bytes: &[u8]| base64(bytes).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let good = encoded(pair.sign(query.as_bytes()).as_ref());
    let target = format!("/api/v3/account?{query}&signature={good}");
    let (status, _, account) = rig.rest("GET", &target, Some(ED_KEY), "");
    assert_eq!((status, &account["balances"][0]["asset"]), (200, &"USDT".into()), "{account}");
    for signature in [encoded(pair.sign(b"else").as_ref()), sign(&query)] {
        let target = format!("/api/v3/account?{query}&signature={signature}");
        assert_eq!(rig.rest("GET", &target, Some(ED_KEY), "").2["code"], -1022);
    }
}

#[test]
fn a_logged_on_session_needs_a_time_and_nothing_else() {
    let (mut rig, pair) = rig();
    let mut api = rig.ws("/ws-api/v3");
    let ask = |rig: &mut Rig, api: &mut Client, method: &str, params: &str| {
        rig.ask(api, &format!(r#"{{"id":2,"method":"{method}","params":{{{params}}}}}"#))
    };
    let time = format!("\"timestamp\":{}", rig.now_ms());
    let order = format!(r#""symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.01",{time}"#);
    assert_eq!(ask(&mut rig, &mut api, "order.place", &order)["error"]["code"], -1102, "not logged on yet");
    assert_eq!(ask(&mut rig, &mut api, "userDataStream.subscribe", "")["error"]["code"], -1002);
    let logon = request(&rig, &pair, "session.logon");
    let answer = rig.ask(&mut api, &logon);
    compare("log-on", &answer, "wsapi_session_logon_response.json", &[".rateLimits"]);
    assert_eq!((&answer["result"]["apiKey"], &answer["result"]["userDataStream"]), (&ED_KEY.into(), &false.into()));
    assert_eq!(ask(&mut rig, &mut api, "userDataStream.subscribe", "")["result"]["subscriptionId"], 0);
    assert_eq!(ask(&mut rig, &mut api, "userDataStream.subscribe", "")["error"]["code"], -2035);
    api.send_text(&format!(r#"{{"id":3,"method":"order.place","params":{{{order}}}}}"#));
    rig.turn();
    let frames = api.frames();
    assert!(frames.iter().any(|f| f["result"]["status"] == "FILLED"), "{frames:?}");
    assert!(frames.iter().any(|f| f["event"]["x"] == "TRADE"), "its own reports come on the same connection");
    assert_eq!(
        ask(&mut rig, &mut api, "order.place", &order.replace(&time, "\"recvWindow\":5000"))["error"]["code"],
        -1102
    );
    let late = order.replace(&time, &format!("\"timestamp\":{}", rig.now_ms() - 6_000));
    assert_eq!(ask(&mut rig, &mut api, "order.place", &late)["error"]["code"], -1021);
    // A request's own key and signature win.
    let account = rig.api(&mut api, "account.status", &[]);
    assert_eq!(account["result"]["uid"], 350_000_000, "{account}");
    api.send_text(r#"{"id":4,"method":"session.logout"}"#);
    rig.turn();
    let frames = api.frames();
    compare("log-out", &frames[0], "wsapi_session_logout_response.json", &[".rateLimits"]);
    assert_eq!(frames[0]["result"]["apiKey"], serde_json::Value::Null);
    assert_eq!(frames[1]["event"]["e"], "eventStreamTerminated", "{frames:?}");
    assert_eq!(ask(&mut rig, &mut api, "order.place", &order)["error"]["code"], -1102);
}

#[test]
fn an_hmac_key_cannot_log_on() {
    let (mut rig, _) = rig();
    let mut api = rig.ws("/ws-api/v3");
    assert_eq!(rig.api(&mut api, "session.logon", &[])["error"]["code"], -4056);
    assert_eq!(rig.ask(&mut api, r#"{"id":1,"method":"session.status"}"#)["result"]["apiKey"], serde_json::Value::Null);
}
