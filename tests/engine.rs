//! The application without a browser, the whole way: files in, aligned, merged, fine-tuned, paused and taken up again,
//! files out.
#![cfg(feature = "engine")]
#![allow(clippy::result_large_err, clippy::unwrap_used, missing_docs)]

#[path = "engine/intake.rs"]
mod intake;
#[path = "engine/pausing.rs"]
mod pausing;
#[path = "engine/recipes.rs"]
mod recipes;
mod support;

use mera_lab::engine::{Cancelled, Engine, EngineError, NoGpu, Observer, Quiet, Ready};
use mera_lab::format::{AdapterFile, Head, HeadConfig, PlmSignature, Weights};
use mera_lab::protocol::*;
use mera_lab::tensors::Tensor;
use support::fixture;

fn bytes(path: &str, known_as: &str) -> FileSource {
    FileSource::Bytes(FileBytes { path: known_as.into(), bytes: std::fs::read(fixture(path)).unwrap() })
}

fn ask<A: Ask>(engine: &mut Engine, ask: A) -> Result<A::Answer, EngineError> {
    watched(engine, ask, &mut Quiet)
}

fn watched<A: Ask>(engine: &mut Engine, ask: A, observer: &mut dyn Observer) -> Result<A::Answer, EngineError> {
    pollster::block_on(engine.handle(ask.into(), observer)).map(|outcome| A::answer(outcome).unwrap())
}

/// An engine with the tiny model, three adapters that the library wrote (one of them narrower), and the sample task.
fn loaded() -> (Engine, Vec<AdapterCard>, DataCard) {
    let mut engine = Engine::new(NoGpu);
    let names = ["config.json", "tokenizer.json", "model.safetensors"];
    let files = names.map(|name| bytes(&format!("model/tiny/{name}"), name)).to_vec();
    let card = ask(&mut engine, OpenPlm { name: "tiny".into(), files }).unwrap();
    assert_eq!((card.layers, card.hidden), (2, 32));
    let mut files = Vec::new();
    for (name, weights) in [("a", "pytorch_adapter.bin"), ("b", "adapter.safetensors"), ("c", "pytorch_adapter.bin")] {
        for file in ["adapter_config.json", weights] {
            files.push(bytes(&format!("model/tiny_adapter/fusion/{name}/{file}"), &format!("{name}/{file}")));
        }
    }
    let task = std::fs::read(fixture("../../www/samples/task/everyday-nli.tsv")).unwrap();
    files.push(FileSource::Bytes(FileBytes { path: "everyday-nli.tsv".into(), bytes: task }));
    let opened = ask(&mut engine, Open { files }).unwrap();
    assert_eq!(opened.problems, []);
    (engine, opened.adapters, opened.data.into_iter().next().unwrap())
}

fn episode(data: &DataCard) -> EpisodeSpec {
    EpisodeSpec { data: data.id, test: None, test_rows: None, k: 4, seed: 13, max_length: 48 }
}

fn train(data: &DataCard, start: RunStart) -> Train {
    let settings = TrainSettings { epochs: 4, batch_size: 6, learning_rate: 5e-3, ..TrainSettings::default() };
    Train { name: "run".into(), start, episode: episode(data), settings }
}

/// Says stop after so many reports, and keeps checkpoints.
#[derive(Default)]
struct StopAfter {
    reports: usize,
    checkpoints: Vec<Checkpoint>,
    seconds: std::cell::Cell<f64>,
}

impl Observer for StopAfter {
    fn progress(&mut self, _: Progress) -> Ready<'_> {
        let stop = self.reports == 0;
        self.reports = self.reports.saturating_sub(1);
        Box::pin(std::future::ready(if stop { Err(Cancelled) } else { Ok(()) }))
    }
    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.checkpoints.push(checkpoint);
    }
    fn seconds(&self) -> f64 {
        // Ten seconds a look, so that every step is worth a checkpoint.
        self.seconds.set(self.seconds.get() + 10.0);
        self.seconds.get()
    }
}

#[test]
fn aligned_and_merged() {
    let (mut engine, adapters, data) = loaded();
    assert_eq!(adapters.iter().map(|card| card.bottleneck.clone()).collect::<Vec<_>>(), [[8, 8], [8, 8], [4, 4]]);
    let [a, b, c] = [0, 1, 2].map(|index| adapters[index].id);
    let texts = Texts::Episode(episode(&data));
    for (by, solver) in [
        (AlignBy::Weights, Solver::Exact),
        (AlignBy::Activations, Solver::Exact),
        (AlignBy::Activations, Solver::Sinkhorn { epsilon: 0.05, iterations: 5000, tolerance: 1e-6 }),
    ] {
        let asked = Align { reference: a, others: vec![b, c], by, solver, texts: texts.clone() };
        let report = ask(&mut engine, asked.clone()).unwrap();
        assert_eq!(report.pairs.len(), 2);
        for pair in &report.pairs {
            assert_eq!(
                pair.locations.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(),
                ["layer.0.output", "layer.1.output"]
            );
            for location in &pair.locations {
                let mass: f32 = location.plan.values.iter().sum();
                assert!((mass - 1.0).abs() < 1e-4 && location.converged, "{location:?}");
                assert!(
                    location
                        .cost_before
                        .is_none_or(|before| location.cost_after <= before + 1e-3 || solver != Solver::Exact)
                );
            }
        }
        let weights =
            ask(&mut engine, ShowWeights { align: asked, other: c, location: "layer.1.output".into() }).unwrap();
        assert_eq!((weights.stored.rows, weights.aligned.rows, weights.average.rows), (4, 8, 0));
    }
    let show = ShowNeuron { adapter: a, location: "layer.0.output".into(), neuron: 3, texts: texts.clone() };
    let neuron = ask(&mut engine, show.clone()).unwrap();
    assert!(neuron.top.windows(2).all(|pair| pair[0].value >= pair[1].value) && neuron.top.len() == 12);
    let error = ask(&mut engine, ShowNeuron { neuron: 8, ..show }).unwrap_err();
    insta::assert_snapshot!(error, @"adapter a has 8 neurons at layer.0.output; there is no number 8");

    let spec = |method: &str, adapters: Vec<AdapterId>| MergeSpec {
        method: method.into(),
        settings: Default::default(),
        adapters,
        weights: vec![],
        reference: None,
        scale: OutputScale::None,
        texts: texts.clone(),
    };
    let merge = |engine: &mut Engine, spec| ask(engine, Merge { name: String::new(), spec });
    let average = merge(&mut engine, spec("average", vec![a, b])).unwrap();
    let mera = merge(&mut engine, spec("mera_acts", vec![a, b])).unwrap();
    for (average, mera) in average.locations.iter().zip(&mera.locations) {
        let (average, mera) = (average.ensemble.unwrap(), mera.ensemble.unwrap());
        assert!(mera.relative_error < average.relative_error, "{mera:?} is no nearer than {average:?}");
    }
    assert_eq!(merge(&mut engine, spec("mera_wts", vec![a, c, b])).unwrap().adapter.bottleneck, [8, 8]);
    let error = merge(&mut engine, spec("average", vec![a, c])).unwrap_err();
    insta::assert_snapshot!(error);
    assert_eq!(engine.adapters().iter().count(), 6, "a failed merge adds nothing");
}

#[test]
fn the_mean_that_is_shown_is_what_mera_merges_to() {
    let (mut engine, adapters, _) = loaded();
    let [a, b, c] = [0, 1, 2].map(|index| adapters[index].id);
    let align =
        Align { reference: a, others: vec![b, c], by: AlignBy::Weights, solver: Solver::Exact, texts: Texts::None };
    let shown = ask(&mut engine, ShowWeights { align, other: c, location: "layer.1.output".into() }).unwrap();
    let spec = MergeSpec {
        method: "mera_wts".into(),
        settings: Default::default(),
        adapters: vec![a, b, c],
        weights: vec![],
        reference: Some(a),
        scale: OutputScale::None,
        texts: Texts::None,
    };
    let merged = ask(&mut engine, Merge { name: String::new(), spec }).unwrap().adapter.id;
    let params = &engine.adapters().get(merged).unwrap().file.params;
    let weights = params.get("layer.1.output.down_proj.weight").unwrap();
    assert_eq!([shown.merged.rows, shown.merged.columns], weights.shape());
    for (shown, merged) in shown.merged.values.iter().zip(weights.values()) {
        assert!((shown - merged).abs() < 1e-6, "{shown} is shown where {merged} is merged");
    }
}

#[test]
fn alike_and_along_the_line() {
    let (mut engine, adapters, data) = loaded();
    let [a, b, c] = [0, 1, 2].map(|index| adapters[index].id);
    let similar = ask(&mut engine, ShowSimilarity { adapters: vec![a, b, c] }).unwrap();
    assert_eq!(similar.iter().map(|one| one.pair).collect::<Vec<_>>(), [[a, b], [a, c], [b, c]]);
    for (location, one) in similar.iter().flat_map(|one| one.locations.iter().map(move |location| (location, one))) {
        let aligned = location.aligned.unwrap();
        // Of another width, c can be compared once it is aligned.
        assert_eq!(location.stored.is_none(), one.pair[1] == c, "{one:?}");
        assert!(aligned.abs() <= 1.0 && location.stored.is_none_or(|stored| aligned >= stored - 1e-3), "{one:?}");
    }

    // Beside a copy whose neurons are turned round, alignment removes what stands between.
    let copy = engine.adapters().get(a).unwrap().file.clone();
    let (neurons, width) = (8, 32);
    let mut turned = mera_lab::tensors::TensorSet::new();
    for (name, tensor) in copy.params.iter() {
        let values = tensor.values();
        let values: Vec<f32> = if name.ends_with("down_proj.weight") {
            (0..neurons).rev().flat_map(|row| values[row * width..(row + 1) * width].to_vec()).collect()
        } else if name.ends_with("down_proj.bias") {
            values.iter().rev().copied().collect()
        } else if name.ends_with("up_proj.weight") {
            values.chunks(neurons).flat_map(|row| row.iter().rev().copied().collect::<Vec<_>>()).collect()
        } else {
            values.to_vec()
        };
        turned.insert(name, mera_lab::tensors::Tensor::new(tensor.shape().to_vec(), values).unwrap());
    }
    let file = mera_lab::format::AdapterFile { name: "turned".into(), params: turned, ..copy };
    let files = mera_lab::engine::folder(&file, &serde_json::json!({}), Weights::Both).unwrap().into_iter();
    let source = |(name, bytes)| FileSource::Bytes(FileBytes { path: format!("turned/{name}"), bytes });
    let opened = ask(&mut engine, Open { files: files.map(source).collect() }).unwrap();
    assert_eq!(opened.problems, []);
    let turned = opened.adapters[0].id;
    let similar = ask(&mut engine, ShowSimilarity { adapters: vec![a, turned] }).unwrap();
    for location in &similar[0].locations {
        assert!(location.stored.unwrap() < 0.9 && location.aligned.unwrap() > 1.0 - 1e-6, "{location:?}");
    }
    let align = |other| Align {
        reference: a,
        others: vec![other],
        by: AlignBy::Weights,
        solver: Solver::Exact,
        texts: Texts::None,
    };
    let line = |other| ShowLine { align: align(other), other, episode: episode(&data) };
    let report = ask(&mut engine, line(turned)).unwrap();
    let stored = report.stored.unwrap();
    assert_eq!((stored.points.len(), report.aligned.points.len()), (9, 9));
    let (first, last) = (stored.points[0], stored.points[8]);
    assert!((first.loss - last.loss).abs() < 1e-4, "both ends are one function: {stored:?}");
    assert!(report.aligned.points.iter().all(|point| (point.loss - first.loss).abs() < 1e-4), "{:?}", report.aligned);
    assert!(report.aligned.barrier < 1e-4);
    assert!(stored.points[4].loss != first.loss, "half way as stored it is another adapter");
    assert!(ask(&mut engine, line(c)).unwrap().stored.is_none(), "four neurons and eight have no line between them");

    let spec = |method: &str| MergeSpec {
        method: method.into(),
        settings: Default::default(),
        adapters: vec![a, turned],
        weights: vec![],
        reference: None,
        scale: OutputScale::None,
        texts: Texts::None,
    };
    let merge = |engine: &mut Engine, method| ask(engine, Merge { name: String::new(), spec: spec(method) }).unwrap();
    for location in merge(&mut engine, "mera_wts").locations {
        let (stored, aligned) = (location.stored.unwrap(), location.aligned.unwrap());
        assert!(stored.cancelled > 0.1 && stored.opposite > 0.1, "{stored:?}");
        assert!(aligned.cancelled < 1e-6 && aligned.opposite < 0.02, "{aligned:?}");
    }
    let average = merge(&mut engine, "average").locations;
    assert!(average.iter().all(|location| location.stored.is_some() && location.aligned.is_none()));
}

#[test]
fn trained_paused_and_taken_up_again() {
    let (mut engine, adapters, data) = loaded();
    let start = RunStart::Adapter(adapters[0].id);
    let whole = ask(&mut engine, train(&data, start.clone())).unwrap();
    assert_eq!(whole.status, RunStatus::Finished);
    assert_eq!(whole.curve.len(), 8);
    assert!(whole.test.is_some() && whole.confusion.values.iter().sum::<f32>() == 216.0);
    assert!(whole.curve.iter().all(|point| point.loss.is_finite()));
    // Adapter and head: 2 · (2 · 8 · 32 + 8 + 32) and 32 · 32 + 32 + 3 · 32 + 3.
    assert_eq!(whole.trainable_parameters, 1104 + 1155);

    let same = |a: &RunReport, b: &RunReport| {
        assert_eq!((&a.curve, a.best_epoch, a.dev, a.test), (&b.curve, b.best_epoch, b.dev, b.test));
    };
    same(&whole, &ask(&mut engine, train(&data, start.clone())).unwrap());

    // Stopped between any two steps, in the same engine.
    for reports in [0, 3, 6, 11] {
        let mut observer = StopAfter { reports, ..StopAfter::default() };
        let paused = watched(&mut engine, train(&data, start.clone()), &mut observer).unwrap();
        assert_eq!((paused.status, paused.test), (RunStatus::Paused, None));
        let resume = Resume { train: train(&data, start.clone()), run: Some(paused.run), checkpoint: None };
        same(&whole, &ask(&mut engine, resume).unwrap());

        // And from every checkpoint, in another engine.
        for checkpoint in observer.checkpoints {
            let (mut other, ..) = loaded();
            let resume = Resume { train: train(&data, start.clone()), run: None, checkpoint: Some(checkpoint.clone()) };
            same(&whole, &ask(&mut other, resume).unwrap());
        }
    }
}

#[test]
fn every_start_and_every_choice_of_what_is_trained() {
    let (mut engine, adapters, data) = loaded();
    for (start, trained, parameters) in [
        (RunStart::HeadOnly, Trained::All, 1155),
        (RunStart::Scratch { bottleneck: 4 }, Trained::All, 2 * (2 * 4 * 32 + 4 + 32) + 1155),
        (RunStart::Adapter(adapters[2].id), Trained::Up, 2 * (4 * 32 + 32) + 1155),
        (RunStart::Adapter(adapters[2].id), Trained::Head, 1155),
    ] {
        let mut ask_for = train(&data, start.clone());
        ask_for.settings.trained = trained;
        ask_for.settings.epochs = 2;
        let report = ask(&mut engine, ask_for).unwrap();
        assert_eq!(report.trainable_parameters, parameters, "{start:?} {trained:?}");
        let (_, params, _) = engine.runs().best(report.run).unwrap();
        if trained == Trained::Head {
            let before = engine.adapters().get(adapters[2].id).unwrap();
            for (name, tensor) in before.file.params.iter() {
                assert_eq!(params.get(name), Some(tensor), "{name} is frozen");
            }
        }
    }
}

#[test]
fn what_comes_out_goes_in_again() {
    let (mut engine, adapters, data) = loaded();
    let run = ask(&mut engine, train(&data, RunStart::Adapter(adapters[0].id))).unwrap().run;
    let zip = ask(&mut engine, Export::Run(run)).unwrap();
    assert_eq!(zip.path, "run.zip");
    let (_, trained, _) = engine.runs().best(run).unwrap();
    let trained = trained.clone();
    let opened = ask(&mut engine, Open { files: vec![FileSource::Bytes(zip)] }).unwrap();
    assert_eq!(opened.problems, []);
    assert_eq!(opened.adapters[0].labels, ["contradiction", "entailment", "neutral"]);
    let again = engine.adapters().get(opened.adapters[0].id).unwrap();
    let head = &again.file.head.as_ref().unwrap().params;
    for (name, tensor) in trained.iter() {
        let read = again.file.params.get(name).or_else(|| head.get(name)).unwrap();
        assert_eq!(read.values(), tensor.values(), "{name}");
    }
}

#[test]
fn a_merge_has_the_mean_of_heads_that_answer_the_same() {
    let (mut engine, _, data) = loaded();
    let files = ["adapter_config.json", "adapter.safetensors", "head_config.json", "model_head.safetensors"];
    let files = files.map(|name| bytes(&format!("model/tiny_adapter/seq_bn/{name}"), &format!("one/{name}"))).to_vec();
    let one = ask(&mut engine, Open { files }).unwrap().adapters.remove(0);
    let file = engine.adapters().get(one.id).unwrap().file.clone();
    let head = file.head.clone().unwrap();
    let other = |engine: &mut Engine, labels: Vec<String>| {
        let scaled = |(name, tensor): (&str, &Tensor)| {
            let values = tensor.values().iter().map(|value| value * 3.0).collect();
            (name.to_owned(), Tensor::new(tensor.shape(), values).unwrap())
        };
        let config = HeadConfig { labels, ..head.config.clone() };
        let head = Head::new(config, 32, head.params.iter().map(scaled).collect()).unwrap();
        let file =
            AdapterFile::new("other", file.plm.clone(), file.config.form.clone(), file.params.clone(), Some(head));
        let files =
            mera_lab::engine::folder(&file.unwrap(), &serde_json::json!({}), Weights::Both).unwrap().into_iter();
        let source = |(name, bytes)| FileSource::Bytes(FileBytes { path: format!("other/{name}"), bytes });
        ask(engine, Open { files: files.map(source).collect() }).unwrap().adapters.remove(0)
    };
    let spec = |adapters| MergeSpec {
        method: "average".into(),
        settings: Default::default(),
        adapters,
        weights: vec![1.0, 3.0],
        reference: None,
        scale: OutputScale::None,
        texts: Texts::None,
    };
    let same = other(&mut engine, one.labels.clone());
    let with = ask(&mut engine, Merge { name: "with".into(), spec: spec(vec![one.id, same.id]) }).unwrap().adapter;
    assert_eq!(with.labels, one.labels);
    let merged = engine.adapters().get(with.id).unwrap().file.head.clone().unwrap();
    for (name, tensor) in merged.params.iter() {
        for (mean, first) in tensor.values().iter().zip(head.params.get(name).unwrap().values()) {
            assert!((mean - 2.5 * first).abs() < 1e-6, "{name}: {mean} is not the mean of {first} and three times it");
        }
    }
    let note = format!("its head is the mean of those of {}, other", one.name);
    assert_eq!(
        (&with.remarks, engine.recipe(with.id).unwrap()["adapter"]["head"].as_str()),
        (&vec![note.clone()], Some(&*note))
    );

    let labels: Vec<String> = (0..one.labels.len()).map(|label| format!("label {label}")).collect();
    let unlike = other(&mut engine, labels.clone());
    let without =
        ask(&mut engine, Merge { name: "without".into(), spec: spec(vec![one.id, unlike.id]) }).unwrap().adapter;
    let note =
        format!("no head: {} answers {}; other_2 answers {}", one.name, one.labels.join(", "), labels.join(", "));
    assert_eq!((&without.remarks, &without.labels), (&vec![note], &vec![]));

    // A run begins with a new head either way.
    let mut run = |id| ask(&mut engine, train(&data, RunStart::Adapter(id))).unwrap().curve;
    assert_eq!(run(with.id), run(without.id));
}

#[test]
fn a_run_outlives_what_it_started_from() {
    let (mut engine, adapters, data) = loaded();
    let spec = MergeSpec {
        method: "average".into(),
        settings: Default::default(),
        adapters: vec![adapters[0].id, adapters[1].id],
        weights: vec![],
        reference: None,
        scale: OutputScale::None,
        texts: Texts::None,
    };
    let merged = ask(&mut engine, Merge { name: "merged".into(), spec }).unwrap().adapter.id;
    let run = ask(&mut engine, train(&data, RunStart::Adapter(merged))).unwrap().run;
    let before = ask(&mut engine, Export::Run(run)).unwrap();
    ask(&mut engine, RemoveAdapter { id: merged }).unwrap();
    assert!(engine.adapters().get(merged).is_err());
    assert_eq!(ask(&mut engine, Export::Run(run)).unwrap(), before);
}

#[test]
fn a_cancel_is_heard_while_rows_are_read_and_adapters_merged() {
    let (mut engine, adapters, _) = loaded();
    let row = |row| format!("{}\tA line of text, number {row}.\n", row % 2);
    let text = "label\ttext1\n".to_owned() + &(0..1600).map(row).collect::<String>();
    let file = FileSource::Bytes(FileBytes { path: "long.tsv".into(), bytes: text.into() });
    let data = ask(&mut engine, Open { files: vec![file] }).unwrap().data.remove(0);
    let cancelled = |engine: &mut Engine, reports, command: Command| {
        let mut observer = StopAfter { reports, ..StopAfter::default() };
        let answer = pollster::block_on(engine.handle(command, &mut observer));
        assert!(matches!(answer, Err(EngineError::Cancelled(_))), "{answer:?}");
    };
    for reports in 0..3 {
        cancelled(&mut engine, reports, DrawEpisode(episode(&data)).into());
        cancelled(&mut engine, reports, train(&data, RunStart::HeadOnly).into());
    }
    let spec = MergeSpec {
        method: "mera_wts".into(),
        settings: Default::default(),
        adapters: adapters.iter().map(|card| card.id).collect(),
        weights: vec![],
        reference: None,
        scale: OutputScale::None,
        texts: Texts::None,
    };
    let merge = Merge { name: "merged".into(), spec };
    // One report a location and one for each of two others that are aligned there; there are two locations.
    for reports in 0..6 {
        cancelled(&mut engine, reports, merge.clone().into());
    }
    assert_eq!(engine.adapters().iter().count(), adapters.len());
    watched(&mut engine, merge, &mut StopAfter { reports: 6, ..StopAfter::default() }).unwrap();
}

#[test]
fn nothing_is_lost_to_bad_input() {
    let (mut engine, adapters, data) = loaded();
    let junk = |path: &str, bytes: &[u8]| FileSource::Bytes(FileBytes { path: path.into(), bytes: bytes.to_vec() });
    let opened = ask(
        &mut engine,
        Open { files: vec![junk("broken.zip", b"PK\x03\x04"), junk("empty.tsv", b""), junk("x.tsv", b"a\tb\n1\t2\n")] },
    )
    .unwrap();
    let lines: Vec<String> =
        opened.problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
    assert_eq!((opened.adapters.len(), opened.data.len(), lines.len()), (0, 0, 3), "{lines:#?}");
    insta::assert_snapshot!(lines.join("\n"));

    let few = ask(&mut engine, DrawEpisode(EpisodeSpec { test_rows: Some(5), ..episode(&data) })).unwrap();
    let all = ask(&mut engine, DrawEpisode(episode(&data))).unwrap();
    assert_eq!((few.test, few.support.len()), (5, all.support.len()));
    assert!(all.test > 5);
    let too_many = EpisodeSpec { k: 60, ..episode(&data) };
    insta::assert_snapshot!(ask(&mut engine, DrawEpisode(too_many)).unwrap_err());
    let mut wild = train(&data, RunStart::HeadOnly);
    wild.settings.learning_rate = 0.0;
    insta::assert_snapshot!(ask(&mut engine, wild).unwrap_err(), @"learning_rate is 0; it must be above 0 and at most 1");
    for bottleneck in [0, 33] {
        let error = ask(&mut engine, train(&data, RunStart::Scratch { bottleneck })).unwrap_err().to_string();
        assert_eq!(error, format!("a bottleneck of {bottleneck} is out of range: tiny is 32 wide, so it is 1 to 32"));
    }
    let weights = std::fs::read(fixture("model/tiny/model.safetensors")).unwrap();
    let with = |weights: &[u8]| {
        let mut files =
            ["config.json", "tokenizer.json"].map(|name| bytes(&format!("model/tiny/{name}"), name)).to_vec();
        files.push(junk("model.safetensors", weights));
        OpenPlm { name: "other".into(), files }
    };
    let error = ask(&mut engine, with(&weights[..weights.len() - 4])).unwrap_err().to_string();
    assert!(error.starts_with("other: model.safetensors: "), "{error}");
    let mut not_a_number = support::tensors(&fixture("model/tiny/model.safetensors"));
    let name = "embeddings.LayerNorm.bias";
    let mut values = not_a_number.get(name).unwrap().values().to_vec();
    values[5] = f32::NAN;
    not_a_number.insert(name, mera_lab::tensors::Tensor::new([values.len()], values).unwrap());
    let broken = mera_lab::format::safetensors::write(&not_a_number).unwrap();
    insta::assert_snapshot!(ask(&mut engine, with(&broken)).unwrap_err(), @"other: model.safetensors: tensor embeddings.LayerNorm.bias holds NaN at index 5; weights are finite");
    let nothing = OpenPlm { name: "half".into(), files: vec![junk("config.json", b"{}")] };
    insta::assert_snapshot!(ask(&mut engine, nothing).unwrap_err(), @"half: a language model needs config.json, tokenizer.json and model.safetensors; there is no tokenizer.json");
    assert_eq!(engine.adapters().iter().count(), adapters.len());
    assert!(engine.plm().is_ok() && engine.data().get(data.id).is_ok());
}
