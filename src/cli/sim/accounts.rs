//! Accounts of a simulated venue from a file, where one made-up account is not enough.

use crate::sim::binance::{Fees, Permissions, SimAccount};
use crate::sim::decimal;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    account: Vec<Entry>,
}

/// An `[[account]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    /// An HMAC secret, or
    secret: Option<String>,
    /// an Ed25519 or RSA public key as a PEM file, beside this file where it is not absolute.
    public_key: Option<PathBuf>,
    balances: BTreeMap<String, String>,
    /// Shares of what is received, such as "0.001".
    maker_fee: Option<String>,
    taker_fee: Option<String>,
    /// What the venue says that the key may do.
    #[serde(default = "yes")]
    trade: bool,
    #[serde(default)]
    withdraw: bool,
    #[serde(default)]
    deposit: bool,
}

fn yes() -> bool {
    true
}

pub(super) fn read(path: &Path) -> Result<Vec<SimAccount>, String> {
    let place = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {place}: {error}"))?;
    let file: File = toml::from_str(&text).map_err(|error| format!("{place}: {error}"))?;
    if file.account.is_empty() {
        return Err(format!("{place} has no [[account]]"));
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    file.account.into_iter().map(|entry| account(entry, dir).map_err(|fault| format!("{place}: {fault}"))).collect()
}

fn account(entry: Entry, dir: &Path) -> Result<SimAccount, String> {
    let named = |fault: String| format!("account {:?}: {fault}", entry.key);
    let secret = match (entry.secret, entry.public_key) {
        (Some(secret), None) => secret,
        (None, Some(file)) => {
            let file = dir.join(file);
            std::fs::read_to_string(&file).map_err(|error| named(format!("cannot read {}: {error}", file.display())))?
        }
        _ => return Err(named("give secret or public_key, one of the two".to_owned())),
    };
    let rate = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => match decimal::parse(text) {
            Ok(rate) if rate < decimal::ONE => Ok(Some(rate)),
            _ => Err(named(format!("{name} = {text:?} is not a share such as \"0.001\""))),
        },
    };
    let fees = match (rate("maker_fee", &entry.maker_fee)?, rate("taker_fee", &entry.taker_fee)?) {
        (None, None) => None,
        (maker, taker) => {
            let usual = Fees::default();
            Some(Fees { maker: maker.unwrap_or(usual.maker), taker: taker.unwrap_or(usual.taker) })
        }
    };
    let permissions = Permissions { trade: entry.trade, withdraw: entry.withdraw, deposit: entry.deposit };
    let account = SimAccount::new(&entry.key, &secret, entry.balances.into_iter().collect());
    Ok(SimAccount { fees, permissions, ..account })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<SimAccount>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts.toml");
        std::fs::write(dir.path().join("k.pem"), "PEM").unwrap();
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn accounts_have_keys_balances_rates_and_permissions() {
        let got = of(r#"
            [[account]]
            key = "a"
            secret = "s"
            balances = { USDT = "5", BTC = "1" }
            [[account]]
            key = "b"
            public_key = "k.pem"
            balances = {}
            taker_fee = "0.0005"
            trade = false
            withdraw = true
        "#)
        .unwrap();
        let balances = vec![("BTC".to_owned(), "1".to_owned()), ("USDT".to_owned(), "5".to_owned())];
        assert_eq!(got[0], SimAccount::new("a", "s", balances));
        assert_eq!((got[1].secret.as_str(), got[1].fees), ("PEM", Some(Fees { maker: 100_000, taker: 50_000 })));
        assert_eq!(got[1].permissions, Permissions { trade: false, withdraw: true, deposit: false });
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, want) in [
            ("", "account"),
            ("account = []", "no [[account]]"),
            ("[[account]]\nkey = \"a\"\nbalances = {}", "secret or public_key"),
            ("[[account]]\nkey = \"a\"\nsecret = \"s\"\nbalances = {}\nmaker_fee = \"2\"", "maker_fee"),
            ("[[account]]\nkey = \"a\"\nsecret = \"s\"\nbalances = {}\nwithdrawals = true", "withdrawals"),
            ("[[account]]\nkey = \"a\"\npublic_key = \"none.pem\"\nbalances = {}", "none.pem"),
        ] {
            let fault = of(text).unwrap_err();
            assert!(fault.contains(want), "{text}: {fault}");
        }
    }
}
