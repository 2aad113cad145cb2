//! How the experiment stands, and what sets it going, holds and ends it.

use crate::protocol::PlannedCard;
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::laboratory::Laboratory;
use crate::ui::state::laboratory::{Experiment, Status};
use crate::ui::state::words;
use crate::viz::sort_by;
use leptos::prelude::*;
use std::time::Duration;

/// The bar on top of the results.
#[component]
pub fn Bar() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let status = memo(move || laboratory.status());
    let name = move || laboratory.shown.with(|shown| shown.as_ref().map(|one| one.bundle.name.clone()));
    let done = memo(move || {
        let records = laboratory.records.read();
        laboratory
            .shown
            .with(|shown| shown.as_ref().map_or(0, |one| one.progress(&|hash| records.contains_key(hash)).0))
    });
    let all = memo(move || laboratory.shown.with(|shown| shown.as_ref().map_or(0, |one| one.progress(&|_| false).1)));
    let failed = memo(move || {
        let failed = laboratory.failed.read();
        laboratory.shown.with(|shown| shown.as_ref().map_or(0, |one| one.progress(&|hash| failed.contains_key(hash)).0))
    });
    // Each reason once, however many seeds it stopped.
    let reasons = memo(move || {
        let failed = laboratory.failed.read();
        let reason = |run: &PlannedCard| failed.get(&run.hash).map(|reason| format!("{}: {reason}", run.method));
        let mut all: Vec<String> =
            laboratory.shown.with(|shown| shown.iter().flat_map(|one| one.runs()).filter_map(reason).collect());
        sort_by(&mut all, String::cmp);
        all.dedup();
        all
    });
    let is_here = memo(move || {
        laboratory.crew.with(|crew| !crew.experiment.is_empty() && Some(&crew.experiment) == name().as_ref())
    });
    let share = move || if all.get() == 0 { 0.0 } else { done.get() as f64 / all.get() as f64 };
    // Of the PLM that was planned last.
    let pass = move || {
        let told = laboratory.shown.with(|shown| shown.as_ref()?.cards.last()?.in_a_pass());
        told.map_or(String::new(), |told| format!(", {told}"))
    };
    let counted = move || match (all.get(), failed.get()) {
        (0, _) => String::new(),
        (all, 0) => format!("{} of {all} runs{}", done.get(), pass()),
        (all, failed) => format!("{} of {all} runs, {failed} failed{}", done.get(), pass()),
    };
    let left = move || match (status.get(), laboratory.crew.with(|crew| crew.left)) {
        (Status::Running | Status::Pausing, Some(seconds)) if is_here.get() => words::time_left(seconds),
        (Status::Running, None) => "time left is reckoned after the first runs".to_owned(),
        _ => String::new(),
    };
    let tick = set_interval_with_handle(
        move || {
            if laboratory.crew.with_untracked(|crew| !crew.experiment.is_empty()) {
                laboratory.reckon();
            }
        },
        Duration::from_secs(1),
    );
    on_cleanup(move || {
        if let Ok(tick) = tick {
            tick.clear();
        }
    });
    let stale = memo(move || laboratory.is_stale());
    let waiting = move || (status.get() == Status::Queued).then_some("Another experiment is done first.");
    let is = move |wanted: &'static [Status]| move || wanted.contains(&status.get());
    let can_run = move || laboratory.shown.with(|shown| shown.as_ref().is_some_and(Experiment::is_ready));
    view! {
        <section class="run-bar" data-testid="laboratory-status" data-status=move || status.get().slug()
            data-done=move || done.get().to_string() data-all=move || all.get().to_string() data-failed=move || failed.get().to_string()
            data-ready=move || can_run().to_string()>
            <div class="heading">
                <h2>{move || name().unwrap_or_else(|| "Laboratory".into())}</h2>
                <div class="row">
                    <Show when=move || status.get() == Status::Draft || (status.get() == Status::Done && failed.get() != 0)>
                        <button class="primary" data-testid="run-experiment" disabled=move || !can_run() on:click=move |_| laboratory.run()>
                            {move || if status.get() == Status::Done { "Run again what failed" } else { "Run" }}
                        </button>
                    </Show>
                    <Show when=is(&[Status::Running])>
                        <button data-testid="pause-experiment" title="Runs that have begun are finished first" on:click=move |_| laboratory.pause()>"Pause"</button>
                    </Show>
                    <Show when=move || status.get().can_resume()>
                        <button class="primary" data-testid="resume-experiment" on:click=move |_| laboratory.resume()>"Resume"</button>
                    </Show>
                    <Show when=is(&[Status::Queued, Status::Preparing, Status::Running, Status::Pausing])>
                        <button data-testid="cancel-experiment" title="At once; what is done stays done" on:click=move |_| laboratory.cancel()>"Stop"</button>
                    </Show>
                </div>
            </div>
            <div class="meter wide-meter" role="progressbar" aria-label="Runs done" aria-valuemin="0"
                aria-valuemax=move || all.get().to_string() aria-valuenow=move || done.get().to_string()>
                <span style:width=move || format!("{:.1}%", share() * 100.0)></span>
            </div>
            <p class="run-facts">
                <span role="status">{move || if stale.get() { "changed" } else { status.get().label() }}</span>
                <span class="n">{counted}</span>
                <span>{left}</span>
                <span>{waiting}</span>
            </p>
            <Show when=move || reasons.with(|reasons| !reasons.is_empty())>
                <ul aria-label="Why runs failed">
                    {move || reasons.get().into_iter().map(|line| view! { <li class="bad" data-testid="failed-run">{line}</li> }).collect_view()}
                </ul>
            </Show>
            <Show when=move || is_here.get()>
                <ol class="members" aria-label="Workers">
                    {move || laboratory.crew.with(|crew| crew.members.iter().enumerate().map(|(number, words)| view! {
                        <li data-testid="member"><b>{format!("Worker {}", number + 1)}</b>" "{words.clone()}</li>
                    }).collect_view())}
                </ol>
            </Show>
        </section>
    }
}
