//! What a finished run leaves: one line of JSON in `records.jsonl`.

use super::spec::{Tracks, TrainedPart};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Name of the PLM; empty in records of a time when there was but one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plm: String,
    /// Name of the target.
    pub target: String,
    /// Id of the method or name of the variant; `single:NAME` for a single adapter.
    pub method: String,
    /// Examples a class.
    pub k: usize,
    /// Of the episode and of the run.
    pub seed: u64,
    /// How the adapters that were compared stand to the target.
    pub tracks: Tracks,
    /// Share of right answers on test, 0 to 1.
    pub accuracy: f64,
    /// Mean of the classes' F1 on test, 0 to 1.
    pub macro_f1: f64,
    /// Share of right answers on dev, of what was judged on test.
    pub dev_accuracy: f64,
    /// Mean cross-entropy on dev in nats, by which equal accuracies are told apart; none where nothing was trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev_loss: Option<f64>,
    /// The one that was best on dev; none where nothing was trained.
    pub learning_rate: Option<f64>,
    /// Parameters that were trained.
    pub trainable_parameters: usize,
    /// Parameters beside those of the PLM.
    pub inference_parameters: usize,
    /// Of the whole run: merging, training with every learning rate, test. A run that shared passes has its share of them.
    pub seconds: f64,
    /// Median of an optimiser step, likewise; none where nothing was trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_seconds: Option<f64>,
    /// Most bytes of memory in use at once during the run, those of the PLM and of runs that shared its passes among
    /// them, not those of a GPU; in a browser since its worker began. None where it can't be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// Of all that determines the run.
    pub hash: String,
    /// Of what all methods that are compared have in common: the PLM's files, the target's data, how runs are trained but
    /// for the rates. Absent in earlier records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Of what else determines the run but for its seed and k: the method with its settings, adapters and rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// Of a choice among adapters, the one chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// Of a merge, how far it was from the mean of its inputs' functions before it was trained, relative to that mean's
    /// square, over the tokens of the episode; the mean over its locations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble_error: Option<f64>,
    /// Of a choice or of weights by score, and of a single adapter, the scores by adapter, and that of the PLM alone under
    /// the name `none`. Absent in earlier records of single adapters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<BTreeMap<String, f64>>,
    /// How it was trained; none where nothing was, and in earlier records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Budget>,
    /// The adapters that took part, the reference of a merge first; none in earlier records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<UsedAdapter>,
}

/// What a run had to learn with, for people: its hash is of this and more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Passes over the support.
    pub epochs: usize,
    /// Rows a step.
    pub batch_size: usize,
    /// Peaks that were tried.
    pub learning_rates: Vec<f64>,
    /// What was trained beside the head, where that is a part of an adapter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TrainedPart>,
}

/// An adapter that took part in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedAdapter {
    /// As the experiment calls it.
    pub name: String,
    /// The beginning of the SHA-256 of what it computes: its weights and form, in whatever file they came.
    pub hash: String,
}

/// What a file of records holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// In the file's order, each hash once: its first.
    pub records: Vec<Record>,
    /// Further records of hashes that stand there already.
    pub duplicates: usize,
    /// Hashes whose records tell of different results.
    pub contradictions: Vec<String>,
    /// The beginning of a last line that was cut off; it is no record.
    pub cut: Option<String>,
    /// Bytes up to the end of the last whole record: what may stay when more is written.
    pub intact: usize,
    /// Whether the last whole record lacks the end of its line.
    pub open: bool,
}

/// What is wrong with records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A line that is no record.
    #[error("line {line} is no record: {message}")]
    Line {
        /// From 1.
        line: usize,
        /// What the reader says.
        message: String,
    },
    /// A record that can't be written, and what the writer says.
    #[error("could not be written: {0}")]
    Write(String),
}

impl From<serde_json::Error> for RecordError {
    fn from(error: serde_json::Error) -> Self {
        Self::Write(error.to_string())
    }
}

impl Record {
    /// One line of JSON, its end included.
    ///
    /// # Errors
    /// [`RecordError::Write`], when a number has no form in JSON.
    pub fn to_line(&self) -> Result<String, RecordError> {
        Ok(serde_json::to_string(self)? + "\n")
    }
}

/// Records of different runs.
#[derive(Default)]
struct Joined {
    /// Each hash once: its first.
    records: Vec<Record>,
    /// Where they stand there, by hash.
    places: BTreeMap<String, usize>,
    /// Further records of a hash.
    duplicates: usize,
    /// Hashes whose records tell of different results.
    contradictions: Vec<String>,
}

impl Joined {
    fn add(&mut self, record: Record) {
        match self.places.get(&record.hash).and_then(|&place| self.records.get(place)) {
            Some(first) => {
                self.duplicates += 1;
                if !first.agrees(&record) && !self.contradictions.contains(&record.hash) {
                    self.contradictions.push(record.hash);
                }
            }
            None => {
                self.places.insert(record.hash.clone(), self.records.len());
                self.records.push(record);
            }
        }
    }
}

/// Reads a file of records. A last line that begins like a record and has no end was cut off while it was written: it
/// is reported and left out.
///
/// # Errors
/// When any other line is no record.
pub fn read(bytes: &[u8]) -> Result<Reading, RecordError> {
    let (mut reading, mut joined) = (Reading::default(), Joined::default());
    let mut end = 0;
    for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        end += line.len();
        let whole = line.ends_with(b"\n");
        if line.trim_ascii().is_empty() {
            if whole {
                reading.intact = end;
            }
            continue;
        }
        match serde_json::from_slice::<Record>(line) {
            Ok(record) => {
                reading.intact = end;
                reading.open = !whole;
                joined.add(record);
            }
            Err(_) if !whole && line.trim_ascii_start().starts_with(b"{") => {
                reading.cut = Some(String::from_utf8_lossy(line).chars().take(60).collect())
            }
            Err(error) => return Err(RecordError::Line { line: number + 1, message: error.to_string() }),
        }
    }
    let Joined { records, duplicates, contradictions, .. } = joined;
    Ok(Reading { records, duplicates, contradictions, ..reading })
}

/// Joins records from several places, in their order: each hash once, its first; gives the hashes whose records tell of
/// different results.
pub fn join(readings: impl IntoIterator<Item = Vec<Record>>) -> (Vec<Record>, Vec<String>) {
    let mut joined = Joined::default();
    readings.into_iter().flatten().for_each(|record| joined.add(record));
    (joined.records, joined.contradictions)
}

impl Record {
    /// Whether another record of the same run tells of the same result, but for rounding; what it took is another
    /// matter, and so is what the folder of its PLM is called, and what follows from the hash.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        let same_scores = match (&self.scores, &other.scores) {
            (Some(a), Some(b)) => a.keys().eq(b.keys()) && a.values().zip(b.values()).all(|(&a, &b)| is_near(a, b)),
            // They say nothing of the result.
            _ => true,
        };
        let Self { plm, seconds, step_seconds, peak_memory, protocol, settings, training, adapters, .. } =
            other.clone();
        let of_results = Self { plm, seconds, step_seconds, peak_memory, protocol, settings, ..self.clone() };
        let of_results = Self { training, adapters, ..of_results };
        let Self { accuracy, macro_f1, dev_accuracy, dev_loss, ensemble_error, scores, .. } = other.clone();
        Self { accuracy, macro_f1, dev_accuracy, dev_loss, ensemble_error, scores, ..of_results } == *other
            && is_near(self.accuracy, other.accuracy)
            && is_near(self.macro_f1, other.macro_f1)
            && is_near(self.dev_accuracy, other.dev_accuracy)
            && are_near(self.dev_loss, other.dev_loss)
            && are_near(self.ensemble_error, other.ensemble_error)
            && same_scores
    }
}

/// Whether two results are the same but for rounding. A run is the same on every device, yet each sums in an order of
/// its own. For shares of rows this is equality: one row of fewer than ten thousand is more. For losses and errors it is
/// relative, but to no less than 1: of what should be 0, such as the error of an exact merge, there is only rounding.
fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-4 * a.abs().max(b.abs()).max(1.0)
}

fn are_near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => is_near(a, b),
        (a, b) => a == b,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in super::super) fn record(target: &str, method: &str, k: usize, seed: u64, accuracy: f64) -> Record {
        Record {
            plm: String::new(),
            target: target.into(),
            method: method.into(),
            k,
            seed,
            tracks: Tracks::Same,
            accuracy,
            macro_f1: accuracy / 2.0,
            dev_accuracy: 0.5,
            dev_loss: Some(0.7),
            learning_rate: Some(5e-4),
            trainable_parameters: 100,
            inference_parameters: 200,
            seconds: 1.5,
            step_seconds: None,
            peak_memory: None,
            hash: format!("{target}-{method}-{k}-{seed}"),
            protocol: None,
            settings: None,
            chosen: None,
            ensemble_error: None,
            scores: None,
            training: None,
            adapters: Vec::new(),
        }
    }

    /// What records tell of a merge.
    pub(in super::super) fn told() -> (Option<Budget>, Vec<UsedAdapter>) {
        let training =
            Budget { epochs: 6, batch_size: 4, learning_rates: vec![1e-3, 3e-3], train: Some(TrainedPart::Up) };
        let adapter = |(name, hash): (&str, &str)| UsedAdapter { name: name.into(), hash: hash.into() };
        (Some(training), [("mr", "0123456789ab"), ("sst2", "ba9876543210")].map(adapter).to_vec())
    }

    #[test]
    fn a_record_is_one_line() {
        let bare = record("cr", "single:mr", 16, 13, 0.8125);
        insta::assert_snapshot!(bare.to_line().unwrap(), @r#"{"target":"cr","method":"single:mr","k":16,"seed":13,"tracks":"same","accuracy":0.8125,"macro_f1":0.40625,"dev_accuracy":0.5,"dev_loss":0.7,"learning_rate":0.0005,"trainable_parameters":100,"inference_parameters":200,"seconds":1.5,"hash":"cr-single:mr-16-13"}"#);
        let (training, adapters) = told();
        let full = Record { training, adapters, ..bare.clone() };
        let line = full.to_line().unwrap();
        insta::assert_snapshot!(line.trim_start_matches(bare.to_line().unwrap().trim_end_matches("}\n")), @r#","training":{"epochs":6,"batch_size":4,"learning_rates":[0.001,0.003],"train":"up"},"adapters":[{"name":"mr","hash":"0123456789ab"},{"name":"sst2","hash":"ba9876543210"}]}"#);
        assert_eq!(read(line.as_bytes()).unwrap().records, std::slice::from_ref(&full));
        assert!(bare.agrees(&full), "an earlier record of the same run");
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let good = record("cr", "sum", 4, 13, 0.5).to_line().unwrap();
        let error = read(format!("{good}{{\"target\":1}}\n{good}").as_bytes()).unwrap_err();
        insta::assert_snapshot!(error, @"line 2 is no record: invalid type: integer `1`, expected a string at line 1 column 11");
    }

    #[test]
    fn what_never_was_a_record_is_none_cut_off() {
        assert_eq!(read(b"{\"plm\":\"ti").unwrap().cut.as_deref(), Some("{\"plm\":\"ti"));
        insta::assert_snapshot!(read(b"my notes").unwrap_err(), @"line 1 is no record: expected value at line 1 column 1");
    }

    #[test]
    fn a_hash_counts_once_and_contradictions_are_named() {
        let first = record("cr", "sum", 4, 13, 0.5);
        let slower = Record { seconds: 9.0, ..first.clone() };
        let other = Record { accuracy: 0.6, ..first.clone() };
        let text: String = [&first, &slower, &other].iter().map(|record| record.to_line().unwrap()).collect();
        let reading = read(text.as_bytes()).unwrap();
        assert_eq!((reading.records.as_slice(), reading.duplicates), ([first.clone()].as_slice(), 2));
        assert_eq!(reading.contradictions, std::slice::from_ref(&first.hash));
        let (records, contradictions) = join([vec![first.clone()], vec![slower], vec![other]]);
        assert_eq!((records, contradictions), (vec![first.clone()], vec![first.hash]));
    }

    #[test]
    fn records_of_two_devices_agree() {
        let scores = |none: f64| Some(BTreeMap::from([("none".to_owned(), none), ("mr".to_owned(), 0.75)]));
        let cpu = Record {
            dev_loss: Some(1.25),
            ensemble_error: Some(3e-9),
            scores: scores(0.5),
            ..record("cr", "sum", 4, 13, 0.812_345)
        };
        let gpu = Record {
            plm: "elsewhere".into(),
            accuracy: 0.812_345_1,
            dev_loss: Some(1.250_05),
            ensemble_error: Some(2e-8),
            seconds: 0.1,
            peak_memory: Some(1),
            ..cpu.clone()
        };
        assert!(cpu.agrees(&gpu) && gpu.agrees(&cpu));
        let earlier = Record { scores: None, ..cpu.clone() };
        assert!(cpu.agrees(&earlier) && earlier.agrees(&cpu), "which had no scores of single adapters");
        // A row of 5,000 answered otherwise, another rate, another choice: another result.
        for other in [
            Record { accuracy: cpu.accuracy + 1.0 / 5e3, ..cpu.clone() },
            Record { macro_f1: 0.5, ..cpu.clone() },
            Record { dev_accuracy: 0.502, ..cpu.clone() },
            Record { dev_loss: Some(1.251), ..cpu.clone() },
            Record { dev_loss: None, ..cpu.clone() },
            Record { ensemble_error: Some(0.001), ..cpu.clone() },
            Record { scores: scores(0.625), ..cpu.clone() },
            Record { learning_rate: Some(1e-3), ..cpu.clone() },
            Record { chosen: Some("mr".into()), ..cpu.clone() },
            Record { trainable_parameters: 101, ..cpu.clone() },
        ] {
            assert!(!cpu.agrees(&other), "{other:?}");
        }
    }

    proptest! {
        /// Wherever a file is cut, every record that was whole is read, and only a part of a line is lost.
        #[test]
        fn a_file_may_be_cut_anywhere(accuracies in prop::collection::vec(0.0..1.0f64, 1..5), share in 0.0..1.0f64) {
            let records: Vec<Record> =
                accuracies.iter().zip(0..).map(|(accuracy, seed)| record("é", "sum", 4, seed, *accuracy)).collect();
            let lines: Vec<String> = records.iter().map(|record| record.to_line().unwrap()).collect();
            let text = lines.concat();
            let cut = (text.len() as f64 * share) as usize;
            let reading = read(&text.as_bytes()[..cut]).unwrap();
            let whole = (0..=lines.len()).rev().find(|count| lines[..*count].concat().len() <= cut).unwrap();
            // A line that lacks nothing but its end is a record too.
            let all_but_end = lines.get(whole).is_some_and(|line| lines[..whole].concat().len() + line.len() - 1 == cut);
            let expected = whole + usize::from(all_but_end);
            prop_assert_eq!(&reading.records, &records[..expected]);
            prop_assert_eq!(reading.open, all_but_end);
            let kept = if all_but_end { cut } else { lines[..whole].concat().len() };
            prop_assert_eq!(reading.intact, kept);
            prop_assert_eq!(reading.cut.is_some(), kept < cut);
            // What stays, and the rest of the lines after it, is the whole again.
            let end = if reading.open { "\n" } else { "" };
            let again = text[..reading.intact].to_owned() + end + &lines[expected..].concat();
            prop_assert_eq!(again, text);
        }
    }
}
