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
mod order;
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
pub use order::sort_by;
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
    sort_by(&mut pairs, |a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
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
    let place = |row: &usize| match column_of[*row] {
        Some(column) => (column, 0, *row),
        None => (fallback[*row], 1, *row),
    };
    sort_by(&mut order, |a, b| place(a).cmp(&place(b)));
    order
}

#[cfg(test)]
pub(crate) mod tests {
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

    /// One of each, small.
    pub(crate) fn samples() -> Vec<(&'static str, Box<dyn Picture>)> {
        let (source, reference) = sides();
        let plan = Grid { rows: 2, columns: 2, values: vec![0.4, 0.1, 0.0, 0.5] };
        let run = |name: &str, role, points: &[(f64, f64)]| Run {
            name: name.into(),
            role,
            dots: true,
            points: points.to_vec(),
        };
        let layer = |i: usize| LayerRow {
            name: format!("layer.{i}.output"),
            diagonal_share: (i < 2).then_some(0.25 * i as f32),
            cost_before: (i > 0).then_some(1.2),
            cost_after: 0.9,
        };
        vec![
            (
                "heatmap",
                Box::new(HeatMap {
                    title: "Cost".into(),
                    rows: source.clone(),
                    columns: reference.clone(),
                    grid: Grid { rows: 2, columns: 2, values: vec![0.5, 1.0, f32::NAN, 0.75] },
                    scale: Scale::Range,
                    quantity: "distance".into(),
                }),
            ),
            (
                "weights",
                Box::new(HeatMap {
                    title: "Weights".into(),
                    rows: reference.clone(),
                    columns: Side::new(Dim::Hidden, "hidden dimension"),
                    grid: Grid { rows: 2, columns: 12, values: (0..24).map(|i| 0.1 * (i as f32 - 11.0)).collect() },
                    scale: Scale::Diverging { clamp: Some(1.0) },
                    quantity: "weight".into(),
                }),
            ),
            ("ribbons", Box::new(Ribbons { title: "Plan".into(), source, reference, plan, threshold: 0.0 })),
            (
                "layers",
                Box::new(LayerStrip {
                    title: "Layers".into(),
                    layers: (0..3).map(layer).collect(),
                    chance: Some(0.5),
                    selected: Some(1),
                }),
            ),
            (
                "curves",
                Box::new(Curves {
                    title: "Training".into(),
                    x: "step".into(),
                    end: Some(10.0),
                    panels: vec![Panel {
                        title: "loss".into(),
                        unit: Unit::Plain,
                        range: None,
                        runs: vec![run("merged", Role::Merged, &[(1.0, 0.7), (2.0, f64::NAN), (3.0, 0.4), (4.0, 0.3)])],
                    }],
                }),
            ),
            (
                "comparison",
                Box::new(Comparison {
                    title: "Methods".into(),
                    quantity: "accuracy".into(),
                    unit: Unit::Percent,
                    methods: vec![
                        Method { name: "MerA".into(), role: Role::Merged, values: vec![0.8, 0.82, 0.79] },
                        Method { name: "average & sum".into(), role: Role::Ink2, values: vec![f64::NAN] },
                    ],
                    baseline: Some(("majority".into(), 0.5)),
                }),
            ),
            (
                "confusion",
                Box::new(Confusion {
                    title: "Answers".into(),
                    labels: vec!["no".into(), "yes".into()],
                    counts: Grid { rows: 2, columns: 2, values: vec![8.0, 2.0, 1.0, 9.0] },
                }),
            ),
            (
                "bars",
                Box::new(Bars {
                    title: "Norms".into(),
                    quantity: "norm".into(),
                    unit: Unit::Plain,
                    group: "layer".into(),
                    dim: Dim::Layer,
                    groups: vec!["0".into(), "1".into()],
                    roles: vec![],
                    series: vec![
                        Series { name: "sst2".into(), role: Role::Adapter(0), values: vec![1.0, 2.0] },
                        Series { name: "mrpc".into(), role: Role::Adapter(1), values: vec![f32::NAN, -0.5] },
                    ],
                }),
            ),
            (
                "encoder",
                Box::new(Encoder {
                    title: "One layer".into(),
                    placement: Placement::Output,
                    layers: 6,
                    hidden: 384,
                    heads: 12,
                    intermediate: 1536,
                    bottleneck: Some(24),
                    non_linearity: "relu".into(),
                    role: Role::Adapter(0),
                }),
            ),
        ]
    }

    pub(crate) fn sides() -> (Side, Side) {
        let side = |dim, name: &str, i| Side::new(dim, name).role(Role::Adapter(i));
        (side(Dim::Source, "sst2", 0), side(Dim::Reference, "mrpc", 1))
    }

    /// Left, top, right and bottom of a mark; a text's by estimate.
    fn extent(mark: &Mark) -> [f64; 4] {
        match &mark.shape {
            Shape::Rect(f, _) => [f.x, f.y, f.right(), f.bottom()],
            Shape::Line(points) | Shape::Polygon(points) => {
                points.iter().fold([f64::MAX, f64::MAX, f64::MIN, f64::MIN], |[l, t, r, b], (x, y)| {
                    [l.min(*x), t.min(*y), r.max(*x), b.max(*y)]
                })
            }
            Shape::Ribbon(b) => [b.x0, b.y0.min(b.y1), b.x1, b.y0.max(b.y1) + b.thickness],
            Shape::Circle(x, y, radius) => [x - radius, y - radius, x + radius, y + radius],
            Shape::Cells(cells) => [cells.area.x, cells.area.y, cells.area.right(), cells.area.bottom()],
            Shape::Text(label) => {
                let long = number::text_width(&label.text, label.size);
                let (back, ahead) = match label.anchor {
                    Anchor::Start => (0.0, long),
                    Anchor::Middle => (0.5 * long, 0.5 * long),
                    Anchor::End => (long, 0.0),
                };
                match label.turned {
                    true => [label.x - label.size, label.y - ahead, label.x, label.y + back],
                    false => [label.x - back, label.y - label.size, label.x + ahead, label.y],
                }
            }
        }
    }

    #[test]
    fn every_picture_stays_inside_itself_at_every_width() {
        for width in [0.0, 250.0, 340.0, 640.0, 1400.0, f64::NAN] {
            for (name, picture) in samples() {
                let scene = picture.scene(width);
                assert!(scene.width <= chrome::usable(width) && scene.height > 0.0, "{name}: {}", scene.width);
                for mark in &scene.marks {
                    let [left, top, right, bottom] = extent(mark);
                    let inside =
                        left >= -4.0 && top >= -4.0 && right <= scene.width + 4.0 && bottom <= scene.height + 4.0;
                    assert!(inside, "{name} at {width}: {mark:?} leaves {} × {}", scene.width, scene.height);
                }
            }
        }
    }

    #[test]
    fn every_picture_has_words_and_a_table() {
        for (name, picture) in samples() {
            let scene = picture.scene(640.0);
            assert!(!scene.title.is_empty() && scene.summary.ends_with('.'), "{name}: {:?}", scene.summary);
            assert!(!scene.table.rows.is_empty(), "{name}");
            assert!(scene.table.rows.iter().all(|row| row.len() == scene.table.headers.len()), "{name}");
            assert!(scene.can_be_pointed_at(), "{name}");
            assert!(scene.regions.iter().all(|region| !region.label.is_empty()), "{name}");
        }
    }

    #[test]
    fn pictures_without_data_say_so() {
        let (source, reference) = sides();
        let empty: Vec<Box<dyn Picture>> = vec![
            Box::new(HeatMap {
                title: "t".into(),
                rows: source.clone(),
                columns: reference.clone(),
                grid: Grid { rows: 3, columns: 3, values: vec![f32::NAN; 2] },
                scale: Scale::Diverging { clamp: None },
                quantity: "weight".into(),
            }),
            Box::new(Ribbons { title: "t".into(), source, reference, plan: Grid::default(), threshold: 0.1 }),
            Box::new(LayerStrip { title: "t".into(), layers: vec![], chance: None, selected: Some(3) }),
            Box::new(Curves { title: "t".into(), x: "step".into(), end: None, panels: vec![] }),
            Box::new(Comparison {
                title: "t".into(),
                quantity: "q".into(),
                unit: Unit::Points,
                methods: vec![Method { name: "m".into(), role: Role::Ink, values: vec![f64::INFINITY] }],
                baseline: None,
            }),
            Box::new(Confusion { title: "t".into(), labels: vec!["a".into()], counts: Grid::default() }),
            Box::new(Bars {
                title: "t".into(),
                quantity: "q".into(),
                unit: Unit::Plain,
                group: "layer".into(),
                dim: Dim::Layer,
                groups: vec!["0".into()],
                roles: vec![],
                series: vec![],
            }),
        ];
        for picture in empty {
            let scene = picture.scene(320.0);
            let texts: Vec<_> = scene.marks.iter().filter(|m| matches!(m.shape, Shape::Text(_))).collect();
            assert_eq!((texts.len(), scene.regions.len()), (1, 0), "{:?}", scene.summary);
            assert!(scene.summary.ends_with('.') && scene.hit_at(10.0, 10.0).is_none());
        }
    }

    #[test]
    fn drawings_are_as_they_were() {
        for (name, picture) in samples() {
            let scene = picture.scene(400.0);
            insta::assert_snapshot!(name, svg::document(&scene, Scheme::Light));
        }
    }

    proptest! {
        #[test]
        fn no_values_break_a_picture(
            (rows, columns) in (0_usize..6, 0_usize..6),
            values in prop::collection::vec(any::<f32>(), 0..36),
            width in 0.0_f64..2000.0,
            threshold in any::<f32>(),
        ) {
            let (source, reference) = sides();
            let grid = Grid { rows, columns, values: values.clone() };
            let list: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
            let map = |scale| HeatMap {
                title: "t".into(),
                rows: source.clone().order(Some(matching(&grid))),
                columns: reference.clone(),
                grid: grid.clone(),
                scale,
                quantity: "q".into(),
            };
            let layer = |v: &f32| LayerRow { name: "l".into(), diagonal_share: Some(*v), cost_before: Some(*v), cost_after: *v };
            let pictures: Vec<Box<dyn Picture>> = vec![
                Box::new(map(Scale::Range)),
                Box::new(map(Scale::Sequential { max: None })),
                Box::new(map(Scale::Diverging { clamp: None })),
                Box::new(Ribbons {
                    title: "t".into(),
                    source: source.clone(),
                    reference: reference.clone(),
                    plan: grid.clone(),
                    threshold,
                }),
                Box::new(LayerStrip {
                    title: "t".into(),
                    layers: values.iter().map(layer).collect(),
                    chance: values.first().copied(),
                    selected: Some(rows),
                }),
                Box::new(Curves {
                    title: "t".into(),
                    x: "step".into(),
                    end: list.first().copied(),
                    panels: vec![Panel {
                        title: "q".into(),
                        unit: Unit::Percent,
                        range: None,
                        runs: vec![Run {
                            name: "r".into(),
                            role: Role::Merged,
                            dots: false,
                            points: list.iter().enumerate().map(|(i, v)| (i as f64, *v)).collect(),
                        }],
                    }],
                }),
                Box::new(Comparison {
                    title: "t".into(),
                    quantity: "q".into(),
                    unit: Unit::Plain,
                    methods: vec![Method { name: "m".into(), role: Role::Ink, values: list.clone() }],
                    baseline: list.last().map(|v| ("b".into(), *v)),
                }),
                Box::new(Confusion { title: "t".into(), labels: vec!["a".into(); rows], counts: grid.clone() }),
                Box::new(Bars {
                    title: "t".into(),
                    quantity: "q".into(),
                    unit: Unit::Count,
                    group: "g".into(),
                    dim: Dim::Item,
                    groups: vec!["0".into(); columns],
                    roles: vec![],
                    series: vec![Series { name: "s".into(), role: Role::Accent, values: values.clone() }],
                }),
            ];
            for picture in pictures {
                let scene = picture.scene(width);
                for mark in &scene.marks {
                    prop_assert!(extent(mark).iter().all(|x| x.is_finite()), "{mark:?}");
                }
                prop_assert!(!svg::document(&scene, Scheme::Dark).contains("NaN"));
            }
        }
    }
}
