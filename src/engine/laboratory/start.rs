//! What a run starts from: new weights, an adapter, a merge, adapters that stay as they are.

use super::Laboratory;
use crate::engine::data::PreparedEpisode;
use crate::engine::{Engine, EngineError, Observer};
use crate::experiment::{PlannedRun, TrainedPart, WeightsSetting, Work};
use crate::merge::MergeError;
use crate::model::{FrozenAdapter, fusion, gated, lora};
use crate::protocol::{AdapterId, MergeLocation, MergeSpec, RunStart, Texts};
use crate::tensors::TensorSet;
use crate::text::random::{Purpose, generator};
use crate::train::{Architecture, Body, GATE_RATE};
use std::collections::BTreeMap;

/// What a run starts from.
pub(super) struct Start {
    /// What is trained and what is not, head included, in the layout of files.
    pub(super) params: TensorSet,
    /// What they mean.
    pub(super) architecture: Architecture,
    /// Of a merge, how far it is from the mean of its inputs' functions.
    pub(super) ensemble_error: Option<f64>,
    /// Of weights by score and of a single adapter, the scores by name.
    pub(super) scores: Option<BTreeMap<String, f64>>,
}

impl From<(TensorSet, Architecture)> for Start {
    fn from((params, architecture): (TensorSet, Architecture)) -> Self {
        Self { params, architecture, ensemble_error: None, scores: None }
    }
}

impl Engine {
    /// # Errors
    /// When it is cancelled, the method does not take its adapters, or the device fails.
    pub(super) async fn start_run(
        &mut self,
        laboratory: &mut Laboratory,
        run: &PlannedRun,
        episode: &PreparedEpisode,
        observer: &mut dyn Observer,
    ) -> Result<Start, EngineError> {
        let (seed, labels) = (run.seed, episode.labels.len());
        let start: Start = match &run.work {
            // Nothing is trained, or another run's.
            Work::Majority | Work::BestSingle(_) | Work::BestSingleByScore(_) => {
                return Err(EngineError::NothingTrained(run.method.clone()));
            }
            Work::Head => self.start_of(&RunStart::HeadOnly, seed, labels)?.into(),
            Work::Scratch => {
                let bottleneck = self.new_bottleneck(laboratory)?;
                self.start_of(&RunStart::Scratch { bottleneck }, seed, labels)?.into()
            }
            Work::Lora => {
                let (layers, hidden) = (self.plm()?.card.layers, self.plm()?.card.hidden);
                let params = lora::initial(layers, hidden, lora::RANK, &mut generator(seed, Purpose::Weights, 1))?;
                self.start_with(params, Body::Lora { alpha: lora::ALPHA }, seed, labels)?.into()
            }
            Work::Full { embeddings } => {
                let encoder = &self.plm()?.encoder;
                let weights =
                    if *embeddings { encoder.params().await? } else { encoder.params_without_tables().await? };
                self.start_with(weights, Body::Full, seed, labels)?.into()
            }
            Work::Single(index) => self.start_of(&RunStart::Adapter(laboratory.adapter(*index)?), seed, labels)?.into(),
            Work::Gated(set) | Work::GatedReduced(set) => {
                let adapters = self.frozen(laboratory, set)?;
                let gates = gated::initial(&adapters)?;
                self.start_with(gates, Body::Gated { adapters, gate_rate: GATE_RATE }, seed, labels)?.into()
            }
            Work::Fusion(set) => {
                let adapters = self.frozen(laboratory, set)?;
                let fusion = fusion::initial(&adapters, &mut generator(seed, Purpose::Weights, 1))?;
                self.start_with(fusion, Body::Fusion(adapters), seed, labels)?.into()
            }
            Work::Merge { method, settings, scale, weights, adapters } => {
                let ids = laboratory.ids(adapters)?;
                let mut scores = None;
                let weights = match weights {
                    WeightsSetting::Equal => Vec::new(),
                    WeightsSetting::Score => {
                        let found = self.scores_of(laboratory, run, adapters, observer).await?;
                        scores = Some(laboratory.by_name(adapters, found.clone()));
                        weights_by_score(&found)
                    }
                };
                let reference = *ids.first().ok_or(MergeError::NoInputs)?;
                let merge = MergeSpec {
                    method: (*method).to_owned(),
                    settings: settings.clone().into_iter().collect(),
                    adapters: ids,
                    weights,
                    reference: Some(reference),
                    scale: scale.scale().into(),
                    texts: Texts::Episode(laboratory.episode_of(run)?),
                };
                let (merged, locations) = self.merged(&merge, reference, observer).await?;
                let (mut params, architecture) = self.start_of(&RunStart::Adapter(reference), seed, labels)?;
                merged.iter().for_each(|(name, tensor)| {
                    params.insert(name, tensor.clone());
                });
                Start { params, architecture, ensemble_error: mean_error(&locations), scores }
            }
        };
        if run.trained == TrainedPart::Gates { self.only_gates(start, seed, labels) } else { Ok(start) }
    }

    /// Neurons a location of an adapter from scratch.
    pub(super) fn new_bottleneck(&self, laboratory: &Laboratory) -> Result<usize, EngineError> {
        let own = laboratory.plan.experiment().training.bottleneck;
        Ok(own.unwrap_or(self.plm()?.card.bottleneck()))
    }

    /// The loaded adapters as they are, for what combines them.
    fn frozen(&self, laboratory: &Laboratory, set: &[usize]) -> Result<Vec<FrozenAdapter>, EngineError> {
        let frozen = |(name, id): (String, AdapterId)| {
            let form = self.adapters.get(id)?.form()?;
            Ok(FrozenAdapter::new(name, self.adapter_params(id)?, form, &self.device)?)
        };
        laboratory.names(set).into_iter().zip(laboratory.ids(set)?).map(frozen).collect()
    }

    /// A run of `body` from `params` and the new head of its seed.
    fn start_with(
        &self,
        params: TensorSet,
        body: Body,
        seed: u64,
        labels: usize,
    ) -> Result<(TensorSet, Architecture), EngineError> {
        let (mut start, architecture) = self.start_of(&RunStart::HeadOnly, seed, labels)?;
        params.iter().for_each(|(name, tensor)| {
            start.insert(name, tensor.clone());
        });
        Ok((start, Architecture { body, ..architecture }))
    }

    /// The same start with its adapter frozen and a gate a location to train.
    fn only_gates(&self, start: Start, seed: u64, labels: usize) -> Result<Start, EngineError> {
        let Body::Adapter(form) = start.architecture.body else { return Ok(start) };
        let adapters = vec![FrozenAdapter::new("the adapter", &start.params, form, &self.device)?];
        let gates = gated::initial(&adapters)?;
        let body = Body::Gated { adapters, gate_rate: GATE_RATE };
        let (params, architecture) = self.start_with(gates, body, seed, labels)?;
        Ok(Start { params, architecture, ..start })
    }
}

/// How far each score is above the first, that of no adapter; empty, which stands for equal, where none is.
fn weights_by_score(scores: &[f64]) -> Vec<f64> {
    let Some((none, others)) = scores.split_first() else { return Vec::new() };
    let above: Vec<f64> = others.iter().map(|score| (score - none).max(0.0)).collect();
    if above.iter().any(|above| *above > 0.0) { above } else { Vec::new() }
}

/// How far a merge is from the mean of its inputs' functions, over the locations where that is not zero.
fn mean_error(locations: &[MergeLocation]) -> Option<f64> {
    let errors: Vec<f64> =
        locations.iter().filter_map(|at| at.ensemble.map(|distance| f64::from(distance.relative_error))).collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_what_a_score_is_above_none() {
        assert_eq!(weights_by_score(&[0.5, 0.75, 0.25, 0.625]), [0.25, 0.0, 0.125]);
        assert_eq!(weights_by_score(&[0.5, 0.5, 0.25]), [] as [f64; 0]);
    }
}
