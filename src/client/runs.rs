//! Runs have other handles in every worker; the page knows them by one. This keeps both apart.

use crate::protocol::*;
use vecmap::VecMap;

/// Runs of training as the page knows them.
#[derive(Debug, Default)]
pub(super) struct RunBook {
    next: u32,
    /// In the present worker, by the page's handle.
    here: VecMap<RunId, RunId>,
    /// To go on from in another worker, by the page's handle.
    checkpoints: VecMap<RunId, Checkpoint>,
}

impl RunBook {
    /// The page's handle of a run that it has not heard of yet.
    pub(super) fn new_handle(&mut self) -> RunId {
        self.next += 1;
        RunId(self.next - 1)
    }

    /// A worker has reported a run.
    pub(super) fn reported(&mut self, page: RunId, worker: RunId, checkpoint: Option<&Checkpoint>) {
        self.here.insert(page, worker);
        if let Some(checkpoint) = checkpoint {
            self.checkpoints.insert(page, checkpoint.clone());
        }
    }

    /// What the run of the page's handle goes on from in another worker.
    pub(super) fn checkpoint(&self, page: RunId) -> Option<Checkpoint> {
        self.checkpoints.get(&page).cloned()
    }

    /// There are no runs any more.
    pub(super) fn clear(&mut self) {
        self.here.clear();
        self.checkpoints.clear();
    }

    /// The worker is gone, and its handles with it.
    pub(super) fn lose_worker(&mut self) {
        self.here.clear();
    }

    /// Puts the worker's handle in the place of the page's. A run that this worker does not have goes on from its
    /// checkpoint; any other question about it names no run, and the worker says so. One that is to be forgotten is
    /// forgotten here as well.
    pub(super) fn translate(&mut self, command: &mut Command) {
        let here = |page: RunId| self.here.get(&page).copied();
        match command {
            Command::Predict(ask) => ask.run = here(ask.run).unwrap_or(NO_RUN),
            Command::ForgetRun(ForgetRun(run)) => {
                let page = *run;
                *run = here(page).unwrap_or(NO_RUN);
                self.here.remove(&page);
                self.checkpoints.remove(&page);
            }
            Command::Export(Export::Run(run)) => *run = here(*run).unwrap_or(NO_RUN),
            Command::Resume(resume) => {
                if let Some(page) = resume.run {
                    resume.run = here(page);
                    if resume.run.is_none() && resume.checkpoint.is_none() {
                        resume.checkpoint = self.checkpoints.get(&page).cloned();
                    }
                }
            }
            _ => {}
        }
    }
}

/// A handle that no worker gives out.
const NO_RUN: RunId = RunId(u32::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_go_out_under_the_workers_handle() {
        let mut book = RunBook::default();
        let page = book.new_handle();
        book.reported(page, RunId(7), None);
        let mut command: Command = Export::Run(page).into();
        book.translate(&mut command);
        assert!(matches!(command, Command::Export(Export::Run(RunId(7)))));
        book.lose_worker();
        let mut command: Command = Predict { run: page, text1: String::new(), text2: None }.into();
        book.translate(&mut command);
        assert!(matches!(command, Command::Predict(Predict { run: NO_RUN, .. })));
    }
}
