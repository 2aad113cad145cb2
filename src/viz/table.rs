//! The numbers of a picture as rows, for the table view and for export.

use super::number;

/// The data of a picture as rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// One a column, with its unit.
    pub headers: Vec<String>,
    /// As many cells as headers.
    pub rows: Vec<Vec<Datum>>,
}

/// A cell of a [`Table`].
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// A name.
    Text(String),
    /// A number; NaN where there is none.
    Number(f64),
    /// A number in single precision; NaN where there is none.
    Single(f32),
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Datum::Text(text.to_owned())
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Datum::Text(text)
    }
}

impl From<f64> for Datum {
    fn from(value: f64) -> Self {
        Datum::Number(value)
    }
}

impl From<f32> for Datum {
    fn from(value: f32) -> Self {
        Datum::Single(value)
    }
}

impl std::fmt::Display for Datum {
    /// As the page shows it: four significant digits, a dash where there is none.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Datum::Text(text) => f.write_str(text),
            Datum::Number(value) => f.write_str(&number::significant(*value, 4)),
            Datum::Single(value) => f.write_str(&number::significant(f64::from(*value), 4)),
        }
    }
}

impl Table {
    /// As CSV (RFC 4180), numbers in full precision, empty where there is none.
    pub fn csv(&self) -> String {
        let quoted = |text: &str| match text.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_owned(),
        };
        let mut out = self.headers.iter().map(|h| quoted(h)).collect::<Vec<_>>().join(",") + "\r\n";
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .map(|cell| match cell {
                    Datum::Text(text) => quoted(text),
                    Datum::Number(value) if value.is_finite() => value.to_string(),
                    Datum::Single(value) if value.is_finite() => value.to_string(),
                    Datum::Number(_) | Datum::Single(_) => String::new(),
                })
                .collect();
            out += &(cells.join(",") + "\r\n");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_needs_it_and_keeps_the_digits() {
        let table = Table {
            headers: vec!["name, or \"id\"".into(), "mass".into()],
            rows: vec![vec!["a".into(), 0.1_f32.into()], vec!["b\nc".into(), f64::NAN.into()]],
        };
        assert_eq!(table.csv(), "\"name, or \"\"id\"\"\",mass\r\na,0.1\r\n\"b\nc\",\r\n");
    }
}
