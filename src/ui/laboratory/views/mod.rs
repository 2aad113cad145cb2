//! What one sees of the laboratory, a file a part.

pub mod attention;
pub mod bar;
pub mod pictures;
pub mod run;
pub mod scores;
pub mod sheet;
pub mod tables;
pub mod variants;

use super::Laboratory;
use crate::protocol::ExperimentSheet;
use crate::ui::effect::memo;
use crate::viz::Role;
use leptos::prelude::*;

/// The sheet of the experiment in sight.
fn in_sight(laboratory: Laboratory) -> Memo<ExperimentSheet> {
    memo(move || laboratory.shown.with(|shown| shown.as_ref().map(|one| one.sheet.clone()).unwrap_or_default()))
}

/// Colour of a method: a single adapter has its own, and no other method the colour of an adapter; merges by transport
/// have theirs, other ways to use several adapters another, what uses none the quieter ink.
pub(super) fn role(method: &str, sheet: &ExperimentSheet) -> Role {
    if let Some(name) = method.strip_prefix("single:") {
        let place = sheet.adapters.iter().position(|adapter| adapter.name == name);
        return place.map_or(Role::Ink2, Role::Adapter);
    }
    let variant = sheet.variants.iter().find(|variant| variant.name == method);
    match variant.map_or(method, |variant| &variant.method) {
        id if id.starts_with("mera") => Role::Merged,
        id if id.starts_with("concat") || ["sum", "average", "fusion"].contains(&id) => Role::Accent,
        _ => Role::Ink2,
    }
}
