//! Which adapters are worth merging for an episode, before any training: features of its examples from one forward pass
//! an adapter, scored by [`score::leave_one_out`].

use super::data::PreparedEpisode;
use super::{Engine, EngineError, Observer};
use crate::experiment::score;
use crate::model::params::read;
use crate::model::{AdapterForm, BottleneckAdapters, NoAdapters, RunParams};
use crate::protocol::{AdapterId, AdapterScores, Phase, ScoreAdapters};
use crate::tensors::TensorSet;
use crate::text::{Batch, Fill, Order, Shape, batch};
use crate::train::{LabelledInput, TrainError};
use nalgebra::DMatrix;

/// Rows a batch.
const ROWS: usize = 16;

impl Engine {
    pub(super) async fn score_adapters(
        &self,
        ask: &ScoreAdapters,
        observer: &mut dyn Observer,
    ) -> Result<AdapterScores, EngineError> {
        let episode = self.prepare_episode(&ask.episode, observer).await?;
        let mut scores = self.scores_on(&episode, &ask.adapters, observer).await?;
        Ok(AdapterScores { none: scores.remove(0), scores })
    }

    /// The leave-one-out accuracy, 0 to 1, of the PLM alone and then with each of `adapters`, on support and dev of the
    /// episode; test is not looked at.
    ///
    /// # Errors
    /// When an adapter is not of this PLM, it is cancelled or the device fails.
    pub(super) async fn scores_on(
        &self,
        episode: &PreparedEpisode,
        adapters: &[AdapterId],
        observer: &mut dyn Observer,
    ) -> Result<Vec<f64>, EngineError> {
        let data = &episode.run_data;
        let (rows, labels) = episode.seen();
        let mut scores = Vec::new();
        for (done, adapter) in std::iter::once(None).chain(adapters.iter().copied().map(Some)).enumerate() {
            observer.at(Phase::Features, done, adapters.len() + 1).await?;
            let adapter = match adapter {
                Some(id) => Some((self.adapter_params(id)?, self.adapters.get(id)?.form()?)),
                None => None,
            };
            let features = self.first_tokens(episode, &rows, adapter).await?;
            scores.push(score::leave_one_out(&features, &labels, data.classes)?.accuracy);
        }
        Ok(scores)
    }

    /// The first token of each row after the last layer, `[rows, hidden]`, with an adapter or without.
    pub(super) async fn first_tokens(
        &self,
        episode: &PreparedEpisode,
        rows: &[usize],
        adapter: Option<(&TensorSet, AdapterForm)>,
    ) -> Result<DMatrix<f64>, EngineError> {
        let plm = self.plm()?;
        let data = &episode.run_data;
        let shape = Shape { rows: ROWS, max_len: data.max_length, fill: Fill::Full };
        let loaded = match adapter {
            Some((params, form)) => Some((RunParams::stack(&[params], &self.device.clone().inner())?, form)),
            None => None,
        };
        let mut features = DMatrix::zeros(rows.len(), plm.card.hidden);
        for sources in batch::plan(&data.encoded, rows, shape, Order::ByLength).map_err(TrainError::from)? {
            let assembled = Batch::assemble(&data.encoded, &sources, shape, data.pad_id).map_err(TrainError::from)?;
            let input = LabelledInput::stack(&[assembled], data.pad_id).input;
            let hidden = match &loaded {
                Some((params, form)) => {
                    let AdapterForm { non_linearity, scaling } = *form;
                    plm.encoder.first_tokens(&input, &BottleneckAdapters { params, non_linearity, scaling }).await?
                }
                None => plm.encoder.first_tokens(&input, &NoAdapters).await?,
            };
            let values = read(hidden).await?;
            for (source, row) in sources.iter().zip(values.chunks_exact(plm.card.hidden)) {
                if let Some(place) = rows.iter().position(|row| row == source) {
                    features.row_mut(place).iter_mut().zip(row).for_each(|(to, from)| *to = f64::from(*from));
                }
            }
        }
        Ok(features)
    }
}
