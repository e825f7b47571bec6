//! Whose order a venue's order id is: fills that are asked for carry no client order id.

use crate::domain::{OrderId, VenueOrderId};

/// Orders remembered. One that has been forgotten is asked for, at the cost of one request.
const KNOWN_MAX: usize = 8192;

/// A ring, written at each ack, searched only when fills are backfilled.
pub struct KnownOrders {
    ring: Vec<(VenueOrderId, OrderId)>,
    next: usize,
}

impl KnownOrders {
    pub fn new() -> KnownOrders {
        KnownOrders { ring: Vec::with_capacity(KNOWN_MAX), next: 0 }
    }

    #[inline]
    pub fn remember(&mut self, venue_order_id: VenueOrderId, order: OrderId) {
        if venue_order_id.is_none() {
            return;
        }
        let last = self.ring.get((self.next + KNOWN_MAX - 1) % KNOWN_MAX);
        if last == Some(&(venue_order_id, order)) {
            return;
        }
        match self.ring.get_mut(self.next) {
            Some(slot) => *slot = (venue_order_id, order),
            None => self.ring.push((venue_order_id, order)),
        }
        self.next = (self.next + 1) % KNOWN_MAX;
    }

    /// `OrderId::FOREIGN` is an answer too: the venue has been asked, and it is somebody else's.
    pub fn order(&self, venue_order_id: VenueOrderId) -> Option<OrderId> {
        self.ring.iter().rev().find(|(id, _)| *id == venue_order_id).map(|(_, order)| *order)
    }

    pub fn venue_order_id(&self, order: OrderId) -> Option<VenueOrderId> {
        self.ring.iter().rev().find(|(_, known)| *known == order).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_orders_are_known_both_ways_and_the_oldest_forgotten() {
        let mut known = KnownOrders::new();
        let id = VenueOrderId::from_u64;
        known.remember(VenueOrderId::NONE, OrderId(5));
        for n in 1..=KNOWN_MAX as u64 + 10 {
            known.remember(id(n), OrderId(n * 64));
            known.remember(id(n), OrderId(n * 64));
        }
        assert_eq!((known.order(id(10)), known.order(id(11))), (None, Some(OrderId(704))));
        assert_eq!(known.venue_order_id(OrderId(704)), Some(id(11)));
        assert_eq!(known.venue_order_id(OrderId(5)), None);
        known.remember(id(77_777), OrderId::FOREIGN);
        assert_eq!(known.order(id(77_777)), Some(OrderId::FOREIGN));
    }
}
