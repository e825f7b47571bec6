//! The venue as its clients meet it, over sockets in memory and on a virtual clock.

mod ledger;
mod lists;
mod market;
mod protocol;
mod recording;
mod replace;
mod restart;
mod session;
mod shapes;
mod sockets;
mod stops;
