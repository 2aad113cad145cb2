//! How far a command is as one number that never goes back, and the time left.

use super::words;
use crate::protocol::{Command, Phase, Progress};

/// Phases of a command with the share of its time that each takes, roughly.
fn phases(command: &Command) -> &'static [(Phase, f64)] {
    use Phase::*;
    match command {
        Command::Start(_) => &[(WarmUp, 2.0), (SelfTest, 3.0)],
        Command::OpenPlm(_) => &[(Download, 6.0), (Read, 2.0), (Upload, 1.0), (WarmUp, 2.0)],
        Command::Open(_) => &[(Download, 3.0), (Read, 1.0)],
        Command::Align(_) | Command::ShowWeights(_) => &[(Features, 3.0), (Align, 2.0)],
        Command::Merge(_) => &[(Features, 3.0), (Align, 2.0), (Merge, 1.0)],
        Command::Train(_) | Command::Resume(_) => {
            &[(WarmUp, 0.5), (Features, 1.0), (Train, 8.0), (Evaluate, 2.0), (Write, 0.1)]
        }
        Command::ShowNeuron(_) => &[(Features, 1.0)],
        Command::Predict(_) => &[(Evaluate, 1.0)],
        Command::Export(_) => &[(Write, 1.0)],
        Command::Bench(_) => &[(Evaluate, 1.0), (Train, 2.0)],
        _ => &[],
    }
}

/// How far one command is.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {
    plan: &'static [(Phase, f64)],
    began: f64,
    share: f64,
    phase: Option<Phase>,
    detail: String,
}

impl Meter {
    /// For a command that begins `now`, in seconds of any clock.
    #[must_use]
    pub fn new(command: &Command, now: f64) -> Self {
        Self { plan: phases(command), began: now, share: 0.0, phase: None, detail: String::new() }
    }

    /// Takes in the next report.
    pub fn hear(&mut self, progress: &Progress) {
        let within = if progress.total > 0.0 { (progress.done / progress.total).clamp(0.0, 1.0) } else { 0.0 };
        let whole: f64 = self.plan.iter().map(|(_, weight)| weight).sum();
        let before: f64 =
            self.plan.iter().take_while(|(phase, _)| *phase != progress.phase).map(|(_, weight)| weight).sum();
        if let Some((_, weight)) = self.plan.iter().find(|(phase, _)| *phase == progress.phase) {
            self.share = self.share.max((before + within * weight) / whole);
        } else if self.plan.is_empty() {
            self.share = self.share.max(within);
        }
        self.phase = Some(progress.phase);
        self.detail = match progress.phase {
            _ if progress.total <= 0.0 => String::new(),
            Phase::Download => format!("{} of {}", words::bytes(progress.done), words::bytes(progress.total)),
            Phase::Train => format!("step {:.0} of {:.0}", progress.done, progress.total),
            Phase::Features | Phase::Evaluate => format!("batch {:.0} of {:.0}", progress.done, progress.total),
            Phase::Align | Phase::Merge => format!("location {:.0} of {:.0}", progress.done, progress.total),
            _ => String::new(),
        };
    }

    /// 0 to 1; never less than before.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.share
    }

    /// The phase in words; empty before the first report.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        self.phase.map_or("", Phase::label)
    }

    /// `step 12 of 60`, where there is such a thing.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Seconds still to go, once there is enough to reckon from.
    #[must_use]
    pub fn left(&self, now: f64) -> Option<f64> {
        let passed = now - self.began;
        (self.share >= 0.05 && self.share < 1.0 && passed >= 2.0).then(|| passed * (1.0 - self.share) / self.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::OpenPlm;

    fn report(phase: Phase, done: f64, total: f64) -> Progress {
        Progress { phase, done, total, point: None, run: 0, rate: None }
    }

    #[test]
    fn it_never_goes_back() {
        let mut meter = Meter::new(&OpenPlm { name: String::new(), files: vec![] }.into(), 0.0);
        let mut last = 0.0;
        for (phase, done, total) in [
            (Phase::Download, 0.0, 0.0),
            (Phase::Download, 5.0, 10.0),
            (Phase::Download, 4.0, 10.0),
            (Phase::Upload, 1.0, 1.0),
            (Phase::Read, 0.0, 1.0),
            (Phase::WarmUp, 1.0, 1.0),
        ] {
            meter.hear(&report(phase, done, total));
            assert!(meter.share() >= last, "{phase:?} went from {last} to {}", meter.share());
            last = meter.share();
        }
        assert_eq!(last, 1.0);
    }

    #[test]
    fn time_left_waits_until_it_means_something() {
        let mut meter = Meter::new(&OpenPlm { name: String::new(), files: vec![] }.into(), 10.0);
        assert_eq!(meter.left(20.0), None);
        meter.hear(&report(Phase::Read, 2.0, 2.0));
        let share = 8.0 / 11.0;
        assert_eq!(meter.left(11.0), None);
        assert!((meter.left(18.0).unwrap() - 8.0 * (1.0 - share) / share).abs() < 1e-9);
    }

    #[test]
    fn a_phase_says_what_it_counts() {
        let mut meter = Meter::new(&OpenPlm { name: String::new(), files: vec![] }.into(), 0.0);
        meter.hear(&report(Phase::Download, 45e6, 91e6));
        assert_eq!((meter.phase(), meter.detail()), ("Downloading", "45.0 MB of 91.0 MB"));
    }
}
