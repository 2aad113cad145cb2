//! The whole way of a visitor, with real files dropped on the built page, and its numbers against the native command's.
#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, ensure};
use e2e::driver::devtools;
use e2e::lab::{LONG, Lab, SOON, in_unit_interval};
use e2e::native::{largest_difference, mera, mera_json, unzip, zip_folder};
use e2e::{path_from_environment, root};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The sample adapters, in the order in which they are dropped; the first is the reference.
const ADAPTERS: [&str; 3] = ["mnli", "snli", "paws"];

/// Whether the last of them takes part.
const LAST_USED: &str = "adapter-row:last-child [data-testid=\"adapter-use\"]";

/// The page shows the worked sample before there is an engine.
#[tokio::test]
async fn the_sample_is_there_before_the_engine() -> Result<()> {
    let folder = TempDir::new()?;
    let without_engine = folder.path().join("dist");
    std::fs::create_dir(&without_engine)?;
    for entry in std::fs::read_dir(path_from_environment("DIST")?)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if !name.to_string_lossy().starts_with("worker") {
            link(&path, &without_engine.join(name))?;
        }
    }
    let lab = Lab::open_folder(&without_engine, "#/lab/align").await?;
    let result = async {
        lab.find("align-facts").await?;
        ensure!(lab.count("run-example").await? == 1, "there is no button to run the example");
        let stored = std::fs::read(path_from_environment("DIST")?.join("samples/alignment.json"))?;
        let stored: serde_json::Value = serde_json::from_slice(&stored)?;
        compare_alignment(&lab, &stored["pairs"][0]).await?;
        lab.press("step-adapters").await?;
        lab.until_count("adapter-row", SOON, 3).await
    };
    let result = result.await;
    lab.close_after("the_sample_is_there_before_the_engine", result).await
}

/// One button goes the whole way on the sample; the page chooses the device itself and says why.
#[tokio::test]
async fn one_click_runs_the_example() -> Result<()> {
    let lab = Lab::open("#/lab/align?k=2&epochs=2&length=32").await?;
    let result = async {
        lab.press("run-example").await?;
        let finished = |status: &str| status == "finished" || status == "stopped early";
        lab.until("run-row", "data-status", 3 * LONG, finished).await?;
        lab.until("device-chip", "data-status", SOON, |status| status == "ready").await?;
        lab.press("step-results").await?;
        lab.until("result-row", "data-accuracy", LONG, in_unit_interval).await?;
        lab.find("off-track").await?;
        let told = lab.texts("off-track").await?.concat();
        ensure!(told.starts_with("paws (paraphrase) is of another track than everyday-nli (NLI)"), "{told}");
        ensure!(lab.texts("problem").await?.is_empty(), "{:?}", lab.texts("problem").await?);
        lab.press("page-device").await?;
        let said = lab.client().find(fantoccini::Locator::Css("main")).await?.text().await?;
        ensure!(said.contains("WebGPU"), "the page does not say what became of WebGPU: {said}");
        Ok(())
    };
    let result = result.await;
    lab.close_after("one_click_runs_the_example", result).await
}

/// The page redraws whenever a job ends: files fall into it even where what they were held over is gone by then. And a
/// drag whose end was never told leaves nothing over the page once the pointer moves.
#[tokio::test]
async fn a_drop_is_taken_though_the_page_redraws_under_it() -> Result<()> {
    let lab = Lab::open("#/lab/adapters?device=cpu").await?;
    let result = async {
        lab.until("device-chip", "data-status", LONG, |status| status == "ready").await?;
        let script = "const held = document.createElement('div'); held.id = 'held-over'; \
            held.style.cssText = 'position: fixed; inset: 0; z-index: 5'; document.body.append(held);";
        lab.client().execute(script, vec![]).await?;
        let adapter = sample("snli");
        lab.drag_files(&[&adapter], &["dragEnter", "dragOver"]).await?;
        lab.client().execute("document.getElementById('held-over').remove()", vec![]).await?;
        lab.drag_files(&[&adapter], &["drop"]).await?;
        lab.until_count("adapter-row", LONG, 1).await?;

        lab.drag_files(&[&adapter], &["dragEnter", "dragOver"]).await?;
        lab.until("drop-veil", "data-shown", SOON, |shown| shown == "true").await?;
        let moved = serde_json::json!({ "type": "mouseMoved", "x": 100, "y": 100 });
        devtools(lab.client(), "Input.dispatchMouseEvent", moved).await?;
        lab.press("step-merge").await?;
        ensure!(lab.texts("problem").await?.is_empty(), "{:?}", lab.texts("problem").await?);
        Ok(())
    };
    let result = result.await;
    lab.close_after("a_drop_is_taken_though_the_page_redraws_under_it", result).await
}

/// Three adapters and a data file of one's own, to a fine-tuned merge that Python loads.
#[tokio::test]
async fn own_files_all_the_way() -> Result<()> {
    let files = OwnFiles::prepare()?;
    let lab = Lab::open("#/lab/adapters?device=cpu").await?;
    let result = async {
        lab.until("device-chip", "data-status", LONG, |status| status == "ready").await?;
        let adapters = drop_adapters(&lab, &files).await?;
        bad_files(&lab, &files).await?;
        align(&lab, &files).await?;
        merge(&lab, &adapters).await?;
        learn(&lab, &files).await?;
        compare(&lab, &adapters).await
    };
    let result = result.await;
    lab.close_after("own_files_all_the_way", result).await
}

/// A folder, a zip and loose files; what the adapters are called.
async fn drop_adapters(lab: &Lab, files: &OwnFiles) -> Result<Vec<String>> {
    lab.drop_files(&[&files.folder]).await?;
    lab.until_count("adapter-row", LONG, 1).await?;
    lab.drop_files(&[&files.zip]).await?;
    lab.until_count("adapter-row", LONG, 2).await?;
    lab.drop_files(&files.loose.iter().map(PathBuf::as_path).collect::<Vec<_>>()).await?;
    lab.until_count("adapter-row", LONG, 3).await?;
    let names = lab.attributes("adapter-row", "data-name").await?;
    ensure!(names[..2] == ADAPTERS[..2], "the adapters are called {names:?}");
    Ok(names)
}

/// What can't be used is told, one line each, and nothing that was loaded is lost.
async fn bad_files(lab: &Lab, files: &OwnFiles) -> Result<()> {
    let before = lab.count("problem").await?;
    for (index, (path, named)) in files.bad.iter().enumerate() {
        lab.drop_files(&[path]).await?;
        lab.until_count("problem", LONG, before + index + 1).await?;
        let lines = lab.texts("problem").await?;
        let line = lines.last().context("no line")?;
        ensure!(line.contains(named), "{} is told as {line:?}, without {named:?}", path.display());
    }
    ensure!(lab.count("adapter-row").await? == 3, "an adapter got lost");
    Ok(())
}

async fn align(lab: &Lab, files: &OwnFiles) -> Result<()> {
    lab.press("step-align").await?;
    lab.choose("align-by-weights").await?;
    lab.choose("solver-exact").await?;
    lab.press("align-go").await?;
    lab.until("step-align", "data-standing", LONG, |standing| standing == "ready").await?;
    let native = |words: &[OsString], other: &str| {
        let files = [sample("mnli").into_os_string(), sample(other).into_os_string()];
        mera_json(&[&["align".into(), "--by".into()], words, &files].concat())
    };
    compare_alignment(lab, &native(&["weights".into()], "snli")?).await?;
    lab.press("pair-1").await?;
    compare_alignment(lab, &native(&["weights".into()], "paws")?).await?;

    // The plan as the page gives it away: a row a neuron, each with its share of the mass.
    let table = std::fs::read_to_string(lab.download_of_figure("Plan", "CSV").await?)?;
    let masses: Vec<f64> = table
        .lines()
        .skip(1)
        .map(|row| row.split(',').skip(1).filter_map(|mass| mass.parse::<f64>().ok()).sum())
        .collect();
    let share = 1.0 / masses.len() as f64;
    ensure!(masses.len() == 24 && masses.iter().all(|mass| (mass - share).abs() < 1e-6), "{masses:?} of\n{table}");

    // By what the neurons do on texts of one's own. All adapters that take part are looked at together, so the third
    // sits out.
    lab.press("step-adapters").await?;
    lab.choose(LAST_USED).await?;
    lab.press("step-align").await?;
    lab.choose("align-by-activations").await?;
    lab.fill("own-texts", &std::fs::read_to_string(&files.texts)?).await?;
    lab.until("step-align", "data-standing", SOON, |standing| standing == "stale").await?;
    lab.press("align-go").await?;
    lab.until("step-align", "data-standing", LONG, |standing| standing == "ready").await?;
    let plm = root().join("www/models/all-minilm-l6-v2");
    let words = ["activations".into(), "--plm".into(), plm.into(), "--texts".into(), files.texts.clone().into()];
    compare_alignment(lab, &native(&words, "snli")?).await?;
    lab.press("step-adapters").await?;
    lab.choose(LAST_USED).await
}

/// Every layer's numbers on the page against those of `mera align`, or of a stored alignment.
async fn compare_alignment(lab: &Lab, expected: &serde_json::Value) -> Result<()> {
    let locations = expected["locations"].as_array().context("there are no locations to compare with")?;
    ensure!(locations.len() == 6, "there are {} locations to compare with", locations.len());
    ensure!(lab.count("layer-6").await? == 0, "the page shows more than six layers");
    for (layer, location) in locations.iter().enumerate() {
        lab.press(&format!("layer-{layer}")).await?;
        let name = location["name"].as_str().context("a location without a name")?;
        lab.until("align-facts", "data-location", SOON, |shown| shown == name).await?;
        for (attribute, key) in [
            ("data-diagonal", "diagonal_share"),
            ("data-cost-before", "cost_before"),
            ("data-cost-after", "cost_after"),
        ] {
            let (page, expected) = (lab.number("align-facts", attribute).await?, location[key].as_f64());
            let expected = expected.with_context(|| format!("there is no {key} at {name} to compare with"))?;
            ensure!((page - expected).abs() < 1e-4, "{key} at {name} is {page} on the page, expected {expected}");
        }
    }
    Ok(())
}

async fn merge(lab: &Lab, adapters: &[String]) -> Result<()> {
    let zip = lab.merge_by("mera_wts").await?;
    let file = |end: &str| {
        let found = zip.iter().find(|(name, _)| name.ends_with(end));
        found.map(|(_, bytes)| bytes).with_context(|| format!("the zip holds {:?}, no {end}", zip.keys()))
    };
    for end in ["adapter_config.json", "pytorch_adapter.bin"] {
        file(end)?;
    }
    let recipe: serde_json::Value = serde_json::from_slice(file("recipe.json")?)?;

    let out = TempDir::new()?;
    // The tensors carry the adapter's name, which the command takes from the folder.
    let name = zip.keys().next().and_then(|path| path.split('/').next()).context("the zip is empty")?;
    let folder = out.path().join(name);
    let mut words: Vec<OsString> = vec!["merge".into(), "--method".into(), "mera_wts".into(), "-o".into()];
    words.push(folder.clone().into());
    words.extend(ADAPTERS.map(|name| sample(name).into()));
    mera(&words)?;
    let native =
        std::fs::read(folder.join("adapter.safetensors")).context("mera merge wrote no adapter.safetensors")?;
    let difference = largest_difference(file("adapter.safetensors")?, &native)?;
    ensure!(difference < 1e-5, "the page's merge differs from the command's by {difference}");

    // So does what is said of how it came about; the third adapter came as loose files, of no folder's name.
    let mut said: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("recipe.json"))?)?;
    said["adapter"]["inputs"][2]["name"] = adapters[2].as_str().into();
    for key in ["method", "settings", "inputs", "weights", "reference", "scale"] {
        let (page, native) = (&recipe["adapter"][key], &said["adapter"][key]);
        ensure!(page == native && !native.is_null(), "{key} is {page} in the page's recipe, {native} in the command's");
    }
    Ok(())
}

/// Data that calls its columns otherwise is asked about; so is what is pasted.
async fn other_columns(lab: &Lab, files: &OwnFiles) -> Result<()> {
    let problems = lab.count("problem").await?;
    lab.drop_files(&[&files.other]).await?;
    lab.until("columns", "data-path", LONG, |path| path == "other-columns.tsv").await?;
    // The label is proposed by its name.
    let label = lab.find("column-label").await?.prop("value").await?;
    ensure!(label.as_deref() == Some("class"), "{label:?} is proposed as the label");
    lab.fill("column-text1", "one").await?;
    lab.fill("column-text2", "two").await?;
    lab.press("columns-go").await?;
    lab.until_count("columns", LONG, 0).await?;
    let chosen = lab.find("data-select").await?.text().await?;
    ensure!(chosen.contains("other-columns · 48 rows"), "the data sets are {chosen:?}");

    let pasted = "{\"y\": \"a\", \"review\": \"fine\"}\n{\"y\": \"b\", \"review\": \"bad\"}\n".repeat(2);
    lab.client()
        .execute("document.querySelector('[data-testid=\"paste\"]').closest('details').open = true", vec![])
        .await?;
    lab.fill("paste", &pasted).await?;
    // It lies below the actions that stay in sight, where a hand would scroll.
    lab.choose("paste-go").await?;
    lab.until("columns", "data-path", LONG, |path| path == "pasted.jsonl").await?;
    lab.press("columns-go").await?;
    lab.until_count("columns", LONG, 0).await?;
    let chosen = lab.find("data-select").await?.text().await?;
    ensure!(chosen.contains("pasted · 4 rows"), "the data sets are {chosen:?}");
    ensure!(
        lab.count("problem").await? == problems,
        "a question was told as a problem: {:?}",
        lab.texts("problem").await?
    );
    Ok(())
}

/// Data, examples, training; paused, taken up again.
async fn learn(lab: &Lab, files: &OwnFiles) -> Result<()> {
    other_columns(lab, files).await?;
    // Twelve epochs of two steps.
    lab.train_merged(&files.data, 12).await?;
    lab.until("live", "data-step", LONG, |step| step.parse::<usize>().is_ok_and(|step| step >= 3)).await?;
    let first_loss = lab.number("live", "data-loss").await?;
    // What is dropped meanwhile waits behind the training, and must not take its place at the button.
    lab.drop_files(&[&files.other]).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    ensure!(lab.count("live").await? == 1, "the training ended before it could be paused");
    let pressed = Instant::now();
    lab.press("pause").await?;
    lab.until("run-row", "data-status", LONG, |status| status == "paused").await?;
    println!("pause was heard after {:?}", pressed.elapsed());
    ensure!(first_loss.is_finite() && first_loss > 0.0, "the loss is {first_loss}");
    let steps = lab.number("run-row", "data-steps").await?;
    ensure!((1.0..24.0).contains(&steps), "it was paused after {steps} steps");
    ensure!(lab.attributes("run-row", "data-accuracy").await?.is_empty(), "a paused run has been judged");

    lab.press("resume").await?;
    lab.until("run-row", "data-status", LONG, |status| status == "finished").await?;
    ensure!(lab.number("run-row", "data-steps").await? == 24.0, "the run has not gone all its steps");
    let accuracy = lab.number("run-row", "data-accuracy").await?;
    ensure!((0.0..=1.0).contains(&accuracy), "the accuracy is {accuracy}");

    let curve = std::fs::read_to_string(lab.download("run-row [data-testid=\"download-curve\"]").await?)?;
    let losses: Vec<f64> = curve.lines().skip(1).filter_map(|line| line.split(',').nth(2)?.parse().ok()).collect();
    ensure!(losses.len() == 24, "the curve has {} losses:\n{curve}", losses.len());
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..6]), mean(&losses[18..]));
    ensure!(last < 0.8 * first, "the loss did not fall: {first} at first, {last} at last");

    // What was trained comes back in.
    let zip = lab.download("run-row [data-testid=\"download-run\"]").await?;
    let names: Vec<String> = unzip(&zip)?.into_keys().collect();
    ensure!(names.iter().any(|name| name.ends_with("head_config.json")), "the zip holds {names:?}, no head");
    Ok(())
}

/// The merge beside each single adapter, the plain average, one from scratch, and the head alone; then without one of the
/// adapters.
async fn compare(lab: &Lab, adapters: &[String]) -> Result<()> {
    let all = adapters.join(" + ");
    let singles = adapters.iter().cloned();
    let mut expected = vec![format!("MerA by weights (of {all})")];
    expected.extend(singles.chain([format!("Average (of {all})"), "from scratch".into(), "head only".into()]));
    lab.fill("epochs", "1").await?;
    lab.press("step-results").await?;
    // The run of twelve epochs is another task's: it can't be compared with these.
    let first = compare_all(lab, &expected).await?;

    // What is there already is not trained again, and other merges are beside the first.
    lab.press("step-adapters").await?;
    lab.choose(LAST_USED).await?;
    lab.press("step-results").await?;
    let two = adapters[..2].join(" + ");
    expected.extend([format!("MerA by weights (of {two})"), format!("Average (of {two})")]);
    let second = compare_all(lab, &expected).await?;
    ensure!(second[..7] == first[..], "without an adapter, runs have changed from {first:?} to {second:?}");
    let again = compare_all(lab, &expected).await?;
    ensure!(again == second, "pressed once more, runs have changed from {second:?} to {again:?}");

    let table = std::fs::read_to_string(lab.download("export-csv").await?)?;
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = table.lines().map(cells).collect();
    let column = |name: &str| -> Result<Vec<String>> {
        let place =
            lines[0].iter().position(|header| header == name).with_context(|| format!("no {name} in {table}"))?;
        Ok(lines[1..].iter().map(|line| line[place].clone()).collect())
    };
    // Of every task: first the one of twelve epochs.
    ensure!(column("name")? == [&expected[..1], &expected[..]].concat(), "the exported table is\n{table}");
    let epochs = column("epochs")?;
    ensure!(epochs[0] == "12" && epochs[1..].iter().all(|epochs| epochs == "1"), "the exported table is\n{table}");
    let starts = "mera_wts mera_wts adapter adapter adapter average scratch:24 head mera_wts average";
    ensure!(column("start")?.join(" ") == starts, "the exported table is\n{table}");
    let inputs = column("inputs")?;
    ensure!((&inputs[1], &inputs[8]) == (&all, &two), "the exported table is\n{table}");
    Ok(())
}

/// Presses *Compare all*, and when that is over returns the accuracies of the runs, which must be those expected.
async fn compare_all(lab: &Lab, expected: &[String]) -> Result<Vec<String>> {
    lab.press("compare-all").await?;
    lab.until_count("plan", 4 * LONG, 0).await?;
    let names = lab.attributes("result-row", "data-name").await?;
    ensure!(names == expected, "the runs are {names:?}, expected {expected:?}");
    let seeds = lab.attributes("result-row", "data-seed").await?;
    ensure!(seeds.iter().all(|seed| seed == "13"), "the seeds are {seeds:?}");
    let accuracies = lab.attributes("result-row", "data-accuracy").await?;
    ensure!(accuracies.iter().all(|accuracy| in_unit_interval(accuracy)), "the accuracies are {accuracies:?}");
    Ok(accuracies)
}

/// The files of a visitor.
struct OwnFiles {
    _folder: TempDir,
    folder: PathBuf,
    zip: PathBuf,
    loose: Vec<PathBuf>,
    data: PathBuf,
    /// The same under other columns.
    other: PathBuf,
    /// Texts, a pair a line.
    texts: PathBuf,
    /// Files that can't be used, with a word that the line about each must hold.
    bad: Vec<(PathBuf, &'static str)>,
}

impl OwnFiles {
    fn prepare() -> Result<Self> {
        let temporary = TempDir::new()?;
        let place = |name: &str| temporary.path().join(name);
        let zip = place("snli.zip");
        zip_folder(&sample("snli"), &zip)?;
        let mut loose = Vec::new();
        for entry in std::fs::read_dir(sample("paws"))? {
            loose.push(entry?.path());
        }
        loose.sort();

        // Sixteen rows a label of the sample task.
        let task = std::fs::read_to_string(root().join("www/samples/task/everyday-nli.tsv"))?;
        let mut lines = task.lines();
        let mut rows = vec![lines.next().context("the sample task is empty")?];
        let mut seen = std::collections::BTreeMap::<&str, usize>::new();
        for line in lines {
            let label = line.split('\t').next().unwrap_or_default();
            let count = seen.entry(label).or_default();
            *count += 1;
            if *count <= 16 {
                rows.push(line);
            }
        }
        let data = place("own-task.tsv");
        std::fs::write(&data, rows.join("\n"))?;
        let texts = place("texts.txt");
        let pairs = rows[1..13].iter().filter_map(|row| Some(row.split_once('\t')?.1)).collect::<Vec<_>>();
        std::fs::write(&texts, pairs.join("\n"))?;

        let hostile = root().join("tests/fixtures/adapterhub/hostile/os_system.bin");
        let bad_folder = place("hostile");
        std::fs::create_dir(&bad_folder)?;
        std::fs::copy(hostile, bad_folder.join("pytorch_adapter.bin"))?;
        std::fs::copy(sample("mnli").join("adapter_config.json"), bad_folder.join("adapter_config.json"))?;
        let truncated = place("truncated.zip");
        let bytes = std::fs::read(&zip)?;
        std::fs::write(&truncated, &bytes[..bytes.len() / 2])?;
        let (empty, other) = (place("empty.tsv"), place("other-columns.tsv"));
        std::fs::write(&empty, "")?;
        std::fs::write(&other, [&["class\tone\ttwo"], &rows[1..]].concat().join("\n"))?;
        let bad = vec![(bad_folder, "os"), (truncated, "truncated.zip"), (empty, "empty.tsv")];
        Ok(Self { folder: sample("mnli"), zip, loose, data, other, texts, bad, _folder: temporary })
    }
}

fn sample(name: &str) -> PathBuf {
    root().join("www/samples/adapters/all-minilm-l6-v2").join(name)
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> Result<()> {
    Ok(std::os::unix::fs::symlink(from, to)?)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        std::fs::create_dir(to)?;
        for entry in std::fs::read_dir(from)? {
            let path = entry?.path();
            link(&path, &to.join(path.file_name().unwrap_or_default()))?;
        }
        return Ok(());
    }
    std::fs::copy(from, to)?;
    Ok(())
}
