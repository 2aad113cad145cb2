//! The steps that the data takes, and what each says of itself in one line.

use super::{Choices, Start, origins, words};
use crate::protocol::*;

/// A step of the recipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The pretrained language model.
    Model,
    /// The adapters.
    Adapters,
    /// How their neurons correspond; the page opens here.
    #[default]
    Align,
    /// One adapter out of several.
    Merge,
    /// Learning from a few examples.
    FewShot,
    /// What came of it.
    Results,
}

impl Step {
    /// All, top to bottom.
    pub const ALL: [Step; 6] = [Step::Model, Step::Adapters, Step::Align, Step::Merge, Step::FewShot, Step::Results];

    /// From 1.
    #[must_use]
    pub fn number(self) -> usize {
        self as usize + 1
    }

    /// What a person reads.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Step::Model => "Model",
            Step::Adapters => "Adapters",
            Step::Align => "Align",
            Step::Merge => "Merge",
            Step::FewShot => "Few-shot",
            Step::Results => "Results",
        }
    }

    /// For links and test ids.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Step::Model => "model",
            Step::Adapters => "adapters",
            Step::Align => "align",
            Step::Merge => "merge",
            Step::FewShot => "few-shot",
            Step::Results => "results",
        }
    }

    /// What one sees there and why, in a few sentences, for whoever comes for the first time.
    #[must_use]
    pub fn explanation(self) -> &'static [&'static str] {
        match self {
            Step::Model => &[
                "A pretrained language model turns a text into vectors, layer by layer. It stays as it is: nothing of it is trained here.",
                "An adapter is a small bottleneck inside each layer: down to a few dozen neurons, through a non-linearity, up again, and added to what passes by. It holds what was learned for one task.",
            ],
            Step::Adapters => &[
                "Each adapter was trained on a task of its own, on the same model. A track is a family of tasks, such as sentiment: adapters of one track tend to merge better.",
                "Drop folders, zips or loose files as AdapterHub writes them: adapter_config.json with pytorch_adapter.bin or adapter.safetensors.",
            ],
            Step::Align => &[
                "The neurons of an adapter have no fixed order: two adapters may have learned the same thing in different places. So averaging neuron 5 with neuron 5 mixes what does not belong together.",
                "Optimal transport finds who corresponds to whom: the plan moves each neuron of one adapter onto those of the reference, so that the distance travelled is least. Mass on the diagonal means that they were aligned already.",
                "Point at a neuron to see it everywhere; select it to see what it responds to.",
            ],
            Step::Merge => &[
                "MerA moves the neurons of each adapter onto the reference's by the plan, and averages what now corresponds. Sum and average take the neurons as they are stored.",
                "The distance to the ensemble says what the merge lost: 0 means that the merged adapter computes the mean of the functions it was made from.",
            ],
            Step::FewShot => &[
                "Learns from k examples per class; another k per class pick the best epoch; the rest test it.",
                "Adapter and head are trained; the model is frozen. The seed fixes which examples are drawn, so that methods are compared on the same ones.",
            ],
            Step::Results => &[
                "Every dot is one run on the test set; runs with the same seed saw the same examples, so the difference between two methods is taken seed by seed.",
                "The majority line is what a constant answer scores. With few examples, one seed says little: run several.",
            ],
        }
    }

    /// Reads what [`Step::slug`] writes.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.slug() == slug)
    }
}

/// How a step stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing there yet.
    #[default]
    Open,
    /// Shown from the sample, not computed here.
    Sample,
    /// Being worked on.
    Running,
    /// There, and what the choices ask for.
    Ready,
    /// There, but the choices have changed since.
    Stale,
}

impl Standing {
    /// The mark beside the step.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Standing::Open => "",
            Standing::Sample => "◦",
            Standing::Running => "…",
            Standing::Ready => "✓",
            Standing::Stale => "↻",
        }
    }

    /// The mark in words, for a screen reader.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Standing::Open => "not done yet",
            Standing::Sample => "from the sample",
            Standing::Running => "running",
            Standing::Ready => "done",
            Standing::Stale => "out of date",
        }
    }
}

/// What a step says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// How it stands.
    pub standing: Standing,
    /// One line.
    pub text: String,
    /// The paused run that training would start over.
    pub paused: Option<RunId>,
}

impl Line {
    fn new(standing: Standing, text: impl Into<String>) -> Self {
        Self { standing, text: text.into(), paused: None }
    }
}

/// What there is, as the rail looks at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held<'a> {
    /// Name of the model that the sample names.
    pub sample_plm: Option<&'a str>,
    /// Name of the task that the sample brings.
    pub sample_task: Option<&'a str>,
    /// The loaded model.
    pub plm: Option<&'a PlmCard>,
    /// The loaded adapters, or the sample's.
    pub adapters: &'a [AdapterCard],
    /// Whether `adapters` are only named by the sample.
    pub adapters_are_sample: bool,
    /// The data sets.
    pub data: &'a [DataCard],
    /// The merge methods; empty until the engine is there.
    pub methods: &'a [MethodCard],
    /// The last alignment, or the sample's.
    pub alignment: Option<&'a AlignmentReport>,
    /// Whether it came with the sample instead of having been computed here.
    pub alignment_is_sample: bool,
    /// The merges.
    pub merges: &'a [MergeReport],
    /// The episode that was drawn last.
    pub episode: Option<(&'a EpisodeSpec, &'a EpisodeCard)>,
    /// The runs that have ended.
    pub runs: &'a [RunReport],
    /// The step that is being worked on.
    pub running: Option<Step>,
}

/// What a step says of itself.
#[must_use]
pub fn line(step: Step, held: &Held<'_>, choices: &Choices) -> Line {
    let mut line = match step {
        Step::Model => model(held, choices),
        Step::Adapters => adapters(held),
        Step::Align => align(held, choices),
        Step::Merge => merge(held, choices),
        Step::FewShot => few_shot(held, choices),
        Step::Results => results(held, choices),
    };
    if held.running == Some(step) {
        line.standing = Standing::Running;
    }
    line
}

fn model(held: &Held<'_>, choices: &Choices) -> Line {
    match (held.plm, choices.model.as_deref().or(held.sample_plm)) {
        (Some(plm), _) => Line::new(Standing::Ready, format!("{} · {} × {} · ready", plm.name, plm.layers, plm.hidden)),
        (None, Some(name)) => Line::new(Standing::Sample, format!("{name} · not loaded yet")),
        (None, None) => Line::new(Standing::Open, "choose a model"),
    }
}

fn adapters(held: &Held<'_>) -> Line {
    let names: Vec<_> = held.adapters.iter().map(|card| card.name.as_str()).collect();
    match (names.len(), held.adapters_are_sample) {
        (0, _) => Line::new(Standing::Open, "drop two or more"),
        (_, true) => Line::new(Standing::Sample, names.join(", ")),
        (1, false) => Line::new(Standing::Open, format!("{} · drop another", names[0])),
        (n, false) if n > 4 => Line::new(Standing::Ready, format!("{}, … · {n}", names[..3].join(", "))),
        (_, false) => Line::new(Standing::Ready, names.join(", ")),
    }
}

fn align(held: &Held<'_>, choices: &Choices) -> Line {
    let Some(report) = held.alignment else {
        return match choices.align(held.adapters, held.data) {
            Ok(_) => Line::new(Standing::Open, "not aligned yet"),
            Err(why) => Line::new(Standing::Open, why),
        };
    };
    let by = match report.asked.by {
        AlignBy::Weights => "by weights",
        AlignBy::Activations => "by activations",
    };
    let how = match report.asked.solver {
        Solver::Exact => "exact",
        Solver::Sinkhorn { .. } => "Sinkhorn",
    };
    let shares: Vec<f64> =
        report.pairs.iter().flat_map(|pair| &pair.locations).filter_map(|l| Some(l.diagonal_share?.into())).collect();
    let mut text = format!("{by}, {how}");
    if !shares.is_empty() {
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        text.push_str(&format!(" · diagonal {}", words::percent(mean)));
    }
    let standing = if held.alignment_is_sample {
        // Its texts were the sample's own, so they are not compared.
        let reference = choices.reference(held.adapters).map(|card| card.id);
        let as_chosen = (reference, choices.align.by, choices.solver())
            == (Some(report.asked.reference), report.asked.by, report.asked.solver)
            && choices.inputs(held.adapters).len() == report.asked.others.len() + 1;
        if as_chosen { Standing::Sample } else { Standing::Stale }
    } else if choices.align(held.adapters, held.data).is_ok_and(|asked| asked == report.asked) {
        Standing::Ready
    } else {
        Standing::Stale
    };
    Line::new(standing, text)
}

/// The merge that `spec` asks for, where it has been made.
#[must_use]
pub fn made<'a>(merges: &'a [MergeReport], spec: &MergeSpec, plm: Option<&PlmCard>) -> Option<&'a MergeReport> {
    merges.iter().find(|merge| merge.is_of(spec, plm.map(|plm| plm.sha256.as_str())))
}

/// The merge that the choices ask for, where it has been made.
#[must_use]
pub fn current_merge<'a>(held: &Held<'a>, choices: &Choices) -> Option<&'a MergeReport> {
    let wanted = choices.merge(held.adapters, held.data, held.methods).ok()?;
    made(held.merges, &wanted, held.plm)
}

/// What the chosen start amounts to now; `None` where it has yet to be made.
fn start(held: &Held<'_>, choices: &Choices) -> Option<RunStart> {
    let adapter = match &choices.start {
        Start::Merged => current_merge(held, choices)?.adapter.id,
        Start::Average => {
            let wanted = choices.average(held.adapters, held.data).ok()?;
            made(held.merges, &wanted, held.plm)?.adapter.id
        }
        Start::Single(name) => held.adapters.iter().find(|card| card.name == *name)?.id,
        Start::Scratch => {
            let bottleneck = choices.bottleneck.or(held.plm.map(PlmCard::bottleneck))?;
            return Some(RunStart::Scratch { bottleneck });
        }
        Start::HeadOnly => return Some(RunStart::HeadOnly),
    };
    Some(RunStart::Adapter(adapter))
}

fn merge(held: &Held<'_>, choices: &Choices) -> Line {
    let title = held.methods.iter().find(|card| card.id == choices.merge.method).map(|card| card.title.as_str());
    let title = title.unwrap_or(&choices.merge.method);
    if let Some(merge) = current_merge(held, choices) {
        let errors: Vec<f64> =
            merge.locations.iter().filter_map(|l| Some(f64::from(l.ensemble?.relative_error))).collect();
        let mut text = title.to_owned();
        if !errors.is_empty() {
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            text.push_str(&format!(" · {} from the ensemble", words::percent(mean)));
        }
        return Line::new(Standing::Ready, text);
    }
    match choices.merge(held.adapters, held.data, held.methods) {
        Ok(_) if held.merges.iter().any(|merge| merge.spec.method != super::choices::AVERAGE) => {
            Line::new(Standing::Stale, format!("{title} · choices have changed"))
        }
        _ => Line::new(Standing::Open, format!("{title} · not merged yet")),
    }
}

fn few_shot(held: &Held<'_>, choices: &Choices) -> Line {
    let Some(spec) = choices.episode(held.data) else {
        if let (true, Some(task)) = (held.adapters_are_sample, held.sample_task) {
            return Line::new(Standing::Sample, format!("{task} · {} a class", choices.episode.k));
        }
        return Line::new(Standing::Open, "drop a data set with labels");
    };
    let data = held.data.iter().find(|card| card.id == spec.data).map_or("", |card| card.name.as_str());
    let mut text = format!("{data} · {} a class · seed {}", spec.k, spec.seed);
    let paused = as_chosen(held, choices, true);
    if let Some(run) = paused {
        text.push_str(&format!(" · paused at step {}", run.curve.len()));
        if let Some((_, card)) = held.episode.filter(|(drawn, _)| **drawn == spec) {
            let TrainSettings { batch_size, epochs, .. } = run.asked.settings;
            text.push_str(&format!(" of {}", card.support.len().div_ceil(batch_size) * epochs));
        }
    }
    let standing = match as_chosen(held, choices, false) {
        Some(_) => Standing::Ready,
        None if paused.is_some() || held.runs.is_empty() => Standing::Open,
        None => Standing::Stale,
    };
    Line { standing, text, paused: paused.map(|run| run.run) }
}

/// The run that is what would be trained now, paused or ended.
fn as_chosen<'a>(held: &Held<'a>, choices: &Choices, paused: bool) -> Option<&'a RunReport> {
    let wanted = choices.train("", start(held, choices)?, held.data).ok()?;
    let as_chosen =
        |run: &&RunReport| (run.status == RunStatus::Paused) == paused && origins::alike(&run.asked, &wanted);
    held.runs.iter().find(as_chosen)
}

fn results(held: &Held<'_>, choices: &Choices) -> Line {
    let data = choices.episode(held.data).map(|spec| spec.data);
    let judged: Vec<(&str, f32)> = held
        .runs
        .iter()
        .filter(|run| Some(run.asked.episode.data) == data)
        .filter_map(|run| Some((run.asked.name.as_str(), run.test?.accuracy)))
        .collect();
    match judged.iter().max_by(|a, b| a.1.total_cmp(&b.1)) {
        None if held.runs.iter().all(|run| run.test.is_none()) => Line::new(Standing::Open, "nothing to compare yet"),
        None => Line::new(Standing::Stale, "nothing to compare on these data yet"),
        Some((name, accuracy)) => Line::new(
            if as_chosen(held, choices, false).is_some() { Standing::Ready } else { Standing::Stale },
            format!("{} · best {name}, {}", words::plural(judged.len(), "run"), words::score(*accuracy)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::choices::tests::{adapter, data};
    use super::super::results::tests::run;
    use super::super::sample::Sample;
    use super::*;

    fn alignment(asked: Align) -> AlignmentReport {
        let location = |share| LocationAlignment {
            name: "layer.0.output".into(),
            cost: Matrix::default(),
            plan: Matrix::default(),
            cost_before: None,
            cost_after: 0.0,
            diagonal_share: Some(share),
            converged: true,
            iterations: 1,
        };
        let pairs = vec![PairAlignment { other: AdapterId(2), locations: vec![location(0.2), location(0.42)] }];
        AlignmentReport { asked, pairs }
    }

    #[test]
    fn an_alignment_is_stale_once_other_choices_are_made() {
        let adapters = [adapter(1, "a"), adapter(2, "b")];
        let mut choices = Choices::default();
        let report = alignment(choices.align(&adapters, &[]).unwrap());
        let held = Held { adapters: &adapters, alignment: Some(&report), ..Held::default() };
        let now = line(Step::Align, &held, &choices);
        assert_eq!(now, Line::new(Standing::Ready, "by weights, exact · diagonal 31 %"));
        choices.align.sinkhorn = true;
        assert_eq!(line(Step::Align, &held, &choices).standing, Standing::Stale);
        choices.align.sinkhorn = false;
        assert_eq!(line(Step::Align, &held, &choices).standing, Standing::Ready, "going back makes it fresh again");
        choices.reference = Some("b".into());
        assert_eq!(line(Step::Align, &held, &choices).standing, Standing::Stale);
    }

    #[test]
    fn by_weights_texts_do_not_make_it_stale() {
        let adapters = [adapter(1, "a"), adapter(2, "b")];
        let mut choices = Choices::default();
        let report = alignment(choices.align(&adapters, &[]).unwrap());
        let sets = [data(0, "d")];
        choices.align.own_texts = "a text".into();
        let held = Held { adapters: &adapters, data: &sets, alignment: Some(&report), ..Held::default() };
        assert_eq!(line(Step::Align, &held, &choices).standing, Standing::Ready);
    }

    #[test]
    fn the_sample_says_that_it_is_the_sample() {
        let adapters = [adapter(1, "a"), adapter(2, "b")];
        let held = Held { sample_plm: Some("tiny"), adapters: &adapters, adapters_are_sample: true, ..Held::default() };
        let mut choices = Choices::default();
        assert_eq!(line(Step::Model, &held, &choices), Line::new(Standing::Sample, "tiny · not loaded yet"));
        choices.model = Some("owner/name".into());
        assert_eq!(line(Step::Model, &held, &choices), Line::new(Standing::Sample, "owner/name · not loaded yet"));
        assert_eq!(line(Step::Adapters, &held, &choices), Line::new(Standing::Sample, "a, b"));
        assert_eq!(line(Step::FewShot, &held, &choices), Line::new(Standing::Open, "drop a data set with labels"));
        let held = Held { sample_task: Some("nli"), ..held };
        assert_eq!(line(Step::FewShot, &held, &choices), Line::new(Standing::Sample, "nli · 8 a class"));
    }

    #[test]
    fn the_sample_alignment_is_the_samples_until_other_choices_are_made() {
        let adapters = [adapter(1, "a"), adapter(2, "b")];
        let mut choices = Choices::default();
        choices.align.by = AlignBy::Activations;
        let asked = Align {
            reference: AdapterId(1),
            others: vec![AdapterId(2)],
            by: AlignBy::Activations,
            solver: Solver::Exact,
            texts: Texts::Lines(vec!["the sample's".into()]),
        };
        let report = alignment(asked);
        let held = Held { adapters: &adapters, alignment: Some(&report), alignment_is_sample: true, ..Held::default() };
        assert_eq!(line(Step::Align, &held, &choices).standing, Standing::Sample);
        choices.align.by = AlignBy::Weights;
        assert_eq!(line(Step::Align, &held, &choices).standing, Standing::Stale);
    }

    #[test]
    fn a_merge_goes_stale_with_its_weights() {
        let adapters = [adapter(1, "a"), adapter(2, "b")];
        let mut choices = Choices::default();
        choices.merge.method = "mera_wts".into();
        let spec = choices.merge(&adapters, &[], &[]).unwrap();
        let merges = [MergeReport { adapter: adapter(3, "merged"), spec, plm: None, locations: vec![] }];
        let held = Held { adapters: &adapters, merges: &merges, ..Held::default() };
        assert_eq!(line(Step::Merge, &held, &choices).standing, Standing::Ready);
        choices.merge.weights.insert("a".into(), 0.5);
        assert_eq!(line(Step::Merge, &held, &choices).standing, Standing::Stale);
    }

    #[test]
    fn runs_and_results_go_stale_with_what_they_start_from() {
        let (adapters, sets) = ([adapter(1, "a"), adapter(2, "b")], [data(0, "d")]);
        let mut choices = Choices::default();
        choices.merge.method = "mera_wts".into();
        let spec = choices.merge(&adapters, &sets, &[]).unwrap();
        let merges = [MergeReport { adapter: adapter(3, "merged"), spec, plm: None, locations: vec![] }];
        let runs = [run("merged", RunStart::HeadOnly, 8, 13, Some(0.5))].map(|mut run| {
            run.asked = choices.train("merged", RunStart::Adapter(AdapterId(3)), &sets).unwrap();
            run
        });
        let held = Held { adapters: &adapters, data: &sets, merges: &merges, runs: &runs, ..Held::default() };
        let standings =
            |choices: &Choices| [Step::FewShot, Step::Results].map(|step| line(step, &held, choices).standing);
        assert_eq!(standings(&choices), [Standing::Ready; 2]);
        for change in [
            |choices: &mut Choices| choices.merge.method = "ties".into(),
            |choices: &mut Choices| choices.merge.scale = OutputScale::Sum,
            |choices: &mut Choices| choices.start = Start::Single("a".into()),
            |choices: &mut Choices| choices.train.epochs += 1,
        ] {
            let mut changed = choices.clone();
            change(&mut changed);
            assert_eq!(standings(&changed), [Standing::Stale; 2]);
        }
    }

    #[test]
    fn a_paused_run_is_not_done_and_says_how_far_it_is() {
        let sets = [data(0, "d")];
        let choices = Choices { start: Start::HeadOnly, ..Choices::default() };
        let asked = choices.train("head only", RunStart::HeadOnly, &sets).unwrap();
        let point = TrainPoint { step: 1, epoch: 0.5, loss: 1.0, learning_rate: 0.1, dev: None };
        let stopped = RunReport {
            run: RunId(7),
            asked: asked.clone(),
            status: RunStatus::Paused,
            curve: vec![point; 3],
            ..run("", RunStart::HeadOnly, 8, 13, None)
        };
        let other = run("other", RunStart::HeadOnly, 4, 13, Some(0.5));
        let row = Row { row: 0, label: "yes".into(), text1: "a".into(), text2: None };
        let card = EpisodeCard {
            labels: vec!["yes".into()],
            support: vec![row; 17],
            dev: 0,
            test: 0,
            majority: 0.5,
            truncated: 0,
        };
        let runs = [other, stopped];
        let held = Held { data: &sets, runs: &runs, episode: Some((&asked.episode, &card)), ..Held::default() };
        let now = line(Step::FewShot, &held, &choices);
        // Of 17 examples 16 a step, thirty times.
        assert_eq!(now.text, "d · 8 a class · seed 13 · paused at step 3 of 60");
        assert_eq!((now.standing, now.paused), (Standing::Open, Some(RunId(7))));
        assert_eq!(line(Step::Results, &held, &choices).standing, Standing::Stale);
        let other = Choices { bottleneck: Some(3), start: Start::Scratch, ..choices };
        let now = line(Step::FewShot, &held, &other);
        assert_eq!((now.standing, now.paused), (Standing::Stale, None));
    }

    #[test]
    fn a_new_adapter_has_as_many_neurons_as_the_samples_unless_told_otherwise() {
        let sample: Sample = serde_json::from_str(include_str!("../../../www/samples/index.json")).unwrap();
        let plm = sample.plm.card.unwrap();
        let others = sample.adapters.into_iter().map(|adapter| adapter.card.unwrap().bottleneck[0]);
        assert_eq!(others.collect::<Vec<_>>(), [24; 3]);
        let mut choices = Choices { start: Start::Scratch, ..Choices::default() };
        let held = Held { plm: Some(&plm), ..Held::default() };
        assert_eq!(start(&held, &choices), Some(RunStart::Scratch { bottleneck: 24 }));
        assert_eq!(start(&Held::default(), &choices), None, "before there is a model nobody knows");
        choices.bottleneck = Some(48);
        assert_eq!(start(&held, &choices), Some(RunStart::Scratch { bottleneck: 48 }));
    }

    #[test]
    fn results_are_of_the_chosen_data() {
        let sets = [data(0, "old"), data(1, "new")];
        let runs = [run("a", RunStart::HeadOnly, 8, 13, Some(0.75)), run("b", RunStart::HeadOnly, 8, 13, Some(0.5))];
        let mut choices = Choices::default();
        let held = Held { data: &sets, runs: &runs, ..Held::default() };
        let of = |choices: &Choices| line(Step::Results, &held, choices);
        assert_eq!(of(&choices), Line::new(Standing::Stale, "2 runs · best a, 75.0 %"));
        choices.episode.data = Some("new".into());
        assert_eq!(of(&choices), Line::new(Standing::Stale, "nothing to compare on these data yet"));
        let held = Held { runs: &[], ..held };
        assert_eq!(line(Step::Results, &held, &choices), Line::new(Standing::Open, "nothing to compare yet"));
    }

    #[test]
    fn a_step_at_work_says_so() {
        let held = Held { running: Some(Step::Merge), ..Held::default() };
        assert_eq!(line(Step::Merge, &held, &Choices::default()).standing, Standing::Running);
    }
}
