//! `mera summarize`: the summary of records gathered in several places.

use super::error::CliError;
use super::records::{self, Joined};
use super::{files, say, warn};
use crate::engine::export_records;
use crate::experiment::record::join;
use crate::experiment::report::notes;
use crate::experiment::summarize;
use crate::protocol::{ExportRecords, TableForm};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How a table leaves, as on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The records themselves, joined, one a line; with -o: those that the folder does not have are added to its own
    Records,
    /// The records, one a row
    Csv,
    /// The summary
    Json,
    /// The summary, to read
    Markdown,
    /// The summary, for a paper
    Latex,
    /// The summary with pictures, as one page that stands alone
    Html,
}

impl Form {
    fn table(self) -> TableForm {
        match self {
            Form::Records => TableForm::Records,
            Form::Csv => TableForm::Csv,
            Form::Json => TableForm::Json,
            Form::Markdown => TableForm::Markdown,
            Form::Latex => TableForm::Latex,
            Form::Html => TableForm::Html,
        }
    }
}

/// Summarise the records of several places as one
#[derive(Debug, Args)]
pub(super) struct Summarize {
    /// Print one JSON document
    #[arg(long, conflicts_with = "form")]
    json: bool,
    /// What to print, or with -o to write [default: markdown; with -o: json and markdown]
    #[arg(long, value_enum, value_name = "FORM", value_delimiter = ',')]
    form: Vec<Form>,
    /// Write into this folder too
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
                path: files::shown(place),
                message: "there are no records in it".to_owned(),
            })?;
            gathered.push(reading.records);
        }
        let (joined, contradictions) = join(gathered);
        for hash in contradictions {
            warn(&format!("note: records of {hash} tell of different results; the first counts"));
        }
        for note in notes(&summarize(&joined)) {
            warn(&format!("note: {note}"));
        }
        let lines = records::lines(&joined)?;
        let mut forms: Vec<TableForm> = self.form.iter().map(|form| form.table()).collect();
        if let Some(folder) = &self.output {
            let usual = [TableForm::Json, TableForm::Markdown];
            let tables: Vec<TableForm> = forms.iter().copied().filter(|form| *form != TableForm::Records).collect();
            // Before all else: where a run is writing, no table of its folder is changed either.
            let wants_records = forms.contains(&TableForm::Records);
            let added = wants_records.then(|| records::join(folder, &joined)).transpose()?;
            records::write(folder, &lines, if forms.is_empty() { &usual } else { &tables })?;
            if let Some(Joined { added, there }) = added {
                let file = files::shown(&folder.join(records::RECORDS));
                say(&format!("{file}: {added} records are added, {there} were there"))?;
            }
        }
        if forms.is_empty() {
            forms.push(if self.json { TableForm::Json } else { TableForm::Markdown });
        } else if self.output.is_some() {
            return Ok(());
        }
        for form in forms {
            let file = export_records(&ExportRecords { records: lines.clone(), form })?;
            say(String::from_utf8_lossy(&file.bytes).trim_end())?;
        }
        Ok(())
    }
}
