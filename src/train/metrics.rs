//! How good answers are, counted on the CPU.

/// Accuracy, F1 and loss over some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// Share of right answers, 0 to 1.
    pub accuracy: f32,
    /// Mean of the classes' F1, 0 to 1; a class that neither occurs nor is answered is left out.
    pub macro_f1: f32,
    /// Mean cross-entropy in nats.
    pub loss: f32,
}

/// Whether one result on dev is better than another, both as accuracy and loss: the more accurate, of equals the one
/// with the lower loss.
#[must_use]
pub fn better_on_dev<T: PartialOrd>((accuracy, loss): (T, T), (other_accuracy, other_loss): (T, T)) -> bool {
    accuracy > other_accuracy || (accuracy == other_accuracy && loss < other_loss)
}

/// How often class `row` was answered with class `column`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u32>,
}

impl Confusion {
    /// Empty, for `classes` classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts one answer; classes outside the range are not counted.
    pub fn add(&mut self, truth: usize, answer: usize) {
        if truth < self.classes && answer < self.classes {
            self.counts[truth * self.classes + answer] += 1;
        }
    }

    /// `classes · classes` counts, a true class a row.
    #[must_use]
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Share of the diagonal; 0 where nothing was counted.
    #[must_use]
    pub fn accuracy(&self) -> f32 {
        let right: u32 = (0..self.classes).map(|class| self.counts[class * (self.classes + 1)]).sum();
        right as f32 / self.counts.iter().sum::<u32>().max(1) as f32
    }

    /// Mean over the classes of 2 · right / (occurring + answered), as scikit-learn's `f1_score(average="macro")`.
    #[must_use]
    pub fn macro_f1(&self) -> f32 {
        let f1 = (0..self.classes).filter_map(|class| {
            let row: u32 = self.counts[class * self.classes..][..self.classes].iter().sum();
            let column: u32 = self.counts.iter().skip(class).step_by(self.classes).sum();
            (row + column > 0).then(|| 2.0 * self.counts[class * (self.classes + 1)] as f32 / (row + column) as f32)
        });
        let (sum, count) = f1.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
        sum / count.max(1) as f32
    }
}

/// Probabilities from logits.
#[must_use]
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Index of the largest value, the first of equals.
#[must_use]
pub fn argmax(values: &[f32]) -> usize {
    values.iter().enumerate().fold(0, |best, (index, value)| if *value > values[best] { index } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_a_small_case() {
        let mut confusion = Confusion::new(3);
        for (truth, answer) in [(0, 0), (0, 0), (0, 1), (1, 1), (1, 0)] {
            confusion.add(truth, answer);
        }
        assert_eq!(confusion.accuracy(), 0.6);
        // Class 0: 2·2/(3+3), class 1: 2·1/(2+2), class 2 neither occurs nor is answered.
        assert!((confusion.macro_f1() - (2.0 / 3.0 + 0.5) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn always_the_majority_scores_as_it_should() {
        let mut confusion = Confusion::new(2);
        (0..68).for_each(|_| confusion.add(1, 1));
        (0..32).for_each(|_| confusion.add(0, 1));
        assert!((confusion.accuracy() - 0.68).abs() < 1e-6);
        assert!((confusion.macro_f1() - 0.68 / 1.68).abs() < 1e-6);
    }

    #[test]
    fn probabilities_of_large_logits() {
        assert_eq!(softmax(&[1000.0, 1000.0]), [0.5, 0.5]);
        assert_eq!(argmax(&[0.0, 2.0, 2.0]), 1);
    }
}
