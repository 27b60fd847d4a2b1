//! JSON objects in which no name may stand twice: which of two values counts is not left to chance.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A JSON object as it was read.
pub(super) struct Object<V> {
    fields: BTreeMap<String, V>,
    repeated: Option<String>,
}

/// A name that stands twice.
#[derive(Debug)]
pub(super) struct Repeated(pub(super) String);

impl<V> Object<V> {
    /// The values by their names, if each name stands there once.
    pub(super) fn fields(self) -> Result<BTreeMap<String, V>, Repeated> {
        match self.repeated {
            None => Ok(self.fields),
            Some(name) => Err(Repeated(name)),
        }
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Object<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

struct Fields<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Fields<V> {
    type Value = Object<V>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Object {
            fields: BTreeMap::new(),
            repeated: None,
        };
        while let Some((name, value)) = map.next_entry::<String, V>()? {
            match object.fields.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => object.repeated = Some(entry.key().clone()),
            }
        }
        Ok(object)
    }
}
