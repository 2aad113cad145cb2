//! The adapters: what each is, which take part, who is the reference.

use crate::protocol::*;
use crate::ui::charts::Figure;
use crate::ui::components::each::each;
use crate::ui::components::pick::Pick;
use crate::ui::components::show::Show;
use crate::ui::effect::{effect, memo};
use crate::ui::lab::{Detail, Lab};
use crate::ui::pictures;
use crate::ui::state::words;
use crate::viz::{Bars, Curves, Dim, Hit, Panel, Series, Unit};
use leptos::prelude::*;

/// Files, folders, hub.
#[component]
pub fn Controls() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let hub = RwSignal::new(String::new());
    view! {
        <p class="quiet-words">"Drop folders, zips or files anywhere on the page."</p>
        <Pick/>
        <form class="row" on:submit=move |event| { event.prevent_default(); lab.open_hub_adapter(&hub.get_untracked()); }>
            <div class="field grow">
                <label for="hub-adapter">"From the Hugging Face hub"</label>
                <input id="hub-adapter" data-testid="hub-adapter" type="text" placeholder="owner/name" spellcheck="false" autocomplete="off" bind:value=hub/>
            </div>
            <button type="submit" data-testid="hub-adapter-go" disabled=move || lab.busy() || hub.with(|text| text.trim().is_empty())>"Load"</button>
        </form>
    }
}

/// One row an adapter, and their norms.
#[component]
pub fn Picture() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let norms = move || {
        let cards = lab.adapters.get();
        let names = cards.iter().max_by_key(|card| card.locations.len()).map(|card| card.locations.clone());
        let names = names.unwrap_or_default();
        let value = |card: &AdapterCard, name: &String| {
            let at = card.locations.iter().position(|own| own == name)?;
            card.norms.get(at).map(|[down, up]| ((down * down + up * up) / 2.0).sqrt())
        };
        Bars {
            title: "Size of the weights, layer by layer".into(),
            quantity: "root mean square".into(),
            unit: Unit::Plain,
            groups: names.iter().map(|name| pictures::tick(name)).collect(),
            group: "layer".into(),
            roles: vec![],
            dim: Dim::Layer,
            series: cards
                .iter()
                .map(|card| Series {
                    name: card.name.clone(),
                    role: pictures::role(lab, card.id),
                    values: names.iter().map(|name| value(card, name).unwrap_or(f32::NAN)).collect(),
                })
                .collect(),
        }
    };
    let focus = RwSignal::new(None::<Hit>);
    view! {
        <div class="heading"><h2>"Adapters"</h2></div>
        <Show when=move || lab.adapters.with(Vec::is_empty)>
            <p class="empty">"None yet. Drop two or more that were trained on the same model."</p>
        </Show>
        <ul class="adapters">
            {each(
                move || lab.adapters.get(),
                // A name or track that changes leaves the row, and the keyboard's place in it.
                move |card| (card.id, lab.is_sample.get()),
                |card| view! { <AdapterRow card/> },
            )}
        </ul>
        <Show when=move || !norms().groups.is_empty()>
            <Figure picture=norms highlight=focus on_highlight=move |hit| focus.set(hit) file_name="adapter-norms"/>
        </Show>
        <Alike/>
    }
}

/// How alike the adapters are: a panel a pair, as stored and with the second aligned to the first.
#[component]
fn Alike() -> impl IntoView {
    let lab = expect_context::<Lab>();
    effect(move || lab.look_how_alike());
    let pairs = Signal::derive(move || {
        let present = lab.loaded.with(|cards| cards.iter().map(|card| card.id).collect::<Vec<_>>());
        lab.similarity.get().filter(|(of, _)| *of == present).map(|(_, found)| found).unwrap_or_default()
    });
    let picture = move || {
        let pairs = pairs.get();
        let values = || pairs.iter().flat_map(|pair| &pair.locations).flat_map(|l| [l.stored, l.aligned]).flatten();
        // The same for all, and no wider than what there is: the pairs differ by less than by what they all have in common.
        let (least, most) = values().fold((f32::MAX, f32::MIN), |(least, most), x| (least.min(x), most.max(x)));
        Curves {
            title: "How alike the adapters' weights are, layer by layer".into(),
            x: "layer".into(),
            end: None,
            panels: pairs
                .iter()
                .map(|Similarity { pair: [first, second], locations }| Panel {
                    title: format!("cosine of {} and {}", lab.name(*first), lab.name(*second)),
                    unit: Unit::Plain,
                    range: Some((f64::from(least), f64::from(most))),
                    runs: pictures::stored_and_aligned(
                        Some(pictures::by_layer(locations.iter().map(|l| l.stored))),
                        pictures::by_layer(locations.iter().map(|l| l.aligned)),
                    ),
                })
                .collect(),
        }
    };
    let focus = RwSignal::new(None::<Hit>);
    view! {
        <Show when=move || pairs.with(|pairs| !pairs.is_empty())>
            <div data-testid="similarity" data-pairs=move || pairs.with(Vec::len)
                data-stored=move || mean_of(&pairs.get(), |l| l.stored) data-aligned=move || mean_of(&pairs.get(), |l| l.aligned)>
                <Figure picture highlight=focus on_highlight=move |hit| focus.set(hit) file_name="adapter-similarity"/>
            </div>
        </Show>
    }
}

/// Mean over pairs and layers, for tests and screen readers.
fn mean_of(pairs: &[Similarity], read: fn(&LocationSimilarity) -> Option<f32>) -> Option<String> {
    let values: Vec<f32> = pairs.iter().flat_map(|pair| &pair.locations).filter_map(read).collect();
    (!values.is_empty()).then(|| (values.iter().sum::<f32>() / values.len() as f32).to_string())
}

#[component]
fn AdapterRow(card: AdapterCard) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let id = card.id;
    let colour = pictures::css(pictures::role(lab, id));
    let sample = lab.is_sample;
    // What waits behind a long job looks as if nothing had been heard.
    let still = Signal::derive(move || sample.get() || lab.busy());
    let name = Signal::derive(move || lab.name(id));
    let track =
        move || lab.adapters.with(|cards| cards.iter().find(|card| card.id == id).map(|card| card.track.clone()));
    let used = Signal::derive(move || lab.choices.with(|choices| !choices.left_out.contains(&name.get())));
    let is_reference = memo(move || {
        lab.adapters.with(|cards| lab.choices.with(|choices| choices.reference(cards).map(|card| card.id))) == Some(id)
    });
    let facts = [
        Some(card.kind.clone()).filter(|kind| !kind.is_empty()),
        bottleneck(&card.bottleneck).map(|m| format!("bottleneck {m}")),
        (card.parameters > 0).then(|| format!("{} parameters", words::short(card.parameters))),
        (!card.labels.is_empty()).then(|| format!("head: {}", card.labels.join(", "))),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    view! {
        <li class="adapter" class:left-out=move || !used.get() data-testid="adapter-row" data-name=name
            style=format!("--own: {colour}")>
            <div class="adapter-names">
                <input class="adapter-name" type="text" data-testid="adapter-name" aria-label="Name" prop:value=name
                    disabled=sample readonly=move || lab.busy() spellcheck="false"
                    on:change=move |event| {
                        let asked = take(&event, name.get_untracked());
                        lab.edit(EditAdapter { id, name: Some(asked), track: None });
                    }/>
                <input class="adapter-track" type="text" data-testid="adapter-track" aria-label="Track" title="Track: the family of tasks"
                    prop:value=track disabled=sample readonly=move || lab.busy() placeholder="track" spellcheck="false"
                    on:change=move |event| {
                        let asked = take(&event, untrack(track).unwrap_or_default());
                        lab.edit(EditAdapter { id, name: None, track: Some(asked) });
                    }/>
            </div>
            <p class="adapter-facts">{if facts.is_empty() { "loads with the example".to_owned() } else { facts.join(" · ") }}</p>
            {card.remarks.iter().map(|remark| view! { <p class="remark">{remark.clone()}</p> }).collect_view()}
            <div class="adapter-controls">
                <label class="check"><input type="checkbox" data-testid="adapter-use" prop:checked=used
                    on:change=move |event| {
                        let (name, on) = (name.get_untracked(), event_target_checked(&event));
                        lab.choices.update(|choices| { if on { choices.left_out.remove(&name); } else { choices.left_out.insert(name); } });
                    }/><span>"takes part"</span></label>
                <label class="check" title="The others are aligned to it"><input type="radio" name="reference" data-testid="adapter-reference" aria-label=move || format!("{} is the reference", name.get())
                    prop:checked=is_reference disabled=move || !used.get()
                    on:change=move |_| lab.choices.update(|choices| choices.reference = Some(name.get_untracked()))/><span>"reference"</span></label>
                <button class="small" on:click=move |_| lab.detail.set(Some(Detail::Adapter(id)))>"Details"</button>
                <Show when=move || !sample.get()>
                    <button class="small" data-testid="adapter-download" disabled=still aria-label=move || format!("Download {}", name.get()) on:click=move |_| lab.export(Export::Adapter(id))>"Download"</button>
                    <button class="small" data-testid="adapter-remove" disabled=still aria-label=move || format!("Remove {}", name.get()) on:click=move |_| lab.remove(id)>"Remove"</button>
                </Show>
            </div>
        </li>
    }
}

/// What a person has written into a field. Till the engine has taken it the field says what it said before.
fn take(event: &web_sys::Event, before: String) -> String {
    let asked = event_target_value(event);
    event_target::<web_sys::HtmlInputElement>(event).set_value(&before);
    asked
}

/// The width of the bottleneck; the range where it differs.
pub fn bottleneck(widths: &[usize]) -> Option<String> {
    let (least, most) = (widths.iter().min()?, widths.iter().max()?);
    Some(if least == most { least.to_string() } else { format!("{least} to {most}") })
}
