//! Which of PostgreSQL's types can be labels, which can be values, and what they are called.

use std::collections::HashMap;
use std::fmt::Write as _;

use tokio_postgres::types::{Kind as PgKind, Oid, Type};

use super::wire::Rows;

/// How the text of a column's cells is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Integers, floats and NUMERIC: decimal text.
    Decimal,
    Boolean,
    Interval,
    Date,
    Timestamp,
    Time,
    /// A label and nothing else.
    Text,
    /// `char(n)`: a label without the blanks that fill it up.
    Padded,
    /// Neither label nor value.
    Unsupported,
}

impl Kind {
    /// Whether cells of this kind are sample values.
    pub(super) fn is_numeric(self) -> bool {
        !matches!(self, Self::Text | Self::Padded | Self::Unsupported)
    }

    /// Whether cells of this kind are labels.
    pub(super) fn is_label(self) -> bool {
        self != Self::Unsupported
    }
}

/// A type by its name and how its text is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TypeInfo {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// Types that a database has beyond PostgreSQL's own, as far as they have been asked for. An OID stays with its type
/// as long as the type exists.
#[derive(Debug, Default)]
pub(super) struct UserTypes(HashMap<Oid, TypeInfo>);

impl UserTypes {
    /// The type, unless it is one of the database's own that has not been asked for.
    pub(super) fn get(&self, oid: Oid) -> Option<TypeInfo> {
        Type::from_oid(oid)
            .map(|known| built_in(&known))
            .or_else(|| self.0.get(&oid).cloned())
    }

    /// The question for types that are missing, or `None` if none is. [`UserTypes::learn`] takes the answer.
    pub(super) fn question(&self, oids: impl Iterator<Item = Oid>) -> Option<String> {
        let mut list = String::new();
        for oid in oids.filter(|oid| self.get(*oid).is_none()) {
            let comma = if list.is_empty() { "" } else { "," };
            let _ = write!(list, "{comma}{oid}");
        }
        (!list.is_empty()).then(|| {
            format!(
                "SELECT oid, pg_catalog.format_type(oid, NULL), typcategory FROM pg_catalog.pg_type WHERE oid IN ({list})"
            )
        })
    }

    pub(super) fn learn(&mut self, rows: &Rows) {
        for row in rows {
            let [Some(oid), Some(name), Some(category)] = row.as_slice() else {
                continue;
            };
            let Ok(oid) = oid.parse() else { continue };
            // The categories of pg_type: enumerations and strings (citext is one). A domain never appears here: the
            // server describes its columns by the base type.
            let kind = if matches!(category.as_str(), "E" | "S") {
                Kind::Text
            } else {
                Kind::Unsupported
            };
            self.0.insert(
                oid,
                TypeInfo {
                    name: name.clone(),
                    kind,
                },
            );
        }
    }
}

fn built_in(known: &Type) -> TypeInfo {
    let name = match known.kind() {
        PgKind::Array(element) => format!("{}[]", element.name()),
        _ => known.name().to_owned(),
    };
    let kind = match *known {
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID | Type::NUMERIC | Type::FLOAT4 | Type::FLOAT8 => Kind::Decimal,
        Type::BOOL => Kind::Boolean,
        Type::INTERVAL => Kind::Interval,
        Type::DATE => Kind::Date,
        Type::TIMESTAMP | Type::TIMESTAMPTZ => Kind::Timestamp,
        Type::TIME => Kind::Time,
        Type::BPCHAR => Kind::Padded,
        Type::TEXT
        | Type::VARCHAR
        | Type::NAME
        | Type::CHAR
        | Type::UNKNOWN
        | Type::UUID
        | Type::INET
        | Type::CIDR
        | Type::MACADDR
        | Type::MACADDR8
        | Type::REGCLASS
        | Type::REGTYPE
        | Type::REGNAMESPACE
        | Type::REGROLE => Kind::Text,
        _ => Kind::Unsupported,
    };
    TypeInfo { name, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_labels_values_or_neither() {
        let types = UserTypes::default();
        for (known, name, kind) in [
            (Type::NUMERIC, "numeric", Kind::Decimal),
            (Type::OID, "oid", Kind::Decimal),
            (Type::BPCHAR, "bpchar", Kind::Padded),
            (Type::UUID, "uuid", Kind::Text),
            (Type::MONEY, "money", Kind::Unsupported),
            (Type::TIMETZ, "timetz", Kind::Unsupported),
            (Type::JSONB, "jsonb", Kind::Unsupported),
            (Type::INT8_ARRAY, "int8[]", Kind::Unsupported),
        ] {
            assert_eq!(
                types.get(known.oid()),
                Some(TypeInfo {
                    name: name.to_owned(),
                    kind
                })
            );
        }
    }

    #[test]
    fn types_of_the_database_are_asked_for_once() {
        let mut types = UserTypes::default();
        let question = types.question([Type::INT4.oid(), 90001, 90002].into_iter()).unwrap();
        assert!(question.ends_with("IN (90001,90002)"), "{question}");
        let row = |oid: &str, name: &str, category: &str| {
            vec![Some(oid.to_owned()), Some(name.to_owned()), Some(category.to_owned())]
        };
        types.learn(&vec![row("90001", "mood", "E"), row("90002", "address", "C")]);
        assert_eq!(types.question([90001, 90002].into_iter()), None);
        assert_eq!(
            types.get(90001),
            Some(TypeInfo {
                name: "mood".to_owned(),
                kind: Kind::Text
            })
        );
        assert_eq!(
            types.get(90002),
            Some(TypeInfo {
                name: "address".to_owned(),
                kind: Kind::Unsupported
            })
        );
    }
}
