//! Laws, agreement with an independent implementation, errors.

mod errors;
mod laws;
mod oracle;

use nalgebra::DMatrix;

use super::align::align_location;
use super::repair::Matched;
use super::*;
use crate::ot::{Share, SinkhornOptions, Solver};
use crate::tensors::adapter::{Location, Part, Site};
use crate::tensors::{Tensor, TensorSet};

const LOCATIONS: [Location; 2] =
    [Location { layer: 0, site: Site::Attention }, Location { layer: 2, site: Site::Output }];

/// A number in (−1, 1) without pattern.
fn noise(index: usize) -> f32 {
    ((index as f64 * 12.9898 + 78.233).sin() * 43758.5453).fract() as f32
}

fn noisy(shape: Vec<usize>, seed: usize) -> Tensor {
    let values = (0..shape.iter().product()).map(|index| noise(index + 10_000 * seed)).collect();
    Tensor::new(shape, values).unwrap()
}

/// An adapter at [`LOCATIONS`].
fn adapter(bottleneck: usize, hidden: usize, seed: usize) -> TensorSet {
    let tensors = LOCATIONS.iter().flat_map(|location| Part::ALL.map(|part| (location, part)));
    tensors
        .enumerate()
        .map(|(index, (location, part))| {
            (location.param(part), noisy(part.shape(bottleneck, hidden), 8 * seed + index))
        })
        .collect()
}

fn features(tokens: usize, hidden: usize) -> Features {
    let mut features = Features::new();
    for (index, location) in LOCATIONS.into_iter().enumerate() {
        features.insert(location, noisy(vec![tokens, hidden], 100 + index)).unwrap();
    }
    features
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn inputs<'a>(adapters: &'a [TensorSet], features: &'a Features) -> Inputs<'a> {
    let adapters = adapters.iter().zip(NAMES).map(|(params, name)| Input { name, params }).collect();
    Inputs { features: Some(features), ..Inputs::new(adapters) }
}

fn merge_with(id: &str, inputs: &Inputs, pairs: &[&str]) -> Result<Merged, MergeError> {
    let method = method(id)?;
    method.merge(inputs, &Settings::parse_pairs(method.card(), pairs.iter().copied())?)
}

/// Largest difference of two sets' values; infinite when names, order or shapes differ.
fn difference(a: &TensorSet, b: &TensorSet) -> f64 {
    if !a.iter().map(|(name, tensor)| (name, tensor.shape())).eq(b.iter().map(|(name, tensor)| (name, tensor.shape())))
    {
        return f64::INFINITY;
    }
    let values = |set: &TensorSet| set.iter().flat_map(|(_, tensor)| tensor.values().to_vec()).collect::<Vec<_>>();
    values(a).iter().zip(values(b)).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
}

/// Largest difference of two adapters' outputs at one location on inputs of their own.
fn function_difference(a: &LocationParams, b: &LocationParams) -> f64 {
    let inputs = DMatrix::from_fn(50, a.hidden(), |i, j| 3.0 * f64::from(noise(31 * i + 7 * j + 5)));
    (a.forward(&inputs, params::relu) - b.forward(&inputs, params::relu)).amax()
}

#[test]
fn the_list_of_methods_is_sound() {
    let ids: Vec<_> = METHODS.iter().map(|method| method.card().id).collect();
    assert!(["sum", "average", "mera_wts", "mera_acts"].iter().all(|id| ids.contains(id)));
    for (index, id) in ids.iter().enumerate() {
        assert!(!ids[..index].contains(id), "{id} stands twice");
        assert_eq!(method(id).unwrap().card().id, *id);
    }
}

#[test]
fn a_card_is_what_the_command_prints() {
    let card = serde_json::to_value(method("mera_acts").unwrap().card()).unwrap();
    assert_eq!(card["needs"], serde_json::json!(["reference", "texts"]));
    assert_eq!(card["parameters"][5]["name"], "epsilon");
    assert_eq!(card["parameters"][5]["range"], serde_json::json!({"number": {"min": 1e-6, "max": 1e3}}));
    assert_eq!(card["parameters"][5]["default"], 0.01);
    assert_eq!(card["laws"][1], "permuted_copy_recovered");
}

#[test]
fn keeping_the_amplitude_keeps_it() {
    let adapters = [adapter(4, 5, 1), adapter(4, 5, 2), adapter(4, 5, 3)];
    let features = features(30, 5);
    let inputs = inputs(&adapters, &features);
    let average = merge_with("average", &inputs, &[]).unwrap();
    let scaled = |scale| {
        let mut merged = average.clone();
        let factors = scale_output(&mut merged, &inputs, scale).unwrap();
        (ensemble_distance(&merged.params, &inputs).unwrap(), factors)
    };
    let (before, ones) = scaled(Scale::None);
    assert!(ones.iter().all(|(_, factor)| *factor == 1.0));
    let (kept, factors) = scaled(Scale::Keep);
    for ((before, kept), (location, factor)) in before.iter().zip(&kept).zip(&factors) {
        assert_eq!((before.location, kept.location), (*location, *location));
        assert!(*factor > 1.0, "an average shrinks");
        assert!((kept.amplitude_of_inputs - 1.0).abs() < 1e-6, "{}", kept.amplitude_of_inputs);
        assert!((kept.cosine - before.cosine).abs() < 1e-6, "a scale turns nothing");
        let EnsembleDistance { amplitude: a, cosine: c, relative_error, .. } = kept;
        assert!((relative_error - (a * a - 2.0 * a * c + 1.0)).abs() < 1e-9);
    }
    for (scale, factor) in [(Scale::Sum, 3.0), (Scale::Factor(0.5), 0.5), (Scale::Factor(-1.0), -1.0)] {
        let (scaled, _) = scaled(scale);
        for (before, scaled) in before.iter().zip(&scaled) {
            assert!((scaled.amplitude - f64::abs(factor) * before.amplitude).abs() < 1e-6);
            assert!((scaled.cosine - factor.signum() * before.cosine).abs() < 1e-6);
        }
    }
}

#[test]
fn a_sum_is_not_summed_again() {
    let adapters = [adapter(4, 5, 1), adapter(4, 5, 2)];
    let features = features(30, 5);
    let inputs = inputs(&adapters, &features);
    let sum = merge_with("sum", &inputs, &[]).unwrap();
    let mut scaled = sum.clone();
    scale_output(&mut scaled, &inputs, Scale::Sum).unwrap();
    assert_eq!(sum, scaled);
}

#[test]
fn one_adapter_is_its_own_ensemble() {
    let adapters = [adapter(4, 5, 1)];
    let features = features(30, 5);
    let inputs = inputs(&adapters, &features);
    for method in METHODS {
        let merged = merge_with(method.card().id, &inputs, &[]).unwrap();
        assert_eq!(difference(&merged.params, &adapters[0]), 0.0);
        assert!(merged.alignments.is_empty());
    }
    let distances = ensemble_distance(&adapters[0], &inputs).unwrap();
    assert_eq!(distances.len(), 2);
    assert!(distances.iter().all(|distance| distance.relative_error == 0.0 && (distance.cosine - 1.0).abs() < 1e-12));
}

#[test]
fn an_adapter_that_adds_nothing_is_merged_and_left_out_of_the_distances() {
    let silent = |seed| {
        let mut set = adapter(3, 5, seed);
        for location in LOCATIONS {
            set.insert(location.param(Part::UpWeight), Tensor::new([5, 3], vec![0.0; 15]).unwrap());
            set.insert(location.param(Part::UpBias), Tensor::new([5], vec![0.0; 5]).unwrap());
        }
        set
    };
    let (adapters, features) = ([silent(1), silent(2)], features(30, 5));
    let inputs = inputs(&adapters, &features);
    for method in METHODS {
        let mut merged = merge_with(method.card().id, &inputs, &[]).unwrap();
        let factors = scale_output(&mut merged, &inputs, Scale::Keep).unwrap();
        assert!(factors.iter().all(|(_, factor)| *factor == 1.0));
        assert_eq!(ensemble_distance(&merged.params, &inputs).unwrap(), []);
    }
}

#[test]
fn dropping_no_neuron_is_the_concatenation() {
    let (adapters, features) = ([adapter(4, 5, 1), adapter(3, 5, 2)], features(30, 5));
    let inputs = inputs(&adapters, &features);
    let whole = merge_with("concat", &inputs, &[]).unwrap();
    assert_eq!(merge_with("concat_reduced", &inputs, &["bottleneck=7"]).unwrap(), whole);
    assert_eq!(merge_with("concat_reduced", &inputs, &["bottleneck=100"]).unwrap(), whole);
    let kept = merge_with("concat_reduced", &inputs, &["bottleneck=6", "fit=false"]).unwrap();
    let rows = |set: &TensorSet| {
        let tensor = set.get(&LOCATIONS[0].param(Part::DownWeight)).unwrap();
        tensor.values().chunks(5).map(<[f32]>::to_vec).collect::<Vec<_>>()
    };
    let (kept, mut whole) = (rows(&kept.params), rows(&whole.params));
    whole.retain(|row| kept.contains(row));
    assert_eq!(kept, whole, "what is kept stands in its order");
}

#[test]
fn a_fit_finds_what_can_be_reached_and_is_never_far_off() {
    let (adapters, features) = ([adapter(4, 5, 1), adapter(4, 5, 2), adapter(4, 5, 3)], features(60, 5));
    let one = inputs(&adapters[..1], &features);
    let all = inputs(&adapters, &features);
    for location in LOCATIONS {
        let stored = one.params(0, location).unwrap();
        // Its own function can be reached, whatever the up side was before.
        let spoiled =
            stored.clone().with(Part::UpWeight, DMatrix::zeros(5, 4)).with(Part::UpBias, DMatrix::zeros(5, 1));
        let fitted = fit::fit_output(&spoiled, &one, location, 1e-9).unwrap();
        assert!(function_difference(&fitted, &stored) < 1e-5);
        // No up side does better on the objective, the one before among them.
        let seen = all.features_at(location, "").unwrap();
        let (ridge, wanted) = (0.1, all.mean_of_functions(location, &seen).unwrap());
        let hidden = stored.pre_activations(&seen).map(params::relu);
        let variances = hidden.column_iter().map(|column| column.add_scalar(-column.mean()).norm_squared());
        let penalty = ridge * variances.sum::<f64>() / 4.0;
        let objective = |params: &LocationParams| {
            let miss = (params.forward(&seen, params::relu) - &wanted).norm_squared();
            miss + penalty * params.part(Part::UpWeight).norm_squared()
        };
        let fitted = fit::fit_output(&stored, &all, location, ridge).unwrap();
        let best = objective(&fitted);
        assert!(best < objective(&stored));
        for part in [Part::UpWeight, Part::UpBias] {
            for index in 0..fitted.part(part).len() {
                for step in [-1e-3, 1e-3] {
                    let mut values = fitted.part(part).clone();
                    values[index] += step;
                    assert!(objective(&fitted.clone().with(part, values)) > best, "{part:?} {index} {step}");
                }
            }
        }
    }
    // Neurons that never change leave only the bias to fit.
    let dead = LocationParams::zeros(4, 5);
    let fitted = fit::fit_output(&dead, &all, LOCATIONS[0], 1e-3).unwrap();
    let seen = all.features_at(LOCATIONS[0], "").unwrap();
    let mean = all.mean_of_functions(LOCATIONS[0], &seen).unwrap().row_mean();
    assert!((fitted.part(Part::UpBias).transpose() - mean).amax() < 1e-12);
    assert_eq!(fitted.part(Part::UpWeight).amax(), 0.0);
}

#[test]
fn repair_gives_neurons_the_spread_of_those_they_were_made_of() {
    let (adapters, features) = ([adapter(4, 5, 1), adapter(4, 5, 2), adapter(4, 5, 3)], features(60, 5));
    let inputs = Inputs { weights: vec![1.0, 2.0, 5.0], ..inputs(&adapters, &features) };
    for location in LOCATIONS {
        let seen = inputs.features_at(location, "").unwrap();
        let moments = |params: &LocationParams| {
            let pre = params.pre_activations(&seen);
            pre.column_iter().map(|neuron| [neuron.mean(), neuron.variance().sqrt()]).collect::<Vec<_>>()
        };
        let shares = [0.125, 0.25, 0.625].into_iter().enumerate();
        let stored = |input| inputs.params(input, location).unwrap();
        let matched: Vec<_> =
            shares.map(|(input, share)| Matched { share, params: stored(input), alignment: None }).collect();
        let mean = LocationParams::weighted_sum(matched.iter().map(|one| (one.share, &one.params)));
        let repaired = repair::repair(&mean, &matched, &inputs, location).unwrap();
        for (neuron, [found_mean, found_deviation]) in moments(&repaired).into_iter().enumerate() {
            let wanted =
                |moment: usize| matched.iter().map(|one| one.share * moments(&one.params)[neuron][moment]).sum::<f64>();
            assert!((found_mean - wanted(0)).abs() < 1e-12);
            assert!((found_deviation - wanted(1)).abs() < 1e-12);
            assert!(found_deviation > moments(&mean)[neuron][1], "a mean varies less");
        }
        for part in [Part::UpWeight, Part::UpBias] {
            assert_eq!(repaired.part(part), mean.part(part), "only the down side is repaired");
        }
        // A neuron that never varies can only be shifted.
        let still = mean.clone().with(Part::DownWeight, DMatrix::zeros(4, 5));
        let shifted = repair::repair(&still, &matched, &inputs, location).unwrap();
        assert_eq!(shifted.part(Part::DownWeight).amax(), 0.0);
        for ([shifted, _], [repaired, _]) in moments(&shifted).into_iter().zip(moments(&repaired)) {
            assert!((shifted - repaired).abs() < 1e-12);
        }
    }
}

/// The mean that a soft plan makes of neurons has less spread than they have: what is given back is theirs.
#[test]
fn repair_looks_through_a_soft_plan() {
    let (adapters, features) = ([adapter(4, 5, 1), adapter(6, 5, 2)], features(60, 5));
    let inputs = inputs(&adapters, &features);
    let location = LOCATIONS[0];
    let seen = inputs.features_at(location, "").unwrap();
    let deviations = |params: &LocationParams| params.pre_activations(&seen).row_variance_tr().map(f64::sqrt);
    let soft = Solver::Sinkhorn(SinkhornOptions { epsilon: 1.0, ..SinkhornOptions::default() });
    let options = AlignOptions { solver: soft, ..AlignOptions::default() };
    let alignment = align_location(&inputs, 1, location, By::Activations(Stage::Pre), &options).unwrap();
    let aligned = alignment.aligned.clone();
    let all = [Matched { share: 1.0, params: aligned.clone(), alignment: Some(&alignment) }];
    let repaired = repair::repair(&aligned, &all, &inputs, location).unwrap();
    let stored = deviations(&inputs.params(1, location).unwrap());
    let wanted = alignment.solution.target_from_source(Share::Mean) * &stored;
    assert!((deviations(&repaired) - &wanted).amax() < 1e-9);
    assert!(deviations(&aligned).mean() < 0.9 * stored.mean(), "the plan was not soft");
}

/// Whoever weighs nothing is not there: neither in a sum nor in the scale that makes one.
#[test]
fn an_adapter_of_weight_zero_changes_nothing() {
    let (adapters, features) = ([adapter(4, 5, 1), adapter(4, 5, 2), adapter(4, 5, 3)], features(30, 5));
    let three = Inputs { weights: vec![1.0, 3.0, 0.0], ..inputs(&adapters, &features) };
    let two = Inputs { weights: vec![1.0, 3.0], ..inputs(&adapters[..2], &features) };
    for id in ["sum", "average", "mera_wts", "mera_acts"] {
        let [three, two] = [&three, &two].map(|inputs| {
            let method = method(id).unwrap();
            let mut merged = method.merge(inputs, &Settings::parse(method.card(), []).unwrap()).unwrap();
            scale_output(&mut merged, inputs, Scale::Sum).unwrap();
            merged.params
        });
        for ((name, three), (_, two)) in three.iter().zip(two.iter()) {
            assert_eq!(three.values(), two.values(), "{id}: {name}");
        }
    }
}

#[test]
fn an_alignment_tells_how_far_it_went() {
    let (adapters, features) = ([adapter(4, 5, 1), adapter(4, 5, 2), adapter(6, 5, 3)], features(30, 5));
    let inputs = inputs(&adapters, &features);
    for by in [By::Weights(WeightFeatures::Both), By::Activations(Stage::Pre)] {
        let alignments = align(&inputs, by, &AlignOptions::default()).unwrap();
        assert_eq!(
            alignments.iter().map(|a| (a.input, a.location)).collect::<Vec<_>>(),
            [(1, LOCATIONS[0]), (1, LOCATIONS[1]), (2, LOCATIONS[0]), (2, LOCATIONS[1])]
        );
        for alignment in alignments {
            match alignment.input {
                1 => {
                    let before = alignment.cost_before.unwrap();
                    assert!(alignment.cost_after <= before, "{} {before}", alignment.cost_after);
                    let kept = alignment.solution.permutation().unwrap();
                    let share = kept.iter().enumerate().filter(|(i, j)| i == *j).count() as f64 / 4.0;
                    assert!((alignment.diagonal_share.unwrap() - share).abs() < 1e-12);
                }
                _ => assert_eq!((alignment.cost_before, alignment.diagonal_share), (None, None)),
            }
        }
    }
}
