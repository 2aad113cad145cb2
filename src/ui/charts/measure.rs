//! What the browser knows: how wide an element is, and what a person prefers.

use crate::ui::effect::effect;
use js_sys::{Array, Function, Reflect};
use leptos::prelude::*;
use wasm_bindgen::prelude::*;

/// Whether a media query matches now.
pub(super) fn prefers(query: &str) -> bool {
    web_sys::window().and_then(|window| window.match_media(query).ok().flatten()).is_some_and(|list| list.matches())
}

/// The width of an element's content in pixels, from when it is mounted on; 0 before.
pub(super) fn width_of(node: NodeRef<leptos::html::Div>) -> Signal<f64> {
    let width = RwSignal::new(0.0);
    effect(move || {
        let Some(element) = node.get() else { return };
        let measure = {
            let element = element.clone();
            move || {
                let now = f64::from(element.client_width());
                // 0 while it is hidden: then what was drawn before is still right.
                if now > 0.0 && width.try_get_untracked().is_some_and(|before| before != now) {
                    width.try_set(now);
                }
            }
        };
        measure();
        if let Some(observer) = Observer::new(&element, measure) {
            let observer = StoredValue::new_local(observer);
            on_cleanup(move || observer.with_value(Observer::stop));
        }
    });
    width.into()
}

/// A `ResizeObserver`, called by name: web-sys's binding would be one more feature of a crate on which half of the
/// tree depends.
struct Observer {
    observer: JsValue,
    _callback: Closure<dyn FnMut()>,
}

impl Observer {
    /// `None` where the browser has no such thing.
    fn new(element: &web_sys::Element, callback: impl FnMut() + 'static) -> Option<Self> {
        let callback = Closure::<dyn FnMut()>::new(callback);
        let class: Function = Reflect::get(&js_sys::global(), &"ResizeObserver".into()).ok()?.dyn_into().ok()?;
        let observer = Reflect::construct(&class, &Array::of1(callback.as_ref())).ok()?;
        method(&observer, "observe")?.call1(&observer, element).ok()?;
        Some(Self { observer, _callback: callback })
    }

    fn stop(&self) {
        if let Some(disconnect) = method(&self.observer, "disconnect") {
            // Nothing is left to do where even this fails.
            let _ = disconnect.call0(&self.observer);
        }
    }
}

fn method(object: &JsValue, name: &str) -> Option<Function> {
    Reflect::get(object, &name.into()).ok()?.dyn_into().ok()
}
