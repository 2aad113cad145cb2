//! The experiment as a form, and as its file.

use super::in_sight;
use super::scores::TargetScores;
use super::variants::Variants;
use crate::protocol::*;
use crate::ui::components::fields::{Fold, Select, Words};
use crate::ui::components::pick::Pick;
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::laboratory::Laboratory;
use crate::ui::state::laboratory::bundle::last;
use crate::ui::state::laboratory::{Status, form};
use crate::ui::state::sample::Sample;
use crate::ui::state::words;
use leptos::prelude::*;

/// The rail of the laboratory.
#[component]
pub fn Sheet() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let names = Signal::derive(move || {
        laboratory.experiments.with(|all| {
            let words = |status: Status| {
                if status == Status::Draft { String::new() } else { format!(" · {}", status.label()) }
            };
            all.iter()
                .map(|one| (one.bundle.name.clone(), format!("{}{}", one.bundle.name, words(one.status))))
                .collect::<Vec<_>>()
        })
    });
    let name = Signal::derive(move || {
        laboratory.shown.with(|shown| shown.as_ref().map(|one| one.bundle.name.clone()).unwrap_or_default())
    });
    let active = memo(move || laboratory.status().is_locked());
    let has_data = move || laboratory.lab.data.with(|data| !data.is_empty());
    let unreadable = move || laboratory.shown.with(|shown| shown.as_ref().and_then(|one| one.unreadable.clone()));
    let missing = memo(move || {
        laboratory.shown.with(|shown| shown.as_ref().map(|one| one.bundle.missing(&one.sheet)).unwrap_or_default())
    });
    let read =
        memo(move || laboratory.shown.with(|shown| shown.as_ref().is_some_and(|one| !one.sheet.plms.is_empty())));
    // What has taken time is asked about.
    let sure = RwSignal::new(false);
    let done = move || {
        let records = laboratory.records.read();
        laboratory
            .shown
            .with(|shown| shown.as_ref().map_or(0, |one| one.progress(&|hash| records.contains_key(hash)).0))
    };
    let unfolded = RwSignal::new(false);
    view! {
        <aside class="rail sheet" class:folded=move || !unfolded.get() aria-label="Experiment" data-testid="sheet" data-shown=move || name.get()>
            <div class="sheet-part">
                <Select label="Experiment" options=names value=name testid="experiment-select" on_change=move |name: String| laboratory.show(&name)/>
                <Pick/>
                <div class="row">
                    <button data-testid="of-lab" disabled=move || !has_data() on:click=move |_| laboratory.make_of_lab()
                        title="An experiment on the model, the adapters and the data that are loaded in the Lab">"Make one of the Lab"</button>
                    <button class="quiet" data-testid="forget" disabled=move || active.get() on:blur=move |_| sure.set(false)
                        on:click=move |_| {
                            let forgets = sure.get_untracked() || untrack(done) == 0;
                            if forgets {
                                laboratory.forget();
                            }
                            sure.set(!forgets);
                        }
                        title="Takes the experiment out of this browser; the sample comes back as it was">
                        {move || if sure.get() { format!("Forget {}?", words::plural(done(), "run")) } else { "Forget".into() }}</button>
                </div>
                {move || unreadable().map(|line| view! { <p class="bad" role="alert" data-testid="unreadable">{line}</p> })}
                <ul class="missing">{move || missing.get().into_iter().map(|line| view! { <li class="why">{line}</li> }).collect_view()}</ul>
            </div>
            <Fold unfolded/>
            <Show when=move || read.get() fallback=|| view! { <p class="sheet-part quiet-words">"The form is there once the engine has read the file."</p> }>
                <fieldset class="sheet-form" disabled=move || active.get() || unreadable().is_some()>
                    <Methods/>
                    <Variants/>
                    <Numbers/>
                    <Parts/>
                </fieldset>
            </Show>
            <File/>
        </aside>
    }
}

#[component]
fn Methods() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let sheet = in_sight(laboratory);
    view! {
        <fieldset class="sheet-part">
            <legend>{move || words::plural(sheet.with(|sheet| sheet.methods.len()), "method")}</legend>
            <div class="method-list">
                {move || laboratory.lab.compared.get().into_iter().map(|ComparedMethod { id, description, .. }| {
                    let testid = format!("use-{id}");
                    view! { <Check sheet list=|sheet| &mut sheet.methods item=id.clone() name=id title=description testid/> }
                }).collect_view()}
            </div>
        </fieldset>
    }
}

#[component]
fn Numbers() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let sheet = in_sight(laboratory);
    let workers = memo(move || laboratory.workers());
    let on_gpu = move || {
        laboratory.lab.device.with(|device| device.as_ref().is_some_and(|device| device.device == DeviceKind::WebGpu))
    };
    view! {
        <div class="sheet-part">
            <Words label="Examples a class (k)" testid="shots" hint="To learn from, and as many again to choose on"
                value=Signal::derive(move || sheet.with(|sheet| form::spaced(&sheet.shots)))
                on_change=move |text: String| form::whole_numbers(&text).map(|numbers| {
                    laboratory.edit(|sheet| sheet.shots = numbers.into_iter().map(|number| number as usize).collect());
                })/>
            <Words label="Seeds" testid="seeds" hint="Of the examples, new weights, shuffles and dropout"
                value=Signal::derive(move || sheet.with(|sheet| form::spaced(&sheet.seeds)))
                on_change=move |text: String| form::whole_numbers(&text).map(|numbers| laboratory.edit(|sheet| sheet.seeds = numbers))/>
            <div class="field-row">
                {form::TRAINING.iter().map(|&(key, label, hint)| view! {
                    <Words label testid=format!("training-{key}") hint
                        value=Signal::derive(move || sheet.with(|sheet| sheet.training.get(key).map(|value| form::listed(value)).unwrap_or_default()))
                        on_change=move |text: String| {
                            let value = match key {
                                "learning_rates" => form::rates(&text)?,
                                _ => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
                            };
                            laboratory.edit(|sheet| match value {
                                Some(value) => { sheet.training.insert(key.to_owned(), value); }
                                None => { sheet.training.remove(key); }
                            });
                            Ok(())
                        }/>
                }).collect_view()}
                <Words label="Workers" testid="workers" hint="That share the runs, each with an engine of its own; one on a GPU"
                    value=Signal::derive(move || if on_gpu() { "1 (GPU)".to_owned() } else { workers.get().to_string() })
                    on_change=move |text: String| form::whole_numbers(&text).map(|numbers| {
                        let many = numbers.first().map(|many| (*many as usize).clamp(1, 64));
                        laboratory.link.update(|link| link.workers = many);
                    })/>
            </div>
        </div>
    }
}

/// One item of a list of the sheet: in it or not.
#[component]
fn Check(
    sheet: Memo<ExperimentSheet>,
    list: fn(&mut ExperimentSheet) -> &mut Vec<String>,
    item: String,
    name: String,
    title: String,
    testid: String,
    /// Whether the last one stays.
    #[prop(optional)]
    keep_one: bool,
) -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let on = item.clone();
    let is_on = memo(move || list(&mut sheet.get()).contains(&on));
    view! {
        <label class="check" title=title>
            <input type="checkbox" data-testid=testid prop:checked=is_on
                disabled=move || keep_one && is_on.get() && list(&mut sheet.get()).len() == 1
                on:change=move |_| laboratory.edit(|sheet| form::toggle(list(sheet), &item))/>
            <span>{name}</span>
        </label>
    }
}

/// The models, and adapters and targets with their tracks.
#[component]
fn Parts() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let sheet = in_sight(laboratory);
    let plms = memo(move || {
        let served = laboratory.lab.sample.with(|sample| sample.as_ref().map(Sample::folders).unwrap_or_default());
        sheet.with(|sheet| form::plms(sheet, &served))
    });
    view! {
        <div class="sheet-part">
            <h4>"Models"</h4>
            <div class="row" role="group" aria-label="Models">
                {move || plms.get().into_iter().map(|plm| {
                    let name = last(&plm).to_owned();
                    let testid = format!("use-plm-{name}");
                    view! { <Check sheet list=|sheet| &mut sheet.plms item=plm.clone() name title=plm testid keep_one=true/> }
                }).collect_view()}
            </div>
            <h4>"Adapters"</h4>
            <ul>
                {move || sheet.get().adapters.into_iter().enumerate().map(|(place, adapter)| view! {
                    <li class="part">
                        <Track name=adapter.name path=adapter.path track=adapter.track testid="adapter-track"
                            on_change=move |track| laboratory.edit(|sheet| if let Some(adapter) = sheet.adapters.get_mut(place) { adapter.track = track })/>
                    </li>
                }).collect_view()}
            </ul>
            <h4>"Targets"</h4>
            <ul>
                {move || {
                    let sheet = sheet.get();
                    let known: Vec<_> = sheet.adapters.iter().map(|adapter| adapter.name.clone()).collect();
                    sheet.targets.into_iter().enumerate().map(|(place, target)| view! { <Target place target known=known.clone()/> }).collect_view()
                }}
            </ul>
            <div class="row" role="group" aria-label="Sets of adapters">
                {["same", "cross", "mixed"].map(|tracks| view! {
                    <Check sheet list=|sheet| &mut sheet.tracks item=tracks.into() name=tracks.into() testid=format!("use-tracks-{tracks}")
                        title="Which adapters are merged for a target: those of its track, the others, all".into()/>
                }).collect_view()}
            </div>
        </div>
    }
}

/// What is learned: its track, and which adapters it goes without, where there are several.
#[component]
fn Target(place: usize, target: SheetTarget, known: Vec<String>) -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let edit = move |change: &dyn Fn(&mut SheetTarget)| {
        laboratory.edit(|sheet| {
            if let Some(target) = sheet.targets.get_mut(place) {
                change(target);
            }
        });
    };
    let (without, has_adapters) = (target.without.join(", "), !known.is_empty());
    view! {
        <li class="part">
            <Track name=target.name path=target.train track=target.track testid="target-track"
                on_change=move |track: String| edit(&|target| target.track.clone_from(&track))/>
            {(known.len() > 1).then(|| view! {
                <Words label="Without the adapters" testid="target-without" value=Signal::derive(move || without.clone())
                    hint="Adapters that are not used for this target, such as one that has learned it; apart by commas"
                    on_change=move |text: String| form::some_of(&text, &known).map(|names| edit(&|target| target.without.clone_from(&names)))/>
            })}
            {has_adapters.then(|| view! { <TargetScores target=place/> })}
        </li>
    }
}

/// A name, and the track of what it names.
#[component]
fn Track(
    name: String,
    path: String,
    track: String,
    testid: &'static str,
    #[prop(into)] on_change: Callback<String>,
) -> impl IntoView {
    view! {
        <span title=path>{name.clone()}</span>
        <input type="text" class="part-track" aria-label=format!("Track of {name}") placeholder="track" data-testid=testid prop:value=track
            on:change=move |event| on_change.run(event_target_value(&event))/>
    }
}

/// The file itself.
#[component]
fn File() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let toml = Signal::derive(move || {
        laboratory.shown.with(|shown| shown.as_ref().map(|one| one.bundle.toml.clone()).unwrap_or_default())
    });
    let active = memo(move || laboratory.status().is_locked());
    view! {
        <details class="more sheet-part">
            <summary>"experiment.toml"</summary>
            <textarea class="toml" data-testid="toml" rows="24" spellcheck="false" aria-label="The experiment file" readonly=move || active.get()
                prop:value=toml on:change=move |event| laboratory.write_file(event_target_value(&event))></textarea>
        </details>
    }
}
