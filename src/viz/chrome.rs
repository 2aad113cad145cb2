//! What surrounds the data: axes, legends, and the picture of nothing.

use super::Scene;
use super::color::{ADAPTERS, Role, Shade};
use super::mark::{Frame, Mark};
use super::number::{NAME, TICK, Ticks, Unit, fitted, text_width};

/// No picture is laid out narrower than this.
pub(super) const NARROWEST: f64 = 240.0;

/// A width that a picture can be laid out for, whatever was asked.
pub(super) fn usable(width: f64) -> f64 {
    if width.is_finite() { width.clamp(NARROWEST, 4000.0) } else { 640.0 }
}

/// A scene that says that there is nothing, and why.
pub(super) fn nothing(title: &str, width: f64, why: &str) -> Scene {
    let width = usable(width);
    let frame = Mark::rect(0.5, 0.5, width - 1.0, 95.0).stroke(Role::Line, 1.0).dashed().corner(4.0);
    let text = Mark::text(0.5 * width, 52.0, fitted(why, NAME, width - 24.0)).size(NAME).middle();
    Scene {
        title: title.to_owned(),
        summary: why.to_owned(),
        width,
        height: 96.0,
        marks: vec![frame, text],
        ..Scene::default()
    }
}

/// From one range to another.
pub(super) fn project(value: f64, (low, high): (f64, f64), (start, end): (f64, f64)) -> f64 {
    if high == low { 0.5 * (start + end) } else { start + (value - low) / (high - low) * (end - start) }
}

/// Height of [`color_bar`] with its note beside it.
pub(super) const COLOR_BAR: f64 = 36.0;

/// The legend of a scale: its quantity, a bar from end to end, the values there, and a note, beside it or where that has
/// no room below it; and its right and lower edge.
pub(super) fn color_bar(
    x: f64,
    width: f64,
    shade: Shade,
    quantity: &str,
    unit: Unit,
    note: &str,
) -> (Vec<Mark>, f64, f64) {
    const PIECES: usize = 32;
    let name = text_width(quantity, TICK) + 10.0;
    let length = (width - name).clamp(48.0, 144.0).floor();
    let left = (x + name).round();
    let (low, high) = match shade {
        Shade::Sequential { from, to } => (from, to),
        Shade::Diverging { clamp } => (-clamp, clamp),
    };
    let mut marks = vec![Mark::text(x, 11.0, quantity).fill(Role::Ink)];
    for piece in 0..PIECES {
        let edge = |i: usize| (length * i as f64 / PIECES as f64).round();
        let value = low + (high - low) * (piece as f32 + 0.5) / PIECES as f32;
        // Pieces lap over the next by a pixel, so that no ground shines through between them.
        let lap = if piece + 1 < PIECES { 1.0 } else { 0.0 };
        let rect = Mark::rect(left + edge(piece), 1.0, edge(piece + 1) - edge(piece) + lap, 11.0);
        marks.extend(shade.role(value).map(|role| rect.fill(role)));
    }
    marks.push(Mark::rect(left - 0.5, 0.5, length + 1.0, 12.0).stroke(Role::Line, 1.0));
    let write = |value: f32| match unit {
        Unit::Percent => Unit::Percent.tick(f64::from(value), 0.01),
        // With the digits that summaries have.
        _ => unit.write(f64::from(value)),
    };
    marks.push(Mark::text(left, 25.0, write(low)));
    marks.push(Mark::text(left + length, 25.0, write(high)).end());
    if let Shade::Diverging { .. } = shade {
        marks.push(Mark::text(left + 0.5 * length, 25.0, "0").middle());
    }
    let (after, long) = (left + length + 12.0, text_width(note, TICK));
    if note.is_empty() {
        return (marks, left + length, COLOR_BAR);
    }
    if after + long > x + width {
        let note = fitted(note, TICK, width);
        let right = (x + text_width(&note, TICK)).max(left + length);
        marks.push(Mark::text(x, 41.0, note));
        return (marks, right, COLOR_BAR + 16.0);
    }
    marks.push(Mark::text(after, 11.0, note));
    (marks, after + long, COLOR_BAR)
}

/// What an entry of a legend looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swatch {
    Square,
    Line,
    Dot,
    Ring,
    Dash,
}

/// What a legend names: how it looks, and what it is called.
pub(super) type Entry = (Swatch, Role, String);

fn is_one_colour(one: Role, other: Role) -> bool {
    match (one, other) {
        (Role::Adapter(one), Role::Adapter(other)) => one % ADAPTERS == other % ADAPTERS,
        _ => one == other,
    }
}

/// How strongly each entry of a legend is drawn, above 0 to 1: those of one look from faint to strong, in their order.
pub(super) fn strengths(entries: &[Entry]) -> Vec<f64> {
    let alike = |entries: &[Entry], (swatch, role, _): &Entry| {
        entries.iter().filter(|other| other.0 == *swatch && is_one_colour(other.1, *role)).count() as f64
    };
    let strength = |(place, entry)| 0.25 + 0.75 * alike(&entries[..=place], entry) / alike(entries, entry);
    entries.iter().enumerate().map(strength).collect()
}

/// A legend that wraps, from the top at `x`; and its height.
pub(super) fn swatches(x: f64, width: f64, entries: &[Entry]) -> (Vec<Mark>, f64) {
    const ROW: f64 = 18.0;
    if entries.is_empty() {
        return (Vec::new(), 0.0);
    }
    let (mut left, mut top, mut marks) = (x, 0.0, Vec::new());
    for ((swatch, role, text), strength) in entries.iter().zip(strengths(entries)) {
        let text = fitted(text, TICK, width - 24.0);
        let wide = 24.0 + text_width(&text, TICK);
        if left > x && left + wide > x + width {
            (left, top) = (x, top + ROW);
        }
        let middle = top + 7.5;
        let swatch = match swatch {
            Swatch::Square => Mark::rect(left, top + 2.5, 10.0, 10.0).corner(2.0).fill(*role),
            Swatch::Line => Mark::line(left, middle, left + 14.0, middle).stroke(*role, 2.0),
            Swatch::Dash => Mark::line(left, middle, left + 14.0, middle).stroke(*role, 1.5).dashed(),
            Swatch::Dot => Mark::circle(left + 6.0, middle, 4.0).fill(*role),
            Swatch::Ring => Mark::circle(left + 6.0, middle, 3.5).fill(Role::Ground).stroke(*role, 1.5),
        };
        marks.push(swatch.opacity(strength));
        marks.push(Mark::text(left + 20.0, top + 11.5, text));
        left += wide + 18.0;
    }
    (marks, top + ROW + 4.0)
}

/// Grid lines with their values to the left of a frame.
pub(super) fn values_left(frame: Frame, ticks: &Ticks, unit: Unit) -> Vec<Mark> {
    let mut marks = Vec::new();
    for value in &ticks.values {
        let y = project(*value, (ticks.low(), ticks.high()), (frame.bottom(), frame.y)).round() + 0.5;
        marks.push(Mark::line(frame.x, y, frame.right(), y).stroke(Role::Line, 1.0));
        marks.push(Mark::text(frame.x - 6.0, y + 3.5, unit.tick(*value, ticks.step)).end());
    }
    marks
}

/// What is counted along x, centred below a frame, or against the right edge where the frame is too short for it.
pub(super) fn title_below(frame: Frame, down: f64, text: &str, width: f64) -> Mark {
    let (middle, y) = (frame.x + 0.5 * frame.width, frame.bottom() + down);
    let half = 0.55 * text_width(text, TICK);
    match middle + half <= width && middle - half >= 0.0 {
        true => Mark::text(middle, y, text).middle().fill(Role::Ink),
        false => Mark::text(width - 2.0, y, fitted(text, TICK, width - 4.0)).end().fill(Role::Ink),
    }
}

/// How much room [`values_left`] takes.
pub(super) fn room_left(ticks: &Ticks, unit: Unit) -> f64 {
    let widths = ticks.values.iter().map(|value| text_width(&unit.tick(*value, ticks.step), TICK));
    widths.fold(12.0, f64::max) + 8.0
}

/// Grid lines with their values below a frame.
pub(super) fn values_below(frame: Frame, ticks: &Ticks, unit: Unit) -> Vec<Mark> {
    let mut marks = Vec::new();
    for value in &ticks.values {
        let x = project(*value, (ticks.low(), ticks.high()), (frame.x, frame.right())).round() + 0.5;
        marks.push(Mark::line(x, frame.y, x, frame.bottom()).stroke(Role::Line, 1.0));
        marks.push(Mark::text(x, frame.bottom() + 15.0, unit.tick(*value, ticks.step)).middle());
    }
    marks
}

/// Of `count` things side by side, `pitch` pixels apart, which are labelled when a label takes `room`: every n-th.
pub(super) fn every(pitch: f64, room: f64) -> usize {
    let needed = (room / pitch.max(0.01)).ceil().max(1.0) as usize;
    let round = [1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256, 500];
    round.into_iter().find(|n| *n >= needed).unwrap_or(needed)
}
