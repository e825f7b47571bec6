//! What may be asked: each action of GET with its parameters, each of POST with its fields. What the code reads is
//! compared with this in a test, so neither can change alone.

use super::schema::*;
use crate::api::events::KINDS;
use crate::api::order_fields::{PROFIT_MAX, SHARE_MAX};
use crate::api::risk_config;
use crate::core::alarm::Severity;
use crate::core::command::TradingState;
use crate::credentials::Environment;
use crate::domain::{Mode, OrderType, StpMode, TimeInForce};
use serde_json::{Value, json};

/// One action: its name, what it does, and its parameters or fields; several forms where one excludes another.
pub struct Asking {
    pub action: &'static str,
    pub about: &'static str,
    pub forms: Vec<Fields>,
}

fn asking(action: &'static str, about: &'static str, fields: Fields) -> Asking {
    Asking { action, about, forms: vec![fields] }
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Fields {
    fields.map(|(name, schema)| (name.to_owned(), schema)).into_iter().collect()
}

fn whole(digits: usize) -> Value {
    pattern(&format!("[0-9]{{1,{digits}}}"))
}

/// The actions of `GET`.
pub fn looks() -> Vec<Asking> {
    let limit = || told("Rows at most; 100 if not given.", json!({ "type": "integer", "minimum": 1, "maximum": 1000 }));
    let symbol = || told("Of this instrument alone.", text());
    let mode = || one_word(Mode::ALL.map(Mode::as_str));
    let at = |words: &str| told(words, json!({ "type": "string", "format": "date-time" }));
    let cursor = |of: Value| told("The `next_cursor` of the page before.", of);
    let types = || {
        let kinds = KINDS.map(|(word, _)| word).join("|");
        told("Kinds of events, with commas between.", pattern(&format!("({kinds})(,({kinds}))*")))
    };
    vec![
        asking("status", "How the engine stands.", vec![]),
        asking("portfolio", "Equity, exposure, balances, positions.", vec![]),
        asking("positions", "What is held, with its stops and targets.", fields([("exchange?", venue())])),
        asking(
            "trades",
            "Fills, newest first.",
            fields([
                ("limit?", limit()),
                ("cursor?", cursor(whole(18))),
                ("symbol?", symbol()),
                ("mode?", mode()),
                ("from?", at("Not before this time.")),
                ("to?", at("Before this time.")),
            ]),
        ),
        asking(
            "performance",
            "What was earned: of this run, or of a mode since the beginning.",
            fields([("mode?", mode())]),
        ),
        asking(
            "orders",
            "Orders, newest first, open ones before closed ones.",
            fields([
                ("limit?", limit()),
                ("cursor?", cursor(pattern("(open|closed)-[0-9]{1,18}"))),
                ("symbol?", symbol()),
                ("status?", one_word(["open", "closed", "all"])),
            ]),
        ),
        asking("order", "One order, by its own id, the asker's or the venue's client id.", fields([("id", text())])),
        asking("latency", "Percentiles of each stage of an order's way.", vec![]),
        asking(
            "events",
            "The latest events, newest first.",
            fields([
                ("limit?", limit()),
                ("types?", types()),
                ("symbol?", symbol()),
                ("cursor?", cursor(pattern("[0-9]{1,18}-[0-9]{1,4}"))),
            ]),
        ),
        asking("transition-status", "Where the engine stands between paper and live, and what is missing.", vec![]),
        asking("equity", "The equity of the last day.", vec![]),
        asking(
            "candles",
            "The last day of an instrument in minutes.",
            fields([("symbol", text()), ("exchange?", venue())]),
        ),
        asking("credentials-status", "The keys that are kept, without their secrets.", vec![]),
        asking(
            "explain",
            "One decision of the gate: every rule, the route, the stages' times.",
            fields([("id", told("Of an order, a request, or a denial (`SEQ` of a denial of a strategy).", text()))]),
        ),
        asking("config", "What holds now: limits, strategies.", vec![]),
        asking("health", "Whether orders can be taken and sent, and what is missing.", vec![]),
        asking(
            "alerts",
            "Alerts: those that stand first, the gravest first.",
            fields([
                ("severity?", told("This grave and graver.", one_word(Severity::ALL.map(Severity::as_str)))),
                ("since?", at("Raised or repeated since.")),
                ("limit?", limit()),
                ("cursor?", cursor(pattern("[01]-[0-2]-[0-9]{1,18}-[0-9]{1,18}"))),
            ]),
        ),
        asking("risk-metrics", "How much of each limit is used, the score, what moves together.", vec![]),
    ]
}

/// Fields that say one thing in two ways: of each pair one at most.
pub const APART: [[&str; 2]; 13] = [
    ["quantity", "quote_quantity"],
    ["trailing_percent", "trailing_offset"],
    ["stop_loss_price", "stop_loss_percent"],
    ["stop_loss_price", "stop_loss_trailing_percent"],
    ["stop_loss_percent", "stop_loss_trailing_percent"],
    ["take_profit_price", "take_profit_percent"],
    ["protection", "stop_loss"],
    ["protection", "stop_loss_price"],
    ["protection", "stop_loss_percent"],
    ["protection", "stop_loss_trailing_percent"],
    ["protection", "take_profit"],
    ["protection", "take_profit_price"],
    ["protection", "take_profit_percent"],
];

/// What a price or quantity with eight places can be.
const QUANTITY_MAX: i64 = i64::MAX / 100_000_000;

/// The name of a configured venue, in any case of letters.
fn venue() -> Value {
    json!({ "type": "string", "minLength": 1, "format": "exchange" })
}

fn not_empty() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

fn px() -> Value {
    amount(QUANTITY_MAX, 8)
}

/// What every order may have.
fn order_fields() -> Fields {
    fields([
        ("symbol", not_empty()),
        ("exchange?", told("Without it the route decides.", venue())),
        ("side", one_word(["buy", "sell"])),
        (
            "quantity?",
            told("Left out or `auto`: the engine works it out.", any([amount(QUANTITY_MAX, 8), exactly("auto")])),
        ),
        ("time_in_force?", one_word(TimeInForce::ALL.map(TimeInForce::as_str))),
        ("iceberg_quantity?", amount(QUANTITY_MAX, 8)),
        ("self_trade_prevention?", one_word(StpMode::ALL.map(StpMode::as_str))),
        ("extended_hours?", flag()),
        ("client_order_id?", pattern("[A-Za-z0-9_-]{1,36}")),
        ("reduce_only?", flag()),
        ("reason?", told("Journaled, cut to 48 bytes.", not_empty())),
    ])
}

fn with(mut base: Fields, more: Fields) -> Fields {
    base.extend(more);
    base
}

/// One order, by what its type needs.
fn order_forms() -> Vec<Fields> {
    let percent = || told("In percent.", amount(SHARE_MAX, 2));
    let far = |most| told("In percent, from the entry.", amount(most, 4));
    let short = || told("A price, or `off`.", any([px(), exactly("off")]));
    let entry = || {
        let exits = fields([
            ("protection?", told("Of the entry: as configured, or none.", one_word(["default", "off"]))),
            ("stop_loss?", short()),
            ("take_profit?", short()),
            ("stop_loss_price?", px()),
            ("stop_loss_percent?", far(SHARE_MAX)),
            ("stop_loss_trailing_percent?", percent()),
            ("take_profit_price?", px()),
            ("take_profit_percent?", far(PROFIT_MAX)),
        ]);
        with(order_fields(), exits)
    };
    let of = |types: &[OrderType]| ("type", one_word(types.iter().map(|kind| kind.as_str())));
    let (triggered, at_once): (Vec<OrderType>, Vec<OrderType>) =
        OrderType::ALL.into_iter().partition(|kind| kind.is_triggered());
    let (limits, markets): (Vec<OrderType>, Vec<OrderType>) = at_once.into_iter().partition(|kind| kind.is_limit());
    let (priced, plain): (Vec<OrderType>, Vec<OrderType>) = triggered.into_iter().partition(|kind| kind.is_limit());
    let trigger = || fields([("stop_price?", px()), ("trailing_percent?", percent()), ("trailing_offset?", px())]);
    vec![
        with(entry(), fields([of(&markets), ("quote_quantity?", px())])),
        with(entry(), fields([of(&limits), ("price", px())])),
        with(with(entry(), trigger()), fields([of(&plain)])),
        with(with(entry(), trigger()), fields([of(&priced), ("price", px())])),
    ]
}

/// Orders that belong together.
fn list_forms() -> Vec<Fields> {
    let entry = || fields([("type", exactly("limit")), ("price", px())]);
    let stop = || fields([("stop_loss_price", px()), ("stop_loss_limit_price?", px())]);
    let target = || fields([("take_profit_price", px())]);
    let class = |words: &[&str]| with(order_fields(), fields([("order_class", one_word(words))]));
    vec![
        with(class(&["oco"]), with(stop(), target())),
        with(class(&["oto"]), with(entry(), target())),
        with(class(&["oto"]), with(entry(), stop())),
        with(class(&["otoco", "bracket"]), with(with(entry(), stop()), target())),
    ]
}

/// A person's name and reason. With a token its name is the person's, and `who` is left out.
fn named_person(who: &'static str) -> Fields {
    fields([
        (who, told("At most 24 bytes. A token's name is the person's: then it is left out.", words(24))),
        ("why", told("At most 48 bytes.", words(48))),
    ])
}

/// The parts of an account.
fn scopes(base: fn() -> Fields) -> Vec<Fields> {
    let part = |word: &str, more: Fields| {
        // Absent and `null` mean the account.
        let word = if word == "account" { any([exactly(word), null()]) } else { exactly(word) };
        with(with(base(), named_person("who")), with(fields([("scope", word)]), more))
    };
    vec![
        with(base(), named_person("who")),
        part("account", vec![]),
        part("venue", fields([("exchange", venue())])),
        part(
            "strategy",
            fields([(
                "strategy",
                any([json!({ "type": "integer", "minimum": 0, "maximum": 255 }), pattern("[0-9]{1,2}")]),
            )]),
        ),
        part("instrument", fields([("symbol", not_empty()), ("exchange?", venue())])),
    ]
}

fn risk_fields() -> Fields {
    let hour = || pattern("([01][0-9]|2[0-3]):[0-5][0-9]");
    let hours = object([
        ("start?", or_null(hour())),
        ("end?", or_null(hour())),
        ("timezone?", or_null(json!({ "type": "string", "format": "iana-time-zone" }))),
    ]);
    with(
        with(named_person("who"), risk_config::documented()),
        fields([("day_start_utc?", hour()), ("tradingHours?", hours)]),
    )
}

/// The actions of `POST`.
pub fn acts() -> Vec<Asking> {
    let id = || any([text(), json!({ "type": "integer", "minimum": 0 })]);
    let reason = || told("Journaled, cut to 48 bytes.", not_empty());
    let of_symbol = || fields([("symbol", not_empty()), ("exchange?", venue()), ("reason?", reason())]);
    let of_key = || {
        fields([
            ("exchange", pattern("[a-z0-9-]{1,32}")),
            ("environment", one_word([Environment::Testnet, Environment::Live].map(Environment::as_str))),
            ("name?", pattern("[a-z0-9-]{1,32}")),
        ])
    };
    let key = || {
        let secret = || json!({ "type": "string", "maxLength": 2000, "pattern": "^[!-~]+$", "writeOnly": true });
        // Of a private key that is encrypted. Spaces may belong to it.
        let passphrase = json!({ "type": "string", "minLength": 1, "maxLength": 2000, "writeOnly": true });
        with(of_key(), fields([("apiKey", secret()), ("apiSecret", secret()), ("passphrase?", passphrase)]))
    };
    let step = |action, about| asking(action, about, named_person("who"));
    vec![
        Asking {
            action: "place-order",
            about: "Sends an order, or a list of orders, through every rule.",
            forms: [order_forms(), list_forms()].concat(),
        },
        Asking {
            action: "validate-order",
            about: "Every rule that the order would break; sends nothing.",
            forms: order_forms()
                .into_iter()
                .map(|form| {
                    let at_venue = told("The venue is asked too, where it has a way to test an order.", flag());
                    with(form, fields([("venue_test?", at_venue)]))
                })
                .collect(),
        },
        asking(
            "replace-order",
            "Changes an order where it stands, or places another in its place.",
            fields([
                ("order_id", id()),
                ("mode?", one_word(["stop_on_failure", "allow_failure"])),
                ("quantity?", amount(QUANTITY_MAX, 8)),
                ("price?", amount(QUANTITY_MAX, 8)),
                ("stop_price?", amount(QUANTITY_MAX, 8)),
                ("time_in_force?", one_word(TimeInForce::ALL.map(TimeInForce::as_str))),
                ("new_client_order_id?", pattern("[A-Za-z0-9_-]{1,36}")),
                ("reason?", reason()),
            ]),
        ),
        asking(
            "cancel-order",
            "Cancels one order, by any of its ids.",
            fields([("order_id", id()), ("reason?", reason())]),
        ),
        asking("cancel-all-orders", "Cancels every order, and closes nothing.", fields([("reason?", reason())])),
        asking("close-position", "Cancels the instrument's orders and flattens its position.", of_symbol()),
        asking("close-all-positions", "The same for all.", fields([("reason?", reason())])),
        asking(
            "emergency-stop",
            "Cancels every order at once, halts, and flattens where asked.",
            fields([("reason?", reason()), ("flatten?", flag())]),
        ),
        asking("heartbeat", "Whoever must say so from time to time lives.", fields([("who?", words(24))])),
        Asking {
            action: "set-trading-state",
            about: "What may be sent, for the account or a part of it.",
            forms: scopes(|| {
                let states = [TradingState::Active, TradingState::Reducing, TradingState::Halted];
                fields([("state", one_word(states.map(TradingState::as_str)))])
            }),
        },
        Asking { action: "resume", about: "Trading goes on, in a person's name.", forms: scopes(Vec::new) },
        asking("update-risk-config", "Changes limits until the next start, all of them or none.", risk_fields()),
        step("initiate-transition", "Asks for the way from paper to live."),
        step("approve-transition", "Approves it."),
        step("reject-transition", "Rejects it."),
        step("revert-to-paper", "Back to paper, at once."),
        asking("store-credentials", "Keeps a venue's key, encrypted.", with(key(), fields([("spare?", flag())]))),
        Asking {
            action: "rotate-credentials",
            about: "Exchanges the key in use, for this one or the next that is kept.",
            forms: vec![of_key(), key()],
        },
        asking(
            "acknowledge-alert",
            "Somebody has seen it.",
            fields([
                ("alert_id", any([json!({ "type": "integer", "minimum": 0 }), pattern("[0-9]{1,18}")])),
                ("who?", words(24)),
                ("why?", words(48)),
            ]),
        ),
        asking(
            "test-connections",
            "Asks each venue for real: reachable, clock, key, permissions, private stream.",
            fields([("exchange?", venue())]),
        ),
    ]
}
