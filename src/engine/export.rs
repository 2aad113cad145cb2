//! Files to take away.

use super::training::{Started, without_head};
use super::{Engine, EngineError, recipe};
use crate::format::{self, AdapterFile, HeadConfig, NamedBytes, Weights, archive};
use crate::protocol::{AdapterId, Export, FileBytes};
use crate::tensors::TensorSet;
use crate::text::Dataset;
use serde::Serialize;

impl Engine {
    pub(super) fn export(&self, export: &Export) -> Result<FileBytes, EngineError> {
        match export {
            Export::Adapter(id) => {
                let adapter = self.adapters.get(*id)?;
                zipped(&adapter.file, &self.recipe(*id)?)
            }
            Export::Data(id) => jsonl(self.data.get(*id)?),
            Export::Run(id) => {
                let (file, recipe) = (self.trained(*id)?, recipe::of_run(self, *id)?);
                zipped(&file, &recipe)
            }
        }
    }

    /// How the adapter `id` came about.
    ///
    /// # Errors
    /// When there is none.
    pub fn recipe(&self, id: AdapterId) -> Result<serde_json::Value, EngineError> {
        Ok(recipe::of_adapter(self, self.adapters.get(id)?))
    }

    /// What the run `id` has trained, as a file in AdapterHub's layout.
    ///
    /// # Errors
    /// When there is no such run, it has no epoch behind it, or it trained no adapter.
    pub fn trained(&self, id: crate::protocol::RunId) -> Result<AdapterFile, EngineError> {
        let (asked, params, labels) = self.runs.best(id)?;
        self.trained_file(&asked.name, self.runs.started(id)?, params, labels)
    }

    /// Adapter and head out of `params`, as a file of the kind that the run started from.
    pub(super) fn trained_file(
        &self,
        name: &str,
        started: &Started,
        params: &TensorSet,
        labels: &[String],
    ) -> Result<AdapterFile, EngineError> {
        let plm = self.plm()?;
        let adapter = without_head(params);
        if adapter.is_empty() {
            return Err(EngineError::HeadAlone(name.to_owned()));
        }
        let head: TensorSet = params
            .iter()
            .filter(|(name, _)| name.starts_with("head."))
            .map(|(name, tensor)| (name.to_owned(), tensor.clone()))
            .collect();
        let head = format::Head::new(HeadConfig::new(labels.to_vec()), plm.card.hidden, head)?;
        let (signature, form) = (started.signature.clone(), started.form.clone());
        Ok(AdapterFile::new(super::adapters::cleaned(name), signature, form, adapter, Some(head))?)
    }
}

/// The files of an adapter's folder in AdapterHub's layout, with its recipe; `weights` says which of them hold weights.
///
/// # Errors
/// When the adapter can't be written.
pub fn folder(
    adapter: &AdapterFile,
    recipe: &serde_json::Value,
    weights: Weights,
) -> Result<Vec<NamedBytes>, EngineError> {
    let mut files = format::write_adapterhub(adapter, weights)?;
    files.push(("recipe.json".to_owned(), recipe::print(recipe)));
    Ok(files)
}

/// The rows of a data set, a JSON object a line.
fn jsonl(data: &Dataset) -> Result<FileBytes, EngineError> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<&'a str>,
        text1: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        text2: Option<&'a str>,
    }
    let mut bytes = Vec::new();
    for row in &data.rows {
        let line = Line { label: row.label.as_deref(), text1: &row.text1, text2: row.text2.as_deref() };
        let written = serde_json::to_writer(&mut bytes, &line);
        written.map_err(|error| format::FormatError::Write { reason: error.to_string() })?;
        bytes.push(b'\n');
    }
    Ok(FileBytes { path: format!("{}.jsonl", data.name), bytes })
}

fn zipped(adapter: &AdapterFile, recipe: &serde_json::Value) -> Result<FileBytes, EngineError> {
    let name = &adapter.name;
    let files = folder(adapter, recipe, Weights::Both)?;
    let files: Vec<_> = files.into_iter().map(|(path, bytes)| (format!("{name}/{path}"), bytes)).collect();
    Ok(FileBytes { path: format!("{name}.zip"), bytes: archive::pack(&files)? })
}
