//! The native command `mera`: the engine's [`Command`](crate::protocol::Command)s from a shell.
//!
//! One file a subcommand, each with its arguments and what it prints; `session` holds the engine and asks it, `files`
//! reads what is given and writes what is made, whole or not at all, `records` keeps an experiment's records a line at a
//! time, `watch` shows progress and hears Ctrl-C. Results go to standard output, everything else to standard error. The
//! exit code is 0, or 1 with one line on standard error, or 2 for a wrong call.

mod align;
mod bench;
mod card;
mod device;
mod error;
mod files;
mod inspect;
mod memory;
mod merge;
mod methods;
mod predict;
mod records;
mod run;
mod session;
mod summarize;
mod texts;
mod train;
mod watch;

use crate::engine::one_line;
use clap::{Parser, Subcommand};
use error::CliError;
use std::io::Write;
use std::process::ExitCode;

/// Merge pretrained adapters by optimal transport and fine-tune the result on a few examples.
#[derive(Debug, Parser)]
#[command(name = "mera", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Inspect(inspect::Inspect),
    Merge(merge::Merge),
    Align(align::Align),
    Train(train::Train),
    Predict(predict::Predict),
    Run(run::Run),
    Summarize(summarize::Summarize),
    Methods(methods::Methods),
    Bench(bench::Bench),
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Inspect(inspect) => inspect.run(),
        Command::Merge(merge) => merge.run(),
        Command::Align(align) => align.run(),
        Command::Train(train) => train.run(),
        Command::Predict(predict) => predict.run(),
        Command::Run(run) => run.run(),
        Command::Summarize(summarize) => summarize.run(),
        Command::Methods(methods) => methods.run(),
        Command::Bench(bench) => bench.run(),
    };
    match done {
        Ok(()) | Err(CliError::ClosedPipe) => ExitCode::SUCCESS,
        Err(error) => {
            warn(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A line on standard output.
fn say(line: &str) -> Result<(), CliError> {
    writeln!(std::io::stdout(), "{line}").map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => CliError::ClosedPipe,
        _ => CliError::Write { path: "standard output".into(), error },
    })
}

/// The one document of `--json`.
fn say_json(value: &serde_json::Value) -> Result<(), CliError> {
    say(&format!("{value:#}"))
}

/// A line on standard error, and one only, whatever names are in it; nobody is left to tell when that fails.
fn warn(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", one_line(line));
}
