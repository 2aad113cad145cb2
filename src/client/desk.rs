//! What the client knows and decides, without a browser: a state machine from calls and messages to [`Effect`]s.
//!
//! A worker is disposable: a panic or a lost GPU ends it. The desk then starts another and hands it again, in the
//! same order, every command that built state ([`builds_state`]), so that handles come out as they were; a training
//! run that was under way goes on from its last checkpoint under the call that began it. All other open calls fail
//! with [`FailureKind::WorkerLost`].

use super::runs::RunBook;
use crate::protocol::*;
use std::collections::VecDeque;
use vecmap::VecMap;

/// Losses on WebGPU, with no call answered between them, after which the CPU is used.
const GPU_LOSSES: u32 = 2;
/// Losses in a row, with no call answered between them, after which no further worker is started.
const LOSSES_IN_A_ROW: u32 = 3;
/// Times that a training run is taken up again without having come any further.
const ATTEMPTS: u32 = 2;

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
    /// Whether it is to be cancelled as soon as it is sent.
    cancelled: bool,
    checkpoint: Option<Checkpoint>,
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
    journal: Vec<Command>,
    replay: VecDeque<Command>,
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
            journal: Vec::new(),
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
            self.journal.retain(|before| !matches!(before, Command::Resume(of) if of.run == Some(forgotten)));
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
        let Some((&job, slot)) = self.slots.iter().find(|(_, slot)| slot.call == Some(call)) else {
            return Vec::new();
        };
        if slot.sent {
            return vec![Effect::Cancel(job)];
        }
        // Training that waits for another worker is to be paused where it was, which only a worker can.
        if slot.attempts > 0 {
            if let Some(slot) = self.slots.get_mut(&job) {
                slot.cancelled = true;
            }
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
                    slot.attempts = 0;
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
                self.journal.retain(|kept| !matches!(kept, Command::Resume(of) if of.run == slot.run));
                let notice = format!("The run `{}` could not be brought back: {failure}", resume.train.name);
                let mut effects = vec![Effect::Event(Event::Notice(notice))];
                effects.extend(self.go_on());
                effects
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
        if self.device != DeviceChoice::Cpu && self.running_on != Some(DeviceKind::Cpu) {
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
        self.close("it is not needed any more")
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
        for (_, slot) in std::mem::take(&mut self.slots) {
            if let Some(call) = slot.call {
                effects.push(Effect::Finish(call, Box::new(Err(lost(reason)))));
            }
        }
        effects.push(Effect::Event(Event::Status(Status::Failed { reason: reason.to_owned() })));
        effects
    }

    /// Training that can go on is kept, what was not sent yet waits, everything else fails.
    fn drop_open_calls(&mut self, reason: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (_, mut slot) in std::mem::take(&mut self.slots) {
            let Some(call) = slot.call else { continue };
            if !slot.sent {
                self.slots.insert(job_of(&slot.request), slot);
                continue;
            }
            let asked = match &slot.request {
                Request::Run { command: Command::Train(train), .. } => Some(train.clone()),
                Request::Run { command: Command::Resume(resume), .. } => Some(resume.train.clone()),
                _ => None,
            };
            match asked {
                Some(train) if slot.attempts < ATTEMPTS => {
                    let before = match &slot.request {
                        Request::Run { command: Command::Resume(resume), .. } => resume.checkpoint.clone(),
                        _ => None,
                    };
                    // A run that is gone on with may not have come to a checkpoint of its own yet.
                    let kept = slot.run.and_then(|run| self.runs.checkpoint(run));
                    let command = match slot.checkpoint.take().or(before).or(kept) {
                        Some(checkpoint) => Resume { train, run: None, checkpoint: Some(checkpoint) }.into(),
                        None => train.into(),
                    };
                    let job = self.enter(command, Some(call));
                    if let Some(again) = self.slots.get_mut(&job) {
                        again.attempts = slot.attempts + 1;
                        again.resumes = slot.resumes;
                        again.run = slot.run;
                    }
                }
                _ => effects.push(Effect::Finish(call, Box::new(Err(lost(reason))))),
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
        self.replay = self.journal.iter().cloned().collect();
        self.replay.push_front(Start { device: self.device }.into());
        self.go_on()
    }

    /// Hand over the next command of the journal; after the last, the worker is open to calls.
    fn go_on(&mut self) -> Vec<Effect> {
        if self.stage != Stage::Rebuilding {
            return Vec::new();
        }
        if let Some(command) = self.replay.pop_front() {
            let job = self.enter(command, None);
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
        match &outcome {
            // Its checkpoint is put in when it is sent again.
            Outcome::Train(report) | Outcome::Resume(report) if report.status != RunStatus::Paused => {
                let resume = Resume { train: report.asked.clone(), run: Some(report.run), checkpoint: None };
                self.journal.push(resume.into());
            }
            _ if builds_state(&command) => {
                self.journal.retain(|before| !ends(&command, before));
                // Nothing was built upon a model that the next one follows at once.
                while matches!((&command, self.journal.last()), (Command::OpenPlm(_), Some(Command::OpenPlm(_)))) {
                    self.journal.pop();
                }
                self.journal.push(command);
            }
            _ => {}
        }
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
            Slot { request, call, resumes, run, sent: false, cancelled: false, checkpoint: None, attempts: 0 },
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

/// Whether later commands depend on this one having been carried out.
fn builds_state(command: &Command) -> bool {
    matches!(
        command,
        Command::OpenPlm(_)
            | Command::Open(_)
            | Command::OpenData(_)
            | Command::EditAdapter(_)
            | Command::RemoveAdapter(_)
            | Command::Merge(_)
            | Command::PlanExperiment(_)
    )
}

/// Whether nothing is left in the engine of what `before` did once `command` is done: an experiment takes the place of
/// the one before, and a model that of both experiment and runs.
fn ends(command: &Command, before: &Command) -> bool {
    match command {
        Command::PlanExperiment(_) => matches!(before, Command::PlanExperiment(_)),
        Command::OpenPlm(_) => matches!(before, Command::PlanExperiment(_) | Command::Resume(_)),
        _ => false,
    }
}

/// What a command of the journal does, to begin a sentence with.
fn in_words(command: &Command) -> String {
    match command {
        Command::Start(_) => "The start of the engine".into(),
        Command::OpenPlm(open) => format!("Loading the model `{}`", open.name),
        Command::Open(open) => match &open.files[..] {
            [FileSource::Bytes(file)] => format!("Reading {}", file.path),
            files => format!("Reading {} files", files.len()),
        },
        Command::OpenData(open) => format!("Reading {}", open.file.path),
        Command::EditAdapter(_) => "The change of an adapter".into(),
        Command::RemoveAdapter(_) => "Removing an adapter".into(),
        Command::Merge(_) => "A merge".into(),
        Command::PlanExperiment(_) => "The plan of the experiment".into(),
        Command::Resume(resume) => format!("The run `{}`", resume.train.name),
        _ => "A command".into(),
    }
}

fn job_of(request: &Request) -> JobId {
    match request {
        Request::Run { job, .. } | Request::Cancel(job) => *job,
    }
}

fn lost(reason: &str) -> Failure {
    Failure { kind: FailureKind::WorkerLost, message: format!("The engine was lost: {reason}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(device: DeviceKind) -> Outcome {
        Outcome::Start(DeviceReport {
            device,
            adapter: String::new(),
            reason: String::new(),
            self_test: None,
            max_binding_bytes: None,
            methods: vec![],
            compared: vec![],
            engine: "mera".into(),
        })
    }

    fn plm() -> Command {
        OpenPlm { name: "tiny".into(), files: vec![] }.into()
    }

    fn open() -> Command {
        Open { files: vec![] }.into()
    }

    fn train() -> Train {
        Train {
            name: "run".into(),
            start: RunStart::HeadOnly,
            episode: EpisodeSpec { data: DataId(0), test: None, test_rows: None, k: 4, seed: 13, max_length: 64 },
            settings: TrainSettings::default(),
        }
    }

    fn run_report(status: RunStatus) -> RunReport {
        RunReport {
            run: RunId(5),
            asked: train(),
            status,
            curve: vec![],
            best_epoch: 0,
            dev: None,
            test: None,
            confusion: Matrix::default(),
            labels: vec![],
            predictions: vec![],
            trainable_parameters: 0,
            inference_parameters: 0,
            seconds: 0.0,
            seconds_per_step: 0.0,
        }
    }

    fn checkpoint(step: usize) -> Checkpoint {
        Checkpoint { run: RunId(5), step, bytes: vec![step as u8] }
    }

    /// The names of what was sent among `effects`, with their jobs.
    fn sent(desk: &Desk, effects: &[Effect]) -> Vec<(JobId, String)> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Send(job) => match desk.request(*job)? {
                    Request::Run { command, .. } => {
                        let name = format!("{command:?}");
                        Some((*job, name.split(['(', ' ']).next()?.to_owned()))
                    }
                    Request::Cancel(_) => None,
                },
                _ => None,
            })
            .collect()
    }

    fn answers(effects: &[Effect]) -> Vec<(JobId, Result<(), FailureKind>)> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Finish(job, result) => Some((*job, result.as_ref().as_ref().map(|_| ()).map_err(|f| f.kind))),
                _ => None,
            })
            .collect()
    }

    fn statuses(effects: &[Effect]) -> Vec<Status> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Event(Event::Status(status)) => Some(status.clone()),
                _ => None,
            })
            .collect()
    }

    /// Answers whatever the desk sends by itself until it sends nothing more; what was sent, in order.
    fn settle(desk: &mut Desk, mut effects: Vec<Effect>, device: DeviceKind) -> (Vec<String>, Vec<Effect>) {
        let (mut names, mut all) = (vec![], effects.clone());
        loop {
            let now: Vec<_> = sent(desk, &effects);
            let own: Vec<_> =
                now.into_iter().filter(|(job, _)| desk.slots.get(job).is_some_and(|s| s.call.is_none())).collect();
            let Some((job, name)) = own.into_iter().next() else { return (names, all) };
            let outcome = match name.as_str() {
                "Start" => report(device),
                "OpenPlm" => Outcome::RemoveAdapter(()),
                _ => Outcome::Open(Opened::default()),
            };
            names.push(name);
            effects = desk.hear(Message::Done { job, outcome });
            all.extend(effects.clone());
        }
    }

    fn ready(device: DeviceKind) -> Desk {
        let (mut desk, _) = Desk::new(DeviceChoice::Auto);
        let effects = desk.hear(Message::Ready { version: VERSION });
        settle(&mut desk, effects, device);
        assert_eq!(desk.stage, Stage::Open);
        desk
    }

    fn ask_and_finish(desk: &mut Desk, command: Command) {
        let (job, _) = desk.ask(command);
        desk.hear(Message::Done { job, outcome: Outcome::Open(Opened::default()) });
    }

    #[test]
    fn calls_wait_until_the_device_is_chosen() {
        let (mut desk, _) = Desk::new(DeviceChoice::Auto);
        let (job, effects) = desk.ask(plm());
        assert!(effects.is_empty());
        let effects = desk.hear(Message::Ready { version: VERSION });
        assert_eq!(sent(&desk, &effects)[0].1, "Start");
        let start = sent(&desk, &effects)[0].0;
        let effects = desk.hear(Message::Done { job: start, outcome: report(DeviceKind::Cpu) });
        assert_eq!(statuses(&effects), [Status::Ready]);
        assert_eq!(sent(&desk, &effects), [(job, "OpenPlm".to_owned())]);
    }

    #[test]
    fn a_call_that_was_not_sent_is_cancelled_at_once() {
        let (mut desk, _) = Desk::new(DeviceChoice::Auto);
        let (job, _) = desk.ask(plm());
        assert_eq!(answers(&desk.cancel(job)), [(job, Err(FailureKind::Cancelled))]);
        let effects = desk.hear(Message::Ready { version: VERSION });
        let (names, _) = settle(&mut desk, effects, DeviceKind::Cpu);
        assert_eq!(names, ["Start"]);
    }

    #[test]
    fn another_worker_gets_the_journal_in_order() {
        let mut desk = ready(DeviceKind::Cpu);
        ask_and_finish(&mut desk, plm());
        ask_and_finish(&mut desk, open());
        ask_and_finish(&mut desk, Tokenize { text1: String::new(), text2: None }.into());
        ask_and_finish(&mut desk, EditAdapter { id: AdapterId(1), name: None, track: None }.into());
        let (asked, _) = desk.ask(Tokenize { text1: String::new(), text2: None }.into());
        let effects = desk.hear(Message::Lost { reason: "unreachable".into() });
        assert_eq!(answers(&effects), [(asked, Err(FailureKind::WorkerLost))]);
        assert_eq!(statuses(&effects), [Status::Restarting { reason: "unreachable".into() }]);
        let effects = desk.hear(Message::Ready { version: VERSION });
        let (names, effects) = settle(&mut desk, effects, DeviceKind::Cpu);
        assert_eq!(names, ["Start", "OpenPlm", "Open", "EditAdapter"]);
        assert_eq!(statuses(&effects), [Status::Ready]);
    }

    #[test]
    fn what_failed_or_was_cancelled_is_not_replayed() {
        let mut desk = ready(DeviceKind::Cpu);
        let (job, _) = desk.ask(open());
        let failure = Failure { kind: FailureKind::Cancelled, message: String::new() };
        assert_eq!(answers(&desk.hear(Message::Failed { job, failure })), [(job, Err(FailureKind::Cancelled))]);
        desk.lose("gone");
        let effects = desk.hear(Message::Ready { version: VERSION });
        assert_eq!(settle(&mut desk, effects, DeviceKind::Cpu).0, ["Start"]);
    }

    #[test]
    fn what_cannot_be_done_again_ends_the_worker() {
        let mut desk = ready(DeviceKind::Cpu);
        ask_and_finish(&mut desk, plm());
        ask_and_finish(&mut desk, open());
        desk.lose("gone");
        let effects = desk.hear(Message::Ready { version: VERSION });
        let start = sent(&desk, &effects)[0].0;
        let effects = desk.hear(Message::Done { job: start, outcome: report(DeviceKind::Cpu) });
        let (job, name) = sent(&desk, &effects)[0].clone();
        assert_eq!(name, "OpenPlm");
        let (waiting, _) = desk.ask(open());
        let failure = Failure { kind: FailureKind::Input, message: "the hub does not answer".into() };
        let effects = desk.hear(Message::Failed { job, failure });
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Kill)));
        assert_eq!(answers(&effects), [(waiting, Err(FailureKind::WorkerLost))]);
        assert_eq!(sent(&desk, &effects), []);
        insta::assert_snapshot!(
            match &statuses(&effects)[..] { [Status::Failed { reason }] => reason.clone(), other => format!("{other:?}") },
            @"Loading the model `tiny` could not be done again: the hub does not answer"
        );
        assert_eq!(statuses(&desk.restart(DeviceChoice::Auto)), [Status::Starting]);
    }

    #[test]
    fn training_goes_on_from_its_checkpoint_under_the_same_call() {
        let mut desk = ready(DeviceKind::Cpu);
        let (call, _) = desk.ask(train().into());
        desk.hear(Message::Checkpoint { job: call, checkpoint: checkpoint(3) });
        desk.hear(Message::Checkpoint { job: call, checkpoint: checkpoint(6) });
        assert_eq!(answers(&desk.lose("gone")), []);
        let effects = desk.hear(Message::Ready { version: VERSION });
        let (_, effects) = settle(&mut desk, effects, DeviceKind::Cpu);
        let jobs = sent(&desk, &effects);
        let (job, name) = jobs.last().unwrap();
        assert_eq!(name, "Resume");
        let Some(Request::Run { command: Command::Resume(resume), .. }) = desk.request(*job) else { panic!() };
        assert_eq!(resume.checkpoint.as_ref().unwrap().step, 6);
        let job = *job;
        let effects = desk.hear(Message::Done { job, outcome: Outcome::Resume(run_report(RunStatus::Finished)) });
        assert_eq!(answers(&effects), [(call, Ok(()))]);
        let Effect::Finish(_, result) = &effects[0] else { panic!() };
        assert!(matches!(**result, Ok(Outcome::Train(_))), "the call was Train, so its answer is Train's");
    }

    #[test]
    fn training_that_is_paused_while_no_worker_listens_is_paused_by_the_next() {
        let mut desk = ready(DeviceKind::Cpu);
        let (call, _) = desk.ask(train().into());
        desk.hear(Message::Checkpoint { job: call, checkpoint: checkpoint(3) });
        desk.lose("gone");
        assert!(desk.cancel(call).is_empty(), "its steps are not thrown away");
        let effects = desk.hear(Message::Ready { version: VERSION });
        let (_, effects) = settle(&mut desk, effects, DeviceKind::Cpu);
        let (job, name) = sent(&desk, &effects).last().unwrap().clone();
        assert_eq!(name, "Resume");
        assert!(matches!(effects.last(), Some(Effect::Cancel(cancelled)) if *cancelled == job));
    }

    #[test]
    fn a_run_that_is_gone_on_with_keeps_the_steps_before() {
        let mut desk = ready(DeviceKind::Cpu);
        let run = trained(&mut desk, RunStatus::Paused);
        desk.ask(Resume { train: train(), run: Some(run), checkpoint: None }.into());
        desk.lose("gone before it came to a checkpoint of its own");
        let effects = desk.hear(Message::Ready { version: VERSION });
        let (_, effects) = settle(&mut desk, effects, DeviceKind::Cpu);
        let job = sent(&desk, &effects).last().unwrap().0;
        let Some(Request::Run { command: Command::Resume(resume), .. }) = desk.request(job) else { panic!() };
        assert_eq!(resume.checkpoint.as_ref().unwrap().step, 4);
    }

    #[test]
    fn a_run_that_cannot_be_brought_back_costs_nothing_else() {
        let mut desk = ready(DeviceKind::Cpu);
        let (job, _) = desk.ask(train().into());
        desk.hear(Message::Done { job, outcome: Outcome::Train(run_report(RunStatus::Finished)) });
        ask_and_finish(&mut desk, open());
        desk.lose("gone");
        let effects = desk.hear(Message::Ready { version: VERSION });
        let start = sent(&desk, &effects)[0].0;
        let effects = desk.hear(Message::Done { job: start, outcome: report(DeviceKind::Cpu) });
        let job = sent(&desk, &effects)[0].0;
        let failure = Failure { kind: FailureKind::Input, message: "there is no adapter number 3".into() };
        let effects = desk.hear(Message::Failed { job, failure });
        let [Effect::Event(Event::Notice(line)), ..] = &effects[..] else { panic!("{effects:?}") };
        insta::assert_snapshot!(line, @"The run `run` could not be brought back: there is no adapter number 3");
        assert_eq!(settle(&mut desk, effects, DeviceKind::Cpu).0, ["Open"]);
        assert_eq!(desk.journal.len(), 1);
    }

    #[test]
    fn training_that_never_comes_further_is_given_up() {
        let mut desk = ready(DeviceKind::Cpu);
        let (call, _) = desk.ask(train().into());
        assert_eq!(answers(&desk.lose("gone")), []);
        let effects = desk.hear(Message::Ready { version: VERSION });
        settle(&mut desk, effects, DeviceKind::Cpu);
        assert_eq!(answers(&desk.lose("gone")), []);
        let effects = desk.hear(Message::Ready { version: VERSION });
        settle(&mut desk, effects, DeviceKind::Cpu);
        assert_eq!(answers(&desk.lose("gone")), [(call, Err(FailureKind::WorkerLost))]);
    }

    #[test]
    fn a_paused_run_is_resumed_with_its_checkpoint() {
        let mut desk = ready(DeviceKind::Cpu);
        let run = trained(&mut desk, RunStatus::Paused);
        desk.lose("gone");
        let effects = desk.hear(Message::Ready { version: VERSION });
        let (names, _) = settle(&mut desk, effects, DeviceKind::Cpu);
        assert_eq!(names, ["Start"], "a paused run waits until it is wanted");
        let (job, _) = desk.ask(Resume { train: train(), run: Some(run), checkpoint: None }.into());
        let Some(Request::Run { command: Command::Resume(resume), .. }) = desk.request(job) else { panic!() };
        assert_eq!(resume.checkpoint.as_ref().unwrap().step, 4);
    }

    #[test]
    fn a_finished_run_keeps_its_handle_in_another_worker() {
        let mut desk = ready(DeviceKind::Cpu);
        let run = trained(&mut desk, RunStatus::Finished);
        desk.lose("gone");
        let effects = desk.hear(Message::Ready { version: VERSION });
        let start = sent(&desk, &effects)[0].0;
        let effects = desk.hear(Message::Done { job: start, outcome: report(DeviceKind::Cpu) });
        let job = sent(&desk, &effects)[0].0;
        let Some(Request::Run { command: Command::Resume(resume), .. }) = desk.request(job) else { panic!() };
        assert_eq!((resume.run, resume.checkpoint.as_ref().unwrap().step), (None, 4));
        let there = RunReport { run: RunId(90), ..run_report(RunStatus::Finished) };
        desk.hear(Message::Done { job, outcome: Outcome::Resume(there) });
        let (job, _) = desk.ask(Export::Run(run).into());
        let Some(Request::Run { command: Command::Export(export), .. }) = desk.request(job) else { panic!() };
        assert_eq!(*export, Export::Run(RunId(90)));
    }

    /// A run with a checkpoint at step 4, brought to that end.
    fn trained(desk: &mut Desk, status: RunStatus) -> RunId {
        let (job, _) = desk.ask(train().into());
        desk.hear(Message::Checkpoint { job, checkpoint: checkpoint(4) });
        handle(&desk.hear(Message::Done { job, outcome: Outcome::Train(run_report(status)) }))
    }

    /// The run that an answer is about.
    fn handle(effects: &[Effect]) -> RunId {
        let of = |effect: &Effect| match effect {
            Effect::Finish(_, result) => match result.as_ref() {
                Ok(Outcome::Train(report) | Outcome::Resume(report)) => Some(report.run),
                _ => None,
            },
            _ => None,
        };
        effects.iter().find_map(of).unwrap()
    }

    #[test]
    fn a_forgotten_run_is_not_trained_again() {
        let mut desk = ready(DeviceKind::Cpu);
        let finished = |desk: &mut Desk, worker| {
            let (job, _) = desk.ask(train().into());
            let report = RunReport { run: RunId(worker), ..run_report(RunStatus::Finished) };
            handle(&desk.hear(Message::Done { job, outcome: Outcome::Train(report) }))
        };
        let (kept, forgotten) = (finished(&mut desk, 5), finished(&mut desk, 6));
        let (job, _) = desk.ask(ForgetRun(forgotten).into());
        let Some(Request::Run { command: Command::ForgetRun(sent), .. }) = desk.request(job) else { panic!() };
        assert_eq!(*sent, ForgetRun(RunId(6)), "under the worker's handle");
        desk.hear(Message::Done { job, outcome: Outcome::ForgetRun(()) });
        let again: Vec<_> =
            desk.journal.iter().map(|command| matches!(command, Command::Resume(of) if of.run == Some(kept))).collect();
        assert_eq!(again, [true]);
    }

    #[test]
    fn a_model_takes_the_place_of_what_hung_on_the_one_before() {
        let mut desk = ready(DeviceKind::Cpu);
        ask_and_finish(&mut desk, plm());
        let (job, _) = desk.ask(train().into());
        desk.hear(Message::Done { job, outcome: Outcome::Train(run_report(RunStatus::Finished)) });
        ask_and_finish(&mut desk, plm());
        ask_and_finish(&mut desk, open());
        ask_and_finish(&mut desk, plm());
        desk.lose("gone");
        let effects = desk.hear(Message::Ready { version: VERSION });
        // What was opened with the second model may have needed it.
        assert_eq!(settle(&mut desk, effects, DeviceKind::Cpu).0, ["Start", "OpenPlm", "Open", "OpenPlm"]);
    }

    #[test]
    fn the_start_of_a_worker_is_told() {
        let (mut desk, _) = Desk::new(DeviceChoice::Auto);
        let effects = desk.hear(Message::Ready { version: VERSION });
        let job = sent(&desk, &effects)[0].0;
        let progress = Progress { phase: Phase::SelfTest, done: 1.0, total: 2.0, point: None, run: 0, rate: None };
        let effects = desk.hear(Message::Progress { job, progress: progress.clone() });
        assert!(matches!(&effects[..], [Effect::Event(Event::Progress(told))] if *told == progress));
    }

    #[test]
    fn two_losses_on_webgpu_lead_to_the_cpu() {
        let mut desk = ready(DeviceKind::WebGpu);
        for expected in [DeviceChoice::Auto, DeviceChoice::Cpu] {
            desk.lose("device lost");
            let effects = desk.hear(Message::Ready { version: VERSION });
            let (start, _) = sent(&desk, &effects)[0].clone();
            let Some(Request::Run { command: Command::Start(asked), .. }) = desk.request(start) else { panic!() };
            assert_eq!(asked.device, expected);
            settle(&mut desk, effects, DeviceKind::WebGpu);
        }
    }

    #[test]
    fn a_worker_that_never_came_is_not_started_again_by_itself() {
        let (mut desk, _) = Desk::new(DeviceChoice::Auto);
        let (job, _) = desk.ask(plm());
        let effects = desk.lose("404");
        assert_eq!(answers(&effects), [(job, Err(FailureKind::WorkerLost))]);
        assert_eq!(statuses(&effects), [Status::Failed { reason: "404".into() }]);
        let (job, effects) = desk.ask(plm());
        assert_eq!(answers(&effects), [(job, Err(FailureKind::WorkerLost))]);
        assert_eq!(statuses(&desk.restart(DeviceChoice::Auto)), [Status::Starting]);
    }

    #[test]
    fn losses_without_an_answer_between_them_come_to_an_end() {
        let mut desk = ready(DeviceKind::Cpu);
        for _ in 1..LOSSES_IN_A_ROW {
            assert!(matches!(statuses(&desk.lose("gone"))[..], [Status::Restarting { .. }]));
            let effects = desk.hear(Message::Ready { version: VERSION });
            settle(&mut desk, effects, DeviceKind::Cpu);
        }
        assert!(matches!(statuses(&desk.lose("gone"))[..], [Status::Failed { .. }]));
    }

    #[test]
    fn another_version_of_the_worker_is_refused() {
        let (mut desk, _) = Desk::new(DeviceChoice::Auto);
        let effects = desk.hear(Message::Ready { version: VERSION ^ 1 });
        let [Status::Failed { reason }] = &statuses(&effects)[..] else { panic!() };
        let (page, worker) = (format!("{VERSION:08x}"), format!("{:08x}", VERSION ^ 1));
        insta::assert_snapshot!(
            reason.replace(&page, "[page]").replace(&worker, "[worker]"),
            @"The page is of build [page] and the engine of build [worker]: reload the page without its cache."
        );
    }

    #[test]
    fn the_last_planned_experiment_is_planned_again() {
        let plan = |plm| PlanExperiment { file: String::new(), plm, adapters: vec![], targets: vec![] };
        let mut desk = ready(DeviceKind::Cpu);
        ask_and_finish(&mut desk, plm());
        ask_and_finish(&mut desk, plan(0).into());
        ask_and_finish(&mut desk, plan(1).into());
        desk.lose("gone");
        let effects = desk.hear(Message::Ready { version: VERSION });
        let (names, _) = settle(&mut desk, effects, DeviceKind::Cpu);
        assert_eq!(names, ["Start", "OpenPlm", "PlanExperiment"]);
    }

    #[test]
    fn a_desk_that_is_shut_starts_nothing_more() {
        let mut desk = ready(DeviceKind::Cpu);
        let (job, _) = desk.ask(plm());
        let effects = desk.shut();
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Kill)));
        assert_eq!(answers(&effects), [(job, Err(FailureKind::WorkerLost))]);
        assert!(desk.lose("late").is_empty());
    }
}
