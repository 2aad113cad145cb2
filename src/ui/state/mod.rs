//! What the page knows and decides, as plain structs: no leptos, and of the browser nothing but its reading of a number;
//! tested natively.
//!
//! Nothing here remembers whether a result is stale. A result carries what was asked for; it is stale where that is
//! not what the [`Choices`] would ask for now.

pub mod activities;
pub mod address;
pub mod choices;
pub mod columns;
pub mod hub;
pub mod intake;
pub mod laboratory;
pub mod names;
pub mod number;
pub mod origins;
pub mod progress;
pub mod recipe;
pub mod results;
pub mod sample;
pub mod words;

pub use choices::{Choices, Start};
pub use recipe::{Standing, Step};
