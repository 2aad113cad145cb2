//! The names of a bottleneck adapter's parameters, whatever file they came from.
//!
//! An adapter at one [`Location`] is `A(x) = up_proj · σ(down_proj · x + b_down) + b_up`. In a
//! [`TensorSet`](super::TensorSet) its four tensors are called `{location}.{part}`, for example
//! `layer.3.output.down_proj.weight`. Readers translate into these names and writers back; merging and the model
//! know no others.

use std::fmt;
use std::str::FromStr;

/// Where in an encoder layer an adapter sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// After the self-attention block (the first of Houlsby's two).
    Attention,
    /// After the feed-forward block (Pfeiffer's only one, Houlsby's second).
    Output,
}

/// One place in the encoder that holds an adapter; displayed and parsed as `layer.3.output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Encoder layer, from 0.
    pub layer: usize,
    /// Place within the layer.
    pub site: Site,
}

/// One of the four tensors of a bottleneck adapter at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// `[bottleneck, hidden]`.
    DownWeight,
    /// `[bottleneck]`.
    DownBias,
    /// `[hidden, bottleneck]`.
    UpWeight,
    /// `[hidden]`.
    UpBias,
}

impl Part {
    /// The four parts, in the order in which files hold them.
    pub const ALL: [Part; 4] = [Part::DownWeight, Part::DownBias, Part::UpWeight, Part::UpBias];

    /// The name after the location.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Part::DownWeight => "down_proj.weight",
            Part::DownBias => "down_proj.bias",
            Part::UpWeight => "up_proj.weight",
            Part::UpBias => "up_proj.bias",
        }
    }

    /// Its shape in an adapter of this width on hidden states of this width.
    #[must_use]
    pub fn shape(self, bottleneck: usize, hidden: usize) -> Vec<usize> {
        match self {
            Part::DownWeight => vec![bottleneck, hidden],
            Part::DownBias => vec![bottleneck],
            Part::UpWeight => vec![hidden, bottleneck],
            Part::UpBias => vec![hidden],
        }
    }
}

impl Location {
    /// The place after the feed-forward block of `layer`.
    #[must_use]
    pub fn output(layer: usize) -> Self {
        Self { layer, site: Site::Output }
    }

    /// Full name of `part` at this location.
    #[must_use]
    pub fn param(self, part: Part) -> String {
        format!("{self}.{}", part.name())
    }

    /// The location that `name` begins with, whatever stands there; `None` where it begins otherwise.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (end, _) = name.match_indices('.').nth(2)?;
        name[..end].parse().ok()
    }

    /// Splits a parameter's name into location and part; `None` for any other name.
    #[must_use]
    pub fn parse_param(name: &str) -> Option<(Self, Part)> {
        Part::ALL.into_iter().find_map(|part| {
            let location = name.strip_suffix(part.name())?.strip_suffix('.')?;
            Some((location.parse().ok()?, part))
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let site = match self.site {
            Site::Attention => "attention",
            Site::Output => "output",
        };
        write!(f, "layer.{}.{site}", self.layer)
    }
}

/// A layer's number as names have it: without sign or leading zeros, so that no two names are of one layer.
#[must_use]
pub fn layer_number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|layer: &usize| layer.to_string() == text)
}

/// A text that names no location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a location such as layer.3.output")]
pub struct LocationError(String);

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (layer, site) = text.strip_prefix("layer.")?.split_once('.')?;
            let site = match site {
                "attention" => Site::Attention,
                "output" => Site::Output,
                _ => return None,
            };
            Some(Self { layer: layer_number(layer)?, site })
        };
        parse().ok_or_else(|| LocationError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for site in [Site::Attention, Site::Output] {
            for part in Part::ALL {
                let location = Location { layer: 11, site };
                assert_eq!(Location::parse_param(&location.param(part)), Some((location, part)));
            }
        }
        for layer in ["x", "01", "+1", ""] {
            assert_eq!(Location::parse_param(&format!("layer.{layer}.output.down_proj.weight")), None, "{layer}");
        }
        assert_eq!(Location::parse_param("layer.1.output.gate.weight"), None);
    }
}
