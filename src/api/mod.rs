//! The control API: how people and programs look at the engine and steer it.
//!
//! Owns: who may ask for what (`guard`, `auth`, `session`), the view that follows the journal (`view`, `tail`), the requests (`show` looks, `act` acts), the envelope of
//! every answer, the HTTP server with its one asynchronous runtime, and the closing summary.
//! Must not know: `venues`, `feed`, `gateway`, `sim`. It tails the journal and sends commands; it touches nothing else, so
//! it cannot slow or bypass the core. Every order it asks for takes the gate like any other.
//!
//! ```text
//!  journal ──▶ Tail ──▶ View (a replica of the core, and what passed) ◀── show, summary, latency log
//!                         ▲ waits for the answer to appear
//!  request ──▶ act ── Command ──▶ core
//! ```
//!
//! One runtime on one thread does both, so a request that looks never meets a half-applied record.

mod act;
mod alerts;
mod answer;
mod app;
mod asked;
mod auth;
mod connections;
mod curves;
mod dashboard;
mod denial;
mod effective;
mod events;
mod explain;
mod fields;
mod guard;
mod health;
mod kept;
mod keys;
mod login;
mod metrics;
mod once;
mod openapi;
mod order_fields;
mod query;
mod recall;
mod replace;
mod replies;
mod risk_config;
mod risk_metrics;
mod rules;
mod server;
mod session;
mod show;
mod stop;
mod summary;
mod tail;
mod test_connections;
#[cfg(test)]
mod tests;
mod throttle;
mod tls;
mod transition;
mod venue_health;
mod view;
mod way;
mod webhooks;

pub use app::{App, Entrance, Info};
pub use auth::{Access, AccessError, Caller};
pub use connections::ConnectionLimits;
pub use events::{History, OpenHistory, Past};
pub use guard::Home;
pub use keys::{KeyAsk, KeyDesk, KeyRefused, KeyWork, takes_effect};
pub use metrics::{Gauges, Queue};
pub use openapi::written as openapi;
pub use server::{Door, ListenError, PATH, listen, router, serve};
pub use summary::Summary;
pub use tail::{Hlog, Records, SharedView, Tail, Turn};
pub use test_connections::{TestAsk, TestDesk};
pub use tls::ReloadingTls;
pub use transition::SharedJudge;
pub use view::{Alarm, Denial, FillNote, Outcome, Performance, RunStart, View};
