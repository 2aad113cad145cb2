//! An experiment of one's own on the built page: dropped, run, the tab reloaded in the middle, gone on with, saved, and
//! its numbers against those of `mera run` on what was saved.
#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, ensure};
use e2e::lab::{Lab, SOON, in_unit_interval};
use e2e::native::{accuracies_of, mera, unzip};
use e2e::root;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// How long one long step may take on a busy machine without a GPU.
const LONG: Duration = Duration::from_secs(180);

/// Of the experiment and its variant: three methods, two seeds.
const RUNS: usize = 6;

/// Two methods and two seeds of the sample, cut short.
const EXPERIMENT: &str = r#"
plm = "models/all-minilm-l6-v2"
shots = [2]
seeds = [13, 21]
methods = ["scratch", "average"]

[training]
epochs = 1
learning_rates = [1e-3]
max_length = 32

[[adapters]]
name = "mnli"
path = "adapters/mnli"
track = "NLI"

[[adapters]]
name = "snli"
path = "adapters/snli"
track = "NLI"

[[targets]]
name = "own"
train = "data/own.tsv"
track = "NLI"
"#;

#[tokio::test]
async fn an_experiment_survives_its_tab() -> Result<()> {
    let files = TempDir::new()?;
    let folder = prepare(files.path())?;
    let lab = Lab::open("#/laboratory?device=cpu&workers=1").await?;
    let result = async {
        lab.until("device-chip", "data-status", LONG, |status| status == "ready").await?;
        lab.drop_files(&[&folder]).await?;
        lab.until("sheet", "data-shown", SOON, |name| name == "short").await?;
        lab.until("laboratory-status", "data-ready", LONG, |ready| ready == "true").await?;
        // One more method, out of the form: it stands in the file that the workers read.
        lab.press("add-variant").await?;
        lab.fill("variant-method", "average").await?;
        lab.until("variant", "data-name", SOON, |name| name == "average_keep").await?;
        lab.until("laboratory-status", "data-ready", SOON, |ready| ready == "true").await?;
        // Before any training: how good the adapters look for the target.
        lab.press("score-adapters").await?;
        lab.until_count("scores", LONG, 1).await?;
        ensure!(lab.count("scoring").await? == 0, "the scores are there and still on their way");
        let scores = std::fs::read_to_string(lab.download_of_figure("Before training", "CSV").await?)?;
        let (bars, values): (Vec<_>, Vec<_>) =
            scores.lines().skip(1).map(|line| line.split_once(',').unwrap_or_default()).unzip();
        ensure!(bars == ["none", "mnli", "snli"] && values.iter().all(|value| in_unit_interval(value)), "{scores}");
        lab.press("run-experiment").await?;
        lab.until("laboratory-status", "data-done", LONG, |done| done != "0").await?;

        lab.client().refresh().await?;
        lab.until("laboratory-status", "data-status", LONG, |status| status == "paused").await?;
        let before = accuracies(&lab).await?;
        ensure!((1..RUNS).contains(&before.len()), "{} of {RUNS} runs were kept", before.len());
        lab.press("resume-experiment").await?;
        lab.until("laboratory-status", "data-status", LONG, |status| status == "done").await?;
        let page = accuracies(&lab).await?;
        let problems = lab.texts("problem").await?;
        ensure!(page.len() == RUNS, "{} of {RUNS} runs are done; the page says {problems:?}", page.len());
        for (hash, accuracy) in &before {
            ensure!(
                page.get(hash) == Some(accuracy),
                "{hash} was {accuracy} before the reload, now {:?}",
                page.get(hash)
            );
        }

        lab.until("line:last-child", "data-mean", SOON, |mean| !mean.is_empty()).await?;
        let costs = lab.texts("line td[data-cost=\"A step\"]").await?;
        ensure!(costs.len() == 3 && costs.iter().all(|cost| cost.parse::<f64>().is_ok()), "a step takes {costs:?} ms");

        // A run that is opened shows what it confuses.
        lab.press("cell[data-state=\"done\"]").await?;
        lab.find("confusion").await?;

        let saved = lab.download("save-experiment").await?;
        let native = natively(&saved, files.path())?;
        ensure!(
            native.keys().eq(page.keys()),
            "the runs are {:?} natively, {:?} on the page",
            native.keys(),
            page.keys()
        );
        for (hash, accuracy) in &native {
            let difference = (accuracy - page[hash]).abs();
            ensure!(difference < 1e-4, "{hash} is {accuracy} natively, {} on the page", page[hash]);
        }
        forget(&lab).await?;
        ensure!(lab.texts("problem").await?.is_empty(), "{:?}", lab.texts("problem").await?);
        Ok(())
    };
    let result = result.await;
    lab.close_after("an_experiment_survives_its_tab", result).await
}

/// All that is kept goes when a person has said so twice, and not before.
async fn forget(lab: &Lab) -> Result<()> {
    lab.press("page-device").await?;
    lab.press("kept-delete").await?;
    lab.client().dismiss_alert().await?;
    lab.client().refresh().await?;
    lab.press("kept-delete").await?;
    lab.client().accept_alert().await?;
    lab.until_count("kept-runs", SOON, 0).await
}

/// Accuracies by hash, as the table shows them.
async fn accuracies(lab: &Lab) -> Result<BTreeMap<String, f64>> {
    let done = "cell[data-state=\"done\"]";
    let hashes = lab.attributes(done, "data-hash").await?;
    let values = lab.attributes(done, "data-accuracy").await?;
    let values = values.iter().map(|value| value.parse()).collect::<Result<Vec<f64>, _>>()?;
    Ok(hashes.into_iter().zip(values).collect())
}

/// A folder with the experiment, sample adapters, and eight rows a label of the sample task.
fn prepare(place: &Path) -> Result<PathBuf> {
    let folder = place.join("short");
    for name in ["mnli", "snli"] {
        let into = folder.join("adapters").join(name);
        std::fs::create_dir_all(&into)?;
        for file in ["adapter_config.json", "adapter.safetensors"] {
            std::fs::copy(root().join("www/samples/adapters/all-minilm-l6-v2").join(name).join(file), into.join(file))?;
        }
    }
    let task = std::fs::read_to_string(root().join("www/samples/task/everyday-nli.tsv"))?;
    let mut seen = BTreeMap::<&str, usize>::new();
    let few = task.lines().filter(|line| {
        let count = seen.entry(line.split('\t').next().unwrap_or_default()).or_default();
        *count += 1;
        *count <= 8
    });
    let few: Vec<&str> = few.collect();
    std::fs::create_dir(folder.join("data"))?;
    std::fs::write(folder.join("data/own.tsv"), few.join("\n"))?;
    std::fs::write(folder.join("short.toml"), EXPERIMENT)?;
    Ok(folder)
}

/// Runs what the page saved, from the start, and returns the accuracies by hash.
fn natively(saved: &Path, place: &Path) -> Result<BTreeMap<String, f64>> {
    let folder = place.join("saved");
    for (path, bytes) in unzip(saved)? {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().context("a file without a folder")?)?;
        std::fs::write(path, bytes)?;
    }
    let kept = std::fs::read_to_string(folder.join("experiment-results/records.jsonl"))?;
    ensure!(kept.lines().count() == RUNS, "the page saved {} records", kept.lines().count());
    ensure!(kept.lines().all(|line| line.contains("\"peak_memory\":")), "a record does not tell of memory");
    let out = folder.join("anew");
    // The model is served with the page and too large to be saved with every experiment.
    let plm = root().join("www/models/all-minilm-l6-v2");
    mera(&[
        "run".into(),
        folder.join("experiment.toml").into(),
        "--plm".into(),
        plm.into(),
        "-o".into(),
        out.clone().into(),
    ])?;
    accuracies_of(&out.join("records.jsonl"))
}
