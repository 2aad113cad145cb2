//! What runs start from and what that is made of, whatever it is called: by this they are told apart.

use super::names;
use crate::protocol::*;

/// What runs start from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// As it is asked for.
    pub start: RunStart,
    /// How it was merged, where it was: on texts of an episode for any seed, without texts where it looks at none.
    pub merge: Option<MergeSpec>,
    /// Its adapters, as they are called when it is first trained: they may be renamed or removed later.
    pub inputs: Vec<String>,
    /// Their SHA-256.
    pub sha256: Vec<String>,
}

impl Origin {
    /// What `start` is, made by `merge` if it was merged.
    #[must_use]
    pub fn new(start: &RunStart, merge: Option<&MergeSpec>, methods: &[MethodCard], loaded: &[AdapterCard]) -> Self {
        let is_input = |card: &&AdapterCard| match merge {
            Some(spec) => spec.adapters.contains(&card.id),
            None => *start == RunStart::Adapter(card.id),
        };
        let (inputs, sha256) =
            loaded.iter().filter(is_input).map(|card| (card.name.clone(), card.sha256.clone())).unzip();
        let merge = merge.cloned().map(|mut spec| {
            spec.texts = match spec.texts {
                _ if !names::looks_at_texts(&spec, methods) => Texts::None,
                Texts::Episode(episode) => Texts::Episode(EpisodeSpec { seed: 0, ..episode }),
                own => own,
            };
            spec
        });
        Self { start: start.clone(), merge, inputs, sha256 }
    }
}

/// What is known of what a run starts from.
#[must_use]
pub fn of<'a>(origins: &'a [Origin], start: &RunStart) -> Option<&'a Origin> {
    origins.iter().find(|origin| origin.start == *start)
}

/// Whether runs from either start differ by their seeds at most: the same start, or merges of the same adapters in the
/// same way.
#[must_use]
pub fn same(origins: &[Origin], one: &RunStart, other: &RunStart) -> bool {
    let merge = |start| of(origins, start).and_then(|origin| origin.merge.as_ref());
    one == other || merge(one).is_some_and(|spec| merge(other) == Some(spec))
}

/// What to call a run: `words`, with a number behind them where a run of something else is called so.
#[must_use]
pub fn called(words: &str, start: &RunStart, trained: Trained, runs: &[RunReport], origins: &[Origin]) -> String {
    let other = |run: &RunReport| run.asked.settings.trained != trained || !same(origins, &run.asked.start, start);
    names::free(words, |name| runs.iter().any(|run| run.asked.name == name && other(run)))
}

/// Whether two runs are the same whatever they are called.
#[must_use]
pub fn alike(one: &Train, other: &Train) -> bool {
    (&one.start, &one.episode, one.settings) == (&other.start, &other.episode, other.settings)
}

#[cfg(test)]
mod tests {
    use super::super::choices::tests::{adapter, data};
    use super::super::results::tests::run;
    use super::super::{Choices, recipe};
    use super::*;

    fn merge(choices: &Choices, adapters: &[AdapterCard]) -> MergeSpec {
        choices.merge(adapters, &[data(0, "d")], &[]).unwrap()
    }

    fn choices() -> Choices {
        let mut choices = Choices::default();
        choices.merge.method = "mera_wts".into();
        choices
    }

    fn start(id: u32) -> RunStart {
        RunStart::Adapter(AdapterId(id))
    }

    #[test]
    fn an_adapter_that_is_left_out_changes_no_run() {
        let adapters = [adapter(1, "a"), adapter(2, "b"), adapter(3, "c")];
        let mut choices = choices();
        let spec = merge(&choices, &adapters[..2]);
        let merges = [MergeReport { adapter: adapter(9, "merged"), spec, plm: None, locations: vec![] }];
        assert_eq!(recipe::made(&merges, &merge(&choices, &adapters), None), None);
        choices.left_out.insert("c".into());
        let there = recipe::made(&merges, &merge(&choices, &adapters), None).unwrap();

        let asked = |name: &str, start| choices.train(name, start, &[data(0, "d")]).unwrap();
        let before = asked("merged", start(9));
        assert!(alike(&before, &asked("otherwise called", RunStart::Adapter(there.adapter.id))));
        assert!(!alike(&before, &asked("merged", start(8))));
        let mut other = before.clone();
        other.settings.trained = Trained::Up;
        assert!(!alike(&before, &other));
        other = before.clone();
        other.episode.seed += 1;
        assert!(!alike(&before, &other));
    }

    #[test]
    fn merges_are_the_same_for_any_seed_and_other_for_other_inputs_or_texts() {
        let one = [adapter(1, "a"), adapter(2, "b")];
        let replaced = [adapter(1, "a"), adapter(7, "b")];
        let mut choices = choices();
        choices.merge.scale = OutputScale::Keep;
        let mut origins = vec![];
        let mut add = |id, choices: &Choices, adapters: &[AdapterCard]| {
            origins.push(Origin::new(&start(id), Some(&merge(choices, adapters)), &[], adapters));
        };
        add(10, &choices, &one);
        add(11, &choices, &replaced);
        choices.episode.seed += 1;
        add(12, &choices, &one);
        choices.episode.k += 1;
        add(13, &choices, &one);
        choices.align.own_texts = "a text".into();
        add(14, &choices, &one);
        choices.merge.scale = OutputScale::None;
        add(15, &choices, &one);
        choices.align.own_texts = String::new();
        add(16, &choices, &one);
        let like_first = [11, 12, 13, 14].map(|id| same(&origins, &start(10), &start(id)));
        assert_eq!(like_first, [false, true, false, false]);
        assert!(same(&origins, &start(15), &start(16)), "it looks at no texts");
        assert!(!same(&origins, &start(1), &start(2)), "of which nothing is known");
    }

    #[test]
    fn what_is_called_alike_is_numbered() {
        let runs = [run("a", start(1), 4, 1, None)];
        let name = |id, trained| called("a", &start(id), trained, &runs, &[]);
        assert_eq!([name(1, Trained::All), name(2, Trained::All), name(1, Trained::Up)], ["a", "a_2", "a_2"]);
    }
}
