//! The engine's numbers in Prometheus' text format.
//!
//! They are made when they are asked for, from the view that everything else reads. Names and units follow Prometheus'
//! conventions (base units, `_total` for what only grows); the format is text exposition 0.0.4.

use super::app::App;
use super::replies::venue_name;
use super::risk_metrics::parts_used;
use super::view::View;
use crate::core::command::TradingState;
use crate::core::risk::RULES;
use crate::domain::{Dec, FeedState, Usd, VenueState};
use crate::journal::Tail;
use crate::net::link::Tx;
use crate::telemetry::Stage;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, header};
use std::fmt::Write;
use std::sync::Arc;

/// Upper bounds of the latency histogram's buckets, in nanoseconds.
const BUCKETS_NS: [u64; 19] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    10_000_000_000,
];

/// A bounded channel between two agents.
pub struct Queue {
    name: &'static str,
    exchange: Option<String>,
    capacity: usize,
    length: Box<dyn Fn() -> usize + Send + Sync>,
}

impl Queue {
    /// `name` as in `[channels]`; `exchange` where each venue has one.
    pub fn new<T: Send + 'static>(
        name: &'static str,
        exchange: Option<&str>,
        capacity: usize,
        channel: &Tx<T>,
    ) -> Queue {
        let channel = channel.clone();
        Queue { name, exchange: exchange.map(str::to_owned), capacity, length: Box::new(move || channel.len()) }
    }
}

/// What is looked at from outside of the view.
#[derive(Default)]
pub struct Gauges {
    queues: Vec<Queue>,
    /// How far the journal has come.
    journal: Option<Tail>,
}

impl Gauges {
    pub fn new(queues: Vec<Queue>, journal: Tail) -> Gauges {
        Gauges { queues, journal: Some(journal) }
    }
}

/// `GET /metrics`.
pub async fn metrics(State(app): State<Arc<App>>) -> Response<Body> {
    let text = exposition(&app, &app.view.lock());
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Text exposition, family by family.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail; the same below.
        let _ = writeln!(self.text, "# HELP tollgate_{name} {help}\n# TYPE tollgate_{name} {kind}");
    }

    /// `labels` are pairs of name and value.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let _ = write!(self.text, "tollgate_{name}");
        for (n, (label, text)) in labels.iter().enumerate() {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{}{label}=\"{escaped}\"", if n == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }
}

fn exposition(app: &App, view: &View) -> String {
    let mut page = Page::default();
    page.family("build_info", "gauge", "The version that runs, and what it is called.");
    let labels = [("name", app.info.name.as_str()), ("version", env!("CARGO_PKG_VERSION")), ("mode", app.info.mode)];
    page.sample("build_info", &labels, 1);
    trading(&mut page, app, view);
    orders(&mut page, view);
    money(&mut page, view);
    connections(&mut page, app, view);
    latency(&mut page, view);
    queues(&mut page, app);
    webhooks(&mut page, app);
    counted(&mut page, app);
    page.text
}

fn trading(page: &mut Page, app: &App, view: &View) {
    let core = view.core();
    page.family("trading_state", "gauge", "1 for the account's trading state, 0 for the others.");
    for state in [TradingState::Active, TradingState::Reducing, TradingState::Halted] {
        page.sample("trading_state", &[("state", state.as_str())], u8::from(core.trading() == state));
    }
    page.gauge("takes_commands", "1 while commands are taken.", u8::from(app.ready_with(view).is_ok()));
    page.gauge("run_number", "Which run of the journal this is.", core.run());
    page.gauge("journal_sequence", "Sequence of the last record that was seen in the journal.", core.seq());
    let last = Dec { value: core.now(), scale: 9 };
    page.gauge("journal_last_event_timestamp_seconds", "Time of that record.", last);
    let lag = Dec { value: (app.clock.now() - core.now()).max(0), scale: 9 };
    page.gauge("journal_lag_seconds", "How old that record is: the readers' lag, or the time nothing happened.", lag);
    if let Some(journal) = &app.gauges.journal {
        let unread = journal.committed_seq().saturating_sub(core.seq());
        page.gauge("journal_unread_records", "Records in the journal that were not seen yet.", unread);
    }
    page.gauge("event_listeners", "Connections that listen to the event stream.", app.listeners.count());
}

fn orders(page: &mut Page, view: &View) {
    let (core, run) = (view.core(), &view.run_start().counters);
    let counters = core.counters();
    page.counter("orders_placed_total", "Orders let out in this run.", counters.placed - run.placed);
    page.counter("orders_rejected_total", "Orders that venues refused in this run.", counters.rejected - run.rejected);
    page.counter("orders_unknown_total", "Orders that no answer settled at once.", counters.unknown - run.unknown);
    page.family("orders_denied_total", "counter", "Orders that a rule denied in this run.");
    for (rule, (all, before)) in RULES.iter().zip(counters.denied.iter().zip(run.denied)) {
        page.sample("orders_denied_total", &[("rule", rule)], all - before);
    }
    page.gauge("orders_open", "Orders that work, or whose fate is not known.", core.orders().live_count());
    page.counter("fills_total", "Fills counted in this run.", counters.fills - run.fills);
    let doubled = counters.fills_doubled - run.fills_doubled;
    page.counter("fills_repeated_total", "Fills that came again and were not counted again.", doubled);
    page.counter("quotes_total", "Quotes taken in this run.", counters.quotes - run.quotes);
    page.counter("market_trades_total", "Trades of the market taken in this run.", counters.trades - run.trades);
    page.counter("depth_updates_total", "Changes of books taken in this run.", counters.depth - run.depth);
    page.counter("alerts_raised_total", "Alerts raised in this run.", view.alarms_total());
}

fn money(page: &mut Page, view: &View) {
    let totals = &view.core().portfolio().totals;
    let usd = |amount: Usd| Dec { value: amount.0, scale: Usd::SCALE };
    for (name, help, value) in [
        ("equity_usd", "What the accounts are worth.", totals.equity),
        ("exposure_usd", "Gross exposure, open orders counted as if filled.", totals.exposure),
        ("unrealised_pnl_usd", "Profit and loss of what is held.", totals.unrealised),
        ("realised_pnl_usd", "Profit and loss of what was closed, before fees.", totals.realised),
        ("fees_usd", "Commissions paid.", totals.fees),
        ("pnl_usd", "Profit and loss, all told.", totals.pnl()),
        ("day_pnl_usd", "Profit and loss since the day began.", totals.day_pnl()),
    ] {
        page.gauge(name, help, usd(value));
    }
    page.family("position_quantity", "gauge", "Net quantity held, below zero for a short.");
    for inst in view.core().portfolio().defined() {
        let exchange = venue_name(view, inst.def.venue);
        let labels = [("symbol", inst.def.symbol.as_str()), ("exchange", exchange.as_str())];
        let net = Dec { value: inst.position.net.0, scale: inst.def.qty_scale };
        page.sample("position_quantity", &labels, net);
    }
    page.family("position_exposure_usd", "gauge", "Exposure of an instrument, open orders counted as if filled.");
    for inst in view.core().portfolio().defined() {
        let exchange = venue_name(view, inst.def.venue);
        let labels = [("symbol", inst.def.symbol.as_str()), ("exchange", exchange.as_str())];
        page.sample("position_exposure_usd", &labels, usd(inst.exposure()));
    }
    limits(page, view);
}

/// How much of each limit of the account is used; 1 is all of it. A limit that is switched off has no sample.
fn limits(page: &mut Page, view: &View) {
    page.family("limit_used_ratio", "gauge", "Part of an account's limit that is used; 1 is all of it.");
    for (limit, about, used) in parts_used(view) {
        let labels = [("limit", limit), ("about", about.as_str())];
        page.sample("limit_used_ratio", if about.is_empty() { &labels[..1] } else { &labels[..] }, used);
    }
}

fn connections(page: &mut Page, app: &App, view: &View) {
    page.family("venue_ready", "gauge", "1 while a venue is connected and reconciled: orders may go.");
    for (_, name, state) in view.core().venues() {
        page.sample("venue_ready", &[("exchange", name)], u8::from(state == VenueState::Ready));
    }
    page.family("feed_live", "gauge", "1 while an instrument's market data flows without a gap.");
    for inst in view.core().portfolio().defined() {
        let exchange = venue_name(view, inst.def.venue);
        let labels = [("symbol", inst.def.symbol.as_str()), ("exchange", exchange.as_str())];
        page.sample("feed_live", &labels, u8::from(inst.feed == FeedState::Live));
    }
    page.family("quote_age_seconds", "gauge", "Age of an instrument's last quote.");
    let now = app.clock.now();
    for inst in view.core().portfolio().defined().filter(|inst| inst.quote_ns != 0) {
        let exchange = venue_name(view, inst.def.venue);
        let labels = [("symbol", inst.def.symbol.as_str()), ("exchange", exchange.as_str())];
        page.sample("quote_age_seconds", &labels, Dec { value: (now - inst.quote_ns).max(0), scale: 9 });
    }
}

fn latency(page: &mut Page, view: &View) {
    let name = "stage_duration_seconds";
    page.family(name, "histogram", "Time that orders spent in each stage of their way.");
    for stage in Stage::ALL {
        let (counts, count, sum_ns) = view.stages().buckets(stage, &BUCKETS_NS);
        let bucket = format!("{name}_bucket");
        for (bound, below) in BUCKETS_NS.iter().zip(&counts) {
            let le = (*bound as f64 / 1e9).to_string();
            page.sample(&bucket, &[("stage", stage.as_str()), ("le", &le)], below);
        }
        page.sample(&bucket, &[("stage", stage.as_str()), ("le", "+Inf")], count);
        page.sample(&format!("{name}_sum"), &[("stage", stage.as_str())], sum_ns / 1e9);
        page.sample(&format!("{name}_count"), &[("stage", stage.as_str())], count);
    }
}

/// The channels between the agents; what they dropped, feeds and gateways counted themselves.
fn queues(page: &mut Page, app: &App) {
    let each = |page: &mut Page, name: &str, value: &dyn Fn(&Queue) -> usize| {
        for queue in &app.gauges.queues {
            let labels = [("queue", queue.name), ("exchange", queue.exchange.as_deref().unwrap_or_default())];
            let labels = if queue.exchange.is_none() { &labels[..1] } else { &labels[..] };
            page.sample(name, labels, value(queue));
        }
    };
    if app.gauges.queues.is_empty() {
        return;
    }
    page.family("queue_depth", "gauge", "Messages that wait in a channel between two agents.");
    each(page, "queue_depth", &|queue| (queue.length)());
    page.family("queue_capacity", "gauge", "Messages that the channel holds at most.");
    each(page, "queue_capacity", &|queue| queue.capacity);
}

fn webhooks(page: &mut Page, app: &App) {
    let hooks: Vec<_> = app.webhooks.reports().collect();
    if hooks.is_empty() {
        return;
    }
    page.family("webhook_alerts_total", "counter", "Alerts that were settled for a webhook, by what became of them.");
    for hook in &hooks {
        for (outcome, n) in [
            ("delivered", hook.delivered),
            ("refused", hook.refused),
            ("given_up", hook.given_up),
            ("left_out", hook.left_out),
        ] {
            page.sample("webhook_alerts_total", &[("webhook", &hook.name), ("outcome", outcome)], n);
        }
    }
    page.family("webhook_retries_total", "counter", "Attempts of a webhook after the first.");
    hooks.iter().for_each(|hook| page.sample("webhook_retries_total", &[("webhook", &hook.name)], hook.retries));
    page.family("webhook_waiting", "gauge", "Alerts that wait for a webhook.");
    hooks.iter().for_each(|hook| page.sample("webhook_waiting", &[("webhook", &hook.name)], hook.waiting));
    page.family("webhook_failing", "gauge", "1 while the last attempt of a webhook did not succeed.");
    hooks.iter().for_each(|hook| page.sample("webhook_failing", &[("webhook", &hook.name)], u8::from(hook.failing)));
}

/// What feeds, gateways, journal and queues counted themselves; their names are metrics' names already.
fn counted(page: &mut Page, app: &App) {
    for (name, value) in app.counters.snapshot() {
        let words = name.trim_end_matches("_total").replace('_', " ");
        if name.ends_with("_total") {
            page.counter(&name, &format!("Counted by the engine: {words}."), value);
        } else {
            page.gauge(&name, &format!("A level in the engine: {words}."), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_the_page() {
        let mut page = Page::default();
        page.family("x", "gauge", "What it is.");
        page.sample("x", &[("a", "say \"hi\"\\\n"), ("b", "c")], 2);
        page.sample("x", &[], Dec { value: 15, scale: 1 });
        let want = "# HELP tollgate_x What it is.\n# TYPE tollgate_x gauge\n\
                    tollgate_x{a=\"say \\\"hi\\\"\\\\\\n\",b=\"c\"} 2\ntollgate_x 1.5\n";
        assert_eq!(page.text, want);
    }
}
