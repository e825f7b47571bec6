//! A scene's venues as a configuration has them.

use super::desk::KeyIn;
use super::house::Venues;
use serde_json::Value;

/// Where the scene's venues are, which of them there are, and what is traded there.
pub fn places(wanted: &Venues, said: &Value, key: KeyIn) -> String {
    let shipped: toml::Table = include_str!("../../../config/tollgate.toml").parse().unwrap_or_default();
    let mut out = toml::Table::new();
    let mut venues = Vec::new();
    let mut gone = Vec::new();
    for venue in shipped.get("venues").and_then(toml::Value::as_array).into_iter().flatten() {
        let Some(mut venue) = venue.as_table().cloned() else { continue };
        let alpaca = venue.get("kind").and_then(toml::Value::as_str) == Some("alpaca");
        if !(if alpaca { wanted.alpaca } else { wanted.binance }) {
            gone.push(if alpaca { "gateway-alpaca" } else { "gateway-binance" });
            continue;
        }
        let mut set = |key: &str, value: &str| {
            venue.insert(key.to_owned(), value.into());
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if alpaca {
            let said = &said["alpaca"];
            set("rest_url", &text(&said["rest_url"]));
            set("stream_url", &text(&said["data_stream_url"]));
            set("ws_api_url", &text(&said["stream_url"]));
        } else {
            for url in ["rest_url", "stream_url", "ws_api_url"] {
                set(url, &text(&said[url]));
            }
        }
        if key != KeyIn::Environment && !alpaca {
            set("account", "store");
            set("credential", "main");
        } else {
            let of = if alpaca { "ALPACA" } else { "BINANCE" };
            set("account", "keys");
            set("api_key_env", &format!("DRILL_{of}_KEY"));
            set("secret_env", &format!("DRILL_{of}_SECRET"));
        }
        for (key, value) in [("clock_check_ms", 1_000), ("reconnect_max_ms", 500), ("request_timeout_ms", 2_000)] {
            if venue.contains_key(key) {
                venue.insert(key.to_owned(), value.into());
            }
        }
        if alpaca {
            venue.insert("reconnect_min_ms".to_owned(), 100.into());
        }
        venues.push(toml::Value::Table(venue));
    }
    let threads = shipped.get("threads").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    gone.push("sim");
    let kept = threads.into_iter().filter(|thread| {
        let name = thread.get("name").and_then(toml::Value::as_str).unwrap_or_default();
        !gone.contains(&name)
    });
    let traded = shipped.get("instruments").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let there = |inst: &toml::Value| {
        let venue = inst.get("venue").and_then(toml::Value::as_str);
        if venue == Some("alpaca") { wanted.alpaca } else { wanted.binance }
    };
    let traded = traded.into_iter().filter(there).collect();
    out.insert("threads".to_owned(), toml::Value::Array(kept.collect()));
    out.insert("venues".to_owned(), toml::Value::Array(venues));
    out.insert("instruments".to_owned(), toml::Value::Array(traded));
    toml::to_string(&out).unwrap_or_default()
}

/// An instrument of Binance besides BTCUSDT and ETHUSDT, as the text of a configuration.
pub fn with_instrument(rest: &str) -> String {
    let one = |symbol: &str, rest: &str| {
        let base = symbol.trim_end_matches("USDT");
        format!(
            "[[instruments]]\nvenue = \"binance\"\nsymbol = {symbol:?}\nbase = {base:?}\nquote = \"USDT\"\n{rest}\n"
        )
    };
    let plain = "trading_hours = false";
    [one("BTCUSDT", plain), one("ETHUSDT", plain), one("SOLUSDT", rest)].concat()
}
