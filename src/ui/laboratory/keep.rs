//! What is kept in the browser: experiments with their plans, finished runs by hash.

use super::Laboratory;
use crate::protocol::*;
use crate::ui::browser::keep;
use crate::ui::state::hub;
use crate::ui::state::laboratory::bundle::path_of;
use crate::ui::state::laboratory::{Bundle, Experiment, Kept, KeptFile};
use leptos::prelude::*;
use std::sync::Arc;

/// What lines about keeping are about, so that the same one is told once.
pub(super) const STORAGE: &str = "storage";
const RUNS: &str = "runs/";
const EXPERIMENTS: &str = "experiments/";
/// What the address of a repository of the hub begins with.
const HUB: &str = "hub:";

fn place(name: &str) -> String {
    format!("{EXPERIMENTS}{}", name.replace('/', "_"))
}

impl Laboratory {
    /// Keeps a finished run.
    ///
    /// # Errors
    /// One line.
    pub(super) async fn keep_run(self, run: &FinishedRun) -> Result<(), String> {
        keep::put(&format!("{RUNS}{}", run.record.hash), run).await
    }

    /// Reads the runs of a plan that are kept and not here yet.
    pub(super) async fn recall(self, card: &ExperimentCard) {
        let mut found = Vec::new();
        for run in &card.runs {
            if self.records.with_untracked(|records| records.contains_key(&run.hash)) {
                continue;
            }
            if let Ok(Some(finished)) = keep::get::<FinishedRun>(&format!("{RUNS}{}", run.hash)).await {
                found.push((run.hash.clone(), Arc::new(finished)));
            }
        }
        if !found.is_empty() {
            self.records.update(|records| records.extend(found));
        }
    }

    /// Keeps the experiment of that name, its files and its plan.
    pub(super) async fn keep_experiment(self, name: &str) {
        let Some(one) = self.named(name) else { return };
        let place = place(name);
        let outcome = async {
            let mut files = Vec::new();
            for (number, source) in one.bundle.files.iter().enumerate() {
                let path = path_of(source).to_owned();
                match source {
                    FileSource::Bytes(file) => {
                        keep::put_bytes(&format!("{place}/files/{number}"), &file.bytes).await?;
                        files.push(KeptFile { path, url: None });
                    }
                    FileSource::Url { url, .. } => files.push(KeptFile { path, url: Some(url.clone()) }),
                    FileSource::Hub { id, revision } => {
                        files.push(KeptFile { path, url: Some(format!("{HUB}{}", hub::write(id, revision))) })
                    }
                }
            }
            let (toml, sheet, cards) = (one.bundle.toml.clone(), one.sheet.clone(), one.cards.clone());
            let kept = Kept { name: name.to_owned(), toml, files, sheet, cards };
            keep::put(&format!("{place}/experiment"), &kept).await
        };
        if let Err(line) = outcome.await {
            self.lab.problem(STORAGE, line);
        }
    }

    /// Brings back every experiment that is kept, with its runs.
    ///
    /// # Errors
    /// One line, when the browser keeps nothing for this page.
    pub(super) async fn recall_all(self) -> Result<(), String> {
        for name in keep::names(EXPERIMENTS).await?.into_iter().filter(|name| name.ends_with("/experiment")) {
            let Some(kept) = keep::get::<Kept>(&name).await? else { continue };
            let place = place(&kept.name);
            let mut files = Vec::new();
            for (number, file) in kept.files.into_iter().enumerate() {
                files.push(match file.url {
                    Some(url) => match url.strip_prefix(HUB) {
                        Some(repository) => hub::parse(repository)?,
                        None => FileSource::Url { path: file.path, url },
                    },
                    None => {
                        let bytes = keep::get_bytes(&format!("{place}/files/{number}")).await?.unwrap_or_default();
                        FileSource::Bytes(FileBytes { path: file.path, bytes })
                    }
                });
            }
            for card in &kept.cards {
                self.recall(card).await;
            }
            let bundle = Bundle { name: kept.name.clone(), toml: kept.toml, files: Arc::new(files), records: vec![] };
            let (sheet, cards) = (kept.sheet, kept.cards);
            let mut experiment = Experiment { bundle, sheet, cards, ..Experiment::default() };
            experiment.status =
                self.records.with_untracked(|records| experiment.standing(|hash| records.contains_key(hash)));
            self.experiments.update(|all| match all.iter_mut().find(|one| one.bundle.name == kept.name) {
                Some(one) => *one = experiment,
                None => all.push(experiment),
            });
        }
        Ok(())
    }

    /// Forgets an experiment and its files.
    pub(super) async fn forget_experiment(self, name: &str) {
        for name in keep::names(&format!("{}/", place(name))).await.unwrap_or_default() {
            keep::forget(&name).await;
        }
    }
}
