//! What can be wrong with a data set: one variant a cause, with the line and both sides of what disagrees.

use super::table::{MAX_BYTES, MAX_FIELD_BYTES, MAX_ROWS};
use crate::tensors::head::MAX_LABELS;

/// What is wrong with a data set, and with which.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct DataError {
    /// The data set's name.
    pub name: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a data file; lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No bytes, or blank lines only.
    #[error("it is empty")]
    Empty,
    /// No rows below the header.
    #[error("it has a header and no rows")]
    HeaderOnly,
    /// Larger than [`MAX_BYTES`].
    #[error("it has {bytes} bytes, the limit is {MAX_BYTES}")]
    TooManyBytes {
        /// Its size.
        bytes: usize,
    },
    /// More than [`MAX_ROWS`].
    #[error("it has more than {MAX_ROWS} rows, the limit")]
    TooManyRows,
    /// A field of more than [`MAX_FIELD_BYTES`].
    #[error("line {line}: a field has {bytes} bytes, the limit is {MAX_FIELD_BYTES}")]
    LongField {
        /// Where the row starts.
        line: usize,
        /// The field's size.
        bytes: usize,
    },
    /// Not text, or text in another encoding.
    #[error("line {line} is not UTF-8: save the file as UTF-8 text")]
    NotUtf8 {
        /// The line of the first byte that is wrong.
        line: usize,
    },
    /// A column that was asked for is not there.
    #[error("there is no column {wanted:?}; the columns found are {}", list(found))]
    NoColumn {
        /// The column asked for.
        wanted: String,
        /// The columns of the file.
        found: Vec<String>,
    },
    /// A column that was asked for stands twice in the header.
    #[error("column {column:?} stands twice in the header, as field {first} and as field {second}")]
    RepeatedColumn {
        /// The column asked for.
        column: String,
        /// Field of its first occurrence, from 1.
        first: usize,
        /// Field of its second occurrence.
        second: usize,
    },
    /// A row with more or fewer fields than the header.
    #[error("line {line} has {fields} fields, the header has {header}")]
    Ragged {
        /// Where the row starts.
        line: usize,
        /// Its fields.
        fields: usize,
        /// The header's fields.
        header: usize,
    },
    /// The end of the file lies within a quoted field.
    #[error("line {line}: a quote is opened and never closed (a quote inside a field is written twice)")]
    OpenQuote {
        /// Where the row starts.
        line: usize,
    },
    /// A line of a JSONL file that is not JSON.
    #[error("line {line} is not JSON: {detail}")]
    NotJson {
        /// The line.
        line: usize,
        /// What the parser says.
        detail: String,
    },
    /// A line of a JSONL file that is JSON, but no object.
    #[error("line {line} is {found}, each line must be a JSON object")]
    NotObject {
        /// The line.
        line: usize,
        /// The kind of value.
        found: &'static str,
    },
    /// A value of a JSONL file that is no text.
    #[error("line {line}: {column:?} is {found}, it must be text")]
    NotText {
        /// The line.
        line: usize,
        /// The column.
        column: String,
        /// The kind of value.
        found: &'static str,
    },
    /// No column of labels where labels are needed.
    #[error("it has no labels; the columns found are {}", list(columns))]
    Unlabelled {
        /// The columns of the file.
        columns: Vec<String>,
    },
    /// A row without label where every row needs one.
    #[error("line {line} has no label")]
    NoLabel {
        /// Where the row starts.
        line: usize,
    },
    /// All rows have the same label.
    #[error("every row has the label {label:?}: a classifier needs two or more")]
    OneLabel {
        /// The label.
        label: String,
    },
    /// More than [`MAX_LABELS`]: another column than the labels'.
    #[error("its {rows} rows have {labels} different labels, the limit is {MAX_LABELS}: is that the labels' column?")]
    TooManyLabels {
        /// Its rows.
        rows: usize,
        /// Different labels among them.
        labels: usize,
    },
    /// A label that a single row has: a slip, or another column than the labels'.
    #[error("label {label:?} occurs once, on line {line}: correct it, leave the row out, or add examples")]
    LonelyLabel {
        /// The label.
        label: String,
        /// Where its row starts.
        line: usize,
    },
    /// A label that another data set, or a head, lacks.
    #[error("line {line} has the label {label:?}; the labels known are {}", list(known))]
    UnknownLabel {
        /// Where the row starts.
        line: usize,
        /// The label.
        label: String,
        /// The labels that are known.
        known: Vec<String>,
    },
}

/// Names for an error's text: the first dozen, quoted.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}
