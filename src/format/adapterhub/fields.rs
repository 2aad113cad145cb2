//! Fields of a JSON object, typed, with errors that name the field and what it holds.

use super::super::FormatError;
use serde_json::{Map, Value};

/// An object as configurations are; keys keep their order.
pub(super) type Object = Map<String, Value>;

/// Longest piece of a file's own text that a message repeats, in characters.
const SHOWN: usize = 60;

pub(super) fn parse(bytes: &[u8]) -> Result<Object, FormatError> {
    serde_json::from_slice(bytes).map_err(|error| FormatError::Json { reason: error.to_string() })
}

/// As Python's `json.dump(indent=2)` writes it.
pub(super) fn print(object: &Object) -> Result<Vec<u8>, FormatError> {
    serde_json::to_vec_pretty(object).map_err(|error| FormatError::Write { reason: error.to_string() })
}

pub(super) fn wrong(field: &str, expected: &'static str, found: &Value) -> FormatError {
    let text = found.to_string();
    let mut found: String = text.chars().take(SHOWN).collect();
    if found.len() < text.len() {
        found.push('…');
    }
    FormatError::Field { field: field.to_owned(), expected, found }
}

/// A field that is there and not null. Of a path such as `config.scaling`, `object` holds the last part.
pub(super) fn present<'a>(object: &'a Object, field: &str) -> Option<&'a Value> {
    let key = field.rsplit('.').next().unwrap_or(field);
    object.get(key).filter(|value| !value.is_null())
}

pub(super) fn required<'a>(object: &'a Object, field: &'static str) -> Result<&'a Value, FormatError> {
    present(object, field).ok_or(FormatError::MissingField { field })
}

pub(super) fn boolean(object: &Object, field: &'static str, default: bool) -> Result<bool, FormatError> {
    present(object, field)
        .map_or(Ok(default), |value| value.as_bool().ok_or_else(|| wrong(field, "true or false", value)))
}

pub(super) fn text(object: &Object, field: &'static str) -> Result<Option<String>, FormatError> {
    present(object, field)
        .map(|value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(field, "a text", value)))
        .transpose()
}

pub(super) fn count(value: &Value, field: &'static str) -> Result<usize, FormatError> {
    value.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| wrong(field, "a whole number from 0", value))
}
