//! The command `mera` as a shell sees it: exit codes, what it prints where, what it writes, and that its numbers are
//! the oracle's.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/refused.rs"]
mod refused;
mod support;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/written.rs"]
mod written;

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::{fixture, tensors};
use tempfile::TempDir;

const PLM: &str = "model/tiny";
const ADAPTER: &str = "model/tiny_adapter/seq_bn";
const A: &str = "model/tiny_adapter/fusion/a";
const B: &str = "model/tiny_adapter/fusion/b";
const C: &str = "model/tiny_adapter/fusion/c";

fn path(name: &str) -> String {
    fixture(name).to_str().unwrap().to_owned()
}

fn mera(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mera")).args(arguments).output().unwrap()
}

/// Standard output of a call that must succeed.
fn out(arguments: &[&str]) -> String {
    let output = mera(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "mera {}: {errors}", arguments.join(" "));
    assert_eq!(errors, "", "piped, it says nothing beside its answer");
    String::from_utf8(output.stdout).unwrap()
}

fn document(arguments: &[&str]) -> Value {
    serde_json::from_str(&out(arguments)).unwrap()
}

/// Standard error of a call that must fail with exit code 1: one line, with the machine's own paths cut away.
fn error(arguments: &[&str], folders: &[&Path]) -> String {
    let output = mera(arguments);
    assert_eq!(output.status.code(), Some(1), "mera {}", arguments.join(" "));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    let mut line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    for folder in folders.iter().copied().chain([fixture("model").as_path()]) {
        line = line.replace(&format!("{}/", folder.display()), "");
    }
    line.trim_end().to_owned()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Two kinds of sentence that the tiny model can tell apart.
fn sentences(folder: &TempDir, name: &str, rows: usize) -> String {
    let row = |index: usize| match index % 2 {
        0 => format!("good\tThe film was very good and they love it {}\n", index % 7),
        _ => format!("bad\tI never hated a phone so, awful battery {}\n", index % 5),
    };
    write(folder, name, &format!("label\ttext1\n{}", (0..rows).map(row).collect::<String>()))
}

fn copy(from: &str, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in names(&fixture(from)).into_iter().filter(|name| fixture(from).join(name).is_file()) {
        std::fs::copy(fixture(from).join(&name), to.join(&name)).unwrap();
    }
}

#[test]
fn predict_gives_the_oracles_logits() {
    let folder = TempDir::new().unwrap();
    let texts = support::json(&fixture("model/tiny/expected.json"))["texts"].clone();
    let logits = tensors(&fixture("model/tiny_adapter/expected_seq_bn.safetensors"));
    let expected: Vec<&[f32]> = logits.get("logits").unwrap().values().chunks(3).collect();
    let mut seen = 0;
    // A file holds single texts or pairs.
    for count in [1, 2] {
        let chosen: Vec<usize> =
            (0..expected.len()).filter(|&row| texts[row].as_array().unwrap().len() == count).collect();
        let lines = chosen.iter().map(|&row| match count {
            1 => json!({ "text1": texts[row][0] }).to_string() + "\n",
            _ => json!({ "text1": texts[row][0], "text2": texts[row][1] }).to_string() + "\n",
        });
        let data = write(&folder, &format!("{count}.jsonl"), &lines.collect::<String>());
        let answer =
            document(&["predict", "--plm", &path(PLM), "--adapter", &path(ADAPTER), "--data", &data, "--json"]);
        assert_eq!(keys(&answer), ["labels", "rows"], "no accuracy without labels");
        assert_eq!(answer["labels"], json!(["negative", "neutral", "positive"]));
        for (row, &number) in answer["rows"].as_array().unwrap().iter().zip(&chosen) {
            assert_eq!(keys(row), ["label", "logits"]);
            let found: Vec<f64> =
                row["logits"].as_array().unwrap().iter().map(|logit| logit.as_f64().unwrap()).collect();
            for (found, &expected) in found.iter().zip(expected[number]) {
                assert!((found - f64::from(expected)).abs() < 2e-5, "row {number}: {found} and {expected}");
            }
            let best = (0..3).max_by(|&a, &b| found[a].total_cmp(&found[b])).unwrap();
            assert_eq!(row["label"], answer["labels"][best]);
            seen += 1;
        }
    }
    assert_eq!(seen, 6);
}

#[test]
fn accuracy_counts_the_rows_with_a_label() {
    let folder = TempDir::new().unwrap();
    let ask =
        |data: &str| document(&["predict", "--plm", &path(PLM), "--adapter", &path(ADAPTER), "--data", data, "--json"]);
    let texts = ["It rained all night", "bad", "They love it"];
    let plain = write(&folder, "plain.tsv", &format!("text1\n{}\n", texts.join("\n")));
    let answers: Vec<String> =
        ask(&plain)["rows"].as_array().unwrap().iter().map(|row| row["label"].as_str().unwrap().to_owned()).collect();
    let other = ["negative", "neutral", "positive"].into_iter().find(|&label| label != answers[1]).unwrap();
    let rows = format!("label\ttext1\n{}\t{}\n{other}\t{}\n\t{}\n", answers[0], texts[0], texts[1], texts[2]);
    assert_eq!(ask(&write(&folder, "labelled.tsv", &rows))["accuracy"], 0.5);
}

#[test]
fn train_learns_writes_a_folder_and_says_how_it_went() {
    let folder = TempDir::new().unwrap();
    let (data, dev) = (sentences(&folder, "train.tsv", 40), sentences(&folder, "dev.tsv", 12));
    let output = folder.path().join("trained/sentiment");
    let target = output.to_str().unwrap();
    let plm = path(PLM);
    let files = ["train", "--plm", &plm, "--data", &data, "--dev", &dev, "-o", target];
    let settings = "--bottleneck 4 --epochs 12 --batch-size 8 --learning-rate 1e-2 --seed 7";
    let call: Vec<&str> = files.into_iter().chain(settings.split(' ')).collect();
    let said = out(&call);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 13, "a line an epoch and one at the end: {said}");
    let loss = |line: &str| line.split_whitespace().skip_while(|word| *word != "loss").nth(1).unwrap().parse().unwrap();
    let (first, last): (f32, f32) = (loss(lines[0]), loss(lines[11]));
    assert!(last < 0.5 * first, "the loss falls: {said}");
    assert_eq!(
        names(&output),
        [
            "README.md",
            "adapter.safetensors",
            "adapter_config.json",
            "head_config.json",
            "model_head.safetensors",
            "pytorch_adapter.bin",
            "pytorch_model_head.bin",
            "recipe.json"
        ]
    );

    let recipe: Value = serde_json::from_slice(&std::fs::read(output.join("recipe.json")).unwrap()).unwrap();
    assert_eq!((&recipe["training"]["seed"], &recipe["rows"]), (&json!(7), &json!(40)));
    let reached = recipe["result"]["dev"]["accuracy"].as_f64().unwrap();
    assert_eq!(reached, 1.0, "two kinds of sentence are easy to tell apart");
    let card = std::fs::read_to_string(output.join("README.md")).unwrap();
    assert!(card.contains("--bottleneck 4") && card.contains("accuracy 1.0000"), "{card}");
    assert!(!card.contains(folder.path().to_str().unwrap()), "no path of this machine in what is handed on: {card}");

    // What was written is what was judged.
    let answer = document(&["predict", "--plm", &plm, "--adapter", target, "--data", &dev, "--json"]);
    assert_eq!((&answer["accuracy"], &answer["labels"]), (&json!(1.0), &json!(["bad", "good"])));

    // The same again gives the same bytes; another seed gives others.
    let weights = |folder: &Path| std::fs::read(folder.join("adapter.safetensors")).unwrap();
    let before = weights(&output);
    let message = error(&call, &[folder.path()]);
    insta::assert_snapshot!(message, @"error: trained/sentiment: the folder exists and is not empty; --force replaces the adapter in it");
    std::fs::write(output.join("notes.txt"), "mine").unwrap();
    out(&[&call[..], &["--force"]].concat());
    assert_eq!(weights(&output), before);
    assert_eq!(std::fs::read_to_string(output.join("notes.txt")).unwrap(), "mine", "only an adapter is replaced");

    // An adapter can be trained on.
    let further = folder.path().join("further");
    out(&[
        "train",
        "--plm",
        &plm,
        "--data",
        &data,
        "--adapter",
        target,
        "--epochs",
        "1",
        "--limit",
        "8",
        "-o",
        further.to_str().unwrap(),
    ]);
    assert_ne!(weights(&further), before);
    let recipe: Value = serde_json::from_slice(&std::fs::read(further.join("recipe.json")).unwrap()).unwrap();
    assert_eq!((&recipe["start"]["name"], &recipe["rows"]), (&json!("sentiment"), &json!(8)));
    assert_eq!(names(folder.path()), ["dev.tsv", "further", "train.tsv", "trained"], "nothing else is left behind");
}

#[test]
fn merge_writes_an_adapter_its_recipe_and_a_report() {
    let folder = TempDir::new().unwrap();
    let texts = write(&folder, "texts.txt", "The film was very good.\nThey love it\tIt rained all night\n");
    let (output, report) = (folder.path().join("merged"), folder.path().join("report.json"));
    let said = out(&[
        "merge",
        "--method",
        "mera_acts",
        "--set",
        "solver=sinkhorn",
        "--set",
        "epsilon=0.05",
        "--weights",
        "1,3",
        "--reference",
        "b",
        "--plm",
        &path(PLM),
        "--texts",
        &texts,
        "--scale",
        "keep",
        "--report",
        report.to_str().unwrap(),
        "-o",
        output.to_str().unwrap(),
        &path(A),
        &path(B),
    ]);
    assert_eq!(said.replace(folder.path().to_str().unwrap(), ""), "/merged: mera_acts of a, b\n");
    assert_eq!(names(&output), ["adapter.safetensors", "adapter_config.json", "pytorch_adapter.bin", "recipe.json"]);

    let recipe = support::json(&output.join("recipe.json"));
    let merged = &recipe["adapter"];
    let set = ["solver", "epsilon", "iterations", "fit"].map(|name| merged["settings"][name].clone());
    assert_eq!(json!(set), json!(["sinkhorn", 0.05, 2000, false]), "those at their defaults too");
    assert!(recipe["burn"].as_str().unwrap().starts_with("burn "), "{recipe}");
    assert_eq!((&merged["reference"], &merged["weights"]), (&json!(1), &json!([1.0, 3.0])));
    assert_eq!(merged["scale"], "keep");
    for (input, name) in merged["inputs"].as_array().unwrap().iter().zip(["a", "b"]) {
        assert_eq!((&input["name"], input["sha256"].as_str().unwrap().len()), (&json!(name), 64));
    }

    let report = support::json(&report);
    assert_eq!((&report["method"], &report["reference"]), (&json!("mera_acts"), &json!("b")));
    let locations = report["locations"].as_array().unwrap();
    assert_eq!(locations.len(), 2);
    for location in locations {
        assert_eq!(
            keys(location),
            ["name", "cost_before", "cost_after", "diagonal_share", "converged", "stored", "aligned", "ensemble"]
        );
        assert!(location["cost_after"].as_f64().unwrap() > 0.0);
        assert_eq!(location["converged"], true);
        assert!(location["ensemble"]["relative_error"].as_f64().unwrap() > 0.0);
    }
    let inspected = document(&["inspect", "--json", output.to_str().unwrap()]);
    assert_eq!((&inspected[0]["name"], &inspected[0]["problems"]), (&json!("merged"), &json!([])));
}

#[test]
fn a_merge_of_copies_is_the_copy() {
    let folder = TempDir::new().unwrap();
    // A word of torch's modules, which names no adapter.
    let output = folder.path().join("train");
    out(&["merge", "--method", "mera_wts", "-o", output.to_str().unwrap(), &path(A), &path(A), &path(A)]);
    assert_eq!(support::json(&output.join("adapter_config.json"))["name"], "train_adapter");
    let merged = tensors(&output.join("adapter.safetensors"));
    let original = tensors(&fixture(A).join("adapter.safetensors"));
    let original: Vec<_> = original.iter().collect();
    assert_eq!(merged.iter().count(), original.len());
    for ((name, merged), (_, original)) in merged.iter().zip(original) {
        let off = merged.values().iter().zip(original.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-6, "{name} is off by {off}");
    }
}

#[test]
fn align_prints_plans() {
    let answer = document(&["align", "--by", "weights", "--json", &path(A), &path(C)]);
    assert_eq!(keys(&answer), ["locations"]);
    let locations = answer["locations"].as_array().unwrap();
    let found: Vec<&str> = locations.iter().map(|location| location["name"].as_str().unwrap()).collect();
    assert_eq!(found, ["layer.0.output", "layer.1.output"]);
    for location in locations {
        for paired_by_place in ["cost_before", "diagonal_share"] {
            assert_eq!(location[paired_by_place], Value::Null, "8 and 4 neurons have no order in common");
        }
        let plan: Vec<Vec<f64>> = serde_json::from_value(location["plan"].clone()).unwrap();
        assert_eq!((plan.len(), plan[0].len()), (4, 8), "rows are the neurons of the second");
        for row in &plan {
            assert!((row.iter().sum::<f64>() - 0.25).abs() < 1e-6, "each has its share of the mass: {row:?}");
        }
    }
    let same = document(&["align", "--by", "weights", "--json", &path(A), &path(A)]);
    assert_eq!(
        (&same["locations"][0]["diagonal_share"], &same["locations"][0]["cost_after"]),
        (&json!(1.0), &json!(0.0))
    );
    assert!(out(&["align", "--by", "weights", &path(A), &path(C)]).lines().nth(1).unwrap().ends_with(" -"));
    assert!(out(&["align", "--by", "weights", "--solver", "sinkhorn", &path(A), &path(B)]).contains("layer.1.output"));
}

#[test]
fn inspect_tells_every_thing_apart() {
    let folder = TempDir::new().unwrap();
    let data = sentences(&folder, "task.tsv", 6);
    let found = document(&["inspect", "--json", &path(ADAPTER), &path(PLM), &data]);
    let found = found.as_array().unwrap();
    let kinds: Vec<&str> = found.iter().map(|thing| thing["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["adapter", "plm", "unusable", "data"]);
    for thing in found {
        assert!(thing["path"].is_string() && thing["problems"].is_array(), "{thing}");
    }
    let adapter = &found[0];
    assert_eq!(adapter["path"], path(ADAPTER));
    assert_eq!((&adapter["architecture"], &adapter["layers"]), (&json!("seq_bn"), &json!(2)));
    assert_eq!((&adapter["bottleneck"], &adapter["plm"]["hidden"]), (&json!([8, 8]), &json!(32)));
    assert_eq!(adapter["head"]["labels"], json!(["negative", "neutral", "positive"]));
    let shape = json!({ "name": "layer.0.output.down_proj.weight", "shape": [8, 32], "dtype": "f32" });
    assert!(adapter["tensors"].as_array().unwrap().contains(&shape), "{}", adapter["tensors"]);
    assert_eq!((&found[1]["family"], &found[1]["layers"]), (&json!("bert"), &json!(2)));
    assert_eq!(found[2]["problems"], json!(["config.json is missing beside it"]), "weights without a model");
    assert_eq!((&found[3]["rows"], &found[3]["labels"]), (&json!(6), &json!({ "bad": 3, "good": 3 })));
}

#[test]
fn inspect_names_the_tensor_of_a_broken_adapter() {
    let folder = TempDir::new().unwrap();
    let broken = folder.path().join("broken");
    copy(A, &broken);
    std::fs::remove_file(broken.join("pytorch_adapter.bin")).unwrap();
    let weights = std::fs::read(broken.join("adapter.safetensors")).unwrap();
    std::fs::write(broken.join("adapter.safetensors"), &weights[..weights.len() - 4]).unwrap();
    let found = document(&["inspect", "--json", broken.to_str().unwrap()]);
    assert_eq!((&found[0]["kind"], found.as_array().unwrap().len()), (&json!("unusable"), 1));
    let said = found[0]["problems"][0].as_str().unwrap();
    insta::assert_snapshot!(said);
    let line = error(&["align", "--by", "weights", broken.to_str().unwrap(), &path(A)], &[folder.path()]);
    insta::assert_snapshot!(line);
}

#[test]
fn methods_are_listed_with_their_parameters() {
    let methods = document(&["methods", "--json"]);
    let methods = methods.as_array().unwrap();
    let ids: Vec<&str> = methods.iter().map(|method| method["id"].as_str().unwrap()).collect();
    for id in ["sum", "average", "mera_wts", "mera_acts"] {
        assert!(ids.contains(&id), "{ids:?}");
    }
    for method in methods {
        for key in ["id", "title", "paper", "needs", "parameters", "laws"] {
            assert!(method.get(key).is_some(), "{key} of {method}");
        }
        for parameter in method["parameters"].as_array().unwrap() {
            assert_eq!(keys(parameter), ["name", "meaning", "range", "default"]);
        }
    }
    let text = out(&["methods"]);
    assert!(ids.iter().all(|id| text.contains(&format!("{id}  "))), "{text}");
}

#[test]
fn bench_measures_forward_and_step() {
    let call =
        ["bench", "--plm", &path(PLM), "--runs", "1,2", "--rows", "2", "--tokens", "8", "--repeats", "2", "--json"];
    let answer = document(&call);
    assert!(answer["forward"]["median_ms"].as_f64().unwrap() > 0.0);
    assert_eq!((&answer["device"], &answer["rows"], &answer["tokens"]), (&json!("CPU"), &json!(2), &json!(8)));
    assert!(answer["cores"].as_u64().unwrap() > 0);
    #[cfg(target_os = "linux")]
    assert!(answer["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    let steps = answer["adapter_step"].as_array().unwrap();
    assert_eq!((&steps[0]["runs"], &steps[1]["runs"], steps.len()), (&json!(1), &json!(2), 2));
    assert!(steps.iter().all(|step| step["median_ms"].as_f64().unwrap() > 0.0 && step["repeats"] == 2));
}

#[test]
fn errors_are_one_line_that_names_the_culprit() {
    let folder = TempDir::new().unwrap();
    let here = [folder.path()];
    let (plm, adapter, a, c) = (path(PLM), path(ADAPTER), path(A), path(C));
    let output = folder.path().join("out");
    let output = output.to_str().unwrap();
    let merge = |more: &[&str]| error(&[&["merge", "-o", output], more].concat(), &here);
    insta::assert_snapshot!(merge(&["--method", "mera_wt", &a]));
    insta::assert_snapshot!(merge(&["--method", "sum", &a, &c]));
    insta::assert_snapshot!(merge(&["--method", "sum", "--weights", "1,2,3", &a, &c]));
    insta::assert_snapshot!(merge(&["--method", "mera_wts", "--set", "solver=simplex", &a]));
    insta::assert_snapshot!(merge(&["--method", "mera_wts", "--reference", "d", &a, &c]));
    insta::assert_snapshot!(merge(&["--method", "mera_acts", &a, &c]));
    insta::assert_snapshot!(merge(&["--method", "sum", "--format", "peft", &a]));
    insta::assert_snapshot!(merge(&["--method", "sum", &path("model/tiny_adapter/fusion")]));
    insta::assert_snapshot!(merge(&["--method", "sum", &plm]));
    insta::assert_snapshot!(merge(&["--method", "sum", &path("model/nothing")]));
    insta::assert_snapshot!(merge(&["--method", "sum", "--device", "cuda", &a]));
    assert!(!Path::new(output).exists(), "nothing is written by a call that fails");

    let predict =
        |adapter: &str, data: &str| error(&["predict", "--plm", &plm, "--adapter", adapter, "--data", data], &here);
    let data = write(&folder, "other.tsv", "label\ttext1\nneutral\tThey love it\nmixed\tWhy?\n");
    insta::assert_snapshot!(predict(&adapter, &data));
    insta::assert_snapshot!(predict(&a, &data));
    insta::assert_snapshot!(predict(&path("model/minilm_adapter/bin"), &data));
    insta::assert_snapshot!(predict(&adapter, &write(&folder, "no_text.tsv", "label\ttext\nneutral\tWhy?\n")));
    insta::assert_snapshot!(error(&["predict", "--plm", &a, "--adapter", &a, "--data", &data], &here));

    let train = |data: &str, more: &[&str]| {
        error(&[&["train", "--plm", &plm, "--data", data, "-o", output], more].concat(), &here)
    };
    insta::assert_snapshot!(train(&data, &[]));
    let good = sentences(&folder, "good.tsv", 8);
    insta::assert_snapshot!(train(&good, &["--learning-rate", "0"]));
    insta::assert_snapshot!(train(&good, &["--dev", &data]));
    insta::assert_snapshot!(error(&["train", "--plm", &plm, "--data", &good, "-o", &data], &here));
    assert!(!Path::new(output).exists());
}

#[test]
fn a_wrong_call_ends_with_2() {
    for call in [
        &["merge"][..],
        &["merge", "--method", "sum", "-o", "x", "--set", "novalue", "a"],
        &["merge", "--method", "sum", "-o", "x", "--scale", "loud", "a"],
        &["align", "--by", "activations", "a", "b"],
        &["align", "--by", "smell", "a", "b"],
        &["train", "--plm", "p", "--data", "d", "-o", "x", "--limit", "0"],
        &["run"],
        &["summarize"],
    ] {
        let output = mera(call);
        assert_eq!(output.status.code(), Some(2), "mera {}", call.join(" "));
        assert_eq!(output.stdout, b"");
    }
}
