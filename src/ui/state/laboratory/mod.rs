//! The laboratory: experiments with their files, the tables that their runs fill, a run looked at closely.

pub mod bundle;
pub mod form;
pub mod link;
pub mod run;
pub mod score;
pub mod table;
pub mod variant;

pub use bundle::Bundle;

use crate::client::pool;
use crate::protocol::*;
use serde::{Deserialize, Serialize};

/// An experiment of the page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Experiment {
    /// Its file, with the files that it names.
    pub bundle: Bundle,
    /// What the file says; empty where it can't be read.
    pub sheet: ExperimentSheet,
    /// The form was changed and the file does not say so yet.
    pub unwritten: bool,
    /// Why the file can't be read, in one line.
    pub unreadable: Option<String>,
    /// Its runs, a card a PLM, once planned.
    pub cards: Vec<ExperimentCard>,
    /// How it stands.
    pub status: Status,
    /// Under which stamp its files are kept in the browser; `None` where they are not.
    pub kept: Option<String>,
}

/// How an experiment stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Not begun, or changed since.
    #[default]
    Draft,
    /// Another one is done first.
    Queued,
    /// Workers are brought up.
    Preparing,
    /// Runs are being done.
    Running,
    /// No new run is begun; those that have begun go on.
    Pausing,
    /// Runs that have begun are given up.
    Stopping,
    /// It can be gone on with.
    Paused,
    /// Every run is done or has failed.
    Done,
}

impl Status {
    /// What a person reads.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Status::Draft => "not run yet",
            Status::Queued => "waits for its turn",
            Status::Preparing => "preparing",
            Status::Running => "running",
            Status::Pausing => "pausing",
            Status::Stopping => "stopping",
            Status::Paused => "paused",
            Status::Done => "done",
        }
    }

    /// For the style sheet and tests.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Status::Draft => "draft",
            Status::Queued => "queued",
            Status::Preparing => "preparing",
            Status::Running => "running",
            Status::Pausing => "pausing",
            Status::Stopping => "stopping",
            Status::Paused => "paused",
            Status::Done => "done",
        }
    }

    /// Whether it can be gone on with: what is being stopped has to have stopped first.
    #[must_use]
    pub fn can_resume(self) -> bool {
        matches!(self, Status::Paused | Status::Pausing)
    }

    /// Whether workers are at it, or will be by themselves: then it can't be changed.
    #[must_use]
    pub fn is_locked(self) -> bool {
        self.is_active() || self == Status::Queued
    }

    /// Whether workers are at it.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Status::Preparing | Status::Running | Status::Pausing | Status::Stopping)
    }
}

impl Experiment {
    /// Every run, on every PLM.
    pub fn runs(&self) -> impl Iterator<Item = &PlannedCard> {
        self.cards.iter().flat_map(|card| &card.runs)
    }

    /// Whether everything is there that its runs need.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let is_read = self.unreadable.is_none() && !self.unwritten && !self.sheet.plms.is_empty();
        is_read && self.bundle.missing(&self.sheet).is_empty()
    }

    /// Whether nothing has been planned or begun of it.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.status == Status::Draft && self.cards.is_empty()
    }

    /// Whether it was changed since its runs were planned, so that they are those of another file.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.status == Status::Draft && !self.cards.is_empty()
    }

    /// Puts in the plan for the PLM number `plm`. Plans for later PLMs stay, unless this one shows that they are of
    /// another file.
    pub fn plan(&mut self, plm: usize, card: ExperimentCard) {
        let hashes = |card: &ExperimentCard| card.runs.iter().map(|run| run.hash.clone()).collect::<Vec<_>>();
        match self.cards.get_mut(plm) {
            Some(there) if hashes(there) == hashes(&card) => *there = card,
            _ => {
                self.cards.truncate(plm);
                self.cards.push(card);
            }
        }
        self.cards.truncate(self.sheet.plms.len());
    }

    /// Runs that `is_done` says are done, and all: a PLM that is not planned yet counts as the first one does.
    #[must_use]
    pub fn progress(&self, is_done: &dyn Fn(&str) -> bool) -> (usize, usize) {
        let all = self.runs().count() + self.unplanned().map(|card| card.runs.len()).sum::<usize>();
        (self.runs().filter(|run| is_done(&run.hash)).count(), all)
    }

    /// Work on the PLMs after number `plm` that `is_done` does not say is done, in the unit of [`PlannedCard::work`].
    #[must_use]
    pub fn work_after(&self, plm: usize, is_done: &dyn Fn(&str) -> bool) -> f64 {
        let planned = self.cards.iter().skip(plm + 1).flat_map(|card| &card.runs).filter(|run| !is_done(&run.hash));
        planned.chain(self.unplanned().flat_map(|card| &card.runs)).map(pool::work).sum()
    }

    /// How it stands when nobody is at it, by which runs are done.
    #[must_use]
    pub fn standing(&self, is_done: &dyn Fn(&str) -> bool) -> Status {
        match self.progress(is_done) {
            (_, 0) => Status::Draft,
            (done, all) if done == all => Status::Done,
            _ => Status::Paused,
        }
    }

    /// The first plan, once for every PLM that has none.
    fn unplanned(&self) -> impl Iterator<Item = &ExperimentCard> {
        let missing = self.sheet.plms.len().saturating_sub(self.cards.len());
        self.cards.iter().take(1).flat_map(move |card| std::iter::repeat_n(card, missing))
    }
}

/// A run that is going on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveRun {
    /// Its steps so far, by learning rate.
    pub curves: Vec<RateCurve>,
}

impl LiveRun {
    /// Takes in a step with the learning rate whose peak is `rate`. A step is told once more when it has been judged on
    /// dev, and one that is begun anew repeats its steps: the later one holds.
    pub fn hear(&mut self, rate: f64, point: TrainPoint) {
        let place = self.curves.iter().position(|curve| curve.learning_rate == rate).unwrap_or_else(|| {
            self.curves.push(RateCurve { learning_rate: rate, points: vec![] });
            self.curves.len() - 1
        });
        let points = &mut self.curves[place].points;
        points.retain(|earlier| earlier.step < point.step);
        points.push(point);
    }
}

/// What is kept of an experiment between visits, beside its files and records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Name.
    pub name: String,
    /// TOML.
    pub toml: String,
    /// Its files: by address, or by the name under which their bytes are kept.
    pub files: Vec<KeptFile>,
    /// What those names begin with: files that are kept later have others.
    #[serde(default = "unstamped")]
    pub stamp: String,
    /// Lines of records that came with it.
    #[serde(default)]
    pub records: Vec<String>,
    /// Whether its file was changed since the plan.
    #[serde(default)]
    pub changed: bool,
    /// What the file says, and its plan, so that its table is there before any worker is.
    #[serde(default)]
    pub sheet: ExperimentSheet,
    /// A card a PLM.
    pub cards: Vec<ExperimentCard>,
}

/// What the names began with before there were stamps.
fn unstamped() -> String {
    "files".to_owned()
}

/// A file of a kept experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Its path.
    pub path: String,
    /// Where it is fetched from; none where its bytes are kept.
    pub url: Option<String>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn planned(hash: &str, method: &str, k: usize, seed: u64) -> PlannedCard {
        PlannedCard {
            hash: hash.into(),
            plm: "tiny".into(),
            target: "cr".into(),
            k,
            seed,
            method: method.into(),
            tracks: "mixed".into(),
            uses_adapters: method != "head",
            work: 1.0,
            after: vec![],
        }
    }

    fn point(step: usize) -> TrainPoint {
        TrainPoint { step, epoch: 0.0, loss: 1.0, learning_rate: 1e-3, dev: None }
    }

    fn steps(live: &LiveRun) -> Vec<Vec<usize>> {
        live.curves.iter().map(|curve| curve.points.iter().map(|point| point.step).collect()).collect()
    }

    #[test]
    fn what_is_being_stopped_is_not_gone_on_with() {
        assert!(Status::Queued.is_locked() && !Status::Queued.is_active() && !Status::Paused.is_locked());
        assert!(Status::Stopping.is_active() && !Status::Stopping.can_resume());
        assert!(Status::Pausing.is_active() && Status::Pausing.can_resume());
    }

    #[test]
    fn a_step_that_is_judged_takes_its_own_place() {
        let scores = Scores { accuracy: 0.5, macro_f1: 0.5, loss: 1.0 };
        let mut live = LiveRun::default();
        for step in 1..=4 {
            live.hear(1e-3, point(step));
            if step % 2 == 0 {
                live.hear(1e-3, TrainPoint { dev: Some(scores), ..point(step) });
            }
        }
        assert_eq!(steps(&live), [[1, 2, 3, 4]]);
        assert_eq!(live.curves[0].points.iter().filter(|point| point.dev.is_some()).count(), 2);
    }

    #[test]
    fn learning_rates_of_one_pass_are_told_apart() {
        let mut live = LiveRun::default();
        for step in 1..=3 {
            live.hear(1e-3, point(step));
            live.hear(5e-3, point(step));
        }
        assert_eq!(steps(&live), [[1, 2, 3], [1, 2, 3]]);
    }

    fn card(hashes: &[&str]) -> ExperimentCard {
        let run = |hash: &&str| PlannedCard { work: 10.0, ..planned(hash, "head", 4, 13) };
        ExperimentCard { runs: hashes.iter().map(run).collect(), ..ExperimentCard::default() }
    }

    /// An experiment on so many PLMs, of which some are planned.
    fn experiment(plms: usize, cards: &[&[&str]]) -> Experiment {
        let sheet = ExperimentSheet { plms: vec!["plm".into(); plms], ..ExperimentSheet::default() };
        Experiment { sheet, cards: cards.iter().map(|hashes| card(hashes)).collect(), ..Experiment::default() }
    }

    #[test]
    fn progress_counts_over_all_plms() {
        let mut both = experiment(2, &[&["a", "b"], &["c"]]);
        assert_eq!(both.progress(&|hash| hash != "b"), (2, 3));
        assert_eq!((both.work_after(0, &|_| false), both.work_after(0, &|_| true)), (10.0, 0.0));
        assert_eq!(both.work_after(1, &|_| false), 0.0);
        both.cards.truncate(1);
        assert_eq!(both.progress(&|hash| hash != "b"), (1, 4), "the second PLM counts before it is planned");
        assert_eq!(both.work_after(0, &|_| true), 20.0);
    }

    #[test]
    fn an_experiment_is_done_when_every_plm_is() {
        assert_eq!(experiment(2, &[]).standing(&|_| true), Status::Draft);
        assert_eq!(experiment(2, &[&["a", "b"]]).standing(&|_| true), Status::Paused, "the second PLM is to come");
        assert_eq!(experiment(2, &[&["a"], &["b"]]).standing(&|hash| hash == "a"), Status::Paused);
        assert_eq!(experiment(2, &[&["a"], &["b"]]).standing(&|_| true), Status::Done);
    }

    #[test]
    fn planning_anew_keeps_the_plms_that_are_planned() {
        let hashes = |one: &Experiment| one.runs().map(|run| run.hash.clone()).collect::<Vec<_>>();
        let mut one = experiment(2, &[&["a"], &["b"]]);
        one.plan(0, card(&["a"]));
        assert_eq!(hashes(&one), ["a", "b"]);
        one.plan(0, card(&["a", "new"]));
        assert_eq!(hashes(&one), ["a", "new"], "the other plan was of another file");
        let mut fewer = experiment(1, &[&["a"], &["b"]]);
        fewer.plan(0, card(&["a"]));
        assert_eq!(hashes(&fewer), ["a"]);
    }
}
