//! An experiment file as a form shows it, and back.

use super::EngineError;
use crate::experiment::{AdapterEntry, Experiment, SpecError, TargetEntry};
use crate::protocol::{ExperimentSheet, SheetAdapter, SheetTarget, SheetVariant};
use toml::{Table, Value};
use vecmap::VecMap;

/// What the file `text` says; what it leaves out stands there with its default.
pub(super) fn read(text: &str) -> Result<ExperimentSheet, EngineError> {
    let experiment = Experiment::parse(text)?;
    let variants = experiment.variants.iter().map(|variant| {
        let mut settings = values(variant)?;
        settings.retain(|key, _| !matches!(key.as_str(), "name" | "method" | "set"));
        let set = values(&variant.set)?;
        Ok(SheetVariant { name: variant.name.clone(), method: variant.method.clone(), settings, set })
    });
    let variants = variants.collect::<Result<_, SpecError>>()?;
    let adapter = |AdapterEntry { name, path, track }| SheetAdapter { name, path, track };
    let target = |TargetEntry { name, train, test, track, without }| SheetTarget {
        name,
        train,
        test: test.unwrap_or_default(),
        track,
        without,
    };
    Ok(ExperimentSheet {
        training: values(&experiment.training)?,
        plms: experiment.plms,
        shots: experiment.shots,
        seeds: experiment.seeds,
        methods: experiment.methods,
        tracks: experiment.tracks.into_iter().map(|tracks| tracks.word().to_owned()).collect(),
        adapters: experiment.adapters.into_iter().map(adapter).collect(),
        targets: experiment.targets.into_iter().map(target).collect(),
        variants,
    })
}

/// The file of `sheet`.
pub(super) fn write(sheet: &ExperimentSheet) -> Result<String, EngineError> {
    let mut table = Table::new();
    let mut put = |key: &str, value: Result<Value, SpecError>| value.map(|value| table.insert(key.to_owned(), value));
    put("plm", value_of(&sheet.plms))?;
    put("shots", value_of(&sheet.shots))?;
    put("seeds", value_of(&sheet.seeds))?;
    put("methods", value_of(&sheet.methods))?;
    put("tracks", value_of(&sheet.tracks))?;
    put("training", parsed("[training]", &sheet.training).map(Value::Table))?;
    put("adapters", value_of(&sheet.adapters))?;
    let targets = sheet.targets.iter().map(|target| {
        let SheetTarget { name, train, test, track, without } = target.clone();
        value_of(&TargetEntry { name, train, test: Some(test).filter(|test| !test.is_empty()), track, without })
    });
    put("targets", targets.collect::<Result<_, _>>().map(Value::Array))?;
    let variants = sheet.variants.iter().map(|variant| {
        let place = format!("[[variants]] {}", variant.name);
        let mut table = parsed(&place, &variant.settings)?;
        table.insert("set".to_owned(), Value::Table(parsed(&format!("{place}, set"), &variant.set)?));
        table.insert("name".to_owned(), Value::String(variant.name.clone()));
        table.insert("method".to_owned(), Value::String(variant.method.clone()));
        Ok(Value::Table(table))
    });
    put("variants", variants.collect::<Result<_, _>>().map(Value::Array))?;
    Ok(Experiment::from_table(table)?.to_toml()?)
}

fn value_of<T: serde::Serialize>(value: &T) -> Result<Value, SpecError> {
    Value::try_from(value).map_err(|error| SpecError::Toml { line: None, message: error.to_string() })
}

/// The keys of a table with their values as TOML writes them.
fn values<T: serde::Serialize>(of: &T) -> Result<VecMap<String, String>, SpecError> {
    let table = Table::try_from(of).map_err(|error| SpecError::Toml { line: None, message: error.to_string() })?;
    Ok(table.into_iter().map(|(key, value)| (key, value.to_string())).collect())
}

/// The other way round.
fn parsed(place: &str, values: &VecMap<String, String>) -> Result<Table, SpecError> {
    let entry = |(key, text): (&String, &String)| match text.parse::<Value>() {
        Ok(value) => Ok((key.clone(), value)),
        Err(error) => {
            let message = error.message().replace('\n', ", ");
            Err(SpecError::Toml {
                line: None,
                message: format!("{place}: {key} = {}: {message}", text.replace('\n', " ")),
            })
        }
    };
    values.iter().map(entry).collect()
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;
    use crate::experiment::{Identities, Plan};

    const FILE: &str = r#"
plm = ["models/six", "models/three"]
shots = [4, 16]
seeds = [13, 21]
methods = ["majority", "single", "mera_acts"]
tracks = ["same", "mixed"]
[training]
epochs = 3
learning_rates = [5e-4]
bottleneck = 12
[[adapters]]
name = "sst2"
path = "adapters/{plm}/sst2"
track = "sentiment"
[[adapters]]
name = "mr"
path = "adapters/{plm}/mr"
track = "sentiment"
[[targets]]
name = "cr"
train = "cr/train.tsv"
test = "cr/dev.tsv"
track = "sentiment"
[[targets]]
name = "mr"
train = "mr.tsv"
track = "sentiment"
without = ["mr"]
[[variants]]
name = "soft"
method = "mera_acts"
scale = 0.5
train = "up"
learning_rates = [1e-4, 2e-4]
set = { solver = "sinkhorn", epsilon = 0.01 }
[[variants]]
name = "sum_keep"
method = "sum"
scale = "keep"
weights = "score"
"#;

    #[test]
    fn a_sheet_comes_back_as_it_went() {
        let sheet = read(FILE).unwrap();
        assert_eq!(sheet.training["learning_rates"], "[0.0005]");
        assert_eq!(sheet.training["batch_size"], "16", "a default is shown");
        assert_eq!(sheet.variants[0].set["epsilon"], "0.01");
        assert_eq!(sheet.variants[0].set["solver"], r#""sinkhorn""#);
        assert_eq!(sheet.variants[1].settings["scale"], r#""keep""#);
        let written = write(&sheet).unwrap();
        assert_eq!(read(&written).unwrap(), sheet);
        let hashes = |file: &str| {
            let identities = Identities {
                plm: "p".into(),
                adapters: vec!["a".into(), "b".into()],
                targets: vec![("c".into(), Some("d".into())), ("e".into(), None)],
            };
            let plan = Plan::new(Experiment::parse(file).unwrap(), 1, identities).unwrap();
            plan.runs().iter().map(|run| run.hash.clone()).collect::<Vec<_>>()
        };
        assert_eq!(hashes(&written), hashes(FILE));
    }

    #[test]
    fn what_a_form_can_not_say_is_named() {
        let error = |change: fn(&mut ExperimentSheet)| {
            let mut sheet = read(FILE).unwrap();
            change(&mut sheet);
            write(&sheet).unwrap_err().to_string()
        };
        insta::assert_snapshot!(error(|sheet| { sheet.training.insert("epochs".into(), "many".into()); }), @"[training]: epochs = many: string values must be quoted, expected literal string");
        insta::assert_snapshot!(error(|sheet| { sheet.training.insert("epochs".into(), "3\nclip = 2".into()); }), @"[training]: epochs = 3 clip = 2: unexpected content, expected nothing");
        insta::assert_snapshot!(error(|sheet| { sheet.training.insert("epochs".into(), "-3".into()); }), @"invalid value: integer `-3`, expected usize, in `training.epochs`");
        insta::assert_snapshot!(error(|sheet| { sheet.training.insert("epoch".into(), "3".into()); }), @r#"[training] has no key "epoch": did you mean "epochs"?"#);
        insta::assert_snapshot!(error(|sheet| { sheet.variants[0].set.insert("epsilon".into(), "low".into()); }), @"[[variants]] soft, set: epsilon = low: string values must be quoted, expected literal string");
        insta::assert_snapshot!(error(|sheet| sheet.plms.clear()), @"plm is empty");
        insta::assert_snapshot!(error(|sheet| sheet.plms[1] = "other/six/".into()), @"plm six stands there twice");
        insta::assert_snapshot!(error(|sheet| sheet.tracks = vec!["some".into()]), @"unknown variant `some`, expected one of `same`, `cross`, `mixed`, in `tracks`");
    }
}
