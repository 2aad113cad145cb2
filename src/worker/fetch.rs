//! Files from the network, with one progress over all of them, kept in the browser's cache.
//!
//! Only whole files are put into the cache, so a cancelled download leaves nothing half-written.

use crate::engine::{ADAPTER_FILES, Observer};
use crate::protocol::{Failure, FailureKind, FileBytes, FileSource, PLM_FILES, Phase, Progress};
use js_sys::{Reflect, Uint8Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Cache, ReadableStreamDefaultReader, RequestInit, Response};

/// Name of the cache; a new number forgets what older versions kept.
const CACHE: &str = "mera-lab-files-1";

/// Smaller files are left to the browser's own cache, which asks the server whether they have changed.
const KEEP_FROM: usize = 1 << 20;

/// No file of a small model is larger; a server may claim anything.
const LARGEST: f64 = (2u64 << 30) as f64;

struct Opened {
    path: String,
    url: String,
    response: Response,
    cached: bool,
    bytes: f64,
}

/// Every source as bytes, until `stop`.
///
/// # Errors
/// When a file can't be fetched, or the job was cancelled.
pub(super) async fn all(
    files: Vec<FileSource>,
    stop: Option<&AbortSignal>,
    observer: &mut dyn Observer,
) -> Result<Vec<FileSource>, Failure> {
    match bytes_of(files, stop, observer).await {
        // Whatever the network says of it: somebody wanted it broken off.
        Err(_) if stop.is_some_and(AbortSignal::aborted) => Err(cancelled()),
        other => other,
    }
}

async fn bytes_of(
    files: Vec<FileSource>,
    stop: Option<&AbortSignal>,
    observer: &mut dyn Observer,
) -> Result<Vec<FileSource>, Failure> {
    let mut wanted = Vec::new();
    let mut done = Vec::new();
    for file in files {
        match file {
            FileSource::Bytes(_) => done.push(file),
            FileSource::Url { path, url } => wanted.push((path, url)),
            FileSource::Hub { id, revision } => wanted.extend(repository(&id, &revision, stop).await?),
        }
    }
    let cache = cache().await;
    let mut opened = Vec::new();
    for (path, url) in wanted {
        opened.push(open(path, url, cache.as_ref(), stop).await?);
    }
    let total: f64 = opened.iter().map(|file| file.bytes).sum();
    let mut before = 0.0;
    for file in opened {
        let (path, length) = (file.path.clone(), file.bytes);
        let bytes = read(file, cache.as_ref(), before, total, observer).await?;
        before += length.max(bytes.len() as f64);
        done.push(FileSource::Bytes(FileBytes { path, bytes }));
    }
    Ok(done)
}

fn network(url: &str, reason: &str) -> Failure {
    Failure { kind: FailureKind::Network, message: format!("{url}: {reason}") }
}

fn cancelled() -> Failure {
    Failure { kind: FailureKind::Cancelled, message: "cancelled".into() }
}

fn reason(error: &JsValue) -> String {
    Reflect::get(error, &"message".into()).ok().and_then(|text| text.as_string()).unwrap_or_else(|| "no answer".into())
}

async fn fetch(url: &str, stop: Option<&AbortSignal>) -> Result<Response, Failure> {
    let response = answer(url, stop).await?;
    if response.ok() { Ok(response) } else { Err(network(url, &format!("the server answers {}", status(&response)))) }
}

/// Whatever the server answers, an error among it. A server may also say nothing, for as long as it likes: then `stop` is
/// all that ends it.
async fn answer(url: &str, stop: Option<&AbortSignal>) -> Result<Response, Failure> {
    let scope = super::scope::global().map_err(|error| network(url, &reason(&error)))?;
    let asked = RequestInit::new();
    asked.set_signal(stop);
    let response = JsFuture::from(scope.fetch_with_str_and_init(url, &asked))
        .await
        .map_err(|error| network(url, &reason(&error)))?;
    response.dyn_into().map_err(|_| network(url, "no answer"))
}

fn status(response: &Response) -> String {
    format!("{} {}", response.status(), response.status_text()).trim_end().to_owned()
}

async fn cache() -> Option<Cache> {
    // Only a secure context has caches; elsewhere they are undefined, and no error says so.
    let caches = super::scope::global().ok()?.caches().ok().filter(|caches| !caches.is_undefined())?;
    JsFuture::from(caches.open(CACHE)).await.ok()?.dyn_into().ok()
}

async fn open(path: String, url: String, cache: Option<&Cache>, stop: Option<&AbortSignal>) -> Result<Opened, Failure> {
    let kept = match cache {
        Some(cache) => JsFuture::from(cache.match_with_str(&url)).await.ok().and_then(|found| found.dyn_into().ok()),
        None => None,
    };
    let cached = kept.is_some();
    let response: Response = match kept {
        Some(response) => response,
        None => fetch(&url, stop).await?,
    };
    let length = response.headers().get("content-length").ok().flatten().and_then(|length| length.parse().ok());
    let bytes: f64 = length.unwrap_or(0.0);
    if bytes > LARGEST {
        return Err(network(&url, &format!("{bytes} bytes are more than a small model has")));
    }
    Ok(Opened { path, url, response, cached, bytes })
}

async fn read(
    file: Opened,
    cache: Option<&Cache>,
    before: f64,
    total: f64,
    observer: &mut dyn Observer,
) -> Result<Vec<u8>, Failure> {
    let Opened { url, response, cached, bytes: whole, .. } = file;
    let failed = |error: JsValue| network(&url, &reason(&error));
    let mut bytes = Vec::new();
    if let Some(body) = response.body() {
        let reader: ReadableStreamDefaultReader = body.get_reader().dyn_into().map_err(|_| network(&url, "no body"))?;
        loop {
            let chunk = JsFuture::from(reader.read()).await.map_err(|error| {
                let came = bytes.len();
                let of = if whole > 0.0 { format!(" of {whole}") } else { String::new() };
                network(&url, &format!("the download broke off after {came}{of} bytes ({})", reason(&error)))
            })?;
            if Reflect::get(&chunk, &"done".into()).map_err(failed)?.is_truthy() {
                break;
            }
            let value = Reflect::get(&chunk, &"value".into()).map_err(failed)?;
            let value: Uint8Array = value.dyn_into().map_err(|_| network(&url, "no bytes"))?;
            let start = bytes.len();
            bytes.resize(start + value.length() as usize, 0);
            value.copy_to(&mut bytes[start..]);
            if bytes.len() as f64 > LARGEST {
                return Err(network(&url, "it is larger than a small model is"));
            }
            let done = before + bytes.len() as f64;
            let progress =
                Progress { phase: Phase::Download, done, total: total.max(done), point: None, run: 0, rate: None };
            if observer.progress(progress).await.is_err() {
                let _ = JsFuture::from(reader.cancel()).await;
                return Err(cancelled());
            }
        }
    }
    if let (Some(cache), false, true) = (cache, cached, bytes.len() >= KEEP_FROM) {
        keep(cache, &url, &bytes).await;
    }
    Ok(bytes)
}

/// Best effort: where storage is full, the file is fetched again next time.
async fn keep(cache: &Cache, url: &str, bytes: &[u8]) {
    let mut copy = Uint8Array::from(bytes).to_vec();
    let Ok(response) = Response::new_with_opt_u8_array(Some(&mut copy)) else { return };
    let _ = response.headers().set("content-length", &bytes.len().to_string());
    let _ = JsFuture::from(cache.put_with_str(url, &response)).await;
}

/// Where the hub is: Hugging Face's, or what the page was told in `?hub=`. Whoever sends a link must not be able to send
/// what is asked for elsewhere, so that is the page's own server, or one on this machine.
fn hub() -> Result<String, Failure> {
    let location = Reflect::get(&js_sys::global(), &"location".into()).unwrap_or(JsValue::UNDEFINED);
    let word = |of: &JsValue, key: &str| Reflect::get(of, &key.into()).ok().and_then(|text| text.as_string());
    let query = word(&location, "search").and_then(|query| web_sys::UrlSearchParams::new_with_str(&query).ok());
    let Some(told) = query.and_then(|query| query.get("hub")) else { return Ok("https://huggingface.co".to_owned()) };
    let refused = || {
        let message = format!("?hub={told} is neither on this machine nor the page's own server");
        Failure { kind: FailureKind::Input, message }
    };
    let url =
        web_sys::Url::new_with_base(&told, &word(&location, "href").unwrap_or_default()).map_err(|_| refused())?;
    let here = matches!(url.hostname().as_str(), "127.0.0.1" | "localhost" | "[::1]");
    if !here && Some(url.origin()) != word(&location, "origin") {
        return Err(refused());
    }
    Ok(url.href().trim_end_matches('/').to_owned())
}

/// Paths and URLs of the files of a repository that are worth fetching, at the commit that `revision` stands for.
async fn repository(id: &str, revision: &str, stop: Option<&AbortSignal>) -> Result<Vec<(String, String)>, Failure> {
    #[derive(Deserialize)]
    struct Repository {
        sha: String,
        siblings: Vec<Sibling>,
    }
    #[derive(Deserialize)]
    struct Sibling {
        rfilename: String,
    }
    let named = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let revision = if revision.is_empty() { "main" } else { revision };
    if !id.split('/').all(named) || id.split('/').count() > 2 || !revision.split('/').all(named) {
        let message = format!("\"{id}\" at \"{revision}\" is no Hub id; one looks like owner/name");
        return Err(Failure { kind: FailureKind::Input, message });
    }
    let hub = hub()?;
    let url = format!("{hub}/api/models/{id}/revision/{revision}");
    let response = answer(&url, stop).await?;
    let missing = |what: &str| {
        let message = format!("{what} (it answers {})", status(&response));
        Failure { kind: FailureKind::Input, message }
    };
    match response.status() {
        200..=299 => {}
        // The hub does not tell a private repository from none.
        401 | 403 => return Err(missing(&format!("{id}: the hub has no such public repository"))),
        404 => return Err(missing(&format!("{id} at {revision}: the hub has no such revision"))),
        _ => return Err(network(&url, &format!("the server answers {}", status(&response)))),
    }
    let text = match response.text() {
        Ok(promise) => JsFuture::from(promise).await.ok().and_then(|text| text.as_string()).unwrap_or_default(),
        Err(error) => return Err(network(&url, &reason(&error))),
    };
    let repository: Repository =
        serde_json::from_str(&text).map_err(|error| network(&url, &format!("not what the Hub answers: {error}")))?;
    let sha = repository.sha;
    // Nothing else of a repository is worth fetching.
    let known = [PLM_FILES.as_slice(), &ADAPTER_FILES].concat();
    let wanted = |file: &String| known.contains(&file.as_str());
    let files: Vec<_> = repository.siblings.into_iter().map(|sibling| sibling.rfilename).filter(wanted).collect();
    if files.is_empty() {
        let message = format!("{id}: none of its files is one of {}", known.join(", "));
        return Err(Failure { kind: FailureKind::Input, message });
    }
    Ok(files.into_iter().map(|file| (format!("{id}/{file}"), format!("{hub}/{id}/resolve/{sha}/{file}"))).collect())
}
