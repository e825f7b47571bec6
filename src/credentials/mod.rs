//! Venue keys: kept encrypted at rest, found in a fixed order, never shown.
//!
//! Owns: the encrypted store, the master key that opens it, Vault's conversation, the order of the sources, `Secret`,
//! the access tokens of the control API, and what the process does to keep secrets out of dumps and swap. Must not know:
//! the rest of the crate but `domain`, and no sockets: Vault is reached through a `VaultLink` that is handed in.
//!
//! Invariants:
//! - A store's file is either wholly the old or wholly the new one, whenever the process or the machine dies.
//! - Every byte of it is authenticated under the master key; one that does not hold is named, and left as it was found.
//! - An entry opens only as the venue, environment, name and version that it was stored for.
//! - Environments are separate namespaces: nothing stored for one is ever answered for another.
//!
//! What it cannot know: that the whole file was replaced by an older copy of itself. Who may write the file may bring
//! back what it was.

mod crypto;
mod error;
mod file;
mod format;
mod harden;
mod id;
mod master;
mod secret;
pub mod sources;
mod store;
mod tokens;
pub mod vault;

#[cfg(test)]
mod tests;

pub use error::CredentialError;
pub use format::Stage;
pub use harden::harden;
pub use id::{Credential, CredentialId, Environment};
pub use master::{KdfCost, KeyWrapper, MasterKeys, Material, Which};
pub use secret::Secret;
pub use store::{Access, EntryInfo, Store};
pub use tokens::{Role, TokenChange, TokenInfo, TokenRefused, TokenState, Tokens, WatchedTokens, random_text};
