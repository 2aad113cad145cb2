//! The tables and pictures of `docs/RESULTS.md`.
//!
//! ```sh
//! cargo run --example results -- merges OUT...       # reports of scripts/merge_reports.sh, as a table
//! cargo run --example results -- records DIR FOLDER  # records of `mera run`, as SVG in FOLDER
//! ```
#![allow(clippy::print_stdout)]

use mera_lab::experiment::record::{self, Record};
use mera_lab::viz::{Comparison, Curves, Method, Panel, Picture, Role, Run, Scheme, Unit, svg};
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "results merges OUT... | results records DIR FOLDER";
const WIDTH: f64 = 760.0;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["merges", folders @ ..] if !folders.is_empty() => {
            folders.iter().try_for_each(|folder| merges(folder.as_ref()))
        }
        ["records", records, folder] => pictures(records.as_ref(), folder.as_ref()),
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

/// A comparison for every target and k, and the scatter of all merges.
fn pictures(records: &Path, folder: &Path) -> Outcome<()> {
    let records = record::read(&std::fs::read(records.join("records.jsonl"))?)?.records;
    std::fs::create_dir_all(folder)?;
    let mut groups: BTreeMap<(&str, usize), Vec<&Record>> = BTreeMap::new();
    for record in &records {
        groups.entry((&record.target, record.k)).or_default().push(record);
    }
    for ((target, k), of_group) in &groups {
        draw(&comparison(target, *k, of_group), &folder.join(format!("{target}-k{k}.svg")))?;
    }
    let merges: Vec<&Record> = records.iter().filter(|record| record.ensemble_error.is_some()).collect();
    if !merges.is_empty() {
        draw(&scatter(&merges), &folder.join("ensemble-error.svg"))?;
    }
    Ok(())
}

fn comparison(target: &str, k: usize, records: &[&Record]) -> Comparison {
    let mut values: Vec<(&str, Vec<f64>)> = Vec::new();
    for record in records.iter().filter(|record| record.method != "majority") {
        match values.iter_mut().find(|(name, _)| *name == record.method) {
            Some((_, values)) => values.push(record.accuracy),
            None => values.push((&record.method, vec![record.accuracy])),
        }
    }
    let majority = records.iter().find(|record| record.method == "majority");
    let method = |(name, values): (&str, Vec<f64>)| {
        let role = if name.contains("mera") { Role::Merged } else { Role::Accent };
        Method { name: name.to_owned(), role, values }
    };
    Comparison {
        title: format!("Accuracy on {target} after fine-tuning on {k} examples a class"),
        quantity: "accuracy on test".into(),
        unit: Unit::Percent,
        methods: values.into_iter().map(method).collect(),
        baseline: majority.map(|record| ("majority class".into(), record.accuracy)),
    }
}

/// How far a merge was from the mean of its inputs' functions before training, and what it reached after, against the
/// mean of all merges of the same target, k and seed: episodes differ more than merges do.
fn scatter(merges: &[&Record]) -> Curves {
    let episode = |record: &Record| (record.target.clone(), record.k, record.seed);
    let centred = |record: &Record| {
        let same: Vec<f64> =
            merges.iter().filter(|other| episode(other) == episode(record)).map(|other| other.accuracy).collect();
        record.accuracy - same.iter().sum::<f64>() / same.len() as f64
    };
    let mut runs: Vec<Run> = Vec::new();
    for record in merges {
        // A sum is tens of times the mean: logarithms keep it in the picture.
        let error = record.ensemble_error.unwrap_or(f64::NAN).log10() + 2.0;
        // A gap after every point: dots without a line.
        let points = [(error, centred(record)), (error, f64::NAN)];
        match runs.iter_mut().find(|run| run.name == record.method) {
            Some(run) => run.points.extend(points),
            None => {
                let role = Role::Adapter(runs.len());
                runs.push(Run { name: record.method.clone(), role, dots: true, points: points.to_vec() });
            }
        }
    }
    for run in &mut runs {
        run.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    Curves {
        title: "Distance to the mean of functions before training, and accuracy after it".into(),
        x: "log10 of the relative error, plus 2".into(),
        end: None,
        panels: vec![Panel {
            title: "accuracy above the mean of its episode".into(),
            unit: Unit::Plain,
            range: None,
            runs,
        }],
    }
}

fn draw(picture: &impl Picture, path: &Path) -> Outcome<()> {
    std::fs::write(path, svg::document(&picture.scene(WIDTH), Scheme::Light))?;
    println!("{}", path.display());
    Ok(())
}
