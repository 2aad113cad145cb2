//! How an AdapterFusion spreads its attention over its adapters: by layer over all, token by token in a text.

use crate::protocol::{AttentionExample, FusionAttention};
use crate::ui::charts::{Figure, Layout};
use crate::ui::components::fields::Select;
use crate::ui::pictures::{grid, tick};
use crate::ui::state::words;
use crate::viz::{Dim, Grid, HeatMap, Scale, Side};
use leptos::prelude::*;

/// Both heat maps.
#[component]
pub fn Attention(attention: FusionAttention) -> impl IntoView {
    let named = |dim, title: &str, labels: Vec<String>| Side { labels, ..Side::new(dim, title) };
    let adapters = attention.adapters.clone();
    let side = move || named(Dim::Item, "adapter", adapters.clone());
    let scale = Scale::Sequential { max: Some(1.0) };
    let across = format!("From left to right: {}.", attention.adapters.join(", "));
    let by_layer = Layout::of(HeatMap {
        title: "Attention over adapters, by layer".into(),
        rows: side(),
        columns: named(Dim::Layer, "layer", attention.locations.iter().map(|name| tick(name)).collect()),
        grid: transposed(&grid(&attention.mean)),
        scale,
        quantity: "attention".into(),
    });
    let text_of = |example: &AttentionExample| {
        let words: Vec<&str> = example.tokens.iter().map(|token| token.text.as_str()).collect();
        let all = words.join(" ");
        match all.char_indices().nth(60) {
            Some((end, _)) => format!("{}…", &all[..end]),
            None => all,
        }
    };
    let examples: Vec<(String, String)> =
        attention.examples.iter().enumerate().map(|(place, example)| (place.to_string(), text_of(example))).collect();
    let locations: Vec<(String, String)> = attention
        .locations
        .iter()
        .enumerate()
        .map(|(place, name)| (place.to_string(), words::location(name)))
        .collect();
    let has_examples = !examples.is_empty();
    let (example, location) = (RwSignal::new(0_usize), RwSignal::new(attention.locations.len().saturating_sub(1)));
    let by_token = move || {
        let shown = attention.examples.get(example.get());
        let matrix = shown.and_then(|shown| shown.locations.get(location.get()));
        HeatMap {
            title: "Attention over adapters, token by token".into(),
            rows: named(
                Dim::Step,
                "token",
                shown.map(|shown| shown.tokens.iter().map(|token| token.text.clone()).collect()).unwrap_or_default(),
            ),
            columns: side(),
            grid: matrix.map_or_else(Grid::default, grid),
            scale,
            quantity: "attention".into(),
        }
    };
    view! {
        <section class="attention" data-testid="attention">
            <Figure picture=by_layer file_name="attention-by-layer"/>
            {has_examples.then(|| view! {
                <div class="row">
                    <Select label="Text" options=Signal::stored(examples) value=Signal::derive(move || example.get().to_string()) testid="attention-text"
                        on_change=move |value: String| example.set(value.parse().unwrap_or(0))/>
                    <Select label="Layer" options=Signal::stored(locations) value=Signal::derive(move || location.get().to_string()) testid="attention-layer"
                        on_change=move |value: String| location.set(value.parse().unwrap_or(0))/>
                </div>
                <Figure picture=by_token file_name="attention-by-token"/>
                <p class="quiet-words">{across}</p>
            })}
        </section>
    }
}

/// Rows as columns.
fn transposed(grid: &Grid) -> Grid {
    let places = (0..grid.columns).flat_map(|column| (0..grid.rows).map(move |row| (row, column)));
    let values = places.map(|(row, column)| grid.get(row, column)).collect();
    Grid { rows: grid.columns, columns: grid.rows, values }
}
