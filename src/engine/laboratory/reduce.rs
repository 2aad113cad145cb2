//! What gates have learned, folded into one adapter of a single adapter's size.
//!
//! Folding is exact: the gates go into the up sides, which stand side by side. Of the neurons of that concatenation as many
//! are kept as the first adapter has, those that carry most on the episode's texts, and the up side is fitted to what the
//! whole gave, as of `concat_reduced`.

use super::Laboratory;
use crate::engine::{Engine, EngineError, Observer};
use crate::experiment::PlannedRun;
use crate::merge::concat::{concatenate, reduce};
use crate::merge::{Input, Inputs};
use crate::model::gated;
use crate::protocol::Texts;
use crate::tensors::TensorSet;
use crate::train::{Architecture, Body};

/// Penalty of the fit, as `concat_reduced` has it.
const RIDGE: f64 = 1e-3;

impl Engine {
    /// The adapter, and the head beside it, that `trained`, gates of the adapters `set` and a head, come to.
    ///
    /// # Errors
    /// When it is cancelled, the adapters do not fit each other, or the device fails.
    pub(super) async fn reduced(
        &mut self,
        laboratory: &Laboratory,
        run: &PlannedRun,
        set: &[usize],
        trained: &TensorSet,
        observer: &mut dyn Observer,
    ) -> Result<(Architecture, TensorSet), EngineError> {
        let ids = laboratory.ids(set)?;
        let texts = Texts::Episode(laboratory.episode_of(run)?);
        let features = self.features(&ids, &texts, "the reduction of a gated sum", observer).await?;
        let inputs = self.inputs(&ids, None)?;
        let mut whole = TensorSet::new();
        for location in inputs.locations()? {
            let gates = trained.get(&gated::gates(location)).map(|gates| gates.values()).unwrap_or_default();
            let parts = gates.iter().enumerate().map(|(index, gate)| {
                let params = inputs.params(index, location)?;
                Ok::<_, EngineError>((f64::from(*gate), params))
            });
            concatenate(&parts.collect::<Result<Vec<_>, _>>()?).write(&mut whole, location)?;
        }
        let folded = Inputs {
            activation: inputs.activation,
            features: Some(&features),
            ..Inputs::new(vec![Input { name: "the gated sum", params: &whole }])
        };
        let mut params = TensorSet::new();
        for location in folded.locations()? {
            let keep = inputs.params(0, location)?.bottleneck();
            reduce(&folded, location, keep, Some(RIDGE))?.write(&mut params, location)?;
        }
        for (name, tensor) in trained.iter().filter(|(name, _)| name.starts_with("head.")) {
            params.insert(name, tensor.clone());
        }
        let first = *ids.first().ok_or(crate::merge::MergeError::NoInputs)?;
        let body = Body::Adapter(self.adapters.get(first)?.form()?);
        Ok((Architecture { body, ..Architecture::default() }, params))
    }
}
