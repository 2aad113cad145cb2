//! Who watches long work.

use crate::protocol::{Checkpoint, Phase, Progress, TrainPoint};
use std::future::Future;
use std::pin::Pin;

/// Work was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

/// What [`Observer::progress`] gives: ready when the work may go on.
pub type Ready<'a> = Pin<Box<dyn Future<Output = Result<(), Cancelled>> + 'a>>;

/// Watches long work, may let the world turn between its steps, and may stop it.
pub trait Observer {
    /// How far the work is. It goes on when the future is ready, unless that says [`Cancelled`].
    fn progress(&mut self, progress: Progress) -> Ready<'_>;

    /// What a run of training needs to go on from here elsewhere.
    fn checkpoint(&mut self, checkpoint: Checkpoint);

    /// A clock that only goes forward, in seconds; the engine has none of its own.
    fn seconds(&self) -> f64;

    /// Most bytes of memory in use at once since this was asked last, where that can be known; of memory that never
    /// shrinks, such as a browser's worker has, since it began.
    fn peak_memory(&mut self) -> Option<u64> {
        None
    }
}

impl dyn Observer + '_ {
    /// `done` of `total` units of `phase`.
    pub(super) fn at(&mut self, phase: Phase, done: usize, total: usize) -> Ready<'_> {
        self.progress(Progress { phase, done: done as f64, total: total as f64, point: None, run: 0, rate: None })
    }

    /// Before the row `done` of `total` is encoded: that rows are being read, every few hundred rows.
    pub(super) fn between_rows(&mut self, done: usize, total: usize) -> Ready<'_> {
        // Of the longest texts a browser encodes so many in a small part of a second.
        const EVERY: usize = 500;
        if done > 0 && done.is_multiple_of(EVERY) {
            self.at(Phase::Read, done, total)
        } else {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    /// A step of training, of the `run`th of those that were asked for, and its learning rate where it tries several.
    pub(super) fn trained(
        &mut self,
        (run, rate): (usize, Option<f64>),
        point: Option<TrainPoint>,
        done: usize,
        total: usize,
    ) -> Ready<'_> {
        self.progress(Progress { phase: Phase::Train, done: done as f64, total: total as f64, point, run, rate })
    }
}

/// Watches nothing, stops nothing, and its clock stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {
    fn progress(&mut self, _: Progress) -> Ready<'_> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn checkpoint(&mut self, _: Checkpoint) {}

    fn seconds(&self) -> f64 {
        0.0
    }
}

/// Tells another observer, and does not hear that the work is to stop.
pub(super) struct Unstoppable<'a>(pub(super) &'a mut dyn Observer);

impl Observer for Unstoppable<'_> {
    fn progress(&mut self, progress: Progress) -> Ready<'_> {
        let ready = self.0.progress(progress);
        Box::pin(async move { ready.await.or(Ok(())) })
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.0.checkpoint(checkpoint);
    }

    fn seconds(&self) -> f64 {
        self.0.seconds()
    }
}
