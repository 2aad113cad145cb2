//! `README.md` of an adapter that was trained here: what it does, what it learned from, how to make it again.

use super::files::{self, WeightFiles};
use super::run::is_hub_id;
use super::train::Train;
use crate::engine::{Diverged, VERSION, WholeReport};
use crate::experiment::report::escaped;
use crate::protocol::{DataCard, PlmCard};
use clap::ValueEnum;
use std::path::Path;

/// The card.
pub(super) fn of(
    train: &Train,
    plm: &PlmCard,
    data: &DataCard,
    dev: Option<&DataCard>,
    report: &WholeReport,
) -> String {
    let name = &report.file.name;
    let labels = report.file.head.as_ref().map(|head| head.config.labels.join(", ")).unwrap_or_default();
    let widths: Vec<usize> = report.file.config.bottlenecks.values().copied().collect();
    let neurons = widths.first().copied().unwrap_or(0);
    let kind = if data.pairs { "pairs of texts" } else { "single texts" };
    let hash = |key: &str| report.recipe[key]["sha256"].as_str().unwrap_or_default().to_owned();
    let set = |path: &Path, key: &str, rows: usize| format!("`{}`, {rows} rows, SHA-256 `{}`", tail(path), hash(key));
    let mut rows = vec![
        ("task", format!("classification of {kind}: {labels}")),
        ("PLM", format!("{}, SHA-256 of its weights `{}`", plm.name, plm.sha256)),
        (
            "adapter",
            format!(
                "`{}` of {neurons} neurons at {} layers",
                report.file.config.form.architecture.name(),
                widths.len()
            ),
        ),
        ("trained parameters", report.trainable_parameters.to_string()),
        ("learned from", set(&train.data, "data", report.rows)),
    ];
    if let (Some(path), Some(dev)) = (&train.dev, dev) {
        rows.push(("dev", set(path, "dev", dev.rows)));
    }
    if let Some(dev) = report.dev {
        let reached = format!("accuracy {:.4}, macro F1 {:.4}, loss {:.4}", dev.accuracy, dev.macro_f1, dev.loss);
        rows.push(("on dev", reached));
    }
    let ended = report.diverged.map(|Diverged { step, loss }| format!("; the loss of step {step} is {loss}"));
    let ended = ended.unwrap_or_default();
    rows.push(("kept", format!("epoch {} of {}{ended}", report.best_epoch, train.epochs)));
    rows.push(("made by", VERSION.to_owned()));
    let rows: String = rows.iter().map(|(key, value)| format!("| {key} | {} |\n", escaped(value))).collect();
    let how = if train.weight_files == WeightFiles::Safetensors { "use_safetensors=True, " } else { "" };
    format!(
        "# {name}\n\n| | |\n|---|---|\n{rows}\n\
         Made by\n\n    {}\n\n\
         and loaded by\n\n```python\n\
         from adapters import AutoAdapterModel\n\n\
         model = AutoAdapterModel.from_pretrained(\"{}\")\n\
         model.load_adapter(\"{name}\", {how}set_active=True)\n```\n",
        command(train, name),
        place(report.file.plm.model_name.as_deref(), &plm.name),
    )
}

/// Where Python finds the PLM: on the hub, where the adapter's configuration has an id that ends in its name, else in a
/// folder.
fn place(model_name: Option<&str>, plm: &str) -> String {
    let is_of = |id: &str| id.rsplit_once('/').is_some_and(|(_, name)| name.eq_ignore_ascii_case(plm));
    let id = model_name.filter(|id| is_hub_id(id) && !id.contains('@') && is_of(id));
    id.map_or_else(|| format!("path/to/{plm}"), str::to_owned)
}

/// The command with every setting; of paths only the end, for the rest is one machine's.
fn command(train: &Train, name: &str) -> String {
    let mut words = vec![
        "mera train".to_owned(),
        format!("--plm {}", files::base_name(&train.plm, "model")),
        format!("--data {}", tail(&train.data)),
    ];
    words.extend(train.dev.as_deref().map(|path| format!("--dev {}", tail(path))));
    words.extend(train.adapter.as_deref().map(|path| format!("--adapter {}", tail(path))));
    match (&train.adapter, train.bottleneck) {
        (Some(_), _) => {}
        (None, Some(neurons)) => words.push(format!("--bottleneck {neurons}")),
        (None, None) => words.push(format!("--reduction-factor {}", train.reduction_factor)),
    }
    words.push(format!("--epochs {} --batch-size {}", train.epochs, train.batch_size));
    words.push(format!("--learning-rate {} --warmup {}", train.learning_rate, train.warmup));
    words.push(format!("--weight-decay {} --clip {} --dropout {}", train.weight_decay, train.clip, train.dropout));
    words.push(format!("--patience {} --max-length {} --seed {}", train.patience, train.max_length, train.seed));
    words.extend(train.limit.map(|rows| format!("--limit {rows}")));
    words.extend(train.weight_files.to_possible_value().map(|files| format!("--weight-files {}", files.get_name())));
    words.push(format!("-o {name}"));
    words.join(" \\\n        ")
}

/// The last two parts of a path.
fn tail(path: &Path) -> String {
    let parts: Vec<String> = path
        .components()
        .filter_map(|part| match part {
            std::path::Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_is_sent_to_the_hub_or_to_a_folder() {
        let hub = "sentence-transformers/all-MiniLM-L6-v2";
        assert_eq!(place(Some(hub), "all-minilm-l6-v2"), hub);
        for elsewhere in
            [None, Some("all-minilm-l6-v2"), Some("../all-minilm-l6-v2"), Some("owner/name@v1"), Some("owner/name")]
        {
            assert_eq!(place(elsewhere, "all-minilm-l6-v2"), "path/to/all-minilm-l6-v2");
        }
    }
}
