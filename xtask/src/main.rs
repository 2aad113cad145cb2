//! `cargo xtask …`: the command line over the library beside it.

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use xtask::{oracle, page, plm, project::Project, serve, stages};

/// Build, serve and test MerA Lab. Each command does all of its own set-up.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the page and open it in the browser
    Serve {
        /// Small and fast instead of quick to build
        #[arg(long)]
        release: bool,
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// Only print the address
        #[arg(long)]
        no_open: bool,
    },
    /// Build the page into dist/, a folder for any static host
    Build {
        /// Small and fast instead of quick to build; prints the sizes
        #[arg(long)]
        release: bool,
    },
    /// Run every check, or the named ones
    Test {
        /// Stages to run, in the order of --list; all when none is named
        stages: Vec<String>,
        /// Say which stages there are
        #[arg(long)]
        list: bool,
    },
    /// Fetch the pretrained language models into www/models/
    Model {
        /// The ones to fetch; those served with the page when none is named
        names: Vec<String>,
    },
    /// Make the Python environment of the reference libraries and run what compares with them (for maintainers)
    Oracle {
        /// Write the golden fixtures again instead
        #[arg(long)]
        fixtures: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let project = Project::find()?;
    match command {
        Command::Serve { release, port, no_open } => {
            plm::fetch_served(&project)?;
            page::build(&project, page::Profile::of(release))?;
            serve::run(&project.root.join("dist"), port, !no_open)?;
        }
        Command::Build { release } => {
            plm::fetch_served(&project)?;
            page::build(&project, page::Profile::of(release))?;
            if release {
                page::print_sizes(&project.root.join("dist"))?;
            }
        }
        Command::Test { list: true, .. } => stages::list(),
        Command::Test { stages, .. } => {
            return Ok(if stages::run_all(&project, &stages)? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Model { names } => plm::fetch(&project, &names)?,
        Command::Oracle { fixtures } => oracle::run(&project, fixtures)?,
    }
    Ok(ExitCode::SUCCESS)
}
