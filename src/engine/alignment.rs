//! How the neurons of adapters correspond: aligning, and looking at what was aligned.

use super::texts::{Observed, Seen, stride};
use super::{Engine, EngineError, Observer};
use crate::format::AdapterFile;
use crate::merge::align::Aligning;
use crate::merge::{
    self, AlignOptions, Alignment, By, Features, Input, Inputs, LocationParams, MergeError, Stage, WeightFeatures,
};
use crate::ot::{SinkhornOptions, Status};
use crate::protocol::{
    AdapterId, Align, AlignBy, AlignmentReport, LocationAlignment, LocationSimilarity, LocationWeights, Matrix,
    NeuronReport, PairAlignment, Phase, ShowNeuron, ShowSimilarity, ShowWeights, Similarity, Solver, Texts,
    TokenActivation,
};
use crate::tensors::adapter::{Location, Part};
use crate::tensors::{Tensor, TensorSet};
use nalgebra::DMatrix;
use std::rc::Rc;

/// The last alignment, to be looked at.
pub(super) struct Aligned {
    asked: Align,
    alignments: Vec<Alignment>,
}

/// Tokens pooled over all adapters that alignment and distances look at.
const MAX_POOLED: usize = 2048;

/// Tokens shown of those a neuron responds to.
const TOP: usize = 12;

impl Engine {
    pub(super) async fn align(
        &mut self,
        asked: Align,
        observer: &mut dyn Observer,
    ) -> Result<AlignmentReport, EngineError> {
        let ids: Vec<AdapterId> = std::iter::once(asked.reference).chain(asked.others.iter().copied()).collect();
        let features = match asked.by {
            AlignBy::Weights => None,
            AlignBy::Activations => {
                Some(self.features(&ids, &asked.texts, "alignment by activations", observer).await?)
            }
        };
        let inputs = self.inputs(&ids, features.as_ref())?;
        let (by, options) = settings(&asked);
        let locations = inputs.locations()?;
        let mut alignments = Vec::new();
        for input in 1..ids.len() {
            for &location in &locations {
                let place = (Phase::Align, alignments.len(), (ids.len() - 1) * locations.len());
                alignments.push(align_one((&inputs, input, location), by, &options, place, observer).await?);
            }
        }
        let pairs = asked.others.iter().enumerate().map(|(index, &other)| PairAlignment {
            other,
            locations: alignments
                .iter()
                .filter(|alignment| alignment.input == index + 1)
                .map(location_alignment)
                .collect(),
        });
        let report = AlignmentReport { pairs: pairs.collect(), asked: asked.clone() };
        self.alignment = Some(Aligned { asked, alignments });
        Ok(report)
    }

    /// What goes into a merge; the reference comes first.
    pub(super) fn inputs<'a>(
        &'a self,
        ids: &[AdapterId],
        features: Option<&'a Features>,
    ) -> Result<Inputs<'a>, EngineError> {
        let mut adapters = Vec::new();
        let mut forms = Vec::new();
        for &id in ids {
            let adapter = self.adapters.get(id)?;
            adapters.push(Input { name: &adapter.file.name, params: self.adapter_params(id)? });
            forms.push((&adapter.file, adapter.form()?));
        }
        if let Some(((first, form), others)) = forms.split_first()
            && let Some((other, _)) = others.iter().find(|(_, other)| other != form)
        {
            let told = |file: &AdapterFile| {
                let form = &file.config.form;
                (file.name.clone(), format!("{} with scaling {}", form.non_linearity, form.scaling))
            };
            let ((a, a_form), (b, b_form)) = (told(first), told(other));
            return Err(EngineError::OtherForm { a, a_form, b, b_form });
        }
        let activation = forms.first().map(|(_, form)| form.non_linearity).unwrap_or_default().scalar();
        Ok(Inputs { activation, features, ..Inputs::new(adapters) })
    }

    /// What the adapters see in the texts, pooled over their own forward passes.
    pub(super) async fn features(
        &mut self,
        ids: &[AdapterId],
        texts: &Texts,
        what: &'static str,
        observer: &mut dyn Observer,
    ) -> Result<Features, EngineError> {
        let mut observed: Vec<Rc<Observed>> = Vec::new();
        for &id in ids {
            observed.push(self.observe(id, texts, what, observer).await?);
        }
        Ok(pooled(&observed.iter().map(|observed| &observed.seen).collect::<Vec<_>>())?)
    }

    pub(super) async fn show_weights(
        &mut self,
        ask: ShowWeights,
        observer: &mut dyn Observer,
    ) -> Result<LocationWeights, EngineError> {
        if self.alignment.as_ref().is_none_or(|last| last.asked != ask.align) {
            self.align(ask.align.clone(), observer).await?;
        }
        let name = &self.adapters.get(ask.other)?.file.name;
        let missing = || EngineError::NoLocation { adapter: name.clone(), location: ask.location.clone() };
        let location: Location = ask.location.parse().map_err(|_| missing())?;
        let input = ask.align.others.iter().position(|&id| id == ask.other).ok_or_else(missing)?;
        let stored = |id| -> Result<DMatrix<f64>, EngineError> {
            let adapter = self.adapters.get(id)?;
            let params = LocationParams::read(&adapter.file.name, &adapter.file.params, location)?;
            Ok(params.part(Part::DownWeight).clone())
        };
        let reference = stored(ask.align.reference)?;
        let stored = ask.align.others.iter().map(|&id| stored(id)).collect::<Result<Vec<_>, _>>()?;
        let alignments = self.alignment.iter().flat_map(|last| &last.alignments);
        let aligned: Vec<_> = alignments
            .filter(|found| found.location == location)
            .map(|found| found.aligned.part(Part::DownWeight).clone())
            .collect();
        let mean = |others: &[DMatrix<f64>]| match others.iter().all(|other| other.shape() == reference.shape()) {
            true => {
                matrix(&(others.iter().fold(reference.clone(), |sum, other| sum + other) / (others.len() + 1) as f64))
            }
            false => Matrix::default(),
        };
        Ok(LocationWeights {
            average: mean(&stored),
            merged: mean(&aligned),
            aligned: matrix(aligned.get(input).ok_or_else(missing)?),
            stored: matrix(stored.get(input).ok_or_else(missing)?),
            reference: matrix(&reference),
        })
    }

    pub(super) async fn show_similarity(
        &self,
        ask: &ShowSimilarity,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Similarity>, EngineError> {
        let ids = &ask.adapters;
        let pairs: Vec<[AdapterId; 2]> = (0..ids.len())
            .flat_map(|first| (first + 1..ids.len()).map(move |second| [ids[first], ids[second]]))
            .collect();
        let mut similarities = Vec::new();
        for (done, &pair) in pairs.iter().enumerate() {
            observer.at(Phase::Align, done, pairs.len()).await?;
            let inputs = self.inputs(&pair, None)?;
            let mut locations = Vec::new();
            for location in inputs.locations()? {
                let by = By::Weights(WeightFeatures::default());
                let aligned = merge::align::align_location(&inputs, 1, location, by, &AlignOptions::default())?.aligned;
                let [first, second] = [inputs.params(0, location)?, inputs.params(1, location)?];
                let cosine = |other| merge::cosine(&first, other).map(|cosine| cosine as f32);
                locations.push(LocationSimilarity {
                    name: location.to_string(),
                    stored: cosine(&second),
                    aligned: cosine(&aligned),
                });
            }
            similarities.push(Similarity { pair, locations });
        }
        Ok(similarities)
    }

    /// The parameters of an adapter and of one aligned to it, which is computed again where it is not the last; as they
    /// are stored, and aligned.
    pub(super) async fn aligned_pair(
        &mut self,
        align: &Align,
        other: AdapterId,
        observer: &mut dyn Observer,
    ) -> Result<[TensorSet; 3], EngineError> {
        if self.alignment.as_ref().is_none_or(|last| last.asked != *align) {
            self.align(align.clone(), observer).await?;
        }
        let input = align.others.iter().position(|&id| id == other).ok_or(EngineError::NoAdapter(other))? + 1;
        let mut aligned = TensorSet::new();
        for found in self.alignment.iter().flat_map(|last| &last.alignments).filter(|found| found.input == input) {
            found.aligned.write(&mut aligned, found.location)?;
        }
        Ok([self.adapter_params(align.reference)?.clone(), self.adapter_params(other)?.clone(), aligned])
    }

    pub(super) async fn show_neuron(
        &mut self,
        ask: ShowNeuron,
        observer: &mut dyn Observer,
    ) -> Result<NeuronReport, EngineError> {
        let adapter = self.adapters.get(ask.adapter)?;
        let name = adapter.file.name.clone();
        let missing = || EngineError::NoLocation { adapter: name.clone(), location: ask.location.clone() };
        let location: Location = ask.location.parse().map_err(|_| missing())?;
        let params = LocationParams::read(&name, &adapter.file.params, location)?;
        let count = params.bottleneck();
        if ask.neuron >= count {
            return Err(EngineError::NoNeuron { location: ask.location, neuron: ask.neuron, count, adapter: name });
        }
        let norm_in = params.part(Part::DownWeight).row(ask.neuron).norm() as f32;
        let norm_out = params.part(Part::UpWeight).column(ask.neuron).norm() as f32;
        if ask.texts == Texts::None {
            return Ok(NeuronReport { norm_in, norm_out, active: None, top: Vec::new() });
        }
        let observed = self.observe(ask.adapter, &ask.texts, "what a neuron responds to", observer).await?;
        let seen = &observed.seen;
        let inputs = seen.inputs.get(&location).ok_or_else(missing)?;
        let weights: Vec<f32> =
            params.part(Part::DownWeight).row(ask.neuron).iter().map(|value| *value as f32).collect();
        let bias = params.part(Part::DownBias)[ask.neuron] as f32;
        let mut values: Vec<(f32, (usize, usize))> = inputs
            .chunks_exact(seen.hidden)
            .map(|row| row.iter().zip(&weights).map(|(x, w)| x * w).sum::<f32>() + bias)
            .zip(seen.places.iter().copied())
            .collect();
        let active = values.iter().filter(|(value, _)| *value > 0.0).count() as f32 / values.len().max(1) as f32;
        values.sort_by(|a, b| b.0.total_cmp(&a.0));
        let top = values.into_iter().take(TOP).filter_map(|(value, (text, index))| {
            Some(TokenActivation { tokens: observed.tokens.get(text)?.clone(), index, value })
        });
        Ok(NeuronReport { norm_in, norm_out, active: Some(active), top: top.collect() })
    }
}

/// What was seen in some forward passes, together.
pub(super) fn pooled(passes: &[&Seen]) -> Result<Features, MergeError> {
    let tokens: usize = passes.iter().map(|seen| seen.places.len()).sum();
    let every = stride(tokens, MAX_POOLED);
    let mut features = Features::new();
    for &location in passes.first().iter().flat_map(|first| first.inputs.keys()) {
        let mut values = Vec::new();
        let mut rows = 0;
        for seen in passes {
            let inputs = seen.inputs.get(&location).map(Vec::as_slice).unwrap_or_default();
            for row in inputs.chunks_exact(seen.hidden).step_by(every) {
                values.extend_from_slice(row);
                rows += 1;
            }
        }
        let hidden = values.len() / rows.max(1);
        let tensor = Tensor::new([rows, hidden], values)
            .map_err(|_| MergeError::FeatureShape { location, shape: vec![rows, hidden] })?;
        features.insert(location, tensor)?;
    }
    Ok(features)
}

/// One input at one location aligned in pieces, so that a cancel is heard between them; `place` is how far the work is.
pub(super) async fn align_one(
    (inputs, input, location): (&Inputs<'_>, usize, Location),
    by: By,
    options: &AlignOptions,
    (phase, done, total): (Phase, usize, usize),
    observer: &mut dyn Observer,
) -> Result<Alignment, EngineError> {
    let mut aligning = Aligning::start(inputs, input, location, by, options)?;
    loop {
        observer.at(phase, done, total).await?;
        if !aligning.advance() {
            return Ok(aligning.into_alignment());
        }
    }
}

fn settings(asked: &Align) -> (By, AlignOptions) {
    let by = match asked.by {
        AlignBy::Weights => By::Weights(WeightFeatures::default()),
        AlignBy::Activations => By::Activations(Stage::default()),
    };
    let solver = match asked.solver {
        Solver::Exact => crate::ot::Solver::Exact,
        Solver::Sinkhorn { epsilon, iterations, tolerance } => {
            crate::ot::Solver::Sinkhorn(SinkhornOptions { epsilon, iterations, tolerance })
        }
    };
    (by, AlignOptions { solver, ..AlignOptions::default() })
}

fn location_alignment(alignment: &Alignment) -> LocationAlignment {
    let iterations = match alignment.solution.status {
        Status::Optimal => 0,
        Status::Converged { iterations } | Status::IterationLimit { iterations } => iterations,
    };
    LocationAlignment {
        name: alignment.location.to_string(),
        cost: matrix(&alignment.cost),
        plan: matrix(&alignment.solution.plan),
        cost_before: alignment.cost_before.map(|cost| cost as f32),
        cost_after: alignment.cost_after as f32,
        diagonal_share: alignment.diagonal_share.map(|share| share as f32),
        converged: alignment.solution.status.is_converged(),
        iterations,
    }
}

/// Row by row; nalgebra stores column by column.
fn matrix(matrix: &DMatrix<f64>) -> Matrix {
    let values = matrix.row_iter().flat_map(|row| row.iter().map(|value| *value as f32).collect::<Vec<_>>());
    Matrix { rows: matrix.nrows(), columns: matrix.ncols(), values: values.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinkhorn_has_the_same_defaults_wherever_it_is_asked_for() {
        let asked =
            SinkhornOptions { epsilon: Solver::EPSILON, iterations: Solver::ITERATIONS, tolerance: Solver::TOLERANCE };
        assert_eq!(asked, SinkhornOptions::default());
    }
}
