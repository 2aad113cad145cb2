//! What a person can set going: each asks the engine, and puts the answer where the page shows it.

use super::{Lab, Live, Stage};
use crate::protocol::*;
use crate::ui::browser;
use crate::ui::state::recipe;
use crate::ui::state::{Start, Step, hub, intake, names};
use leptos::prelude::*;
use leptos::task::spawn_local;

impl Lab {
    /// Loads the model that is served with the page.
    pub fn open_served_plm(self) {
        spawn_local(async move {
            if let Err(failure) = self.load_served_plm().await {
                self.failed("model", &failure);
            }
        });
    }

    async fn load_served_plm(self) -> Result<(), Failure> {
        let sample = self.sample.get_untracked();
        let sample = sample.ok_or_else(|| input("No model is served with this page: choose your own."))?;
        self.load_plm(sample.open_plm()).await
    }

    async fn load_plm(self, open: OpenPlm) -> Result<(), Failure> {
        let label = format!("Loading {}", open.name);
        let card = self.work(&label, Some(Step::Model), open).await?;
        if self.plm.with_untracked(Option::is_some) {
            // What hung on the model before it is gone with it.
            self.episode.set(None);
            self.computed.set(None);
        }
        if !card.unused.is_empty() {
            let line = format!("{} of its tensors are not used: {}", card.unused.len(), card.unused.join(", "));
            self.inform(card.name.clone(), line);
        }
        self.plm.set(Some(card));
        Ok(())
    }

    /// Loads the served model where none is loaded yet.
    async fn need_plm(self) -> Result<(), Failure> {
        if self.plm.with_untracked(Option::is_some) { Ok(()) } else { self.load_served_plm().await }
    }

    /// Loads a model from the hub.
    pub fn open_hub_plm(self, text: &str) {
        match hub::parse(text) {
            Ok(source) => {
                let FileSource::Hub { id, .. } = &source else { return };
                let open = OpenPlm { name: id.clone(), files: vec![source] };
                spawn_local(async move {
                    if let Err(failure) = self.load_plm(open).await {
                        self.failed("model", &failure);
                    }
                });
            }
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
        match self.work("Reading what was dropped", Some(Step::Adapters), Open { files }).await {
            Ok(opened) => {
                let (adapters, data) = (opened.adapters.len(), opened.data.len());
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

    fn keep(self, opened: Opened) {
        if let Some(newest) = opened.data.last() {
            let name = newest.name.clone();
            self.choices.update(|choices| choices.episode.data = Some(name));
        }
        if !opened.adapters.is_empty() {
            self.touched.set(true);
        }
        self.loaded.update(|cards| cards.extend(opened.adapters));
        self.data.update(|cards| cards.extend(opened.data));
        for problem in opened.problems {
            self.problem(problem.path, problem.message);
        }
    }

    /// Loads the sample's adapters and task, once.
    async fn load_sample(self) -> Result<(), Failure> {
        let sample = self.sample.get_untracked().ok_or_else(|| input("There is no sample with this page."))?;
        let there = |name: &str| self.loaded.with_untracked(|cards| cards.iter().any(|card| card.name == name));
        let task = self.data.with_untracked(|cards| cards.iter().any(|card| card.name == sample.task_name()));
        if sample.adapters.iter().all(|adapter| there(&adapter.name)) && task {
            return Ok(());
        }
        let opened = self.work("Loading the sample's adapters", Some(Step::Adapters), sample.open()).await?;
        self.keep(opened);
        let task = sample.task_name().to_owned();
        self.choices.update(|choices| choices.episode.data = Some(task));
        for adapter in &sample.adapters {
            let card = self.loaded.with_untracked(|cards| cards.iter().find(|card| card.name == adapter.name).cloned());
            if let Some(card) = card.filter(|card| card.track != adapter.track) {
                self.edit_now(EditAdapter { id: card.id, name: None, track: Some(adapter.track.clone()) }).await?;
            }
        }
        Ok(())
    }

    /// Renames an adapter or puts it on a track.
    pub fn edit(self, edit: EditAdapter) {
        spawn_local(async move {
            if let Err(failure) = self.edit_now(edit).await {
                self.failed("adapter", &failure);
                // Puts the old name back into its field.
                self.loaded.notify();
            }
        });
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
        spawn_local(async move {
            match self.ask(RemoveAdapter { id }).await {
                Ok(()) => {
                    self.loaded.update(|cards| cards.retain(|card| card.id != id));
                    self.merges.update(|merges| merges.retain(|merge| merge.adapter.id != id));
                    let concerns =
                        |report: &AlignmentReport| report.asked.reference == id || report.asked.others.contains(&id);
                    if self.computed.with_untracked(|report| report.as_ref().is_some_and(concerns)) {
                        self.computed.set(None);
                    }
                    self.detail.set(None);
                }
                Err(failure) => self.failed("adapter", &failure),
            }
        });
    }

    /// Aligns as chosen.
    pub fn align(self) {
        spawn_local(async move {
            self.stop.set(false);
            if let Err(failure) = self.align_now().await {
                self.failed("Align", &failure);
            }
        });
    }

    async fn align_now(self) -> Result<(), Failure> {
        if self.is_sample.get_untracked() {
            self.load_sample().await?;
        }
        let asked = self.with_all(|choices, adapters, data| choices.align(adapters, data)).map_err(input)?;
        if asked.texts != Texts::None {
            self.need_plm().await?;
        }
        let report = self.work("Aligning neurons", Some(Step::Align), asked).await?;
        self.pair.set(self.pair.get_untracked().min(report.pairs.len().saturating_sub(1)));
        self.computed.set(Some(report));
        Ok(())
    }

    /// Merges as chosen.
    pub fn merge(self) {
        spawn_local(async move {
            self.stop.set(false);
            if let Err(failure) = self.merge_now(&Start::Merged).await {
                self.failed("Merge", &failure);
            }
        });
    }

    /// The merge for a start, made where it has not been yet.
    async fn merge_now(self, start: &Start) -> Result<MergeReport, Failure> {
        if self.is_sample.get_untracked() {
            self.load_sample().await?;
        }
        let methods = self.methods.get_untracked();
        let spec = self
            .with_all(|choices, adapters, data| match start {
                Start::Average => choices.average(adapters, data),
                _ => choices.merge(adapters, data, &methods),
            })
            .map_err(input)?;
        let made = self.merges.with_untracked(|merges| merges.iter().find(|merge| merge.spec == spec).cloned());
        if let Some(made) = made {
            return Ok(made);
        }
        if spec.texts != Texts::None {
            self.need_plm().await?;
        }
        let name = self.loaded.with_untracked(|cards| names::of_merge(&spec, &methods, cards));
        let label = format!("Merging by {name}");
        let report = self.work(&label, Some(Step::Merge), Merge { name, spec }).await?;
        self.merges.update(|merges| merges.push(report.clone()));
        Ok(report)
    }

    /// Draws the chosen episode, where it is not the one that is drawn.
    pub fn draw(self) {
        spawn_local(async move {
            if let Err(failure) = self.draw_now().await {
                self.failed("Few-shot", &failure);
            }
        });
    }

    async fn draw_now(self) -> Result<(), Failure> {
        let Some(spec) = self.with_all(|choices, _, data| choices.episode(data)) else {
            return Err(input("Drop a data set with labels to learn from."));
        };
        if self.episode.with_untracked(|drawn| drawn.as_ref().is_some_and(|(of, _)| *of == spec)) {
            return Ok(());
        }
        self.need_plm().await?;
        let card = self.work("Drawing examples", Some(Step::FewShot), DrawEpisode(spec.clone())).await?;
        self.episode.set(Some((spec, card)));
        Ok(())
    }

    /// Trains from the chosen start.
    pub fn train(self) {
        spawn_local(async move {
            self.stop.set(false);
            let start = self.choices.with_untracked(|choices| choices.start.clone());
            let done = async {
                self.need_plm().await?;
                self.draw_now().await?;
                self.train_now(&start, false).await
            };
            if let Err(failure) = done.await {
                self.failed("Train", &failure);
            }
        });
    }

    /// Trains from a start; a run that is there already is left as it is unless `again`.
    async fn train_now(self, start: &Start, keep: bool) -> Result<(), Failure> {
        let trained = self.choices.with_untracked(|choices| choices.train.trained);
        let (from, name) = self.resolve(start).await?;
        let name = names::of_run(&name, trained);
        let asked = self.with_all(|choices, _, data| choices.train(&name, from, data)).map_err(input)?;
        let there = |run: &RunReport| run.asked == asked && run.status != RunStatus::Paused;
        if keep && self.runs.with_untracked(|runs| runs.iter().any(there)) {
            return Ok(());
        }
        self.live.set(Some(Live { name: name.clone(), start: asked.start.clone(), points: vec![], total: None }));
        let report = self.work(&format!("Training {name}"), Some(Step::FewShot), asked).await;
        self.live.set(None);
        self.put_run(report?);
        Ok(())
    }

    /// Goes on with a paused run.
    pub fn resume(self, run: RunId) {
        spawn_local(async move {
            self.stop.set(false);
            let found = self.runs.with_untracked(|runs| runs.iter().find(|report| report.run == run).cloned());
            let Some(paused) = found else { return };
            let (name, start) = (paused.asked.name.clone(), paused.asked.start.clone());
            self.live.set(Some(Live { name: name.clone(), start, points: paused.curve, total: None }));
            let resume = Resume { train: paused.asked, run: Some(run), checkpoint: None };
            let report = self.work(&format!("Training {name}"), Some(Step::FewShot), resume).await;
            self.live.set(None);
            match report {
                Ok(report) => {
                    self.runs.update(|runs| runs.retain(|old| old.run != run));
                    self.put_run(report);
                }
                Err(failure) => self.failed("Resume", &failure),
            }
        });
    }

    fn put_run(self, report: RunReport) {
        self.runs.update(|runs| {
            runs.retain(|old| old.run != report.run && (old.asked != report.asked || old.status != RunStatus::Paused));
            runs.push(report);
        });
    }

    /// Takes a run out of sight.
    pub fn forget_run(self, run: RunId) {
        self.runs.update(|runs| runs.retain(|report| report.run != run));
    }

    /// What a run starts from, made where it is not there yet, and its name.
    async fn resolve(self, start: &Start) -> Result<(RunStart, String), Failure> {
        match start {
            Start::Merged | Start::Average => {
                let merge = self.merge_now(start).await?;
                let methods = self.methods.get_untracked();
                let name = self.loaded.with_untracked(|cards| names::of_merge(&merge.spec, &methods, cards));
                Ok((RunStart::Adapter(merge.adapter.id), name))
            }
            Start::Single(name) => {
                let found = self.loaded.with_untracked(|cards| cards.iter().find(|c| &c.name == name).map(|c| c.id));
                let id = found.ok_or_else(|| input(format!("There is no adapter `{name}`: choose another start.")))?;
                Ok((RunStart::Adapter(id), name.clone()))
            }
            Start::Scratch => {
                let bottleneck = self.choices.with_untracked(|choices| choices.bottleneck);
                Ok((RunStart::Scratch { bottleneck }, start.label()))
            }
            Start::HeadOnly => Ok((RunStart::HeadOnly, start.label())),
        }
    }

    /// Trains every start on the same episode, one after the other.
    pub fn compare_all(self) {
        let starts = self.with_all(|choices, adapters, _| {
            Start::contenders(&choices.inputs(adapters).into_iter().cloned().collect::<Vec<_>>())
        });
        spawn_local(async move {
            let labels = ["Examples".to_owned()].into_iter().chain(starts.iter().map(Start::label)).collect();
            self.begin("Compare all", labels);
            let outcome = self.go_through(0, &starts).await;
            let finished = outcome.is_ok() && !self.stopped();
            self.end("Compare all", outcome);
            if finished {
                self.plan.set(None);
                self.show(Step::Results);
            }
        });
    }

    /// Draws the episode and trains from each start; its stages begin at `first`.
    async fn go_through(self, first: usize, starts: &[Start]) -> Result<(), Failure> {
        self.stage(first, Stage::Running);
        self.need_plm().await?;
        self.draw_now().await?;
        self.stage(first, Stage::Done);
        for (place, start) in starts.iter().enumerate() {
            self.halt()?;
            self.stage(first + 1 + place, Stage::Running);
            self.train_now(start, true).await?;
            self.halt()?;
            self.stage(first + 1 + place, Stage::Done);
        }
        Ok(())
    }

    /// The whole way on the sample: what the page is for, in one press.
    pub fn run_example(self) {
        spawn_local(async move {
            let sample = self.sample.get_untracked();
            let singles: Vec<Start> =
                sample.iter().flat_map(|s| &s.adapters).map(|a| Start::Single(a.name.clone())).collect();
            let mut starts = vec![Start::Merged];
            starts.extend(singles);
            starts.push(Start::Average);
            let before = ["Model", "Adapters", "Align", "Merge", "Examples"].into_iter().map(str::to_owned);
            self.begin("Run the example", before.chain(starts.iter().map(Start::label)).collect());
            self.follow.set(true);
            let outcome = self.example(&starts).await;
            let finished = outcome.is_ok();
            self.end("Run the example", outcome);
            if finished {
                self.plan.set(None);
                self.lead(Step::Results);
            }
        });
    }

    async fn example(self, starts: &[Start]) -> Result<(), Failure> {
        self.choices.update(|choices| {
            choices.merge = Default::default();
            choices.start = Start::Merged;
        });
        self.stage(0, Stage::Running);
        self.lead(Step::Model);
        self.need_plm().await?;
        self.stage(0, Stage::Done);
        self.halt()?;

        self.stage(1, Stage::Running);
        self.lead(Step::Adapters);
        self.load_sample().await?;
        self.stage(1, Stage::Done);
        self.halt()?;

        self.stage(2, Stage::Running);
        self.lead(Step::Align);
        self.align_now().await?;
        self.stage(2, Stage::Done);
        self.halt()?;

        self.stage(3, Stage::Running);
        self.lead(Step::Merge);
        self.merge_now(&Start::Merged).await?;
        self.stage(3, Stage::Done);
        self.halt()?;

        self.lead(Step::FewShot);
        self.go_through(4, starts).await
    }

    /// Shows a step while the person follows along.
    fn lead(self, step: Step) {
        if self.follow.get_untracked() {
            self.show(step);
        }
    }

    /// Ends a list of jobs that the person has stopped.
    fn halt(self) -> Result<(), Failure> {
        if self.stopped() {
            return Err(Failure { kind: FailureKind::Cancelled, message: "Stopped.".into() });
        }
        Ok(())
    }

    /// Writes a file and hands it to the person's downloads.
    pub fn export(self, what: Export) {
        spawn_local(async move {
            match self.work("Writing a file", None, what).await {
                Ok(file) => {
                    if let Err(error) = browser::download(&file) {
                        self.problem(file.path, browser::reason(&error));
                    }
                }
                Err(failure) => self.failed("download", &failure),
            }
        });
    }

    /// Starts the engine anew on a device.
    pub fn use_device(self, device: DeviceChoice) {
        self.choices.update(|choices| choices.device = device);
        self.device.set(None);
        self.client().restart(device);
    }

    /// Reads the choices together with what there is.
    pub fn with_all<T>(self, read: impl FnOnce(&crate::ui::state::Choices, &[AdapterCard], &[DataCard]) -> T) -> T {
        let (adapters, data) = (self.adapters.get_untracked(), self.data.get_untracked());
        self.choices.with_untracked(|choices| read(choices, &adapters, &data))
    }

    /// The paused run of the chosen start, where there is one.
    #[must_use]
    pub fn paused(self) -> Option<RunReport> {
        self.runs.with(|runs| runs.iter().rev().find(|run| run.status == RunStatus::Paused).cloned())
    }

    /// Whether the merge is what the choices ask for.
    #[must_use]
    pub fn merge_standing(self) -> recipe::Line {
        self.line(Step::Merge)
    }
}

fn input(message: impl Into<String>) -> Failure {
    Failure { kind: FailureKind::Input, message: message.into() }
}
