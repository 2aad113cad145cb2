//! A confusion matrix: rows are what is right, columns what was said, a row's colours the share of its examples.

use super::chrome::{self, COLOR_BAR};
use super::color::{Role, Shade};
use super::heatmap::title;
use super::mark::{CellAxis, Cells, Frame, Mark};
use super::number::{TICK, Unit, fitted, text_width};
use super::scene::{Area, Region};
use super::{Datum, Dim, Grid, Hit, Picture, Scene, Side, Table, mass};

/// Counts of answers by class.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    /// Says what one sees.
    pub title: String,
    /// Names of the classes, in order.
    pub labels: Vec<String>,
    /// `[truth, predicted]`.
    pub counts: Grid,
}

impl Picture for Confusion {
    fn scene(&self, width: f64) -> Scene {
        let n = self.labels.len().max(self.counts.rows).max(self.counts.columns);
        let total: f64 = (0..n).map(|row| self.counts.row_sum(row)).sum();
        if n == 0 || total <= 0.0 {
            return chrome::nothing(&self.title, width, "No answers on test yet.");
        }
        let width = chrome::usable(width);
        let side = |dim, title: &str| Side { labels: self.labels.clone(), ..Side::new(dim, title).role(Role::Ink2) };
        let (truth, predicted) = (side(Dim::Truth, "right answer"), side(Dim::Predicted, "answer given"));
        let names = (0..n).map(|i| text_width(&truth.tick(i), TICK)).fold(0.0, f64::max);
        let left = (names.min(0.3 * width) + 28.0).ceil();
        let cell = ((width - left - 8.0) / n as f64).min(480.0 / n as f64).min(72.0).floor().max(4.0);
        let below = 120.0;
        let area = Frame::new(left, COLOR_BAR + 6.0, cell * n as f64, cell * n as f64);

        let share = |row: usize, column: usize| match self.counts.row_sum(row) {
            all if all > 0.0 => (mass(self.counts.get(row, column)) / all) as f32,
            _ => f32::NAN,
        };
        let grid = Grid { rows: n, columns: n, values: (0..n * n).map(|i| share(i / n, i % n)).collect() };
        let shade = Shade::Sequential { from: 0.0, to: 1.0 };
        let (mut marks, legend, _) =
            chrome::color_bar(left, width - left, shade, "share of the row", Unit::Percent, "");
        let axis = |side: &Side, name: &str| CellAxis {
            dim: side.dim,
            name: name.to_owned(),
            labels: side.labels.clone(),
            places: (0..n).map(|i| i as f64).collect(),
        };
        marks.push(Mark::cells(Cells {
            area,
            grid,
            shade,
            rows: axis(&truth, "class"),
            columns: axis(&predicted, "class"),
            quantity: "share".to_owned(),
            unit: Unit::Percent,
        }));
        marks.push(Mark::rect(area.x - 0.5, area.y - 0.5, area.width + 1.0, area.height + 1.0).stroke(Role::Line, 1.0));
        let mut regions = Vec::new();
        for (row, column) in (0..n).flat_map(|row| (0..n).map(move |column| (row, column))) {
            let (x, y) = (area.x + cell * column as f64, area.y + cell * row as f64);
            let (count, part) = (mass(self.counts.get(row, column)), share(row, column));
            let text = Unit::Count.write(count);
            if cell > text_width(&text, TICK) + 6.0 && cell >= 18.0 && part.is_finite() {
                let text = Mark::text(x + 0.5 * cell, y + 0.5 * cell + 4.0, text).middle();
                marks.push(text.fill(Role::OnSequential(part)));
            }
            let of = Unit::Count.write(self.counts.row_sum(row));
            regions.push(Region {
                hit: Hit::two(Dim::Truth, row, Dim::Predicted, column),
                area: Area::Rect(Frame::new(x, y, cell, cell)),
                label: format!(
                    "{} answered {}: {} of {of}, {}",
                    truth.tick(row),
                    predicted.tick(column),
                    Unit::Count.write(count),
                    Unit::Percent.write(f64::from(part))
                ),
                place: Some((column, row)),
            });
        }
        let every = chrome::every(cell, 12.0);
        for row in (0..n).step_by(every) {
            let y = area.y + cell * (row as f64 + 0.5) + 4.0;
            marks.push(Mark::text(left - 5.0, y, fitted(&truth.tick(row), TICK, 0.3 * width)).end());
        }
        // Names too long to stand beside each other are turned.
        let turned = names > 0.85 * cell;
        let every = chrome::every(cell, if turned { 12.0 } else { 0.0 });
        for column in (0..n).step_by(every) {
            let (x, name) = (area.x + cell * (column as f64 + 0.5), fitted(&predicted.tick(column), TICK, below));
            marks.push(match turned {
                true => Mark::text(x + 4.0, area.bottom() + 6.0, name).end().turned(),
                false => Mark::text(x, area.bottom() + 14.0, name).middle(),
            });
        }
        let foot = if turned { 1.1 * names.min(below) + 26.0 } else { 33.0 };
        marks.extend(title(&truth, (11.0, area.y + 0.5 * area.height), area.height.max(90.0), true));
        marks.extend(title(&predicted, (area.x + 0.5 * area.width, area.bottom() + foot), area.width.max(90.0), false));
        let right: f64 = (0..n).map(|i| mass(self.counts.get(i, i))).sum();
        Scene {
            title: self.title.clone(),
            summary: format!(
                "{} of {} answers are right ({}).",
                Unit::Count.write(right),
                Unit::Count.write(total),
                Unit::Percent.write(right / total)
            ),
            width: (area.right() + 8.0).max(legend + 4.0).min(width),
            height: area.bottom() + foot + 9.0,
            marks,
            regions,
            table: self.table(&truth, n),
            recedes: false,
            moves: false,
        }
    }
}

impl Confusion {
    fn table(&self, side: &Side, n: usize) -> Table {
        let mut headers = vec!["right answer \\ answer given".to_owned()];
        headers.extend((0..n).map(|i| side.tick(i)));
        let row = |row: usize| {
            let counts = (0..n).map(|column| Datum::from(self.counts.get(row, column)));
            [Datum::Text(side.tick(row))].into_iter().chain(counts).collect()
        };
        Table { headers, rows: (0..n).map(row).collect() }
    }
}
