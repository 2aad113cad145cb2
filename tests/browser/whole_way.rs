//! Files in, aligned, merged, fine-tuned, paused and taken up again, files out: on each device, with the same numbers.

use crate::devices::SharedGpu;
use crate::support::{fixture, read};
use mera_lab::engine::{Cancelled, Engine, Observer, Quiet, Ready};
use mera_lab::protocol::*;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

/// What one device gave.
struct Numbers {
    diagonal_shares: Vec<f32>,
    losses: Vec<f32>,
    accuracy: f32,
}

#[wasm_bindgen_test]
async fn both_devices_go_the_same_way() {
    let cpu = whole_way(DeviceChoice::Cpu).await;
    let gpu = whole_way(DeviceChoice::WebGpu).await;
    console_log!("losses on the CPU {:?}, on WebGPU {:?}", cpu.losses, gpu.losses);
    assert_eq!(cpu.diagonal_shares.len(), 2);
    for (cpu, gpu) in cpu.diagonal_shares.iter().zip(&gpu.diagonal_shares) {
        assert!((cpu - gpu).abs() < 1e-4, "diagonal shares {cpu} and {gpu}");
    }
    assert_eq!(cpu.losses.len(), 8);
    for (step, (cpu, gpu)) in cpu.losses.iter().zip(&gpu.losses).enumerate() {
        assert!((cpu - gpu).abs() < 1e-3 * cpu, "losses of step {step} are {cpu} and {gpu}");
    }
    // Rounding may tip an answer or two out of 216.
    assert!((cpu.accuracy - gpu.accuracy).abs() < 0.02, "accuracies {} and {}", cpu.accuracy, gpu.accuracy);
}

async fn whole_way(choice: DeviceChoice) -> Numbers {
    let mut engine = tiny(choice).await;
    let mut files = Vec::new();
    for (name, weights) in [("a", "pytorch_adapter.bin"), ("b", "adapter.safetensors"), ("c", "pytorch_adapter.bin")] {
        for part in ["adapter_config.json", weights] {
            files.push(file(&format!("model/tiny_adapter/fusion/{name}/{part}"), &format!("{name}/{part}")));
        }
    }
    files.push(file("../../www/samples/task/everyday-nli.tsv", "everyday-nli.tsv"));
    let opened = ask(&mut engine, Open { files }).await;
    assert_eq!((opened.adapters.len(), opened.data.len(), opened.problems), (3, 1, vec![]));
    let ids: Vec<AdapterId> = opened.adapters.iter().map(|card| card.id).collect();
    let episode = EpisodeSpec { data: opened.data[0].id, test: None, test_rows: None, k: 4, seed: 13, max_length: 48 };

    let texts = Texts::Episode(episode.clone());
    let align = Align {
        reference: ids[0],
        others: vec![ids[1]],
        by: AlignBy::Activations,
        solver: Solver::Exact,
        texts: texts.clone(),
    };
    let report = ask(&mut engine, align).await;
    let diagonal_shares = report.pairs[0].locations.iter().map(|location| location.diagonal_share.unwrap()).collect();
    let spec = MergeSpec {
        method: "mera_acts".into(),
        settings: Default::default(),
        adapters: ids,
        weights: vec![],
        reference: None,
        scale: OutputScale::None,
        texts,
    };
    let merged = ask(&mut engine, Merge { name: "merged".into(), spec }).await.adapter;

    let settings = TrainSettings { epochs: 4, batch_size: 6, learning_rate: 5e-3, ..TrainSettings::default() };
    let train = Train { name: "run".into(), start: RunStart::Adapter(merged.id), episode, settings };
    let mut stop = StopAfter(3);
    let outcome = engine.handle(train.clone().into(), &mut stop).await.unwrap();
    let paused = Train::answer(outcome).unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    assert!(paused.curve.len() < 8, "it went on after it was told to stop");
    let run = ask(&mut engine, Resume { train, run: Some(paused.run), checkpoint: None }).await;
    assert_eq!(run.status, RunStatus::Finished);

    let zip = ask(&mut engine, Export::Run(run.run)).await;
    let again = ask(&mut engine, Open { files: vec![FileSource::Bytes(zip)] }).await;
    assert_eq!((again.adapters.len(), again.problems), (1, vec![]));
    Numbers {
        diagonal_shares,
        losses: run.curve.iter().map(|point| point.loss).collect(),
        accuracy: run.test.unwrap().accuracy,
    }
}

/// An engine on that device, with the tiny model of the fixtures.
pub(crate) async fn tiny(choice: DeviceChoice) -> Engine {
    let mut engine = Engine::new(SharedGpu);
    let device = ask(&mut engine, Start { device: choice }).await;
    let wanted = if choice == DeviceChoice::Cpu { DeviceKind::Cpu } else { DeviceKind::WebGpu };
    assert_eq!(device.device, wanted, "{}", device.reason);
    let files = PLM_FILES.map(|name| file(&format!("model/tiny/{name}"), name)).to_vec();
    assert_eq!(ask(&mut engine, OpenPlm { name: "tiny".into(), files }).await.layers, 2);
    engine
}

pub(crate) async fn ask<A: Ask>(engine: &mut Engine, ask: A) -> A::Answer {
    A::answer(engine.handle(ask.into(), &mut Quiet).await.unwrap()).unwrap()
}

pub(crate) fn file(path: &str, known_as: &str) -> FileSource {
    FileSource::Bytes(FileBytes { path: known_as.into(), bytes: read(&fixture(path)) })
}

/// Lets so many reports pass, then says stop.
struct StopAfter(usize);

impl Observer for StopAfter {
    fn progress(&mut self, _: Progress) -> Ready<'_> {
        let answer = if self.0 == 0 { Err(Cancelled) } else { Ok(()) };
        self.0 = self.0.saturating_sub(1);
        Box::pin(std::future::ready(answer))
    }

    fn checkpoint(&mut self, _: Checkpoint) {}

    fn seconds(&self) -> f64 {
        0.0
    }
}
