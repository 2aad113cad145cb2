//! Lists of jobs: the comparison, and the whole way on the sample.

use super::{Lab, Page, Stage};
use crate::protocol::*;
use crate::ui::state::{Start, Step};
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Epochs of the example without a GPU.
const EPOCHS_ON_CPU: usize = 12;

impl Lab {
    /// Trains every start on the same episode, one after the other.
    pub fn compare_all(self) {
        let starts = self.with_all(|choices, adapters, _| {
            Start::contenders(&choices.inputs(adapters).into_iter().cloned().collect::<Vec<_>>())
        });
        spawn_local(async move {
            let labels = ["Examples".to_owned()].into_iter().chain(starts.iter().map(Start::label)).collect();
            self.begin("Compare all", labels);
            let outcome = self.go_through(0, &starts).await;
            let finished = outcome.is_ok() && !self.stopped();
            self.end("Compare all", outcome);
            if finished {
                self.plan.set(None);
                self.lead(Step::Results);
            }
        });
    }

    /// Draws the episode and trains from each start; its stages begin at `first`.
    async fn go_through(self, first: usize, starts: &[Start]) -> Result<(), Failure> {
        self.stage(first, Stage::Running);
        self.need_plm().await?;
        self.draw_now().await?;
        self.stage(first, Stage::Done);
        for (place, start) in starts.iter().enumerate() {
            self.halt()?;
            self.stage(first + 1 + place, Stage::Running);
            let stage = match self.train_now(start, true).await {
                Ok(()) => Stage::Done,
                // What can't be done by one start says nothing of the others.
                Err(failure) if failure.kind == FailureKind::Input => {
                    self.failed(&start.label(), &failure);
                    Stage::Stopped
                }
                Err(failure) => return Err(failure),
            };
            self.halt()?;
            self.stage(first + 1 + place, stage);
        }
        Ok(())
    }

    /// The whole way on the sample: what the page is for, in one press.
    pub fn run_example(self) {
        spawn_local(async move {
            let sample = self.sample.get_untracked();
            let plm = self.plm.with_untracked(|plm| plm.as_ref().map(|plm| plm.name.clone()));
            let adapters = sample.iter().flat_map(|sample| sample.adapters_for(plm.as_deref()));
            let singles: Vec<Start> = adapters.map(|a| Start::Single(a.name.clone())).collect();
            let mut starts = vec![Start::Merged];
            starts.extend(singles);
            starts.push(Start::Average);
            let before = ["Model", "Adapters", "Align", "Merge", "Examples"].into_iter().map(str::to_owned);
            self.begin("Run the example", before.chain(starts.iter().map(Start::label)).collect());
            let outcome = self.example(&starts).await;
            let finished = outcome.is_ok();
            self.end("Run the example", outcome);
            if finished {
                self.plan.set(None);
                self.lead(Step::Results);
            }
        });
    }

    async fn example(self, starts: &[Start]) -> Result<(), Failure> {
        self.choices.update(|choices| {
            choices.merge = Default::default();
            choices.start = Start::Merged;
            // What one sees aligned is then what is merged: the method compares by activations, and takes over the solver.
            choices.align.by = AlignBy::Activations;
            choices.align.sinkhorn = false;
        });
        self.stage(0, Stage::Running);
        self.lead(Step::Model);
        self.need_plm().await?;
        self.shorten_on_cpu();
        self.stage(0, Stage::Done);
        self.halt()?;

        self.stage(1, Stage::Running);
        self.lead(Step::Adapters);
        self.load_sample().await?;
        self.stage(1, Stage::Done);
        self.halt()?;

        self.stage(2, Stage::Running);
        self.lead(Step::Align);
        self.align_now().await?;
        self.stage(2, Stage::Done);
        self.halt()?;

        self.stage(3, Stage::Running);
        self.lead(Step::Merge);
        self.merge_now(&Start::Merged).await?;
        self.stage(3, Stage::Done);
        self.halt()?;

        self.lead(Step::FewShot);
        self.go_through(4, starts).await
    }

    /// Without a GPU a demonstration of thirty epochs, five times over, takes longer than anyone looks on.
    fn shorten_on_cpu(self) {
        let on_cpu = self.device.with_untracked(|device| device.as_ref().is_some_and(|d| d.device == DeviceKind::Cpu));
        let usual = TrainSettings::default().epochs;
        if on_cpu && self.choices.with_untracked(|choices| choices.train.epochs == usual) {
            self.choices.update(|choices| choices.train.epochs = EPOCHS_ON_CPU);
            self.inform("", format!("On the CPU the example trains for {EPOCHS_ON_CPU} epochs instead of {usual}."));
        }
    }

    /// Shows a step while the person follows along, and looks at nothing else.
    fn lead(self, step: Step) {
        if self.follow.get_untracked() && self.page.get_untracked() == Page::Lab {
            self.show(step);
        }
    }

    /// Ends a list of jobs that the person has stopped.
    fn halt(self) -> Result<(), Failure> {
        if self.stopped() {
            return Err(Failure { kind: FailureKind::Cancelled, message: "Stopped.".into() });
        }
        Ok(())
    }
}
