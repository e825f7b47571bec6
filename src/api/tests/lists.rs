//! Lists: pages, times, and one row by its id.

use super::*;

#[test]
fn lists_go_on_behind_their_cursor() {
    let rig = Rig::start(Venue::Acks).opened();
    let mut placed = Vec::new();
    for n in 0..3 {
        let (status, body) = rig.post(&LIMIT.replace("61000.5", &format!("6100{n}")));
        assert_eq!(status, 200, "{body}");
        placed.insert(0, body["data"]["order_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(rig.post(&format!("{{\"action\":\"cancel-order\",\"order_id\":\"{}\"}}", placed[0])).0, 200);
    // Open ones first, then closed ones, each once.
    let ids = |page: &Value, list: &str, id: &str| {
        let rows = page["data"][list].as_array().unwrap().iter();
        rows.map(|row| row[id].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (mut seen, mut query) = (Vec::new(), "orders&status=all&limit=1".to_owned());
    loop {
        let (status, page) = rig.get(&query);
        assert_eq!(status, 200, "{page}");
        seen.extend(ids(&page, "orders", "order_id"));
        let Some(cursor) = page["data"]["next_cursor"].as_str() else { break };
        query = format!("orders&status=all&limit=1&cursor={cursor}");
    }
    assert_eq!(seen, [&placed[1], &placed[2], &placed[0]].map(String::clone));
    // One by any of its ids; what is not there is not found.
    let (status, one) = rig.get(&format!("order&id={}", placed[0]));
    assert_eq!((status, &one["data"]["status"]), (200, &"canceled".into()), "{one}");
    assert_eq!(rig.get("order&id=nobody").0, 404);
    assert_eq!(rig.post(r#"{"action":"cancel-order","order_id":"nobody"}"#).0, 404);
    assert_eq!(rig.get("alerts&limit=1").1["data"]["next_cursor"], Value::Null);
    for cursor in ["orders&cursor=x", "orders&cursor=open-", "alerts&cursor=1-9-1-1", "alerts&cursor=1"] {
        assert_eq!(rig.get(cursor).0, 400, "{cursor}");
    }
}

#[test]
fn trades_are_those_of_the_time_that_is_asked_for() {
    let rig = Rig::start(Venue::Fills).opened();
    assert_eq!(rig.post(BUY).0, 200);
    let count = |query: &str| rig.get(query).1["data"]["trades"].as_array().map(Vec::len);
    assert_eq!(count("trades&from=2024-08-08T12:00:00Z"), Some(1));
    assert_eq!(count("trades&from=2024-08-08T12:00:01Z"), Some(0));
    assert_eq!(count("trades&to=2024-08-08T12:00:00Z"), Some(0));
    assert_eq!(count("trades&from=2024-08-08T11:00:00Z&to=2024-08-08T12:00:00.000000001Z"), Some(1));
    assert_eq!(rig.get("trades&from=yesterday").0, 400);
}

#[test]
fn trades_are_paged_newest_first() {
    let rig = Rig::start(Venue::Fills).opened();
    for _ in 0..3 {
        assert_eq!(rig.post(BUY).0, 200);
    }
    let (_, first) = rig.get("trades&limit=2");
    let cursor = first["data"]["next_cursor"].as_str().unwrap().to_owned();
    let (_, second) = rig.get(&format!("trades&limit=2&cursor={cursor}"));
    let ids = |page: &Value| {
        let trades = page["data"]["trades"].as_array().unwrap().iter();
        trades.map(|trade| trade["exec_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((ids(&first), ids(&second)), (vec!["3".into(), "2".into()], vec!["1".to_owned()]));
    assert_eq!(second["data"]["next_cursor"], Value::Null);
    assert_eq!(rig.get("trades&symbol=ETHUSDT").1["data"]["trades"], Value::Array(vec![]));
}
