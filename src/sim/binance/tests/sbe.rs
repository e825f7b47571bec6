//! SBE streams against the JSON streams of the same market, with a reader written from the schema.

use crate::sim::binance::testing::*;
use crate::sim::binance::{SimAccount, SimConfig};
use crate::sim::market::MarketSource;

const ED_KEY: &str = "sT8b0zPqkHjN3fRcWv5XyLmA1dGe7UoI9nQ2aZx4CtBrK6wMhJgYpDsFlVuEiO0A";
/// An Ed25519 public key: the twelve bytes that say so, and 32 of its own.
const ED_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----";

fn rig() -> Rig {
    let mut config = config(MarketSource::Synthetic(Default::default()));
    config.accounts.push(SimAccount::new(ED_KEY, ED_PEM, Vec::new()));
    Rig::new(SimConfig { ..config })
}

fn open(rig: &mut Rig, target: &str, key: &str) -> (u16, Client) {
    let mut client = rig.client();
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    client.send(head.as_bytes());
    rig.turn();
    (client.response().unwrap().0, client)
}

/// Little-endian numbers off the front of a message.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn n(&mut self, bytes: usize) -> i64 {
        let (head, rest) = self.0.split_at(bytes);
        self.0 = rest;
        let mut wide = [0; 8];
        wide[..bytes].copy_from_slice(head);
        i64::from_le_bytes(wide)
    }

    fn exponent(&mut self) -> i32 {
        i32::from(self.n(1) as u8 as i8)
    }

    fn symbol(mut self) -> String {
        let length = self.n(1) as usize;
        assert_eq!(self.0.len(), length, "nothing follows the symbol");
        String::from_utf8(self.0.to_vec()).unwrap()
    }
}

/// As the JSON streams write it.
fn text(mantissa: i64, exponent: i32) -> String {
    format!("{:.8}", rust_decimal::Decimal::new(mantissa, (-exponent) as u32))
}

fn levels(r: &mut Reader, exponents: (i32, i32)) -> Vec<(String, String)> {
    assert_eq!(r.n(2), 16);
    (0..r.n(2)).map(|_| (text(r.n(8), exponents.0), text(r.n(8), exponents.1))).collect()
}

#[test]
fn sbe_tells_what_json_tells() {
    let mut rig = rig();
    let header = format!("X-MBX-APIKEY: {ED_KEY}\r\n");
    let names = "btcusdt@trade/btcusdt@bestBidAsk/btcusdt@depth20/btcusdt@depth";
    let (status, mut sbe) = open(&mut rig, &format!("/sbe/stream?streams={names}"), &header);
    assert_eq!(status, 101);
    let mut json = rig.ws("/stream?streams=btcusdt@trade/btcusdt@bookTicker");
    rig.run_ms(3_000);
    let (mut trades, mut tops, mut snapshots, mut last_id) = (Vec::new(), Vec::new(), 0, None);
    let mut diffs = 0;
    for (opcode, frame) in sbe.raw_frames() {
        if opcode != 2 {
            continue;
        }
        let mut r = Reader(&frame);
        let (block, template, schema, version) = (r.n(2), r.n(2), r.n(2), r.n(2));
        assert_eq!((schema, version), (1, 0));
        let _event_us = r.n(8);
        match template {
            10_000 => {
                assert_eq!(block, 18);
                let time = r.n(8);
                let (px, qty) = (r.exponent(), r.exponent());
                assert_eq!(r.n(2), 25);
                for _ in 0..r.n(4) {
                    let id = r.n(8);
                    trades.push((id, text(r.n(8), px), text(r.n(8), qty), r.n(1) == 1, time / 1_000));
                }
            }
            10_001 => {
                assert_eq!(block, 50);
                let id = r.n(8);
                let (px, qty) = (r.exponent(), r.exponent());
                assert_eq!((px, qty), (-2, -5));
                tops.push((id, text(r.n(8), px), text(r.n(8), qty), text(r.n(8), px), text(r.n(8), qty)));
            }
            10_002 => {
                assert_eq!(block, 18);
                r.n(8);
                let exponents = (r.exponent(), r.exponent());
                assert_eq!((levels(&mut r, exponents).len(), levels(&mut r, exponents).len()), (20, 20));
                snapshots += 1;
            }
            10_003 => {
                assert_eq!(block, 26);
                let (first, last) = (r.n(8), r.n(8));
                assert!(last_id.is_none_or(|id| first == id + 1), "{first} after {last_id:?}");
                last_id = Some(last);
                let exponents = (r.exponent(), r.exponent());
                levels(&mut r, exponents);
                levels(&mut r, exponents);
                diffs += 1;
            }
            other => panic!("template {other}"),
        }
        assert_eq!(r.symbol(), "BTCUSDT");
    }
    let (mut json_trades, mut json_tops) = (Vec::new(), Vec::new());
    for frame in json.frames() {
        let d = &frame["data"];
        let t = |key: &str| d[key].as_str().unwrap().to_owned();
        if d["e"] == "trade" {
            json_trades.push((d["t"].as_i64().unwrap(), t("p"), t("q"), d["m"] == true, d["T"].as_i64().unwrap()));
        } else {
            json_tops.push((d["u"].as_i64().unwrap(), t("b"), t("B"), t("a"), t("A")));
        }
    }
    assert!(json_trades.len() > 5 && json_tops.len() > 50);
    // The JSON connection was opened a turn later.
    trades.retain(|t| t.0 >= json_trades[0].0);
    tops.retain(|t| t.0 >= json_tops[0].0);
    assert_eq!(trades, json_trades);
    assert_eq!(tops, json_tops);
    assert!(snapshots >= 55 && diffs >= 50, "{snapshots} snapshots, {diffs} diffs");
}

#[test]
fn sbe_wants_an_ed25519_key_and_takes_control_messages() {
    let mut rig = rig();
    for (target, key, want) in [
        ("/sbe/ws", String::new(), 401),
        ("/sbe/ws", format!("X-MBX-APIKEY: {KEY}\r\n"), 401),
        ("/sbe/ws", format!("X-MBX-APIKEY: {ED_KEY}\r\n"), 101),
        ("/ws", format!("X-MBX-APIKEY: {ED_KEY}\r\n"), 101),
        ("/ws", String::new(), 101),
    ] {
        assert_eq!(open(&mut rig, target, &key).0, want, "{target} {key}");
    }
    let (_, mut sbe) = open(&mut rig, "/sbe/ws", &format!("X-MBX-APIKEY: {ED_KEY}\r\n"));
    let subscribe = r#"{"method":"SUBSCRIBE","params":["ethusdt@bestBidAsk"],"id":1}"#;
    assert_eq!(rig.ask(&mut sbe, subscribe), serde_json::json!({"result": null, "id": 1}));
    rig.run_ms(500);
    assert!(sbe.raw_frames().iter().any(|(opcode, _)| *opcode == 2));
    let list = rig.ask(&mut sbe, r#"{"method":"LIST_SUBSCRIPTIONS","id":2}"#);
    assert_eq!(list["result"], serde_json::json!(["ethusdt@bestBidAsk"]));
}
