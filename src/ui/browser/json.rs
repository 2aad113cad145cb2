//! JSON by the browser's own parser, so that the page carries none.

use super::reason;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;

/// What `text` says.
///
/// # Errors
/// One line, where it is no JSON, or not of this type.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let value = js_sys::JSON::parse(text).map_err(|error| reason(&error))?;
    serde_wasm_bindgen::from_value(value).map_err(|error| error.to_string())
}

/// A value as text: on one line, or indented by two spaces for a person. What is no number is `null`.
///
/// # Errors
/// One line, where JavaScript can't hold the value, as with a whole number above 2⁵³.
pub fn write<T: Serialize>(value: &T, indented: bool) -> Result<String, String> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    let value = value.serialize(&serializer).map_err(|error| error.to_string())?;
    let indent = if indented { JsValue::from_f64(2.0) } else { JsValue::UNDEFINED };
    let text = js_sys::JSON::stringify_with_replacer_and_space(&value, &JsValue::NULL, &indent);
    Ok(String::from(text.map_err(|error| reason(&error))?))
}
