//! A run looked at closely: its curves, what it confuses, what it gets wrong and who gets that right.

use super::attention::Attention;
use super::pictures::panel;
use super::scores::Scores;
use crate::protocol::*;
use crate::ui::charts::{Figure, Layout};
use crate::ui::components::fields::Select;
use crate::ui::components::show::Show;
use crate::ui::effect::{effect, memo};
use crate::ui::laboratory::Laboratory;
use crate::ui::pictures::grid;
use crate::ui::state::laboratory::run::{self, Wrong};
use crate::ui::state::words;
use crate::viz::{Confusion, Curves, Role, Run, Unit};
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;
use vecmap::VecMap;

/// Wrong answers shown at first, and with each press more.
const FIRST: usize = 12;

/// The run that is open, if one is.
#[component]
pub fn OpenedRun() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let opened = memo(move || {
        let hash = laboratory.link.with(|link| link.run.clone())?;
        laboratory.records.with(|records| records.get(&hash).cloned())
    });
    view! {
        {move || opened.get().map(|run| view! { <Opened run/> })}
    }
}

#[component]
fn Opened(run: Arc<FinishedRun>) -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let record = run.record.clone();
    let hash = record.hash.clone();
    let siblings = {
        let hash = hash.clone();
        Signal::derive(move || {
            let records = laboratory.records.read();
            laboratory
                .shown
                .with(|shown| shown.as_ref().map_or_else(Vec::new, |one| run::siblings(one, &records, &hash)))
        })
    };
    let value = Signal::stored(hash.clone());
    let name = hash.clone();
    let told = untrack(|| {
        let records = laboratory.records.read();
        laboratory.shown.with(|shown| run::told_by(shown.as_ref()?, &records, &hash))
    });
    let detail = told.as_ref().and_then(|told| told.detail.clone());
    let hash = told.map_or(hash, |told| told.record.hash.clone());
    let heading = NodeRef::<leptos::html::H3>::new();
    // Whoever opens a run by keyboard goes on reading there.
    effect(move || {
        if let Some(heading) = heading.get() {
            let _ = heading.focus();
        }
    });
    view! {
        <section class="opened" data-testid="opened-run" data-hash=name aria-label="Run">
            <div class="heading">
                <h3 tabindex="-1" node_ref=heading>{format!("{} · {} · k {} · seed {}", record.method, record.target, record.k, record.seed)}</h3>
                <Select label="Same examples" options=siblings value testid="sibling" on_change=move |hash: String| laboratory.open_run(Some(hash))/>
                <button class="icon small close" aria-label="Close the run" on:click=move |_| laboratory.open_run(None)>"×"</button>
            </div>
            <Facts record=record.clone()/>
            {record.scores.clone().map(|scores| view! { <Scores scores/> })}
            {match detail {
                Some(detail) => view! {
                    <RateCurves curves=detail.curves.clone()/>
                    <ConfusionOf detail=detail.clone() method=record.method.clone()/>
                    {detail.attention.clone().map(|attention| view! { <Attention attention/> })}
                    <WrongAnswers hash/>
                }.into_any(),
                None => view! { <p class="empty">"Only what this run came to is known: its record says nothing of the way."</p> }.into_any(),
            }}
        </section>
    }
}

#[component]
fn Facts(record: RunRecord) -> impl IntoView {
    let fact = |name: &'static str, value: String| view! { <dt>{name}</dt><dd>{value}</dd> };
    view! {
        <dl class="facts inline-facts">
            {fact("Accuracy", words::score(record.accuracy as f32))}
            {fact("Macro F1", words::score(record.macro_f1 as f32))}
            {fact("On dev", words::score(record.dev_accuracy as f32))}
            {record.learning_rate.map(|rate| fact("Learning rate", rate.to_string()))}
            {fact("Trained", words::short(record.trainable_parameters))}
            {fact("Added", words::short(record.inference_parameters))}
            {fact("Time", words::duration(record.seconds))}
            {record.step_seconds.map(|seconds| fact("A step", words::duration(seconds)))}
            {record.peak_memory.map(|bytes| fact("Memory at most", words::bytes(bytes as f64)))}
            {record.chosen.map(|chosen| fact("Chosen", chosen))}
            {record.ensemble_error.map(|error| fact("Distance to the ensemble", words::significant(error, 2)))}
        </dl>
    }
}

#[component]
fn RateCurves(curves: Vec<RateCurve>) -> impl IntoView {
    if curves.iter().all(|curve| curve.points.is_empty()) {
        return view! { <p class="quiet-words">"Nothing was trained."</p> }.into_any();
    }
    let mut loss = panel("loss", Unit::Plain, None);
    let mut dev = panel("accuracy on dev", Unit::Percent, Some((0.0, 1.0)));
    for (place, curve) in curves.iter().enumerate() {
        let name = format!("rate {}", curve.learning_rate);
        // From faint to strong, as rates are more or less; the colours of adapters mean adapters.
        let role = Role::Sequential(0.6 + 0.4 * (place + 1) as f32 / curves.len() as f32);
        let points = curve.points.iter().map(|point| (point.step as f64, f64::from(point.loss))).collect();
        loss.runs.push(Run { name: name.clone(), role, dots: false, points });
        let scored = curve.points.iter().filter_map(|point| Some((point.step as f64, f64::from(point.dev?.accuracy))));
        dev.runs.push(Run { name, role, dots: true, points: scored.collect() });
    }
    let picture = Curves { title: "Training".into(), x: "step".into(), end: None, panels: vec![loss, dev] };
    view! { <Figure picture=Layout::of(picture) file_name="training"/> }.into_any()
}

#[component]
fn ConfusionOf(detail: RunDetail, method: String) -> impl IntoView {
    let picture = Layout::of(Confusion {
        title: format!("What {method} takes for what"),
        counts: grid(&run::confusion(&detail)),
        labels: detail.labels,
    });
    view! { <div data-testid="confusion"><Figure picture file_name="confusion"/></div> }
}

/// What the run gets wrong, beside the methods that get it right; the texts come from a worker.
#[component]
fn WrongAnswers(hash: String) -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let wrong: Memo<Vec<Wrong>> = {
        let hash = hash.clone();
        memo(move || {
            let records = laboratory.records.read();
            laboratory.shown.with(|shown| shown.as_ref().map_or_else(Vec::new, |one| run::wrong(one, &records, &hash)))
        })
    };
    let many = RwSignal::new(FIRST);
    let texts = RwSignal::new(VecMap::<usize, Row>::new());
    let said = RwSignal::new(None::<String>);
    let read = move || {
        let places: Vec<usize> = wrong.with_untracked(|wrong| {
            let shown = wrong.iter().take(many.get_untracked()).map(|wrong| wrong.place);
            shown.filter(|place| texts.with_untracked(|texts| !texts.contains_key(place))).collect()
        });
        if places.is_empty() {
            return;
        }
        let hash = hash.clone();
        said.set(Some("The texts are being fetched…".into()));
        spawn_local(async move {
            match laboratory.test_rows(hash, places.clone()).await {
                Ok(rows) => {
                    texts.try_update(|texts| texts.extend(places.into_iter().zip(rows)));
                    said.try_set(None);
                }
                Err(line) => {
                    said.try_set(Some(line));
                }
            }
        });
    };
    let read = Callback::new(move |()| read());
    // Where a worker has the data at hand the texts cost nothing; else they are for whoever asks.
    if laboratory.has_reader() {
        read.run(());
    }
    let text = move |place: usize, second: bool| {
        texts.with(|texts| {
            let row = texts.get(&place)?;
            if second { row.text2.clone() } else { Some(row.text1.clone()) }
        })
    };
    let counted = move || wrong.with(|wrong| words::plural(wrong.len(), "wrong answer"));
    view! {
        <section class="predictions" data-testid="wrong-answers">
            <div class="heading">
                <h3>{counted}</h3>
                <Show when=move || wrong.with(|wrong| wrong.iter().take(many.get()).any(|wrong| texts.with(|texts| !texts.contains_key(&wrong.place))))>
                    <button data-testid="read-texts" on:click=move |_| read.run(())>"Show the texts"</button>
                </Show>
            </div>
            <p class="quiet-words" role="status">{said}</p>
            <div class="scroll"><table class="data">
                <thead><tr><th scope="col">"Text"</th><th scope="col">"Label"</th><th scope="col">"Answer"</th>
                    <th scope="col" title="Methods that learned from the same examples and get it right">"Others"</th></tr></thead>
                <tbody>
                    {move || wrong.get().into_iter().take(many.get()).map(|wrong| {
                        let place = wrong.place;
                        view! {
                            <tr data-testid="wrong-row">
                                <td class="text">{move || text(place, false).unwrap_or_else(|| format!("test row {}", place + 1))}
                                    {move || text(place, true).map(|second| view! { <span class="second">{second}</span> })}</td>
                                <td>{wrong.truth}</td><td>{wrong.answer}</td>
                                <td><details class="more"><summary>{format!("right in {} of {} others", wrong.right_by.len(), wrong.others)}</summary>
                                    {wrong.right_by.join(", ")}</details></td>
                            </tr>
                        }
                    }).collect_view()}
                </tbody>
            </table></div>
            <Show when=move || many.get() < wrong.with(Vec::len)>
                <button class="quiet" on:click=move |_| { many.update(|many| *many += FIRST); if !texts.with_untracked(VecMap::is_empty) { read.run(()) } }>"Show more"</button>
            </Show>
        </section>
    }
}
