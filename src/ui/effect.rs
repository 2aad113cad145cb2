//! What is done again whenever a signal that it reads changes.

use leptos::prelude::*;

/// As leptos' own, but compiled once, not for each thing that is done.
pub fn effect(run: impl Fn() + 'static) {
    effect_of(Box::new(run));
}

fn effect_of(run: Box<dyn Fn()>) {
    Effect::new(move |_| run());
}

/// What is worked out again whenever a signal that it reads changes, and told only where it came out otherwise. As leptos'
/// own, but compiled once for each kind of value, not for each place.
pub fn memo<T: PartialEq + Send + Sync + 'static>(work: impl Fn() -> T + Send + Sync + 'static) -> Memo<T> {
    memo_of(Box::new(work))
}

fn memo_of<T: PartialEq + Send + Sync + 'static>(work: Box<dyn Fn() -> T + Send + Sync>) -> Memo<T> {
    Memo::new(move |_| work())
}
