//! The line on top: where one is, what the engine runs on, theme, share.

use crate::client::Status;
use crate::protocol::DeviceKind;
use crate::ui::browser::{self, theme::Themes};
use crate::ui::lab::{Lab, Page};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;

/// The header.
#[component]
pub fn Header() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let themes = expect_context::<Themes>();
    let link = move |page: Page, label: &'static str, testid: &'static str| {
        view! {
            <button class="tab" data-testid=testid aria-current=move || (lab.page.get() == page).then_some("page")
                on:click=move |_| lab.page.set(page)>{label}</button>
        }
    };
    view! {
        <header class="top">
            <button class="skip" on:click=|_| skip()>"Skip to the content"</button>
            <h1><Logo/>"MerA Lab"</h1>
            <nav aria-label="Pages">
                {link(Page::Lab, "Lab", "page-lab")}
                {link(Page::Laboratory, "Laboratory", "page-laboratory")}
                {link(Page::Device, "This device", "page-device")}
            </nav>
            <div class="top-right">
                <DeviceChip/>
                <button class="icon" data-testid="theme-toggle"
                    title=move || format!("Theme: {}", themes.theme.get().label())
                    aria-label=move || format!("Theme: {}. Press for {}", themes.theme.get().label(), themes.theme.get().next().label())
                    on:click=move |_| themes.theme.update(|theme| *theme = theme.next())>
                    {move || themes.theme.get().mark()}
                </button>
                <Share/>
            </div>
        </header>
    }
}

/// To what the page shows, past header and rail, which may be many presses of Tab long.
fn skip() {
    let found = document().query_selector(".picture, .page").ok().flatten();
    if let Some(shown) = found.and_then(|shown| shown.dyn_into::<web_sys::HtmlElement>().ok()) {
        // It can have the focus, and has no place among the controls.
        let _ = shown.set_attribute("tabindex", "-1");
        let _ = shown.focus();
    }
}

/// Two strands that meet: adapters being merged.
#[component]
fn Logo() -> impl IntoView {
    view! {
        <svg class="logo" viewBox="0 0 16 16" width="22" height="22" aria-hidden="true" fill="none" stroke-width="2.2" stroke-linecap="round">
            <path d="M1.5 3c6 0 6 5 13 5" style="stroke: var(--adapter-0)"/>
            <path d="M1.5 8h13" style="stroke: var(--adapter-1)"/>
            <path d="M1.5 13c6 0 6-5 13-5" style="stroke: var(--adapter-2)"/>
        </svg>
    }
}

/// What the engine runs on, and how it is.
#[component]
fn DeviceChip() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let state = move || match lab.status.get() {
        Status::Starting => ("starting", "engine is starting…".to_owned(), String::new()),
        Status::Restarting { reason } => ("restarting", "engine is starting again…".to_owned(), reason),
        Status::Failed { reason } => ("failed", "engine failed".to_owned(), reason),
        Status::Ready => match lab.device.get() {
            Some(report) if report.device == DeviceKind::WebGpu && !report.adapter.is_empty() => {
                ("ready", format!("WebGPU · {}", report.adapter), report.reason)
            }
            Some(report) => ("ready", report.device.label().to_owned(), report.reason),
            None => ("starting", "engine is starting…".to_owned(), String::new()),
        },
    };
    let device = move || lab.device.with(|report| report.as_ref().map_or("", |report| report.device.label()));
    view! {
        <button class="chip" data-testid="device-chip" data-status=move || state().0 data-device=device
            title=move || state().2 on:click=move |_| lab.page.set(Page::Device)>
            <span class="dot" aria-hidden="true"></span>
            <span class="chip-words">{move || state().1}</span>
        </button>
    }
}

/// Copies a link to what is in sight.
#[component]
fn Share() -> impl IntoView {
    let (said, set_said) = signal("");
    let press = move |_| {
        spawn_local(async move {
            let copied = browser::copy(&browser::address::whole()).await;
            set_said.set(if copied { "Link copied" } else { "Copy the address bar: the browser did not let the page" });
            set_timeout(move || set_said.set(""), std::time::Duration::from_secs(3));
        });
    };
    view! {
        <button class="quiet" data-testid="share" title="Copy a link with model, method and settings" on:click=press>"Share"</button>
        <p class="shared" role="status">{said}</p>
    }
}
