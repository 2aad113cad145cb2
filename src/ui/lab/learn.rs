//! Episodes and runs: drawn, trained, paused, taken up again, taken away.

use super::work::input;
use super::{Lab, Live};
use crate::protocol::*;
use crate::ui::browser;
use crate::ui::state::origins::{self, Origin};
use crate::ui::state::{Start, Step, names};
use leptos::prelude::*;
use leptos::task::spawn_local;

impl Lab {
    /// Draws the chosen episode, where it is not the one that is drawn.
    pub fn draw(self) {
        self.attempt("Few-shot", self.draw_now());
    }

    pub(super) async fn draw_now(self) -> Result<(), Failure> {
        if self.is_sample.get_untracked() && self.data.with_untracked(Vec::is_empty) {
            self.load_sample().await?;
        }
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
        self.stop.set(false);
        self.attempt("Train", async move {
            let start = self.choices.with_untracked(|choices| choices.start.clone());
            self.need_plm().await?;
            self.draw_now().await?;
            self.train_now(&start, false).await
        });
    }

    /// Trains from a start; a run that is there already is left as it is where `keep`, else trained again.
    pub(super) async fn train_now(self, start: &Start, keep: bool) -> Result<(), Failure> {
        let trained = self.choices.with_untracked(|choices| choices.train.trained);
        let (from, words) = self.resolve(start).await?;
        let words = names::of_run(&words, trained);
        let name = self.origins.with_untracked(|origins| {
            self.runs.with_untracked(|runs| origins::called(&words, &from, trained, runs, origins))
        });
        let asked = self.with_all(|choices, _, data| choices.train(&name, from, data)).map_err(input)?;
        let there = |run: &RunReport| origins::alike(&run.asked, &asked) && run.status != RunStatus::Paused;
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
        self.stop.set(false);
        self.attempt("Resume", async move {
            let found = self.runs.with_untracked(|runs| runs.iter().find(|report| report.run == run).cloned());
            let Some(paused) = found else { return Ok(()) };
            let (name, start) = (paused.asked.name.clone(), paused.asked.start.clone());
            self.live.set(Some(Live { name: name.clone(), start, points: paused.curve, total: None }));
            let resume = Resume { train: paused.asked, run: Some(run), checkpoint: None };
            let report = self.work(&format!("Training {name}"), Some(Step::FewShot), resume).await;
            self.live.set(None);
            let report = report?;
            self.runs.update(|runs| runs.retain(|old| old.run != run));
            self.put_run(report);
            Ok(())
        });
    }

    /// A run in the place of what it goes on with: itself when it was paused, or one like it.
    fn put_run(self, report: RunReport) {
        let same = |old: &&RunReport| {
            origins::alike(&old.asked, &report.asked) && old.status == RunStatus::Paused && old.run != report.run
        };
        let before: Vec<_> = self.runs.with_untracked(|runs| runs.iter().filter(same).map(|old| old.run).collect());
        before.into_iter().for_each(|run| self.forget_run(run));
        self.runs.update(|runs| {
            runs.retain(|old| old.run != report.run);
            runs.push(report);
        });
    }

    /// Takes a run out of sight, and out of the engine.
    pub fn forget_run(self, run: RunId) {
        self.runs.update(|runs| runs.retain(|report| report.run != run));
        // Where the engine is gone, so is the run.
        spawn_local(async move { drop(self.ask(ForgetRun(run)).await) });
    }

    /// What a run starts from, made where it is not there yet, and its name. It is remembered, so that runs can be told
    /// apart.
    async fn resolve(self, start: &Start) -> Result<(RunStart, String), Failure> {
        let methods = self.methods.get_untracked();
        let mut spec = None;
        let (from, words) = match start {
            Start::Merged | Start::Average => {
                let merge = self.merge_now(start).await?;
                let words = self.loaded.with_untracked(|cards| names::of_merge(&merge.spec, &methods, cards));
                spec = Some(merge.spec);
                (RunStart::Adapter(merge.adapter.id), words)
            }
            Start::Single(name) => {
                let found = self.loaded.with_untracked(|cards| cards.iter().find(|c| &c.name == name).map(|c| c.id));
                let id = found.ok_or_else(|| input(format!("There is no adapter `{name}`: choose another start.")))?;
                (RunStart::Adapter(id), name.clone())
            }
            Start::Scratch => {
                let own = self.choices.with_untracked(|choices| choices.bottleneck);
                let usual = || self.plm.with_untracked(|plm| plm.as_ref().map(PlmCard::bottleneck));
                let bottleneck = own.or_else(usual).ok_or_else(|| input("There is no model: choose one."))?;
                (RunStart::Scratch { bottleneck }, names::of_scratch(own))
            }
            Start::HeadOnly => (RunStart::HeadOnly, start.label()),
        };
        let origin = self.loaded.with_untracked(|cards| Origin::new(&from, spec.as_ref(), &methods, cards));
        self.origins.update(|origins| {
            if origins::of(origins, &from).is_none() {
                origins.push(origin);
            }
        });
        Ok((from, words))
    }

    /// Writes a file and hands it to the person's downloads.
    pub fn export(self, what: Export) {
        self.attempt("download", async move {
            self.save(&self.work("Writing a file", None, what).await?);
            Ok(())
        });
    }

    /// Hands a file to the person's downloads.
    pub fn save(self, file: &FileBytes) {
        if let Err(error) = browser::download(file) {
            self.problem(&*file.path, browser::reason(&error));
        }
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
}
