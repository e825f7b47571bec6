//! Tables and lists for people, made of a daemon's JSON.

use serde_json::Value;

/// A column: its head, where its value stands in a row (a JSON pointer), and whether it is a number.
pub struct Column {
    pub head: &'static str,
    pub at: &'static str,
    pub right: bool,
}

/// Text, to the left.
pub const fn text(head: &'static str, at: &'static str) -> Column {
    Column { head, at, right: false }
}

/// A number, to the right.
pub const fn number(head: &'static str, at: &'static str) -> Column {
    Column { head, at, right: true }
}

/// The rows under their heads; `empty` where there is none.
pub fn table(columns: &[Column], rows: &[Value], empty: &str) -> String {
    if rows.is_empty() {
        return format!("{empty}\n");
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|column| plain(row.pointer(column.at).unwrap_or(&Value::Null))).collect())
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            cells.iter().map(|row| row[at].chars().count()).chain([column.head.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let heads: Vec<String> = columns.iter().map(|column| column.head.to_owned()).collect();
    let mut out = String::new();
    for row in std::iter::once(&heads).chain(&cells) {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(columns).zip(&widths) {
            let blank = " ".repeat(width - cell.chars().count());
            match column.right {
                true => line.push_str(&format!("{blank}{cell}  ")),
                false => line.push_str(&format!("{cell}{blank}  ")),
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// An object's plain values, a line each; what is nested is left to `--json`.
pub fn list(object: &Value) -> String {
    let Some(members) = object.as_object() else { return format!("{}\n", plain(object)) };
    let told: Vec<(&String, String)> = members
        .iter()
        .filter(|(_, value)| !value.is_object() && !value.is_array())
        .map(|(name, value)| (name, plain(value)))
        .collect();
    let width = told.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    told.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// A value as a person reads it; nothing is a dash. What a venue or a program wrote cannot steer the terminal.
pub fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A time as the API writes it, cut to the second: `2024-08-08 12:00:01`.
pub fn second(time: &str) -> String {
    time.get(..19).unwrap_or(time).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_stand_right_and_text_left() {
        let rows = [json!({"s": "BTCUSDT", "q": "0.5"}), json!({"s": "ETH", "q": "12.25", "x": 1})];
        let columns = [text("symbol", "/s"), number("quantity", "/q"), text("more", "/x")];
        let want = "symbol   quantity  more\nBTCUSDT       0.5  -\nETH         12.25  1\n";
        assert_eq!(table(&columns, &rows, "none"), want);
        assert_eq!(table(&columns, &[], "no orders"), "no orders\n");
    }

    #[test]
    fn nothing_of_a_strangers_text_steers_the_terminal() {
        assert_eq!(plain(&json!("a\u{1b}[2Jb\n")), "a\u{fffd}[2Jb\u{fffd}");
    }

    #[test]
    fn a_list_has_the_plain_values_only() {
        let object = json!({"equity_usd": "100.5", "positions": [1], "mode": "paper"});
        assert_eq!(list(&object), "equity_usd  100.5\nmode        paper\n");
    }
}
