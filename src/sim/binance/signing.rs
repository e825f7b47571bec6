//! Verifies signatures over what was received (reference §5): HMAC-SHA256, Ed25519 and RSA.

use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use sha2::Sha256;

/// What an account's requests are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The shared secret.
    Hmac(String),
    /// The public key's 32 bytes.
    Ed25519(Vec<u8>),
    /// The public key as PKCS#1 DER.
    Rsa(Vec<u8>),
}

/// How a `SubjectPublicKeyInfo` of an Ed25519 key begins: the algorithm, then a bit string of 32 bytes.
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The algorithm `rsaEncryption` with its empty parameters.
const RSA_ALGORITHM: [u8; 13] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

impl Key {
    /// Finds the kind from the text: a PEM public key (`-----BEGIN PUBLIC KEY-----`), or else an HMAC secret.
    pub fn parse(text: &str) -> Result<Key, String> {
        if text.is_empty() {
            return Err("its secret or public key is empty".into());
        }
        if !text.contains("-----BEGIN") {
            return Ok(Key::Hmac(text.to_owned()));
        }
        let body = text
            .split_once("-----BEGIN PUBLIC KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PUBLIC KEY-----"))
            .ok_or("its PEM is no public key (BEGIN PUBLIC KEY)")?;
        let der = unbase64(&body.0.split_whitespace().collect::<String>()).ok_or("its PEM is not base64")?;
        if let Some(key) = der.strip_prefix(&ED25519_PREFIX).filter(|key| key.len() == 32) {
            return Ok(Key::Ed25519(key.to_vec()));
        }
        rsa_key(&der).map(Key::Rsa).ok_or_else(|| "its public key is neither Ed25519 nor RSA".into())
    }

    pub fn is_ed25519(&self) -> bool {
        matches!(self, Key::Ed25519(_))
    }

    /// Whether `signature` (hex of any case for HMAC, else base64) is one of `parts` in a row.
    fn verify(&self, parts: &[&[u8]], signature: &str) -> bool {
        match self {
            Key::Hmac(secret) => verify_hmac(secret, parts, signature),
            Key::Ed25519(key) => unbase64(signature)
                .is_some_and(|given| UnparsedPublicKey::new(&ED25519, key).verify(&parts.concat(), &given).is_ok()),
            Key::Rsa(key) => unbase64(signature).is_some_and(|given| {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(&parts.concat(), &given).is_ok()
            }),
        }
    }
}

/// The content of the DER value with this tag at the front of `der`, and what follows it.
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, &short) = (der.first()?, der.get(1)?);
    let long = usize::from(short & 0x7f);
    let (at, length) = if short < 0x80 {
        (2, long)
    } else {
        let bytes = der.get(2..2 + long).filter(|bytes| bytes.len() <= 4)?;
        (2 + long, bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let end = at.checked_add(length)?;
    (first == tag).then_some(())?;
    Some((der.get(at..end)?, &der[end..]))
}

/// The PKCS#1 key in a `SubjectPublicKeyInfo`.
fn rsa_key(der: &[u8]) -> Option<Vec<u8>> {
    let (info, _) = der_value(der, 0x30)?;
    let (algorithm, rest) = der_value(info, 0x30)?;
    let (bits, _) = der_value(rest, 0x03)?;
    // The first byte of a bit string counts its unused bits.
    (algorithm == RSA_ALGORITHM && bits.first() == Some(&0)).then(|| bits[1..].to_vec())
}

/// Standard base64 with its padding.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if text.is_empty() || !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for byte in digits.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

/// Whether `signature` (hex, any case) is the HMAC-SHA256 of `parts` in a row.
fn verify_hmac(secret: &str, parts: &[&[u8]], signature: &str) -> bool {
    let Some(given) = unhex(signature) else { return false };
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(&given).is_ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..32).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()).collect()
}

/// REST: the raw query and the raw body without their `signature` pair, one directly after the other.
pub fn verify_rest(key: &Key, query: &str, body: &str, signature: &str) -> bool {
    let (query, body) = (without_signature(query), without_signature(body));
    key.verify(&[query.as_bytes(), body.as_bytes()], signature)
}

fn without_signature(text: &str) -> String {
    if !text.contains("signature=") {
        return text.to_owned();
    }
    text.split('&').filter(|pair| !pair.starts_with("signature=")).collect::<Vec<_>>().join("&")
}

/// WebSocket API: `name=value` of every parameter but `signature`, sorted by name. The documentation signs the values
/// raw, the official clients percent-encode them; the venue's twin takes both.
pub fn verify_ws_api<'a>(key: &Key, params: impl Iterator<Item = (&'a str, &'a str)>, signature: &str) -> bool {
    let mut sorted: Vec<(&str, &str)> = params.filter(|(name, _)| *name != "signature").collect();
    sorted.sort_unstable();
    let payload = |encode: fn(&str) -> String| {
        sorted.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
    };
    let raw = payload(str::to_owned);
    key.verify(&[raw.as_bytes()], signature)
        || [percent_encode as fn(&str) -> String, form_encode]
            .into_iter()
            .map(payload)
            .any(|encoded| encoded != raw && key.verify(&[encoded.as_bytes()], signature))
}

fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn form_encode(text: &str) -> String {
    percent_encode(text).replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::binance::testing::fixture;

    #[test]
    fn published_vectors_verify_and_a_changed_byte_does_not() {
        let Some(file) = fixture("binance/signing_vectors.json") else { return };
        let mut checked = 0;
        let mut kinds = std::collections::HashMap::new();
        for vector in file["vectors"].as_array().unwrap() {
            let text = |key: &str| vector[key].as_str().unwrap_or_default();
            let (key, signature) = match text("scheme") {
                "HMAC-SHA256" => (text("secretKey"), text("signature")),
                _ => (text("publicKeyPem"), text("signature")),
            };
            let (key, name) = (&Key::parse(key).unwrap(), text("name"));
            let hmac = matches!(key, Key::Hmac(_));
            *kinds.entry(std::mem::discriminant(key)).or_insert(0) += 1;
            if !hmac && vector["queryString"].is_null() {
                assert!(key.verify(&[text("payload").as_bytes()], signature), "{name}");
                let changed = text("payload").replacen("1", "2", 1);
                assert!(!key.verify(&[changed.as_bytes()], signature), "{name}, changed");
                assert!(!key.verify(&[text("payload").as_bytes()], &signature[4..]), "{name}, cut");
                continue;
            }
            if let Some(params) = vector["request"]["params"].as_object() {
                let pairs: Vec<(String, String)> = params
                    .iter()
                    .map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
                    .collect();
                let view = || pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()));
                assert!(verify_ws_api(key, view(), signature), "{name}");
                assert!(!verify_ws_api(key, view().chain([("x", "1")]), signature), "{name} with one more");
            } else if vector["queryString"].is_string() {
                let body = format!("{}&signature={signature}", text("body"));
                assert!(verify_rest(key, text("queryString"), &body, signature), "{name}");
                assert!(!verify_rest(key, &format!("{}&", text("queryString")), &body, signature), "{name}");
            } else {
                for query in [
                    format!("{}&signature={signature}", text("payload")),
                    format!("signature={signature}&{}", text("payload")),
                ] {
                    assert!(verify_rest(key, &query, "", &signature.to_uppercase()), "{name}");
                    assert!(!verify_rest(
                        key,
                        &query.replacen("LTC", "LTX", 1).replacen("%EF", "%EE", 1),
                        "",
                        signature
                    ));
                }
            }
            checked += 1;
        }
        assert!(checked >= 15, "{checked} vectors");
        assert_eq!(kinds.len(), 3, "{kinds:?}");
    }

    #[test]
    fn what_is_no_key_is_named() {
        for (text, want) in [
            ("", "empty"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "no public key"),
            ("-----BEGIN PUBLIC KEY-----\nA*AA\n-----END PUBLIC KEY-----", "not base64"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "neither Ed25519 nor RSA"),
        ] {
            assert!(Key::parse(text).unwrap_err().contains(want), "{text}");
        }
    }

    #[test]
    fn both_encodings_of_ws_values_are_taken() {
        for payload in ["a=x y&symbol=１", "a=x%20y&symbol=%EF%BC%91", "a=x+y&symbol=%EF%BC%91"] {
            let mut mac = Hmac::<Sha256>::new_from_slice(b"s").unwrap();
            mac.update(payload.as_bytes());
            let signature: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
            let params = [("symbol", "１"), ("a", "x y"), ("signature", "ignored")];
            assert!(verify_ws_api(&Key::Hmac("s".into()), params.into_iter(), &signature), "{payload}");
        }
    }
}
