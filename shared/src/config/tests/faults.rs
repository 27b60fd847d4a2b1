//! What a mistake in one place keeps from running, and what it does not.

use super::*;

#[test]
fn a_mistake_in_one_job_leaves_the_others_running() {
    let text = minimal("", "") + "- name: broken\n  source: postgres://u@h/d\n  schedule: never\n";
    let loaded = load_text(&text);
    assert_eq!(
        loaded
            .configuration
            .jobs
            .iter()
            .map(|job| job.name.as_str())
            .collect::<Vec<_>>(),
        ["j"]
    );
    assert!(loaded.report.mistakes() > 0);
    let error = loaded.configuration.job("broken").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the job `broken` does not run because of a mistake, which `fanlight check` shows"
    );
    let error = loaded.configuration.job("nowhere").unwrap_err();
    assert_eq!(error.to_string(), "there is no job `nowhere`; the jobs are j");
}

/// A mistake, in which file, and whether it stops only the jobs of the file `a` or also those of the file `b`.
#[test]
fn a_job_does_not_run_otherwise_than_it_is_written() {
    let good = minimal("", "");
    let other = minimal("", "")
        .replace("name: j", "name: other")
        .replace("name: m", "name: n");
    let (a, b, shared) = ("a.yaml", "b.yaml", "fanlight.yaml");
    let sink = |extra: &str| format!("sinks: {{default: {{pushgateway: {{url: 'http://h', {extra}}}}}}}\n");
    for (file, text, left) in [
        (a, minimal("on_error: ignore", ""), vec!["other"]),
        (a, minimal("timeut: 1s", ""), vec!["other"]),
        (a, minimal("", "null_value: eror"), vec!["other"]),
        (a, minimal("", "extrenal: true"), vec!["other"]),
        (a, minimal("", "labels: {a: 1}"), vec!["other"]),
        (a, format!("{good}defaults: {{on_error: ignore}}\n"), vec!["other"]),
        (a, format!("{good}defaults: {{timeout: 16m}}\n"), vec!["other"]),
        (a, format!("{good}default: {{on_error: fail}}\n"), vec!["other"]),
        (a, format!("{good}static_labels: {{a: 1}}\n"), vec!["other"]),
        (a, format!("{good}static_labels: {{job: x}}\n"), vec!["other"]),
        (a, format!("{good}: x\n"), vec!["other"]),
        (b, "jobs: [\n".to_owned(), vec!["j", "other"]),
        (shared, "jobs: [{name: third}]\n".to_owned(), vec!["j", "other"]),
        (
            shared,
            "jobs: [{name: third, timeut: 1s}]\n".to_owned(),
            vec!["j", "other"],
        ),
        (shared, "static_labels: {a: 1}\n".to_owned(), vec![]),
        (shared, "static_labels: {job: x}\n".to_owned(), vec![]),
        (shared, "defaults: {timeout: 16m}\n".to_owned(), vec![]),
        (shared, "defaults: [\n".to_owned(), vec![]),
        (shared, "- defaults\n".to_owned(), vec![]),
        (
            shared,
            "placeholders: {PUSHGATEWAY_URL: {secret: s, feild: f}}\n".to_owned(),
            vec![],
        ),
        (b, "placeholders: {PUSHGATEWAY_URL: {field: f}}\n".to_owned(), vec![]),
        (
            b,
            "placeholders: {PUSHGATEWAY_URL: {secret: s, feild: f}}\n".to_owned(),
            vec![],
        ),
        (b, sink("ca_file: ../ca.pem"), vec![]),
        (b, sink("ca_flie: ca.pem"), vec![]),
        (b, sink("timeout: soon"), vec![]),
        (b, sink("grouping: {job: x}"), vec![]),
        (b, sink("timeout: 1s"), vec!["j", "other"]),
    ] {
        let mut files = vec![("other.yaml", other.as_str()), (file, text.as_str())];
        if file != a {
            files.push((a, &good));
        }
        let loaded = Folder::new(&files).load();
        let jobs: Vec<_> = loaded.configuration.jobs.iter().map(|job| job.name.as_str()).collect();
        assert_eq!(jobs, left, "{file}: {text}\n{}", loaded.report.summary());
        assert_eq!(loaded.report.mistakes() == 0, text == sink("timeout: 1s"), "{text}");
    }
}

#[test]
fn a_shared_file_by_the_wrong_name_is_a_mistake_and_nothing_runs_without_it() {
    let folder = Folder::new(&[("fanlight.yml", "defaults: {timeout: 1s}\n"), ("a.yaml", ARTICLE)]);
    let loaded = folder.load();
    let summary = loaded.report.summary();
    assert!(
        summary.contains("fanlight.yml:1:1: what all teams share is read from `fanlight.yaml`")
            && summary.contains("rename it to fanlight.yaml"),
        "{summary}"
    );
    assert_eq!(loaded.report.mistakes(), 1, "{summary}");
    assert!(loaded.configuration.jobs.is_empty());
}

#[test]
fn a_folder_that_is_no_configuration_says_so() {
    let error = load(std::path::Path::new("/nonexistent/config")).unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent/config cannot be read"),
        "{error}"
    );
    let empty = Folder::new(&[("readme.md", "")]);
    assert!(
        load(empty.0.path())
            .unwrap_err()
            .to_string()
            .contains("holds no .yaml or .yml file")
    );
}

#[test]
fn hostile_files_end_in_an_error_within_a_second() {
    let laughs = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))
    });
    let deep = format!("x-deep: {}", "[".repeat(10_000));
    let wrong = format!(
        "jobs:\n{}",
        "- {name: j, source: s, nope: 1, metrics: [{}]}\n".repeat(4_500)
    );
    // As many as the limit of 50,000 values lets through.
    let misspelt = format!("jobs:\n{}", "- {nam: y}\n".repeat(16_000));
    let values = (0..45_000).map(|n| format!("v{n}")).collect::<Vec<_>>().join(", ");
    let allowed = minimal(
        "",
        &format!("labels: [a]\nallowed_values: {{a: [{values}]}}\nlables: [b]"),
    );
    let folder = Folder::new(&[
        ("misspelt.yaml", &misspelt),
        ("allowed.yaml", &allowed),
        ("laughs.yaml", &laughs),
        ("deep.yaml", &deep),
        ("wrong.yaml", &wrong),
        ("binary.yaml", ""),
        ("good.yaml", ARTICLE),
    ]);
    fs::write(folder.0.path().join("binary.yaml"), b"jobs: \xff\xfe").unwrap();
    // A sparse file: 100 MB that take no room.
    fs::File::create(folder.0.path().join("huge.yaml"))
        .unwrap()
        .set_len(100 << 20)
        .unwrap();
    let begun = Instant::now();
    let loaded = folder.load();
    println!("read in {:?}", begun.elapsed());
    let summary = loaded.report.summary();
    let shown = loaded.report.render(false);
    println!("told in {:?}, {} bytes", begun.elapsed(), shown.len());
    for expected in [
        "more than 50000 values",
        "nested more than 32 levels",
        "not UTF-8",
        "102400 KiB large",
        "wrong.yaml: and ",
        "misspelt.yaml: and ",
        "did you mean `labels`?",
    ] {
        assert!(summary.contains(expected), "{expected}: {summary}");
    }
    assert_eq!(loaded.configuration.jobs.len(), 1, "the good file's job still runs");
}
