//! `tollgate top`: the engine as it goes, over the same requests as the other commands.

use super::client::{AskError, Client};
use super::table::plain;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};
use serde_json::Value;
use std::time::{Duration, Instant};

/// What one look found.
#[derive(Default)]
struct Seen {
    status: Value,
    positions: Value,
    orders: Value,
    /// Why the last look found nothing; what is shown is then old.
    fault: Option<String>,
    at: Option<Instant>,
}

impl Seen {
    fn look(&mut self, client: &Client) {
        let looked = (|| {
            let status = client.show("status", &[])?.data;
            let positions = client.show("positions", &[])?.data;
            Ok::<_, AskError>((status, positions, client.show("orders", &[("limit", Some("50".to_owned()))])?.data))
        })();
        match looked {
            Ok((status, positions, orders)) => {
                *self = Seen { status, positions, orders, fault: None, at: Some(Instant::now()) };
            }
            Err(error) => self.fault = Some(error.to_string()),
        }
    }
}

/// Looks every so many seconds until q, Esc or Ctrl-C. A daemon that goes away is shown as gone, and looked for.
pub fn top(client: &Client, every: u64) -> Result<(), AskError> {
    let mut seen = Seen::default();
    seen.look(client);
    // One that was never there is a plain error, not an empty screen.
    if seen.at.is_none() {
        client.show("status", &[])?;
    }
    let mut terminal = ratatui::try_init()
        .map_err(|cause| AskError::Unusable(format!("top needs a terminal: {cause}; tollgate status does not")))?;
    let ended = watch(&mut terminal, client, &mut seen, Duration::from_secs(every));
    ratatui::restore();
    ended.map_err(|cause| AskError::Unusable(format!("the terminal cannot be used: {cause}")))
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    client: &Client,
    seen: &mut Seen,
    every: Duration,
) -> std::io::Result<()> {
    let mut next = Instant::now() + every;
    loop {
        terminal.draw(|frame| draw(frame, seen))?;
        if event::poll(next.saturating_duration_since(Instant::now()))? {
            if let Event::Key(key) = event::read()?
                && key.kind == KeyEventKind::Press
                && (matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
                    || key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL))
            {
                return Ok(());
            }
        } else {
            seen.look(client);
            next = Instant::now() + every;
        }
    }
}

fn draw(frame: &mut Frame, seen: &Seen) {
    let instruments = rows(&seen.status, "instruments").len().clamp(1, 10) as u16;
    let positions = rows(&seen.positions, "positions").len().clamp(1, 10) as u16;
    let areas = Layout::vertical([
        Constraint::Length(4),
        Constraint::Length(instruments + 3),
        Constraint::Length(positions + 3),
        Constraint::Min(5),
        Constraint::Length(9),
    ])
    .split(frame.area());
    head(frame, areas[0], seen);
    let instruments = ["symbol", "exchange", "feed", "bid", "ask", "quote_age_ms"];
    grid(frame, areas[1], "market", rows(&seen.status, "instruments"), &instruments);
    let positions = ["symbol", "exchange", "side", "quantity", "average_price", "mark_price", "unrealised_usd"];
    grid(frame, areas[2], "positions", rows(&seen.positions, "positions"), &positions);
    let orders = ["order_id", "symbol", "side", "type", "quantity", "filled_quantity", "price", "status"];
    grid(frame, areas[3], "working orders", rows(&seen.orders, "orders"), &orders);
    let feet = Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).split(areas[4]);
    grid(frame, feet[0], "latency, ns", rows(&seen.status, "latency"), &["stage", "p50_ns", "p99_ns", "max_ns"]);
    grid(frame, feet[1], "alarms", rows(&seen.status, "recent_alarms"), &["time", "kind", "symbol"]);
}

fn rows<'a>(data: &'a Value, name: &str) -> &'a [Value] {
    data[name].as_array().map_or(&[], Vec::as_slice)
}

fn head(frame: &mut Frame, area: Rect, seen: &Seen) {
    let told = |name: &str| plain(&seen.status[name]);
    let state = told("trading_state");
    let colour = match state.as_str() {
        "active" => Color::Green,
        "reducing" => Color::Yellow,
        _ => Color::Red,
    };
    let venues = rows(&seen.status, "venues").iter().map(|v| format!("{} {}", plain(&v["name"]), plain(&v["state"])));
    let counts = &seen.status["run_counts"];
    let mut lines = vec![
        Line::from(vec![
            format!("{} {} ", told("name"), told("version")).into(),
            format!(" {} ", told("mode").to_uppercase()).bold().reversed(),
            format!("  trading {state}").fg(colour).bold(),
            format!("  {}", venues.collect::<Vec<_>>().join(", ")).into(),
        ]),
        Line::from(format!(
            "equity {} USD   run {}   today {}   orders {} open, {} placed   fills {}",
            told("equity_usd"),
            told("run_pnl_usd"),
            told("day_pnl_usd"),
            told("open_orders"),
            plain(&counts["orders_placed"]),
            plain(&counts["fills"]),
        )),
    ];
    if let Some(fault) = &seen.fault {
        let age = seen.at.map_or(0, |at| at.elapsed().as_secs());
        lines.push(Line::from(format!("STALE, {age} s old: {fault}").red().bold()));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// Rows under the names of their members.
fn grid(frame: &mut Frame, area: Rect, title: &str, rows: &[Value], members: &[&str]) {
    let heads = members.iter().map(|name| Cell::from(name.replace('_', " ")));
    let lines = rows.iter().map(|row| Row::new(members.iter().map(|name| Cell::from(plain(&row[*name])))));
    let widths = members.iter().map(|_| Constraint::Fill(1));
    let table = Table::new(lines, widths)
        .header(Row::new(heads).style(Style::new().add_modifier(Modifier::DIM)))
        .block(Block::bordered().title(title.to_owned()));
    frame.render_widget(table, area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    fn shown(seen: &Seen) -> String {
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
        terminal.draw(|frame| draw(frame, seen)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        buffer.content().chunks(120).map(|row| row.iter().map(|c| c.symbol()).collect::<String>() + "\n").collect()
    }

    #[test]
    fn the_mode_the_state_and_what_is_held_stand_on_the_screen() {
        let seen = Seen {
            status: json!({"name": "desk", "version": "1", "mode": "paper", "trading_state": "halted",
                "venues": [{"name": "binance", "state": "ready"}]}),
            positions: json!({"positions": [{"symbol": "BTCUSDT", "side": "long", "quantity": "0.25"}]}),
            ..Seen::default()
        };
        let screen = shown(&seen);
        for words in [" PAPER ", "trading halted", "binance ready", "BTCUSDT", "0.25"] {
            assert!(screen.contains(words), "{words:?} is not on\n{screen}");
        }
        assert!(!screen.contains("STALE"));
    }

    #[test]
    fn a_daemon_that_is_gone_is_shown_as_gone() {
        let seen = Seen { fault: Some("no daemon answers".to_owned()), ..Seen::default() };
        assert!(shown(&seen).contains("STALE, 0 s old: no daemon answers"));
    }
}
