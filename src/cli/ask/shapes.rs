//! How each answer reads in a terminal. A member that a daemon does not give is a dash.

use super::table::{Column, list, number, plain, second, table, text};
use serde_json::Value;

fn rows<'a>(data: &'a Value, at: &str) -> &'a [Value] {
    data.pointer(at).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The rows at `at`, with the members in `times` cut to the second.
fn with_times(data: &Value, at: &str, times: &[&str]) -> Vec<Value> {
    let mut found = rows(data, at).to_vec();
    for row in &mut found {
        for name in times {
            if let Some(time) = row.get_mut(*name)
                && let Some(text) = time.as_str()
            {
                *time = Value::from(second(text));
            }
        }
    }
    found
}

pub fn status(data: &Value) -> String {
    let told = |at: &str| plain(data.pointer(at).unwrap_or(&Value::Null));
    let mut out = format!(
        "{} {} on {}: trading {}{}\n",
        told("/name"),
        told("/version"),
        told("/mode"),
        told("/trading_state"),
        if data["takes_commands"] == false { format!(", {}", told("/takes_none_because")) } else { String::new() },
    );
    for row in rows(data, "/restrained") {
        out.push_str(&format!("restrained: {} is {}\n", plain(&row["scope"]), plain(&row["trading_state"])));
    }
    out.push_str(&format!(
        "run {} since {}, journal at {}\n\n",
        told("/run"),
        data["started_at"].as_str().map_or("-".to_owned(), second),
        told("/journal/seq"),
    ));
    out.push_str(&table(&[text("venue", "/name"), text("state", "/state")], rows(data, "/venues"), "no venues"));
    out.push('\n');
    let columns = [
        text("symbol", "/symbol"),
        text("venue", "/exchange"),
        text("feed", "/feed"),
        number("bid", "/bid"),
        number("ask", "/ask"),
        number("age ms", "/quote_age_ms"),
    ];
    out.push_str(&table(&columns, rows(data, "/instruments"), "no instruments"));
    out.push_str(&format!(
        "\norders {} placed, {} open, {} rejected; fills {}; alarms {}\n",
        told("/run_counts/orders_placed"),
        told("/open_orders"),
        told("/run_counts/orders_rejected"),
        told("/run_counts/fills"),
        told("/run_counts/alarms"),
    ));
    for (rule, count) in data["run_counts"]["denied"].as_object().into_iter().flatten() {
        out.push_str(&format!("denied {count} by {rule}\n"));
    }
    let hooks = rows(data, "/webhooks");
    if !hooks.is_empty() {
        let columns = [
            text("webhook", "/name"),
            text("kind", "/kind"),
            number("delivered", "/delivered"),
            number("waiting", "/waiting"),
            number("lost", "/given_up"),
            number("refused", "/refused"),
            text("fails with", "/last_error"),
        ];
        // What went wrong once and works again is no news.
        let shown: Vec<Value> = hooks
            .iter()
            .map(|hook| {
                let mut hook = hook.clone();
                if hook["failing"] != true && hook.is_object() {
                    hook["last_error"] = Value::Null;
                }
                hook
            })
            .collect();
        out.push_str(&format!("\n{}\n", table(&columns, &shown, "")));
    }
    out.push_str(&format!(
        "equity {} USD; profit and loss {} in this run, {} today\n",
        told("/equity_usd"),
        told("/run_pnl_usd"),
        told("/day_pnl_usd"),
    ));
    out
}

const ORDER: [Column; 10] = [
    text("id", "/order_id"),
    text("symbol", "/symbol"),
    text("venue", "/exchange"),
    text("side", "/side"),
    text("type", "/type"),
    number("quantity", "/quantity"),
    number("filled", "/filled_quantity"),
    number("price", "/price"),
    number("average", "/average_price"),
    text("status", "/status"),
];

pub fn orders(data: &Value) -> String {
    table(&ORDER, rows(data, "/orders"), "no orders")
}

/// One order, as it was placed, cancelled or replaced.
pub fn order(data: &Value) -> String {
    let order = data.get("order").filter(|order| order.is_object()).unwrap_or(data);
    let mut out = table(&ORDER, std::slice::from_ref(order), "no order");
    if let Some(words) = order.get("venue_says").filter(|words| words.is_object()) {
        out.push_str(&format!("the venue says: {} ({})\n", plain(&words["message"]), plain(&words["code"])));
    }
    out
}

const DENIAL: [Column; 4] =
    [text("rule", "/code"), number("value", "/value"), number("limit", "/limit"), text("why", "/message")];

pub fn verdict(data: &Value) -> String {
    let venue = match &data["venue_verdict"] {
        Value::Null => String::new(),
        said => format!("{}: {}\n", plain(&said["exchange"]), plain(&said["message"])),
    };
    if data["would_pass"] == true {
        return format!("it would pass, valued at {} USD\n{venue}", plain(&data["notional_usd"]));
    }
    format!("it would be denied\n{venue}\n{}", table(&DENIAL, rows(data, "/denials"), "by no rule that is told"))
}

pub fn positions(data: &Value) -> String {
    let columns = [
        text("symbol", "/symbol"),
        text("venue", "/exchange"),
        text("side", "/side"),
        number("quantity", "/quantity"),
        number("average", "/average_price"),
        number("mark", "/mark_price"),
        number("notional USD", "/notional_usd"),
        number("unrealised USD", "/unrealised_usd"),
        number("realised USD", "/realised_usd"),
        number("fees USD", "/fees_usd"),
    ];
    table(&columns, rows(data, "/positions"), "no positions")
}

pub fn portfolio(data: &Value) -> String {
    let columns = [
        text("venue", "/exchange"),
        text("asset", "/asset"),
        number("total", "/total"),
        number("available", "/available"),
        number("held by orders", "/held_by_orders"),
    ];
    let balances = table(&columns, rows(data, "/balances"), "no balances");
    let columns = [
        text("over all venues", "/asset"),
        text("mode", "/mode"),
        number("total", "/total"),
        number("value USD", "/value_usd"),
        number("exposure USD", "/exposure_usd"),
    ];
    let assets = table(&columns, rows(data, "/assets"), "no assets");
    format!("{}\n{balances}\n{assets}\n{}", list(data), positions(data))
}

pub fn trades(data: &Value) -> String {
    let columns = [
        text("time", "/time"),
        text("symbol", "/symbol"),
        text("venue", "/exchange"),
        text("side", "/side"),
        number("quantity", "/quantity"),
        number("price", "/price"),
        text("as", "/liquidity"),
        number("fee USD", "/fee_usd"),
        number("realised USD", "/realised_usd"),
        text("order", "/order_id"),
    ];
    let mut out = table(&columns, &with_times(data, "/trades", &["time"]), "no trades");
    if let Some(cursor) = data["next_cursor"].as_str() {
        out.push_str(&format!("more: --cursor {cursor}\n"));
    }
    out
}

pub fn alerts(data: &Value) -> String {
    let columns = [
        text("id", "/alert_id"),
        text("since", "/raised_at"),
        text("severity", "/severity"),
        text("kind", "/kind"),
        number("times", "/count"),
        text("acknowledged by", "/acknowledged_by"),
        text("what", "/message"),
    ];
    table(&columns, &with_times(data, "/alerts", &["raised_at"]), "no alerts")
}

pub fn latency(data: &Value) -> String {
    let columns = [
        text("stage", "/stage"),
        number("count", "/count"),
        number("p50 ns", "/p50_ns"),
        number("p90 ns", "/p90_ns"),
        number("p99 ns", "/p99_ns"),
        number("p99.9 ns", "/p999_ns"),
        number("max ns", "/max_ns"),
    ];
    table(&columns, rows(data, "/stages"), "no order has gone all the way yet")
}

/// What a closing command did.
pub fn close(data: &Value) -> String {
    let mut out = format!(
        "trading is {}; {} cancels, {} closing orders; {}\n",
        plain(&data["trading_state"]),
        plain(&data["cancels"]),
        plain(&data["flattens"]),
        if data["complete"] == true { "nothing is left to do" } else { "not at its end yet" },
    );
    if let Some(denial) = data.get("denial").filter(|denial| denial.is_object()) {
        out.push_str(&format!("a closing order was denied: {}\n", plain(&denial["message"])));
    }
    for (head, at) in [("still working", "/working_orders"), ("closing orders", "/orders")] {
        if !rows(data, at).is_empty() {
            out.push_str(&format!("\n{head}:\n{}", table(&ORDER, rows(data, at), "")));
        }
    }
    if !rows(data, "/positions").is_empty() {
        out.push_str(&format!("\nstill held:\n{}", positions(data)));
    }
    out
}

pub fn stop(data: &Value) -> String {
    let mut out = close(data);
    for venue in rows(data, "/emergency_stop/venues") {
        out.push_str(&format!("{}\n", plain(&venue["message"])));
    }
    out
}

pub fn explain(data: &Value) -> String {
    let order = if data["order"].is_object() { order(data) } else { String::new() };
    let rules = [
        text("rule", "/code"),
        text("holds", "/passed"),
        number("value", "/value"),
        number("limit", "/limit"),
        text("why", "/message"),
    ];
    let times = [text("stage", "/stage"), text("at", "/at"), number("after ns", "/after_ns")];
    let mut out = order;
    if let Some(route) = data.get("route").filter(|route| !route.is_null()) {
        out.push_str(&format!("\nroute\n{}", list(route)));
    }
    out.push_str(&format!("\n{}", table(&rules, rows(data, "/rules"), "no rule is told")));
    out.push_str(&format!("\n{}", table(&times, rows(data, "/stages"), "no times are told")));
    out
}

pub fn connections(data: &Value) -> String {
    let columns = [
        text("venue", "/exchange"),
        text("check", "/check"),
        text("good", "/ok"),
        number("round trip ms", "/round_trip_ms"),
        text("what it says", "/message"),
    ];
    table(&columns, rows(data, "/checks"), "no venues")
}

pub fn transition(data: &Value) -> String {
    let columns = [
        text("milestone", "/name"),
        number("value", "/value"),
        number("needed", "/need"),
        text("met", "/met"),
        text("missing", "/missing"),
    ];
    format!("{}\n{}", list(data), table(&columns, rows(data, "/milestones"), "no milestones"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_order_reads_as_one_line_and_the_venues_words() {
        let data = json!({
            "order_id": "12", "symbol": "BTCUSDT", "exchange": "binance", "side": "buy", "type": "limit",
            "quantity": "0.01", "filled_quantity": "0", "price": "60000", "status": "rejected",
            "venue_says": {"code": -2010, "message": "no balance"},
        });
        let want = "id  symbol   venue    side  type   quantity  filled  price  average  status\n\
                    12  BTCUSDT  binance  buy   limit      0.01       0  60000        -  rejected\n\
                    the venue says: no balance (-2010)\n";
        assert_eq!(order(&data), want);
        assert_eq!(order(&json!({ "order": data })), want);
    }

    #[test]
    fn a_verdict_names_every_rule() {
        let data = json!({"would_pass": false, "denials": [
            {"code": "ORDER_NOTIONAL_ABOVE_MAX", "value": "6000", "limit": "5000", "message": "too large"}]});
        assert!(verdict(&data).contains("ORDER_NOTIONAL_ABOVE_MAX   6000   5000  too large"), "{}", verdict(&data));
        assert_eq!(verdict(&json!({"would_pass": true, "notional_usd": "12"})), "it would pass, valued at 12 USD\n");
    }

    #[test]
    fn a_webhook_that_fails_says_with_what_and_one_that_works_does_not() {
        let hook = |name: &str, failing: bool| {
            json!({"name": name, "kind": "slack", "delivered": 2, "waiting": 1, "given_up": 0, "refused": 0,
                   "failing": failing, "last_error": "answered 500"})
        };
        let said = status(&json!({"webhooks": [hook("desk", true), hook("night", false)]}));
        let line = |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{said}"));
        assert!(line("desk").ends_with("answered 500") && line("night").ends_with('-'), "{said}");
    }

    #[test]
    fn what_a_daemon_does_not_say_is_a_dash_and_never_a_crash() {
        let shapes: [fn(&Value) -> String; 13] = [
            status,
            orders,
            order,
            verdict,
            positions,
            portfolio,
            trades,
            alerts,
            latency,
            close,
            explain,
            connections,
            transition,
        ];
        for shape in shapes {
            for data in [json!({}), json!(null), json!([1]), json!({"orders": 1, "trades": [null], "order": "x"})] {
                shape(&data);
            }
        }
    }
}
