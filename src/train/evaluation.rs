//! Answers on labelled or unlabelled rows, a batch at a time.

use super::TrainError;
use super::metrics::{Confusion, Scores, argmax, softmax};
use super::trainer::{LabelledInput, Trainer};
use crate::model::Encoder;
use crate::text::{Batch, EncodedRow, Fill, Order, Shape, batch};

/// Rows of a batch of what a run is judged on, dev or test.
pub const EVALUATION_ROWS: usize = 16;

/// An evaluation under way: [`step`](Self::step) until it says that it is done.
#[derive(Clone, Debug)]
pub struct Evaluation {
    batches: Vec<Vec<usize>>,
    next: usize,
    shape: Shape,
    classes: usize,
    answers: Vec<Answer>,
}

/// The answer on one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its number among the encoded rows.
    pub row: usize,
    /// Its class, where it has a label.
    pub truth: Option<usize>,
    /// One a class.
    pub logits: Vec<f32>,
}

/// One batch of each of `evaluations`, which are as many as `trainer` has runs and ask about as many rows each, in one
/// pass; whether there are more.
///
/// # Errors
/// When they are not, or the device fails.
pub async fn evaluate(
    evaluations: &mut [(&mut Evaluation, &[EncodedRow])],
    trainer: &Trainer,
    encoder: &Encoder,
    pad_id: u32,
) -> Result<bool, TrainError> {
    let Some((first, _)) = evaluations.first() else { return Ok(false) };
    let (progress, shape) = (first.progress(), (first.shape, first.classes));
    if progress.0 == progress.1 {
        return Ok(false);
    }
    let mut batches = Vec::new();
    for (evaluation, encoded) in evaluations.iter() {
        let sources = evaluation.batches.get(evaluation.next).ok_or(TrainError::Together)?;
        if evaluation.progress() != progress || (evaluation.shape, evaluation.classes) != shape {
            return Err(TrainError::Together);
        }
        batches.push(Batch::assemble(encoded, sources, evaluation.shape, pad_id)?);
    }
    let logits = trainer.predict(encoder, &LabelledInput::stack(&batches, pad_id).input).await?;
    let of_run = (logits.len() / evaluations.len()).max(1);
    for ((evaluation, encoded), logits) in evaluations.iter_mut().zip(logits.chunks(of_run)) {
        evaluation.take(encoded, logits);
    }
    Ok(progress.0 + 1 < progress.1)
}

impl Evaluation {
    /// Of `rows` (numbers into `encoded`), at most `shape.rows` at a time, short ones first.
    ///
    /// # Errors
    /// When a number is out of range.
    pub fn new(encoded: &[EncodedRow], rows: &[usize], shape: Shape, classes: usize) -> Result<Self, TrainError> {
        let shape = Shape { fill: Fill::Full, ..shape };
        let batches = batch::plan(encoded, rows, shape, Order::ByLength)?;
        Ok(Self { batches, next: 0, shape, classes, answers: Vec::new() })
    }

    /// Batches done and in all.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        (self.next, self.batches.len())
    }

    /// One batch with `trainer`, which has a single run; whether there are more.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn step(
        &mut self,
        trainer: &Trainer,
        encoder: &Encoder,
        encoded: &[EncodedRow],
        pad_id: u32,
    ) -> Result<bool, TrainError> {
        evaluate(&mut [(self, encoded)], trainer, encoder, pad_id).await
    }

    /// Takes the logits of its next batch.
    fn take(&mut self, encoded: &[EncodedRow], logits: &[f32]) {
        let sources = self.batches.get(self.next).map(Vec::as_slice).unwrap_or_default();
        for (&row, logits) in sources.iter().zip(logits.chunks_exact(self.classes.max(1))) {
            let truth = encoded.get(row).and_then(|row| row.label).map(|label| label as usize);
            self.answers.push(Answer { row, truth, logits: logits.to_vec() });
        }
        self.next += 1;
    }

    /// The answers so far.
    #[must_use]
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// Counts over the labelled rows so far.
    #[must_use]
    pub fn confusion(&self) -> Confusion {
        let mut confusion = Confusion::new(self.classes);
        for answer in &self.answers {
            if let Some(truth) = answer.truth {
                confusion.add(truth, argmax(&answer.logits));
            }
        }
        confusion
    }

    /// Scores over the labelled rows so far; `None` where there are none. The loss is NaN where logits are.
    #[must_use]
    pub fn scores(&self) -> Option<Scores> {
        let losses = self
            .answers
            .iter()
            // Not `max`, which makes a number of NaN.
            .filter_map(|answer| Some(-softmax(&answer.logits).get(answer.truth?)?.clamp(f32::MIN_POSITIVE, 1.0).ln()));
        let (sum, count) = losses.fold((0.0, 0), |(sum, count), loss| (sum + loss, count + 1));
        let confusion = self.confusion();
        (count > 0).then(|| Scores {
            accuracy: confusion.accuracy(),
            macro_f1: confusion.macro_f1(),
            loss: sum / count as f32,
        })
    }
}
