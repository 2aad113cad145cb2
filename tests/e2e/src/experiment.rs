//! Experiments on the page, with a model so small that runs take a moment.

use crate::lab::{LONG, Lab, SOON};
use crate::root;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Drops an experiment's folder, and waits until it can be run.
///
/// # Errors
/// When it is not taken.
pub async fn open(lab: &Lab, folder: &Path, name: &str) -> Result<()> {
    lab.drop_files(&[folder]).await?;
    lab.until("sheet", "data-shown", SOON, |shown| shown == name).await?;
    lab.until("laboratory-status", "data-ready", LONG, |ready| ready == "true").await?;
    Ok(())
}

/// Drops an experiment's folder once there is an engine, runs it, and waits until something of it is done.
///
/// # Errors
/// When it does not get so far.
pub async fn begin(lab: &Lab, folder: &Path, name: &str) -> Result<()> {
    lab.until("device-chip", "data-status", LONG, |status| status == "ready").await?;
    open(lab, folder, name).await?;
    lab.press("run-experiment").await?;
    lab.until("laboratory-status", "data-done", LONG, |done| done != "0").await?;
    Ok(())
}

/// Turns to another of the page's experiments.
///
/// # Errors
/// When there is none of that name.
pub async fn show(lab: &Lab, name: &str) -> Result<()> {
    lab.fill("experiment-select", name).await?;
    lab.until("sheet", "data-shown", SOON, |shown| shown == name).await?;
    Ok(())
}

/// Waits until the experiment in sight stands as wanted.
///
/// # Errors
/// When it does not.
pub async fn is(lab: &Lab, wanted: &str) -> Result<()> {
    lab.until("laboratory-status", "data-status", LONG, |status| status == wanted).await?;
    Ok(())
}

/// How many of its runs are done.
///
/// # Errors
/// When the page does not say.
pub async fn done(lab: &Lab) -> Result<f64> {
    lab.number("laboratory-status", "data-done").await
}

/// A folder with an experiment on the tiny model of the fixtures, the model, two adapters and the sample task; its file has
/// the experiment's name, and the settings as it has them.
///
/// # Errors
/// When a file is not there.
pub fn prepare(place: &Path, (name, settings): (&str, &str)) -> Result<PathBuf> {
    let folder = place.join(name);
    let put = |from: &str, to: &str, files: &[&str]| -> Result<()> {
        std::fs::create_dir_all(folder.join(to))?;
        for file in files {
            std::fs::copy(root().join(from).join(file), folder.join(to).join(file))
                .with_context(|| format!("{from}/{file}"))?;
        }
        Ok(())
    };
    put("tests/fixtures/model/tiny", "models/tiny", &["config.json", "tokenizer.json", "model.safetensors"])?;
    let adapter = ["adapter_config.json", "adapter.safetensors"];
    put("tests/fixtures/model/tiny_adapter/fusion/a", "adapters/first", &adapter)?;
    put("tests/fixtures/model/tiny_adapter/fusion/b", "adapters/second", &adapter)?;
    put("www/samples/task", "data", &["everyday-nli.tsv"])?;
    let toml = format!(
        "plm = \"models/tiny\"\nshots = [2]\n{settings}\nlearning_rates = [1e-3]\nmax_length = 32\n\
         [[adapters]]\nname = \"first\"\npath = \"adapters/first\"\n\
         [[adapters]]\nname = \"second\"\npath = \"adapters/second\"\n\
         [[targets]]\nname = \"own\"\ntrain = \"data/everyday-nli.tsv\"\n"
    );
    std::fs::write(folder.join(format!("{name}.toml")), toml)?;
    Ok(folder)
}
