//! What the time brings: a key that grows old is said and then exchanged for the spare one, one that was retired ends.

use super::super::keys;
use super::{Else, Keeper};
use crate::config::CredentialFiles;
use crate::core::alarm::AlarmKind;
use crate::core::command::Scope;
use crate::credentials::{Access, CredentialError, CredentialId, EntryInfo, Stage};
use crate::domain::Text;

pub(super) const DAY_S: i64 = 86_400;

/// What the time has come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// A retired key's grace is over.
    Destroy,
    /// The key in use is due to be exchanged, in so many days or, at 0, now.
    Exchange { days: i64 },
}

/// What is due, and when to look again.
struct Look<'a> {
    due: Vec<(&'a EntryInfo, Due)>,
    next_s: i64,
}

/// When the key is to be exchanged, counted from when it came into use: a spare one may have lain here for long. `None`
/// where nothing is scheduled. A passphrase goes with the key that it opens, and a webhook's
/// secret is exchanged where it was made.
pub(super) fn exchange_s(files: &CredentialFiles, entry: &EntryInfo) -> Option<i64> {
    let scheduled = files.rotate_after_s > 0 && entry.stage == Stage::InUse && keys::is_venue_key(&entry.id);
    scheduled.then(|| entry.since_s.saturating_add(files.rotate_after_s))
}

/// Looked at each day at least, to say again what is due; and when something begins to be.
fn look<'a>(files: &CredentialFiles, entries: &'a [EntryInfo], now_s: i64) -> Look<'a> {
    let mut look = Look { due: Vec::new(), next_s: now_s + DAY_S };
    for entry in entries {
        if entry.stage == Stage::Retired {
            let ends_s = entry.since_s.saturating_add(files.retire_grace_s);
            if now_s >= ends_s {
                look.due.push((entry, Due::Destroy));
            } else {
                look.next_s = look.next_s.min(ends_s);
            }
        }
        let Some(due_s) = exchange_s(files, entry) else { continue };
        let said_s = due_s - files.rotate_alert_s;
        if now_s >= said_s {
            let days = (due_s - now_s).max(0).div_euclid(DAY_S) + i64::from((due_s - now_s).max(0) % DAY_S > 0);
            look.due.push((entry, Due::Exchange { days }));
        }
        for at_s in [said_s, due_s].into_iter().filter(|at_s| *at_s > now_s) {
            look.next_s = look.next_s.min(at_s);
        }
    }
    look
}

impl Keeper {
    pub(super) fn keep_schedule(&mut self, now_s: i64) {
        if now_s < self.due_s {
            return;
        }
        let entries = match self.entries() {
            Ok(entries) => entries,
            Err(error) => {
                self.due_s = now_s + DAY_S;
                return tracing::error!(%error, "the credential store cannot be looked at");
            }
        };
        let Look { due, next_s } = look(&self.files, &entries, now_s);
        self.due_s = next_s;
        for entry in entries.iter().filter(|entry| entry.stage == Stage::InUse) {
            let expiring = |(of, due): &(&EntryInfo, Due)| of.id == entry.id && matches!(due, Due::Exchange { .. });
            self.tell_expiring(&entry.id, due.iter().any(expiring));
        }
        for (entry, due) in due {
            match due {
                Due::Destroy => self.destroy(entry),
                Due::Exchange { days: 0 } => self.take_spare(entry, now_s),
                Due::Exchange { days } => tracing::warn!("{}: its key is to be exchanged in {days} days", entry.id),
            }
        }
    }

    fn destroy(&mut self, entry: &EntryInfo) {
        let gone = self.open(Access::Write).and_then(|mut store| store.discard(&entry.id, Stage::Retired));
        match &gone {
            Ok(_) => tracing::info!("{}: version {} is destroyed", entry.id, entry.version),
            Err(error) => tracing::error!(%error, "{}: the retired key is not destroyed", entry.id),
        }
        self.note(Text::new("keys"), Text::default(), "destroy-credentials", &entry.id, gone.is_ok());
    }

    fn take_spare(&mut self, entry: &EntryInfo, now_s: i64) {
        let id = &entry.id;
        let passphrase = keys::passphrase_of(id).ok();
        let taken = self.open(Access::Write).and_then(|mut store| store.take_spare(id, passphrase.as_ref(), now_s));
        match taken {
            Ok(()) => {
                let rotated = self.rotate(id, Else::TryAgain);
                self.note(Text::new("keys"), Text::default(), "rotate-credentials", id, rotated.is_ok());
            }
            Err(CredentialError::NotFound(_)) => tracing::error!(
                "{id}: its key is {} days old and should have been exchanged; give a new one to rotate-credentials",
                (now_s - entry.since_s) / DAY_S
            ),
            Err(error) => tracing::error!(%error, "{id}: the spare key cannot be taken"),
        }
    }

    /// For each venue that trades with the key.
    fn tell_expiring(&self, id: &CredentialId, is_so: bool) {
        for place in self.places.iter().filter(|place| place.origin.id == *id) {
            // One that finds no room is told the next time.
            self.tell(AlarmKind::CredentialExpiring, Scope::Venue(place.id), is_so);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Environment;

    fn entry(name: &str, stage: Stage, since_s: i64) -> EntryInfo {
        let id = CredentialId::new("binance", Environment::Testnet, name).unwrap();
        let last_four = String::new();
        EntryInfo { id, version: 1, stage, stored_s: since_s, since_s, verified_s: None, last_four }
    }

    const FILES: fn() -> CredentialFiles = || CredentialFiles {
        store_file: "s".into(),
        master_key_file: None,
        rotate_after_s: 90 * DAY_S,
        rotate_alert_s: 7 * DAY_S,
        retire_grace_s: 3_600,
        vault_look_s: 60,
        allow_plaintext: false,
    };

    /// A year and more passes, looked at only when the schedule asks for it: each moment is met to the second.
    #[test]
    fn a_key_is_said_from_a_week_before_and_exchanged_to_the_second() {
        let (files, start) = (FILES(), 1_800_000_000);
        let entries = [entry("main", Stage::InUse, start), entry("main-passphrase", Stage::InUse, start)];
        let (mut now_s, mut said, mut exchanged, mut looks) = (start + 5, Vec::new(), None, 0);
        while exchanged.is_none() {
            let look = look(&files, &entries, now_s);
            for (of, due) in &look.due {
                assert_eq!(of.id.name(), "main", "a passphrase has no schedule of its own");
                match due {
                    Due::Exchange { days: 0 } => exchanged = Some(now_s),
                    Due::Exchange { days } => said.push(*days),
                    Due::Destroy => panic!("nothing is retired"),
                }
            }
            assert!(look.next_s > now_s && look.next_s <= now_s + DAY_S);
            (now_s, looks) = (look.next_s, looks + 1);
        }
        assert_eq!(exchanged, Some(start + 90 * DAY_S));
        assert_eq!(said.first(), Some(&7));
        assert!(said.is_sorted_by(|a, b| a >= b) && said.len() >= 7, "{said:?}");
        assert!(looks <= 93, "{looks} looks in 90 days");
        // Still due, and said every day, until somebody gives a new one.
        assert_eq!(look(&files, &entries, start + 200 * DAY_S).due.len(), 1);
    }

    #[test]
    fn a_retired_key_ends_with_its_grace_and_a_switched_off_schedule_says_nothing() {
        let start = 1_800_000_000;
        let entries = [entry("main", Stage::Retired, start)];
        let at = |now_s| look(&FILES(), &entries, now_s);
        assert!(at(start + 3_599).due.is_empty());
        assert_eq!(at(start + 10).next_s, start + 3_600);
        assert_eq!(at(start + 3_600).due[0].1, Due::Destroy);
        let off = CredentialFiles { rotate_after_s: 0, ..FILES() };
        let entries = [entry("main", Stage::InUse, start), entry("main", Stage::Spare, start)];
        assert!(look(&off, &entries, start + 9_000 * DAY_S).due.is_empty());
        // A spare one that was stored on the same day is as new as the day on which it came into use.
        let taken = EntryInfo { since_s: start + 90 * DAY_S, ..entry("main", Stage::InUse, start) };
        assert!(look(&FILES(), &[taken], start + 100 * DAY_S).due.is_empty());
        // What is spare or next has no age.
        let waiting = [entry("main", Stage::Spare, 0), entry("main", Stage::Next, 0)];
        assert!(look(&FILES(), &waiting, start).due.is_empty());
    }
}
