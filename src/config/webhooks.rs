//! Where alerts are sent. No address that is itself a secret, and no secret, stands in the text.

use super::reader::Section;
use super::venues::SecretSource;
use crate::domain::Nanos;
use crate::domain::hosts::is_this_machine;
use std::path::PathBuf;

/// The form that the receiver takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookKind {
    /// The alert's own fields; always signed.
    Json,
    /// A Slack incoming webhook.
    Slack,
    Discord,
    /// `sendMessage` of a Telegram bot.
    Telegram,
    /// The PagerDuty Events API, version 2.
    PagerDuty,
}

impl WebhookKind {
    pub fn as_str(self) -> &'static str {
        match self {
            WebhookKind::Json => "json",
            WebhookKind::Slack => "slack",
            WebhookKind::Discord => "discord",
            WebhookKind::Telegram => "telegram",
            WebhookKind::PagerDuty => "pagerduty",
        }
    }
}

/// The least grave alert that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeastSeverity {
    Warning,
    Critical,
    Emergency,
}

/// Where one of a webhook's secrets is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookSecret {
    /// In the environment or a file.
    Given(SecretSource),
    /// Under this name in the encrypted store, or in Vault: `webhook/ENVIRONMENT/NAME`.
    Kept(String),
}

/// Whereto.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookAddress {
    Plain(String),
    /// Who knows it may send: Slack's and Discord's are such.
    Secret(HookSecret),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its file, its metrics and its place in `status` are called so.
    pub name: String,
    pub kind: WebhookKind,
    pub address: WebhookAddress,
    /// What the body is signed with.
    pub secret: Option<HookSecret>,
    /// Telegram's bot token, PagerDuty's routing key.
    pub token: Option<HookSecret>,
    /// Telegram's chat.
    pub chat_id: Option<String>,
    pub least: LeastSeverity,
    /// Kinds that are told; empty for all.
    pub kinds: Vec<&'static str>,
    /// A PEM file of certificate authorities to believe; without it, the public ones.
    pub ca_file: Option<PathBuf>,
    /// For one attempt, from the name's resolution to the last byte.
    pub timeout_ns: Nanos,
    /// First and longest pause before it is tried again; it doubles in between.
    pub retry_min_ns: Nanos,
    pub retry_max_ns: Nanos,
    /// An alert that could not be delivered at this age is given up.
    pub give_up_after_ns: Nanos,
    /// Alerts that wait at once; then the least grave goes.
    pub queue_max: usize,
}

/// Most webhooks of one engine: each has a thread.
pub(super) const WEBHOOKS_MAX: usize = 16;
/// Longest name.
const NAME_MAX: usize = 16;

const TELEGRAM: &str = "https://api.telegram.org";
const PAGERDUTY: &str = "https://events.pagerduty.com";

/// Every kind of alert, as the API and `kinds` write it.
pub const ALERT_KINDS: [&str; 41] = [
    "IMPOSSIBLE_REPORT",
    "UNKNOWN_INSTRUMENT",
    "UNKNOWN_ORDER",
    "FOREIGN_ORDER",
    "ORDER_UNKNOWN",
    "FEE_NOT_VALUED",
    "OVERFLOW",
    "DAILY_LOSS",
    "TABLE_FULL",
    "INSTRUMENT_CHANGED",
    "FILLS_MISSING",
    "NOT_FLATTENED",
    "RUNAWAY",
    "DAILY_LOSS_HALF",
    "DAILY_LOSS_NEAR",
    "DAILY_LOSS_HALT",
    "DRAWDOWN",
    "DRAWDOWN_HALT",
    "LOSS_STREAK",
    "EXPOSURE_HIGH",
    "BALANCE_LOW",
    "MARGIN_LOW",
    "CORRELATION_EXCEEDED",
    "FEED_STALE",
    "VENUE_DOWN",
    "CLOCK_OFF",
    "RATE_LIMIT_NEAR",
    "CREDENTIAL_EXPIRING",
    "EMERGENCY_STOP",
    "PROTECTION_TRIGGERED",
    "NOT_PROTECTED",
    "PROTECTION_BLOCKED",
    "STOP_UNCONFIRMED",
    "STORE_BEHIND",
    "RISK_SCORE_HIGH",
    "RECONCILE_DIFFERENCE",
    "STILL_HELD",
    "VAULT_AWAY",
    "PLAINTEXT_KEYS",
    "ACCOUNT_BARRED",
    "LOGINS_REFUSED",
];

impl Webhook {
    pub(super) fn read(s: Section) -> Webhook {
        let words = [WebhookKind::Json, WebhookKind::Slack, WebhookKind::Discord, WebhookKind::Telegram]
            .into_iter()
            .chain([WebhookKind::PagerDuty])
            .map(|kind| (kind.as_str(), kind))
            .collect::<Vec<_>>();
        let kind = s.word("kind", &words).unwrap_or(WebhookKind::Json);
        let levels = [
            ("warning", LeastSeverity::Warning),
            ("critical", LeastSeverity::Critical),
            ("emergency", LeastSeverity::Emergency),
        ];
        let with_token = matches!(kind, WebhookKind::Telegram | WebhookKind::PagerDuty);
        if !with_token {
            for key in TOKEN {
                s.forbid(key, "means nothing unless kind = \"telegram\" or \"pagerduty\"");
            }
        }
        if kind != WebhookKind::Telegram {
            s.forbid("chat_id", "means nothing unless kind = \"telegram\"");
        }
        let kinds = if s.has("kinds") { s.words("kinds", &ALERT_KINDS.map(|kind| (kind, kind))) } else { Vec::new() };
        let signed = kind == WebhookKind::Json || SECRET.iter().any(|key| s.has(key));
        let hook = Webhook {
            name: s.text("name"),
            kind,
            address: address(&s, kind),
            secret: signed.then(|| HookSecret::at(&s, SECRET)),
            token: with_token.then(|| HookSecret::at(&s, TOKEN)),
            chat_id: (kind == WebhookKind::Telegram).then(|| s.text("chat_id")),
            least: s.word("min_severity", &levels).unwrap_or(LeastSeverity::Warning),
            kinds,
            ca_file: s.text_opt("ca_file").map(PathBuf::from),
            timeout_ns: s.millis("timeout_ms", 100..=60_000),
            retry_min_ns: s.millis("retry_min_ms", 10..=60_000),
            retry_max_ns: s.millis("retry_max_ms", 10..=600_000),
            give_up_after_ns: s.whole("give_up_after_s", 1..=604_800) as Nanos * 1_000_000_000,
            queue_max: s.whole("queue_max", 1..=10_000) as usize,
        };
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if hook.name.len() > NAME_MAX || !hook.name.bytes().all(plain) {
            s.fault("name", format!("{:?} must be at most {NAME_MAX} of a-z, 0-9 and -", hook.name));
        }
        if hook.retry_min_ns > hook.retry_max_ns && s.sound(&["retry_min_ms", "retry_max_ms"]) {
            s.fault("retry_min_ms", "is above retry_max_ms");
        }
        s.finish();
        hook
    }
}

/// The keys that say where a secret is: a variable, a file, a credential.
const SECRET: [&str; 3] = ["secret_env", "secret_file", "secret_credential"];
const TOKEN: [&str; 3] = ["token_env", "token_file", "token_credential"];
const URL: [&str; 3] = ["url_env", "url_file", "url_credential"];

impl HookSecret {
    fn at(s: &Section, [env, file, credential]: [&'static str; 3]) -> HookSecret {
        let Some(name) = s.text_opt(credential) else {
            if !s.has(env) && !s.has(file) {
                s.fault(env, format!("is missing: give it, {file} or {credential}"));
                return HookSecret::Given(SecretSource::Env(String::new()));
            }
            return HookSecret::Given(SecretSource::at(s, env, file));
        };
        for key in [env, file] {
            s.forbid(key, &format!("give it or {credential}, not both"));
        }
        if !is_credential_name(&name) {
            s.fault(credential, format!("{name:?} must be 1 to 32 of a-z, 0-9 and -"));
        }
        HookSecret::Kept(name)
    }
}

/// As the credential store has it.
fn is_credential_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

impl Webhook {
    /// The credentials that it needs.
    pub fn kept(&self) -> impl Iterator<Item = &str> {
        let address = match &self.address {
            WebhookAddress::Secret(secret) => Some(secret),
            WebhookAddress::Plain(_) => None,
        };
        address.into_iter().chain(&self.secret).chain(&self.token).filter_map(|secret| match secret {
            HookSecret::Kept(name) => Some(name.as_str()),
            HookSecret::Given(_) => None,
        })
    }
}

fn address(s: &Section, kind: WebhookKind) -> WebhookAddress {
    let plain = |url: String| {
        if let Err(why) = fit(&url) {
            s.fault("url", why);
        }
        WebhookAddress::Plain(url.trim_end_matches('/').to_owned())
    };
    let secret = || WebhookAddress::Secret(HookSecret::at(s, URL));
    match kind {
        WebhookKind::Json if s.has("url") => {
            for key in URL {
                s.forbid(key, "give it or url, not both");
            }
            plain(s.text("url"))
        }
        WebhookKind::Json => secret(),
        WebhookKind::Slack | WebhookKind::Discord => {
            s.forbid("url", "who knows this address may send: give url_env, url_file or url_credential");
            secret()
        }
        WebhookKind::Telegram | WebhookKind::PagerDuty => {
            for key in URL {
                s.forbid(key, "the address is no secret here: give url, or nothing for the public one");
            }
            let public = if kind == WebhookKind::Telegram { TELEGRAM } else { PAGERDUTY };
            plain(s.text_opt("url").unwrap_or_else(|| public.to_owned()))
        }
    }
}

/// Whether alerts may be sent there: over TLS, or to this machine. The error is a sentence without the address.
pub fn fit(url: &str) -> Result<(), &'static str> {
    let rest = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => rest,
        (None, Some(rest)) if is_this_machine(url) => rest,
        (None, Some(_)) => return Err("must begin with https://: http:// is for this machine alone"),
        (None, None) => return Err("must begin with https://"),
    };
    if rest.split(['/', '?', '#']).next().is_none_or(|authority| authority.contains('@') || authority.is_empty()) {
        return Err("must name a host, without a user name or password");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Faults};

    const SHIPPED: &str = include_str!("../../config/tollgate.toml");
    const COMMON: &str = "min_severity = \"critical\"\ntimeout_ms = 5_000\nretry_min_ms = 1_000\nretry_max_ms = 60_000\n\
                          give_up_after_s = 3_600\nqueue_max = 100\n";

    fn parse(hooks: &str) -> Result<Vec<Webhook>, String> {
        let text = format!("{SHIPPED}\n{hooks}");
        Config::parse(&text).map(|config| config.webhooks).map_err(|Faults(faults)| {
            faults.iter().map(|fault| format!("{}: {}\n", fault.key, fault.message)).collect()
        })
    }

    fn hook(lines: &str) -> String {
        format!("[[webhooks]]\nname = \"desk\"\n{lines}{COMMON}")
    }

    #[test]
    fn every_kind_says_where_its_secrets_are_and_none_has_one() {
        let env = |name: &str| HookSecret::Given(SecretSource::Env(name.to_owned()));
        let kept = |name: &str| HookSecret::Kept(name.to_owned());
        let plain = |url: &str| WebhookAddress::Plain(url.to_owned());
        for (lines, address, secret, token) in [
            (
                "kind = \"json\"\nurl = \"https://a.example/alerts/\"\nsecret_env = \"S\"\n",
                plain("https://a.example/alerts"),
                true,
                false,
            ),
            (
                "kind = \"json\"\nurl = \"http://[::1]:9/a\"\nsecret_env = \"S\"\n",
                plain("http://[::1]:9/a"),
                true,
                false,
            ),
            ("kind = \"json\"\nurl_env = \"U\"\nsecret_env = \"S\"\n", WebhookAddress::Secret(env("U")), true, false),
            ("kind = \"slack\"\nurl_env = \"U\"\n", WebhookAddress::Secret(env("U")), false, false),
            (
                "kind = \"discord\"\nurl_file = \"u\"\n",
                WebhookAddress::Secret(HookSecret::Given(SecretSource::File("u".into()))),
                false,
                false,
            ),
            (
                "kind = \"slack\"\nurl_credential = \"slack-url\"\nsecret_credential = \"s\"\n",
                WebhookAddress::Secret(kept("slack-url")),
                true,
                false,
            ),
            ("kind = \"pagerduty\"\ntoken_credential = \"t\"\n", plain(PAGERDUTY), false, true),
            ("kind = \"telegram\"\ntoken_env = \"T\"\nchat_id = \"-1\"\n", plain(TELEGRAM), false, true),
            ("kind = \"pagerduty\"\ntoken_env = \"T\"\n", plain(PAGERDUTY), false, true),
            (
                "kind = \"pagerduty\"\ntoken_env = \"T\"\nurl = \"https://events.eu.pagerduty.com\"\n",
                plain("https://events.eu.pagerduty.com"),
                false,
                true,
            ),
        ] {
            let hooks = parse(&hook(lines)).unwrap_or_else(|faults| panic!("{lines}{faults}"));
            assert_eq!(hooks[0].address, address, "{lines}");
            assert_eq!((hooks[0].secret.is_some(), hooks[0].token.is_some()), (secret, token), "{lines}");
            assert_eq!((hooks[0].least, hooks[0].give_up_after_ns), (LeastSeverity::Critical, 3_600_000_000_000));
        }
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn a_fault_of_a_webhook_is_said_in_these_words() {
        let json = "kind = \"json\"\nsecret_env = \"S\"\n";
        for (lines, want) in [
            (
                format!("{json}url = \"http://a.example/\"\n"),
                "webhooks[0].url: must begin with https://: http:// is for this machine alone\n",
            ),
            (
                format!("{json}url = \"http://127.0.0.1.example/\"\n"),
                "webhooks[0].url: must begin with https://: http:// is for this machine alone\n",
            ),
            (
                format!("{json}url = \"https://ada:x@a.example/\"\n"),
                "webhooks[0].url: must name a host, without a user name or password\n",
            ),
            (
                "kind = \"json\"\nurl = \"https://a.example\"\n".to_owned(),
                "webhooks[0].secret_env: is missing: give it, secret_file or secret_credential\n",
            ),
            (
                "kind = \"slack\"\nurl = \"https://hooks.slack.com/services/x\"\nurl_env = \"U\"\n".to_owned(),
                "webhooks[0].url: who knows this address may send: give url_env, url_file or url_credential\n",
            ),
            (
                "kind = \"slack\"\nurl_env = \"U\"\nurl_credential = \"u\"\n".to_owned(),
                "webhooks[0].url_env: give it or url_credential, not both\n",
            ),
            (
                "kind = \"slack\"\nurl_credential = \"A/b\"\n".to_owned(),
                "webhooks[0].url_credential: \"A/b\" must be 1 to 32 of a-z, 0-9 and -\n",
            ),
            (
                "kind = \"discord\"\nurl_env = \"U\"\nkinds = [\"DAYLY_LOSS\"]\n".to_owned(),
                "webhooks[0].kinds: \"DAYLY_LOSS\" is none of ",
            ),
            (
                "kind = \"slack\"\nurl_env = \"U\"\nchat_id = \"1\"\n".to_owned(),
                "webhooks[0].chat_id: means nothing unless kind = \"telegram\"\n",
            ),
        ] {
            let faults = parse(&hook(&lines)).expect_err(&lines);
            assert!(faults.starts_with(want), "{lines}{faults}");
        }
        let twice = format!("{0}{0}", hook("kind = \"slack\"\nurl_env = \"U\"\n"));
        assert_eq!(parse(&twice).unwrap_err(), "webhooks[1].name: \"desk\" is used twice\n");
    }

    #[test]
    fn every_kind_of_alert_has_its_name_here() {
        let kinds: Vec<String> = crate::core::alarm::AlarmKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(kinds, ALERT_KINDS, "a kind was added or renamed: add it here, in the order of AlarmKind");
    }
}
