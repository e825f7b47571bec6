//! A live venue's gateway: nothing of it exists before a permit does.
//!
//! The session is made of the first permit, and holds only as long as permits come: without one that holds it does not
//! connect, and one that is connected goes down.

use super::binance::{Gateway, GatewayError};
use crate::agent::Agent;
use crate::domain::Nanos;
use crate::net::link::Rx;
use crate::transition::LivePermit;

/// Makes the session. Called once, with the first permit.
pub type Open = Box<dyn FnOnce(LivePermit) -> Result<Gateway, GatewayError> + Send>;

pub struct LiveGateway {
    name: String,
    permits: Rx<LivePermit>,
    open: Option<Open>,
    gateway: Option<Gateway>,
}

impl LiveGateway {
    /// `name` is the venue's.
    pub fn new(name: &str, permits: Rx<LivePermit>, open: Open) -> LiveGateway {
        LiveGateway { name: format!("gateway-{name}"), permits, open: Some(open), gateway: None }
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
            match (&mut self.gateway, self.open.take()) {
                (Some(gateway), _) => gateway.renew_permit(permit),
                (None, Some(open)) => match open(permit) {
                    Ok(gateway) => {
                        tracing::info!("{}: a live session is permitted", self.name);
                        self.gateway = Some(gateway);
                    }
                    Err(error) => tracing::error!("{}: no live session can be made: {error}", self.name),
                },
                (None, None) => {}
            }
        }
        work + self.gateway.as_mut().map_or(0, |gateway| gateway.do_work(now))
    }
}
