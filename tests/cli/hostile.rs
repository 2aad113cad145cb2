//! Files that mean harm or are broken: what is said of them stays one clear line, and no answer is made up of no numbers.

use super::refused::{edit, notes};
use super::*;
use mera_lab::format::{archive, safetensors};
use mera_lab::tensors::{Tensor, TensorSet};

/// A copy of the fixture `from` in a folder called `to`, where `file` holds what `change` makes of its tensors.
fn rewritten(
    folder: &TempDir,
    to: &str,
    (from, file): (&str, &str),
    change: impl Fn(&str, &Tensor) -> (String, Tensor),
) -> String {
    let copied = folder.path().join(to);
    copy(from, &copied);
    // The same weights once more, which would be compared.
    let _ = std::fs::remove_file(copied.join("pytorch_adapter.bin"));
    let changed: TensorSet = tensors(&copied.join(file)).iter().map(|(name, tensor)| change(name, tensor)).collect();
    std::fs::write(copied.join(file), safetensors::write(&changed).unwrap()).unwrap();
    copied.to_str().unwrap().to_owned()
}

const WEIGHTS: &str = "adapter.safetensors";

/// An adapter whose neurons all say 1e38, and are multiplied by `up` on the way out.
fn huge(folder: &TempDir, to: &str, from: &str, up: f32) -> String {
    rewritten(folder, to, (from, WEIGHTS), |name, tensor| {
        let value = match name {
            name if name.ends_with("adapter_down.0.bias") => 1e38,
            name if name.ends_with("adapter_up.weight") => up,
            _ => 0.0,
        };
        (name.to_owned(), Tensor::new(tensor.shape(), vec![value; tensor.len()]).unwrap())
    })
}

#[test]
fn a_name_in_a_file_neither_breaks_the_line_nor_fills_the_screen() {
    let folder = TempDir::new().unwrap();
    let called = |to: &str, evil: &str| {
        rewritten(&folder, to, (A, WEIGHTS), |name, tensor| {
            let name = if name.ends_with("layer.0.output.adapters.a.adapter_up.bias") { evil } else { name };
            (name.to_owned(), tensor.clone())
        })
    };
    let align = |adapter: &str| error(&["align", "--by", "weights", adapter, &path(A)], &[folder.path()]);
    insta::assert_snapshot!(align(&called("short", "evil\n\u{1b}[31mname")), @"error: short/adapter.safetensors: tensor evil��[31mname has no place in a seq_bn adapter");
    let long = called("long", &format!("evil\u{1b}[31m{}end", "z".repeat(5000)));
    let line = align(&long);
    assert!(line.starts_with("error: long/adapter.safetensors: tensor evil\u{fffd}[31mzzz"), "{line}");
    assert!(line.contains("z…z") && line.contains("zzzend has no place in "), "{line}");
    assert!(line.chars().count() <= 600, "{line}");

    let lines = |file: &str| {
        let said = out(&["inspect", file]).replace(&format!("{}/", folder.path().display()), "");
        assert!(!said.contains('\u{1b}'), "{said}");
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        assert!(lines.len() == 2 && lines.iter().all(|line| line.chars().count() <= 700), "{said}");
        lines.join("\n")
    };
    assert!(lines(&long).contains("problem: tensor evil\u{fffd}[31mzzz"));
    let zip = folder.path().join("nl.zip");
    let packed = archive::pack(&[("a\nb/adapter_config.json".to_owned(), b"{}".to_vec())]).unwrap();
    std::fs::write(&zip, packed).unwrap();
    insta::assert_snapshot!(lines(zip.to_str().unwrap()), @r"
nl.zip/a�b/adapter_config.json: unusable
    problem: the field config is missing
");

    // A header of one field.
    let wide = write(&folder, "wide.tsv", &"a".repeat(1 << 20));
    lines(&wide);
    let found = document(&["inspect", "--json", &wide]);
    assert!(found[0]["problems"][0].as_str().unwrap().chars().count() <= 600);
    let line = error(&["predict", "--plm", &path(PLM), "--adapter", &path(ADAPTER), "--data", &wide], &[folder.path()]);
    assert!(line.starts_with(r#"error: wide.tsv: there is no column "text1"; the columns found are "aaa"#), "{line}");
    assert!(line.ends_with("aaa\"") && line.chars().count() <= 600, "{line}");
}

#[test]
fn a_row_is_a_line_whatever_its_label_is_called() {
    let folder = TempDir::new().unwrap();
    let adapter = folder.path().join("adapter");
    copy(ADAPTER, &adapter);
    for label in ["negative", "neutral", "positive"] {
        edit(&adapter.join("head_config.json"), &format!("\"{label}\""), &format!("\"{label}\\n\\u001b[31m\""));
    }
    let data = write(&folder, "rows.tsv", "text1\nThey love it\nWhy?\n");
    let said = out(&["predict", "--plm", &path(PLM), "--adapter", adapter.to_str().unwrap(), "--data", &data]);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.lines().all(|line| line.contains("\u{fffd}\u{fffd}[31m\t")), "{said}");
}

#[test]
fn an_adapter_that_gives_no_numbers_gives_no_answers() {
    let folder = TempDir::new().unwrap();
    let (plm, output) = (path(PLM), folder.path().join("out"));
    let data = write(&folder, "rows.tsv", "label\ttext1\n\tThey love it\npositive\tA film of some length\n");
    let adapter = huge(&folder, "huge", ADAPTER, 3e38);
    let predict = ["predict", "--plm", &plm, "--adapter", &adapter, "--data", &data];
    insta::assert_snapshot!(error(&predict, &[folder.path()]), @"error: with adapter tiny_task in it the model gives NaN on line 2 of rows.tsv; tiny_task is huge");

    let texts = write(&folder, "texts.txt", "They love it\nWhy?\n");
    let a = huge(&folder, "large/a", A, 3e38);
    let merge = ["merge", "--method", "mera_acts", "--plm", &plm, "--texts", &texts, "-o", output.to_str().unwrap()];
    let line = error(&[&merge[..], &[&path(B), &a]].concat(), &[folder.path()]);
    insta::assert_snapshot!(line, @"error: with adapter a in it the model gives NaN at layer.1.output, token 1 of text 1; a is large/a");
    assert!(!output.exists());
}

#[test]
fn a_training_that_diverges_after_an_epoch_says_so() {
    let folder = TempDir::new().unwrap();
    // What comes back through these norms is so little that the first step is a step, and large neurons stay without
    // effect until it is done.
    let plm = rewritten(&folder, "tiny", (PLM, "model.safetensors"), |name, tensor| {
        let by = if name.ends_with("output.LayerNorm.weight") { 1e-25 } else { 1.0 };
        let values = tensor.values().iter().map(|value| value * by).collect();
        (name.to_owned(), Tensor::new(tensor.shape(), values).unwrap())
    });
    let (start, data) = (huge(&folder, "start", A, 0.0), sentences(&folder, "train.tsv", 12));
    let output = folder.path().join("out");
    let files = ["train", "--plm", &plm, "--adapter", &start, "--data", &data, "-o", output.to_str().unwrap()];
    let settings = "--epochs 3 --batch-size 12 --learning-rate 1 --warmup 0";
    let call: Vec<&str> = files.into_iter().chain(settings.split(' ')).collect();
    insta::assert_snapshot!(notes(&call, &folder), @"note: the loss of step 2 is NaN: training ended there, and epoch 1 is kept; a lower learning rate may help");
    let recipe = support::json(&output.join("recipe.json"));
    assert_eq!(recipe["result"]["diverged_at_step"], 2);
    let card = std::fs::read_to_string(output.join("README.md")).unwrap();
    assert!(card.contains("| kept | epoch 1 of 3; the loss of step 2 is NaN |"), "{card}");
}
