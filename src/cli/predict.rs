//! `mera predict`: an adapter's answers on a data file.

use super::device::Device;
use super::error::CliError;
use super::files;
use super::session::{Session, with_places};
use super::{say, say_json};
use crate::engine::{DEFAULT_MAX_LENGTH, EngineError, one_line};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Answer the rows of a data file with an adapter and its head
#[derive(Debug, Args)]
pub(super) struct Predict {
    /// Folder of the PLM: config.json, tokenizer.json, model.safetensors
    #[arg(long, value_name = "DIR")]
    plm: PathBuf,
    /// Folder or archive of an adapter that has a prediction head
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// TSV, CSV or JSONL with columns text1 and, for pairs, text2; label where there is one
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Tokens at which texts are cut; a model with a shorter position table cuts sooner
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_LENGTH)]
    max_length: usize,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Predict {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let mut session = Session::new(self.device)?;
        session.open_plm(&self.plm)?;
        let adapter = session.open_adapter(&self.adapter)?;
        let data = session.open_data(&self.data)?;
        let answers =
            pollster::block_on(session.engine.answer(adapter.id, data.id, self.max_length, &mut session.watch));
        session.watch.finish();
        let answers = answers.map_err(|error| match error {
            EngineError::NoHead(_) => CliError::NoHead(self.adapter.clone()),
            EngineError::Form { error, .. } => {
                CliError::File { path: files::shown(&self.adapter), message: error.to_string() }
            }
            other => with_places(other.into(), [(&adapter, &self.adapter)]),
        })?;
        if self.json {
            let rows: Vec<Value> =
                answers.rows.iter().map(|row| json!({ "label": row.label, "logits": row.logits })).collect();
            let mut document = json!({ "labels": answers.labels, "rows": rows });
            if let Some(accuracy) = answers.accuracy {
                document["accuracy"] = json!(accuracy);
            }
            return say_json(&document);
        }
        for row in &answers.rows {
            let logits: Vec<String> = row.logits.iter().map(|logit| format!("{logit:.4}")).collect();
            say(&format!("{}\t{}", one_line(&row.label), logits.join("\t")))?;
        }
        if let Some(accuracy) = answers.accuracy {
            super::warn(&format!("accuracy {accuracy:.4}"));
        }
        Ok(())
    }
}
