//! Claims about the simulated Alpaca.

mod life;
mod refusals;
mod shapes;
