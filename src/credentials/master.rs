//! The master key: where it is found, and what is made of it.
//!
//! Looked for in this order, the first that is there: the environment (`CREDENTIAL_ENCRYPTION_KEY`), the configured
//! file, systemd's credentials folder (`LoadCredential=credential-encryption-key:…`). 32 bytes as base64 or as 64 hex
//! digits are the key itself; a text such as `vault:v1:…` is one that Vault's transit engine has wrapped and opens
//! again; anything else is a passphrase, and the key is made of it by Argon2id with the cost and salt that the store's
//! file carries. Where there is none of them and plain text is allowed, the key is one that everybody knows.

use super::crypto::{KEY_LEN, Key};
use super::{Access, CredentialError, Secret, Store, file};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

pub(super) const SALT_LEN: usize = 16;
/// Longest text of a master key.
const TEXT_MAX: usize = 1_024;
/// Shortest passphrase: a shorter one is guessed, whatever each guess costs.
const PASSPHRASE_MIN: usize = 12;
/// The variable, and the name below systemd's folder.
const ENV: &str = "CREDENTIAL_ENCRYPTION_KEY";
const ENV_NEW: &str = "CREDENTIAL_ENCRYPTION_KEY_NEW";
const SYSTEMD_NAME: &str = "credential-encryption-key";
/// Beside a key file while the store is moved to a new key.
const NEXT: &str = ".next";
/// What the text of a key that Vault has wrapped begins with.
const WRAPPED: &str = "vault:v";
/// The key of a store that is not encrypted. Its seals hold against accidents, and against nobody.
const KNOWN_KEY: &[u8; KEY_LEN] = b"tollgate: no secret, plain text.";

/// What one guess at a passphrase costs: Argon2id's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfCost {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl KdfCost {
    /// What a new store asks for: about 0.4 s on the machine it was measured on.
    pub const STANDARD: KdfCost = KdfCost { memory_kib: 128 << 10, passes: 4, lanes: 1 };

    /// Where nothing is guessed at.
    pub(super) const NONE: KdfCost = KdfCost { memory_kib: 0, passes: 0, lanes: 0 };

    /// Whether a file may ask for it: its cost is read before the file can be authenticated.
    pub(super) fn is_bearable(self) -> bool {
        (8..=512 << 10).contains(&self.memory_kib)
            && (1..=32).contains(&self.passes)
            && (1..=8).contains(&self.lanes)
            && self.memory_kib >= 8 * self.lanes
    }
}

/// How a store's file wants its key made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kdf {
    Given,
    /// Everybody's key: the file is as good as plain text.
    Known,
    Argon2id {
        cost: KdfCost,
        salt: [u8; SALT_LEN],
    },
}

/// What an operator gave as master key.
#[derive(Clone)]
pub enum Material {
    /// 32 bytes.
    Raw(Secret),
    Passphrase(Secret),
    /// 32 bytes as Vault's transit engine has wrapped them: nothing opens before they are unwrapped.
    Wrapped(Secret),
    /// None: everybody's key.
    Plaintext,
}

/// Makes and opens keys that somebody else keeps the key of.
pub trait KeyWrapper {
    /// A new random key of 32 bytes, and its wrapped text.
    fn make(&mut self) -> Result<(Secret, Secret), CredentialError>;

    /// The 32 bytes that a text wraps.
    fn unwrap(&mut self, wrapped: &Secret) -> Result<Secret, CredentialError>;
}

impl Material {
    /// Reads the text of a key; `origin` says where it came from, for the error.
    pub fn parse(text: &Secret, origin: &str) -> Result<Material, CredentialError> {
        let refuse = |why| CredentialError::MasterKey { origin: origin.to_owned(), why };
        let text = text.expose_text().ok_or_else(|| refuse("it is not UTF-8"))?.trim_end_matches(['\r', '\n']);
        if let Some(bytes) = hex(text) {
            return Ok(Material::Raw(bytes));
        }
        // 44 characters of base64 hold 32 bytes, the last of them padding.
        let mut raw = Zeroizing::new([0u8; KEY_LEN + 1]);
        if text.len() == 44 && STANDARD.decode_slice(text, &mut *raw) == Ok(KEY_LEN) {
            return Ok(Material::Raw(Secret::copy(&raw[..KEY_LEN])));
        }
        if text.starts_with(WRAPPED) {
            return Ok(Material::Wrapped(Secret::copy(text.as_bytes())));
        }
        if text.len() < PASSPHRASE_MIN {
            return Err(refuse("neither 32 bytes in base64 or hex, nor a passphrase of at least 12 characters"));
        }
        Ok(Material::Passphrase(Secret::copy(text.as_bytes())))
    }

    /// A passphrase, whatever it looks like.
    pub fn passphrase(text: &Secret, origin: &str) -> Result<Material, CredentialError> {
        if text.expose().len() < PASSPHRASE_MIN {
            let why = "a passphrase has at least 12 characters";
            return Err(CredentialError::MasterKey { origin: origin.to_owned(), why });
        }
        Ok(Material::Passphrase(text.clone()))
    }

    /// A new random key, and its text for a file.
    pub(super) fn random() -> Result<(Material, Secret), CredentialError> {
        let key = Key::random()?;
        // 44 characters and a line end; the room is taken at once, so that nothing is left behind by growing.
        let mut text = String::with_capacity(64);
        STANDARD.encode_string(key.expose(), &mut text);
        text.push('\n');
        Ok((Material::Raw(Secret::copy(key.expose())), Secret::take(text.into_bytes())))
    }

    /// As `random`, by the wrapper where there is one.
    fn make(wrapper: Option<&mut dyn KeyWrapper>) -> Result<(Material, Secret), CredentialError> {
        let Some(wrapper) = wrapper else { return Material::random() };
        let (key, wrapped) = wrapper.make()?;
        let mut text = Zeroizing::new(Vec::with_capacity(wrapped.expose().len() + 1));
        text.extend_from_slice(wrapped.expose());
        text.push(b'\n');
        Ok((Material::Raw(key), Secret::copy(&text)))
    }

    /// How a new file would say that its key is made of this.
    pub(super) fn kdf(&self, cost: KdfCost) -> Result<Kdf, CredentialError> {
        Ok(match self {
            Material::Raw(_) | Material::Wrapped(_) => Kdf::Given,
            Material::Plaintext => Kdf::Known,
            Material::Passphrase(_) => {
                let mut salt = [0; SALT_LEN];
                super::crypto::random(&mut salt)?;
                Kdf::Argon2id { cost, salt }
            }
        })
    }

    /// The key for a file that wants it made so. With a passphrase this takes as long as the file's cost says.
    pub(super) fn key(&self, kdf: &Kdf, path: &Path) -> Result<Key, CredentialError> {
        match (self, kdf) {
            (Material::Raw(bytes), Kdf::Given) => {
                Key::from_secret(bytes.clone()).ok_or(CredentialError::WrongKey { path: path.to_owned() })
            }
            (Material::Plaintext, Kdf::Known) => Ok(Key::new(KNOWN_KEY)),
            (Material::Passphrase(text), Kdf::Argon2id { cost, salt }) => {
                let failed = |cause: argon2::Error| CredentialError::Kdf(cause.to_string());
                let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_LEN)).map_err(failed)?;
                let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                let mut key = Zeroizing::new([0; KEY_LEN]);
                argon.hash_password_into(text.expose(), salt, &mut *key).map_err(failed)?;
                Ok(Key::new(&key))
            }
            (given, wanted) => {
                Err(CredentialError::KeyKind { path: path.to_owned(), wanted: wanted.words(), given: given.words() })
            }
        }
    }

    fn words(&self) -> &'static str {
        match self {
            Material::Raw(_) => "32 bytes",
            Material::Passphrase(_) => "a passphrase",
            Material::Wrapped(_) => "32 bytes that Vault has wrapped (set VAULT_TRANSIT_KEY)",
            Material::Plaintext => "none (credentials.allow_plaintext)",
        }
    }
}

impl Kdf {
    fn words(&self) -> &'static str {
        match self {
            Kdf::Given => "32 bytes",
            Kdf::Known => "no key, in plain text (which credentials.allow_plaintext must allow)",
            Kdf::Argon2id { .. } => "a passphrase",
        }
    }
}

/// 64 hex digits as 32 bytes.
fn hex(text: &str) -> Option<Secret> {
    let digits = text.as_bytes();
    if digits.len() != 2 * KEY_LEN {
        return None;
    }
    let mut key = Zeroizing::new([0u8; KEY_LEN]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(Secret::copy(&*key))
}

/// Which of the given keys opened a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Current,
    /// The store has been moved to the next key, and the next key has not become the current one yet.
    Next,
}

/// The master keys that an operator has given.
pub struct MasterKeys {
    /// Where the key was found, in words.
    pub origin: String,
    pub current: Option<Material>,
    /// The key that a rotation moves to: from `CREDENTIAL_ENCRYPTION_KEY_NEW`, or beside the key file where a rotation
    /// was cut short.
    pub next: Option<Material>,
    /// The file that holds the current key, where it is one that a rotation may replace.
    key_file: Option<PathBuf>,
}

impl MasterKeys {
    /// Looks for them. `variable` reads the environment; `key_file` is the configured file.
    pub fn find(
        variable: impl Fn(&str) -> Option<String>,
        key_file: Option<&Path>,
    ) -> Result<MasterKeys, CredentialError> {
        let given = |name: &str| {
            let text = variable(name).filter(|text| !text.is_empty())?;
            let origin = format!("environment variable {name}");
            Some(Material::parse(&Secret::take(text.into_bytes()), &origin).map(|key| (key, origin)))
        };
        let next = given(ENV_NEW).transpose()?.map(|(key, _)| key);
        if let Some((key, origin)) = given(ENV).transpose()? {
            return Ok(MasterKeys { origin, current: Some(key), next, key_file: None });
        }
        if let Some(path) = key_file {
            let current = read_key(path)?;
            let beside = read_key(&file::beside(path, NEXT))?;
            if current.is_some() || beside.is_some() {
                let origin = format!("file {}", path.display());
                return Ok(MasterKeys { origin, current, next: beside, key_file: Some(path.to_owned()) });
            }
        }
        if let Some(folder) = variable("CREDENTIALS_DIRECTORY") {
            let path = Path::new(&folder).join(SYSTEMD_NAME);
            if let Some(key) = read_key(&path)? {
                let origin = format!("systemd credential {SYSTEMD_NAME}");
                return Ok(MasterKeys { origin, current: Some(key), next, key_file: None });
            }
        }
        let key_file = key_file.map(Path::to_owned);
        Ok(MasterKeys { origin: "nowhere".to_owned(), current: None, next, key_file })
    }

    /// Everybody's key, where there is no other and no file for one.
    pub fn or_plaintext(mut self) -> MasterKeys {
        if self.current.is_none() && self.key_file.is_none() {
            self.origin = "no place: nothing is encrypted".to_owned();
            self.current = Some(Material::Plaintext);
        }
        self
    }

    /// Whether one of the keys cannot be used before it is unwrapped.
    pub fn is_wrapped(&self) -> bool {
        [&self.current, &self.next].into_iter().flatten().any(|key| matches!(key, Material::Wrapped(_)))
    }

    /// Opens what is wrapped.
    pub fn unwrap(&mut self, wrapper: &mut dyn KeyWrapper) -> Result<(), CredentialError> {
        for key in [&mut self.current, &mut self.next] {
            if let Some(Material::Wrapped(text)) = key {
                *key = Some(Material::Raw(wrapper.unwrap(text)?));
            }
        }
        Ok(())
    }

    /// The key, or the sentence that says how to get one.
    pub fn need(&self) -> Result<&Material, CredentialError> {
        self.current.as_ref().ok_or(CredentialError::NoMasterKey)
    }

    /// Opens a store with the current key or, where a rotation was cut short, with the next.
    pub fn open(&self, path: &Path, access: Access) -> Result<(Store, Which), CredentialError> {
        let keys = [(&self.current, Which::Current), (&self.next, Which::Next)];
        let mut refused = None;
        for (key, which) in keys.into_iter().filter_map(|(key, which)| Some((key.as_ref()?, which))) {
            match Store::open(path, key, access) {
                Ok(store) => return Ok((store, which)),
                // What the current key says is what the operator must hear.
                Err(error @ (CredentialError::WrongKey { .. } | CredentialError::KeyKind { .. })) => {
                    refused.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| CredentialError::Locked { path: path.to_owned() }))
    }

    /// The file that holds the key, where it is neither the environment nor systemd that gives it.
    pub fn key_file(&self) -> Option<&Path> {
        self.key_file.as_deref()
    }

    /// Makes a new random key in the key file, which must not be there; wrapped, where there is a wrapper.
    pub fn create(&mut self, wrapper: Option<&mut dyn KeyWrapper>) -> Result<(), CredentialError> {
        let path = self.key_file.clone().ok_or(CredentialError::NoKeyFile)?;
        let _lock = file::lock(&path)?;
        if path.exists() {
            return Err(CredentialError::Exists { path });
        }
        let (key, text) = Material::make(wrapper)?;
        file::replace(&path, text.expose())?;
        self.origin = format!("file {}", path.display());
        self.current = Some(key);
        Ok(())
    }

    /// The key to rotate to: the one given, or, beside a key file, a new random one that is on the disk before
    /// anything is moved to it.
    pub fn prepare_next(&mut self, wrapper: Option<&mut dyn KeyWrapper>) -> Result<&Material, CredentialError> {
        if self.next.is_none()
            && let Some(path) = &self.key_file
        {
            let (key, text) = Material::make(wrapper)?;
            file::replace(&file::beside(path, NEXT), text.expose())?;
            self.next = Some(key);
        }
        self.next.as_ref().ok_or(CredentialError::NoNextKey)
    }

    /// The store has moved to the next key: it becomes the current one, in its file too.
    pub fn promote_next(&mut self) -> Result<(), CredentialError> {
        if let Some(next) = self.next.take() {
            if let Some(path) = &self.key_file {
                file::rename(&file::beside(path, NEXT), path)?;
            }
            self.current = Some(next);
        }
        Ok(())
    }
}

fn read_key(path: &Path) -> Result<Option<Material>, CredentialError> {
    let Some(bytes) = file::read(path, TEXT_MAX)? else { return Ok(None) };
    Material::parse(&Secret::take(bytes), &format!("file {}", path.display())).map(Some)
}
