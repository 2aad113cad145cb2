//! Lines to tell: problems stay until they are put away, each by itself.

use super::each::each;
use super::show::Show;
use crate::ui::lab::Lab;
use leptos::prelude::*;

/// The list of lines.
#[component]
pub fn Notices() -> impl IntoView {
    let lab = expect_context::<Lab>();
    view! {
        <section class="notices" class:empty=move || lab.notices.with(Vec::is_empty) data-testid="problems" aria-live="polite" aria-label="Messages">
            {each(move || lab.notices.get(), |notice| notice.key, move |notice| view! {
                <p class="notice" class:problem=notice.problem data-testid=if notice.problem { "problem" } else { "notice" }>
                    <span class="notice-mark" aria-hidden="true">{if notice.problem { "!" } else { "i" }}</span>
                    <span>
                        {(!notice.about.is_empty()).then(|| view! { <b>{notice.about.clone()}</b> " " })}
                        {notice.message.clone()}
                    </span>
                    <button class="icon small" aria-label="Put this message away"
                        on:click=move |_| lab.notices.update(|all| all.retain(|other| other.key != notice.key))>"×"</button>
                </p>
            })}
            <Show when=move || lab.notices.with(|all| all.len() > 2)>
                <button class="quiet" on:click=move |_| lab.notices.set(vec![])>"Put all away"</button>
            </Show>
        </section>
    }
}
