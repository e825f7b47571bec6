//! User events (§16): fills and other changes of our orders, balances, and the end of the stream.

use super::account::{AccountDecoder, Names};
use super::decode::{DecodeError, nanos};
use super::errors::engine_reason;
use super::json;
use super::orders::side;
use super::scan::Scan;
use crate::domain::{
    AssetId, Balance, ExecId, ExecReport, ExecType, Liquidity, Nanos, Price, Qty, RejectReason, Text, VenueOrderId,
};
use simd_json::prelude::*;
use simd_json::tape::Object;

/// What an event was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // returned by value once a frame; boxing would allocate
pub enum UserEvent {
    Exec(ExecReport),
    /// Absolute balances, in `AccountDecoder::position` until the next event.
    Position,
    /// A deposit, withdrawal or transfer; the position follows separately. `NONE` where the asset is not configured.
    BalanceChange {
        asset: AssetId,
        /// Units of 10^-8, signed.
        delta: i64,
        ts_event_ns: Nanos,
    },
    /// An order list changed; its legs' executionReports say everything that counts.
    ListStatus,
    /// Part of a balance was locked from outside; nothing that trading changes.
    ExternalLock,
    /// The subscription ended: subscribe again, then reconcile.
    StreamTerminated,
    /// The server goes down: reconnect now.
    ServerShutdown,
}

impl AccountDecoder {
    /// The balances of the last `UserEvent::Position`; assets that are not configured are left out.
    pub fn position(&self) -> &[Balance] {
        &self.balances
    }

    /// Reads an event frame: `{"subscriptionId":0,"event":{…}}`, without the id, or the bare event.
    ///
    /// An execution report that cannot be read is an error like any other, and the caller must then reconcile: it may
    /// have been a fill.
    pub fn user_event(&mut self, frame: &[u8]) -> Result<UserEvent, DecodeError> {
        if let Some(report) = std::str::from_utf8(frame).ok().and_then(scan) {
            return report.report(&self.names).map(UserEvent::Exec);
        }
        self.parse_user_event(frame)
    }

    pub(super) fn parse_user_event(&mut self, frame: &[u8]) -> Result<UserEvent, DecodeError> {
        let AccountDecoder { names, scratch, balances } = self;
        scratch.with(frame, |root| {
            let root = root.as_object().ok_or(DecodeError::UnknownType)?;
            let event = match root.get("event") {
                Some(event) => event.as_object().ok_or(DecodeError::UnknownType)?,
                None => root,
            };
            match event.get("e").and_then(|e| e.into_string()).ok_or(DecodeError::UnknownType)? {
                "executionReport" => parse_report(&event)?.report(names).map(UserEvent::Exec),
                "outboundAccountPosition" => {
                    parse_position(&event, names, balances)?;
                    Ok(UserEvent::Position)
                }
                "balanceUpdate" => Ok(UserEvent::BalanceChange {
                    asset: names.asset(json::text(&event, "a")?),
                    delta: json::signed_text(json::text(&event, "d")?, "d")?,
                    ts_event_ns: json::time(&event, "T")?,
                }),
                "listStatus" => Ok(UserEvent::ListStatus),
                "externalLockUpdate" => Ok(UserEvent::ExternalLock),
                "eventStreamTerminated" => Ok(UserEvent::StreamTerminated),
                "serverShutdown" => Ok(UserEvent::ServerShutdown),
                _ => Err(DecodeError::UnknownType),
            }
        })
    }
}

fn parse_position(event: &Object, names: &Names, balances: &mut Vec<Balance>) -> Result<(), DecodeError> {
    balances.clear();
    let ts_event_ns = json::time(event, "u")?;
    for line in &json::field(event, "B")?.as_array().ok_or(DecodeError::BadField("B"))? {
        let line = line.as_object().ok_or(DecodeError::BadField("B"))?;
        let free = json::fixed(&line, "f")?;
        let locked = json::fixed(&line, "l")?;
        let asset = names.asset(json::text(&line, "a")?);
        if asset != AssetId::NONE && balances.len() < balances.capacity() {
            balances.push(Balance { venue: names.venue, asset, free, locked, ts_event_ns });
        }
    }
    Ok(())
}

/// The fields of an `executionReport` that are read, from whichever reader (§16.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Report<'a> {
    symbol: &'a str,
    client_id: &'a str,
    original_client_id: &'a str,
    side: &'a str,
    exec: &'a str,
    status: &'a str,
    reject: &'a str,
    expiry: Option<&'a str>,
    order_id: u64,
    trade_id: i64,
    qty: i64,
    px: i64,
    last_qty: i64,
    last_px: i64,
    cum_qty: i64,
    /// Taken off by self-trade prevention.
    prevented: i64,
    fee: i64,
    fee_asset: Option<&'a str>,
    maker: bool,
    time: u64,
}

impl Report<'_> {
    fn report(&self, names: &Names) -> Result<ExecReport, DecodeError> {
        let exec = match self.exec {
            "NEW" => ExecType::New,
            "TRADE" => ExecType::Trade,
            "CANCELED" => ExecType::Canceled,
            "REPLACED" => ExecType::Replaced,
            "REJECTED" => ExecType::Rejected,
            "EXPIRED" => ExecType::Expired,
            // Self-trade prevention ends the order, or only takes from its quantity.
            "TRADE_PREVENTION" if self.status == "EXPIRED_IN_MATCH" => ExecType::Expired,
            "TRADE_PREVENTION" => ExecType::Working,
            _ => return Err(DecodeError::BadField("x")),
        };
        // A cancel or an amendment moves the order's own id to `C`; `c` is then the request's.
        let moved = matches!(exec, ExecType::Canceled | ExecType::Replaced) && !self.original_client_id.is_empty();
        let traded = exec == ExecType::Trade;
        let trade_id = match u64::try_from(self.trade_id) {
            Ok(id) if traded => ExecId::from_u64(id),
            Err(_) if traded => return Err(DecodeError::BadNumber("t")),
            _ => ExecId::NONE,
        };
        let text = match (exec, self.expiry) {
            (ExecType::Rejected, _) => self.reject,
            (ExecType::Expired, Some(reason)) => reason,
            _ => "",
        };
        Ok(ExecReport {
            venue: names.venue,
            instrument: names.instrument(self.symbol),
            order: names.order(if moved { self.original_client_id } else { self.client_id }),
            exec,
            side: side(self.side)?,
            venue_order_id: VenueOrderId::from_u64(self.order_id),
            // The trade id, not the execution id `I`: a backfill through myTrades knows only this one.
            exec_id: trade_id,
            last_px: Price(self.last_px),
            last_qty: Qty(self.last_qty),
            cum_qty: Qty(self.cum_qty),
            order_qty: Qty((self.qty - self.prevented).max(self.cum_qty)),
            order_px: Price(self.px),
            fee: self.fee,
            fee_asset: self.fee_asset.map_or(AssetId::NONE, |name| names.asset(name)),
            liquidity: match (traded, self.maker) {
                (false, _) => Liquidity::None,
                (true, true) => Liquidity::Maker,
                (true, false) => Liquidity::Taker,
            },
            reject: if exec == ExecType::Rejected { engine_reason(text) } else { RejectReason::Other },
            code: 0,
            text: Text::new(text),
            ts_event_ns: nanos(self.time).ok_or(DecodeError::BadNumber("T"))?,
        })
    }
}

fn parse_report<'i>(event: &Object<'_, 'i>) -> Result<Report<'i>, DecodeError> {
    let optional = |name: &'static str| match event.get(name) {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) => value.into_string().map(Some).ok_or(DecodeError::BadField(name)),
    };
    Ok(Report {
        symbol: json::text(event, "s")?,
        client_id: json::text(event, "c")?,
        original_client_id: json::text(event, "C")?,
        side: json::text(event, "S")?,
        exec: json::text(event, "x")?,
        status: json::text(event, "X")?,
        reject: json::text(event, "r")?,
        expiry: optional("eR")?,
        order_id: json::uint(event, "i")?,
        trade_id: json::int(event, "t")?,
        qty: json::fixed(event, "q")?,
        px: json::fixed(event, "p")?,
        last_qty: json::fixed(event, "l")?,
        last_px: json::fixed(event, "L")?,
        cum_qty: json::fixed(event, "z")?,
        prevented: event.get("A").map(|value| json::fixed_value(value, "A")).transpose()?.unwrap_or(0),
        fee: json::signed_text(json::text(event, "n")?, "n")?,
        fee_asset: optional("N")?,
        maker: json::boolean(event, "m")?,
        time: json::uint(event, "T")?,
    })
}

/// The hand scanner for an execution report: any order of keys after the event's type, each at most once, no escapes.
fn scan(text: &str) -> Option<Report<'_>> {
    let mut scan = Scan::new(text.as_bytes());
    let mut wrapped = true;
    if scan.lit(b"{\"subscriptionId\":").is_some() {
        scan.uint()?;
        scan.lit(b",\"event\":{\"e\":\"executionReport\"")?;
    } else if scan.lit(b"{\"event\":{\"e\":\"executionReport\"").is_none() {
        scan.lit(b"{\"e\":\"executionReport\"")?;
        wrapped = false;
    }
    let mut report = Report::default();
    // One bit a letter, so that a key that comes twice is left to the other reader, and a missing one too.
    let mut seen = bit(b'e');
    let mut first = false;
    while let Some(key) = scan.key(&mut first)? {
        let &[letter] = key else {
            if key == b"eR" {
                if report.expiry.replace(scan.str()?).is_some() {
                    return None;
                }
            } else {
                scan.skip()?;
            }
            continue;
        };
        if !letter.is_ascii_alphabetic() || seen & bit(letter) != 0 {
            return None;
        }
        seen |= bit(letter);
        match letter {
            b's' => report.symbol = scan.str()?,
            b'c' => report.client_id = scan.str()?,
            b'C' => report.original_client_id = scan.str()?,
            b'S' => report.side = scan.str()?,
            b'x' => report.exec = scan.str()?,
            b'X' => report.status = scan.str()?,
            b'r' => report.reject = scan.str()?,
            b'i' => report.order_id = scan.uint()?,
            b't' => report.trade_id = scan.int()?,
            b'q' => report.qty = scan.fixed()?,
            b'p' => report.px = scan.fixed()?,
            b'l' => report.last_qty = scan.fixed()?,
            b'L' => report.last_px = scan.fixed()?,
            b'z' => report.cum_qty = scan.fixed()?,
            b'A' => report.prevented = scan.fixed()?,
            b'n' => report.fee = scan.fixed()?,
            b'N' if scan.peek()? == b'n' => scan.lit(b"null")?,
            b'N' => report.fee_asset = Some(scan.str()?),
            b'm' => report.maker = scan.boolean()?,
            b'T' => report.time = scan.uint()?,
            _ => {
                scan.skip()?;
            }
        }
    }
    if wrapped {
        scan.lit(b"}")?;
    }
    let needed = b"scCSxXritqplLznmT".iter().fold(0, |bits, letter| bits | bit(*letter));
    (scan.at_end() && seen & needed == needed).then_some(report)
}

/// Upper and lower case apart: letters from `A` to `z` span 58 places.
const fn bit(letter: u8) -> u64 {
    1 << (letter - b'A')
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
