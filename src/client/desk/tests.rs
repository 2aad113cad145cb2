//! A desk whose worker is played by hand.

mod losses;

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

/// A data set came of it.
fn opened() -> Opened {
    let data = DataCard {
        id: DataId(0),
        name: "task".into(),
        path: String::new(),
        rows: 8,
        labels: vec![],
        pairs: false,
        track: String::new(),
    };
    Opened { data: vec![data], ..Opened::default() }
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
            _ => Outcome::Open(opened()),
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
    desk.hear(Message::Done { job, outcome: Outcome::Open(opened()) });
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
    assert_eq!(desk.journal.replay().len(), 1);
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
    let again: Vec<_> = desk
        .journal
        .replay()
        .iter()
        .map(|command| matches!(&**command, Command::Resume(of) if of.run == Some(kept)))
        .collect();
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
