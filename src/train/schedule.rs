//! Learning rate by step: linear warm-up, then linear decay to zero, as `transformers`
//! (`get_linear_schedule_with_warmup`) counts it, the first step having rate 0 where there is a warm-up.

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearSchedule {
    /// Reached at the end of the warm-up.
    pub peak: f64,
    /// Steps of warm-up.
    pub warmup: usize,
    /// Steps in all.
    pub total: usize,
}

impl LinearSchedule {
    /// The rate of `step`, from 0.
    #[must_use]
    pub fn rate(&self, step: usize) -> f64 {
        let ratio = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        if step < self.warmup {
            self.peak * ratio(step, self.warmup)
        } else {
            self.peak * ratio(self.total.saturating_sub(step), self.total.saturating_sub(self.warmup))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_and_falls() {
        let schedule = LinearSchedule { peak: 1.0, warmup: 2, total: 6 };
        let rates: Vec<f64> = (0..8).map(|step| schedule.rate(step)).collect();
        assert_eq!(rates, [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]);
        assert_eq!(LinearSchedule { peak: 1.0, warmup: 0, total: 2 }.rate(0), 1.0);
    }
}
