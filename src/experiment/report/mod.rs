//! What records say, in the forms in which it leaves: Markdown, a table for a paper, a table for a spreadsheet.

mod csv;
mod latex;
mod markdown;

pub use csv::csv;
pub use latex::latex;
pub use markdown::{escaped, markdown};

use super::summary::{Difference, Group, MethodSummary, NOT_TOLD, Pair, Spread, Summary, shortened};

/// What [`costs`] gives, as the head of a table.
pub const COSTS: [&str; 5] = ["trained", "at inference", "a step", "in all", "peak memory"];

/// What a group is called: its PLM is named where there are several, and its protocol.
#[must_use]
pub fn grouped(summary: &Summary, group: &Group) -> String {
    let several = summary.groups.iter().any(|other| other.plm != group.plm);
    let on = if several { format!(", on {}", group.plm) } else { String::new() };
    let by = group.protocol.as_ref().map_or(String::new(), |protocol| format!(", protocol {}", shortened(protocol)));
    format!("{}, k = {}{on}{by}", group.target, group.k)
}

/// Sentences on records that do not count, and on those that stand apart; none where there are no such.
#[must_use]
pub fn notes(summary: &Summary) -> Vec<String> {
    let overlaid = |count| {
        format!(
            "{count} records are left out: another of the same target, method, k and seed counts, and neither says its \
             settings; summarise one experiment at a time."
        )
    };
    let silent = |count| {
        format!(
            "{count} records stand apart, as \"{NOT_TOLD}\": they do not say their protocol or their settings, as others here do."
        )
    };
    let any = |count: usize| Some(count).filter(|count| *count > 0);
    any(summary.overlaid).map(overlaid).into_iter().chain(any(summary.silent).map(silent)).collect()
}

/// What intervals are not: a sentence for every summary.
pub const UNCORRECTED: &str =
    "Each interval is for one difference alone: of twenty without any, one has no 0 in it by chance.";

/// Sentences for every report: which intervals are in bold and what they are not, and what [`costs`] are.
#[must_use]
pub fn legend() -> String {
    format!(
        "An interval without 0 stands in bold. {UNCORRECTED} Parameters, times and memory are means: parameters trained and \
         at inference beside the PLM's, the median step of training, the whole run, and the most memory in use during it."
    )
}

/// A difference in accuracy with its interval, as tables show it, between `bold`'s two marks where the interval is
/// without 0.
#[must_use]
pub fn interval(difference: &Difference, bold: [&str; 2]) -> String {
    let signed = |value: f64| format!("{}{:.3}", if value < 0.0 { "−" } else { "+" }, value.abs());
    let mean = signed(difference.mean);
    let Some((low, high)) = difference.low.zip(difference.high) else { return mean };
    let [opened, closed] = if difference.is_sure() { bold } else { [""; 2] };
    format!("{opened}{mean} [{}, {}]{closed}", signed(low), signed(high))
}

/// How a method of a group stands to the best one.
#[derive(Clone, Debug, PartialEq)]
pub enum Against {
    /// It is the best.
    Best,
    /// No episode is in common.
    Apart,
    /// Over the episodes that both have seen.
    Difference {
        /// Accuracy of the method less that of the best.
        accuracy: Difference,
        /// Episodes in which the method has the higher accuracy.
        wins: usize,
        /// Episodes in which the best has.
        losses: usize,
    },
}

impl Against {
    /// Of a method of `group`.
    #[must_use]
    pub fn best(group: &Group, method: &MethodSummary) -> Self {
        let best = group.methods.first().map(|best| best.name.as_str());
        let is_of = |pair: &&Pair| Some(pair.a.as_str()) == best && pair.b == method.name;
        match group.pairs.iter().find(is_of) {
            _ if best == Some(method.name.as_str()) => Self::Best,
            None => Self::Apart,
            Some(Pair { accuracy, wins, losses, .. }) => {
                let Difference { mean, deviation, low, high } = *accuracy;
                let turned = |end: Option<f64>| end.map(|end| -end);
                let accuracy = Difference { mean: -mean, deviation, low: turned(high), high: turned(low) };
                Self::Difference { accuracy, wins: *losses, losses: *wins }
            }
        }
    }
}

/// Mean and deviation, as tables show them.
#[must_use]
pub fn spread(spread: &Spread) -> String {
    match spread.deviation {
        Some(deviation) => format!("{:.3} ± {deviation:.3}", spread.mean),
        None => format!("{:.3}", spread.mean),
    }
}

/// What a method takes, as tables show it under [`COSTS`]: parameters that are trained, those at inference beside the
/// PLM's, milliseconds of a step, seconds of the whole run, and MiB; empty where no run tells.
#[must_use]
pub fn costs(method: &MethodSummary) -> [String; 5] {
    [
        format!("{:.0}", method.trainable_parameters),
        format!("{:.0}", method.inference_parameters),
        method.step_seconds.map_or(String::new(), |seconds| format!("{:.0} ms", seconds * 1e3)),
        format!("{:.1} s", method.seconds),
        method.peak_memory.map_or(String::new(), |bytes| format!("{:.0} MiB", bytes / 1_048_576.0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::super::summary::summarize;
    use super::*;
    use crate::experiment::Record;

    #[test]
    fn what_does_not_count_and_what_stands_apart_is_said() {
        let said = |records: &[Record]| {
            let summary = summarize(records);
            let titles = summary.groups.iter().map(|group| grouped(&summary, group));
            titles.chain(notes(&summary)).collect::<Vec<_>>().join("\n")
        };
        let silent = record("cr", "sum", 4, 13, 0.5);
        let told = |protocol: &str, settings: &str| Record {
            hash: format!("{protocol}{settings}"),
            protocol: Some(protocol.into()),
            settings: Some(settings.into()),
            ..silent.clone()
        };
        insta::assert_snapshot!(said(&[told("first-of-all", "a"), told("second-of-all", "a")]), @"
        cr, k = 4, protocol first-
        cr, k = 4, protocol second
        ");
        insta::assert_snapshot!(said(&[told("first-of-all", "a"), silent.clone()]), @r#"
        cr, k = 4, protocol not told
        cr, k = 4, protocol first-
        1 records stand apart, as "not told": they do not say their protocol or their settings, as others here do.
        "#);
        insta::assert_snapshot!(said(&[silent.clone(), Record { hash: "another".into(), ..silent.clone() }]), @"
        cr, k = 4
        1 records are left out: another of the same target, method, k and seed counts, and neither says its settings; summarise one experiment at a time.
        ");
    }
}
