//! Claims about the simulated Alpaca.

mod data;
mod life;
mod port;
mod refusals;
mod shapes;
