//! One job after the other, and those that were asked to stop.

use super::{fetch, post, scope};
use crate::engine::{Cancelled, Engine, Observer, Ready};
use crate::protocol::{
    Checkpoint, Command, Failure, FailureKind, FileSource, JobId, Message, OpenData, Outcome, Phase, Progress, Request,
};
use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::task::{Poll, Waker};
use web_sys::{AbortController, AbortSignal};
use web_time::{Duration, Instant};

/// Requests that wait, and jobs that were asked to stop.
#[derive(Default)]
pub(super) struct Queue {
    waiting: RefCell<VecDeque<(JobId, Command)>>,
    cancelled: RefCell<HashSet<JobId>>,
    sleeper: RefCell<Option<Waker>>,
    /// Of the job under way, with what breaks off its downloads.
    current: RefCell<Option<(JobId, Option<AbortController>)>>,
}

impl Queue {
    /// Takes a request in.
    pub(super) fn receive(&self, request: Request) {
        match request {
            Request::Run { job, command } => {
                self.waiting.borrow_mut().push_back((job, command));
                if let Some(waker) = self.sleeper.borrow_mut().take() {
                    waker.wake();
                }
            }
            Request::Cancel(job) => {
                let current = self.current.borrow();
                let current = current.as_ref().filter(|(current, _)| *current == job);
                // One that has ended meanwhile has nothing to stop.
                if current.is_some() || self.waiting.borrow().iter().any(|(waiting, _)| *waiting == job) {
                    self.cancelled.borrow_mut().insert(job);
                }
                if let Some((_, Some(abort))) = current {
                    abort.abort();
                }
            }
        }
    }

    /// Does what is asked, for as long as the worker lives.
    pub(super) async fn serve(self: Rc<Self>, mut engine: Engine) {
        loop {
            let (job, command) = self.next().await;
            let abort = AbortController::new().ok();
            let signal = abort.as_ref().map(AbortController::signal);
            // Asked to stop while it waited.
            if let Some(abort) = abort.as_ref().filter(|_| self.is_cancelled(job)) {
                abort.abort();
            }
            *self.current.borrow_mut() = Some((job, abort));
            let mut observer = Reporter { queue: self.clone(), job, started: Instant::now(), last: None };
            let message = match run(&mut engine, command, signal.as_ref(), &mut observer).await {
                Ok(outcome) => Message::Done { job, outcome },
                Err(failure) => Message::Failed { job, failure },
            };
            *self.current.borrow_mut() = None;
            self.cancelled.borrow_mut().remove(&job);
            post(&message);
        }
    }

    async fn next(&self) -> (JobId, Command) {
        std::future::poll_fn(|context| match self.waiting.borrow_mut().pop_front() {
            Some(request) => Poll::Ready(request),
            None => {
                *self.sleeper.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    fn is_cancelled(&self, job: JobId) -> bool {
        self.cancelled.borrow().contains(&job)
    }
}

async fn run(
    engine: &mut Engine,
    command: Command,
    stop: Option<&AbortSignal>,
    observer: &mut Reporter,
) -> Result<Outcome, Failure> {
    let command = match command {
        Command::OpenPlm(mut open) => {
            open.files = fetch::all(open.files, stop, observer).await?;
            Command::OpenPlm(open)
        }
        Command::Open(mut open) => {
            open.files = fetch::all(open.files, stop, observer).await?;
            Command::Open(open)
        }
        Command::OpenData(OpenData { file, columns }) => {
            match <[FileSource; 1]>::try_from(fetch::all(vec![file], stop, observer).await?) {
                Ok([file]) => Command::OpenData(OpenData { file, columns }),
                Err(files) => {
                    let message = format!("a data set is one file, not {}", files.len());
                    return Err(Failure { kind: FailureKind::Input, message });
                }
            }
        }
        Command::Pack(mut pack) => {
            pack.files = fetch::all(pack.files, stop, observer).await?;
            Command::Pack(pack)
        }
        other => other,
    };
    let mut outcome = engine.handle(command, observer).await.map_err(Failure::from)?;
    if let Outcome::Bench(report) = &mut outcome {
        report.peak_memory_bytes = scope::memory();
    }
    Ok(outcome)
}

/// Reports to the page, and lets the event loop turn.
pub(super) struct Reporter {
    queue: Rc<Queue>,
    job: JobId,
    started: Instant,
    last: Option<(Phase, Instant)>,
}

/// The page draws no faster.
const BETWEEN_REPORTS: Duration = Duration::from_millis(40);

impl Observer for Reporter {
    fn progress(&mut self, progress: Progress) -> Ready<'_> {
        let due = self.last.is_none_or(|(phase, at)| phase != progress.phase || at.elapsed() > BETWEEN_REPORTS);
        if due || progress.point.is_some() {
            self.last = Some((progress.phase, Instant::now()));
            post(&Message::Progress { job: self.job, progress });
        }
        let (queue, job) = (self.queue.clone(), self.job);
        Box::pin(async move {
            // Without a turn of the event loop no cancellation is ever heard.
            let turned = scope::turn().await;
            if turned.is_err() || queue.is_cancelled(job) { Err(Cancelled) } else { Ok(()) }
        })
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        post(&Message::Checkpoint { job: self.job, checkpoint });
    }

    fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn peak_memory(&mut self) -> Option<u64> {
        scope::memory()
    }
}
