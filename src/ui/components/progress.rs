//! One line at the foot: what runs, how far, time left, cancel.

use super::show::Show;
use crate::client::Status;
use crate::ui::browser::now;
use crate::ui::effect::memo;
use crate::ui::lab::Lab;
use crate::ui::laboratory::Laboratory;
use crate::ui::state::activities::Activities;
use crate::ui::state::progress::Meter;
use crate::ui::state::words;
use leptos::prelude::*;

/// The progress line.
#[component]
pub fn ProgressLine() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let laboratory = expect_context::<Laboratory>();
    let share = memo(move || lab.share());
    let step = move || {
        let at = lab.plan.with(|plan| plan.as_ref().filter(|plan| !plan.ended).and_then(|plan| plan.at()));
        at.map_or(String::new(), |(place, jobs)| format!("{place} of {jobs}"))
    };
    let words = move || {
        match lab.status.get() {
            Status::Restarting { reason } => {
                let training =
                    if lab.live.with(Option::is_some) { " Training goes on from its last checkpoint." } else { "" };
                return format!("The engine was lost ({reason}) and is being brought back{}.{training}", starting(lab));
            }
            Status::Failed { reason } => return format!("The engine does not run: {reason}"),
            Status::Starting | Status::Ready => {}
        }
        lab.activity.with(|activity| match activity {
            Some(a) if a.stopping => format!("{} · stopping…", a.label),
            Some(a) => {
                let (step, waiting) = (step(), lab.activities.with(Activities::waiting));
                let waiting = if waiting == 0 { String::new() } else { format!("{waiting} waiting") };
                let parts = [step.as_str(), a.label.as_str(), a.meter.phase(), a.meter.detail(), waiting.as_str()];
                parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
            }
            None => match lab.status.get() {
                Status::Starting => {
                    format!("The engine is being fetched and checked{}; the page can be used meanwhile.", starting(lab))
                }
                _ => laboratory.words().unwrap_or_else(|| idle(lab)),
            },
        })
    };
    // The share is of all that was asked for, the time of what is being done.
    let of = move || if step().is_empty() { "" } else { "this step: " };
    let left = move || {
        let seconds = lab.activity.with(|a| a.as_ref().and_then(|a| a.meter.left(now())));
        seconds.map(|seconds| of().to_owned() + &words::time_left(seconds))
    };
    // For screen readers in steps of ten, and without the times that go by, so that they are not talked over.
    let spoken = memo(move || {
        let at = lab.activity.with(|a| a.as_ref().map(|a| [a.label.as_str(), ", "].concat()));
        match at {
            Some(label) => format!("{label}{} percent", (share.get() * 10.0).floor() * 10.0),
            None => match lab.status.get() {
                Status::Failed { .. } => words(),
                Status::Restarting { .. } => "The engine is being brought back.".to_owned(),
                Status::Starting => "The engine is starting.".to_owned(),
                Status::Ready => "Ready.".to_owned(),
            },
        }
    });
    view! {
        <footer class="progress" class:active=move || lab.activity.with(Option::is_some)
            class:failed=move || matches!(lab.status.get(), Status::Failed { .. }) data-testid="progress" data-share=move || share.get()>
            <div class="bar" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100"
                aria-valuenow=move || (share.get() * 100.0).round()>
                <div class="bar-done" style:width=move || format!("{:.1}%", share.get() * 100.0)></div>
            </div>
            <p class="progress-words">{words}</p>
            <p class="hidden" aria-live="polite">{move || spoken.get()}</p>
            <Show when=move || lab.activity.with(Option::is_some)>
                <span class="progress-share" data-testid="progress-share">{move || crate::ui::state::words::percent(share.get())}</span>
                <span class="progress-left">{left}</span>
                <button data-testid="cancel" disabled=move || lab.activity.with(|a| a.as_ref().is_some_and(|a| a.stopping))
                    on:click=move |_| lab.cancel()>"Cancel"</button>
            </Show>
            <Show when=move || matches!(lab.status.get(), Status::Failed { .. })>
                <button on:click=move |_| lab.use_device(lab.choices.with_untracked(|c| c.device))>"Start it again"</button>
            </Show>
        </footer>
    }
}

/// What a worker is at before it listens, in brackets; empty before it is heard of.
fn starting(lab: Lab) -> String {
    let words = |meter: &Meter| [meter.phase(), meter.detail()].join(" ").trim_end().to_ascii_lowercase();
    lab.starting.with(|meter| meter.as_ref().map_or(String::new(), |meter| format!(" ({})", words(meter))))
}

fn idle(lab: Lab) -> String {
    match lab.plm.get() {
        Some(_) => "Ready. Nothing you load leaves this device.".into(),
        None => "Ready. The model is loaded when it is first needed. Nothing you load leaves this device.".into(),
    }
}
