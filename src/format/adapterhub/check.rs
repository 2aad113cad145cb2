//! The tensors that an adapter must have, no more and no fewer.

use super::super::FormatError;
use super::config::AdapterForm;
use super::reduction::ReductionFactor;
use crate::tensors::adapter::{Location, Part};
use crate::tensors::{Tensor, TensorSet};
use std::collections::BTreeMap;

/// Tensors by place, each with its name in the file.
pub(super) type Placed = BTreeMap<(Location, Part), (String, Tensor)>;

/// Exactly the tensors that the form asks for, of the right shapes, finite, in the order of data flow; and the width
/// at each place. One that is missing is called what `file_name` says.
pub(super) fn check(
    form: &AdapterForm,
    factor: &ReductionFactor,
    hidden_size: usize,
    mut placed: Placed,
    file_name: impl Fn(Location, Part) -> String,
) -> Result<(TensorSet, BTreeMap<Location, usize>), FormatError> {
    let sites = form.architecture.sites();
    let foreign = |location: &Location| !sites.contains(&location.site) || form.leave_out.contains(&location.layer);
    if let Some((_, (tensor, _))) = placed.iter().find(|((location, _), _)| foreign(location)) {
        return Err(FormatError::UnknownTensor { tensor: tensor.clone(), owner: owner(form) });
    }
    let last = placed.keys().map(|(location, _)| location.layer).max().unwrap_or(0);
    let mut params = TensorSet::new();
    let mut bottlenecks = BTreeMap::new();
    for layer in (0..=last).filter(|layer| !form.leave_out.contains(layer)) {
        let bottleneck = factor.bottleneck(hidden_size, layer);
        let bottleneck = bottleneck.ok_or(FormatError::MissingField { field: "config.reduction_factor.default" })?;
        let reason = format!("hidden_size {hidden_size}, bottleneck {bottleneck} by reduction_factor");
        for &site in sites {
            let location = Location { layer, site };
            for part in Part::ALL {
                let Some((name, tensor)) = placed.remove(&(location, part)) else {
                    return Err(FormatError::MissingTensor { tensor: file_name(location, part) });
                };
                expect_shape(&name, &tensor, &part.shape(bottleneck, hidden_size), &reason)?;
                params.insert(location.param(part), tensor);
            }
            bottlenecks.insert(location, bottleneck);
        }
    }
    Ok((params, bottlenecks))
}

/// A tensor of this shape, finite.
pub(super) fn expect_shape(name: &str, tensor: &Tensor, shape: &[usize], reason: &str) -> Result<(), FormatError> {
    if tensor.shape() != shape {
        let (found, expected) = (tensor.shape().to_vec(), shape.to_vec());
        return Err(FormatError::Shape { tensor: name.to_owned(), found, expected, reason: reason.to_owned() });
    }
    match tensor.first_not_finite() {
        None => Ok(()),
        Some(index) => {
            let value = tensor.values()[index].to_string();
            Err(FormatError::NotFinite { tensor: name.to_owned(), index, value })
        }
    }
}

/// What an unknown tensor has no place in.
pub(super) fn owner(form: &AdapterForm) -> String {
    format!("a {} adapter", form.architecture.name())
}
