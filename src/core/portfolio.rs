//! Everything per instrument, and the sums over all of them, kept current on each quote and fill.
//!
//! A quote changes one instrument's marks, so each sum takes the difference of that instrument's old and new share:
//! the cost of a quote does not depend on how many positions there are.

use super::account::Account;
use super::command::TradingState;
use super::correlation::{Correlation, Group};
use super::positions::Position;
use super::risk::{self, Permit, Swing};
use crate::domain::{
    AssetId, ExecId, FeedState, Instrument, InstrumentId, MAX_ASSETS, MAX_INSTRUMENTS, MAX_VENUES, Nanos, OpenCounts,
    Price, Qty, Quote, RequestId, Round, Side, Text, Usd, VenueId, num,
};
use crate::wire_struct;

/// Quantities still working, each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Working {
    pub buy: Qty,
    pub sell: Qty,
}
wire_struct!(Working { buy, sell });

impl Working {
    #[inline]
    pub fn change(&mut self, side: Side, change: i64) {
        let working = match side {
            Side::Buy => &mut self.buy,
            Side::Sell => &mut self.sell,
        };
        working.0 = working.0.saturating_add(change);
    }
}

/// What the exchange lets the instrument trade within.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Band {
    pub lower: Price,
    pub upper: Price,
    /// When the core took it; 0: none is known.
    pub told_ns: Nanos,
}
wire_struct!(Band { lower, upper, told_ns });

/// A close in progress: opens are barred until it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Closing {
    pub active: bool,
    pub request: RequestId,
    /// Flattening orders sent so far.
    pub attempts: u8,
    /// It is closed by our fills, and the venue has not said so yet; and it was asked since.
    pub unverified: bool,
    pub asked: bool,
    /// What the account held of the base asset besides positions when the close began, 10^-8; `None`: not known.
    pub apart: Option<i64>,
}
wire_struct!(Closing { active, request, attempts, unverified, asked, apart });

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inst {
    pub defined: bool,
    pub def: Instrument,
    pub feed: FeedState,
    /// Its market halted or paused it, by the word of its market data; `def.status` is the venue's.
    pub paused: bool,
    /// Why, in its market's words.
    pub pause: Text<48>,
    pub band: Band,
    pub quote: Quote,
    /// When the core took the quote; 0: none since the run began.
    pub quote_ns: Nanos,
    /// The price that the venue's filters hold orders against, and when it was told; 0: not in this run.
    pub venue_px: Price,
    pub venue_px_ns: Nanos,
    /// How far the mid went lately.
    pub swing: Swing,
    pub position: Position,
    pub working: Working,
    /// Orders of ours that are open, as the venue's filters count them.
    pub open: OpenCounts,
    pub closing: Closing,
    pub trading: TradingState,
    /// It is traded with money.
    pub live: bool,
    /// An order of ours has been sent: there may be fills.
    pub traded: bool,
    /// The venue named an open order that is not ours, when it was asked last.
    pub foreign: bool,
    /// The greatest exec id of a fill of ours.
    pub last_exec: ExecId,
    /// `last_exec` when the last reconciliation was asked for.
    pub marked_exec: ExecId,
    /// No fill up to here is missing: backfills ask from the next one. One that was lost while the link broke has a
    /// smaller id than those heard since, so `last_exec` would pass it over for ever.
    pub synced_exec: ExecId,
    /// What the configuration lets be done with it.
    pub permit: Permit,
    /// Instruments it moves with, and how much it moves in a day, parts per million; 0: not known.
    pub group: Group,
    pub moves_ppm: u32,
    /// Share of the sums below.
    unrealised: Usd,
    realised: Usd,
    exposure: Usd,
    net_up: Usd,
    net_down: Usd,
    moving: Usd,
}
wire_struct!(Inst {
    defined,
    def,
    feed,
    paused,
    pause,
    band,
    quote,
    quote_ns,
    venue_px,
    venue_px_ns,
    swing,
    position,
    working,
    open,
    closing,
    trading,
    live,
    traded,
    foreign,
    last_exec,
    marked_exec,
    synced_exec,
    permit,
    group,
    moves_ppm,
    unrealised,
    realised,
    exposure,
    net_up,
    net_down,
    moving,
});

impl Inst {
    /// Price at which the net quantity could be closed now.
    #[inline]
    pub fn exit_px(&self) -> Price {
        if self.position.net.0 >= 0 { self.quote.bid_px } else { self.quote.ask_px }
    }

    /// The greatest absolute quantity that the position can come to if working orders fill, with `buy` and `sell` more.
    #[inline]
    pub fn worst_qty(&self, buy: i64, sell: i64) -> Option<Qty> {
        let long = self.position.net.0.checked_add(self.working.buy.0)?.checked_add(buy)?;
        let short = self.position.net.0.checked_sub(self.working.sell.0)?.checked_sub(sell)?;
        Some(Qty(long.checked_abs()?.max(short.checked_abs()?)))
    }

    #[inline]
    pub fn notional(&self, px: Price, qty: Qty, round: Round) -> Option<Usd> {
        num::notional(px, qty, self.def.px_scale, self.def.qty_scale, round)
    }

    pub fn unrealised(&self) -> Usd {
        self.unrealised
    }

    pub fn realised(&self) -> Usd {
        self.realised
    }

    /// Worst-case gross exposure: the position with working orders counted as if filled, at the dearer touch.
    pub fn exposure(&self) -> Usd {
        self.exposure
    }
}

/// Sums over all instruments and assets, in dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub unrealised: Usd,
    pub realised: Usd,
    pub fees: Usd,
    /// Sum of `Inst::exposure`.
    pub exposure: Usd,
    /// Signed exposure, where working buys fill and sells do not, and where it is the other way round.
    pub net_up: Usd,
    pub net_down: Usd,
    /// What the exposure moves in a day, one standard deviation, each instrument against us.
    pub moving: Usd,
    /// Balances of all venues valued at their exit prices.
    pub equity: Usd,
    /// `pnl` at the last day boundary.
    pub day_start_pnl: Usd,
    pub day: i64,
    /// A number did not fit somewhere: growth is denied until it is looked into.
    pub broken: bool,
}
wire_struct!(Totals {
    unrealised,
    realised,
    fees,
    exposure,
    net_up,
    net_down,
    moving,
    equity,
    day_start_pnl,
    day,
    broken
});

impl Totals {
    /// Realised plus unrealised less fees, since the journal began.
    #[inline]
    pub fn pnl(&self) -> Usd {
        self.realised.saturating_add(self.unrealised).saturating_sub(self.fees)
    }

    /// The same since the day boundary.
    #[inline]
    pub fn day_pnl(&self) -> Usd {
        self.pnl().saturating_sub(self.day_start_pnl)
    }
}

/// How an asset is valued in dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AssetValue {
    pub name: Text<12>,
    pub is_usd: bool,
    /// The instrument whose bid values it; `InstrumentId::UNKNOWN` where `is_usd`, or where there is none.
    pub priced_by: InstrumentId,
    pub priced: bool,
    /// Over all paper venues and over all live ones, units of 10^-8.
    total: [i64; 2],
    value: [Usd; 2],
    /// Of the instruments that trade it, over all venues of a mode: paper, live.
    exposure: [Usd; 2],
}
wire_struct!(AssetValue { name, is_usd, priced_by, priced, total, value, exposure });

impl AssetValue {
    /// Over all venues of a mode, units of 10^-8.
    pub fn total(&self, live: bool) -> i64 {
        self.total[usize::from(live)]
    }

    /// What that is worth; `None` where nothing says what one of it is.
    pub fn value(&self, live: bool) -> Option<Usd> {
        (self.is_usd || self.priced || self.total(live) == 0).then_some(self.value[usize::from(live)])
    }
}

/// Groups there can be in a mode, the one of what is not known included.
const GROUPS: usize = MAX_INSTRUMENTS + 1;

/// Where the exposure of a group stands.
#[inline]
fn group_at(group: Group, live: bool) -> usize {
    group.index() + usize::from(live) * GROUPS
}

pub struct Portfolio {
    insts: Box<[Inst]>,
    assets: Box<[AssetValue]>,
    /// Exposure by venue, and by group of instruments that move together: those on paper, then those live.
    venues: [Usd; MAX_VENUES],
    groups: Box<[Usd]>,
    /// `Limits::volatility_assumed_ppm`.
    volatility_assumed_ppm: u32,
    /// Of the mode that trades: what limits are held against.
    pub totals: Totals,
    /// Of the other one: live's while on paper, the shadows' while live.
    other: Totals,
    /// `totals` are of the live venues.
    live: bool,
    /// Instruments valued so far.
    #[cfg(test)]
    pub(super) valued: u64,
}

impl Portfolio {
    pub fn new() -> Portfolio {
        Portfolio {
            insts: vec![Inst::default(); MAX_INSTRUMENTS].into_boxed_slice(),
            assets: vec![AssetValue::default(); MAX_ASSETS].into_boxed_slice(),
            venues: [Usd::ZERO; MAX_VENUES],
            groups: vec![Usd::ZERO; 2 * GROUPS].into_boxed_slice(),
            volatility_assumed_ppm: 0,
            totals: Totals::default(),
            other: Totals::default(),
            live: false,
            #[cfg(test)]
            valued: 0,
        }
    }

    /// The mode that trades is the live one.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// The totals of the live venues, or of the paper ones.
    #[inline]
    pub fn totals_of(&self, live: bool) -> &Totals {
        if live == self.live { &self.totals } else { &self.other }
    }

    pub(super) fn other_totals(&self) -> &Totals {
        &self.other
    }

    #[inline]
    fn totals_mut(&mut self, live: bool) -> &mut Totals {
        if live == self.live { &mut self.totals } else { &mut self.other }
    }

    /// Money is traded from now on, or paper is.
    pub(super) fn trade_live(&mut self, live: bool) {
        if live != self.live {
            self.live = live;
            std::mem::swap(&mut self.totals, &mut self.other);
        }
    }

    pub(super) fn turn_day(&mut self, day: i64) {
        for totals in [&mut self.totals, &mut self.other] {
            totals.day = day;
            totals.day_start_pnl = totals.pnl();
        }
    }

    /// `None` for an instrument that nobody defined.
    #[inline]
    pub fn get(&self, id: InstrumentId) -> Option<&Inst> {
        self.insts.get(id.index()).filter(|inst| inst.defined)
    }

    #[inline]
    pub fn get_mut(&mut self, id: InstrumentId) -> Option<&mut Inst> {
        self.insts.get_mut(id.index()).filter(|inst| inst.defined)
    }

    /// An instrument's place, also before its definition: its market data may come first.
    #[inline]
    pub(super) fn slot_mut(&mut self, id: InstrumentId) -> Option<&mut Inst> {
        self.insts.get_mut(id.index())
    }

    pub fn defined(&self) -> impl Iterator<Item = &Inst> {
        self.insts.iter().filter(|inst| inst.defined)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Inst> {
        self.insts.iter_mut().filter(|inst| inst.defined)
    }

    pub fn asset(&self, id: AssetId) -> AssetValue {
        self.assets.get(id.index()).copied().unwrap_or_default()
    }

    pub(super) fn name_asset(&mut self, id: AssetId, name: Text<12>) {
        if let Some(asset) = self.assets.get_mut(id.index()) {
            asset.name = name;
        }
    }

    pub(super) fn assets(&self) -> &[AssetValue] {
        &self.assets
    }

    /// Takes a definition. False where it came back with other scales while a position or order hangs on the old
    /// ones: the old definition stays, halted.
    pub fn define(&mut self, def: &Instrument, live: bool) -> bool {
        let Some(inst) = self.insts.get_mut(def.id.index()) else { return false };
        let rescaled = inst.defined && (inst.def.px_scale, inst.def.qty_scale) != (def.px_scale, def.qty_scale);
        let hanging = inst.position != Position::default() || inst.working != Working::default();
        if rescaled && hanging {
            inst.def.status = crate::domain::InstrumentStatus::Halted;
            return false;
        }
        if rescaled {
            inst.quote = Quote::default();
            inst.venue_px_ns = 0;
            inst.quote_ns = 0;
            inst.swing = Swing::default();
        }
        inst.defined = true;
        let was_live = std::mem::replace(&mut inst.live, live);
        let old = std::mem::replace(&mut inst.def, *def);
        if (old.venue, old.base) != (def.venue, def.base) {
            let share = inst.exposure;
            self.expose(old.venue, old.base, was_live, Usd(share.0.saturating_neg()));
            self.expose(def.venue, def.base, live, share);
        }
        if def.quote_is_usd {
            if let Some(quote) = self.assets.get_mut(def.quote.index()) {
                quote.is_usd = true;
            }
            if let Some(base) = self.assets.get_mut(def.base.index())
                && !base.is_usd
                && !base.priced
            {
                base.priced = true;
                base.priced_by = def.id;
            }
        }
        self.revalue_asset(def.quote);
        self.revalue_asset(def.base);
        true
    }

    /// Moves the exposure of a venue and of an asset.
    #[inline]
    fn expose(&mut self, venue: VenueId, asset: AssetId, live: bool, change: Usd) {
        if let Some(venue) = self.venues.get_mut(venue.index()) {
            *venue = venue.saturating_add(change);
        }
        if let Some(asset) = self.assets.get_mut(asset.index()) {
            let exposure = &mut asset.exposure[usize::from(live)];
            *exposure = exposure.saturating_add(change);
        }
    }

    /// Exposure at a venue, and in an asset over all venues of the mode.
    #[inline]
    pub fn venue_exposure(&self, venue: VenueId) -> Usd {
        self.venues.get(venue.index()).copied().unwrap_or(self.totals.exposure)
    }

    #[inline]
    pub fn asset_exposure(&self, asset: AssetId, live: bool) -> Usd {
        let known = self.assets.get(asset.index());
        known.map_or(self.totals_of(live).exposure, |asset| asset.exposure[usize::from(live)])
    }

    /// Exposure in what moves with the instrument, itself included: its group and whatever is of no known group; of an
    /// instrument of no known group, everything.
    #[inline]
    pub fn moving_with(&self, inst: &Inst) -> Usd {
        let unknown = group_at(Group::default(), inst.live);
        match self.groups.get(group_at(inst.group, inst.live)) {
            Some(group) if !inst.group.is_unknown() => group.saturating_add(self.groups[unknown]),
            _ => self.totals_of(inst.live).exposure,
        }
    }

    /// Takes groups and moves from the samples.
    pub(super) fn regroup(&mut self, samples: &Correlation, volatility_assumed_ppm: u32) {
        self.volatility_assumed_ppm = volatility_assumed_ppm;
        self.groups.fill(Usd::ZERO);
        (self.totals.moving, self.other.moving) = (Usd::ZERO, Usd::ZERO);
        for inst in self.insts.iter_mut().filter(|inst| inst.defined) {
            inst.group = samples.group_of(inst.def.id);
            inst.moves_ppm = samples.moves_ppm(inst.def.id);
            let sum = &mut self.groups[group_at(inst.group, inst.live)];
            *sum = sum.saturating_add(inst.exposure);
            inst.moving = risk::moving(inst.exposure, inst.moves_ppm, volatility_assumed_ppm);
            let totals = if inst.live == self.live { &mut self.totals } else { &mut self.other };
            totals.moving = totals.moving.saturating_add(inst.moving);
        }
    }

    /// Takes a change of an asset's balance over all venues.
    pub fn shift_asset(&mut self, asset: AssetId, change: i64, live: bool) {
        match self.assets.get_mut(asset.index()) {
            Some(value) => match value.total[usize::from(live)].checked_add(change) {
                Some(total) => value.total[usize::from(live)] = total,
                None => self.totals.broken = true,
            },
            None => return,
        }
        self.revalue_asset(asset);
    }

    pub(super) fn sums(&self) -> impl Iterator<Item = &Usd> {
        self.venues.iter().chain(&*self.groups)
    }

    #[inline]
    fn revalue_asset(&mut self, id: AssetId) {
        self.revalue_asset_of(id, false);
        self.revalue_asset_of(id, true);
    }

    #[inline]
    fn revalue_asset_of(&mut self, id: AssetId, live: bool) {
        let at = usize::from(live);
        let Some(asset) = self.assets.get(id.index()) else { return };
        let total = asset.total[at];
        let value = if asset.is_usd {
            Some(Usd(total))
        } else if asset.priced && total != 0 {
            let inst = &self.insts[asset.priced_by.index()];
            num::rescale(
                i128::from(total) * i128::from(inst.quote.bid_px.0),
                8 + inst.def.px_scale,
                Usd::SCALE,
                Round::Down,
            )
            .map(Usd)
        } else {
            Some(Usd::ZERO)
        };
        let Some(value) = value else {
            self.totals.broken = true;
            return;
        };
        let old = std::mem::replace(&mut self.assets[id.index()].value[at], value);
        let totals = self.totals_mut(live);
        totals.equity = totals.equity.saturating_add(value).saturating_sub(old);
    }

    /// Brings the sums up to the instrument's quote, position and working orders.
    #[inline]
    pub fn revalue(&mut self, id: InstrumentId) {
        #[cfg(test)]
        {
            self.valued += 1;
        }
        let Some(inst) = self.insts.get_mut(id.index()) else { return };
        let def = &inst.def;
        let shares = (|| {
            let unrealised = if inst.position.net.is_zero() || inst.quote_px_missing() {
                inst.unrealised_when_unpriced()
            } else {
                inst.position.unrealised_usd(inst.exit_px(), def)?
            };
            let worst = inst.worst_qty(0, 0)?;
            let exposure = if worst.is_zero() {
                Usd::ZERO
            } else {
                num::notional(inst.quote.ask_px, worst, def.px_scale, def.qty_scale, Round::Up)?
            };
            // The worst of both is one of the two; where nothing works they are one and the same, up to its sign.
            let (up, down) = if inst.working == Working::default() {
                let signed = if inst.position.net.0 < 0 { Usd(-exposure.0) } else { exposure };
                (signed, signed)
            } else {
                let net = inst.position.net.0;
                let (long, short) = (net.checked_add(inst.working.buy.0)?, net.checked_sub(inst.working.sell.0)?);
                let value =
                    |qty: i64, round| num::notional(inst.quote.ask_px, Qty(qty), def.px_scale, def.qty_scale, round);
                (
                    if long == worst.0 { exposure } else { value(long, Round::Up)? },
                    if short == -worst.0 { Usd(-exposure.0) } else { value(short, Round::Down)? },
                )
            };
            Some((unrealised, exposure, up, down))
        })();
        let Some((unrealised, exposure, up, down)) = shares else {
            self.totals.broken = true;
            return;
        };
        let totals = if inst.live == self.live { &mut self.totals } else { &mut self.other };
        totals.unrealised = totals.unrealised.saturating_add(unrealised).saturating_sub(inst.unrealised);
        totals.exposure = totals.exposure.saturating_add(exposure).saturating_sub(inst.exposure);
        totals.net_up = totals.net_up.saturating_add(up).saturating_sub(inst.net_up);
        totals.net_down = totals.net_down.saturating_add(down).saturating_sub(inst.net_down);
        (inst.net_up, inst.net_down) = (up, down);
        inst.unrealised = unrealised;
        let change = exposure.saturating_sub(std::mem::replace(&mut inst.exposure, exposure));
        let (venue, base, moving, live) = (inst.def.venue, inst.def.base, inst.moving, inst.live);
        if !change.is_zero() {
            if let Some(group) = self.groups.get_mut(group_at(inst.group, live)) {
                *group = group.saturating_add(change);
            }
            inst.moving = risk::moving(exposure, inst.moves_ppm, self.volatility_assumed_ppm);
            let more = inst.moving.saturating_sub(moving);
            totals.moving = totals.moving.saturating_add(more);
            self.expose(venue, base, live, change);
        }
        let Some(asset) = self.assets.get(base.index()).filter(|a| a.priced_by == id && a.priced) else { return };
        // What is not held is worth nothing at any price.
        let [paper, live] = asset.total.map(|total| total != 0);
        if paper {
            self.revalue_asset_of(base, false);
        }
        if live {
            self.revalue_asset_of(base, true);
        }
    }

    /// Takes a fill into the position: `signed_qty` at `px`, and a commission of `base_fee` (instrument scale) out of
    /// what was bought, worth `fee` dollars. Returns the profit it realised, or `None` where a number did not fit.
    pub fn fill(&mut self, id: InstrumentId, signed_qty: i64, px: Price, base_fee: i64, fee: Usd) -> Option<Usd> {
        let inst = self.insts.get_mut(id.index())?;
        let mut position = inst.position;
        position.apply(signed_qty, px)?;
        if base_fee != 0 {
            position.apply(-base_fee, px)?;
        }
        position.fees = position.fees.checked_add(fee)?;
        let realised = position.realised_usd(&inst.def)?;
        let change = realised.checked_sub(inst.realised)?;
        inst.position = position;
        inst.realised = realised;
        let live = inst.live;
        let totals = self.totals_mut(live);
        totals.realised = totals.realised.saturating_add(change);
        totals.fees = totals.fees.saturating_add(fee);
        Some(change)
    }

    /// Changes what works of an instrument.
    #[inline]
    pub fn work(&mut self, id: InstrumentId, side: Side, change: i64) {
        if let Some(inst) = self.insts.get_mut(id.index()) {
            inst.working.change(side, change);
        }
    }

    /// The commission in dollars, and the part of it that came out of the base quantity (instrument scale).
    /// `None` where the asset cannot be valued.
    pub fn value_fee(&self, id: InstrumentId, asset: AssetId, fee: i64, px: Price) -> Option<(Usd, i64)> {
        let inst = self.get(id)?;
        if fee == 0 || asset == AssetId::NONE {
            return Some((Usd::ZERO, 0));
        }
        if asset == inst.def.base {
            let base = num::rescale(i128::from(fee), 8, inst.def.qty_scale, Round::Up)?;
            return Some((inst.notional(px, Qty(base), Round::Up)?, base));
        }
        let value = self.asset(asset);
        if value.is_usd {
            return Some((Usd(fee), 0));
        }
        if !value.priced {
            return None;
        }
        let by = self.get(value.priced_by)?;
        if by.quote.ask_px.is_zero() {
            return None;
        }
        let usd =
            num::rescale(i128::from(fee) * i128::from(by.quote.ask_px.0), 8 + by.def.px_scale, Usd::SCALE, Round::Up)?;
        Some((Usd(usd), 0))
    }

    /// The balance of an asset at a venue moved by a fill.
    pub fn shift(&mut self, account: &mut Account, live: bool, venue: VenueId, asset: AssetId, change: i64) {
        if account.shift(venue, asset, change).is_none() {
            self.totals.broken = true;
            return;
        }
        self.shift_asset(asset, change, live);
    }
}

impl Inst {
    #[inline]
    fn quote_px_missing(&self) -> bool {
        self.quote.bid_px.is_zero() || self.quote.ask_px.is_zero()
    }

    /// A position without a price keeps its last value; a flat one has none.
    #[inline]
    fn unrealised_when_unpriced(&self) -> Usd {
        if self.position.net.is_zero() { Usd::ZERO } else { self.unrealised }
    }
}

impl Default for Portfolio {
    fn default() -> Self {
        Portfolio::new()
    }
}
