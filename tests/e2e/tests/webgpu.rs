//! The page on WebGPU: a software adapter where there is no other, so with a tiny model.
#![allow(clippy::unwrap_used)]

use anyhow::{Result, ensure};
use e2e::lab::{LONG, Lab, in_unit_interval};
use e2e::root;
use std::path::PathBuf;
use tempfile::TempDir;

/// The whole way on WebGPU, a software adapter here, with a model small enough for it; and what is looked at beside it.
#[tokio::test]
async fn a_tiny_model_goes_all_the_way_on_webgpu() -> Result<()> {
    let folder = TempDir::new()?;
    let place = |from: &str, name: &str, files: &[&str]| -> Result<PathBuf> {
        let to = folder.path().join(name);
        std::fs::create_dir(&to)?;
        for file in files {
            std::fs::copy(root().join("tests/fixtures/model").join(from).join(file), to.join(file))?;
        }
        Ok(to)
    };
    let model = place("tiny", "tiny-bert", &["config.json", "tokenizer.json", "model.safetensors"])?;
    let adapter = ["adapter_config.json", "adapter.safetensors"];
    let adapters =
        [place("tiny_adapter/fusion/a", "first", &adapter)?, place("tiny_adapter/fusion/b", "second", &adapter)?];
    let task = root().join("www/samples/task/everyday-nli.tsv");

    let lab = Lab::open("#/lab/model?device=webgpu&k=2&epochs=4&length=32").await?;
    let result = async {
        lab.until("device-chip", "data-status", LONG, |status| status == "ready").await?;
        let device = lab.attributes("device-chip", "data-device").await?;
        ensure!(device == ["WebGPU"], "it runs on {device:?}");
        lab.drop_files(&[&model]).await?;
        lab.until("step-model", "data-standing", LONG, |standing| standing == "ready").await?;
        for (number, adapter) in adapters.iter().enumerate() {
            lab.drop_files(&[adapter]).await?;
            lab.until_count("adapter-row", LONG, number + 1).await?;
        }
        lab.until("similarity", "data-pairs", LONG, |pairs| pairs == "1").await?;
        let (stored, aligned) =
            (lab.number("similarity", "data-stored").await?, lab.number("similarity", "data-aligned").await?);
        ensure!(stored < aligned && aligned <= 1.0, "alike by {stored} as stored, by {aligned} aligned");
        lab.drop_files(&[&task]).await?;
        lab.until("step-few-shot", "aria-expanded", LONG, |open| open == "true").await?;

        lab.press("step-align").await?;
        lab.choose("align-by-activations").await?;
        lab.press("align-go").await?;
        lab.until("step-align", "data-standing", LONG, |standing| standing == "ready").await?;
        lab.press("step-merge").await?;
        lab.choose("method-mera_acts").await?;
        lab.press("merge-go").await?;
        lab.until("merge-row", "data-distance", LONG, |distance| !distance.is_empty()).await?;
        let (stored, aligned) =
            (lab.number("interference", "data-stored").await?, lab.number("interference", "data-aligned").await?);
        ensure!(aligned < stored && stored < 1.0, "{stored} is lost as stored, {aligned} aligned");
        lab.press("between-go").await?;
        lab.until("barriers", "data-aligned", LONG, |barrier| barrier.parse::<f64>().is_ok_and(|x| x >= 0.0)).await?;

        lab.press("step-few-shot").await?;
        lab.choose("start-merged").await?;
        lab.press("train").await?;
        lab.until("run-row", "data-status", LONG, |status| status == "finished").await?;
        ensure!(in_unit_interval(&lab.attributes("run-row", "data-accuracy").await?.concat()), "it has no accuracy");

        lab.press("page-device").await?;
        lab.press("bench-go").await?;
        lab.until("bench", "data-memory", LONG, |bytes| bytes.parse::<u64>().is_ok_and(|bytes| bytes > 1 << 20))
            .await?;
        let times = lab.attributes("bench-row", "data-ms").await?;
        ensure!(
            [2, 3].contains(&times.len()) && times.iter().all(|ms| ms.parse::<f64>().is_ok_and(|ms| ms > 0.0)),
            "{times:?}"
        );
        for time in ["interactive", "ready"] {
            ensure!(lab.texts(time).await?.iter().all(|text| text.contains('s')), "no time to {time}");
        }
        ensure!(lab.texts("problem").await?.is_empty(), "{:?}", lab.texts("problem").await?);
        Ok(())
    };
    let result = result.await;
    lab.close_after("a_tiny_model_goes_all_the_way_on_webgpu", result).await
}
