//! What the laboratory keeps in this browser between visits: experiments, their files, and finished runs, each under a
//! name of its own in the cache storage, which holds as much as the browser grants and writes each entry whole.

use super::{json, reason};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, CacheStorage, Response};

/// Name of the cache; a new number forgets what older versions kept.
pub const CACHE: &str = "mera-laboratory-1";
/// Entries stand under this address, which is never fetched.
const PLACE: &str = "kept/";

/// Keeps `value` under `name`.
///
/// # Errors
/// One line, when the storage is full or the browser has none for this page.
pub async fn put<T: Serialize>(name: &str, value: &T) -> Result<(), String> {
    let text = json::write(value, false).map_err(|error| format!("{name}: {error}"))?;
    write(name, Response::new_with_opt_str(Some(&text))).await
}

/// Keeps bytes under `name`.
///
/// # Errors
/// As [`put`].
pub async fn put_bytes(name: &str, bytes: &[u8]) -> Result<(), String> {
    let mut copy = bytes.to_vec();
    write(name, Response::new_with_opt_u8_array(Some(&mut copy))).await
}

/// What is kept under `name`; `None` where there is nothing, or what an older version wrote.
///
/// # Errors
/// One line, when the browser has no storage for this page.
pub async fn get<T: DeserializeOwned>(name: &str) -> Result<Option<T>, String> {
    let Some(response) = read(name).await? else { return Ok(None) };
    let words = |error: JsValue| format!("{name}: {}", reason(&error));
    let text = JsFuture::from(response.text().map_err(words)?).await.map_err(words)?;
    Ok(json::read(&text.as_string().unwrap_or_default()).ok())
}

/// Whether anything is kept under `name`.
pub async fn has(name: &str) -> bool {
    read(name).await.is_ok_and(|found| found.is_some())
}

/// The bytes that are kept under `name`.
///
/// # Errors
/// As [`get`].
pub async fn get_bytes(name: &str) -> Result<Option<Vec<u8>>, String> {
    let Some(response) = read(name).await? else { return Ok(None) };
    let words = |error: JsValue| format!("{name}: {}", reason(&error));
    let buffer = JsFuture::from(response.array_buffer().map_err(words)?).await.map_err(words)?;
    Ok(Some(js_sys::Uint8Array::new(&buffer).to_vec()))
}

/// The names that begin with `start`.
///
/// # Errors
/// As [`get`].
pub async fn names(start: &str) -> Result<Vec<String>, String> {
    let cache = cache().await?;
    let requests = JsFuture::from(cache.keys()).await.map_err(|error| reason(&error))?;
    let requests = js_sys::Array::from(&requests);
    let urls = requests.iter().filter_map(|request| Some(request.dyn_into::<web_sys::Request>().ok()?.url()));
    let root = format!("{}{PLACE}", folder());
    let names = urls.filter_map(|url| Some(String::from(js_sys::decode_uri_component(url.strip_prefix(&root)?).ok()?)));
    Ok(names.filter(|name| name.starts_with(start)).collect())
}

/// Forgets what is kept under `name`.
pub async fn forget(name: &str) {
    if let Ok(cache) = cache().await {
        let _ = JsFuture::from(cache.delete_with_str(&address(name))).await;
    }
}

/// Forgets everything.
pub async fn forget_all() {
    if let Some(caches) = caches() {
        let _ = JsFuture::from(caches.delete(CACHE)).await;
    }
}

async fn read(name: &str) -> Result<Option<Response>, String> {
    let found = JsFuture::from(cache().await?.match_with_str(&address(name))).await;
    Ok(found.map_err(|error| reason(&error))?.dyn_into().ok())
}

async fn write(name: &str, response: Result<Response, JsValue>) -> Result<(), String> {
    let response = response.map_err(|error| reason(&error))?;
    let put = cache().await?.put_with_str(&address(name), &response);
    JsFuture::from(put).await.map(drop).map_err(|error| match reason(&error) {
        full if full.to_ascii_lowercase().contains("quota") => {
            "this browser's storage for the page is full: what is kept stays, nothing more is; free some under This device"
                .to_owned()
        }
        other => format!("the browser keeps nothing: {other}"),
    })
}

/// The browser's caches; outside a secure context there are none, and no error says so.
pub(super) fn caches() -> Option<CacheStorage> {
    web_sys::window()?.caches().ok().filter(|caches| !caches.is_undefined())
}

async fn cache() -> Result<Cache, String> {
    let none = "this browser keeps nothing for a page that is not opened over https or from this machine";
    let caches = caches().ok_or(none)?;
    let cache = JsFuture::from(caches.open(CACHE)).await.map_err(|error| reason(&error))?;
    cache.dyn_into().map_err(|_| none.to_owned())
}

/// The page's own folder.
fn folder() -> String {
    let location = web_sys::window().map(|window| window.location());
    let (origin, path) = location.map_or_else(Default::default, |location| {
        (location.origin().unwrap_or_default(), location.pathname().unwrap_or_default())
    });
    format!("{origin}{}", path.rsplit_once('/').map_or("/".to_owned(), |(folder, _)| format!("{folder}/")))
}

fn address(name: &str) -> String {
    let parts: Vec<String> = name.split('/').map(|part| String::from(js_sys::encode_uri_component(part))).collect();
    format!("{}{PLACE}{}", folder(), parts.join("/"))
}
