//! Merging the loaded adapters into a new one.

use super::alignment::align_one;
use super::heads::{self, MergedHead};
use super::{Engine, EngineError, MergedInput, Observer, Origin, recipe};
use crate::format::AdapterFile;
use crate::merge::{self, Input, Inputs, LocationParams, METHODS, Range, Scale, Settings, Value};
use crate::protocol::{
    AdapterId, EnsembleDistance, Interference, Merge, MergeLocation, MergeReport, MergeSpec, MethodCard, OutputScale,
    ParameterCard, ParameterRange, Phase, PresetCard, Texts,
};
use crate::tensors::TensorSet;
use crate::tensors::adapter::Location;

/// Every method, as the page shows it.
pub(super) fn method_cards() -> Vec<MethodCard> {
    METHODS.iter().map(|method| method_card(method.card())).collect()
}

impl Engine {
    pub(super) async fn merge(
        &mut self,
        asked: Merge,
        observer: &mut dyn Observer,
    ) -> Result<MergeReport, EngineError> {
        let mut spec = asked.spec;
        let reference = match spec.reference {
            Some(id) => id,
            None => *spec.adapters.first().ok_or(merge::MergeError::NoInputs)?,
        };
        spec.reference = Some(reference);
        let (params, locations) = self.merged(&spec, reference, observer).await?;

        let first = self.adapters.get(reference)?;
        let name = if asked.name.is_empty() { spec.method.clone() } else { asked.name };
        let signature = first.file.plm.clone();
        let form = first.file.config.form.clone();
        let named = spec.adapters.iter().map(|&id| {
            let adapter = self.adapters.get(id)?;
            Ok(MergedInput { name: adapter.file.name.clone(), recipe: recipe::of_input(self, adapter) })
        });
        let named = named.collect::<Result<Vec<_>, EngineError>>()?;
        let track = common_track(self, &spec.adapters)?;
        let weighted = spec.adapters.iter().enumerate().map(|(index, &id)| {
            let weight = if spec.weights.is_empty() { Some(&1.0) } else { spec.weights.get(index) };
            Ok((self.adapters.get(id)?, weight.copied().unwrap_or(0.0)))
        });
        let MergedHead { head, note } = heads::merged(&weighted.collect::<Result<Vec<_>, EngineError>>()?)?;
        let file = AdapterFile::new(name, signature, form, params, head)?;
        let sha256 = self.plm.as_ref().map(|plm| plm.card.sha256.clone());
        let origin = Origin::Merged { spec: spec.clone().into(), plm: recipe::of_plm(self), inputs: named, head: note };
        let adapter = self.adapters.add(file, track, origin);
        Ok(MergeReport { adapter, spec, plm: sha256, locations })
    }

    /// The merge itself, in the form of `reference`, one of the inputs; and what it did.
    pub(super) async fn merged(
        &mut self,
        spec: &MergeSpec,
        reference: AdapterId,
        observer: &mut dyn Observer,
    ) -> Result<(TensorSet, Vec<MergeLocation>), EngineError> {
        let method = merge::method(&spec.method)?;
        let pairs = spec.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings = Settings::parse(method.card(), pairs).map_err(merge::MergeError::from)?;
        let index = spec.adapters.iter().position(|&id| id == reference).ok_or(EngineError::NoAdapter(reference))?;
        let of_scale = (spec.scale == OutputScale::Keep).then_some("scale keep");
        // Texts are looked at where they are given: they tell how near the merge comes to the mean of functions. That
        // needs a language model and texts that can be had; without them only a method that needs them fails.
        let features = if let Some(needed_by) = settings.texts_needed_by().or(of_scale) {
            Some(self.features(&spec.adapters, &spec.texts, needed_by, observer).await?)
        } else if spec.texts != Texts::None && self.plm.is_some() && self.resolve(&spec.texts, "distances").is_ok() {
            Some(self.features(&spec.adapters, &spec.texts, "distances", observer).await?)
        } else {
            None
        };
        let mut inputs = self.inputs(&spec.adapters, features.as_ref())?;
        inputs.reference = index;
        inputs.weights.clone_from(&spec.weights);
        let shares = inputs.shares()?;
        let places = inputs.locations()?;
        let mut params = TensorSet::new();
        let mut locations = Vec::new();
        let aligns = method.aligns(&settings)?;
        // No location's merge depends on another's: one after the other, so that a cancel is heard between them.
        for (done, &location) in places.iter().enumerate() {
            let place = (Phase::Merge, done, places.len());
            observer.at(place.0, place.1, place.2).await?;
            let own: Vec<TensorSet> = inputs.adapters.iter().map(|input| only(input.params, location)).collect();
            let adapters = inputs.adapters.iter().zip(&own).map(|(input, params)| Input { params, ..*input });
            let mut inputs = Inputs { adapters: adapters.collect(), ..inputs.clone() };
            if let Some((by, options)) = &aligns {
                for input in (0..shares.len()).filter(|input| *input != index) {
                    let one = align_one((&inputs, input, location), *by, options, place, observer).await?;
                    inputs.alignments.push(one);
                }
            }
            let mut merged = method.merge(&inputs, &settings)?;
            merge::scale_output(&mut merged, &inputs, spec.scale.into())?;
            let distances =
                if features.is_some() { merge::ensemble_distance(&merged.params, &inputs)? } else { Vec::new() };
            let at = &merged.alignments;
            let mean = |value: &dyn Fn(&merge::Alignment) -> Option<f64>| {
                let values: Option<Vec<f64>> = at.iter().map(value).collect();
                values.filter(|values| !values.is_empty()).map(|v| (v.iter().sum::<f64>() / v.len() as f64) as f32)
            };
            let stored = (0..shares.len()).map(|input| inputs.params(input, location));
            let mut compared: Vec<LocationParams> = stored.collect::<Result<_, _>>()?;
            let stored = interference(&shares, &compared);
            for alignment in at {
                if let Some(own) = compared.get_mut(alignment.input) {
                    own.clone_from(&alignment.aligned);
                }
            }
            let aligned = if at.is_empty() { None } else { interference(&shares, &compared) };
            locations.push(MergeLocation {
                name: location.to_string(),
                cost_before: mean(&|alignment| alignment.cost_before),
                cost_after: mean(&|alignment| Some(alignment.cost_after)),
                diagonal_share: mean(&|alignment| alignment.diagonal_share),
                converged: at.iter().all(|alignment| alignment.solution.status.is_converged()),
                stored,
                aligned,
                ensemble: distances.first().map(ensemble),
            });
            merged.params.iter().for_each(|(name, tensor)| {
                params.insert(name, tensor.clone());
            });
        }
        Ok((params, locations))
    }
}

/// The tensors of `params` at `location`.
fn only(params: &TensorSet, location: Location) -> TensorSet {
    let own = params.iter().filter(|(name, _)| Location::parse_param(name).is_some_and(|(at, _)| at == location));
    own.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect()
}

/// The inputs' track where they agree, else none.
fn common_track(engine: &Engine, ids: &[AdapterId]) -> Result<String, EngineError> {
    let mut tracks = Vec::new();
    for &id in ids {
        tracks.push(engine.adapters.get(id)?.track.as_str());
    }
    tracks.dedup();
    Ok(if let [track] = tracks[..] { track.to_owned() } else { String::new() })
}

fn interference(shares: &[f64], params: &[LocationParams]) -> Option<Interference> {
    let inputs: Vec<_> = shares.iter().copied().zip(params).collect();
    let merge::Interference { opposite, cancelled } = merge::interference(&inputs)?;
    Some(Interference { opposite: opposite as f32, cancelled: cancelled as f32 })
}

fn ensemble(distance: &merge::EnsembleDistance) -> EnsembleDistance {
    EnsembleDistance {
        relative_error: distance.relative_error as f32,
        amplitude: distance.amplitude as f32,
        cosine: distance.cosine as f32,
    }
}

impl From<OutputScale> for Scale {
    fn from(scale: OutputScale) -> Self {
        match scale {
            OutputScale::None => Self::None,
            OutputScale::Keep => Self::Keep,
            OutputScale::Sum => Self::Sum,
            OutputScale::Factor(factor) => Self::Factor(factor),
        }
    }
}

impl From<Scale> for OutputScale {
    fn from(scale: Scale) -> Self {
        match scale {
            Scale::None => Self::None,
            Scale::Keep => Self::Keep,
            Scale::Sum => Self::Sum,
            Scale::Factor(factor) => Self::Factor(factor),
        }
    }
}

/// The name that an enum has in cards and files.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

fn method_card(card: &merge::Card) -> MethodCard {
    MethodCard {
        id: card.id.to_owned(),
        title: card.title.to_owned(),
        description: card.description.to_owned(),
        paper: card.paper.to_owned(),
        needs: card.needs.iter().map(word).collect(),
        parameters: card
            .parameters
            .iter()
            .map(|parameter| ParameterCard {
                name: parameter.name.to_owned(),
                meaning: parameter.meaning.to_owned(),
                range: match parameter.range {
                    Range::Choice(words) => ParameterRange::Choice(words.iter().map(ToString::to_string).collect()),
                    Range::Number { min, max } => ParameterRange::Number { min, max },
                    Range::Integer { min, max } => ParameterRange::Integer { min, max },
                    Range::Flag => ParameterRange::Flag,
                },
                default: match parameter.default {
                    Value::Choice(word) => word.to_owned(),
                    Value::Number(number) => number.to_string(),
                    Value::Integer(number) => number.to_string(),
                    Value::Flag(flag) => flag.to_string(),
                },
            })
            .collect(),
        presets: card
            .presets
            .iter()
            .map(|preset| PresetCard {
                id: preset.id.to_owned(),
                set: preset.set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            })
            .collect(),
        laws: card.laws.iter().map(word).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_is_shown_as_it_is_computed() {
        let mut presets = 0;
        for (method, shown) in METHODS.iter().zip(method_cards()) {
            for preset in &shown.presets {
                presets += 1;
                let settings = Settings::parse(method.card(), [(merge::settings::PRESET, preset.id.as_str())]).unwrap();
                for parameter in shown.parameters.iter().filter(|parameter| parameter.name != merge::settings::PRESET) {
                    let computed = settings.get(&parameter.name).unwrap().to_string();
                    assert_eq!(shown.unset(parameter, &preset.id), computed, "{} {}", preset.id, parameter.name);
                }
            }
        }
        assert_eq!(presets, 3);
    }
}
