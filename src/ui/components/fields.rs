//! Form fields, each with its label, its test id, and keyboard use by the browser's own controls.

use crate::ui::state::number;
use leptos::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// An id for elements that refer to one another.
pub fn fresh(stem: &str) -> String {
    format!("{stem}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// One of a choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it stands for.
    pub value: String,
    /// What a person reads.
    pub label: String,
    /// Test id; none where empty.
    pub testid: String,
    /// Why one would choose it.
    pub hint: String,
}

impl Item {
    /// An item whose hint is empty.
    pub fn new(value: &str, label: &str, testid: &str) -> Self {
        Self { value: value.into(), label: label.into(), testid: testid.into(), hint: String::new() }
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: &str) -> Self {
        self.hint = hint.into();
        self
    }
}

/// A few alternatives side by side.
#[component]
pub fn Segments(
    #[prop(into)] legend: String,
    items: Vec<Item>,
    #[prop(into)] value: Signal<String>,
    #[prop(into)] on_change: Callback<String>,
    /// Whether the legend is for screen readers only.
    #[prop(optional)]
    bare: bool,
) -> impl IntoView {
    let group = fresh("segments");
    let radios = items
        .into_iter()
        .map(|item| {
            let own = item.value.clone();
            view! {
                <label class="segment" title=item.hint>
                    <input type="radio" name=group.clone() data-testid=item.testid
                        prop:checked=move || value.get() == own
                        on:change={let own = item.value.clone(); move |_| on_change.run(own.clone())}/>
                    <span>{item.label}</span>
                </label>
            }
        })
        .collect_view();
    view! {
        <fieldset class="segments">
            <legend class:hidden=bare>{legend}</legend>
            <div class="segments-row">{radios}</div>
        </fieldset>
    }
}

/// A number.
#[component]
pub fn Number(
    #[prop(into)] label: String,
    #[prop(into)] value: Signal<f64>,
    #[prop(into)] on_change: Callback<f64>,
    #[prop(into)] testid: String,
    #[prop(default = f64::NEG_INFINITY)] min: f64,
    #[prop(default = f64::INFINITY)] max: f64,
    /// Whether only whole numbers are meant.
    #[prop(optional)]
    whole: bool,
    #[prop(optional, into)] hint: String,
) -> impl IntoView {
    let (bad, set_bad) = signal(None::<String>);
    let id = fresh("number");
    let error_id = format!("{id}-error");
    let change = move |event: web_sys::Event| {
        let text = event_target_value(&event);
        let read = number::read(&text.trim().replace(',', ".")).filter(|x| !whole || x.fract() == 0.0);
        match read {
            Some(x) if x >= min && x <= max => {
                set_bad.set(None);
                on_change.run(x);
            }
            Some(_) => set_bad.set(Some(range_words(min, max))),
            None => set_bad.set(Some(if whole { "a whole number".into() } else { "a number".into() })),
        }
    };
    view! {
        <div class="field" class:bad=move || bad.get().is_some() title=hint>
            <label for=id.clone()>{label}</label>
            <input id=id.clone() data-testid=testid type="text" inputmode=if whole { "numeric" } else { "decimal" } autocomplete="off"
                prop:value=move || { bad.track(); value.get().to_string() }
                aria-invalid=move || bad.get().is_some().to_string() aria-describedby=error_id.clone()
                on:change=change/>
            <small id=error_id class="field-error" role="alert">{move || bad.get().map(|words| format!("give {words}"))}</small>
        </div>
    }
}

fn range_words(min: f64, max: f64) -> String {
    match (min.is_finite(), max.is_finite()) {
        (true, true) => format!("{min} to {max}"),
        (true, false) => format!("{min} or more"),
        _ => format!("{max} or less"),
    }
}

/// One of many, from a list that may change.
#[component]
pub fn Select(
    #[prop(into)] label: String,
    #[prop(into)] options: Signal<Vec<(String, String)>>,
    #[prop(into)] value: Signal<String>,
    #[prop(into)] on_change: Callback<String>,
    #[prop(into)] testid: String,
    #[prop(optional, into)] hint: String,
) -> impl IntoView {
    let id = fresh("select");
    view! {
        <div class="field" title=hint>
            <label for=id.clone()>{label}</label>
            <select id=id.clone() data-testid=testid on:change=move |event| on_change.run(event_target_value(&event))>
                {move || {
                    let now = value.get();
                    options.get().into_iter().map(|(of, words)| {
                        let selected = of == now;
                        view! { <option value=of selected=selected>{words}</option> }
                    }).collect_view()
                }}
            </select>
        </div>
    }
}

/// A switch.
#[component]
pub fn Check(
    #[prop(into)] label: String,
    #[prop(into)] value: Signal<bool>,
    #[prop(into)] on_change: Callback<bool>,
    #[prop(into)] testid: String,
    #[prop(optional, into)] hint: String,
) -> impl IntoView {
    view! {
        <label class="check" title=hint>
            <input type="checkbox" data-testid=testid prop:checked=move || value.get()
                on:change=move |event| on_change.run(event_target_checked(&event))/>
            <span>{label}</span>
        </label>
    }
}

/// A number between two ends, with its value beside it.
#[component]
pub fn Slider(
    #[prop(into)] label: Signal<String>,
    #[prop(into)] value: Signal<f64>,
    #[prop(into)] on_change: Callback<f64>,
    #[prop(into)] testid: String,
    min: f64,
    max: f64,
    step: f64,
    /// A CSS colour for the mark before the label.
    #[prop(optional, into)]
    colour: String,
) -> impl IntoView {
    let id = fresh("slider");
    view! {
        <div class="slider">
            <label for=id.clone()>
                {(!colour.is_empty()).then(|| view! { <span class="swatch" style=format!("background: {colour}") aria-hidden="true"></span> })}
                {label}
            </label>
            <input id=id.clone() data-testid=testid type="range" min=min max=max step=step
                prop:value=move || value.get().to_string()
                on:input=move |event| { if let Some(x) = number::read(&event_target_value(&event)) { on_change.run(x) } }/>
            <output for=id>{move || crate::ui::state::words::significant(value.get(), 3)}</output>
        </div>
    }
}

/// A line of text that is read when it is left.
#[component]
pub fn Words(
    /// What it holds.
    #[prop(into)]
    label: String,
    #[prop(into)] testid: String,
    #[prop(into)] hint: String,
    #[prop(into)] value: Signal<String>,
    on_change: impl Fn(String) -> Result<(), String> + 'static,
) -> impl IntoView {
    let bad = RwSignal::new(None::<String>);
    let id = fresh("words");
    view! {
        <div class="field" class:bad=move || bad.with(Option::is_some) title=hint>
            <label for=id.clone()>{label}</label>
            <input id=id.clone() data-testid=testid type="text" autocomplete="off" title=hint.clone() prop:value=move || { bad.track(); value.get() }
                aria-invalid=move || bad.with(Option::is_some).to_string()
                on:change=move |event| bad.set(on_change(event_target_value(&event)).err())/>
            <small class="field-error" role="alert">{bad}</small>
        </div>
    }
}
