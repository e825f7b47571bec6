//! Numbers into the text of requests, eight digits at a time. `domain::decimal` is the oracle, and takes what is larger.

use super::SCALE;
use crate::domain::decimal::{self, MAX_LEN};

/// 10^`SCALE`, and what eight digits hold.
const EIGHT: u64 = 100_000_000;

/// A text of at most `MAX_LEN` bytes.
#[derive(Clone, Copy)]
pub(super) struct Digits {
    bytes: [u8; MAX_LEN],
    from: usize,
    to: usize,
}

impl Digits {
    #[inline]
    pub fn text(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }

    /// An integer.
    #[inline]
    pub fn int(value: i64) -> Digits {
        match u64::try_from(value) {
            Ok(value) if value < EIGHT * EIGHT => {
                let mut bytes = [0u8; MAX_LEN];
                bytes[..8].copy_from_slice(&eight(value / EIGHT));
                bytes[8..16].copy_from_slice(&eight(value % EIGHT));
                Digits { from: leading_zeros(&bytes).min(15), to: 16, bytes }
            }
            _ => {
                let mut bytes = [0u8; MAX_LEN];
                let to = decimal::encode(value, 0, &mut bytes);
                Digits { bytes, from: 0, to }
            }
        }
    }

    /// A value in units of 10^-8, without trailing zeros.
    #[inline]
    pub fn fixed(value: i64) -> Digits {
        match u64::try_from(value) {
            Ok(value) if value < EIGHT * EIGHT => {
                let mut bytes = [0u8; MAX_LEN];
                let decimals = eight(value % EIGHT);
                bytes[..8].copy_from_slice(&eight(value / EIGHT));
                bytes[8] = b'.';
                bytes[9..17].copy_from_slice(&decimals);
                // The last digit that is not a zero: the highest byte that differs from '0'.
                let kept = 8 - (u64::from_le_bytes(decimals) ^ ZEROS).leading_zeros() as usize / 8;
                let to = if kept == 0 { 8 } else { 9 + kept };
                Digits { from: leading_zeros(&bytes).min(7), to, bytes }
            }
            _ => {
                let mut bytes = [0u8; MAX_LEN];
                let to = decimal::encode_trimmed(value, SCALE, &mut bytes);
                Digits { bytes, from: 0, to }
            }
        }
    }
}

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Zeros that lead, up to sixteen digits.
#[inline]
fn leading_zeros(bytes: &[u8; MAX_LEN]) -> usize {
    let zeros = |at: usize| {
        let chunk = bytes[at..].first_chunk::<8>().map_or(0, |chunk| u64::from_le_bytes(*chunk) ^ ZEROS);
        chunk.trailing_zeros() as usize / 8
    };
    match zeros(0) {
        8 => 8 + zeros(8),
        some => some,
    }
}

/// The eight digits of a number below 10^8: split into fours, pairs and digits, all at once (SWAR).
#[inline]
fn eight(value: u64) -> [u8; 8] {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | ((pairs - 10 * tens) << 8);
    (digits + ZEROS).to_le_bytes()
}

/// Sixteen lower-case hex digits, all at once: nibbles spread over bytes, then turned into letters without branches.
#[inline]
pub(super) fn hex16(value: u64) -> [u8; 16] {
    let spread = |half: u64| {
        let half = (half | half << 16) & 0x0000_ffff_0000_ffff;
        let half = (half | half << 8) & 0x00ff_00ff_00ff_00ff;
        (half | half << 4) & 0x0f0f_0f0f_0f0f_0f0f
    };
    let letters = |nibbles: u64| {
        // 1 in every byte whose nibble is above 9.
        let above = (nibbles + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
        (nibbles + 0x3030_3030_3030_3030 + above * 39).to_be_bytes()
    };
    let mut text = [0u8; 16];
    text[..8].copy_from_slice(&letters(spread(value >> 32)));
    text[8..].copy_from_slice(&letters(spread(value & 0xffff_ffff)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(value: i64) {
        let mut slow = [0u8; MAX_LEN];
        let len = decimal::encode_trimmed(value, SCALE, &mut slow);
        assert_eq!(Digits::fixed(value).text(), &slow[..len], "{value} with eight decimals");
        let len = decimal::encode(value, 0, &mut slow);
        assert_eq!(Digits::int(value).text(), &slow[..len], "{value}");
    }

    #[test]
    fn the_edges_are_as_the_slow_way_writes_them() {
        for power in 0..19 {
            let at = 10i64.pow(power);
            [at - 1, at, at + 1, -at, 9 * (at / 10), 5 * at / 100].into_iter().for_each(check);
        }
        [0, i64::MAX, i64::MIN + 1].into_iter().for_each(check);
    }

    #[test]
    fn every_four_digits_are_right() {
        for value in 0..10_000u64 {
            assert_eq!(eight(value * 10_001), format!("{value:04}{value:04}").as_bytes(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_number_is_as_the_slow_way_writes_it(value: i64, shift in 0u32..64) {
            prop_assume!(value != i64::MIN);
            check(value >> shift);
        }
    }
}
