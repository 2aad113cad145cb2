//! What is kept of a run that is paused, lost, or comes to no good end.

use super::*;
use mera_lab::format::{archive, safetensors};
use mera_lab::tensors::TensorSet;

/// Its clock stands, so that no checkpoint is due by time.
#[derive(Default)]
struct Standing {
    /// Says stop after so many reports.
    stop_after: Option<usize>,
    phases: Vec<Phase>,
    checkpoints: Vec<Checkpoint>,
}

impl Observer for Standing {
    fn progress(&mut self, progress: Progress) -> Ready<'_> {
        let stops = self.stop_after.is_some_and(|reports| self.phases.len() >= reports);
        self.phases.push(progress.phase);
        Box::pin(std::future::ready(if stops { Err(Cancelled) } else { Ok(()) }))
    }
    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.checkpoints.push(checkpoint);
    }
    fn seconds(&self) -> f64 {
        0.0
    }
}

fn from(checkpoint: &Checkpoint, train: &Train) -> Resume {
    Resume { train: train.clone(), run: None, checkpoint: Some(checkpoint.clone()) }
}

fn opened(engine: &mut Engine, path: &str, text: String) -> DataCard {
    let file = FileSource::Bytes(FileBytes { path: path.into(), bytes: text.into() });
    ask(engine, Open { files: vec![file] }).unwrap().data.remove(0)
}

/// `count` rows of two labels.
fn long(count: usize) -> String {
    let row = |row| format!("{}\tA line of text, number {row}.\n", row % 2);
    "label\ttext1\n".to_owned() + &(0..count).map(row).collect::<String>()
}

#[test]
fn a_pause_and_an_end_leave_a_checkpoint() {
    let (mut engine, _, data) = loaded();
    let train = train(&data, RunStart::HeadOnly);
    let mut observer = Standing::default();
    let whole = watched(&mut engine, train.clone(), &mut observer).unwrap();
    assert_eq!(observer.checkpoints.iter().map(|at| at.step).collect::<Vec<_>>(), [8]);
    // Another engine has nothing to train, and judges as this one did.
    let mut again = Standing::default();
    let (mut other, ..) = loaded();
    let report = watched(&mut other, from(&observer.checkpoints[0], &train), &mut again).unwrap();
    assert!(again.phases.iter().all(|phase| *phase == Phase::Evaluate), "{:?}", again.phases);
    assert_eq!((again.checkpoints.len(), &report.curve, report.test), (0, &whole.curve, whole.test));
    assert_eq!((report.status, report.best_epoch), (RunStatus::Finished, whole.best_epoch));

    for reports in [0, 3, 5] {
        let mut observer = Standing { stop_after: Some(reports), ..Standing::default() };
        let paused = watched(&mut engine, train.clone(), &mut observer).unwrap();
        assert_eq!((paused.status, observer.checkpoints.len()), (RunStatus::Paused, 1));
        let checkpoint = &observer.checkpoints[0];
        assert_eq!((checkpoint.run, checkpoint.step), (paused.run, paused.curve.len()));
        let report = ask(&mut other, from(checkpoint, &train)).unwrap();
        assert_eq!((&report.curve, report.test), (&whole.curve, whole.test));
    }
}

#[test]
fn a_pause_before_its_test_leaves_the_checkpoint_of_the_end() {
    let (mut engine, _, data) = loaded();
    let train = train(&data, RunStart::HeadOnly);
    let mut observer = Standing::default();
    watched(&mut engine, train.clone(), &mut observer).unwrap();
    let before_test = observer.phases.iter().position(|phase| *phase == Phase::Evaluate).unwrap();
    let mut observer = Standing { stop_after: Some(before_test + 1), ..Standing::default() };
    let paused = watched(&mut engine, train.clone(), &mut observer).unwrap();
    assert_eq!((paused.status, paused.curve.len()), (RunStatus::Paused, 8));
    assert_eq!(observer.checkpoints.iter().map(|at| at.step).collect::<Vec<_>>(), [8]);
    let resume = Resume { train, run: Some(paused.run), checkpoint: None };
    let mut observer = Standing::default();
    let report = watched(&mut engine, resume, &mut observer).unwrap();
    assert_eq!((report.status, observer.checkpoints.len()), (RunStatus::Finished, 0));
}

#[test]
fn what_is_paused_while_it_is_brought_back_keeps_its_steps() {
    let (mut engine, ..) = loaded();
    let data = opened(&mut engine, "long.tsv", long(1600));
    // Three reports while the rows are read, and two steps.
    let asked = train(&data, RunStart::HeadOnly);
    let mut observer = Standing { stop_after: Some(4), ..Standing::default() };
    let paused = watched(&mut engine, asked.clone(), &mut observer).unwrap();
    assert_eq!((paused.status, paused.curve.len()), (RunStatus::Paused, 2));

    let mut cancelled = Standing { stop_after: Some(0), ..Standing::default() };
    let again = watched(&mut engine, from(&observer.checkpoints[0], &asked), &mut cancelled).unwrap();
    assert_eq!(cancelled.phases[..3], [Phase::Read; 3], "it is told all the same");
    assert_eq!(again.status, RunStatus::Paused);
    // Its next step was to look at dev.
    assert_eq!((paused.curve[1].dev, again.curve[1].dev.is_some()), (None, true));
    assert_eq!(again.curve.iter().map(|point| point.loss).collect::<Vec<_>>(), [0, 1].map(|at| paused.curve[at].loss));
    assert_eq!(cancelled.checkpoints.iter().map(|at| at.step).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_run_that_failed_leaves_nothing() {
    let (mut engine, adapters, data) = loaded();
    let file = engine.adapters().get(adapters[0].id).unwrap().file.clone();
    let params = scaled(&file.params, 1e30);
    let huge = AdapterFile::new("huge", file.plm.clone(), file.config.form.clone(), params, None).unwrap();
    let files = mera_lab::engine::folder(&huge, &serde_json::json!({}), Weights::Both).unwrap().into_iter();
    let source = |(name, bytes)| FileSource::Bytes(FileBytes { path: format!("huge/{name}"), bytes });
    let huge = ask(&mut engine, Open { files: files.map(source).collect() }).unwrap().adapters.remove(0);
    let error = ask(&mut engine, train(&data, RunStart::Adapter(huge.id))).unwrap_err();
    insta::assert_snapshot!(error, @"the loss of step 1 is NaN; a lower learning rate may help");
    assert!(matches!(engine.runs().report(RunId(0)), Err(EngineError::NoRun(RunId(0)))));
    assert_eq!(ask(&mut engine, train(&data, RunStart::HeadOnly)).unwrap().run, RunId(1));
    assert!(engine.runs().report(RunId(1)).unwrap().is_some());
}

#[test]
fn a_run_that_diverges_after_an_epoch_ends_with_its_best() {
    let (mut engine, adapters, data) = loaded();
    let asked = train(&data, RunStart::Adapter(adapters[0].id));
    let mut observer = StopAfter { reports: 100, ..StopAfter::default() };
    let whole = watched(&mut engine, asked.clone(), &mut observer).unwrap();
    // In the middle of the second epoch; the first has been judged.
    let checkpoint = observer.checkpoints.iter().find(|checkpoint| checkpoint.step == 3).unwrap();
    let broken = changed(checkpoint, "params.safetensors", |bytes| {
        safetensors::write(&scaled(&safetensors::read(bytes).unwrap(), 1e30)).unwrap()
    });
    let mut observer = Standing::default();
    let report = watched(&mut engine, from(&broken, &asked), &mut observer).unwrap();
    assert_eq!((report.status, report.best_epoch), (RunStatus::Diverged, 1));
    assert_eq!(report.curve, whole.curve[..3]);
    assert_eq!(report.dev, whole.curve[1].dev);
    assert!(report.test.unwrap().loss.is_finite());
    assert_eq!(observer.checkpoints, [], "there is nothing to go on from");
}

#[test]
fn a_broken_checkpoint_is_told_as_one() {
    let (mut engine, adapters, data) = loaded();
    let asked = train(&data, RunStart::Adapter(adapters[0].id));
    let mut observer = Standing::default();
    watched(&mut engine, asked.clone(), &mut observer).unwrap();
    let whole = &observer.checkpoints[0];
    let mut error = |broken| ask(&mut engine, from(&broken, &asked)).unwrap_err();
    insta::assert_snapshot!(error(Checkpoint { bytes: b"PK".to_vec(), ..whole.clone() }), @"the checkpoint can't be read: the zip archive is damaged: its directory is missing, so it is cut short or no zip");
    insta::assert_snapshot!(error(changed(whole, "state.json", |_| b"{}".to_vec())), @"the checkpoint can't be read: state.json: missing field `seconds` at line 1 column 2");
    insta::assert_snapshot!(error(changed(whole, "moments.safetensors", |_| b"half".to_vec())), @"the checkpoint can't be read: moments.safetensors: the file is cut short: its safetensors header claims 8 bytes, the file has 4");
    // As many values in another shape.
    let transposed = |bytes: &[u8]| {
        let mut tensors = safetensors::read(bytes).unwrap();
        let weight = tensors.get("head.out_proj.weight").unwrap();
        let [labels, hidden] = weight.shape() else { unreachable!() };
        let weight = Tensor::new([*hidden, *labels], weight.values().to_vec()).unwrap();
        tensors.insert("head.out_proj.weight", weight);
        safetensors::write(&tensors).unwrap()
    };
    let told =
        ["params.safetensors", "best.safetensors"].map(|part| error(changed(whole, part, transposed)).to_string());
    insta::assert_snapshot!(told[0], @"the checkpoint does not belong to this run: its head.out_proj.weight has shape [32, 3], not [3, 32]");
    assert_eq!(told[1], told[0]);
    let none = |_: &[u8]| safetensors::write(&TensorSet::new()).unwrap();
    insta::assert_snapshot!(error(changed(whole, "params.safetensors", none)), @"the checkpoint does not belong to this run: it has no tensor layer.0.output.down_proj.weight");
}

#[test]
fn rows_without_a_label_are_neither_right_nor_wrong() {
    let (mut engine, ..) = loaded();
    let data = opened(&mut engine, "long.tsv", long(40));
    let judging = "label\ttext1\n0\tOne.\n0\tTwo.\n0\tThree.\n1\tFour.\n\tFive.\n\tSix.\n";
    let test = opened(&mut engine, "judging.tsv", judging.to_owned());
    let spec = EpisodeSpec { test: Some(test.id), ..episode(&data) };
    let card = ask(&mut engine, DrawEpisode(spec.clone())).unwrap();
    assert_eq!((card.test, card.majority), (6, 0.75));
    let report = ask(&mut engine, Train { episode: spec, ..train(&data, RunStart::HeadOnly) }).unwrap();
    let [labelled, wrong] = [|p: &&TestPrediction| p.row.is_labelled(), |p: &&TestPrediction| p.is_wrong()]
        .map(|is: fn(&&TestPrediction) -> bool| report.predictions.iter().filter(is).count());
    assert_eq!((report.predictions.len(), labelled), (6, 4));
    assert_eq!(report.test.unwrap().accuracy, (4 - wrong) as f32 / 4.0);
    assert!(report.predictions[..wrong].iter().all(TestPrediction::is_wrong));
}

/// The checkpoint with one of its files changed.
fn changed(checkpoint: &Checkpoint, part: &str, change: impl Fn(&[u8]) -> Vec<u8>) -> Checkpoint {
    let mut files = archive::unpack("checkpoint", &checkpoint.bytes, archive::Limits::default()).unwrap().files;
    let (_, bytes) = files.iter_mut().find(|(path, _)| path.ends_with(part)).unwrap();
    *bytes = change(bytes);
    Checkpoint { bytes: archive::pack(&files).unwrap(), ..checkpoint.clone() }
}

fn scaled(params: &TensorSet, by: f32) -> TensorSet {
    let scaled = params.iter().map(|(name, tensor)| {
        let values = tensor.values().iter().map(|value| value * by).collect();
        (name.to_owned(), Tensor::new(tensor.shape(), values).unwrap())
    });
    scaled.collect()
}
