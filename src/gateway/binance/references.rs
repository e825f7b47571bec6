//! What the venue's filters need besides `exchangeInfo` (§11.2): the account's own filters, asked for once a
//! connection, and the price that orders are held against, asked for again and again.
//!
//! One question is out at a time, instrument after instrument. A session is ready once each instrument has had its
//! turn; a question that fails is passed over until the next round, and the gate denies what it then cannot evaluate.

use super::Gateway;
use super::session::Call;
use crate::core::event::{Body, Input};
use crate::domain::{Instrument, InstrumentId, Nanos};
use crate::venues::binance::{DecodeError, exchange_info, reference};

/// A round of questions takes this long after the first, which does not wait. A few times below the age at which the
/// gate denies.
const ROUND_NS: Nanos = 20_000_000_000;

/// After a price that was not told: a symbol that has just been listed has none before its first trade.
const RETRY_NS: Nanos = 1_000_000_000;

/// What is asked of an instrument, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    OwnFilters,
    /// The reference price, which counts where there is one.
    Reference,
    /// The average of the last minutes; where the filter averages over none, the last price.
    Average,
}

struct Watched {
    instrument: InstrumentId,
    /// As the filter says.
    mins: u32,
    /// Its filters hold orders against a price.
    priced: bool,
    /// The account's own filters are not known yet.
    own_filters: bool,
    /// The venue has said that it has no reference price.
    no_reference: bool,
    /// When asked last, it told no price.
    lacking: bool,
}

impl Watched {
    /// What comes after `asked`, or first.
    fn next(&self, asked: Option<Question>) -> Option<Question> {
        let rank = asked.map_or(0, |asked| asked as usize + 1);
        let wanted = [
            (Question::OwnFilters, self.own_filters),
            (Question::Reference, self.priced && !self.no_reference),
            (Question::Average, self.priced),
        ];
        wanted.into_iter().skip(rank).find(|(_, wanted)| *wanted).map(|(question, _)| question)
    }
}

/// Whose turn it is.
#[derive(Default)]
pub struct References {
    watched: Vec<Watched>,
    at: usize,
    question: Option<Question>,
    next: Nanos,
    swept: bool,
}

impl References {
    /// The instruments of a fresh `exchangeInfo`: everything is asked for anew.
    pub fn set(&mut self, instruments: &[Instrument], now: Nanos) {
        let watched = |def: &Instrument| Watched {
            instrument: def.id,
            mins: def.filters.px_mins,
            priced: def.filters.bounds_limits()
                || def.notional_min_applies_to_market
                || def.notional_max_applies_to_market,
            own_filters: true,
            no_reference: false,
            lacking: false,
        };
        self.watched = instruments.iter().map(watched).collect();
        (self.at, self.next, self.swept) = (0, now, self.watched.is_empty());
        self.question = self.watched.first().and_then(|first| first.next(None));
    }

    /// Each instrument has had its turn.
    pub fn is_swept(&self) -> bool {
        self.swept
    }

    /// What to ask now.
    pub fn ask(&self, now: Nanos) -> Option<(InstrumentId, Question, u32)> {
        let watched = self.watched.get(self.at).filter(|_| now >= self.next)?;
        Some((watched.instrument, self.question?, watched.mins))
    }

    /// Nothing is asked before this.
    pub fn wait(&mut self, until: Nanos) {
        self.next = self.next.max(until);
    }

    /// The account's own filters are known.
    pub fn own_filters_known(&mut self, instrument: InstrumentId) {
        if let Some(watched) = self.watched.iter_mut().find(|watched| watched.instrument == instrument) {
            watched.own_filters = false;
        }
    }

    /// The symbol has no reference price.
    pub fn no_reference(&mut self, instrument: InstrumentId) {
        if let Some(watched) = self.watched.iter_mut().find(|watched| watched.instrument == instrument) {
            watched.no_reference = true;
        }
    }

    /// The question out is done with; `priced` where its answer was the price, or will never be.
    pub fn done(&mut self, priced: bool, now: Nanos) {
        let Some(watched) = self.watched.get_mut(self.at) else { return };
        watched.lacking = !priced && self.question == Some(Question::Average);
        // While any lacks its price, all have their turn sooner.
        let lacking = self.watched.iter().any(|watched| watched.lacking);
        let wait = if lacking { RETRY_NS } else { ROUND_NS / self.watched.len() as Nanos };
        self.question = if priced { None } else { self.watched[self.at].next(self.question) };
        // To the next one that is to be asked something; where none is, nobody is.
        for _ in 0..self.watched.len() {
            if self.question.is_some() {
                break;
            }
            self.at += 1;
            if self.at >= self.watched.len() {
                (self.at, self.swept) = (0, true);
            }
            self.question = self.watched[self.at].next(None);
            if self.swept {
                self.next = now + wait;
            }
        }
    }
}

impl Gateway {
    /// Asks what the filters need besides, where it is time and nothing of the kind is out.
    pub(super) fn ask_besides(&mut self, now: Nanos) -> usize {
        let out = self.calls_out.iter().any(|(_, call)| matches!(call, Call::Besides(..)));
        if out || !self.info_known || !self.desk.sync.is_known() {
            return 0;
        }
        let Some((instrument, question, mins)) = self.references.ask(now) else { return 0 };
        let call = Call::Besides(instrument, question);
        let now_ms = self.desk.sync.venue_ms(self.desk.clock.now());
        if let Err(exceeded) = self.desk.limits.admit(call.cost(), now_ms) {
            self.references.wait(now + Nanos::from(exceeded.wait_s) * 1_000_000_000);
            return 0;
        }
        let Some(symbol) = self.desk.decoder.names().symbols.symbol(instrument) else { return 0 };
        let request = match question {
            Question::OwnFilters => self.calls.own_filters(symbol, now_ms),
            Question::Reference => self.calls.price("/api/v3/referencePrice", symbol),
            Question::Average if mins == 0 => self.calls.price("/api/v3/ticker/price", symbol),
            Question::Average => self.calls.price("/api/v3/avgPrice", symbol),
        };
        self.submit(call, request)
    }

    pub(super) fn on_besides(
        &mut self,
        instrument: InstrumentId,
        question: Question,
        body: &[u8],
        now: Nanos,
    ) -> Result<(), DecodeError> {
        let Some(def) = self.instruments.iter_mut().find(|def| def.id == instrument) else { return Ok(()) };
        let px = match question {
            Question::OwnFilters => {
                exchange_info::own_filters(body, def)?;
                self.references.own_filters_known(instrument);
                self.desk.reports.say(Body::Instrument(*def));
                None
            }
            Question::Reference => reference::reference_price(body)?,
            Question::Average => {
                let (mins, px) = reference::average_price(body)?;
                if mins != def.filters.px_mins {
                    let (symbol, wanted) = (def.symbol, def.filters.px_mins);
                    tracing::error!(%symbol, mins, wanted, "the venue averages over other minutes than its filters do");
                    // Nor will it do otherwise in the next round: limits stay denied.
                    self.references.done(true, now);
                    return Ok(());
                }
                px
            }
        };
        if let Some(px) = px {
            self.desk.reports.push(Input::at(now, Body::VenuePx { instrument, px }));
        }
        self.references.done(px.is_some(), now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Filters;
    use Question::*;

    fn instrument(id: u16, up: i64) -> Instrument {
        let filters = Filters { buy_px_up: up, px_mins: 5, ..Filters::default() };
        Instrument { id: InstrumentId(id), filters, ..Instrument::default() }
    }

    #[test]
    fn each_instrument_has_its_turn_at_once_and_then_round_after_round() {
        let mut references = References::default();
        references.set(&[instrument(0, 1), instrument(1, 0)], 100);
        let mut asked = Vec::new();
        while let Some((instrument, question, _)) = references.ask(100) {
            asked.push((instrument.0, question));
            match question {
                OwnFilters => references.own_filters_known(instrument),
                Reference => references.no_reference(instrument),
                Average => {}
            }
            references.done(question == Average, 100);
        }
        assert_eq!(asked, [(0, OwnFilters), (0, Reference), (0, Average), (1, OwnFilters)]);
        assert!(references.is_swept());
        let later = 100 + ROUND_NS / 2;
        assert_eq!((references.ask(later - 1), references.ask(later)), (None, Some((InstrumentId(0), Average, 5))));
        references.done(true, later);
        let next = references.ask(later + ROUND_NS);
        assert_eq!(next, Some((InstrumentId(0), Average, 5)), "nothing more is asked of the other");
    }

    #[test]
    fn what_fails_is_passed_over_and_asked_in_the_next_round() {
        let mut references = References::default();
        references.set(&[instrument(0, 1)], 0);
        for (question, swept) in [(OwnFilters, false), (Reference, false), (Average, false)] {
            assert_eq!((references.ask(0).map(|ask| ask.1), references.is_swept()), (Some(question), swept));
            references.done(false, 0);
        }
        assert!(references.is_swept());
        assert_eq!(references.ask(RETRY_NS - 1), None);
        assert_eq!(references.ask(RETRY_NS).map(|ask| ask.1), Some(OwnFilters));
        references.wait(2 * ROUND_NS);
        assert_eq!(references.ask(ROUND_NS), None);
        references.set(&[], 0);
        assert!(references.is_swept() && references.ask(0).is_none());
    }
}
