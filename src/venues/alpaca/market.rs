//! The market-data streams (§17): equities and crypto, JSON or MessagePack.
//!
//! A frame is a list of messages. Quote sizes of equities come in round lots and are kept in shares; a round lot is
//! 100 shares, and fewer for shares that cost more (Regulation NMS, rule 600, in force since November 2025).

use super::assets::ONE_DOLLAR;
use super::decode::DecodeError;
use super::json::{self, Json, Source, unescaped};
use super::msgpack::MsgPack;
use super::names::Names;
use super::value::{Extra, Value};
use super::{PX_SCALE, QTY_SCALE};
use crate::domain::{ExecId, InstrumentId, InstrumentStatus, Level, Nanos, Price, Qty, Quote, Side, TradeTick};

/// A bar of a minute, or a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bar {
    pub instrument: InstrumentId,
    pub open: Price,
    pub high: Price,
    pub low: Price,
    pub close: Price,
    pub volume: Qty,
    /// Average weighted by volume; zero where it is not said.
    pub vwap: Price,
    pub trades: u64,
    pub begins_ns: Nanos,
}

/// The price band of the limit-up limit-down plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Band {
    pub instrument: InstrumentId,
    pub up: Price,
    pub down: Price,
    pub ts_event_ns: Nanos,
}

/// A crypto book, or a change of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Book {
    pub instrument: InstrumentId,
    /// The whole book; else a level of quantity zero goes away.
    pub snapshot: bool,
    pub bids: Vec<Level>,
    pub asks: Vec<Level>,
    pub ts_event_ns: Nanos,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Market {
    Connected,
    Authenticated,
    /// Everything that is in force now: how many names over all channels.
    Subscribed {
        names: usize,
    },
    Error {
        code: u32,
        text: String,
    },
    Quote(Quote),
    /// The aggressor is known of crypto alone: of equities `known` is false.
    Trade {
        trade: TradeTick,
        aggressor_known: bool,
    },
    Bar(Bar),
    /// A minute bar corrected by late trades, and the bar of the day so far.
    UpdatedBar(Bar),
    DailyBar(Bar),
    /// Whether the instrument trades now; `None` for a status that says nothing of it. With the market's words.
    Status {
        instrument: InstrumentId,
        status: Option<InstrumentStatus>,
        text: String,
    },
    Band(Band),
    Book(Book),
    /// A correction, a cancelled trade, an imbalance, a kind that is new: nothing that moves a price here.
    Other,
}

/// All members that messages have, by their one-letter names: which of them mean what depends on the type.
#[derive(Default)]
struct Members<'a> {
    kind: &'a str,
    symbol: &'a str,
    time: Option<Value<'a>>,
    // Prices and sizes, read once the type is known.
    p: Option<Value<'a>>,
    s: Option<Value<'a>>,
    i: Option<Value<'a>>,
    bid: [Option<Value<'a>>; 2],
    ask: [Option<Value<'a>>; 2],
    bar: [Option<Value<'a>>; 7],
    taker: &'a str,
    code: [Option<Value<'a>>; 2],
    text: &'a str,
    /// Of a status: why it is so.
    reason: &'a str,
    tape: &'a str,
    up: Option<Value<'a>>,
    down: Option<Value<'a>>,
    snapshot: bool,
    names: usize,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

fn px(value: Option<Value>, name: &'static str) -> Result<Price, DecodeError> {
    let value = value.ok_or(DecodeError::MissingField(name))?;
    // An average may have any number of decimals; a price on the tape never more than are kept.
    value
        .fixed(PX_SCALE, Extra::Floor, name)
        .and_then(|px| if px < 0 { Err(DecodeError::BadNumber(name)) } else { Ok(Price(px)) })
}

fn size(value: Option<Value>, name: &'static str) -> Result<Qty, DecodeError> {
    let value = value.ok_or(DecodeError::MissingField(name))?;
    value
        .fixed(QTY_SCALE, Extra::Floor, name)
        .and_then(|qty| if qty < 0 { Err(DecodeError::BadNumber(name)) } else { Ok(Qty(qty)) })
}

fn time(value: Option<Value>) -> Result<Nanos, DecodeError> {
    value.ok_or(DecodeError::MissingField("t"))?.time("t")
}

/// Shares of a round lot at a price.
pub fn round_lot(px: Price) -> i64 {
    match px.0 / ONE_DOLLAR.0 {
        ..=250 => 100,
        251..=1_000 => 40,
        1_001..=10_000 => 10,
        _ => 1,
    }
}

/// Round lots as shares; what does not fit counts for nothing.
fn shares(lots: Qty, px: Price) -> Qty {
    Qty(lots.0.checked_mul(round_lot(px)).unwrap_or(0))
}

/// Whether an instrument trades after a status (§17.3): the codes of tape C, and those of the other two.
fn trading(tape: &str, code: &str) -> Option<InstrumentStatus> {
    use InstrumentStatus as S;
    match (tape, code) {
        // A pause for volatility is a halt for as long as it lasts.
        ("C" | "O", "H" | "P") => Some(S::Halted),
        ("C" | "O", "T") => Some(S::Trading),
        // Quotes come again before trades do.
        ("C" | "O", "Q") => Some(S::Halted),
        ("A" | "B" | "N", "2") => Some(S::Halted),
        ("A" | "B" | "N", "3") => Some(S::Trading),
        // Without a tape the letters are told apart from the digits.
        ("", "H" | "P" | "Q" | "2") => Some(S::Halted),
        ("", "T" | "3") => Some(S::Trading),
        _ => None,
    }
}

/// Decodes frames of one account's data streams.
pub struct MarketDecoder {
    names: Names,
}

impl MarketDecoder {
    pub fn new(names: Names) -> MarketDecoder {
        MarketDecoder { names }
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Hands out each message of a frame. A message that cannot be read is told as an error and the next is read; a
    /// frame that breaks off ends with an error after what came before it.
    pub fn decode(
        &self,
        frame: &[u8],
        msgpack: bool,
        mut each: impl FnMut(Result<Market, DecodeError>),
    ) -> Result<(), DecodeError> {
        if msgpack {
            let mut source = MsgPack::new(frame);
            self.messages(&mut source, &mut each)?;
            source.end()
        } else {
            json::body(frame, |json: &mut Json| self.messages(json, &mut each))
        }
    }

    fn messages<'a, S: Source<'a>>(
        &self,
        source: &mut S,
        each: &mut impl FnMut(Result<Market, DecodeError>),
    ) -> Result<(), DecodeError> {
        // Documentation and some servers show a message alone.
        if source.is_map() {
            let members = members(source)?;
            each(self.market(members));
            return Ok(());
        }
        source.list(|source| {
            let members = members(source)?;
            each(self.market(members));
            Ok(())
        })
    }

    fn market(&self, m: Members) -> Result<Market, DecodeError> {
        Ok(match m.kind {
            "q" => {
                let (instrument, crypto) = self.instrument(m.symbol)?;
                let (bid_px, ask_px) = (px(m.bid[0], "bp")?, px(m.ask[0], "ap")?);
                let (bid_qty, ask_qty) = (size(m.bid[1], "bs")?, size(m.ask[1], "as")?);
                let qty = |lots, px| if crypto { lots } else { shares(lots, px) };
                Market::Quote(Quote {
                    instrument,
                    bid_px,
                    bid_qty: qty(bid_qty, bid_px),
                    ask_px,
                    ask_qty: qty(ask_qty, ask_px),
                    update_id: 0,
                    ts_event_ns: time(m.time)?,
                })
            }
            "t" => {
                let (instrument, _) = self.instrument(m.symbol)?;
                let trade_id = m.i.ok_or(DecodeError::MissingField("i"))?.uint("i")?;
                let trade = TradeTick {
                    instrument,
                    px: px(m.p, "p")?,
                    qty: size(m.s, "s")?,
                    aggressor: if m.taker == "S" { Side::Sell } else { Side::Buy },
                    trade_id: ExecId::from_u64(trade_id),
                    ts_event_ns: time(m.time)?,
                };
                Market::Trade { trade, aggressor_known: !m.taker.is_empty() }
            }
            "b" => Market::Bar(self.bar(&m)?),
            "u" => Market::UpdatedBar(self.bar(&m)?),
            "d" => Market::DailyBar(self.bar(&m)?),
            "s" => {
                let (instrument, _) = self.instrument(m.symbol)?;
                let code = m.code[0].ok_or(DecodeError::MissingField("sc"))?.text("sc")?;
                let status = trading(m.tape, code);
                let text = match m.reason {
                    "" => unescaped(m.text),
                    reason => format!("{}: {}", unescaped(m.text), unescaped(reason)),
                };
                Market::Status { instrument, status, text }
            }
            "l" => {
                let (instrument, _) = self.instrument(m.symbol)?;
                Market::Band(Band {
                    instrument,
                    up: px(m.up, "u")?,
                    down: px(m.down, "d")?,
                    ts_event_ns: time(m.time)?,
                })
            }
            "o" => {
                let (instrument, _) = self.instrument(m.symbol)?;
                let ts_event_ns = time(m.time)?;
                Market::Book(Book { instrument, snapshot: m.snapshot, bids: m.bids, asks: m.asks, ts_event_ns })
            }
            "success" if m.text == "connected" => Market::Connected,
            "success" if m.text == "authenticated" => Market::Authenticated,
            "subscription" => Market::Subscribed { names: m.names },
            "error" => {
                let code = m.code[1].ok_or(DecodeError::MissingField("code"))?.uint("code")?;
                let code = u32::try_from(code).map_err(|_| DecodeError::BadNumber("code"))?;
                Market::Error { code, text: unescaped(m.text) }
            }
            "" => return Err(DecodeError::MissingField("T")),
            _ => Market::Other,
        })
    }

    fn instrument(&self, symbol: &str) -> Result<(InstrumentId, bool), DecodeError> {
        let id = self.names.find(symbol).ok_or(DecodeError::UnknownSymbol)?;
        Ok((id, symbol.contains('/')))
    }

    fn bar(&self, m: &Members) -> Result<Bar, DecodeError> {
        let (instrument, _) = self.instrument(m.symbol)?;
        let [open, high, low, close, volume, trades, vwap] = m.bar;
        Ok(Bar {
            instrument,
            open: px(open, "o")?,
            high: px(high, "h")?,
            low: px(low, "l")?,
            close: px(close, "c")?,
            volume: size(volume, "v")?,
            vwap: if vwap.is_some() { px(vwap, "vw")? } else { Price::ZERO },
            trades: trades.map(|n| n.fixed(0, Extra::Floor, "n")).transpose()?.unwrap_or(0).unsigned_abs(),
            begins_ns: time(m.time)?,
        })
    }
}

fn levels<'a, S: Source<'a>>(source: &mut S) -> Result<Vec<Level>, DecodeError> {
    json::items(source, |source| {
        let (mut p, mut s) = (None, None);
        source.map(|source, name| {
            let value = source.value()?;
            match name {
                "p" => p = Some(value),
                "s" => s = Some(value),
                _ => {}
            }
            Ok(())
        })?;
        Ok(Level { px: px(p, "p")?, qty: size(s, "s")? })
    })
}

/// Reads a message's members, whatever its type: the type need not come first.
fn members<'a, S: Source<'a>>(source: &mut S) -> Result<Members<'a>, DecodeError> {
    let mut m = Members::default();
    source.map(|source, name| {
        if source.is_list() {
            match name {
                "b" => m.bids = levels(source)?,
                "a" => m.asks = levels(source)?,
                "trades" | "quotes" | "bars" | "updatedBars" | "dailyBars" | "statuses" | "lulds" | "orderbooks" => {
                    source.list(|source| {
                        m.names += 1;
                        source.value().map(drop)
                    })?;
                }
                _ => drop(source.value()?),
            }
            return Ok(());
        }
        let value = source.value()?;
        match name {
            "T" => m.kind = value.text("T")?,
            "S" => m.symbol = value.text("S")?,
            "t" => m.time = Some(value),
            "p" => m.p = Some(value),
            "s" => m.s = Some(value),
            "i" => m.i = Some(value),
            "bp" => m.bid[0] = Some(value),
            "bs" => m.bid[1] = Some(value),
            "ap" => m.ask[0] = Some(value),
            "as" => m.ask[1] = Some(value),
            "o" => m.bar[0] = Some(value),
            "h" => m.bar[1] = Some(value),
            "l" => m.bar[2] = Some(value),
            "c" => m.bar[3] = Some(value),
            "v" => m.bar[4] = Some(value),
            "n" => m.bar[5] = Some(value),
            "vw" => m.bar[6] = Some(value),
            "tks" => m.taker = value.text_or_unset("tks")?,
            "sc" => m.code[0] = Some(value),
            "code" => m.code[1] = Some(value),
            "sm" => m.text = value.text_or_unset("sm")?,
            "rm" => m.reason = value.text_or_unset("rm")?,
            "msg" => m.text = value.text_or_unset("msg")?,
            "z" => m.tape = value.text_or_unset("z")?,
            "u" => m.up = Some(value),
            "d" => m.down = Some(value),
            "r" => m.snapshot = value == Value::Bool(true),
            _ => {}
        }
        Ok(())
    })?;
    Ok(m)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::alpaca::assets::ONE_SHARE;
    use crate::venues::alpaca::testing::{AAPL, BTC, names};

    fn read(frame: &[u8], msgpack: bool) -> Vec<Result<Market, DecodeError>> {
        let mut found = Vec::new();
        MarketDecoder::new(names()).decode(frame, msgpack, |market| found.push(market)).unwrap();
        found
    }

    const E9: i64 = 1_000_000_000;

    #[test]
    fn a_frame_may_mix_types_and_symbols_and_one_bad_message_spoils_none() {
        let frame = br#"[{"T":"q","S":"AAPL","bp":100.25,"bs":2,"ap":300,"as":1,"t":"2021-02-22T15:51:45.335689322Z"},
            {"T":"q","S":"NOPE","bp":1,"bs":2,"ap":3,"as":1,"t":"2021-02-22T15:51:45Z"},
            {"S":"BTC/USD","bp":65000.5,"bs":0.25,"ap":65001,"as":1e-9,"t":"2021-02-22T15:51:45Z","T":"q"},
            {"T":"t","S":"BTC/USD","i":3447222699101865076,"p":47.299,"s":29.205707815,"tks":"S","t":"2021-02-22T15:51:45Z"},
            {"T":"zz"}]"#;
        let found = read(frame, false);
        let quote = |instrument, bid_px, bid_qty, ask_px, ask_qty, ns: i64| {
            let (bid_px, ask_px, bid_qty, ask_qty) = (Price(bid_px), Price(ask_px), Qty(bid_qty), Qty(ask_qty));
            let ts_event_ns = 1_614_009_105_000_000_000 + ns;
            Ok(Market::Quote(Quote { instrument, bid_px, bid_qty, ask_px, ask_qty, update_id: 0, ts_event_ns }))
        };
        assert_eq!(found[0], quote(AAPL, 100_250_000_000, 200 * E9, 300 * E9, 40 * E9, 335_689_322));
        assert_eq!(found[1], Err(DecodeError::UnknownSymbol));
        assert_eq!(found[2], quote(BTC, 65_000_500_000_000, E9 / 4, 65_001 * E9, 1, 0));
        let Ok(Market::Trade { trade, aggressor_known: true }) = &found[3] else { panic!("{:?}", found[3]) };
        assert_eq!(
            (trade.aggressor, trade.trade_id.lo, trade.qty.0),
            (Side::Sell, 3_447_222_699_101_865_076, 29_205_707_815)
        );
        assert_eq!(found[4], Ok(Market::Other));
    }

    #[test]
    fn the_same_message_in_messagepack_is_the_same() {
        // [{"T":"q","S":"AAPL","bp":100.25,"bs":2,"ap":300,"as":1,"t":ext(-1)}]
        let mut frame = vec![0x91, 0x87];
        for (name, value) in [
            ("T", &[0xa1, b'q'][..]),
            ("S", &[0xa4, b'A', b'A', b'P', b'L']),
            ("bp", &[0xcb, 0x40, 0x59, 0x10, 0, 0, 0, 0, 0]),
            ("bs", &[2]),
            ("ap", &[0xcd, 0x01, 0x2c]),
            ("as", &[1]),
            // 335689322 << 34 | 1614009105
            ("t", &[0xd7, 0xff, 0x50, 0x08, 0xd9, 0xa8, 0x60, 0x33, 0xd3, 0x11]),
        ] {
            frame.push(0xa0 | name.len() as u8);
            frame.extend_from_slice(name.as_bytes());
            frame.extend_from_slice(value);
        }
        let json = br#"[{"T":"q","S":"AAPL","bp":100.25,"bs":2,"ap":300,"as":1,"t":"2021-02-22T15:51:45.335689322Z"}]"#;
        assert_eq!(read(&frame, true), read(json, false));
    }

    #[test]
    fn a_halt_and_a_pause_stop_an_instrument_and_quoting_alone_does_not_start_it() {
        use InstrumentStatus as S;
        for (tape, code, want) in [
            ("C", "H", Some(S::Halted)),
            ("C", "P", Some(S::Halted)),
            ("C", "Q", Some(S::Halted)),
            ("C", "T", Some(S::Trading)),
            ("A", "2", Some(S::Halted)),
            ("B", "3", Some(S::Trading)),
            ("A", "5", None),
            ("A", "E", None),
            ("", "H", Some(S::Halted)),
        ] {
            assert_eq!(trading(tape, code), want, "{tape} {code}");
        }
    }

    #[test]
    fn a_round_lot_is_smaller_the_dearer_the_share() {
        let lots = [1, 250, 251, 1_000, 1_001, 10_000, 10_001].map(|dollars| round_lot(Price(dollars * E9)));
        assert_eq!(lots, [100, 100, 40, 40, 10, 10, 1]);
        assert_eq!(shares(ONE_SHARE, Price(150 * E9)), Qty(100 * E9));
    }
}
