//! The JSON Schema of a configuration file, from the same structs that read it.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::document::Document;

/// The schema as pretty JSON with a final line feed: what `fanlight schema` prints and `config/fanlight.schema.json` holds.
pub fn schema() -> String {
    let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(as_it_is_read));
    let generator: SchemaGenerator = settings.into_generator();
    let schema = generator.into_root_schema_for::<Document>();
    // A schema is plain JSON: maps with text keys, which serialise without fail.
    format!("{:#}\n", schema.as_value())
}

/// What the structs do not say: a key may be left out but not empty, and keys that begin with `x-` may stand anywhere.
fn as_it_is_read(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("additionalProperties") == Some(&Value::Bool(false)) {
        object.insert("patternProperties".to_owned(), json!({"^x-": true}));
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(forbid_null);
    }
}

fn forbid_null(property: &mut Value) {
    let Value::Object(property) = property else { return };
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(mut shapes)) = property.remove("anyOf") {
        shapes.retain(|shape| *shape != json!({"type": "null"}));
        // In draft 7, nothing may stand beside a bare `$ref`, such as the description here.
        let keyword = if shapes.len() == 1 { "allOf" } else { "anyOf" };
        property.insert(keyword.to_owned(), Value::Array(shapes));
    }
}
