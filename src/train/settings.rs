//! How a run trains, and on what.

use super::TrainError;
use super::optimizer::AdamWConfig;
use super::schedule::LinearSchedule;
use crate::tensors::adapter::{Location, Part};
use crate::text::{EncodedRow, Order};

/// What is trained beside the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trained {
    /// Everything that a run has.
    #[default]
    All,
    /// Its up projections.
    Up,
    /// Nothing else.
    Head,
}

impl Trained {
    /// Whether the parameter called `name` is trained: the head always is; what is no adapter (a fusion, gates, the
    /// encoder) knows no up side, and is trained whole or not at all.
    #[must_use]
    pub fn includes(self, name: &str) -> bool {
        let is_up = |(_, part)| matches!(part, Part::UpWeight | Part::UpBias);
        match self {
            _ if name.starts_with("head.") => true,
            Trained::All => true,
            Trained::Up => Location::parse_param(name).is_none_or(is_up),
            Trained::Head => false,
        }
    }
}

/// Which rows share a batch in training; either way at random, from the seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Batching {
    /// Any: a batch of few examples is a fair sample of them.
    #[default]
    Shuffled,
    /// Rows of like length: on a large set most of the padding goes, and with it time.
    Grouped,
}

impl Batching {
    pub(super) fn order(self, seed: u64, epoch: u32) -> Order {
        match self {
            Batching::Shuffled => Order::Shuffled { seed, epoch },
            Batching::Grouped => Order::Grouped { seed, epoch },
        }
    }
}

/// Settings of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunSettings {
    /// Passes over the support, 1 or more.
    pub epochs: usize,
    /// Rows a step, 1 or more.
    pub batch_size: usize,
    /// Which rows share a step.
    pub batching: Batching,
    /// Peak, above 0.
    pub learning_rate: f64,
    /// Share of all steps, 0 to 1.
    pub warmup: f64,
    /// Decoupled, on weight matrices, 0 or more.
    pub weight_decay: f64,
    /// Largest global norm of the gradients, above 0.
    pub clip: f64,
    /// In the head, 0 to below 1.
    pub dropout: f64,
    /// Epochs without a better dev score after which to stop; 0 for never.
    pub patience: usize,
    /// What is trained beside the head.
    pub trained: Trained,
    /// Of shuffles and dropout.
    pub seed: u64,
}

impl RunSettings {
    /// # Errors
    /// When a setting is outside its range.
    pub fn validate(&self) -> Result<(), TrainError> {
        let check = |name, value: f64, range, holds: bool| {
            if holds { Ok(()) } else { Err(TrainError::Setting { name, value, range }) }
        };
        check("epochs", self.epochs as f64, "1 to 10000", (1..=10_000).contains(&self.epochs))?;
        check("batch_size", self.batch_size as f64, "1 to 1024", (1..=1024).contains(&self.batch_size))?;
        let rate = self.learning_rate;
        check("learning_rate", rate, "above 0 and at most 1", rate > 0.0 && rate <= 1.0)?;
        check("warmup", self.warmup, "from 0 to 1", (0.0..=1.0).contains(&self.warmup))?;
        check("weight_decay", self.weight_decay, "from 0 to 1", (0.0..=1.0).contains(&self.weight_decay))?;
        check("clip", self.clip, "above 0", self.clip > 0.0)?;
        check("dropout", self.dropout, "from 0 to below 1", (0.0..1.0).contains(&self.dropout))
    }

    pub(super) fn optimizer(&self) -> AdamWConfig {
        AdamWConfig { weight_decay: self.weight_decay, clip: self.clip, ..AdamWConfig::default() }
    }

    pub(super) fn schedule(&self, steps_per_epoch: usize) -> LinearSchedule {
        let total = steps_per_epoch * self.epochs;
        let warmup = (self.warmup * total as f64).round() as usize;
        LinearSchedule { peak: self.learning_rate, warmup, total }
    }
}

/// What a run learns from.
#[derive(Clone, Debug)]
pub struct RunData {
    /// All rows, encoded.
    pub encoded: Vec<EncodedRow>,
    /// Numbers of those to learn from.
    pub support: Vec<usize>,
    /// Numbers of those to choose the epoch by; may be empty, then the last epoch is kept.
    pub dev: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
    /// The padding token.
    pub pad_id: u32,
    /// Longest row in tokens.
    pub max_length: usize,
}
