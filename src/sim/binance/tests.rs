//! The venue as its clients meet it, over sockets in memory and on a virtual clock.

mod control;
mod ledger;
mod listen_keys;
mod lists;
mod live;
mod market;
mod protocol;
mod recording;
mod replace;
mod restart;
mod sbe;
mod session;
mod shapes;
mod sockets;
mod statistics;
mod stops;
