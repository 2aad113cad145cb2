//! Names that one tab of this browser holds at a time (the Web Locks API): what one is at, another leaves alone.

use super::promised;
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// A name that is held until this is dropped, at the latest until the tab is closed.
pub struct Claim {
    /// `None` in a browser without such locks.
    release: Option<Function>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(release) = &self.release {
            let _ = release.call0(&JsValue::NULL);
        }
    }
}

/// Claims all of `names`; none of them, where another tab holds one.
pub async fn claim(names: &[String]) -> Option<Vec<Claim>> {
    let mut claims = Vec::new();
    for name in names {
        claims.push(claim_one(name).await?);
    }
    Some(claims)
}

async fn claim_one(name: &str) -> Option<Claim> {
    // Resolves with what releases the name, with null where another tab holds it, and with anything else where the browser
    // has no locks for this page: then each tab is by itself.
    let outcome = Promise::new(&mut |tell: Function, _| {
        let told = tell.clone();
        let callback = Closure::once_into_js(move |lock: JsValue| {
            if lock.is_null() {
                return JsValue::NULL;
            }
            Promise::new(&mut |release, _| drop(tell.call1(&JsValue::NULL, &release))).into()
        });
        let asked = request(name, &callback);
        spawn_local(async move {
            let is_refused = match asked {
                Some(asked) => asked.await.is_ok(),
                None => false,
            };
            let _ = told.call1(&JsValue::NULL, &if is_refused { JsValue::NULL } else { JsValue::TRUE });
        });
    });
    let outcome = JsFuture::from(outcome).await.unwrap_or(JsValue::TRUE);
    (!outcome.is_null()).then(|| Claim { release: outcome.dyn_into().ok() })
}

/// Asks for the lock `name` if it is free; `callback` is told, and the lock held until what it returns is settled.
fn request(name: &str, callback: &JsValue) -> Option<JsFuture> {
    let options = Object::new();
    Reflect::set(&options, &"ifAvailable".into(), &JsValue::TRUE).ok()?;
    let locks = Reflect::get(&web_sys::window()?.navigator(), &"locks".into()).ok()?;
    promised(&locks, "request", &Array::of3(&name.into(), &options, callback))
}
