//! `tollgate credentials`: keys at rest, kept and moved by an operator.
//!
//! A secret comes in by standard input or the environment, never by an argument, which every user of the machine can
//! read. Nothing is ever printed but a key's last four characters.

use super::UNUSABLE;
use super::check::load;
use crate::config::CredentialFiles;
use crate::credentials::{
    Access, Credential, CredentialError, CredentialId, EntryInfo, Environment, KdfCost, KeyWrapper, MasterKeys,
    Material, Secret, Stage, Store, Which, sources,
};
use crate::runtime::keys::{self, PASSPHRASE_SUFFIX, WEBHOOK, is_venue_key};
use clap::{Args, Subcommand};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::json;
use std::io::{BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Most that is read of a key with its secret.
const INPUT_MAX: u64 = 32 << 10;
const KEY_VARIABLE: &str = "TOLLGATE_API_KEY";
const SECRET_VARIABLE: &str = "TOLLGATE_API_SECRET";
const PASSPHRASE_OF_KEY_VARIABLE: &str = "TOLLGATE_API_PASSPHRASE";
const PASSPHRASE_VARIABLE: &str = "TOLLGATE_EXPORT_PASSPHRASE";

#[derive(Args)]
pub(super) struct CredentialsArguments {
    /// The configuration file, which says where the store is.
    #[arg(long, global = true, default_value = "config/tollgate.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Args)]
struct Named {
    /// The kind of venue: binance or alpaca.
    #[arg(long, required_unless_present = "webhook")]
    venue: Option<String>,
    /// A webhook's secret, token or address, and not a venue's key: the first line of standard input. `secret_credential`,
    /// `token_credential` or `url_credential` in [[webhooks]] says its name.
    #[arg(long, conflicts_with = "venue", requires = "name")]
    webhook: bool,
    /// testnet (or paper), or live: one is never used for the other.
    #[arg(long)]
    environment: Environment,
    /// What the venue's `credential`, or the webhook's key, in the configuration says.
    #[arg(long, default_value = sources::MAIN)]
    name: String,
}

#[derive(Subcommand)]
enum Cmd {
    /// Make an empty store and, where none is given, a master key in its file.
    Init,
    /// Keep a key: the first line of standard input is the key, the rest its secret; or TOLLGATE_API_KEY and
    /// TOLLGATE_API_SECRET.
    Store {
        #[command(flatten)]
        named: Named,
        /// Keep the passphrase of this key's encrypted PEM, and not the key: the first line of standard input.
        #[arg(long, conflicts_with = "webhook")]
        passphrase: bool,
        /// Write it to the Vault that the VAULT_ variables name, and not to the store.
        #[arg(long)]
        vault: bool,
        /// Keep it beside the one in use, for the rotation that is scheduled.
        #[arg(long, conflicts_with_all = ["vault", "webhook"])]
        spare: bool,
    },
    /// Exchange the key in use for a new one, given as for `store`. An engine that runs verifies it at the venue and goes
    /// over to it without a break; where it does not work, the old one stays. Without one, the next start does so.
    Rotate {
        #[command(flatten)]
        named: Named,
        /// The new key is an encrypted PEM with a passphrase of its own: the first line of standard input, or
        /// TOLLGATE_API_PASSPHRASE. Without this, the passphrase that is kept opens it.
        #[arg(long)]
        passphrase: bool,
    },
    /// Say which keys are kept, since when, and each one's last four characters.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Forget a key.
    Remove(Named),
    /// Write a copy of the store, encrypted to a passphrase: a line of standard input, or TOLLGATE_EXPORT_PASSPHRASE.
    Export {
        /// A file that is not there yet.
        file: PathBuf,
    },
    /// Take every key of an exported copy into the store.
    Import { file: PathBuf },
    /// Move the store to a new master key: a new random one in its file, or CREDENTIAL_ENCRYPTION_KEY_NEW. Killed at
    /// any moment, it is finished by running it again.
    RotateMaster,
}

pub(super) fn credentials(arguments: &CredentialsArguments) -> ExitCode {
    let config = match load(&arguments.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let Some(files) = config.credentials else {
        eprintln!("{} has no [credentials] section, which says where the store is", arguments.config.display());
        return ExitCode::from(UNUSABLE);
    };
    match run(&arguments.command, &files) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(UNUSABLE)
        }
    }
}

/// What the command has to say when it is done.
fn run(command: &Cmd, files: &CredentialFiles) -> Result<String, CredentialError> {
    let keys = keys::master(files, &mut keys::Unwrapped::default())?;
    let path = &files.store_file;
    let open = |access| {
        keys.need()?;
        keys.open(path, access).map(|(store, _)| store)
    };
    match command {
        Cmd::Init => with_transit(|wrapper| init(keys, path, wrapper)),
        Cmd::Store { named, passphrase, vault: true, .. } => {
            store_in_vault(&named.or_passphrase(*passphrase)?, named.what(*passphrase))
        }
        Cmd::Store { named, passphrase, vault: false, spare } => {
            let id = named.or_passphrase(*passphrase)?;
            // Before anything is asked for that could not be kept.
            let mut store = open(Access::Write)?;
            let what = named.what(*passphrase);
            let credential = read_credential_of(what)?;
            let stage = if *spare { Stage::Spare } else { Stage::InUse };
            let version = store.put_as(&id, stage, &credential, now_s())?;
            if what == What::Webhook {
                return Ok(format!("{id} is kept as version {version}: the next start of the engine uses it"));
            }
            if what == What::Passphrase {
                return Ok(format!("{id} is kept as version {version}"));
            }
            Ok(format!("{id} is kept as version {version}, its key ends in {:?}", credential.api_key.last_four()))
        }
        Cmd::Rotate { named, .. } if named.webhook => Err(CredentialError::NotRotated(named.id()?)),
        Cmd::Rotate { named, passphrase } => {
            let id = named.id()?;
            let mut store = open(Access::Write)?;
            if *passphrase {
                let passphrase = match variable(PASSPHRASE_OF_KEY_VARIABLE) {
                    Some(given) => Credential::new(Secret::copy(b"passphrase"), given)?,
                    None => read_credential_of(What::Passphrase)?,
                };
                store.put_as(&named.or_passphrase(true)?, Stage::Next, &passphrase, now_s())?;
            }
            let credential = read_credential()?;
            let version = store.put_as(&id, Stage::Next, &credential, now_s())?;
            Ok(format!("version {version} of {id} is kept as the next: an engine that runs goes over to it at once"))
        }
        Cmd::List { json } => list(&open(Access::Read)?, *json),
        Cmd::Remove(named) => {
            let id = named.id()?;
            open(Access::Write)?.remove(&id)?;
            Ok(format!("{id} is forgotten"))
        }
        Cmd::Export { file } => {
            let store = open(Access::Read)?;
            store.export(file, &read_passphrase()?, KdfCost::STANDARD)?;
            let count = store.list()?.len();
            Ok(format!("{count} credentials are in {}, which opens with that passphrase alone", file.display()))
        }
        Cmd::Import { file } => {
            let mut store = open(Access::Write)?;
            let copy = Store::open(file, &read_passphrase()?, Access::Read)?;
            let count = store.import(&copy, now_s())?;
            Ok(format!("{count} credentials were taken in from {}", file.display()))
        }
        Cmd::RotateMaster => with_transit(|wrapper| rotate(keys, path, wrapper)),
    }
}

impl Named {
    fn id(&self) -> Result<CredentialId, CredentialError> {
        CredentialId::new(self.place(), self.environment, &self.name)
    }

    fn place(&self) -> &str {
        match &self.venue {
            Some(venue) if !self.webhook => venue,
            _ => WEBHOOK,
        }
    }

    fn what(&self, passphrase: bool) -> What {
        match (self.webhook, passphrase) {
            (true, _) => What::Webhook,
            (false, true) => What::Passphrase,
            (false, false) => What::Key,
        }
    }

    /// The key, or the passphrase that belongs to it.
    fn or_passphrase(&self, passphrase: bool) -> Result<CredentialId, CredentialError> {
        if !passphrase {
            return self.id();
        }
        CredentialId::new(self.place(), self.environment, &format!("{}{PASSPHRASE_SUFFIX}", self.name))
    }
}

/// What is kept as a credential.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// A venue's key with its secret.
    Key,
    /// What opens such a key.
    Passphrase,
    Webhook,
}

fn store_in_vault(id: &CredentialId, what: What) -> Result<String, CredentialError> {
    let mut vault = crate::runtime::vault::find(|name| std::env::var(name).ok())?.ok_or(CredentialError::NoVault)?;
    let credential = read_credential_of(what)?;
    let written = vault.write(id, &credential);
    vault.close();
    let version = written?.map_or(String::new(), |version| format!(" as version {version}"));
    if what != What::Key {
        return Ok(format!("{id} is in Vault{version}"));
    }
    Ok(format!("{id} is in Vault{version}, its key ends in {:?}", credential.api_key.last_four()))
}

/// Does something with Vault as the wrapper of new keys, where its transit engine is configured.
fn with_transit(
    act: impl FnOnce(Option<&mut dyn KeyWrapper>) -> Result<String, CredentialError>,
) -> Result<String, CredentialError> {
    match keys::transit()? {
        None => act(None),
        Some(mut vault) => {
            let done = act(Some(&mut vault));
            vault.close();
            done
        }
    }
}

fn init(mut keys: MasterKeys, path: &Path, wrapper: Option<&mut dyn KeyWrapper>) -> Result<String, CredentialError> {
    if path.exists() {
        return Err(CredentialError::Exists { path: path.to_owned() });
    }
    let made = keys.current.is_none();
    let wrapped = made && wrapper.is_some();
    if made {
        keys.create(wrapper)?;
    }
    Store::create(path, keys.need()?, KdfCost::STANDARD)?;
    if matches!(keys.current, Some(Material::Plaintext)) {
        return Ok(format!(
            "an empty store is at {}, in PLAIN TEXT, as credentials.allow_plaintext lets it: whoever reads the file has \
             the keys",
            path.display()
        ));
    }
    let key = match (made, wrapped) {
        (true, true) => "a new key, which Vault alone unwraps, was made in",
        (true, false) => "a new key was made in",
        (false, _) => "it opens with the key in",
    };
    Ok(format!("an empty store is at {}; {key} {}: without that key the store is lost", path.display(), keys.origin))
}

fn list(store: &Store, as_json: bool) -> Result<String, CredentialError> {
    let kept = store.list()?;
    let stored = |info: &EntryInfo| {
        jiff::Timestamp::from_second(info.stored_s).map_or_else(|_| "?".to_owned(), |at| at.to_string())
    };
    if as_json {
        let row = |info: &EntryInfo| {
            json!({
                "credential": info.id.to_string(),
                "version": info.version,
                "stage": info.stage.as_str(),
                "stored_at": stored(info),
                "key_ends_in": is_venue_key(&info.id).then_some(&info.last_four),
            })
        };
        return Ok(format!("{:#}", json!({ "credentials": kept.iter().map(row).collect::<Vec<_>>() })));
    }
    if kept.is_empty() {
        return Ok("no credential is kept".to_owned());
    }
    let lines = kept.iter().map(|info| {
        let stored = stored(info);
        let id = info.id.to_string();
        let stage = info.stage.as_str();
        // What is no key has only a word in the place of one.
        let key = if is_venue_key(&info.id) { format!("  key ends in {:?}", info.last_four) } else { String::new() };
        format!("{id:<32} version {:<4} {stage:<7} stored {stored}{key}", info.version)
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn rotate(mut keys: MasterKeys, path: &Path, wrapper: Option<&mut dyn KeyWrapper>) -> Result<String, CredentialError> {
    keys.need()?;
    let (mut store, which) = keys.open(path, Access::Write)?;
    if which == Which::Current {
        let next = keys.prepare_next(wrapper)?.clone();
        store.rewrap(&next, KdfCost::STANDARD)?;
    }
    keys.promote_next()?;
    let done = match which {
        Which::Current => "the store has a new master key",
        Which::Next => "the store had its new master key already; a rotation that was cut short is finished",
    };
    Ok(match keys.key_file() {
        Some(file) => format!("{done}; it is in {}", file.display()),
        None => format!("{done}: give CREDENTIAL_ENCRYPTION_KEY_NEW's value as the master key from now on"),
    })
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// A variable's value, where it is set and not empty.
fn variable(name: &str) -> Option<Secret> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| Secret::take(text.into_bytes()))
}

fn read_credential() -> Result<Credential, CredentialError> {
    match (variable(KEY_VARIABLE), variable(SECRET_VARIABLE)) {
        (Some(key), Some(secret)) => return Credential::new(key, secret),
        (Some(_), None) => return Err(CredentialError::Half { given: KEY_VARIABLE, missing: SECRET_VARIABLE }),
        (None, Some(_)) => return Err(CredentialError::Half { given: SECRET_VARIABLE, missing: KEY_VARIABLE }),
        (None, None) => {}
    }
    let text = if std::io::stdin().is_terminal() {
        let _quiet = Quiet::begin();
        let mut text = ask("key: ")?;
        text.extend_from_slice(&ask("secret: ")?);
        text
    } else {
        let mut text = Zeroizing::new(Vec::with_capacity(INPUT_MAX as usize));
        std::io::stdin().take(INPUT_MAX).read_to_end(&mut text).map_err(unreadable)?;
        text
    };
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (key, secret) = text.split_at(end);
    Credential::new(Secret::copy(trim(key)), Secret::copy(trim(secret)))
}

/// A passphrase, and a webhook's secret, are kept as the secret of a credential whose key is the word for it.
fn read_credential_of(what: What) -> Result<Credential, CredentialError> {
    let (word, prompt) = match what {
        What::Key => return read_credential(),
        What::Passphrase => ("passphrase", "passphrase: "),
        What::Webhook => (WEBHOOK, "secret: "),
    };
    let text = if std::io::stdin().is_terminal() {
        let _quiet = Quiet::begin();
        ask(prompt)?
    } else {
        line()?
    };
    // Spaces may belong to a passphrase, the line's end does not.
    let end = text.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(text.len());
    let text = if what == What::Webhook { trim(&text[..end]) } else { &text[..end] };
    Credential::new(Secret::copy(word.as_bytes()), Secret::copy(text))
}

fn read_passphrase() -> Result<Material, CredentialError> {
    if let Some(text) = variable(PASSPHRASE_VARIABLE) {
        return Material::passphrase(&text, PASSPHRASE_VARIABLE);
    }
    let text = if std::io::stdin().is_terminal() {
        let _quiet = Quiet::begin();
        ask("passphrase: ")?
    } else {
        line()?
    };
    Material::passphrase(&Secret::copy(trim(&text)), "standard input")
}

fn unreadable(source: std::io::Error) -> CredentialError {
    CredentialError::Io { action: "read", path: PathBuf::from("standard input"), source }
}

/// A line of standard input, with its end.
fn line() -> Result<Zeroizing<Vec<u8>>, CredentialError> {
    let mut text = Zeroizing::new(Vec::with_capacity(INPUT_MAX as usize));
    std::io::stdin().lock().take(INPUT_MAX).read_until(b'\n', &mut text).map_err(unreadable)?;
    Ok(text)
}

fn ask(what: &str) -> Result<Zeroizing<Vec<u8>>, CredentialError> {
    eprint!("{what}");
    let answer = line();
    eprintln!();
    answer
}

/// Without line ends and spaces around: they come with copying.
fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// A terminal that does not show what is typed, until this value ends.
struct Quiet(Option<Termios>);

impl Quiet {
    fn begin() -> Quiet {
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(mut quiet) = before.clone() {
            quiet.local_modes.remove(LocalModes::ECHO);
            if tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet).is_err() {
                eprintln!("what is typed will be seen: the terminal does not let its echo be turned off");
            }
        }
        Quiet(before)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.0
            && tcsetattr(std::io::stdin(), OptionalActions::Flush, before).is_err()
        {
            eprintln!("the terminal's echo stays off: `stty echo` turns it on");
        }
    }
}
