//! How good the adapters of an experiment look for a target before any training.

use crate::protocol::*;
use crate::ui::state::progress::Meter;
use vecmap::VecMap;

/// What the scores are of: all that they depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Name of the experiment.
    pub experiment: String,
    /// The PLM, as the experiment's file names it.
    pub plm: String,
    /// The adapters that the target may use: their places in the file, names and paths.
    pub adapters: Vec<(usize, String, String)>,
    /// The data of the target: train, and test, empty where there is none.
    pub data: (String, String),
    /// Examples a class: the first number of the experiment.
    pub k: usize,
    /// Of the episode: the first one of the experiment.
    pub seed: u64,
    /// Longest sequence in tokens.
    pub max_length: usize,
}

impl Question {
    /// The question about target number `target` of `sheet` on PLM number `plm`, for the experiment of that name.
    ///
    /// # Errors
    /// One line that says what the sheet lacks.
    pub fn new(experiment: &str, sheet: &ExperimentSheet, target: usize, plm: usize) -> Result<Self, String> {
        let target = sheet.targets.get(target).ok_or("targets: there is no such target")?;
        let used = sheet.adapters.iter().enumerate().filter(|(_, adapter)| !target.without.contains(&adapter.name));
        let max_length = sheet.training.get("max_length").and_then(|value| value.parse().ok());
        Ok(Self {
            experiment: experiment.to_owned(),
            plm: sheet.plms.get(plm).ok_or("plm: there is no such PLM")?.clone(),
            adapters: used.map(|(place, adapter)| (place, adapter.name.clone(), adapter.path.clone())).collect(),
            data: (target.train.clone(), target.test.clone()),
            k: *sheet.shots.first().ok_or("shots: the experiment names no k")?,
            seed: *sheet.seeds.first().ok_or("seeds: the experiment names no seed")?,
            max_length: max_length.ok_or("max_length: it is no whole number")?,
        })
    }

    /// The same on each of the sheet's PLMs.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn on_every_plm(experiment: &str, sheet: &ExperimentSheet, target: usize) -> Result<Vec<Self>, String> {
        (0..sheet.plms.len()).map(|plm| Self::new(experiment, sheet, target, plm)).collect()
    }

    /// As the engine is asked, given what it has loaded: the adapters in the file's order, the target's data.
    #[must_use]
    pub fn ask(&self, adapters: &[AdapterId], (data, test): (DataId, Option<DataId>)) -> ScoreAdapters {
        let adapters = self.adapters.iter().filter_map(|(place, ..)| adapters.get(*place).copied()).collect();
        let Self { k, seed, max_length, .. } = *self;
        ScoreAdapters { adapters, episode: EpisodeSpec { data, test, test_rows: None, k, seed, max_length } }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What was asked.
    pub question: Question,
    /// Leave-one-out accuracies, 0 to 1, of the adapters in the question's order and of the PLM alone.
    pub scores: AdapterScores,
}

impl Evidence {
    /// The scores as records have them: by adapter, and of the PLM alone under `none`.
    #[must_use]
    pub fn by_name(&self) -> VecMap<String, f64> {
        let names = self.question.adapters.iter().map(|(_, name, _)| name.clone());
        let adapters = names.zip(self.scores.scores.iter().copied());
        adapters.chain([("none".to_owned(), self.scores.none)]).collect()
    }
}

/// Scores that are being computed: a worker loads what the experiment names, one thing after the other, and scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Scoring {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the target.
    pub target: String,
    /// What the worker is at, in a few words.
    pub doing: String,
    /// Whether it has been told to stop.
    pub stopping: bool,
    steps: usize,
    step: usize,
    meter: Option<Meter>,
}

impl Scoring {
    /// Scores for a target, in so many commands to the worker.
    #[must_use]
    pub fn new(experiment: String, target: String, steps: usize) -> Self {
        Self { experiment, target, doing: String::new(), stopping: false, steps, step: 0, meter: None }
    }

    /// The next command begins `now`, in seconds of any clock.
    pub fn begin(&mut self, command: &Command, now: f64) {
        self.step += usize::from(self.meter.is_some());
        self.meter = Some(Meter::new(command, now));
    }

    /// The command reports.
    pub fn hear(&mut self, progress: &Progress) {
        if let Some(meter) = &mut self.meter {
            meter.hear(progress);
        }
    }

    /// 0 to 1; never less than before.
    #[must_use]
    pub fn share(&self) -> f64 {
        let within = self.meter.as_ref().map_or(0.0, Meter::share);
        ((self.step as f64 + within) / self.steps.max(1) as f64).min(1.0)
    }

    /// What is going on, for a person.
    #[must_use]
    pub fn words(&self) -> String {
        let phase = self.meter.as_ref().map_or("", Meter::phase);
        let doing = if self.stopping { "stopping…" } else { &self.doing };
        [doing, phase].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
    }
}

/// Commands that bring a worker from nothing to the scores: the PLM, each adapter, each data file, the plan, the scores.
#[must_use]
pub fn steps(sheet: &ExperimentSheet) -> usize {
    let data: usize = sheet.targets.iter().map(|target| 1 + usize::from(!target.test.is_empty())).sum();
    3 + sheet.adapters.len() + data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> ExperimentSheet {
        let adapter = |name: &str| SheetAdapter { name: name.into(), path: name.into(), track: String::new() };
        ExperimentSheet {
            plms: vec!["models/tiny".into()],
            shots: vec![8, 16],
            seeds: vec![21, 13],
            adapters: ["own", "mnli", "snli"].map(adapter).to_vec(),
            targets: vec![SheetTarget {
                name: "own".into(),
                train: "train.tsv".into(),
                test: "test.tsv".into(),
                without: vec!["own".into()],
                ..SheetTarget::default()
            }],
            training: VecMap::from([("max_length".to_owned(), "48".to_owned())]),
            ..ExperimentSheet::default()
        }
    }

    #[test]
    fn the_question_is_about_the_first_episode_and_the_adapters_in_use() {
        let question = Question::new("short", &sheet(), 0, 0).unwrap();
        let loaded = [7, 8, 9].map(AdapterId);
        let ask = question.ask(&loaded, (DataId(1), Some(DataId(2))));
        assert_eq!(ask.adapters, [AdapterId(8), AdapterId(9)]);
        let episode = ask.episode;
        assert_eq!((episode.k, episode.seed, episode.max_length), (8, 21, 48));
        assert_eq!((episode.data, episode.test, episode.test_rows), (DataId(1), Some(DataId(2)), None));
        let scores = AdapterScores { none: 0.5, scores: vec![0.75, 0.25] };
        let by_name = Evidence { question, scores }.by_name();
        assert_eq!(by_name, [("mnli", 0.75), ("none", 0.5), ("snli", 0.25)].map(|(n, s)| (n.to_owned(), s)).into());
    }

    #[test]
    fn a_track_changes_nothing_and_an_example_more_does() {
        let asked = Question::new("short", &sheet(), 0, 0).unwrap();
        let changed = |change: fn(&mut ExperimentSheet)| {
            let mut sheet = sheet();
            change(&mut sheet);
            Question::new("short", &sheet, 0, 0).unwrap() != asked
        };
        assert!(!changed(|sheet| sheet.targets[0].track = "NLI".into()));
        assert!(!changed(|sheet| sheet.adapters[1].track = "NLI".into()));
        assert!(changed(|sheet| sheet.shots[0] = 4));
        assert!(changed(|sheet| sheet.targets[0].without.clear()));
        assert_eq!(Question::new("short", &sheet(), 1, 0), Err("targets: there is no such target".into()));
        let both = ExperimentSheet { plms: vec!["models/tiny".into(), "models/other".into()], ..sheet() };
        let plms = Question::on_every_plm("short", &both, 0).unwrap().into_iter().map(|asked| asked.plm);
        assert_eq!(plms.collect::<Vec<_>>(), both.plms);
        let unfinished = ExperimentSheet { seeds: vec![], ..sheet() };
        assert_eq!(Question::new("short", &unfinished, 0, 0), Err("seeds: the experiment names no seed".into()));
    }

    #[test]
    fn the_share_of_all_commands_never_goes_back() {
        let question = Question::new("short", &sheet(), 0, 0).unwrap();
        let mut scoring = Scoring::new("short".into(), "own".into(), 2);
        let command: Command = question.ask(&[], (DataId(0), None)).into();
        let report = |done| Progress { phase: Phase::Features, done, total: 4.0, point: None, run: 0, rate: None };
        let mut shares = vec![scoring.share()];
        for done in [1.0, 4.0, 0.0, 2.0] {
            if done <= 1.0 {
                scoring.begin(&command, 0.0);
            }
            scoring.hear(&report(done));
            shares.push(scoring.share());
        }
        assert_eq!(shares, [0.0, 0.125, 0.5, 0.5, 0.75]);
        scoring.doing = "scores".into();
        assert_eq!(scoring.words(), "scores · Reading the texts");
        scoring.stopping = true;
        assert_eq!(scoring.words(), "stopping… · Reading the texts");
        assert_eq!(steps(&sheet()), 8);
    }
}
