//! One encoder layer as a diagram: what is frozen, and where the adapter sits in it.
//!
//! Placements as the `adapters` library names them: Pfeiffer's (`seq_bn`) after the feed-forward network's add and
//! norm, whose sum it is added to before a norm of the same weights; Houlsby's (`double_seq_bn`) inside both
//! sub-layers before they are added; parallel (`par_bn`) beside the feed-forward network.

use super::chrome;
use super::color::Role;
use super::mark::{Frame, Mark};
use super::number::{NAME, TICK, fitted};
use super::scene::{Area, Region};
use super::{Dim, Hit, Picture, Scene, Table};

/// A layer of a BERT-type encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoder {
    /// Says what one sees.
    pub title: String,
    /// Where adapters sit.
    pub placement: Placement,
    /// How many layers like this one.
    pub layers: usize,
    /// Width of a token's vector.
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width inside the feed-forward network.
    pub intermediate: usize,
    /// Width inside the adapter; `None` while there is none.
    pub bottleneck: Option<usize>,
    /// Inside the adapter, for example `relu`.
    pub non_linearity: String,
    /// The adapter's colour.
    pub role: Role,
}

/// Where adapters sit in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Nowhere: the PLM alone.
    None,
    /// After the feed-forward network (Pfeiffer, `seq_bn`).
    Output,
    /// In both sub-layers (Houlsby, `double_seq_bn`).
    Both,
    /// Beside the feed-forward network (`par_bn`).
    Parallel,
}

/// A box of the diagram, from top to bottom.
struct Step {
    name: &'static str,
    detail: String,
    kind: Kind,
    /// Number of the step whose input is added after this one.
    adds: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Frozen,
    Norm,
    Adapter,
}

const TALL: f64 = 38.0;
const GAP: f64 = 20.0;

impl Picture for Encoder {
    fn scene(&self, width: f64) -> Scene {
        let steps = self.steps();
        let width = chrome::usable(width).min(640.0);
        let beside = width >= 520.0;
        let boxes = Frame::new(44.0, 58.0, if beside { 236.0 } else { width - 88.0 }, TALL);
        let (middle, top_of) = (boxes.x + 0.5 * boxes.width, |i: usize| boxes.y + (TALL + GAP) * i as f64);
        let mut marks = Vec::new();
        let mut regions = Vec::new();

        let bottom = top_of(steps.len()) - GAP;
        let round = Mark::rect(14.0, 34.0, boxes.right() + 16.0, bottom - 20.0).corner(10.0);
        marks.push(round.fill(Role::Panel).stroke(Role::Line, 1.0));
        let input = format!("{} numbers a token", self.hidden);
        marks.push(Mark::text(middle, 12.0, input).middle());
        marks.extend(arrow(middle, 18.0, boxes.y));
        marks.push(Mark::text(boxes.right() + 24.0, 50.0, format!("× {}", self.layers)).end().bold().fill(Role::Ink));

        for (index, step) in steps.iter().enumerate() {
            let y = top_of(index);
            let beside_ffn = self.placement == Placement::Parallel && step.kind == Kind::Adapter;
            if index + 1 < steps.len() {
                marks.extend(arrow(middle, y + TALL, top_of(index + 1)));
            }
            if let Some(from) = step.adds {
                // Past the boxes on the left: what came in is added to what comes out.
                let (start, end) = (top_of(from) - 0.5 * GAP, y + 0.5 * TALL);
                let x = boxes.x - if from + 2 < index { 22.0 } else { 14.0 };
                let path = vec![(middle, start), (x, start), (x, end), (boxes.x - 1.0, end)];
                marks.push(Mark::path(path).stroke(Role::Ink2, 1.25));
                marks.push(head(boxes.x, end, true));
            }
            let hit = Hit::one(Dim::Item, index);
            let frame = Frame::new(boxes.x, y, boxes.width, TALL);
            let rect = Mark::rect(frame.x, frame.y, frame.width, frame.height).corner(6.0);
            let (rect, ink) = match step.kind {
                Kind::Frozen => (rect.fill(Role::Ground).stroke(Role::Ink2, 1.0), Role::Ink),
                Kind::Norm => (rect.fill(Role::Ground).stroke(Role::Line, 1.0), Role::Ink2),
                Kind::Adapter => (rect.fill(Role::Ground).stroke(self.role, 2.5), Role::Ink),
            };
            marks.push(rect.hit(hit));
            if step.kind == Kind::Adapter {
                marks.push(Mark::rect(frame.x, frame.y, 8.0, TALL).corner(4.0).fill(self.role));
            }
            let name = Mark::text(middle, y + 16.0, step.name).size(NAME).middle().fill(ink);
            marks.push(if step.kind == Kind::Adapter { name.bold() } else { name });
            marks.push(Mark::text(middle, y + 31.0, fitted(&step.detail, TICK, boxes.width - 20.0)).middle());
            let state = if step.kind == Kind::Adapter { "trained" } else { "frozen" };
            let besides = if beside_ffn { ", beside the feed-forward network" } else { "" };
            regions.push(Region {
                hit,
                area: Area::Rect(frame),
                label: format!("{}: {}{besides}; {state}", step.name, step.detail),
                place: Some((0, index)),
            });
        }
        marks.extend(arrow(middle, bottom, bottom + 32.0));
        let mut height = bottom + 40.0;
        if let Some(bottleneck) = self.bottleneck.filter(|_| self.placement != Placement::None) {
            let first = steps.iter().position(|s| s.kind == Kind::Adapter).unwrap_or(0);
            let at = match beside {
                true => (boxes.right() + 74.0, (top_of(first) - 100.0).clamp(48.0, (bottom - 236.0).max(48.0))),
                false => (0.5 * width - 100.0, bottom + 44.0),
            };
            marks.extend(self.inside(at, bottleneck));
            if beside {
                let (y, edge) = (top_of(first) + 0.5 * TALL, boxes.right());
                for end in [at.1, at.1 + 232.0] {
                    marks.push(Mark::line(edge + 2.0, y, at.0, end).stroke(self.role, 1.0).dashed());
                }
            }
            height = height.max(at.1 + 240.0);
        }
        Scene {
            title: self.title.clone(),
            summary: self.summary(),
            width,
            height,
            marks,
            regions,
            table: Table {
                headers: ["step", "what it does", "trained"].map(str::to_owned).to_vec(),
                rows: steps
                    .iter()
                    .map(|s| {
                        let trained = if s.kind == Kind::Adapter { "yes" } else { "no" };
                        vec![s.name.into(), s.detail.as_str().into(), trained.into()]
                    })
                    .collect(),
            },
            recedes: false,
            moves: false,
        }
    }
}

impl Encoder {
    fn steps(&self) -> Vec<Step> {
        let frozen = |name, detail| Step { name, detail, kind: Kind::Frozen, adds: None };
        let norm = |from: usize| Step {
            name: "add and norm",
            detail: "layer normalisation".to_owned(),
            kind: Kind::Norm,
            adds: Some(from),
        };
        let adapter = || {
            let width = self.bottleneck.map_or("—".to_owned(), |m| m.to_string());
            let detail = format!("{} → {width} → {}", self.hidden, self.hidden);
            Step { name: "adapter", detail, kind: Kind::Adapter, adds: None }
        };
        let attention = || frozen("self-attention", format!("{} heads", self.heads));
        let network =
            || frozen("feed-forward network", format!("{} → {} → {}", self.hidden, self.intermediate, self.hidden));
        match self.placement {
            Placement::None => vec![attention(), norm(0), network(), norm(2)],
            Placement::Output => vec![attention(), norm(0), network(), norm(2), adapter(), norm(4)],
            Placement::Both => vec![attention(), adapter(), norm(0), network(), adapter(), norm(3)],
            Placement::Parallel => vec![attention(), norm(0), network(), adapter(), norm(2)],
        }
    }

    /// The adapter from within: down, non-linearity, up, and around it.
    fn inside(&self, (x, y): (f64, f64), bottleneck: usize) -> Vec<Mark> {
        let (wide, narrow, middle) = (176.0, 60.0, x + 100.0);
        let mut marks = vec![Mark::rect(x, y, 200.0, 232.0).corner(8.0).fill(Role::Ground).stroke(self.role, 1.5)];
        let trapezoid = |top: f64, above: f64, below: f64| {
            let corners = vec![
                (middle - 0.5 * above, top),
                (middle + 0.5 * above, top),
                (middle + 0.5 * below, top + 46.0),
                (middle - 0.5 * below, top + 46.0),
            ];
            Mark::polygon(corners).fill(self.role).opacity(0.28)
        };
        marks.push(trapezoid(y + 34.0, wide, narrow));
        marks.push(trapezoid(y + 144.0, narrow, wide));
        let text = |dy: f64, text: String| Mark::text(middle, y + dy, text).middle().fill(Role::Ink);
        marks.push(text(24.0, self.hidden.to_string()));
        marks.push(text(61.0, "down".to_owned()));
        marks.push(text(100.0, format!("{bottleneck} neurons")).bold());
        marks.push(Mark::text(middle, y + 120.0, self.non_linearity.clone()).middle());
        marks.extend(arrow(middle, y + 126.0, y + 142.0));
        marks.push(text(171.0, "up".to_owned()));
        marks.push(text(214.0, format!("{}, added", self.hidden)));
        marks
    }

    fn summary(&self) -> String {
        let place = match self.placement {
            Placement::None => "without an adapter",
            Placement::Output => "with the adapter after the feed-forward network",
            Placement::Both => "with an adapter in both sub-layers",
            Placement::Parallel => "with the adapter beside the feed-forward network",
        };
        let width = self.bottleneck.map_or(String::new(), |m| format!("; {m} neurons between {} inputs", self.hidden));
        format!("One of {} encoder layers {place}{width}.", self.layers)
    }
}

fn arrow(x: f64, from: f64, to: f64) -> Vec<Mark> {
    vec![Mark::line(x, from, x, to - 1.0).stroke(Role::Ink2, 1.25), head(x, to, false)]
}

/// An arrow's head, its tip there.
fn head(x: f64, y: f64, rightwards: bool) -> Mark {
    let corners = match rightwards {
        true => vec![(x, y), (x - 6.0, y - 3.5), (x - 6.0, y + 3.5)],
        false => vec![(x, y), (x - 3.5, y - 6.0), (x + 3.5, y - 6.0)],
    };
    Mark::polygon(corners).fill(Role::Ink2)
}
