//! One encoder layer as a diagram: what is frozen, and where the adapter sits in it.
//!
//! Placements as the `adapters` library names them: Pfeiffer's (`seq_bn`) after the feed-forward network's add and
//! norm, whose sum it is added to before a norm of the same weights; Houlsby's (`double_seq_bn`) inside both
//! sub-layers before they are added; parallel (`par_bn`) beside the feed-forward network.

use super::chrome::{self, Swatch};
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
    /// Whether it stands beside the one before, on the same input.
    beside: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Frozen,
    Norm,
    Adapter,
}

// Height of a box with two lines, of one with one, and of what is between boxes.
const TWO_LINES: f64 = 38.0;
const ONE_LINE: f64 = 24.0;
const GAP: f64 = 18.0;

impl Picture for Encoder {
    fn scene(&self, width: f64) -> Scene {
        let steps = self.steps();
        let width = chrome::usable(width).min(640.0);
        let beside = width >= 520.0;
        let column = Frame::new(44.0, 58.0, if beside { 236.0 } else { width - 88.0 }, 0.0);
        let frames = frames(&steps, column);
        let middle = column.x + 0.5 * column.width;
        let bottom = frames.last().map_or(column.y, Frame::bottom);

        let outline = Mark::rect(14.0, 34.0, column.right() + 16.0, bottom - 16.0).corner(10.0);
        let mut marks = vec![
            outline.fill(Role::Panel).stroke(Role::Line, 1.0),
            Mark::text(middle, 12.0, format!("{} numbers a token", self.hidden)).middle(),
            Mark::text(column.right() + 22.0, 50.0, format!("× {}", self.layers)).end().bold().fill(Role::Ink),
        ];
        marks.extend(arrow(middle, 18.0, column.y));
        let mut regions = Vec::new();
        for (index, (step, frame)) in steps.iter().zip(&frames).enumerate() {
            let center = frame.x + 0.5 * frame.width;
            if let Some(next) = frames[index + 1..].iter().find(|next| next.y > frame.y) {
                marks.extend(arrow(center, frame.bottom(), next.y));
            }
            if step.beside {
                // The same input as its neighbour's.
                let (from, start) = (frames[index - 1], frame.y - GAP);
                let split = start + 0.4 * GAP;
                marks.push(Mark::line(from.x + 0.5 * from.width, split, center, split).stroke(Role::Ink2, 1.25));
                marks.extend(arrow(center, split, frame.y));
            }
            if let Some(from) = step.adds {
                // Past the boxes on the left: what came in is added to what comes out.
                let (start, end) = (frames[from].y - 0.6 * GAP, frame.y + 0.5 * frame.height);
                let (from, x) = (frames[from].x + 0.5 * frames[from].width, column.x - 16.0);
                let path = vec![(from, start), (x, start), (x, end), (column.x - 2.0, end)];
                marks.push(Mark::path(path).stroke(Role::Ink2, 1.25));
                marks.push(head(column.x, end, true));
            }
            let hit = Hit::one(Dim::Item, index);
            let rect = Mark::rect(frame.x, frame.y, frame.width, frame.height).corner(6.0).fill(Role::Ground);
            let (rect, ink) = match step.kind {
                Kind::Frozen => (rect.stroke(Role::Ink2, 1.0), Role::Ink),
                Kind::Norm => (rect.stroke(Role::Line, 1.0), Role::Ink2),
                Kind::Adapter => (rect.stroke(self.role, 2.5), Role::Ink),
            };
            marks.push(rect.hit(hit));
            let name = Mark::text(center, frame.y + 16.5, step.name).size(NAME).middle().fill(ink);
            marks.push(if step.kind == Kind::Adapter { name.bold() } else { name });
            if step.kind != Kind::Norm {
                marks.push(Mark::text(center, frame.y + 31.0, fitted(&step.detail, TICK, frame.width - 8.0)).middle());
            }
            let state = if step.kind == Kind::Adapter { "trained" } else { "frozen" };
            let label = format!("{}: {}; {state}", step.name, step.detail);
            regions.push(Region { hit, area: Area::Rect(*frame), label, place: Some((0, index)) });
        }
        marks.extend(arrow(middle, bottom, bottom + 34.0));

        let mut height = bottom + 44.0;
        let adapter = steps.iter().zip(&frames).find(|(step, _)| step.kind == Kind::Adapter);
        if let (Some(bottleneck), Some((_, frame))) = (self.bottleneck, adapter) {
            let at = match beside {
                true => (column.right() + 74.0, (frame.y - 100.0).clamp(34.0, (bottom - 214.0).max(34.0))),
                false => (0.5 * width - 100.0, bottom + 46.0),
            };
            marks.extend(self.inside(at, bottleneck));
            for end in [at.1 + 4.0, at.1 + 228.0].into_iter().filter(|_| beside) {
                let from = (frame.right() + 2.0, frame.y + 0.5 * frame.height);
                marks.push(Mark::line(from.0, from.1, at.0, end).stroke(self.role, 1.0).dashed());
            }
            height = height.max(at.1 + 240.0);
            let key =
                [(Swatch::Square, self.role, "trained".to_owned()), (Swatch::Ring, Role::Ink2, "frozen".to_owned())];
            let (key, key_height) = chrome::swatches(14.0, width, &key);
            marks.extend(key.into_iter().map(|mark| mark.shifted(0.0, height)));
            height += key_height;
        }
        Scene {
            title: self.title.clone(),
            summary: self.summary(),
            width,
            height,
            marks,
            regions,
            table: table(&steps),
            recedes: false,
            moves: false,
        }
    }
}

/// From top to bottom; where one stands beside the one before, each has half of the width.
fn frames(steps: &[Step], column: Frame) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut y = column.y;
    for step in steps {
        let height = if step.kind == Kind::Norm { ONE_LINE } else { TWO_LINES };
        match frames.last_mut().filter(|_| step.beside) {
            Some(before) => {
                before.width = 0.5 * (column.width - 10.0);
                let half = Frame { x: before.right() + 10.0, ..*before };
                frames.push(half);
            }
            None => {
                frames.push(Frame::new(column.x, y, column.width, height));
                y += height + GAP;
            }
        }
    }
    frames
}

fn table(steps: &[Step]) -> Table {
    let row = |step: &Step| {
        let trained = if step.kind == Kind::Adapter { "yes" } else { "no" };
        vec![step.name.into(), step.detail.as_str().into(), trained.into()]
    };
    Table {
        headers: ["step", "what it does", "trained"].map(str::to_owned).to_vec(),
        rows: steps.iter().map(row).collect(),
    }
}

impl Encoder {
    fn steps(&self) -> Vec<Step> {
        let step = |name, detail: String, kind| Step { name, detail, kind, adds: None, beside: false };
        let adding = |name, detail: &str, from| Step { adds: Some(from), ..step(name, detail.to_owned(), Kind::Norm) };
        let and_norm = |from| adding("add and norm", "what came in is added, then layer normalisation", from);
        let through = |inside: String| format!("{} → {inside} → {}", self.hidden, self.hidden);
        let attention = || step("self-attention", format!("{} heads", self.heads), Kind::Frozen);
        let network = || step("feed-forward", through(self.intermediate.to_string()), Kind::Frozen);
        let adapter = || {
            let inside = self.bottleneck.map_or("—".to_owned(), |m| m.to_string());
            step("adapter", through(inside), Kind::Adapter)
        };
        match self.placement {
            Placement::None => vec![attention(), and_norm(0), network(), and_norm(2)],
            Placement::Output => vec![
                attention(),
                and_norm(0),
                network(),
                adding("add", "what came in is added", 2),
                step("norm", "layer normalisation".to_owned(), Kind::Norm),
                adapter(),
                adding("add and norm", "the sum from before the norm is added, then the same layer normalisation", 4),
            ],
            Placement::Both => vec![attention(), adapter(), and_norm(0), network(), adapter(), and_norm(3)],
            Placement::Parallel => {
                vec![attention(), and_norm(0), network(), Step { beside: true, ..adapter() }, and_norm(2)]
            }
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
