//! The JSON Schema of a configuration file, from the same structs that read it.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;

use super::document::Document;

/// The schema as pretty JSON with a final line feed: what `fanlight schema` prints and `config/fanlight.schema.json` holds.
pub fn schema() -> String {
    let generator: SchemaGenerator = SchemaSettings::draft07().into_generator();
    let schema = generator.into_root_schema_for::<Document>();
    // A schema is plain JSON: maps with text keys, which serialise without fail.
    format!("{:#}\n", schema.as_value())
}
