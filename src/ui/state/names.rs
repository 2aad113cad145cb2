//! What merges and runs are called, so that two that differ are told apart.

use crate::protocol::*;

/// A merge in words: its method, what about it is not the default, and its inputs, for later merges may have others.
#[must_use]
pub fn of_merge(spec: &MergeSpec, methods: &[MethodCard], all: &[AdapterCard]) -> String {
    let title = methods.iter().find(|card| card.id == spec.method).map_or(spec.method.as_str(), |card| &card.title);
    let mut apart: Vec<String> = spec.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    match spec.scale {
        OutputScale::None => {}
        OutputScale::Keep => apart.push("amplitude kept".into()),
        OutputScale::Sum => apart.push("summed".into()),
        OutputScale::Factor(factor) => apart.push(format!("× {factor}")),
    }
    if !spec.weights.is_empty() {
        let weights: Vec<_> = spec.weights.iter().map(|weight| format!("{weight}")).collect();
        apart.push(format!("weights {}", weights.join(":")));
    }
    let name = |id: &AdapterId| all.iter().find(|card| card.id == *id).map(|card| card.name.as_str());
    if let Some(reference) = spec.reference.filter(|reference| spec.adapters.first() != Some(reference)) {
        apart.extend(name(&reference).map(|name| format!("reference {name}")));
    }
    if matches!(spec.texts, Texts::Lines(_)) && looks_at_texts(spec, methods) {
        apart.push("own texts".into());
    }
    apart.push(of_inputs(&spec.adapters.iter().filter_map(name).collect::<Vec<_>>()));
    format!("{title} ({})", apart.join(", "))
}

/// What a merge is made of, in words.
#[must_use]
pub fn of_inputs<S: std::borrow::Borrow<str>>(names: &[S]) -> String {
    format!("of {}", names.join(" + "))
}

/// Whether what comes of a merge depends on its texts.
#[must_use]
pub fn looks_at_texts(spec: &MergeSpec, methods: &[MethodCard]) -> bool {
    let method = methods.iter().find(|card| card.id == spec.method);
    method.is_some_and(|card| card.needs.iter().any(|need| need == "texts"))
        || spec.scale == OutputScale::Keep
        || ["fit", "repair"].iter().any(|step| spec.settings.get(*step).is_some_and(|on| on == "true"))
}

/// A new adapter in words, and how many neurons it has where the person has chosen that.
#[must_use]
pub fn of_scratch(bottleneck: Option<usize>) -> String {
    match bottleneck {
        None => "from scratch".into(),
        Some(neurons) => format!("from scratch, {neurons} neurons"),
    }
}

/// A run in words: what it starts from, and what of it is trained.
#[must_use]
pub fn of_run(start: &str, trained: Trained) -> String {
    match trained {
        Trained::All => start.to_owned(),
        Trained::Up => format!("{start}, up projections"),
        Trained::Head => format!("{start}, head alone"),
    }
}

/// What is trained, as links and tables have it.
#[must_use]
pub fn of_trained(trained: Trained) -> &'static str {
    match trained {
        Trained::All => "all",
        Trained::Up => "up",
        Trained::Head => "head",
    }
}

/// `name`, or with a number behind it where that is taken.
#[must_use]
pub fn free(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::choices::tests::adapter;
    use super::*;

    #[test]
    fn what_is_not_the_default_is_said() {
        let all = [adapter(1, "a"), adapter(2, "b"), adapter(3, "c")];
        let mut spec = MergeSpec {
            method: "ties".into(),
            settings: [("density".to_owned(), "0.2".to_owned())].into(),
            adapters: vec![AdapterId(1), AdapterId(2), AdapterId(3)],
            weights: vec![],
            reference: None,
            scale: OutputScale::None,
            texts: Texts::None,
        };
        assert_eq!(of_merge(&spec, &[], &all), "ties (density 0.2, of a + b + c)");
        spec.adapters.pop();
        spec.weights = vec![1.0, 0.5];
        spec.scale = OutputScale::Keep;
        assert_eq!(of_merge(&spec, &[], &all), "ties (density 0.2, amplitude kept, weights 1:0.5, of a + b)");
        spec.reference = Some(AdapterId(1));
        assert_eq!(of_merge(&spec, &[], &all), "ties (density 0.2, amplitude kept, weights 1:0.5, of a + b)");
        spec = MergeSpec { weights: vec![], scale: OutputScale::None, reference: Some(AdapterId(2)), ..spec };
        assert_eq!(of_merge(&spec, &[], &all), "ties (density 0.2, reference b, of a + b)");
        assert_eq!(of_merge(&spec, &[], &all[..2]), "ties (density 0.2, reference b, of a + b)");
    }

    #[test]
    fn own_texts_are_said_where_they_are_looked_at() {
        let all = [adapter(1, "a"), adapter(2, "b")];
        let needs = vec!["reference".into(), "texts".into()];
        let card = MethodCard {
            id: "mera_acts".into(),
            title: "MerA".into(),
            description: String::new(),
            paper: String::new(),
            needs,
            parameters: vec![],
            presets: vec![],
            laws: vec![],
        };
        let mut spec = MergeSpec {
            method: "mera_acts".into(),
            settings: Default::default(),
            adapters: vec![AdapterId(1), AdapterId(2)],
            weights: vec![],
            reference: None,
            scale: OutputScale::None,
            texts: Texts::Lines(vec!["a text".into()]),
        };
        let name = |spec: &MergeSpec| of_merge(spec, std::slice::from_ref(&card), &all);
        assert_eq!(name(&spec), "MerA (own texts, of a + b)");
        spec.method = "ties".into();
        assert_eq!(name(&spec), "ties (of a + b)");
        spec.settings = [("fit".to_owned(), "true".to_owned())].into();
        assert_eq!(name(&spec), "ties (fit true, own texts, of a + b)");
    }

    #[test]
    fn new_adapters_say_their_neurons_where_they_are_not_the_default() {
        assert_eq!([None, Some(48)].map(of_scratch), ["from scratch", "from scratch, 48 neurons"]);
    }
}
