//! What is looked at beside the way from adapters to a run: how alike adapters are, what lies between two of them, how
//! fast this device is.

use super::Lab;
use super::work::input;
use crate::protocol::*;
use crate::ui::browser;
use crate::ui::state::Step;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::Serialize;

/// Pairs grow with the square of the adapters, and nobody reads more panels.
const MOST_ALIKE: usize = 6;

/// What was measured, with what only a page knows.
#[derive(Serialize)]
struct Figures {
    #[serde(flatten)]
    report: BenchReport,
    adapter: String,
    cores: usize,
    interactive_s: Option<f64>,
    ready_s: Option<f64>,
    browser: String,
}

impl Lab {
    /// Asks how alike the adapters in sight are, where it is not known; without being told to, for it takes a moment only.
    pub fn look_how_alike(self) {
        let adapters: Vec<AdapterId> = self.loaded.with(|cards| cards.iter().map(|card| card.id).collect());
        let known = self.similarity.with_untracked(|known| known.as_ref().is_some_and(|(of, _)| *of == adapters));
        if known || !(2..=MOST_ALIKE).contains(&adapters.len()) {
            return;
        }
        spawn_local(async move {
            match self.ask(ShowSimilarity { adapters: adapters.clone() }).await {
                Ok(found) => self.similarity.set(Some((adapters, found))),
                // Adapters of different kinds have none, and nobody asked.
                Err(failure) if failure.kind == FailureKind::Input => self.similarity.set(Some((adapters, vec![]))),
                Err(_) => {}
            }
        });
    }

    /// What measuring the line between the reference and an aligned adapter would ask.
    ///
    /// # Errors
    /// One line on what is missing.
    pub fn line_between(self, pair: usize) -> Result<ShowLine, String> {
        let aligned = self.alignment.with(|report| {
            let report = report.as_ref()?;
            Some((report.asked.clone(), report.pairs.get(pair)?.other))
        });
        let (align, other) = aligned.ok_or("Align two adapters first.")?;
        if self.is_sample.get() {
            return Err("Run the example, or load adapters and a data set of your own.".into());
        }
        let episode = self.chosen_episode().ok_or("Drop a data set with labels to measure on.")?;
        Ok(ShowLine { align, other, episode })
    }

    /// Measures the line between the reference and an aligned adapter.
    pub fn measure_line(self, pair: usize) {
        let Ok(asked) = untrack(|| self.line_between(pair)) else { return };
        self.stop.set(false);
        self.attempt("Line", async move {
            self.need_plm().await?;
            let label = format!("Measuring the way to {}", untrack(|| self.name(asked.other)));
            let report = self.work(&label, Some(Step::Merge), asked.clone()).await?;
            self.between.set(Some((asked, report)));
            Ok(())
        });
    }

    /// Measures how fast the engine is here.
    pub fn bench(self) {
        self.stop.set(false);
        self.attempt("Bench", async move {
            self.benchmark.set(Some(self.work("Measuring this device", None, Bench::default()).await?));
            Ok(())
        });
    }

    /// Puts what was measured on the clipboard, as `mera bench --json` prints it, with what only a page knows.
    pub fn copy_bench(self) {
        let Some(report) = self.benchmark.get_untracked() else { return };
        let adapter = self.device.with_untracked(|device| device.as_ref().map(|device| device.adapter.clone()));
        let figures = Figures {
            report,
            adapter: adapter.unwrap_or_default(),
            cores: browser::cores(),
            interactive_s: self.interactive.get_untracked(),
            ready_s: self.ready.get_untracked(),
            browser: browser::user_agent(),
        };
        self.attempt("Copy", async move {
            let text = browser::json::write(&figures, true).map_err(input)?;
            if !browser::copy(&text).await {
                return Err(input("the browser does not let the page write to the clipboard"));
            }
            self.inform("", "The figures are on the clipboard.");
            Ok(())
        });
    }
}
