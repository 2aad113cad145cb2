//! Bytes to rows of named columns: TSV (no quoting), CSV and JSONL, each row with the line it starts on.
//!
//! Nothing is guessed silently: a row with another number of fields than the header, a quote that is never closed, a
//! byte that is not UTF-8 each stop the reading and name the line. Blank lines are skipped, a byte order mark and
//! carriage returns before line feeds are dropped.

use std::collections::HashSet;
use std::io::Read as _;

use serde_json::{Map, Value};

use super::problem::Problem;

/// Largest data file, in bytes.
pub const MAX_BYTES: usize = 256 << 20;
/// Most rows of a data file.
pub const MAX_ROWS: usize = 1 << 20;
/// Longest single field, in bytes; a tokenizer would read all of it to keep some hundred tokens.
pub const MAX_FIELD_BYTES: usize = 1 << 20;

/// How the rows of a data file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFormat {
    /// A header and rows of fields between tabs; quotes mean nothing.
    Tsv,
    /// A header and rows of fields between commas (or semicolons, where the header has no comma), quoted as in RFC 4180.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl DataFormat {
    /// The endings that a data file's name may have, in lower case, and the format that each says.
    pub const ENDINGS: [(&'static str, Self); 5] =
        [("tsv", Self::Tsv), ("tab", Self::Tsv), ("csv", Self::Csv), ("jsonl", Self::Jsonl), ("ndjson", Self::Jsonl)];

    /// The format of a file by its name's ending, in either case; none where that is not a data file's.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        Self::ENDINGS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known)).map(|(_, format)| *format)
    }

    /// The format of a file by its name's ending, or by how the text begins where that says nothing, as for pasted text.
    #[must_use]
    pub fn of(name: &str, text: &str) -> Self {
        Self::by_name(name).unwrap_or_else(|| match text.lines().find(|line| !line.trim().is_empty()) {
            Some(line) if line.trim_start().starts_with('{') => Self::Jsonl,
            Some(line) if line.contains('\t') => Self::Tsv,
            _ => Self::Csv,
        })
    }
}

/// The text of a data file without its byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.len() > MAX_BYTES {
        return Err(Problem::TooManyBytes { bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        Problem::NotUtf8 { line: 1 + newlines(good) }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The names of the columns: the header, or all keys of all objects in the order in which they come up.
pub(super) fn columns(text: &str, format: DataFormat) -> Result<Vec<String>, Problem> {
    match format {
        DataFormat::Tsv | DataFormat::Csv => match delimited(text, format).next() {
            Some(header) => Ok(header?.1.iter().map(|column| column.trim().to_owned()).collect()),
            None => Err(Problem::Empty),
        },
        DataFormat::Jsonl => {
            let (mut columns, mut seen) = (Vec::new(), HashSet::new());
            let mut empty = true;
            for object in objects(text) {
                empty = false;
                for (key, _) in object?.1 {
                    if seen.insert(key.clone()) {
                        columns.push(key);
                    }
                }
            }
            if empty { Err(Problem::Empty) } else { Ok(columns) }
        }
    }
}

/// What the first row has in each of `columns`; nothing where it can't be read.
pub(super) fn first_row(text: &str, format: DataFormat, columns: &[String]) -> Vec<Option<String>> {
    match format {
        DataFormat::Tsv | DataFormat::Csv => {
            let row = delimited(text, format).nth(1).and_then(Result::ok);
            row.map(|(_, fields)| fields.into_iter().map(Some).collect()).unwrap_or_default()
        }
        DataFormat::Jsonl => {
            let Some(Ok((line, mut object))) = objects(text).next() else { return Vec::new() };
            columns.iter().map(|name| field(line, name, object.remove(name)).ok().flatten()).collect()
        }
    }
}

/// The line a row starts on and its fields; a field is none where an object of a JSONL file lacks it or has null.
pub(super) type Row = (usize, Vec<Option<String>>);

/// The rows with their fields in `wanted` (indices into `columns`).
pub(super) fn rows(text: &str, format: DataFormat, columns: &[String], wanted: &[usize]) -> Result<Vec<Row>, Problem> {
    let mut rows = Vec::new();
    let mut push = |line, fields: Vec<Option<String>>| {
        if let Some(field) = fields.iter().flatten().find(|field| field.len() > MAX_FIELD_BYTES) {
            return Err(Problem::LongField { line, bytes: field.len() });
        }
        if rows.len() == MAX_ROWS {
            return Err(Problem::TooManyRows);
        }
        rows.push((line, fields));
        Ok(())
    };
    match format {
        DataFormat::Tsv | DataFormat::Csv => {
            for record in delimited(text, format).skip(1) {
                let (line, mut fields) = record?;
                if fields.len() != columns.len() {
                    return Err(Problem::Ragged { line, fields: fields.len(), header: columns.len() });
                }
                push(line, wanted.iter().map(|&i| fields.get_mut(i).map(std::mem::take)).collect())?;
            }
        }
        DataFormat::Jsonl => {
            for object in objects(text) {
                let (line, mut object) = object?;
                let names = wanted.iter().filter_map(|&i| columns.get(i));
                push(line, names.map(|name| field(line, name, object.remove(name))).collect::<Result<_, _>>()?)?;
            }
        }
    }
    if rows.is_empty() { Err(Problem::HeaderOnly) } else { Ok(rows) }
}

type Record = (usize, Vec<String>);

/// The records of a TSV or CSV file, header first, blank lines left out.
fn delimited<'a>(text: &'a str, format: DataFormat) -> Box<dyn Iterator<Item = Result<Record, Problem>> + 'a> {
    if format == DataFormat::Csv {
        return Box::new(Quoted::new(text));
    }
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    Box::new(lines.map(|(line, number)| Ok((number, line.split('\t').map(str::to_owned).collect()))))
}

/// A record of its own behind the last one; where it is swallowed, the last one has an open quote.
const SENTINEL: &str = "\n\u{1}";

/// The records of a CSV file.
struct Quoted<'a> {
    text: &'a str,
    records: csv::StringRecordsIntoIter<std::io::Chain<&'a [u8], &'static [u8]>>,
    /// A byte and the line it lies on, to count on from.
    place: (usize, usize),
}

impl<'a> Quoted<'a> {
    fn new(text: &'a str) -> Self {
        let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let delimiter = if header.contains(';') && !header.contains(',') { b';' } else { b',' };
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(delimiter);
        let reader = builder.from_reader(text.as_bytes().chain(SENTINEL.as_bytes()));
        Self { text, records: reader.into_records(), place: (0, 1) }
    }

    /// The line of the first byte, from `byte` on, that is no line end. (The csv crate's own count is that of the line
    /// end before, where lines end in CR LF or a blank line precedes.)
    fn line_at(&mut self, byte: u64) -> usize {
        let bytes = self.text.as_bytes();
        let from = usize::try_from(byte).unwrap_or(usize::MAX).min(bytes.len());
        let ends = bytes[from..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        let (start, line) = self.place;
        self.place = (from + ends, line + newlines(bytes.get(start..from + ends).unwrap_or_default()));
        self.place.1
    }
}

impl Iterator for Quoted<'_> {
    type Item = Result<Record, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // Reading from memory, and from a str, the csv crate has no error left to give.
            let record = self.records.next()?.ok()?;
            let line = self.line_at(record.position().map_or(0, csv::Position::byte));
            match record.iter().next_back() {
                Some("\u{1}") if record.len() == 1 => return None,
                Some(last) if last.ends_with(SENTINEL) => return Some(Err(Problem::OpenQuote { line })),
                Some(only) if record.len() == 1 && only.trim().is_empty() => {}
                _ => return Some(Ok((line, record.iter().map(str::to_owned).collect()))),
            }
        }
    }
}

/// The objects of a JSONL file.
fn objects(text: &str) -> impl Iterator<Item = Result<(usize, Map<String, Value>), Problem>> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines.map(|(text, line)| match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok((line, object)),
        Ok(other) => Err(Problem::NotObject { line, found: kind(&other) }),
        Err(error) => {
            let detail = error.to_string();
            let detail = detail.split(" at line ").next().unwrap_or_default();
            Err(Problem::NotJson { line, detail: format!("{detail}, at column {}", error.column()) })
        }
    })
}

fn field(line: usize, column: &str, value: Option<Value>) -> Result<Option<String>, Problem> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
        Some(other) => Err(Problem::NotText { line, column: column.to_owned(), found: kind(&other) }),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}
