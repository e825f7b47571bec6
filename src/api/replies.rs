//! What the answers are made of. Decimals are strings, times RFC 3339 in UTC with nanoseconds.

use super::answer::time;
use super::denial::DenialReply;
use super::view::{Alarm, Denial, FillNote, Outcome, View};
use crate::core::orders::Order;
use crate::core::portfolio::Inst;
use crate::core::protect::{Protection, Trigger};
use crate::core::routing::{LegSeen, Routed};
use crate::core::sizing::Sizing;
use crate::domain::{
    Dec, InstrumentId, Liquidity, OrdStatus, OrderId, Price, Qty, Round, StpMode, StrategyId, TestOutcome, Trail, Usd,
    VenueId, VenueOrderId, num,
};
use crate::telemetry::StageRow;
use serde::Serialize;

/// An order as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct OrderReply {
    pub order_id: String,
    /// The asker's own id of it, or where there is none the one that the venue knows.
    pub client_order_id: String,
    /// As the venue knows it.
    pub venue_client_order_id: String,
    pub venue_order_id: Option<String>,
    pub symbol: String,
    pub exchange: String,
    pub side: &'static str,
    pub r#type: &'static str,
    pub time_in_force: &'static str,
    pub status: &'static str,
    pub quantity: String,
    pub filled_quantity: String,
    /// `null` where the type has no limit price.
    pub price: Option<String>,
    /// Where it triggers, or begins to follow the price.
    pub stop_price: Option<String>,
    /// Of the price in percent, or at a fixed distance.
    pub trailing_percent: Option<String>,
    pub trailing_offset: Option<String>,
    /// The part of an iceberg that is shown.
    pub iceberg_quantity: Option<String>,
    /// Of a market order for an amount of the quote asset; `quantity` is then what it comes to at most.
    pub quote_quantity: Option<String>,
    /// `null` for the venue's default.
    pub self_trade_prevention: Option<&'static str>,
    /// `null` before the first fill. Cut at the instrument's price scale.
    pub average_price: Option<String>,
    /// `null` where a person or program asked for it.
    pub strategy: Option<u8>,
    pub decided_at: String,
    /// The venue's words, where it had any on this order.
    pub venue_says: Option<VenueWords>,
}

#[derive(Debug, Clone, Serialize)]
pub struct VenueWords {
    pub code: i32,
    pub message: String,
}

impl OrderReply {
    pub fn new(view: &View, order: &Order) -> OrderReply {
        let names = Names::of(view, order.instrument);
        let terms = &order.terms;
        let made = order.id.client_text(view.core().epoch()).as_str().to_owned();
        let average = num::div(order.cum_value, order.cum.0.into(), Round::Down);
        OrderReply {
            order_id: order.id.to_string(),
            client_order_id: if order.client.is_empty() { made.clone() } else { order.client.as_str().to_owned() },
            venue_client_order_id: made,
            venue_order_id: venue_order_id(order.venue_order_id),
            symbol: names.symbol.clone(),
            exchange: venue_name(view, order.venue),
            side: order.side.as_str(),
            r#type: order.kind.as_str(),
            time_in_force: order.tif.as_str(),
            status: order.status.as_str(),
            quantity: names.qty(order.qty),
            filled_quantity: names.qty(order.cum),
            price: order.kind.is_limit().then(|| names.px(order.px)),
            stop_price: (!terms.stop_px.is_zero()).then(|| names.px(terms.stop_px)),
            trailing_percent: match terms.trail {
                Trail::Bips(bips) => Some(Dec { value: bips.into(), scale: 2 }.to_string()),
                _ => None,
            },
            trailing_offset: match terms.trail {
                Trail::Offset(px) => Some(names.px(px)),
                _ => None,
            },
            iceberg_quantity: (!terms.display_qty.is_zero()).then(|| names.qty(terms.display_qty)),
            quote_quantity: (!terms.quote_qty.is_zero()).then(|| usd(terms.quote_qty)),
            self_trade_prevention: (terms.stp != StpMode::Venue).then(|| terms.stp.as_str()),
            average_price: average.map(|px| names.px(Price(px))),
            strategy: strategy(order.strategy),
            decided_at: time(order.decided_ns),
            venue_says: view.words(order.id).map(|(code, message)| VenueWords { code, message: message.to_owned() }),
        }
    }
}

/// Whether an order's state answers the one who placed it: it will not change by itself, or it works.
pub fn is_settled(order: &Order) -> bool {
    let rests = !order.is_immediate();
    match order.status {
        OrdStatus::PendingNew | OrdStatus::Unknown => false,
        // One that cannot rest at the venue is about to fill or expire.
        OrdStatus::New | OrdStatus::PartiallyFilled => rests,
        _ => true,
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct PositionReply {
    pub symbol: String,
    pub exchange: String,
    /// `long`, `short` or `flat`.
    pub side: &'static str,
    /// Signed: a short is below zero.
    pub quantity: String,
    pub average_price: Option<String>,
    /// At which it could be closed now; `null` without a quote.
    pub mark_price: Option<String>,
    pub notional_usd: Option<String>,
    /// With working orders counted as if filled.
    pub exposure_usd: String,
    pub unrealised_usd: String,
    /// Before fees.
    pub realised_usd: String,
    pub fees_usd: String,
    /// A close is under way: opens are barred.
    pub closing: bool,
    /// It was closed, and the venue has not confirmed that nothing is left of it.
    pub unverified: bool,
    /// The stops and targets that the core keeps for what entries have filled, oldest first. Exits that rest at the
    /// venue are orders, and shown as such.
    pub protection: Vec<ProtectionReply>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ProtectionReply {
    /// The entry.
    pub order_id: String,
    /// What of it is still there.
    pub quantity: String,
    /// `null`: none.
    pub stop_price: Option<String>,
    pub target_price: Option<String>,
    /// At which the stop follows the best price.
    pub trailing_percent: Option<String>,
    /// `stop` or `target` once it was reached and the exit is under way.
    pub triggered: Option<&'static str>,
}

impl ProtectionReply {
    fn new(names: &Names, p: &Protection) -> ProtectionReply {
        let px = |px: Price| (!px.is_zero()).then(|| names.px(px));
        ProtectionReply {
            order_id: p.entry.to_string(),
            quantity: names.qty(p.qty),
            stop_price: px(p.stop_px),
            target_price: px(p.target_px),
            trailing_percent: (p.trail_bips > 0).then(|| Dec { value: p.trail_bips.into(), scale: 2 }.to_string()),
            triggered: match p.triggered {
                Trigger::None => None,
                Trigger::Stop => Some("stop"),
                Trigger::Target => Some("target"),
            },
        }
    }
}

impl PositionReply {
    pub fn new(view: &View, inst: &Inst) -> PositionReply {
        let names = Names::of(view, inst.def.id);
        let (net, mark) = (inst.position.net, inst.exit_px());
        PositionReply {
            symbol: names.symbol.clone(),
            exchange: venue_name(view, inst.def.venue),
            side: match net.0 {
                0 => "flat",
                1.. => "long",
                _ => "short",
            },
            quantity: names.qty(net),
            average_price: inst.position.avg_px().map(|px| names.px(px)),
            mark_price: (!mark.is_zero()).then(|| names.px(mark)),
            notional_usd: inst.notional(mark, net.abs(), Round::Up).filter(|_| !mark.is_zero()).map(usd),
            exposure_usd: usd(inst.exposure()),
            unrealised_usd: usd(inst.unrealised()),
            realised_usd: usd(inst.realised()),
            fees_usd: usd(inst.position.fees),
            closing: inst.closing.active,
            unverified: inst.closing.unverified && !inst.closing.active,
            protection: view
                .core()
                .protections()
                .all()
                .iter()
                .filter(|p| p.instrument == inst.def.id)
                .map(|p| ProtectionReply::new(&names, p))
                .collect(),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct TradeReply {
    /// The journal's sequence of the event that brought it.
    pub seq: u64,
    pub time: String,
    pub order_id: String,
    pub exec_id: String,
    pub symbol: String,
    pub exchange: String,
    pub side: &'static str,
    pub quantity: String,
    pub price: String,
    /// `maker`, `taker`, or `null` where the venue did not say.
    pub liquidity: Option<&'static str>,
    pub fee_usd: String,
    /// By this fill, before fees.
    pub realised_usd: String,
    /// Net quantity after it.
    pub position: String,
    pub strategy: Option<u8>,
}

impl TradeReply {
    pub fn new(view: &View, note: &FillNote) -> TradeReply {
        let fill = &note.fill;
        let names = Names::of(view, fill.instrument);
        TradeReply {
            seq: note.seq,
            time: time(note.ts_ns),
            order_id: fill.order.to_string(),
            exec_id: venue_order_id(VenueOrderId { hi: fill.exec_id.hi, lo: fill.exec_id.lo }).unwrap_or_default(),
            symbol: names.symbol.clone(),
            exchange: names.exchange.clone(),
            side: fill.side.as_str(),
            quantity: names.qty(fill.qty),
            price: names.px(fill.px),
            liquidity: match note.liquidity {
                Liquidity::Maker => Some("maker"),
                Liquidity::Taker => Some("taker"),
                Liquidity::None => None,
            },
            fee_usd: usd(fill.fee),
            realised_usd: usd(fill.realised),
            position: names.qty(fill.position),
            strategy: strategy(fill.strategy),
        }
    }
}

/// How a quantity came to be.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct SizingReply {
    pub equity_usd: String,
    /// Most that the trade may lose: equity times risk_per_trade_pct.
    pub risk_usd: String,
    /// The price that it was valued at, and the stop's distance from it.
    pub price: String,
    pub stop_distance_pct: String,
    /// What the instrument moves in a day, and the part of the quantity that was left for it.
    pub moves_a_day_pct: String,
    pub volatility_scale: String,
    /// Risk over distance, before limits and lot.
    pub wanted_quantity: String,
    pub quantity: String,
    /// What bounded it.
    pub bounded_by: &'static str,
}

impl SizingReply {
    pub fn new(view: &View, instrument: InstrumentId, sizing: &Sizing) -> SizingReply {
        let names = Names::of(view, instrument);
        let pct = |ppm: u32| Dec { value: ppm.into(), scale: 4 }.to_string();
        SizingReply {
            equity_usd: usd(sizing.equity),
            risk_usd: usd(sizing.risk),
            price: names.px(sizing.px),
            stop_distance_pct: pct(sizing.stop_ppm),
            moves_a_day_pct: pct(sizing.moves_ppm),
            volatility_scale: Dec { value: sizing.scale_ppm.into(), scale: 6 }.to_string(),
            wanted_quantity: names.qty(sizing.wanted),
            quantity: names.qty(sizing.qty),
            bounded_by: sizing.by.as_str(),
        }
    }
}

/// A decision between venues, with what it was made from.
#[derive(Debug, Clone, Serialize)]
pub struct RouteReply {
    pub policy: &'static str,
    pub exchange: String,
    /// The order that certainly did not live at the venue before this one.
    pub moved_from: Option<String>,
    pub legs: Vec<RouteLeg>,
}

/// What the venue says of an order that was to be validated there too.
#[derive(Debug, Clone, Serialize)]
pub struct VenueVerdict {
    /// `null` where no venue was asked.
    pub exchange: Option<String>,
    /// `accepted`, `refused`, `no_answer` or `not_asked`.
    pub verdict: &'static str,
    /// The venue's own, where it refused.
    pub code: Option<i32>,
    pub message: String,
}

impl VenueVerdict {
    pub fn new(view: &View, outcome: &Outcome) -> VenueVerdict {
        let late = "the venue has not answered in the time that a request has; nothing was placed";
        let denied = "not asked: the gate denies the order, and what it denies is never sent";
        let (verdict, code, said) = match (&outcome.tested, outcome.asked_venue) {
            (Some(tested), _) => (tested.outcome, tested.code, tested.text.as_str()),
            (None, Some(_)) => (TestOutcome::NoAnswer, 0, late),
            (None, None) => (TestOutcome::NotAsked, 0, denied),
        };
        let message = match verdict {
            TestOutcome::Accepted => "it would take the order".to_owned(),
            TestOutcome::Refused => format!("it would refuse the order: {said} ({code})"),
            TestOutcome::NoAnswer | TestOutcome::NotAsked => said.to_owned(),
        };
        VenueVerdict {
            exchange: outcome.asked_venue.map(|venue| venue_name(view, venue)),
            verdict: verdict.as_str(),
            code: (code != 0).then_some(code),
            message,
        }
    }
}

/// A venue as the decision saw it.
#[derive(Debug, Clone, Serialize)]
pub struct RouteLeg {
    pub exchange: String,
    pub symbol: String,
    pub state: &'static str,
    /// What it would pay for each unit, and the taker's fee on it.
    pub price: String,
    pub fee_pct: String,
    /// What can be had there, where that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
}

impl RouteReply {
    pub fn new(view: &View, routed: &Routed) -> RouteReply {
        let leg = |seen: &LegSeen| {
            let def = view.core().portfolio().get(seen.instrument).map(|inst| inst.def).unwrap_or_default();
            let venue = view.core().venues().find(|(id, _, _)| *id == def.venue);
            RouteLeg {
                exchange: venue.map(|(_, name, _)| name.to_owned()).unwrap_or_default(),
                symbol: def.symbol.as_str().to_owned(),
                state: seen.state.as_str(),
                price: Names::of(view, seen.instrument).px(seen.px),
                fee_pct: Dec { value: seen.fee_ppm.into(), scale: 4 }.to_string(),
                size: (!seen.size.is_zero()).then(|| Names::of(view, seen.instrument).qty(seen.size)),
            }
        };
        let legs: Vec<RouteLeg> = routed.legs.iter().take(routed.count.into()).map(leg).collect();
        RouteReply {
            policy: routed.policy.as_str(),
            exchange: legs.get(usize::from(routed.chosen)).map(|leg| leg.exchange.clone()).unwrap_or_default(),
            moved_from: (routed.after != OrderId::FOREIGN).then(|| routed.after.0.to_string()),
            legs,
        }
    }
}

/// A denial that happened.
#[derive(Debug, Clone, Serialize)]
pub struct DenialNote {
    /// What `explain` takes.
    pub denial_id: String,
    pub seq: u64,
    pub time: String,
    pub symbol: String,
    pub side: &'static str,
    pub quantity: String,
    pub strategy: Option<u8>,
    #[serde(flatten)]
    pub denial: DenialReply,
}

impl DenialNote {
    pub fn new(view: &View, note: &Denial) -> DenialNote {
        let names = Names::of(view, note.instrument);
        DenialNote {
            denial_id: denial_id(note.seq, note.part),
            seq: note.seq,
            time: time(note.ts_ns),
            symbol: names.symbol.clone(),
            side: note.side.as_str(),
            quantity: names.qty(note.qty),
            strategy: strategy(note.strategy),
            denial: DenialReply::new(&note.reason),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct AlarmNote {
    pub seq: u64,
    pub time: String,
    pub kind: String,
    pub symbol: Option<String>,
    pub order_id: Option<String>,
}

impl AlarmNote {
    pub fn new(view: &View, note: &Alarm) -> AlarmNote {
        let known = view.core().portfolio().get(note.instrument);
        AlarmNote {
            seq: note.seq,
            time: time(note.ts_ns),
            kind: note.kind.code(),
            symbol: known.map(|inst| inst.def.symbol.as_str().to_owned()),
            order_id: (note.order.0 != 0).then(|| note.order.to_string()),
        }
    }
}

/// A stage's latency in nanoseconds.
#[derive(Debug, Clone, Serialize)]
pub struct LatencyReply {
    pub stage: &'static str,
    pub count: u64,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
}

impl From<StageRow> for LatencyReply {
    fn from(row: StageRow) -> LatencyReply {
        LatencyReply {
            stage: row.stage.as_str(),
            count: row.count,
            p50_ns: row.p50,
            p90_ns: row.p90,
            p99_ns: row.p99,
            p999_ns: row.p999,
            max_ns: row.max,
        }
    }
}

/// An instrument's words and scales; of one that nobody knows, neutral ones.
pub struct Names {
    pub symbol: String,
    pub exchange: String,
    px_scale: u8,
    qty_scale: u8,
}

impl Names {
    pub fn of(view: &View, id: InstrumentId) -> Names {
        match view.core().portfolio().get(id) {
            Some(inst) => Names {
                symbol: inst.def.symbol.as_str().to_owned(),
                exchange: venue_name(view, inst.def.venue),
                px_scale: inst.def.px_scale,
                qty_scale: inst.def.qty_scale,
            },
            None => Names { symbol: String::new(), exchange: String::new(), px_scale: 8, qty_scale: 8 },
        }
    }

    pub fn px(&self, px: Price) -> String {
        Dec { value: px.0, scale: self.px_scale }.to_string()
    }

    pub fn qty(&self, qty: Qty) -> String {
        Dec { value: qty.0, scale: self.qty_scale }.to_string()
    }
}

pub fn usd(amount: Usd) -> String {
    Dec { value: amount.0, scale: Usd::SCALE }.to_string()
}

pub fn venue_name(view: &View, venue: VenueId) -> String {
    view.core().venues().find(|(id, _, _)| *id == venue).map(|(_, name, _)| name.to_owned()).unwrap_or_default()
}

fn strategy(id: StrategyId) -> Option<u8> {
    (id.0 != 0).then_some(id.0)
}

/// The name of a denial: its record's sequence, and its place among the denials of that record.
pub fn denial_id(seq: u64, part: u16) -> String {
    format!("denial-{seq}-{part}")
}

/// A number, or a UUID where the venue has such.
pub fn venue_order_id(id: VenueOrderId) -> Option<String> {
    match (id.hi, id.lo) {
        (0, 0) => None,
        (0, number) => Some(number.to_string()),
        (hi, lo) => {
            let hex = format!("{hi:016x}{lo:016x}");
            Some([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{OrderType, TimeInForce};

    #[test]
    fn an_order_is_settled_when_its_asker_need_not_wait() {
        use {OrdStatus as S, OrderType as T, TimeInForce as F};
        for (status, kind, tif, want) in [
            (S::PendingNew, T::Limit, F::Gtc, false),
            (S::Unknown, T::Limit, F::Gtc, false),
            (S::New, T::Limit, F::Gtc, true),
            (S::PartiallyFilled, T::LimitMaker, F::Gtc, true),
            (S::New, T::Limit, F::Ioc, false),
            (S::New, T::Market, F::Gtc, false),
            (S::PartiallyFilled, T::Market, F::Gtc, false),
            (S::Filled, T::Market, F::Gtc, true),
            (S::Expired, T::Limit, F::Fok, true),
            (S::Rejected, T::Market, F::Gtc, true),
        ] {
            let mut order = Order::default();
            (order.status, order.kind, order.tif) = (status, kind, tif);
            assert_eq!(is_settled(&order), want, "{status:?} {kind:?} {tif:?}");
        }
    }

    #[test]
    fn ids_are_written_as_the_venue_writes_them() {
        assert_eq!(venue_order_id(VenueOrderId::NONE), None);
        assert_eq!(venue_order_id(VenueOrderId::from_u64(42)).as_deref(), Some("42"));
        let uuid = VenueOrderId { hi: 0x0123_4567_89ab_cdef, lo: 0xfedc_ba98_7654_3210 };
        assert_eq!(venue_order_id(uuid).as_deref(), Some("01234567-89ab-cdef-fedc-ba9876543210"));
    }
}
