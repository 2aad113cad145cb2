//! Variants of a sheet: a method with other settings, under a name of its own.

use super::form::OTHERS;
use crate::protocol::*;
use crate::ui::state::number;
use std::collections::BTreeMap;

/// Of the methods that merge nothing, those that fine-tune one adapter, of which a part may be chosen.
const IN_PARTS: &[&str] = &["scratch", "single", "best_single", "best_single_by_score"];

/// What a variant of a method may set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Takes {
    /// Scale and weights: it is a merge.
    pub merge: bool,
    /// Which part is trained.
    pub train: bool,
    /// Learning rates: it is trained at all.
    pub rates: bool,
    /// Settings of its own.
    pub parameters: Vec<ParameterCard>,
}

/// What a variant of `method` may set, where `merges` are the engine's merge methods.
#[must_use]
pub fn takes(method: &str, merges: &[MethodCard]) -> Takes {
    let card = merges.iter().find(|card| card.id == method && OTHERS.iter().all(|(id, _)| *id != method));
    Takes {
        merge: card.is_some(),
        train: card.is_some() || IN_PARTS.contains(&method),
        rates: method != "majority",
        parameters: card.map(|card| card.parameters.clone()).unwrap_or_default(),
    }
}

/// Puts one more variant at the end: MerA with its amplitude kept, a start as good as any.
pub fn add(sheet: &mut ExperimentSheet) {
    let mut variant = SheetVariant { method: "mera_acts".into(), ..SheetVariant::default() };
    put(&mut variant.settings, "scale", "keep");
    variant.name = free(sheet, "mera_acts_keep");
    sheet.variants.push(variant);
}

/// Gives the variant at `place` another method. What that does not take goes; a name after the method goes with it.
pub fn change_method(sheet: &mut ExperimentSheet, place: usize, method: &str, merges: &[MethodCard]) {
    let Some(before) = sheet.variants.get(place).cloned() else { return };
    let takes = takes(method, merges);
    let name = match before.name.strip_prefix(&before.method) {
        Some(rest) if before.method != method => free(sheet, &format!("{method}{rest}")),
        _ => before.name,
    };
    if let Some(variant) = sheet.variants.get_mut(place) {
        // What is set is each method's own.
        let set = BTreeMap::new();
        *variant = SheetVariant { name, method: method.to_owned(), settings: before.settings, set };
        variant.settings.retain(|key, _| match key.as_str() {
            "scale" | "weights" => takes.merge,
            "train" => takes.train,
            "learning_rates" => takes.rates,
            _ => false,
        });
    }
}

/// `name`, or with a number behind it where a variant has that already.
fn free(sheet: &ExperimentSheet, name: &str) -> String {
    let taken = |name: &str| sheet.variants.iter().any(|variant| variant.name == name);
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// What stands under `key` of a variant's `settings` or `set`, without quotes; empty where nothing does.
#[must_use]
pub fn word(values: &BTreeMap<String, String>, key: &str) -> String {
    values.get(key).map(|value| unquoted(value)).unwrap_or_default()
}

/// Writes `word` under `key`; an empty one takes the key out.
pub fn put(values: &mut BTreeMap<String, String>, key: &str, word: &str) {
    match word.trim() {
        "" => values.remove(key),
        word => values.insert(key.to_owned(), quoted(word)),
    };
}

/// What a variant is, in a few words: `mera_acts · scale keep · epsilon 0.01`.
#[must_use]
pub fn words(variant: &SheetVariant) -> String {
    let part = |(key, value): (&String, &String)| match key.as_str() {
        "learning_rates" => format!("rate {}", super::form::listed(value)),
        key => format!("{key} {}", unquoted(value)),
    };
    let parts = variant.settings.iter().chain(&variant.set).map(part);
    std::iter::once(variant.method.clone()).chain(parts).collect::<Vec<_>>().join(" · ")
}

/// A word as TOML has it: numbers and yes or no as they are.
fn quoted(word: &str) -> String {
    match number::read(word).is_some() || matches!(word, "true" | "false") {
        true => word.to_owned(),
        false => format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

fn unquoted(value: &str) -> String {
    value.trim().trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merges() -> Vec<MethodCard> {
        ["mera_acts", "sum"]
            .map(|id| MethodCard {
                id: id.into(),
                title: String::new(),
                description: String::new(),
                paper: String::new(),
                needs: vec![],
                parameters: vec![],
                laws: vec![],
            })
            .to_vec()
    }

    #[test]
    fn a_variant_is_added_under_a_name_of_its_own() {
        let mut sheet = ExperimentSheet::default();
        add(&mut sheet);
        add(&mut sheet);
        let names: Vec<_> = sheet.variants.iter().map(|variant| variant.name.as_str()).collect();
        assert_eq!(names, ["mera_acts_keep", "mera_acts_keep_2"]);
        assert_eq!(sheet.variants[0].settings["scale"], "\"keep\"");
        assert_eq!(words(&sheet.variants[0]), "mera_acts · scale keep");
    }

    #[test]
    fn what_another_method_does_not_take_goes() {
        let mut sheet = ExperimentSheet::default();
        add(&mut sheet);
        let variant = &mut sheet.variants[0];
        put(&mut variant.settings, "train", "up");
        put(&mut variant.set, "epsilon", "0.01");
        assert_eq!(words(variant), "mera_acts · scale keep · train up · epsilon 0.01");
        change_method(&mut sheet, 0, "sum", &merges());
        assert_eq!(words(&sheet.variants[0]), "sum · scale keep · train up");
        assert_eq!(sheet.variants[0].name, "sum_keep");
        change_method(&mut sheet, 0, "single", &merges());
        assert_eq!(words(&sheet.variants[0]), "single · train up");
        change_method(&mut sheet, 0, "full", &merges());
        assert_eq!(words(&sheet.variants[0]), "full");
        assert!(!takes("majority", &merges()).rates && takes("full", &merges()).rates);
    }

    #[test]
    fn words_are_written_as_toml_and_read_again() {
        let mut values = BTreeMap::new();
        put(&mut values, "solver", "sinkhorn");
        put(&mut values, "epsilon", "0.02");
        put(&mut values, "epsilon", " 0.01 ");
        put(&mut values, "fit", "true");
        assert_eq!(values["solver"], r#""sinkhorn""#);
        assert_eq!((values["epsilon"].as_str(), values["fit"].as_str()), ("0.01", "true"));
        assert_eq!(word(&values, "solver"), "sinkhorn");
        put(&mut values, "solver", "");
        assert_eq!((word(&values, "solver"), values.len()), (String::new(), 2));
    }
}
