//! Pointing at a scene: what lies under a point, where an arrow key leads, what is drawn on top of what is highlighted.

use super::Hit;
use super::color::Role;
use super::mark::{CellAxis, Cells, Frame, Mark, Shape};
use super::scene::{Area, Arrow, Region, Scene};

impl Scene {
    /// What lies under a point. Points reach around themselves and win; then the topmost area; then cells.
    pub fn hit_at(&self, x: f64, y: f64) -> Option<Hit> {
        let distance = |region: &Region| match region.area {
            Area::Point { x: px, y: py, reach, .. } => {
                let distance = (px - x).hypot(py - y);
                (distance <= reach).then_some(distance)
            }
            Area::Rect(_) | Area::Ribbon(_) => None,
        };
        let nearest = self
            .regions
            .iter()
            .filter_map(|region| distance(region).map(|d| (d, region.hit)))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        let within = |region: &&Region| match region.area {
            Area::Rect(frame) => frame.contains(x, y),
            Area::Ribbon(band) => {
                let middle = band.top(x) + 0.5 * band.thickness;
                x >= band.x0 && x <= band.x1 && (y - middle).abs() <= (0.5 * band.thickness).max(2.5)
            }
            Area::Point { .. } => false,
        };
        nearest
            .map(|(_, hit)| hit)
            .or_else(|| self.regions.iter().rev().find(within).map(|region| region.hit))
            .or_else(|| self.cells().find_map(|cells| cells.hit_at(x, y)))
    }

    /// What is said of a hit, here: of the thing itself, else of up to three things that agree with it.
    pub fn label(&self, hit: &Hit) -> Option<String> {
        if let Some(region) = self.regions.iter().find(|region| region.hit == *hit) {
            return Some(region.label.clone());
        }
        if let Some(label) = self.cells().find_map(|cells| cells.label(hit)) {
            return Some(label);
        }
        let agreeing: Vec<&str> =
            self.regions.iter().filter(|r| r.hit.agrees(hit)).map(|r| r.label.as_str()).take(3).collect();
        (!agreeing.is_empty()).then(|| agreeing.join("; "))
    }

    /// Whether anything here agrees with a hit: else there is nothing to highlight.
    pub fn speaks_of(&self, hit: &Hit) -> bool {
        self.regions.iter().any(|region| region.hit.agrees(hit)) || self.cells().any(|c| c.label(hit).is_some())
    }

    /// Whether anything here can be pointed at.
    pub fn can_be_pointed_at(&self) -> bool {
        !self.regions.is_empty() || self.cells().next().is_some()
    }

    /// Where an arrow key leads from here; the first thing where nothing is pointed at yet. `None` where it leads
    /// nowhere.
    pub fn step(&self, from: Option<&Hit>, arrow: Arrow) -> Option<Hit> {
        if let Some(cells) = self.cells().next() {
            return cells.step(from, arrow);
        }
        let placed = || self.regions.iter().filter_map(|region| Some((region.place?, region.hit)));
        let here = from.and_then(|hit| {
            placed().find(|(_, there)| there == hit).or_else(|| placed().find(|(_, there)| there.agrees(hit)))
        });
        let Some(((column, row), _)) = here else {
            return placed().min_by_key(|((column, row), _)| (*row, *column)).map(|(_, hit)| hit);
        };
        // Along the arrow first, then as little aside as can be.
        let distance = |there: (usize, usize)| {
            let (right, down) = (there.0 as i64 - column as i64, there.1 as i64 - row as i64);
            let (ahead, aside) = match arrow {
                Arrow::Left => (-right, down),
                Arrow::Right => (right, down),
                Arrow::Up => (-down, right),
                Arrow::Down => (down, right),
            };
            (ahead > 0).then_some((aside != 0 && matches!(arrow, Arrow::Left | Arrow::Right), ahead, aside.abs()))
        };
        placed().filter_map(|(place, hit)| Some((distance(place)?, hit))).min_by_key(|(d, _)| *d).map(|(_, hit)| hit)
    }

    /// What is drawn on top when this is highlighted, here or in a linked figure.
    pub fn overlay(&self, hit: &Hit) -> Vec<Mark> {
        let mut marks = Vec::new();
        for region in self.regions.iter().filter(|region| region.hit.agrees(hit)) {
            if let Area::Point { rule: Some((top, bottom)), x, .. } = region.area {
                marks.push(Mark::line(x, top, x, bottom).stroke(Role::Ink2, 1.0));
            }
            if let Area::Rect(f) = region.area {
                marks.push(Mark::rect(f.x, f.y, f.width, f.height).fill(Role::Ink).opacity(0.07));
            }
        }
        let ribbons = self.marks.iter().filter(|mark| matches!(mark.shape, Shape::Ribbon(_)));
        let ends: Vec<Hit> = ribbons.filter_map(|mark| mark.hit).filter(|ribbon| ribbon.agrees(hit)).collect();
        for mark in &self.marks {
            match (&mark.shape, mark.hit) {
                (Shape::Cells(cells), _) => marks.extend(cells.overlay(hit)),
                (_, Some(own)) if own.agrees(hit) => marks.push(emphasized(mark)),
                // Of a pair without a ribbon of its own, those of both.
                (Shape::Ribbon(_), Some(own)) if ends.is_empty() && own.shares(hit) => marks.push(mark.clone()),
                // The far ends of highlighted ribbons don't recede with the others.
                (Shape::Rect(..) | Shape::Text(_), Some(own)) if ends.iter().any(|ribbon| ribbon.agrees(&own)) => {
                    marks.push(mark.clone());
                }
                _ => {}
            }
        }
        for region in self.regions.iter().filter(|region| region.hit.agrees(hit)) {
            if let Area::Point { x, y, .. } = region.area {
                marks.push(Mark::circle(x, y, 5.5).stroke(Role::Ink, 2.0));
            }
        }
        marks
    }

    fn cells(&self) -> impl Iterator<Item = &Cells> {
        self.marks.iter().filter_map(|mark| match &mark.shape {
            Shape::Cells(cells) => Some(&**cells),
            _ => None,
        })
    }
}

fn emphasized(mark: &Mark) -> Mark {
    let mut mark = mark.clone();
    mark.opacity = 1.0;
    match &mut mark.shape {
        Shape::Ribbon(_) => {}
        Shape::Text(_) => mark.fill = Some(Role::Ink),
        Shape::Line(_) => {
            if let Some(stroke) = &mut mark.stroke {
                stroke.width += 1.0;
            }
        }
        _ => mark = mark.stroke(Role::Ink, 1.5),
    }
    mark
}

impl Cells {
    fn cell(&self) -> (f64, f64) {
        (self.area.width / self.grid.columns.max(1) as f64, self.area.height / self.grid.rows.max(1) as f64)
    }

    fn hit_at(&self, x: f64, y: f64) -> Option<Hit> {
        if !self.area.contains(x, y) {
            return None;
        }
        let (width, height) = self.cell();
        let row = self.rows.at(((y - self.area.y) / height) as usize)?;
        let column = self.columns.at(((x - self.area.x) / width) as usize)?;
        Some(Hit::two(self.rows.dim, row, self.columns.dim, column))
    }

    fn label(&self, hit: &Hit) -> Option<String> {
        let (row, column) = (hit.get(self.rows.dim), hit.get(self.columns.dim));
        let known = |index: Option<usize>, axis: &CellAxis| index.filter(|i| *i < axis.places.len());
        match (known(row, &self.rows), known(column, &self.columns)) {
            (Some(row), Some(column)) => Some(format!(
                "{} → {}: {} {}",
                self.rows.member(row),
                self.columns.member(column),
                self.quantity,
                self.unit.write(f64::from(self.grid.get(row, column)))
            )),
            (Some(row), None) => Some(self.rows.member(row)),
            (None, Some(column)) => Some(self.columns.member(column)),
            (None, None) => None,
        }
    }

    fn step(&self, from: Option<&Hit>, arrow: Arrow) -> Option<Hit> {
        let place = |axis: &CellAxis| from.and_then(|hit| hit.get(axis.dim)).and_then(|i| axis.place(i));
        let (row, column) = match (place(&self.rows), place(&self.columns)) {
            (None, None) => (0, 0),
            (row, column) => {
                let (row, column) = (row.unwrap_or(0), column.unwrap_or(0));
                match arrow {
                    Arrow::Left => (row, column.checked_sub(1)?),
                    Arrow::Right => (row, column + 1),
                    Arrow::Up => (row.checked_sub(1)?, column),
                    Arrow::Down => (row + 1, column),
                }
            }
        };
        Some(Hit::two(self.rows.dim, self.rows.at(row)?, self.columns.dim, self.columns.at(column)?))
    }

    fn overlay(&self, hit: &Hit) -> Vec<Mark> {
        let (width, height) = self.cell();
        let area = self.area;
        let bands = [
            hit.get(self.rows.dim)
                .and_then(|i| self.rows.place(i))
                .map(|place| Frame::new(area.x, area.y + height * place as f64, area.width, height)),
            hit.get(self.columns.dim)
                .and_then(|i| self.columns.place(i))
                .map(|place| Frame::new(area.x + width * place as f64, area.y, width, area.height)),
        ];
        // A light line within a dark one is seen on every colour.
        let outline = |f: Frame| {
            [(Role::Ground, 3.5), (Role::Ink, 1.5)].map(|(role, thick)| {
                Mark::rect(f.x - 0.5, f.y - 0.5, f.width + 1.0, f.height + 1.0).stroke(role, thick)
            })
        };
        bands.into_iter().flatten().flat_map(outline).collect()
    }
}

impl CellAxis {
    /// Whose place this is.
    fn at(&self, place: usize) -> Option<usize> {
        self.places.iter().position(|p| p.round() as usize == place)
    }

    fn place(&self, index: usize) -> Option<usize> {
        self.places.get(index).map(|place| place.round() as usize)
    }

    fn member(&self, index: usize) -> String {
        match self.labels.get(index) {
            Some(label) => label.clone(),
            None => format!("{} {index}", self.name),
        }
    }
}
