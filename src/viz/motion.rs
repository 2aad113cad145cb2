//! Motion between two scenes of the same things in other places: what shows that a reordering is one.

use super::mark::{Band, Cells, Frame, Label, Mark, Shape};
use super::{Hit, Scene};
use std::collections::HashMap;

/// `to`, with everything that `from` has too still on its way, `part` (0 to 1) of it done. `None` where the change is
/// not one of places: other things, another size, or nothing that moved.
pub fn between(from: &Scene, to: &Scene, part: f64) -> Option<Scene> {
    if !(from.moves && to.moves && from.width == to.width && from.height == to.height) || from.marks == to.marks {
        return None;
    }
    let before: HashMap<(Hit, u8), &Mark> =
        from.marks.iter().filter_map(|mark| Some(((mark.hit?, kind(mark)), mark))).collect();
    let cells_before = from.marks.iter().find_map(cells);
    if let (Some(a), Some(b)) = (cells_before, to.marks.iter().find_map(cells))
        && (a.area != b.area || a.grid != b.grid)
    {
        return None;
    }
    let part = part.clamp(0.0, 1.0);
    let mut scene = to.clone();
    let mut moved = false;
    for mark in &mut scene.marks {
        if let (Shape::Cells(now), Some(then)) = (&mut mark.shape, cells_before) {
            for (now, then) in [(&mut now.rows, &then.rows), (&mut now.columns, &then.columns)] {
                for (now, then) in now.places.iter_mut().zip(&then.places) {
                    moved |= now != then;
                    *now = mix(*then, *now, part);
                }
            }
        } else if let Some(then) = mark.hit.and_then(|hit| before.get(&(hit, kind(mark)))) {
            moved |= then.shape != mark.shape;
            mark.shape = shape(&then.shape, &mark.shape, part);
        }
    }
    moved.then_some(scene)
}

fn mix(from: f64, to: f64, part: f64) -> f64 {
    // Exact at both ends.
    from * (1.0 - part) + to * part
}

fn cells(mark: &Mark) -> Option<&Cells> {
    match &mark.shape {
        Shape::Cells(cells) => Some(cells),
        _ => None,
    }
}

fn kind(mark: &Mark) -> u8 {
    match mark.shape {
        Shape::Rect(..) => 0,
        Shape::Line(_) => 1,
        Shape::Polygon(_) => 2,
        Shape::Ribbon(_) => 3,
        Shape::Circle(..) => 4,
        Shape::Text(_) => 5,
        Shape::Cells(_) => 6,
    }
}

fn shape(from: &Shape, to: &Shape, part: f64) -> Shape {
    let mix = |a, b| mix(a, b, part);
    match (from, to) {
        (Shape::Rect(a, _), Shape::Rect(b, corner)) => Shape::Rect(
            Frame::new(mix(a.x, b.x), mix(a.y, b.y), mix(a.width, b.width), mix(a.height, b.height)),
            *corner,
        ),
        (Shape::Ribbon(a), Shape::Ribbon(b)) => Shape::Ribbon(Band {
            x0: mix(a.x0, b.x0),
            y0: mix(a.y0, b.y0),
            x1: mix(a.x1, b.x1),
            y1: mix(a.y1, b.y1),
            thickness: mix(a.thickness, b.thickness),
        }),
        (Shape::Circle(ax, ay, ar), Shape::Circle(bx, by, br)) => {
            Shape::Circle(mix(*ax, *bx), mix(*ay, *by), mix(*ar, *br))
        }
        (Shape::Text(a), Shape::Text(b)) => Shape::Text(Label { x: mix(a.x, b.x), y: mix(a.y, b.y), ..b.clone() }),
        _ => to.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viz::tests::{hard, sides};
    use crate::viz::{Picture, Ribbons, matching};

    #[test]
    fn ribbons_move_with_their_neurons() {
        let plan = hard(&[1, 2, 0]);
        let (source, reference) = sides();
        let stored = Ribbons { title: "Plan".into(), source, reference, plan: plan.clone(), threshold: 0.0 };
        let aligned = Ribbons { source: stored.source.clone().order(Some(matching(&plan))), ..stored.clone() };
        let (from, to) = (stored.scene(400.0), aligned.scene(400.0));
        let half = between(&from, &to, 0.5).unwrap();
        let ends = |scene: &Scene| -> Vec<f64> {
            let end = |mark: &Mark| if let Shape::Ribbon(band) = mark.shape { Some(band.y0) } else { None };
            scene.marks.iter().filter_map(end).collect()
        };
        for ((a, b), h) in ends(&from).iter().zip(ends(&to)).zip(ends(&half)) {
            assert!((0.5 * (a + b) - h).abs() < 1e-9);
        }
        assert_eq!(between(&to, &to, 0.5), None);
        assert_eq!(between(&from, &aligned.scene(300.0), 0.5), None);
    }
}
