//! The encrypted store: one file of credentials under a master key.

use super::crypto::Key;
use super::format::{ENTRIES_MAX, Entry, FILE_MAX, Header, Stage, Standing, Unverified, encode};
use super::master::{Kdf, KdfCost, Material};
use super::{Credential, CredentialError, CredentialId, file};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    /// Nobody else may change the file while this store lives.
    Write,
}

/// What may be told of a stored credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryInfo {
    pub id: CredentialId,
    /// Counts from 1, one more each time it is stored anew.
    pub version: u32,
    pub stage: Stage,
    /// UNIX seconds, as all times here.
    pub stored_s: i64,
    /// In this stage since.
    pub since_s: i64,
    /// When the venue last took it.
    pub verified_s: Option<i64>,
    /// The key's last four characters; empty for a short key.
    pub last_four: String,
}

/// An open store. Every change is on the disk when it returns; where it fails, the file is as it was.
pub struct Store {
    path: PathBuf,
    header: Header,
    master: Key,
    /// In the order of their ids, and of each in the order of the stages: at most one of a stage.
    entries: Vec<Entry>,
    /// Held by a writer.
    lock: Option<File>,
}

impl Store {
    /// Makes an empty store where no file is.
    pub fn create(path: &Path, key: &Material, cost: KdfCost) -> Result<Store, CredentialError> {
        let lock = file::lock(path)?;
        if path.exists() {
            return Err(CredentialError::Exists { path: path.to_owned() });
        }
        let kdf = key.kdf(cost)?;
        let master = key.key(&kdf, path)?;
        let header = Header { generation: 0, kdf, mark: master.mark() };
        let mut store = Store { path: path.to_owned(), header, master, entries: Vec::new(), lock: Some(lock) };
        store.commit(Vec::new())?;
        Ok(store)
    }

    /// Opens and authenticates the file; with a passphrase this takes some tenths of a second.
    pub fn open(path: &Path, key: &Material, access: Access) -> Result<Store, CredentialError> {
        if !path.exists() {
            return Err(CredentialError::NoStore { path: path.to_owned() });
        }
        let lock = match access {
            Access::Read => None,
            Access::Write => Some(file::lock(path)?),
        };
        let bytes = file::read(path, FILE_MAX)?.ok_or_else(|| CredentialError::NoStore { path: path.to_owned() })?;
        let unverified = Unverified::read(path, &bytes)?;
        let header = unverified.header.clone();
        let master = key.key(&header.kdf, path)?;
        let entries = unverified.verify(&master)?;
        Ok(Store { path: path.to_owned(), header, master, entries, lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether whoever reads the file can read its keys.
    pub fn is_plaintext(&self) -> bool {
        self.header.kdf == Kdf::Known
    }

    /// Stores a credential, in the place of the one that was in use. Returns its version.
    pub fn put(&mut self, id: &CredentialId, credential: &Credential, now_s: i64) -> Result<u32, CredentialError> {
        self.put_as(id, Stage::InUse, credential, now_s)
    }

    /// Stores a credential beside the one in use, in the place of another of that stage.
    pub fn put_as(
        &mut self,
        id: &CredentialId,
        stage: Stage,
        credential: &Credential,
        now_s: i64,
    ) -> Result<u32, CredentialError> {
        let of_id = self.entries.iter().filter(|entry| entry.id == *id);
        let version = of_id.map(|entry| entry.standing.version).max().unwrap_or(0).saturating_add(1);
        let standing = Standing { version, stage, stored_s: now_s, since_s: now_s, verified_s: 0 };
        let mut entries = self.without(id, stage);
        entries.push(Entry::seal(&self.master, id.clone(), standing, credential)?);
        self.commit(entries)?;
        Ok(version)
    }

    /// The credential in use and its version; `None` where there is none of that very name and environment.
    pub fn get(&self, id: &CredentialId) -> Result<Option<(Credential, u32)>, CredentialError> {
        self.get_as(id, Stage::InUse)
    }

    pub fn get_as(&self, id: &CredentialId, stage: Stage) -> Result<Option<(Credential, u32)>, CredentialError> {
        let Some(entry) = self.find(id, stage) else { return Ok(None) };
        self.unseal(entry).map(|credential| Some((credential, entry.standing.version)))
    }

    /// What was spare is next: a rotation to it begins. What belongs to it and has no spare stays as it is.
    pub fn take_spare(
        &mut self,
        id: &CredentialId,
        with: Option<&CredentialId>,
        now_s: i64,
    ) -> Result<(), CredentialError> {
        if self.find(id, Stage::Spare).is_none() {
            return Err(CredentialError::NotFound(id.clone()));
        }
        let mut entries = self.entries.clone();
        for id in [Some(id), with].into_iter().flatten() {
            let Some(spare) = self.find(id, Stage::Spare) else { continue };
            let next = self.restaged(spare, |standing| (standing.stage, standing.since_s) = (Stage::Next, now_s))?;
            let gone = [Stage::Spare, Stage::Next];
            entries.retain(|entry| entry.id != *id || !gone.contains(&entry.standing.stage));
            entries.push(next);
        }
        self.commit(entries)
    }

    /// What was next is in use, and what was in use is retired, in one write. One that was retired before is destroyed.
    /// What belongs to it goes along, where it has a next.
    pub fn promote(
        &mut self,
        id: &CredentialId,
        with: Option<&CredentialId>,
        now_s: i64,
    ) -> Result<(), CredentialError> {
        if self.find(id, Stage::Next).is_none() {
            return Err(CredentialError::NotFound(id.clone()));
        }
        let mut entries = self.entries.clone();
        for id in [Some(id), with].into_iter().flatten() {
            let Some(next) = self.find(id, Stage::Next) else { continue };
            let used = self.restaged(next, |standing| {
                (standing.stage, standing.since_s, standing.verified_s) = (Stage::InUse, now_s, now_s);
            })?;
            let old = self.find(id, Stage::InUse);
            let retire = |standing: &mut Standing| (standing.stage, standing.since_s) = (Stage::Retired, now_s);
            let retired = old.map(|old| self.restaged(old, retire)).transpose()?;
            let gone = [Stage::InUse, Stage::Next, Stage::Retired];
            entries.retain(|entry| entry.id != *id || !gone.contains(&entry.standing.stage));
            entries.push(used);
            entries.extend(retired);
        }
        self.commit(entries)
    }

    /// Destroys what stands in that stage. Says whether something did.
    pub fn discard(&mut self, id: &CredentialId, stage: Stage) -> Result<bool, CredentialError> {
        let found = self.find(id, stage).is_some();
        if found {
            self.commit(self.without(id, stage))?;
        }
        Ok(found)
    }

    /// The venue has taken the credential in use.
    pub fn set_verified(&mut self, id: &CredentialId, now_s: i64) -> Result<(), CredentialError> {
        let used = self.find(id, Stage::InUse).ok_or_else(|| CredentialError::NotFound(id.clone()))?;
        let verified = self.restaged(used, |standing| standing.verified_s = now_s)?;
        let mut entries = self.without(id, Stage::InUse);
        entries.push(verified);
        self.commit(entries)
    }

    /// By id, and of each what is in use first.
    pub fn list(&self) -> Result<Vec<EntryInfo>, CredentialError> {
        let info = |entry: &Entry| {
            let Standing { version, stage, stored_s, since_s, verified_s } = entry.standing;
            let verified_s = (verified_s != 0).then_some(verified_s);
            let last_four = self.unseal(entry)?.api_key.last_four();
            Ok(EntryInfo { id: entry.id.clone(), version, stage, stored_s, since_s, verified_s, last_four })
        };
        self.entries.iter().map(info).collect()
    }

    /// Destroys every version of a credential.
    pub fn remove(&mut self, id: &CredentialId) -> Result<(), CredentialError> {
        let mut entries = self.entries.clone();
        entries.retain(|entry| entry.id != *id);
        if entries.len() == self.entries.len() {
            return Err(CredentialError::NotFound(id.clone()));
        }
        self.commit(entries)
    }

    fn find(&self, id: &CredentialId, stage: Stage) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == *id && entry.standing.stage == stage)
    }

    fn without(&self, id: &CredentialId, stage: Stage) -> Vec<Entry> {
        let mut entries = self.entries.clone();
        entries.retain(|entry| entry.id != *id || entry.standing.stage != stage);
        entries
    }

    /// An entry that stands differently: sealed anew, since its seals are bound to how it stands.
    fn restaged(&self, entry: &Entry, change: impl FnOnce(&mut Standing)) -> Result<Entry, CredentialError> {
        let mut standing = entry.standing;
        change(&mut standing);
        Entry::seal(&self.master, entry.id.clone(), standing, &self.unseal(entry)?)
    }

    /// Moves the store to another master key: every data key is wrapped anew, in one write.
    pub fn rewrap(&mut self, key: &Material, cost: KdfCost) -> Result<(), CredentialError> {
        let (header, master, entries) = self.under(key, cost)?;
        let generation = self.header.generation;
        let before = std::mem::replace(&mut self.header, Header { generation, ..header });
        let master_before = std::mem::replace(&mut self.master, master);
        self.commit(entries).inspect_err(|_| {
            self.header = before;
            self.master = master_before;
        })
    }

    /// Writes a copy of the store under another key, to a file that must not be there.
    pub fn export(&self, path: &Path, key: &Material, cost: KdfCost) -> Result<(), CredentialError> {
        let _lock = file::lock(path)?;
        if path.exists() {
            return Err(CredentialError::Exists { path: path.to_owned() });
        }
        let (header, master, entries) = self.under(key, cost)?;
        file::replace(path, &encode(&header, &entries, &master)?)
    }

    /// Takes over every credential in use of another store, in one write; one that is here already gets a new version.
    /// Returns how many.
    pub fn import(&mut self, other: &Store, now_s: i64) -> Result<usize, CredentialError> {
        let mut entries = self.entries.clone();
        let used: Vec<&Entry> = other.entries.iter().filter(|entry| entry.standing.stage == Stage::InUse).collect();
        for theirs in &used {
            let ours = entries.iter().filter(|entry| entry.id == theirs.id).map(|entry| entry.standing.version).max();
            let mut standing = theirs.standing;
            if let Some(version) = ours {
                standing.version = version.max(standing.version).saturating_add(1);
                (standing.stored_s, standing.since_s) = (now_s, now_s);
            }
            entries.retain(|entry| entry.id != theirs.id || entry.standing.stage != Stage::InUse);
            entries.push(Entry::seal(&self.master, theirs.id.clone(), standing, &other.unseal(theirs)?)?);
        }
        self.commit(entries)?;
        Ok(used.len())
    }

    fn unseal(&self, entry: &Entry) -> Result<Credential, CredentialError> {
        entry.open(&self.master).ok_or_else(|| CredentialError::Altered {
            path: self.path.clone(),
            what: format!("the entry of {} does not open as what it says it is", entry.id),
        })
    }

    /// This store's content under another key.
    fn under(&self, key: &Material, cost: KdfCost) -> Result<(Header, Key, Vec<Entry>), CredentialError> {
        let kdf = key.kdf(cost)?;
        let master = key.key(&kdf, &self.path)?;
        let mut entries = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let moved = entry.rewrap(&self.master, &master)?.ok_or_else(|| CredentialError::Altered {
                path: self.path.clone(),
                what: format!("the data key of {} does not open", entry.id),
            })?;
            entries.push(moved);
        }
        Ok((Header { generation: 1, kdf, mark: master.mark() }, master, entries))
    }

    /// Writes the file, and only then believes it.
    fn commit(&mut self, mut entries: Vec<Entry>) -> Result<(), CredentialError> {
        if self.lock.is_none() {
            return Err(CredentialError::ReadOnly { path: self.path.clone() });
        }
        if entries.len() > ENTRIES_MAX {
            return Err(CredentialError::Full { max: ENTRIES_MAX });
        }
        entries.sort_by(|a, b| (&a.id, a.standing.stage).cmp(&(&b.id, b.standing.stage)));
        let header = Header { generation: self.header.generation + 1, ..self.header.clone() };
        file::replace(&self.path, &encode(&header, &entries, &self.master)?)?;
        self.header = header;
        self.entries = entries;
        Ok(())
    }
}
