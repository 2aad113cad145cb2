//! The component that draws a picture.

// The macro `component` writes a helper beside the function that is `pub` whatever the function is.
#![allow(unreachable_pub)]

use super::{export, measure, motion, table::TableView, use_scheme};
use crate::protocol::FileBytes;
use crate::ui::browser;
use crate::ui::effect::memo;
use crate::viz::{Arrow, Hit, Palette, Picture, Scene, svg};
use leptos::ev::{KeyboardEvent, MouseEvent, PointerEvent};
use leptos::prelude::*;
use leptos::{html, svg as svg_element};
use std::sync::Arc;

/// Laid out for this until the browser says how wide there is room.
const FIRST_WIDTH: f64 = 640.0;

/// What a [`Figure`] draws: a picture laid out for a width, of whichever kind, so that the figure is compiled once.
pub struct Layout(Box<dyn Fn(f64) -> Scene + Send + Sync>);

impl Layout {
    /// Of a picture that stays as it is.
    pub fn of(picture: impl Picture + Send + Sync + 'static) -> Self {
        Self(Box::new(move |width| picture.scene(width)))
    }
}

impl<F, P> From<F> for Layout
where
    F: Fn() -> P + Send + Sync + 'static,
    P: Picture,
{
    /// Of the picture that a function makes of signals.
    fn from(picture: F) -> Self {
        Self(Box::new(move |width| picture().scene(width)))
    }
}

/// A picture with its caption, read-out, table and exports.
///
/// Pointing at it or moving with the arrow keys, Home and End highlights, a click, Enter or Space selects, Escape lets go. Give
/// several figures the same signal as `highlight` (and set it in `on_highlight`) and they are linked.
#[component]
pub fn Figure(
    /// What is drawn, again whenever it changes.
    #[prop(into)]
    picture: Layout,
    /// What is highlighted beside what is pointed at here.
    #[prop(optional, into)]
    highlight: Option<Signal<Option<Hit>>>,
    /// Told what is pointed at; `None` when nothing is any more.
    #[prop(optional, into)]
    on_highlight: Option<Callback<Option<Hit>>>,
    /// Told what is chosen.
    #[prop(optional, into)]
    on_select: Option<Callback<Hit>>,
    /// Stem of the names of exported files; else made from the title.
    #[prop(optional, into)]
    file_name: Option<String>,
) -> impl IntoView {
    let body = NodeRef::<html::Div>::new();
    let drawing = NodeRef::<svg_element::Svg>::new();
    let measured = measure::width_of(body);
    let scheme = use_scheme();
    let scene = memo(move || {
        let width = match measured.get() {
            0.0 => FIRST_WIDTH,
            width => width,
        };
        Arc::new(picture.0(width))
    });
    let shown = motion::moving(scene);
    let as_table = RwSignal::new(false);

    let pointed = RwSignal::new(None::<Hit>);
    let by_key = RwSignal::new(None::<String>);
    let current = memo(move || pointed.get().or_else(|| highlight.and_then(|signal| signal.get())));
    let point = move |hit: Option<Hit>| {
        if pointed.get_untracked() != hit {
            pointed.set(hit);
            if let Some(callback) = on_highlight {
                callback.run(hit);
            }
        }
    };
    let select = move |hit: Option<Hit>| {
        if let (Some(hit), Some(callback)) = (hit, on_select) {
            callback.run(hit);
        }
    };
    let under = move |x: i32, y: i32| {
        let frame = drawing.get_untracked()?.get_bounding_client_rect();
        scene.with_untracked(|scene| {
            let scale = scene.width / frame.width();
            scene.hit_at((f64::from(x) - frame.left()) * scale, (f64::from(y) - frame.top()) * scale)
        })
    };
    let on_key = move |event: KeyboardEvent| {
        let arrow = match event.key().as_str() {
            "ArrowLeft" => Arrow::Left,
            "ArrowRight" => Arrow::Right,
            "ArrowUp" => Arrow::Up,
            "ArrowDown" => Arrow::Down,
            "Enter" | " " => {
                event.prevent_default();
                return select(current.get_untracked());
            }
            "Home" => Arrow::Left,
            "End" => Arrow::Right,
            "Escape" => return point(None),
            _ => return,
        };
        event.prevent_default();
        let to_the_end = matches!(event.key().as_str(), "Home" | "End");
        let (next, label) = scene.with_untracked(|scene| {
            let mut next = scene.step(current.get_untracked().as_ref(), arrow);
            while let Some(further) = next.filter(|_| to_the_end).and_then(|here| scene.step(Some(&here), arrow)) {
                next = Some(further);
            }
            (next, next.and_then(|hit| scene.label(&hit)))
        });
        if next.is_some() {
            point(next);
            by_key.set(label);
        }
    };

    let palette = move || Palette::Page(scheme.get());
    let marks = memo(move || shown.with(|scene| svg::marks(&scene.marks, palette())));
    let overlay = memo(move || match current.get() {
        Some(hit) => scene.with(|scene| svg::marks(&scene.overlay(&hit), palette())),
        None => String::new(),
    });
    let recedes = move || scene.with(|scene| scene.recedes && current.get().is_some_and(|hit| scene.speaks_of(&hit)));
    let said = move || {
        let label = current.get().and_then(|hit| scene.with(|scene| scene.label(&hit)));
        label.unwrap_or_else(|| scene.with(|scene| scene.summary.clone()))
    };
    let title = memo(move || scene.with(|scene| scene.title.clone()));
    let named = move || file_name.clone().unwrap_or_else(|| export::stem(&title.get_untracked()));
    let save = move |kind: Kind| {
        let (name, scene) = (named(), scene.get_untracked());
        // The only thing that can fail is the browser's own refusal to save, which it shows.
        let _ = kind.save(&name, &scene, scheme.get_untracked());
    };
    let (save_svg, save_csv) = (save.clone(), save);

    view! {
        <figure class="figure">
            <figcaption class="figure-head">
                <h3 class="figure-title">{title}</h3>
                <span class="figure-tools" role="group" aria-label=title>
                    <button
                        type="button"
                        aria-pressed=move || as_table.get().to_string()
                        title="The same data as numbers"
                        on:click=move |_| as_table.update(|on| *on = !*on)
                    >
                        "Table"
                    </button>
                    <button type="button" title="Save the picture" on:click=move |_| save_svg(Kind::Svg)>
                        "SVG"
                    </button>
                    <button type="button" title="Save the numbers" on:click=move |_| save_csv(Kind::Csv)>
                        "CSV"
                    </button>
                </span>
            </figcaption>
            <p class="figure-said" class:figure-pointed=move || current.get().is_some()>{said}</p>
            <div class="figure-body" node_ref=body>
                // A pointer that passes over a picture, and a curve that grows, are not talked about.
                <p class="hidden" aria-live="polite">{by_key}</p>
                <svg
                    node_ref=drawing
                    class="figure-drawing"
                    class:figure-receding=recedes
                    class:figure-selects=on_select.is_some()
                    style:display=move || if as_table.get() { "none" } else { "" }
                    style:max-width=move || scene.with(|scene| format!("{}px", scene.width))
                    viewBox=move || scene.with(|scene| format!("0 0 {} {}", scene.width, scene.height))
                    role=move || scene.with(|scene| if scene.can_be_pointed_at() { "application" } else { "img" })
                    aria-roledescription="chart"
                    aria-label=move || scene.with(|scene| spoken(scene, on_select.is_some()))
                    tabindex=move || scene.with(|scene| if scene.can_be_pointed_at() { "0" } else { "-1" })
                    on:pointermove=move |event: PointerEvent| point(under(event.client_x(), event.client_y()))
                    on:pointerdown=move |event: PointerEvent| point(under(event.client_x(), event.client_y()))
                    on:pointerleave=move |_| point(None)
                    on:blur=move |_| point(None)
                    on:click=move |event: MouseEvent| select(under(event.client_x(), event.client_y()))
                    on:keydown=on_key
                >
                    <g inner_html=marks></g>
                    <g class="figure-overlay" inner_html=overlay></g>
                </svg>
                {move || {
                    as_table
                        .get()
                        .then(|| {
                            let (table, caption) = scene.with(|scene| (scene.table.clone(), scene.title.clone()));
                            view! { <TableView table caption /> }
                        })
                }}
            </div>
        </figure>
    }
}

/// What a screen reader says of a figure before anything is pointed at.
fn spoken(scene: &Scene, selects: bool) -> String {
    let keys = match (scene.can_be_pointed_at(), selects) {
        (true, true) => " Arrow keys move through it, Enter selects.",
        (true, false) => " Arrow keys move through it.",
        (false, _) => "",
    };
    format!("{}. {}{keys}", scene.title, scene.summary)
}

/// What can be saved of a figure.
#[derive(Clone, Copy)]
enum Kind {
    Svg,
    Csv,
}

impl Kind {
    fn save(self, name: &str, scene: &Scene, scheme: crate::viz::Scheme) -> Result<(), wasm_bindgen::JsValue> {
        let (extension, text) = match self {
            Kind::Svg => ("svg", svg::document(scene, scheme)),
            Kind::Csv => ("csv", scene.table.csv()),
        };
        browser::download(&FileBytes { path: format!("{name}.{extension}"), bytes: text.into_bytes() })
    }
}
