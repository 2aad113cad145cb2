//! What is made of adapters: alignments and merges.

use super::Lab;
use super::work::input;
use crate::protocol::*;
use crate::ui::state::{Start, Step, names, recipe};
use leptos::prelude::*;

impl Lab {
    /// Aligns as chosen.
    pub fn align(self) {
        self.stop.set(false);
        self.attempt("Align", self.align_now());
    }

    pub(super) async fn align_now(self) -> Result<(), Failure> {
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
        self.stop.set(false);
        self.attempt("Merge", async move { self.merge_now(&Start::Merged).await.map(drop) });
    }

    /// The merge for a start, made where it has not been yet.
    pub(super) async fn merge_now(self, start: &Start) -> Result<MergeReport, Failure> {
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
        let plm = self.plm.get_untracked();
        let made = self.merges.with_untracked(|merges| recipe::made(merges, &spec, plm.as_ref()).cloned());
        if let Some(made) = made {
            return Ok(made);
        }
        if spec.texts != Texts::None {
            self.need_plm().await?;
        }
        let name = self.loaded.with_untracked(|cards| names::of_merge(&spec, &methods, cards));
        let taken =
            |name: &str| self.merges.with_untracked(|merges| merges.iter().any(|merge| merge.adapter.name == name));
        let name = names::free(&name, taken);
        let label = format!("Merging by {name}");
        let report = self.work(&label, Some(Step::Merge), Merge { name, spec }).await?;
        self.merges.update(|merges| merges.push(report.clone()));
        Ok(report)
    }
}
