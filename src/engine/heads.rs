//! The head of a merged adapter: the mean of its inputs' heads where all of them answer the same, else none.

use super::{EngineError, LoadedAdapter};
use crate::format::Head;
use crate::tensors::{Tensor, TensorSet};

/// The head of a merge, and a line on where it is from or why there is none; neither where no input has one.
#[derive(Debug, Default)]
pub(super) struct MergedHead {
    pub(super) head: Option<Head>,
    pub(super) note: Option<String>,
}

/// The mean of the heads of `inputs`, each with its weight, which is 0 or more. Those without a head count nothing.
///
/// # Errors
/// When a mean is not finite.
pub(super) fn merged(inputs: &[(&LoadedAdapter, f64)]) -> Result<MergedHead, EngineError> {
    let with = |&(adapter, weight): &(&LoadedAdapter, f64)| {
        let file = &adapter.file;
        file.head.clone().map(|head| (file.name.clone(), head, weight))
    };
    let none = |why: String| Ok(MergedHead { head: None, note: Some(format!("no head: {why}")) });
    // Whoever counts nothing is not asked what it answers.
    let (heads, idle): (Vec<_>, Vec<_>) = inputs.iter().filter_map(with).partition(|(_, _, weight)| *weight > 0.0);
    let Some((name, first, _)) = heads.first() else {
        return match idle.is_empty() {
            true => Ok(MergedHead::default()),
            false => none("the adapters that have one have weight 0".to_owned()),
        };
    };
    for (other_name, other, _) in &heads {
        if other.config.labels != first.config.labels {
            let labels = |head: &Head| head.config.labels.join(", ");
            return none(format!("{name} answers {}; {other_name} answers {}", labels(first), labels(other)));
        }
        if !same_kind(first, other) {
            return none(format!("those of {name} and {other_name} are of different kinds"));
        }
    }
    let total: f64 = heads.iter().map(|(_, _, weight)| weight).sum();
    let mut params = TensorSet::new();
    for (tensor_name, tensor) in first.params.iter() {
        let mut mean = vec![0.0; tensor.len()];
        for (_, head, weight) in &heads {
            let values = head.params.get(tensor_name).map(Tensor::values).unwrap_or_default();
            mean.iter_mut().zip(values).for_each(|(mean, value)| *mean += weight / total * f64::from(*value));
        }
        let values = mean.into_iter().map(|value| value as f32).collect();
        params.insert(tensor_name, Tensor::new(tensor.shape(), values).map_err(crate::model::ModelError::from)?);
    }
    let hidden = inputs.first().map_or(0, |(adapter, _)| adapter.file.plm.hidden_size);
    let head = Head::new(first.config.clone(), hidden, params)?;
    let names: Vec<&str> = heads.iter().map(|(name, ..)| name.as_str()).collect();
    let note = match names[..] {
        [only] => format!("its head is that of {only}"),
        _ => format!("its head is the mean of those of {}", names.join(", ")),
    };
    Ok(MergedHead { head: Some(head), note: Some(note) })
}

/// Whether both compute the same but for their weights.
fn same_kind(a: &Head, b: &Head) -> bool {
    let kind = |head: &Head| {
        let config = &head.config;
        (config.layers, config.activation.clone(), config.use_pooler, config.bias)
    };
    let shapes = |head: &Head| head.params.iter().map(|(_, tensor)| tensor.shape().to_vec()).collect::<Vec<_>>();
    kind(a) == kind(b) && shapes(a) == shapes(b)
}
