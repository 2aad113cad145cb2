//! What is done again whenever a signal that it reads changes.

use leptos::prelude::*;

/// As leptos' own, but compiled once, not for each thing that is done.
pub fn effect(run: impl Fn() + 'static) {
    boxed(Box::new(run));
}

fn boxed(run: Box<dyn Fn()>) {
    Effect::new(move |_| run());
}
