//! The way out when a trading thread is gone: cancel what is open over REST, order by order, from the supervisor.
//! Protection that rests at the venue stays, as after an orderly stop: it only reduces, and with the engine gone nothing
//! else watches the position. Of an account that is halted, everything goes.
//!
//! It trusts nothing of the threads that may have died: its orders come from the journal, its connection is its own.

use super::keeper::SharedSigner;
use crate::core::Core;
use crate::domain::{OrderId, VenueId};
use crate::venues::alpaca::{orders, request};
use crate::venues::pair::{KeyPair, SharedPair};
use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use ureq::tls::TlsConfig;

/// Time for one cancel: a venue that takes longer is asked by a person.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How to reach one venue without the gateway.
pub struct Rescue {
    pub venue: VenueId,
    pub name: String,
    pub rest_url: String,
    pub way: Way,
    pub tls: TlsConfig,
}

/// How a venue is asked.
#[derive(Clone)]
pub enum Way {
    Binance {
        /// The key in use: a rotation exchanges it.
        signer: SharedSigner,
        recv_window_ms: u32,
    },
    /// Its own id of the order is asked for first: it cancels by no other.
    Alpaca {
        /// The pair in use: a rotation exchanges it.
        keys: SharedPair,
    },
}

impl Rescue {
    /// What a rotation of keys exchanges; `None` where it exchanges the pair.
    pub fn signer(&self) -> Option<SharedSigner> {
        match &self.way {
            Way::Binance { signer, .. } => Some(signer.clone()),
            Way::Alpaca { .. } => None,
        }
    }

    /// Cancels what the core holds for live at the venue, but for protection that may stay. Returns a line for each.
    pub fn cancel_all(&self, core: &Core) -> Vec<String> {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .timeout_global(Some(TIMEOUT))
                .http_status_as_error(false)
                .tls_config(self.tls.clone())
                .build(),
        );
        core.orders_to_rescue(self.venue)
            .filter_map(|o| Some((o.id, core.portfolio().get(o.instrument)?.def.symbol)))
            .map(|(order, symbol)| {
                let outcome = match &self.way {
                    Way::Binance { signer, recv_window_ms } => {
                        self.binance(&agent, order, symbol.as_str(), core.epoch(), signer, *recv_window_ms)
                    }
                    Way::Alpaca { keys } => self.alpaca(&agent, order, core.epoch(), &keys.get()),
                };
                format!("{} on {}: {outcome}", order.client_text(core.epoch()).as_str(), self.name)
            })
            .collect()
    }

    fn alpaca(&self, agent: &ureq::Agent, order: OrderId, epoch: u32, keys: &KeyPair) -> String {
        let ask = |request: &request::Request| {
            let url = format!("{}{}", self.rest_url.trim_end_matches('/'), request.path);
            let call = if request.method == "DELETE" { agent.delete(url) } else { agent.get(url) };
            call.header("APCA-API-KEY-ID", &keys.key).header("APCA-API-SECRET-KEY", keys.secret.as_str()).call()
        };
        let found = match ask(&request::RequestBuilder::new(epoch).by_client_id(order)) {
            Ok(mut found) if found.status().is_success() => found.body_mut().read_to_vec().unwrap_or_default(),
            Ok(answer) => return format!("NOT cancelled: the venue answers {} to its id", answer.status().as_u16()),
            Err(cause) => return format!("NOT KNOWN to be cancelled: {cause}; look at the venue"),
        };
        // Names are not needed to read an order's id.
        let names = crate::venues::alpaca::Names::new(self.venue, epoch, Vec::new());
        let Some(id) = names.ok().and_then(|names| orders::order(&found, &names).ok()).map(|order| order.id) else {
            return "NOT cancelled: the venue's answer cannot be read; look at the venue".to_owned();
        };
        told(ask(&request::cancel(id)))
    }

    fn binance(
        &self,
        agent: &ureq::Agent,
        order: OrderId,
        symbol: &str,
        epoch: u32,
        signer: &SharedSigner,
        recv_window_ms: u32,
    ) -> String {
        let id = order.client_text(epoch);
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        let mut query = String::new();
        crate::venues::binance::sign::push_query(&mut query, "symbol", symbol);
        crate::venues::binance::sign::push_query(&mut query, "origClientOrderId", id.as_str());
        let (header, key) = {
            // Exchanged in one step, so a panic of another holder did no harm.
            let signer = signer.lock().unwrap_or_else(PoisonError::into_inner);
            signer.sign_query(&mut query, recv_window_ms, now_ms);
            signer.header()
        };
        told(agent.delete(format!("{}/api/v3/order?{query}", self.rest_url)).header(header, key).call())
    }
}

/// What became of a cancel.
fn told(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> String {
    match answer {
        Ok(response) if response.status().is_success() => "cancelled".to_owned(),
        Ok(mut response) => {
            let text = response.body_mut().read_to_string().unwrap_or_default();
            format!("NOT cancelled: the venue answers {} {text}", response.status().as_u16())
        }
        Err(cause) => format!("NOT KNOWN to be cancelled: {cause}; look at the venue"),
    }
}
