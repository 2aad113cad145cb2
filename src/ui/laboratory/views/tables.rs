//! Methods by seeds, best first, filling while the runs go on.

use super::{in_sight, role};
use crate::protocol::{ExperimentSheet, MethodResult, TableForm};
use crate::ui::components::each::each;
use crate::ui::components::fields::{Item, Segments};
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::laboratory::Laboratory;
use crate::ui::pictures::css;
use crate::ui::state::laboratory::table::{self, Cell, CellState, Gap, Line, Table};
use crate::ui::state::words;
use leptos::prelude::*;

/// A column on what a method costs, the mean over its runs.
struct Cost {
    name: &'static str,
    unit: &'static str,
    hint: &'static str,
    /// Why there may be no value.
    none: &'static str,
    read: fn(&MethodResult) -> Option<String>,
}

const COSTS: [Cost; 5] = [
    Cost {
        name: "Trained",
        unit: "parameters",
        hint: "Parameters that are trained",
        none: "—: not done yet",
        read: |result| Some(words::short(result.trainable_parameters as usize)),
    },
    Cost {
        name: "Added",
        unit: "parameters",
        hint: "Parameters at inference beside those of the PLM",
        none: "—: not done yet",
        read: |result| Some(words::short(result.inference_parameters as usize)),
    },
    Cost {
        name: "A step",
        unit: "ms",
        hint: "Mean over the runs of the median time of a training step",
        none: "—: not done yet, or nothing was trained",
        read: |result| Some(rounded(1e3 * result.step_seconds?)),
    },
    Cost {
        name: "Time",
        unit: "s",
        hint: "Mean time of a run",
        none: "—: not done yet",
        read: |result| Some(rounded(result.seconds)),
    },
    Cost {
        name: "Peak memory",
        unit: "MB",
        hint: "Mean over the runs of the most memory in use at once",
        none: "—: not done yet, or the device does not tell",
        read: |result| Some(rounded(result.peak_memory? / 1e6)),
    },
];

/// The table in sight.
pub(super) fn table_in_sight(laboratory: Laboratory) -> Memo<Option<Table>> {
    memo(move || {
        let wanted = laboratory.link.with(|link| link.table);
        laboratory.tables.with(|tables| tables.get(wanted).or(tables.first()).cloned())
    })
}

/// Choice of the table, the table, and how to take it away.
#[component]
pub fn Tables() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let titles = memo(move || laboratory.tables.with(|tables| tables.iter().map(Table::title).collect::<Vec<_>>()));
    let tracks = memo(move || {
        laboratory.shown.with(|shown| shown.as_ref().map(|one| table::tracks(&one.cards)).unwrap_or_default())
    });
    let chosen = Signal::derive(move || laboratory.link.with(|link| link.tracks.clone()).unwrap_or_default());
    let stale = memo(move || laboratory.is_stale());
    view! {
        <Show when=move || stale.get()>
            <p class="why" role="status" data-testid="stale">"The experiment has been changed since: these are the runs of its file as it was. Run plans it anew."</p>
        </Show>
        <div class="toolbar">
            <Show when=move || titles.with(|titles| titles.len() > 1)>
                <div class="pairs" role="group" aria-label="Table">
                    {move || titles.get().into_iter().enumerate().map(|(place, title)| view! {
                        <button class="pill" aria-pressed=move || (laboratory.link.with(|link| link.table) == place).to_string()
                            on:click=move |_| laboratory.link.update(|link| link.table = place)>{title}</button>
                    }).collect_view()}
                </div>
            </Show>
            <Show when=move || tracks.with(|tracks| tracks.len() > 1)>
                {move || {
                    let mut items = vec![Item::new("", "all", "tracks-all")];
                    items.extend(tracks.get().iter().map(|tracks| Item::new(tracks, tracks, &format!("tracks-{tracks}"))));
                    view! { <Segments legend="Adapters of the target's track" items value=chosen
                        on_change=move |value: String| laboratory.link.update(|link| link.tracks = Some(value).filter(|v| !v.is_empty()))/> }
                }}
            </Show>
        </div>
        <ResultTable/>
        <Exports/>
    }
}

#[component]
fn ResultTable() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let table = table_in_sight(laboratory);
    let title = move || table.with(|table| table.as_ref().map(Table::title).unwrap_or_default());
    let majority = move || {
        let majority = table.with(|table| table.as_ref().and_then(|table| table.majority));
        majority.map(|majority| format!("A constant answer scores {}.", words::score(majority as f32)))
    };
    let seeds = memo(move || table.with(|table| table.as_ref().map(|table| table.seeds.clone()).unwrap_or_default()));
    let keys = memo(move || {
        let key = |line: &Line| (line.method.clone(), line.tracks.clone());
        table.with(|table| {
            table.as_ref().map(|table| table.lines.iter().map(key).collect::<Vec<_>>()).unwrap_or_default()
        })
    });
    let line_of = move |(method, tracks): (String, String)| {
        memo(move || {
            table.with(|table| {
                let found = table.as_ref()?.lines.iter().find(|line| line.method == method && line.tracks == tracks);
                found.cloned()
            })
        })
    };
    let sheet = in_sight(laboratory);
    view! {
        <div class="scroll"><table class="data runs" data-testid="runs">
            <caption>{title}<small>" accuracy on test in %, best mean first. "{majority}</small></caption>
            <thead><tr>
                <th scope="col">"Method"</th>
                {move || seeds.get().into_iter().map(|seed| view! { <th scope="col" class="n" title="Seed of the examples, of new weights and shuffles">{seed.to_string()}</th> }).collect_view()}
                <th scope="col" class="n" title="Mean and standard deviation over the seeds">"Mean ± sd"</th>
                <th scope="col" class="n" title="Mean of the paired differences to the best method, in percentage points, with its interval by Student's t">"To the best"</th>
                <th scope="col" class="n" title="Episodes in which it is better than the best method on the mean, and worse">"Won–lost"</th>
                <th scope="col" class="n" title="Mean of the classes' F1">"Macro F1"</th>
                {COSTS.iter().map(|cost| view! {
                    <th scope="col" class="n" title=cost.hint>{cost.name}<small class="unit">{cost.unit}</small></th>
                }).collect_view()}
            </tr></thead>
            <tbody>
                {each(move || keys.get(), Clone::clone, move |key| view! { <Row line=line_of(key) seeds sheet/> })}
            </tbody>
        </table></div>
    }
}

#[component]
fn Row(line: Memo<Option<Line>>, seeds: Memo<Vec<u64>>, sheet: Memo<ExperimentSheet>) -> impl IntoView {
    let of = move |read: fn(&Line) -> String| move || line.with(|line| line.as_ref().map(read).unwrap_or_default());
    let colour = move || {
        let method = line.with(|line| line.as_ref().map(|line| line.method.clone()).unwrap_or_default());
        format!("background: {}", sheet.with(|sheet| css(role(&method, sheet))))
    };
    let cell = move |seed: u64| {
        memo(move || {
            let place = seeds.with(|seeds| seeds.iter().position(|other| *other == seed))?;
            line.with(|line| line.as_ref()?.cells.get(place)?.clone())
        })
    };
    let value = move |cost: &'static Cost| {
        move || {
            let value = line.with(|line| (cost.read)(line.as_ref()?.result.as_ref()?));
            value.unwrap_or_else(|| "—".into())
        }
    };
    view! {
        <tr data-testid="line" data-method=of(|line| line.method.clone()) data-mean=of(mean)>
            <th scope="row"><span class="swatch" style=colour aria-hidden="true"></span>{of(|line| line.name.clone())}</th>
            {each(move || seeds.get(), |seed| *seed, move |seed| view! { <td class="n"><RunCell cell=cell(seed) line seed/></td> })}
            <td class="n strong">{of(mean_and_deviation)}</td>
            <td class="n" title="—: the best, or not done yet">{of(|line| line.gap.map_or("—".into(), gap_words))}</td>
            <td class="n">{of(|line| line.gap.map_or("—".into(), |gap| format!("{}–{}", gap.wins, gap.losses)))}</td>
            <td class="n">{of(|line| line.result.as_ref().map_or("—".into(), |result| format!("{:.1}", 100.0 * result.macro_f1)))}</td>
            {COSTS.iter().map(|cost| view! { <td class="n" title=cost.none data-cost=cost.name>{value(cost)}</td> }).collect_view()}
        </tr>
    }
}

#[component]
fn RunCell(cell: Memo<Option<Cell>>, line: Memo<Option<Line>>, seed: u64) -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let hash = move || cell.with(|cell| cell.as_ref().map(|cell| cell.hash.clone()));
    let state = move || {
        cell.with(|cell| match cell.as_ref().map(|cell| &cell.state) {
            Some(CellState::Done(accuracy)) => ("done", format!("{:.1}", 100.0 * accuracy)),
            Some(CellState::Failed(_)) => ("failed", "!".to_owned()),
            Some(CellState::Running) => ("running", "…".to_owned()),
            Some(CellState::Waiting) => ("waiting", "·".to_owned()),
            None => ("none", String::new()),
        })
    };
    let accuracy = move || match cell.with(|cell| cell.as_ref().map(|cell| cell.state.clone())) {
        Some(CellState::Done(accuracy)) => Some(accuracy.to_string()),
        _ => None,
    };
    let said = move || {
        let method = line.with(|line| line.as_ref().map(|line| line.name.clone()).unwrap_or_default());
        let state = match cell.with(|cell| cell.as_ref().map(|cell| cell.state.clone())) {
            Some(CellState::Done(accuracy)) => format!("{}: open", words::score(accuracy as f32)),
            Some(CellState::Failed(reason)) => format!("failed: {reason}"),
            Some(CellState::Running) => "going on".into(),
            _ => "to come".into(),
        };
        format!("{method}, seed {seed}: {state}")
    };
    let is_open = move || laboratory.link.with(|link| link.run.is_some() && link.run == hash());
    view! {
        <button class="cell" data-testid="cell" data-state=move || state().0 data-hash=hash data-accuracy=accuracy data-seed=seed.to_string()
            data-method=move || line.with(|line| line.as_ref().map(|line| line.method.clone()))
            aria-pressed=move || is_open().to_string() disabled=move || state().0 != "done" title=said aria-label=said
            on:click=move |_| laboratory.open_run(if is_open() { None } else { hash() })>
            {move || state().1}
        </button>
    }
}

fn mean(line: &Line) -> String {
    line.result.as_ref().map(|result| result.accuracy.to_string()).unwrap_or_default()
}

fn mean_and_deviation(line: &Line) -> String {
    let Some(result) = &line.result else { return "—".into() };
    match result.accuracy_deviation {
        Some(deviation) => format!("{:.1} ± {:.1}", 100.0 * result.accuracy, 100.0 * deviation),
        None => format!("{:.1}", 100.0 * result.accuracy),
    }
}

/// Time and memory vary by more than a further digit would say.
fn rounded(x: f64) -> String {
    if x < 9.95 { format!("{x:.1}") } else { format!("{x:.0}") }
}

fn gap_words(gap: Gap) -> String {
    match gap.interval {
        Some((low, high)) => {
            format!("{} [{}, {}]", words::points(gap.mean), words::points(low), words::points(high))
        }
        None => words::points(gap.mean),
    }
}

/// The table in each form, and the whole experiment.
#[component]
fn Exports() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let none = memo(move || {
        let records = laboratory.records.read();
        laboratory.tables.with(|tables| tables.iter().all(|table| table.progress().0 == 0)) || records.is_empty()
    });
    let forms = [
        (TableForm::Csv, "CSV", "csv", "The runs, one a row"),
        (TableForm::Json, "JSON", "json", "The summary"),
        (TableForm::Markdown, "Markdown", "markdown", "The tables"),
        (TableForm::Latex, "LaTeX", "latex", "A table for a paper"),
        (TableForm::Html, "Report", "html", "One self-contained page with the pictures"),
        (TableForm::Records, "records.jsonl", "records", "What mera run writes and reads"),
    ];
    view! {
        <div class="row exports" role="group" aria-label="Save">
            {forms.into_iter().map(|(form, words, id, hint)| view! {
                <button class="small" data-testid=format!("export-{id}") title=hint disabled=move || none.get()
                    on:click=move |_| laboratory.export(form)>{words}</button>
            }).collect_view()}
            <button class="small" data-testid="save-experiment" title="The experiment with its files and records, as a zip that this page and mera run take"
                on:click=move |_| laboratory.save_experiment()>"Save the experiment"</button>
        </div>
    }
}
