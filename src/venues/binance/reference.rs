//! The prices that the filters are held against (§11.2, "P"): `referencePrice`, `avgPrice`, `ticker/price`.

use super::decode::DecodeError;
use super::json;
use crate::domain::Price;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReferenceJson {
    reference_price: Option<String>,
}

/// The body of `referencePrice`; `None` where the symbol has one that is not set now.
pub fn reference_price(body: &[u8]) -> Result<Option<Price>, DecodeError> {
    let read: ReferenceJson = json::parse(body)?;
    Ok(read.reference_price.map(|text| price(&text, "referencePrice")).transpose()?.flatten())
}

#[derive(Deserialize)]
struct AverageJson {
    /// Absent in `ticker/price`, which is the last price.
    #[serde(default)]
    mins: u32,
    price: String,
}

/// The body of `avgPrice` or of `ticker/price`: minutes that it averages over (0: the last price), and the price, which
/// a symbol that has never traded has not.
pub fn average_price(body: &[u8]) -> Result<(u32, Option<Price>), DecodeError> {
    let read: AverageJson = json::parse(body)?;
    Ok((read.mins, price(&read.price, "price")?))
}

/// The venue writes zero where there is none.
fn price(text: &str, name: &'static str) -> Result<Option<Price>, DecodeError> {
    let px = json::fixed_text(text, name)?;
    Ok((px > 0).then_some(Price(px)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::binance::testing::fixture;

    #[test]
    fn the_venues_own_examples_are_read() {
        for (name, want) in
            [("rest_referencePrice.json", Ok(Some(Price(1_000_000_000)))), ("rest_referencePrice_null.json", Ok(None))]
        {
            let Some(body) = fixture(name) else { return };
            assert_eq!(reference_price(&body), want, "{name}");
        }
        let Some(body) = fixture("rest_avgPrice.json") else { return };
        assert_eq!(average_price(&body), Ok((5, Some(Price(935_751_834)))));
    }

    #[test]
    fn a_price_that_is_none_is_not_taken() {
        for (body, want) in [
            (r#"{"symbol":"A","price":"4.00000200"}"#, Ok((0, Some(Price(400_000_200))))),
            (r#"{"mins":5,"price":"0.00000000"}"#, Ok((5, None))),
            (r#"{"mins":5,"price":"-1"}"#, Err(DecodeError::BadNumber("price"))),
            (r#"{"mins":5,"price":"0.000000001"}"#, Err(DecodeError::BadNumber("price"))),
            (r#"{"mins":5}"#, Err(DecodeError::BadField("body"))),
            (r#"{"mins":-5,"price":"1"}"#, Err(DecodeError::BadField("body"))),
        ] {
            assert_eq!(average_price(body.as_bytes()), want, "{body}");
        }
        assert_eq!(reference_price(br#"{"referencePrice":"x"}"#), Err(DecodeError::BadNumber("referencePrice")));
    }
}
