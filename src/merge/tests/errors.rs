//! What is told when adapters can't be merged: one clear line that names the culprit and both sides.

use super::*;

fn error(id: &str, adapters: &[TensorSet], change: impl FnOnce(&mut Inputs)) -> String {
    let features = features(10, 5);
    let mut inputs = inputs(adapters, &features);
    change(&mut inputs);
    merge_with(id, &inputs, &[]).unwrap_err().to_string()
}

fn same(_: &mut Inputs) {}

fn with(mut set: TensorSet, name: &str, shape: &[usize], value: f32) -> TensorSet {
    set.insert(name, Tensor::new(shape, vec![value; shape.iter().product()]).unwrap());
    set
}

fn without(mut set: TensorSet, prefix: &str) -> TensorSet {
    let names: Vec<String> = set.names().filter(|name| name.starts_with(prefix)).map(str::to_owned).collect();
    names.iter().for_each(|name| drop(set.remove(name)));
    set
}

#[test]
fn methods_are_found_by_id() {
    let error = |id| method(id).map(|method| method.card().id).unwrap_err().to_string();
    insta::assert_snapshot!(error("mera_act"), @r#"there is no merge method "mera_act": did you mean "mera_acts"?"#);
    insta::assert_snapshot!(error("xyz"), @r#"there is no merge method "xyz""#);
}

#[test]
fn inputs_must_be_sound() {
    let two = [adapter(4, 5, 1), adapter(4, 5, 2)];
    insta::assert_snapshot!(error("average", &[], same), @"there is no adapter to merge");
    insta::assert_snapshot!(error("average", &two, |i| i.reference = 2), @"the reference is adapter 2 (from 0), but there are only 2");
    insta::assert_snapshot!(error("average", &two, |i| i.adapters[1].name = "a"), @r#"two of the adapters to merge are called "a""#);
    insta::assert_snapshot!(error("average", &two, |i| i.weights = vec![1.0]), @"1 weights for 2 adapters");
    insta::assert_snapshot!(error("average", &two, |i| i.weights = vec![1.0, -1.0]), @r#"the weight of adapter "b" is -1: weights are finite and not negative"#);
    insta::assert_snapshot!(error("average", &two, |i| i.weights = vec![f64::NAN, 1.0]), @r#"the weight of adapter "a" is NaN: weights are finite and not negative"#);
    insta::assert_snapshot!(error("average", &two, |i| i.weights = vec![0.0, 0.0]), @"the weights sum to 0: they must sum to a finite number above 0");
}

#[test]
fn tensors_must_fit() {
    let pair = |set: TensorSet| [adapter(4, 5, 1), set];
    let good = || adapter(4, 5, 2);
    insta::assert_snapshot!(error("average", &pair(TensorSet::new()), same), @r#"adapter "b" has no tensors"#);
    insta::assert_snapshot!(error("average", &pair(with(good(), "layer.0.output.gate.weight", &[1, 5], 0.0)), same), @r#"adapter "b" has the tensor layer.0.output.gate.weight, which is no part of a bottleneck adapter"#);
    insta::assert_snapshot!(error("average", &pair(with(good(), "layer.2.output.up_proj.bias", &[5], f32::NAN)), same), @r#"layer.2.output.up_proj.bias of adapter "b" holds NaN at index 0"#);
    insta::assert_snapshot!(error("average", &pair(with(good(), "layer.2.output.up_proj.weight", &[4, 5], 0.0)), same), @r#"layer.2.output.up_proj.weight of adapter "b" has shape [4, 5], where [5, 4] fits the other parts"#);
    insta::assert_snapshot!(error("average", &pair(with(good(), "layer.2.output.down_proj.weight", &[0, 5], 0.0)), same), @r#"layer.2.output.down_proj.weight of adapter "b" has shape [0, 5], where [bottleneck, hidden], both above 0, fits the other parts"#);
    insta::assert_snapshot!(error("average", &pair(without(good(), "layer.2.output.down_proj.bias")), same), @r#"adapter "b" has no layer.2.output.down_proj.bias, but other parts of that location"#);
    insta::assert_snapshot!(error("average", &pair(without(good(), "layer.2.output")), same), @r#"adapter "b" has nothing at layer.2.output, where adapter "a" has parameters"#);
    insta::assert_snapshot!(error("mera_wts", &pair(adapter(4, 6, 2)), same), @r#"adapters "a" and "b" are for different models: at layer.0.attention they are 5 and 6 wide"#);
    insta::assert_snapshot!(error("average", &pair(adapter(7, 5, 2)), same), @r#"average needs equal bottlenecks, but at layer.0.attention adapter "a" has 4 neurons and "b" has 7; these methods take both: mera_wts, mera_acts, concat, concat_reduced"#);
    let huge = || with(good(), "layer.2.output.up_proj.bias", &[5], 3e38);
    insta::assert_snapshot!(error("sum", &[huge(), huge()], same), @"the merged layer.2.output.up_proj.bias holds 6.0000000109955115e38 at index 0, which does not fit in 32 bits");
}

#[test]
fn features_must_fit() {
    let two = [adapter(4, 5, 1), adapter(4, 5, 2)];
    let narrow = features(10, 3);
    let mut one = Features::new();
    one.insert(LOCATIONS[0], noisy(vec![3, 5], 1)).unwrap();
    insta::assert_snapshot!(error("mera_acts", &two, |i| i.features = None), @"alignment by activations needs texts, to see what the adapters do on them, and none were given");
    let merge = |features| merge_with("mera_acts", &inputs(&two, features), &[]).unwrap_err().to_string();
    insta::assert_snapshot!(merge(&narrow), @"the features of layer.0.attention are 3 wide, the adapters 5");
    insta::assert_snapshot!(merge(&one), @"there are no features for layer.2.output");
    let mut insert = |tensor| one.insert(LOCATIONS[0], tensor).unwrap_err().to_string();
    insta::assert_snapshot!(insert(noisy(vec![0, 5], 1)), @"the features of layer.0.attention have shape [0, 5], where tokens × hidden is expected, both above 0");
    insta::assert_snapshot!(insert(Tensor::new([2, 1], vec![0.0, f32::INFINITY]).unwrap()), @"the features of layer.0.attention hold inf at token 1");
}

#[test]
fn scales_are_applied_with_care() {
    let (two, features) = ([adapter(4, 5, 1), adapter(4, 5, 2)], features(10, 5));
    let inputs = Inputs { features: None, ..inputs(&two, &features) };
    let mut merged = merge_with("average", &inputs, &[]).unwrap();
    let error = scale_output(&mut merged, &inputs, Scale::Keep).unwrap_err();
    insta::assert_snapshot!(error, @"the scale keep needs texts, to see what the adapters do on them, and none were given");
    let error = scale_output(&mut merged, &inputs, Scale::Factor(f64::NAN)).unwrap_err();
    insta::assert_snapshot!(error, @r#""NaN" is no scale: none, keep, sum or a finite number"#);
    let error = scale_output(&mut merged, &inputs, Scale::Factor(1e39)).unwrap_err().to_string();
    assert!(error.ends_with("which does not fit in 32 bits"), "{error}");
    let error = ensemble_distance(&adapter(4, 6, 1), &Inputs { features: Some(&features), ..inputs.clone() });
    insta::assert_snapshot!(error.unwrap_err(), @"the features of layer.0.attention are 5 wide, the adapters 6");
}
