//! What a person is told: one line of bounded length, whatever is in it.
//!
//! Errors and remarks repeat what files say: a tensor, a column, a model or an entry of an archive may be called anything,
//! with line ends, a terminal's escape sequences, or a mebibyte of letters. So nothing is trusted where a name is put into
//! a message, and everything goes through [`one_line`] where the message leaves the engine.

use crate::protocol::Problem;
use std::fmt::Display;

/// Characters of a line: more than any message of ours has whose names are those of real files.
const LONGEST: usize = 600;

/// `text` for a person: on one line, at most 600 characters long. What would end the line, move a cursor or turn the
/// direction of reading becomes U+FFFD each; of what is too long the middle goes, for what is wrong stands at either end.
#[must_use]
pub fn one_line(text: impl Display) -> String {
    let text = text.to_string();
    let shown = |c: char| if breaks(c) { char::REPLACEMENT_CHARACTER } else { c };
    // Only a text that may be too long is counted.
    let count = if text.len() > LONGEST { text.chars().count() } else { 0 };
    if count <= LONGEST {
        return text.chars().map(shown).collect();
    }
    let (head, tail) = (LONGEST / 2, LONGEST - LONGEST / 2 - 1);
    let ends = text.chars().take(head).map(shown).chain(['…']).chain(text.chars().skip(count - tail).map(shown));
    ends.collect()
}

/// Whether a character does something else than stand in its place.
fn breaks(c: char) -> bool {
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || separates || turns
}

/// What is wrong with the file or folder at `path`.
pub(super) fn problem(path: &str, message: impl Display) -> Problem {
    Problem { path: one_line(path), message: one_line(message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_neither_ends_the_line_nor_speaks_to_the_terminal() {
        let evil = "tensor evil\r\n\u{1b}[31mname\u{9b}0m\u{202e}\u{2028} has no place";
        insta::assert_snapshot!(one_line(evil), @"tensor evil���[31mname�0m�� has no place");
        assert_eq!(one_line("größe, 名前, 🦀"), "größe, 名前, 🦀");
    }

    #[test]
    fn of_what_is_too_long_both_ends_are_told() {
        let long = format!("tensor é{} has no place", "z".repeat(5000));
        let line = one_line(&long);
        assert_eq!(line.chars().count(), LONGEST);
        assert!(line.starts_with("tensor ézz") && line.contains("z…z") && line.ends_with("zz has no place"), "{line}");
        let whole = "é".repeat(LONGEST);
        assert_eq!(one_line(&whole), whole);
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_line(text in any::<String>(), times in 0_usize..200) {
            let line = one_line(text.repeat(times));
            prop_assert!(line.chars().count() <= LONGEST);
            prop_assert!(!line.chars().any(breaks));
            prop_assert_eq!(one_line(&line), line.clone(), "a line stays as it is");
        }
    }
}
