//! The fields of an order: what `place-order` and `validate-order` ask for.

use super::act::read_instrument;
use super::answer::Failure;
use super::app::App;
use super::fields::{Decimal, Fields};
use crate::core::command::{Guard, Leg, ListOrder, PlaceOrder, Protect, Route};
use crate::domain::{
    InstrumentId, ListKind, OrderType, Price, Qty, Side, StpMode, Terms, Text, TimeInForce, Trail, Usd,
};

/// Bips in a percent, parts per million in a percent: the scales of what is typed in percent.
const BIPS_SCALE: u8 = 2;
const PPM_SCALE: u8 = 4;
/// Most percent that a stop may be away or trail, and a target.
pub(super) const SHARE_MAX: i64 = 100;
pub(super) const PROFIT_MAX: i64 = 1_000;

/// A decimal in units of a field's scale; a fault of the field and zero where it does not fit.
fn units(fields: &Fields, field: &'static str, decimal: Option<&Decimal>, scale: u8) -> i64 {
    match decimal.map(|decimal| decimal.units(scale)) {
        Some(Ok(units)) => units,
        Some(Err(message)) => {
            fields.fault(field, message);
            0
        }
        None => 0,
    }
}

/// A field that need not be there, in units.
pub(super) fn units_opt(fields: &Fields, field: &'static str, scale: u8) -> i64 {
    units(fields, field, fields.decimal_opt(field).as_ref(), scale)
}

/// A share of a price in percent, at most so many, as a small number: bips or parts per million.
fn share(fields: &Fields, field: &'static str, scale: u8, most: i64) -> Option<u32> {
    let decimal = fields.decimal_opt(field)?;
    let units = units(fields, field, Some(&decimal), scale);
    let share = u32::try_from(units).ok().filter(|_| units <= most * 10i64.pow(scale.into()));
    if share.is_none() {
        fields.fault(field, format!("must be at most {most}, is {decimal}"));
    }
    share
}

/// The order that is to be validated, whether its venue is to be asked too, and why.
pub(super) fn read_order(app: &App, fields: Fields) -> Result<(PlaceOrder, bool, String), Failure> {
    let (order, why) = order_of(app, &fields, None);
    let at_venue = fields.flag("venue_test");
    fields.finish().map_err(Failure::fields)?;
    Ok((order, at_venue, why))
}

/// What `place-order` asks for.
#[allow(clippy::large_enum_variant)] // moved once a request
pub(super) enum Wish {
    One(PlaceOrder),
    List(ListOrder),
}

/// One order, or the list that `order_class` makes of it and its exits.
pub(super) fn read_wish(app: &App, fields: Fields) -> Result<(Wish, String), Failure> {
    let classes =
        [("oco", ListKind::Oco), ("oto", ListKind::Oto), ("otoco", ListKind::Otoco), ("bracket", ListKind::Otoco)];
    let class = fields.word_opt("order_class", &classes);
    let (order, why) = order_of(app, &fields, class);
    let wish = match class {
        None => Wish::One(order),
        Some(kind) => Wish::List(list_of(app, &fields, kind, order)),
    };
    fields.finish().map_err(Failure::fields)?;
    Ok((wish, why))
}

/// The exits stand where the fields of protection say, as legs of the list; nothing else protects it then.
fn list_of(app: &App, fields: &Fields, kind: ListKind, order: PlaceOrder) -> ListOrder {
    let (px_scale, _) = scales(app, order.instrument);
    let limit_px = Price(units_opt(fields, "stop_loss_limit_price", px_scale));
    let (stop, target) = match order.protect {
        Protect::Set { stop, target } => (stop, target),
        _ => (Guard::Default, Guard::Default),
    };
    let first = PlaceOrder { protect: Protect::Off, ..order };
    let side = if kind == ListKind::Oco { order.side } else { order.side.opposite() };
    let leg = Leg { side, qty: order.qty, ..Leg::default() };
    let terms = Terms { stp: order.terms.stp, ..Terms::default() };
    let target = match target {
        Guard::At(px) => Some(Leg { kind: OrderType::LimitMaker, px, terms, ..leg }),
        Guard::Default => None,
        _ => {
            fields.fault("take_profit_percent", "cannot stand in a list: give take_profit_price");
            None
        }
    };
    let limited = !limit_px.is_zero();
    let stop = match stop {
        Guard::At(px) => {
            let kind = if limited { OrderType::StopLimit } else { OrderType::Stop };
            Some(Leg { kind, px: limit_px, terms: Terms { stop_px: px, ..terms }, ..leg })
        }
        Guard::Trail(bips) => {
            let kind = if limited { OrderType::TrailingStopLimit } else { OrderType::TrailingStop };
            Some(Leg { kind, px: limit_px, terms: Terms { trail: Trail::Bips(bips), ..terms }, ..leg })
        }
        Guard::Default => None,
        _ => {
            fields.fault("stop_loss_percent", "cannot stand in a list: give stop_loss_price");
            None
        }
    };
    match (kind, target, stop) {
        (ListKind::Oco, Some(target), Some(stop)) => ListOrder {
            kind,
            first: PlaceOrder { kind: target.kind, px: target.px, tif: target.tif, terms: target.terms, ..first },
            second: stop,
            third: Leg::default(),
        },
        (ListKind::Otoco, Some(target), Some(stop)) => ListOrder { kind, first, second: target, third: stop },
        (ListKind::Oto, Some(exit), None) | (ListKind::Oto, None, Some(exit)) => {
            ListOrder { kind, first, second: exit, third: Leg::default() }
        }
        (ListKind::Oto, ..) => {
            fields.fault("order_class", "oto has one exit: give take_profit_price or stop_loss_price");
            ListOrder::default()
        }
        _ => {
            fields.fault("order_class", "needs take_profit_price, and stop_loss_price or stop_loss_trailing_percent");
            ListOrder::default()
        }
    }
}

/// The asker's own id, empty where there is none.
pub(super) fn read_client(fields: &Fields, field: &'static str) -> String {
    let client = fields.text_opt(field).unwrap_or_default();
    if !client.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_')) || client.len() > 36 {
        fields.fault(field, "must be at most 36 letters, digits, dashes and underscores");
    }
    client
}

fn order_of(app: &App, fields: &Fields, class: Option<ListKind>) -> (PlaceOrder, String) {
    let pinned = fields.has("exchange");
    let instrument = read_instrument(app, fields);
    let side = fields.word("side", &[("buy", Side::Buy), ("sell", Side::Sell)]);
    let kinds = OrderType::ALL.map(|kind| (kind.as_str(), kind));
    // Both legs of an OCO have their own.
    let kind = if class == Some(ListKind::Oco) { None } else { fields.word("type", &kinds) };
    let (id, symbol) = instrument.clone().unwrap_or((InstrumentId::UNKNOWN, String::new()));
    let (px_scale, qty_scale) = scales(app, id);
    let by_quote = fields.has("quote_quantity");
    let quote_qty = units_opt(fields, "quote_quantity", Usd::SCALE);
    // Left out, or said to be so: the engine works it out.
    let auto_qty = !by_quote && (!fields.has("quantity") || fields.is_word("quantity", "auto"));
    let quantity = if auto_qty { None } else { fields.decimal_opt("quantity") };
    if by_quote && quantity.is_some() {
        fields.fault("quote_quantity", "stands in place of a quantity, and there is one");
    }
    let has = |what: fn(OrderType) -> bool| kind.is_none_or(what);
    let price = match kind {
        Some(kind) if kind.is_limit() => fields.decimal("price"),
        _ => fields.decimal_opt("price"),
    };
    if !has(OrderType::is_limit) && price.is_some() {
        fields.fault("price", format!("means nothing for a {} order", kind.unwrap_or_default().as_str()));
    }
    let stop_px = units_opt(fields, "stop_price", px_scale);
    if stop_px != 0 && !has(OrderType::is_triggered) {
        fields.fault("stop_price", "is for stops, take profits and trailing stops");
    }
    let tifs = TimeInForce::ALL.map(|tif| (tif.as_str(), tif));
    let tif = fields.word_opt("time_in_force", &tifs);
    let modes = StpMode::ALL.map(|mode| (mode.as_str(), mode));
    let terms = Terms {
        stop_px: Price(stop_px),
        trail: read_trail(fields, px_scale),
        display_qty: Qty(units_opt(fields, "iceberg_quantity", qty_scale)),
        quote_qty: Usd(quote_qty),
        stp: fields.word_opt("self_trade_prevention", &modes).unwrap_or_default(),
        extended_hours: fields.flag("extended_hours"),
    };
    let client = read_client(fields, "client_order_id");
    let reduce_only = fields.flag("reduce_only");
    let protect = read_protect(fields, px_scale);
    let why = fields.text_opt("reason").unwrap_or_default();
    let venue = app.view.lock().core().portfolio().get(id).map(|inst| inst.def.venue);
    let order = PlaceOrder {
        instrument: id,
        symbol: Text::new(&symbol),
        side: side.unwrap_or_default(),
        kind: kind.unwrap_or_default(),
        tif: tif.unwrap_or_default(),
        qty: Qty(units(fields, "quantity", quantity.as_ref(), qty_scale)),
        px: Price(units(fields, "price", price.as_ref(), px_scale)),
        terms,
        reduce_only,
        auto_qty,
        protect,
        route: venue.filter(|_| pinned).map_or(Route::Auto, Route::Venue),
        client: Text::new(&client),
    };
    (order, why)
}

fn read_trail(fields: &Fields, px_scale: u8) -> Trail {
    let (percent, offset) =
        (share(fields, "trailing_percent", BIPS_SCALE, SHARE_MAX), units_opt(fields, "trailing_offset", px_scale));
    match (percent, offset) {
        (Some(_), 1..) => {
            fields.fault("trailing_offset", "and trailing_percent are two ways to say one thing: give one");
            Trail::None
        }
        (Some(bips), _) => Trail::Bips(bips),
        (None, 0) => Trail::None,
        (None, px) => Trail::Offset(Price(px)),
    }
}

/// How the entry is protected: `protection` off or default, or each exit by its price, its distance in percent or, for
/// the stop, a trail in percent.
fn read_protect(fields: &Fields, px_scale: u8) -> Protect {
    #[derive(Clone, Copy, PartialEq)]
    enum Word {
        Default,
        Off,
    }
    let off = fields.word_opt("protection", &[("default", Word::Default), ("off", Word::Off)]) == Some(Word::Off);
    let guard = |price: &'static str, percent: &'static str, most: i64, trail: Option<&'static str>| {
        let px = units_opt(fields, price, px_scale);
        let away = share(fields, percent, PPM_SCALE, most);
        let bips = trail.and_then(|trail| share(fields, trail, BIPS_SCALE, SHARE_MAX));
        if usize::from(px != 0) + usize::from(away.is_some()) + usize::from(bips.is_some()) > 1 {
            fields.fault(price, format!("and {percent} are two ways to say one thing: give one"));
        }
        match (px, away, bips) {
            (0, None, None) => Guard::Default,
            (0, Some(ppm), _) => Guard::Away(ppm),
            (0, None, Some(bips)) => Guard::Trail(bips),
            (px, ..) => Guard::At(Price(px)),
        }
    };
    // The short forms: a price, or `off`.
    let short = |field: &'static str| -> Option<Guard> {
        let text = fields.id_opt(field)?;
        if text.eq_ignore_ascii_case("off") {
            return Some(Guard::Off);
        }
        match Decimal::parse(&text).map(|decimal| decimal.units(px_scale)) {
            Some(Ok(px)) if px > 0 => Some(Guard::At(Price(px))),
            _ => {
                fields.fault(field, "must be a price above 0, or off");
                None
            }
        }
    };
    let (short_stop, short_target) = (short("stop_loss"), short("take_profit"));
    let stop = guard("stop_loss_price", "stop_loss_percent", SHARE_MAX, Some("stop_loss_trailing_percent"));
    let target = guard("take_profit_price", "take_profit_percent", PROFIT_MAX, None);
    let (stop, target) = (short_stop.unwrap_or(stop), short_target.unwrap_or(target));
    match (off, stop, target) {
        (true, Guard::Default, Guard::Default) => Protect::Off,
        (true, ..) => {
            fields.fault("protection", "is off, and the order says where its exits stand: one or the other");
            Protect::Off
        }
        (false, Guard::Default, Guard::Default) => Protect::Default,
        (false, stop, target) => Protect::Set { stop, target },
    }
}

/// Eight places where nobody knows the instrument: the gate denies it whatever the numbers.
fn scales(app: &App, id: InstrumentId) -> (u8, u8) {
    let view = app.view.lock();
    view.core().portfolio().get(id).map_or((8, 8), |inst| (inst.def.px_scale, inst.def.qty_scale))
}
