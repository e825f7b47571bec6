//! The encrypted store: one file of credentials under a master key.

use super::crypto::Key;
use super::format::{ENTRIES_MAX, Entry, FILE_MAX, Header, Unverified, encode};
use super::master::{KdfCost, Material};
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
    /// UNIX seconds.
    pub stored_s: i64,
    /// The key's last four characters; empty for a short key.
    pub last_four: String,
}

/// An open store. Every change is on the disk when it returns; where it fails, the file is as it was.
pub struct Store {
    path: PathBuf,
    header: Header,
    master: Key,
    /// In the order of their ids.
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

    /// Stores a credential, in the place of the one that was there. Returns its version.
    pub fn put(&mut self, id: &CredentialId, credential: &Credential, now_s: i64) -> Result<u32, CredentialError> {
        let mut entries = self.entries.clone();
        let version = match entries.binary_search_by(|entry| entry.id.cmp(id)) {
            Ok(at) => {
                let version = entries[at].version.saturating_add(1);
                entries[at] = Entry::seal(&self.master, id.clone(), version, now_s, credential)?;
                version
            }
            Err(_) if entries.len() >= ENTRIES_MAX => return Err(CredentialError::Full { max: ENTRIES_MAX }),
            Err(at) => {
                entries.insert(at, Entry::seal(&self.master, id.clone(), 1, now_s, credential)?);
                1
            }
        };
        self.commit(entries)?;
        Ok(version)
    }

    /// The credential and its version; `None` where there is none of that very name and environment.
    pub fn get(&self, id: &CredentialId) -> Result<Option<(Credential, u32)>, CredentialError> {
        match self.entries.binary_search_by(|entry| entry.id.cmp(id)) {
            Ok(at) => self.unseal(&self.entries[at]).map(|credential| Some((credential, self.entries[at].version))),
            Err(_) => Ok(None),
        }
    }

    pub fn list(&self) -> Result<Vec<EntryInfo>, CredentialError> {
        let info = |entry: &Entry| {
            Ok(EntryInfo {
                id: entry.id.clone(),
                version: entry.version,
                stored_s: entry.stored_s,
                last_four: self.unseal(entry)?.api_key.last_four(),
            })
        };
        self.entries.iter().map(info).collect()
    }

    pub fn remove(&mut self, id: &CredentialId) -> Result<(), CredentialError> {
        let mut entries = self.entries.clone();
        let at =
            entries.binary_search_by(|entry| entry.id.cmp(id)).map_err(|_| CredentialError::NotFound(id.clone()))?;
        entries.remove(at);
        self.commit(entries)
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

    /// Takes over every credential of another store, in one write; one that is here already gets a new version.
    /// Returns how many.
    pub fn import(&mut self, other: &Store, now_s: i64) -> Result<usize, CredentialError> {
        let mut entries = self.entries.clone();
        for theirs in &other.entries {
            let credential = other.unseal(theirs)?;
            match entries.binary_search_by(|entry| entry.id.cmp(&theirs.id)) {
                Ok(at) => {
                    let version = entries[at].version.max(theirs.version).saturating_add(1);
                    entries[at] = Entry::seal(&self.master, theirs.id.clone(), version, now_s, &credential)?;
                }
                Err(at) => entries.insert(
                    at,
                    Entry::seal(&self.master, theirs.id.clone(), theirs.version, theirs.stored_s, &credential)?,
                ),
            }
        }
        if entries.len() > ENTRIES_MAX {
            return Err(CredentialError::Full { max: ENTRIES_MAX });
        }
        self.commit(entries)?;
        Ok(other.entries.len())
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
    fn commit(&mut self, entries: Vec<Entry>) -> Result<(), CredentialError> {
        if self.lock.is_none() {
            return Err(CredentialError::ReadOnly { path: self.path.clone() });
        }
        let header = Header { generation: self.header.generation + 1, ..self.header.clone() };
        file::replace(&self.path, &encode(&header, &entries, &self.master)?)?;
        self.header = header;
        self.entries = entries;
        Ok(())
    }
}
