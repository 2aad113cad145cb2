//! Variants of a sheet: a method with other settings, under a name of its own.

use crate::protocol::*;
use crate::ui::state::{names, number};
use vecmap::VecMap;

/// Puts one more variant at the end: MerA with its amplitude kept, a start as good as any.
pub fn add(sheet: &mut ExperimentSheet) {
    let mut variant = SheetVariant { method: "mera_acts".into(), ..SheetVariant::default() };
    put(&mut variant.settings, "scale", "keep");
    variant.name = free(sheet, "mera_acts_keep");
    sheet.variants.push(variant);
}

/// Gives the variant at `place` the method `to`. What that does not take goes; a name after the method goes with it.
pub fn change_method(sheet: &mut ExperimentSheet, place: usize, to: &ComparedMethod) {
    let Some(before) = sheet.variants.get(place).cloned() else { return };
    let method = &to.id;
    let name = match before.name.strip_prefix(&before.method) {
        Some(rest) if before.method != *method => free(sheet, &format!("{method}{rest}")),
        _ => before.name,
    };
    if let Some(variant) = sheet.variants.get_mut(place) {
        // What is set is each method's own.
        let set = VecMap::new();
        *variant = SheetVariant { name, method: method.clone(), settings: before.settings, set };
        variant.settings.retain(|key, _| match key.as_str() {
            "scale" | "weights" => to.merges,
            "reference" => to.aligns,
            "train" => to.trains_adapter,
            "learning_rates" => to.trains,
            _ => false,
        });
    }
}

/// `name`, or with a number behind it where a variant has that already.
fn free(sheet: &ExperimentSheet, name: &str) -> String {
    names::free(name, |name| sheet.variants.iter().any(|variant| variant.name == name))
}

/// What stands under `key` of a variant's `settings` or `set`, without quotes; empty where nothing does.
#[must_use]
pub fn word(values: &VecMap<String, String>, key: &str) -> String {
    values.get(key).map(|value| unquoted(value)).unwrap_or_default()
}

/// Writes `word` under `key`; an empty one takes the key out.
pub fn put(values: &mut VecMap<String, String>, key: &str, word: &str) {
    match word.trim() {
        "" => values.remove(key),
        word => values.insert(key.to_owned(), quoted(word)),
    };
}

/// What a setting of a variant's method is, as its preset says where the variant does not set it.
#[must_use]
pub fn setting(own: &SheetVariant, card: &MethodCard, parameter: &ParameterCard) -> String {
    match word(&own.set, &parameter.name) {
        unset if unset.is_empty() => card.unset(parameter, &word(&own.set, "preset")).to_owned(),
        word => word,
    }
}

/// Sets it; what it would be anyway has no line in the file.
pub fn set(own: &mut SheetVariant, card: &MethodCard, parameter: &ParameterCard, value: &str) {
    let is_unset = value.trim() == card.unset(parameter, &word(&own.set, "preset"));
    put(&mut own.set, &parameter.name, if is_unset { "" } else { value });
}

/// Writes `name` under `key`, a text even where it looks like a number; an empty one takes the key out.
pub fn name(values: &mut VecMap<String, String>, key: &str, name: &str) {
    match name {
        "" => values.remove(key),
        name => values.insert(key.to_owned(), format!("\"{name}\"")),
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
    use crate::ui::state::choices::tests::mera_wts;

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
        let method = |id: &str| ComparedMethod { id: id.into(), trains: true, ..ComparedMethod::default() };
        let of_adapter = |id: &str| ComparedMethod { trains_adapter: true, ..method(id) };
        change_method(&mut sheet, 0, &ComparedMethod { merges: true, ..of_adapter("sum") });
        assert_eq!(words(&sheet.variants[0]), "sum · scale keep · train up");
        assert_eq!(sheet.variants[0].name, "sum_keep");
        change_method(&mut sheet, 0, &of_adapter("single"));
        assert_eq!(words(&sheet.variants[0]), "single · train up");
        change_method(&mut sheet, 0, &method("full"));
        assert_eq!(words(&sheet.variants[0]), "full");
        sheet.variants[0].settings.insert("learning_rates".into(), "[0.001]".into());
        change_method(&mut sheet, 0, &method("head"));
        assert_eq!(words(&sheet.variants[0]), "head · rate 0.001");
        change_method(&mut sheet, 0, &ComparedMethod { trains: false, ..method("majority") });
        assert_eq!(words(&sheet.variants[0]), "majority");
    }

    #[test]
    fn a_preset_is_shown_and_each_of_its_settings_can_be_set_otherwise() {
        let card = mera_wts();
        let mut own = SheetVariant { method: card.id.clone(), ..SheetVariant::default() };
        let named = |name: &str| card.parameters.iter().find(|parameter| parameter.name == name).unwrap();
        let shown = |own: &SheetVariant| {
            ["cost", "normalize_rows", "solver", "epsilon"].map(|name| setting(own, &card, named(name))).join(" ")
        };
        assert_eq!(shown(&own), "euclidean false exact 0.01");
        set(&mut own, &card, named("preset"), "transformer_fusion");
        assert_eq!(shown(&own), "euclidean true sinkhorn 0.06");
        set(&mut own, &card, named("epsilon"), "0.01");
        set(&mut own, &card, named("normalize_rows"), "false");
        assert_eq!(shown(&own), "euclidean false sinkhorn 0.01");
        assert_eq!(words(&own), "mera_wts · preset transformer_fusion · epsilon 0.01 · normalize_rows false");
        set(&mut own, &card, named("epsilon"), " 0.06");
        set(&mut own, &card, named("normalize_rows"), "true");
        assert_eq!(words(&own), "mera_wts · preset transformer_fusion");
        set(&mut own, &card, named("preset"), "git_re_basin");
        set(&mut own, &card, named("cost"), "euclidean");
        assert_eq!((shown(&own), own.set["cost"].as_str()), ("euclidean false exact 0.01".into(), "\"euclidean\""));
    }

    #[test]
    fn words_are_written_as_toml_and_read_again() {
        let mut values = VecMap::new();
        put(&mut values, "solver", "sinkhorn");
        put(&mut values, "epsilon", "0.02");
        put(&mut values, "epsilon", " 0.01 ");
        put(&mut values, "fit", "true");
        assert_eq!(values["solver"], r#""sinkhorn""#);
        assert_eq!((values["epsilon"].as_str(), values["fit"].as_str()), ("0.01", "true"));
        assert_eq!(word(&values, "solver"), "sinkhorn");
        name(&mut values, "reference", "2024");
        assert_eq!((values["reference"].as_str(), word(&values, "reference")), (r#""2024""#, "2024".to_owned()));
        name(&mut values, "reference", "");
        put(&mut values, "solver", "");
        assert_eq!((word(&values, "solver"), values.len()), (String::new(), 2));
    }
}
