//! The list of jobs that go on one after the other.

use crate::ui::lab::Lab;
use leptos::prelude::*;

/// The list, while there is one.
#[component]
pub fn PlanList() -> impl IntoView {
    let lab = expect_context::<Lab>();
    view! {
        {move || lab.plan.get().map(|plan| {
            let stages = plan.stages.into_iter().map(|(label, stage)| view! {
                <li class=stage.class() data-testid="plan-stage" data-stage=stage.class()>{label}</li>
            }).collect_view();
            let title = plan.title.clone();
            view! {
                <section class="plan" data-testid="plan" aria-label=title>
                    <b>{plan.title}</b>
                    <ol>{stages}</ol>
                    {plan.ended.then(|| view! {
                        <button class="icon small" aria-label="Put the list away" on:click=move |_| lab.plan.set(None)>"×"</button>
                    })}
                </section>
            }
        })}
    }
}
