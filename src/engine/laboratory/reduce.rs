//! What gates have learned, folded into one adapter of a single adapter's size.
//!
//! Folding is exact: the gates go into the up sides, which stand side by side. Of the neurons of that concatenation as many
//! are kept as the first adapter has, those that carry most on the episode's texts, and the up side is fitted to what the
//! whole gave, as of `concat_reduced`. Both look at what goes into the adapters of the trained gated network: from the
//! second on it is not what any of them sees in a network of its own.

use super::Laboratory;
use super::fit::Candidate;
use crate::engine::alignment::pooled;
use crate::engine::texts::{MAX_TEXTS, Rows, evenly};
use crate::engine::{Engine, EngineError, Observer};
use crate::merge::concat::{concatenate, reduce};
use crate::merge::fit::DEFAULT_RIDGE;
use crate::merge::{Features, Input, Inputs, MergeError};
use crate::model::{Gated, ModelError, RunParams, gated};
use crate::tensors::TensorSet;
use crate::train::{Architecture, Body};

/// What stands in errors for the adapters and their gates.
const SUM: &str = "the gated sum";

impl Engine {
    /// The adapter, and the head beside it, that `trained`, gates of the adapters `set` and a head, come to.
    ///
    /// # Errors
    /// When it is cancelled, the adapters do not fit each other, or the device fails.
    pub(super) async fn reduced(
        &self,
        laboratory: &Laboratory,
        ready: &Candidate,
        set: &[usize],
        trained: &TensorSet,
        observer: &mut dyn Observer,
    ) -> Result<(Architecture, TensorSet), EngineError> {
        let ids = laboratory.ids(set)?;
        let inputs = self.inputs(&ids, None)?;
        let whole = folded(&inputs, trained)?;
        let features = self.features_in_sum(ready, trained, observer).await?;
        let whole = Inputs {
            activation: inputs.activation,
            features: Some(&features),
            ..Inputs::new(vec![Input { name: SUM, params: &whole }])
        };
        let mut params = TensorSet::new();
        for location in whole.locations()? {
            let keep = inputs.params(0, location)?.bottleneck();
            reduce(&whole, location, keep, Some(DEFAULT_RIDGE))?.write(&mut params, location)?;
        }
        for (name, tensor) in trained.iter().filter(|(name, _)| name.starts_with("head.")) {
            params.insert(name, tensor.clone());
        }
        let first = *ids.first().ok_or(MergeError::NoInputs)?;
        let body = Body::Adapter(self.adapters.get(first)?.form()?);
        Ok((Architecture { body, ..Architecture::default() }, params))
    }

    /// What the adapters see of the episode's support and dev in the network of the trained gates.
    pub(super) async fn features_in_sum(
        &self,
        ready: &Candidate,
        trained: &TensorSet,
        observer: &mut dyn Observer,
    ) -> Result<Features, EngineError> {
        let data = &ready.episode.run_data;
        let rows = evenly(ready.episode.seen().0, MAX_TEXTS);
        let rows = Rows { encoded: &data.encoded, rows: &rows, max_length: data.max_length, pad_id: data.pad_id };
        let params = RunParams::stack(&[trained], &self.device.clone().inner())?;
        let sum = Gated { adapters: ready.start.architecture.body.frozen(), params: &params };
        let sits = |location| params.get(&gated::gates(location)).is_some();
        Ok(pooled(&[&self.seen((SUM, &sum), sits, rows, observer).await?])?)
    }
}

/// The adapter whose function is the sum of `inputs` with the gates of `trained`, exactly: as wide as all of them together.
///
/// # Errors
/// When the inputs do not fit each other, or a location has no gates.
pub(super) fn folded(inputs: &Inputs, trained: &TensorSet) -> Result<TensorSet, EngineError> {
    let mut whole = TensorSet::new();
    for location in inputs.locations()? {
        let name = gated::gates(location);
        let gates = trained.get(&name).ok_or(ModelError::Missing { name })?;
        let part = |(index, gate): (usize, &f32)| Ok((f64::from(*gate), inputs.params(index, location)?));
        let parts = gates.values().iter().enumerate().map(part).collect::<Result<Vec<_>, MergeError>>()?;
        concatenate(&parts).write(&mut whole, location)?;
    }
    Ok(whole)
}
