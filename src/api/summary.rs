//! What a run came to, for the one who stopped it.

use super::replies::usd;
use super::view::View;
use crate::core::risk::RULES;
use crate::domain::{Dec, Nanos};
use std::fmt::{self, Write};

/// The closing summary of the view's run: orders, fills, profit and loss, what is left, latency by stage.
pub struct Summary<'a> {
    view: &'a View,
    now: Nanos,
}

impl View {
    /// `now` ends the run.
    pub fn summary(&self, now: Nanos) -> Summary<'_> {
        Summary { view: self, now }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (view, core, run) = (self.view, self.view.core(), self.view.run_start());
        let (counters, before) = (core.counters(), &run.counters);
        let totals = &core.portfolio().totals;
        let seconds = if run.ts_ns == 0 { 0 } else { (self.now - run.ts_ns).max(0) / 1_000_000_000 };
        writeln!(
            f,
            "run {} of {:02}:{:02}:{:02}, {}",
            core.run(),
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            core.trading()
        )?;
        writeln!(
            f,
            "market    {} quotes, {} trades, {} book updates",
            counters.quotes - before.quotes,
            counters.trades - before.trades,
            counters.depth - before.depth
        )?;
        let denied: u64 = counters.denied.iter().sum::<u64>() - before.denied.iter().sum::<u64>();
        writeln!(
            f,
            "orders    {} placed, {} denied, {} rejected, {} became unknown, {} still open",
            counters.placed - before.placed,
            denied,
            counters.rejected - before.rejected,
            counters.unknown - before.unknown,
            core.orders().live_count()
        )?;
        for (rule, count) in
            RULES.iter().zip(counters.denied.iter().zip(before.denied).map(|(all, before)| all - before))
        {
            if count > 0 {
                writeln!(f, "          {count} by {rule}")?;
            }
        }
        writeln!(
            f,
            "fills     {}, doubled by the venue and counted once: {}",
            counters.fills - before.fills,
            counters.fills_doubled - before.fills_doubled
        )?;
        let pnl = totals.pnl().saturating_sub(run.pnl);
        writeln!(
            f,
            "P&L       {} USD of the run, {} of the day; fees of all runs {}",
            usd(pnl),
            usd(totals.day_pnl()),
            usd(totals.fees)
        )?;
        writeln!(
            f,
            "equity    {} USD, at most {} below its high",
            usd(totals.equity),
            usd(view.performance().drawdown_max)
        )?;
        for inst in core.portfolio().defined().filter(|inst| !inst.position.net.is_zero()) {
            let net = Dec { value: inst.position.net.0, scale: inst.def.qty_scale };
            writeln!(f, "position  {} {net}, {} USD unrealised", inst.def.symbol, usd(inst.unrealised()))?;
        }
        let mut kinds: Vec<(String, u64)> = Vec::new();
        for alarm in view.alarms().filter(|alarm| alarm.ts_ns >= run.ts_ns) {
            let kind = format!("{:?}", alarm.kind);
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, count)) => *count += 1,
                None => kinds.push((kind, 1)),
            }
        }
        let mut told = String::new();
        for (kind, count) in &kinds {
            write!(told, "{}{count} {kind}", if told.is_empty() { "" } else { ", " })?;
        }
        writeln!(f, "alarms    {}", if told.is_empty() { "none" } else { &told })?;
        let table = view.stages().table();
        if !table.is_empty() {
            write!(f, "\n{table}")?;
        }
        Ok(())
    }
}
