//! Finished runs side by side: a table, values by method, differences paired by episode.

use crate::protocol::*;
use crate::viz::{Table, sort_by};

/// What must be equal for runs to be compared: everything but their seeds, by which they are paired, and what is trained,
/// which is in their names.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// What is drawn, for any seed.
    pub episode: EpisodeSpec,
    settings: TrainSettings,
}

impl Task {
    /// The task of a run.
    #[must_use]
    pub fn of(asked: &Train) -> Self {
        let Train { episode, settings, .. } = asked;
        Self { episode: seedless(episode), settings: TrainSettings { seed: 0, trained: Trained::All, ..*settings } }
    }

    /// Whether the episode is one of the task's.
    #[must_use]
    pub fn draws(&self, episode: &EpisodeSpec) -> bool {
        self.episode == seedless(episode)
    }

    /// What sets the task apart from others on the same data with as many examples, in words: `epochs 12`.
    #[must_use]
    pub fn apart_from(&self, others: &[Self]) -> Vec<String> {
        let differs = |place: usize, value: &str| others.iter().any(|other| other.settings()[place].1 != value);
        let all = self.settings().into_iter().enumerate();
        all.filter(|(place, (_, value))| differs(*place, value))
            .map(|(_, (name, value))| format!("{name} {value}"))
            .collect()
    }

    fn settings(&self) -> [(&'static str, String); 9] {
        let TrainSettings { epochs, batch_size, learning_rate, warmup, weight_decay, clip, dropout, patience, .. } =
            self.settings;
        [
            ("tokens", self.episode.max_length.to_string()),
            ("epochs", epochs.to_string()),
            ("learning rate", learning_rate.to_string()),
            ("batch", batch_size.to_string()),
            ("warm-up", warmup.to_string()),
            ("weight decay", weight_decay.to_string()),
            ("clip", clip.to_string()),
            ("dropout", dropout.to_string()),
            ("patience", patience.to_string()),
        ]
    }
}

fn seedless(episode: &EpisodeSpec) -> EpisodeSpec {
    EpisodeSpec { seed: 0, ..episode.clone() }
}

/// The tasks that runs have been judged on, in order of appearance.
#[must_use]
pub fn tasks(runs: &[RunReport]) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    for run in judged(runs) {
        let task = Task::of(&run.asked);
        if !tasks.contains(&task) {
            tasks.push(task);
        }
    }
    tasks
}

/// All runs of one name on one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Name of the runs.
    pub name: String,
    /// `((seed of the draw, seed of training), score)`, the last run where one was repeated; by seed.
    pub scores: Vec<((u64, u64), Scores)>,
}

impl Group {
    /// Accuracies by seed.
    #[must_use]
    pub fn accuracies(&self) -> Vec<f64> {
        self.scores.iter().map(|(_, scores)| f64::from(scores.accuracy)).collect()
    }

    /// Mean accuracy.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let values = self.accuracies();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    }

    /// Accuracy minus the other's, for each pair of seeds that both have.
    #[must_use]
    pub fn minus(&self, other: &Group) -> Vec<f64> {
        let of = |seed| other.scores.iter().find(|(theirs, _)| *theirs == seed);
        self.scores
            .iter()
            .filter_map(|(seed, mine)| Some(f64::from(mine.accuracy) - f64::from(of(*seed)?.1.accuracy)))
            .collect()
    }
}

/// Runs on `task` by name, in order of appearance.
#[must_use]
pub fn groups(runs: &[RunReport], task: &Task) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for run in judged(runs).filter(|run| Task::of(&run.asked) == *task) {
        let Some(scores) = run.test else { continue };
        let seed = (run.asked.episode.seed, run.asked.settings.seed);
        match groups.iter_mut().find(|group| group.name == run.asked.name) {
            Some(group) => match group.scores.iter_mut().find(|(theirs, _)| *theirs == seed) {
                Some(entry) => entry.1 = scores,
                None => group.scores.push((seed, scores)),
            },
            None => groups.push(Group { name: run.asked.name.clone(), scores: vec![(seed, scores)] }),
        }
    }
    for group in &mut groups {
        sort_by(&mut group.scores, |(a, _), (b, _)| a.cmp(b));
    }
    groups
}

/// Loss and accuracy of a run, step by step, as CSV (RFC 4180); what was measured at the end of an epoch stands in its row.
#[must_use]
pub fn curve_csv(run: &RunReport) -> String {
    let headers = ["step", "epoch", "loss", "learning_rate", "dev_accuracy", "dev_macro_f1", "dev_loss"];
    let row = |point: &TrainPoint| {
        let dev = |read: fn(&Scores) -> f32| point.dev.as_ref().map_or(f32::NAN, read).into();
        vec![
            point.step.to_string().into(),
            point.epoch.to_string().into(),
            point.loss.into(),
            point.learning_rate.to_string().into(),
            dev(|scores| scores.accuracy),
            dev(|scores| scores.macro_f1),
            dev(|scores| scores.loss),
        ]
    };
    Table { headers: headers.map(str::to_owned).to_vec(), rows: run.curve.iter().map(row).collect() }.csv()
}

/// The table of all runs with a score, as CSV (RFC 4180).
#[must_use]
pub fn csv(runs: &[RunReport], data: &[DataCard]) -> String {
    let headers = [
        "name",
        "data",
        "k",
        "episode_seed",
        "training_seed",
        "accuracy",
        "macro_f1",
        "test_loss",
        "dev_accuracy",
        "best_epoch",
        "trainable_parameters",
        "inference_parameters",
        "seconds",
    ];
    let row = |run: &RunReport| {
        let test = run.test?;
        let Train { name, episode, settings, .. } = &run.asked;
        let set = data.iter().find(|card| card.id == episode.data).map_or("", |card| card.name.as_str());
        Some(vec![
            name.as_str().into(),
            set.into(),
            episode.k.to_string().into(),
            episode.seed.to_string().into(),
            settings.seed.to_string().into(),
            test.accuracy.into(),
            test.macro_f1.into(),
            test.loss.into(),
            run.dev.map_or(f32::NAN, |dev| dev.accuracy).into(),
            run.best_epoch.to_string().into(),
            run.trainable_parameters.to_string().into(),
            run.inference_parameters.to_string().into(),
            format!("{:.3}", run.seconds).into(),
        ])
    };
    Table { headers: headers.map(str::to_owned).to_vec(), rows: runs.iter().filter_map(row).collect() }.csv()
}

fn judged(runs: &[RunReport]) -> impl Iterator<Item = &RunReport> {
    runs.iter().filter(|run| run.test.is_some())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn run(name: &str, k: usize, seed: u64, accuracy: Option<f32>) -> RunReport {
        let episode = EpisodeSpec { data: DataId(0), test: None, test_rows: None, k, seed, max_length: 128 };
        RunReport {
            run: RunId(0),
            asked: Train { name: name.into(), start: RunStart::HeadOnly, episode, settings: TrainSettings::default() },
            status: RunStatus::Finished,
            curve: vec![],
            best_epoch: 2,
            dev: None,
            test: accuracy.map(|accuracy| Scores { accuracy, macro_f1: 0.5, loss: 0.25 }),
            confusion: Matrix::default(),
            labels: vec![],
            predictions: vec![],
            trainable_parameters: 10,
            inference_parameters: 20,
            seconds: 1.5,
            seconds_per_step: 0.1,
        }
    }

    #[test]
    fn differences_are_paired_by_seed() {
        let runs = [
            run("merged", 4, 1, Some(0.75)),
            run("merged", 4, 2, Some(0.5)),
            run("average", 4, 2, Some(0.25)),
            run("average", 4, 3, Some(1.0)),
            run("average", 16, 1, Some(0.0)),
            run("paused", 4, 1, None),
        ];
        assert_eq!(tasks(&runs).iter().map(|task| task.episode.k).collect::<Vec<_>>(), [4, 16]);
        let groups = groups(&runs, &tasks(&runs)[0]);
        assert_eq!(groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["merged", "average"]);
        assert_eq!(groups[0].minus(&groups[1]), [0.25]);
        assert_eq!(groups[0].mean(), 0.625);
    }

    #[test]
    fn a_repeated_run_counts_once() {
        let runs = [run("a", 4, 1, Some(0.5)), run("a", 4, 1, Some(0.75))];
        assert_eq!(groups(&runs, &tasks(&runs)[0])[0].accuracies(), [0.75]);
    }

    #[test]
    fn runs_of_other_settings_are_another_task_that_says_so() {
        let mut runs = ["long", "short", "seed", "up"].map(|name| run(name, 4, 1, Some(0.5)));
        runs[1].asked.settings.epochs = 12;
        runs[1].asked.episode.max_length = 64;
        runs[2].asked.settings.seed = 14;
        runs[3].asked.settings.trained = Trained::Up;
        let tasks = tasks(&runs);
        let names = |task| groups(&runs, task).into_iter().map(|group| group.name).collect::<Vec<_>>();
        assert_eq!(tasks.iter().map(names).collect::<Vec<_>>(), [vec!["long", "seed", "up"], vec!["short"]]);
        assert_eq!(tasks[1].apart_from(&tasks), ["tokens 64", "epochs 12"]);
        assert!(tasks[0].draws(&runs[3].asked.episode) && !tasks[0].draws(&runs[1].asked.episode));
    }

    #[test]
    fn the_table_as_csv() {
        let runs = [run("one, \"two\"", 4, 1, Some(0.5))];
        insta::assert_snapshot!(csv(&runs, &[]).replace("\r\n", "\n"), @r#"
        name,data,k,episode_seed,training_seed,accuracy,macro_f1,test_loss,dev_accuracy,best_epoch,trainable_parameters,inference_parameters,seconds
        "one, ""two""",,4,1,13,0.5,0.5,0.25,,2,10,20,1.500
        "#);
    }
}
