//! Grouped bars: norms by layer, distance to the ensemble by layer before and after.

use super::chrome::{self, Swatch};
use super::color::Role;
use super::mark::{Frame, Mark};
use super::number::{NAME, TICK, Ticks, Unit, capital, fitted, text_width};
use super::scene::{Area, Region};
use super::{Datum, Dim, Hit, Picture, Scene, Table};

/// Groups side by side, in each a bar a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// Says what one sees.
    pub title: String,
    /// What is measured.
    pub quantity: String,
    /// How it is written.
    pub unit: Unit,
    /// What a group is: layer, adapter.
    pub group: String,
    /// What a group's index counts, for linking.
    pub dim: Dim,
    /// Names of the groups.
    pub groups: Vec<String>,
    /// Colours of the groups where each has its own, such as an adapter's; where there are none, the series'.
    pub roles: Vec<Role>,
    /// One a bar in each group.
    pub series: Vec<Series>,
}

/// The same thing in every group.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is called.
    pub name: String,
    /// Its colour; series of one are drawn from faint to strong, in their order.
    pub role: Role,
    /// One a group; NaN where there is none.
    pub values: Vec<f32>,
}

impl Picture for Bars {
    fn scene(&self, width: f64) -> Scene {
        let values = || self.series.iter().flat_map(|s| &s.values).copied().filter(|v| v.is_finite()).map(f64::from);
        if self.groups.is_empty() || values().next().is_none() {
            return chrome::nothing(&self.title, width, "No values to show.");
        }
        let width = chrome::usable(width).min(920.0);
        let ticks = Ticks::around(values().fold(0.0, f64::min), values().fold(0.0, f64::max), 4);
        let left = chrome::room_left(&ticks, self.unit).ceil();
        let entries: Vec<_> = self.series.iter().map(|s| (Swatch::Square, s.role, s.name.clone())).collect();
        let strengths = chrome::strengths(&entries);
        let entries = if entries.len() > 1 { entries } else { Vec::new() };
        let (legend, legend_height) = chrome::swatches(left, width - left, &entries);
        let frame = Frame::new(left, legend_height + 24.0, width - left - 6.0, 160.0);
        let pitch = frame.width / self.groups.len() as f64;
        let thick = (0.76 * pitch / self.series.len().max(1) as f64).min(26.0);
        let at = |value: f64| chrome::project(value, (ticks.low(), ticks.high()), (frame.bottom(), frame.y));

        let mut marks = legend;
        let quantity = self.unit.title(&self.quantity);
        marks.push(Mark::text(left, frame.y - 10.0, quantity).size(NAME).fill(Role::Ink));
        marks.extend(chrome::values_left(frame, &ticks, self.unit));
        let widest = self.groups.iter().map(|g| text_width(g, TICK)).fold(0.0, f64::max);
        let every = chrome::every(pitch, widest.min(64.0) + 6.0);
        let mut regions = Vec::new();
        for (index, group) in self.groups.iter().enumerate() {
            let middle = left + pitch * (index as f64 + 0.5);
            let start = middle - 0.5 * thick * self.series.len() as f64;
            for (number, series) in self.series.iter().enumerate() {
                let value = series.values.get(index).copied().map_or(f64::NAN, f64::from);
                if value.is_finite() {
                    let (top, bottom) = (at(value.max(0.0)), at(value.min(0.0)));
                    let gap = if thick > 4.0 { 1.0 } else { 0.0 };
                    let bar = Mark::rect(start + thick * number as f64, top, thick - gap, bottom - top);
                    let role = self.roles.get(index).copied().unwrap_or(series.role);
                    marks.push(bar.fill(role).opacity(strengths[number]));
                }
            }
            let hit = Hit::one(self.dim, index);
            if index % every == 0 {
                let name = fitted(group, TICK, pitch * every as f64 - 4.0);
                marks.push(Mark::text(middle, frame.bottom() + 15.0, name).middle().hit(hit));
            }
            regions.push(Region {
                hit,
                area: Area::Rect(Frame::new(middle - 0.5 * pitch, frame.y, pitch, frame.height + 20.0)),
                label: self.label(index, group),
                place: Some((index, 0)),
            });
        }
        marks.push(Mark::line(left, at(0.0), frame.right(), at(0.0)).stroke(Role::Ink2, 1.0));
        marks.push(chrome::title_below(frame, 32.0, &self.group, width));
        Scene {
            title: self.title.clone(),
            summary: self.summary(),
            width,
            height: frame.bottom() + 40.0,
            marks,
            regions,
            table: self.table(),
            recedes: false,
            moves: false,
        }
    }
}

impl Bars {
    fn label(&self, index: usize, group: &str) -> String {
        let value = |s: &Series| self.unit.write(s.values.get(index).copied().map_or(f64::NAN, f64::from));
        let group = if group.parse::<usize>().is_ok() { format!("{} {group}", self.group) } else { group.to_owned() };
        match self.series.as_slice() {
            [only] => format!("{group}: {} {}", self.quantity, value(only)),
            several => {
                let list: Vec<String> = several.iter().map(|s| format!("{} {}", s.name, value(s))).collect();
                format!("{group}: {}", list.join(", "))
            }
        }
    }

    fn summary(&self) -> String {
        if let ([only], 1..=8) = (self.series.as_slice(), self.groups.len()) {
            let value = |value: &f32| self.unit.write(f64::from(*value));
            let list = self.groups.iter().zip(&only.values).map(|(group, v)| format!("{group} {}", value(v)));
            return capital(format!("{} by {}: {}.", self.quantity, self.group, list.collect::<Vec<_>>().join(", ")));
        }
        let mean = |s: &Series| {
            let known: Vec<f64> = s.values.iter().copied().filter(|v| v.is_finite()).map(f64::from).collect();
            self.unit.write(known.iter().sum::<f64>() / known.len() as f64)
        };
        let list: Vec<String> = self.series.iter().take(8).map(|s| format!("{} {}", s.name, mean(s))).collect();
        let many = if self.groups.len() == 1 { "" } else { "s" };
        let over = format!("{} {}{many}", self.groups.len(), self.group);
        capital(format!("{} over {over}, mean: {}.", self.quantity, list.join(", ")))
    }

    fn table(&self) -> Table {
        let mut headers = vec![self.group.clone()];
        headers.extend(self.series.iter().map(|s| s.name.clone()));
        let row = |(index, group): (usize, &String)| {
            let values = self.series.iter().map(|s| Datum::from(s.values.get(index).copied().unwrap_or(f32::NAN)));
            [Datum::Text(group.clone())].into_iter().chain(values).collect()
        };
        Table { headers, rows: self.groups.iter().enumerate().map(row).collect() }
    }
}
