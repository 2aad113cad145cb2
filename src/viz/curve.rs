//! Curves over steps: loss, accuracy on dev, several runs at once.

use super::chrome::{self, Swatch};
use super::color::Role;
use super::mark::{Frame, Mark};
use super::number::{NAME, Ticks, Unit, capital};
use super::scene::{Area, Region};
use super::{Dim, Hit, Picture, Scene, Table};

/// Panels over the same steps: one below the other where it is narrow, side by side where it is wide.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// Says what one sees.
    pub title: String,
    /// What is counted along x: step, epoch.
    pub x: String,
    /// The last step that is planned, so that a curve grows into its room.
    pub end: Option<f64>,
    /// Each with its own y axis.
    pub panels: Vec<Panel>,
}

/// One y axis and what is drawn along it.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// The quantity: loss, accuracy on dev.
    pub title: String,
    /// How it is written.
    pub unit: Unit,
    /// Both ends of the axis; `None`: what the values need.
    pub range: Option<(f64, f64)>,
    /// Runs, in the same order in every panel.
    pub runs: Vec<Run>,
}

/// One run in one panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What it is called.
    pub name: String,
    /// Its colour; runs of one are drawn from faint to strong, in their order.
    pub role: Role,
    /// Whether each point is marked, as where there are few.
    pub dots: bool,
    /// Step and value, ascending in steps. What isn't a number interrupts the line.
    pub points: Vec<(f64, f64)>,
}

impl Picture for Curves {
    fn scene(&self, width: f64) -> Scene {
        let points = || self.panels.iter().flat_map(|p| &p.runs).flat_map(|r| &r.points).filter(|p| known(p));
        if points().next().is_none() {
            return chrome::nothing(&self.title, width, "Nothing trained yet.");
        }
        let width = chrome::usable(width);
        let ticks: Vec<Ticks> = self.panels.iter().map(Panel::ticks).collect();
        let left =
            self.panels.iter().zip(&ticks).map(|(p, t)| chrome::room_left(t, p.unit)).fold(24.0, f64::max).ceil();
        let last = points().map(|p| p.0).fold(self.end.unwrap_or(0.0), f64::max);
        let first = points().map(|p| p.0).fold(0.0, f64::min);

        let mut names: Vec<chrome::Entry> = Vec::new();
        let named = |names: &[chrome::Entry], run: &Run| {
            names.iter().position(|(_, role, name)| *name == run.name && *role == run.role)
        };
        for run in self.panels.iter().flat_map(|p| &p.runs) {
            if named(&names, run).is_none() {
                names.push((Swatch::Line, run.role, run.name.clone()));
            }
        }
        let (legend, legend_height) = chrome::swatches(0.0, width, &names);
        let strengths = chrome::strengths(&names);
        let beside = width >= 640.0 && self.panels.len() > 1;
        let columns = if beside { self.panels.len().min(3) } else { 1 };
        let slot = width / columns as f64;
        let tall = if beside { 220.0 } else { 150.0 };

        let (mut marks, mut regions, mut bottom) = (legend, Vec::new(), legend_height);
        for (index, (panel, ticks)) in self.panels.iter().zip(&ticks).enumerate() {
            let (column, row) = (index % columns, index / columns);
            let top = legend_height + 26.0 + (tall + 66.0) * row as f64;
            let frame = Frame::new(slot * column as f64 + left, top, slot - left - 14.0, tall);
            let steps = Ticks::whole(first, last.max(first + 1.0), ((frame.width / 64.0) as usize).clamp(2, 8));
            let below = Ticks { values: steps.values.iter().copied().filter(|v| *v <= last + 1e-9).collect(), ..steps };
            let x_range = (first, last.max(first + 1.0));
            marks.push(Mark::text(frame.x, top - 10.0, panel.unit.title(&panel.title)).size(NAME).fill(Role::Ink));
            marks.extend(chrome::values_left(frame, ticks, panel.unit));
            for value in &below.values {
                let x = chrome::project(*value, x_range, (frame.x, frame.right()));
                marks.push(Mark::line(x, frame.bottom(), x, frame.bottom() + 4.0).stroke(Role::Line, 1.0));
                marks.push(Mark::text(x, frame.bottom() + 16.0, Unit::Plain.tick(*value, below.step)).middle());
            }
            marks.push(Mark::text(frame.right(), frame.bottom() + 31.0, self.x.clone()).end().fill(Role::Ink));
            let at = |(x, y): (f64, f64)| {
                let y = y.clamp(ticks.low(), ticks.high());
                (
                    chrome::project(x, x_range, (frame.x, frame.right())),
                    chrome::project(y, (ticks.low(), ticks.high()), (frame.bottom(), frame.y)),
                )
            };
            for (number, run) in panel.runs.iter().enumerate() {
                let line = Hit::one(Dim::Run, number);
                let strength = named(&names, run).map_or(1.0, |place| strengths[place]);
                for piece in run.points.split(|p| !known(p)).filter(|piece| !piece.is_empty()) {
                    let path: Vec<(f64, f64)> = piece.iter().map(|p| at(*p)).collect();
                    if path.len() > 1 {
                        marks.push(Mark::path(path.clone()).stroke(run.role, 1.75).opacity(strength).hit(line));
                    }
                    if run.dots || path.len() == 1 {
                        let dot = |(x, y): &(f64, f64)| Mark::circle(*x, *y, 3.0).fill(run.role).opacity(strength);
                        marks.extend(path.iter().map(dot));
                    }
                }
                for point in run.points.iter().filter(|p| known(p)) {
                    let ((x, y), step) = (at(*point), point.0.max(0.0) as usize);
                    let (name, what, value) = (&run.name, &panel.title, panel.unit.write(point.1));
                    regions.push(Region {
                        hit: Hit::two(Dim::Run, number, Dim::Step, step),
                        area: Area::Point { x, y, reach: 36.0, rule: Some((frame.y, frame.bottom())) },
                        label: format!("{name} · {} {}: {what} {value}", self.x, Unit::Plain.write(point.0)),
                        place: Some((step, 100 * index + number)),
                    });
                }
            }
            bottom = bottom.max(frame.bottom() + 38.0);
        }
        Scene {
            title: self.title.clone(),
            summary: self.summary(),
            width,
            height: bottom,
            marks,
            regions,
            table: self.table(),
            recedes: false,
            moves: false,
        }
    }
}

fn known((x, y): &(f64, f64)) -> bool {
    x.is_finite() && y.is_finite()
}

impl Panel {
    fn ticks(&self) -> Ticks {
        let values = || self.runs.iter().flat_map(|r| &r.points).filter(|p| known(p)).map(|p| p.1);
        let (low, high) = match self.range {
            Some(range) => range,
            None => (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max)),
        };
        // What stays above 0 stands on it, so that the axis holds still while a curve falls; unless little would be seen.
        let low = if self.range.is_none() && low > 0.0 && low < 0.9 * high { 0.0 } else { low };
        match self.unit {
            Unit::Count => Ticks::whole(low, high, 5),
            _ => Ticks::around(low, high, 5),
        }
    }
}

impl Curves {
    /// A sentence a panel: over steps, where what is trained ends; else, what the values lie between.
    fn summary(&self) -> String {
        let mut sentences = String::new();
        for panel in &self.panels {
            let values = |run: &Run| run.points.iter().filter(|p| known(p)).map(|p| p.1).collect::<Vec<f64>>();
            let runs: Vec<(&str, Vec<f64>)> = panel
                .runs
                .iter()
                .map(|run| (&*run.name, values(run)))
                .filter(|(_, values)| !values.is_empty())
                .collect();
            let (what, write) = (panel.title.split(" (").next().unwrap_or_default(), |value| panel.unit.write(value));
            let end = |values: &[f64]| values.last().copied().unwrap_or(f64::NAN);
            let said = match &runs[..] {
                [] => continue,
                _ if self.x != "step" => {
                    let mut said = format!("{what}: ");
                    for (number, (name, values)) in runs.iter().enumerate() {
                        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
                        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        let comma = if number == 0 { "" } else { ", " };
                        said += &format!("{comma}{name} {} to {}", write(low), write(high));
                    }
                    said
                }
                [(name, values)] if values.len() == 1 => format!("{what} of {name}: {}", write(values[0])),
                [(name, values)] => format!("{what} of {name} from {} to {}", write(values[0]), write(end(values))),
                [first, others @ ..] => {
                    // Of accuracies the most is the best, of losses the least.
                    let is_share = panel.unit == Unit::Percent;
                    let mut best = first;
                    for run in others {
                        if (end(&run.1) > end(&best.1)) == is_share && end(&run.1) != end(&best.1) {
                            best = run;
                        }
                    }
                    let which = if is_share { "highest" } else { "lowest" };
                    format!("{what} ends {which} for {} ({})", best.0, write(end(&best.1)))
                }
            };
            sentences += &format!("{}. ", capital(said));
        }
        sentences.trim_end().to_owned()
    }

    fn table(&self) -> Table {
        let mut rows = Vec::new();
        for panel in &self.panels {
            for run in &panel.runs {
                for (x, y) in &run.points {
                    rows.push(vec![run.name.as_str().into(), panel.title.as_str().into(), (*x).into(), (*y).into()]);
                }
            }
        }
        let headers = ["run", "quantity", self.x.as_str(), "value"].map(str::to_owned).to_vec();
        Table { headers, rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viz::{Arrow, Shape};

    fn curves(points: Vec<(f64, f64)>) -> Curves {
        let run = Run { name: "merged".into(), role: Role::Merged, dots: false, points };
        let panel = Panel { title: "loss".into(), unit: Unit::Plain, range: None, runs: vec![run] };
        Curves { title: "Training".into(), x: "step".into(), end: Some(10.0), panels: vec![panel] }
    }

    #[test]
    fn a_gap_in_the_values_is_a_gap_in_the_line() {
        let scene = curves(vec![(1.0, 0.9), (2.0, 0.8), (3.0, f64::NAN), (4.0, 0.5), (5.0, 0.4)]).scene(500.0);
        let lines = scene.marks.iter().filter(|m| m.hit.is_some() && matches!(m.shape, Shape::Line(_)));
        assert_eq!(lines.count(), 2);
        assert_eq!(scene.regions.len(), 4);
        assert_eq!(scene.summary, "Loss of merged from 0.9 to 0.4.");
    }

    #[test]
    fn runs_of_one_colour_are_told_apart_by_their_strength() {
        let mut picture = curves(vec![(1.0, 0.9), (2.0, 0.8)]);
        let first = picture.panels[0].runs[0].clone();
        let other = |name: &str, role| Run { name: name.into(), role, ..first.clone() };
        picture.panels[0].runs.extend([other("older", Role::Adapter(0)), other("newer", Role::Merged)]);
        let scene = picture.scene(500.0);
        let drawn = |of: fn(&Mark) -> bool| {
            let lines = scene.marks.iter().filter(|mark| matches!(mark.shape, Shape::Line(_)) && of(mark));
            lines.map(|mark| (mark.stroke.unwrap().role, mark.opacity)).collect::<Vec<_>>()
        };
        let runs = drawn(|mark| mark.hit.is_some());
        assert_eq!(runs, [(Role::Merged, 0.625), (Role::Adapter(0), 1.0), (Role::Merged, 1.0)]);
        assert_eq!(drawn(|mark| mark.hit.is_none())[..3], runs, "the legend looks the same");
    }

    #[test]
    fn a_summary_says_where_training_ends_and_between_what_layers_lie() {
        let run = |name: &str, points: &[(f64, f64)]| Run {
            name: name.into(),
            role: Role::Merged,
            dots: false,
            points: points.to_vec(),
        };
        let runs = vec![
            run("mnli", &[(1.0, 0.9), (2.0, 0.2)]),
            run("snli", &[(1.0, 0.8), (2.0, 0.036), (3.0, f64::NAN)]),
            run("late", &[]),
        ];
        let panel = |title: &str, unit| Panel { title: title.into(), unit, range: None, runs: runs.clone() };
        let panels = vec![panel("training loss (nats)", Unit::Plain), panel("dev accuracy", Unit::Percent)];
        let training = Curves { title: "Training".into(), x: "step".into(), end: None, panels };
        let said = "Training loss ends lowest for snli (0.036). Dev accuracy ends highest for mnli (20.0 %).";
        assert_eq!(training.scene(640.0).summary, said);
        let first = Panel { runs: vec![run("mnli", &[(1.0, 0.9)])], ..panel("training loss", Unit::Plain) };
        let first = Curves { panels: vec![first], ..training.clone() };
        assert_eq!(first.scene(640.0).summary, "Training loss of mnli: 0.9.");
        let layers = Curves { x: "layer".into(), panels: vec![panel("cosine", Unit::Plain)], ..training };
        assert_eq!(layers.scene(640.0).summary, "Cosine: mnli 0.2 to 0.9, snli 0.036 to 0.8.");
    }

    #[test]
    fn arrows_walk_along_the_steps() {
        let scene = curves(vec![(1.0, 0.9), (2.0, 0.8), (3.0, 0.7)]).scene(500.0);
        let at = |step| Hit::two(Dim::Run, 0, Dim::Step, step);
        assert_eq!(scene.step(None, Arrow::Right), Some(at(1)));
        assert_eq!(scene.step(Some(&at(1)), Arrow::Right), Some(at(2)));
        assert_eq!(scene.step(Some(&at(1)), Arrow::Left), None);
        assert_eq!(scene.label(&at(2)).unwrap(), "merged · step 2: loss 0.8");
    }
}
