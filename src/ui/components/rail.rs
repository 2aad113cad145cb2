//! The recipe: the steps that the data takes, top to bottom, each with its state and, where it is open, its controls.

use super::fields::Fold;
use super::show::Show;
use crate::ui::effect::memo;
use crate::ui::lab::Lab;
use crate::ui::state::{Standing, Step};
use crate::ui::steps;
use leptos::prelude::*;

/// The rail; on a narrow screen, the stepper.
#[component]
pub fn Rail() -> impl IntoView {
    view! {
        <nav class="rail" aria-label="Recipe">
            <ol>{Step::ALL.into_iter().map(|step| view! { <RailStep step/> }).collect_view()}</ol>
        </nav>
    }
}

#[component]
fn RailStep(step: Step) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let line = memo(move || lab.line(step));
    let open = memo(move || lab.choices.with(|choices| choices.step == step));
    // Matters on a narrow screen only, where the picture would otherwise stand below a screenful of fields. Where files are
    // chosen there are few, and they come first.
    let unfolded = RwSignal::new(matches!(step, Step::Model | Step::Adapters));
    let standing = move || match line.get().standing {
        Standing::Open => "open",
        Standing::Sample => "sample",
        Standing::Running => "running",
        Standing::Ready => "ready",
        Standing::Stale => "stale",
    };
    view! {
        <li class="rail-step" class:current=open data-standing=standing>
            <button class="rail-head" data-testid=format!("step-{}", step.slug()) data-standing=standing
                aria-expanded=move || open.get().to_string() aria-current=move || open.get().then_some("step")
                on:click=move |_| lab.go(step)>
                <span class="rail-number" aria-hidden="true">{step.number()}</span>
                <span class="rail-title">{step.title()}</span>
                <span class="rail-mark" aria-hidden="true">{move || line.get().standing.mark()}</span>
                <span class="hidden">{move || line.get().standing.words()}</span>
                <span class="rail-line" data-testid=format!("line-{}", step.slug()) title=move || line.get().text>
                    {move || line.get().text}
                </span>
            </button>
            <Show when=move || open.get()>
                <div class="controls" class:folded=move || !unfolded.get()>
                    <Fold unfolded/>
                    {steps::controls(step)}
                </div>
            </Show>
        </li>
    }
}
