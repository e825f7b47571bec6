//! What an operator should know: the kinds of alarm, how grave each is, and whether it ends by itself.

use crate::core::command::Scope;
use crate::domain::Text;
use crate::{wire_enum, wire_struct};
use std::fmt;

/// How grave an alert is. What each does by itself is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub enum Severity {
    /// Look at it in the next hours.
    #[default]
    Warning,
    /// Look at it now.
    Critical,
    /// Money is at stake.
    Emergency,
}
wire_enum!(Severity { 0 => Warning, 1 => Critical, 2 => Emergency });

impl Severity {
    pub const ALL: [Severity; 3] = [Severity::Warning, Severity::Critical, Severity::Emergency];

    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
            Severity::Emergency => "emergency",
        }
    }

    /// One graver; the gravest stays.
    pub fn above(self) -> Severity {
        match self {
            Severity::Warning => Severity::Critical,
            Severity::Critical | Severity::Emergency => Severity::Emergency,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Defines the kinds once: name, severity, whether what it tells of lasts and ends by itself, and its sentence.
macro_rules! kinds {
    ($($(#[$doc:meta])* $tag:literal $name:ident, $severity:ident, $lasts:literal, $words:literal;)*) => {
        /// What an alarm is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum AlarmKind { $($(#[$doc])* $name),* }

        wire_enum!(AlarmKind { $($tag => $name),* });

        impl AlarmKind {
            pub const ALL: [AlarmKind; [$($tag),*].len()] = [$(AlarmKind::$name),*];

            /// How grave it is when it is raised; escalation adds one.
            pub fn severity(self) -> Severity {
                match self { $(AlarmKind::$name => Severity::$severity),* }
            }

            /// It tells of a condition, and is cleared when that ends. Others tell of something that happened, and are
            /// cleared by whoever acknowledges them.
            pub fn lasts(self) -> bool {
                match self { $(AlarmKind::$name => $lasts),* }
            }

            /// As interfaces write it: `DAILY_LOSS_HALT`.
            pub fn code(self) -> String {
                let mut code = String::new();
                for c in match self { $(AlarmKind::$name => stringify!($name)),* }.chars() {
                    if c.is_ascii_uppercase() && !code.is_empty() {
                        code.push('_');
                    }
                    code.push(c.to_ascii_uppercase());
                }
                code
            }

            /// As a sentence.
            pub fn words(self) -> &'static str {
                match self { $(AlarmKind::$name => $words),* }
            }
        }
    };
}

kinds! {
    /// The venue is asked.
    0 ImpossibleReport, Critical, false, "a report cannot follow the order's state";
    1 UnknownInstrument, Warning, false, "a report names an instrument that is not configured";
    2 UnknownOrder, Critical, false, "a report names an order of this journal that is no longer remembered";
    3 ForeignOrder, Critical, false, "an order that is not this engine's works on the account; it is left alone";
    4 OrderUnknown, Critical, true, "the fate of an order is unknown; the venue is asked, nothing is sent again";
    5 FeeNotValued, Warning, false, "a commission was taken in an asset without a price; it is counted as nothing";
    6 Overflow, Emergency, true, "a number does not fit; growth is denied until it is looked into";
    7 DailyLoss, Critical, true, "the loss of the day has reached its limit; only reducing orders pass";
    8 TableFull, Critical, false, "a table is full";
    9 InstrumentChanged, Critical, false,
        "an instrument came back with other scales while something hangs on the old ones; it is halted";
    10 FillsMissing, Critical, true, "the venue counts fills that were not received; they are being fetched";
    /// The rest is below the venue's smallest order, or its orders keep failing.
    11 NotFlattened, Critical, true, "a position could not be closed; look at the venue";
    12 Runaway, Critical, true,
        "a strategy was executed too often in one direction: it is halted until a person resumes it";
    13 DailyLossHalf, Warning, true, "the loss of the day has reached half of its limit";
    14 DailyLossNear, Critical, true, "the loss of the day has reached four fifths of its limit";
    15 DailyLossHalt, Emergency, true, "the loss of the day is beyond its limit: trading is halted, orders are cancelled";
    16 Drawdown, Critical, true, "the fall from the high-water mark has reached its limit; only reducing orders pass";
    17 DrawdownHalt, Emergency, true, "the fall from the high-water mark: trading is halted, orders are cancelled";
    18 LossStreak, Critical, true, "too many losing orders in a row; only reducing orders pass";
    19 ExposureHigh, Warning, true, "exposure is near its limit";
    20 BalanceLow, Critical, true, "equity is near or below the minimum of the account";
    21 MarginLow, Critical, true, "equity is near or below what the venue asks as maintenance margin";
    22 CorrelationExceeded, Critical, true, "exposure in instruments that move together is above its limit";
    23 FeedStale, Warning, true, "there is no fresh quote; orders for the instrument are denied";
    24 VenueDown, Critical, true, "the venue cannot be reached or is not reconciled; orders for it are denied";
    25 ClockOff, Warning, true, "this machine's clock is off from the venue's; look at its time service";
    26 RateLimitNear, Warning, true, "the venue's request limit is nearly used up; what is left is kept for cancels";
    27 CredentialExpiring, Warning, true, "a venue's key is due to be exchanged; store a new one";
    28 EmergencyStop, Emergency, true, "the emergency stop is set; a person resumes by name and reason";
    29 ProtectionTriggered, Warning, false, "a stop loss or take profit was reached; the position is being closed";
    30 NotProtected, Critical, false,
        "too many entries are protected already: this one has no stop loss and no take profit";
    31 ProtectionBlocked, Critical, false,
        "a stop loss or take profit was reached and its exit does not come about; it is tried every second";
    32 StopUnconfirmed, Critical, true,
        "the emergency stop is set, and the venue has not confirmed that nothing is left; it is asked again and again";
    33 StoreBehind, Warning, true, "the trade store cannot be written; its rows wait in the journal, trading goes on";
    34 RiskScoreHigh, Warning, true, "the portfolio's risk score is high; its parts are in risk-metrics";
    /// A deposit, a fee that nobody told of, or somebody else's trade.
    35 ReconcileDifference, Critical, true,
        "a balance at the venue is not what the engine's fills made of it; look at the account";
    36 StillHeld, Critical, true, "a position was closed, and the venue still shows one; look at the venue";
    37 VaultAway, Warning, true, "Vault is not to be had; the keys that were loaded stay in use";
    38 PlaintextKeys, Warning, true, "venue keys lie on the disk without encryption (allow_plaintext)";
    /// Its owner has switched trading off, or the venue has blocked it; told by the account, not by an order.
    40 AccountBarred, Critical, true,
        "the venue takes no new orders from the account; look at its page there, cancels still go";
    39 LoginsRefused, Critical, true, "the API is being asked with wrong tokens again and again; look at the addresses";
}

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum AlertChange {
    #[default]
    Raised,
    /// The same again while it stands: counted.
    Repeated,
    /// The same again shortly after it was cleared.
    Reopened,
    /// Nobody acknowledged it in time.
    Escalated,
    Acknowledged,
    Cleared,
}
wire_enum!(AlertChange { 0 => Raised, 1 => Repeated, 2 => Reopened, 3 => Escalated, 4 => Acknowledged, 5 => Cleared });

impl AlertChange {
    pub fn as_str(self) -> &'static str {
        match self {
            AlertChange::Raised => "raised",
            AlertChange::Repeated => "repeated",
            AlertChange::Reopened => "reopened",
            AlertChange::Escalated => "escalated",
            AlertChange::Acknowledged => "acknowledged",
            AlertChange::Cleared => "cleared",
        }
    }

    /// Something is wrong, newly or still; the others say that somebody knows, or that it is over.
    pub fn is_alarm(self) -> bool {
        !matches!(self, AlertChange::Acknowledged | AlertChange::Cleared)
    }
}

/// The alert that an alarm belongs to, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    /// 1, 2, 3, … for the life of a journal.
    pub alert: u64,
    pub scope: Scope,
    pub severity: Severity,
    pub change: AlertChange,
    /// Who acknowledged it.
    pub who: Text<24>,
}
wire_struct!(News { alert, scope, severity, change, who });
