//! The numbers of a figure as a table.

// The macro `component` writes a helper beside the function that is `pub` whatever the function is.
#![allow(unreachable_pub)]

use crate::viz::{Datum, Table};
use leptos::prelude::*;

/// Rows and headers; the first column names the row.
#[component]
pub(super) fn TableView(table: Table, caption: String) -> impl IntoView {
    let header = |text: &String| view! { <th scope="col">{text.clone()}</th> };
    let cell = |(column, datum): (usize, &Datum)| {
        let text = datum.to_string();
        match (column, datum) {
            (0, _) => view! { <th scope="row">{text}</th> }.into_any(),
            (_, Datum::Number(_) | Datum::Single(_)) => view! { <td class="number">{text}</td> }.into_any(),
            (_, Datum::Text(_)) => view! { <td>{text}</td> }.into_any(),
        }
    };
    let row = |cells: &Vec<Datum>| view! { <tr>{cells.iter().enumerate().map(cell).collect_view()}</tr> };
    view! {
        <div class="figure-table" tabindex="0" role="region" aria-label=format!("{caption}, as a table")>
            <table>
                <thead><tr>{table.headers.iter().map(header).collect_view()}</tr></thead>
                <tbody>{table.rows.iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}
