//! A live venue's gateway: nothing of it exists before a permit does.
//!
//! The session is made of the first permit, and holds only as long as permits come: without one that holds it does not
//! connect, and one that is connected goes down.

use crate::agent::Agent;
use crate::domain::Nanos;
use crate::net::link::Rx;
use crate::transition::LivePermit;

/// A venue's session with money in it.
pub trait LiveSession: Agent {
    /// Another permit, before the last one ends.
    fn renew_permit(&mut self, permit: LivePermit);
}

/// Makes the session, or says why it cannot be made. Called once, with the first permit.
pub type Open = Box<dyn FnOnce(LivePermit) -> Result<Box<dyn LiveSession>, String> + Send>;

pub struct LiveGateway {
    name: String,
    permits: Rx<LivePermit>,
    open: Option<Open>,
    session: Option<Box<dyn LiveSession>>,
}

impl LiveGateway {
    /// `name` is the venue's.
    pub fn new(name: &str, permits: Rx<LivePermit>, open: Open) -> LiveGateway {
        LiveGateway { name: format!("gateway-{name}"), permits, open: Some(open), session: None }
    }
}

impl Agent for LiveGateway {
    fn name(&self) -> &str {
        &self.name
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        while let Some(permit) = self.permits.try_recv() {
            work += 1;
            match (&mut self.session, self.open.take()) {
                (Some(session), _) => session.renew_permit(permit),
                (None, Some(open)) => match open(permit) {
                    Ok(session) => {
                        tracing::info!("{}: a live session is permitted", self.name);
                        self.session = Some(session);
                    }
                    Err(error) => tracing::error!("{}: no live session can be made: {error}", self.name),
                },
                (None, None) => {}
            }
        }
        work + self.session.as_mut().map_or(0, |session| session.do_work(now))
    }
}
