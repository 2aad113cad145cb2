//! The part of the address behind `#`.

use wasm_bindgen::JsValue;

/// As it is. Choices may stand in the query instead, as someone would write them by hand: `?device=cpu`.
#[must_use]
pub fn hash() -> String {
    let Some(location) = web_sys::window().map(|window| window.location()) else { return String::new() };
    let (hash, query) = (location.hash().unwrap_or_default(), location.search().unwrap_or_default());
    if hash.is_empty() { query } else { hash }
}

/// Puts another in its place. Another page of the application is an entry of its own in the history, so that Back leads to
/// the one before and not out of it. The query stays: it may be meant for the worker.
pub fn replace(hash: &str) {
    let Some(window) = web_sys::window() else { return };
    let location = window.location();
    let (query, before) = (location.search().unwrap_or_default(), location.hash().unwrap_or_default());
    if let (Ok(history), Ok(path)) = (window.history(), location.pathname()) {
        let address = [path, query, hash.to_owned()].concat();
        let _ = match before.is_empty() || page(&before) == page(hash) {
            true => history.replace_state_with_url(&JsValue::NULL, "", Some(&address)),
            false => history.push_state_with_url(&JsValue::NULL, "", Some(&address)),
        };
    }
}

/// Of `#/lab/align?seed=13` it is `lab`.
fn page(hash: &str) -> Option<&str> {
    hash.split(['/', '?']).nth(1)
}

/// The whole address, to be shared.
#[must_use]
pub fn whole() -> String {
    web_sys::window().and_then(|window| window.location().href().ok()).unwrap_or_default()
}
