//! HashiCorp Vault as a source of credentials: its HTTP API as a conversation, without sockets (`VaultLink` has them).
//!
//! `transit` has the other use of it: to keep the key of the encrypted store.
//!
//! A credential is a secret with the members `api_key` and `secret` at `<path>/<venue>/<environment>/<name>` of a KV
//! mount, of either version: which one is found out by asking. What Vault gives is read at the start and kept in
//! memory, so a Vault that goes away stops nothing that runs.
//!
//! | answer | is taken for |
//! |---|---|
//! | 307 | a standby: the active node is asked the same, at most 3 times, never down to plain http |
//! | 403 | a token that has expired, where it cannot look itself up; else a right that it lacks |
//! | 412, 429, 502, 503, and for reads 500 and no answer | passing: asked again, 5 times in all, with growing waits |
//! | 404 | no such secret, or a deleted version of one |

mod settings;
mod transit;
mod wire;

#[cfg(test)]
mod tests;

pub use settings::{Transit, VaultAuth, VaultSettings};

use super::{Credential, CredentialError, CredentialId, Secret};
use std::time::Duration;
use wire::{Auth, KvData, KvWritten, Mount, SealStatus, TokenInfo, errors, parse};
use zeroize::Zeroizing;

/// Attempts at one request, the first included.
const ATTEMPTS: u32 = 5;
/// First and longest wait between two of them.
const WAIT_MIN: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(2);
const REDIRECTS_MAX: u32 = 3;

/// One request, complete but for the headers that every request has.
pub struct VaultRequest<'a> {
    pub method: &'static str,
    pub url: &'a str,
    pub token: Option<&'a Secret>,
    pub namespace: Option<&'a str>,
    /// JSON.
    pub body: Option<&'a [u8]>,
}

pub struct VaultResponse {
    pub status: u16,
    /// Where a redirection points.
    pub location: Option<String>,
    pub body: Zeroizing<Vec<u8>>,
}

/// What Vault's conversation needs of the world: sockets, a clock, and patience.
pub trait VaultLink {
    /// Follows no redirection. An error is no answer at all, in words without a secret.
    fn call(&mut self, request: &VaultRequest) -> Result<VaultResponse, String>;

    /// Seconds since any fixed moment.
    fn now_s(&mut self) -> u64;

    fn wait(&mut self, time: Duration);
}

/// Why Vault did not do what it was asked. Never shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("{0}")]
    Setting(String),
    #[error("Vault at {endpoint} is sealed: unseal it, then start again")]
    Sealed { endpoint: String },
    #[error("Vault at {endpoint} does not answer: {cause}")]
    Unreachable { endpoint: String, cause: String },
    #[error("Vault refuses the login: {status} {said}; is the role or secret id used up?")]
    Login { status: u16, said: String },
    #[error("Vault does not let this token {action} {path}: it has expired, or its policy lacks the right")]
    Forbidden { action: &'static str, path: String },
    #[error("Vault holds another version of {path} than the one that was read: somebody else wrote it, look again")]
    Conflict { path: String },
    #[error("Vault's secret at {path} lacks the members api_key and secret")]
    Members { path: String },
    #[error("Vault answers {status} to {action} {path}: {said}")]
    Answer { action: &'static str, path: String, status: u16, said: String },
    #[error("Vault's answer to {action} {path} is not what its API promises")]
    Nonsense { action: &'static str, path: String },
    #[error("Vault's transit engine at {mount} has no key {key:?}: `vault write -f {mount}/keys/{key}` makes one")]
    NoTransitKey { mount: String, key: String },
    #[error("Vault sends us in circles, or down to plain http: {location}")]
    Redirect { location: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KvVersion {
    One,
    Two,
}

/// A token and how long it lives.
struct Token {
    value: Secret,
    renewable: bool,
    /// Two thirds of the way to its end; `None` where it has none.
    renew_at_s: Option<u64>,
    /// What it was given to live at first, in seconds.
    lease_s: u64,
}

impl Token {
    fn new(value: Secret, renewable: bool, lease_s: u64, now_s: u64) -> Token {
        let renew_at_s = (lease_s > 0).then_some(now_s + lease_s * 2 / 3);
        Token { value, renewable, renew_at_s, lease_s }
    }
}

/// A secret as Vault holds it.
struct Read {
    credential: Option<Credential>,
    /// Of a KV 2 mount: the number that the next write must know; 0 where there never was one.
    version: Option<u32>,
}

/// A conversation with one Vault.
pub struct Vault {
    settings: VaultSettings,
    link: Box<dyn VaultLink>,
    token: Option<Token>,
    kv: Option<KvVersion>,
    /// Given up in `close`: what we logged in for is ours to end.
    logged_in: bool,
}

impl Vault {
    pub fn new(settings: VaultSettings, link: Box<dyn VaultLink>) -> Vault {
        Vault { settings, link, token: None, kv: None, logged_in: false }
    }

    /// The credential and, of a KV 2 mount, its version; `None` where Vault has none of that name.
    pub fn read(&mut self, id: &CredentialId) -> Result<Option<(Credential, Option<u32>)>, VaultError> {
        self.open()?;
        let read = self.read_any(id)?;
        Ok(read.credential.map(|credential| (credential, read.version)))
    }

    /// Writes it, on a KV 2 mount only over the version that was read. Returns the new version, where there are some.
    pub fn write(&mut self, id: &CredentialId, credential: &Credential) -> Result<Option<u32>, VaultError> {
        self.open()?;
        let read = self.read_any(id)?;
        let path = self.settings.secret_path(id);
        let kv = self.version_to_write()?;
        let body = wire::write_body(credential, (kv == KvVersion::Two).then_some(read.version.unwrap_or(0)));
        let answer = self.authorized("POST", "write", &self.kv_path(kv, &path), Some(&body))?;
        match (answer.status, kv) {
            (200 | 204, KvVersion::One) => Ok(None),
            (200, KvVersion::Two) => {
                let written: KvWritten = self.data(&answer, "write", &path)?;
                Ok(Some(written.version))
            }
            (400, _) if errors(&answer.body).contains("check-and-set") => Err(VaultError::Conflict { path }),
            _ => Err(answered(&answer, "write", path)),
        }
    }

    /// The mount's version where nothing of it could be read: a mount of version 2 has settings, one of version 1 none.
    fn version_to_write(&mut self) -> Result<KvVersion, VaultError> {
        if let Some(kv) = self.kv {
            return Ok(kv);
        }
        let path = format!("{}/config", self.settings.mount());
        let answer = self.authorized("GET", "read", &path, None)?;
        let settings = wire::data::<wire::KvSettings>(&answer.body).filter(|_| answer.status == 200);
        let kv = match (answer.status, settings) {
            (200, Some(_)) => KvVersion::Two,
            (200 | 404, _) => KvVersion::One,
            _ => return Err(answered(&answer, "read", path)),
        };
        self.kv = Some(kv);
        Ok(kv)
    }

    /// Renews the token where two thirds of its life are over. Cheap where they are not.
    pub fn keep_alive(&mut self) -> Result<(), VaultError> {
        let now_s = self.link.now_s();
        let Some(token) = &self.token else { return self.log_in() };
        if token.renew_at_s.is_none_or(|at| now_s < at) {
            return Ok(());
        }
        let asked_s = token.lease_s;
        if token.renewable {
            let value = token.value.clone();
            let body = format!("{{\"increment\":\"{asked_s}s\"}}");
            // Where another token is a login away, one that is not renewed is not insisted on.
            let insist = !self.can_log_in();
            let answer = self.call("POST", "auth/token/renew-self", Some(&value), Some(body.as_bytes()), insist);
            let answer = if insist { Some(answer?) } else { answer.ok() };
            let renewed: Option<Auth> =
                answer.filter(|answer| answer.status == 200).and_then(|answer| wire::auth(&answer.body));
            // Much less than asked: the end of all renewals is near.
            if let Some(auth) = renewed.filter(|auth| auth.lease_duration >= asked_s / 2 || !self.can_log_in()) {
                let lease_s = auth.lease_duration;
                let renewable = auth.renewable;
                self.token = Some(Token { lease_s: asked_s, ..Token::new(value, renewable, lease_s, now_s) });
                return Ok(());
            }
        }
        if self.can_log_in() { self.log_in() } else { Ok(()) }
    }

    /// Gives up the token that was got by a login; one that was given stays.
    pub fn close(&mut self) {
        if let Some(token) = self.token.take()
            && self.logged_in
        {
            // It ends by itself where this does not reach Vault.
            let _ = self.call("POST", "auth/token/revoke-self", Some(&token.value), Some(b"{}"), false);
        }
    }

    /// Whether credentials are looked for in it, and not only keys opened.
    pub fn keeps_secrets(&self) -> bool {
        self.settings.keeps_secrets()
    }

    /// Unsealed and logged in.
    fn ready(&mut self) -> Result<(), VaultError> {
        if self.token.is_none() {
            let answer = self.call("GET", "sys/seal-status", None, None, true)?;
            let status: SealStatus = match answer.status {
                200 => parse(&answer.body),
                _ => None,
            }
            .ok_or_else(|| answered(&answer, "read", "sys/seal-status".to_owned()))?;
            if status.sealed {
                return Err(VaultError::Sealed { endpoint: self.settings.endpoint.clone() });
            }
        }
        self.keep_alive()
    }

    /// Ready, and the mount's version known.
    fn open(&mut self) -> Result<(), VaultError> {
        self.ready()?;
        if self.kv.is_none() {
            let path = format!("sys/internal/ui/mounts/{}", self.settings.mount());
            let answer = self.authorized("GET", "read", &path, None)?;
            // A server that does not know the question, or a token that may not ask it: the first read will tell.
            if answer.status == 200 {
                let mount: Mount = self.data(&answer, "read", &path)?;
                self.kv = Some(if mount.version() == "2" { KvVersion::Two } else { KvVersion::One });
            }
        }
        Ok(())
    }

    fn can_log_in(&self) -> bool {
        matches!(self.settings.auth, VaultAuth::AppRole { .. })
    }

    fn log_in(&mut self) -> Result<(), VaultError> {
        let token = match self.settings.auth.clone() {
            VaultAuth::Token(value) => {
                let answer = self.call("GET", "auth/token/lookup-self", Some(&value), None, true)?;
                match answer.status {
                    200 => {
                        let info: TokenInfo = self.data(&answer, "read", "auth/token/lookup-self")?;
                        let now_s = self.link.now_s();
                        Token::new(value, info.renewable, info.ttl, now_s)
                    }
                    403 => return Err(VaultError::Login { status: 403, said: "the token is not valid".to_owned() }),
                    _ => return Err(answered(&answer, "read", "auth/token/lookup-self".to_owned())),
                }
            }
            VaultAuth::AppRole { mount, role_id, secret_id } => {
                let body = wire::login_body(&role_id, secret_id.as_ref());
                let answer = self.call("POST", &format!("auth/{mount}/login"), None, Some(&body), true)?;
                let auth = (answer.status == 200).then(|| wire::auth(&answer.body)).flatten();
                let auth =
                    auth.ok_or_else(|| VaultError::Login { status: answer.status, said: errors(&answer.body) })?;
                let now_s = self.link.now_s();
                let (renewable, lease_s) = (auth.renewable, auth.lease_duration);
                self.logged_in = true;
                Token::new(Secret::take(auth.client_token.into_bytes()), renewable, lease_s, now_s)
            }
        };
        self.token = Some(token);
        Ok(())
    }

    fn kv_path(&self, kv: KvVersion, path: &str) -> String {
        match kv {
            KvVersion::One => format!("{}/{path}", self.settings.mount()),
            KvVersion::Two => format!("{}/data/{path}", self.settings.mount()),
        }
    }

    /// By the mount's version; where that is not known, as version 2 and then as version 1.
    fn read_any(&mut self, id: &CredentialId) -> Result<Read, VaultError> {
        let path = self.settings.secret_path(id);
        if let Some(kv) = self.kv {
            return self.read_as(kv, &path);
        }
        match self.read_as(KvVersion::Two, &path) {
            Ok(read) if read.credential.is_some() => {
                self.kv = Some(KvVersion::Two);
                return Ok(read);
            }
            Ok(_) | Err(VaultError::Forbidden { .. } | VaultError::Answer { status: 400 | 405, .. }) => {}
            Err(error) => return Err(error),
        }
        let read = self.read_as(KvVersion::One, &path)?;
        if read.credential.is_some() {
            self.kv = Some(KvVersion::One);
        }
        Ok(read)
    }

    fn read_as(&mut self, kv: KvVersion, path: &str) -> Result<Read, VaultError> {
        let answer = self.authorized("GET", "read", &self.kv_path(kv, path), None)?;
        let members = || VaultError::Members { path: path.to_owned() };
        match (answer.status, kv) {
            (200, KvVersion::One) => {
                let pair = self.data::<wire::Pair>(&answer, "read", path).map_err(|_| members())?;
                Ok(Read { credential: Some(pair.credential().map_err(|_| members())?), version: None })
            }
            (200, KvVersion::Two) => {
                let found: KvData = self.data(&answer, "read", path).map_err(|_| members())?;
                let credential = found.data.ok_or_else(members)?.credential().map_err(|_| members())?;
                Ok(Read { credential: Some(credential), version: Some(found.metadata.version) })
            }
            // A deleted version has a body that says which one it was.
            (404, KvVersion::Two) => {
                let version = self.data::<KvData>(&answer, "read", path).map_or(0, |deleted| deleted.metadata.version);
                Ok(Read { credential: None, version: Some(version) })
            }
            (404, KvVersion::One) => Ok(Read { credential: None, version: None }),
            _ => Err(answered(&answer, "read", path.to_owned())),
        }
    }

    /// A request with the token. Where it is refused because the token has ended, another is fetched, once.
    fn authorized(
        &mut self,
        method: &'static str,
        action: &'static str,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<VaultResponse, VaultError> {
        self.keep_alive()?;
        let mut fresh = false;
        loop {
            let token = self.token.as_ref().map(|token| token.value.clone());
            let answer = self.call(method, path, token.as_ref(), body, method == "GET")?;
            if answer.status != 403 {
                return Ok(answer);
            }
            let ended = !fresh && self.call("GET", "auth/token/lookup-self", token.as_ref(), None, true)?.status == 403;
            if !(ended && self.can_log_in()) {
                // Which mount it is may be asked in vain: the read itself decides.
                if path.starts_with("sys/internal/") && !ended {
                    return Ok(answer);
                }
                return Err(VaultError::Forbidden { action, path: path.to_owned() });
            }
            self.log_in()?;
            fresh = true;
        }
    }

    /// One request with its redirections and, where that is safe, its repetitions.
    fn call(
        &mut self,
        method: &'static str,
        path: &str,
        token: Option<&Secret>,
        body: Option<&[u8]>,
        repeatable: bool,
    ) -> Result<VaultResponse, VaultError> {
        let mut wait = WAIT_MIN;
        for attempt in 1.. {
            let outcome = self.call_once(method, path, token, body)?;
            let passing = match &outcome {
                Ok(answer) => match answer.status {
                    412 | 429 | 502 | 503 => true,
                    500 => repeatable,
                    _ => false,
                },
                Err(_) => repeatable,
            };
            if !passing || attempt == ATTEMPTS {
                let endpoint = || self.settings.endpoint.clone();
                return match outcome {
                    Ok(answer) if answer.status == 503 => Err(VaultError::Sealed { endpoint: endpoint() }),
                    Ok(answer) => Ok(answer),
                    Err(cause) => Err(VaultError::Unreachable { endpoint: endpoint(), cause }),
                };
            }
            self.link.wait(wait.mul_f64(0.75 + 0.5 * fastrand::f64()));
            wait = (wait * 2).min(WAIT_MAX);
        }
        Err(VaultError::Nonsense { action: "send", path: path.to_owned() })
    }

    fn call_once(
        &mut self,
        method: &'static str,
        path: &str,
        token: Option<&Secret>,
        body: Option<&[u8]>,
    ) -> Result<Result<VaultResponse, String>, VaultError> {
        let mut url = format!("{}/v1/{path}", self.settings.endpoint);
        for _ in 0..=REDIRECTS_MAX {
            let request =
                VaultRequest { method, url: &url, token, namespace: self.settings.namespace.as_deref(), body };
            let answer = match self.link.call(&request) {
                Ok(answer) => answer,
                Err(cause) => return Ok(Err(cause)),
            };
            if answer.status != 307 {
                return Ok(Ok(answer));
            }
            let location = answer.location.unwrap_or_default();
            // The token goes where it points: as safe as the first address, or not at all.
            if settings::check_address(&location).is_err()
                || (url.starts_with("https://") && !location.starts_with("https://"))
            {
                return Err(VaultError::Redirect { location });
            }
            url = location;
        }
        Err(VaultError::Redirect { location: url })
    }

    fn data<T: serde::de::DeserializeOwned>(
        &self,
        answer: &VaultResponse,
        action: &'static str,
        path: &str,
    ) -> Result<T, VaultError> {
        wire::data(&answer.body).ok_or_else(|| VaultError::Nonsense { action, path: path.to_owned() })
    }
}

fn answered(answer: &VaultResponse, action: &'static str, path: String) -> VaultError {
    VaultError::Answer { action, path, status: answer.status, said: errors(&answer.body) }
}

impl From<VaultError> for CredentialError {
    fn from(error: VaultError) -> CredentialError {
        CredentialError::Vault(Box::new(error))
    }
}
