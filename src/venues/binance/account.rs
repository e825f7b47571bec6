//! The account's side of the venue: who is who, balances, past fills, the venue's clock. User events and order answers
//! are read by the same decoder, in `user` and `orders`.

use super::decode::{DecodeError, nanos};
use super::json::{self, JsonScratch};
use super::symbols::SymbolTable;
use crate::domain::{
    AssetId, Balance, ExecId, ExecReport, ExecType, InstrumentId, Liquidity, Nanos, OrderId, Price, Qty, Side, VenueId,
    VenueOrderId,
};
use crate::venues::assets::AssetTable;
use serde::Deserialize;

/// The names that an account's messages use, and the ids that the engine uses.
pub struct Names {
    pub venue: VenueId,
    /// The journal's, which client order ids carry.
    pub epoch: u32,
    pub symbols: SymbolTable,
    pub assets: AssetTable,
}

impl Names {
    /// `InstrumentId::UNKNOWN` where the symbol is not configured: the report is shown, never adopted.
    #[inline]
    pub(super) fn instrument(&self, symbol: &str) -> InstrumentId {
        self.symbols.find(symbol.as_bytes()).unwrap_or(InstrumentId::UNKNOWN)
    }

    /// `OrderId::FOREIGN` where the client order id is not of this journal.
    #[inline]
    pub(super) fn order(&self, client_id: &str) -> OrderId {
        OrderId::from_client_text(client_id.as_bytes(), self.epoch).unwrap_or(OrderId::FOREIGN)
    }

    /// `AssetId::NONE` where the asset is not configured.
    #[inline]
    pub(super) fn asset(&self, name: &str) -> AssetId {
        self.assets.find(name.as_bytes()).unwrap_or(AssetId::NONE)
    }
}

/// Decodes everything about one account. Holds all buffers.
pub struct AccountDecoder {
    pub(super) names: Names,
    pub(super) scratch: JsonScratch,
    /// The balances of the last `outboundAccountPosition`.
    pub(super) balances: Vec<Balance>,
}

impl AccountDecoder {
    pub fn new(names: Names) -> AccountDecoder {
        AccountDecoder { names, scratch: JsonScratch::new(), balances: Vec::with_capacity(crate::domain::MAX_ASSETS) }
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The balances of `account` (REST) or of an `account.status` result. Assets that are not configured are left out.
    pub fn balances(&self, body: &[u8]) -> Result<AccountState, DecodeError> {
        let account: AccountJson = json::parse(body)?;
        let ts_event_ns = nanos(account.update_time).ok_or(DecodeError::BadNumber("updateTime"))?;
        let mut balances = Vec::with_capacity(account.balances.len());
        for line in &account.balances {
            let free = json::fixed_text(&line.free, "free")?;
            let locked = json::fixed_text(&line.locked, "locked")?;
            let asset = self.names.asset(&line.asset);
            if asset != AssetId::NONE {
                balances.push(Balance { venue: self.names.venue, asset, free, locked, ts_event_ns });
            }
        }
        let taker = account.commission_rates.map(|rates| json::fixed_text(&rates.taker, "taker")).transpose()?;
        Ok(AccountState { balances, can_trade: account.can_trade, taker_fee_ppm: taker.map(ppm) })
    }

    /// The fills of `myTrades`, oldest first, as the reports that the user stream would have sent. They carry the
    /// venue's order id and no client order id: `order` is `OrderId::FOREIGN`, and `exec_id`, the trade id, is the same
    /// as in the stream.
    pub fn trades(&self, body: &[u8]) -> Result<Vec<ExecReport>, DecodeError> {
        let trades: Vec<TradeJson> = json::parse(body)?;
        trades.iter().map(|trade| self.trade(trade)).collect()
    }

    fn trade(&self, trade: &TradeJson) -> Result<ExecReport, DecodeError> {
        Ok(ExecReport {
            venue: self.names.venue,
            instrument: self.names.instrument(&trade.symbol),
            order: OrderId::FOREIGN,
            exec: ExecType::Trade,
            side: if trade.is_buyer { Side::Buy } else { Side::Sell },
            venue_order_id: VenueOrderId::from_u64(trade.order_id),
            exec_id: ExecId::from_u64(trade.id),
            last_px: Price(json::fixed_text(&trade.price, "price")?),
            last_qty: Qty(json::fixed_text(&trade.qty, "qty")?),
            fee: json::signed_text(&trade.commission, "commission")?,
            fee_asset: self.names.asset(&trade.commission_asset),
            liquidity: if trade.is_maker { Liquidity::Maker } else { Liquidity::Taker },
            ts_event_ns: nanos(trade.time).ok_or(DecodeError::BadNumber("time"))?,
            ..ExecReport::default()
        })
    }
}

/// What `account` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    pub balances: Vec<Balance>,
    pub can_trade: bool,
    /// The account's own taker commission, where the venue says it.
    pub taker_fee_ppm: Option<u32>,
}

/// The venue's clock, from the body of `time` or the result of the same method.
pub fn server_time(body: &[u8]) -> Result<Nanos, DecodeError> {
    let time: TimeJson = json::parse(body)?;
    nanos(time.server_time).ok_or(DecodeError::BadNumber("serverTime"))
}

/// The body of a refused REST request: code and words.
pub fn rest_error(body: &[u8]) -> Result<(i64, String), DecodeError> {
    let error: ErrorJson = json::parse(body)?;
    Ok((error.code, error.msg))
}

#[derive(Deserialize)]
struct ErrorJson {
    code: i64,
    msg: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimeJson {
    server_time: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountJson {
    can_trade: bool,
    update_time: u64,
    balances: Vec<BalanceJson>,
    commission_rates: Option<RatesJson>,
}

#[derive(Deserialize)]
struct RatesJson {
    taker: String,
}

#[derive(Deserialize)]
struct BalanceJson {
    asset: String,
    free: String,
    locked: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TradeJson {
    symbol: String,
    id: u64,
    order_id: u64,
    price: String,
    qty: String,
    commission: String,
    commission_asset: String,
    time: u64,
    is_buyer: bool,
    is_maker: bool,
}

/// A rate in units of 10^-8, not negative, as parts per million, rounded up: what is reserved for a fee must cover it.
fn ppm(rate: i64) -> u32 {
    u32::try_from(rate / 100 + i64::from(rate % 100 != 0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::venues::binance::testing::{compact, fixture};
    use serde_json::Value;

    pub fn names() -> Names {
        let assets = ["BTC", "LTC", "BNB", "USDT"].into_iter().zip((0..).map(AssetId));
        let assets = AssetTable::new(assets);
        let symbols = [(InstrumentId(0), "BTCUSDT"), (InstrumentId(1), "BNBBTC")];
        Names { venue: VenueId(3), epoch: 7, symbols: SymbolTable::new(symbols).unwrap(), assets }
    }

    /// The `result` of a documented answer.
    fn result(name: &str) -> Option<Vec<u8>> {
        let answer: Value = serde_json::from_slice(&fixture(name)?).unwrap();
        Some(answer["result"].to_string().into_bytes())
    }

    #[test]
    fn balances_are_those_of_configured_assets() {
        let decoder = AccountDecoder::new(names());
        let Some(body) = fixture("account.json") else { return };
        let ts_event_ns = 123_456_789_000_000;
        let balance = |asset, free, locked, ts_event_ns| Balance {
            venue: VenueId(3),
            asset: AssetId(asset),
            free,
            locked,
            ts_event_ns,
        };
        let want = AccountState {
            balances: vec![
                balance(0, 472_384_689_208_129, 0, ts_event_ns),
                balance(1, 476_336_868_006_011, 0, ts_event_ns),
            ],
            can_trade: true,
            taker_fee_ppm: Some(1500),
        };
        assert_eq!(decoder.balances(&body), Ok(want.clone()));
        assert_eq!(decoder.balances(&compact("account.json").unwrap()), Ok(want));
        let body = result("wsapi_account_status_response.json").unwrap();
        let state = decoder.balances(&body).unwrap();
        let ts = 1_660_801_833_000_000_000;
        assert_eq!(
            state.balances,
            [balance(2, 0, 0, ts), balance(0, 134_471_120, 8_600_000, ts), balance(3, 102_121_000_000, 0, ts)]
        );
        for (body, want) in [
            (
                "{\"canTrade\":true,\"updateTime\":1,\"balances\":[{\"asset\":\"BTC\",\"free\":\"-1\",\"locked\":\"0\"}]}",
                DecodeError::BadNumber("free"),
            ),
            ("{\"canTrade\":true}", DecodeError::BadField("body")),
            ("{", DecodeError::Truncated),
        ] {
            assert_eq!(decoder.balances(body.as_bytes()), Err(want), "{body}");
        }
    }

    #[test]
    fn fills_are_reports_with_the_trade_id_of_the_stream() {
        let decoder = AccountDecoder::new(names());
        let Some(body) = fixture("myTrades.json") else { return };
        let want = ExecReport {
            venue: VenueId(3),
            instrument: InstrumentId(1),
            order: OrderId::FOREIGN,
            exec: ExecType::Trade,
            side: Side::Buy,
            venue_order_id: VenueOrderId::from_u64(100_234),
            exec_id: ExecId::from_u64(28_457),
            last_px: Price(400_000_100),
            last_qty: Qty(1_200_000_000),
            fee: 1_010_000_000,
            fee_asset: AssetId(2),
            liquidity: Liquidity::Taker,
            ts_event_ns: 1_499_865_549_590_000_000,
            ..ExecReport::default()
        };
        assert_eq!(decoder.trades(&body), Ok(vec![want]));
        let fills = decoder.trades(&result("wsapi_myTrades_response.json").unwrap()).unwrap();
        let seen: Vec<_> = fills.iter().map(|f| (f.exec_id.lo, f.side, f.last_qty.0, f.liquidity)).collect();
        assert_eq!(
            seen,
            [
                (1_650_422_481, Side::Sell, 635_000, Liquidity::Maker),
                (1_650_422_482, Side::Sell, 212_000, Liquidity::Maker)
            ]
        );
    }

    #[test]
    fn the_clock_and_errors_are_read() {
        let Some(body) = fixture("rest_time.json") else { return };
        assert_eq!(server_time(&body), Ok(1_499_827_319_559_000_000));
        let want = (-1121, "Invalid symbol.".to_owned());
        assert_eq!(rest_error(b"{\"code\":-1121,\"msg\":\"Invalid symbol.\"}"), Ok(want));
        assert_eq!(rest_error(b"<html>gone</html>"), Err(DecodeError::NotJson));
        assert_eq!([ppm(0), ppm(1), ppm(100), ppm(150_000), ppm(i64::MAX)], [0, 1, 1, 1500, u32::MAX]);
    }
}
