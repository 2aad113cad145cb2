//! What an experiment on the built page loses when a worker dies, or the browser's storage is full, in the middle: nothing
//! that was done, and its numbers are those of `mera run`.
#![allow(clippy::unwrap_used)]

use anyhow::{Result, ensure};
use e2e::driver::devtools;
use e2e::experiment::{begin, done, is, prepare};
use e2e::lab::Lab;
use e2e::native::{accuracies_of, mera};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;

/// Goes on for long enough to be disturbed.
const SETTINGS: &str = "seeds = [1, 2, 3, 4]\nmethods = [\"scratch\", \"single\"]\n[training]\nepochs = 40";
/// Its runs: from scratch and from each of two adapters, a seed each.
const RUNS: usize = 12;
/// A worker of its own for the runs.
const LINK: &str = "#/laboratory?device=cpu&workers=1";

#[tokio::test]
async fn a_worker_that_dies_costs_no_number() -> Result<()> {
    let files = TempDir::new()?;
    let folder = prepare(files.path(), ("dies", SETTINGS))?;
    let lab = Lab::open(LINK).await?;
    let result = async {
        let hold = "window.held = []; const Own = window.Worker; \
            window.Worker = class extends Own { constructor(...how) { super(...how); window.held.push(this); } };";
        lab.client().execute(hold, vec![]).await?;
        begin(&lab, &folder, "dies").await?;
        let kill = "const held = window.held.splice(0); \
            for (const worker of held) { worker.terminate(); worker.dispatchEvent(new ErrorEvent('error', { message: 'out of memory' })); } \
            return held.length;";
        let killed = lab.client().execute(kill, vec![]).await?;
        ensure!(killed.as_u64() > Some(0), "there was no worker to lose");
        let before = done(&lab).await?;
        ensure!(before < RUNS as f64, "all was done before a worker was lost");
        is(&lab, "done").await?;
        same(&accuracies(&lab).await?, &natively(&folder.join("dies.toml"), files.path())?)
    };
    let result = result.await;
    lab.close_after("a_worker_that_dies_costs_no_number", result).await
}

#[tokio::test]
async fn a_full_storage_costs_what_comes_after_and_is_told() -> Result<()> {
    let files = TempDir::new()?;
    let folder = prepare(files.path(), ("full", SETTINGS))?;
    let lab = Lab::open(LINK).await?;
    let result = async {
        begin(&lab, &folder, "full").await?;
        quota(&lab, Some(1)).await?;
        is(&lab, "done").await?;
        let all = accuracies(&lab).await?;
        let told = lab.texts("problem").await?;
        ensure!(
            told.len() == 1 && told.concat().contains("this browser's storage for the page is full"),
            "of a full storage the page says {told:?}"
        );

        // What was kept before is there, and the rest is done again to the same numbers.
        quota(&lab, None).await?;
        lab.client().refresh().await?;
        is(&lab, "paused").await?;
        let kept = accuracies(&lab).await?;
        ensure!((1..RUNS).contains(&kept.len()), "{} of {RUNS} runs were kept", kept.len());
        lab.press("resume-experiment").await?;
        is(&lab, "done").await?;
        same(&accuracies(&lab).await?, &all)
    };
    let result = result.await;
    lab.close_after("a_full_storage_costs_what_comes_after_and_is_told", result).await
}

/// How many bytes the browser grants the page; by itself, as many as it likes.
async fn quota(lab: &Lab, bytes: Option<u64>) -> Result<()> {
    let origin = url::Url::parse(&lab.url())?.origin().ascii_serialization();
    let mut parameters = json!({ "origin": origin });
    if let Some(bytes) = bytes {
        parameters["quotaSize"] = json!(bytes);
    }
    devtools(lab.client(), "Storage.overrideQuotaForOrigin", parameters).await.map(drop)
}

/// Accuracies by hash, out of the records that the page gives.
async fn accuracies(lab: &Lab) -> Result<BTreeMap<String, f64>> {
    accuracies_of(&lab.download("export-records").await?)
}

/// The same, from the start, by the command.
fn natively(experiment: &Path, place: &Path) -> Result<BTreeMap<String, f64>> {
    let out = place.join("natively");
    mera(&["run".into(), experiment.into(), "-o".into(), out.clone().into()])?;
    accuracies_of(&out.join("records.jsonl"))
}

fn same(page: &BTreeMap<String, f64>, other: &BTreeMap<String, f64>) -> Result<()> {
    ensure!(page.len() == RUNS, "{} of {RUNS} runs are done", page.len());
    ensure!(page.keys().eq(other.keys()), "the runs are {:?}, and {:?}", page.keys(), other.keys());
    for (hash, accuracy) in page {
        let difference = (accuracy - other[hash]).abs();
        ensure!(difference < 1e-6, "{hash} is {accuracy}, and {}", other[hash]);
    }
    Ok(())
}
