//! The pretrained language model: where it comes from, what it is, what its tokenizer makes of a sentence.

use crate::protocol::*;
use crate::ui::charts::{Figure, Layout};
use crate::ui::components::pick::Pick;
use crate::ui::components::show::Show;
use crate::ui::effect::{effect, memo};
use crate::ui::lab::Lab;
use crate::ui::state::sample::Sample;
use crate::ui::state::words;
use crate::viz::{Encoder, Placement, Role};
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Served model, hub, own files.
#[component]
pub fn Controls() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let hub = RwSignal::new(String::new());
    let served = move || lab.sample.with(|sample| sample.as_ref().map_or_else(Vec::new, Sample::served));
    let loaded = move || lab.plm.with(|plm| plm.as_ref().map(|plm| plm.name.clone()));
    view! {
        {move || served().into_iter().map(|name| {
            let here = loaded().as_ref() == Some(&name);
            let label = if here { format!("{name} is loaded") } else { format!("Load {name}") };
            view! {
                <button class="wide" data-testid="plm-served" data-name=name.clone() disabled=move || lab.busy() || here
                    on:click=move |_| lab.open_served_plm(name.clone())>{label}</button>
            }
        }).collect_view()}
        <form class="row" on:submit=move |event| { event.prevent_default(); lab.open_hub_plm(&hub.get_untracked()); }>
            <div class="field grow">
                <label for="hub-plm">"From the Hugging Face hub"</label>
                <input id="hub-plm" data-testid="hub-plm" type="text" placeholder="owner/name" spellcheck="false" autocomplete="off" bind:value=hub/>
            </div>
            <button type="submit" data-testid="hub-plm-go" disabled=move || lab.busy() || hub.with(|text| text.trim().is_empty())>"Load"</button>
        </form>
        <p class="quiet-words">"Or drop config.json, tokenizer.json and model.safetensors of a BERT-type model."</p>
        <Pick/>
    }
}

/// The diagram, the facts, the tokens.
#[component]
pub fn Picture() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let card = memo(move || lab.plm_in_sight());
    let picture = move || {
        card.get().map(|card| {
            let adapter = lab.adapters.with(|cards| cards.first().cloned());
            let adapter = adapter.filter(|adapter| !adapter.locations.is_empty());
            let both = adapter.as_ref().is_some_and(|a| a.locations.iter().any(|name| name.ends_with(".attention")));
            let encoder = Encoder {
                title: "One encoder layer, and where an adapter sits in it".into(),
                placement: if both { Placement::Both } else { Placement::Output },
                layers: card.layers,
                hidden: card.hidden,
                heads: card.heads,
                intermediate: card.intermediate,
                bottleneck: adapter.as_ref().and_then(|adapter| adapter.bottleneck.first().copied()),
                non_linearity: adapter.map_or_else(|| "relu".into(), |adapter| adapter.non_linearity),
                role: Role::Accent,
            };
            view! { <Figure picture=Layout::of(encoder) file_name="encoder-layer"/> }
        })
    };
    view! {
        <div class="heading">
            <h2>{move || {
                let loaded = lab.plm.with(|plm| plm.as_ref().map(|plm| plm.name.clone()));
                let chosen = loaded.or_else(|| lab.choices.with(|choices| choices.model.clone()));
                let sample = || lab.sample.with(|sample| sample.as_ref().map(|sample| sample.plm.name.clone()));
                chosen.or_else(sample).unwrap_or_else(|| "No model yet".into())
            }}</h2>
        </div>
        {move || card.get().map(|card| view! {
            <dl class="facts wide-facts">
                <dt>"Family"</dt><dd>{card.family.clone()}</dd>
                <dt>"Layers"</dt><dd>{card.layers}</dd>
                <dt>"Width"</dt><dd>{card.hidden}</dd>
                <dt>"Heads a layer"</dt><dd>{card.heads}</dd>
                <dt>"Feed-forward width"</dt><dd>{card.intermediate}</dd>
                <dt>"Vocabulary"</dt><dd>{words::count(card.vocabulary)}</dd>
                <dt>"Longest text"</dt><dd>{format!("{} tokens", card.max_length)}</dd>
                <dt>"Parameters"</dt><dd title=words::count(card.parameters)>{words::short(card.parameters)}</dd>
                {(!card.unused.is_empty()).then(|| view! { <dt title="Tensors of the file that an encoder has no place for">"Not used"</dt><dd class="long">{card.unused.join(", ")}</dd> })}
                {(!card.sha256.is_empty()).then(|| view! { <dt>"SHA-256 of the weights"</dt><dd class="hash long" title=card.sha256.clone()>{card.sha256.chars().take(16).collect::<String>()}"…"</dd> })}
            </dl>
        })}
        {picture}
        <Tokens/>
    }
}

/// A sentence and its tokens.
#[component]
fn Tokens() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let text = RwSignal::new("Adapters are surprisingly mergeable.".to_owned());
    let tokens = RwSignal::new(Vec::<Token>::new());
    let show = move || {
        let ask = Tokenize { text1: text.get_untracked(), text2: None };
        spawn_local(async move {
            // By then the person may have gone to another step, and the signal with this one.
            match lab.ask(ask).await {
                Ok(found) => drop(tokens.try_set(found)),
                Err(failure) => lab.problem("tokenizer", failure.message),
            }
        });
    };
    effect(move || {
        if lab.plm.with(Option::is_some) {
            show();
        }
    });
    view! {
        <section class="tokens">
            <h3>"What the tokenizer makes of a sentence"</h3>
            <form on:submit=move |event| { event.prevent_default(); show(); }>
                <input type="text" aria-label="A sentence" data-testid="tokenize-text" bind:value=text
                    on:input=move |_| if lab.plm.with_untracked(Option::is_some) { show() }/>
            </form>
            <Show when=move || lab.plm.with(Option::is_some) fallback=|| view! { <p class="quiet-words">"Load the model to see its tokens."</p> }>
                <p class="token-row" data-testid="tokens">
                    {move || tokens.get().into_iter().map(|token| view! {
                        <span class="token" title=format!("id {}", token.id)>{token.text}</span>
                    }).collect_view()}
                </p>
            </Show>
        </section>
    }
}
