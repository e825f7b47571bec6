//! `GET`: what is, as the journal has it.

use super::act::{order_of, unknown_action};
use super::alerts;
use super::answer::{Answer, Failure, ok, time};
use super::app::{App, Call};
use super::auth::role_to_look;
use super::effective;
use super::events::{EventId, read_filter};
use super::fields::cut;
use super::health;
use super::query::Query;
use super::replies::{AlarmNote, DenialNote, LatencyReply, OrderReply, PositionReply, TradeReply, usd, venue_name};
use super::risk_metrics::risk_metrics;
use super::stop::StopReply;
use super::transition;
use super::view::View;
use super::webhooks::HookReply;
use crate::core::orders::Order;
use crate::core::risk::RULES;
use crate::domain::{Dec, Mode, OrderId, Round, Usd, num};
use axum::http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// What `action` may be.
pub const ACTIONS: [&str; 18] = [
    "status",
    "portfolio",
    "positions",
    "trades",
    "performance",
    "orders",
    "order",
    "latency",
    "events",
    "transition-status",
    "equity",
    "candles",
    "credentials-status",
    "explain",
    "config",
    "health",
    "alerts",
    "risk-metrics",
];

/// Answers a request's query.
pub fn show(app: &Call, query: Query) -> Answer {
    let Some(action) = query.get("action") else {
        return Err(Failure::field("action", format!("is missing; there are {}", ACTIONS.join(", "))));
    };
    app.caller.need(role_to_look(&action), &action)?;
    let view = app.view.lock();
    match action.as_str() {
        "status" => query.finish().and_then(|()| ok(status(app, &view))),
        "portfolio" => query.finish().and_then(|()| ok(portfolio(&view))),
        "positions" => positions(&view, query),
        "trades" => trades(&view, query),
        "performance" => {
            let mode = query.mode();
            query.finish()?;
            let Some(mode) = mode else { return ok(performance(app, &view)) };
            drop(view);
            transition::performance(app, mode)
        }
        "transition-status" => {
            query.finish()?;
            drop(view);
            transition::show(app)
        }
        "orders" => orders(&view, query),
        "order" => order(&view, query),
        "latency" => query.finish().and_then(|()| ok(json!({ "stages": latency(&view) }))),
        "events" => events(&view, query),
        "risk-metrics" => query.finish().and_then(|()| ok(risk_metrics(&view))),
        "equity" => query.finish().and_then(|()| ok(equity(&view))),
        "config" => query.finish().and_then(|()| ok(effective::config(app, &view))),
        "health" => query.finish().and_then(|()| ok(health::health(app, &view))),
        "candles" => candles(&view, query),
        "alerts" => alerts::show(&view, query),
        other => Err(unknown_action(other, &ACTIONS)),
    }
}

fn status(app: &App, view: &View) -> Value {
    let (core, now, run) = (view.core(), app.clock.now(), view.run_start());
    let (counters, totals) = (core.counters(), &core.portfolio().totals);
    let venues: Vec<Value> =
        core.venues().map(|(_, name, state)| json!({ "name": name, "state": state.as_str() })).collect();
    let instruments = core.portfolio().defined().map(|inst| {
        let px = |px: crate::domain::Price| Dec { value: px.0, scale: inst.def.px_scale }.to_string();
        let quoted = inst.quote_ns != 0;
        json!({
            "symbol": inst.def.symbol.as_str(),
            "exchange": venue_name(view, inst.def.venue),
            "feed": inst.feed.as_str(),
            "bid": quoted.then(|| px(inst.quote.bid_px)),
            "ask": quoted.then(|| px(inst.quote.ask_px)),
            "quote_age_ms": quoted.then(|| (now - inst.quote_ns).max(0) / 1_000_000),
        })
    });
    let denied: Map<String, Value> = RULES
        .iter()
        .zip(counters.denied.iter().zip(run.counters.denied))
        .filter(|(_, (all, before))| **all > *before)
        .map(|(rule, (all, before))| ((*rule).to_owned(), json!(all - before)))
        .collect();
    let recent = |n: usize| view.denials().rev().take(n).map(|note| DenialNote::new(view, note)).collect::<Vec<_>>();
    let alarms = |n: usize| view.alarms().rev().take(n).map(|note| AlarmNote::new(view, note)).collect::<Vec<_>>();
    let not_ready = app.ready_with(view).err().map(|failure| failure.message);
    json!({
        "name": app.info.name,
        "version": env!("CARGO_PKG_VERSION"),
        "mode": if core.road().standing().state.is_live() { "live" } else { "paper" },
        "configured_mode": app.info.mode,
        "transition": core.road().standing().state.as_str(),
        "stage": core.road().standing().stage,
        "takes_commands": not_ready.is_none(),
        "takes_none_because": not_ready,
        "trading_state": core.trading().as_str(),
        "restrained": core.restrained().map(|(scope, state)| json!({
            "scope": scope.to_string(),
            "trading_state": state.as_str(),
        })).collect::<Vec<_>>(),
        "emergency_stop": StopReply::new(view),
        "shutting_down": core.is_shutting_down(),
        "looks": ACTIONS,
        "run": core.run(),
        "started_at": (run.ts_ns != 0).then(|| time(run.ts_ns)),
        "journal": { "seq": core.seq(), "last_event_at": time(core.now()) },
        "venues": venues,
        "instruments": instruments.collect::<Vec<_>>(),
        "run_counts": {
            "quotes": counters.quotes - run.counters.quotes,
            "trades": counters.trades - run.counters.trades,
            "depth_updates": counters.depth - run.counters.depth,
            "orders_placed": counters.placed - run.counters.placed,
            "orders_rejected": counters.rejected - run.counters.rejected,
            "orders_unknown": counters.unknown - run.counters.unknown,
            "fills": counters.fills - run.counters.fills,
            "fills_doubled": counters.fills_doubled - run.counters.fills_doubled,
            "denied": denied,
            "alarms": view.alarms_total(),
        },
        "open_orders": core.orders().live_count(),
        "equity_usd": usd(totals.equity),
        "run_pnl_usd": usd(totals.pnl().saturating_sub(run.pnl)),
        "day_pnl_usd": usd(totals.day_pnl()),
        "recent_denials": recent(5),
        "recent_alarms": alarms(5),
        "latency": latency(view),
        "webhooks": app.webhooks.reports().map(|hook| HookReply::new(&hook)).collect::<Vec<_>>(),
        "counters": app.counters.snapshot().into_iter().map(|(name, n)| (name, json!(n))).collect::<Map<_, _>>(),
    })
}

fn portfolio(view: &View) -> Value {
    let core = view.core();
    let totals = &core.portfolio().totals;
    let names: Vec<_> = core.assets().collect();
    let balances = core.account().known().map(|(venue, asset, holding)| {
        let amount = |value| Dec { value, scale: 8 }.to_string();
        json!({
            "exchange": venue_name(view, venue),
            "asset": names.iter().find(|(id, _)| *id == asset).map_or("", |(_, name)| name),
            "total": amount(holding.total),
            "available": amount(holding.available()),
            "held_by_orders": amount(holding.reserved),
            "held_by_others": amount(holding.foreign),
        })
    });
    // Gross exposure over equity, rounded up; without equity there is no leverage to speak of.
    let leverage = num::mul_div(totals.exposure.0, 1_000_000, totals.equity.0, Round::Up)
        .filter(|_| totals.equity > Usd::ZERO)
        .map(|value| Dec { value, scale: 6 }.to_string());
    json!({
        "equity_usd": usd(totals.equity),
        "exposure_usd": usd(totals.exposure),
        "leverage": leverage,
        "unrealised_usd": usd(totals.unrealised),
        "realised_usd": usd(totals.realised),
        "fees_usd": usd(totals.fees),
        "pnl_usd": usd(totals.pnl()),
        "day_pnl_usd": usd(totals.day_pnl()),
        "venues": by_venue(view),
        "assets": by_asset(view),
        "balances": balances.collect::<Vec<_>>(),
        "positions": held(view).collect::<Vec<_>>(),
    })
}

/// What is held of each asset over all venues, paper and live apart, and what it is worth.
fn by_asset(view: &View) -> Vec<Value> {
    let core = view.core();
    let trades_live = core.portfolio().defined().any(|inst| inst.live);
    let mut rows = Vec::new();
    for (id, name) in core.assets() {
        let asset = core.portfolio().asset(id);
        for live in [false, true].into_iter().filter(|live| !live || trades_live) {
            rows.push(json!({
                "asset": name,
                "mode": if live { "live" } else { "paper" },
                "total": Dec { value: asset.total(live), scale: 8 }.to_string(),
                "value_usd": asset.value(live).map(usd),
                "exposure_usd": usd(core.portfolio().asset_exposure(id, live)),
            }));
        }
    }
    rows
}

/// Profit and loss of each venue's instruments.
fn by_venue(view: &View) -> Vec<Value> {
    let core = view.core();
    let mut rows = Vec::new();
    for (id, name, _) in core.venues() {
        let (mut exposure, mut unrealised, mut realised, mut fees) = (Usd::ZERO, Usd::ZERO, Usd::ZERO, Usd::ZERO);
        for inst in core.portfolio().defined().filter(|inst| inst.def.venue == id) {
            exposure = exposure.saturating_add(inst.exposure());
            unrealised = unrealised.saturating_add(inst.unrealised());
            realised = realised.saturating_add(inst.realised());
            fees = fees.saturating_add(inst.position.fees);
        }
        rows.push(json!({
            "exchange": name,
            "exposure_usd": usd(exposure),
            "unrealised_usd": usd(unrealised),
            "realised_usd": usd(realised),
            "fees_usd": usd(fees),
            "pnl_usd": usd(realised.saturating_add(unrealised).saturating_sub(fees)),
        }));
    }
    rows
}

/// Profit and loss as it stands, for the event stream.
pub(super) fn pnl(view: &View) -> Value {
    let totals = &view.core().portfolio().totals;
    json!({
        "equity_usd": usd(totals.equity),
        "exposure_usd": usd(totals.exposure),
        "unrealised_usd": usd(totals.unrealised),
        "realised_usd": usd(totals.realised),
        "fees_usd": usd(totals.fees),
        "pnl_usd": usd(totals.pnl()),
        "day_pnl_usd": usd(totals.day_pnl()),
    })
}

fn held(view: &View) -> impl Iterator<Item = PositionReply> {
    let open = view.core().portfolio().defined().filter(|inst| !inst.position.net.is_zero());
    open.map(|inst| PositionReply::new(view, inst))
}

fn positions(view: &View, query: Query) -> Answer {
    let exchange = query.get("exchange");
    query.finish()?;
    if let Some(exchange) = exchange.as_ref().filter(|name| !view.core().venues().any(|(_, known, _)| known == **name))
    {
        let message = format!("{:?} is not a configured venue", cut(exchange));
        return Err(Failure::new(StatusCode::NOT_FOUND, "UNKNOWN_EXCHANGE", message));
    }
    let wanted = |position: &PositionReply| exchange.as_ref().is_none_or(|exchange| position.exchange == *exchange);
    ok(json!({ "positions": held(view).filter(wanted).collect::<Vec<_>>() }))
}

/// Newest first, `from` a time on and before another. `cursor` is the answer's `next_cursor`, and goes on where that
/// ended.
fn trades(view: &View, query: Query) -> Answer {
    let (limit, before) = (query.limit(), query.whole("cursor", u64::MAX));
    let symbol = query.get("symbol");
    let mode = query.mode();
    let (from, to) = (query.time("from"), query.time("to"));
    query.finish()?;
    let of_mode = |id| {
        let live = view.core().portfolio().get(id).is_some_and(|inst| inst.live);
        mode.is_none_or(|mode| live == (mode == Mode::Live))
    };
    let page = page(
        view.fills().rev(),
        limit,
        |note| {
            let within = from.is_none_or(|from| note.ts_ns >= from) && to.is_none_or(|to| note.ts_ns < to);
            note.seq < before && within
        },
        |note| {
            let trade = TradeReply::new(view, note);
            let wanted = symbol.as_ref().is_none_or(|symbol| trade.symbol == *symbol) && of_mode(note.fill.instrument);
            wanted.then_some((note.seq, trade))
        },
    );
    ok(json!({ "trades": page.0, "next_cursor": page.1 }))
}

/// The equity of the last day, oldest first, a sample every ten seconds.
fn equity(view: &View) -> Value {
    let samples =
        view.curves().equity().map(|(ts_ns, equity)| json!({ "time": time(ts_ns), "equity_usd": usd(equity) }));
    json!({ "samples": samples.collect::<Vec<_>>() })
}

/// The last day of an instrument in minutes of its middle price, oldest first.
fn candles(view: &View, query: Query) -> Answer {
    let symbol = query.required("symbol");
    let exchange = query.get("exchange");
    query.finish()?;
    let venue = |inst: &crate::core::portfolio::Inst| venue_name(view, inst.def.venue);
    let found = view.core().portfolio().defined().find(|inst| {
        inst.def.symbol.as_str() == symbol && exchange.as_ref().is_none_or(|exchange| venue(inst) == *exchange)
    });
    let Some(inst) = found else {
        let message = format!("{symbol} is not a configured instrument");
        return Err(Failure::new(StatusCode::NOT_FOUND, "UNKNOWN_INSTRUMENT", message));
    };
    let px = |px: crate::domain::Price| Dec { value: px.0, scale: inst.def.px_scale }.to_string();
    let bars = view.curves().bars(inst.def.id).map(|bar| {
        json!({
            "time": time(bar.ts_ns),
            "open": px(bar.open),
            "high": px(bar.high),
            "low": px(bar.low),
            "close": px(bar.close),
        })
    });
    ok(json!({ "symbol": symbol, "exchange": venue(inst), "candles": bars.collect::<Vec<_>>() }))
}

/// The latest events, newest first; `types` and `symbol` as the stream knows them. What is older than the memory is in
/// the stream, `from` any sequence of the journal.
fn events(view: &View, query: Query) -> Answer {
    let limit = query.limit();
    let filter = read_filter(&query);
    let before = query.get("cursor").and_then(|text| {
        let id = EventId::exact(&text);
        if id.is_none() {
            query.fault("cursor", format!("must be the id of an event, is {text:?}"));
        }
        id
    });
    query.finish()?;
    let mut rows = view.events().back_from(before, &filter);
    let (mut taken, mut last) = (Vec::new(), None);
    for (id, text) in rows.by_ref().take(limit) {
        last = Some(id.to_string());
        taken.push(RawValue::from_string(text.to_owned()).ok());
    }
    let next = rows.next().and(last);
    ok(json!({ "events": taken, "next_cursor": next }))
}

/// At most `limit` of the rows, and the cursor where there are more.
fn page<'a, N: 'a, T>(
    notes: impl Iterator<Item = &'a N>,
    limit: usize,
    after_cursor: impl Fn(&N) -> bool,
    row: impl Fn(&'a N) -> Option<(u64, T)>,
) -> (Vec<T>, Option<String>) {
    let mut rows = notes.filter(|note| after_cursor(note)).filter_map(row);
    let mut last = 0;
    let mut taken = Vec::new();
    for (seq, row) in rows.by_ref().take(limit) {
        last = seq;
        taken.push(row);
    }
    let more = rows.next().is_some();
    (taken, more.then(|| last.to_string()))
}

pub(super) fn performance(app: &App, view: &View) -> Value {
    let (sums, totals, run) = (view.performance(), &view.core().portfolio().totals, view.run_start());
    let closed = sums.wins + sums.losses;
    json!({
        "mode": app.info.mode,
        "realised_usd": usd(totals.realised),
        "unrealised_usd": usd(totals.unrealised),
        "fees_usd": usd(totals.fees),
        "pnl_usd": usd(totals.pnl()),
        "run_pnl_usd": usd(totals.pnl().saturating_sub(run.pnl)),
        "day_pnl_usd": usd(totals.day_pnl()),
        "fills": sums.fills,
        "volume_usd": usd(sums.volume),
        "closing_fills": { "wins": sums.wins, "losses": sums.losses },
        "win_rate_pct": num::mul_div(sums.wins as i64, 10_000, closed as i64, Round::Down)
            .map(|value| Dec { value, scale: 2 }.to_string()),
        "gross_profit_usd": usd(sums.profit),
        "gross_loss_usd": usd(sums.loss),
        "profit_factor": num::mul_div(sums.profit.0, 10_000, sums.loss.0, Round::Down)
            .map(|value| Dec { value, scale: 4 }.to_string()),
        "equity_usd": usd(totals.equity),
        "run_equity_start_usd": sums.equity_start.map(usd),
        "run_equity_high_usd": sums.equity_start.map(|_| usd(sums.equity_high)),
        "run_drawdown_max_usd": usd(sums.drawdown_max),
    })
}

/// `status`: `open` (as if not given), `closed` or `all`: open ones first, and of each the newest first. `cursor` goes
/// on behind the order that it names.
fn orders(view: &View, query: Query) -> Answer {
    let limit = query.limit();
    let (symbol, which) = (query.get("symbol"), query.get("status").unwrap_or_else(|| "open".to_owned()));
    if !["open", "closed", "all"].contains(&which.as_str()) {
        query.fault("status", format!("must be one of open, closed, all, is {which:?}"));
    }
    let behind = query.get("cursor").and_then(|text| {
        let place = text.split_once('-').and_then(|(word, id)| {
            let open = ["closed", "open"].iter().position(|known| *known == word)?;
            Some((open == 1, OrderId(id.parse().ok()?)))
        });
        if place.is_none() {
            query.fault("cursor", format!("must be the next_cursor of a page, is {text:?}"));
        }
        place
    });
    query.finish()?;
    let table = view.core().orders();
    let open = table.live().filter(|_| which != "closed").map(|order| (true, order));
    let closed = table.closed().filter(|_| which != "open").map(|order| (false, order));
    let mut all: Vec<((bool, OrderId), &Order)> =
        open.chain(closed).map(|(open, order)| ((open, order.id), order)).collect();
    all.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
    let mut rows = all.into_iter().filter(|(place, _)| behind.is_none_or(|behind| *place < behind)).filter_map(
        |(place, order)| {
            let reply = OrderReply::new(view, order);
            symbol.as_ref().is_none_or(|symbol| reply.symbol == *symbol).then_some((place, reply))
        },
    );
    let page: Vec<((bool, OrderId), OrderReply)> = rows.by_ref().take(limit).collect();
    let next = page
        .last()
        .filter(|_| rows.next().is_some())
        .map(|((open, id), _)| format!("{}-{}", if *open { "open" } else { "closed" }, id.0));
    let orders: Vec<OrderReply> = page.into_iter().map(|(_, reply)| reply).collect();
    ok(json!({ "orders": orders, "next_cursor": next }))
}

/// One order that the engine remembers; `explain` finds the others in the journal.
fn order(view: &View, query: Query) -> Answer {
    let text = query.required("id");
    query.finish()?;
    match order_of(view, &text) {
        Some(order) => ok(OrderReply::new(view, &order)),
        None => {
            let message =
                format!("there is no order {:?} among those that are remembered: explain asks the journal", cut(&text));
            Err(Failure::new(StatusCode::NOT_FOUND, "ORDER_NOT_FOUND", message))
        }
    }
}

fn latency(view: &View) -> Vec<LatencyReply> {
    view.stages().rows().map(LatencyReply::from).collect()
}
