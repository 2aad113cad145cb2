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

/// A button that unfolds a form, shown where the form would fill a narrow screen.
#[component]
pub fn Fold(unfolded: RwSignal<bool>) -> impl IntoView {
    view! {
        <button class="fold quiet" aria-expanded=move || unfolded.get().to_string()
            on:click=move |_| unfolded.update(|unfolded| *unfolded = !*unfolded)>
            {move || if unfolded.get() { "Fewer settings" } else { "Settings" }}
        </button>
    }
}

/// What is good to know of the field `id`, in sight while the field is in focus; read with it through
/// [`hint_id`].
fn hint_line(id: &str, hint: &str) -> AnyView {
    view! { <div class="hint"><small id=hint_id(id)>{hint.to_owned()}</small></div> }.into_any()
}

fn hint_id(id: &str) -> String {
    format!("{id}-hint")
}

/// A line of text that is read when it is left. What can't be taken stays as it was typed, with the reason.
fn text_field(
    label: String,
    testid: String,
    hint: String,
    mode: &'static str,
    value: Signal<String>,
    take: Box<dyn Fn(String) -> Result<(), String>>,
) -> AnyView {
    // The reason, and the value that was not replaced: where another one has come since, nothing is wrong any more.
    let bad = RwSignal::new(None::<(String, String)>);
    let wrong = move || bad.get().filter(|(kept, _)| *kept == value.get()).map(|(_, reason)| reason);
    let change = move |event: web_sys::Event| match take(event_target_value(&event)) {
        // As it is kept, which may be more than what was typed says.
        Ok(()) => event_target::<web_sys::HtmlInputElement>(&event).set_value(&value.get_untracked()),
        Err(reason) => bad.set(Some((value.get_untracked(), reason))),
    };
    let id = fresh("field");
    let error_id = format!("{id}-error");
    view! {
        <div class="field" class:bad=move || wrong().is_some() title=hint.clone()>
            <label for=id.clone()>{label}</label>
            <input id=id.clone() data-testid=testid type="text" inputmode=mode autocomplete="off" prop:value=value
                aria-invalid=move || wrong().is_some().to_string() aria-describedby=format!("{} {error_id}", hint_id(&id))
                on:input=move |_| bad.set(None) on:change=change/>
            {hint_line(&id, &hint)}
            <small id=error_id class="field-error" role="alert">{wrong}</small>
        </div>
    }
    .into_any()
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
    let take = move |text: String| {
        let read = number::read(&text.trim().replace(',', ".")).filter(|x| !whole || x.fract() == 0.0);
        match read {
            Some(x) if x >= min && x <= max => {
                on_change.run(x);
                Ok(())
            }
            Some(_) => Err(range_words(min, max)),
            None => Err(if whole { "give a whole number".into() } else { "give a number".into() }),
        }
    };
    let mode = if whole { "numeric" } else { "decimal" };
    text_field(label, testid, hint, mode, Signal::derive(move || value.get().to_string()), Box::new(take))
}

fn range_words(min: f64, max: f64) -> String {
    match (min.is_finite(), max.is_finite()) {
        (true, true) => format!("give {min} to {max}"),
        (true, false) => format!("give {min} or more"),
        _ => format!("give {max} or less"),
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
        <div class="field" title=hint.clone()>
            <label for=id.clone()>{label}</label>
            <select id=id.clone() data-testid=testid aria-describedby=hint_id(&id) on:change=move |event| on_change.run(event_target_value(&event))>
                {move || {
                    let now = value.get();
                    options.get().into_iter().map(|(of, words)| {
                        let selected = of == now;
                        view! { <option value=of selected=selected>{words}</option> }
                    }).collect_view()
                }}
            </select>
            {hint_line(&id, &hint)}
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
    let id = fresh("check");
    view! {
        <label class="check" title=hint.clone()>
            <input type="checkbox" data-testid=testid prop:checked=move || value.get() aria-labelledby=id.clone()
                aria-describedby=hint_id(&id) on:change=move |event| on_change.run(event_target_checked(&event))/>
            <span id=id.clone()>{label}</span>
            {hint_line(&id, &hint)}
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
    text_field(label, testid, hint, "text", value, Box::new(on_change))
}
