//! Runs compared: dots for seeds, differences paired by episode, a table, what is confused with what.

use super::predictions::RunSelect;
use super::{Download, Stale};
use crate::protocol::*;
use crate::ui::charts::Figure;
use crate::ui::components::fields::Select;
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::lab::Lab;
use crate::ui::pictures;
use crate::ui::state::results::{self, Group, Task};
use crate::ui::state::{Step, words};
use crate::viz::{Comparison, Confusion, Method, Unit, sort_by};
use leptos::prelude::*;

/// The task in sight: the last one judged.
fn task(lab: Lab, chosen: RwSignal<usize>) -> Memo<Option<Task>> {
    memo(move || {
        let tasks = lab.runs.with(|runs| results::tasks(runs));
        tasks.get(chosen.get()).or(tasks.last()).cloned()
    })
}

/// Export, and on to another seed.
#[component]
pub fn Controls() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let none = move || lab.runs.with(|runs| runs.iter().all(|run| run.test.is_none()));
    let export = move |_| {
        let (origins, data) = (lab.origins.get_untracked(), lab.data.get_untracked());
        let text = lab.runs.with_untracked(|runs| results::csv(runs, &origins, &data));
        let file = FileBytes { path: "mera-results.csv".into(), bytes: text.into_bytes() };
        lab.save(&file);
    };
    let another = move |_| {
        lab.choices.update(|choices| choices.episode.seed += 1);
        lab.compare_all();
    };
    view! {
        <div class="actions">
        <button class="primary wide" data-testid="compare-all" disabled=move || lab.busy() || (lab.data.with(Vec::is_empty) && !lab.is_sample.get())
            on:click=move |_| lab.compare_all()>"Compare all"</button>
        <button class="wide" data-testid="another-seed" disabled=move || lab.busy() || none() on:click=another
            title="The same comparison on other examples: one more dot for each">"Again with another seed"</button>
        <button class="wide" data-testid="export-csv" disabled=none on:click=export>"Table as CSV"</button>
        </div>
    }
}

/// The picture.
#[component]
pub fn Picture() -> impl IntoView {
    let lab = expect_context::<Lab>();
    // Past the end means the last.
    let chosen = RwSignal::new(usize::MAX);
    let task = task(lab, chosen);
    let groups = memo(move || {
        let origins = lab.origins.get();
        let groups = task.get().map(|task| lab.runs.with(|runs| results::groups(runs, &origins, &task)));
        results::beside_each_other(groups.unwrap_or_default(), &origins)
    });
    let off_track = move || {
        let data = task.get().and_then(|task| lab.data.get().into_iter().find(|card| card.id == task.episode.data))?;
        let (origins, adapters) = (lab.origins.get(), lab.adapters.get());
        off_track_words(&results::off_track(&groups.get(), &origins, &adapters, &data.track), &data)
    };
    let method = move |group: &Group, values| Method {
        name: group.name.clone(),
        role: pictures::start_role(lab, &group.start),
        values,
    };
    let majority = move || {
        let task = task.get()?;
        lab.episode.with(|drawn| drawn.as_ref().filter(|(spec, _)| task.draws(spec)).map(|(_, card)| card.majority))
    };
    let comparison = move || Comparison {
        title: "Accuracy on the test set".into(),
        quantity: "accuracy".into(),
        unit: Unit::Percent,
        methods: groups.get().iter().map(|group| method(group, group.accuracies())).collect(),
        baseline: majority().map(|m| ("majority".to_owned(), f64::from(m))),
    };
    let paired = move || {
        let all = groups.get();
        let first = all.first().cloned();
        let others = all.iter().skip(1);
        Comparison {
            title: first
                .as_ref()
                .map_or(String::new(), |first| format!("What {} gains over each, seed by seed", first.name)),
            quantity: "difference in accuracy".into(),
            unit: Unit::Points,
            methods: others
                .map(|other| method(other, first.as_ref().map(|first| first.minus(other)).unwrap_or_default()))
                .filter(|method| !method.values.is_empty())
                .collect(),
            baseline: Some(("no difference".into(), 0.0)),
        }
    };
    let tasks = Signal::derive(move || {
        let tasks = lab.runs.with(|runs| results::tasks(runs));
        tasks
            .iter()
            .enumerate()
            .map(|(place, task)| (place.to_string(), task_words(lab, task, &tasks)))
            .collect::<Vec<_>>()
    });
    let chosen_text = Signal::derive(move || {
        let last = tasks.with(Vec::len).saturating_sub(1);
        chosen.get().min(last).to_string()
    });
    view! {
        <div class="heading">
            <h2>{move || match task.get().and_then(|task| lab.data_name(task.episode.data)) {
                Some(name) => format!("Results on {name}"),
                None => "Results".to_owned(),
            }}</h2>
            <Show when=move || tasks.with(|tasks| tasks.len() > 1)>
                <Select label="Task" options=tasks value=chosen_text testid="task-select"
                    on_change=move |value: String| chosen.set(value.parse().unwrap_or(usize::MAX))/>
            </Show>
        </div>
        <Stale step=Step::Results again="Compare again" redo=move |()| lab.compare_all()/>
        <Show when=move || groups.with(|groups| !groups.is_empty()) fallback=|| view! {
            <p class="empty">"Nothing to compare yet. Train under Few-shot, or press Compare all."</p>
        }>
            <Show when=move || majority().is_some()>
                <p class="quiet-words" data-testid="majority" data-value=move || majority().map(|m| m.to_string())>
                    {move || majority().map(|m| format!("A constant answer scores {}.", words::score(m)))}
                </p>
            </Show>
            {move || off_track().map(|words| view! { <p class="quiet-words" data-testid="off-track">{words}</p> })}
            <Figure picture=comparison file_name="accuracy"/>
            <Show when=move || !paired().methods.is_empty()>
                <Figure picture=paired file_name="paired-differences"/>
            </Show>
            <Table groups=groups task=task/>
            <ConfusionOf/>
        </Show>
    }
}

/// That adapters of other tracks than the data's took part, and what could be tried.
fn off_track_words(others: &[&AdapterCard], data: &DataCard) -> Option<String> {
    let (are, them) = match others.len() {
        0 => return None,
        1 => ("is of another track", "it"),
        _ => ("are of other tracks", "them"),
    };
    let names: Vec<String> = others.iter().map(|card| format!("{} ({})", card.name, card.track)).collect();
    Some(format!(
        "{} {are} than {} ({}). Adapters of one track tend to merge better: leave {them} out under Adapters, and compare again.",
        names.join(", "),
        data.name,
        data.track
    ))
}

/// What a task is, and what sets it apart from the others.
fn task_words(lab: Lab, task: &Task, others: &[Task]) -> String {
    let EpisodeSpec { data, test_rows, k, .. } = &task.episode;
    let mut words = vec![lab.data_name(*data).unwrap_or_else(|| "a removed data set".into()), format!("{k} a class")];
    words.extend(test_rows.map(|most| format!("judged on {most} rows at most")));
    words.extend(task.apart_from(others));
    words.join(" · ")
}

#[component]
fn Table(groups: Memo<Vec<Group>>, task: Memo<Option<Task>>) -> impl IntoView {
    let lab = expect_context::<Lab>();
    let rows = move || {
        let Some(task) = task.get() else { return vec![] };
        let order = |run| groups.with(|groups| groups.iter().position(|group| group.runs.contains(&run)));
        let mut rows: Vec<RunReport> = lab.runs.with(|runs| {
            runs.iter().filter(|run| run.test.is_some() && Task::of(&run.asked) == task).cloned().collect()
        });
        let place = |run: &RunReport| (order(run.run), run.asked.episode.seed);
        sort_by(&mut rows, |a, b| place(a).cmp(&place(b)));
        rows
    };
    view! {
        <div class="scroll"><table class="data">
            <caption>"Every run on this task"</caption>
            <thead><tr>
                <th scope="col">"Run"</th><th scope="col" class="n">"Seed"</th><th scope="col" class="n">"Accuracy"</th>
                <th scope="col" class="n" title="Mean of the classes' F1">"Macro F1"</th>
                <th scope="col" class="n" title="Parameters that were trained">"Trained"</th>
                <th scope="col" class="n" title="Parameters of adapter and head, beside the model">"Added"</th>
                <th scope="col" class="n">"Time"</th><th scope="col"></th>
            </tr></thead>
            <tbody>
                {move || rows().into_iter().map(|run| {
                    let id = run.run;
                    let test = run.test.unwrap_or(Scores { accuracy: f32::NAN, macro_f1: f32::NAN, loss: f32::NAN });
                    view! {
                        <tr data-testid="result-row" data-name=run.asked.name.clone() data-seed=run.asked.episode.seed.to_string()
                            data-accuracy=test.accuracy.to_string() data-macro-f1=test.macro_f1.to_string()>
                            <th scope="row"><span class="swatch" style=format!("background: {}", pictures::css(pictures::start_role(lab, &run.asked.start))) aria-hidden="true"></span>{run.asked.name.clone()}</th>
                            <td class="n">{run.asked.episode.seed.to_string()}</td>
                            <td class="n">{words::score(test.accuracy)}</td>
                            <td class="n">{words::score(test.macro_f1)}</td>
                            <td class="n" title=words::count(run.trainable_parameters)>{words::short(run.trainable_parameters)}</td>
                            <td class="n" title=words::count(run.inference_parameters)>{words::short(run.inference_parameters)}</td>
                            <td class="n">{words::duration(run.seconds)}</td>
                            <td class="buttons">{(run.asked.start != RunStart::HeadOnly).then(|| view! { <Download run=id/> })}</td>
                        </tr>
                    }
                }).collect_view()}
            </tbody>
        </table></div>
    }
}

/// What one run takes for what.
#[component]
fn ConfusionOf() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let picture = move || {
        let run = lab.shown_run();
        Confusion {
            title: run.as_ref().map_or(String::new(), |run| format!("What {} takes for what", run.asked.name)),
            labels: run.as_ref().map(|run| run.labels.clone()).unwrap_or_default(),
            counts: run.map(|run| pictures::grid(&run.confusion)).unwrap_or_default(),
        }
    };
    view! {
        <section data-testid="confusion">
            <div class="heading"><h3>"Confusion"</h3><RunSelect/></div>
            <Figure picture file_name="confusion"/>
        </section>
    }
}
