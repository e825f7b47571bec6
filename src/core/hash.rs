//! One number for the whole state: two cores that agree on it would decide alike.

use super::Core;
use super::table::mix;
use crate::domain::Side;
use crate::domain::wire::{Wire, Writer};

struct Hasher {
    hash: u64,
    buf: [u8; 2048],
}

impl Hasher {
    fn add(&mut self, value: &impl Wire) {
        let mut buf = self.buf;
        let mut w = Writer::new(&mut buf);
        value.put(&mut w);
        // The largest hashed value, an instrument, is half of the buffer; a longer one would be hashed as its prefix.
        let len = w.finish().unwrap_or(buf.len());
        for piece in buf[..len].chunks(8) {
            let mut word = [0u8; 8];
            word[..piece.len()].copy_from_slice(piece);
            self.hash = mix(self.hash.rotate_left(23) ^ u64::from_le_bytes(word)).wrapping_add(len as u64);
        }
    }
}

impl Core {
    /// Hash of everything a decision can depend on.
    pub fn state_hash(&self) -> u64 {
        let mut h = Hasher { hash: 0x746f_6c6c_6761_7465, buf: [0; 2048] };
        h.add(&self.seq);
        h.add(&self.now);
        h.add(&self.epoch);
        h.add(&self.run);
        h.add(&self.limits);
        h.add(&self.limits_set);
        h.add(&self.caps);
        h.add(&self.road);
        self.shadows.all().for_each(|shadow| h.add(shadow));
        h.add(&self.trading);
        h.add(&self.shutting_down);
        h.add(&self.halt_when_flat);
        h.add(&self.stop);
        for venue in &self.venues {
            h.add(&venue.name);
            h.add(&venue.state);
            h.add(&venue.trading);
            h.add(&venue.reconcile_due);
            h.add(&venue.reconcile_ns);
            h.add(&venue.synced_ns);
            h.add(&venue.reconciling);
            h.add(&venue.foreign);
            h.add(&venue.differs);
            h.add(&venue.barred);
            h.add(&venue.fills_missing);
            h.add(&venue.missing_ns);
            h.add(&venue.fills);
            h.add(&venue.marked_fills);
            h.add(&venue.open);
        }
        h.add(&self.portfolio.totals);
        h.add(self.portfolio.other_totals());
        for inst in self.portfolio.defined() {
            h.add(inst);
        }
        for inst in self.portfolio.defined().filter(|inst| inst.permit.keeps_hours) {
            h.add(&self.hours.configured(inst.def.id));
            h.add(&self.hours.venue(inst.def.id));
        }
        self.correlation.each_state(|n| h.add(&n));
        for sum in self.portfolio.sums() {
            h.add(sum);
        }
        for asset in self.portfolio.assets() {
            h.add(asset);
        }
        for (venue, asset, holding) in self.account.known() {
            h.add(&venue);
            h.add(&asset);
            h.add(holding);
        }
        for powers in self.account.all_powers().iter().filter(|powers| **powers != Default::default()) {
            h.add(powers);
        }
        for order in self.orders.live().chain(self.orders.closed()) {
            h.add(order);
        }
        for (_, desk) in self.desks.all() {
            h.add(desk);
        }
        h.add(self.desks.rates());
        h.add(&self.desks.day);
        h.add(&self.losses);
        h.add(self.alerts.rules());
        self.alerts.all().for_each(|alert| h.add(alert));
        self.alerts.each_state(|n| h.add(&n));
        self.recent.each(|intent, at| {
            h.add(&intent);
            h.add(&at);
        });
        for book in &self.books {
            h.add(&book.is_whole());
            h.add(&book.update_id());
            for level in book.side(Side::Buy).chain(book.side(Side::Sell)) {
                h.add(level);
            }
        }
        for protection in self.protections.all() {
            h.add(protection);
        }
        h.add(&self.protect_rules);
        h.add(&self.stirred);
        for waiting in self.parked.all() {
            h.add(waiting);
        }
        self.strategies.each_state(|state| h.add(state));
        h.hash
    }
}
