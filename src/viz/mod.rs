//! Pictures: data to scene, pure. No DOM, no tensors of ours, numbers and labels only.
//!
//! A picture is a plain struct with what it shows ([`HeatMap`], [`Ribbons`], [`LayerStrip`], [`Curves`],
//! [`Comparison`], [`Confusion`], [`Bars`], [`Encoder`]); [`Picture::scene`] lays it out for a width as a [`Scene`]:
//! marks coloured by [`Role`], regions that can be pointed at, one sentence for who can't see it, and the same data as a
//! [`Table`]. [`svg`] writes a scene out; the page draws the very same marks.
//!
//! Figures are linked by [`Hit`]s: an index of a kind ([`Dim`]), or two. Indices are as stored, whatever the order on
//! screen.
//!
//! What isn't a number is left out and said so; a picture without data says that it has none.

mod bars;
mod chrome;
pub mod color;
mod compare;
mod confusion;
mod curve;
mod encoder;
mod heatmap;
mod hit;
mod layers;
mod mark;
mod motion;
mod number;
mod pointing;
mod ribbons;
mod scene;
pub mod svg;
mod table;

pub use bars::{Bars, Series};
pub use color::{Palette, Role, Scheme};
pub use compare::{Comparison, Method};
pub use confusion::Confusion;
pub use curve::{Curves, Panel, Run};
pub use encoder::{Encoder, Placement};
pub use heatmap::{HeatMap, Scale};
pub use hit::{Dim, Hit};
pub use layers::{LayerRow, LayerStrip};
pub use mark::{Anchor, Band, CellAxis, Cells, Frame, Label, Mark, Shape, Stroke};
pub use motion::between;
pub use number::{Unit, significant};
pub use ribbons::Ribbons;
pub use scene::{Area, Arrow, Region, Scene};
pub use table::{Datum, Table};

/// Data that knows how it is drawn.
pub trait Picture {
    /// Laid out for a width in pixels; the scene may be narrower, and is as high as it needs.
    fn scene(&self, width: f64) -> Scene;
}

/// A matrix, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    /// How many rows.
    pub rows: usize,
    /// How many columns.
    pub columns: usize,
    /// `rows · columns` values; what is missing counts as NaN.
    pub values: Vec<f32>,
}

impl Grid {
    /// The value there; NaN outside.
    pub fn get(&self, row: usize, column: usize) -> f32 {
        match column < self.columns && row < self.rows {
            true => self.values.get(row * self.columns + column).copied().unwrap_or(f32::NAN),
            false => f32::NAN,
        }
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.rows == 0 || self.columns == 0 || self.values.iter().all(|v| v.is_nan())
    }

    /// Of a row, what is a positive number, added up.
    pub(crate) fn row_sum(&self, row: usize) -> f64 {
        (0..self.columns).map(|column| mass(self.get(row, column))).sum()
    }

    /// Of a column, what is a positive number, added up.
    pub(crate) fn column_sum(&self, column: usize) -> f64 {
        (0..self.rows).map(|row| mass(self.get(row, column))).sum()
    }
}

/// A positive, finite value, or nothing.
pub(crate) fn mass(value: f32) -> f64 {
    if value.is_finite() && value > 0.0 { f64::from(value) } else { 0.0 }
}

/// One side of a matrix: its rows or its columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// What its indices count.
    pub dim: Dim,
    /// What it is called, for example the adapter's name.
    pub title: String,
    /// Names of its members; where there are none, their indices.
    pub labels: Vec<String>,
    /// `order[place]` is the index of the member there; `None`: as stored.
    pub order: Option<Vec<usize>>,
    /// Colour of what belongs to it.
    pub role: Role,
}

impl Side {
    /// As stored, by index, in the quieter ink.
    pub fn new(dim: Dim, title: impl Into<String>) -> Self {
        Self { dim, title: title.into(), labels: Vec::new(), order: None, role: Role::Ink2 }
    }

    /// In this colour.
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// In this order; see [`Side::order`].
    pub fn order(mut self, order: Option<Vec<usize>>) -> Self {
        self.order = order;
        self
    }

    /// Place of each of `count` members, by index. Whoever the order leaves out follows after the others; who stands in
    /// it twice counts once.
    pub(crate) fn places(&self, count: usize) -> Vec<usize> {
        let mut places = vec![usize::MAX; count];
        let mut next = 0;
        for index in self.order.iter().flatten().copied().chain(0..count) {
            if let Some(place) = places.get_mut(index).filter(|place| **place == usize::MAX) {
                *place = next;
                next += 1;
            }
        }
        places
    }

    /// What a member is called, short: its name or its index.
    pub(crate) fn tick(&self, index: usize) -> String {
        self.labels.get(index).cloned().unwrap_or_else(|| index.to_string())
    }

    /// What a member is called when it is spoken of.
    pub(crate) fn member(&self, index: usize) -> String {
        match self.labels.get(index) {
            Some(label) => label.clone(),
            None => format!("{} {index}", self.title),
        }
    }
}

/// The order of a plan's rows that brings its mass onto the diagonal, `order[place] = row`: the matched rows in the
/// order of their columns, matched greedily from the largest mass. For a permutation that is its inverse, exactly.
pub fn matching(plan: &Grid) -> Vec<usize> {
    let mut pairs: Vec<(f32, usize, usize)> = (0..plan.rows)
        .flat_map(|row| (0..plan.columns).map(move |column| (row, column)))
        .map(|(row, column)| (plan.get(row, column), row, column))
        .filter(|(value, ..)| mass(*value) > 0.0)
        .collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let (mut column_of, mut taken) = (vec![None; plan.rows], vec![false; plan.columns]);
    // Rows that find no free column stand behind the column that has most of their mass.
    let mut fallback = vec![plan.columns; plan.rows];
    for (_, row, column) in pairs {
        if fallback[row] == plan.columns {
            fallback[row] = column;
        }
        if column_of[row].is_none() && !taken[column] {
            column_of[row] = Some(column);
            taken[column] = true;
        }
    }
    let mut order: Vec<usize> = (0..plan.rows).collect();
    order.sort_by_key(|row| match column_of[*row] {
        Some(column) => (column, 0, *row),
        None => (fallback[*row], 1, *row),
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A plan that sends row `i` to column `to[i]`.
    pub(crate) fn hard(to: &[usize]) -> Grid {
        let mut plan = Grid { rows: to.len(), columns: to.len(), values: vec![0.0; to.len() * to.len()] };
        for (row, column) in to.iter().enumerate() {
            plan.values[row * to.len() + column] = 1.0 / to.len() as f32;
        }
        plan
    }

    #[test]
    fn an_order_with_gaps_and_repeats_still_places_everyone_once() {
        let side = Side::new(Dim::Source, "a").order(Some(vec![2, 2, 9, 0]));
        assert_eq!(side.places(4), [1, 2, 0, 3]);
    }

    proptest! {
        #[test]
        fn matching_undoes_a_permutation(to in Just((0..12).collect::<Vec<usize>>()).prop_shuffle()) {
            let order = matching(&hard(&to));
            for (place, row) in order.iter().enumerate() {
                prop_assert_eq!(to[*row], place);
            }
        }

        #[test]
        fn matching_any_plan_is_an_order(
            (rows, columns) in (1_usize..9, 1_usize..9),
            values in prop::collection::vec(prop_oneof![Just(f32::NAN), -1.0_f32..1.0], 64),
        ) {
            let mut order = matching(&Grid { rows, columns, values });
            order.sort_unstable();
            prop_assert_eq!(order, (0..rows).collect::<Vec<_>>());
        }
    }
}
