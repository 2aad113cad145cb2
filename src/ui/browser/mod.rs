//! What the page needs from the browser, each in a few lines: files in, files out, storage, theme, address.

pub mod address;
pub mod claim;
pub mod files;
pub mod json;
pub mod keep;
pub mod storage;
pub mod theme;

use crate::protocol::FileBytes;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Seconds of a clock that only goes forward.
#[must_use]
pub fn now() -> f64 {
    web_sys::window().and_then(|window| window.performance()).map_or(0.0, |clock| clock.now() / 1e3)
}

/// Milliseconds since 1970, as a name that no earlier one has.
#[must_use]
pub fn stamp() -> String {
    js_sys::Date::now().to_string()
}

/// How many threads the device offers, as the browser tells.
#[must_use]
pub fn cores() -> usize {
    web_sys::window().map_or(1, |window| window.navigator().hardware_concurrency() as usize)
}

/// What the browser calls itself.
#[must_use]
pub fn user_agent() -> String {
    web_sys::window().and_then(|window| window.navigator().user_agent().ok()).unwrap_or_default()
}

/// A promise that a method of some object of the browser gives; `None` where the browser lacks it.
pub(crate) fn promised(object: &JsValue, method: &str, arguments: &js_sys::Array) -> Option<JsFuture> {
    let function = js_sys::Reflect::get(object, &method.into()).ok()?.dyn_into::<js_sys::Function>().ok()?;
    let promise = function.apply(object, arguments).ok()?.dyn_into::<js_sys::Promise>().ok()?;
    Some(JsFuture::from(promise))
}

/// Scrolls as far as it takes for the whole of an element to be in sight.
pub fn bring_into_sight(element: &web_sys::Element) {
    let options = js_sys::Object::new();
    let set = js_sys::Reflect::set(&options, &"block".into(), &"nearest".into());
    let scroll = js_sys::Reflect::get(element, &"scrollIntoView".into());
    // A browser that can't is no reason to stop.
    if let (Ok(true), Ok(Ok(scroll))) = (set, scroll.map(JsCast::dyn_into::<js_sys::Function>)) {
        let _ = scroll.call1(element, &options);
    }
}

/// Hands a file to the person's downloads.
///
/// # Errors
/// Where the browser refuses.
pub fn download(file: &FileBytes) -> Result<(), JsValue> {
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(file.bytes.as_slice()));
    let kind = web_sys::BlobPropertyBag::new();
    kind.set_type(media_type(&file.path));
    let blob = web_sys::Blob::new_with_u8_array_sequence_and_options(&parts, &kind)?;
    let url = web_sys::Url::create_object_url_with_blob(&blob)?;
    let document = web_sys::window().and_then(|window| window.document()).ok_or(JsValue::NULL)?;
    let link: web_sys::HtmlAnchorElement = document.create_element("a")?.dyn_into()?;
    link.set_href(&url);
    link.set_download(file.path.rsplit('/').next().unwrap_or(&file.path));
    link.click();
    // Revoked late: the download begins after this task.
    let later = Closure::once_into_js(move || {
        let _ = web_sys::Url::revoke_object_url(&url);
    });
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    window.set_timeout_with_callback_and_timeout_and_arguments_0(later.unchecked_ref(), 10_000)?;
    Ok(())
}

/// What a file is, by the end of its name: where a browser is not told, it may take it for plain text and name it so.
fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "zip" => "application/zip",
        "svg" => "image/svg+xml",
        "html" => "text/html",
        "csv" => "text/csv",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

/// Puts text on the clipboard; whether it worked.
pub async fn copy(text: &str) -> bool {
    let Some(window) = web_sys::window() else { return false };
    let Ok(clipboard) = js_sys::Reflect::get(&window.navigator(), &"clipboard".into()) else { return false };
    match promised(&clipboard, "writeText", &js_sys::Array::of1(&text.into())) {
        Some(done) => done.await.is_ok(),
        None => false,
    }
}

/// A JSON file of the page itself.
///
/// # Errors
/// One line.
pub async fn fetch_json<T: serde::de::DeserializeOwned>(url: &str) -> Result<T, String> {
    let text = fetch_text(url).await?;
    json::read(&text).map_err(|error| format!("{url}: {error}"))
}

/// A text file of the page itself.
///
/// # Errors
/// One line.
pub async fn fetch_text(url: &str) -> Result<String, String> {
    let words = |error: JsValue| format!("{url}: {}", reason(&error));
    let window = web_sys::window().ok_or("no window")?;
    let response = JsFuture::from(window.fetch_with_str(url)).await.map_err(words)?;
    let response: web_sys::Response = response.dyn_into().map_err(words)?;
    if !response.ok() {
        return Err(format!("{url}: the server answered {}", response.status()));
    }
    let text = JsFuture::from(response.text().map_err(words)?).await.map_err(words)?;
    Ok(text.as_string().unwrap_or_default())
}

/// Comes back after so many milliseconds.
pub async fn sleep(milliseconds: i32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        if let Some(window) = web_sys::window() {
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
        }
    });
    let _ = JsFuture::from(promise).await;
}

/// The device's memory in GiB, where the browser speaks of it.
#[must_use]
pub fn memory() -> Option<f64> {
    let navigator = web_sys::window()?.navigator();
    js_sys::Reflect::get(&navigator, &"deviceMemory".into()).ok()?.as_f64()
}

/// What an exception says.
pub(crate) fn reason(error: &JsValue) -> String {
    error.dyn_ref::<js_sys::Error>().map_or_else(|| format!("{error:?}"), |error| String::from(error.message()))
}
