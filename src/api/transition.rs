//! Between paper and live: `transition-status` and the four requests; what each mode came to.

use super::act::{named, outcome};
use super::answer::{Answer, Failure, ok, pending, time};
use super::app::{App, Call, unanswered};
use super::fields::Fields;
use super::kept::keep;
use super::replies::usd;
use super::view::View;
use crate::analytics::TradeStats;
use crate::analytics::stats::{self, DAYS_PER_YEAR};
use crate::core::command::{Action, Ask};
use crate::core::effect::Reply;
use crate::core::standing::{Cause, Measured, StageRule, Standing};
use crate::domain::{Dec, InstrumentId, Mode, Nanos, Usd, VenueId};
use crate::transition::{Judge, Milestone, Performance, Refusal};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Changes shown by `transition-status`.
const HISTORY_SHOWN: usize = 20;

/// The judge that the transition thread feeds and requests look at.
#[derive(Clone)]
pub struct SharedJudge(Arc<Mutex<Judge>>);

impl SharedJudge {
    pub fn new(judge: Judge) -> SharedJudge {
        SharedJudge(Arc::new(Mutex::new(judge)))
    }

    /// Waits for at most a batch of records.
    pub fn lock(&self) -> MutexGuard<'_, Judge> {
        // A judge that panicked judges no more, but what it knew may still be shown.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn judge(app: &App) -> Result<&SharedJudge, Failure> {
    app.judge.as_ref().ok_or_else(|| {
        let message = "nobody gathers evidence in this engine: its log says why";
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "NO_TRANSITION", message)
    })
}

/// One of the four requests.
pub(super) async fn ask(app: &Call<'_>, fields: Fields<'_>, ask: Ask) -> Answer {
    app.ready()?;
    let (who, why) = named(app, &fields);
    fields.finish().map_err(Failure::fields)?;
    let judge = judge(app)?;
    let deadline = app.deadline();
    let request = app.send_as(&who, Action::Transition(ask), &why)?;
    // A request with this key was told already.
    if let Some(told) = app.view.lock().keys().get(request).and_then(|keyed| keyed.kept.answer()) {
        return told;
    }
    if ask == Ask::Revert {
        // The core does that by itself, at once.
        return match outcome(app, deadline, request, |outcome| outcome.reply.is_some()).await {
            Some(found) if found.reply == Some(Reply::NotFound) => {
                let standing = app.view.lock().core().road().standing();
                let message = format!("revert-to-paper is not possible in state {}: nothing is live", standing.state);
                keep(app, deadline, request, Err(refused(message, &[]))).await
            }
            Some(_) => ok(status(&judge.lock(), &app.view.lock())),
            None => pending(unanswered(request)),
        };
    }
    enum Found {
        Moved,
        Refused(String, Vec<String>),
    }
    let found = app
        .until(deadline, |view| {
            if let Some(outcome) = view.request(request) {
                if outcome.moved {
                    return Some(Found::Moved);
                }
                if let Some(refusal) = outcome.refusal {
                    return Some(Found::Refused(refusal.to_string(), Vec::new()));
                }
            }
            // Of a run that is over: it was never judged, and no step of it is on its way any more.
            if request.0 >> 32 != u64::from(app.info.run) {
                let message = "the engine went down before the request was judged: it changed nothing; ask with a new \
                               Idempotency-Key";
                return Some(Found::Refused(message.to_owned(), Vec::new()));
            }
            let judge = judge.lock();
            let refused = judge.refusals().find(|refused| refused.request == request)?;
            let reasons = match &refused.refusal {
                Refusal::NotEligible(reasons) => reasons.clone(),
                _ => Vec::new(),
            };
            Some(Found::Refused(refused.refusal.to_string(), reasons))
        })
        .await;
    let answer = match found {
        Some(Found::Moved) => {
            let view = app.view.lock();
            ok(json!({ "request_id": request.to_string(), "state": standing(view.core().road().standing()) }))
        }
        Some(Found::Refused(message, reasons)) => Err(refused(message, &reasons)),
        None => pending(unanswered(request)),
    };
    keep(app, deadline, request, answer).await
}

fn refused(message: String, reasons: &[String]) -> Failure {
    Failure::new(StatusCode::CONFLICT, "TRANSITION_REFUSED", message).with(json!({ "reasons": reasons }))
}

/// `transition-status`.
pub(super) fn show(app: &App) -> Answer {
    let judge = judge(app)?;
    // In the order in which `ask` takes them.
    let view = app.view.lock();
    ok(status(&judge.lock(), &view))
}

fn standing(at: Standing) -> Value {
    json!({ "state": at.state.as_str(), "stage": at.stage, "approvals": at.approvals })
}

fn status(judge: &Judge, view: &View) -> Value {
    let road = view.core().road();
    let (at, policy) = (road.standing(), road.policy());
    let verdict = judge.verdict();
    let (paper, restarted, why) = judge.paper();
    let day_ns = judge.way().criteria().day_ns;
    let met = judge.way().met_since();
    let milestones: Vec<Value> = verdict.milestones().iter().zip(met).map(|(m, since)| milestone(m, *since)).collect();
    let evidence_of = if at.state.is_live() { "live, since the stage began" } else { "paper" };
    let stages: Vec<Value> =
        (1..=policy.stages).map(|n| stage(n, &policy.rule(n), policy.capital_of(n), day_ns)).collect();
    let venues: Vec<Value> = road
        .live_venues()
        .map(|id| {
            let name = |id| view.core().venues().find(|(known, _, _)| *known == id).map(|(_, name, _)| name.to_owned());
            let state = view.core().venues().find(|(known, _, _)| *known == id).map(|(_, _, state)| state.as_str());
            json!({ "exchange": name(id), "paper": road.paper_of(id).and_then(name), "session": state })
        })
        .collect();
    let history: Vec<Value> = judge
        .history()
        .rev()
        .take(HISTORY_SHOWN)
        .map(|row| {
            let moved = &row.moved;
            json!({
                "at": time(row.ts_ns),
                "from": standing(moved.from),
                "to": standing(moved.to),
                "change": moved.change.as_str(),
                "cause": (moved.cause != Cause::None).then(|| moved.cause.to_string()),
                "who": moved.who.as_str(),
                "why": moved.why.as_str(),
                "evidence": row.evidence.map(|e| measured(&e, day_ns)),
            })
        })
        .collect();
    let comparison = judge.comparison();
    let apart = comparison.difference();
    json!({
        "state": at.state.as_str(),
        "stage": at.stage,
        "since": (road.since_ns() != 0).then(|| time(road.since_ns())),
        "approvals": road.approvers().iter().map(|who| who.as_str()).collect::<Vec<_>>(),
        "approvals_needed": policy.approvals,
        "live_configured": road.is_configured() && road.live_venues().next().is_some(),
        "live_venues": venues,
        "eligible": verdict.is_eligible(),
        "reasons": verdict.reasons(),
        "evidence_of": evidence_of,
        "milestones": milestones,
        "paper_evidence": {
            "since": time(paper.since_ns()),
            "began_anew_for": restarted,
            "because": why,
            "days": format!("{:.2}", paper.observed_ns() as f64 / day_ns as f64),
            "day_seconds": day_ns / 1_000_000_000,
        },
        "capital_usd": usd(policy.capital),
        "stages": stages,
        "live_against_paper": {
            "live_trades": comparison.live.n,
            "paper_trades": comparison.paper.n,
            "mean_difference_usd": apart.map(|(mean, _)| number(mean)),
            "at_best_usd": apart.map(|(_, bound)| number(bound)),
            "live_fills": comparison.live_slippage.fills,
            "paper_fills": comparison.paper_slippage.fills,
            "live_slippage_pct": comparison.live_slippage.ppm().map(percent),
            "paper_slippage_pct": comparison.paper_slippage.ppm().map(percent),
        },
        "history": history,
    })
}

fn milestone(m: &Milestone, since: Option<Nanos>) -> Value {
    json!({
        "name": m.name,
        "value": m.value.map(number),
        "need": number(m.need),
        "interval_95": m.interval.map(|(low, high)| [number(low), number(high)]),
        "met": m.met,
        "met_since": since.map(time),
        "missing": m.missing,
    })
}

fn stage(n: u8, rule: &StageRule, capital: Usd, day_ns: Nanos) -> Value {
    json!({
        "stage": n,
        "capital_usd": usd(capital),
        "order_notional_max_usd": usd(rule.caps.order_notional_max),
        "position_notional_max_usd": usd(rule.caps.position_notional_max),
        "orders_per_day_max": rule.caps.orders_per_day_max,
        "open_orders_max": rule.caps.open_orders_max,
        "days_min": rule.observed_ns / day_ns.max(1),
        "trades_min": rule.trades,
    })
}

fn measured(e: &Measured, day_ns: Nanos) -> Value {
    let ratio =
        |ppm: i64| if ppm == i64::MAX { "no loss".to_owned() } else { Dec { value: ppm, scale: 6 }.to_string() };
    json!({
        "trades": e.trades,
        "wins": e.wins,
        "losses": e.losses,
        "profit_factor": e.profit_factor_ppm.map(ratio),
        "sharpe": e.sharpe_ppm.map(ratio),
        "drawdown_pct": percent(i64::try_from(e.drawdown_ppm).unwrap_or(i64::MAX)),
        "days": format!("{:.2}", e.observed_ns as f64 / day_ns.max(1) as f64),
        "impossible_records": e.impossible,
        "configuration": e.configuration,
    })
}

fn percent(ppm: i64) -> String {
    Dec { value: ppm, scale: 4 }.to_string()
}

/// A statistic; what is no number is told as text.
fn number(value: f64) -> Value {
    if value.is_finite() { json!((value * 1e9).round() / 1e9) } else { json!(value.to_string()) }
}

/// `performance&mode=`: what the mode came to since the journal began. The two never mix.
pub(super) fn performance(app: &App, mode: Mode) -> Answer {
    // Both are asked here: the view's lock comes first.
    let venues: BTreeMap<VenueId, String> = {
        let view = app.view.lock();
        view.core().venues().map(|(id, name, _)| (id, name.to_owned())).collect()
    };
    let judge = judge(app)?.lock();
    let found = judge.performance(mode);
    let symbol = |id: &InstrumentId| judge.symbol(*id).unwrap_or_else(|| id.to_string());
    let venue = |id: &VenueId| venues.get(id).cloned().unwrap_or_else(|| id.to_string());
    let ids = judge.quoted(mode);
    let correlation: Vec<Value> = judge
        .prices
        .correlations_of(&ids)
        .into_iter()
        .map(|row| row.into_iter().map(|(value, _)| value.map(number).unwrap_or_default()).collect())
        .collect();
    ok(json!({
        "mode": mode.as_str(),
        "summary": trades(found.whole.trades()),
        "curve": curve(found),
        "by_symbol": split(&found.by_instrument, symbol),
        "by_exchange": split(&found.by_venue, venue),
        "by_strategy": split(&found.by_strategy, |id| if id.0 == 0 { "by hand".to_owned() } else { id.to_string() }),
        "by_hour_utc": split(&found.by_hour, |hour| format!("{hour:02}")),
        "correlation": {
            "symbols": ids.iter().map(|id| judge.symbol(*id).unwrap_or_else(|| id.to_string())).collect::<Vec<_>>(),
            "interval_seconds": crate::analytics::PRICE_INTERVAL_NS / 1_000_000_000,
            "matrix": correlation,
        },
    }))
}

fn split<K>(stats: &BTreeMap<K, TradeStats>, name: impl Fn(&K) -> String) -> Value {
    stats.iter().map(|(key, stats)| (name(key), trades(stats))).collect::<serde_json::Map<_, _>>().into()
}

fn curve(found: &Performance) -> Value {
    let period = &found.whole;
    let (evidence, equity, returns) = (period.evidence(), period.equity(), period.returns());
    // A day says nothing of a year.
    let of_year = |f: fn(&[f64], f64) -> Option<f64>| if returns.len() < 2 { None } else { f(&returns, DAYS_PER_YEAR) };
    let fall = period.fall().map(|fall| {
        json!({ "high_at": time(fall.high_ns), "low_at": time(fall.low_ns),
            "recovered_at": fall.recovered_ns.map(time) })
    });
    let span = found.samples.filter(|(first, last)| last.ts_ns > first.ts_ns);
    let exposed =
        span.map(|(first, last)| (last.exposed_ns - first.exposed_ns) as f64 / (last.ts_ns - first.ts_ns) as f64);
    json!({
        "equity_start_usd": equity.map(|(start, _)| usd(start)),
        "equity_usd": equity.map(|(_, now)| usd(now)),
        "sharpe": evidence.sharpe.map(number),
        "sortino": of_year(|returns, year| stats::sortino(returns, 0.0, year)).map(number),
        "calmar": of_year(stats::calmar).map(number),
        "volatility": stats::volatility(&returns, DAYS_PER_YEAR).map(number),
        "daily_returns": evidence.returns,
        "max_drawdown": number(evidence.drawdown),
        "max_drawdown_dates": fall,
        "exposure_time": exposed.map(number),
        "turnover_usd": found.samples.map(|(first, last)| usd(last.turnover.saturating_sub(first.turnover))),
        "days": number(evidence.days),
        "impossible_records": evidence.fills_without_order + evidence.time_went_back,
    })
}

fn trades(stats: &TradeStats) -> Value {
    json!({
        "trades": stats.trades,
        "wins": stats.wins,
        "losses": stats.losses,
        "success_rate": stats.success_rate().map(number),
        "profit_factor": stats.profit_factor().map(number),
        "expectancy_usd": stats.expectancy().map(|v| v.to_string()),
        "average_win_usd": stats.average_win().map(|v| v.to_string()),
        "average_loss_usd": stats.average_loss().map(|v| v.to_string()),
        "net_usd": stats.net().to_string(),
        "fees_usd": stats.fees.to_string(),
        "slippage_usd": stats.slippage.to_string(),
    })
}
