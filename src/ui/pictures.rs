//! What the engine answers, as pictures.

use super::lab::Lab;
use super::state::choices::AVERAGE;
use super::state::words;
use crate::protocol::*;
use crate::viz::{Grid, Palette, Role, Run, Scheme};
use leptos::prelude::*;

/// A matrix as a grid.
pub fn grid(matrix: &Matrix) -> Grid {
    Grid { rows: matrix.rows, columns: matrix.columns, values: matrix.values.clone() }
}

/// The number of a layer, for the short label of a location: `3`, or `3 attention` where a layer has several.
pub fn tick(name: &str) -> String {
    words::location(name).trim_start_matches("layer ").to_owned()
}

/// Colour of an adapter: its place among those in sight; merges have one of their own.
pub fn role(lab: Lab, id: AdapterId) -> Role {
    match lab.place(id) {
        Some(place) => Role::Adapter(place),
        None => {
            let plain =
                lab.merges.with(|all| all.iter().any(|merge| merge.adapter.id == id && merge.spec.method == AVERAGE));
            if plain { Role::Adapter(6) } else { Role::Merged }
        }
    }
}

/// A number a layer, as points; a layer that has none is left out.
pub fn by_layer(numbers: impl Iterator<Item = Option<f32>>) -> Vec<(f64, f64)> {
    numbers.enumerate().filter_map(|(layer, number)| Some((layer as f64, f64::from(number?)))).collect()
}

/// What is measured on weights as they are stored, where it can be, and with the neurons aligned: everywhere in the same
/// words and colours.
pub fn stored_and_aligned(stored: Option<Vec<(f64, f64)>>, aligned: Vec<(f64, f64)>) -> Vec<Run> {
    let run = |name: &str, role, points| Run { name: name.into(), role, dots: true, points };
    let stored = stored.map(|points| run("weights as stored", Role::Adapter(6), points));
    stored.into_iter().chain([run("neurons aligned", Role::Merged, aligned)]).collect()
}

/// Colour of what a run starts from.
pub fn start_role(lab: Lab, start: &RunStart) -> Role {
    match start {
        RunStart::Adapter(id) => role(lab, *id),
        RunStart::Scratch { .. } => Role::Adapter(7),
        RunStart::HeadOnly => Role::Ink2,
    }
}

/// The same colour for the style sheet, which knows it by name in either theme.
pub fn css(role: Role) -> String {
    Palette::Page(Scheme::Light).css(role)
}
