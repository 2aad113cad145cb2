//! Workers at an experiment: each is brought to the same state and takes passes from one queue.

use super::keep::STORAGE;
use super::member::Member;
use super::{Crew, Laboratory};
use crate::client::Status as WorkerStatus;
use crate::client::pool::{GaveBack, Next, Pool};
use crate::protocol::*;
use crate::ui::browser::claim::claim;
use crate::ui::browser::{now, sleep};
use crate::ui::state::laboratory::{Experiment, Status};
use crate::ui::state::words;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use vecmap::VecMap;

/// Times that a worker is started again without a pass done between them.
const LOST_IN_A_ROW: u32 = 6;
/// Milliseconds after which a worker that waits asks again.
const AGAIN: i32 = 150;

impl Laboratory {
    /// Sets the experiment in sight going, or puts it behind those that go on.
    pub fn run(self) {
        let Some(shown) = self.shown.get_untracked() else { return };
        let name = shown.bundle.name;
        if shown.status.is_locked() {
            return;
        }
        self.stop_scoring();
        self.failed.update(|failed| {
            let own: Vec<&str> = shown.cards.iter().flat_map(|card| &card.runs).map(|run| &*run.hash).collect();
            failed.retain(|hash, _| !own.contains(&hash.as_str()));
        });
        self.queue.update(|queue| queue.push_back(name.clone()));
        self.change(&name, |one| one.status = Status::Queued);
        if !self.driving.get_untracked() {
            self.driving.set(true);
            spawn_local(async move {
                while let Some(name) = self.queue.try_update(|queue| queue.pop_front()).flatten() {
                    self.drive(&name).await;
                }
                self.driving.set(false);
            });
        }
    }

    /// Begins no further run of what is going on; what has begun goes on.
    pub fn pause(self) {
        self.pool.update_value(Pool::pause);
        let name = self.crew.with_untracked(|crew| crew.experiment.clone());
        self.change(&name, |one| one.status = Status::Pausing);
    }

    /// Goes on with the experiment in sight.
    pub fn resume(self) {
        let shown = self.shown.get_untracked();
        match shown.as_ref().map(|shown| shown.status) {
            Some(Status::Pausing) => {
                self.pool.update_value(Pool::resume);
                let name = self.crew.with_untracked(|crew| crew.experiment.clone());
                self.change(&name, |one| one.status = Status::Running);
            }
            _ => self.run(),
        }
    }

    /// Stops the experiment in sight now: runs that have begun are begun anew when it is gone on with.
    pub fn cancel(self) {
        let Some(shown) = self.shown.get_untracked() else { return };
        let name = shown.bundle.name;
        self.queue.update(|queue| queue.retain(|queued| *queued != name));
        if shown.status == Status::Queued {
            self.change(&name, |one| one.status = Status::Paused);
        }
        if shown.status.is_active() {
            self.pool.update_value(Pool::stop);
            self.jobs.with_value(|jobs| jobs.values().for_each(|(client, job)| client.cancel(*job)));
            self.change(&name, |one| one.status = Status::Stopping);
        }
    }

    /// All runs of an experiment, one PLM after the other.
    async fn drive(self, name: &str) {
        self.change(name, |one| one.status = Status::Preparing);
        self.pool.set_value(Pool::default());
        // What the workers run on is what the Lab's engine has found to work.
        while self.lab.device.with_untracked(Option::is_none)
            && matches!(self.lab.status.get_untracked(), WorkerStatus::Starting | WorkerStatus::Restarting { .. })
        {
            sleep(AGAIN).await;
        }
        // After a reload, what was kept is there before the engine has read it.
        self.read(name).await;
        let Some(experiment) = self.named(name) else { return };
        if let Some(line) = experiment.unreadable {
            self.lab.problem(name, line);
            return self.change(name, |one| one.status = Status::Draft);
        }
        let mut status = Status::Done;
        let plms = experiment.sheet.plms.len();
        for plm in 0..plms {
            match self.on_plm(&experiment, plm).await {
                // Stopped after the last run of the last PLM, it is done all the same.
                Ok(true) if plm + 1 == plms || !self.pool.with_value(Pool::is_stopped) => {}
                Ok(_) => {
                    status = Status::Paused;
                    break;
                }
                Err(line) => {
                    // What was asked to stop says so too.
                    if !self.pool.with_value(Pool::is_stopped) {
                        self.lab.problem(name, line);
                    }
                    status = if self.named(name).is_some_and(|one| one.cards.is_empty()) {
                        Status::Draft
                    } else {
                        Status::Paused
                    };
                    break;
                }
            }
        }
        self.live.set(VecMap::new());
        self.crew.set(Crew::default());
        self.change(name, |one| one.status = status);
    }

    /// The runs on one PLM; whether all are done or have failed.
    async fn on_plm(self, experiment: &Experiment, plm: usize) -> Result<bool, String> {
        let name = experiment.bundle.name.clone();
        self.dismiss_reader();
        self.crew.set(Crew {
            experiment: name.clone(),
            members: vec!["is being started".into()],
            alive: 1,
            left: None,
        });
        let first = self.member(0);
        let planned = self.prepare(&first, experiment, plm).await;
        let (parts, card) = match planned {
            Ok(planned) => planned,
            Err(failure) => {
                first.client.close();
                return Err(failure.message);
            }
        };
        self.change(&name, |one| one.plan(plm, card.clone()));
        self.keep_experiment(&name).await;
        self.recall(card.runs.iter().map(|run| &run.hash)).await;
        self.adopt(&first, experiment, &card).await;
        let now = self.named(&name);
        let is_done = |hash: &str| self.is_done(hash);
        let ahead = now.map_or(0.0, |one| one.work_after(plm, &is_done));
        let next = Pool::new(&card.runs, &card.passes, is_done).followed_by(ahead);
        self.pool.update_value(|pool| pool.go_over_to(next));
        // Asked to stop while all this was read.
        if self.pool.with_value(Pool::is_stopped) {
            first.client.close();
            return Ok(false);
        }
        if !self.pool.with_value(Pool::is_paused) {
            self.change(&name, |one| one.status = Status::Running);
        }
        self.sum_up();
        let many = self.workers().min(card.passes.len().max(1)).max(1);
        self.crew.update(|crew| {
            crew.members = vec!["is being started".into(); many];
            crew.alive = many;
        });
        let others: Vec<_> = (1..many)
            .map(|number| {
                let experiment = experiment.clone();
                async move {
                    let member = self.member(number);
                    match self.prepare(&member, &experiment, plm).await {
                        Ok(_) => self.work(&member, &experiment).await,
                        Err(failure) if failure.kind == FailureKind::Cancelled => {}
                        Err(failure) => {
                            self.lab.inform(&*experiment.bundle.name, format!("One worker fewer: {}", failure.message))
                        }
                    }
                    member.client.close();
                    self.crew.update(|crew| crew.alive -= 1);
                }
            })
            .collect();
        let all = Rc::new(Cell::new(others.len()));
        for other in others {
            let all = all.clone();
            spawn_local(async move {
                other.await;
                all.set(all.get() - 1);
            });
        }
        self.work(&first, experiment).await;
        while all.get() > 0 {
            sleep(AGAIN).await;
        }
        let left = self.pool.with_value(Pool::left);
        if first.gone.get() {
            first.client.close();
        } else {
            self.keep_reader(experiment, plm, parts, first.clone());
        }
        // As long as any worker lives and the queue goes on, something is taken.
        if left > 0 && first.gone.get() && !self.pool.with_value(|pool| pool.is_stopped() || pool.is_paused()) {
            return Err(format!("every worker was lost; {} left to do", words::plural(left, "run")));
        }
        Ok(left == 0)
    }

    /// Takes in the records that came with the experiment, as far as they are of its plan.
    async fn adopt(self, member: &Member, experiment: &Experiment, card: &ExperimentCard) {
        let there = |hash: &String| {
            let key = format!("\"{hash}\"");
            experiment.bundle.records.iter().find(|line| line.contains(&key)).cloned()
        };
        let open = card.runs.iter().map(|run| run.hash.clone());
        let open = open.filter(|hash| !self.is_done(hash));
        let (hashes, records): (Vec<String>, Vec<String>) =
            open.filter_map(|hash| Some((hash.clone(), there(&hash)?))).unzip();
        let mut parts = vec![(hashes, records)];
        while let Some((hashes, records)) = parts.pop().filter(|(hashes, _)| !hashes.is_empty()) {
            match self.asked(member, RunExperiment { hashes: hashes.clone(), records: records.clone() }).await {
                Ok(runs) => self.take_in(runs).await,
                Err(failure) if failure.kind == FailureKind::Cancelled => return,
                // A line that is no record costs the others nothing.
                Err(_) if hashes.len() > 1 => {
                    parts.extend(hashes.into_iter().zip(records).map(|(hash, line)| (vec![hash], vec![line])));
                }
                Err(failure) => {
                    self.lab.problem(&*experiment.bundle.name, format!("records.jsonl: {}", failure.message));
                }
            }
        }
    }

    /// Takes passes until there are none.
    async fn work(self, member: &Member, experiment: &Experiment) {
        let number = member.number;
        let mut lost = 0;
        loop {
            let next = self.pool.try_update_value(|pool| pool.take(number, now())).unwrap_or(Next::End);
            let hashes = match next {
                Next::Pass(hashes) => hashes,
                Next::Wait => {
                    self.says(number, "waits");
                    sleep(AGAIN).await;
                    continue;
                }
                Next::End => break,
            };
            // Another tab may be at the same runs, or have done them since they were planned.
            let Some(_claims) = claim(&hashes).await else {
                self.pool.update_value(|pool| pool.put_off(number));
                self.says(number, "waits for another tab");
                sleep(AGAIN).await;
                continue;
            };
            self.recall(hashes.iter()).await;
            let hashes: Vec<String> = hashes.into_iter().filter(|hash| !self.is_done(hash)).collect();
            if hashes.is_empty() {
                self.pool.update_value(|pool| pool.done_elsewhere(number));
                self.sum_up();
                continue;
            }
            self.says(number, &self.described(&hashes));
            self.live.update(|live| live.extend(hashes.iter().map(|hash| (hash.clone(), Default::default()))));
            let ask = RunExperiment { hashes: hashes.clone(), records: self.beside(experiment, &hashes) };
            let places = hashes.clone();
            let answer = self
                .called(member, ask, move |progress| {
                    let (Some(point), Some(rate)) = (progress.point, progress.rate) else { return };
                    let Some(hash) = places.get(progress.run) else { return };
                    self.live.update(|live| live.entry(hash.clone()).or_default().hear(rate, point));
                })
                .await;
            match answer {
                Ok(runs) => {
                    self.take_in(runs).await;
                    self.pool.update_value(|pool| pool.finish(number, now()));
                    lost = 0;
                }
                Err(failure) => {
                    let why = match failure.kind {
                        FailureKind::Cancelled => GaveBack::Stopped,
                        FailureKind::WorkerLost => GaveBack::Lost(failure.message),
                        _ => GaveBack::Failed(failure.message),
                    };
                    let failed = self.pool.try_update_value(|pool| pool.give_back(number, why)).unwrap_or_default();
                    self.failed.update(|all| all.extend(failed));
                }
            }
            self.live.update(|live| live.retain(|hash, _| !hashes.contains(hash)));
            self.reckon();
            // A pass that took its worker down is tried in parts by the next; somewhere that ends.
            if member.gone.get() {
                lost += 1;
                if lost > LOST_IN_A_ROW {
                    break;
                }
                member.start_again();
            }
        }
        self.says(number, "has nothing left to do");
    }

    /// Keeps finished runs, here and in the browser, and why others have failed.
    async fn take_in(self, runs: ExperimentRuns) {
        self.failed.update(|failed| failed.extend(runs.failed));
        for run in &runs.finished {
            if let Err(line) = self.keep_run(run).await {
                self.lab.problem(STORAGE, line);
            }
        }
        self.records.update(|records| {
            for run in runs.finished {
                // A record is never written over.
                records.entry(run.record.hash.clone()).or_insert_with(|| Arc::new(run));
            }
        });
        self.sum_up();
    }

    /// The records of the same episodes, which a choice among runs looks at.
    fn beside(self, experiment: &Experiment, hashes: &[String]) -> Vec<String> {
        let now = self.named(&experiment.bundle.name);
        let Some(now) = now else { return Vec::new() };
        let episode = |run: &PlannedCard| (run.plm.clone(), run.target.clone(), run.k, run.seed);
        let own: Vec<_> = now.runs().filter(|run| hashes.contains(&run.hash)).map(episode).collect();
        self.records.with_untracked(|records| {
            let same = now.runs().filter(|run| own.contains(&episode(run)));
            same.filter_map(|run| Some(records.get(&run.hash)?.line.clone())).collect()
        })
    }

    fn described(self, hashes: &[String]) -> String {
        let name = self.crew.with_untracked(|crew| crew.experiment.clone());
        self.experiments.with_untracked(|all| {
            let one = all.iter().find(|one| one.bundle.name == name);
            let run = one.and_then(|one| one.runs().find(|run| Some(&run.hash) == hashes.first()));
            match (run, hashes.len()) {
                (Some(run), 1) => format!("{} · {} · k {} · seed {}", run.method, run.target, run.k, run.seed),
                (Some(run), n) => format!("{n} runs at once · {} · k {}", run.target, run.k),
                (None, n) => words::plural(n, "run"),
            }
        })
    }

    /// Reckons the time left anew.
    pub(super) fn reckon(self) {
        let workers = self.crew.with_untracked(|crew| crew.alive);
        let left = self.pool.with_value(|pool| pool.seconds_left(workers, now()));
        self.crew.update(|crew| crew.left = left);
    }
}
