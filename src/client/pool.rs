//! Who does which runs next, without a browser: several workers take passes of an experiment from one queue.
//!
//! A pass is what goes through the PLM together. One whose worker was lost, or that could not be done, is given back:
//! several runs are then tried by halves, so that one that can't be done costs the others nothing, and a single run that
//! fails by itself has failed. A run that chooses among others waits until those are done.

use super::desk::GPU_LOSSES;
use crate::protocol::PlannedCard;
use std::collections::VecDeque;
use vecmap::VecMap;

/// Times that a single run may take its worker down with it: the last time it has been tried on the CPU.
const ATTEMPTS: u32 = GPU_LOSSES + 1;

/// Memory that one worker needs, in GiB: engine, PLM, and what a training step keeps.
const MEMORY: f64 = 0.75;
/// Memory of a device that does not say, in GiB: browsers that keep it to themselves run on large machines too.
fn usual_memory(cores: usize) -> f64 {
    if cores < 8 { 4.0 } else { 8.0 }
}

/// How many workers a device takes on the CPU: one a core, as long as half of its memory is left to others.
#[must_use]
pub fn workers(cores: usize, memory: Option<f64>) -> usize {
    let room = 0.5 * memory.filter(|memory| *memory > 0.0).unwrap_or_else(|| usual_memory(cores)) / MEMORY;
    cores.min(room as usize).max(1)
}

/// Runs that are done together.
#[derive(Clone, Debug, PartialEq)]
struct Pass {
    runs: Vec<PlannedCard>,
    attempts: u32,
    /// When its worker took it.
    began: f64,
}

/// What a worker is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// These runs, by hash.
    Pass(Vec<String>),
    /// Ask again when something has changed: others are at work, or the queue is paused.
    Wait,
    /// Nothing is left.
    End,
}

/// Why a pass was given back.
#[derive(Clone, Debug, PartialEq)]
pub enum GaveBack {
    /// The person stopped it.
    Stopped,
    /// The worker is gone.
    Lost(String),
    /// It can't be done, in one line.
    Failed(String),
}

/// The passes of one experiment, waiting, taken and done. Times are seconds of any clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    waiting: VecDeque<Pass>,
    taken: VecMap<usize, Pass>,
    paused: bool,
    stopped: bool,
    /// Work done here, and the seconds that workers took for it.
    done: (f64, f64),
    /// Work that comes after all of this.
    ahead: f64,
}

impl Pool {
    /// The passes of `runs` without those in `finished`; a run that no pass names is one by itself.
    #[must_use]
    pub fn new(runs: &[PlannedCard], passes: &[Vec<String>], finished: impl Fn(&str) -> bool) -> Self {
        let mut open: Vec<&PlannedCard> = runs.iter().filter(|run| !finished(&run.hash)).collect();
        let mut take = |hash: &String| open.iter().position(|run| run.hash == *hash).map(|place| open.remove(place));
        let mut waiting = VecDeque::new();
        let alone = runs.iter().map(|run| std::slice::from_ref(&run.hash));
        for hashes in passes.iter().map(Vec::as_slice).chain(alone) {
            let runs: Vec<PlannedCard> = hashes.iter().filter_map(&mut take).cloned().collect();
            if !runs.is_empty() {
                waiting.push_back(Pass { runs, attempts: 0, began: 0.0 });
            }
        }
        Self { waiting, ..Self::default() }
    }

    /// With work that comes after all of this, for the time left.
    #[must_use]
    pub fn followed_by(self, work: f64) -> Self {
        Self { ahead: work, ..self }
    }

    /// Puts `next` in the place of this one, which stays paused or stopped where it is.
    pub fn go_over_to(&mut self, next: Self) {
        *self = Self { paused: self.paused, stopped: self.stopped, ..next };
    }

    /// What worker number `member` is to do.
    pub fn take(&mut self, member: usize, now: f64) -> Next {
        if self.stopped || self.left() == 0 {
            return Next::End;
        }
        if self.paused {
            return if self.taken.is_empty() { Next::End } else { Next::Wait };
        }
        let open = |hash: &String| {
            self.waiting.iter().chain(self.taken.values()).flat_map(|pass| &pass.runs).any(|run| run.hash == *hash)
        };
        let own = |pass: &Pass, hash: &String| pass.runs.iter().any(|run| run.hash == *hash);
        let is_free =
            |pass: &Pass| pass.runs.iter().flat_map(|run| &run.after).all(|hash| own(pass, hash) || !open(hash));
        // Without anybody at work what is waited for would never come.
        let place = self.waiting.iter().position(is_free).or(self.taken.is_empty().then_some(0));
        match place.and_then(|place| self.waiting.remove(place)) {
            Some(pass) => {
                let hashes = pass.runs.iter().map(|run| run.hash.clone()).collect();
                self.taken.insert(member, Pass { began: now, ..pass });
                Next::Pass(hashes)
            }
            None => Next::Wait,
        }
    }

    /// The pass of `member` is done.
    pub fn finish(&mut self, member: usize, now: f64) {
        // A run without work of its own, as the majority class, takes time and says nothing of the pace.
        if let Some(pass) = self.taken.remove(&member).filter(|pass| pass.runs.iter().any(|run| run.work > 0.0)) {
            self.done.0 += pass.work();
            self.done.1 += (now - pass.began).max(0.0);
        }
    }

    /// The pass of `member` was done by somebody else: it says nothing of the pace.
    pub fn done_elsewhere(&mut self, member: usize) {
        self.taken.remove(&member);
    }

    /// Somebody else is at the pass of `member`: what it says may be had later.
    pub fn put_off(&mut self, member: usize) {
        self.waiting.extend(self.taken.remove(&member));
    }

    /// The pass of `member` is not done; what of it has failed for good, with the reason.
    pub fn give_back(&mut self, member: usize, why: GaveBack) -> Vec<(String, String)> {
        let Some(mut pass) = self.taken.remove(&member) else { return Vec::new() };
        let half = pass.runs.len().div_ceil(2);
        let (reason, tries) = match why {
            GaveBack::Stopped => {
                self.waiting.push_front(pass);
                return Vec::new();
            }
            GaveBack::Lost(reason) => {
                self.cut(half);
                (reason, ATTEMPTS)
            }
            GaveBack::Failed(reason) => (reason, 1),
        };
        if pass.runs.len() > 1 {
            let second = pass.runs.split_off(half);
            for runs in [second, pass.runs] {
                self.waiting.push_front(Pass { runs, attempts: 0, began: 0.0 });
            }
            return Vec::new();
        }
        pass.attempts += 1;
        if pass.attempts < tries {
            self.waiting.push_front(pass);
            return Vec::new();
        }
        pass.runs.into_iter().map(|run| (run.hash, reason.clone())).collect()
    }

    /// What was too much for a worker may be too much for any: no pass that waits is longer than `most` from now on.
    fn cut(&mut self, most: usize) {
        let parts = |pass: Pass| {
            let Pass { runs, attempts, began } = pass;
            let part = |runs: &[PlannedCard]| Pass { runs: runs.to_vec(), attempts, began };
            runs.chunks(most.max(1)).map(part).collect::<Vec<_>>()
        };
        self.waiting = std::mem::take(&mut self.waiting).into_iter().flat_map(parts).collect();
    }

    /// Gives out nothing until [`Pool::resume`]; what is taken goes on.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Gives out again.
    pub fn resume(&mut self) {
        self.paused = false;
    }

    /// Gives out nothing any more.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether nothing is given out for now.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Runs that are neither done nor failed.
    #[must_use]
    pub fn left(&self) -> usize {
        self.waiting.iter().chain(self.taken.values()).map(|pass| pass.runs.len()).sum()
    }

    /// Passes that workers are at, each by the hashes of its runs.
    #[must_use]
    pub fn taken(&self) -> Vec<Vec<String>> {
        self.taken.values().map(|pass| pass.runs.iter().map(|run| run.hash.clone()).collect()).collect()
    }

    /// Seconds still to go with so many workers, by how long what is done has taken; `None` before anything is.
    ///
    /// What is taken counts as done for as long as it has run at that pace. The end can't come before the longest pass
    /// that waits is done, and what comes after all of this begins only then.
    #[must_use]
    pub fn seconds_left(&self, workers: usize, now: f64) -> Option<f64> {
        let (work, seconds) = self.done;
        if work <= 0.0 || seconds <= 0.0 {
            return None;
        }
        let pace = work / seconds;
        let taken = self.taken.values().map(|pass| (pass.work() - (now - pass.began) * pace).max(0.0));
        let waiting = self.waiting.iter().map(Pass::work);
        let all: Vec<f64> = taken.chain(waiting).collect();
        let longest = all.iter().copied().fold(0.0, f64::max);
        let workers = workers.max(1) as f64;
        Some(((all.iter().sum::<f64>() / workers).max(longest) + self.ahead / workers) / pace)
    }
}

impl Pass {
    fn work(&self) -> f64 {
        self.runs.iter().map(work).sum()
    }
}

/// What a run counts for in the time left: never nothing, for every run takes some.
#[must_use]
pub fn work(run: &PlannedCard) -> f64 {
    run.work.max(1.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::client) fn run(hash: &str, after: &[&str]) -> PlannedCard {
        PlannedCard {
            hash: hash.into(),
            plm: String::new(),
            target: String::new(),
            k: 4,
            seed: 13,
            method: hash.into(),
            tracks: String::new(),
            uses_adapters: false,
            work: 100.0,
            after: after.iter().map(|hash| (*hash).to_owned()).collect(),
        }
    }

    fn pool(passes: &[&[&str]]) -> Pool {
        let runs: Vec<PlannedCard> = passes.iter().flat_map(|pass| pass.iter().map(|hash| run(hash, &[]))).collect();
        let passes: Vec<Vec<String>> =
            passes.iter().map(|pass| pass.iter().map(|hash| (*hash).to_owned()).collect()).collect();
        Pool::new(&runs, &passes, |_| false)
    }

    fn pass(hashes: &[&str]) -> Next {
        Next::Pass(hashes.iter().map(|hash| (*hash).to_owned()).collect())
    }

    #[test]
    fn every_run_is_given_out_once() {
        let mut pool = pool(&[&["a", "b"], &["c"]]);
        assert_eq!(pool.take(0, 0.0), pass(&["a", "b"]));
        assert_eq!(pool.take(1, 0.0), pass(&["c"]));
        assert_eq!(pool.take(2, 0.0), Next::Wait, "a lost worker may give its pass back");
        pool.finish(1, 1.0);
        assert_eq!((pool.take(1, 1.0), pool.left()), (Next::Wait, 2));
        pool.finish(0, 2.0);
        assert_eq!((pool.take(0, 2.0), pool.left()), (Next::End, 0));
    }

    #[test]
    fn what_is_finished_is_not_run_again() {
        let runs = [run("a", &[]), run("b", &[]), run("c", &[])];
        let passes = [vec!["a".to_owned(), "b".to_owned()]];
        let mut pool = Pool::new(&runs, &passes, |hash| hash == "a");
        assert_eq!(pool.take(0, 0.0), pass(&["b"]));
        assert_eq!(pool.take(1, 0.0), pass(&["c"]), "a run that no pass names is one by itself");
        assert_eq!(Pool::new(&runs, &passes, |_| true).take(0, 0.0), Next::End);
    }

    #[test]
    fn a_choice_waits_for_what_it_chooses_among() {
        let runs = [run("best", &["a", "b"]), run("a", &[]), run("b", &[])];
        let mut pool = Pool::new(&runs, &[], |_| false);
        assert_eq!(pool.take(0, 0.0), pass(&["a"]));
        assert_eq!(pool.take(1, 0.0), pass(&["b"]));
        assert_eq!(pool.take(2, 0.0), Next::Wait);
        pool.finish(0, 1.0);
        assert_eq!(pool.take(0, 1.0), Next::Wait);
        assert_eq!(pool.give_back(1, GaveBack::Failed("no".into())), [("b".to_owned(), "no".to_owned())]);
        assert_eq!(pool.take(0, 1.0), pass(&["best"]), "one that has failed holds nobody up");
    }

    #[test]
    fn what_somebody_else_is_at_is_put_off() {
        let mut pool = pool(&[&["a"], &["b"], &["c"]]);
        assert_eq!(pool.take(0, 0.0), pass(&["a"]));
        pool.put_off(0);
        assert_eq!(pool.take(0, 0.0), pass(&["b"]), "it comes after all others");
        pool.done_elsewhere(0);
        assert_eq!((pool.left(), pool.seconds_left(1, 9.0)), (2, None));
        assert_eq!((pool.take(0, 9.0), pool.take(1, 9.0)), (pass(&["c"]), pass(&["a"])));
    }

    #[test]
    fn runs_that_wait_for_each_other_are_done_all_the_same() {
        let runs = [run("a", &["b"]), run("b", &["a"])];
        let mut pool = Pool::new(&runs, &[], |_| false);
        assert_eq!(pool.take(0, 0.0), pass(&["a"]));
        assert_eq!(pool.take(1, 0.0), Next::Wait);
    }

    #[test]
    fn a_lost_worker_gives_its_pass_back_by_halves() {
        let mut pool = pool(&[&["a", "b", "c"]]);
        pool.take(0, 0.0);
        assert_eq!(pool.give_back(0, GaveBack::Lost("gone".into())), []);
        assert_eq!(pool.take(0, 0.0), pass(&["a", "b"]));
        assert_eq!(pool.take(1, 0.0), pass(&["c"]));
        for _ in 0..GPU_LOSSES {
            assert_eq!(pool.give_back(1, GaveBack::Lost("gone".into())), []);
            assert_eq!(pool.take(1, 0.0), pass(&["c"]), "once more");
        }
        assert_eq!(pool.give_back(1, GaveBack::Lost("gone".into())), [("c".to_owned(), "gone".to_owned())]);
        assert_eq!(pool.left(), 2);
    }

    #[test]
    fn what_was_too_much_for_one_worker_is_not_tried_again() {
        let mut pool = pool(&[&["a", "b", "c", "d"], &["e", "f", "g"], &["h"]]);
        pool.take(0, 0.0);
        pool.give_back(0, GaveBack::Lost("out of memory".into()));
        for expected in [&["a", "b"][..], &["c", "d"], &["e", "f"], &["g"], &["h"]] {
            assert_eq!(pool.take(0, 0.0), pass(expected));
            pool.finish(0, 1.0);
        }
        assert_eq!(pool.left(), 0);
    }

    #[test]
    fn pausing_lets_what_is_taken_go_on() {
        let mut pool = pool(&[&["a"], &["b"]]);
        pool.take(0, 0.0);
        pool.pause();
        assert_eq!(pool.take(1, 0.0), Next::Wait);
        pool.finish(0, 1.0);
        assert_eq!(pool.take(0, 1.0), Next::End);
        pool.resume();
        assert_eq!(pool.take(0, 1.0), pass(&["b"]));
        pool.stop();
        pool.give_back(0, GaveBack::Stopped);
        assert_eq!((pool.take(0, 1.0), pool.left()), (Next::End, 1));
    }

    #[test]
    fn time_left_is_reckoned_from_what_was_done() {
        let mut pool = pool(&[&["a"], &["b"], &["c"], &["d"]]);
        pool.take(0, 0.0);
        pool.take(1, 0.0);
        assert_eq!(pool.seconds_left(2, 1.0), None);
        pool.finish(0, 10.0);
        // Half of b is done by now; c and d take ten seconds each.
        assert_eq!(pool.seconds_left(2, 5.0), Some(12.5));
        assert_eq!(pool.seconds_left(25, 5.0), Some(10.0), "a pass is not divided");
        pool.finish(1, 10.0);
        assert_eq!(pool.seconds_left(1, 10.0), Some(20.0));
    }

    #[test]
    fn what_is_no_work_says_nothing_of_the_pace() {
        let runs = [PlannedCard { work: 0.0, ..run("majority", &[]) }, run("a", &[]), run("b", &[])];
        let mut pool = Pool::new(&runs, &[], |_| false);
        pool.take(0, 0.0);
        pool.finish(0, 5.0);
        assert_eq!(pool.seconds_left(1, 5.0), None);
        pool.take(0, 5.0);
        pool.finish(0, 15.0);
        assert_eq!((pool.seconds_left(1, 15.0), pool.left()), (Some(10.0), 1));
    }

    #[test]
    fn what_comes_after_is_reckoned_too() {
        let mut pool = pool(&[&["a"], &["b"]]).followed_by(400.0);
        pool.take(0, 0.0);
        pool.finish(0, 10.0);
        assert_eq!(pool.seconds_left(1, 10.0), Some(50.0));
        assert_eq!(pool.seconds_left(4, 10.0), Some(20.0), "it begins when the last pass is done");
    }

    #[test]
    fn what_was_asked_meanwhile_holds_for_the_next_runs() {
        let mut before = Pool::default();
        before.stop();
        before.go_over_to(pool(&[&["a"]]));
        assert_eq!((before.is_stopped(), before.left(), before.take(0, 0.0)), (true, 1, Next::End));
        let mut before = Pool::default();
        before.pause();
        before.go_over_to(pool(&[&["a"]]));
        assert_eq!((before.is_paused(), before.is_stopped()), (true, false));
    }

    #[test]
    fn as_many_workers_as_cores_and_memory_allow() {
        assert_eq!(workers(2, Some(8.0)), 2);
        assert_eq!(workers(16, Some(8.0)), 5);
        assert_eq!((workers(4, None), workers(16, None)), (2, 5));
        assert_eq!(workers(4, Some(0.5)), 1);
        assert_eq!(workers(0, None), 1);
    }
}
