//! What is asked after a connect, in which order, and what comes of it. Knows no socket: it says what to ask next and
//! takes the answer.
//!
//! The lists of orders come first, because they say whose the fills are; what they say of the orders is held back until
//! the fills are told, because the core counts fills before it hears of orders that have them. Positions and worth come
//! last and contain everything. The stream is open already, so what happens meanwhile is heard too; a fill counts once.

use crate::domain::{ExecReport, Nanos, OrderId, VenueOrderId};
use crate::gateway::known::KnownOrders;
use crate::venues::alpaca::account::Fills;
use crate::venues::alpaca::names::Names;
use crate::venues::alpaca::orders::VenueOrder;
use crate::venues::alpaca::request::{ACTIVITIES_PAGE, ORDERS_PAGE};
use std::collections::VecDeque;

/// Orders that the stream closes while the lists are on their way. More, and a list may name one again: the core raises
/// an alarm then, and nothing else comes of it.
const CLOSED_MAX: usize = 1024;
/// Pages of open orders that are read: far beyond what one engine has open.
const ORDER_PAGES_MAX: usize = 8;

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Clock,
    /// Open orders, those before `before` where there is a page before.
    Open {
        before: VenueOrderId,
    },
    /// Orders that ended since this time.
    Closed {
        since_ns: Nanos,
    },
    /// Fills since this time; the page's token is `Reconcile::token`.
    Fills {
        since_ns: Nanos,
    },
    /// Whose order a fill belongs to.
    Order {
        id: VenueOrderId,
    },
    Positions,
    Account,
    /// What the account's owner lets it do.
    Settings,
}

/// Fills of one instrument that the core wants, by the time since when: ids of executions have no order here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backfill {
    pub since_ns: Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Clock,
    Open { before: VenueOrderId },
    Closed,
    Fills,
    Positions,
    Account,
    Settings,
    Done,
}

/// One reconciliation.
pub(super) struct Reconcile {
    stage: Stage,
    since_ns: Option<Nanos>,
    offset_ns: Nanos,
    pages: usize,
    pub token: String,
    /// What the lists said, to be told after the fills.
    orders: Vec<ExecReport>,
    page: Vec<ExecReport>,
    unknown: VecDeque<VenueOrderId>,
    next_page: bool,
    closed: Vec<OrderId>,
}

impl Reconcile {
    pub fn new(backfills: &[Backfill]) -> Reconcile {
        Reconcile {
            stage: Stage::Clock,
            since_ns: backfills.iter().map(|b| b.since_ns).min(),
            offset_ns: 0,
            pages: 0,
            token: String::new(),
            orders: Vec::new(),
            page: Vec::new(),
            unknown: VecDeque::new(),
            next_page: false,
            closed: Vec::with_capacity(CLOSED_MAX),
        }
    }

    /// What to ask now; the same until it is answered. `None` where all is said.
    pub fn ask(&self) -> Option<Ask> {
        let since_ns = self.since_ns.unwrap_or(0).saturating_add(self.offset_ns).max(0);
        match (self.stage, self.unknown.front()) {
            (Stage::Clock, _) => Some(Ask::Clock),
            (Stage::Open { before }, _) => Some(Ask::Open { before }),
            (Stage::Closed, _) => Some(Ask::Closed { since_ns }),
            (Stage::Fills, Some(&id)) => Some(Ask::Order { id }),
            (Stage::Fills, None) => Some(Ask::Fills { since_ns }),
            (Stage::Positions, _) => Some(Ask::Positions),
            (Stage::Account, _) => Some(Ask::Account),
            (Stage::Settings, _) => Some(Ask::Settings),
            (Stage::Done, _) => None,
        }
    }

    /// The venue's clock minus ours: fills are asked for in its time.
    pub fn on_clock(&mut self, offset_ns: Nanos) {
        self.offset_ns = offset_ns;
        self.stage = Stage::Open { before: VenueOrderId::NONE };
    }

    pub fn on_open(&mut self, orders: &[VenueOrder], names: &Names) {
        self.hold(orders, names);
        self.pages += 1;
        let full = orders.len() >= ORDERS_PAGE && self.pages < ORDER_PAGES_MAX;
        self.stage = match orders.last() {
            Some(last) if full => Stage::Open { before: last.id },
            _ if self.since_ns.is_some() => Stage::Closed,
            _ => Stage::Fills,
        };
        self.skip_fills();
    }

    pub fn on_closed_list(&mut self, orders: &[VenueOrder], names: &Names) {
        self.hold(orders, names);
        self.stage = Stage::Fills;
    }

    /// Without an order of ours there can be no fill.
    fn skip_fills(&mut self) {
        if self.stage == Stage::Fills && self.since_ns.is_none() {
            self.stage = Stage::Positions;
        }
    }

    fn hold(&mut self, orders: &[VenueOrder], names: &Names) {
        for order in orders.iter().flat_map(VenueOrder::family) {
            // What others ended long ago is nobody's news.
            if order.order != OrderId::FOREIGN || !order.status.is_final() {
                self.orders.push(order.report(names));
            }
        }
    }

    /// A page of fills, oldest first. Returns those that can be told now.
    pub fn on_fills(&mut self, page: Fills, known: &KnownOrders) -> Vec<ExecReport> {
        self.next_page = page.items >= ACTIVITIES_PAGE;
        self.token = page.last;
        self.unknown.clear();
        for fill in &page.fills {
            let id = fill.venue_order_id;
            if known.order(id).is_none() && !self.unknown.contains(&id) {
                self.unknown.push_back(id);
            }
        }
        self.page = page.fills;
        self.tell(known)
    }

    /// The order that was asked for is in `known` now. Returns the fills that this was the last question of.
    pub fn on_order(&mut self, known: &KnownOrders) -> Vec<ExecReport> {
        self.unknown.pop_front();
        self.tell(known)
    }

    fn tell(&mut self, known: &KnownOrders) -> Vec<ExecReport> {
        if !self.unknown.is_empty() {
            return Vec::new();
        }
        if !self.next_page {
            self.stage = Stage::Positions;
        }
        let mut told = std::mem::take(&mut self.page);
        for fill in &mut told {
            fill.order = known.order(fill.venue_order_id).unwrap_or(OrderId::FOREIGN);
        }
        // Those that name none of ours are told too: of a list's exit the core knows the venue's id from before a restart.
        told
    }

    /// The stream has closed an order.
    pub fn on_closed(&mut self, order: OrderId) {
        if self.closed.len() < CLOSED_MAX {
            self.closed.push(order);
        }
    }

    /// The fills are told: now the orders are, without those that have closed since they were listed. Then positions
    /// are asked for. Called before the first question after the fills is sent.
    pub fn take_orders(&mut self) -> Vec<ExecReport> {
        if self.stage != Stage::Positions {
            return Vec::new();
        }
        let closed = &self.closed;
        let mut orders = std::mem::take(&mut self.orders);
        orders.retain(|order| order.order == OrderId::FOREIGN || !closed.contains(&order.order));
        orders
    }

    pub fn on_positions(&mut self) {
        self.stage = Stage::Account;
    }

    pub fn on_account(&mut self) {
        self.stage = Stage::Settings;
    }

    pub fn on_settings(&mut self) {
        self.stage = Stage::Done;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ExecId, InstrumentId, VenueId};
    use crate::venues::alpaca::orders::Status;

    fn id(n: u64) -> VenueOrderId {
        VenueOrderId { hi: 1, lo: n }
    }

    fn listed(n: u64, order: OrderId, status: Status) -> VenueOrder {
        VenueOrder { id: id(n), order, status, instrument: InstrumentId(0), ..VenueOrder::default() }
    }

    fn fill(n: u64, order: u64) -> ExecReport {
        ExecReport { exec_id: ExecId::from_u64(n), venue_order_id: id(order), ..ExecReport::default() }
    }

    #[test]
    fn orders_are_listed_first_and_told_after_the_fills_of_ours() {
        let names = Names::new(VenueId(0), 7, Vec::new()).unwrap();
        let mut known = KnownOrders::new();
        let mut reconcile = Reconcile::new(&[Backfill { since_ns: 500 }, Backfill { since_ns: 400 }]);
        assert_eq!(reconcile.ask(), Some(Ask::Clock));
        reconcile.on_clock(100);
        assert_eq!(reconcile.ask(), Some(Ask::Open { before: VenueOrderId::NONE }));
        let open = [listed(10, OrderId(640), Status::New), listed(11, OrderId::FOREIGN, Status::New)];
        reconcile.on_open(&open, &names);
        assert_eq!(reconcile.ask(), Some(Ask::Closed { since_ns: 500 }));
        let closed = [listed(12, OrderId(704), Status::Canceled), listed(13, OrderId::FOREIGN, Status::Filled)];
        reconcile.on_closed_list(&closed, &names);
        known.remember(id(10), OrderId(640));
        assert_eq!(reconcile.ask(), Some(Ask::Fills { since_ns: 500 }));
        assert!(reconcile.take_orders().is_empty(), "not before the fills");
        let page = Fills { fills: vec![fill(1, 10), fill(2, 14)], items: 2, last: "x".to_owned() };
        assert!(reconcile.on_fills(page, &known).is_empty());
        assert_eq!(reconcile.ask(), Some(Ask::Order { id: id(14) }));
        known.remember(id(14), OrderId::FOREIGN);
        let told: Vec<u64> = reconcile.on_order(&known).iter().map(|fill| fill.exec_id.lo).collect();
        assert_eq!(told, [1, 2], "the second is nobody's here, and may be the core's by the venue's id");
        reconcile.on_closed(OrderId(640));
        let told: Vec<OrderId> = reconcile.take_orders().iter().map(|order| order.order).collect();
        assert_eq!(told, [OrderId::FOREIGN, OrderId(704)]);
        assert_eq!(reconcile.ask(), Some(Ask::Positions));
        reconcile.on_positions();
        assert_eq!(reconcile.ask(), Some(Ask::Account));
        reconcile.on_account();
        assert_eq!(reconcile.ask(), Some(Ask::Settings));
        reconcile.on_settings();
        assert_eq!(reconcile.ask(), None);
    }

    #[test]
    fn pages_follow_while_they_are_full_and_without_our_orders_no_fill_is_asked_for() {
        let names = Names::new(VenueId(0), 7, Vec::new()).unwrap();
        let mut reconcile = Reconcile::new(&[]);
        reconcile.on_clock(0);
        let full: Vec<VenueOrder> =
            (0..ORDERS_PAGE as u64).map(|n| listed(n + 1, OrderId::FOREIGN, Status::New)).collect();
        reconcile.on_open(&full, &names);
        assert_eq!(reconcile.ask(), Some(Ask::Open { before: id(ORDERS_PAGE as u64) }));
        reconcile.on_open(&[], &names);
        assert_eq!(reconcile.ask(), Some(Ask::Positions));
        let mut fills = Reconcile::new(&[Backfill { since_ns: 0 }]);
        fills.on_clock(0);
        fills.on_open(&[], &names);
        fills.on_closed_list(&[], &names);
        let page = Fills { fills: Vec::new(), items: ACTIVITIES_PAGE, last: "t".to_owned() };
        fills.on_fills(page, &KnownOrders::new());
        assert_eq!((fills.ask(), fills.token.as_str()), (Some(Ask::Fills { since_ns: 0 }), "t"));
    }
}
