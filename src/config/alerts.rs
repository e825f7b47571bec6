//! What alerts do, and when conditions become one.

use super::reader::Section;
use crate::domain::Nanos;

/// What alerts of a severity do by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlertAct {
    #[default]
    None,
    Reduce,
    Halt,
    Stop,
}

/// The section is one that may be left out: then alerts are told, and emergencies halt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alerts {
    /// By severity: warning, critical, emergency.
    pub acts: [AlertAct; 3],
    /// 0: never.
    pub escalate_after_ns: Nanos,
    /// The most that one does which only became so grave because nobody acknowledged it.
    pub escalated: AlertAct,
    /// Parts per million of a limit.
    pub exposure_high_ppm: u32,
    /// Parts per million of a minimum.
    pub balance_low_ppm: u32,
    /// 0: never.
    pub feed_stale_ns: Nanos,
    pub venue_down_ns: Nanos,
    /// 0: never.
    pub risk_score_high: u32,
}

impl Default for Alerts {
    fn default() -> Alerts {
        Alerts {
            acts: [AlertAct::None, AlertAct::None, AlertAct::Halt],
            escalate_after_ns: 900_000_000_000,
            escalated: AlertAct::Reduce,
            exposure_high_ppm: 800_000,
            balance_low_ppm: 1_200_000,
            feed_stale_ns: 10_000_000_000,
            venue_down_ns: 10_000_000_000,
            risk_score_high: 80,
        }
    }
}

impl Alerts {
    pub(super) fn read(s: Section) -> Alerts {
        let words = [
            ("none", AlertAct::None),
            ("reduce", AlertAct::Reduce),
            ("halt", AlertAct::Halt),
            ("stop", AlertAct::Stop),
        ];
        let act = |key| s.word(key, &words).unwrap_or_default();
        let alerts = Alerts {
            acts: [act("on_warning"), act("on_critical"), act("on_emergency")],
            escalate_after_ns: s.millis("escalate_after_ms", 0..=86_400_000),
            escalated: act("on_escalated"),
            exposure_high_ppm: s.percent_above_zero("exposure_high_pct", 100),
            balance_low_ppm: s.percent_above_zero("balance_low_pct", 1_000),
            feed_stale_ns: s.millis("feed_stale_ms", 0..=3_600_000),
            venue_down_ns: s.millis("venue_down_ms", 0..=3_600_000),
            risk_score_high: s.whole("risk_score_high", 0..=100) as u32,
        };
        if alerts.balance_low_ppm < 1_000_000 && s.sound(&["balance_low_pct"]) {
            s.fault("balance_low_pct", "must be at least 100: below account_balance_min_usd nothing opens any more");
        }
        s.finish();
        alerts
    }
}
