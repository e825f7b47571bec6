//! The trade store's file is locked, or its disk is full: that is an alert, trading goes on, and no row is lost.

use super::support::{Daemon, Process, config, free_port, tollgate, wait_until};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn alerts(daemon: &Daemon) -> Vec<Value> {
    let alerts = daemon.get("alerts").map(|found| found["alerts"].clone()).unwrap_or_default();
    let of_it = |alert: &&Value| alert["kind"] == "STORE_BEHIND";
    alerts.as_array().map(|all| all.iter().filter(of_it).cloned().collect()).unwrap_or_default()
}

fn until_raised(daemon: &Daemon) {
    wait_until(|| {
        let found = alerts(daemon);
        let stands = found.iter().any(|alert| alert["cleared_at"].is_null() && alert["severity"] == "warning");
        if stands { Ok(()) } else { Err(format!("the alert: {found:?}")) }
    });
}

fn until_cleared(daemon: &Daemon) {
    wait_until(|| {
        let found = alerts(daemon);
        let over = !found.is_empty() && found.iter().all(|alert| alert["cleared_at"].is_string());
        if over { Ok(()) } else { Err(format!("the end of it: {found:?}")) }
    });
}

/// An order of so many thousandths of a bitcoin is placed and filled; its id.
fn trade(daemon: &Daemon, thousandths: u32) -> String {
    let order = json!({ "action": "place-order", "symbol": "BTCUSDT", "side": "buy", "type": "market",
        "exchange": "binance", "quantity": format!("0.00{thousandths}") });
    let (status, reply) = daemon.post(&order.to_string());
    assert_eq!(status, 200, "{reply}");
    let id = reply["data"]["order_id"].as_str().unwrap().to_owned();
    wait_until(|| {
        let trades = daemon.get("trades").ok_or("trades")?;
        let mine = trades["trades"].as_array().unwrap().iter().any(|trade| trade["order_id"] == id.as_str());
        if mine { Ok(()) } else { Err(format!("the fill of {id}: {trades}")) }
    });
    id
}

fn is_stored(file: &Path, order: &str) -> Result<(), String> {
    let db = rusqlite::Connection::open(file).map_err(|error| error.to_string())?;
    let sql = "SELECT count(*) FROM fills WHERE CAST(order_id AS TEXT) = ?1";
    match db.query_row(sql, [order], |row| row.get::<_, i64>(0)) {
        Ok(1..) => Ok(()),
        other => Err(format!("the rows of {order}: {other:?}")),
    }
}

fn until_stored(file: &Path, order: &str) {
    wait_until(|| is_stored(file, order));
}

#[test]
fn a_locked_store_is_an_alert_and_trading_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &[]), port, &[]);
    daemon.ready();
    let file = dir.path().join("data/trades.db");
    let before = trade(&daemon, 1);
    until_stored(&file, &before);
    assert!(alerts(&daemon).is_empty());
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let during = trade(&daemon, 2);
    until_raised(&daemon);
    trade(&daemon, 3);
    assert_eq!(daemon.get("status").unwrap()["trading_state"], "active");
    other.execute_batch("ROLLBACK").unwrap();
    until_cleared(&daemon);
    until_stored(&file, &during);
}

/// A disk of its own for the store, nearly full from the start. `None` where this machine lets nobody make one.
fn on_a_full_disk(config: &Path, disk: &Path) -> Option<Process> {
    std::fs::create_dir_all(disk).unwrap();
    let namespace = ["-rm", "sh", "-c"];
    let mount = format!("mount -t tmpfs -o size=1m tmpfs {disk:?}");
    let may = Command::new("unshare").args(namespace).arg(&mount).status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("this machine lets nobody mount a disk in a namespace: a full one is not tried");
        return None;
    }
    let fill = format!("dd if=/dev/zero of={:?} bs=1k count=1016 2>/dev/null", disk.join("ballast"));
    let run = format!("{mount} && {{ {fill}; exec {:?} run --config {config:?}; }}", tollgate().get_program());
    let mut command = Command::new("unshare");
    command.args(namespace).arg(run);
    Some(Process::spawn(command, config.parent().unwrap(), "tollgate"))
}

#[test]
fn a_full_disk_is_an_alert_until_there_is_room_and_trading_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = config(dir.path(), port, &[("file = \"trades.db\"", "file = \"small/trades.db\"")]);
    let disk = dir.path().join("data/small");
    let Some(process) = on_a_full_disk(&path, &disk) else { return };
    let mut daemon = Daemon { process, port };
    daemon.ready();
    until_raised(&daemon);
    let during = trade(&daemon, 1);
    assert!(daemon.process.log().contains("is full: make room, rows wait meanwhile"), "{}", daemon.process.log());
    // Its disk is seen by the process alone.
    let seen = Path::new("/proc").join(daemon.process.child.id().to_string()).join("root");
    let disk = seen.join(disk.strip_prefix("/").unwrap());
    std::fs::remove_file(disk.join("ballast")).unwrap();
    until_cleared(&daemon);
    // Read from a copy: SQLite would follow the path into this process's own file system.
    let copy = tempfile::tempdir().unwrap();
    wait_until(|| {
        for file in ["trades.db", "trades.db-wal"] {
            std::fs::copy(disk.join(file), copy.path().join(file)).map_err(|error| format!("{file}: {error}"))?;
        }
        is_stored(&copy.path().join("trades.db"), &during)
    });
}
