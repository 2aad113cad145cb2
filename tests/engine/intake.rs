//! What is told of files that are taken in.

use super::*;
use mera_lab::format::{archive, safetensors};

#[test]
fn data_under_other_columns_is_asked_about() {
    let (mut engine, ..) = loaded();
    let text = "id\tclass\tsentence\n1\tgood\tfine\n2\tbad\tdull\n3\tgood\tgreat\n4\tbad\tpoor\n";
    let file = FileBytes { path: "own/other.tsv".into(), bytes: text.into() };
    let opened = ask(&mut engine, Open { files: vec![FileSource::Bytes(file.clone())] }).unwrap();
    assert_eq!((opened.data.len(), opened.problems.len()), (0, 1));
    let unmapped = &opened.unmapped[0];
    assert_eq!((&unmapped.file, unmapped.columns.join(" ")), (&file, "id class sentence".to_owned()));
    assert_eq!(unmapped.example, ["1", "good", "fine"]);
    // Without labels there is nothing to learn from.
    let unlabelled = FileBytes { path: "u.tsv".into(), bytes: "gold\ttext1\n1\tx\n".into() };
    let opened = ask(&mut engine, Open { files: vec![FileSource::Bytes(unlabelled)] }).unwrap();
    assert_eq!((opened.data.len(), opened.unmapped.len()), (0, 1));

    let columns = |label: &str, text1: &str| DataColumns { label: label.into(), text1: text1.into(), text2: None };
    let open = |columns| OpenData { file: FileSource::Bytes(file.clone()), columns: Some(columns) };
    let card = ask(&mut engine, open(columns("class", "sentence"))).unwrap();
    assert_eq!((card.name.as_str(), card.rows, card.pairs), ("other", 4, false));
    assert_eq!(card.labels, [("bad".to_owned(), 2), ("good".to_owned(), 2)]);
    let error = ask(&mut engine, open(columns("class", "text"))).unwrap_err();
    insta::assert_snapshot!(error, @r#"own/other.tsv: there is no column "text"; the columns found are "id", "class", "sentence""#);
    let error = ask(&mut engine, open(columns("id", "sentence"))).unwrap_err();
    insta::assert_snapshot!(error, @r#"own/other.tsv: label "1" occurs once, on line 2: correct it, leave the row out, or add examples"#);
}

#[test]
fn data_sets_are_known_by_their_ending_or_by_being_named() {
    assert_eq!(DATA_ENDINGS, mera_lab::text::DataFormat::ENDINGS.map(|(ending, _)| ending));
    let mut engine = Engine::new(NoGpu);
    let file = |ending: &str, text: &str| {
        FileSource::Bytes(FileBytes { path: format!("cr/train.{ending}"), bytes: text.as_bytes().to_vec() })
    };
    let table = |between: &str| format!("label{between}text1\n0{between}Broken.\n1{between}Fine.\n");
    let lines = "{\"label\": 0, \"text1\": \"Broken.\"}\n{\"label\": 1, \"text1\": \"Fine.\"}\n";
    for ending in DATA_ENDINGS {
        let text = match ending {
            "tsv" | "tab" => table("\t"),
            "csv" => table(","),
            _ => lines.to_owned(),
        };
        let opened = ask(&mut engine, Open { files: vec![file(ending, &text)] }).unwrap();
        assert_eq!((opened.data.len(), opened.problems), (1, vec![]), "{ending}");
    }
    // Among others a text file may be anything; one that is named as data is read as such.
    let text = file("txt", &table("\t"));
    assert_eq!(ask(&mut engine, Open { files: vec![text.clone()] }).unwrap().data, []);
    let card = ask(&mut engine, OpenData { file: text, columns: None }).unwrap();
    assert_eq!((card.rows, card.labels), (2, vec![("0".to_owned(), 1), ("1".to_owned(), 1)]));
    let error = ask(&mut engine, OpenData { file: file("txt", "words"), columns: None }).unwrap_err();
    insta::assert_snapshot!(error, @r#"cr/train.txt: there is no column "text1"; the columns found are "words""#);
    let url = FileSource::Url { path: "a.tsv".into(), url: "samples/a.tsv".into() };
    insta::assert_snapshot!(ask(&mut engine, OpenData { file: url, columns: None }).unwrap_err(), @"samples/a.tsv has not been fetched");
}

#[test]
fn data_of_one_name_are_told_apart() {
    let mut engine = Engine::new(NoGpu);
    let file = |path: &str, text: &str| {
        FileSource::Bytes(FileBytes { path: path.into(), bytes: format!("label\ttext1\n{text}").into_bytes() })
    };
    let cr = ask(&mut engine, Open { files: vec![file("cr/train.tsv", "0\tThe camera broke.\n")] }).unwrap().data;
    let mr = [file("mr/train.tsv", "0\tA dull film.\n1\tA fine film.\n"), file("sst2/train.tsv", "1\tSplendid.\n")];
    let mr = ask(&mut engine, Open { files: mr.to_vec() }).unwrap().data;
    let cards: Vec<_> = cr.iter().chain(&mr).map(|card| (&*card.name, &*card.path, card.rows)).collect();
    let expected = [("train", "cr/train.tsv", 1), ("train_2", "mr/train.tsv", 2), ("train_3", "sst2/train.tsv", 1)];
    assert_eq!(cards, expected);
    assert_eq!(engine.data().get(mr[0].id).unwrap().rows[1].text1, "A fine film.");
}

#[test]
fn an_adapter_of_a_kind_that_does_not_run_is_told() {
    let files =
        ["adapter_config.json", "adapter.safetensors"].map(|name| bytes(&format!("adapterhub/houlsby/{name}"), name));
    let opened = ask(&mut Engine::new(NoGpu), Open { files: files.to_vec() }).unwrap();
    assert_eq!((opened.adapters[0].kind.as_str(), opened.problems.len()), ("double_seq_bn", 0));
    insta::assert_snapshot!(opened.adapters[0].remarks.join("\n"), @"the architecture double_seq_bn is not run here; supported is seq_bn");
}

#[test]
fn an_adapter_for_another_plm_is_told() {
    let (mut engine, adapters, _) = loaded();
    // Adapter a, made to say that it is for another PLM.
    let a = engine.adapters().get(adapters[0].id).unwrap().file.clone();
    let other = |folder: &str, change: fn(&mut PlmSignature)| {
        let mut plm = a.plm.clone();
        change(&mut plm);
        let file = AdapterFile::new("a", plm, a.config.form.clone(), a.params.clone(), None).unwrap();
        let files = mera_lab::engine::folder(&file, &serde_json::json!({}), Weights::Both).unwrap().into_iter();
        let source = |(name, bytes)| FileSource::Bytes(FileBytes { path: format!("{folder}/{name}"), bytes });
        files.map(source).collect::<Vec<_>>()
    };
    let named = other("named", |plm| plm.model_name = Some("owner/large".into()));
    let family = other("family", |plm| plm.model_type = "roberta".into());
    let opened = ask(&mut engine, Open { files: named }).unwrap();
    insta::assert_snapshot!(opened.adapters[0].remarks.join("\n"), @"trained with owner/large; the model here is called tiny");
    assert_eq!(adapters[0].remarks, [] as [String; 0]);
    let opened = ask(&mut engine, Open { files: family.clone() }).unwrap();
    let refused = opened.problems;
    assert_eq!(opened.adapters, []);
    let line = format!("{}: {}", refused[0].path, refused[0].message);
    insta::assert_snapshot!(line, @"family: adapter a is for a roberta model; tiny is a bert model");

    // Before there is a PLM anything can be opened; the PLM says what does not fit it, and nothing is lost.
    let mut empty = Engine::new(NoGpu);
    let opened = ask(&mut empty, Open { files: family }).unwrap();
    assert_eq!((opened.adapters.len(), opened.problems.len()), (1, 0));
    let names = ["config.json", "tokenizer.json", "model.safetensors"];
    let files = names.map(|name| bytes(&format!("model/tiny/{name}"), name)).to_vec();
    let card = ask(&mut empty, OpenPlm { name: "tiny".into(), files }).unwrap();
    assert_eq!(card.misfits, refused);
    assert_eq!(empty.adapters().iter().count(), 1);
}

#[test]
fn adapters_of_different_models_are_told_before_there_is_a_model() {
    let (engine, adapters, _) = loaded();
    let a = engine.adapters().get(adapters[0].id).unwrap().file.clone();
    let mut empty = Engine::new(NoGpu);
    let mut open = |folder: &str, model: Option<&str>| {
        let plm = PlmSignature { model_name: model.map(str::to_owned), ..a.plm.clone() };
        let file = AdapterFile::new(folder, plm, a.config.form.clone(), a.params.clone(), None).unwrap();
        let files = mera_lab::engine::folder(&file, &serde_json::json!({}), Weights::Both).unwrap().into_iter();
        let source = |(name, bytes)| FileSource::Bytes(FileBytes { path: format!("{folder}/{name}"), bytes });
        ask(&mut empty, Open { files: files.map(source).collect() }).unwrap().adapters.remove(0)
    };
    // One that says nothing is of none in particular; the last part of a name is the model's.
    for (name, model) in [("mute", None), ("first", Some("owner/tiny")), ("same", Some("tiny"))] {
        assert_eq!(open(name, model).remarks, [] as [String; 0], "{name}");
    }
    insta::assert_snapshot!(open("other", Some("owner/small")).remarks.join("\n"), @"adapter other was trained with owner/small, first with owner/tiny; adapters that are aligned or merged are of one model");
}

#[test]
fn names_in_files_stay_in_their_line() {
    let mut engine = Engine::new(NoGpu);
    let evil = format!("evil\u{1b}[31m{}end", "z".repeat(5000));
    let data = FileBytes { path: "a\nb/rows.tsv".into(), bytes: format!("{evil}\tlabel\n1\t2\n").into() };
    let zip = archive::pack(&[("c\nd/adapter_config.json".to_owned(), b"{}".to_vec())]).unwrap();
    let zip = FileBytes { path: "all.zip".into(), bytes: zip };
    let opened = ask(&mut engine, Open { files: [data.clone(), zip].map(FileSource::Bytes).to_vec() }).unwrap();
    let is_line = |text: &str| !text.contains(char::is_control) && text.chars().count() <= 600;
    let problems: Vec<_> = opened.problems.iter().map(|problem| (problem.path.as_str(), &problem.message)).collect();
    assert_eq!(
        problems.iter().map(|(path, _)| *path).collect::<Vec<_>>(),
        ["all.zip/c\u{fffd}d/adapter_config.json", "a\u{fffd}b/rows.tsv"]
    );
    assert!(problems.iter().all(|(_, message)| is_line(message)), "{problems:?}");
    assert!(problems[1].1.ends_with("zzzend\", \"label\""), "{problems:?}");
    // So it is where a command fails.
    let columns = DataColumns { label: "label".into(), text1: evil, text2: Some("text2".into()) };
    let open = OpenData { file: FileSource::Bytes(data), columns: Some(columns) };
    let failure = Failure::from(ask(&mut engine, open).unwrap_err());
    assert!(is_line(&failure.message) && failure.message.starts_with("a\u{fffd}b/rows.tsv: "), "{failure}");
}

#[test]
fn a_plm_that_can_not_take_a_pair_is_told() {
    let mut engine = Engine::new(NoGpu);
    let read = |name: &str| std::fs::read(fixture(&format!("model/tiny/{name}"))).unwrap();
    let source = |name: &str, bytes| FileSource::Bytes(FileBytes { path: name.into(), bytes });
    let config = String::from_utf8(read("config.json")).unwrap();
    let one = config.replace(r#""type_vocab_size": 2"#, r#""type_vocab_size": 1"#);
    assert_ne!(one, config);
    let mut weights = safetensors::read(&read("model.safetensors")).unwrap();
    let table = weights.names().find(|name| name.ends_with("token_type_embeddings.weight")).unwrap().to_owned();
    weights.insert(&table, Tensor::new([1, 32], weights.get(&table).unwrap().values()[..32].to_vec()).unwrap());
    let files = vec![
        source("config.json", one.into()),
        source("tokenizer.json", read("tokenizer.json")),
        source("model.safetensors", safetensors::write(&weights).unwrap()),
    ];
    ask(&mut engine, OpenPlm { name: "tiny".into(), files }).unwrap();
    let table = |ending: &str, header: &str| {
        let text: String = (0..8).map(|row| format!("{}\tone{ending}\n", row % 2)).collect();
        format!("{header}\n{text}").into_bytes()
    };
    let files = vec![
        source("pairs.tsv", table("\tone", "label\ttext1\ttext2")),
        source("singles.tsv", table("", "label\ttext1")),
    ];
    let opened = ask(&mut engine, Open { files }).unwrap();
    let mut train = |place: usize| {
        let data = opened.data[place].id;
        let episode = EpisodeSpec { data, test: None, test_rows: None, k: 1, seed: 13, max_length: 16 };
        let settings = TrainSettings { epochs: 1, ..TrainSettings::default() };
        ask(&mut engine, Train { name: "run".into(), start: RunStart::HeadOnly, episode, settings })
    };
    insta::assert_snapshot!(train(0).unwrap_err(), @"the tokenizer gives a row's texts segments up to 1, the model's table of segments has 1 rows");
    assert!(train(1).is_ok());
}

#[test]
fn files_of_no_use_are_named() {
    let mut engine = Engine::new(NoGpu);
    let file = |path: &str| FileSource::Bytes(FileBytes { path: path.into(), bytes: b"some words".to_vec() });
    let opened = ask(&mut engine, Open { files: vec![file("a/notes.xlsx"), file("a/.DS_Store")] }).unwrap();
    assert_eq!((opened.adapters.len(), opened.data.len(), opened.problems.len()), (0, 0, 1));
    let Problem { path, message } = &opened.problems[0];
    insta::assert_snapshot!(format!("{path}: {message}"), @"a/notes.xlsx: of no use here: not a kind of file that is read here, and so is 1 other file");
}
