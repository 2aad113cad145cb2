//! What the command writes: which files, and that they are those that Python takes.

use super::refused::notes;
use super::*;
use mera_lab::format::sha256_hex;
use std::fs;

#[test]
fn the_weights_are_in_the_files_that_were_asked_for() {
    let folder = TempDir::new().unwrap();
    let (plm, data) = (path(PLM), sentences(&folder, "train.tsv", 8));
    let texts = write(&folder, "texts.tsv", "text1\nThey love it\n");
    let output = folder.path().join("out");
    let target = output.to_str().unwrap();
    let bin = ["pytorch_adapter.bin", "pytorch_model_head.bin"];
    let safetensors = ["adapter.safetensors", "model_head.safetensors"];
    let with_weights = || {
        let mut found = names(&output);
        found.retain(|name| name.ends_with(".bin") || name.ends_with(".safetensors"));
        found
    };
    let predicted = || document(&["predict", "--plm", &plm, "--adapter", target, "--data", &texts, "--json"]);
    let adapter = path(ADAPTER);
    let merge = ["merge", "--method", "sum", "-o", target, &adapter, "--force", "--weight-files"];
    let train = ["train", "--plm", &plm, "--data", &data, "--epochs", "1", "-o", target, "--force", "--weight-files"];
    for call in [&merge[..], &train] {
        notes(&[call, &["both"]].concat(), &folder);
        assert_eq!(with_weights(), [safetensors[0], safetensors[1], bin[0], bin[1]]);
        let expected = predicted();
        for (files, there) in [("bin", bin), ("safetensors", safetensors)] {
            notes(&[call, &[files]].concat(), &folder);
            assert_eq!(with_weights(), there, "those that stood there are gone");
            assert_eq!(predicted(), expected, "what is left holds all");
        }
    }
    let card = fs::read_to_string(output.join("README.md")).unwrap();
    assert!(card.contains("use_safetensors=True") && card.contains("--weight-files safetensors"), "{card}");
    assert!(card.contains("from_pretrained(\"path/to/tiny\")"), "{card}");
}

#[test]
fn what_is_written_is_what_python_took() {
    let accepted = support::json(&fixture("interop/accepted.json"));
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("out");
    let adapter = path("adapterhub/two_layer_bin");
    let call = ["merge", "--method", "sum", "--name", "two_layer", "-o", output.to_str().unwrap(), &adapter];
    notes(&call, &folder);
    fs::remove_file(output.join("recipe.json")).unwrap();
    let hash = |name: String| (name.clone(), json!(sha256_hex(&fs::read(output.join(name)).unwrap())));
    let written: Value = names(&output).into_iter().map(hash).collect();
    assert_eq!(
        written, accepted["sha256"],
        "these are not the bytes that `adapters` loaded last: run `cargo xtask oracle`, which tries these and notes them"
    );
}
