//! Long jobs: asking with progress in sight, cancelling, and lists of jobs.

use super::Lab;
use crate::client::answer;
use crate::protocol::*;
use crate::ui::browser::now;
use crate::ui::state::Step;
use crate::ui::state::activities::Activity;
use crate::ui::state::progress::Meter;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;

/// A run that is going on.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its name.
    pub name: String,
    /// What it starts from.
    pub start: RunStart,
    /// Its steps so far.
    pub points: Vec<TrainPoint>,
    /// Steps in all, once known.
    pub total: Option<f64>,
}

/// A list of jobs that follow one another.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it is for.
    pub title: String,
    /// The jobs.
    pub stages: Vec<(String, Stage)>,
    /// Whether it is over.
    pub ended: bool,
}

/// How a job of a list stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// To come.
    Waiting,
    /// Going on.
    Running,
    /// Finished.
    Done,
    /// Failed or stopped.
    Stopped,
}

impl Plan {
    /// The job that goes on, from 1, and how many there are.
    #[must_use]
    pub fn at(&self) -> Option<(usize, usize)> {
        let place = self.stages.iter().position(|(_, stage)| *stage == Stage::Running)?;
        Some((place + 1, self.stages.len()))
    }
}

impl Stage {
    /// For the style sheet.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Stage::Waiting => "waiting",
            Stage::Running => "running",
            Stage::Done => "done",
            Stage::Stopped => "stopped",
        }
    }
}

impl Lab {
    /// Asks the engine for something long, with its progress in the progress line.
    pub(super) async fn work<A: Ask>(self, label: &str, step: Option<Step>, ask: A) -> Result<A::Answer, Failure> {
        answer::<A>(self.posted(label.to_owned(), step, ask.into()).await?)
    }

    async fn posted(self, label: String, step: Option<Step>, command: Command) -> Result<Outcome, Failure> {
        let meter = Meter::new(&command, now());
        let trains = matches!(command, Command::Train(_) | Command::Resume(_));
        // No progress comes before the call has been posted, which is what names the job.
        let own = Rc::new(Cell::new(None));
        let heard = own.clone();
        let on_progress = move |progress: Progress| {
            if let Some(job) = heard.get() {
                self.activities.update(|activities| activities.hear(job, &progress));
            }
            if trains && progress.phase == Phase::Train {
                self.live.update(|live| {
                    let Some(live) = live else { return };
                    live.total = Some(progress.total).filter(|total| *total > 0.0);
                    if let Some(point) = progress.point {
                        // A run that another worker took up again repeats what came after its checkpoint.
                        live.points.retain(|earlier| earlier.step < point.step);
                        live.points.push(point);
                    }
                });
            }
        };
        let call = self.client().post(command, Rc::new(on_progress));
        let job = call.job();
        own.set(Some(job));
        let activity = Activity { label, step, meter, job, stopping: false };
        self.activities.update(|activities| activities.add(activity));
        let answer = call.await;
        self.activities.update(|activities| activities.end(job));
        answer
    }

    /// Asks the engine for something short.
    pub(crate) async fn ask<A: Ask>(self, ask: A) -> Result<A::Answer, Failure> {
        self.client().call(ask).await
    }

    /// How far everything is that was set going, 0 to 1: the list of jobs where there is one, else the job.
    #[must_use]
    pub fn share(self) -> f64 {
        let starting = || self.starting.with(|meter| meter.as_ref().map_or(0.0, Meter::share));
        let own = self.activity.with(|activity| activity.as_ref().map(|activity| activity.meter.share()));
        let own = own.unwrap_or_else(starting);
        match self.plan.with(|plan| plan.as_ref().filter(|plan| !plan.ended).and_then(Plan::at)) {
            Some((place, jobs)) => (place as f64 - 1.0 + own) / jobs as f64,
            None => own,
        }
    }

    /// Stops what is going on, and what was to follow of it; files that wait behind it are read.
    pub fn cancel(self) {
        self.stop.set(true);
        if let Some(job) = self.activities.try_update(|activities| activities.stop()).flatten() {
            self.client().cancel(job);
        }
    }

    /// Does something, and tells its failure.
    pub(super) fn attempt(self, about: &str, what: impl Future<Output = Result<(), Failure>> + 'static) {
        self.attempt_boxed(about.to_owned(), Box::pin(what));
    }

    /// Compiled once, and not for every future.
    fn attempt_boxed(self, about: String, what: Pin<Box<dyn Future<Output = Result<(), Failure>>>>) {
        spawn_local(async move {
            if let Err(failure) = what.await {
                self.failed(&about, &failure);
            }
        });
    }

    /// Tells a failure, unless the person asked for it.
    pub(super) fn failed(self, about: &str, failure: &Failure) {
        match failure.kind {
            FailureKind::Cancelled => {}
            _ => self.problem(about, failure.message.clone()),
        }
    }

    /// Whether a list of jobs goes on: it is to end on the choices that it began with.
    pub fn plan_goes_on(self) -> bool {
        self.plan.with(|plan| plan.as_ref().is_some_and(|plan| !plan.ended))
    }

    /// Whether the person wants no more of what is going on.
    pub(super) fn stopped(self) -> bool {
        self.stop.get_untracked()
    }

    pub(super) fn begin(self, title: &str, stages: Vec<String>) {
        self.stop.set(false);
        self.follow.set(true);
        let stages = stages.into_iter().map(|label| (label, Stage::Waiting)).collect();
        self.plan.set(Some(Plan { title: title.to_owned(), stages, ended: false }));
    }

    pub(super) fn stage(self, at: usize, stage: Stage) {
        self.plan.update(|plan| {
            if let Some((_, now)) = plan.as_mut().and_then(|plan| plan.stages.get_mut(at)) {
                *now = stage;
            }
        });
    }

    /// Ends the list; what went wrong is told. The list stays in sight, its last state showing, where it was stopped.
    pub(super) fn end(self, about: &str, outcome: Result<(), Failure>) {
        self.plan.update(|plan| {
            if let Some(plan) = plan {
                plan.ended = true;
                for (_, stage) in &mut plan.stages {
                    if *stage == Stage::Running {
                        *stage = Stage::Stopped;
                    }
                }
            }
        });
        if let Err(failure) = outcome {
            self.failed(about, &failure);
        }
    }
}

/// A failure that the person can do something about.
pub(super) fn input(message: impl Into<String>) -> Failure {
    Failure { kind: FailureKind::Input, message: message.into() }
}
