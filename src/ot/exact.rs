//! Exact optimal transport for any marginals and any shape: a plan of least cost and the potentials that prove it.
//!
//! Successive shortest paths (Ahuja, Magnanti and Orlin, *Network Flows*, 9.7): mass is sent from one source after the
//! other along the cheapest path of the residual graph, found by Dijkstra's algorithm on costs reduced by the
//! potentials, `cost_ij − f_i − g_j ≥ 0`; then the potentials are moved so that they stay so. On square problems with
//! uniform marginals this is the Hungarian method, and the plan is a permutation times `1/n` (Birkhoff).
//!
//! `O(n · m)` a path, about `n + m` paths: 200 × 200 takes some tens of milliseconds. The assignment solvers among the
//! maintained crates take neither general marginals nor give potentials.

use nalgebra::{DMatrix, DVector};

use super::problem::Problem;
use super::solution::{Potentials, Status, TransportSolution};

/// Masses below this share of the whole are rounding, and count as none.
const DUST: f64 = 1e-15;

/// A plan of least cost; among several, always the same one.
#[must_use]
pub fn solve(problem: &Problem) -> TransportSolution {
    let mut network = Network::new(problem);
    for source in 0..problem.cost().nrows() {
        while network.supply[source] > network.dust {
            let Some(path) = network.shortest_path(source) else { break };
            network.send(source, &path);
        }
    }
    let Network { mut plan, potentials, .. } = network;
    while let Some(cycle) = cycle(&plan) {
        cancel(&mut plan, problem.cost(), &cycle);
    }
    TransportSolution { cost: problem.cost_of(&plan), plan, potentials, errors: Vec::new(), status: Status::Optimal }
}

/// A cycle among the pairs that move mass, in its order, each sharing a source or a target with the next, in turn; `None`
/// where they are a forest, as the pairs of a vertex of the transport polytope are. Paths of least cost leave cycles where
/// costs tie.
fn cycle(plan: &DMatrix<f64>) -> Option<Vec<(usize, usize)>> {
    let (sources, targets) = plan.shape();
    // Nodes are the sources, then the targets; neighbours in the forest so far.
    let mut forest: Vec<Vec<usize>> = vec![Vec::new(); sources + targets];
    let pairs = (0..sources).flat_map(|source| (0..targets).map(move |target| (source, target)));
    for (source, target) in pairs.filter(|&pair| plan[pair] > 0.0) {
        let end = sources + target;
        // Where the forest leads from the source to the target already, this pair closes a cycle.
        let mut before = vec![usize::MAX; sources + targets];
        let mut open = vec![source];
        before[source] = source;
        while let Some(node) = open.pop() {
            for &next in &forest[node] {
                if before[next] == usize::MAX {
                    before[next] = node;
                    open.push(next);
                }
            }
        }
        if before[end] == usize::MAX {
            forest[source].push(end);
            forest[end].push(source);
            continue;
        }
        let mut pairs = vec![(source, target)];
        let mut node = end;
        while node != source {
            let next = before[node];
            pairs.push((node.min(next), node.max(next) - sources));
            node = next;
        }
        return Some(pairs);
    }
    None
}

/// Moves mass round `cycle`, to the side that does not cost more, until one of its pairs moves none.
fn cancel(plan: &mut DMatrix<f64>, cost: &DMatrix<f64>, cycle: &[(usize, usize)]) {
    let sign = |index: usize| if index.is_multiple_of(2) { 1.0 } else { -1.0 };
    let change: f64 = cycle.iter().enumerate().map(|(index, &pair)| sign(index) * cost[pair]).sum();
    let side = if change <= 0.0 { 1.0 } else { -1.0 };
    let gives = |index: usize| side * sign(index) < 0.0;
    let giving = cycle.iter().enumerate().filter(|&(index, _)| gives(index)).map(|(_, &pair)| pair);
    let Some(least) = giving.min_by(|&a, &b| plan[a].total_cmp(&plan[b])) else { return };
    let mass = plan[least];
    for (index, &pair) in cycle.iter().enumerate() {
        plan[pair] += side * sign(index) * mass;
    }
    // Exactly, whatever rounding says.
    plan[least] = 0.0;
}

/// The flow so far, and potentials that prove it optimal for the mass it has moved.
struct Network<'a> {
    cost: &'a DMatrix<f64>,
    plan: DMatrix<f64>,
    potentials: Potentials,
    /// Mass still to be sent by each source.
    supply: DVector<f64>,
    /// Mass still wanted by each target.
    demand: DVector<f64>,
    dust: f64,
}

/// The way to a target that wants mass, backwards: each target's predecessor and each source's.
struct Path {
    end: usize,
    source_before: Vec<usize>,
    target_before: Vec<usize>,
}

impl<'a> Network<'a> {
    fn new(problem: &'a Problem) -> Self {
        let cost = problem.cost();
        let potentials = Potentials {
            source: DVector::zeros(cost.nrows()),
            target: DVector::from_iterator(cost.ncols(), cost.column_iter().map(|column| column.min())),
        };
        Self {
            cost,
            plan: DMatrix::zeros(cost.nrows(), cost.ncols()),
            potentials,
            supply: problem.source_marginal().clone(),
            demand: problem.target_marginal().clone(),
            dust: DUST * problem.mass(),
        }
    }

    /// Dijkstra from `start` to the nearest target that wants mass; moves the potentials by the distances. `None` when
    /// no target wants any, which only rounding can bring about.
    fn shortest_path(&mut self, start: usize) -> Option<Path> {
        let (sources, targets) = self.cost.shape();
        let mut distance = vec![f64::INFINITY; targets];
        let mut source_before = vec![start; targets];
        let mut target_before = vec![usize::MAX; sources];
        let mut settled = vec![false; targets];
        // Sources reached, with their distance: the start, then the senders of each settled target.
        let mut reached = vec![(start, 0.0)];
        let mut is_reached = vec![false; sources];
        is_reached[start] = true;
        let mut unscanned = 0;
        let end = loop {
            for &(source, at) in &reached[unscanned..] {
                for target in (0..targets).filter(|&target| !settled[target]) {
                    let reduced =
                        self.cost[(source, target)] - self.potentials.source[source] - self.potentials.target[target];
                    let through = at + reduced.max(0.0); // below 0 by rounding only
                    if through < distance[target] {
                        distance[target] = through;
                        source_before[target] = source;
                    }
                }
            }
            unscanned = reached.len();
            let nearest =
                (0..targets).filter(|&target| !settled[target]).min_by(|&a, &b| distance[a].total_cmp(&distance[b]))?;
            if self.demand[nearest] > self.dust {
                break nearest;
            }
            settled[nearest] = true;
            for source in (0..sources).filter(|&source| self.plan[(source, nearest)] > 0.0) {
                if !std::mem::replace(&mut is_reached[source], true) {
                    target_before[source] = nearest;
                    reached.push((source, distance[nearest]));
                }
            }
        };
        for (source, at) in reached {
            self.potentials.source[source] += distance[end] - at;
        }
        for target in (0..targets).filter(|&target| settled[target]) {
            self.potentials.target[target] -= distance[end] - distance[target];
        }
        Some(Path { end, source_before, target_before })
    }

    /// Sends as much mass along `path` as its ends and the flows it takes back allow.
    fn send(&mut self, start: usize, path: &Path) {
        let mut mass = self.supply[start].min(self.demand[path.end]);
        let mut source = path.source_before[path.end];
        while source != start {
            let back = path.target_before[source];
            mass = mass.min(self.plan[(source, back)]);
            source = path.source_before[back];
        }
        let mut target = path.end;
        loop {
            let source = path.source_before[target];
            self.plan[(source, target)] += mass;
            if source == start {
                break;
            }
            let back = path.target_before[source];
            let left = self.plan[(source, back)] - mass;
            self.plan[(source, back)] = if left > self.dust { left } else { 0.0 };
            target = back;
        }
        self.supply[start] -= mass;
        self.demand[path.end] -= mass;
    }
}
