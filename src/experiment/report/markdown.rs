//! A summary as Markdown: a table a target and k, best method first, each compared with the best and with the majority.

use super::super::summary::{Group, MethodSummary, Summary};
use super::{Against, COSTS, costs, grouped, interval, legend, notes, spread};
use std::fmt::Write;

/// What [`row`] gives, as the head of a table.
const RESULTS: [&str; 6] = ["method", "seeds", "accuracy", "macro F1", "difference to the best", "wins–losses"];

/// `summary.md`.
#[must_use]
pub fn markdown(summary: &Summary) -> String {
    let mut text = format!(
        "# Summary\n\n{} records. Mean ± standard deviation over the seeds; the difference to the best method is over the \
         same episodes, with its {:.0} % interval (Student's t); wins and losses are counted in episodes against the best. \
         {}\n",
        summary.records,
        summary.confidence * 100.0,
        legend(),
    );
    for note in notes(summary) {
        text += &format!("\n**{note}**\n");
    }
    for group in &summary.groups {
        // Writing to a string does not fail.
        let _ = write!(text, "\n## {}\n\n", escaped(&grouped(summary, group)));
        table(&mut text, group);
    }
    text
}

fn table(text: &mut String, group: &Group) {
    if let Some(majority) = group.majority {
        let _ = write!(text, "Always the most frequent class: {majority:.3}.\n\n");
    }
    let head = RESULTS.into_iter().chain(COSTS);
    let rule = "|---".repeat(head.clone().count());
    let _ = writeln!(text, "| {} |\n{rule}|", head.collect::<Vec<_>>().join(" | "));
    for method in &group.methods {
        let cells = row(method, &Against::best(group, method)).into_iter().chain(costs(method));
        let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

fn row(method: &MethodSummary, against: &Against) -> [String; 6] {
    let (difference, wins) = match against {
        Against::Best => ("best".to_owned(), String::new()),
        Against::Apart => ("no episode in common".to_owned(), String::new()),
        Against::Difference { accuracy, wins, losses } => (interval(accuracy, ["**"; 2]), format!("{wins}–{losses}")),
    };
    [
        escaped(&method.name),
        method.runs.to_string(),
        spread(&method.accuracy),
        spread(&method.macro_f1),
        difference,
        wins,
    ]
}

/// Text that Markdown takes for text: a name neither ends its line or cell nor begins a tag, and says nothing to a
/// terminal.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '|' | '<' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::super::record::tests::record;
    use super::super::super::summary::summarize;
    use super::*;

    #[test]
    fn a_summary_reads_well() {
        let mut records = Vec::new();
        for (seed, [sum, head]) in [(13, [0.75, 0.625]), (21, [0.8125, 0.65]), (42, [0.78, 0.7])] {
            records.push(record("cr", "sum", 16, seed, sum));
            records.push(record("cr", "head", 16, seed, head));
            records.push(record("cr", "majority", 16, seed, 0.64));
        }
        records[0].step_seconds = Some(0.0625);
        records[0].peak_memory = Some(300 << 20);
        insta::assert_snapshot!(markdown(&summarize(&records)), @"
        # Summary

        9 records. Mean ± standard deviation over the seeds; the difference to the best method is over the same episodes, with its 95 % interval (Student's t); wins and losses are counted in episodes against the best. An interval without 0 stands in bold. Each interval is for one difference alone: of twenty without any, one has no 0 in it by chance. Parameters, times and memory are means: parameters trained and at inference beside the PLM's, the median step of training, the whole run, and the most memory in use during it.

        ## cr, k = 16

        Always the most frequent class: 0.640.

        | method | seeds | accuracy | macro F1 | difference to the best | wins–losses | trained | at inference | a step | in all | peak memory |
        |---|---|---|---|---|---|---|---|---|---|---|
        | sum | 3 | 0.781 ± 0.031 | 0.390 ± 0.016 | best |  | 100 | 200 | 62 ms | 1.5 s | 300 MiB |
        | head | 3 | 0.658 ± 0.038 | 0.329 ± 0.019 | **−0.123 [−0.225, −0.020]** | 0–3 | 100 | 200 |  | 1.5 s |  |
        | majority | 3 | 0.640 ± 0.000 | 0.320 ± 0.000 | **−0.141 [−0.218, −0.063]** | 0–3 | 100 | 200 |  | 1.5 s |  |
        ");
    }

    #[test]
    fn a_name_stays_in_its_cell() {
        let evil = record("cr\n# mine\u{1b}[2J", "sum | 1.000\r\n| <b>a\\|\u{9b}", 4, 13, 0.5);
        let text = markdown(&summarize(&[evil]));
        let told: Vec<&str> = text.lines().filter(|line| line.starts_with("##") || line.contains("0.500")).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        ## cr # mine [2J, k = 4
        | sum \| 1.000  \| \<b>a\\\|  | 1 | 0.500 | 0.250 | best |  | 100 | 200 |  | 1.5 s |  |
        ");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}
