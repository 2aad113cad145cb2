//! What a saved picture is called.

/// A title as the stem of a file's name: lower case, words joined by dashes. What is beyond ASCII stays as it is: the tables
/// of all alphabets are a hundredth of the page.
pub(super) fn stem(title: &str) -> String {
    let words = title.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}
