//! A data set for classification: rows of a label and one text or a pair, read from a TSV, CSV or JSONL file.
//!
//! The columns are called `label`, `text1` and, for pairs, `text2`, unless the caller says otherwise.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use super::problem::{DataError, Problem};
use super::table::{self, DataFormat};
use crate::tensors::head::MAX_LABELS;

/// Rows and the labels that occur in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// What it is called, in error messages too: the file's name.
    pub name: String,
    /// The rows, in the file's order.
    pub rows: Vec<Example>,
    /// Every label once: by value where all are numbers, else by alphabet. A label's place is its class id.
    pub labels: Vec<String>,
    /// All columns of the file, used or not.
    pub columns: Vec<String>,
}

/// A row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// The label, without space around it; none where the file has no labels or this row's is empty.
    pub label: Option<String>,
    /// The text, or the first of a pair.
    pub text1: String,
    /// The second of a pair; either every row has one or none.
    pub text2: Option<String>,
    /// The line of the file that the row starts on, from 1.
    pub line: usize,
}

/// Which column serves as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The labels.
    pub label: Column,
    /// The text, or the first of a pair; it must be there.
    pub text1: String,
    /// The second of a pair.
    pub text2: Column,
}

/// A column that can do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// It must be there.
    Named(String),
    /// It is taken where it is there.
    IfPresent(String),
    /// None is taken.
    Unused,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            label: Column::IfPresent("label".to_owned()),
            text1: "text1".to_owned(),
            text2: Column::IfPresent("text2".to_owned()),
        }
    }
}

impl Dataset {
    /// Reads a data file, or pasted text; the format follows from `name`'s ending or from the text
    /// ([`DataFormat::of`]).
    ///
    /// # Errors
    /// When a column that is wanted is missing or stands twice, when a row is broken, or when there is none; the error
    /// names the line.
    pub fn read(name: &str, bytes: &[u8], columns: &Columns) -> Result<Self, DataError> {
        read(name, bytes, columns).map_err(|problem| DataError { name: name.to_owned(), problem })
    }

    /// The columns of a data file to choose from, and what its first row has in them: nothing where that can't be read.
    ///
    /// # Errors
    /// When the file is empty, too large, not UTF-8, or its header can't be read.
    pub fn preview(name: &str, bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), DataError> {
        let look = || {
            let text = table::decode(bytes)?;
            let format = DataFormat::of(name, text);
            let columns = table::columns(text, format)?;
            let mut first = table::first_row(text, format, &columns);
            first.resize(columns.len(), None);
            Ok((columns, first.into_iter().map(Option::unwrap_or_default).collect()))
        };
        look().map_err(|problem| DataError { name: name.to_owned(), problem })
    }

    /// Whether the rows are pairs of texts.
    #[must_use]
    pub fn is_pair(&self) -> bool {
        self.rows.first().is_some_and(|row| row.text2.is_some())
    }

    /// How many rows have each label, in the order of [`Dataset::labels`].
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.labels.len()];
        for id in self.label_ids() {
            if let Some(count) = id.and_then(|id| counts.get_mut(id as usize)) {
                *count += 1;
            }
        }
        counts
    }

    /// The class id of every row, none where it has no label.
    #[must_use]
    pub fn label_ids(&self) -> Vec<Option<u32>> {
        let ids = class_ids(&self.labels);
        self.rows.iter().map(|row| ids.get(row.label.as_deref()?).copied()).collect()
    }

    /// The class id of every row among `labels`, those of another data set or of a head.
    ///
    /// # Errors
    /// When a row's label is not among them.
    pub fn label_ids_among(&self, labels: &[String]) -> Result<Vec<Option<u32>>, DataError> {
        let ids = class_ids(labels);
        let id = |row: &Example| match &row.label {
            None => Ok(None),
            Some(label) => ids.get(label.as_str()).copied().map(Some).ok_or_else(|| {
                let known = labels.to_vec();
                self.error(Problem::UnknownLabel { line: row.line, label: label.clone(), known })
            }),
        };
        self.rows.iter().map(id).collect()
    }

    /// Whether a classifier can be trained on it: every row has a label, there are from two labels to [`MAX_LABELS`], and
    /// none occurs once only, which is a slip of the pen or another column than the labels'.
    ///
    /// # Errors
    /// When one of these does not hold; the error names the line, or how many labels there are.
    pub fn check_labels(&self) -> Result<(), DataError> {
        self.check_any_label()?;
        if let Some(row) = self.rows.iter().find(|row| row.label.is_none()) {
            return Err(self.error(Problem::NoLabel { line: row.line }));
        }
        if let [label] = self.labels.as_slice() {
            return Err(self.error(Problem::OneLabel { label: label.clone() }));
        }
        if self.labels.len() > MAX_LABELS {
            let (rows, labels) = (self.rows.len(), self.labels.len());
            return Err(self.error(Problem::TooManyLabels { rows, labels }));
        }
        let lonely = self.labels.iter().zip(self.counts()).find(|&(_, count)| count == 1);
        match lonely.and_then(|(label, _)| self.rows.iter().find(|row| row.label.as_ref() == Some(label))) {
            Some(row) => {
                let label = row.label.clone().unwrap_or_default();
                Err(self.error(Problem::LonelyLabel { label, line: row.line }))
            }
            None => Ok(()),
        }
    }

    /// Whether it can judge: a row or more has a label.
    ///
    /// # Errors
    /// When none has; the error names the columns.
    pub fn check_any_label(&self) -> Result<(), DataError> {
        match self.labels.is_empty() {
            true => Err(self.error(Problem::Unlabelled { columns: self.columns.clone() })),
            false => Ok(()),
        }
    }

    /// The first `count` rows and the labels among them, as if the file ended there, under a name that says so; the whole
    /// of it where it has no more.
    #[must_use]
    pub fn first(&self, count: usize) -> Cow<'_, Self> {
        if count >= self.rows.len() {
            return Cow::Borrowed(self);
        }
        let rows = self.rows[..count].to_vec();
        let first = if count == 1 { "first row".to_owned() } else { format!("first {count} rows") };
        let (name, columns) = (format!("{}, {first}", self.name), self.columns.clone());
        Cow::Owned(Self { name, labels: labels_of(&rows), rows, columns })
    }

    fn error(&self, problem: Problem) -> DataError {
        DataError { name: self.name.clone(), problem }
    }
}

fn read(name: &str, bytes: &[u8], wanted: &Columns) -> Result<Dataset, Problem> {
    let text = table::decode(bytes)?;
    let format = DataFormat::of(name, text);
    let columns = table::columns(text, format)?;
    let text1 = find(&columns, &wanted.text1)?;
    let label = find_column(&columns, &wanted.label)?;
    let text2 = find_column(&columns, &wanted.text2)?;

    let indices: Vec<usize> = [Some(text1), label, text2].into_iter().flatten().collect();
    let mut rows = Vec::new();
    for (line, fields) in table::rows(text, format, &columns, &indices)? {
        let mut fields = fields.into_iter();
        let missing = |column: usize| {
            let column = columns.get(column).cloned().unwrap_or_default();
            Problem::NotText { line, column, found: "missing" }
        };
        let text1 = fields.next().flatten().ok_or_else(|| missing(text1))?;
        let label = label.and_then(|_| fields.next().flatten());
        let label = label.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty());
        let text2 = text2.map(|text2| fields.next().flatten().ok_or_else(|| missing(text2))).transpose()?;
        rows.push(Example { label, text1, text2, line });
    }
    Ok(Dataset { name: name.to_owned(), labels: labels_of(&rows), rows, columns })
}

/// Every label of `rows` once, in their order.
fn labels_of(rows: &[Example]) -> Vec<String> {
    let mut labels: Vec<String> = rows.iter().filter_map(|row| row.label.clone()).collect();
    labels.sort_unstable();
    labels.dedup();
    sort_numbers(&mut labels);
    labels
}

fn find_column(columns: &[String], wanted: &Column) -> Result<Option<usize>, Problem> {
    match wanted {
        Column::Unused => Ok(None),
        Column::IfPresent(name) if !columns.contains(name) => Ok(None),
        Column::IfPresent(name) | Column::Named(name) => find(columns, name).map(Some),
    }
}

fn find(columns: &[String], wanted: &str) -> Result<usize, Problem> {
    let mut places = (0..columns.len()).filter(|&i| columns[i] == wanted);
    match (places.next(), places.next()) {
        (Some(place), None) => Ok(place),
        (Some(first), Some(second)) => {
            Err(Problem::RepeatedColumn { column: wanted.to_owned(), first: first + 1, second: second + 1 })
        }
        (None, _) => Err(Problem::NoColumn { wanted: wanted.to_owned(), found: columns.to_vec() }),
    }
}

/// Puts labels that are all numbers into the order of their values: "2" before "10".
fn sort_numbers(labels: &mut [String]) {
    let number = |label: &String| label.parse::<f64>().ok().filter(|value| value.is_finite());
    if labels.iter().all(|label| number(label).is_some()) {
        labels.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(Ordering::Equal));
    }
}

/// The class id of each of `labels`, which is its place among them.
#[must_use]
pub fn class_ids(labels: &[String]) -> HashMap<&str, u32> {
    labels.iter().map(String::as_str).zip(0..).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(name: &str, text: impl AsRef<[u8]>) -> Result<Dataset, DataError> {
        Dataset::read(name, text.as_ref(), &Columns::default())
    }

    fn rows(dataset: &Dataset) -> Vec<(Option<&str>, &str, Option<&str>, usize)> {
        dataset.rows.iter().map(|r| (r.label.as_deref(), r.text1.as_str(), r.text2.as_deref(), r.line)).collect()
    }

    #[test]
    fn the_three_formats_say_the_same() {
        let tsv = "label\ttext1\ttext2\nyes\tIt \"rains\", a lot.\tWet.\n\nno\tSun\t\n";
        let csv = "label,text1,text2\nyes,\"It \"\"rains\"\", a lot.\",Wet.\n\nno,Sun,\n";
        let semicolons = csv.replace(',', ";").replacen("\"\"; a", "\"\", a", 1);
        let jsonl = concat!(
            r#"{"text2": "Wet.", "label": "yes", "text1": "It \"rains\", a lot."}"#,
            "\n\n",
            r#"{"label": "no", "text1": "Sun", "text2": ""}"#
        );
        let expected = [(Some("yes"), "It \"rains\", a lot.", Some("Wet."), 2), (Some("no"), "Sun", Some(""), 4)];
        for (name, text) in [("a.tsv", tsv), ("a.csv", csv), ("b.CSV", &semicolons)] {
            for name in [name, "pasted text"] {
                let dataset = parse(name, text).unwrap();
                assert_eq!(rows(&dataset), expected, "{name}");
                assert_eq!(dataset.labels, ["no", "yes"]);
                assert!(dataset.is_pair());
                let windows = parse(name, format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
                assert_eq!(windows, dataset, "byte order mark and CR LF make no difference");
            }
        }
        let dataset = parse("a.jsonl", jsonl).unwrap();
        assert_eq!(dataset.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(dataset.columns, ["text2", "label", "text1"]);
        assert_eq!(parse("pasted text", jsonl).unwrap().rows, dataset.rows);
        let texts = |dataset: &Dataset| -> Vec<_> {
            dataset.rows.iter().map(|r| (r.label.clone(), r.text1.clone(), r.text2.clone())).collect()
        };
        assert_eq!(texts(&dataset), texts(&parse("a.tsv", tsv).unwrap()));
    }

    #[test]
    fn rows_keep_their_lines_across_quoted_line_ends() {
        for end in ["\n", "\r\n"] {
            let text = "\n\nlabel,text1\na,\"one\ntwo\n\nthree\"\n\n\nb,four\n".replace('\n', end);
            let dataset = parse("a.csv", text).unwrap();
            assert_eq!(dataset.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [4, 10]);
            assert_eq!(dataset.rows[0].text1, "one\ntwo\n\nthree".replace('\n', end));
        }
    }

    #[test]
    fn a_quote_means_nothing_in_tsv() {
        let dataset = parse("a.tsv", "label\ttext1\n1\t\"open\n0\tit's 5\" long\rand on\n").unwrap();
        assert_eq!(dataset.rows[0].text1, "\"open");
        assert_eq!(dataset.rows[1].text1, "it's 5\" long\rand on");
    }

    #[test]
    fn labels_are_in_the_order_of_numbers_or_letters() {
        let labels = |values: &[&str]| {
            let rows: String = values.iter().map(|value| format!("{value}\tx\n")).collect();
            parse("a.tsv", format!("label\ttext1\n{rows}")).unwrap().labels
        };
        assert_eq!(labels(&["10", "2", "-1", "2 ", "0.5"]), ["-1", "0.5", "2", "10"]);
        assert_eq!(labels(&["b10", "b2", "a", "2"]), ["2", "a", "b10", "b2"]);
        assert_eq!(labels(&["nan", "1", "inf"]), ["1", "inf", "nan"]);
        assert_eq!(labels(&["", " "]), [""; 0]);
    }

    #[test]
    fn json_values_become_text() {
        let jsonl = "{\"label\": 1, \"text1\": \"a\"}\n{\"label\": true, \"text1\": 2.50}\n{\"text1\": \"c\", \"label\": null}\n{\"text1\": \"\"}";
        let dataset = parse("a.jsonl", jsonl).unwrap();
        assert_eq!(
            rows(&dataset),
            [(Some("1"), "a", None, 1), (Some("true"), "2.5", None, 2), (None, "c", None, 3), (None, "", None, 4)]
        );
    }

    #[test]
    fn a_label_in_later_objects_only_is_found() {
        let dataset = parse("a.jsonl", "{\"text1\": \"a\"}\n{\"text1\": \"b\", \"label\": \"x\"}").unwrap();
        assert_eq!(dataset.label_ids(), [None, Some(0)]);
    }

    #[test]
    fn other_columns_are_taken_by_name() {
        let file = b"id\tsentiment\treview\ttext2\n1\tgood\tfine film\tignored\n2\tbad\tdull\tignored\n";
        let (columns, first) = Dataset::preview("a.tsv", file).unwrap();
        assert_eq!(columns, ["id", "sentiment", "review", "text2"]);
        assert_eq!(first, ["1", "good", "fine film", "ignored"]);
        let (columns, first) = Dataset::preview("a.jsonl", b"{\"a\": 1}\n{\"b\": [2]}").unwrap();
        assert_eq!((columns, first), (vec!["a".to_owned(), "b".to_owned()], vec!["1".to_owned(), String::new()]));
        let columns =
            Columns { label: Column::Named("sentiment".to_owned()), text1: "review".to_owned(), text2: Column::Unused };
        let dataset = Dataset::read("a.tsv", file, &columns).unwrap();
        assert_eq!(rows(&dataset), [(Some("good"), "fine film", None, 2), (Some("bad"), "dull", None, 3)]);
        assert_eq!((dataset.label_ids(), dataset.counts()), (vec![Some(1), Some(0)], vec![1, 1]));
        let unlabelled = Columns { label: Column::Unused, ..columns };
        assert!(Dataset::read("a.tsv", file, &unlabelled).unwrap().labels.is_empty());
    }

    #[test]
    fn a_file_that_can_not_be_read_is_named_with_its_line() {
        let error = |name: &str, text: &[u8]| parse(name, text).unwrap_err();
        insta::assert_snapshot!(error("a.tsv", b""), @"a.tsv: it is empty");
        insta::assert_snapshot!(error("a.csv", b"\n \r\n"), @"a.csv: it is empty");
        insta::assert_snapshot!(error("a.jsonl", b"\n"), @"a.jsonl: it is empty");
        insta::assert_snapshot!(error("a.tsv", b"label\ttext1\n\n"), @"a.tsv: it has a header and no rows");
        insta::assert_snapshot!(error("a.tsv", b"sentiment\tsentence\n1\tgood\n"), @r#"a.tsv: there is no column "text1"; the columns found are "sentiment", "sentence""#);
        insta::assert_snapshot!(error("a.tsv", b"label\ttext1\tlabel\n1\tgood\t2\n"), @r#"a.tsv: column "label" stands twice in the header, as field 1 and as field 3"#);
        insta::assert_snapshot!(error("a.tsv", b"label\ttext1\n1\tgood\n1\tgood\tor not\n"), @"a.tsv: line 3 has 3 fields, the header has 2");
        insta::assert_snapshot!(error("a.csv", b"label,text1\r\n1,\"a\r\nb\"\r\n\r\n1,no, really\r\n"), @"a.csv: line 5 has 3 fields, the header has 2");
        insta::assert_snapshot!(error("a.csv", b"label,text1\n1,fine\n1,\"open\n1,fine\n"), @"a.csv: line 3: a quote is opened and never closed (a quote inside a field is written twice)");
        insta::assert_snapshot!(error("a.tsv", b"label\ttext1\n1\tgood\n1\tcaf\xe9\n"), @"a.tsv: line 3 is not UTF-8: save the file as UTF-8 text");
        insta::assert_snapshot!(error("a.tsv", b"\xff\xfel\0a\0"), @"a.tsv: line 1 is not UTF-8: save the file as UTF-8 text");
        insta::assert_snapshot!(error("a.jsonl", b"{\"text1\": \"a\"}\n{\"text1\": oops}\n"), @"a.jsonl: line 2 is not JSON: expected value, at column 11");
        insta::assert_snapshot!(error("a.jsonl", b"[{\"text1\": \"a\"}]\n"), @"a.jsonl: line 1 is a list, each line must be a JSON object");
        insta::assert_snapshot!(error("a.jsonl", b"{\"text1\": \"a\"}\n{\"text1\": [\"b\"]}\n"), @r#"a.jsonl: line 2: "text1" is a list, it must be text"#);
        insta::assert_snapshot!(error("a.jsonl", b"{\"text1\": \"a\"}\n{\"label\": \"b\"}\n"), @r#"a.jsonl: line 2: "text1" is missing, it must be text"#);
        let long = format!("text1\na\n{}\n", "x".repeat(table::MAX_FIELD_BYTES + 1));
        insta::assert_snapshot!(error("a.tsv", long.as_bytes()), @"a.tsv: line 3: a field has 1048577 bytes, the limit is 1048576");
        let rows = format!("text1\n{}", "x\n".repeat(table::MAX_ROWS + 1));
        insta::assert_snapshot!(error("a.tsv", rows.as_bytes()), @"a.tsv: it has more than 1048576 rows, the limit");
        insta::assert_snapshot!(error("a.tsv", &vec![b'x'; table::MAX_BYTES + 1]), @"a.tsv: it has 268435457 bytes, the limit is 268435456");
        let wanted = Columns { text2: Column::Named("hypothesis".to_owned()), ..Columns::default() };
        let found = Dataset::read("pasted text", b"label,text1,premise\na,b,c", &wanted).unwrap_err();
        insta::assert_snapshot!(found, @r#"pasted text: there is no column "hypothesis"; the columns found are "label", "text1", "premise""#);
        let columns: String = (0..15).map(|i| format!("c{i}\t")).collect();
        insta::assert_snapshot!(error("a.tsv", columns.as_bytes()), @r#"a.tsv: there is no column "text1"; the columns found are "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11" and 4 more"#);
    }

    #[test]
    fn labels_that_can_not_be_learned_are_named() {
        let check = |text: &str| parse("a.tsv", text).unwrap().check_labels();
        assert_eq!(check("label\ttext1\na\tx\na\ty\nb\tx\nb\ty\n"), Ok(()));
        let error = |text: &str| check(text).unwrap_err();
        insta::assert_snapshot!(error("class\ttext1\na\tx\n"), @r#"a.tsv: it has no labels; the columns found are "class", "text1""#);
        insta::assert_snapshot!(error("label\ttext1\na\tx\n \ty\n"), @"a.tsv: line 3 has no label");
        insta::assert_snapshot!(error("label\ttext1\na\tx\na\ty\n"), @r#"a.tsv: every row has the label "a": a classifier needs two or more"#);
        insta::assert_snapshot!(error("label\ttext1\na\tx\na\ty\nab\tz\n"), @r#"a.tsv: label "ab" occurs once, on line 4: correct it, leave the row out, or add examples"#);

        let twice_each = |labels: usize| (0..2 * labels).map(|row| format!("{}\tx\n", row / 2)).collect::<String>();
        let of_ids = |labels: usize| format!("label\ttext1\n{}", twice_each(labels));
        assert_eq!(check(&of_ids(MAX_LABELS)), Ok(()));
        insta::assert_snapshot!(error(&of_ids(MAX_LABELS + 1)), @"a.tsv: its 2002 rows have 1001 different labels, the limit is 1000: is that the labels' column?");

        let sorted = parse("a.tsv", "label\ttext1\na\tx\na\ty\nb\tx\nb\ty\n").unwrap();
        assert_eq!((sorted.first(2).labels.as_slice(), sorted.first(2).rows.len()), (&["a".to_owned()][..], 2));
        assert_eq!((&*sorted.first(4), &*sorted.first(1).name), (&sorted, "a.tsv, first row"));
        insta::assert_snapshot!(sorted.first(3).check_labels().unwrap_err(), @r#"a.tsv, first 3 rows: label "b" occurs once, on line 4: correct it, leave the row out, or add examples"#);

        let test = parse("test.tsv", "label\ttext1\nno\tx\n\ty\nmaybe\tz\n").unwrap();
        let known = ["yes", "no", "maybe"].map(str::to_owned);
        assert_eq!(test.label_ids_among(&known), Ok(vec![Some(1), None, Some(2)]));
        insta::assert_snapshot!(test.label_ids_among(&known[..2]).unwrap_err(), @r#"test.tsv: line 4 has the label "maybe"; the labels known are "yes", "no""#);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
            for name in ["a.tsv", "a.csv", "a.jsonl", "pasted text"] {
                let _ = parse(name, &bytes);
                let _ = parse(name, format!("text1\n{text}"));
                let _ = parse(name, format!("\u{feff}label,text1\r\n{text}"));
                let _ = parse(name, format!("{{\"text1\": {text}"));
            }
        }

        #[test]
        fn what_a_writer_wrote_is_read_back(
            written in prop::collection::vec(("[a-c]", "[ -~é\\n\\r\\t]{0,20}", "[^\\x00-\\x08]{0,9}"), 1..20),
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["label", "text1", "text2"]).unwrap();
            let mut jsonl = String::new();
            for (label, text1, text2) in &written {
                writer.write_record([label, text1, text2]).unwrap();
                jsonl += &format!("{}\n", serde_json::json!({"label": label, "text1": text1, "text2": text2}));
            }
            for (name, file) in [("a.csv", writer.into_inner().unwrap()), ("a.jsonl", jsonl.into_bytes())] {
                let dataset = parse(name, file).unwrap();
                let rows = dataset.rows.into_iter().map(|row| (row.label.unwrap(), row.text1, row.text2.unwrap()));
                prop_assert_eq!(&rows.collect::<Vec<_>>(), &written, "{}", name);
            }
        }
    }
}
