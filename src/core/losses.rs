//! What losses do: the loss of the day, the fall from the high-water mark, losses in a row. Watched on every quote and
//! fill; cost does not depend on how much is held.
//!
//! Alarms are raised once a level, and armed again at the day boundary, or when a person resumes trading.
//! The high-water mark is one of profit: what is paid in or out, and what one merely holds, is no fall. The equity at
//! the mark is today's equity and the fall together.

use super::Core;
use super::command::TradingState;
use super::effect::{AlarmKind, Outbox};
use crate::domain::{InstrumentId, OrderId, Usd};
use crate::wire_struct;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Highest profit since the mark was set: by the journal's begin, or by the last resumption.
    pub high: Usd,
    /// Losing orders in a row, and the last one of them, which counts once however it fills.
    pub streak: u32,
    streak_order: OrderId,
    /// Levels that were told: of the day's loss (50, 80, 100 %, the halt), and of the fall (reduce, halt).
    pub(super) day_told: u8,
    pub(super) fall_told: u8,
}
wire_struct!(Losses { high, streak, streak_order, day_told, fall_told });

impl Losses {
    pub(super) fn on_day(&mut self) {
        self.day_told = 0;
    }

    /// A person lets trading go on: the fall begins anew, and so does the row. The day's loss does not.
    pub(super) fn on_resume(&mut self, pnl: Usd) {
        *self = Losses { high: pnl, day_told: self.day_told, ..Losses::default() };
    }
}

/// `part` is at least `ppm` of `whole`.
#[inline]
fn reaches(part: Usd, whole: Usd, ppm: u32) -> bool {
    i128::from(part.0) * 1_000_000 >= i128::from(whole.0) * i128::from(ppm)
}

impl Core {
    /// Trips what losses trip. At the limit of the day only reducing orders pass; at the halt, cancels only.
    #[inline]
    pub(super) fn watch_loss(&mut self, out: &mut Outbox) {
        if !self.limits_set {
            return;
        }
        let totals = &self.portfolio.totals;
        let pnl = totals.pnl();
        let (loss, fall) = (Usd(totals.day_pnl().0.saturating_neg()), self.losses.high.saturating_sub(pnl));
        if fall <= Usd::ZERO {
            self.losses.high = pnl;
            self.losses.fall_told = 0;
        }
        if loss > Usd::ZERO {
            self.watch_day(loss, out);
        }
        if fall > Usd::ZERO {
            self.watch_fall(fall, out);
        }
    }

    fn watch_day(&mut self, loss: Usd, out: &mut Outbox) {
        let max = self.limits.daily_loss_max;
        let told = self.losses.day_told;
        for (level, ppm, kind) in [
            (1, 500_000, AlarmKind::DailyLossHalf),
            (2, 800_000, AlarmKind::DailyLossNear),
            (4, self.limits.daily_loss_halt_ppm, AlarmKind::DailyLossHalt),
        ] {
            if told < level && reaches(loss, max, ppm) {
                self.losses.day_told = level;
                self.alarm(kind, InstrumentId::UNKNOWN, OrderId::FOREIGN, out);
                if level == 4 {
                    self.halt_at_once(kind, out);
                }
            }
        }
        // As long as the loss stands, a resumption is taken back.
        if self.trading == TradingState::Active && loss >= max {
            self.losses.day_told = self.losses.day_told.max(3);
            self.alarm(AlarmKind::DailyLoss, InstrumentId::UNKNOWN, OrderId::FOREIGN, out);
            self.set_trading(TradingState::Reducing, out);
        }
    }

    fn watch_fall(&mut self, fall: Usd, out: &mut Outbox) {
        let at_mark = self.portfolio.totals.equity.saturating_add(fall);
        if self.losses.fall_told < 1 && reaches(fall, at_mark, self.limits.drawdown_reduce_ppm) {
            self.losses.fall_told = 1;
            self.reduce_for(AlarmKind::Drawdown, out);
        }
        if self.losses.fall_told < 2 && reaches(fall, at_mark, self.limits.drawdown_halt_ppm) {
            self.losses.fall_told = 2;
            self.alarm(AlarmKind::DrawdownHalt, InstrumentId::UNKNOWN, OrderId::FOREIGN, out);
            self.halt_at_once(AlarmKind::DrawdownHalt, out);
        }
    }

    /// A fill of an order realised this much after its fee, where it closed something.
    pub(super) fn watch_streak(&mut self, order: OrderId, profit: Usd, out: &mut Outbox) {
        let losses = &mut self.losses;
        if profit > Usd::ZERO {
            losses.streak = 0;
        } else if profit < Usd::ZERO && losses.streak_order != order {
            losses.streak += 1;
            losses.streak_order = order;
            if losses.streak == self.limits.loss_streak_max {
                self.reduce_for(AlarmKind::LossStreak, out);
            }
        }
    }

    fn reduce_for(&mut self, kind: AlarmKind, out: &mut Outbox) {
        self.alarm(kind, InstrumentId::UNKNOWN, OrderId::FOREIGN, out);
        if self.trading == TradingState::Active {
            self.set_trading(TradingState::Reducing, out);
        }
    }
}
