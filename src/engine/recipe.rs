//! `recipe.json`: everything that went into an adapter, so that anyone can make it again.

use super::training::start_name;
use super::{Engine, EngineError, LoadedAdapter, Origin, VERSION};
use crate::protocol::{EpisodeSpec, MergeSpec, RunId, RunStart, Texts};
use serde_json::{Value, json};

/// How `adapter` came about.
pub(super) fn of_adapter(engine: &Engine, adapter: &LoadedAdapter) -> Value {
    json!({ "engine": VERSION, "plm": plm(engine), "adapter": origin(engine, adapter) })
}

/// How the run `id` came about.
pub(super) fn of_run(engine: &Engine, id: RunId) -> Result<Value, EngineError> {
    let (asked, ..) = engine.runs.best(id)?;
    let report = engine.runs.report(id)?;
    let start = match asked.start {
        RunStart::Adapter(id) => origin(engine, engine.adapters.get(id)?),
        _ => json!({ "made": start_name(&asked.start, &engine.adapters) }),
    };
    Ok(json!({
        "engine": VERSION,
        "plm": plm(engine),
        "device": engine.kind.label(),
        "start": start,
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

/// As a file.
pub(super) fn print(recipe: &Value) -> Vec<u8> {
    format!("{recipe:#}\n").into_bytes()
}

fn plm(engine: &Engine) -> Value {
    engine.plm.as_ref().map_or(Value::Null, |plm| json!({ "name": plm.card.name, "sha256": plm.card.sha256 }))
}

fn origin(engine: &Engine, adapter: &LoadedAdapter) -> Value {
    let name = &adapter.file.name;
    match &adapter.origin {
        Origin::File => json!({ "name": name, "file": adapter.file.path, "sha256": adapter.sha256() }),
        Origin::Merged { spec, inputs } => merged(engine, name, spec, inputs),
        Origin::Trained(settings) => json!({ "name": name, "training": settings }),
    }
}

fn merged(engine: &Engine, name: &str, spec: &MergeSpec, inputs: &[(String, String)]) -> Value {
    let reference = spec.reference.and_then(|id| spec.adapters.iter().position(|&other| other == id)).unwrap_or(0);
    let inputs: Vec<Value> = inputs.iter().map(|(name, sha256)| json!({ "name": name, "sha256": sha256 })).collect();
    json!({
        "name": name,
        "method": spec.method,
        "settings": spec.settings,
        "inputs": inputs,
        "weights": spec.weights,
        "reference": reference,
        "scale": spec.scale,
        "texts": match &spec.texts {
            Texts::None => Value::Null,
            Texts::Lines(lines) => json!({ "lines": lines }),
            Texts::Episode(spec) => json!({ "episode": episode(engine, spec) }),
        },
    })
}

fn episode(engine: &Engine, spec: &EpisodeSpec) -> Value {
    let data = |id| {
        json!({
            "name": engine.data.get(id).map(|data| data.name.clone()).unwrap_or_default(),
            "sha256": engine.data.sha256(id),
        })
    };
    json!({
        "data": data(spec.data),
        "test": spec.test.map(data),
        "k": spec.k,
        "seed": spec.seed,
        "max_length": spec.max_length,
    })
}
