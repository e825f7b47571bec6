use super::super::testing::{Market, START_NS};
use super::*;
use crate::analytics::{CurveStats, TradeStats};
use crate::core::command::Command;
use crate::core::effect::Outbox;
use crate::domain::RequestId;

fn collect(recorder: &mut Recorder, rows: &mut Vec<Row>, event: &Event, out: &Outbox) {
    recorder.apply(event, out.effects().iter().map(|e| e.recorded()), rows);
}

#[test]
fn what_is_recorded_is_what_the_core_knows() {
    let (mut recorder, mut rows) = (Recorder::new(), Vec::new());
    let mut sink = |event: &Event, out: &Outbox| collect(&mut recorder, &mut rows, event, out);
    let mut market = Market::open(1_000_000_000, &mut sink);
    market.run(400, &mut sink);
    // Flat, and a last look.
    let net = market.core.portfolio().get(InstrumentId(0)).unwrap().position.net.0;
    market.trade(if net > 0 { Side::Sell } else { Side::Buy }, net.abs(), &mut sink);
    let command = Command {
        request: RequestId(1),
        who: Text::new("signal"),
        from: Text::default(),
        why: Text::default(),
        action: Action::Shutdown,
    };
    market.step(Body::Command(command), &mut sink);

    let fills: Vec<&FillRow> = rows.iter().filter_map(|r| if let Row::Fill(f) = r { Some(f) } else { None }).collect();
    let trades: Vec<ClosedTrade> =
        rows.iter().filter_map(|r| if let Row::Trade(_, t) = r { Some(*t) } else { None }).collect();
    let samples: Vec<Sample> =
        rows.iter().filter_map(|r| if let Row::Equity(_, s) = r { Some(*s) } else { None }).collect();
    let denials = rows.iter().filter(|r| matches!(r, Row::Denial(_))).count() as u64;
    let (counters, totals) = (market.core.counters(), &market.core.portfolio().totals);
    assert!(counters.fills >= 400 && denials > 0);
    assert_eq!(fills.len() as u64, counters.fills);
    assert_eq!(denials, counters.denied.iter().sum::<u64>());
    assert!(fills.iter().all(|f| f.slippage.is_some_and(|s| s >= Usd::ZERO)), "the venue only ever fills worse");
    let stats = TradeStats::of(&trades);
    // Flat: FIFO and average cost agree but for what each trade rounds.
    let (net, pnl) = (stats.net(), crate::domain::decimal::to_decimal(totals.pnl().0, 8));
    let off = (net - pnl).abs();
    assert!(off <= rust_decimal::Decimal::new(trades.len() as i64 + 1, 8), "{net} and {pnl}");
    let last = samples.last().unwrap();
    assert_eq!((last.exposure, last.fees), (Usd::ZERO, totals.fees));
    let came_to = last.equity.saturating_sub(samples[0].equity).0 - totals.pnl().0;
    // The first sample is taken with the first quote, before any trade.
    assert!(came_to.abs() <= trades.len() as i64 + 1, "{came_to}");
    let curve = CurveStats::of(&samples);
    assert!(curve.exposure_time.is_some_and(|share| share > 0.9 && share < 1.0), "{curve:?}");
    assert!(curve.drawdown.is_some());
    assert_eq!((recorder.fills_without_order, recorder.time_went_back), (0, 0));
}

#[test]
fn a_command_and_a_note_are_rows_that_say_who_and_from_where() {
    let (mut recorder, mut rows) = (Recorder::new(), Vec::new());
    let mut sink = |event: &Event, out: &Outbox| collect(&mut recorder, &mut rows, event, out);
    let mut market = Market::open(1, &mut sink);
    let note = Action::Note { what: Text::new("token-revoke"), about: Text::new("bob"), done: false };
    for action in [Action::CancelAll, note] {
        let (who, from, why) = (Text::new("alice"), Text::new("192.0.2.7"), Text::new("a reason"));
        market.step(Body::Command(Command { request: RequestId(1), who, from, why, action }), &mut sink);
    }
    let told: Vec<String> = rows
        .iter()
        .filter_map(|row| if let Row::Command(row) = row { Some(row) } else { None })
        .map(|row| format!("{} {} {} {:?} {}", row.who, row.from, row.action, row.about, row.done))
        .collect();
    assert_eq!(told, ["alice 192.0.2.7 cancel-all-orders \"\" true", "alice 192.0.2.7 token-revoke \"bob\" false"]);
}

#[test]
fn impossible_evidence_is_counted_and_nothing_breaks() {
    let (mut recorder, mut rows) = (Recorder::new(), Vec::new());
    let mut sink = |event: &Event, out: &Outbox| collect(&mut recorder, &mut rows, event, out);
    Market::open(1, &mut sink);
    let fill = Fill { order: OrderId(77), qty: Qty(1), px: Price(1), position: Qty(1), ..Fill::default() };
    let event = |seq, ts_ns| Event { seq, ts_ns, recv_ns: 0, decoded_ns: 0, body: Body::Tick };
    recorder.apply(&event(11, START_NS - 5), [EffectOf::Fill(fill)].into_iter(), &mut rows);
    let nowhere = Fill { instrument: InstrumentId(200), ..fill };
    recorder.apply(&event(12, START_NS + 99), [EffectOf::Fill(nowhere)].into_iter(), &mut rows);
    assert_eq!((recorder.fills_without_order, recorder.time_went_back), (2, 1));
}
