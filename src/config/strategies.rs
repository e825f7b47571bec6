//! The strategies that trade from the start.

use super::reader::Section;
use crate::domain::{Dec, Nanos, Usd};

/// One strategy on one instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strategy {
    /// A venue's name and one of its symbols; checked to be configured.
    pub venue: String,
    pub symbol: String,
    pub kind: StrategyKind,
    /// Symbols at the venue that it may trade; its own where none is listed.
    pub allow: Vec<String>,
}

/// Which strategy, and its parameters. Percentages are in parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrategyKind {
    EmaCross {
        fast: u32,
        slow: u32,
        sample_ns: Nanos,
        order_notional: Usd,
    },
    Maker {
        offset_ppm: u32,
        requote_ppm: u32,
        order_notional: Usd,
        inventory_max: Usd,
    },
    /// `qty` as written; it must fit the instrument's lot, which only the venue knows.
    Probe {
        every: u32,
        qty: Dec,
    },
}

/// Most that a limit in dollars may be: far above any account, far below where a sum could not be kept.
pub(super) const USD_MAX: i64 = 1_000_000_000;

impl Strategy {
    pub(super) fn read(s: Section) -> Strategy {
        #[derive(Clone, Copy)]
        enum Kind {
            EmaCross,
            Maker,
            Probe,
        }
        let usd = |key| Usd(s.decimal_above_zero(key, Usd::SCALE, USD_MAX));
        let whole = |key| s.whole(key, 1..=1_000_000) as u32;
        let (venue, symbol) = (s.text("venue"), s.text("symbol"));
        let words = [("ema_cross", Kind::EmaCross), ("maker", Kind::Maker), ("probe", Kind::Probe)];
        let Some(kind) = s.word("kind", &words) else {
            // Which keys belong here is not known, so none is called unknown.
            let kind = StrategyKind::Probe { every: 1, qty: Dec::default() };
            return Strategy { venue, symbol, kind, allow: Vec::new() };
        };
        let kind = match kind {
            Kind::EmaCross => {
                let (fast, slow) = (whole("fast"), whole("slow"));
                if fast >= slow && s.sound(&["fast", "slow"]) {
                    s.fault("fast", format!("{fast} must be below slow = {slow}"));
                }
                let sample_ns = s.millis("sample_ms", 1..=86_400_000);
                StrategyKind::EmaCross { fast, slow, sample_ns, order_notional: usd("order_notional_usd") }
            }
            Kind::Maker => StrategyKind::Maker {
                offset_ppm: s.percent_above_zero("offset_pct", 50),
                requote_ppm: s.percent_above_zero("requote_pct", 50),
                order_notional: usd("order_notional_usd"),
                inventory_max: usd("inventory_max_usd"),
            },
            Kind::Probe => StrategyKind::Probe { every: whole("every"), qty: s.decimal_as_written("qty") },
        };
        let allow = if s.has("allow") { s.texts("allow") } else { Vec::new() };
        s.finish();
        Strategy { venue, symbol, kind, allow }
    }

    /// Notional of one of its orders, where it is told in dollars.
    pub fn order_notional(&self) -> Option<Usd> {
        match self.kind {
            StrategyKind::EmaCross { order_notional, .. } | StrategyKind::Maker { order_notional, .. } => {
                Some(order_notional)
            }
            StrategyKind::Probe { .. } => None,
        }
    }
}
