//! What the client knows and decides, without a browser: a state machine from calls and messages to [`Effect`]s.
//!
//! A worker is disposable: a panic or a lost GPU ends it. The desk then starts another and hands it again, in the
//! same order, every command that built state ([`Journal`]), so that handles come out as they were; a training
//! run that was under way goes on from its last checkpoint under the call that began it. All other open calls fail
//! with [`FailureKind::WorkerLost`]. Where worker after worker is lost, the desk starts no more, and training that came to
//! a checkpoint waits for the person to start one.

use super::journal::{Journal, in_words};
use super::runs::RunBook;
use crate::protocol::*;
use std::collections::VecDeque;
use std::rc::Rc;
use vecmap::VecMap;

/// Losses on WebGPU, with no call answered between them, after which the CPU is used.
pub(super) const GPU_LOSSES: u32 = 2;
/// Losses in a row, with no call answered between them and no training that came further, after which no further
/// worker is started by itself.
const LOSSES_IN_A_ROW: u32 = 4;
/// Times that a training run which never came to a checkpoint is begun again: the last time on the CPU.
const ATTEMPTS: u32 = GPU_LOSSES;

/// How the worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is being fetched, compiled and checked.
    Starting,
    /// It listens.
    Ready,
    /// It was lost, and another is being brought to the same state.
    Restarting {
        /// Why, in one line.
        reason: String,
    },
    /// There is none, and none will be started before [`Desk::restart`].
    Failed {
        /// Why, in one line.
        reason: String,
    },
}

/// News that belongs to no call.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// How the worker is now.
    Status(Status),
    /// The device that a worker has started on.
    Device(DeviceReport),
    /// How far what the desk asked for itself is: the start of a worker, or what is done again in another.
    Progress(Progress),
    /// Worth telling, one line.
    Notice(String),
}

/// What is to be done about a decision.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Start a worker; there is none.
    Spawn,
    /// End the worker, which may be dead already.
    Kill,
    /// Post the request of this job, to be had from [`Desk::request`].
    Send(JobId),
    /// Post a cancellation.
    Cancel(JobId),
    /// Tell whoever made the call with this id how far it is.
    Progress(JobId, Progress),
    /// Answer whoever made the call with this id.
    Finish(JobId, Box<Result<Outcome, Failure>>),
    /// Tell the page.
    Event(Event),
}

/// One request on its way.
struct Slot {
    request: Request,
    /// The call it answers; `None` for one of the desk's own, which rebuilds state.
    call: Option<JobId>,
    /// Whether that call was [`Resume`]: a run may go on under another command than it was asked for by.
    resumes: bool,
    /// The run it goes on with, by the page's handle.
    run: Option<RunId>,
    sent: bool,
    /// Whether the person wants it stopped: it is cancelled as soon as it is sent.
    cancelled: bool,
    checkpoint: Option<Checkpoint>,
    /// The furthest that a checkpoint was, in any worker.
    steps: usize,
    attempts: u32,
}

/// Where the present worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Started, not heard of yet.
    Booting,
    /// It is being handed the journal.
    Rebuilding,
    /// Calls go straight to it.
    Open,
    /// There is none.
    Closed,
}

/// The decisions of a client. Feed it calls and messages, and carry out the effects in order.
pub struct Desk {
    stage: Stage,
    device: DeviceChoice,
    running_on: Option<DeviceKind>,
    next_job: u32,
    slots: VecMap<JobId, Slot>,
    journal: Journal,
    /// What the present worker is still to be handed.
    replay: VecDeque<Rc<Command>>,
    runs: RunBook,
    gpu_losses: u32,
    losses_in_a_row: u32,
    lost_for: Option<String>,
}

impl Desk {
    /// A desk that wants `device`, and the effects that start its first worker.
    #[must_use]
    pub fn new(device: DeviceChoice) -> (Self, Vec<Effect>) {
        let desk = Self {
            stage: Stage::Booting,
            device,
            running_on: None,
            next_job: 1,
            slots: VecMap::new(),
            journal: Journal::default(),
            replay: VecDeque::new(),
            runs: RunBook::default(),
            gpu_losses: 0,
            losses_in_a_row: 0,
            lost_for: None,
        };
        (desk, vec![Effect::Spawn, Effect::Event(Event::Status(Status::Starting))])
    }

    /// A call: its id, and what is to be done. It waits where the worker does not listen yet.
    pub fn ask(&mut self, command: Command) -> (JobId, Vec<Effect>) {
        if let Command::ForgetRun(ForgetRun(forgotten)) = command {
            self.journal.forget(forgotten);
        }
        let job = self.enter(command, None);
        if let Some(slot) = self.slots.get_mut(&job) {
            slot.call = Some(job);
        }
        let effects = match self.stage {
            Stage::Open => self.send(job),
            Stage::Closed => {
                let failure = lost(self.lost_for.as_deref().unwrap_or("the engine is not running"));
                self.slots.remove(&job);
                vec![Effect::Finish(job, Box::new(Err(failure)))]
            }
            Stage::Booting | Stage::Rebuilding => Vec::new(),
        };
        (job, effects)
    }

    /// The request of a job that [`Effect::Send`] names.
    #[must_use]
    pub fn request(&self, job: JobId) -> Option<&Request> {
        self.slots.get(&job).map(|slot| &slot.request)
    }

    /// The person wants a call stopped.
    pub fn cancel(&mut self, call: JobId) -> Vec<Effect> {
        let Some((&job, slot)) = self.slots.iter_mut().find(|(_, slot)| slot.call == Some(call)) else {
            return Vec::new();
        };
        // Should the worker be lost before it answers, the next one is to hear of it too.
        slot.cancelled = true;
        if slot.sent {
            return vec![Effect::Cancel(job)];
        }
        // Training that waits for another worker is to be paused where it was, which only a worker can.
        if slot.attempts > 0 && self.stage != Stage::Closed {
            return Vec::new();
        }
        self.slots.remove(&job);
        let failure = Failure { kind: FailureKind::Cancelled, message: "Cancelled before it began.".into() };
        vec![Effect::Finish(call, Box::new(Err(failure)))]
    }

    /// The worker says something.
    pub fn hear(&mut self, message: Message) -> Vec<Effect> {
        match message {
            Message::Ready { version } => self.ready(version),
            Message::Progress { job, progress } => match self.slots.get(&job).map(|slot| slot.call) {
                Some(Some(call)) => vec![Effect::Progress(call, progress)],
                Some(None) => vec![Effect::Event(Event::Progress(progress))],
                None => Vec::new(),
            },
            Message::Checkpoint { job, checkpoint } => {
                if let Some(slot) = self.slots.get_mut(&job) {
                    if checkpoint.step > slot.steps && slot.call.is_some() {
                        slot.steps = checkpoint.step;
                        self.losses_in_a_row = 0;
                    }
                    slot.checkpoint = Some(checkpoint);
                }
                Vec::new()
            }
            Message::Done { job, outcome } => self.done(job, outcome),
            Message::Failed { job, failure } => self.fail(job, failure),
            Message::Lost { reason } => self.lose(&reason),
        }
    }

    /// A job came to nothing: by the worker's word, or because its request could not be posted.
    ///
    /// The engine counts what it makes, so after a command of the journal that failed every later handle would mean
    /// another thing than the page holds it for: the worker is given up.
    pub fn fail(&mut self, job: JobId, failure: Failure) -> Vec<Effect> {
        let Some(slot) = self.slots.remove(&job) else { return Vec::new() };
        match (slot.call, &slot.request) {
            (Some(call), _) => vec![Effect::Finish(call, Box::new(Err(failure)))],
            // No later handle hangs on a run; what it started from may have been removed since.
            (None, Request::Run { command: Command::Resume(resume), .. }) => {
                if let Some(run) = slot.run {
                    self.journal.forget(run);
                }
                let notice = format!("The run `{}` could not be brought back: {failure}", resume.train.name);
                let mut effects = vec![Effect::Event(Event::Notice(notice))];
                effects.extend(self.go_on());
                effects
            }
            (None, Request::Run { command: Command::Start(_), .. }) => {
                self.close(&format!("The engine could not start: {failure}"))
            }
            (None, Request::Run { command, .. }) => {
                self.close(&format!("{} could not be done again: {failure}", in_words(command)))
            }
            (None, Request::Cancel(_)) => Vec::new(),
        }
    }

    /// The worker is gone, by its own word or the browser's.
    pub fn lose(&mut self, reason: &str) -> Vec<Effect> {
        if self.stage == Stage::Closed {
            return Vec::new();
        }
        let never_heard = self.stage == Stage::Booting && self.journal.is_empty() && self.running_on.is_none();
        self.losses_in_a_row += 1;
        if never_heard || self.losses_in_a_row >= LOSSES_IN_A_ROW {
            return self.close(reason);
        }
        let mut effects = vec![Effect::Kill];
        // A worker that never came to choosing its device says nothing about WebGPU.
        let on_gpu = match self.running_on {
            Some(device) => device == DeviceKind::WebGpu,
            None => self.stage == Stage::Rebuilding && self.device != DeviceChoice::Cpu,
        };
        if on_gpu {
            self.gpu_losses += 1;
            if self.gpu_losses >= GPU_LOSSES {
                self.device = DeviceChoice::Cpu;
                let notice = format!("WebGPU was lost {GPU_LOSSES} times, so the engine goes on on the CPU.");
                effects.push(Effect::Event(Event::Notice(notice)));
            }
        }
        effects.extend(self.drop_open_calls(reason));
        effects.extend(self.boot(Some(reason.to_owned())));
        effects
    }

    /// Start over with a worker on `device`, brought to the present state; also after [`Status::Failed`].
    pub fn restart(&mut self, device: DeviceChoice) -> Vec<Effect> {
        self.device = device;
        self.gpu_losses = 0;
        self.losses_in_a_row = 0;
        let mut effects = vec![Effect::Kill];
        effects.extend(self.drop_open_calls("The engine was started again."));
        effects.extend(self.boot(None));
        effects
    }

    /// Ends the worker for good; open calls fail.
    pub fn shut(&mut self) -> Vec<Effect> {
        let reason = "it is not needed any more";
        let mut effects = self.close(reason);
        for (_, slot) in std::mem::take(&mut self.slots) {
            if let Some(call) = slot.call {
                effects.push(Effect::Finish(call, Box::new(Err(lost(reason)))));
            }
        }
        effects
    }

    fn boot(&mut self, reason: Option<String>) -> Vec<Effect> {
        self.stage = Stage::Booting;
        self.running_on = None;
        self.replay.clear();
        self.runs.lose_worker();
        let status = match &reason {
            Some(reason) => Status::Restarting { reason: reason.clone() },
            None => Status::Starting,
        };
        self.lost_for = reason;
        vec![Effect::Spawn, Effect::Event(Event::Status(status))]
    }

    fn close(&mut self, reason: &str) -> Vec<Effect> {
        self.stage = Stage::Closed;
        self.lost_for = Some(reason.to_owned());
        let mut effects = vec![Effect::Kill];
        effects.extend(self.drop_open_calls(reason));
        effects.push(Effect::Event(Event::Status(Status::Failed { reason: reason.to_owned() })));
        effects
    }

    /// Training that can go on is kept, what was not sent yet waits, everything else fails. Without a worker to come, only
    /// training that has a checkpoint is kept.
    fn drop_open_calls(&mut self, reason: &str) -> Vec<Effect> {
        let is_closed = self.stage == Stage::Closed;
        let mut effects = Vec::new();
        for (job, slot) in std::mem::take(&mut self.slots) {
            let Some(call) = slot.call else { continue };
            if !slot.sent && !is_closed {
                self.slots.insert(job, slot);
                continue;
            }
            let (train, before) = match slot.request {
                Request::Run { command: Command::Train(train), .. } => (Some(train), None),
                Request::Run { command: Command::Resume(resume), .. } => (Some(resume.train), resume.checkpoint),
                _ => (None, None),
            };
            // A run that is gone on with may not have come to a checkpoint of its own yet.
            let kept = || slot.run.and_then(|run| self.runs.checkpoint(run));
            let command = match (train, slot.checkpoint.or(before).or_else(kept)) {
                (Some(train), Some(checkpoint)) => Resume { train, run: None, checkpoint: Some(checkpoint) }.into(),
                (Some(train), None) if slot.attempts < ATTEMPTS && !is_closed => train.into(),
                _ => {
                    effects.push(Effect::Finish(call, Box::new(Err(lost(reason)))));
                    continue;
                }
            };
            let job = self.enter(command, Some(call));
            if let Some(again) = self.slots.get_mut(&job) {
                again.attempts = slot.attempts + 1;
                again.cancelled = slot.cancelled;
                again.resumes = slot.resumes;
                again.run = slot.run;
                again.steps = slot.steps;
            }
        }
        effects
    }

    fn ready(&mut self, version: u32) -> Vec<Effect> {
        if self.stage != Stage::Booting {
            return Vec::new();
        }
        if version != VERSION {
            return self.close(&format!(
                "The page is of build {VERSION:08x} and the engine of build {version:08x}: reload the page without its cache."
            ));
        }
        self.stage = Stage::Rebuilding;
        self.replay = self.journal.replay();
        let start = self.enter(Start { device: self.device }.into(), None);
        self.send(start)
    }

    /// Hand over the next command of the journal; after the last, the worker is open to calls.
    fn go_on(&mut self) -> Vec<Effect> {
        if self.stage != Stage::Rebuilding {
            return Vec::new();
        }
        if let Some(command) = self.replay.pop_front() {
            let job = self.enter(Command::clone(&command), None);
            return self.send(job);
        }
        self.stage = Stage::Open;
        self.lost_for = None;
        let mut effects = vec![Effect::Event(Event::Status(Status::Ready))];
        let waiting: Vec<JobId> = self.slots.iter().filter(|(_, slot)| !slot.sent).map(|(&job, _)| job).collect();
        for job in waiting {
            effects.extend(self.send(job));
        }
        effects
    }

    fn done(&mut self, job: JobId, mut outcome: Outcome) -> Vec<Effect> {
        let Some(slot) = self.slots.remove(&job) else { return Vec::new() };
        let Request::Run { command, .. } = slot.request else { return Vec::new() };
        let mut effects = Vec::new();
        if let Outcome::Start(report) = &outcome {
            self.running_on = Some(report.device);
            effects.push(Effect::Event(Event::Device(report.clone())));
        }
        if let Outcome::Train(report) | Outcome::Resume(report) = &mut outcome {
            let page = slot.run.unwrap_or_else(|| self.runs.new_handle());
            self.runs.reported(page, report.run, slot.checkpoint.as_ref());
            report.run = page;
        }
        let Some(call) = slot.call else {
            effects.extend(self.go_on());
            return effects;
        };
        self.losses_in_a_row = 0;
        self.gpu_losses = 0;
        // No run outlives the model before.
        if matches!(command, Command::OpenPlm(_)) {
            self.runs.clear();
        }
        self.journal.done(command, &outcome);
        let outcome = match outcome {
            Outcome::Train(report) if slot.resumes => Outcome::Resume(report),
            Outcome::Resume(report) if !slot.resumes => Outcome::Train(report),
            other => other,
        };
        effects.push(Effect::Finish(call, Box::new(Ok(outcome))));
        effects
    }

    fn enter(&mut self, command: Command, call: Option<JobId>) -> JobId {
        let job = JobId(self.next_job);
        self.next_job += 1;
        let (resumes, run) = match &command {
            Command::Resume(resume) => (true, resume.run),
            _ => (false, None),
        };
        let request = Request::Run { job, command };
        self.slots.insert(
            job,
            Slot {
                request,
                call,
                resumes,
                run,
                sent: false,
                cancelled: false,
                checkpoint: None,
                steps: 0,
                attempts: 0,
            },
        );
        job
    }

    fn send(&mut self, job: JobId) -> Vec<Effect> {
        let Some(slot) = self.slots.get_mut(&job) else { return Vec::new() };
        slot.sent = true;
        if let Request::Run { command, .. } = &mut slot.request {
            self.runs.translate(command);
        }
        let cancel = slot.cancelled.then_some(Effect::Cancel(job));
        std::iter::once(Effect::Send(job)).chain(cancel).collect()
    }
}

fn lost(reason: &str) -> Failure {
    Failure { kind: FailureKind::WorkerLost, message: format!("The engine was lost: {reason}") }
}

#[cfg(test)]
mod tests;
