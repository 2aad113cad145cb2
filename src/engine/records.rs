//! What records say together, and the files that leave with it.

use super::laboratory::{cards, records};
use super::{EngineError, report};
use crate::experiment::report::{csv, latex, markdown};
use crate::experiment::summarize;
use crate::protocol::{ExportRecords, FileBytes, SummaryCard, TableForm};

pub(super) fn summary(lines: &[String]) -> Result<SummaryCard, EngineError> {
    Ok(cards::summary(summarize(&records(lines)?)))
}

/// A file of the table that records make, under the name that `mera` gives it.
///
/// # Errors
/// When a line is no record.
pub fn export(export: &ExportRecords) -> Result<FileBytes, EngineError> {
    let records = records(&export.records)?;
    let (path, text) = match export.form {
        TableForm::Records => {
            let lines: Result<String, _> = records.iter().map(|record| record.to_line()).collect();
            ("records.jsonl", lines?)
        }
        TableForm::Csv => ("records.csv", csv(&records)?),
        TableForm::Json => {
            let json = serde_json::to_string_pretty(&summarize(&records));
            ("summary.json", json.map_err(crate::experiment::RecordError::from)? + "\n")
        }
        TableForm::Markdown => ("summary.md", markdown(&summarize(&records))),
        TableForm::Latex => ("summary.tex", latex(&summarize(&records))),
        TableForm::Html => ("report.html", report::html(&records)),
    };
    Ok(FileBytes { path: path.to_owned(), bytes: text.into_bytes() })
}
