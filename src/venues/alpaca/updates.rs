//! The trade-update stream (§16): its session, and what each event says of an order.

use super::decode::DecodeError;
use super::json::{self, Json, Source};
use super::names::Names;
use super::orders::{VenueOrder, price};
use super::value::Extra;
use super::{QTY_SCALE, json::unescaped};
use crate::domain::{ExecId, ExecReport, ExecType, Nanos, Price, Qty, Text};

/// What happened to an order (§16.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    PendingNew,
    Accepted,
    New,
    PartialFill,
    Fill,
    Canceled,
    Expired,
    DoneForDay,
    Replaced,
    Rejected,
    PendingCancel,
    PendingReplace,
    CancelRejected,
    ReplaceRejected,
    Stopped,
    Suspended,
    Calculated,
    Held,
    /// The venue changed the order, or took an execution back: what was told before may not hold.
    Restated,
    /// A name that is not in the reference: the order itself says how it stands.
    Other,
}

impl Event {
    fn from_text(text: &str) -> Event {
        match text {
            "pending_new" => Event::PendingNew,
            "accepted" => Event::Accepted,
            "new" => Event::New,
            "partial_fill" => Event::PartialFill,
            "fill" => Event::Fill,
            "canceled" => Event::Canceled,
            "expired" => Event::Expired,
            "done_for_day" => Event::DoneForDay,
            "replaced" => Event::Replaced,
            "rejected" => Event::Rejected,
            "pending_cancel" => Event::PendingCancel,
            "pending_replace" => Event::PendingReplace,
            "order_cancel_rejected" => Event::CancelRejected,
            "order_replace_rejected" => Event::ReplaceRejected,
            "stopped" => Event::Stopped,
            "suspended" => Event::Suspended,
            "calculated" => Event::Calculated,
            "held" => Event::Held,
            "restated" | "trade_bust" | "trade_correct" => Event::Restated,
            _ => Event::Other,
        }
    }

    pub fn is_fill(self) -> bool {
        matches!(self, Event::PartialFill | Event::Fill)
    }
}

/// One event of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    pub event: Event,
    /// After the event.
    pub order: VenueOrder,
    /// `NONE` where the frame names none.
    pub exec_id: ExecId,
    /// Of this execution; zero where it is none.
    pub last_px: Price,
    pub last_qty: Qty,
    /// Signed; on fills.
    pub position_qty: Option<i64>,
    pub ts_event_ns: Nanos,
}

impl Update {
    /// The event as a report; fees are the gateway's to add. `None` where it says nothing that an order hears.
    pub fn report(&self, names: &Names) -> Option<ExecReport> {
        let exec = match self.event {
            Event::PendingNew | Event::Accepted | Event::New => ExecType::New,
            Event::PartialFill | Event::Fill => ExecType::Trade,
            Event::CancelRejected | Event::ReplaceRejected => ExecType::CancelRejected,
            Event::Canceled | Event::Replaced => ExecType::Canceled,
            Event::Expired => ExecType::Expired,
            Event::Rejected => ExecType::Rejected,
            Event::Restated => return None,
            // An exit that waits lives at the venue.
            Event::Held => ExecType::New,
            _ => self.order.status.exec(),
        };
        let mut report = self.order.report_as(names, exec);
        report.ts_event_ns = self.ts_event_ns;
        if self.event == Event::Rejected {
            // The stream promises no reason (§16.4).
            report.text = Text::new("the exchange rejected it and gave no reason");
        }
        if exec == ExecType::Trade {
            (report.exec_id, report.last_px, report.last_qty) = (self.exec_id, self.last_px, self.last_qty);
        }
        Some(report)
    }
}

/// One frame of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Authorized,
    /// With the venue's words, where it gives any.
    Unauthorized(String),
    /// Which streams are in force: whether ours is.
    Listening(bool),
    Update(Box<Update>),
    /// The server's own trouble; it closes the connection.
    Error(String),
    /// A sign of life, or a stream that was not asked for.
    Nothing,
}

/// Reads a frame, text or binary: the bytes are JSON in both (§16.2).
pub fn frame(bytes: &[u8], names: &Names) -> Result<Frame, DecodeError> {
    // One byte that is no JSON: a heartbeat of some servers (§16.1).
    if bytes == [1] {
        return Ok(Frame::Nothing);
    }
    json::body(bytes, |json| {
        let (mut stream, mut action) = ("", "");
        let mut found = None;
        // Where the data stands, if the stream's name did not come before it.
        let mut early: Option<Json> = None;
        json.map(|json, name| {
            match name {
                "stream" => stream = json.value()?.text("stream")?,
                "action" => action = json.value()?.text("action")?,
                "data" if stream.is_empty() => {
                    early = Some(json.clone());
                    json.value()?;
                }
                "data" => found = Some(data(json, stream, names)?),
                _ => drop(json.value()?),
            }
            Ok(())
        })?;
        match (found, early) {
            (Some(found), _) => Ok(found),
            (None, Some(mut json)) if !stream.is_empty() => data(&mut json, stream, names),
            (None, Some(mut json)) if action == "error" => trouble(&mut json),
            _ if stream.is_empty() => Err(DecodeError::MissingField("stream")),
            _ => Err(DecodeError::MissingField("data")),
        }
    })
}

fn data<'a>(json: &mut Json<'a>, stream: &'a str, names: &Names) -> Result<Frame, DecodeError> {
    match stream {
        "trade_updates" => update(json, names).map(|update| Frame::Update(Box::new(update))),
        "authorization" => authorization(json),
        "listening" => listening(json),
        _ => json.value().map(|_| Frame::Nothing),
    }
}

fn trouble(json: &mut Json) -> Result<Frame, DecodeError> {
    let mut text = String::new();
    json.map(|json, name| {
        let value = json.value()?;
        if name == "error_message" {
            text = unescaped(value.text("error_message")?);
        }
        Ok(())
    })?;
    Ok(Frame::Error(text))
}

fn authorization(json: &mut Json) -> Result<Frame, DecodeError> {
    let (mut status, mut text) = ("", "");
    json.map(|json, name| {
        let value = json.value()?;
        match name {
            "status" => status = value.text("status")?,
            "message" => text = value.text_or_unset("message")?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(if status == "authorized" { Frame::Authorized } else { Frame::Unauthorized(unescaped(text)) })
}

fn listening(json: &mut Json) -> Result<Frame, DecodeError> {
    let mut ours = false;
    json.map(|json, name| {
        if name != "streams" || !json.is_list() {
            return json.value().map(drop);
        }
        json.list(|json| {
            ours |= json.value()?.text("streams")? == "trade_updates";
            Ok(())
        })
    })?;
    Ok(Frame::Listening(ours))
}

/// One event, as it stands in `data` (§16.3), and in the stream of server-sent events (§16.5).
pub fn update<'a, S: Source<'a>>(source: &mut S, names: &Names) -> Result<Update, DecodeError> {
    let (mut event, mut order) = (None, None);
    let (mut exec_id, mut last_px, mut last_qty) = (ExecId::NONE, Price::ZERO, Qty::ZERO);
    let (mut position_qty, mut ts_event_ns) = (None, 0);
    source.map(|source, name| {
        if name == "order" {
            order = Some(VenueOrder::read(source, names)?);
            return Ok(());
        }
        let value = source.value()?;
        match name {
            "event" => event = Some(Event::from_text(value.text("event")?)),
            "execution_id" if !value.is_unset() => exec_id = value.exec_id("execution_id")?,
            "price" if !value.is_unset() => last_px = price(value, "price")?,
            "qty" if !value.is_unset() => last_qty = Qty(value.amount(QTY_SCALE, "qty")?),
            "position_qty" if !value.is_unset() => {
                position_qty = Some(value.fixed(QTY_SCALE, Extra::Refuse, "position_qty")?);
            }
            "timestamp" if !value.is_unset() => ts_event_ns = value.time("timestamp")?,
            _ => {}
        }
        Ok(())
    })?;
    let event = event.ok_or(DecodeError::MissingField("event"))?;
    let order = order.ok_or(DecodeError::MissingField("order"))?;
    if event.is_fill() && (exec_id == ExecId::NONE || last_qty.is_zero()) {
        // Without them it cannot be counted once: the account's activities tell it (§15).
        return Err(DecodeError::MissingField(if last_qty.is_zero() { "qty" } else { "execution_id" }));
    }
    Ok(Update { event, order, exec_id, last_px, last_qty, position_qty, ts_event_ns })
}
