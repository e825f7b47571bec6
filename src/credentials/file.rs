//! Files that hold secrets: read only where nobody else can, written whole or not at all.

use super::CredentialError;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CredentialError {
    let path = path.to_owned();
    move |source| CredentialError::Io { action, path, source }
}

/// The path with something added to its last part.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A private file's bytes; `None` where there is no file. Longer than `max` is an error, and so is one that others
/// may read.
pub(super) fn read(path: &Path, max: usize) -> Result<Option<Vec<u8>>, CredentialError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("open", path)(error)),
    };
    // Of the open file, so that it cannot be exchanged between the look and the reading.
    let metadata = file.metadata().map_err(io("look at", path))?;
    if !metadata.is_file() {
        return Err(CredentialError::NotAFile { path: path.to_owned() });
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(CredentialError::Mode { path: path.to_owned(), mode });
    }
    // With its room taken at once: a buffer that grows leaves copies of a key behind.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(max).min(max) + 1);
    file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(io("read", path))?;
    if bytes.len() > max {
        return Err(CredentialError::Length { path: path.to_owned(), found: bytes.len(), wanted: max });
    }
    Ok(Some(bytes))
}

/// Replaces the file by these bytes: after a crash at any moment it is the old one or the new one, and once this has
/// returned, the new one. Only one may write at a time. A folder that is missing is made, for its owner alone.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), CredentialError> {
    let folder = folder(path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io("make", folder))?;
    let next = beside(path, ".tmp");
    // What a writer that was killed left behind; its bytes were never the file.
    match std::fs::remove_file(&next) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io("remove", &next)(error)),
        _ => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next).map_err(io("create", &next))?;
    file.write_all(bytes).map_err(io("write", &next))?;
    file.sync_all().map_err(io("flush", &next))?;
    rename(&next, path)
}

/// Renames, durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), CredentialError> {
    std::fs::rename(from, to).map_err(io("replace", to))?;
    let folder = folder(to);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("flush", folder))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Held while a file is changed: a second writer is told so at once.
pub(super) fn lock(path: &Path) -> Result<File, CredentialError> {
    let folder = folder(path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io("make", folder))?;
    let name = beside(path, ".lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&name)
        .map_err(io("create", &name))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(CredentialError::Busy { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(error)) => Err(io("lock", &name)(error)),
    }
}
