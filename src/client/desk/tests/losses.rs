//! What is kept, given up and told when one worker after the other is lost.

use super::*;
use crate::client::pool::{GaveBack, Next, Pool, tests::run};

/// Another worker comes, and what the desk asks of it by itself is answered.
fn next_worker(desk: &mut Desk) -> Vec<Effect> {
    let effects = desk.hear(Message::Ready { version: VERSION });
    settle(desk, effects, DeviceKind::Cpu).1
}

/// The checkpoint that the last request sent among `effects` goes on from, with its job.
fn resumed(desk: &Desk, effects: &[Effect]) -> (JobId, Option<usize>) {
    let (job, _) = sent(desk, effects).last().unwrap().clone();
    let Some(Request::Run { command: Command::Resume(resume), .. }) = desk.request(job) else { panic!() };
    (job, resume.checkpoint.as_ref().map(|checkpoint| checkpoint.step))
}

#[test]
fn training_that_never_comes_to_a_checkpoint_is_given_up() {
    let mut desk = ready(DeviceKind::Cpu);
    let (call, _) = desk.ask(train().into());
    for _ in 0..ATTEMPTS {
        assert_eq!(answers(&desk.lose("gone")), []);
        let effects = next_worker(&mut desk);
        assert_eq!(sent(&desk, &effects).last().unwrap().1, "Train");
    }
    let effects = desk.lose("gone");
    assert_eq!(answers(&effects), [(call, Err(FailureKind::WorkerLost))]);
    assert_eq!(statuses(&effects), [Status::Restarting { reason: "gone".into() }], "only this call has failed");
    let effects = next_worker(&mut desk);
    assert_eq!(statuses(&effects).last(), Some(&Status::Ready));
    assert!(sent(&desk, &effects).is_empty());
}

#[test]
fn a_run_of_an_experiment_that_loses_the_gpu_is_tried_on_the_cpu() {
    let mut desk = ready(DeviceKind::WebGpu);
    let mut pool = Pool::new(&[run("a", &[])], &[], |_| false);
    let (mut tried, mut failed) = (vec![], vec![]);
    while let Next::Pass(hashes) = pool.take(0, 0.0) {
        tried.push(desk.device);
        let (call, _) = desk.ask(RunExperiment { hashes, records: vec![] }.into());
        assert_eq!(answers(&desk.lose("gone")), [(call, Err(FailureKind::WorkerLost))]);
        failed = pool.give_back(0, GaveBack::Lost("gone".into()));
        let device = if desk.device == DeviceChoice::Cpu { DeviceKind::Cpu } else { DeviceKind::WebGpu };
        let effects = desk.hear(Message::Ready { version: VERSION });
        settle(&mut desk, effects, device);
    }
    assert_eq!(tried, [DeviceChoice::Auto, DeviceChoice::Auto, DeviceChoice::Cpu]);
    assert_eq!(failed, [("a".to_owned(), "gone".to_owned())]);
}

#[test]
fn training_that_comes_further_may_lose_any_number_of_workers() {
    let mut desk = ready(DeviceKind::Cpu);
    let (call, _) = desk.ask(train().into());
    let mut job = call;
    for step in 1..=2 * LOSSES_IN_A_ROW as usize {
        desk.hear(Message::Checkpoint { job, checkpoint: checkpoint(step) });
        let effects = desk.lose("gone");
        assert_eq!((answers(&effects).len(), statuses(&effects).len(), desk.stage.clone()), (0, 1, Stage::Booting));
        let effects = next_worker(&mut desk);
        let (next, from) = resumed(&desk, &effects);
        assert_eq!(from, Some(step));
        job = next;
    }
    // The same step over and over again is no further; one worker was lost since the last.
    for loss in 2..=LOSSES_IN_A_ROW {
        desk.hear(Message::Checkpoint { job, checkpoint: checkpoint(8) });
        let effects = desk.lose("gone");
        assert_eq!(desk.stage == Stage::Closed, loss == LOSSES_IN_A_ROW, "loss {loss}");
        assert_eq!(answers(&effects), []);
        if loss < LOSSES_IN_A_ROW {
            let effects = next_worker(&mut desk);
            job = resumed(&desk, &effects).0;
        }
    }
}

/// A desk that has lost too many workers, with a training under way that has a checkpoint at step 3 and an episode to
/// draw, by their calls.
fn closed() -> (Desk, JobId, JobId, Vec<Effect>) {
    let mut desk = ready(DeviceKind::Cpu);
    ask_and_finish(&mut desk, plm());
    let (call, _) = desk.ask(train().into());
    desk.hear(Message::Checkpoint { job: call, checkpoint: checkpoint(3) });
    desk.lose("gone");
    for _ in 2..LOSSES_IN_A_ROW {
        desk.lose("gone before it was brought to the same state");
    }
    let (waiting, _) = desk.ask(open());
    let effects = desk.lose("gone for good");
    (desk, call, waiting, effects)
}

#[test]
fn training_with_a_checkpoint_waits_for_a_worker_that_the_person_starts() {
    let (mut desk, call, waiting, effects) = closed();
    assert_eq!(answers(&effects), [(waiting, Err(FailureKind::WorkerLost))]);
    assert_eq!(statuses(&effects), [Status::Failed { reason: "gone for good".into() }]);
    assert_eq!(answers(&desk.restart(DeviceChoice::Auto)), []);
    let effects = next_worker(&mut desk);
    let (job, from) = resumed(&desk, &effects);
    assert_eq!(from, Some(3));
    let effects = desk.hear(Message::Done { job, outcome: Outcome::Resume(run_report(RunStatus::Finished)) });
    assert_eq!(answers(&effects), [(call, Ok(()))]);
}

#[test]
fn training_that_waits_for_the_person_can_be_cancelled_and_ends_with_the_desk() {
    let (mut desk, call, ..) = closed();
    assert_eq!(answers(&desk.cancel(call)), [(call, Err(FailureKind::Cancelled))]);
    assert_eq!(answers(&desk.shut()), []);
    let (mut desk, call, ..) = closed();
    assert_eq!(answers(&desk.shut()), [(call, Err(FailureKind::WorkerLost))]);
}

#[test]
fn a_pause_outlives_the_worker_that_was_asked_for_it() {
    let mut desk = ready(DeviceKind::Cpu);
    let (call, _) = desk.ask(train().into());
    desk.hear(Message::Checkpoint { job: call, checkpoint: checkpoint(3) });
    assert!(matches!(desk.cancel(call)[..], [Effect::Cancel(job)] if job == call));
    for _ in 0..2 {
        assert_eq!(answers(&desk.lose("gone before it answered")), []);
        let effects = next_worker(&mut desk);
        let (job, from) = resumed(&desk, &effects);
        assert_eq!(from, Some(3));
        assert!(matches!(effects.last(), Some(Effect::Cancel(cancelled)) if *cancelled == job), "{effects:?}");
    }
}

#[test]
fn a_model_takes_the_checkpoints_of_the_one_before_with_it() {
    let mut desk = ready(DeviceKind::Cpu);
    let run = trained(&mut desk, RunStatus::Paused);
    assert_eq!(desk.runs.checkpoint(run).unwrap().step, 4);
    ask_and_finish(&mut desk, plm());
    assert_eq!(desk.runs.checkpoint(run), None);
}

#[test]
fn files_that_nothing_was_made_of_are_not_read_again() {
    let mut desk = ready(DeviceKind::Cpu);
    let (job, _) = desk.ask(open());
    let problem = Problem { path: "photo.jpg".into(), message: "of no use here".into() };
    let nothing = Opened { problems: vec![problem], ..Opened::default() };
    desk.hear(Message::Done { job, outcome: Outcome::Open(nothing) });
    assert_eq!(desk.journal.replay().len(), 0);
    ask_and_finish(&mut desk, open());
    assert_eq!(desk.journal.replay().len(), 1);
}

#[test]
fn a_replay_holds_what_the_journal_holds() {
    let mut desk = ready(DeviceKind::Cpu);
    ask_and_finish(&mut desk, open());
    desk.lose("gone");
    desk.hear(Message::Ready { version: VERSION });
    assert!(std::rc::Rc::ptr_eq(&desk.replay[0], &desk.journal.replay()[0]));
}

#[test]
fn a_start_that_fails_is_told_as_such() {
    let (mut desk, _) = Desk::new(DeviceChoice::WebGpu);
    let effects = desk.hear(Message::Ready { version: VERSION });
    let job = sent(&desk, &effects)[0].0;
    let failure = Failure { kind: FailureKind::Input, message: "this browser has no WebGPU".into() };
    let effects = desk.hear(Message::Failed { job, failure });
    insta::assert_snapshot!(
        match &statuses(&effects)[..] { [Status::Failed { reason }] => reason.clone(), other => format!("{other:?}") },
        @"The engine could not start: this browser has no WebGPU"
    );
}

#[test]
fn only_a_worker_that_was_on_webgpu_or_chose_its_device_counts_against_it() {
    let counted = |device: DeviceChoice, chosen: Option<DeviceKind>| {
        let (mut desk, _) = Desk::new(device);
        let effects = desk.hear(Message::Ready { version: VERSION });
        if let Some(kind) = chosen {
            settle(&mut desk, effects, kind);
        }
        desk.lose("gone");
        desk.gpu_losses
    };
    assert_eq!(counted(DeviceChoice::Auto, Some(DeviceKind::WebGpu)), 1);
    assert_eq!(counted(DeviceChoice::Auto, Some(DeviceKind::Cpu)), 0);
    assert_eq!(counted(DeviceChoice::Auto, None), 1, "its self-test may be what ended it");
    assert_eq!(counted(DeviceChoice::Cpu, None), 0);

    let mut desk = ready(DeviceKind::Cpu);
    ask_and_finish(&mut desk, plm());
    desk.lose("gone");
    desk.lose("the next one never came up");
    assert_eq!((desk.stage, desk.gpu_losses), (Stage::Booting, 0));
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
