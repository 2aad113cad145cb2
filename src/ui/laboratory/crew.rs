//! Workers at an experiment: each is brought to the same state and takes passes from one queue.

use super::keep::STORAGE;
use super::{Crew, Laboratory, Reader};
use crate::client::pool::{GaveBack, Next, Pool};
use crate::client::{Client, Event, Status as WorkerStatus};
use crate::protocol::*;
use crate::ui::browser::{now, sleep};
use crate::ui::state::laboratory::{Experiment, Status};
use crate::ui::state::words;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use vecmap::VecMap;

/// Milliseconds after which a worker that waits asks again.
const AGAIN: i32 = 150;

/// A worker of an experiment.
#[derive(Clone)]
struct Member {
    number: usize,
    client: Client,
    /// Whether no further worker will be started in its place.
    gone: Rc<Cell<bool>>,
}

impl Laboratory {
    /// Sets the experiment in sight going, or puts it behind those that go on.
    pub fn run(self) {
        let Some(shown) = self.shown.get_untracked() else { return };
        let name = shown.bundle.name;
        if shown.status.is_active() || shown.status == Status::Queued {
            return;
        }
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
        if self.crew.with_untracked(|crew| crew.experiment == name) {
            self.pool.update_value(Pool::stop);
            self.jobs.with_value(|jobs| jobs.values().for_each(|(client, job)| client.cancel(*job)));
            self.change(&name, |one| one.status = Status::Pausing);
        }
    }

    /// All runs of an experiment, one PLM after the other.
    async fn drive(self, name: &str) {
        self.change(name, |one| one.status = Status::Preparing);
        self.pool.set_value(Pool::default());
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
        self.crew.set(Crew { experiment: name.clone(), members: vec!["is being started".into()], left: None });
        let first = self.member(0);
        let planned = self.prepare(&first, experiment, plm).await;
        let card = match planned {
            Ok(card) => card,
            Err(failure) => {
                first.client.close();
                return Err(failure.message);
            }
        };
        self.change(&name, |one| one.plan(plm, card.clone()));
        self.keep_experiment(&name).await;
        self.recall(&card).await;
        self.adopt(&first, experiment, &card).await;
        let now = self.named(&name);
        let next = self.records.with_untracked(|records| {
            let is_done = |hash: &str| records.contains_key(hash);
            let ahead = now.map_or(0.0, |one| one.work_after(plm, is_done));
            Pool::new(&card.runs, &card.passes, is_done).followed_by(ahead)
        });
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
        self.crew.update(|crew| crew.members = vec!["is being started".into(); many]);
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
            let reader = Reader {
                experiment: name.clone(),
                plm: card.plm,
                toml: experiment.bundle.toml.clone(),
                client: first.client,
            };
            self.reader.set_value(Some(reader));
        }
        if left > 0 && first.gone.get() && !self.pool.with_value(Pool::is_stopped) {
            return Err(format!("every worker was lost; {} left to do", words::plural(left, "run")));
        }
        Ok(left == 0)
    }

    fn member(self, number: usize) -> Member {
        let gone = Rc::new(Cell::new(false));
        let choice = match self.lab.device.with_untracked(|device| device.as_ref().map(|device| device.device)) {
            Some(DeviceKind::WebGpu) => DeviceChoice::WebGpu,
            _ => DeviceChoice::Cpu,
        };
        let told = gone.clone();
        let client = Client::new(choice, move |event| match event {
            Event::Status(WorkerStatus::Failed { .. }) => told.set(true),
            Event::Notice(line) => self.lab.inform("laboratory", line),
            Event::Status(_) | Event::Device(_) => {}
        });
        Member { number, client, gone }
    }

    /// Loads the PLM, the adapters and the data, and plans.
    async fn prepare(self, member: &Member, experiment: &Experiment, plm: usize) -> Result<ExperimentCard, Failure> {
        let (bundle, sheet) = (&experiment.bundle, &experiment.sheet);
        let line = |message: String| Failure { kind: FailureKind::Input, message };
        self.says(member.number, "loads the model");
        let open = bundle.open_plm(sheet, plm, &self.served()).map_err(line)?;
        self.asked(member, open).await?;
        self.says(member.number, "loads adapters and data");
        let mut adapters = Vec::new();
        for number in 0..sheet.adapters.len() {
            let files = bundle.adapter(sheet, number, plm).map_err(line)?.into_iter().cloned().collect();
            let opened = self.asked(member, Open { files }).await?;
            let name = &sheet.adapters[number].name;
            match (opened.adapters.as_slice(), opened.problems.first()) {
                ([card], _) => adapters.push(card.id),
                (_, Some(problem)) => {
                    return Err(line(format!("adapter {name}: {}: {}", problem.path, problem.message)));
                }
                (several, None) => {
                    return Err(line(format!(
                        "adapter {name}: its files hold {}",
                        words::plural(several.len(), "adapter")
                    )));
                }
            }
        }
        let mut targets = Vec::new();
        for number in 0..sheet.targets.len() {
            let (train, test) = bundle.target(sheet, number).map_err(line)?;
            let train = self.data(member, train.clone(), &sheet.targets[number].name).await?;
            let test = match test {
                Some(test) => Some(self.data(member, test.clone(), &sheet.targets[number].name).await?),
                None => None,
            };
            targets.push((train, test));
        }
        self.says(member.number, "plans");
        self.asked(member, PlanExperiment { file: bundle.toml.clone(), plm, adapters, targets }).await
    }

    async fn data(self, member: &Member, file: FileSource, target: &str) -> Result<DataId, Failure> {
        let opened = self.asked(member, Open { files: vec![file] }).await?;
        match (opened.data.as_slice(), opened.problems.first()) {
            ([card], _) => Ok(card.id),
            (_, Some(problem)) => {
                let message = format!("target {target}: {}: {}", problem.path, problem.message);
                Err(Failure { kind: FailureKind::Input, message })
            }
            (several, None) => {
                let message = format!("target {target}: its file holds {} data sets", several.len());
                Err(Failure { kind: FailureKind::Input, message })
            }
        }
    }

    /// Asks, so that [`Laboratory::cancel`] finds the job.
    async fn asked<A: Ask>(self, member: &Member, ask: A) -> Result<A::Answer, Failure> {
        self.called(member, ask, |_| {}).await
    }

    async fn called<A: Ask>(
        self,
        member: &Member,
        ask: A,
        on_progress: impl Fn(Progress) + 'static,
    ) -> Result<A::Answer, Failure> {
        let call = member.client.call(ask, on_progress);
        let job = call.job();
        self.jobs.update_value(|jobs| {
            jobs.insert(member.number, (member.client.clone(), job));
        });
        let answer = call.await;
        self.jobs.update_value(|jobs| {
            jobs.remove(&member.number);
        });
        answer
    }

    /// Takes in the records that came with the experiment, as far as they are of its plan.
    async fn adopt(self, member: &Member, experiment: &Experiment, card: &ExperimentCard) {
        let there = |hash: &String| {
            let key = format!("\"{hash}\"");
            experiment.bundle.records.iter().find(|line| line.contains(&key)).cloned()
        };
        let open = card.runs.iter().map(|run| run.hash.clone());
        let open = open.filter(|hash| self.records.with_untracked(|records| !records.contains_key(hash)));
        let (hashes, records): (Vec<String>, Vec<String>) =
            open.filter_map(|hash| Some((hash.clone(), there(&hash)?))).unzip();
        if hashes.is_empty() {
            return;
        }
        match self.asked(member, RunExperiment { hashes, records }).await {
            Ok(runs) => self.take_in(runs).await,
            Err(failure) if failure.kind == FailureKind::Cancelled => {}
            Err(failure) => self.lab.problem(&*experiment.bundle.name, format!("records.jsonl: {}", failure.message)),
        }
    }

    /// Takes passes until there are none.
    async fn work(self, member: &Member, experiment: &Experiment) {
        let number = member.number;
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
            if member.gone.get() {
                break;
            }
        }
        self.says(number, "has nothing left to do");
    }

    /// Keeps finished runs, here and in the browser.
    async fn take_in(self, runs: Vec<FinishedRun>) {
        for run in &runs {
            if let Err(line) = self.keep_run(run).await {
                self.lab.problem(STORAGE, line);
            }
        }
        self.records.update(|records| {
            for run in runs {
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

    fn says(self, number: usize, what: &str) {
        self.crew.update(|crew| {
            if let Some(words) = crew.members.get_mut(number) {
                *words = what.to_owned();
            }
        });
    }

    /// Reckons the time left anew.
    pub(super) fn reckon(self) {
        let workers = self.crew.with_untracked(|crew| crew.members.len());
        let left = self.pool.with_value(|pool| pool.seconds_left(workers, now()));
        self.crew.update(|crew| crew.left = left);
    }

    /// Test rows of a finished run. A worker is brought up for it where none is there.
    ///
    /// # Errors
    /// One line.
    pub async fn test_rows(self, hash: String, rows: Vec<usize>) -> Result<Vec<Row>, String> {
        let shown = self.shown.get_untracked().ok_or("no experiment is in sight")?;
        let run = shown.runs().find(|run| run.hash == hash).ok_or("the run is of another experiment")?;
        let plm = shown.cards.iter().position(|card| card.plm == run.plm).unwrap_or(0);
        let fits = |reader: &Reader| {
            reader.experiment == shown.bundle.name && reader.plm == run.plm && reader.toml == shown.bundle.toml
        };
        let ready = self.reader.with_value(|reader| reader.clone().filter(fits));
        let client = match ready {
            Some(reader) => reader.client,
            None if self.driving.get_untracked() => {
                return Err("The texts can be read when the workers are done.".to_owned());
            }
            None => {
                self.dismiss_reader();
                // Not one of the crew: its number is never asked for.
                let member = Member { number: usize::MAX, ..self.member(0) };
                let client = member.client.clone();
                if let Err(failure) = self.prepare(&member, &shown, plm).await {
                    client.close();
                    return Err(failure.message);
                }
                let (experiment, toml) = (shown.bundle.name.clone(), shown.bundle.toml.clone());
                let reader = Reader { experiment, plm: run.plm.clone(), toml, client: client.clone() };
                self.reader.set_value(Some(reader));
                client
            }
        };
        let answer = client.call(ShowTestRows { hash, rows }, |_| {}).await;
        answer.map(|rows| rows.0).map_err(|failure| failure.message)
    }

    /// Whether a worker is there that can be asked for test rows.
    #[must_use]
    pub fn has_reader(self) -> bool {
        self.reader.with_value(Option::is_some)
    }

    fn dismiss_reader(self) {
        if let Some(reader) = self.reader.get_value() {
            reader.client.close();
        }
        self.reader.set_value(None);
    }
}
