//! Sorts dropped files: a pretrained model among them is opened as such, everything else goes to the engine as it is.

use super::laboratory::bundle::path_of;
use crate::protocol::{DATA_ENDINGS, DataCard, FileBytes, FileSource, PLM_FILES, Problem};

/// Dropped files, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// The files of a pretrained model, and its name.
    pub plm: Option<(String, Vec<FileBytes>)>,
    /// Adapters, archives, data: the engine finds out.
    pub rest: Vec<FileBytes>,
    /// What can't be used, seen from the names alone.
    pub problems: Vec<Problem>,
}

/// Sorts files by the folder they are in: one with `tokenizer.json` and `model.safetensors` is a model.
#[must_use]
pub fn sort(files: Vec<FileBytes>) -> Intake {
    let mut intake = Intake::default();
    let has = |folder: &str, name: &str| files.iter().any(|file| split(&file.path) == (folder, name));
    let mut homes: Vec<String> = files
        .iter()
        .map(|file| split(&file.path))
        .filter(|(folder, name)| *name == "tokenizer.json" && has(folder, "model.safetensors"))
        .map(|(folder, _)| folder.to_owned())
        .collect();
    homes.dedup();
    let home = homes.first().cloned();
    for other in homes.iter().skip(1) {
        intake.problems.push(Problem {
            path: other.clone(),
            message: format!("a second model; {} was taken, so drop this one by itself", shown(home.as_deref())),
        });
    }
    let mut model = Vec::new();
    for file in files {
        let (folder, name) = split(&file.path);
        if homes.iter().skip(1).any(|other| other == folder) {
            continue;
        }
        let of_model = PLM_FILES.contains(&name);
        if home.as_deref() == Some(folder) && of_model {
            model.push(FileBytes { path: name.to_owned(), bytes: file.bytes });
        } else if home.as_deref() != Some(folder) || is_of_interest(name) {
            intake.rest.push(file);
        }
    }
    if let Some(home) = home {
        let name = home.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("own model");
        intake.plm = Some((name.to_owned(), model));
    }
    intake
}

/// The file among `files` that a data set was read from; `None` where that was an archive or a repository, or several
/// files are called so.
#[must_use]
pub fn data_file<'a>(files: &'a [FileSource], card: &DataCard) -> Option<&'a FileSource> {
    let mut found = files.iter().filter(|file| path_of(file) == card.path);
    found.next().filter(|_| found.next().is_none())
}

fn is_data(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    DATA_ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// Beside a model lie files that nobody needs here; an adapter or a data set among them is wanted.
fn is_of_interest(name: &str) -> bool {
    is_data(name) || name.ends_with(".zip") || name.contains("adapter") || name.contains("head")
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn shown(folder: Option<&str>) -> String {
    folder.filter(|folder| !folder.is_empty()).map_or_else(|| "the loose files".into(), |folder| format!("`{folder}`"))
}

/// The ending that a pasted table should have: `{` begins JSON lines, a tab in the first line tells TSV from CSV.
#[must_use]
pub fn pasted_kind(text: &str) -> &'static str {
    match text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default() {
        line if line.trim_start().starts_with('{') => "jsonl",
        line if line.contains('\t') => "tsv",
        _ => "csv",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Vec<FileBytes> {
        paths.iter().map(|path| FileBytes { path: (*path).into(), bytes: vec![] }).collect()
    }

    fn paths(files: &[FileBytes]) -> Vec<&str> {
        files.iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn a_model_folder_is_a_model() {
        let intake = sort(files(&[
            "minilm/config.json",
            "minilm/tokenizer.json",
            "minilm/model.safetensors",
            "minilm/README.md",
            "sst2/adapter_config.json",
        ]));
        let (name, model) = intake.plm.unwrap();
        assert_eq!(name, "minilm");
        assert_eq!(paths(&model), ["config.json", "tokenizer.json", "model.safetensors"]);
        assert_eq!(paths(&intake.rest), ["sst2/adapter_config.json"]);
    }

    #[test]
    fn adapters_alone_go_to_the_engine_untouched() {
        let intake = sort(files(&["a/adapter_config.json", "a/adapter.safetensors", "train.tsv", "b.zip"]));
        assert_eq!(intake.plm, None);
        assert_eq!(intake.rest.len(), 4);
    }

    #[test]
    fn a_second_model_is_named() {
        let intake =
            sort(files(&["a/tokenizer.json", "a/model.safetensors", "b/tokenizer.json", "b/model.safetensors"]));
        insta::assert_snapshot!(intake.problems[0].message, @"a second model; `a` was taken, so drop this one by itself");
        assert!(intake.rest.is_empty());
    }

    #[test]
    fn data_are_known_by_their_ending() {
        let beside = ["m/tokenizer.json", "m/model.safetensors", "m/vocab.txt", "m/rows.ndjson", "m/ROWS.TSV"];
        assert_eq!(paths(&sort(files(&beside)).rest), ["m/rows.ndjson", "m/ROWS.TSV"]);
    }

    #[test]
    fn a_data_set_is_of_the_file_that_it_was_read_from() {
        use super::super::choices::tests::data;
        let files = ["cr/train.tsv", "mr/train.tsv", "twice.tsv", "twice.tsv"]
            .map(|path| FileSource::Url { path: path.into(), url: String::new() });
        let file = |name: &str, path: &str| {
            let found = data_file(&files, &DataCard { path: path.into(), ..data(0, name) })?;
            files.iter().position(|file| std::ptr::eq(file, found))
        };
        assert_eq!([file("train", "cr/train.tsv"), file("train_2", "mr/train.tsv")], [Some(0), Some(1)]);
        assert_eq!([file("train", "all.zip/cr/train.tsv"), file("twice", "twice.tsv")], [None; 2]);
    }

    #[test]
    fn a_pasted_table_tells_its_kind() {
        let kinds = ["label\ttext1\na\tb", "\nlabel,text1\n", " {\"label\": 1}", ""].map(pasted_kind);
        assert_eq!(kinds, ["tsv", "csv", "jsonl", "csv"]);
    }
}
