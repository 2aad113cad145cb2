//! `mera summarize`: the summary of records gathered in several places.

use super::error::CliError;
use super::{records, say, warn};
use crate::experiment::record::join;
use crate::experiment::report::markdown;
use crate::experiment::summarize;
use clap::Args;
use std::path::PathBuf;

/// Summarise the records of several places as one
#[derive(Debug, Args)]
pub(super) struct Summarize {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Write summary.json and summary.md into this folder too
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Folders with records.jsonl, or such files
    #[arg(required = true, value_name = "DIR")]
    places: Vec<PathBuf>,
}

impl Summarize {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let mut gathered = Vec::new();
        for place in &self.places {
            let reading = records::read(place)?.ok_or_else(|| CliError::File {
                path: super::files::shown(place),
                message: "there are no records in it".to_owned(),
            })?;
            gathered.push(reading.records);
        }
        let (joined, contradictions) = join(gathered);
        for hash in contradictions {
            warn(&format!("note: records of {hash} tell of different results; the first counts"));
        }
        let summary = summarize(&joined);
        if summary.overlaid > 0 {
            warn(&format!(
                "note: {} records are left out: another of the same target, method, k and seed, but of other settings, \
                 counts; summarise one experiment at a time",
                summary.overlaid
            ));
        }
        if let Some(folder) = &self.output {
            records::write_summary(folder, &joined)?;
        }
        if self.json {
            let document = serde_json::to_value(&summary).map_err(|_| CliError::Answer)?;
            return super::say_json(&document);
        }
        say(markdown(&summary).trim_end())
    }
}
