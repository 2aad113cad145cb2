//! Pretrained adapters that several runs look at and none changes: what AdapterFusion and the gated sum combine.

use super::ModelError;
use super::adapter::{AdapterForm, BottleneckAdapters};
use super::params::RunParams;
use crate::tensors::TensorSet;
use crate::tensors::adapter::{Location, Part};
use burn::tensor::{Device, Tensor};

/// An adapter that stays as it is, its tensors on the device. Clones share them.
#[derive(Clone, Debug)]
pub struct FrozenAdapter {
    /// What errors and pictures call it.
    pub name: String,
    /// Of one run, then it serves all rows, or of as many runs as the rows belong to.
    pub params: RunParams,
    /// How it computes.
    pub form: AdapterForm,
}

impl FrozenAdapter {
    /// One for all runs, from `params` in the layout of files, on `device` without autodiff; a head among them is left
    /// out.
    ///
    /// # Errors
    /// When a tensor is neither matrix nor vector.
    pub fn new(
        name: impl Into<String>,
        params: &TensorSet,
        form: AdapterForm,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let of_adapter = params.iter().filter(|(name, _)| Location::parse_param(name).is_some());
        let params: TensorSet = of_adapter.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
        Ok(Self { name: name.into(), params: RunParams::stack(&[&params], &device.clone().inner())?, form })
    }

    /// Whether it has the other's form and shape.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let shapes = |adapter: &Self| -> Vec<(String, [usize; 2])> {
            let shape = |(name, tensor): (&str, &Tensor<3>)| {
                let [_, input, output] = tensor.dims();
                (name.to_owned(), [input, output])
            };
            adapter.params.iter().map(shape).collect()
        };
        self.form == other.form && shapes(self) == shapes(other)
    }

    /// Those of the runs of a pass, which are like each other, as one.
    ///
    /// # Errors
    /// When they are not.
    pub fn side_by_side(runs: &[&Self]) -> Result<Self, ModelError> {
        let Some(first) = runs.first() else {
            return Ok(Self { name: String::new(), params: RunParams::default(), form: AdapterForm::default() });
        };
        let params: Vec<&RunParams> = runs.iter().map(|adapter| &adapter.params).collect();
        Ok(Self { name: first.name.clone(), params: RunParams::side_by_side(&params)?, form: first.form })
    }

    /// That of some of the runs of a pass, by their places.
    #[must_use]
    pub fn select(&self, runs: &[usize]) -> Self {
        // One that serves all runs goes on serving them.
        let params = if self.params.runs() > 1 { self.params.clone().select(runs) } else { self.params.clone() };
        Self { name: self.name.clone(), params, form: self.form }
    }

    /// `scaling · A(x)`, without residual; `None` where it does not sit.
    ///
    /// # Shapes
    /// - `x`, output: `[rows, len, hidden]`
    #[must_use]
    pub fn output(&self, location: Location, x: Tensor<3>) -> Option<Tensor<3>> {
        let AdapterForm { non_linearity, scaling } = self.form;
        BottleneckAdapters { params: &self.params, non_linearity, scaling }.bottleneck(location, x)
    }

    /// Where it sits, in the order of its tensors, and how wide the hidden states there are.
    fn places(&self) -> Vec<(Location, usize)> {
        let place = |(name, tensor): (&str, &Tensor<3>)| match Location::parse_param(name)? {
            (location, Part::DownWeight) => Some((location, tensor.dims()[1])),
            _ => None,
        };
        self.params.iter().filter_map(place).collect()
    }
}

/// The places that all of `adapters` share, and the width of the hidden states there.
///
/// # Errors
/// When they do not sit in the same places, or are of different widths.
pub(super) fn places(adapters: &[FrozenAdapter]) -> Result<Vec<(Location, usize)>, ModelError> {
    let say = |adapter: &FrozenAdapter, places: &[(Location, usize)]| {
        let places: Vec<_> = places.iter().map(|(location, hidden)| format!("{location} ({hidden} wide)")).collect();
        let places = if places.is_empty() { "no place".to_owned() } else { places.join(", ") };
        format!("{} sits at {places}", adapter.name)
    };
    let sorted = |adapter: &FrozenAdapter| {
        let mut places = adapter.places();
        places.sort_unstable();
        places
    };
    let Some((first, others)) = adapters.split_first() else { return Ok(Vec::new()) };
    let expected = sorted(first);
    if let Some(other) = others.iter().find(|other| sorted(other) != expected) {
        return Err(ModelError::Together { left: say(first, &expected), right: say(other, &sorted(other)) });
    }
    Ok(expected)
}
