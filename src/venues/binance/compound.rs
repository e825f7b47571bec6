//! Requests about more than one order: lists, cancel-replace, amendments, and the test of an order (§7.1, §8, §9).
//!
//! They are rare beside plain orders, so their parameters are gathered and sorted instead of being written in order.

use super::digits::Digits;
use super::request::{OrderRef, PlaceError, RequestBuilder, RequestKind, RequestTag, cancel_text, has_tif};
use crate::domain::{ListKind, NewOrder, OrderId, OrderType, Qty, ReplaceMode, Side, StpMode, TimeInForce, Trail};

/// A parameter: its name, its value, and whether JSON quotes it.
type Param = (String, String, bool);

/// The parameters of one request, in no order.
struct Gathered(Vec<Param>);

impl Gathered {
    fn new() -> Gathered {
        Gathered(Vec::with_capacity(40))
    }

    fn text(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into(), true));
    }

    fn number(&mut self, name: &str, value: i64) {
        self.0.push((name.to_owned(), value.to_string(), false));
    }

    fn fixed(&mut self, name: &str, units: i64) {
        self.text(name, String::from_utf8_lossy(Digits::fixed(units).text()).into_owned());
    }

    /// One order under a prefix: `above` makes `price` into `abovePrice`. What the list says for all its legs is left
    /// out: side and quantity where `sized` is false.
    fn leg(&mut self, prefix: &str, order: &NewOrder, epoch: u32, sized: bool) {
        let named = |name: &str| match name.split_at(1) {
            _ if prefix.is_empty() => name.to_owned(),
            (first, rest) => format!("{prefix}{}{rest}", first.to_uppercase()),
        };
        let client = if prefix.is_empty() { "newClientOrderId" } else { "clientOrderId" };
        self.text(&named(client), order.order.client_text(epoch).as_str());
        self.text(&named("type"), kind_text(order.kind));
        if has_tif(order.kind) {
            self.text(&named("timeInForce"), tif_text(order.tif));
        }
        if order.kind.is_limit() {
            self.fixed(&named("price"), order.px.0);
        }
        let terms = &order.terms;
        if !terms.stop_px.is_zero() {
            self.fixed(&named("stopPrice"), terms.stop_px.0);
        }
        if let Trail::Bips(bips) = terms.trail {
            self.number(&named("trailingDelta"), bips.into());
        }
        if !terms.display_qty.is_zero() {
            self.fixed(&named("icebergQty"), terms.display_qty.0);
        }
        if sized {
            self.text(&named("side"), side_text(order.side));
            if terms.quote_qty.is_zero() {
                self.fixed(&named("quantity"), order.qty.0);
            } else {
                self.fixed(&named("quoteOrderQty"), terms.quote_qty.0);
            }
        }
    }

    fn stp(&mut self, mode: StpMode) {
        let text = match mode {
            StpMode::Venue => return,
            StpMode::None => "NONE",
            StpMode::ExpireTaker => "EXPIRE_TAKER",
            StpMode::ExpireMaker => "EXPIRE_MAKER",
            StpMode::ExpireBoth => "EXPIRE_BOTH",
            StpMode::Decrement => "DECREMENT",
            StpMode::Transfer => "TRANSFER",
        };
        self.text("selfTradePreventionMode", text);
    }

    /// The order that is meant, by the venue's id where that is known (§9.1).
    fn target(&mut self, target: OrderRef, epoch: u32, id: &str, client_id: &str) {
        if target.venue_order_id.is_none() {
            self.text(client_id, target.order.client_text(epoch).as_str());
        } else {
            self.number(id, target.venue_order_id.lo.min(i64::MAX as u64) as i64);
        }
    }
}

fn side_text(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

fn tif_text(tif: TimeInForce) -> &'static str {
    match tif {
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
        // The others are refused before.
        _ => "GTC",
    }
}

fn kind_text(kind: OrderType) -> &'static str {
    match kind {
        OrderType::Market => "MARKET",
        OrderType::Limit => "LIMIT",
        OrderType::LimitMaker => "LIMIT_MAKER",
        OrderType::Stop | OrderType::TrailingStop => "STOP_LOSS",
        OrderType::StopLimit | OrderType::TrailingStopLimit => "STOP_LOSS_LIMIT",
        OrderType::TakeProfit => "TAKE_PROFIT",
        OrderType::TakeProfitLimit => "TAKE_PROFIT_LIMIT",
    }
}

/// The list client order id of the list whose first order this is: the order's own text with `tl` for `tg`.
pub fn list_text(first: OrderId, epoch: u32) -> String {
    first.client_text(epoch).as_str().replacen("tg", "tl", 1)
}

/// The first of the two legs of an OCO is the one above the market.
fn above_below<'a>(a: &'a NewOrder, b: &'a NewOrder) -> (&'a NewOrder, &'a NewOrder) {
    // A stop that buys waits above, one that sells below; its mate is on the other side.
    let stop = matches!(
        a.kind,
        OrderType::Stop | OrderType::StopLimit | OrderType::TrailingStop | OrderType::TrailingStopLimit
    );
    if stop == (a.side == Side::Buy) { (a, b) } else { (b, a) }
}

impl RequestBuilder {
    /// `orderList.place.oco`, `.oto` or `.otoco`, answered with an ACK of each leg.
    pub fn place_list(
        &mut self,
        out: &mut Vec<u8>,
        kind: ListKind,
        legs: [&NewOrder; 3],
        symbol: &str,
        now_ms: i64,
    ) -> Result<(), PlaceError> {
        let [first, second, third] = legs;
        let used = if kind == ListKind::Otoco { &legs[..] } else { &legs[..2] };
        used.iter().try_for_each(|leg| self.sayable(leg))?;
        let epoch = self.epoch();
        let mut p = Gathered::new();
        p.text("listClientOrderId", list_text(first.order, epoch));
        p.text("newOrderRespType", "ACK");
        p.text("symbol", symbol);
        p.stp(first.terms.stp);
        let method = match kind {
            ListKind::Oco => {
                let (above, below) = above_below(first, second);
                p.text("side", side_text(first.side));
                p.fixed("quantity", first.qty.0);
                p.leg("above", above, epoch, false);
                p.leg("below", below, epoch, false);
                "orderList.place.oco"
            }
            ListKind::Oto => {
                p.leg("working", first, epoch, true);
                p.leg("pending", second, epoch, true);
                "orderList.place.oto"
            }
            ListKind::Otoco => {
                let (above, below) = above_below(second, third);
                p.leg("working", first, epoch, true);
                p.text("pendingSide", side_text(second.side));
                p.fixed("pendingQuantity", second.qty.0);
                p.leg("pendingAbove", above, epoch, false);
                p.leg("pendingBelow", below, epoch, false);
                "orderList.place.otoco"
            }
        };
        self.say(out, RequestTag::new(RequestKind::PlaceList, first.order.0), method, p, now_ms);
        Ok(())
    }

    /// `order.cancelReplace`. The new order is answered with an ACK.
    pub fn replace(
        &mut self,
        out: &mut Vec<u8>,
        old: OrderRef,
        mode: ReplaceMode,
        new: &NewOrder,
        symbol: &str,
        now_ms: i64,
    ) -> Result<(), PlaceError> {
        self.sayable(new)?;
        let epoch = self.epoch();
        let mut p = Gathered::new();
        p.text(
            "cancelReplaceMode",
            match mode {
                ReplaceMode::StopOnFailure => "STOP_ON_FAILURE",
                ReplaceMode::AllowFailure => "ALLOW_FAILURE",
            },
        );
        p.text("cancelNewClientOrderId", String::from_utf8_lossy(&cancel_text(old.order, epoch)).into_owned());
        p.target(old, epoch, "cancelOrderId", "cancelOrigClientOrderId");
        p.text("newOrderRespType", "ACK");
        p.text("symbol", symbol);
        p.stp(new.terms.stp);
        p.leg("", new, epoch, true);
        self.say(out, RequestTag::new(RequestKind::Replace, new.order.0), "order.cancelReplace", p, now_ms);
        Ok(())
    }

    /// `order.amend.keepPriority`. The order keeps its client order id: without one the venue would make one up (§9.3).
    pub fn amend(&mut self, out: &mut Vec<u8>, target: OrderRef, qty: Qty, symbol: &str, now_ms: i64) {
        let epoch = self.epoch();
        let mut p = Gathered::new();
        p.target(target, epoch, "orderId", "origClientOrderId");
        p.text("newClientOrderId", target.order.client_text(epoch).as_str());
        p.fixed("newQty", qty.0);
        p.text("symbol", symbol);
        let tag = RequestTag::new(RequestKind::Amend, target.order.0);
        self.say(out, tag, "order.amend.keepPriority", p, now_ms);
    }

    /// `order.test`: the order with all that `place` would say of it, placed nowhere. `tag` is whoever's answer it is.
    pub fn test(
        &mut self,
        out: &mut Vec<u8>,
        tag: u64,
        order: &NewOrder,
        symbol: &str,
        now_ms: i64,
    ) -> Result<(), PlaceError> {
        self.sayable(order)?;
        let epoch = self.epoch();
        let mut p = Gathered::new();
        p.text("newOrderRespType", "ACK");
        p.text("symbol", symbol);
        p.stp(order.terms.stp);
        p.leg("", order, epoch, true);
        self.say(out, RequestTag::new(RequestKind::Test, tag), "order.test", p, now_ms);
        Ok(())
    }

    /// The request from what was gathered, signed where the connection is not logged on.
    fn say(&mut self, out: &mut Vec<u8>, tag: RequestTag, method: &'static str, mut p: Gathered, now_ms: i64) {
        p.number("timestamp", now_ms);
        if let Some(window_ms) = self.own_window_ms() {
            p.number("recvWindow", window_ms.into());
        }
        p.0.sort();
        self.gathered(out, tag, method, &p.0);
    }
}

#[cfg(test)]
#[path = "compound_tests.rs"]
mod tests;
