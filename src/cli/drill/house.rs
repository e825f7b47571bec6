//! Where a drill happens: a folder, and processes of this same program in it. All of it goes when it is dropped.

use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use toml::{Table, Value as Toml};

/// The shipped configuration: what it holds of a scene's own comes over it.
const SHIPPED: &str = include_str!("../../../config/tollgate.toml");
/// The one that goes live on a simulated venue, its clock fast.
const FAST: &str = include_str!("../../../config/fast-transition.toml");

/// A folder of the drill's own, for this user alone.
pub struct Home(PathBuf);

impl Home {
    pub fn new() -> io::Result<Home> {
        let name = format!("tollgate-drill-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let dir = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Home(dir))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// A process that ends with its owner.
pub struct Process(Child);

impl Process {
    pub fn alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// `None` while it runs; -1 where a signal ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.0.try_wait().ok().flatten().map(|status| status.code().unwrap_or(-1))
    }

    pub fn end(&mut self) {
        // Already gone is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// This program again, with nothing of the environment but where temporary files go.
fn again() -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env_clear().env("TMPDIR", std::env::temp_dir()).stdin(Stdio::null());
    Ok(command)
}

/// A port that was free a moment ago, and that no connection going out is given meanwhile: those come from higher ones.
pub fn free_port() -> io::Result<u16> {
    for _ in 0..100 {
        let port = fastrand::u16(15_000..30_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// What a scene's venues begin with.
pub struct Venues {
    pub binance: bool,
    pub alpaca: bool,
    /// Of Binance, such as USDT=100000.
    pub balances: &'static [&'static str],
    /// Pairs that Binance lists besides, such as AAPL/USD=230.
    pub pairs: &'static [&'static str],
    /// Binance is as strict about requests and orders as it really is.
    pub strict: bool,
}

/// Starts the simulated venues; what they say of themselves.
pub fn venues(dir: &Path, wanted: &Venues) -> Result<(Process, Value), String> {
    let told = |error: io::Error| format!("the simulated venues do not start: {error}");
    let mut command = again().map_err(told)?;
    command.arg("sim");
    if wanted.binance {
        command.args(["--binance", "127.0.0.1:0", "--control", "127.0.0.1:0"]);
        command.args(wanted.balances.iter().flat_map(|balance| ["--balance", balance]));
        command.args(wanted.pairs.iter().flat_map(|pair| ["--pair", pair]));
    }
    if wanted.strict {
        command.arg("--live-limits");
    }
    if wanted.alpaca {
        command.args(["--alpaca", "127.0.0.1:0", "--alpaca-control", "127.0.0.1:0"]);
    }
    let log = File::create(dir.join("venues.log")).map_err(told)?;
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().map_err(told)?;
    let said = child.stdout.take();
    let process = Process(child);
    let mut line = String::new();
    if let Some(said) = said {
        BufReader::new(said).read_line(&mut line).map_err(told)?;
    }
    let ready = line.strip_prefix("ready ").and_then(|json| serde_json::from_str(json).ok());
    ready.map(|ready| (process, ready)).ok_or_else(|| format!("the simulated venues said {line:?} and not ready"))
}

/// Keeps Binance's key in a store in `dir`, as an operator does.
pub fn keep_key(config: &Path, key: &str, secret: &str) -> Result<(), String> {
    let config = config.display().to_string();
    for (arguments, input) in [
        (&["init"][..], String::new()),
        (&["store", "--venue", "binance", "--environment", "testnet"][..], format!("{key}\n{secret}\n")),
    ] {
        command(&[&["credentials", "--config", &config], arguments].concat(), &input)?;
    }
    Ok(())
}

/// Runs a command of this program, which must succeed; what it says.
pub fn command(arguments: &[&str], input: &str) -> Result<String, String> {
    let words = arguments.iter().filter(|word| !word.starts_with('/')).copied().collect::<Vec<_>>().join(" ");
    let told = |error: io::Error| format!("tollgate {words} does not run: {error}");
    let mut command = again().map_err(told)?;
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(told)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(told)?;
    }
    let output = child.wait_with_output().map_err(told)?;
    if !output.status.success() {
        return Err(format!("tollgate {words}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Starts an engine.
pub fn engine(dir: &Path, config: &Path, keys: &[(String, String)]) -> Result<Process, String> {
    let told = |error: io::Error| format!("the engine does not start: {error}");
    let log = File::options().create(true).append(true).open(dir.join("engine.log")).map_err(told)?;
    let mut command = again().map_err(told)?;
    command.arg("run").arg("--config").arg(config).envs(keys.iter().cloned());
    let child = command.stdout(log.try_clone().map_err(told)?).stderr(log).spawn().map_err(told)?;
    Ok(Process(child))
}

/// Which shipped configuration a scene's own comes over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The shipped one, with venues of the drill's and limits that nothing meets.
    Loose,
    /// As `Loose`, with the simulated Binance inside the engine, on a thread that the scene says.
    Inside,
    /// The one that goes live, as it is.
    Fast,
}

/// Members of `over` take the place of those in `under`; sections are gone into.
fn lay(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Toml::Table(inner)), Toml::Table(value)) => lay(inner, value),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// Leaves of the venues this one, with what is traded there.
fn alone(table: &mut Table, venue: &str) {
    let keeps = |key: &str, of: &'static str| {
        let key = key.to_owned();
        move |row: &Toml| row.get(of).and_then(Toml::as_str).is_none_or(|name| name == key)
    };
    for (list, of) in [("venues", "name"), ("instruments", "venue")] {
        if let Some(rows) = table.get_mut(list).and_then(Toml::as_array_mut) {
            rows.retain(keeps(venue, of));
        }
    }
    if let Some(Toml::Table(sim)) = table.get_mut("sim") {
        sim.remove("alpaca");
    }
}

/// Writes a scene's configuration: the base, then where its things are, then what the scene says.
pub fn configure(dir: &Path, port: u16, base: Base, said: &[&str]) -> Result<PathBuf, String> {
    let read = |text: &str| text.parse::<Table>().map_err(|error| format!("a configuration is not TOML: {error}"));
    let mut table = read(if base == Base::Fast { FAST } else { SHIPPED })?;
    let own = |name: &str| dir.join(name).display().to_string();
    let place = format!(
        "[engine]\ndata_dir = {:?}\n[control]\nlisten = \"127.0.0.1:{port}\"\n[store]\nenabled = false\n\
         [credentials]\nstore_file = {:?}\nmaster_key_file = {:?}\n[sim]\nstate_file = {:?}\n",
        own("data"),
        own("credentials.store"),
        own("master.key"),
        own("sim-account.json"),
    );
    lay(&mut table, read(&place)?);
    if let Some(Toml::Table(telemetry)) = table.get_mut("telemetry") {
        telemetry.remove("hlog_file");
    }
    if base != Base::Fast {
        table.remove("strategies");
    }
    if base == Base::Loose {
        table.remove("sim");
    }
    if base == Base::Inside {
        alone(&mut table, "binance");
    }
    for text in said {
        lay(&mut table, read(text)?);
    }
    if let Some(Toml::Table(credentials)) = table.get_mut("credentials")
        && credentials.get("allow_plaintext").and_then(Toml::as_bool) == Some(true)
    {
        credentials.remove("master_key_file");
    }
    let text = toml::to_string(&table).map_err(|error| format!("a configuration cannot be written: {error}"))?;
    let path = dir.join("tollgate.toml");
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// The last words of a process.
pub fn last_words(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenes_words_come_over_the_base() {
        let mut under: Table = "a = 1\n[s]\nb = 2\nc = 3\n".parse().unwrap();
        lay(&mut under, "d = 4\n[s]\nb = 5\n".parse().unwrap());
        assert_eq!(under, "a = 1\nd = 4\n[s]\nb = 5\nc = 3\n".parse::<Table>().unwrap());
    }

    #[test]
    fn a_home_goes_with_its_owner() {
        let home = Home::new().unwrap();
        let path = home.path().to_owned();
        std::fs::write(path.join("x"), "x").unwrap();
        drop(home);
        assert!(!path.exists());
    }
}
