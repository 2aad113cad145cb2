//! What is in a heap of files: adapters, PLMs, data sets.
//!
//! Files are grouped by folder, archives unpacked first, and each group is asked what it holds. Every file ends in
//! exactly one place: in something found, among the ignored with the reason, or among the problems.

use super::adapterhub::{self, AdapterFile};
use super::archive::{self, Limits};
use super::{FormatError, NamedBytes, Problem, SourceFile, safetensors, torch};
use crate::tensors::TensorSet;
use indexmap::IndexMap;
use serde_json::Value;

/// What was found in a heap of files.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Adapters, ready to use.
    pub adapters: Vec<AdapterFile>,
    /// Pretrained language models, not parsed yet.
    pub plms: Vec<PlmFile>,
    /// Data sets, not parsed yet.
    pub data: Vec<DataFile>,
    /// Files that were not needed.
    pub ignored: Vec<Ignored>,
    /// Files that could not be used.
    pub problems: Vec<Problem>,
}

/// A file that was not needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its path.
    pub path: String,
    /// Why.
    pub reason: &'static str,
}

/// A pretrained language model as the Hub has it.
#[derive(Clone, Debug)]
pub struct PlmFile {
    /// Its folder.
    pub path: String,
    /// `config.json`.
    pub config: Vec<u8>,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// The file with the weights, [`PLM_SAFETENSORS`] or [`PLM_PICKLE`].
    pub weights_name: &'static str,
    /// That file's bytes.
    pub weights: Vec<u8>,
}

impl PlmFile {
    /// Reads the weights, under the names that the file gives them.
    ///
    /// # Errors
    /// Those of [`safetensors::read`] and [`torch::read`].
    pub fn tensors(&self) -> Result<TensorSet, FormatError> {
        if self.weights_name == PLM_PICKLE { torch::read(&self.weights) } else { safetensors::read(&self.weights) }
    }
}

/// A data set.
#[derive(Clone, Debug)]
pub struct DataFile {
    /// Its path.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A PLM's weights in safetensors.
pub const PLM_SAFETENSORS: &str = "model.safetensors";
/// A PLM's weights as torch wrote them.
pub const PLM_PICKLE: &str = "pytorch_model.bin";
const PLM_CONFIG: &str = "config.json";
const PLM_TOKENIZER: &str = "tokenizer.json";

/// Finds what `files` hold. Of those that belong to no adapter and no PLM, the ones whose name `is_data` says so are data
/// sets: what their rows look like is another room's.
///
/// Paths may use `/` or `\`; a file without a folder belongs to the folder `""`.
#[must_use]
pub fn detect(files: Vec<NamedBytes>, is_data: fn(&str) -> bool) -> Found {
    let mut found = Found::default();
    let mut groups: IndexMap<String, Group> = IndexMap::new();
    for (path, bytes) in flatten(files, &mut found) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let (folder, name) = (folder.to_owned(), name.to_owned());
        groups.entry(folder).or_default().entry(name).or_default().push(bytes);
    }
    for (folder, group) in groups {
        Sorter { folder, found: &mut found, group, is_data }.run();
    }
    found
}

/// What a file is when its place alone tells that nobody wants it.
pub(super) fn litter(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if path.split('/').any(|part| part == "__MACOSX") || name.starts_with("._") {
        Some("a copy of file attributes that macOS leaves in archives")
    } else if name.ends_with(".backup") || name.ends_with('~') {
        Some("a backup copy")
    } else if name.starts_with('.')
        // Folders of tools, in what was handed in; one above all of it is the person's own choice.
        || path.split('/').any(|part| [".git", ".cache", ".ipynb_checkpoints"].contains(&part))
        || name.eq_ignore_ascii_case("thumbs.db")
        || name == "desktop.ini"
    {
        Some("a hidden file")
    } else {
        None
    }
}

/// Bytes of the folders that all paths have in common: what was handed in lies there.
fn shared_folders(files: &[NamedBytes]) -> usize {
    let folders = |path: &str| path.replace('\\', "/").trim_start_matches("./").trim_start_matches('/').to_owned();
    let mut paths = files.iter().map(|(path, _)| folders(path));
    let Some(first) = paths.next() else { return 0 };
    let ends = first.match_indices('/').map(|(at, _)| at + 1);
    let rest: Vec<String> = paths.collect();
    let is_shared = |end: &usize| rest.iter().all(|path| path.starts_with(&first[..*end]));
    ends.take_while(is_shared).last().unwrap_or(0)
}

/// Files of a folder by name. More than one of a name come from files dropped without their folders.
type Group = IndexMap<String, Vec<Vec<u8>>>;

/// Clean paths, litter apart, archives unpacked.
fn flatten(files: Vec<NamedBytes>, found: &mut Found) -> Vec<NamedBytes> {
    let mut flat = Vec::new();
    let above = shared_folders(&files);
    for (path, bytes) in files {
        let path = path.replace('\\', "/");
        let path = path.trim_start_matches("./").trim_start_matches('/').to_owned();
        if let Some(reason) = litter(path.get(above..).unwrap_or(&path)) {
            found.ignored.push(Ignored { path, reason });
        } else if is_zip(&path) {
            match archive::unpack(&path, &bytes, Limits::default()) {
                Ok(unpacked) => {
                    if unpacked.files.is_empty() && unpacked.ignored.is_empty() && unpacked.problems.is_empty() {
                        found.ignored.push(Ignored { path, reason: "an archive without files" });
                    }
                    found.ignored.extend(unpacked.ignored);
                    found.problems.extend(unpacked.problems);
                    for (inner, bytes) in unpacked.files {
                        if is_zip(&inner) {
                            found.problems.push(Problem::new(inner, FormatError::NestedZip));
                        } else {
                            flat.push((inner, bytes));
                        }
                    }
                }
                Err(error) => found.problems.push(Problem::new(path, error)),
            }
        } else {
            flat.push((path, bytes));
        }
    }
    flat
}

fn is_zip(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("zip"))
}

/// Sorts one folder's files.
struct Sorter<'a> {
    folder: String,
    found: &'a mut Found,
    group: Group,
    is_data: fn(&str) -> bool,
}

impl Sorter<'_> {
    fn run(mut self) {
        self.refuse_duplicates();
        self.adapter();
        self.plm();
        self.rest();
    }

    fn path(&self, name: &str) -> String {
        join(&self.folder, name)
    }

    fn has(&self, name: &str) -> bool {
        self.group.contains_key(name)
    }

    /// Takes the file called `name` out.
    fn take(&mut self, name: &str) -> Option<Vec<u8>> {
        self.group.shift_remove(name)?.pop()
    }

    fn problem(&mut self, name: &str, error: FormatError) {
        let path = self.path(name);
        self.found.problems.push(Problem::new(path, error));
    }

    fn ignore(&mut self, name: &str, reason: &'static str) {
        let path = self.path(name);
        self.found.ignored.push(Ignored { path, reason });
    }

    /// Two files of one name can not be told apart, nor their companions.
    fn refuse_duplicates(&mut self) {
        let names: Vec<String> =
            self.group.iter().filter(|(_, files)| files.len() > 1).map(|(name, _)| name.clone()).collect();
        for name in names {
            let count = self.group.shift_remove(&name).map_or(0, |files| files.len());
            self.problem(&name, FormatError::Duplicate { count });
        }
    }

    fn adapter(&mut self) {
        let names = adapterhub::ADAPTER_FILES.into_iter().chain(adapterhub::PEFT_FILES);
        let files: Vec<(&'static str, Vec<u8>)> = names.filter_map(|name| Some((name, self.take(name)?))).collect();
        if files.is_empty() {
            return;
        }
        let borrowed: Vec<(&'static str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
        let (told, reason): (Vec<String>, _) = match adapterhub::read(&self.folder, &borrowed) {
            Ok(adapter) => {
                let used = adapter.files.iter().map(|file| &file.path);
                let told = used.chain(adapter.problems.iter().map(|problem| &problem.path)).cloned().collect();
                self.found.adapters.push(adapter);
                (told, "not needed beside the adapter's other files")
            }
            Err(problem) => {
                let told = vec![problem.path.clone()];
                self.found.problems.push(problem);
                (told, "belongs to an adapter that can not be used")
            }
        };
        for (name, _) in &files {
            if !told.contains(&self.path(name)) {
                self.ignore(name, reason);
            }
        }
    }

    fn plm(&mut self) {
        // Many tools call something config.json; that of a PLM says which family it is.
        let config = self.group.get(PLM_CONFIG).and_then(|files| files.first()).map(|bytes| names_a_family(bytes));
        let weights_name = [PLM_SAFETENSORS, PLM_PICKLE].into_iter().find(|name| self.has(name));
        match (config, weights_name, self.has(PLM_TOKENIZER)) {
            (Some(Ok(())), Some(weights_name), true) => {
                let taken = (self.take(PLM_CONFIG), self.take(PLM_TOKENIZER), self.take(weights_name));
                if let (Some(config), Some(tokenizer), Some(weights)) = taken {
                    let path = self.folder.clone();
                    self.found.plms.push(PlmFile { path, config, tokenizer, weights_name, weights });
                }
                if self.take(PLM_PICKLE).is_some() {
                    self.ignore(PLM_PICKLE, "the same weights are read from model.safetensors");
                }
            }
            (None | Some(Err(_)), None, false) => {}
            // Beside weights or a tokenizer it can't be another tool's.
            (Some(Err(error)), ..) => {
                self.take(PLM_CONFIG);
                self.problem(PLM_CONFIG, error);
                for part in [PLM_SAFETENSORS, PLM_PICKLE, PLM_TOKENIZER] {
                    if self.take(part).is_some() {
                        self.ignore(part, "belongs to a PLM that can not be used");
                    }
                }
            }
            (config, weights, tokenizer) => {
                let missing = [
                    (config.is_some(), PLM_CONFIG),
                    (weights.is_some(), "model.safetensors or pytorch_model.bin"),
                    (tokenizer, PLM_TOKENIZER),
                ];
                let missing = missing.into_iter().find(|(there, _)| !there).map_or("", |(_, name)| name);
                let mut parts = [PLM_SAFETENSORS, PLM_PICKLE, PLM_TOKENIZER, PLM_CONFIG]
                    .into_iter()
                    .filter(|&name| self.has(name))
                    .collect::<Vec<_>>()
                    .into_iter();
                if let Some(first) = parts.next() {
                    self.take(first);
                    self.problem(first, FormatError::MissingFile { file: missing });
                }
                for part in parts {
                    self.take(part);
                    self.ignore(part, "belongs to a PLM that lacks a file");
                }
            }
        }
    }

    fn rest(mut self) {
        for (name, files) in std::mem::take(&mut self.group) {
            if (self.is_data)(&name) {
                let path = self.path(&name);
                self.found.data.extend(files.into_iter().map(|bytes| DataFile { path: path.clone(), bytes }));
            } else if adapterhub::FUSION_FILES.contains(&&*name) {
                self.problem(&name, FormatError::Fusion);
            } else {
                self.ignore(&name, needless(&name));
            }
        }
    }
}

/// Why a file of no known role is not needed.
fn needless(name: &str) -> &'static str {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    match &*stem {
        "readme" | "license" | "licence" | "notice" | "model_card" | "changelog" => "documentation",
        "vocab" | "merges" | "special_tokens_map" | "tokenizer_config" | "added_tokens" | "sentencepiece" => {
            "the tokenizer is read from tokenizer.json"
        }
        "recipe" => "a record of how an adapter was merged",
        _ => "not a kind of file that is read here",
    }
}

/// That `config` is a PLM's: JSON that says which family it is of.
fn names_a_family(config: &[u8]) -> Result<(), FormatError> {
    const FAMILY: &str = "model_type";
    let config: Value =
        serde_json::from_slice(config).map_err(|error| FormatError::Json { reason: error.to_string() })?;
    match config.get(FAMILY) {
        Some(Value::String(_)) => Ok(()),
        Some(other) => {
            Err(FormatError::Field { field: FAMILY.to_owned(), expected: "a text", found: other.to_string() })
        }
        None => Err(FormatError::MissingField { field: FAMILY }),
    }
}

/// `folder/name`, or `name` where there is no folder.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

impl DataFile {
    /// Path and hash, for a record of what was used.
    #[must_use]
    pub fn source(&self) -> SourceFile {
        SourceFile::of(&self.path, &self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{FOLDERS, dropped, fixture};
    use super::*;
    use crate::text::DataFormat;
    use insta::assert_snapshot;
    use proptest::prelude::*;

    fn detect(files: Vec<NamedBytes>) -> Found {
        super::detect(files, |name| DataFormat::by_name(name).is_some())
    }

    /// Every path that `found` tells of.
    fn told(found: &Found) -> Vec<String> {
        let adapters = found.adapters.iter().flat_map(|adapter| {
            let problems = adapter.problems.iter().map(|problem| problem.path.clone());
            adapter.files.iter().map(|file| file.path.clone()).chain(problems)
        });
        let plms = found
            .plms
            .iter()
            .flat_map(|plm| [PLM_CONFIG, PLM_TOKENIZER, plm.weights_name].map(|name| join(&plm.path, name)));
        let data = found.data.iter().map(|data| data.path.clone());
        let ignored = found.ignored.iter().map(|ignored| ignored.path.clone());
        let problems = found.problems.iter().map(|problem| problem.path.clone());
        let mut told: Vec<String> = adapters.chain(plms).chain(data).chain(ignored).chain(problems).collect();
        told.sort();
        told
    }

    fn file(path: &str, bytes: &[u8]) -> NamedBytes {
        (path.to_owned(), bytes.to_vec())
    }

    /// A PLM's three files; only their places matter here.
    fn plm(folder: &str) -> Vec<NamedBytes> {
        vec![
            file(&join(folder, "config.json"), br#"{"model_type": "bert"}"#),
            file(&join(folder, "model.safetensors"), b""),
            file(&join(folder, "tokenizer.json"), b"{}"),
        ]
    }

    #[test]
    fn a_heap_of_everything_is_sorted_and_every_file_is_told_of_once() {
        let mut heap: Vec<NamedBytes> = FOLDERS.iter().flat_map(|(folder, _)| dropped(folder)).collect();
        heap.extend(plm("models/minilm"));
        heap.extend([
            file("models/minilm/vocab.txt", b""),
            file("models/minilm/1_Pooling/config.json", b"{}"),
            file("models/minilm/pytorch_model.bin", b""),
            file("data\\cr\\train.tsv", b"label\ttext1\n"),
            file("./rows.JSONL", b""),
            file("rows.csv", b""),
            file("rows.tab", b""),
            file("rows.ndjson", b""),
            file("rows.txt", b""),
            file("README.md", b""),
            file(".git/HEAD", b""),
            file("half/pytorch_adapter.bin", b""),
            file("fusion/adapter_fusion_config.json", b"{}"),
            file("broken/tokenizer.json", b"{}"),
            file("broken/model.safetensors", b""),
            file("hidden/._pytorch_adapter.bin", b""),
        ]);
        let mut paths: Vec<String> =
            heap.iter().map(|(path, _)| path.replace('\\', "/").trim_start_matches("./").to_owned()).collect();
        paths.sort();
        let found = detect(heap);
        assert_eq!(told(&found), paths);

        let names: Vec<&str> = found.adapters.iter().map(|adapter| &*adapter.name).collect();
        assert_eq!(
            names,
            ["two_layer", "two_layer", "one_layer", "one_layer", "linear_head", "houlsby", "per_layer", "bare"]
        );
        assert_eq!(found.plms.len(), 1);
        let data: Vec<&str> = found.data.iter().map(|data| &*data.path).collect();
        assert_eq!(data, ["data/cr/train.tsv", "rows.JSONL", "rows.csv", "rows.tab", "rows.ndjson"]);
        let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        assert_snapshot!(problems.join("\n"), @r#"
lora/adapter_config.json: this adapter is LoRA; supported are bottleneck adapters of the kind seq_bn (pfeiffer)
parallel/adapter_config.json: this adapter is a parallel bottleneck adapter (par_bn); supported are bottleneck adapters of the kind seq_bn (pfeiffer)
hostile/nan/adapter.safetensors: tensor bert.encoder.layer.1.output.adapters.two_layer.adapter_up.weight holds NaN at element 14
hostile/wrong_width/adapter.safetensors: tensor bert.encoder.layer.0.output.adapters.two_layer.adapter_down.0.weight has shape [4, 32], expected [8, 64] (hidden_size 64, bottleneck 8 by reduction_factor)
hostile/missing_layer/adapter.safetensors: tensor bert.encoder.layer.0.output.adapters.two_layer.adapter_down.0.weight is missing
hostile/peft/adapter_config.json: this is an adapter of the peft library (peft_type LORA); supported are bottleneck adapters of the kind seq_bn (pfeiffer)
half/pytorch_adapter.bin: adapter_config.json is missing beside it
fusion/adapter_fusion_config.json: this is an AdapterFusion layer, which is not read; the adapters it fuses are
broken/model.safetensors: config.json is missing beside it
"#);
        let ignored: Vec<String> = found.ignored.iter().map(|i| format!("{}: {}", i.path, i.reason)).collect();
        assert_snapshot!(ignored.join("\n"), @r#"
.git/HEAD: a hidden file
hidden/._pytorch_adapter.bin: a copy of file attributes that macOS leaves in archives
lora/pytorch_adapter.bin: belongs to an adapter that can not be used
parallel/adapter.safetensors: belongs to an adapter that can not be used
hostile/nan/adapter_config.json: belongs to an adapter that can not be used
hostile/wrong_width/adapter_config.json: belongs to an adapter that can not be used
hostile/missing_layer/adapter_config.json: belongs to an adapter that can not be used
hostile/peft/adapter_model.safetensors: belongs to an adapter that can not be used
models/minilm/pytorch_model.bin: the same weights are read from model.safetensors
models/minilm/vocab.txt: the tokenizer is read from tokenizer.json
models/minilm/1_Pooling/config.json: not a kind of file that is read here
rows.txt: not a kind of file that is read here
README.md: documentation
broken/tokenizer.json: belongs to a PLM that lacks a file
"#);
    }

    #[test]
    fn a_plm_whose_configuration_can_not_be_used_is_told_of_by_it() {
        let told_of = |config: &[u8]| {
            let mut files = plm("m");
            files[0].1 = config.to_vec();
            let found = detect(files.clone());
            let paths: Vec<String> = files.into_iter().map(|(path, _)| path).collect();
            assert_eq!((told(&found), found.plms.len(), found.problems.len()), (paths, 0, 1));
            found.problems[0].to_string()
        };
        assert_snapshot!(told_of(b""), @"m/config.json: this is not valid JSON: EOF while parsing a value at line 1 column 0");
        assert_snapshot!(told_of(br#"{"model_type": "be"#), @"m/config.json: this is not valid JSON: EOF while parsing a string at line 1 column 18");
        assert_snapshot!(told_of(b"{}"), @"m/config.json: the field model_type is missing");
        assert_snapshot!(told_of(br#"{"model_type": 5}"#), @"m/config.json: the field model_type is 5, expected a text");
        // By itself it is another tool's.
        let alone = detect(vec![file("1_Pooling/config.json", b"")]);
        assert_eq!((alone.problems.len(), alone.ignored.len()), (0, 1));
    }

    #[test]
    fn loose_files_make_an_adapter_and_a_plm() {
        let loose = |name: &str| name.rsplit('/').next().unwrap().to_owned();
        let mut files: Vec<NamedBytes> =
            dropped("two_layer_bin").into_iter().map(|(path, bytes)| (loose(&path), bytes)).collect();
        files.extend(plm(""));
        let found = detect(files);
        assert_eq!((found.adapters.len(), found.plms.len(), &found.problems[..]), (1, 1, &[][..]));
        assert_eq!(found.adapters[0].path, "");
    }

    #[test]
    fn loose_files_of_two_adapters_are_not_mixed_up() {
        let loose = |folder: &str| {
            dropped(folder).into_iter().map(|(path, bytes)| (path.rsplit('/').next().unwrap().to_owned(), bytes))
        };
        let found = detect(loose("two_layer_bin").chain(loose("one_layer_bin")).collect());
        assert!(found.adapters.is_empty());
        assert_snapshot!(found.problems[0], @"adapter_config.json: there are 2 files of this name; keep each adapter in a folder of its own");
    }

    #[test]
    fn archives_are_opened_once() {
        let mut files = dropped("two_layer_bin");
        files.push(("__MACOSX/two_layer_bin/._head_config.json".to_owned(), vec![0]));
        let inner = archive::pack(&dropped("one_layer_bin")).unwrap();
        files.push(("inner.zip".to_owned(), inner));
        let found = detect(vec![("All.ZIP".to_owned(), archive::pack(&files).unwrap())]);
        assert_eq!(found.adapters.len(), 1);
        assert_eq!(found.adapters[0].path, "All.ZIP/two_layer_bin");
        assert_eq!(found.ignored.len(), 1);
        assert_snapshot!(found.problems[0], @"All.ZIP/inner.zip: a zip archive inside a zip archive is not opened");
    }

    #[test]
    fn an_archive_without_files_is_told_of() {
        let found = detect(vec![("empty.zip".to_owned(), archive::pack(&[]).unwrap())]);
        assert_eq!((told(&found), found.ignored.len()), (vec!["empty.zip".to_owned()], 1));
    }

    #[test]
    fn hostile_archives_cost_only_themselves() {
        let mut files = vec![
            file("bomb.zip", fixture!("hostile/bomb.zip")),
            file("truncated.zip", fixture!("hostile/truncated.zip")),
        ];
        files.extend(dropped("two_layer_bin"));
        let found = detect(files);
        assert_eq!((found.adapters.len(), found.problems.len()), (1, 2));
    }

    #[test]
    fn a_hostile_pickle_is_named_with_its_file() {
        let mut files = dropped("two_layer_bin");
        files[1].1 = fixture!("hostile/os_system.bin").to_vec();
        assert_snapshot!(detect(files).problems[0], @"two_layer_bin/pytorch_adapter.bin: the pickle asks for posix.system, which weights never need; nothing was run");
    }

    #[test]
    fn a_plm_s_weights_are_read_from_either_file() {
        let tensors = |name: &str, bytes: &[u8]| {
            let mut files = plm("m");
            files[1] = file(&format!("m/{name}"), bytes);
            detect(files).plms[0].tensors()
        };
        let safe = tensors(PLM_SAFETENSORS, fixture!("views.safetensors")).unwrap();
        let pickle = tensors(PLM_PICKLE, fixture!("views.bin")).unwrap();
        assert_eq!(safe.len(), pickle.len());
        assert!(tensors(PLM_SAFETENSORS, b"").is_err());
    }

    /// A folder or loose archive, as bytes that may then be damaged.
    fn any_files() -> impl Strategy<Value = Vec<NamedBytes>> {
        let folder = (0..FOLDERS.len()).prop_map(|index| dropped(FOLDERS[index].0));
        let packed = (0..FOLDERS.len())
            .prop_map(|index| vec![("packed.zip".to_owned(), archive::pack(&dropped(FOLDERS[index].0)).unwrap())]);
        let hostile = Just(vec![
            file("a/adapter_config.json", fixture!("two_layer_bin/adapter_config.json")),
            file("a/pytorch_adapter.bin", fixture!("views.bin")),
            file("b.zip", fixture!("hostile/traversal.zip")),
        ]);
        prop_oneof![folder, packed, hostile]
    }

    #[derive(Clone, Debug)]
    enum Damage {
        Set(prop::sample::Index, u8),
        Cut(prop::sample::Index),
        Insert(prop::sample::Index, Vec<u8>),
        Integer(prop::sample::Index, u64),
    }

    fn any_damage() -> impl Strategy<Value = Damage> {
        let index = any::<prop::sample::Index>;
        prop_oneof![
            4 => (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
            1 => index().prop_map(Damage::Cut),
            2 => (index(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, b)| Damage::Insert(at, b)),
            2 => (index(), prop_oneof![Just(u64::MAX), Just(1 << 31), Just(1 << 40), any::<u64>()])
                .prop_map(|(at, value)| Damage::Integer(at, value)),
        ]
    }

    fn damage(bytes: &mut Vec<u8>, damage: &Damage) {
        let at = |index: &prop::sample::Index| index.index(bytes.len().max(1));
        match damage {
            Damage::Set(index, byte) => {
                let at = at(index);
                if let Some(old) = bytes.get_mut(at) {
                    *old = *byte;
                }
            }
            Damage::Cut(index) => bytes.truncate(at(index)),
            Damage::Insert(index, new) => {
                let at = at(index).min(bytes.len());
                drop(bytes.splice(at..at, new.iter().copied()));
            }
            Damage::Integer(index, value) => {
                let at = at(index);
                if let Some(old) = bytes.get_mut(at..at + 8) {
                    old.copy_from_slice(&value.to_le_bytes());
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn damaged_files_are_told_of_and_nothing_panics(
            mut files in any_files(),
            damages in prop::collection::vec((any::<prop::sample::Index>(), any_damage()), 1..4),
        ) {
            for (file, change) in &damages {
                let file = file.index(files.len());
                damage(&mut files[file].1, change);
            }
            let mut given: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
            given.sort();
            let found = detect(files);
            let mut told = told(&found);
            // An archive is told of by what was in it, where it can be opened.
            for archive in given.iter().filter(|path| is_zip(path)) {
                let within = format!("{archive}/");
                let inside = |path: &String| path == archive || path.starts_with(&within);
                prop_assert!(told.iter().any(inside), "{archive} is not among {told:?}");
                told.retain(|path| !inside(path));
            }
            given.retain(|path| !is_zip(path));
            prop_assert_eq!(told, given);
            for adapter in &found.adapters {
                prop_assert!(super::super::check_finite(&adapter.params).is_ok());
            }
        }
    }
}
