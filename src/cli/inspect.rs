//! `mera inspect`: what is in a file, folder or archive.

use super::device::Device;
use super::error::CliError;
use super::files;
use super::session::{Session, as_given};
use super::{say, say_json};
use crate::engine::{EngineError, adapter_form, head_activation, is_data_file, one_line};
use crate::format::{self, AdapterFile, Found, PlmFile};
use crate::protocol::{DataCard, FileBytes, FileSource, OpenPlm, PlmCard};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Say what is in files, folders or archives: adapters, PLMs, data sets, and what is wrong with them
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Files, folders or zip archives
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Inspect {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let mut session = Session::new(Device::Cpu)?;
        let mut things = Vec::new();
        for path in &self.paths {
            things.extend(look(&mut session, path)?);
        }
        if self.json {
            return say_json(&Value::Array(things));
        }
        things.iter().try_for_each(print)
    }
}

/// Every thing found at `path`, and every file that is none.
fn look(session: &mut Session, path: &Path) -> Result<Vec<Value>, CliError> {
    let given: Vec<_> = files::read_tree(path)?.into_iter().map(|file| (file.path, file.bytes)).collect();
    let Found { adapters, plms, data, problems, .. } = format::detect(given, is_data_file);
    let mut things: Vec<Value> = adapters.iter().map(|adapter| of_adapter(path, adapter)).collect();
    for plm in plms {
        things.push(of_plm(session, path, plm)?);
    }
    things.extend(data.iter().map(|file| of_data(session, &as_given(path, &file.path), &file.bytes)));
    things.extend(problems.iter().map(
        |problem| json!({ "kind": "unusable", "path": as_given(path, &problem.path), "problems": [one_line(&problem.error)] }),
    ));
    if things.is_empty() {
        things.push(of_another_ending(session, path));
    }
    Ok(things)
}

fn of_adapter(given: &Path, adapter: &AdapterFile) -> Value {
    let tensors: Vec<Value> = adapter
        .params
        .iter()
        .map(|(name, tensor)| json!({ "name": name, "shape": tensor.shape(), "dtype": format!("{:?}", tensor.dtype()).to_lowercase() }))
        .collect();
    let of_files = adapter.problems.iter().map(|problem| one_line(as_given(given, &problem.to_string())));
    let not_run = [adapter_form(adapter).err(), head_activation(adapter).err()].into_iter().flatten();
    let problems: Vec<String> = of_files.chain(not_run.map(one_line)).collect();
    let bottlenecks: Vec<usize> = adapter.config.bottlenecks.values().copied().collect();
    let form = &adapter.config.form;
    let files: Vec<Value> = adapter
        .files
        .iter()
        .map(|file| json!({ "path": as_given(given, &file.path), "sha256": file.sha256 }))
        .collect();
    json!({
        "kind": "adapter",
        "path": folder(given, &adapter.path),
        "name": adapter.name,
        "architecture": form.architecture.name(),
        "plm": {
            "family": adapter.plm.model_type,
            "name": adapter.plm.model_name,
            "hidden": adapter.plm.hidden_size,
        },
        "layers": adapter.layers(),
        "bottleneck": bottlenecks,
        "locations": adapter.config.bottlenecks.keys().map(ToString::to_string).collect::<Vec<_>>(),
        "non_linearity": form.non_linearity,
        "scaling": form.scaling,
        "parameters": adapter.params.parameters(),
        "tensors": tensors,
        "head": adapter.head.as_ref().map(|head| json!({
            "labels": head.config.labels,
            "layers": head.config.layers,
            "activation": head.config.activation,
            "parameters": head.params.parameters(),
        })),
        "written_by": adapter.version,
        "files": files,
        "problems": problems,
    })
}

/// Loaded, for a PLM that can't be is none.
fn of_plm(session: &mut Session, given: &Path, plm: PlmFile) -> Result<Value, CliError> {
    let path = folder(given, &plm.path);
    let file = |name: &str, bytes| FileSource::Bytes(FileBytes { path: name.to_owned(), bytes });
    let files = vec![
        file("config.json", plm.config),
        file("tokenizer.json", plm.tokenizer),
        file(plm.weights_name, plm.weights),
    ];
    match session.ask(OpenPlm { name: path.clone(), files }) {
        Ok(PlmCard {
            family,
            layers,
            hidden,
            heads,
            intermediate,
            vocabulary,
            max_length,
            parameters,
            sha256,
            unused,
            ..
        }) => Ok(json!({
            "kind": "plm", "path": path, "family": family, "layers": layers, "hidden": hidden, "heads": heads,
            "intermediate": intermediate, "vocabulary": vocabulary, "max_length": max_length,
            "parameters": parameters, "sha256": sha256, "unused": unused, "problems": [],
        })),
        Err(CliError::Engine(error)) => {
            Ok(json!({ "kind": "plm", "path": path, "problems": [without_path(&error, &path)] }))
        }
        Err(other) => Err(other),
    }
}

fn of_data(session: &mut Session, path: &str, bytes: &[u8]) -> Value {
    match session.engine.add_data(path, bytes) {
        Ok(DataCard { rows, labels, pairs, .. }) => {
            let labels: serde_json::Map<String, Value> =
                labels.into_iter().map(|(label, count)| (label, json!(count))).collect();
            json!({ "kind": "data", "path": path, "rows": rows, "pairs": pairs, "labels": labels, "problems": [] })
        }
        Err(error) => json!({ "kind": "data", "path": path, "problems": [without_path(&error, path)] }),
    }
}

/// What is wrong with the thing at `path`, which is told beside it.
fn without_path(error: &EngineError, path: &str) -> String {
    one_line(error.to_string().trim_start_matches(&format!("{path}: ")))
}

/// What a folder or file is in which nothing was found. A file that was named may be data under any ending, as it may
/// for the commands that read data.
fn of_another_ending(session: &mut Session, path: &Path) -> Value {
    let shown = files::shown(path);
    let mut problems = vec!["there is no adapter, no language model and no data set in it".to_owned()];
    if let Ok(file) = files::read_file(path) {
        let data = of_data(session, &shown, &file.bytes);
        match data["problems"][0].as_str() {
            None => return data,
            Some(problem) => problems.push(format!("read as a data set: {problem}")),
        }
    }
    json!({ "kind": "unusable", "path": shown, "problems": problems })
}

/// Where a thing was found; at the root of what was given, the path is the one that was given.
fn folder(given: &Path, found: &str) -> String {
    if found.is_empty() { files::shown(given) } else { as_given(given, found) }
}

/// The one value of all, or each.
fn one_or_each(mut values: Vec<String>) -> Vec<String> {
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        values.truncate(1);
    }
    values
}

/// A few lines for a person.
fn print(thing: &Value) -> Result<(), CliError> {
    let text = |value: &Value| match value {
        Value::String(text) => one_line(text),
        other => other.to_string(),
    };
    let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let kind = text(&thing["kind"]);
    let of = |key: &str| text(&thing[key]);
    say(&format!("{}: {kind}", of("path")))?;
    match kind.as_str() {
        "adapter" => {
            say(&format!(
                "    {} {} for {} ({}, {} wide), {} layers, bottleneck {}, {}, {} parameters",
                of("architecture"),
                of("name"),
                text(&thing["plm"]["name"]),
                text(&thing["plm"]["family"]),
                text(&thing["plm"]["hidden"]),
                of("layers"),
                one_or_each(list(&thing["bottleneck"])).join(", "),
                of("non_linearity"),
                of("parameters"),
            ))?;
            match &thing["head"] {
                Value::Null => say("    no prediction head")?,
                head => say(&format!("    head: {}", list(&head["labels"]).join(", ")))?,
            }
        }
        "plm" if thing.get("family").is_some() => say(&format!(
            "    {}, {} layers, {} wide, {} heads, {} tokens, {} parameters",
            of("family"),
            of("layers"),
            of("hidden"),
            of("heads"),
            of("vocabulary"),
            of("parameters"),
        ))?,
        "data" if thing.get("rows").is_some() => {
            let labels = thing["labels"].as_object().into_iter().flatten();
            let labels: Vec<String> = labels.map(|(label, count)| format!("{} {count}", one_line(label))).collect();
            let texts = if thing["pairs"] == true { "pairs of texts" } else { "texts" };
            say(&format!("    {} {texts}; {}", of("rows"), labels.join(", ")))?;
        }
        _ => {}
    }
    list(&thing["problems"]).iter().try_for_each(|problem| say(&format!("    problem: {problem}")))
}

#[cfg(test)]
mod tests {
    use super::one_or_each;

    #[test]
    fn widths_that_differ_are_shown_for_every_place() {
        let shown = |widths: &[&str]| one_or_each(widths.iter().map(ToString::to_string).collect()).join(", ");
        assert_eq!(shown(&["8", "12", "12", "24", "8", "24"]), "8, 12, 12, 24, 8, 24");
        assert_eq!([shown(&["8", "8", "8"]), shown(&["8"]), shown(&[])], ["8", "8", ""]);
    }
}
