//! What the engine says when it has stopped.

use super::narrate::dollars;
use crate::api::view::View;
use crate::core::risk::RULES;
use crate::domain::{Dec, Nanos};
use std::fmt::Write;

/// The closing summary. `market` are lines that the feeds have to say of themselves.
pub fn summary(view: &View, elapsed_ns: Nanos, market: &[String]) -> String {
    let core = view.core();
    let (now, before) = (core.counters(), &view.run_start().counters);
    let totals = &core.portfolio().totals;
    let mut s = String::new();
    let seconds = elapsed_ns / 1_000_000_000;
    // Writing into a String cannot fail.
    let _ = writeln!(s, "\nstopped after {} min {:02} s, on paper, {} events journaled", seconds / 60, seconds % 60, core.seq());
    let _ = writeln!(
        s,
        "  orders     {} sent, {} rejected or not sent, {} of unknown fate on the way",
        now.placed - before.placed,
        now.rejected - before.rejected,
        now.unknown - before.unknown,
    );
    let denied: Vec<(usize, u64)> =
        now.denied.iter().zip(&before.denied).map(|(n, b)| n - b).enumerate().filter(|(_, n)| *n > 0).collect();
    let total: u64 = denied.iter().map(|(_, n)| n).sum();
    let by_rule: Vec<String> = denied.iter().map(|(rule, n)| format!("{} {n}", RULES[*rule])).collect();
    let _ = writeln!(s, "  denied     {total}{}{}", if total > 0 { ": " } else { "" }, by_rule.join(", "));
    let _ = writeln!(
        s,
        "  fills      {}, {} received twice and counted once",
        now.fills - before.fills,
        now.fills_doubled - before.fills_doubled
    );
    let _ = writeln!(
        s,
        "  profit     {:+.2} USD in this run; since the journal began: realised {:+.2}, unrealised {:+.2}, fees {:.2}",
        dollars(totals.pnl().saturating_sub(view.run_start().pnl)),
        dollars(totals.realised),
        dollars(totals.unrealised),
        dollars(totals.fees),
    );
    let _ = writeln!(s, "  equity     {:.2} USD", dollars(totals.equity));
    for inst in core.portfolio().defined().filter(|i| !i.position.net.is_zero()) {
        let net = Dec { value: inst.position.net.0, scale: inst.def.qty_scale };
        let avg = Dec { value: inst.position.avg_px().unwrap_or_default().0, scale: inst.def.px_scale };
        let _ = writeln!(s, "  position   {net} {} at {avg}", inst.def.symbol);
    }
    let open = core.orders().live_count();
    let _ = writeln!(s, "  open       {open} orders{}", if open == 0 { "" } else { ": LOOK AT THE VENUE" });
    for order in core.orders().live() {
        let _ = writeln!(s, "             {} {} {}", order.id.client_text(core.epoch()).as_str(), order.side.as_str(), order.status);
    }
    for line in market {
        let _ = writeln!(s, "  market     {line}");
    }
    let _ = writeln!(s, "  alarms     {}", view.alarms_total());
    let latency = view.stages().table();
    if !latency.is_empty() {
        let _ = writeln!(s, "\nlatency by stage\n{latency}");
    }
    s
}
