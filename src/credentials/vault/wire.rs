//! The bodies of Vault's requests and answers, as far as they are used.

use super::super::{Credential, CredentialError, Secret};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Most of an error's text that is repeated.
const SAID_MAX: usize = 200;

#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
}

#[derive(Deserialize)]
struct AuthEnvelope {
    auth: Option<Auth>,
}

/// What a login and a renewal answer.
#[derive(Deserialize)]
pub struct Auth {
    pub client_token: String,
    /// Seconds.
    pub lease_duration: u64,
    #[serde(default)]
    pub renewable: bool,
}

/// What a token says of itself.
#[derive(Deserialize)]
pub struct TokenInfo {
    /// Seconds left; 0 for ever.
    pub ttl: u64,
    #[serde(default)]
    pub renewable: bool,
}

#[derive(Deserialize)]
pub struct SealStatus {
    pub sealed: bool,
}

#[derive(Deserialize)]
pub struct Mount {
    options: Option<MountOptions>,
}

#[derive(Deserialize)]
struct MountOptions {
    version: Option<String>,
}

impl Mount {
    /// `"2"`; anything else is version 1.
    pub fn version(&self) -> &str {
        self.options.as_ref().and_then(|options| options.version.as_deref()).unwrap_or("1")
    }
}

/// The settings of a KV 2 mount; a KV 1 mount has none, or a secret of that name.
#[derive(Deserialize)]
pub struct KvSettings {
    #[serde(rename = "max_versions")]
    _max_versions: u32,
}

/// A secret's members.
#[derive(Deserialize)]
pub struct Pair {
    api_key: String,
    secret: String,
}

impl Pair {
    pub fn credential(self) -> Result<Credential, CredentialError> {
        Credential::new(Secret::take(self.api_key.into_bytes()), Secret::take(self.secret.into_bytes()))
    }
}

/// A secret of a KV 2 mount. `data` is absent where the version was deleted.
#[derive(Deserialize)]
pub struct KvData {
    pub data: Option<Pair>,
    pub metadata: KvMetadata,
}

#[derive(Deserialize)]
pub struct KvMetadata {
    pub version: u32,
}

#[derive(Deserialize)]
pub struct KvWritten {
    pub version: u32,
}

/// A key that the transit engine made: base64, and wrapped.
#[derive(Deserialize)]
pub struct DataKey {
    pub plaintext: String,
    pub ciphertext: String,
}

#[derive(Deserialize)]
pub struct Decrypted {
    pub plaintext: String,
}

pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// What stands in the envelope's `data`.
pub fn data<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    parse::<Envelope<T>>(body)?.data
}

/// What stands in the envelope's `auth`.
pub fn auth(body: &[u8]) -> Option<Auth> {
    parse::<AuthEnvelope>(body)?.auth
}

/// The texts of a failure, which may be none.
pub fn errors(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Failure {
        #[serde(default)]
        errors: Vec<String>,
        /// As RustyVault says it.
        error: Option<String>,
    }
    let said = parse::<Failure>(body)
        .map_or_else(String::new, |failure| failure.error.unwrap_or_else(|| failure.errors.join("; ")));
    if said.is_empty() { "no reason is given".to_owned() } else { said.chars().take(SAID_MAX).collect() }
}

pub fn login_body(role_id: &str, secret_id: Option<&Secret>) -> Zeroizing<Vec<u8>> {
    #[derive(Serialize)]
    struct Login<'a> {
        role_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        secret_id: Option<&'a str>,
    }
    json(&Login { role_id, secret_id: secret_id.and_then(Secret::expose_text) })
}

pub fn decrypt_body(wrapped: &Secret) -> Zeroizing<Vec<u8>> {
    #[derive(Serialize)]
    struct Decrypt<'a> {
        ciphertext: &'a str,
    }
    json(&Decrypt { ciphertext: wrapped.expose_text().unwrap_or_default() })
}

/// `cas` for a KV 2 mount; the members stand by themselves on a KV 1 mount.
pub fn write_body(credential: &Credential, cas: Option<u32>) -> Zeroizing<Vec<u8>> {
    #[derive(Serialize)]
    struct Members<'a> {
        api_key: &'a str,
        secret: &'a str,
    }
    #[derive(Serialize)]
    struct Options {
        cas: u32,
    }
    #[derive(Serialize)]
    struct Versioned<'a> {
        options: Options,
        data: Members<'a>,
    }
    // A credential's parts are text.
    let text = |part: &'_ Secret| part.expose_text().unwrap_or_default().to_owned();
    let (api_key, secret) = (Zeroizing::new(text(&credential.api_key)), Zeroizing::new(text(&credential.secret)));
    let data = Members { api_key: &api_key, secret: &secret };
    match cas {
        Some(cas) => json(&Versioned { options: Options { cas }, data }),
        None => json(&data),
    }
}

fn json(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    // Room for the longest credential, escaped: a buffer that grows leaves copies behind.
    let mut out = Zeroizing::new(Vec::with_capacity(128 << 10));
    serde_json::to_writer(&mut *out, value).expect("structs of strings and numbers are JSON, and memory takes them");
    out
}
