//! Scene to SVG 1.1: a whole document for a file, or the marks alone for the page, which thereby shows exactly what it
//! exports.

use super::Scene;
use super::color::{Palette, Role, Scheme};
use super::mark::{Anchor, Cells, Mark, Shape};
use std::fmt::Write;

/// A document that stands alone: fixed colours, a ground, the title and the sentence for who can't see it.
pub fn document(scene: &Scene, scheme: Scheme) -> String {
    let palette = Palette::Fixed(scheme);
    let (width, height) = (Pixels(scene.width), Pixels(scene.height));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"{FONT}\">\n<title>{}</title>\n<desc>{}</desc>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{}\"/>\n{}</svg>\n",
        escaped(&scene.title),
        escaped(&scene.summary),
        palette.css(Role::Ground),
        marks(&scene.marks, palette),
    )
}

/// Marks alone, one a line. Those that carry a hit have the class `thing`.
pub fn marks(marks: &[Mark], palette: Palette) -> String {
    let mut out = String::new();
    for mark in marks {
        // Writing into a String can't fail.
        let _ = write_mark(&mut out, mark, palette);
    }
    out
}

const FONT: &str = "Inter, 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif";

fn write_mark(out: &mut String, mark: &Mark, palette: Palette) -> std::fmt::Result {
    let style = style(mark, palette);
    match &mark.shape {
        Shape::Rect(f, corner) => {
            let round = if *corner > 0.0 { format!(" rx=\"{}\"", Pixels(*corner)) } else { String::new() };
            let (x, y, width, height) = (Pixels(f.x), Pixels(f.y), Pixels(f.width), Pixels(f.height));
            writeln!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{round}{style}/>")
        }
        Shape::Line(points) | Shape::Polygon(points) => {
            let name = if matches!(mark.shape, Shape::Line(_)) { "polyline" } else { "polygon" };
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{},{}", Pixels(*x), Pixels(*y))).collect();
            writeln!(out, "<{name} points=\"{}\"{style}/>", points.join(" "))
        }
        Shape::Ribbon(b) => {
            let middle = Pixels(0.5 * (b.x0 + b.x1));
            let (x0, x1, y0, y1) = (Pixels(b.x0), Pixels(b.x1), Pixels(b.y0), Pixels(b.y1));
            let (low0, low1) = (Pixels(b.y0 + b.thickness), Pixels(b.y1 + b.thickness));
            writeln!(
                out,
                "<path d=\"M{x0} {y0}C{middle} {y0} {middle} {y1} {x1} {y1}V{low1}\
                 C{middle} {low1} {middle} {low0} {x0} {low0}Z\"{style}/>"
            )
        }
        Shape::Circle(x, y, radius) => {
            writeln!(out, "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{style}/>", Pixels(*x), Pixels(*y), Pixels(*radius))
        }
        Shape::Text(label) => {
            let (x, y) = (Pixels(label.x), Pixels(label.y));
            let anchor = match label.anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            let bold = if label.bold { " font-weight=\"600\"" } else { "" };
            let turned = if label.turned { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
            let (size, text) = (Pixels(label.size), escaped(&label.text));
            writeln!(out, "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{anchor}{bold}{turned}{style}>{text}</text>")
        }
        Shape::Cells(cells) => write_cells(out, cells, palette),
    }
}

fn style(mark: &Mark, palette: Palette) -> String {
    let fill = mark.fill.map_or("none".to_owned(), |role| palette.css(role));
    let mut out = format!(" fill=\"{fill}\"");
    if let Some(stroke) = &mark.stroke {
        out += &format!(" stroke=\"{}\" stroke-width=\"{}\"", palette.css(stroke.role), Pixels(stroke.width));
        if matches!(mark.shape, Shape::Line(_)) {
            out += " stroke-linejoin=\"round\" stroke-linecap=\"round\"";
        }
        if matches!(mark.shape, Shape::Text(_)) {
            // A halo: behind the letters.
            out += " stroke-linejoin=\"round\" paint-order=\"stroke\"";
        }
        if stroke.dashed {
            out += " stroke-dasharray=\"4 4\"";
        }
    }
    if mark.opacity < 1.0 {
        out += &format!(" opacity=\"{}\"", Pixels(mark.opacity));
    }
    if mark.hit.is_some() {
        out += " class=\"thing\"";
    }
    out
}

/// Colours of a scale are drawn in this many steps an arm: finer than an eye tells apart.
const STEPS: f32 = 96.0;

/// One path a colour, in units of cells: a map of 24 × 384 is a hundred elements rather than nine thousand.
fn write_cells(out: &mut String, cells: &Cells, palette: Palette) -> std::fmt::Result {
    // Steps go from -STEPS to STEPS.
    let mut paths: Vec<Option<(Role, String)>> = vec![None; 2 * STEPS as usize + 1];
    for (row, y) in cells.rows.places.iter().enumerate() {
        for (column, x) in cells.columns.places.iter().enumerate() {
            let step = |value: f32| (value * STEPS).round();
            let (key, role) = match cells.shade.role(cells.grid.get(row, column)) {
                Some(Role::Sequential(value)) => (step(value), Role::Sequential(step(value) / STEPS)),
                Some(Role::Diverging(value)) => (step(value), Role::Diverging(step(value) / STEPS)),
                _ => continue,
            };
            let Some(path) = paths.get_mut((key + STEPS) as usize) else { continue };
            let (_, path) = path.get_or_insert_with(|| (role, String::new()));
            write!(path, "M{} {}h1v1h-1z", Pixels(*x), Pixels(*y))?;
        }
    }
    let (width, height) =
        (cells.area.width / cells.grid.columns.max(1) as f64, cells.area.height / cells.grid.rows.max(1) as f64);
    let (x, y) = (Pixels(cells.area.x), Pixels(cells.area.y));
    writeln!(out, "<g transform=\"translate({x} {y}) scale({width} {height})\" shape-rendering=\"crispEdges\">")?;
    for (role, path) in paths.iter().flatten() {
        writeln!(out, "<path d=\"{path}\" fill=\"{}\"/>", palette.css(*role))?;
    }
    writeln!(out, "</g>")
}

/// To a hundredth of a pixel, without trailing zeros; 0 for what is no number.
struct Pixels(f64);

impl std::fmt::Display for Pixels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rounded = if self.0.is_finite() { (self.0 * 100.0).round() / 100.0 } else { 0.0 };
        // Never "-0".
        write!(f, "{}", rounded + 0.0)
    }
}

/// As XML 1.0 wants it; characters that it can't hold become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'.. => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_files_cannot_break_out() {
        let scene = Scene {
            title: "<script>&\"'".into(),
            summary: "bell \u{7} and \u{ffff}".into(),
            width: 10.0,
            height: 10.0,
            marks: vec![Mark::text(0.0, f64::NAN, "a<b & c>d\u{0}")],
            ..Scene::default()
        };
        let drawing = document(&scene, Scheme::Light);
        assert!(drawing.contains("<title>&lt;script&gt;&amp;&quot;'</title>"), "{drawing}");
        assert!(drawing.contains("<desc>bell \u{fffd} and \u{fffd}</desc>"), "{drawing}");
        assert!(drawing.contains(">a&lt;b &amp; c&gt;d\u{fffd}</text>"), "{drawing}");
    }

    #[test]
    fn pixels_are_short() {
        let written = |x: f64| Pixels(x).to_string();
        assert_eq!((written(-0.001), written(1.005), written(f64::NAN)), ("0".into(), "1".into(), "0".into()));
        assert_eq!(written(12.3456), "12.35");
    }
}
