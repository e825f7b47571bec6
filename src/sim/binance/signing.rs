//! Verifies HMAC-SHA256 signatures over what was received (reference §5).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Whether `signature` (hex, any case) is the HMAC-SHA256 of `parts` in a row.
pub fn verify_hmac(secret: &str, parts: &[&[u8]], signature: &str) -> bool {
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
pub fn verify_rest(secret: &str, query: &str, body: &str, signature: &str) -> bool {
    let (query, body) = (without_signature(query), without_signature(body));
    verify_hmac(secret, &[query.as_bytes(), body.as_bytes()], signature)
}

fn without_signature(text: &str) -> String {
    if !text.contains("signature=") {
        return text.to_owned();
    }
    text.split('&').filter(|pair| !pair.starts_with("signature=")).collect::<Vec<_>>().join("&")
}

/// WebSocket API: `name=value` of every parameter but `signature`, sorted by name. The documentation signs the values
/// raw, the official clients percent-encode them; the venue's twin takes both.
pub fn verify_ws_api<'a>(secret: &str, params: impl Iterator<Item = (&'a str, &'a str)>, signature: &str) -> bool {
    let mut sorted: Vec<(&str, &str)> = params.filter(|(name, _)| *name != "signature").collect();
    sorted.sort_unstable();
    let payload = |encode: fn(&str) -> String| {
        sorted.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
    };
    let raw = payload(str::to_owned);
    verify_hmac(secret, &[raw.as_bytes()], signature)
        || [percent_encode as fn(&str) -> String, form_encode]
            .into_iter()
            .map(payload)
            .any(|encoded| encoded != raw && verify_hmac(secret, &[encoded.as_bytes()], signature))
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
        for vector in file["vectors"].as_array().unwrap() {
            if vector["scheme"] != "HMAC-SHA256" {
                continue;
            }
            let text = |key: &str| vector[key].as_str().unwrap_or_default();
            let (secret, signature) = (text("secretKey"), text("signature"));
            let name = text("name");
            if let Some(params) = vector["request"]["params"].as_object() {
                let pairs: Vec<(String, String)> = params
                    .iter()
                    .map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
                    .collect();
                let view = || pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()));
                assert!(verify_ws_api(secret, view(), signature), "{name}");
                assert!(!verify_ws_api(secret, view().chain([("x", "1")]), signature), "{name} with one more");
            } else if vector["queryString"].is_string() {
                let body = format!("{}&signature={signature}", text("body"));
                assert!(verify_rest(secret, text("queryString"), &body, signature), "{name}");
                assert!(!verify_rest(secret, &format!("{}&", text("queryString")), &body, signature), "{name}");
            } else {
                for query in [
                    format!("{}&signature={signature}", text("payload")),
                    format!("signature={signature}&{}", text("payload")),
                ] {
                    assert!(verify_rest(secret, &query, "", &signature.to_uppercase()), "{name}");
                    assert!(!verify_rest(
                        secret,
                        &query.replacen("LTC", "LTX", 1).replacen("%EF", "%EE", 1),
                        "",
                        signature
                    ));
                }
            }
            checked += 1;
        }
        assert!(checked >= 15, "{checked} vectors");
    }

    #[test]
    fn both_encodings_of_ws_values_are_taken() {
        for payload in ["a=x y&symbol=１", "a=x%20y&symbol=%EF%BC%91", "a=x+y&symbol=%EF%BC%91"] {
            let mut mac = Hmac::<Sha256>::new_from_slice(b"s").unwrap();
            mac.update(payload.as_bytes());
            let signature: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
            let params = [("symbol", "１"), ("a", "x y"), ("signature", "ignored")];
            assert!(verify_ws_api("s", params.into_iter(), &signature), "{payload}");
        }
    }
}
