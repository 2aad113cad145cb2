//! Marks: what a [`Scene`](super::Scene) draws. Lengths are CSS pixels, x to the right, y downwards.

use super::color::{Role, Shade};
use super::number::{self, Unit};
use super::{Dim, Grid, Hit};

/// One thing drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Its geometry.
    pub shape: Shape,
    /// Its inside, or the colour of a text.
    pub fill: Option<Role>,
    /// Its outline.
    pub stroke: Option<Stroke>,
    /// 0 to 1.
    pub opacity: f64,
    /// What it stands for, where it is redrawn when highlighted.
    pub hit: Option<Hit>,
}

/// An outline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// Its colour.
    pub role: Role,
    /// In pixels.
    pub width: f64,
    /// Broken in dashes.
    pub dashed: bool,
}

/// Geometry.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// With rounded corners where `corner` is above 0.
    Rect(Frame, f64),
    /// A polyline.
    Line(Vec<(f64, f64)>),
    /// A closed polygon.
    Polygon(Vec<(f64, f64)>),
    /// A band between two columns.
    Ribbon(Band),
    /// Centre and radius.
    Circle(f64, f64, f64),
    /// A line of text.
    Text(Label),
    /// A heat map's cells.
    Cells(Box<Cells>),
}

/// A rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Frame {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// To the right.
    pub width: f64,
    /// Downwards.
    pub height: f64,
}

/// A ribbon from `(x0, y0)` to `(x1, y1)`, its upper corners, `thickness` high at both ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Left end.
    pub x0: f64,
    /// Upper edge on the left.
    pub y0: f64,
    /// Right end.
    pub x1: f64,
    /// Upper edge on the right.
    pub y1: f64,
    /// Height.
    pub thickness: f64,
}

/// A line of text.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Where its anchor is.
    pub x: f64,
    /// Baseline.
    pub y: f64,
    /// What it says.
    pub text: String,
    /// Font size in pixels.
    pub size: f64,
    /// Which part of it stands at `x`.
    pub anchor: Anchor,
    /// Bold.
    pub bold: bool,
    /// Turned a quarter to the left, around the anchor.
    pub turned: bool,
}

/// Which part of a text stands at its x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anchor {
    /// Its start.
    #[default]
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// The cells of a heat map, each a hit of its own. Row `i` stands at place `rows.places[i]`, counted in cells from the
/// top; while rows move, places are fractions.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    /// Where they are.
    pub area: Frame,
    /// `[rows, columns]`, in stored order.
    pub grid: Grid,
    /// Value to colour.
    pub shade: Shade,
    /// The rows.
    pub rows: CellAxis,
    /// The columns.
    pub columns: CellAxis,
    /// What the values are, for the read-out.
    pub quantity: String,
    /// How they are written.
    pub unit: Unit,
}

/// The rows or the columns of [`Cells`].
#[derive(Clone, Debug, PartialEq)]
pub struct CellAxis {
    /// What an index counts.
    pub dim: Dim,
    /// What one of them is called, before its index.
    pub name: String,
    /// Their names where they have any.
    pub labels: Vec<String>,
    /// Place of each, by index.
    pub places: Vec<f64>,
}

impl Frame {
    /// From its left upper corner.
    pub fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self { x, y, width, height }
    }

    /// Right edge.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// Lower edge.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Whether the point lies inside.
    pub fn contains(&self, x: f64, y: f64) -> bool {
        x >= self.x && x < self.right() && y >= self.y && y < self.bottom()
    }
}

impl Band {
    /// Upper edge at `x`, on the curve that [`svg`](super::svg) draws: a cubic with level ends and handles half way.
    pub fn top(&self, x: f64) -> f64 {
        let along = ((x - self.x0) / (self.x1 - self.x0)).clamp(0.0, 1.0);
        // x(t) = 1.5 t (1-t) + t³ for handles half way: solved for t by halving, which it is monotone for.
        let (mut low, mut high) = (0.0_f64, 1.0_f64);
        for _ in 0..24 {
            let t = 0.5 * (low + high);
            if 1.5 * t * (1.0 - t) + t * t * t < along { low = t } else { high = t }
        }
        let t = 0.5 * (low + high);
        self.y0 + (self.y1 - self.y0) * t * t * (3.0 - 2.0 * t)
    }
}

impl Mark {
    fn new(shape: Shape) -> Self {
        Self { shape, fill: None, stroke: None, opacity: 1.0, hit: None }
    }

    /// A rectangle, square-cornered.
    pub fn rect(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self::new(Shape::Rect(Frame::new(x, y, width.max(0.0), height.max(0.0)), 0.0))
    }

    /// A line between two points.
    pub fn line(x0: f64, y0: f64, x1: f64, y1: f64) -> Self {
        Self::path(vec![(x0, y0), (x1, y1)])
    }

    /// A polyline.
    pub fn path(points: Vec<(f64, f64)>) -> Self {
        Self::new(Shape::Line(points))
    }

    /// A closed polygon.
    pub fn polygon(points: Vec<(f64, f64)>) -> Self {
        Self::new(Shape::Polygon(points))
    }

    /// A ribbon.
    pub fn ribbon(band: Band) -> Self {
        Self::new(Shape::Ribbon(band))
    }

    /// A circle.
    pub fn circle(x: f64, y: f64, radius: f64) -> Self {
        Self::new(Shape::Circle(x, y, radius))
    }

    /// A text in the quieter ink, its start at `x`.
    pub fn text(x: f64, y: f64, text: impl Into<String>) -> Self {
        let label =
            Label { x, y, text: text.into(), size: number::TICK, anchor: Anchor::Start, bold: false, turned: false };
        Self::new(Shape::Text(label)).fill(Role::Ink2)
    }

    /// Cells.
    pub fn cells(cells: Cells) -> Self {
        Self::new(Shape::Cells(Box::new(cells)))
    }

    /// With this inside.
    pub fn fill(mut self, role: Role) -> Self {
        self.fill = Some(role);
        self
    }

    /// With this outline.
    pub fn stroke(mut self, role: Role, width: f64) -> Self {
        self.stroke = Some(Stroke { role, width, dashed: false });
        self
    }

    /// Its outline broken in dashes.
    pub fn dashed(mut self) -> Self {
        if let Some(stroke) = &mut self.stroke {
            stroke.dashed = true;
        }
        self
    }

    /// See-through.
    pub fn opacity(mut self, opacity: f64) -> Self {
        self.opacity = opacity;
        self
    }

    /// Standing for this.
    pub fn hit(mut self, hit: Hit) -> Self {
        self.hit = Some(hit);
        self
    }

    /// Rounded, where it is a rectangle.
    pub fn corner(mut self, radius: f64) -> Self {
        if let Shape::Rect(_, corner) = &mut self.shape {
            *corner = radius;
        }
        self
    }

    /// Further to the right and down.
    pub(super) fn shifted(mut self, right: f64, down: f64) -> Self {
        match &mut self.shape {
            Shape::Rect(frame, _) => (frame.x, frame.y) = (frame.x + right, frame.y + down),
            Shape::Line(points) | Shape::Polygon(points) => {
                for (x, y) in points {
                    (*x, *y) = (*x + right, *y + down);
                }
            }
            Shape::Circle(x, y, _) => (*x, *y) = (*x + right, *y + down),
            Shape::Text(label) => (label.x, label.y) = (label.x + right, label.y + down),
            Shape::Ribbon(band) => {
                (band.x0, band.x1) = (band.x0 + right, band.x1 + right);
                (band.y0, band.y1) = (band.y0 + down, band.y1 + down);
            }
            Shape::Cells(cells) => {
                (cells.area.x, cells.area.y) = (cells.area.x + right, cells.area.y + down);
            }
        }
        self
    }

    /// Of this size, where it is a text.
    pub fn size(self, size: f64) -> Self {
        self.label(|label| label.size = size)
    }

    /// Anchored in its middle, where it is a text.
    pub fn middle(self) -> Self {
        self.label(|label| label.anchor = Anchor::Middle)
    }

    /// Anchored at its end, where it is a text.
    pub fn end(self) -> Self {
        self.label(|label| label.anchor = Anchor::End)
    }

    /// Bold, where it is a text.
    pub fn bold(self) -> Self {
        self.label(|label| label.bold = true)
    }

    /// Turned a quarter to the left, where it is a text.
    pub fn turned(self) -> Self {
        self.label(|label| label.turned = true)
    }

    fn label(mut self, change: impl FnOnce(&mut Label)) -> Self {
        if let Shape::Text(label) = &mut self.shape {
            change(label);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_goes_from_its_left_end_to_its_right() {
        let band = Band { x0: 10.0, y0: 0.0, x1: 110.0, y1: 40.0, thickness: 4.0 };
        assert!((band.top(10.0) - 0.0).abs() < 1e-3);
        assert!((band.top(60.0) - 20.0).abs() < 1e-3);
        assert!((band.top(110.0) - 40.0).abs() < 1e-3);
    }
}
