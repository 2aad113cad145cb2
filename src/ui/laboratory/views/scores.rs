//! How good adapters look before any training: bars, and the button that asks for them.

use super::{in_sight, role};
use crate::ui::charts::{Figure, Layout};
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::laboratory::Laboratory;
use crate::ui::state::laboratory::bundle::last;
use crate::viz::{Bars, Dim, Role, Series, Unit, sort_by};
use leptos::prelude::*;
use vecmap::VecMap;

/// How good each adapter looks before any training, and the PLM alone.
#[component]
pub(super) fn Scores(scores: VecMap<String, f64>) -> impl IntoView {
    // The PLM alone stands first: it is what an adapter has to be better than.
    let mut all: Vec<(String, f64)> = scores.into_iter().collect();
    sort_by(&mut all, |(a, _), (b, _)| (a != "none").cmp(&(b != "none")));
    let sheet = in_sight(expect_context()).get_untracked();
    let picture = Layout::of(Bars {
        title: "Before training".into(),
        quantity: "leave-one-out accuracy".into(),
        unit: Unit::Percent,
        group: "adapter".into(),
        dim: Dim::Item,
        groups: all.iter().map(|(name, _)| name.clone()).collect(),
        roles: all.iter().map(|(name, _)| role(&format!("single:{name}"), &sheet)).collect(),
        series: vec![Series {
            name: "score".into(),
            role: Role::Ink2,
            values: all.iter().map(|(_, score)| *score as f32).collect(),
        }],
    });
    view! { <Figure picture file_name="scores"/> }
}

/// The evidence on target number `target` of the experiment in sight: asked for, on its way, there.
#[component]
pub(super) fn TargetScores(target: usize) -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let evidence = memo(move || laboratory.evidence_on(target));
    let own = move || {
        laboratory.shown.with(|shown| {
            let shown = shown.as_ref()?;
            Some((shown.bundle.name.clone(), shown.sheet.targets.get(target)?.name.clone()))
        })
    };
    let is_here = memo(move || {
        laboratory.scoring.with(|scoring| {
            let of = scoring.as_ref().map(|one| (one.experiment.clone(), one.target.clone()));
            of.is_some() && of == own()
        })
    });
    let share = move || laboratory.scoring.with(|scoring| scoring.as_ref().map_or(0.0, |one| one.share()));
    let stopping = move || laboratory.scoring.with(|scoring| scoring.as_ref().is_some_and(|one| one.stopping));
    let doing = move || laboratory.scoring.with(|scoring| scoring.as_ref().map(|one| one.words()));
    view! {
        <div class="target-scores">
            <Show when=move || is_here.get() fallback=move || view! {
                <button class="wide" data-testid="score-adapters" aria-label=move || own().map(|(_, target)| format!("Score the adapters for {target}"))
                    disabled=move || !laboratory.can_score() on:click=move |_| laboratory.score(target)
                    title="How well the examples are told apart with each adapter before any training, beside the model alone">"Score the adapters"</button>
            }>
                <div class="meter wide-meter" role="progressbar" aria-label="Scores" aria-valuemin="0" aria-valuemax="100"
                    aria-valuenow=move || (share() * 100.0).round() data-testid="scoring" data-share=share>
                    <span style:width=move || format!("{:.1}%", share() * 100.0)></span>
                </div>
                <div class="row">
                    <span class="quiet-words grow" role="status">{doing}</span>
                    <button data-testid="stop-scoring" aria-label="Cancel the scoring" disabled=stopping on:click=move |_| laboratory.stop_scoring()>"Cancel"</button>
                </div>
            </Show>
            {move || evidence.get().into_iter().map(|evidence| {
                let asked = &evidence.question;
                let on = format!(
                    "On {}, {} to learn from and {} to choose on a class, seed {}.", last(&asked.plm), asked.k, asked.k, asked.seed
                );
                view! {
                    <div data-testid="scores">
                        <Scores scores=evidence.by_name()/>
                        <p class="quiet-words">{on}</p>
                    </div>
                }
            }).collect_view()}
        </div>
    }
}
