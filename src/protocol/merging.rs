//! Merge methods and what they give.

use super::{AdapterCard, AdapterId, Texts};
use serde::{Deserialize, Serialize};
use vecmap::VecMap;

/// One merge method: what picker, form and documentation read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodCard {
    /// For example `mera_acts`.
    pub id: String,
    /// Its name.
    pub title: String,
    /// What it does, in a sentence or two.
    pub description: String,
    /// Where it is from.
    pub paper: String,
    /// What it needs beside the adapters: `reference`, `texts`.
    pub needs: Vec<String>,
    /// Its settings.
    pub parameters: Vec<ParameterCard>,
    /// Published recipes for its settings.
    pub presets: Vec<PresetCard>,
    /// The laws it keeps.
    pub laws: Vec<String>,
}

impl MethodCard {
    /// What `parameter` is where it is not set: what the recipe called `preset` says, else its default.
    #[must_use]
    pub fn unset<'a>(&'a self, parameter: &'a ParameterCard, preset: &str) -> &'a str {
        let recipe = self.presets.iter().find(|known| known.id == preset);
        recipe.and_then(|recipe| recipe.set.get(&parameter.name)).unwrap_or(&parameter.default)
    }
}

/// Settings of a published recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PresetCard {
    /// As in `--set preset=ID`.
    pub id: String,
    /// By name, as text; the others stay at their defaults.
    pub set: VecMap<String, String>,
}

/// One setting of a method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterCard {
    /// As in `--set NAME=VALUE`.
    pub name: String,
    /// What it does.
    pub meaning: String,
    /// What it may be.
    pub range: ParameterRange,
    /// As text.
    pub default: String,
}

/// What a setting may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ParameterRange {
    /// One of these.
    Choice(Vec<String>),
    /// A number, both ends included.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// A whole number, both ends included.
    Integer {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// Yes or no.
    Flag,
}

/// Scale of a merged adapter's output, at every location.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputScale {
    /// As the method gives it.
    #[default]
    None,
    /// Mean square of the output on the texts as the inputs' have it on average.
    Keep,
    /// Times the number of inputs: the sum of functions rather than their mean.
    Sum,
    /// Times this.
    Factor(f64),
}

impl OutputScale {
    /// The scale that `word` stands for: `none`, `keep`, `sum`, or what `number` reads as a finite one.
    #[must_use]
    pub fn read(word: &str, number: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        match word {
            "none" => Some(Self::None),
            "keep" => Some(Self::Keep),
            "sum" => Some(Self::Sum),
            other => number(other).filter(|factor| factor.is_finite()).map(Self::Factor),
        }
    }

    /// The word that [`OutputScale::read`] reads.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Keep => "keep".to_owned(),
            Self::Sum => "sum".to_owned(),
            Self::Factor(factor) => factor.to_string(),
        }
    }
}

/// How to merge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MergeSpec {
    /// Id of the method.
    pub method: String,
    /// Its settings by name, as text; defaults where absent.
    pub settings: VecMap<String, String>,
    /// The inputs.
    pub adapters: Vec<AdapterId>,
    /// One an input; equal where empty. They are normalised.
    pub weights: Vec<f64>,
    /// Among `adapters`; the first where `None`.
    pub reference: Option<AdapterId>,
    /// Of the output.
    pub scale: OutputScale,
    /// For methods and scales that need activations, and for the distances of the report.
    pub texts: Texts,
}

/// Merge adapters into a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Merge {
    /// Name of the result; one is made up where it is empty.
    pub name: String,
    /// How.
    pub spec: MergeSpec,
}

/// Answer to [`Merge`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MergeReport {
    /// The new adapter.
    pub adapter: AdapterCard,
    /// How it was made.
    pub spec: MergeSpec,
    /// SHA-256 of the model that was loaded then, whose activations it has seen if any; `None` where there was none.
    pub plm: Option<String>,
    /// Layer by layer.
    pub locations: Vec<MergeLocation>,
}

impl MergeReport {
    /// Whether it is what `spec` asks for while the model of this SHA-256 is loaded, if any: what has looked at texts
    /// has looked at them through a model.
    #[must_use]
    pub fn is_of(&self, spec: &MergeSpec, plm: Option<&str>) -> bool {
        self.spec == *spec && (spec.texts == Texts::None || self.plm.as_deref() == plm)
    }
}

/// What a merge did at one location.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MergeLocation {
    /// For example `layer.3.output`.
    pub name: String,
    /// Mean over the inputs of their neurons' distance to the reference's as stored; `None` where nothing is aligned.
    pub cost_before: Option<f32>,
    /// The same under the plans.
    pub cost_after: Option<f32>,
    /// Mean share of the plans' mass on the diagonal.
    pub diagonal_share: Option<f32>,
    /// Whether the solver reached its tolerance for every plan; true where nothing is aligned.
    pub converged: bool,
    /// What averaging the inputs as stored loses; `None` where their numbers of neurons differ.
    pub stored: Option<Interference>,
    /// The same of the inputs as this merge aligned them; `None` where nothing is aligned.
    pub aligned: Option<Interference>,
    /// Against the mean of the inputs' functions, where there are texts.
    pub ensemble: Option<EnsembleDistance>,
}

/// What averaging does to weights that disagree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interference {
    /// Share of the weights at which two inputs have opposite signs, 0 to 1.
    pub opposite: f32,
    /// Share of the weights' mass that is lost in their mean, 0 to 1.
    pub cancelled: f32,
}

/// How far a merged adapter is from the mean of the functions it was made from, over the tokens of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnsembleDistance {
    /// `Σ‖merged(x) − mean(x)‖² / Σ‖mean(x)‖²`: 0 is the same function, 1 as far as no adapter at all.
    pub relative_error: f32,
    /// Root mean square of the output over that of the mean of functions.
    pub amplitude: f32,
    /// Cosine between both outputs: 1 when only the scale differs.
    pub cosine: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_words_or_finite_numbers() {
        let read = |word: &str| OutputScale::read(word, |text| text.parse().ok());
        for scale in [OutputScale::None, OutputScale::Keep, OutputScale::Sum, OutputScale::Factor(2.5)] {
            assert_eq!(read(&scale.word()), Some(scale));
        }
        assert_eq!([read("nan"), read("inf"), read("much"), read("")], [None; 4]);
    }
}
