//! A pickle machine that can only build what a state dict is made of.
//!
//! Names are looked up in [`CALLABLES`] and [`super::STORAGES`] the moment they are read; any other ends the reading,
//! called or not. Containers live in arenas and refer to each other by index, so a pickle nested a million deep costs
//! no stack. Every instruction costs a bounded amount of memory, and [`MAX_INSTRUCTIONS`] bounds how many there are.
//! Opcodes: Python's Lib/pickletools.py.

use super::super::elements::Element;
use super::super::error::FormatError;
use super::view::{StorageRef, TensorRef};
use super::{STORAGES, op};
use std::collections::HashMap;
use std::rc::Rc;

/// Most axes of a tensor; real ones have four.
const MAX_AXES: usize = 16;

/// Longest name of a tensor or storage, in bytes.
const MAX_NAME: usize = 4096;

/// Most instructions of a pickle. A tensor takes some sixty, a PLM of 24 layers has 400 of them; each instruction costs
/// up to some 150 bytes, so that all together cost at most 40 MB.
const MAX_INSTRUCTIONS: usize = 1 << 18;

/// The tensors of a pickled `{name: tensor}`, in order.
pub(super) fn state_dict(pickle: &[u8]) -> Result<Vec<(String, TensorRef)>, FormatError> {
    let mut machine = Machine { input: pickle, ..Machine::default() };
    let Value::Dict(top) = machine.run()? else {
        return Err(machine.wrong("it holds no dictionary of tensors"));
    };
    let mut tensors: indexmap::IndexMap<Rc<str>, Rc<TensorRef>> = indexmap::IndexMap::new();
    for (key, value) in &machine.dicts[top] {
        let Value::Str(name) = key else {
            return Err(machine.wrong(format!("a key of the dictionary is {}, not a name", key.kind())));
        };
        let Value::Tensor(tensor) = value else {
            return Err(machine.wrong(format!("the entry {name} is {}, not a tensor", value.kind())));
        };
        if name.len() > MAX_NAME {
            return Err(machine.wrong(format!("the name {name} is longer than {MAX_NAME} bytes")));
        }
        tensors.insert(name.clone(), tensor.clone());
    }
    Ok(tensors.into_iter().map(|(name, tensor)| (name.to_string(), TensorRef::clone(&tensor))).collect())
}

/// What may be called. Everything else that a pickle names is refused.
const CALLABLES: [(&str, &str, Callable); 3] = [
    // Every tensor carries an empty one, for its hooks; a module's state dict is one.
    ("collections", "OrderedDict", Callable::OrderedDict),
    // (storage, offset, shape, strides, requires_grad, hooks)
    ("torch._utils", "_rebuild_tensor_v2", Callable::RebuildTensor),
    // (tensor, requires_grad, hooks): a state dict saved with its parameters instead of their data.
    ("torch._utils", "_rebuild_parameter", Callable::RebuildParameter),
];

#[derive(Clone, Copy, Debug)]
enum Callable {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Element),
}

/// A value on the stack; cheap to copy, containers are indices into the machine's arenas.
#[derive(Clone, Debug)]
enum Value {
    None,
    Bool,
    Int(i64),
    Float,
    Str(Rc<str>),
    Tuple(usize),
    List(usize),
    Dict(usize),
    Callable(Callable),
    Storage(Rc<StorageRef>),
    Tensor(Rc<TensorRef>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool => "a bool",
            Self::Int(_) => "an int",
            Self::Float => "a float",
            Self::Str(_) => "a string",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Callable(_) => "a callable",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

#[derive(Default)]
struct Machine<'a> {
    input: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
    /// Tuples and lists.
    sequences: Vec<Vec<Value>>,
    dicts: Vec<Vec<(Value, Value)>>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Value, FormatError> {
        for _ in 0..MAX_INSTRUCTIONS {
            let [opcode] = self.take()?;
            match opcode {
                op::PROTO => {
                    self.take::<1>()?;
                }
                op::FRAME => {
                    self.take::<8>()?;
                }
                op::STOP => return self.pop(),
                op::MARK => self.marks.push(self.stack.len()),
                op::NONE => self.stack.push(Value::None),
                op::NEWTRUE | op::NEWFALSE => self.stack.push(Value::Bool),
                op::BININT => {
                    let value = i32::from_le_bytes(self.take()?);
                    self.stack.push(Value::Int(value.into()));
                }
                op::BININT1 => {
                    let [value] = self.take()?;
                    self.stack.push(Value::Int(value.into()));
                }
                op::BININT2 => {
                    let value = u16::from_le_bytes(self.take()?);
                    self.stack.push(Value::Int(value.into()));
                }
                op::LONG1 => self.long()?,
                op::BINFLOAT => {
                    self.take::<8>()?;
                    self.stack.push(Value::Float);
                }
                op::BINUNICODE => {
                    let length = u32::from_le_bytes(self.take()?);
                    self.string(length as usize)?;
                }
                op::SHORT_BINUNICODE => {
                    let [length] = self.take()?;
                    self.string(length.into())?;
                }
                op::EMPTY_TUPLE => self.tuple(0)?,
                op::TUPLE1 => self.tuple(1)?,
                op::TUPLE2 => self.tuple(2)?,
                op::TUPLE3 => self.tuple(3)?,
                op::TUPLE => {
                    let items = self.pop_to_mark()?;
                    self.push_sequence(items, Value::Tuple);
                }
                op::EMPTY_LIST => self.push_sequence(Vec::new(), Value::List),
                op::APPEND => {
                    let item = self.pop()?;
                    self.extend_list(vec![item])?;
                }
                op::APPENDS => {
                    let items = self.pop_to_mark()?;
                    self.extend_list(items)?;
                }
                op::EMPTY_DICT => self.push_dict(),
                op::SETITEM => {
                    let items = self.pop_many(2)?;
                    self.extend_dict(items)?;
                }
                op::SETITEMS => {
                    let items = self.pop_to_mark()?;
                    self.extend_dict(items)?;
                }
                op::BINPUT => {
                    let [index] = self.take()?;
                    self.remember(index.into())?;
                }
                op::LONG_BINPUT => {
                    let index = u32::from_le_bytes(self.take()?);
                    self.remember(index as usize)?;
                }
                op::MEMOIZE => self.remember(self.memo.len())?,
                op::BINGET => {
                    let [index] = self.take()?;
                    self.recall(index.into())?;
                }
                op::LONG_BINGET => {
                    let index = u32::from_le_bytes(self.take()?);
                    self.recall(index as usize)?;
                }
                op::GLOBAL => {
                    let module = self.line()?;
                    let name = self.line()?;
                    self.global(&module, &name)?;
                }
                op::STACK_GLOBAL => match (self.pop()?, self.pop()?) {
                    (Value::Str(name), Value::Str(module)) => self.global(&module, &name)?,
                    _ => return Err(self.wrong("a callable is not named by two strings")),
                },
                op::BINPERSID => self.storage()?,
                op::REDUCE => self.reduce()?,
                op::BUILD => {
                    // A module's state dict carries version numbers as an attribute; nothing here needs them.
                    self.pop()?;
                    if !matches!(self.stack.last(), Some(Value::Dict(_))) {
                        return Err(self.wrong("attributes are set on something else than a dictionary"));
                    }
                }
                other => return Err(self.wrong(format!("instruction {other:#04x} is not one that state dicts use"))),
            }
        }
        Err(self.wrong(format!("it has more than {MAX_INSTRUCTIONS} instructions, more than weights need")))
    }

    fn wrong(&self, reason: impl Into<String>) -> FormatError {
        FormatError::Pickle { position: self.at, reason: reason.into() }
    }

    // ---- input

    fn take<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let bytes = self.input.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).copied();
        let bytes = bytes.ok_or_else(|| self.wrong("it ends in the middle"))?;
        self.at += N;
        Ok(bytes)
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], FormatError> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.input.len());
        let end = end.ok_or_else(|| self.wrong("it ends in the middle"))?;
        let bytes = &self.input[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String, FormatError> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let length = rest.iter().take(MAX_NAME).position(|&byte| byte == b'\n');
        let length = length.ok_or_else(|| self.wrong("a name does not end"))?;
        let line = String::from_utf8_lossy(self.slice(length)?).into_owned();
        self.at += 1;
        Ok(line)
    }

    fn string(&mut self, length: usize) -> Result<(), FormatError> {
        let text: Option<Rc<str>> = std::str::from_utf8(self.slice(length)?).ok().map(Rc::from);
        let text = text.ok_or_else(|| self.wrong("a string is not UTF-8"))?;
        self.stack.push(Value::Str(text));
        Ok(())
    }

    /// An integer of up to eight bytes, two's complement.
    fn long(&mut self) -> Result<(), FormatError> {
        let [length] = self.take()?;
        let bytes = self.slice(length.into())?;
        let negative = bytes.last().is_some_and(|&top| top & 0x80 != 0);
        let mut whole = if negative { [0xff; 8] } else { [0; 8] };
        let fits = bytes.len() <= whole.len();
        if fits {
            whole[..bytes.len()].copy_from_slice(bytes);
        }
        if !fits {
            return Err(self.wrong("an integer is longer than 64 bits"));
        }
        self.stack.push(Value::Int(i64::from_le_bytes(whole)));
        Ok(())
    }

    // ---- stack, memo, containers

    /// Pops `count` values that lie above the last mark.
    fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, FormatError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= floor);
        let start = start.ok_or_else(|| self.wrong("it takes more than there is"))?;
        Ok(self.stack.split_off(start))
    }

    fn pop(&mut self) -> Result<Value, FormatError> {
        let popped = self.pop_many(1)?.pop();
        popped.ok_or_else(|| self.wrong("it takes more than there is"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, FormatError> {
        let start = self.marks.pop().ok_or_else(|| self.wrong("it takes more than there is"))?;
        Ok(self.stack.split_off(start))
    }

    fn push_sequence(&mut self, items: Vec<Value>, value: fn(usize) -> Value) {
        self.stack.push(value(self.sequences.len()));
        self.sequences.push(items);
    }

    fn push_dict(&mut self) {
        self.stack.push(Value::Dict(self.dicts.len()));
        self.dicts.push(Vec::new());
    }

    fn tuple(&mut self, length: usize) -> Result<(), FormatError> {
        let items = self.pop_many(length)?;
        self.push_sequence(items, Value::Tuple);
        Ok(())
    }

    fn extend_list(&mut self, items: Vec<Value>) -> Result<(), FormatError> {
        match self.stack.last() {
            Some(&Value::List(list)) => self.sequences[list].extend(items),
            _ => return Err(self.wrong("items are appended to something else than a list")),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: Vec<Value>) -> Result<(), FormatError> {
        let Some(&Value::Dict(dict)) = self.stack.last() else {
            return Err(self.wrong("items are put into something else than a dictionary"));
        };
        if !items.len().is_multiple_of(2) {
            return Err(self.wrong("a key has no value"));
        }
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            self.dicts[dict].push((key, value));
        }
        Ok(())
    }

    fn remember(&mut self, index: usize) -> Result<(), FormatError> {
        let top = self.stack.last().cloned().ok_or_else(|| self.wrong("it remembers what is not there"))?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<(), FormatError> {
        let value = self.memo.get(&index).cloned().ok_or_else(|| self.wrong("it recalls what is not there"))?;
        self.stack.push(value);
        Ok(())
    }

    // ---- names and calls

    fn global(&mut self, module: &str, name: &str) -> Result<(), FormatError> {
        let listed = CALLABLES.iter().find(|(m, n, _)| (*m, *n) == (module, name)).map(|(_, _, callable)| *callable);
        let storage = || STORAGES.iter().find(|(n, _)| module == "torch" && *n == name);
        let callable = listed.or_else(|| storage().map(|(_, element)| Callable::Storage(*element)));
        let callable = callable.ok_or_else(|| FormatError::Callable { callable: format!("{module}.{name}") })?;
        self.stack.push(Value::Callable(callable));
        Ok(())
    }

    /// `('storage', class, key, device, elements)` becomes a storage.
    fn storage(&mut self) -> Result<(), FormatError> {
        let Value::Tuple(fields) = self.pop()? else {
            return Err(self.wrong("a storage is not described by a tuple"));
        };
        let storage = match &self.sequences[fields][..] {
            [
                Value::Str(tag),
                Value::Callable(Callable::Storage(element)),
                Value::Str(key),
                Value::Str(_),
                Value::Int(_),
            ] if &**tag == "storage" && key.len() <= MAX_NAME => StorageRef { key: key.to_string(), element: *element },
            _ => return Err(self.wrong("a storage is not described as torch does it")),
        };
        self.stack.push(Value::Storage(Rc::new(storage)));
        Ok(())
    }

    fn reduce(&mut self) -> Result<(), FormatError> {
        let (Value::Tuple(arguments), Value::Callable(callable)) = (self.pop()?, self.pop()?) else {
            return Err(self.wrong("it calls something else than a callable with a tuple"));
        };
        let value = match (callable, &self.sequences[arguments][..]) {
            (Callable::OrderedDict, []) => {
                self.push_dict();
                return Ok(());
            }
            (Callable::RebuildParameter, [Value::Tensor(tensor), ..]) => Value::Tensor(tensor.clone()),
            (
                Callable::RebuildTensor,
                [Value::Storage(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides), ..],
            ) => {
                let offset = usize::try_from(*offset).ok();
                let (shape, strides) = (self.counts(*shape), self.counts(*strides));
                match (offset, shape, strides) {
                    (Some(offset), Some(shape), Some(strides)) if shape.len() == strides.len() => {
                        Value::Tensor(Rc::new(TensorRef { storage: storage.clone(), offset, shape, strides }))
                    }
                    _ => return Err(self.wrong("a tensor's offset, shape and strides do not fit each other")),
                }
            }
            _ => return Err(self.wrong("a call has other arguments than torch gives it")),
        };
        self.stack.push(value);
        Ok(())
    }

    /// A tuple of at most [`MAX_AXES`] numbers from 0.
    fn counts(&self, tuple: usize) -> Option<Vec<usize>> {
        let items = &self.sequences[tuple];
        let count = |item: &Value| match item {
            Value::Int(n) => usize::try_from(*n).ok(),
            _ => None,
        };
        if items.len() <= MAX_AXES { items.iter().map(count).collect() } else { None }
    }
}
