//! A matrix as a heat map: the cost or the plan of a transport, or weights.

use super::chrome::{self, COLOR_BAR};
use super::color::{Role, Shade};
use super::mark::{CellAxis, Cells, Frame, Mark};
use super::number::{NAME, TICK, Unit, fitted, text_width};
use super::{Datum, Grid, Hit, Picture, Scene, Side, Table, significant};

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
        sizes.sort_by(f32::total_cmp);
        match self {
            Scale::Sequential { max } => {
                let most = values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f32::max);
                (Shade::Sequential { from: 0.0, to: max.unwrap_or(most) }, String::new())
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
        let area = Frame::new(left, COLOR_BAR + 6.0, across * columns as f64, down * rows as f64);
        let (shade, note) = self.scale.shade(&self.grid.values);

        let mut marks = chrome::color_bar(left, width - left, shade, &self.quantity, Unit::Plain, &note);
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
            width: (area.right() + 8.0).max(left + 200.0).min(width),
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
        true => (Mark { shape: moved(&name, 0.0, -shift), ..name }.turned(), swatch(x - 9.5, y - start - 8.0)),
        false => (Mark { shape: moved(&name, shift, 0.0), ..name }, swatch(x + start - 4.0, y - 9.5)),
    };
    if shift == 0.0 { vec![name] } else { vec![name, swatch] }
}

fn moved(mark: &Mark, right: f64, down: f64) -> super::Shape {
    match &mark.shape {
        super::Shape::Text(label) => {
            super::Shape::Text(super::Label { x: label.x + right, y: label.y + down, ..label.clone() })
        }
        other => other.clone(),
    }
}

impl HeatMap {
    fn summary(&self) -> String {
        let grid = &self.grid;
        let cells = (0..grid.rows).flat_map(|row| (0..grid.columns).map(move |column| (row, column)));
        let most = cells
            .filter(|(row, column)| grid.get(*row, *column).is_finite())
            .max_by(|a, b| grid.get(a.0, a.1).abs().total_cmp(&grid.get(b.0, b.1).abs()));
        let mut text = format!("{} × {} values of {}", grid.rows, grid.columns, self.quantity);
        if let Some((row, column)) = most {
            let value = significant(f64::from(grid.get(row, column)), 3);
            text += &format!("; the largest is {value}, {} → {}", self.rows.member(row), self.columns.member(column));
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
