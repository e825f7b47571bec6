//! Every action that the served document names, asked for at an engine on paper: each answers for real, or refuses in
//! the words that are documented. One that the document has and the table has not fails the test.

use super::credentials::{credentials, on_binance, said, stored_account};
use super::sim::Sim;
use super::support::{API, Daemon, free_port, http, wait_until};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// What an answer must hold: a path in its `data` (RFC 6901), and what is found there.
type Holds<'a> = (&'a str, Is<'a>);

#[derive(Debug)]
enum Is<'a> {
    /// Just this.
    Just(Value),
    /// A decimal above zero, in a string.
    Positive,
    /// A text, or a list, that is not empty.
    Some,
    /// A text with this in it.
    Has(&'a str),
}

impl Is<'_> {
    fn holds(&self, found: &Value) -> bool {
        match self {
            Is::Just(want) => found == want,
            Is::Positive => found.as_str().is_some_and(|text| text.parse::<f64>().is_ok_and(|number| number > 0.0)),
            Is::Some => match found {
                Value::String(text) => !text.is_empty(),
                Value::Array(rows) => !rows.is_empty(),
                _ => false,
            },
            Is::Has(words) => found.as_str().is_some_and(|text| text.contains(words)),
        }
    }
}

struct Desk {
    daemon: Daemon,
    /// As it is served.
    document: Value,
    asked: RefCell<BTreeSet<String>>,
}

impl Desk {
    fn start(sim: &Sim, dir: &std::path::Path) -> Desk {
        let port = free_port();
        let path = stored_account(sim, dir, port, false);
        let (key, secret) = sim.key();
        said(&credentials(&path, &["init"], "", &[]), 0, &[]);
        said(&credentials(&path, &on_binance("store"), &format!("{key}\n{secret}\n"), &[]), 0, &[&key, &secret]);
        let mut daemon = Daemon::start(&path, port, &[]);
        daemon.ready();
        let (status, body) = http(port, "GET", "/api/openapi.json", &[], "").unwrap();
        assert_eq!(status, 200, "{body}");
        Desk { daemon, document: serde_json::from_str(&body).unwrap(), asked: RefCell::default() }
    }

    fn operation(&self, method: &str) -> &Value {
        &self.document["paths"][API][method]
    }

    /// The actions of the document: those that look, and those that act.
    fn documented(&self) -> BTreeSet<String> {
        let looks = self.operation("get")["parameters"][0]["schema"]["oneOf"].as_array().unwrap().iter();
        let looks = looks.map(|asked| asked["properties"]["action"]["const"].as_str().unwrap().to_owned());
        let body = &self.operation("post")["requestBody"]["content"]["application/json"]["schema"];
        looks.chain(body["discriminator"]["mapping"].as_object().unwrap().keys().cloned()).collect()
    }

    /// That the answer has every field which the document promises.
    fn is_as_documented(&self, action: &str, data: &Value) -> Result<(), String> {
        let follow = |schema: &Value| match schema["$ref"].as_str() {
            Some(to) => self.document.pointer(to.strip_prefix('#').unwrap()).unwrap().clone(),
            None => schema.clone(),
        };
        let words = action.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
        let name = format!("{}Answer", words.collect::<String>());
        let schema = follow(&self.document["components"]["schemas"][&name]["properties"]["data"]);
        let kinds = schema["anyOf"].as_array().or(schema["oneOf"].as_array()).cloned().unwrap_or(vec![schema]);
        let lacks = |kind: &Value| {
            let kind = follow(kind);
            let fields = kind["required"].as_array().unwrap_or_else(|| panic!("{name} promises nothing")).clone();
            fields.into_iter().find(|field| data.get(field.as_str().unwrap()).is_none())
        };
        match kinds.iter().map(lacks).collect::<Option<Vec<_>>>() {
            Some(lacking) => Err(format!("{action} lacks {lacking:?}, which the document has, in {data:#}")),
            None => Ok(()),
        }
    }

    fn judge(&self, action: &str, answer: (u16, Value), holds: &[Holds]) -> Result<Value, String> {
        let (status, reply) = answer;
        if status != 200 {
            return Err(format!("{action}: {status} {reply}"));
        }
        let data = &reply["data"];
        self.is_as_documented(action, data)?;
        for (path, want) in holds {
            let found = data.pointer(path).unwrap_or(&Value::Null);
            if !want.holds(found) {
                return Err(format!("{action}: {path} to be {want:?} in {data:#}"));
            }
        }
        Ok(data.clone())
    }

    /// Looks until it is so: samples and prices come with time.
    fn look(&self, action: &str, parameters: &str, holds: &[Holds]) -> Value {
        self.asked.borrow_mut().insert(action.to_owned());
        let path = format!("{API}?action={action}{parameters}");
        wait_until(|| {
            let (status, body) = http(self.daemon.port, "GET", &path, &[], "").ok_or("an answer")?;
            self.judge(action, (status, serde_json::from_str(&body).unwrap()), holds)
        })
    }

    fn post(&self, action: &str, mut fields: Value) -> (u16, Value) {
        self.asked.borrow_mut().insert(action.to_owned());
        fields["action"] = action.into();
        self.daemon.post(&fields.to_string())
    }

    /// Acts once.
    fn act(&self, action: &str, fields: Value, holds: &[Holds]) -> Value {
        let answer = self.post(action, fields);
        self.judge(action, answer, holds).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    /// Asks until it is so, where asking changes nothing.
    fn ask(&self, action: &str, fields: Value, holds: &[Holds]) {
        wait_until(|| self.judge(action, self.post(action, fields.clone()), holds));
    }

    /// What is not to be had on paper.
    fn refused(&self, action: &str, fields: Value, status: u16, code: &str, words: &str) {
        let documented = &self.operation("post")["responses"][status.to_string()];
        assert!(!documented.is_null(), "the document has no {status}");
        let (got, reply) = self.post(action, fields);
        let error = &reply["error"];
        let said = error["message"].as_str().is_some_and(|message| message.contains(words));
        assert!(got == status && error["code"] == code && said, "{action}: {got} {reply}");
    }
}

#[test]
fn every_action_of_the_document_answers_for_real() {
    use Is::{Has, Just, Positive, Some};
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sim = Sim::start(venue.path(), &["--seed", "4", "--control", "127.0.0.1:0"]);
    let desk = Desk::start(&sim, dir.path());
    let is = |value: &str| Just(value.into());
    let by = |why: &str| json!({ "who": "ann", "why": why });
    let order = |more: Value| {
        let mut order = json!({ "symbol": "BTCUSDT", "side": "buy" });
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        order
    };
    let rests = || order(json!({ "type": "limit", "quantity": "0.002", "price": "90000" }));
    let buys = || order(json!({ "type": "market", "quantity": "0.002" }));

    // An order's life.
    for order in [rests(), buys()] {
        desk.ask("validate-order", order, &[("/would_pass", Just(true.into())), ("/notional_usd", Positive)]);
    }
    let fields = json!({ "symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": "5" });
    let code = [("/would_pass", Just(false.into())), ("/denials/0/code", is("ORDER_NOTIONAL_ABOVE_MAX"))];
    desk.ask("validate-order", fields, &code);
    let open = [("/status", is("new")), ("/price", Positive), ("/venue_order_id", Some), ("/exchange", is("binance"))];
    let first = desk.act("place-order", rests(), &open);
    let replaced = [
        ("/replaced/order_id", Just(first["order_id"].clone())),
        ("/price", Has("89000")),
        ("/status", is("new")),
        ("/how", is("cancel_replace")),
    ];
    let second = desk.act("replace-order", json!({ "order_id": first["order_id"], "price": "89000" }), &replaced);
    let id = second["order_id"].as_str().unwrap().to_owned();
    desk.look("order", &format!("&id={id}"), &[("/order_id", is(&id)), ("/status", is("new"))]);
    desk.look("orders", "&status=open&symbol=BTCUSDT", &[("/orders/0/order_id", is(&id))]);
    desk.act("cancel-order", json!({ "order_id": id }), &[("/order_id", is(&id)), ("/status", is("canceled"))]);
    let filled = [("/status", is("filled")), ("/average_price", Positive), ("/settled", Just(true.into()))];
    let bought = desk.act("place-order", buys(), &filled);
    let id = bought["order_id"].as_str().unwrap();
    let explained = [
        ("/outcome", is("placed")),
        ("/order/status", is("filled")),
        ("/order/order_id", is(id)),
        ("/rules/0/code", Some),
        ("/stages", Some),
        ("/asked_by/who", Some),
    ];
    desk.look("explain", &format!("&id={id}"), &explained);

    // What it came to.
    desk.look("trades", "&symbol=BTCUSDT&limit=1", &[("/trades/0/order_id", is(id)), ("/trades/0/price", Positive)]);
    let held = [("/positions/0/symbol", is("BTCUSDT")), ("/positions/0/quantity", Positive)];
    desk.look("positions", "&exchange=binance", &held);
    let worth = [("/equity_usd", Positive), ("/balances", Some), ("/positions/0/mark_price", Positive)];
    desk.look("portfolio", "", &worth);
    desk.look("performance", "", &[("/mode", is("paper")), ("/volume_usd", Positive), ("/equity_usd", Positive)]);
    desk.look("performance", "&mode=paper", &[("/mode", is("paper")), ("/summary/fees_usd", Some)]);
    desk.look("equity", "", &[("/samples", Some)]);
    desk.look("candles", "&symbol=BTCUSDT", &[("/candles/0/close", Positive), ("/exchange", is("binance"))]);
    desk.look("latency", "", &[("/stages/0/stage", Some)]);
    desk.look("events", "&types=order_filled&limit=1", &[("/events/0/data/order_id", is(id))]);
    let measured =
        [("/gross_exposure/value_usd", Positive), ("/gross_exposure/limit_usd", Positive), ("/assets", Some)];
    desk.look("risk-metrics", "", &measured);

    // Out again: of one, of all, and of what rests.
    let done = || [("/complete", Just(true.into())), ("/request_id", Some)];
    let closed = desk.act("close-position", json!({ "symbol": "BTCUSDT" }), &done());
    assert!(closed["flattens"].as_u64() > Option::Some(0), "{closed:#}");
    desk.act("place-order", buys(), &filled);
    let closed = desk.act("close-all-positions", json!({ "reason": "a test" }), &done());
    assert!(closed["flattens"].as_u64() > Option::Some(0), "{closed:#}");
    desk.act("place-order", rests(), &open);
    let cancelled = desk.act("cancel-all-orders", json!({}), &done());
    assert_eq!(cancelled["cancels"], 1, "{cancelled:#}");
    desk.look("orders", "&status=open", &[("/orders", Just(json!([])))]);

    // What may be sent, and what may not.
    let mut reducing = by("a test");
    reducing["state"] = "reducing".into();
    desk.act("set-trading-state", reducing, &[("/trading_state", is("reducing"))]);
    desk.act("resume", by("it is over"), &[("/trading_state", is("active"))]);
    desk.act("place-order", rests(), &open);
    let halted = [
        ("/trading_state", is("halted")),
        ("/emergency_stop/why", is("a drill")),
        ("/complete", Just(true.into())),
        ("/cancels", Just(1.into())),
    ];
    desk.act("emergency-stop", json!({ "reason": "a drill" }), &halted);
    let alerts = desk.look("alerts", "", &[("/alerts/0/alert_id", Some), ("/alerts/0/message", Some)]);
    let seen = [("/acknowledged_by", is("ann")), ("/acknowledged_at", Some)];
    desk.act("acknowledge-alert", json!({ "alert_id": alerts["alerts"][0]["alert_id"], "who": "ann" }), &seen);
    desk.act("resume", by("the drill is over"), &[("/trading_state", is("active"))]);
    let none = [("/expected", Just(false.into())), ("/next_before", Just(Value::Null)), ("/request_id", Some)];
    desk.act("heartbeat", json!({ "who": "ann" }), &none);
    let mut limit = by("a test");
    limit["orders_per_second_max"] = 40.into();
    desk.act(
        "update-risk-config",
        limit,
        &[("/changed/orders_per_second_max/new", is("40")), ("/loosened", Just(json!([])))],
    );
    desk.look("config", "", &[("/limits/orders_per_second_max", is("40")), ("/mode", is("paper"))]);

    // Paper to live: none is configured here, and each of the four says so.
    desk.look(
        "transition-status",
        "",
        &[("/state", is("paper")), ("/milestones", Some), ("/live_configured", Just(false.into()))],
    );
    for action in ["initiate-transition", "approve-transition", "reject-transition"] {
        desk.refused(action, by("a test"), 409, "TRANSITION_REFUSED", "no live venue is configured: add one with");
    }
    desk.refused("revert-to-paper", by("a test"), 409, "TRANSITION_REFUSED", "state paper: nothing is live");

    // Keys and venues.
    let secret = || (0..64).map(|_| fastrand::alphanumeric()).collect::<String>();
    let (key, secret) = (secret(), secret());
    let mut keep = json!({ "exchange": "binance", "environment": "testnet", "apiKey": key, "apiSecret": secret });
    keep["spare"] = true.into();
    let kept = [("/credential", is("binance/testnet/main")), ("/stage", is("spare")), ("/key_ends_in", is(&key[60..]))];
    desk.act("store-credentials", keep, &kept);
    let control = sim.text("control_url").rsplit(':').next().unwrap().parse().unwrap();
    let (status, told) =
        http(control, "POST", "/key", &[], &json!({ "api_key": key, "secret": secret }).to_string()).unwrap();
    assert_eq!(status, 200, "{told}");
    let next = json!({ "exchange": "binance", "environment": "testnet" });
    desk.act("rotate-credentials", next, &[("/rotated", Just(true.into()))]);
    let used = [("/credentials/0/stage", is("in use")), ("/credentials/0/key_ends_in", is(&key[60..]))];
    desk.look("credentials-status", "", &used);
    desk.look("health", "", &[("/ready", Just(true.into())), ("/live", Just(true.into())), ("/venues", Some)]);
    let tested = [("/ok", Just(true.into())), ("/venues/0/exchange", is("binance")), ("/checks", Some)];
    desk.ask("test-connections", json!({ "exchange": "binance" }), &tested);
    let stands = [
        ("/mode", is("paper")),
        ("/version", is(env!("CARGO_PKG_VERSION"))),
        ("/takes_commands", Just(true.into())),
        ("/venues/0/state", is("ready")),
        ("/instruments/0/bid", Positive),
        ("/trading_state", is("active")),
    ];
    desk.look("status", "", &stands);

    assert_eq!(*desk.asked.borrow(), desk.documented(), "asked here, and in the document");
}
