//! A matrix as a heat map: the cost or the plan of a transport, or weights.

use super::chrome;
use super::color::{Role, Shade};
use super::mark::{CellAxis, Cells, Frame, Mark};
use super::number::{NAME, TICK, Unit, fitted, text_width};
use super::{Datum, Grid, Hit, Picture, Scene, Side, Table, significant, sort_by};

/// A matrix, its rows and columns each in an order of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// Says what one sees.
    pub title: String,
    /// From top to bottom.
    pub rows: Side,
    /// From left to right.
    pub columns: Side,
    /// `[rows, columns]`, in stored order.
    pub grid: Grid,
    /// Value to colour.
    pub scale: Scale,
    /// What the values are: mass, distance, weight.
    pub quantity: String,
}

/// Value to colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// From 0 upwards: mass, cost.
    Sequential {
        /// Upper end; `None`: the largest value.
        max: Option<f32>,
    },
    /// From the least to the most: a cost, where nothing comes near 0.
    Range,
    /// Around 0: weights.
    Diverging {
        /// Both ends; `None`: what 99.5 % of the values stay within.
        clamp: Option<f32>,
    },
}

impl Scale {
    /// For these values, and what is said of it beside the legend.
    fn shade(self, values: &[f32]) -> (Shade, String) {
        let mut sizes: Vec<f32> = values.iter().map(|v| v.abs()).filter(|v| v.is_finite()).collect();
        sort_by(&mut sizes, f32::total_cmp);
        match self {
            Scale::Sequential { max } => {
                let most = values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f32::max);
                (Shade::Sequential { from: 0.0, to: max.unwrap_or(most) }, String::new())
            }
            Scale::Range => {
                let finite = || values.iter().copied().filter(|v| v.is_finite());
                let (from, to) = (finite().fold(f32::MAX, f32::min), finite().fold(f32::MIN, f32::max));
                (Shade::Sequential { from, to }, String::new())
            }
            Scale::Diverging { clamp } => {
                let rank = (sizes.len() as f64 * 0.995).ceil() as usize;
                let typical = sizes.get(rank.saturating_sub(1)).copied().unwrap_or(0.0);
                let clamp = clamp.filter(|c| c.is_finite() && *c > 0.0).unwrap_or(typical);
                let beyond = sizes.iter().filter(|size| **size > clamp).count();
                let share = 100.0 * beyond as f64 / sizes.len().max(1) as f64;
                let note = match beyond {
                    0 => String::new(),
                    _ => format!("clamped: {} % lie beyond", significant(share, 2)),
                };
                (Shade::Diverging { clamp }, note)
            }
        }
    }
}

/// Tallest plot, in pixels.
const TALLEST: f64 = 460.0;

impl Picture for HeatMap {
    fn scene(&self, width: f64) -> Scene {
        let (rows, columns) = (self.grid.rows, self.grid.columns);
        if self.grid.is_empty() {
            return chrome::nothing(&self.title, width, "No values to show.");
        }
        let width = chrome::usable(width);
        let room = |side: &Side, count: usize| {
            (0..count).map(|i| text_width(&side.tick(i), TICK)).fold(0.0, f64::max).min(0.3 * width)
        };
        let left = (room(&self.rows, rows) + 28.0).ceil();
        let (across, down) = cell(rows, columns, width - left - 8.0);
        let (shade, note) = self.scale.shade(&self.grid.values);

        let (mut marks, legend, top) = chrome::color_bar(left, width - left, shade, &self.quantity, Unit::Plain, &note);
        let area = Frame::new(left, top + 6.0, across * columns as f64, down * rows as f64);
        let axis = |side: &Side, count: usize| CellAxis {
            dim: side.dim,
            name: side.title.clone(),
            labels: side.labels.clone(),
            places: side.places(count).into_iter().map(|place| place as f64).collect(),
        };
        marks.push(Mark::cells(Cells {
            area,
            grid: self.grid.clone(),
            shade,
            rows: axis(&self.rows, rows),
            columns: axis(&self.columns, columns),
            quantity: self.quantity.clone(),
            unit: Unit::Plain,
        }));
        let outline = Mark::rect(area.x - 0.5, area.y - 0.5, area.width + 1.0, area.height + 1.0);
        marks.push(outline.stroke(Role::Line, 1.0));

        let label_rows = chrome::every(down, 11.0);
        for (index, place) in self.rows.places(rows).into_iter().enumerate().filter(|(_, p)| p % label_rows == 0) {
            let y = area.y + down * (place as f64 + 0.5) + 0.36 * TICK;
            let text = fitted(&self.rows.tick(index), TICK, 0.3 * width);
            marks.push(Mark::text(left - 5.0, y, text).end().hit(Hit::one(self.rows.dim, index)));
        }
        let label_columns = chrome::every(across, room(&self.columns, columns) + 5.0);
        for (index, place) in
            self.columns.places(columns).into_iter().enumerate().filter(|(_, p)| p % label_columns == 0)
        {
            let x = area.x + across * (place as f64 + 0.5);
            let text = fitted(&self.columns.tick(index), TICK, 0.3 * width);
            marks.push(Mark::text(x, area.bottom() + 14.0, text).middle().hit(Hit::one(self.columns.dim, index)));
        }
        marks.extend(title(&self.rows, (11.0, area.y + 0.5 * area.height), area.height, true));
        marks.extend(title(&self.columns, (area.x + 0.5 * area.width, area.bottom() + 33.0), area.width, false));

        Scene {
            title: self.title.clone(),
            summary: self.summary(),
            width: (area.right() + 8.0).max(legend + 4.0).min(width),
            height: area.bottom() + 42.0,
            marks,
            regions: Vec::new(),
            table: self.table(),
            recedes: false,
            moves: true,
        }
    }
}

/// Size of a cell: square where the matrix is nearly so, low where it is wide; whole pixels where they are large.
fn cell(rows: usize, columns: usize, room: f64) -> (f64, f64) {
    let whole = |size: f64| if size >= 2.0 { size.floor() } else { size };
    let (rows, columns) = (rows as f64, columns as f64);
    if columns <= 3.0 * rows {
        let size = whole((room / columns).min(TALLEST / rows).min(26.0));
        (size, size)
    } else {
        (whole((room / columns).min(26.0)), whole((240.0 / rows).clamp(2.0, 14.0)).min(TALLEST / rows))
    }
}

/// The name of a side with its colour in front, centred.
pub(super) fn title(side: &Side, (x, y): (f64, f64), room: f64, turned: bool) -> Vec<Mark> {
    if side.title.is_empty() {
        return Vec::new();
    }
    let text = fitted(&side.title, NAME, room - 16.0);
    let shift = if side.role == Role::Ink2 { 0.0 } else { 8.0 };
    let start = -0.5 * text_width(&text, NAME) - shift;
    let name = Mark::text(x, y, text).size(NAME).middle().fill(Role::Ink);
    let swatch = |x: f64, y: f64| Mark::rect(x, y, 10.0, 10.0).corner(2.0).fill(side.role);
    let (name, swatch) = match turned {
        true => (name.shifted(0.0, -shift).turned(), swatch(x - 9.5, y - start - 8.0)),
        false => (name.shifted(shift, 0.0), swatch(x + start - 4.0, y - 9.5)),
    };
    if shift == 0.0 { vec![name] } else { vec![name, swatch] }
}

impl HeatMap {
    fn summary(&self) -> String {
        let grid = &self.grid;
        let cells = (0..grid.rows).flat_map(|row| (0..grid.columns).map(move |column| (row, column)));
        let most = cells
            .filter(|(row, column)| grid.get(*row, *column).is_finite())
            .max_by(|a, b| grid.get(a.0, a.1).abs().total_cmp(&grid.get(b.0, b.1).abs()));
        let mut text = format!("{} × {}", grid.rows, grid.columns);
        if let Some((row, column)) = most {
            let value = grid.get(row, column);
            text += &format!("; largest {} {}, ", self.quantity, Unit::Plain.write(f64::from(value)));
            // Where several have it, none of them is named for all.
            text += &match grid.values.iter().filter(|other| **other == value).count() {
                1 => format!("{} → {}", self.rows.member(row), self.columns.member(column)),
                several => format!("in {several} places"),
            };
        }
        let missing = (0..grid.rows * grid.columns)
            .filter(|i| !grid.values.get(*i).copied().unwrap_or(f32::NAN).is_finite())
            .count();
        if missing > 0 {
            text += &format!("; {missing} are not numbers");
        }
        text + "."
    }

    fn table(&self) -> Table {
        let mut headers = vec![format!("{} \\ {}", self.rows.title, self.columns.title)];
        headers.extend((0..self.grid.columns).map(|column| self.columns.tick(column)));
        let row = |row: usize| {
            let mut cells = vec![Datum::Text(self.rows.tick(row))];
            cells.extend((0..self.grid.columns).map(|column| Datum::from(self.grid.get(row, column))));
            cells
        };
        Table { headers, rows: (0..self.grid.rows).map(row).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viz::tests::{hard, sides};
    use crate::viz::{Arrow, Dim, matching};
    use proptest::prelude::*;

    fn map(grid: Grid, order: Option<Vec<usize>>) -> HeatMap {
        let (rows, columns) = sides();
        HeatMap {
            title: "Plan".into(),
            rows: rows.order(order),
            columns,
            grid,
            scale: Scale::Sequential { max: None },
            quantity: "mass".into(),
        }
    }

    fn pair(source: usize, reference: usize) -> Hit {
        Hit::two(Dim::Source, source, Dim::Reference, reference)
    }

    /// The middle of the cell at a place.
    fn middle(scene: &Scene, row: usize, column: usize) -> (f64, f64) {
        let area = scene
            .marks
            .iter()
            .find_map(|m| match &m.shape {
                crate::viz::Shape::Cells(cells) => Some((cells.area, cells.grid.clone())),
                _ => None,
            })
            .unwrap();
        let (frame, grid) = area;
        let (w, h) = (frame.width / grid.columns as f64, frame.height / grid.rows as f64);
        (frame.x + w * (column as f64 + 0.5), frame.y + h * (row as f64 + 0.5))
    }

    #[test]
    fn pointing_and_keys_go_by_place_and_speak_by_index() {
        let plan = hard(&[2, 0, 1]);
        let scene = map(plan.clone(), Some(matching(&plan))).scene(400.0);
        let (x, y) = middle(&scene, 0, 0);
        assert_eq!(scene.hit_at(x, y), Some(pair(1, 0)));
        assert_eq!(scene.label(&pair(1, 0)).unwrap(), "sst2 1 → mrpc 0: mass 0.333");
        assert_eq!(scene.step(Some(&pair(1, 0)), Arrow::Down), Some(pair(2, 0)));
        assert_eq!(scene.step(Some(&pair(1, 0)), Arrow::Right), Some(pair(1, 1)));
        assert_eq!(scene.step(Some(&pair(1, 0)), Arrow::Up), None);
        assert_eq!(scene.step(None, Arrow::Up), Some(pair(1, 0)));
        assert_eq!(scene.step(Some(&Hit::one(Dim::Reference, 1)), Arrow::Left), Some(pair(1, 0)));
        assert!(scene.overlay(&Hit::one(Dim::Layer, 0)).is_empty());
        assert!(!scene.overlay(&Hit::one(Dim::Source, 0)).is_empty());
    }

    #[test]
    fn the_clamp_holds_all_but_a_few_and_is_said() {
        let mut values: Vec<f32> = (0..1000).map(|i| (i % 10) as f32).collect();
        values[7] = 50.0;
        let (shade, note) = Scale::Diverging { clamp: None }.shade(&values);
        assert_eq!(shade, Shade::Diverging { clamp: 9.0 });
        assert_eq!(note, "clamped: 0.1 % lie beyond");
        let (shade, _) = Scale::Range.shade(&[f32::NAN, 2.0, 3.0]);
        assert_eq!(shade, Shade::Sequential { from: 2.0, to: 3.0 });
    }

    #[test]
    fn what_several_cells_have_is_said_of_none_of_them() {
        let said = |values| map(Grid { rows: 2, columns: 2, values }, None).scene(400.0).summary;
        assert_eq!(said(vec![0.5, 0.0, 0.0, 0.5]), "2 × 2; largest mass 0.5, in 2 places.");
        assert_eq!(said(vec![0.5, 0.0, 0.0, 0.25]), "2 × 2; largest mass 0.5, sst2 0 → mrpc 0.");
    }

    #[test]
    fn a_note_without_room_beside_the_bar_stands_below_it() {
        let mut values: Vec<f32> = (0..1000).map(|i| (i % 10) as f32).collect();
        values[7] = 50.0;
        let scale = Scale::Diverging { clamp: None };
        let wide = HeatMap { scale, ..map(Grid { rows: 10, columns: 100, values }, None) };
        let note = |width: f64| {
            let scene = wide.scene(width);
            let text = |mark: &Mark| match &mark.shape {
                crate::viz::Shape::Text(label) if label.text.starts_with("clamped") => Some(label.y),
                _ => None,
            };
            scene.marks.iter().find_map(text)
        };
        assert_eq!((note(700.0), note(320.0)), (Some(11.0), Some(41.0)));
    }

    #[test]
    fn a_wide_map_stays_within_its_width() {
        let values = (0..24 * 384).map(|i| (i as f32).sin()).collect();
        let weights = map(Grid { rows: 24, columns: 384, values }, None);
        for width in [320.0, 700.0, 1200.0] {
            let scene = weights.scene(width);
            assert!(scene.width <= width && scene.height < 500.0, "{} × {}", scene.width, scene.height);
            let drawing = crate::viz::svg::document(&scene, crate::viz::Scheme::Dark);
            assert!(drawing.matches("<path").count() <= 194, "one path a colour");
        }
    }

    proptest! {
        #[test]
        fn reordering_moves_rows_and_changes_none(order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle()) {
            let grid = Grid { rows: 6, columns: 4, values: (0..24).map(|i| i as f32).collect() };
            let (stored, moved) = (map(grid.clone(), None).scene(400.0), map(grid.clone(), Some(order.clone())).scene(400.0));
            prop_assert_eq!(&stored.table, &moved.table);
            for (place, row) in order.iter().enumerate() {
                for column in 0..4 {
                    let (x, y) = middle(&moved, place, column);
                    prop_assert_eq!(moved.hit_at(x, y), Some(pair(*row, column)));
                }
            }
            // On its way from one to the other, at the start it is the one and at the end the other.
            if order.windows(2).any(|w| w[0] > w[1]) {
                let places = |scene: &Scene| scene.marks.iter().find_map(|m| match &m.shape {
                    crate::viz::Shape::Cells(cells) => Some(cells.rows.places.clone()),
                    _ => None,
                });
                let at = |part| crate::viz::between(&stored, &moved, part).unwrap();
                prop_assert_eq!(places(&at(0.0)), places(&stored));
                prop_assert_eq!(at(1.0), moved);
            } else {
                prop_assert_eq!(crate::viz::between(&stored, &moved, 0.5), None);
            }
        }
    }
}
