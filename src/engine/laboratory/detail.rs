//! What a run did on the way: its answers, and how an AdapterFusion spreads its attention.

use crate::engine::data::PreparedEpisode;
use crate::engine::{Engine, EngineError};
use crate::protocol::{AttentionExample, FusionAttention, Matrix, RunDetail, Token};
use crate::tensors::TensorSet;
use crate::tensors::head::MAX_LABELS;
use crate::text::{Batch, Fill, Shape};
use crate::train::metrics::argmax;
use crate::train::{Answer, Architecture, Body, LabelledInput, RunSettings, TrainError, Trainer};

/// Test rows over which attention is averaged.
const ROWS: usize = 16;

/// Of those, how many are shown token by token.
const EXAMPLES: usize = 4;

// A class goes to the page as a `u16`, and so does their number, which stands for none.
const _: () = assert!(MAX_LABELS <= u16::MAX as usize);

impl PreparedEpisode {
    /// Labels and truth, with nothing done yet.
    pub(super) fn detail(&self) -> RunDetail {
        let data = &self.run_data;
        let label = |&row: &usize| data.encoded.get(row).and_then(|row| row.label).unwrap_or(data.classes as u32);
        RunDetail {
            labels: self.labels.clone(),
            truth: self.test.iter().map(|row| label(row) as u16).collect(),
            ..RunDetail::default()
        }
    }

    /// The classes answered, in the order of the test rows; `answers` come in any.
    pub(super) fn answers(&self, answers: &[Answer]) -> Vec<u16> {
        let mut by_row = vec![0; self.run_data.encoded.len()];
        for answer in answers {
            if let Some(class) = by_row.get_mut(answer.row) {
                *class = argmax(&answer.logits) as u16;
            }
        }
        self.test.iter().filter_map(|&row| by_row.get(row).copied()).collect()
    }
}

impl Engine {
    /// Attention over the fused adapters in the first test rows, with `params` of a run of `architecture`; none for what
    /// is no fusion.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn attention(
        &self,
        (architecture, params): (&Architecture, &TensorSet),
        settings: &RunSettings,
        episode: &PreparedEpisode,
    ) -> Result<Option<FusionAttention>, EngineError> {
        let Body::Fusion(fused) = &architecture.body else { return Ok(None) };
        let names: Vec<String> = fused.iter().map(|adapter| adapter.name.clone()).collect();
        let trainer = Trainer::stack(&[(architecture, params)], settings, &self.device)?;
        let (plm, data) = (self.plm()?, &episode.run_data);
        let tokenizer = plm.tokenizer(data.max_length)?;
        let rows: Vec<usize> = episode.test.iter().copied().take(ROWS).collect();
        let shape = Shape { rows: rows.len(), max_len: data.max_length, fill: Fill::Short };
        let batch = Batch::assemble(&data.encoded, &rows, shape, data.pad_id).map_err(TrainError::from)?;
        let len = batch.len;
        let input = LabelledInput::stack(&[batch], data.pad_id).input;
        let by_location = trainer.fusion_attention(&plm.encoder, &input).await?;

        let adapters = names.len().max(1);
        // Attention of every real token of a row: `tokens · adapters` values.
        let of_row = |values: &[f32], place: usize| -> Vec<f32> {
            let tokens = rows.get(place).and_then(|&row| data.encoded.get(row)).map_or(0, |row| row.encoding.len());
            values.iter().skip(place * len * adapters).take(tokens.min(len) * adapters).copied().collect()
        };
        let mut mean = Matrix { rows: by_location.len(), columns: adapters, values: Vec::new() };
        for (_, values) in &by_location {
            let tokens: Vec<f32> = (0..rows.len()).flat_map(|place| of_row(values, place)).collect();
            let count = (tokens.len() / adapters).max(1) as f32;
            let of = |adapter: usize| tokens.iter().skip(adapter).step_by(adapters).sum::<f32>() / count;
            mean.values.extend((0..adapters).map(of));
        }
        let mut examples = Vec::new();
        for (place, &row) in rows.iter().enumerate().take(EXAMPLES) {
            let (Some(text), Some(encoded)) = (episode.rows.get(row), data.encoded.get(row)) else { continue };
            let tokens = tokenizer.tokens(&text.text1, text.text2.as_deref())?;
            let token =
                |(token, &segment): (crate::text::Token, &u32)| Token { id: token.id, text: token.text, segment };
            let matrix = |(_, values): &(_, Vec<f32>)| {
                let values = of_row(values, place);
                Matrix { rows: values.len() / adapters, columns: adapters, values }
            };
            examples.push(AttentionExample {
                tokens: tokens.into_iter().zip(&encoded.encoding.type_ids).map(token).collect(),
                locations: by_location.iter().map(matrix).collect(),
            });
        }
        let locations = by_location.iter().map(|(location, _)| location.to_string()).collect();
        Ok(Some(FusionAttention { adapters: names, locations, mean, examples }))
    }
}
