//! What is told of the keys: which, since when, from where, and by whom used. Never a key.

use super::schedule::{DAY_S, exchange_s};
use super::{Keeper, Place, now_s};
use crate::credentials::Stage;
use crate::credentials::sources::Source;
use serde_json::{Value, json};

impl Keeper {
    pub(super) fn status(&self) -> Result<Value, String> {
        let now_s = now_s();
        let entries =
            if self.files.store_file.exists() { self.entries().map_err(|e| e.to_string())? } else { Vec::new() };
        let mut told: Vec<Value> = entries
            .iter()
            .map(|entry| {
                let due_s = exchange_s(&self.files, entry).filter(|_| entry.stage == Stage::InUse);
                let expires_s = match entry.stage {
                    Stage::Retired => Some(entry.since_s + self.files.retire_grace_s),
                    _ => due_s,
                };
                let is_used = |place: &&Place| {
                    let source = Source::Store { version: entry.version };
                    place.origin.id == entry.id && place.origin.source == source
                };
                json!({
                    "credential": entry.id.to_string(),
                    "exchange": entry.id.venue(),
                    "environment": entry.id.environment().as_str(),
                    "name": entry.id.name(),
                    "version": entry.version,
                    "stage": entry.stage.as_str(),
                    "source": "the encrypted store",
                    "key_ends_in": entry.last_four,
                    "stored_at": time(entry.stored_s),
                    "age_days": (now_s - entry.stored_s).max(0) / DAY_S,
                    "verified_at": entry.verified_s.map(time),
                    "expires_at": expires_s.map(time),
                    "overdue": due_s.is_some_and(|due_s| now_s >= due_s),
                    "used_by": self.places.iter().filter(is_used).map(|place| &place.venue).collect::<Vec<_>>(),
                })
            })
            .collect();
        for place in self.places.iter().filter(|place| !matches!(place.origin.source, Source::Store { .. })) {
            let id = &place.origin.id;
            let version = match place.origin.source {
                Source::Vault { version } => version,
                _ => None,
            };
            told.push(json!({
                "credential": id.to_string(),
                "exchange": id.venue(),
                "environment": id.environment().as_str(),
                "name": id.name(),
                "version": version,
                "stage": Stage::InUse.as_str(),
                "source": place.origin.source.to_string(),
                "key_ends_in": place.origin.credential.api_key.last_four(),
                "verified_at": self.verified.get(id).copied().map(time),
                "used_by": [&place.venue],
            }));
        }
        Ok(json!({ "credentials": told, "vault_reachable": !self.vault_failed }))
    }
}

fn time(s: i64) -> String {
    jiff::Timestamp::from_second(s).map_or_else(|_| "?".to_owned(), |at| at.to_string())
}
