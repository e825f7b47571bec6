//! What the venue says of an order when asked: acks, cancels, order queries and open orders (§7.5, §10.1).

use super::account::{AccountDecoder, Names};
use super::decode::{DecodeError, nanos};
use super::json;
use super::request::cancelled_order;
use super::scan::Scan;
use crate::domain::{ExecReport, ExecType, OrderId, Price, Qty, Side, Text, VenueOrderId};
use serde::Deserialize;
use simd_json::prelude::*;

impl AccountDecoder {
    /// The `result` of `order.place`, `order.cancel` or `order.status`, or the body of the REST order calls.
    ///
    /// `exec` says what the venue says: `New` for an ACK (it has no status), `Canceled`, `Expired`, `Rejected`, and
    /// `Working` for an order that is open **or filled**: `cum_qty` then tells which, and fills are taken only from the
    /// stream or `trades`, where they have prices and ids.
    pub fn order(&mut self, result: &[u8]) -> Result<ExecReport, DecodeError> {
        if let Some(report) = std::str::from_utf8(result).ok().and_then(scan).map(|order| order.report(&self.names)) {
            return report;
        }
        self.parse_order(result)
    }

    pub(super) fn parse_order(&mut self, result: &[u8]) -> Result<ExecReport, DecodeError> {
        let AccountDecoder { names, scratch, .. } = self;
        scratch.with(result, |root| {
            let order = root.as_object().ok_or(DecodeError::UnknownType)?;
            let text = |name: &'static str| match order.get(name) {
                Some(value) => value.into_string().map(Some).ok_or(DecodeError::BadField(name)),
                None => Ok(None),
            };
            let fixed = |name: &'static str| order.get(name).map(|v| json::fixed_value(v, name)).transpose();
            let time = |name: &'static str| match order.get(name) {
                Some(value) => value.as_u64().map(Some).ok_or(DecodeError::BadNumber(name)),
                None => Ok(None),
            };
            let order = OrderView {
                symbol: json::text(&order, "symbol")?,
                order_id: json::uint(&order, "orderId")?,
                client_id: text("clientOrderId")?,
                original_client_id: text("origClientOrderId")?,
                px: fixed("price")?,
                qty: fixed("origQty")?,
                executed: fixed("executedQty")?,
                prevented: fixed("preventedQuantity")?,
                status: text("status")?,
                side: text("side")?,
                expiry_reason: text("expiryReason")?,
                transact_time: time("transactTime")?,
                update_time: time("updateTime")?,
            };
            order.report(names)
        })
    }

    /// The array of `openOrders` or of an `openOrders.status` result: one `Working` report an order, foreign ones too.
    pub fn open_orders(&self, body: &[u8]) -> Result<Vec<ExecReport>, DecodeError> {
        let orders: Vec<OrderJson> = json::parse(body)?;
        orders.iter().map(|order| order.view()?.report(&self.names)).collect()
    }
}

/// What became of one of the two halves of a cancel-replace (§9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // returned by value, twice a request
pub enum Half {
    Done(ExecReport),
    Failed { code: i64, text: Text<48> },
    NotAttempted,
}

/// The answer to a cancel-replace, be it a result or the `data` of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    pub cancel: Half,
    pub new: Half,
}

/// An order in any of the answers that hold several, or the error that stands in its place. Amendments name some
/// fields otherwise (§9.3).
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AnyOrderJson {
    code: Option<i64>,
    msg: Option<String>,
    symbol: String,
    order_id: u64,
    client_order_id: Option<String>,
    orig_client_order_id: Option<String>,
    price: Option<String>,
    #[serde(alias = "qty")]
    orig_qty: Option<String>,
    executed_qty: Option<String>,
    #[serde(alias = "preventedQty")]
    prevented_quantity: Option<String>,
    status: Option<String>,
    side: Option<String>,
    expiry_reason: Option<String>,
    transact_time: Option<u64>,
    /// A cancelled leg's list.
    order_reports: Vec<AnyOrderJson>,
}

impl AnyOrderJson {
    fn report(&self, names: &Names) -> Result<ExecReport, DecodeError> {
        let fixed = |text: &Option<String>, name| text.as_deref().map(|t| json::fixed_text(t, name)).transpose();
        if self.symbol.is_empty() {
            return Err(DecodeError::MissingField("symbol"));
        }
        OrderView {
            symbol: &self.symbol,
            order_id: self.order_id,
            client_id: self.client_order_id.as_deref(),
            original_client_id: self.orig_client_order_id.as_deref(),
            px: fixed(&self.price, "price")?,
            qty: fixed(&self.orig_qty, "origQty")?,
            executed: fixed(&self.executed_qty, "executedQty")?,
            prevented: fixed(&self.prevented_quantity, "preventedQuantity")?,
            status: self.status.as_deref(),
            side: self.side.as_deref(),
            expiry_reason: self.expiry_reason.as_deref(),
            transact_time: self.transact_time,
            update_time: None,
        }
        .report(names)
    }

    fn half(&self, names: &Names) -> Result<Half, DecodeError> {
        match self.code {
            Some(code) => Ok(Half::Failed { code, text: self.msg.as_deref().map(Text::new).unwrap_or_default() }),
            None => self.report(names).map(Half::Done),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReplacedJson {
    cancel_response: AnyOrderJson,
    #[serde(default)]
    new_order_response: Option<AnyOrderJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AmendedJson {
    #[serde(default)]
    transact_time: u64,
    amended_order: AnyOrderJson,
}

impl AccountDecoder {
    /// The `result` of `orderList.place.*` or `orderList.cancel`, or of a cancel that took a list with it (§8.4): one
    /// report a leg.
    pub fn list(&self, result: &[u8]) -> Result<Vec<ExecReport>, DecodeError> {
        let list: AnyOrderJson = json::parse(result)?;
        if list.order_reports.is_empty() {
            return Err(DecodeError::MissingField("orderReports"));
        }
        list.order_reports.iter().map(|leg| leg.report(&self.names)).collect()
    }

    /// The `result` of `order.cancelReplace`, or the `data` of its error. Data without the two halves is an error.
    pub fn replaced(&self, body: &[u8]) -> Result<Replaced, DecodeError> {
        let body: ReplacedJson = json::parse(body)?;
        let new = match &body.new_order_response {
            Some(new) => new.half(&self.names)?,
            None => Half::NotAttempted,
        };
        Ok(Replaced { cancel: body.cancel_response.half(&self.names)?, new })
    }

    /// The `result` of `order.amend.keepPriority`.
    pub fn amended(&self, result: &[u8]) -> Result<ExecReport, DecodeError> {
        let body: AmendedJson = json::parse(result)?;
        let report = body.amended_order.report(&self.names)?;
        let ts_event_ns = nanos(body.transact_time).ok_or(DecodeError::BadNumber("transactTime"))?;
        Ok(ExecReport { exec: ExecType::Replaced, ts_event_ns, ..report })
    }
}

/// The fields of an order answer that are read, from whichever reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct OrderView<'a> {
    symbol: &'a str,
    order_id: u64,
    client_id: Option<&'a str>,
    /// In cancel answers: the order's own client id; `client_id` is then the cancel's (§9.1).
    original_client_id: Option<&'a str>,
    px: Option<i64>,
    qty: Option<i64>,
    executed: Option<i64>,
    prevented: Option<i64>,
    status: Option<&'a str>,
    side: Option<&'a str>,
    expiry_reason: Option<&'a str>,
    transact_time: Option<u64>,
    update_time: Option<u64>,
}

impl OrderView<'_> {
    fn report(&self, names: &Names) -> Result<ExecReport, DecodeError> {
        let own_id = match self.original_client_id {
            Some(id) if !id.is_empty() => Some(id),
            _ => self.client_id,
        };
        let exec = match self.status {
            None => ExecType::New,
            Some("NEW" | "PARTIALLY_FILLED" | "FILLED" | "PENDING_NEW" | "PENDING_CANCEL") => ExecType::Working,
            Some("CANCELED") => ExecType::Canceled,
            Some("EXPIRED" | "EXPIRED_IN_MATCH") => ExecType::Expired,
            Some("REJECTED") => ExecType::Rejected,
            Some(_) => return Err(DecodeError::BadField("status")),
        };
        let time = self.transact_time.or(self.update_time).unwrap_or(0);
        let own_id = own_id.ok_or(DecodeError::MissingField("clientOrderId"))?;
        let mut order = names.order(own_id);
        if order == OrderId::FOREIGN && exec == ExecType::Canceled {
            // A query may show a cancelled order under its cancel's id (§9.1): it is still ours, and so are its fills.
            order = cancelled_order(own_id.as_bytes(), names.epoch).unwrap_or(order);
        }
        Ok(ExecReport {
            venue: names.venue,
            instrument: names.instrument(self.symbol),
            order,
            exec,
            side: self.side.map_or(Ok(Side::default()), side)?,
            venue_order_id: VenueOrderId::from_u64(self.order_id),
            cum_qty: Qty(self.executed.unwrap_or(0)),
            // What self-trade prevention took can no more fill; what has filled is no part of that.
            order_qty: Qty((self.qty.unwrap_or(0) - self.prevented.unwrap_or(0)).max(self.executed.unwrap_or(0))),
            order_px: Price(self.px.unwrap_or(0)),
            text: self.expiry_reason.map(Text::new).unwrap_or_default(),
            ts_event_ns: nanos(time).ok_or(DecodeError::BadNumber("transactTime"))?,
            ..ExecReport::default()
        })
    }
}

pub(super) fn side(text: &str) -> Result<Side, DecodeError> {
    match text {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(DecodeError::BadField("side")),
    }
}

/// The hand scanner: any order of keys, each at most once, no escapes.
fn scan(text: &str) -> Option<OrderView<'_>> {
    let mut view = OrderView::default();
    let (mut symbol, mut order_id) = (None, None);
    let mut scan = Scan::new(text.as_bytes());
    scan.blanks();
    scan.lit(b"{")?;
    let mut first = true;
    while let Some(key) = scan.key(&mut first)? {
        let doubled = match key {
            b"symbol" => symbol.replace(scan.str()?).is_some(),
            b"orderId" => order_id.replace(scan.uint()?).is_some(),
            b"clientOrderId" => view.client_id.replace(scan.str()?).is_some(),
            b"origClientOrderId" => view.original_client_id.replace(scan.str()?).is_some(),
            b"price" => view.px.replace(scan.fixed()?).is_some(),
            b"origQty" => view.qty.replace(scan.fixed()?).is_some(),
            b"executedQty" => view.executed.replace(scan.fixed()?).is_some(),
            b"preventedQuantity" => view.prevented.replace(scan.fixed()?).is_some(),
            b"status" => view.status.replace(scan.str()?).is_some(),
            b"side" => view.side.replace(scan.str()?).is_some(),
            b"expiryReason" => view.expiry_reason.replace(scan.str()?).is_some(),
            b"transactTime" => view.transact_time.replace(scan.uint()?).is_some(),
            b"updateTime" => view.update_time.replace(scan.uint()?).is_some(),
            _ => {
                scan.skip()?;
                false
            }
        };
        if doubled {
            return None;
        }
    }
    scan.blanks();
    view.symbol = symbol?;
    view.order_id = order_id?;
    scan.at_end().then_some(view)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderJson {
    symbol: String,
    order_id: u64,
    client_order_id: String,
    price: String,
    orig_qty: String,
    executed_qty: String,
    prevented_quantity: Option<String>,
    status: String,
    side: String,
    update_time: u64,
}

impl OrderJson {
    fn view(&self) -> Result<OrderView<'_>, DecodeError> {
        Ok(OrderView {
            symbol: &self.symbol,
            order_id: self.order_id,
            client_id: Some(&self.client_order_id),
            px: Some(json::fixed_text(&self.price, "price")?),
            qty: Some(json::fixed_text(&self.orig_qty, "origQty")?),
            executed: Some(json::fixed_text(&self.executed_qty, "executedQty")?),
            prevented: self
                .prevented_quantity
                .as_deref()
                .map(|q| json::fixed_text(q, "preventedQuantity"))
                .transpose()?,
            status: Some(&self.status),
            side: Some(&self.side),
            update_time: Some(self.update_time),
            ..OrderView::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::InstrumentId;
    use crate::venues::binance::account::tests::names;
    use crate::venues::binance::testing::{fixture, squeeze};
    use serde_json::{Value, json};

    /// An answer's result, with the client ids that a documented example cannot have.
    fn result(file: &str, client_id: &str, original: Option<&str>) -> Option<Vec<u8>> {
        let answer: Value = serde_json::from_slice(&fixture(file)?).unwrap();
        let mut result = answer.get("result").unwrap_or(&answer).clone();
        result["clientOrderId"] = client_id.into();
        if let Some(original) = original {
            result["origClientOrderId"] = original.into();
        }
        Some(result.to_string().into_bytes())
    }

    #[test]
    fn each_answer_becomes_the_report_it_means() {
        let ours = OrderId(0x40).client_text(7);
        let cancel = "tx000000070000000000000040";
        let base = ExecReport {
            venue: crate::domain::VenueId(3),
            instrument: InstrumentId(0),
            order: OrderId(0x40),
            side: Side::Sell,
            venue_order_id: VenueOrderId::from_u64(12_569_099_453),
            order_qty: Qty(847_000),
            order_px: Price(2_341_610_000_000),
            ..ExecReport::default()
        };
        let cases = [
            (
                "wsapi_order_place_ack.json",
                ours.as_str(),
                None,
                ExecReport {
                    exec: ExecType::New,
                    side: Side::Buy,
                    order_qty: Qty(0),
                    order_px: Price(0),
                    ts_event_ns: 1_660_801_715_639_000_000,
                    ..base
                },
            ),
            (
                "wsapi_order_cancel_response.json",
                cancel,
                Some(ours.as_str()),
                ExecReport {
                    exec: ExecType::Canceled,
                    cum_qty: Qty(1_000),
                    ts_event_ns: 1_684_804_350_068_000_000,
                    ..base
                },
            ),
            (
                "wsapi_order_status_response.json",
                ours.as_str(),
                None,
                ExecReport {
                    exec: ExecType::Working,
                    cum_qty: Qty(847_000),
                    ts_event_ns: 1_660_801_717_945_000_000,
                    ..base
                },
            ),
            (
                "wsapi_order_status_response.json",
                "somebody_elses",
                None,
                ExecReport {
                    exec: ExecType::Working,
                    order: OrderId::FOREIGN,
                    cum_qty: Qty(847_000),
                    ts_event_ns: 1_660_801_717_945_000_000,
                    ..base
                },
            ),
        ];
        let mut decoder = AccountDecoder::new(names());
        for (file, client_id, original, want) in cases {
            let Some(result) = result(file, client_id, original) else { return };
            assert!(scan(std::str::from_utf8(&result).unwrap()).is_some(), "{file}");
            assert_eq!(decoder.order(&result), Ok(want), "{file}");
            assert_eq!(decoder.parse_order(&result), Ok(want), "{file}");
        }
    }

    #[test]
    fn a_cancelled_order_is_known_by_its_cancels_id_and_a_working_one_is_not() {
        let mut decoder = AccountDecoder::new(names());
        let cancelled = |id: &str, status: &str| {
            let order = json!({"symbol": "BTCUSDT", "orderId": 9, "clientOrderId": id, "price": "1", "origQty": "5",
                "executedQty": "2", "status": status, "side": "BUY", "updateTime": 1_660_801_717_946u64});
            order.to_string().into_bytes()
        };
        for (id, status, want) in [
            ("tx000000070000000000000040", "CANCELED", OrderId(0x40)),
            ("tx000000070000000000000040", "NEW", OrderId::FOREIGN),
            ("tx000000080000000000000040", "CANCELED", OrderId::FOREIGN),
            ("tz000000070000000000000040", "CANCELED", OrderId::FOREIGN),
        ] {
            assert_eq!(decoder.order(&cancelled(id, status)).unwrap().order, want, "{id} {status}");
        }
    }

    #[test]
    fn both_readers_agree_on_every_documented_order() {
        let mut decoder = AccountDecoder::new(names());
        let files = [
            "order_ack",
            "order_result",
            "order_full",
            "order_cancel",
            "order_query",
            "order_market_expired_full",
            "order_pegged_full",
            "order_sor_full",
            "order_stp_expireMaker_taker",
            "order_stp_expireTaker_taker",
        ];
        for file in files {
            let Some(text) = fixture(&format!("{file}.json")) else { return };
            let order = match serde_json::from_slice(&text).unwrap() {
                Value::Array(orders) => orders[0].to_string().into_bytes(),
                _ => squeeze(&text),
            };
            let by_hand = scan(std::str::from_utf8(&order).unwrap()).unwrap().report(&decoder.names);
            assert!(by_hand.is_ok(), "{file}");
            assert_eq!(by_hand, decoder.parse_order(&order), "{file}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_left_to_the_parser() {
        for name in ["symbol", "clientOrderId", "status", "side", "price", "executedQty"] {
            let twice = format!("{{\"symbol\":\"A\",\"orderId\":1,\"{name}\":\"5\",\"{name}\":\"6\"}}");
            assert_eq!(scan(&twice), None, "{twice}");
        }
        assert!(scan("{\"symbol\":\"A\",\"orderId\":1}").is_some());
    }

    #[test]
    fn open_orders_are_listed_with_foreign_ones() {
        let decoder = AccountDecoder::new(names());
        let Some(text) = fixture("wsapi_openOrders_status_response.json") else { return };
        let answer: Value = serde_json::from_slice(&text).unwrap();
        let mut orders = answer["result"].clone();
        orders.as_array_mut().unwrap().push(json!({
            "symbol": "NOPEUSDT", "orderId": 2, "clientOrderId": "tg000000070000000000000080", "price": "0.10", "origQty": "5",
            "executedQty": "0", "status": "NEW", "side": "BUY", "updateTime": 1_660_801_717_946u64,
        }));
        let reports = decoder.open_orders(orders.to_string().as_bytes()).unwrap();
        let seen: Vec<_> =
            reports.iter().map(|r| (r.instrument, r.order, r.exec, r.side, r.cum_qty.0, r.order_qty.0)).collect();
        assert_eq!(
            seen,
            [
                (InstrumentId(0), OrderId::FOREIGN, ExecType::Working, Side::Sell, 720_000, 847_000),
                (InstrumentId::UNKNOWN, OrderId(0x80), ExecType::Working, Side::Buy, 0, 500_000_000),
            ]
        );
        assert_eq!(decoder.open_orders(b"[]"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_order_says_why() {
        let mut decoder = AccountDecoder::new(names());
        for (text, want) in [
            ("{}", DecodeError::MissingField("symbol")),
            ("[]", DecodeError::UnknownType),
            ("{\"symbol\":\"BTCUSDT\",\"orderId\":\"5\",\"clientOrderId\":\"a\"}", DecodeError::BadNumber("orderId")),
            ("{\"symbol\":\"BTCUSDT\",\"orderId\":5}", DecodeError::MissingField("clientOrderId")),
            (
                "{\"symbol\":\"BTCUSDT\",\"orderId\":5,\"clientOrderId\":\"a\",\"status\":\"ODD\"}",
                DecodeError::BadField("status"),
            ),
            (
                "{\"symbol\":\"BTCUSDT\",\"orderId\":5,\"clientOrderId\":\"a\",\"side\":\"UP\"}",
                DecodeError::BadField("side"),
            ),
            (
                "{\"symbol\":\"BTCUSDT\",\"orderId\":5,\"clientOrderId\":\"a\",\"price\":\"1e3\"}",
                DecodeError::BadNumber("price"),
            ),
            ("{\"symbol\":\"BTCUSDT\"", DecodeError::Truncated),
        ] {
            assert_eq!(decoder.order(text.as_bytes()), Err(want), "{text}");
        }
    }
}
