//! Progress on a terminal, and Ctrl-C.

use super::{CliError, memory, say};
use crate::engine::{Cancelled, Observer, Ready};
use crate::protocol::{Checkpoint, Phase, Progress, TrainPoint};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A line to print about a point of a training curve, or none.
type PointLine = Box<dyn FnMut(&TrainPoint) -> Option<String>>;

/// Whether Ctrl-C was pressed: one for the program, which may have several engines.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a person sees of the work: a bar with the time left where standard error is a terminal, else nothing.
pub(super) struct Watch {
    bar: ProgressBar,
    phase: Option<Phase>,
    began: Instant,
    /// Told of every point of a training curve.
    on_point: Option<PointLine>,
}

impl Watch {
    /// Ctrl-C stops the work at its next step, a second one ends the program at once.
    pub(super) fn new() -> Self {
        // Where there is no handler to be had, Ctrl-C ends the program, which leaves whole files too; and one is enough.
        let _ = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        });
        let hidden = !std::io::stderr().is_terminal();
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        Self { bar, phase: None, began: Instant::now(), on_point: None }
    }

    /// Prints what `lines` makes of the points of training.
    pub(super) fn on_point(&mut self, lines: impl FnMut(&TrainPoint) -> Option<String> + 'static) {
        self.on_point = Some(Box::new(lines));
    }

    /// Takes the bar away.
    pub(super) fn finish(&mut self) {
        self.bar.finish_and_clear();
        self.phase = None;
    }

    fn begin(&mut self, phase: Phase) {
        self.phase = Some(phase);
        self.bar.reset();
        let template = "{msg} [{bar:30}] {pos}/{len}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_message(phase.label());
    }
}

impl Observer for Watch {
    fn progress(&mut self, progress: Progress) -> Ready<'_> {
        if self.phase != Some(progress.phase) {
            self.begin(progress.phase);
        }
        self.bar.set_length(progress.total as u64);
        self.bar.set_position(progress.done as u64);
        if let (Some(point), Some(lines)) = (&progress.point, &mut self.on_point)
            && let Some(line) = lines(point)
        {
            // Nobody to read the lines is no reason to stop the training.
            let _: Result<(), CliError> = self.bar.suspend(|| say(&line));
        }
        let stop = INTERRUPTED.load(Ordering::SeqCst);
        Box::pin(std::future::ready(if stop { Err(Cancelled) } else { Ok(()) }))
    }

    fn checkpoint(&mut self, _: Checkpoint) {}

    fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    fn peak_memory(&mut self) -> Option<u64> {
        let peak = memory::peak()?;
        memory::forget_peak().then_some(peak)
    }
}
