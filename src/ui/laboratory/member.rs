//! One worker of the laboratory: started, brought to the state of an experiment, asked.

use super::Laboratory;
use crate::client::pool::Pool;
use crate::client::{Client, Event, Status as WorkerStatus, answer};
use crate::protocol::*;
use crate::ui::browser::now;
use crate::ui::state::laboratory::Experiment;
use crate::ui::state::laboratory::score::Scoring;
use crate::ui::state::words;
use leptos::prelude::*;
use std::cell::Cell;
use std::rc::Rc;

/// The number of the worker that is none of the crew: it answers questions beside the runs.
pub(super) const READER: usize = usize::MAX;

/// A worker of an experiment.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) number: usize,
    pub(super) client: Client,
    pub(super) choice: DeviceChoice,
    /// Whether no further worker will be started in its place.
    pub(super) gone: Rc<Cell<bool>>,
}

impl Member {
    /// Starts another in its place all the same, brought to the same state.
    pub(super) fn start_again(&self) {
        self.gone.set(false);
        self.client.restart(self.choice);
    }
}

/// What a worker has loaded of an experiment, in the file's order.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) adapters: Vec<AdapterId>,
    /// Train, and test where there is one.
    pub(super) targets: Vec<(DataId, Option<DataId>)>,
}

impl Laboratory {
    pub(super) fn member(self, number: usize) -> Member {
        let gone = Rc::new(Cell::new(false));
        let choice = match self.lab.device.with_untracked(|device| device.as_ref().map(|device| device.device)) {
            Some(DeviceKind::WebGpu) => DeviceChoice::WebGpu,
            _ => DeviceChoice::Cpu,
        };
        let told = gone.clone();
        let client = Client::new(choice, move |event| match event {
            Event::Status(WorkerStatus::Failed { .. }) => told.set(true),
            Event::Notice(line) => self.lab.inform("laboratory", line),
            Event::Status(_) | Event::Device(_) | Event::Progress(_) => {}
        });
        Member { number, client, choice, gone }
    }

    /// Loads the PLM, the adapters and the data, and plans.
    pub(super) async fn prepare(
        self,
        member: &Member,
        experiment: &Experiment,
        plm: usize,
    ) -> Result<(Parts, ExperimentCard), Failure> {
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
                // As the command has it: what lies beside the adapter and is of no use is told, and in nobody's way.
                ([card], beside) => {
                    adapters.push(card.id);
                    if let Some(problem) = beside {
                        self.lab.inform(problem.path.clone(), problem.message.clone());
                    }
                }
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
        let parts = Parts { adapters, targets };
        let Parts { adapters, targets } = parts.clone();
        let card = self.asked(member, PlanExperiment { file: bundle.toml.clone(), plm, adapters, targets }).await?;
        Ok((parts, card))
    }

    async fn data(self, member: &Member, file: FileSource, target: &str) -> Result<DataId, Failure> {
        let opened = self.asked(member, OpenData { file, columns: None }).await;
        opened.map(|card| card.id).map_err(|mut failure| {
            if failure.kind == FailureKind::Input {
                failure.message = format!("target {target}: {}", failure.message);
            }
            failure
        })
    }

    /// Asks, so that [`Laboratory::cancel`] finds the job.
    pub(super) async fn asked<A: Ask>(self, member: &Member, ask: A) -> Result<A::Answer, Failure> {
        let answer = self.called(member, ask, |_| {}).await?;
        let is_stopped = match member.number {
            READER => self.scoring.with_untracked(|scoring| scoring.as_ref().is_some_and(|one| one.stopping)),
            _ => self.pool.with_value(Pool::is_stopped),
        };
        // It may have been done before it heard that it should stop; nothing is built upon it.
        if is_stopped {
            return Err(Failure { kind: FailureKind::Cancelled, message: "It was stopped.".into() });
        }
        Ok(answer)
    }

    /// [`Laboratory::asked`], with its progress.
    pub(super) async fn called<A: Ask>(
        self,
        member: &Member,
        ask: A,
        on_progress: impl Fn(Progress) + 'static,
    ) -> Result<A::Answer, Failure> {
        answer::<A>(self.posted(member, ask.into(), Box::new(on_progress)).await?)
    }

    async fn posted(
        self,
        member: &Member,
        command: Command,
        on_progress: Box<dyn Fn(Progress)>,
    ) -> Result<Outcome, Failure> {
        let number = member.number;
        self.scores(number, |scoring| scoring.begin(&command, now()));
        let heard = move |progress: Progress| {
            self.scores(number, |scoring| scoring.hear(&progress));
            on_progress(progress);
        };
        let call = member.client.post(command, Rc::new(heard));
        let job = call.job();
        self.jobs.update_value(|jobs| {
            jobs.insert(number, (member.client.clone(), job));
        });
        let answer = call.await;
        self.jobs.update_value(|jobs| {
            jobs.remove(&number);
        });
        answer
    }

    /// Changes what is told of scores that are being computed, where it is the reader that has something to tell.
    pub(super) fn scores(self, number: usize, change: impl FnOnce(&mut Scoring)) {
        if number == READER {
            self.scoring.update(|scoring| {
                if let Some(scoring) = scoring {
                    change(scoring);
                }
            });
        }
    }

    /// Says what a worker is at.
    pub(super) fn says(self, number: usize, what: &str) {
        self.scores(number, |scoring| what.clone_into(&mut scoring.doing));
        self.crew.update(|crew| {
            if let Some(words) = crew.members.get_mut(number) {
                *words = what.to_owned();
            }
        });
    }
}
