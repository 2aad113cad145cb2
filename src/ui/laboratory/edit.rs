//! Experiments made, opened and changed.

use super::{Laboratory, SAMPLE};
use crate::protocol::*;
use crate::ui::browser;
use crate::ui::state::laboratory::{Bundle, Experiment, Status, form};
use crate::ui::state::names;
use crate::ui::state::sample::Sample;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;

/// The folder of the sample, relative to the page.
const SAMPLES: &str = "samples/";

impl Laboratory {
    /// Fetches the sample and what is kept from earlier visits.
    pub(super) fn enter(self) {
        spawn_local(async move {
            if let Err(line) = self.open_sample().await {
                self.lab.problem("laboratory", line);
            }
            if let Err(line) = self.recall_all().await {
                self.lab.inform("laboratory", line);
            }
            if let Some(name) = self.link.with_untracked(|link| link.experiment.clone())
                && self.named(&name).is_none()
            {
                self.lab.inform(name, "this experiment is not kept in this browser: open its file");
            }
            for name in
                self.experiments.with_untracked(|all| all.iter().map(|one| one.bundle.name.clone()).collect::<Vec<_>>())
            {
                self.read(&name).await;
            }
        });
    }

    /// The sample experiment as it is served, without what is kept of it.
    async fn open_sample(self) -> Result<(), String> {
        let toml = browser::fetch_text(&format!("{SAMPLES}experiment.toml")).await?;
        let sample: Sample = browser::fetch_json(&format!("{SAMPLES}index.json")).await?;
        let task = [(&sample.task.path, &sample.task.url)];
        let others = sample.others.iter().flat_map(|other| &other.adapters);
        let adapters = sample.adapters.iter().chain(others);
        let files = adapters.flat_map(|adapter| &adapter.files).map(|file| (&file.path, &file.url));
        let files = files.chain(task).chain(sample.task.test.iter().map(|file| (&file.path, &file.url)));
        let files = files.map(|(path, url)| FileSource::Url {
            path: url.strip_prefix(SAMPLES).unwrap_or(path).to_owned(),
            url: url.clone(),
        });
        let bundle = Bundle { name: SAMPLE.into(), toml, files: Arc::new(files.collect()), records: vec![] };
        self.experiments.update(|all| all.push(Experiment { bundle, ..Experiment::default() }));
        Ok(())
    }

    /// Reads the file of the experiment of that name anew.
    pub(super) async fn read(self, name: &str) {
        let Some(experiment) = self.named(name) else { return };
        let file = experiment.bundle.toml.clone();
        let answer = self.ask(ReadExperiment { file: file.clone() }).await;
        self.change(name, |one| {
            // Another may have been written while this one was read.
            if one.bundle.toml != file {
                return;
            }
            match answer {
                Ok(sheet) => {
                    one.sheet = sheet;
                    one.unreadable = None;
                }
                Err(failure) => one.unreadable = Some(failure.message),
            }
        });
    }

    /// Reads every file anew that could not be read.
    pub(super) fn read_again(self) {
        let unread = |one: &&Experiment| one.unreadable.is_some();
        let names: Vec<String> = self
            .experiments
            .with_untracked(|all| all.iter().filter(unread).map(|one| one.bundle.name.clone()).collect());
        spawn_local(async move {
            for name in names {
                self.read(&name).await;
            }
        });
    }

    /// Puts another file in the place of the one in sight.
    pub fn write_file(self, toml: String) {
        let Some(shown) = self.shown.get_untracked() else { return };
        let name = shown.bundle.name;
        if shown.status.is_locked() || toml == shown.bundle.toml {
            return;
        }
        self.change(&name, |one| {
            one.bundle.toml = toml;
            one.unwritten = false;
            one.status = Status::Draft;
        });
        spawn_local(async move {
            self.read(&name).await;
            self.keep_experiment(&name).await;
        });
    }

    /// Changes the sheet in sight, and its file with it.
    pub fn edit(self, change: impl FnOnce(&mut ExperimentSheet)) {
        let Some(shown) = self.shown.get_untracked() else { return };
        if shown.status.is_locked() || shown.unreadable.is_some() {
            return;
        }
        let (name, mut sheet) = (shown.bundle.name, shown.sheet);
        change(&mut sheet);
        self.put_sheet(name, sheet);
    }

    /// Compiled once, and not for every change.
    fn put_sheet(self, name: String, sheet: ExperimentSheet) {
        self.change(&name, |one| {
            one.sheet = sheet.clone();
            one.unwritten = true;
            one.status = Status::Draft;
        });
        spawn_local(async move {
            let written = self.ask(WriteExperiment(sheet.clone())).await;
            // The next change, or a file written by hand, has its own.
            let current = self.named(&name).is_some_and(|one| one.unwritten && one.sheet == sheet);
            let toml = written.map_err(|failure| self.lab.problem(&*name, failure.message)).ok();
            if current {
                self.change(&name, |one| {
                    if let Some(toml) = toml {
                        one.bundle.toml = toml;
                    }
                    one.unwritten = false;
                });
                self.read(&name).await;
                self.keep_experiment(&name).await;
            }
        });
    }

    /// Takes in what was dropped or picked: an experiment here, everything else in the Lab.
    pub async fn take_files(self, files: Vec<FileBytes>, mut problems: Vec<Problem>) {
        match self.open_files(files, &mut problems).await {
            Ok(()) => problems.into_iter().for_each(|problem| self.lab.problem(problem.path, problem.message)),
            Err(files) => self.lab.open_files(files, problems).await,
        }
    }

    /// Opens an experiment out of what was dropped or picked; gives the files back where there is none among them. What of
    /// its archive can't be unpacked comes to the problems.
    ///
    /// # Errors
    /// The files, where none of them is an experiment.
    async fn open_files(self, files: Vec<FileBytes>, problems: &mut Vec<Problem>) -> Result<(), Vec<FileBytes>> {
        let files = match files.as_slice() {
            [archive] if archive.path.ends_with(".zip") => match self.ask(Unpack(archive.clone())).await {
                Ok(mut inside) if inside.files.iter().any(|file| file.path.ends_with(".toml")) => {
                    // As if a folder of the archive's name had been dropped.
                    let folder = archive.path.trim_end_matches(".zip");
                    inside.files.iter_mut().for_each(|file| file.path = format!("{folder}/{}", file.path));
                    problems.append(&mut inside.problems);
                    inside.files
                }
                _ => return Err(files),
            },
            _ => files,
        };
        if !files.iter().any(|file| file.path.ends_with(".toml")) {
            return Err(files);
        }
        match Bundle::from_files(files) {
            Some(Ok(bundle)) => {
                let name = bundle.name.clone();
                if self.named(&name).is_some_and(|one| one.status.is_locked()) {
                    self.lab.problem(name, "an experiment of this name is running, or will be: stop it first");
                    return Ok(());
                }
                self.add(Experiment { bundle, ..Experiment::default() });
                self.read(&name).await;
                self.keep_experiment(&name).await;
            }
            Some(Err(line)) => self.lab.problem("laboratory", line),
            None => {}
        }
        Ok(())
    }

    /// An experiment on what is loaded in the Lab.
    pub fn make_of_lab(self) {
        spawn_local(async move {
            if let Err(line) = self.make_of_lab_now().await {
                self.lab.problem("laboratory", line);
            }
        });
    }

    async fn make_of_lab_now(self) -> Result<(), String> {
        let lab = self.lab;
        let plm = lab.plm_source().ok_or("There is no model: load one in the Lab first.")?;
        let cards = lab.loaded.get_untracked();
        let cards = cards.into_iter().chain(lab.merges.get_untracked().into_iter().map(|merge| merge.adapter));
        let mut adapters = Vec::new();
        for card in cards {
            let file = lab.ask(Export::Adapter(card.id)).await.map_err(|failure| failure.message)?;
            adapters.push((card, file));
        }
        let mut data = Vec::new();
        for card in lab.data.get_untracked() {
            let source = match lab.data_source(card.id) {
                Some(source) => source,
                // It came in an archive, or its columns have other names than an experiment looks for.
                None => FileSource::Bytes(lab.ask(Export::Data(card.id)).await.map_err(|failure| failure.message)?),
            };
            data.push((card, source));
        }
        if data.is_empty() {
            return Err("There is no data to learn from: load some in the Lab first.".into());
        }
        let (sheet, bundle) = form::from_lab(&plm, &adapters, &data);
        let toml = self.ask(WriteExperiment(sheet.clone())).await.map_err(|failure| failure.message)?;
        let taken = |name: &str| self.named(name).is_some_and(|one| !one.is_untouched());
        let name = names::free(&bundle.name, taken);
        self.add(Experiment { bundle: Bundle { toml, name: name.clone(), ..bundle }, sheet, ..Experiment::default() });
        self.read(&name).await;
        self.keep_experiment(&name).await;
        Ok(())
    }

    /// Forgets the experiment in sight, not its records: the same runs of another experiment are not done again.
    pub fn forget(self) {
        let Some(shown) = self.shown.get_untracked() else { return };
        if shown.status.is_locked() {
            return;
        }
        let name = shown.bundle.name;
        self.experiments.update(|all| all.retain(|one| one.bundle.name != name));
        self.link.update(|link| link.experiment = None);
        spawn_local(async move {
            self.forget_experiment(&name).await;
            if name == SAMPLE && self.open_sample().await.is_ok() {
                self.read(SAMPLE).await;
            }
        });
    }
}
