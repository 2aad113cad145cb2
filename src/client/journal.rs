//! The commands that built the state of a worker, for the next one to be brought to the same.

use crate::protocol::*;
use std::collections::VecDeque;
use std::rc::Rc;

/// In the order in which they were done.
#[derive(Default)]
pub(super) struct Journal(Vec<Rc<Command>>);

impl Journal {
    /// A command is done; it is kept where later ones depend on it.
    pub(super) fn done(&mut self, command: Command, outcome: &Outcome) {
        match outcome {
            // Its checkpoint is put in when it is sent again.
            Outcome::Train(report) | Outcome::Resume(report) if report.status != RunStatus::Paused => {
                let resume = Resume { train: report.asked.clone(), run: Some(report.run), checkpoint: None };
                self.0.push(Rc::new(resume.into()));
            }
            // Nothing was made of it, so no handle hangs on it.
            Outcome::Open(opened) if opened.adapters.is_empty() && opened.data.is_empty() => {}
            _ if builds_state(&command) => {
                self.0.retain(|before| !ends(&command, before));
                // Nothing was built upon a model that the next one follows at once.
                while matches!((&command, self.last()), (Command::OpenPlm(_), Some(Command::OpenPlm(_)))) {
                    self.0.pop();
                }
                self.0.push(Rc::new(command));
            }
            _ => {}
        }
    }

    /// A run, by the page's handle, is not to be brought back.
    pub(super) fn forget(&mut self, run: RunId) {
        self.0.retain(|before| !matches!(&**before, Command::Resume(of) if of.run == Some(run)));
    }

    /// What the next worker is to do. Files may be among it, so nothing is copied.
    pub(super) fn replay(&self) -> VecDeque<Rc<Command>> {
        self.0.iter().cloned().collect()
    }

    /// Whether a worker that has just started lacks nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn last(&self) -> Option<&Command> {
        self.0.last().map(|command| &**command)
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
pub(super) fn in_words(command: &Command) -> String {
    match command {
        Command::OpenPlm(open) => format!("Loading the model `{}`", open.name),
        Command::Open(open) => reading(&open.files),
        Command::OpenData(open) => reading(std::slice::from_ref(&open.file)),
        Command::EditAdapter(_) => "The change of an adapter".into(),
        Command::RemoveAdapter(_) => "Removing an adapter".into(),
        Command::Merge(_) => "A merge".into(),
        Command::PlanExperiment(_) => "The plan of the experiment".into(),
        Command::Resume(resume) => format!("The run `{}`", resume.train.name),
        _ => "A command".into(),
    }
}

fn reading(files: &[FileSource]) -> String {
    match files {
        [FileSource::Bytes(FileBytes { path, .. }) | FileSource::Url { path, .. }] => format!("Reading {path}"),
        files => format!("Reading {} files", files.len()),
    }
}
