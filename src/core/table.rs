//! Hash tables of a fixed size, allocated once: insertion order and hash are the same on every machine, so equal
//! events give equal states.

use crate::domain::OrderId;

/// A key that spreads itself over 64 bits.
pub trait Key: Copy + Eq {
    fn spread(self) -> u64;
}

/// Fibonacci hashing: cheap, and enough for ids that count up.
#[inline]
pub fn mix(x: u64) -> u64 {
    let x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^ (x >> 32)
}

impl Key for OrderId {
    #[inline]
    fn spread(self) -> u64 {
        mix(self.0)
    }
}

/// Open addressing with linear probing, at most half full.
pub struct FixedMap<K, V> {
    slots: Box<[Option<(K, V)>]>,
    len: usize,
    max: usize,
}

impl<K: Key, V: Copy> FixedMap<K, V> {
    /// Room for `max` entries.
    pub fn new(max: usize) -> Self {
        let slots = (max * 2).next_power_of_two();
        FixedMap { slots: vec![None; slots].into_boxed_slice(), len: 0, max }
    }

    #[inline]
    fn find(&self, key: K) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let mut at = key.spread() as usize & mask;
        loop {
            match &self.slots[at] {
                Some((k, _)) if *k == key => return Ok(at),
                Some(_) => at = (at + 1) & mask,
                None => return Err(at),
            }
        }
    }

    #[inline]
    pub fn get(&self, key: K) -> Option<V> {
        self.find(key).ok().and_then(|at| self.slots[at]).map(|(_, v)| v)
    }

    #[inline]
    pub fn contains(&self, key: K) -> bool {
        self.find(key).is_ok()
    }

    /// False where the table is full or the key is there already; nothing has changed then.
    pub fn insert(&mut self, key: K, value: V) -> bool {
        if self.len == self.max {
            return false;
        }
        match self.find(key) {
            Ok(_) => false,
            Err(at) => {
                self.slots[at] = Some((key, value));
                self.len += 1;
                true
            }
        }
    }

    /// Removes the key by shifting back the run behind it, so no tombstones pile up.
    pub fn remove(&mut self, key: K) {
        let Ok(mut hole) = self.find(key) else { return };
        let mask = self.slots.len() - 1;
        self.slots[hole] = None;
        self.len -= 1;
        let mut at = (hole + 1) & mask;
        while let Some((k, _)) = &self.slots[at] {
            let home = k.spread() as usize & mask;
            // The entry may move into the hole unless its home lies between the hole and where it stands.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = self.slots[at].take();
                hole = at;
            }
            at = (at + 1) & mask;
        }
    }
}

/// The last `max` keys seen; the oldest is forgotten first.
pub struct RecentSet<K> {
    map: FixedMap<K, ()>,
    ring: Box<[Option<K>]>,
    next: usize,
}

impl<K: Key> RecentSet<K> {
    pub fn new(max: usize) -> Self {
        RecentSet { map: FixedMap::new(max), ring: vec![None; max].into_boxed_slice(), next: 0 }
    }

    /// True where the key is new.
    pub fn insert(&mut self, key: K) -> bool {
        if self.map.contains(key) {
            return false;
        }
        if let Some(oldest) = self.ring[self.next].replace(key) {
            self.map.remove(oldest);
        }
        self.next = (self.next + 1) % self.ring.len();
        self.map.insert(key, ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, VecDeque};

    proptest! {
        #[test]
        fn the_map_is_a_map(ops in prop::collection::vec((0u8..3, 0u64..40), 0..400)) {
            let mut map = FixedMap::<OrderId, u64>::new(24);
            let mut twin = BTreeMap::new();
            for (op, key) in ops {
                match op {
                    0 => {
                        let room = twin.len() < 24 && !twin.contains_key(&key);
                        prop_assert_eq!(map.insert(OrderId(key), key * 7), room);
                        if room { twin.insert(key, key * 7); }
                    }
                    1 => { map.remove(OrderId(key)); twin.remove(&key); }
                    _ => prop_assert_eq!(map.get(OrderId(key)), twin.get(&key).copied()),
                }
            }
            for key in 0..40 {
                prop_assert_eq!(map.get(OrderId(key)), twin.get(&key).copied());
            }
        }

        #[test]
        fn the_recent_set_forgets_the_oldest(keys in prop::collection::vec(0u64..60, 0..300)) {
            let mut set = RecentSet::<OrderId>::new(16);
            let mut twin = VecDeque::new();
            for key in keys {
                let new = !twin.contains(&key);
                prop_assert_eq!(set.insert(OrderId(key)), new);
                if new {
                    if twin.len() == 16 { twin.pop_front(); }
                    twin.push_back(key);
                }
            }
        }
    }
}
