//! Light or dark: by the system, unless the person has chosen.

use crate::ui::effect::effect;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

const KEY: &str = "mera-theme";

/// What the person wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// What a person reads.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// What the button shows.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Theme::System => "◐",
            Theme::Light => "○",
            Theme::Dark => "●",
        }
    }

    /// The next when the button is pressed.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Theme::System => Theme::Light,
            Theme::Light => Theme::Dark,
            Theme::Dark => Theme::System,
        }
    }
}

/// The theme of the page: the choice, kept in the browser, and whether it comes out dark.
#[derive(Clone, Copy)]
pub struct Themes {
    /// The choice.
    pub theme: RwSignal<Theme>,
    /// Whether dark is in sight.
    pub dark: Signal<bool>,
}

/// Reads the choice, keeps it, and marks the document with it.
#[must_use]
pub fn themes() -> Themes {
    let storage = || web_sys::window().and_then(|window| window.local_storage().ok().flatten());
    let kept = storage().and_then(|storage| storage.get_item(KEY).ok().flatten());
    let theme = RwSignal::new(match kept.as_deref() {
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        _ => Theme::System,
    });
    let query = web_sys::window().and_then(|window| window.match_media("(prefers-color-scheme: dark)").ok().flatten());
    let system_dark = RwSignal::new(query.as_ref().is_some_and(web_sys::MediaQueryList::matches));
    if let Some(query) = query {
        let changed = Closure::<dyn FnMut()>::new({
            let query = query.clone();
            move || system_dark.set(query.matches())
        });
        // `addEventListener` of the event target that a media query list is.
        let target: &web_sys::EventTarget = query.unchecked_ref();
        let _ = target.add_event_listener_with_callback("change", changed.as_ref().unchecked_ref());
        changed.forget();
    }
    let dark = Signal::derive(move || match theme.get() {
        Theme::System => system_dark.get(),
        Theme::Light => false,
        Theme::Dark => true,
    });
    effect(move || {
        let theme = theme.get();
        if let Some(storage) = storage() {
            let _ = storage.set_item(KEY, theme.label());
        }
        if let Some(root) = web_sys::window().and_then(|w| w.document()).and_then(|d| d.document_element()) {
            let _ = root.set_attribute("data-theme", if dark.get() { "dark" } else { "light" });
        }
    });
    Themes { theme, dark }
}
