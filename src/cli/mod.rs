//! Arguments and exit codes.
//!
//! Owns: what can be typed, and what the process answers with. Must not hold a trading decision.
//!
//! | exit | means |
//! |---|---|
//! | 0 | done |
//! | 1 | replay found a difference; doctor found something to mend; in a drill something did not fire |
//! | 2 | wrong arguments, faulty configuration, unusable input, a credential that cannot be kept or had, or the engine could not start |
//! | 3 | stopped, but the venue did not confirm every cancel |
//! | 4 | a running daemon refused what was asked: denied by a rule, not found, not allowed, a faulty field |
//! | 5 | no daemon answered |
//! | 6 | asked for, and not at its end when the time to answer came |
//! | 70 | a trading thread died; open orders were cancelled over REST |
//! | 130 | ended at once by a second signal; a drill by the first |

mod ask;
mod check;
mod credentials;
mod doctor;
mod drill;
mod progress;
mod replay;
mod report;
mod run;
mod shell;
mod sim;
mod store;
mod token;

use clap::{CommandFactory, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// What a faulty start, or unusable input, ends with.
const UNUSABLE: u8 = 2;

/// For `--help` and the manual page.
const EXIT_CODES: &str = "Exit codes:
  0    done
  1    replay found a difference; doctor found something to mend; in a drill something did not fire
  2    wrong arguments, faulty configuration, unusable input, or the engine could not start
  3    stopped, but the venue did not confirm every cancel
  4    a running engine refused: denied by a rule, not found, not allowed, a faulty field
  5    no engine answered
  6    asked for, and not at its end when the time to answer came
  70   a trading thread died; open orders were cancelled over REST
  130  ended at once by a second signal; a drill by the first";

/// The gate that every order of an automated trader passes.
#[derive(Parser)]
#[command(name = "tollgate", version, about, long_about = None, after_long_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Cmd>,
}

#[derive(Subcommand)]
enum Cmd {
    /// Trade as the configuration says, until Ctrl-C. What `tollgate` alone does.
    Run {
        /// The configuration file.
        #[arg(long, default_value = "config/tollgate.toml")]
        config: PathBuf,
        /// In the place of `log.format`: human or json.
        #[arg(long, value_name = "FORMAT")]
        log_format: Option<LogFormat>,
    },
    /// Check a configuration and name every fault at once.
    Check {
        /// The configuration file.
        #[arg(long, default_value = "config/tollgate.toml")]
        config: PathBuf,
        /// The faults as JSON: line, column, key, message.
        #[arg(long)]
        json: bool,
    },
    /// Serve a simulated venue, alone. Prints one line when it listens: `ready` and a JSON object.
    Sim(Box<sim::SimArguments>),
    /// Keep venues' keys encrypted at rest. Secrets are read from standard input or the environment, never printed.
    Credentials(credentials::CredentialsArguments),
    /// Say who may use the control API, and for what. A token is shown once; only its hash is kept.
    Token(token::TokenArguments),
    /// Run a journal's events through a fresh core and compare every decision and the state.
    Replay {
        /// The journal's folder, such as data/journal.
        dir: PathBuf,
        /// The summary, or the difference, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// A tear sheet of the trading in a journal: text, HTML, JSON, or its trades as CSV.
    Report(report::ReportArguments),
    /// Empty the trade store and fill it anew from a journal.
    RebuildStore(store::RebuildArguments),
    /// What this machine lacks for low latency, and what to do about it.
    Doctor(doctor::DoctorArguments),
    /// Make every rule, alert and the emergency stop fire on throw-away paper engines, and say which did not.
    Drill(drill::DrillArguments),
    /// The description of the control API, OpenAPI 3.1, to standard output.
    Openapi,
    /// Completions for a shell, to standard output.
    Completions { shell: clap_complete::Shell },
    /// The manual page, to standard output: tollgate man | man -l -
    Man,
    #[command(flatten)]
    Ask(Box<ask::Question>),
}

/// How the log is written.
#[derive(Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    Human,
    Json,
}

pub fn main() -> ExitCode {
    // Before any secret is in memory.
    for refused in crate::credentials::harden() {
        eprintln!("{refused}");
    }
    match Arguments::parse().command {
        None => run::run(&PathBuf::from("config/tollgate.toml"), None),
        Some(Cmd::Run { config, log_format }) => {
            run::run(&config, log_format.map(|format| matches!(format, LogFormat::Json)))
        }
        Some(Cmd::Check { config, json }) => check::check(&config, json),
        Some(Cmd::Sim(arguments)) => sim::sim(&arguments),
        Some(Cmd::Credentials(arguments)) => credentials::credentials(&arguments),
        Some(Cmd::Token(arguments)) => token::token(&arguments),
        Some(Cmd::Replay { dir, json }) => replay::run(&dir, json),
        Some(Cmd::Report(arguments)) => report::report(&arguments),
        Some(Cmd::RebuildStore(arguments)) => store::rebuild(&arguments),
        Some(Cmd::Doctor(arguments)) => doctor::doctor(&arguments),
        Some(Cmd::Drill(arguments)) => drill::drill(&arguments),
        Some(Cmd::Openapi) => {
            print!("{}", crate::api::openapi());
            ExitCode::SUCCESS
        }
        Some(Cmd::Completions { shell }) => shell::completions(Arguments::command(), shell),
        Some(Cmd::Man) => shell::manual(Arguments::command()),
        Some(Cmd::Ask(question)) => ask::ask(*question),
    }
}
