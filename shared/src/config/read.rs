//! The tree into typed values by serde, without stopping at the first mistake.
//!
//! Serde ends at the first error. Here each value that can be wrong on its own is an [`Entry`]: when it cannot be read,
//! the mistake is noted with its place, the entry stays empty, and reading goes on with the next. Unknown keys are noted
//! and passed over. The shapes are plain derived structs, so that the JSON Schema comes from the same definitions.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

use super::document::likely_unit;
use super::yaml::{Key, Node, Value};
use crate::suggest;

/// Something that could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// So many problems have remedies; more are only told.
const MANY: usize = 100;

/// Keys whose values are secrets, unless they are placeholders.
pub(crate) const SECRET_KEYS: [&str; 4] = ["bearer", "client_key", "client_secret", "password"];
/// Keys under which people put secrets where they do not belong: `basic: user:password`, `placeholders: {P: password}`.
const NEAR_SECRETS: [&str; 3] = ["basic", "oauth2", "placeholders"];

/// What was read of a tree.
pub(crate) struct ReadTree<T> {
    pub(crate) entry: Entry<T>,
    pub(crate) problems: Vec<Problem>,
    /// The bytes of values that nobody may be shown: those that are secrets, and those under a key that is not known,
    /// which may be the misspelt key of a secret.
    pub(crate) secrets: Vec<Range<usize>>,
}

/// Reads a tree; what could not be read is left empty and told.
pub(crate) fn read<T: DeserializeOwned>(node: &Node) -> ReadTree<T> {
    let problems = RefCell::new(Vec::new());
    let secrets = RefCell::new(Vec::new());
    let entry = Entry::deserialize(Reader {
        node,
        problems: &problems,
        secrets: &secrets,
        near_secret: false,
        place: ("", ""),
    })
    .unwrap_or_else(|error| {
        problems.borrow_mut().extend(error.into_problem(node));
        Entry {
            span: node.span.clone(),
            value: None,
            problems: 1,
        }
    });
    ReadTree {
        entry,
        problems: problems.into_inner(),
        secrets: secrets.into_inner(),
    }
}

/// Notes where the plain values in a tree stand.
fn hide(node: &Node, secrets: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Sequence(nodes) => nodes.iter().for_each(|node| hide(node, secrets)),
        Value::Mapping(entries) => entries.iter().for_each(|(_, node)| hide(node, secrets)),
        _ => secrets.push(node.span.clone()),
    }
}

/// A value and where it stands; empty when it could not be read, which has then been told.
#[derive(Debug, Clone)]
pub(crate) struct Entry<T> {
    pub(crate) span: Range<usize>,
    pub(crate) value: Option<T>,
    /// How much could not be read in it, at any depth.
    pub(crate) problems: usize,
}

impl<T> Entry<T> {
    /// A value that does not stand in a file as it is.
    pub(crate) fn new(span: Range<usize>, value: T) -> Self {
        Self {
            span,
            value: Some(value),
            problems: 0,
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }
}

/// A mapping with keys of the user's choice, in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct Mapping<T>(pub(crate) Vec<(Entry<String>, Entry<T>)>);

const ENTRY: &str = "$fanlight::Entry";
/// The name under which a length of time is read, so that one without a unit is told by the key that it stands under.
pub(crate) const LENGTH: &str = "$fanlight::Length";
/// The name under which a number is read, likewise for one that is text.
pub(crate) const NUMBER: &str = "$fanlight::Number";

/// The name of an enum whose variants are told apart by the shape of the value, each variant named by [`shape`]. Serde's
/// own `untagged` would lose all places and take the first variant that fits.
const SHAPE: &str = "$fanlight::Shape";

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "a truth value",
        Value::Integer(_) => "a whole number",
        Value::Float(number) if number.is_finite() => "a number",
        // Of no variant's shape.
        Value::Float(_) => "no finite number",
        Value::Text(_) => "text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntryVisitor<T> {
            type Value = Entry<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Entry<T>, A::Error> {
                let start = parts.next_element()?.unwrap_or_default();
                let end = parts.next_element()?.unwrap_or_default();
                // An error has been noted by `EntryAccess`.
                let value = parts.next_element().ok().flatten();
                let problems = parts.next_element()?.unwrap_or_default();
                Ok(Entry {
                    span: start..end,
                    value,
                    problems,
                })
            }
        }

        deserializer.deserialize_newtype_struct(ENTRY, EntryVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Mapping<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MappingVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for MappingVisitor<T> {
            type Value = Mapping<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Mapping<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = mapping.next_entry()? {
                    entries.push(entry);
                }
                Ok(Mapping(entries))
            }
        }

        deserializer.deserialize_map(MappingVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Entry<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Mapping<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Mapping_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let values = generator.subschema_for::<T>();
        schemars::json_schema!({ "type": "object", "additionalProperties": values })
    }
}

/// Why a value could not be read. Its place is that of the innermost value that was being read.
#[derive(Debug)]
pub(crate) struct ReadError {
    message: String,
    help: Option<String>,
    span: Option<Range<usize>>,
    noted: bool,
}

impl ReadError {
    fn at(node: &Node, message: String) -> Self {
        Self {
            message,
            help: None,
            span: Some(node.span.clone()),
            noted: false,
        }
    }

    fn expected(reader: Reader<'_>, what: &str) -> Self {
        let node = reader.node;
        let found = match &node.value {
            Value::Boolean(_) | Value::Integer(_) | Value::Float(_) if reader.near_secret => {
                shape(&node.value).to_owned()
            }
            value => value.description(),
        };
        let error = Self::at(node, format!("expected {what}, found {found}"));
        let help = match (&node.value, what) {
            (Value::Null, _) => "give a value, or remove the key",
            (Value::Integer(_) | Value::Float(_) | Value::Boolean(_), "text") => "put it in quotes",
            (value, _) if !reader.near_secret => {
                return Self {
                    help: slip(reader.place, value, what),
                    ..error
                };
            }
            _ => return error,
        };
        Self {
            help: Some(help.to_owned()),
            ..error
        }
    }

    fn with_help(self, help: String) -> Self {
        Self {
            help: Some(help),
            ..self
        }
    }

    fn or_at(mut self, node: &Node) -> Self {
        self.span.get_or_insert_with(|| node.span.clone());
        self
    }

    fn into_problem(self, node: &Node) -> Option<Problem> {
        let span = self.span.unwrap_or_else(|| node.span.clone());
        (!self.noted).then_some(Problem {
            span,
            message: self.message,
            help: self.help,
        })
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
            help: None,
            span: None,
            noted: false,
        }
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("expected {expected}, found {unexpected}"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let error = if variant.is_empty() {
            Self::custom(format!("expected {}, found an empty text", list(expected)))
        } else {
            Self::custom(format!("`{variant}` is not one of {}", list(expected)))
        };
        let help = suggest::closest(variant, expected.iter().copied()).map(|word| format!("did you mean `{word}`?"));
        Self { help, ..error }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("`{field}` is missing"))
    }
}

/// `a`, `b` or `c`.
pub(crate) fn list(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    alternatives(&quoted)
}

/// a, b or c.
fn alternatives(words: &[impl AsRef<str>]) -> String {
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A number with one comma, unless that may stand between thousands, with a point in its place.
fn with_decimal_comma(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once(',')?;
    (fraction.len() != 3).then(|| format!("{whole}.{fraction}"))
}

/// What to write instead of a value that is of another kind than it should be, where it shows what was meant.
fn slip((structure, key): (&str, &str), found: &Value, expected: &str) -> Option<String> {
    match (structure, key, found, expected) {
        (_, _, Value::Text(word), "`true` or `false`") => match word.to_ascii_lowercase().as_str() {
            "no" | "off" | "n" | "false" => Some("write `false`, without quotes".to_owned()),
            "yes" | "on" | "y" | "true" => Some("write `true`, without quotes".to_owned()),
            _ => None,
        },
        (_, "by" | "labels" | "environments", Value::Text(word), "a list") => Some(format!("write `[{word}]`")),
        (_, "where", Value::Sequence(nodes), "a mapping") => {
            let label = match nodes.first().map(|node| &node.value) {
                Some(Value::Text(label)) => label,
                _ => "label",
            };
            Some(format!(
                "give each label the value that it must have: `{{{label}: ..}}`"
            ))
        }
        ("IndicatorSpec", "freshness", Value::Text(length), "a mapping") => {
            Some(format!("write `{{within: {length}}}`"))
        }
        ("SloSpec", "indicator", Value::Text(kind), "a mapping") => match kind.as_str() {
            "ratio" => Some("write `{ratio: {bad: {where: {..}}, total: {}, minimum: ..}}`".to_owned()),
            "threshold" => Some("write `{threshold: {bad_above: ..}}`, or with `bad_below`".to_owned()),
            "freshness" => Some("write `{freshness: {within: 30m}}`, or `{freshness: {}}`".to_owned()),
            _ => Some("write one of `{ratio: ..}`, `{threshold: ..}` and `{freshness: ..}`".to_owned()),
        },
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    problems: &'a RefCell<Vec<Problem>>,
    secrets: &'a RefCell<Vec<Range<usize>>>,
    /// Whether the node may hold a secret when it is not what it should be.
    near_secret: bool,
    /// The struct and the key that it is read for.
    place: (&'static str, &'a str),
}

impl<'a> Reader<'a> {
    fn with(self, node: &'a Node) -> Self {
        Self { node, ..self }
    }

    /// Keeps the node's values from being shown.
    fn hide(self) {
        hide(self.node, &mut self.secrets.borrow_mut());
    }

    fn note(self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    fn text(self) -> Result<&'a str, ReadError> {
        match &self.node.value {
            Value::Text(text) => Ok(text),
            _ => Err(ReadError::expected(self, "text")),
        }
    }

    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.node.value {
            // Unsigned where possible, so that "-1" is told apart from "too large".
            Value::Integer(number) => match u64::try_from(number) {
                Ok(number) => visitor.visit_u64(number),
                Err(_) => Err(ReadError::at(
                    self.node,
                    format!("expected a number of 0 or more, found {number}"),
                )),
            },
            _ => Err(ReadError::expected(self, "a whole number")),
        }
        .map_err(|error: ReadError| error.or_at(self.node))
    }

    fn length<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let number = match &self.node.value {
            Value::Integer(number) => number.to_string(),
            Value::Float(number) if number.is_finite() => number.to_string(),
            Value::Text(text) if text.parse::<u64>().is_ok() => text.clone(),
            _ => return self.deserialize_any(visitor),
        };
        let (structure, key) = self.place;
        let unit = likely_unit(structure, key);
        let help = format!("write `{number}{unit}`; `s`, `m`, `h` and `d` are seconds, minutes, hours and days");
        Err(ReadError::at(self.node, format!("{number} of which unit?")).with_help(help))
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let text = match &self.node.value {
            Value::Text(text) => text,
            Value::Float(number) if !number.is_finite() => {
                let help = "write a number such as 5 or 0.5".to_owned();
                return Err(ReadError::expected(self, "a number").with_help(help));
            }
            _ => return self.deserialize_any(visitor),
        };
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let help = if let Some(number) = number(text) {
            format!("write {number}, without quotes")
        } else if let Some(percent) = text.strip_suffix('%').and_then(number) {
            match self.place.1 {
                // Ratios are parts of 1 here, and what the metric of any other threshold counts, its query says.
                "above" | "below" => format!(
                    "write {percent}, or as a part of 1, as of a `ratio`: {}",
                    percent / 100.0
                ),
                _ => format!("write {percent}, without `%`"),
            }
        } else if let Some(number) = with_decimal_comma(text).as_deref().and_then(number) {
            format!("write {number}, with a point")
        } else {
            return Err(ReadError::expected(self, "a number"));
        };
        Err(ReadError::expected(self, "a number").with_help(help))
    }

    fn sequence<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Sequence(nodes) => visitor.visit_seq(Sequence {
                reader: self,
                nodes: nodes.iter(),
            }),
            _ => Err(ReadError::expected(self, "a list")),
        }
        .map_err(|error| error.or_at(self.node))
    }

    fn mapping<'de, V: Visitor<'de>>(
        self,
        known: Option<&'static [&'static str]>,
        structure: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Mapping(entries) => visitor.visit_map(Fields {
                reader: self,
                known,
                structure,
                entries: entries.iter(),
                reads: None,
            }),
            _ => Err(ReadError::expected(self, "a mapping")),
        }
        .map_err(|error| error.or_at(self.node))
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_str(text),
            Value::Sequence(_) => self.sequence(visitor),
            Value::Mapping(_) => self.mapping(None, "", visitor),
        }
        .map_err(|error: ReadError| error.or_at(self.node))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.node.value {
            Value::Boolean(value) => visitor.visit_bool(value),
            _ => Err(ReadError::expected(self, "`true` or `false`")),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.integer(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor
            .visit_str(self.text()?)
            .map_err(|error: ReadError| error.or_at(self.node))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        // A key that stands there without a value is a mistake of its own, told by whatever reads the value.
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match name {
            ENTRY => {
                let before = self.problems.borrow().len();
                visitor.visit_seq(EntryAccess {
                    reader: self,
                    part: 0,
                    before,
                })
            }
            LENGTH => self.length(visitor),
            NUMBER => self.number(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.sequence(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.mapping(None, "", visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.mapping(Some(fields), name, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name == SHAPE {
            if !variants.contains(&shape(&self.node.value)) {
                return Err(ReadError::expected(self, &alternatives(variants)));
            }
            return visitor
                .visit_enum(ShapeAccess { reader: self })
                .map_err(|error| error.or_at(self.node));
        }
        let text = self
            .text()
            .map_err(|_| ReadError::expected(self, &format!("one of {}", list(variants))))?;
        let word: StrDeserializer<'_, ReadError> = text.into_deserializer();
        visitor.visit_enum(word).map_err(|error| error.or_at(self.node))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

/// An [`Entry`]'s parts: where it begins and ends, its value, and how much could not be read in it.
struct EntryAccess<'a> {
    reader: Reader<'a>,
    part: u8,
    /// The problems before it was read.
    before: usize,
}

impl<'de> SeqAccess<'de> for EntryAccess<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        self.part += 1;
        let span = &self.reader.node.span;
        match self.part {
            1 => seed.deserialize((span.start as u64).into_deserializer()).map(Some),
            2 => seed.deserialize((span.end as u64).into_deserializer()).map(Some),
            3 => seed
                .deserialize(self.reader)
                .map(Some)
                .map_err(|error| error.or_at(self.reader.node).note(self.reader)),
            _ => {
                let problems = self.reader.problems.borrow().len() - self.before;
                seed.deserialize((problems as u64).into_deserializer()).map(Some)
            }
        }
    }
}

impl ReadError {
    /// Notes the error once, however many entries it passes through.
    fn note(mut self, reader: Reader<'_>) -> Self {
        if !self.noted {
            if reader.near_secret {
                reader.hide();
            }
            reader.note(Problem {
                span: self.span.clone().unwrap_or_else(|| reader.node.span.clone()),
                message: self.message.clone(),
                help: self.help.clone(),
            });
            self.noted = true;
        }
        self
    }
}

/// The variant of an enum that fits the value's shape.
struct ShapeAccess<'a> {
    reader: Reader<'a>,
}

impl<'de, 'a> EnumAccess<'de> for ShapeAccess<'a> {
    type Error = ReadError;
    type Variant = Reader<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Reader<'a>), ReadError> {
        let name: StrDeserializer<'_, ReadError> = shape(&self.reader.node.value).into_deserializer();
        Ok((seed.deserialize(name)?, self.reader))
    }
}

impl<'de> VariantAccess<'de> for Reader<'_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.sequence(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.mapping(Some(fields), "", visitor)
    }
}

struct Sequence<'a> {
    reader: Reader<'a>,
    nodes: std::slice::Iter<'a, Node>,
}

impl<'de> SeqAccess<'de> for Sequence<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        self.nodes
            .next()
            .map(|node| seed.deserialize(self.reader.with(node)))
            .transpose()
    }
}

/// A mapping's entries; where the keys are known, others are noted and passed over.
struct Fields<'a> {
    reader: Reader<'a>,
    known: Option<&'static [&'static str]>,
    /// The name of the struct that they are read into.
    structure: &'static str,
    entries: std::slice::Iter<'a, (Key, Node)>,
    /// The value of the key that was read last.
    reads: Option<Reader<'a>>,
}

/// `x-..` is where people keep what their YAML anchors refer to.
fn is_home_of_anchors(key: &Key) -> bool {
    key.name.starts_with("x-")
}

impl Fields<'_> {
    fn accepts(&self, key: &Key) -> bool {
        let Some(known) = self.known else { return true };
        if known.contains(&key.name.as_str()) {
            return true;
        }
        if !is_home_of_anchors(key) {
            // Some thousand unknown keys are no slip of the pen, and nobody reads on to the last.
            let many = self.reader.problems.borrow().len() > MANY;
            let file = known
                .iter()
                .find(|known| known.strip_suffix("_file") == Some(&key.name));
            let help = (!many).then(|| match suggest::closest(&key.name, known.iter().copied()) {
                _ if let Some(file) = file => {
                    format!("write `{file}`, and the name of a file that holds it: a secret does not stand here")
                }
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("the keys here are {}", known.join(", ")),
            });
            let (message, help) = if key.name.contains(|c: char| c.is_whitespace() || "=:".contains(c)) {
                // `password hunter2`: what stands behind the space may be a secret.
                self.reader.secrets.borrow_mut().push(key.span.clone());
                let help = "write `key: value`, with a space behind the colon".to_owned();
                ("this is no key".to_owned(), Some(help))
            } else {
                (format!("unknown key `{}`", key.name), help)
            };
            self.reader.note(Problem {
                span: key.span.clone(),
                message,
                help,
            });
        }
        false
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        while let Some((key, node)) = self.entries.next() {
            let reader = self.reader.with(node);
            if self.accepts(key) {
                let is_one_of = |keys: &[&str]| self.known.is_some() && keys.contains(&key.name.as_str());
                if is_one_of(&SECRET_KEYS) {
                    reader.hide();
                }
                self.reads = Some(Reader {
                    near_secret: reader.near_secret || is_one_of(&SECRET_KEYS) || is_one_of(&NEAR_SECRETS),
                    place: (self.structure, &key.name),
                    ..reader
                });
                return seed.deserialize(KeyReader { key }).map(Some);
            }
            // An anchor's home (`x-..`) is told nothing of, but an unknown key's line is shown.
            if !is_home_of_anchors(key) {
                reader.hide();
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        // Serde asks for a value only after a key.
        seed.deserialize(self.reads.take().unwrap_or(self.reader))
    }
}

/// A key, as a field's name or as an `Entry<String>`.
struct KeyReader<'a> {
    key: &'a Key,
}

impl<'de> Deserializer<'de> for KeyReader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_str(&self.key.name)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let Key { span, name } = self.key;
        visitor.visit_seq(KeyAccess { span, name, part: 0 })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct KeyAccess<'a> {
    span: &'a Range<usize>,
    name: &'a str,
    part: u8,
}

impl<'de> SeqAccess<'de> for KeyAccess<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        self.part += 1;
        match self.part {
            1 => seed.deserialize((self.span.start as u64).into_deserializer()).map(Some),
            2 => seed.deserialize((self.span.end as u64).into_deserializer()).map(Some),
            3 => seed.deserialize(self.name.into_deserializer()).map(Some),
            // A key that cannot be read is no key.
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
