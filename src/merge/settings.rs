//! Settings of a merge method: `NAME=VALUE` pairs against the parameters on its card.
//!
//! Each parameter's range and default is written once, on the card; [`Settings`] hold a value for every parameter. A
//! card may have a parameter called [`PRESET`]: the settings of a published recipe, each of which a pair overrides.

use serde::Serialize;
use std::fmt;
use thiserror::Error;

use super::error::did_you_mean;
use super::fit::FIT;
use super::method::{Card, Need};
use super::repair::REPAIR;

/// Name of the parameter that chooses among a card's presets.
pub const PRESET: &str = "preset";

/// Settings that change nothing unless another is as stated, whatever the method.
const ONLY_WITH: &[(&str, &str, Needed)] = &[
    ("epsilon", "solver", Needed::Is(Value::Choice("sinkhorn"))),
    ("iterations", "solver", Needed::Is(Value::Choice("sinkhorn"))),
    ("tolerance", "solver", Needed::Is(Value::Choice("sinkhorn"))),
    ("ridge", "fit", Needed::Is(Value::Flag(true))),
    // A cosine has the lengths divided out already.
    ("normalize_rows", "cost", Needed::IsNot(Value::Choice("cosine"))),
];

/// One setting that a method takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Parameter {
    /// As in `NAME=VALUE`.
    pub name: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// What it may be.
    pub range: Range,
    /// What it is when not given.
    pub default: Value,
}

/// What a setting may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A number, both ends included.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// A whole number, both ends included.
    Integer {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// `true` or `false`.
    Flag,
}

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// One of a [`Range::Choice`].
    Choice(&'static str),
    /// In a [`Range::Number`].
    Number(f64),
    /// In a [`Range::Integer`].
    Integer(u64),
    /// Of a [`Range::Flag`].
    Flag(bool),
}

/// What a setting must be for another to change anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Needed {
    /// This value.
    Is(Value),
    /// Any other.
    IsNot(Value),
}

/// Settings of a published recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Preset {
    /// As in `preset=ID`.
    pub id: &'static str,
    /// Where they are from.
    pub paper: &'static str,
    /// Name and value; the others stay at their defaults.
    pub set: &'static [(&'static str, &'static str)],
}

/// A pair that a method does not take.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// No `=` in it.
    #[error("\"{0}\" is no setting: NAME=VALUE is expected")]
    Pair(String),
    /// A name that is not on the card.
    #[error("{method} has no setting \"{name}\"{}", known(.nearest, .names))]
    Unknown {
        /// The method.
        method: &'static str,
        /// The name given.
        name: String,
        /// The nearest on the card.
        nearest: Option<&'static str>,
        /// All on the card.
        names: Vec<&'static str>,
    },
    /// A value out of range.
    #[error("{name}={value} is out of range: {name} is {range}")]
    Value {
        /// Of the setting.
        name: &'static str,
        /// The value given.
        value: String,
        /// What it may be.
        range: String,
    },
    /// One name twice.
    #[error("{0} is set twice")]
    Repeated(&'static str),
}

/// A setting that changes nothing as the others stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Idle {
    /// It.
    pub name: &'static str,
    /// What decides about it.
    pub other: &'static str,
    /// What that would have to be.
    pub needed: Needed,
    /// What that is.
    pub found: Value,
}

/// A value for every parameter of a method's card.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    card: &'static Card,
    values: Vec<Value>,
}

impl Settings {
    /// The defaults of `card`.
    #[must_use]
    pub fn defaults(card: &'static Card) -> Self {
        Self { card, values: card.parameters.iter().map(|parameter| parameter.default).collect() }
    }

    /// The defaults, then the preset if one is named, then `pairs` of name and value.
    ///
    /// # Errors
    /// When a name is not on the card or stands there twice, or a value is out of its range.
    pub fn parse<'a>(
        card: &'static Card,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SettingsError> {
        let mut given: Vec<Option<Value>> = vec![None; card.parameters.len()];
        for (name, text) in pairs {
            let index = index_of(card, name)?;
            let parameter = &card.parameters[index];
            if given[index].replace(parameter.parse(text)?).is_some() {
                return Err(SettingsError::Repeated(parameter.name));
            }
        }
        let mut settings = Self::defaults(card);
        let preset = card.parameters.iter().position(|parameter| parameter.name == PRESET).and_then(|i| given[i]);
        if let Some(preset) = card.presets.iter().find(|known| preset == Some(Value::Choice(known.id))) {
            for (name, text) in preset.set {
                let index = index_of(card, name)?;
                settings.values[index] = card.parameters[index].parse(text)?;
            }
        }
        for (value, given) in settings.values.iter_mut().zip(given) {
            *value = given.unwrap_or(*value);
        }
        Ok(settings)
    }

    /// [`Settings::parse`] of texts such as `epsilon=0.05`.
    ///
    /// # Errors
    /// As there, and when a text has no `=`.
    pub fn parse_pairs<'a>(
        card: &'static Card,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, SettingsError> {
        let split = |text: &'a str| text.split_once('=').ok_or_else(|| SettingsError::Pair(text.to_owned()));
        Self::parse(card, texts.into_iter().map(split).collect::<Result<Vec<_>, _>>()?)
    }

    /// Name and value of every setting, in the card's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Value)> {
        self.card.parameters.iter().map(|parameter| parameter.name).zip(self.values.iter().copied())
    }

    /// The first of the settings `given` by name that changes nothing as the others stand, a preset's among them.
    #[must_use]
    pub fn idle<'a>(&self, given: impl IntoIterator<Item = &'a str>) -> Option<Idle> {
        given.into_iter().find_map(|given| {
            let &(name, other, needed) = ONLY_WITH.iter().find(|(name, ..)| *name == given)?;
            let found = self.get(other).ok()?;
            (!needed.holds(found)).then_some(Idle { name, other, needed, found })
        })
    }

    /// What needs texts with these settings: the method, or one of its steps; nothing where none are needed.
    #[must_use]
    pub fn texts_needed_by(&self) -> Option<&'static str> {
        if self.card.needs.contains(&Need::Texts) {
            return Some(self.card.id);
        }
        [REPAIR, FIT].iter().map(|step| step.name).find(|step| self.flag(step) == Ok(true))
    }

    /// The setting called `name`.
    ///
    /// # Errors
    /// When it is not on the card.
    pub fn get(&self, name: &str) -> Result<Value, SettingsError> {
        Ok(self.values[index_of(self.card, name)?])
    }

    /// The word chosen for `name`; `""` where that is no choice.
    ///
    /// # Errors
    /// When it is not on the card.
    pub fn choice(&self, name: &str) -> Result<&'static str, SettingsError> {
        Ok(if let Value::Choice(word) = self.get(name)? { word } else { "" })
    }

    /// The number set for `name`; NaN where that is no number.
    ///
    /// # Errors
    /// When it is not on the card.
    pub fn number(&self, name: &str) -> Result<f64, SettingsError> {
        Ok(if let Value::Number(number) = self.get(name)? { number } else { f64::NAN })
    }

    /// The whole number set for `name`; 0 where that is none.
    ///
    /// # Errors
    /// When it is not on the card.
    pub fn integer(&self, name: &str) -> Result<u64, SettingsError> {
        Ok(if let Value::Integer(number) = self.get(name)? { number } else { 0 })
    }

    /// Whether `name` is set; false where that is no flag.
    ///
    /// # Errors
    /// When it is not on the card.
    pub fn flag(&self, name: &str) -> Result<bool, SettingsError> {
        Ok(self.get(name)? == Value::Flag(true))
    }
}

impl Needed {
    fn holds(self, found: Value) -> bool {
        match self {
            Self::Is(value) => found == value,
            Self::IsNot(value) => found != value,
        }
    }
}

impl Parameter {
    /// `text` as a value in range.
    fn parse(&self, text: &str) -> Result<Value, SettingsError> {
        let text = text.trim();
        let value = match self.range {
            Range::Choice(words) => words.iter().find(|word| **word == text).map(|word| Value::Choice(word)),
            Range::Number { min, max } => {
                text.parse().ok().filter(|number| (min..=max).contains(number)).map(Value::Number)
            }
            Range::Integer { min, max } => {
                text.parse().ok().filter(|number| (min..=max).contains(number)).map(Value::Integer)
            }
            Range::Flag => text.parse().ok().map(Value::Flag),
        };
        let out_of_range =
            || SettingsError::Value { name: self.name, value: text.to_owned(), range: self.range.to_string() };
        value.ok_or_else(out_of_range)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::Number { min, max } => write!(f, "a number from {min} to {max}"),
            Self::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Flag => f.write_str("true or false"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choice(word) => f.write_str(word),
            Self::Number(number) => number.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

/// The most similar of `known` to `text`, unless none is similar at all.
#[must_use]
pub fn nearest(text: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let similar = known.into_iter().map(|name| (strsim::jaro_winkler(text, name), name));
    similar.filter(|(score, _)| *score > 0.7).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

fn index_of(card: &Card, name: &str) -> Result<usize, SettingsError> {
    let names = || card.parameters.iter().map(|parameter| parameter.name);
    names().position(|known| known == name).ok_or_else(|| SettingsError::Unknown {
        method: card.id,
        name: name.to_owned(),
        nearest: nearest(name, names()),
        names: names().collect(),
    })
}

fn known(nearest: &Option<&'static str>, names: &[&str]) -> String {
    match (nearest, names) {
        (Some(_), _) => did_you_mean(nearest),
        (None, []) => "; it has none".to_owned(),
        (None, names) => format!("; it has {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::method;

    fn parse(id: &str, pairs: &[&str]) -> Result<Settings, SettingsError> {
        Settings::parse_pairs(method(id).unwrap().card(), pairs.iter().copied())
    }

    #[test]
    fn pairs_override_presets_and_presets_defaults() {
        let value = |pairs: &[&str], name| parse("mera_wts", pairs).unwrap().get(name).unwrap();
        assert_eq!(value(&[], "solver"), Value::Choice("exact"));
        assert_eq!(value(&[], "epsilon"), Value::Number(0.01));
        assert_eq!(value(&["preset=transformer_fusion"], "solver"), Value::Choice("sinkhorn"));
        assert_eq!(value(&["preset=transformer_fusion"], "epsilon"), Value::Number(0.06));
        assert_eq!(value(&["epsilon=0.5", "preset=transformer_fusion"], "epsilon"), Value::Number(0.5));
        assert_eq!(value(&["normalize_rows=true"], "normalize_rows"), Value::Flag(true));
        assert_eq!(value(&["iterations= 7"], "iterations"), Value::Integer(7));
    }

    #[test]
    fn a_setting_that_changes_nothing_is_found() {
        let idle = |id, pairs: &[&str]| {
            let given = pairs.iter().filter_map(|pair| pair.split('=').next());
            let idle = parse(id, pairs).unwrap().idle(given)?;
            Some(format!("{}: {} is {}", idle.name, idle.other, idle.found))
        };
        for name in ["epsilon", "iterations", "tolerance"] {
            let pair = format!("{name}=1");
            let expected = Some(format!("{name}: solver is exact"));
            assert_eq!(idle("mera_acts", &[&pair]), expected);
            assert_eq!(idle("mera_wts", &["preset=git_re_basin", &pair]), expected);
            assert_eq!(idle("mera_acts", &["preset=transformer_fusion", &pair, "solver=exact"]), expected);
            assert_eq!(idle("mera_acts", &[&pair, "solver=sinkhorn"]), None);
            assert_eq!(idle("mera_acts", &["preset=transformer_fusion", &pair]), None);
        }
        let ridge = Some("ridge: fit is false".to_owned());
        assert_eq!(idle("average", &["ridge=1"]), ridge);
        assert_eq!(idle("concat_reduced", &["ridge=1", "fit=false"]), ridge);
        assert_eq!(idle("concat_reduced", &["ridge=1"]), None, "there the fit is the default");
        assert_eq!(idle("average", &["ridge=1", "fit=true"]), None);
        assert_eq!(idle("mera_acts", &["cost=cosine", "activation=post"]), None);
        let cosine = Some("normalize_rows: cost is cosine".to_owned());
        assert_eq!(idle("mera_wts", &["normalize_rows=true", "cost=cosine"]), cosine);
        assert_eq!(idle("mera_acts", &["cost=cosine", "normalize_rows=false"]), cosine);
        assert_eq!(idle("mera_wts", &["preset=transformer_fusion", "cost=cosine"]), None, "the preset has it");
        assert_eq!(idle("mera_wts", &["normalize_rows=true", "cost=inner_product"]), None);
    }

    #[test]
    fn what_needs_another_setting_is_on_a_card_with_it() {
        for (name, other, needed) in ONLY_WITH {
            let cards = crate::merge::METHODS.iter().map(|method| method.card());
            let with: Vec<_> = cards.filter(|card| card.parameters.iter().any(|known| known.name == *name)).collect();
            assert!(!with.is_empty(), "{name}");
            for card in with {
                let (Needed::Is(value) | Needed::IsNot(value)) = needed;
                assert!(Settings::parse(card, [(*other, value.to_string().as_str())]).is_ok(), "{} {name}", card.id);
            }
        }
    }

    #[test]
    fn settings_can_make_texts_needed() {
        let needed_by = |id, pairs: &[&str]| parse(id, pairs).unwrap().texts_needed_by();
        assert_eq!(needed_by("average", &[]), None);
        assert_eq!(needed_by("average", &["fit=true"]), Some("fit"));
        assert_eq!(needed_by("mera_wts", &["repair=true"]), Some("repair"));
        assert_eq!(needed_by("mera_acts", &["fit=true"]), Some("mera_acts"));
        assert_eq!(needed_by("concat", &[]), None);
    }

    #[test]
    fn errors_name_the_setting_and_what_it_may_be() {
        let error = |id, pairs: &[&str]| parse(id, pairs).unwrap_err().to_string();
        insta::assert_snapshot!(error("mera_wts", &["epsilom=1"]), @r#"mera_wts has no setting "epsilom": did you mean "epsilon"?"#);
        insta::assert_snapshot!(error("mera_acts", &["xyz=1"]), @r#"mera_acts has no setting "xyz"; it has preset, activation, cost, normalize_rows, solver, epsilon, iterations, tolerance, repair, fit, ridge"#);
        insta::assert_snapshot!(error("sum", &["xyz=1"]), @r#"sum has no setting "xyz"; it has none"#);
        insta::assert_snapshot!(error("mera_wts", &["epsilon=-1"]), @"epsilon=-1 is out of range: epsilon is a number from 0.000001 to 1000");
        insta::assert_snapshot!(error("mera_wts", &["epsilon=NaN"]), @"epsilon=NaN is out of range: epsilon is a number from 0.000001 to 1000");
        insta::assert_snapshot!(error("mera_wts", &["solver=emd"]), @"solver=emd is out of range: solver is one of exact, sinkhorn");
        insta::assert_snapshot!(error("mera_wts", &["iterations=1.5"]), @"iterations=1.5 is out of range: iterations is a whole number from 1 to 100000");
        insta::assert_snapshot!(error("mera_wts", &["normalize_rows=yes"]), @"normalize_rows=yes is out of range: normalize_rows is true or false");
        insta::assert_snapshot!(error("mera_wts", &["solver"]), @r#""solver" is no setting: NAME=VALUE is expected"#);
        insta::assert_snapshot!(error("mera_wts", &["epsilon=1", "epsilon=2"]), @"epsilon is set twice");
    }

    #[test]
    fn every_default_and_preset_is_in_range() {
        for method in crate::merge::METHODS {
            let card = method.card();
            let pairs: Vec<_> = Settings::defaults(card).iter().map(|(name, v)| (name, v.to_string())).collect();
            let parsed = Settings::parse(card, pairs.iter().map(|(name, text)| (*name, text.as_str())));
            assert_eq!(parsed, Ok(Settings::defaults(card)));
            for preset in card.presets {
                let settings = Settings::parse(card, [(PRESET, preset.id)]).unwrap();
                for (name, text) in preset.set {
                    assert_eq!(settings.get(name).unwrap().to_string(), *text, "{} {}", card.id, preset.id);
                }
            }
        }
    }
}
