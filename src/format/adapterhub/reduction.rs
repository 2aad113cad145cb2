//! `reduction_factor`: how an adapter's width is told.

use super::super::FormatError;
use super::fields::{self, Object};
use crate::tensors::adapter::Location;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Hidden size by bottleneck, for all layers or each.
#[derive(Clone, Debug, PartialEq)]
pub enum ReductionFactor {
    /// One for all layers.
    Uniform(f64),
    /// By layer.
    PerLayer {
        /// Layers that are named.
        layers: BTreeMap<usize, f64>,
        /// All others.
        default: Option<f64>,
    },
}

impl ReductionFactor {
    /// The bottleneck of `layer`, computed as the library does: `max(1, int(hidden_size // factor))`; `None` where
    /// the layer has no factor.
    #[must_use]
    pub fn bottleneck(&self, hidden_size: usize, layer: usize) -> Option<usize> {
        let factor = match self {
            Self::Uniform(factor) => *factor,
            Self::PerLayer { layers, default } => layers.get(&layer).copied().or(*default)?,
        };
        Some((floor_divide(hidden_size as f64, factor) as usize).max(1))
    }

    /// The factor that gives these bottlenecks back.
    ///
    /// # Errors
    /// [`FormatError::MixedBottlenecks`] where the two places of a layer differ.
    pub fn of(hidden_size: usize, bottlenecks: &BTreeMap<Location, usize>) -> Result<Self, FormatError> {
        let mut layers: BTreeMap<usize, usize> = BTreeMap::new();
        for (location, &bottleneck) in bottlenecks {
            // Attention is before output, so a second value of a layer is its output.
            if let Some(attention) = layers.insert(location.layer, bottleneck).filter(|&first| first != bottleneck) {
                let (layer, output) = (location.layer, bottleneck);
                return Err(FormatError::MixedBottlenecks { layer, attention, output });
            }
        }
        let factors: BTreeMap<usize, f64> =
            layers.into_iter().map(|(layer, bottleneck)| (layer, factor_for(hidden_size, bottleneck))).collect();
        let first = factors.values().next().copied().unwrap_or(1.0);
        Ok(if factors.values().all(|&factor| factor == first) {
            Self::Uniform(first)
        } else {
            Self::PerLayer { layers: factors, default: Some(first) }
        })
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, FormatError> {
        const FIELD: &str = "config.reduction_factor";
        let factor = |value: &Value| {
            let factor = value.as_f64().filter(|factor| factor.is_finite() && *factor > 0.0);
            factor.ok_or_else(|| fields::wrong(FIELD, "a number above 0, or one by layer", value))
        };
        let Some(object) = value.as_object() else {
            return Ok(Self::Uniform(factor(value)?));
        };
        let mut layers = BTreeMap::new();
        let mut default = None;
        for (key, value) in object {
            if key == "default" {
                default = Some(factor(value)?);
            } else {
                let layer =
                    key.parse().map_err(|_| fields::wrong(FIELD, "keyed by layer or \"default\"", &json!(key)))?;
                layers.insert(layer, factor(value)?);
            }
        }
        Ok(Self::PerLayer { layers, default })
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Uniform(factor) => number(*factor),
            Self::PerLayer { layers, default } => {
                let mut object = Object::new();
                for (layer, factor) in layers {
                    object.insert(layer.to_string(), number(*factor));
                }
                if let Some(factor) = default {
                    object.insert("default".to_owned(), number(*factor));
                }
                Value::Object(object)
            }
        }
    }
}

/// A whole factor as an integer, which is how people write it.
fn number(factor: f64) -> Value {
    if factor.fract() == 0.0 && factor < 1e9 { json!(factor as u64) } else { json!(factor) }
}

/// Python's `a // b` for positive numbers: the quotient is corrected by the remainder, so that `1 // 0.1` is 9.
fn floor_divide(a: f64, b: f64) -> f64 {
    ((a - a % b) / b).round()
}

/// A whole factor where one gives `bottleneck`, else one from the middle of the interval that does.
fn factor_for(hidden_size: usize, bottleneck: usize) -> f64 {
    let bottleneck = bottleneck.max(1);
    let whole = hidden_size / bottleneck;
    if whole > 0 && hidden_size / whole == bottleneck {
        whole as f64
    } else {
        hidden_size as f64 / (bottleneck as f64 + 0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::adapter::Site;
    use insta::assert_snapshot;

    #[test]
    fn division_is_python_s() {
        // In Python: 32 // 6.4 == 4.0, 1 // 0.1 == 9.0, 384 // 16 == 24, 312 // 16 == 19.
        let width = |hidden, factor| ReductionFactor::Uniform(factor).bottleneck(hidden, 0).unwrap();
        assert_eq!([width(32, 6.4), width(1, 0.1), width(384, 16.0), width(312, 16.0)], [4, 9, 24, 19]);
        assert_eq!(width(4, 16.0), 1, "never narrower than one");
    }

    #[test]
    fn every_width_has_a_factor() {
        for hidden in [32, 312, 384, 768] {
            for width in 1..=2 * hidden {
                let widths = [(Location::output(0), width)].into();
                let factor = ReductionFactor::of(hidden, &widths).unwrap();
                let written = ReductionFactor::from_json(&factor.to_json()).unwrap();
                assert_eq!(written.bottleneck(hidden, 0), Some(width), "{hidden} {factor:?}");
            }
        }
        let uneven = [(Location::output(0), 24), (Location::output(1), 96)].into();
        let factor = ReductionFactor::of(384, &uneven).unwrap();
        assert_eq!(factor.to_json(), json!({"0": 16, "1": 4, "default": 16}));
    }

    #[test]
    fn the_two_places_of_a_layer_share_a_width() {
        let at = |site, width| (Location { layer: 3, site }, width);
        let mixed = [at(Site::Attention, 8), at(Site::Output, 16)].into();
        assert_snapshot!(ReductionFactor::of(384, &mixed).unwrap_err(), @"layer 3 has a bottleneck of 8 after attention and 16 after the feed-forward block; the format has one for both");
    }
}
