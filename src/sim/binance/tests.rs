//! The venue as its clients meet it, over sockets in memory and on a virtual clock.

mod control;
mod ledger;
mod listen_keys;
mod lists;
mod live;
mod market;
mod pegs;
mod protocol;
mod recording;
mod reference;
mod replace;
mod restart;
mod sbe;
mod session;
mod shapes;
mod sockets;
mod sor;
mod statistics;
mod stops;
