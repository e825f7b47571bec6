//! Keys that are badly kept, a Vault that goes away, and strangers at the door.

use super::super::desk::{Desk, KeyIn, Setup, Told};
use super::crypto;
use crate::core::alarm::AlarmKind;

/// Wrong tokens in a minute, from which on it is an alert.
const STRANGERS: usize = 6;

pub(super) fn setup_plain() -> Setup {
    Setup { key: KeyIn::PlainStore, ..crypto("[credentials]\nallow_plaintext = true\n") }
}

pub(super) fn play_plain(desk: &mut Desk) -> Told<()> {
    desk.alert(AlarmKind::PlaintextKeys, "a venue's key in a store without a master key, allow_plaintext true");
    let mut answers = Vec::new();
    for n in 0..STRANGERS {
        answers.push(desk.ask_with(&format!("not-a-token-{n}"))?.to_string());
    }
    let hit = format!("{STRANGERS} requests with tokens that nobody made: HTTP {}", answers.join(", "));
    desk.alert(AlarmKind::LoginsRefused, &hit);
    Ok(())
}

pub(super) fn setup_vault() -> Setup {
    Setup { key: KeyIn::Vault, ..crypto("[credentials]\nvault_look_s = 1\n") }
}

pub(super) fn play_vault(desk: &mut Desk) -> Told<()> {
    desk.end_vault();
    desk.alert(AlarmKind::VaultAway, "the Vault that the key came from is gone");
    let bought = desk.buy("BTCUSDT", "0.001").map(|()| "it filled: the key that was loaded stays in use".to_owned());
    desk.note("VAULT_AWAY_STOPS_NOTHING", "buy 0.001 BTCUSDT without Vault", bought);
    Ok(())
}
