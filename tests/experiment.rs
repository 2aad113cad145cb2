//! `mera run` and `mera summarize` as a shell sees them: a small grid, run whole, killed and resumed, run in halves.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "experiment/joined.rs"]
mod joined;
mod support;

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::fixture;
use tempfile::TempDir;

/// A folder with an experiment on the tiny model, and its data.
fn laboratory() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let row = |index: usize| match index % 2 {
        0 => format!("good\tThe film was very good and they love it {}\n", index % 7),
        _ => format!("bad\tI never hated a phone so, awful battery {}\n", index % 5),
    };
    let data = |rows: std::ops::Range<usize>| format!("label\ttext1\n{}", rows.map(row).collect::<String>());
    std::fs::write(folder.path().join("train.tsv"), data(0..24)).unwrap();
    std::fs::write(folder.path().join("test.tsv"), data(100..113)).unwrap();
    let path = |name: &str| fixture(name).to_str().unwrap().to_owned();
    let experiment = format!(
        r#"
plm = "{}"
shots = [2, 4]
seeds = [13, 21]
methods = ["majority", "head", "single", "best_single", "sum", "mera_acts"]
[training]
epochs = 1
batch_size = 4
learning_rates = [1e-3, 5e-3]
[[adapters]]
name = "a"
path = "{}"
track = "sentiment"
[[adapters]]
name = "b"
path = "{}"
[[targets]]
name = "films"
train = "train.tsv"
test = "test.tsv"
track = "sentiment"
[[variants]]
name = "acts_keep"
method = "mera_acts"
scale = "keep"
train = "head"
"#,
        path("model/tiny"),
        path("model/tiny_adapter/fusion/a"),
        path("model/tiny_adapter/fusion/b"),
    );
    std::fs::write(folder.path().join("films.toml"), experiment).unwrap();
    folder
}

/// Runs in their number.
const RUNS: usize = 2 * 2 * 8;

fn mera(folder: &TempDir, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mera")).args(arguments).current_dir(folder).output().unwrap()
}

fn out(folder: &TempDir, arguments: &[&str]) -> String {
    let output = mera(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "mera {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn error(folder: &TempDir, arguments: &[&str]) -> String {
    let output = mera(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "mera {arguments:?}");
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    line.trim_end().to_owned()
}

/// What a run takes, which is another matter than what it comes to.
const COSTS: [&str; 3] = ["seconds", "step_seconds", "peak_memory"];

/// The records of a folder without what they took, by hash.
fn records(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("records.jsonl")).unwrap();
    let mut records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for record in &mut records {
        assert_eq!(record["plm"], "tiny");
        let costs = COSTS.map(|key| record.as_object_mut().unwrap().shift_remove(key));
        let [seconds, step, memory] = costs.map(|cost| cost.map_or(f64::NAN, |cost| cost.as_f64().unwrap()));
        assert!(seconds >= 0.0 && step.is_nan() == (record["method"] == "majority"));
        // A choice may look at what was done in another place.
        assert!(!cfg!(target_os = "linux") || memory > 1e6, "{record}");
    }
    records.sort_by_key(|record| record["hash"].as_str().unwrap().to_owned());
    records
}

fn without_seconds(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            map.retain(|key, _| !COSTS.contains(&key.as_str()));
            map.values_mut().for_each(|inner| *inner = without_seconds(inner.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| *inner = without_seconds(inner.take())),
        _ => {}
    }
    value
}

#[test]
fn a_grid_comes_out_the_same_whole_killed_and_in_halves() {
    let folder = laboratory();
    let at = |name: &str| folder.path().join(name);
    out(&folder, &["run", "films.toml", "-o", "whole"]);
    let whole = records(&at("whole"));
    assert_eq!(whole.len(), RUNS);
    let methods = ["majority", "head", "single:a", "single:b", "best_single", "sum", "mera_acts", "acts_keep"];
    for method in methods {
        assert_eq!(whole.iter().filter(|record| record["method"] == method).count(), 4, "{method}");
    }
    let tracks = |method| &whole.iter().find(|record| record["method"] == method).unwrap()["tracks"];
    assert_eq!(["single:a", "single:b", "sum"].map(tracks), ["same", "cross", "mixed"]);

    // Killed without warning once some runs are done; a line that was being written is cut off.
    let mut running = Command::new(env!("CARGO_BIN_EXE_mera"))
        .args(["run", "films.toml", "-o", "killed"])
        .current_dir(&folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&at("killed/records.jsonl"), 3);
    running.kill().unwrap();
    running.wait().unwrap();
    let done = records(&at("killed")).len();
    assert!((3..RUNS).contains(&done), "{done} runs were done");
    let text = std::fs::read_to_string(at("killed/records.jsonl")).unwrap();
    std::fs::write(at("killed/records.jsonl"), &text[..text.len() - 40]).unwrap();
    let output = mera(&folder, &["run", "films.toml", "-o", "killed", "--resume"]);
    assert!(output.status.success());
    let note = String::from_utf8(output.stderr).unwrap();
    assert!(
        note.starts_with("note: killed/records.jsonl: the last line was cut off and is left out: {\"plm\":\"tiny\""),
        "{note}"
    );
    assert_eq!(records(&at("killed")), whole);

    // In halves, in two places, joined.
    let list: Value = serde_json::from_str(&out(&folder, &["run", "films.toml", "--list", "--json"])).unwrap();
    let hashes: Vec<&str> = list.as_array().unwrap().iter().map(|run| run["hash"].as_str().unwrap()).collect();
    assert_eq!(hashes.len(), RUNS);
    assert!(list.as_array().unwrap().iter().all(|run| run["done"] == false));
    for (place, part) in [("first", &hashes[..RUNS / 2 - 3]), ("second", &hashes[RUNS / 2 - 3..])] {
        let mut arguments = vec!["run", "films.toml", "-o", place, "--only"];
        arguments.extend(part);
        out(&folder, &arguments);
    }
    let joined: Value =
        serde_json::from_str(&out(&folder, &["summarize", "--json", "second", "first", "-o", "joined"])).unwrap();
    let of_whole: Value = serde_json::from_str(&std::fs::read_to_string(at("whole/summary.json")).unwrap()).unwrap();
    assert_eq!(without_seconds(joined), without_seconds(of_whole));
    let markdown = std::fs::read_to_string(at("joined/summary.md")).unwrap();
    assert!(markdown.contains("## films, k = 4") && markdown.contains("| acts_keep | 2 |"), "{markdown}");

    // In every form.
    out(&folder, &["summarize", "whole", "-o", "forms", "--form", "records,csv,latex,html"]);
    let file = |name: &str| std::fs::read_to_string(at("forms").join(name)).unwrap();
    assert_eq!((file("records.jsonl").lines().count(), file("records.csv").lines().count()), (RUNS, RUNS + 1));
    // Results and paired differences, of two k each.
    assert!(file("summary.tex").contains("films, k = 4") && file("report.html").matches("<svg").count() == 4);
    assert_eq!(out(&folder, &["summarize", "whole", "--form", "latex"]), file("summary.tex"));

    // What is done is not done again.
    let list: Value =
        serde_json::from_str(&out(&folder, &["run", "films.toml", "-o", "whole", "--list", "--json"])).unwrap();
    assert!(list.as_array().unwrap().iter().all(|run| run["done"] == true));
    let before = std::fs::read(at("whole/records.jsonl")).unwrap();
    insta::assert_snapshot!(out(&folder, &["run", "films.toml", "-o", "whole", "--resume"]).trim_end(), @"whole: 32 of 32 runs are done; summary.md tells");
    assert_eq!(std::fs::read(at("whole/records.jsonl")).unwrap(), before);
    insta::assert_snapshot!(error(&folder, &["run", "films.toml", "-o", "whole"]), @"error: whole/records.jsonl: there are 32 records in it; --resume goes on from them");
}

/// Waits until so many lines are written.
fn wait_for(records: &Path, lines: usize) {
    let began = Instant::now();
    let written = || std::fs::read_to_string(records).map_or(0, |text| text.lines().count());
    while written() < lines && began.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
#[cfg(unix)]
fn an_interrupt_is_heard_and_leaves_whole_files() {
    let folder = laboratory();
    let running = Command::new(env!("CARGO_BIN_EXE_mera"))
        .args(["run", "films.toml", "-o", "stopped"])
        .current_dir(&folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let records_file = folder.path().join("stopped/records.jsonl");
    wait_for(&records_file, 2);
    let interrupt = format!("kill -INT {}", running.id());
    let interrupted = Command::new("sh").args(["-c", &interrupt]).status().unwrap();
    assert!(interrupted.success());
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let done = records(&folder.path().join("stopped")).len();
    assert!((2..RUNS).contains(&done), "{done}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        format!("error: films.toml: stopped with {done} of {RUNS} runs done; --resume goes on from there\n")
    );
    assert!(std::fs::read_to_string(&records_file).unwrap().ends_with('\n'));
    let summary = std::fs::read_to_string(folder.path().join("stopped/summary.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&summary).unwrap()["records"], done);
    out(&folder, &["run", "films.toml", "-o", "stopped", "--resume"]);
    assert_eq!(records(&folder.path().join("stopped")).len(), RUNS);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_one_line_and_what_was_done_stays_done() {
    let folder = laboratory();
    // No file may grow beyond a block; the signal that would end the program is not for it.
    let limited = format!("trap '' XFSZ; ulimit -f 2; exec {} run films.toml -o full", env!("CARGO_BIN_EXE_mera"));
    let output = Command::new("sh").args(["-c", &limited]).current_dir(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "error: full/records.jsonl: can't be written: File too large (os error 27)\n");
    let text = std::fs::read_to_string(folder.path().join("full/records.jsonl")).unwrap();
    let whole = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count();
    assert!(whole >= 1 && !text.ends_with('\n'), "the last record was cut off: {text}");
    let output = mera(&folder, &["run", "films.toml", "-o", "full", "--resume"]);
    assert!(output.status.success());
    assert_eq!(records(&folder.path().join("full")).len(), RUNS);
    let again = std::fs::read_to_string(folder.path().join("full/records.jsonl")).unwrap();
    let kept: String = text.lines().take(whole).map(|line| format!("{line}\n")).collect();
    assert!(again.starts_with(&kept), "what was done is not touched");
}

#[test]
fn a_run_that_can_not_be_done_does_not_keep_the_others() {
    let folder = laboratory();
    let text = std::fs::read_to_string(folder.path().join("films.toml")).unwrap();
    // The third has fewer neurons, which the sum does not take.
    let third = fixture("model/tiny_adapter/fusion/c");
    let text = text.replace(fixture("model/tiny_adapter/fusion/b").to_str().unwrap(), third.to_str().unwrap());
    std::fs::write(folder.path().join("films.toml"), text.replace("[2, 4]", "[2]")).unwrap();
    let output = mera(&folder, &["run", "films.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    insta::assert_snapshot!(said.trim_end(), @r#"error: films.toml: 2 of 16 runs can't be done; the first: films  k 2  seed 13  sum: sum needs equal bottlenecks, but at layer.0.output adapter "a" has 8 neurons and "c" has 4; these methods take both: mera_wts, mera_acts, concat, concat_reduced"#);
    assert_eq!(records(&folder.path().join("films-results")).len(), RUNS / 2 - 2);
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.matches("  failed: ").count(), 2, "{lines}");
    assert!(lines.ends_with("films-results: 14 of 16 runs are done; summary.md tells\n"), "{lines}");
}

/// An experiment on two PLMs, with adapters of each.
#[test]
fn two_plms_are_done_one_after_the_other() {
    let folder = laboratory();
    let copy = |from: &Path, to: &Path| {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    };
    for plm in ["six", "three"] {
        copy(&fixture("model/tiny"), &folder.path().join(plm));
        for adapter in ["a", "b"] {
            let to = folder.path().join(format!("adapters/{plm}/{adapter}"));
            copy(&fixture(&format!("model/tiny_adapter/fusion/{adapter}")), &to);
        }
    }
    // Another PLM is one with other files, whatever they are called.
    let tokenizer = folder.path().join("three/tokenizer.json");
    let changed = std::fs::read_to_string(&tokenizer).unwrap() + "\n";
    std::fs::write(&tokenizer, changed).unwrap();
    let text = std::fs::read_to_string(folder.path().join("films.toml")).unwrap();
    let path = |name: &str| fixture(name).to_str().unwrap().to_owned();
    let text = text
        .replace(&format!("plm = \"{}\"", path("model/tiny")), "plm = [\"six\", \"three\"]")
        .replace(&path("model/tiny_adapter/fusion/a"), "adapters/{plm}/a")
        .replace(&path("model/tiny_adapter/fusion/b"), "adapters/{plm}/b")
        .replace("[2, 4]", "[2]");
    std::fs::write(folder.path().join("two.toml"), text).unwrap();
    let said = out(&folder, &["run", "two.toml"]);
    assert!(said.contains(" 17/32  three  films  k 2  seed 13  majority  accuracy "), "{said}");
    let text = std::fs::read_to_string(folder.path().join("two-results/records.jsonl")).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |plm: &str| -> Vec<&Value> { records.iter().filter(|record| record["plm"] == plm).collect() };
    assert_eq!((of("six").len(), of("three").len()), (RUNS / 2, RUNS / 2));
    for (a, b) in of("six").iter().zip(of("three")) {
        assert_ne!(a["hash"], b["hash"]);
        assert_eq!((&a["method"], &a["accuracy"]), (&b["method"], &b["accuracy"]), "the same weights");
    }
    let markdown = std::fs::read_to_string(folder.path().join("two-results/summary.md")).unwrap();
    assert!(markdown.contains("## films, k = 2, on six") && markdown.contains("## films, k = 2, on three"));

    // Its files decide, not where they lie.
    std::fs::rename(folder.path().join("six"), folder.path().join("elsewhere")).unwrap();
    insta::assert_snapshot!(error(&folder, &["run", "two.toml", "--resume"]), @r#"error: two.toml: plm = "six": there is no folder six"#);
    insta::assert_snapshot!(error(&folder, &["run", "two.toml", "--resume", "--plm", "elsewhere"]), @"error: two.toml: it names 2 PLMs; 1 folders are given with --plm");
    let again = ["run", "two.toml", "--resume", "--plm", "elsewhere", "--plm", "three"];
    insta::assert_snapshot!(out(&folder, &again).trim_end(), @"two-results: 32 of 32 runs are done; summary.md tells");
}

#[test]
fn a_plm_of_the_hub_is_run_from_where_it_was_fetched_to() {
    let folder = laboratory();
    let plm = fixture("model/tiny");
    let text = std::fs::read_to_string(folder.path().join("films.toml")).unwrap();
    let list = |file: &str, more: &[&str]| -> Vec<Value> {
        let arguments = [&["run", file, "--list", "--json"], more].concat();
        serde_json::from_str(&out(&folder, &arguments)).unwrap()
    };
    let plm = plm.to_str().unwrap();
    let text = text.replace(&format!("plm = \"{plm}\""), "plm = \"some/model\"");
    std::fs::write(folder.path().join("hub.toml"), text).unwrap();
    let (local, hub) = (list("films.toml", &[]), list("hub.toml", &["--plm", plm]));
    let hashes = |runs: &[Value]| runs.iter().map(|run| run["hash"].clone()).collect::<Vec<_>>();
    assert_eq!(hashes(&hub), hashes(&local), "the files decide");
    assert!(hub.iter().all(|run| run["plm"] == "model"), "the name is the file's");
}

#[cfg(unix)]
#[allow(clippy::print_stdout, reason = "a test that was skipped says so")]
fn has_python() -> bool {
    let has = Command::new("python3").arg("--version").output().is_ok();
    if !has {
        println!("skipped: the scripts of cluster/ need python3, which is not installed");
    }
    has
}

/// The tests of the driver for Ray, which need no Ray.
#[cfg(unix)]
#[test]
fn the_driver_of_a_cluster_loses_no_record() {
    if !has_python() {
        return;
    }
    let mut command = Command::new("python3");
    command.args(["-B", "-m", "unittest", "discover", "cluster"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !told.contains("Ran 0 tests"), "{told}");
}

/// What `cluster/` does without a cluster: the tasks, and each as an element of a Slurm array.
#[cfg(unix)]
#[test]
fn the_scripts_of_a_cluster_do_each_run_once() {
    if !has_python() {
        return;
    }
    let folder = laboratory();
    let script = |name: &str, arguments: &[&str], element: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster").join(name);
        let mut command = Command::new(path);
        command.args(arguments).current_dir(&folder);
        let mera = env!("CARGO_BIN_EXE_mera");
        let output = command.env("MERA", mera).env("SLURM_ARRAY_TASK_ID", element).output().unwrap();
        assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let list: Value = serde_json::from_str(&out(&folder, &["run", "films.toml", "--list", "--json"])).unwrap();
    let hashes: Vec<&str> = list.as_array().unwrap().iter().map(|run| run["hash"].as_str().unwrap()).collect();
    out(&folder, &["run", "films.toml", "-o", "there", "--only", hashes[1], hashes[8], hashes[9]]);

    let mera = env!("CARGO_BIN_EXE_mera");
    let tasks = script("tasks.py", &["films.toml", "-o", "there", "--size", "5", "--mera", mera], "");
    let sizes: Vec<usize> = tasks.lines().map(|task| task.split(' ').count()).collect();
    // Eight runs an episode; of the first one is there, of the second two.
    assert_eq!(sizes, [5, 2, 5, 1, 5, 3, 5, 3]);
    let left = hashes.iter().enumerate().filter(|(index, _)| ![1, 8, 9].contains(index)).map(|(_, hash)| *hash);
    assert_eq!(tasks.split_whitespace().collect::<Vec<_>>(), left.collect::<Vec<_>>());

    std::fs::write(folder.path().join("tasks.txt"), &tasks).unwrap();
    let mut done = 0;
    for element in 1..=sizes.len() {
        script("slurm.sh", &["films.toml", "there", "tasks.txt"], &element.to_string());
        done += records(&folder.path().join(format!("there/part-{element}"))).len();
    }
    assert_eq!(done, RUNS - 3);
    // As the README has it.
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/README.md")).unwrap();
    let gathering = readme.lines().map(str::trim).filter(|line| line.starts_with("mera summarize"));
    for line in gathering.map(|line| line.replace("RESULTS", "there").replace("mera ", "\"$MERA\" ")) {
        let output = Command::new("sh").args(["-c", &line]).env("MERA", mera).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let found = records(&folder.path().join("there"));
    let found: Vec<&str> = found.iter().map(|record| record["hash"].as_str().unwrap()).collect();
    let mut expected = hashes.clone();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let summary = std::fs::read_to_string(folder.path().join("there/summary.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&summary).unwrap()["records"], RUNS);
}

#[test]
fn what_stands_in_the_way_of_records_is_not_touched() {
    let folder = laboratory();
    std::fs::create_dir(folder.path().join("there")).unwrap();
    let file = folder.path().join("there/records.jsonl");
    let with = |text: &str, more: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let line = error(&folder, &[&["run", "films.toml", "-o", "there"], more].concat());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        line
    };
    insta::assert_snapshot!(with("my notes", &[]), @"error: there/records.jsonl: line 1 is no record: expected value at line 1 column 1");
    insta::assert_snapshot!(with("my notes", &["--resume"]), @"error: there/records.jsonl: line 1 is no record: expected value at line 1 column 1");
    assert_eq!(with("{\"plm\":\"ti", &[]), with("\n", &[]));
}

#[test]
fn test_rows_without_a_label_are_told_of() {
    let folder = laboratory();
    let text = std::fs::read_to_string(folder.path().join("test.tsv")).unwrap();
    std::fs::write(folder.path().join("test.tsv"), text + "\tWhy?\n\tSo?\n").unwrap();
    let output = mera(&folder, &["run", "films.toml", "--list"]);
    assert!(output.status.success());
    let note = String::from_utf8(output.stderr).unwrap();
    insta::assert_snapshot!(note.trim_end(), @"note: test.tsv: 2 of 15 rows have no label and are not judged on");
    let list = String::from_utf8(output.stdout).unwrap();
    insta::assert_snapshot!(list.lines().last().unwrap(), @"tiny: one run a pass");
}

#[test]
fn what_an_experiment_can_not_do_is_one_line() {
    let folder = laboratory();
    let text = std::fs::read_to_string(folder.path().join("films.toml")).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        std::fs::write(folder.path().join("changed.toml"), text.replace(from, to)).unwrap();
        error(&folder, &["run", "changed.toml"])
    };
    insta::assert_snapshot!(changed("epochs", "epoch"), @r#"error: changed.toml: [training] has no key "epoch": did you mean "epochs"?"#);
    insta::assert_snapshot!(changed("[13, 21]", "[9007199254740992]"), @"error: changed.toml: seeds: 9007199254740992; a seed is at most 9007199254740991, the largest whole number that a browser tells from the next");
    insta::assert_snapshot!(changed("[2, 4]", "[2, 40]"), @r#"error: target films: train.tsv: label "bad" has 12 rows; k = 40 needs 80, 40 to train on and 40 to choose on"#);
    insta::assert_snapshot!(changed("\"test.tsv\"", "\"tset.tsv\""), @"error: tset.tsv: can't be read: No such file or directory (os error 2)");
    std::fs::copy(folder.path().join("train.tsv"), folder.path().join("copy.tsv")).unwrap();
    insta::assert_snapshot!(changed("\"test.tsv\"", "\"copy.tsv\""), @r#"error: target films: test = "copy.tsv" holds the very rows of train = "train.tsv", and a test is of rows not learned from; without test, what the examples leave of train is tested on"#);
    let plm = fixture("model/tiny");
    insta::assert_snapshot!(changed(plm.to_str().unwrap(), "some/model"), @r#"error: changed.toml: plm = "some/model": there is no folder some/model; a model of the Hugging Face hub has to be fetched, and its folder given with --plm"#);
    std::fs::write(folder.path().join("test.tsv"), "label\ttext1\nfine\tI love it\n").unwrap();
    insta::assert_snapshot!(changed("shots", "shots"), @r#"error: target films: test.tsv: line 2 has the label "fine"; the labels known are "bad", "good""#);
    std::fs::write(folder.path().join("test.tsv"), "text1\nI love it\n").unwrap();
    insta::assert_snapshot!(changed("shots", "shots"), @r#"error: target films: test.tsv: it has no labels; the columns found are "text1""#);
    let all = text.replace("test = \"test.tsv\"\n", "").replace("[2, 4]", "[6]");
    std::fs::write(folder.path().join("all.toml"), all).unwrap();
    insta::assert_snapshot!(error(&folder, &["run", "all.toml"]), @"error: target films: train.tsv: k = 6 takes all 24 rows, and none is left to test on");
    assert!(!folder.path().join("changed-results").exists(), "nothing is written before all is there");
    std::fs::write(folder.path().join("test.tsv"), "label\ttext1\ngood\tI love it\n").unwrap();
    insta::assert_snapshot!(error(&folder, &["run", "films.toml", "--only", "xyz"]), @"error: films.toml: --only xyz: 0 runs have a hash that begins so; --list names them");
    insta::assert_snapshot!(error(&folder, &["summarize", "."]), @"error: .: there are no records in it");
    std::fs::create_dir(folder.path().join("broken")).unwrap();
    std::fs::write(folder.path().join("broken/records.jsonl"), "{}\n").unwrap();
    insta::assert_snapshot!(error(&folder, &["summarize", "broken"]), @"error: broken/records.jsonl: line 1 is no record: missing field `target` at line 1 column 2");
}
