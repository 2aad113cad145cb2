//! Buttons that open the browser's own choosers, for whoever does not drag.

use crate::ui::browser::files;
use crate::ui::effect::effect;
use crate::ui::laboratory::Laboratory;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Files and folders.
#[component]
pub fn Pick() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let file = NodeRef::<html::Input>::new();
    let folder = NodeRef::<html::Input>::new();
    let take = move |input: NodeRef<html::Input>| {
        let Some(input) = input.get_untracked() else { return };
        let Some(list) = input.files() else { return };
        spawn_local(async move {
            let (files, problems) = files::picked(list).await;
            // So that the same file can be picked again.
            input.set_value("");
            laboratory.take_files(files, problems).await;
        });
    };
    let open = |input: NodeRef<html::Input>| {
        if let Some(input) = input.get_untracked() {
            input.click();
        }
    };
    effect(move || {
        if let Some(input) = folder.get() {
            let _ = input.set_attribute("webkitdirectory", "");
        }
    });
    view! {
        <div class="row">
            <button on:click=move |_| open(file)>"Choose files…"</button>
            <button on:click=move |_| open(folder)>"A folder…"</button>
            <input class="hidden" type="file" multiple node_ref=file data-testid="file-input" tabindex="-1"
                aria-label="Files" on:change=move |_| take(file)/>
            <input class="hidden" type="file" multiple node_ref=folder data-testid="folder-input" tabindex="-1"
                aria-label="Folder" on:change=move |_| take(folder)/>
        </div>
    }
}
