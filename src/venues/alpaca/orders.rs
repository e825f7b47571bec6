//! The order object (§9), its states (§10), and what either means for an order of the engine.

use super::decode::DecodeError;
use super::json::{self, Source};
use super::names::{Exits, Names, from_client_text};
use super::value::{Extra, Value};
use super::{PX_SCALE, QTY_SCALE};
use crate::domain::{
    ExecReport, ExecType, InstrumentId, Nanos, OrderId, OrderType, Price, Qty, Side, Text, VenueOrderId,
};

/// States of an order (§10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Status {
    Accepted,
    #[default]
    PendingNew,
    AcceptedForBidding,
    PendingReview,
    New,
    Held,
    PartiallyFilled,
    Stopped,
    Suspended,
    PendingCancel,
    PendingReplace,
    DoneForDay,
    Calculated,
    Filled,
    Canceled,
    Expired,
    Replaced,
    Rejected,
}

impl Status {
    pub fn from_text(text: &str) -> Option<Status> {
        Some(match text {
            "accepted" => Status::Accepted,
            "pending_new" => Status::PendingNew,
            "accepted_for_bidding" => Status::AcceptedForBidding,
            "pending_review" => Status::PendingReview,
            "new" => Status::New,
            "held" => Status::Held,
            "partially_filled" => Status::PartiallyFilled,
            "stopped" => Status::Stopped,
            "suspended" => Status::Suspended,
            "pending_cancel" => Status::PendingCancel,
            "pending_replace" => Status::PendingReplace,
            "done_for_day" => Status::DoneForDay,
            "calculated" => Status::Calculated,
            "filled" => Status::Filled,
            "canceled" => Status::Canceled,
            "expired" => Status::Expired,
            "replaced" => Status::Replaced,
            "rejected" => Status::Rejected,
            _ => return None,
        })
    }

    /// Nothing changes any more, but by a bust or a correction.
    pub fn is_final(self) -> bool {
        use Status as S;
        matches!(self, S::Filled | S::Canceled | S::Expired | S::Replaced | S::Rejected)
    }

    /// What the state says of the order. One that is filled is told as working with all of it done: its fills come
    /// themselves. One that was replaced is over, and its successor is an order of its own.
    pub fn exec(self) -> ExecType {
        match self {
            Status::Canceled | Status::Replaced => ExecType::Canceled,
            Status::Expired => ExecType::Expired,
            Status::Rejected => ExecType::Rejected,
            _ => ExecType::Working,
        }
    }
}

/// An order as the venue tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VenueOrder {
    pub id: VenueOrderId,
    /// `OrderId::FOREIGN` where the client order id is not ours. Exits have one of the venue's making: see `name_legs`.
    pub order: OrderId,
    pub exits: Exits,
    pub instrument: InstrumentId,
    pub side: Side,
    pub kind: OrderType,
    pub status: Status,
    /// Zero where the order is by amount of money.
    pub qty: Qty,
    pub filled_qty: Qty,
    /// Zero where it has none.
    pub limit_px: Price,
    pub stop_px: Price,
    /// The order that it took the place of, and the one that took its place.
    pub replaces: VenueOrderId,
    pub replaced_by: VenueOrderId,
    pub legs: Vec<VenueOrder>,
    pub ts_event_ns: Nanos,
}

impl VenueOrder {
    /// Reads one order. Members that are not known are passed over.
    pub fn read<'a, S: Source<'a>>(source: &mut S, names: &Names) -> Result<VenueOrder, DecodeError> {
        let mut order = VenueOrder { instrument: InstrumentId::UNKNOWN, ..VenueOrder::default() };
        let (mut id, mut status, mut older_kind) = (false, false, None);
        let (mut created, mut kind) = (0, None);
        source.map(|source, name| {
            if name == "legs" {
                return order.read_legs(source, names);
            }
            let value = source.value()?;
            match name {
                "id" => {
                    order.id = value.order_id("id")?;
                    id = true;
                }
                "client_order_id" => {
                    let text = value.text_or_unset("client_order_id")?;
                    (order.order, order.exits) = from_client_text(text, names.epoch).unwrap_or_default();
                }
                "symbol" => order.instrument = names.instrument(value.text_or_unset("symbol")?),
                "side" => order.side = side(value.text_or_unset("side")?)?,
                "type" => kind = order_type(value.text_or_unset("type")?),
                "order_type" => older_kind = order_type(value.text_or_unset("order_type")?),
                "status" => {
                    // A state that nobody has heard of is asked about again, and is no end.
                    order.status = Status::from_text(value.text("status")?).unwrap_or(Status::PendingReview);
                    status = true;
                }
                "qty" if !value.is_unset() => order.qty = Qty(value.amount(QTY_SCALE, "qty")?),
                "filled_qty" if !value.is_unset() => order.filled_qty = Qty(value.amount(QTY_SCALE, "filled_qty")?),
                "limit_price" if !value.is_unset() => order.limit_px = price(value, "limit_price")?,
                "stop_price" if !value.is_unset() => order.stop_px = price(value, "stop_price")?,
                "replaces" if !value.is_unset() => order.replaces = value.order_id("replaces")?,
                "replaced_by" if !value.is_unset() => order.replaced_by = value.order_id("replaced_by")?,
                "updated_at" if !value.is_unset() => order.ts_event_ns = value.time("updated_at")?,
                "created_at" if !value.is_unset() => created = value.time("created_at")?,
                _ => {}
            }
            Ok(())
        })?;
        if !id || !status {
            return Err(DecodeError::MissingField(if id { "status" } else { "id" }));
        }
        order.kind = kind.or(older_kind).unwrap_or_default();
        if order.ts_event_ns == 0 {
            order.ts_event_ns = created;
        }
        order.name_legs();
        Ok(order)
    }

    fn read_legs<'a, S: Source<'a>>(&mut self, source: &mut S, names: &Names) -> Result<(), DecodeError> {
        if source.is_list() {
            self.legs = json::items(source, |source| VenueOrder::read(source, names))?;
            return Ok(());
        }
        // Null, or on newer frames a map of executions.
        source.value().map(drop)
    }

    /// The parent's client order id says which of our orders its exits are: the one with a stop price is the stop.
    fn name_legs(&mut self) {
        let (parent, exits) = (self.order, self.exits);
        if parent == OrderId::FOREIGN {
            return;
        }
        for leg in &mut self.legs {
            let behind = if leg.kind.is_triggered() { exits.stop } else { exits.profit };
            if leg.order == OrderId::FOREIGN && behind != 0 {
                leg.order = OrderId(parent.0 + u64::from(behind));
            }
        }
    }

    /// What the order's state says, as a report.
    pub fn report(&self, names: &Names) -> ExecReport {
        self.report_as(names, self.status.exec())
    }

    pub fn report_as(&self, names: &Names, exec: ExecType) -> ExecReport {
        // The venue may count what its predecessor filled into an order that replaced one: of such an order its
        // own executions alone are believed.
        let replaces = !self.replaces.is_none();
        // An amount of money has no quantity until all of it is spent (§8.6).
        let spent = self.qty.is_zero() && self.status == Status::Filled;
        let order_qty = if spent { self.filled_qty } else { self.qty };
        ExecReport {
            venue: names.venue,
            instrument: self.instrument,
            order: self.order,
            exec,
            side: self.side,
            venue_order_id: self.id,
            cum_qty: if replaces { Qty::ZERO } else { self.filled_qty },
            order_qty: if replaces { Qty::ZERO } else { order_qty },
            order_px: self.limit_px,
            text: if self.status == Status::Replaced { Text::new("replaced") } else { Text::default() },
            ts_event_ns: self.ts_event_ns,
            ..ExecReport::default()
        }
    }

    /// The order and its legs.
    pub fn family(&self) -> impl Iterator<Item = &VenueOrder> {
        std::iter::once(self).chain(&self.legs)
    }
}

/// One order: the answer to a submission, a replacement or a question.
pub fn order(body: &[u8], names: &Names) -> Result<VenueOrder, DecodeError> {
    json::body(body, |json| VenueOrder::read(json, names))
}

/// A list of orders.
pub fn orders(body: &[u8], names: &Names) -> Result<Vec<VenueOrder>, DecodeError> {
    json::body(body, |json| json::items(json, |json| VenueOrder::read(json, names)))
}

/// What became of one item of a cancel of everything (§7.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub id: VenueOrderId,
    pub status: u16,
    pub code: i64,
    pub text: String,
}

impl Item {
    pub fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Walks the answer to a cancel of everything: its own status says nothing (§7.6).
pub fn bulk(body: &[u8]) -> Result<Vec<Item>, DecodeError> {
    json::body(body, |json| {
        json::items(json, |json| {
            let mut item = Item { id: VenueOrderId::NONE, status: 0, code: 0, text: String::new() };
            json.map(|json, name| {
                if name == "body" && json.is_map() {
                    return json.map(|json, name| {
                        let value = json.value()?;
                        match name {
                            "id" if item.id.is_none() => item.id = value.order_id("id")?,
                            "code" => item.code = super::errors::code(value),
                            "message" => item.text = json::unescaped(value.text("message")?),
                            _ => {}
                        }
                        Ok(())
                    });
                }
                let value = json.value()?;
                match name {
                    "id" => item.id = value.order_id("id")?,
                    "status" => {
                        item.status =
                            u16::try_from(value.uint("status")?).map_err(|_| DecodeError::BadNumber("status"))?;
                    }
                    _ => {}
                }
                Ok(())
            })?;
            if item.status == 0 { Err(DecodeError::MissingField("status")) } else { Ok(item) }
        })
    })
}

/// Prices beyond nine decimals are averages, and averages are shown, not counted.
pub(super) fn price(value: Value, name: &'static str) -> Result<Price, DecodeError> {
    match value.fixed(PX_SCALE, Extra::Floor, name)? {
        px if px >= 0 => Ok(Price(px)),
        _ => Err(DecodeError::BadNumber(name)),
    }
}

/// `sell_short` stands in some answers (§15); a multi-leg parent has no side.
pub(super) fn side(text: &str) -> Result<Side, DecodeError> {
    match text {
        "buy" | "" => Ok(Side::Buy),
        "sell" | "sell_short" => Ok(Side::Sell),
        _ => Err(DecodeError::BadField("side")),
    }
}

fn order_type(text: &str) -> Option<OrderType> {
    Some(match text {
        "market" => OrderType::Market,
        "limit" => OrderType::Limit,
        "stop" => OrderType::Stop,
        "stop_limit" => OrderType::StopLimit,
        "trailing_stop" => OrderType::TrailingStop,
        _ => return None,
    })
}
