//! Access tokens of the control API: who may ask, for what, until when.
//!
//! The file holds hashes: whoever reads it cannot get in by it. A token is 256 random bits, so one round of SHA-256 is
//! all that its hash needs. What was revoked or has expired is kept for a while, so that `list` can tell of it.

use super::{CredentialError, Secret, crypto, file};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Most tokens that a file keeps, and with that its longest size.
const TOKENS_MAX: usize = 256;
/// Most changes that wait to be told: a file that is wholly another one.
const CHANGES_MAX: usize = 2 * TOKENS_MAX;
const FILE_MAX: usize = 128 << 10;
/// Longest name: what the journal keeps of who asked.
const NAME_MAX: usize = 24;
/// What has ended is told for so long.
const ENDED_KEPT_S: i64 = 30 * 86_400;
/// How every token begins, so that one that leaked is found by those who search for such.
const PREFIX: &str = "tollgate_";
const ID_BYTES: usize = 4;
const SECRET_BYTES: usize = 32;
/// Names that the journal gives to those who need no token.
const RESERVED: [&str; 4] = ["api", "signal", "core", "keys"];

/// What a token may ask for. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Trades, closes, stops.
    Trader,
    /// Changes limits and credentials, and lets trading resume.
    Admin,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Trader => "trader",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may be told of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenInfo {
    /// Eight hex digits, which the token shows too.
    pub id: String,
    pub name: String,
    pub role: Role,
    /// UNIX seconds, as all times here.
    pub created_s: i64,
    /// Good until then.
    pub expires_s: i64,
    /// `None` while it has not been revoked.
    pub revoked_s: Option<i64>,
    /// SHA-256 of the token, in hex.
    hash: String,
}

/// How a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    Good,
    Expired,
    Revoked,
}

impl TokenInfo {
    pub fn state(&self, now_s: i64) -> TokenState {
        match self.revoked_s {
            Some(_) => TokenState::Revoked,
            None if now_s >= self.expires_s => TokenState::Expired,
            None => TokenState::Good,
        }
    }

    /// When it ended; in the future for one that is good.
    fn ended_s(&self) -> i64 {
        self.revoked_s.unwrap_or(self.expires_s).min(self.expires_s)
    }
}

/// Why a token does not let anybody in. Which of the last two it is hears only who has the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefused {
    Unknown,
    Expired,
    Revoked,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    tokens: Vec<TokenInfo>,
}

const FORMAT: u32 = 1;

/// The tokens of a file, as it was when it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens(Vec<TokenInfo>);

impl Tokens {
    /// None where there is no file. A file that others may read, or that is not wholly understood, is an error.
    pub fn load(path: &Path) -> Result<Tokens, CredentialError> {
        let Some(bytes) = file::read(path, FILE_MAX)? else { return Ok(Tokens::default()) };
        let altered = |what: String| CredentialError::Altered { path: path.to_owned(), what };
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| altered(error.to_string()))?;
        if stored.format != FORMAT {
            return Err(altered(format!("it has format {}, this version reads {FORMAT}", stored.format)));
        }
        let wrong = stored.tokens.iter().find(|token| unhex(&token.hash).is_none() || check_name(&token.name).is_err());
        match wrong {
            Some(token) => Err(altered(format!("the token {:?} is not one", token.id))),
            None => Ok(Tokens(stored.tokens)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of their making.
    pub fn list(&self) -> &[TokenInfo] {
        &self.0
    }

    /// The token by its text. The hash is compared in constant time; the id, which finds it, is no secret.
    pub fn check(&self, text: &[u8], now_s: i64) -> Result<&TokenInfo, TokenRefused> {
        let hash = hash(text);
        let id = text.strip_prefix(PREFIX.as_bytes()).and_then(|rest| rest.get(..2 * ID_BYTES));
        let found = self.0.iter().find(|token| Some(token.id.as_bytes()) == id).ok_or(TokenRefused::Unknown)?;
        let same = unhex(&found.hash).is_some_and(|kept| kept.ct_eq(&hash).into());
        match found.state(now_s) {
            _ if !same => Err(TokenRefused::Unknown),
            TokenState::Good => Ok(found),
            TokenState::Expired => Err(TokenRefused::Expired),
            TokenState::Revoked => Err(TokenRefused::Revoked),
        }
    }

    /// Whether any of them lets somebody in.
    pub fn any_good(&self, now_s: i64) -> bool {
        self.0.iter().any(|token| token.state(now_s) == TokenState::Good)
    }

    /// The token of that id, where it still lets somebody in.
    pub fn good(&self, id: &str, now_s: i64) -> Option<&TokenInfo> {
        self.0.iter().find(|token| token.id == id && token.state(now_s) == TokenState::Good)
    }

    /// Makes a token and writes the file. The text is shown to whoever asked, and kept nowhere.
    pub fn create(
        path: &Path,
        name: &str,
        role: Role,
        valid_s: i64,
        now_s: i64,
    ) -> Result<(TokenInfo, Secret), CredentialError> {
        check_name(name)?;
        let _lock = file::lock(path)?;
        let mut tokens = Tokens::load(path)?;
        tokens.0.retain(|token| now_s - token.ended_s() < ENDED_KEPT_S);
        if tokens.0.len() >= TOKENS_MAX {
            return Err(CredentialError::TokensFull { max: TOKENS_MAX });
        }
        let mut id = [0; ID_BYTES];
        crypto::random(&mut id)?;
        while tokens.0.iter().any(|token| token.id == hex(&id)) {
            crypto::random(&mut id)?;
        }
        let text = Zeroizing::new(format!("{PREFIX}{}_{}", hex(&id), *random_text()?));
        let token = TokenInfo {
            id: hex(&id),
            name: name.to_owned(),
            role,
            created_s: now_s,
            expires_s: now_s.saturating_add(valid_s),
            revoked_s: None,
            hash: hex(&hash(text.as_bytes())),
        };
        tokens.0.push(token.clone());
        tokens.save(path)?;
        Ok((token, Secret::copy(text.as_bytes())))
    }

    /// Ends a token, by its id or by its name where only one has it.
    pub fn revoke(path: &Path, which: &str, now_s: i64) -> Result<TokenInfo, CredentialError> {
        let _lock = file::lock(path)?;
        let mut tokens = Tokens::load(path)?;
        let mut meant: Vec<&mut TokenInfo> = tokens
            .0
            .iter_mut()
            .filter(|token| token.revoked_s.is_none() && (token.id == which || token.name == which))
            .collect();
        let told = match meant.as_mut_slice() {
            [] => return Err(CredentialError::NoToken(which.to_owned())),
            [token] => {
                token.revoked_s = Some(now_s);
                token.clone()
            }
            several => {
                let ids = several.iter().map(|token| token.id.as_str()).collect::<Vec<_>>().join(", ");
                return Err(CredentialError::SeveralTokens { name: which.to_owned(), ids });
            }
        };
        tokens.save(path)?;
        Ok(told)
    }

    fn save(self, path: &Path) -> Result<(), CredentialError> {
        let stored = Stored { format: FORMAT, tokens: self.0 };
        let mut bytes = serde_json::to_vec_pretty(&stored).expect("structs of strings and numbers are JSON");
        bytes.push(b'\n');
        file::replace(path, &bytes)
    }
}

/// What has become of a token in the file, by whatever command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenChange {
    /// As the journal calls it: `token-create`, `token-revoke`, `token-change`, `token-remove`.
    pub what: &'static str,
    pub token: TokenInfo,
}

/// A file of tokens that is read again when it has changed.
pub struct WatchedTokens {
    path: PathBuf,
    stamp: Option<Stamp>,
    tokens: Result<Tokens, String>,
    /// As they were when the file could be read last: what a change is told against.
    before: Tokens,
    changes: VecDeque<TokenChange>,
    /// A token was once there: from then on nobody gets in without one, whatever becomes of the file.
    seen: bool,
}

/// What changes when a file is replaced or written: device, inode, size, and its last change in nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec())
}

impl WatchedTokens {
    pub fn open(path: &Path) -> Result<WatchedTokens, CredentialError> {
        let stamp = std::fs::metadata(path).ok().as_ref().map(stamp);
        let tokens = Tokens::load(path)?;
        Ok(WatchedTokens {
            path: path.to_owned(),
            stamp,
            seen: !tokens.is_empty(),
            before: tokens.clone(),
            changes: VecDeque::new(),
            tokens: Ok(tokens),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a token is needed: one is there, or once was.
    pub fn needed(&self) -> bool {
        self.seen
    }

    /// The tokens as the file has them now. A file that can no longer be read lets nobody in; why is a sentence.
    pub fn now(&mut self) -> Result<&Tokens, &str> {
        let stamp = std::fs::metadata(&self.path).ok().as_ref().map(stamp);
        if stamp != self.stamp {
            self.stamp = stamp;
            self.tokens = Tokens::load(&self.path).map_err(|error| error.to_string());
            self.seen |= !matches!(&self.tokens, Ok(tokens) if tokens.is_empty());
            if let Ok(tokens) = &self.tokens {
                self.changes.extend(changes(&self.before, tokens));
                // Nobody takes them: the newest count.
                self.changes.drain(..self.changes.len().saturating_sub(CHANGES_MAX));
                self.before = tokens.clone();
            }
        }
        self.tokens.as_ref().map_err(String::as_str)
    }

    /// The oldest change since the file was opened that has not been told.
    pub fn change(&mut self) -> Option<&TokenChange> {
        // Whether the file can be read is heard by those who ask for a token.
        let _ = self.now();
        self.changes.front()
    }

    /// The oldest change was told.
    pub fn told(&mut self) {
        self.changes.pop_front();
    }
}

/// What has become of each token. One that had been revoked is dropped from the file in time, which is no news.
fn changes(before: &Tokens, after: &Tokens) -> Vec<TokenChange> {
    let find = |tokens: &Tokens, id: &str| tokens.0.iter().find(|token| token.id == id).cloned();
    let mut all = Vec::new();
    for old in &before.0 {
        let (what, token) = match find(after, &old.id) {
            Some(new) if new == *old => continue,
            Some(new) if old.revoked_s.is_none() && new.revoked_s.is_some() => ("token-revoke", new),
            Some(new) => ("token-change", new),
            None if old.revoked_s.is_some() => continue,
            None => ("token-remove", old.clone()),
        };
        all.push(TokenChange { what, token });
    }
    let made = after.0.iter().filter(|new| find(before, &new.id).is_none());
    all.extend(made.map(|new| TokenChange { what: "token-create", token: new.clone() }));
    all
}

fn check_name(name: &str) -> Result<(), CredentialError> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_' | b'.');
    if (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(plain) && !RESERVED.contains(&name) {
        return Ok(());
    }
    Err(CredentialError::TokenName { name: name.to_owned(), max: NAME_MAX })
}

/// 256 random bits as text that may stand in a header.
pub fn random_text() -> Result<Zeroizing<String>, CredentialError> {
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    crypto::random(&mut *secret)?;
    // With its room taken at once: a text that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(64));
    URL_SAFE_NO_PAD.encode_string(*secret, &mut text);
    Ok(text)
}

fn hash(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(bytes)
}
