//! Variants of a sheet: a method with other settings, under a name of its own.

use super::form::OTHERS;
use crate::protocol::*;
use crate::ui::state::number;

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
    put(&mut variant, "scale", "keep");
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
        *variant = SheetVariant { name, method: method.to_owned(), settings: before.settings };
        variant.settings.retain(|key, _| match key.as_str() {
            "scale" | "weights" => takes.merge,
            "train" => takes.train,
            "learning_rates" => takes.rates,
            // Settings are each method's own.
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

/// What stands under `key`, without quotes; empty where nothing does.
#[must_use]
pub fn word(variant: &SheetVariant, key: &str) -> String {
    variant.settings.get(key).map(|value| unquoted(value)).unwrap_or_default()
}

/// Writes `word` under `key`; an empty one takes the key out.
pub fn put(variant: &mut SheetVariant, key: &str, word: &str) {
    match word.trim() {
        "" => variant.settings.remove(key),
        word => variant.settings.insert(key.to_owned(), quoted(word)),
    };
}

/// The method's own settings that the variant changes, by name.
#[must_use]
pub fn settings(variant: &SheetVariant) -> Vec<(String, String)> {
    let set = variant.settings.get("set").map(String::as_str).unwrap_or_default();
    // Values are numbers and words of a choice, in which no comma can stand.
    let pairs = set.trim().trim_start_matches('{').trim_end_matches('}').split(',');
    pairs.filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.trim().to_owned(), unquoted(value))).collect()
}

/// Changes one of them; an empty word leaves it at its default.
pub fn put_setting(variant: &mut SheetVariant, name: &str, word: &str) {
    let mut all = settings(variant);
    all.retain(|(key, _)| key != name);
    if !word.trim().is_empty() {
        all.push((name.to_owned(), word.trim().to_owned()));
    }
    if all.is_empty() {
        variant.settings.remove("set");
        return;
    }
    let pairs: Vec<String> = all.iter().map(|(key, word)| format!("{key} = {}", quoted(word))).collect();
    variant.settings.insert("set".into(), format!("{{ {} }}", pairs.join(", ")));
}

/// What a variant is, in a few words: `mera_acts · scale keep · epsilon 0.01`.
#[must_use]
pub fn words(variant: &SheetVariant) -> String {
    let keys = variant.settings.keys().filter(|key| *key != "set");
    let plain = keys.map(|key| match key.as_str() {
        "learning_rates" => format!("rate {}", super::form::listed(&variant.settings[key])),
        key => format!("{key} {}", word(variant, key)),
    });
    let own = settings(variant).into_iter().map(|(key, word)| format!("{key} {word}"));
    std::iter::once(variant.method.clone()).chain(plain).chain(own).collect::<Vec<_>>().join(" · ")
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
        put(variant, "train", "up");
        put_setting(variant, "epsilon", "0.01");
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
    fn settings_are_written_as_toml_and_read_again() {
        let mut variant = SheetVariant { method: "mera_acts".into(), ..SheetVariant::default() };
        put_setting(&mut variant, "solver", "sinkhorn");
        put_setting(&mut variant, "epsilon", "0.02");
        put_setting(&mut variant, "epsilon", " 0.01 ");
        assert_eq!(variant.settings["set"], r#"{ solver = "sinkhorn", epsilon = 0.01 }"#);
        assert_eq!(settings(&variant), [("solver".into(), "sinkhorn".into()), ("epsilon".into(), "0.01".into())]);
        put_setting(&mut variant, "solver", "");
        put_setting(&mut variant, "epsilon", "");
        put(&mut variant, "scale", "0.5");
        put(&mut variant, "train", "");
        assert_eq!(variant.settings.into_iter().collect::<Vec<_>>(), [("scale".into(), "0.5".into())]);
    }
}
