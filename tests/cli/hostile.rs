//! Files that mean harm or are broken: what is said of them stays one clear line, and no answer is made up of no numbers.

use super::refused::edit;
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
