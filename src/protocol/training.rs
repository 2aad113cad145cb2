//! Few-shot fine-tuning.

use super::{AdapterId, DataId, EpisodeSpec, Matrix, Row};
use serde::{Deserialize, Serialize};

/// Names a run of training for as long as the engine knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub u32);

/// What a run starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunStart {
    /// A loaded or merged adapter, with a new head.
    Adapter(AdapterId),
    /// A new adapter with this bottleneck, and a new head.
    Scratch {
        /// Neurons a location.
        bottleneck: usize,
    },
    /// No adapter: the frozen PLM and a new head.
    HeadOnly,
}

/// What is trained beside the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trained {
    /// The whole adapter.
    #[default]
    All,
    /// Its up projections.
    Up,
    /// Nothing else.
    Head,
}

/// Settings of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSettings {
    /// Passes over the support.
    pub epochs: usize,
    /// Rows a step.
    pub batch_size: usize,
    /// Peak, reached after the warm-up.
    pub learning_rate: f64,
    /// Share of all steps, 0 to 1.
    pub warmup: f64,
    /// Decoupled, on weight matrices.
    pub weight_decay: f64,
    /// Largest global norm of the gradients.
    pub clip: f64,
    /// In the head, 0 to below 1.
    pub dropout: f64,
    /// Epochs without a better dev score after which to stop; 0 for never. The best epoch is kept either way.
    pub patience: usize,
    /// What is trained beside the head.
    pub trained: Trained,
    /// Of initial weights, shuffles and dropout.
    pub seed: u64,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            epochs: 30,
            batch_size: 16,
            learning_rate: 1e-3,
            warmup: 0.1,
            weight_decay: 0.01,
            clip: 1.0,
            dropout: 0.1,
            patience: 0,
            trained: Trained::All,
            seed: 13,
        }
    }
}

/// Fine-tune on an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Train {
    /// Name to show, and of the adapter that comes out.
    pub name: String,
    /// What it starts from.
    pub start: RunStart,
    /// What it learns from.
    pub episode: EpisodeSpec,
    /// How.
    pub settings: TrainSettings,
}

/// Everything a run needs to go on: opaque to the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The run.
    pub run: RunId,
    /// Steps done.
    pub step: usize,
    /// Of its trained weights, its best weights, and the optimiser.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Go on with a run that was paused, or that another worker began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// What was asked for.
    pub train: Train,
    /// The run, where this engine has it still.
    pub run: Option<RunId>,
    /// From another worker.
    pub checkpoint: Option<Checkpoint>,
}

/// Forget a run, and give back what it holds; one that is not there is forgotten already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetRun(pub RunId);

/// One step of training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainPoint {
    /// From 1.
    pub step: usize,
    /// Passes over the support so far.
    pub epoch: f64,
    /// Mean cross-entropy of the step's rows, in nats.
    pub loss: f32,
    /// Used in this step.
    pub learning_rate: f64,
    /// At the end of an epoch.
    pub dev: Option<Scores>,
}

/// How good answers are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Share of right answers.
    pub accuracy: f32,
    /// Mean of the classes' F1.
    pub macro_f1: f32,
    /// Mean cross-entropy in nats.
    pub loss: f32,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunStatus {
    /// All epochs done.
    Finished,
    /// No better dev score for as long as `patience` says.
    StoppedEarly,
    /// After an epoch to keep the loss was no number any more.
    Diverged,
    /// Cancelled; it can be resumed.
    Paused,
}

/// What came out of a run. While it is paused, test is not looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Its handle.
    pub run: RunId,
    /// What was asked.
    pub asked: Train,
    /// How it ended.
    pub status: RunStatus,
    /// Every step.
    pub curve: Vec<TrainPoint>,
    /// Epoch whose weights were kept, from 1; 0 before the first.
    pub best_epoch: usize,
    /// On dev, of the kept weights.
    pub dev: Option<Scores>,
    /// On test, of the kept weights.
    pub test: Option<Scores>,
    /// Rows are the true labels, columns the answers.
    pub confusion: Matrix,
    /// The labels, in order.
    pub labels: Vec<String>,
    /// Answers on test, the surest wrong ones first.
    pub predictions: Vec<TestPrediction>,
    /// Parameters that were trained.
    pub trainable_parameters: usize,
    /// Parameters of adapter and head, beside the PLM.
    pub inference_parameters: usize,
    /// Of training, evaluation on dev included.
    pub seconds: f64,
    /// Median of a step.
    pub seconds_per_step: f64,
}

/// An answer on a row of the test set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestPrediction {
    /// The row.
    pub row: Row,
    /// The answer.
    pub answer: Prediction,
}

impl TestPrediction {
    /// Whether the row has a label, and the answer is another.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.row.is_labelled() && self.answer.label != self.row.label
    }
}

/// Classify one text with a trained run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predict {
    /// Which run.
    pub run: RunId,
    /// First text.
    pub text1: String,
    /// Second text of a pair.
    pub text2: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The label.
    pub label: String,
    /// Of every label, in their order; they sum to 1.
    pub probabilities: Vec<f32>,
}

/// A file to keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Export {
    /// An adapter as it is loaded or merged, as a zip in AdapterHub's layout with its recipe.
    Adapter(AdapterId),
    /// What a run has trained, adapter and head, as a zip in AdapterHub's layout with its recipe.
    Run(RunId),
    /// A data set as JSONL with the columns `label`, `text1`, `text2`, whatever they were called and wherever it came from.
    Data(DataId),
}
