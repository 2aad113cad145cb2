//! Records gathered into a folder: they come beside those that are there, and never in their place.

use super::*;
use serde_json::json;

/// A record with so many results to tell from others.
fn record(hash: &str, seed: u64, accuracy: f64) -> String {
    let record = json!({
        "plm": "tiny", "target": "films", "method": "head", "k": 2, "seed": seed, "tracks": "mixed", "accuracy": accuracy,
        "macro_f1": 0.5, "dev_accuracy": 0.5, "dev_loss": 0.7, "learning_rate": 1e-3, "trainable_parameters": 1,
        "inference_parameters": 1, "seconds": 1.0, "hash": hash,
    });
    record.to_string() + "\n"
}

/// A folder with a folder of records for each of `places`.
fn places(places: &[(&str, &[String])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (place, records) in places {
        std::fs::create_dir(folder.path().join(place)).unwrap();
        std::fs::write(folder.path().join(place).join("records.jsonl"), records.concat()).unwrap();
    }
    folder
}

fn content(folder: &TempDir, place: &str) -> String {
    std::fs::read_to_string(folder.path().join(place).join("records.jsonl")).unwrap()
}

#[test]
fn records_that_are_there_stay() {
    let of = |place: &str| (1..=5).map(|seed| record(&format!("{place}{seed}"), seed, 0.5)).collect::<Vec<_>>();
    let folder = places(&[("a", &of("a")), ("b", &of("b"))]);
    let join = ["summarize", "a", "--form", "records", "-o", "b"];
    insta::assert_snapshot!(out(&folder, &join).trim_end(), @"b/records.jsonl: 5 records are added, 5 were there");
    // As a run would have written them: the lines that were there, then the others.
    let lines = |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    assert!(content(&folder, "b").starts_with(&of("b").concat()));
    assert_eq!(lines(&content(&folder, "b")), lines(&[of("b"), of("a")].concat().concat()));
    let before = content(&folder, "b");
    insta::assert_snapshot!(out(&folder, &join).trim_end(), @"b/records.jsonl: 0 records are added, 10 were there");
    assert_eq!(content(&folder, "b"), before);
    insta::assert_snapshot!(out(&folder, &["summarize", "b", "--form", "records", "-o", "c"]).trim_end(), @"c/records.jsonl: 10 records are added, 0 were there");
    assert_eq!(lines(&content(&folder, "c")), lines(&before));
    // Beside other forms, whose tables are of what was asked for.
    out(&folder, &["summarize", "a", "--form", "records,json", "-o", "b"]);
    let summary: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("b/summary.json")).unwrap()).unwrap();
    assert_eq!((content(&folder, "b"), &summary["records"]), (before, &json!(5)));
}

#[test]
fn another_result_of_a_run_does_not_change_the_one_that_is_there() {
    let there = record("same", 1, 0.5);
    let folder =
        places(&[("a", &[record("same", 1, 0.75), record("new", 2, 0.5)]), ("b", std::slice::from_ref(&there))]);
    let output = mera(&folder, &["summarize", "a", "--form", "records", "-o", "b"]);
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap().trim_end(), @"note: b/records.jsonl: its record of same tells of another result than the one given; it stays");
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap().trim_end(), @"b/records.jsonl: 1 records are added, 1 were there");
    assert!(content(&folder, "b").starts_with(&there));
    assert_eq!(content(&folder, "b").matches("\"same\"").count(), 1);
}

#[test]
fn a_line_that_was_cut_off_makes_room_and_what_is_no_record_is_left_alone() {
    let (whole, added) = (record("whole", 1, 0.5), record("added", 2, 0.5));
    let cut = record("cut", 3, 0.5);
    let folder = places(&[
        ("a", std::slice::from_ref(&added)),
        ("cut", &[whole.clone(), cut[..40].to_owned()]),
        ("open", &[whole.trim_end().to_owned()]),
        ("notes", &["my notes".to_owned()]),
    ]);
    let hashes = |place: &str| {
        let records = content(&folder, place);
        let hash = |line: &str| serde_json::from_str::<Value>(line).unwrap()["hash"].as_str().unwrap().to_owned();
        records.lines().map(hash).collect::<Vec<_>>()
    };
    for place in ["cut", "open"] {
        let output = mera(&folder, &["summarize", "a", "--form", "records", "-o", place]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(hashes(place), ["whole", "added"]);
    }
    insta::assert_snapshot!(error(&folder, &["summarize", "a", "--form", "records,json", "-o", "notes"]), @"error: notes/records.jsonl: line 1 is no record: expected value at line 1 column 1");
    assert_eq!(content(&folder, "notes"), "my notes");
    assert!(!folder.path().join("notes/summary.json").exists());
}

#[test]
fn records_come_to_no_folder_that_a_run_is_writing() {
    let folder = places(&[("a", &[record("a", 1, 0.5)]), ("b", &[record("b", 1, 0.5)])]);
    let file = std::fs::OpenOptions::new().append(true).open(folder.path().join("b/records.jsonl")).unwrap();
    file.lock().unwrap();
    insta::assert_snapshot!(error(&folder, &["summarize", "a", "--form", "json,records", "-o", "b"]), @"error: b/records.jsonl: another run is writing it; wait for it, or give this one a folder of its own with -o");
    assert_eq!(content(&folder, "b"), record("b", 1, 0.5));
    assert!(!folder.path().join("b/summary.json").exists());
}
