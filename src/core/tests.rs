//! Claims about the core, each a short story of events.

mod alert_kinds;
mod alerts;
mod close;
mod gate;
mod lists;
mod live;
mod margin;
mod native;
mod oracle;
mod order_types;
mod portfolio;
mod protect;
mod routing;
mod stop;
mod storm;
mod witness;

use super::Core;
use super::command::{Action, Command, Guard, PlaceOrder, Protect, Scope, TradingState};
use super::config::{Limits, StrategyConfig, StrategyKind};
use super::effect::{AlarmKind, EffectOf, Fill, Outbox, RecordedEffect, Reply};
use super::event::{Body, Event};
use super::risk::{
    Allowed, Calendar, CalendarSource, Capped, Caps, DenyReason, Permit, RULES, Session, Unevaluable, Weighed,
};
use super::sizing::SizedBy;
use crate::domain::*;

const BTC: InstrumentId = InstrumentId(0);
const VENUE: VenueId = VenueId(0);
const USDT: AssetId = AssetId(0);
const BTC_ASSET: AssetId = AssetId(1);
const E8: i64 = 100_000_000;
const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;

fn limits() -> Limits {
    Limits {
        order_notional_max: Usd::dollars(5_000),
        position_notional_max: Usd::dollars(10_000),
        leverage_max_ppm: 3_000_000,
        account_balance_min: Usd::dollars(1_000),
        daily_loss_max: Usd::dollars(1_000),
        quote_age_max_ns: 1_500 * MS,
        market_order_margin_ppm: 5_000,
        open_orders_max: 20,
        ack_timeout_ns: 5 * SECOND,
        not_found_after_ns: 15 * SECOND,
        query_interval_ns: 2 * SECOND,
        reconcile_interval_ns: 60 * SECOND,
        day_offset_ns: 0,
        ..Limits::LOOSEST
    }
}

fn btcusdt() -> Instrument {
    Instrument {
        id: BTC,
        venue: VENUE,
        symbol: Text::new("BTCUSDT"),
        base: BTC_ASSET,
        quote: USDT,
        base_name: Text::new("BTC"),
        quote_name: Text::new("USDT"),
        status: InstrumentStatus::Trading,
        px_scale: 8,
        qty_scale: 8,
        quote_is_usd: true,
        tick: Price(E8 / 100),
        px_min: Price(E8 / 100),
        px_max: Price(1_000_000 * E8),
        lot: Qty(1_000),
        qty_min: Qty(1_000),
        qty_max: Qty(9_000 * E8),
        notional_min: Usd::dollars(5),
        notional_min_applies_to_market: true,
        ..Instrument::default()
    }
}

/// A core and a clock. Each step returns the effects as a journal keeps them.
struct Rig {
    core: Core,
    out: Outbox,
    now: Nanos,
    trades: u64,
    /// What the gate found in the last step that had an order.
    weighed: Vec<Weighed>,
}

impl Rig {
    /// Connected, reconciled, 10,000 dollars and 1 BTC of inventory at 60,000.
    fn ready() -> Rig {
        let mut rig = Rig::unconnected();
        rig.step(Body::VenueState { venue: VENUE, state: VenueState::Syncing });
        rig.step(Body::Balance(Balance { venue: VENUE, asset: USDT, free: 10_000 * E8, locked: 0, ts_event_ns: 0 }));
        rig.step(Body::Balance(Balance { venue: VENUE, asset: BTC_ASSET, free: E8, locked: 0, ts_event_ns: 0 }));
        rig.step(Body::Reconciled { venue: VENUE });
        rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
        rig.quote(60_000);
        rig
    }

    fn unconnected() -> Rig {
        let weighed = Vec::new();
        let mut rig = Rig { core: Core::new(), out: Outbox::new(), now: 1_700_000_000 * SECOND, trades: 100, weighed };
        rig.core.watch();
        rig.step(Body::Start { epoch: 7, run: 1 });
        rig.step(Body::Limits(limits()));
        rig.step(Body::Venue { venue: VENUE, name: Text::new("binance") });
        rig.step(Body::Instrument(btcusdt()));
        rig
    }

    fn step(&mut self, body: Body) -> Vec<RecordedEffect> {
        self.now += 1_000;
        let event = Event { seq: self.core.seq() + 1, ts_ns: self.now, recv_ns: 0, decoded_ns: 0, body };
        self.out.clear();
        self.core.on_event(&event, &mut self.out);
        let effects: Vec<RecordedEffect> = self.out.effects().iter().map(|e| e.recorded()).collect();
        let weighed = self.core.take_weighed();
        witness::agree(&weighed, &effects);
        if !weighed.is_empty() {
            self.weighed = weighed;
        }
        effects
    }

    fn wait(&mut self, ns: Nanos) -> Vec<RecordedEffect> {
        self.now += ns;
        self.step(Body::Tick)
    }

    /// A quote with a spread of two cents round `px` dollars.
    fn quote(&mut self, px: i64) -> Vec<RecordedEffect> {
        self.step(Body::Quote(Quote {
            instrument: BTC,
            bid_px: Price(px * E8 - E8 / 100),
            bid_qty: Qty(E8),
            ask_px: Price(px * E8 + E8 / 100),
            ask_qty: Qty(E8),
            update_id: 1,
            ts_event_ns: 0,
        }))
    }

    /// The exchange's band, in dollars.
    fn band(&mut self, lower: i64, upper: i64) {
        self.step(Body::PriceBand { instrument: BTC, lower: Price(lower * E8), upper: Price(upper * E8) });
    }

    fn command(&mut self, action: Action) -> Vec<RecordedEffect> {
        self.step(Body::Command(Command {
            request: RequestId(9),
            who: Text::new("test"),
            from: Text::default(),
            why: Text::default(),
            action,
        }))
    }

    fn order(side: Side, qty: i64) -> PlaceOrder {
        PlaceOrder { instrument: BTC, symbol: Text::new("BTCUSDT"), side, qty: Qty(qty), ..PlaceOrder::default() }
    }

    fn place(&mut self, side: Side, qty: i64) -> Result<OrderId, DenyReason> {
        let effects = self.command(Action::Place(Rig::order(side, qty)));
        match effects.first() {
            Some(EffectOf::Place(order)) => Ok(order.order),
            Some(EffectOf::Denied { reason, .. }) => Err(*reason),
            other => panic!("a command to place is answered, not {other:?}"),
        }
    }

    fn limit(&mut self, side: Side, qty: i64, px: i64) -> Result<OrderId, DenyReason> {
        let order = PlaceOrder { kind: OrderType::Limit, px: Price(px * E8), ..Rig::order(side, qty) };
        match self.command(Action::Place(order)).first() {
            Some(EffectOf::Place(order)) => Ok(order.order),
            Some(EffectOf::Denied { reason, .. }) => Err(*reason),
            other => panic!("a command to place is answered, not {other:?}"),
        }
    }

    fn report(&mut self, order: OrderId, exec: ExecType) -> Vec<RecordedEffect> {
        self.step(Body::Exec(ExecReport {
            order,
            instrument: BTC,
            venue: VENUE,
            exec,
            venue_order_id: VenueOrderId::from_u64(order.0 + 1),
            ..ExecReport::default()
        }))
    }

    fn fill(&mut self, order: OrderId, side: Side, qty: i64, px: i64) -> Vec<RecordedEffect> {
        self.trades += 1;
        self.fill_as(self.trades, order, side, qty, px)
    }

    fn fill_as(&mut self, trade: u64, order: OrderId, side: Side, qty: i64, px: i64) -> Vec<RecordedEffect> {
        self.step(Body::Exec(ExecReport {
            order,
            instrument: BTC,
            venue: VENUE,
            exec: ExecType::Trade,
            side,
            last_qty: Qty(qty),
            last_px: Price(px * E8),
            exec_id: ExecId::from_u64(trade),
            venue_order_id: VenueOrderId::from_u64(order.0 + 1),
            fee_asset: AssetId::NONE,
            ..ExecReport::default()
        }))
    }

    fn net(&self) -> i64 {
        self.core.portfolio().get(BTC).unwrap().position.net.0
    }

    fn status(&self, order: OrderId) -> OrdStatus {
        self.core.orders().get(order).unwrap().status
    }
}

fn sends(effects: &[RecordedEffect]) -> usize {
    effects.iter().filter(|e| matches!(e, EffectOf::Place(_))).count()
}

#[test]
fn an_order_is_approved_acknowledged_filled_and_counted() {
    let mut rig = Rig::ready();
    let order = rig.place(Side::Buy, E8 / 100).unwrap();
    assert_eq!(rig.status(order), OrdStatus::PendingNew);
    rig.report(order, ExecType::New);
    assert_eq!(rig.status(order), OrdStatus::New);
    rig.fill(order, Side::Buy, E8 / 200, 60_000);
    assert_eq!(rig.status(order), OrdStatus::PartiallyFilled);
    rig.fill(order, Side::Buy, E8 / 200, 60_010);
    assert_eq!(rig.status(order), OrdStatus::Filled);
    assert_eq!(rig.net(), E8 / 100);
    let inst = rig.core.portfolio().get(BTC).unwrap();
    assert_eq!(inst.position.avg_px(), Some(Price(60_005 * E8)));
    assert_eq!(rig.core.orders().live_count(), 0);
    let usdt = rig.core.account().get(VENUE, USDT);
    assert_eq!((usdt.total, usdt.reserved), (10_000 * E8 - 60_005 * E8 / 100, 0));
}

#[test]
fn every_rule_answers_in_its_rank() {
    let big = |d: i64| Usd::dollars(d);
    let small = E8 / 1000;
    let mut rig = Rig::ready();
    let unknown = PlaceOrder { instrument: InstrumentId::UNKNOWN, ..Rig::order(Side::Buy, small) };
    match rig.command(Action::Place(unknown)).first() {
        Some(EffectOf::Denied { reason, .. }) => assert_eq!(*reason, DenyReason::UnknownInstrument),
        other => panic!("{other:?}"),
    }
    for (side, qty, code) in [
        (Side::Buy, 1, "LOT_SIZE"),
        (Side::Buy, 1_001, "LOT_SIZE"),
        (Side::Buy, 0, "LOT_SIZE"),
        (Side::Buy, -1_000, "LOT_SIZE"),
        (Side::Buy, 1_000, "VENUE_NOTIONAL"),
        (Side::Buy, E8 / 10, "ORDER_NOTIONAL_ABOVE_MAX"),
        (Side::Buy, i64::MAX / 1_000 * 1_000, "CANNOT_EVALUATE"),
    ] {
        assert_eq!(rig.place(side, qty).unwrap_err().code(), code, "{side:?} {qty}");
    }
    assert_eq!(rig.limit(Side::Buy, small, 0).unwrap_err().code(), "PRICE_FILTER");
    assert_eq!(rig.limit(Side::Buy, small, 2_000_000).unwrap_err().code(), "PRICE_FILTER");
    // Working orders count as if filled: two of 4,800 pass, a third would make 14,400 of position.
    rig.step(Body::Balance(Balance { venue: VENUE, asset: USDT, free: 50_000 * E8, locked: 0, ts_event_ns: 0 }));
    for _ in 0..2 {
        rig.limit(Side::Buy, E8 / 100 * 8, 59_000).unwrap();
    }
    assert_eq!(rig.limit(Side::Buy, E8 / 100 * 8, 59_000).unwrap_err().code(), "POSITION_NOTIONAL_ABOVE_MAX");
    // Balance: what works is paid for.
    let mut rig = Rig::ready();
    rig.step(Body::Balance(Balance { venue: VENUE, asset: USDT, free: 5_000 * E8, locked: 0, ts_event_ns: 0 }));
    rig.limit(Side::Buy, E8 / 100 * 8, 59_000).unwrap();
    match rig.limit(Side::Buy, E8 / 100, 59_000) {
        Err(DenyReason::BalanceTooLow { needed, available, asset }) => {
            assert_eq!(
                (needed.to_string(), available.to_string(), asset.as_str()),
                ("590".to_owned(), "280".to_owned(), "USDT")
            );
        }
        other => panic!("{other:?}"),
    }
    // Leverage: equity of 2,000 (all of it dollars) bears 6,000 of exposure.
    let mut rig = Rig::ready();
    rig.step(Body::Balance(Balance { venue: VENUE, asset: BTC_ASSET, free: 0, locked: 0, ts_event_ns: 0 }));
    rig.step(Body::Balance(Balance { venue: VENUE, asset: USDT, free: 1_500 * E8, locked: 0, ts_event_ns: 0 }));
    assert_eq!(rig.place(Side::Buy, E8 / 100 * 8).unwrap_err().code(), "LEVERAGE_ABOVE_MAX");
    rig.step(Body::Balance(Balance { venue: VENUE, asset: USDT, free: 999 * E8, locked: 0, ts_event_ns: 0 }));
    assert_eq!(
        rig.place(Side::Buy, small).unwrap_err(),
        DenyReason::AccountBelowMin { equity: big(999), min: big(1_000) }
    );
    // Open orders.
    let mut rig = Rig::ready();
    for _ in 0..20 {
        rig.limit(Side::Buy, small, 50_000).unwrap();
    }
    assert_eq!(rig.limit(Side::Buy, small, 50_000).unwrap_err(), DenyReason::OpenOrdersAboveMax { open: 20, max: 20 });
    // Freshness.
    let mut rig = Rig::ready();
    rig.now += 1_501 * MS;
    assert_eq!(rig.place(Side::Buy, small).unwrap_err(), DenyReason::QuoteStale { age_ms: 1_501, age_max_ms: 1_500 });
    rig.step(Body::Feed { instrument: BTC, state: FeedState::Disconnected });
    assert_eq!(rig.place(Side::Buy, small).unwrap_err(), DenyReason::CannotEvaluate(Unevaluable::NoPrice));
    // Venue.
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Down });
    assert_eq!(rig.place(Side::Buy, small).unwrap_err(), DenyReason::VenueNotReady);
    rig.step(Body::Instrument(Instrument { status: InstrumentStatus::CancelOnly, ..btcusdt() }));
    let why = Text::new("it is not listed as trading");
    assert_eq!(rig.place(Side::Buy, small).unwrap_err(), DenyReason::InstrumentNotTrading { why });
}

#[test]
fn without_limits_or_account_nothing_is_sent() {
    let mut rig = Rig::unconnected();
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    rig.quote(60_000);
    rig.core.limits.account_balance_min = Usd::ZERO;
    rig.core.limits.leverage_max_ppm = 3_000_000;
    let denied = rig.place(Side::Buy, E8 / 1000).unwrap_err();
    assert_eq!(denied.code(), "LEVERAGE_ABOVE_MAX", "no balance is no equity");
    rig.core.limits_set = false;
    assert_eq!(
        rig.place(Side::Buy, E8 / 1000).unwrap_err(),
        DenyReason::TradingNotActive { state: TradingState::Halted, scope: Scope::Account }
    );
}

#[test]
fn a_halted_core_sends_only_cancels_and_a_reducing_one_only_exits() {
    let mut rig = Rig::ready();
    let working = rig.limit(Side::Buy, E8 / 1000, 50_000).unwrap();
    let bought = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(bought, Side::Buy, E8 / 100, 60_000);
    rig.command(Action::SetTradingState { scope: Scope::Account, state: TradingState::Reducing });
    assert_eq!(rig.place(Side::Buy, E8 / 1000).unwrap_err().code(), "TRADING_NOT_ACTIVE");
    assert_eq!(rig.place(Side::Sell, E8 / 100 + 1_000).unwrap_err().code(), "TRADING_NOT_ACTIVE", "more than is held");
    let exit = rig.place(Side::Sell, E8 / 200).unwrap();
    assert_eq!(rig.place(Side::Sell, E8 / 100).unwrap_err().code(), "TRADING_NOT_ACTIVE", "the working exit counts");
    rig.report(exit, ExecType::Canceled);
    let effects = rig.command(Action::EmergencyStop { flatten: false });
    assert_eq!(sends(&effects), 0);
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Cancel(c) if c.order == working)));
    assert_eq!(rig.core.trading(), TradingState::Halted);
    assert_eq!(rig.place(Side::Sell, E8 / 200).unwrap_err().code(), "TRADING_NOT_ACTIVE");
}

#[test]
fn an_exit_passes_what_stops_growth() {
    let mut rig = Rig::ready();
    let order = rig.place(Side::Buy, E8 / 100 * 8).unwrap();
    rig.fill(order, Side::Buy, E8 / 100 * 8, 60_000);
    // A fall of a fifth: the loss of the day is beyond its limit, and the price of the position with it.
    rig.quote(47_000);
    assert_eq!(rig.core.trading(), TradingState::Reducing, "1,040 of 1,000 dollars lost");
    let tight = Limits { order_notional_max: Usd::dollars(10), position_notional_max: Usd::dollars(10), ..limits() };
    rig.command(Action::SetLimits(tight));
    assert!(rig.place(Side::Sell, E8 / 100 * 8).is_ok());
}

#[test]
fn a_fill_counts_once_whatever_the_state() {
    let mut rig = Rig::ready();
    let order = rig.limit(Side::Buy, E8 / 100, 59_000).unwrap();
    // It overtakes its ack, comes twice, and again after the order is over.
    rig.fill_as(1, order, Side::Buy, E8 / 400, 59_000);
    rig.fill_as(1, order, Side::Buy, E8 / 400, 59_000);
    rig.report(order, ExecType::New);
    assert_eq!(rig.status(order), OrdStatus::PartiallyFilled);
    rig.report(order, ExecType::Canceled);
    rig.fill_as(2, order, Side::Buy, E8 / 400, 59_000);
    rig.fill_as(1, order, Side::Buy, E8 / 400, 59_000);
    assert_eq!(rig.status(order), OrdStatus::Canceled);
    assert_eq!(rig.net(), E8 / 200);
    assert_eq!(rig.core.counters().fills_doubled, 2);
    let inst = rig.core.portfolio().get(BTC).unwrap();
    assert_eq!(inst.working, Default::default());
}

#[test]
fn a_commission_in_the_base_asset_shrinks_the_position() {
    let mut rig = Rig::ready();
    let order = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.step(Body::Exec(ExecReport {
        order,
        instrument: BTC,
        exec: ExecType::Trade,
        side: Side::Buy,
        last_qty: Qty(E8 / 100),
        last_px: Price(60_000 * E8),
        exec_id: ExecId::from_u64(5),
        fee: 1_000,
        fee_asset: BTC_ASSET,
        ..ExecReport::default()
    }));
    assert_eq!(rig.net(), E8 / 100 - 1_000);
    assert_eq!(rig.core.portfolio().totals.fees, Usd(60_000 * 1_000), "0.00001 BTC at 60,000");
    assert_eq!(rig.core.account().get(VENUE, BTC_ASSET).total, E8 + E8 / 100 - 1_000);
}

#[test]
fn no_answer_makes_an_order_unknown_and_it_is_asked_for_and_never_sent_again() {
    let mut rig = Rig::ready();
    let order = rig.limit(Side::Buy, E8 / 100, 59_000).unwrap();
    assert!(rig.wait(4 * SECOND).is_empty());
    let effects = rig.wait(2 * SECOND);
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Query(q) if q.order == order)));
    assert_eq!(rig.status(order), OrdStatus::Unknown);
    assert!(rig.core.account().get(VENUE, USDT).reserved > 0, "its exposure stays reserved");
    // "No such order" is not believed before its time.
    rig.report_plain(order, ExecType::NotFound);
    assert_eq!(rig.status(order), OrdStatus::Unknown);
    let effects = rig.wait(10 * SECOND);
    assert_eq!(sends(&effects), 0);
    rig.report_plain(order, ExecType::NotFound);
    assert_eq!(rig.status(order), OrdStatus::Rejected);
    assert_eq!(rig.core.account().get(VENUE, USDT).reserved, 0);
}

#[test]
fn a_restart_asks_for_what_was_open_and_applies_what_was_missed() {
    let mut rig = Rig::ready();
    let acked = rig.limit(Side::Buy, E8 / 1000, 59_000).unwrap();
    rig.report(acked, ExecType::New);
    let waiting = rig.limit(Side::Buy, E8 / 1000, 59_000).unwrap();
    rig.step(Body::Start { epoch: 7, run: 2 });
    assert_eq!((rig.status(acked), rig.status(waiting)), (OrdStatus::New, OrdStatus::Unknown));
    rig.quote(60_000);
    assert_eq!(rig.place(Side::Buy, E8 / 1000).unwrap_err(), DenyReason::VenueNotReady);
    let effects = rig.step(Body::VenueState { venue: VENUE, state: VenueState::Syncing });
    assert!(matches!(effects[0], EffectOf::Backfill { instrument: BTC, from: ExecId::NONE, .. }));
    assert!(matches!(effects[1], EffectOf::Reconcile { venue: VENUE }));
    // The venue has the second one; the first was filled meanwhile and is not open any more.
    rig.report(waiting, ExecType::Working);
    rig.fill(acked, Side::Buy, E8 / 1000, 59_000);
    let effects = rig.step(Body::Reconciled { venue: VENUE });
    assert!(effects.is_empty(), "nothing is left to ask: {effects:?}");
    assert_eq!((rig.status(acked), rig.status(waiting)), (OrdStatus::Filled, OrdStatus::New));
    assert_eq!(rig.net(), E8 / 1000);
    assert_eq!(rig.core.account().get(VENUE, USDT).total, 10_000 * E8, "the venue's statement has these fills in it");
}

/// The ids from which fills are asked for, once the link is back.
fn backfills(rig: &mut Rig) -> Vec<ExecId> {
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Down });
    let effects = rig.step(Body::VenueState { venue: VENUE, state: VenueState::Syncing });
    effects.iter().filter_map(|e| if let EffectOf::Backfill { from, .. } = e { Some(*from) } else { None }).collect()
}

#[test]
fn a_fill_that_was_lost_before_one_that_was_heard_is_still_asked_for() {
    let mut rig = Rig::ready();
    assert_eq!(backfills(&mut rig), [], "nothing was ever sent");
    rig.step(Body::Reconciled { venue: VENUE });
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    let order = rig.limit(Side::Buy, E8 / 100, 59_000).unwrap();
    let id = ExecId::from_u64;
    assert_eq!(backfills(&mut rig), [ExecId::NONE]);
    rig.trades = 300;
    rig.fill(order, Side::Buy, E8 / 1000, 59_000);
    rig.step(Body::Reconciled { venue: VENUE });
    // What came while it was reconciled may not have been all: the next one asks again.
    assert_eq!(backfills(&mut rig), [ExecId::NONE]);
    rig.step(Body::Reconciled { venue: VENUE });
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    let known = rig.core.portfolio().get(BTC).unwrap().last_exec.lo;
    rig.trades += 5;
    rig.fill(order, Side::Buy, E8 / 1000, 59_000);
    assert_eq!(backfills(&mut rig), [id(known + 1)]);
    assert_eq!(backfills(&mut rig), [id(known + 1)], "a reconciliation that was not ended settles nothing");
}

#[test]
fn an_order_that_was_filled_in_part_and_is_not_named_is_asked_for() {
    let mut rig = Rig::ready();
    let order = rig.limit(Side::Buy, E8 / 1000, 59_000).unwrap();
    rig.report(order, ExecType::New);
    backfills(&mut rig);
    rig.fill(order, Side::Buy, E8 / 2000, 59_000);
    let effects = rig.step(Body::Reconciled { venue: VENUE });
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Query(q) if q.order == order)), "{effects:?}");
}

#[test]
fn an_order_the_venue_does_not_name_is_asked_for() {
    let mut rig = Rig::ready();
    let order = rig.limit(Side::Buy, E8 / 1000, 59_000).unwrap();
    rig.report(order, ExecType::New);
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Down });
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Syncing });
    let effects = rig.step(Body::Reconciled { venue: VENUE });
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Query(q) if q.order == order)));
    assert_eq!(rig.status(order), OrdStatus::Unknown);
}

#[test]
fn fills_that_the_venue_counts_and_we_do_not_are_fetched() {
    let mut rig = Rig::ready();
    let order = rig.limit(Side::Buy, E8 / 100, 59_000).unwrap();
    rig.step(Body::Exec(ExecReport {
        order,
        instrument: BTC,
        exec: ExecType::Canceled,
        cum_qty: Qty(E8 / 200),
        ..ExecReport::default()
    }));
    let effects = rig.wait(100 * MS);
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Reconcile { venue: VENUE })), "{effects:?}");
}

#[test]
fn a_fill_lost_before_another_is_noticed_and_fetched() {
    let mut rig = Rig::ready();
    let order = rig.limit(Side::Buy, E8 / 100, 59_000).unwrap();
    rig.report(order, ExecType::New);
    rig.step(Body::Exec(ExecReport {
        order,
        instrument: BTC,
        exec: ExecType::Trade,
        last_qty: Qty(E8 / 400),
        cum_qty: Qty(E8 / 200),
        last_px: Price(59_000 * E8),
        exec_id: ExecId::from_u64(12),
        ..ExecReport::default()
    }));
    let effects = rig.wait(100 * MS);
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Reconcile { venue: VENUE })), "{effects:?}");
}

#[test]
fn an_order_that_cannot_rest_is_asked_for_when_its_end_is_not_heard() {
    let mut rig = Rig::ready();
    let taker = rig.place(Side::Buy, E8 / 100).unwrap();
    let resting = rig.limit(Side::Buy, E8 / 1000, 50_000).unwrap();
    rig.report(taker, ExecType::New);
    rig.report(resting, ExecType::New);
    let effects = rig.wait(6 * SECOND);
    let asked: Vec<OrderId> =
        effects.iter().filter_map(|e| if let EffectOf::Query(q) = e { Some(q.order) } else { None }).collect();
    assert_eq!(asked, [taker]);
}

#[test]
fn the_venue_is_compared_with_on_a_schedule() {
    let mut rig = Rig::ready();
    assert!(!rig.wait(59 * SECOND).iter().any(|e| matches!(e, EffectOf::Reconcile { .. })));
    assert!(rig.wait(2 * SECOND).iter().any(|e| matches!(e, EffectOf::Reconcile { .. })));
    assert!(!rig.wait(2 * SECOND).iter().any(|e| matches!(e, EffectOf::Reconcile { .. })));
}

#[test]
fn market_data_may_come_before_the_instruments_definition() {
    let mut rig = Rig::unconnected();
    let other = InstrumentId(1);
    rig.step(Body::Feed { instrument: other, state: FeedState::Gap });
    let mut chunk =
        DepthChunk { instrument: other, first: true, last: true, bids: 1, update_id: 7, ..DepthChunk::default() };
    chunk.levels[0] = Level { px: Price(E8), qty: Qty(1) };
    rig.step(Body::Depth(chunk));
    rig.step(Body::Feed { instrument: other, state: FeedState::Live });
    rig.step(Body::Instrument(Instrument { id: other, symbol: Text::new("ETHUSDT"), ..btcusdt() }));
    assert!(rig.core.book(other).is_some_and(|b| b.is_whole() && b.update_id() == 7));
    assert_eq!(rig.core.portfolio().get(other).unwrap().feed, FeedState::Live);
    // An id beyond the table makes nothing.
    rig.step(Body::Depth(DepthChunk { instrument: InstrumentId::UNKNOWN, ..chunk }));
    assert!(rig.core.book(InstrumentId::UNKNOWN).is_none());
}

#[test]
fn an_order_cancelled_before_its_answer_and_rejected_is_rejected() {
    let mut rig = Rig::ready();
    let order = rig.limit(Side::Buy, E8 / 1000, 59_000).unwrap();
    rig.command(Action::Cancel(order));
    let told = rig.report(order, ExecType::Rejected);
    assert!(!told.iter().any(|e| matches!(e, EffectOf::Alarm { .. })), "{told:?}");
    // The cancel finds nothing: no news of an order that is over.
    let told = rig.report(order, ExecType::CancelRejected);
    assert_eq!((rig.status(order), told.len()), (OrdStatus::Rejected, 0), "{told:?}");
}

#[test]
fn close_all_cancels_then_flattens_then_lets_trading_go_on() {
    let mut rig = Rig::ready();
    let bought = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(bought, Side::Buy, E8 / 100, 60_000);
    let working = rig.limit(Side::Buy, E8 / 1000, 50_000).unwrap();
    let effects = rig.command(Action::CloseAll);
    assert!(
        effects.iter().any(|e| matches!(e, EffectOf::Reply { reply: Reply::Closing { cancels: 1, flattens: 1 }, .. }))
    );
    assert_eq!(sends(&effects), 0, "first the cancel must be confirmed");
    assert_eq!(rig.place(Side::Buy, E8 / 1000).unwrap_err(), DenyReason::NotReducing, "opens are barred meanwhile");
    rig.report(working, ExecType::Canceled);
    let effects = rig.wait(100 * MS);
    let flatten = match effects.iter().find(|e| matches!(e, EffectOf::Place(_))) {
        Some(EffectOf::Place(order)) => *order,
        other => panic!("{other:?}"),
    };
    assert_eq!((flatten.side, flatten.qty, flatten.kind), (Side::Sell, Qty(E8 / 100), OrderType::Market));
    rig.fill(flatten.order, Side::Sell, E8 / 100, 60_000);
    rig.wait(100 * MS);
    assert_eq!(rig.net(), 0);
    assert!(rig.place(Side::Buy, E8 / 1000).is_ok());
}

#[test]
fn an_order_found_working_after_a_stop_is_cancelled_again() {
    let mut rig = Rig::ready();
    let id = rig.limit(Side::Buy, E8 / 100, 50_000).unwrap();
    rig.report(id, ExecType::New);
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Down });
    rig.command(Action::EmergencyStop { flatten: false });
    // The cancel cannot be sent, and the venue, back again, says that the order works.
    rig.report(id, ExecType::CancelRejected);
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Syncing });
    rig.report(id, ExecType::Working);
    let cancels = |effects: &[RecordedEffect]| {
        effects.iter().any(|effect| matches!(effect, EffectOf::Cancel(cancel) if cancel.order == id))
    };
    assert!(!cancels(&rig.step(Body::Tick)), "the venue is not reconciled yet");
    rig.step(Body::Reconciled { venue: VENUE });
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    assert!(cancels(&rig.step(Body::Tick)));
    assert!(!cancels(&rig.step(Body::Tick)), "once for each time that it is found to work");
}

#[test]
fn an_emergency_stop_that_flattens_halts_when_flat() {
    let mut rig = Rig::ready();
    let bought = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(bought, Side::Buy, E8 / 100, 60_000);
    let effects = rig.command(Action::EmergencyStop { flatten: true });
    let flatten = match effects.iter().find(|e| matches!(e, EffectOf::Place(_))) {
        Some(EffectOf::Place(order)) => order.order,
        other => panic!("{other:?}"),
    };
    assert_eq!(rig.core.trading(), TradingState::Reducing);
    rig.fill(flatten, Side::Sell, E8 / 100, 60_000);
    rig.wait(100 * MS);
    assert_eq!(rig.core.trading(), TradingState::Halted);
    rig.step(Body::Start { epoch: 7, run: 2 });
    assert_eq!(rig.core.trading(), TradingState::Halted, "it stays set after a restart");
}

#[test]
fn the_day_boundary_starts_the_loss_again() {
    let mut rig = Rig::ready();
    let order = rig.place(Side::Buy, E8 / 100 * 8).unwrap();
    rig.fill(order, Side::Buy, E8 / 100 * 8, 60_000);
    rig.wait(100 * MS);
    rig.quote(55_000);
    let lost = rig.core.portfolio().totals.day_pnl();
    assert_eq!(lost, Usd(-400 * E8), "0.08 BTC, 5,000 down from the bid at the boundary");
    rig.wait(86_400 * SECOND);
    assert_eq!(rig.core.portfolio().totals.day_pnl(), Usd::ZERO);
}

#[test]
fn a_foreign_order_is_shown_and_not_adopted() {
    let mut rig = Rig::ready();
    let effects = rig.report(OrderId::FOREIGN, ExecType::Working);
    assert!(matches!(effects[..], [EffectOf::Alarm { kind: AlarmKind::ForeignOrder, .. }]));
    assert_eq!(rig.core.orders().live_count(), 0);
}

#[test]
fn an_instrument_with_other_scales_is_halted_while_something_hangs_on_it() {
    let mut rig = Rig::ready();
    let order = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(order, Side::Buy, E8 / 100, 60_000);
    let effects = rig.step(Body::Instrument(Instrument { qty_scale: 6, ..btcusdt() }));
    assert!(matches!(effects[..], [EffectOf::Alarm { kind: AlarmKind::InstrumentChanged, .. }]));
    let denied = rig.place(Side::Buy, E8 / 1000).unwrap_err();
    assert!(matches!(denied, DenyReason::InstrumentNotTrading { .. }), "{denied}");
}

#[test]
fn an_instrument_that_the_table_has_no_room_for_is_told_of_and_not_taken() {
    let mut rig = Rig::ready();
    let beyond = InstrumentId(MAX_INSTRUMENTS as u16);
    let effects = rig.step(Body::Instrument(Instrument { id: beyond, ..btcusdt() }));
    assert!(matches!(effects[..], [EffectOf::Alarm { kind: AlarmKind::TableFull, .. }]));
    assert!(rig.core.portfolio().get(beyond).is_none());
}

#[test]
fn the_probe_sends_on_every_nth_quote_through_the_gate() {
    let mut rig = Rig::ready();
    let kind = StrategyKind::Probe { every: 3, qty: Qty(E8 / 1000) };
    rig.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: BTC, kind }));
    let sent: Vec<usize> = (0..6).map(|_| sends(&rig.quote(60_000))).collect();
    assert_eq!(sent, [0, 0, 1, 0, 0, 1]);
    rig.command(Action::EmergencyStop { flatten: false });
    assert_eq!((0..6).map(|_| sends(&rig.quote(60_000))).sum::<usize>(), 0);
}

#[test]
fn a_strategy_taken_out_of_the_configuration_rests_after_a_restart() {
    let mut rig = Rig::ready();
    let kind = StrategyKind::Probe { every: 1, qty: Qty(E8 / 1000) };
    rig.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: BTC, kind }));
    assert_eq!(sends(&rig.quote(60_000)), 1);
    rig.step(Body::Start { epoch: 7, run: 2 });
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    assert_eq!(sends(&rig.quote(60_000)), 0);
    rig.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: BTC, kind }));
    assert_eq!(sends(&rig.quote(60_000)), 1);
}

#[test]
fn the_ema_cross_goes_long_on_a_rise_and_flat_on_a_fall() {
    let mut rig = Rig::ready();
    let kind = StrategyKind::EmaCross { fast: 3, slow: 9, sample_ns: SECOND, order_notional: Usd::dollars(600) };
    rig.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: BTC, kind }));
    let mut net = Vec::new();
    for n in 0..40 {
        rig.now += SECOND;
        let px = if n < 20 { 60_000 + n * 10 } else { 60_200 - (n - 20) * 20 };
        for effect in rig.quote(px) {
            if let EffectOf::Place(order) = effect {
                rig.fill(order.order, order.side, order.qty.0, px);
            }
        }
        net.push(rig.net() > 0);
    }
    assert!(net[15] && !net[39], "{net:?}");
    assert!(net.windows(2).filter(|w| w[0] != w[1]).count() <= 2);
}

#[test]
fn the_maker_quotes_both_sides_once_it_holds_something_and_requotes_when_the_mid_moves() {
    let mut rig = Rig::ready();
    let kind = StrategyKind::Maker {
        offset_ppm: 100,
        requote_ppm: 500,
        order_notional: Usd::dollars(600),
        inventory_max: Usd::dollars(1_000),
    };
    rig.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: BTC, kind }));
    let bid = match rig.quote(60_000).first() {
        Some(EffectOf::Place(order)) => *order,
        other => panic!("{other:?}"),
    };
    assert_eq!((bid.side, bid.kind, bid.px), (Side::Buy, OrderType::LimitMaker, Price(59_994 * E8)));
    rig.report(bid.order, ExecType::New);
    rig.fill(bid.order, Side::Buy, bid.qty.0, 59_994);
    let sides: Vec<Side> =
        rig.quote(60_001).iter().filter_map(|e| if let EffectOf::Place(o) = e { Some(o.side) } else { None }).collect();
    assert_eq!(sides, [Side::Buy, Side::Sell]);
    let effects = rig.quote(60_100);
    assert_eq!(effects.iter().filter(|e| matches!(e, EffectOf::Cancel(_))).count(), 2);
}

#[test]
fn equal_events_give_equal_states_and_a_different_one_does_not() {
    let story = |px: i64| {
        let mut rig = Rig::ready();
        let order = rig.place(Side::Buy, E8 / 100).unwrap();
        rig.fill(order, Side::Buy, E8 / 200, px);
        rig.core.state_hash()
    };
    assert_eq!(story(60_000), story(60_000));
    assert_ne!(story(60_000), story(60_001));
}

impl Rig {
    /// A report without a venue order id: the venue does not know the order.
    fn report_plain(&mut self, order: OrderId, exec: ExecType) -> Vec<RecordedEffect> {
        self.step(Body::Exec(ExecReport { order, instrument: BTC, venue: VENUE, exec, ..ExecReport::default() }))
    }
}

/// Names what the compiler would otherwise let rot: a fill's effect carries the position after it.
#[test]
fn a_fill_tells_the_position_after_it() {
    let mut rig = Rig::ready();
    let order = rig.place(Side::Buy, E8 / 100).unwrap();
    let effects = rig.fill(order, Side::Buy, E8 / 100, 60_000);
    let told = effects.iter().find_map(|e| if let EffectOf::Fill(f) = e { Some(*f) } else { None });
    assert!(matches!(told, Some(Fill { position: Qty(p), .. }) if p == E8 / 100));
}

#[test]
fn a_note_is_answered_and_changes_nothing() {
    let mut rig = Rig::ready();
    let note = Action::Note { what: Text::new("token-revoke"), about: Text::new("alice"), done: true };
    let effects = rig.command(note);
    assert!(matches!(effects[..], [EffectOf::Reply { reply: Reply::Done, .. }]), "{effects:?}");
    assert!(rig.place(Side::Buy, E8 / 100).is_ok());
}
