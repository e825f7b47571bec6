//! Lists and replacements against the simulated venue: exits that are held until the entry has filled, pairs of which one
//! ends the other, an order in another's place while that one fills, and all of it over lost answers and a restart.

use super::*;
use crate::core::command::{Leg, ListOrder};

/// Ten shares to be bought at `entry`, or at the market, with a profit far above and a stop far below.
fn bracket(rig: &Rig, kind: ListKind, entry: OrderType, px: i64) -> ListOrder {
    let first = rig.order(AAPL, Side::Buy, entry, 10 * E9, px);
    let leg = Leg { side: Side::Sell, tif: TimeInForce::Day, qty: Qty(10 * E9), ..Leg::default() };
    let profit = Leg { kind: OrderType::Limit, px: Price(300 * E9), ..leg };
    let stop = Leg { kind: OrderType::Stop, terms: Terms { stop_px: Price(150 * E9), ..Terms::default() }, ..leg };
    match kind {
        ListKind::Otoco => ListOrder { kind, first, second: profit, third: stop },
        ListKind::Oto => ListOrder { kind, first, second: stop, third: Leg::default() },
        ListKind::Oco => {
            let first = PlaceOrder { side: Side::Sell, kind: OrderType::Limit, px: profit.px, ..first };
            ListOrder { kind, first, second: stop, third: Leg::default() }
        }
    }
}

impl Rig {
    fn list(&mut self, list: ListOrder) -> Vec<OrderId> {
        self.command(Action::PlaceList(list));
        let made = self.out.effects().iter().find_map(|effect| match effect {
            EffectOf::PlaceList { first, second, third, .. } => {
                let ids = [Some(first), Some(second), third.as_ref()].into_iter().flatten();
                Some(ids.map(|order| order.get().order).collect())
            }
            _ => None,
        });
        made.unwrap_or_else(|| panic!("denied: {:?}", self.out.effects()))
    }

    fn statuses(&self, orders: &[OrderId]) -> Vec<Option<OrdStatus>> {
        orders.iter().map(|order| self.status(*order)).collect()
    }

    fn until_all(&mut self, orders: &[OrderId], want: &[OrdStatus]) {
        let want: Vec<_> = want.iter().copied().map(Some).collect();
        self.until(&format!("{want:?}"), |rig| rig.statuses(orders) == want);
    }

    /// How many orders are open at the venue.
    fn open(&self) -> usize {
        self.ledger().open_orders.len()
    }

    fn market_at(&mut self, bid: &str, ask: &str, trade: &str) {
        let body = serde_json::json!({"symbol": "AAPL", "bid": bid, "ask": ask, "trade": trade});
        self.sim.order_market(&body).unwrap();
    }

    fn replace(&mut self, order: OrderId, qty: i64, px: i64) -> OrderId {
        let new = self.order(AAPL, Side::Buy, OrderType::Limit, qty, px);
        self.command(Action::Replace { order, mode: ReplaceMode::StopOnFailure, new });
        let made = self.out.effects().iter().find_map(|effect| match effect {
            EffectOf::Replace { new, .. } => Some(new.get().order),
            _ => None,
        });
        made.unwrap_or_else(|| panic!("denied: {:?}", self.out.effects()))
    }
}

#[test]
fn a_brackets_exits_are_held_until_the_entry_has_filled_and_one_ends_the_other() {
    use OrdStatus::{Canceled, Filled, New};
    let mut rig = rig(21);
    rig.ready();
    // At rest: all three live at the venue, and none fills.
    let resting = rig.list(bracket(&rig, ListKind::Otoco, OrderType::Limit, 200 * E9));
    rig.until_all(&resting, &[New; 3]);
    assert_eq!(rig.open(), 3);
    // The entry goes, and its exits with it.
    rig.command(Action::Cancel(resting[0]));
    rig.until_all(&resting, &[Canceled; 3]);
    assert_eq!((rig.open(), rig.position(AAPL)), (0, 0));

    let taken = rig.list(bracket(&rig, ListKind::Otoco, OrderType::Market, 0));
    rig.until_all(&taken, &[Filled, New, New]);
    assert_eq!(rig.position(AAPL), 10 * E9);
    // The profit is reached: the stop goes.
    rig.market_at("301", "302", "301.5");
    rig.until_all(&taken, &[Filled, Filled, Canceled]);
    rig.pass(25 * SECOND);
    assert_eq!((rig.open(), rig.position(AAPL), rig.core.orders().live_count()), (0, 0, 0));
}

#[test]
fn a_pair_of_exits_and_an_entry_with_one() {
    use OrdStatus::{Canceled, Filled, New};
    let mut rig = rig(22);
    rig.ready();
    let bought = rig.market(Side::Buy, 10 * E9);
    rig.until_status(bought, Filled);
    let pair = rig.list(bracket(&rig, ListKind::Oco, OrderType::Limit, 0));
    rig.until_all(&pair, &[New, New]);
    // The stop is touched: it sells, and the profit goes.
    rig.market_at("149", "150", "149.5");
    rig.until_all(&pair, &[Canceled, Filled]);
    assert_eq!(rig.position(AAPL), 0);
    rig.market_at("229.99", "230.01", "230");
    let one = rig.list(bracket(&rig, ListKind::Oto, OrderType::Limit, 240 * E9));
    rig.until_all(&one, &[Filled, New]);
    rig.command(Action::Cancel(one[1]));
    rig.until_all(&one, &[Filled, Canceled]);
    assert_eq!(rig.position(AAPL), 10 * E9);
}

#[test]
fn a_list_whose_answer_is_lost_is_found_by_its_own_id_and_never_sent_again() {
    let mut rig = rig(23);
    rig.ready();
    rig.sim.faults().answer_unknown_after = 1.0;
    rig.sim.faults().report_drop = 1.0;
    let list = rig.list(bracket(&rig, ListKind::Otoco, OrderType::Limit, 200 * E9));
    rig.until("unknown", |rig| list.iter().any(|order| rig.status(*order) == Some(OrdStatus::Unknown)));
    *rig.sim.faults() = crate::sim::Faults::new(23);
    rig.until_all(&list, &[OrdStatus::New; 3]);
    assert_eq!(rig.open(), 3, "sent once");
    rig.command(Action::Cancel(list[2]));
    rig.until("over", |rig| rig.core.orders().live_count() == 0 && rig.open() == 0);
}

#[test]
fn an_engine_that_dies_knows_the_exits_again_though_they_bear_no_name_of_ours() {
    use OrdStatus::{Canceled, Filled, New};
    let mut rig = rig(24);
    rig.ready();
    let list = rig.list(bracket(&rig, ListKind::Otoco, OrderType::Market, 0));
    rig.until_all(&list, &[Filled, New, New]);
    rig.restart(24);
    rig.until("ready again", |rig| rig.state() == VenueState::Ready);
    rig.quote(AAPL, 230 * E9);
    rig.until_all(&list, &[Filled, New, New]);
    // Filled by the stream of the new session, counted, and its mate goes.
    rig.market_at("301", "302", "301.5");
    rig.until_all(&list, &[Filled, Filled, Canceled]);
    rig.pass(25 * SECOND);
    assert_eq!((rig.open(), rig.position(AAPL)), (0, 0));
}

#[test]
fn an_order_takes_anothers_place_under_a_new_id() {
    let mut rig = rig(25);
    rig.ready();
    let old = rig.resting();
    rig.until_status(old, OrdStatus::New);
    let new = rig.replace(old, 8 * E9, 101 * E9);
    rig.until_all(&[old, new], &[OrdStatus::Canceled, OrdStatus::New]);
    rig.compare("replaced");
    let order = *rig.core.orders().get(new).unwrap();
    assert_eq!((order.qty, order.px, order.replaces), (Qty(8 * E9), Price(101 * E9), old));
    // The same again is refused by the venue, and the order stands.
    let same = rig.replace(new, 8 * E9, 101 * E9);
    rig.until_all(&[new, same], &[OrdStatus::New, OrdStatus::Rejected]);
    // Another side is not a replacement here, and nothing is sent.
    let other = PlaceOrder { side: Side::Sell, ..rig.order(AAPL, Side::Buy, OrderType::Limit, 8 * E9, 101 * E9) };
    rig.command(Action::Replace { order: new, mode: ReplaceMode::StopOnFailure, new: other });
    rig.until_status(new, OrdStatus::New);
    rig.compare("nothing else");
    rig.command(Action::Cancel(new));
    rig.until_status(new, OrdStatus::Canceled);
}

#[test]
fn a_replacement_that_races_a_fill_never_fills_more_than_was_asked() {
    // The market reaches the order so many milliseconds after its replacement was decided.
    for turns in [0, 1, 2, 3, 4, 5, 6, 8, 12, 20] {
        let mut rig = rig(30 + turns);
        rig.ready();
        let old = rig.resting();
        rig.until_status(old, OrdStatus::New);
        let new = rig.replace(old, 10 * E9, 101 * E9);
        (0..turns).for_each(|_| rig.turn());
        rig.market_at("98", "99", "98.5");
        rig.until("one of them is filled", |rig| rig.position(AAPL) != 0);
        rig.pass(25 * SECOND);
        assert_eq!(rig.position(AAPL), 10 * E9, "after {turns} turns: {:?}", rig.statuses(&[old, new]));
        assert_eq!((rig.open(), rig.core.orders().live_count()), (0, 0), "after {turns} turns");
        rig.compare("raced");
    }
}

#[test]
fn an_order_that_was_taken_and_then_turned_away_by_the_exchange_is_over() {
    let mut rig = rig(26);
    rig.ready();
    rig.sim.reject_next(1);
    let order = rig.resting();
    rig.until_status(order, OrdStatus::Rejected);
    rig.pass(2 * SECOND);
    assert_eq!((rig.open(), rig.core.orders().live_count()), (0, 0));
    assert_eq!(rig.power(), 200_000, "what it held is free");
}
