//! A summary as tables for a paper, with the rules of `booktabs`: accuracies with a row a method and a column a target
//! and k, then how the methods stand to the best one and what they take, each with a block of rows a target and k.

use super::super::summary::{Difference, Group, MethodSummary, Summary};
use super::{Against, COSTS, UNCORRECTED, costs, grouped, notes};
use std::fmt::Write;

/// `summary.tex`: accuracies in per cent, mean and deviation over the seeds, the best of each column in bold, methods in
/// the order of their mean over the columns; then each method less the best in points, with the interval, and the
/// episodes won and lost; then parameters, times and memory.
#[must_use]
pub fn latex(summary: &Summary) -> String {
    let mut text = "% needs \\usepackage{booktabs}\n".to_owned();
    for note in notes(summary) {
        text += &format!("% {note}\n");
    }
    text += &accuracies(summary);
    text += &format!(
        "\n% the method less the best one, in points, over the episodes that both have seen; the interval is Student's t,\n\
         % in bold without 0. {UNCORRECTED}\n"
    );
    text += &differences(summary);
    text += "\n";
    text + &what_it_takes(summary)
}

fn accuracies(summary: &Summary) -> String {
    let groups = &summary.groups;
    let mut methods: Vec<&str> = Vec::new();
    for method in groups.iter().flat_map(|group| &group.methods) {
        if !methods.contains(&method.name.as_str()) {
            methods.push(&method.name);
        }
    }
    let mean = |name: &str| {
        let known: Vec<f64> = groups.iter().filter_map(|group| Some(found(group, name)?.accuracy.mean)).collect();
        known.iter().sum::<f64>() / known.len().max(1) as f64
    };
    // Stable: of equals the one that came first.
    methods.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
    let mut text = String::from("\\begin{tabular}{l");
    text += &"r".repeat(groups.len());
    text += "}\n\\toprule\nmethod";
    for group in groups {
        // Writing to a string does not fail.
        let _ = write!(text, " & {}", escaped(&grouped(summary, group)));
    }
    text += " \\\\\n\\midrule\n";
    for name in methods {
        text += &escaped(name);
        for group in groups {
            let _ = match found(group, name) {
                Some(method) => {
                    let percent = |share: f64| format!("{:.1}", share * 100.0);
                    let best = group.methods.iter().map(|method| method.accuracy.mean).fold(0.0, f64::max);
                    let mean = percent(method.accuracy.mean);
                    let mean = if mean == percent(best) { format!("\\mathbf{{{mean}}}") } else { mean };
                    let deviation = method
                        .accuracy
                        .deviation
                        .map_or(String::new(), |deviation| format!(" \\pm {}", percent(deviation)));
                    write!(text, " & ${mean}{deviation}$")
                }
                None => write!(text, " & --"),
            };
        }
        text += " \\\\\n";
    }
    text + "\\bottomrule\n\\end{tabular}\n"
}

fn differences(summary: &Summary) -> String {
    let interval = format!("{:.0}\\,\\% interval", summary.confidence * 100.0);
    in_blocks(summary, ["less the best", &interval, "wins--losses"], |group, method| {
        match Against::best(group, method) {
            Against::Best => ["best".to_owned(), String::new(), String::new()],
            Against::Apart => ["no episode in common".to_owned(), String::new(), String::new()],
            Against::Difference { accuracy, wins, losses } => {
                let [mean, interval] = shown(&accuracy);
                [mean, interval, format!("{wins}--{losses}")]
            }
        }
    })
}

/// The mean in points, and its interval; empty where there is none.
fn shown(difference: &Difference) -> [String; 2] {
    // −0 is printed without its sign.
    let points = |value: f64| format!("{:+.1}", value * 100.0 + 0.0);
    let mean = points(difference.mean);
    let mean = if difference.is_sure() { format!("\\mathbf{{{mean}}}") } else { mean };
    let interval = difference.low.zip(difference.high);
    let interval = interval.map_or(String::new(), |(low, high)| format!("$[{}, {}]$", points(low), points(high)));
    [format!("${mean}$"), interval]
}

fn what_it_takes(summary: &Summary) -> String {
    in_blocks(summary, COSTS, |_, method| costs(method))
}

/// A table under `head` with a block a group, in it a row a method.
fn in_blocks<const N: usize>(
    summary: &Summary,
    head: [&str; N],
    cells: impl Fn(&Group, &MethodSummary) -> [String; N],
) -> String {
    let mut text = format!("\\begin{{tabular}}{{l{}}}\n\\toprule\nmethod & {} \\\\\n", "r".repeat(N), head.join(" & "));
    for group in &summary.groups {
        // Writing to a string does not fail.
        let columns = N + 1;
        let _ =
            writeln!(text, "\\midrule\n\\multicolumn{{{columns}}}{{l}}{{{}}} \\\\", escaped(&grouped(summary, group)));
        for method in &group.methods {
            let cells = std::iter::once(escaped(&method.name)).chain(cells(group, method));
            let cells = cells.map(|cell| if cell.is_empty() { "--".to_owned() } else { cell });
            text += &cells.collect::<Vec<_>>().join(" & ");
            text += " \\\\\n";
        }
    }
    text + "\\bottomrule\n\\end{tabular}\n"
}

fn found<'a>(group: &'a Group, name: &str) -> Option<&'a MethodSummary> {
    group.methods.iter().find(|method| method.name == name)
}

/// Text that TeX takes for text.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out += "\\textbackslash{}",
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
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
    fn a_table_for_a_paper() {
        let mut records = Vec::new();
        for (seed, [acts, head]) in [(13, [0.75, 0.625]), (21, [0.8125, 0.6875])] {
            records.push(record("cr", "mera_acts", 16, seed, acts));
            records.push(record("cr", "head", 16, seed, head));
            records.push(record("cr", "majority", 16, seed, 0.5));
        }
        records.push(record("cr", "scratch", 16, 42, 0.25));
        records.push(record("50%&more", "head", 4, 13, 0.5));
        records[0].step_seconds = Some(0.0625);
        records[0].peak_memory = Some(300 << 20);
        insta::assert_snapshot!(latex(&summarize(&records)), @r"
        % needs \usepackage{booktabs}
        \begin{tabular}{lrr}
        \toprule
        method & 50\%\&more, k = 4 & cr, k = 16 \\
        \midrule
        mera\_acts & -- & $\mathbf{78.1} \pm 4.4$ \\
        head & $\mathbf{50.0}$ & $65.6 \pm 4.4$ \\
        majority & -- & $50.0 \pm 0.0$ \\
        scratch & -- & $25.0$ \\
        \bottomrule
        \end{tabular}

        % the method less the best one, in points, over the episodes that both have seen; the interval is Student's t,
        % in bold without 0. Each interval is for one difference alone: of twenty without any, one has no 0 in it by chance.
        \begin{tabular}{lrrr}
        \toprule
        method & less the best & 95\,\% interval & wins--losses \\
        \midrule
        \multicolumn{4}{l}{50\%\&more, k = 4} \\
        head & best & -- & -- \\
        \midrule
        \multicolumn{4}{l}{cr, k = 16} \\
        mera\_acts & best & -- & -- \\
        head & $\mathbf{-12.5}$ & $[-12.5, -12.5]$ & 0--2 \\
        majority & $-28.1$ & $[-67.8, +11.6]$ & 0--2 \\
        scratch & no episode in common & -- & -- \\
        \bottomrule
        \end{tabular}

        \begin{tabular}{lrrrrr}
        \toprule
        method & trained & at inference & a step & in all & peak memory \\
        \midrule
        \multicolumn{6}{l}{50\%\&more, k = 4} \\
        head & 100 & 200 & -- & 1.5 s & -- \\
        \midrule
        \multicolumn{6}{l}{cr, k = 16} \\
        mera\_acts & 100 & 200 & 62 ms & 1.5 s & 300 MiB \\
        head & 100 & 200 & -- & 1.5 s & -- \\
        majority & 100 & 200 & -- & 1.5 s & -- \\
        scratch & 100 & 200 & -- & 1.5 s & -- \\
        \bottomrule
        \end{tabular}
        ");
        assert_eq!(escaped("a\\b~^{$#\n"), "a\\textbackslash{}b\\textasciitilde{}\\textasciicircum{}\\{\\$\\# ");
    }
}
