//! What a thread does while its agents have nothing to do.

use crate::config;
use crate::net::tcp::Reactor;
use std::time::Duration;

/// How a thread waits. Spinning answers soonest and keeps a core busy; a parked thread costs 16-22 µs to wake and its
/// waker 7 (`latency.md` §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Turns at once again. For a core of its own.
    Spin,
    /// Lets others run between two turns.
    Yield,
    /// Turns a while, then sleeps until a socket or a link wakes it, at most `max`: no timer of an agent is later
    /// than that.
    Park { max: Duration },
}

impl From<config::Wait> for Wait {
    fn from(wait: config::Wait) -> Wait {
        match wait {
            config::Wait::Spin => Wait::Spin,
            config::Wait::Yield => Wait::Yield,
            config::Wait::Park { max_ns } => Wait::Park { max: Duration::from_nanos(max_ns.unsigned_abs()) },
        }
    }
}

/// Idle turns before a parking thread begins to yield: a burst's next message is usually there within them.
const SPINS: u32 = 64;
/// Idle turns that yield before it sleeps.
const YIELDS: u32 = 16;
/// First sleep; doubled by each idle turn up to the strategy's maximum. The poll counts milliseconds.
const SLEEP_MIN: Duration = Duration::from_millis(1);

/// What the idle thread does before its next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    Spin,
    Yield,
    /// Sleep at most this long, after the links were looked at once more with the thread marked as parked.
    Sleep(Duration),
}

/// Counts idle turns and says what comes next.
pub struct Ladder {
    wait: Wait,
    idle: u32,
    sleep: Duration,
}

impl Ladder {
    pub fn new(wait: Wait) -> Ladder {
        Ladder { wait, idle: 0, sleep: SLEEP_MIN }
    }

    /// A turn did work.
    #[inline]
    pub fn busy(&mut self) {
        self.idle = 0;
        self.sleep = SLEEP_MIN;
    }

    /// A turn did none.
    #[inline]
    pub fn idle(&mut self) -> Idle {
        match self.wait {
            Wait::Spin => Idle::Spin,
            Wait::Yield => Idle::Yield,
            Wait::Park { max } => {
                self.idle = self.idle.saturating_add(1);
                if self.idle <= SPINS {
                    return Idle::Spin;
                }
                if self.idle <= SPINS + YIELDS {
                    return Idle::Yield;
                }
                let sleep = self.sleep.min(max);
                self.sleep = (self.sleep * 2).min(max);
                Idle::Sleep(sleep)
            }
        }
    }
}

/// Carries out what the ladder said; `turn` turns the agents and says how much they did. True where a turn was taken
/// (before a sleep) and did work.
#[inline]
pub fn wait(idle: Idle, reactor: &mut Reactor, turn: impl FnOnce() -> usize) -> std::io::Result<bool> {
    match idle {
        Idle::Spin => std::hint::spin_loop(),
        Idle::Yield => std::thread::yield_now(),
        Idle::Sleep(max) => {
            reactor.wake().park();
            // A sender that came before the mark did not wake us: its value is found by this turn.
            let work = turn();
            let slept = if work == 0 { reactor.sleep(max) } else { Ok(()) };
            reactor.wake().unpark();
            slept?;
            return Ok(work > 0);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parking_thread_spins_then_yields_then_sleeps_longer_and_longer_up_to_its_maximum() {
        let ms = Duration::from_millis;
        let mut ladder = Ladder::new(Wait::Park { max: ms(5) });
        for _ in 0..2 {
            let steps: Vec<Idle> = (0..SPINS + YIELDS + 5).map(|_| ladder.idle()).collect();
            assert!(steps[..SPINS as usize].iter().all(|s| *s == Idle::Spin));
            assert!(steps[SPINS as usize..(SPINS + YIELDS) as usize].iter().all(|s| *s == Idle::Yield));
            let sleeps = [1, 2, 4, 5, 5].map(|n| Idle::Sleep(ms(n)));
            assert_eq!(steps[(SPINS + YIELDS) as usize..], sleeps);
            ladder.busy();
        }
        for (wait, want) in [(Wait::Spin, Idle::Spin), (Wait::Yield, Idle::Yield)] {
            let mut ladder = Ladder::new(wait);
            assert!((0..1000).all(|_| ladder.idle() == want));
        }
    }
}
