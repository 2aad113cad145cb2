//! How the neurons of two adapters correspond: strip of layers, cost and plan, ribbons, weights before and after.

use super::{Choice, Go, Stale};
use crate::protocol::*;
use crate::ui::charts::Figure;
use crate::ui::components::fields::{Item, Segments, Select};
use crate::ui::components::show::Show;
use crate::ui::effect::{effect, memo};
use crate::ui::lab::{Detail, Lab};
use crate::ui::pictures::{self, grid};
use crate::ui::state::{Standing, Step, words};
use crate::viz::{Dim, HeatMap, Hit, LayerRow, LayerStrip, Ribbons, Role, Scale, Side, matching, sort_by};
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Reference, what is compared, how it is solved, texts.
#[component]
pub fn Controls() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let names = Signal::derive(move || {
        let adapters = lab.adapters.get();
        lab.choices.with(|choices| choices.inputs(&adapters).iter().map(|c| (c.name.clone(), c.name.clone())).collect())
    });
    let reference = Signal::derive(move || {
        let adapters = lab.adapters.get();
        lab.choices.with(|c| c.reference(&adapters).map(|card| card.name.clone()).unwrap_or_default())
    });
    let by = Signal::derive(move || match lab.choices.with(|c| c.align.by) {
        AlignBy::Weights => "weights".to_owned(),
        AlignBy::Activations => "activations".to_owned(),
    });
    let sinkhorn = Signal::derive(move || lab.choices.with(|c| c.align.sinkhorn));
    let solver = Signal::derive(move || if sinkhorn.get() { "sinkhorn".to_owned() } else { "exact".to_owned() });
    let missing = Signal::derive(move || {
        // The sample's texts come with the sample, once it is loaded.
        if lab.is_sample.get() {
            return None;
        }
        let (adapters, data) = (lab.adapters.get(), lab.data.get());
        lab.choices.with(|choices| choices.align(&adapters, &data)).err()
    });
    let line = memo(move || lab.line(Step::Align));
    let label = Signal::derive(move || match line.with(|line| line.standing) {
        Standing::Ready => "Aligned".to_owned(),
        Standing::Stale => "Align again".to_owned(),
        _ => "Align".to_owned(),
    });
    let own_texts = Signal::derive(move || lab.choices.with(|c| c.align.own_texts.clone()));
    view! {
        <Select label="Reference" options=names value=reference testid="reference"
            hint="It stays as it is; the others are moved onto its neurons"
            on_change=move |name| lab.choices.update(|c| c.reference = Some(name))/>
        <Segments legend="Compare neurons by" value=by
            items=vec![
                Item::new("weights", "weights", "align-by-weights").hint("What each neuron reads and writes"),
                Item::new("activations", "activations", "align-by-activations").hint("What each neuron does on texts"),
            ]
            on_change=move |value: String| lab.choices.update(|c| {
                c.align.by = if value == "weights" { AlignBy::Weights } else { AlignBy::Activations };
            })/>
        <Segments legend="Solve for the plan" value=solver
            items=vec![
                Item::new("exact", "exact", "solver-exact").hint("One neuron to one neuron, where both have as many"),
                Item::new("sinkhorn", "Sinkhorn", "solver-sinkhorn").hint("Entropic: a neuron may be split among several"),
            ]
            on_change=move |value: String| lab.choices.update(|c| c.align.sinkhorn = value == "sinkhorn")/>
        <Show when=move || sinkhorn.get()>
            <div class="field-row">
                <Choice label="epsilon" testid="epsilon" min=1e-6 max=10.0 hint="Softness, as a share of the largest cost"
                    read=|c| c.align.epsilon write=|c, x| c.align.epsilon = x/>
                <Choice label="rounds" testid="iterations" min=1.0 max=1e5 whole=true hint="At most this many"
                    read=|c| c.align.iterations as f64 write=|c, x| c.align.iterations = x as usize/>
                <Choice label="tolerance" testid="tolerance" min=1e-15 max=1.0 hint="On the marginals"
                    read=|c| c.align.tolerance write=|c, x| c.align.tolerance = x/>
            </div>
        </Show>
        <details class="more" open=move || lab.choices.with_untracked(|c| !c.align.own_texts.is_empty())>
            <summary>"Texts"</summary>
            <p class="quiet-words">"Activations are taken on the few-shot examples, or on your own lines here. A tab parts the two texts of a pair."</p>
            <textarea rows="4" data-testid="own-texts" aria-label="Own texts, one a line" placeholder="One text a line" prop:value=own_texts
                on:change=move |event| lab.choices.update(|c| c.align.own_texts = event_target_value(&event))></textarea>
        </details>
        <Go step=Step::Align label testid="align-go" missing press=move |()| lab.align()/>
    }
}

/// What of the alignment is drawn large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Maps,
    Ribbons,
    Weights,
}

/// The pair and location in sight.
#[derive(Clone, PartialEq)]
struct Sight {
    reference: AdapterId,
    other: AdapterId,
    location: LocationAlignment,
}

/// The picture.
#[component]
pub fn Picture() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let shown = RwSignal::new(Shown::Maps);
    let aligned = RwSignal::new(false);
    let focus = RwSignal::new(None::<Hit>);
    let sight = memo(move || {
        lab.alignment.with(|report| {
            let report = report.as_ref()?;
            let pair = report.pairs.get(lab.pair.get()).or_else(|| report.pairs.first())?;
            let location = pair.locations.get(lab.layer.get()).or_else(|| pair.locations.first())?;
            Some(Sight { reference: report.asked.reference, other: pair.other, location: location.clone() })
        })
    });
    let select = move |hit: Hit| {
        let Some(sight) = sight.get_untracked() else { return };
        let neurons: Vec<(AdapterId, usize)> =
            [hit.get(Dim::Source).map(|i| (sight.other, i)), hit.get(Dim::Reference).map(|j| (sight.reference, j))]
                .into_iter()
                .flatten()
                .collect();
        if !neurons.is_empty() {
            lab.detail.set(Some(Detail::Neurons { location: sight.location.name.clone(), neurons }));
        }
    };
    view! {
        <div class="heading">
            <h2>{move || sight.get().map_or("Alignment".to_owned(), |s| format!("{} onto {}", lab.name(s.other), lab.name(s.reference)))}</h2>
            <Pairs/>
        </div>
        <Stale step=Step::Align again="Align again" redo=move |()| lab.align()/>
        <Show when=move || sight.with(Option::is_some) fallback=|| view! {
            <p class="empty">"Nothing aligned yet. Load two adapters and press Align."</p>
        }>
            <Strip/>
            <Facts sight/>
            <div class="toolbar">
                <Segments legend="Show" bare=true
                    value=Signal::derive(move || match shown.get() { Shown::Maps => "maps", Shown::Ribbons => "ribbons", Shown::Weights => "weights" }.to_owned())
                    items=vec![
                        Item::new("maps", "Cost and plan", "view-maps"),
                        Item::new("ribbons", "Ribbons", "view-ribbons"),
                        Item::new("weights", "Weights", "view-weights"),
                    ]
                    on_change=move |value: String| shown.set(match value.as_str() { "ribbons" => Shown::Ribbons, "weights" => Shown::Weights, _ => Shown::Maps })/>
                <Segments legend="Order of neurons" bare=true
                    value=Signal::derive(move || if aligned.get() { "aligned".to_owned() } else { "stored".to_owned() })
                    items=vec![
                        Item::new("stored", "as stored", "order-stored").hint("Neurons in the order of the file"),
                        Item::new("aligned", "aligned", "order-aligned").hint("Each neuron beside the one it corresponds to"),
                    ]
                    on_change=move |value: String| aligned.set(value == "aligned")/>
            </div>
            {move || match shown.get() {
                Shown::Maps => view! { <Maps sight aligned focus select=Callback::new(select)/> }.into_any(),
                Shown::Ribbons => view! { <Strands sight aligned focus select=Callback::new(select)/> }.into_any(),
                Shown::Weights => view! { <Weights sight aligned focus select=Callback::new(select)/> }.into_any(),
            }}
        </Show>
    }
}

/// Which of the others is in sight.
#[component]
fn Pairs() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let others = move || -> Vec<AdapterId> {
        lab.alignment.with(|report| report.iter().flat_map(|report| &report.pairs).map(|pair| pair.other).collect())
    };
    view! {
        <Show when=move || { others().len() > 1 }>
            <div class="pairs" role="group" aria-label="Adapter that is moved">
                {move || others().into_iter().enumerate().map(|(place, id)| view! {
                    <button class="pill" data-testid=format!("pair-{place}") aria-pressed=move || (lab.pair.get() == place).to_string()
                        style=format!("--own: {}", pictures::css(pictures::role(lab, id))) on:click=move |_| lab.pair.set(place)>
                        <span class="swatch" aria-hidden="true"></span>{lab.name(id)}
                    </button>
                }).collect_view()}
            </div>
        </Show>
    }
}

/// The strip of layers.
#[component]
fn Strip() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let locations = move || {
        lab.alignment.with(|report| {
            let pairs = report.as_ref().map(|report| &report.pairs[..]).unwrap_or_default();
            let pair = pairs.get(lab.pair.get()).or(pairs.first());
            pair.map(|pair| pair.locations.clone()).unwrap_or_default()
        })
    };
    let picture = move || {
        let locations = locations();
        LayerStrip {
            title: "How far each layer is from already aligned".into(),
            chance: (locations.first().filter(|first| first.diagonal_share.is_some()))
                .map(|first| 1.0 / first.plan.columns.max(1) as f32),
            layers: locations
                .iter()
                .map(|location| LayerRow {
                    name: pictures::tick(&location.name),
                    diagonal_share: location.diagonal_share,
                    cost_before: location.cost_before,
                    cost_after: location.cost_after,
                })
                .collect(),
            selected: Some(lab.layer.get()),
        }
    };
    let pick = move |hit: Hit| {
        if let Some(layer) = hit.get(Dim::Layer) {
            lab.layer.set(layer);
        }
    };
    view! {
        <Figure picture on_select=pick file_name="layers"/>
        <div class="pairs layers" role="group" aria-label="Layer">
            <span class="quiet-words">"Layer"</span>
            {move || locations().into_iter().enumerate().map(|(place, location)| view! {
                <button class="pill" data-testid=format!("layer-{place}") aria-pressed=move || (lab.layer.get() == place).to_string()
                    aria-label=words::location(&location.name) on:click=move |_| lab.layer.set(place)>{pictures::tick(&location.name)}</button>
            }).collect_view()}
        </div>
    }
}

/// The numbers of the location in sight.
#[component]
fn Facts(sight: Memo<Option<Sight>>) -> impl IntoView {
    view! {
        {move || sight.get().map(|sight| {
            let l = sight.location;
            let before = l.cost_before.map_or("—".to_owned(), |cost| words::significant(f64::from(cost), 3));
            let chance = words::percent(1.0 / l.plan.columns.max(1) as f64);
            let unequal = if l.plan.rows == l.plan.columns { "" } else { "The two have different numbers of neurons, so places do not pair them" };
            view! {
                <dl class="facts inline-facts" data-testid="align-facts" data-location=l.name.clone() data-diagonal=l.diagonal_share.map(|x| x.to_string())
                    data-cost-before=l.cost_before.map(|x| x.to_string()) data-cost-after=l.cost_after.to_string()>
                    <dt title="Share of the plan's mass that stays in its place: 100 % when already aligned">"On the diagonal"</dt>
                    <dd title=unequal>{l.diagonal_share.map_or("—".to_owned(), |share| words::percent(share.into()))}
                        {l.diagonal_share.map(|_| view! { <small>{format!(" chance {chance}")}</small> })}</dd>
                    <dt title="Mean distance of neurons that are paired by their place in the file. By activations it is taken over all texts, read once through each adapter, so it grows with their number">"Mean distance as stored"</dt>
                    <dd title=unequal>{before}</dd>
                    <dt title="Mean distance of neurons that the plan pairs">"under the plan"</dt>
                    <dd>{words::significant(f64::from(l.cost_after), 3)}</dd>
                    {(!l.converged).then(|| view! { <dt>"Solver"</dt><dd class="bad">{format!("not converged after {} rounds", l.iterations)}</dd> })}
                </dl>
            }
        })}
    }
}

/// The two sides of the matrices in sight, the moved one in the order asked for.
fn sides(lab: Lab, sight: &Sight, aligned: bool) -> (Side, Side) {
    let order = aligned.then(|| matching(&grid(&sight.location.plan)));
    (
        Side::new(Dim::Source, lab.name(sight.other)).role(pictures::role(lab, sight.other)).order(order),
        Side::new(Dim::Reference, lab.name(sight.reference)).role(pictures::role(lab, sight.reference)),
    )
}

/// Cost and plan, side by side.
#[component]
fn Maps(
    sight: Memo<Option<Sight>>,
    aligned: RwSignal<bool>,
    focus: RwSignal<Option<Hit>>,
    select: Callback<Hit>,
) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let map =
        move |title: &'static str, quantity: &'static str, scale: Scale, read: fn(&LocationAlignment) -> &Matrix| {
            move || {
                let sight = sight.get();
                let (rows, columns) = match &sight {
                    Some(sight) => sides(lab, sight, aligned.get()),
                    None => (Side::new(Dim::Source, ""), Side::new(Dim::Reference, "")),
                };
                HeatMap {
                    title: title.into(),
                    rows,
                    columns,
                    grid: sight.map(|sight| grid(read(&sight.location))).unwrap_or_default(),
                    scale,
                    quantity: quantity.into(),
                }
            }
        };
    let cost = map("Cost: distance of two neurons", "distance", Scale::Range, |location| &location.cost);
    let plan = map("Plan: who is moved onto whom", "mass", Scale::Sequential { max: None }, |location| &location.plan);
    view! {
        <div class="side-by-side">
            <Figure picture=cost highlight=focus on_highlight=move |hit| focus.set(hit) on_select=select file_name="cost"/>
            <Figure picture=plan highlight=focus on_highlight=move |hit| focus.set(hit) on_select=select file_name="plan"/>
        </div>
    }
}

/// The plan as ribbons.
#[component]
fn Strands(
    sight: Memo<Option<Sight>>,
    aligned: RwSignal<bool>,
    focus: RwSignal<Option<Hit>>,
    select: Callback<Hit>,
) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let picture = move || {
        let sight = sight.get();
        let (source, reference) = match &sight {
            Some(sight) => sides(lab, sight, aligned.get()),
            None => (Side::new(Dim::Source, ""), Side::new(Dim::Reference, "")),
        };
        Ribbons {
            title: "Plan: which neuron goes where".into(),
            source,
            reference,
            plan: sight.map(|sight| grid(&sight.location.plan)).unwrap_or_default(),
            threshold: 0.02,
        }
    };
    view! { <Figure picture highlight=focus on_highlight=move |hit| focus.set(hit) on_select=select file_name="ribbons"/> }
}

/// Where the colours of weights end: all but one in two hundred lie within.
fn clamp(weights: &LocationWeights) -> Option<f32> {
    let both = [&weights.reference, &weights.stored];
    let mut sizes: Vec<f32> = both.into_iter().flat_map(|matrix| matrix.values.iter().map(|x| x.abs())).collect();
    sort_by(&mut sizes, f32::total_cmp);
    sizes.get(sizes.len().saturating_sub(1) * 995 / 1000).copied()
}

/// The weights of both adapters and of their mean, as stored or aligned.
#[component]
fn Weights(
    sight: Memo<Option<Sight>>,
    aligned: RwSignal<bool>,
    focus: RwSignal<Option<Hit>>,
    select: Callback<Hit>,
) -> impl IntoView {
    let lab = expect_context::<Lab>();
    // With the one scale for all, so that colours can be compared.
    let weights = RwSignal::new(None::<(Option<f32>, LocationWeights)>);
    let failed = RwSignal::new(None::<String>);
    let wanted = move || {
        let sight = sight.get()?;
        let asked = lab.alignment.with(|report| report.as_ref().map(|report| report.asked.clone()))?;
        (!lab.is_sample.get()).then_some(ShowWeights {
            align: asked,
            other: sight.other,
            location: sight.location.name,
        })
    };
    effect(move || {
        let Some(wanted) = wanted() else { return };
        weights.set(None);
        spawn_local(async move {
            let (other, location) = (wanted.other, wanted.location.clone());
            let answer = lab.ask(wanted).await;
            // By then another location may be in sight, or another step.
            let same = |s: &Option<Sight>| s.as_ref().is_some_and(|s| s.other == other && s.location.name == location);
            if sight.try_with_untracked(same) != Some(true) {
                return;
            }
            match answer {
                Ok(found) => {
                    failed.try_set(None);
                    weights.try_set(Some((clamp(&found), found)));
                }
                Err(failure) => drop(failed.try_set(Some(failure.message))),
            }
        });
    });
    let map = move |title: fn(bool) -> &'static str,
                    side: fn(Lab, &Sight, bool) -> Side,
                    read: fn(&LocationWeights, bool) -> &Matrix| {
        move || {
            let moved = aligned.get();
            HeatMap {
                title: title(moved).into(),
                rows: sight.get().map_or_else(|| Side::new(Dim::Source, ""), |sight| side(lab, &sight, moved)),
                columns: Side::new(Dim::Hidden, "hidden"),
                grid: weights.with(|weights| weights.as_ref().map(|(_, w)| grid(read(w, moved))).unwrap_or_default()),
                scale: Scale::Diverging {
                    clamp: weights.with(|weights| weights.as_ref().and_then(|(clamp, _)| *clamp)),
                },
                quantity: "weight".into(),
            }
        }
    };
    let of_reference = |lab: Lab, s: &Sight, _| {
        Side::new(Dim::Reference, lab.name(s.reference)).role(pictures::role(lab, s.reference))
    };
    let reference = map(|_| "The reference", of_reference, |w, _| &w.reference);
    let other = map(
        |moved| if moved { "The other, moved onto the reference's neurons" } else { "The other, as stored" },
        // Moved, its rows stand for the reference's neurons.
        |lab, s, moved| {
            Side::new(if moved { Dim::Reference } else { Dim::Source }, lab.name(s.other))
                .role(pictures::role(lab, s.other))
        },
        |w, moved| if moved { &w.aligned } else { &w.stored },
    );
    let mean = map(
        |moved| if moved { "Mean of all, after alignment" } else { "Mean of all, as stored" },
        |_, _, _| Side::new(Dim::Reference, "mean").role(Role::Merged),
        |w, moved| if moved { &w.merged } else { &w.average },
    );
    let no_average =
        move || !aligned.get() && weights.with(|w| w.as_ref().is_some_and(|(_, w)| w.average.values.is_empty()));
    view! {
        <Show when=move || lab.is_sample.get()>
            <p class="empty">"The weights themselves are shown once the adapters are loaded: press Align, or run the example."</p>
        </Show>
        {move || failed.get().map(|why| view! { <p class="why">{why}</p> })}
        <Show when=move || weights.with(Option::is_none) && failed.with(Option::is_none) && !lab.is_sample.get()>
            <p class="empty">"The weights come once the engine has done what it is at."</p>
        </Show>
        <Show when=move || weights.with(Option::is_some) && !lab.is_sample.get()>
            <div class="stacked" data-testid="weights">
                <Figure picture=reference highlight=focus on_highlight=move |hit| focus.set(hit) on_select=select file_name="weights-reference"/>
                <Figure picture=other highlight=focus on_highlight=move |hit| focus.set(hit) on_select=select file_name="weights-other"/>
                <Show when=no_average fallback=move || view! {
                    <Figure picture=mean highlight=focus on_highlight=move |hit| focus.set(hit) on_select=select file_name="weights-mean"/>
                }>
                    <p class="empty">"No mean as stored: the numbers of neurons differ."</p>
                </Show>
            </div>
        </Show>
    }
}
