//! The query of a request: names with their values, booleans in any case, lists with commas.

use super::errors::ApiError;
use super::number;
use crate::sim::http;

#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Result<Query, ApiError> {
        http::form_pairs(text).map(Query).ok_or_else(|| ApiError::bad("invalid query"))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| v.eq_ignore_ascii_case("true") || v == "1")
    }

    /// A whole number within bounds, or what is usual.
    pub fn int(&self, name: &str, usual: usize, max: usize) -> Result<usize, ApiError> {
        match self.get(name) {
            None => Ok(usual),
            Some(text) => match text.parse() {
                Ok(value) if (1..=max).contains(&value) => Ok(value),
                _ => Err(ApiError::bad(format!("invalid {name}: must be within 1 and {max}"))),
            },
        }
    }

    /// Values with commas, whether in one member or in several of the name.
    pub fn list(&self, name: &str) -> Vec<String> {
        let values = self.0.iter().filter(|(n, _)| n == name || n.strip_suffix("[]") == Some(name));
        values.flat_map(|(_, v)| v.split(',')).map(str::trim).filter(|v| !v.is_empty()).map(str::to_owned).collect()
    }

    pub fn time(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            // A plus sign that was not encoded has become a space.
            Some(text) => super::calendar::parse_time(&text.replace(' ', "+"))
                .map(Some)
                .ok_or_else(|| ApiError::bad(format!("invalid {name}"))),
        }
    }

    pub fn amount(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => number::parse(text).map(Some).map_err(|_| ApiError::bad(format!("invalid {name}"))),
        }
    }
}
