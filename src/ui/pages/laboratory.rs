//! *Laboratory*: an experiment on the left, what its runs come to on the right.

use crate::ui::components::notices::Notices;
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::laboratory::Laboratory;
use crate::ui::laboratory::views::{bar::Bar, pictures, run::OpenedRun, sheet::Sheet, tables::Tables};
use leptos::prelude::*;

/// The page.
#[component]
pub fn LaboratoryPage() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let planned = memo(move || laboratory.tables.with(|tables| !tables.is_empty()));
    view! {
        <main class="lab laboratory">
            <Sheet/>
            <section class="picture" aria-label="Results">
                <Notices/>
                <Bar/>
                <Show when=move || planned.get() fallback=Welcome>
                    <Tables/>
                    <pictures::LiveCurves/>
                    <OpenedRun/>
                    <pictures::Pictures/>
                </Show>
            </section>
        </main>
    }
}

/// What this is for, before anything was run.
#[component]
fn Welcome() -> impl IntoView {
    view! {
        <section class="welcome">
            <p>
                "An experiment compares methods on the same examples: every method learns each target from k examples a class, \
                once for each seed, and is judged on the same test rows. Press Run, and the table fills. Close the tab whenever \
                you like: what is done is kept in this browser, and Resume goes on with the same numbers."
            </p>
        </section>
    }
}
