//! The results of an experiment as one page that needs nothing beside it: tables, and the pictures of `viz`.

use super::VERSION;
use crate::experiment::report::{COSTS, costs, grouped, interval, legend, notes, spread};
use crate::experiment::summary::{Group, MethodSummary, Summary};
use crate::experiment::{Budget, Record, summarize};
use crate::viz::{Comparison, Method, Picture, Role, Scheme, Unit, svg};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Width of the pictures in pixels.
const WIDTH: f64 = 760.0;

/// `report.html`.
pub(super) fn html(records: &[Record]) -> String {
    let summary = summarize(records);
    // Older records do not name theirs.
    let plms: BTreeSet<&str> =
        summary.groups.iter().map(|group| group.plm.as_str()).filter(|plm| !plm.is_empty()).collect();
    let plms = plms.into_iter().collect::<Vec<_>>().join(" and ");
    let on = if plms.is_empty() { String::new() } else { format!(" on {}", escaped(&plms)) };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Results of an experiment</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>Results of an experiment</h1>\n\
         <p>{} runs{on}, made with {}. Accuracy and macro F1 on test: mean ± standard deviation over the seeds. Two methods \
         are compared over the episodes that both have seen, with the {:.0} % interval of the mean difference (Student's \
         t). {}</p>\n",
        summary.records,
        escaped(VERSION),
        summary.confidence * 100.0,
        legend(),
    );
    for note in notes(&summary) {
        page += &format!("<p><b>{}</b></p>\n", escaped(&note));
    }
    for group in &summary.groups {
        // Writing to a string does not fail.
        let _ = section(&mut page, &summary, group);
    }
    page + "</body>\n</html>\n"
}

fn section(page: &mut String, summary: &Summary, group: &Group) -> std::fmt::Result {
    let title = grouped(summary, group);
    writeln!(page, "<h2>{}</h2>", escaped(&title))?;
    if let Some(majority) = group.majority {
        writeln!(page, "<p>Always the most frequent class: {majority:.3}.</p>")?;
    }
    for picture in [Some(comparison(&title, group)), paired(group)].into_iter().flatten() {
        let drawing = svg::document(&picture.scene(WIDTH), Scheme::Light);
        writeln!(page, "<figure><figcaption>{}</figcaption>{drawing}</figure>", escaped(&picture.title))?;
    }
    let cells = |tag: &str, cells: &[String]| cells.iter().fold(String::new(), |row, cell| row + tag + cell);
    let head = ["method", "seeds", "accuracy", "macro F1"].into_iter().chain(COSTS).map(str::to_owned);
    writeln!(page, "<table>\n<tr>{}</tr>", cells("<th>", &head.collect::<Vec<_>>()))?;
    for method in &group.methods {
        let results =
            [escaped(&method.name), method.runs.to_string(), spread(&method.accuracy), spread(&method.macro_f1)];
        writeln!(page, "<tr>{}{}</tr>", cells("<td>", &results), cells("<td>", &costs(method)))?;
    }
    page.push_str("</table>\n");
    what_was_run(page, group)?;
    if group.pairs.is_empty() {
        return Ok(());
    }
    page.push_str(
        "<details><summary>Every two methods</summary>\n<table>\n<tr><th>method<th>less<th>episodes\
         <th>difference in accuracy<th>won<th>lost<th>neither</tr>\n",
    );
    for pair in &group.pairs {
        writeln!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            escaped(&pair.a),
            escaped(&pair.b),
            pair.episodes,
            interval(&pair.accuracy, ["<b>", "</b>"]),
            pair.wins,
            pair.losses,
            pair.ties,
        )?;
    }
    page.push_str("</table>\n</details>\n");
    Ok(())
}

/// What methods had to learn with and on which adapters, those that are alike in one row; of those whose records tell.
fn what_was_run(page: &mut String, group: &Group) -> std::fmt::Result {
    let mut rows: Vec<([String; 5], Vec<&str>)> = Vec::new();
    for method in &group.methods {
        let Some(Budget { epochs, batch_size, learning_rates, train }) = &method.training else { continue };
        let rates = learning_rates.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
        let adapters = method.adapters.iter().map(|used| format!("{} {}", used.name, used.hash));
        let part = train.map_or(String::new(), |part| part.word().to_owned());
        let adapters = adapters.collect::<Vec<_>>().join(", ");
        let cells = [epochs.to_string(), batch_size.to_string(), rates, part, adapters];
        match rows.iter_mut().find(|(known, _)| *known == cells) {
            Some((_, methods)) => methods.push(&method.name),
            None => rows.push((cells, vec![&method.name])),
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    page.push_str(
        "<details open><summary>What was run</summary>\n<table>\n<tr><th>epochs<th>rows a step<th>rates tried\
         <th>part trained<th>adapters<th class=\"words\">methods</tr>\n",
    );
    for (cells, methods) in rows {
        let cells = cells.iter().fold(String::new(), |row, cell| row + "<td>" + &escaped(cell));
        writeln!(page, "<tr>{cells}<td class=\"words\">{}</tr>", escaped(&methods.join(", ")))?;
    }
    page.push_str("</table>\n</details>\n");
    Ok(())
}

/// Each method less the best one, seed by seed; none where there is nothing to compare.
fn paired(group: &Group) -> Option<Comparison> {
    let (best, others) = group.methods.split_first()?;
    let methods = others.iter().filter(|method| method.method != "majority").map(|method| {
        let differences = method.by_seed.iter().filter_map(|(seed, accuracy)| Some(accuracy - best.by_seed.get(seed)?));
        Method { name: method.name.clone(), role: role(method), values: differences.collect() }
    });
    let methods: Vec<Method> = methods.filter(|method| !method.values.is_empty()).collect();
    (!methods.is_empty()).then(|| Comparison {
        title: format!("What each gains over {}, seed by seed", best.name),
        quantity: format!("difference in accuracy to {}", best.name),
        unit: Unit::Points,
        methods,
        baseline: Some(("no difference".to_owned(), 0.0)),
    })
}

/// The accuracies of a group's methods, a dot a seed, in the group's order.
#[must_use]
pub fn comparison(title: &str, group: &Group) -> Comparison {
    let methods = group.methods.iter().filter(|method| method.method != "majority").map(|method| Method {
        name: method.name.clone(),
        role: role(method),
        values: method.by_seed.values().copied().collect(),
    });
    Comparison {
        title: format!("Accuracy on test: {title}"),
        quantity: "accuracy on test".to_owned(),
        unit: Unit::Percent,
        methods: methods.collect(),
        baseline: group.majority.map(|majority| ("majority".to_owned(), majority)),
    }
}

/// What merged its adapters before training stands out from what it is compared with: its records say how far it was
/// from their mean.
fn role(method: &MethodSummary) -> Role {
    if method.ensemble_error.is_some() { Role::Merged } else { Role::Ink2 }
}

/// Text that a browser takes for text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "\
body { font: 16px/1.5 Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif; color: #1d2125; background: #fff; \
max-width: 66rem; margin: 2rem auto; padding: 0 1rem }
p { max-width: 44rem }
h2 { margin-top: 2.5rem }
figure { margin: 1rem 0 1.5rem; overflow-x: auto }
figcaption { font-weight: 600; margin-bottom: .5rem }
svg { max-width: 100%; min-width: 34rem; height: auto }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; display: block; overflow-x: auto }
th, td { text-align: right; white-space: nowrap; padding: .25rem .6rem; border-bottom: 1px solid #d9dde1 }
th:first-child, td:first-child { text-align: left }
.words { text-align: left; white-space: normal }
details { margin-top: 1rem }
summary { cursor: pointer }
";

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;
    use crate::experiment::Tracks;

    fn record(method: &str, seed: u64, accuracy: f64) -> Record {
        let line = format!(
            r#"{{"target":"a<b>","method":"{method}","k":4,"seed":{seed},"tracks":"same","accuracy":{accuracy},
            "macro_f1":0.5,"dev_accuracy":0.5,"learning_rate":0.001,"trainable_parameters":1,"inference_parameters":2,
            "seconds":1.0,"step_seconds":0.25,"peak_memory":2097152,"hash":"{method}{seed}"}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn pictures_show_what_the_table_counts() {
        let first = record("sum", 13, 0.8);
        let other = Record { hash: "another".to_owned(), accuracy: 0.2, ..first.clone() };
        let records = [first, other, record("single:a", 13, 0.7)];
        let summary = summarize(&records);
        let group = &summary.groups[0];
        assert_eq!(summary.overlaid, 1);
        let dots = comparison("", group).methods;
        for (drawn, told) in dots.iter().zip(&group.methods) {
            assert_eq!((&drawn.name, &drawn.values), (&told.name, &vec![told.accuracy.mean]));
        }
        assert_eq!(html(&records).matches("r=\"3.2\"").count(), 2 + 1);
    }

    #[test]
    fn a_report_says_what_was_run() {
        let silent = record("head", 13, 0.5);
        let training = serde_json::json!({
            "epochs": 6, "batch_size": 4, "learning_rates": [0.001, 0.0003], "train": "up",
        });
        let adapters = serde_json::json!([{ "name": "a<b>", "hash": "0123456789ab" }, { "name": "c", "hash": "ba" }]);
        let told = Record {
            training: serde_json::from_value(training).unwrap(),
            adapters: serde_json::from_value(adapters).unwrap(),
            ..record("sum", 13, 0.8)
        };
        let alike = Record { method: "average".to_owned(), hash: "b".to_owned(), accuracy: 0.7, ..told.clone() };
        let page = html(&[silent.clone(), told, alike]);
        let row = "<tr><td>6<td>4<td>0.001, 0.0003<td>up<td>a&lt;b&gt; 0123456789ab, c ba\
                   <td class=\"words\">sum, average</tr>\n</table>";
        assert_eq!(page.matches("What was run").count(), 1);
        assert!(page.contains(&format!("methods</tr>\n{row}")), "{page}");
        assert!(!html(&[silent]).contains("What was run"), "earlier records do not tell");
    }

    #[test]
    fn a_report_stands_alone() {
        let mut records: Vec<Record> = Vec::new();
        for (seed, [sum, single, majority]) in [(13, [0.8, 0.7, 0.5]), (21, [0.9, 0.6, 0.5])] {
            records.push(record("sum", seed, sum));
            records.push(record("single:a", seed, single));
            records.push(record("majority", seed, majority));
        }
        assert_eq!(records[0].tracks, Tracks::Same);
        let page = html(&records);
        // A dot a run of what is no majority, and in the second picture one a difference to the best of them.
        assert_eq!(page.matches("<svg").count(), 2);
        let dots = page.matches("r=\"3.2\"").count();
        assert_eq!(dots, 4 + 2, "{page}");
        assert!(page.contains("What each gains over sum, seed by seed"), "{page}");
        // Nothing is fetched, no name breaks out.
        assert!(
            page.contains("<td>sum<td>2<td>0.850 ± 0.071<td>0.500 ± 0.000<td>1<td>2<td>250 ms<td>1.0 s<td>2 MiB</tr>")
        );
        assert!(page.contains("<tr><td>sum<td>single:a<td>2<td>+0.200 [−1.071, +1.471]<td>2<td>0<td>0</tr>"), "{page}");
        let outside = page.matches("http").count();
        assert_eq!(outside, page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
        assert!(!page.contains("a<b>") && page.contains("<h2>a&lt;b&gt;, k = 4</h2>"));
    }
}
