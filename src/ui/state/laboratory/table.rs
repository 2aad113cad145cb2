//! The tables that an experiment's runs fill: one a PLM, target and k; methods down, seeds across, best first.

use crate::protocol::*;
use crate::viz::sort_by;
use std::collections::HashMap;
use std::sync::Arc;
use vecmap::VecMap;

/// What a table is filled from.
#[derive(Clone, Copy)]
pub struct Filling<'a> {
    /// Finished runs by hash.
    pub records: &'a HashMap<String, Arc<FinishedRun>>,
    /// Why runs have failed, by hash.
    pub failed: &'a VecMap<String, String>,
    /// Hashes of the runs that are going on.
    pub running: &'a [String],
    /// What the records say together.
    pub summary: &'a SummaryCard,
    /// Only methods whose adapters stand so to the target, and those without any; all where `None`.
    pub tracks: Option<&'a str>,
}

/// One PLM, target and k.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Name of the PLM.
    pub plm: String,
    /// Name of the target.
    pub target: String,
    /// Examples a class.
    pub k: usize,
    /// What a constant answer scores, where it was asked for.
    pub majority: Option<f64>,
    /// The columns.
    pub seeds: Vec<u64>,
    /// The rows, those with results first, the best at the top.
    pub lines: Vec<Line>,
}

/// A method.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Its name, with its tracks where there are several sets of adapters.
    pub name: String,
    /// As in records.
    pub method: String,
    /// `same`, `cross` or `mixed`.
    pub tracks: String,
    /// One a seed.
    pub cells: Vec<Option<Cell>>,
    /// Over all seeds.
    pub result: Option<MethodResult>,
    /// This method less the best one.
    pub gap: Option<Gap>,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Which.
    pub hash: String,
    /// How it stands.
    pub state: CellState,
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq)]
pub enum CellState {
    /// To come.
    Waiting,
    /// Going on.
    Running,
    /// Its accuracy on test.
    Done(f64),
    /// Why it could not be done.
    Failed(String),
}

/// A paired difference to another method.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gap {
    /// Mean over the episodes that both have seen.
    pub mean: f64,
    /// Ends of its interval; none for a single episode.
    pub interval: Option<(f64, f64)>,
    /// Episodes in which it is better.
    pub wins: usize,
    /// Episodes in which the other is.
    pub losses: usize,
    /// Neither.
    pub ties: usize,
}

impl Table {
    /// What it is about: `cr · 16 a class · all-minilm-l6-v2`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} · {} a class · {}", self.target, self.k, self.plm)
    }

    /// Accuracies of a line by seed, where there are any.
    #[must_use]
    pub fn accuracies(&self, line: &Line) -> Vec<(u64, f64)> {
        let value = |cell: &Option<Cell>| match cell.as_ref()?.state {
            CellState::Done(accuracy) => Some(accuracy),
            _ => None,
        };
        self.seeds.iter().zip(&line.cells).filter_map(|(seed, cell)| Some((*seed, value(cell)?))).collect()
    }

    /// `line` less `other`, seed by seed, where both have a value.
    #[must_use]
    pub fn differences(&self, line: &Line, other: &Line) -> Vec<f64> {
        let (mine, theirs) = (self.accuracies(line), self.accuracies(other));
        let of_other = |seed: u64| theirs.iter().find(|(other, _)| *other == seed).map(|(_, accuracy)| accuracy);
        mine.into_iter().filter_map(|(seed, accuracy)| Some(accuracy - of_other(seed)?)).collect()
    }

    /// Runs that are done, and all.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        let cells = || self.lines.iter().flat_map(|line| &line.cells).flatten();
        (cells().filter(|cell| matches!(cell.state, CellState::Done(_))).count(), cells().count())
    }
}

/// The sets of adapters that an experiment's methods were run with, each once.
#[must_use]
pub fn tracks(cards: &[ExperimentCard]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let merged = cards.iter().flat_map(|card| &card.runs).filter(|run| run.uses_adapters);
    for run in merged {
        if !all.contains(&run.tracks) {
            all.push(run.tracks.clone());
        }
    }
    all
}

/// One table a PLM, target and k, in the plan's order.
#[must_use]
pub fn tables(cards: &[ExperimentCard], filling: Filling<'_>) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let shown = |run: &&PlannedCard| match filling.tracks {
        Some(tracks) => run.tracks == tracks || !run.uses_adapters,
        None => true,
    };
    for run in cards.iter().flat_map(|card| &card.runs).filter(shown) {
        let same = |table: &Table| (&*table.plm, &*table.target, table.k) == (&*run.plm, &*run.target, run.k);
        let at = tables.iter().position(same).unwrap_or_else(|| {
            let (plm, target) = (run.plm.clone(), run.target.clone());
            tables.push(Table { plm, target, k: run.k, ..Table::default() });
            tables.len() - 1
        });
        tables[at].put(run, cell(run, filling));
    }
    // Of a single PLM records may tell under an earlier name.
    let single = cards.len() == 1;
    for table in &mut tables {
        let same = |group: &&GroupCard| {
            (single || group.plm == table.plm) && (&*group.target, group.k) == (&*table.target, table.k)
        };
        let group = filling.summary.groups.iter().find(same);
        table.judge(group);
    }
    tables
}

fn cell(run: &PlannedCard, filling: Filling<'_>) -> Cell {
    let state = if let Some(finished) = filling.records.get(&run.hash) {
        CellState::Done(finished.record.accuracy)
    } else if let Some(reason) = filling.failed.get(&run.hash) {
        CellState::Failed(reason.clone())
    } else if filling.running.contains(&run.hash) {
        CellState::Running
    } else {
        CellState::Waiting
    };
    Cell { hash: run.hash.clone(), state }
}

impl Table {
    fn put(&mut self, run: &PlannedCard, cell: Cell) {
        let column = self.seeds.iter().position(|seed| *seed == run.seed).unwrap_or_else(|| {
            self.seeds.push(run.seed);
            self.seeds.len() - 1
        });
        let row = self.lines.iter().position(|line| line.method == run.method && line.tracks == run.tracks);
        let row = row.unwrap_or_else(|| {
            let (name, method, tracks) = (run.method.clone(), run.method.clone(), run.tracks.clone());
            self.lines.push(Line { name, method, tracks, ..Line::default() });
            self.lines.len() - 1
        });
        let cells = &mut self.lines[row].cells;
        if cells.len() <= column {
            cells.resize(column + 1, None);
        }
        cells[column] = Some(cell);
    }

    /// Puts the results in, the difference to the best, and the best on top.
    fn judge(&mut self, group: Option<&GroupCard>) {
        self.majority = group.and_then(|group| group.majority);
        let several = |method: &str, lines: &[Line]| lines.iter().filter(|line| line.method == method).count() > 1;
        let names: Vec<String> = self
            .lines
            .iter()
            .map(|line| match several(&line.method, &self.lines) {
                true => format!("{} ({})", line.method, line.tracks),
                false => line.method.clone(),
            })
            .collect();
        for (line, name) in self.lines.iter_mut().zip(names) {
            line.cells.resize(self.seeds.len(), None);
            line.name = name;
            let result = group.and_then(|group| {
                group.methods.iter().find(|result| result.method == line.method && result.tracks == line.tracks)
            });
            line.result = result.cloned();
        }
        let accuracy = |line: &Line| line.result.as_ref().map_or(f64::NEG_INFINITY, |result| result.accuracy);
        sort_by(&mut self.lines, |a, b| accuracy(b).total_cmp(&accuracy(a)));
        let best = self.lines.first().and_then(|line| line.result.as_ref()).map(|result| result.name.clone());
        let (Some(best), Some(group)) = (best, group) else { return };
        for line in self.lines.iter_mut().skip(1) {
            line.gap = line.result.as_ref().and_then(|result| gap(group, &result.name, &best));
        }
    }
}

/// `method` less `other`.
fn gap(group: &GroupCard, method: &str, other: &str) -> Option<Gap> {
    let pair = |a: &str, b: &str| group.pairs.iter().find(|pair| pair.a == a && pair.b == b);
    if let Some(pair) = pair(method, other) {
        let (wins, losses, ties) = (pair.wins, pair.losses, pair.ties);
        return Some(Gap { mean: pair.mean, interval: pair.low.zip(pair.high), wins, losses, ties });
    }
    let pair = pair(other, method)?;
    let interval = pair.low.zip(pair.high).map(|(low, high)| (-high, -low));
    Some(Gap { mean: -pair.mean, interval, wins: pair.losses, losses: pair.wins, ties: pair.ties })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::tests::planned;
    use super::*;

    pub(crate) fn finished(run: &PlannedCard, accuracy: f64) -> Arc<FinishedRun> {
        let record = RunRecord {
            hash: run.hash.clone(),
            plm: run.plm.clone(),
            target: run.target.clone(),
            method: run.method.clone(),
            k: run.k,
            seed: run.seed,
            tracks: run.tracks.clone(),
            accuracy,
            macro_f1: accuracy,
            dev_accuracy: accuracy,
            ..RunRecord::default()
        };
        Arc::new(FinishedRun { record, line: String::new(), detail: None })
    }

    fn result(name: &str, method: &str, tracks: &str, accuracy: f64) -> MethodResult {
        let (name, method, tracks) = (name.into(), method.into(), tracks.into());
        MethodResult { name, method, tracks, runs: 2, accuracy, ..MethodResult::default() }
    }

    fn card() -> ExperimentCard {
        let mut runs = Vec::new();
        for seed in [13, 21] {
            for method in ["head", "sum", "mera_acts"] {
                runs.push(planned(&format!("{method}-{seed}"), method, 4, seed));
            }
        }
        runs.push(planned("head-16", "head", 16, 13));
        ExperimentCard { plm: "tiny".into(), runs, ..ExperimentCard::default() }
    }

    fn summary() -> SummaryCard {
        let pair = PairResult {
            a: "mera_acts".into(),
            b: "head".into(),
            episodes: 2,
            mean: 0.1,
            low: Some(-0.1),
            high: Some(0.3),
            wins: 2,
            losses: 0,
            ties: 0,
        };
        let group = GroupCard {
            plm: "tiny".into(),
            target: "cr".into(),
            k: 4,
            majority: Some(0.5),
            methods: vec![result("mera_acts", "mera_acts", "mixed", 0.8), result("head", "head", "mixed", 0.7)],
            pairs: vec![pair],
        };
        SummaryCard { confidence: 0.95, groups: vec![group] }
    }

    #[test]
    fn a_table_fills_and_the_best_rises() {
        let card = card();
        let mut records = HashMap::new();
        for run in card.runs.iter().filter(|run| run.k == 4 && run.method != "sum") {
            records.insert(run.hash.clone(), finished(run, if run.method == "head" { 0.7 } else { 0.8 }));
        }
        let failed = VecMap::from([("sum-13".to_owned(), "no".to_owned())]);
        let running = ["sum-21".to_owned()];
        let summary = summary();
        let filling =
            Filling { records: &records, failed: &failed, running: &running, summary: &summary, tracks: None };
        let all = tables(&[card], filling);
        assert_eq!(
            all.iter().map(Table::title).collect::<Vec<_>>(),
            ["cr · 4 a class · tiny", "cr · 16 a class · tiny"]
        );
        let table = &all[0];
        assert_eq!(table.lines.iter().map(|line| &*line.name).collect::<Vec<_>>(), ["mera_acts", "head", "sum"]);
        assert_eq!((table.progress(), all[1].progress()), ((4, 6), (0, 1)));
        assert_eq!(table.lines[0].gap, None);
        let gap = table.lines[1].gap.unwrap();
        assert_eq!((gap.mean, gap.interval, gap.wins, gap.losses), (-0.1, Some((-0.3, 0.1)), 0, 2));
        let states: Vec<_> = table.lines[2].cells.iter().flatten().map(|cell| cell.state.clone()).collect();
        assert_eq!(states, [CellState::Failed("no".into()), CellState::Running]);
        assert_eq!(table.accuracies(&table.lines[1]), [(13, 0.7), (21, 0.7)]);
        let differences = table.differences(&table.lines[0], &table.lines[1]);
        assert!(differences.len() == 2 && differences.iter().all(|d| (d - 0.1).abs() < 1e-12));
        assert_eq!(table.differences(&table.lines[0], &table.lines[2]), [0.0; 0]);
    }

    #[test]
    fn sets_of_adapters_are_told_apart_and_chosen() {
        let mut card = card();
        let cross: Vec<PlannedCard> = card
            .runs
            .iter()
            .filter(|run| run.method == "sum")
            .map(|run| PlannedCard { hash: format!("{}-cross", run.hash), tracks: "cross".into(), ..run.clone() })
            .collect();
        card.runs.extend(cross);
        // A variant of a method without adapters has a name of its own.
        card.runs.push(PlannedCard { uses_adapters: false, ..planned("full", "full_1e-4", 4, 13) });
        let none = (HashMap::new(), VecMap::new(), SummaryCard::default());
        let of = |tracks| {
            let filling = Filling { records: &none.0, failed: &none.1, running: &[], summary: &none.2, tracks };
            tables(std::slice::from_ref(&card), filling)[0]
                .lines
                .iter()
                .map(|line| line.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(None), ["head", "sum (mixed)", "mera_acts", "sum (cross)", "full_1e-4"]);
        assert_eq!(of(Some("cross")), ["head", "sum", "full_1e-4"]);
        assert_eq!(tracks(std::slice::from_ref(&card)), ["mixed", "cross"]);
    }
}
