//! The Lab: rail, picture, details.

use crate::ui::components::details::Details;
use crate::ui::components::notices::Notices;
use crate::ui::components::plan::PlanList;
use crate::ui::components::rail::Rail;
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::lab::Lab;
use crate::ui::state::words;
use crate::ui::steps;
use leptos::prelude::*;

/// The page.
#[component]
pub fn LabPage() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let step = memo(move || lab.choices.with(|choices| choices.step));
    view! {
        <main class="lab">
            <Rail/>
            <section class="picture" aria-label=move || step.get().title()>
                <Notices/>
                <Welcome/>
                <PlanList/>
                {move || steps::picture(step.get())}
            </section>
            <Details/>
        </main>
    }
}

/// What the page is, and the one button, as long as only the sample is in sight.
#[component]
fn Welcome() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let shown = move || lab.is_sample.get() && !lab.plan_goes_on();
    let names = move || {
        lab.sample.with(|sample| sample.as_ref().map(|sample| (sample.plm.name.clone(), sample.adapters.len())))
    };
    view! {
        <Show when=shown>
            <section class="welcome">
                <p>
                    {move || match names() {
                        Some((plm, n)) => format!("A worked sample: {} for {plm}, and how their neurons correspond.", words::plural(n, "adapter")),
                        None => "Load adapters for a small language model, and see how their neurons correspond.".to_owned(),
                    }}
                    " The example aligns and merges them, learns a new task from a few labelled sentences, and compares. "
                    "Or drop your own adapters anywhere on this page."
                </p>
                <button class="primary" data-testid="run-example" disabled=move || lab.sample.with(Option::is_none) || lab.busy()
                    on:click=move |_| lab.run_example()>"Run the example"</button>
            </section>
        </Show>
    }
}
