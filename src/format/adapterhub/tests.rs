//! Reading what the library wrote, writing it back, and everything that can be wrong with it.

use super::super::fixtures::folder;
use super::super::{NamedBytes, archive, safetensors, torch};
use super::*;
use crate::tensors::Tensor;
use crate::tensors::adapter::Site;
use insta::assert_snapshot;

fn read_fixture(name: &str) -> AdapterFile {
    let adapter = read(name, folder(name)).unwrap();
    assert_eq!(adapter.problems, []);
    adapter
}

fn read_written(files: &[NamedBytes]) -> Result<AdapterFile, Problem> {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&**name, &bytes[..])).collect();
    read("written", &files)
}

/// The fixture with one of its files changed.
fn changed(name: &str, file: &str, change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<NamedBytes> {
    let change = |known: &str, bytes: &[u8]| if known == file { change(bytes) } else { bytes.to_vec() };
    folder(name).iter().map(|(known, bytes)| ((*known).to_owned(), change(known, bytes))).collect()
}

/// The fixture with a field of its head's configuration changed.
fn with_head_config(change: impl Fn(&mut Object)) -> AdapterFile {
    let files = changed("two_layer_bin", HEAD_CONFIG, |bytes| {
        let mut document = fields::parse(bytes).unwrap();
        change(document.get_mut("config").and_then(serde_json::Value::as_object_mut).unwrap());
        fields::print(&document).unwrap()
    });
    read_written(&files).unwrap()
}

fn with_config(change: impl Fn(&mut Object)) -> Result<AdapterFile, Problem> {
    read_written(&changed("two_layer_bin", ADAPTER_CONFIG, |bytes| {
        let mut document = fields::parse(bytes).unwrap();
        change(&mut document);
        fields::print(&document).unwrap()
    }))
}

fn with_tensors(change: impl Fn(&mut TensorSet)) -> Result<AdapterFile, Problem> {
    read_written(&changed("two_layer_safetensors", ADAPTER_SAFETENSORS, |bytes| {
        let mut tensors = safetensors::read(bytes).unwrap();
        change(&mut tensors);
        safetensors::write(&tensors).unwrap()
    }))
}

#[test]
fn both_formats_hold_the_same_adapter() {
    let pickle = read_fixture("two_layer_bin");
    let safe = read_fixture("two_layer_safetensors");
    assert_eq!(pickle.params, safe.params);
    assert_eq!(pickle.head, safe.head);
    assert_eq!(pickle.config, safe.config);

    assert_eq!(pickle.name, "two_layer");
    assert_eq!(pickle.config.form, AdapterForm::seq_bn());
    assert_eq!(pickle.layers(), 2);
    assert_eq!(pickle.plm, PlmSignature::bert(Some("tiny-bert".to_owned()), 32));
    assert_eq!(pickle.version.as_deref(), Some("adapters.1.3.0"));
    let names: Vec<&str> = pickle.params.names().collect();
    assert_eq!(names[..2], ["layer.0.output.down_proj.weight", "layer.0.output.down_proj.bias"]);
    assert_eq!(pickle.params.get("layer.1.output.up_proj.weight").unwrap().shape(), [32, 4]);
    let files: Vec<&str> = pickle.files.iter().map(|file| &*file.path).collect();
    assert_eq!(
        files,
        ["adapter_config.json", "pytorch_adapter.bin", "head_config.json", "pytorch_model_head.bin"]
            .map(|name| format!("two_layer_bin/{name}"))
    );
    assert!(pickle.files.iter().all(|file| file.sha256.len() == 64));
}

#[test]
fn values_land_in_the_right_places() {
    // The names by hand, not by the table.
    let tensors = safetensors::read(folder("houlsby")[1].1).unwrap();
    let adapter = read_fixture("houlsby");
    for (ours, theirs) in [
        ("layer.1.attention.down_proj.weight", "layer.1.attention.output.adapters.houlsby.adapter_down.0.weight"),
        ("layer.0.output.up_proj.bias", "layer.0.output.adapters.houlsby.adapter_up.bias"),
        ("layer.0.output.down_proj.bias", "layer.0.output.adapters.houlsby.adapter_down.0.bias"),
    ] {
        assert_eq!(adapter.params.get(ours), tensors.get(&format!("bert.encoder.{theirs}")), "{ours}");
        assert!(adapter.params.get(ours).is_some());
    }
    assert_eq!(adapter.config.form, AdapterForm::double_seq_bn());
    assert_eq!(adapter.head, None);
}

#[test]
fn heads_of_one_and_two_layers_are_read() {
    let two = read_fixture("two_layer_bin").head.unwrap();
    assert_eq!(two.config, HeadConfig::new(vec!["negative".to_owned(), "positive".to_owned()]));
    assert_eq!(
        two.params.names().collect::<Vec<_>>(),
        [head::DENSE_WEIGHT, head::DENSE_BIAS, head::OUT_WEIGHT, head::OUT_BIAS]
    );

    let one = read_fixture("one_layer_bin").head.unwrap();
    assert_eq!((one.config.layers, &one.config.labels[..]), (1, &["a", "b", "c"].map(str::to_owned)[..]));
    assert_eq!(one.params.names().collect::<Vec<_>>(), [head::OUT_WEIGHT, head::OUT_BIAS]);
    assert_eq!(one, read_fixture("one_layer_safetensors").head.unwrap());

    let linear = read_fixture("linear_head").head.unwrap();
    assert_eq!(linear.config.activation, None);
    assert_eq!(linear.params.get(head::OUT_WEIGHT).unwrap().shape(), [2, 32]);
}

#[test]
fn widths_follow_the_library_s_division() {
    let uneven = read_fixture("per_layer");
    assert_eq!(uneven.config.bottlenecks, [(Location::output(0), 8), (Location::output(1), 2)].into());
    let fraction = read_fixture("one_layer_bin");
    assert_eq!(fraction.config.reduction_factor, ReductionFactor::Uniform(6.4));
    assert_eq!(fraction.config.bottlenecks[&Location::output(0)], 4);
}

#[test]
fn names_without_prefix_and_half_precision_are_read() {
    let adapter = read_fixture("bare_half");
    assert_eq!(adapter.params.get("layer.0.output.up_proj.bias").unwrap().dtype(), crate::tensors::Dtype::F16);
    assert_eq!(adapter.plm.model_class, "BertModel");
}

#[test]
fn the_name_inside_the_file_may_differ() {
    let adapter = with_config(|document| {
        document.insert("name".to_owned(), json!("renamed"));
    });
    let adapter = adapter.unwrap();
    assert_eq!(adapter.name, "renamed");
    assert_eq!(adapter.params, read_fixture("two_layer_bin").params);
}

#[test]
fn names_of_older_versions_are_read() {
    // The library's renaming the other way round.
    let older = |fixture: &str, kind: &str| {
        let files = changed(fixture, ADAPTER_SAFETENSORS, |bytes| {
            let older = safetensors::read(bytes).unwrap().into_iter().map(|(name, tensor)| {
                let name = name
                    .replace(
                        ".attention.output.adapters.",
                        &format!(".attention.output.attention_text_{kind}_adapters."),
                    )
                    .replace(".output.adapters.", &format!(".output.layer_text_{kind}_adapters."));
                (name, tensor)
            });
            safetensors::write(&older.collect()).unwrap()
        });
        read_written(&files).unwrap()
    };
    for fixture in ["two_layer_safetensors", "houlsby"] {
        for kind in ["task", "lang"] {
            let adapter = older(fixture, kind);
            assert_eq!((&adapter.problems[..], &adapter.params), (&[][..], &read_fixture(fixture).params), "{fixture}");
            let written = write_adapterhub(&adapter, Weights::Safetensors).unwrap();
            let tensors =
                safetensors::read(&written.iter().find(|(n, _)| n == ADAPTER_SAFETENSORS).unwrap().1).unwrap();
            assert!(tensors.names().all(|name| name.contains(".output.adapters.")), "{fixture}");
        }
    }
    let both = "bert.encoder.layer.0.output.layer_text_task_adapters.two_layer.adapter_up.bias";
    let error = with_tensors(|tensors| drop(tensors.insert(both, Tensor::new([], vec![1.0]).unwrap()))).unwrap_err();
    assert_snapshot!(error, @"written/adapter.safetensors: tensors bert.encoder.layer.0.output.adapters.two_layer.adapter_up.bias and bert.encoder.layer.0.output.layer_text_task_adapters.two_layer.adapter_up.bias are the same part of the adapter");
}

#[test]
fn what_is_written_is_read_and_documents_stay_as_they_were() {
    for name in ["two_layer_bin", "two_layer_safetensors", "one_layer_bin", "linear_head", "houlsby", "per_layer"] {
        let adapter = read_fixture(name);
        for weights in [Weights::Both, Weights::Pickle, Weights::Safetensors] {
            let written = write_adapterhub(&adapter, weights).unwrap();
            let again = read_written(&written).unwrap();
            assert_eq!(again.problems, []);
            assert_eq!((&again.params, &again.head, &again.config), (&adapter.params, &adapter.head, &adapter.config));
            for (file, bytes) in &written {
                if file.ends_with(".json") {
                    let original = folder(name).iter().find(|(known, _)| known == file).unwrap().1;
                    assert_eq!(String::from_utf8_lossy(bytes), String::from_utf8_lossy(original), "{name}/{file}");
                }
            }
        }
    }
    let files = |weights| write_adapterhub(&read_fixture("two_layer_bin"), weights).unwrap().len();
    assert_eq!([Weights::Both, Weights::Pickle, Weights::Safetensors].map(files), [6, 4, 4]);
}

#[test]
fn a_new_name_is_written_everywhere() {
    let mut adapter = read_fixture("two_layer_bin");
    adapter.name = "merged".to_owned();
    let written = write_adapterhub(&adapter, Weights::Safetensors).unwrap();
    let again = read_written(&written).unwrap();
    assert_eq!(again.name, "merged");
    let names = |file: &str| safetensors::read(&written.iter().find(|(n, _)| n == file).unwrap().1).unwrap();
    assert!(names(ADAPTER_SAFETENSORS).names().all(|name| name.contains(".adapters.merged.")));
    assert!(names(HEAD_SAFETENSORS).names().all(|name| name.starts_with("heads.merged.")));
}

#[test]
fn an_adapter_made_here_has_the_library_s_document() {
    let read = read_fixture("two_layer_bin");
    let made =
        AdapterFile::new("two_layer", read.plm.clone(), AdapterForm::seq_bn(), read.params.clone(), None).unwrap();
    assert_eq!(made.config, read.config);
    let head = read.head.clone().unwrap();
    let head = Head::new(head.config, 32, head.params).unwrap();
    let made = AdapterFile { head: Some(head), ..made };
    let (written, original) = (write_adapterhub(&made, Weights::Both).unwrap(), folder("two_layer_bin"));
    for name in [ADAPTER_CONFIG, HEAD_CONFIG] {
        let written = &written.iter().find(|(n, _)| n == name).unwrap().1;
        let original = original.iter().find(|(n, _)| *n == name).unwrap().1;
        assert_eq!(String::from_utf8_lossy(written), String::from_utf8_lossy(original));
    }
}

#[test]
fn any_width_can_be_made() {
    for width in [1, 3, 7, 24, 33, 96] {
        let tensor = |shape: &[usize]| Tensor::new(shape, vec![0.5; shape.iter().product()]).unwrap();
        let mut params = TensorSet::new();
        for layer in 0..2 {
            let width = width + layer;
            let at = Location::output(layer);
            params.insert(at.param(Part::DownWeight), tensor(&[width, 32]));
            params.insert(at.param(Part::DownBias), tensor(&[width]));
            params.insert(at.param(Part::UpWeight), tensor(&[32, width]));
            params.insert(at.param(Part::UpBias), tensor(&[32]));
        }
        let plm = PlmSignature::bert(None, 32);
        let made = AdapterFile::new("made", plm, AdapterForm::seq_bn(), params, None).unwrap();
        let again = read_written(&write_adapterhub(&made, Weights::Both).unwrap()).unwrap();
        assert_eq!(again.params, made.params);
        assert_eq!(again.config.bottlenecks[&Location::output(1)], width + 1);
    }
}

#[test]
fn bad_adapters_are_told() {
    let error = |name: &str| read(name, folder(name)).unwrap_err();
    assert_snapshot!(error("hostile/nan"), @"hostile/nan/adapter.safetensors: tensor bert.encoder.layer.1.output.adapters.two_layer.adapter_up.weight holds NaN at element 14");
    assert_snapshot!(error("hostile/wrong_width"), @"hostile/wrong_width/adapter.safetensors: tensor bert.encoder.layer.0.output.adapters.two_layer.adapter_down.0.weight has shape [4, 32], expected [8, 64] (hidden_size 64, bottleneck 8 by reduction_factor)");
    assert_snapshot!(error("hostile/missing_layer"), @"hostile/missing_layer/adapter.safetensors: tensor bert.encoder.layer.0.output.adapters.two_layer.adapter_down.0.weight is missing");
    assert_snapshot!(error("hostile/peft"), @"hostile/peft/adapter_config.json: this is an adapter of the peft library (peft_type LORA); supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
    assert_snapshot!(error("lora"), @"lora/adapter_config.json: this adapter is LoRA; supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
    assert_snapshot!(error("parallel"), @"parallel/adapter_config.json: this adapter is a parallel bottleneck adapter (par_bn); supported are bottleneck adapters of the kind seq_bn (pfeiffer)");

    assert_snapshot!(read("a", &[(ADAPTER_PICKLE, b"")]).unwrap_err(), @"a/pytorch_adapter.bin: adapter_config.json is missing beside it");
    assert_snapshot!(read("a", &[(ADAPTER_CONFIG, b"{")]).unwrap_err(), @"a/adapter_config.json: this is not valid JSON: EOF while parsing an object at line 1 column 1");
    assert_snapshot!(read("", &folder("two_layer_bin")[..1]).unwrap_err(), @"adapter_config.json: adapter.safetensors or pytorch_adapter.bin is missing beside it");
    let without = |field: &'static str| with_config(|document| drop(document.shift_remove(field))).unwrap_err();
    assert_snapshot!(without("hidden_size"), @"written/adapter_config.json: the field hidden_size is missing");
    assert_snapshot!(without("model_type"), @"written/adapter_config.json: the field model_type is missing");
    let distil = |document: &mut Object| drop(document.insert("model_type".to_owned(), json!("distilbert")));
    assert_snapshot!(with_config(distil).unwrap_err(), @"written/adapter_config.json: this adapter is for a PLM of type distilbert; supported are bert, roberta, xlm-roberta, camembert");

    let key = "bert.encoder.layer.0.output.adapters.two_layer.adapter_up.bias";
    assert_snapshot!(with_tensors(|tensors| drop(tensors.remove(key))).unwrap_err(), @"written/adapter.safetensors: tensor bert.encoder.layer.0.output.adapters.two_layer.adapter_up.bias is missing");
    let scalar = || Tensor::new([], vec![1.0]).unwrap();
    let gate = "bert.encoder.layer.0.output.adapters.two_layer.gate.weight";
    assert_snapshot!(with_tensors(|tensors| drop(tensors.insert(gate, scalar()))).unwrap_err(), @"written/adapter.safetensors: tensor bert.encoder.layer.0.output.adapters.two_layer.gate.weight has no place in a seq_bn adapter");
    let zero = "bert.encoder.layer.00.output.adapters.two_layer.adapter_up.bias";
    assert_snapshot!(with_tensors(|tensors| drop(tensors.insert(zero, scalar()))).unwrap_err(), @"written/adapter.safetensors: tensor bert.encoder.layer.00.output.adapters.two_layer.adapter_up.bias has no place in a seq_bn adapter");
    let rootless = "encoder.layer.0.output.adapters.two_layer.adapter_up.bias";
    assert_snapshot!(with_tensors(|tensors| drop(tensors.insert(rootless, scalar()))).unwrap_err(), @"written/adapter.safetensors: tensors bert.encoder.layer.0.output.adapters.two_layer.adapter_up.bias and encoder.layer.0.output.adapters.two_layer.adapter_up.bias are the same part of the adapter");
    let far = "bert.encoder.layer.9.output.adapters.two_layer.adapter_up.bias";
    assert_snapshot!(with_tensors(|tensors| drop(tensors.insert(far, scalar()))).unwrap_err(), @"written/adapter.safetensors: tensor bert.encoder.layer.2.output.adapters.two_layer.adapter_down.0.weight is missing");
    let attention = "bert.encoder.layer.0.attention.output.adapters.two_layer.adapter_up.bias";
    assert_snapshot!(with_tensors(|tensors| drop(tensors.insert(attention, scalar()))).unwrap_err(), @"written/adapter.safetensors: tensor bert.encoder.layer.0.attention.output.adapters.two_layer.adapter_up.bias has no place in a seq_bn adapter");
    let two_strangers = |tensors: &mut TensorSet| {
        *tensors = ["a", "b"].map(|name| (key.replace("two_layer", name), scalar())).into_iter().collect();
    };
    assert_snapshot!(with_tensors(two_strangers).unwrap_err(), @"written/adapter.safetensors: the file holds tensors of several adapters: a, b; the configuration names two_layer");
}

#[test]
fn a_bad_head_costs_only_itself() {
    let problem = |adapter: AdapterFile| {
        assert_eq!((adapter.head, adapter.params.len()), (None, 8));
        adapter.problems.into_iter().next().unwrap()
    };
    let set = |field: &'static str, value: serde_json::Value| {
        problem(with_head_config(|config| drop(config.insert(field.to_owned(), value.clone()))))
    };
    assert_snapshot!(set("head_type", json!("tagging")), @"written/head_config.json: this head is of type tagging; supported are classification heads of one or two layers");
    assert_snapshot!(set("layers", json!(3)), @"written/head_config.json: this head is of 3 layers; supported are classification heads of one or two layers");
    assert_snapshot!(set("num_labels", json!(3)), @"written/head_config.json: label2id numbers its labels 0, 1, expected each of 0 to 2 once");
    let unnamed = |count: usize| {
        problem(with_head_config(|config| {
            config.insert("num_labels".to_owned(), json!(count));
            config.shift_remove("label2id");
        }))
    };
    assert_snapshot!(unnamed(0), @"written/head_config.json: this head has 0 labels; supported are 1 to 1000");
    assert_snapshot!(unnamed(1001), @"written/head_config.json: this head has 1001 labels; supported are 1 to 1000");
    assert_snapshot!(unnamed(1000), @"written/pytorch_model_head.bin: tensor heads.two_layer.4.weight has shape [2, 32], expected [1000, 32] (1000 labels, hidden_size 32)");
    assert_snapshot!(set("label2id", json!({"a": 0, "b": 2})), @"written/head_config.json: label2id numbers its labels 0, 2, expected each of 0 to 1 once");
    assert_snapshot!(set("label2id", json!(["a", "b"])), @r#"written/head_config.json: the field config.label2id is ["a","b"], expected an object of numbers"#);
    assert_snapshot!(set("bias", json!(false)), @"written/pytorch_model_head.bin: tensor heads.two_layer.4.bias has no place in a classification head as its configuration describes it");
    assert_snapshot!(set("activation_function", json!(null)), @"written/pytorch_model_head.bin: tensor heads.two_layer.4.weight has no place in a classification head as its configuration describes it");

    let fixed =
        changed("two_layer_bin", HEAD_CONFIG, |_| br#"{"model_class": "BertForSequenceClassification"}"#.to_vec());
    assert_snapshot!(problem(read_written(&fixed).unwrap()), @"written/head_config.json: this head is the fixed head of BertForSequenceClassification; supported are classification heads of one or two layers");
    let no_config: Vec<_> = folder("two_layer_bin").iter().filter(|(name, _)| *name != HEAD_CONFIG).copied().collect();
    assert_snapshot!(problem(read("a", &no_config).unwrap()), @"a/pytorch_model_head.bin: head_config.json is missing beside it");
    let no_weights = &folder("two_layer_bin")[..3];
    assert_snapshot!(problem(read("a", no_weights).unwrap()), @"a/head_config.json: model_head.safetensors or pytorch_model_head.bin is missing beside it");

    let unnamed = with_head_config(|config| drop(config.insert("label2id".to_owned(), json!(null))));
    assert_eq!(unnamed.head.unwrap().config.labels, ["LABEL_0", "LABEL_1"]);
}

#[test]
fn two_files_of_the_same_weights_must_agree() {
    let both = || write_adapterhub(&read_fixture("two_layer_bin"), Weights::Both).unwrap();
    let with = |name: &str, bytes: Vec<u8>| {
        let mut files = both();
        files.iter_mut().find(|(known, _)| known == name).unwrap().1 = bytes;
        read_written(&files).unwrap()
    };
    let mut tensors = safetensors::read(folder("two_layer_safetensors")[1].1).unwrap();
    let key = "bert.encoder.layer.1.output.adapters.two_layer.adapter_up.bias";
    tensors.insert(key, Tensor::new([32], vec![9.0; 32]).unwrap());

    let differing = with(ADAPTER_PICKLE, torch::write("x", &tensors).unwrap());
    assert_snapshot!(differing.problems[0], @"written/pytorch_adapter.bin: adapter.safetensors and pytorch_adapter.bin differ in tensor layer.1.output.up_proj.bias; adapter.safetensors is used");
    assert_eq!(differing.params, read_fixture("two_layer_bin").params);

    let damaged = with(ADAPTER_SAFETENSORS, b"damaged!".to_vec());
    assert_snapshot!(damaged.problems[0], @"written/adapter.safetensors: the safetensors header claims 2406159595613282660 bytes, at most 16777216 are read");
    assert_eq!(damaged.params, read_fixture("two_layer_bin").params);
}

#[test]
fn layers_may_be_left_out() {
    let left_out = |layers: serde_json::Value| {
        move |document: &mut Object| {
            drop(document["config"].as_object_mut().unwrap().insert("leave_out".into(), layers.clone()))
        }
    };
    let adapter = with_config(left_out(json!([2, 3]))).unwrap();
    assert_eq!(adapter.layers(), 4);
    assert_snapshot!(with_config(left_out(json!([1]))).unwrap_err(), @"written/pytorch_adapter.bin: tensor bert.encoder.layer.1.output.adapters.two_layer.adapter_down.0.weight has no place in a seq_bn adapter");

    let kept: TensorSet =
        adapter.params.iter().filter(|(name, _)| !name.starts_with("layer.0")).map(|(n, t)| (n, t.clone())).collect();
    let form = AdapterForm { leave_out: vec![0], ..AdapterForm::seq_bn() };
    let made = AdapterFile::new("made", adapter.plm.clone(), form.clone(), kept, None).unwrap();
    let again = read_written(&write_adapterhub(&made, Weights::Both).unwrap()).unwrap();
    assert_eq!((&again.params, &again.config.form), (&made.params, &form));
}

#[test]
fn what_can_not_be_written_is_told() {
    let mut adapter = read_fixture("two_layer_bin");
    for name in ["", "a.b", "train"] {
        adapter.name = name.to_owned();
        let error = write_adapterhub(&adapter, Weights::Both).unwrap_err();
        assert_eq!(error, FormatError::Name { name: name.to_owned() });
    }
    assert_snapshot!(write_adapterhub(&adapter, Weights::Both).unwrap_err(), @r#""train" can not name an adapter: it must not be empty, hold a dot or be a word of torch's modules"#);

    let plm = adapter.plm.clone();
    let new = |params: TensorSet, head| AdapterFile::new("x", plm.clone(), AdapterForm::seq_bn(), params, head);
    let foreign: TensorSet = [("classifier.weight", Tensor::new([], vec![0.0]).unwrap())].into_iter().collect();
    assert_snapshot!(new(foreign, None).unwrap_err(), @"tensor classifier.weight has no place in a seq_bn adapter");
    assert_snapshot!(new(TensorSet::new(), None).unwrap_err(), @"tensor layer.0.output.down_proj.weight is missing");
    let zeros = |shape: &[usize]| Tensor::new(shape, vec![0.0; shape.iter().product()]).unwrap();
    let config = HeadConfig { layers: 1, ..HeadConfig::new(vec!["a".to_owned()]) };
    let head_params: TensorSet =
        [(head::OUT_WEIGHT, zeros(&[1, 16])), (head::OUT_BIAS, zeros(&[1]))].into_iter().collect();
    let none = HeadConfig { layers: 1, ..HeadConfig::new(Vec::new()) };
    assert_snapshot!(Head::new(none, 16, TensorSet::new()).unwrap_err(), @"this head has 0 labels; supported are 1 to 1000");
    let head = Head::new(config, 16, head_params).unwrap();
    assert_snapshot!(new(adapter.params.clone(), Some(head)).unwrap_err(), @"tensor head.out_proj.weight has shape [1, 16], expected [1, 32] (hidden_size 32)");
    let mut mixed = read_fixture("houlsby").params;
    let at = Location { layer: 0, site: Site::Attention };
    mixed.insert(at.param(Part::DownWeight), zeros(&[5, 32]));
    assert_snapshot!(
        AdapterFile::new("x", plm.clone(), AdapterForm::double_seq_bn(), mixed, None).unwrap_err(), @"layer 0 has a bottleneck of 5 after attention and 4 after the feed-forward block; the format has one for both"
    );
}

#[test]
fn a_packed_folder_comes_back() {
    let files = write_adapterhub(&read_fixture("one_layer_bin"), Weights::Both).unwrap();
    let packed = archive::pack(&files).unwrap();
    let found = super::super::detect(vec![("one.zip".to_owned(), packed)], |_| false);
    assert_eq!((found.adapters.len(), &found.problems[..], &found.ignored[..]), (1, &[][..], &[][..]));
    assert_eq!(found.adapters[0].path, "one.zip");
}
