//! What records say, in the forms in which it leaves: Markdown, a table for a paper, a table for a spreadsheet.

mod csv;
mod latex;
mod markdown;

pub use csv::csv;
pub use latex::latex;
pub use markdown::markdown;

use super::summary::{Group, Spread, Summary};

/// What a group is called: its PLM is named where there are several.
#[must_use]
pub fn grouped(summary: &Summary, group: &Group) -> String {
    let several = summary.groups.iter().any(|other| other.plm != group.plm);
    let on = if several { format!(", on {}", group.plm) } else { String::new() };
    format!("{}, k = {}{on}", group.target, group.k)
}

/// Mean and deviation, as tables show them.
#[must_use]
pub fn spread(spread: &Spread) -> String {
    match spread.deviation {
        Some(deviation) => format!("{:.3} ± {deviation:.3}", spread.mean),
        None => format!("{:.3}", spread.mean),
    }
}
