//! *This device*: what the engine runs on and whether it can be trusted, what the browser keeps, and how to delete it.

use crate::client::Status;
use crate::protocol::{BenchReport, DeviceChoice, DeviceReport, SelfTest, Timing};
use crate::ui::browser::{self, keep, storage};
use crate::ui::components::fields::Select;
use crate::ui::components::notices::Notices;
use crate::ui::components::show::Show;
use crate::ui::lab::Lab;
use crate::ui::laboratory::Laboratory;
use crate::ui::state::words;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// The page.
#[component]
pub fn DevicePage() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let chosen = Signal::derive(move || match lab.choices.with(|choices| choices.device) {
        DeviceChoice::Auto => "auto".to_owned(),
        DeviceChoice::WebGpu => "webgpu".to_owned(),
        DeviceChoice::Cpu => "cpu".to_owned(),
    });
    let options = Signal::derive(|| {
        [("auto", "Automatic: WebGPU where it passes its check"), ("webgpu", "WebGPU"), ("cpu", "CPU")]
            .map(|(value, words)| (value.to_owned(), words.to_owned()))
            .to_vec()
    });
    let choose = move |value: String| {
        lab.use_device(match value.as_str() {
            "webgpu" => DeviceChoice::WebGpu,
            "cpu" => DeviceChoice::Cpu,
            _ => DeviceChoice::Auto,
        });
    };
    view! {
        <main class="page">
            <Notices/>
            <h2>"This device"</h2>
            <p class="lead">"Everything runs here, in this tab. The page fetches its own files and, when you ask for it, models from the Hugging Face hub; it sends nothing."</p>
            <section>
                <h3>"Engine"</h3>
                {move || match (lab.status.get(), lab.device.get()) {
                    (Status::Failed { reason }, _) => view! { <p class="bad">{reason}</p> }.into_any(),
                    (_, Some(report)) => view! { <Report report/> }.into_any(),
                    _ => view! { <p>"The engine is being fetched, compiled and checked…"</p> }.into_any(),
                }}
                <Select label="Run on" options value=chosen on_change=choose testid="device-select"
                    hint="The engine starts again and is brought to the present state."/>
            </section>
            <Speed/>
            <Stored/>
        </main>
    }
}

#[component]
fn Report(report: DeviceReport) -> impl IntoView {
    let name = match report.adapter.is_empty() {
        true => report.device.label().to_owned(),
        false => format!("{} · {}", report.device.label(), report.adapter),
    };
    view! {
        <dl class="facts">
            <dt>"Device"</dt><dd>{name}</dd>
            <dt>"Why this one"</dt><dd>{report.reason}</dd>
            {report.max_binding_bytes.map(|bytes| view! {
                <dt title="The largest piece of memory that one operation can reach">"Largest binding"</dt>
                <dd>{words::bytes(bytes as f64)}</dd>
            })}
            <dt>"Engine"</dt><dd>{report.engine}</dd>
        </dl>
        {match report.self_test {
            Some(test) => view! { <Test test/> }.into_any(),
            None => view! { <p class="quiet-words">"The CPU is what other devices are checked against, so there is nothing to check."</p> }.into_any(),
        }}
    }
}

#[component]
fn Test(test: SelfTest) -> impl IntoView {
    let row = |what: &'static str, error: f32| {
        view! {
            <tr><th scope="row">{what}</th><td class="n">{words::significant(f64::from(error), 2)}</td>
                <td class="n">{words::significant(f64::from(test.tolerance), 2)}</td>
                <td>{if error <= test.tolerance { "within" } else { "too large" }}</td></tr>
        }
    };
    view! {
        <table class="data" data-testid="self-test" data-passed=test.passed.to_string()>
            <caption>{format!("Check against the CPU on a tiny encoder: {} in {}",
                if test.passed { "passed" } else { "failed" }, words::duration(test.seconds))}</caption>
            <thead><tr><th scope="col">"Pass"</th><th scope="col" class="n">"Largest relative difference"</th>
                <th scope="col" class="n">"Allowed"</th><th scope="col"></th></tr></thead>
            <tbody>{row("forward", test.forward_error)}{row("backward", test.backward_error)}</tbody>
        </table>
    }
}

/// How fast the engine is here, and how soon it was there.
#[component]
fn Speed() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let since = |time: Option<f64>| time.map_or("—".to_owned(), words::duration);
    view! {
        <section>
            <div class="heading">
                <h3>"Speed"</h3>
                <div class="row">
                    <Show when=move || lab.benchmark.with(Option::is_some)>
                        <button data-testid="bench-copy" title="As JSON, in the form of mera bench --json" on:click=move |_| lab.copy_bench()>"Copy the figures"</button>
                    </Show>
                    <button data-testid="bench-go" disabled=move || lab.busy() || lab.status.get() != Status::Ready on:click=move |_| lab.bench()>"Measure this device"</button>
                </div>
            </div>
            <dl class="facts">
                <dt title="From the call of the page until it took clicks">"Interactive after"</dt>
                <dd data-testid="interactive">{move || since(lab.interactive.get())}</dd>
                <dt title="From the call of the page until the engine was there, compiled and checked">"Engine ready after"</dt>
                <dd data-testid="ready">{move || since(lab.ready.get())}</dd>
            </dl>
            {move || match lab.benchmark.get() {
                Some(report) => view! { <Figures report/> }.into_any(),
                None => view! { <p class="quiet-words">"Times a forward pass and training steps of one run and of eight at once, on batches of 8 × 32 tokens: of the loaded model, or of random weights in the shape of all-MiniLM-L6-v2."</p> }.into_any(),
            }}
        </section>
    }
}

#[component]
fn Figures(report: BenchReport) -> impl IntoView {
    let ms = |x: f64| words::duration(x / 1e3);
    let forward = report.forward;
    let row = |what: String, time: Timing| {
        let (median, [lower, upper]) = (time.median_ms, time.quartiles_ms);
        view! {
            <tr data-testid="bench-row" data-what=what.clone() data-ms=median.to_string()>
                <th scope="row">{what.clone()}</th><td class="n">{ms(median)}</td>
                <td class="n">{format!("{} to {}", ms(lower), ms(upper))}</td>
                <td class="n">{words::significant(median / forward.median_ms, 2)}</td>
                <td class="n">{time.repeats}</td>
            </tr>
        }
    };
    let steps = report.adapter_step.iter().map(|step| {
        let what = if step.runs == 1 { "adapter step".to_owned() } else { format!("step of {} runs", step.runs) };
        row(what, *step)
    });
    view! {
        <table class="data" data-testid="bench" data-memory=report.peak_memory_bytes.map(|bytes| bytes.to_string())>
            <caption>{format!("{} on {}, {} × {} tokens, bottleneck {}", report.plm, report.device, report.rows,
                report.tokens, report.bottleneck)}</caption>
            <thead><tr><th scope="col">"Pass"</th><th scope="col" class="n">"Median"</th><th scope="col" class="n">"Half lie in"</th>
                <th scope="col" class="n">"Forwards"</th><th scope="col" class="n">"Repeats"</th></tr></thead>
            <tbody>{row("forward".into(), forward)}{steps.collect_view()}</tbody>
        </table>
        {report.peak_memory_bytes.map(|bytes| view! {
            <dl class="facts"><dt title="Memory of the worker never shrinks: this is the most there has been">"Peak memory of the engine"</dt>
                <dd>{words::bytes(bytes as f64)}</dd></dl>
        })}
    }
}

/// What the browser keeps.
#[component]
fn Stored() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let laboratory = expect_context::<Laboratory>();
    let files = RwSignal::new(None::<Vec<storage::Cached>>);
    let space = RwSignal::new(None::<(f64, f64)>);
    let kept = RwSignal::new(0);
    let refresh = move || {
        spawn_local(async move {
            space.try_set(storage::estimate().await);
            kept.try_set(keep::names("").await.map_or(0, |names| names.len()));
            match storage::list().await {
                Ok(list) => files.try_set(Some(list)),
                Err(_) => files.try_set(Some(vec![])),
            };
        });
    };
    refresh();
    let delete = move |file: storage::Cached| {
        spawn_local(async move {
            if let Err(error) = storage::delete(&file).await {
                lab.problem(file.url, browser::reason(&error));
            }
            refresh();
        });
    };
    let forget_all = move || {
        let question = "Delete every experiment and every finished run that this browser keeps?";
        // A browser that can't ask has not been told to.
        let agreed = window().confirm_with_message(question).unwrap_or(false);
        if agreed {
            spawn_local(async move {
                laboratory.forget_all().await;
                refresh();
            });
        }
    };
    view! {
        <section>
            <h3>"Kept in this browser"</h3>
            <p class="quiet-words">{move || match space.get() {
                Some((used, quota)) => format!("{} of {} that the browser grants.", words::bytes(used), words::bytes(quota)),
                None => "The browser does not say how much space there is.".into(),
            }}</p>
            <Show when=move || kept.get() != 0>
                <p class="row" data-testid="kept-runs">
                    <span>{move || format!("The laboratory keeps {}: experiments, what they name, and finished runs.", words::plural(kept.get(), "file"))}</span>
                    <button class="small" data-testid="kept-delete" title="Experiments and their runs, those in sight too, once the page is loaded anew"
                        on:click=move |_| forget_all()>"Delete"</button>
                </p>
            </Show>
            {move || match files.get() {
                None => view! { <p>"Looking…"</p> }.into_any(),
                Some(list) if list.is_empty() => view! { <p>"No files are kept. A model is kept once it has been fetched, so that it need not be fetched again."</p> }.into_any(),
                Some(list) => view! {
                    <table class="data">
                        <thead><tr><th scope="col">"File"</th><th scope="col" class="n">"Size"</th><th scope="col"></th></tr></thead>
                        <tbody>
                            {list.into_iter().map(|file| {
                                let (name, size) = (file.url.clone(), words::bytes(file.bytes));
                                view! {
                                    <tr data-testid="cached-file">
                                        <td class="path">{name}</td><td class="n">{size}</td>
                                        <td><button class="small" data-testid="cached-delete" on:click=move |_| delete(file.clone())>"Delete"</button></td>
                                    </tr>
                                }
                            }).collect_view()}
                        </tbody>
                    </table>
                }.into_any(),
            }}
        </section>
    }
}
