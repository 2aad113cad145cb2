//! The tables and pictures of `docs/RESULTS.md`.
//!
//! ```sh
//! cargo run --example results -- merges OUT...            # reports of scripts/merge_reports.sh, as a table
//! cargo run --example results -- table FILE...            # records of `mera run`: methods by target, as a table
//! cargo run --example results -- pictures FOLDER FILE...  # the same as SVG in FOLDER
//! ```
#![allow(clippy::print_stdout)]

use mera_lab::engine::comparison;
use mera_lab::experiment::record::{self, Record};
use mera_lab::experiment::summarize;
use mera_lab::experiment::summary::Group;
use mera_lab::viz::{Curves, Panel, Picture, Role, Run, Scheme, Unit, svg};
use serde_json::Value;
use statrs::statistics::Statistics;
use std::error::Error;
use std::path::Path;

type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "results merges OUT... | results table FILE... | results pictures FOLDER FILE...";
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
        records.extend(record::read(&std::fs::read(file)?)?.records);
    }
    Ok(records)
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
    let merges: Vec<&Record> = records.iter().filter(|record| record.ensemble_error.is_some()).collect();
    if !merges.is_empty() {
        draw(&scatter(&merges), &folder.join("ensemble-error.svg"))?;
    }
    Ok(())
}

/// How far a merge was from the mean of its inputs' functions before training, and what it reached after, against the
/// mean of all merges of the same setting and seed: episodes differ more than merges do.
fn scatter(merges: &[&Record]) -> Curves {
    let episode = |record: &Record| (record.plm.clone(), record.target.clone(), record.k, record.seed);
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
