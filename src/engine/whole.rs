//! Training an adapter on whole data sets, where a few-shot run takes an episode: every row of one file to learn from,
//! every row of another to choose the epoch by.

use super::{Engine, EngineError, Observer, recipe};
use crate::format::AdapterFile;
use crate::protocol::{DataId, RunStart, Scores, TrainPoint, TrainSettings};
use crate::text::{Dataset, EncodedRow, Tokenizer};
use crate::train::{self, Batching, FewShotRun, RunData, RunSettings};

/// What to train, on what.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeRun {
    /// Of the adapter that comes out.
    pub name: String,
    /// What it starts from.
    pub start: RunStart,
    /// Every row of it is learned from.
    pub data: DataId,
    /// Judged after every epoch; without one the last epoch is kept.
    pub dev: Option<DataId>,
    /// The first so many rows of `data` only, as if the file ended there.
    pub limit: Option<usize>,
    /// Texts are cut here, in tokens.
    pub max_length: usize,
    /// How.
    pub settings: TrainSettings,
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeReport {
    /// Adapter and head of the kept epoch.
    pub file: AdapterFile,
    /// How it came about.
    pub recipe: serde_json::Value,
    /// Rows learned from.
    pub rows: usize,
    /// Rows that `max_length` cut, those of dev among them.
    pub truncated: usize,
    /// Epoch whose weights were kept, from 1.
    pub best_epoch: usize,
    /// On dev, of the kept weights.
    pub dev: Option<Scores>,
    /// Where training ended before its time, because the loss was no number any more; the kept epoch is before it.
    pub diverged: Option<Diverged>,
    /// Every step.
    pub curve: Vec<TrainPoint>,
    /// Parameters that were trained.
    pub trainable_parameters: usize,
    /// Of training, evaluation on dev included.
    pub seconds: f64,
    /// Median of a step.
    pub seconds_per_step: f64,
}

/// A step after which there was nothing to go on from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Diverged {
    /// From 1.
    pub step: usize,
    /// Of the step, or of dev behind it; NaN or infinite.
    pub loss: f32,
}

impl Engine {
    /// Trains an adapter and a new head; dev scores come with the last point of an epoch. Rows of like length share a
    /// batch.
    ///
    /// # Errors
    /// When the data can't be learned from, a setting is outside its range, it is cancelled, or the device fails.
    pub async fn train_whole(
        &mut self,
        asked: &WholeRun,
        observer: &mut dyn Observer,
    ) -> Result<WholeReport, EngineError> {
        let plm = self.plm()?;
        let data = self.data.get(asked.data)?.first(asked.limit.unwrap_or(usize::MAX));
        let data = data.as_ref();
        data.check_labels()?;
        let labels = data.labels.clone();
        let dev = asked.dev.map(|id| self.data.get_like(id, data)).transpose()?;
        let rows = data.rows.len();

        let tokenizer = plm.tokenizer(asked.max_length)?;
        let mut encoded = encode(&tokenizer, data, &labels, observer).await?;
        if let Some(dev) = dev {
            encoded.extend(encode(&tokenizer, dev, &labels, observer).await?);
        }
        let truncated = encoded.iter().filter(|row| row.encoding.truncated).count();
        let run_data = RunData {
            support: (0..rows).collect(),
            dev: (rows..encoded.len()).collect(),
            encoded,
            classes: labels.len(),
            pad_id: tokenizer.pad_id(),
            max_length: tokenizer.max_length(),
        };
        let (params, architecture) = self.start_of(&asked.start, asked.settings.seed, labels.len())?;
        let settings = RunSettings { batching: Batching::Grouped, ..super::training::run_settings(&asked.settings) };
        let mut run = FewShotRun::new(architecture, &params, run_data, settings, &self.device)?;
        // More rows than would be kept, and each seen a few times only.
        let encoder = plm.encoder.without_keeping();

        let began = observer.seconds();
        let mut step_seconds = Vec::new();
        while run.status() == train::RunStatus::Running {
            let before = (run.curve().len(), observer.seconds());
            let point = run.step(&encoder).await?;
            if run.curve().len() > before.0 {
                step_seconds.push(observer.seconds() - before.1);
            }
            let point = point.as_ref().map(super::training::train_point);
            observer.trained((0, None), point, run.curve().len(), run.total_steps()).await?;
        }
        step_seconds.sort_by(f64::total_cmp);
        let best = run.best().ok_or_else(|| EngineError::Unfinished(asked.name.clone()))?;
        let file = self.trained_file(&asked.name, &self.started(&asked.start)?, &best.params, &labels)?;
        let mut report = WholeReport {
            file,
            recipe: serde_json::Value::Null,
            rows,
            truncated,
            best_epoch: best.epoch,
            dev: best.scores.map(super::training::scores),
            diverged: match run.status() {
                train::RunStatus::Diverged { step, loss } => Some(Diverged { step, loss }),
                _ => None,
            },
            curve: run.curve().iter().map(super::training::train_point).collect(),
            trainable_parameters: run.trainer().trainable_parameters(),
            seconds: observer.seconds() - began,
            seconds_per_step: step_seconds.get(step_seconds.len() / 2).copied().unwrap_or(0.0),
        };
        report.recipe = recipe::of_whole(self, asked, &report)?;
        Ok(report)
    }
}

/// The rows with the ids of their labels among `labels`.
pub(super) async fn encode(
    tokenizer: &Tokenizer,
    data: &Dataset,
    labels: &[String],
    observer: &mut dyn Observer,
) -> Result<Vec<EncodedRow>, EngineError> {
    let ids = data.label_ids_among(labels)?;
    let mut encoded = Vec::with_capacity(data.rows.len());
    for (row, label) in data.rows.iter().zip(ids) {
        observer.between_rows(encoded.len(), data.rows.len()).await?;
        encoded.push(EncodedRow { encoding: tokenizer.encode(&row.text1, row.text2.as_deref())?, label });
    }
    Ok(encoded)
}
