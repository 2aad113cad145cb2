//! The variants of the experiment: added, changed in place, left out.

use super::in_sight;
use crate::protocol::*;
use crate::ui::components::each::each;
use crate::ui::components::fields::{Select, Words};
use crate::ui::components::show::Show;
use crate::ui::effect::{effect, memo};
use crate::ui::laboratory::Laboratory;
use crate::ui::state::laboratory::{form, variant};
use crate::ui::state::words;
use leptos::prelude::*;

/// The list. One variant at a time is open.
#[component]
pub fn Variants() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let sheet = in_sight(laboratory);
    let count = memo(move || sheet.with(|sheet| sheet.variants.len()));
    let open = RwSignal::new(None::<usize>);
    let name = memo(move || laboratory.shown.with(|shown| shown.as_ref().map(|one| one.bundle.name.clone())));
    effect(move || {
        name.track();
        open.set(None);
    });
    view! {
        <fieldset class="sheet-part">
            <legend title="Methods with other settings, compared like the others">{move || words::plural(count.get(), "variant")}</legend>
            <ul class="variants">
                {each(move || (0..count.get()).collect(), |place| *place, move |place| view! { <Variant place open/> })}
            </ul>
            <div><button type="button" data-testid="add-variant" on:click=move |_| {
                open.set(Some(count.get_untracked()));
                laboratory.edit(variant::add);
            }>"Add a variant"</button></div>
        </fieldset>
    }
}

#[component]
fn Variant(place: usize, open: RwSignal<Option<usize>>) -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let sheet = in_sight(laboratory);
    let own = memo(move || sheet.with(|sheet| sheet.variants.get(place).cloned()).unwrap_or_default());
    let name = move || own.with(|own| own.name.clone());
    let is_open = memo(move || open.get() == Some(place));
    view! {
        <li class="variant" data-testid="variant" data-name=name>
            <div class="variant-head">
                <button type="button" class="variant-name" data-testid="open-variant" aria-expanded=move || is_open.get().to_string()
                    title=move || own.with(variant::words)
                    on:click=move |_| open.update(|open| *open = if *open == Some(place) { None } else { Some(place) })>
                    <b>{name}</b><small>{move || own.with(variant::words)}</small>
                </button>
                <button type="button" class="icon small" aria-label=move || format!("Leave out {}", name())
                    on:click=move |_| {
                        open.set(None);
                        laboratory.edit(|sheet| if place < sheet.variants.len() { sheet.variants.remove(place); });
                    }>"×"</button>
            </div>
            <Show when=move || is_open.get()><Form place own/></Show>
        </li>
    }
}

#[component]
fn Form(place: usize, own: Memo<SheetVariant>) -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let (compared, merges) = (laboratory.lab.compared, laboratory.lab.methods);
    let find = move |id: &str| compared.with(|all| all.iter().find(|method| method.id == id).cloned());
    let method = memo(move || own.with(|own| find(&own.method)).unwrap_or_default());
    let methods = Signal::derive(move || {
        let ids = compared.get().into_iter().map(|method| method.id);
        ids.map(|id| (id.clone(), id)).collect::<Vec<_>>()
    });
    let references = Signal::derive(move || {
        let first = (String::new(), "the first".to_owned());
        let names = in_sight(laboratory).with(|sheet| sheet.adapters.clone());
        std::iter::once(first)
            .chain(names.into_iter().map(|adapter| (adapter.name.clone(), adapter.name)))
            .collect::<Vec<_>>()
    });
    let edit = move |change: Box<dyn FnOnce(&mut SheetVariant)>| {
        laboratory.edit(|sheet| {
            if let Some(variant) = sheet.variants.get_mut(place) {
                change(variant);
            }
        });
    };
    let put =
        move |key: &'static str, word: String| edit(Box::new(move |own| variant::put(&mut own.settings, key, &word)));
    let word = move |key: &'static str, default: &'static str| {
        Signal::derive(move || {
            let word = own.with(|own| variant::word(&own.settings, key));
            if word.is_empty() { default.to_owned() } else { word }
        })
    };
    let settings = move || {
        let id = method.with(|method| method.id.clone());
        let card = merges.with(|all| all.iter().find(|card| card.id == id).cloned())?;
        let parameters = card.parameters.clone();
        let card = StoredValue::new(card);
        Some(parameters.into_iter().map(|parameter| view! { <Setting card parameter own edit/> }).collect_view())
    };
    // A choice at its default needs no line in the file.
    let choice = move |label: &'static str, hint: &'static str, key: &'static str, words: &'static [&'static str]| {
        let options = Signal::stored(words.iter().map(|word| ((*word).to_owned(), (*word).to_owned())).collect());
        view! {
            <Select label options value=word(key, words[0]) testid=format!("variant-{key}") hint
                on_change=move |word: String| put(key, if word == words[0] { String::new() } else { word })/>
        }
    };
    view! {
        <div class="variant-form">
            <Words label="Name" testid="variant-name" hint="As in tables and records; letters, digits and - _ . +"
                value=Signal::derive(move || own.with(|own| own.name.clone()))
                on_change=move |text: String| { edit(Box::new(move |own| own.name = text.trim().to_owned())); Ok(()) }/>
            <Select label="Method" options=methods value=Signal::derive(move || own.with(|own| own.method.clone())) testid="variant-method"
                on_change=move |id: String| {
                    if let Some(method) = untrack(|| find(&id)) {
                        laboratory.edit(|sheet| variant::change_method(sheet, place, &method));
                    }
                }/>
            <div class="field-row">
                <Show when=move || method.with(|method| method.merges)>
                    <Words label="Scale" testid="variant-scale" hint="Of the merge's output: none, keep (the inputs' amplitude), sum (of functions, not their mean), or a number"
                        value=word("scale", "none")
                        on_change=move |text: String| { put("scale", if text.trim() == "none" { String::new() } else { text }); Ok(()) }/>
                    {choice("Weights", "How much each adapter counts: the same, or what its score is above the model alone", "weights", &["equal", "score"])}
                </Show>
                <Show when=move || method.with(|method| method.aligns)>
                    <Select label="Reference" options=references value=word("reference", "") testid="variant-reference"
                        hint="The adapter that the others are aligned to; where it is not among them, the variant is left out"
                        on_change=move |name: String| edit(Box::new(move |own| variant::name(&mut own.settings, "reference", &name)))/>
                </Show>
                <Show when=move || method.with(|method| method.trains_adapter)>
                    {choice("Trained", "Beside the head: the whole adapter, its up projections, one factor a layer, or nothing", "train", &["all", "up", "gates", "head"])}
                </Show>
                <Show when=move || method.with(|method| method.trains)>
                    <Words label="Learning rates" testid="variant-rates" hint="In the place of the experiment's; empty for those"
                        value=Signal::derive(move || own.with(|own| own.settings.get("learning_rates").map(|rates| form::listed(rates)).unwrap_or_default()))
                        on_change=move |text: String| form::rates(&text).map(|rates| edit(Box::new(move |own| match rates {
                            Some(rates) => { own.settings.insert("learning_rates".into(), rates); }
                            None => { own.settings.remove("learning_rates"); }
                        })))/>
                </Show>
            </div>
            <div class="field-row">
                {settings}
            </div>
        </div>
    }
}

/// A setting of the method.
#[component]
fn Setting(
    card: StoredValue<MethodCard>,
    parameter: ParameterCard,
    own: Memo<SheetVariant>,
    edit: impl Fn(Box<dyn FnOnce(&mut SheetVariant)>) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let testid = format!("variant-set-{}", parameter.name);
    let label = parameter.name.replace('_', " ");
    let (hint, range) = (parameter.meaning.clone(), parameter.range.clone());
    let parameter = StoredValue::new(parameter);
    let value = Signal::derive(move || {
        own.with(|own| card.with_value(|card| parameter.with_value(|parameter| variant::setting(own, card, parameter))))
    });
    let put = move |word: String| {
        edit(Box::new(move |own| {
            card.with_value(|card| parameter.with_value(|parameter| variant::set(own, card, parameter, &word)));
        }));
    };
    let words = match range {
        ParameterRange::Choice(words) => words,
        ParameterRange::Flag => vec!["true".to_owned(), "false".to_owned()],
        ParameterRange::Number { .. } | ParameterRange::Integer { .. } => {
            let on_change = move |text: String| {
                put(text);
                Ok(())
            };
            return view! { <Words label testid hint value on_change/> }.into_any();
        }
    };
    let options = Signal::stored(words.into_iter().map(|word| (word.clone(), word)).collect());
    view! { <Select label options value testid hint on_change=put/> }.into_any()
}
