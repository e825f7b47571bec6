//! What is asked after a connect, in which order, and what comes of it. Knows no socket: it says what to ask next and
//! takes the answer.
//!
//! First the fills since the last one known, then the open orders, then the balances: the core counts fills before it
//! hears of orders that have them, and balances last, because they contain everything. The private stream is open
//! already, so what happens meanwhile is heard too; the core counts a fill once.

use crate::domain::{ExecId, ExecReport, InstrumentId, Nanos, OrderId, VenueOrderId};
use crate::gateway::known::KnownOrders;
use crate::venues::binance::request::TradesFrom;
use std::collections::VecDeque;

/// Orders that the private stream closes while the list of open ones is on its way. More than this many and the list
/// may name one again: the core raises an alarm then, and nothing else comes of it.
const CLOSED_MAX: usize = 1024;

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Trades {
        instrument: InstrumentId,
        from: TradesFrom,
    },
    /// Whose order a fill belongs to.
    Order {
        instrument: InstrumentId,
        venue_order_id: VenueOrderId,
    },
    OpenOrders,
    Account,
}

/// Fills of one instrument that the core wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backfill {
    pub instrument: InstrumentId,
    pub from: ExecId,
    pub since_ns: Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Trades,
    OpenOrders,
    Account,
    Done,
}

/// One reconciliation.
pub struct Reconcile {
    stage: Stage,
    todo: VecDeque<(InstrumentId, TradesFrom)>,
    /// Fills that cannot be told before it is known whose orders they are.
    page: Vec<ExecReport>,
    unknown: VecDeque<VenueOrderId>,
    /// Where the next page begins, where there is one.
    next_page: Option<u64>,
    closed: Vec<OrderId>,
}

impl Reconcile {
    /// `venue_offset_ns` is the venue's clock minus ours: fills are asked for in its time.
    pub fn new(backfills: &[Backfill], venue_offset_ns: Nanos) -> Reconcile {
        let from = |b: &Backfill| {
            let from = if b.from == ExecId::NONE {
                TradesFrom::Time((b.since_ns + venue_offset_ns).div_euclid(1_000_000).max(0))
            } else {
                TradesFrom::Id(b.from.lo)
            };
            (b.instrument, from)
        };
        let mut reconcile = Reconcile {
            stage: Stage::Trades,
            todo: backfills.iter().map(from).collect(),
            page: Vec::new(),
            unknown: VecDeque::new(),
            next_page: None,
            closed: Vec::with_capacity(CLOSED_MAX),
        };
        reconcile.advance();
        reconcile
    }

    fn advance(&mut self) {
        if self.stage == Stage::Trades && self.todo.is_empty() {
            self.stage = Stage::OpenOrders;
        }
    }

    /// What to ask now; the same until it is answered. `None` where all is said.
    pub fn ask(&self) -> Option<Ask> {
        match (self.stage, self.todo.front(), self.unknown.front()) {
            (Stage::Trades, Some(&(instrument, _)), Some(&venue_order_id)) => {
                Some(Ask::Order { instrument, venue_order_id })
            }
            (Stage::Trades, Some(&(instrument, from)), None) => Some(Ask::Trades { instrument, from }),
            (Stage::OpenOrders, ..) => Some(Ask::OpenOrders),
            (Stage::Account, ..) => Some(Ask::Account),
            _ => None,
        }
    }

    /// A page of fills, oldest first; `full` where another may follow. Returns those that can be told now.
    pub fn on_trades(&mut self, page: Vec<ExecReport>, full: bool, known: &KnownOrders) -> Vec<ExecReport> {
        self.next_page = match page.last() {
            Some(last) if full => Some(last.exec_id.lo.saturating_add(1)),
            _ => None,
        };
        self.unknown.clear();
        for trade in &page {
            let id = trade.venue_order_id;
            if known.order(id).is_none() && !self.unknown.contains(&id) {
                self.unknown.push_back(id);
            }
        }
        self.page = page;
        self.tell(known)
    }

    /// The order that was asked for is in `known` now. Returns the fills that this was the last question of.
    pub fn on_order(&mut self, known: &KnownOrders) -> Vec<ExecReport> {
        self.unknown.pop_front();
        self.tell(known)
    }

    /// The page's fills with their orders, foreign ones left out, once no order is unknown.
    fn tell(&mut self, known: &KnownOrders) -> Vec<ExecReport> {
        if !self.unknown.is_empty() {
            return Vec::new();
        }
        let next = self.next_page.take();
        if let Some(front) = self.todo.pop_front()
            && let Some(id) = next
        {
            self.todo.push_front((front.0, TradesFrom::Id(id)));
        }
        self.advance();
        let mut told = std::mem::take(&mut self.page);
        for trade in &mut told {
            trade.order = known.order(trade.venue_order_id).unwrap_or(OrderId::FOREIGN);
        }
        told.retain(|trade| trade.order != OrderId::FOREIGN);
        told
    }

    /// The private stream has closed an order.
    pub fn on_closed(&mut self, order: OrderId) {
        if self.closed.len() < CLOSED_MAX {
            self.closed.push(order);
        }
    }

    /// The list of open orders. Returns it without those that have closed since it was asked for.
    pub fn on_open_orders(&mut self, mut orders: Vec<ExecReport>) -> Vec<ExecReport> {
        self.stage = Stage::Account;
        orders.retain(|order| order.order == OrderId::FOREIGN || !self.closed.contains(&order.order));
        orders
    }

    pub fn on_account(&mut self) {
        self.stage = Stage::Done;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ExecType;

    const A: InstrumentId = InstrumentId(0);
    const B: InstrumentId = InstrumentId(1);

    fn trade(id: u64, order: u64) -> ExecReport {
        ExecReport {
            exec: ExecType::Trade,
            exec_id: ExecId::from_u64(id),
            venue_order_id: VenueOrderId::from_u64(order),
            ..ExecReport::default()
        }
    }

    fn ids(reports: &[ExecReport]) -> Vec<(u64, OrderId)> {
        reports.iter().map(|r| (r.exec_id.lo, r.order)).collect()
    }

    #[test]
    fn fills_come_first_page_by_page_and_only_ours_are_told() {
        let mut known = KnownOrders::new();
        known.remember(VenueOrderId::from_u64(10), OrderId(640));
        let backfills = [
            Backfill { instrument: A, from: ExecId::from_u64(100), since_ns: 0 },
            Backfill { instrument: B, from: ExecId::NONE, since_ns: 5_000_000_000 },
        ];
        let mut reconcile = Reconcile::new(&backfills, 2_000_000_000);
        assert_eq!(reconcile.ask(), Some(Ask::Trades { instrument: A, from: TradesFrom::Id(100) }));
        // A full page with an order nobody knows: told once it is known.
        let page = vec![trade(100, 10), trade(104, 11), trade(105, 12), trade(106, 11)];
        assert_eq!(ids(&reconcile.on_trades(page, true, &known)), []);
        for (order, owner) in [(11, OrderId(704)), (12, OrderId::FOREIGN)] {
            let venue_order_id = VenueOrderId::from_u64(order);
            assert_eq!(reconcile.ask(), Some(Ask::Order { instrument: A, venue_order_id }));
            known.remember(venue_order_id, owner);
            let told = reconcile.on_order(&known);
            let want = [(100, OrderId(640)), (104, OrderId(704)), (106, OrderId(704))];
            assert_eq!(ids(&told), if order == 12 { want.to_vec() } else { vec![] });
        }
        assert_eq!(reconcile.ask(), Some(Ask::Trades { instrument: A, from: TradesFrom::Id(107) }));
        assert_eq!(ids(&reconcile.on_trades(vec![trade(200, 12)], false, &known)), []);
        assert_eq!(reconcile.ask(), Some(Ask::Trades { instrument: B, from: TradesFrom::Time(7_000) }));
        assert_eq!(ids(&reconcile.on_trades(vec![], true, &known)), []);
        assert_eq!(reconcile.ask(), Some(Ask::OpenOrders));
        reconcile.on_closed(OrderId(64));
        let open = [OrderId(64), OrderId(128), OrderId::FOREIGN].map(|order| ExecReport { order, ..trade(0, 1) });
        let told: Vec<OrderId> = reconcile.on_open_orders(open.to_vec()).iter().map(|o| o.order).collect();
        assert_eq!(told, [OrderId(128), OrderId::FOREIGN]);
        assert_eq!(reconcile.ask(), Some(Ask::Account));
        reconcile.on_account();
        assert_eq!(reconcile.ask(), None);
    }

    #[test]
    fn without_a_known_fill_or_order_nothing_is_backfilled() {
        assert_eq!(Reconcile::new(&[], 0).ask(), Some(Ask::OpenOrders));
    }
}
