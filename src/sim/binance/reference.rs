//! Reference prices, and the execution rule that holds takers near them (reference §11.3).

use super::api::Desk;
use super::errors::ApiError;
use super::market_calls::{no_status_refused, plain};
use super::matching::Taker;
use super::params::Params;
use super::venue::{Symbol, Venue};
use crate::sim::decimal::ONE;
use crate::sim::json::Json;
use crate::sim::market::{Side, SimInstrument};

/// Each of the seconds that a reference price is the mean of.
const BUCKET_MS: i64 = 1_000;

/// What was last worked out; `px` is absent while nothing had been traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    pub px: Option<i64>,
    pub time_us: i64,
}

impl Symbol {
    /// The price that the filters hold orders to (`P` of §11.2): the reference price where there is one, else the average.
    pub fn filter_px(&self) -> Option<i64> {
        self.reference.and_then(|reference| reference.px).or_else(|| self.average_px())
    }

    /// What a taker of a side may pay or get, at least and at most; `None` where no rule holds it.
    fn taker_range(&self, side: Side) -> Option<(i64, i64)> {
        let (up, down) = self.instrument.price_range?[side.index()];
        let reference = i128::from(self.reference?.px?);
        let one = i128::from(ONE);
        let least = (reference * i128::from(down) + one - 1) / one;
        let most = if up == 0 { i128::MAX } else { reference * i128::from(up) / one };
        let bound = |px: i128| i64::try_from(px).unwrap_or(i64::MAX);
        Some((bound(least), bound(most)))
    }
}

impl Venue {
    /// Works the reference prices out anew, once a second.
    pub fn refresh_references(&mut self, now_us: i64) {
        for symbol in self.symbols.iter_mut().filter(|symbol| symbol.instrument.reference_seconds > 0) {
            let px = symbol.history.mean_close(now_us, symbol.instrument.reference_seconds);
            symbol.reference = Some(Reference { px, time_us: now_us });
        }
    }

    /// Within which prices a taker may trade. The market's own participants are held to nothing.
    pub fn range_of(&self, symbol: usize, taker: Taker, side: Side) -> Option<(i64, i64)> {
        if taker == Taker::Market { None } else { self.symbols[symbol].taker_range(side) }
    }
}

/// A symbol's rules, as `executionRules` lists them.
fn write_rules(i: &SimInstrument, j: &mut Json) {
    j.object("", |j| {
        j.str("symbol", &i.symbol);
        j.array("rules", |j| {
            let Some(range) = &i.price_range else { return };
            j.object("", |j| {
                j.str("ruleType", "PRICE_RANGE");
                for (name, side) in [("bid", Side::Buy), ("ask", Side::Sell)] {
                    let (up, down) = range[side.index()];
                    for (key, multiplier) in [("LimitMultUp", up), ("LimitMultDown", down)] {
                        if multiplier > 0 {
                            j.str(&format!("{name}{key}"), &plain(multiplier));
                        }
                    }
                }
            });
        });
    });
}

/// The members of the call's answer and of the stream's event.
pub fn write_reference(j: &mut Json, reference: &Reference, px: &str, time: &str) {
    match reference.px {
        Some(value) => j.dec(px, value),
        None => j.null(px),
    }
    j.time(time, reference.time_us);
}

fn none() -> ApiError {
    ApiError::new(-2043, "This symbol doesn't have a reference price.")
}

impl Desk {
    pub fn execution_rules(&self, j: &mut Json, p: &Params) -> Result<(), ApiError> {
        let indexes = self.symbols_asked(p)?.1;
        no_status_refused(p)?;
        p.check_all_read()?;
        j.object("", |j| {
            j.array("symbolRules", |j| {
                indexes.into_iter().for_each(|index| write_rules(&self.venue.symbols[index].instrument, j));
            });
        });
        Ok(())
    }

    pub fn reference_price(&self, j: &mut Json, p: &Params) -> Result<(), ApiError> {
        let symbol = &self.venue.symbols[self.venue.symbol(p.required("symbol")?)?];
        no_status_refused(p)?;
        p.check_all_read()?;
        let reference = symbol.reference.as_ref().ok_or_else(none)?;
        j.object("", |j| {
            j.str("symbol", &symbol.instrument.symbol);
            write_reference(j, reference, "referencePrice", "timestamp");
        });
        Ok(())
    }

    pub fn reference_calculation(&self, j: &mut Json, p: &Params) -> Result<(), ApiError> {
        let symbol = &self.venue.symbols[self.venue.symbol(p.required("symbol")?)?];
        no_status_refused(p)?;
        p.check_all_read()?;
        let buckets = Some(symbol.instrument.reference_seconds).filter(|buckets| *buckets > 0).ok_or_else(none)?;
        j.object("", |j| {
            j.str("symbol", &symbol.instrument.symbol);
            j.str("calculationType", "ARITHMETIC_MEAN");
            j.uint("bucketCount", buckets.into());
            j.int("bucketWidthMs", BUCKET_MS);
        });
        Ok(())
    }
}
