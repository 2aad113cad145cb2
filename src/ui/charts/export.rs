//! What a saved picture is called.

/// A title as the stem of a file's name: lower case, words joined by dashes.
pub(super) fn stem(title: &str) -> String {
    let words = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}
