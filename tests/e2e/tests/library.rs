//! Adapters as the Python library writes them, with heads, dropped on the built page: what becomes of them is what the
//! native command makes of them, down to the accuracy after training.
#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, ensure};
use e2e::lab::{LONG, Lab, SOON};
use e2e::native::{largest_difference, mera};
use e2e::root;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// One in the library's format of torch, one in that of safetensors.
const ADAPTERS: [&str; 2] = ["bin", "safetensors"];

#[tokio::test]
async fn adapters_of_the_library_are_merged_and_trained_as_the_command_does() -> Result<()> {
    let files = Files::prepare()?;
    let lab = Lab::open("#/lab/adapters?device=cpu").await?;
    let result = async {
        lab.until("device-chip", "data-status", LONG, |status| status == "ready").await?;
        for (index, folder) in files.adapters.iter().enumerate() {
            lab.drop_files(&[folder]).await?;
            lab.until_count("adapter-row", LONG, index + 1).await?;
        }
        ensure!(lab.attributes("adapter-row", "data-name").await? == ADAPTERS, "the adapters are called otherwise");
        rename(&lab).await?;
        cancel(&lab).await?;
        merge(&lab, &files).await?;
        train(&lab, &files).await?;
        ensure!(lab.texts("problem").await?.is_empty(), "{:?}", lab.texts("problem").await?);
        Ok(())
    };
    let result = result.await;
    lab.close_after("adapters_of_the_library_are_merged_and_trained_as_the_command_does", result).await
}

/// The first adapter gets another name by the keyboard alone, and its own again: the keyboard stays where it goes to.
async fn rename(lab: &Lab) -> Result<()> {
    let (control, null, tab) = ('\u{E009}', '\u{E000}', '\u{E004}');
    for name in ["renamed", ADAPTERS[0]] {
        lab.find("adapter-name").await?.send_keys(&format!("{control}a{null}{name}{tab}")).await?;
        lab.until("adapter-row", "data-name", SOON, |now| now == name).await?;
        let focused = lab.client().active_element().await?.attr("data-testid").await?;
        ensure!(focused.as_deref() == Some("adapter-track"), "after a rename the keyboard is at {focused:?}");
    }
    Ok(())
}

/// An alignment that reads many long texts is given up, and nothing of it is there.
async fn cancel(lab: &Lab) -> Result<()> {
    lab.press("step-align").await?;
    lab.choose("align-by-activations").await?;
    let text = "A person on a horse jumps over a broken down airplane in the rain. ".repeat(6);
    lab.fill("own-texts", &(0..200).map(|number| format!("{number} {text}\n")).collect::<String>()).await?;
    let standing = lab.attributes("step-align", "data-standing").await?;
    lab.press("align-go").await?;
    lab.press("cancel").await?;
    lab.until_count("cancel", SOON, 0).await?;
    let after = lab.attributes("step-align", "data-standing").await?;
    ensure!(after == standing && after != ["ready"], "a cancelled alignment is {after:?}, it was {standing:?}");
    Ok(())
}

/// The plain average, its head the mean of the two.
async fn merge(lab: &Lab, files: &Files) -> Result<()> {
    let zip = lab.merge_by("average").await?;
    let name = zip.keys().next().and_then(|path| path.split('/').next()).context("the zip is empty")?;
    let folder = files.folder.path().join("merged").join(name);
    let mut words: Vec<OsString> = vec!["merge".into(), "--method".into(), "average".into(), "-o".into()];
    words.push(folder.clone().into());
    words.extend(files.adapters.iter().map(OsString::from));
    mera(&words)?;
    for file in ["adapter.safetensors", "model_head.safetensors"] {
        let page = zip.get(&format!("{name}/{file}")).with_context(|| format!("{:?} lacks {file}", zip.keys()))?;
        let difference = largest_difference(page, &std::fs::read(folder.join(file))?)?;
        ensure!(difference < 1e-6, "{file} of the page differs from the command's by {difference}");
    }
    let page = zip.get(&format!("{name}/head_config.json")).context("the head is not described")?;
    ensure!(*page == std::fs::read(folder.join("head_config.json"))?, "the heads are described otherwise");
    Ok(())
}

/// Few-shot training of the merge on the page, and of the same merge by `mera run`, where a seed is of examples and of
/// training at once: on the page they are two, and the one of training is 13.
async fn train(lab: &Lab, files: &Files) -> Result<()> {
    lab.train_merged(&files.data, 3).await?;
    lab.until("run-row", "data-status", LONG, |status| status == "finished").await?;
    let accuracy = lab.number("run-row", "data-accuracy").await?;
    let curve = std::fs::read_to_string(lab.download("run-row [data-testid=\"download-curve\"]").await?)?;

    let experiment = files.folder.path().join("experiment.toml");
    std::fs::write(&experiment, files.experiment()?)?;
    let results = files.folder.path().join("results");
    mera(&["run".into(), experiment.into(), "-o".into(), results.clone().into()])?;
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(results.join("records.jsonl"))?)?;
    let of_record = |key: &str| record[key].as_f64().with_context(|| format!("no {key} in {record}"));
    let dev_loss = of_record("dev_loss")?;
    let losses: Vec<f64> = curve.lines().filter_map(|line| line.split(',').nth(6)?.parse().ok()).collect();
    ensure!(
        losses.len() == 3 && losses.iter().any(|loss| (loss - dev_loss).abs() < 1e-4 * dev_loss),
        "the losses on dev are {losses:?}, in the record {dev_loss}:\n{curve}"
    );
    ensure!((accuracy - of_record("accuracy")?).abs() < 1e-6, "{accuracy} on the page, in the record {record}");
    Ok(())
}

/// What a visitor has.
struct Files {
    folder: TempDir,
    adapters: Vec<PathBuf>,
    data: PathBuf,
}

impl Files {
    fn prepare() -> Result<Self> {
        let folder = TempDir::new()?;
        let mut adapters = Vec::new();
        for name in ADAPTERS {
            let own = folder.path().join(name);
            std::fs::create_dir(&own)?;
            for entry in std::fs::read_dir(root().join("tests/fixtures/model/minilm_adapter").join(name))? {
                let path = entry?.path();
                // What the library computed with it is the parity tests' business.
                if path.file_name().is_some_and(|file| file != "expected.safetensors") {
                    std::fs::copy(&path, own.join(path.file_name().unwrap_or_default()))?;
                }
            }
            adapters.push(own);
        }
        let task = std::fs::read_to_string(root().join("www/samples/task/everyday-nli.tsv"))?;
        let data = folder.path().join("task.tsv");
        let rows: Vec<_> = task.lines().enumerate().filter(|(row, _)| *row == 0 || row % 4 == 1).collect();
        std::fs::write(&data, rows.into_iter().map(|(_, line)| format!("{line}\n")).collect::<String>())?;
        Ok(Self { folder, adapters, data })
    }

    fn experiment(&self) -> Result<String> {
        let path = |path: &Path| serde_json::to_string(path);
        let mut text = format!(
            "plm = {}\nshots = [2]\nseeds = [13]\nmethods = [\"average\"]\n[training]\nepochs = 3\nbatch_size = 3\n\
             learning_rates = [0.002]\nmax_length = 32\n[[targets]]\nname = \"task\"\ntrain = {}\n",
            path(&root().join("www/models/all-minilm-l6-v2"))?,
            path(&self.data)?
        );
        for (name, folder) in ADAPTERS.iter().zip(&self.adapters) {
            text += &format!("[[adapters]]\nname = \"{name}\"\npath = {}\n", path(folder)?);
        }
        Ok(text)
    }
}
