//! Every method against the laws on its card, on generated adapters.

use proptest::prelude::*;

use super::*;
use crate::merge::method::Law;

/// Rounding of `f32` parameters, through a sum of a few products.
const ROUNDING: f64 = 1e-5;

/// What the laws are tried on.
#[derive(Debug)]
struct Case {
    /// Two or more, of one bottleneck.
    adapters: Vec<TensorSet>,
    /// A permutation of their neurons.
    permutation: Vec<usize>,
    /// How often each neuron stands in a larger reference.
    clones: usize,
    hidden: usize,
}

fn tensors(bottleneck: usize, hidden: usize) -> impl Strategy<Value = TensorSet> {
    let names: Vec<_> = LOCATIONS.iter().flat_map(|location| Part::ALL.map(|part| (*location, part))).collect();
    let sizes: Vec<usize> = names.iter().map(|(_, part)| part.shape(bottleneck, hidden).iter().product()).collect();
    prop::collection::vec(-1.0..1.0f32, sizes.iter().sum::<usize>()).prop_map(move |values| {
        let mut rest = values.as_slice();
        let tensors = names.iter().zip(&sizes).map(|((location, part), size)| {
            let (values, others) = rest.split_at(*size);
            rest = others;
            let tensor = Tensor::new(part.shape(bottleneck, hidden), values.to_vec()).unwrap();
            (location.param(*part), tensor)
        });
        tensors.collect()
    })
}

fn case() -> impl Strategy<Value = Case> {
    (2..5usize, 1..6usize, 2..6usize, 2..4usize).prop_flat_map(|(count, bottleneck, hidden, clones)| {
        let permutation = Just((0..bottleneck).collect::<Vec<_>>()).prop_shuffle();
        (prop::collection::vec(tensors(bottleneck, hidden), count), permutation)
            .prop_map(move |(adapters, permutation)| Case { adapters, permutation, clones, hidden })
    })
}

/// The adapter whose neuron `k` is neuron `order[k]` of `params`, its output divided by how often that one stands there.
fn reordered(params: &TensorSet, order: &[usize]) -> TensorSet {
    let mut set = TensorSet::new();
    for location in LOCATIONS {
        for row in axes::NEURON_AXES {
            let tensor = params.get(&location.param(row.part)).unwrap();
            let hidden = params.get(&location.param(Part::UpBias)).unwrap().len();
            let stored = tensor.len() / hidden;
            let values: Vec<f32> = match row.part {
                Part::DownWeight => {
                    order.iter().flat_map(|j| tensor.values()[j * hidden..][..hidden].to_vec()).collect()
                }
                Part::DownBias => order.iter().map(|j| tensor.values()[*j]).collect(),
                Part::UpWeight => (0..hidden)
                    .flat_map(|i| order.iter().map(move |j| (i, *j)))
                    .map(|(i, j)| {
                        let times = order.iter().filter(|other| **other == j).count();
                        tensor.values()[i * stored + j] / times as f32
                    })
                    .collect(),
                Part::UpBias => tensor.values().to_vec(),
            };
            let shape = row.part.shape(order.len(), hidden);
            set.insert(location.param(row.part), Tensor::new(shape, values).unwrap());
        }
    }
    set
}

/// Largest difference of two adapters' functions at any location.
fn functions_differ(a: &TensorSet, b: &TensorSet) -> f64 {
    let read = |set, location| LocationParams::read("", set, location).unwrap();
    let differences = LOCATIONS.map(|location| function_difference(&read(a, location), &read(b, location)));
    differences.into_iter().fold(0.0, f64::max)
}

/// How far `method` is from keeping `law` on `case`.
fn violation(method: &dyn MergeMethod, law: Law, case: &Case) -> f64 {
    let features = features(40, case.hidden);
    let settings = Settings::defaults(method.card());
    let first = &case.adapters[0];
    let count = case.adapters.len();
    let merge = |inputs: &Inputs| method.merge(inputs, &settings).unwrap();
    match law {
        Law::MergeOfCopiesIsTheCopy => {
            difference(&merge(&inputs(&vec![first.clone(); count], &features)).params, first)
        }
        Law::SumOfCopiesIsNTimesTheCopy => {
            let times = |tensor: &Tensor| tensor.values().iter().map(|value| value * count as f32).collect();
            let expected = first.iter().map(|(name, t)| (name, Tensor::new(t.shape(), times(t)).unwrap())).collect();
            difference(&merge(&inputs(&vec![first.clone(); count], &features)).params, &expected)
        }
        Law::PermutedCopyRecovered => {
            let mut copies = vec![reordered(first, &case.permutation); count];
            copies[0] = first.clone();
            functions_differ(&merge(&inputs(&copies, &features)).params, first)
        }
        Law::OrderInvariant => {
            let mut others = case.adapters.clone();
            others.reverse();
            let [one, other] = [&case.adapters, &others].map(|adapters| merge(&inputs(adapters, &features)).params);
            difference(&one, &other)
        }
        Law::KeepsShapeOfReference => {
            let mut adapters = case.adapters.clone();
            if !method.card().needs.contains(&Need::EqualBottlenecks) {
                adapters[1] = reordered(first, &[case.permutation.clone(), vec![0]].concat());
            }
            let shapes =
                |set: &TensorSet| set.iter().map(|(n, t)| (n.to_owned(), t.shape().to_vec())).collect::<Vec<_>>();
            let kept = (0..count).all(|reference| {
                let merged = merge(&Inputs { reference, ..inputs(&adapters, &features) }).params;
                shapes(&merged) == shapes(&adapters[reference])
            });
            if kept { 0.0 } else { f64::INFINITY }
        }
        Law::AlignmentKeepsFunction => {
            let inputs = Inputs { reference: count - 1, ..inputs(&case.adapters, &features) };
            let alignments = merge(&inputs).alignments;
            if alignments.len() != (count - 1) * LOCATIONS.len() {
                return f64::INFINITY;
            }
            let moved = alignments.iter().map(|alignment| {
                function_difference(&alignment.aligned, &inputs.params(alignment.input, alignment.location).unwrap())
            });
            moved.fold(0.0, f64::max)
        }
        Law::ClonedNeuronsKeepFunction => {
            let order: Vec<usize> = case.permutation.repeat(case.clones);
            let adapters = [reordered(first, &order), first.clone()];
            let alignments = merge(&inputs(&adapters, &features)).alignments;
            if alignments.len() != LOCATIONS.len() {
                return f64::INFINITY;
            }
            let moved = alignments.iter().map(|alignment| {
                let stored = LocationParams::read("", first, alignment.location).unwrap();
                function_difference(&alignment.aligned, &stored)
            });
            moved.fold(0.0, f64::max)
        }
        Law::MeanOfFunctions => {
            let mut adapters = case.adapters.clone();
            adapters[1] = reordered(first, &[case.permutation.clone(), vec![0]].concat());
            let weights = (1..=count).map(|weight| weight as f64).collect();
            let inputs = Inputs { weights, ..inputs(&adapters, &features) };
            let merged = merge(&inputs).params;
            let seen = DMatrix::from_fn(50, case.hidden, |i, j| 3.0 * f64::from(noise(31 * i + 7 * j + 5)));
            let differences = LOCATIONS.map(|location| {
                let merged = LocationParams::read("", &merged, location).unwrap().forward(&seen, params::relu);
                (merged - inputs.mean_of_functions(location, &seen).unwrap()).amax()
            });
            differences.into_iter().fold(0.0, f64::max)
        }
        Law::OneWeightGivesThatInput => {
            let differences = (0..count).map(|chosen| {
                let weights = (0..count).map(|input| if input == chosen { 2.5 } else { 0.0 }).collect();
                let merged = merge(&Inputs { weights, ..inputs(&case.adapters, &features) });
                functions_differ(&merged.params, &case.adapters[chosen])
            });
            differences.fold(0.0, f64::max)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_method_keeps_its_laws(case in case()) {
        for method in METHODS {
            for law in method.card().laws {
                let violation = violation(*method, *law, &case);
                prop_assert!(violation < ROUNDING, "{} breaks {law:?} by {violation}", method.card().id);
            }
        }
    }

    /// With ReLU the sum is N² times the average, but for the bias of the up projection, which is N times that: with the
    /// amplitude kept an N-th of it is left.
    #[test]
    fn a_sum_with_its_amplitude_kept_is_the_average_but_for_the_last_bias(case in case()) {
        let (features, count) = (features(40, case.hidden), case.adapters.len() as f32);
        let inputs = inputs(&case.adapters, &features);
        let [sum, mut average] = ["sum", "average"].map(|id| merge_with(id, &inputs, &[]).unwrap());
        for name in LOCATIONS.map(|location| location.param(Part::UpBias)) {
            let bias = average.params.get(&name).unwrap();
            let left = bias.values().iter().map(|value| value / count).collect();
            let left = Tensor::new(bias.shape(), left).unwrap();
            average.params.insert(name, left);
        }
        let scaled = |merged: &Merged, scale| {
            let mut merged = merged.clone();
            scale_output(&mut merged, &inputs, scale).unwrap();
            merged.params
        };
        let [sum, average, nothing] =
            [(&sum, Scale::Keep), (&average, Scale::Keep), (&sum, Scale::Factor(0.0))].map(|(merged, scale)| scaled(merged, scale));
        let (differ, amplitude) = (functions_differ(&sum, &average), functions_differ(&sum, &nothing));
        prop_assert!(differ < ROUNDING * amplitude.max(1.0), "{differ} of {amplitude}");
    }

    #[test]
    fn merging_twice_gives_the_same_to_the_last_digit(case in case()) {
        let features = features(40, case.hidden);
        for method in METHODS {
            let settings = Settings::defaults(method.card());
            let merge = || method.merge(&inputs(&case.adapters, &features), &settings).unwrap();
            prop_assert_eq!(merge(), merge());
        }
    }
}

/// What can't fail proves nothing: methods without a law break it.
#[test]
fn the_laws_can_fail() {
    let adapters = vec![adapter(4, 5, 1), adapter(4, 5, 2), adapter(4, 5, 3)];
    let case = Case { adapters, permutation: vec![2, 0, 3, 1], clones: 2, hidden: 5 };
    let breaks = |id, law| violation(method(id).unwrap(), law, &case) > 0.01;
    assert!(breaks("average", Law::PermutedCopyRecovered));
    assert!(breaks("average", Law::AlignmentKeepsFunction));
    assert!(breaks("average", Law::SumOfCopiesIsNTimesTheCopy));
    assert!(breaks("sum", Law::MergeOfCopiesIsTheCopy));
    assert!(breaks("mera_wts", Law::OrderInvariant));
    assert!(breaks("mera_acts", Law::OrderInvariant));
    assert!(breaks("mera_acts", Law::MeanOfFunctions));
    assert!(breaks("concat", Law::KeepsShapeOfReference));
}
