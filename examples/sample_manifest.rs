//! Writes `www/samples/index.json` and `www/samples/alignment.json`: what the page shows before its engine is there.
//!
//! ```sh
//! cargo xtask model && cargo run --example sample_manifest
//! ```
//! Run it again whenever the sample adapters or the sample task change.
#![allow(clippy::print_stdout)]

use mera_lab::engine::{ADAPTER_FILES, Engine, EngineError, NoGpu, Quiet};
use mera_lab::protocol::*;
use serde_json::{Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};

/// A model that is served. It lies in `models/FOLDER`, the adapters for it in `samples/adapters/FOLDER`.
struct Served {
    name: &'static str,
    folder: &'static str,
}

const FIRST: Served = Served { name: "all-MiniLM-L6-v2", folder: "all-minilm-l6-v2" };
const SECOND: Served = Served { name: "paraphrase-MiniLM-L3-v2", folder: "paraphrase-minilm-l3-v2" };
const TASK: &str = "samples/task/everyday-nli.tsv";

fn main() -> Result<(), Box<dyn Error>> {
    let www = Path::new(env!("CARGO_MANIFEST_DIR")).join("www");
    let mut engine = Engine::new(NoGpu);
    let (plm, adapters, cards) = open(&mut engine, &www, &FIRST)?;
    let (other, other_adapters, _) = open(&mut Engine::new(NoGpu), &www, &SECOND)?;
    let task = ("everyday-nli.tsv".to_owned(), TASK.to_owned());
    let data = ask(&mut engine, Open { files: sources(&www, std::slice::from_ref(&task))? })?.data;
    data.first().ok_or("the task can't be read")?;

    // As the page's own settings have it, so that the picture does not jump when the engine takes over.
    let (reference, others) = cards.split_first().ok_or("there are no sample adapters")?;
    let align = Align {
        reference: reference.id,
        others: others.iter().map(|card| card.id).collect(),
        by: AlignBy::Weights,
        solver: Solver::Exact,
        texts: Texts::None,
    };
    let alignment = ask(&mut engine, align)?;
    let manifest = json!({
        "plm": plm,
        "adapters": adapters,
        "task": { "path": task.0, "url": task.1, "track": "NLI" },
        "alignment": "alignment.json",
        "others": [{ "plm": other, "adapters": other_adapters }],
    });
    write(&www.join("samples/index.json"), &format!("{manifest:#}\n"))?;
    write(&www.join("samples/alignment.json"), &format!("{}\n", serde_json::to_string(&rounded(&alignment))?))
}

/// The model and its adapters as the manifest has them, and the adapters' cards.
type Listed = (Value, Vec<Value>, Vec<AdapterCard>);

fn open(engine: &mut Engine, www: &Path, served: &Served) -> Result<Listed, Box<dyn Error>> {
    let files = PLM_FILES.map(|file| (file.to_owned(), format!("models/{}/{file}", served.folder)));
    let open = OpenPlm { name: served.name.into(), files: sources(www, &files)? };
    let plm = ask(engine, open)?;
    let plm = json!({ "name": served.name, "files": listed(&files), "card": plm });

    let place = format!("samples/adapters/{}", served.folder);
    let mut adapters = Vec::new();
    let mut cards = Vec::new();
    for folder in folders(&www.join(&place))? {
        let files = adapter_files(www, &place, &folder)?;
        let opened = ask(engine, Open { files: sources(www, &files)? })?;
        if let Some(problem) = opened.problems.first() {
            return Err(format!("{}: {}", problem.path, problem.message).into());
        }
        for card in opened.adapters {
            adapters.push(json!({ "name": card.name, "track": card.track, "files": listed(&files), "card": card }));
            cards.push(card);
        }
    }
    Ok((plm, adapters, cards))
}

fn ask<A: Ask>(engine: &mut Engine, ask: A) -> Result<A::Answer, EngineError> {
    let outcome = pollster::block_on(engine.handle(ask.into(), &mut Quiet))?;
    A::answer(outcome).ok_or(EngineError::NoPlm)
}

/// Costs and masses with as many digits as a picture shows: a quarter of the bytes.
fn rounded(report: &AlignmentReport) -> AlignmentReport {
    let mut report = report.clone();
    let matrices = report.pairs.iter_mut().flat_map(|pair| &mut pair.locations);
    for values in matrices.flat_map(|location| [&mut location.cost.values, &mut location.plan.values]) {
        for value in values {
            *value = format!("{value:.4e}").parse().unwrap_or(*value);
        }
    }
    report
}

/// The folders of sample adapters, in the order in which the page shows them.
fn folders(path: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Path to be known by, and path below `www`.
fn adapter_files(www: &Path, adapters: &str, folder: &str) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let url = |file: &str| format!("{adapters}/{folder}/{file}");
    let mut files = Vec::new();
    for file in ADAPTER_FILES {
        // One file of weights is enough to load.
        let twice = file.ends_with(".bin") && files.iter().any(|(path, _): &(String, String)| is_twin(path, file));
        if !twice && www.join(url(file)).exists() {
            files.push((format!("{folder}/{file}"), url(file)));
        }
    }
    Ok(files)
}

fn is_twin(path: &str, pickle: &str) -> bool {
    let twin = if pickle.contains("head") { "model_head.safetensors" } else { "adapter.safetensors" };
    path.ends_with(twin)
}

fn sources(www: &Path, files: &[(String, String)]) -> Result<Vec<FileSource>, Box<dyn Error>> {
    let read = |(path, url): &(String, String)| -> Result<FileSource, Box<dyn Error>> {
        let file: PathBuf = www.join(url);
        let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(FileSource::Bytes(FileBytes { path: path.clone(), bytes }))
    };
    files.iter().map(read).collect()
}

fn listed(files: &[(String, String)]) -> Vec<Value> {
    files.iter().map(|(path, url)| json!({ "path": path, "url": url })).collect()
}

fn write(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    std::fs::write(path, text)?;
    println!("{}: {} bytes", path.display(), text.len());
    Ok(())
}
