//! One adapter out of several: method, settings, weights, and what the merge did.

use super::between::{Between, Lost};
use super::{Go, Stale};
use crate::protocol::*;
use crate::ui::charts::Figure;
use crate::ui::components::each::each;
use crate::ui::components::fields::{Check, Item, Number, Segments, Select, Slider};
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::lab::{Detail, Lab};
use crate::ui::pictures;
use crate::ui::state::{Choices, Standing, Step, names, number, words};
use crate::viz::{Bars, Dim, Hit, Series, Unit};
use leptos::prelude::*;

/// Gallery, form, weights, scale.
#[component]
pub fn Controls() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let method = memo(move || lab.choices.with(|c| c.merge.method.clone()));
    let missing = Signal::derive(move || {
        if lab.is_sample.get() {
            return None;
        }
        let (adapters, data, methods) = (lab.adapters.get(), lab.data.get(), lab.methods.get());
        lab.choices.with(|choices| choices.merge(&adapters, &data, &methods)).err()
    });
    let line = memo(move || lab.line(Step::Merge));
    let label = Signal::derive(move || match line.with(|line| line.standing) {
        Standing::Ready => "Merged".to_owned(),
        Standing::Stale => "Merge again".to_owned(),
        _ => "Merge".to_owned(),
    });
    view! {
        <fieldset class="gallery">
            <legend>"Method"</legend>
            <Show when=move || lab.methods.with(Vec::is_empty)>
                <p class="quiet-words">"The list comes with the engine, in a moment."</p>
            </Show>
            {move || lab.methods.get().into_iter().map(|card| {
                let (id, shown) = (card.id.clone(), card.id.clone());
                view! {
                    <label class="method" title=card.description.clone()>
                        <input type="radio" name="method" data-testid=format!("method-{id}") prop:checked={let id = id.clone(); move || method.get() == id}
                            on:change=move |_| {
                                lab.choices.update(|c| c.merge.method = id.clone());
                                lab.detail.set(Some(Detail::Method(shown.clone())));
                            }/>
                        <span>{card.title}</span>
                    </label>
                }
            }).collect_view()}
        </fieldset>
        {move || lab.choices.with(Choices::merges_otherwise).map(|line| view! { <p class="quiet-words">{line}</p> })}
        {move || {
            let id = method.get();
            let card = lab.methods.get().into_iter().find(|card| card.id == id && !card.parameters.is_empty());
            card.map(|card| {
                let prefix = format!("{id}.");
                let open = lab.choices.with_untracked(|c| c.merge.settings.keys().any(|key| key.starts_with(&prefix)));
                let parameters = card.parameters.clone();
                let card = StoredValue::new(card);
                let settings = parameters.into_iter().map(|parameter| view! { <Setting card parameter/> });
                view! {
                    <details class="more" open=open data-testid="settings">
                        <summary>"Settings of the method"</summary>
                        {settings.collect_view()}
                    </details>
                }
            })
        }}
        <fieldset class="weights">
            <legend title="Shares of the inputs; they are normalised">"Weights"</legend>
            {move || {
                let adapters = lab.adapters.get();
                let inputs: Vec<AdapterCard> = lab.choices.with(|c| c.inputs(&adapters).into_iter().cloned().collect());
                inputs.into_iter().map(|card| view! { <Weight card/> }).collect_view()
            }}
        </fieldset>
        <Scale/>
        <Go step=Step::Merge label testid="merge-go" missing press=move |()| lab.merge()/>
    }
}

#[component]
fn Weight(card: AdapterCard) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let name = StoredValue::new(card.name.clone());
    let value =
        Signal::derive(move || lab.choices.with(|c| c.merge.weights.get(&name.get_value()).copied().unwrap_or(1.0)));
    let change = move |x: f64| {
        lab.choices.update(|c| {
            if x == 1.0 {
                c.merge.weights.remove(&name.get_value());
            } else {
                c.merge.weights.insert(name.get_value(), x);
            }
        });
    };
    view! {
        <Slider label=card.name.clone() value on_change=change testid=format!("weight-{}", card.name) min=0.0 max=2.0 step=0.05
            colour=pictures::css(pictures::role(lab, card.id))/>
    }
}

/// One setting of a method, as its card describes it.
#[component]
fn Setting(card: StoredValue<MethodCard>, parameter: ParameterCard) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let own = StoredValue::new(parameter.clone());
    let text = Signal::derive(move || {
        lab.choices.with(|c| card.with_value(|card| own.with_value(|own| c.setting(card, own))))
    });
    let set = move |value: String| {
        lab.choices.update(|c| card.with_value(|card| own.with_value(|own| c.set(card, own, value))));
    };
    let number = Signal::derive(move || number::read(&text.get()).unwrap_or(f64::NAN));
    let testid = format!("setting-{}", parameter.name);
    let ParameterCard { name, meaning, range, .. } = parameter;
    match range {
        ParameterRange::Choice(values) if values.len() <= 3 => {
            let items = values.iter().map(|value| Item::new(value, value, &format!("{testid}-{value}"))).collect();
            view! { <Segments legend=name items value=text on_change=set/> }.into_any()
        }
        ParameterRange::Choice(values) => {
            let options = Signal::stored(values.into_iter().map(|value| (value.clone(), value)).collect());
            view! { <Select label=name options value=text on_change=set testid hint=meaning/> }.into_any()
        }
        ParameterRange::Number { min, max } => {
            view! { <Number label=name value=number on_change=move |x: f64| set(x.to_string()) testid min max hint=meaning/> }.into_any()
        }
        ParameterRange::Integer { min, max } => view! {
            <Number label=name value=number on_change=move |x: f64| set(x.to_string()) testid min=min as f64 max=max as f64 whole=true hint=meaning/>
        }
        .into_any(),
        ParameterRange::Flag => {
            let value = Signal::derive(move || text.get() == "true");
            view! { <Check label=name value on_change=move |on: bool| set(on.to_string()) testid hint=meaning/> }.into_any()
        }
    }
}

/// What is done to the amplitude of the output.
#[component]
fn Scale() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let options = Signal::derive(|| {
        [
            ("none", "as the method gives it"),
            ("keep", "amplitude of the inputs kept"),
            ("sum", "sum of functions, not mean"),
            ("factor", "times a factor"),
        ]
        .map(|(value, words)| (value.to_owned(), words.to_owned()))
        .to_vec()
    });
    let value = Signal::derive(move || match lab.choices.with(|c| c.merge.scale) {
        OutputScale::Factor(_) => "factor".to_owned(),
        named => named.word(),
    });
    let choose = move |value: String| {
        // What is no word is the factor, which begins at 1.
        let scale = OutputScale::read(&value, |_| Some(1.0)).unwrap_or_default();
        lab.choices.update(|c| c.merge.scale = scale);
    };
    let factor = Signal::derive(move || match lab.choices.with(|c| c.merge.scale) {
        OutputScale::Factor(factor) => factor,
        _ => 1.0,
    });
    view! {
        <Select label="Output" options value on_change=choose testid="scale" hint="Averages of misaligned neurons come out too small; this puts the size right"/>
        <Show when=move || value.get() == "factor">
            <Number label="factor" testid="scale-factor" min=0.0 max=100.0 value=factor
                on_change=move |x| lab.choices.update(|c| c.merge.scale = OutputScale::Factor(x))/>
        </Show>
    }
}

/// Distance to the ensemble by layer, and the merges made.
#[component]
pub fn Picture() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let focus = RwSignal::new(None::<Hit>);
    let has_distance =
        memo(move || lab.merges.with(|all| all.iter().any(|m| m.locations.iter().any(|l| l.ensemble.is_some()))));
    let bars = move |title: &'static str, quantity: &'static str, unit: Unit, read: fn(&EnsembleDistance) -> f32| {
        move || {
            let merges = lab.merges.get();
            let names: Vec<String> =
                merges.first().map(|m| m.locations.iter().map(|l| l.name.clone()).collect()).unwrap_or_default();
            Bars {
                title: title.into(),
                quantity: quantity.into(),
                unit,
                groups: names.iter().map(|name| pictures::tick(name)).collect(),
                group: "layer".into(),
                roles: vec![],
                dim: Dim::Layer,
                series: merges
                    .iter()
                    .map(|merge| Series {
                        name: merge.adapter.name.clone(),
                        role: pictures::role(lab, merge.adapter.id),
                        values: names
                            .iter()
                            .map(|name| {
                                let here = merge.locations.iter().find(|l| &l.name == name);
                                here.and_then(|l| l.ensemble.as_ref()).map_or(f32::NAN, read)
                            })
                            .collect(),
                    })
                    .collect(),
            }
        }
    };
    let error =
        bars("Distance to the ensemble of the inputs, by layer", "relative error", Unit::Plain, |d| d.relative_error);
    let amplitude =
        bars("Size of the output against the ensemble's, by layer", "amplitude ratio", Unit::Plain, |d| d.amplitude);
    view! {
        <div class="heading"><h2>"Merge"</h2></div>
        <Stale step=Step::Merge again="Merge again" redo=move |()| lab.merge()/>
        <Show when=move || lab.merges.with(Vec::is_empty)>
            <p class="empty">{move || match lab.line(Step::Merge).standing {
                Standing::Running => "Aligning and averaging, layer by layer…",
                _ => "Nothing merged yet. Choose a method and press Merge; several are kept side by side.",
            }}</p>
        </Show>
        <Show when=move || has_distance.get()>
            <Figure picture=error highlight=focus on_highlight=move |hit| focus.set(hit) file_name="ensemble-distance"/>
            <Figure picture=amplitude highlight=focus on_highlight=move |hit| focus.set(hit) file_name="ensemble-amplitude"/>
        </Show>
        <Lost/>
        <Show when=move || !has_distance.get() && lab.merges.with(|all| !all.is_empty())>
            <p class="empty">"How far a merge is from the ensemble is measured on texts: drop a data set, or give your own under Align."</p>
        </Show>
        <Show when=move || lab.merges.with(|all| !all.is_empty())>
            <div class="scroll"><table class="data">
                <thead><tr>
                    <th scope="col">"Merge"</th>
                    <th scope="col" class="n" title="Mean over the layers of the plans' mass that stays in its place">"Diagonal"</th>
                    <th scope="col" class="n" title="Mean distance of paired neurons, as stored and under the plans">"Cost"</th>
                    <th scope="col" class="n" title="0: computes the mean of the inputs' functions; 1: as far from it as no adapter">"Ensemble distance"</th>
                    <th scope="col"></th>
                </tr></thead>
                <tbody>
                    {each(move || lab.merges.get(), |merge| merge.adapter.id, |merge| view! { <Row merge/> })}
                </tbody>
            </table></div>
        </Show>
        <Between/>
    }
}

/// A merge in words, as long as what it was made of is there; its file's name then.
fn named(lab: Lab, merge: &MergeReport) -> String {
    lab.adapters.with(|adapters| {
        let is_there = |id: &AdapterId| adapters.iter().any(|card| card.id == *id);
        match merge.spec.adapters.iter().all(is_there) {
            true => lab.methods.with(|methods| names::of_merge(&merge.spec, methods, adapters)),
            false => merge.adapter.name.clone(),
        }
    })
}

#[component]
fn Row(merge: MergeReport) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let id = merge.adapter.id;
    let mean = |read: fn(&MergeLocation) -> Option<f32>| {
        let values: Vec<f64> = merge.locations.iter().filter_map(read).map(f64::from).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let number = |value: Option<f64>| value.map_or("—".to_owned(), |x| words::significant(x, 3));
    let cost = match (mean(|l| l.cost_before), mean(|l| l.cost_after)) {
        (before, Some(after)) => format!("{} → {}", number(before), number(Some(after))),
        _ => "—".into(),
    };
    let distance = mean(|l| l.ensemble.map(|e| e.relative_error));
    view! {
        <tr data-testid="merge-row" data-name=merge.adapter.name.clone() data-method=merge.spec.method.clone()
            data-distance=distance.map(|x| x.to_string())>
            <th scope="row"><span class="swatch" style=format!("background: {}", pictures::css(pictures::role(lab, id))) aria-hidden="true"></span>{named(lab, &merge)}</th>
            <td class="n">{mean(|l| l.diagonal_share).map_or("—".to_owned(), words::percent)}</td>
            <td class="n">{cost}</td>
            <td class="n">{number(distance)}</td>
            <td class="buttons">
                <button class="small" on:click=move |_| lab.detail.set(Some(Detail::Adapter(id)))>"Details"</button>
                <button class="small" data-testid="download-adapter" aria-label=format!("Download {}", named(lab, &merge)) title="A zip that Python's adapters library loads, with its recipe"
                    disabled=move || lab.busy() on:click=move |_| lab.export(Export::Adapter(id))>"Download"</button>
                <button class="small" aria-label=format!("Remove {}", named(lab, &merge)) on:click=move |_| lab.remove(id)>"Remove"</button>
            </td>
        </tr>
    }
}
