//! Which of MySQL's types can be labels, which can be values, and what they are called.

use mysql_async::Column as Described;
use mysql_async::consts::{ColumnFlags, ColumnType};

use crate::rows::Column;

/// The character set of what is no text.
const BINARY: u16 = 63;

/// How the cells of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    /// Up to 64 bits, as the number that they make.
    Bits,
    /// A year of four digits.
    Year,
    /// DECIMAL, which comes as its digits.
    Decimal,
    Float,
    Date,
    /// DATETIME and TIMESTAMP, with so many digits of a second.
    DateTime(u8),
    /// A span of time, with so many digits of a second.
    Time(u8),
    Text,
    /// The type of a bare NULL.
    Null,
    /// Bytes that are no text.
    Bytes,
    /// Neither label nor value.
    Unsupported,
}

impl Kind {
    /// Whether cells of this kind are sample values.
    pub(super) fn is_numeric(self) -> bool {
        !matches!(self, Self::Text | Self::Bytes | Self::Unsupported)
    }

    /// Whether cells of this kind are labels.
    pub(super) fn is_label(self) -> bool {
        !matches!(self, Self::Bytes | Self::Unsupported)
    }
}

/// The columns of a result with what it takes to read their cells.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) described: Vec<Column>,
    pub(super) kinds: Vec<Kind>,
}

impl Columns {
    pub(super) fn of(columns: &[Described]) -> Self {
        let kinds: Vec<_> = columns.iter().map(kind).collect();
        let described = columns.iter().zip(&kinds).map(|(column, kind)| Column {
            name: column.name_str().into_owned(),
            type_name: name(column),
            numeric: kind.is_numeric(),
            label: kind.is_label(),
        });
        Self {
            described: described.collect(),
            kinds,
        }
    }
}

fn kind(column: &Described) -> Kind {
    use ColumnType::{
        MYSQL_TYPE_BIT, MYSQL_TYPE_BLOB, MYSQL_TYPE_DATE, MYSQL_TYPE_DATETIME, MYSQL_TYPE_DATETIME2,
        MYSQL_TYPE_DECIMAL, MYSQL_TYPE_DOUBLE, MYSQL_TYPE_ENUM, MYSQL_TYPE_FLOAT, MYSQL_TYPE_INT24, MYSQL_TYPE_LONG,
        MYSQL_TYPE_LONG_BLOB, MYSQL_TYPE_LONGLONG, MYSQL_TYPE_MEDIUM_BLOB, MYSQL_TYPE_NEWDATE, MYSQL_TYPE_NEWDECIMAL,
        MYSQL_TYPE_NULL, MYSQL_TYPE_SET, MYSQL_TYPE_SHORT, MYSQL_TYPE_STRING, MYSQL_TYPE_TIME, MYSQL_TYPE_TIME2,
        MYSQL_TYPE_TIMESTAMP, MYSQL_TYPE_TIMESTAMP2, MYSQL_TYPE_TINY, MYSQL_TYPE_TINY_BLOB, MYSQL_TYPE_VAR_STRING,
        MYSQL_TYPE_VARCHAR, MYSQL_TYPE_YEAR,
    };
    // What has no fixed number of digits, such as the result of some functions, says 31 or more.
    let digits = column.decimals().min(6);
    match column.column_type() {
        MYSQL_TYPE_TINY | MYSQL_TYPE_SHORT | MYSQL_TYPE_INT24 | MYSQL_TYPE_LONG | MYSQL_TYPE_LONGLONG => Kind::Integer,
        MYSQL_TYPE_BIT => Kind::Bits,
        MYSQL_TYPE_YEAR => Kind::Year,
        MYSQL_TYPE_DECIMAL | MYSQL_TYPE_NEWDECIMAL => Kind::Decimal,
        MYSQL_TYPE_FLOAT | MYSQL_TYPE_DOUBLE => Kind::Float,
        MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE => Kind::Date,
        MYSQL_TYPE_DATETIME | MYSQL_TYPE_DATETIME2 | MYSQL_TYPE_TIMESTAMP | MYSQL_TYPE_TIMESTAMP2 => {
            Kind::DateTime(digits)
        }
        MYSQL_TYPE_TIME | MYSQL_TYPE_TIME2 => Kind::Time(digits),
        MYSQL_TYPE_ENUM | MYSQL_TYPE_SET => Kind::Text,
        MYSQL_TYPE_NULL => Kind::Null,
        MYSQL_TYPE_STRING
        | MYSQL_TYPE_VAR_STRING
        | MYSQL_TYPE_VARCHAR
        | MYSQL_TYPE_TINY_BLOB
        | MYSQL_TYPE_BLOB
        | MYSQL_TYPE_MEDIUM_BLOB
        | MYSQL_TYPE_LONG_BLOB => {
            if column.character_set() == BINARY {
                Kind::Bytes
            } else {
                Kind::Text
            }
        }
        _ => Kind::Unsupported,
    }
}

/// The type's name as it stands in `CREATE TABLE`, as far as a result tells it.
fn name(column: &Described) -> String {
    use ColumnType::{
        MYSQL_TYPE_BLOB, MYSQL_TYPE_DECIMAL, MYSQL_TYPE_ENUM, MYSQL_TYPE_INT24, MYSQL_TYPE_LONG, MYSQL_TYPE_LONG_BLOB,
        MYSQL_TYPE_LONGLONG, MYSQL_TYPE_MEDIUM_BLOB, MYSQL_TYPE_NEWDATE, MYSQL_TYPE_NEWDECIMAL, MYSQL_TYPE_SET,
        MYSQL_TYPE_SHORT, MYSQL_TYPE_STRING, MYSQL_TYPE_TINY, MYSQL_TYPE_TINY_BLOB, MYSQL_TYPE_VAR_STRING,
        MYSQL_TYPE_VARCHAR,
    };
    let flags = column.flags();
    let text = |text: &'static str, bytes: &'static str| {
        if column.character_set() == BINARY { bytes } else { text }
    };
    let base = match column.column_type() {
        MYSQL_TYPE_TINY => "tinyint",
        MYSQL_TYPE_SHORT => "smallint",
        MYSQL_TYPE_INT24 => "mediumint",
        MYSQL_TYPE_LONG => "int",
        MYSQL_TYPE_LONGLONG => "bigint",
        MYSQL_TYPE_DECIMAL | MYSQL_TYPE_NEWDECIMAL => "decimal",
        MYSQL_TYPE_NEWDATE => "date",
        MYSQL_TYPE_ENUM => "enum",
        MYSQL_TYPE_SET => "set",
        MYSQL_TYPE_STRING if flags.contains(ColumnFlags::ENUM_FLAG) => "enum",
        MYSQL_TYPE_STRING if flags.contains(ColumnFlags::SET_FLAG) => "set",
        MYSQL_TYPE_STRING => text("char", "binary"),
        MYSQL_TYPE_VARCHAR | MYSQL_TYPE_VAR_STRING => text("varchar", "varbinary"),
        MYSQL_TYPE_TINY_BLOB | MYSQL_TYPE_BLOB | MYSQL_TYPE_MEDIUM_BLOB | MYSQL_TYPE_LONG_BLOB => text("text", "blob"),
        // The others' names are those of the protocol: float, bit, year, json, geometry ..
        other => {
            let named = format!("{other:?}").replace("MYSQL_TYPE_", "").to_ascii_lowercase();
            return named.trim_end_matches('2').to_owned();
        }
    };
    let number = matches!(kind(column), Kind::Integer | Kind::Decimal);
    if number && flags.contains(ColumnFlags::UNSIGNED_FLAG) {
        format!("{base} unsigned")
    } else {
        base.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_labels_values_or_neither() {
        use ColumnType as T;
        let (none, utf8) = (ColumnFlags::empty(), 45);
        for (column_type, flags, character_set, name, kind) in [
            (T::MYSQL_TYPE_TINY, none, BINARY, "tinyint", Kind::Integer),
            (
                T::MYSQL_TYPE_LONGLONG,
                ColumnFlags::UNSIGNED_FLAG,
                BINARY,
                "bigint unsigned",
                Kind::Integer,
            ),
            (T::MYSQL_TYPE_NEWDECIMAL, none, BINARY, "decimal", Kind::Decimal),
            (T::MYSQL_TYPE_FLOAT, none, BINARY, "float", Kind::Float),
            (T::MYSQL_TYPE_BIT, ColumnFlags::UNSIGNED_FLAG, BINARY, "bit", Kind::Bits),
            (
                T::MYSQL_TYPE_YEAR,
                ColumnFlags::UNSIGNED_FLAG,
                BINARY,
                "year",
                Kind::Year,
            ),
            (T::MYSQL_TYPE_TIMESTAMP2, none, BINARY, "timestamp", Kind::DateTime(3)),
            (T::MYSQL_TYPE_TIME, none, BINARY, "time", Kind::Time(3)),
            (T::MYSQL_TYPE_STRING, ColumnFlags::ENUM_FLAG, utf8, "enum", Kind::Text),
            (T::MYSQL_TYPE_STRING, ColumnFlags::SET_FLAG, utf8, "set", Kind::Text),
            (T::MYSQL_TYPE_STRING, none, BINARY, "binary", Kind::Bytes),
            (T::MYSQL_TYPE_VAR_STRING, none, utf8, "varchar", Kind::Text),
            (T::MYSQL_TYPE_BLOB, none, utf8, "text", Kind::Text),
            (T::MYSQL_TYPE_BLOB, none, BINARY, "blob", Kind::Bytes),
            (T::MYSQL_TYPE_JSON, none, BINARY, "json", Kind::Unsupported),
            (T::MYSQL_TYPE_GEOMETRY, none, BINARY, "geometry", Kind::Unsupported),
            (T::MYSQL_TYPE_VECTOR, none, BINARY, "vector", Kind::Unsupported),
            (T::MYSQL_TYPE_NULL, none, BINARY, "null", Kind::Null),
        ] {
            let column = Described::new(column_type)
                .with_flags(flags)
                .with_character_set(character_set)
                .with_decimals(3);
            assert_eq!((super::name(&column).as_str(), super::kind(&column)), (name, kind));
        }
    }
}
