//! Orders and questions as requests: method, path and body (§7, §8), and the messages of the two streams (§16, §17).
//!
//! What the venue would refuse whatever happens, and the gate's tables cannot say, is refused here in a sentence.

use super::assets::ONE_SHARE;
use super::msgpack::write;
use super::names::{Exits, client_text};
use super::value::uuid_text;
use super::{MONEY_SCALE, PX_SCALE, QTY_SCALE};
use crate::domain::decimal::{MAX_LEN, encode_trimmed};
use crate::domain::{NewOrder, OrderId, OrderType, Price, Qty, Side, TimeInForce, Trail, VenueOrderId};
use std::fmt::Write;

/// What goes to the venue. Key and secret are the sender's to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// JSON, or empty.
    pub body: String,
}

/// Fills of one page, and orders of one page: the venue's most (§7.2, §15).
pub const ACTIVITIES_PAGE: usize = 100;
pub const ORDERS_PAGE: usize = 500;

/// Why an order cannot be said to this venue. Short: a report of an order carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("{} {} is not of this venue", .0.as_str(), .1.as_str())]
    Unsupported(OrderType, TimeInForce),
    #[error("fractions of a share go with day alone")]
    FractionNotDay,
    #[error("no fractions of it outside the core session")]
    FractionExtended,
    #[error("fractions of a share are not sold short")]
    FractionShort,
    #[error("fractions are simple orders, not trailing")]
    FractionComplex,
    #[error("an amount of money is for market day orders")]
    NotionalNotDay,
    #[error("extended hours want a day or gtc limit")]
    ExtendedNotLimit,
    #[error("a trailing percentage has two decimals at most")]
    Trail,
    #[error("an exit of a list must be a limit or a stop")]
    ExitKind,
    #[error("a list of crypto orders is not of this venue")]
    CryptoList,
    #[error("a list is day or gtc, whole shares, no extras")]
    ListTerms,
    #[error("only a whole number of shares is replaced")]
    ReplaceFraction,
    #[error("a replacement keeps side and instrument")]
    ReplaceOther,
}

/// What decides besides the order itself whether it can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ground<'a> {
    pub symbol: &'a str,
    pub crypto: bool,
    /// What can be sold without selling short.
    pub held: Qty,
    /// Fractions of the share trade outside the core session too.
    pub fractions_extended: bool,
}

/// A decimal without trailing zeros.
fn push_fixed(out: &mut String, value: i64, scale: u8) {
    let mut buf = [0; MAX_LEN];
    let len = encode_trimmed(value, scale, &mut buf);
    // Digits, a point and a sign.
    out.push_str(std::str::from_utf8(&buf[..len]).unwrap_or_default());
}

/// Text within a JSON string. Symbols are the configuration's, the rest is ours.
fn push_text(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

/// Writes the members of one JSON object.
struct Body {
    text: String,
}

impl Body {
    fn new() -> Body {
        Body { text: String::from("{") }
    }

    fn name(&mut self, name: &str) {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        let _ = write!(self.text, "\"{name}\":");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.text.push('"');
        push_text(&mut self.text, value);
        self.text.push('"');
    }

    fn fixed(&mut self, name: &str, value: i64, scale: u8) {
        self.name(name);
        self.text.push('"');
        push_fixed(&mut self.text, value, scale);
        self.text.push('"');
    }

    fn px(&mut self, name: &str, px: Price) {
        self.fixed(name, px.0, PX_SCALE);
    }

    fn qty(&mut self, qty: Qty) {
        self.fixed("qty", qty.0, QTY_SCALE);
    }

    fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

fn side_text(side: Side) -> &'static str {
    side.as_str()
}

/// The venue's name of an order type; the others are not of this venue.
fn type_text(kind: OrderType) -> Option<&'static str> {
    Some(match kind {
        OrderType::Market => "market",
        OrderType::Limit => "limit",
        OrderType::Stop => "stop",
        OrderType::StopLimit => "stop_limit",
        OrderType::TrailingStop => "trailing_stop",
        _ => return None,
    })
}

fn is_whole(qty: Qty) -> bool {
    qty.0 % ONE_SHARE.0 == 0
}

/// Which orders of the engine the exits of a list are. Their ids must follow the parent's within one event.
pub fn exits(parent: &NewOrder, legs: &[NewOrder]) -> Result<Exits, PlaceError> {
    let mut found = Exits::default();
    for leg in legs {
        let behind = leg.order.0.checked_sub(parent.order.0).and_then(|n| u8::try_from(n).ok());
        let behind = behind.ok_or(PlaceError::ListTerms)?;
        *(if leg.kind.is_triggered() { &mut found.stop } else { &mut found.profit }) = behind;
    }
    Ok(found)
}

/// Writes requests for one account.
pub struct RequestBuilder {
    epoch: u32,
}

impl RequestBuilder {
    /// `epoch` is the journal's: client order ids carry it.
    pub fn new(epoch: u32) -> RequestBuilder {
        RequestBuilder { epoch }
    }

    /// What no table of order types and times in force can say.
    fn check(order: &NewOrder, on: Ground) -> Result<(), PlaceError> {
        use OrderType as T;
        use TimeInForce as I;
        let (kind, tif, terms) = (order.kind, order.tif, &order.terms);
        let unsupported = Err(PlaceError::Unsupported(kind, tif));
        if type_text(kind).is_none() {
            return unsupported;
        }
        if on.crypto {
            let known = matches!(kind, T::Market | T::Limit | T::StopLimit) && matches!(tif, I::Gtc | I::Ioc);
            return if known { Ok(()) } else { unsupported };
        }
        if kind.is_triggered() && !matches!(tif, I::Day | I::Gtc) {
            return unsupported;
        }
        if !terms.quote_qty.is_zero() && (kind != T::Market || tif != I::Day) {
            return Err(PlaceError::NotionalNotDay);
        }
        if terms.extended_hours && (kind != T::Limit || !matches!(tif, I::Day | I::Gtc)) {
            return Err(PlaceError::ExtendedNotLimit);
        }
        if !is_whole(order.qty) {
            if tif != I::Day {
                return Err(PlaceError::FractionNotDay);
            }
            if kind == T::TrailingStop {
                return Err(PlaceError::FractionComplex);
            }
            if terms.extended_hours && !on.fractions_extended {
                return Err(PlaceError::FractionExtended);
            }
            if order.side == Side::Sell && order.qty > on.held {
                return Err(PlaceError::FractionShort);
            }
        }
        Ok(())
    }

    /// What every order has, in the order in which other clients write it.
    fn common(&self, body: &mut Body, order: &NewOrder, symbol: &str, exits: Exits) -> Result<(), PlaceError> {
        let unsupported = PlaceError::Unsupported(order.kind, order.tif);
        let terms = &order.terms;
        body.text("symbol", symbol);
        if terms.quote_qty.is_zero() {
            body.qty(order.qty);
        } else {
            body.fixed("notional", terms.quote_qty.0, MONEY_SCALE);
        }
        body.text("side", side_text(order.side));
        body.text("type", type_text(order.kind).ok_or(unsupported)?);
        if order.kind.is_limit() {
            body.px("limit_price", order.px);
        }
        if matches!(order.kind, OrderType::Stop | OrderType::StopLimit) {
            body.px("stop_price", terms.stop_px);
        }
        match terms.trail {
            Trail::None => {}
            Trail::Offset(px) => body.px("trail_price", px),
            Trail::Bips(bips) => body.fixed("trail_percent", i64::from(bips), 2),
        }
        body.text("time_in_force", order.tif.as_str());
        if terms.extended_hours {
            body.name("extended_hours");
            body.text.push_str("true");
        }
        body.text("client_order_id", &client_text(order.order, exits, self.epoch));
        Ok(())
    }

    /// A simple order.
    pub fn place(&self, order: &NewOrder, on: Ground) -> Result<Request, PlaceError> {
        RequestBuilder::check(order, on)?;
        let mut body = Body::new();
        self.common(&mut body, order, on.symbol, Exits::default())?;
        Ok(Request { method: "POST", path: "/v2/orders".to_owned(), body: body.finish() })
    }

    /// An entry with one exit (OTO) or two (bracket, the engine's OTOCO). The exits' ids must follow the entry's
    /// within one event, because the parent's client order id says only how far behind they are.
    pub fn entry(
        &self,
        entry: &NewOrder,
        exits: &[NewOrder],
        symbol: &str,
        crypto: bool,
    ) -> Result<Request, PlaceError> {
        self.listed(entry, exits, symbol, crypto, if exits.len() == 2 { "bracket" } else { "oto" })
    }

    /// Two exits of a position, of which one cancels the other: the profit is the parent, the stop its leg (§8.5).
    pub fn oco(&self, profit: &NewOrder, stop: &NewOrder, symbol: &str, crypto: bool) -> Result<Request, PlaceError> {
        if profit.kind != OrderType::Limit {
            return Err(PlaceError::ExitKind);
        }
        self.listed(profit, std::slice::from_ref(stop), symbol, crypto, "oco")
    }

    fn listed(
        &self,
        parent: &NewOrder,
        legs: &[NewOrder],
        symbol: &str,
        crypto: bool,
        class: &str,
    ) -> Result<Request, PlaceError> {
        use TimeInForce as I;
        if crypto {
            return Err(PlaceError::CryptoList);
        }
        let plain =
            |order: &NewOrder| is_whole(order.qty) && order.terms.quote_qty.is_zero() && !order.terms.extended_hours;
        if !matches!(parent.tif, I::Day | I::Gtc)
            || !matches!(parent.kind, OrderType::Market | OrderType::Limit)
            || !plain(parent)
            || !legs.iter().all(|exit| plain(exit) && exit.qty == parent.qty)
        {
            return Err(PlaceError::ListTerms);
        }
        let ids = exits(parent, legs)?;
        let (mut profit, mut stop) = (None, None);
        for exit in legs {
            let place = match exit.kind {
                OrderType::Limit | OrderType::LimitMaker => &mut profit,
                OrderType::Stop | OrderType::StopLimit => &mut stop,
                _ => return Err(PlaceError::ExitKind),
            };
            if place.replace(exit).is_some() {
                return Err(PlaceError::ExitKind);
            }
        }
        let mut body = Body::new();
        self.common(&mut body, parent, symbol, ids)?;
        body.text("order_class", class);
        if class == "oco" {
            // The parent is the profit; its limit stands where the venue looks for it as well.
            profit = Some(parent);
        }
        if let Some(profit) = profit {
            let mut inner = Body::new();
            inner.px("limit_price", profit.px);
            body.name("take_profit");
            body.text.push_str(&inner.finish());
        }
        if let Some(stop) = stop {
            let mut inner = Body::new();
            inner.px("stop_price", stop.terms.stop_px);
            if stop.kind == OrderType::StopLimit {
                inner.px("limit_price", stop.px);
            }
            body.name("stop_loss");
            body.text.push_str(&inner.finish());
        }
        Ok(Request { method: "POST", path: "/v2/orders".to_owned(), body: body.finish() })
    }

    /// A replacement (§7.4): `new` is what is wanted, and `filled` what the old order has filled, which the venue
    /// counts into the quantity that it is told. Given a quantity of zero, the old one stays.
    pub fn replace(&self, old: VenueOrderId, new: &NewOrder, filled: Qty) -> Result<Request, PlaceError> {
        let mut body = Body::new();
        if !new.qty.is_zero() {
            let total = Qty(new.qty.0.saturating_add(filled.0));
            if !is_whole(total) {
                return Err(PlaceError::ReplaceFraction);
            }
            body.qty(total);
        }
        if new.kind.is_limit() {
            body.px("limit_price", new.px);
        }
        if matches!(new.kind, OrderType::Stop | OrderType::StopLimit) {
            body.px("stop_price", new.terms.stop_px);
        }
        match new.terms.trail {
            Trail::None => {}
            Trail::Offset(px) => body.px("trail", px),
            Trail::Bips(bips) => body.fixed("trail", i64::from(bips), 2),
        }
        body.text("time_in_force", new.tif.as_str());
        body.text("client_order_id", &client_text(new.order, Exits::default(), self.epoch));
        Ok(Request { method: "PATCH", path: order_path(old), body: body.finish() })
    }

    /// By the engine's own id. The colon of the path is literal (§7).
    pub fn by_client_id(&self, order: OrderId) -> Request {
        let id = order.client_text(self.epoch);
        get(format!("/v2/orders:by_client_order_id?client_order_id={}&nested=true", id.as_str()))
    }

    /// As `by_client_id`, of the parent of a list.
    pub fn by_list_id(&self, parent: OrderId, exits: Exits) -> Request {
        let id = client_text(parent, exits, self.epoch);
        get(format!("/v2/orders:by_client_order_id?client_order_id={id}&nested=true"))
    }
}

fn order_path(id: VenueOrderId) -> String {
    format!("/v2/orders/{}", uuid_text(id.hi, id.lo))
}

fn get(path: String) -> Request {
    Request { method: "GET", path, body: String::new() }
}

fn delete(path: String) -> Request {
    Request { method: "DELETE", path, body: String::new() }
}

/// A value of a query, or a symbol in a path: the slash of a pair is part of the name (§3).
fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    push_encoded(&mut out, text);
    out
}

pub fn cancel(id: VenueOrderId) -> Request {
    delete(order_path(id))
}

/// Asks for the end of every open order; the answer says what became of each (`orders::bulk`).
pub fn cancel_all() -> Request {
    delete("/v2/orders".to_owned())
}

pub fn order(id: VenueOrderId) -> Request {
    get(order_path(id))
}

/// Which orders are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Listing<'a> {
    /// `open`, `closed` or `all`.
    pub status: &'a str,
    pub symbols: &'a [&'a str],
    /// 0: the venue's 50.
    pub limit: usize,
    /// Exits within their parents.
    pub nested: bool,
    /// Those submitted after this moment, oldest first.
    pub after_ns: Option<i64>,
}

pub fn orders(listing: Listing) -> Request {
    let mut path = format!("/v2/orders?status={}", listing.status);
    if !listing.symbols.is_empty() {
        path.push_str("&symbols=");
        for (n, symbol) in listing.symbols.iter().enumerate() {
            if n > 0 {
                path.push(',');
            }
            push_encoded(&mut path, symbol);
        }
    }
    if listing.limit > 0 {
        let _ = write!(path, "&limit={}", listing.limit);
    }
    if listing.nested {
        path.push_str("&nested=true");
    }
    if let Some(after) = listing.after_ns {
        let _ = write!(path, "&direction=asc&after={}", encoded(&super::account::time_text(after)));
    }
    get(path)
}

pub fn account() -> Request {
    get("/v2/account".to_owned())
}

pub fn configurations() -> Request {
    get("/v2/account/configurations".to_owned())
}

/// Executions since a moment, oldest first; the page behind `token`, where there is one.
pub fn fills(after_ns: i64, token: &str) -> Request {
    let mut path = format!(
        "/v2/account/activities?activity_types=FILL&direction=asc&page_size={ACTIVITIES_PAGE}&after={}",
        encoded(&super::account::time_text(after_ns))
    );
    if !token.is_empty() {
        path.push_str("&page_token=");
        push_encoded(&mut path, token);
    }
    get(path)
}

pub fn positions() -> Request {
    get("/v2/positions".to_owned())
}

pub fn asset(symbol: &str) -> Request {
    get(format!("/v2/assets/{}", encoded(symbol)))
}

pub fn clock() -> Request {
    get("/v2/clock".to_owned())
}

/// Trading days from one date to another, both in.
pub fn calendar(from: jiff::civil::Date, to: jiff::civil::Date) -> Request {
    get(format!("/v2/calendar?start={from}&end={to}"))
}

/// Latest trades of pairs, from the market-data host.
pub fn crypto_trades(symbols: &[&str]) -> Request {
    let symbols: Vec<String> = symbols.iter().map(|symbol| encoded(symbol)).collect();
    get(format!("/v1beta3/crypto/us/trades?symbols={}", symbols.join(",")))
}

/// The logon of the trade-update stream, in the form that most clients send (§16.1, form B).
pub fn authenticate(key: &str, secret: &str) -> String {
    let mut body = Body::new();
    body.text("action", "authenticate");
    let mut data = Body::new();
    data.text("key_id", key);
    data.text("secret_key", secret);
    body.name("data");
    body.text.push_str(&data.finish());
    body.finish()
}

pub const LISTEN: &str = "{\"action\":\"listen\",\"data\":{\"streams\":[\"trade_updates\"]}}";

/// What a market-data connection asks for; each a list of symbols.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Channels<'a> {
    pub quotes: &'a [&'a str],
    pub trades: &'a [&'a str],
    pub bars: &'a [&'a str],
    pub statuses: &'a [&'a str],
    pub lulds: &'a [&'a str],
    pub orderbooks: &'a [&'a str],
}

impl<'a> Channels<'a> {
    fn each(&self) -> [(&'static str, &'a [&'a str]); 6] {
        [
            ("trades", self.trades),
            ("quotes", self.quotes),
            ("bars", self.bars),
            ("statuses", self.statuses),
            ("lulds", self.lulds),
            ("orderbooks", self.orderbooks),
        ]
    }
}

/// The logon of a market-data connection (§17.1), in the connection's encoding.
pub fn data_auth(key: &str, secret: &str, msgpack: bool) -> Vec<u8> {
    if !msgpack {
        let mut body = Body::new();
        body.text("action", "auth");
        body.text("key", key);
        body.text("secret", secret);
        return body.finish().into_bytes();
    }
    let mut out = Vec::new();
    write::map_head(&mut out, 3);
    for text in ["action", "auth", "key", key, "secret", secret] {
        write::text(&mut out, text);
    }
    out
}

/// Asks for channels, on top of those in force. Channels without symbols are left out.
pub fn subscribe(channels: &Channels, msgpack: bool) -> Vec<u8> {
    let wanted = channels.each().into_iter().filter(|(_, symbols)| !symbols.is_empty());
    if !msgpack {
        let mut body = Body::new();
        body.text("action", "subscribe");
        for (name, symbols) in wanted {
            body.name(name);
            body.text.push('[');
            for (n, symbol) in symbols.iter().enumerate() {
                if n > 0 {
                    body.text.push(',');
                }
                body.text.push('"');
                push_text(&mut body.text, symbol);
                body.text.push('"');
            }
            body.text.push(']');
        }
        return body.finish().into_bytes();
    }
    let mut out = Vec::new();
    write::map_head(&mut out, 1 + wanted.clone().count() as u8);
    write::text(&mut out, "action");
    write::text(&mut out, "subscribe");
    for (name, symbols) in wanted {
        write::text(&mut out, name);
        write::list_head(&mut out, symbols.len());
        symbols.iter().for_each(|symbol| write::text(&mut out, symbol));
    }
    out
}
