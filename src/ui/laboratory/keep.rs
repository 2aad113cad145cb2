//! What is kept in the browser: experiments with their plans, finished runs by hash.

use super::{Laboratory, SAMPLE};
use crate::protocol::*;
use crate::ui::browser::{self, keep};
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
        let name = format!("{RUNS}{}", run.record.hash);
        // A record is never written over, not even from another tab.
        if keep::has(&name).await { Ok(()) } else { keep::put(&name, run).await }
    }

    /// Whether the run of that hash is done, as far as is known here.
    pub(super) fn is_done(self, hash: &str) -> bool {
        self.records.with_untracked(|records| records.contains_key(hash))
    }

    /// Reads the runs of these hashes that are kept and not here yet.
    pub(super) async fn recall(self, hashes: impl Iterator<Item = &String>) {
        let mut found = Vec::new();
        for hash in hashes {
            if self.is_done(hash) {
                continue;
            }
            if let Ok(Some(finished)) = keep::get::<FinishedRun>(&format!("{RUNS}{hash}")).await {
                found.push((hash.clone(), Arc::new(finished)));
            }
        }
        if !found.is_empty() {
            self.records.update(|records| records.extend(found));
        }
    }

    /// Keeps the experiment of that name, its files and its plan. The files that were kept of it before stay until what
    /// names the new ones is kept as well.
    pub(super) async fn keep_experiment(self, name: &str) {
        let turn = self.keeping.get_value();
        let _turn = turn.lock().await;
        let Some(one) = self.named(name) else { return };
        let place = place(name);
        let stamp = one.kept.clone().unwrap_or_else(browser::stamp);
        let outcome = async {
            let mut files = Vec::new();
            for (number, source) in one.bundle.files.iter().enumerate() {
                let path = path_of(source).to_owned();
                match source {
                    FileSource::Bytes(file) => {
                        if one.kept.is_none() {
                            keep::put_bytes(&format!("{place}/{stamp}/{number}"), &file.bytes).await?;
                        }
                        files.push(KeptFile { path, url: None });
                    }
                    FileSource::Url { url, .. } => files.push(KeptFile { path, url: Some(url.clone()) }),
                    FileSource::Hub { id, revision } => {
                        files.push(KeptFile { path, url: Some(format!("{HUB}{}", hub::write(id, revision))) })
                    }
                }
            }
            let Bundle { toml, records, .. } = one.bundle.clone();
            let (sheet, cards, changed) = (one.sheet.clone(), one.cards.clone(), one.is_stale());
            let kept =
                Kept { name: name.to_owned(), toml, files, stamp: stamp.clone(), records, changed, sheet, cards };
            keep::put(&format!("{place}/experiment"), &kept).await
        };
        if let Err(line) = outcome.await {
            return self.lab.problem(STORAGE, line);
        }
        if one.kept.is_none() {
            self.change(name, |now| {
                if Arc::ptr_eq(&now.bundle.files, &one.bundle.files) {
                    now.kept = Some(stamp.clone());
                }
            });
            let own = [format!("{place}/{stamp}/"), format!("{place}/experiment")];
            for older in keep::names(&format!("{place}/")).await.unwrap_or_default() {
                if !own.iter().any(|own| older.starts_with(own)) {
                    keep::forget(&older).await;
                }
            }
        }
    }

    /// Brings back every experiment that is kept, with its runs.
    ///
    /// # Errors
    /// One line, when the browser keeps nothing for this page.
    pub(super) async fn recall_all(self) -> Result<(), String> {
        for name in keep::names(EXPERIMENTS).await?.into_iter().filter(|name| name.ends_with("/experiment")) {
            let Some(kept) = keep::get::<Kept>(&name).await? else { continue };
            // What was opened since the page was loaded is newer; the sample is what was kept of it.
            if kept.name != SAMPLE && self.named(&kept.name).is_some() {
                continue;
            }
            let place = place(&kept.name);
            let mut files = Vec::new();
            for (number, file) in kept.files.into_iter().enumerate() {
                files.push(match file.url {
                    Some(url) => match url.strip_prefix(HUB) {
                        Some(repository) => hub::parse(repository)?,
                        None => FileSource::Url { path: file.path, url },
                    },
                    None => {
                        let name = format!("{place}/{}/{number}", kept.stamp);
                        // What is gone is missing, and the experiment says so.
                        let Some(bytes) = keep::get_bytes(&name).await? else { continue };
                        FileSource::Bytes(FileBytes { path: file.path, bytes })
                    }
                });
            }
            for card in &kept.cards {
                self.recall(card.runs.iter().map(|run| &run.hash)).await;
            }
            let (files, records) = (Arc::new(files), kept.records);
            let bundle = Bundle { name: kept.name.clone(), toml: kept.toml, files, records };
            let (sheet, cards) = (kept.sheet, kept.cards);
            let mut experiment = Experiment { bundle, sheet, cards, kept: Some(kept.stamp), ..Experiment::default() };
            if !kept.changed {
                experiment.status = experiment.standing(&|hash| self.is_done(hash));
            }
            self.experiments.update(|all| match all.iter_mut().find(|one| one.bundle.name == kept.name) {
                Some(one) => *one = experiment,
                None => all.push(experiment),
            });
        }
        Ok(())
    }

    /// Forgets all that is kept. What is in sight stays, and is kept whole when it is next.
    pub async fn forget_all(self) {
        keep::forget_all().await;
        self.experiments.update(|all| all.iter_mut().for_each(|one| one.kept = None));
    }

    /// Forgets an experiment and its files.
    pub(super) async fn forget_experiment(self, name: &str) {
        for name in keep::names(&format!("{}/", place(name))).await.unwrap_or_default() {
            keep::forget(&name).await;
        }
    }
}
