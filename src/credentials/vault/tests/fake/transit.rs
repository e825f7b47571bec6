//! The transit engine: what it wraps it remembers, so that nothing but this server opens it.

use super::{Answer, State, envelope, failure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

impl State {
    pub(super) fn transit(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let parts: Vec<&str> = path.split('/').collect();
        let writes = matches!(method, "POST" | "PUT");
        match *parts.as_slice() {
            ["keys", key] if writes => {
                self.transit.entry(key.to_owned()).or_insert(1);
                (204, Value::Null, None)
            }
            ["keys", key, "rotate"] if writes => match self.transit.get_mut(key) {
                Some(version) => {
                    *version += 1;
                    (204, Value::Null, None)
                }
                None => failure(400, &["no existing key named"]),
            },
            ["keys", key] if method == "GET" => match self.transit.get(key) {
                Some(version) => {
                    let data = json!({ "name": key, "type": "aes256-gcm96", "latest_version": version,
                        "min_decryption_version": 1, "keys": {} });
                    envelope(data, Value::Null)
                }
                None => failure(404, &[]),
            },
            ["encrypt", key] if writes => {
                let plain = body["plaintext"].as_str().unwrap_or_default().to_owned();
                if STANDARD.decode(&plain).is_err() {
                    return failure(400, &["failed to base64-decode plaintext"]);
                }
                // The trap of the real one: a name that is not there is made.
                let (ciphertext, version) = self.wrap(key, plain);
                envelope(json!({ "ciphertext": ciphertext, "key_version": version }), Value::Null)
            }
            ["decrypt" | "rewrap", key] if writes => {
                let Some(plain) = body["ciphertext"].as_str().and_then(|text| self.wrapped.get(text)).cloned() else {
                    return failure(400, &["invalid ciphertext: unable to decrypt"]);
                };
                if parts[0] == "decrypt" {
                    return envelope(json!({ "plaintext": plain }), Value::Null);
                }
                let (ciphertext, version) = self.wrap(key, plain);
                envelope(json!({ "ciphertext": ciphertext, "key_version": version }), Value::Null)
            }
            ["datakey", form @ ("plaintext" | "wrapped"), key] if writes => {
                if !self.transit.contains_key(key) {
                    return failure(400, &["encryption key not found"]);
                }
                let bytes = body["bits"].as_u64().unwrap_or(256) / 8;
                let plain = STANDARD.encode((0..bytes).map(|_| fastrand::u8(..)).collect::<Vec<u8>>());
                let (ciphertext, version) = self.wrap(key, plain.clone());
                let mut data = json!({ "ciphertext": ciphertext, "key_version": version });
                if form == "plaintext" {
                    data["plaintext"] = json!(plain);
                }
                envelope(data, Value::Null)
            }
            _ => failure(404, &["no handler for route"]),
        }
    }

    fn wrap(&mut self, key: &str, plain: String) -> (String, u32) {
        let version = *self.transit.entry(key.to_owned()).or_insert(1);
        let nonce: Vec<u8> = (0..28).map(|_| fastrand::u8(..)).collect();
        let text = format!("vault:v{version}:{}", STANDARD.encode(nonce));
        self.wrapped.insert(text.clone(), plain);
        (text, version)
    }
}
