//! What a picture is made of: marks with coordinates and colour roles, regions that can be pointed at, a table of the
//! same numbers. A scene knows nothing of the DOM; [`svg`](super::svg) writes it out, `ui::charts` shows it.
//!
//! Lengths are CSS pixels at the width for which the scene was laid out, x to the right, y downwards.

use super::{Band, Frame, Hit, Mark, Table};

/// A picture, laid out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scene {
    /// Says what one sees.
    pub title: String,
    /// The text alternative: one sentence with the numbers that matter.
    pub summary: String,
    /// At most the width that was asked for.
    pub width: f64,
    /// As much as the content needs.
    pub height: f64,
    /// In drawing order.
    pub marks: Vec<Mark>,
    /// What can be pointed at, beside the cells of heat maps. Where two overlap, the later one wins.
    pub regions: Vec<Region>,
    /// The same data as numbers.
    pub table: Table,
    /// Whether marks that carry a hit fade while another thing is highlighted.
    pub recedes: bool,
    /// Whether a change of places, all else equal, is shown as motion.
    pub moves: bool,
}

/// Something that can be pointed at.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// What it is.
    pub hit: Hit,
    /// Where it is.
    pub area: Area,
    /// What it says when pointed at.
    pub label: String,
    /// Column and row among which arrow keys move; `None` is reached by the pointer only.
    pub place: Option<(usize, usize)>,
}

/// Where a region is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Area {
    /// Inside it.
    Rect(Frame),
    /// Within it, or close to it where it is thin.
    Ribbon(Band),
    /// Nearest to it, within `reach`; highlighted with a rule from `top` to `bottom`.
    Point {
        /// Centre.
        x: f64,
        /// Centre.
        y: f64,
        /// In pixels.
        reach: f64,
        /// Upper and lower end of the rule.
        rule: Option<(f64, f64)>,
    },
}

/// An arrow key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrow {
    /// To the left.
    Left,
    /// To the right.
    Right,
    /// Upwards.
    Up,
    /// Downwards.
    Down,
}
