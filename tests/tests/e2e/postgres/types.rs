//! Every scalar type as a label and as a sample value.

use anyhow::Result;
use fanlight_tests::Postgres;
use shared::postgres::Connections;

use crate::databases::{begin, table, with_parameters};

/// An expression, its type's name, its label and its value.
type Case = (&'static str, &'static str, &'static str, Option<f64>);

const CASES: &[Case] = &[
    ("(-5)::int2", "int2", "-5", Some(-5.0)),
    ("2147483647", "int4", "2147483647", Some(2_147_483_647.0)),
    (
        "9007199254740993::int8",
        "int8",
        "9007199254740993",
        Some(9_007_199_254_740_992.0),
    ),
    ("4294967295::oid", "oid", "4294967295", Some(4_294_967_295.0)),
    ("0.1::numeric", "numeric", "0.1", Some(0.1)),
    ("1.50", "numeric", "1.50", Some(1.5)),
    (
        "12345678901234567890123456789012345678.901234567890",
        "numeric",
        "12345678901234567890123456789012345678.901234567890",
        Some(1.234_567_890_123_456_8e37),
    ),
    ("'Infinity'::numeric", "numeric", "Infinity", Some(f64::INFINITY)),
    ("'-Infinity'::numeric", "numeric", "-Infinity", Some(f64::NEG_INFINITY)),
    ("0.1::float4", "float4", "0.1", Some(0.1)),
    (
        "0.1::float8 + 0.2",
        "float8",
        "0.30000000000000004",
        Some(0.300_000_000_000_000_04),
    ),
    ("'-Infinity'::float8", "float8", "-Infinity", Some(f64::NEG_INFINITY)),
    ("1e308::float8 * 1.7", "float8", "1.7e+308", Some(1.7e308)),
    ("true", "bool", "true", Some(1.0)),
    ("false", "bool", "false", Some(0.0)),
    ("'paid'::state", "state", "paid", None),
    ("'Paid'::citext", "citext", "Paid", None),
    ("5::euros", "numeric", "5", Some(5.0)),
    ("'x'::text", "text", "x", None),
    ("'é\"\\'::varchar(9)", "varchar", "é\"\\", None),
    ("'ab'::char(5)", "bpchar", "ab", None),
    ("'x'::\"char\"", "char", "x", None),
    ("'pg_class'::name", "name", "pg_class", None),
    ("'pg_class'::regclass", "regclass", "pg_class", None),
    ("'literal'", "text", "literal", None),
    (
        "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid",
        "uuid",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        None,
    ),
    ("'10.0.0.1'::inet", "inet", "10.0.0.1", None),
    ("'10.0.0.0/8'::cidr", "cidr", "10.0.0.0/8", None),
];

/// Expressions whose value is what `EXTRACT(EPOCH ..)` says.
const EPOCHS: [&str; 24] = [
    "'0'::interval",
    "'1 year 2 months 3 days 04:05:06.789'::interval",
    "'-1 years -2 months +3 days -04:05:06.5'::interval",
    "'25 months'::interval",
    "'-0.000001 seconds'::interval",
    "'178000000 years'::interval",
    "'1000000:00:00.000001'::interval",
    "'1970-01-01'::date",
    "'2024-02-29'::date",
    "'0001-01-01'::date",
    "'0044-03-15 BC'::date",
    "'4713-01-01 BC'::date",
    "'5874897-12-31'::date",
    "'infinity'::date",
    "'1969-12-31 23:59:59.999999'::timestamp",
    "'2024-05-06 07:08:09.123456'::timestamp",
    "'294276-12-31 23:59:59.999999'::timestamp",
    "'-infinity'::timestamp",
    "'2024-05-06 07:08:09.123456+05:30'::timestamptz",
    "'1890-01-01 00:00:00+00'::timestamptz",
    "'0044-03-15 12:00:00+00 BC'::timestamptz",
    "'infinity'::timestamptz",
    "'23:59:59.999999'::time",
    "'24:00:00'::time",
];

const SETUP: &str = "CREATE TYPE state AS ENUM ('paid', 'failed'); CREATE DOMAIN euros AS numeric CHECK (VALUE > 0); \
                     CREATE EXTENSION citext; CREATE TYPE pair AS (a int, b int); CREATE TABLE t (n int);";

#[tokio::test]
async fn every_scalar_type_is_read() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    database.execute(SETUP).await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let expressions: Vec<&str> = CASES.iter().map(|(expression, ..)| *expression).collect();
    let read = table(&mut transaction, &format!("SELECT {}", expressions.join(", "))).await?;
    for (index, (expression, type_name, label, value)) in CASES.iter().enumerate() {
        let column = &read.columns[index];
        assert_eq!(column.type_name, *type_name, "{expression}");
        assert_eq!(column.numeric, value.is_some(), "{expression}");
        let (text, number) = &read.rows[0][index];
        assert_eq!(text.as_ref().unwrap().as_deref(), Some(*label), "{expression}");
        match value {
            Some(value) => assert_eq!(number.as_ref().unwrap(), &Some(*value), "{expression}"),
            None => assert!(number.is_err(), "{expression}"),
        }
    }
    let not_a_number = table(&mut transaction, "SELECT 'NaN'::numeric, 'NaN'::float4").await?;
    assert!(
        not_a_number.rows[0]
            .iter()
            .all(|(_, number)| number.clone().unwrap().unwrap().is_nan())
    );
    Ok(())
}

#[tokio::test]
async fn spans_and_points_in_time_are_what_extract_epoch_says_in_every_session() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    for options in [
        "",
        "?options=-c%20timezone=Asia/Kolkata%20-c%20datestyle=german%20-c%20intervalstyle=sql_standard",
        "?options=-c%20timezone=America/St_Johns%20-c%20extra_float_digits=-15",
    ] {
        let connections = Connections::new();
        let mut transaction = begin(&connections, &format!("{}{options}", database.url())).await?;
        for expression in EPOCHS {
            let sql = format!("SELECT {expression}, EXTRACT(EPOCH FROM {expression})::float8");
            let read = table(&mut transaction, &sql).await?;
            let [(_, value), (_, epoch)] = read.rows[0].as_slice() else {
                panic!("{expression}")
            };
            assert!(read.columns[0].numeric, "{expression}");
            assert_eq!(value, epoch, "{expression} {options}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn null_is_neither_text_nor_number_of_any_type() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let read = table(&mut transaction, "SELECT NULL::int, NULL::text, NULL::jsonb, NULL").await?;
    for (text, number) in &read.rows[0] {
        assert_eq!((text, number), (&Ok(None), &Ok(None)));
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_column_and_type_without_its_value() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    database.execute(SETUP).await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let label = "this type cannot be a label; cast it to text in the query";
    for (expression, type_name) in [
        ("ARRAY[4711]", "int4[]"),
        ("ARRAY['paid'::state]", "state[]"),
        ("'{\"a\": 4711}'::json", "json"),
        ("'{\"a\": 4711}'::jsonb", "jsonb"),
        ("'\\x4711'::bytea", "bytea"),
        ("ROW(4711, 2)::pair", "pair"),
        ("ROW(4711, 2)", "record"),
        ("4711::money", "money"),
        ("'04:07:11+00'::timetz", "timetz"),
        ("int4range(4711, 4712)", "int4range"),
        ("'(4711,1)'::point", "point"),
    ] {
        let sql = format!("SELECT {expression} AS \"what is it\"");
        let read = table(&mut transaction, &sql).await?;
        let (text, number) = &read.rows[0][0];
        let said = text.clone().unwrap_err().to_string();
        assert_eq!(said, format!("column \"what is it\" of type {type_name}: {label}"));
        assert!(number.is_err(), "{expression}");
    }
    let read = table(&mut transaction, "SELECT 'hunter2'::text AS a, 1e400::numeric AS b").await?;
    let said = |column: usize| read.rows[0][column].1.clone().unwrap_err().to_string();
    assert_eq!(
        said(0),
        "column \"a\" of type text: this type is not a number; cast it to one in the query"
    );
    assert_eq!(
        said(1),
        "column \"b\" of type numeric: a value is out of the range of a 64-bit floating-point number"
    );
    Ok(())
}

#[tokio::test]
async fn parameters_are_converted_to_the_types_that_the_server_infers() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    database.execute(SETUP).await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let sql = "SELECT $1 + 1, $2::state, now() < $3, $4::text, $5::jsonb ->> 'a', $6::int";
    let hostile = "'; DROP TABLE t; -- $1 \\ \u{1F600}";
    let parameters = [
        Some("41"),
        Some("paid"),
        Some("2999-01-01 00:00Z"),
        Some(hostile),
        Some("{\"a\": 7}"),
        None,
    ];
    let read = with_parameters(&mut transaction, sql, &parameters).await?;
    let texts: Vec<Option<String>> = read.rows[0].iter().map(|(text, _)| text.clone().unwrap()).collect();
    let expected = [Some("42"), Some("paid"), Some("true"), Some(hostile), Some("7"), None];
    assert_eq!(texts, expected.map(|text| text.map(str::to_owned)));
    Ok(())
}

#[tokio::test]
async fn an_enumeration_made_after_the_connection_is_known_at_once() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    assert_eq!(table(&mut transaction, "SELECT 1").await?.texts(), ["1"]);
    transaction.finish().await;
    database.execute(SETUP).await?;
    for _ in 0..2 {
        let mut transaction = begin(&connections, &database.url()).await?;
        let read = table(&mut transaction, "SELECT 'failed'::state").await?;
        assert_eq!(
            (read.texts(), read.columns[0].type_name.as_str()),
            (vec!["failed"], "state")
        );
        transaction.finish().await;
    }
    Ok(())
}
