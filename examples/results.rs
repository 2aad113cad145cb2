//! The tables and pictures of `docs/RESULTS.md`.
//!
//! ```sh
//! cargo run --example results -- merges OUT...            # reports of scripts/merge_reports.sh, as a table
//! cargo run --example results -- table FILE...            # records of `mera run`: methods by target, as a table
//! cargo run --example results -- pictures FOLDER FILE...  # the same as SVG in FOLDER
//! cargo run --example results -- distance FILE...         # how a merge's distance goes with its accuracy, as a table
//! cargo run --example results -- scatter SVG FILE...      # the same as one picture
//! ```
#![allow(clippy::print_stdout)]

use mera_lab::engine::comparison;
use mera_lab::experiment::record::{self, Record};
use mera_lab::experiment::spec::Tracks;
use mera_lab::experiment::summarize;
use mera_lab::experiment::summary::{Difference, Group};
use mera_lab::viz::{Curves, Panel, Picture, Role, Run, Scheme, Unit, svg};
use serde_json::Value;
use statrs::statistics::Statistics;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "results merges OUT... | results table FILE... | results pictures FOLDER FILE... | \
                     results distance FILE... | results scatter SVG FILE...";
const WIDTH: f64 = 760.0;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["merges", folders @ ..] if !folders.is_empty() => {
            folders.iter().try_for_each(|folder| merges(folder.as_ref()))
        }
        ["table", files @ ..] if !files.is_empty() => {
            table(&read(files)?);
            Ok(())
        }
        ["pictures", folder, files @ ..] if !files.is_empty() => pictures(&read(files)?, folder.as_ref()),
        ["distance", files @ ..] if !files.is_empty() => distance(files),
        ["scatter", path, files @ ..] if !files.is_empty() => draw(&scatter(&read(files)?), path.as_ref()),
        _ => Err(USAGE.into()),
    }
}

/// One row a merge: what its report says, location by location.
fn merges(folder: &Path) -> Outcome<()> {
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let report: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let locations = report["locations"].as_array().ok_or("a report without locations")?.clone();
        rows.push((name, locations));
    }
    let mean = |locations: &[Value], pointer: &str| {
        let values: Option<Vec<f64>> = locations.iter().map(|location| location.pointer(pointer)?.as_f64()).collect();
        values.filter(|values| !values.is_empty()).map(|values| values.iter().sum::<f64>() / values.len() as f64)
    };
    let error = |locations: &[Value]| mean(locations, "/ensemble/relative_error").unwrap_or(f64::INFINITY);
    rows.sort_by(|a, b| error(&b.1).total_cmp(&error(&a.1)));
    println!("| merge | cost before | after | diagonal share | relative error, by layer | amplitude | cosine |");
    println!("|---|---|---|---|---|---|---|");
    for (name, locations) in &rows {
        let shown =
            |pointer, digits: usize| mean(locations, pointer).map_or("".into(), |value| format!("{value:.digits$}"));
        let errors = locations.iter().filter_map(|location| location.pointer("/ensemble/relative_error")?.as_f64());
        let errors: Vec<String> = errors.map(|error| format!("{error:.2}")).collect();
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} |",
            shown("/cost_before", 2),
            shown("/cost_after", 2),
            shown("/diagonal_share", 3),
            errors.join(" "),
            shown("/ensemble/amplitude", 2),
            shown("/ensemble/cosine", 2),
        );
    }
    Ok(())
}

fn read(files: &[&str]) -> Outcome<Vec<Record>> {
    let mut records = Vec::new();
    for file in files {
        let mut of_file = record::read(&std::fs::read(file)?)?.records;
        name_protocols(&mut of_file, file);
        records.extend(of_file);
    }
    Ok(records)
}

/// Earlier records do not say their protocol. One experiment wrote a `file`, so theirs is that of the others of their
/// setting in it; where none of these says it, it gets the file's name.
fn name_protocols(records: &mut [Record], file: &str) {
    let owned = |record: &Record| (record.plm.clone(), record.target.clone(), record.k);
    let said = records.iter().filter_map(|record| Some((owned(record), record.protocol.clone()?)));
    let said: BTreeMap<_, String> = said.collect();
    for record in records {
        let known = said.get(&owned(record)).cloned();
        record.protocol.get_or_insert_with(|| known.unwrap_or_else(|| file.to_owned()));
    }
}

/// What methods are compared on: PLM, target and k.
type Setting<'a> = (&'a str, &'a str, usize);

fn setting(record: &Record) -> Setting<'_> {
    (&record.plm, &record.target, record.k)
}

/// A row a method, a column a setting: mean of the accuracies, ± their deviation, over the seeds.
fn table(records: &[Record]) {
    let (mut methods, mut settings) = (Vec::new(), Vec::new());
    for record in records {
        if !methods.contains(&record.method.as_str()) {
            methods.push(&record.method);
        }
        if !settings.contains(&setting(record)) {
            settings.push(setting(record));
        }
    }
    let heading = |(plm, target, k): &Setting| format!(" {target}, k = {k}, {plm} |");
    println!("| method |{}", settings.iter().map(heading).collect::<String>());
    println!("|---|{}", "---|".repeat(settings.len()));
    for method in methods {
        let cell = |wanted: &Setting| {
            let of_cell = records.iter().filter(|record| record.method == method && setting(record) == *wanted);
            let accuracies: Vec<f64> = of_cell.map(|record| record.accuracy).collect();
            match accuracies.len() {
                0 => "  |".to_owned(),
                1 => format!(" {:.3} |", accuracies[0]),
                _ => format!(" {:.3} ± {:.3} |", accuracies.as_slice().mean(), accuracies.as_slice().std_dev()),
            }
        };
        println!("| {method} |{}", settings.iter().map(cell).collect::<String>());
    }
}

/// A comparison for every setting, and the scatter of all merges.
fn pictures(records: &[Record], folder: &Path) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    for group in &summarize(records).groups {
        let Group { plm, target, k, .. } = group;
        let picture = comparison(&format!("{target}, {k} examples a class, {plm}"), group);
        draw(&picture, &folder.join(format!("{plm}-{target}-k{k}.svg")))?;
    }
    Ok(())
}

/// Merges whose distance to the mean of their inputs' functions was known before training.
fn merges_of(records: &[Record]) -> Vec<Merge<'_>> {
    records.iter().filter_map(|record| Some(Merge { record, error: record.ensemble_error? })).collect()
}

/// A merge, before training and after it.
#[derive(Clone, Copy)]
struct Merge<'a> {
    record: &'a Record,
    error: f64,
}

/// Merges that are compared with each other but for the seed: of one setting, protocol and kind of adapters.
type Comparison<'a> = (Setting<'a>, &'a Option<String>, Tracks);

impl<'a> Merge<'a> {
    fn comparison(&self) -> Comparison<'a> {
        (setting(self.record), &self.record.protocol, self.record.tracks)
    }

    fn is_of(&self, episode: &Self) -> bool {
        self.record.seed == episode.record.seed && self.comparison() == episode.comparison()
    }

    /// Whether its output was scaled, by the name of its method.
    fn is_scaled(&self) -> bool {
        self.record.method.split('_').any(|word| matches!(word, "sum" | "keep"))
    }

    /// Whether it is trained as others are, by the name of its method, and not in part or at another rate.
    fn is_trained_alike(&self) -> bool {
        !self.record.method.split('_').any(|word| matches!(word, "up" | "gates" | "head" | "3e-3" | "3e-4"))
    }
}

/// A row a comparison: over its episodes the mean rank correlation of error and accuracy, with its interval, of the merges
/// whose scale is left alone and of all. What is trained otherwise is left out: it is an equal merge.
fn distance(files: &[&str]) -> Outcome<()> {
    println!("| records | target, k | adapters | merges | scale left alone | merges | all |");
    println!("|---|---|---|---|---|---|---|");
    for file in files {
        let records = read(&[file])?;
        let mut merges = merges_of(&records);
        merges.retain(Merge::is_trained_alike);
        let mut comparisons: Vec<Comparison<'_>> = Vec::new();
        for comparison in merges.iter().map(Merge::comparison) {
            if !comparisons.contains(&comparison) {
                comparisons.push(comparison);
            }
        }
        for comparison in comparisons {
            let all: Vec<Merge<'_>> = merges.iter().filter(|merge| merge.comparison() == comparison).copied().collect();
            let alone: Vec<Merge<'_>> = all.iter().filter(|merge| !merge.is_scaled()).copied().collect();
            let ((_, target, k), _, tracks) = comparison;
            let name = Path::new(file).with_extension("");
            let name = name.strip_prefix("docs/results").unwrap_or(&name).display();
            let tracks = format!("{tracks:?}").to_lowercase();
            println!("| {name} | {target}, {k} | {tracks} | {} | {} |", correlation(&alone), correlation(&all));
        }
    }
    Ok(())
}

/// How many merges an episode has, and the mean of the episodes' rank correlations.
fn correlation(merges: &[Merge<'_>]) -> String {
    let mut episodes: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for merge in merges {
        episodes.entry(merge.record.seed).or_default().push((merge.error, merge.record.accuracy));
    }
    let most = episodes.values().map(Vec::len).max().unwrap_or(0);
    let correlations: Vec<f64> = episodes.values().filter_map(|points| rank_correlation(points)).collect();
    let said = match Difference::of(&correlations) {
        Difference { mean, high: Some(high), .. } => format!("{mean:+.2} ± {:.2}", high - mean),
        Difference { mean, .. } => format!("{mean:+.2}"),
    };
    format!("{most} | {}", said.replace('-', "−"))
}

/// Spearman's; none where one side does not vary.
fn rank_correlation(points: &[(f64, f64)]) -> Option<f64> {
    let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    let (x, y) = (ranks(&x), ranks(&y));
    let spread = (&x).std_dev() * (&y).std_dev();
    (spread > 0.0).then(|| (&x).covariance(&y) / spread)
}

/// Of each value its place among all, from 1; equal ones share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        below as f64 + (equal as f64 + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

/// What a merge is made by, by the beginning of its method's name; a longer name stands before its own beginning.
const FAMILIES: [&str; 6] = ["average", "mera_wts", "mera_acts", "concat_reduced", "concat", "sum"];

/// How far a merge was from the mean of its inputs' functions before training, and what it reached after, against the
/// mean of all merges of its episode: episodes differ more than merges do.
fn scatter(records: &[Record]) -> Curves {
    let merges = merges_of(records);
    let centred = |merge: &Merge<'_>| {
        let same = merges.iter().filter(|other| other.is_of(merge)).map(|other| other.record.accuracy);
        merge.record.accuracy - same.collect::<Vec<f64>>().mean()
    };
    let panel = |title: &str, scaled: bool| {
        let run = |(index, family): (usize, &&str)| {
            let is_first = |name: &str| FAMILIES.iter().find(|family| name.starts_with(**family)) == Some(family);
            let of_run = merges.iter().filter(|merge| merge.is_scaled() == scaled && is_first(&merge.record.method));
            // A sum is tens of times the mean, the whole concatenation is the mean: logarithms, to a hundredth.
            let points = of_run.map(|merge| (merge.error.max(0.01).log10() + 2.0, centred(merge)));
            let mut points: Vec<(f64, f64)> = points.collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            // A gap after every point: dots without a line.
            let points = points.into_iter().flat_map(|(x, y)| [(x, y), (x, f64::NAN)]).collect();
            Run { name: (*family).to_owned(), role: Role::Adapter(index), dots: true, points }
        };
        let runs = FAMILIES.iter().enumerate().map(run).collect();
        Panel { title: title.into(), unit: Unit::Plain, range: None, runs }
    };
    Curves {
        title: format!("Distance of {} merges to the mean of functions, and accuracy after training", merges.len()),
        x: "log10 of the relative error, plus 2".into(),
        end: None,
        panels: vec![
            panel("accuracy above the mean of its episode: scale left alone", false),
            panel("amplitude kept, or as the sum", true),
        ],
    }
}

fn draw(picture: &impl Picture, path: &Path) -> Outcome<()> {
    std::fs::write(path, svg::document(&picture.scene(WIDTH), Scheme::Light))?;
    println!("{}", path.display());
    Ok(())
}
