//! What the engine answers, as pictures.

use super::lab::Lab;
use super::state::choices::AVERAGE;
use super::state::words;
use crate::protocol::*;
use crate::viz::{Grid, Role};
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

/// Colour of what a run starts from.
pub fn start_role(lab: Lab, start: &RunStart) -> Role {
    match start {
        RunStart::Adapter(id) => role(lab, *id),
        RunStart::Scratch { .. } => Role::Adapter(7),
        RunStart::HeadOnly => Role::Ink2,
    }
}

/// The same colour for the style sheet.
pub fn css(role: Role) -> String {
    match role {
        Role::Adapter(place) => format!("var(--adapter-{})", place % 8),
        Role::Merged => "var(--merged)".into(),
        Role::Accent => "var(--accent)".into(),
        _ => "var(--ink-2)".into(),
    }
}
