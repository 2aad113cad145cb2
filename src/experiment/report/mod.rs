//! What records say, in the forms in which it leaves: Markdown, a table for a paper, a table for a spreadsheet.

mod csv;
mod latex;
mod markdown;

pub use csv::csv;
pub use latex::latex;
pub use markdown::markdown;

use super::summary::{Group, MethodSummary, Spread, Summary};

/// What [`costs`] gives, as the head of a table.
pub const COSTS: [&str; 5] = ["trained", "at inference", "a step", "in all", "peak memory"];

/// What a group is called: its PLM is named where there are several, and its protocol.
#[must_use]
pub fn grouped(summary: &Summary, group: &Group) -> String {
    let several = summary.groups.iter().any(|other| other.plm != group.plm);
    let on = if several { format!(", on {}", group.plm) } else { String::new() };
    let by = group.protocol.as_ref().map_or(String::new(), |protocol| format!(", protocol {protocol:.6}"));
    format!("{}, k = {}{on}{by}", group.target, group.k)
}

/// A sentence on records that do not count; none where all do.
#[must_use]
pub fn overlaid(summary: &Summary) -> Option<String> {
    let line = |records| {
        format!(
            "{records} records are left out: another of the same target, method, k and seed counts, and neither says its \
             settings; summarise one experiment at a time."
        )
    };
    Some(summary.overlaid).filter(|records| *records > 0).map(line)
}

/// What intervals are not: a sentence for every summary.
pub const UNCORRECTED: &str =
    "Each interval is for one difference alone: of twenty without any, one has no 0 in it by chance.";

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
