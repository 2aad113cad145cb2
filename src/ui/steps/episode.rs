//! What is learned from: the data set, how many examples, and the examples themselves.

use super::Choice;
use super::columns::Unmapped;
use crate::protocol::*;
use crate::ui::browser;
use crate::ui::components::fields::Select;
use crate::ui::components::pick::Pick;
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::lab::Lab;
use crate::ui::state::{intake, words};
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Data sets, k, seed, length; pasting.
#[component]
pub fn EpisodeFields() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let names = Signal::derive(move || {
        lab.data
            .get()
            .into_iter()
            .map(|card| (card.name.clone(), format!("{} · {}", card.name, words::plural(card.rows, "row"))))
            .collect::<Vec<_>>()
    });
    let tests = Signal::derive(move || {
        let mut all = vec![(String::new(), "its other rows".to_owned())];
        all.extend(names.get());
        all
    });
    let name = move |read: fn(EpisodeSpec) -> Option<DataId>| {
        Signal::derive(move || lab.chosen_episode().and_then(read).and_then(|id| lab.data_name(id)).unwrap_or_default())
    };
    let (data, test) = (name(|spec| Some(spec.data)), name(|spec| spec.test));
    view! {
        <Unmapped/>
        <Show when=move || lab.data.with(|all| !all.is_empty()) fallback=|| view! {
            <p class="quiet-words">"Drop a TSV, CSV or JSONL file with the columns label, text1 and, for pairs, text2."</p>
        }>
            <Select label="Learn from" options=names value=data testid="data-select"
                on_change=move |name| lab.choices.update(|c| c.episode.data = Some(name))/>
            <Select label="Judge on" options=tests value=test testid="test-select"
                on_change=move |name: String| lab.choices.update(|c| c.episode.test = Some(name).filter(|name| !name.is_empty()))/>
        </Show>
        <div class="field-row of-two">
            <Choice label="k" testid="k" min=1.0 max=1024.0 whole=true hint="Examples a class to learn from, and as many for dev"
                read=|c| c.episode.k as f64 write=|c, x| c.episode.k = x as usize/>
            <Choice label="seed" testid="seed" min=0.0 max=4_294_967_295.0 whole=true hint="Which examples are drawn"
                read=|c| c.episode.seed as f64 write=|c, x| c.episode.seed = x as u64/>
            <Choice label="tokens" testid="max-length" min=8.0 max=512.0 whole=true hint="Longest text; what is longer is cut"
                read=|c| c.episode.max_length as f64 write=|c, x| c.episode.max_length = x as usize/>
            <Choice label="test rows" testid="test-rows" min=0.0 max=1e6 whole=true hint="Rows to judge by at most, drawn by the seed; 0 for all"
                read=|c| c.episode.test_rows as f64 write=|c, x| c.episode.test_rows = x as usize/>
        </div>
        <Own/>
    }
}

/// Own data: picked or pasted.
#[component]
fn Own() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let text = RwSignal::new(String::new());
    let take = move |_| {
        let pasted = text.get_untracked();
        if pasted.trim().is_empty() {
            return;
        }
        let kind = intake::pasted_kind(&pasted);
        let bytes = pasted.into_bytes();
        spawn_local(async move {
            // A line that is told once more is another notice.
            let newest = || lab.notices.with_untracked(|all| all.last().map(|notice| notice.key));
            let before = newest();
            lab.open_files(vec![FileBytes { path: format!("pasted.{kind}"), bytes }], vec![]).await;
            // What could not be read is there to be mended.
            if newest() == before {
                text.set(String::new());
            }
        });
    };
    view! {
        // What was opened is of no use under the buttons that stay in reach.
        <details class="more" on:toggle=move |event| browser::bring_into_sight(&event_target(&event))>
            <summary>"Own data"</summary>
            <Pick/>
            <textarea rows="4" data-testid="paste" aria-label="Paste a table" placeholder="or paste a table with the names of its columns in the first line, or JSON lines" bind:value=text></textarea>
            <button data-testid="paste-go" disabled=move || lab.busy() || text.with(|text| text.trim().is_empty()) on:click=take>"Use it"</button>
        </details>
    }
}

/// The examples that are learned from, by class.
#[component]
pub fn EpisodeTable() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let wanted = memo(move || lab.chosen_episode());
    let fresh = move || lab.episode.with(|drawn| drawn.as_ref().map(|(spec, _)| spec.clone()) == wanted.get());
    view! {
        <section data-testid="episode" data-fresh=move || fresh().to_string()>
            <div class="heading">
                <h3>"Examples"</h3>
                <Show when=move || wanted.with(Option::is_some) && !fresh()>
                    <button data-testid="draw" disabled=move || lab.busy() on:click=move |_| lab.draw()>"Draw them"</button>
                </Show>
            </div>
            {move || match lab.episode.get() {
                Some((_, card)) if fresh() => view! { <Drawn card/> }.into_any(),
                _ => view! { <p class="empty">{match wanted.with(Option::is_some) {
                    true => "Not drawn yet: Train draws them, or draw them now to look at them.",
                    false if lab.is_sample.get() => "The sample's data load when you train.",
                    false => "No data yet. Drop a file with labels, or run the example.",
                }}</p> }.into_any(),
            }}
        </section>
    }
}

/// Examples shown of a class before the rest is asked for.
const FIRST: usize = 6;

#[component]
fn Drawn(card: EpisodeCard) -> impl IntoView {
    let all = RwSignal::new(false);
    let summary = format!(
        "{} to learn from, {} for dev, {} to judge by. A constant answer scores {}.",
        card.support.len(),
        card.dev,
        card.test,
        words::score(card.majority)
    );
    let cut =
        (card.truncated > 0).then(|| format!(" {} cut to the longest length.", words::plural(card.truncated, "text")));
    let longest = card.labels.iter().map(|label| card.support.iter().filter(|row| &row.label == label).count()).max();
    let more = longest.is_some_and(|n| n > FIRST);
    let classes = StoredValue::new(
        card.labels
            .iter()
            .map(|label| {
                (label.clone(), card.support.iter().filter(|row| &row.label == label).cloned().collect::<Vec<_>>())
            })
            .collect::<Vec<_>>(),
    );
    view! {
        <p class="quiet-words">{summary}{cut}</p>
        <div class="classes">
            {move || classes.get_value().into_iter().map(|(label, rows)| {
                let shown = if all.get() { rows.len() } else { FIRST };
                view! {
                    <section>
                        <h4>{label}<small>{format!(" {}", rows.len())}</small></h4>
                        <ul>{rows.into_iter().take(shown).map(|row| view! {
                            <li data-testid="support-row" data-label=row.label.clone()>{row.text1}{row.text2.map(|second| view! { <span class="second">{second}</span> })}</li>
                        }).collect_view()}</ul>
                    </section>
                }
            }).collect_view()}
        </div>
        {more.then(|| view! {
            <button class="quiet" on:click=move |_| all.update(|all| *all = !*all)>{move || if all.get() { "Show fewer" } else { "Show all" }}</button>
        })}
    }
}
