//! An experiment file with the files that it names, wherever they come from: the sample, a drop, the Lab.

use crate::protocol::*;
use crate::ui::state::hub;
use crate::viz::sort_by;
use std::sync::Arc;

/// Where the models are that are served with the page, relative to it.
const MODELS: &str = "models";

/// An experiment file with its files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bundle {
    /// What it is called: the file's name without extension; its folder's where it is just `experiment.toml`.
    pub name: String,
    /// The file.
    pub toml: String,
    /// What it names, by paths from its folder. Shared, for the page hands experiments around.
    pub files: Arc<Vec<FileSource>>,
    /// Records that came with it, as lines of `records.jsonl`.
    pub records: Vec<String>,
}

impl Bundle {
    /// Takes the experiment out of what was dropped: the file with extension `toml` that lies nearest to the top, and
    /// all others beside it. `None` where there is none.
    ///
    /// # Errors
    /// One line, when the file is no text.
    pub fn from_files(files: Vec<FileBytes>) -> Option<Result<Self, String>> {
        let depth = |file: &FileBytes| file.path.matches('/').count();
        let tomls = files.iter().filter(|file| file.path.ends_with(".toml"));
        let path = tomls.min_by_key(|file| (depth(file), file.path.clone()))?.path.clone();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let name = match name {
            "experiment.toml" if !folder.is_empty() => last(folder),
            name => name.trim_end_matches(".toml"),
        };
        let mut bundle = Bundle { name: name.to_owned(), ..Bundle::default() };
        let mut beside = Vec::new();
        for file in files {
            let inside = match folder {
                "" => None,
                folder => file.path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')),
            };
            let inside = inside.unwrap_or(&file.path).to_owned();
            if file.path == path {
                match String::from_utf8(file.bytes) {
                    Ok(text) => bundle.toml = text,
                    Err(_) => return Some(Err(format!("{path}: it is not UTF-8"))),
                }
            } else if inside.rsplit('/').next() == Some("records.jsonl") {
                // Whether a last line without its end was cut off or is whole, the engine finds out.
                let text = String::from_utf8_lossy(&file.bytes);
                let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
                bundle.records.extend(lines.map(str::to_owned));
            } else {
                beside.push(FileSource::Bytes(FileBytes { path: inside, bytes: file.bytes }));
            }
        }
        bundle.files = Arc::new(beside);
        Some(Ok(bundle))
    }

    /// What opens the PLM number `plm` of `sheet`: its files where they are there; those served with the page, where one
    /// of `served` has its folder's name; the repository of the hub, where it is named as one.
    ///
    /// # Errors
    /// One line, when the sheet has no such PLM, or only some of its files are there.
    pub fn open_plm(&self, sheet: &ExperimentSheet, plm: usize, served: &[String]) -> Result<OpenPlm, String> {
        let folder = sheet.plms.get(plm).ok_or("plm: the experiment names no PLM")?;
        let name = last(folder).to_owned();
        let own = self.plm_files(folder);
        if !own.is_empty() {
            let is_there = |wanted: &&&str| own.iter().any(|file| path_of(file) == **wanted);
            return match PLM_FILES.iter().find(|wanted| !is_there(wanted)) {
                Some(missing) => Err([folder, ": ", missing, " is missing"].concat()),
                None => Ok(OpenPlm { name, files: own }),
            };
        }
        if let Some(repository) = on_hub(folder, served) {
            return Ok(OpenPlm { name, files: vec![repository] });
        }
        let files = PLM_FILES.iter();
        let files = files
            .map(|file| FileSource::Url { path: (*file).into(), url: format!("{MODELS}/{name}/{file}") })
            .collect();
        Ok(OpenPlm { name, files })
    }

    /// The files of the PLM in `folder`, as far as they are there.
    fn plm_files(&self, folder: &str) -> Vec<FileSource> {
        let files = self.under(folder).into_iter().map(|file| renamed(file, last(path_of(file))));
        files.filter(|file| PLM_FILES.contains(&path_of(file))).collect()
    }

    /// The files of adapter number `adapter` for the PLM number `plm`.
    ///
    /// # Errors
    /// One line, when they are not there.
    pub fn adapter(&self, sheet: &ExperimentSheet, adapter: usize, plm: usize) -> Result<Vec<&FileSource>, String> {
        let entry = sheet.adapters.get(adapter).ok_or("adapters: there is no such adapter")?;
        let folder = sheet.plms.get(plm).map_or("", |folder| last(folder));
        let path = entry.path.replace("{plm}", folder);
        let found = self.find(&path);
        let others = sheet.adapters.iter().filter(|other| other.path != entry.path).map(|other| &other.path);
        if let Some(other) = self.clash(&path, others) {
            let both = last(&path);
            return Err(format!("adapter {}: {path} and {other} would both be {both}; drop their folders", entry.name));
        }
        match found.is_empty() {
            true => {
                Err(format!("adapter {}: nothing is called {path}; drop it together with the experiment", entry.name))
            }
            false => Ok(found),
        }
    }

    /// The data files of target number `target`: train, and test where it has one.
    ///
    /// # Errors
    /// One line, when they are not there.
    pub fn target(&self, sheet: &ExperimentSheet, target: usize) -> Result<(&FileSource, Option<&FileSource>), String> {
        let entry = sheet.targets.get(target).ok_or("targets: there is no such target")?;
        let file = |path: &str| {
            let named = sheet.targets.iter().flat_map(|target| [&target.train, &target.test]);
            if let Some(other) = self.clash(path, named) {
                let both = last(path);
                return Err(format!(
                    "target {}: {path} and {other} would both be {both}; drop their folders",
                    entry.name
                ));
            }
            match self.find(path).as_slice() {
                [file] => Ok(*file),
                [] => Err(format!(
                    "target {}: no file is called {path}; drop it together with the experiment",
                    entry.name
                )),
                several => Err(format!("target {}: {} files are called {path}", entry.name, several.len())),
            }
        };
        let test = (!entry.test.is_empty()).then(|| file(&entry.test)).transpose()?;
        Ok((file(&entry.train)?, test))
    }

    /// What `sheet` names and is not there, a line each.
    #[must_use]
    pub fn missing(&self, sheet: &ExperimentSheet) -> Vec<String> {
        let plms = 0..sheet.plms.len().max(1);
        let adapters = (0..sheet.adapters.len())
            .flat_map(|adapter| plms.clone().filter_map(move |plm| self.adapter(sheet, adapter, plm).err()));
        let targets = (0..sheet.targets.len()).filter_map(|target| self.target(sheet, target).err());
        let mut lines: Vec<String> = adapters.chain(targets).collect();
        sort_by(&mut lines, String::cmp);
        lines.dedup();
        lines
    }

    /// The experiment as a folder of its own: the sheet with the paths there, and the files with them. PLMs are not
    /// among them: the sheet looks for them in `models/`, but for those of the hub.
    ///
    /// # Errors
    /// One line, when something is missing.
    pub fn packed(
        &self,
        sheet: &ExperimentSheet,
        served: &[String],
    ) -> Result<(ExperimentSheet, Vec<FileSource>), String> {
        let (mut packed, mut files) = (sheet.clone(), Vec::new());
        for folder in &mut packed.plms {
            if !self.plm_files(folder).is_empty() || on_hub(folder, served).is_none() {
                *folder = format!("{MODELS}/{}", last(folder));
            }
        }
        for (number, entry) in packed.adapters.iter_mut().enumerate() {
            let by_plm = entry.path.contains("{plm}");
            let own = cleaned(&entry.name);
            // An archive goes into a folder of its own as it is: a folder may hold one in the place of loose files.
            for (plm, folder) in sheet.plms.iter().enumerate().take(if by_plm { usize::MAX } else { 1 }) {
                let into = if by_plm { format!("adapters/{}/{own}", last(folder)) } else { format!("adapters/{own}") };
                let found = self.adapter(sheet, number, plm)?;
                files.extend(found.iter().map(|file| renamed(file, &format!("{into}/{}", last(path_of(file))))));
            }
            entry.path = format!("adapters/{}{own}", if by_plm { "{plm}/" } else { "" });
        }
        for (number, entry) in packed.targets.iter_mut().enumerate() {
            let (train, test) = self.target(sheet, number)?;
            let own = cleaned(&entry.name);
            let mut put = |file: &FileSource, part: &str| {
                let path = format!("data/{own}/{part}.{}", last(path_of(file)).rsplit('.').next().unwrap_or("tsv"));
                files.push(renamed(file, &path));
                path
            };
            entry.train = put(train, "train");
            if let Some(test) = test {
                entry.test = put(test, "test");
            }
        }
        Ok((packed, files))
    }

    /// The file of that path, or those of the folder; where there is none, what is called so by its last part, for what
    /// was dropped piece by piece.
    fn find(&self, path: &str) -> Vec<&FileSource> {
        let path = normal(path);
        for whole in [self.under(&path), self.under(&format!("{path}.zip"))] {
            if !whole.is_empty() {
                return whole;
            }
        }
        let name = last(&path);
        let named = |file: &&FileSource| path_of(file) == name || path_of(file).starts_with(&format!("{name}/"));
        let at_top: Vec<&FileSource> = self.files.iter().filter(named).collect();
        match at_top.is_empty() {
            true => self.files.iter().filter(|file| last(path_of(file)) == format!("{name}.zip")).collect(),
            false => at_top,
        }
    }

    /// Another of the paths `named` that is found by its last part like `path`: where nothing is there, and what was
    /// dropped piece by piece is called as both are.
    fn clash<'a>(&self, path: &str, mut named: impl Iterator<Item = &'a String>) -> Option<&'a String> {
        let there = [path, &format!("{path}.zip")].iter().any(|path| !self.under(path).is_empty());
        if there || self.find(path).is_empty() {
            return None;
        }
        named.find(|other| last(other) == last(path) && normal(other) != normal(path))
    }

    fn under(&self, path: &str) -> Vec<&FileSource> {
        let (path, folder) = (normal(path), format!("{}/", normal(path)));
        self.files.iter().filter(|file| path_of(file) == path || path_of(file).starts_with(&folder)).collect()
    }
}

/// The repository that a PLM is named by. `models/NAME` and what is served with the page are folders, which look alike.
fn on_hub(plm: &str, served: &[String]) -> Option<FileSource> {
    let is_folder = plm.starts_with(&format!("{MODELS}/")) || served.iter().any(|name| name == last(plm));
    hub::parse(plm).ok().filter(|_| !is_folder)
}

/// The path that a file is known by.
#[must_use]
pub fn path_of(file: &FileSource) -> &str {
    match file {
        FileSource::Bytes(file) => &file.path,
        FileSource::Url { path, .. } => path,
        FileSource::Hub { id, .. } => id,
    }
}

/// The same file under another path.
fn renamed(file: &FileSource, path: &str) -> FileSource {
    let path = path.to_owned();
    match file {
        FileSource::Bytes(file) => FileSource::Bytes(FileBytes { path, bytes: file.bytes.clone() }),
        FileSource::Url { url, .. } => FileSource::Url { path, url: url.clone() },
        hub @ FileSource::Hub { .. } => hub.clone(),
    }
}

/// The last part of a path that is a name: of a PLM's folder, what the engine calls the PLM.
#[must_use]
pub fn last(path: &str) -> &str {
    path.rsplit(['/', '\\']).find(|part| !matches!(*part, "" | "." | "..")).unwrap_or(path)
}

/// Without `.`, and with `..` taken back where something stands before it.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A name that a file may have anywhere. What is beyond ASCII stays: names of an experiment's parts are letters and digits,
/// and tables of which those are would be the largest thing in this function.
fn cleaned(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || !c.is_ascii() || "-_.+".contains(c) { c } else { '_' };
    name.chars().map(keep).collect::<String>().trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> FileBytes {
        FileBytes { path: path.into(), bytes: path.as_bytes().to_vec() }
    }

    fn sheet() -> ExperimentSheet {
        let adapter = |name: &str, path: &str| SheetAdapter { name: name.into(), path: path.into(), track: "".into() };
        ExperimentSheet {
            plms: vec!["../models/tiny".into(), "../models/small".into()],
            adapters: vec![adapter("sst2", "adapters/sst2"), adapter("b/c", "zoo/{plm}/b")],
            targets: vec![SheetTarget {
                name: "cr".into(),
                train: "./data/cr/train.tsv".into(),
                test: "data/cr/dev.tsv".into(),
                ..SheetTarget::default()
            }],
            ..ExperimentSheet::default()
        }
    }

    fn bundle(paths: &[&str]) -> Bundle {
        Bundle::from_files(paths.iter().map(|path| file(path)).collect()).unwrap().unwrap()
    }

    fn names(files: Vec<&FileSource>) -> Vec<&str> {
        files.into_iter().map(path_of).collect()
    }

    fn paths(files: &[FileSource]) -> Vec<&str> {
        files.iter().map(path_of).collect()
    }

    const WHOLE: [&str; 8] = [
        "own/experiment.toml",
        "own/adapters/sst2/adapter_config.json",
        "own/adapters/sst2/adapter.safetensors",
        "own/zoo/tiny/b/adapter_config.json",
        "own/zoo/small/b.zip",
        "own/data/cr/train.tsv",
        "own/data/cr/dev.tsv",
        "own/deeper/other.toml",
    ];

    #[test]
    fn a_dropped_folder_is_read_from_its_own_place() {
        let bundle = bundle(&WHOLE);
        assert_eq!((bundle.name.as_str(), bundle.toml.as_str()), ("own", "own/experiment.toml"));
        assert_eq!(bundle.adapter(&sheet(), 0, 0).unwrap().len(), 2);
        assert_eq!(names(bundle.adapter(&sheet(), 1, 0).unwrap()), ["zoo/tiny/b/adapter_config.json"]);
        assert_eq!(
            names(bundle.adapter(&sheet(), 1, 1).unwrap()),
            ["zoo/small/b.zip"],
            "an archive stands for a folder"
        );
        let (train, test) = bundle.target(&sheet(), 0).unwrap();
        assert_eq!((path_of(train), path_of(test.unwrap())), ("data/cr/train.tsv", "data/cr/dev.tsv"));
        assert_eq!(bundle.missing(&sheet()), [""; 0]);
        assert_eq!(Bundle::from_files(vec![file("a.tsv")]), None);
    }

    #[test]
    fn what_was_dropped_piece_by_piece_is_found_by_name() {
        let bundle = bundle(&["experiment.toml", "sst2/adapter_config.json", "b/adapter_config.json", "train.tsv"]);
        assert_eq!(names(bundle.adapter(&sheet(), 0, 0).unwrap()), ["sst2/adapter_config.json"]);
        assert_eq!(names(bundle.adapter(&sheet(), 1, 1).unwrap()), ["b/adapter_config.json"]);
        assert_eq!(
            bundle.missing(&sheet()),
            ["target cr: no file is called data/cr/dev.tsv; drop it together with the experiment"]
        );
    }

    #[test]
    fn one_file_is_not_the_data_of_two_targets() {
        let mut sheet = sheet();
        let mr = SheetTarget { name: "mr".into(), train: "data/mr/train.tsv".into(), ..SheetTarget::default() };
        sheet.targets.push(mr);
        let dropped = ["experiment.toml", "sst2/a.json", "b/a.json", "dev.tsv", "train.tsv"];
        assert_eq!(
            bundle(&dropped).missing(&sheet),
            [
                "target cr: ./data/cr/train.tsv and data/mr/train.tsv would both be train.tsv; drop their folders",
                "target mr: data/mr/train.tsv and ./data/cr/train.tsv would both be train.tsv; drop their folders",
            ]
        );
        let whole = [&dropped[..3], &["data/cr/train.tsv", "data/cr/dev.tsv", "data/mr/train.tsv"]].concat();
        assert_eq!(bundle(&whole).missing(&sheet), [""; 0]);
    }

    #[test]
    fn a_plm_is_its_own_or_the_served_one() {
        let own = ["models/tiny/config.json", "models/tiny/tokenizer.json", "models/tiny/model.safetensors"];
        let mut sheet = sheet();
        sheet.plms[0] = "models/tiny".into();
        let bundle = bundle(&[&["experiment.toml", "models/tiny/README.md"], own.as_slice()].concat());
        let open = bundle.open_plm(&sheet, 0, &[]).unwrap();
        assert_eq!(
            (open.name.as_str(), paths(&open.files)),
            ("tiny", vec!["config.json", "tokenizer.json", "model.safetensors"])
        );
        assert!(matches!(open.files[0], FileSource::Bytes(_)));
        let FileSource::Url { url, .. } = &bundle.open_plm(&sheet, 1, &[]).unwrap().files[2] else { panic!() };
        assert_eq!(url, "models/small/model.safetensors");
        let some = self::bundle(&["experiment.toml", own[0], own[1], "models/tiny/pytorch_model.bin"]);
        let error = some.open_plm(&sheet, 0, &["tiny".to_owned()]).unwrap_err();
        assert_eq!(error, "models/tiny: model.safetensors is missing", "the served one does not take its place");
    }

    #[cfg(feature = "engine")]
    #[test]
    fn a_plm_is_called_as_the_engine_calls_it() {
        for path in ["models/six", "models/six/", "models/six/.", "models\\six", "six", "..", "owner/six@main"] {
            let spec = format!(
                "plm = '{path}'\nshots = [4]\nseeds = [1]\nmethods = [\"head\"]\n\
                 [[targets]]\nname = \"cr\"\ntrain = \"cr.tsv\"\n"
            );
            let experiment = crate::experiment::Experiment::parse(&spec).unwrap();
            assert_eq!(last(path), experiment.plm_name(0));
        }
        let files = ["e.toml", "models/six/config.json", "zoo/six/b/adapter_config.json"];
        for path in ["models/six/.", "models\\six"] {
            let sheet = ExperimentSheet { plms: vec![path.into()], ..sheet() };
            assert_eq!(names(bundle(&files).adapter(&sheet, 1, 0).unwrap()), files[2..]);
            assert_eq!(bundle(&files).plm_files(path).len(), 1);
        }
    }

    #[test]
    fn a_plm_may_be_named_by_its_repository() {
        let served = ["tiny".to_owned()];
        let of = |bundle: &Bundle, plm: &str| {
            let sheet = ExperimentSheet { plms: vec![plm.into()], ..ExperimentSheet::default() };
            let open = bundle.open_plm(&sheet, 0, &served).unwrap();
            (open.files[0].clone(), bundle.packed(&sheet, &served).unwrap().0.plms[0].clone())
        };
        let none = bundle(&["experiment.toml"]);
        let hub = |revision: &str| FileSource::Hub { id: "owner/name".into(), revision: revision.into() };
        assert_eq!(of(&none, "owner/name"), (hub(""), "owner/name".into()));
        assert_eq!(of(&none, "owner/name@v1"), (hub("v1"), "owner/name@v1".into()));
        let served =
            |name: &str| FileSource::Url { path: "config.json".into(), url: format!("models/{name}/config.json") };
        assert_eq!(of(&none, "models/name"), (served("name"), "models/name".into()));
        assert_eq!(of(&none, "elsewhere/tiny"), (served("tiny"), "models/tiny".into()), "a folder of a served model");
        let own = ["config.json", "tokenizer.json", "model.safetensors"].map(|file| format!("owner/name/{file}"));
        let own = bundle(&["experiment.toml", &own[0], &own[1], &own[2]]);
        assert!(matches!(of(&own, "owner/name").0, FileSource::Bytes(_)), "what was dropped goes first");
    }

    #[test]
    fn records_come_along_whether_the_last_line_has_its_end_or_not() {
        let records = |end: &str| {
            let bytes = format!("{{\"a\":1}}\r\n\n{{\"b\":2}}{end}").into_bytes();
            let records = FileBytes { path: "e-results/records.jsonl".into(), bytes };
            Bundle::from_files(vec![file("e.toml"), records]).unwrap().unwrap().records
        };
        for end in ["", "\n"] {
            assert_eq!(records(end), ["{\"a\":1}", "{\"b\":2}"]);
        }
        let not_text = FileBytes { path: "e.toml".into(), bytes: vec![255] };
        assert_eq!(Bundle::from_files(vec![not_text]), Some(Err("e.toml: it is not UTF-8".into())));
    }

    #[test]
    fn a_saved_experiment_keeps_its_name() {
        let name = |path: &str| Bundle::from_files(vec![file(path)]).unwrap().unwrap().name;
        assert_eq!(name("mine/experiment.toml"), "mine");
        assert_eq!(name("zip/mine/experiment.toml"), "mine");
        assert_eq!(name("mine/grid.toml"), "grid");
        assert_eq!(name("experiment.toml"), "experiment");
    }

    #[test]
    fn a_saved_experiment_finds_its_files_again() {
        let before = bundle(&WHOLE);
        let (packed, files) = before.packed(&sheet(), &[]).unwrap();
        assert_eq!(packed.plms, ["models/tiny", "models/small"]);
        assert_eq!(packed.targets[0].test, "data/cr/test.tsv");
        let after = Bundle { files: Arc::new(files), ..Bundle::default() };
        assert_eq!(after.missing(&packed), [""; 0]);
        let bytes = |files: Vec<&FileSource>| -> Vec<Vec<u8>> {
            files
                .into_iter()
                .map(|file| match file {
                    FileSource::Bytes(file) => file.bytes.clone(),
                    _ => vec![],
                })
                .collect()
        };
        for (adapter, plm) in [(0, 0), (1, 0), (1, 1)] {
            assert_eq!(
                bytes(after.adapter(&packed, adapter, plm).unwrap()),
                bytes(before.adapter(&sheet(), adapter, plm).unwrap())
            );
        }
    }
}
