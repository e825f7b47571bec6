//! Claims about the simulated Alpaca.

mod data;
mod life;
mod refusals;
mod shapes;
