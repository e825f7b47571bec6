//! What a shell and `man` want to know of the commands.

use super::UNUSABLE;
use clap::Command;
use clap_complete::Shell;
use std::io::{self, Write};
use std::process::ExitCode;

pub(super) fn completions(mut command: Command, shell: Shell) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "tollgate", &mut text);
    out(&text)
}

/// One page with every command in it, so that one file is all there is to install.
pub(super) fn manual(command: Command) -> ExitCode {
    match page(command) {
        Ok(text) => out(&text),
        Err(cause) => {
            eprintln!("the manual page cannot be written: {cause}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut command = command;
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    writeln!(text, ".SH COMMANDS")?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        describe("tollgate", sub, &mut text)?;
    }
    Ok(text)
}

/// A command's options, and its own commands' after them. `above` is what is typed before its name.
fn describe(above: &str, command: &Command, text: &mut Vec<u8>) -> io::Result<()> {
    let name = format!("{above} {}", command.get_name());
    // A bare hyphen would be printed as another character, which no shell takes.
    writeln!(text, ".SS {}", name.replace('-', "\\-"))?;
    let man = clap_mangen::Man::new(command.clone());
    man.render_description_section(&mut *text)?;
    man.render_options_section(&mut *text)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        describe(&name, sub, text)?;
    }
    Ok(())
}

fn out(text: &[u8]) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        // A reader that went away has what it wanted.
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(UNUSABLE),
    }
}
