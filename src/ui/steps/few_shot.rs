//! Learning from a few examples: what is drawn, how it is learned, loss and accuracy as they grow.

use super::episode::{EpisodeFields, EpisodeTable};
use super::predictions::Predictions;
use super::{Choice, Download, Stale};
use crate::protocol::*;
use crate::ui::charts::Figure;
use crate::ui::components::each::each;
use crate::ui::components::fields::{Item, Number, Segments};
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::lab::Lab;
use crate::ui::pictures;
use crate::ui::state::{Start, Step, names, results, words};
use crate::viz::{Curves, Hit, Panel, Run, Unit};
use leptos::prelude::*;

/// What to learn from, what to start from, how.
#[component]
pub fn Controls() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let missing = move || lab.data.with(Vec::is_empty) && !lab.is_sample.get();
    let line = memo(move || lab.line(Step::FewShot));
    let paused = move || line.with(|line| line.paused);
    let training = move || lab.live.with(Option::is_some);
    view! {
        <fieldset class="held" disabled=move || lab.plan_goes_on()>
            <EpisodeFields/>
            <Starts/>
            <Settings/>
        </fieldset>
        <div class="actions">
        <div class="row">
            <Show when=move || !training() fallback=move || view! {
                <button class="primary grow" data-testid="pause" on:click=move |_| lab.cancel()>"Pause"</button>
            }>
                {move || paused().map(|run| view! {
                    <button class="primary grow" data-testid="resume" disabled=move || lab.busy() on:click=move |_| lab.resume(run)>"Resume"</button>
                })}
                <button class="grow" class:primary=move || paused().is_none() data-testid="train" disabled=move || lab.busy() || missing()
                    on:click=move |_| lab.train()>{move || if paused().is_none() { "Train" } else { "Start over" }}</button>
            </Show>
        </div>
        <button class="wide" data-testid="compare-all" disabled=move || lab.busy() || missing() on:click=move |_| lab.compare_all()
            title="Trains merged, each single adapter, plain average, scratch and head alone on the same examples">"Compare all"</button>
        <Show when=missing><p class="why">"Drop a data set with the columns label and text1 to learn from."</p></Show>
        </div>
    }
}

/// What the run starts from.
#[component]
fn Starts() -> impl IntoView {
    let lab = expect_context::<Lab>();
    // How many neurons a new adapter may have depends on the model.
    let model = memo(move || lab.choices.with(|c| c.start == Start::Scratch).then(|| lab.plm_in_sight()).flatten());
    let starts = memo(move || {
        let adapters = lab.adapters.get();
        lab.choices.with(|c| Start::contenders(&c.inputs(&adapters).into_iter().cloned().collect::<Vec<_>>()))
    });
    view! {
        <fieldset class="gallery">
            <legend>"Start from"</legend>
            {move || starts.get().into_iter().map(|start| {
                let (own, chosen) = (start.clone(), start.clone());
                view! {
                    <label class="method">
                        <input type="radio" name="start" data-testid=format!("start-{}", start.slug()) prop:checked=move || lab.choices.with(|c| c.start == own)
                            on:change=move |_| lab.choices.update(|c| c.start = chosen.clone())/>
                        <span>{start.label()}</span>
                    </label>
                }
            }).collect_view()}
        </fieldset>
        {move || model.get().map(|plm| {
            let usual = plm.bottleneck();
            view! {
                <Number label="bottleneck" testid="bottleneck" min=1.0 max=plm.hidden as f64 whole=true hint="Neurons a layer, as many as the model is wide at most"
                    value=Signal::derive(move || lab.choices.with(|c| c.bottleneck).unwrap_or(usual) as f64)
                    on_change=move |x| lab.choices.update(|c| c.bottleneck = Some(x as usize).filter(|own| *own != usual))/>
            }
        })}
    }
}

/// How it is learned.
#[component]
fn Settings() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let trained = Signal::derive(move || names::of_trained(lab.choices.with(|c| c.train.trained)).to_owned());
    view! {
        <div class="field-row">
            <Choice label="epochs" testid="epochs" min=1.0 max=10_000.0 whole=true hint="Passes over the examples"
                read=|c| c.train.epochs as f64 write=|c, x| c.train.epochs = x as usize/>
            <Choice label="learning rate" testid="learning-rate" min=1e-7 max=1.0 hint="Peak, reached after the warm-up"
                read=|c| c.train.learning_rate write=|c, x| c.train.learning_rate = x/>
            <Choice label="batch" testid="batch-size" min=1.0 max=256.0 whole=true hint="Rows a step"
                read=|c| c.train.batch_size as f64 write=|c, x| c.train.batch_size = x as usize/>
        </div>
        <details class="more">
            <summary>"More settings"</summary>
            <Segments legend="Train, beside the head" value=trained
                items=vec![
                    Item::new("all", "adapter", "trained-all"),
                    Item::new("up", "up projections", "trained-up"),
                    Item::new("head", "nothing", "trained-head"),
                ]
                on_change=move |value: String| lab.choices.update(|c| c.train.trained = match value.as_str() {
                    "up" => Trained::Up,
                    "head" => Trained::Head,
                    _ => Trained::All,
                })/>
            <div class="field-row">
                <Choice label="warm-up" testid="warmup" min=0.0 max=1.0 hint="Share of all steps"
                    read=|c| c.train.warmup write=|c, x| c.train.warmup = x/>
                <Choice label="weight decay" testid="weight-decay" min=0.0 max=1.0 hint="Decoupled, on weight matrices"
                    read=|c| c.train.weight_decay write=|c, x| c.train.weight_decay = x/>
                <Choice label="clip" testid="clip" min=1e-3 max=1e6 hint="Largest global norm of the gradients"
                    read=|c| c.train.clip write=|c, x| c.train.clip = x/>
                <Choice label="dropout" testid="dropout" min=0.0 max=0.95 hint="In the head"
                    read=|c| c.train.dropout write=|c, x| c.train.dropout = x/>
                <Choice label="patience" testid="patience" min=0.0 max=10_000.0 whole=true hint="Epochs without a better dev score after which to stop; 0 for never"
                    read=|c| c.train.patience as f64 write=|c, x| c.train.patience = x as usize/>
                <Choice label="seed of training" testid="train-seed" min=0.0 max=4_294_967_295.0 whole=true hint="Of initial weights, shuffles and dropout"
                    read=|c| c.train.seed as f64 write=|c, x| c.train.seed = x as u64/>
            </div>
        </details>
    }
}

/// Curves, runs, examples, answers.
#[component]
pub fn Picture() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let focus = RwSignal::new(None::<Hit>);
    let curves = move || {
        let data = lab.chosen_episode().map(|spec| spec.data);
        let mut lines: Vec<(String, crate::viz::Role, Vec<TrainPoint>)> = lab.runs.with(|runs| {
            runs.iter()
                .filter(|run| Some(run.asked.episode.data) == data)
                .map(|run| (run.asked.name.clone(), pictures::start_role(lab, &run.asked.start), run.curve.clone()))
                .collect()
        });
        let live = lab.live.get();
        let end = live.as_ref().and_then(|live| live.total);
        if let Some(live) = live {
            lines.push((live.name.clone(), pictures::start_role(lab, &live.start), live.points));
        }
        let panel = |title: &str, unit, range, dots, read: fn(&TrainPoint) -> Option<f64>| Panel {
            title: title.into(),
            unit,
            range,
            runs: lines
                .iter()
                .map(|(name, role, points)| Run {
                    name: name.clone(),
                    role: *role,
                    dots,
                    points: points.iter().filter_map(|p| Some((p.step as f64, read(p)?))).collect(),
                })
                .collect(),
        };
        Curves {
            title: "Loss and dev accuracy as training goes on".into(),
            x: "step".into(),
            end,
            panels: vec![
                panel("training loss (nats)", Unit::Plain, None, false, |p| Some(f64::from(p.loss))),
                panel("dev accuracy", Unit::Percent, Some((0.0, 1.0)), true, |p| {
                    p.dev.map(|dev| f64::from(dev.accuracy))
                }),
            ],
        }
    };
    let anything = move || lab.live.with(Option::is_some) || lab.runs.with(|runs| !runs.is_empty());
    view! {
        <div class="heading"><h2>"Few-shot learning"</h2></div>
        <Stale step=Step::FewShot again="Train again" redo=move |()| lab.train()/>
        <LiveFacts/>
        <Show when=anything>
            <Figure picture=curves highlight=focus on_highlight=move |hit| focus.set(hit) file_name="training"/>
            <Runs/>
        </Show>
        <EpisodeTable/>
        <Show when=move || lab.runs.with(|runs| runs.iter().any(|run| run.test.is_some()))>
            <Predictions/>
        </Show>
    }
}

/// The run going on, in numbers.
#[component]
fn LiveFacts() -> impl IntoView {
    let lab = expect_context::<Lab>();
    view! {
        {move || lab.live.get().map(|live| {
            let last = live.points.last().copied();
            let dev = live.points.iter().rev().find_map(|point| point.dev);
            let number = |x: Option<f32>| x.map_or("—".to_owned(), |x| words::significant(f64::from(x), 3));
            view! {
                <dl class="facts inline-facts" data-testid="live" data-name=live.name.clone() data-step=last.map(|p| p.step.to_string())
                    data-loss=last.map(|p| p.loss.to_string()) data-dev=dev.map(|d| d.accuracy.to_string())>
                    <dt>"Training"</dt><dd class="long">{live.name.clone()}</dd>
                    <dt>"Step"</dt><dd>{last.map_or("—".to_owned(), |p| p.step.to_string())}{live.total.map(|total| format!(" of {total}"))}</dd>
                    <dt>"Loss"</dt><dd>{number(last.map(|p| p.loss))}</dd>
                    <dt>"Dev accuracy"</dt><dd>{dev.map_or("—".to_owned(), |d| words::score(d.accuracy))}</dd>
                </dl>
            }
        })}
    }
}

/// Every run, kept for comparison.
#[component]
fn Runs() -> impl IntoView {
    let lab = expect_context::<Lab>();
    view! {
        <div class="scroll"><table class="data">
            <thead><tr>
                <th scope="col">"Run"</th><th scope="col" class="n">"k"</th><th scope="col" class="n">"Seed"</th>
                <th scope="col" class="n">"Best epoch"</th><th scope="col" class="n">"Dev"</th><th scope="col" class="n">"Test"</th>
                <th scope="col" class="n">"Time"</th><th scope="col"></th>
            </tr></thead>
            <tbody>
                {each(move || lab.runs.get(), |run| (run.run, run.curve.len(), run.status), |run| view! { <RunRow run/> })}
            </tbody>
        </table></div>
    }
}

#[component]
fn RunRow(run: RunReport) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let id = run.run;
    let paused = run.status == RunStatus::Paused;
    let data = run.asked.episode.data;
    let status = match run.status {
        RunStatus::Finished => "finished",
        RunStatus::StoppedEarly => "stopped early",
        RunStatus::Diverged => "diverged",
        RunStatus::Paused => "paused",
    };
    let score = |scores: Option<Scores>| scores.map_or("—".to_owned(), |scores| words::score(scores.accuracy));
    view! {
        <tr data-testid="run-row" data-name=run.asked.name.clone() data-status=status data-accuracy=run.test.map(|t| t.accuracy.to_string())
            data-steps=run.curve.len()>
            <th scope="row"><span class="swatch" style=format!("background: {}", pictures::css(pictures::start_role(lab, &run.asked.start))) aria-hidden="true"></span>
                {run.asked.name.clone()}<small>{move || lab.on_data(data)}</small>{(run.status != RunStatus::Finished).then(|| view! { <small>" "{status}</small> })}</th>
            <td class="n">{run.asked.episode.k}</td>
            <td class="n">{run.asked.episode.seed.to_string()}</td>
            <td class="n">{if run.best_epoch == 0 { "—".to_owned() } else { run.best_epoch.to_string() }}</td>
            <td class="n">{score(run.dev)}</td>
            <td class="n" title=if paused { "Test is not looked at while a run is paused" } else { "" }>{score(run.test)}</td>
            <td class="n" title=format!("{} a step", words::duration(run.seconds_per_step))>{words::duration(run.seconds)}</td>
            <td class="buttons">
                {paused.then(|| view! { <button class="small" disabled=move || lab.busy() on:click=move |_| lab.resume(id)>"Resume"</button> })}
                <button class="small" data-testid="download-curve" title="Loss and accuracy, step by step, as CSV" on:click={
                    let run = run.clone();
                    move |_| lab.save(&FileBytes { path: format!("{}_curve.csv", run.asked.name), bytes: results::curve_csv(&run).into_bytes() })
                }>"Curve"</button>
                {(run.asked.start != RunStart::HeadOnly).then(|| view! { <Download run=id/> })}
                <button class="icon small" aria-label=format!("Forget {}", run.asked.name) disabled=move || lab.live.with(Option::is_some) on:click=move |_| lab.forget_run(id)>"×"</button>
            </td>
        </tr>
    }
}
