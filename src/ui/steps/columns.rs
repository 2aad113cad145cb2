//! A data file that does not say which of its columns is what: the person does.

use crate::protocol::*;
use crate::ui::components::each::each;
use crate::ui::components::fields::Select;
use crate::ui::effect::memo;
use crate::ui::lab::Lab;
use crate::ui::state::columns;
use leptos::prelude::*;

/// One form a file that waits.
#[component]
pub fn Unmapped() -> impl IntoView {
    let lab = expect_context::<Lab>();
    each(
        move || lab.unmapped.get(),
        |data| (data.file.path.clone(), data.columns.clone(), data.example.clone()),
        |data| view! { <Form data/> },
    )
}

/// Longest piece of an example that is shown, in characters.
const SHOWN: usize = 40;

#[component]
fn Form(data: UnmappedData) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let chosen = RwSignal::new(columns::proposed(&data.columns));
    let path = StoredValue::new(data.file.path.clone());
    let name = data.file.path.rsplit('/').next().unwrap_or(&data.file.path).to_owned();
    let named = data.columns.iter().zip(&data.example).map(|(column, example)| {
        let short: String = example.chars().take(SHOWN).collect();
        let more = if short.len() < example.len() { "…" } else { "" };
        (column.clone(), if short.is_empty() { column.clone() } else { format!("{column}: {short}{more}") })
    });
    let all: Vec<(String, String)> = named.collect();
    let or_none = Signal::stored([vec![(String::new(), "none: single texts".to_owned())], all.clone()].concat());
    let all = Signal::stored(all);
    let wrong = memo(move || chosen.with(columns::missing));
    view! {
        <section class="columns" data-testid="columns" data-path=data.file.path.clone()>
            <p><b>{name}</b>" does not have the columns label and text1. Which of its own are they?"</p>
            <Select label="Label" options=all value=Signal::derive(move || chosen.with(|c| c.label.clone())) testid="column-label"
                on_change=move |column| chosen.update(|c| c.label = column)/>
            <Select label="Text, or the first of a pair" options=all value=Signal::derive(move || chosen.with(|c| c.text1.clone()))
                testid="column-text1" on_change=move |column| chosen.update(|c| c.text1 = column)/>
            <Select label="Second of a pair" options=or_none value=Signal::derive(move || chosen.with(|c| c.text2.clone().unwrap_or_default()))
                testid="column-text2" on_change=move |column: String| chosen.update(|c| c.text2 = Some(column).filter(|column| !column.is_empty()))/>
            {move || wrong.get().map(|why| view! { <p class="why">{why}</p> })}
            <div class="row">
                <button class="grow" data-testid="columns-go" disabled=move || lab.busy() || wrong.with(Option::is_some)
                    on:click=move |_| lab.open_mapped(&path.get_value(), chosen.get_untracked())>"Use them"</button>
                <button data-testid="columns-leave" on:click=move |_| lab.leave_unmapped(&path.get_value())>"Leave the file"</button>
            </div>
        </section>
    }
}
