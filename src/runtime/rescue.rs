//! The way out when a trading thread is gone: cancel what is open over REST, order by order, from the supervisor.
//!
//! It trusts nothing of the threads that may have died: its orders come from the journal, its connection is its own.

use super::keeper::SharedSigner;
use crate::core::Core;
use crate::domain::{OrderId, VenueId};
use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time for one cancel: a venue that takes longer is asked by a person.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How to reach one venue without the gateway.
pub struct Rescue {
    pub venue: VenueId,
    pub name: String,
    pub rest_url: String,
    /// The key in use: a rotation exchanges it.
    pub signer: SharedSigner,
    pub recv_window_ms: u32,
}

impl Rescue {
    /// Cancels every order that the core holds for live at the venue. Returns a line for each.
    pub fn cancel_all(&self, core: &Core) -> Vec<String> {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build(),
        );
        let orders = core.orders().live().filter(|o| o.venue == self.venue);
        orders
            .filter_map(|o| Some((o.id, core.portfolio().get(o.instrument)?.def.symbol)))
            .map(|(order, symbol)| self.cancel(&agent, order, symbol.as_str(), core.epoch()))
            .collect()
    }

    fn cancel(&self, agent: &ureq::Agent, order: OrderId, symbol: &str, epoch: u32) -> String {
        let id = order.client_text(epoch);
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        let mut query = String::new();
        crate::venues::binance::sign::push_query(&mut query, "symbol", symbol);
        crate::venues::binance::sign::push_query(&mut query, "origClientOrderId", id.as_str());
        let (header, key) = {
            // Exchanged in one step, so a panic of another holder did no harm.
            let signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
            signer.sign_query(&mut query, self.recv_window_ms, now_ms);
            signer.header()
        };
        let answer = agent.delete(format!("{}/api/v3/order?{query}", self.rest_url)).header(header, key).call();
        let outcome = match answer {
            Ok(response) if response.status().is_success() => "cancelled".to_owned(),
            Ok(mut response) => {
                let text = response.body_mut().read_to_string().unwrap_or_default();
                format!("NOT cancelled: the venue answers {} {text}", response.status().as_u16())
            }
            Err(cause) => format!("NOT KNOWN to be cancelled: {cause}; look at the venue"),
        };
        format!("{} on {}: {outcome}", id.as_str(), self.name)
    }
}
