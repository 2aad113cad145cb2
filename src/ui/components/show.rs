//! What is in sight only as long as something holds.

use crate::ui::effect::memo;
use leptos::prelude::*;

/// Shows its children while `when` holds, else `fallback`. As leptos' own, but compiled once, not for each condition and
/// each view.
#[component]
pub fn Show(
    children: ChildrenFn,
    when: impl Fn() -> bool + Send + Sync + 'static,
    #[prop(optional, into)] fallback: ViewFn,
) -> impl IntoView {
    show(Box::new(when), children, fallback)
}

fn show(when: Box<dyn Fn() -> bool + Send + Sync>, children: ChildrenFn, fallback: ViewFn) -> AnyView {
    let when = memo(when);
    (move || if when.get() { children() } else { fallback.run() }).into_any()
}
