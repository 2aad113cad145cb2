//! The part of the address behind `#`.

use wasm_bindgen::JsValue;

/// As it is. Choices may stand in the query instead, as someone would write them by hand: `?device=cpu`.
#[must_use]
pub fn hash() -> String {
    let Some(location) = web_sys::window().map(|window| window.location()) else { return String::new() };
    let (hash, query) = (location.hash().unwrap_or_default(), location.search().unwrap_or_default());
    if hash.is_empty() { query } else { hash }
}

/// Puts another in its place, without a new entry in the history. The query stays: it may be meant for the worker.
pub fn replace(hash: &str) {
    let Some(window) = web_sys::window() else { return };
    let query = window.location().search().unwrap_or_default();
    if let (Ok(history), Ok(path)) = (window.history(), window.location().pathname()) {
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&format!("{path}{query}{hash}")));
    }
}

/// The whole address, to be shared.
#[must_use]
pub fn whole() -> String {
    web_sys::window().and_then(|window| window.location().href().ok()).unwrap_or_default()
}
