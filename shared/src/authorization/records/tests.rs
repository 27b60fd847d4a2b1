//! What the document may hold, and what it may not.

use super::*;

const HASH: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn record(fields: &[(&str, &str)]) -> String {
    let hash = format!("\"{HASH}\"");
    let mut all = vec![
        ("id", "\"r\""),
        ("sha256", hash.as_str()),
        ("client", "\"acme\""),
        ("organisations", "[\"acme-fr\"]"),
        ("expires", "\"2027-06-30T00:00:00Z\""),
    ];
    for (name, value) in fields {
        all.retain(|(other, _)| other != name);
        if !value.is_empty() {
            all.push((name, value));
        }
    }
    let fields: Vec<_> = all.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", fields.join(", "))
}

fn document(records: &[String]) -> String {
    format!("{{\"tokens\": [\n{}\n]}}", records.join(",\n"))
}

fn flaws(records: &[String]) -> Vec<String> {
    let text = document(records);
    let read = Records::read(&text, Opens::Series).unwrap();
    assert_eq!(read.records.len() + read.flaws.len(), records.len(), "{text}");
    let shown = format!("{:?}", read.flaws);
    assert!(!shown.contains(&HASH[..8]) && !shown.contains("hunter2"), "{shown}");
    read.flaws.iter().map(ToString::to_string).collect()
}

#[test]
fn a_record_is_read_as_it_is_written() {
    let full = record(&[
        ("origins", "[\"203.0.113.0/24\", \"2001:db8::1\"]"),
        ("plan", "\"gold\""),
        ("expires", "\"2027-06-30T02:00:00.9+02:00\""),
    ]);
    let least = record(&[
        ("id", "\"a.b_c-9\""),
        ("sha256", &format!("\"{}\"", HASH.replace('2', "3"))),
    ]);
    let read = Records::read(&document(&[full, least]), Opens::Series).unwrap();
    assert_eq!(read.flaws, []);
    let [full, least] = read.records.as_slice() else {
        panic!("{read:?}")
    };
    assert_eq!(
        (full.id.as_str(), full.client.as_str(), full.plan.as_str()),
        ("r", "acme", "gold")
    );
    assert_eq!(full.hash.to_hex(), HASH);
    assert_eq!(full.organisations, ["acme-fr"]);
    assert_eq!(full.expires, "2027-06-30T00:00:00Z".parse().unwrap());
    assert_eq!((least.plan.as_str(), &least.origins), ("default", &None));
    for (address, full_may) in [(Some("203.0.113.1"), true), (Some("203.0.114.1"), false), (None, false)] {
        let address = address.map(|address| address.parse().unwrap());
        assert_eq!(full.may_come_from(address), full_may, "{address:?}");
        assert!(least.may_come_from(address));
    }
    for record in &read.records {
        let text = document(&[record.to_json().to_string()]);
        assert_eq!(
            Records::read(&text, Opens::Series).unwrap().records,
            std::slice::from_ref(record),
            "{text}"
        );
    }
}

#[test]
fn a_record_with_a_flaw_is_left_out_and_told() {
    let origins = "is not a list of addresses and networks such as [\"203.0.113.0/24\"], at least one";
    let expires = "has a field `expires` that is not a point in time such as \"2027-06-30T00:00:00Z\"";
    let organisations = "has a field `organisations` that is not a list of texts, at least one";
    let client = "has a field `client` that is not a text of 1 to 128 characters without `:`";
    let long = format!("\"{}\"", "a".repeat(129));
    let cases: &[(&str, &str, &str)] = &[
        ("expires", "", "2:1: the token record 1 (`r`) has no field `expires`"),
        ("expires", "null", expires),
        ("expires", "\"2027-06-30\"", expires),
        ("expires", "\"2027-06-30T00:00:00\"", expires),
        ("expires", "1814313600", expires),
        (
            "expire",
            "\"hunter2\"",
            "(`r`) has an unknown field `expire`; did you mean `expires`?",
        ),
        (
            "origin",
            "[\"hunter2\"]",
            "has an unknown field `origin`; did you mean `origins`?",
        ),
        ("comment", "\"hunter2\"", "has an unknown field `comment`"),
        ("hunter2", "\"a\"", "(`r`) has an unknown field"),
        ("origins", "[]", origins),
        ("origins", "null", origins),
        ("origins", "\"203.0.113.0/24\"", origins),
        ("origins", "[\"hunter2\"]", origins),
        ("origins", "[\"203.0.113.0/24\", \"\"]", origins),
        ("organisations", "", "has no field `organisations`"),
        ("organisations", "[]", organisations),
        ("organisations", "[\"\"]", organisations),
        ("organisations", "\"acme-fr\"", organisations),
        ("organisations", "[\"a\", null]", organisations),
        ("sha256", "", "has no field `sha256`"),
        (
            "sha256",
            "\"hunter2\"",
            "has a field `sha256` that is not 64 hexadecimal digits",
        ),
        ("client", "", "has no field `client`"),
        ("client", "\"\"", client),
        ("client", "\"a:b\"", client),
        ("client", "\"a\\nb\"", client),
        ("client", &long, client),
        ("plan", "null", "has a field `plan` that is not a plan's name"),
        ("plan", "\"\"", "has a field `plan` that is not a plan's name"),
        ("id", "", "2:1: the token record 1 has no field `id`"),
        ("id", "\"\"", "the token record 1 has a field `id`"),
        (
            "id",
            "\"hunter2 \"",
            "the token record 1 has a field `id` that is not 1 to 64 letters, digits",
        ),
        ("id", &long, "the token record 1 has a field `id`"),
    ];
    for (field, value, expected) in cases {
        let told = flaws(&[record(&[(field, value)])]);
        assert!(
            told.len() == 1 && told[0].contains(expected),
            "{field} {value}: {told:?}"
        );
    }
    for (text, expected) in [
        ("\"hunter2\"", "2:1: the token record 1 is no JSON object"),
        ("null", "2:1: the token record 1 is no JSON object"),
        ("[]", "2:1: the token record 1 is no JSON object"),
        (
            "{\"id\": \"r\", \"expires\": \"2027-06-30T00:00:00Z\", \"expires\": \"2999-06-30T00:00:00Z\"}",
            "2:1: the token record 1 has the field `expires` twice",
        ),
    ] {
        assert_eq!(flaws(&[text.to_owned()]), [expected]);
    }
}

#[test]
fn a_flaw_is_its_records_own_and_has_a_place() {
    let other = |id: &str, digit: &str| {
        record(&[
            ("id", &format!("\"{id}\"")),
            ("sha256", &format!("\"{}\"", HASH.replace('2', digit))),
        ])
    };
    let text = format!(
        "{{\"tokens\": [\n  {},\n  {{\"id\": \"é\\u0061\",\n \"plan\": 1}}, {}]}}",
        other("a", "3"),
        other("b", "4")
    );
    let read = Records::read(&text, Opens::Series).unwrap();
    let ids: Vec<_> = read.records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    let told: Vec<_> = read.flaws.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["3:10: the token record 2 has a field `id` that is not 1 to 64 letters, digits, `.`, `_` or `-`"]
    );
}

#[test]
fn records_that_share_a_name_or_a_token_are_none() {
    let other = format!("\"{}\"", HASH.replace('2', "3"));
    let third = format!("\"{}\"", HASH.replace('2', "4"));
    let told = flaws(&[
        record(&[]),
        record(&[("id", "\"s\"")]),
        record(&[("id", "\"t\""), ("sha256", &other)]),
    ]);
    assert_eq!(
        told,
        [
            "2:1: the token record 1 (`r`) has the same `sha256` as another record",
            "3:1: the token record 2 (`s`) has the same `sha256` as another record",
        ]
    );
    let told = flaws(&[
        record(&[]),
        record(&[("sha256", &other)]),
        record(&[("id", "\"t\""), ("sha256", &third)]),
    ]);
    assert_eq!(
        told,
        [
            "2:1: the token record 1 (`r`) has the same `id` as another record",
            "3:1: the token record 2 (`r`) has the same `id` as another record",
        ]
    );
}

#[test]
fn a_document_of_another_shape_is_refused_whole() {
    for text in [
        "",
        "hunter2",
        "{\"tokens\": [hunter2]}",
        "{\"tokens\": []",
        "{\"tokens\": []} hunter2",
    ] {
        let error = Records::read(text, Opens::Series).unwrap_err();
        assert!(matches!(error, DocumentError::NotJson { .. }), "{text}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    for text in [
        "[]",
        "{}",
        "null",
        "\"hunter2\"",
        "{\"token\": []}",
        "{\"tokens\": {}}",
        "{\"tokens\": null}",
        "{\"tokens\": [], \"hunter2\": []}",
        "{\"tokens\": [], \"tokens\": []}",
    ] {
        assert_eq!(
            Records::read(text, Opens::Series).unwrap_err(),
            DocumentError::OtherShape(Opens::Series),
            "{text}"
        );
    }
    for (opens, text, expected) in [
        (
            Opens::Series,
            "[",
            "the tokens' document stops being JSON at line 1, column 1",
        ),
        (Opens::Series, "[]", "the tokens' document is not an object"),
        (
            Opens::Dashboards,
            "[",
            "the dashboard tokens' document stops being JSON at line 1, column 1",
        ),
        (
            Opens::Dashboards,
            "[]",
            "the dashboard tokens' document is not an object with the one field `tokens`",
        ),
    ] {
        let told = Records::read(text, opens).unwrap_err().to_string();
        assert!(told.starts_with(expected), "{told}");
    }
    assert_eq!(Records::read("{\"tokens\": []}", Opens::Series).unwrap().records, []);
}

#[test]
fn a_token_has_its_own_record() {
    let tokens: Vec<Token> = (0..5).map(|_| Token::generate().unwrap()).collect();
    let records: Vec<String> = (1..)
        .zip(&tokens[1..])
        .map(|(number, token)| {
            record(&[
                ("id", &format!("\"{number}\"")),
                ("sha256", &format!("\"{}\"", token.hash().to_hex())),
            ])
        })
        .collect();
    let read = Records::read(&document(&records), Opens::Series).unwrap();
    assert_eq!(read.of(&tokens[0]), None);
    for (number, token) in (1..).zip(&tokens[1..]) {
        assert_eq!(read.of(token).unwrap().id, format!("{number}"));
    }
}

#[test]
fn a_record_that_opens_dashboards_names_no_series() {
    let flaws = |fields: &[(&str, &str)]| {
        let read = Records::read(&document(&[record(fields)]), Opens::Dashboards).unwrap();
        let flaws: Vec<_> = read.flaws.iter().map(|flaw| flaw.flaw.to_string()).collect();
        (read.records, flaws)
    };
    let (records, none) = flaws(&[("organisations", "")]);
    assert_eq!(none, [""; 0]);
    let [reader] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert_eq!(
        (reader.client.as_str(), reader.organisations.len(), reader.plan.as_str()),
        ("acme", 0, "")
    );
    // It is stored as it is read, and is no customer's.
    let stored = format!("{{\"tokens\": [{}]}}", reader.to_json());
    assert_eq!(Records::read(&stored, Opens::Dashboards).unwrap().records, records);
    assert_eq!(Records::read(&stored, Opens::Series).unwrap().records, []);
    for field in ["organisations", "plan"] {
        let (records, flaws) = flaws(&[("organisations", ""), (field, "[\"acme-fr\"]")]);
        let expected = format!("has a field `{field}`, which opens series, and a reader of dashboards may read none");
        assert!(
            records.is_empty() && flaws[0].starts_with(&expected),
            "{field}: {flaws:?}"
        );
    }
    // What he does not have is not what was meant.
    let (_, misspelt) = flaws(&[("organisations", ""), ("organisation", "\"acme-fr\"")]);
    assert_eq!(misspelt, ["has an unknown field `organisation`"]);
    let read = Records::read(
        &document(&[record(&[("organisations", ""), ("expires", "")])]),
        Opens::Dashboards,
    )
    .unwrap();
    let told = read.flaws[0].to_string();
    assert!(
        told.starts_with("2:1: the dashboard token record 1 (`r`) has "),
        "{told}"
    );
}
