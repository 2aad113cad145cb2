//! The sheet of an experiment as a form changes it.

use super::bundle::{Bundle, last};
use crate::protocol::*;
use crate::ui::state::{hub, number};

/// Settings of the training that the form shows: key, label, what it is.
pub const TRAINING: &[(&str, &str, &str)] = &[
    ("epochs", "Epochs", "Passes over the examples"),
    ("batch_size", "Batch", "Rows a step"),
    ("learning_rates", "Learning rates", "Each is tried; the best on dev, it alone, is judged on test"),
    ("max_length", "Tokens", "Longest text in tokens"),
    ("patience", "Patience", "Epochs without a better dev score after which to stop; 0: never"),
];

/// Puts `item` in, or takes it out.
pub fn toggle(list: &mut Vec<String>, item: &str) {
    match list.iter().position(|there| there == item) {
        Some(place) => {
            list.remove(place);
        }
        None => list.push(item.to_owned()),
    }
}

/// The models that an experiment may be done on, as its sheet names them: those that the page serves, in folders named
/// `served` which lie together, then those that only the sheet knows.
#[must_use]
pub fn plms(sheet: &ExperimentSheet, served: &[String]) -> Vec<String> {
    let named = |name: &String| sheet.plms.iter().find(|plm| last(plm) == name);
    let place = served.iter().find_map(named).and_then(|plm| plm.strip_suffix(last(plm))).unwrap_or("models/");
    let each = |name: &String| named(name).cloned().unwrap_or_else(|| format!("{place}{name}"));
    let mut all: Vec<String> = served.iter().map(each).collect();
    let others = sheet.plms.iter().filter(|plm| !all.contains(plm)).cloned();
    all.extend(others.collect::<Vec<_>>());
    all
}

/// Whole numbers, apart by spaces or commas, each once.
///
/// # Errors
/// One line that names what is none.
pub fn whole_numbers(text: &str) -> Result<Vec<u64>, String> {
    let mut all = Vec::new();
    for part in text.split(|c: char| c.is_whitespace() || c == ',' || c == ';').filter(|part| !part.is_empty()) {
        let number = part.parse().map_err(|_| format!("Use whole numbers, such as 13 21, not `{part}`"))?;
        if !all.contains(&number) {
            all.push(number);
        }
    }
    if all.is_empty() { Err("give at least one number".into()) } else { Ok(all) }
}

/// Names among `known`, apart by commas.
///
/// # Errors
/// One line that names what is not among them, and them.
pub fn some_of(text: &str, known: &[String]) -> Result<Vec<String>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let name = |name: &str| match known.iter().find(|there| *there == name) {
        Some(name) => Ok(name.clone()),
        None => Err(format!("`{name}` is none of {}", known.join(", "))),
    };
    names.map(name).collect()
}

/// Learning rates, apart by spaces or commas, as a list in TOML; none where nothing stands there.
///
/// # Errors
/// One line that names what is no rate.
pub fn rates(text: &str) -> Result<Option<String>, String> {
    let parts = text.split(|c: char| c.is_whitespace() || ",;[]".contains(c)).filter(|part| !part.is_empty());
    let rate = |part: &str| match number::read(part) {
        Some(rate) if rate > 0.0 => Ok(format!("{rate:?}")),
        _ => Err(format!("`{part}` is no number above 0")),
    };
    let rates = parts.map(rate).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(format!("[{}]", rates.join(", "))).filter(|_| !rates.is_empty()))
}

/// A value in TOML as a field shows it: of a list its members, apart by spaces.
#[must_use]
pub fn listed(value: &str) -> String {
    value.replace(['[', ']', ','], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Numbers apart by spaces or commas, as a field shows them.
#[must_use]
pub fn spaced<T: ToString>(numbers: &[T]) -> String {
    numbers.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// An experiment on what is loaded in the Lab: adapters by name, track and file; data by name, track and file.
#[must_use]
pub fn from_lab(
    plm: &OpenPlm,
    adapters: &[(AdapterCard, FileBytes)],
    data: &[(DataCard, FileSource)],
) -> (ExperimentSheet, Bundle) {
    let mut sheet = ExperimentSheet {
        plms: vec![format!("models/{}", plm.name)],
        shots: vec![8],
        seeds: vec![13, 21, 42],
        methods: ["majority", "head", "scratch", "single", "average", "mera_acts"].map(str::to_owned).to_vec(),
        ..ExperimentSheet::default()
    };
    sheet.training.insert("epochs".into(), "12".into());
    let mut files = Vec::new();
    for source in &plm.files {
        match source {
            // The id says it all.
            FileSource::Hub { id, revision } => sheet.plms = vec![hub::write(id, revision)],
            FileSource::Bytes(file) => {
                let path = format!("models/{}/{}", plm.name, file.path);
                files.push(FileSource::Bytes(FileBytes { path, bytes: file.bytes.clone() }));
            }
            // Served with the page, in a folder whose name may be another than the model's.
            FileSource::Url { url, .. } => {
                sheet.plms = vec![url.rsplit_once('/').map_or(url.as_str(), |(folder, _)| folder).to_owned()];
            }
        }
    }
    for (card, file) in adapters {
        let path = format!("adapters/{}", file.path);
        sheet.adapters.push(SheetAdapter { name: card.name.clone(), path: path.clone(), track: card.track.clone() });
        files.push(FileSource::Bytes(FileBytes { path, bytes: file.bytes.clone() }));
    }
    for (card, source) in data {
        let end = super::bundle::path_of(source).rsplit('.').next().unwrap_or("tsv").to_owned();
        let path = format!("data/{}.{end}", card.name);
        // Whoever has learned the task itself says nothing of what others are worth for it, where there are others.
        let own = adapters.iter().map(|(card, _)| &card.name).filter(|name| **name == card.name && adapters.len() > 1);
        sheet.targets.push(SheetTarget {
            name: card.name.clone(),
            train: path.clone(),
            test: String::new(),
            track: card.track.clone(),
            without: own.cloned().collect(),
        });
        files.push(match source {
            FileSource::Bytes(file) => FileSource::Bytes(FileBytes { path, bytes: file.bytes.clone() }),
            FileSource::Url { url, .. } => FileSource::Url { path, url: url.clone() },
            hub @ FileSource::Hub { .. } => hub.clone(),
        });
    }
    (sheet, Bundle { name: "own".into(), files: files.into(), ..Bundle::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::state::choices::tests::{adapter, data};

    #[test]
    fn numbers_are_read_and_named_where_they_are_none() {
        assert_eq!(whole_numbers("13, 21 13;42"), Ok(vec![13, 21, 42]));
        assert_eq!(whole_numbers("13 x"), Err("Use whole numbers, such as 13 21, not `x`".into()));
        assert_eq!(whole_numbers(" "), Err("give at least one number".into()));
        assert_eq!(spaced(&[4, 16]), "4 16");
    }

    #[test]
    fn rates_are_a_list_in_the_file_and_numbers_in_the_field() {
        assert_eq!(rates("1e-3, 5e-5 1"), Ok(Some("[0.001, 5e-5, 1.0]".into())));
        assert_eq!(rates(" "), Ok(None));
        assert_eq!(rates("1e-3 fast"), Err("`fast` is no number above 0".into()));
        assert_eq!(listed("[0.001, 5e-5]"), "0.001 5e-5");
        assert_eq!(listed("16"), "16");
    }

    #[test]
    fn adapters_are_named_and_an_unknown_one_is_told() {
        let known = ["own task", "snli"].map(str::to_owned);
        assert_eq!(some_of(" own task,", &known), Ok(vec!["own task".into()]));
        assert_eq!(some_of("", &known), Ok(vec![]));
        assert_eq!(some_of("snli, mnli", &known), Err("`mnli` is none of own task, snli".into()));
    }

    #[test]
    fn methods_go_in_and_out() {
        let mut methods = vec!["head".to_owned()];
        toggle(&mut methods, "sum");
        toggle(&mut methods, "head");
        assert_eq!(methods, ["sum"]);
    }

    #[test]
    fn a_served_model_stands_beside_the_one_that_is_named() {
        let served = ["six", "three"].map(str::to_owned);
        let plms = |named: &[&str]| {
            let plms = named.iter().map(|plm| (*plm).to_owned()).collect();
            super::plms(&ExperimentSheet { plms, ..ExperimentSheet::default() }, &served).join(" ")
        };
        assert_eq!(plms(&["../models/six"]), "../models/six ../models/three");
        assert_eq!(plms(&["a/three", "a/own"]), "a/six a/three a/own");
        assert_eq!(plms(&["owner/name"]), "models/six models/three owner/name");
        assert_eq!(plms(&["b/three", "a/six"]), "a/six b/three");
        assert_eq!(plms(&["three"]), "six three");
    }

    #[test]
    fn what_is_loaded_makes_an_experiment_that_finds_its_files() {
        let plm = OpenPlm {
            name: "tiny".into(),
            files: vec![FileSource::Url { path: "config.json".into(), url: "models/x/config.json".into() }],
        };
        let data = DataCard { track: "NLI".into(), ..data(0, "own task") };
        let file = FileSource::Bytes(FileBytes { path: "where/own task.csv".into(), bytes: vec![1] });
        let adapters = ["own task", "snli"]
            .map(|name| (adapter(1, name), FileBytes { path: format!("{name}/adapter.safetensors"), bytes: vec![] }));
        let (sheet, bundle) = from_lab(&plm, &adapters, &[(data, file)]);
        assert_eq!(bundle.missing(&sheet), [""; 0]);
        assert_eq!(bundle.open_plm(&sheet, 0, &[]).unwrap().files[0], plm.files[0], "of the folder that is served");
        assert_eq!((sheet.targets[0].train.as_str(), sheet.targets[0].track.as_str()), ("data/own task.csv", "NLI"));
        assert_eq!(sheet.targets[0].without, ["own task"], "whoever has learned it says nothing of the others");
        let source = FileSource::Hub { id: "owner/name".into(), revision: "v1".into() };
        let plm = OpenPlm { name: "owner/name".into(), files: vec![source.clone()] };
        let (sheet, bundle) = from_lab(&plm, &adapters, &[]);
        assert_eq!(bundle.open_plm(&sheet, 0, &[]).unwrap().files, [source], "of the same revision");
    }
}
