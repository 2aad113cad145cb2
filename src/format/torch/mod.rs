//! What `torch.save` writes for a state dict: a zip archive with a pickle and one record a storage.
//!
//! ```text
//! {prefix}/data.pkl     pickle of {name: tensor}, a tensor = (storage, offset, shape, strides)
//! {prefix}/data/{key}   the storage's elements, raw
//! {prefix}/byteorder    "little" or "big"; absent before torch 2.1
//! {prefix}/version      "3\n"
//! ```
//!
//! The reader is our own and not the crate `pytorch-reader`, because that keeps calls it does not know as opaque
//! objects where a hostile file should be refused by name, has no bound on what a file unpacks to, and forgets the
//! order of the tensors. Layout and names: torch/serialization.py and torch/_utils.py of torch 2.

mod op;
mod unpickle;
mod view;
mod write;

pub use write::write;

use super::archive::damaged;
use super::elements::Element;
use super::error::{Count, FormatError};
use crate::tensors::{Tensor, TensorSet};
use indexmap::IndexMap;
use std::io::{Cursor, Read};
use view::{TensorRef, view};
use zip::ZipArchive;
use zip::result::ZipError;

/// Largest `data.pkl` read, in a file however large; that of a 12-layer PLM has 30 kB.
pub const MAX_PICKLE: usize = 64 << 20;

/// Times its own length that a file's tensors, or one of its records, may take in memory: int8 to f32 is 4, tied
/// weights stored once double.
const MAX_EXPANSION: usize = 8;

/// What any file may take in memory, however small.
const MIN_ALLOWANCE: usize = 1 << 20;

/// The number with which torch's old format begins (`MAGIC_NUMBER` in torch/serialization.py), as a pickle holds it.
const LEGACY: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Reads the tensors of a state dict, in the order of the pickle. Views into shared storages are copied out.
///
/// # Errors
/// [`FormatError::NotTorch`], [`FormatError::LegacyTorch`], [`FormatError::Zip`], [`FormatError::MissingRecord`],
/// [`FormatError::ByteOrder`], [`FormatError::Callable`], [`FormatError::Pickle`], [`FormatError::OutOfStorage`],
/// [`FormatError::Expands`], [`FormatError::EntryTooLarge`]. NaN is no error here: see [`super::check_finite`].
pub fn read(bytes: &[u8]) -> Result<TensorSet, FormatError> {
    let limit = bytes.len().saturating_mul(MAX_EXPANSION).max(MIN_ALLOWANCE);
    let mut archive = Archive::open(bytes)?;
    if let Some(order) = archive.optional_record("byteorder", limit)?
        && order.trim_ascii() != b"little"
    {
        return Err(FormatError::ByteOrder { found: String::from_utf8_lossy(&order).into_owned() });
    }
    let tensors = unpickle::state_dict(&archive.record("data.pkl", MAX_PICKLE.min(limit))?)?;
    check_size(&tensors, limit)?;

    // One storage at a time is in memory beside the tensors: they are visited by storage and put back in order.
    let mut by_storage: IndexMap<&str, Vec<usize>> = IndexMap::new();
    for (index, (_, tensor)) in tensors.iter().enumerate() {
        by_storage.entry(&tensor.storage.key).or_default().push(index);
    }
    let mut read: Vec<Option<Tensor>> = vec![None; tensors.len()];
    for (key, indices) in by_storage {
        let storage = archive.record(&format!("data/{key}"), limit)?;
        for index in indices {
            let (name, tensor) = &tensors[index];
            read[index] = Some(view(name, tensor, &storage)?);
        }
    }
    Ok(tensors.into_iter().zip(read).filter_map(|((name, _), tensor)| Some((name, tensor?))).collect())
}

/// Whether all tensors together stay within `limit` bytes as f32.
fn check_size(tensors: &[(String, TensorRef)], limit: usize) -> Result<(), FormatError> {
    let needed = tensors
        .iter()
        .try_fold(0usize, |sum, (_, tensor)| sum.checked_add(tensor.elements()?.checked_mul(size_of::<f32>())?));
    match needed {
        Some(needed) if needed <= limit => Ok(()),
        _ => Err(FormatError::Expands { needed: Count(needed), limit }),
    }
}

/// The zip archive and the folder in it that holds the records.
struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    prefix: String,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        if !bytes.starts_with(b"PK") {
            let legacy = bytes.get(..16).is_some_and(|start| start.windows(LEGACY.len()).any(|w| w == LEGACY));
            return Err(if legacy { FormatError::LegacyTorch } else { FormatError::NotTorch });
        }
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        let prefix = zip
            .file_names()
            .flatten()
            .find_map(|name| {
                name.strip_suffix("data.pkl").filter(|p| p.is_empty() || p.ends_with('/')).map(str::to_owned)
            })
            .ok_or_else(|| FormatError::MissingRecord { record: "data.pkl".to_owned() })?;
        Ok(Self { zip, prefix })
    }

    /// The bytes of a record, which must be there; their checksum is checked.
    fn record(&mut self, name: &str, limit: usize) -> Result<Vec<u8>, FormatError> {
        self.optional_record(name, limit)?.ok_or_else(|| FormatError::MissingRecord { record: name.to_owned() })
    }

    fn optional_record(&mut self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, FormatError> {
        let file = match self.zip.by_name(&format!("{}{name}", self.prefix)) {
            Err(ZipError::FileNotFound) => return Ok(None),
            file => file.map_err(damaged)?,
        };
        // The declared size is a claim: it sizes the buffer only up to the limit, and the limit holds for what comes.
        let declared = usize::try_from(file.size()).unwrap_or(usize::MAX);
        let broken = |error: &dyn std::fmt::Display| FormatError::Zip { reason: format!("{name}: {error}") };
        let mut bytes = Vec::new();
        if declared <= limit {
            bytes.try_reserve_exact(declared).map_err(|error| broken(&error))?;
            let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
            file.take(most).read_to_end(&mut bytes).map_err(|error| broken(&error))?;
        }
        if declared > limit || bytes.len() > limit {
            return Err(FormatError::EntryTooLarge { entry: name.to_owned(), limit });
        }
        Ok(Some(bytes))
    }
}

/// A storage's element type, by the name of its class in torch.
const STORAGES: [(&str, Element); 10] = [
    ("FloatStorage", Element::F32),
    ("HalfStorage", Element::F16),
    ("BFloat16Storage", Element::Bf16),
    ("DoubleStorage", Element::F64),
    ("CharStorage", Element::I8),
    ("ShortStorage", Element::I16),
    ("IntStorage", Element::I32),
    ("LongStorage", Element::I64),
    ("ByteStorage", Element::U8),
    ("BoolStorage", Element::Bool),
];

#[cfg(test)]
pub(super) mod tests {
    use super::super::fixtures::fixture;
    use super::super::safetensors;
    use super::*;
    use crate::tensors::Dtype;
    use insta::assert_snapshot;
    use proptest::prelude::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    /// Sets of a few small tensors of any finite values, scalars and empty ones among them.
    pub(in super::super) fn any_tensors() -> impl Strategy<Value = TensorSet> {
        let values = prop::num::f32::NORMAL | prop::num::f32::ZERO | prop::num::f32::SUBNORMAL;
        let tensor = prop::collection::vec(0usize..5, 0..4).prop_flat_map(move |shape| {
            let count: usize = shape.iter().product();
            prop::collection::vec(values, count).prop_map(move |v| Tensor::new(shape.clone(), v).unwrap())
        });
        prop::collection::vec(("[a-zä._0-9]{1,20}", tensor), 0..6).prop_map(|tensors| tensors.into_iter().collect())
    }

    /// An archive with these records.
    fn archive(records: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in records {
            zip.start_file(format!("archive/{name}"), SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn views_of_every_kind_and_type_are_read_as_torch_means_them() {
        let tensors = read(fixture!("views.bin")).unwrap();
        let expected = safetensors::read(fixture!("views.safetensors")).unwrap();
        assert_eq!(tensors.len(), expected.len());
        for (name, tensor) in tensors.iter() {
            let expected = expected.get(name).unwrap();
            assert_eq!(tensor.shape(), expected.shape(), "{name}");
            assert_eq!(tensor.values(), expected.values(), "{name}");
        }
        let dtype = |name| tensors.get(name).unwrap().dtype();
        assert_eq!(
            ["plain", "half", "bfloat16", "double", "int64", "bool"].map(dtype),
            [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::F64, Dtype::Int, Dtype::Int]
        );
        let order: Vec<_> = tensors.names().take(4).collect();
        assert_eq!(order, ["plain", "transposed", "slice", "row"]);
    }

    #[test]
    fn later_pickle_protocols_are_read() {
        let tensors = read(fixture!("protocol4.bin")).unwrap();
        assert_eq!(tensors.get("plain").unwrap().values()[23], 23.0);
    }

    #[test]
    fn bad_files_are_told() {
        let error = |bytes: &[u8]| read(bytes).unwrap_err();
        assert_snapshot!(error(fixture!("hostile/os_system.bin")), @"the pickle asks for posix.system, which weights never need; nothing was run");
        assert_snapshot!(error(fixture!("hostile/getattr.bin")), @"the pickle asks for __builtin__.getattr, which weights never need; nothing was run");
        assert_snapshot!(error(fixture!("hostile/big_endian.bin")), @r#"the torch archive says byteorder "big", only little is read"#);
        assert_snapshot!(error(fixture!("hostile/out_of_storage.bin")), @"tensor weight reaches to element 6 of a storage that holds 5");
        assert_snapshot!(error(fixture!("hostile/expand.bin")), @"the tensors take 4398046511104 bytes in memory, more than 1048576 for a file of its size");
        assert_snapshot!(error(fixture!("hostile/no_pickle.bin")), @"the torch archive lacks its record data.pkl");
        assert_snapshot!(error(fixture!("legacy.bin")), @"this file is in torch's old format (before 1.6, no zip): torch.load and torch.save in Python renew it");
        assert_snapshot!(error(fixture!("not_a_tensor.bin")), @"the pickle is wrong at byte 185: the entry epoch is an int, not a tensor");
        assert_snapshot!(error(b"version https://git-lfs.github.com/spec/v1"), @"this is not a file that torch.save wrote (it is no zip archive)");
        let whole = fixture!("two_layer_bin/pytorch_adapter.bin");
        assert_snapshot!(error(&whole[..whole.len() / 2]), @"the zip archive is damaged: its directory is missing, so it is cut short or no zip");
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let mut bytes = fixture!("two_layer_bin/pytorch_adapter.bin").to_vec();
        // In the middle of the first record of data, which begins on the first boundary after its header.
        let data = bytes.windows(6).position(|w| w == b"data/0").unwrap();
        bytes[data + 200] ^= 1;
        assert_snapshot!(read(&bytes).unwrap_err(), @"the zip archive is damaged: data/0: Invalid checksum");
    }

    #[test]
    fn wrong_pickles_are_told() {
        let error = |pickle: &[u8]| read(&archive(&[("data.pkl", pickle)])).unwrap_err();
        assert_snapshot!(error(b""), @"the pickle is wrong at byte 0: it ends in the middle");
        assert_snapshot!(error(b"\x80\x02."), @"the pickle is wrong at byte 3: it takes more than there is");
        assert_snapshot!(error(b"\x80\x02N."), @"the pickle is wrong at byte 4: it holds no dictionary of tensors");
        assert_snapshot!(error(b"\x80\x02}(K\x01K\x02u."), @"the pickle is wrong at byte 10: a key of the dictionary is an int, not a name");
        assert_snapshot!(error(b"\x80\x02}i"), @"the pickle is wrong at byte 4: instruction 0x69 is not one that state dicts use");
        assert_snapshot!(error(b"\x80\x02X\xff\xff\xff\xffabc"), @"the pickle is wrong at byte 7: it ends in the middle");
        assert_snapshot!(error(b"\x80\x02h\x07."), @"the pickle is wrong at byte 4: it recalls what is not there");
        assert_snapshot!(error(b"\x80\x02ccollections\nOrderedDict\n}R."), @"the pickle is wrong at byte 29: it calls something else than a callable with a tuple");
        assert_snapshot!(error(b"\x80\x02cevil\nrun\n."), @"the pickle asks for evil.run, which weights never need; nothing was run");
    }

    #[test]
    fn a_deeply_nested_pickle_costs_no_stack() {
        let mut pickle = vec![op::PROTO, 2, op::NONE];
        pickle.resize(200_000, op::TUPLE1);
        pickle.push(op::STOP);
        assert_snapshot!(read(&archive(&[("data.pkl", &pickle)])).unwrap_err(), @"the pickle is wrong at byte 200001: it holds no dictionary of tensors");
    }

    #[test]
    fn a_pickle_that_unpacks_out_of_proportion_is_refused() {
        let mut pickle = vec![op::PROTO, 2];
        pickle.resize(8 << 20, op::NONE);
        let small = archive(&[("data.pkl", &pickle)]);
        assert!(small.len() < 1 << 16, "{}", small.len());
        assert_snapshot!(read(&small).unwrap_err(), @"data.pkl in the zip archive unpacks to more than 1048576 bytes");
        let order = archive(&[("byteorder", &pickle), ("data.pkl", b"\x80\x02}.")]);
        assert_snapshot!(read(&order).unwrap_err(), @"byteorder in the zip archive unpacks to more than 1048576 bytes");
    }

    #[test]
    fn a_pickle_of_endless_values_is_refused() {
        let endless = |instruction| {
            let mut pickle = vec![op::PROTO, 2];
            pickle.resize(1_000_000, instruction);
            read(&archive(&[("data.pkl", &pickle)])).unwrap_err()
        };
        assert_snapshot!(endless(op::NONE), @"the pickle is wrong at byte 262145: it has more than 262144 instructions, more than weights need");
        assert_snapshot!(endless(op::EMPTY_DICT), @"the pickle is wrong at byte 262145: it has more than 262144 instructions, more than weights need");
        assert_snapshot!(endless(op::MARK), @"the pickle is wrong at byte 262145: it has more than 262144 instructions, more than weights need");
    }

    #[test]
    fn records_start_where_torch_starts_them() {
        let tensors = read(fixture!("views.bin")).unwrap();
        let bytes = write("archive", &tensors).unwrap();
        let mut zip = ZipArchive::new(Cursor::new(&bytes[..])).unwrap();
        for index in 0..zip.len() {
            let file = zip.by_index(index).unwrap();
            assert_eq!(file.data_start().unwrap() % 64, 0, "{:?}", file.name());
            assert_eq!(file.compressed_size(), file.size());
        }
    }

    #[test]
    fn a_written_pickle_imports_three_names() {
        let tensor = || Tensor::new([2, 3], vec![0.0; 6]).unwrap();
        let tensors = [("a", tensor()), ("b", tensor())].into_iter().collect();
        let bytes = write("archive", &tensors).unwrap();
        let pickle = Archive::open(&bytes).unwrap().record("data.pkl", MAX_PICKLE).unwrap();
        // An import is the only instruction here that holds a newline, and holds two.
        let count = |text: &[u8]| pickle.windows(text.len()).filter(|window| window == &text).count();
        let imports = ["torch._utils\n_rebuild_tensor_v2\n", "torch\nFloatStorage\n", "collections\nOrderedDict\n"];
        assert_eq!(imports.map(|import| count(format!("c{import}").as_bytes())), [2; 3]);
        assert_eq!(count(b"\n"), 2 * 6);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tensors in any_tensors()) {
            prop_assert_eq!(read(&write("archive", &tensors).unwrap()).unwrap(), tensors);
        }
    }
}
