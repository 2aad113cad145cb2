//! A BERT encoder out of an ONNX file, under the names that it has on the Hugging Face hub.
//!
//! The exporter of PyTorch keeps the names of embeddings, biases and layer norms behind a prefix. The matrices it stores
//! transposed and calls `onnx::MatMul_N`; which is which is told by the graph: each belongs to the bias that is added
//! to its product.
//!
//! Of the format (`onnx.proto` of github.com/onnx/onnx) only the fields read here are declared; the rest is skipped.

use anyhow::{Context, Result, bail, ensure};
use prost::Message;
use safetensors::tensor::{TensorView, serialize};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "4")]
    op_type: String,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

/// `TensorProto.DataType.FLOAT`.
const FLOAT: i32 = 1;
const BYTES: usize = size_of::<f32>();

/// Shape and little-endian `f32` values.
type Weights = (Vec<usize>, Vec<u8>);

/// The safetensors file of the encoder in an ONNX file, whose named weights begin with `prefix`.
///
/// # Errors
/// When the file is no ONNX, holds other numbers than `f32`, or the graph leaves a matrix without a name.
pub fn encoder(onnx: &[u8], prefix: &str) -> Result<Vec<u8>> {
    let model = ModelProto::decode(onnx).context("it is not an ONNX file")?;
    let graph = model.graph.context("it has no graph")?;
    let mut tensors: BTreeMap<String, Weights> = BTreeMap::new();
    for tensor in &graph.initializer {
        let (name, weights) = match tensor.name.strip_prefix(prefix) {
            Some(name) => (name.to_owned(), read(tensor)?),
            None => (weight_name(&graph, &tensor.name, prefix)?, transposed(read(tensor)?)?),
        };
        ensure!(!tensors.contains_key(&name), "there are two tensors for {name}");
        tensors.insert(name, weights);
    }
    let mut views = BTreeMap::new();
    for (name, (shape, values)) in &tensors {
        views.insert(name, TensorView::new(Dtype::F32, shape.clone(), values)?);
    }
    Ok(serialize(views, None)?)
}

/// A safetensors file of a BERT model, with the encoder alone and written as [`encoder`] writes it: one digest for one
/// set of weights.
///
/// # Errors
/// When it is no safetensors file.
pub fn without_extras(file: &[u8]) -> Result<Vec<u8>> {
    let tensors = SafeTensors::deserialize(file)?;
    let is_extra = |name: &str| name.starts_with("pooler.") || name == "embeddings.position_ids";
    let views: BTreeMap<_, _> = tensors.iter().filter(|(name, _)| !is_extra(name)).collect();
    Ok(serialize(views, None)?)
}

fn read(tensor: &TensorProto) -> Result<Weights> {
    ensure!(tensor.data_type == FLOAT, "{} has data type {}, expected {FLOAT}, f32", tensor.name, tensor.data_type);
    let shape = tensor.dims.iter().map(|&dim| usize::try_from(dim)).collect::<Result<Vec<_>, _>>();
    let shape = shape.with_context(|| format!("{} has shape {:?}", tensor.name, tensor.dims))?;
    let expected = shape.iter().try_fold(BYTES, |size, &dim| size.checked_mul(dim));
    let found = tensor.raw_data.len();
    ensure!(expected == Some(found), "{} has {found} bytes, which is not its shape {shape:?}", tensor.name);
    Ok((shape, tensor.raw_data.clone()))
}

/// The name of a matrix: that of the bias which is added to its product.
fn weight_name(graph: &GraphProto, matrix: &str, prefix: &str) -> Result<String> {
    let reader = |op: &str, input: &str| {
        graph.node.iter().find(|node| node.op_type == op && node.input.iter().any(|name| name == input))
    };
    let product = reader("MatMul", matrix).and_then(|node| node.output.first());
    let product = product.with_context(|| format!("nothing is multiplied by {matrix}"))?;
    let sum = reader("Add", product).with_context(|| format!("nothing is added to the product of {matrix}"))?;
    let bias = sum.input.iter().find_map(|name| name.strip_prefix(prefix)?.strip_suffix(".bias"));
    let bias = bias.with_context(|| format!("what is added to the product of {matrix} is no bias of {prefix}"))?;
    Ok(format!("{bias}.weight"))
}

fn transposed((shape, values): Weights) -> Result<Weights> {
    let &[rows, columns] = shape.as_slice() else { bail!("a factor of a product has shape {shape:?}") };
    let mut turned = Vec::with_capacity(values.len());
    for column in 0..columns {
        for row in 0..rows {
            let at = (row * columns + column) * BYTES;
            turned.extend_from_slice(&values[at..at + BYTES]);
        }
    }
    Ok((vec![columns, rows], turned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        TensorProto { dims: dims.to_vec(), data_type: FLOAT, name: name.into(), raw_data }
    }

    fn node(op: &str, input: &[&str], output: &str) -> NodeProto {
        let input = input.iter().map(|&name| name.to_owned()).collect();
        NodeProto { input, output: vec![output.into()], op_type: op.into() }
    }

    fn graph() -> GraphProto {
        GraphProto {
            // The bias comes first or second in a sum, and a product may feed more than the sum.
            node: vec![
                node("MatMul", &["x", "onnx::MatMul_7"], "product"),
                node("Add", &["m.layer.0.dense.bias", "product"], "sum"),
                node("MatMul", &["sum", "other"], "scores"),
            ],
            initializer: vec![
                tensor("m.layer.0.dense.bias", &[3], &[7.0, 8.0, 9.0]),
                tensor("onnx::MatMul_7", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            ],
        }
    }

    fn file(graph: GraphProto) -> Vec<u8> {
        ModelProto { graph: Some(graph) }.encode_to_vec()
    }

    #[test]
    fn a_matrix_is_named_after_its_bias_and_turned() {
        let bytes = encoder(&file(graph()), "m.").unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.names().len(), 2);
        let values = |name: &str| -> Vec<f32> {
            let data = tensors.tensor(name).unwrap().data().to_vec();
            data.chunks(4).map(|value| f32::from_le_bytes(value.try_into().unwrap())).collect()
        };
        assert_eq!(tensors.tensor("layer.0.dense.weight").unwrap().shape(), [3, 2]);
        assert_eq!(values("layer.0.dense.weight"), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(values("layer.0.dense.bias"), [7.0, 8.0, 9.0]);
    }

    #[test]
    fn a_model_with_a_pooler_has_the_digest_of_its_encoder() {
        let encoder = encoder(&file(graph()), "m.").unwrap();
        let tensors = SafeTensors::deserialize(&encoder).unwrap();
        let mut more: Vec<_> = tensors.iter().collect();
        for extra in ["pooler.dense.weight", "embeddings.position_ids"] {
            more.push((extra, tensors.tensor("layer.0.dense.bias").unwrap()));
        }
        let metadata = [("format".to_owned(), "pt".to_owned())].into();
        let whole = serialize(more, Some(metadata)).unwrap();
        assert_eq!(without_extras(&whole).unwrap(), encoder);
    }

    #[test]
    fn what_is_no_such_file_is_told() {
        let error = |graph: GraphProto| format!("{:#}", encoder(&file(graph), "m.").unwrap_err());
        let changed = |change: fn(&mut GraphProto)| {
            let mut graph = graph();
            change(&mut graph);
            error(graph)
        };
        assert!(encoder(b"\x3a\xff\xff\xff\xff\x0f", "m.").is_err());
        assert_eq!(encoder(b"", "m.").unwrap_err().to_string(), "it has no graph");
        assert_eq!(changed(|graph| drop(graph.node.remove(1))), "nothing is added to the product of onnx::MatMul_7");
        assert_eq!(changed(|graph| graph.node.clear()), "nothing is multiplied by onnx::MatMul_7");
        let other = changed(|graph| graph.node[1].input[0] = "x".into());
        assert_eq!(other, "what is added to the product of onnx::MatMul_7 is no bias of m.");
        let half = changed(|graph| graph.initializer[0].data_type = 10);
        assert_eq!(half, "m.layer.0.dense.bias has data type 10, expected 1, f32");
        let short = changed(|graph| graph.initializer[0].dims = vec![4]);
        assert_eq!(short, "m.layer.0.dense.bias has 12 bytes, which is not its shape [4]");
        let twice = changed(|graph| graph.initializer.push(graph.initializer[1].clone()));
        assert_eq!(twice, "there are two tensors for layer.0.dense.weight");
    }
}
