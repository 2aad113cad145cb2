//! Finished runs side by side: a table, values by method, differences paired by episode.

use super::names;
use super::origins::{self, Origin};
use crate::protocol::*;
use crate::viz::{Table, sort_by};

/// What must be equal for runs to be compared: everything but their seeds, by which they are paired, and what is trained,
/// by which they are told apart.
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

/// All runs on one task that differ by their seeds at most.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What the last of them is called.
    pub name: String,
    /// What one of them starts from, and the others from the same or from what was merged in the same way.
    pub start: RunStart,
    trained: Trained,
    /// The runs.
    pub runs: Vec<RunId>,
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

/// Runs on `task` by what they start from and what of it is trained, in order of appearance.
#[must_use]
pub fn groups(runs: &[RunReport], origins: &[Origin], task: &Task) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for run in judged(runs).filter(|run| Task::of(&run.asked) == *task) {
        let Some(scores) = run.test else { continue };
        let Train { name, start, episode, settings } = &run.asked;
        let (seed, trained) = ((episode.seed, settings.seed), settings.trained);
        let ours = |group: &Group| group.trained == trained && origins::same(origins, &group.start, start);
        let place = groups.iter().position(ours).unwrap_or_else(|| {
            let start = start.clone();
            groups.push(Group { name: String::new(), start, trained, runs: vec![], scores: vec![] });
            groups.len() - 1
        });
        let group = &mut groups[place];
        group.name.clone_from(name);
        group.runs.push(run.run);
        group.scores.retain(|(theirs, _)| *theirs != seed);
        group.scores.push((seed, scores));
    }
    for group in &mut groups {
        sort_by(&mut group.scores, |(a, _), (b, _)| a.cmp(b));
    }
    groups
}

/// What each merge among the groups was made of.
fn inputs<'a>(groups: &[Group], origins: &'a [Origin]) -> Vec<&'a [String]> {
    let all = groups.iter().filter_map(|group| origins::of(origins, &group.start));
    all.filter(|origin| origin.merge.is_some()).map(|origin| origin.inputs.as_slice()).collect()
}

/// The groups as they are called beside each other: without what merges were made of, where it is the same for all of them.
#[must_use]
pub fn beside_each_other(mut groups: Vec<Group>, origins: &[Origin]) -> Vec<Group> {
    let mut made_of = inputs(&groups, origins);
    made_of.dedup();
    if let [all] = made_of.as_slice() {
        let of = names::of_inputs(all);
        for Group { name, .. } in &mut groups {
            *name = name.replace(&format!(" ({of})"), "").replace(&format!(", {of})"), ")");
        }
    }
    groups
}

/// The adapters of other tracks than the task's that every merge among the groups has in it, where others are left to
/// merge without them.
#[must_use]
pub fn off_track<'a>(
    groups: &[Group],
    origins: &[Origin],
    adapters: &'a [AdapterCard],
    track: &str,
) -> Vec<&'a AdapterCard> {
    let merges = inputs(groups, origins);
    let everywhere = |card: &&AdapterCard| merges.iter().all(|inputs| inputs.contains(&card.name));
    let (own, others): (Vec<&AdapterCard>, Vec<&AdapterCard>) =
        adapters.iter().filter(everywhere).partition(|card| card.track.eq_ignore_ascii_case(track));
    let is_told =
        !merges.is_empty() && !track.is_empty() && own.len() > 1 && others.iter().all(|card| !card.track.is_empty());
    if is_told { others } else { Vec::new() }
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

/// The table of all runs with a score, as CSV (RFC 4180): what they start from, what they learn from, how, and how well.
#[must_use]
pub fn csv(runs: &[RunReport], origins: &[Origin], data: &[DataCard]) -> String {
    let headers = [
        "name",
        "start",
        "inputs",
        "inputs_sha256",
        "texts",
        "trained",
        "data",
        "test",
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
        "tokens",
        "epochs",
        "learning_rate",
        "batch",
        "warmup",
        "weight_decay",
        "clip",
        "dropout",
        "patience",
    ];
    let set = |id| data.iter().find(|card| card.id == id).map_or("", |card| card.name.as_str());
    let row = |run: &RunReport| {
        let test = run.test?;
        let Train { name, start, episode, settings } = &run.asked;
        let origin = origins::of(origins, start);
        let joined = |read: fn(&Origin) -> &[String]| origin.map(|origin| read(origin).join(" + ")).unwrap_or_default();
        let merge = origin.and_then(|origin| origin.merge.as_ref());
        let mut cells = vec![
            name.as_str().into(),
            match (start, merge) {
                (_, Some(merge)) => merge.method.as_str().into(),
                (RunStart::Adapter(_), None) => "adapter".into(),
                (RunStart::Scratch { bottleneck }, None) => format!("scratch:{bottleneck}").into(),
                (RunStart::HeadOnly, None) => "head".into(),
            },
            joined(|origin| &origin.inputs).into(),
            joined(|origin| &origin.sha256).into(),
            match merge.map(|merge| &merge.texts) {
                Some(Texts::Lines(_)) => "own",
                Some(Texts::Episode(_)) => "episode",
                _ => "",
            }
            .into(),
            names::of_trained(settings.trained).into(),
            set(episode.data).into(),
            episode.test.map_or("", set).into(),
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
        ];
        cells.extend(Task::of(&run.asked).settings().into_iter().map(|(_, value)| value.into()));
        Some(cells)
    };
    Table { headers: headers.map(str::to_owned).to_vec(), rows: runs.iter().filter_map(row).collect() }.csv()
}

fn judged(runs: &[RunReport]) -> impl Iterator<Item = &RunReport> {
    runs.iter().filter(|run| run.test.is_some())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::choices::tests::adapter;
    use super::*;

    pub(crate) fn run(name: &str, start: RunStart, k: usize, seed: u64, accuracy: Option<f32>) -> RunReport {
        let episode = EpisodeSpec { data: DataId(0), test: None, test_rows: None, k, seed, max_length: 128 };
        RunReport {
            run: RunId(0),
            asked: Train { name: name.into(), start, episode, settings: TrainSettings::default() },
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

    const HEAD: RunStart = RunStart::HeadOnly;
    const NEW: RunStart = RunStart::Scratch { bottleneck: 48 };

    /// Name, number of runs, and accuracies of each group on the first task.
    fn grouped(runs: &[RunReport], origins: &[Origin]) -> Vec<(String, usize, Vec<f64>)> {
        let groups = groups(runs, origins, &tasks(runs)[0]);
        groups.iter().map(|group| (group.name.clone(), group.runs.len(), group.accuracies())).collect()
    }

    #[test]
    fn differences_are_paired_by_seed() {
        let runs = [
            run("merged", NEW, 4, 1, Some(0.75)),
            run("merged", NEW, 4, 2, Some(0.5)),
            run("average", HEAD, 4, 2, Some(0.25)),
            run("average", HEAD, 4, 3, Some(1.0)),
            run("average", HEAD, 16, 1, Some(0.0)),
            run("paused", HEAD, 4, 1, None),
        ];
        assert_eq!(tasks(&runs).iter().map(|task| task.episode.k).collect::<Vec<_>>(), [4, 16]);
        let groups = groups(&runs, &[], &tasks(&runs)[0]);
        assert_eq!(groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["merged", "average"]);
        assert_eq!(groups[0].minus(&groups[1]), [0.25]);
        assert_eq!(groups[0].mean(), 0.625);
    }

    #[test]
    fn a_repeated_run_counts_once_by_its_last_name() {
        let runs = [run("a", HEAD, 4, 1, Some(0.5)), run("b", HEAD, 4, 1, Some(0.75))];
        assert_eq!(grouped(&runs, &[]), [("b".to_owned(), 2, vec![0.75])]);
    }

    #[test]
    fn new_adapters_of_other_sizes_and_what_is_trained_tell_groups_apart() {
        let mut up = run("new", NEW, 4, 1, Some(0.0));
        up.asked.settings.trained = Trained::Up;
        let small = RunStart::Scratch { bottleneck: 24 };
        let runs = [run("new", NEW, 4, 1, Some(0.5)), run("new", small, 4, 1, Some(0.75)), up];
        let accuracies: Vec<_> = grouped(&runs, &[]).into_iter().map(|(_, _, accuracies)| accuracies).collect();
        assert_eq!(accuracies, [[0.5], [0.75], [0.0]]);
    }

    /// Three merges: of a and b for two seeds, and of all three.
    fn merges() -> Vec<Origin> {
        let loaded = [adapter(1, "a"), adapter(2, "b"), adapter(3, "c")];
        let loaded = loaded.map(|card| AdapterCard { sha256: format!("{}{}", card.name, card.id.0), ..card });
        let merge = |id, inputs: &[u32], seed| {
            let episode = run("", HEAD, 4, seed, None).asked.episode;
            let spec = MergeSpec {
                method: "ties".into(),
                settings: Default::default(),
                adapters: inputs.iter().copied().map(AdapterId).collect(),
                weights: vec![],
                reference: None,
                scale: OutputScale::Keep,
                texts: Texts::Episode(episode),
            };
            Origin::new(&RunStart::Adapter(AdapterId(id)), Some(&spec), &[], &loaded)
        };
        vec![merge(4, &[1, 2], 1), merge(5, &[1, 2], 2), merge(6, &[1, 2, 3], 1)]
    }

    #[test]
    fn merges_are_told_apart_by_what_they_are_made_of_and_not_by_what_they_are_called() {
        let origins = merges();
        let of = |merge: usize, seed, accuracy| run("TIES", origins[merge].start.clone(), 4, seed, Some(accuracy));
        let runs = [of(0, 1, 0.5), of(2, 1, 0.0), of(1, 2, 0.75)];
        let one = |count, accuracies: &[f64]| ("TIES".to_owned(), count, accuracies.to_vec());
        assert_eq!(grouped(&runs, &origins), [one(2, &[0.5, 0.75]), one(1, &[0.0])]);
    }

    #[test]
    fn what_all_merges_are_made_of_is_not_said_of_each() {
        let origins = merges();
        let start = |merge: usize| origins[merge].start.clone();
        let titled = |runs: &[RunReport]| -> Vec<String> {
            let groups = beside_each_other(groups(runs, &origins, &tasks(runs)[0]), &origins);
            groups.into_iter().map(|group| group.name).collect()
        };
        let mut runs = vec![
            run("TIES (of a + b)", start(0), 4, 1, Some(0.5)),
            run("TIES (summed, of a + b)", start(1), 4, 2, Some(0.5)),
            run("b", HEAD, 4, 1, Some(0.5)),
        ];
        runs[1].asked.settings.trained = Trained::Up;
        assert_eq!(titled(&runs), ["TIES", "TIES (summed)", "b"]);
        runs.push(run("TIES (of a + b + c)", start(2), 4, 1, Some(0.5)));
        assert_eq!(titled(&runs)[0], "TIES (of a + b)");
    }

    #[test]
    fn adapters_of_another_track_in_every_merge_are_told() {
        let origins = merges();
        let track = |card: AdapterCard, track: &str| AdapterCard { track: track.into(), ..card };
        let adapters =
            [track(adapter(1, "a"), "NLI"), track(adapter(2, "b"), "nli"), track(adapter(3, "c"), "paraphrase")];
        let told = |runs: &[RunReport], adapters: &[AdapterCard]| -> Vec<String> {
            let groups = groups(runs, &origins, &tasks(runs)[0]);
            off_track(&groups, &origins, adapters, "NLI").iter().map(|card| card.name.clone()).collect()
        };
        let all = run("TIES", origins[2].start.clone(), 4, 1, Some(0.5));
        let own = run("TIES", origins[0].start.clone(), 4, 1, Some(0.5));
        assert_eq!(told(std::slice::from_ref(&all), &adapters), ["c"]);
        assert!(told(&[all.clone(), own], &adapters).is_empty(), "without it they have been merged too");
        assert!(told(std::slice::from_ref(&all), &adapters[1..]).is_empty(), "nothing is left to merge");
        assert!(told(&[run("head", HEAD, 4, 1, Some(0.5))], &adapters).is_empty());
        let untold = [adapters[0].clone(), adapters[1].clone(), adapter(3, "c")];
        assert!(told(std::slice::from_ref(&all), &untold).is_empty(), "its track is not known");
        let of_no_track = adapters.map(|card| if card.name == "c" { card } else { track(card, "") });
        let groups = groups(std::slice::from_ref(&all), &origins, &Task::of(&all.asked));
        assert!(off_track(&groups, &origins, &of_no_track, "").is_empty(), "the task's track is not known");
    }

    #[test]
    fn runs_of_other_settings_are_another_task_that_says_so() {
        let mut runs = ["long", "short", "seed", "up"].map(|name| run(name, HEAD, 4, 1, Some(0.5)));
        runs[1].asked.settings.epochs = 12;
        runs[1].asked.episode.max_length = 64;
        runs[2].asked.settings.seed = 14;
        runs[3].asked.settings.trained = Trained::Up;
        let tasks = tasks(&runs);
        let names = |task| groups(&runs, &[], task).into_iter().map(|group| group.name).collect::<Vec<_>>();
        assert_eq!(tasks.iter().map(names).collect::<Vec<_>>(), [vec!["seed", "up"], vec!["short"]]);
        assert_eq!(tasks[1].apart_from(&tasks), ["tokens 64", "epochs 12"]);
        assert!(tasks[0].draws(&runs[3].asked.episode) && !tasks[0].draws(&runs[1].asked.episode));
    }

    #[test]
    fn the_table_as_csv() {
        let origins = merges();
        let runs = [
            run("one, \"two\"", HEAD, 4, 1, Some(0.5)),
            run("from scratch", NEW, 4, 1, Some(0.5)),
            run("TIES", origins[2].start.clone(), 4, 1, Some(0.5)),
        ];
        let table = csv(&runs, &origins, &[]);
        let columns = table.lines().next().unwrap_or_default().split(',').count();
        assert!(table.lines().skip(2).all(|line| line.split(',').count() == columns), "{table}");
        insta::assert_snapshot!(table.replace("\r\n", "\n"), @r#"
        name,start,inputs,inputs_sha256,texts,trained,data,test,k,episode_seed,training_seed,accuracy,macro_f1,test_loss,dev_accuracy,best_epoch,trainable_parameters,inference_parameters,seconds,tokens,epochs,learning_rate,batch,warmup,weight_decay,clip,dropout,patience
        "one, ""two""",head,,,,all,,,4,1,13,0.5,0.5,0.25,,2,10,20,1.500,128,30,0.001,16,0.1,0.01,1,0.1,0
        from scratch,scratch:48,,,,all,,,4,1,13,0.5,0.5,0.25,,2,10,20,1.500,128,30,0.001,16,0.1,0.01,1,0.1,0
        TIES,ties,a + b + c,a1 + b2 + c3,episode,all,,,4,1,13,0.5,0.5,0.25,,2,10,20,1.500,128,30,0.001,16,0.1,0.01,1,0.1,0
        "#);
    }
}
