//! Answers of an adapter with the head it was trained with, on the rows of a data set.

use super::whole::encode;
use super::{Engine, EngineError, Observer};
use crate::model::RunParams;
use crate::protocol::{AdapterId, DataId, Phase};
use crate::text::{Fill, Shape};
use crate::train::metrics::argmax;
use crate::train::{AdamWConfig, Evaluation, Trainer};

/// Rows a batch.
const ROWS: usize = 16;

/// What an adapter says of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// Of the head, in order.
    pub labels: Vec<String>,
    /// One a row, in the file's order.
    pub rows: Vec<RowAnswer>,
    /// Share of right answers among the rows with a label; `None` where there are none.
    pub accuracy: Option<f64>,
}

/// What an adapter says of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowAnswer {
    /// The label with the largest logit.
    pub label: String,
    /// One a label, in their order.
    pub logits: Vec<f32>,
}

impl Engine {
    /// Runs every row of `data` through the PLM with adapter `id` and its head, dropout off. Texts are cut at
    /// `max_length` tokens.
    ///
    /// # Errors
    /// When the adapter has no head or one that is not computed, when a row's label is none of the head's, when a row's
    /// logits are no finite numbers, when it is cancelled or the device fails.
    pub async fn answer(
        &self,
        id: AdapterId,
        data: DataId,
        max_length: usize,
        observer: &mut dyn Observer,
    ) -> Result<Answers, EngineError> {
        let (plm, adapter, data) = (self.plm()?, self.adapters.get(id)?, self.data.get(data)?);
        let head = adapter.file.head.as_ref().ok_or_else(|| EngineError::NoHead(adapter.file.name.clone()))?;
        let labels = head.config.labels.clone();
        let mut params = self.adapter_params(id)?.clone();
        for (name, tensor) in head.params.iter() {
            params.insert(name, tensor.clone());
        }
        let params = RunParams::stack(&[&params], &self.device)?;
        let trainer = Trainer::new(adapter.architecture()?, params, AdamWConfig::default(), |_| false, &self.device);

        let tokenizer = plm.tokenizer(max_length)?;
        let encoded = encode(&tokenizer, data, &labels, observer).await?;
        let numbers: Vec<usize> = (0..encoded.len()).collect();
        let shape = Shape { rows: ROWS, max_len: tokenizer.max_length(), fill: Fill::Full };
        let mut evaluation = Evaluation::new(&encoded, &numbers, shape, labels.len())?;
        // Each row is seen once.
        let encoder = plm.encoder.without_keeping();
        loop {
            let (done, batches) = evaluation.progress();
            observer.at(Phase::Evaluate, done, batches).await?;
            if !evaluation.step(&trainer, &encoder, &encoded, tokenizer.pad_id()).await? {
                break;
            }
        }
        // The first in the file's order; what is largest among NaN would be an answer by chance.
        let value = |logits: &[f32]| logits.iter().copied().find(|logit| !logit.is_finite());
        let failed = evaluation.answers().iter().filter_map(|answer| Some((answer.row, value(&answer.logits)?)));
        if let Some((row, value)) = failed.min_by_key(|(row, _)| *row) {
            let line = data.rows.get(row).map_or(0, |row| row.line);
            let (adapter, place) = (adapter.file.name.clone(), format!("on line {line} of {}", data.name));
            return Err(EngineError::NotFinite { adapter, value, place });
        }
        let labelled = evaluation.answers().iter().filter_map(|answer| Some(answer.truth? == argmax(&answer.logits)));
        let (right, of) = labelled.fold((0, 0), |(right, of), is_right| (right + usize::from(is_right), of + 1));
        let mut answers: Vec<_> = evaluation.answers().iter().collect();
        answers.sort_by_key(|answer| answer.row);
        let rows = answers.into_iter().map(|answer| RowAnswer {
            label: labels.get(argmax(&answer.logits)).cloned().unwrap_or_default(),
            logits: answer.logits.clone(),
        });
        Ok(Answers { rows: rows.collect(), accuracy: (of > 0).then(|| right as f64 / of as f64), labels })
    }
}
