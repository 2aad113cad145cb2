//! What a merge has to do with: how much of the inputs' weights cancels, and what lies between two adapters.

use crate::protocol::*;
use crate::ui::charts::Figure;
use crate::ui::components::fields::Select;
use crate::ui::components::show::Show;
use crate::ui::lab::Lab;
use crate::ui::pictures;
use crate::ui::state::words;
use crate::viz::{Curves, Hit, Panel, Unit};
use leptos::prelude::*;

/// What averaging loses, layer by layer, of the newest merge that aligns.
#[component]
pub fn Lost() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let locations = move || {
        lab.merges.with(|all| {
            let aligns = |merge: &&MergeReport| merge.locations.iter().any(|location| location.aligned.is_some());
            let shown = all.iter().rev().find(aligns).or(all.last());
            shown.map(|merge| merge.locations.clone()).unwrap_or_default()
        })
    };
    let picture = move || {
        let locations = locations();
        let panel = |title: &str, read: fn(&Interference) -> f32| {
            let points = |of: fn(&MergeLocation) -> Option<Interference>| {
                pictures::by_layer(locations.iter().map(|location| of(location).as_ref().map(read)))
            };
            let runs = pictures::stored_and_aligned(Some(points(|l| l.stored)), points(|l| l.aligned));
            Panel { title: title.into(), unit: Unit::Percent, range: Some((0.0, 1.0)), runs }
        };
        Curves {
            title: "Interference: what the inputs' weights lose in their average, layer by layer".into(),
            x: "layer".into(),
            end: None,
            panels: vec![
                panel("mass that cancels", |lost| lost.cancelled),
                panel("weights of opposite sign", |lost| lost.opposite),
            ],
        }
    };
    let mean = move |of: fn(&MergeLocation) -> Option<Interference>| {
        let lost: Vec<f32> = locations().iter().filter_map(of).map(|lost| lost.cancelled).collect();
        (!lost.is_empty()).then(|| (lost.iter().sum::<f32>() / lost.len() as f32).to_string())
    };
    let focus = RwSignal::new(None::<Hit>);
    view! {
        <Show when=move || locations().iter().any(|location| location.stored.is_some() || location.aligned.is_some())>
            <div data-testid="interference" data-stored=move || mean(|l| l.stored) data-aligned=move || mean(|l| l.aligned)>
                <Figure picture highlight=focus on_highlight=move |hit| focus.set(hit) file_name="interference"/>
            </div>
        </Show>
    }
}

/// Loss and accuracy on the way from the reference to another adapter.
#[component]
pub fn Between() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let others = Signal::derive(move || {
        let pairs = lab.alignment.with(|report| report.as_ref().map(|report| report.pairs.clone()).unwrap_or_default());
        pairs.iter().enumerate().map(|(place, pair)| (place.to_string(), lab.name(pair.other))).collect::<Vec<_>>()
    });
    let asked = move || lab.line_between(lab.pair.get());
    let found = move || {
        let asked = asked().ok()?;
        lab.between.get().filter(|(of, _)| *of == asked)
    };
    let picture = move || {
        let Some((asked, report)) = found() else { return empty() };
        let panel = |title: &str, unit, range, read: fn(&LinePoint) -> f32| {
            let points = |line: &Line| -> Vec<(f64, f64)> {
                line.points.iter().map(|p| (100.0 * f64::from(p.share), f64::from(read(p)))).collect()
            };
            let runs = pictures::stored_and_aligned(report.stored.as_ref().map(points), points(&report.aligned));
            Panel { title: title.into(), unit, range, runs }
        };
        Curves {
            title: format!(
                "On the straight line from {} to {}",
                lab.name(asked.align.reference),
                lab.name(asked.other)
            ),
            x: format!("% of {}", lab.name(asked.other)),
            end: Some(100.0),
            panels: vec![
                panel("leave-one-out squared error", Unit::Plain, None, |p| p.loss),
                panel("leave-one-out accuracy", Unit::Percent, Some((0.0, 1.0)), |p| p.accuracy),
            ],
        }
    };
    let barriers = move || {
        let (_, report) = found()?;
        let number = |line: &Line| words::significant(f64::from(line.barrier), 2);
        let stored = report.stored.as_ref().map_or("—".to_owned(), number);
        Some((stored, number(&report.aligned)))
    };
    let focus = RwSignal::new(None::<Hit>);
    view! {
        <section data-testid="between">
            <div class="heading">
                <h3>"Between two adapters"</h3>
                <Show when=move || found().is_none()>
                    <button data-testid="between-go" disabled=move || lab.busy() || asked().is_err()
                        on:click=move |_| lab.measure_line(lab.pair.get_untracked())>"Measure the line"</button>
                </Show>
            </div>
            <Show when=move || { others.with(|others| others.len() > 1) }>
                <Select label="From the reference to" options=others value=Signal::derive(move || lab.pair.get().to_string()) testid="between-pair"
                    on_change=move |place: String| lab.pair.set(place.parse().unwrap_or(0))/>
            </Show>
            <Show when=move || found().is_some() fallback=move || view! {
                <p class="empty">{move || asked().err().unwrap_or_else(|| "Adapters on the way from one to the other, each judged on the examples before any training: a hill between the ends is what averaging runs into.".into())}</p>
            }>
                <Figure picture highlight=focus on_highlight=move |hit| focus.set(hit) file_name="line"/>
            </Show>
            {move || barriers().map(|(stored, aligned)| view! {
                <dl class="facts inline-facts" data-testid="barriers" data-stored=stored.clone() data-aligned=aligned.clone()>
                    <dt title="How far the loss rises above the straight line between the ends' losses, at most">"Barrier as stored"</dt><dd>{stored.clone()}</dd>
                    <dt>"Barrier aligned"</dt><dd>{aligned.clone()}</dd>
                </dl>
            })}
        </section>
    }
}

fn empty() -> Curves {
    Curves { title: String::new(), x: String::new(), end: None, panels: vec![] }
}
