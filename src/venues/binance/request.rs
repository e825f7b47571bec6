//! WebSocket API requests (§17), written and signed straight into the caller's buffer.
//!
//! A request's `params` are written in the order of their names, so that the JSON and the payload to be signed (§5.2:
//! sorted, raw) grow side by side, and `apiKey`, which every payload begins with, is hashed once at the start.
//!
//! On a connection that is logged on (§17.4) the same requests go without key and signature, and the payload is not
//! written: which of the two forms a request takes is settled when the code is compiled, once a form.

use super::digits::{Digits, hex16};
use super::sign::{PrefixSigner, Signer};
use crate::domain::{NewOrder, OrderId, OrderType, Side, StpMode, TimeInForce, Trail, VenueOrderId};

/// No request is longer, with the longest key (128 letters) and signature (RSA with 4096 bits: 684 letters); a buffer
/// with this capacity never grows.
pub const MAX_REQUEST_LEN: usize = 2560;

/// The venue's `recvWindow` where a request says none (§4).
const VENUE_WINDOW_MS: u32 = 5_000;

/// Length of `RequestTag`'s text.
pub const TAG_LEN: usize = 17;

/// What a request was for: the first letter of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    Place,
    Cancel,
    CancelAll,
    OrderStatus,
    Subscribe,
    Logon,
    Time,
    Ping,
    Account,
    OpenOrders,
    Trades,
    PlaceList,
    Replace,
    Amend,
    Test,
}

impl RequestKind {
    fn letter(self) -> u8 {
        match self {
            RequestKind::Place => b'p',
            RequestKind::Cancel => b'c',
            RequestKind::CancelAll => b'a',
            RequestKind::OrderStatus => b'q',
            RequestKind::Subscribe => b'u',
            RequestKind::Logon => b'l',
            RequestKind::Time => b't',
            RequestKind::Ping => b'g',
            RequestKind::Account => b'b',
            RequestKind::OpenOrders => b'o',
            RequestKind::Trades => b'm',
            RequestKind::PlaceList => b'w',
            RequestKind::Replace => b'r',
            RequestKind::Amend => b'd',
            RequestKind::Test => b'e',
        }
    }

    fn from_letter(letter: u8) -> Option<RequestKind> {
        Some(match letter {
            b'p' => RequestKind::Place,
            b'c' => RequestKind::Cancel,
            b'a' => RequestKind::CancelAll,
            b'q' => RequestKind::OrderStatus,
            b'u' => RequestKind::Subscribe,
            b'l' => RequestKind::Logon,
            b't' => RequestKind::Time,
            b'g' => RequestKind::Ping,
            b'b' => RequestKind::Account,
            b'o' => RequestKind::OpenOrders,
            b'm' => RequestKind::Trades,
            b'w' => RequestKind::PlaceList,
            b'r' => RequestKind::Replace,
            b'd' => RequestKind::Amend,
            b'e' => RequestKind::Test,
            _ => return None,
        })
    }
}

/// The id of a request: a letter and sixteen hex digits, so that the answer says what it answers without a table.
/// `value` is the order id for what concerns one order, and whatever the caller counts for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestTag {
    pub kind: RequestKind,
    pub value: u64,
}

impl RequestTag {
    pub fn new(kind: RequestKind, value: u64) -> RequestTag {
        RequestTag { kind, value }
    }

    pub fn order(self) -> OrderId {
        OrderId(self.value)
    }

    #[inline]
    pub fn text(self) -> [u8; TAG_LEN] {
        let mut text = [0u8; TAG_LEN];
        text[0] = self.kind.letter();
        text[1..].copy_from_slice(&hex16(self.value));
        text
    }

    /// `None` where the text is not an id of ours.
    #[inline]
    pub fn parse(text: &[u8]) -> Option<RequestTag> {
        let (letter, digits) = text.split_first()?;
        let digits: &[u8; 16] = digits.try_into().ok()?;
        let mut value = 0u64;
        for digit in digits {
            let nibble = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            value = value << 4 | u64::from(nibble);
        }
        Some(RequestTag { kind: RequestKind::from_letter(*letter)?, value })
    }
}

/// Why no builder can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("the API key is empty or holds other characters than letters and digits")]
    ApiKey,
    #[error("recv_window_ms = {0} is outside 1..=60000")]
    RecvWindow(u32),
}

/// Which order a cancel or a question means. The venue's own id is the fastest to it (§9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRef {
    pub order: OrderId,
    /// `NONE`: the client order id is sent instead.
    pub venue_order_id: VenueOrderId,
}

/// Builds and signs requests of one account. Holds the payload buffer; nothing allocates after `new`.
#[derive(Clone)]
pub struct RequestBuilder {
    signer: PrefixSigner,
    /// For payloads that do not begin with the key.
    whole: PrefixSigner,
    api_key: String,
    recv_window_ms: u32,
    epoch: u32,
    /// `{"apiKey":"…"` and the payload's `apiKey=…`.
    json_head: Vec<u8>,
    payload: Vec<u8>,
    payload_head: usize,
    /// `recvWindow` as text.
    window: Digits,
    /// It is the venue's own, and left out of what is signed: it would often cost the signature a block more.
    window_is_default: bool,
    can_log_on: bool,
    /// The connection is logged on.
    session: bool,
}

/// Why an order cannot be said in this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("Binance Spot knows no time in force `{}`", .0.as_str())]
    TimeInForce(TimeInForce),
    #[error("Binance Spot knows no trail at a fixed offset, only one in bips")]
    TrailOffset,
    #[error("a quantity or a limit price that is zero or negative")]
    NotPositive,
}

/// Which fills `myTrades` lists; oldest first, at most 1000 (§10.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TradesFrom {
    /// Trade ids from here on.
    Id(u64),
    /// From this time on, milliseconds.
    Time(i64),
    /// The fills of one order.
    Order(VenueOrderId),
}

/// The two texts of one request as they grow. Names and values hold nothing that JSON escapes: symbols and the key
/// are checked at the start, everything else is made here.
struct Params<'a, const SIGNED: bool> {
    json: &'a mut Vec<u8>,
    payload: &'a mut Vec<u8>,
    /// `recvWindow` is said.
    window: bool,
}

impl<const SIGNED: bool> Params<'_, SIGNED> {
    /// The same pieces in both texts: `,"name":"` and `&name=`, the value, and the quote after it.
    #[inline(always)]
    fn text(&mut self, json_name: &'static str, payload_name: &'static str, value: &[u8]) {
        self.json.extend_from_slice(json_name.as_bytes());
        self.json.extend_from_slice(value);
        self.json.push(b'"');
        if SIGNED {
            self.payload.extend_from_slice(payload_name.as_bytes());
            self.payload.extend_from_slice(value);
        }
    }

    #[inline(always)]
    fn number(&mut self, json_name: &'static str, payload_name: &'static str, value: &[u8]) {
        self.json.extend_from_slice(json_name.as_bytes());
        self.json.extend_from_slice(value);
        if SIGNED {
            self.payload.extend_from_slice(payload_name.as_bytes());
            self.payload.extend_from_slice(value);
        }
    }

    #[inline(always)]
    fn constant(&mut self, json: &'static str, payload: &'static str) {
        self.json.extend_from_slice(json.as_bytes());
        if SIGNED {
            self.payload.extend_from_slice(payload.as_bytes());
        }
    }
}

macro_rules! text {
    ($params:ident, $name:literal, $value:expr) => {
        $params.text(concat!(",\"", $name, "\":\""), concat!("&", $name, "="), $value)
    };
}

macro_rules! number {
    ($params:ident, $name:literal, $value:expr) => {
        $params.number(concat!(",\"", $name, "\":"), concat!("&", $name, "="), $value)
    };
}

macro_rules! constant {
    ($params:ident, $name:literal, $value:literal) => {
        $params.constant(concat!(",\"", $name, "\":\"", $value, "\""), concat!("&", $name, "=", $value))
    };
}

impl RequestBuilder {
    /// `epoch` is the journal's: it makes client order ids unique over journals. The window is in milliseconds (§4).
    pub fn new(
        api_key: &str,
        signer: &Signer,
        epoch: u32,
        recv_window_ms: u32,
    ) -> Result<RequestBuilder, RequestError> {
        if api_key.is_empty() || api_key.len() > 128 || !api_key.bytes().all(|c| c.is_ascii_alphanumeric()) {
            return Err(RequestError::ApiKey);
        }
        if !(1..=60_000).contains(&recv_window_ms) {
            return Err(RequestError::RecvWindow(recv_window_ms));
        }
        let head = format!("apiKey={api_key}");
        let mut payload = Vec::with_capacity(MAX_REQUEST_LEN);
        payload.extend_from_slice(head.as_bytes());
        Ok(RequestBuilder {
            signer: signer.with_prefix(head.as_bytes()),
            whole: signer.with_prefix(b""),
            api_key: api_key.to_owned(),
            recv_window_ms,
            epoch,
            json_head: format!("\"params\":{{\"apiKey\":\"{api_key}\"").into_bytes(),
            payload_head: payload.len(),
            payload,
            window: Digits::int(recv_window_ms.into()),
            window_is_default: recv_window_ms == VENUE_WINDOW_MS,
            can_log_on: signer.can_log_on(),
            session: false,
        })
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The receive window, where it is not what the venue takes anyway.
    pub(super) fn own_window_ms(&self) -> Option<u32> {
        (!self.window_is_default).then_some(self.recv_window_ms)
    }

    /// Writes a request from sorted parameters (name, value, whether JSON quotes it), and signs it where need be. The
    /// key takes its place among them.
    pub(super) fn gathered(
        &mut self,
        out: &mut Vec<u8>,
        tag: RequestTag,
        method: &'static str,
        params: &[(String, String, bool)],
    ) {
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(&tag.text());
        out.extend_from_slice(format!("\",\"method\":\"{method}\",\"params\":{{").as_bytes());
        let key = ("apiKey".to_owned(), self.api_key.clone(), true);
        let at = if self.session { None } else { Some(params.partition_point(|p| p.0 < key.0)) };
        let (before, after) = params.split_at(at.unwrap_or(0));
        let mut payload = Vec::with_capacity(MAX_REQUEST_LEN);
        for (name, value, quoted) in before.iter().chain(at.map(|_| &key)).chain(after) {
            if !payload.is_empty() {
                out.push(b',');
                payload.push(b'&');
            }
            let quote = if *quoted { "\"" } else { "" };
            out.extend_from_slice(format!("\"{name}\":{quote}{value}{quote}").as_bytes());
            payload.extend_from_slice(format!("{name}={value}").as_bytes());
        }
        if !self.session {
            out.extend_from_slice(b",\"signature\":\"");
            self.whole.sign(&payload, out);
            out.push(b'"');
        }
        out.extend_from_slice(b"}}");
    }

    /// Whether the venue has words for the order.
    pub(super) fn sayable(&self, order: &NewOrder) -> Result<(), PlaceError> {
        let sized = order.qty.0 > 0 || (order.kind == OrderType::Market && order.terms.quote_qty.0 > 0);
        if !sized || (order.kind.is_limit() && order.px.0 <= 0) {
            return Err(PlaceError::NotPositive);
        }
        if has_tif(order.kind) && !matches!(order.tif, TimeInForce::Gtc | TimeInForce::Ioc | TimeInForce::Fok) {
            return Err(PlaceError::TimeInForce(order.tif));
        }
        if matches!(order.terms.trail, Trail::Offset(_)) {
            return Err(PlaceError::TrailOffset);
        }
        Ok(())
    }

    /// Whether the key may log a connection on.
    pub fn can_log_on(&self) -> bool {
        self.can_log_on
    }

    /// Whether requests go unsigned.
    pub fn is_session(&self) -> bool {
        self.session
    }

    /// Requests go unsigned from now on, or signed again.
    pub fn set_session(&mut self, logged_on: bool) {
        self.session = logged_on;
    }

    /// `session.logon`: requests after its answer need neither key nor signature on this connection. Always signed.
    pub fn logon(&mut self, out: &mut Vec<u8>, tag: u64, now_ms: i64) {
        self.plain_as::<true>(out, RequestTag::new(RequestKind::Logon, tag), "session.logon", None, now_ms);
    }

    /// `order.place`, answered with an ACK. `symbol` is the venue's, `now_ms` the venue's time as best known.
    /// The request is appended to `out`; on an error nothing is.
    pub fn place(&mut self, out: &mut Vec<u8>, order: &NewOrder, symbol: &str, now_ms: i64) -> Result<(), PlaceError> {
        self.sayable(order)?;
        if order.kind.is_triggered() || !order.terms.is_plain() {
            if self.session {
                self.place_with_terms_as::<false>(out, order, symbol, now_ms);
            } else {
                self.place_with_terms_as::<true>(out, order, symbol, now_ms);
            }
        } else if self.session {
            self.place_as::<false>(out, order, symbol, now_ms);
        } else {
            self.place_as::<true>(out, order, symbol, now_ms);
        }
        Ok(())
    }

    #[inline(always)]
    fn place_as<const SIGNED: bool>(&mut self, out: &mut Vec<u8>, order: &NewOrder, symbol: &str, now_ms: i64) {
        let limit = order.kind != OrderType::Market;
        let client = order.order.client_text(self.epoch);
        let window = self.window;
        let mut p = self.begin::<SIGNED>(out, RequestTag::new(RequestKind::Place, order.order.0), "order.place");
        text!(p, "newClientOrderId", client.as_bytes());
        constant!(p, "newOrderRespType", "ACK");
        if limit {
            text!(p, "price", Digits::fixed(order.px.0).text());
        }
        text!(p, "quantity", Digits::fixed(order.qty.0).text());
        p.window(window.text());
        match order.side {
            Side::Buy => constant!(p, "side", "BUY"),
            Side::Sell => constant!(p, "side", "SELL"),
        }
        text!(p, "symbol", symbol.as_bytes());
        if order.kind == OrderType::Limit {
            p.tif(order.tif);
        }
        number!(p, "timestamp", Digits::int(now_ms).text());
        match order.kind {
            OrderType::Market => constant!(p, "type", "MARKET"),
            OrderType::LimitMaker => constant!(p, "type", "LIMIT_MAKER"),
            _ => constant!(p, "type", "LIMIT"),
        }
        self.finish::<SIGNED>(out);
    }

    /// One that says more than side, type, quantity and price: stops, icebergs, amounts of the quote asset. Apart from
    /// the plain order, which is the hot one.
    fn place_with_terms_as<const SIGNED: bool>(
        &mut self,
        out: &mut Vec<u8>,
        order: &NewOrder,
        symbol: &str,
        now_ms: i64,
    ) {
        let client = order.order.client_text(self.epoch);
        let window = self.window;
        let terms = &order.terms;
        let mut p = self.begin::<SIGNED>(out, RequestTag::new(RequestKind::Place, order.order.0), "order.place");
        if !terms.display_qty.is_zero() {
            text!(p, "icebergQty", Digits::fixed(terms.display_qty.0).text());
        }
        text!(p, "newClientOrderId", client.as_bytes());
        constant!(p, "newOrderRespType", "ACK");
        if order.kind.is_limit() {
            text!(p, "price", Digits::fixed(order.px.0).text());
        }
        if terms.quote_qty.is_zero() {
            text!(p, "quantity", Digits::fixed(order.qty.0).text());
        } else {
            text!(p, "quoteOrderQty", Digits::fixed(terms.quote_qty.0).text());
        }
        p.window(window.text());
        match terms.stp {
            StpMode::Venue => {}
            StpMode::None => constant!(p, "selfTradePreventionMode", "NONE"),
            StpMode::ExpireTaker => constant!(p, "selfTradePreventionMode", "EXPIRE_TAKER"),
            StpMode::ExpireMaker => constant!(p, "selfTradePreventionMode", "EXPIRE_MAKER"),
            StpMode::ExpireBoth => constant!(p, "selfTradePreventionMode", "EXPIRE_BOTH"),
            StpMode::Decrement => constant!(p, "selfTradePreventionMode", "DECREMENT"),
            StpMode::Transfer => constant!(p, "selfTradePreventionMode", "TRANSFER"),
        }
        match order.side {
            Side::Buy => constant!(p, "side", "BUY"),
            Side::Sell => constant!(p, "side", "SELL"),
        }
        if !terms.stop_px.is_zero() {
            text!(p, "stopPrice", Digits::fixed(terms.stop_px.0).text());
        }
        text!(p, "symbol", symbol.as_bytes());
        if has_tif(order.kind) {
            p.tif(order.tif);
        }
        number!(p, "timestamp", Digits::int(now_ms).text());
        if let Trail::Bips(bips) = terms.trail {
            number!(p, "trailingDelta", Digits::int(bips.into()).text());
        }
        match order.kind {
            OrderType::Market => constant!(p, "type", "MARKET"),
            OrderType::Limit => constant!(p, "type", "LIMIT"),
            OrderType::LimitMaker => constant!(p, "type", "LIMIT_MAKER"),
            OrderType::Stop | OrderType::TrailingStop => constant!(p, "type", "STOP_LOSS"),
            OrderType::StopLimit | OrderType::TrailingStopLimit => constant!(p, "type", "STOP_LOSS_LIMIT"),
            OrderType::TakeProfit => constant!(p, "type", "TAKE_PROFIT"),
            OrderType::TakeProfitLimit => constant!(p, "type", "TAKE_PROFIT_LIMIT"),
        }
        self.finish::<SIGNED>(out);
    }

    /// `order.cancel`. The cancelled order's client id becomes `cancel_text`, so its event is known for ours.
    pub fn cancel(&mut self, out: &mut Vec<u8>, target: OrderRef, symbol: &str, now_ms: i64) {
        if self.session {
            self.cancel_as::<false>(out, target, symbol, now_ms);
        } else {
            self.cancel_as::<true>(out, target, symbol, now_ms);
        }
    }

    #[inline(always)]
    fn cancel_as<const SIGNED: bool>(&mut self, out: &mut Vec<u8>, target: OrderRef, symbol: &str, now_ms: i64) {
        let cancel = cancel_text(target.order, self.epoch);
        let client = target.order.client_text(self.epoch);
        let window = self.window;
        let mut p = self.begin::<SIGNED>(out, RequestTag::new(RequestKind::Cancel, target.order.0), "order.cancel");
        text!(p, "newClientOrderId", &cancel);
        order_ref(&mut p, target, client.as_bytes());
        p.end(window.text(), Some(symbol), now_ms);
        self.finish::<SIGNED>(out);
    }

    /// `openOrders.cancelAll` on one symbol.
    pub fn cancel_all(&mut self, out: &mut Vec<u8>, tag: u64, symbol: &str, now_ms: i64) {
        self.plain(out, RequestTag::new(RequestKind::CancelAll, tag), "openOrders.cancelAll", Some(symbol), now_ms);
    }

    /// `order.status`.
    pub fn order_status(&mut self, out: &mut Vec<u8>, target: OrderRef, symbol: &str, now_ms: i64) {
        if self.session {
            self.order_status_as::<false>(out, target, symbol, now_ms);
        } else {
            self.order_status_as::<true>(out, target, symbol, now_ms);
        }
    }

    #[inline(always)]
    fn order_status_as<const SIGNED: bool>(&mut self, out: &mut Vec<u8>, target: OrderRef, symbol: &str, now_ms: i64) {
        let client = target.order.client_text(self.epoch);
        let window = self.window;
        let mut p =
            self.begin::<SIGNED>(out, RequestTag::new(RequestKind::OrderStatus, target.order.0), "order.status");
        order_ref(&mut p, target, client.as_bytes());
        p.end(window.text(), Some(symbol), now_ms);
        self.finish::<SIGNED>(out);
    }

    /// The private events, on this connection: `userDataStream.subscribe`, which takes no parameters, where it is
    /// logged on, else `userDataStream.subscribe.signature`.
    pub fn subscribe(&mut self, out: &mut Vec<u8>, tag: u64, now_ms: i64) {
        let tag = RequestTag::new(RequestKind::Subscribe, tag);
        if self.session {
            return unsigned(out, tag, "userDataStream.subscribe");
        }
        self.plain(out, tag, "userDataStream.subscribe.signature", None, now_ms);
    }

    /// `account.status`, without the assets that are zero.
    pub fn account_status(&mut self, out: &mut Vec<u8>, tag: u64, now_ms: i64) {
        if self.session {
            self.account_status_as::<false>(out, tag, now_ms);
        } else {
            self.account_status_as::<true>(out, tag, now_ms);
        }
    }

    #[inline(always)]
    fn account_status_as<const SIGNED: bool>(&mut self, out: &mut Vec<u8>, tag: u64, now_ms: i64) {
        let window = self.window;
        let mut p = self.begin::<SIGNED>(out, RequestTag::new(RequestKind::Account, tag), "account.status");
        p.constant(",\"omitZeroBalances\":true", "&omitZeroBalances=true");
        p.end(window.text(), None, now_ms);
        self.finish::<SIGNED>(out);
    }

    /// `openOrders.status`: of one symbol (weight 6), or of all (weight 80).
    pub fn open_orders(&mut self, out: &mut Vec<u8>, tag: u64, symbol: Option<&str>, now_ms: i64) {
        self.plain(out, RequestTag::new(RequestKind::OpenOrders, tag), "openOrders.status", symbol, now_ms);
    }

    /// `myTrades`, up to 1000 of them.
    pub fn my_trades(&mut self, out: &mut Vec<u8>, tag: u64, symbol: &str, from: TradesFrom, now_ms: i64) {
        if self.session {
            self.my_trades_as::<false>(out, tag, symbol, from, now_ms);
        } else {
            self.my_trades_as::<true>(out, tag, symbol, from, now_ms);
        }
    }

    #[inline(always)]
    fn my_trades_as<const SIGNED: bool>(
        &mut self,
        out: &mut Vec<u8>,
        tag: u64,
        symbol: &str,
        from: TradesFrom,
        now_ms: i64,
    ) {
        let window = self.window;
        let mut p = self.begin::<SIGNED>(out, RequestTag::new(RequestKind::Trades, tag), "myTrades");
        if let TradesFrom::Id(id) = from {
            number!(p, "fromId", Digits::int(id.min(i64::MAX as u64) as i64).text());
        }
        p.constant(",\"limit\":1000", "&limit=1000");
        if let TradesFrom::Order(order) = from {
            number!(p, "orderId", Digits::int(order.lo.min(i64::MAX as u64) as i64).text());
        }
        p.window(window.text());
        if let TradesFrom::Time(ms) = from {
            number!(p, "startTime", Digits::int(ms).text());
        }
        text!(p, "symbol", symbol.as_bytes());
        number!(p, "timestamp", Digits::int(now_ms).text());
        self.finish::<SIGNED>(out);
    }

    /// `time`: the venue's clock, unsigned.
    pub fn time(&self, out: &mut Vec<u8>, tag: u64) {
        unsigned(out, RequestTag::new(RequestKind::Time, tag), "time");
    }

    /// `ping`: a round trip through the venue's API, unsigned.
    pub fn ping(&self, out: &mut Vec<u8>, tag: u64) {
        unsigned(out, RequestTag::new(RequestKind::Ping, tag), "ping");
    }

    /// A request with a symbol at most.
    fn plain(&mut self, out: &mut Vec<u8>, tag: RequestTag, method: &'static str, symbol: Option<&str>, now_ms: i64) {
        if self.session {
            self.plain_as::<false>(out, tag, method, symbol, now_ms);
        } else {
            self.plain_as::<true>(out, tag, method, symbol, now_ms);
        }
    }

    fn plain_as<const SIGNED: bool>(
        &mut self,
        out: &mut Vec<u8>,
        tag: RequestTag,
        method: &'static str,
        symbol: Option<&str>,
        now_ms: i64,
    ) {
        let window = self.window;
        let mut p = self.begin::<SIGNED>(out, tag, method);
        p.end(window.text(), symbol, now_ms);
        self.finish::<SIGNED>(out);
    }

    /// Both texts up to and with the key, or the one of an unsigned request with the receive window.
    #[inline(always)]
    fn begin<'a, const SIGNED: bool>(
        &'a mut self,
        out: &'a mut Vec<u8>,
        tag: RequestTag,
        method: &'static str,
    ) -> Params<'a, SIGNED> {
        out.reserve(MAX_REQUEST_LEN);
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(&tag.text());
        out.extend_from_slice(b"\",\"method\":\"");
        out.extend_from_slice(method.as_bytes());
        out.extend_from_slice(b"\",");
        if SIGNED {
            out.extend_from_slice(&self.json_head);
            self.payload.truncate(self.payload_head);
        } else {
            out.extend_from_slice(b"\"params\":{\"recvWindow\":");
            out.extend_from_slice(self.window.text());
        }
        Params { json: out, payload: &mut self.payload, window: !self.window_is_default }
    }

    /// The signature and the closing braces.
    #[inline(always)]
    fn finish<const SIGNED: bool>(&self, out: &mut Vec<u8>) {
        if !SIGNED {
            out.extend_from_slice(b"}}");
            return;
        }
        out.extend_from_slice(b",\"signature\":\"");
        self.signer.sign(&self.payload, out);
        out.extend_from_slice(b"\"}}");
    }
}

impl<const SIGNED: bool> Params<'_, SIGNED> {
    /// `recvWindow`, in its place by name. Without a signature it stands at the front already.
    #[inline(always)]
    fn window(&mut self, recv_window: &[u8]) {
        if SIGNED && self.window {
            number!(self, "recvWindow", recv_window);
        }
    }

    /// `timeInForce`. One that the venue does not know never comes here.
    #[inline(always)]
    fn tif(&mut self, tif: TimeInForce) {
        match tif {
            TimeInForce::Ioc => constant!(self, "timeInForce", "IOC"),
            TimeInForce::Fok => constant!(self, "timeInForce", "FOK"),
            TimeInForce::Gtc | TimeInForce::Day | TimeInForce::Opg | TimeInForce::Cls => {
                constant!(self, "timeInForce", "GTC");
            }
        }
    }

    /// `recvWindow`, `symbol` and `timestamp`: how most requests end.
    #[inline(always)]
    fn end(&mut self, recv_window: &[u8], symbol: Option<&str>, now_ms: i64) {
        self.window(recv_window);
        if let Some(symbol) = symbol {
            text!(self, "symbol", symbol.as_bytes());
        }
        number!(self, "timestamp", Digits::int(now_ms).text());
    }
}

/// Order types that say a time in force (§7.3); the venue refuses it with the others.
#[inline(always)]
pub(super) fn has_tif(kind: OrderType) -> bool {
    kind.is_limit() && kind != OrderType::LimitMaker
}

/// `orderId` where the venue's id is known, else `origClientOrderId`.
#[inline(always)]
fn order_ref<const SIGNED: bool>(p: &mut Params<SIGNED>, target: OrderRef, client: &[u8]) {
    if target.venue_order_id.is_none() {
        text!(p, "origClientOrderId", client);
    } else {
        number!(p, "orderId", Digits::int(target.venue_order_id.lo.min(i64::MAX as u64) as i64).text());
    }
}

fn unsigned(out: &mut Vec<u8>, tag: RequestTag, method: &'static str) {
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(&tag.text());
    out.extend_from_slice(b"\",\"method\":\"");
    out.extend_from_slice(method.as_bytes());
    out.extend_from_slice(b"\"}");
}

/// The client order id that our cancel of an order gives it: the order's own with `tx` for `tg`. An id of that form
/// names no order of ours (`OrderId::from_client_text`), so a cancelled order is never taken for a working one.
pub fn cancel_text(order: OrderId, epoch: u32) -> [u8; crate::domain::ids::CLIENT_TEXT_LEN] {
    let mut text = *order.client_text(epoch).as_bytes();
    text[1] = b'x';
    text
}

/// The order whose cancel gave the venue this client order id, or `None` where it is no such text of this journal.
pub fn cancelled_order(text: &[u8], epoch: u32) -> Option<OrderId> {
    let mut own: [u8; crate::domain::ids::CLIENT_TEXT_LEN] = text.try_into().ok()?;
    if own[1] != b'x' {
        return None;
    }
    own[1] = b'g';
    OrderId::from_client_text(&own, epoch)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
