//! What sets experiments going, holds and ends them on the built page, with a model so small that runs take a moment; and
//! the experiment that the page opens with.
#![allow(clippy::unwrap_used)]

use anyhow::{Result, ensure};
use e2e::experiment::{begin, done, is, open, prepare, show};
use e2e::lab::{LONG, Lab, SOON};
use tempfile::TempDir;

/// More runs than are done before a button is pressed.
const LONG_ONE: (&str, &str) =
    ("long", "seeds = [1, 2, 3, 4, 5, 6, 7, 8]\nmethods = [\"scratch\", \"single\"]\n[training]\nepochs = 60");
const SHORT_ONE: (&str, &str) =
    ("short", "seeds = [13]\nmethods = [\"majority\", \"sum\", \"fusion\"]\n[training]\nepochs = 2");
/// Goes on for as long as another tab takes to join in.
const SHARED_ONE: (&str, &str) =
    ("shared", "seeds = [1, 2, 3, 4, 5, 6]\nmethods = [\"scratch\", \"single\"]\n[training]\nepochs = 60");

/// The methods of the short one.
const METHODS: [&str; 3] = ["majority", "sum", "fusion"];

#[tokio::test]
async fn experiments_are_held_ended_and_done_one_after_the_other() -> Result<()> {
    let files = TempDir::new()?;
    let (long, short) = (prepare(files.path(), LONG_ONE)?, prepare(files.path(), SHORT_ONE)?);
    let lab = Lab::open("#/laboratory?device=cpu&workers=1").await?;
    let result = async {
        begin(&lab, &long, "long").await?;

        lab.press("pause-experiment").await?;
        is(&lab, "paused").await?;
        let (paused, all) = (done(&lab).await?, lab.number("laboratory-status", "data-all").await?);
        ensure!(all == 24.0 && (1.0..all).contains(&paused), "{paused} of {all} runs were done when it was paused");
        ensure!(lab.count("member").await? == 0, "it is paused, and workers are at it");
        lab.press("resume-experiment").await?;
        lab.until("laboratory-status", "data-done", LONG, |now| now.parse().is_ok_and(|now: f64| now > paused)).await?;

        // Another one waits for its turn, and has it when the first is stopped.
        open(&lab, &short, "short").await?;
        lab.press("run-experiment").await?;
        is(&lab, "queued").await?;
        show(&lab, "long").await?;
        lab.press("cancel-experiment").await?;
        is(&lab, "paused").await?;
        let stopped = done(&lab).await?;
        ensure!((paused + 1.0..all).contains(&stopped), "{stopped} of {all} runs were done when it was stopped");
        show(&lab, "short").await?;
        is(&lab, "done").await?;
        ensure!(done(&lab).await? == 3.0, "{} runs are done", done(&lab).await?);

        for form in ["export-markdown", "export-html"] {
            let text = std::fs::read_to_string(lab.download(form).await?)?;
            let missing: Vec<_> = METHODS.iter().filter(|method| !text.contains(**method)).collect();
            ensure!(missing.is_empty(), "{form} lacks {missing:?}: {text}");
        }

        lab.press("line[data-method=\"fusion\"] [data-testid=\"cell\"]").await?;
        lab.find("attention").await?;
        let attention = lab.texts("attention").await?.concat();
        ensure!(attention.contains("From left to right: first, second."), "{attention}");

        // What was stopped was not gone on with meanwhile.
        show(&lab, "long").await?;
        ensure!(done(&lab).await? == stopped, "{stopped} runs were done when it was stopped");
        ensure!(lab.texts("problem").await?.is_empty(), "{:?}", lab.texts("problem").await?);
        Ok(())
    };
    let result = result.await;
    lab.close_after("experiments_are_held_ended_and_done_one_after_the_other", result).await
}

#[tokio::test]
async fn the_sample_experiment_runs_on_either_model() -> Result<()> {
    const BOXES: [&str; 2] = ["use-plm-all-minilm-l6-v2", "use-plm-paraphrase-minilm-l3-v2"];
    let lab = Lab::open("#/laboratory?device=cpu&workers=1").await?;
    let result = async {
        lab.until("device-chip", "data-status", LONG, |status| status == "ready").await?;
        lab.until("sheet", "data-shown", SOON, |name| name == "sample").await?;
        lab.until("laboratory-status", "data-ready", LONG, |ready| ready == "true").await?;
        lab.press("run-experiment").await?;
        // The share of the largest class and the head alone come first.
        lab.until("laboratory-status", "data-done", LONG, |done| done.parse().is_ok_and(|done: f64| done >= 2.0))
            .await?;
        lab.press("cancel-experiment").await?;
        is(&lab, "paused").await?;
        let majority = "line[data-method=\"majority\"] [data-testid=\"cell\"][data-state=\"done\"]";
        let accuracy = lab.number(majority, "data-accuracy").await?;
        ensure!((accuracy - 1.0 / 3.0).abs() < 1e-6, "the largest of three equal classes has {accuracy}");
        let before = lab.attributes("cell[data-state=\"done\"]", "data-hash").await?;
        ensure!(before.len() >= 2, "{before:?}");

        // The other model has the same adapters; one model stays.
        let fixed = lab.attributes(BOXES[0], "disabled").await?;
        ensure!(fixed.len() == 1, "the only model can be taken out");
        lab.choose(BOXES[1]).await?;
        lab.until_count(&format!("{}[disabled]", BOXES[0]), SOON, 0).await?;
        lab.choose(BOXES[0]).await?;
        lab.until_count(&format!("{}[disabled]", BOXES[1]), SOON, 1).await?;
        lab.until("laboratory-status", "data-ready", SOON, |ready| ready == "true").await?;
        lab.press("run-experiment").await?;
        is(&lab, "running").await?;
        lab.until("laboratory-status", "data-done", LONG, |done| done != "0").await?;
        lab.press("cancel-experiment").await?;
        is(&lab, "paused").await?;
        let after = lab.attributes("cell[data-state=\"done\"]", "data-hash").await?;
        ensure!(!after.is_empty() && after.iter().all(|hash| !before.contains(hash)), "{before:?}, then {after:?}");
        ensure!(lab.texts("problem").await?.is_empty(), "{:?}", lab.texts("problem").await?);
        Ok(())
    };
    let result = result.await;
    lab.close_after("the_sample_experiment_runs_on_either_model", result).await
}

#[tokio::test]
async fn two_tabs_share_an_experiment() -> Result<()> {
    const LINK: &str = "#/laboratory?device=cpu&workers=1";
    let files = TempDir::new()?;
    let shared = prepare(files.path(), SHARED_ONE)?;
    let lab = Lab::open(LINK).await?;
    let result = async {
        begin(&lab, &shared, "shared").await?;

        let first = lab.client().window().await?;
        let second = lab.client().new_window(true).await?;
        lab.client().switch_to_window(second.handle).await?;
        lab.client().goto(&format!("{}{LINK}", lab.url())).await?;
        lab.until("device-chip", "data-status", LONG, |status| status == "ready").await?;
        show(&lab, "shared").await?;
        lab.press("resume-experiment").await?;
        is(&lab, "done").await?;
        let there = records(&lab).await?;
        ensure!(there.len() == 18, "{} runs are done", there.len());
        ensure!(lab.texts("problem").await?.is_empty(), "{:?}", lab.texts("problem").await?);

        // A run that both had done would have taken each its own time.
        lab.client().switch_to_window(first).await?;
        is(&lab, "done").await?;
        let here = records(&lab).await?;
        ensure!(here == there, "{here:?}, then {there:?}");
        ensure!(lab.texts("problem").await?.is_empty(), "{:?}", lab.texts("problem").await?);
        Ok(())
    };
    let result = result.await;
    lab.close_after("two_tabs_share_an_experiment", result).await
}

/// The lines of `records.jsonl`, in one order.
async fn records(lab: &Lab) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(lab.download("export-records").await?)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    Ok(lines)
}
