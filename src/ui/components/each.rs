//! A list whose parts stay in the page as long as their keys are there.

use leptos::prelude::*;
use std::sync::Arc;

/// A part of a list.
#[derive(Clone)]
struct Part {
    key: String,
    make: Arc<dyn Fn() -> AnyView + Send + Sync>,
}

/// Shows `view` of each of `items`, made once for each `key` and kept while there is an item of that key: what a person
/// has open or in focus there outlives a change of the list. As leptos' own `For`, but its way from an old list to a new
/// one is compiled once, not for each kind of item.
pub fn each<T, K, V>(
    items: impl Fn() -> Vec<T> + Send + Sync + 'static,
    key: impl Fn(&T) -> K + Send + Sync + 'static,
    view: impl Fn(T) -> V + Clone + Send + Sync + 'static,
) -> AnyView
where
    T: Clone + Send + Sync + 'static,
    K: std::fmt::Debug,
    V: IntoView + 'static,
{
    list(Box::new(move || {
        let part = |item: T| {
            let (key, view) = (format!("{:?}", key(&item)), view.clone());
            Part { key, make: Arc::new(move || view(item.clone()).into_any()) }
        };
        items().into_iter().map(part).collect()
    }))
}

fn list(parts: Box<dyn Fn() -> Vec<Part> + Send + Sync>) -> AnyView {
    view! { <For each=move || parts() key=|part| part.key.clone() children=|part| (part.make)()/> }.into_any()
}
