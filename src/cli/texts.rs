//! `--texts FILE`: texts whose activations are looked at.

use super::error::CliError;
use super::files;
use crate::engine::{DataSets, EngineError};
use crate::protocol::Texts;
use std::path::Path;

/// The texts of a data file (`.tsv`, `.csv` or `.jsonl` with a column `text1`), its labels unseen; else the lines of the
/// file, with a tab between the two texts of a pair.
///
/// # Errors
/// When it can't be read, or every text is blank.
pub(super) fn read(path: &Path) -> Result<Texts, CliError> {
    let lines = lines(path)?;
    match lines.iter().all(|line| line.trim().is_empty()) {
        true => Err(CliError::BlankTexts(path.to_owned())),
        false => Ok(Texts::Lines(lines)),
    }
}

fn lines(path: &Path) -> Result<Vec<String>, CliError> {
    let file = files::read_file(path)?;
    let is_table = ["tsv", "csv", "jsonl"].iter().any(|kind| path.extension().is_some_and(|found| found == *kind));
    if is_table {
        let mut sets = DataSets::default();
        let id = sets.add(&file.path, &file.bytes).map_err(EngineError::from)?.id;
        let lines = sets.get(id)?.rows.iter().map(|row| match &row.text2 {
            Some(text2) => format!("{}\t{}", one_line(&row.text1), one_line(text2)),
            None => one_line(&row.text1),
        });
        return Ok(lines.collect());
    }
    let text = String::from_utf8(file.bytes).map_err(|error| CliError::File {
        path: file.path,
        message: format!("this is no UTF-8 text (byte {})", error.utf8_error().valid_up_to()),
    })?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// A field may hold tabs and line ends; a tokenizer takes all of them for a space.
fn one_line(text: &str) -> String {
    text.split(['\t', '\n', '\r']).collect::<Vec<_>>().join(" ")
}
