//! `tollgate token`: who may use the control API, and for what. A running engine knows of a change at its next request.

use super::UNUSABLE;
use super::check::load;
use crate::credentials::{CredentialError, Role, TokenInfo, TokenState, Tokens};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY_S: i64 = 86_400;

#[derive(Args)]
pub(super) struct TokenArguments {
    /// The configuration file, which says where the tokens' hashes are.
    #[arg(long, global = true, default_value = "config/tollgate.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Subcommand)]
enum Cmd {
    /// Make a token and print it, this once. Only its hash is kept.
    Create {
        /// Whose it is: a-z, 0-9, -, _ and ., at most 24. The journal says this name for what the token asks.
        #[arg(long)]
        name: String,
        #[arg(long)]
        role: RoleName,
        /// Good for so many days.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=3_650))]
        days: i64,
    },
    /// Say which tokens there are, and which have ended.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// End a token at once, by its id, or by its name where only one has it.
    Revoke { token: String },
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleName {
    /// Looks.
    Viewer,
    /// Trades, closes, stops; and looks.
    Trader,
    /// Changes limits and credentials and lets trading resume; and all of the above.
    Admin,
}

pub(super) fn token(arguments: &TokenArguments) -> ExitCode {
    let config = match load(&arguments.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let path = config.engine.data_dir.join(&config.control.tokens_file);
    match run(&arguments.command, &path, now_s()) {
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
fn run(command: &Cmd, path: &Path, now_s: i64) -> Result<String, CredentialError> {
    match command {
        Cmd::Create { name, role, days } => {
            let role = match role {
                RoleName::Viewer => Role::Viewer,
                RoleName::Trader => Role::Trader,
                RoleName::Admin => Role::Admin,
            };
            let (token, text) = Tokens::create(path, name, role, days * DAY_S, now_s)?;
            eprintln!(
                "{name} may use the API as {role} until {}. This is shown once and kept nowhere:",
                date(token.expires_s)
            );
            Ok(text.expose_text().unwrap_or_default().to_owned())
        }
        Cmd::List { json } => {
            let tokens = Tokens::load(path)?;
            if *json {
                return Ok(format!("{:#}", listed(&tokens, now_s)));
            }
            if tokens.is_empty() {
                return Ok("there is no token".to_owned());
            }
            let line = |token: &TokenInfo| {
                let state = match (token.state(now_s), token.revoked_s) {
                    (TokenState::Revoked, Some(at)) => format!("revoked {}", date(at)),
                    (TokenState::Expired, _) => format!("expired {}", date(token.expires_s)),
                    _ => format!("good until {}", date(token.expires_s)),
                };
                let created = date(token.created_s);
                format!("{}  {:<24} {:<6}  created {created}  {state}", token.id, token.name, token.role.as_str())
            };
            Ok(tokens.list().iter().map(line).collect::<Vec<_>>().join("\n"))
        }
        Cmd::Revoke { token } => {
            let token = Tokens::revoke(path, token, now_s)?;
            Ok(format!("{} of {} lets nobody in any more", token.id, token.name))
        }
    }
}

/// The list for programs.
fn listed(tokens: &Tokens, now_s: i64) -> Value {
    let row = |token: &TokenInfo| {
        let state = match token.state(now_s) {
            TokenState::Revoked => "revoked",
            TokenState::Expired => "expired",
            _ => "good",
        };
        json!({
            "id": token.id,
            "name": token.name,
            "role": token.role.as_str(),
            "state": state,
            "created_at": date(token.created_s),
            "expires_at": date(token.expires_s),
            "revoked_at": token.revoked_s.map(date),
        })
    };
    json!({ "tokens": tokens.list().iter().map(row).collect::<Vec<_>>() })
}

fn date(s: i64) -> String {
    jiff::Timestamp::from_second(s).map_or_else(|_| "?".to_owned(), |at| at.to_string())
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
