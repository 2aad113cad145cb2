//! The straight line between two adapters: whether what lies between them is as good as its ends.
//!
//! Two networks that differ by the order of their neurons alone have a barrier between them, and none once they are
//! aligned (Ainsworth et al., *Git Re-Basin*, 2022). The head is fitted anew at every point, in closed form, for neither
//! adapter's own head suits what lies between: the loss is that of [`score::leave_one_out`].

use super::data::PreparedEpisode;
use super::{Engine, EngineError, Observer};
use crate::experiment::score;
use crate::model::AdapterForm;
use crate::protocol::{Line, LinePoint, LineReport, Phase, ShowLine};
use crate::tensors::{Tensor, TensorSet};
use nalgebra::DMatrix;

/// Points from one end to the other, both ends among them.
const POINTS: usize = 9;

/// What every point of the line is judged on.
struct Judged {
    episode: PreparedEpisode,
    /// Of both ends, and what lies between.
    form: AdapterForm,
    /// Support and dev.
    rows: Vec<usize>,
    /// Their classes.
    labels: Vec<usize>,
    /// 1 at a row's class, 0 elsewhere, `[rows, classes]`.
    targets: DMatrix<f64>,
}

impl Engine {
    pub(super) async fn show_line(
        &mut self,
        ask: &ShowLine,
        observer: &mut dyn Observer,
    ) -> Result<LineReport, EngineError> {
        let [reference, stored, aligned] = self.aligned_pair(&ask.align, ask.other, observer).await?;
        let form = self.adapters.get(ask.align.reference)?.form()?;
        let episode = self.prepare_episode(&ask.episode, observer).await?;
        let (rows, labels) = episode.seen();
        let classes = episode.run_data.classes;
        let targets = DMatrix::from_fn(rows.len(), classes, |row, class| f64::from(u8::from(labels[row] == class)));
        let judged = Judged { episode, form, rows, labels, targets };
        let ends: Vec<&TensorSet> =
            [&stored, &aligned].into_iter().filter(|end| same_shapes(&reference, end)).collect();
        let total = 1 + ends.len() * (POINTS - 1);
        observer.at(Phase::Evaluate, 0, total).await?;
        let start = self.point(&judged, 0.0, &reference).await?;
        let mut lines = Vec::new();
        for (number, end) in ends.iter().enumerate() {
            let mut points = vec![start];
            for step in 1..POINTS {
                observer.at(Phase::Evaluate, number * (POINTS - 1) + step, total).await?;
                let share = step as f32 / (POINTS - 1) as f32;
                points.push(self.point(&judged, share, &between(&reference, end, share)).await?);
            }
            lines.push(Line { barrier: barrier(&points), points });
        }
        // What is aligned has the reference's shapes, whatever it had before.
        let aligned = lines.pop().ok_or(EngineError::NoAdapter(ask.other))?;
        Ok(LineReport { stored: lines.pop(), aligned })
    }

    async fn point(&self, judged: &Judged, share: f32, params: &TensorSet) -> Result<LinePoint, EngineError> {
        let Judged { episode, form, rows, labels, targets } = judged;
        let features = self.first_tokens(episode, rows, Some((params, *form))).await?;
        let score = score::leave_one_out(&features, labels, episode.run_data.classes)?;
        let loss = (score.margins - targets).norm_squared() / rows.len() as f64;
        Ok(LinePoint { share, loss: loss as f32, accuracy: score.accuracy as f32 })
    }
}

fn same_shapes(a: &TensorSet, b: &TensorSet) -> bool {
    a.iter().all(|(name, tensor)| b.get(name).is_some_and(|other| other.shape() == tensor.shape()))
}

/// `(1 − share) · from + share · to`, of the same shapes.
fn between(from: &TensorSet, to: &TensorSet, share: f32) -> TensorSet {
    let mix = |(name, a): (&str, &Tensor)| {
        let others = to.get(name).map(Tensor::values).unwrap_or_default();
        let values = a.values().iter().zip(others).map(|(a, b)| (1.0 - share) * a + share * b).collect();
        Some((name.to_owned(), Tensor::new(a.shape().to_vec(), values).ok()?))
    };
    from.iter().filter_map(mix).collect()
}

/// How far the loss rises above the straight line between its ends, at most.
fn barrier(points: &[LinePoint]) -> f32 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
    let above = |point: &LinePoint| point.loss - ((1.0 - point.share) * first.loss + point.share * last.loss);
    points.iter().map(above).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_barrier_is_what_rises_above_the_ends() {
        let points = |losses: &[f32]| -> Vec<LinePoint> {
            let at = |(step, &loss)| LinePoint { share: step as f32 / (losses.len() - 1) as f32, loss, accuracy: 0.0 };
            losses.iter().enumerate().map(at).collect()
        };
        assert_eq!(barrier(&points(&[0.5, 0.9, 0.7])), 0.9 - 0.6);
        assert_eq!(barrier(&points(&[0.5, 0.4, 0.7])), 0.0);
        assert_eq!(barrier(&[]), 0.0);
    }
}
