//! Who may know whom: the house's table, held against every file of `src/`.
//!
//! A path is found wherever it stands (`use`, with groups, or in the middle of code), also when it climbs with
//! `super`. Comments, strings and `#[cfg(test)]` modules are left out: a test may reach further than its room.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What one folder of `src/` must not know. A name with `::` means that part of the folder alone.
struct Row {
    folder: &'static str,
    /// Where given, the only other folders it may know.
    only: Option<&'static [&'static str]>,
    /// Folders it must not know.
    never: &'static [&'static str],
    /// Paths of the standard library and names that must not appear.
    words: &'static [&'static str],
}

const SOCKETS: &[&str] = &["std::net", "std::os::unix::net", "mio", "tungstenite", "rustls", "ureq", "tokio", "axum"];
const PURE: &[&str] = &[
    "std::net",
    "std::os",
    "std::fs",
    "std::thread",
    "std::time",
    "std::env",
    "std::process",
    "mio",
    "tungstenite",
    "rustls",
    "ureq",
    "tokio",
    "axum",
    "quanta",
    "fastrand",
    "HashMap",
    "HashSet",
    "f32",
    "f64",
];

#[rustfmt::skip]
const HOUSE: &[Row] = &[
    Row { folder: "domain",      only: Some(&[]),                                   never: &[],                                 words: PURE },
    Row { folder: "core",        only: Some(&["domain"]),                           never: &[],                                 words: PURE },
    Row { folder: "agent",       only: Some(&["domain"]),                           never: &[],                                 words: SOCKETS },
    Row { folder: "net",         only: Some(&["domain", "agent", "telemetry::clock"]), never: &[],                                 words: &[] },
    Row { folder: "feed",        only: None,                                        never: &["gateway", "api", "journal"],      words: &["tokio", "axum"] },
    Row { folder: "gateway",     only: None,                                        never: &["feed", "api"],                    words: &["tokio", "axum"] },
    Row { folder: "venues",      only: None,                                        never: &["core", "api", "journal"],         words: SOCKETS },
    Row { folder: "sim",         only: None,                                        never: &["core", "gateway", "feed", "venues"], words: &["tokio", "axum"] },
    Row { folder: "credentials", only: Some(&["domain"]),                           never: &[],                                 words: SOCKETS },
    Row { folder: "transition",  only: None,                                        never: &["venues", "api"],                  words: SOCKETS },
    Row { folder: "analytics",   only: None,                                        never: &["feed", "gateway", "venues"],      words: &[] },
    Row { folder: "journal",     only: Some(&["domain", "agent", "core::event", "core::effect"]), never: &[],                   words: SOCKETS },
    Row { folder: "store",       only: None,                                        never: &["core"],                           words: SOCKETS },
    Row { folder: "webhooks",    only: Some(&["domain", "core", "journal", "net", "credentials", "telemetry"]), never: &[],      words: &["std::net", "mio", "tokio", "axum"] },
    Row { folder: "api",         only: None,                                        never: &["venues", "feed", "gateway", "sim"], words: &[] },
    Row { folder: "config",      only: Some(&["domain"]),                           never: &[],                                 words: &[] },
    Row { folder: "telemetry",   only: Some(&["domain"]),                           never: &[],                                 words: &[] },
    // Wiring: nothing is barred but trading decisions, which no path betrays.
    Row { folder: "runtime",     only: None,                                        never: &[],                                 words: &[] },
    Row { folder: "cli",         only: None,                                        never: &[],                                 words: &[] },
    Row { folder: "main",        only: None,                                        never: &[],                                 words: &[] },
    Row { folder: "lib",         only: None,                                        never: &[],                                 words: &[] },
];

/// The macros that `domain::wire` exports stand at the crate's root, and belong to `domain`.
const DOMAIN_MACROS: &[&str] = &["wire_enum", "wire_struct"];

/// Every breach of the table in one file. `modules` is its place: `["core", "risk"]` for `core/risk/mod.rs`.
fn breaches(modules: &[&str], source: &str) -> BTreeSet<String> {
    let Some(row) = HOUSE.iter().find(|row| row.folder == modules[0]) else {
        return BTreeSet::from([format!("{} has no row in the table", modules[0])]);
    };
    let code = without_tests(&without_comments(source));
    let mut found = BTreeSet::new();
    for path in crate_paths(modules, &code) {
        let root = path.split("::").next().unwrap_or_default();
        if root == row.folder || (DOMAIN_MACROS.contains(&root) && row.folder != "main") {
            if modules[0] == "venues" {
                found.extend(neighbour(modules, &path));
            }
            continue;
        }
        let within = |name: &&str| path == **name || path.starts_with(&format!("{name}::"));
        if row.only.is_some_and(|only| !only.iter().any(&within)) || row.never.iter().any(&within) {
            found.insert(format!("crate::{path}"));
        }
    }
    for word in row.words {
        let seen = match word.strip_prefix("std::") {
            Some(_) => paths_after("std", &code).iter().any(|path| {
                let path = format!("std::{path}");
                path == *word || path.starts_with(&format!("{word}::"))
            }),
            None => identifiers(&code).any(|identifier| identifier == *word),
        };
        if seen {
            found.insert((*word).to_owned());
        }
    }
    found
}

/// The folders of `venues/` that are venues; what stands beside them serves all.
const VENUES: &[&str] = &["binance", "alpaca"];

/// One venue must not know another, and what serves all must not know any.
fn neighbour(modules: &[&str], path: &str) -> Option<String> {
    let (own, other) = (modules.get(1)?, path.split("::").nth(1)?);
    (own != &other && VENUES.contains(&other)).then(|| format!("crate::{path}"))
}

/// Paths from the crate's root, without `crate::`: those that begin with it, and those that climb out with `super`.
fn crate_paths(modules: &[&str], code: &str) -> Vec<String> {
    let mut paths = paths_after("crate", code);
    for path in paths_after("super", code) {
        let climbs = 1 + path.split("::").take_while(|segment| *segment == "super").count();
        let rest: Vec<&str> = path.split("::").skip(climbs - 1).collect();
        if climbs <= modules.len() {
            let place = modules[..modules.len() - climbs].iter().copied().chain(rest);
            paths.push(place.collect::<Vec<_>>().join("::"));
        }
    }
    paths
}

/// What follows each `root::` in the code, groups in braces taken apart.
fn paths_after(root: &str, code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices(root) {
        let before = code[..at].trim_end();
        // `a::super`, `my_crate`: not the beginning of a path.
        let begins = !before.ends_with("::") && !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if begins && let Some(rest) = code[at + root.len()..].trim_start().strip_prefix("::") {
            expand("", rest, &mut paths);
        }
    }
    paths
}

/// Reads one path or group at the beginning of `code`, adds its leaves to `out`, and returns what follows it.
fn expand<'a>(prefix: &str, code: &'a str, out: &mut Vec<String>) -> &'a str {
    let code = code.trim_start();
    if let Some(mut rest) = code.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let after = expand(prefix, rest, out);
            let after = after.trim_start();
            let after = after.strip_prefix(',').unwrap_or(after);
            if after.len() == rest.len() {
                return after;
            }
            rest = after;
        }
    }
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(code.len());
    let (segment, rest) = code.split_at(end);
    let path = if prefix.is_empty() { segment.to_owned() } else { format!("{prefix}::{segment}") };
    let next = rest.trim_start();
    if let Some(after) = next.strip_prefix("::") {
        return expand(&path, after, out);
    }
    if !segment.is_empty() {
        out.push(path);
    }
    // `x as y` within a group.
    match next.strip_prefix("as ") {
        Some(after) => after.trim_start().trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
        None => rest,
    }
}

fn identifiers(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// The source with comments and the insides of strings and characters blanked.
fn without_comments(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = String::with_capacity(source.len());
    let mut i = 0;
    while i < bytes.len() {
        let rest = &source[i..];
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(len) = raw_string(rest, out.chars().last()) {
            len
        } else if rest.starts_with('"') {
            quoted(rest)
        } else if let Some(len) = character(rest) {
            len
        } else {
            let c = rest.chars().next().unwrap_or_default();
            out.push(c);
            i += c.len_utf8();
            continue;
        };
        out.push(' ');
        i += skip;
    }
    out
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match rest.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn raw_string(rest: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| (c.is_alphanumeric() || c == '_') && c != 'b') {
        return None;
    }
    let hashes = rest.strip_prefix('r')?.bytes().take_while(|c| *c == b'#').count();
    let inside = rest[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(2 + hashes + inside.find(&end)? + end.len())
}

fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal, and not a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    if let Some(escape) = inside.strip_prefix('\\') {
        return Some(3 + escape.char_indices().skip(1).find(|(_, c)| *c == '\'')?.0);
    }
    let c = inside.chars().next()?;
    inside[c.len_utf8()..].starts_with('\'').then(|| 2 + c.len_utf8())
}

/// The code without its `#[cfg(test)]` items.
fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(['{', ';']).map_or(rest.len(), |end| {
            if rest[end..].starts_with(';') {
                return end + 1;
            }
            let mut depth = 0;
            let close = rest[end..].char_indices().find(|(_, c)| {
                depth += match c {
                    '{' => 1,
                    '}' => -1,
                    _ => 0,
                };
                depth == 0
            });
            close.map_or(rest.len(), |(close, _)| end + close + 1)
        });
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Files that only a `#[cfg(test)] mod` takes in.
fn is_test_file(path: &Path) -> bool {
    path.iter().any(|part| part == "tests.rs" || part == "tests" || part.to_string_lossy().ends_with("_tests.rs"))
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn every_file_keeps_to_its_row() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(files.len() > 20, "only {} files were found in {}", files.len(), src.display());
    let mut said = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&src).unwrap().to_owned();
        if is_test_file(&relative) {
            continue;
        }
        let mut modules: Vec<String> =
            relative.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if modules.len() > 1 && modules.last().is_some_and(|last| last == "mod") {
            modules.pop();
        }
        let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
        for breach in breaches(&modules, &std::fs::read_to_string(&file).unwrap()) {
            said.push(format!("src/{}: {breach}", relative.display()));
        }
    }
    assert!(said.is_empty(), "these break the table of the house:\n{}", said.join("\n"));
}

/// The only files outside a venue's own that may name one, and what for: they hold one row for each, or start what is of
/// one. Nothing here decides about an order by its venue's name.
#[rustfmt::skip]
const NAMES_OF_VENUES: &[(&str, &str)] = &[
    ("cli/drill/",             "the throw-away engines of the drill and the venues they trade at"),
    ("cli/sim.rs",             "which simulated venues a `tollgate sim` serves"),
    ("cli/sim/accounts.rs",    "their accounts"),
    ("config/venues.rs",       "VenueKind: the word, and the keys that go with it"),
    ("config/mod.rs",          "the section of a simulated venue, by its type"),
    ("config/check.rs",        "which hosts are of real money, and what an account of a kind needs"),
    ("feed/mod.rs",            "the feed of Binance, and its neighbour's module"),
    ("feed/books.rs",          "the feed of Binance"),
    ("feed/stats.rs",          "the feed of Binance"),
    ("feed/tap.rs",            "the feed of Binance"),
    ("gateway/mod.rs",         "one module a venue"),
    ("gateway/rekey.rs",       "what proves a new key at its kind of venue"),
    ("runtime/connections/mod.rs", "test-connections: one file a venue"),
    ("runtime/engine.rs",      "the accounts of the simulated venues"),
    ("runtime/keeper/",        "how a key is exchanged at its kind of venue"),
    ("runtime/keys.rs",        "what a key looks like"),
    ("runtime/live_market.rs", "the public market that a simulated venue stands on"),
    ("runtime/probe.rs",       "a key tried before it is taken into use"),
    ("runtime/rescue.rs",      "the way out without the gateway"),
    ("runtime/simulated.rs",   "the simulated venues as agents"),
    ("runtime/venue.rs",       "VenueParts: what is started for a venue of a kind"),
    ("sim/mod.rs",             "one module a simulated venue"),
    ("venues/mod.rs",          "one module a venue"),
];

/// Names of venues in one file but those whose own it is: a folder or a file of that name.
fn named(modules: &[&str], source: &str) -> BTreeSet<String> {
    let code = without_tests(&without_comments(source));
    let barred: Vec<&str> = VENUES.iter().filter(|venue| !modules.contains(venue)).copied().collect();
    let words = identifiers(&code).filter(|word| barred.iter().any(|venue| word.to_lowercase().contains(venue)));
    words.map(str::to_owned).collect()
}

#[test]
fn no_venue_is_a_special_case_outside_its_own_folders() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut said, mut used) = (Vec::new(), Vec::new(), BTreeSet::new());
    rust_files(&src, &mut files);
    for file in files {
        let relative = file.strip_prefix(&src).unwrap().to_owned();
        let modules: Vec<String> =
            relative.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
        if is_test_file(&relative) || relative.ends_with("testing.rs") {
            continue;
        }
        let words = named(&modules, &std::fs::read_to_string(&file).unwrap());
        let row = NAMES_OF_VENUES.iter().position(|(path, _)| relative.to_string_lossy().starts_with(path));
        match row {
            Some(row) if !words.is_empty() => drop(used.insert(row)),
            _ => said.extend(words.iter().map(|word| format!("src/{}: {word}", relative.display()))),
        }
    }
    assert!(said.is_empty(), "these name a venue that they must not know:\n{}", said.join("\n"));
    let idle = NAMES_OF_VENUES.iter().enumerate().filter(|(row, _)| !used.contains(row));
    let idle: Vec<&str> = idle.map(|(_, (path, _))| *path).collect();
    assert!(idle.is_empty(), "these may name venues and name none: {idle:?}");
    let found = |modules: &[&str], code: &str| !named(modules, code).is_empty();
    assert!(found(&["core", "risk"], "if venue.is_alpaca() {}"));
    assert!(found(&["gateway", "binance", "desk"], "use crate::venues::alpaca::request;"));
    assert!(!found(&["gateway", "alpaca", "desk"], "struct AlpacaGateway; // as Binance does"));
    assert!(!found(&["api", "show"], "const A: &str = \"binance\";"));
}

#[test]
fn the_checker_finds_what_is_forbidden_and_nothing_else() {
    let cases: &[(&[&str], &str, &[&str])] = &[
        (&["core", "orders"], "use crate::domain::Qty;", &[]),
        (&["core", "orders"], "use crate::journal::Writer;", &["crate::journal::Writer"]),
        (&["core"], "use crate::{domain::{Qty, Price}, feed::{Feed}};", &["crate::feed::Feed"]),
        (&["core"], "use crate::{wire_enum, wire_struct};", &[]),
        (&["core"], "fn f() { let x = crate::net::link::link(1); }", &["crate::net::link::link"]),
        (&["core", "risk"], "use super::super::runtime::Thread;", &["crate::runtime::Thread"]),
        (&["core", "risk"], "use super::orders::Order; use super::super::domain::Qty;", &[]),
        (&["core", "risk"], "use std::{fmt, time::{Duration}};", &["std::time"]),
        (&["core", "risk"], "use std::collections::HashMap;", &["HashMap"]),
        (&["core", "risk"], "fn f(x: f64) {}", &["f64"]),
        (
            &["domain", "num"],
            "// f64 and crate::core\n/* std::fs /* f32 */ */ const A: &str = \"crate::core\"; const B: char = '\"';",
            &[],
        ),
        (&["domain", "num"], "const A: &[u8] = br#\"crate::core \"#; const B: f32 = 0.0;", &["f32"]),
        (
            &["domain", "num"],
            "#[cfg(test)]\nmod tests { use crate::core::Core; fn f() { if true { } } }\nuse crate::core::Core;",
            &["crate::core::Core"],
        ),
        (&["domain", "num"], "#[cfg(test)]\nmod tests { use crate::core::Core; fn f<'a>(x: &'a str) { '{'; } }", &[]),
        (&["journal", "writer"], "use crate::core::{event::Event, effect::*};", &[]),
        (
            &["journal", "writer"],
            "use crate::core::{event::Event, risk::DenyReason as D, effect};",
            &["crate::core::risk::DenyReason"],
        ),
        (&["venues", "binance", "codec"], "use crate::venues::alpaca::sign;", &["crate::venues::alpaca::sign"]),
        (
            &["venues", "binance", "codec"],
            "use crate::venues::binance::sign; use crate::venues::assets::Table; use super::super::alpaca;",
            &["crate::venues::alpaca"],
        ),
        (&["venues", "binance", "codec"], "use std::net::TcpStream; use ureq::Agent;", &["std::net", "ureq"]),
        (&["sim", "server"], "use crate::venues::binance::sign;", &["crate::venues::binance::sign"]),
        (&["api", "routes"], "use crate::core::Core; use crate::gateway::Gateway;", &["crate::gateway::Gateway"]),
        (&["config"], "use std::net::SocketAddr; use crate::core::config::Limits;", &["crate::core::config::Limits"]),
        (&["garden"], "", &["garden has no row in the table"]),
    ];
    for (modules, source, want) in cases {
        let want: BTreeSet<String> = want.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(breaches(modules, source), want, "{modules:?}: {source}");
    }
}
