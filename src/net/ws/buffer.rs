//! The receive buffer of one connection: kept for its life, never zeroed again, never copied but to close a gap.

/// Least room offered to one read: below it the unread rest is moved to the front.
const READ_MIN: usize = 4096;

/// Bytes `start..end` are received and not yet consumed.
pub struct RecvBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl RecvBuffer {
    /// `capacity` is what normal traffic needs; only a message larger than any before makes it grow.
    pub fn new(capacity: usize) -> RecvBuffer {
        RecvBuffer { bytes: vec![0; capacity.max(2 * READ_MIN)], start: 0, end: 0 }
    }

    #[inline]
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    #[inline]
    pub fn unread_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Forgets the first `n` unread bytes.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        self.start += n;
        if self.start >= self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Where a read may put bytes; never empty. `wanted` is the size of the message being received, 0 where unknown.
    #[inline]
    pub fn room(&mut self, wanted: usize) -> &mut [u8] {
        let needed = wanted.saturating_sub(self.end - self.start).max(READ_MIN);
        if self.bytes.len() - self.end < needed {
            self.make_room(needed);
        }
        &mut self.bytes[self.end..]
    }

    #[cold]
    fn make_room(&mut self, needed: usize) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let len = self.end + needed;
        if self.bytes.len() < len {
            self.bytes.resize(len.next_power_of_two(), 0);
        }
    }

    /// The read put `n` bytes into the room.
    #[inline]
    pub fn filled(&mut self, n: usize) {
        self.end += n;
    }

    /// Puts bytes that were read elsewhere.
    pub fn append(&mut self, bytes: &[u8]) {
        self.room(self.unread().len() + bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_come_out_as_they_went_in(steps in proptest::collection::vec((1usize..9000, 0usize..9000, 0usize..40_000), 1..40)) {
            let mut buffer = RecvBuffer::new(0);
            let (mut written, mut read) = (0u64, 0u64);
            for (put, take, wanted) in steps {
                let room = buffer.room(wanted);
                prop_assert!(!room.is_empty());
                let n = put.min(room.len());
                for slot in &mut room[..n] {
                    *slot = (written % 251) as u8;
                    written += 1;
                }
                buffer.filled(n);
                let n = take.min(buffer.unread().len());
                for byte in &buffer.unread()[..n] {
                    prop_assert_eq!(*byte, (read % 251) as u8);
                    read += 1;
                }
                buffer.consume(n);
            }
            prop_assert_eq!(buffer.unread().len() as u64, written - read);
        }
    }
}
