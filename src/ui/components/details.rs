//! The panel beside the picture: what is pinned, else what the step is about. On a narrow screen, a sheet from below.

use super::show::Show;
use crate::protocol::*;
use crate::ui::effect::{effect, memo};
use crate::ui::lab::{Detail, Lab};
use crate::ui::pictures;
use crate::ui::state::words;
use crate::ui::steps::Probabilities;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// The panel.
#[component]
pub fn Details() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let pinned = move || lab.detail.with(Option::is_some);
    let close = move || lab.detail.set(None);
    let escape = window_event_listener(leptos::ev::keydown, move |event| {
        if event.key() == "Escape" {
            close();
        }
    });
    on_cleanup(move || escape.remove());
    view! {
        <aside class="details" class:pinned=pinned data-testid="details" aria-label="Details">
            <Show when=pinned>
                <button class="icon close" aria-label="Close details" on:click=move |_| close()>"×"</button>
            </Show>
            {move || match lab.detail.get() {
                None => view! { <Explanation/> }.into_any(),
                Some(Detail::Adapter(id)) => adapter(lab, id),
                Some(Detail::Neurons { location, neurons }) => neurons
                    .into_iter()
                    .map(|(adapter, neuron)| view! { <Neuron adapter location=location.clone() neuron/> })
                    .collect_view()
                    .into_any(),
                Some(Detail::Method(id)) => method(lab, &id),
                Some(Detail::Prediction(prediction, labels)) => view! { <Answer prediction=*prediction labels/> }.into_any(),
            }}
        </aside>
    }
}

/// What the step is about.
#[component]
fn Explanation() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let step = memo(move || lab.choices.with(|choices| choices.step));
    view! {
        {move || view! {
            <h3>{step.get().title()}</h3>
            {step.get().explanation().iter().map(|words| view! { <p>{*words}</p> }).collect_view()}
        }}
    }
}

fn adapter(lab: Lab, id: AdapterId) -> AnyView {
    let merge = lab.merges.with(|all| all.iter().find(|merge| merge.adapter.id == id).cloned());
    let card = lab
        .adapters
        .with(|cards| cards.iter().find(|card| card.id == id).cloned())
        .or(merge.map(|merge| merge.adapter));
    let Some(card) = card else { return view! { <p>"This adapter has been removed."</p> }.into_any() };
    let known = |text: &str| if text.is_empty() { "—".to_owned() } else { text.to_owned() };
    let widths = match (card.bottleneck.iter().min(), card.bottleneck.iter().max()) {
        (Some(least), Some(most)) if least == most => least.to_string(),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "—".into(),
    };
    view! {
        <h3><span class="swatch" style=format!("background: {}", pictures::css(pictures::role(lab, id))) aria-hidden="true"></span>{card.name.clone()}</h3>
        <dl class="facts">
            <dt>"Track"</dt><dd>{known(&card.track)}</dd>
            <dt>"Kind"</dt><dd>{known(&card.kind)}</dd>
            <dt>"Bottleneck"</dt><dd>{widths}</dd>
            <dt>"Non-linearity"</dt><dd>{known(&card.non_linearity)}</dd>
            <dt>"Locations"</dt><dd>{card.locations.len()}</dd>
            <dt>"Parameters"</dt><dd>{words::count(card.parameters)}</dd>
            <dt>"Head"</dt><dd>{known(&card.labels.join(", "))}</dd>
            <dt>"Trained on"</dt><dd>{known(&card.plm)}</dd>
            <dt>"From"</dt><dd class="path">{known(&card.origin)}</dd>
            {(!card.sha256.is_empty()).then(|| view! { <dt>"SHA-256"</dt><dd class="hash" title=card.sha256.clone()>{card.sha256.clone()}</dd> })}
        </dl>
        {card.remarks.iter().map(|remark| view! { <p class="remark">{remark.clone()}</p> }).collect_view()}
    }
    .into_any()
}

fn method(lab: Lab, id: &str) -> AnyView {
    let Some(card) = lab.methods.with(|all| all.iter().find(|card| card.id == id).cloned()) else {
        return ().into_any();
    };
    view! {
        <h3>{card.title}</h3>
        <p>{card.description}</p>
        {(!card.parameters.is_empty()).then(|| view! {
            <h4>"Settings"</h4>
            <dl class="facts stacked-facts">
                {card.parameters.into_iter().map(|parameter| view! {
                    <dt>{parameter.name}<small>{format!(" default {}", parameter.default)}</small></dt><dd>{parameter.meaning}</dd>
                }).collect_view()}
            </dl>
        })}
        {(!card.laws.is_empty()).then(|| view! {
            <h4>"What always holds"</h4>
            <ul>{card.laws.into_iter().map(|law| view! { <li>{law}</li> }).collect_view()}</ul>
        })}
        <p class="quiet-words">{card.paper}</p>
    }
    .into_any()
}

/// What a neuron responds to.
#[component]
fn Neuron(adapter: AdapterId, location: String, neuron: usize) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let report = RwSignal::new(None::<Result<NeuronReport, String>>);
    let place = StoredValue::new(location.clone());
    let texts = move || {
        let data = lab.data.get_untracked();
        lab.choices.with_untracked(|choices| choices.texts(&data))
    };
    let ready = move || !lab.is_sample.get() && lab.plm.with(Option::is_some);
    effect(move || {
        if !ready() {
            return;
        }
        let ask = ShowNeuron { adapter, location: place.get_value(), neuron, texts: texts() };
        spawn_local(async move {
            // The panel may have gone on to another neuron while this one was looked at.
            let answer = lab.ask(ask).await.map_err(|failure| failure.message);
            let _ = report.try_set(Some(answer));
        });
    });
    view! {
        <section class="neuron" data-testid="neuron" data-neuron=neuron>
            <h3><span class="swatch" style=format!("background: {}", pictures::css(pictures::role(lab, adapter))) aria-hidden="true"></span>
                {format!("{} · neuron {neuron}", lab.name(adapter))}</h3>
            <p class="quiet-words">{words::location(&location)}</p>
            {move || match report.get() {
                _ if !ready() => view! { <p class="quiet-words">"What it responds to is shown once model and adapters are loaded."</p> }.into_any(),
                None => view! { <p class="quiet-words">"Looking…"</p> }.into_any(),
                Some(Err(why)) => view! { <p class="why">{why}</p> }.into_any(),
                Some(Ok(report)) => view! { <Responds report/> }.into_any(),
            }}
        </section>
    }
}

/// Tokens to the left and right of the one that a neuron responds to.
const AROUND: usize = 6;

#[component]
fn Responds(report: NeuronReport) -> impl IntoView {
    view! {
        <dl class="facts">
            <dt title="Norm of its row of down_proj: how strongly it reads">"Reads with norm"</dt><dd>{words::significant(f64::from(report.norm_in), 3)}</dd>
            <dt title="Norm of its column of up_proj: how strongly it writes">"Writes with norm"</dt><dd>{words::significant(f64::from(report.norm_out), 3)}</dd>
            <dt>"Active on"</dt><dd>{report.active.map_or("— (there are no texts)".to_owned(), |share| format!("{} of the tokens", words::percent(f64::from(share))))}</dd>
        </dl>
        {(!report.top.is_empty()).then(|| view! { <h4>"Responds most to"</h4> })}
        <ol class="responses">
            {report.top.into_iter().map(|top| {
                let from = top.index.saturating_sub(AROUND);
                let to = (top.index + AROUND + 1).min(top.tokens.len());
                let pieces = (from..to).map(|at| {
                    let token = top.tokens[at].clone();
                    let (glued, word) = match token.strip_prefix("##") { Some(rest) => (true, rest.to_owned()), None => (false, token) };
                    let space = if at == from || glued { "" } else { " " };
                    if at == top.index {
                        view! { {space}<mark>{word}</mark> }.into_any()
                    } else {
                        view! { {space}{word} }.into_any()
                    }
                }).collect_view();
                view! { <li><span>{(from > 0).then_some("…")}{pieces}{(to < top.tokens.len()).then_some("…")}</span><span class="n">{words::significant(f64::from(top.value), 2)}</span></li> }
            }).collect_view()}
        </ol>
    }
}

#[component]
fn Answer(prediction: TestPrediction, labels: Vec<String>) -> impl IntoView {
    view! {
        <h3>"One answer"</h3>
        <blockquote>{prediction.row.text1}</blockquote>
        {prediction.row.text2.map(|second| view! { <blockquote>{second}</blockquote> })}
        <p>{(!prediction.row.label.is_empty()).then(|| view! { "Its label is "<b>{prediction.row.label}</b>". " })}"The answer is "<b>{prediction.answer.label.clone()}</b>"."</p>
        <Probabilities prediction=prediction.answer labels/>
    }
}
