//! Every type as a label and as a sample value.

use anyhow::Result;
use fanlight_tests::MariaDb;
use shared::mysql::Connections;

use crate::databases::{begin, table, with_parameters};

/// A column's definition, what is inserted, the type's name, the label and the value.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    Option<f64>,
);

const CASES: &[Case] = &[
    ("TINYINT", "-128", "tinyint", Some("-128"), Some(-128.0)),
    ("BOOLEAN", "TRUE", "tinyint", Some("1"), Some(1.0)),
    ("TINYINT UNSIGNED", "255", "tinyint unsigned", Some("255"), Some(255.0)),
    ("SMALLINT", "-32768", "smallint", Some("-32768"), Some(-32_768.0)),
    (
        "SMALLINT UNSIGNED",
        "65535",
        "smallint unsigned",
        Some("65535"),
        Some(65_535.0),
    ),
    (
        "MEDIUMINT",
        "-8388608",
        "mediumint",
        Some("-8388608"),
        Some(-8_388_608.0),
    ),
    ("INT", "-2147483648", "int", Some("-2147483648"), Some(-2_147_483_648.0)),
    (
        "INT UNSIGNED",
        "4294967295",
        "int unsigned",
        Some("4294967295"),
        Some(4_294_967_295.0),
    ),
    ("INT(6) ZEROFILL", "42", "int unsigned", Some("42"), Some(42.0)),
    (
        "BIGINT",
        "-9223372036854775808",
        "bigint",
        Some("-9223372036854775808"),
        Some(-9_223_372_036_854_775_808.0),
    ),
    (
        "BIGINT UNSIGNED",
        "18446744073709551615",
        "bigint unsigned",
        Some("18446744073709551615"),
        Some(18_446_744_073_709_551_615.0),
    ),
    ("DECIMAL(5, 2)", "1.50", "decimal", Some("1.50"), Some(1.5)),
    ("DECIMAL(10, 1)", "0.1", "decimal", Some("0.1"), Some(0.1)),
    (
        "DECIMAL(65, 30)",
        "-12345678901234567890123456789012345.678901234567890123456789012345",
        "decimal",
        Some("-12345678901234567890123456789012345.678901234567890123456789012345"),
        Some(-1.234_567_890_123_457e34),
    ),
    ("FLOAT", "0.1", "float", Some("0.1"), Some(0.1)),
    ("FLOAT", "16777216", "float", Some("16777216"), Some(16_777_216.0)),
    (
        "DOUBLE",
        "0.1e0 + 0.2e0",
        "double",
        Some("0.30000000000000004"),
        Some(0.300_000_000_000_000_04),
    ),
    ("DOUBLE", "-1.7e308", "double", Some("-1.7e308"), Some(-1.7e308)),
    ("BIT(1)", "b'1'", "bit", Some("1"), Some(1.0)),
    (
        "BIT(64)",
        "18446744073709551615",
        "bit",
        Some("18446744073709551615"),
        Some(18_446_744_073_709_551_615.0),
    ),
    ("YEAR", "2024", "year", Some("2024"), Some(2024.0)),
    (
        "DATE",
        "'2024-02-29'",
        "date",
        Some("2024-02-29"),
        Some(1_709_164_800.0),
    ),
    (
        "DATE",
        "'9999-12-31'",
        "date",
        Some("9999-12-31"),
        Some(253_402_214_400.0),
    ),
    (
        "DATETIME",
        "'1969-12-31 23:59:59'",
        "datetime",
        Some("1969-12-31 23:59:59"),
        Some(-1.0),
    ),
    (
        "DATETIME(6)",
        "'2024-05-06 07:08:09.123456'",
        "datetime",
        Some("2024-05-06 07:08:09.123456"),
        Some(1_714_979_289.123_456),
    ),
    // Written in the zone of the connection that inserts it, which is the server's: 05:30 east.
    (
        "TIMESTAMP(3)",
        "'2024-05-06 12:38:09.5'",
        "timestamp",
        Some("2024-05-06 07:08:09.500"),
        Some(1_714_979_289.5),
    ),
    ("TIME", "'-838:59:59'", "time", Some("-838:59:59"), Some(-3_020_399.0)),
    ("TIME(2)", "'00:05:00.25'", "time", Some("00:05:00.25"), Some(300.25)),
    ("CHAR(5)", "'ab'", "char", Some("ab"), None),
    (
        "VARCHAR(9) CHARACTER SET utf8mb4",
        "'é\"\\'🦀'",
        "varchar",
        Some("é\"'🦀"),
        None,
    ),
    (
        "VARCHAR(9) CHARACTER SET latin1",
        "'café'",
        "varchar",
        Some("café"),
        None,
    ),
    ("TEXT CHARACTER SET ucs2", "'Grüße'", "text", Some("Grüße"), None),
    ("LONGTEXT", "'long'", "text", Some("long"), None),
    ("ENUM('paid', 'failed')", "'failed'", "enum", Some("failed"), None),
    ("SET('a', 'b', 'c')", "'a,c'", "set", Some("a,c"), None),
    // In MariaDB a text that has to be JSON; a type of its own, and no label, in MySQL.
    ("JSON", "'{\"a\": 1}'", "text", Some("{\"a\": 1}"), None),
    (
        "UUID",
        "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
        "char",
        Some("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        None,
    ),
    ("INET6", "'::1'", "char", Some("::1"), None),
    ("BINARY(2)", "'ab'", "binary", None, None),
    ("VARBINARY(9)", "'ab'", "varbinary", None, None),
    ("BLOB", "'ab'", "blob", None, None),
    ("POINT", "POINT(1, 2)", "geometry", None, None),
];

#[tokio::test]
async fn every_type_is_read() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    let columns: Vec<_> = CASES
        .iter()
        .enumerate()
        .map(|(index, (definition, ..))| format!("c{index} {definition} NULL"))
        .collect();
    let values: Vec<_> = CASES.iter().map(|(_, value, ..)| *value).collect();
    database
        .execute(&format!("CREATE TABLE t ({})", columns.join(", ")))
        .await?;
    database
        .execute(&format!(
            "INSERT INTO t VALUES ({}); INSERT INTO t () VALUES ()",
            values.join(", ")
        ))
        .await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let read = table(&mut transaction, "SELECT * FROM t").await?;
    for (index, (definition, _, type_name, label, value)) in CASES.iter().enumerate() {
        let column = &read.columns[index];
        assert_eq!(column.type_name, *type_name, "{definition}");
        assert_eq!(
            (column.label, column.numeric),
            (label.is_some(), value.is_some()),
            "{definition}"
        );
        let (text, number) = &read.rows[0][index];
        match label {
            Some(_) => assert_eq!(text.as_ref().unwrap().as_deref(), *label, "{definition}"),
            None => assert!(text.is_err(), "{definition}"),
        }
        match value {
            Some(_) => assert_eq!(number.as_ref().unwrap(), value, "{definition}"),
            None => assert!(number.is_err(), "{definition}"),
        }
        // NULL is NULL whatever the type.
        assert_eq!(read.rows[1][index], (Ok(None), Ok(None)), "{definition}");
    }
    Ok(())
}

#[tokio::test]
async fn expressions_are_read() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    for (expression, label, value) in [
        ("NULL", None, Some(None)),
        ("1 > 0", Some("1"), Some(Some(1.0))),
        ("COUNT(*)", Some("1"), Some(Some(1.0))),
        ("SUM(1.5)", Some("1.5"), Some(Some(1.5))),
        ("AVG(2)", Some("2.0000"), Some(Some(2.0))),
        ("1 / 3", Some("0.3333"), Some(Some(0.3333))),
        ("CONCAT('a', 1)", Some("a1"), None),
        ("CAST(5 AS CHAR)", Some("5"), None),
        ("GROUP_CONCAT('x')", Some("x"), None),
        ("DATE_FORMAT('2024-05-06', '%Y')", Some("2024"), None),
        ("JSON_VALUE('{\"a\": 5}', '$.a')", Some("5"), None),
        (
            "CAST('2024-05-06' AS DATE)",
            Some("2024-05-06"),
            Some(Some(1_714_953_600.0)),
        ),
        ("TIMEDIFF('10:00:00', '09:00:00')", Some("01:00:00"), Some(Some(3600.0))),
        ("FROM_UNIXTIME(0)", Some("1970-01-01 00:00:00"), Some(Some(0.0))),
        ("UNIX_TIMESTAMP('1970-01-01 00:00:10')", Some("10"), Some(Some(10.0))),
        ("@@session.time_zone", Some("+00:00"), None),
    ] {
        let read = table(&mut transaction, &format!("SELECT {expression} AS c")).await?;
        let (text, number) = &read.rows[0][0];
        assert_eq!(text.as_ref().unwrap().as_deref(), label, "{expression}");
        assert_eq!(number.as_ref().ok(), value.as_ref(), "{expression}");
    }
    Ok(())
}

#[tokio::test]
async fn a_zero_date_is_a_label_and_no_point_in_time() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    database
        .execute(
            "CREATE TABLE t (d DATE, t DATETIME); SET sql_mode = ''; INSERT INTO t VALUES ('0000-00-00', '2024-00-00')",
        )
        .await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    let read = table(&mut transaction, "SELECT d, t FROM t").await?;
    for (index, label) in [(0, "0000-00-00"), (1, "2024-00-00 00:00:00")] {
        let (text, number) = &read.rows[0][index];
        assert_eq!(text.as_ref().unwrap().as_deref(), Some(label));
        let error = number.as_ref().unwrap_err().to_string();
        assert!(
            error.contains("a date with a zero in it is no point in time; write NULLIF"),
            "{error}"
        );
    }
    let read = table(&mut transaction, "SELECT NULLIF(d, 0) FROM t").await?;
    assert_eq!(read.rows[0][0].1, Ok(None));
    Ok(())
}

#[tokio::test]
async fn parameters_are_bound() -> Result<()> {
    let database = MariaDb::shared().await?.database().await?;
    database
        .execute(
            "CREATE TABLE t (n BIGINT, l VARCHAR(20), at DATETIME(6));
             INSERT INTO t VALUES (9007199254740993, 'a''b', '2026-01-31 10:20:00'), (2, 'c', '2026-01-31 10:19:59')",
        )
        .await?;
    let connections = Connections::new();
    let mut transaction = begin(&connections, &database.url()).await?;
    for (sql, parameters, expected) in [
        (
            "SELECT l FROM t WHERE n = ?",
            &[Some("9007199254740993")][..],
            &["a'b"][..],
        ),
        ("SELECT n FROM t WHERE l = ?", &[Some("a'b")], &["9007199254740993"]),
        (
            "SELECT l FROM t WHERE at >= ?",
            &[Some("2026-01-31 10:20:00.000000")],
            &["a'b"],
        ),
        ("SELECT l FROM t WHERE l = ? OR n = ?", &[None, Some("2")], &["c"]),
        ("SELECT l FROM t WHERE l = '?' OR n = ?", &[Some("2")], &["c"]),
        ("SELECT ? AS l", &[Some("' OR 1 = 1 -- ")], &["' OR 1 = 1 -- "]),
        ("SELECT CAST(? AS SIGNED) AS n", &[Some("7")], &["7"]),
    ] {
        let read = with_parameters(&mut transaction, sql, parameters).await?;
        assert_eq!(read.texts(), expected, "{sql}");
    }
    for (sql, parameters, words) in [
        ("SELECT ?", &[][..], "the query has 1 parameter (?) and is given 0"),
        (
            "SELECT 1",
            &[Some("x")],
            "the query has 0 parameters (?) and is given 1",
        ),
        ("SELECT ?, :x", &[Some("x")], "the query has a `:name` besides its `?`"),
    ] {
        let error = with_parameters(&mut transaction, sql, parameters).await.unwrap_err();
        assert_eq!(error.to_string().split(';').next(), Some(words), "{sql}");
    }
    Ok(())
}
