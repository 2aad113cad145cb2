//! Models, adapters and data: loaded, renamed, removed.

use super::Lab;
use super::work::input;
use crate::protocol::*;
use crate::ui::state::sample::{Sample, SampleAdapter};
use crate::ui::state::{Step, hub, intake};
use leptos::prelude::*;
use leptos::task::spawn_local;

/// A model of the hub, by what people paste to name it.
fn hub_plm(text: &str) -> Result<OpenPlm, String> {
    let source = hub::parse(text)?;
    let name = if let FileSource::Hub { id, .. } = &source { id.clone() } else { text.to_owned() };
    Ok(OpenPlm { name, files: vec![source] })
}

impl Lab {
    /// Loads a model that is served with the page.
    pub fn open_served_plm(self, name: String) {
        self.attempt("model", async move { self.load_named_plm(&name).await });
    }

    /// Loads it with the sample adapters for it, in the place of those for another model.
    async fn load_named_plm(self, name: &str) -> Result<(), Failure> {
        let sample = self.sample.get_untracked();
        let sample = sample.ok_or_else(|| input("No model is served with this page: choose your own."))?;
        let misfits = self.take_plm(sample.plm_named(name).open()).await?;
        let other = self.loaded.with_untracked(|cards| {
            let others = cards.iter().filter(|card| sample.is_for_another(name, card));
            others.map(|card| (card.id, card.origin.clone())).collect::<Vec<_>>()
        });
        for (id, _) in &other {
            self.remove_now(*id).await?;
        }
        let stays = |misfit: &Problem| other.iter().all(|(_, origin)| *origin != misfit.path);
        self.tell_misfits(misfits.into_iter().filter(stays));
        if sample.plm.name == name && other.is_empty() { Ok(()) } else { self.load_sample().await }
    }

    async fn load_plm(self, open: OpenPlm) -> Result<(), Failure> {
        let misfits = self.take_plm(open).await?;
        self.tell_misfits(misfits.into_iter());
        Ok(())
    }

    fn tell_misfits(self, misfits: impl Iterator<Item = Problem>) {
        misfits.for_each(|Problem { path, message }| self.problem(path, message));
    }

    /// Loads a model; which of the adapters do not fit it.
    async fn take_plm(self, open: OpenPlm) -> Result<Vec<Problem>, Failure> {
        let label = format!("Loading {}", open.name);
        let source = open.clone();
        let card = self.work(&label, Some(Step::Model), open).await?;
        let model = match source.files.as_slice() {
            [FileSource::Hub { id, revision }] => Some(hub::write(id, revision)),
            [FileSource::Url { .. }, ..] => {
                Some(source.name.clone()).filter(|name| Some(name) != self.served().first())
            }
            _ => None,
        };
        self.choices.update(|choices| choices.model = model);
        self.sources.update_value(|sources| sources.plm = Some(source));
        if self.plm.with_untracked(Option::is_some) {
            // What hung on the model before it is gone with it.
            self.episode.set(None);
            self.computed.set(None);
            self.runs.set(vec![]);
            self.origins.set(vec![]);
            self.between.set(None);
        }
        let misfits = card.misfits.clone();
        self.plm.set(Some(card));
        Ok(misfits)
    }

    /// Loads the chosen model where none is loaded yet.
    pub(super) async fn need_plm(self) -> Result<(), Failure> {
        if self.plm.with_untracked(Option::is_some) { Ok(()) } else { self.load_chosen_plm().await }
    }

    /// Loads the chosen model.
    pub(super) async fn load_chosen_plm(self) -> Result<(), Failure> {
        let open = self.chosen_plm().map_err(input)?;
        if self.served().contains(&open.name) {
            self.load_named_plm(&open.name).await
        } else {
            self.load_plm(open).await
        }
    }

    /// What the chosen model is opened from.
    fn chosen_plm(self) -> Result<OpenPlm, String> {
        let served = self.served();
        match self.choices.with_untracked(|choices| choices.model.clone()).or_else(|| served.first().cloned()) {
            None => Err("No model is served with this page: choose your own.".into()),
            Some(name) if !served.contains(&name) => hub_plm(&name),
            Some(name) => self
                .sample
                .with_untracked(|sample| sample.as_ref().map(|sample| sample.plm_named(&name).open()))
                .ok_or(name),
        }
    }

    /// Names of the models that are served with the page, the sample's first.
    fn served(self) -> Vec<String> {
        self.sample.with_untracked(|sample| sample.as_ref().map(Sample::served).unwrap_or_default())
    }

    /// Loads a model from the hub.
    pub fn open_hub_plm(self, text: &str) {
        match hub_plm(text) {
            Ok(open) => self.attempt("model", self.load_plm(open)),
            Err(line) => self.problem("Hub", line),
        }
    }

    /// Loads adapters from the hub.
    pub fn open_hub_adapter(self, text: &str) {
        match hub::parse(text) {
            Ok(source) => spawn_local(self.take_in(vec![source])),
            Err(line) => self.problem("Hub", line),
        }
    }

    /// Takes in whatever was dropped or picked.
    pub async fn open_files(self, files: Vec<FileBytes>, problems: Vec<Problem>) {
        for problem in problems {
            self.problem(problem.path, problem.message);
        }
        let sorted = intake::sort(files);
        for problem in sorted.problems {
            self.problem(problem.path, problem.message);
        }
        if let Some((name, files)) = sorted.plm {
            let open = OpenPlm { name: name.clone(), files: files.into_iter().map(FileSource::Bytes).collect() };
            match self.load_plm(open).await {
                Ok(()) => self.go(Step::Model),
                Err(failure) => self.failed(&name, &failure),
            }
        }
        if !sorted.rest.is_empty() {
            self.take_in(sorted.rest.into_iter().map(FileSource::Bytes).collect()).await;
        }
    }

    async fn take_in(self, files: Vec<FileSource>) {
        let sources = files.clone();
        match self.work("Reading what was dropped", Some(Step::Adapters), Open { files }).await {
            Ok(opened) => {
                self.remember(&opened, &sources);
                let (adapters, data) = (opened.adapters.len(), opened.data.len() + opened.unmapped.len());
                self.keep(opened);
                match (adapters, data) {
                    (0, 0) => {}
                    (0, _) => self.go(Step::FewShot),
                    _ => self.go(Step::Adapters),
                }
            }
            Err(failure) => self.failed("", &failure),
        }
    }

    /// Remembers which file each data set came from.
    fn remember(self, opened: &Opened, files: &[FileSource]) {
        let found = opened.data.iter().filter_map(|card| Some((card.id, intake::data_file(files, card)?.clone())));
        self.sources.update_value(|sources| sources.data.extend(found));
    }

    /// What the model is opened from: the loaded one, or where none is loaded yet the chosen one.
    pub(crate) fn plm_source(self) -> Option<OpenPlm> {
        let loaded = self.sources.with_value(|sources| sources.plm.clone());
        loaded.or_else(|| self.chosen_plm().ok())
    }

    /// The file that a data set came from; `None` where [`intake::data_file`] knows of none.
    pub(crate) fn data_source(self, id: DataId) -> Option<FileSource> {
        self.sources.with_value(|sources| {
            let found = sources.data.iter().find(|(of, _)| *of == id);
            found.map(|(_, source)| source.clone())
        })
    }

    fn keep(self, opened: Opened) {
        if let Some(newest) = opened.data.last().filter(|_| !self.plan_goes_on()) {
            let name = newest.name.clone();
            self.choices.update(|choices| choices.episode.data = Some(name));
        }
        if !opened.adapters.is_empty() {
            self.touched.set(true);
        }
        self.loaded.update(|cards| cards.extend(opened.adapters));
        self.data.update(|cards| cards.extend(opened.data));
        for problem in opened.problems {
            // What the person is asked about is no problem yet.
            if !opened.unmapped.iter().any(|data| data.file.path == problem.path) {
                self.problem(problem.path, problem.message);
            }
        }
        self.unmapped.update(|waiting| {
            for data in opened.unmapped {
                waiting.retain(|other| other.file.path != data.file.path);
                waiting.push(data);
            }
        });
    }

    /// Takes in a data file, by the columns that the person has chosen.
    pub fn open_mapped(self, path: &str, columns: DataColumns) {
        let found = self.unmapped.with_untracked(|all| all.iter().find(|data| data.file.path == path).cloned());
        let Some(UnmappedData { file, .. }) = found else { return };
        self.attempt("", async move {
            let path = file.path.clone();
            let open = OpenData { file: FileSource::Bytes(file), columns: Some(columns) };
            let card = self.work("Reading the data", Some(Step::FewShot), open).await?;
            self.leave_unmapped(&path);
            self.choices.update(|choices| choices.episode.data = Some(card.name.clone()));
            self.data.update(|cards| cards.push(card));
            Ok(())
        });
    }

    /// Asks no longer what the columns of a data file are.
    pub fn leave_unmapped(self, path: &str) {
        self.unmapped.update(|all| all.retain(|data| data.file.path != path));
    }

    /// Loads the sample's adapters for the loaded model and its task, once.
    pub(super) async fn load_sample(self) -> Result<(), Failure> {
        let sample = self.sample.get_untracked().ok_or_else(|| input("There is no sample with this page."))?;
        let plm = self.plm.with_untracked(|plm| plm.as_ref().map(|plm| plm.name.clone()));
        let adapters = sample.adapters_for(plm.as_deref());
        let loaded =
            |adapter: &SampleAdapter| self.loaded.with_untracked(|cards| cards.iter().find(|c| adapter.is(c)).cloned());
        let task = self.data.with_untracked(|cards| cards.iter().any(|card| card.name == sample.task_name()));
        if adapters.iter().all(|adapter| loaded(adapter).is_some()) && task {
            return Ok(());
        }
        let open = sample.open(adapters, !task);
        let sources = open.files.clone();
        let opened = self.work("Loading the sample's adapters", Some(Step::Adapters), open).await?;
        self.remember(&opened, &sources);
        self.keep(opened);
        let task = sample.task_name().to_owned();
        self.choices.update(|choices| choices.episode.data = Some(task));
        for adapter in adapters {
            if let Some(card) = loaded(adapter).filter(|card| card.track != adapter.track) {
                self.edit_now(EditAdapter { id: card.id, name: None, track: Some(adapter.track.clone()) }).await?;
            }
        }
        Ok(())
    }

    /// Renames an adapter or puts it on a track.
    pub fn edit(self, edit: EditAdapter) {
        self.attempt("adapter", self.edit_now(edit));
    }

    async fn edit_now(self, edit: EditAdapter) -> Result<(), Failure> {
        let card = self.ask(edit).await?;
        let before = self.loaded.with_untracked(|cards| cards.iter().find(|old| old.id == card.id).cloned());
        if let Some(before) = before.filter(|before| before.name != card.name) {
            self.choices.update(|choices| choices.rename(&before.name, &card.name));
        }
        self.loaded
            .update(|cards| cards.iter_mut().filter(|old| old.id == card.id).for_each(|old| *old = card.clone()));
        Ok(())
    }

    /// Forgets an adapter.
    pub fn remove(self, id: AdapterId) {
        self.attempt("adapter", self.remove_now(id));
    }

    async fn remove_now(self, id: AdapterId) -> Result<(), Failure> {
        self.ask(RemoveAdapter { id }).await?;
        self.loaded.update(|cards| cards.retain(|card| card.id != id));
        self.merges.update(|merges| merges.retain(|merge| merge.adapter.id != id));
        let concerns = |report: &AlignmentReport| report.asked.reference == id || report.asked.others.contains(&id);
        if self.computed.with_untracked(|report| report.as_ref().is_some_and(concerns)) {
            self.computed.set(None);
        }
        self.detail.set(None);
        Ok(())
    }
}
