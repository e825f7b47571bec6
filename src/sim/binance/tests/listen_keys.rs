//! The retired listen keys: gone unless switched on.

use crate::sim::binance::SimConfig;
use crate::sim::binance::testing::*;

const PATH: &str = "/api/v3/userDataStream";
const MARKET: &str = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.001";

#[test]
fn a_listen_key_names_a_stream_of_its_accounts_events_until_it_ends() {
    let mut rig = Rig::new(SimConfig { listen_keys: true, ..config(still_market()) });
    let (status, _, made) = rig.rest("POST", PATH, Some(KEY), "");
    assert_eq!(status, 200);
    let key = made["listenKey"].as_str().unwrap().to_owned();
    assert_eq!(rig.rest("POST", PATH, Some(KEY), "").2, made, "one key an account");
    let (mut raw, mut combined) = (rig.ws(&format!("/ws/{key}")), rig.ws(&format!("/stream?streams={key}")));
    let mut other = rig.ws("/ws/btcusdt@trade");
    rig.signed("POST", "/api/v3/order", MARKET);
    let kinds: Vec<_> = raw.frames().iter().map(|f| f["e"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["executionReport", "executionReport", "outboundAccountPosition"]);
    let frames = combined.frames();
    assert!(frames.len() == 3 && frames.iter().all(|f| f["stream"] == key.as_str() && f["data"]["e"].is_string()));
    assert!(other.frames().iter().all(|f| f["e"] == "trade"));
    let alive = format!("{PATH}?listenKey={key}");
    assert_eq!(rig.rest("PUT", &alive, Some(OTHER_KEY), "").2["code"], -1125, "not another account's");
    assert_eq!(rig.rest("PUT", &alive, Some(KEY), "").0, 200);
    assert_eq!(rig.rest("DELETE", &alive, Some(KEY), "").0, 200);
    rig.signed("POST", "/api/v3/order", MARKET);
    assert!(raw.frames().is_empty() && combined.frames().is_empty());
    let mut api = rig.ws("/ws-api/v3");
    let start = format!(r#"{{"id":1,"method":"userDataStream.start","params":{{"apiKey":"{KEY}"}}}}"#);
    assert!(rig.ask(&mut api, &start)["result"]["listenKey"].is_string());
}

#[test]
fn without_the_switch_they_are_gone() {
    let mut rig = Rig::still();
    for method in ["POST", "PUT", "DELETE"] {
        let (status, head, _) = rig.rest(method, PATH, Some(KEY), "");
        assert_eq!((status, head.contains("text/html")), (410, true), "{head}");
    }
    let mut api = rig.ws("/ws-api/v3");
    let start = format!(r#"{{"id":1,"method":"userDataStream.start","params":{{"apiKey":"{KEY}"}}}}"#);
    assert_eq!(rig.ask(&mut api, &start)["status"], 400);
}
