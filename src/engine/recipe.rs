//! `recipe.json`: everything that went into an adapter, so that anyone can make it again.

use super::texts::{self, MAX_TEXTS};
use super::{BURN, Engine, EngineError, LoadedAdapter, MergedInput, Origin, VERSION, WholeReport, WholeRun};
use crate::format::SourceFile;
use crate::merge::{self, Settings};
use crate::protocol::{DataId, EpisodeSpec, MergeSpec, RunId, RunStart, Texts};
use crate::text::DEFAULT_MAX_LENGTH;
use serde_json::{Value, json};

/// How `adapter` came about.
pub(super) fn of_adapter(engine: &Engine, adapter: &LoadedAdapter) -> Value {
    let plm = match &adapter.origin {
        // Another may be loaded by now.
        Origin::Merged { plm, .. } => plm.clone(),
        Origin::File => of_plm(engine),
    };
    json!({ "engine": VERSION, "burn": BURN, "plm": plm, "adapter": origin(engine, adapter) })
}

/// How the run `id` came about.
pub(super) fn of_run(engine: &Engine, id: RunId) -> Result<Value, EngineError> {
    let (asked, ..) = engine.runs.best(id)?;
    let report = engine.runs.report(id)?;
    Ok(json!({
        "engine": VERSION,
        "burn": BURN,
        "plm": of_plm(engine),
        "device": engine.kind.label(),
        "start": engine.runs.started(id)?.recipe,
        "episode": episode(engine, &asked.episode),
        "training": asked.settings,
        "result": report.map(|report| json!({
            "status": report.status,
            "best_epoch": report.best_epoch,
            "dev": report.dev,
            "test": report.test,
            "trainable_parameters": report.trainable_parameters,
        })),
    }))
}

/// How a run on whole data sets came about.
pub(super) fn of_whole(engine: &Engine, asked: &WholeRun, report: &WholeReport) -> Result<Value, EngineError> {
    Ok(json!({
        "engine": VERSION,
        "burn": BURN,
        "plm": of_plm(engine),
        "device": engine.kind.label(),
        "start": of_start(engine, &asked.start)?,
        "data": data(engine, asked.data),
        "rows": report.rows,
        "dev": asked.dev.map(|id| data(engine, id)),
        "max_length": asked.max_length,
        "training": asked.settings,
        "result": {
            "diverged_at_step": report.diverged.map(|diverged| diverged.step),
            "best_epoch": report.best_epoch,
            "dev": report.dev,
            "trainable_parameters": report.trainable_parameters,
        },
    }))
}

/// As a file.
pub(super) fn print(recipe: &Value) -> Vec<u8> {
    format!("{recipe:#}\n").into_bytes()
}

/// The model that is loaded, by its weights and by each of its files; null where there is none.
pub(super) fn of_plm(engine: &Engine) -> Value {
    engine.plm.as_ref().map_or(
        Value::Null,
        |plm| json!({ "name": plm.card.name, "sha256": plm.card.sha256, "files": files(&plm.files) }),
    )
}

/// What determines `adapter` as an input of a merge, wherever it lay: the files that it was read from, head and
/// configurations among them; of one that was made here, which has no file, how it was made and beside which model.
pub(super) fn of_input(engine: &Engine, adapter: &LoadedAdapter) -> Value {
    let sha256 = adapter.sha256();
    match &adapter.origin {
        Origin::File => json!({ "name": adapter.file.name, "sha256": sha256, "files": files(&adapter.file.files) }),
        Origin::Merged { plm, .. } => {
            let mut recipe = origin(engine, adapter);
            recipe["sha256"] = json!(sha256);
            recipe["plm"] = plm.clone();
            recipe
        }
    }
}

fn origin(engine: &Engine, adapter: &LoadedAdapter) -> Value {
    let name = &adapter.file.name;
    match &adapter.origin {
        Origin::File => json!({
            "name": name,
            "file": short(&adapter.file.path),
            "sha256": adapter.sha256(),
            "files": files(&adapter.file.files),
        }),
        Origin::Merged { spec, inputs, head, .. } => merged(engine, name, spec, inputs, head.as_deref()),
    }
}

/// Files of one folder with their hashes; the folder is said elsewhere, or is of no interest.
fn files(files: &[SourceFile]) -> Value {
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    files.iter().map(|file| json!({ "path": name(&file.path), "sha256": file.sha256 })).collect()
}

fn merged(engine: &Engine, name: &str, spec: &MergeSpec, inputs: &[MergedInput], head: Option<&str>) -> Value {
    let reference = spec.reference.and_then(|id| spec.adapters.iter().position(|&other| other == id)).unwrap_or(0);
    let inputs: Vec<&Value> = inputs.iter().map(|input| &input.recipe).collect();
    json!({
        "name": name,
        "method": spec.method,
        "settings": settings(spec),
        "inputs": inputs,
        "weights": spec.weights,
        "reference": reference,
        "scale": spec.scale,
        "head": head,
        "texts": match &spec.texts {
            Texts::None => Value::Null,
            Texts::Lines(lines) => json!({ "lines": texts::evenly(lines.iter().collect(), MAX_TEXTS) }),
            // Texts that are looked at are cut there, whatever runs on the same episode are cut at.
            Texts::Episode(spec) => {
                json!({ "episode": episode(engine, &EpisodeSpec { max_length: DEFAULT_MAX_LENGTH, ..spec.clone() }) })
            }
        },
    })
}

/// Every setting of the merge's method, those at their defaults or of a preset too.
fn settings(spec: &MergeSpec) -> Value {
    let given = spec.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let settings = merge::method(&spec.method).ok().and_then(|method| Settings::parse(method.card(), given).ok());
    let named = |(name, value): (&str, merge::Value)| (name.to_owned(), json!(value));
    // What merged is known and took them.
    settings.map_or_else(|| json!(spec.settings), |settings| Value::Object(settings.iter().map(named).collect()))
}

/// What a run starts from.
pub(super) fn of_start(engine: &Engine, start: &RunStart) -> Result<Value, EngineError> {
    Ok(match *start {
        RunStart::Adapter(id) => origin(engine, engine.adapters.get(id)?),
        RunStart::Scratch { bottleneck } => json!({ "made": format!("a new adapter of bottleneck {bottleneck}") }),
        RunStart::HeadOnly => json!({ "made": "no adapter" }),
    })
}

/// The last two parts of a path: the rest is one machine's, and none of the reader's business.
fn short(path: &str) -> &str {
    path.rmatch_indices('/').nth(1).map_or(path, |(at, _)| &path[at + 1..])
}

fn data(engine: &Engine, id: DataId) -> Value {
    json!({
        "name": engine.data.get(id).map(|data| short(&data.name)).unwrap_or_default(),
        "sha256": engine.data.sha256(id),
    })
}

fn episode(engine: &Engine, spec: &EpisodeSpec) -> Value {
    json!({
        "data": data(engine, spec.data),
        "test": spec.test.map(|id| data(engine, id)),
        "test_rows": spec.test_rows,
        "k": spec.k,
        "seed": spec.seed,
        "max_length": spec.max_length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::OutputScale;

    #[test]
    fn a_recipe_has_what_a_preset_sets_beside_what_nobody_changed() {
        let spec = MergeSpec {
            method: "mera_wts".into(),
            settings: [("preset".to_owned(), "git_re_basin".to_owned())].into(),
            adapters: vec![],
            weights: vec![],
            reference: None,
            scale: OutputScale::None,
            texts: Texts::None,
        };
        let found = settings(&spec);
        let words = ["preset", "cost", "features", "solver"].map(|name| found[name].as_str().unwrap());
        assert_eq!(words, ["git_re_basin", "inner_product", "both", "exact"]);
    }
}
