//! A few-shot run by itself: a pass of one ([`FewShotRuns`]) that can be paused between any two steps and taken up again,
//! here or elsewhere, with the same numbers.

use super::TrainError;
use super::runs::{Best, FewShotRuns, RunStart, RunStatus, StepReport};
use super::settings::{RunData, RunSettings};
use super::trainer::{Architecture, Trainer};
use crate::model::{Encoder, RunParams};
use crate::tensors::TensorSet;
use burn::tensor::Device;
use std::rc::Rc;

/// Everything that determines how a run goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Adapter and head as they are.
    pub params: TensorSet,
    /// The optimiser's two moments under the names `mean` and `square`, `[count]` each; empty before the first step.
    pub moments: TensorSet,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// Every step so far.
    pub curve: Vec<StepReport>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct FewShotRun(FewShotRuns);

impl FewShotRun {
    /// A run from `params` (adapter and head in the layout of files); `device` is an autodiff device.
    ///
    /// # Errors
    /// When a setting is outside its range or the support is empty.
    pub fn new(
        architecture: Architecture,
        params: &TensorSet,
        data: impl Into<Rc<RunData>>,
        settings: RunSettings,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let start = RunStart { architecture, params: params.clone(), data: data.into(), settings };
        Ok(Self(FewShotRuns::new(vec![start], device)?))
    }

    /// As [`FewShotRuns::in_parts_of`].
    #[must_use]
    pub fn in_parts_of(self, tokens: usize) -> Self {
        Self(self.0.in_parts_of(tokens))
    }

    /// As [`FewShotRuns::is_under_way`].
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.0.is_under_way()
    }

    /// Goes on from `snapshot`, which another run of the same settings and data gave.
    ///
    /// # Errors
    /// When the snapshot's tensors are not this run's.
    pub fn restore(&mut self, snapshot: Snapshot) -> Result<(), TrainError> {
        let FewShotRuns { lanes, trainer, device, under_way, .. } = &mut self.0;
        *under_way = None;
        let Some(lane) = lanes.first_mut() else { return Ok(()) };
        let params = alike(&snapshot.params, &trainer.params)?;
        let best = match snapshot.best {
            Some(best) => Some(Best { params: alike(&best.params, &trainer.params)?, ..best }),
            None => None,
        };
        let stacked = RunParams::stack(&[&params], device)?;
        let trained = lane.settings.trained;
        trainer.params =
            stacked.map(|name, tensor| if trained.includes(name) { tensor.require_grad() } else { tensor });
        let moments: Vec<_> = ["mean", "square"].into_iter().filter_map(|name| snapshot.moments.get(name)).collect();
        let runs = match moments[..] {
            [mean, square] => vec![[mean, square].map(|moment| moment.values().to_vec())],
            _ => Vec::new(),
        };
        let steps = snapshot.curve.len();
        if runs.is_empty() != (steps == 0) || !trainer.optimizer.restore(steps, &runs) {
            let count = trainer.optimizer.parameters();
            return Err(TrainError::Checkpoint(format!("its moments are not of {count} parameters")));
        }
        lane.restore(best, snapshot.curve)
    }

    /// What [`Self::restore`] takes.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn snapshot(&self) -> Result<Snapshot, TrainError> {
        let mut moments = TensorSet::new();
        for run in self.trainer().optimizer.moments().await? {
            for (name, values) in ["mean", "square"].into_iter().zip(run) {
                let stored = crate::tensors::Tensor::new([values.len()], values)
                    .map_err(|error| TrainError::Checkpoint(error.to_string()))?;
                moments.insert(name, stored);
            }
        }
        let params = self.trainer().params.unstack().await?.pop().unwrap_or_default();
        Ok(Snapshot { params, moments, best: self.best().cloned(), curve: self.curve().to_vec() })
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        self.0.status(0)
    }

    /// Every step so far.
    #[must_use]
    pub fn curve(&self) -> &[StepReport] {
        self.0.curve(0)
    }

    /// Steps in all, unless it stops early.
    #[must_use]
    pub fn total_steps(&self) -> usize {
        self.0.total_steps()
    }

    /// The best epoch so far.
    #[must_use]
    pub fn best(&self) -> Option<&Best> {
        self.0.best(0)
    }

    /// Parameters and optimiser.
    #[must_use]
    pub fn trainer(&self) -> &Trainer {
        &self.0.trainer
    }

    /// Puts the weights of the best epoch in the place of the last ones, to judge and to keep.
    ///
    /// # Errors
    /// When they can't be stacked.
    pub fn use_best(&mut self) -> Result<(), TrainError> {
        let FewShotRuns { lanes, trainer, device, .. } = &mut self.0;
        if let Some((lane, best)) = lanes.first().and_then(|lane| Some((lane, lane.best.as_ref()?))) {
            *trainer = Trainer::stack(&[(&lane.architecture, &best.params)], &lane.settings, device)?;
        }
        Ok(())
    }

    /// One optimiser step, or one batch of dev; the newest point of the curve when it changed.
    ///
    /// # Errors
    /// When the device fails, or the loss is no number before there is an epoch to keep.
    pub async fn step(&mut self, encoder: &Encoder) -> Result<Option<StepReport>, TrainError> {
        let points = self.0.step(encoder).await?;
        if let RunStatus::Diverged { step, loss } = self.status()
            && self.best().is_none()
        {
            return Err(TrainError::Diverged { step, loss });
        }
        Ok(points.last().map(|(_, point)| *point))
    }
}

/// The tensors of `found` that are called as those of `own`, in their order, for a file may have another.
///
/// # Errors
/// When one is missing or has another shape.
fn alike(found: &TensorSet, own: &RunParams) -> Result<TensorSet, TrainError> {
    let mut params = TensorSet::new();
    for (name, _) in own.iter() {
        let tensor = found.get(name).ok_or_else(|| TrainError::Checkpoint(format!("it has no tensor {name}")))?;
        let (shape, wanted) = (tensor.shape(), own.shape(name).unwrap_or_default());
        if shape != wanted {
            return Err(TrainError::Checkpoint(format!("its {name} has shape {shape:?}, not {wanted:?}")));
        }
        params.insert(name, tensor.clone());
    }
    Ok(params)
}
