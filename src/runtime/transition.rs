//! The transition thread: the judge follows the journal, its steps go to the core, its permits to the live gateways.

use crate::api::{SharedJudge, SharedView};
use crate::config;
use crate::core::Core;
use crate::core::command::{Action, Ask, Command};
use crate::core::event::{Body, Input};
use crate::core::risk::Caps;
use crate::core::standing::{Policy, RevertRules, STAGES_MAX, StageRule};
use crate::domain::{Nanos, RequestId, Text, VenueId};
use crate::journal::{ReadError, Reader};
use crate::net::link::Tx;
use crate::telemetry::Clock;
use crate::transition::{Apart, Criteria, LivePermit, needs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a permit holds. Long enough for a slow disk, short enough that a session does not outlive its judge by much.
pub const PERMIT_NS: Nanos = 60_000_000_000;
/// A new one is made well before the last one ends.
const RENEW_NS: Nanos = PERMIT_NS / 4;
/// Rest of a judge that has seen everything.
const REST: Duration = Duration::from_millis(20);
/// Records taken before the others who look at the judge get their turn.
const BATCH: usize = 4_096;

/// The environment that a permit of this program names.
pub const LIVE: &str = "live";

/// A live venue, and the way of its permits.
pub struct LiveVenue {
    pub venue: VenueId,
    pub permits: Tx<LivePermit>,
}

pub struct TransitionThread {
    stop: Arc<AtomicBool>,
    join: Option<JoinHandle<()>>,
}

/// What the thread is given.
pub struct TransitionParts {
    pub judge: SharedJudge,
    pub view: SharedView,
    pub commands: Tx<Input>,
    pub clock: Clock,
    pub venues: Vec<LiveVenue>,
}

impl TransitionThread {
    /// `None` where it cannot be started: said, and nothing can go live.
    pub fn start(journal: &Path, parts: TransitionParts) -> Option<TransitionThread> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, journal) = (stop.clone(), journal.to_path_buf());
        let body = move || {
            // Whatever ends it unasked, a panic too, ends live trading first.
            let end = TakeBack { commands: parts.commands.clone(), stopped: stopped.clone() };
            if let Err(error) = follow(&journal, &parts, &stopped) {
                tracing::error!("the journal cannot be judged any more: {error}; nothing can be live");
            }
            drop(end);
        };
        match std::thread::Builder::new().name("transition".to_owned()).spawn(body) {
            Ok(join) => Some(TransitionThread { stop, join: Some(join) }),
            Err(error) => {
                tracing::error!("the transition thread cannot be started: {error}; nothing can be live");
                None
            }
        }
    }

    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(join) = self.join.take()
            && join.join().is_err()
        {
            tracing::error!("the transition thread ended in a panic");
        }
    }
}

/// Live trading without a judge is taken back.
struct TakeBack {
    commands: Tx<Input>,
    stopped: Arc<AtomicBool>,
}

impl Drop for TakeBack {
    fn drop(&mut self) {
        if self.stopped.load(Ordering::Acquire) {
            return;
        }
        let command = Command {
            request: RequestId(0),
            who: Text::new("engine"),
            from: Text::default(),
            why: Text::new("nobody judges the evidence any more"),
            action: Action::Transition(Ask::Revert),
        };
        if self.commands.try_send(Input::new(Body::Command(command))).is_err() {
            tracing::error!("live trading could not be taken back: the queue of commands is full; use emergency-stop");
        }
    }
}

fn follow(journal: &Path, parts: &TransitionParts, stop: &AtomicBool) -> Result<(), ReadError> {
    let mut reader = Reader::open(journal, 1)?;
    let mut renew_at = 0;
    while !stop.load(Ordering::Acquire) {
        let (level, step) = {
            let mut judge = parts.judge.lock();
            let mut level = false;
            for _ in 0..BATCH {
                let Some(record) = reader.next()? else {
                    level = true;
                    break;
                };
                judge.apply(&record.event, record.effects());
            }
            // One that lies behind would judge what is over.
            (level, if level { judge.turn() } else { None })
        };
        if let Some(step) = step {
            tracing::info!("{} by {}: {}", step.change.as_str(), step.who, step.why);
            // A full queue: it is judged anew in a moment.
            let _ = parts.commands.try_send(Input::new(Body::Step(step)));
        }
        if !level {
            continue;
        }
        let now = parts.clock.now();
        // Anew before the last one ends, and as soon as there is one.
        let due = parts.judge.lock().take_moved() || now >= renew_at;
        if due {
            renew_at = now + RENEW_NS;
        }
        for live in parts.venues.iter().filter(|_| due) {
            // One lock after the other: requests take both, the view's first.
            let left = left(parts.view.lock().core(), live.venue);
            let judge = parts.judge.lock();
            if let Some(permit) = judge.permit(now, live.venue, LIVE, left) {
                // A full channel holds one that is as good.
                let _ = live.permits.try_send(permit);
            }
        }
        std::thread::sleep(REST);
    }
    Ok(())
}

/// Something of live trading is still open at the venue: an order, or what could be sold.
fn left(core: &Core, venue: VenueId) -> bool {
    let holds = |inst: &crate::core::portfolio::Inst| {
        inst.closing.active || !inst.def.floor_to_lot(inst.position.net.abs()).is_zero()
    };
    core.orders().live().any(|order| order.venue == venue)
        || core.portfolio().defined().any(|inst| inst.def.venue == venue && holds(inst))
}

/// What the judge asks of the evidence.
pub fn criteria(transition: Option<&config::Transition>) -> Criteria {
    let Some(t) = transition else { return Criteria::default() };
    let ratio = |ppm: i64| ppm as f64 / 1e6;
    Criteria {
        success_rate_min: ratio(t.success_rate_min_ppm.into()),
        profit_factor_min: ratio(t.profit_factor_min_ppm),
        sharpe_min: ratio(t.sharpe_min_ppm),
        trades_min: t.trades_min,
        drawdown_max: ratio(t.drawdown_max_ppm.into()),
        evaluation_days: t.evaluation_days.into(),
        day_ns: t.day_ns,
        lower_bound: t.lower_bound,
    }
}

pub fn apart(transition: Option<&config::Transition>) -> Apart {
    transition.map_or_else(Apart::default, |t| Apart {
        trades_min: t.revert.compare_min,
        slippage_times_percent: t.revert.slippage_times_percent,
        slippage_ppm: t.revert.slippage_ppm.into(),
    })
}

/// What the core holds steps and live orders against.
pub fn policy(t: &config::Transition) -> Policy {
    let mut stage = [StageRule::default(); STAGES_MAX];
    for (n, (slot, wanted)) in stage.iter_mut().zip(&t.stages).enumerate() {
        let gross = i128::from(t.capital.0) * i128::from(wanted.capital_ppm) / 1_000_000;
        *slot = StageRule {
            capital_ppm: wanted.capital_ppm,
            caps: Caps {
                stage: n as u8 + 1,
                order_notional_max: wanted.order_notional_max,
                position_notional_max: wanted.position_notional_max,
                exposure_gross_max: crate::domain::Usd(gross.try_into().unwrap_or(i64::MAX)),
                orders_per_day_max: wanted.orders_per_day_max,
                open_orders_max: wanted.open_orders_max,
            },
            observed_ns: Nanos::from(wanted.days_min).saturating_mul(t.day_ns),
            trades: wanted.trades_min,
        };
    }
    Policy {
        approvals: t.approvals,
        expires_after_ns: t.request_expires_ns,
        automatic_capital: t.automatic_capital,
        capital: t.capital,
        needs: needs(&criteria(Some(t))),
        revert: RevertRules {
            drawdown_ppm: t.revert.drawdown_ppm,
            daily_loss_ppm: t.revert.daily_loss_ppm,
            loss_streak: t.revert.loss_streak,
            on_difference: t.revert.on_difference,
            one_stage: t.revert.one_stage,
            flatten: t.revert.flatten,
        },
        stages: t.stages.len().min(STAGES_MAX) as u8,
        stage,
    }
}
