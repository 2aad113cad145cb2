//! A small experiment on each device: the same runs, on WebGPU several in a pass, and the same records but for rounding.

use crate::support::{fixture, read};
use crate::whole_way::{ask, file, tiny};
use mera_lab::experiment::Record;
use mera_lab::protocol::*;
use std::collections::{BTreeMap, BTreeSet};
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

const EXPERIMENT: &str = r#"
plm = "tiny"
shots = [2]
seeds = [13, 21]
methods = ["scratch", "sum"]

[training]
epochs = 1
batch_size = 6
learning_rates = [1e-3]
max_length = 32

[[adapters]]
name = "a"
path = "a"

[[adapters]]
name = "b"
path = "b"

[[targets]]
name = "few"
train = "few.tsv"
"#;

/// Each with two seeds. One pass on WebGPU, for every kernel that is compiled there takes the software adapter its time.
const RUNS: usize = 4;

#[wasm_bindgen_test]
async fn an_experiment_comes_out_the_same_on_both_devices() {
    let (on_cpu, cpu) = experiment(DeviceChoice::Cpu).await;
    let (on_gpu, gpu) = experiment(DeviceChoice::WebGpu).await;
    let planned = |card: &ExperimentCard| card.runs.iter().map(|run| run.hash.clone()).collect::<Vec<_>>();
    assert_eq!(planned(&on_cpu), planned(&on_gpu));
    assert_eq!(planned(&on_cpu).iter().collect::<BTreeSet<_>>().len(), RUNS);
    assert!(on_cpu.passes.iter().all(|pass| pass.len() == 1), "{:?}", on_cpu.passes);
    assert!(on_gpu.passes.iter().any(|pass| pass.len() > 1), "each run went alone: {:?}", on_gpu.passes);
    assert_eq!((cpu.len(), gpu.len()), (RUNS, RUNS));
    for (hash, cpu) in &cpu {
        let gpu = &gpu[hash];
        console_log!("{} {}: {:?} and {:?}", cpu.method, cpu.seed, cpu.dev_loss, gpu.dev_loss);
        assert!(cpu.dev_loss.is_some(), "{cpu:?} has trained nothing");
        assert!(cpu.agrees(gpu), "{cpu:?} on the CPU, {gpu:?} on WebGPU");
    }
}

/// The plan, and the records of all its runs by hash.
async fn experiment(choice: DeviceChoice) -> (ExperimentCard, BTreeMap<String, Record>) {
    let mut engine = tiny(choice).await;
    let parts = ["a/adapter_config.json", "a/pytorch_adapter.bin", "b/adapter_config.json", "b/adapter.safetensors"];
    let mut files = parts.map(|part| file(&format!("model/tiny_adapter/fusion/{part}"), part)).to_vec();
    files.push(FileSource::Bytes(FileBytes { path: "few.tsv".into(), bytes: few() }));
    let opened = ask(&mut engine, Open { files }).await;
    assert_eq!((opened.adapters.len(), opened.data.len(), opened.problems), (2, 1, vec![]));
    let plan = PlanExperiment {
        file: EXPERIMENT.into(),
        plm: 0,
        adapters: opened.adapters.iter().map(|card| card.id).collect(),
        targets: vec![(opened.data[0].id, None)],
    };
    let card = ask(&mut engine, plan).await;
    let mut records = BTreeMap::new();
    for hashes in card.passes.clone() {
        let runs = ask(&mut engine, RunExperiment { hashes, records: vec![] }).await;
        assert_eq!(runs.failed, vec![]);
        for run in runs.finished {
            let detail = run.detail.unwrap();
            assert_eq!(detail.answers.len(), 12);
            records.insert(run.record.hash, serde_json::from_str(&run.line).unwrap());
        }
    }
    (card, records)
}

/// Eight rows a label of the sample task: two to learn from, two to choose on, four to judge by.
fn few() -> Vec<u8> {
    let task = String::from_utf8(read(&fixture("../../www/samples/task/everyday-nli.tsv"))).unwrap();
    let mut seen = BTreeMap::<&str, usize>::new();
    let few = task.lines().filter(|line| {
        let count = seen.entry(line.split('\t').next().unwrap()).or_default();
        *count += 1;
        *count <= 8
    });
    few.collect::<Vec<_>>().join("\n").into_bytes()
}
