//! The bytes of a store's file, version 1. Numbers are little-endian.
//!
//! ```text
//! header    magic 8 · format u16 · file length u32 · generation u64
//!           how the master key is made: kind u8 (0 given, 1 Argon2id, 2 everybody's) · memory KiB u32 · passes u32 · lanes u32 · salt 16
//!           key mark 8 · entries u16
//! entry     label: venue (u8 length) · environment u8 · name (u8 length) · version u32 · stage u8
//!           UNIX seconds, i64 each: stored at · in this stage since · verified at the venue (0 never)
//!           wrapped data key 60 · sealed credential (u32 length)
//! seal      28: an AES-256-GCM seal of nothing, bound to every byte before it
//! ```
//!
//! A data key is sealed by the wrap key, and a credential by its data key, both bound to the entry's label. Wrap key
//! and seal key are derived from the master key, each for its purpose. The generation counts writes.

use super::crypto::{KEY_LEN, Key, MARK_LEN, SEAL_LEN};
use super::master::{Kdf, KdfCost, SALT_LEN};
use super::{Credential, CredentialError, CredentialId, Environment, Secret};
use std::path::Path;
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"TGCREDS\n";
pub(super) const FORMAT: u16 = 1;
/// Most credentials of a store: far more than one engine has venues.
pub(super) const ENTRIES_MAX: usize = 256;
/// Longest file that is read: what `ENTRIES_MAX` of the longest credentials need, and some room.
pub(super) const FILE_MAX: usize = 8 << 20;
const WRAPPED_LEN: usize = KEY_LEN + SEAL_LEN;

/// The part of a file that is read before there is a key.
#[derive(Clone)]
pub(super) struct Header {
    pub generation: u64,
    pub kdf: Kdf,
    pub mark: [u8; MARK_LEN],
}

/// What a credential is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The one that is found.
    InUse,
    /// A rotation is on its way to it.
    Next,
    /// The rotation that is scheduled will take it.
    Spare,
    /// A rotation has left it; it is kept for a while, and destroyed.
    Retired,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::InUse => "in use",
            Stage::Next => "next",
            Stage::Spare => "spare",
            Stage::Retired => "retired",
        }
    }
}

/// How an entry stands. Its seals are bound to all of it. Times are UNIX seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub version: u32,
    pub stage: Stage,
    pub stored_s: i64,
    pub since_s: i64,
    /// When the venue last took it; 0 where it never did.
    pub verified_s: i64,
}

/// A credential as the file has it.
#[derive(Clone)]
pub(super) struct Entry {
    pub id: CredentialId,
    pub standing: Standing,
    pub wrapped: Vec<u8>,
    pub sealed: Vec<u8>,
}

impl Entry {
    /// Seals a credential under a data key of its own.
    pub fn seal(
        master: &Key,
        id: CredentialId,
        standing: Standing,
        credential: &Credential,
    ) -> Result<Entry, CredentialError> {
        let mut entry = Entry { id, standing, wrapped: Vec::new(), sealed: Vec::new() };
        let data_key = Key::random()?;
        let (key, secret) = (credential.api_key.expose(), credential.secret.expose());
        // With its room taken at once: a buffer that grows leaves copies behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(2 + key.len() + secret.len()));
        // A credential's parts have been checked: at most 8 192 bytes.
        plain.extend_from_slice(&(key.len() as u16).to_le_bytes());
        plain.extend_from_slice(key);
        plain.extend_from_slice(secret);
        entry.sealed = data_key.seal(&plain, &entry.label())?;
        entry.wrapped = wrap_key(master).seal(data_key.expose(), &entry.label())?;
        Ok(entry)
    }

    pub fn open(&self, master: &Key) -> Option<Credential> {
        let plain = self.data_key(master)?.open(&self.sealed, &self.label()).ok()?;
        let (len, rest) = plain.expose().split_first_chunk::<2>()?;
        let (key, secret) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
        Credential::new(Secret::copy(key), Secret::copy(secret)).ok()
    }

    /// The same entry under another master key: its data key is wrapped anew, its credential stays sealed as it is.
    pub fn rewrap(&self, from: &Key, to: &Key) -> Result<Option<Entry>, CredentialError> {
        let Some(data_key) = self.data_key(from) else { return Ok(None) };
        Ok(Some(Entry { wrapped: wrap_key(to).seal(data_key.expose(), &self.label())?, ..self.clone() }))
    }

    fn data_key(&self, master: &Key) -> Option<Key> {
        Key::from_secret(wrap_key(master).open(&self.wrapped, &self.label()).ok()?)
    }

    /// What the entry's seals are bound to.
    fn label(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_text(&mut out, self.id.venue());
        out.push(environment_byte(self.id.environment()));
        put_text(&mut out, self.id.name());
        let Standing { version, stage, stored_s, since_s, verified_s } = self.standing;
        out.extend_from_slice(&version.to_le_bytes());
        out.push(stage_byte(stage));
        for time in [stored_s, since_s, verified_s] {
            out.extend_from_slice(&time.to_le_bytes());
        }
        out
    }
}

fn wrap_key(master: &Key) -> Key {
    master.derive("tollgate credential store, wraps data keys")
}

fn seal_key(master: &Key) -> Key {
    master.derive("tollgate credential store, seals the file")
}

fn environment_byte(environment: Environment) -> u8 {
    match environment {
        Environment::Testnet => 1,
        Environment::Live => 2,
    }
}

fn stage_byte(stage: Stage) -> u8 {
    match stage {
        Stage::InUse => 1,
        Stage::Next => 2,
        Stage::Spare => 3,
        Stage::Retired => 4,
    }
}

/// `text` is a part of an id: at most 32 bytes.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

/// The whole file. At most `ENTRIES_MAX` entries.
pub(super) fn encode(header: &Header, entries: &[Entry], master: &Key) -> Result<Vec<u8>, CredentialError> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&FORMAT.to_le_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&header.generation.to_le_bytes());
    let (kind, cost, salt) = match &header.kdf {
        Kdf::Given => (0, KdfCost::NONE, [0; SALT_LEN]),
        Kdf::Known => (2, KdfCost::NONE, [0; SALT_LEN]),
        Kdf::Argon2id { cost, salt } => (1, *cost, *salt),
    };
    out.push(kind);
    for part in [cost.memory_kib, cost.passes, cost.lanes] {
        out.extend_from_slice(&part.to_le_bytes());
    }
    out.extend_from_slice(&salt);
    out.extend_from_slice(&header.mark);
    out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    for entry in entries {
        out.extend_from_slice(&entry.label());
        out.extend_from_slice(&entry.wrapped);
        out.extend_from_slice(&(entry.sealed.len() as u32).to_le_bytes());
        out.extend_from_slice(&entry.sealed);
    }
    let length = (out.len() + SEAL_LEN) as u32;
    out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    let seal = seal_key(master).seal(&[], &out)?;
    out.extend_from_slice(&seal);
    Ok(out)
}

/// A file whose header has been read, and nothing else of it been believed.
pub(super) struct Unverified<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    pub header: Header,
    count: u16,
    rest: &'a [u8],
}

/// Reads bytes from the front. Each answer is `None` where they end too early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.u8()?;
        std::str::from_utf8(self.bytes(len.into())?).ok()
    }
}

impl<'a> Unverified<'a> {
    /// Tells a foreign file, another format and a cut file apart.
    pub fn read(path: &'a Path, bytes: &'a [u8]) -> Result<Unverified<'a>, CredentialError> {
        let owned = || path.to_owned();
        let mut r = Reader(bytes);
        if r.array::<8>().is_none_or(|magic| magic != *MAGIC) {
            return Err(CredentialError::Foreign { path: owned() });
        }
        let cut = |wanted| CredentialError::Length { path: owned(), found: bytes.len(), wanted };
        let found = r.array().map(u16::from_le_bytes).ok_or_else(|| cut(HEADER_LEN))?;
        if found != FORMAT {
            return Err(CredentialError::Format { path: owned(), found, known: FORMAT });
        }
        let wanted = r.u32().ok_or_else(|| cut(HEADER_LEN))? as usize;
        if wanted != bytes.len() || wanted < HEADER_LEN + SEAL_LEN {
            return Err(cut(wanted.max(HEADER_LEN + SEAL_LEN)));
        }
        let altered = |what: &str| CredentialError::Altered { path: owned(), what: what.to_owned() };
        let (header, count) = header(&mut r).ok_or_else(|| altered("its header makes no sense"))?;
        Ok(Unverified { path, bytes, header, count, rest: r.0 })
    }

    /// The entries, where every byte of the file is what the holder of the key wrote.
    pub fn verify(self, master: &Key) -> Result<Vec<Entry>, CredentialError> {
        if !master.has_mark(&self.header.mark) {
            return Err(CredentialError::WrongKey { path: self.path.to_owned() });
        }
        let altered = |what: &str| CredentialError::Altered { path: self.path.to_owned(), what: what.to_owned() };
        let (body, seal) = self.bytes.split_at(self.bytes.len() - SEAL_LEN);
        seal_key(master).open(seal, body).map_err(|_| altered("its seal does not hold"))?;
        let mut r = Reader(&self.rest[..self.rest.len() - SEAL_LEN]);
        let entries: Option<Vec<Entry>> = (0..self.count).map(|_| entry(&mut r)).collect();
        // Behind a seal that holds only a writer with a fault can have left this.
        entries
            .filter(|entries| r.0.is_empty() && entries.len() <= ENTRIES_MAX)
            .ok_or_else(|| altered("its entries make no sense"))
    }
}

const HEADER_LEN: usize = 8 + 2 + 4 + 8 + 1 + 12 + SALT_LEN + MARK_LEN + 2;

fn header(r: &mut Reader) -> Option<(Header, u16)> {
    let generation = r.array().map(u64::from_le_bytes)?;
    let kind = r.u8()?;
    let cost = KdfCost { memory_kib: r.u32()?, passes: r.u32()?, lanes: r.u32()? };
    let salt = r.array()?;
    let kdf = match kind {
        0 => Kdf::Given,
        2 => Kdf::Known,
        1 if cost.is_bearable() => Kdf::Argon2id { cost, salt },
        _ => return None,
    };
    let mark = r.array()?;
    let count = r.array().map(u16::from_le_bytes)?;
    Some((Header { generation, kdf, mark }, count))
}

fn entry(r: &mut Reader) -> Option<Entry> {
    let venue = r.text()?;
    let environment = match r.u8()? {
        1 => Environment::Testnet,
        2 => Environment::Live,
        _ => return None,
    };
    let id = CredentialId::new(venue, environment, r.text()?).ok()?;
    let version = r.u32()?;
    let stage = match r.u8()? {
        1 => Stage::InUse,
        2 => Stage::Next,
        3 => Stage::Spare,
        4 => Stage::Retired,
        _ => return None,
    };
    let mut time = || r.array().map(i64::from_le_bytes);
    let standing = Standing { version, stage, stored_s: time()?, since_s: time()?, verified_s: time()? };
    let wrapped = r.bytes(WRAPPED_LEN)?.to_vec();
    let len = r.u32()? as usize;
    let sealed = r.bytes(len)?.to_vec();
    Some(Entry { id, standing, wrapped, sealed })
}
