//! Which columns of a data file are what, as far as their names tell.

use crate::protocol::DataColumns;

/// What labels, first texts and second texts are usually called, the likeliest first.
const LABEL: [&str; 11] =
    ["label", "gold_label", "labels", "class", "category", "target", "sentiment", "stars", "rating", "score", "y"];
const TEXT1: [&str; 12] = [
    "text1",
    "sentence1",
    "premise",
    "question1",
    "s1",
    "text",
    "sentence",
    "question",
    "review",
    "content",
    "title",
    "string1",
];
const TEXT2: [&str; 9] =
    ["text2", "sentence2", "hypothesis", "question2", "s2", "answer", "context", "string2", "reply"];

/// A proposal, for the person to change: by name, and where no name tells, labels in the first column and texts in the
/// first that is left. A second text is proposed by name only.
#[must_use]
pub fn proposed(columns: &[String]) -> DataColumns {
    let named = |names: &[&str]| {
        let same = |name: &&str| columns.iter().find(|column| column.trim().eq_ignore_ascii_case(name));
        names.iter().find_map(same).cloned()
    };
    let (label, text2) = (named(&LABEL), named(&TEXT2));
    let others = |taken: &[&Option<String>]| {
        columns.iter().find(|column| taken.iter().all(|taken| taken.as_ref() != Some(column))).cloned()
    };
    let text1 = named(&TEXT1);
    let label = label.or_else(|| others(&[&text1, &text2])).unwrap_or_default();
    let text1 = text1.or_else(|| others(&[&Some(label.clone()), &text2])).unwrap_or_default();
    DataColumns { label, text1, text2 }
}

/// What is wrong with a choice; `None` where it can be used.
#[must_use]
pub fn missing(chosen: &DataColumns) -> Option<String> {
    let DataColumns { label, text1, text2 } = chosen;
    let twice = [(label, Some(text1)), (label, text2.as_ref()), (text1, text2.as_ref())];
    twice.into_iter().find(|(one, other)| Some(*one) == *other).map(|(column, _)| format!("{column} is chosen twice."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(columns: &[&str]) -> (String, String, Option<String>) {
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let DataColumns { label, text1, text2 } = proposed(&columns);
        (label, text1, text2)
    }

    #[test]
    fn names_tell() {
        let found = |label: &str, text1: &str, text2: Option<&str>| (label.into(), text1.into(), text2.map(Into::into));
        assert_eq!(
            of(&["id", "Premise", "Hypothesis", "gold_label"]),
            found("gold_label", "Premise", Some("Hypothesis"))
        );
        assert_eq!(of(&["class", "sentence"]), found("class", "sentence", None));
        assert_eq!(of(&["stars", "opinion"]), found("stars", "opinion", None));
        assert_eq!(of(&["a", "b", "c"]), found("a", "b", None));
        assert_eq!(of(&["alone"]), found("alone", "", None));
    }

    #[test]
    fn one_column_is_one_thing() {
        let chosen = |label: &str, text1: &str, text2: Option<&str>| {
            missing(&DataColumns { label: label.into(), text1: text1.into(), text2: text2.map(Into::into) })
        };
        assert_eq!(chosen("a", "b", Some("c")), None);
        assert_eq!(chosen("a", "b", None), None);
        insta::assert_snapshot!(chosen("a", "a", None).unwrap(), @"a is chosen twice.");
        insta::assert_snapshot!(chosen("a", "b", Some("b")).unwrap(), @"b is chosen twice.");
    }
}
