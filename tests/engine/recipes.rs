//! What a recipe says of that which an adapter was made from.

use super::*;
use mera_lab::format::sha256_hex;
use serde_json::{Value, json};

fn average(adapters: Vec<AdapterId>) -> MergeSpec {
    MergeSpec {
        method: "average".into(),
        settings: Default::default(),
        adapters,
        weights: vec![],
        reference: None,
        scale: OutputScale::None,
        texts: Texts::None,
    }
}

/// Names and hashes of the fixture's files, as a recipe lists them.
fn hashed(folder: &str, names: &[&str]) -> Value {
    let of = |name: &&str| json!({ "path": name, "sha256": sha256_hex(&std::fs::read(fixture(folder).join(name)).unwrap()) });
    names.iter().map(of).collect()
}

#[test]
fn all_files_that_determine_a_merge_are_named_with_their_hashes() {
    let (mut engine, adapters, data) = loaded();
    let names = ["adapter_config.json", "adapter.safetensors", "head_config.json", "model_head.safetensors"];
    let folder = "model/tiny_adapter/seq_bn";
    let files = names.map(|name| bytes(&format!("{folder}/{name}"), &format!("one/{name}"))).to_vec();
    let one = ask(&mut engine, Open { files }).unwrap().adapters.remove(0);
    let a = adapters[0].id;
    let first = ask(&mut engine, Merge { name: "first".into(), spec: average(vec![one.id, a]) }).unwrap().adapter.id;
    let second = ask(&mut engine, Merge { name: "second".into(), spec: average(vec![first, a]) }).unwrap().adapter.id;
    // What the merge was made from stands in its recipe, whatever became of it.
    ask(&mut engine, RemoveAdapter { id: first }).unwrap();
    ask(&mut engine, EditAdapter { id: a, name: Some("renamed".into()), track: None }).unwrap();

    let plm = json!({
        "name": "tiny",
        "sha256": sha256_hex(&std::fs::read(fixture("model/tiny/model.safetensors")).unwrap()),
        "files": hashed("model/tiny", &["config.json", "tokenizer.json", "model.safetensors"]),
    });
    let of_a = hashed("model/tiny_adapter/fusion/a", &["adapter_config.json", "pytorch_adapter.bin"]);
    let of_a = json!({ "name": "a", "sha256": of_a[1]["sha256"], "files": of_a });
    let of_one = hashed(folder, &names);
    let of_one = json!({ "name": "tiny_task", "sha256": of_one[1]["sha256"], "files": of_one });

    let recipe = engine.recipe(second).unwrap();
    assert_eq!((&recipe["plm"], &recipe["adapter"]["inputs"][1]), (&plm, &of_a));
    let made = &recipe["adapter"]["inputs"][0];
    assert_eq!((&made["name"], &made["sha256"], &made["plm"]), (&json!("first"), &json!(""), &plm));
    assert_eq!((&made["method"], &made["inputs"]), (&json!("average"), &json!([of_one, of_a])));

    // So it is of what a run starts from.
    let run = ask(&mut engine, train(&data, RunStart::Adapter(a))).unwrap().run;
    let FileBytes { bytes, .. } = ask(&mut engine, Export::Run(run)).unwrap();
    let files = mera_lab::format::archive::unpack("run", &bytes, Default::default()).unwrap().files;
    let (_, recipe) = files.iter().find(|(path, _)| path.ends_with("recipe.json")).unwrap();
    let recipe: Value = serde_json::from_slice(recipe).unwrap();
    assert_eq!(recipe["start"]["files"], of_a["files"]);
}
