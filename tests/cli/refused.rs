//! What the command refuses, and what it says of it: which of the paths given is meant, and what would do.

use super::*;
use std::fs;

/// The lines on standard error of a call that must succeed.
pub(super) fn notes(arguments: &[&str], folder: &TempDir) -> String {
    let output = mera(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "mera {}: {errors}", arguments.join(" "));
    errors.replace(&format!("{}/", folder.path().display()), "").trim_end().to_owned()
}

/// A copy of adapter A in a folder of its own, with `from` changed to `to` in its configuration.
fn changed(folder: &TempDir, name: &str, from: &str, to: &str) -> String {
    let copied = folder.path().join(name);
    copy(A, &copied);
    edit(&copied.join("adapter_config.json"), from, to);
    copied.to_str().unwrap().to_owned()
}

pub(super) fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn a_dev_set_without_labels_is_no_dev_set() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("out");
    let (plm, data) = (path(PLM), sentences(&folder, "train.tsv", 8));
    let train = ["train", "--plm", &plm, "--data", &data, "--epochs", "1", "-o", output.to_str().unwrap(), "--dev"];
    let dev = write(&folder, "texts.tsv", "id\ttext1\n1\tThey love it\n");
    let line = error(&[&train[..], &[&dev]].concat(), &[folder.path()]);
    insta::assert_snapshot!(line, @r#"error: texts.tsv: it has no labels; the columns found are "id", "text1""#);
    assert!(!output.exists());
    let dev = write(&folder, "some.tsv", "label\ttext1\ngood\tThey love it\n\tWhy?\n\tSo?\n");
    let note = notes(&[&train[..], &[&dev]].concat(), &folder);
    insta::assert_snapshot!(note, @"note: some.tsv: 2 of 3 rows have no label and are not judged on");
}

#[test]
fn what_can_not_be_used_beside_an_adapter_is_told() {
    let folder = TempDir::new().unwrap();
    let both = folder.path().join("adapters");
    copy(ADAPTER, &both.join("good"));
    copy(A, &both.join("bad"));
    fs::remove_file(both.join("bad/pytorch_adapter.bin")).unwrap();
    fs::write(both.join("bad/adapter.safetensors"), "damaged!").unwrap();
    let data = write(&folder, "rows.tsv", "text1\nWhy?\n");
    let call = ["predict", "--plm", &path(PLM), "--adapter", both.to_str().unwrap(), "--data", &data];
    insta::assert_snapshot!(notes(&call, &folder), @"note: adapters/bad/adapter.safetensors: the safetensors header claims 2406159595613282660 bytes, at most 16777216 are read");
}

#[test]
fn the_result_has_the_name_that_was_asked_for() {
    let folder = TempDir::new().unwrap();
    let report = folder.path().join("report.json");
    for (output, more, name) in [("a", &[][..], "a"), ("out", &["--name", "b"], "b")] {
        let output = folder.path().join(output);
        let call =
            ["merge", "--method", "average", "-o", output.to_str().unwrap(), "--report", report.to_str().unwrap()];
        out(&[&call[..], more, &[&path(A), &path(B)]].concat());
        let recipe = support::json(&output.join("recipe.json"));
        let config = support::json(&output.join("adapter_config.json"));
        let names = [&recipe["adapter"]["name"], &config["name"], &support::json(&report)["name"]];
        assert_eq!(names, [&json!(name); 3]);
        assert_eq!(support::json(&report)["inputs"], json!(["a", "b"]));
        let tensors = tensors(&output.join("adapter.safetensors"));
        assert!(tensors.iter().all(|(tensor, _)| tensor.contains(&format!(".adapters.{name}."))), "as {name}");
    }
}

#[test]
fn an_adapter_that_is_not_run_is_told_of_by_all() {
    let folder = TempDir::new().unwrap();
    let double = path("model/tiny_adapter/double_seq_bn");
    let mish = changed(&folder, "mish", "\"relu\"", "\"mish\"");
    let problem =
        |adapter: &str| document(&["inspect", "--json", adapter])[0]["problems"][0].as_str().unwrap().to_owned();
    insta::assert_snapshot!(problem(&double), @"the architecture double_seq_bn is not run here; supported is seq_bn");
    insta::assert_snapshot!(problem(&mish), @"the non-linearity mish is not run here; supported is relu, gelu, gelu_new, swish, silu, tanh, sigmoid");
    let align = |b: &str| error(&["align", "--by", "weights", &path(A), b], &[folder.path()]);
    insta::assert_snapshot!(align(&double), @"error: tiny_adapter/double_seq_bn: the architecture double_seq_bn is not run here; supported is seq_bn");
    insta::assert_snapshot!(align(&mish), @"error: mish: the non-linearity mish is not run here; supported is relu, gelu, gelu_new, swish, silu, tanh, sigmoid");
}

#[test]
fn a_head_that_is_not_run_is_told_before_it_is_asked() {
    let folder = TempDir::new().unwrap();
    let data = write(&folder, "rows.tsv", "text1\nWhy?\n");
    let with = |to: &str, from: &str, changed: &str| {
        let copied = folder.path().join(to);
        copy(ADAPTER, &copied);
        edit(&copied.join("head_config.json"), from, changed);
        let adapter = copied.to_str().unwrap();
        let problems = document(&["inspect", "--json", adapter])[0]["problems"].clone();
        let call = ["predict", "--plm", &path(PLM), "--adapter", adapter, "--data", &data];
        let line = error(&call, &[folder.path()]);
        assert_eq!(json!([line.strip_prefix(&format!("error: {to}: ")).unwrap()]), problems);
        line
    };
    insta::assert_snapshot!(with("pooled", "\"use_pooler\": false", "\"use_pooler\": true"), @"error: pooled: the head's use_pooler true is not run here; supported is false");
    insta::assert_snapshot!(with("foo", "\"activation_function\": \"tanh\"", "\"activation_function\": \"foo\""), @"error: foo: the head's activation_function foo is not run here; supported is tanh, relu, gelu");
    // Merged and trained on it is all the same: neither asks the head.
    let output = folder.path().join("out");
    let pooled = folder.path().join("pooled");
    out(&["align", "--by", "weights", pooled.to_str().unwrap(), &path(A)]);
    let train = ["train", "--plm", &path(PLM), "--data", &sentences(&folder, "train.tsv", 8), "--epochs", "1"];
    out(&[&train[..], &["--adapter", pooled.to_str().unwrap(), "-o", output.to_str().unwrap()]].concat());
}

#[test]
fn adapters_of_different_models_are_told_of() {
    let folder = TempDir::new().unwrap();
    let other = changed(&folder, "other", "\"model_name\": \"tiny\"", "\"model_name\": \"owner/small\"");
    let output = folder.path().join("out");
    let note = "note: adapter a was trained with owner/small, b with tiny; adapters that are aligned or merged are of one model";
    assert_eq!(notes(&["align", "--by", "weights", &path(B), &other], &folder), note);
    let merge = ["merge", "--method", "average", "-o", output.to_str().unwrap()];
    assert_eq!(notes(&[&merge[..], &[&path(B), &other]].concat(), &folder), note);
    assert!(output.exists());
}

#[test]
fn the_rows_that_are_learned_from_are_those_that_are_checked() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("out");
    let good = |count| "good\tThey love it\n".repeat(count);
    let data = write(&folder, "sorted.tsv", &format!("label\ttext1\n{}{}", good(8), "bad\tWhy?\n".repeat(8)));
    let train = |data: &str, limit: &str| {
        let call = ["train", "--plm", &path(PLM), "--data", data, "--epochs", "1", "--force"];
        [&call[..], &["-o", output.to_str().unwrap(), "--limit", limit]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let refused = |limit: &str| {
        let call = train(&data, limit);
        error(&call.iter().map(String::as_str).collect::<Vec<_>>(), &[folder.path()])
    };
    insta::assert_snapshot!(refused("8"), @r#"error: sorted.tsv, first 8 rows: every row has the label "good": a classifier needs two or more"#);
    insta::assert_snapshot!(refused("9"), @r#"error: sorted.tsv, first 9 rows: label "bad" occurs once, on line 10: correct it, leave the row out, or add examples"#);
    assert!(!output.exists());
    // Nor does a label that is not learned stand in the way, or in the head.
    let mixed = format!("label\ttext1\n{}bad\tWhy?\nbad\tSo?\nugly\tNo.\n\tNone.\n", good(2));
    let call = train(&write(&folder, "mixed.tsv", &mixed), "4");
    out(&call.iter().map(String::as_str).collect::<Vec<_>>());
    let head = support::json(&output.join("head_config.json"));
    assert_eq!(head["config"]["label2id"], json!({ "bad": 0, "good": 1 }));
    let card = fs::read_to_string(output.join("README.md")).unwrap();
    assert!(card.contains("single texts: bad, good |"), "{card}");
}

#[test]
fn an_unfinished_transport_is_told() {
    let folder = TempDir::new().unwrap();
    let (output, report) = (folder.path().join("out"), folder.path().join("report.json"));
    let mut call = vec!["merge", "--method", "mera_wts", "--set", "solver=sinkhorn", "--set", "iterations=1"];
    let (a, b) = (path(A), path(B));
    call.extend(["--report", report.to_str().unwrap(), "-o", output.to_str().unwrap(), &a, &b]);
    insta::assert_snapshot!(notes(&call, &folder), @"note: the transport has not converged at any location: the plans are used as its last iteration left them; more iterations or a larger epsilon help");
    let converged: Vec<Value> =
        support::json(&report)["locations"].as_array().unwrap().iter().map(|at| at["converged"].clone()).collect();
    assert_eq!(converged, [json!(false), json!(false)]);
}

#[test]
fn a_report_that_has_no_place_stops_the_merge_before_it_begins() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("out");
    let file = write(&folder, "file", "mine");
    for (report, why) in [
        (format!("{file}/report.json"), "file/report.json: can't be written: Not a directory (os error 20)"),
        (folder.path().to_str().unwrap().to_owned(), "can't be written: is a directory"),
    ] {
        let line = error(
            &["merge", "--method", "sum", "--report", &report, "-o", output.to_str().unwrap(), &path(A)],
            &[folder.path()],
        );
        assert!(line.ends_with(why), "{line}");
        assert_eq!(names(folder.path()), ["file"]);
    }
    // In a folder that is still to be made.
    let report = folder.path().join("new/reports/one.json");
    let call = ["merge", "--method", "sum", "--report", report.to_str().unwrap(), "-o", output.to_str().unwrap()];
    out(&[&call[..], &[&path(A)]].concat());
    assert_eq!(support::json(&report)["method"], "sum");
}

#[test]
fn errors_about_adapters_say_which_path_is_meant() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("out");
    let merge = |adapters: &[&str]| {
        error(&[&["merge", "--method", "sum", "-o", output.to_str().unwrap()], adapters].concat(), &[folder.path()])
    };
    let scaled = changed(&folder, "other/a", "\"scaling\": 1.0", "\"scaling\": 2.0");
    insta::assert_snapshot!(merge(&[&path(A), &scaled]), @"error: adapter a has relu with scaling 1, a_2 has relu with scaling 2; adapters that are aligned or merged have the same; a is tiny_adapter/fusion/a, a_2 is other/a");
    insta::assert_snapshot!(error(&["align", "--by", "weights", &path(A), &scaled], &[folder.path()]), @"error: adapter a has relu with scaling 1, a_2 has relu with scaling 2; adapters that are aligned or merged have the same; a is tiny_adapter/fusion/a, a_2 is other/a");
    let same = folder.path().join("one/a");
    copy(C, &same);
    insta::assert_snapshot!(merge(&[&path(A), &path(B), same.to_str().unwrap()]), @r#"error: sum needs equal bottlenecks, but at layer.0.output adapter "a" has 8 neurons and "c" has 4; these methods take both: mera_wts, mera_acts, concat, concat_reduced; a is tiny_adapter/fusion/a, c is one/a"#);
    insta::assert_snapshot!(merge(&["--weights", "1,-1", &path(A), &path(A)]), @r#"error: the weight of adapter "a_2" is -1: weights are finite and not negative; a_2 is tiny_adapter/fusion/a"#);
}

#[test]
fn whatever_needs_texts_says_so() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("out");
    let plm = path(PLM);
    let merge = |more: &[&str]| {
        let call = ["merge", "-o", output.to_str().unwrap(), &path(A), &path(B)];
        error(&[&call[..], more].concat(), &[folder.path()])
    };
    insta::assert_snapshot!(merge(&["--method", "mera_acts", "--plm", &plm]), @"error: mera_acts needs texts: name a file of them with --texts, and the folder of the PLM with --plm");
    insta::assert_snapshot!(merge(&["--method", "average", "--scale", "keep"]), @"error: scale keep needs texts: name a file of them with --texts, and the folder of the PLM with --plm");
    insta::assert_snapshot!(merge(&["--method", "average", "--set", "fit=true"]), @"error: fit needs texts: name a file of them with --texts, and the folder of the PLM with --plm");
    insta::assert_snapshot!(merge(&["--method", "mera_wts", "--set", "repair=true"]), @"error: repair needs texts: name a file of them with --texts, and the folder of the PLM with --plm");
    let blank = write(&folder, "blank.txt", "\n  \n\t\n");
    for method in ["mera_acts", "average"] {
        let line = merge(&["--method", method, "--plm", &plm, "--texts", &blank]);
        assert_eq!(line, "error: blank.txt: there are no texts in it, only empty lines");
    }
}

#[test]
fn inspect_reads_data_under_any_ending() {
    let folder = TempDir::new().unwrap();
    let rows = "label\ttext1\ngood\tThey love it\nbad\tWhy?\n";
    let data = write(&folder, "rows.txt", rows);
    let found = &document(&["inspect", "--json", &data])[0];
    assert_eq!((&found["kind"], &found["rows"], &found["problems"]), (&json!("data"), &json!(2), &json!([])));
    let other = write(&folder, "other.txt", "some words\n");
    let found = &document(&["inspect", "--json", &other])[0];
    assert_eq!(found["kind"], "unusable");
    insta::assert_snapshot!(found["problems"][1].as_str().unwrap(), @r#"read as a data set: there is no column "text1"; the columns found are "some words""#);
}

#[test]
fn a_configuration_that_disagrees_names_both_sides() {
    let folder = TempDir::new().unwrap();
    let data = write(&folder, "rows.tsv", "text1\nWhy?\n");
    let with = |from: &str, to: &str| {
        let plm = folder.path().join("plm");
        fs::create_dir_all(&plm).unwrap();
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            fs::copy(fixture(PLM).join(name), plm.join(name)).unwrap();
        }
        edit(&plm.join("config.json"), from, to);
        let call = ["predict", "--plm", plm.to_str().unwrap(), "--adapter", &path(ADAPTER), "--data", &data];
        error(&call, &[folder.path()])
    };
    insta::assert_snapshot!(with("\"hidden_size\": 32", "\"hidden_size\": 33"), @"error: plm: config.json: num_attention_heads is 4; supported is a divisor of hidden_size, which is 33");
    insta::assert_snapshot!(with("  \"vocab_size\": 200", "  \"vocab_size\": 100"), @"error: plm: tensor embeddings.word_embeddings.weight has shape [200, 32]; config.json asks for [100, 32]");
}
