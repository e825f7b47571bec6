//! Request signing (§5): HMAC-SHA256 with the key's state kept, so that a signature costs only the hashing; Ed25519 and
//! RSA by the private key.

use super::digits::hex16;
use super::key::{KeyError, PrivateKey};
use super::mac::Mac;
use std::fmt;
use std::sync::Arc;

/// Length of an HMAC signature as text: 32 bytes in hex.
pub const HMAC_LEN: usize = 64;

/// Signs payloads with one key. The kinds of key differ in signature and in text form; nothing else of a request does.
#[derive(Clone)]
pub enum Signer {
    Hmac(HmacSigner),
    /// Ed25519 or RSA, from a PEM.
    Private(Arc<PrivateKey>),
}

impl Signer {
    /// From whatever the venue's page or `openssl` gave: an Ed25519 or RSA key in PEM (PKCS#8), else the secret of an
    /// HMAC key. The text is not kept; wiping it is the caller's.
    pub fn from_secret(text: &str) -> Result<Signer, KeyError> {
        match PrivateKey::from_pem(text) {
            Some(key) => Ok(Signer::Private(Arc::new(key?))),
            None if text.trim().is_empty() => Err(KeyError::Empty),
            None => Ok(Signer::hmac(text.trim().as_bytes())),
        }
    }

    /// Whether the key may log a connection on (§17.4): Ed25519 alone.
    pub fn can_log_on(&self) -> bool {
        matches!(self, Signer::Private(key) if matches!(**key, PrivateKey::Ed25519(_)))
    }

    /// The kind of key, as people call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Signer::Hmac(_) => "HMAC",
            Signer::Private(key) => match **key {
                PrivateKey::Ed25519(_) => "Ed25519",
                PrivateKey::Rsa(..) => "RSA",
            },
        }
    }

    /// From the venue's secret key as its page shows it. The secret is not kept, only the hash state made from it.
    pub fn hmac(secret: &[u8]) -> Signer {
        Signer::Hmac(HmacSigner::new(secret))
    }

    /// A signer for payloads that all begin with `prefix`: it is hashed once, here.
    pub fn with_prefix(&self, prefix: &[u8]) -> PrefixSigner {
        match self {
            Signer::Hmac(hmac) => PrefixSigner::Hmac(HmacSigner { mac: hmac.mac.with_prefix(prefix) }),
            // Neither kind can begin with a part: both sign a hash over more than the payload, or need it twice.
            Signer::Private(key) => PrefixSigner::Private(Arc::clone(key)),
        }
    }

    /// Appends the signature of `payload` in its text form (HMAC: 64 lower-case hex digits; Ed25519 and RSA: base64).
    #[inline]
    pub fn sign(&self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Signer::Hmac(hmac) => hmac.sign(payload, out),
            Signer::Private(key) => key.sign(payload, out),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(secret hidden)")
    }
}

/// As `Signer`, with the head of every payload hashed already.
#[derive(Clone)]
pub enum PrefixSigner {
    Hmac(HmacSigner),
    Private(Arc<PrivateKey>),
}

impl PrefixSigner {
    /// Appends the signature of a payload that begins with the prefix.
    #[inline]
    pub fn sign(&self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            PrefixSigner::Hmac(hmac) => hmac.sign(payload, out),
            PrefixSigner::Private(key) => key.sign(payload, out),
        }
    }
}

impl fmt::Debug for PrefixSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrefixSigner(secret hidden)")
    }
}

/// The hash states made from the secret. Zeroed when dropped.
#[derive(Clone)]
pub struct HmacSigner {
    mac: Mac,
}

impl HmacSigner {
    fn new(secret: &[u8]) -> HmacSigner {
        HmacSigner { mac: Mac::new(secret) }
    }

    #[inline]
    fn sign(&self, payload: &[u8], out: &mut Vec<u8>) {
        push_hex(&self.mac.of(payload), out);
    }
}

/// Lower-case hex of a digest.
#[inline]
fn push_hex(digest: &[u8; 32], out: &mut Vec<u8>) {
    let mut text = [0u8; HMAC_LEN];
    let (words, _) = digest.as_chunks::<8>();
    for (digits, word) in text.chunks_exact_mut(16).zip(words) {
        digits.copy_from_slice(&hex16(u64::from_be_bytes(*word)));
    }
    out.extend_from_slice(&text);
}

/// Header that carries the key of a REST request.
pub const API_KEY_HEADER: &str = "X-MBX-APIKEY";

/// Appends `name=value` to a query string, the value percent-encoded as the venue demands before signing (§5.1).
pub fn push_query(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    for &byte in value.as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            query.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            query.push('%');
            query.push(char::from(DIGITS[usize::from(byte >> 4)]));
            query.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// Signs REST requests: query strings that are already percent-encoded, no body.
#[derive(Clone)]
pub struct RestSigner {
    api_key: String,
    signer: Signer,
}

impl fmt::Debug for RestSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RestSigner(key and secret hidden)")
    }
}

impl RestSigner {
    pub fn new(api_key: &str, signer: Signer) -> RestSigner {
        RestSigner { api_key: api_key.to_owned(), signer }
    }

    /// Appends `timestamp`, `recvWindow` and, last, the signature.
    pub fn sign_query(&self, query: &mut String, recv_window_ms: u32, timestamp_ms: i64) {
        push_query(query, "recvWindow", &recv_window_ms.to_string());
        push_query(query, "timestamp", &timestamp_ms.to_string());
        let mut signature = Vec::new();
        self.signer.sign(query.as_bytes(), &mut signature);
        // The text forms of signatures are ASCII.
        push_query(query, "signature", std::str::from_utf8(&signature).unwrap_or_default());
    }

    /// The key, and what signs for it.
    pub fn parts(&self) -> (&str, &Signer) {
        (&self.api_key, &self.signer)
    }

    /// The header that goes with it.
    pub fn header(&self) -> (&'static str, String) {
        (API_KEY_HEADER, self.api_key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::binance::testing::fixture;
    use serde_json::Value;

    /// Sorted, raw, without the signature: the WebSocket API's payload of a request's params.
    fn ws_payload(params: &Value) -> String {
        let mut pairs: Vec<String> = params
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| *name != "signature")
            .map(|(name, value)| format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned)))
            .collect();
        pairs.sort();
        pairs.join("&")
    }

    #[test]
    fn the_venues_own_vectors_come_out() {
        let Some(text) = fixture("signing_vectors.json") else { return };
        let file: Value = serde_json::from_slice(&text).unwrap();
        let mut checked = std::collections::BTreeMap::new();
        for vector in file["vectors"].as_array().unwrap() {
            let name = vector["name"].as_str().unwrap();
            let scheme = vector["scheme"].as_str().unwrap();
            let payload = vector["payload"].as_str().unwrap();
            if vector["transport"] == "wsapi" && vector["request"].is_object() {
                assert_eq!(ws_payload(&vector["request"]["params"]), payload, "{name}");
            }
            let secret = vector["secretKey"].as_str().or(vector["privateKeyPem"].as_str()).unwrap();
            let signer = Signer::from_secret(secret).unwrap();
            assert_eq!(signer.can_log_on(), scheme == "Ed25519", "{name}");
            let want = vector["signature"].as_str().unwrap();
            let mut out = b"kept".to_vec();
            signer.sign(payload.as_bytes(), &mut out);
            assert_eq!(out, [b"kept", want.as_bytes()].concat(), "{name}");
            for cut in [0, 1, 16, payload.len()] {
                let mut out = Vec::new();
                signer.with_prefix(&payload.as_bytes()[..cut]).sign(payload.as_bytes(), &mut out);
                assert_eq!(out, want.as_bytes(), "{name} with {cut} bytes hashed ahead");
            }
            if let Some(encoded) = vector["signature_percent_encoded"].as_str() {
                let mut query = String::new();
                push_query(&mut query, "signature", want);
                assert_eq!(query, format!("signature={encoded}"), "{name}");
            }
            *checked.entry(scheme.to_owned()).or_insert(0) += 1;
        }
        let got: Vec<_> = checked.iter().map(|(scheme, n)| (scheme.as_str(), *n)).collect();
        assert_eq!(got, [("Ed25519", 7), ("HMAC-SHA256", 19), ("RSASSA-PKCS1-v1_5-SHA256", 4)]);
    }

    #[test]
    fn a_secret_is_taken_for_what_it_is() {
        assert!(matches!(Signer::from_secret(" \n"), Err(KeyError::Empty)));
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
        assert_eq!(Signer::from_secret(encrypted).err(), Some(KeyError::Encrypted));
        let sign = |secret: &str| {
            let mut out = Vec::new();
            Signer::from_secret(secret).unwrap().sign(b"a=1", &mut out);
            out
        };
        assert_eq!(sign("secret\n"), sign("secret"));
        assert_eq!(sign("secret").len(), HMAC_LEN);
    }

    #[test]
    fn a_rest_query_is_encoded_before_it_is_signed() {
        let secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
        let mut query = String::new();
        for (name, value) in [
            ("symbol", "１２３４５６"),
            ("side", "BUY"),
            ("type", "LIMIT"),
            ("timeInForce", "GTC"),
            ("quantity", "1"),
            ("price", "0.1"),
        ] {
            push_query(&mut query, name, value);
        }
        let signer = RestSigner::new("key", Signer::hmac(secret.as_bytes()));
        signer.sign_query(&mut query, 5000, 1_499_827_319_559);
        let want = "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559&signature=e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3";
        assert_eq!(query, want);
        assert_eq!(signer.header(), ("X-MBX-APIKEY", "key".to_owned()));
    }

    #[test]
    fn a_secret_is_not_printed() {
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n-----END PRIVATE KEY-----";
        for secret in ["topsecret", pem] {
            let signer = Signer::from_secret(secret).unwrap();
            let rest = RestSigner::new("key", signer.clone());
            for shown in [format!("{signer:?}"), format!("{:?}", signer.with_prefix(b"a")), format!("{rest:?}")] {
                assert!(!shown.contains("topsecret") && shown.contains("hidden"), "{shown}");
                assert!(!shown.contains("MC4C") && !shown.contains("Ed25519"), "{shown}");
            }
        }
    }
}
