//! The table as pictures: dots for seeds, differences paired by episode, and the runs that are going on.

use super::tables::table_in_sight;
use super::{in_sight, role};
use crate::ui::charts::Figure;
use crate::ui::components::fields::Select;
use crate::ui::components::show::Show;
use crate::ui::effect::memo;
use crate::ui::laboratory::Laboratory;
use crate::ui::state::laboratory::table::{Line, Table};
use crate::viz::{Comparison, Curves, Method, Panel, Role, Run, Unit};
use leptos::prelude::*;

/// Curves in one figure: more can't be told apart.
const MOST_CURVES: usize = 8;

/// Accuracies by method, and differences to one of them.
#[component]
pub fn Pictures() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let table = table_in_sight(laboratory);
    let sheet = in_sight(laboratory);
    let method = move |line: &Line, values: Vec<f64>| Method {
        name: line.name.clone(),
        role: sheet.with(|sheet| role(&line.method, sheet)),
        values,
    };
    let comparison = move || {
        table.with(|table| {
            let with_values = |table: &Table| {
                let values = |line: &Line| table.accuracies(line).into_iter().map(|(_, accuracy)| accuracy).collect();
                let lines = table.lines.iter().filter(|line| !table.accuracies(line).is_empty());
                lines.map(|line| method(line, values(line))).collect()
            };
            Comparison {
                title: "Accuracy on the test set".into(),
                quantity: "accuracy".into(),
                unit: Unit::Percent,
                methods: table.as_ref().map(with_values).unwrap_or_default(),
                baseline: table.as_ref().and_then(|table| Some(("majority".to_owned(), table.majority?))),
            }
        })
    };
    // The best one where none is chosen, or the chosen one is not there.
    let against = RwSignal::new(None::<String>);
    let names = Signal::derive(move || {
        table.with(|table| {
            let done = |table: &Table| {
                let lines = table.lines.iter().filter(|line| line.result.is_some());
                lines.map(|line| (line.name.clone(), line.name.clone())).collect::<Vec<_>>()
            };
            table.as_ref().map(done).unwrap_or_default()
        })
    });
    let other = Signal::derive(move || {
        let names = names.get();
        let chosen = against.get().filter(|chosen| names.iter().any(|(name, _)| name == chosen));
        chosen.or(names.first().map(|(name, _)| name.clone())).unwrap_or_default()
    });
    let paired = move || {
        let name = other.get();
        table.with(|table| {
            let methods = |table: &Table| {
                let Some(other) = table.lines.iter().find(|line| line.name == name) else { return vec![] };
                let lines = table.lines.iter().filter(|line| line.name != name);
                let lines = lines.map(|line| method(line, table.differences(line, other)));
                lines.filter(|method| !method.values.is_empty()).collect()
            };
            Comparison {
                title: format!("What each gains over {name}, seed by seed"),
                quantity: "difference in accuracy".into(),
                unit: Unit::Points,
                methods: table.as_ref().map(methods).unwrap_or_default(),
                baseline: Some(("no difference".into(), 0.0)),
            }
        })
    };
    view! {
        <Show when=move || !comparison().methods.is_empty()>
            <Figure picture=comparison file_name="accuracy"/>
        </Show>
        <Show when=move || !paired().methods.is_empty()>
            <Select label="Compared with" options=names value=other testid="against" on_change=move |name: String| against.set(Some(name))/>
            <Figure picture=paired file_name="paired-differences"/>
        </Show>
    }
}

/// Loss and accuracy on dev of the runs that are going on.
#[component]
pub fn LiveCurves() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let is_here = memo(move || {
        let name = laboratory.shown.with(|shown| shown.as_ref().map(|one| one.bundle.name.clone()));
        laboratory.crew.with(|crew| name.is_some_and(|name| crew.experiment == name))
    });
    let picture = move || {
        laboratory.shown.with(|shown| {
            let runs: Vec<_> = shown.iter().flat_map(|one| one.runs()).collect();
            let sheet = shown.as_ref().map(|one| &one.sheet);
            laboratory.live.with(|live| {
                let mut loss = panel("loss", Unit::Plain, None);
                let mut dev = panel("accuracy on dev", Unit::Percent, Some((0.0, 1.0)));
                let going =
                    live.iter().flat_map(|(hash, live)| live.curves.iter().map(move |curve| (hash, live, curve)));
                for (hash, live, curve) in going.take(MOST_CURVES) {
                    let planned = runs.iter().find(|run| run.hash == *hash);
                    let mut name =
                        planned.map_or_else(String::new, |run| format!("{} · seed {}", run.method, run.seed));
                    if live.curves.len() > 1 {
                        name.push_str(&format!(" · rate {}", curve.learning_rate));
                    }
                    let role = planned.and_then(|run| Some(role(&run.method, sheet?))).unwrap_or(Role::Ink2);
                    let at = |value: fn(&crate::protocol::TrainPoint) -> Option<f64>| {
                        curve.points.iter().filter_map(|point| Some((point.step as f64, value(point)?))).collect()
                    };
                    let points = at(|point| Some(f64::from(point.loss)));
                    loss.runs.push(Run { name: name.clone(), role, dots: false, points });
                    let points = at(|point| point.dev.map(|dev| f64::from(dev.accuracy)));
                    dev.runs.push(Run { name, role, dots: true, points });
                }
                Curves { title: "Runs going on".into(), x: "step".into(), end: None, panels: vec![loss, dev] }
            })
        })
    };
    view! {
        <Show when=move || is_here.get()>
            <section data-testid="live-curves" class="live-curves"><Figure picture file_name="runs-going-on"/></section>
        </Show>
    }
}

pub(super) fn panel(title: &str, unit: Unit, range: Option<(f64, f64)>) -> Panel {
    Panel { title: title.into(), unit, range, runs: vec![] }
}
