//! The choices as a link, so that one can be shared: `#/lab/align?by=activations&k=8`. Only what differs from the
//! default stands in it; what can't be read is named, and the default stays.

use super::{Choices, Start, Step};
use crate::protocol::*;
use std::fmt::Write;

/// One field of the choices in a link.
struct Field {
    key: &'static str,
    write: fn(&Choices) -> String,
    read: fn(&mut Choices, &str) -> Option<()>,
}

/// A field of a type that prints and parses.
macro_rules! plain {
    ($key:literal, $($path:ident).+) => {
        Field {
            key: $key,
            write: |c| c.$($path).+.to_string(),
            read: |c, value| { c.$($path).+ = value.parse().ok()?; Some(()) },
        }
    };
}

/// A field of a number with decimals.
macro_rules! number {
    ($key:literal, $($path:ident).+) => {
        Field {
            key: $key,
            write: |c| c.$($path).+.to_string(),
            read: |c, value| { c.$($path).+ = super::number::read(value)?; Some(()) },
        }
    };
}

/// A field that is one of a few words.
macro_rules! words {
    ($key:literal, $c:ident => $place:expr, $($word:literal = $value:expr),+) => {
        Field {
            key: $key,
            write: |$c| { $(if $place == $value { return $word.into(); })+ String::new() },
            read: |$c, value| { $place = match value { $($word => $value,)+ _ => return None }; Some(()) },
        }
    };
}

/// An optional name.
macro_rules! name {
    ($key:literal, $($path:ident).+) => {
        Field {
            key: $key,
            write: |c| c.$($path).+.clone().unwrap_or_default(),
            read: |c, value| { c.$($path).+ = Some(value.to_owned()).filter(|name| !name.is_empty()); Some(()) },
        }
    };
}

const FIELDS: &[Field] = &[
    words!("device", c => c.device, "auto" = DeviceChoice::Auto, "webgpu" = DeviceChoice::WebGpu, "cpu" = DeviceChoice::Cpu),
    name!("model", model),
    name!("reference", reference),
    words!("by", c => c.align.by, "weights" = AlignBy::Weights, "activations" = AlignBy::Activations),
    words!("solver", c => c.align.sinkhorn, "exact" = false, "sinkhorn" = true),
    number!("epsilon", align.epsilon),
    plain!("iterations", align.iterations),
    number!("tolerance", align.tolerance),
    plain!("texts", align.own_texts),
    plain!("method", merge.method),
    Field {
        key: "scale",
        write: |c| c.merge.scale.word(),
        read: |c, value| {
            c.merge.scale = OutputScale::read(value, super::number::read)?;
            Some(())
        },
    },
    name!("data", episode.data),
    name!("test", episode.test),
    plain!("k", episode.k),
    plain!("seed", episode.seed),
    plain!("length", episode.max_length),
    plain!("test_rows", episode.test_rows),
    Field {
        key: "start",
        write: |c| c.start.slug(),
        read: |c, value| {
            c.start = Start::from_slug(value)?;
            Some(())
        },
    },
    Field {
        key: "bottleneck",
        write: |c| c.bottleneck.map(|neurons| neurons.to_string()).unwrap_or_default(),
        read: |c, value| {
            c.bottleneck = Some(value.parse().ok()?);
            Some(())
        },
    },
    plain!("epochs", train.epochs),
    plain!("batch", train.batch_size),
    number!("lr", train.learning_rate),
    number!("warmup", train.warmup),
    number!("decay", train.weight_decay),
    number!("clip", train.clip),
    number!("dropout", train.dropout),
    plain!("patience", train.patience),
    words!("train", c => c.train.trained, "all" = Trained::All, "up" = Trained::Up, "head" = Trained::Head),
    plain!("init", train.seed),
];

/// The part of a link behind `#`.
#[must_use]
pub fn write(choices: &Choices) -> String {
    let defaults = Choices::default();
    let mut pairs: Vec<(String, String)> = Vec::new();
    for field in FIELDS {
        let value = (field.write)(choices);
        if value != (field.write)(&defaults) {
            pairs.push((field.key.to_owned(), value));
        }
    }
    pairs.extend(choices.left_out.iter().map(|name| ("without".to_owned(), name.clone())));
    pairs.extend(choices.merge.settings.iter().map(|(name, value)| (format!("set.{name}"), value.clone())));
    pairs.extend(choices.merge.weights.iter().map(|(name, weight)| (format!("weight.{name}"), weight.to_string())));
    let mut link = format!("#/lab/{}", choices.step.slug());
    for (place, (key, value)) in pairs.iter().enumerate() {
        link.push(if place == 0 { '?' } else { '&' });
        link.push_str(&encode(key));
        link.push('=');
        link.push_str(&encode(value));
    }
    link
}

/// Reads what [`write()`] writes, and one line for whatever in it can't be read.
#[must_use]
pub fn read(hash: &str) -> (Choices, Vec<String>) {
    let mut choices = Choices::default();
    let mut problems = Vec::new();
    let (path, query) = hash.split_once('?').unwrap_or((hash, ""));
    let step = path.strip_prefix("#/lab/").unwrap_or("");
    if !step.is_empty() {
        match Step::from_slug(step) {
            Some(step) => choices.step = step,
            None => problems.push(format!("The link names a step `{step}` that there is not.")),
        }
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(key), decode(value));
        // Where the worker looks for the hub: not a choice about the recipe.
        if key == "hub" {
            continue;
        }
        let understood = match key.split_once('.') {
            Some(("set", name)) => {
                choices.merge.settings.insert(name.to_owned(), value.clone());
                Some(())
            }
            Some(("weight", name)) => match super::number::read(&value) {
                Some(weight) if weight >= 0.0 => {
                    choices.merge.weights.insert(name.to_owned(), weight);
                    Some(())
                }
                _ => None,
            },
            _ if key == "without" => {
                choices.left_out.insert(value.clone());
                Some(())
            }
            _ => match FIELDS.iter().find(|field| field.key == key) {
                Some(field) => (field.read)(&mut choices, &value),
                None => None,
            },
        };
        if understood.is_none() {
            problems.push(format!("The link says `{key}={value}`, which means nothing here; the default is used."));
        }
    }
    (choices, problems)
}

/// Everything but unreserved characters as `%XX` (RFC 3986).
pub(super) fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// The reverse of [`encode`]; what is no `%XX` stays as it is.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(code) if byte == b'%' => {
                out.push(code);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_leave_no_trace() {
        assert_eq!(write(&Choices::default()), "#/lab/align");
    }

    #[test]
    fn every_choice_comes_back() {
        let mut choices = Choices { step: Step::Merge, ..Choices::default() };
        choices.device = DeviceChoice::Cpu;
        choices.model = Some("owner/name@v1".into());
        choices.left_out.insert("a & b".into());
        choices.reference = Some("100% real/é".into());
        choices.align.by = AlignBy::Activations;
        choices.align.sinkhorn = true;
        choices.align.epsilon = 0.01;
        choices.align.iterations = 7;
        choices.align.tolerance = 1e-9;
        choices.align.own_texts = "one\ntwo\tthree".into();
        choices.merge.method = "ties".into();
        choices.merge.settings.insert("ties.density".into(), "0.2".into());
        choices.merge.weights.insert("c".into(), 0.25);
        choices.merge.scale = OutputScale::Factor(1.5);
        choices.episode.data = Some("d".into());
        choices.episode.test = Some("t".into());
        choices.episode.k = 4;
        choices.episode.seed = 99;
        choices.episode.max_length = 32;
        choices.episode.test_rows = 0;
        choices.start = Start::Single("x:y".into());
        choices.bottleneck = Some(12);
        choices.train = TrainSettings {
            epochs: 3,
            batch_size: 4,
            learning_rate: 2e-4,
            warmup: 0.3,
            weight_decay: 0.5,
            clip: 2.0,
            dropout: 0.2,
            patience: 9,
            trained: Trained::Up,
            seed: 1,
        };
        let link = write(&choices);
        assert_eq!(read(&link), (choices, vec![]), "{link}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let (choices, problems) = read("#/lab/nowhere?k=many&colour=red&seed=5&weight.a=-1");
        assert_eq!(
            choices,
            Choices {
                episode: super::super::choices::EpisodeChoices { seed: 5, ..Default::default() },
                ..Choices::default()
            }
        );
        insta::assert_snapshot!(problems.join("\n"), @r"
        The link names a step `nowhere` that there is not.
        The link says `k=many`, which means nothing here; the default is used.
        The link says `colour=red`, which means nothing here; the default is used.
        The link says `weight.a=-1`, which means nothing here; the default is used.
        ");
    }

    #[test]
    fn a_broken_escape_stays_as_it_is() {
        assert_eq!(decode("%E2%82%AC %zz 5%"), "€ %zz 5%");
    }
}
