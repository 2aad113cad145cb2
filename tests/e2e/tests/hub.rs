//! Models and adapters by their ids, from a server that answers as the hub does, well and badly.
#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, ensure};
use e2e::hub::{File, Hub, Repositories};
use e2e::lab::{LONG, Lab, SOON};
use e2e::root;
use std::time::Instant;

/// A model and an adapter by their ids, and what is told when the hub or the network fails.
#[tokio::test]
async fn model_and_adapter_come_from_the_hub() -> Result<()> {
    let hub = Hub::start(repositories()?)?;
    let lab = Lab::open(&format!("?hub={}#/lab/model?device=cpu", hub.url())).await?;
    let result = async {
        lab.until("device-chip", "data-status", LONG, |status| status == "ready").await?;
        lab.fill("hub-plm", "tiny/bert").await?;
        lab.press("hub-plm-go").await?;
        lab.until("step-model", "data-standing", LONG, |standing| standing == "ready").await?;
        let said = lab.client().find(fantoccini::Locator::Css("main h2")).await?.text().await?;
        ensure!(said == "tiny/bert", "the model is called {said}");

        lab.press("step-adapters").await?;
        lab.fill("hub-adapter", "https://huggingface.co/tiny/adapter/tree/main").await?;
        lab.press("hub-adapter-go").await?;
        lab.until("adapter-row", "data-name", LONG, |name| name == "a").await?;
        ensure!(lab.count("adapter-row").await? == 1, "there are other adapters beside the one from the hub");

        for (number, (id, words)) in [
            ("tiny/none", "tiny/none: the hub has no such public repository (it answers 401"),
            ("tiny/adapter@nowhere", "tiny/adapter at nowhere: the hub has no such revision (it answers 404"),
            ("tiny/broken-off", "adapter.safetensors: the download broke off after"),
            ("tiny/short", "tiny/short/adapter.safetensors"),
            ("tiny/readme", "tiny/readme: none of its files is one of config.json"),
        ]
        .into_iter()
        .enumerate()
        {
            lab.fill("hub-adapter", id).await?;
            lab.press("hub-adapter-go").await?;
            lab.until_count("problem", LONG, number + 1).await?;
            let lines = lab.texts("problem").await?;
            let line = lines.last().context("no line")?.replace('\n', " ");
            println!("{id}: {line}");
            ensure!(line.contains(words), "{id} is told as {line:?}, without {words:?}");
            ensure!(lab.count("adapter-row").await? == 1, "an adapter came or went with {id}");
        }

        // A server that says nothing more is no reason to wait.
        let problems = lab.count("problem").await?;
        lab.fill("hub-adapter", "tiny/stalled").await?;
        lab.press("hub-adapter-go").await?;
        lab.until_count("cancel", SOON, 1).await?;
        let pressed = Instant::now();
        lab.press("cancel").await?;
        lab.until_count("cancel", SOON, 0).await?;
        println!("a stalled download was given up after {:?}", pressed.elapsed());
        ensure!(lab.count("problem").await? == problems, "what was cancelled is told as a problem");
        lab.press("step-adapters").await?;
        ensure!(lab.count("adapter-row").await? == 1, "an adapter came or went with the stalled download");
        Ok(())
    };
    let result = result.await;
    lab.close_after("model_and_adapter_come_from_the_hub", result).await
}

/// What the hub of the test has.
fn repositories() -> Result<Repositories> {
    let fixture = |path: &str| {
        let path = root().join("tests/fixtures/model").join(path);
        std::fs::read(&path).with_context(|| format!("{} can't be read", path.display()))
    };
    let mut repositories = Repositories::new();
    let mut add = |id: &str, name: &str, file| repositories.entry(id.to_owned()).or_default().insert(name.into(), file);
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        add("tiny/bert", name, File::Whole(fixture(&format!("tiny/{name}"))?));
    }
    let config = fixture("tiny_adapter/fusion/a/adapter_config.json")?;
    let weights = fixture("tiny_adapter/fusion/a/adapter.safetensors")?;
    for (id, weights) in [
        ("tiny/adapter", File::Whole(weights.clone())),
        ("tiny/broken-off", File::BrokenOff(weights.clone())),
        ("tiny/short", File::Short(weights.clone())),
        ("tiny/stalled", File::Stalled(weights)),
    ] {
        add(id, "adapter_config.json", File::Whole(config.clone()));
        add(id, "adapter.safetensors", weights);
        add(id, "README.md", File::Whole(b"not fetched".to_vec()));
    }
    add("tiny/readme", "README.md", File::Whole(b"not fetched".to_vec()));
    Ok(repositories)
}
