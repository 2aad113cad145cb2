//! Methods compared: a dot a seed over a box of the quartiles, the mean, the interval that the mean lies in, and the
//! line to beat.

use super::chrome::{self, Swatch};
use super::color::Role;
use super::mark::{Frame, Mark};
use super::number::{NAME, Ticks, Unit, capital, fitted, text_width};
use super::scene::{Area, Region};
use super::{Datum, Dim, Hit, Picture, Scene, Table, sort_by};

/// Methods from top to bottom. For paired differences, give them as values and 0 as the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Says what one sees.
    pub title: String,
    /// What is compared: accuracy on test.
    pub quantity: String,
    /// How it is written.
    pub unit: Unit,
    /// In the order in which they are shown.
    pub methods: Vec<Method>,
    /// A line to compare with, and its name: the majority class.
    pub baseline: Option<(String, f64)>,
}

/// One method.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// What it is called.
    pub name: String,
    /// Its colour.
    pub role: Role,
    /// One a seed; what isn't a number is left out.
    pub values: Vec<f64>,
}

impl Method {
    fn known(&self) -> Vec<f64> {
        self.values.iter().copied().filter(|v| v.is_finite()).collect()
    }
}

/// Mean, and half of the 95 % interval of the mean by Student's t, which one value does not have.
fn mean_and_half(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let n = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let half = (values.len() > 1).then(|| student(values.len() - 1) * (squares / (n - 1.0) / n).sqrt());
    Some((mean, half))
}

/// The 97.5 % quantile of Student's t.
fn student(degrees: usize) -> f64 {
    const QUANTILES: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    match QUANTILES.get(degrees.max(1) - 1) {
        Some(quantile) => *quantile,
        // The first terms of its expansion around the normal distribution.
        None => 1.95996 + 2.37227 / degrees as f64 + 2.8225 / (degrees as f64).powi(2),
    }
}

/// Lower quartile, median, upper quartile, between neighbours in proportion, as numpy and R have them; none for fewer
/// than three values, where they would only repeat the dots.
fn quartiles(values: &[f64]) -> Option<[f64; 3]> {
    let mut sorted = values.to_vec();
    sort_by(&mut sorted, f64::total_cmp);
    let last = sorted.len().checked_sub(1).filter(|last| *last >= 2)?;
    let at = |share: f64| {
        let place = share * last as f64;
        let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        low + (high - low) * place.fract()
    };
    Some([at(0.25), at(0.5), at(0.75)])
}

const ROW: f64 = 30.0;
/// Height of the box of the quartiles: the dots of a row stay inside it.
const BOX: f64 = 20.0;

impl Picture for Comparison {
    fn scene(&self, width: f64) -> Scene {
        let values = || self.methods.iter().flat_map(|m| &m.values).copied().filter(|v| v.is_finite());
        if values().next().is_none() {
            return chrome::nothing(&self.title, width, "No runs to compare yet.");
        }
        let width = chrome::usable(width).min(860.0);
        let baseline = self.baseline.as_ref().filter(|(_, value)| value.is_finite());
        let mut range = values().chain(baseline.map(|(_, v)| *v)).fold((f64::MAX, f64::MIN), widened);
        for method in &self.methods {
            if let Some((mean, Some(half))) = mean_and_half(&method.known()) {
                // An interval of two values can be wider than all there is to see; it may leave the frame.
                let reach = 0.12 * (range.1 - range.0);
                range = widened(widened(range, (mean - half).max(range.0 - reach)), (mean + half).min(range.1 + reach));
            }
        }
        if self.unit == Unit::Percent {
            range = (range.0.max(0.0), range.1.min(1.0).max(range.0));
        }
        // Faces that stand in for a missing one are wider by a twelfth.
        let names = self.methods.iter().map(|m| text_width(&m.name, NAME) * 1.08).fold(0.0, f64::max);
        // Where names would take too much of the width, they stand above their rows.
        let above = names + 14.0 > 0.36 * width;
        let (left, pitch) = if above { (20.0, ROW + 16.0) } else { ((names + 14.0).ceil(), ROW) };
        let mut entries = vec![
            (Swatch::Dot, Role::Ink2, "a seed".to_owned()),
            (Swatch::Line, Role::Ink, "mean, 95 % interval (t)".to_owned()),
        ];
        if self.methods.iter().any(|method| quartiles(&method.known()).is_some()) {
            entries.insert(1, (Swatch::Square, Role::Line, "quartiles and median".to_owned()));
        }
        if let Some((name, value)) = baseline {
            // Nothing is gained by the value where differences are compared with none.
            let value = if *value == 0.0 { String::new() } else { format!(" {}", self.unit.write(*value)) };
            entries.push((Swatch::Dash, Role::Ink, format!("{name}{value}")));
        }
        let (legend, legend_height) = chrome::swatches(0.0, width, &entries);
        let frame = Frame::new(left, legend_height + 6.0, width - left - 22.0, pitch * self.methods.len() as f64);
        let ticks = Ticks::around(range.0, range.1, ((frame.width / 80.0) as usize).clamp(2, 7));
        let at = |value: f64| {
            let x = chrome::project(value, (ticks.low(), ticks.high()), (frame.x, frame.right()));
            x.clamp(frame.x, frame.right())
        };

        let mut marks = legend;
        marks.extend(chrome::values_below(frame, &ticks, self.unit));
        if let Some((_, value)) = baseline {
            marks.push(Mark::line(at(*value), frame.y, at(*value), frame.bottom()).stroke(Role::Ink, 1.5).dashed());
        }
        let mut regions = Vec::new();
        for (index, method) in self.methods.iter().enumerate() {
            let top = frame.y + pitch * index as f64;
            let y = top + pitch - 0.5 * ROW;
            let hit = Hit::one(Dim::Item, index);
            let name = match above {
                true => {
                    let name = fitted(&method.name, NAME, width);
                    // Over the lines of the grid, which would strike it through.
                    marks.push(Mark::rect(0.0, top + 1.0, text_width(&name, NAME) + 4.0, 17.0).fill(Role::Ground));
                    Mark::text(0.0, top + 14.0, name)
                }
                false => Mark::text(left - 10.0, y + 4.5, method.name.clone()).end(),
            };
            marks.push(name.size(NAME).fill(Role::Ink).hit(hit));
            let values = method.known();
            if let Some([low, median, high]) = quartiles(&values) {
                let (left, top) = (at(low), y - 0.5 * BOX);
                // Wide enough to be seen where all seeds agree.
                let width = (at(high) - left).max(2.0);
                marks.push(Mark::rect(left, top, width, BOX).corner(3.0).fill(method.role).opacity(0.18));
                marks.push(Mark::line(at(median), top, at(median), top + BOX).stroke(method.role, 1.5));
            }
            for (number, value) in values.iter().enumerate() {
                // Equal values stand beside each other rather than in one.
                let aside = [0.0, -5.0, 5.0, -2.5, 2.5][number % 5];
                marks.push(Mark::circle(at(*value), y + aside, 3.2).fill(method.role).opacity(0.55));
            }
            if let Some((mean, half)) = mean_and_half(&values) {
                if let Some(half) = half {
                    let (low, high) = (at(mean - half), at(mean + half));
                    marks.push(Mark::line(low, y, high, y).stroke(Role::Ink, 1.75));
                    // Without a cap where it leaves the frame.
                    let inside = |end: &f64| *end > frame.x && *end < frame.right();
                    for x in [low, high].into_iter().filter(inside) {
                        marks.push(Mark::line(x, y - 4.0, x, y + 4.0).stroke(Role::Ink, 1.75));
                    }
                }
                marks.push(Mark::circle(at(mean), y, 5.0).fill(method.role).stroke(Role::Ground, 1.5));
                marks.push(Mark::circle(at(mean), y, 5.75).stroke(Role::Ink, 1.25));
            }
            regions.push(Region {
                hit,
                area: Area::Rect(Frame::new(0.0, top, width, pitch)),
                label: self.pointed(method),
                place: Some((0, index)),
            });
        }
        marks.push(chrome::title_below(frame, 34.0, &self.unit.title(&self.quantity), width));
        Scene {
            title: self.title.clone(),
            summary: self.summary(),
            width,
            height: frame.bottom() + 42.0,
            marks,
            regions,
            table: self.table(),
            recedes: false,
            moves: false,
        }
    }
}

fn widened((low, high): (f64, f64), value: f64) -> (f64, f64) {
    (low.min(value), high.max(value))
}

impl Comparison {
    fn label(&self, method: &Method) -> String {
        let values = method.known();
        match mean_and_half(&values) {
            None => format!("{}: no runs yet", method.name),
            Some((mean, None)) => format!("{}: {} (one run)", method.name, self.unit.write(mean)),
            Some((mean, Some(half))) => {
                let write = |value: f64| self.unit.write(value);
                let interval = format!("95 % interval {} to {}", write(mean - half), write(mean + half));
                format!("{}: mean {}, {interval}, {} runs", method.name, write(mean), values.len())
            }
        }
    }

    /// What is said of a method that is pointed at.
    fn pointed(&self, method: &Method) -> String {
        let label = self.label(method);
        quartiles(&method.known()).map_or(label.clone(), |[low, median, high]| {
            let write = |value: f64| self.unit.write(value);
            format!("{label}; median {}, quartiles {} and {}", write(median), write(low), write(high))
        })
    }

    fn summary(&self) -> String {
        let means = self.methods.iter().filter_map(|m| Some((mean_and_half(&m.known())?.0, m)));
        let best = means.max_by(|a, b| a.0.total_cmp(&b.0));
        let best = best.map_or(String::new(), |(_, m)| format!("; highest {}", self.label(m)));
        let baseline = match &self.baseline {
            Some((_, 0.0)) | None => String::new(),
            Some((name, value)) => format!("; {name} {}", self.unit.write(*value)),
        };
        let methods = match self.methods.len() {
            1 => "one method".to_owned(),
            count => format!("{count} methods"),
        };
        capital(format!("{} of {methods}{best}{baseline}.", self.quantity))
    }

    fn table(&self) -> Table {
        let runs = self.methods.iter().map(|m| m.values.len()).max().unwrap_or(0);
        let headers = ["method", "mean", "95 % low", "95 % high", "lower quartile", "median", "upper quartile"];
        let mut headers = headers.map(str::to_owned).to_vec();
        headers.extend((1..=runs).map(|run| format!("run {run}")));
        let row = |method: &Method| {
            let known = method.known();
            let (mean, half) = mean_and_half(&known).unwrap_or((f64::NAN, None));
            let half = half.unwrap_or(f64::NAN);
            let mut cells: Vec<Datum> =
                vec![method.name.as_str().into(), mean.into(), (mean - half).into(), (mean + half).into()];
            cells.extend(quartiles(&known).unwrap_or([f64::NAN; 3]).map(Datum::Number));
            cells.extend((0..runs).map(|run| Datum::Number(method.values.get(run).copied().unwrap_or(f64::NAN))));
            cells
        };
        Table { headers, rows: self.methods.iter().map(row).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_neighbours() {
        // numpy.quantile(values, [0.25, 0.5, 0.75])
        assert_eq!(quartiles(&[4.0, 1.0, 2.0]), Some([1.5, 2.0, 3.0]));
        assert_eq!(quartiles(&[5.0, 1.0, 4.0, 2.0, 3.0]), Some([2.0, 3.0, 4.0]));
        assert_eq!(quartiles(&[10.0, 0.0, 2.0, 1.0]), Some([0.75, 1.5, 4.0]));
        assert_eq!(quartiles(&[1.0, 2.0]), None);
    }

    #[test]
    fn the_interval_is_students() {
        // scipy.stats.t.interval(0.95, 4, loc=mean, scale=sem) of these five.
        let (mean, half) = mean_and_half(&[0.80, 0.82, 0.79, 0.85, 0.81]).unwrap();
        assert!((mean - 0.814).abs() < 1e-12);
        assert!((half.unwrap() - 0.028585).abs() < 1e-5, "{half:?}");
        assert_eq!(mean_and_half(&[0.5]), Some((0.5, None)));
        assert_eq!(mean_and_half(&[]), None);
        assert!((student(31) - 2.0395).abs() < 5e-4 && (student(100) - 1.9840).abs() < 5e-4);
    }
}
