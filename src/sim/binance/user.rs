//! Events of the user data stream (reference §16).

use super::lists::OrderList;
use super::orders::{ALLOCATION_MATCH, Order};
use crate::sim::json::Json;
use std::sync::Arc;

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exec {
    New,
    Trade,
    Canceled,
    Replaced,
    Expired,
    Prevented,
}

impl Exec {
    fn text(self) -> &'static str {
        match self {
            Exec::New => "NEW",
            Exec::Trade => "TRADE",
            Exec::Canceled => "CANCELED",
            Exec::Replaced => "REPLACED",
            Exec::Expired => "EXPIRED",
            Exec::Prevented => "TRADE_PREVENTION",
        }
    }
}

/// The fill that a report tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastFill {
    pub trade_id: u64,
    pub px: i64,
    pub qty: i64,
    pub quote: i128,
    pub commission: i128,
    pub commission_asset: usize,
    pub maker: bool,
    /// The allocation that it was, in place of a trade.
    pub allocation: Option<u64>,
}

/// An execution report: the order as it stood right after.
#[derive(Debug, Clone)]
pub struct Report {
    pub order: Order,
    pub exec: Exec,
    pub exec_id: u64,
    pub fill: Option<LastFill>,
    /// The cancel request's own id, which takes the order's place in `c`; of an amendment, the id that the order had
    /// before.
    pub other_id: Option<Arc<str>>,
}

/// An event for one account.
#[derive(Debug, Clone)]
pub struct UserEvent {
    pub account: usize,
    pub time_us: i64,
    pub body: UserBody,
}

#[derive(Debug, Clone)]
pub enum UserBody {
    Report(Box<Report>),
    /// A list began, ended or had an order amended; its status type and its orders with their client ids.
    List(Box<OrderList>, &'static str, Vec<(u64, Arc<str>)>),
    /// `(asset, free, locked)` of every asset that may have changed.
    Position(Vec<(usize, i128, i128)>),
}

impl UserEvent {
    pub fn is_report(&self) -> bool {
        matches!(self.body, UserBody::Report(_))
    }

    /// Writes the event as a member, or alone where `key` is empty.
    pub fn write(&self, j: &mut Json, key: &str, symbols: impl Fn(usize) -> String, assets: &[String]) {
        j.object(key, |j| match &self.body {
            UserBody::Report(report) => write_report(report, j, self.time_us, &symbols, assets),
            UserBody::List(list, what, members) => {
                write_list(list, what, members, j, self.time_us, &symbols(list.symbol))
            }
            UserBody::Position(balances) => {
                j.str("e", "outboundAccountPosition");
                j.time("E", self.time_us);
                j.time("u", self.time_us);
                j.array("B", |j| {
                    for (asset, free, locked) in balances {
                        j.object("", |j| {
                            j.str("a", &assets[*asset]);
                            j.dec("f", *free);
                            j.dec("l", *locked);
                        });
                    }
                });
            }
        });
    }
}

fn write_list(list: &OrderList, what: &str, members: &[(u64, Arc<str>)], j: &mut Json, time_us: i64, symbol: &str) {
    j.str("e", "listStatus");
    j.time("E", time_us);
    j.str("s", symbol);
    j.uint("g", list.id);
    j.str("c", list.contingency());
    j.str("l", what);
    j.str("L", list.status().1);
    j.str("r", "NONE");
    j.str("C", &list.client_id);
    j.time("T", list.updated_us);
    j.array("O", |j| {
        for (id, client_id) in members {
            j.object("", |j| {
                j.str("s", symbol);
                j.uint("i", *id);
                j.str("c", client_id);
            });
        }
    });
}

fn write_report(report: &Report, j: &mut Json, time_us: i64, symbols: &dyn Fn(usize) -> String, assets: &[String]) {
    let order = &report.order;
    let symbol = &symbols(order.symbol);
    let fill = report.fill.as_ref();
    // A market order shows itself on the book in its NEW, and only there; a stop not before it was triggered.
    let on_book = match report.exec {
        Exec::New => order.working_us.is_some(),
        _ => order.resting(),
    };
    j.str("e", "executionReport");
    j.time("E", time_us);
    j.str("s", symbol);
    let (shown_id, prior_id) = match (&report.other_id, report.exec) {
        (Some(before), Exec::Replaced) => (&order.client_id, &**before),
        (Some(cancel_id), _) => (cancel_id, &*order.client_id),
        (None, _) => (&order.client_id, ""),
    };
    j.str("c", shown_id);
    j.str("S", order.side.text());
    j.str("o", order.kind.text());
    j.str("f", order.tif.text());
    j.dec("q", order.qty);
    j.dec("p", order.px_sent());
    j.dec("P", order.stop_px);
    j.dec("F", order.iceberg);
    j.int("g", order.list_id());
    j.str("C", prior_id);
    j.str("x", report.exec.text());
    j.str("X", order.status.text());
    j.str("r", "NONE");
    j.uint("i", order.id);
    j.dec("l", fill.map_or(0, |f| f.qty));
    j.dec("z", order.filled);
    j.dec("L", fill.map_or(0, |f| f.px));
    match fill {
        Some(f) if f.commission > 0 => {
            j.dec("n", f.commission);
            j.str("N", &assets[f.commission_asset]);
        }
        _ => {
            j.str("n", "0");
            j.null("N");
        }
    }
    j.time("T", order.updated_us);
    let allocation = fill.and_then(|f| f.allocation);
    j.int("t", fill.filter(|f| f.allocation.is_none()).map_or(-1, |f| f.trade_id as i64));
    if let Some(prevented) = &order.prevented {
        j.uint("v", prevented.match_id);
    }
    j.uint("I", report.exec_id);
    j.bool("w", on_book);
    j.bool("m", fill.is_some_and(|f| f.maker));
    j.bool("M", fill.is_some());
    j.time("O", order.created_us);
    j.dec("Z", order.quote_filled);
    j.dec("Y", fill.map_or(0, |f| f.quote));
    j.dec("Q", order.quote_qty);
    if let Some(since) = order.working_us {
        j.time("W", since);
    }
    j.str("V", order.stp.text());
    if let Some(trailing) = &order.trailing {
        j.int("d", trailing.delta);
        if trailing.extreme > 0 {
            j.time("D", trailing.since_us);
        }
    }
    if let Some(id) = order.strategy_id {
        j.int("j", id);
    }
    if let Some(kind) = order.strategy_type {
        j.int("J", kind);
    }
    if let (Exec::Prevented, Some(prevented)) = (report.exec, &order.prevented) {
        j.dec("A", order.prevented_qty);
        j.dec("B", prevented.qty);
        j.int("u", -1);
        j.uint("U", prevented.other_order);
        j.str("Cs", &symbols(prevented.other_symbol));
        j.dec("pl", prevented.qty);
        j.dec("pL", prevented.px);
        j.dec("pY", crate::sim::decimal::notional(prevented.px, prevented.qty));
    }
    if let Some(id) = allocation {
        j.str("b", ALLOCATION_MATCH);
        j.uint("a", id);
    }
    if order.sor {
        j.str("k", "SOR");
        j.bool("uS", true);
    }
    if let Some(peg) = &order.peg {
        j.str("gP", peg.price.text());
        if let Some(levels) = peg.offset {
            j.str("gOT", "PRICE_LEVEL");
            j.int("gOV", levels);
        }
        j.dec("gp", peg.px);
    }
    if let Some(expiry) = order.expiry {
        j.str("eR", expiry.text());
    }
}
