//! The strip of layers: for each place of an adapter, how far it is from already aligned, before and after.

use super::chrome::{self, Swatch};
use super::color::Role;
use super::mark::{Frame, Mark};
use super::number::{TICK, Ticks, Unit, fitted, text_width};
use super::scene::{Area, Region};
use super::{Dim, Hit, Picture, Scene, Table};

/// Places from the first layer to the last.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerStrip {
    /// Says what one sees.
    pub title: String,
    /// In the order in which data flows.
    pub layers: Vec<LayerRow>,
    /// Diagonal share that an alignment by chance has, 0 to 1.
    pub chance: Option<f32>,
    /// The one whose details are shown elsewhere.
    pub selected: Option<usize>,
}

/// One place.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRow {
    /// For example `layer.3.output`.
    pub name: String,
    /// Share of the plan's mass on the diagonal, 0 to 1; `None` where there is no diagonal.
    pub diagonal_share: Option<f32>,
    /// Mean distance of neurons paired as stored; `None` where they can't be.
    pub cost_before: Option<f32>,
    /// Mean distance under the plan.
    pub cost_after: f32,
}

impl LayerRow {
    /// The layer's number, and where in the layer when that says something.
    fn short(&self) -> (String, &'static str) {
        let number = self.name.split('.').find(|part| part.parse::<usize>().is_ok());
        let part = if self.name.contains("attention") { "attn." } else { "out" };
        match number {
            Some(number) => (number.to_owned(), part),
            None => (self.name.clone(), ""),
        }
    }
}

impl Picture for LayerStrip {
    fn scene(&self, width: f64) -> Scene {
        if self.layers.is_empty() {
            return chrome::nothing(&self.title, width, "No layers aligned yet.");
        }
        let width = chrome::usable(width).min(920.0);
        let shares = Ticks { values: vec![0.0, 0.5, 1.0], step: 0.5 };
        let finite = |layer: &LayerRow| [layer.cost_before, Some(layer.cost_after)].into_iter().flatten();
        let known = || self.layers.iter().flat_map(finite).filter(|c| c.is_finite());
        // Places of points, not lengths of bars: what differs is shown large, without the way from 0.
        let range = (known().fold(f32::MAX, f32::min), known().fold(f32::MIN, f32::max));
        let costs = match known().next() {
            Some(_) => Ticks::around(f64::from(range.0), f64::from(range.1), 3),
            None => Ticks::around(0.0, 1.0, 3),
        };
        let left = chrome::room_left(&shares, Unit::Percent).max(chrome::room_left(&costs, Unit::Plain)).ceil();

        let mut entries =
            vec![(Swatch::Ring, Role::Ink, "as stored".to_owned()), (Swatch::Dot, Role::Ink, "aligned".to_owned())];
        if self.chance.is_some() {
            entries.push((Swatch::Dash, Role::Ink, "by chance".to_owned()));
        }
        let (upper_title, lower_title) = ("mass on the diagonal", "mean distance of matched neurons");
        // The legend stands beside the first title where there is room.
        let beside = left + text_width(upper_title, TICK) + 24.0;
        let room: f64 = entries.iter().map(|(.., text)| text_width(text, TICK) + 42.0).sum();
        let (legend_left, drop) = if beside + room <= width { (beside, 0.0) } else { (left, 24.0) };
        let (legend, _) = chrome::swatches(legend_left, width - legend_left, &entries);
        let upper = Frame::new(left, drop + 22.0, width - left - 6.0, 56.0);
        let lower = Frame::new(left, upper.bottom() + 34.0, upper.width, 76.0);
        let pitch = upper.width / self.layers.len() as f64;

        let mixed = self.layers.iter().any(|l| l.name.contains("attention"));
        let mut marks = Vec::new();
        if let Some(selected) = self.selected.filter(|s| *s < self.layers.len()) {
            let x = left + pitch * selected as f64;
            let (y, tall) = (upper.y - 4.0, lower.bottom() - upper.y + if mixed { 38.0 } else { 26.0 });
            marks.push(Mark::rect(x, y, pitch, tall).fill(Role::Accent).opacity(0.12).corner(4.0));
            marks.push(Mark::rect(x, y, pitch, tall).stroke(Role::Accent, 1.5).corner(4.0));
        }
        marks.extend(legend);
        marks.push(Mark::text(left, upper.y - 10.0, upper_title).fill(Role::Ink));
        // The edge of the band does not cut its words.
        let lower_title = Mark::text(left, lower.y - 10.0, fitted(lower_title, TICK, width - left));
        marks.push(lower_title.fill(Role::Ink).stroke(Role::Ground, 4.0));
        marks.extend(chrome::values_left(upper, &shares, Unit::Percent));
        marks.extend(chrome::values_left(lower, &costs, Unit::Plain));
        let height_of = |share: f64| chrome::project(share, (0.0, 1.0), (upper.bottom(), upper.y));
        let cost_at =
            |cost: f32| chrome::project(f64::from(cost), (costs.low(), costs.high()), (lower.bottom(), lower.y));
        let every = chrome::every(pitch, if mixed { text_width("attn.", TICK) } else { text_width("00", TICK) } + 4.0);
        let mut regions = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let x = left + pitch * (index as f64 + 0.5);
            let half = (0.3 * pitch).min(18.0);
            if let Some(share) = layer.diagonal_share.filter(|share| share.is_finite()) {
                let top = height_of(f64::from(share.clamp(0.0, 1.0)));
                marks.push(Mark::rect(x - half, top, 2.0 * half, upper.bottom() - top).fill(Role::Accent));
            }
            let before = layer.cost_before.filter(|c| c.is_finite());
            let after = Some(layer.cost_after).filter(|c| c.is_finite());
            if let (Some(before), Some(after)) = (before, after) {
                marks.push(Mark::line(x, cost_at(before), x, cost_at(after)).stroke(Role::Ink2, 1.5));
            }
            if let Some(before) = before {
                marks.push(Mark::circle(x, cost_at(before), 4.5).fill(Role::Ground).stroke(Role::Ink, 1.5));
            }
            if let Some(after) = after {
                marks.push(Mark::circle(x, cost_at(after), 4.5).fill(Role::Ink));
            }
            let (number, part) = layer.short();
            if index % every == 0 {
                marks.push(Mark::text(x, lower.bottom() + 15.0, number).middle().hit(Hit::one(Dim::Layer, index)));
                if mixed {
                    marks.push(Mark::text(x, lower.bottom() + 27.0, part).size(10.0).middle());
                }
            }
            regions.push(Region {
                hit: Hit::one(Dim::Layer, index),
                area: Area::Rect(Frame::new(x - 0.5 * pitch, upper.y, pitch, lower.bottom() - upper.y + 20.0)),
                label: layer.label(),
                place: Some((index, 0)),
            });
        }
        if let Some(chance) = self.chance.filter(|c| c.is_finite()) {
            let y = height_of(f64::from(chance.clamp(0.0, 1.0)));
            marks.push(Mark::line(left, y, upper.right(), y).stroke(Role::Ink, 1.2).dashed());
        }
        let bottom = lower.bottom() + if mixed { 34.0 } else { 24.0 };
        marks.push(Mark::text(left + 0.5 * upper.width, bottom + 17.0, "layer").middle().fill(Role::Ink));
        Scene {
            title: self.title.clone(),
            summary: self.summary(),
            width,
            height: bottom + 24.0,
            marks,
            regions,
            table: self.table(),
            recedes: false,
            moves: false,
        }
    }
}

impl LayerRow {
    fn label(&self) -> String {
        let before = self.cost_before.map_or("—".to_owned(), |c| Unit::Plain.write(f64::from(c)));
        let name = if self.name.parse::<usize>().is_ok() { format!("layer {}", self.name) } else { self.name.clone() };
        format!(
            "{name}: {} on the diagonal, mean distance {} as stored, {} aligned",
            Unit::Percent.write(self.diagonal_share.map_or(f64::NAN, f64::from)),
            before,
            Unit::Plain.write(f64::from(self.cost_after))
        )
    }
}

impl LayerStrip {
    fn summary(&self) -> String {
        let shares: Vec<f64> =
            self.layers.iter().filter_map(|l| Some(f64::from(l.diagonal_share?))).filter(|s| s.is_finite()).collect();
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        let chance =
            self.chance.map_or(String::new(), |c| format!(" (by chance {})", Unit::Percent.write(f64::from(c))));
        let both: Vec<(f64, f64)> = self
            .layers
            .iter()
            .filter_map(|l| Some((f64::from(l.cost_before?), f64::from(l.cost_after))))
            .filter(|(before, after)| before.is_finite() && after.is_finite() && *before > 0.0)
            .collect();
        let drop = both.iter().map(|(before, after)| 1.0 - after / before).sum::<f64>() / both.len() as f64;
        format!(
            "{} of the plans' mass is on the diagonal{chance}; alignment lowers the mean distance by {}.",
            Unit::Percent.write(mean),
            Unit::Percent.write(drop),
        )
    }

    fn table(&self) -> Table {
        let headers = ["place", "diagonal share", "cost as stored", "cost aligned"];
        let row = |l: &LayerRow| {
            let before = l.cost_before.unwrap_or(f32::NAN);
            vec![
                l.name.as_str().into(),
                l.diagonal_share.unwrap_or(f32::NAN).into(),
                before.into(),
                l.cost_after.into(),
            ]
        };
        Table { headers: headers.map(str::to_owned).to_vec(), rows: self.layers.iter().map(row).collect() }
    }
}
