//! What can go wrong with credentials, in sentences that never show a secret.

use super::CredentialId;
use super::vault::VaultError;
use std::io;
use std::path::PathBuf;

/// Why a credential could not be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error("failed to {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is readable by others (mode {mode:o}): chmod 600 it, and think of what is in it as seen", path.display())]
    Mode { path: PathBuf, mode: u32 },
    #[error("{} is not a file", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} is not a credential store: it does not begin as one", path.display())]
    Foreign { path: PathBuf },
    #[error("{} has format {found}, this version reads {known}", path.display())]
    Format { path: PathBuf, found: u16, known: u16 },
    #[error("{} has {found} bytes and ought to have {wanted}: it was cut or added to; bring back a copy", path.display())]
    Length { path: PathBuf, found: usize, wanted: usize },
    #[error("{} cannot be opened with this master key: it is another one's, or the file's header was altered", path.display())]
    WrongKey { path: PathBuf },
    #[error("{} was made with {wanted}, and the master key given is {given}", path.display())]
    KeyKind { path: PathBuf, wanted: &'static str, given: &'static str },
    #[error("{} was altered: {what}; bring back a copy", path.display())]
    Altered { path: PathBuf, what: String },
    #[error("{} is there already: it is not written over", path.display())]
    Exists { path: PathBuf },
    #[error("there is no credential store at {}: `tollgate credentials init` makes one", path.display())]
    NoStore { path: PathBuf },
    #[error("another command is changing {}: try again when it is done", path.display())]
    Busy { path: PathBuf },
    #[error("{} was opened for reading only", path.display())]
    ReadOnly { path: PathBuf },
    #[error("the store holds {max} credentials, the most it takes: remove one first")]
    Full { max: usize },
    #[error(
        "there is no master key, so nothing is stored: `tollgate credentials init` makes one in a file; or set \
         CREDENTIAL_ENCRYPTION_KEY, or give systemd's LoadCredential credential-encryption-key"
    )]
    NoMasterKey,
    #[error("there is no place for a master key: set credentials.master_key_file, or give CREDENTIAL_ENCRYPTION_KEY")]
    NoKeyFile,
    #[error("there is no key to rotate to: give the new one as CREDENTIAL_ENCRYPTION_KEY_NEW beside the old one")]
    NoNextKey,
    #[error("{} is locked: no master key is given (CREDENTIAL_ENCRYPTION_KEY, credentials.master_key_file, or systemd)", path.display())]
    Locked { path: PathBuf },
    #[error("the master key in {origin} is not usable: {why}")]
    MasterKey { origin: String, why: &'static str },
    #[error("a key cannot be made from the passphrase: {0}")]
    Kdf(String),
    #[error("the system gives no random bytes: {0}")]
    Random(String),
    #[error("there is no credential {0}")]
    NotFound(CredentialId),
    #[error(
        "{0} is a webhook's and is not exchanged while the engine runs: `store` it anew, and start the engine again"
    )]
    NotRotated(CredentialId),
    #[error("there is no credential {id}: it is not in {}{}{variables}", if *vault { "Vault, not in " } else { "" }, store.display())]
    Nowhere { id: CredentialId, vault: bool, store: PathBuf, variables: String },
    #[error(
        "no Vault is enabled: set VAULT_ENABLED=true, VAULT_ENDPOINT, VAULT_SECRET_PATH and VAULT_TOKEN or VAULT_ROLE_ID"
    )]
    NoVault,
    #[error(transparent)]
    Vault(Box<VaultError>),
    #[error("{given} is set and {missing} is not: both are needed")]
    Half { given: &'static str, missing: &'static str },
    #[error("{text:?} is not a {what}: 1 to 32 of a-z, 0-9 and -")]
    Name { what: &'static str, text: String },
    #[error("{0:?} is not an environment: testnet (or paper), or live")]
    Environment(String),
    #[error("{name:?} is not a token's name: 1 to {max} of a-z, 0-9, -, _ and ., and not one that the journal gives")]
    TokenName { name: String, max: usize },
    #[error("there are {max} tokens, the most that are kept: what ended is forgotten after 30 days")]
    TokensFull { max: usize },
    #[error("there is no token {0:?} that could be revoked: `tollgate token list` names them")]
    NoToken(String),
    #[error("several tokens are named {name:?}: say which by its id ({ids})")]
    SeveralTokens { name: String, ids: String },
    #[error("the {what} has {len} bytes, and must have 1 to {max}")]
    SecretLength { what: &'static str, len: usize, max: usize },
    #[error("the {what} is not text without control characters")]
    SecretText { what: &'static str },
}
