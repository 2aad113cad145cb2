//! How far a command is as one number that never goes back, and the time left.

use super::words;
use crate::protocol::{Command, Phase, Progress};

/// Phases that a command reports, in order, with the share of its time that each takes, roughly; none where each report
/// counts what is done of the whole.
fn phases(command: &Command) -> &'static [(Phase, f64)] {
    use Phase::*;
    match command {
        Command::Start(_) => &[(WarmUp, 2.0), (SelfTest, 3.0)],
        Command::OpenPlm(_) => &[(Download, 6.0), (Read, 2.0), (Upload, 1.0)],
        Command::Open(_) => &[(Download, 3.0), (Read, 1.0)],
        Command::Align(_) | Command::ShowWeights(_) => &[(Features, 3.0), (Align, 2.0)],
        Command::Merge(_) => &[(Features, 3.0), (Merge, 3.0)],
        Command::Train(_) | Command::Resume(_) => &[(Train, 8.0), (Evaluate, 2.0)],
        Command::ShowNeuron(_) => &[(Features, 1.0)],
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
            (Phase::Upload, 1.0, 2.0),
            (Phase::Read, 0.0, 1.0),
            (Phase::Upload, 2.0, 2.0),
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
        let share = 8.0 / 9.0;
        assert_eq!(meter.left(11.0), None);
        assert!((meter.left(18.0).unwrap() - 8.0 * (1.0 - share) / share).abs() < 1e-9);
    }

    #[test]
    fn a_phase_says_what_it_counts() {
        let mut meter = Meter::new(&OpenPlm { name: String::new(), files: vec![] }.into(), 0.0);
        meter.hear(&report(Phase::Download, 45e6, 91e6));
        assert_eq!((meter.phase(), meter.detail()), ("Downloading", "45.0 MB of 91.0 MB"));
    }

    #[cfg(all(feature = "engine", not(target_arch = "wasm32")))]
    mod against_the_engine {
        use super::super::*;
        use crate::engine::{Engine, NoGpu, Observer, Ready};
        use crate::protocol::*;

        /// Hears each phase once.
        #[derive(Default)]
        struct Listener(Vec<Phase>);

        impl Observer for Listener {
            fn progress(&mut self, progress: Progress) -> Ready<'_> {
                if self.0.last() != Some(&progress.phase) {
                    self.0.push(progress.phase);
                }
                Box::pin(std::future::ready(Ok(())))
            }
            fn checkpoint(&mut self, _: Checkpoint) {}
            fn seconds(&self) -> f64 {
                0.0
            }
        }

        /// What `engine` answers, having reported the phases that are planned. It does not download: files are there. Reading
        /// hundreds of rows, which is no part of most plans for it is brief, does not occur either.
        fn ask<A: Ask>(engine: &mut Engine, ask: A) -> A::Answer {
            let command: Command = ask.into();
            let plan = phases(&command).iter().map(|(phase, _)| *phase).filter(|phase| *phase != Phase::Download);
            let plan: Vec<Phase> = plan.collect();
            let mut listener = Listener::default();
            let outcome = pollster::block_on(engine.handle(command, &mut listener)).unwrap();
            assert_eq!(listener.0, plan);
            A::answer(outcome).unwrap()
        }

        fn file(path: &str, known_as: &str) -> FileSource {
            let bytes = std::fs::read(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
            FileSource::Bytes(FileBytes { path: known_as.into(), bytes })
        }

        #[test]
        fn every_phase_that_is_planned_comes() {
            let mut engine = Engine::new(NoGpu);
            let files = PLM_FILES.map(|name| file(&format!("tests/fixtures/model/tiny/{name}"), name)).to_vec();
            ask(&mut engine, OpenPlm { name: "tiny".into(), files });
            let mut files = vec![file("www/samples/task/everyday-nli.tsv", "nli.tsv")];
            for name in
                ["a/adapter_config.json", "a/adapter.safetensors", "b/adapter_config.json", "b/adapter.safetensors"]
            {
                files.push(file(&format!("tests/fixtures/model/tiny_adapter/fusion/{name}"), name));
            }
            let opened = ask(&mut engine, Open { files });
            let [a, b] = [0, 1].map(|place| opened.adapters[place].id);
            // What has been read once is kept: each reads a text of its own.
            let texts = |text: &str| Texts::Lines(vec![text.into()]);
            let align = Align {
                reference: a,
                others: vec![b],
                by: AlignBy::Activations,
                solver: Solver::Exact,
                texts: texts("one"),
            };
            let location = || "layer.0.output".to_owned();
            ask(&mut engine, ShowWeights { align: align.clone(), other: b, location: location() });
            ask(&mut engine, Align { texts: texts("two"), ..align });
            ask(&mut engine, ShowNeuron { adapter: a, location: location(), neuron: 0, texts: texts("three") });
            let spec = MergeSpec {
                method: "mera_acts".into(),
                settings: Default::default(),
                adapters: vec![a, b],
                weights: vec![],
                reference: None,
                scale: OutputScale::None,
                texts: texts("four"),
            };
            let merged = ask(&mut engine, Merge { name: String::new(), spec }).adapter.id;
            let episode =
                EpisodeSpec { data: opened.data[0].id, test: None, test_rows: Some(8), k: 2, seed: 13, max_length: 16 };
            let settings = TrainSettings { epochs: 1, ..TrainSettings::default() };
            let start = RunStart::Adapter(merged);
            let run = ask(&mut engine, Train { name: "run".into(), start, episode, settings }).run;
            ask(&mut engine, Predict { run, text1: "one".into(), text2: None });
            ask(&mut engine, Export::Run(run));
        }
    }
}
