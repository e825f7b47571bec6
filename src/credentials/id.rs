//! What a credential is called, and what it is made of.

use super::{CredentialError, Secret};
use std::fmt;

/// Longest venue and name.
const NAME_MAX: usize = 32;
/// Longest key or secret: a PEM of a 4096-bit RSA key has 3 272 bytes.
const SECRET_MAX: usize = 8_192;

/// A namespace of keys: one of them never answers for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Environment {
    /// A venue's test network, and paper trading.
    Testnet,
    /// Real money.
    Live,
}

impl Environment {
    pub fn as_str(self) -> &'static str {
        match self {
            Environment::Testnet => "testnet",
            Environment::Live => "live",
        }
    }
}

impl std::str::FromStr for Environment {
    type Err = CredentialError;

    fn from_str(text: &str) -> Result<Environment, CredentialError> {
        match text {
            "testnet" | "paper" => Ok(Environment::Testnet),
            "live" => Ok(Environment::Live),
            other => Err(CredentialError::Environment(other.to_owned())),
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which credential: shown as `binance/testnet/main`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId {
    venue: String,
    environment: Environment,
    name: String,
}

impl CredentialId {
    /// `venue` and `name` are 1 to 32 of a-z, 0-9 and -.
    pub fn new(venue: &str, environment: Environment, name: &str) -> Result<CredentialId, CredentialError> {
        for (what, text) in [("venue", venue), ("name", name)] {
            let fits = (1..=NAME_MAX).contains(&text.len())
                && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
            if !fits {
                return Err(CredentialError::Name { what, text: text.to_owned() });
            }
        }
        Ok(CredentialId { venue: venue.to_owned(), environment, name: name.to_owned() })
    }

    pub fn venue(&self) -> &str {
        &self.venue
    }

    pub fn environment(&self) -> Environment {
        self.environment
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.venue, self.environment, self.name)
    }
}

/// A venue's key with its secret: kept together, so that one is never used with another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub api_key: Secret,
    pub secret: Secret,
}

impl Credential {
    /// Both are 1 to 8 192 bytes of UTF-8 without control characters but line ends, which PEM keys have.
    pub fn new(api_key: Secret, secret: Secret) -> Result<Credential, CredentialError> {
        for (what, part) in [("key", &api_key), ("secret", &secret)] {
            let len = part.expose().len();
            if !(1..=SECRET_MAX).contains(&len) {
                return Err(CredentialError::SecretLength { what, len, max: SECRET_MAX });
            }
            let clean = |text: &str| text.chars().all(|c| !c.is_control() || c == '\n' || c == '\r');
            if !part.expose_text().is_some_and(clean) {
                return Err(CredentialError::SecretText { what });
            }
        }
        Ok(Credential { api_key, secret })
    }
}
