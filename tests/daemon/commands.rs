//! The commands for a running daemon, as a person and as a script use them.

use super::credentials::{credentials, on_binance, said, with_store};
use super::support::{Daemon, config, free_port, tollgate};
use serde_json::{Value, json};

struct Desk {
    url: String,
}

impl Desk {
    /// Exit code, standard output, standard error.
    fn say(&self, words: &str) -> (i32, String, String) {
        let words = words.split(' ').map(|word| word.replace('_', " "));
        let done = tollgate().args(words).args(["--url", &self.url]).env_remove("TOLLGATE_TOKEN").output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
    }

    fn json(&self, words: &str) -> Value {
        let (code, out, err) = self.say(&format!("{words} --json"));
        assert_eq!(code, 0, "{words}: {out}{err}");
        serde_json::from_str(&out).unwrap()
    }
}

#[test]
fn a_person_trades_by_commands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &[]), port, &[]);
    daemon.ready();
    let desk = Desk { url: format!("http://127.0.0.1:{port}") };

    let (code, out, _) = desk.say("status");
    assert!(code == 0 && out.contains("on paper: trading active") && out.contains("binance  ready"), "{out}");

    let (code, out, err) = desk.say("order place buy 0.002 BTCUSDT");
    assert!(code == 0 && out.contains("filled"), "{out}{err}");
    let bought = desk.json("orders --status closed")["orders"][0]["order_id"].as_str().unwrap().to_owned();
    let (code, told, err) = desk.say(&format!("explain {bought}"));
    assert_eq!(code, 0, "{told}{err}");
    for words in ["filled", "route\n", "exchange", "ORDER_NOTIONAL_ABOVE_MAX", "SELF_MATCH", "written", "acknowledged"]
    {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    let bid: f64 = desk.json("status")["instruments"][0]["bid"].as_str().unwrap().parse().unwrap();
    let resting = format!("order place buy 0.001 BTCUSDT --type limit --price {}", (bid * 0.97).floor());
    let placed = desk.json(&resting);
    assert_eq!((placed["status"].as_str(), placed["symbol"].as_str()), (Some("new"), Some("BTCUSDT")), "{placed}");
    let id = placed["order_id"].as_str().unwrap();
    let (code, out, _) = desk.say("orders");
    assert!(code == 0 && out.contains(id), "{out}");

    let (code, out, err) = desk.say(&format!("order cancel {id}"));
    assert!(code == 0 && out.contains("canceled"), "{out}{err}");
    let (code, _, err) = desk.say(&format!("order cancel {id}"));
    assert!(code == 4 && err.contains("ORDER_CLOSED"), "{err}");

    // Both a denial and a faulty field are a refusal, in words.
    let (code, _, err) = desk.say("order place buy 5 BTCUSDT");
    assert!(code == 4 && err.contains("ORDER_NOTIONAL_ABOVE_MAX"), "{err}");
    let (code, _, err) = desk.say("explain no-such-order");
    assert!(code == 4 && err.contains("NOT_FOUND"), "{err}");
    let (code, out, _) = desk.say("order validate buy 5 BTCUSDT");
    assert!(code == 0 && out.starts_with("it would be denied") && out.contains("ORDER_NOTIONAL_ABOVE_MAX"), "{out}");
    let (code, _, err) = desk.say("order place purchase 1e400 BTCUSDT");
    assert!(code == 4 && err.contains("side") && err.contains("quantity"), "{err}");

    assert!(desk.json("positions")["positions"][0]["quantity"].is_string());
    let (code, out, _) = desk.say("trades --limit 1");
    assert!(code == 0 && out.contains("BTCUSDT"), "{out}");
    let (code, out, _) = desk.say("latency");
    assert!(code == 0 && out.contains("received_to_written"), "{out}");

    let (code, out, err) = desk.say("halt --flatten --reason drill");
    assert!(code == 0 && out.starts_with("trading is halted"), "{out}{err}");
    let (code, _, err) = desk.say("order place buy 0.001 BTCUSDT");
    assert!(code == 4 && err.contains("TRADING_NOT_ACTIVE"), "{err}");
    let (code, _, err) = desk.say("resume --who Ada");
    assert!(code == 2 && err.contains("--why"), "{err}");
    let (code, out, err) = desk.say("resume --who Ada --why drill_over");
    assert!(code == 0 && out.contains("active"), "{out}{err}");

    daemon.process.signal("TERM");
    assert_eq!(daemon.process.wait().code(), Some(0));
    let (code, _, err) = desk.say("status");
    assert!(code == 5 && err.contains("no daemon answers") && err.contains("tollgate run"), "{err}");
}

#[test]
fn a_shell_and_man_are_served() {
    for shell in ["bash", "zsh", "fish"] {
        let done = tollgate().args(["completions", shell]).output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(
            done.status.success() && text.contains("tollgate") && text.contains("test-connections"),
            "{shell}: {text}"
        );
    }
    let done = tollgate().arg("man").output().unwrap();
    let page = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && page.contains(".TH tollgate"), "{page}");
    for words in ["tollgate order place", "\\-\\-stop\\-price", "tollgate doctor", "Exit codes:"] {
        assert!(page.contains(words), "the manual page has no {words:?}");
    }
}

#[test]
fn check_names_every_fault_at_its_place_in_both_forms() {
    let dir = tempfile::tempdir().unwrap();
    let edits = [
        ("daily_loss_max_usd = 1_000", "dayly_loss_max_usd = 1_000"),
        ("leverage_max = 3", "leverage_max = 0"),
        ("wait = \"park\"", "wait = \"prak\""),
        ("[store]", "[stroe]"),
    ];
    let path = config(dir.path(), free_port(), &edits);
    let text = std::fs::read_to_string(&path).unwrap();
    // Where a text stands, as an editor counts.
    let place = |words: &str| {
        let at = text.find(words).unwrap_or_else(|| panic!("{words}"));
        let before = &text[..at];
        (before.matches('\n').count() + 1, at - before.rfind('\n').map_or(0, |n| n + 1) + 1)
    };
    let check = |form: &[&str]| tollgate().args(["check", "--config"]).arg(&path).args(form).output().unwrap();
    let told = check(&[]);
    let said = String::from_utf8(told.stderr).unwrap();
    assert_eq!(told.status.code(), Some(2), "{said}");
    for (words, key, near) in [
        ("dayly_loss_max_usd", "risk.dayly_loss_max_usd", "did you mean daily_loss_max_usd?"),
        ("0\n", "risk.leverage_max", "must be above 0"),
        ("\"prak\"", "threads[0].wait", "did you mean \"park\"?"),
        ("stroe]", "stroe", "did you mean store?"),
    ] {
        let (line, column) = if key == "risk.leverage_max" {
            let (line, column) = place("leverage_max = 0");
            (line, column + "leverage_max = ".len())
        } else {
            place(words)
        };
        let want = format!("{line}:{column}: {key}: ");
        assert!(said.lines().any(|fault| fault.contains(&want) && fault.contains(near)), "{want}{near} in\n{said}");
    }
    let told = check(&["--json"]);
    let json: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((told.status.code(), &json["sound"]), (Some(2), &Value::Bool(false)));
    let faults = json["faults"].as_array().unwrap();
    assert_eq!(faults.len(), said.lines().count() - 1, "{json:#}");
    assert!(faults.iter().all(|fault| fault["line"].as_u64() > Some(0) && fault["column"].as_u64() > Some(0)));
    let sound = config(dir.path(), free_port(), &[]);
    let told = tollgate().args(["check", "--json", "--config"]).arg(sound).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
}

#[test]
fn doctor_says_what_to_do_in_both_forms() {
    let dir = tempfile::tempdir().unwrap();
    let path = config(dir.path(), free_port(), &[]);
    let run = |form: &[&str]| tollgate().arg("doctor").args(form).arg("--config").arg(&path).output().unwrap();
    let told = run(&[]);
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains("threads pinned") && text.contains("config/dedicated.toml"), "{text}");
    let told = run(&["--json"]);
    let json: Value = serde_json::from_slice(&told.stdout).unwrap();
    // Seen or not, it is told.
    assert!(json["findings"].as_array().unwrap().iter().any(|finding| finding["what"] == "clock offset"), "{json:#}");
    let bad = json["findings"].as_array().unwrap().iter().filter(|finding| finding["state"] == "bad").count();
    assert_eq!((json["bad"].as_u64(), told.status.code()), (Some(bad as u64), Some(i32::from(bad > 0))));
}

/// Every command that is promised, and whether it answers programs too. What shows a table has `--json`; the rest says
/// why it has none.
const COMMANDS: &[(&str, &str)] = &[
    ("run", "its log is JSON with --log-format"),
    ("sim", "prints one line of JSON"),
    ("sim fault", "a sentence"),
    ("check", "--json"),
    ("doctor", "--json"),
    ("status", "--json"),
    ("orders", "--json"),
    ("positions", "--json"),
    ("portfolio", "--json"),
    ("order place", "--json"),
    ("order validate", "--json"),
    ("order cancel", "--json"),
    ("order replace", "--json"),
    ("cancel-all", "--json"),
    ("close", "--json"),
    ("halt", "--json"),
    ("resume", "--json"),
    ("heartbeat", "--json"),
    ("alerts", "--json"),
    ("events", "--follow"),
    ("trades", "--json"),
    ("performance", "--json"),
    ("latency", "--json"),
    ("explain", "--json"),
    ("test-connections", "--json"),
    ("transition status", "--json"),
    ("transition initiate", "--json"),
    ("transition approve", "--json"),
    ("transition reject", "--json"),
    ("transition revert", "--json"),
    ("credentials init", "a sentence"),
    ("credentials store", "a sentence"),
    ("credentials rotate", "a sentence"),
    ("credentials list", "--json"),
    ("credentials remove", "a sentence"),
    ("credentials export", "a sentence"),
    ("credentials import", "a sentence"),
    ("credentials rotate-master", "a sentence"),
    ("token create", "prints the token and nothing else"),
    ("token list", "--json"),
    ("token revoke", "a sentence"),
    ("replay", "--json"),
    ("report", "--json"),
    ("rebuild-store", "--json"),
    ("drill", "--json"),
    ("top", "a live view"),
    ("openapi", "prints JSON"),
    ("completions", "prints a script"),
    ("man", "prints a page"),
];

/// The subcommands that a command's help lists.
fn listed(path: &[&str]) -> Vec<String> {
    let done = tollgate().args(path).arg("--help").output().unwrap();
    let help = String::from_utf8(done.stdout).unwrap();
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let names = list.lines().take_while(|line| !line.is_empty());
    let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_has_help_a_form_for_programs_a_completion_and_a_place_in_the_manual() {
    let mut there = Vec::new();
    for name in listed(&[]) {
        let below = listed(&[&name]);
        there.extend(below.iter().map(|sub| format!("{name} {sub}")));
        // A simulated venue is served by the word alone.
        if below.is_empty() || name == "sim" {
            there.push(name);
        }
    }
    there.sort();
    let mut promised: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
    promised.sort_unstable();
    assert_eq!(there, promised, "a command without a row here, or a row without a command");
    let text = |arguments: &[&str]| String::from_utf8(tollgate().args(arguments).output().unwrap().stdout).unwrap();
    let (manual, shell) = (text(&["man"]), text(&["completions", "bash"]));
    for (name, form) in COMMANDS {
        let words: Vec<&str> = name.split(' ').collect();
        let help = text(&[&words[..], &["--help"]].concat());
        assert!(help.contains(&format!("Usage: tollgate {name}")), "{name}: {help}");
        let first = help.lines().next().unwrap_or_default();
        assert!(first.len() > 10, "{name} says what it does: {help}");
        if form.starts_with("--") {
            assert!(help.contains(form), "{name} has no {form}: {help}");
        }
        assert!(manual.contains(&format!("\n.SS tollgate {name}\n").replace('-', "\\-")), "the manual has no {name}");
        assert!(shell.contains(words[words.len() - 1]), "no completion of {name}");
    }
    // Each exit code of the process is explained where it is looked for.
    let help = text(&["--help"]);
    for code in ["0", "1", "2", "3", "4", "5", "6", "70", "130"] {
        let row = |line: &str| line.split_whitespace().next() == Some(code);
        assert!(help.lines().any(row) && manual.lines().any(row), "exit code {code}");
    }
}

#[test]
fn lists_of_keys_and_of_tokens_are_told_to_programs_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = config(dir.path(), free_port(), &[]);
    with_store(&path, dir.path(), &[]);
    let json = |words: &[&str]| -> Value {
        let done = tollgate().args(words).arg("--config").arg(&path).output().unwrap();
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    };
    said(&credentials(&path, &["init"], "", &[]), 0, &[]);
    assert_eq!(json(&["credentials", "list", "--json"]), json!({ "credentials": [] }));
    let (key, secret) = ("k".repeat(60) + "Eh8A", "s".repeat(64));
    said(&credentials(&path, &on_binance("store"), &format!("{key}\n{secret}\n"), &[]), 0, &[&key, &secret]);
    let kept = json(&["credentials", "list", "--json"]);
    let row = &kept["credentials"][0];
    assert_eq!((&row["credential"], &row["key_ends_in"]), (&json!("binance/testnet/main"), &json!("Eh8A")), "{kept}");
    assert_eq!((&row["version"], &row["stage"]), (&json!(1), &json!("in use")), "{kept}");
    let secret_token = super::access::create(&path, "ada", "trader");
    let tokens = json(&["token", "list", "--json"]);
    let row = &tokens["tokens"][0];
    assert_eq!(
        (&row["name"], &row["role"], &row["state"]),
        (&json!("ada"), &json!("trader"), &json!("good")),
        "{tokens}"
    );
    assert!(row["revoked_at"].is_null() && !tokens.to_string().contains(secret_token.trim()), "{tokens}");
}
