//! What the browser keeps for this page: cached files, their sizes, and a way to delete them.

use super::keep::caches;
use super::promised;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Caches of this application begin with this: other pages may share the origin.
const PREFIX: &str = "mera";

/// One cached file.
#[derive(Clone, Debug, PartialEq)]
pub struct Cached {
    /// Name of its cache.
    pub cache: String,
    /// Its address.
    pub url: String,
    /// Size in bytes.
    pub bytes: f64,
}

/// What the laboratory keeps is counted by itself, for nobody looks at hundreds of runs one by one.
fn is_listed(name: &str) -> bool {
    name.starts_with(PREFIX) && name != super::keep::CACHE
}

/// Space used by this origin and what it may use, in bytes, where the browser says.
pub async fn estimate() -> Option<(f64, f64)> {
    let storage = web_sys::window()?.navigator().storage();
    let estimate = promised(&storage, "estimate", &js_sys::Array::new())?.await.ok()?;
    let number = |key: &str| js_sys::Reflect::get(&estimate, &key.into()).ok()?.as_f64();
    Some((number("usage")?, number("quota")?))
}

/// Every cached file of this application.
///
/// # Errors
/// Where the browser has no caches for this page, for example outside a secure context.
pub async fn list() -> Result<Vec<Cached>, JsValue> {
    let caches = caches().ok_or(JsValue::NULL)?;
    let mut all = Vec::new();
    let names: js_sys::Array = JsFuture::from(caches.keys()).await?.dyn_into()?;
    for name in names.iter().filter_map(|name| name.as_string()).filter(|name| is_listed(name)) {
        let cache: web_sys::Cache = JsFuture::from(caches.open(&name)).await?.dyn_into()?;
        let requests: js_sys::Array = JsFuture::from(cache.keys()).await?.dyn_into()?;
        for request in requests.iter() {
            let request: web_sys::Request = request.dyn_into()?;
            let response = JsFuture::from(cache.match_with_request(&request)).await?;
            let Ok(response) = response.dyn_into::<web_sys::Response>() else { continue };
            let blob: web_sys::Blob = JsFuture::from(response.blob()?).await?.dyn_into()?;
            all.push(Cached { cache: name.clone(), url: request.url(), bytes: blob.size() });
        }
    }
    Ok(all)
}

/// Deletes one cached file.
///
/// # Errors
/// Where the browser refuses.
pub async fn delete(file: &Cached) -> Result<(), JsValue> {
    let caches = caches().ok_or(JsValue::NULL)?;
    let cache: web_sys::Cache = JsFuture::from(caches.open(&file.cache)).await?.dyn_into()?;
    JsFuture::from(cache.delete_with_str(&file.url)).await?;
    Ok(())
}
