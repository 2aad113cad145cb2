//! The steps of the recipe: of each, its controls in the rail and its picture.

mod adapters;
mod align;
mod between;
mod columns;
mod episode;
mod few_shot;
mod merge;
mod model;
mod predictions;
mod results;

pub use predictions::Probabilities;

use crate::protocol::{Export, RunId};
use crate::ui::components::fields::Number;
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::lab::Lab;
use crate::ui::state::{Choices, Standing, Step};
use leptos::prelude::*;

/// The controls of a step.
pub fn controls(step: Step) -> AnyView {
    match step {
        Step::Model => view! { <model::Controls/> }.into_any(),
        Step::Adapters => view! { <adapters::Controls/> }.into_any(),
        Step::Align => view! { <align::Controls/> }.into_any(),
        Step::Merge => view! { <merge::Controls/> }.into_any(),
        Step::FewShot => view! { <few_shot::Controls/> }.into_any(),
        Step::Results => view! { <results::Controls/> }.into_any(),
    }
}

/// The picture of a step.
pub fn picture(step: Step) -> AnyView {
    match step {
        Step::Model => view! { <model::Picture/> }.into_any(),
        Step::Adapters => view! { <adapters::Picture/> }.into_any(),
        Step::Align => view! { <align::Picture/> }.into_any(),
        Step::Merge => view! { <merge::Picture/> }.into_any(),
        Step::FewShot => view! { <few_shot::Picture/> }.into_any(),
        Step::Results => view! { <results::Picture/> }.into_any(),
    }
}

/// A number among the choices.
#[component]
fn Choice(
    label: &'static str,
    testid: &'static str,
    min: f64,
    max: f64,
    #[prop(optional)] whole: bool,
    hint: &'static str,
    read: fn(&Choices) -> f64,
    write: fn(&mut Choices, f64),
) -> impl IntoView {
    let lab = expect_context::<Lab>();
    view! {
        <Number label testid min max whole hint value=Signal::derive(move || lab.choices.with(read))
            on_change=move |x| lab.choices.update(|choices| write(choices, x))/>
    }
}

/// Says that what is in sight is out of date, and offers to do it again.
#[component]
fn Stale(step: Step, #[prop(into)] again: String, #[prop(into)] redo: Callback<()>) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let stale = memo(move || lab.line(step).standing == Standing::Stale);
    view! {
        <Show when=move || stale.get()>
            <p class="stale">
                <span>"The choices have changed since this was computed."</span>
                <button disabled=move || lab.busy() on:click=move |_| redo.run(())>{again.clone()}</button>
            </p>
        </Show>
    }
}

/// Hands out what a run has trained; a head alone is nothing that a file is made of.
#[component]
fn Download(run: RunId) -> impl IntoView {
    let lab = expect_context::<Lab>();
    view! {
        <button class="small" data-testid="download-run" title="Adapter and head as a zip that Python's adapters library loads, with the recipe"
            disabled=move || lab.busy() on:click=move |_| lab.export(Export::Run(run))>"Download"</button>
    }
}

/// The button that sets a step going; while a job runs it waits, and says so.
#[component]
fn Go(
    #[prop(into)] label: Signal<String>,
    #[prop(into)] testid: String,
    #[prop(into)] press: Callback<()>,
    /// One line on what is missing.
    #[prop(into)]
    missing: Signal<Option<String>>,
    /// The step, which needs no going where it is ready.
    step: Step,
) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let ready = memo(move || lab.line(step).standing == Standing::Ready);
    view! {
        <div class="actions">
        <button class="wide" class:primary=move || !lab.is_sample.get() data-testid=testid disabled=move || lab.busy() || ready.get() || missing.get().is_some()
            title=move || if lab.busy() { "Another job is going on" } else { "" }
            on:click=move |_| press.run(())>{label}</button>
        {move || missing.get().map(|why| view! { <p class="why">{why}</p> })}
        </div>
    }
}
