//! What goes into a merge: adapters with names and weights, a reference, and the features that they see.

use nalgebra::DMatrix;
use std::collections::{BTreeMap, BTreeSet};

use super::METHODS;
use super::align::Alignment;
use super::error::MergeError;
use super::method::{Card, Need};
use super::params::{Activation, LocationParams, relu, size};
use crate::tensors::adapter::Location;
use crate::tensors::{Tensor, TensorSet};

/// An adapter to merge.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// As people know it; errors name it.
    pub name: &'a str,
    /// Its tensors, by the names of [`crate::tensors::adapter`].
    pub params: &'a TensorSet,
}

/// What goes into a merge. Checked by [`Inputs::locations`], which every method calls first.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The adapters, one or more, of one encoder, at the same locations.
    pub adapters: Vec<Input<'a>>,
    /// How much each counts; normalised to sum to 1. Empty for equal weights.
    pub weights: Vec<f64>,
    /// Index of the adapter that the others are aligned to.
    pub reference: usize,
    /// What the adapters see on some texts, where a method or a scale needs it.
    pub features: Option<&'a Features>,
    /// The non-linearity of all the adapters.
    pub activation: Activation,
    /// The other adapters aligned to the reference as the method does it; where there are none, it does it itself.
    pub alignments: Vec<Alignment>,
}

/// What adapters see at each location on some texts: the inputs of the down projection, a token a row, pooled over the
/// encoder's forward passes with each of the adapters to merge.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features(BTreeMap<Location, Tensor>);

impl Features {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the features of `location`, `[tokens, hidden]`.
    ///
    /// # Errors
    /// When the shape is another, or a value is not finite.
    pub fn insert(&mut self, location: Location, features: Tensor) -> Result<(), MergeError> {
        let hidden = match *features.shape() {
            [tokens, hidden] if tokens > 0 && hidden > 0 => hidden,
            _ => return Err(MergeError::FeatureShape { location, shape: features.shape().to_vec() }),
        };
        if let Some(index) = features.first_not_finite() {
            let (token, value) = (index / hidden, features.values()[index]);
            return Err(MergeError::FeatureNotFinite { location, token, value });
        }
        self.0.insert(location, features);
        Ok(())
    }

    /// The features of `location`, `tokens × hidden`; `None` where there are none.
    #[must_use]
    pub fn get(&self, location: Location) -> Option<DMatrix<f64>> {
        let tensor = self.0.get(&location)?;
        let [tokens, hidden] = *tensor.shape() else { return None };
        Some(DMatrix::from_row_iterator(tokens, hidden, tensor.values().iter().map(|value| f64::from(*value))))
    }
}

impl<'a> Inputs<'a> {
    /// `adapters` with equal weights, the first of them the reference, no features, ReLU.
    #[must_use]
    pub fn new(adapters: Vec<Input<'a>>) -> Self {
        Self { adapters, weights: Vec::new(), reference: 0, features: None, activation: relu, alignments: Vec::new() }
    }

    /// The locations that all adapters have, in order, after checking everything: adapters, weights, reference, and
    /// every tensor's name, shape and values.
    ///
    /// # Errors
    /// Names what is wrong or disagrees.
    pub fn locations(&self) -> Result<Vec<Location>, MergeError> {
        if self.adapters.is_empty() {
            return Err(MergeError::NoInputs);
        }
        if self.reference >= self.adapters.len() {
            return Err(MergeError::Reference { reference: self.reference, inputs: self.adapters.len() });
        }
        self.shares()?;
        let mut names = BTreeSet::new();
        if let Some(twice) = self.adapters.iter().find(|input| !names.insert(input.name)) {
            return Err(MergeError::SameName(twice.name.to_owned()));
        }
        let all = self.adapters.iter().map(locations_of).collect::<Result<Vec<_>, _>>()?;
        for (a, a_locations) in self.adapters.iter().zip(&all) {
            for (b, b_locations) in self.adapters.iter().zip(&all) {
                if let Some(&location) = b_locations.difference(a_locations).next() {
                    let (adapter, other) = (a.name.to_owned(), b.name.to_owned());
                    return Err(MergeError::MissingLocation { adapter, location, other });
                }
            }
        }
        let locations: Vec<Location> = all[0].iter().copied().collect();
        for &location in &locations {
            if let Some([(a, a_size), (b, b_size)]) = self.differ(location, |(_, hidden)| hidden)? {
                return Err(MergeError::Hidden { location, a, a_size, b, b_size });
            }
        }
        Ok(locations)
    }

    /// That all adapters have as many neurons at every location, for a method that pairs them as stored.
    ///
    /// # Errors
    /// As [`Inputs::locations`]; names both sizes where they differ, and the methods that can.
    pub fn equal_bottlenecks(&self, card: &'static Card) -> Result<Vec<Location>, MergeError> {
        let locations = self.locations()?;
        for &location in &locations {
            if let Some([(a, a_size), (b, b_size)]) = self.differ(location, |(bottleneck, _)| bottleneck)? {
                let able = METHODS.iter().map(|method| method.card());
                let able = able.filter(|card| !card.needs.contains(&Need::EqualBottlenecks)).map(|card| card.id);
                let (method, able) = (card.id, able.collect());
                return Err(MergeError::Bottlenecks { method, location, a, a_size, b, b_size, able });
            }
        }
        Ok(locations)
    }

    /// The weights, normalised to sum to 1.
    ///
    /// # Errors
    /// When they are not one an input, not finite, negative, or sum to 0.
    pub fn shares(&self) -> Result<Vec<f64>, MergeError> {
        let inputs = self.adapters.len();
        if self.weights.is_empty() {
            return Ok(vec![1.0 / inputs as f64; inputs]);
        }
        if self.weights.len() != inputs {
            return Err(MergeError::WeightCount { weights: self.weights.len(), inputs });
        }
        for (input, &weight) in self.adapters.iter().zip(&self.weights) {
            if !weight.is_finite() || weight < 0.0 {
                return Err(MergeError::Weight { adapter: input.name.to_owned(), weight });
            }
        }
        let sum: f64 = self.weights.iter().sum();
        if !(sum > 0.0 && sum.is_finite()) {
            return Err(MergeError::WeightSum(sum));
        }
        Ok(self.weights.iter().map(|weight| weight / sum).collect())
    }

    /// How many inputs count: those whose share is above 0.
    ///
    /// # Errors
    /// As [`Self::shares`].
    pub fn counted(&self) -> Result<usize, MergeError> {
        Ok(self.shares()?.into_iter().filter(|share| *share > 0.0).count())
    }

    /// The parameters of one input at `location`.
    ///
    /// # Errors
    /// When one of them is missing.
    pub fn params(&self, input: usize, location: Location) -> Result<LocationParams, MergeError> {
        let inputs = self.adapters.len();
        let input = self.adapters.get(input).ok_or(MergeError::Reference { reference: input, inputs })?;
        LocationParams::read(input.name, input.params, location)
    }

    /// What the adapters see at `location`, `tokens × hidden`, for `what`, which needs it.
    ///
    /// # Errors
    /// When there are no features, none for the location, or they are of another width than the adapters.
    pub fn features_at(&self, location: Location, what: &'static str) -> Result<DMatrix<f64>, MergeError> {
        let features = self.features.ok_or(MergeError::NeedsFeatures { what })?;
        let features = features.get(location).ok_or(MergeError::NoFeaturesAt(location))?;
        self.params(self.reference, location)?.fits(&features, location)?;
        Ok(features)
    }

    /// The weighted mean of the adapters' functions at `location` on `seen` (`tokens × hidden`).
    ///
    /// # Shapes
    /// `tokens × hidden`.
    ///
    /// # Errors
    /// When a tensor is missing.
    pub fn mean_of_functions(&self, location: Location, seen: &DMatrix<f64>) -> Result<DMatrix<f64>, MergeError> {
        let mut mean = DMatrix::zeros(seen.nrows(), seen.ncols());
        for (input, share) in self.shares()?.into_iter().enumerate() {
            let params = self.params(input, location)?;
            params.fits(seen, location)?;
            mean += params.forward(seen, self.activation) * share;
        }
        Ok(mean)
    }

    /// The weighted mean of the adapters' `Σ‖A_i(x)‖²` over the tokens of `seen` (`tokens × hidden`) at `location`.
    ///
    /// # Errors
    /// When a tensor is missing.
    pub fn mean_square(&self, location: Location, seen: &DMatrix<f64>) -> Result<f64, MergeError> {
        let mut mean = 0.0;
        for (input, share) in self.shares()?.into_iter().enumerate() {
            let params = self.params(input, location)?;
            params.fits(seen, location)?;
            mean += share * params.forward(seen, self.activation).norm_squared();
        }
        Ok(mean)
    }

    /// The first adapter, and the first that differs from it in `measure` of bottleneck and hidden size: names and
    /// measures.
    fn differ(
        &self,
        location: Location,
        measure: impl Fn((usize, usize)) -> usize,
    ) -> Result<Option<[(String, usize); 2]>, MergeError> {
        let mut first = None;
        for input in &self.adapters {
            let this = (input.name.to_owned(), measure(size(input.name, input.params, location)?));
            let first = first.get_or_insert_with(|| this.clone());
            if first.1 != this.1 {
                return Ok(Some([first.clone(), this]));
            }
        }
        Ok(None)
    }
}

/// The locations of one adapter, each complete, of fitting shapes and finite values.
fn locations_of(input: &Input) -> Result<BTreeSet<Location>, MergeError> {
    let adapter = || input.name.to_owned();
    let mut locations = BTreeSet::new();
    for (name, tensor) in input.params.iter() {
        let Some((location, _)) = Location::parse_param(name) else {
            return Err(MergeError::UnexpectedTensor { adapter: adapter(), tensor: name.to_owned() });
        };
        if let Some(index) = tensor.first_not_finite() {
            let (tensor, value) = (name.to_owned(), tensor.values()[index]);
            return Err(MergeError::NotFinite { adapter: adapter(), tensor, index, value });
        }
        locations.insert(location);
    }
    if locations.is_empty() {
        return Err(MergeError::Empty(adapter()));
    }
    for &location in &locations {
        size(input.name, input.params, location)?;
    }
    Ok(locations)
}
