//! Figures: one component that draws any picture of [`viz`](crate::viz), with what every figure has: a caption, a
//! line that says what is pointed at, a table of the same numbers, export as SVG and CSV.
//!
//! A scene is written out by [`svg`](crate::viz::svg), the same for the page as for the file, and put into the document
//! as one piece: pointing, keys and highlights are worked out on the scene, so there is nothing to listen to mark by
//! mark. Figures that share a signal for what is highlighted are linked.

mod export;
mod figure;
mod measure;
mod motion;
mod table;

pub use figure::{Figure, Layout};

use crate::viz::Scheme;
use leptos::prelude::*;

#[derive(Clone, Copy)]
struct Schemes(Signal<Scheme>);

/// Tells all figures below which ground they stand on.
pub fn provide_scheme(scheme: impl Into<Signal<Scheme>>) {
    provide_context(Schemes(scheme.into()));
}

/// What was provided, else what the system prefers at this moment.
fn use_scheme() -> Signal<Scheme> {
    use_context::<Schemes>().map(|Schemes(signal)| signal).unwrap_or_else(|| {
        let dark = measure::prefers("(prefers-color-scheme: dark)");
        Signal::stored(if dark { Scheme::Dark } else { Scheme::Light })
    })
}
