//! HMAC-SHA256 (RFC 2104) for short payloads that begin alike.
//!
//! What a signature costs is blocks of 64 bytes. The key's two blocks are hashed when it is loaded, the whole blocks of
//! a prefix that every payload has when it is known, and the rest of a payload goes into the compression function at
//! once, padded here: no buffer of a streaming hash is copied or filled. The `hmac` crate is the oracle of the tests.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

const BLOCK: usize = 64;
/// The first state of SHA-256 (FIPS 180-4, 5.3.3).
const FIRST: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// A key, and a prefix of the payloads that it will sign.
#[derive(Clone)]
pub(super) struct Mac {
    /// After the key's inner block and the prefix's whole blocks, and after the key's outer block.
    inner: [u32; 8],
    outer: [u32; 8],
    /// Bytes of the payload that `inner` holds already.
    absorbed: usize,
}

impl Drop for Mac {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

impl Mac {
    pub fn new(key: &[u8]) -> Mac {
        let mut block = [0u8; BLOCK];
        if key.len() > BLOCK {
            block[..32].copy_from_slice(&Sha256::digest(key));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let keyed = |pad: u8| {
            let mut state = FIRST;
            let mut padded = block.map(|byte| byte ^ pad);
            compress256(&mut state, &[padded]);
            padded.zeroize();
            state
        };
        let (inner, outer) = (keyed(0x36), keyed(0x5c));
        block.zeroize();
        Mac { inner, outer, absorbed: 0 }
    }

    /// The same key for payloads that begin with `prefix`.
    pub fn with_prefix(&self, prefix: &[u8]) -> Mac {
        let mut ahead = self.clone();
        let (blocks, _) = prefix.as_chunks::<BLOCK>();
        compress256(&mut ahead.inner, blocks);
        ahead.absorbed = blocks.len() * BLOCK;
        ahead
    }

    /// The code of a payload, which begins with the prefix.
    #[inline]
    pub fn of(&self, payload: &[u8]) -> [u8; 32] {
        let mut state = self.inner;
        let (blocks, tail) = payload[self.absorbed..].as_chunks::<BLOCK>();
        compress256(&mut state, blocks);
        let mut last = [[0u8; BLOCK]; 2];
        let flat = last.as_flattened_mut();
        flat[..tail.len()].copy_from_slice(tail);
        flat[tail.len()] = 0x80;
        // The length of all that was hashed, in bits, ends the last block; one more where it does not fit behind.
        let used = if tail.len() < BLOCK - 8 { 1 } else { 2 };
        let bits = (BLOCK + payload.len()) as u64 * 8;
        flat[used * BLOCK - 8..used * BLOCK].copy_from_slice(&bits.to_be_bytes());
        compress256(&mut state, &last[..used]);

        let mut around = [0u8; BLOCK];
        put(&state, &mut around);
        around[32] = 0x80;
        around[BLOCK - 8..].copy_from_slice(&((BLOCK as u64 + 32) * 8).to_be_bytes());
        let mut state = self.outer;
        compress256(&mut state, &[around]);
        let mut code = [0u8; 32];
        put(&state, &mut code);
        code
    }
}

#[inline]
fn put(state: &[u32; 8], out: &mut [u8]) {
    for (bytes, word) in out.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, KeyInit, Mac as _};
    use proptest::prelude::*;

    fn slow(key: &[u8], payload: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(payload);
        mac.finalize().into_bytes().into()
    }

    #[test]
    fn every_length_and_every_prefix_is_as_the_crate_has_it() {
        let payload: Vec<u8> = (0..=255).cycle().take(330).collect();
        for key in [&b""[..], b"secret", &[7; 64], &[9; 65], &[1; 200]] {
            let mac = Mac::new(key);
            for len in 0..payload.len() {
                assert_eq!(mac.of(&payload[..len]), slow(key, &payload[..len]), "{len}");
            }
            for prefix in 0..200 {
                assert_eq!(mac.with_prefix(&payload[..prefix]).of(&payload[..200]), slow(key, &payload[..200]));
            }
        }
    }

    proptest! {
        #[test]
        fn any_key_and_payload_is_as_the_crate_has_it(key: Vec<u8>, payload: Vec<u8>, cut: prop::sample::Index) {
            let prefix = &payload[..cut.index(payload.len() + 1)];
            prop_assert_eq!(Mac::new(&key).with_prefix(prefix).of(&payload), slow(&key, &payload));
        }
    }
}
