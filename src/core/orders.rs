//! The order table.
//!
//! Owns: every live order, and the last closed ones (a fill may come after the end).
//! Invariants:
//! - `cum + leaves = qty` while live; `leaves = 0` once closed.
//! - A closed order never becomes live again.

use super::command::Protect;
use super::table::{FixedMap, Key, mix};
use crate::domain::{
    InstrumentId, Nanos, OpenCounts, OrdStatus, OrderId, OrderType, Price, Qty, RequestId, Side, StrategyId, Terms,
    Text, TimeInForce, VenueId, VenueOrderId,
};
use crate::wire_struct;
use std::collections::VecDeque;

/// Most orders live at once. The gate denies the next one.
pub const LIVE_MAX: usize = 1024;
/// Closed orders that are remembered for late fills; the oldest is forgotten first.
pub const CLOSED_MAX: usize = 8192;

impl Key for Text<36> {
    fn spread(self) -> u64 {
        self.as_str().bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order {
    pub id: OrderId,
    pub request: RequestId,
    pub strategy: StrategyId,
    pub venue: VenueId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub kind: OrderType,
    pub tif: TimeInForce,
    pub qty: Qty,
    pub px: Price,
    pub terms: Terms,
    /// The asker's own id of it, where it has one.
    pub client: Text<36>,
    pub status: OrdStatus,
    pub cum: Qty,
    /// The most of it that the venue has counted as filled. More than `cum` while fills are missing.
    pub counted: Qty,
    /// Sum of fill quantity times price, in units of 10^-(px_scale + qty_scale).
    pub cum_value: i128,
    /// Held of the balance for what still works, in units of 10^-8 of the asset that the order pays with.
    pub reserved: i64,
    /// Price that a market order is valued at; `px` for the others.
    pub value_px: Price,
    /// It sells what is not held, and pays with the quote asset.
    pub short: bool,
    pub venue_order_id: VenueOrderId,
    pub decided_ns: Nanos,
    /// When the last request about it (place, cancel, query) was made.
    pub asked_ns: Nanos,
    /// The first order of the list it belongs to, and the leg of which only one fills; `FOREIGN` where there is none.
    pub list: OrderId,
    pub mate: OrderId,
    /// The order that it was sent in the place of.
    pub replaces: OrderId,
    /// It counts as working. Of two of which only one can fill, one does.
    pub counts: bool,
    /// It waits for the entry of its list to fill.
    pub waits: bool,
    /// How what it opens is protected; and it is an exit of a protection itself.
    pub protect: Protect,
    pub protects: bool,
    /// Amendments asked for.
    pub amends: u8,
    /// The venue has named it since the last `Reconcile` began.
    pub seen: bool,
    pub(super) live_at: u32,
}
wire_struct!(Order {
    id,
    request,
    strategy,
    venue,
    instrument,
    side,
    kind,
    tif,
    qty,
    px,
    terms,
    client,
    status,
    cum,
    counted,
    cum_value,
    reserved,
    value_px,
    short,
    venue_order_id,
    decided_ns,
    asked_ns,
    list,
    mate,
    replaces,
    counts,
    waits,
    protect,
    protects,
    amends,
    seen,
    live_at,
});

impl Order {
    /// The venue fills or ends it at once: it never rests.
    pub fn is_immediate(&self) -> bool {
        !self.kind.is_triggered()
            && !self.waits
            && (self.kind == OrderType::Market || matches!(self.tif, TimeInForce::Ioc | TimeInForce::Fok))
    }

    /// What of it counts as working.
    #[inline]
    pub fn working(&self) -> Qty {
        if self.counts { self.leaves() } else { Qty::ZERO }
    }

    /// Still working, or taken to be.
    #[inline]
    pub fn leaves(&self) -> Qty {
        if self.status.is_closed() { Qty::ZERO } else { Qty((self.qty.0 - self.cum.0).max(0)) }
    }
}

/// What one order adds to the counts that a venue's filters hold.
#[inline]
pub fn open_counts(kind: OrderType, terms: &Terms) -> OpenCounts {
    OpenCounts {
        orders: 1,
        algos: u32::from(kind.is_triggered()),
        icebergs: u32::from(!terms.display_qty.is_zero()),
        lists: 0,
    }
}

pub struct Orders {
    slots: Vec<Order>,
    index: FixedMap<OrderId, u32>,
    live: Vec<u32>,
    closed: VecDeque<u32>,
    /// Orders that their askers have named.
    named: FixedMap<Text<36>, OrderId>,
}

impl Orders {
    pub fn new() -> Orders {
        let all = LIVE_MAX + CLOSED_MAX;
        Orders {
            slots: Vec::with_capacity(all),
            index: FixedMap::new(all),
            named: FixedMap::new(all),
            live: Vec::with_capacity(LIVE_MAX),
            closed: VecDeque::with_capacity(CLOSED_MAX + 1),
        }
    }

    #[inline]
    pub fn is_full(&self) -> bool {
        self.live.len() >= LIVE_MAX
    }

    #[inline]
    pub fn live_count(&self) -> usize {
        self.live.len()
    }

    #[inline]
    pub fn get(&self, id: OrderId) -> Option<&Order> {
        self.index.get(id).map(|at| &self.slots[at as usize])
    }

    #[inline]
    pub fn get_mut(&mut self, id: OrderId) -> Option<&mut Order> {
        self.index.get(id).map(|at| &mut self.slots[at as usize])
    }

    /// The order that its asker calls so, live or lately closed.
    pub fn by_client(&self, client: Text<36>) -> Option<OrderId> {
        if client.is_empty() { None } else { self.named.get(client) }
    }

    /// The order that the venue calls so, live or lately closed. Looks at each: for reports that name none of ours.
    pub fn by_venue_id(&self, venue: VenueId, id: VenueOrderId) -> Option<OrderId> {
        if id.is_none() {
            return None;
        }
        self.live().chain(self.closed()).find(|o| o.venue == venue && o.venue_order_id == id).map(|o| o.id)
    }

    /// The live orders, in no particular but always the same order.
    pub fn live(&self) -> impl Iterator<Item = &Order> {
        self.live.iter().map(|at| &self.slots[*at as usize])
    }

    /// The id of the `n`th live order, for loops that change the table as they go.
    #[inline]
    pub fn live_id(&self, n: usize) -> Option<OrderId> {
        self.live.get(n).map(|at| self.slots[*at as usize].id)
    }

    /// The remembered closed orders, oldest first.
    pub fn closed(&self) -> impl Iterator<Item = &Order> {
        self.closed.iter().map(|at| &self.slots[*at as usize])
    }

    /// Adds a live order; false where the table is full.
    pub fn insert(&mut self, mut order: Order) -> bool {
        if self.is_full() {
            return false;
        }
        order.live_at = self.live.len() as u32;
        let at = if self.slots.len() < LIVE_MAX + CLOSED_MAX {
            self.slots.push(order);
            (self.slots.len() - 1) as u32
        } else {
            // The table is as long as it gets and not full of live orders, so there is a closed one.
            let Some(at) = self.closed.pop_front() else { return false };
            self.index.remove(self.slots[at as usize].id);
            let gone = self.slots[at as usize];
            // Its name may be another's by now.
            if self.named.get(gone.client) == Some(gone.id) {
                self.named.remove(gone.client);
            }
            self.slots[at as usize] = order;
            at
        };
        if !order.client.is_empty() {
            self.named.insert(order.client, order.id);
        }
        self.live.push(at);
        self.index.insert(order.id, at)
    }

    /// An order takes another's place, and is the one that its asker's name for it means from now on.
    pub fn pass_name(&mut self, from: OrderId, to: OrderId) {
        let Some(client) = self.get(from).map(|order| order.client).filter(|client| !client.is_empty()) else { return };
        if self.named.get(client) != Some(from) {
            return;
        }
        if let Some(order) = self.get_mut(to) {
            order.client = client;
            self.named.remove(client);
            self.named.insert(client, to);
        }
    }

    /// Takes an order whose status has become closed off the live list.
    pub fn retire(&mut self, id: OrderId) {
        let Some(at) = self.index.get(id) else { return };
        let place = self.slots[at as usize].live_at as usize;
        if self.live.get(place) != Some(&at) {
            return;
        }
        self.live.swap_remove(place);
        if let Some(moved) = self.live.get(place) {
            self.slots[*moved as usize].live_at = place as u32;
        }
        self.closed.push_back(at);
    }
}

impl Default for Orders {
    fn default() -> Self {
        Orders::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: u64) -> Order {
        Order { id: OrderId(id), qty: Qty(10), ..Order::default() }
    }

    #[test]
    fn a_name_is_passed_on_and_outlives_the_one_who_had_it_first() {
        let mut orders = Orders::new();
        let name = Text::new("mine");
        orders.insert(Order { client: name, ..order(1) });
        orders.insert(order(2));
        orders.pass_name(OrderId(1), OrderId(2));
        assert_eq!(orders.by_client(name), Some(OrderId(2)));
        assert_eq!(orders.get(OrderId(2)).unwrap().client, name);
        orders.retire(OrderId(1));
        for id in 3..=(LIVE_MAX + CLOSED_MAX) as u64 {
            orders.insert(order(id));
            orders.retire(OrderId(id));
        }
        orders.insert(order(1_000_000));
        assert_eq!((orders.get(OrderId(1)).map(|o| o.id), orders.by_client(name)), (None, Some(OrderId(2))));
    }

    #[test]
    fn a_full_table_refuses_and_closed_orders_make_room() {
        let mut orders = Orders::new();
        for id in 1..=LIVE_MAX as u64 {
            assert!(orders.insert(order(id)));
        }
        assert!(!orders.insert(order(9_999_999)), "full of live orders");
        // Churn far beyond the memory of closed orders: live ones survive, the oldest closed are forgotten.
        for id in 1..20_000u64 {
            let victim = if id == 1 { 2 } else { 100_000 + id - 1 };
            orders.get_mut(OrderId(victim)).unwrap().status = OrdStatus::Canceled;
            orders.retire(OrderId(victim));
            assert!(orders.insert(order(100_000 + id)));
        }
        assert_eq!(orders.live_count(), LIVE_MAX);
        assert!(orders.get(OrderId(1)).is_some());
        assert!(orders.get(OrderId(2)).is_none());
        assert_eq!(orders.get(OrderId(119_998)).map(|o| o.leaves()), Some(Qty::ZERO));
        assert_eq!(orders.closed().count(), CLOSED_MAX);
    }
}
