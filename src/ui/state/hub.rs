//! What people paste to name a repository on the Hugging Face hub.

use crate::protocol::FileSource;

/// Reads `owner/name`, `owner/name@revision`, or the address of a repository's page.
///
/// # Errors
/// One line that says what was expected.
pub fn parse(text: &str) -> Result<FileSource, String> {
    let text = text.trim();
    let without_scheme = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let is_address = without_scheme != text || without_scheme.starts_with("huggingface.co/");
    let path = match without_scheme.strip_prefix("huggingface.co/").or_else(|| without_scheme.strip_prefix("hf.co/")) {
        Some(path) => path,
        None if is_address => return Err(format!("`{text}` is not an address on huggingface.co.")),
        None => without_scheme,
    };
    let path = path.split(['?', '#']).next().unwrap_or(path).trim_matches('/');
    let (path, mut revision) = match path.split_once('@') {
        Some((path, revision)) => (path, revision.to_owned()),
        None => (path, String::new()),
    };
    let parts: Vec<&str> = path.split('/').collect();
    let name = match parts[..] {
        [owner, name] => (owner, name),
        [owner, name, "tree" | "blob" | "resolve", at, ..] => {
            revision = at.to_owned();
            (owner, name)
        }
        [owner, name, ..] if is_address => (owner, name),
        _ => return Err(format!("`{text}` is not of the form owner/name.")),
    };
    let allowed = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if !allowed(name.0) || !allowed(name.1) {
        return Err(format!("`{text}` is not of the form owner/name."));
    }
    Ok(FileSource::Hub { id: format!("{}/{}", name.0, name.1), revision })
}

/// The form that [`parse`] reads; the newest revision where `revision` is empty.
#[must_use]
pub fn write(id: &str, revision: &str) -> String {
    if revision.is_empty() { id.to_owned() } else { format!("{id}@{revision}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, String)> {
        match parse(text) {
            Ok(FileSource::Hub { id, revision }) => Some((id, revision)),
            _ => None,
        }
    }

    #[test]
    fn ids_and_addresses() {
        let hub = |id: &str, revision: &str| Some((id.to_owned(), revision.to_owned()));
        assert_eq!(read(" AdapterHub/bert-sst "), hub("AdapterHub/bert-sst", ""));
        assert_eq!(read("a/b@v1.0"), hub("a/b", "v1.0"));
        assert_eq!(read("https://huggingface.co/a/b"), hub("a/b", ""));
        assert_eq!(read("https://huggingface.co/a/b/tree/main"), hub("a/b", "main"));
        assert_eq!(read("https://huggingface.co/a/b/blob/0123abc/x/config.json?download=1"), hub("a/b", "0123abc"));
        assert_eq!(read("huggingface.co/a/b/"), hub("a/b", ""));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["a/b", "a/b@v1.0"] {
            let (id, revision) = read(text).unwrap();
            assert_eq!(write(&id, &revision), text);
        }
    }

    #[test]
    fn what_is_none_of_it_is_refused() {
        for text in ["", "just-a-name", "https://example.org/a/b", "a/b/c", "a/b c", "../x"] {
            assert!(parse(text).is_err(), "{text}");
        }
        insta::assert_snapshot!(parse("https://example.org/a/b").unwrap_err(), @"`https://example.org/a/b` is not an address on huggingface.co.");
    }
}
