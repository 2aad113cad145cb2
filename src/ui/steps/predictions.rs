//! What a run answers: on the test set, the surest wrong ones first, and on a sentence of one's own.

use crate::protocol::*;
use crate::ui::components::fields::{Check, Select};
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::lab::{Detail, Lab};
use crate::ui::state::words;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Answers shown at first.
const FIRST: usize = 12;

/// The run chosen, its answers, a field for one's own.
#[component]
pub fn Predictions() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let run = memo(move || lab.shown_run());
    let wrong_only = RwSignal::new(true);
    let many = RwSignal::new(FIRST);
    let rows = move || {
        run.with(|run| {
            let Some(run) = run else { return vec![] };
            run.predictions.iter().filter(|p| !wrong_only.get() || p.is_wrong()).cloned().collect()
        })
    };
    let labels = move || run.with(|run| run.as_ref().map(|run| run.labels.clone()).unwrap_or_default());
    let more = move || rows().len() > many.get();
    let counts = move || {
        run.with(|run| {
            let run = run.as_ref()?;
            let count = |is: fn(&&TestPrediction) -> bool| run.predictions.iter().filter(is).count();
            Some(format!("{} of {} wrong", count(|p| p.is_wrong()), count(|p| p.row.is_labelled())))
        })
    };
    view! {
        <section class="predictions">
            <div class="heading"><h3>"Answers"</h3><RunSelect/></div>
            <Own/>
            <div class="toolbar">
                <Check label="wrong ones only" testid="wrong-only" value=wrong_only on_change=move |on| wrong_only.set(on)/>
                <span class="quiet-words">{counts}</span>
            </div>
            <div class="scroll"><table class="data">
                <thead><tr><th scope="col">"Text"</th><th scope="col">"Label"</th><th scope="col">"Answer"</th><th scope="col" class="n">"Confidence"</th></tr></thead>
                <tbody>
                    {move || {
                        let labels = labels();
                        rows().into_iter().take(many.get()).map(|p: TestPrediction| {
                            let wrong = p.is_wrong();
                            let (whole, names) = (p.clone(), labels.clone());
                            let show = move || lab.detail.set(Some(Detail::Prediction(Box::new(whole.clone()), names.clone())));
                            view! {
                                <tr data-testid="prediction-row" data-wrong=wrong.to_string() class:wrong=wrong>
                                    <td class="text"><button class="plain" title="What it answers, in detail" on:click=move |_| show()>
                                        {p.row.text1}{p.row.text2.map(|second| view! { <span class="second">{second}</span> })}</button></td>
                                    <td>{p.row.label}</td><td>{p.answer.label}</td>
                                    <td class="n">{words::percent(f64::from(p.answer.probabilities.iter().copied().fold(0.0, f32::max)))}</td>
                                </tr>
                            }
                        }).collect_view()
                    }}
                </tbody>
            </table></div>
            <Show when=more>
                <button class="quiet" on:click=move |_| many.update(|many| *many += 50)>"Show more"</button>
            </Show>
        </section>
    }
}

/// Which run's answers are in sight.
#[component]
pub fn RunSelect() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let options = Signal::derive(move || {
        lab.runs.with(|runs| {
            let judged = runs.iter().filter(|run| run.test.is_some());
            judged
                .map(|run| {
                    (
                        run.run.0.to_string(),
                        format!(
                            "{}{} · k {} · seed {}",
                            run.asked.name,
                            lab.on_data(run.asked.episode.data),
                            run.asked.episode.k,
                            run.asked.episode.seed
                        ),
                    )
                })
                .collect::<Vec<_>>()
        })
    });
    let value = Signal::derive(move || lab.shown_run().map(|run| run.run.0.to_string()).unwrap_or_default());
    view! {
        <Select label="of" options value testid="run-select"
            on_change=move |value: String| lab.run.set(value.parse().ok().map(RunId))/>
    }
}

/// A sentence of one's own.
#[component]
fn Own() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let run = memo(move || {
        lab.shown_run().map(|run| (run.run, run.labels, run.predictions.iter().any(|p| p.row.text2.is_some())))
    });
    let (text, second) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let pairs = move || run.get().is_some_and(|(_, _, pairs)| pairs);
    let answer = RwSignal::new(None::<(Prediction, Vec<String>)>);
    let ask = move || {
        let Some((id, labels, pairs)) = run.get_untracked() else { return };
        let (text1, text2) = (text.get_untracked(), pairs.then(|| second.get_untracked()));
        if text1.trim().is_empty() {
            return;
        }
        spawn_local(async move {
            match lab.ask(Predict { run: id, text1, text2 }).await {
                Ok(prediction) => drop(answer.try_set(Some((prediction, labels)))),
                Err(failure) => lab.problem("Try a sentence", failure.message),
            }
        });
    };
    view! {
        <form class="row" on:submit=move |event| { event.prevent_default(); ask(); }>
            <input class="grow" type="text" aria-label="Try a sentence of your own" placeholder="Try a sentence of your own" data-testid="predict-text" bind:value=text/>
            <Show when=pairs>
                <input class="grow" type="text" aria-label="Second text" placeholder="Second text" data-testid="predict-text2" bind:value=second/>
            </Show>
            <button type="submit" data-testid="predict-go">"Classify"</button>
        </form>
        {move || answer.get().map(|(prediction, labels)| view! {
            <div data-testid="prediction" data-label=prediction.label.clone() aria-live="polite"><Probabilities prediction=prediction.clone() labels/></div>
        })}
    }
}

/// The probability of every label, as bars.
#[component]
pub fn Probabilities(prediction: Prediction, labels: Vec<String>) -> impl IntoView {
    let rows = labels
        .into_iter()
        .zip(prediction.probabilities)
        .map(|(label, p)| {
            let chosen = label == prediction.label;
            view! {
                <li class:chosen=chosen><span>{label}</span>
                    <span class="meter" aria-hidden="true"><span style=format!("width: {:.1}%", p * 100.0)></span></span>
                    <span class="n">{words::score(p)}</span></li>
            }
        })
        .collect_view();
    view! { <ul class="probabilities">{rows}</ul> }
}
