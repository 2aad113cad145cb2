//! A transport plan as ribbons: the source adapter's neurons on the left, the reference's on the right, between them
//! bands as thick as the mass that goes from one to the other.

use super::chrome;
use super::color::Role;
use super::mark::{Band, Frame, Mark};
use super::number::{NAME, TICK, Unit, fitted, text_width, wrapped};
use super::scene::{Area, Region};
use super::{Grid, Hit, Picture, Scene, Side, Table, mass, significant, sort_by};

/// A plan between two adapters' neurons.
#[derive(Clone, Debug, PartialEq)]
pub struct Ribbons {
    /// Says what one sees.
    pub title: String,
    /// Rows of the plan, on the left.
    pub source: Side,
    /// Columns of the plan, on the right.
    pub reference: Side,
    /// Mass, `[source, reference]`.
    pub plan: Grid,
    /// Share of a source neuron's mass below which no ribbon is drawn, 0 to 1.
    pub threshold: f32,
}

/// Share of the height that boxes take; the rest is between them.
const FILLED: f64 = 0.78;
/// Width of a neuron's box.
const BOX: f64 = 9.0;

/// Where the neurons of a side stand, and how far ribbons have filled each.
struct Column {
    tops: Vec<f64>,
    heights: Vec<f64>,
    filled: Vec<f64>,
}

impl Column {
    /// `masses` by index, in an order, over a height.
    fn new(masses: &[f64], places: &[usize], top: f64, height: f64, unit: f64) -> Self {
        let mut order: Vec<usize> = (0..masses.len()).collect();
        sort_by(&mut order, |a, b| places[*a].cmp(&places[*b]));
        let heights: Vec<f64> = masses.iter().map(|m| m * unit).collect();
        let gap = (height - heights.iter().sum::<f64>()).max(0.0) / masses.len().max(1) as f64;
        let mut tops = vec![0.0; masses.len()];
        let mut at = top + 0.5 * gap;
        for index in order {
            tops[index] = at;
            at += heights[index] + gap;
        }
        Self { tops, filled: vec![0.0; masses.len()], heights }
    }

    /// The next free piece of a neuron, from the top.
    fn take(&mut self, index: usize, thickness: f64) -> f64 {
        let top = self.tops[index] + self.filled[index];
        self.filled[index] += thickness;
        top
    }
}

impl Picture for Ribbons {
    fn scene(&self, width: f64) -> Scene {
        let (m, n) = (self.plan.rows, self.plan.columns);
        let given: Vec<f64> = (0..m).map(|row| self.plan.row_sum(row)).collect();
        let taken: Vec<f64> = (0..n).map(|column| self.plan.column_sum(column)).collect();
        let total: f64 = given.iter().sum();
        if self.plan.is_empty() || total <= 0.0 {
            return chrome::nothing(&self.title, width, "No mass is moved.");
        }
        let width = chrome::usable(width).min(620.0);
        let room = |side: &Side, count| {
            (0..count).map(|i| text_width(&side.tick(i), TICK)).fold(0.0, f64::max).min(0.25 * width) + 8.0
        };
        let (left, right) = (room(&self.source, m).ceil() + BOX, (width - room(&self.reference, n)).floor() - BOX);
        let pitch = (440.0 / m.max(n) as f64).clamp(3.0, 18.0);
        let (top, height) = (30.0, pitch * m.max(n) as f64);
        let unit = FILLED * height / total;
        let (rows, columns) = (self.source.places(m), self.reference.places(n));
        let mut from = Column::new(&given, &rows, top, height, unit);
        let mut to = Column::new(&taken, &columns, top, height, unit);

        // Ribbons leave a neuron in the order of where they arrive, and arrive in the order of whence they come.
        let mut pairs: Vec<(usize, usize)> = (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).collect();
        pairs.retain(|(i, j)| mass(self.plan.get(*i, *j)) > 0.0);
        let mut ends = vec![(0.0, 0.0); m * n];
        let place = |(i, j): &(usize, usize)| (rows[*i], columns[*j]);
        sort_by(&mut pairs, |a, b| place(a).cmp(&place(b)));
        for (i, j) in &pairs {
            ends[i * n + j].0 = from.take(*i, unit * mass(self.plan.get(*i, *j)));
        }
        let place = |(i, j): &(usize, usize)| (columns[*j], rows[*i]);
        sort_by(&mut pairs, |a, b| place(a).cmp(&place(b)));
        for (i, j) in &pairs {
            ends[i * n + j].1 = to.take(*j, unit * mass(self.plan.get(*i, *j)));
        }

        let (mut marks, mut regions, mut left_out) = (Vec::new(), Vec::new(), 0.0);
        sort_by(&mut pairs, |a, b| a.cmp(b));
        for (i, j) in &pairs {
            let moved = mass(self.plan.get(*i, *j));
            if moved < f64::from(self.threshold) * given[*i] {
                left_out += moved;
                continue;
            }
            let (y0, y1) = ends[i * n + j];
            let band = Band { x0: left, y0, x1: right, y1, thickness: unit * moved };
            let hit = Hit::two(self.source.dim, *i, self.reference.dim, *j);
            marks.push(Mark::ribbon(band).fill(self.source.role).opacity(0.5).hit(hit));
            let names = (self.source.member(*i), self.reference.member(*j));
            let label = format!("{} → {}: mass {}", names.0, names.1, Unit::Plain.write(moved));
            regions.push(Region { hit, area: Area::Ribbon(band), label, place: None });
        }
        let every = chrome::every(pitch, 11.0);
        let mut neurons = |side: &Side, column: &Column, places: &[usize], at_left: bool| {
            for (index, place) in places.iter().copied().enumerate() {
                let (y, tall) = (column.tops[index], column.heights[index]);
                let hit = Hit::one(side.dim, index);
                let x = if at_left { left - BOX } else { right };
                marks.push(Mark::rect(x, y, BOX, tall.max(1.0)).fill(side.role).hit(hit));
                if place % every == 0 {
                    let text = fitted(&side.tick(index), TICK, 0.25 * width);
                    let baseline = y + 0.5 * tall + 0.36 * TICK;
                    marks.push(match at_left {
                        true => Mark::text(x - 5.0, baseline, text).end().hit(hit),
                        false => Mark::text(x + BOX + 5.0, baseline, text).hit(hit),
                    });
                }
                let (start, end) = if at_left { (0.0, left) } else { (right, width) };
                let (pad, least) = (0.5 * (pitch - tall).max(0.0), tall.max(1.0));
                let area = Frame::new(start, y - pad, end - start, least + 2.0 * pad);
                let label = self.partners(index, at_left);
                let place = Some((usize::from(!at_left), place));
                regions.push(Region { hit, area: Area::Rect(area), label, place });
            }
        };
        neurons(&self.source, &from, &rows, true);
        neurons(&self.reference, &to, &columns, false);

        let half = 0.5 * width - 10.0;
        let name = |side: &Side| fitted(&side.title, NAME, half);
        marks.push(Mark::text(left - BOX, 14.0, name(&self.source)).size(NAME).fill(Role::Ink).bold());
        marks.push(Mark::text(right + BOX, 14.0, name(&self.reference)).size(NAME).fill(Role::Ink).bold().end());
        let share = left_out / total;
        let note = match left_out > 0.0 {
            true => format!(
                "Thickness: mass. Not drawn: below {} of a neuron's mass, {} in all.",
                Unit::Percent.write(f64::from(self.threshold)),
                Unit::Percent.write(share)
            ),
            false => "Thickness: mass.".to_owned(),
        };
        let bottom = top + height;
        let lines = wrapped(&note, TICK, width - 8.0);
        for (number, line) in lines.iter().enumerate() {
            marks.push(Mark::text(0.5 * width, bottom + 20.0 + 15.0 * number as f64, line.as_str()).middle());
        }

        Scene {
            title: self.title.clone(),
            summary: self.summary(total),
            width,
            height: bottom + 13.0 + 15.0 * lines.len() as f64,
            marks,
            regions,
            table: self.table(&pairs),
            recedes: true,
            moves: true,
        }
    }
}

impl Ribbons {
    /// Where a neuron's mass goes, or comes from; the three largest.
    fn partners(&self, index: usize, is_source: bool) -> String {
        let (own, others, count) = match is_source {
            true => (self.source.member(index), &self.reference, self.plan.columns),
            false => (self.reference.member(index), &self.source, self.plan.rows),
        };
        let value = |other: usize| match is_source {
            true => mass(self.plan.get(index, other)),
            false => mass(self.plan.get(other, index)),
        };
        let mut partners: Vec<(f64, usize)> = (0..count).map(|i| (value(i), i)).filter(|(v, _)| *v > 0.0).collect();
        sort_by(&mut partners, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let all: f64 = partners.iter().map(|(value, _)| value).sum();
        let list: Vec<String> = partners
            .iter()
            .take(3)
            .map(|(value, i)| format!("{} ({})", others.member(*i), Unit::Percent.write(value / all)))
            .collect();
        let more = if partners.len() > 3 { format!(" and {} more", partners.len() - 3) } else { String::new() };
        match list.is_empty() {
            true => format!("{own}: no mass"),
            false => format!("{own} {} {}{more}", if is_source { "→" } else { "←" }, list.join(", ")),
        }
    }

    fn summary(&self, total: f64) -> String {
        let (m, n) = (self.plan.rows, self.plan.columns);
        let stays: f64 = (0..m.min(n)).map(|i| mass(self.plan.get(i, i))).sum();
        let most = (0..m).map(|i| (0..n).map(|j| mass(self.plan.get(i, j))).fold(0.0, f64::max)).sum::<f64>();
        format!(
            "{} neurons of {} onto {} of {}: {} of the mass stays on its own number; a neuron sends {} of its mass to \
             one partner on average.",
            m,
            self.source.title,
            n,
            self.reference.title,
            Unit::Percent.write(stays / total),
            significant(100.0 * most / total, 3) + " %",
        )
    }

    fn table(&self, pairs: &[(usize, usize)]) -> Table {
        let row = |(i, j): &(usize, usize)| {
            vec![self.source.tick(*i).into(), self.reference.tick(*j).into(), self.plan.get(*i, *j).into()]
        };
        Table {
            headers: vec![self.source.title.clone(), self.reference.title.clone(), "mass".to_owned()],
            rows: pairs.iter().map(row).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viz::Dim;
    use crate::viz::tests::{hard, sides};
    use crate::viz::{Mark, Shape};
    use proptest::prelude::*;

    fn ribbons(plan: Grid, order: Option<Vec<usize>>) -> Ribbons {
        let (source, reference) = sides();
        Ribbons { title: "Plan".into(), source: source.order(order), reference, plan, threshold: 0.0 }
    }

    fn bands(marks: &[Mark]) -> Vec<(usize, usize, Band)> {
        let band = |mark: &Mark| match (&mark.shape, mark.hit) {
            (Shape::Ribbon(band), Some(hit)) => Some((hit.get(Dim::Source)?, hit.get(Dim::Reference)?, *band)),
            _ => None,
        };
        marks.iter().filter_map(band).collect()
    }

    fn boxes(marks: &[Mark], dim: Dim) -> Vec<Frame> {
        let frame = |mark: &Mark| match (&mark.shape, mark.hit?.get(dim)) {
            (Shape::Rect(frame, _), Some(_)) => Some(*frame),
            _ => None,
        };
        marks.iter().filter_map(frame).collect()
    }

    #[test]
    fn a_permutation_in_its_own_order_is_drawn_level() {
        let plan = hard(&[2, 0, 3, 1]);
        let order = crate::viz::matching(&plan);
        let level = |scene: Scene| bands(&scene.marks).iter().filter(|(.., b)| (b.y0 - b.y1).abs() < 1e-6).count();
        assert_eq!(level(ribbons(plan.clone(), Some(order)).scene(400.0)), 4);
        assert_eq!(level(ribbons(plan, None).scene(400.0)), 0);
    }

    #[test]
    fn what_is_too_thin_is_left_out_and_said() {
        let plan = Grid { rows: 2, columns: 2, values: vec![0.49, 0.01, 0.0, 0.5] };
        let scene = Ribbons { threshold: 0.05, ..ribbons(plan, None) }.scene(500.0);
        assert_eq!(bands(&scene.marks).len(), 2);
        let said =
            |mark: &Mark| matches!(&mark.shape, Shape::Text(l) if l.text.contains("5.0 %") && l.text.contains("1.0 %"));
        assert!(scene.marks.iter().any(said));
        assert_eq!(scene.table.rows.len(), 3);
    }

    #[test]
    fn pointing_at_a_neuron_says_its_partners_and_lights_them() {
        let plan = Grid { rows: 2, columns: 2, values: vec![0.4, 0.1, 0.0, 0.5] };
        let scene = ribbons(plan, None).scene(400.0);
        let neuron = Hit::one(Dim::Source, 0);
        assert_eq!(scene.label(&neuron).unwrap(), "sst2 0 → mrpc 0 (80.0 %), mrpc 1 (20.0 %)");
        assert_eq!(scene.label(&Hit::one(Dim::Reference, 1)).unwrap(), "mrpc 1 ← sst2 1 (83.3 %), sst2 0 (16.7 %)");
        let overlay = scene.overlay(&neuron);
        assert_eq!(bands(&overlay).len(), 2);
        assert_eq!(boxes(&overlay, Dim::Reference).len(), 2);
        // Source 1 and reference 0 share no ribbon: those of both are shown.
        assert_eq!(bands(&scene.overlay(&Hit::two(Dim::Source, 1, Dim::Reference, 0))).len(), 2);
        for (i, j, band) in bands(&scene.marks) {
            let middle = 0.5 * (band.x0 + band.x1);
            let hit = scene.hit_at(band.x0 + 0.25 * (middle - band.x0), band.top(band.x0 + 1.0) + 0.5 * band.thickness);
            assert_eq!(hit.and_then(|h| h.get(Dim::Source)), Some(i), "{j}");
        }
    }

    proptest! {
        #[test]
        fn ribbons_are_as_thick_as_their_mass_and_fill_their_neurons(
            (m, n) in (1_usize..7, 1_usize..7),
            values in prop::collection::vec(0.0_f32..1.0, 49),
            shuffled in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        ) {
            let plan = Grid { rows: m, columns: n, values };
            let total: f64 = (0..m).map(|i| plan.row_sum(i)).sum();
            prop_assume!(total > 1e-3);
            let scene = ribbons(plan.clone(), Some(shuffled)).scene(500.0);
            let bands = bands(&scene.marks);
            let unit = bands.iter().map(|(.., b)| b.thickness).sum::<f64>() / total;
            for (i, j, band) in &bands {
                prop_assert!((band.thickness - unit * f64::from(plan.get(*i, *j))).abs() < 1e-6);
            }
            let ends = [(Dim::Source, m), (Dim::Reference, n)];
            for (dim, count) in ends {
                let boxes = boxes(&scene.marks, dim);
                prop_assert_eq!(boxes.len(), count);
                for (index, frame) in boxes.iter().enumerate() {
                    let own = bands.iter().filter(|(i, j, _)| if dim == Dim::Source { *i == index } else { *j == index });
                    let thick: f64 = own.clone().map(|(.., b)| b.thickness).sum();
                    let mass = if dim == Dim::Source { plan.row_sum(index) } else { plan.column_sum(index) };
                    prop_assert!((thick - unit * mass).abs() < 1e-6);
                    for (.., band) in own {
                        let y = if dim == Dim::Source { band.y0 } else { band.y1 };
                        prop_assert!(y >= frame.y - 1e-6 && y + band.thickness <= frame.y + thick + 1e-6);
                    }
                }
            }
        }
    }
}
