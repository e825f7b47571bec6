//! What a quote costs the portfolio, as a count of what is valued.

use super::*;

/// So many instruments, each with a position.
fn holding(count: u16) -> Rig {
    let mut rig = Rig::ready();
    for n in 0..count {
        let (id, base) = (InstrumentId(n), AssetId(n + 1));
        rig.step(Body::Instrument(Instrument { id, base, ..btcusdt() }));
        let quote = rig.core.portfolio().get(BTC).unwrap().quote;
        rig.step(Body::Quote(Quote { instrument: id, ..quote }));
        rig.step(Body::Exec(ExecReport {
            order: OrderId(1),
            instrument: id,
            venue: VENUE,
            exec: ExecType::Trade,
            side: Side::Buy,
            last_qty: Qty(E8 / 10_000),
            last_px: Price(60_000 * E8),
            exec_id: ExecId::from_u64(u64::from(n) + 1),
            fee_asset: AssetId::NONE,
            ..ExecReport::default()
        }));
        assert_eq!(rig.core.portfolio().get(id).unwrap().position.net, Qty(E8 / 10_000));
    }
    rig
}

#[test]
fn a_quote_values_one_instrument_however_many_are_held() {
    for count in [1, 8, 64] {
        let mut rig = holding(count);
        let (valued, before) = (rig.core.portfolio().valued, rig.core.portfolio().totals);
        rig.quote(59_000);
        assert_eq!(rig.core.portfolio().valued - valued, 1, "{count} positions");
        // And the sums are those of all: one of them lost a thousand dollars a coin on a ten-thousandth.
        let lost = before.unrealised.saturating_sub(rig.core.portfolio().totals.unrealised);
        assert_eq!(lost, Usd(E8 / 10), "{count} positions");
    }
}
