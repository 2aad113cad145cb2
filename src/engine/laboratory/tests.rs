//! A grid on the tiny model, asked for as the page and the command ask.

mod merges;
mod passes;
mod reduced;

use crate::engine::{Cancelled, Engine, EngineError, NoGpu, Observer, Quiet, Ready};
use crate::experiment::Record;
use crate::protocol::{
    Ask, EpisodeSpec, ExperimentCard, ExportRecords, FileBytes, FileSource, FinishedRun, Open, OpenPlm, PlanExperiment,
    Progress, RunExperiment, ScoreAdapters, ShowTestRows, SummarizeRecords, TableForm,
};
use std::collections::BTreeMap;

const EXPERIMENT: &str = r#"
plm = "tiny"
shots = [4]
seeds = [13, 21]
methods = ["majority", "head", "scratch", "single", "best_single", "best_single_by_score", "sum", "mera_wts", "mera_acts", "concat", "lora", "concat_gated", "concat_gated_reduced", "fusion", "full"]
[training]
epochs = 2
batch_size = 6
learning_rates = [1e-3, 5e-3]
max_length = 48
bottleneck = 4
[[adapters]]
name = "a"
path = "a"
track = "NLI"
[[adapters]]
name = "b"
path = "b"
[[targets]]
name = "nli"
train = "everyday-nli.tsv"
track = "NLI"
[[variants]]
name = "acts_keep"
method = "mera_acts"
scale = "keep"
train = "up"
[[variants]]
name = "average_by_score"
method = "average"
weights = "score"
[[variants]]
name = "sum_gates"
method = "sum"
train = "gates"
learning_rates = [2e-3]
"#;

macro_rules! file {
    ($path:literal, $known_as:expr) => {
        FileSource::Bytes(FileBytes {
            path: $known_as.to_owned(),
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/", $path)).to_vec(),
        })
    };
}

fn ask<A: Ask>(engine: &mut Engine, ask: A) -> A::Answer {
    try_ask(engine, ask).unwrap()
}

fn try_ask<A: Ask>(engine: &mut Engine, ask: A) -> Result<A::Answer, EngineError> {
    Ok(A::answer(pollster::block_on(engine.handle(ask.into(), &mut Quiet))?).unwrap())
}

/// An engine with everything that the experiment names, and the question that plans it.
fn loaded(experiment: &str) -> (Engine, PlanExperiment) {
    let mut engine = Engine::new(NoGpu);
    let files = vec![
        file!("model/tiny/config.json", "config.json"),
        file!("model/tiny/tokenizer.json", "tokenizer.json"),
        file!("model/tiny/model.safetensors", "model.safetensors"),
    ];
    ask(&mut engine, OpenPlm { name: "tiny".into(), files });
    let files = vec![
        file!("../../www/samples/task/everyday-nli.tsv", "everyday-nli.tsv"),
        file!("model/tiny_adapter/fusion/a/adapter_config.json", "a/adapter_config.json"),
        file!("model/tiny_adapter/fusion/a/pytorch_adapter.bin", "a/pytorch_adapter.bin"),
        file!("model/tiny_adapter/fusion/b/adapter_config.json", "b/adapter_config.json"),
        file!("model/tiny_adapter/fusion/b/adapter.safetensors", "b/adapter.safetensors"),
    ];
    let opened = ask(&mut engine, Open { files });
    let adapters = opened.adapters.iter().map(|card| card.id).collect();
    let targets = vec![(opened.data[0].id, None)];
    (engine, PlanExperiment { file: experiment.to_owned(), plm: 0, adapters, targets })
}

fn planned(experiment: &str) -> (Engine, ExperimentCard) {
    let (mut engine, plan) = loaded(experiment);
    let card = ask(&mut engine, plan);
    (engine, card)
}

fn finish(engine: &mut Engine, hashes: &[String], records: &[String]) -> Vec<FinishedRun> {
    let runs = ask(engine, RunExperiment { hashes: hashes.to_vec(), records: records.to_vec() });
    assert_eq!(runs.failed, []);
    runs.finished
}

fn run(engine: &mut Engine, hash: &str) -> Record {
    record(&finish(engine, &[hash.to_owned()], &[])[0])
}

fn record(finished: &FinishedRun) -> Record {
    let record: Record = serde_json::from_str(&finished.line).unwrap();
    assert_eq!(super::cards::record(&record), finished.record, "the line and the record say the same");
    record
}

#[test]
fn the_plan_says_which_methods_use_adapters() {
    let full = "[[variants]]\nname = \"full_1e-4\"\nmethod = \"full\"\nlearning_rates = [1e-4]\n";
    let (_, card) = planned(&format!("{EXPERIMENT}{full}"));
    let without: std::collections::BTreeSet<&str> =
        card.runs.iter().filter(|run| !run.uses_adapters).map(|run| run.method.as_str()).collect();
    assert_eq!(without.into_iter().collect::<Vec<_>>(), ["full", "full_1e-4", "head", "lora", "majority", "scratch"]);
}

#[test]
fn a_grid_is_run() {
    let (mut engine, card) = planned(EXPERIMENT);
    let runs = &card.runs;
    assert_eq!(runs.len(), 2 * 19);
    let hashes: Vec<String> = runs.iter().map(|run| run.hash.clone()).collect();
    let finished = finish(&mut engine, &hashes, &[]);
    let records: Vec<Record> = finished.iter().map(record).collect();
    let of = |method: &str| records.iter().find(|record| record.method == method).unwrap();
    // The head is 32 · 32 + 32 + 3 · 32 + 3, an adapter of bottleneck m two times 2 · 32 · m + m + 32.
    let whole = engine.plm().unwrap().card.parameters;
    let (head, adapter) = (1155, |m: usize| 2 * (2 * 32 * m + m + 32));
    for (method, trainable, inference) in [
        ("majority", 0, 0),
        ("head", head, head),
        ("scratch", adapter(4) + head, adapter(4) + head),
        ("single:a", adapter(8) + head, adapter(8) + head),
        ("concat", adapter(16) + head, adapter(16) + head),
        ("full", whole + head, whole + head),
        // Two gates a location, or one; a fusion is two times 3 · 32² + 2 · 32.
        ("concat_gated", 4 + head, 4 + 2 * adapter(8) + head),
        // Trained as gates, judged as one adapter.
        ("concat_gated_reduced", 4 + head, adapter(8) + head),
        // Two matrices of rank 8 at two projections of two layers.
        ("lora", 2 * 2 * 2 * 8 * 32 + head, 2 * 2 * 2 * 8 * 32 + head),
        ("sum_gates", 2 + head, 2 + adapter(8) + head),
        ("fusion", 2 * (3 * 32 * 32 + 2 * 32) + head, 2 * (3 * 32 * 32 + 2 * 32) + 2 * adapter(8) + head),
        ("acts_keep", 2 * (8 * 32 + 32) + head, adapter(8) + head),
    ] {
        let record = of(method);
        assert_eq!((record.trainable_parameters, record.inference_parameters), (trainable, inference), "{method}");
    }
    // The sample task is balanced, and so is what 4 examples a class leave of it.
    assert!((of("majority").accuracy - 1.0 / 3.0).abs() < 1e-6 && of("majority").learning_rate.is_none());
    assert_eq!(of("sum_gates").learning_rate, Some(2e-3));
    for record in &records {
        assert_eq!(record.plm, "tiny");
        assert!(record.method == "majority" || [1e-3, 2e-3, 5e-3].contains(&record.learning_rate.unwrap()));
        let merged = ![
            "lora",
            "concat_gated_reduced",
            "concat_gated",
            "fusion",
            "full",
            "majority",
            "head",
            "scratch",
            "single:a",
            "single:b",
            "best_single",
            "best_single_by_score",
        ]
        .contains(&&*record.method);
        assert_eq!(record.ensemble_error.is_some(), merged, "{}", record.method);
    }
    // The concatenation is the mean of the functions; whatever is aligned is nearer to it than the sum.
    let error = |method: &str| of(method).ensemble_error.unwrap();
    assert!(error("concat") < 1e-6 && error("mera_acts") < error("sum"));
    let [choice, a, b] = ["best_single", "single:a", "single:b"].map(of);
    let better = if (b.dev_accuracy, a.dev_loss) > (a.dev_accuracy, b.dev_loss) { b } else { a };
    assert_eq!(choice.chosen.as_deref(), better.method.strip_prefix("single:"));
    assert_eq!((choice.accuracy, choice.dev_loss), (better.accuracy, better.dev_loss));
    let by_score = of("best_single_by_score");
    let scores = by_score.scores.as_ref().unwrap();
    assert_eq!(scores.keys().collect::<Vec<_>>(), ["a", "b", "none"]);
    assert_eq!(of("average_by_score").scores.as_ref(), Some(scores));
    for (single, name) in [(a, "a"), (b, "b")] {
        let of_single = BTreeMap::from([name, "none"].map(|name| (name.to_owned(), scores[name])));
        assert_eq!(single.scores.as_ref(), Some(&of_single));
    }
    let (chosen, other) = if scores["b"] > scores["a"] { (b, "b") } else { (a, "a") };
    assert_eq!((by_score.accuracy, by_score.chosen.as_deref()), (chosen.accuracy, Some(other)));
    // Shares of the 24 examples of support and dev; the three forward passes see different features.
    let right: Vec<f64> = scores.values().map(|score| score * 24.0).collect();
    assert!(right.iter().all(|right| (right - right.round()).abs() < 1e-9), "{scores:?}");
    assert!(right[0] != right[1] && right[1] != right[2], "{scores:?}");

    // In another order, and one run alone, the numbers are the same.
    let (mut engine, _) = planned(EXPERIMENT);
    for wanted in ["best_single", "best_single_by_score", "acts_keep", "scratch", "fusion", "concat_gated", "sum_gates"]
    {
        let index = runs.iter().rposition(|one| one.method == wanted).unwrap();
        assert_eq!(run(&mut engine, &runs[index].hash), records[index]);
    }
    // A record that is there is not made again; it has no detail to tell.
    let kept = Record { accuracy: 2.0, ..records[1].clone() };
    let again = finish(&mut engine, &[runs[1].hash.clone()], &[kept.to_line().unwrap()]);
    assert_eq!((record(&again[0]), &again[0].detail), (kept, &None));
    details(&runs.iter().map(|run| run.method.as_str()).zip(&finished).collect::<Vec<_>>());
}

/// What runs did on the way fits what they came to.
fn details(finished: &[(&str, &FinishedRun)]) {
    for (method, run) in finished {
        // A choice among runs that were done before has nothing of its own.
        let Some(detail) = &run.detail else {
            assert!(method.starts_with("best_single"), "{method}");
            continue;
        };
        // Of 80 rows a class, 4 are learned from and 4 chosen on.
        assert_eq!((detail.labels.len(), detail.truth.len(), detail.answers.len()), (3, 216, 216), "{method}");
        let right = detail.truth.iter().zip(&detail.answers).filter(|(truth, answer)| truth == answer).count();
        assert!((right as f64 / 216.0 - run.record.accuracy).abs() < 1e-6, "{method}");
        // F1 of a class: twice what is rightly called so, over what is called so and what is so.
        let f1 = |class: u16| {
            let of = |all: &[u16]| all.iter().filter(|one| **one == class).count();
            let both = detail.truth.iter().zip(&detail.answers).filter(|&pair| pair == (&class, &class)).count();
            2.0 * both as f64 / (of(&detail.truth) + of(&detail.answers)) as f64
        };
        let macro_f1 = (0..3).map(f1).sum::<f64>() / 3.0;
        assert!((macro_f1 - run.record.macro_f1).abs() < 1e-6, "{method}: {macro_f1}");
        let rates: Vec<f64> = detail.curves.iter().map(|curve| curve.learning_rate).collect();
        let tried: &[f64] = match *method {
            "majority" => &[],
            "sum_gates" => &[2e-3],
            _ => &[1e-3, 5e-3],
        };
        assert_eq!(rates, tried, "{method}");
        // 12 examples, 6 a step, 2 epochs; dev after each.
        let dev = |points: &[crate::protocol::TrainPoint]| points.iter().filter(|point| point.dev.is_some()).count();
        assert!(detail.curves.iter().all(|curve| curve.points.len() == 4 && dev(&curve.points) == 2), "{method}");
        assert_eq!(detail.attention.is_some(), *method == "fusion", "{method}");
        let Some(attention) = &detail.attention else { continue };
        assert_eq!(attention.adapters, ["a", "b"]);
        assert_eq!(attention.locations, ["layer.0.output", "layer.1.output"]);
        let sums = |values: &[f32]| values.chunks(2).all(|pair| (pair[0] + pair[1] - 1.0).abs() < 1e-5);
        assert!(attention.mean.values.len() == 4 && sums(&attention.mean.values));
        for example in &attention.examples {
            assert_eq!(example.tokens[0].text, "[CLS]");
            assert!(example.locations.iter().all(|at| at.rows == example.tokens.len() && sums(&at.values)));
        }
        assert_eq!(attention.examples.len(), 4);
    }
}

#[test]
fn what_was_judged_can_be_read_and_what_came_out_taken_away() {
    let (mut engine, card) = planned(EXPERIMENT);
    let by_method = |method: &str| card.runs.iter().find(|run| run.method == method).unwrap();
    let hashes = ["majority", "head"].map(|method| by_method(method).hash.clone());
    let finished = finish(&mut engine, &hashes, &[]);
    let detail = finished[1].detail.as_ref().unwrap();
    let rows = ask(&mut engine, ShowTestRows { hash: hashes[1].clone(), rows: vec![215, 0] }).0;
    let label = |place: usize| detail.labels[detail.truth[place] as usize].as_str();
    assert_eq!([rows[0].label.as_str(), rows[1].label.as_str()], [label(215), label(0)]);
    assert!(rows.iter().all(|row| !row.text1.is_empty() && row.text2.is_some()));

    let lines: Vec<String> = finished.iter().map(|run| run.line.clone()).collect();
    let summary = ask(&mut engine, SummarizeRecords { records: lines.clone() });
    let group = &summary.groups[0];
    assert_eq!((group.plm.as_str(), group.target.as_str(), group.k), ("tiny", "nli", 4));
    assert_eq!((group.methods.len(), group.pairs.len(), summary.confidence), (2, 1, 0.95));
    for (form, path, holds) in [
        (TableForm::Records, "records.jsonl", lines[1].as_str()),
        (TableForm::Csv, "records.csv", "tiny,nli,4,13,head,mixed,"),
        (TableForm::Json, "summary.json", "\"records\": 2"),
        (TableForm::Markdown, "summary.md", "| head | 1 |"),
        (TableForm::Latex, "summary.tex", "\\bottomrule"),
        (TableForm::Html, "report.html", "</svg>"),
    ] {
        let file = ask(&mut engine, ExportRecords { records: lines.clone(), form });
        let text = String::from_utf8(file.bytes).unwrap();
        assert!(file.path == path && text.contains(holds), "{path}: {text}");
    }

    let episode =
        EpisodeSpec { data: crate::protocol::DataId(0), test: None, test_rows: None, k: 4, seed: 13, max_length: 48 };
    let adapters: Vec<_> = engine.adapters().iter().map(|(id, _)| id).collect();
    let scores = ask(&mut engine, ScoreAdapters { adapters, episode });
    let by_score = run(&mut engine, &by_method("best_single_by_score").hash).scores.unwrap();
    assert_eq!([scores.none, scores.scores[0], scores.scores[1]], [by_score["none"], by_score["a"], by_score["b"]]);
}

/// Whether two numbers are the same but for the order of sums.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 * a.abs().max(b.abs()).max(1e-3)
}

/// Says stop after so many reports.
struct StopAfter(usize);

impl Observer for StopAfter {
    fn progress(&mut self, _: Progress) -> Ready<'_> {
        let stop = self.0 == 0;
        self.0 = self.0.saturating_sub(1);
        Box::pin(std::future::ready(if stop { Err(Cancelled) } else { Ok(()) }))
    }
    fn checkpoint(&mut self, _: crate::protocol::Checkpoint) {}
    fn seconds(&self) -> f64 {
        0.0
    }
}

/// Keeps what it is told.
struct Heard(Vec<Progress>);

impl Observer for Heard {
    fn progress(&mut self, progress: Progress) -> Ready<'_> {
        self.0.push(progress);
        Box::pin(std::future::ready(Ok(())))
    }
    fn checkpoint(&mut self, _: crate::protocol::Checkpoint) {}
    fn seconds(&self) -> f64 {
        0.0
    }
}

#[test]
fn a_step_is_told_with_its_run_and_its_learning_rate() {
    let (mut engine, card) = planned(EXPERIMENT);
    engine.laboratory.as_mut().unwrap().lanes = 4;
    let heads = card.runs.iter().filter(|run| run.method == "head");
    let ask = RunExperiment { hashes: heads.map(|run| run.hash.clone()).collect(), records: vec![] };
    let mut heard = Heard(Vec::new());
    pollster::block_on(engine.handle(ask.into(), &mut heard)).unwrap();
    for (run, rate) in [(0, 1e-3), (0, 5e-3), (1, 1e-3), (1, 5e-3)] {
        let own = heard.0.iter().filter(|told| (told.run, told.rate) == (run, Some(rate)));
        let steps: Vec<usize> = own.filter_map(|told| Some(told.point?.step)).collect();
        assert_eq!(steps, [1, 2, 2, 3, 4, 4], "run {run}, rate {rate}: a step, and the last of an epoch once more");
    }
}

#[test]
fn a_run_that_is_stopped_leaves_nothing() {
    let (mut engine, card) = planned(EXPERIMENT);
    let hash = &card.runs.iter().find(|run| run.method == "mera_acts").unwrap().hash;
    let asked = RunExperiment { hashes: vec![hash.clone()], records: Vec::new() };
    for reports in [0, 2, 5, 9, 14, 20] {
        let mut observer = StopAfter(reports);
        let result = pollster::block_on(engine.handle(asked.clone().into(), &mut observer));
        assert!(matches!(result, Err(EngineError::Cancelled(_))), "{reports}: {result:?}");
    }
    let after = run(&mut engine, hash);
    let (mut fresh, _) = planned(EXPERIMENT);
    assert_eq!(after, run(&mut fresh, hash));
    assert_eq!(engine.adapters().iter().count(), 2, "a run adds no adapter");
}

#[test]
fn a_plan_that_is_stopped_leaves_the_one_before() {
    let (mut engine, mut plan) = loaded(EXPERIMENT);
    let card = ask(&mut engine, plan.clone());
    engine.kind = crate::protocol::DeviceKind::WebGpu;
    let rows = "neutral\tit rains\tit is wet\n".repeat(600);
    let test = engine.add_data("test.tsv", format!("label\ttext1\ttext2\n{rows}").as_bytes()).unwrap();
    plan.targets[0].1 = Some(test.id);
    let mut planned = |reports| {
        let answer = pollster::block_on(engine.handle(plan.clone().into(), &mut StopAfter(reports)));
        answer.map_err(|error| assert!(matches!(error, EngineError::Cancelled(_)), "{error}"))
    };
    // Before either episode is drawn, and among the rows of which the longest is looked for.
    assert_eq!([0, 1, 2].map(|reports| planned(reports).is_err()), [true; 3]);
    let there = |engine: &mut Engine, card: &ExperimentCard| run(engine, &card.runs[0].hash).method;
    assert_eq!(there(&mut engine, &card), "majority");
    assert_ne!(ask(&mut engine, plan).runs[0].hash, card.runs[0].hash);
}

#[test]
fn what_can_not_be_done_is_known_before_anything_is_run() {
    let error = |change: &dyn Fn(&mut PlanExperiment)| {
        let (mut engine, mut plan) = loaded(EXPERIMENT);
        change(&mut plan);
        try_ask(&mut engine, plan).unwrap_err()
    };
    let replaced = |from: &'static str, to: &'static str| error(&|plan| plan.file = plan.file.replace(from, to));
    insta::assert_snapshot!(replaced("[4]", "[60]"), @r#"target nli: everyday-nli.tsv: label "contradiction" has 80 rows; k = 60 needs 120, 60 to train on and 60 to choose on"#);
    insta::assert_snapshot!(error(&|plan| { plan.adapters.pop(); }), @"the experiment names 2 adapters; 1 are given");
    let with_test = |plan: &mut PlanExperiment| {
        plan.file = plan.file.replace("train = \"everyday-nli.tsv\"", "train = \"all.tsv\"\ntest = \"copy.tsv\"");
        plan.targets[0].1 = Some(plan.targets[0].0);
    };
    insta::assert_snapshot!(error(&with_test), @r#"target nli: test = "copy.tsv" holds the very rows of train = "all.tsv", and a test is of rows not learned from; without test, what the examples leave of train is tested on"#);
    insta::assert_snapshot!(error(&|plan| plan.plm = 1), @"there is no PLM number 1 in the experiment; it has 1");
    insta::assert_snapshot!(replaced("bottleneck = 4", "bottleneck = 33"), @"a bottleneck of 33 is out of range: tiny is 32 wide, so it is 1 to 32");
    let (mut engine, mut plan) = loaded(EXPERIMENT);
    let files = vec![
        file!("model/tiny_adapter/double_seq_bn/adapter_config.json", "double/adapter_config.json"),
        file!("model/tiny_adapter/double_seq_bn/adapter.safetensors", "double/adapter.safetensors"),
    ];
    let double = ask(&mut engine, Open { files }).adapters[0].id;
    let usable = std::mem::replace(&mut plan.adapters[1], double);
    insta::assert_snapshot!(try_ask(&mut engine, plan.clone()).unwrap_err(), @"adapter tiny_double: the architecture double_seq_bn is not run here; supported is seq_bn");
    plan.adapters[1] = usable;
    let run = |hash: &str, records: &[&str]| RunExperiment {
        hashes: vec![hash.into()],
        records: records.iter().map(ToString::to_string).collect(),
    };
    insta::assert_snapshot!(try_ask(&mut engine, run("abc", &[])).unwrap_err(), @"no experiment is planned yet");
    let card = ask(&mut engine, plan);
    let hash = card.runs[0].hash.as_str();
    insta::assert_snapshot!(try_ask(&mut engine, run("abc", &[])).unwrap_err(), @"the experiment has no run abc");
    insta::assert_snapshot!(try_ask(&mut engine, run(hash, &["{}", "{"])).unwrap_err(), @"records: line 1 is no record: missing field `target` at line 1 column 2");
    let show = ShowTestRows { hash: hash.into(), rows: vec![216] };
    insta::assert_snapshot!(try_ask(&mut engine, show).unwrap_err(), @"the run has 216 test rows; there is no number 216");
}
